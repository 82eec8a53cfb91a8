//! Mistakes of peers, addresses and keys, and of several files together. Each is told in exactly these words.

use crate::{
    same,
    world::{said, said_of},
};

#[test]
fn listening_to_the_network_without_keys() {
    same(
        &said(
            r#"
[graph]
name = "robot"
listen = "0.0.0.0:7400"

[node.camera]

[peer.desktop]
"#,
        ),
        r#"
error: the peer `desktop` has no key
 --> robot.toml:7:7
  |
3 | listen = "0.0.0.0:7400"
  |          -------------- listens to the network
...
7 | [peer.desktop]
  |       ^^^^^^^
  |
  = help: run `launch key` on `desktop`; it prints the line to write here: key = "ed25519:…"
"#,
    );
}

#[test]
fn listening_to_the_network_without_peers() {
    same(
        &said(
            r#"
[graph]
name = "robot"
listen = "0.0.0.0:7400"

[node.camera]
"#,
        ),
        r#"
error: this graph listens to the network but knows no peer
 --> robot.toml:3:10
  |
3 | listen = "0.0.0.0:7400"
  |          ^^^^^^^^^^^^^^
  |
  = help: say who may dial in, and with which key: [peer.desktop]
"#,
    );
}

#[test]
fn dialing_off_the_machine_without_a_key() {
    same(
        &said(
            r#"
[graph]
name = "robot"

[node.camera]

[peer.desktop]
address = "desktop.local:7400"
"#,
        ),
        r#"
error: the peer `desktop` has no key
 --> robot.toml:6:7
  |
6 | [peer.desktop]
  |       ^^^^^^^
7 | address = "desktop.local:7400"
  |           -------------------- off this machine
  |
  = help: run `launch key` on `desktop`; it prints the line to write here: key = "ed25519:…"
"#,
    );
}

#[test]
fn a_key_that_is_no_key() {
    same(
        &said(
            r#"
[graph]
name = "robot"

[node.camera]

[peer.desktop]
address = "desktop.local:7400"
key = "ed25519:…"
"#,
        ),
        r#"
error: `ed25519:…` is no key
 --> robot.toml:8:7
  |
8 | key = "ed25519:…"
  |       ^^^^^^^^^^^
  |
  = help: a key is `ed25519:` and 44 characters; `launch key` on that machine prints its own
"#,
    );
}

#[test]
fn addresses_that_are_none() {
    same(
        &said(
            r#"
[graph]
name = "robot"
listen = "7400"

[node.camera]

[peer.a]
address = "a:0"

[peer.b]
address = "::1:7400"

[peer.c]
address = "a b:7400"

[peer.d]
address = 7400
adress = "d:1"
"#,
        ),
        r#"
error: `7400` has no port; write host:port, like "192.168.1.5:7400"
 --> robot.toml:3:10
  |
3 | listen = "7400"
  |          ^^^^^^

error: `a:0` has no port from 1 to 65535; write host:port, like "192.168.1.5:7400"
 --> robot.toml:8:11
  |
8 | address = "a:0"
  |           ^^^^^

error: `::1:7400` is an IPv6 address without brackets; write [address]:port
  --> robot.toml:11:11
   |
11 | address = "::1:7400"
   |           ^^^^^^^^^^

error: `a b:7400` has no host; write host:port, like "192.168.1.5:7400"
  --> robot.toml:14:11
   |
14 | address = "a b:7400"
   |           ^^^^^^^^^^

error: `address` is an integer but wants a string
  --> robot.toml:17:11
   |
17 | address = 7400
   |           ^^^^

error: unknown key `adress`
  --> robot.toml:18:1
   |
18 | adress = "d:1"
   | ^^^^^^ no key of a peer
   |
   = help: did you mean `address`?
"#,
    );
}

#[test]
fn a_peer_that_nobody_dials() {
    same(
        &said(
            r#"
[graph]
name = "robot"

[node.camera]

[peer.desktop]
"#,
        ),
        r#"
error: nobody dials: `desktop` has no address and this graph does not listen
 --> robot.toml:6:7
  |
6 | [peer.desktop]
  |       ^^^^^^^
  |
  = help: add address = "host:7400" here, or listen = "0.0.0.0:7400" to [graph]
"#,
    );
}

#[test]
fn a_peer_with_the_name_of_the_graph() {
    same(
        &said(
            r#"
[graph]
name = "robot"

[node.camera]

[peer.robot]
address = "127.0.0.1:7400"
"#,
        ),
        r#"
error: the peer `robot` has the name of this graph
 --> robot.toml:6:7
  |
2 | name = "robot"
  |        ------- this graph
...
6 | [peer.robot]
  |       ^^^^^
"#,
    );
}

