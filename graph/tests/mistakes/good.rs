//! Graph files without mistakes mean what their writer thinks they mean.

use std::{path::Path, time::Duration};

use offboard::graph::{Graph, Keep, Limits, NodeSpec, RestartWhen, Topic, Watchdog, check};

use crate::world::{self, checked, draft, graph, kind};

const KEY: &str = "ed25519:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

const ROBOT: &str = r#"
# robot.toml: see and move. Nothing here thinks.
[graph]
name   = "robot"
listen = "0.0.0.0:7400"                 # workstations dial in; the link wants keys off loopback

[node.camera]
publish = { frames = "CompressedImage" }
params  = { device = 0, size = [640, 480], rate = 30 }

[node.motor]
subscribe = { drive = "desktop:pilot/drive" }
params    = { driver = "serial", port = "/dev/ttyUSB0", deadman = "300ms" }

[peer.desktop]
key = "KEY"                             # from `launch key` on the desktop
"#;

const DESKTOP: &str = r#"
[graph]
name = "desktop"

[node.gamepad]
publish = { pad = "Gamepad" }

[node.pilot]
subscribe = { pad = "gamepad/pad" }
publish   = { drive = "Drive" }

[node.viewer]
subscribe = { frames = "robot:camera/frames" }

[peer.robot]
address = "robot.local:7400"
key     = "KEY"
"#;

fn node<'a>(graph: &'a Graph, name: &str) -> &'a NodeSpec {
    graph.nodes.iter().find(|node| node.name.as_str() == name).unwrap()
}

/// A graph of these nodes.
fn nodes(text: &str) -> Graph {
    graph(&format!("[graph]\nname = \"robot\"\n{text}"))
}

