//! Which field each kernel code of a pad arrives in: as its layout says, unless the parameter `map` says otherwise.
//! It never takes a code for two fields, and a field that is mapped hears its own code only.

use std::{borrow::Cow, collections::BTreeMap, fmt, str::FromStr};

use evdev::{AbsoluteAxisCode, Device, KeyCode};
use gilrs::EventType;
use offboard::gamepad::{Axis, Button};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{
    events::{self, Raw, code_name, is_absolute},
    fields::Field,
    state::{Change, Direction},
};

/// A button or an absolute axis of a pad, packed as gilrs does: the kernel's type above its code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Code(pub(crate) u32);

impl Code {
    fn is_axis(self) -> bool {
        is_absolute(self.0)
    }

    /// The kernel's number, without its type.
    fn number(self) -> u16 {
        self.0 as u16
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&code_name(self.0))
    }
}

impl FromStr for Code {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        events::code_of(text).map(Code).ok_or_else(|| {
            format!("there is no code \"{text}\"; gamepad --list shows a pad's own, for instance BTN_TRIGGER or ABS_Z")
        })
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<'de, str>::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// What a person says of a pad whose layout is not known: from which code a field comes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Map(BTreeMap<Field, Code>);

impl JsonSchema for Map {
    fn schema_name() -> Cow<'static, str> {
        "Map".into()
    }
    fn inline_schema() -> bool {
        true
    }
    /// Each name as a property of its own, so that a checker of graph files knows the keys.
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let names = Axis::ALL.iter().map(|axis| axis.name()).chain(Button::ALL.iter().map(|button| button.name()));
        let properties: BTreeMap<&str, Schema> = names.map(|name| (name, json_schema!({ "type": "string" }))).collect();
        json_schema!({ "type": "object", "properties": properties, "additionalProperties": false })
    }
}

impl Map {
    /// Checks what the types alone do not say.
    ///
    /// # Errors
    /// A sentence.
    pub(crate) fn check(&self) -> Result<(), String> {
        let mut taken: BTreeMap<Code, Field> = BTreeMap::new();
        for (field, code) in &self.0 {
            if let Some(other) = taken.insert(*code, *field) {
                return Err(format!("{code} is both {} and {}", other.name(), field.name()));
            }
            if matches!(field, Field::Axis(axis) if !axis.is_trigger()) && !code.is_axis() {
                return Err(format!("{} cannot come from {code}: a stick comes from an axis (ABS_…)", field.name()));
            }
        }
        Ok(())
    }

    /// Whether nothing is said.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The mapped codes that are none of these.
    pub(crate) fn missing(&self, codes: &[Code]) -> Vec<Code> {
        self.0.values().copied().filter(|code| !codes.contains(code)).collect()
    }

    /// What an event changes.
    pub(crate) fn change(&self, event: EventType) -> Option<Change> {
        let raw = raw_of(event);
        let mapped = raw.and_then(|(code, raw)| Some((self.field(Code(code))?, raw)));
        if let Some((field, raw)) = mapped {
            return Some(read(field, raw));
        }
        // What comes with an event of a mapped code beside it, as each button gives two.
        if code_in(event).is_some_and(|code| self.field(code).is_some()) {
            return None;
        }
        change_of(event).filter(|change| field_of(change).is_none_or(|field| !self.0.contains_key(&field)))
    }

    fn field(&self, code: Code) -> Option<Field> {
        self.0.iter().find_map(|(field, own)| (*own == code).then_some(*field))
    }

    /// The fields of a pad that has these codes and the one behind each, by the names that `gamepad --list` shows.
    pub(crate) fn fields(&self, pad: &gilrs::Gamepad<'_>, codes: &[Code]) -> Vec<(&'static str, Code)> {
        let own = self.0.iter().map(|(field, code)| (field.name(), *code));
        let free = |name: &str, code: Code| {
            let bare = name.split(' ').next().unwrap_or(name);
            self.field(code).is_none() && !self.0.keys().any(|field| field.name() == bare)
        };
        let axes = AXES.iter().filter_map(|(axis, theirs)| Some((axis.name(), pad.axis_code(*theirs)?)));
        let buttons = BUTTONS.iter().filter_map(|(name, theirs)| Some((*name, pad.button_code(*theirs)?)));
        let usual = axes.chain(buttons).map(|(name, code)| (name, Code(code.into_u32())));
        let all = own.chain(usual.filter(|(name, code)| free(name, *code)));
        // A layout may name what the pad does not have.
        all.filter(|(_, code)| codes.contains(code)).collect()
    }

