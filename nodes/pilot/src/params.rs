//! The parameters of a pilot node.
//! It never lets the dead-man button be left out.

use std::time::Duration;

use offboard::{
    DriveMode, Error, Period, Result,
    gamepad::{Axis, Button},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{arbiter::Rules, lever::Lever, mapping::Mapping};

/// Who drives, as the graph file writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(crate) enum Mode {
    // The human alone.
    Human,
    // The human; the model's error is measured.
    Shadow,
    // The human's throttle, the model's steering.
    Assist,
    // The model.
    Model,
}

impl From<Mode> for DriveMode {
    fn from(mode: Mode) -> DriveMode {
        match mode {
            Mode::Human => DriveMode::Human,
            Mode::Shadow => DriveMode::Shadow,
            Mode::Assist => DriveMode::Assist,
            Mode::Model => DriveMode::Model,
        }
    }
}

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
    /// Who drives at the start: human, shadow (the human drives, the model's error is measured), assist (the human's throttle, the
    /// model's steering) or model. Whoever it is, nothing moves unless the dead-man button is held.
    mode: Mode,
    /// Through which modes mode_button goes, in this order and round again. Any stick that moves, and letting go of the dead-man
    /// button, takes back from the model: the mode is human then.
    modes: Vec<Mode>,
    /// The button that goes to the next mode.
    mode_button: Button,
    /// How far a stick or trigger moves, from where it stood when the model took over, to take back: 0.02 to 0.5 of its way. While
    /// the model only steers, the throttle is the human's and only turn_axis takes back.
    #[schemars(range(min = 0.02, max = 0.5))]
    take_back: f64,
    /// How long the model may be silent before the robot stops and the human is to drive, 20ms to 1s.
    #[schemars(extend("x-min" = "20ms", "x-max" = "1s"))]
    model_timeout: Period,
    /// How old the picture (or whatever was sensed) behind the model's command may be, 20ms to 5s.
    #[schemars(extend("x-min" = "20ms", "x-max" = "5s"))]
    evidence: Period,
    /// How long a change of who drives, by the button, takes at full scale, up to 2s; 0s: at once. Stopping is never held back,
    /// and whoever moves a stick has the robot at once.
    #[schemars(extend("x-max" = "2s"))]
    blend: Period,
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
            mode: Mode::Human,
            modes: vec![Mode::Human, Mode::Shadow, Mode::Assist, Mode::Model],
            mode_button: Button::North,
            take_back: 0.1,
            model_timeout: Period::from_millis(250),
            evidence: Period::from_millis(500),
            blend: Period::from_millis(300),
        }
    }
}

/// Parameters that were checked.
#[derive(Debug)]
pub(crate) struct Settings {
    /// What the hands mean.
    pub(crate) mapping: Mapping,
    /// Who drives when.
    pub(crate) rules: Rules,
    /// The longest time between two commands.
    pub(crate) period: Duration,
}

impl Params {
    /// Checks what the types alone do not say. Without a model to listen to there is only the human.
    ///
    /// # Errors
    /// [`Error::Config`] that names the parameter.
    pub(crate) fn check(self, model: bool) -> Result<Settings> {
        self.bounds()?;
        self.buttons()?;
        self.who(model)?;
        let period = Duration::from_secs_f64(1.0 / self.rate);
        let mapping = Mapping {
            forward: self.forward_axis,
            turn: self.turn_axis,
            expo: self.expo as f32,
            forward_limit: self.forward_limit as f32,
            turn_limit: self.turn_limit as f32,
            deadman: self.deadman,
            stop: self.stop_button,
            reset: self.reset_button,
            mode: self.mode_button,
        };
        let rules = Rules {
            modes: if model { self.modes.iter().map(|&mode| mode.into()).collect() } else { vec![DriveMode::Human] },
            start: self.mode.into(),
            take_back: self.take_back as f32,
            turn: self.turn_axis,
            timeout_ns: nanos(self.model_timeout.0),
            evidence_ns: nanos(self.evidence.0),
            blend_ns: nanos(self.blend.0),
            period_ns: nanos(period),
            forward_limit: self.forward_limit as f32,
            turn_limit: self.turn_limit as f32,
        };
        Ok(Settings { mapping, rules, period })
    }

