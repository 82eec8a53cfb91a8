//! The three sums of a layer, over whole batches: outputs, gradients of weights, gradients of inputs.
//!
//! A convolution reads its input where it lies: the inputs of one output place are as many contiguous stretches as the kernel has rows
//! ([`Geometry`]), so nothing is copied into columns first. A dense layer is the case of one place and one stretch.

use pulp::{Arch, Scalar, Simd, WithSimd};

use super::{
    shape::Layer,
    tile::{Block, inputs_tile, outputs_tile, weights_tile},
};

/// A group of samples whose inputs and gradients stay in the second cache while all weights look at them.
const GROUP_BYTES: usize = 256 << 10;

/// Rows of a tile: with two vectors each they fill the sixteen registers of AVX2.
const ROWS: usize = 6;

/// Where the inputs of each output place lie.
#[derive(Clone, Debug)]
pub(crate) struct Geometry {
    /// Numbers of one sample that come in.
    pub(crate) sample: usize,
    /// The first input of each place, counted from the sample's first.
    pub(crate) bases: Vec<usize>,
    /// How many stretches a place reads.
    pub(crate) stretches: usize,
    /// From one stretch to the next.
    pub(crate) step: usize,
    /// Numbers of a stretch.
    pub(crate) len: usize,
    /// Outputs of a place.
    pub(crate) outputs: usize,
    /// Whether negative outputs become 0.
    pub(crate) relu: bool,
}

impl Geometry {
    pub(crate) fn new(layer: &Layer) -> Geometry {
        let (rows, columns) = layer.places();
        match *layer {
            Layer::Conv { height, width, channels, kernel, stride, outputs } => Geometry {
                sample: height * width * channels,
                bases: (0..rows).flat_map(|y| (0..columns).map(move |x| (y * width + x) * stride * channels)).collect(),
                stretches: kernel,
                step: width * channels,
                len: kernel * channels,
                outputs,
                relu: true,
            },
            Layer::Dense { inputs, outputs, relu } => {
                Geometry { sample: inputs, bases: vec![0], stretches: 1, step: inputs, len: inputs, outputs, relu }
            }
        }
    }

    /// Numbers of one sample that go out.
    pub(crate) fn activations(&self) -> usize {
        self.bases.len() * self.outputs
    }

    pub(crate) fn weights(&self) -> usize {
        self.stretches * self.len * self.outputs
    }

    /// The first input of a place, counted over the batch.
    #[inline(always)]
    fn base(&self, place: usize) -> usize {
        if self.bases.len() == 1 {
            place * self.sample
        } else {
            (place / self.bases.len()) * self.sample + self.bases[place % self.bases.len()]
        }
    }
}

/// `output` = the layer's outputs for each sample of `input`.
pub(crate) fn forward(geometry: &Geometry, input: &[f32], weights: &[f32], bias: &[f32], output: &mut [f32]) {
    Arch::new().dispatch(Forward { geometry, input, weights, bias, output });
}

/// `gradient` += the weights' gradients; `outer` holds the outputs' (already masked where ReLU cut).
pub(crate) fn backward_weights(geometry: &Geometry, input: &[f32], outer: &[f32], gradient: &mut [f32]) {
    let per_sample = (geometry.sample + geometry.activations()) * size_of::<f32>();
    let group = (GROUP_BYTES / per_sample).max(1);
    let groups = input.chunks(group * geometry.sample).zip(outer.chunks(group * geometry.activations()));
    for (input, outer) in groups {
        Arch::new().dispatch(BackwardWeights { geometry, input, outer, gradient });
    }
}

/// `gradient` += the inputs' gradients; `transposed` are the weights with the inputs fastest.
pub(crate) fn backward_inputs(geometry: &Geometry, outer: &[f32], transposed: &[f32], gradient: &mut [f32]) {
    Arch::new().dispatch(BackwardInputs { geometry, outer, transposed, gradient });
}

/// `weights` (inputs × outputs) with the inputs fastest.
pub(crate) fn transpose(weights: &[f32], outputs: usize) -> Vec<f32> {
    let inputs = weights.len() / outputs;
    let mut transposed = vec![0.0; weights.len()];
    for (input, row) in weights.chunks_exact(outputs).enumerate() {
        for (output, weight) in row.iter().enumerate() {
            transposed[output * inputs + input] = *weight;
        }
    }
    transposed
}

