//! How far the stamps of the last pairs were apart. It never allocates once it is full.

use std::time::Duration;

/// How many pairs are remembered.
const SAMPLES: usize = 256;

/// The skews of the last pairs, and the worst of all.
#[derive(Debug, Default)]
pub(crate) struct Skews {
    last: Vec<u64>,
    next: usize,
    max: u64,
}

impl Skews {
    /// One more pair, so many nanoseconds apart.
    pub(crate) fn push(&mut self, skew_ns: u64) {
        self.max = self.max.max(skew_ns);
        match self.last.get_mut(self.next) {
            Some(oldest) => *oldest = skew_ns,
            None => self.last.push(skew_ns),
        }
        self.next = (self.next + 1) % SAMPLES;
    }

    /// Half of the last, all but one in a hundred of the last, and the worst of all.
    pub(crate) fn spread(&self) -> (Duration, Duration, Duration) {
        let mut sorted = self.last.clone();
        sorted.sort_unstable();
        let rank = |share: usize| {
            let at = (sorted.len() * share).div_ceil(100).saturating_sub(1);
            Duration::from_nanos(sorted.get(at).copied().unwrap_or(0))
        };
        (rank(50), rank(99), Duration::from_nanos(self.max))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_count_and_the_worst_of_all_stays() {
        let mut skews = Skews::default();
        assert_eq!(skews.spread(), Default::default());
        skews.push(5_000);
        (1..=SAMPLES as u64).for_each(|skew| skews.push(skew));
        let ns = Duration::from_nanos;
        assert_eq!(skews.spread(), (ns(128), ns(254), ns(5_000)));
    }
}
