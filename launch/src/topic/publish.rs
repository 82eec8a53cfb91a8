//! `topic pub`: speaks on a topic in place of its node while that is stopped.
//! It never speaks beside the node: it refuses while that runs, and ends as soon as it is back.

use std::{fs, os::unix::fs::MetadataExt, path::PathBuf, pin::pin, time::Duration};

use offboard::{
    Node, RawPublisher, clock,
    proto::{Header, MESSAGE_MAX},
    wiring::{Endpoint, NodeWiring, OutputWiring},
};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use serde::Serialize;
use tokio::time::{Instant, sleep, timeout};

use super::{Found, block_on, compose::compose, decode::Types, failed, find, nodes_of, publisher_of};
use crate::{
    cli::PubArgs,
    control::{NodeView, TopicView},
    draw::short,
    failure::Failure,
    print::{print, print_json},
    supervisor::code,
};

/// The name that the one output goes by.
const OUTPUT: &str = "out";

/// The most messages a second: what measures and motors need, and no flood.
const RATE_MAX: f64 = 1000.0;

/// Listeners retry to connect at most so often (our SDK; pyzmq every tenth of a second): whoever looks at the tap is waited for so long…
const TAPS_WITHIN: Duration = Duration::from_millis(300);

/// …and the listeners of the graph at most so long, or a busy one would lose the only message.
const LISTENERS_WITHIN: Duration = Duration::from_secs(2);

/// How long the last messages may take to be on their way.
const CLOSE_WITHIN: Duration = Duration::from_secs(1);

/// How often to look whether the node is back: its sockets tell at once when it speaks…
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// …and its launch, asked at every so many looks, that it has begun.
const ASK_AFTER: u32 = 20;

/// `topic pub TOPIC JSON`.
pub(super) fn publish(args: &PubArgs) -> Result<(), Failure> {
    let topic = find(&args.which.topic)?;
    if !(args.rate > 0.0 && args.rate <= RATE_MAX) {
        return Err(usage(format!("--rate is {}; it is above 0 and at most {RATE_MAX} messages a second", args.rate)));
    }
    let (kind, payload) = said(&topic.view, args)?;
    may_speak(&topic.view)?;
    let what =
        What { kind, payload, period: Duration::from_secs_f64(1.0 / args.rate), times: times(args), json: args.json };
    block_on(speak(&topic, &what))
}

fn times(args: &PubArgs) -> u64 {
    if args.once { 1 } else { args.times.unwrap_or(u64::MAX) }
}

fn usage(why: String) -> Failure {
    Failure::new(code::USAGE, why)
}

/// What is published how often.
struct What {
    kind: String,
    payload: Vec<u8>,
    period: Duration,
    times: u64,
    json: bool,
}

/// What was published.
#[derive(Debug, Serialize)]
struct Told<'a> {
    graph: &'a str,
    topic: &'a str,
    r#type: &'a str,
    messages: u64,
    /// How many listeners were there, besides taps…
    listeners: usize,
    /// … of how many that the graph has.
    of: usize,
}

/// The type and the encoded message.
fn said(topic: &TopicView, args: &PubArgs) -> Result<(String, Vec<u8>), Failure> {
    let types = Types::new()?;
    let name = match (topic.r#type.as_str(), args.kind.as_deref()) {
        ("*", None) => return Err(usage(format!("{} carries any type; say which with --type", topic.topic))),
        ("*", Some(said)) => said,
        (carried, Some(said)) if said != carried && said != short(carried) => {
            return Err(usage(format!("{} carries {}, not {said}", topic.topic, short(carried))));
        }
        (carried, _) => carried,
    };
    let kind = types
        .get(name)
        .ok_or_else(|| usage(format!("the type {name} is not known here{}", types.did_you_mean(name))))?;
    let payload = compose(&kind, &args.message).map_err(usage)?;
    if payload.len() > MESSAGE_MAX {
        return Err(usage(format!("this message has {} bytes; {MESSAGE_MAX} are the most", payload.len())));
    }
    Ok((kind.full_name().to_owned(), payload))
}