    /// What is held on a pad now, by the kernel's own account.
    ///
    /// # Errors
    /// The system's own: it is gone.
    pub(crate) fn held(&self, pad: &gilrs::Gamepad<'_>, device: &Device) -> std::io::Result<Vec<Change>> {
        let keys = device.get_key_state()?;
        let axes: BTreeMap<u16, evdev::AbsInfo> = device.get_absinfo()?.map(|(code, info)| (code.0, info)).collect();
        let fields = self.fields(pad, &codes(device));
        let held = fields.iter().map(|(name, code)| {
            let raw = match code.is_axis() {
                false => Raw::Key(keys.contains(KeyCode(code.number()))),
                true => along(axes.get(&code.number())?, name.ends_with("_trigger")),
            };
            held(name, raw)
        });
        Ok(held.flatten().collect())
    }
}

/// All codes of a pad.
pub(crate) fn codes(pad: &Device) -> Vec<Code> {
    let keys = pad.supported_keys().into_iter().flat_map(|keys| keys.iter().map(KeyCode::code));
    let axes =
        pad.supported_absolute_axes().into_iter().flat_map(|axes| axes.iter().map(|axis: AbsoluteAxisCode| axis.0));
    let keys = keys.map(|number| Code(events::EV_KEY << 16 | u32::from(number)));
    keys.chain(axes.map(|number| Code(events::EV_ABS << 16 | u32::from(number)))).collect()
}

/// Where an axis stands on its way.
fn along(info: &evdev::AbsInfo, trigger: bool) -> Raw {
    let (value, least, most) = (info.value(), info.minimum(), info.maximum());
    if trigger { one_sided(value, least, most) } else { centred(value, least, most) }
}

/// From 0 to 1.
fn one_sided(value: i32, least: i32, most: i32) -> Raw {
    let (value, least, most) = (f64::from(value), f64::from(least), f64::from(most));
    #[expect(clippy::cast_possible_truncation, reason = "a value from 0 to 1 loses nothing that a finger can do")]
    let part = if most > least { ((value - least) / (most - least)) as f32 } else { 0.0 };
    Raw::OneSided(part.clamp(0.0, 1.0))
}

/// From -1 to 1 as gilrs normalises it: an even number of steps has its middle between two.
fn centred(value: i32, least: i32, most: i32) -> Raw {
    let (value, least, most) = (f64::from(value), f64::from(least), f64::from(most));
    let odd = ((most - least) % 2.0).abs();
    let range = most - least + odd;
    #[expect(clippy::cast_possible_truncation, reason = "a value from -1 to 1 loses nothing that a thumb can do")]
    let part = if range > 0.0 { ((value - least + odd) / range * 2.0 - 1.0) as f32 } else { 0.0 };
    Raw::Centred(part.clamp(-1.0, 1.0))
}

/// What a code that stands behind the field of this name says about it. One half of a directional pad is a button of its own.
fn held(name: &str, raw: Raw) -> Option<Change> {
    let pressed = matches!(raw, Raw::Key(true));
    match name.split_once(' ') {
        None => name.parse().ok().map(|field| read(field, raw)),
        Some(("dpad_y", "+")) => Some(Change::Dpad(Direction::Up, pressed)),
        Some(("dpad_y", _)) => Some(Change::Dpad(Direction::Down, pressed)),
        Some(("dpad_x", "-")) => Some(Change::Dpad(Direction::Left, pressed)),
        Some(_) => Some(Change::Dpad(Direction::Right, pressed)),
    }
}

