//! What a player is told.

use std::path::PathBuf;

use offboard::{Error, Period, Result};
use schemars::JsonSchema;
use serde::Deserialize;

/// The slowest and fastest that make sense.
const SPEEDS: std::ops::RangeInclusive<f64> = 0.01..=100.0;

/// What a player is told.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// The recording. A file that was never closed, or is damaged, is played as far as it can be read.
    pub(crate) file: PathBuf,
    /// How many times as fast as it was: 0.01 to 100.
    #[serde(default = "one")]
    pub(crate) speed: f64,
    /// Begin anew at the end, for ever. Otherwise the node ends there, and stays down.
    #[serde(default, rename = "loop")]
    pub(crate) again: bool,
    /// Where to begin: this long after the first message of the recording.
    #[serde(default = "zero")]
    pub(crate) from: Period,
    /// Only these topics, as the recording names them; `*` stands for any letters. None: all that belong to this node.
    #[serde(default)]
    pub(crate) only: Vec<String>,
    /// The node of the recording to stand in for, when this one has another name.
    #[serde(default)]
    pub(crate) node: Option<String>,
    /// When the beginning is due, in nanoseconds on the machine's steady timeline, so that several players keep a common rhythm.
    /// Without it: once all listeners are there, or after 2 s.
    #[serde(default)]
    pub(crate) start_at_ns: Option<i64>,
    /// Play what was marked as erased, too.
    #[serde(default)]
    pub(crate) with_erased: bool,
}

fn one() -> f64 {
    1.0
}

fn zero() -> Period {
    Period(std::time::Duration::ZERO)
}

impl Params {
    /// The same, if it makes sense.
    pub(crate) fn checked(self) -> Result<Params> {
        if !SPEEDS.contains(&self.speed) {
            return Err(Error::config(format!("speed is {}: write a number from 0.01 to 100", self.speed)));
        }
        Ok(self)
    }
}
