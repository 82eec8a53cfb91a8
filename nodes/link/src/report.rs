//! What the link measured and what went wrong, for people: one line now and then. It never decides anything.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::{frame::Want, outbox::Tally};

/// How often one kind of trouble is reported.
const SELDOM: Duration = Duration::from_secs(1);

/// Lets a complaint through once a second.
#[derive(Debug, Default)]
pub struct Seldom(Mutex<Option<Instant>>);

impl Seldom {
    /// Calls `complain`, unless it was called less than a second ago.
    pub fn say(&self, complain: impl FnOnce()) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_none_or(|last| last.elapsed() >= SELDOM) {
            *last = Some(Instant::now());
            complain();
        }
    }
}

/// What one topic brought.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Heard {
    /// The topic as its speaker names it.
    pub topic: String,
    /// Messages passed on.
    pub messages: u64,
    /// Bytes of payload of those.
    pub bytes: u64,
    /// Dropped because a newer one was here before.
    pub late: u64,
    /// Dropped because they were too old.
    pub expired: u64,
    /// Dropped because they were of another type than expected.
    pub wrong_type: u64,
}

/// What a session measured.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Stats {
    /// The smallest round trip of the last seconds, in nanoseconds.
    pub rtt_min_ns: Option<i64>,
    /// Our time minus the peer's, in nanoseconds.
    pub offset_ns: Option<i64>,
    /// What the network carried when it was the bottleneck, in bytes per second.
    pub rate: Option<f64>,
    /// What the peer wants and what became of it.
    pub said: Vec<(String, Tally)>,
    /// What we want and what came of it.
    pub heard: Vec<Heard>,
    /// Messages on topics that nobody here wants.
    pub unwanted: u64,
}

impl Stats {
    /// Nothing yet, of these topics.
    #[must_use]
    pub fn new(wants: &[Want]) -> Stats {
        let heard = wants.iter().map(|want| Heard { topic: want.topic.clone(), ..Heard::default() }).collect();
        Stats { heard, ..Stats::default() }
    }

    /// The peer wants these topics.
    pub fn wanted(&mut self, wants: &[Want]) {
        self.said = wants.iter().map(|want| (crate::interest::printable(&want.topic), Tally::default())).collect();
    }

    /// What was measured by now.
    pub fn measured(&mut self, tallies: &[Tally], rtt_min_ns: Option<i64>, offset_ns: Option<i64>, rate: Option<f64>) {
        (self.rtt_min_ns, self.offset_ns, self.rate) = (rtt_min_ns, offset_ns, rate);
        for ((_, said), tally) in self.said.iter_mut().zip(tallies) {
            *said = *tally;
        }
    }
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |ns: Option<i64>| ns.map_or("unknown".to_owned(), |ns| format!("{:.3} ms", ns as f64 / 1e6));
        write!(f, "round trip {}, offset {}", ms(self.rtt_min_ns), ms(self.offset_ns))?;
        if let Some(rate) = self.rate {
            write!(f, ", network {:.1} Mbit/s", rate * 8e-6)?;
        }
        for (topic, Tally { sent, bytes, dropped, expired, oversized }) in &self.said {
            write!(f, "; {topic}: {sent} sent ({bytes} bytes), {dropped} dropped")?;
            write!(f, ", {expired} expired, {oversized} oversized")?;
        }
        for Heard { topic, messages, bytes, late, expired, wrong_type } in &self.heard {
            write!(f, "; {topic}: {messages} received ({bytes} bytes), {late} late")?;
            write!(f, ", {expired} expired, {wrong_type} of the wrong type")?;
        }
        write!(f, "; {} unwanted", self.unwanted)
    }
}
