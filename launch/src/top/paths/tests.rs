//! Stories about paths through one graph, through two, and into the unknown.

use super::*;
use crate::{
    control::NodeView,
    top::samples::{listened, node, topic},
};

const DRIVE: &str = "offboard.v1.Drive";
const IMAGE: &str = "offboard.v1.CompressedImage";
const FRAMES: &str = "robot:camera/frames";

fn sample(nodes: Vec<NodeView>, topics: Vec<TopicView>) -> Sample {
    Sample { nodes, topics, ..Sample::default() }
}

fn drawn(path: &PathRow) -> Vec<String> {
    let figure = |ms: Option<f64>| ms.map_or("-".to_owned(), |ms| ms.to_string());
    let draw = |hop: &Hop| {
        let to = hop.to.as_ref().map_or(String::new(), |to| format!(" > {to}"));
        format!("{:?} {}{to} {}/{}", hop.hop, hop.from, figure(hop.p50_ms), figure(hop.p99_ms))
    };
    path.hops.iter().map(draw).collect()
}

/// A camera that a pilot steers by, beside a gamepad, and a motor.
fn one_graph(budget_ms: Option<u64>) -> Sample {
    let camera = node("robot", "camera").says("camera/frames", 9, 9).from(FRAMES, 1, 1);
    let gamepad = node("robot", "gamepad").says("gamepad/pad", 9, 9).from("robot:gamepad/pad", 1, 1);
    let pilot = node("robot", "pilot")
        .hears("frames", "camera/frames", 9, 9)
        .from(FRAMES, 3, 2)
        .hears("pad", "gamepad/pad", 9, 9)
        .from("robot:gamepad/pad", 3, 2)
        .says("pilot/drive", 9, 9)
        .from(FRAMES, 13, 10);
    let motor = node("robot", "motor").hears("drive", "pilot/drive", 9, 9).from(FRAMES, 15, 2);
    sample(
        vec![camera.view(), gamepad.view(), pilot.view(), motor.view()],
        vec![
            listened(topic("robot", "camera/frames", IMAGE), "pilot", "frames", None),
            listened(topic("robot", "gamepad/pad", "offboard.v1.Gamepad"), "pilot", "pad", None),
            listened(topic("robot", "pilot/drive", DRIVE), "motor", "drive", budget_ms),
        ],
    )
}

#[test]
fn a_motor_s_path_goes_back_to_the_sensor_that_its_messages_come_from() {
    let paths = paths(&one_graph(None));
    assert_eq!(paths.len(), 1);
    let path = &paths[0];
    assert_eq!((path.node.as_str(), path.origin.as_deref(), path.complete), ("motor", Some(FRAMES), true));
    assert_eq!((path.p50_ms, path.p99_ms, path.over_budget), (Some(15.0), Some(30.0), None));
    assert_eq!(
        drawn(path),
        [
            "Publish robot:camera 1/2",
            "Transit robot:camera > robot:pilot 2/4",
            "Compute robot:pilot 10/20",
            "Transit robot:pilot > robot:motor 2/4"
        ]
    );
}

#[test]
fn a_budget_is_kept_or_exceeded_by_p99() {
    let over = |budget_ms| paths(&one_graph(Some(budget_ms)))[0].over_budget;
    assert_eq!((over(30), over(29), over(10)), (Some(false), Some(true), Some(true)));
}

#[test]
fn a_path_goes_over_machines_and_comes_back() {
    let mut seen = two_machines();
    let whole = &paths(&seen)[0];
    assert_eq!((whole.graph.as_str(), whole.complete, whole.p50_ms), ("robot", true, Some(40.0)));
    assert_eq!(
        drawn(whole),
        [
            "Publish robot:camera 1/2",
            "Link robot:camera > desktop:pilot 9/18",
            "Compute desktop:pilot 10/20",
            "Link desktop:pilot > robot:motor 8/16"
        ]
    );
    // Where the desktop does not run here, its part is unknown; the whole is known all the same.
    seen.nodes.retain(|node| node.graph == "robot");
    seen.topics.retain(|topic| topic.graph == "robot");
    let part = &paths(&seen)[0];
    assert_eq!((part.complete, part.p50_ms, part.origin.as_deref()), (false, Some(40.0), Some(FRAMES)));
    assert_eq!(
        drawn(part),
        [
            "Publish robot:camera 1/2",
            "Transit robot:camera > robot:link 3/6",
            "Elsewhere desktop:pilot -/-",
            "Link desktop:pilot > robot:motor 8/16"
        ]
    );
}

