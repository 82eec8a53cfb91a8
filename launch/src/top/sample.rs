//! One look at everything that runs: nodes, topics, and what the nodes' processes take.
//! It never waits for one graph because of another, and never longer than a client does.

use std::{
    collections::BTreeMap,
    thread,
    time::{Duration, Instant},
};

use super::taps::Taps;
use crate::{
    client::{Client, running},
    control::{EdgeView, NodeView, TopicView},
    failure::Failure,
    usage::{Usage, usages},
};

/// What was seen at one moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sample {
    /// When, on the watcher's own clock.
    pub(crate) at: Duration,
    pub(crate) nodes: Vec<NodeView>,
    pub(crate) topics: Vec<TopicView>,
    /// By the number of a node's first process.
    pub(crate) usage: BTreeMap<u32, Usage>,
    /// What was heard at taps, by their endpoints, of topics that no node measures.
    pub(crate) taps: BTreeMap<String, EdgeView>,
    /// Graphs that do not answer, a sentence each.
    pub(crate) troubles: Vec<String>,
}

impl Sample {
    /// Whether there is nothing at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.nodes.is_empty() && self.troubles.is_empty()
    }

    /// The end of an edge at which this node publishes or listens; `port` is the node's name for it, where there may be several.
    pub(crate) fn edge(&self, graph: &str, node: &str, topic: &str, end: End<'_>) -> Option<&EdgeView> {
        let node = self.nodes.iter().find(|view| view.graph == graph && view.node == node)?;
        node.edges.iter().find(|edge| {
            let fits = match end {
                End::Publishes => edge.publishes,
                End::Listens(port) => !edge.publishes && (port.is_empty() || edge.port.eq_ignore_ascii_case(port)),
            };
            fits && edge.topic == topic
        })
    }
}

/// Which end of an edge.
#[derive(Debug, Clone, Copy)]
pub(crate) enum End<'a> {
    Publishes,
    /// At this input; any where its name is empty.
    Listens(&'a str),
}

/// Looks again and again.
#[derive(Debug)]
pub(crate) struct Looker {
    began: Instant,
    taps: Taps,
}

impl Looker {
    pub(crate) fn new() -> Looker {
        Looker { began: Instant::now(), taps: Taps::default() }
    }

    /// Looks now. Who listens at taps is chosen anew by what is there.
    ///
    /// # Errors
    /// When the runtime folder cannot be read.
    pub(crate) fn look(&mut self) -> Result<Sample, Failure> {
        let answers: Vec<_> = thread::scope(|scope| {
            let asked: Vec<_> = running()?.into_iter().map(|client| scope.spawn(move || ask(client))).collect();
            Ok::<_, Failure>(asked.into_iter().filter_map(|asked| asked.join().ok()).collect())
        })?;
        let mut sample = Sample { at: self.began.elapsed(), ..Sample::default() };
        let mut clocks = BTreeMap::new();
        for answer in answers {
            match answer {
                Ok((nodes, topics, offset_ns)) => {
                    sample.nodes.extend(nodes);
                    clocks.extend(topics.iter().map(|topic| (topic.tap.clone(), offset_ns)));
                    sample.topics.extend(topics);
                }
                Err(failure) => sample.troubles.extend(sentence(&failure.text)),
            }
        }
        sample.usage = usages(sample.nodes.iter().filter_map(|node| node.pid));
        sample.taps = self.taps.follow(&sample, &clocks)?;
        Ok(sample)
    }
}

type Answers = (Vec<NodeView>, Vec<TopicView>, i64);

fn ask(mut client: Client) -> Result<Answers, Failure> {
    let nodes = client.nodes()?;
    let (topics, offset_ns) = client.topics()?;
    Ok((nodes, topics, offset_ns))
}

/// What a failure says, without the name before it; one that says nothing is a graph that just ended.
fn sentence(text: &str) -> Option<String> {
    let text = text.trim_end().trim_start_matches("launch: ");
    let ending = text.is_empty() || text.ends_with("it is ending") || text == "the graph is ending";
    (!ending).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_graph_that_ends_is_no_trouble_and_a_silent_one_is() {
        assert_eq!(sentence("launch: robot does not answer: it is ending\n"), None);
        assert_eq!(sentence("launch: the graph is ending\n"), None);
        assert_eq!(sentence("launch: robot does not answer: x\n"), Some("robot does not answer: x".into()));
    }
}
