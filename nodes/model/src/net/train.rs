//! Learning: epochs over a data set, batches within, the best kept.

use std::ops::ControlFlow;

use candle_core::{Result, Tensor};

use super::{
    Augment, Dataset, Holdout, Net, NetError, Preprocess, Split, adam::Adam, augment::Sample, autograd::gradients,
};

/// How a difference between said and done counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Loss {
    /// Half its square.
    Squared,
    /// Half its square up to this difference, then straight on: one mistake of the driver's does not outweigh a lap.
    Huber(f32),
}

impl Loss {
    /// Of each entry.
    pub(crate) fn of(&self, difference: &Tensor) -> Result<Tensor> {
        match *self {
            Loss::Squared => difference.sqr()? * 0.5,
            Loss::Huber(edge) => {
                let size = difference.abs()?;
                let near = size.minimum(f64::from(edge))?;
                (near.sqr()? * 0.5)? + ((size - near)? * f64::from(edge))?
            }
        }
    }

    fn of_number(&self, difference: f32) -> f32 {
        match *self {
            Loss::Squared => 0.5 * difference * difference,
            Loss::Huber(edge) => {
                let near = difference.abs().min(edge);
                0.5 * near * near + edge * (difference.abs() - near)
            }
        }
    }
}

/// Ten pictures are not looked at forever.
const TIMES_MAX: usize = 20;

/// How to learn.
#[derive(Clone, Debug)]
pub struct Options {
    /// The most passes over the data; [`Trainer::fit`] makes more of them if they are short.
    pub epochs: usize,
    /// [`Trainer::fit`] makes as many times more passes, and has as many times more patience, as it takes to come to so many steps: a
    /// minute of driving needs as many steps as ten.
    pub steps_min: usize,
    /// Samples between two steps.
    pub batch: usize,
    /// How long a step is.
    pub rate: f32,
    /// Whether [`Trainer::fit`] shortens its steps along half a cosine, to a twentieth at the last epoch.
    pub anneal: bool,
    /// How much of each parameter a step takes back, times the rate.
    pub decay: f32,
    /// How much the last step counts in the mean of the last steps' networks, which is what comes out.
    pub average: f32,
    /// [`Trainer::fit`] ends after so many epochs without a better validation.
    pub patience: usize,
    /// How a difference counts.
    pub loss: Loss,
    /// How much each output counts; empty: all the same.
    pub weights: Vec<f32>,
    /// What is done to samples before they are learned.
    pub augment: Augment,
    /// What is kept apart by [`Trainer::fit`].
    pub holdout: Holdout,
    /// Which chance: the same seed over the same data makes the same network.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            epochs: 30,
            steps_min: 1500,
            batch: 32,
            rate: 1e-3,
            anneal: true,
            decay: 1e-2,
            average: 0.01,
            patience: 8,
            loss: Loss::Huber(0.5),
            weights: Vec::new(),
            augment: Augment::default(),
            holdout: Holdout::default(),
            seed: 1,
        }
    }
}

impl Options {
    /// For a car: what the first output says is the turn, and the extras at `turns` are turns too.
    pub fn driving(turns: Vec<usize>) -> Options {
        Options { augment: Augment::driving(0, turns), ..Options::default() }
    }

    /// How many times more passes so few samples need.
    fn times(&self, samples: usize) -> usize {
        let steps = self.epochs * samples.div_ceil(self.batch.max(1));
        self.steps_min.div_ceil(steps.max(1)).clamp(1, TIMES_MAX)
    }
}

/// Where learning stands between two batches.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// This epoch's number, from 1.
    pub epoch: usize,
    /// The most epochs.
    pub epochs: usize,
    /// Batches done in this epoch.
    pub batch: usize,
    /// Batches of this epoch.
    pub batches: usize,
    /// The mean loss of this epoch so far.
    pub loss: f64,
}

