//! Raw events as the kernel names them: `BTN_SOUTH` 1, `ABS_Y` -32768.
//! It never filters: dead zone, remap and invert concern the state only.

use offboard::{
    Gamepad, GamepadEvent,
    gamepad::{Axis, Button},
};

/// The kernel's type of keys and buttons, from linux/input-event-codes.h.
pub(crate) const EV_KEY: u32 = 1;

/// Its type of absolute axes.
pub(crate) const EV_ABS: u32 = 3;

/// The kernel's keys and absolute axes that gamepads and joysticks have, from linux/input-event-codes.h.
const NAMES: [(u32, u32, &str); 47] = [
    (EV_KEY, 0x120, "BTN_TRIGGER"),
    (EV_KEY, 0x121, "BTN_THUMB"),
    (EV_KEY, 0x122, "BTN_THUMB2"),
    (EV_KEY, 0x123, "BTN_TOP"),
    (EV_KEY, 0x124, "BTN_TOP2"),
    (EV_KEY, 0x125, "BTN_PINKIE"),
    (EV_KEY, 0x126, "BTN_BASE"),
    (EV_KEY, 0x127, "BTN_BASE2"),
    (EV_KEY, 0x128, "BTN_BASE3"),
    (EV_KEY, 0x129, "BTN_BASE4"),
    (EV_KEY, 0x12a, "BTN_BASE5"),
    (EV_KEY, 0x12b, "BTN_BASE6"),
    (EV_KEY, 0x12f, "BTN_DEAD"),
    (EV_KEY, 0x130, "BTN_SOUTH"),
    (EV_KEY, 0x131, "BTN_EAST"),
    (EV_KEY, 0x132, "BTN_C"),
    (EV_KEY, 0x133, "BTN_NORTH"),
    (EV_KEY, 0x134, "BTN_WEST"),
    (EV_KEY, 0x135, "BTN_Z"),
    (EV_KEY, 0x136, "BTN_TL"),
    (EV_KEY, 0x137, "BTN_TR"),
    (EV_KEY, 0x138, "BTN_TL2"),
    (EV_KEY, 0x139, "BTN_TR2"),
    (EV_KEY, 0x13a, "BTN_SELECT"),
    (EV_KEY, 0x13b, "BTN_START"),
    (EV_KEY, 0x13c, "BTN_MODE"),
    (EV_KEY, 0x13d, "BTN_THUMBL"),
    (EV_KEY, 0x13e, "BTN_THUMBR"),
    (EV_KEY, 0x220, "BTN_DPAD_UP"),
    (EV_KEY, 0x221, "BTN_DPAD_DOWN"),
    (EV_KEY, 0x222, "BTN_DPAD_LEFT"),
    (EV_KEY, 0x223, "BTN_DPAD_RIGHT"),
    (EV_ABS, 0x00, "ABS_X"),
    (EV_ABS, 0x01, "ABS_Y"),
    (EV_ABS, 0x02, "ABS_Z"),
    (EV_ABS, 0x03, "ABS_RX"),
    (EV_ABS, 0x04, "ABS_RY"),
    (EV_ABS, 0x05, "ABS_RZ"),
    (EV_ABS, 0x06, "ABS_THROTTLE"),
    (EV_ABS, 0x07, "ABS_RUDDER"),
    (EV_ABS, 0x08, "ABS_WHEEL"),
    (EV_ABS, 0x09, "ABS_GAS"),
    (EV_ABS, 0x0a, "ABS_BRAKE"),
    (EV_ABS, 0x10, "ABS_HAT0X"),
    (EV_ABS, 0x11, "ABS_HAT0Y"),
    (EV_ABS, 0x12, "ABS_HAT1X"),
    (EV_ABS, 0x13, "ABS_HAT1Y"),
];

/// How the value of a raw event was normalised, and so how it is turned back.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Raw {
    /// Pressed or released.
    Key(bool),
    /// -1 to 1, in the kernel's direction (down and right positive).
    Centred(f32),
    /// 0 to 1.
    OneSided(f32),
}

/// The kernel's name for a packed event code (type in the upper half, code in the lower).
pub(crate) fn code_name(packed: u32) -> String {
    let (kind, code) = (packed >> 16, packed & 0xffff);
    let known = NAMES.iter().find(|(known_kind, known_code, _)| (*known_kind, *known_code) == (kind, code));
    match known {
        Some((.., name)) => (*name).to_owned(),
        None if kind == EV_KEY => format!("KEY_{code:#x}"),
        None => format!("ABS_{code:#x}"),
    }
}

/// The packed code of a name that [`code_name`] gives.
pub(crate) fn code_of(name: &str) -> Option<u32> {
    let known = NAMES.iter().find(|(.., known)| *known == name).map(|(kind, code, _)| kind << 16 | code);
    let numbered = |prefix: &str, kind: u32| {
        let code = u16::from_str_radix(name.strip_prefix(prefix)?, 16).ok()?;
        Some(kind << 16 | u32::from(code))
    };
    known.or_else(|| numbered("KEY_0x", EV_KEY)).or_else(|| numbered("ABS_0x", EV_ABS))
}

/// Whether a packed event code is one of an absolute axis.
pub(crate) fn is_absolute(packed: u32) -> bool {
    packed >> 16 == EV_ABS
}

/// The event of a packed code at `timestamp` seconds since the Unix epoch.
pub(crate) fn event(timestamp: f64, packed: u32, raw: Raw) -> GamepadEvent {
    named(timestamp, code_name(packed), raw)
}

