//! Recursive least squares: every sample changes the weights, and what is older is forgotten. In f64; the covariance is kept as its
//! lower triangle, so it cannot lose its symmetry, and its trace is bounded, so it cannot wind up. It never keeps a sample, but for
//! the first few, from which the standardisation is learned.

use super::weights::{Layer, Weights};

mod block;

use block::Block;

/// Samples from which the standardisation is learned.
const WARM_UP: usize = 256;

/// The covariance at the beginning, where nobody gives a regularisation: little is known.
const LAMBDA: f64 = 1e-2;

/// From how many inputs on samples are taken in several at a time: the covariance does not fit into the cache.
const LARGE: usize = 512;

/// Over about how many of the last samples the loss is told.
const RECENT: f64 = 1000.0;

/// How much the trace of the covariance may grow over what it began with.
const TRACE_GROWTH: f64 = 1.0;

/// What came, and what should have been said.
type Sample = (Vec<f32>, Vec<f32>);

/// A linear map that follows its samples.
#[derive(Debug)]
pub struct Rls {
    inputs: usize,
    outputs: usize,
    forget: f64,
    lambda: f64,
    first: Vec<Sample>,
    mean: Vec<f64>,
    scale: Vec<f64>,
    target_mean: Vec<f64>,
    /// For each output a weight for each input and one for the constant.
    weights: Vec<Vec<f64>>,
    covariance: Covariance,
    /// The standardised sample, with the constant.
    seen: Vec<f64>,
    samples: u64,
    resets: u64,
    /// Mean squared error before learning, and the targets' mean square, over about the last 1000 samples.
    missed: [f64; 2],
}

#[derive(Debug)]
enum Covariance {
    /// Lower triangle, row by row.
    Triangle(Vec<f64>),
    Block(Box<Block>),
}

impl Rls {
    /// Learns to predict so many outputs from so many inputs; each sample keeps the share `forget` of its weight with the next.
    #[must_use]
    pub fn new(inputs: usize, outputs: usize, forget: f64, lambda: Option<f64>) -> Rls {
        let lambda = lambda.filter(|lambda| *lambda > 0.0).unwrap_or(LAMBDA);
        let size = inputs + 1;
        let covariance = if inputs < LARGE {
            Covariance::Triangle(triangle(size, 1.0 / lambda))
        } else {
            Covariance::Block(Box::new(Block::new(size, outputs, 1.0 / lambda)))
        };
        Rls {
            inputs,
            outputs,
            forget,
            lambda,
            first: Vec::new(),
            mean: Vec::new(),
            scale: Vec::new(),
            target_mean: Vec::new(),
            weights: vec![vec![0.0; size]; outputs],
            covariance,
            seen: vec![0.0; size],
            samples: 0,
            resets: 0,
            missed: [0.0; 2],
        }
    }

    /// Samples so far.
    #[must_use]
    pub fn samples(&self) -> u64 {
        self.samples
    }

    /// How often the covariance had to begin anew.
    #[must_use]
    pub fn resets(&self) -> u64 {
        self.resets
    }

    /// Mean squared error of the last samples before they were learned from, in parts of the targets' variance; NaN: not known.
    #[must_use]
    pub fn loss(&self) -> f64 {
        self.missed[0] / self.missed[1]
    }

    /// Takes in a sample.
    ///
    /// # Panics
    /// When it has another width.
    pub fn learn(&mut self, seen: &[f32], target: &[f32]) {
        assert_eq!((seen.len(), target.len()), (self.inputs, self.outputs), "whoever teaches looks at the widths");
        self.samples += 1;
        if self.first.len() < WARM_UP && self.mean.is_empty() {
            self.first.push((seen.to_vec(), target.to_vec()));
            if self.first.len() == WARM_UP {
                self.standardise();
            }
            return;
        }
        self.update(seen, target);
    }

    /// The mean and scale of the first samples; then they are learned from.
    fn standardise(&mut self) {
        let first = std::mem::take(&mut self.first);
        let count = first.len() as f64;
        let mean_of = |pick: &dyn Fn(&Sample) -> f64| first.iter().map(pick).sum::<f64>() / count;
        self.mean = (0..self.inputs).map(|at| mean_of(&|one| f64::from(one.0[at]))).collect();
        self.target_mean = (0..self.outputs).map(|at| mean_of(&|one| f64::from(one.1[at]))).collect();
        let mean = &self.mean;
        let deviation = |at: usize| mean_of(&|one| (f64::from(one.0[at]) - mean[at]).powi(2)).sqrt();
        // What did not change so far may change later: its scale is that of its size.
        self.scale = (0..self.inputs)
            .map(|at| match deviation(at) {
                spread if spread > 1e-6 * mean[at].abs().max(1e-6) => spread.recip(),
                _ => mean[at].abs().max(1.0).recip(),
            })
            .collect();
        first.iter().for_each(|(seen, target)| self.update(seen, target));
    }

