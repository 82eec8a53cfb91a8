//! Subscriptions with stars: what they stand for, and what is said where they stand for nothing.

use offboard::graph::{Graph, Keep};

use crate::{
    same,
    world::{checked, graph, said},
};

/// What a node listens to: the input's name, the topic and its type.
fn inputs(graph: &Graph, node: &str) -> Vec<String> {
    let spec = graph.nodes.iter().find(|spec| spec.name.as_str() == node).unwrap();
    let input = |input: &offboard::graph::Input| {
        format!("{} {} {}", input.name, input.topic, input.kind.trim_start_matches("offboard.v1."))
    };
    spec.inputs.iter().map(input).collect()
}

#[test]
fn a_recorder_of_everything_hears_each_topic_of_the_others_once() {
    let graph = graph(
        r#"
[graph]
name = "robot"

[node.camera]

[node.gamepad]

[node.pilot]
subscribe = { pad = "gamepad/pad" }

[node.recorder]
subscribe = { pad = { topic = "gamepad/pad", keep = 7 }, all = "*/*" }
publish   = {}
"#,
    );
    assert_eq!(
        inputs(&graph, "recorder"),
        [
            "pad gamepad/pad Gamepad",
            "camera_frames camera/frames CompressedImage",
            "gamepad_events gamepad/events GamepadEvent",
            "pilot_drive pilot/drive Drive",
        ]
    );
    let recorder = graph.nodes.iter().find(|spec| spec.name.as_str() == "recorder").unwrap();
    assert_eq!((recorder.inputs[0].keep, recorder.inputs[1].keep), (Keep::Last(7), Keep::Last(256)));
}

#[test]
fn what_launch_says_and_what_the_node_says_itself_are_not_everything() {
    let graph = graph(
        r#"
[graph]
name = "robot"

[node.camera]

[node.probe]
run = "python3 probe.py"
publish = { found = "Array" }

[node.probe.subscribe]
all = { topic = "*/*", keep = "latest" }
own = "launch/*"
"#,
    );
    assert_eq!(
        inputs(&graph, "probe"),
        [
            "camera_frames camera/frames CompressedImage",
            "launch_events launch/events Event",
            "launch_log launch/log Log",
            "launch_status launch/status GraphStatus",
        ]
    );
    let probe = graph.nodes.iter().find(|spec| spec.name.as_str() == "probe").unwrap();
    assert_eq!(probe.inputs[0].keep, Keep::Latest);
}

#[test]
fn of_a_peer_s_topics_those_are_meant_that_the_file_names_elsewhere() {
    let desk = r#"
[graph]
name = "desk"

[node.viewer]
subscribe = { frames = "robot:camera/frames" }

[node.recorder]
subscribe = { all = "*:*/*", motor = "robot:motor/state" }

[peer.robot]
address = "127.0.0.1:7400"
"#;
    let robot = r#"
[graph]
name = "robot"
listen = "127.0.0.1:7400"

[node.camera]

[node.gamepad]

[node.motor]
subscribe = { drive = "arm/drive" }
params = { deadman = "300ms" }

[node.arm]
publish = { drive = "Drive" }
run = "python3 arm.py"

[peer.desk]
"#;
    let wanted = ["robot_camera_frames robot:camera/frames CompressedImage", "motor robot:motor/state MotorState"]
        .map(str::to_owned);
    let together = checked(&[("desk.toml", desk), ("robot.toml", robot)]).unwrap();
    assert_eq!(inputs(&together[0], "recorder"), wanted);
    // Alone it means the same; the type is whatever comes.
    let alone = checked(&[("desk.toml", desk)]).unwrap();
    let alone: Vec<String> = inputs(&alone[0], "recorder").iter().map(|input| input.replace(" *", "")).collect();
    assert_eq!(alone, ["robot_camera_frames robot:camera/frames", "motor robot:motor/state"]);
}

#[test]
fn a_pattern_that_matches_nothing() {
    same(
        &said(
            r#"
[graph]
name = "robot"

[node.camera]

[node.recorder]
subscribe = { all = "cam/*", far = "robot2:*/*", none = "camera" }
"#,
        ),
        r#"
error: no topic matches `cam/*`
 --> robot.toml:7:21
  |
7 | subscribe = { all = "cam/*", far = "robot2:*/*", none = "camera" }
  |                     ^^^^^^^
  |
  = help: the topics are `camera/frames`

error: no topic matches `robot2:*/*`
 --> robot.toml:7:36
  |
7 | subscribe = { all = "cam/*", far = "robot2:*/*", none = "camera" }
  |                                    ^^^^^^^^^^^^
  |
  = help: of a peer's topics it finds those that this file names elsewhere; write others one by one

error: `camera` is no topic; write node/output, or machine:node/output for a peer's
 --> robot.toml:7:57
  |
7 | subscribe = { all = "cam/*", far = "robot2:*/*", none = "camera" }
  |                                                         ^^^^^^^^
"#,
    );
}

#[test]
fn a_pattern_of_its_own_topics_alone() {
    same(
        &said(
            r#"
[graph]
name = "robot"

[node.probe]
run = "python3 probe.py"
publish = { found = "Array" }
subscribe = { all = "*/*" }
"#,
        ),
        r#"
error: no topic matches `*/*`
 --> robot.toml:7:21
  |
7 | subscribe = { all = "*/*" }
  |                     ^^^^^
  |
  = help: nothing but `probe` publishes here
"#,
    );
}

#[test]
fn a_pattern_that_cannot_be_one() {
    same(
        &said(
            r#"
[graph]
name = "robot"

[node.camera]

[node.recorder]
subscribe = { all = "*", some = "Camera/*" }
"#,
        ),
        r#"
error: `*` matches no topic; write for instance camera/*, */state, */* or machine:camera/*
 --> robot.toml:7:21
  |
7 | subscribe = { all = "*", some = "Camera/*" }
  |                     ^^^

error: `Camera/*` matches no topic; write for instance camera/*, */state, */* or machine:camera/*
 --> robot.toml:7:33
  |
7 | subscribe = { all = "*", some = "Camera/*" }
  |                                 ^^^^^^^^^^
"#,
    );
}

#[test]
fn a_pattern_for_one_input() {
    same(
        &said(
            r#"
[graph]
name = "robot"

[node.camera]

[node.viewer]
subscribe = { frames = "camera/*" }
"#,
        ),
        r#"
error: `viewer.frames` is one input, and `camera/*` may be many topics
 --> robot.toml:7:24
  |
7 | subscribe = { frames = "camera/*" }
  |                        ^^^^^^^^^^
  |
  = help: write one topic; a pattern is for nodes that take any inputs, as a recorder does
"#,
    );
}