/// A raw value as a field takes it: up is positive, a trigger rests at 0, a button is pressed from the middle on.
fn read(field: Field, raw: Raw) -> Change {
    match field {
        Field::Button(button) => Change::Button(
            button,
            match raw {
                Raw::Key(pressed) => pressed,
                Raw::Centred(value) | Raw::OneSided(value) => value > 0.5,
            },
        ),
        Field::Axis(axis) if axis.is_trigger() => Change::Axis(
            axis,
            match raw {
                Raw::Key(pressed) => f32::from(u8::from(pressed)),
                Raw::Centred(value) => f32::midpoint(value, 1.0),
                Raw::OneSided(value) => value,
            },
        ),
        Field::Axis(axis) => {
            let value = match raw {
                Raw::Key(pressed) => f32::from(u8::from(pressed)),
                Raw::Centred(value) => value,
                Raw::OneSided(value) => value * 2.0 - 1.0,
            };
            let upwards = matches!(axis, Axis::LeftStickY | Axis::RightStickY | Axis::DpadY);
            Change::Axis(axis, if upwards { -value } else { value })
        }
    }
}

/// The field that a change concerns.
fn field_of(change: &Change) -> Option<Field> {
    match change {
        Change::Axis(axis, _) => Some(Field::Axis(*axis)),
        Change::Button(button, _) => Some(Field::Button(*button)),
        Change::Dpad(Direction::Up | Direction::Down, _) => Some(Field::Axis(Axis::DpadY)),
        Change::Dpad(..) => Some(Field::Axis(Axis::DpadX)),
        Change::Connected(_) | Change::Settled | Change::Disconnected => None,
    }
}

fn code_in(event: EventType) -> Option<Code> {
    match event {
        EventType::ButtonPressed(_, code)
        | EventType::ButtonReleased(_, code)
        | EventType::ButtonChanged(_, _, code)
        | EventType::AxisChanged(_, _, code) => Some(Code(code.into_u32())),
        _ => None,
    }
}

const AXES: [(Axis, gilrs::Axis); 8] = [
    (Axis::LeftStickX, gilrs::Axis::LeftStickX),
    (Axis::LeftStickY, gilrs::Axis::LeftStickY),
    (Axis::RightStickX, gilrs::Axis::RightStickX),
    (Axis::RightStickY, gilrs::Axis::RightStickY),
    (Axis::LeftTrigger, gilrs::Axis::LeftZ),
    (Axis::RightTrigger, gilrs::Axis::RightZ),
    (Axis::DpadX, gilrs::Axis::DPadX),
    (Axis::DpadY, gilrs::Axis::DPadY),
];

/// The triggers of a known layout and the four buttons of some directional pads stand here, for gilrs calls them buttons.
const BUTTONS: [(&str, gilrs::Button); 17] = [
    ("left_trigger", gilrs::Button::LeftTrigger2),
    ("right_trigger", gilrs::Button::RightTrigger2),
    ("dpad_y +", gilrs::Button::DPadUp),
    ("dpad_y -", gilrs::Button::DPadDown),
    ("dpad_x -", gilrs::Button::DPadLeft),
    ("dpad_x +", gilrs::Button::DPadRight),
    ("south", gilrs::Button::South),
    ("east", gilrs::Button::East),
    ("west", gilrs::Button::West),
    ("north", gilrs::Button::North),
    ("left_bumper", gilrs::Button::LeftTrigger),
    ("right_bumper", gilrs::Button::RightTrigger),
    ("left_thumb", gilrs::Button::LeftThumb),
    ("right_thumb", gilrs::Button::RightThumb),
    ("select", gilrs::Button::Select),
    ("start", gilrs::Button::Start),
    ("mode", gilrs::Button::Mode),
];

/// What an event changes. Each button gives `ButtonPressed` and `ButtonChanged`: the first counts, for triggers the second.
fn change_of(event: EventType) -> Option<Change> {
    match event {
        EventType::ButtonPressed(button, _) => pressed(button, true),
        EventType::ButtonReleased(button, _) => pressed(button, false),
        EventType::ButtonChanged(gilrs::Button::LeftTrigger2, value, _) => Some(Change::Axis(Axis::LeftTrigger, value)),
        EventType::ButtonChanged(gilrs::Button::RightTrigger2, value, _) => {
            Some(Change::Axis(Axis::RightTrigger, value))
        }
        EventType::AxisChanged(axis, value, _) => moved(axis, value),
        _ => None,
    }
}

