//! Laps, departures and what is put back.

use super::*;

fn world(put_back_s: Option<f64>) -> World {
    World::new(Arc::new(Track::new(5)), put_back_s)
}

/// Sets the car along the middle line, as no car drives.
fn carried(world: &mut World, metres: f64) -> Vec<Event> {
    let (mut events, from) = (Vec::new(), world.pose().distance);
    for step in 1..=(metres / 0.1).round() as u32 {
        let point = world.track.at(from + 0.1 * f64::from(step));
        world.car = Car::new(point.x, point.y, point.heading);
        events.extend(world.step(0.0, 0.0, 0.01));
    }
    events
}

#[test]
fn a_car_at_rest_stays_where_it_is() {
    let mut world = world(None);
    assert!(world.step(0.0, 0.0, 10.0).is_empty());
    let pose = world.pose();
    assert_eq!((pose.speed, pose.distance, pose.off_track), (0.0, 0.0, false));
    assert!((pose.time_s - 10.0).abs() < 1e-9);
}

#[test]
fn a_lap_is_counted_once_and_is_clean_when_the_road_was_never_left() {
    let mut world = world(None);
    let length = world.track.length();
    let events = carried(&mut world, length + 1.0);
    assert!(matches!(events[..], [Event::Lap { number: 1, clean: true, .. }]), "{events:?}");
    assert_eq!((world.pose().laps, world.pose().laps_any), (1, 1));
    assert!((world.pose().distance - length - 1.0).abs() < 0.1);
}

#[test]
fn a_car_that_goes_straight_leaves_the_road_and_is_put_back() {
    let mut world = world(Some(1.0));
    let mut events = Vec::new();
    while events.len() < 2 {
        assert!(world.pose().time_s < 60.0);
        events.extend(world.step(0.4, 0.0, 0.02));
    }
    assert!(matches!(events[..], [Event::Left { .. }, Event::PutBack]), "{events:?}");
    let pose = world.pose();
    assert_eq!((pose.departures, pose.resets, pose.off_track), (1, 1, false));
    assert!(pose.speed < 0.1, "{pose:?}");
    assert!((0.9..=1.1).contains(&pose.off_track_s) && pose.offset.abs() < 0.01, "{pose:?}");
    assert!((pose.heading - pose.road_heading).abs() < 0.05);
}

#[test]
fn a_lap_with_a_departure_is_not_clean_but_the_next_one_may_be() {
    let mut world = world(None);
    let length = world.track.length();
    carried(&mut world, 5.0);
    let point = world.track.at(5.0);
    world.car = Car::new(point.x - 0.5 * point.sin, point.y + 0.5 * point.cos, point.heading);
    let left = world.step(0.0, 0.0, 0.01);
    assert!(matches!(left[..], [Event::Left { .. }]), "{left:?}");
    let events = carried(&mut world, 2.0 * length - 4.0);
    assert!(
        matches!(
            events[..],
            [
                Event::Returned { .. },
                Event::Lap { number: 1, clean: false, .. },
                Event::Lap { number: 2, clean: true, .. }
            ]
        ),
        "{events:?}"
    );
    assert_eq!((world.pose().laps, world.pose().laps_any), (1, 2));
}
