//! From samples to figures: what each node costs, what each topic carries, how each link is.
//! It never reads anything: two samples in, rows out.

use std::time::Duration;

use offboard::wiring::LINK;
use serde::Serialize;

use super::{
    paths::{PathRow, paths},
    sample::{End, Sample},
};
use crate::{
    control::{EdgeView, GaugeView, ListenerView, NodeView, TopicView},
    usage::percent,
};

/// A heartbeat older than this tells that nothing happens any more: eight are due in that time.
const SILENT: Duration = Duration::from_secs(2);

/// Everything that is shown.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Report {
    pub(crate) nodes: Vec<NodeRow>,
    pub(crate) topics: Vec<TopicRow>,
    pub(crate) paths: Vec<PathRow>,
    pub(crate) links: Vec<LinkRow>,
    /// Graphs that do not answer, a sentence each.
    pub(crate) troubles: Vec<String>,
}

/// A node.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct NodeRow {
    pub(crate) graph: String,
    pub(crate) node: String,
    pub(crate) state: String,
    pub(crate) why: Option<String>,
    pub(crate) pid: Option<u32>,
    pub(crate) restarts: u32,
    pub(crate) uptime_s: Option<f64>,
    pub(crate) last_end: Option<String>,
    /// Of one core, all its processes together.
    pub(crate) cpu_percent: Option<f64>,
    pub(crate) memory_bytes: Option<u64>,
    pub(crate) processes: Option<usize>,
    pub(crate) gauges: Vec<GaugeView>,
}

/// What got lost and why.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Losses {
    /// Messages missing by their numbers.
    pub(crate) gaps: u64,
    /// At the publisher's queues.
    pub(crate) dropped: u64,
    pub(crate) expired: u64,
    pub(crate) undecodable: u64,
    pub(crate) wrong_type: u64,
    pub(crate) oversized: u64,
}

/// Where a topic's figures come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Measured {
    Publisher,
    Listener,
    Tap,
}

/// A topic of a graph.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct TopicRow {
    pub(crate) graph: String,
    pub(crate) topic: String,
    pub(crate) r#type: String,
    pub(crate) publisher: String,
    /// None: nobody measures it.
    pub(crate) measured_at: Option<Measured>,
    pub(crate) rate_hz: Option<f64>,
    /// The mean size of a payload.
    pub(crate) size_bytes: Option<f64>,
    pub(crate) bandwidth_bytes_per_s: Option<f64>,
    /// How old the sensing was on arrival, where it was oldest.
    pub(crate) age_p50_ms: Option<f64>,
    pub(crate) age_p99_ms: Option<f64>,
    /// Of all ends together, since each node's start.
    #[serde(flatten)]
    pub(crate) losses: Losses,
    pub(crate) listeners: Vec<ListenerRow>,
}

/// An input that listens to a topic.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct ListenerRow {
    pub(crate) node: String,
    pub(crate) input: String,
    /// How many messages its queue holds.
    pub(crate) keep: usize,
    pub(crate) budget_ms: Option<f64>,
    pub(crate) rate_hz: Option<f64>,
    pub(crate) age_p50_ms: Option<f64>,
    pub(crate) age_p99_ms: Option<f64>,
    /// None: a foreign node does not tell.
    pub(crate) losses: Option<Losses>,
}

/// A link to a peer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct LinkRow {
    pub(crate) graph: String,
    pub(crate) peer: String,
    pub(crate) rtt_ms: Option<f64>,
    pub(crate) loss_percent: Option<f64>,
    pub(crate) offset_ms: Option<f64>,
    /// What else it measured.
    pub(crate) gauges: Vec<GaugeView>,
}

/// The figures of a moment, with rates since an earlier one.
pub(crate) fn report(then: Option<&Sample>, now: &Sample) -> Report {
    let span = Span { then, now };
    Report {
        nodes: now.nodes.iter().map(|node| span.node(node)).collect(),
        topics: now.topics.iter().map(|topic| span.topic(topic)).collect(),
        paths: paths(now),
        links: now.nodes.iter().filter(|node| node.node == LINK).flat_map(links).collect(),
        troubles: now.troubles.clone(),
    }
}

/// Two looks at the same things.
#[derive(Debug, Clone, Copy)]
struct Span<'a> {
    then: Option<&'a Sample>,
    now: &'a Sample,
}

/// The end of an edge now and before, and the seconds between.
#[derive(Debug, Clone, Copy)]
struct Counted<'a> {
    now: &'a EdgeView,
    before: Option<(&'a EdgeView, f64)>,
}

