//! A ridge finds what was put in.

use super::*;

fn noise(random: &mut fastrand::Rng) -> f32 {
    (0..12).map(|_| random.f32()).sum::<f32>() - 6.0
}

/// Samples of a known linear map of inputs with large means.
fn teach(ridge: &mut Ridge, random: &mut fastrand::Rng, samples: usize, gain: f32) {
    for _ in 0..samples {
        let seen: Vec<f32> = (0..ridge.inputs).map(|at| noise(random) * (1.0 + at as f32) + 1000.0).collect();
        let first = gain * (seen[0] - 1000.0) - 0.5 * (seen[1] - 1000.0) + 3.0;
        let target = [first + 0.01 * noise(random), 7.0 + 0.01 * noise(random)];
        ridge.learn(&seen, &target);
    }
}

fn close(ridge: &mut Ridge, gain: f32) -> Fit {
    let fit = ridge.fit().unwrap();
    let mut scratch = Scratch::default();
    let seen: Vec<f32> = (0..ridge.inputs).map(|at| 1000.0 + at as f32 - 3.0).collect();
    let predicted = fit.weights.predict(&seen, &mut scratch);
    let want = gain * -3.0 - 0.5 * -2.0 + 3.0;
    assert!((predicted[0] - want).abs() < 0.02, "{predicted:?} is not {want}");
    assert!((predicted[1] - 7.0).abs() < 0.01, "{predicted:?}");
    fit
}

#[test]
fn it_finds_a_linear_map_and_how_well_it_does() {
    let (mut ridge, mut random) = (Ridge::new(9, 2, 1_000_000, None), fastrand::Rng::with_seed(1));
    teach(&mut ridge, &mut random, 5000, 2.0);
    close(&mut ridge, 2.0);
    let mut one = Ridge::new(9, 1, 1_000_000, None);
    for _ in 0..5000 {
        let seen: Vec<f32> = (0..9).map(|_| noise(&mut random)).collect();
        one.learn(&seen, &[seen[3] + 0.1 * noise(&mut random)]);
    }
    let fit = one.fit().unwrap();
    assert!((0.005..0.015).contains(&fit.loss) && (0.005..0.015).contains(&fit.validation_loss), "{fit:?}");
}

#[test]
fn what_is_older_than_it_keeps_fades() {
    let (mut ridge, mut random) = (Ridge::new(9, 2, 1000, Some(1e-6)), fastrand::Rng::with_seed(2));
    teach(&mut ridge, &mut random, 5000, 2.0);
    teach(&mut ridge, &mut random, 12_000, -1.0);
    close(&mut ridge, -1.0);
}

#[test]
fn inputs_that_say_the_same_or_nothing_break_nothing() {
    let (mut ridge, mut random) = (Ridge::new(4, 1, 1_000_000, Some(0.0)), fastrand::Rng::with_seed(3));
    for _ in 0..500 {
        let value = noise(&mut random);
        ridge.learn(&[value, value, 5.0, 0.0], &[2.0 * value]);
    }
    let fit = ridge.fit().unwrap();
    let predicted = fit.weights.predict(&[1.0, 1.0, 5.0, 0.0], &mut Scratch::default())[0];
    assert!((predicted - 2.0).abs() < 1e-3, "{predicted}");
}

#[test]
fn nothing_comes_of_nothing() {
    let mut ridge = Ridge::new(4, 1, 100, None);
    assert!(ridge.fit().is_none());
    ridge.learn(&[1.0; 4], &[1.0]);
    assert!(ridge.fit().is_none());
}
