//! What the corner of the window tells: how often pictures come, how old they are, what is missing. Pure: the time is handed in.

use std::collections::VecDeque;

/// The rate is taken over so long…
const WINDOW_NS: i64 = 2_000_000_000;
/// …and over so many arrivals at most.
const ARRIVALS_MAX: usize = 512;
/// The age's median is taken over so many pictures.
const AGES_MAX: usize = 64;

/// What came in, and what was shown.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// When pictures arrived, oldest first.
    arrivals: VecDeque<i64>,
    /// How old pictures were when they were shown, in nanoseconds.
    ages: VecDeque<i64>,
    gaps: u64,
    broken: u64,
    /// The sender's newest word is that it has no picture.
    nothing_good: bool,
}

/// The numbers at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Readings {
    /// Pictures a second; none while fewer than two came of late.
    pub(crate) rate: Option<f64>,
    /// Median age at the moment of showing, in milliseconds, of the last pictures.
    pub(crate) age_ms: Option<f64>,
    /// Messages missing by their numbers.
    pub(crate) gaps: u64,
    /// Pictures that did not decode.
    pub(crate) broken: u64,
    /// Since the last picture, in seconds; none before the first.
    pub(crate) silence_s: Option<f64>,
    /// The sender lives but says that it has no picture.
    pub(crate) nothing_good: bool,
}

impl Ledger {
    /// A picture came; `gaps` messages are missing so far.
    pub(crate) fn arrived(&mut self, now_ns: i64, gaps: u64) {
        self.arrivals.push_back(now_ns);
        if self.arrivals.len() > ARRIVALS_MAX {
            self.arrivals.pop_front();
        }
        self.gaps = gaps;
        self.nothing_good = false;
    }

    /// The sender says that it lives but has no picture.
    pub(crate) fn nothing_good(&mut self) {
        self.nothing_good = true;
    }

    /// A picture did not decode. Returns how many so far.
    pub(crate) fn broke(&mut self) -> u64 {
        self.broken += 1;
        self.broken
    }

    /// A picture was shown that was sensed at `stamp_ns`.
    pub(crate) fn shown(&mut self, now_ns: i64, stamp_ns: i64) {
        self.ages.push_back(now_ns.saturating_sub(stamp_ns).max(0));
        if self.ages.len() > AGES_MAX {
            self.ages.pop_front();
        }
    }

    pub(crate) fn read(&self, now_ns: i64) -> Readings {
        let recent = |stamp: &&i64| now_ns - **stamp <= WINDOW_NS;
        let last = self.arrivals.back();
        let rate = last.zip(self.arrivals.iter().find(recent)).and_then(|(last, first)| {
            let count = self.arrivals.iter().filter(recent).count();
            (count > 1 && last > first).then(|| (count - 1) as f64 * 1e9 / (last - first) as f64)
        });
        let mut ages: Vec<i64> = self.ages.iter().copied().collect();
        ages.sort_unstable();
        Readings {
            rate,
            age_ms: ages.get(ages.len() / 2).map(|age| *age as f64 / 1e6),
            gaps: self.gaps,
            broken: self.broken,
            silence_s: last.map(|last| (now_ns - last).max(0) as f64 / 1e9),
            nothing_good: self.nothing_good,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000_000;

    #[test]
    fn the_rate_is_that_of_the_last_two_seconds() {
        let mut ledger = Ledger::default();
        assert_eq!(ledger.read(0).rate, None);
        // Two seconds at 10 Hz, then two at 50 Hz.
        (0..20).for_each(|i| ledger.arrived(i * 100 * MS, 0));
        (0..100).for_each(|i| ledger.arrived(2000 * MS + i * 20 * MS, 0));
        let rate = ledger.read(3990 * MS).rate.unwrap();
        assert!((rate - 50.0).abs() < 0.5, "{rate}");
        assert_eq!(ledger.read(9000 * MS).rate, None);
        assert_eq!(ledger.read(3980 * MS + 3200 * MS).silence_s, Some(3.2));
    }

    #[test]
    fn the_age_is_a_median_and_never_negative() {
        let mut ledger = Ledger::default();
        for age in [5, 12, 900] {
            ledger.shown(1000 * MS, (1000 - age) * MS);
        }
        assert_eq!(ledger.read(0).age_ms, Some(12.0));
        (0..100).for_each(|_| ledger.shown(0, 5 * MS));
        assert_eq!(ledger.read(0).age_ms, Some(0.0));
    }

    #[test]
    fn a_picture_ends_the_senders_having_nothing() {
        let mut ledger = Ledger::default();
        ledger.nothing_good();
        assert!(ledger.read(0).nothing_good);
        ledger.arrived(0, 3);
        let readings = ledger.read(0);
        assert_eq!((readings.nothing_good, readings.gaps), (false, 3));
    }

    #[test]
    fn memory_is_bounded() {
        let mut ledger = Ledger::default();
        (0..10_000).for_each(|i| ledger.arrived(i, 0));
        (0..10_000).for_each(|i| ledger.shown(i, 0));
        assert_eq!((ledger.arrivals.len(), ledger.ages.len()), (ARRIVALS_MAX, AGES_MAX));
    }
}
