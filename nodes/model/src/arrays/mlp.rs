//! A small network of two hidden layers, trained by candle from the last samples, a slice of time at a go. It never holds more samples
//! than it was told to.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use candle_core::{DType, Device, Result, Tensor, Var};

use super::{
    ridge::Fit,
    weights::{Layer, Weights},
};

/// Samples of one step.
const BATCH: usize = 64;
/// Every fifth run of so many samples is held out.
const RUN: usize = 256;
const RUNS: usize = 5;
/// Passes without a better result before it stops.
const PATIENCE: u32 = 8;
/// The most passes of one training.
const EPOCHS_MAX: u32 = 200;
/// The most numbers of all samples together: 256 MB.
const NUMBERS_MAX: usize = 64 << 20;
const RATE: f64 = 1e-3;
const DECAY: f64 = 1e-4;

type Sample = (Box<[f32]>, Box<[f32]>);

/// A network and its samples.
#[derive(Debug)]
pub struct Mlp {
    inputs: usize,
    outputs: usize,
    hidden: usize,
    keep: usize,
    random: fastrand::Rng,
    samples: VecDeque<Sample>,
    learned: u64,
    training: Option<Training>,
    /// The parameters to go on from.
    known: Option<Vec<Tensor>>,
    epochs: u64,
}

/// One training under way: of the samples as they were when it began.
#[derive(Debug)]
struct Training {
    scales: [Scale; 2],
    seen: Tensor,
    target: Tensor,
    held_seen: Tensor,
    held_target: Tensor,
    order: Vec<u32>,
    at: usize,
    vars: Vec<Var>,
    moments: Vec<[Tensor; 2]>,
    steps: i32,
    loss: f64,
    best: f64,
    waited: u32,
    passes: u32,
}

/// Mean and deviation of each element.
#[derive(Debug, Clone)]
struct Scale {
    mean: Vec<f32>,
    deviation: Vec<f32>,
}

impl Mlp {
    /// Learns to predict so many outputs from so many inputs, from the last `keep` samples.
    #[must_use]
    pub fn new(inputs: usize, outputs: usize, hidden: usize, keep: u64, seed: u64) -> Mlp {
        let room = NUMBERS_MAX / (inputs + outputs).max(1);
        Mlp {
            inputs,
            outputs,
            hidden,
            keep: (keep as usize).min(room).max(2 * RUN),
            random: fastrand::Rng::with_seed(seed),
            samples: VecDeque::new(),
            learned: 0,
            training: None,
            known: None,
            epochs: 0,
        }
    }

    /// Takes in a sample.
    ///
    /// # Panics
    /// When it has another width.
    pub fn learn(&mut self, seen: &[f32], target: &[f32]) {
        assert_eq!((seen.len(), target.len()), (self.inputs, self.outputs), "whoever teaches looks at the widths");
        self.learned += 1;
        if self.samples.len() >= self.keep {
            self.samples.pop_front();
        }
        self.samples.push_back((seen.into(), target.into()));
    }

    /// Samples so far.
    #[must_use]
    pub fn samples(&self) -> u64 {
        self.learned
    }

    /// Passes over the data so far.
    #[must_use]
    pub fn epochs(&self) -> u64 {
        self.epochs
    }

    /// Whether a training is under way.
    #[must_use]
    pub fn is_training(&self) -> bool {
        self.training.is_some()
    }

    /// Begins a training of what is there.
    ///
    /// # Errors
    /// A sentence of candle's.
    pub fn begin(&mut self) -> Result<()> {
        if self.samples.len() >= BATCH {
            self.training = Some(Training::new(self)?);
        }
        Ok(())
    }

    /// Trains on for so long; what became better meanwhile.
    ///
    /// # Errors
    /// A sentence of candle's.
    pub fn work(&mut self, budget: Duration) -> Result<Option<Fit>> {
        let Some(mut training) = self.training.take() else { return Ok(None) };
        let (until, mut better) = (Instant::now() + budget, None);
        loop {
            if training.step()? {
                self.epochs += 1;
                self.random.shuffle(&mut training.order);
                if let Some(fit) = training.judge()? {
                    self.known = Some(training.vars.iter().map(|var| var.as_tensor().copy()).collect::<Result<_>>()?);
                    better = Some(fit);
                }
                if training.waited >= PATIENCE || training.passes >= EPOCHS_MAX {
                    return Ok(better);
                }
            }
            if Instant::now() >= until {
                self.training = Some(training);
                return Ok(better);
            }
        }
    }