/// How well a network does on samples that it did not learn.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scores {
    /// How many samples; 0: nothing is known.
    pub samples: usize,
    /// The mean loss.
    pub loss: f64,
    /// The mean size of the error, an entry an output.
    pub mean_absolute: Vec<f64>,
    /// Coefficient of determination, an entry an output; 0 where the target never changes.
    pub r2: Vec<f64>,
}

/// One pass over the data.
#[derive(Clone, Debug, PartialEq)]
pub struct Epoch {
    /// Its number, from 1.
    pub number: usize,
    /// Samples learned from.
    pub samples: usize,
    /// The mean loss while learning, on changed pictures.
    pub training: f64,
    /// On the samples kept apart.
    pub validation: Scores,
    /// Whether no earlier epoch was better.
    pub best: bool,
}

/// How a pass ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// All batches are done.
    Done(Epoch),
    /// The callback stopped it; what was learned since the last epoch stays in [`Trainer::net`].
    Stopped,
}

/// What came of [`Trainer::fit`].
#[derive(Clone, Debug, PartialEq)]
pub struct Fit {
    /// Each epoch.
    pub epochs: Vec<Epoch>,
    /// Which of them was the best, from 0; none if none was finished.
    pub best: Option<usize>,
    /// Whether the callback stopped it.
    pub stopped: bool,
}

/// Learns, and keeps the best that it came to.
#[derive(Clone, Debug)]
pub struct Trainer {
    /// Where the steps are.
    stepping: Net,
    /// The mean of where they were lately: what is checked and handed out, for steps jump about.
    net: Net,
    best: Net,
    best_loss: f64,
    preprocess: Preprocess,
    options: Options,
    adam: Adam,
    rng: fastrand::Rng,
    epochs: usize,
    /// The number of the last epoch that [`Trainer::fit`] means to come to.
    until: usize,
    steps: f32,
}

impl Trainer {
    /// Continues from `net`, which may be new or learned.
    pub fn new(net: Net, preprocess: &Preprocess, options: Options) -> Trainer {
        let adam = Adam::new(net.parameters().len());
        let rng = fastrand::Rng::with_seed(options.seed);
        Trainer {
            stepping: net.clone(),
            best: net.clone(),
            net,
            best_loss: f64::INFINITY,
            preprocess: *preprocess,
            options,
            adam,
            rng,
            epochs: 0,
            until: 0,
            steps: 0.0,
        }
    }

    /// The network as it is: the mean of the last steps.
    pub fn net(&self) -> &Net {
        &self.net
    }

    /// The network as it was after its best epoch; what it began with, before the first.
    pub fn best(&self) -> &Net {
        &self.best
    }

    /// Its options.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Goes back to the best network and forgets where the steps were heading.
    pub fn roll_back(&mut self) {
        self.stepping = self.best.clone();
        self.net = self.best.clone();
        self.steps = 0.0;
        self.adam = Adam::new(self.stepping.parameters().len());
    }

    /// Measures the best anew, for when the samples kept apart became others: the next epoch is compared to this.
    pub fn reconsider(&mut self, data: &Dataset, split: &Split) -> std::result::Result<Scores, NetError> {
        let scores = score(&mut self.best, &self.preprocess, &self.options, data, &split.validation)?;
        self.best_loss = if scores.samples == 0 { f64::INFINITY } else { scores.loss };
        Ok(scores)
    }

