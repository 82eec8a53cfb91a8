//! Mistakes of one node: its program, its supervision, its environment. Each is told in exactly these words.

use crate::{same, world::said};

#[test]
fn names_that_launch_keeps() {
    same(
        &said(
            r#"
[graph]
name = "robot"

[node.launch]
run = "camera"

[node.link]
run = "camera"

[peer.desktop]
address = "127.0.0.1:7400"
"#,
        ),
        r#"
error: no node can be named `launch`
 --> robot.toml:4:7
  |
4 | [node.launch]
  |       ^^^^^^
  |
  = help: launch publishes under that name: choose another

error: no node can be named `link`
 --> robot.toml:7:7
  |
7 | [node.link]
  |       ^^^^
  |
  = help: launch adds a node of that name to every graph with peers: choose another
"#,
    );
}

#[test]
fn a_missing_program() {
    same(
        &said(
            r#"
[graph]
name = "robot"

[node.camra]
"#,
        ),
        r#"
error: there is no program `camra`
 --> robot.toml:4:7
  |
4 | [node.camra]
  |       ^^^^^
  |
  = help: did you mean `camera`?
  = help: looked for `/usr/lib/offboard/camra`, `./camra`
  = help: `run` says which program a node runs: run = "python3 pilot.py"
"#,
    );
}

#[test]
fn a_missing_program_of_a_foreign_node() {
    same(
        &said(
            r#"
[graph]
name = "robot"

[node.far]
run = "./far --fast"
"#,
        ),
        r#"
error: there is no program `./far`
 --> robot.toml:5:7
  |
5 | run = "./far --fast"
  |       ^^^^^^^^^^^^^^
  |
  = help: looked for `././far`
  = help: `run` says which program a node runs: run = "python3 pilot.py"
"#,
    );
}

#[test]
fn words_that_are_not_closed() {
    same(
        &said(
            r#"
[graph]
name = "robot"

[node.far]
run = "python3 'far.py"

[node.near]
run = []

[node.here]
run = "  "
"#,
        ),
        r#"
error: run has a ' that is not closed
 --> robot.toml:5:7
  |
5 | run = "python3 'far.py"
  |       ^^^^^^^^^^^^^^^^^

error: `run` names no program
 --> robot.toml:8:7
  |
8 | run = []
  |       ^^
  |
  = help: for instance run = "python3 pilot.py"

error: `run` names no program
  --> robot.toml:11:7
   |
11 | run = "  "
   |       ^^^^
   |
   = help: for instance run = "python3 pilot.py"
"#,
    );
}

#[test]
fn a_bad_duration() {
    same(
        &said(
            r#"
[graph]
name = "robot"

[node.camera]
ready = "10"
stop = 2
watchdog = "1 day"

[node.viewer]
subscribe = { frames = { topic = "camera/frames", timeout = "0s" } }
"#,
        ),
        r#"
error: `ready`: "10" is no duration; write a number and a unit (ms, s, m, h), like "300ms"
 --> robot.toml:5:9
  |
5 | ready = "10"
  |         ^^^^

error: `stop` is an integer but wants a duration
 --> robot.toml:6:8
  |
6 | stop = 2
  |        ^
  |
  = help: write a number and a unit (ms, s, m, h), like "300ms"

error: `watchdog`: "1 day" is no duration; write a number and a unit (ms, s, m, h), like "300ms"
 --> robot.toml:7:12
  |
7 | watchdog = "1 day"
  |            ^^^^^^^

error: `timeout` is "0s": 0 is not a bound
  --> robot.toml:10:61
   |
10 | subscribe = { frames = { topic = "camera/frames", timeout = "0s" } }
   |                                                             ^^^^
"#,
    );
}

#[test]
fn a_watchdog_that_is_a_boolean() {
    same(
        &said(
            r#"
[graph]
name = "robot"

[node.camera]
watchdog = false
"#,
        ),
        r#"
error: `watchdog` is a boolean but wants a duration or "off"
 --> robot.toml:5:12
  |
5 | watchdog = false
  |            ^^^^^
"#,
    );
}