    /// The parameters to begin with: those known, or small chance.
    fn parameters(&mut self) -> Result<Vec<Var>> {
        if let Some(known) = &self.known {
            return known.iter().map(Var::from_tensor).collect();
        }
        let widths = [self.inputs, self.hidden, self.hidden, self.outputs];
        let mut vars = Vec::new();
        for pair in widths.windows(2) {
            let (from, to) = (pair[0], pair[1]);
            let bound = (3.0 / from as f32).sqrt();
            let weights: Vec<f32> = (0..from * to).map(|_| (self.random.f32() * 2.0 - 1.0) * bound).collect();
            vars.push(Var::from_tensor(&Tensor::from_vec(weights, (from, to), &Device::Cpu)?)?);
            vars.push(Var::zeros(to, DType::F32, &Device::Cpu)?);
        }
        Ok(vars)
    }
}

impl Training {
    fn new(mlp: &mut Mlp) -> Result<Training> {
        let vars = mlp.parameters()?;
        let is_held = |at: usize| (at / RUN) % RUNS == RUNS - 1;
        let pick =
            |held: bool| mlp.samples.iter().enumerate().filter(move |(at, _)| is_held(*at) == held).map(|(_, one)| one);
        let scales = [
            Scale::of(pick(false).map(|one| &one.0), mlp.inputs),
            Scale::of(pick(false).map(|one| &one.1), mlp.outputs),
        ];
        let (seen, target) =
            (scales[0].apply(pick(false).map(|one| &one.0))?, scales[1].apply(pick(false).map(|one| &one.1))?);
        let (held_seen, held_target) = match pick(true).next() {
            Some(_) => (scales[0].apply(pick(true).map(|one| &one.0))?, scales[1].apply(pick(true).map(|one| &one.1))?),
            None => (seen.clone(), target.clone()),
        };
        let zero = |var: &Var| var.zeros_like();
        let moments = vars.iter().map(|var| Ok([zero(var)?, zero(var)?])).collect::<Result<_>>()?;
        let mut order: Vec<u32> = (0..seen.dim(0)? as u32).collect();
        mlp.random.shuffle(&mut order);
        let (at, steps, loss, best, waited, passes) = (0, 0, 0.0, f64::INFINITY, 0, 0);
        Ok(Training {
            scales,
            seen,
            target,
            held_seen,
            held_target,
            order,
            at,
            vars,
            moments,
            steps,
            loss,
            best,
            waited,
            passes,
        })
    }

    fn forward(&self, seen: &Tensor) -> Result<Tensor> {
        let mut now = seen.clone();
        for (at, pair) in self.vars.chunks_exact(2).enumerate() {
            if at > 0 {
                now = now.relu()?;
            }
            now = now.matmul(pair[0].as_tensor())?.broadcast_add(pair[1].as_tensor())?;
        }
        Ok(now)
    }

    /// One batch; true when all data was seen once more.
    fn step(&mut self) -> Result<bool> {
        let to = (self.at + BATCH).min(self.order.len());
        let batch = Tensor::from_slice(&self.order[self.at..to], to - self.at, &Device::Cpu)?;
        let (seen, target) = (self.seen.index_select(&batch, 0)?, self.target.index_select(&batch, 0)?);
        let loss = (self.forward(&seen)? - target)?.sqr()?.mean_all()?;
        let gradients = loss.backward()?;
        self.steps += 1;
        for (var, moments) in self.vars.iter().zip(&mut self.moments) {
            if let Some(gradient) = gradients.get(var.as_tensor()) {
                adam(var, &gradient.detach(), moments, self.steps)?;
            }
        }
        self.loss += f64::from(loss.to_scalar::<f32>()?) * (to - self.at) as f64 / self.order.len() as f64;
        self.at = if to == self.order.len() { 0 } else { to };
        Ok(self.at == 0)
    }

    /// After a pass: what predicts, if it became better on what was held out.
    fn judge(&mut self) -> Result<Option<Fit>> {
        let error = (self.forward(&self.held_seen)? - &self.held_target)?.sqr()?.mean_all()?;
        let validation_loss = f64::from(error.to_scalar::<f32>()?);
        let loss = std::mem::take(&mut self.loss);
        self.passes += 1;
        self.waited += 1;
        if validation_loss.partial_cmp(&self.best) != Some(std::cmp::Ordering::Less) {
            return Ok(None);
        }
        (self.best, self.waited) = (validation_loss, 0);
        let weights = self.weights()?;
        Ok(weights.is_sound().then(|| Fit { weights, loss, validation_loss, note: format!("pass {}", self.passes) }))
    }

