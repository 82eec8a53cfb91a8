//! What an array model costs: a prediction, a sample learned, a fit. `cargo bench -p offboard-model --bench arrays`
//!
//! Prints microseconds. It asserts nothing.

#![expect(clippy::unwrap_used, reason = "a measurement that cannot go on ends")]

use std::{hint::black_box, time::Instant};

use offboard_model::arrays::{
    history::{History, Looks},
    ridge::Ridge,
    rls::Rls,
    weights::{Layer, Scratch, Weights},
};

const MS: i64 = 1_000_000;

fn main() {
    let mut random = fastrand::Rng::with_seed(1);
    println!("{:<58} {:>9} {:>9}   to reach", "microseconds", "p50", "p99");
    predict("ridge: 64 channels x 50 lags, 2 outputs, input to prediction", 50, 0, &mut random, "20");
    predict("the same with looks 4 ms apart, by stamp", 50, 4 * MS, &mut random, "20");
    predict("64 x 20 lags, 10 ms apart", 20, 10 * MS, &mut random, "");
    rls("rls: a sample of 400 inputs, 2 outputs", 400, 3000, &mut random, "300");
    rls("rls: 1280 inputs, in blocks (mean of a block)", 1280, 800, &mut random, "");
    ridge("ridge: a sample of 1280 inputs (mean of a block)", 1280, &mut random);
}

fn row(label: &str, mut spans: Vec<f64>, goal: &str) {
    spans.sort_by(f64::total_cmp);
    let at = |share: f64| spans[((spans.len() as f64 * share) as usize).min(spans.len() - 1)];
    println!("{label:<58} {:>9.2} {:>9.2}   {goal}", at(0.5), at(0.99));
}

fn numbers(count: usize, random: &mut fastrand::Rng) -> Vec<f32> {
    (0..count).map(|_| random.f32() - 0.5).collect()
}

fn timed(work: impl FnOnce()) -> f64 {
    let began = Instant::now();
    work();
    began.elapsed().as_secs_f64() * 1e6
}

fn predict(label: &str, lags: usize, step_ns: i64, random: &mut fastrand::Rng, goal: &str) {
    let looks = Looks { lags, step_ns, hole_ns: 10 * MS };
    let mut history = History::new(looks, 64, 1000);
    let inputs = history.seen();
    let layer = Layer { weights: numbers(inputs * 2, random), bias: vec![0.0; 2] };
    let weights = Weights { mean: numbers(inputs, random), layers: vec![layer] };
    let (mut room, mut scratch, mut spans) = (Vec::new(), Scratch::default(), Vec::new());
    for at in 0..20_000i64 {
        let sample = numbers(64, random);
        let span = timed(|| {
            history.push(at * MS, &sample);
            if let Some(seen) = history.see(at * MS, &mut room) {
                black_box(weights.predict(seen, &mut scratch));
            }
        });
        if at > 1000 {
            spans.push(span);
        }
    }
    row(label, spans, goal);
}

fn rls(label: &str, inputs: usize, samples: usize, random: &mut fastrand::Rng, goal: &str) {
    let mut rls = Rls::new(inputs, 2, 0.9998, None);
    let (mut spans, mut block) = (Vec::new(), 0.0);
    for at in 1..=samples {
        let (seen, target) = (numbers(inputs, random), numbers(2, random));
        let span = timed(|| rls.learn(&seen, &target));
        block += span;
        if inputs < 512 && at > 300 {
            spans.push(span);
        } else if at % 16 == 0 {
            if at > 300 {
                spans.push(block / 16.0);
            }
            block = 0.0;
        }
    }
    row(label, spans, goal);
}

fn ridge(label: &str, inputs: usize, random: &mut fastrand::Rng) {
    let mut ridge = Ridge::new(inputs, 2, 1_000_000, Some(1e-3));
    let mut spans = Vec::new();
    for _ in 0..30 {
        let block: Vec<_> = (0..128).map(|_| (numbers(inputs, random), numbers(2, random))).collect();
        spans.push(timed(|| block.iter().for_each(|(seen, target)| ridge.learn(seen, target))) / 128.0);
    }
    row(label, spans, "");
    let spans = (0..5).map(|_| timed(|| drop(black_box(ridge.fit().unwrap())))).collect();
    row("ridge: a fit of 1280 inputs, one lambda", spans, "");
}
