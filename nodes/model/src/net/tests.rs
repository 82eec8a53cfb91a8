//! Tests of the network.

use super::*;

const SIZES: [Size; 3] = [Size::Small, Size::Medium, Size::Donkeycar];

fn noise(count: usize, seed: u64) -> Vec<f32> {
    let mut rng = fastrand::Rng::with_seed(seed);
    (0..count).map(|_| normal(&mut rng)).collect()
}

/// What the layers say by their definition, sum by sum.
fn by_hand(net: &Net, picture: &[f32], extras: &[f32]) -> Vec<f32> {
    let (mut numbers, mut rest, mut joined) = (picture.to_vec(), net.parameters(), false);
    for layer in net.shape().layers() {
        let (weights, after) = rest.split_at(layer.weights());
        let (bias, after) = after.split_at(layer.outputs());
        rest = after;
        let outputs = layer.outputs();
        let mut out = Vec::new();
        match layer {
            Layer::Conv { width, channels, kernel, stride, .. } => {
                let (rows, columns) = layer.places();
                for (y, x, o) in
                    (0..rows).flat_map(|y| (0..columns).flat_map(move |x| (0..outputs).map(move |o| (y, x, o))))
                {
                    let mut sum = f64::from(bias[o]);
                    for (ky, kx, c) in (0..kernel)
                        .flat_map(|ky| (0..kernel).flat_map(move |kx| (0..channels).map(move |c| (ky, kx, c))))
                    {
                        let input = numbers[((y * stride + ky) * width + x * stride + kx) * channels + c];
                        sum += f64::from(input) * f64::from(weights[((ky * kernel + kx) * channels + c) * outputs + o]);
                    }
                    out.push(sum.max(0.0) as f32);
                }
            }
            Layer::Dense { relu, .. } => {
                if !std::mem::replace(&mut joined, true) {
                    numbers.extend_from_slice(extras);
                }
                for o in 0..outputs {
                    let products =
                        numbers.iter().enumerate().map(|(i, n)| f64::from(*n) * f64::from(weights[i * outputs + o]));
                    let sum = f64::from(bias[o]) + products.sum::<f64>();
                    out.push(if relu { sum.max(0.0) } else { sum } as f32);
                }
            }
        }
        numbers = out;
    }
    numbers
}

#[test]
fn each_size_has_the_parameters_that_its_description_says() {
    let parameters = SIZES.map(|size| Shape { size, extras: 0, outputs: 2 }.parameters());
    assert_eq!(parameters, [49_282, 307_546, 817_028]);
}

#[test]
fn a_prediction_is_what_the_layers_definition_says() {
    for (size, extras, outputs) in
        [(Size::Small, 0, 2), (Size::Small, 5, 1), (Size::Medium, 3, 11), (Size::Donkeycar, 2, 2)]
    {
        let shape = Shape { size, extras, outputs };
        let mut net = Net::new(&shape, 7);
        for parameter in net.parameters_mut().iter_mut() {
            *parameter += 0.01;
        }
        let (picture, extra) = (noise(shape.inputs(), 1), noise(extras, 2));
        let mut out = vec![0.0; outputs];
        net.predict(&picture, &extra, &mut out).unwrap();
        for (ours, expected) in out.iter().zip(by_hand(&net, &picture, &extra)) {
            assert!((ours - expected).abs() < 1e-4 * (1.0 + expected.abs()), "{size}: {ours} is not {expected}");
        }
    }
}

#[test]
fn a_prediction_without_candle_is_what_candles_own_layers_say() {
    for size in SIZES {
        let shape = Shape { size, extras: 4, outputs: 2 };
        let mut net = Net::new(&shape, 3);
        let (pictures, extras) = (noise(2 * shape.inputs(), 4), noise(2 * 4, 5));
        let expected = autograd::stock(&net, &pictures, &extras).unwrap().to_vec2::<f32>().unwrap();
        for sample in 0..2 {
            let mut out = [0.0; 2];
            let picture = &pictures[sample * shape.inputs()..][..shape.inputs()];
            net.predict(picture, &extras[sample * 4..][..4], &mut out).unwrap();
            for (ours, theirs) in out.iter().zip(&expected[sample]) {
                assert!((ours - theirs).abs() < 1e-4, "{size}: {ours} is not {theirs}");
            }
        }
    }
}

#[test]
fn the_same_seed_makes_the_same_network_and_another_another() {
    let shape = Shape { size: Size::Small, extras: 0, outputs: 2 };
    assert_eq!(Net::new(&shape, 1).parameters(), Net::new(&shape, 1).parameters());
    assert_ne!(Net::new(&shape, 1).parameters(), Net::new(&shape, 2).parameters());
}

#[test]
fn what_is_no_number_is_refused_on_its_way_in_and_out() {
    let shape = Shape { size: Size::Small, extras: 1, outputs: 2 };
    let mut net = Net::new(&shape, 1);
    let (mut picture, mut out) = (noise(shape.inputs(), 1), [0.0; 2]);
    let refused = |result: Result<(), NetError>| result.unwrap_err().to_string();
    assert_eq!(refused(net.predict(&picture, &[f32::NAN], &mut out)), "extra is not a finite number (entry 0)");
    assert_eq!(
        refused(net.predict(&picture[1..], &[0.0], &mut out)),
        "picture: 2303 numbers where the network has 2304"
    );
    picture[9] = f32::INFINITY;
    assert_eq!(refused(net.predict(&picture, &[0.0], &mut out)), "picture is not a finite number (entry 9)");
    picture[9] = 0.0;
    let last = net.parameters().len() - 1;
    net.parameters_mut()[last] = f32::NAN;
    assert_eq!(refused(net.predict(&picture, &[0.0], &mut out)), "output is not a finite number (entry 1)");
    let parameters = net.parameters().to_vec();
    assert_eq!(
        refused(Net::from_parameters(&shape, parameters).map(drop)),
        "parameter is not a finite number (entry 49345)"
    );
}
