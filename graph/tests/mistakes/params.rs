//! Mistakes of parameters. Each is told in exactly these words.

use crate::{same, world::said};

#[test]
fn a_parameter_of_the_wrong_type() {
    same(
        &said(
            r#"
[graph]
name = "robot"

[node.camera]
params = { rate = "fast", device = [1], size = [640, "x"], quality = 1.5 }
"#,
        ),
        r#"
error: parameter `rate` of `camera` is a string but wants a number
 --> robot.toml:5:19
  |
5 | params = { rate = "fast", device = [1], size = [640, "x"], quality = 1.5 }
  |                   ^^^^^^ wants a number

error: parameter `device` of `camera` is a list but wants an integer or a string
 --> robot.toml:5:36
  |
5 | params = { rate = "fast", device = [1], size = [640, "x"], quality = 1.5 }
  |                                    ^^^ wants an integer or a string

error: parameter `size[1]` of `camera` is a string but wants an integer
 --> robot.toml:5:54
  |
5 | params = { rate = "fast", device = [1], size = [640, "x"], quality = 1.5 }
  |                                                      ^^^ wants an integer

error: parameter `quality` of `camera` is a float but wants an integer
 --> robot.toml:5:70
  |
5 | params = { rate = "fast", device = [1], size = [640, "x"], quality = 1.5 }
  |                                                                      ^^^ wants an integer
"#,
    );
}

#[test]
fn an_unknown_parameter() {
    same(
        &said(
            r#"
[graph]
name = "robot"

[node.camera]
params = { rat = 30, brightness = 3 }
"#,
        ),
        r#"
error: `camera` has no parameter `rat`
 --> robot.toml:5:12
  |
5 | params = { rat = 30, brightness = 3 }
  |            ^^^
  |
  = help: did you mean `rate`?

error: `camera` has no parameter `brightness`
 --> robot.toml:5:22
  |
5 | params = { rat = 30, brightness = 3 }
  |                      ^^^^^^^^^^
  |
  = help: its parameters are `device`, `encoding`, `quality`, `rate`, `size`
"#,
    );
}

#[test]
fn a_parameter_that_is_none_of_the_choices() {
    same(
        &said(
            r#"
[graph]
name = "robot"

[node.gamepad]
[node.pilot]
subscribe = { pad = "gamepad/pad" }

[node.camera]
params = { encoding = "jpg" }

[node.motor]
subscribe = { drive = "pilot/drive" }
params = { deadman = "300ms", driver = "steam" }
"#,
        ),
        r#"
error: parameter `encoding` of `camera` cannot be "jpg"
 --> robot.toml:9:23
  |
9 | params = { encoding = "jpg" }
  |                       ^^^^^
  |
  = help: did you mean `jpeg`?

error: parameter `driver` of `motor` cannot be "steam"
  --> robot.toml:13:40
   |
13 | params = { deadman = "300ms", driver = "steam" }
   |                                        ^^^^^^^
   |
   = help: it is one of `serial`, `virtual`
"#,
    );
}

#[test]
fn a_parameter_out_of_its_range() {
    same(
        &said(
            r#"
[graph]
name = "robot"

[node.camera]
params = { rate = 0, quality = 300, device = -1, size = [1, 2, 3] }
"#,
        ),
        r#"
error: parameter `rate` of `camera` is 0 but must be above 0
 --> robot.toml:5:19
  |
5 | params = { rate = 0, quality = 300, device = -1, size = [1, 2, 3] }
  |                   ^

error: parameter `quality` of `camera` is 300 but must be at most 100
 --> robot.toml:5:32
  |
5 | params = { rate = 0, quality = 300, device = -1, size = [1, 2, 3] }
  |                                ^^^

error: parameter `device` of `camera` is -1 but must be at least 0
 --> robot.toml:5:46
  |
5 | params = { rate = 0, quality = 300, device = -1, size = [1, 2, 3] }
  |                                              ^^

error: parameter `size` of `camera` has 3 items but wants 2
 --> robot.toml:5:57
  |
5 | params = { rate = 0, quality = 300, device = -1, size = [1, 2, 3] }
  |                                                         ^^^^^^^^^
"#,
    );
}

