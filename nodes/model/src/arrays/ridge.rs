//! Ridge regression in closed form: sums of products in f64, block by block, solved by Cholesky. Standardisation comes from the
//! same sums. It never keeps the samples, but for the few that are held out to choose the regularisation.

use std::collections::VecDeque;

use faer::{
    Accum, Mat, Par, Side,
    linalg::matmul::{
        matmul,
        triangular::{self, BlockStructure},
    },
    linalg::solvers::Solve,
};

use super::weights::{Layer, Scratch, Weights};

/// Samples that are added at once: a product of matrices is many times faster than as many of vectors.
const BLOCK: usize = 128;

/// Held out is one run of so many samples…
const RUN: u64 = 256;
/// …in so many runs.
const RUNS: u64 = 5;
/// The most held-out numbers, 64 MB.
const HELD_MAX: usize = 16 << 20;

/// Regularisations to choose from, in parts of an input's variance.
const CHOICES: [f64; 7] = [1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0];
/// The same where each costs seconds.
const FEW: [f64; 3] = [1e-4, 1e-3, 1e-2];
/// From how many inputs on each costs seconds.
const MANY: usize = 2000;

/// Sums over all samples so far.
#[derive(Debug)]
pub struct Ridge {
    inputs: usize,
    outputs: usize,
    keep: f64,
    lambda: Option<f64>,
    /// Near the inputs' mean: the first sample. Taken off so that a large mean costs no digits.
    shift: Vec<f64>,
    /// Seen and target of the block under way, a column a sample; the last row of `seen` is 1.
    seen: Mat<f64>,
    target: Mat<f64>,
    filled: usize,
    /// Sums of products of what is seen, lower triangle; the last row holds the sums.
    products: Mat<f64>,
    /// Sums of products with the targets.
    with_target: Mat<f64>,
    /// Sums of squares of the targets.
    squares: Vec<f64>,
    weight: f64,
    samples: u64,
    held: VecDeque<(Vec<f32>, Vec<f32>)>,
}

/// What was learned, and how well it fits.
#[derive(Debug, Clone)]
pub struct Fit {
    /// What predicts.
    pub weights: Weights,
    /// Mean squared error over the data learned from, in parts of the targets' variance; NaN: not known.
    pub loss: f64,
    /// The same over held-out data.
    pub validation_loss: f64,
    /// How it was chosen, in a few words.
    pub note: String,
}

impl Ridge {
    /// Learns to predict so many outputs from so many inputs, from about the last `keep` samples.
    #[must_use]
    pub fn new(inputs: usize, outputs: usize, keep: u64, lambda: Option<f64>) -> Ridge {
        Ridge {
            inputs,
            outputs,
            keep: keep as f64,
            lambda,
            shift: Vec::new(),
            seen: Mat::zeros(inputs + 1, BLOCK),
            target: Mat::zeros(outputs, BLOCK),
            filled: 0,
            products: Mat::zeros(inputs + 1, inputs + 1),
            with_target: Mat::zeros(inputs + 1, outputs),
            squares: vec![0.0; outputs],
            weight: 0.0,
            samples: 0,
            held: VecDeque::new(),
        }
    }

    /// Takes in a sample.
    ///
    /// # Panics
    /// When it has another width.
    pub fn learn(&mut self, seen: &[f32], target: &[f32]) {
        assert_eq!((seen.len(), target.len()), (self.inputs, self.outputs), "whoever teaches looks at the widths");
        self.samples += 1;
        if self.shift.is_empty() {
            self.shift = seen.iter().map(|value| f64::from(*value)).collect();
        }
        // The first runs are learned from, so that there is something at once.
        if self.lambda.is_none() && (self.samples / RUN) % RUNS == RUNS - 1 {
            self.hold_out(seen, target);
            return;
        }
        let at = self.filled;
        for (row, (value, shift)) in seen.iter().zip(&self.shift).enumerate() {
            self.seen[(row, at)] = f64::from(*value) - shift;
        }
        self.seen[(self.inputs, at)] = 1.0;
        for (row, value) in target.iter().enumerate() {
            self.target[(row, at)] = f64::from(*value);
            self.squares[row] += f64::from(*value) * f64::from(*value);
        }
        self.filled += 1;
        if self.filled == BLOCK {
            self.add_block();
        }
    }

    /// Samples so far.
    #[must_use]
    pub fn samples(&self) -> u64 {
        self.samples
    }

    fn hold_out(&mut self, seen: &[f32], target: &[f32]) {
        if (self.held.len() + 1) * (self.inputs + self.outputs) > HELD_MAX {
            self.held.pop_front();
        }
        self.held.push_back((seen.to_vec(), target.to_vec()));
    }

    fn add_block(&mut self) {
        let count = std::mem::take(&mut self.filled);
        if count == 0 {
            return;
        }
        let (seen, target) = (self.seen.as_ref().subcols(0, count), self.target.as_ref().subcols(0, count));
        triangular::matmul(
            self.products.as_mut(),
            BlockStructure::TriangularLower,
            Accum::Add,
            seen,
            BlockStructure::Rectangular,
            seen.transpose(),
            BlockStructure::Rectangular,
            1.0,
            Par::Seq,
        );
        matmul(self.with_target.as_mut(), Accum::Add, seen, target.transpose(), 1.0, Par::Seq);
        self.weight += count as f64;
        if self.weight > self.keep {
            self.fade(self.keep / self.weight);
        }
    }

