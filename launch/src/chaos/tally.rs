//! What came of the faults, as people and machines read it.
//! It never measures anything.

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;

use super::{losses::Lost, plan::Fault, trial::Times};
use crate::words::table;

/// One fault and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Row {
    /// Seconds since the first moment when something could be broken.
    pub(super) at_s: f64,
    pub(super) graph: String,
    pub(super) node: String,
    pub(super) fault: Fault,
    pub(super) detect_ms: Option<f64>,
    pub(super) renew_ms: Option<f64>,
    pub(super) recover_ms: Option<f64>,
    pub(super) lost_by_others: u64,
    pub(super) skipped_by_others: u64,
    pub(super) recovered: bool,
    /// What went wrong.
    pub(super) why: Option<String>,
}

/// One value of all faults of a kind.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Spread {
    p50: f64,
    p99: f64,
    max: f64,
}

/// All faults of a kind.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Sum {
    pub(super) fault: Fault,
    pub(super) n: usize,
    pub(super) recovered: usize,
    detect_ms: Option<Spread>,
    renew_ms: Option<Spread>,
    recover_ms: Option<Spread>,
    lost_by_others: Option<Spread>,
}

impl Row {
    pub(super) fn new(at: Duration, (graph, node): (&str, &str), fault: Fault, times: Times, lost: Lost) -> Row {
        let ms = |time: Option<Duration>| time.map(|time| time.as_secs_f64() * 1e3);
        Row {
            at_s: at.as_secs_f64(),
            graph: graph.to_owned(),
            node: node.to_owned(),
            fault,
            detect_ms: ms(times.detect),
            renew_ms: ms(times.renew),
            recover_ms: ms(times.recover),
            lost_by_others: lost.lost,
            skipped_by_others: lost.skipped,
            recovered: true,
            why: None,
        }
    }

    /// What is wrong with it, as a sentence.
    pub(super) fn complaint(&self) -> Option<String> {
        let who = format!("{}:{} after {} at {:.1} s", self.graph, self.node, self.fault.word(), self.at_s);
        match (&self.why, self.lost_by_others) {
            (Some(why), _) => Some(format!("{who}: {why}")),
            (None, 0) => None,
            (None, lost) => Some(format!("{who}: others lost {lost} messages")),
        }
    }

    /// As it is told when it happened.
    pub(super) fn line(&self) -> String {
        let [_, fault, node, detect, renew, recover, lost, skipped] = self.cells();
        let end = self.why.as_ref().map_or_else(String::new, |why| format!("  NOT RECOVERED: {why}"));
        format!(
            "{:6.1} s  {fault}  {node:20}  noticed {detect}, new process {renew}, recovered {recover} ms; \
             others lost {lost}, skipped {skipped}{end}\n",
            self.at_s
        )
    }

    fn cells(&self) -> [String; 8] {
        let recover = if self.recovered { number(self.recover_ms) } else { "never".to_owned() };
        [
            format!("{:.1}", self.at_s),
            self.fault.word().to_owned(),
            format!("{}:{}", self.graph, self.node),
            number(self.detect_ms),
            number(self.renew_ms),
            recover,
            self.lost_by_others.to_string(),
            self.skipped_by_others.to_string(),
        ]
    }
}

/// The faults by kind.
pub(super) fn sums(rows: &[Row]) -> Vec<Sum> {
    let mut kinds: BTreeMap<Fault, Vec<&Row>> = BTreeMap::new();
    rows.iter().for_each(|row| kinds.entry(row.fault).or_default().push(row));
    let sum = |(fault, rows): (Fault, Vec<&Row>)| {
        let spread = |pick: fn(&Row) -> Option<f64>| Spread::of(rows.iter().filter_map(|row| pick(row)).collect());
        Sum {
            fault,
            n: rows.len(),
            recovered: rows.iter().filter(|row| row.recovered).count(),
            detect_ms: spread(|row| row.detect_ms),
            renew_ms: spread(|row| row.renew_ms),
            recover_ms: spread(|row| row.recover_ms),
            lost_by_others: spread(|row| Some(row.lost_by_others as f64)),
        }
    };
    kinds.into_iter().map(sum).collect()
}

