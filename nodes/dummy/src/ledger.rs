//! What one input received: how much, what was missing, what was wrong, and how old it was. It never counts a message twice.

use offboard::Header;
use serde::Serialize;

use crate::histogram::Histogram;

/// The columns of a report.
pub(crate) const COLUMNS: [&str; 5] = ["received", "gaps", "bad", "age_p50_us", "age_p99_us"];

/// The ledger of one input.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// Messages since the start.
    pub(crate) received: u64,
    /// Numbers that never came, those that `read = "latest"` skipped included.
    pub(crate) gaps: u64,
    /// Messages whose content was not as sent.
    pub(crate) bad: u64,
    /// Messages whose number was not above the one before.
    pub(crate) reordered: u64,
    /// Starts of the publisher after its first.
    pub(crate) restarts: u64,
    /// How often the input was silent for longer than its `timeout`.
    pub(crate) silent: u64,
    /// Bytes of payload.
    pub(crate) bytes: u64,
    seen: Option<(u64, u64)>,
    recent: Histogram,
    sent: Histogram,
    stamp: Histogram,
}

/// Percentiles in microseconds.
#[derive(Debug, Serialize)]
struct Ages {
    p50: f64,
    p90: f64,
    p99: f64,
    p999: f64,
    max: f64,
    mean: f64,
}

/// What a probe prints for each input.
#[derive(Debug, Serialize)]
pub(crate) struct Summary<'a> {
    input: &'a str,
    received: u64,
    gaps: u64,
    bad: u64,
    reordered: u64,
    restarts: u64,
    bytes: u64,
    sent_age_us: Ages,
    stamp_age_us: Ages,
}

impl Ledger {
    /// Enters a message that was handled at `now_ns`.
    pub(crate) fn enter(&mut self, header: &Header, bytes: usize, good: bool, now_ns: i64) {
        self.received += 1;
        self.bytes += bytes as u64;
        self.bad += u64::from(!good);
        self.number(header);
        let sent_age_ns = now_ns.saturating_sub(header.sent_ns);
        self.recent.add(sent_age_ns);
        self.sent.add(sent_age_ns);
        self.stamp.add(now_ns.saturating_sub(header.stamp_ns));
    }

    fn number(&mut self, header: &Header) {
        match self.seen {
            Some((incarnation, seq)) if incarnation == header.incarnation => {
                if header.seq <= seq {
                    self.reordered += 1;
                    return;
                }
                self.gaps += header.seq - seq - 1;
            }
            Some(_) => self.restarts += 1,
            None => {}
        }
        self.seen = Some((header.incarnation, header.seq));
    }

    /// The row of a report: [`COLUMNS`]; the ages are those since the last one.
    pub(crate) fn report(&mut self) -> [f64; 5] {
        let ages = [self.recent.percentile_us(0.5), self.recent.percentile_us(0.99)];
        self.recent.clear();
        [self.received as f64, self.gaps as f64, self.bad as f64, ages[0], ages[1]]
    }

    /// All of it, for a probe.
    pub(crate) fn summary<'a>(&self, input: &'a str) -> Summary<'a> {
        Summary {
            input,
            received: self.received,
            gaps: self.gaps,
            bad: self.bad,
            reordered: self.reordered,
            restarts: self.restarts,
            bytes: self.bytes,
            sent_age_us: ages(&self.sent),
            stamp_age_us: ages(&self.stamp),
        }
    }

    /// All of it, for the log.
    pub(crate) fn sentence(&self, input: &str) -> String {
        let Ledger { received, gaps, bad, reordered, restarts, silent, .. } = self;
        format!(
            "{input}: {received} received, {gaps} missing, {bad} bad, {reordered} out of order, {restarts} restarts, {silent} silences, \
             age p50 {:.0} us, p99 {:.0} us, max {:.0} us",
            self.sent.percentile_us(0.5),
            self.sent.percentile_us(0.99),
            self.sent.max_us()
        )
    }
}

fn ages(histogram: &Histogram) -> Ages {
    Ages {
        p50: histogram.percentile_us(0.5),
        p90: histogram.percentile_us(0.9),
        p99: histogram.percentile_us(0.99),
        p999: histogram.percentile_us(0.999),
        max: histogram.max_us(),
        mean: histogram.mean_us(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enter(ledger: &mut Ledger, incarnation: u64, seq: u64) {
        let header = Header { seq, incarnation, sent_ns: 1_000_000, stamp_ns: 500_000, ..Header::default() };
        ledger.enter(&header, 10, true, 3_000_000);
    }

    #[test]
    fn missing_numbers_are_gaps_and_old_ones_are_out_of_order() {
        let mut ledger = Ledger::default();
        [5, 6, 9, 8, 9, 10].iter().for_each(|seq| enter(&mut ledger, 1, *seq));
        assert_eq!((ledger.received, ledger.gaps, ledger.reordered, ledger.restarts), (6, 2, 2, 0));
    }

    #[test]
    fn a_restart_of_the_publisher_is_no_gap() {
        let mut ledger = Ledger::default();
        enter(&mut ledger, 1, 900);
        enter(&mut ledger, 2, 1);
        enter(&mut ledger, 2, 2);
        assert_eq!((ledger.gaps, ledger.restarts), (0, 1));
    }

    #[test]
    fn a_report_has_totals_and_the_ages_since_the_last_one() {
        let mut ledger = Ledger::default();
        enter(&mut ledger, 1, 1);
        assert_eq!(ledger.report(), [1.0, 0.0, 0.0, 2000.0, 2000.0]);
        assert_eq!(ledger.report(), [1.0, 0.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn a_summary_tells_both_ages_as_json() {
        let mut ledger = Ledger::default();
        enter(&mut ledger, 1, 1);
        let json = serde_json::to_value(ledger.summary("in")).unwrap();
        assert_eq!((&json["input"], &json["received"], &json["bytes"]), (&"in".into(), &1.into(), &10.into()));
        assert_eq!((&json["sent_age_us"]["p50"], &json["stamp_age_us"]["p99"]), (&2000.0.into(), &2500.0.into()));
    }
}
