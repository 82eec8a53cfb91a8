//! What a node program says of itself (`--describe`): its ports, their types and its parameters.
//! It never runs the program; `launch` does.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A node program's answer to `--describe`, as one JSON object on stdout.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Description {
    /// One sentence: what the node does.
    pub about: String,
    /// What it can subscribe to.
    pub inputs: Vec<Port>,
    /// What it can publish.
    pub outputs: Vec<Port>,
    /// It takes any further inputs, of any name and type (a recorder, a probe).
    pub any_inputs: bool,
    /// It takes any further outputs, of the names and types that the graph file gives.
    pub any_outputs: bool,
    /// JSON Schema of its parameters; none means that any parameters are taken unchecked.
    ///
    /// Beside the standard words (`type`, `properties`, `required`, `additionalProperties`, `enum`, `const`, `anyOf`, `oneOf`, `allOf`,
    /// `items`, `prefixItems`, `minimum`, `maximum`, `exclusiveMinimum`, `exclusiveMaximum`, `minItems`, `maxItems`, integer
    /// formats like `uint8`, local `$ref`; others are passed over) a string may have `format: "duration"` with `x-min` and `x-max` (durations),
    /// and a property may have `x-why`: the sentence that explains why it is required. `x-device` says that a property (or each string of
    /// it) names a device, and of which kind: `video` (its number too), `input`, `serial`, `i2c`, `gpio`, `pwm` or `can`; with `x-when`, an object of
    /// property names and lists of values, it counts only where those properties have such values (null: none given). `launch doctor` looks at them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub params: Option<serde_json::Value>,
    /// Restart it when it ends well by itself too; false for a node whose good end is a person's wish (a closed window).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart_when_done: Option<bool>,
    /// The verbs of launch that are this program's business, for instance `calibrate`: it gets the verb as its first word.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub verbs: Vec<String>,
}

/// One input or output of a node program.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Port {
    /// Its name in the graph file.
    pub name: String,
    /// Full protobuf names it can carry, the first is the default; empty: any.
    pub types: Vec<String>,
    /// One sentence: what it carries.
    pub about: String,
    /// The type depends on a parameter: its name, and the type for each of its values.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub when: Option<(String, BTreeMap<String, String>)>,
    /// The node cannot work without it (inputs only).
    pub required: bool,
}
