//! `topic info`: who publishes a topic, who listens, how it is and what was lost on the way.
//! It never listens itself: all figures are what the nodes say in their heartbeats.

use serde::Serialize;

use super::{meter::bytes, nodes_of};
use crate::{
    cli::InfoArgs,
    control::{EdgeView, ListenerView, NodeView, TopicView},
    failure::Failure,
    print::{print, print_json},
    words::{escape, table},
};

/// A topic with its publisher and its listeners as they are.
#[derive(Debug, Serialize)]
struct Info<'a> {
    graph: &'a str,
    topic: &'a str,
    r#type: &'a str,
    tap: &'a str,
    publisher: End<'a>,
    subscribers: Vec<Subscriber<'a>>,
}

/// A node at an end of the topic.
#[derive(Debug, Serialize)]
struct End<'a> {
    node: &'a str,
    /// None when launch does not supervise it.
    state: Option<&'a str>,
    pid: Option<u32>,
    /// What it counted; none before its first heartbeat, and of nodes without our SDK.
    counts: Option<&'a EdgeView>,
}

#[derive(Debug, Serialize)]
struct Subscriber<'a> {
    #[serde(flatten)]
    end: End<'a>,
    input: &'a str,
    endpoint: &'a str,
    keep: usize,
    budget_ns: Option<u64>,
}

/// `topic info TOPIC`.
pub(super) fn info(topic: &TopicView, args: &InfoArgs) -> Result<(), Failure> {
    let nodes = nodes_of(&topic.graph)?;
    let info = gather(topic, &nodes);
    if args.json {
        return print_json(&info);
    }
    print(&text(&info, args.verbose))
}

/// A listener as people name it.
pub(super) fn listener(listener: &ListenerView) -> String {
    port(&listener.node, &listener.input)
}

fn port(node: &str, input: &str) -> String {
    if input.is_empty() { node.to_owned() } else { format!("{node}.{input}") }
}

fn gather<'a>(topic: &'a TopicView, nodes: &'a [NodeView]) -> Info<'a> {
    let end = |name: &'a str, is_edge: &dyn Fn(&EdgeView) -> bool| {
        let node = nodes.iter().find(|node| node.node == name);
        End {
            node: name,
            state: node.map(|node| node.state.as_str()),
            pid: node.and_then(|node| node.pid),
            counts: node.and_then(|node| node.edges.iter().find(|edge| edge.topic == topic.topic && is_edge(edge))),
        }
    };
    let subscriber = |listener: &'a ListenerView| {
        // The link names its inputs as it likes; it has one a topic.
        let is_edge = |edge: &EdgeView| !edge.publishes && (listener.input.is_empty() || edge.port == listener.input);
        Subscriber {
            end: end(&listener.node, &is_edge),
            input: &listener.input,
            endpoint: &listener.endpoint,
            keep: listener.keep,
            budget_ns: listener.budget_ns,
        }
    };
    Info {
        graph: &topic.graph,
        topic: &topic.topic,
        r#type: &topic.r#type,
        tap: &topic.tap,
        publisher: end(&topic.publisher, &|edge| edge.publishes),
        subscribers: topic.listeners.iter().map(subscriber).collect(),
    }
}

fn text(info: &Info<'_>, verbose: bool) -> String {
    let mut head =
        vec!["NODE", "STATE", "PID", "KEEP", "MESSAGES", "BYTES", "LOST", "AGE p50/p99", "HOP p50/p99", "BUDGET"];
    let mut rows = vec![row(&info.publisher, info.publisher.node.to_owned(), None, None)];
    rows.extend(info.subscribers.iter().map(|subscriber| {
        row(
            &subscriber.end,
            format!("→ {}", port(subscriber.end.node, subscriber.input)),
            Some(subscriber.keep),
            subscriber.budget_ns,
        )
    }));
    if verbose {
        head.push("ENDPOINT");
        let endpoints = std::iter::once(info.tap).chain(info.subscribers.iter().map(|subscriber| subscriber.endpoint));
        rows.iter_mut().zip(endpoints).for_each(|(row, endpoint)| row.push(endpoint.to_owned()));
    }
    let listeners = if info.subscribers.len() == 1 { "listener" } else { "listeners" };
    let title = format!("{}:{}  {}  {} {listeners}", info.graph, info.topic, info.r#type, info.subscribers.len());
    format!("{title}\n{}", table(&head, &rows))
}

fn row(end: &End<'_>, name: String, keep: Option<usize>, budget_ns: Option<u64>) -> Vec<String> {
    let dash = || "-".to_owned();
    let of = |show: &dyn Fn(&EdgeView) -> String| end.counts.map_or_else(dash, show);
    let pair = |half: u64, most: u64| match (half, most) {
        (0, 0) => dash(),
        (half, most) => format!("{:.2}/{:.2} ms", half as f64 / 1e6, most as f64 / 1e6),
    };
    vec![
        name,
        end.state.map_or_else(dash, str::to_owned),
        end.pid.map_or_else(dash, |pid| pid.to_string()),
        keep.map_or_else(dash, |keep| keep.to_string()),
        of(&|edge| edge.messages.to_string()),
        of(&|edge| bytes(edge.bytes as f64)),
        of(&lost),
        of(&|edge| pair(edge.age_p50_ns, edge.age_p99_ns)),
        of(&|edge| pair(edge.hop_p50_ns, edge.hop_p99_ns)),
        budget_ns.map_or_else(dash, |budget| format!("{} ms", budget as f64 / 1e6)),
    ]
}

/// What was lost, by reason.
fn lost(edge: &EdgeView) -> String {
    let reasons = [
        (edge.gaps, "gaps"),
        (edge.dropped, "dropped"),
        (edge.expired, "expired"),
        (edge.undecodable, "undecodable"),
        (edge.wrong_type, "of a wrong type"),
        (edge.oversized, "oversized"),
    ];
    let said: Vec<String> =
        reasons.iter().filter(|(count, _)| *count > 0).map(|(count, why)| format!("{count} {why}")).collect();
    if said.is_empty() { "none".to_owned() } else { escape(&said.join(", ")) }
}
