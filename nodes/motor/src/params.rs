//! The motor's parameters: what a graph file may say, and what it means. It never lets a motor go without a bound.

use std::time::Duration;

use offboard::{Error, Period, Result, motion::Rules};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::mixing::{Mixer, Mixing};

const DEADMAN_MIN: Duration = Duration::from_millis(20);
const DEADMAN_MAX: Duration = Duration::from_secs(1);
const EVIDENCE_MAX: Duration = Duration::from_secs(5);
/// Where `evidence` is not given: a picture is older than the command computed from it.
const EVIDENCE_USUAL: Duration = Duration::from_millis(500);
const RATE_MIN: f64 = 20.0;
const RATE_MAX: f64 = 500.0;
const BAUD_MIN: u32 = 9_600;
const BAUD_MAX: u32 = 4_000_000;
const SLEW_MAX: f64 = 1e6;
const RESPONSE_MAX: Duration = Duration::from_secs(10);

/// What turns outputs into motion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(crate) enum DriverKind {
    // A motor controller on a serial port.
    Serial,
    // No motor: the state topic shows what one would do.
    Virtual,
}

/// The parameters as a graph file gives them.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// How long after the last fresh command the motor is at neutral, 20ms to 1s. Half of it the command holds, then it fades.
    #[schemars(extend("x-min" = "20ms", "x-max" = "1s", "x-why" = WHY_DEADMAN))]
    pub(crate) deadman: Period,
    /// How old the picture (or whatever was sensed) behind a command may be, 20ms to 5s; not given: the deadman, at least 500ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Period", extend("x-min" = "20ms", "x-max" = "5s"))]
    pub(crate) evidence: Option<Period>,
    /// What turns outputs into motion: serial (a controller on a serial port) or virtual (nothing; state shows what it would do).
    #[serde(default = "virtual_driver")]
    pub(crate) driver: DriverKind,
    /// The serial port, for instance /dev/ttyUSB0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub(crate) port: Option<String>,
    /// Bits a second of the serial port, 9600 to 4000000.
    #[serde(default = "usual_baud")]
    #[schemars(range(min = 9600, max = 4_000_000))]
    pub(crate) baud: u32,
    /// How the robot turns: differential (left and right wheels) or ackermann (drive and steering).
    #[serde(default = "differential")]
    pub(crate) mixing: Mixing,
    /// The most |forward| that is ever put out, 0 to 1. A bound, not a gain: smaller commands pass unchanged.
    #[serde(default = "one")]
    #[schemars(range(min = 0, max = 1))]
    pub(crate) forward_limit: f64,
    /// The most |turn| that is ever put out, 0 to 1.
    #[serde(default = "one")]
    #[schemars(range(min = 0, max = 1))]
    pub(crate) turn_limit: f64,
    /// How fast an output may leave neutral, in full scales a second; 0: at once. Towards neutral nothing is ever held back.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub(crate) slew: f64,
    /// The left output (or the drive wheel) is mounted the other way round.
    #[serde(default)]
    pub(crate) invert_left: bool,
    /// The right output (or the steering) is mounted the other way round.
    #[serde(default)]
    pub(crate) invert_right: bool,
    /// Outputs a second while nothing comes, 20 to 500; a command is put out at once when it comes.
    #[serde(default = "usual_rate")]
    #[schemars(range(min = 20, max = 500))]
    pub(crate) rate: f64,
    /// Virtual driver: the time constant with which its wheels follow, at most 10s; 0s: at once.
    #[serde(default = "at_once")]
    #[schemars(extend("x-max" = "10s"))]
    pub(crate) response: Period,
}

const WHY_DEADMAN: &str = "a motor without a bound would keep moving when the commands stop; \
    say after how long it must stand still, for instance deadman = \"300ms\" (20ms to 1s; 0 is no bound)";

fn virtual_driver() -> DriverKind {
    DriverKind::Virtual
}
fn usual_baud() -> u32 {
    115_200
}
fn differential() -> Mixing {
    Mixing::Differential
}
fn one() -> f64 {
    1.0
}
fn usual_rate() -> f64 {
    50.0
}
fn at_once() -> Period {
    Period::from_millis(0)
}

/// Parameters that were checked.
#[derive(Debug)]
pub(crate) struct Settings {
    /// The bounds of the lease.
    pub(crate) rules: Rules,
    /// From command to wheels.
    pub(crate) mixer: Mixer,
    /// What turns outputs into motion.
    pub(crate) driver: DriverKind,
    /// The serial port; empty for other drivers.
    pub(crate) port: String,
    /// Bits a second.
    pub(crate) baud: u32,
    /// Time between outputs while nothing comes.
    pub(crate) period: Duration,
    /// After how long without an output a driver goes to neutral by itself.
    pub(crate) hold: Duration,
    /// Time constant of the virtual wheels.
    pub(crate) response: Duration,
}

impl Params {
    /// Checks everything again: a node can be started without `launch`.
    ///
    /// # Errors
    /// [`Error::Config`] with every mistake.
    pub(crate) fn settings(self) -> Result<Settings> {
        let evidence = self.evidence.map_or(self.deadman.0.max(EVIDENCE_USUAL), |evidence| evidence.0);
        let mistakes: Vec<String> = self.mistakes(evidence).into_iter().flatten().collect();
        if !mistakes.is_empty() {
            return Err(Error::config(mistakes.join("; ")));
        }
        let period = Duration::from_secs_f64(1.0 / self.rate);
        Ok(Settings {
            rules: Rules {
                deadman_ns: nanos(self.deadman.0),
                evidence_ns: nanos(evidence),
                forward_limit: self.forward_limit as f32,
                turn_limit: self.turn_limit as f32,
                slew: self.slew as f32,
            },
            mixer: Mixer { mixing: self.mixing, invert_left: self.invert_left, invert_right: self.invert_right },
            driver: self.driver,
            port: self.port.unwrap_or_default(),
            baud: self.baud,
            period,
            hold: self.deadman.0.max(period * 3),
            response: self.response.0,
        })
    }