    /// Epochs until validation has not become better for [`patience`](Options::patience) of them, or `watch` stops it. The result is
    /// [`best`](Trainer::best).
    pub fn fit(
        &mut self,
        data: &Dataset,
        mut watch: impl FnMut(&Progress, Option<&Epoch>) -> ControlFlow<()>,
    ) -> std::result::Result<Fit, NetError> {
        let split = Split::by_time(data, &self.options.holdout);
        let mut fit = Fit { epochs: Vec::new(), best: None, stopped: false };
        let times = self.options.times(split.training.len());
        let (epochs, patience) = (self.options.epochs * times, self.options.patience * times);
        self.until = self.epochs + epochs;
        for number in 0..epochs {
            let along = number as f32 / epochs.max(2) as f32;
            let shorter = if self.options.anneal { 0.525 + 0.475 * (std::f32::consts::PI * along).cos() } else { 1.0 };
            match self.pass(data, &split, shorter, &mut |progress| watch(progress, None))? {
                Outcome::Stopped => {
                    fit.stopped = true;
                    return Ok(fit);
                }
                Outcome::Done(epoch) => {
                    if epoch.best {
                        fit.best = Some(fit.epochs.len());
                    }
                    let progress = self.progress(1, 1, epoch.training);
                    let stops = watch(&progress, Some(&epoch)).is_break();
                    fit.epochs.push(epoch);
                    if stops {
                        fit.stopped = true;
                        return Ok(fit);
                    }
                }
            }
            if fit.best.is_some_and(|best| fit.epochs.len() - 1 - best >= patience) {
                break;
            }
        }
        Ok(fit)
    }

    /// One pass over the data, at the full rate. `watch` is asked between batches.
    pub fn epoch(
        &mut self,
        data: &Dataset,
        split: &Split,
        mut watch: impl FnMut(&Progress) -> ControlFlow<()>,
    ) -> std::result::Result<Outcome, NetError> {
        self.pass(data, split, 1.0, &mut watch)
    }

    fn pass(
        &mut self,
        data: &Dataset,
        split: &Split,
        shorter: f32,
        watch: &mut dyn FnMut(&Progress) -> ControlFlow<()>,
    ) -> std::result::Result<Outcome, NetError> {
        self.check(data, split)?;
        let mut order = split.training.clone();
        self.rng.shuffle(&mut order);
        let batches = order.len().div_ceil(self.options.batch.max(1));
        self.epochs += 1;
        let weights = output_weights(&self.options, self.stepping.shape().outputs);
        let (mut batch, mut sum) = (Batch::default(), 0.0);
        for (nth, samples) in order.chunks(self.options.batch.max(1)).enumerate() {
            batch.fill(data, samples, &self.preprocess, &self.options.augment, &mut self.rng);
            let (loss, gradient) = gradients(
                &self.stepping,
                (&batch.numbers, &batch.extras, &batch.targets),
                &self.options.loss,
                &weights,
            )?;
            let rate = self.options.rate * shorter;
            if !self.adam.step(self.stepping.parameters_mut(), &gradient, rate, self.options.decay) {
                return Err(NetError::Data(format!(
                    "learning left the finite numbers in epoch {}: a smaller rate than {} would not",
                    self.epochs, self.options.rate
                )));
            }
            self.follow();
            sum += loss * samples.len() as f64;
            let so_far = sum / (nth * self.options.batch + samples.len()) as f64;
            if watch(&self.progress(nth + 1, batches, so_far)).is_break() {
                return Ok(Outcome::Stopped);
            }
        }
        let training = sum / order.len() as f64;
        let validation = score(&mut self.net, &self.preprocess, &self.options, data, &split.validation)?;
        let loss = if validation.samples == 0 { training } else { validation.loss };
        let best = loss < self.best_loss;
        if best {
            self.best_loss = loss;
            self.best.clone_from(&self.net);
        }
        Ok(Outcome::Done(Epoch { number: self.epochs, samples: order.len(), training, validation, best }))
    }

    /// Brings the mean of the last steps' networks up to this step. Young means are short, so that they do not remember the beginning.
    fn follow(&mut self) {
        self.steps += 1.0;
        let share = (10.0 / (9.0 + self.steps)).clamp(self.options.average, 1.0);
        for (mean, parameter) in self.net.parameters_mut().iter_mut().zip(self.stepping.parameters()) {
            *mean += share * (parameter - *mean);
        }
    }

    fn progress(&self, batch: usize, batches: usize, loss: f64) -> Progress {
        Progress { epoch: self.epochs, epochs: self.until.max(self.epochs), batch, batches, loss }
    }

    /// How well the network as it is does on some samples.
    pub fn score(&mut self, data: &Dataset, samples: &[usize]) -> std::result::Result<Scores, NetError> {
        score(&mut self.net, &self.preprocess, &self.options, data, samples)
    }

