//! Which samples are learned from while driving, and which only ever checked. It decides once, when a sample comes, and never again.

use crate::net::Split;

/// A stretch that is checked begins so often.
const ROUND_NS: i64 = 5_000_000_000;

/// It is the last part of its round, so long.
const CHECKED_NS: i64 = 1_000_000_000;

/// What lies so close to it is left out: neighbours look alike.
const GAP_NS: i64 = 250_000_000;

/// What a sample is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Learned,
    Checked,
    Left,
}

/// The sides of all samples, in their order.
#[derive(Debug, Default)]
pub(crate) struct Sides {
    sides: Vec<Side>,
    /// The first and the newest stamp of the run; one that goes back begins another.
    run: Option<(i64, i64)>,
}

impl Sides {
    /// One more sample, seen at a stamp.
    pub(crate) fn push(&mut self, stamp_ns: i64) {
        let begin = self.run.filter(|(_, newest)| *newest <= stamp_ns).map_or(stamp_ns, |(begin, _)| begin);
        self.run = Some((begin, stamp_ns));
        let at = stamp_ns.saturating_sub(begin) % ROUND_NS;
        let checked = ROUND_NS - CHECKED_NS;
        self.sides.push(match at {
            at if at >= checked => Side::Checked,
            // The stretch before may be that of another run.
            at if at < GAP_NS || at >= checked - GAP_NS => Side::Left,
            _ => Side::Learned,
        });
    }

    /// Drops the `count` oldest; those that stay keep their side.
    pub(crate) fn forget_oldest(&mut self, count: usize) {
        self.sides.drain(..count.min(self.sides.len()));
    }

    /// Which to learn from, and which to check with.
    pub(crate) fn split(&self) -> Split {
        let of = |side| self.sides.iter().enumerate().filter(move |(_, is)| **is == side).map(|(at, _)| at).collect();
        Split { training: of(Side::Learned), validation: of(Side::Checked) }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Thirty pictures a second from 7 s on.
    fn stamp_ns(sample: usize) -> i64 {
        7_000_000_000 + sample as i64 * 33_333_333
    }

    fn stamps(of: &[usize], forgotten: usize) -> BTreeSet<i64> {
        of.iter().map(|sample| stamp_ns(sample + forgotten)).collect()
    }

    #[test]
    fn what_was_held_out_stays_held_out_as_samples_come_and_are_forgotten() {
        let (mut sides, mut forgotten) = (Sides::default(), 0);
        let (mut learned, mut checked) = (BTreeSet::new(), BTreeSet::new());
        for sample in 0..20_000 {
            sides.push(stamp_ns(sample));
            if sample % 1000 == 999 && sample > 5000 {
                sides.forget_oldest(1017);
                forgotten += 1017;
            }
            if sample % 250 == 0 {
                let split = sides.split();
                learned.extend(stamps(&split.training, forgotten));
                checked.extend(stamps(&split.validation, forgotten));
            }
        }
        assert!(checked.len() > 3_800 && learned.len() > 13_000, "{} {}", checked.len(), learned.len());
        for stamp in &checked {
            let near = learned.range(stamp - GAP_NS + 1..stamp + GAP_NS).next();
            assert_eq!(near, None, "learned within the gap of {stamp}");
        }
    }

    #[test]
    fn a_run_that_begins_anew_has_its_own_stretches_and_a_gap_before_it_learns() {
        let mut sides = Sides::default();
        for seconds in [100, 101, 104, 7, 8, 11] {
            sides.push(seconds * 1_000_000_000);
        }
        assert_eq!(sides.split(), Split { training: vec![1, 4], validation: vec![2, 5] });
    }
}