    fn mistakes(&self, evidence: Duration) -> [Option<String>; 8] {
        let deadman = self.deadman.0;
        let wrong = |good: bool, sentence: &str| (!good).then(|| sentence.to_owned());
        let port_given = self.port.as_ref().is_some_and(|port| !port.is_empty());
        [
            (!(DEADMAN_MIN..=DEADMAN_MAX).contains(&deadman))
                .then(|| format!("deadman = \"{}\" is no bound between 20ms and 1s: {WHY_DEADMAN}", self.deadman)),
            wrong((DEADMAN_MIN..=EVIDENCE_MAX).contains(&evidence), "evidence must be 20ms to 5s; 0 is no bound"),
            wrong(
                self.driver != DriverKind::Serial || port_given,
                "driver = \"serial\" needs a port, for instance port = \"/dev/ttyUSB0\"",
            ),
            wrong((BAUD_MIN..=BAUD_MAX).contains(&self.baud), "baud must be 9600 to 4000000"),
            wrong(
                [self.forward_limit, self.turn_limit].iter().all(|limit| (0.0..=1.0).contains(limit)),
                "forward_limit and turn_limit must be 0 to 1",
            ),
            wrong((0.0..=SLEW_MAX).contains(&self.slew), "slew must be 0 (at once) to 1000000 full scales a second"),
            wrong((RATE_MIN..=RATE_MAX).contains(&self.rate), "rate must be 20 to 500 outputs a second"),
            wrong(self.response.0 <= RESPONSE_MAX, "response must be at most 10s"),
        ]
    }
}

/// A bounded duration in nanoseconds.
fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn settings(params: Value) -> Result<Settings> {
        serde_json::from_value::<Params>(params).map_err(Error::other)?.settings()
    }

    fn refusal(params: Value) -> String {
        settings(params).unwrap_err().to_string()
    }

    #[test]
    fn a_deadman_is_all_that_must_be_said() {
        let settings = settings(json!({ "deadman": "300ms" })).unwrap();
        assert_eq!(settings.rules.deadman_ns, 300_000_000);
        assert_eq!(settings.rules.evidence_ns, 500_000_000);
        assert_eq!(settings.period, Duration::from_millis(20));
        assert_eq!(settings.driver, DriverKind::Virtual);
    }

    #[test]
    fn evidence_follows_a_long_deadman() {
        assert_eq!(settings(json!({ "deadman": "800ms" })).unwrap().rules.evidence_ns, 800_000_000);
        let given = json!({ "deadman": "800ms", "evidence": "100ms" });
        assert_eq!(settings(given).unwrap().rules.evidence_ns, 100_000_000);
    }

    #[test]
    fn a_motor_without_a_deadman_is_refused() {
        assert!(refusal(json!({})).starts_with("missing field `deadman`"));
    }

    #[test]
    fn zero_is_no_bound() {
        assert_eq!(
            refusal(json!({ "deadman": "0s" })),
            "deadman = \"0ms\" is no bound between 20ms and 1s: a motor without a bound would keep moving when the commands \
             stop; say after how long it must stand still, for instance deadman = \"300ms\" (20ms to 1s; 0 is no bound)"
        );
        assert!(refusal(json!({ "deadman": "300ms", "evidence": "0s" })).starts_with("evidence must be"));
    }

    #[test]
    fn each_parameter_out_of_range_is_named() {
        let cases = [
            ("deadman", json!("1001ms")),
            ("deadman", json!("19ms")),
            ("evidence", json!("6s")),
            ("driver", json!("serial")),
            ("baud", json!(300)),
            ("forward_limit", json!(1.1)),
            ("turn_limit", json!(-0.1)),
            ("slew", json!(-1)),
            ("rate", json!(0)),
            ("response", json!("11s")),
        ];
        for (name, value) in cases {
            let mut params = json!({ "deadman": "300ms" });
            params[name] = value;
            assert!(refusal(params).contains(name), "{name}");
        }
    }

    #[test]
    fn all_mistakes_are_told_at_once() {
        let text = refusal(json!({ "deadman": "2s", "driver": "serial", "rate": 1e9 }));
        for part in ["deadman =", "needs a port", "rate must"] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
    }

    #[test]
    fn an_unknown_parameter_is_refused() {
        assert!(refusal(json!({ "deadman": "300ms", "deadmen": 1 })).contains("unknown field `deadmen`"));
    }

    #[test]
    fn the_schema_says_why_a_deadman_is_required() {
        let schema = schemars::schema_for!(Params).to_value();
        assert_eq!(schema["required"], json!(["deadman"]));
        let deadman = &schema["properties"]["deadman"];
        assert_eq!(
            (&deadman["format"], &deadman["x-min"], &deadman["x-max"]),
            (&json!("duration"), &json!("20ms"), &json!("1s"))
        );
        assert!(deadman["x-why"].as_str().unwrap().contains("deadman = \"300ms\""));
        assert_eq!(schema["properties"]["driver"]["enum"], json!(["serial", "virtual"]));
        assert_eq!(schema["additionalProperties"], json!(false));
    }

    #[test]
    fn every_parameter_is_documented() {
        let schema = schemars::schema_for!(Params).to_value();
        for (name, property) in schema["properties"].as_object().unwrap() {
            assert!(property["description"].as_str().is_some_and(|text| text.len() > 10), "{name}: {property}");
        }
    }
}
