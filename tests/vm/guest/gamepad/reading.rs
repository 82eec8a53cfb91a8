//! What a pad says arrives in the fields of its state: names, signs, ranges, dead zone.

use std::time::Duration;

use evdev::{AbsoluteAxisCode as Code, KeyCode as Key};
use offboard::{
    GamepadEvent,
    gamepad::{Axis, Button},
};
use offboard_tests::{Bed, until};

use super::pads::{Pad, XBOX_AXES, ear, graph, state};

/// Each button of an Xbox pad by the kernel's name, and the field that it arrives in. The kernel's driver calls the left and the
/// upper face button by each other's names.
const BUTTONS: [(Key, Button); 11] = [
    (Key::BTN_SOUTH, Button::South),
    (Key::BTN_EAST, Button::East),
    (Key::BTN_NORTH, Button::West),
    (Key::BTN_WEST, Button::North),
    (Key::BTN_TL, Button::LeftBumper),
    (Key::BTN_TR, Button::RightBumper),
    (Key::BTN_SELECT, Button::Select),
    (Key::BTN_START, Button::Start),
    (Key::BTN_MODE, Button::Mode),
    (Key::BTN_THUMBL, Button::LeftThumb),
    (Key::BTN_THUMBR, Button::RightThumb),
];

/// Each axis, the field that it arrives in, and what the kernel's two ends are there: up is positive, not down.
const AXES: [(Code, Axis, f32, f32); 8] = [
    (Code::ABS_X, Axis::LeftStickX, -1.0, 1.0),
    (Code::ABS_Y, Axis::LeftStickY, 1.0, -1.0),
    (Code::ABS_Z, Axis::LeftTrigger, 0.0, 1.0),
    (Code::ABS_RX, Axis::RightStickX, -1.0, 1.0),
    (Code::ABS_RY, Axis::RightStickY, 1.0, -1.0),
    (Code::ABS_RZ, Axis::RightTrigger, 0.0, 1.0),
    (Code::ABS_HAT0X, Axis::DpadX, -1.0, 1.0),
    (Code::ABS_HAT0Y, Axis::DpadY, 1.0, -1.0),
];

/// A stick of an even number of steps has its middle between two of them; without a dead zone that is seen.
const REST: f32 = 0.0001;

#[test]
#[ignore = "runs in the virtual machine"]
fn every_button_and_axis_arrives_in_its_field_with_its_sign_and_range() {
    let mut pad = Pad::xbox();
    let bed = Bed::new();
    let file = bed.file("pads.toml", &graph("dead_zone = 0"));
    let _launch = bed.launch(&[&file]);
    let (mut states, mut events) = (ear(&bed), bed.ear("pads", "gamepad/events", "listener", "events"));
    state(&mut states, "the pad is there", |state| state.connected && state.name.contains("Xbox 360"));
    for (key, field) in BUTTONS {
        pad.key(key, true);
        let pressed = state(&mut states, field.name(), |state| field.get(state));
        let held: Vec<&Button> = Button::ALL.iter().filter(|other| other.get(&pressed)).collect();
        assert_eq!(
            (held, Axis::ALL.iter().all(|axis| axis.get(&pressed).abs() < REST)),
            (vec![&field], true),
            "{field:?}"
        );
        pad.key(key, false);
        state(&mut states, "let go", |state| !field.get(state));
    }
    for ((code, field, at_least, at_most), (_, least, most)) in AXES.into_iter().zip(XBOX_AXES) {
        let quarter = if field.is_trigger() { 64 } else { most / 2 };
        for (value, expected) in [(least, at_least), (most, at_most), (quarter, f32::NAN), (0, 0.0)] {
            pad.axis(code, value);
            let close = |found: f32| match expected.is_nan() {
                // On the way: of a hat nothing, it has no way.
                true => quarter == 0 || (found.abs() > 0.2 && found.abs() < 0.6),
                false => (found - expected).abs() < 0.002,
            };
            let moved = state(&mut states, &format!("{field:?} {value}"), |state| close(field.get(state)));
            let others = Axis::ALL.iter().filter(|other| **other != field && other.get(&moved).abs() > REST);
            assert_eq!(others.count(), 0, "{field:?} {value}: {moved:?}");
        }
    }
    let mut pressed = false;
    let told = until("an event of that button", || {
        pressed = !pressed;
        pad.key(Key::BTN_SOUTH, pressed);
        events.hear_within(Duration::from_millis(200))
    });
    let told = told.decode::<GamepadEvent>().expect("an event").body;
    assert_eq!((told.code.as_str(), told.event.as_str()), ("BTN_SOUTH", "Key"), "{told:?}");
}

#[test]
#[ignore = "runs in the virtual machine"]
fn the_dead_zone_is_round_and_ends_at_full_and_a_flood_ends_in_the_truth() {
    let mut pad = Pad::xbox();
    let bed = Bed::new();
    let file =
        bed.file("pads.toml", &graph("dead_zone = 0.2, invert = [\"right_stick_y\"], remap = { south = \"mode\" }"));
    let _launch = bed.launch(&[&file]);
    let mut states = ear(&bed);
    state(&mut states, "the pad is there", |state| state.connected);
    // A button beside it, so that the state is that of this report. (x, y, what arrives)
    let cases = [
        ((4000, 4000), (0.0, 0.0)),
        ((6553, 0), (0.0, 0.0)),
        ((19660, 0), (0.5, 0.0)),
        ((32767, 0), (1.0, 0.0)),
        ((-32768, -32768), (-1.0, 1.0)),
    ];
    for (index, ((x, y), expected)) in cases.into_iter().enumerate() {
        let pressed = index % 2 == 0;
        pad.both(&[(Key::BTN_TL, pressed)], &[(Code::ABS_X, x), (Code::ABS_Y, y)]);
        let found = state(&mut states, "this report", |state| state.left_bumper == pressed);
        let off = (found.left_stick_x - expected.0).hypot(found.left_stick_y - expected.1);
        assert!(off < 0.01, "{x} {y}: {} {}", found.left_stick_x, found.left_stick_y);
    }
    pad.both(&[(Key::BTN_SOUTH, true)], &[(Code::ABS_RY, 32767)]);
    state(&mut states, "turned around and elsewhere", |state| state.right_stick_y > 0.99 && state.mode && !state.south);
    // More than the kernel keeps for a reader: what is lost is read again from the pad itself.
    for round in 0..3000 {
        pad.both(&[], &[(Code::ABS_X, round * 7 % 30000), (Code::ABS_RX, -(round * 11 % 30000))]);
    }
    pad.both(&[(Key::BTN_SOUTH, false)], &[(Code::ABS_X, 0), (Code::ABS_Y, 0), (Code::ABS_RX, 0), (Code::ABS_RY, 0)]);
    state(&mut states, "at rest after the flood", |state| {
        !state.mode && Axis::ALL.iter().all(|axis| axis.get(state) == 0.0)
    });
}
