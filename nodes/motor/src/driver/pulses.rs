//! Servo pulses: how long the line of a servo or an electronic speed controller (ESC) is high in each period. It never goes beyond
//! what a servo may be given.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::params::Params;

/// The shortest pulse, in µs: what is shorter drives a servo against its end.
pub(crate) const PULSE_MIN: u16 = 500;

/// The longest pulse, in µs.
pub(crate) const PULSE_MAX: u16 = 2500;

/// The pulses of one output, in µs: −1 is `min`, 0 is `neutral`, 1 is `max`, and between them it is straight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(inline)]
pub(crate) struct Pulse {
    /// The pulse for −1 (full backward, full left), 500 to 2500 µs.
    #[schemars(range(min = 500, max = 2500))]
    pub(crate) min: u16,
    /// The pulse for 0 (the motor stands still, the wheels are straight), min to max.
    #[schemars(range(min = 500, max = 2500))]
    pub(crate) neutral: u16,
    /// The pulse for 1 (full forward, full right), 500 to 2500 µs.
    #[schemars(range(min = 500, max = 2500))]
    pub(crate) max: u16,
}

impl Default for Pulse {
    /// What nearly every servo and ESC understands.
    fn default() -> Pulse {
        Pulse { min: 1000, neutral: 1500, max: 2000 }
    }
}

impl Pulse {
    /// The pulse for a value, in µs. Not a number is neutral.
    pub(crate) fn at(self, value: f32) -> f32 {
        let (min, neutral, max) = (f32::from(self.min), f32::from(self.neutral), f32::from(self.max));
        match value {
            value if value > 0.0 => neutral + (max - neutral) * value.min(1.0),
            value if value < 0.0 => neutral + (neutral - min) * value.max(-1.0),
            _ => neutral,
        }
    }

    /// What is wrong with the pulses of this parameter at so many periods a second.
    pub(super) fn mistake(self, name: &str, frequency: f64) -> Option<String> {
        let Pulse { min, neutral, max } = self;
        let shown = format!("{name} = {{ min = {min}, neutral = {neutral}, max = {max} }}");
        let period = Duration::from_secs_f64(1.0 / frequency);
        if [min, neutral, max].iter().any(|pulse| !(PULSE_MIN..=PULSE_MAX).contains(pulse)) {
            return Some(format!("{shown}: a pulse must be {PULSE_MIN} to {PULSE_MAX} µs"));
        }
        if min > neutral || neutral > max || min == max {
            let swapped = "an output that runs the wrong way is mended by invert_left or invert_right";
            return Some(format!("{shown}: min must be below max, and neutral between them; {swapped}"));
        }
        (Duration::from_micros(max.into()) >= period).then(|| {
            format!(
                "{shown}: a pulse of {max} µs does not fit into a period of {} µs: lower the frequency",
                period.as_micros()
            )
        })
    }
}

/// The checked pulses of both outputs; each mistake goes to `mistakes`.
pub(crate) fn checked(params: &Params, frequency: f64, mistakes: &mut Vec<String>) -> [Pulse; 2] {
    let left = params.pulse_left.unwrap_or_default();
    let right = params.pulse_right.unwrap_or_default();
    mistakes.extend(left.mistake("pulse_left", frequency));
    mistakes.extend(right.mistake("pulse_right", frequency));
    [left, right]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CAR: Pulse = Pulse { min: 1100, neutral: 1480, max: 1900 };

    #[test]
    fn a_value_between_is_straight_between_and_neutral_may_lie_anywhere() {
        let table = [(-1.0, 1100.0), (-0.5, 1290.0), (0.0, 1480.0), (0.5, 1690.0), (1.0, 1900.0)];
        for (value, pulse) in table {
            assert_eq!(CAR.at(value), pulse, "{value}");
        }
    }

    #[test]
    fn what_is_no_value_is_neutral_and_what_is_too_much_is_the_end() {
        assert_eq!(CAR.at(f32::NAN), 1480.0);
        assert_eq!((CAR.at(7.0), CAR.at(f32::NEG_INFINITY)), (1900.0, 1100.0));
    }

    #[test]
    fn a_neutral_at_one_end_leaves_one_direction() {
        let plane = Pulse { min: 1000, neutral: 1000, max: 2000 };
        assert_eq!((plane.at(-1.0), plane.at(0.0), plane.at(1.0)), (1000.0, 1000.0, 2000.0));
        assert_eq!(plane.mistake("pulse_left", 50.0), None);
    }

    #[test]
    fn each_mistake_is_told_with_its_name() {
        let cases = [
            (Pulse { min: 400, ..CAR }, 50.0, "a pulse must be 500 to 2500 µs"),
            (Pulse { max: 2501, ..CAR }, 50.0, "a pulse must be 500 to 2500 µs"),
            (Pulse { neutral: 1000, ..CAR }, 50.0, "min must be below max, and neutral between them"),
            (Pulse { min: 1900, neutral: 1900, max: 1900 }, 50.0, "min must be below max"),
            (Pulse { min: 1900, neutral: 1480, max: 1100 }, 50.0, "mended by invert_left or invert_right"),
            (CAR, 600.0, "a pulse of 1900 µs does not fit into a period of 1666 µs: lower the frequency"),
        ];
        for (pulse, frequency, words) in cases {
            let text = pulse.mistake("pulse_left", frequency).unwrap();
            assert!(text.starts_with("pulse_left = {") && text.contains(words), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_pulse_leaves_its_bounds(min in 500u16..2500, a in 0u16..2000, b in 0u16..2000, value in any::<f32>()) {
            let neutral = (min + a).min(2500);
            let pulse = Pulse { min, neutral, max: (neutral + b).min(2500) };
            let at = pulse.at(value);
            prop_assert!(at >= f32::from(pulse.min) && at <= f32::from(pulse.max), "{pulse:?} {value} {at}");
        }
    }
}
