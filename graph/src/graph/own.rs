//! What launch itself publishes in every graph, under its own name. It never publishes anything.

use super::{Keep, Topic};

/// The name that launch keeps for itself: the node that publishes what it knows.
pub const LAUNCH: &str = "launch";

/// Its outputs and their types: what happens to nodes, how they are, and what they write.
pub const OUTPUTS: [(&str, &str); 3] =
    [("events", "offboard.v1.Event"), ("status", "offboard.v1.GraphStatus"), ("log", "offboard.v1.Log")];

/// How many events or lines an edge holds unless its listener says otherwise: none may be missed, and a crash brings several at once.
const EVENTS_KEEP: u32 = 256;

/// The type of a topic of launch's own, on this machine or a peer's.
pub(crate) fn kind(topic: &Topic) -> Option<&'static str> {
    let own = OUTPUTS.iter().filter(|_| topic.node.as_str() == LAUNCH);
    own.copied().find(|(output, _)| topic.output.as_str() == *output).map(|(_, kind)| kind)
}

/// The topics of launch's own.
pub(crate) fn topics() -> impl Iterator<Item = String> {
    OUTPUTS.iter().map(|(output, _)| format!("{LAUNCH}/{output}"))
}

/// What an edge from this topic holds when its listener does not say.
pub(crate) fn keep(topic: &Topic) -> Keep {
    match kind(topic) {
        Some("offboard.v1.Event" | "offboard.v1.Log") => Keep::Last(EVENTS_KEEP),
        _ => Keep::default(),
    }
}