    fn bounds(&self) -> Result<()> {
        let numbers = [
            ("expo", self.expo, 0.0, 1.0),
            ("forward_limit", self.forward_limit, 0.0, 1.0),
            ("turn_limit", self.turn_limit, 0.0, 1.0),
            ("rate", self.rate, 5.0, 500.0),
            ("take_back", self.take_back, 0.02, 0.5),
        ];
        if let Some((name, value, least, most)) =
            numbers.iter().find(|(_, value, least, most)| !(least..=most).contains(&value))
        {
            return Err(Error::config(format!("{name} is {value}; it goes from {least} to {most}")));
        }
        let times = [
            ("model_timeout", self.model_timeout, Period::from_millis(20), Period::from_millis(1000)),
            ("evidence", self.evidence, Period::from_millis(20), Period::from_millis(5000)),
            ("blend", self.blend, Period::from_millis(0), Period::from_millis(2000)),
        ];
        match times.iter().find(|(_, value, least, most)| !(least..=most).contains(&value)) {
            Some((name, value, least, most)) => {
                Err(Error::config(format!("{name} is {value}; it goes from {least} to {most}")))
            }
            None => Ok(()),
        }
    }

    fn buttons(&self) -> Result<()> {
        let roles = [
            ("deadman", self.deadman),
            ("stop_button", self.stop_button),
            ("reset_button", self.reset_button),
            ("mode_button", self.mode_button),
        ];
        for (index, (role, button)) in roles.iter().enumerate() {
            if let Some((other, _)) = roles[..index].iter().find(|(_, taken)| taken.name() == button.name()) {
                return Err(Error::config(format!("{other} and {role} are both {}", button.name())));
            }
        }
        Ok(())
    }

    fn who(&self, model: bool) -> Result<()> {
        let name = |mode: Mode| crate::name(mode.into());
        if !model && self.mode != Mode::Human {
            let mode = name(self.mode);
            return Err(Error::config(format!(
                "mode is \"{mode}\" but nothing speaks on the input model; subscribe it"
            )));
        }
        if self.modes.is_empty() {
            return Err(Error::config("modes is empty; name at least one, for instance [\"human\", \"model\"]"));
        }
        let twice = self.modes.iter().enumerate().find(|(index, mode)| self.modes[..*index].contains(mode));
        match twice {
            Some((_, &mode)) => Err(Error::config(format!("modes names \"{}\" twice", name(mode)))),
            None => Ok(()),
        }
    }
}

fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> std::result::Result<Settings, String> {
        let params: Params = serde_json::from_str(json).map_err(|error| error.to_string())?;
        params.check(true).map_err(|error| error.to_string())
    }

    #[test]
    fn without_parameters_the_left_stick_drives_at_half_and_the_right_bumper_must_be_held() {
        let Settings { mapping, rules, period } = read("{}").unwrap();
        assert_eq!((mapping.forward_limit, mapping.deadman.name()), (0.5, "right_bumper"));
        assert_eq!((period.as_millis(), rules.start, rules.modes.len()), (33, DriveMode::Human, 4));
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
            (r#"{"mode_button": "east"}"#, "stop_button and mode_button are both east"),
            (r#"{"mode": "auto"}"#, "unknown variant `auto`, expected one of `human`, `shadow`, `assist`, `model`"),
            (r#"{"modes": []}"#, "modes is empty; name at least one"),
            (r#"{"modes": ["human", "model", "human"]}"#, "modes names \"human\" twice"),
            (r#"{"model_timeout": "0s"}"#, "model_timeout is 0ms; it goes from 20ms to 1s"),
            (r#"{"evidence": "9s"}"#, "evidence is 9s; it goes from 20ms to 5s"),
            (r#"{"take_back": 0}"#, "take_back is 0; it goes from 0.02 to 0.5"),
            (r#"{"forward": 1}"#, "unknown field `forward`"),
        ];
        for (json, message) in cases {
            let error = read(json).unwrap_err();
            assert!(error.contains(message), "{json}: {error}");
        }
    }

    #[test]
    fn without_a_model_there_is_only_the_human() {
        let settings = |json: &str| serde_json::from_str::<Params>(json).unwrap().check(false);
        assert_eq!(settings("{}").unwrap().rules.modes, [DriveMode::Human]);
        let error = settings(r#"{"mode": "model"}"#).unwrap_err().to_string();
        assert!(error.contains("mode is \"model\" but nothing speaks on the input model; subscribe it"), "{error}");
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