/// All of it, for people.
pub(super) fn tables(rows: &[Row]) -> String {
    let head = ["AT s", "FAULT", "NODE", "NOTICED ms", "NEW PROCESS ms", "RECOVERED ms", "OTHERS LOST", "SKIPPED"];
    let all = table(&head, &rows.iter().map(|row| row.cells().to_vec()).collect::<Vec<_>>());
    let head = ["FAULT", "N", "RECOVERED", "NOTICED ms", "NEW PROCESS ms", "RECOVERED ms", "OTHERS LOST"];
    let cell = |spread: &Option<Spread>| spread.as_ref().map_or_else(|| "-".to_owned(), Spread::cell);
    let lost =
        |sum: &Sum| sum.lost_by_others.as_ref().map_or_else(String::new, |lost| format!("{:.0} at most", lost.max));
    let line = |sum: &Sum| {
        let [detect, renew, recover] = [&sum.detect_ms, &sum.renew_ms, &sum.recover_ms].map(cell);
        let (n, recovered) = (sum.n.to_string(), sum.recovered.to_string());
        vec![sum.fault.word().to_owned(), n, recovered, detect, renew, recover, lost(sum)]
    };
    let sums = table(&head, &sums(rows).iter().map(line).collect::<Vec<_>>());
    format!("{all}\np50 / p99 / max of each fault:\n{sums}")
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.1}"))
}

impl Spread {
    fn of(mut values: Vec<f64>) -> Option<Spread> {
        values.sort_by(f64::total_cmp);
        let at = |part: f64| values.get(((values.len() as f64 * part) as usize).min(values.len() - 1)).copied();
        let max = *values.last()?;
        Some(Spread { p50: at(0.5)?, p99: at(0.99)?, max })
    }

    fn cell(&self) -> String {
        format!("{:.1} / {:.1} / {:.1}", self.p50, self.p99, self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(fault: Fault, recover: u64) -> Row {
        let times = Times { recover: Some(Duration::from_millis(recover)), ..Times::default() };
        Row::new(Duration::from_secs(1), ("robot", "camera"), fault, times, Lost::default())
    }

    #[test]
    fn faults_are_summed_by_kind() {
        let mut rows: Vec<Row> = (1..=100).map(|ms| row(Fault::Kill, ms)).collect();
        rows.push(Row { recovered: false, recover_ms: None, ..row(Fault::Hang, 0) });
        let sums = sums(&rows);
        assert_eq!((sums[0].fault, sums[0].n, sums[0].recovered), (Fault::Kill, 100, 100));
        assert_eq!(sums[0].recover_ms, Some(Spread { p50: 51.0, p99: 100.0, max: 100.0 }));
        assert_eq!((sums[1].n, sums[1].recovered, &sums[1].recover_ms), (1, 0, &None));
    }

    #[test]
    fn only_what_is_wrong_is_complained_about() {
        assert_eq!(row(Fault::Kill, 1).complaint(), None);
        let lost = Row { lost_by_others: 2, ..row(Fault::Kill, 1) };
        assert_eq!(lost.complaint().as_deref(), Some("robot:camera after kill at 1.0 s: others lost 2 messages"));
        let broken = Row { recovered: false, why: Some("it is failed: SIGKILL".into()), ..lost };
        assert_eq!(broken.complaint().as_deref(), Some("robot:camera after kill at 1.0 s: it is failed: SIGKILL"));
    }

    #[test]
    fn the_tables_show_each_fault_and_their_spread() {
        let text = tables(&[row(Fault::Kill, 12), Row { recovered: false, ..row(Fault::Hang, 0) }]);
        assert!(text.contains("kill   robot:camera  -           -               12.0"), "{text}");
        assert!(text.contains("never"), "{text}");
        assert!(text.contains("12.0 / 12.0 / 12.0"), "{text}");
    }
}
