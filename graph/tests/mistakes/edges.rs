//! Mistakes of topics, types and subscriptions. Each is told in exactly these words.

use crate::{same, world::said};

#[test]
fn an_unknown_type() {
    same(
        &said(
            r#"
[graph]
name = "robot"

[node.far]
run = "python3 far.py"
publish = { a = "CompresedImage", b = "Speed", c = "my robot.Scan", d = 1 }
"#,
        ),
        r#"
error: there is no message type `CompresedImage`
 --> robot.toml:6:17
  |
6 | publish = { a = "CompresedImage", b = "Speed", c = "my robot.Scan", d = 1 }
  |                 ^^^^^^^^^^^^^^^^
  |
  = help: did you mean `CompressedImage`?

error: there is no message type `Speed`
 --> robot.toml:6:39
  |
6 | publish = { a = "CompresedImage", b = "Speed", c = "my robot.Scan", d = 1 }
  |                                       ^^^^^^^
  |
  = help: ours are Array, CompressedImage, CompressedVideo, Drive, EdgeCounts, Event, Gamepad, GamepadEvent, Gauge, GraphStatus, Header, Log, Mark, ModelState, MotorState, NodeState, NodeStatus, PilotState, Pose, RawImage, RecordCommand, RecorderState, Rumble; a foreign type is written with its package

error: `my robot.Scan` is no name of a message type
 --> robot.toml:6:52
  |
6 | publish = { a = "CompresedImage", b = "Speed", c = "my robot.Scan", d = 1 }
  |                                                    ^^^^^^^^^^^^^^^
  |
  = help: write its full protobuf name, like `my_robot.v1.Scan`

error: `d` is an integer but wants a string
 --> robot.toml:6:73
  |
6 | publish = { a = "CompresedImage", b = "Speed", c = "my robot.Scan", d = 1 }
  |                                                                         ^
"#,
    );
}

#[test]
fn an_unknown_topic() {
    same(
        &said(
            r#"
[graph]
name = "robot"

[node.camera]

[node.viewer]
subscribe = { frames = "camera/frame" }
"#,
        ),
        r#"
error: there is no topic `camera/frame`
 --> robot.toml:7:24
  |
7 | subscribe = { frames = "camera/frame" }
  |                        ^^^^^^^^^^^^^^
  |
  = help: did you mean `camera/frames`?
"#,
    );
}

#[test]
fn an_unknown_node_in_a_topic() {
    same(
        &said(
            r#"
[graph]
name = "robot"

[node.camera]

[node.viewer]
subscribe = { frames = "camra/frames" }
"#,
        ),
        r#"
error: there is no topic `camra/frames`
 --> robot.toml:7:24
  |
7 | subscribe = { frames = "camra/frames" }
  |                        ^^^^^^^^^^^^^^
  |
  = help: did you mean `camera/frames`?
"#,
    );
}

#[test]
fn a_topic_of_a_foreign_node_that_does_not_say_it() {
    same(
        &said(
            r#"
[graph]
name = "robot"

[node.far]
run = "python3 far.py"

[node.viewer]
subscribe = { frames = "far/picture" }
"#,
        ),
        r#"
error: there is no topic `far/picture`
 --> robot.toml:8:24
  |
8 | subscribe = { frames = "far/picture" }
  |                        ^^^^^^^^^^^^^
  |
  = help: if it publishes that, write so in [node.far]: publish = { picture = "Type" }
"#,
    );
}

#[test]
fn an_unknown_topic_like_no_other() {
    same(
        &said(
            r#"
[graph]
name = "robot"

[node.camera]

[node.viewer]
subscribe = { frames = "screen" }
"#,
        ),
        r#"
error: `screen` is no topic; write node/output, or machine:node/output for a peer's
 --> robot.toml:7:24
  |
7 | subscribe = { frames = "screen" }
  |                        ^^^^^^^^
"#,
    );
}