#[test]
fn a_motor_without_a_bound() {
    same(
        &said(
            r#"
[graph]
name = "robot"

[node.gamepad]
[node.pilot]
subscribe = { pad = "gamepad/pad" }

[node.motor]
subscribe = { drive = "pilot/drive" }
"#,
        ),
        r#"
error: `motor` has no parameter `deadman`, which it needs
 --> robot.toml:8:7
  |
8 | [node.motor]
  |       ^^^^^
  |
  = help: a motor whose commands have no bound on their age does not stop when they stop
  = help: for instance params = { deadman = "300ms" }
"#,
    );
}

#[test]
fn a_motor_whose_bound_is_0() {
    same(
        &said(
            r#"
[graph]
name = "robot"

[node.gamepad]
[node.pilot]
subscribe = { pad = "gamepad/pad" }

[node.motor]
subscribe = { drive = "pilot/drive" }
params = { deadman = "0s" }
"#,
        ),
        r#"
error: parameter `deadman` of `motor` is "0s": 0 is not a bound
  --> robot.toml:10:22
   |
10 | params = { deadman = "0s" }
   |                      ^^^^
   |
   = help: a motor whose commands have no bound on their age does not stop when they stop
"#,
    );
}

#[test]
fn a_motor_whose_bound_is_too_short() {
    same(
        &said(
            r#"
[graph]
name = "robot"

[node.gamepad]
[node.pilot]
subscribe = { pad = "gamepad/pad" }

[node.motor]
subscribe = { drive = "pilot/drive" }
params = { deadman = "5ms" }
"#,
        ),
        r#"
error: parameter `deadman` of `motor` is "5ms" but must be at least 20ms
  --> robot.toml:10:22
   |
10 | params = { deadman = "5ms" }
   |                      ^^^^^
   |
   = help: a motor whose commands have no bound on their age does not stop when they stop
"#,
    );
}

#[test]
fn a_motor_whose_bound_is_too_long() {
    same(
        &said(
            r#"
[graph]
name = "robot"

[node.gamepad]
[node.pilot]
subscribe = { pad = "gamepad/pad" }

[node.motor]
subscribe = { drive = "pilot/drive" }
params = { deadman = "1m" }
"#,
        ),
        r#"
error: parameter `deadman` of `motor` is "1m" but must be at most 2s
  --> robot.toml:10:22
   |
10 | params = { deadman = "1m" }
   |                      ^^^^
   |
   = help: a motor whose commands have no bound on their age does not stop when they stop
"#,
    );
}

#[test]
fn a_motor_whose_bound_has_no_unit() {
    same(
        &said(
            r#"
[graph]
name = "robot"

[node.gamepad]
[node.pilot]
subscribe = { pad = "gamepad/pad" }

[node.motor]
subscribe = { drive = "pilot/drive" }
params = { deadman = "300" }
"#,
        ),
        r#"
error: parameter `deadman` of `motor`: "300" is no duration; write a number and a unit (ms, s, m, h), like "300ms"
  --> robot.toml:10:22
   |
10 | params = { deadman = "300" }
   |                      ^^^^^
"#,
    );
}

#[test]
fn a_motor_whose_bound_is_a_number() {
    same(
        &said(
            r#"
[graph]
name = "robot"

[node.gamepad]
[node.pilot]
subscribe = { pad = "gamepad/pad" }

[node.motor]
subscribe = { drive = "pilot/drive" }
params = { deadman = 300 }
"#,
        ),
        r#"
error: parameter `deadman` of `motor` is an integer but wants a duration
  --> robot.toml:10:22
   |
10 | params = { deadman = 300 }
   |                      ^^^ wants a duration
   |
   = help: write a number and a unit (ms, s, m, h), like "300ms"
"#,
    );
}

#[test]
fn a_parameter_that_is_not_a_number() {
    same(
        &said(
            r#"
[graph]
name = "robot"

[node.camera]
params = { rate = nan }
"#,
        ),
        r#"
error: `nan` is no number that a node can be told
 --> robot.toml:5:19
  |
5 | params = { rate = nan }
  |                   ^^^
"#,
    );
}

#[test]
fn a_required_input_that_hears_nothing() {
    same(
        &said(
            r#"
[graph]
name = "robot"

[node.motor]
params = { deadman = "300ms" }
"#,
        ),
        r#"
error: `motor` does not listen to anything at `drive`
 --> robot.toml:4:7
  |
4 | [node.motor]
  |       ^^^^^
  |
  = help: it needs that input: subscribe = { drive = "node/output" }
"#,
    );
}

