//! The motor's parameters: what a graph file may say, and what it means. It never lets a motor go without a bound.

use std::time::Duration;

use offboard::{Error, Period, Result, motion::Rules};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    driver::{DriverKind, DriverSettings, pulses::Pulse},
    mixing::{Mixer, Mixing},
};

const DEADMAN_MIN: Duration = Duration::from_millis(20);
const DEADMAN_MAX: Duration = Duration::from_secs(1);
const EVIDENCE_MAX: Duration = Duration::from_secs(5);
/// Where `evidence` is not given: a picture is older than the command computed from it.
const EVIDENCE_USUAL: Duration = Duration::from_millis(500);
const RATE_MIN: f64 = 20.0;
const RATE_MAX: f64 = 500.0;
const SLEW_MAX: f64 = 1e6;

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
    /// What turns outputs into motion: serial (a controller on a serial port), pca9685 (servos and speed controllers on that board),
    /// gpio-pwm (the computer's own PWM, with GPIO lines for an H-bridge), vesc (VESCs on a CAN bus) or virtual (nothing; state
    /// shows what it would do). Not given: virtual.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "DriverKind")]
    pub(crate) driver: Option<DriverKind>,
    /// serial: the port, for instance /dev/ttyUSB0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", extend("x-device" = "serial", "x-when" = { "driver": ["serial"] }))]
    pub(crate) port: Option<String>,
    /// serial: bits a second, 9600 to 4000000; not given: 115200.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u32", range(min = 9600, max = 4_000_000))]
    pub(crate) baud: Option<u32>,
    /// pca9685: the I²C bus that the board is on, for instance /dev/i2c-1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", extend("x-device" = "i2c", "x-when" = { "driver": ["pca9685"] }))]
    pub(crate) bus: Option<String>,
    /// pca9685: the board's address on the bus, 0x08 to 0x77; not given: 0x40.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u8", range(min = 8, max = 0x77))]
    pub(crate) address: Option<u8>,
    /// pca9685: the board's outputs, 0 to 15: left and right (with ackermann mixing: drive and steering); not given: [0, 1].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "[u8; 2]", inner(range(min = 0, max = 15)))]
    pub(crate) channels: Option<[u8; 2]>,
    /// gpio-pwm: the PWM outputs, for instance ["pwmchip0/0", "pwmchip0/1"]: left and right (with ackermann mixing: drive and steering).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "[String; 2]", extend("x-device" = "pwm", "x-when" = { "driver": ["gpio-pwm"] }))]
    pub(crate) pwm: Option<[String; 2]>,
    /// gpio-pwm: the lines of the left H-bridge, forward and backward, for instance ["gpiochip0/17", "gpiochip0/27"]. With them the PWM
    /// gives 0 to 100 % of power; without them servo pulses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "[String; 2]", extend("x-device" = "gpio", "x-when" = { "driver": ["gpio-pwm"] }))]
    pub(crate) direction_left: Option<[String; 2]>,
    /// gpio-pwm: the lines of the right H-bridge, forward and backward.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "[String; 2]", extend("x-device" = "gpio", "x-when" = { "driver": ["gpio-pwm"] }))]
    pub(crate) direction_right: Option<[String; 2]>,
    /// pca9685 and gpio-pwm: periods of the PWM a second; not given: 50 for pulses, 1000 for an H-bridge. pca9685: 24 to 1526;
    /// gpio-pwm: 24 to 50000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "f64", range(min = 24, max = 50_000))]
    pub(crate) frequency: Option<f64>,
    /// pca9685 and gpio-pwm: the servo pulses of the left output (ackermann: the drive) in µs, for instance
    /// { min = 1000, neutral = 1500, max = 2000 }. `launch calibrate` finds them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Pulse")]
    pub(crate) pulse_left: Option<Pulse>,
    /// pca9685 and gpio-pwm: the servo pulses of the right output (ackermann: the steering) in µs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Pulse")]
    pub(crate) pulse_right: Option<Pulse>,
    /// vesc: the CAN interface, for instance can0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", extend("x-device" = "can", "x-when" = { "driver": ["vesc"] }))]
    pub(crate) interface: Option<String>,
    /// vesc: the numbers of the controllers, 0 to 254: left and right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "[u8; 2]", inner(range(min = 0, max = 254)))]
    pub(crate) ids: Option<[u8; 2]>,
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
    /// virtual: the time constant with which its wheels follow, at most 10s; 0s: at once.
    #[serde(default = "at_once")]
    #[schemars(extend("x-max" = "10s"))]
    pub(crate) response: Period,
}

const WHY_DEADMAN: &str = "a motor without a bound would keep moving when the commands stop; \
    say after how long it must stand still, for instance deadman = \"300ms\" (20ms to 1s; 0 is no bound)";

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
    pub(crate) driver: DriverSettings,
    /// Time between outputs while nothing comes.
    pub(crate) period: Duration,
}

impl Params {
    /// Checks everything again: a node can be started without `launch`.
    ///
    /// # Errors
    /// [`Error::Config`] with every mistake.
    pub(crate) fn settings(self) -> Result<Settings> {
        let evidence = self.evidence.map_or(self.deadman.0.max(EVIDENCE_USUAL), |evidence| evidence.0);
        let mut mistakes: Vec<String> = self.mistakes(evidence).into_iter().flatten().collect();
        let rate = self.rate.clamp(RATE_MIN, RATE_MAX); // what is outside was told
        let period = Duration::from_secs_f64(1.0 / rate);
        // After so long without an output a driver goes to neutral by itself.
        let hold = self.deadman.0.max(period * 3);
        let driver = match DriverSettings::check(&self, hold) {
            Ok(driver) if mistakes.is_empty() => driver,
            driver => {
                mistakes.extend(driver.err().into_iter().flatten());
                return Err(Error::config(mistakes.join("; ")));
            }
        };
        Ok(Settings {
            rules: Rules {
                deadman_ns: nanos(self.deadman.0),
                evidence_ns: nanos(evidence),
                forward_limit: self.forward_limit as f32,
                turn_limit: self.turn_limit as f32,
                slew: self.slew as f32,
            },
            mixer: Mixer { mixing: self.mixing, invert_left: self.invert_left, invert_right: self.invert_right },
            driver,
            period,
        })
    }

    fn mistakes(&self, evidence: Duration) -> [Option<String>; 5] {
        let deadman = self.deadman.0;
        let wrong = |good: bool, sentence: &str| (!good).then(|| sentence.to_owned());
        [
            (!(DEADMAN_MIN..=DEADMAN_MAX).contains(&deadman))
                .then(|| format!("deadman = \"{}\" is no bound between 20ms and 1s: {WHY_DEADMAN}", self.deadman)),
            wrong((DEADMAN_MIN..=EVIDENCE_MAX).contains(&evidence), "evidence must be 20ms to 5s; 0 is no bound"),
            wrong(
                [self.forward_limit, self.turn_limit].iter().all(|limit| (0.0..=1.0).contains(limit)),
                "forward_limit and turn_limit must be 0 to 1",
            ),
            wrong((0.0..=SLEW_MAX).contains(&self.slew), "slew must be 0 (at once) to 1000000 full scales a second"),
            wrong((RATE_MIN..=RATE_MAX).contains(&self.rate), "rate must be 20 to 500 outputs a second"),
        ]
    }
}

/// A bounded duration in nanoseconds.
fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
