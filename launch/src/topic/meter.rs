//! How often a topic speaks, how much, and how old its words are.
//! It never reads a clock.

use std::{collections::VecDeque, fmt};

use serde::Serialize;

/// What is older than this no longer counts, in nanoseconds: the figures are about now.
const NOW_NS: i64 = 10_000_000_000;

/// The last messages of a topic.
#[derive(Debug)]
pub(crate) struct Meter {
    window: usize,
    seen: VecDeque<Seen>,
    messages: u64,
    incarnation: Option<u64>,
    restarts: u64,
}

/// A message that came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    /// When, in nanoseconds.
    pub(crate) at_ns: i64,
    /// How old its stamp was, in nanoseconds.
    pub(crate) age_ns: i64,
    /// Its payload, in bytes.
    pub(crate) bytes: usize,
}

/// What `bw` says.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Bandwidth {
    /// Bytes of payload a second; none before there were two messages.
    pub(crate) bytes_per_s: Option<f64>,
    /// The size of a message, in bytes.
    pub(crate) size_mean: Option<f64>,
    pub(crate) size_min: Option<usize>,
    pub(crate) size_max: Option<usize>,
    /// Messages that these figures are about.
    pub(crate) window: usize,
    /// Messages since the beginning.
    pub(crate) messages: u64,
}

/// What `delay` says: the age of the stamp on arrival, in milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Delay {
    pub(crate) delay_mean_ms: Option<f64>,
    pub(crate) delay_min_ms: Option<f64>,
    pub(crate) delay_p50_ms: Option<f64>,
    pub(crate) delay_p99_ms: Option<f64>,
    pub(crate) delay_max_ms: Option<f64>,
    /// Messages that these figures are about.
    pub(crate) window: usize,
    /// Messages since the beginning.
    pub(crate) messages: u64,
}

/// What `hz` says.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Figures {
    /// Messages a second; none before there were two.
    pub(crate) rate_hz: Option<f64>,
    /// The age of the stamp on arrival, in milliseconds: the half are younger…
    pub(crate) age_p50_ms: Option<f64>,
    /// … and all but one in a hundred.
    pub(crate) age_p99_ms: Option<f64>,
    /// Messages missing by their numbers, since the beginning.
    pub(crate) gaps: u64,
    /// Times the publisher was another process than before.
    pub(crate) restarts: u64,
    /// Messages since the beginning.
    pub(crate) messages: u64,
    /// Since the last message, in milliseconds.
    pub(crate) silent_ms: Option<f64>,
}

impl Meter {
    /// Over at most `window` messages, at least two.
    pub(crate) fn new(window: usize) -> Meter {
        Meter { window: window.max(2), seen: VecDeque::new(), messages: 0, incarnation: None, restarts: 0 }
    }

    /// A message came.
    pub(crate) fn add(&mut self, seen: Seen, incarnation: u64) {
        if self.seen.len() == self.window {
            self.seen.pop_front();
        }
        self.seen.push_back(seen);
        self.messages += 1;
        self.restarts += u64::from(self.incarnation.is_some_and(|known| known != incarnation));
        self.incarnation = Some(incarnation);
    }

    /// The figures at `now`.
    pub(crate) fn figures(&self, now_ns: i64, gaps: u64) -> Figures {
        let (recent, ages) = (self.recent(now_ns), self.ages(now_ns));
        Figures {
            rate_hz: rate(&recent),
            age_p50_ms: quantile(&ages, 50),
            age_p99_ms: quantile(&ages, 99),
            gaps,
            restarts: self.restarts,
            messages: self.messages,
            silent_ms: self.seen.back().map(|last| millis(now_ns - last.at_ns)),
        }
    }

    /// How much is said, at `now`.
    pub(crate) fn bandwidth(&self, now_ns: i64) -> Bandwidth {
        let recent = self.recent(now_ns);
        let sizes = || recent.iter().map(|seen| seen.bytes);
        let mean = (!recent.is_empty()).then(|| sizes().sum::<usize>() as f64 / recent.len() as f64);
        Bandwidth {
            bytes_per_s: rate(&recent).zip(mean).map(|(rate, mean)| rate * mean),
            size_mean: mean,
            size_min: sizes().min(),
            size_max: sizes().max(),
            window: recent.len(),
            messages: self.messages,
        }
    }

    /// How old it is what comes, at `now`.
    pub(crate) fn delay(&self, now_ns: i64) -> Delay {
        let ages = self.ages(now_ns);
        let sum: f64 = ages.iter().map(|age| millis(*age)).sum();
        Delay {
            delay_mean_ms: (!ages.is_empty()).then(|| sum / ages.len() as f64),
            delay_min_ms: ages.first().map(|age| millis(*age)),
            delay_p50_ms: quantile(&ages, 50),
            delay_p99_ms: quantile(&ages, 99),
            delay_max_ms: ages.last().map(|age| millis(*age)),
            window: ages.len(),
            messages: self.messages,
        }
    }

    fn recent(&self, now_ns: i64) -> Vec<Seen> {
        self.seen.iter().copied().filter(|seen| now_ns - seen.at_ns <= NOW_NS).collect()
    }

    /// Sorted.
    fn ages(&self, now_ns: i64) -> Vec<i64> {
        let mut ages: Vec<i64> = self.recent(now_ns).iter().map(|seen| seen.age_ns).collect();
        ages.sort_unstable();
        ages
    }
}

