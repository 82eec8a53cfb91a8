//! What the driver's hands say. Pure: states of the gamepad in, hands out.
//!
//! Everything is derived from the state in each message, so that losing any one of them does not matter:
//! - Nothing moves unless the dead-man button is held, and after a start, a silence or an unplugged pad it must have been
//!   seen released first: what was held before does not move a robot now.
//! - While the stop button is held the hands say emergency stop, and go on to until the reset button is held
//!   with both levers at rest. The reset is told as long as the button is held, also if it was not this pilot that stopped:
//!   the motor has a latch of its own.
//!
//! It never says that hands hold a gamepad that is not connected, and never a value that is not finite.

use offboard::{
    Gamepad,
    gamepad::{Axis, Button},
};

use crate::lever::Lever;

/// How far a lever may be off its middle and still be at rest.
const REST: f32 = 0.05;

/// Which lever does what, and how strongly.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mapping {
    /// Ahead and back.
    pub(crate) forward: Lever,
    /// Right and left.
    pub(crate) turn: Lever,
    /// From 0, linear, to 1, cubic: how gently the middle answers.
    pub(crate) expo: f32,
    /// The most forward or back, 0 to 1.
    pub(crate) forward_limit: f32,
    /// The most to a side, 0 to 1.
    pub(crate) turn_limit: f32,
    /// Must be held.
    pub(crate) deadman: Button,
    /// Stops.
    pub(crate) stop: Button,
    /// Ends a stop.
    pub(crate) reset: Button,
    /// Changes who drives.
    pub(crate) mode: Button,
}

/// Where each axis of a gamepad stands, in the order of [`Axis::ALL`].
pub(crate) type Axes = [f32; Axis::ALL.len()];

/// What the hands say.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Hands {
    /// No gamepad, or it is silent, or it says what cannot be.
    Away {
        /// Emergency stop.
        stop: bool,
    },
    /// Hands on a gamepad.
    On(Grip),
}

/// What hands on a gamepad say.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Grip {
    /// The command that they mean, after expo and limits, whether or not it may move anything.
    pub(crate) forward: f32,
    /// The same, right positive.
    pub(crate) turn: f32,
    /// The dead-man button is held, and counts.
    pub(crate) held: bool,
    /// Emergency stop.
    pub(crate) stop: bool,
    /// An emergency stop ends.
    pub(crate) reset: bool,
    /// The button that changes who drives is down.
    pub(crate) mode: bool,
    /// Where everything stands.
    pub(crate) axes: Axes,
}

/// Reads the hands of one driver.
#[derive(Debug)]
pub(crate) struct Reader {
    mapping: Mapping,
    /// The dead-man button was seen released since the pad came.
    armed: bool,
    stopped: bool,
    /// States with a value that is not finite, so far.
    broken: u64,
}

impl Reader {
    /// A reader that has seen nothing yet.
    pub(crate) fn new(mapping: Mapping) -> Reader {
        Reader { mapping, armed: false, stopped: false, broken: 0 }
    }

    /// How many states held a value that is not finite.
    pub(crate) fn broken(&self) -> u64 {
        self.broken
    }

    /// The hands in a state of the gamepad; none: it is silent.
    pub(crate) fn read(&mut self, pad: Option<&Gamepad>) -> Hands {
        let Some(pad) = pad.filter(|pad| pad.connected) else {
            self.armed = false;
            return Hands::Away { stop: self.stopped };
        };
        let Mapping { forward, turn, deadman, stop, reset, mode, .. } = self.mapping;
        let axes: Axes = std::array::from_fn(|index| Axis::ALL[index].get(pad));
        let (forward, turn) = (forward.value(pad), turn.value(pad));
        if !(forward.is_finite() && turn.is_finite()) {
            self.broken += 1;
            self.stopped |= stop.get(pad);
            return Hands::Away { stop: self.stopped };
        }
        let resets = reset.get(pad) && !stop.get(pad) && forward.abs() <= REST && turn.abs() <= REST;
        self.stopped = stop.get(pad) || (self.stopped && !resets);
        self.armed |= !deadman.get(pad);
        let Mapping { expo, forward_limit, turn_limit, .. } = self.mapping;
        Hands::On(Grip {
            forward: curve(forward, expo) * forward_limit,
            turn: curve(turn, expo) * turn_limit,
            held: self.armed && deadman.get(pad) && !self.stopped && !resets,
            stop: self.stopped,
            reset: resets,
            mode: mode.get(pad),
            axes,
        })
    }
}

