//! The fields of a [`Gamepad`] by name: its axes and its buttons, as parameters and scripts write them.
//! It never guesses: a name that is none is an error that suggests the nearest.

use std::{borrow::Cow, str::FromStr};

use offboard_proto::Gamepad;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

/// Declares an enum of fields of one kind with everything that would otherwise repeat their list.
macro_rules! fields {
    ($(#[$doc:meta])* $kind:ident, $what:literal, $value:ty { $($variant:ident = $field:ident,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $kind {
            $(
                #[doc = concat!("`", stringify!($field), "`")]
                $variant,
            )*
        }

        impl $kind {
            /// All of them in the order of the message.
            pub const ALL: &[$kind] = &[$($kind::$variant,)*];

            /// The field's name.
            #[must_use]
pub fn name(self) -> &'static str {
                match self { $($kind::$variant => stringify!($field),)* }
            }

            /// The field's value.
            #[must_use]
pub fn get(self, pad: &Gamepad) -> $value {
                match self { $($kind::$variant => pad.$field,)* }
            }

            /// Sets the field.
            pub fn set(self, pad: &mut Gamepad, value: $value) {
                match self { $($kind::$variant => pad.$field = value,)* }
            }
        }

        impl FromStr for $kind {
            type Err = String;
            fn from_str(text: &str) -> Result<Self, String> {
                let found = $kind::ALL.iter().copied().find(|field| field.name() == text);
                found.ok_or_else(|| unknown($what, text, $kind::ALL.iter().map(|field| field.name())))
            }
        }

        impl Serialize for $kind {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.name())
            }
        }

        impl<'de> Deserialize<'de> for $kind {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Cow::<'de, str>::deserialize(deserializer)?.parse().map_err(D::Error::custom)
            }
        }

        impl JsonSchema for $kind {
            fn schema_name() -> Cow<'static, str> {
                stringify!($kind).into()
            }
            fn inline_schema() -> bool {
                true
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                let names: Vec<&str> = $kind::ALL.iter().map(|field| field.name()).collect();
                json_schema!({ "type": "string", "enum": names })
            }
        }
    };
}

fields!(
    /// A field with a value from -1 to 1, or from 0 to 1 for a trigger.
    Axis, "axis", f32 {
        LeftStickX = left_stick_x,
        LeftStickY = left_stick_y,
        RightStickX = right_stick_x,
        RightStickY = right_stick_y,
        LeftTrigger = left_trigger,
        RightTrigger = right_trigger,
        DpadX = dpad_x,
        DpadY = dpad_y,
    }
);

fields!(
    /// A field that is pressed or not.
    Button, "button", bool {
        South = south,
        East = east,
        West = west,
        North = north,
        LeftBumper = left_bumper,
        RightBumper = right_bumper,
        LeftThumb = left_thumb,
        RightThumb = right_thumb,
        Select = select,
        Start = start,
        Mode = mode,
    }
);

impl Axis {
    /// Whether it goes from 0 to 1 only.
    #[must_use]
    pub fn is_trigger(self) -> bool {
        matches!(self, Axis::LeftTrigger | Axis::RightTrigger)
    }

    /// The nearest value that the field may hold; what is not finite becomes 0.
    #[must_use]
    pub fn bounded(self, value: f32) -> f32 {
        let least = if self.is_trigger() { 0.0 } else { -1.0 };
        if value.is_finite() { value.clamp(least, 1.0) } else { 0.0 }
    }
}

/// The sentence for a name that is none, with the nearest name or all of them.
#[must_use]
pub fn unknown<'a>(what: &str, text: &str, names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    let near = names.iter().map(|name| (strsim::damerau_levenshtein(name, text), name)).min();
    match near {
        // A third of the letters may be wrong before a suggestion misleads more than it helps.
        Some((distance, name)) if distance <= name.len() / 3 => {
            format!("there is no {what} \"{text}\"; did you mean \"{name}\"?")
        }
        _ => format!("there is no {what} \"{text}\"; there are {}", names.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_reads_and_writes_its_own_field() {
        for axis in Axis::ALL {
            let mut pad = Gamepad::default();
            axis.set(&mut pad, 0.5);
            let set: Vec<&Axis> = Axis::ALL.iter().filter(|other| other.get(&pad) != 0.0).collect();
            assert_eq!((set, axis.name().parse()), (vec![axis], Ok(*axis)));
        }
        for button in Button::ALL {
            let mut pad = Gamepad::default();
            button.set(&mut pad, true);
            let set: Vec<&Button> = Button::ALL.iter().filter(|other| other.get(&pad)).collect();
            assert_eq!((set, button.name().parse()), (vec![button], Ok(*button)));
        }
    }

    #[test]
    fn an_unknown_name_is_told_the_nearest() {
        assert_eq!(
            "left_stik_y".parse::<Axis>(),
            Err("there is no axis \"left_stik_y\"; did you mean \"left_stick_y\"?".to_owned())
        );
    }

    #[test]
    fn a_name_near_to_none_is_told_all() {
        let error = "fire".parse::<Button>().unwrap_err();
        assert!(error.starts_with("there is no button \"fire\"; there are south, east, west"), "{error}");
    }

    #[test]
    fn an_axis_never_leaves_its_range() {
        let cases = [(Axis::LeftStickX, -2.0, -1.0), (Axis::LeftTrigger, -0.5, 0.0), (Axis::RightTrigger, 7.0, 1.0)];
        for (axis, value, bounded) in cases {
            assert_eq!(axis.bounded(value), bounded, "{axis:?}");
        }
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert_eq!(Axis::LeftStickX.bounded(value), 0.0, "{value}");
        }
    }
}