#[test]
fn a_topic_far_from_all_others() {
    same(
        &said(
            r#"
[graph]
name = "robot"

[node.camera]

[node.gamepad]

[node.viewer]
subscribe = { frames = "lidar/scan" }
"#,
        ),
        r#"
error: there is no topic `lidar/scan`
 --> robot.toml:9:24
  |
9 | subscribe = { frames = "lidar/scan" }
  |                        ^^^^^^^^^^^^
  |
  = help: the topics are `camera/frames`, `gamepad/pad`, `gamepad/events`
"#,
    );
}

#[test]
fn an_unknown_peer() {
    same(
        &said(
            r#"
[graph]
name = "robot"

[node.camera]

[node.viewer]
subscribe = { frames = "destkop:camera/frames" }

[peer.desktop]
address = "127.0.0.1:7400"
"#,
        ),
        r#"
error: there is no peer `destkop`
 --> robot.toml:7:24
  |
7 | subscribe = { frames = "destkop:camera/frames" }
  |                        ^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: did you mean `desktop`?
"#,
    );
}

#[test]
fn a_peer_where_there_are_none() {
    same(
        &said(
            r#"
[graph]
name = "robot"

[node.camera]

[node.viewer]
subscribe = { frames = "desktop:camera/frames" }
"#,
        ),
        r#"
error: there is no peer `desktop`
 --> robot.toml:7:24
  |
7 | subscribe = { frames = "desktop:camera/frames" }
  |                        ^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: a peer is written as a table: [peer.desktop]
"#,
    );
}

#[test]
fn a_graph_that_takes_itself_for_a_peer() {
    same(
        &said(
            r#"
[graph]
name = "robot"

[node.camera]

[node.viewer]
subscribe = { frames = "robot:camera/frames" }
"#,
        ),
        r#"
error: `robot` is this graph itself
 --> robot.toml:7:24
  |
7 | subscribe = { frames = "robot:camera/frames" }
  |                        ^^^^^^^^^^^^^^^^^^^^^
  |
  = help: its own topics are written without it: "camera/frames"
"#,
    );
}

#[test]
fn a_wrong_type_on_an_edge() {
    same(
        &said(
            r#"
[graph]
name = "robot"

[node.camera]
publish = { frames = "CompressedImage" }

[node.motor]
subscribe = { drive = "camera/frames" }
params = { deadman = "300ms" }
"#,
        ),
        r#"
error: `motor.drive` wants Drive but `camera/frames` carries CompressedImage
 --> robot.toml:8:23
  |
5 | publish = { frames = "CompressedImage" }
  |                      ----------------- carries CompressedImage
...
8 | subscribe = { drive = "camera/frames" }
  |                       ^^^^^^^^^^^^^^^ wants Drive
"#,
    );
}

#[test]
fn a_wrong_type_from_an_output_that_is_not_written() {
    same(
        &said(
            r#"
[graph]
name = "robot"

[node.camera]

[node.motor]
subscribe = { drive = "camera/frames" }
params = { deadman = "300ms" }
"#,
        ),
        r#"
error: `motor.drive` wants Drive but `camera/frames` carries CompressedImage
 --> robot.toml:7:23
  |
4 | [node.camera]
  |       ------ carries CompressedImage
...
7 | subscribe = { drive = "camera/frames" }
  |                       ^^^^^^^^^^^^^^^ wants Drive
"#,
    );
}

#[test]
fn two_listeners_that_want_two_types_from_one_peer() {
    same(
        &said(
            r#"
[graph]
name = "robot"

[node.motor]
subscribe = { drive = "desktop:pilot/out" }
params = { deadman = "300ms" }

[node.viewer]
subscribe = { frames = "desktop:pilot/out" }

[peer.desktop]
address = "127.0.0.1:7400"
"#,
        ),
        r#"
error: `viewer.frames` wants CompressedImage or RawImage but `motor.drive` wants Drive from one topic
 --> robot.toml:9:24
  |
5 | subscribe = { drive = "desktop:pilot/out" }
  |                       ------------------- wants Drive
...
9 | subscribe = { frames = "desktop:pilot/out" }
  |                        ^^^^^^^^^^^^^^^^^^^ wants CompressedImage or RawImage
"#,
    );
}

