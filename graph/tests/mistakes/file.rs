//! Mistakes of the whole file: keys, names, kinds of values. Each is told in exactly these words.

use crate::{same, world::said};

#[test]
fn a_file_without_a_graph() {
    same(
        &said(
            r#"
[node.camera]
"#,
        ),
        r#"
error: the graph has no name
 --> robot.toml:1:1
  |
1 | [node.camera]
  | ^
  |
  = help: a graph file begins with
          [graph]
          name = "robot"
"#,
    );
}

#[test]
fn a_graph_without_a_name() {
    same(
        &said(
            r#"
[graph]

[node.camera]
"#,
        ),
        r#"
error: the graph has no name
 --> robot.toml:1:2
  |
1 | [graph]
  |  ^^^^^
  |
  = help: a graph file begins with
          [graph]
          name = "robot"
"#,
    );
}

#[test]
fn a_graph_without_nodes() {
    same(
        &said(
            r#"
[graph]
name = "robot"

"#,
        ),
        r#"
error: the graph has no nodes
 --> robot.toml:1:1
  |
1 | [graph]
  | ^
  |
  = help: a node is written as a table: [node.camera]
"#,
    );
}

#[test]
fn an_empty_file() {
    same(
        &said(
            r#"
"#,
        ),
        r#"
error: the graph has no name
--> robot.toml
 = help: a graph file begins with
         [graph]
         name = "robot"

error: the graph has no nodes
--> robot.toml
 = help: a node is written as a table: [node.camera]
"#,
    );
}

#[test]
fn an_unknown_key_at_the_top() {
    same(
        &said(
            r#"
[graph]
name = "robot"

[nodes.camera]

[node.viewer]
subscribe = { frames = "viewer/frames" }
"#,
        ),
        r#"
error: unknown key `nodes`
 --> robot.toml:4:2
  |
4 | [nodes.camera]
  |  ^^^^^ no key of a graph file
  |
  = help: did you mean `node`?

error: there is no topic `viewer/frames`
 --> robot.toml:7:24
  |
7 | subscribe = { frames = "viewer/frames" }
  |                        ^^^^^^^^^^^^^^^
  |
  = help: if it publishes that, write so in [node.viewer]: publish = { frames = "Type" }
"#,
    );
}

#[test]
fn an_unknown_key_of_a_node() {
    same(
        &said(
            r#"
[graph]
name = "robot"

[node.camera]
publsih = { frames = "CompressedImage" }
bounds = { memory = "1G" }
"#,
        ),
        r#"
error: unknown key `publsih`
 --> robot.toml:5:1
  |
5 | publsih = { frames = "CompressedImage" }
  | ^^^^^^^ no key of a node
  |
  = help: did you mean `publish`?

error: unknown key `bounds`
 --> robot.toml:6:1
  |
6 | bounds = { memory = "1G" }
  | ^^^^^^ no key of a node
  |
  = help: the keys are `run`, `publish`, `subscribe`, `params`, `env`, `after`, `required`, `restart`, `ready`, `watchdog`, `stop`, `limits`, `log`
"#,
    );
}

#[test]
fn an_unknown_key_of_the_graph() {
    same(
        &said(
            r#"
[graph]
name = "robot"
port = 7400

[node.camera]
"#,
        ),
        r#"
error: unknown key `port`
 --> robot.toml:3:1
  |
3 | port = 7400
  | ^^^^ no key of [graph]
  |
  = help: the keys are `name`, `listen`
"#,
    );
}

#[test]
fn a_name_that_leads_out_of_the_folder() {
    same(
        &said(
            r#"
[graph]
name = "../../x"

[node.camera]
"#,
        ),
        r#"
error: `../../x` is no name of a graph: a lower-case letter, then up to 63 letters a-z, digits or - or _
 --> robot.toml:2:8
  |
2 | name = "../../x"
  |        ^^^^^^^^^
"#,
    );
}

#[test]
fn a_name_with_a_newline_and_a_nul() {
    same(
        &said(
            r#"
[graph]
name = "a\n\u0000b"

[node."Camera\u001b[31m"]
run = "camera"
"#,
        ),
        r#"
error: `name` holds a NUL, which no process can be told
 --> robot.toml:2:8
  |
2 | name = "a\n\u0000b"
  |        ^^^^^^^^^^^^

error: `Camera\u{1b}[31m` is no name of a node: a lower-case letter, then up to 63 letters a-z, digits or - or _
 --> robot.toml:4:7
  |
4 | [node."Camera\u001b[31m"]
  |       ^^^^^^^^^^^^^^^^^^
"#,
    );
}

#[test]
fn a_name_of_a_node_with_capitals() {
    same(
        &said(
            r#"
[graph]
name = "robot"

[node.Camera]
run = "camera"
"#,
        ),
        r#"
error: `Camera` is no name of a node: a lower-case letter, then up to 63 letters a-z, digits or - or _
 --> robot.toml:4:7
  |
4 | [node.Camera]
  |       ^^^^^^
"#,
    );
}

