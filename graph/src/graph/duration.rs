//! Durations as people write them: a number and a unit, `300ms`, `1.5s`, `2m`, `1h`.
//! It never guesses a unit.

use std::{borrow::Cow, fmt, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use super::show::show;

/// The longest duration that makes sense in a graph file.
const MAX: Duration = Duration::from_secs(366 * 24 * 3600);

const UNITS: [(&str, f64); 6] = [("ns", 1e-9), ("us", 1e-6), ("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];

/// Reads `300ms`, `1.5s`, `2m`, `1h` (also `us`, `ns`).
///
/// # Errors
/// A sentence that says what is wrong and how a duration looks.
pub fn parse(text: &str) -> Result<Duration, String> {
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = (&text[..split], text[split..].trim_start());
    let scale = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, scale)| scale);
    let (Some(scale), Ok(number)) = (scale, number.parse::<f64>()) else {
        let text = show(text);
        return Err(format!("\"{text}\" is no duration; write a number and a unit (ms, s, m, h), like \"300ms\""));
    };
    Duration::try_from_secs_f64(number * scale)
        .ok()
        .filter(|duration| *duration <= MAX)
        .ok_or_else(|| format!("\"{}\" is longer than a year", show(text)))
}

/// A duration parameter: a string with a unit in the graph file, a [`Duration`] for the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Period(pub Duration);

impl Period {
    /// So many milliseconds.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Period {
        Period(Duration::from_millis(millis))
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_secs_f64() * 1e3;
        if millis >= 1e3 { write!(f, "{}s", millis / 1e3) } else { write!(f, "{millis}ms") }
    }
}

impl Serialize for Period {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        parse(&text).map(Period).map_err(D::Error::custom)
    }
}

impl JsonSchema for Period {
    fn schema_name() -> Cow<'static, str> {
        "Period".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "duration" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_a_number_and_a_unit() {
        let cases = [("300ms", 300_000), ("1.5s", 1_500_000), ("2m", 120_000_000), ("1h", 3_600_000_000), ("7us", 7)];
        for (text, micros) in cases {
            assert_eq!(parse(text), Ok(Duration::from_micros(micros)), "{text}");
        }
    }

    #[test]
    fn anything_else_is_told_how_a_duration_looks() {
        for text in ["", "300", "ms", "-1s", "1e3s", "1 day", "1..5s", "9999999h", "∞s"] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert_eq!(
            parse("300").unwrap_err(),
            "\"300\" is no duration; write a number and a unit (ms, s, m, h), like \"300ms\""
        );
    }
}