impl Counted<'_> {
    fn more(&self, of: impl Fn(&EdgeView) -> u64) -> Option<u64> {
        of(self.now).checked_sub(of(self.before?.0))
    }

    fn rate(&self, of: impl Fn(&EdgeView) -> u64) -> Option<f64> {
        Some(self.more(of)? as f64 / self.before?.1)
    }

    /// The mean payload; none where nothing was said, or nothing encoded.
    fn size(&self) -> Option<f64> {
        let (messages, bytes) = (self.more(|edge| edge.messages)?, self.more(|edge| edge.bytes)?);
        (messages > 0 && bytes > 0).then(|| bytes as f64 / messages as f64)
    }
}

impl<'a> Span<'a> {
    fn node(&self, node: &NodeView) -> NodeRow {
        let usage = node.pid.and_then(|pid| self.now.usage.get(&pid));
        let before = node.pid.and_then(|pid| self.then?.usage.get(&pid));
        let cpu = usage.and_then(|usage| match before.filter(|before| before.began == usage.began) {
            Some(before) => percent(usage.cpu.saturating_sub(before.cpu), usage.lived.saturating_sub(before.lived)),
            None => usage.mean_percent(),
        });
        NodeRow {
            graph: node.graph.clone(),
            node: node.node.clone(),
            state: node.state.clone(),
            why: node.why.clone(),
            pid: node.pid,
            restarts: node.restarts,
            uptime_s: node.uptime_s,
            last_end: node.last_end.clone(),
            cpu_percent: cpu,
            memory_bytes: usage.map(|usage| usage.memory_bytes),
            processes: usage.map(|usage| usage.processes),
            gauges: node.gauges.clone(),
        }
    }

    fn topic(&self, topic: &TopicView) -> TopicRow {
        let published = self.counted(topic, &topic.publisher, End::Publishes);
        let heard: Vec<(&ListenerView, Option<Counted<'_>>)> = topic
            .listeners
            .iter()
            .map(|listener| (listener, self.counted(topic, &listener.node, End::Listens(&listener.input))))
            .collect();
        let tapped = self.tapped(topic);
        // Of several listeners the one that heard most tells best what was said.
        let loudest = heard.iter().filter_map(|(_, counted)| *counted).max_by_key(|counted| said(counted.now));
        let (best, measured_at) =
            [(published, Measured::Publisher), (loudest, Measured::Listener), (tapped, Measured::Tap)]
                .into_iter()
                .find_map(|(counted, place)| Some((counted?, place)))
                .unzip();
        let ends = || published.into_iter().chain(heard.iter().filter_map(|(_, counted)| *counted)).chain(tapped);
        let arrived = ends().filter(|end| !end.now.publishes).max_by_key(|end| end.now.age_p99_ns);
        let aged = arrived.filter(|end| end.now.age_p99_ns > 0).or(best);
        // A listener knows best how large they are: a publisher does not encode what nobody wants.
        let size = loudest.or(tapped).or(published).and_then(|end| end.size());
        TopicRow {
            graph: topic.graph.clone(),
            topic: topic.topic.clone(),
            r#type: topic.r#type.clone(),
            publisher: topic.publisher.clone(),
            measured_at,
            rate_hz: best.and_then(|best| best.rate(said)),
            size_bytes: size,
            bandwidth_bytes_per_s: best.and_then(|best| best.rate(|edge| edge.bytes)),
            age_p50_ms: aged.and_then(|end| ms(end.now.age_p50_ns, end.now.age_p99_ns)),
            age_p99_ms: aged.and_then(|end| ms(end.now.age_p99_ns, end.now.age_p99_ns)),
            losses: ends().map(|end| Losses::of(end.now)).fold(Losses::default(), Losses::and),
            listeners: heard.into_iter().map(|(listener, counted)| listener_row(listener, counted)).collect(),
        }
    }

    fn counted(&self, topic: &TopicView, node: &str, end: End<'_>) -> Option<Counted<'a>> {
        let now = self.now.edge(&topic.graph, node, &topic.topic, end)?;
        Some(Counted { now, before: self.before(topic, node, end, now) })
    }

    fn before(&self, topic: &TopicView, node: &str, end: End<'_>, now: &'a EdgeView) -> Option<(&'a EdgeView, f64)> {
        let view = |sample: &'a Sample| sample.nodes.iter().find(|it| it.graph == topic.graph && it.node == node);
        let (then_view, now_view) = (view(self.then?)?, view(self.now)?);
        if then_view.pid != now_view.pid {
            return None;
        }
        // A heartbeat tells how things were when it was sent: between two of them lies the time that counts.
        let age = |view: &NodeView| Duration::from_nanos(view.beat_age_ns.unwrap_or_default());
        // Before the first look began, too: then it is negative.
        let told = |sample: &Sample, view: &NodeView| sample.at.as_secs_f64() - age(view).as_secs_f64();
        let seconds = told(self.now, now_view) - told(self.then?, then_view);
        if seconds > 1e-3 {
            return Some((self.then?.edge(&topic.graph, node, &topic.topic, end)?, seconds));
        }
        // No heartbeat since: after a while that means that nothing is said any more.
        (age(now_view) > SILENT).then_some((now, 1.0))
    }

    fn tapped(&self, topic: &TopicView) -> Option<Counted<'a>> {
        let now = self.now.taps.get(&topic.tap)?;
        let before = self.then.and_then(|then| {
            let seconds = (self.now.at - then.at.min(self.now.at)).as_secs_f64();
            (seconds > 0.0).then_some((then.taps.get(&topic.tap)?, seconds))
        });
        Some(Counted { now, before })
    }
}

/// What was said on a topic by one end's counts: what came and what did not.
fn said(edge: &EdgeView) -> u64 {
    edge.messages + edge.gaps
}

fn listener_row(listener: &ListenerView, counted: Option<Counted<'_>>) -> ListenerRow {
    let edge = counted.map(|counted| counted.now);
    ListenerRow {
        node: listener.node.clone(),
        input: listener.input.clone(),
        keep: listener.keep,
        budget_ms: listener.budget_ns.map(|ns| ns as f64 / 1e6),
        rate_hz: counted.and_then(|counted| counted.rate(|edge| edge.messages)),
        age_p50_ms: edge.and_then(|edge| ms(edge.age_p50_ns, edge.age_p99_ns)),
        age_p99_ms: edge.and_then(|edge| ms(edge.age_p99_ns, edge.age_p99_ns)),
        losses: edge.map(Losses::of),
    }
}

/// Nanoseconds in milliseconds; none where nothing was measured, which a p99 of 0 tells.
pub(crate) fn ms(ns: u64, p99_ns: u64) -> Option<f64> {
    (p99_ns > 0).then_some(ns as f64 / 1e6)
}

impl Losses {
    fn of(edge: &EdgeView) -> Losses {
        Losses {
            gaps: edge.gaps,
            dropped: edge.dropped,
            expired: edge.expired,
            undecodable: edge.undecodable,
            wrong_type: edge.wrong_type,
            oversized: edge.oversized,
        }
    }

