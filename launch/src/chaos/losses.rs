//! What listeners missed while somebody else was broken, by their own counts of missing numbers.
//! It never counts what the victim itself missed or published, nor what it carried.

use std::collections::BTreeMap;

use super::plan::Subject;
use crate::control::{NodeView, TopicView};

/// An input: graph, node, port.
type Input = (String, String, String);

/// Missing messages of each input so far, and the topic.
#[derive(Debug, Clone, Default)]
pub(super) struct Counts(BTreeMap<Input, (String, u64)>);

/// What was missed between two looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Lost {
    /// By inputs whose queue has room for several messages.
    pub(super) lost: u64,
    /// By inputs that want the newest alone, which is what they leave out when the machine is busy.
    pub(super) skipped: u64,
}

impl Counts {
    /// As the nodes' last heartbeats said.
    pub(super) fn of(nodes: &[NodeView]) -> Counts {
        let inputs = nodes.iter().flat_map(|node| {
            let inputs = node.edges.iter().filter(|edge| !edge.publishes);
            inputs.map(|edge| {
                let key = (node.graph.clone(), node.node.clone(), edge.port.clone());
                (key, (edge.topic.clone(), edge.gaps))
            })
        });
        Counts(inputs.collect())
    }

    /// What was missed since `before` that the victim does not explain.
    pub(super) fn lost_since(&self, before: &Counts, victim: &Subject, topics: &[TopicView]) -> Lost {
        let mut sum = Lost::default();
        for (key, (topic, gaps)) in &self.0 {
            let (graph, node, _) = key;
            // A new process counts from zero; one that was not the victim has its own row.
            let missed = gaps.saturating_sub(before.0.get(key).map_or(0, |(_, gaps)| *gaps));
            let own = graph == &victim.graph && node == &victim.node;
            if missed == 0 || own || explains(victim, graph, topic) {
                continue;
            }
            match keep(topics, graph, node, topic) {
                0 | 1 => sum.skipped += missed,
                _ => sum.lost += missed,
            }
        }
        sum
    }
}

/// Whether the victim publishes this topic, or a link that is the victim carries it.
fn explains(victim: &Subject, graph: &str, topic: &str) -> bool {
    match topic.split_once(':') {
        // A peer's: its publisher there, or a link at either end.
        Some((peer, of_peer)) => {
            victim.is_link() && (victim.graph == graph || victim.graph == peer)
                || victim.graph == peer && publishes(victim, of_peer)
        }
        None => victim.graph == graph && publishes(victim, topic),
    }
}

fn publishes(victim: &Subject, topic: &str) -> bool {
    topic.split_once('/').is_some_and(|(node, _)| node == victim.node)
}

/// How many messages the queue of an input holds.
fn keep(topics: &[TopicView], graph: &str, node: &str, topic: &str) -> usize {
    let topic = topics.iter().find(|view| view.graph == graph && view.topic == topic);
    let listener = topic.and_then(|topic| topic.listeners.iter().find(|listener| listener.node == node));
    listener.map_or(1, |listener| listener.keep)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use offboard::graph::Restart;

    use super::*;
    use crate::control::ListenerView;

    fn counts(all: &[(&str, &str, &str, u64)]) -> Counts {
        let entry = |&(graph, node, topic, gaps): &(&str, &str, &str, u64)| {
            ((graph.to_owned(), node.to_owned(), "in".to_owned()), (topic.to_owned(), gaps))
        };
        Counts(all.iter().map(entry).collect())
    }

    fn victim(graph: &str, node: &str) -> Subject {
        Subject {
            graph: graph.into(),
            node: node.into(),
            watchdog: None,
            restart: Restart::default(),
            patience: Duration::ZERO,
        }
    }

    fn topic(graph: &str, topic: &str, node: &str, keep: usize) -> TopicView {
        let (input, endpoint) = ("in".to_owned(), String::new());
        TopicView {
            graph: graph.into(),
            topic: topic.into(),
            r#type: "*".into(),
            tap: String::new(),
            publisher: String::new(),
            listeners: vec![ListenerView { node: node.into(), input, endpoint, keep, budget_ns: None }],
        }
    }

    #[test]
    fn what_others_missed_of_others_is_lost() {
        let topics = [topic("robot", "b/out", "c", 10), topic("robot", "b/out", "d", 1)];
        let topics = [topics[0].clone(), TopicView { topic: "e/out".into(), ..topics[1].clone() }];
        let before = counts(&[("robot", "c", "b/out", 5), ("robot", "d", "e/out", 0)]);
        let after = counts(&[("robot", "c", "b/out", 8), ("robot", "d", "e/out", 2)]);
        assert_eq!(after.lost_since(&before, &victim("robot", "a"), &topics), Lost { lost: 3, skipped: 2 });
        assert_eq!(after.lost_since(&before, &victim("robot", "b"), &topics), Lost { lost: 0, skipped: 2 });
        assert_eq!(after.lost_since(&before, &victim("robot", "c"), &topics), Lost { lost: 0, skipped: 2 });
        assert_eq!(after.lost_since(&before, &victim("desktop", "b"), &topics), Lost { lost: 3, skipped: 2 });
        assert_eq!(after.lost_since(&after, &victim("robot", "a"), &topics), Lost::default());
    }

    #[test]
    fn a_broken_link_explains_what_it_carries() {
        let after = counts(&[("desktop", "viewer", "robot:camera/frames", 4)]);
        let lost = |graph, node| after.lost_since(&Counts::default(), &victim(graph, node), &[]).skipped;
        assert_eq!((lost("robot", "link"), lost("desktop", "link")), (0, 0));
        assert_eq!((lost("robot", "camera"), lost("desktop", "camera")), (0, 4));
        assert_eq!((lost("robot", "motor"), lost("other", "link")), (4, 4));
    }
}
