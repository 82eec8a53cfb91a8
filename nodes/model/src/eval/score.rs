//! How far a model's commands are from the human's, beside what is easy: saying the mean, or nothing. Pure.

use std::fmt::Write as _;

/// What is counted into one bar of the histogram: a twentieth of the way from full left to full right.
const BINS: usize = 21;

/// One output over a whole recording.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Score {
    /// Mean absolute error.
    pub mae: f64,
    /// Root of the mean squared error.
    pub rmse: f64,
    /// Coefficient of determination: 1 is perfect, 0 is as good as the mean; NaN where the human never changed it.
    pub r2: f64,
    /// Mean of model minus human.
    pub bias: f64,
    /// Mean absolute error of saying the human's mean all the time.
    pub mean_mae: f64,
    /// Mean absolute error of saying 0 all the time.
    pub zero_mae: f64,
}

impl Score {
    /// Compares pairs of the human's and the model's value.
    #[must_use]
    pub fn of(pairs: &[(f32, f32)]) -> Score {
        let count = pairs.len().max(1) as f64;
        let mean = |value: &dyn Fn(f64, f64) -> f64| {
            pairs.iter().map(|&(human, model)| value(f64::from(human), f64::from(model))).sum::<f64>() / count
        };
        let middle = mean(&|human, _| human);
        let spread = mean(&|human, _| (human - middle).powi(2));
        let square = mean(&|human, model| (model - human).powi(2));
        Score {
            mae: mean(&|human, model| (model - human).abs()),
            rmse: square.sqrt(),
            r2: if spread > 1e-12 { 1.0 - square / spread } else { f64::NAN },
            bias: mean(&|human, model| model - human),
            mean_mae: mean(&|human, _| (human - middle).abs()),
            zero_mae: mean(&|human, _| human.abs()),
        }
    }
}

/// A table of scores by the name of the output.
#[must_use]
pub fn table(scores: &[(&str, Score)]) -> String {
    let mut text = format!(
        "{:<9} {:>7} {:>7} {:>7} {:>8}   {:>13} {:>13}\n",
        "output", "MAE", "RMSE", "R2", "bias", "MAE of mean", "MAE of zero"
    );
    for (name, score) in scores {
        let Score { mae, rmse, r2, bias, mean_mae, zero_mae } = score;
        let r2 = if r2.is_finite() { format!("{r2:.3}") } else { "-".to_owned() };
        let _ =
            writeln!(text, "{name:<9} {mae:>7.4} {rmse:>7.4} {r2:>7} {bias:>+8.4}   {mean_mae:>13.4} {zero_mae:>13.4}");
    }
    text
}

/// How often values fall into each of equal parts of −1 to 1.
#[must_use]
pub fn histogram(values: impl Iterator<Item = f32>) -> [usize; BINS] {
    let mut bins = [0; BINS];
    for value in values.filter(|value| value.is_finite()) {
        let at = ((value.clamp(-1.0, 1.0) + 1.0) / 2.0 * (BINS - 1) as f32).round() as usize;
        bins[at.min(BINS - 1)] += 1;
    }
    bins
}

/// A histogram of errors for a terminal.
#[must_use]
pub fn bars(title: &str, bins: &[usize; BINS]) -> String {
    let most = bins.iter().copied().max().unwrap_or(0).max(1);
    let mut text = format!("{title}\n");
    for (at, count) in bins.iter().enumerate().filter(|(_, count)| **count > 0) {
        let value = at as f64 / (BINS - 1) as f64 * 2.0 - 1.0;
        let length = (count * 50).div_ceil(most);
        let _ = writeln!(text, "{value:>+5.1} {count:>7} {}", "#".repeat(length));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_perfect_model_has_no_error() {
        let score = Score::of(&[(-0.5, -0.5), (0.5, 0.5)]);
        assert_eq!((score.mae, score.rmse, score.r2, score.bias), (0.0, 0.0, 1.0, 0.0));
        assert_eq!((score.mean_mae, score.zero_mae), (0.5, 0.5));
    }

    #[test]
    fn saying_the_mean_explains_nothing_and_a_constant_human_cannot_be_explained() {
        let score = Score::of(&[(0.0, 0.5), (1.0, 0.5)]);
        assert_eq!((score.r2, score.mae, score.mean_mae, score.bias), (0.0, 0.5, 0.5, 0.0));
        assert!(Score::of(&[(0.5, 0.6), (0.5, 0.4)]).r2.is_nan());
        assert!(table(&[("turn", Score::of(&[(0.5, 0.6)]))]).contains(" - "));
    }

    #[test]
    fn a_histogram_counts_every_finite_value_once() {
        let bins = histogram([-1.0, 0.0, 0.02, 1.0, 3.0, f32::NAN].into_iter());
        assert_eq!((bins[0], bins[10], bins[20], bins.iter().sum::<usize>()), (1, 2, 2, 5));
        assert!(bars("errors", &bins).contains(" +1.0       2 ####"));
    }
}