    /// The network with the standardisation folded into its first and last layer.
    fn weights(&self) -> Result<Weights> {
        let mut layers = Vec::new();
        for pair in self.vars.chunks_exact(2) {
            let weights = pair[0].as_tensor().t()?.contiguous()?.flatten_all()?.to_vec1::<f32>()?;
            layers.push(Layer { weights, bias: pair[1].as_tensor().to_vec1::<f32>()? });
        }
        let [seen, target] = &self.scales;
        if let Some(first) = layers.first_mut() {
            for row in first.weights.chunks_exact_mut(seen.mean.len().max(1)) {
                row.iter_mut().zip(&seen.deviation).for_each(|(weight, deviation)| *weight /= deviation);
            }
        }
        if let Some(last) = layers.last_mut() {
            let width = last.weights.len() / last.bias.len().max(1);
            for (output, row) in last.weights.chunks_exact_mut(width.max(1)).enumerate() {
                row.iter_mut().for_each(|weight| *weight *= target.deviation[output]);
                last.bias[output] = last.bias[output] * target.deviation[output] + target.mean[output];
            }
        }
        Ok(Weights { mean: seen.mean.clone(), layers })
    }
}

/// Adam with decay of the weights.
fn adam(var: &Var, gradient: &Tensor, moments: &mut [Tensor; 2], step: i32) -> Result<()> {
    const FIRST: f64 = 0.9;
    const SECOND: f64 = 0.999;
    let [mean, square] = moments;
    *mean = ((&*mean * FIRST)? + (gradient * (1.0 - FIRST))?)?;
    *square = ((&*square * SECOND)? + (gradient.sqr()? * (1.0 - SECOND))?)?;
    let unbiased = (&*mean / (1.0 - FIRST.powi(step)))?;
    let spread = ((&*square / (1.0 - SECOND.powi(step)))?.sqrt()? + 1e-8)?;
    let moved = ((var.as_tensor() * (1.0 - RATE * DECAY))? - (unbiased / spread)? * RATE)?;
    var.set(&moved)
}

impl Scale {
    fn of<'a>(rows: impl Iterator<Item = &'a Box<[f32]>>, width: usize) -> Scale {
        let (mut count, mut mean, mut square) = (0.0f64, vec![0.0f64; width], vec![0.0f64; width]);
        for row in rows {
            count += 1.0;
            for ((value, mean), square) in row.iter().zip(&mut mean).zip(&mut square) {
                let off = f64::from(*value) - *mean;
                *mean += off / count;
                *square += off * (f64::from(*value) - *mean);
            }
        }
        let deviation = |square: &f64| (square / f64::max(count, 1.0)).sqrt() as f32;
        let deviation = square.iter().map(deviation).map(|spread| if spread > 1e-9 { spread } else { 1.0 }).collect();
        Scale { mean: mean.iter().map(|mean| *mean as f32).collect(), deviation }
    }

    fn apply<'a>(&self, rows: impl Iterator<Item = &'a Box<[f32]>>) -> Result<Tensor> {
        let standard = rows.flat_map(|row| row.iter().zip(self.mean.iter().zip(&self.deviation)));
        let values: Vec<f32> = standard.map(|(value, (mean, deviation))| (value - mean) / deviation).collect();
        let width = self.mean.len();
        Tensor::from_vec(values.clone(), (values.len() / width.max(1), width), &Device::Cpu)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arrays::weights::Scratch;

    #[test]
    fn it_learns_what_is_not_linear() {
        let (mut mlp, mut random) = (Mlp::new(3, 1, 32, 10_000, 1), fastrand::Rng::with_seed(7));
        let sample = |random: &mut fastrand::Rng| {
            let seen: Vec<f32> = (0..3).map(|_| 100.0 + 10.0 * (random.f32() - 0.5)).collect();
            let target = [1000.0 + 5.0 * (seen[0] - seen[1]).abs()];
            (seen, target)
        };
        for _ in 0..4000 {
            let (seen, target) = sample(&mut random);
            mlp.learn(&seen, &target);
        }
        mlp.begin().unwrap();
        let mut best = None;
        for _ in 0..1000 {
            best = mlp.work(Duration::from_millis(50)).unwrap().or(best);
            if !mlp.is_training() {
                break;
            }
        }
        let fit = best.unwrap();
        assert!(fit.validation_loss < 0.05, "{} after {} passes", fit.validation_loss, mlp.epochs());
        let (mut off, mut scratch) = (0.0, Scratch::default());
        for _ in 0..200 {
            let (seen, target) = sample(&mut random);
            off += (fit.weights.predict(&seen, &mut scratch)[0] - target[0]).abs() / 200.0;
        }
        assert!(off < 3.0, "{off} of some 17");
    }

    #[test]
    fn the_oldest_samples_make_room() {
        let mut mlp = Mlp::new(1, 1, 8, 600, 1);
        (0..2000).for_each(|at| mlp.learn(&[at as f32], &[0.0]));
        assert_eq!((mlp.samples.len(), mlp.samples()), (600, 2000));
    }
}
