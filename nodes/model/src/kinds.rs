//! The parameters of every kind of model in one schema, as `launch check` and `--help` see them. It checks nothing itself.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use crate::{arrays, live};

/// The kinds that learn from arrays; all others learn from pictures.
pub const ARRAYS: [&str; 3] = ["ridge", "rls", "mlp"];

/// Whether these parameters are of a kind that learns from arrays.
#[must_use]
pub fn is_arrays(params: &Map<String, Value>) -> bool {
    params.get("kind").and_then(Value::as_str).is_some_and(|kind| ARRAYS.contains(&kind))
}

/// Parameters of any kind; each kind then reads its own and refuses the others'.
#[derive(Debug)]
pub struct Params;

impl JsonSchema for Params {
    fn schema_name() -> Cow<'static, str> {
        "Params".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let mut all = schemars::schema_for!(live::Params).to_value();
        let mut more = schemars::schema_for!(arrays::Params).to_value();
        let theirs = take(&mut more, "properties");
        let definitions = take(&mut more, "$defs");
        for (name, property) in theirs {
            let mine = &mut all["properties"][&name];
            *mine = if mine.is_null() { only(property) } else { both(mine, &property) };
        }
        for (name, definition) in definitions {
            all["$defs"][&name] = definition;
        }
        all["properties"]["kind"] = json!({
            "description": "What learns: cnn (pictures to commands), ridge, rls or mlp (arrays to arrays: in closed form, recursively, \
                            or a small network).",
            "type": "string",
            "enum": ["cnn", "ridge", "rls", "mlp"],
            "default": "cnn",
        });
        Schema::try_from(all).unwrap_or_default()
    }
}

fn take(schema: &mut Value, key: &str) -> Map<String, Value> {
    match schema[key].take() {
        Value::Object(entries) => entries,
        _ => Map::new(),
    }
}

fn words(property: &Value) -> &str {
    property["description"].as_str().unwrap_or("").trim_end_matches('.')
}

/// A parameter that only arrays have.
fn only(mut property: Value) -> Value {
    property["description"] = format!("Arrays: {}.", words(&property)).into();
    property
}

/// A parameter that both have, each in its own way: its type, and what each means by it.
fn both(pictures: &Value, arrays: &Value) -> Value {
    let about = format!("Pictures: {}. Arrays: {}.", words(pictures), words(arrays));
    let mut property = json!({ "description": about });
    for key in ["type", "$ref"] {
        if let Some(kind) = pictures.get(key) {
            property[key] = kind.clone();
        }
    }
    if pictures["default"] == arrays["default"] && !pictures["default"].is_null() {
        property["default"] = pictures["default"].clone();
    }
    property
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_parameter_of_every_kind_is_known_and_explained() {
        let schema = schemars::schema_for!(Params).to_value();
        let properties = schema["properties"].as_object().unwrap();
        for name in ["kind", "size", "history", "frozen", "window", "forget", "lambda", "lead", "learn", "weights"] {
            assert!(words(&properties[name]).len() > 10, "{name}: {}", properties[name]);
        }
        assert_eq!(properties["kind"]["enum"], json!(["cnn", "ridge", "rls", "mlp"]));
        assert_eq!(schema["additionalProperties"], json!(false));
        assert!(words(&properties["lead"]).starts_with("Pictures: How far ahead"));
        assert_eq!(properties["lead"]["format"], Value::Null, "\"auto\" is no duration");
    }

    #[test]
    fn the_kind_says_whose_parameters_they_are() {
        let of = |json: Value| is_arrays(json.as_object().unwrap());
        assert!(of(json!({ "kind": "rls" })) && !of(json!({ "kind": "cnn" })) && !of(json!({})));
    }
}