#[test]
fn restart_that_is_not_understood() {
    same(
        &said(
            r#"
[graph]
name = "robot"

[node.camera]
restart = "allways"

[node.gamepad]
restart = { when = "sometimes", delay = "1m", max = 0, times = 3 }

[node.viewer]
restart = true
subscribe = { frames = "camera/frames" }
"#,
        ),
        r#"
error: `restart` cannot be "allways"
 --> robot.toml:5:11
  |
5 | restart = "allways"
  |           ^^^^^^^^^
  |
  = help: did you mean `always`?

error: `when` cannot be "sometimes"
 --> robot.toml:8:20
  |
8 | restart = { when = "sometimes", delay = "1m", max = 0, times = 3 }
  |                    ^^^^^^^^^^^
  |
  = help: it is one of `always`, `on-failure`, `never`

error: `delay` is 60s but `delay_max` only 10s
 --> robot.toml:8:41
  |
8 | restart = { when = "sometimes", delay = "1m", max = 0, times = 3 }
  |                                         ^^^^

error: `max` is 0 but wants an integer from 1 to 1000
 --> robot.toml:8:53
  |
8 | restart = { when = "sometimes", delay = "1m", max = 0, times = 3 }
  |                                                     ^

error: unknown key `times`
 --> robot.toml:8:56
  |
8 | restart = { when = "sometimes", delay = "1m", max = 0, times = 3 }
  |                                                        ^^^^^ no key of `restart`
  |
  = help: the keys are `when`, `delay`, `delay_max`, `window`, `max`

error: `restart` is a boolean but wants "always", "on-failure", "never" or a table
  --> robot.toml:11:11
   |
11 | restart = true
   |           ^^^^
"#,
    );
}

#[test]
fn environment_that_cannot_be_set() {
    same(
        &said(
            r#"
[graph]
name = "robot"

[node.camera]
env = { "A B" = "1", LAUNCH_NODE = "x", C = 3 }
"#,
        ),
        r#"
error: `A B` is no name of an environment variable
 --> robot.toml:5:9
  |
5 | env = { "A B" = "1", LAUNCH_NODE = "x", C = 3 }
  |         ^^^^^

error: `LAUNCH_NODE` is not yours to set: LAUNCH_ is the wiring
 --> robot.toml:5:22
  |
5 | env = { "A B" = "1", LAUNCH_NODE = "x", C = 3 }
  |                      ^^^^^^^^^^^
  |
  = help: a node is told its own settings in `params`

error: `C` is an integer but wants a string
 --> robot.toml:5:45
  |
5 | env = { "A B" = "1", LAUNCH_NODE = "x", C = 3 }
  |                                             ^
"#,
    );
}

#[test]
fn an_unknown_node_to_wait_for() {
    same(
        &said(
            r#"
[graph]
name = "robot"

[node.camera]
after = ["gamepda"]

[node.gamepad]
"#,
        ),
        r#"
error: there is no node `gamepda`
 --> robot.toml:5:10
  |
5 | after = ["gamepda"]
  |          ^^^^^^^^^
  |
  = help: did you mean `gamepad`?
"#,
    );
}

#[test]
fn nodes_that_wait_for_each_other() {
    same(
        &said(
            r#"
[graph]
name = "robot"

[node.camera]
after = ["gamepad"]

[node.gamepad]
after = ["camera"]
"#,
        ),
        r#"
error: nodes wait for each other: camera → gamepad → camera
 --> robot.toml:8:10
  |
8 | after = ["camera"]
  |          ^^^^^^^^
  |
  = help: `after` must not go in a circle
"#,
    );
}

#[test]
fn a_node_that_waits_for_itself() {
    same(
        &said(
            r#"
[graph]
name = "robot"

[node.camera]
after = ["camera"]
"#,
        ),
        r#"
error: `camera` waits for itself
 --> robot.toml:5:10
  |
5 | after = ["camera"]
  |          ^^^^^^^^
  |
  = help: `after` must not go in a circle
"#,
    );
}

#[test]
fn a_string_that_no_process_can_be_told() {
    same(
        &said(
            r#"
[graph]
name = "robot"

[node.camera]
env = { A = "a\u0000b" }
"#,
        ),
        r#"
error: `A` holds a NUL, which no process can be told
 --> robot.toml:5:13
  |
5 | env = { A = "a\u0000b" }
  |             ^^^^^^^^^^
"#,
    );
}

#[test]
fn a_watchdog_that_healthy_nodes_would_not_satisfy() {
    same(
        &said(
            r#"
[graph]
name = "robot"
[node.camera]
watchdog = "100ms"
"#,
        ),
        r#"
error: `watchdog` is 100ms but must be at least 500ms
 --> robot.toml:4:12
  |
4 | watchdog = "100ms"
  |            ^^^^^^^
  |
  = help: a healthy node sends a heartbeat every 330 ms
"#,
    );
}
