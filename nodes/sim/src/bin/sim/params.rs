//! What a graph file may say about the simulated car. It never lets a car drive without a bound on its commands' age.

use std::time::Duration;

use offboard::{Error, Period, Result, motion::Rules};
use offboard_sim::render::Weather;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The name of the picture output.
pub(crate) const FRAMES: &str = "frames";

const DEADMAN_MIN: Duration = Duration::from_millis(20);
const DEADMAN_MAX: Duration = Duration::from_secs(1);
const EVIDENCE_MAX: Duration = Duration::from_secs(5);
/// Where `evidence` is not given: a picture is older than the command computed from it.
const EVIDENCE_USUAL: Duration = Duration::from_millis(500);
const LATENCY_MAX: Duration = Duration::from_secs(1);
const PUT_BACK_MAX: Duration = Duration::from_secs(60);

/// The parameters as a graph file gives them.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Params {
    /// Which track: the same number is the same road in the same colours, each other number another one.
    #[schemars(range(min = 0, max = 4_294_967_295_u64))]
    seed: u32,
    /// Width and height of the pictures in pixels, 16 to 1024 each.
    #[schemars(inner(range(min = 16, max = 1024)))]
    size: [u32; 2],
    /// Pictures a second, 1 to 120.
    #[schemars(range(min = 1, max = 120))]
    rate: f64,
    /// "jpeg" sends CompressedImage, "rgb8" sends RawImage.
    encoding: Encoding,
    /// Quality of the JPEGs, 1 to 100.
    #[schemars(range(min = 1, max = 100))]
    quality: u8,
    /// Grain of the camera, 0 to 1.
    #[schemars(range(min = 0, max = 1))]
    noise: f64,
    /// How much the light changes over seconds, 0 to 1.
    #[schemars(range(min = 0, max = 1))]
    light: f64,
    /// How late pictures are sent after they were taken, at most 1s. They are stamped when they were taken.
    #[schemars(extend("x-max" = "1s"))]
    latency: Period,
    /// How long after the last fresh command the motor is at neutral, 20ms to 1s, as the node motor's.
    #[schemars(extend("x-min" = "20ms", "x-max" = "1s"))]
    deadman: Period,
    /// How old the picture behind a command may be, 20ms to 5s; not given: the deadman, at least 500ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Period", extend("x-min" = "20ms", "x-max" = "5s"))]
    evidence: Option<Period>,
    /// The most |forward| that is ever put out, 0 to 1. A bound, not a gain.
    #[schemars(range(min = 0, max = 1))]
    forward_limit: f64,
    /// The most |turn| that is ever put out, 0 to 1.
    #[schemars(range(min = 0, max = 1))]
    turn_limit: f64,
    /// How fast an output may leave neutral, in full scales a second; 0: at once. Towards neutral nothing is ever held back.
    #[schemars(range(min = 0, max = 1_000_000))]
    slew: f64,
    /// After how long off the road the car is put back onto its middle, at most 60s; 0s: never.
    #[schemars(extend("x-max" = "60s"))]
    put_back: Period,
    /// How strong the car is, 0.25 to 2: at 1 it reaches 5 m/s at full ahead.
    #[schemars(range(min = 0.25, max = 2))]
    strength: f64,
}

impl Default for Params {
    fn default() -> Self {
        Params {
            seed: 1,
            size: [160, 120],
            rate: 30.0,
            encoding: Encoding::Jpeg,
            quality: 90,
            noise: 0.1,
            light: 0.2,
            latency: Period::from_millis(0),
            deadman: Period::from_millis(300),
            evidence: None,
            forward_limit: 1.0,
            turn_limit: 1.0,
            slew: 0.0,
            put_back: Period::from_millis(2000),
            strength: 1.0,
        }
    }
}

/// How pictures leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(crate) enum Encoding {
    Jpeg,
    Rgb8,
}

/// Parameters that were checked.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) seed: u64,
    pub(crate) size: [usize; 2],
    pub(crate) frame_period: Duration,
    pub(crate) encoding: Encoding,
    pub(crate) quality: u8,
    pub(crate) weather: Weather,
    pub(crate) latency: Duration,
    pub(crate) rules: Rules,
    pub(crate) put_back_s: Option<f64>,
    pub(crate) strength: f64,
}

