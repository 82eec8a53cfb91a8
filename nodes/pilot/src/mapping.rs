//! From what the driver's hands do to what the robot is told. Pure: state in, command out.
//!
//! Everything is derived from the state in each message, so that losing any one of them does not matter:
//! - Nothing moves unless the dead-man button is held, and after a start, a silence or an unplugged pad it must have been
//!   seen released first: what was held before does not move a robot now.
//! - While the stop button is held the command says emergency stop, and goes on to until the reset button is held
//!   with both levers at rest. The reset is told as long as the button is held, also if it was not this pilot that stopped:
//!   the motor has a latch of its own.
//!
//! It never commands motion without a connected gamepad in hand, and never a value that is not finite.

use offboard::{Drive, Gamepad, gamepad::Button};

use crate::lever::Lever;

/// Who commands.
const SOURCE: &str = "human";

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
}

/// The driver's side of a drive.
#[derive(Debug)]
pub(crate) struct Pilot {
    mapping: Mapping,
    /// The dead-man button was seen released since the pad came.
    armed: bool,
    stopped: bool,
    /// States with a value that is not finite, so far.
    broken: u64,
}

impl Pilot {
    /// A pilot that has seen nothing yet.
    pub(crate) fn new(mapping: Mapping) -> Pilot {
        Pilot { mapping, armed: false, stopped: false, broken: 0 }
    }

    /// How many states held a value that is not finite.
    pub(crate) fn broken(&self) -> u64 {
        self.broken
    }

    /// The command for a state of the gamepad; none: it is silent.
    pub(crate) fn command(&mut self, pad: Option<&Gamepad>) -> Drive {
        let Some(pad) = pad.filter(|pad| pad.connected) else {
            self.armed = false;
            return self.neutral();
        };
        let Mapping { forward, turn, deadman, stop, reset, .. } = self.mapping;
        let (forward, turn) = (forward.value(pad), turn.value(pad));
        if !(forward.is_finite() && turn.is_finite()) {
            self.broken += 1;
            self.stopped |= stop.get(pad);
            return self.neutral();
        }
        let at_rest = forward.abs() <= REST && turn.abs() <= REST;
        let resets = reset.get(pad) && !stop.get(pad) && at_rest;
        self.stopped = stop.get(pad) || (self.stopped && !resets);
        self.armed |= !deadman.get(pad);
        if resets {
            return Drive { reset: true, ..self.neutral() };
        }
        if self.stopped || !self.armed || !deadman.get(pad) {
            return self.neutral();
        }
        let Mapping { expo, forward_limit, turn_limit, .. } = self.mapping;
        Drive { forward: curve(forward, expo) * forward_limit, turn: curve(turn, expo) * turn_limit, ..self.neutral() }
    }

    fn neutral(&self) -> Drive {
        Drive { source: SOURCE.to_owned(), emergency_stop: self.stopped, ..Drive::default() }
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
        }
    }

    fn pad() -> Gamepad {
        Gamepad { connected: true, ..Gamepad::default() }
    }

    fn held(left_stick_y: f32, right_stick_x: f32) -> Gamepad {
        Gamepad { left_stick_y, right_stick_x, right_bumper: true, ..pad() }
    }

    /// A pilot that has seen the dead-man button released.
    fn ready(mapping: Mapping) -> Pilot {
        let mut pilot = Pilot::new(mapping);
        pilot.command(Some(&pad()));
        pilot
    }

    fn motion(drive: &Drive) -> (f32, f32) {
        (drive.forward, drive.turn)
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
            let drive = ready(Mapping { expo, forward_limit, turn_limit, ..mapping() }).command(Some(&held(y, x)));
            let near = (drive.forward - forward).abs() < 1e-6 && (drive.turn - turn).abs() < 1e-6;
            assert!(near, "{expo} {forward_limit} {turn_limit} {y} {x}: {drive:?}");
            assert_eq!(drive.source, "human");
        }
    }

    #[test]
    fn two_triggers_make_one_lever() {
        let mapping = Mapping { forward: "right_trigger-left_trigger".parse().unwrap(), ..mapping() };
        for (left, right, forward) in [(0.0, 1.0, 1.0), (1.0, 0.0, -1.0), (0.5, 0.5, 0.0), (0.25, 1.0, 0.75)] {
            let pad = Gamepad { left_trigger: left, right_trigger: right, ..held(0.0, 0.0) };
            assert_eq!(ready(mapping).command(Some(&pad)).forward, forward);
        }
    }

    #[test]
    fn nothing_moves_unless_the_dead_man_button_is_held() {
        let mut pilot = ready(mapping());
        let released = Gamepad { right_bumper: false, ..held(1.0, 1.0) };
        assert_eq!(motion(&pilot.command(Some(&released))), (0.0, 0.0));
        assert_eq!(motion(&pilot.command(Some(&held(1.0, 1.0)))), (1.0, 1.0));
        assert_eq!(motion(&pilot.command(Some(&released))), (0.0, 0.0));
    }

    #[test]
    fn what_was_held_before_the_start_a_silence_or_an_unplugging_moves_nothing() {
        let unplugged = Gamepad { connected: false, ..held(1.0, 0.0) };
        let mut pilot = Pilot::new(mapping());
        for interruption in [None, Some(&unplugged)] {
            assert_eq!(motion(&pilot.command(Some(&held(1.0, 0.0)))), (0.0, 0.0), "still held since before");
            pilot.command(Some(&pad()));
            assert_eq!(motion(&pilot.command(Some(&held(1.0, 0.0)))), (1.0, 0.0));
            assert_eq!(motion(&pilot.command(interruption)), (0.0, 0.0));
        }
        assert_eq!(motion(&pilot.command(Some(&held(1.0, 0.0)))), (0.0, 0.0));
    }

    #[test]
    fn a_value_that_is_not_finite_is_neutral_and_counted() {
        let mut pilot = ready(mapping());
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert_eq!(motion(&pilot.command(Some(&held(value, 1.0)))), (0.0, 0.0));
            assert_eq!(motion(&pilot.command(Some(&held(1.0, value)))), (0.0, 0.0));
        }
        assert_eq!(pilot.broken(), 6);
        assert_eq!(motion(&pilot.command(Some(&held(1.0, 1.0)))), (1.0, 1.0));
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
            let drive = pilot.command(Some(&button(east, start, y)));
            assert_eq!(
                (drive.emergency_stop, drive.reset, drive.forward),
                (stopped, reset, forward),
                "{east} {start} {y}"
            );
        }
    }

    #[test]
    fn a_stop_needs_no_dead_man_button_and_outlives_the_pad() {
        let mut pilot = Pilot::new(mapping());
        assert!(pilot.command(Some(&Gamepad { east: true, ..pad() })).emergency_stop);
        assert!(pilot.command(None).emergency_stop);
        assert!(pilot.command(Some(&pad())).emergency_stop);
    }

    #[test]
    fn a_stop_counts_even_beside_a_broken_value() {
        let mut pilot = ready(mapping());
        assert!(pilot.command(Some(&Gamepad { east: true, ..held(f32::NAN, 0.0) })).emergency_stop);
    }

    #[test]
    fn a_reset_is_told_even_if_another_pilot_stopped() {
        let drive = Pilot::new(mapping()).command(Some(&Gamepad { start: true, ..pad() }));
        assert_eq!((drive.reset, drive.emergency_stop, motion(&drive)), (true, false, (0.0, 0.0)));
    }
}