fn rate(recent: &[Seen]) -> Option<f64> {
    let span_ns = recent.last()?.at_ns - recent.first()?.at_ns;
    (span_ns > 0).then(|| (recent.len() - 1) as f64 * 1e9 / span_ns as f64)
}

/// So many of a hundred are at most as old; `ages` are sorted.
fn quantile(ages: &[i64], part: usize) -> Option<f64> {
    ages.get((ages.len() * part / 100).min(ages.len().saturating_sub(1))).map(|age| millis(*age))
}

fn millis(ns: i64) -> f64 {
    ns as f64 / 1e6
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.silent_ms, self.age_p50_ms.zip(self.age_p99_ms)) {
            (None, _) => return f.write_str("nothing yet"),
            (Some(silent), _) if silent > 1000.0 => write!(f, "silent for {:.1} s", silent / 1e3)?,
            (_, Some((p50, p99))) => {
                let rate = self.rate_hz.unwrap_or_default();
                write!(f, "{rate:.1} Hz, age p50 {p50:.2} ms p99 {p99:.2} ms")?;
            }
            _ => {}
        }
        write!(f, ", gaps {}, restarts {}, messages {}", self.gaps, self.restarts, self.messages)
    }
}

impl fmt::Display for Bandwidth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Some(mean), Some(min), Some(max)) = (self.size_mean, self.size_min, self.size_max) else {
            return f.write_str("nothing lately");
        };
        let rate = self.bytes_per_s.map_or_else(|| "-".to_owned(), |rate| format!("{}/s", bytes(rate)));
        let (mean, min, max) = (bytes(mean), bytes(min as f64), bytes(max as f64));
        write!(
            f,
            "{rate}, message size mean {mean} min {min} max {max}, window {}, messages {}",
            self.window, self.messages
        )
    }
}

impl fmt::Display for Delay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = self.delay_mean_ms.zip(self.delay_min_ms).zip(self.delay_max_ms).zip(self.delay_p99_ms);
        let Some((((mean, min), max), p99)) = known else { return f.write_str("nothing lately") };
        let (window, messages) = (self.window, self.messages);
        write!(
            f,
            "mean {mean:.2} ms min {min:.2} ms p99 {p99:.2} ms max {max:.2} ms, window {window}, messages {messages}"
        )
    }
}

/// Bytes in the unit that matters; a kB is 1000 bytes.
pub(super) fn bytes(count: f64) -> String {
    match count {
        ..1e3 => format!("{count:.0} B"),
        1e3..1e6 => format!("{:.2} kB", count / 1e3),
        1e6..1e9 => format!("{:.2} MB", count / 1e6),
        _ => format!("{:.2} GB", count / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000_000;

    fn seen(at_ns: i64, age_ns: i64, bytes: usize) -> Seen {
        Seen { at_ns, age_ns, bytes }
    }

    #[test]
    fn a_steady_topic_has_its_rate_and_ages() {
        let mut meter = Meter::new(1000);
        for number in 0..100 {
            meter.add(seen(number * 10 * MS, (number + 1) * MS, 0), 1);
        }
        let figures = meter.figures(990 * MS, 3);
        assert_eq!((figures.rate_hz, figures.age_p50_ms, figures.age_p99_ms), (Some(100.0), Some(51.0), Some(100.0)));
        assert_eq!(figures.to_string(), "100.0 Hz, age p50 51.00 ms p99 100.00 ms, gaps 3, restarts 0, messages 100");
    }

    #[test]
    fn only_the_window_counts() {
        let mut meter = Meter::new(2);
        [(0, 1), (1000, 1), (1010, 2)]
            .iter()
            .for_each(|(at, incarnation)| meter.add(seen(at * MS, 0, 0), *incarnation));
        let figures = meter.figures(1010 * MS, 0);
        assert_eq!((figures.rate_hz, figures.messages, figures.restarts), (Some(100.0), 3, 1));
    }

    #[test]
    fn silence_is_said() {
        let mut meter = Meter::new(10);
        assert_eq!(meter.figures(0, 0).to_string(), "nothing yet");
        meter.add(seen(0, 0, 0), 1);
        assert_eq!(meter.figures(2500 * MS, 0).to_string(), "silent for 2.5 s, gaps 0, restarts 0, messages 1");
        assert_eq!(meter.figures(100_000 * MS, 0).age_p50_ms, None);
    }

    #[test]
    fn a_topic_has_its_bandwidth_and_sizes() {
        let mut meter = Meter::new(1000);
        (0..11).for_each(|number| meter.add(seen(number * 100 * MS, 0, if number == 0 { 500 } else { 2_000_000 }), 1));
        let bandwidth = meter.bandwidth(1000 * MS);
        assert_eq!((bandwidth.size_min, bandwidth.size_max, bandwidth.window), (Some(500), Some(2_000_000), 11));
        let text = "18.18 MB/s, message size mean 1.82 MB min 500 B max 2.00 MB, window 11, messages 11";
        assert_eq!(bandwidth.to_string(), text);
        assert_eq!(meter.bandwidth(100_000 * MS).to_string(), "nothing lately");
    }

    #[test]
    fn a_topic_has_its_delay() {
        let mut meter = Meter::new(1000);
        assert_eq!(meter.delay(0).to_string(), "nothing lately");
        [4, 1, 2, 5].iter().for_each(|age| meter.add(seen(0, age * MS, 0), 1));
        let text = "mean 3.00 ms min 1.00 ms p99 5.00 ms max 5.00 ms, window 4, messages 4";
        assert_eq!(meter.delay(0).to_string(), text);
    }
}
