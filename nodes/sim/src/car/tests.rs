//! A car speeds up, steers and comes to rest.

use proptest::prelude::*;

use super::*;

fn driven(forward: f64, turn: f64, seconds: f64) -> Car {
    let mut car = Car::new(0.0, 0.0, 0.0);
    (0..(seconds * 200.0) as u32).for_each(|_| car.step(forward, turn, 0.005));
    car
}

#[test]
fn full_ahead_ends_at_the_top_speed_and_a_stronger_car_at_a_higher_one() {
    assert!((driven(1.0, 0.0, 10.0).speed - SPEED_MAX).abs() < 0.01);
    assert!((driven(-1.0, 0.0, 10.0).speed + SPEED_MAX).abs() < 0.01);
    let mut strong = Car { strength: 2.0, ..Car::new(0.0, 0.0, 0.0) };
    (0..2000).for_each(|_| strong.step(1.0, 0.0, 0.005));
    assert!(strong.speed > 1.9 * SPEED_MAX);
}

#[test]
fn what_holds_a_speed_holds_it() {
    for speed in [0.5, 1.0, 1.7, 3.0] {
        assert!((driven(holding(speed), 0.0, 10.0).speed - speed).abs() < 0.01, "{speed}");
    }
}

#[test]
fn a_car_that_is_let_go_comes_to_rest_exactly() {
    let mut car = driven(0.5, 0.0, 3.0);
    (0..1000).for_each(|_| car.step(0.0, 0.0, 0.005));
    assert_eq!(car.speed, 0.0);
}

#[test]
fn right_is_right_and_the_circle_is_as_wide_as_the_wheels_say() {
    let car = driven(0.3, 0.3, 1.0);
    assert!(car.heading < 0.0 && car.y < 0.0, "{car:?}");
    for curvature in [0.3, -0.6] {
        let mut car = driven(0.3, turn_for(curvature), 5.0);
        let (heading, speed) = (car.heading, car.speed);
        car.step(0.3, turn_for(curvature), 0.005);
        let turned = chance::wrapped(car.heading - heading) / (speed * 0.005);
        assert!((turned - curvature).abs() < 0.02, "{turned} for {curvature}");
    }
}

proptest! {
    #[test]
    fn whatever_it_is_told_it_stays_a_car(
        commands in prop::collection::vec((-9.0..9.0f64, -9.0..9.0f64), 1..300),
    ) {
        let mut car = Car::new(0.0, 0.0, 0.0);
        for (forward, turn) in commands {
            let before = car;
            car.step(forward, turn, 0.01);
            prop_assert!(car.speed.abs() <= SPEED_MAX + 0.01 && car.steering.abs() <= STEERING_MAX);
            prop_assert!((car.x - before.x).hypot(car.y - before.y) <= 0.011 * SPEED_MAX);
            prop_assert!(chance::wrapped(car.heading - before.heading).abs() < 0.2);
        }
    }
}
