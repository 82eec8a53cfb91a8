//! Mistakes in what a node may use. Each is told in exactly these words.

use crate::{same, world::said};

#[test]
fn limits_that_no_node_can_have() {
    same(
        &said(
            r#"
[graph]
name = "robot"

[node.camera]
limits = { memory = "512kB", pids = 0, files = 4, nice = -21, cpus = [0, 1024, 0], cpu = 1 }
"#,
        ),
        r#"
error: `memory` is "512kB": in less than 1MiB no program begins
 --> robot.toml:5:21
  |
5 | limits = { memory = "512kB", pids = 0, files = 4, nice = -21, cpus = [0, 1024, 0], cpu = 1 }
  |                     ^^^^^^^

error: `pids` is 0 but wants an integer from 1 to 4194304
 --> robot.toml:5:37
  |
5 | limits = { memory = "512kB", pids = 0, files = 4, nice = -21, cpus = [0, 1024, 0], cpu = 1 }
  |                                     ^

error: `files` is 4 but wants an integer from 8 to 1048576
 --> robot.toml:5:48
  |
5 | limits = { memory = "512kB", pids = 0, files = 4, nice = -21, cpus = [0, 1024, 0], cpu = 1 }
  |                                                ^

error: `nice` is -21 but wants an integer from -20 to 19
 --> robot.toml:5:58
  |
5 | limits = { memory = "512kB", pids = 0, files = 4, nice = -21, cpus = [0, 1024, 0], cpu = 1 }
  |                                                          ^^^

error: an item of `cpus` is 1024 but wants an integer from 0 to 1023
 --> robot.toml:5:74
  |
5 | limits = { memory = "512kB", pids = 0, files = 4, nice = -21, cpus = [0, 1024, 0], cpu = 1 }
  |                                                                          ^^^^

error: `cpus` names processor 0 twice
 --> robot.toml:5:80
  |
5 | limits = { memory = "512kB", pids = 0, files = 4, nice = -21, cpus = [0, 1024, 0], cpu = 1 }
  |                                                                                ^

error: unknown key `cpu`
 --> robot.toml:5:84
  |
5 | limits = { memory = "512kB", pids = 0, files = 4, nice = -21, cpus = [0, 1024, 0], cpu = 1 }
  |                                                                                    ^^^ no key of `limits`
  |
  = help: did you mean `cpus`?
"#,
    );
}

#[test]
fn limits_that_are_no_table() {
    same(
        &said(
            r#"
[graph]
name = "robot"

[node.camera]
limits = "512MiB"
"#,
        ),
        r#"
error: `limits` is a string but wants a table
 --> robot.toml:5:10
  |
5 | limits = "512MiB"
  |          ^^^^^^^^
"#,
    );
}

#[test]
fn limits_of_the_wrong_kind() {
    same(
        &said(
            r#"
[graph]
name = "robot"

[node.gamepad]
limits = { memory = "64M", pids = "many", files = 1.5, nice = 20, cpus = [] }

[node.viewer]
limits = { memory = 0, cpus = "0-3" }
subscribe = { frames = "camera/frames" }

[node.camera]
"#,
        ),
        r#"
error: `memory`: "64M" is no size; write a number and a unit (kB, KiB, MB, MiB, GB, GiB), like "64MiB"
 --> robot.toml:5:21
  |
5 | limits = { memory = "64M", pids = "many", files = 1.5, nice = 20, cpus = [] }
  |                     ^^^^^

error: `pids` is a string but wants an integer from 1 to 4194304
 --> robot.toml:5:35
  |
5 | limits = { memory = "64M", pids = "many", files = 1.5, nice = 20, cpus = [] }
  |                                   ^^^^^^

error: `files` is a float but wants an integer from 8 to 1048576
 --> robot.toml:5:51
  |
5 | limits = { memory = "64M", pids = "many", files = 1.5, nice = 20, cpus = [] }
  |                                                   ^^^

error: `nice` is 20 but wants an integer from -20 to 19
 --> robot.toml:5:63
  |
5 | limits = { memory = "64M", pids = "many", files = 1.5, nice = 20, cpus = [] }
  |                                                               ^^

error: `cpus` names no processor: the node could run nowhere
 --> robot.toml:5:74
  |
5 | limits = { memory = "64M", pids = "many", files = 1.5, nice = 20, cpus = [] }
  |                                                                          ^^
  |
  = help: leave it out to allow all

error: `memory` is 0: 0 is not a bound
 --> robot.toml:8:21
  |
8 | limits = { memory = 0, cpus = "0-3" }
  |                     ^

error: `cpus` is a string but wants a list of processors
 --> robot.toml:8:31
  |
8 | limits = { memory = 0, cpus = "0-3" }
  |                               ^^^^^
  |
  = help: for instance cpus = [0, 1]
"#,
    );
}
