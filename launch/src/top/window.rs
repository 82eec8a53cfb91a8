//! The looks of the last seconds: figures are made of the newest and the oldest of them.
//! It never keeps more than it needs for that.

use std::{collections::VecDeque, time::Duration};

use super::{
    events::events,
    model::{Report, report},
    sample::Sample,
};
use crate::client::Target;

/// Over how long rates are told: long enough for a topic of 1 Hz, short enough to be about now.
const SPAN: Duration = Duration::from_secs(3);

/// The most looks that are kept: ten a second, and one more.
const SAMPLES_MAX: usize = 32;

/// The looks of the last seconds.
#[derive(Debug, Default)]
pub(crate) struct Window {
    samples: VecDeque<Sample>,
}

impl Window {
    /// One more look; what happened since the last.
    pub(crate) fn add(&mut self, sample: Sample) -> Vec<String> {
        let happened = self.samples.back().map(|last| events(last, &sample)).unwrap_or_default();
        self.samples.push_back(sample);
        let newest = self.samples.back().map_or(Duration::ZERO, |sample| sample.at);
        let spare =
            |samples: &VecDeque<Sample>| samples.get(1).is_some_and(|second| newest.saturating_sub(second.at) >= SPAN);
        while spare(&self.samples) || self.samples.len() > SAMPLES_MAX {
            self.samples.pop_front();
        }
        happened
    }

    /// The figures now, of all or of what somebody asked for.
    pub(crate) fn report(&self, target: Option<&Target>) -> Report {
        let Some(now) = self.samples.back() else { return Report::default() };
        let then = self.samples.front().filter(|_| self.samples.len() > 1);
        let mut all = report(then, now);
        if let Some(target) = target {
            keep(&mut all, target);
        }
        all
    }
}

/// Leaves what concerns a graph, or a node: itself, its topics, the paths that pass it.
fn keep(report: &mut Report, target: &Target) {
    match target {
        Target::Graph(graph) => {
            report.nodes.retain(|node| node.graph == *graph);
            report.topics.retain(|topic| topic.graph == *graph);
            report.paths.retain(|path| path.graph == *graph);
            report.links.retain(|link| link.graph == *graph);
        }
        Target::Node(graph, node) => {
            report.nodes.retain(|row| row.graph == *graph && row.node == *node);
            report.topics.retain(|row| {
                let listens = row.listeners.iter().any(|listener| listener.node == *node);
                row.graph == *graph && (row.publisher == *node || listens)
            });
            let name = format!("{graph}:{node}");
            report.paths.retain(|path| path.hops.iter().any(|hop| hop.from == name || hop.to.as_ref() == Some(&name)));
            report.links.retain(|link| link.graph == *graph && node == offboard::wiring::LINK);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::top::samples::{listened, node, topic};

    fn at(seconds: u64, said: u64) -> Sample {
        let camera = node("robot", "camera").says("camera/frames", said, 0).view();
        let nodes = vec![camera, node("robot", "motor").view(), node("desktop", "camera").view()];
        let topics = vec![
            listened(topic("robot", "camera/frames", "offboard.v1.Drive"), "motor", "drive", None),
            topic("desktop", "camera/frames", "x.Y"),
        ];
        Sample { at: Duration::from_secs(seconds), nodes, topics, ..Sample::default() }
    }

    #[test]
    fn rates_are_about_the_last_seconds() {
        let mut window = Window::default();
        assert_eq!(window.report(None), Report::default());
        // 100 Hz for ten seconds, then nothing.
        (0..=10).for_each(|second| drop(window.add(at(second, second * 100))));
        let rate = |window: &Window| window.report(None).topics[0].rate_hz;
        assert_eq!(rate(&window), Some(100.0));
        (11..14).for_each(|second| drop(window.add(at(second, 1000))));
        assert_eq!(rate(&window), Some(0.0));
        (0..100).for_each(|_| drop(window.add(at(14, 1000))));
        assert!(window.samples.len() <= SAMPLES_MAX);
    }

    #[test]
    fn what_is_asked_for_is_left() {
        let mut window = Window::default();
        window.add(at(0, 0));
        let left = |target: Target| {
            let report = window.report(Some(&target));
            (report.nodes.len(), report.topics.len(), report.paths.len())
        };
        assert_eq!(left(Target::Graph("robot".into())), (2, 1, 1));
        assert_eq!(left(Target::Graph("desktop".into())), (1, 1, 0));
        assert_eq!(left(Target::Node("robot".into(), "motor".into())), (1, 1, 1));
        assert_eq!(left(Target::Node("desktop".into(), "camera".into())), (1, 1, 0));
    }
}
