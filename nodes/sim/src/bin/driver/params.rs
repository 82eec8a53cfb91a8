//! What a graph file may say about the scripted person. It never plans what a gamepad could not do.

use std::time::Duration;

use offboard::{Error, Period, Result, gamepad::Button};
use offboard_sim::driver::Habits;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::hands::Plan;

/// More is no plan but a program.
const PLANNED_MAX: usize = 1000;
const DELAY_MAX: Duration = Duration::from_millis(400);
const HAND_BACK_MIN: Duration = Duration::from_millis(500);
const HAND_BACK_MAX: Duration = Duration::from_secs(60);

/// The parameters as a graph file gives them.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Params {
    /// When it errs: the same number is the same person on the same day.
    #[schemars(range(min = 0, max = 4_294_967_295_u64))]
    seed: u32,
    /// How fast it likes to go, in metres a second, 0.3 to 3; in bends it is slower.
    #[schemars(range(min = 0.3, max = 3))]
    pace: f64,
    /// How long its hands need for what its eyes see, 0s to 400ms; it varies by a fifth and is mostly made up for by looking ahead.
    #[schemars(extend("x-max" = "400ms"))]
    delay: Period,
    /// How much it trembles, aims wrong and jerks, 0 (a machine) to 3; 1 is a person.
    #[schemars(range(min = 0, max = 3))]
    errors: f64,
    /// The pilot's expo, so that the sticks go where they give the command that is meant.
    #[schemars(range(min = 0, max = 1))]
    expo: f64,
    /// The pilot's forward_limit.
    #[schemars(range(min = 0, max = 1))]
    forward_limit: f64,
    /// The pilot's turn_limit.
    #[schemars(range(min = 0, max = 1))]
    turn_limit: f64,
    /// Buttons to press, the sticks held still meanwhile, counted from when the car is first seen: [{ button = "west", at = "60s" }], each with hold = "300ms" if not said otherwise.
    press: Vec<Press>,
    /// When to let the sticks go back to their middle, the dead-man button held, counted as press: [{ from = "60s", to = "90s" }]; without to: for good.
    rest: Vec<Rest>,
    /// Whether it takes over from a model that has left the road for half a second; it must be told by the input pilot who drives.
    rescue: bool,
    /// After how long of driving on the road it gives the robot to the model again, with the first button of press, when it had taken
    /// over or the model had fallen silent, 500ms to 60s; not given: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Period", extend("x-min" = "500ms", "x-max" = "60s"))]
    hand_back: Option<Period>,
}

/// A button that is pressed once.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub(crate) struct Press {
    /// Which.
    pub(crate) button: Button,
    /// When.
    pub(crate) at: Period,
    /// For how long.
    #[serde(default = "usual_hold")]
    pub(crate) hold: Period,
}

/// A time in which the sticks are at rest.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub(crate) struct Rest {
    /// From then.
    pub(crate) from: Period,
    /// Until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Period")]
    pub(crate) to: Option<Period>,
}

fn usual_hold() -> Period {
    Period::from_millis(300)
}

impl Rest {
    /// Whether so many seconds after the beginning are in it.
    pub(crate) fn contains(&self, since_s: f64) -> bool {
        since_s >= self.from.0.as_secs_f64() && self.to.is_none_or(|to| since_s < to.0.as_secs_f64())
    }
}

impl Default for Params {
    fn default() -> Self {
        let Habits { pace, .. } = Habits::default();
        Params {
            seed: 1,
            pace,
            delay: Period::from_millis(150),
            errors: 1.0,
            expo: 0.3,
            forward_limit: 0.5,
            turn_limit: 0.5,
            press: Vec::new(),
            rest: Vec::new(),
            rescue: false,
            hand_back: None,
        }
    }
}

impl Params {
    /// Checks everything again: a node can be started without `launch`.
    ///
    /// # Errors
    /// [`Error::Config`] with every mistake.
    pub(crate) fn settings(self) -> Result<Plan> {
        let mistakes = self.mistakes();
        if !mistakes.is_empty() {
            return Err(Error::config(mistakes.join("; ")));
        }
        let usual = Habits::default();
        Ok(Plan {
            seed: self.seed.into(),
            habits: Habits {
                pace: self.pace,
                delay_s: self.delay.0.as_secs_f64(),
                aim: usual.aim * self.errors,
                tremble: usual.tremble * self.errors,
                jerks: usual.jerks * self.errors,
            },
            expo: self.expo,
            forward_limit: self.forward_limit,
            turn_limit: self.turn_limit,
            press: self.press,
            rest: self.rest,
            rescue: self.rescue,
            hand_back_s: self.hand_back.map(|after| after.0.as_secs_f64()),
        })
    }

    fn mistakes(&self) -> Vec<String> {
        let share = 0.0..=1.0;
        let planned = self.press.len().max(self.rest.len());
        let checks = [
            ((0.3..=3.0).contains(&self.pace), "pace must be 0.3 to 3 metres a second"),
            (self.delay.0 <= DELAY_MAX, "delay must be 0s to 400ms"),
            ((0.0..=3.0).contains(&self.errors), "errors must be 0 to 3"),
            (
                self.hand_back.is_none_or(|after| (HAND_BACK_MIN..=HAND_BACK_MAX).contains(&after.0)),
                "hand_back must be 500ms to 60s",
            ),
            (share.contains(&self.expo), "expo must be 0 to 1"),
            (share.contains(&self.forward_limit), "forward_limit must be 0 to 1"),
            (share.contains(&self.turn_limit), "turn_limit must be 0 to 1"),
            (planned <= PLANNED_MAX, "press and rest may have 1000 entries each"),
            (
                self.rest.iter().all(|rest| rest.to.is_none_or(|to| to > rest.from)),
                "rest must end after it begins: from before to",
            ),
        ];
        checks.iter().filter(|(good, _)| !good).map(|(_, sentence)| (*sentence).to_owned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refusal(params: serde_json::Value) -> String {
        let params: Result<Params, _> = serde_json::from_value(params);
        params.map_or_else(|error| error.to_string(), |params| params.settings().unwrap_err().to_string())
    }

    #[test]
    fn each_parameter_out_of_range_is_named() {
        let cases = [
            ("pace", json!(0)),
            ("delay", json!("1s")),
            ("errors", json!(-1)),
            ("expo", json!(2)),
            ("forward_limit", json!(-0.5)),
            ("turn_limit", json!(1.5)),
            ("rest", json!([{ "from": "2s", "to": "1s" }])),
        ];
        for (name, value) in cases {
            let text = refusal(json!({ name: value }));
            assert!(text.contains(name), "{name}: {text}");
        }
    }

    #[test]
    fn a_button_that_is_none_is_told_the_nearest() {
        let text = refusal(json!({ "press": [{ "button": "wesst", "at": "1s" }] }));
        assert!(text.contains("did you mean \"west\"?"), "{text}");
    }

    #[test]
    fn every_parameter_is_documented() {
        let schema = schemars::schema_for!(Params).to_value();
        for (name, property) in schema["properties"].as_object().unwrap() {
            assert!(property["description"].as_str().is_some_and(|text| text.len() > 10), "{name}: {property}");
        }
    }
}
