//! The parameters of a model that learns from pictures.

use std::time::Duration;

use offboard::{Error, Period, Result, graph::duration};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{net::Size, train::footage::LEAD_MAX_NS};

const LEAD_MAX: Duration = Duration::from_nanos(LEAD_MAX_NS.unsigned_abs());

/// The parameters as the graph file writes them.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Params {
    /// What learns: cnn (pictures to commands); ridge, rls or mlp (arrays to arrays).
    pub kind: Kind,
    /// The file of weights (safetensors): read at the start and whenever it changes, written when learn makes it better. Without one
    /// the node begins with nothing.
    pub weights: String,
    /// Learn while a human drives, in a thread of its own: what does better on stretches of time that were never learned is taken up
    /// between two pictures, what does worse is taken back.
    pub learn: bool,
    /// The network where it begins with nothing: small, medium or donkeycar.
    pub size: Size,
    /// How far ahead of a picture the command is that is learned from it: "auto" (as long as the loop from picture to motion takes,
    /// measured for some seconds) or a duration, at most 2s.
    pub lead: String,
    /// How many commands that were sent but cannot be seen in the picture yet go into the network beside it, 0 to 16.
    #[schemars(range(min = 0, max = 16))]
    pub history: u32,
    /// The most samples to learn from; the oldest give way. 18000 are ten minutes at 30 Hz. Never more than 512 MiB of prepared pictures.
    #[schemars(range(min = 300, max = 1_000_000))]
    pub keep: u32,
    /// Share of the picture cut off at the top, where the sky is, 0 to 0.9.
    #[schemars(range(min = 0.0, max = 0.9))]
    pub crop: f64,
    /// Learn also from mirrored pictures; not where left and right differ (lanes, signs).
    pub mirror: bool,
    /// Learn also from standing still.
    pub standing: bool,
    /// What chance begins with: the same drive and the same seed make the same network.
    pub seed: u64,
    /// After so long with the same picture while the robot moves (and the loop's latency besides), the camera counts as frozen: no
    /// command.
    #[schemars(extend("x-min" = "50ms", "x-max" = "5s"))]
    pub frozen: Period,
}

/// What learns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Kind {
    /// Pictures to commands.
    #[default]
    Cnn,
}

impl Default for Params {
    fn default() -> Self {
        Params {
            kind: Kind::Cnn,
            weights: String::new(),
            learn: false,
            size: Size::Small,
            lead: "auto".to_owned(),
            history: 0,
            keep: 18_000,
            crop: DEFAULT_CROP,
            mirror: true,
            standing: false,
            seed: 1,
            frozen: Period::from_millis(250),
        }
    }
}

/// The share of a picture that is cut off at the top where nothing else is said.
pub const DEFAULT_CROP: f64 = 0.3;

/// How far ahead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lead {
    /// As the loop is measured.
    Auto,
    /// So far.
    Is(Duration),
}

impl std::str::FromStr for Lead {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Lead, String> {
        if text == "auto" {
            return Ok(Lead::Auto);
        }
        let lead = duration::parse(text).map_err(|why| format!("{why}, or \"auto\""))?;
        if lead > LEAD_MAX {
            return Err(format!("a lead of {text} is longer than {}", Period(LEAD_MAX)));
        }
        Ok(Lead::Is(lead))
    }
}

impl Params {
    /// Checks everything again: a node can be started without `launch`.
    ///
    /// # Errors
    /// [`Error::Config`] that names the parameter.
    pub fn check(&self) -> Result<Lead> {
        let wrong = |what: String| Err(Error::config(what));
        if self.history > 16 {
            return wrong(format!("history is {}; it goes from 0 to 16", self.history));
        }
        if !(300..=1_000_000).contains(&self.keep) {
            return wrong(format!("keep is {}; it goes from 300 to 1000000 samples", self.keep));
        }
        if !(0.0..=0.9).contains(&self.crop) {
            return wrong(format!("crop is {}; it goes from 0 to 0.9", self.crop));
        }
        if !(Duration::from_millis(50)..=Duration::from_secs(5)).contains(&self.frozen.0) {
            return wrong(format!("frozen is {}; it goes from 50ms to 5s", self.frozen));
        }
        if !self.learn && self.weights.is_empty() {
            return wrong(
                "a model that has no weights and does not learn can do nothing: give it weights = \"drive.safetensors\" \
                 (launch train makes one), or learn = true"
                    .to_owned(),
            );
        }
        self.lead.parse().map_err(|why| Error::config(format!("lead: {why}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: &str) -> std::result::Result<Lead, String> {
        let params: Params = serde_json::from_str(json).map_err(|error| error.to_string())?;
        params.check().map_err(|error| error.to_string())
    }

    #[test]
    fn weights_or_learning_are_all_that_must_be_said() {
        assert_eq!(check(r#"{"weights": "drive.safetensors"}"#), Ok(Lead::Auto));
        assert_eq!(check(r#"{"learn": true, "lead": "80ms"}"#), Ok(Lead::Is(Duration::from_millis(80))));
        assert!(check("{}").unwrap_err().contains("give it weights = \"drive.safetensors\""));
    }

    #[test]
    fn a_mistake_is_told_by_name() {
        for (json, said) in [
            (r#"{"learn": true, "lead": "soon"}"#, "lead: \"soon\" is no duration"),
            (r#"{"learn": true, "lead": "3s"}"#, "lead: a lead of 3s is longer than 2s"),
            (r#"{"learn": true, "history": 17}"#, "history is 17"),
            (r#"{"learn": true, "crop": 1}"#, "crop is 1"),
            (r#"{"learn": true, "keep": 1}"#, "keep is 1"),
            (r#"{"learn": true, "frozen": "0s"}"#, "frozen is 0ms"),
            (r#"{"weigths": ""}"#, "unknown field `weigths`"),
        ] {
            let error = check(json).unwrap_err();
            assert!(error.contains(said), "{json}: {error}");
        }
    }

    #[test]
    fn every_parameter_is_documented() {
        let schema = schemars::schema_for!(Params).to_value();
        for (name, property) in schema["properties"].as_object().unwrap() {
            let about = property["description"].as_str();
            assert!(name == "size" || about.is_some_and(|text| text.len() > 10), "{name}: {property}");
        }
    }
}
