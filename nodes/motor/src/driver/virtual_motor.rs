//! A motor that is not there: models what wheels would do and shows it in the node's `state` only. It never fails.

use std::time::Duration;

use offboard::Result;

use serde::{Deserialize, Serialize};

use super::Driver;
use crate::{mixing::Wheels, params::Params};

const RESPONSE_MAX: Duration = Duration::from_secs(10);

/// A difference that no wheel shows.
const SMALL: f32 = 1e-3;

/// How the wheels that are not there behave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Settings {
    /// The time constant with which they follow.
    pub(crate) response: Duration,
}

impl Settings {
    /// The settings in the parameters.
    ///
    /// # Errors
    /// Every mistake.
    pub(crate) fn check(params: &Params) -> Result<Settings, Vec<String>> {
        let response = params.response.0;
        if response > RESPONSE_MAX {
            return Err(vec!["response must be at most 10s".to_owned()]);
        }
        Ok(Settings { response })
    }
}

/// Two wheels with a first-order response.
#[derive(Debug)]
pub(crate) struct VirtualMotor {
    response: Duration,
    wheels: Wheels,
    at_ns: Option<i64>,
}

impl VirtualMotor {
    /// Wheels that come 63 % nearer to what is put out in each `response`; at once when it is zero.
    pub(crate) fn new(response: Duration) -> VirtualMotor {
        VirtualMotor { response, wheels: Wheels::NEUTRAL, at_ns: None }
    }

    fn follow(&self, from: f32, to: f32, passed_ns: i64) -> f32 {
        let response_ns = self.response.as_nanos() as f32;
        if response_ns <= 0.0 || (to - from).abs() < SMALL {
            return to;
        }
        to + (from - to) * (-(passed_ns as f32) / response_ns).exp()
    }
}

impl Driver for VirtualMotor {
    fn put(&mut self, now_ns: i64, wheels: Wheels) -> Result<Wheels> {
        let passed_ns = self.at_ns.map_or(0, |at_ns| now_ns.saturating_sub(at_ns).max(0));
        self.at_ns = Some(now_ns);
        self.wheels = Wheels {
            left: self.follow(self.wheels.left, wheels.left, passed_ns),
            right: self.follow(self.wheels.right, wheels.right, passed_ns),
        };
        Ok(self.wheels)
    }

    fn trouble(&self) -> Option<String> {
        None
    }

    fn finish(&mut self) -> bool {
        self.wheels = Wheels::NEUTRAL;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AHEAD: Wheels = Wheels { left: 1.0, right: -1.0 };
    const MS: i64 = 1_000_000;

    #[test]
    fn without_a_response_time_the_wheels_follow_at_once() {
        assert_eq!(VirtualMotor::new(Duration::ZERO).put(0, AHEAD).unwrap(), AHEAD);
    }

    #[test]
    fn after_one_response_time_the_wheels_are_at_63_percent() {
        let mut motor = VirtualMotor::new(Duration::from_millis(100));
        assert_eq!(motor.put(0, AHEAD).unwrap(), Wheels::NEUTRAL);
        let wheels = motor.put(100 * MS, AHEAD).unwrap();
        assert!((wheels.left - 0.632).abs() < 1e-3 && wheels.right == -wheels.left, "{wheels:?}");
    }

    #[test]
    fn the_pace_of_outputs_does_not_change_the_response() {
        let (mut slow, mut fast) =
            (VirtualMotor::new(Duration::from_millis(50)), VirtualMotor::new(Duration::from_millis(50)));
        slow.put(0, AHEAD).unwrap();
        let fine = (0..=40).map(|n| fast.put(n * MS, AHEAD).unwrap()).last().unwrap();
        assert!((slow.put(40 * MS, AHEAD).unwrap().left - fine.left).abs() < 1e-4);
    }

    #[test]
    fn the_wheels_come_to_rest_exactly() {
        let mut motor = VirtualMotor::new(Duration::from_millis(20));
        motor.put(0, AHEAD).unwrap();
        let resting = (1..50).map(|n| motor.put(n * 20 * MS, Wheels::NEUTRAL).unwrap()).last();
        assert_eq!(resting, Some(Wheels::NEUTRAL));
    }
}
