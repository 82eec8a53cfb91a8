//! From a command to two outputs: left and right wheels, or drive and steering. It never exceeds −1 to 1.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What goes to the two outputs, each −1 to 1.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Wheels {
    /// Left wheel, or the drive wheel of a car.
    pub(crate) left: f32,
    /// Right wheel, or the steering of a car (right positive).
    pub(crate) right: f32,
}

impl Wheels {
    /// Nothing moves, wheels straight.
    pub(crate) const NEUTRAL: Wheels = Wheels { left: 0.0, right: 0.0 };
}

/// How a robot turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(crate) enum Mixing {
    // By the difference between its left and right wheels.
    Differential,
    // By steering, as a car.
    Ackermann,
}

/// Mixing and which output is mounted the other way round.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mixer {
    pub(crate) mixing: Mixing,
    pub(crate) invert_left: bool,
    pub(crate) invert_right: bool,
}

impl Mixer {
    /// The outputs for `forward` and `turn`, each −1 to 1.
    pub(crate) fn mix(&self, forward: f32, turn: f32) -> Wheels {
        let (left, right) = match self.mixing {
            Mixing::Differential => differential(forward, turn),
            Mixing::Ackermann => (forward, turn),
        };
        Wheels { left: signed(left, self.invert_left), right: signed(right, self.invert_right) }
    }
}

/// Where both together are more than the wheels have, both are scaled: the curve stays, the pace gives way.
fn differential(forward: f32, turn: f32) -> (f32, f32) {
    let (left, right) = (forward + turn, forward - turn);
    let most = left.abs().max(right.abs()).max(1.0);
    (left / most, right / most)
}

/// Inverts, but never to −0.
fn signed(value: f32, invert: bool) -> f32 {
    if invert { 0.0 - value } else { value }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FULL: f32 = 1.0;

    fn mixer(mixing: Mixing) -> Mixer {
        Mixer { mixing, invert_left: false, invert_right: false }
    }

    #[test]
    fn a_differential_robot_turns_by_the_difference() {
        let table = [
            ((0.0, 0.0), (0.0, 0.0)),
            ((FULL, 0.0), (1.0, 1.0)),
            ((-FULL, 0.0), (-1.0, -1.0)),
            ((0.0, FULL), (1.0, -1.0)),
            ((0.0, -FULL), (-1.0, 1.0)),
            ((0.5, 0.25), (0.75, 0.25)),
            ((FULL, FULL), (1.0, 0.0)),
            ((FULL, 0.5), (1.0, 1.0 / 3.0)),
            ((-FULL, 0.5), (-1.0 / 3.0, -1.0)),
        ];
        for ((forward, turn), (left, right)) in table {
            assert_eq!(mixer(Mixing::Differential).mix(forward, turn), Wheels { left, right }, "{forward} {turn}");
        }
    }

    #[test]
    fn a_car_drives_left_and_steers_right() {
        assert_eq!(mixer(Mixing::Ackermann).mix(0.5, -1.0), Wheels { left: 0.5, right: -1.0 });
    }

    #[test]
    fn an_inverted_output_changes_its_sign_only() {
        let mixer = Mixer { mixing: Mixing::Differential, invert_left: true, invert_right: false };
        assert_eq!(mixer.mix(0.5, 0.25), Wheels { left: -0.75, right: 0.25 });
        assert!(mixer.mix(0.0, 0.0).left.is_sign_positive());
    }

    proptest! {
        #[test]
        fn no_output_exceeds_one(forward in -1.0f32..=1.0, turn in -1.0f32..=1.0) {
            for mixing in [Mixing::Differential, Mixing::Ackermann] {
                let Wheels { left, right } = mixer(mixing).mix(forward, turn);
                prop_assert!(left.abs() <= 1.0 && right.abs() <= 1.0);
            }
        }
    }
}
