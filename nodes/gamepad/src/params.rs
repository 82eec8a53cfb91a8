//! The parameters of a gamepad node, and what they mean once they were checked.
//! It never opens the device it names.

use std::{borrow::Cow, collections::BTreeMap, fmt, path::PathBuf, str::FromStr, time::Duration};

use offboard::{
    Error, Result,
    gamepad::{Axis, Button},
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, Visitor},
};

use crate::{fields::Field, layout::Map, state::Shape};

/// The parameters as the graph file writes them.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Params {
    /// Which gamepad: "first", a part of its name, its number in `gamepad --list`, or "script:FILE" for a script that plays one.
    device: Device,
    /// The part of a stick's or trigger's way that counts as rest, 0 to 0.9. Behind it motion starts at 0.
    #[schemars(range(min = 0.0, max = 0.9))]
    dead_zone: f64,
    /// Axes to turn around, by the names of Gamepad's fields; triggers cannot be.
    invert: Vec<Axis>,
    /// What arrives as what, by the names of Gamepad's fields: { left_bumper = "right_bumper" }. A field that another one
    /// arrives as no longer carries its own.
    remap: Remap,
    /// For a pad whose layout is not known: which code each field comes from, by the names that `gamepad --list` shows:
    /// { right_bumper = "BTN_TOP", right_stick_x = "ABS_Z" }.
    map: Map,
    /// How often the state is sent at least, in Hz, 5 to 500.
    #[schemars(range(min = 5.0, max = 500.0))]
    rate_min: f64,
}

impl Default for Params {
    fn default() -> Self {
        // Sticks at rest read up to 0.06; a pilot calls a pad silent after 0.25 s, so 20 Hz may lose a few.
        Params {
            device: Device::First,
            dead_zone: 0.08,
            invert: Vec::new(),
            remap: Remap::default(),
            map: Map::default(),
            rate_min: 20.0,
        }
    }
}

/// The parameters, checked.
#[derive(Debug)]
pub(crate) struct Settings {
    /// Which gamepad.
    pub(crate) device: Device,
    /// Where its fields come from.
    pub(crate) map: Map,
    /// How its state is published.
    pub(crate) shape: Shape,
    /// The longest time between two messages.
    pub(crate) period: Duration,
}

impl Params {
    /// Checks what the types alone do not say.
    ///
    /// # Errors
    /// [`Error::Config`] that names the parameter.
    pub(crate) fn check(self) -> Result<Settings> {
        let within = |name: &str, value: f64, least: f64, most: f64| {
            if (least..=most).contains(&value) {
                return Ok(());
            }
            Err(Error::config(format!("{name} is {value}; it goes from {least} to {most}")))
        };
        within("dead_zone", self.dead_zone, 0.0, 0.9)?;
        within("rate_min", self.rate_min, 5.0, 500.0)?;
        if let Some(trigger) = self.invert.iter().find(|axis| axis.is_trigger()) {
            let name = trigger.name();
            return Err(Error::config(format!(
                "invert: {name} rests at 0 and would rest at full; sticks and dpad only"
            )));
        }
        let remap: Vec<(Field, Field)> = self.remap.0.into_iter().collect();
        check_remap(&remap).map_err(|problem| Error::config(format!("remap: {problem}")))?;
        self.map.check().map_err(|problem| Error::config(format!("map: {problem}")))?;
        let shape = Shape::new(self.dead_zone as f32, &remap, &self.invert);
        Ok(Settings { device: self.device, map: self.map, shape, period: Duration::from_secs_f64(1.0 / self.rate_min) })
    }
}

/// Axes go to axes and buttons to buttons, and no two to the same place.
fn check_remap(remap: &[(Field, Field)]) -> std::result::Result<(), String> {
    for (index, (from, to)) in remap.iter().enumerate() {
        let same_kind = matches!((from, to), (Field::Axis(_), Field::Axis(_)) | (Field::Button(_), Field::Button(_)));
        if !same_kind {
            return Err(format!("{} cannot arrive as {}: axes go to axes, buttons to buttons", from.name(), to.name()));
        }
        if let Some((other, _)) = remap[..index].iter().find(|(_, taken)| taken == to) {
            return Err(format!("{} and {} both arrive as {}", other.name(), from.name(), to.name()));
        }
    }
    Ok(())
}

/// Which gamepad is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Device {
    /// The first that looks like one.
    First,
    /// The first whose name holds this, in any case of letters.
    Named(String),
    /// The one with this number in `gamepad --list`.
    Number(usize),
    /// None: a script plays one.
    Script(PathBuf),
}

impl FromStr for Device {
    type Err = &'static str;
    fn from_str(text: &str) -> std::result::Result<Self, Self::Err> {
        match text.strip_prefix("script:") {
            Some("") => Err("\"script:\" names no file; write \"script:drive.toml\""),
            Some(file) => Ok(Device::Script(file.into())),
            None if text.trim().is_empty() => Err("an empty name fits every gamepad; write \"first\""),
            None if text == "first" => Ok(Device::First),
            None => Ok(Device::Named(text.to_owned())),
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Device::First => f.write_str("any gamepad"),
            Device::Named(name) => write!(f, "a gamepad whose name holds \"{name}\""),
            Device::Number(number) => write!(f, "gamepad {number}"),
            Device::Script(file) => write!(f, "script {}", file.display()),
        }
    }
}