#[test]
fn a_table_that_is_a_number() {
    same(
        &said(
            r#"
[graph]
name = "robot"

[node]
camera = 3
viewer = "x"
"#,
        ),
        r#"
error: `camera` is an integer but wants a table
 --> robot.toml:5:10
  |
5 | camera = 3
  |          ^

error: `viewer` is a string but wants a table
 --> robot.toml:6:10
  |
6 | viewer = "x"
  |          ^^^
"#,
    );
}

#[test]
fn a_string_that_is_a_number() {
    same(
        &said(
            r#"
[graph]
name = 7

[node.camera]
required = "yes"
after = "motor"
run = 3
"#,
        ),
        r#"
error: `name` is an integer but wants a string
 --> robot.toml:2:8
  |
2 | name = 7
  |        ^

error: `required` is a string but wants true or false
 --> robot.toml:5:12
  |
5 | required = "yes"
  |            ^^^^^

error: `after` is a string but wants a list of strings
 --> robot.toml:6:9
  |
6 | after = "motor"
  |         ^^^^^^^

error: `run` is an integer but wants a string or a list of strings
 --> robot.toml:7:7
  |
7 | run = 3
  |       ^
"#,
    );
}

const TEN: &str = r#"
[graph]
name = "Robot"
listen = "0.0.0.0"

[node.camera]
publish = { frames = "CompressedImage" }
params = { rate = "fast", devise = 0 }
colour = "red"

[node.motor]
subscribe = { drive = "camera/frames" }
ready = "soon"

[node.viewr]
subscribe = { frames = "camera/frames" }

[node.pilot]
subscribe = { pad = "gamepad/pad" }
required = yes

[peer.desktop]
address = "127.0.0.1:7400"
key = "secret"
"#;

const TEN_SAID: &str = r#"
error: `Robot` is no name of a graph: a lower-case letter, then up to 63 letters a-z, digits or - or _
 --> robot.toml:2:8
  |
2 | name = "Robot"
  |        ^^^^^^^

error: `0.0.0.0` has no port; write host:port, like "192.168.1.5:7400"
 --> robot.toml:3:10
  |
3 | listen = "0.0.0.0"
  |          ^^^^^^^^^

error: parameter `rate` of `camera` is a string but wants a number
 --> robot.toml:7:19
  |
7 | params = { rate = "fast", devise = 0 }
  |                   ^^^^^^ wants a number

error: `camera` has no parameter `devise`
 --> robot.toml:7:27
  |
7 | params = { rate = "fast", devise = 0 }
  |                           ^^^^^^
  |
  = help: did you mean `device`?

error: unknown key `colour`
 --> robot.toml:8:1
  |
8 | colour = "red"
  | ^^^^^^ no key of a node
  |
  = help: the keys are `run`, `publish`, `subscribe`, `params`, `env`, `after`, `required`, `restart`, `ready`, `watchdog`, `stop`, `limits`, `log`

error: `motor` has no parameter `deadman`, which it needs
  --> robot.toml:10:7
   |
10 | [node.motor]
   |       ^^^^^
   |
   = help: a motor whose commands have no bound on their age does not stop when they stop
   = help: for instance params = { deadman = "300ms" }

error: `motor.drive` wants Drive but `camera/frames` carries CompressedImage
  --> robot.toml:11:23
   |
 6 | publish = { frames = "CompressedImage" }
   |                      ----------------- carries CompressedImage
...
11 | subscribe = { drive = "camera/frames" }
   |                       ^^^^^^^^^^^^^^^ wants Drive

error: `ready`: "soon" is no duration; write a number and a unit (ms, s, m, h), like "300ms"
  --> robot.toml:12:9
   |
12 | ready = "soon"
   |         ^^^^^^

error: there is no program `viewr`
  --> robot.toml:14:7
   |
14 | [node.viewr]
   |       ^^^^^
   |
   = help: did you mean `viewer`?
   = help: looked for `/usr/lib/offboard/viewr`, `./viewr`
   = help: `run` says which program a node runs: run = "python3 pilot.py"

error: there is no topic `gamepad/pad`
  --> robot.toml:18:21
   |
18 | subscribe = { pad = "gamepad/pad" }
   |                     ^^^^^^^^^^^^^
   |
   = help: the topics are `camera/frames`, `motor/state`, `pilot/drive`

error: `yes` is no value
  --> robot.toml:19:12
   |
19 | required = yes
   |            ^^^
   |
   = help: write true or false

error: `secret` is no key
  --> robot.toml:23:7
   |
23 | key = "secret"
   |       ^^^^^^^^
   |
   = help: a key is `ed25519:` and 44 characters; `launch key` on that machine prints its own
"#;

#[test]
fn ten_mistakes_of_one_file_are_told_at_once() {
    same(&said(TEN), TEN_SAID);
    assert!(TEN_SAID.matches("error: ").count() >= 10);
}