impl Params {
    /// Checks everything again: a node can be started without `launch`.
    ///
    /// # Errors
    /// [`Error::Config`] with every mistake.
    pub(crate) fn settings(&self) -> Result<Settings> {
        let evidence = self.evidence.map_or(self.deadman.0.max(EVIDENCE_USUAL), |evidence| evidence.0);
        let mistakes = self.mistakes(evidence);
        if !mistakes.is_empty() {
            return Err(Error::config(mistakes.join("; ")));
        }
        Ok(Settings {
            seed: self.seed.into(),
            size: self.size.map(|side| side as usize),
            frame_period: Duration::from_secs_f64(1.0 / self.rate),
            encoding: self.encoding,
            quality: self.quality,
            weather: Weather { noise: self.noise, light: self.light },
            latency: self.latency.0,
            rules: Rules {
                deadman_ns: nanos(self.deadman.0),
                evidence_ns: nanos(evidence),
                forward_limit: self.forward_limit as f32,
                turn_limit: self.turn_limit as f32,
                slew: self.slew as f32,
            },
            put_back_s: Some(self.put_back.0.as_secs_f64()).filter(|seconds| *seconds > 0.0),
            strength: self.strength,
        })
    }

    fn mistakes(&self, evidence: Duration) -> Vec<String> {
        let share = 0.0..=1.0;
        let checks = [
            (self.size.iter().all(|side| (16..=1024).contains(side)), "size must be 16 to 1024 pixels a side"),
            ((1.0..=120.0).contains(&self.rate), "rate must be 1 to 120 pictures a second"),
            ((1..=100).contains(&self.quality), "quality must be 1 to 100"),
            (share.contains(&self.noise), "noise must be 0 to 1"),
            (share.contains(&self.light), "light must be 0 to 1"),
            (self.latency.0 <= LATENCY_MAX, "latency must be 0s to 1s"),
            ((DEADMAN_MIN..=DEADMAN_MAX).contains(&self.deadman.0), "deadman must be 20ms to 1s; 0 is no bound"),
            ((DEADMAN_MIN..=EVIDENCE_MAX).contains(&evidence), "evidence must be 20ms to 5s; 0 is no bound"),
            (share.contains(&self.forward_limit), "forward_limit must be 0 to 1"),
            (share.contains(&self.turn_limit), "turn_limit must be 0 to 1"),
            ((0.0..=1e6).contains(&self.slew), "slew must be 0 to 1000000"),
            (self.put_back.0 <= PUT_BACK_MAX, "put_back must be 0s to 60s"),
            ((0.25..=2.0).contains(&self.strength), "strength must be 0.25 to 2"),
        ];
        checks.iter().filter(|(good, _)| !good).map(|(_, sentence)| (*sentence).to_owned()).collect()
    }
}

fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
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
    fn nothing_said_is_a_car_on_the_first_track() {
        let settings = Params::default().settings().unwrap();
        assert_eq!((settings.seed, settings.size, settings.put_back_s), (1, [160, 120], Some(2.0)));
        assert_eq!((settings.rules.deadman_ns, settings.rules.evidence_ns), (300_000_000, 500_000_000));
    }

    #[test]
    fn each_parameter_out_of_range_is_named() {
        let cases = [
            ("size", json!([8, 120])),
            ("rate", json!(0)),
            ("rate", json!(121)),
            ("quality", json!(0)),
            ("noise", json!(1.5)),
            ("light", json!(-1)),
            ("latency", json!("2s")),
            ("deadman", json!("0s")),
            ("evidence", json!("6s")),
            ("forward_limit", json!(2)),
            ("turn_limit", json!(-0.1)),
            ("slew", json!(-1)),
            ("put_back", json!("2m")),
            ("strength", json!(0)),
        ];
        for (name, value) in cases {
            let text = refusal(json!({ name: value }));
            assert!(text.contains(name), "{name}: {text}");
        }
        assert!(refusal(json!({ "sead": 1 })).contains("unknown field `sead`"));
    }

    #[test]
    fn all_mistakes_are_told_at_once() {
        assert_eq!(
            refusal(json!({ "rate": 0, "latency": "2s" })),
            "rate must be 1 to 120 pictures a second; latency must be 0s to 1s"
        );
    }

    #[test]
    fn every_parameter_is_documented() {
        let schema = schemars::schema_for!(Params).to_value();
        for (name, property) in schema["properties"].as_object().unwrap() {
            assert!(property["description"].as_str().is_some_and(|text| text.len() > 10), "{name}: {property}");
        }
    }
}
