//! The parameters of a pilot node.
//! It never lets the dead-man button be left out.

use std::time::Duration;

use offboard::{
    Error, Result,
    gamepad::{Axis, Button},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{lever::Lever, mapping::Mapping};

/// The parameters as the graph file writes them. Axes and buttons go by the names of Gamepad's fields.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Params {
    /// What drives ahead and back: an axis, or "a-b" for two of them, for instance "right_trigger-left_trigger".
    forward_axis: Lever,
    /// What turns right and left: an axis, or "a-b".
    turn_axis: Lever,
    /// How gently the middle of both answers, from 0 (linear) to 1 (cubic); the ends stay full.
    #[schemars(range(min = 0.0, max = 1.0))]
    expo: f64,
    /// The most ahead or back, 0 to 1. Half by default: a robot nobody knows yet.
    #[schemars(range(min = 0.0, max = 1.0))]
    forward_limit: f64,
    /// The most to a side, 0 to 1. Half by default.
    #[schemars(range(min = 0.0, max = 1.0))]
    turn_limit: f64,
    /// The button without which nothing moves; after a start or a silence it must be let go first.
    deadman: Button,
    /// Emergency stop, until reset_button.
    stop_button: Button,
    /// Ends an emergency stop while both axes are at rest.
    reset_button: Button,
    /// How often the command is sent at least while the gamepad is heard, in Hz, 5 to 500.
    #[schemars(range(min = 5.0, max = 500.0))]
    rate: f64,
}

impl Default for Params {
    fn default() -> Self {
        Params {
            forward_axis: Axis::LeftStickY.into(),
            turn_axis: Axis::RightStickX.into(),
            expo: 0.3,
            forward_limit: 0.5,
            turn_limit: 0.5,
            deadman: Button::RightBumper,
            stop_button: Button::East,
            reset_button: Button::Start,
            rate: 30.0,
        }
    }
}

impl Params {
    /// Checks what the types alone do not say: the mapping, and the longest time between two commands.
    ///
    /// # Errors
    /// [`Error::Config`] that names the parameter.
    pub(crate) fn check(self) -> Result<(Mapping, Duration)> {
        let bounds = [
            ("expo", self.expo, 0.0, 1.0),
            ("forward_limit", self.forward_limit, 0.0, 1.0),
            ("turn_limit", self.turn_limit, 0.0, 1.0),
            ("rate", self.rate, 5.0, 500.0),
        ];
        if let Some((name, value, least, most)) =
            bounds.iter().find(|(_, value, least, most)| !(least..=most).contains(&value))
        {
            return Err(Error::config(format!("{name} is {value}; it goes from {least} to {most}")));
        }
        let roles = [("deadman", self.deadman), ("stop_button", self.stop_button), ("reset_button", self.reset_button)];
        for (index, (role, button)) in roles.iter().enumerate() {
            if let Some((other, _)) = roles[..index].iter().find(|(_, taken)| taken.name() == button.name()) {
                return Err(Error::config(format!("{other} and {role} are both {}", button.name())));
            }
        }
        let mapping = Mapping {
            forward: self.forward_axis,
            turn: self.turn_axis,
            expo: self.expo as f32,
            forward_limit: self.forward_limit as f32,
            turn_limit: self.turn_limit as f32,
            deadman: self.deadman,
            stop: self.stop_button,
            reset: self.reset_button,
        };
        Ok((mapping, Duration::from_secs_f64(1.0 / self.rate)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> std::result::Result<(Mapping, Duration), String> {
        let params: Params = serde_json::from_str(json).map_err(|error| error.to_string())?;
        params.check().map_err(|error| error.to_string())
    }

    #[test]
    fn without_parameters_the_left_stick_drives_at_half_and_the_right_bumper_must_be_held() {
        let (mapping, period) = read("{}").unwrap();
        assert_eq!((mapping.forward_limit, mapping.deadman.name()), (0.5, "right_bumper"));
        assert_eq!(period.as_millis(), 33);
    }

    #[test]
    fn a_mistake_is_told_by_name() {
        let cases = [
            (r#"{"deadman": "none"}"#, "there is no button \"none\"; there are south"),
            (r#"{"forward_axis": "left_stik_y"}"#, "did you mean \"left_stick_y\"?"),
            (r#"{"expo": 1.5}"#, "expo is 1.5; it goes from 0 to 1"),
            (r#"{"turn_limit": -1}"#, "turn_limit is -1; it goes from 0 to 1"),
            (r#"{"rate": 0}"#, "rate is 0; it goes from 5 to 500"),
            (r#"{"deadman": "east"}"#, "deadman and stop_button are both east"),
            (r#"{"forward": 1}"#, "unknown field `forward`"),
        ];
        for (json, message) in cases {
            let error = read(json).unwrap_err();
            assert!(error.contains(message), "{json}: {error}");
        }
    }

    #[test]
    fn the_schema_knows_every_lever_and_no_dead_man_button_named_none() {
        let schema = serde_json::to_value(schemars::schema_for!(Params)).unwrap();
        let has = |param: &str, value: &str| {
            schema["properties"][param]["enum"].as_array().unwrap().contains(&serde_json::json!(value))
        };
        assert!(has("forward_axis", "right_trigger-left_trigger") && has("turn_axis", "dpad_x"));
        assert_eq!(schema["properties"]["forward_axis"]["default"], "left_stick_y");
        assert!(has("deadman", "left_bumper") && !has("deadman", "none"));
    }
}
