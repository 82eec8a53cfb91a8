//! Tests of `kernel`: sums that fill no vector, no tile and no group of samples.

use super::*;

fn noise(count: usize, seed: u64) -> Vec<f32> {
    let mut rng = fastrand::Rng::with_seed(seed);
    (0..count).map(|_| rng.f32() - 0.5).collect()
}

/// For each output place of each sample and each weight of one output: which input it meets.
fn meetings(geometry: &Geometry, samples: usize) -> impl Iterator<Item = (usize, usize, usize)> {
    let places = geometry.bases.len();
    (0..samples * places).flat_map(move |place| {
        let base = (place / places) * geometry.sample + geometry.bases[place % places];
        (0..geometry.stretches).flat_map(move |stretch| {
            (0..geometry.len).map(move |k| (place, stretch * geometry.len + k, base + stretch * geometry.step + k))
        })
    })
}

fn close(ours: &[f32], expected: &[f32]) {
    for (ours, expected) in ours.iter().zip(expected) {
        assert!((ours - expected).abs() < 1e-3 * (1.0 + expected.abs()), "{ours} is not {expected}");
    }
}

#[test]
fn all_three_sums_are_right_whatever_is_left_over() {
    let conv = |outputs| Layer::Conv { height: 9, width: 11, channels: 3, kernel: 3, stride: 2, outputs };
    let dense = |inputs, outputs| Layer::Dense { inputs, outputs, relu: false };
    let layers = [conv(1), conv(8), conv(19), conv(37), dense(1, 1), dense(13, 7), dense(64, 50)];
    for (layer, samples) in layers.into_iter().flat_map(|layer| [1, 5, 40].map(|samples| (layer, samples))) {
        let geometry = Geometry { relu: false, ..Geometry::new(&layer) };
        let outputs = geometry.outputs;
        let (input, weights) = (noise(samples * geometry.sample, 1), noise(geometry.weights(), 2));
        let (bias, outer) = (noise(outputs, 3), noise(samples * geometry.activations(), 4));
        let mut expected = bias.repeat(samples * geometry.bases.len());
        let (mut by_weight, mut by_input) = (vec![0.0; weights.len()], vec![0.0; input.len()]);
        for (place, weight, at) in meetings(&geometry, samples) {
            for o in 0..outputs {
                expected[place * outputs + o] += input[at] * weights[weight * outputs + o];
                by_weight[weight * outputs + o] += input[at] * outer[place * outputs + o];
                by_input[at] += outer[place * outputs + o] * weights[weight * outputs + o];
            }
        }
        let (mut ours, mut ours_by_weight) = (vec![0.0; expected.len()], vec![0.0; weights.len()]);
        let mut ours_by_input = vec![0.0; input.len()];
        forward(&geometry, &input, &weights, &bias, &mut ours);
        backward_weights(&geometry, &input, &outer, &mut ours_by_weight);
        backward_inputs(&geometry, &outer, &transpose(&weights, outputs), &mut ours_by_input);
        close(&ours, &expected);
        close(&ours_by_weight, &by_weight);
        close(&ours_by_input, &by_input);
    }
}

#[test]
fn relu_lets_no_gradient_through_where_it_cut() {
    let geometry = Geometry::new(&Layer::Dense { inputs: 1, outputs: 2, relu: true });
    let (masked, sums) = mask(&geometry, &[1.0, 0.0, 2.0, 3.0], &[5.0, 6.0, 7.0, -8.0]);
    assert_eq!((masked, sums), (vec![5.0, 0.0, 7.0, -8.0], vec![12.0, -8.0]));
}
