//! Mistakes of included files, of overrides and of the environment. Each is told in exactly these words.

use crate::{
    same,
    world::{said, said_including, said_with},
};

#[test]
fn a_variable_that_is_not_set() {
    same(
        &said(
            r#"
[graph]
name = "robot"

[node.camera]
params = { device = "${DEVICE}", encoding = "${CODEC:?jpeg or rgb8}" }

[node.viewer]
env = { A = "${EMPTY:?}" }
subscribe = { frames = "camera/frames" }
"#,
        ),
        r#"
error: DEVICE is not set in the environment
 --> robot.toml:5:22
  |
5 | params = { device = "${DEVICE}", encoding = "${CODEC:?jpeg or rgb8}" }
  |                      ^^^^^^^^^
  |
  = help: set it, or write ${DEVICE:-default}

error: CODEC: jpeg or rgb8
 --> robot.toml:5:46
  |
5 | params = { device = "${DEVICE}", encoding = "${CODEC:?jpeg or rgb8}" }
  |                                              ^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: set CODEC in the environment

error: EMPTY is not set in the environment
 --> robot.toml:8:14
  |
8 | env = { A = "${EMPTY:?}" }
  |              ^^^^^^^^^^
  |
  = help: set it, or write ${EMPTY:-default}
"#,
    );
}

#[test]
fn a_variable_that_is_not_understood() {
    same(
        &said(
            r#"
[graph]
name = "robot"

[node.camera]
env = { A = "${", B = "${A+b}", C = "${1}", D = "x ${A" }
"#,
        ),
        r#"
error: `${` has no closing }
 --> robot.toml:5:14
  |
5 | env = { A = "${", B = "${A+b}", C = "${1}", D = "x ${A" }
  |              ^^
  |
  = help: write ${VAR}, ${VAR:-default} or ${VAR:?message}; $${ is a plain ${

error: `${A+b}` is not understood
 --> robot.toml:5:24
  |
5 | env = { A = "${", B = "${A+b}", C = "${1}", D = "x ${A" }
  |                        ^^^^^^
  |
  = help: write ${VAR}, ${VAR:-default} or ${VAR:?message}; $${ is a plain ${

error: `${1}` names no variable
 --> robot.toml:5:38
  |
5 | env = { A = "${", B = "${A+b}", C = "${1}", D = "x ${A" }
  |                                      ^^^^
  |
  = help: write ${VAR}, ${VAR:-default} or ${VAR:?message}; $${ is a plain ${

error: `${A` has no closing }
 --> robot.toml:5:52
  |
5 | env = { A = "${", B = "${A+b}", C = "${1}", D = "x ${A" }
  |                                                    ^^^
  |
  = help: write ${VAR}, ${VAR:-default} or ${VAR:?message}; $${ is a plain ${
"#,
    );
}

#[test]
fn a_mistake_in_an_included_file() {
    same(
        &said_including(
            r#"
include = ["base.toml"]
[graph]
name = "robot"

"#,
            &[(
                "base.toml",
                r#"
# shared
[node.camera]
params = { rat = 30 }
"#,
            )],
        ),
        r#"
error: `camera` has no parameter `rat`
 --> base.toml:3:12
  |
3 | params = { rat = 30 }
  |            ^^^
  |
  = help: did you mean `rate`?
"#,
    );
}

#[test]
fn a_mistake_in_two_files() {
    same(
        &said_including(
            r#"
include = ["base.toml"]
[graph]
name = "robot"

[node.viewer]
subscribe = { frames = "camera/pad" }
"#,
            &[(
                "base.toml",
                r#"
[node.camera]
publish = { frames = "Drive" }
"#,
            )],
        ),
        r#"
error: there is no topic `camera/pad`
 --> robot.toml:6:24
  |
6 | subscribe = { frames = "camera/pad" }
  |                        ^^^^^^^^^^^^
  |
  = help: `camera` publishes `camera/frames`

error: `camera/frames` is CompressedImage while its `encoding` is "jpeg", not Drive
 --> base.toml:2:22
  |
2 | publish = { frames = "Drive" }
  |                      ^^^^^^^
  |
  = help: the parameter `encoding` decides its type
"#,
    );
}

#[test]
fn a_file_that_cannot_be_included() {
    same(
        &said_including(
            r#"
include = ["none.toml"]
"#,
            &[],
        ),
        r#"
error: cannot include `none.toml`: No such file or directory (os error 2)
 --> robot.toml:1:12
  |
1 | include = ["none.toml"]
  |            ^^^^^^^^^^^
"#,
    );
}

#[test]
fn a_file_that_includes_itself() {
    same(
        &said_including(
            r#"
include = ["base.toml"]
[graph]
name = "robot"

"#,
            &[(
                "base.toml",
                r#"
include = ["./x/../robot.toml"]
[node.camera]
"#,
            )],
        ),
        r#"
error: `./x/../robot.toml` includes itself
 --> base.toml:1:12
  |
1 | include = ["./x/../robot.toml"]
  |            ^^^^^^^^^^^^^^^^^^^
"#,
    );
}

#[test]
fn include_that_is_no_list_of_strings() {
    same(
        &said_including(
            r#"
include = "base.toml"
[graph]
name = "robot"

[node.camera]
"#,
            &[],
        ),
        r#"
error: `include` wants a list of strings, not a string
 --> robot.toml:1:11
  |
1 | include = "base.toml"
  |           ^^^^^^^^^^^
  |
  = help: for instance include = ["base.toml"]
"#,
    );
}

#[test]
fn an_override_of_an_unknown_node() {
    same(
        &said_with(
            r#"
[graph]
name = "robot"

[node.camera]
"#,
            &["node.camra.params.rate=15"],
        ),
        r#"
error: there is no node `camra` to set
 --> --set:1:6
  |
1 | node.camra.params.rate=15
  |      ^^^^^
  |
  = help: did you mean `camera`?
"#,
    );
}

#[test]
fn an_override_with_a_mistake() {
    same(
        &said_with(
            r#"
[graph]
name = "robot"

[node.camera]
"#,
            &["node.camera.params.rate=fast", "graph.nam=x"],
        ),
        r#"
error: parameter `rate` of `camera` is a string but wants a number
 --> --set:1:25
  |
1 | node.camera.params.rate=fast
  |                         ^^^^ wants a number

error: unknown key `nam`
 --> --set:1:7
  |
1 | graph.nam=x
  |       ^^^ no key of [graph]
  |
  = help: did you mean `name`?
"#,
    );
}
