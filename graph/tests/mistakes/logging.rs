//! Mistakes in what shall become of a node's lines. Each is told in exactly these words.

use std::path::PathBuf;

use offboard::graph::{LogFile, LogLevel, LogSpec};

use crate::{
    same,
    world::{graph, said},
};

fn spec(log: &str) -> LogSpec {
    graph(&format!("[graph]\nname = \"robot\"\n[node.camera]\n{log}\n")).nodes[0].log.clone()
}

#[test]
fn what_becomes_of_a_nodes_lines_is_as_the_file_says() {
    let default = LogSpec { level: None, file: LogFile::Default, size: 10 << 20, keep: 3 };
    assert_eq!(spec(""), default);
    assert_eq!(spec("log = true"), default);
    assert_eq!(spec("log = false"), LogSpec { file: LogFile::Off, ..default.clone() });
    assert_eq!(spec("log = \"debug\""), LogSpec { level: Some(LogLevel::Debug), ..default.clone() });
    assert_eq!(
        spec("log = { level = \"warn\", file = \"log/a.log\", size = \"1MiB\", keep = 0 }"),
        LogSpec { level: Some(LogLevel::Warn), file: LogFile::At(PathBuf::from("log/a.log")), size: 1 << 20, keep: 0 }
    );
    assert_eq!(spec("log = { file = false }"), LogSpec { file: LogFile::Off, ..default.clone() });
    assert_eq!(spec("log = { size = 1000000 }"), LogSpec { size: 1_000_000, ..default });
}

#[test]
fn a_level_that_there_is_not() {
    same(
        &said(
            r#"
[graph]
name = "robot"

[node.camera]
log = "debgu"

[node.gamepad]
log = { level = "loud" }
"#,
        ),
        r#"
error: `log` cannot be "debgu"
 --> robot.toml:5:7
  |
5 | log = "debgu"
  |       ^^^^^^^
  |
  = help: did you mean `debug`?

error: `level` cannot be "loud"
 --> robot.toml:8:17
  |
8 | log = { level = "loud" }
  |                 ^^^^^^
  |
  = help: it is one of `error`, `warn`, `info`, `debug`, `trace`
"#,
    );
}

#[test]
fn a_log_that_is_neither_a_level_nor_a_table() {
    same(
        &said(
            r#"
[graph]
name = "robot"

[node.camera]
log = 3
"#,
        ),
        r#"
error: `log` is an integer but wants a level, false or a table
 --> robot.toml:5:7
  |
5 | log = 3
  |       ^
  |
  = help: for instance log = "debug", or log = { file = "camera.log", size = "10MiB", keep = 3 }
"#,
    );
}

#[test]
fn a_log_with_wrong_values() {
    same(
        &said(
            r#"
[graph]
name = "robot"

[node.camera]
log = { level = 1, file = 2, size = true, keep = "3" }
"#,
        ),
        r#"
error: `level` is an integer but wants a string
 --> robot.toml:5:17
  |
5 | log = { level = 1, file = 2, size = true, keep = "3" }
  |                 ^

error: `file` is an integer but wants a path or false
 --> robot.toml:5:27
  |
5 | log = { level = 1, file = 2, size = true, keep = "3" }
  |                           ^

error: `size` is a boolean but wants a size
 --> robot.toml:5:37
  |
5 | log = { level = 1, file = 2, size = true, keep = "3" }
  |                                     ^^^^
  |
  = help: write a number and a unit (kB, KiB, MB, MiB, GB, GiB), like "64MiB"

error: `keep` is a string but wants an integer from 0 to 100
 --> robot.toml:5:50
  |
5 | log = { level = 1, file = 2, size = true, keep = "3" }
  |                                                  ^^^
"#,
    );
}

#[test]
fn a_log_with_values_out_of_bounds() {
    same(
        &said(
            r#"
[graph]
name = "robot"

[node.camera]
log = { file = "log/", size = "10M", keep = 1000 }

[node.gamepad]
log = { file = "..", size = "4KiB", keep = -1 }

[node.viewer]
log = { size = 0 }
subscribe = { frames = "camera/frames" }

[node.arm]
log = { size = -5 }
"#,
        ),
        r#"
error: `file` is "log/", which names no file
 --> robot.toml:5:16
  |
5 | log = { file = "log/", size = "10M", keep = 1000 }
  |                ^^^^^^
  |
  = help: for instance file = "log/camera.log", from the graph file's folder

error: `size`: "10M" is no size; write a number and a unit (kB, KiB, MB, MiB, GB, GiB), like "64MiB"
 --> robot.toml:5:31
  |
5 | log = { file = "log/", size = "10M", keep = 1000 }
  |                               ^^^^^

error: `keep` is 1000 but wants an integer from 0 to 100
 --> robot.toml:5:45
  |
5 | log = { file = "log/", size = "10M", keep = 1000 }
  |                                             ^^^^

error: `file` is "..", which names no file
 --> robot.toml:8:16
  |
8 | log = { file = "..", size = "4KiB", keep = -1 }
  |                ^^^^
  |
  = help: for instance file = "log/camera.log", from the graph file's folder

error: `size` is "4KiB" but must be 128KiB or more
 --> robot.toml:8:29
  |
8 | log = { file = "..", size = "4KiB", keep = -1 }
  |                             ^^^^^^

error: `keep` is -1 but wants an integer from 0 to 100
 --> robot.toml:8:44
  |
8 | log = { file = "..", size = "4KiB", keep = -1 }
  |                                            ^^

error: `size` is 0: 0 is not a bound
  --> robot.toml:11:16
   |
11 | log = { size = 0 }
   |                ^

error: `size`: -5 is less than nothing
  --> robot.toml:15:16
   |
15 | log = { size = -5 }
   |                ^^
"#,
    );
}

#[test]
fn a_log_with_an_unknown_key() {
    same(
        &said(
            r#"
[graph]
name = "robot"

[node.camera]
log = { path = "a.log", kepp = 3 }
"#,
        ),
        r#"
error: unknown key `path`
 --> robot.toml:5:9
  |
5 | log = { path = "a.log", kepp = 3 }
  |         ^^^^ no key of `log`
  |
  = help: the keys are `level`, `file`, `size`, `keep`

error: unknown key `kepp`
 --> robot.toml:5:25
  |
5 | log = { path = "a.log", kepp = 3 }
  |                         ^^^^ no key of `log`
  |
  = help: did you mean `keep`?
"#,
    );
}

#[test]
fn a_file_that_two_nodes_write_to() {
    same(
        &said(
            r#"
[graph]
name = "robot"

[node.camera]
log = { file = "a.log" }

[node.gamepad]
log = { file = "a.log" }
"#,
        ),
        r#"
error: two nodes write to `a.log`
 --> robot.toml:8:16
  |
5 | log = { file = "a.log" }
  |                ------- the first
...
8 | log = { file = "a.log" }
  |                ^^^^^^^ the second
  |
  = help: each needs a file of its own
"#,
    );
}
