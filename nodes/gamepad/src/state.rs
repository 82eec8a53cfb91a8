//! What a gamepad's changes add up to: its physical state, and the state that is published of it.
//! Pure: it never reads a device or a clock, an unplugged pad never keeps a value, and what was held while the pad was plugged in
//! never moves anything before it was let go.

use offboard::{
    Gamepad,
    gamepad::{Axis, Button},
};

use crate::fields::Field;

/// One thing that happened to the physical gamepad.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Change {
    /// An axis has a new value, -1 to 1 (a trigger 0 to 1).
    Axis(Axis, f32),
    /// A button was pressed or released.
    Button(Button, bool),
    /// A directional pad made of four buttons: one was pressed or released.
    Dpad(Direction, bool),
    /// It was plugged in, and calls itself so. Until [`Change::Settled`] it counts as not connected.
    Connected(String),
    /// Enough of it was heard to know what is held: from now on it is shown, each thing that is held once it was let go.
    Settled,
    /// It is gone. The device says nothing of the buttons that were held: they are released here.
    Disconnected,
}

/// A button of a directional pad.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// Up.
    Up,
    /// Down.
    Down,
    /// Left.
    Left,
    /// Right.
    Right,
}

/// Up to here an axis is at rest, also a worn one; someone who holds a stick holds it further out.
const REST: f32 = 0.2;

/// The physical state of one gamepad.
#[derive(Debug, Default)]
pub(crate) struct State {
    pad: Gamepad,
    /// It may be shown.
    settled: bool,
    /// What is held since before it was shown.
    held: Vec<Field>,
    /// Up, down, left, right: both opposite buttons may be held, then they cancel.
    dpad: [bool; 4],
}

impl State {
    /// Takes one change in. Values that no gamepad can have are bounded; an unplugged pad changes by being plugged in only.
    pub(crate) fn apply(&mut self, change: Change) {
        match change {
            Change::Connected(name) => *self = State::neutral(name, true),
            Change::Disconnected => *self = State::neutral(std::mem::take(&mut self.pad.name), false),
            _ if !self.pad.connected => {}
            Change::Settled => self.settle(),
            Change::Axis(axis, value) => axis.set(&mut self.pad, axis.bounded(value)),
            Change::Button(button, pressed) => button.set(&mut self.pad, pressed),
            Change::Dpad(direction, pressed) => self.press(direction, pressed),
        }
        let pad = &self.pad;
        self.held.retain(|field| !rests(*field, pad));
    }

    /// What is held since before the pad was shown, and therefore neutral until it was let go.
    pub(crate) fn held(&self) -> &[Field] {
        &self.held
    }

    /// Whether a pad is connected that is not shown yet.
    pub(crate) fn is_settling(&self) -> bool {
        self.pad.connected && !self.settled
    }

    fn settle(&mut self) {
        if !self.settled {
            let fields = Axis::ALL.iter().map(|axis| Field::Axis(*axis));
            self.held = fields.chain(Button::ALL.iter().map(|button| Field::Button(*button))).collect();
            self.settled = true;
        }
    }

    fn neutral(name: String, connected: bool) -> State {
        State { pad: Gamepad { connected, name, ..Gamepad::default() }, ..State::default() }
    }

    fn press(&mut self, direction: Direction, pressed: bool) {
        self.dpad[direction as usize] = pressed;
        let [up, down, left, right] = self.dpad.map(|held| f32::from(u8::from(held)));
        self.pad.dpad_x = right - left;
        self.pad.dpad_y = up - down;
    }

    /// The state to publish.
    pub(crate) fn shaped(&self, shape: &Shape) -> Gamepad {
        if !self.settled {
            return Gamepad { name: self.pad.name.clone(), ..Gamepad::default() };
        }
        let mut pad = self.pad.clone();
        for field in &self.held {
            match field {
                Field::Axis(axis) => axis.set(&mut pad, 0.0),
                Field::Button(button) => button.set(&mut pad, false),
            }
        }
        shape.apply(&pad)
    }
}

/// Whether a field is where it goes when nobody touches it.
fn rests(field: Field, pad: &Gamepad) -> bool {
    match field {
        Field::Axis(axis) => axis.get(pad).abs() <= REST,
        Field::Button(button) => !button.get(pad),
    }
}

/// How the physical state becomes the published one: dead zone, then remap, then invert.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Shape {
    dead_zone: f32,
    /// From, to, and the sign.
    axes: Vec<(Axis, Axis, f32)>,
    /// From, to.
    buttons: Vec<(Button, Button)>,
}