/// `gradient` where ReLU let the output through, else 0; and the sums over all places, which are the biases' gradients.
pub(crate) fn mask(geometry: &Geometry, output: &[f32], gradient: &[f32]) -> (Vec<f32>, Vec<f32>) {
    let mut masked = gradient.to_vec();
    if geometry.relu {
        for (gradient, output) in masked.iter_mut().zip(output) {
            *gradient = if *output > 0.0 { *gradient } else { 0.0 };
        }
    }
    let mut sums = vec![0.0; geometry.outputs];
    for row in masked.chunks_exact(geometry.outputs) {
        for (sum, gradient) in sums.iter_mut().zip(row) {
            *sum += gradient;
        }
    }
    (masked, sums)
}

/// Calls `$tile::<_, R, V>` for the number of rows left.
macro_rules! rows {
    ($left:expr, $tile:ident, $vectors:literal, $($argument:expr),*) => {
        match $left {
            1 => $tile::<_, 1, $vectors>($($argument),*),
            2 => $tile::<_, 2, $vectors>($($argument),*),
            3 => $tile::<_, 3, $vectors>($($argument),*),
            4 => $tile::<_, 4, $vectors>($($argument),*),
            5 => $tile::<_, 5, $vectors>($($argument),*),
            _ => $tile::<_, 6, $vectors>($($argument),*),
        }
    };
}

/// Covers `columns` with blocks of two vectors, then one, then single numbers, and says each to `$body`.
macro_rules! blocks {
    ($simd:expr, $S:ident, $columns:expr, |$column:ident, $call:ident| $body:block) => {{
        let lanes = $S::F32_LANES;
        let mut $column = 0;
        while $column + 2 * lanes <= $columns {
            macro_rules! $call { ($left:expr, $tile:ident, $block:expr) => { rows!($left, $tile, 2, $simd, $block) }; }
            $body
            $column += 2 * lanes;
        }
        while $column + lanes <= $columns {
            macro_rules! $call { ($left:expr, $tile:ident, $block:expr) => { rows!($left, $tile, 1, $simd, $block) }; }
            $body
            $column += lanes;
        }
        while $column < $columns {
            macro_rules! $call { ($left:expr, $tile:ident, $block:expr) => { rows!($left, $tile, 1, Scalar, $block) }; }
            $body
            $column += 1;
        }
    }};
}

struct Forward<'a> {
    geometry: &'a Geometry,
    input: &'a [f32],
    weights: &'a [f32],
    bias: &'a [f32],
    output: &'a mut [f32],
}

impl WithSimd for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Forward { geometry, input, weights, bias, output } = self;
        let places = output.len() / geometry.outputs;
        blocks!(simd, S, geometry.outputs, |column, call| {
            let mut place = 0;
            while place < places {
                let left = (places - place).min(ROWS);
                let mut bases = [0; ROWS];
                for (row, base) in bases.iter_mut().take(left).enumerate() {
                    *base = geometry.base(place + row);
                }
                let block = Block { geometry, column, first: place };
                call!(left, outputs_tile, (block, input, &bases, weights, bias, &mut *output));
                place += left;
            }
        });
    }
}

struct BackwardWeights<'a> {
    geometry: &'a Geometry,
    input: &'a [f32],
    outer: &'a [f32],
    gradient: &'a mut [f32],
}

impl WithSimd for BackwardWeights<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let BackwardWeights { geometry, input, outer, gradient } = self;
        blocks!(simd, S, geometry.outputs, |column, call| {
            for stretch in 0..geometry.stretches {
                let mut offset = 0;
                while offset < geometry.len {
                    let left = (geometry.len - offset).min(ROWS);
                    let block = Block { geometry, column, first: stretch * geometry.len + offset };
                    let start = stretch * geometry.step + offset;
                    call!(left, weights_tile, (block, input, start, outer, &mut *gradient));
                    offset += left;
                }
            }
        });
    }
}

struct BackwardInputs<'a> {
    geometry: &'a Geometry,
    outer: &'a [f32],
    transposed: &'a [f32],
    gradient: &'a mut [f32],
}

impl WithSimd for BackwardInputs<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let BackwardInputs { geometry, outer, transposed, gradient } = self;
        let places = outer.len() / geometry.outputs;
        let mut place = 0;
        while place < places {
            let left = (places - place).min(ROWS);
            let mut bases = [0; ROWS];
            for (row, base) in bases.iter_mut().take(left).enumerate() {
                *base = geometry.base(place + row);
            }
            for stretch in 0..geometry.stretches {
                blocks!(simd, S, geometry.len, |column, call| {
                    let block = Block { geometry, column: stretch * geometry.len + column, first: place };
                    let start = stretch * geometry.step + column;
                    call!(left, inputs_tile, (block, start, outer, &bases, transposed, &mut *gradient));
                });
            }
            place += left;
        }
    }
}

#[cfg(test)]
mod tests;
