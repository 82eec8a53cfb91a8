//! Which network: its layers, and how many numbers go in, through and out.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How large a network is, and how large the picture that it looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Size {
    /// 48×48 grey, 49 thousand parameters: enough to follow a road.
    #[default]
    Small,
    /// 96×96 grey, 308 thousand parameters.
    Medium,
    /// 160×120 in colour, 817 thousand parameters: the layers of donkeycar's default pilot.
    Donkeycar,
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Size::Small => "small",
            Size::Medium => "medium",
            Size::Donkeycar => "donkeycar",
        })
    }
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Size, String> {
        match text {
            "small" => Ok(Size::Small),
            "medium" => Ok(Size::Medium),
            "donkeycar" => Ok(Size::Donkeycar),
            other => Err(format!("no network is called \"{other}\": small, medium or donkeycar")),
        }
    }
}

/// One network: its size, its extra inputs and its outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shape {
    /// How large.
    pub size: Size,
    /// Floats beside the picture, joined where the picture has become features: commands still in flight, a speed.
    pub extras: usize,
    /// Floats that come out.
    pub outputs: usize,
}

/// No network has more extras or outputs: a bound for what a file may ask for.
pub(crate) const SIDE_MAX: usize = 4096;

/// A layer with weights. Weights are stored in the order of the fields' product, the outputs fastest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    /// A convolution without padding over height × width × channels, then ReLU.
    Conv {
        /// Rows that come in.
        height: usize,
        /// Columns that come in.
        width: usize,
        /// Channels that come in.
        channels: usize,
        /// Rows and columns of the kernel.
        kernel: usize,
        /// Steps between two places of the kernel.
        stride: usize,
        /// Channels that go out.
        outputs: usize,
    },
    /// Every input to every output, then ReLU unless it is the last.
    Dense {
        /// Numbers that come in.
        inputs: usize,
        /// Numbers that go out.
        outputs: usize,
        /// Whether negative outputs become 0.
        relu: bool,
    },
}

impl Layer {
    /// Inputs of one output.
    pub fn fan_in(&self) -> usize {
        match *self {
            Layer::Conv { channels, kernel, .. } => kernel * kernel * channels,
            Layer::Dense { inputs, .. } => inputs,
        }
    }

    /// Output channels, which is how many biases there are.
    pub fn outputs(&self) -> usize {
        match *self {
            Layer::Conv { outputs, .. } | Layer::Dense { outputs, .. } => outputs,
        }
    }

    /// How many weights, without biases.
    pub fn weights(&self) -> usize {
        self.fan_in() * self.outputs()
    }

    /// Weights and biases.
    pub fn parameters(&self) -> usize {
        self.weights() + self.outputs()
    }

    /// The weights' shape in a file: kernel rows, kernel columns, inputs, outputs; or inputs, outputs.
    pub fn weight_shape(&self) -> Vec<usize> {
        match *self {
            Layer::Conv { channels, kernel, outputs, .. } => vec![kernel, kernel, channels, outputs],
            Layer::Dense { inputs, outputs, .. } => vec![inputs, outputs],
        }
    }

    /// Rows and columns that go out of a convolution; 1×1 of a dense layer.
    pub fn places(&self) -> (usize, usize) {
        match *self {
            Layer::Conv { height, width, kernel, stride, .. } => {
                ((height - kernel) / stride + 1, (width - kernel) / stride + 1)
            }
            Layer::Dense { .. } => (1, 1),
        }
    }

    /// How many numbers come out.
    pub fn activations(&self) -> usize {
        let (rows, columns) = self.places();
        rows * columns * self.outputs()
    }
}

impl Shape {
    /// The columns of the picture it takes.
    pub fn width(&self) -> usize {
        match self.size {
            Size::Small => 48,
            Size::Medium => 96,
            Size::Donkeycar => 160,
        }
    }

    /// The rows of the picture it takes.
    pub fn height(&self) -> usize {
        match self.size {
            Size::Small => 48,
            Size::Medium => 96,
            Size::Donkeycar => 120,
        }
    }

    /// 1: grey, 3: red, green, blue.
    pub fn channels(&self) -> usize {
        match self.size {
            Size::Small | Size::Medium => 1,
            Size::Donkeycar => 3,
        }
    }

    /// Numbers in the picture it takes.
    pub fn inputs(&self) -> usize {
        self.width() * self.height() * self.channels()
    }

    /// Numbers in all its weights and biases.
    pub fn parameters(&self) -> usize {
        self.layers().iter().map(Layer::parameters).sum()
    }

    /// The layers from the picture to the outputs; the extras join before the first dense one.
    pub fn layers(&self) -> Vec<Layer> {
        let (convs, dense): (&[(usize, usize, usize)], &[usize]) = match self.size {
            Size::Small => (&[(16, 5, 2), (32, 3, 2), (32, 3, 2)], &[64, 32]),
            Size::Medium => (&[(24, 5, 2), (32, 5, 2), (64, 3, 2), (64, 3, 1)], &[56, 48]),
            Size::Donkeycar => (&[(24, 5, 2), (32, 5, 2), (64, 5, 2), (64, 3, 1), (64, 3, 1)], &[100, 50]),
        };
        let mut layers = Vec::with_capacity(convs.len() + dense.len() + 1);
        let (mut height, mut width, mut channels) = (self.height(), self.width(), self.channels());
        for &(outputs, kernel, stride) in convs {
            let layer = Layer::Conv { height, width, channels, kernel, stride, outputs };
            (height, width) = layer.places();
            channels = outputs;
            layers.push(layer);
        }
        let mut inputs = height * width * channels + self.extras;
        for &outputs in dense {
            layers.push(Layer::Dense { inputs, outputs, relu: true });
            inputs = outputs;
        }
        layers.push(Layer::Dense { inputs, outputs: self.outputs, relu: false });
        layers
    }

    /// Names of the layers in a file, in their order.
    pub fn names(&self) -> Vec<String> {
        let (mut conv, mut dense) = (0, 0);
        let number = |layer: &Layer| match layer {
            Layer::Conv { .. } => {
                conv += 1;
                format!("conv{conv}")
            }
            Layer::Dense { .. } => {
                dense += 1;
                format!("dense{dense}")
            }
        };
        self.layers().iter().map(number).collect()
    }
}