#[test]
fn parameters_of_a_real_schema() {
    same(
        &said(
            r#"
[graph]
name = "robot"

[node.arm]
params = { speed = -1, pause = "5", grip = "soft", joints = [{ id = 300 }, { name = "a" }], mode = { kind = "hold", force = "x" }, limit = 1.5 }
"#,
        ),
        r#"
error: parameter `speed` of `arm` is -1 but must be at least 0
 --> robot.toml:5:20
  |
5 | params = { speed = -1, pause = "5", grip = "soft", joints = [{ id = 300 }, { name = "a" }], mode = { kind = "hold", force = "x" }, li...
  |                    ^^

error: parameter `pause` of `arm`: "5" is no duration; write a number and a unit (ms, s, m, h), like "300ms"
 --> robot.toml:5:32
  |
5 | params = { speed = -1, pause = "5", grip = "soft", joints = [{ id = 300 }, { name = "a" }], mode = { kind = "hold", force = "x" }, li...
  |                                ^^^

error: parameter `grip` of `arm` cannot be "soft"
 --> robot.toml:5:44
  |
5 | params = { speed = -1, pause = "5", grip = "soft", joints = [{ id = 300 }, { name = "a" }], mode = { kind = "hold", force = "x" }, li...
  |                                            ^^^^^^
  |
  = help: it is one of `gentle`, `firm`

error: parameter `joints[0].id` of `arm` is 300 but must be at most 255
 --> robot.toml:5:69
  |
5 | params = { speed = -1, pause = "5", grip = "soft", joints = [{ id = 300 }, { name = "a" }], mode = { kind = "hold", force = "x" }, li...
  |                                                                     ^^^

error: `arm` has no parameter `joints[1].id`, which it needs
 --> robot.toml:5:76
  |
5 | params = { speed = -1, pause = "5", grip = "soft", joints = [{ id = 300 }, { name = "a" }], mode = { kind = "hold", force = "x" }, li...
  |                                                                            ^^^^^^^^^^^^^^

error: parameter `mode.force` of `arm` is a string but wants a number
 --> robot.toml:5:125
  |
5 | ...300 }, { name = "a" }], mode = { kind = "hold", force = "x" }, limit = 1.5 }
  |                                                            ^^^ wants a number

error: parameter `limit` of `arm` is a float but wants an integer
 --> robot.toml:5:140
  |
5 | ..."a" }], mode = { kind = "hold", force = "x" }, limit = 1.5 }
  |                                                           ^^^ wants an integer
"#,
    );
}

#[test]
fn a_table_that_is_none_of_the_kinds() {
    same(
        &said(
            r#"
[graph]
name = "robot"

[node.arm]
params = { mode = { kind = "hald" }, grip = 3, joints = "a" }
"#,
        ),
        r#"
error: parameter `mode.kind` of `arm` cannot be "hald"
 --> robot.toml:5:28
  |
5 | params = { mode = { kind = "hald" }, grip = 3, joints = "a" }
  |                            ^^^^^^
  |
  = help: did you mean `hold`?

error: parameter `grip` of `arm` is an integer but wants `gentle` or `firm`
 --> robot.toml:5:45
  |
5 | params = { mode = { kind = "hald" }, grip = 3, joints = "a" }
  |                                             ^ wants `gentle` or `firm`

error: parameter `joints` of `arm` is a string but wants a list
 --> robot.toml:5:57
  |
5 | params = { mode = { kind = "hald" }, grip = 3, joints = "a" }
  |                                                         ^^^ wants a list
"#,
    );
}

#[test]
fn a_slip_in_a_needed_parameter_is_told_once() {
    same(
        &said(
            r#"
[graph]
name = "robot"

[node.gamepad]
[node.pilot]
subscribe = { pad = "gamepad/pad" }

[node.motor]
subscribe = { drive = "pilot/drive" }
params = { dedman = "300ms" }
"#,
        ),
        r#"
error: `motor` has no parameter `dedman`
  --> robot.toml:10:12
   |
10 | params = { dedman = "300ms" }
   |            ^^^^^^
   |
   = help: did you mean `deadman`?
"#,
    );
}
