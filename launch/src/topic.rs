//! `launch topic …`: looking at what a running graph says, at the taps, and speaking for a node that is stopped.
//! It never slows a publisher: a tap that is not read loses messages, nobody else does.

use std::{future::Future, pin::pin, time::Duration};

use offboard::{RawMessage, RawSubscriber, clock};
use serde::Serialize;
use tokio::{
    runtime::Builder,
    time::{Instant, MissedTickBehavior, interval_at, sleep},
};

use self::decode::Types;
use crate::{
    cli::{FindArgs, ListArgs, TopicVerb, TypeArgs, UntilArgs},
    client::{self, some_running},
    control::{NodeView, TopicView},
    draw::short,
    failure::Failure,
    print::{print, print_json},
    supervisor::code,
    words::{did_you_mean, table},
};

mod compose;
mod decode;
mod echo;
mod info;
pub(crate) mod meter;
mod path;
pub(crate) mod publish;
mod rates;
mod tree;

/// How often the measuring verbs say something.
const EVERY: Duration = Duration::from_secs(1);

/// Until somebody ends it.
const FOR_EVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// After how long a silence a person wonders why.
const WONDER: Duration = Duration::from_secs(3);

/// A topic of a running graph.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) view: TopicView,
    /// What the graph's nodes add to CLOCK_MONOTONIC, in nanoseconds.
    pub(crate) offset_ns: i64,
}

/// Does what the words say.
///
/// # Errors
/// As people read them.
pub(crate) fn topic(verb: &TopicVerb) -> Result<(), Failure> {
    match verb {
        TopicVerb::List(args) => list(args),
        TopicVerb::Info(args) => info::info(&find(&args.which.topic)?.view, args),
        TopicVerb::Echo(args) => echo::echo(args),
        TopicVerb::Hz(args) => rates::rates(rates::What::Hz, args),
        TopicVerb::Bw(args) => rates::rates(rates::What::Bw, args),
        TopicVerb::Delay(args) => rates::rates(rates::What::Delay, args),
        TopicVerb::Pub(args) => publish::publish(args),
        TopicVerb::Type(args) => kind(args),
        TopicVerb::Find(args) => find_kind(args),
    }
}

