//! A lever of the gamepad: an axis, or the difference of two. It never bounds what it reads.

use std::{borrow::Cow, fmt, str::FromStr};

use offboard::{Gamepad, gamepad::Axis};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

/// An axis, or one axis minus another: two triggers make one lever, `right_trigger-left_trigger`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lever {
    plus: Axis,
    minus: Option<Axis>,
}

impl Lever {
    /// Its value; not bounded, and NaN if one of its axes is.
    pub(crate) fn value(self, pad: &Gamepad) -> f32 {
        self.plus.get(pad) - self.minus.map_or(0.0, |minus| minus.get(pad))
    }
}

impl Lever {
    /// Whether it reads this axis.
    pub(crate) fn reads(self, axis: Axis) -> bool {
        self.plus == axis || self.minus == Some(axis)
    }
}

impl From<Axis> for Lever {
    fn from(plus: Axis) -> Lever {
        Lever { plus, minus: None }
    }
}

impl FromStr for Lever {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('-') {
            Some((plus, minus)) => Ok(Lever { plus: plus.parse()?, minus: Some(minus.parse()?) }),
            None => text.parse().map(Axis::into),
        }
    }
}

impl fmt::Display for Lever {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.plus.name())?;
        self.minus.map_or(Ok(()), |minus| write!(f, "-{}", minus.name()))
    }
}

impl Serialize for Lever {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Lever {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<'de, str>::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl JsonSchema for Lever {
    fn schema_name() -> Cow<'static, str> {
        "Lever".into()
    }
    fn inline_schema() -> bool {
        true
    }
    /// All single axes and all differences, so that a checker of graph files knows each value.
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let names = || Axis::ALL.iter().map(|axis| axis.name());
        let differences = names().flat_map(|plus| names().map(move |minus| (plus, minus)));
        let differences =
            differences.filter(|(plus, minus)| plus != minus).map(|(plus, minus)| format!("{plus}-{minus}"));
        let levers: Vec<String> = names().map(str::to_owned).chain(differences).collect();
        json_schema!({ "type": "string", "enum": levers })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pad() -> Gamepad {
        Gamepad { left_stick_y: 0.5, left_trigger: 0.75, right_trigger: 0.25, ..Gamepad::default() }
    }

    #[test]
    fn a_lever_is_an_axis_or_a_difference() {
        let cases = [("left_stick_y", 0.5), ("right_trigger-left_trigger", -0.5), ("left_stick_y-left_trigger", -0.25)];
        for (text, value) in cases {
            let lever = text.parse::<Lever>().unwrap();
            assert_eq!((lever.value(&pad()), lever.to_string().as_str()), (value, text));
        }
    }

    #[test]
    fn an_unknown_name_is_told_the_nearest() {
        let lever = |text: &str| text.parse::<Lever>().unwrap_err();
        assert_eq!(lever("left_stick"), "there is no axis \"left_stick\"; did you mean \"left_stick_x\"?");
        assert_eq!(
            lever("right_triger-left_trigger"),
            "there is no axis \"right_triger\"; did you mean \"right_trigger\"?"
        );
        assert!(lever("speed").starts_with("there is no axis \"speed\"; there are left_stick_x, left_stick_y"));
    }
}
