//! An axis or a button of a gamepad, by its name.
//! It never guesses: a name that is none is an error that suggests the nearest.

use std::{borrow::Cow, str::FromStr};

use offboard::gamepad::{Axis, Button, unknown};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

/// An axis or a button.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Field {
    /// An axis.
    Axis(Axis),
    /// A button.
    Button(Button),
}

impl Field {
    /// The field's name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Field::Axis(axis) => axis.name(),
            Field::Button(button) => button.name(),
        }
    }
}

impl FromStr for Field {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let axis = text.parse().map(Field::Axis);
        axis.or_else(|_| text.parse().map(Field::Button)).map_err(|_: String| {
            let axes = Axis::ALL.iter().map(|axis| axis.name());
            unknown("axis or button", text, axes.chain(Button::ALL.iter().map(|button| button.name())))
        })
    }
}

impl Serialize for Field {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Field {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<'de, str>::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_name_is_told_the_nearest_of_both_kinds() {
        assert_eq!("left_stick_y".parse(), Ok(Field::Axis(Axis::LeftStickY)));
        assert_eq!("south".parse(), Ok(Field::Button(Button::South)));
        assert_eq!(
            "suoth".parse::<Field>(),
            Err("there is no axis or button \"suoth\"; did you mean \"south\"?".into())
        );
    }
}
