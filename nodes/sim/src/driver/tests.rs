//! A person stays on the road, but not like a machine.

use super::*;
use crate::session::{Options, Outcome, Session, Stop};

/// A person's drive in virtual time, without pictures.
fn drive(seed: u64, laps: u32) -> Outcome {
    let mut session = Session::new(Options { seed, drawn: false, ..Options::default() });
    let mut driver = Driver::new(session.track().clone(), Habits::default(), seed);
    session.run(Stop { laps, seconds: 60.0 * f64::from(laps), off_track_s: f64::INFINITY }, |picture, now_ns| {
        let hands = driver.step(&picture.pose, now_ns as f64 / 1e9);
        Some((hands.forward, hands.turn))
    })
}

#[test]
fn a_person_drives_clean_laps_on_any_track() {
    let (mut laps, mut clean) = (0, 0);
    for seed in 0..40 {
        let outcome = drive(seed, 5);
        laps += outcome.laps_any;
        clean += outcome.laps;
    }
    println!("{clean} of {laps} laps clean");
    assert_eq!(laps, 200);
    assert!(clean >= 198, "{clean} of {laps} laps were clean");
}
