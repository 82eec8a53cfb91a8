//! Percentiles of durations in bounded memory, at most 0.8 % off. It never keeps single values.

/// Steps within each doubling: one step is at most 1/128 of its value.
const STEPS: u64 = 128;
const STEP_BITS: u32 = STEPS.trailing_zeros();

/// How often each duration, in nanoseconds, was seen.
#[derive(Debug, Default, Clone)]
pub(crate) struct Histogram {
    counts: Vec<u64>,
    seen: u64,
    sum_ns: u128,
    max_ns: u64,
}

impl Histogram {
    /// Counts a duration; a negative one counts as zero.
    pub(crate) fn add(&mut self, duration_ns: i64) {
        let duration_ns = u64::try_from(duration_ns).unwrap_or(0);
        let at = bucket(duration_ns);
        if self.counts.len() <= at {
            self.counts.resize(at + 1, 0); // at most 58 doublings x 128 steps
        }
        self.counts[at] += 1;
        self.seen += 1;
        self.sum_ns += u128::from(duration_ns);
        self.max_ns = self.max_ns.max(duration_ns);
    }

    /// The duration that `share` (0 to 1) of all do not exceed, in microseconds; 0 when there are none.
    pub(crate) fn percentile_us(&self, share: f64) -> f64 {
        let wanted = (self.seen as f64 * share).ceil().max(1.0) as u64;
        let mut seen = 0;
        let at = self.counts.iter().position(|count| {
            seen += count;
            seen >= wanted
        });
        at.map_or(0.0, |at| top_ns(at).min(self.max_ns) as f64 / 1e3)
    }

    /// The mean in microseconds; 0 when there are none.
    pub(crate) fn mean_us(&self) -> f64 {
        self.sum_ns as f64 / self.seen.max(1) as f64 / 1e3
    }

    /// The longest in microseconds.
    pub(crate) fn max_us(&self) -> f64 {
        self.max_ns as f64 / 1e3
    }

    /// Forgets everything but its memory.
    pub(crate) fn clear(&mut self) {
        self.counts.fill(0);
        (self.seen, self.sum_ns, self.max_ns) = (0, 0, 0);
    }
}

/// Where a value is counted: exactly below [`STEPS`], then [`STEPS`] places for each doubling.
fn bucket(value: u64) -> usize {
    let doublings = value.checked_ilog2().unwrap_or(0).saturating_sub(STEP_BITS);
    (u64::from(doublings) * STEPS + (value >> doublings)) as usize
}

/// The largest value counted there.
fn top_ns(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < 2 * STEPS {
        return bucket;
    }
    let doublings = bucket / STEPS - 1;
    let step = bucket - doublings * STEPS;
    ((step + 1) << doublings) - 1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(values: impl IntoIterator<Item = i64>) -> Histogram {
        let mut histogram = Histogram::default();
        values.into_iter().for_each(|value| histogram.add(value));
        histogram
    }

    #[test]
    fn percentiles_are_within_one_percent() {
        let histogram = of((1..=1000).map(|n| n * 1_000_000));
        for (share, expected_us) in [(0.5, 500e3), (0.99, 990e3), (1.0, 1e6)] {
            let got = histogram.percentile_us(share);
            assert!((got / expected_us - 1.0).abs() < 0.01, "{share}: {got}");
        }
        assert_eq!(histogram.max_us(), 1e6);
        assert_eq!(histogram.mean_us(), 500_500.0);
    }

    #[test]
    fn nothing_seen_is_zero() {
        let mut histogram = of([5, 6]);
        histogram.clear();
        assert_eq!((histogram.percentile_us(0.5), histogram.mean_us(), histogram.max_us()), (0.0, 0.0, 0.0));
    }

    #[test]
    fn a_negative_age_counts_as_zero() {
        assert_eq!(of([-1, i64::MIN]).percentile_us(1.0), 0.0);
    }

    proptest! {
        #[test]
        fn each_value_lies_at_most_a_step_below_the_top_of_its_place(value in 0..u64::MAX / 4) {
            let top = top_ns(bucket(value));
            prop_assert!(top >= value && top - value <= value / STEPS, "{value} {top}");
            prop_assert!(value == 0 || bucket(value - 1) <= bucket(value));
        }
    }

    #[test]
    fn the_longest_duration_fits() {
        let histogram = of([i64::MAX]);
        assert!(histogram.counts.len() <= 58 * 128);
        assert_eq!(histogram.percentile_us(0.5), i64::MAX as f64 / 1e3);
    }
}
