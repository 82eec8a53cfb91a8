//! How good predictions were on data that was not learned from yet: R² over the last samples, and spans of time. It never allocates
//! once it is full.

use std::collections::VecDeque;

/// Over how many of the last samples.
const SAMPLES: usize = 8192;

/// So many samples say something at least.
const SOME: usize = 200;

/// How many spans of time are remembered.
const SPANS: usize = 256;

/// Predictions against what came.
#[derive(Debug)]
pub struct Score {
    outputs: usize,
    /// Target and error of each output, sample by sample.
    last: VecDeque<[f64; 2]>,
}

impl Score {
    /// Of so many outputs.
    #[must_use]
    pub fn new(outputs: usize) -> Score {
        Score { outputs, last: VecDeque::new() }
    }

    /// A prediction and what came.
    pub fn push(&mut self, predicted: &[f32], target: &[f32]) {
        if self.last.len() >= SAMPLES * self.outputs {
            self.last.drain(..self.outputs);
        }
        let both = predicted.iter().zip(target).take(self.outputs);
        self.last.extend(both.map(|(predicted, target)| [f64::from(*target), f64::from(predicted - target)]));
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.last.clear();
    }

    /// The coefficient of determination of each output; empty while there are too few samples.
    #[must_use]
    pub fn r2(&self) -> Vec<f64> {
        if self.outputs == 0 || self.last.len() / self.outputs < SOME {
            return Vec::new();
        }
        (0..self.outputs).map(|output| self.of(output)).collect()
    }

    fn of(&self, output: usize) -> f64 {
        let own = || self.last.iter().skip(output).step_by(self.outputs);
        let count = own().count() as f64;
        let mean = own().map(|[target, _]| target).sum::<f64>() / count;
        let total: f64 = own().map(|[target, _]| (target - mean).powi(2)).sum();
        let missed: f64 = own().map(|[_, error]| error * error).sum();
        1.0 - missed / total.max(f64::MIN_POSITIVE)
    }
}

/// The last spans of time, in nanoseconds.
#[derive(Debug, Default)]
pub struct Spans {
    last: Vec<u64>,
    next: usize,
}

impl Spans {
    /// One more.
    pub fn push(&mut self, span_ns: u64) {
        match self.last.get_mut(self.next) {
            Some(oldest) => *oldest = span_ns,
            None => self.last.push(span_ns),
        }
        self.next = (self.next + 1) % SPANS;
    }

    /// Half of them, and all but one in a hundred, took no longer; 0: there are none.
    #[must_use]
    pub fn p50_p99(&self) -> (u64, u64) {
        let mut sorted = self.last.clone();
        sorted.sort_unstable();
        let rank =
            |share: usize| sorted.get((sorted.len() * share).div_ceil(100).saturating_sub(1)).copied().unwrap_or(0);
        (rank(50), rank(99))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_perfect_prediction_is_one_the_mean_is_zero() {
        let mut score = Score::new(2);
        assert!(score.r2().is_empty());
        for at in 0..200 {
            let target = (at % 2) as f32;
            score.push(&[target, 0.5], &[target, target]);
        }
        assert_eq!(score.r2(), [1.0, 0.0]);
        (0..3 * SAMPLES).for_each(|at| score.push(&[0.0, 0.0], &[(at % 3) as f32, 0.0]));
        assert_eq!(score.last.len(), 2 * SAMPLES);
        assert!(score.r2()[0] < 0.0);
    }

    #[test]
    fn the_last_spans_count() {
        let mut spans = Spans::default();
        assert_eq!(spans.p50_p99(), (0, 0));
        (0..1000).chain(1..=256).for_each(|span| spans.push(span));
        assert_eq!(spans.p50_p99(), (128, 254));
    }
}
