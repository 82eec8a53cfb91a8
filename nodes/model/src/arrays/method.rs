//! One of the ways to learn, and when it has something to do. It never waits.

use std::time::{Duration, Instant};

use super::{
    mlp::Mlp,
    params::{Method, Params},
    ridge::{Fit, Ridge},
    rls::Rls,
};

/// How long a training goes on before what came meanwhile is taken in.
const SLICE: Duration = Duration::from_millis(50);
/// How often weights that change with every sample are handed over.
const HAND_OVER_EVERY: Duration = Duration::from_millis(10);

/// A way to learn, at work.
#[derive(Debug)]
pub(crate) struct Learning {
    how: How,
    refit_every: Duration,
    /// When it last came to an end.
    done: Option<Instant>,
    /// Samples at that time.
    known: u64,
}

#[derive(Debug)]
enum How {
    Ridge(Ridge),
    Rls(Rls),
    Mlp(Mlp),
}

/// How many numbers each way to learn may see at once: what it keeps grows with their square (512 MB, 128 MB), or with each layer.
fn seen_max(method: Method) -> usize {
    match method {
        Method::Ridge => 8192,
        Method::Rls => 4096,
        Method::Mlp => 65_536,
    }
}

/// The most numbers that are predicted at once.
const PREDICTED_MAX: usize = 1024;

/// Why so many numbers are too many, if they are.
pub(crate) fn too_many(params: &Params, seen: usize, predicted: usize) -> Option<String> {
    let most = seen_max(params.kind);
    if predicted > PREDICTED_MAX {
        return Some(format!("target has {predicted} elements, more than {PREDICTED_MAX}"));
    }
    let (kind, lags) = (params.kind.name(), params.lags);
    (seen > most)
        .then(|| format!("{lags} looks show {seen} numbers, more than the {most} that {kind} takes: give fewer lags"))
}

impl Learning {
    pub(crate) fn new(params: &Params, inputs: usize, outputs: usize) -> Learning {
        let how = match params.kind {
            Method::Ridge => How::Ridge(Ridge::new(inputs, outputs, params.keep, params.lambda)),
            Method::Rls => How::Rls(Rls::new(inputs, outputs, params.forget, params.lambda)),
            Method::Mlp => How::Mlp(Mlp::new(inputs, outputs, params.hidden as usize, params.keep, params.seed)),
        };
        Learning { how, refit_every: params.refit_every.0, done: None, known: 0 }
    }

    pub(crate) fn learn(&mut self, seen: &[f32], target: &[f32]) {
        match &mut self.how {
            How::Ridge(ridge) => ridge.learn(seen, target),
            How::Rls(rls) => rls.learn(seen, target),
            How::Mlp(mlp) => mlp.learn(seen, target),
        }
    }

    pub(crate) fn samples(&self) -> u64 {
        match &self.how {
            How::Ridge(ridge) => ridge.samples(),
            How::Rls(rls) => rls.samples(),
            How::Mlp(mlp) => mlp.samples(),
        }
    }

    /// Passes over the data so far, where there are any.
    pub(crate) fn epochs(&self) -> u64 {
        match &self.how {
            How::Mlp(mlp) => mlp.epochs(),
            How::Ridge(_) | How::Rls(_) => 0,
        }
    }

    /// Whether there is work to do at once.
    pub(crate) fn is_busy(&self) -> bool {
        matches!(&self.how, How::Mlp(mlp) if mlp.is_training())
    }

    /// Whether it needs no more samples: it learned once and should not again.
    pub(crate) fn is_done(&self) -> bool {
        let once = !matches!(self.how, How::Rls(_)) && self.refit_every.is_zero();
        once && self.done.is_some() && !self.is_busy()
    }

    /// Does what is due, for a moment; weights if there are better ones.
    ///
    /// # Errors
    /// A sentence about what went wrong.
    pub(crate) fn work(&mut self) -> Result<Option<Fit>, String> {
        if self.is_busy() || self.is_due() { self.turn() } else { Ok(None) }
    }

    fn is_due(&self) -> bool {
        let every = if matches!(self.how, How::Rls(_)) { HAND_OVER_EVERY } else { self.refit_every };
        let due = match self.done {
            None => true,
            Some(done) => !every.is_zero() && done.elapsed() >= every,
        };
        due && self.samples() > self.known
    }

    fn turn(&mut self) -> Result<Option<Fit>, String> {
        let fit = match &mut self.how {
            How::Ridge(ridge) => ridge.fit(),
            How::Rls(rls) => {
                let resets = rls.resets();
                let note = if resets > 0 { format!("begun anew {resets} times") } else { String::new() };
                rls.weights().map(|weights| Fit { weights, loss: rls.loss(), validation_loss: f64::NAN, note })
            }
            How::Mlp(mlp) => {
                let text = |error: candle_core::Error| error.to_string();
                if !mlp.is_training() {
                    mlp.begin().map_err(text)?;
                }
                mlp.work(SLICE).map_err(text)?
            }
        };
        if !self.is_busy() {
            (self.done, self.known) = (Some(Instant::now()), self.samples());
        }
        Ok(fit)
    }
}
