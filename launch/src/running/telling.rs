//! What happened to a node, as those who follow the events are told. It never decides what happened.

use std::time::SystemTime;

use offboard::{clock, proto::EventKind};

use super::{Running, Shell, member::Member};
use crate::{
    control::EventView,
    events::kind_word,
    supervisor::{End, Node, Report},
    words::rfc3339,
};

/// How many last words an event holds.
const WORDS_MAX: usize = 50;

impl Running {
    /// Tells everybody who follows.
    pub(super) fn tell(&self, node: Node, member: &Member, report: &Report, reason: &str, shell: &Shell) {
        let is_end = matches!(
            report,
            Report::Ended { .. } | Report::Failed { .. } | Report::Done | Report::Stopped | Report::Removed
        );
        let end = self.supervisor.last_end(node).filter(|_| is_end);
        let last_words = match report {
            Report::NotReady { .. } | Report::Hung { .. } | Report::Killed { .. } => member.log.last(WORDS_MAX),
            Report::Ended { .. } | Report::Failed { .. } | Report::Removed => member.last_words.clone(),
            _ => Vec::new(),
        };
        self.feed.push(EventView {
            graph: self.name.clone(),
            number: 0,
            time: rfc3339(SystemTime::now()),
            stamp_ns: clock::monotonic_ns() + shell.clock_offset_ns,
            node: member.name.clone(),
            kind: kind_word(kind(report)),
            reason: reason.to_owned(),
            pid: member.pid,
            restarts: self.supervisor.restarts(node),
            cause: end.map(|end| end.cause().to_owned()),
            code: end.and_then(End::code),
            last_words,
        });
    }
}

impl Member {
    /// Its process ended: what it said last is kept.
    pub(super) fn keep_last_words(&mut self) {
        self.last_words = self.log.last(WORDS_MAX);
    }
}

fn kind(report: &Report) -> EventKind {
    match report {
        Report::Started { .. } => EventKind::Started,
        Report::Ready { .. } => EventKind::Ready,
        Report::NotReady { .. } => EventKind::NotReady,
        Report::Hung { .. } => EventKind::Hung,
        Report::Killed { .. } | Report::Lost => EventKind::Killed,
        Report::Ended { .. } => EventKind::Ended,
        Report::Stopped => EventKind::Stopped,
        Report::Removed => EventKind::Removed,
        Report::ForksRefused { .. } => EventKind::ForksRefused,
        Report::Done => EventKind::Done,
        Report::Failed { .. } => EventKind::Failed,
    }
}