fn pressed(button: gilrs::Button, pressed: bool) -> Option<Change> {
    use gilrs::Button as Pad;
    let button = match button {
        Pad::South => Button::South,
        Pad::East => Button::East,
        Pad::West => Button::West,
        Pad::North => Button::North,
        Pad::LeftTrigger => Button::LeftBumper,
        Pad::RightTrigger => Button::RightBumper,
        Pad::LeftThumb => Button::LeftThumb,
        Pad::RightThumb => Button::RightThumb,
        Pad::Select => Button::Select,
        Pad::Start => Button::Start,
        Pad::Mode => Button::Mode,
        Pad::DPadUp => return Some(Change::Dpad(Direction::Up, pressed)),
        Pad::DPadDown => return Some(Change::Dpad(Direction::Down, pressed)),
        Pad::DPadLeft => return Some(Change::Dpad(Direction::Left, pressed)),
        Pad::DPadRight => return Some(Change::Dpad(Direction::Right, pressed)),
        _ => return None,
    };
    Some(Change::Button(button, pressed))
}

fn moved(axis: gilrs::Axis, value: f32) -> Option<Change> {
    use gilrs::Axis as Pad;
    let (axis, value) = match axis {
        Pad::LeftStickX => (Axis::LeftStickX, value),
        Pad::LeftStickY => (Axis::LeftStickY, value),
        Pad::RightStickX => (Axis::RightStickX, value),
        Pad::RightStickY => (Axis::RightStickY, value),
        // Without a known layout the triggers are plain axes that rest at -1.
        Pad::LeftZ => (Axis::LeftTrigger, f32::midpoint(value, 1.0)),
        Pad::RightZ => (Axis::RightTrigger, f32::midpoint(value, 1.0)),
        Pad::DPadX => (Axis::DpadX, value),
        Pad::DPadY => (Axis::DpadY, value),
        Pad::Unknown => return None,
    };
    Some(Change::Axis(axis, value))
}

