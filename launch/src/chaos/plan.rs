//! Which fault hits which node in which order: drawn from a seed alone, so that the same seed breaks the same graphs the same way.
//! It never looks at a clock and never breaks anything.

use std::{collections::VecDeque, time::Duration};

use fastrand::Rng;
use offboard::{
    graph::{Restart, RestartWhen, Watchdog},
    wiring::LINK,
};
use serde::Serialize;

use crate::{files::Loaded, supervisor::WATCHDOG};

/// A watchdog shorter than this would take slowness for a hang: such a node is not slowed.
const SLOW_WATCHDOG_MIN: Duration = Duration::from_millis(800);

/// How long nothing is broken between two faults. At least two heartbeats, whose counts say what was lost.
const PAUSE_MS: std::ops::Range<u64> = 800..1400;

/// A way to break a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Fault {
    /// SIGKILL.
    Kill,
    /// SIGTERM, which no person asked launch for.
    Term,
    /// SIGSTOP, until the watchdog acts.
    Hang,
    /// SIGSTOP and SIGCONT in turn, each too short for the watchdog.
    Slow,
    /// The link frozen for longer than its peers wait, but not for its watchdog.
    Cut,
}

impl Fault {
    /// As tables show it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Fault::Kill => "kill",
            Fault::Term => "term",
            Fault::Hang => "hang",
            Fault::Slow => "slow",
            Fault::Cut => "cut",
        }
    }

    /// Whether the node's process ends from it.
    pub(super) fn ends(self) -> bool {
        matches!(self, Fault::Kill | Fault::Term | Fault::Hang)
    }
}

/// A node that may be broken.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Subject {
    pub(super) graph: String,
    pub(super) node: String,
    /// How long its work loop may be silent; none: nobody watches it.
    pub(super) watchdog: Option<Duration>,
    pub(super) restart: Restart,
    /// How long a recovery may take at most by its graph file: to be noticed, to stop, and to get ready.
    pub(super) patience: Duration,
}

impl Subject {
    /// Whether it is the link that launch added.
    pub(super) fn is_link(&self) -> bool {
        self.node == LINK
    }

    /// What it must be able to mend by itself, and a kill in any case.
    fn faults(&self) -> Vec<Fault> {
        let mut faults = vec![Fault::Kill];
        // Asked to end it ends well, and after that only this one is started again.
        if self.restart.when == RestartWhen::Always {
            faults.push(Fault::Term);
        }
        if self.watchdog.is_some() {
            faults.push(Fault::Hang);
        }
        if self.watchdog.is_none_or(|watchdog| watchdog >= SLOW_WATCHDOG_MIN) {
            faults.push(Fault::Slow);
            faults.extend(self.is_link().then_some(Fault::Cut));
        }
        faults
    }
}

/// All nodes of checked graphs, and their links.
pub(super) fn subjects(all: &[Loaded]) -> Vec<Subject> {
    let mut subjects = Vec::new();
    for Loaded { graph, beats, .. } in all {
        for (spec, beats) in graph.nodes.iter().zip(beats) {
            let watchdog = match spec.watchdog {
                Watchdog::Off => None,
                Watchdog::After(after) => Some(after),
                Watchdog::Default => beats.then_some(WATCHDOG),
            };
            subjects.push(Subject {
                graph: graph.name.to_string(),
                node: spec.name.to_string(),
                watchdog,
                restart: spec.restart,
                patience: watchdog.unwrap_or_default() + spec.stop + spec.ready,
            });
        }
        if graph.listen.is_some() || !graph.peers.is_empty() {
            subjects.push(Subject {
                graph: graph.name.to_string(),
                node: LINK.to_owned(),
                watchdog: Some(WATCHDOG),
                restart: Restart::default(),
                patience: WATCHDOG + Duration::from_secs(12),
            });
        }
    }
    subjects
}

/// One step of the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Step {
    /// The victim, by its place among the subjects.
    pub(super) subject: usize,
    pub(super) fault: Fault,
    /// How long to leave all in peace after it.
    pub(super) pause: Duration,
}

/// The plan, without end: each node once a round, in a new order each time.
#[derive(Debug)]
pub(super) struct Plan {
    rng: Rng,
    faults: Vec<Vec<Fault>>,
    round: VecDeque<usize>,
}

impl Plan {
    pub(super) fn new(seed: u64, subjects: &[Subject]) -> Plan {
        let faults = subjects.iter().map(Subject::faults).collect();
        Plan { rng: Rng::with_seed(seed), faults, round: VecDeque::new() }
    }
}

impl Iterator for Plan {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        if self.round.is_empty() {
            let mut order: Vec<usize> = (0..self.faults.len()).collect();
            self.rng.shuffle(&mut order);
            self.round = order.into();
        }
        let subject = self.round.pop_front()?;
        let fault = *self.rng.choice(self.faults.get(subject)?)?;
        Some(Step { subject, fault, pause: Duration::from_millis(self.rng.u64(PAUSE_MS)) })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn subject(node: &str, watchdog: Option<u64>, when: RestartWhen) -> Subject {
        Subject {
            graph: "t".into(),
            node: node.into(),
            watchdog: watchdog.map(Duration::from_millis),
            restart: Restart { when, ..Restart::default() },
            patience: Duration::ZERO,
        }
    }

    #[test]
    fn the_same_seed_makes_the_same_plan_and_another_another() {
        let subjects = ["a", "b", "c", LINK].map(|name| subject(name, Some(1000), RestartWhen::Always));
        let plan = |seed| Plan::new(seed, &subjects).take(100).collect::<Vec<_>>();
        assert_eq!(plan(7), plan(7));
        assert_ne!(plan(7), plan(8));
    }

    #[test]
    fn each_round_hits_each_node_once() {
        let subjects = ["a", "b", "c"].map(|name| subject(name, None, RestartWhen::Always));
        let steps: Vec<Step> = Plan::new(1, &subjects).take(30).collect();
        for round in steps.chunks(3) {
            assert_eq!(round.iter().map(|step| step.subject).collect::<BTreeSet<_>>().len(), 3);
        }
    }

    #[test]
    fn a_node_gets_the_faults_that_it_can_mend() {
        let faults = |node, watchdog, when| subject(node, watchdog, when).faults();
        use Fault::{Cut, Hang, Kill, Slow, Term};
        assert_eq!(faults("a", None, RestartWhen::Always), [Kill, Term, Slow]);
        assert_eq!(faults("a", Some(1000), RestartWhen::OnFailure), [Kill, Hang, Slow]);
        assert_eq!(faults("a", Some(500), RestartWhen::Never), [Kill, Hang], "slowness would be a hang");
        assert_eq!(faults(LINK, Some(1000), RestartWhen::Always), [Kill, Term, Hang, Slow, Cut]);
    }

    #[test]
    fn without_nodes_there_is_no_plan() {
        assert_eq!(Plan::new(1, &[]).next(), None);
    }
}