fn two_machines() -> Sample {
    let camera = node("robot", "camera").says("camera/frames", 9, 9).from(FRAMES, 1, 1);
    let link = node("robot", "link").hears("t0", "camera/frames", 9, 9).from(FRAMES, 4, 3);
    let motor = node("robot", "motor").hears("drive", "desktop:pilot/drive", 9, 9).from(FRAMES, 40, 8);
    let pilot = node("desktop", "pilot")
        .hears("frames", FRAMES, 9, 9)
        .from(FRAMES, 20, 9)
        .says("pilot/drive", 9, 9)
        .from(FRAMES, 30, 10);
    sample(
        vec![camera.view(), link.view(), motor.view(), pilot.view()],
        vec![
            listened(topic("robot", "camera/frames", IMAGE), LINK, "", None),
            listened(topic("robot", "desktop:pilot/drive", DRIVE), "motor", "drive", None),
            listened(topic("desktop", FRAMES, IMAGE), "pilot", "frames", None),
            listened(topic("desktop", "pilot/drive", DRIVE), LINK, "", None),
        ],
    )
}

#[test]
fn of_two_inputs_with_one_origin_the_one_that_explains_the_age_is_taken() {
    let camera = node("r", "camera").says("camera/frames", 9, 9).from("r:camera/frames", 1, 1);
    let model = node("r", "model")
        .hears("frames", "camera/frames", 9, 9)
        .from("r:camera/frames", 2, 1)
        .says("model/drive", 9, 9)
        .from("r:camera/frames", 52, 50);
    let pilot = node("r", "pilot")
        .hears("frames", "camera/frames", 9, 9)
        .from("r:camera/frames", 2, 1)
        .hears("model", "model/drive", 9, 9)
        .from("r:camera/frames", 53, 1)
        .says("pilot/drive", 9, 9)
        .from("r:camera/frames", 54, 1);
    let motor = node("r", "motor").hears("drive", "pilot/drive", 9, 9).from("r:camera/frames", 55, 1);
    let frames = listened(topic("r", "camera/frames", IMAGE), "model", "frames", None);
    let seen = sample(
        vec![camera.view(), model.view(), pilot.view(), motor.view()],
        vec![
            listened(frames, "pilot", "frames", None),
            listened(topic("r", "model/drive", DRIVE), "pilot", "model", None),
            listened(topic("r", "pilot/drive", DRIVE), "motor", "drive", None),
        ],
    );
    assert_eq!(paths(&seen)[0].hops.len(), 6);
}

#[test]
fn a_path_without_figures_is_shown_where_it_has_an_end_that_matters() {
    // All nodes are foreign: the motor's path is known by the wiring alone.
    let mut seen = one_graph(Some(50));
    seen.nodes.iter_mut().for_each(|node| node.edges.clear());
    seen.topics.remove(1);
    let path = &paths(&seen)[0];
    assert_eq!((path.p99_ms, path.over_budget, path.complete), (None, None, true));
    assert_eq!(path.origin.as_deref(), Some(FRAMES));
    assert_eq!(drawn(path)[3], "Transit robot:pilot > robot:motor -/-");
    // With two inputs nobody knows which it was.
    let mut seen = one_graph(None);
    seen.nodes.iter_mut().for_each(|node| node.edges.clear());
    assert_eq!((paths(&seen)[0].complete, paths(&seen)[0].hops.len()), (false, 2));
}

#[test]
fn a_viewer_is_an_end_too_and_comes_after_motors() {
    let mut seen = one_graph(None);
    seen.nodes.insert(0, node("robot", "viewer").hears("in", "camera/frames", 9, 9).from(FRAMES, 4, 3).view());
    let frames = seen.topics.remove(0);
    seen.topics.insert(0, listened(frames, "viewer", "in", None));
    let ends: Vec<String> = paths(&seen).into_iter().map(|path| path.node).collect();
    assert_eq!(ends, ["motor", "viewer"]);
}

#[test]
fn a_ring_of_nodes_ends() {
    let one = node("r", "a").hears("in", "b/out", 9, 9).from("x:y/z", 2, 1).says("a/out", 9, 9).from("x:y/z", 3, 1);
    let other = node("r", "b").hears("in", "a/out", 9, 9).from("x:y/z", 2, 1).says("b/out", 9, 9).from("x:y/z", 3, 1);
    let seen = sample(
        vec![one.view(), other.view()],
        vec![
            listened(topic("r", "a/out", "x.Y"), "b", "in", Some(5)),
            listened(topic("r", "b/out", "x.Y"), "a", "in", None),
        ],
    );
    let path = &paths(&seen)[0];
    assert_eq!((path.complete, path.hops.len()), (false, 4));
}
