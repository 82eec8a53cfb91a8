//! The ways from a sensor to whoever acts on it, found by the origin that messages carry.
//! It never guesses a figure: what nobody measured has none.

use offboard::{Drive, wiring::LINK};
use prost::Name;
use serde::Serialize;

use super::{
    model::ms,
    sample::{End, Sample},
};
use crate::control::{EdgeView, ListenerView, TopicView};

/// The longest path that is followed, in topics.
const TOPICS_MAX: usize = 32;

/// Whose topics launch publishes itself: no sensor.
const LAUNCH: &str = "launch";

/// A stretch of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Stretch {
    /// From the sensing until the message is sent.
    Publish,
    /// From being sent until it arrives.
    Transit,
    /// The same over a link.
    Link,
    /// From the arrival of a message until the one that was computed from it is sent.
    Compute,
    /// On another machine, of which nothing is known here.
    Elsewhere,
}

/// One hop of a path.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Hop {
    pub(crate) hop: Stretch,
    /// The node, or where from.
    pub(crate) from: String,
    /// Where to, of what moves.
    pub(crate) to: Option<String>,
    pub(crate) topic: String,
    pub(crate) p50_ms: Option<f64>,
    pub(crate) p99_ms: Option<f64>,
}

/// A path, from where it was sensed to the input that it ends at.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct PathRow {
    pub(crate) graph: String,
    pub(crate) node: String,
    pub(crate) input: String,
    /// The topic that it comes from, with its graph.
    pub(crate) origin: Option<String>,
    /// How old the sensing was when the message arrived at the end.
    pub(crate) p50_ms: Option<f64>,
    pub(crate) p99_ms: Option<f64>,
    pub(crate) budget_ms: Option<f64>,
    /// Whether p99 is over the budget; none without one, or without figures.
    pub(crate) over_budget: Option<bool>,
    /// Whether every hop from the origin on is known here.
    pub(crate) complete: bool,
    pub(crate) hops: Vec<Hop>,
}

/// All paths: those with a budget first, then the motors', then the other ends.
pub(crate) fn paths(sample: &Sample) -> Vec<PathRow> {
    let mut found: Vec<(bool, bool, PathRow)> = Vec::new();
    for topic in sample.topics.iter().filter(|topic| topic.publisher != LAUNCH) {
        for listener in topic.listeners.iter().filter(|listener| listener.node != LINK) {
            let place = Place { sample, topic, listener };
            let drives = place.is_motor();
            if listener.budget_ns.is_some() || drives || place.is_measured_end() {
                found.push((listener.budget_ns.is_none(), !drives, place.path()));
            }
        }
    }
    found.sort_by_key(|(unbounded, no_motor, _)| (*unbounded, *no_motor));
    found.into_iter().map(|(_, _, path)| path).collect()
}

/// A topic and one of its listeners.
#[derive(Debug, Clone, Copy)]
struct Place<'a> {
    sample: &'a Sample,
    topic: &'a TopicView,
    listener: &'a ListenerView,
}

/// How one looks from a publisher back.
enum Back<'a> {
    /// The path began here.
    Origin,
    /// It was computed from this.
    From(Place<'a>),
    /// Nobody knows from what.
    Unknown,
}

impl<'a> Place<'a> {
    /// An input of commands at a node that gives none.
    fn is_motor(&self) -> bool {
        let drive = Drive::full_name();
        self.topic.r#type == drive && !self.outputs().any(|output| output.r#type == drive)
    }

    /// An input of a node that says nothing itself, with figures.
    fn is_measured_end(&self) -> bool {
        self.outputs().next().is_none() && self.heard().is_some_and(|edge| !edge.origin.is_empty())
    }