    /// What is older counts less, so that about `keep` samples count.
    fn fade(&mut self, share: f64) {
        self.products *= faer::Scale(share);
        self.with_target *= faer::Scale(share);
        self.squares.iter_mut().for_each(|square| *square *= share);
        self.weight *= share;
    }

    /// Solves for the weights. None as long as there is nothing to tell apart.
    pub fn fit(&mut self) -> Option<Fit> {
        self.add_block();
        if self.weight < 2.0 {
            return None;
        }
        let problem = Problem::new(self);
        let choices: Vec<f64> = match self.lambda {
            Some(lambda) => vec![lambda],
            None if self.held.is_empty() => vec![CHOICES[3]],
            None if self.inputs > MANY => FEW.to_vec(),
            None => CHOICES.to_vec(),
        };
        let solved = choices.into_iter().filter_map(|lambda| {
            let (weights, loss) = problem.solve(lambda)?;
            let validation_loss = self.held_out_loss(&weights, &problem.target_variance);
            Some(Fit { weights, loss, validation_loss, note: format!("lambda {lambda:e}") })
        });
        solved.min_by(|a, b| a.validation_loss.total_cmp(&b.validation_loss))
    }

    fn held_out_loss(&self, weights: &Weights, variance: &[f64]) -> f64 {
        let (mut sum, mut scratch) = (0.0, Scratch::default());
        for (seen, target) in &self.held {
            for ((predicted, target), variance) in weights.predict(seen, &mut scratch).iter().zip(target).zip(variance)
            {
                let error = f64::from(predicted - target);
                sum += error * error / variance.max(f64::MIN_POSITIVE);
            }
        }
        sum / (self.held.len() * self.outputs) as f64 // NaN where nothing is held out
    }
}

/// The standardised normal equations.
struct Problem {
    mean: Vec<f64>,
    scale: Vec<f64>,
    correlation: Mat<f64>,
    with_target: Mat<f64>,
    target_mean: Vec<f64>,
    target_variance: Vec<f64>,
    shift: Vec<f64>,
}

impl Problem {
    fn new(sums: &Ridge) -> Problem {
        let (count, weight, last) = (sums.inputs, sums.weight, sums.inputs);
        let mean: Vec<f64> = (0..count).map(|at| sums.products[(last, at)] / weight).collect();
        let target_mean: Vec<f64> = (0..sums.outputs).map(|at| sums.with_target[(last, at)] / weight).collect();
        let variance = |at: usize| sums.products[(at, at)] / weight - mean[at] * mean[at];
        // What never changes (but for rounding) tells nothing: its scale 0 keeps it out.
        let scale: Vec<f64> = (0..count)
            .map(|at| {
                let square = sums.products[(at, at)] / weight;
                if variance(at) > square * 1e-12 { variance(at).sqrt().recip() } else { 0.0 }
            })
            .collect();
        let correlation = Mat::from_fn(count, count, |row, column| {
            if row < column {
                return 0.0; // only the lower triangle is read
            }
            (sums.products[(row, column)] / weight - mean[row] * mean[column]) * scale[row] * scale[column]
        });
        let with_target = Mat::from_fn(count, sums.outputs, |row, column| {
            (sums.with_target[(row, column)] / weight - mean[row] * target_mean[column]) * scale[row]
        });
        let target_variance =
            sums.squares.iter().zip(&target_mean).map(|(sum, mean)| sum / weight - mean * mean).collect();
        Problem { mean, scale, correlation, with_target, target_mean, target_variance, shift: sums.shift.clone() }
    }

    fn solve(&self, lambda: f64) -> Option<(Weights, f64)> {
        let mut matrix = self.correlation.clone();
        for at in 0..matrix.nrows() {
            matrix[(at, at)] += lambda.max(1e-12) + if self.scale[at] == 0.0 { 1.0 } else { 0.0 };
        }
        let solved = matrix.llt(Side::Lower).ok()?.solve(&self.with_target);
        let mut layer = Layer { weights: Vec::with_capacity(solved.nrows() * solved.ncols()), bias: Vec::new() };
        let mut loss = 0.0;
        for output in 0..solved.ncols() {
            let scaled = (0..solved.nrows()).map(|at| (solved[(at, output)] * self.scale[at]) as f32);
            layer.weights.extend(scaled);
            layer.bias.push(self.target_mean[output] as f32);
            let explained: f64 = (0..solved.nrows())
                .map(|at| solved[(at, output)] * (self.with_target[(at, output)] + lambda * solved[(at, output)]))
                .sum();
            let variance = self.target_variance[output].max(f64::MIN_POSITIVE);
            loss += (1.0 - explained / variance) / solved.ncols() as f64;
        }
        let mean = self.mean.iter().zip(&self.shift).map(|(mean, shift)| (mean + shift) as f32).collect();
        let weights = Weights { mean, layers: vec![layer] };
        weights.is_sound().then_some((weights, loss.max(0.0)))
    }
}

#[cfg(test)]
mod tests;