impl Shape {
    /// `dead_zone` is a part of the way (0 to 0.9); `remap` says what arrives as what; `invert` names published axes.
    /// A field that another one arrives as no longer carries its own, and a field that arrives elsewhere is neutral
    /// unless a third one arrives there.
    pub(crate) fn new(dead_zone: f32, remap: &[(Field, Field)], invert: &[Axis]) -> Shape {
        let moved = |field: Field| remap.iter().any(|(from, to)| *from == field || *to == field);
        let sign = |axis: Axis| if invert.contains(&axis) { -1.0 } else { 1.0 };
        let kept_axes = Axis::ALL.iter().filter(|axis| !moved(Field::Axis(**axis))).map(|axis| (*axis, *axis));
        let kept_buttons = Button::ALL.iter().filter(|button| !moved(Field::Button(**button))).map(|b| (*b, *b));
        let (mut axes, mut buttons): (Vec<_>, Vec<_>) = (kept_axes.collect(), kept_buttons.collect());
        for pair in remap {
            match *pair {
                (Field::Axis(from), Field::Axis(to)) => axes.push((from, to)),
                (Field::Button(from), Field::Button(to)) => buttons.push((from, to)),
                // Refused where the parameters are read.
                _ => {}
            }
        }
        Shape { dead_zone, axes: axes.into_iter().map(|(from, to)| (from, to, sign(to))).collect(), buttons }
    }

    fn apply(&self, pad: &Gamepad) -> Gamepad {
        let mut shaped = Gamepad { connected: pad.connected, name: pad.name.clone(), ..Gamepad::default() };
        if !pad.connected {
            return shaped;
        }
        let centred = self.centred(pad);
        for (from, to, sign) in &self.axes {
            // Adding 0 turns an inverted -0 into 0, which people would ask about.
            to.set(&mut shaped, to.bounded(from.get(&centred) * sign) + 0.0);
        }
        for (from, to) in &self.buttons {
            to.set(&mut shaped, from.get(pad));
        }
        shaped
    }

    /// The pad with its dead zones applied: round ones for the sticks, a simple one for the triggers.
    fn centred(&self, pad: &Gamepad) -> Gamepad {
        let mut pad = pad.clone();
        (pad.left_stick_x, pad.left_stick_y) = self.stick(pad.left_stick_x, pad.left_stick_y);
        (pad.right_stick_x, pad.right_stick_y) = self.stick(pad.right_stick_x, pad.right_stick_y);
        (pad.left_trigger, _) = self.stick(pad.left_trigger, 0.0);
        (pad.right_trigger, _) = self.stick(pad.right_trigger, 0.0);
        (pad.dpad_x, pad.dpad_y) = (pad.dpad_x.round(), pad.dpad_y.round());
        pad
    }

