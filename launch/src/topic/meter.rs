//! How often a topic speaks and how old its words are.
//! It never reads a clock.

use std::{collections::VecDeque, fmt};

use serde::Serialize;

/// What is older than this no longer counts, in nanoseconds: `hz` is about now.
const NOW_NS: i64 = 10_000_000_000;

/// The last messages of a topic.
#[derive(Debug)]
pub(crate) struct Meter {
    window: usize,
    /// When each came and how old it was, in nanoseconds.
    seen: VecDeque<(i64, i64)>,
    messages: u64,
    incarnation: Option<u64>,
    restarts: u64,
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

    /// A message came at `now`.
    pub(crate) fn add(&mut self, now_ns: i64, age_ns: i64, incarnation: u64) {
        if self.seen.len() == self.window {
            self.seen.pop_front();
        }
        self.seen.push_back((now_ns, age_ns));
        self.messages += 1;
        self.restarts += u64::from(self.incarnation.is_some_and(|known| known != incarnation));
        self.incarnation = Some(incarnation);
    }

    /// The figures at `now`.
    pub(crate) fn figures(&self, now_ns: i64, gaps: u64) -> Figures {
        let recent: Vec<(i64, i64)> = self.seen.iter().copied().filter(|(at, _)| now_ns - at <= NOW_NS).collect();
        let mut ages: Vec<i64> = recent.iter().map(|(_, age)| *age).collect();
        ages.sort_unstable();
        let quantile =
            |part: usize| ages.get((ages.len() * part / 100).min(ages.len().saturating_sub(1))).map(|age| millis(*age));
        Figures {
            rate_hz: rate(&recent),
            age_p50_ms: quantile(50),
            age_p99_ms: quantile(99),
            gaps,
            restarts: self.restarts,
            messages: self.messages,
            silent_ms: self.seen.back().map(|(at, _)| millis(now_ns - at)),
        }
    }
}

fn rate(recent: &[(i64, i64)]) -> Option<f64> {
    let ((first, _), (last, _)) = (recent.first()?, recent.last()?);
    let span_ns = last - first;
    (span_ns > 0).then(|| (recent.len() - 1) as f64 * 1e9 / span_ns as f64)
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

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000_000;

    #[test]
    fn a_steady_topic_has_its_rate_and_ages() {
        let mut meter = Meter::new(1000);
        for number in 0..100 {
            meter.add(number * 10 * MS, (number + 1) * MS, 1);
        }
        let figures = meter.figures(990 * MS, 3);
        assert_eq!((figures.rate_hz, figures.age_p50_ms, figures.age_p99_ms), (Some(100.0), Some(51.0), Some(100.0)));
        assert_eq!(figures.to_string(), "100.0 Hz, age p50 51.00 ms p99 100.00 ms, gaps 3, restarts 0, messages 100");
    }

    #[test]
    fn only_the_window_counts() {
        let mut meter = Meter::new(2);
        [(0, 1), (1000, 1), (1010, 2)].iter().for_each(|(at, incarnation)| meter.add(at * MS, 0, *incarnation));
        let figures = meter.figures(1010 * MS, 0);
        assert_eq!((figures.rate_hz, figures.messages, figures.restarts), (Some(100.0), 3, 1));
    }

    #[test]
    fn silence_is_said() {
        let mut meter = Meter::new(10);
        assert_eq!(meter.figures(0, 0).to_string(), "nothing yet");
        meter.add(0, 0, 1);
        assert_eq!(meter.figures(2500 * MS, 0).to_string(), "silent for 2.5 s, gaps 0, restarts 0, messages 1");
        assert_eq!(meter.figures(100_000 * MS, 0).age_p50_ms, None);
    }
}
