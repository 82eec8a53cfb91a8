//! A small convolutional network on one core: pictures to controls.
//!
//! - [`Shape`] says which network: one of three [`Size`]s, how many extra inputs, how many outputs.
//! - [`Net`] predicts. It owns its scratch memory, allocates nothing after its first picture, and never hands out a NaN.
//! - [`Preprocess`] makes a picture of any size into what the network takes: the same code while driving and while learning.
//! - [`Dataset`] holds prepared pictures in the order of time, [`Split`] keeps some stretches of it apart.
//! - [`Trainer`] learns, epoch by epoch, and can be stopped between two batches.
//! - [`weights`](crate::weights) is the file.
//!
//! Learning runs on candle's autograd with the convolution as a custom operation; predicting runs the same kernels without candle.
//! Nothing here reads a clock, a topic or a file.

mod adam;
mod augment;
mod autograd;
mod dataset;
mod kernel;
mod plan;
mod preprocess;
mod shape;
mod tile;
mod train;

pub use augment::Augment;
pub use autograd::gradients;
#[doc(hidden)]
pub use autograd::{stock, stock_gradients};
pub use dataset::{Dataset, Holdout, Split};
pub use preprocess::{Normalisation, Picture, Preprocess, Scratch};
pub(crate) use shape::SIDE_MAX;
pub use shape::{Layer, Shape, Size};
pub use train::{Epoch, Fit, Loss, Options, Outcome, Progress, Scores, Trainer};

use plan::Plan;

/// What can be wrong with a network's numbers.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// A slice is not as long as the shape says.
    #[error("{what}: {len} numbers where the network has {expected}")]
    Length {
        /// Which slice.
        what: &'static str,
        /// How long it is.
        len: usize,
        /// How long it must be.
        expected: usize,
    },
    /// A number that is none.
    #[error("{what} is not a finite number (entry {index})")]
    NotFinite {
        /// Where it stood.
        what: &'static str,
        /// At which place.
        index: usize,
    },
    /// There is nothing to learn from.
    #[error("{0}")]
    Data(String),
    /// The tensor library refused.
    #[error("learning failed: {0}")]
    Tensor(#[from] candle_core::Error),
}

/// How loud the few extras begin among hundreds of features: quieter, they are found late.
const EXTRAS_SPREAD: f32 = 0.35;

/// A network with its parameters.
#[derive(Clone, Debug)]
pub struct Net {
    shape: Shape,
    /// All layers' weights and biases, one after the other, as [`Shape::layers`] lists them.
    parameters: Vec<f32>,
    plan: Plan,
}

impl Net {
    /// A network that has learned nothing: He's initialisation from the seed, biases 0, and a last layer that says nearly 0.
    pub fn new(shape: &Shape, seed: u64) -> Net {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut parameters = Vec::with_capacity(shape.parameters());
        let layers = shape.layers();
        let joins = layers.iter().position(|layer| matches!(layer, Layer::Dense { .. }));
        for (place, layer) in layers.iter().enumerate() {
            let last = place + 1 == layers.len();
            let spread = if last { 0.1 } else { 1.0 } * (2.0 / layer.fan_in() as f32).sqrt();
            let extras = if joins == Some(place) { shape.extras * layer.outputs() } else { 0 };
            parameters.extend((extras..layer.weights()).map(|_| normal(&mut rng) * spread));
            parameters.extend((0..extras).map(|_| normal(&mut rng) * EXTRAS_SPREAD));
            parameters.extend(std::iter::repeat_n(0.0, layer.outputs()));
        }
        Net { shape: *shape, parameters, plan: Plan::new(shape) }
    }

    /// A network of known parameters; an error if they are too many, too few, or not finite.
    pub fn from_parameters(shape: &Shape, parameters: Vec<f32>) -> Result<Net, NetError> {
        expect_length("parameters", parameters.len(), shape.parameters())?;
        expect_finite("parameter", &parameters)?;
        Ok(Net { shape: *shape, parameters, plan: Plan::new(shape) })
    }

    /// Which network it is.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// All parameters, in the order of [`Shape::layers`]: each layer's weights, then its biases.
    pub fn parameters(&self) -> &[f32] {
        &self.parameters
    }

    pub(crate) fn parameters_mut(&mut self) -> &mut [f32] {
        &mut self.parameters
    }

    /// What the network says to one prepared picture (height × width × channels, as [`Preprocess::prepare`] makes it) and its extras.
    ///
    /// Allocates nothing. An output that is not finite is an error, and `out` then holds nothing to act on.
    pub fn predict(&mut self, picture: &[f32], extras: &[f32], out: &mut [f32]) -> Result<(), NetError> {
        expect_length("picture", picture.len(), self.shape.inputs())?;
        expect_length("extras", extras.len(), self.shape.extras)?;
        expect_length("outputs", out.len(), self.shape.outputs)?;
        expect_finite("picture", picture)?; // ReLU would make it look harmless
        expect_finite("extra", extras)?;
        self.plan.run(&self.parameters, picture, extras, out);
        expect_finite("output", out)
    }
}

fn expect_length(what: &'static str, len: usize, expected: usize) -> Result<(), NetError> {
    if len == expected { Ok(()) } else { Err(NetError::Length { what, len, expected }) }
}

fn expect_finite(what: &'static str, numbers: &[f32]) -> Result<(), NetError> {
    match numbers.iter().position(|n| !n.is_finite()) {
        None => Ok(()),
        Some(index) => Err(NetError::NotFinite { what, index }),
    }
}

/// Of mean 0 and deviation 1 (Box and Muller).
fn normal(rng: &mut fastrand::Rng) -> f32 {
    let (a, b) = (1.0 - rng.f32(), rng.f32());
    (-2.0 * a.ln()).sqrt() * (std::f32::consts::TAU * b).cos()
}

#[cfg(test)]
mod tests;
