//! The dummy's parameters: what it sends, what it checks, and how it misbehaves. It never misbehaves unasked.

use std::time::Duration;

use offboard::{DType, Error, Period, Result, proto::MESSAGE_MAX};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::content::{Check, Kind, Recipe};

/// What an array weighs beside its elements, generously.
const OVERHEAD: usize = 1024;
/// The most dimensions of an array.
const DIMENSIONS_MAX: usize = 8;
const RATE_MAX: f64 = 10_000.0;
const CHILDREN_MAX: u32 = 100;
/// The size of an array where none is given, in bytes.
const SIZE_USUAL: u32 = 64;

/// How a dummy ends on request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(crate) enum Crash {
    // Ends well.
    Exit0,
    // Ends with an error.
    Exit1,
    // A bug in Rust.
    Panic,
    // SIGABRT.
    Abort,
    // SIGSEGV.
    Segv,
}

/// What kind of child processes are left behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(crate) enum Children {
    // In the node's process group.
    Plain,
    // In a session of its own.
    Setsid,
    // In a session of its own, and its parent is gone.
    Daemon,
}

/// Which messages are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(crate) enum Read {
    // Every one.
    Next,
    // The newest.
    Latest,
}

/// Where a flood goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(crate) enum Outlet {
    // Standard output.
    Stdout,
    // Standard error.
    Stderr,
}

/// The parameters as a graph file gives them.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Params {
    /// What the arrays hold after the count: zeros, incremental (element i is the count plus i) or random.
    #[serde(rename = "type")]
    pub(crate) kind: Kind,
    /// Elements of f32 in each dimension; this or size.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Vec<u32>")]
    pub(crate) shape: Option<Vec<u32>>,
    /// Elements of u8: bytes of payload; this or shape [default: 64].
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u32")]
    pub(crate) size: Option<u32>,
    /// Arrays a second on output array, up to 10000; 0: none, it only listens.
    #[schemars(range(min = 0, max = 10_000))]
    pub(crate) rate: f64,
    /// What of received arrays is checked: none, count (at the beginning, against the header's seq), zeros or incremental (all of it).
    pub(crate) check: Check,
    /// Which messages are read: next (every one) or latest.
    pub(crate) read: Read,
    /// How long it takes over each received message.
    pub(crate) slow: Period,
    /// The input whose arrays are sent again on output echo, with their stamp and origin.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub(crate) echo: Option<String>,
    /// Print counts and age percentiles of each input as JSON lines on stdout at the end.
    pub(crate) probe: bool,
    /// End well after so many messages, sent and received together; 0: only when asked to.
    pub(crate) messages: u64,
    /// How long after the start it begins to misbehave.
    pub(crate) after: Period,
    /// After how many messages, sent and received together, it begins to misbehave; with after, when both are reached.
    pub(crate) after_messages: u64,
    /// Misbehave: end by exit0, exit1, panic, abort or segv.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Crash")]
    pub(crate) crash: Option<Crash>,
    /// Misbehave: the work loop stops, while the process and another thread live on.
    pub(crate) hang: bool,
    /// Misbehave: hang at the start, before any port is opened.
    pub(crate) hang_before_ready: bool,
    /// Misbehave: keep so many more MB each second.
    #[schemars(range(min = 0, max = 10_000))]
    pub(crate) leak: f64,
    /// Where a leak ends, in MB.
    #[schemars(range(min = 0, max = 100_000))]
    pub(crate) leak_max: u32,
    /// Misbehave: write so many lines a second.
    #[schemars(range(min = 0, max = 10_000_000))]
    pub(crate) flood: u32,
    /// Misbehave: write so many bytes without a newline, once.
    pub(crate) flood_bytes: u64,
    /// Where floods go: stdout or stderr.
    pub(crate) flood_to: Outlet,
    /// Misbehave: do not end when asked to (SIGTERM).
    pub(crate) ignore_term: bool,
    /// Misbehave: start so many child processes, at the start, and never end them; each ends after 10 minutes at the latest.
    #[schemars(range(min = 0, max = 100))]
    pub(crate) spawn_children: u32,
    /// What they are: plain (in the node's process group), setsid (in a session of their own), daemon (that, and their parent is gone).
    pub(crate) children: Children,
    /// Misbehave: end at the start with this exit code.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u8")]
    pub(crate) exit_at_start: Option<u8>,
}

