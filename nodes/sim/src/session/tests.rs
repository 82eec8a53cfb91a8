//! A session is a drive in virtual time.

use super::*;
use crate::{Driver, driver::Habits};

fn undrawn(link: Link) -> Session {
    Session::new(Options { link, drawn: false, ..Options::default() })
}

/// A person drives.
fn person(session: &mut Session, stop: Stop) -> Outcome {
    let mut driver = Driver::new(session.track().clone(), Habits::default(), 1);
    session.run(stop, |picture, now_ns| {
        let hands = driver.step(&picture.pose, now_ns as f64 / 1e9);
        Some((hands.forward, hands.turn))
    })
}

#[test]
fn a_session_repeats_to_the_last_bit() {
    let drive = || {
        let link = Link { there_s: 0.05, back_s: 0.05, jitter_s: 0.02, loss: 0.1 };
        undrawn(link).run(Stop::after(20.0), |picture, _| Some((0.4, picture.pose.offset as f32)))
    };
    assert_eq!(drive(), drive());
}

#[test]
fn pictures_come_at_their_rate_as_late_as_the_link_is_and_none_where_it_loses_them() {
    let count = |loss| {
        let link = Link { there_s: 0.1, loss, ..Link::default() };
        let mut pictures = 0;
        undrawn(link).run(Stop::after(10.0), |picture, now_ns| {
            assert_eq!(now_ns - picture.stamp_ns, 100_000_000);
            pictures += 1;
            None
        });
        pictures
    };
    assert!((295..=301).contains(&count(0.0)));
    assert!((130..=170).contains(&count(0.5)));
    assert_eq!(count(1.0), 0);
}

#[test]
fn the_loops_latency_is_measured() {
    let outcome = person(&mut undrawn(Link::delay(0.1)), Stop::after(10.0));
    assert!((95_000_000..=105_000_000).contains(&outcome.latency_ns), "{outcome:?}");
}

#[test]
fn a_controller_that_falls_silent_lets_the_car_stop() {
    let mut session = undrawn(Link::default());
    person(&mut session, Stop::after(5.0));
    assert!(session.world().car().speed > 1.0);
    session.run(Stop::after(5.4), |_, _| None);
    let slowing = session.world().car().speed;
    session.run(Stop::after(9.0), |_, _| None);
    assert_eq!(session.world().car().speed, 0.0, "from {slowing}");
}

#[test]
fn what_is_no_number_moves_nothing() {
    let outcome = undrawn(Link::default()).run(Stop::after(5.0), |_, _| Some((f32::NAN, 0.0)));
    assert_eq!((outcome.departures, outcome.completion), (0, 0.0));
}

#[test]
fn who_drives_straight_on_gets_not_far_and_is_told_how_far() {
    let outcome = undrawn(Link::default()).run(Stop::lap(60.0), |_, _| Some((0.4, 0.0)));
    assert!(outcome.completion < 0.5 && outcome.departures > 0, "{outcome:?}");
    assert!((0.9..1.2).contains(&outcome.off_track_s), "{outcome:?}");
}

#[test]
fn a_person_copes_with_a_loss_now_and_then() {
    let link = Link { loss: 0.05, jitter_s: 0.02, ..Link::delay(0.04) };
    let outcome = person(&mut undrawn(link), Stop { laps: 3, seconds: 120.0, off_track_s: 10.0 });
    assert_eq!((outcome.laps, outcome.completion), (3, 1.0), "{outcome:?}");
}
