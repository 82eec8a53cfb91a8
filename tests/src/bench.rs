//! What the benches share: quick or whole, medians and percentiles, and a table with the figure to reach beside each that was
//! measured. It asserts nothing.

use std::{env, fmt::Display};

/// Whether the bench was asked for few rounds: `-- --quick`.
#[must_use]
pub fn is_quick() -> bool {
    env::args().any(|arg| arg == "--quick")
}

/// The value below which `part` (0 to 1) of the others lie; NaN when there are none.
#[must_use]
pub fn quantile(values: &[f64], part: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = (sorted.len() as f64 * part) as usize;
    sorted.get(at.min(sorted.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
}

/// The value in the middle; NaN when there are none.
#[must_use]
pub fn median(values: &[f64]) -> f64 {
    quantile(values, 0.5)
}

/// What the rounds of one measurement gave, a p50 and a p99 for each.
#[derive(Debug, Clone, Default)]
pub struct Rounds {
    rounds: Vec<(f64, f64)>,
}

impl Rounds {
    /// One more round; without values it does not count.
    pub fn add(&mut self, values: &[f64]) {
        if !values.is_empty() {
            self.rounds.push((median(values), quantile(values, 0.99)));
        }
    }

    /// The median of the rounds' p50.
    #[must_use]
    pub fn p50(&self) -> f64 {
        median(&self.rounds.iter().map(|round| round.0).collect::<Vec<_>>())
    }

    /// The median of the rounds' p99.
    #[must_use]
    pub fn p99(&self) -> f64 {
        median(&self.rounds.iter().map(|round| round.1).collect::<Vec<_>>())
    }

    /// Both, as a cell of a table.
    #[must_use]
    pub fn cell(&self) -> String {
        format!("{:.2} / {:.2}", self.p50(), self.p99())
    }
}

/// The heading of a table: what is measured, in which unit.
pub fn heading(what: &str, unit: &str) {
    println!("{what:<52} {unit:>18} {:>16}", "reach");
}

/// A row of it. `reach`: the figure to reach, empty where there is none.
pub fn row(what: &str, measured: impl Display, reach: &str) {
    println!("{what:<52} {measured:>18} {reach:>16}");
}