#[test]
fn an_input_that_the_program_does_not_have() {
    same(
        &said(
            r#"
[graph]
name = "robot"

[node.gamepad]
[node.pilot]
subscribe = { pad = "gamepad/pad" }

[node.motor]
subscribe = { driv = "pilot/drive" }
params = { deadman = "300ms" }
"#,
        ),
        r#"
error: `motor` has no input `driv`
 --> robot.toml:9:15
  |
9 | subscribe = { driv = "pilot/drive" }
  |               ^^^^
  |
  = help: did you mean `drive`?
"#,
    );
}

#[test]
fn an_output_that_the_program_does_not_have() {
    same(
        &said(
            r#"
[graph]
name = "robot"

[node.camera]
publish = { frame = "CompressedImage" }
"#,
        ),
        r#"
error: `camera` has no output `frame`
 --> robot.toml:5:13
  |
5 | publish = { frame = "CompressedImage" }
  |             ^^^^^
  |
  = help: did you mean `frames`?
"#,
    );
}

#[test]
fn an_output_of_another_type_than_the_program_says() {
    same(
        &said(
            r#"
[graph]
name = "robot"

[node.camera]
publish = { frames = "RawImage" }
params = { encoding = "jpeg" }

[node.gamepad]
publish = { pad = "Drive" }
"#,
        ),
        r#"
error: `camera/frames` is CompressedImage while its `encoding` is "jpeg", not RawImage
 --> robot.toml:5:22
  |
5 | publish = { frames = "RawImage" }
  |                      ^^^^^^^^^^
6 | params = { encoding = "jpeg" }
  |                       ------ this decides its type

error: `gamepad/pad` is Gamepad, not Drive
 --> robot.toml:9:19
  |
9 | publish = { pad = "Drive" }
  |                   ^^^^^^^
"#,
    );
}

#[test]
fn an_output_whose_type_the_default_decides() {
    same(
        &said(
            r#"
[graph]
name = "robot"

[node.camera]
publish = { frames = "RawImage" }
"#,
        ),
        r#"
error: `camera/frames` is CompressedImage while its `encoding` is "jpeg", not RawImage
 --> robot.toml:5:22
  |
5 | publish = { frames = "RawImage" }
  |                      ^^^^^^^^^^
  |
  = help: the parameter `encoding` decides its type
"#,
    );
}

#[test]
fn an_output_of_any_type_that_is_not_written() {
    same(
        &said(
            r#"
[graph]
name = "robot"

[node.player]

[node.recorder]
subscribe = { a = "player/any" }
"#,
        ),
        r#"
error: there is no topic `player/any`
 --> robot.toml:7:19
  |
7 | subscribe = { a = "player/any" }
  |                   ^^^^^^^^^^^^
  |
  = help: if it publishes that, write so in [node.player]: publish = { any = "Type" }
"#,
    );
}

#[test]
fn a_subscription_that_is_not_understood() {
    same(
        &said(
            r#"
[graph]
name = "robot"

[node.camera]

[node.recorder]
subscribe = { a = 3, B = "camera/frames", c = { keep = 5 }, d = { topic = "camera/frames", kep = 5 } }
"#,
        ),
        r#"
error: `a` is an integer but wants a topic
 --> robot.toml:7:19
  |
7 | subscribe = { a = 3, B = "camera/frames", c = { keep = 5 }, d = { topic = "camera/frames", kep = 5 } }
  |                   ^
  |
  = help: write "node/output", or { topic = "node/output", keep = 10, timeout = "1s" }

error: `B` is no name of an input or output: a lower-case letter, then up to 63 letters a-z, digits or _
 --> robot.toml:7:22
  |
7 | subscribe = { a = 3, B = "camera/frames", c = { keep = 5 }, d = { topic = "camera/frames", kep = 5 } }
  |                      ^

error: the subscription `c` has no topic
 --> robot.toml:7:43
  |
7 | subscribe = { a = 3, B = "camera/frames", c = { keep = 5 }, d = { topic = "camera/frames", kep = 5 } }
  |                                           ^
  |
  = help: add topic = "node/output"

error: unknown key `kep`
 --> robot.toml:7:92
  |
7 | subscribe = { a = 3, B = "camera/frames", c = { keep = 5 }, d = { topic = "camera/frames", kep = 5 } }
  |                                                                                            ^^^ no key of a subscription
  |
  = help: did you mean `keep`?
"#,
    );
}