    fn update(&mut self, seen: &[f32], target: &[f32]) {
        let standard = seen.iter().zip(&self.mean).zip(&self.scale);
        for (slot, ((value, mean), scale)) in self.seen.iter_mut().zip(standard) {
            *slot = (f64::from(*value) - mean) * scale;
        }
        self.seen[self.inputs] = 1.0;
        let target = target.iter().zip(&self.target_mean).map(|(value, mean)| f64::from(*value) - mean);
        for (weights, target) in self.weights.iter().zip(target.clone()) {
            let error = target - dot(weights, &self.seen);
            self.missed[0] += (error * error - self.missed[0]) / RECENT;
            self.missed[1] += (target * target - self.missed[1]) / RECENT;
        }
        let sound = match &mut self.covariance {
            Covariance::Block(block) => block.push(&self.seen, target, self.forget, self.lambda, &mut self.weights),
            Covariance::Triangle(lower) => {
                let trace_max = TRACE_GROWTH * self.seen.len() as f64 / self.lambda;
                step(lower, &self.seen, target, self.forget, trace_max, &mut self.weights)
            }
        };
        if !sound {
            self.reset();
        }
    }

    /// Begins the covariance anew; the weights stay where they are good.
    fn reset(&mut self) {
        self.resets += 1;
        let size = self.inputs + 1;
        match &mut self.covariance {
            Covariance::Triangle(lower) => *lower = triangle(size, 1.0 / self.lambda),
            Covariance::Block(block) => **block = Block::new(size, self.outputs, 1.0 / self.lambda),
        }
        for weights in self.weights.iter_mut().filter(|weights| weights.iter().any(|weight| !weight.is_finite())) {
            weights.fill(0.0);
        }
    }

    /// The weights as they are now; none before the standardisation is learned.
    #[must_use]
    pub fn weights(&self) -> Option<Weights> {
        if self.mean.is_empty() {
            return None;
        }
        let mut layer = Layer { weights: Vec::with_capacity(self.inputs * self.outputs), bias: Vec::new() };
        for (weights, mean) in self.weights.iter().zip(&self.target_mean) {
            layer.weights.extend(weights.iter().zip(&self.scale).map(|(weight, scale)| (weight * scale) as f32));
            layer.bias.push((weights[self.inputs] + mean) as f32);
        }
        let weights = Weights { mean: self.mean.iter().map(|mean| *mean as f32).collect(), layers: vec![layer] };
        weights.is_sound().then_some(weights)
    }
}

fn triangle(size: usize, diagonal: f64) -> Vec<f64> {
    let mut lower = vec![0.0; size * (size + 1) / 2];
    (0..size).for_each(|at| lower[at * (at + 1) / 2 + at] = diagonal);
    lower
}

/// One sample: false when the covariance is no covariance any more.
fn step(
    lower: &mut [f64],
    seen: &[f64],
    target: impl Iterator<Item = f64>,
    forget: f64,
    trace_max: f64,
    weights: &mut [Vec<f64>],
) -> bool {
    let (projected, trace) = project(lower, seen);
    // Where nothing new is seen, forgetting would let the covariance grow without end.
    let forget = if trace / forget > trace_max { 1.0 } else { forget };
    let scale = forget + dot(&projected, seen);
    if !scale.is_finite() || scale <= 0.0 || !trace.is_finite() || trace <= 0.0 {
        return false;
    }
    for (weights, target) in weights.iter_mut().zip(target) {
        let error = (target - dot(weights, seen)) / scale;
        weights.iter_mut().zip(&projected).for_each(|(weight, gain)| *weight += gain * error);
    }
    let (grow, shrink) = (forget.recip(), (forget * scale).recip());
    let mut rest = lower;
    for row in 0..seen.len() {
        let (now, later) = std::mem::take(&mut rest).split_at_mut(row + 1);
        let gain = projected[row] * shrink;
        now.iter_mut().zip(&projected).for_each(|(value, other)| *value = *value * grow - gain * other);
        rest = later;
    }
    weights.iter().all(|weights| weights.iter().all(|weight| weight.is_finite()))
}

/// The covariance times what is seen, and its trace.
fn project(lower: &[f64], seen: &[f64]) -> (Vec<f64>, f64) {
    let (mut projected, mut trace, mut rest) = (vec![0.0; seen.len()], 0.0, lower);
    for row in 0..seen.len() {
        let (now, later) = rest.split_at(row);
        let (diagonal, value) = (later[0], seen[row]);
        projected[row] += dot(now, &seen[..row]) + diagonal * value;
        projected[..row].iter_mut().zip(now).for_each(|(sum, other)| *sum += other * value);
        trace += diagonal;
        rest = &later[1..];
    }
    (projected, trace)
}

/// Lanes that add up beside each other, so that the processor need not wait for each sum.
const LANES: usize = 8;

fn dot(a: &[f64], b: &[f64]) -> f64 {
    let (a_lanes, b_lanes) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest: f64 = a_lanes.remainder().iter().zip(b_lanes.remainder()).map(|(a, b)| a * b).sum();
    let mut sums = [0.0f64; LANES];
    for (a, b) in a_lanes.zip(b_lanes) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    sums.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests;
