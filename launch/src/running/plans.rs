//! What the supervisor is told of the nodes of a graph. It never supervises.

use std::time::Duration;

use offboard::graph::{Graph, NodeSpec, Restart, Watchdog};

use crate::supervisor::Plan;

/// The type of the commands that move things.
const DRIVE: &str = "offboard.v1.Drive";

/// How the nodes that launch adds are treated; they are ours, so they beat.
const ADDED_READY: Duration = Duration::from_secs(10);
const ADDED_STOP: Duration = Duration::from_secs(2);

/// A plan for each of `count` nodes: those of the graph, of which `beats` says who sends heartbeats, then those that launch adds.
pub(super) fn plans(graph: &Graph, beats: &[bool], count: usize) -> Vec<Plan> {
    let place = |name: &_| graph.nodes.iter().position(|spec| spec.name == *name);
    let own = graph.nodes.iter().enumerate().map(|(node, spec)| Plan {
        after: spec.after.iter().filter_map(place).collect(),
        required: spec.required,
        motor: is_motor(spec),
        added: false,
        beats: beats.get(node).copied().unwrap_or_default(),
        restart: spec.restart,
        ready: spec.ready,
        watchdog: spec.watchdog,
        stop: spec.stop,
        pids: spec.limits.pids,
    });
    let added = Plan {
        after: Vec::new(),
        required: false,
        motor: false,
        added: true,
        beats: true,
        restart: Restart::default(),
        ready: ADDED_READY,
        watchdog: Watchdog::Default,
        stop: ADDED_STOP,
        pids: None,
    };
    own.chain(std::iter::repeat(added)).take(count).collect()
}

/// Whether a node moves things: it takes commands and gives none. Who gives some decides, and something behind it moves.
fn is_motor(spec: &NodeSpec) -> bool {
    spec.inputs.iter().any(|input| input.kind == DRIVE) && !spec.outputs.iter().any(|output| output.kind == DRIVE)
}
