//! The difference between two machines' timelines, estimated from pings. It never sets a clock.
//!
//! A ping and its answer carry four stamps: sent (ours), received and replied (theirs), answered (ours). If the way there
//! took as long as the way back, half the sum of the two differences is the offset; however uneven the ways are, it is wrong
//! by half the round-trip time at most. So the sample with the smallest round trip of the last seconds is the best one.

use std::collections::VecDeque;

use offboard::proto::Header;

/// How old the best sample may be, in nanoseconds: in 10 s two quartz clocks part by less than a millisecond.
const WINDOW_NS: i64 = 10_000_000_000;

/// The most samples that are kept: [`WINDOW_NS`] of a ping every 100 ms, and some to spare.
const SAMPLES_MAX: usize = 128;

/// One ping's result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// Our time minus theirs, in nanoseconds.
    pub offset_ns: i64,
    /// The round trip without their pause between receiving and replying, in nanoseconds.
    pub rtt_ns: i64,
    /// When it was taken, our time.
    pub at_ns: i64,
}

impl Sample {
    /// From the four stamps; none when they cannot be (a round trip below zero).
    #[must_use]
    pub fn new(sent_ns: i64, received_ns: i64, replied_ns: i64, answered_ns: i64) -> Option<Sample> {
        // Wide arithmetic: the other end's stamps may hold anything.
        let [sent, received, replied, answered] = [sent_ns, received_ns, replied_ns, answered_ns].map(i128::from);
        let rtt = (answered - sent) - (replied - received);
        let offset = ((sent - received) + (answered - replied)) / 2;
        if rtt < 0 || answered < sent || replied < received {
            return None;
        }
        Some(Sample { offset_ns: offset.try_into().ok()?, rtt_ns: rtt.try_into().ok()?, at_ns: answered_ns })
    }
}

/// The estimate. It holds still while the samples agree with it, so that stamps which go there and back come back the same.
#[derive(Debug, Default)]
pub struct Offset {
    samples: VecDeque<Sample>,
    held: Option<Sample>,
}

impl Offset {
    /// Takes a sample into account; whether the estimate changed.
    pub fn add(&mut self, sample: Sample) -> bool {
        self.samples.retain(|old| sample.at_ns - old.at_ns < WINDOW_NS);
        if self.samples.len() == SAMPLES_MAX {
            self.samples.pop_front();
        }
        self.samples.push_back(sample);
        let best = self.samples.iter().min_by_key(|sample| sample.rtt_ns).copied();
        let change = match (self.held, best) {
            (Some(held), Some(best)) => {
                let better = best.rtt_ns < held.rtt_ns;
                let contradicts = held.offset_ns.abs_diff(best.offset_ns) > best.rtt_ns.unsigned_abs() / 2;
                better || contradicts
            }
            (None, _) => true,
            (_, None) => false,
        };
        if change {
            self.held = best;
        }
        change
    }

    /// Our time minus theirs, in nanoseconds; none before the first sample.
    #[must_use]
    pub fn ns(&self) -> Option<i64> {
        self.held.map(|held| held.offset_ns)
    }

    /// The smallest round trip of the last seconds, in nanoseconds.
    #[must_use]
    pub fn rtt_min_ns(&self) -> Option<i64> {
        self.samples.iter().map(|sample| sample.rtt_ns).min()
    }
}

/// Moves a header's stamps to another timeline; one that is not set stays so.
pub fn shift(header: &mut Header, by_ns: i64) {
    for stamp in [&mut header.sent_ns, &mut header.stamp_ns] {
        if *stamp != 0 {
            *stamp = stamp.saturating_add(by_ns);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A ping at `at` over ways of these lengths, to a machine whose clock is `ahead` of ours.
    fn ping(at: i64, there: i64, back: i64, ahead: i64) -> Sample {
        Sample::new(at, at + there + ahead, at + there + ahead + 50, at + there + 50 + back).unwrap()
    }

    #[test]
    fn even_ways_give_the_exact_offset() {
        let sample = ping(1_000_000, 300, 300, 600_000_000_000);
        assert_eq!((sample.offset_ns, sample.rtt_ns), (-600_000_000_000, 600));
    }

    #[test]
    fn the_shortest_round_trip_counts() {
        let mut offset = Offset::default();
        offset.add(ping(0, 9_000, 1_000, 77));
        offset.add(ping(100_000_000, 510, 490, 77));
        offset.add(ping(200_000_000, 1_000, 40_000, 77));
        assert_eq!(offset.ns(), Some(-87));
        assert_eq!(offset.rtt_min_ns(), Some(1_000));
    }

    #[test]
    fn jitter_does_not_move_the_estimate() {
        let mut offset = Offset::default();
        offset.add(ping(0, 500, 500, 0));
        for n in 1..300_i64 {
            assert!(
                !offset.add(ping(n * 100_000_000, 500 + (n * 7919) % 3_000, 500 + (n * 104_729) % 3_000, 0)),
                "{n}"
            );
        }
        assert_eq!(offset.ns(), Some(0));
    }

    #[test]
    fn a_clock_that_jumps_is_followed_once_the_old_samples_are_gone() {
        let mut offset = Offset::default();
        for n in 0..100 {
            offset.add(ping(n * 100_000_000, 500, 500, 0));
        }
        for n in 100..201 {
            offset.add(ping(n * 100_000_000, 600, 600, 5_000_000));
        }
        assert_eq!(offset.ns(), Some(-5_000_000));
    }

    #[test]
    fn impossible_stamps_give_no_sample() {
        assert_eq!(Sample::new(10, 0, 0, 5), None);
        assert_eq!(Sample::new(0, 10, 5, 20), None);
        assert_eq!(Sample::new(0, 0, 100, 50), None);
        assert_eq!(Sample::new(0, i64::MIN, i64::MAX, 10), None);
    }

    proptest! {
        #[test]
        fn the_estimate_is_wrong_by_half_the_best_round_trip_at_most(
            ahead in -1_000_000_000_000_i64..1_000_000_000_000,
            ways in proptest::collection::vec((1_i64..50_000_000, 1_i64..50_000_000), 1..90),
        ) {
            let mut offset = Offset::default();
            for (n, (there, back)) in ways.iter().enumerate() {
                offset.add(ping(n as i64 * 100_000_000, *there, *back, ahead));
            }
            let error = (offset.ns().unwrap() + ahead).abs();
            let bound = ways.iter().map(|(there, back)| there + back).min().unwrap() / 2;
            // The estimate in hand contradicts no later best by more than that one's own bound.
            prop_assert!(error <= 2 * bound + 1, "{error} over {bound}");
        }

        #[test]
        fn no_stamps_are_a_panic(stamps in any::<[i64; 4]>()) {
            let [a, b, c, d] = stamps;
            if let Some(sample) = Sample::new(a, b, c, d) {
                let mut offset = Offset::default();
                offset.add(Sample { at_ns: 0, ..sample });
                offset.add(Sample { at_ns: 1, offset_ns: i64::MIN, ..sample });
            }
        }
    }
}