#[test]
fn a_topic_that_the_peers_file_does_not_have() {
    same(
        &said_of(&[
            (
                "robot.toml",
                r#"
[graph]
name = "robot"
listen = "127.0.0.1:7400"

[node.camera]

[peer.desktop]
"#,
            ),
            (
                "desktop.toml",
                r#"
[graph]
name = "desktop"

[node.viewer]
subscribe = { frames = "robot:camera/picture" }

[peer.robot]
address = "127.0.0.1:7400"
"#,
            ),
        ]),
        r#"
error: there is no topic `robot:camera/picture`
 --> desktop.toml:5:24
  |
5 | subscribe = { frames = "robot:camera/picture" }
  |                        ^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: `camera` publishes `robot:camera/frames`
"#,
    );
}

#[test]
fn a_wrong_type_from_a_peers_file() {
    same(
        &said_of(&[
            (
                "robot.toml",
                r#"
[graph]
name = "robot"
listen = "127.0.0.1:7400"

[node.camera]
publish = { frames = "CompressedImage" }

[peer.desktop]
"#,
            ),
            (
                "desktop.toml",
                r#"
[graph]
name = "desktop"

[node.motor]
params = { deadman = "300ms" }
subscribe = { drive = "robot:camera/frames" }

[peer.robot]
address = "127.0.0.1:7400"
"#,
            ),
        ]),
        r#"
error: `motor.drive` wants Drive but `robot:camera/frames` carries CompressedImage
 --> desktop.toml:6:23
  |
6 | subscribe = { drive = "robot:camera/frames" }
  |                       ^^^^^^^^^^^^^^^^^^^^^ wants Drive
  |
 ::: robot.toml:6:22
  |
6 | publish = { frames = "CompressedImage" }
  |                      ----------------- carries CompressedImage
"#,
    );
}

#[test]
fn a_peer_that_does_not_know_us() {
    same(
        &said_of(&[
            (
                "robot.toml",
                r#"
[graph]
name = "robot"
listen = "127.0.0.1:7400"

[node.camera]

"#,
            ),
            (
                "desktop.toml",
                r#"
[graph]
name = "desktop"

[node.viewer]
subscribe = { frames = "robot:camera/frames" }

[peer.robot]
address = "127.0.0.1:7400"
"#,
            ),
        ]),
        r#"
error: `robot` does not know `desktop` as a peer
 --> desktop.toml:7:7
  |
7 | [peer.robot]
  |       ^^^^^
  |
 ::: robot.toml:2:8
  |
2 | name = "robot"
  |        ------- this graph
  |
  = help: add [peer.desktop] there
"#,
    );
}

#[test]
fn a_peer_that_is_dialed_but_does_not_listen() {
    same(
        &said_of(&[
            (
                "robot.toml",
                r#"
[graph]
name = "robot"

[node.camera]

[peer.desktop]
address = "127.0.0.1:7401"
"#,
            ),
            (
                "desktop.toml",
                r#"
[graph]
name = "desktop"

[node.viewer]
subscribe = { frames = "robot:camera/frames" }

[peer.robot]
address = "127.0.0.1:7400"
"#,
            ),
        ]),
        r#"
error: `desktop` is dialed but does not listen
 --> robot.toml:6:7
  |
6 | [peer.desktop]
  |       ^^^^^^^
  |
 ::: desktop.toml:7:7
  |
7 | [peer.robot]
  |       ----- known here
  |
  = help: add listen = "0.0.0.0:7400" to its [graph]

error: `robot` is dialed but does not listen
 --> desktop.toml:7:7
  |
7 | [peer.robot]
  |       ^^^^^
  |
 ::: robot.toml:6:7
  |
6 | [peer.desktop]
  |       ------- known here
  |
  = help: add listen = "0.0.0.0:7400" to its [graph]
"#,
    );
}

#[test]
fn two_graphs_of_one_name() {
    same(
        &said_of(&[
            (
                "a.toml",
                r#"
[graph]
name = "robot"

[node.camera]
"#,
            ),
            (
                "b.toml",
                r#"
[graph]
name = "robot"

[node.camera]
"#,
            ),
        ]),
        r#"
error: two graphs are named `robot`
 --> b.toml:2:8
  |
2 | name = "robot"
  |        ^^^^^^^ the second
  |
 ::: a.toml:2:8
  |
2 | name = "robot"
  |        ------- the first
"#,
    );
}