/// Whether the topic's own node is out of the way.
fn may_speak(topic: &TopicView) -> Result<(), Failure> {
    let TopicView { graph, topic: name, publisher, .. } = topic;
    if let Some((peer, own)) = name.split_once(':') {
        return Err(Failure::new(
            code::OTHER,
            format!("{name} comes from {peer} over the link; publish {own} on that machine"),
        ));
    }
    let Some(node) = publisher_of(topic)? else {
        return Err(Failure::new(
            code::OTHER,
            format!("{name} is what {publisher} itself says; nobody can say it for it"),
        ));
    };
    if is_out_of_the_way(&node) {
        return Ok(());
    }
    let why = format!(
        "{name} is published by {publisher}, which is {}: `launch stop {graph}:{publisher}` first, and afterwards `launch start {graph}:{publisher}`",
        node.state
    );
    Err(Failure::new(code::OTHER, why))
}

/// Whether a node has no process and gets none unasked.
pub(crate) fn is_out_of_the_way(node: &NodeView) -> bool {
    matches!(node.state.as_str(), "stopped" | "done" | "failed")
}

async fn speak(topic: &Found, what: &What) -> Result<(), Failure> {
    let view = &topic.view;
    let node = Node::start(wiring(topic, &what.kind)).map_err(failed)?;
    let mut out = node.publish_raw(OUTPUT).await.map_err(failed)?;
    let places = Places::take(view);
    wait_for_listeners(&out, live_listeners(view)).await;
    let mut told = Told {
        graph: &view.graph,
        topic: &view.topic,
        r#type: &what.kind,
        messages: 0,
        listeners: out.listeners(),
        of: view.listeners.len(),
    };
    if what.times > 1 {
        let (kind, rate) = (short(&what.kind), 1.0 / what.period.as_secs_f64());
        eprintln!(
            "launch: {} says {kind} {rate} times a second to {} of {} listeners; Ctrl-C ends it",
            view.topic, told.listeners, told.of
        );
    }
    let mut header = Header {
        incarnation: (clock::monotonic_ns() + topic.offset_ns).unsigned_abs(),
        origin: format!("{}:{}", view.graph, view.topic),
        r#type: what.kind.clone(),
        ..Header::default()
    };
    let mut rate = node.every(what.period);
    let mut back = pin!(is_back(view, &places));
    let mut lost = None;
    while told.messages < what.times {
        tokio::select! {
            biased;
            why = &mut back => {
                lost = Some(why);
                break;
            }
            tick = rate.tick() => if tick.is_none() { break },
        }
        if !places.are_ours() {
            continue; // `back` will say why
        }
        header.seq += 1;
        header.sent_ns = clock::monotonic_ns() + topic.offset_ns;
        header.stamp_ns = header.sent_ns;
        out.forward(&header, what.payload.clone().into()).await.map_err(failed)?;
        told.messages += 1;
        told.listeners = told.listeners.max(out.listeners());
    }
    // A listener that does not read must not hold us.
    let _ = timeout(CLOSE_WITHIN, out.close()).await;
    places.give_back();
    tell(&told, what.json)?;
    lost.map_or(Ok(()), |why| Err(Failure::new(code::OTHER, why)))
}

fn tell(told: &Told<'_>, json: bool) -> Result<(), Failure> {
    if json {
        return print_json(told);
    }
    let Told { topic, messages, listeners, of, .. } = told;
    let count = if *messages == 1 { "message" } else { "messages" };
    print(&format!("{topic}: {messages} {count} to {listeners} of {of} listeners\n"))
}

/// The wiring of the topic's node, as far as this topic.
fn wiring(topic: &Found, kind: &str) -> NodeWiring {
    let view = &topic.view;
    let listeners = view.listeners.iter().map(|listener| (listener.endpoint.clone(), Some(listener.keep)));
    let endpoints = listeners.chain([(view.tap.clone(), None)]);
    NodeWiring {
        graph: view.graph.clone(),
        name: view.publisher.clone(),
        inputs: Vec::new(),
        outputs: vec![OutputWiring {
            name: OUTPUT.to_owned(),
            topic: view.topic.clone(),
            kind: kind.to_owned(),
            endpoints: endpoints.map(|(address, keep)| Endpoint { address, keep }).collect(),
        }],
        params: serde_json::Map::new(),
        clock_offset_ns: topic.offset_ns,
        // It has no heart of its own: launch must not take it for the node.
        status: None,
    }
}

