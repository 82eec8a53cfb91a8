//! The array model from its parameters to its weights.

use std::time::Duration;

use offboard::{Pairer, Pairing};

use super::{
    history::{History, Looks},
    params::{Method, Params},
    ridge::Ridge,
    score::Score,
    weights::Scratch,
};

const CHANNELS: usize = 32;
const MS: i64 = 1_000_000;

/// Where the hand is after so many milliseconds.
fn position(ms: i64) -> [f32; 2] {
    let seconds = ms as f32 / 1e3;
    let wave = |rate: f32, phase: f32| (std::f32::consts::TAU * rate * seconds + phase).sin();
    [wave(0.31, 0.0) + wave(0.73, 1.0), wave(0.43, 2.0) + wave(0.97, 0.5)]
}

/// Noisy, rectified channels that show where the hand will be 100 ms later.
fn muscles(ms: i64, random: &mut fastrand::Rng) -> Vec<f32> {
    let [x, y] = position(ms + 100);
    let channel = |at: usize| {
        let angle = at as f32 * 2.4;
        (angle.cos() * x + angle.sin() * y).max(0.0) * (0.7 + 0.6 * random.f32()) + 0.2 * (random.f32() - 0.5)
    };
    (0..CHANNELS).map(channel).collect()
}

/// R² on the last quarter of so many milliseconds at 1 kHz, learned from the rest, with a share of the muscles' and of the hand's
/// messages lost; the pairs are made by this.
fn r2(losses: [f64; 2], pair: impl Fn(&[(i64, Vec<f32>)], &[(i64, [f32; 2])]) -> Vec<(i64, [f32; 2])>) -> f64 {
    let mut random = fastrand::Rng::with_seed(3);
    let (mut seen, mut targets) = (Vec::new(), Vec::new());
    for ms in 0..24_000 {
        let sample = muscles(ms, &mut random);
        if random.f64() >= losses[0] {
            seen.push((ms * MS, sample));
        }
        if random.f64() >= losses[1] {
            targets.push((ms * MS, position(ms)));
        }
    }
    let looks = Looks { lags: 20, step_ns: 10 * MS, hole_ns: 10 * MS };
    let mut history = History::new(looks, CHANNELS, seen.len());
    seen.iter().for_each(|(stamp_ns, row)| assert!(history.push(*stamp_ns, row)));
    let pairs = pair(&seen, &targets);
    let (learned, unseen) = pairs.split_at(pairs.len() * 3 / 4);
    let (mut ridge, mut room) = (Ridge::new(history.seen(), 2, 1_000_000, Some(1e-4)), Vec::new());
    for (stamp_ns, target) in learned {
        if let Some(seen) = history.see(*stamp_ns, &mut room) {
            ridge.learn(seen, target);
        }
    }
    let (fit, mut score, mut scratch) = (ridge.fit().unwrap(), Score::new(2), Scratch::default());
    for (stamp_ns, target) in unseen {
        if let Some(seen) = history.see(*stamp_ns, &mut room) {
            score.push(fit.weights.predict(seen, &mut scratch), target);
        }
    }
    score.r2().into_iter().fold(f64::INFINITY, f64::min)
}

fn by_stamp(seen: &[(i64, Vec<f32>)], targets: &[(i64, [f32; 2])]) -> Vec<(i64, [f32; 2])> {
    let mut pairer = Pairer::new(2, Pairing::Nearest(Duration::from_micros(400))).keep(targets.len().max(seen.len()));
    let (mut seen, mut targets, mut pairs) = (seen.iter().peekable(), targets.iter().peekable(), Vec::new());
    while seen.peek().is_some() || targets.peek().is_some() {
        // As they would come.
        let target_first = match (seen.peek(), targets.peek()) {
            (Some((sensed, _)), Some((told, _))) => told < sensed,
            (seen, _) => seen.is_none(),
        };
        if target_first {
            targets.next().into_iter().for_each(|(stamp_ns, target)| pairer.push(1, *stamp_ns, Some(*target)));
        } else {
            seen.next().into_iter().for_each(|(stamp_ns, _)| pairer.push(0, *stamp_ns, None));
        }
        pairs.extend(std::iter::from_fn(|| pairer.pop()));
    }
    pairs.into_iter().map(|pair| (pair[0].stamp_ns, pair[1].item.unwrap())).collect()
}

fn by_arrival(seen: &[(i64, Vec<f32>)], targets: &[(i64, [f32; 2])]) -> Vec<(i64, [f32; 2])> {
    seen.iter().zip(targets).map(|((stamp_ns, _), (_, target))| (*stamp_ns, *target)).collect()
}

#[test]
fn lost_messages_misalign_nothing_where_pairs_are_made_by_stamp_and_everything_where_by_arrival() {
    let whole = r2([0.0, 0.0], by_stamp);
    let stamped = r2([0.02, 0.02], by_stamp);
    // As where one of them crosses a network.
    let arrived = r2([0.02, 0.0], by_arrival);
    println!("R² without losses {whole:.4}, with 2 % lost {stamped:.4}; paired by arrival {arrived:.4}");
    assert!(whole > 0.98 && stamped > 0.98, "{whole} {stamped}");
    assert!(arrived < 0.5, "{arrived}");
}

#[test]
fn every_parameter_is_documented_and_amounts_are_numbers_or_durations() {
    let schema = schemars::schema_for!(Params).to_value();
    for (name, property) in schema["properties"].as_object().unwrap() {
        assert!(property["description"].as_str().is_some_and(|text| text.len() > 10), "{name}: {property}");
    }
    for collect in [serde_json::json!(500), serde_json::json!("5s")] {
        let params: Params = serde_json::from_value(serde_json::json!({ "kind": "rls", "collect": collect })).unwrap();
        assert_eq!(params.kind, Method::Rls);
        params.check().unwrap();
    }
    let none: Params = serde_json::from_value(serde_json::json!({ "learn": false })).unwrap();
    assert!(none.check().unwrap_err().to_string().contains("weights"));
}
