//! Tests of `autograd`.

use super::super::{Shape, Size, normal};
use super::*;

fn noise(count: usize, seed: u64) -> Vec<f32> {
    let mut rng = fastrand::Rng::with_seed(seed);
    (0..count).map(|_| normal(&mut rng)).collect()
}

#[test]
fn our_gradients_are_those_of_candles_own_layers() {
    for (size, extras, samples) in
        [(Size::Small, 0, 7), (Size::Small, 3, 32), (Size::Medium, 2, 3), (Size::Donkeycar, 1, 2)]
    {
        let shape = Shape { size, extras, outputs: 2 };
        let net = Net::new(&shape, 11);
        let batch = (&*noise(samples * shape.inputs(), 1), &*noise(samples * extras, 2), &*noise(samples * 2, 3));
        let (loss, ours) = gradients(&net, batch, &Loss::Squared, &[1.0; 2]).unwrap();
        let (stock_loss, theirs) = stock_gradients(&net, batch).unwrap();
        assert!((loss - stock_loss).abs() < 1e-4 * stock_loss, "{size}: loss {loss} is not {stock_loss}");
        let length = theirs.iter().map(|g| g * g).sum::<f32>().sqrt();
        let apart = ours.iter().zip(&theirs).map(|(a, b)| (a - b) * (a - b)).sum::<f32>().sqrt();
        assert!(apart < 1e-4 * length, "{size}: the gradients are {apart} apart, and {length} long");
    }
}

#[test]
fn our_gradients_are_the_slopes_that_small_steps_show() {
    let shape = Shape { size: Size::Small, extras: 2, outputs: 2 };
    let mut net = Net::new(&shape, 5);
    let samples = 4;
    let batch = (&*noise(samples * shape.inputs(), 1), &*noise(samples * 2, 2), &*noise(samples * 2, 3));
    let (loss, weights) = (Loss::Huber(0.4), [1.0, 0.3]);
    let (_, ours) = gradients(&net, batch, &loss, &weights).unwrap();
    let length = ours.iter().map(|g| g * g).sum::<f32>().sqrt();
    let mut rng = fastrand::Rng::with_seed(9);
    for _ in 0..8 {
        // Along a direction at random, among which the gradient itself has its share, the loss must rise as the gradient says.
        let direction: Vec<f32> = ours.iter().map(|g| 0.5 * g / length + 0.5 * normal(&mut rng) / 220.0).collect();
        let step = 1e-3;
        let mut at = |sign: f32| {
            let before = net.parameters().to_vec();
            for (parameter, along) in net.parameters_mut().iter_mut().zip(&direction) {
                *parameter += sign * step * along;
            }
            let (loss, _) = gradients(&net, batch, &loss, &weights).unwrap();
            net.parameters_mut().copy_from_slice(&before);
            loss
        };
        let slope = (at(1.0) - at(-1.0)) / (2.0 * f64::from(step));
        let said: f64 = ours.iter().zip(&direction).map(|(g, d)| f64::from(g * d)).sum();
        assert!((slope - said).abs() < 0.02 * f64::from(length), "the loss rises by {slope}, the gradient says {said}");
    }
}