    fn check(&self, data: &Dataset, split: &Split) -> std::result::Result<(), NetError> {
        if data.shape() != self.stepping.shape() {
            return Err(NetError::Data("the samples are of another shape than the network".into()));
        }
        if split.training.is_empty() {
            return Err(NetError::Data("there is nothing to learn from: no samples".into()));
        }
        let len = data.len();
        match split.training.iter().chain(&split.validation).find(|sample| **sample >= len) {
            Some(sample) => Err(NetError::Data(format!("sample {sample} of {len} does not exist"))),
            None => Ok(()),
        }
    }
}

fn output_weights(options: &Options, outputs: usize) -> Vec<f32> {
    (0..outputs).map(|output| options.weights.get(output).copied().unwrap_or(1.0)).collect()
}

/// How well a network does on some samples of a data set.
pub(crate) fn score(
    net: &mut Net,
    preprocess: &Preprocess,
    options: &Options,
    data: &Dataset,
    samples: &[usize],
) -> std::result::Result<Scores, NetError> {
    let outputs = net.shape().outputs;
    let weights = output_weights(options, outputs);
    let (mut numbers, mut said) = (vec![0.0; net.shape().inputs()], vec![0.0; outputs]);
    let (mut loss, mut sizes, mut squares) = (0.0, vec![0.0; outputs], vec![0.0; outputs]);
    let (mut sums, mut sums_squared) = (vec![0.0; outputs], vec![0.0; outputs]);
    for &sample in samples {
        preprocess.normalise(data.picture(sample), &mut numbers);
        net.predict(&numbers, data.extras(sample), &mut said)?;
        for (output, (said, done)) in said.iter().zip(data.targets(sample)).enumerate() {
            let (difference, done) = (said - done, f64::from(*done));
            loss += f64::from(options.loss.of_number(difference) * weights[output]);
            sizes[output] += f64::from(difference.abs());
            squares[output] += f64::from(difference * difference);
            sums[output] += done;
            sums_squared[output] += done * done;
        }
    }
    let count = samples.len().max(1) as f64;
    let r2 = |output: usize| {
        let spread: f64 = sums_squared[output] - sums[output] * sums[output] / count;
        if spread > 1e-9 { 1.0 - squares[output] / spread } else { 0.0 }
    };
    Ok(Scores {
        samples: samples.len(),
        loss: loss / (count * outputs.max(1) as f64),
        mean_absolute: sizes.iter().map(|size| size / count).collect(),
        r2: (0..outputs).map(r2).collect(),
    })
}

/// Samples that are learned at once.
#[derive(Default)]
struct Batch {
    bytes: Vec<u8>,
    memory: Vec<u8>,
    numbers: Vec<f32>,
    extras: Vec<f32>,
    targets: Vec<f32>,
}

impl Batch {
    fn fill(
        &mut self,
        data: &Dataset,
        samples: &[usize],
        preprocess: &Preprocess,
        augment: &Augment,
        rng: &mut fastrand::Rng,
    ) {
        let shape = *data.shape();
        self.numbers.resize(samples.len() * shape.inputs(), 0.0);
        self.extras.clear();
        self.targets.clear();
        for (&sample, numbers) in samples.iter().zip(self.numbers.chunks_exact_mut(shape.inputs())) {
            self.bytes.clear();
            self.bytes.extend_from_slice(data.picture(sample));
            self.extras.extend_from_slice(data.extras(sample));
            self.targets.extend_from_slice(data.targets(sample));
            let (extras, targets) = (self.extras.len() - shape.extras, self.targets.len() - shape.outputs);
            let sample = Sample {
                picture: &mut self.bytes,
                extras: &mut self.extras[extras..],
                targets: &mut self.targets[targets..],
            };
            augment.apply(rng, &shape, sample, &mut self.memory);
            preprocess.normalise(&self.bytes, numbers);
        }
    }
}

#[cfg(test)]
mod tests;
