//! What predicts: layers of numbers, the first with the inputs' standardisation folded in. It never learns.

/// A learned function from what is seen to a prediction: linear with one layer, else with rectified layers between.
#[derive(Debug, Clone, PartialEq)]
pub struct Weights {
    /// The mean of each seen element, taken off first.
    pub mean: Vec<f32>,
    /// From what is seen to the prediction.
    pub layers: Vec<Layer>,
}

/// A linear layer.
#[derive(Debug, Clone, PartialEq)]
pub struct Layer {
    /// A row for each output, one after the other.
    pub weights: Vec<f32>,
    /// What is added to each output.
    pub bias: Vec<f32>,
}

/// Room for what lies between: so that predicting allocates nothing.
#[derive(Debug, Default)]
pub struct Scratch {
    now: Vec<f32>,
    next: Vec<f32>,
}

impl Weights {
    /// How many elements are seen.
    #[must_use]
    pub fn inputs(&self) -> usize {
        self.mean.len()
    }

    /// How many elements are predicted.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.layers.last().map_or(0, |layer| layer.bias.len())
    }

    /// Whether all numbers are finite and fit together.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let mut width = self.inputs();
        let finite = |numbers: &[f32]| numbers.iter().all(|number| number.is_finite());
        let fits = self.layers.iter().all(|layer| {
            let fits = layer.weights.len() == width * layer.bias.len();
            width = layer.bias.len();
            fits && finite(&layer.weights) && finite(&layer.bias)
        });
        !self.layers.is_empty() && fits && finite(&self.mean)
    }

    /// The prediction from what is seen.
    ///
    /// # Panics
    /// When another number of elements is seen.
    pub fn predict<'a>(&self, seen: &[f32], scratch: &'a mut Scratch) -> &'a [f32] {
        assert_eq!(seen.len(), self.inputs(), "whoever predicts looks at the width");
        scratch.now.clear();
        scratch.now.extend(seen.iter().zip(&self.mean).map(|(seen, mean)| seen - mean));
        for (at, layer) in self.layers.iter().enumerate() {
            if at > 0 {
                scratch.now.iter_mut().for_each(|value| *value = value.max(0.0));
            }
            let width = scratch.now.len().max(1);
            let rows = layer.weights.chunks_exact(width).zip(&layer.bias);
            scratch.next.clear();
            scratch.next.extend(rows.map(|(row, bias)| dot(row, &scratch.now) + bias));
            std::mem::swap(&mut scratch.now, &mut scratch.next);
        }
        &scratch.now
    }
}

/// Lanes that add up beside each other, so that the processor need not wait for each sum.
const LANES: usize = 16;

fn dot(a: &[f32], b: &[f32]) -> f32 {
    let (a_lanes, b_lanes) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest: f32 = a_lanes.remainder().iter().zip(b_lanes.remainder()).map(|(a, b)| a * b).sum();
    let mut sums = [0.0f32; LANES];
    for (a, b) in a_lanes.zip(b_lanes) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    sums.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_layer_is_linear() {
        let layer = Layer { weights: (0..40).map(|at| at as f32).collect(), bias: vec![1.0, -1.0] };
        let weights = Weights { mean: vec![1.0; 20], layers: vec![layer] };
        assert!(weights.is_sound());
        let seen: Vec<f32> = (0..20).map(|at| 1.0 + (at % 3) as f32).collect();
        let want = |from: usize| (0..20).map(|at| (from + at) as f32 * (at % 3) as f32).sum::<f32>();
        assert_eq!(weights.predict(&seen, &mut Scratch::default()), [want(0) + 1.0, want(20) - 1.0]);
    }

    #[test]
    fn between_two_layers_what_is_negative_is_cut() {
        let first = Layer { weights: vec![1.0, -1.0], bias: vec![0.0, 0.0] };
        let second = Layer { weights: vec![2.0, 3.0], bias: vec![0.5] };
        let weights = Weights { mean: vec![0.0], layers: vec![first, second] };
        assert_eq!(weights.predict(&[2.0], &mut Scratch::default()), [4.5]);
        assert_eq!(weights.predict(&[-2.0], &mut Scratch::default()), [6.5]);
    }

    #[test]
    fn what_does_not_fit_or_is_not_finite_is_not_sound() {
        let good = Weights { mean: vec![0.0], layers: vec![Layer { weights: vec![1.0], bias: vec![0.0] }] };
        assert!(good.is_sound());
        assert!(!Weights { mean: vec![f32::NAN], ..good.clone() }.is_sound());
        assert!(!Weights { mean: vec![0.0; 2], ..good.clone() }.is_sound());
        assert!(!Weights { layers: Vec::new(), ..good }.is_sound());
    }
}