fn list(args: &ListArgs) -> Result<(), Failure> {
    let topics: Vec<TopicView> = all()?.into_iter().map(|found| found.view).collect();
    match (args.count_topics, args.json) {
        (true, true) => print_json(&serde_json::json!({ "topics": topics.len() })),
        (true, false) => print(&format!("{}\n", topics.len())),
        (false, true) => topics.iter().try_for_each(print_json),
        (false, false) => {
            let head = ["GRAPH", "TOPIC", "TYPE", "PUBLISHER", "LISTENERS"];
            let columns = if args.verbose { head.len() } else { 3 };
            let row = |topic: &TopicView| {
                let listeners: Vec<String> = topic.listeners.iter().map(info::listener).collect();
                let (kind, publisher) = (short(&topic.r#type).to_owned(), topic.publisher.clone());
                let mut row = vec![topic.graph.clone(), topic.topic.clone(), kind, publisher, listeners.join(" ")];
                row.truncate(columns);
                row
            };
            print(&table(&head[..columns], &topics.iter().map(row).collect::<Vec<_>>()))
        }
    }
}

fn kind(args: &TypeArgs) -> Result<(), Failure> {
    let TopicView { graph, topic, r#type: kind, .. } = find(&args.which.topic)?.view;
    if args.json {
        return print_json(&serde_json::json!({ "graph": graph, "topic": topic, "type": kind }));
    }
    print(&format!("{kind}\n"))
}

fn find_kind(args: &FindArgs) -> Result<(), Failure> {
    let all: Vec<TopicView> = all()?.into_iter().map(|found| found.view).collect();
    let meant = |topic: &&TopicView| topic.r#type == args.kind || short(&topic.r#type) == args.kind;
    let found: Vec<&TopicView> = all.iter().filter(meant).collect();
    if found.is_empty() {
        let near = did_you_mean(short(&args.kind), all.iter().map(|topic| short(&topic.r#type)));
        let near = if near.is_empty() && Types::new()?.get(&args.kind).is_none() {
            Types::new()?.did_you_mean(&args.kind)
        } else {
            near
        };
        return Err(Failure::new(code::NOT_RUNNING, format!("no topic carries {}{near}", args.kind)));
    }
    if args.json {
        return found.into_iter().try_for_each(print_json);
    }
    let name = |topic: &&TopicView| format!("{}\n", shortest(topic, &all));
    print(&found.iter().map(name).collect::<String>())
}

/// The name by which a topic is found: with its graph only where several graphs have one of that name.
pub(crate) fn shortest(topic: &TopicView, all: &[TopicView]) -> String {
    let several = all.iter().filter(|other| other.topic == topic.topic).count() > 1;
    if several { full(topic) } else { topic.topic.clone() }
}

/// Its name with its graph's.
pub(crate) fn full(topic: &TopicView) -> String {
    format!("{}:{}", topic.graph, topic.topic)
}

/// What a newcomer likes to see first: pictures, then what drives, then anything with a type, and last what launch says itself.
pub(crate) fn worth_watching<'a>(topics: impl IntoIterator<Item = &'a TopicView>) -> Option<&'a TopicView> {
    let rank = |topic: &&TopicView| match short(&topic.r#type) {
        _ if topic.topic.starts_with("launch/") => 4,
        "CompressedImage" | "RawImage" | "CompressedVideo" => 0,
        "Drive" | "MotorState" => 1,
        "*" => 3,
        _ => 2,
    };
    // Of equals the first that somebody listens to: an output that nobody does may be one that is never used.
    topics.into_iter().min_by_key(|topic| (rank(topic), topic.listeners.is_empty()))
}

/// Who looks at messages.
trait Eye {
    /// A message came, so old by its stamp.
    ///
    /// # Errors
    /// When there is no point in going on.
    fn see(&mut self, message: &RawMessage, age_ns: i64, gaps: u64) -> Result<(), Failure>;

    /// A second passed, or it ends.
    ///
    /// # Errors
    /// When there is no point in going on.
    fn tick(&mut self, _gaps: u64) -> Result<(), Failure> {
        Ok(())
    }
}

/// Shows a topic's messages to an eye, until it is enough.
fn follow(topic: &Found, until: UntilArgs, eye: &mut impl Eye) -> Result<(), Failure> {
    block_on(async {
        let mut from = RawSubscriber::connect(&topic.view.tap, &topic.view.topic);
        let mut tick = interval_at(Instant::now() + EVERY, EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut enough = pin!(sleep(until.within.unwrap_or(FOR_EVER)));
        let mut wonder = pin!(sleep(WONDER));
        let (mut seen, mut wondered) = (0, false);
        while seen < until.count.unwrap_or(u64::MAX) {
            tokio::select! {
                biased;
                () = &mut enough => break,
                _ = tick.tick() => eye.tick(from.gaps())?,
                () = &mut wonder, if !wondered && seen == 0 => {
                    wondered = true;
                    eprintln!("launch: {}", why_silent(&topic.view));
                }
                message = from.next() => {
                    let Some(message) = message.map_err(failed)? else { break };
                    let age_ns = clock::monotonic_ns() + topic.offset_ns - message.header.stamp_ns;
                    eye.see(&message, age_ns, from.gaps())?;
                    seen += 1;
                }
            }
        }
        // However it ends, the last word is about all of it.
        eye.tick(from.gaps())?;
        match until.within.filter(|_| seen == 0) {
            Some(within) => Err(Failure::new(code::OTHER, format!("{} within {within:?}", why_silent(&topic.view)))),
            None => Ok(()),
        }
    })
}

/// Why nothing comes, as far as its launch knows.
fn why_silent(topic: &TopicView) -> String {
    let TopicView { graph, topic: name, publisher, .. } = topic;
    let why = match publisher_of(topic) {
        Ok(Some(node)) => format!("its publisher {publisher} is {}", node.state),
        Ok(None) => format!("{publisher} publishes it"),
        Err(_) => format!("{graph} does not answer"),
    };
    format!("nothing on {name} yet: {why}")
}

/// The node that publishes a topic, as it is now; none when launch itself does.
fn publisher_of(topic: &TopicView) -> Result<Option<NodeView>, Failure> {
    Ok(nodes_of(&topic.graph)?.into_iter().find(|node| node.node == topic.publisher))
}

/// The nodes of a running graph.
///
/// # Errors
/// When it runs no more or does not answer.
pub(crate) fn nodes_of(graph: &str) -> Result<Vec<NodeView>, Failure> {
    let client = client::running()?.into_iter().find(|client| client.graph == graph);
    let mut client = client.ok_or_else(|| Failure::new(code::NOT_RUNNING, format!("{graph} runs no more")))?;
    client.nodes()
}

/// All topics of all running graphs.
///
/// # Errors
/// When no graph runs, or one does not answer.
pub(crate) fn all() -> Result<Vec<Found>, Failure> {
    let mut all = Vec::new();
    for mut client in some_running()? {
        let (topics, offset_ns) = client.topics()?;
        all.extend(topics.into_iter().map(|view| Found { view, offset_ns }));
    }
    Ok(all)
}

/// Finds `TOPIC`, or `GRAPH:TOPIC` where several graphs have one of that name; a slash before it, as in ros2, is no harm.
fn find(written: &str) -> Result<Found, Failure> {
    choose(written, &all()?).map_err(|why| Failure::new(code::NOT_RUNNING, why))
}

fn choose(written: &str, all: &[Found]) -> Result<Found, String> {
    let written = written.strip_prefix('/').unwrap_or(written);
    // Where it is made comes before where a peer hears it.
    let own = all.iter().find(|found| full(&found.view) == written);
    let named: Vec<&Found> = all.iter().filter(|found| found.view.topic == written).collect();
    match (own, named.as_slice()) {
        (Some(found), _) => Ok(found.clone()),
        (None, [found]) => Ok((*found).clone()),
        (None, []) => {
            let names: Vec<String> = all.iter().map(|found| full(&found.view)).collect();
            let shorter = all.iter().map(|found| found.view.topic.as_str());
            let near = did_you_mean(written, shorter.chain(names.iter().map(String::as_str)));
            Err(format!("there is no topic {written}{near}\n  `launch topic list` shows all"))
        }
        (None, several) => {
            let names: Vec<String> = several.iter().map(|found| full(&found.view)).collect();
            Err(format!("{written} may be {}: say which", names.join(" or ")))
        }
    }
}

/// A line of figures about a topic, as JSON.
#[derive(Serialize)]
struct Line<'a, T> {
    graph: &'a str,
    topic: &'a str,
    #[serde(flatten)]
    figures: T,
}

fn failed(error: offboard::Error) -> Failure {
    Failure::new(code::OTHER, error)
}

fn block_on(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    Builder::new_current_thread().enable_all().build()?.block_on(work)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(graph: &str, topic: &str, kind: &str) -> TopicView {
        TopicView {
            graph: graph.into(),
            topic: topic.into(),
            r#type: kind.into(),
            tap: format!("{graph}/{topic}"),
            publisher: "a".into(),
            listeners: Vec::new(),
        }
    }

    #[test]
    fn a_topic_is_found_where_it_is_made() {
        let found = |graph: &str, topic: &str| Found { view: view(graph, topic, "*"), offset_ns: 0 };
        let all = [
            found("desktop", "robot:camera/frames"),
            found("robot", "camera/frames"),
            found("robot", "a/b"),
            found("desktop", "a/b"),
        ];
        let tap = |written| choose(written, &all).map(|found| found.view.tap);
        assert_eq!(tap("camera/frames"), Ok("robot/camera/frames".into()));
        assert_eq!(tap("/camera/frames"), Ok("robot/camera/frames".into()));
        assert_eq!(tap("robot:camera/frames"), Ok("robot/camera/frames".into()));
        assert_eq!(tap("desktop:robot:camera/frames"), Ok("desktop/robot:camera/frames".into()));
        assert_eq!(tap("a/b"), Err("a/b may be robot:a/b or desktop:a/b: say which".into()));
        assert!(tap("camera/frame").unwrap_err().contains("did you mean camera/frames?"));
        assert!(tap("desktop:a/c").unwrap_err().contains("did you mean desktop:a/b?"));
    }

    #[test]
    fn the_topic_worth_watching_is_a_picture() {
        let all = [
            view("robot", "launch/events", "offboard.v1.Event"),
            view("robot", "x/any", "*"),
            view("robot", "pilot/drive", "offboard.v1.Drive"),
            view("robot", "camera/frames", "offboard.v1.CompressedImage"),
            view("desktop", "pilot/drive", "offboard.v1.Drive"),
        ];
        let watched = |of: &[TopicView]| worth_watching(of).map(|topic| shortest(topic, &all));
        assert_eq!(watched(&all), Some("camera/frames".into()));
        assert_eq!(watched(&all[..3]), Some("robot:pilot/drive".into()));
        assert_eq!(watched(&all[..2]), Some("x/any".into()));
        assert_eq!(watched(&[]), None);
    }
}