    fn outputs(&self) -> impl Iterator<Item = &'a TopicView> {
        let (graph, node) = (&self.topic.graph, &self.listener.node);
        self.sample.topics.iter().filter(move |topic| topic.graph == *graph && topic.publisher == *node)
    }

    fn heard(&self) -> Option<&'a EdgeView> {
        let end = End::Listens(&self.listener.input);
        self.sample.edge(&self.topic.graph, &self.listener.node, &self.topic.topic, end)
    }

    /// The topic where it is made, if that graph runs here.
    fn made(&self) -> Option<&'a TopicView> {
        made(self.sample, &full(self.topic))
    }

    fn said(&self) -> Option<&'a EdgeView> {
        let made = self.made()?;
        self.sample.edge(&made.graph, &made.publisher, &made.topic, End::Publishes)
    }

    fn path(self) -> PathRow {
        let heard = self.heard();
        let known =
            [heard, self.said()].into_iter().flatten().map(|edge| &edge.origin).find(|origin| !origin.is_empty());
        let (hops, complete, origin) = self.trace(known.cloned());
        let (p50_ms, p99_ms) = heard.map_or((None, None), ages);
        let budget_ms = self.listener.budget_ns.map(|ns| ns as f64 / 1e6);
        PathRow {
            graph: self.topic.graph.clone(),
            node: self.listener.node.clone(),
            input: self.listener.input.clone(),
            origin,
            p50_ms,
            p99_ms,
            budget_ms,
            over_budget: p99_ms.zip(budget_ms).map(|(p99, budget)| p99 > budget),
            complete,
            hops,
        }
    }

    /// Walks back to the origin: the hops in the order that messages take, whether all are known, and the origin.
    fn trace(self, origin: Option<String>) -> (Vec<Hop>, bool, Option<String>) {
        let mut hops = Vec::new();
        let mut place = self;
        let mut complete = false;
        let mut passed = Vec::new();
        for _ in 0..TOPICS_MAX {
            let topic = full(place.topic);
            hops.push(place.transit());
            if place.made().is_none() {
                hops.extend(place.elsewhere(origin.as_deref()));
                break;
            }
            let back = place.back(origin.as_deref());
            let stretch = if matches!(back, Back::Origin) { Stretch::Publish } else { Stretch::Compute };
            hops.push(hop(stretch, speaker(&topic), None, &topic, place.said()));
            passed.push(topic);
            match back {
                Back::Origin => complete = true,
                Back::From(before) if !passed.contains(&full(before.topic)) => {
                    place = before;
                    continue;
                }
                _ => {}
            }
            break;
        }
        let first = complete.then(|| passed.last().cloned()).flatten();
        hops.reverse();
        (hops, complete, origin.or(first))
    }

    /// The way from the publisher to this listener.
    fn transit(&self) -> Hop {
        let topic = full(self.topic);
        let far = self.topic.topic.contains(':');
        let to = Some(format!("{}:{}", self.topic.graph, self.listener.node));
        hop(if far { Stretch::Link } else { Stretch::Transit }, speaker(&topic), to, &topic, self.heard())
    }

    /// What its publisher, which is here, computed it from.
    fn back(&self, origin: Option<&str>) -> Back<'a> {
        let Some(made) = self.made() else { return Back::Unknown };
        let topic = full(made);
        let inputs: Vec<Place<'a>> = inputs(self.sample, &made.graph, &made.publisher).collect();
        if origin == Some(topic.as_str()) || inputs.is_empty() {
            return Back::Origin;
        }
        let comes_from = |place: &Place<'a>| {
            let heard = place.heard().or_else(|| place.said());
            origin.is_some_and(|origin| heard.is_some_and(|edge| edge.origin == origin) || full(place.topic) == origin)
        };
        // Where several inputs come from the same sensing, the one whose age explains the output's.
        let misfit = |place: &Place<'a>| {
            let age = |edge: Option<&EdgeView>| edge.map_or(0, |edge| i128::from(edge.age_p50_ns));
            let took = self.said().map_or(0, |edge| i128::from(edge.hop_p50_ns));
            (age(place.heard()) + took - age(self.said())).abs()
        };
        let only = (inputs.len() == 1).then(|| inputs.first().copied()).flatten();
        let from = inputs.into_iter().filter(comes_from).min_by_key(misfit).or(only);
        from.map_or(Back::Unknown, Back::From)
    }

    /// Beyond a link to a graph that does not run here: what is unknown, and how the message got to the link if it began here.
    fn elsewhere(&self, origin: Option<&str>) -> Vec<Hop> {
        let topic = full(self.topic);
        if origin == Some(topic.as_str()) {
            return vec![hop(Stretch::Elsewhere, speaker(&topic), None, &topic, None)];
        }
        let mut hops = vec![hop(Stretch::Elsewhere, speaker(&topic), None, &topic, None)];
        let Some(first) = origin.and_then(|origin| made(self.sample, origin)) else { return hops };
        let said = self.sample.edge(&first.graph, &first.publisher, &first.topic, End::Publishes);
        let to_link = self.sample.edge(&first.graph, LINK, &first.topic, End::Listens(""));
        let (from, link) = (speaker(&full(first)), format!("{}:{LINK}", first.graph));
        hops.push(hop(Stretch::Transit, from.clone(), Some(link), &full(first), to_link));
        hops.push(hop(Stretch::Publish, from, None, &full(first), said));
        hops
    }
}

/// All inputs of a node.
fn inputs<'a>(sample: &'a Sample, graph: &'a str, node: &'a str) -> impl Iterator<Item = Place<'a>> {
    sample.topics.iter().filter(move |topic| topic.graph == graph).flat_map(move |topic| {
        let own = topic.listeners.iter().filter(move |listener| listener.node == node);
        own.map(move |listener| Place { sample, topic, listener })
    })
}

fn hop(hop: Stretch, from: String, to: Option<String>, topic: &str, edge: Option<&EdgeView>) -> Hop {
    let measured = |of: fn(&EdgeView) -> u64| edge.and_then(|edge| ms(of(edge), edge.hop_p99_ns));
    Hop {
        hop,
        from,
        to,
        topic: topic.to_owned(),
        p50_ms: measured(|edge| edge.hop_p50_ns),
        p99_ms: measured(|edge| edge.hop_p99_ns),
    }
}

fn ages(edge: &EdgeView) -> (Option<f64>, Option<f64>) {
    (ms(edge.age_p50_ns, edge.age_p99_ns), ms(edge.age_p99_ns, edge.age_p99_ns))
}

/// `graph:node/output`, as origins are written.
fn full(topic: &TopicView) -> String {
    if topic.topic.contains(':') { topic.topic.clone() } else { format!("{}:{}", topic.graph, topic.topic) }
}

/// `graph:node` of a full topic.
fn speaker(topic: &str) -> String {
    topic.rsplit_once('/').map_or(topic, |(node, _)| node).to_owned()
}

fn made<'a>(sample: &'a Sample, full: &str) -> Option<&'a TopicView> {
    let (graph, topic) = full.split_once(':')?;
    sample.topics.iter().find(|it| it.graph == graph && it.topic == topic)
}

#[cfg(test)]
mod tests;