impl Serialize for Device {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match self {
            Device::First => serializer.serialize_str("first"),
            Device::Named(name) => serializer.serialize_str(name),
            Device::Number(number) => number.serialize(serializer),
            Device::Script(file) => serializer.collect_str(&format_args!("script:{}", file.display())),
        }
    }
}

impl<'de> Deserialize<'de> for Device {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct TextOrNumber;

        impl Visitor<'_> for TextOrNumber {
            type Value = Device;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("device as \"first\", a part of a name, a number from 0, or \"script:FILE\"")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> std::result::Result<Device, E> {
                text.parse().map_err(E::custom)
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> std::result::Result<Device, E> {
                usize::try_from(number).map(Device::Number).map_err(E::custom)
            }
        }

        deserializer.deserialize_any(TextOrNumber)
    }
}

impl JsonSchema for Device {
    fn schema_name() -> Cow<'static, str> {
        "Device".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [{ "type": "string" }, { "type": "integer", "minimum": 0 }] })
    }
}

/// What arrives as what.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Remap(BTreeMap<Field, Field>);

impl JsonSchema for Remap {
    fn schema_name() -> Cow<'static, str> {
        "Remap".into()
    }
    fn inline_schema() -> bool {
        true
    }
    /// Each name as a property of its own, so that a checker of graph files knows keys and values.
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (axis, button) = (Axis::json_schema(generator), Button::json_schema(generator));
        let axes = Axis::ALL.iter().map(|field| (field.name(), axis.clone()));
        let buttons = Button::ALL.iter().map(|field| (field.name(), button.clone()));
        let properties: BTreeMap<&str, Schema> = axes.chain(buttons).collect();
        json_schema!({ "type": "object", "properties": properties, "additionalProperties": false })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> std::result::Result<Settings, String> {
        let params: Params = serde_json::from_str(json).map_err(|error| error.to_string())?;
        params.check().map_err(|error| error.to_string())
    }

    #[test]
    fn without_parameters_the_first_gamepad_is_read() {
        let settings = read("{}").unwrap();
        assert_eq!((settings.device, settings.period), (Device::First, Duration::from_millis(50)));
    }

    #[test]
    fn a_device_is_a_word_a_name_a_number_or_a_script() {
        let cases = [
            ("\"first\"", Device::First),
            ("\"xbox\"", Device::Named("xbox".into())),
            ("2", Device::Number(2)),
            ("\"script:drive.toml\"", Device::Script("drive.toml".into())),
        ];
        for (text, device) in cases {
            assert_eq!(read(&format!("{{\"device\": {text}}}")).unwrap().device, device, "{text}");
        }
    }

    #[test]
    fn a_mistake_is_told_by_name() {
        let cases = [
            (r#"{"device": "script:"}"#, "\"script:\" names no file"),
            (r#"{"device": " "}"#, "an empty name fits every gamepad"),
            (r#"{"device": -1}"#, "expected device as \"first\", a part of a name, a number from 0"),
            (r#"{"dead_zone": 0.95}"#, "dead_zone is 0.95; it goes from 0 to 0.9"),
            (r#"{"rate_min": 0}"#, "rate_min is 0; it goes from 5 to 500"),
            (r#"{"invert": ["left_stick"]}"#, "there is no axis \"left_stick\"; did you mean \"left_stick_x\"?"),
            (r#"{"invert": ["left_trigger"]}"#, "invert: left_trigger rests at 0"),
            (r#"{"remap": {"suoth": "east"}}"#, "did you mean \"south\"?"),
            (r#"{"remap": {"south": "eats"}}"#, "did you mean \"east\"?"),
            (r#"{"remap": {"south": "dpad_x"}}"#, "remap: south cannot arrive as dpad_x: axes go to axes"),
            (r#"{"remap": {"south": "east", "west": "east"}}"#, "remap: south and west both arrive as east"),
            (r#"{"map": {"south": "BTN_FIRE"}}"#, "there is no code \"BTN_FIRE\"; gamepad --list shows a pad's own"),
            (r#"{"map": {"suoth": "BTN_TRIGGER"}}"#, "did you mean \"south\"?"),
            (r#"{"map": {"south": "BTN_TOP", "east": "BTN_TOP"}}"#, "map: BTN_TOP is both south and east"),
            (
                r#"{"map": {"left_stick_y": "BTN_TOP"}}"#,
                "map: left_stick_y cannot come from BTN_TOP: a stick comes from",
            ),
            (r#"{"deadzone": 0.1}"#, "unknown field `deadzone`"),
        ];
        for (json, message) in cases {
            let error = read(json).unwrap_err();
            assert!(error.contains(message), "{json}: {error}");
        }
    }

    #[test]
    fn the_schema_knows_the_names_of_the_fields() {
        let schema = serde_json::to_value(schemars::schema_for!(Params)).unwrap();
        let remap = &schema["properties"]["remap"];
        assert_eq!(remap["additionalProperties"], false);
        assert_eq!(schema["properties"]["map"]["properties"]["dpad_x"]["type"], "string");
        assert_eq!(remap["properties"]["south"]["enum"].as_array().unwrap().len(), Button::ALL.len());
        assert_eq!(schema["properties"]["invert"]["items"]["enum"].as_array().unwrap().len(), Axis::ALL.len());
        assert_eq!(schema["additionalProperties"], false);
        assert_eq!(schema["properties"]["device"]["default"], "first");
    }
}