#[test]
fn a_queue_that_is_too_long_or_too_short() {
    same(
        &said(
            r#"
[graph]
name = "robot"

[node.camera]

[node.recorder]
subscribe = { a = { topic = "camera/frames", keep = 0 }, b = { topic = "camera/frames", keep = 10001 }, c = { topic = "camera/frames", keep = "newest" }, d = { topic = "camera/frames", keep = true } }
"#,
        ),
        r#"
error: `keep` is 0 but wants an integer from 1 to 10000
 --> robot.toml:7:53
  |
7 | subscribe = { a = { topic = "camera/frames", keep = 0 }, b = { topic = "camera/frames", keep = 10001 }, c = { topic = "camera/frames"...
  |                                                     ^

error: `keep` is 10001 but wants an integer from 1 to 10000
 --> robot.toml:7:96
  |
7 | subscribe = { a = { topic = "camera/frames", keep = 0 }, b = { topic = "camera/frames", keep = 10001 }, c = { topic = "camera/frames"...
  |                                                                                                ^^^^^

error: `keep` cannot be "newest"
 --> robot.toml:7:143
  |
7 | ...ames", keep = 10001 }, c = { topic = "camera/frames", keep = "newest" }, d = { topic = "camera/frames", keep = true } }
  |                                                                 ^^^^^^^^
  |
  = help: write "latest" or how many messages to keep, from 1 to 10000

error: `keep` is a boolean but wants "latest" or an integer from 1 to 10000
 --> robot.toml:7:193
  |
7 | ...mes", keep = "newest" }, d = { topic = "camera/frames", keep = true } }
  |                                                                   ^^^^
"#,
    );
}

#[test]
fn a_topic_that_is_too_long() {
    same(
        &said(
            r#"
[graph]
name = "robot"

[node.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa]
run = "python3"
publish = { bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb = "Drive" }

[node.far]
run = "python3"
subscribe = { x = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb" }
"#,
        ),
        r#"
error: a topic has at most 128 bytes
 --> robot.toml:6:13
  |
6 | publish = { bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb = "Drive" }
  |             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^

error: a topic has at most 128 bytes
  --> robot.toml:10:19
   |
10 | ... = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb" }
   |       ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
"#,
    );
}

#[test]
fn what_launch_itself_publishes_is_known_and_checked() {
    same(
        &said(
            r#"
[graph]
name = "robot"

[node.far]
run = "python3 far.py"
subscribe = { a = "launch/event", b = "launch/weather", c = "far:launch/events" }

[node.motor]
params = { deadman = "300ms" }
subscribe = { drive = "launch/status" }
"#,
        ),
        r#"
error: there is no topic `launch/event`
 --> robot.toml:6:19
  |
6 | subscribe = { a = "launch/event", b = "launch/weather", c = "far:launch/events" }
  |                   ^^^^^^^^^^^^^^
  |
  = help: did you mean `launch/events`?

error: there is no topic `launch/weather`
 --> robot.toml:6:39
  |
6 | subscribe = { a = "launch/event", b = "launch/weather", c = "far:launch/events" }
  |                                       ^^^^^^^^^^^^^^^^
  |
  = help: `launch` publishes `launch/events`, `launch/status`, `launch/log`

error: there is no peer `far`
 --> robot.toml:6:61
  |
6 | subscribe = { a = "launch/event", b = "launch/weather", c = "far:launch/events" }
  |                                                             ^^^^^^^^^^^^^^^^^^^
  |
  = help: a peer is written as a table: [peer.far]

error: `motor.drive` wants Drive but `launch/status` carries GraphStatus
  --> robot.toml:10:23
   |
10 | subscribe = { drive = "launch/status" }
   |                       ^^^^^^^^^^^^^^^ wants Drive
"#,
    );
}