impl Hands {
    /// Hands on a gamepad, if they are.
    pub(crate) fn grip(&self) -> Option<&Grip> {
        match self {
            Hands::On(grip) => Some(grip),
            Hands::Away { .. } => None,
        }
    }

    /// Whether they say emergency stop.
    pub(crate) fn stop(&self) -> bool {
        matches!(self, Hands::Away { stop: true } | Hands::On(Grip { stop: true, .. }))
    }

    /// The hands, where they may move something.
    pub(crate) fn holding(&self) -> Option<&Grip> {
        self.grip().filter(|grip| grip.held)
    }
}

/// A gentle middle and full ends: (1 - e) x + e x³, x bounded to -1 to 1.
fn curve(x: f32, expo: f32) -> f32 {
    let x = x.clamp(-1.0, 1.0);
    (1.0 - expo) * x + expo * x * x * x
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapping() -> Mapping {
        Mapping {
            forward: "left_stick_y".parse().unwrap(),
            turn: "right_stick_x".parse().unwrap(),
            expo: 0.0,
            forward_limit: 1.0,
            turn_limit: 1.0,
            deadman: "right_bumper".parse().unwrap(),
            stop: "east".parse().unwrap(),
            reset: "start".parse().unwrap(),
            mode: "north".parse().unwrap(),
        }
    }

    fn pad() -> Gamepad {
        Gamepad { connected: true, ..Gamepad::default() }
    }

    fn held(left_stick_y: f32, right_stick_x: f32) -> Gamepad {
        Gamepad { left_stick_y, right_stick_x, right_bumper: true, ..pad() }
    }

    /// A reader that has seen the dead-man button released.
    fn ready(mapping: Mapping) -> Reader {
        let mut pilot = Reader::new(mapping);
        pilot.read(Some(&pad()));
        pilot
    }

    /// What the hands may move.
    fn motion(hands: &Hands) -> (f32, f32) {
        hands.holding().map_or((0.0, 0.0), |grip| (grip.forward, grip.turn))
    }

    #[test]
    fn levers_become_motion_by_limit_and_expo() {
        let cases = [
            // expo, limits, levers, motion
            (0.0, (1.0, 1.0), (1.0, -1.0), (1.0, -1.0)),
            (0.0, (1.0, 1.0), (0.5, 0.25), (0.5, 0.25)),
            (0.0, (0.5, 0.25), (1.0, 1.0), (0.5, 0.25)),
            (0.0, (0.5, 0.5), (-0.5, -0.5), (-0.25, -0.25)),
            (1.0, (1.0, 1.0), (0.5, -0.5), (0.125, -0.125)),
            (0.3, (1.0, 1.0), (0.5, 1.0), (0.3875, 1.0)),
            (0.3, (1.0, 0.0), (0.0, 1.0), (0.0, 0.0)),
            (0.0, (1.0, 1.0), (7.0, -7.0), (1.0, -1.0)),
        ];
        for (expo, (forward_limit, turn_limit), (y, x), (forward, turn)) in cases {
            let hands = ready(Mapping { expo, forward_limit, turn_limit, ..mapping() }).read(Some(&held(y, x)));
            let (ahead, aside) = motion(&hands);
            let near = (ahead - forward).abs() < 1e-6 && (aside - turn).abs() < 1e-6;
            assert!(near, "{expo} {forward_limit} {turn_limit} {y} {x}: {hands:?}");
        }
    }

    #[test]
    fn two_triggers_make_one_lever() {
        let mapping = Mapping { forward: "right_trigger-left_trigger".parse().unwrap(), ..mapping() };
        for (left, right, forward) in [(0.0, 1.0, 1.0), (1.0, 0.0, -1.0), (0.5, 0.5, 0.0), (0.25, 1.0, 0.75)] {
            let pad = Gamepad { left_trigger: left, right_trigger: right, ..held(0.0, 0.0) };
            assert_eq!(motion(&ready(mapping).read(Some(&pad))).0, forward);
        }
    }

    #[test]
    fn nothing_moves_unless_the_dead_man_button_is_held() {
        let mut pilot = ready(mapping());
        let released = Gamepad { right_bumper: false, ..held(1.0, 1.0) };
        assert_eq!(motion(&pilot.read(Some(&released))), (0.0, 0.0));
        assert_eq!(motion(&pilot.read(Some(&held(1.0, 1.0)))), (1.0, 1.0));
        assert_eq!(motion(&pilot.read(Some(&released))), (0.0, 0.0));
    }

    #[test]
    fn what_was_held_before_the_start_a_silence_or_an_unplugging_moves_nothing() {
        let unplugged = Gamepad { connected: false, ..held(1.0, 0.0) };
        let mut pilot = Reader::new(mapping());
        for interruption in [None, Some(&unplugged)] {
            assert_eq!(motion(&pilot.read(Some(&held(1.0, 0.0)))), (0.0, 0.0), "still held since before");
            pilot.read(Some(&pad()));
            assert_eq!(motion(&pilot.read(Some(&held(1.0, 0.0)))), (1.0, 0.0));
            assert_eq!(motion(&pilot.read(interruption)), (0.0, 0.0));
        }
        assert_eq!(motion(&pilot.read(Some(&held(1.0, 0.0)))), (0.0, 0.0));
    }

    #[test]
    fn a_value_that_is_not_finite_is_neutral_and_counted() {
        let mut pilot = ready(mapping());
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert_eq!(motion(&pilot.read(Some(&held(value, 1.0)))), (0.0, 0.0));
            assert_eq!(motion(&pilot.read(Some(&held(1.0, value)))), (0.0, 0.0));
        }
        assert_eq!(pilot.broken(), 6);
        assert_eq!(motion(&pilot.read(Some(&held(1.0, 1.0)))), (1.0, 1.0));
    }

    #[test]
    fn a_stop_lasts_until_it_is_reset_with_levers_at_rest() {
        let mut pilot = ready(mapping());
        let button = |east, start, y| Gamepad { east, start, ..held(y, 0.0) };
        let steps = [
            // stop, reset, lever -> emergency stop, reset told, forward
            ((true, false, 1.0), (true, false, 0.0)),
            ((false, false, 1.0), (true, false, 0.0)),
            ((false, true, 1.0), (true, false, 0.0)),
            ((true, true, 0.0), (true, false, 0.0)),
            ((false, true, 0.0), (false, true, 0.0)),
            ((false, false, 1.0), (false, false, 1.0)),
        ];
        for ((east, start, y), (stopped, reset, forward)) in steps {
            let hands = pilot.read(Some(&button(east, start, y)));
            let resets = hands.grip().is_some_and(|grip| grip.reset);
            assert_eq!((hands.stop(), resets, motion(&hands).0), (stopped, reset, forward), "{east} {start} {y}");
        }
    }

    #[test]
    fn a_stop_needs_no_dead_man_button_and_outlives_the_pad() {
        let mut pilot = Reader::new(mapping());
        assert!(pilot.read(Some(&Gamepad { east: true, ..pad() })).stop());
        assert!(pilot.read(None).stop());
        assert!(pilot.read(Some(&pad())).stop());
    }

    #[test]
    fn a_stop_counts_even_beside_a_broken_value() {
        let mut pilot = ready(mapping());
        assert!(pilot.read(Some(&Gamepad { east: true, ..held(f32::NAN, 0.0) })).stop());
    }

    #[test]
    fn a_reset_is_told_even_if_another_pilot_stopped() {
        let hands = Reader::new(mapping()).read(Some(&Gamepad { start: true, ..pad() }));
        let resets = hands.grip().is_some_and(|grip| grip.reset);
        assert_eq!((resets, hands.stop(), motion(&hands)), (true, false, (0.0, 0.0)));
    }
}