/// How many listeners have a process that can connect.
fn live_listeners(topic: &TopicView) -> usize {
    let nodes = nodes_of(&topic.graph).unwrap_or_default();
    let lives = |name: &str| nodes.iter().any(|node| node.node == name && node.pid.is_some());
    topic.listeners.iter().filter(|listener| lives(&listener.node)).count()
}

async fn wait_for_listeners(out: &RawPublisher, expected: usize) {
    let began = Instant::now();
    sleep(TAPS_WITHIN).await;
    while out.listeners() < expected && began.elapsed() < LISTENERS_WITHIN {
        sleep(Duration::from_millis(5)).await;
    }
}

/// Resolves when the topic is the node's again: why.
async fn is_back(topic: &TopicView, places: &Places) -> String {
    let TopicView { graph, topic: name, publisher, .. } = topic;
    for look in 1.. {
        sleep(LOOK_EVERY).await;
        let ours = places.are_ours();
        if ours && look % ASK_AFTER != 0 {
            continue;
        }
        let asked = topic.clone();
        let node = tokio::task::spawn_blocking(move || publisher_of(&asked)).await;
        match node {
            Ok(Ok(Some(node))) if !is_out_of_the_way(&node) => {
                return format!("{publisher} of {graph} was started again: {name} is its own");
            }
            // A launch that does not answer tells nothing; the sockets do.
            _ if ours => {}
            Ok(Ok(_)) => return format!("somebody else publishes {name}"),
            _ => break,
        }
    }
    format!("{graph} ended, and {name} with it")
}

/// The sockets that we made, by what tells them from those that others put in their place.
struct Places(Vec<(PathBuf, Option<(u64, u64)>)>);

fn identity(path: &PathBuf) -> Option<(u64, u64)> {
    fs::symlink_metadata(path).ok().map(|found| (found.dev(), found.ino()))
}

impl Places {
    fn take(topic: &TopicView) -> Places {
        let endpoints = topic.listeners.iter().map(|listener| &listener.endpoint).chain([&topic.tap]);
        let paths = endpoints.filter_map(|endpoint| endpoint.strip_prefix("ipc://")).map(PathBuf::from);
        Places(paths.map(|path| (path.clone(), identity(&path))).collect())
    }

    fn are_ours(&self) -> bool {
        self.0.iter().all(|(path, ours)| ours.is_some() && identity(path) == *ours)
    }

    /// Removes what is still ours. It is moved away first: a node that starts at this moment must not lose its own.
    fn give_back(&self) {
        for (path, ours) in &self.0 {
            let mut away = path.clone().into_os_string();
            away.push("~gone");
            let away = PathBuf::from(away);
            if identity(path) != *ours || fs::rename(path, &away).is_err() {
                continue;
            }
            let is_ours = identity(&away) == *ours;
            if is_ours || renameat_with(CWD, &away, CWD, path, RenameFlags::NOREPLACE).is_err() {
                // Nobody misses it: it is ours, or a newer one stands in its place.
                let _ = fs::remove_file(&away);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(dir: &std::path::Path) -> TopicView {
        TopicView {
            graph: "g".into(),
            topic: "a/b".into(),
            r#type: "*".into(),
            tap: format!("ipc://{}", dir.join("tap").display()),
            publisher: "a".into(),
            listeners: Vec::new(),
        }
    }

    #[test]
    fn what_is_ours_is_removed_and_what_took_its_place_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let (topic, tap) = (topic(dir.path()), dir.path().join("tap"));
        fs::write(&tap, "ours").unwrap();
        let places = Places::take(&topic);
        assert!(places.are_ours());
        fs::write(dir.path().join("new"), "theirs").unwrap();
        fs::rename(dir.path().join("new"), &tap).unwrap();
        assert!(!places.are_ours());
        places.give_back();
        assert_eq!(fs::read_to_string(&tap).unwrap(), "theirs");
        Places::take(&topic).give_back();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_comes_from_a_peer_cannot_be_said_here() {
        let remote = TopicView { topic: "robot:camera/frames".into(), ..topic(std::path::Path::new("/nowhere")) };
        let said = may_speak(&remote).unwrap_err().text;
        assert!(said.contains("comes from robot over the link; publish camera/frames on that machine"), "{said}");
    }
}