/// The raw event behind an event: its packed code and its value in the kernel's direction. One of the pair that each
/// button gives, none for what is no input.
pub(crate) fn raw_of(event: EventType) -> Option<(u32, Raw)> {
    use gilrs::Axis as Pad;
    match event {
        EventType::ButtonPressed(_, code) if !is_absolute(code.into_u32()) => Some((code.into_u32(), Raw::Key(true))),
        EventType::ButtonReleased(_, code) if !is_absolute(code.into_u32()) => Some((code.into_u32(), Raw::Key(false))),
        EventType::ButtonChanged(_, value, code) if is_absolute(code.into_u32()) => {
            Some((code.into_u32(), Raw::OneSided(value)))
        }
        EventType::AxisChanged(_, value, code) if !is_absolute(code.into_u32()) => {
            Some((code.into_u32(), Raw::Key(value > 0.5)))
        }
        EventType::AxisChanged(Pad::LeftStickY | Pad::RightStickY | Pad::DPadY, value, code) => {
            Some((code.into_u32(), Raw::Centred(-value)))
        }
        EventType::AxisChanged(_, value, code) => Some((code.into_u32(), Raw::Centred(value))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn south() -> gilrs::ev::Code {
        gilrs::Button::South.to_nec().unwrap()
    }

    fn map(json: &str) -> Map {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_button_counts_once_although_it_is_told_twice() {
        let told = [
            EventType::ButtonPressed(gilrs::Button::South, south()),
            EventType::ButtonChanged(gilrs::Button::South, 1.0, south()),
        ];
        assert_eq!(told.map(change_of), [Some(Change::Button(Button::South, true)), None]);
        assert_eq!(told.map(raw_of), [Some((0x0001_0130, Raw::Key(true))), None]);
    }

    #[test]
    fn shoulders_are_bumpers_and_the_lower_ones_triggers() {
        let bumper = EventType::ButtonPressed(gilrs::Button::RightTrigger, south());
        let trigger = EventType::ButtonChanged(gilrs::Button::RightTrigger2, 0.25, south());
        assert_eq!(change_of(bumper), Some(Change::Button(Button::RightBumper, true)));
        assert_eq!(change_of(trigger), Some(Change::Axis(Axis::RightTrigger, 0.25)));
        let pressed = EventType::ButtonPressed(gilrs::Button::RightTrigger2, south());
        assert_eq!(change_of(pressed), None);
    }

    #[test]
    fn a_trigger_without_a_known_layout_rests_at_zero() {
        let values = [-1.0, 0.0, 1.0].map(|value| moved(gilrs::Axis::LeftZ, value));
        assert_eq!(values, [0.0, 0.5, 1.0].map(|value| Some(Change::Axis(Axis::LeftTrigger, value))));
    }

    #[test]
    fn every_button_of_the_message_is_listed() {
        let listed: Vec<&str> = BUTTONS.iter().map(|(name, _)| *name).collect();
        assert!(Button::ALL.iter().all(|button| listed.contains(&button.name())));
    }

    #[test]
    fn a_mapped_code_arrives_in_its_field_only() {
        let map = map(r#"{"right_bumper": "BTN_SOUTH"}"#);
        let told = [
            EventType::ButtonPressed(gilrs::Button::South, south()),
            EventType::ButtonChanged(gilrs::Button::South, 1.0, south()),
            EventType::ButtonReleased(gilrs::Button::South, south()),
        ];
        let (pressed, released) =
            (Change::Button(Button::RightBumper, true), Change::Button(Button::RightBumper, false));
        assert_eq!(told.map(|event| map.change(event)), [Some(pressed), None, Some(released)]);
    }

    #[test]
    fn a_mapped_field_hears_its_own_code_only() {
        let event = EventType::ButtonPressed(gilrs::Button::South, south());
        assert_eq!(map(r#"{"south": "BTN_TRIGGER"}"#).change(event), None);
        assert_eq!(map("{}").change(event), Some(Change::Button(Button::South, true)));
    }

    #[test]
    fn a_raw_value_is_read_as_its_field_needs_it() {
        let (stick, trigger, button) =
            (Field::Axis(Axis::RightStickY), Field::Axis(Axis::LeftTrigger), Field::Button(Button::East));
        let cases = [
            (stick, Raw::Centred(0.5), Change::Axis(Axis::RightStickY, -0.5)),
            (Field::Axis(Axis::RightStickX), Raw::Centred(0.5), Change::Axis(Axis::RightStickX, 0.5)),
            (stick, Raw::OneSided(0.0), Change::Axis(Axis::RightStickY, 1.0)),
            (trigger, Raw::Centred(-1.0), Change::Axis(Axis::LeftTrigger, 0.0)),
            (trigger, Raw::Key(true), Change::Axis(Axis::LeftTrigger, 1.0)),
            (button, Raw::OneSided(0.7), Change::Button(Button::East, true)),
            (button, Raw::Centred(-1.0), Change::Button(Button::East, false)),
        ];
        for (field, raw, expected) in cases {
            assert_eq!(read(field, raw), expected, "{field:?} {raw:?}");
        }
    }

    #[test]
    fn the_kernels_values_are_normalised_as_gilrs_does() {
        let cases = [
            (-32768, -32768, 32767, -1.0),
            (-1, -32768, 32767, 0.0),
            (127, 0, 255, 0.0),
            (0, -1, 1, 0.0),
            (5, 5, 5, 0.0),
        ];
        for (value, least, most, expected) in cases {
            let Raw::Centred(centred) = centred(value, least, most) else { panic!("an axis is centred") };
            assert!((centred - expected).abs() < 1e-4, "{value} of {least} to {most}: {centred}");
        }
    }

    #[test]
    fn a_trigger_at_rest_is_zero_and_at_its_end_one() {
        let way = [(0, 0.0), (255, 1.0), (300, 1.0), (-5, 0.0)];
        way.iter().for_each(|(value, part)| assert_eq!(one_sided(*value, 0, 255), Raw::OneSided(*part), "{value}"));
        assert_eq!(one_sided(3, 3, 3), Raw::OneSided(0.0));
    }

    #[test]
    fn what_is_held_on_half_a_directional_pad_is_a_direction() {
        assert_eq!(held("dpad_x -", Raw::Key(true)), Some(Change::Dpad(Direction::Left, true)));
        assert_eq!(held("dpad_y +", Raw::Key(false)), Some(Change::Dpad(Direction::Up, false)));
        assert_eq!(held("left_stick_y", Raw::Centred(-1.0)), Some(Change::Axis(Axis::LeftStickY, 1.0)));
    }
}