#[test]
fn robot_and_desktop_are_understood_each_alone() {
    let robot = graph(&ROBOT.replace("KEY", KEY));
    assert_eq!(robot.name.as_str(), "robot");
    assert_eq!(robot.listen.as_deref(), Some("0.0.0.0:7400"));
    assert_eq!(robot.dir, Path::new("."));
    assert_eq!(robot.nodes.iter().map(|node| node.name.as_str()).collect::<Vec<_>>(), ["camera", "motor"]);
    assert_eq!(robot.peers[0].name.as_str(), "desktop");
    assert_eq!((robot.peers[0].address.as_deref(), robot.peers[0].key.as_deref()), (None, Some(KEY)));

    let camera = node(&robot, "camera");
    assert_eq!(camera.run, ["camera"]);
    assert_eq!(camera.outputs[0].kind, kind("CompressedImage"));
    assert_eq!(serde_json::to_string(&camera.params).unwrap(), r#"{"device":0,"rate":30,"size":[640,480]}"#);

    let motor = node(&robot, "motor");
    assert_eq!(motor.inputs[0].topic, "desktop:pilot/drive".parse::<Topic>().unwrap());
    assert_eq!((motor.inputs[0].kind.as_str(), motor.inputs[0].keep), ("offboard.v1.Drive", Keep::Latest));
    assert_eq!(motor.outputs[0].kind, kind("MotorState"), "an output that is not written has its program's type");

    let desktop = graph(&DESKTOP.replace("KEY", KEY));
    assert_eq!(desktop.peers[0].address.as_deref(), Some("robot.local:7400"));
    assert_eq!(node(&desktop, "gamepad").outputs.len(), 2);
    assert_eq!(node(&desktop, "viewer").inputs[0].kind, "*", "a viewer takes two types, and the robot is not known");
}

#[test]
fn robot_and_desktop_are_understood_together() {
    let (robot, desktop) = (ROBOT.replace("KEY", KEY), DESKTOP.replace("KEY", KEY));
    let graphs = checked(&[("robot.toml", &robot), ("far/desktop.toml", &desktop)]).unwrap();
    assert_eq!(graphs.len(), 2);
    assert_eq!(graphs[1].dir, Path::new("far"));
    assert_eq!(node(&graphs[1], "viewer").inputs[0].kind, kind("CompressedImage"), "the robot's file says so");
}

#[test]
fn what_is_not_written_has_good_defaults() {
    let graph = nodes("[node.camera]\n[node.viewer]\nsubscribe = { frames = \"camera/frames\" }");
    let camera = node(&graph, "camera");
    assert_eq!(camera.restart, offboard::graph::Restart::default());
    assert_eq!((camera.ready, camera.stop), (Duration::from_secs(10), Duration::from_secs(2)));
    assert_eq!((camera.watchdog, camera.required), (Watchdog::Default, false));
    let viewer = node(&graph, "viewer");
    assert_eq!(viewer.restart.when, RestartWhen::OnFailure, "closing a window is a person's wish");
}

#[test]
fn every_event_of_launch_is_kept_unless_the_file_says_otherwise() {
    let text = "[graph]\nname = \"desktop\"\n[peer.robot]\naddress = \"localhost:7400\"\n[node.recorder]\nrun = \"python3\"\n\
                subscribe = { a = \"launch/events\", b = \"robot:launch/events\", c = \"launch/status\", \
                d = { topic = \"launch/events\", keep = \"latest\" } }";
    let graph = graph(text);
    let inputs: Vec<_> = graph.nodes[0].inputs.iter().map(|input| (input.kind.as_str(), input.keep)).collect();
    let (event, status) = (kind("Event"), kind("GraphStatus"));
    assert_eq!(
        inputs,
        [
            (event.as_str(), Keep::Last(256)),
            (event.as_str(), Keep::Last(256)),
            (status.as_str(), Keep::Latest),
            (event.as_str(), Keep::Latest)
        ]
    );
}

#[test]
fn what_is_written_is_meant() {
    let graph = nodes(
        r#"
        [node.camera]
        run = "python3 'my camera.py' --fast"
        publish = { frames = "my_robot.v1.Scan" }
        restart = { when = "on-failure", delay = "1s", delay_max = "5s", window = "1m", max = 9 }
        ready = "1m"
        stop = "500ms"
        watchdog = "off"
        required = true
        env = { LOG_DIR = "/tmp" }
        limits = { memory = "512MiB", pids = 64, files = 256, nice = -5, cpus = [1, 0] }

        [node.viewer]
        run = ["python3", "a b.py"]
        after = ["camera"]
        watchdog = "3s"
        restart = "never"
        limits = { memory = 1048576 }
        subscribe = { frames = { topic = "camera/frames", keep = 100, timeout = "1s" } }
        "#,
    );
    let camera = node(&graph, "camera");
    assert_eq!(camera.run, ["python3", "my camera.py", "--fast"]);
    assert_eq!(camera.outputs[0].kind, "my_robot.v1.Scan");
    assert_eq!((camera.restart.when, camera.restart.max), (RestartWhen::OnFailure, 9));
    assert_eq!(camera.restart.window, Duration::from_secs(60));
    assert_eq!((camera.ready, camera.stop), (Duration::from_secs(60), Duration::from_millis(500)));
    assert_eq!((camera.watchdog, camera.required), (Watchdog::Off, true));
    assert_eq!(camera.env["LOG_DIR"], "/tmp");
    let limits = Limits { memory: Some(512 << 20), pids: Some(64), files: Some(256), nice: Some(-5), cpus: vec![1, 0] };
    assert_eq!(camera.limits, limits);
    let viewer = node(&graph, "viewer");
    assert_eq!(viewer.run, ["python3", "a b.py"]);
    assert_eq!(viewer.limits, Limits { memory: Some(1 << 20), ..Limits::default() });
    assert_eq!(viewer.after[0].as_str(), "camera");
    assert_eq!((viewer.watchdog, viewer.restart.when), (Watchdog::After(Duration::from_secs(3)), RestartWhen::Never));
    assert_eq!((viewer.inputs[0].keep, viewer.inputs[0].timeout), (Keep::Last(100), Some(Duration::from_secs(1))));
    assert_eq!(viewer.inputs[0].kind, "my_robot.v1.Scan", "a foreign node takes what the speaker says");
}

#[test]
fn a_parameter_decides_the_type_of_an_output() {
    let graph = nodes("[node.camera]\nparams = { encoding = \"rgb8\" }");
    assert_eq!(node(&graph, "camera").outputs[0].kind, kind("RawImage"));
}

#[test]
fn circles_of_topics_are_the_purpose() {
    let text = "[node.a]\nrun = \"python3\"\npublish = { x = \"Drive\" }\nsubscribe = { y = \"b/y\", own = \"a/x\" }\n\
                [node.b]\nrun = \"python3\"\npublish = { y = \"Drive\" }\nsubscribe = { x = \"a/x\" }";
    assert_eq!(nodes(text).nodes.len(), 2);
}

#[test]
fn programs_take_any_ports_when_they_say_so() {
    let graph = nodes(
        "[node.player]\npublish = { a = \"Drive\", any = \"Gamepad\" }\n\
         [node.recorder]\nsubscribe = { one = \"player/a\", two = \"player/any\" }",
    );
    assert_eq!(node(&graph, "recorder").inputs[1].kind, kind("Gamepad"));
}

#[test]
fn the_environment_fills_string_values() {
    let graph = nodes(
        "[node.camera]\nparams = { device = \"${CAMERA}\" }\n\
         env = { A = \"${NONE:-a}${EMPTY:-b}${EMPTY}\", B = \"$${CAMERA} $5 ${PORT:?x}\" }",
    );
    let camera = node(&graph, "camera");
    assert_eq!(camera.params["device"], "2");
    assert_eq!((camera.env["A"].as_str(), camera.env["B"].as_str()), ("ab", "${CAMERA} $5 7400"));
}

#[test]
fn the_including_file_wins() {
    let files = [
        (
            "conf/base.toml",
            "include = [\"more/deep.toml\"]\n[node.camera]\nparams = { rate = 5, device = 1 }\n[node.gamepad]",
        ),
        ("conf/more/deep.toml", "[node.camera]\nparams = { rate = 1, quality = 50 }"),
    ];
    let text = "include = [\"base.toml\"]\n[graph]\nname = \"robot\"\n[node.camera]\nparams = { rate = 30 }";
    let graph = check(vec![draft("conf/robot.toml", text, &files, &[])], &world::program).unwrap().remove(0);
    let params = serde_json::to_string(&node(&graph, "camera").params).unwrap();
    assert_eq!(params, r#"{"device":1,"quality":50,"rate":30}"#);
    assert_eq!(graph.nodes.len(), 2);
    assert_eq!(graph.dir, Path::new("conf"));
}

#[test]
fn an_override_wins_where_its_node_is() {
    let set = ["node.camera.params.rate=15", "graph.listen=127.0.0.1:7400"];
    let camera = draft("a.toml", "[graph]\nname = \"a\"\n[node.camera]\nparams = { rate = 30, device = 1 }", &[], &set);
    let gamepad = draft("b.toml", "[graph]\nname = \"b\"\n[node.gamepad]", &[], &set);
    let graphs = check(vec![camera, gamepad], &world::program).unwrap();
    assert_eq!(node(&graphs[0], "camera").params["rate"], 15);
    assert_eq!(node(&graphs[0], "camera").params["device"], 1);
    assert_eq!(graphs[1].nodes.len(), 1);
    assert_eq!(graphs[1].listen.as_deref(), Some("127.0.0.1:7400"));
}

#[test]
fn a_draft_tells_its_programs_before_it_is_checked() {
    let draft = draft(
        "conf/robot.toml",
        "[graph]\nname = \"robot\"\n[node.camera]\n[node.far]\nrun = \"python3 x.py\"\n[node.bad]\nrun = 3",
        &[],
        &[],
    );
    assert_eq!((draft.name(), draft.dir()), (Some("robot"), Path::new("conf")));
    let programs = [("camera", vec!["camera"]), ("far", vec!["python3", "x.py"])];
    let programs =
        programs.map(|(node, run)| (node.to_owned(), run.into_iter().map(str::to_owned).collect::<Vec<_>>()));
    assert_eq!(draft.programs(), programs);
}

#[test]
fn on_this_machine_a_peer_needs_no_key() {
    let graph = nodes("[node.camera]\n[peer.desktop]\naddress = \"localhost:7400\"");
    assert_eq!(graph.peers[0].key, None);
}

#[test]
fn without_peers_a_node_may_be_named_link() {
    assert_eq!(nodes("[node.link]\nrun = \"python3 link.py\"").nodes.len(), 1);
}
