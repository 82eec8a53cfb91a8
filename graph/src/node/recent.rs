//! The last messages of one edge end: how old they were and how long their last hop took. It never allocates once it is made.

use std::num::NonZeroU64;

/// How many messages are remembered: enough that the worst of a hundred is not one alone, and 6 KiB.
const SAMPLES: usize = 256;

/// What is older says nothing about now, in nanoseconds.
const YOUNG_NS: i64 = 10_000_000_000;

/// The longest origin that is told, in bytes: a graph, a colon and a topic.
const ORIGIN_MAX: usize = 64 + 1 + offboard_proto::TOPIC_MAX;

/// The last messages of one edge end.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    samples: Vec<Sample>,
    next: usize,
    origin: String,
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    at_ns: i64,
    /// None where a publisher without our SDK left the time out.
    age: Option<NonZeroU64>,
    hop: Option<NonZeroU64>,
}

/// Half of the last messages and all but one in a hundred of them, in nanoseconds; 0: none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Spread {
    pub(crate) p50_ns: u64,
    pub(crate) p99_ns: u64,
}

impl Recent {
    /// No message yet.
    pub(crate) fn new() -> Recent {
        Recent { samples: Vec::with_capacity(SAMPLES), next: 0, origin: String::with_capacity(ORIGIN_MAX) }
    }

    /// A message at `at_ns`, whose cause was sensed at `stamp_ns` and whose last hop began at `since_ns`; a time that is 0 is
    /// not known.
    pub(crate) fn push(&mut self, at_ns: i64, stamp_ns: i64, since_ns: i64, origin: &str) {
        let sample = Sample { at_ns, age: from(stamp_ns, at_ns), hop: from(since_ns, at_ns) };
        match self.samples.get_mut(self.next) {
            Some(oldest) => *oldest = sample,
            None => self.samples.push(sample),
        }
        self.next = (self.next + 1) % SAMPLES;
        if self.origin != origin {
            self.origin.clear();
            self.origin.push_str(if origin.len() <= ORIGIN_MAX { origin } else { "" });
        }
    }

    /// Whose stamps the last messages carried.
    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }

    /// The ages and the last hops of those that are young enough at `now_ns`.
    pub(crate) fn spreads(&self, now_ns: i64) -> (Spread, Spread) {
        let young = || self.samples.iter().filter(|sample| now_ns.saturating_sub(sample.at_ns) < YOUNG_NS);
        (spread(young().filter_map(|sample| sample.age)), spread(young().filter_map(|sample| sample.hop)))
    }
}

/// How long ago something was; one nanosecond where clocks of two machines make it seem to come.
fn from(then_ns: i64, now_ns: i64) -> Option<NonZeroU64> {
    let span = u64::try_from(now_ns.saturating_sub(then_ns)).unwrap_or(0);
    (then_ns != 0).then(|| NonZeroU64::new(span).unwrap_or(NonZeroU64::MIN))
}

fn spread(spans: impl Iterator<Item = NonZeroU64>) -> Spread {
    let mut spans: Vec<u64> = spans.map(NonZeroU64::get).collect();
    if spans.is_empty() {
        return Spread::default();
    }
    // The nearest rank: a time that a message really took.
    let last = spans.len() - 1;
    let rank = |share: usize| (spans.len() * share).div_ceil(100).saturating_sub(1).min(last);
    let (half, most) = (rank(50), rank(99));
    let p99_ns = *spans.select_nth_unstable(most).1;
    let p50_ns = *spans.select_nth_unstable(half).1;
    Spread { p50_ns, p99_ns }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_000_000_000_000;

    #[test]
    fn half_and_all_but_one_in_a_hundred() {
        let mut recent = Recent::new();
        for span in (1..=200).rev() {
            recent.push(NOW, NOW - span * 10, NOW - span, "robot:camera/frames");
        }
        let (ages, hops) = recent.spreads(NOW);
        assert_eq!((ages, hops), (Spread { p50_ns: 1000, p99_ns: 1980 }, Spread { p50_ns: 100, p99_ns: 198 }));
        assert_eq!(recent.origin(), "robot:camera/frames");
    }

    #[test]
    fn a_single_message_is_both() {
        let mut recent = Recent::new();
        recent.push(NOW, NOW - 7, NOW - 3, "a:b/c");
        assert_eq!(recent.spreads(NOW), (Spread { p50_ns: 7, p99_ns: 7 }, Spread { p50_ns: 3, p99_ns: 3 }));
    }

    #[test]
    fn the_oldest_gives_way_and_what_is_long_ago_says_nothing() {
        let mut recent = Recent::new();
        (0..1000).for_each(|_| recent.push(NOW, NOW - 5000, NOW - 5000, "a:b/c"));
        let made = recent.samples.capacity();
        (0..SAMPLES).for_each(|_| recent.push(NOW, NOW - 5, NOW - 5, "a:b/c"));
        assert_eq!(recent.spreads(NOW).0, Spread { p50_ns: 5, p99_ns: 5 });
        assert_eq!((recent.samples.len(), recent.samples.capacity()), (SAMPLES, made), "it never grows");
        assert_eq!(recent.spreads(NOW + YOUNG_NS), Default::default());
    }

    #[test]
    fn a_time_that_was_left_out_or_is_to_come_makes_no_nonsense() {
        let mut recent = Recent::new();
        recent.push(NOW, 0, 0, "");
        assert_eq!(recent.spreads(NOW), Default::default());
        recent.push(NOW, NOW + 1000, i64::MAX, &"x".repeat(ORIGIN_MAX + 1));
        assert_eq!(recent.spreads(NOW).0, Spread { p50_ns: 1, p99_ns: 1 });
        assert_eq!(recent.origin(), "");
        recent.push(i64::MAX, i64::MIN, i64::MIN, "a:b/c");
        assert_eq!(recent.origin(), "a:b/c");
    }
}