impl Default for Params {
    fn default() -> Params {
        let none = Period::from_millis(0);
        Params {
            kind: Kind::Incremental,
            shape: None,
            size: None,
            rate: 10.0,
            check: Check::Count,
            read: Read::Next,
            slow: none,
            echo: None,
            probe: false,
            messages: 0,
            after: none,
            after_messages: 0,
            crash: None,
            hang: false,
            hang_before_ready: false,
            leak: 0.0,
            leak_max: 256,
            flood: 0,
            flood_bytes: 0,
            flood_to: Outlet::Stderr,
            ignore_term: false,
            spawn_children: 0,
            children: Children::Plain,
            exit_at_start: None,
        }
    }
}

impl Params {
    /// Checks what a schema cannot say, and again what it can: a node can be started without `launch`.
    ///
    /// # Errors
    /// [`Error::Config`] with the first mistake.
    pub(crate) fn check(&self) -> Result<()> {
        let wrong = |good: bool, sentence: &str| if good { Ok(()) } else { Err(Error::config(sentence)) };
        wrong(self.shape.is_none() || self.size.is_none(), "give shape or size, not both")?;
        wrong((0.0..=RATE_MAX).contains(&self.rate), "rate must be 0 to 10000 arrays a second")?;
        wrong((0.0..=10_000.0).contains(&self.leak), "leak must be 0 to 10000 MB a second")?;
        wrong(self.spawn_children <= CHILDREN_MAX, "spawn_children must be 0 to 100")?;
        let dimensions = self.shape.as_ref().map_or(1, Vec::len);
        wrong((1..=DIMENSIONS_MAX).contains(&dimensions), "shape must have 1 to 8 dimensions")?;
        let recipe = self.recipe();
        let bytes = recipe.elements().and_then(|elements| elements.checked_mul(recipe.dtype.size()?));
        wrong(
            bytes.is_some_and(|bytes| bytes <= MESSAGE_MAX - OVERHEAD),
            "an array must stay under 64 MiB: give a smaller shape or size",
        )
    }

    /// How the arrays are made.
    pub(crate) fn recipe(&self) -> Recipe {
        let (dtype, shape) = match &self.shape {
            Some(shape) => (DType::DtypeF32, shape.clone()),
            None => (DType::DtypeU8, vec![self.size.unwrap_or(SIZE_USUAL)]),
        };
        Recipe { kind: self.kind, dtype, shape }
    }

    /// Time between two arrays; none when it only listens.
    pub(crate) fn period(&self) -> Option<Duration> {
        (self.rate > 0.0).then(|| Duration::try_from_secs_f64(1.0 / self.rate).unwrap_or(Duration::MAX / 2))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn params(params: Value) -> Result<Params> {
        let params: Params = serde_json::from_value(params).map_err(Error::other)?;
        params.check().map(|()| params)
    }

    #[test]
    fn without_parameters_it_sends_small_arrays_and_behaves() {
        let params = params(json!({})).unwrap();
        assert_eq!(params.recipe(), Recipe { kind: Kind::Incremental, dtype: DType::DtypeU8, shape: vec![64] });
        assert_eq!(params.period(), Some(Duration::from_millis(100)));
        assert_eq!(params.crash, None);
    }

    #[test]
    fn a_shape_makes_floats_and_a_size_makes_bytes() {
        let shaped = params(json!({ "shape": [2, 3], "type": "random" })).unwrap().recipe();
        assert_eq!((shaped.dtype, shaped.elements(), shaped.kind), (DType::DtypeF32, Some(6), Kind::Random));
        let sized = params(json!({ "size": 921_600, "rate": 0 })).unwrap();
        assert_eq!((sized.recipe().dtype, sized.recipe().elements()), (DType::DtypeU8, Some(921_600)));
        assert_eq!(sized.period(), None);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for (wrong, word) in [
            (json!({ "shape": [1], "size": 1 }), "not both"),
            (json!({ "size": 64 << 20 }), "64 MiB"),
            (json!({ "shape": [4_000_000_000u32, 4_000_000_000u32, 4_000_000_000u32] }), "64 MiB"),
            (json!({ "shape": [] }), "dimensions"),
            (json!({ "rate": -1 }), "rate"),
            (json!({ "spawn_children": 101 }), "spawn_children"),
            (json!({ "crash": "softly" }), "exit0"),
            (json!({ "speed": 1 }), "unknown field"),
        ] {
            let text = params(wrong.clone()).unwrap_err().to_string();
            assert!(text.contains(word), "{wrong}: {text}");
        }
    }

    #[test]
    fn every_parameter_is_documented() {
        let schema = schemars::schema_for!(Params).to_value();
        let properties = schema["properties"].as_object().unwrap();
        assert!(properties.len() > 20);
        for (name, property) in properties {
            assert!(property["description"].as_str().is_some_and(|text| text.len() > 10), "{name}: {property}");
            assert!(property.get("oneOf").is_none(), "{name}: {property}");
        }
    }
}
