//! Least squares that go on with each sample.

use super::*;
use crate::arrays::weights::Scratch;

fn noise(random: &mut fastrand::Rng) -> f32 {
    (0..12).map(|_| random.f32()).sum::<f32>() - 6.0
}

/// Teaches a linear map, then returns how far predictions are off, in parts of the target's size.
fn error(rls: &mut Rls, random: &mut fastrand::Rng, samples: usize, gain: f32) -> f32 {
    let sample = |rls: &Rls, random: &mut fastrand::Rng| {
        let seen: Vec<f32> = (0..rls.inputs).map(|at| 50.0 + noise(random) * (1.0 + (at % 5) as f32)).collect();
        let target = gain * (seen[0] - 50.0) - (seen[rls.inputs - 1] - 50.0) + 3.0;
        (seen, target)
    };
    for _ in 0..samples {
        let (seen, target) = sample(rls, random);
        rls.learn(&seen, &[target, -target]);
    }
    let (weights, mut scratch, mut off, mut size) = (rls.weights().unwrap(), Scratch::default(), 0.0, 0.0);
    for _ in 0..200 {
        let (seen, target) = sample(rls, random);
        let predicted = weights.predict(&seen, &mut scratch);
        off += (predicted[0] - target).abs() + (predicted[1] + target).abs();
        size += 2.0 * target.abs();
    }
    off / size
}

#[test]
fn it_finds_a_linear_map_and_follows_when_it_changes() {
    let (mut rls, mut random) = (Rls::new(20, 2, 0.99, None), fastrand::Rng::with_seed(1));
    assert!(rls.weights().is_none());
    assert!(error(&mut rls, &mut random, 1000, 2.0) < 0.01);
    assert!(error(&mut rls, &mut random, 1000, -3.0) < 0.01);
    assert_eq!(rls.resets(), 0);
}

#[test]
fn in_blocks_it_finds_the_same() {
    let (mut rls, mut random) = (Rls::new(LARGE, 2, 0.999, None), fastrand::Rng::with_seed(2));
    assert!(error(&mut rls, &mut random, 256 + 16 * 200, 2.0) < 0.01);
    let mut small = Rls::new(20, 2, 0.99, None);
    small.covariance = Covariance::Block(Box::new(Block::new(21, 2, 1.0 / LAMBDA)));
    let (mut one, mut other) = (fastrand::Rng::with_seed(3), fastrand::Rng::with_seed(3));
    let mut plain = Rls::new(20, 2, 0.99, None);
    error(&mut plain, &mut one, 1024, 2.0);
    error(&mut small, &mut other, 1024, 2.0);
    for (a, b) in plain.weights.iter().flatten().zip(small.weights.iter().flatten()) {
        assert!((a - b).abs() < 1e-6, "{a} {b}");
    }
}

#[test]
fn inputs_that_say_the_same_for_long_wind_nothing_up() {
    let (mut rls, mut random) = (Rls::new(30, 1, 0.95, None), fastrand::Rng::with_seed(4));
    for count in 0..60_000 {
        // Nearly always the same, and all inputs alike.
        let value = if count % 1000 == 0 { noise(&mut random) } else { 0.5 };
        rls.learn(&[value; 30], &[2.0 * value]);
    }
    let Covariance::Triangle(lower) = &rls.covariance else { panic!("small") };
    let diagonal: Vec<f64> = (0..31).map(|at| lower[at * (at + 1) / 2 + at]).collect();
    assert!(diagonal.iter().all(|value| *value > 0.0 && *value < 31.0 / LAMBDA), "{diagonal:?}");
    assert_eq!(rls.resets(), 0);
    let predicted = rls.weights().unwrap().predict(&[0.5; 30], &mut Scratch::default())[0];
    assert!((predicted - 1.0).abs() < 1e-3, "{predicted}");
}

#[test]
fn a_broken_covariance_begins_anew() {
    let (mut rls, mut random) = (Rls::new(5, 2, 0.99, None), fastrand::Rng::with_seed(5));
    error(&mut rls, &mut random, 300, 2.0);
    let Covariance::Triangle(lower) = &mut rls.covariance else { panic!("small") };
    lower.fill(f64::NAN);
    assert!(error(&mut rls, &mut random, 500, 2.0) < 0.01);
    assert_eq!(rls.resets(), 1);
}