    fn and(self, other: Losses) -> Losses {
        Losses {
            gaps: self.gaps + other.gaps,
            dropped: self.dropped + other.dropped,
            expired: self.expired + other.expired,
            undecodable: self.undecodable + other.undecodable,
            wrong_type: self.wrong_type + other.wrong_type,
            oversized: self.oversized + other.oversized,
        }
    }

    /// Whether something came that should not exist: people must mend it.
    pub(crate) fn are_faults(&self) -> bool {
        self.undecodable + self.wrong_type + self.oversized > 0
    }
}

/// The peers that a link measures: its gauges are `peer.what`.
fn links(link: &NodeView) -> Vec<LinkRow> {
    let mut rows: Vec<LinkRow> = Vec::new();
    for gauge in &link.gauges {
        let (peer, what) = gauge.name.rsplit_once('.').unwrap_or(("", &gauge.name));
        let place = rows.iter().position(|row| row.peer == peer).unwrap_or_else(|| {
            let (graph, peer) = (link.graph.clone(), peer.to_owned());
            let (rtt_ms, loss_percent, offset_ms) = (None, None, None);
            rows.push(LinkRow { graph, peer, rtt_ms, loss_percent, offset_ms, gauges: Vec::new() });
            rows.len() - 1
        });
        let Some(row) = rows.get_mut(place) else { continue };
        match (what, gauge.unit.as_str()) {
            ("rtt", "ms") => row.rtt_ms = Some(gauge.value),
            ("loss", "%") => row.loss_percent = Some(gauge.value),
            ("offset", "ms") => row.offset_ms = Some(gauge.value),
            _ => row.gauges.push(GaugeView { name: what.to_owned(), ..gauge.clone() }),
        }
    }
    rows
}

#[cfg(test)]
mod tests;
