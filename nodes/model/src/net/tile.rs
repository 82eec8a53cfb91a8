//! The innermost loops: R rows by V vectors of sums, which stay in registers.
//!
//! Every slice is cut to its length before its loop, so that bounds are checked once. Inlined into [`kernel`](super::kernel), which
//! picks the widest instructions that the processor has.

use pulp::Simd;

use super::kernel::Geometry;

/// Which part of the result a tile makes: `first` is its first row, `column` its first number in a row.
#[derive(Clone, Copy)]
pub(crate) struct Block<'a> {
    pub(crate) geometry: &'a Geometry,
    pub(crate) column: usize,
    pub(crate) first: usize,
}

/// What [`outputs_tile`] reads and writes: block, inputs, first input of each row, weights, biases, outputs.
pub(crate) type Outputs<'a> = (Block<'a>, &'a [f32], &'a [usize; 6], &'a [f32], &'a [f32], &'a mut [f32]);

/// What [`weights_tile`] reads and writes: block, inputs, first input of the block, outputs' gradients, weights' gradients.
pub(crate) type Weights<'a> = (Block<'a>, &'a [f32], usize, &'a [f32], &'a mut [f32]);

/// What [`inputs_tile`] reads and writes: block, first input of the block, outputs' gradients, first input of each row, transposed
/// weights, inputs' gradients.
pub(crate) type Inputs<'a> = (Block<'a>, usize, &'a [f32], &'a [usize; 6], &'a [f32], &'a mut [f32]);

/// Outputs of R places: the sum over all stretches of input × weight, plus bias, cut at 0 if the layer has ReLU.
#[inline(always)]
pub(crate) fn outputs_tile<S: Simd, const R: usize, const V: usize>(simd: S, operands: Outputs<'_>) {
    let (Block { geometry, column, first }, input, bases, weights, bias, output) = operands;
    let (len, outputs, wide) = (geometry.len, geometry.outputs, V * S::F32_LANES);
    let mut sums = [load::<S, V>(&bias[column..column + wide]); R];
    for stretch in 0..geometry.stretches {
        let mut rows = [&input[..0]; R];
        for r in 0..R {
            rows[r] = &input[bases[r] + stretch * geometry.step..][..len];
        }
        let weights = &weights[stretch * len * outputs..][..len * outputs];
        for (k, weights) in weights.chunks_exact(outputs).enumerate() {
            let weights = load::<S, V>(&weights[column..column + wide]);
            for r in 0..R {
                let x = simd.splat_f32s(rows[r][k]);
                for v in 0..V {
                    sums[r][v] = simd.mul_add_e_f32s(x, weights[v], sums[r][v]);
                }
            }
        }
    }
    for r in 0..R {
        if geometry.relu {
            for sum in &mut sums[r] {
                *sum = simd.max_f32s(*sum, simd.splat_f32s(0.0));
            }
        }
        store::<S, V>(&sums[r], &mut output[(first + r) * outputs + column..][..wide]);
    }
}

/// Gradients of R rows of weights: the sum over all places of input × the output's gradient.
#[inline(always)]
pub(crate) fn weights_tile<S: Simd, const R: usize, const V: usize>(simd: S, operands: Weights<'_>) {
    let (Block { geometry, column, first }, input, start, outer, gradient) = operands;
    let (outputs, wide) = (geometry.outputs, V * S::F32_LANES);
    let mut sums = [[simd.splat_f32s(0.0); V]; R];
    let samples = input.chunks_exact(geometry.sample).zip(outer.chunks_exact(geometry.activations()));
    for (input, outer) in samples {
        let input = &input[start..];
        for (base, outer) in geometry.bases.iter().zip(outer.chunks_exact(outputs)) {
            let outer = load::<S, V>(&outer[column..column + wide]);
            let input = &input[*base..*base + R];
            for r in 0..R {
                let x = simd.splat_f32s(input[r]);
                for v in 0..V {
                    sums[r][v] = simd.mul_add_e_f32s(x, outer[v], sums[r][v]);
                }
            }
        }
    }
    for r in 0..R {
        add::<S, V>(simd, &sums[r], &mut gradient[(first + r) * outputs + column..][..wide]);
    }
}

/// What R places add to a stretch of their inputs' gradients: the sum over all outputs of gradient × weight.
#[inline(always)]
pub(crate) fn inputs_tile<S: Simd, const R: usize, const V: usize>(simd: S, operands: Inputs<'_>) {
    let (Block { geometry, column, first }, start, outer, bases, transposed, gradient) = operands;
    let (outputs, wide) = (geometry.outputs, V * S::F32_LANES);
    let inputs = geometry.stretches * geometry.len;
    let mut rows = [&outer[..0]; R];
    for r in 0..R {
        rows[r] = &outer[(first + r) * outputs..][..outputs];
    }
    let mut sums = [[simd.splat_f32s(0.0); V]; R];
    for (o, weights) in transposed[..outputs * inputs].chunks_exact(inputs).enumerate() {
        let weights = load::<S, V>(&weights[column..column + wide]);
        for r in 0..R {
            let x = simd.splat_f32s(rows[r][o]);
            for v in 0..V {
                sums[r][v] = simd.mul_add_e_f32s(x, weights[v], sums[r][v]);
            }
        }
    }
    for r in 0..R {
        add::<S, V>(simd, &sums[r], &mut gradient[bases[r] + start..][..wide]);
    }
}

#[inline(always)]
fn load<S: Simd, const V: usize>(numbers: &[f32]) -> [S::f32s; V] {
    let (vectors, _) = S::as_simd_f32s(numbers);
    let mut loaded = [vectors[0]; V];
    loaded.copy_from_slice(&vectors[..V]);
    loaded
}

#[inline(always)]
fn store<S: Simd, const V: usize>(vectors: &[S::f32s; V], numbers: &mut [f32]) {
    let (target, _) = S::as_mut_simd_f32s(numbers);
    target[..V].copy_from_slice(vectors);
}

#[inline(always)]
fn add<S: Simd, const V: usize>(simd: S, vectors: &[S::f32s; V], numbers: &mut [f32]) {
    let (target, _) = S::as_mut_simd_f32s(numbers);
    for v in 0..V {
        target[v] = simd.add_f32s(target[v], vectors[v]);
    }
}
