//! Nodes and topics for tests, as launch would tell of them. It is never part of the program.

use crate::control::{EdgeView, ListenerView, NodeView, TopicView};

const MS: u64 = 1_000_000;

/// A node in the making.
pub(crate) struct Made(NodeView);

/// A node with a process and a heartbeat of this moment.
pub(crate) fn node(graph: &str, name: &str) -> Made {
    Made(NodeView {
        graph: graph.into(),
        node: name.into(),
        state: "ready".into(),
        why: None,
        pid: Some(100),
        restarts: 0,
        uptime_s: Some(60.0),
        last_end: None,
        cause: None,
        beats: Some(1),
        incarnation: Some(1),
        overruns: Some(0),
        last_words: Vec::new(),
        beat_age_ns: Some(0),
        edges: Vec::new(),
        gauges: Vec::new(),
        launch_pid: 1,
        file: "robot.toml".into(),
    })
}

/// A topic of the node that its name says.
pub(crate) fn topic(graph: &str, topic: &str, kind: &str) -> TopicView {
    let publisher = if topic.contains(':') { "link" } else { topic.split('/').next().unwrap_or_default() };
    TopicView {
        graph: graph.into(),
        topic: topic.into(),
        r#type: kind.into(),
        tap: format!("{graph}-{topic}"),
        publisher: publisher.into(),
        listeners: Vec::new(),
    }
}

/// With one more listener.
pub(crate) fn listened(mut topic: TopicView, node: &str, input: &str, budget_ms: Option<u64>) -> TopicView {
    topic.listeners.push(ListenerView {
        node: node.into(),
        input: input.into(),
        endpoint: String::new(),
        keep: 1,
        budget_ns: budget_ms.map(|ms| ms * MS),
    });
    topic
}

impl Made {
    /// Without our SDK.
    pub(crate) fn foreign(mut self) -> Made {
        (self.0.beats, self.0.beat_age_ns, self.0.state) = (None, None, "running".into());
        self
    }

    pub(crate) fn pid(mut self, pid: u32) -> Made {
        self.0.pid = Some(pid);
        self
    }

    pub(crate) fn beat_age_ms(mut self, ms: u64) -> Made {
        self.0.beat_age_ns = Some(ms * MS);
        self
    }

    pub(crate) fn says(self, topic: &str, messages: u64, bytes: u64) -> Made {
        self.edge("out", topic, true, messages, bytes)
    }

    pub(crate) fn hears(self, input: &str, topic: &str, messages: u64, bytes: u64) -> Made {
        self.edge(input, topic, false, messages, bytes)
    }

    fn edge(mut self, port: &str, topic: &str, publishes: bool, messages: u64, bytes: u64) -> Made {
        self.0.edges.push(EdgeView {
            port: port.into(),
            topic: topic.into(),
            publishes,
            messages,
            bytes,
            gaps: 0,
            dropped: 0,
            expired: 0,
            undecodable: 0,
            wrong_type: 0,
            oversized: 0,
            origin: String::new(),
            age_p50_ns: 0,
            age_p99_ns: 0,
            hop_p50_ns: 0,
            hop_p99_ns: 0,
        });
        self
    }

    /// What the last edge measured: ages and hops in milliseconds, p50 and twice that for p99.
    pub(crate) fn from(mut self, origin: &str, age_ms: u64, hop_ms: u64) -> Made {
        if let Some(edge) = self.0.edges.last_mut() {
            edge.origin = origin.into();
            (edge.age_p50_ns, edge.age_p99_ns) = (age_ms * MS, 2 * age_ms * MS);
            (edge.hop_p50_ns, edge.hop_p99_ns) = (hop_ms * MS, 2 * hop_ms * MS);
        }
        self
    }

    /// Changes the last edge.
    pub(crate) fn but(mut self, change: impl FnOnce(&mut EdgeView)) -> Made {
        if let Some(edge) = self.0.edges.last_mut() {
            change(edge);
        }
        self
    }

    /// Changes the node.
    pub(crate) fn being(mut self, change: impl FnOnce(&mut NodeView)) -> Made {
        change(&mut self.0);
        self
    }

    pub(crate) fn view(self) -> NodeView {
        self.0
    }
}
