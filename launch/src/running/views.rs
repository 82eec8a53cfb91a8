//! A running graph as verbs see it. It never changes one.

use std::time::Duration;

use offboard::{
    proto::NodeStatus,
    wiring::{Listener, TopicWiring},
};
use prost::Message;

use super::{Running, Shell, member::Member};
use crate::{
    control::{EdgeView, GaugeView, ListenerView, NodeView, TopicView},
    events::newest_words,
    supervisor::Node,
};

/// How much of a node's last words is shown with it, in bytes: all nodes together make one answer.
const WORDS_MAX: usize = 8 << 10;

impl Running {
    /// How its nodes are.
    pub(super) fn views(&self, shell: &Shell) -> Vec<NodeView> {
        let now = shell.began.elapsed();
        let view = |(node, member): (Node, &Member)| {
            let view = self.supervisor.view(now, node)?;
            let status = NodeStatus::decode(member.status.as_slice()).ok().filter(|_| !member.status.is_empty());
            Some(NodeView {
                graph: self.name.clone(),
                node: member.name.clone(),
                state: view.state.to_owned(),
                why: view.why,
                pid: view.pid,
                restarts: view.restarts,
                uptime_s: view.up.map(|up| up.as_secs_f64()),
                last_end: view.last_end,
                cause: view.cause.map(str::to_owned),
                beats: status.as_ref().map(|status| status.beats),
                incarnation: status.as_ref().map(|status| status.incarnation),
                overruns: status.as_ref().map(|status| status.overruns),
                beat_age_ns: status.as_ref().zip(member.heard).map(|(_, heard)| nanoseconds(heard.elapsed())),
                edges: status.iter().flat_map(|status| &status.edges).cloned().map(edge).collect(),
                gauges: status.into_iter().flat_map(|status| status.gauges).map(gauge).collect(),
                last_words: newest_words(member.last_words.clone(), WORDS_MAX),
                launch_pid: std::process::id(),
                file: self.file.clone(),
            })
        };
        self.members.iter().enumerate().filter_map(view).collect()
    }
}

/// A topic of a graph.
pub(super) fn topic(graph: &str, topic: TopicWiring) -> TopicView {
    let listener = |listener: Listener| ListenerView {
        node: listener.node,
        input: listener.input,
        endpoint: listener.endpoint,
        keep: listener.keep,
        budget_ns: listener.budget.map(nanoseconds),
    };
    TopicView {
        graph: graph.to_owned(),
        topic: topic.topic,
        r#type: topic.kind,
        tap: topic.tap,
        publisher: topic.publisher,
        listeners: topic.listeners.into_iter().map(listener).collect(),
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn edge(edge: offboard::proto::EdgeCounts) -> EdgeView {
    EdgeView {
        port: edge.port,
        topic: edge.topic,
        publishes: edge.publishes,
        messages: edge.messages,
        bytes: edge.bytes,
        gaps: edge.gaps,
        dropped: edge.dropped,
        expired: edge.expired,
        undecodable: edge.undecodable,
        wrong_type: edge.wrong_type,
        oversized: edge.oversized,
        origin: edge.origin,
        age_p50_ns: edge.age_p50_ns,
        age_p99_ns: edge.age_p99_ns,
        hop_p50_ns: edge.hop_p50_ns,
        hop_p99_ns: edge.hop_p99_ns,
    }
}

fn gauge(gauge: offboard::proto::Gauge) -> GaugeView {
    GaugeView { name: gauge.name, value: gauge.value, unit: gauge.unit }
}
