//! What the link measured and what went wrong, for people: one line now and then. It never decides anything.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
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

/// How many looks back a share goes: so many ping periods.
const LOOKS: usize = 50;

/// What a running session measured, in people's units, for gauges. What is not known is none.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Figures {
    /// The smallest round trip of the last seconds, in milliseconds.
    pub rtt_ms: Option<f64>,
    /// Our time minus the peer's, in milliseconds.
    pub offset_ms: Option<f64>,
    /// What the network carried when it was the bottleneck, in Mbit/s.
    pub rate_mbit: Option<f64>,
    /// How much of what was to be sent in the last seconds gave way to newer or grew too old, in percent.
    pub dropped_percent: Option<f64>,
    /// How much of what came in the last seconds was too late or too old to be passed on, in percent.
    pub stale_percent: Option<f64>,
}

/// What a session measures, shared with whoever tells people.
#[derive(Debug, Clone, Default)]
pub struct Gauges(Arc<Mutex<(Figures, Looks)>>);

impl Gauges {
    /// The newest figures.
    #[must_use]
    pub fn figures(&self) -> Figures {
        self.lock().0
    }

    /// Takes in what was measured by now.
    pub fn measure(&self, stats: &Stats) {
        let mut now = self.lock();
        now.0 = now.1.figures(stats);
    }

    fn lock(&self) -> MutexGuard<'_, (Figures, Looks)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Turns counts into figures of the last seconds.
#[derive(Debug, Default)]
struct Looks(VecDeque<[u64; 4]>);

impl Looks {
    fn figures(&mut self, stats: &Stats) -> Figures {
        let lost = |tally: &Tally| tally.dropped + tally.expired + tally.oversized;
        let stale = |heard: &Heard| heard.late + heard.expired;
        let now = [
            stats.said.iter().map(|(_, tally)| tally.sent).sum(),
            stats.said.iter().map(|(_, tally)| lost(tally)).sum(),
            stats.heard.iter().map(|heard| heard.messages).sum(),
            stats.heard.iter().map(stale).sum(),
        ];
        let then = self.0.front().copied().unwrap_or_default();
        self.0.push_back(now);
        self.0.drain(..self.0.len().saturating_sub(LOOKS));
        let [sent, lost, good, stale]: [u64; 4] = std::array::from_fn(|place| now[place].saturating_sub(then[place]));
        let percent = |part: u64, rest: u64| (part + rest > 0).then(|| 100.0 * part as f64 / (part + rest) as f64);
        let ms = |ns: i64| ns as f64 / 1e6;
        Figures {
            rtt_ms: stats.rtt_min_ns.map(ms),
            offset_ms: stats.offset_ns.map(ms),
            rate_mbit: stats.rate.map(|rate| rate * 8e-6),
            dropped_percent: percent(lost, sent),
            stale_percent: percent(stale, good),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn stats(sent: u64, dropped: u64, messages: u64, late: u64) -> Stats {
        Stats {
            said: vec![("a/b".into(), Tally { sent, dropped, ..Tally::default() })],
            heard: vec![Heard { messages, late, ..Heard::default() }],
            ..Stats::default()
        }
    }

    #[test]
    fn what_is_not_known_has_no_figure() {
        assert_eq!(Looks::default().figures(&stats(0, 0, 0, 0)), Figures::default());
        let known =
            Stats { rtt_min_ns: Some(1_500_000), offset_ns: Some(-250_000), rate: Some(1e6), ..Stats::default() };
        let figures = Looks::default().figures(&known);
        assert_eq!((figures.rtt_ms, figures.offset_ms, figures.rate_mbit), (Some(1.5), Some(-0.25), Some(8.0)));
    }

    #[test]
    fn shares_are_of_the_last_seconds() {
        let mut looks = Looks::default();
        let figures = looks.figures(&stats(75, 25, 90, 10));
        assert_eq!((figures.dropped_percent, figures.stale_percent), (Some(25.0), Some(10.0)));
        // A bad moment is forgotten; then nothing more comes.
        for _ in 0..LOOKS {
            looks.figures(&stats(175, 25, 90, 10));
        }
        let figures = looks.figures(&stats(200, 25, 90, 10));
        assert_eq!((figures.dropped_percent, figures.stale_percent), (Some(0.0), None));
    }
}
