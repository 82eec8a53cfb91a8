//! Mistakes of TOML itself. Each is told in exactly these words.

use crate::{same, world::said};

#[test]
fn a_value_that_is_missing() {
    same(
        &said(
            r#"
[graph]
name = "robot"

[node.camera]
params = { rate = }
"#,
        ),
        r#"
error: a value is missing here
 --> robot.toml:5:19
  |
5 | params = { rate = }
  |                   ^
"#,
    );
}

#[test]
fn a_value_without_quotes() {
    same(
        &said(
            r#"
[graph]
name = "robot"

[node.camera]
params = { encoding = jpeg }
"#,
        ),
        r#"
error: `jpeg` is no value
 --> robot.toml:5:23
  |
5 | params = { encoding = jpeg }
  |                       ^^^^
  |
  = help: text is written in quotes: "jpeg"
"#,
    );
}

#[test]
fn a_key_without_a_value_does_not_hide_the_rest() {
    same(
        &said(
            r#"
[graph]
name = "robot"

listen

[node.camera]
parms = {}
"#,
        ),
        r#"
error: this is no TOML: key with no value, expected `=`
 --> robot.toml:4:7
  |
4 | listen
  |       ^

error: unknown key `parms`
 --> robot.toml:7:1
  |
7 | parms = {}
  | ^^^^^ no key of a node
  |
  = help: did you mean `params`?
"#,
    );
}

#[test]
fn a_table_that_is_not_closed() {
    same(
        &said(
            r#"
[graph]
name = "robot"

[node.camera
params = { rate = 30 }

[node.viewer]
subscribe = { frames = "camera/frames", frame = "camera/frames" }
"#,
        ),
        r#"
error: this is no TOML: unclosed table, expected `]`
 --> robot.toml:4:13
  |
4 | [node.camera
  |             ^

error: `viewer` has no input `frame`
 --> robot.toml:8:41
  |
8 | subscribe = { frames = "camera/frames", frame = "camera/frames" }
  |                                         ^^^^^
  |
  = help: did you mean `frames`?
"#,
    );
}

#[test]
fn a_list_that_is_not_closed_hides_nothing_else() {
    same(
        &said(
            r#"
[graph]
name = "robot"

[node.camera]
params = { size = [640, 480 }

[node.viewer]
scale = 4
subscribe = { frames = "camera/frames" }
"#,
        ),
        r#"
error: this is no TOML: missing comma between array elements, expected `,`
 --> robot.toml:5:29
  |
5 | params = { size = [640, 480 }
  |                             ^

error: unknown key `scale`
 --> robot.toml:8:1
  |
8 | scale = 4
  | ^^^^^ no key of a node
  |
  = help: the keys are `run`, `publish`, `subscribe`, `params`, `env`, `after`, `required`, `restart`, `ready`, `watchdog`, `stop`, `limits`, `log`
"#,
    );
}

#[test]
fn a_string_that_is_not_closed() {
    same(
        &said(
            r#"
[graph]
name = "robot

[node.camera]
"#,
        ),
        r#"
error: the string is not closed
 --> robot.toml:2:14
  |
2 | name = "robot
  |              ^
  |
  = help: a closing " is missing
"#,
    );
}

#[test]
fn two_nodes_of_one_name() {
    same(
        &said(
            r#"
[graph]
name = "robot"

[node.camera]

[node.camera]
run = "python3 other.py"
"#,
        ),
        r#"
error: two nodes are named `camera`
 --> robot.toml:6:7
  |
4 | [node.camera]
  |  ----------- the first
5 |
6 | [node.camera]
  |       ^^^^^^ the second
  |
  = help: a topic has one publisher: give one of them another name
"#,
    );
}

#[test]
fn one_topic_published_twice() {
    same(
        &said(
            r#"
[graph]
name = "robot"

[node.far]
run = "python3 far.py"
publish = { drive = "Drive", pad = "Gamepad", drive = "Drive" }
"#,
        ),
        r#"
error: the topic `far/drive` is published twice
 --> robot.toml:6:47
  |
6 | publish = { drive = "Drive", pad = "Gamepad", drive = "Drive" }
  |             ----- the first                   ^^^^^ the second
  |
  = help: a topic has one publisher: rename one output
"#,
    );
}

#[test]
fn two_peers_of_one_name() {
    same(
        &said(
            r#"
[graph]
name = "robot"

[node.camera]

[peer.desktop]
address = "127.0.0.1:7400"

[peer.desktop]
address = "127.0.0.1:7401"
"#,
        ),
        r#"
error: two peers are named `desktop`
 --> robot.toml:9:7
  |
6 | [peer.desktop]
  |  ------------ the first
...
9 | [peer.desktop]
  |       ^^^^^^^ the second
"#,
    );
}

#[test]
fn a_key_written_twice() {
    same(
        &said(
            r#"
[graph]
name = "robot"

[node.camera]
required = true
required = false
"#,
        ),
        r#"
error: `required` is written twice
 --> robot.toml:6:1
  |
5 | required = true
  | -------- the first
6 | required = false
  | ^^^^^^^^ the second
"#,
    );
}

#[test]
fn a_value_that_is_a_table_too() {
    same(
        &said(
            r#"
node = 3
[graph]
name = "robot"

[node.camera]
"#,
        ),
        r#"
error: `node` is an integer but wants a table
 --> robot.toml:1:8
  |
1 | node = 3
  |        ^

error: `node` has a value already, so it cannot be a table
 --> robot.toml:5:2
  |
5 | [node.camera]
  |  ^^^^
"#,
    );
}

#[test]
fn a_number_that_does_not_fit() {
    same(
        &said(
            r#"
[graph]
name = "robot"

[node.camera]
params = { rate = 99999999999999999999 }
"#,
        ),
        r#"
error: 99999999999999999999 is no number that fits 64 bits
 --> robot.toml:5:19
  |
5 | params = { rate = 99999999999999999999 }
  |                   ^^^^^^^^^^^^^^^^^^^^
"#,
    );
}

#[test]
fn nothing_is_called_missing_that_may_stand_in_a_bad_line() {
    same(
        &said(
            r#"
[graph]
name = "robot"

[node.gamepad]
[node.pilot]
subscribe = { pad = "gamepad/pad" }

[node.motor]
subscribe = { drive = pilot/drive }
params = { deadman = 300ms }
"#,
        ),
        r#"
error: `pilot/drive` is no value
 --> robot.toml:9:23
  |
9 | subscribe = { drive = pilot/drive }
  |                       ^^^^^^^^^^^
  |
  = help: text is written in quotes: "pilot/drive"

error: `300ms` is no value
  --> robot.toml:10:22
   |
10 | params = { deadman = 300ms }
   |                      ^^^^^
   |
   = help: text is written in quotes: "300ms"
"#,
    );
}