    /// A radial dead zone, rescaled: 0 at its rim, full at the end of the way. Corners of a square gate stay corners.
    fn stick(&self, x: f32, y: f32) -> (f32, f32) {
        let way = x.hypot(y);
        if way <= self.dead_zone {
            return (0.0, 0.0);
        }
        let scale = (way - self.dead_zone) / (1.0 - self.dead_zone) / way;
        ((x * scale).clamp(-1.0, 1.0), (y * scale).clamp(-1.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plugged(changes: impl IntoIterator<Item = Change>) -> State {
        let mut state = State::default();
        state.apply(Change::Connected("pad".into()));
        state.apply(Change::Settled);
        changes.into_iter().for_each(|change| state.apply(change));
        state
    }

    fn plain() -> Shape {
        Shape::new(0.0, &[], &[])
    }

    #[test]
    fn nothing_is_there_at_first() {
        assert_eq!(State::default().shaped(&plain()), Gamepad::default());
    }

    #[test]
    fn a_plugged_in_pad_is_neutral_until_something_moves() {
        let neutral = Gamepad { connected: true, name: "pad".into(), ..Gamepad::default() };
        assert_eq!(plugged([]).shaped(&plain()), neutral);
    }

    #[test]
    fn each_axis_and_button_arrives_as_itself() {
        for axis in Axis::ALL {
            let pad = plugged([Change::Axis(*axis, 1.0)]).shaped(&plain());
            let moved: Vec<&Axis> = Axis::ALL.iter().filter(|other| other.get(&pad) != 0.0).collect();
            assert_eq!((moved, axis.get(&pad)), (vec![axis], 1.0));
        }
        for button in Button::ALL {
            let pad = plugged([Change::Button(*button, true)]).shaped(&plain());
            let held: Vec<&Button> = Button::ALL.iter().filter(|other| other.get(&pad)).collect();
            assert_eq!(held, [button]);
            let released = plugged([Change::Button(*button, true), Change::Button(*button, false)]);
            assert_eq!(released.shaped(&plain()), plugged([]).shaped(&plain()));
        }
    }

    #[test]
    fn unplugging_lets_everything_go_and_says_so() {
        let mut state = plugged([
            Change::Axis(Axis::LeftStickX, 0.609),
            Change::Axis(Axis::RightTrigger, 1.0),
            Change::Button(Button::South, true),
            Change::Dpad(Direction::Up, true),
        ]);
        state.apply(Change::Disconnected);
        assert_eq!(state.shaped(&plain()), Gamepad { name: "pad".into(), ..Gamepad::default() });
    }

    #[test]
    fn what_an_unplugged_pad_still_says_is_not_believed() {
        let mut state = plugged([]);
        state.apply(Change::Disconnected);
        state.apply(Change::Axis(Axis::LeftStickY, 1.0));
        state.apply(Change::Button(Button::RightBumper, true));
        state.apply(Change::Connected("pad".into()));
        state.apply(Change::Settled);
        assert_eq!(state.shaped(&plain()), plugged([]).shaped(&plain()));
    }

    #[test]
    fn plugging_in_again_starts_neutral_even_if_the_unplugging_was_missed() {
        let mut state = plugged([Change::Axis(Axis::LeftStickY, 1.0), Change::Dpad(Direction::Left, true)]);
        state.apply(Change::Connected("other".into()));
        state.apply(Change::Settled);
        state.apply(Change::Dpad(Direction::Up, true));
        let pad = state.shaped(&plain());
        assert_eq!((pad.left_stick_y, pad.dpad_x, pad.dpad_y, pad.name.as_str()), (0.0, 0.0, 1.0, "other"));
    }

    #[test]
    fn a_pad_is_not_connected_before_it_is_known_what_is_held() {
        let mut state = State::default();
        state.apply(Change::Connected("pad".into()));
        state.apply(Change::Button(Button::RightBumper, true));
        assert!(state.is_settling());
        assert_eq!(state.shaped(&plain()), Gamepad { name: "pad".into(), ..Gamepad::default() });
    }

    #[test]
    fn what_was_held_while_plugging_in_moves_nothing_until_it_was_let_go() {
        let mut state = State::default();
        let (stick, bumper) = (Axis::LeftStickY, Button::RightBumper);
        let held = [Change::Connected("pad".into()), Change::Axis(stick, 0.8), Change::Button(bumper, true)];
        held.into_iter().for_each(|change| state.apply(change));
        state.apply(Change::Settled);
        assert_eq!(state.held(), [Field::Axis(stick), Field::Button(bumper)]);
        // (what happens, the stick and the bumper that are shown after it)
        let story = [
            (Change::Axis(stick, 1.0), (0.0, false)),
            (Change::Axis(Axis::RightStickX, 1.0), (0.0, false)),
            (Change::Button(bumper, false), (0.0, false)),
            (Change::Button(bumper, true), (0.0, true)),
            (Change::Axis(stick, 0.1), (0.1, true)),
            (Change::Axis(stick, 0.9), (0.9, true)),
        ];
        for (change, expected) in story {
            state.apply(change.clone());
            let pad = state.shaped(&plain());
            assert_eq!((pad.left_stick_y, pad.right_bumper), expected, "{change:?}");
        }
        assert_eq!(state.shaped(&plain()).right_stick_x, 1.0, "what was not held is free at once");
    }

    #[test]
    fn a_dpad_of_buttons_is_an_axis_pair_and_opposites_cancel() {
        use Direction::{Down, Left, Right, Up};
        let cases: [(&[Direction], f32, f32); 7] = [
            (&[Up], 0.0, 1.0),
            (&[Down], 0.0, -1.0),
            (&[Left], -1.0, 0.0),
            (&[Right], 1.0, 0.0),
            (&[Up, Right], 1.0, 1.0),
            (&[Left, Right], 0.0, 0.0),
            (&[Up, Down, Left], -1.0, 0.0),
        ];
        for (held, x, y) in cases {
            let pad = plugged(held.iter().map(|direction| Change::Dpad(*direction, true))).shaped(&plain());
            assert_eq!((pad.dpad_x, pad.dpad_y), (x, y), "{held:?}");
        }
    }

    #[test]
    fn values_that_cannot_be_are_bounded() {
        let wild = [(f32::NAN, 0.0), (f32::INFINITY, 0.0), (1.5, 1.0), (-3.0, -1.0)];
        for (value, bounded) in wild {
            let pad = plugged([Change::Axis(Axis::RightStickX, value)]).shaped(&plain());
            assert_eq!(pad.right_stick_x, bounded, "{value}");
        }
    }

    #[test]
    fn motion_starts_at_zero_on_the_rim_of_the_dead_zone_and_ends_at_one() {
        let shape = Shape::new(0.2, &[], &[]);
        let cases = [(0.0, 0.0), (0.1, 0.0), (0.2, 0.0), (0.6, 0.5), (1.0, 1.0), (-0.6, -0.5), (-1.0, -1.0)];
        for axis in [Axis::LeftStickX, Axis::LeftStickY, Axis::RightStickX, Axis::RightStickY] {
            for (value, expected) in cases {
                let pad = plugged([Change::Axis(axis, value)]).shaped(&shape);
                assert!((axis.get(&pad) - expected).abs() < 1e-6, "{axis:?} {value}");
            }
        }
    }

    #[test]
    fn the_dead_zone_of_a_stick_is_round() {
        let shape = Shape::new(0.2, &[], &[]);
        let pad = |x, y| plugged([Change::Axis(Axis::LeftStickX, x), Change::Axis(Axis::LeftStickY, y)]).shaped(&shape);
        assert_eq!((pad(0.14, 0.14).left_stick_x, pad(0.14, 0.14).left_stick_y), (0.0, 0.0));
        let (x, y) = (pad(0.15, 0.15).left_stick_x, pad(0.15, 0.15).left_stick_y);
        assert!(x > 0.0 && x < 0.02 && x == y, "{x} {y}");
        assert_eq!((pad(1.0, 1.0).left_stick_x, pad(1.0, 1.0).left_stick_y), (1.0, 1.0));
    }

    #[test]
    fn a_small_sideways_lean_passes_while_the_stick_is_far_out() {
        let shape = Shape::new(0.2, &[], &[]);
        let pad = plugged([Change::Axis(Axis::LeftStickX, 0.1), Change::Axis(Axis::LeftStickY, 0.9)]).shaped(&shape);
        assert!(pad.left_stick_x > 0.05, "{}", pad.left_stick_x);
    }

    #[test]
    fn a_trigger_has_a_dead_zone_and_a_dpad_has_none() {
        let shape = Shape::new(0.2, &[], &[]);
        let pad = plugged([
            Change::Axis(Axis::LeftTrigger, 0.15),
            Change::Axis(Axis::RightTrigger, 0.6),
            Change::Axis(Axis::DpadX, -1.0),
        ]);
        let pad = pad.shaped(&shape);
        assert_eq!((pad.left_trigger, pad.dpad_x), (0.0, -1.0));
        assert!((pad.right_trigger - 0.5).abs() < 1e-6);
    }

    #[test]
    fn an_inverted_axis_is_negative_and_its_rest_is_plain_zero() {
        let shape = Shape::new(0.0, &[], &[Axis::LeftStickY]);
        let pad = plugged([Change::Axis(Axis::LeftStickY, 0.5), Change::Axis(Axis::LeftStickX, 0.5)]).shaped(&shape);
        assert_eq!((pad.left_stick_y, pad.left_stick_x), (-0.5, 0.5));
        assert!(plugged([]).shaped(&shape).left_stick_y.is_sign_positive());
    }

    #[test]
    fn a_remapped_field_arrives_elsewhere_and_nowhere_else() {
        let remap = [
            (Field::Axis(Axis::LeftStickX), Field::Axis(Axis::RightStickX)),
            (Field::Button(Button::LeftBumper), Field::Button(Button::RightBumper)),
        ];
        let shape = Shape::new(0.0, &remap, &[]);
        let moved = plugged([Change::Axis(Axis::LeftStickX, 0.5), Change::Button(Button::LeftBumper, true)]);
        let moved = moved.shaped(&shape);
        assert_eq!((moved.left_stick_x, moved.right_stick_x), (0.0, 0.5));
        assert_eq!((moved.left_bumper, moved.right_bumper), (false, true));
        let own = plugged([Change::Axis(Axis::RightStickX, 0.5), Change::Button(Button::RightBumper, true)]);
        assert_eq!(own.shaped(&shape), plugged([]).shaped(&shape));
    }

    #[test]
    fn two_fields_can_change_places() {
        let (x, y) = (Field::Axis(Axis::LeftStickX), Field::Axis(Axis::LeftStickY));
        let shape = Shape::new(0.0, &[(x, y), (y, x)], &[Axis::LeftStickX]);
        let pad = plugged([Change::Axis(Axis::LeftStickX, 0.25), Change::Axis(Axis::LeftStickY, 0.5)]).shaped(&shape);
        assert_eq!((pad.left_stick_x, pad.left_stick_y), (-0.5, 0.25));
    }

    #[test]
    fn a_stick_that_arrives_as_a_trigger_has_a_triggers_range() {
        let remap = [(Field::Axis(Axis::RightStickY), Field::Axis(Axis::RightTrigger))];
        let pad = plugged([Change::Axis(Axis::RightStickY, -0.5)]).shaped(&Shape::new(0.0, &remap, &[]));
        assert_eq!(pad.right_trigger, 0.0);
    }
}