fn named(timestamp: f64, code: String, raw: Raw) -> GamepadEvent {
    let hat = code.starts_with("ABS_HAT");
    let event = if matches!(raw, Raw::Key(_)) { "Key" } else { "Absolute" };
    GamepadEvent { timestamp, code, value: value(raw, hat), event: event.to_owned() }
}

/// Signed 16 bit for axes, as the kernel gives it for sticks; a hat has -1, 0 and 1 only, there too.
fn value(raw: Raw, hat: bool) -> i32 {
    #[expect(clippy::cast_possible_truncation, reason = "a cast from float saturates, and the values are bounded")]
    let whole = |value: f32| value.round() as i32;
    match raw {
        Raw::Key(pressed) => i32::from(pressed),
        Raw::Centred(value) if hat => whole(value.clamp(-1.0, 1.0)),
        // The normalised value is (raw + 1) / 32768, so that 0 stands between the two middles.
        Raw::Centred(value) if value != 0.0 => whole(value * 32768.0 - 1.0).clamp(-32768, 32767),
        Raw::Centred(_) => 0,
        Raw::OneSided(value) => whole(value * 32767.0).clamp(0, 32767),
    }
}

/// The events between two states, for a pad that has no kernel behind it.
pub(crate) fn between(timestamp: f64, before: &Gamepad, after: &Gamepad) -> Vec<GamepadEvent> {
    let axes = Axis::ALL.iter().filter(|axis| axis.get(before) != axis.get(after)).map(|axis| {
        let value = axis.get(after);
        let (code, raw) = match axis {
            Axis::LeftStickX => ("ABS_X", Raw::Centred(value)),
            Axis::LeftStickY => ("ABS_Y", Raw::Centred(-value)),
            Axis::RightStickX => ("ABS_RX", Raw::Centred(value)),
            Axis::RightStickY => ("ABS_RY", Raw::Centred(-value)),
            Axis::LeftTrigger => ("ABS_Z", Raw::OneSided(value)),
            Axis::RightTrigger => ("ABS_RZ", Raw::OneSided(value)),
            Axis::DpadX => ("ABS_HAT0X", Raw::Centred(value)),
            Axis::DpadY => ("ABS_HAT0Y", Raw::Centred(-value)),
        };
        named(timestamp, code.to_owned(), raw)
    });
    let buttons = Button::ALL.iter().filter(|button| button.get(before) != button.get(after)).map(|button| {
        let code = match button {
            Button::South => "BTN_SOUTH",
            Button::East => "BTN_EAST",
            Button::West => "BTN_WEST",
            Button::North => "BTN_NORTH",
            Button::LeftBumper => "BTN_TL",
            Button::RightBumper => "BTN_TR",
            Button::LeftThumb => "BTN_THUMBL",
            Button::RightThumb => "BTN_THUMBR",
            Button::Select => "BTN_SELECT",
            Button::Start => "BTN_START",
            Button::Mode => "BTN_MODE",
        };
        named(timestamp, code.to_owned(), Raw::Key(button.get(after)))
    });
    axes.chain(buttons).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_carries_the_kernels_name_and_kind() {
        let event = event(1.5, 0x0001_0130, Raw::Key(true));
        let expected = GamepadEvent { timestamp: 1.5, code: "BTN_SOUTH".into(), value: 1, event: "Key".into() };
        assert_eq!(event, expected);
    }

    #[test]
    fn a_code_without_a_name_is_a_number() {
        assert_eq!(code_name(0x0001_02c0), "KEY_0x2c0");
        assert_eq!(code_name(0x0003_0028), "ABS_0x28");
    }

    #[test]
    fn each_name_is_that_of_its_code() {
        let codes = NAMES.iter().map(|(kind, code, _)| kind << 16 | code).chain([0x0001_02c0, 0x0003_0028]);
        codes.for_each(|packed| assert_eq!(code_of(&code_name(packed)), Some(packed)));
        assert_eq!(["BTN_FIRE", "KEY_0x", "ABS_0xfffff", ""].map(code_of), [None; 4]);
    }

    #[test]
    fn a_sixteen_bit_stick_gets_its_own_numbers_back() {
        for raw in [-32767, -20000, -2, 0, 1, 19_955, 32767] {
            let normalised = (raw as f32 + 32769.0) / 65536.0 * 2.0 - 1.0;
            assert_eq!(event(0.0, 0x0003_0000, Raw::Centred(normalised)).value, raw);
        }
    }

    #[test]
    fn every_value_fits_sixteen_bits() {
        for (value, expected) in [(-1.0, -32768), (1.0, 32767), (f32::NAN, 0), (9.0, 32767)] {
            assert_eq!(event(0.0, 0x0003_0000, Raw::Centred(value)).value, expected, "{value}");
        }
        assert_eq!(event(0.0, 0x0003_0002, Raw::OneSided(1.0)).value, 32767);
    }

    #[test]
    fn a_hat_has_three_values() {
        let values = [-1.0, 0.0, 1.0].map(|value| event(0.0, 0x0003_0010, Raw::Centred(value)).value);
        assert_eq!(values, [-1, 0, 1]);
    }

    #[test]
    fn the_events_between_two_states_are_what_changed() {
        let before = Gamepad { left_stick_x: 0.5, ..Gamepad::default() };
        let after = Gamepad { left_stick_x: 0.5, left_stick_y: 1.0, right_bumper: true, ..Gamepad::default() };
        let events = between(2.0, &before, &after);
        let told: Vec<(&str, i32)> = events.iter().map(|event| (event.code.as_str(), event.value)).collect();
        assert_eq!(told, [("ABS_Y", -32768), ("BTN_TR", 1)]);
    }
}
