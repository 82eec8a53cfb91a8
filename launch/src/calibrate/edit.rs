//! Parameters in the text of a graph file: changed where they stand, so that comments, order and all else stay as they were.
//! It never touches a value that somebody else gives: an included file, the environment, the command line.

use std::cmp::Ordering;

use serde_json::{Map, Value as Json};
use toml_edit::{Array, DocumentMut, InlineTable, Item, Value};

/// A file's new text, and what a person must change.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Edited {
    pub(super) text: String,
    /// Sentences: which value belongs where.
    pub(super) by_hand: Vec<String>,
}

/// Whether a text holds this node, or with `param` this parameter of it.
pub(super) fn holds(text: &str, node: &str, param: Option<&str>) -> bool {
    let Ok(file) = text.parse::<DocumentMut>() else { return false };
    let table = file.get("node").and_then(Item::as_table_like).and_then(|all| all.get(node)?.as_table_like());
    match param {
        None => table.is_some(),
        Some(param) => table.and_then(|table| table.get("params")?.as_table_like()?.get(param)).is_some(),
    }
}

/// Changes the parameters of a node. `elsewhere` says who else gives a parameter, or the node when it is asked for none.
///
/// # Errors
/// When the text does not read.
pub(super) fn edit(
    text: &str,
    node: &str,
    changes: &Map<String, Json>,
    elsewhere: &dyn Fn(Option<&str>) -> Option<String>,
) -> Result<Edited, String> {
    let mut file: DocumentMut = text.parse().map_err(|error: toml_edit::TomlError| error.message().to_owned())?;
    let mut by_hand = Vec::new();
    for (name, value) in changes {
        let owner = owner(text, &file, node, name, elsewhere);
        match (owner, params(&mut file, node)) {
            (None, Some(params)) => put(params, name, value),
            (owner, _) => {
                let owner = owner.unwrap_or_else(|| format!("[node.{node}], wherever that stands"));
                by_hand.push(format!("{name} = {} belongs into {owner}", toml(value)));
            }
        }
    }
    Ok(Edited { text: file.to_string(), by_hand })
}

/// Who gives a parameter, when it is not this file.
fn owner(
    text: &str,
    file: &DocumentMut,
    node: &str,
    name: &str,
    elsewhere: &dyn Fn(Option<&str>) -> Option<String>,
) -> Option<String> {
    if holds(text, node, Some(name)) {
        let filled = file["node"][node]["params"][name].to_string();
        let filled = filled.replace("$${", "").contains("${");
        return filled.then(|| format!("the environment, where ${{…}} of {name} is filled from")).or_else(|| {
            // The command line outweighs what stands here.
            elsewhere(Some(name)).filter(|owner| owner.starts_with("--set"))
        });
    }
    elsewhere(Some(name)).or_else(|| if holds(text, node, None) { None } else { elsewhere(None) })
}

/// The item with a node's parameters, made when it is missing; none when the file has no such node.
fn params<'a>(file: &'a mut DocumentMut, node: &str) -> Option<&'a mut Item> {
    let node = file.get_mut("node")?.as_table_like_mut()?.get_mut(node)?;
    if node.as_table_like()?.get("params").is_none() {
        insert(node, "params", Value::InlineTable(InlineTable::new()));
    }
    node.as_table_like_mut()?.get_mut("params").filter(|params| params.is_table_like())
}

/// Changes one value, and nothing around it.
fn put(table: &mut Item, name: &str, new: &Json) {
    let there = table.as_table_like_mut().and_then(|table| table.get_mut(name));
    match (there, new) {
        (Some(old), Json::Object(parts)) if old.is_table_like() => {
            parts.iter().for_each(|(name, part)| put(old, name, part));
        }
        (Some(Item::Value(old)), new) if !same(old, new) => {
            let around = old.decor().clone();
            *old = value(new);
            *old.decor_mut() = around;
        }
        (Some(_), _) => {}
        (None, new) => insert(table, name, value(new)),
    }
}

/// Adds a value at the end, on a line of its own where the others have one.
fn insert(table: &mut Item, name: &str, mut new: Value) {
    let Item::Value(Value::InlineTable(inline)) = table else {
        if let Some(table) = table.as_table_like_mut() {
            drop(table.insert(name, Item::Value(new)));
        }
        return;
    };
    let Some((before, last)) = inline.iter_mut().last() else {
        inline.insert(name, new);
        return;
    };
    // What stands before the closing brace goes on standing there.
    let suffix = last.decor().suffix().cloned();
    last.decor_mut().set_suffix("");
    let indent = before.leaf_decor().prefix().and_then(|prefix| prefix.as_str()).unwrap_or_default();
    let indent = indent.rfind('\n').map(|line| indent[line..].to_owned());
    new.decor_mut().set_prefix(" ");
    new.decor_mut().set_suffix(suffix.unwrap_or_else(|| " ".into()));
    inline.insert(name, new);
    if let (Some(indent), Some(mut key)) = (indent, inline.key_mut(name)) {
        key.leaf_decor_mut().set_prefix(indent);
    }
}

/// Whether a value of the file says what the new one does, however it is written.
fn same(old: &Value, new: &Json) -> bool {
    match old {
        Value::Integer(old) => new.as_f64() == Some(*old.value() as f64),
        Value::Float(old) => new.as_f64() == Some(*old.value()),
        Value::Boolean(old) => new.as_bool() == Some(*old.value()),
        Value::String(old) => new.as_str() == Some(old.value()),
        Value::Array(old) => new
            .as_array()
            .is_some_and(|new| new.len() == old.len() && old.iter().zip(new).all(|(old, new)| same(old, new))),
        _ => false,
    }
}

/// A value as the file has it. What the file would fill in from the environment is written so that it does not.
fn value(new: &Json) -> Value {
    match new {
        Json::Bool(bool) => (*bool).into(),
        Json::Number(number) => match number.as_i64() {
            Some(integer) => integer.into(),
            None => number.as_f64().unwrap_or_default().into(),
        },
        Json::String(text) => text.replace("${", "$${").into(),
        Json::Array(items) => Value::Array(items.iter().map(value).collect::<Array>()),
        Json::Object(parts) => {
            let mut parts: Vec<_> = parts.iter().collect();
            // Bounds are written from the lowest to the highest; JSON has lost the order they came in.
            if parts.iter().all(|(_, part)| part.is_number()) {
                parts.sort_by(|(_, a), (_, b)| a.as_f64().partial_cmp(&b.as_f64()).unwrap_or(Ordering::Equal));
            }
            Value::InlineTable(
                parts.into_iter().map(|(name, part)| (name.as_str(), value(part))).collect::<InlineTable>(),
            )
        }
        Json::Null => "".into(),
    }
}

/// A value as a person writes it into a file.
pub(super) fn toml(new: &Json) -> String {
    value(new).to_string().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn nobody(_: Option<&str>) -> Option<String> {
        None
    }

    fn edited(text: &str, changes: Json) -> Edited {
        edit(text, "motor", changes.as_object().unwrap(), &nobody).unwrap()
    }

    const FILE: &str = r#"# The robot.
[graph]
name = "robot"   # its name

[node.motor]
subscribe = { drive = "pilot/drive" }
params = { driver = "pca9685", pulse_left = { min = 1_000, neutral = 1500, max = 2000 }, deadman = "300ms" } # pulses

[node.eye]
"#;

    #[test]
    fn a_value_is_changed_where_it_stands_and_nothing_around_it() {
        let changes = json!({ "pulse_left": { "min": 1000, "neutral": 1480, "max": 1900 }, "invert_right": true });
        let wanted = FILE
            .replace("neutral = 1500, max = 2000 }", "neutral = 1480, max = 1900 }")
            .replace("\"300ms\" }", "\"300ms\", invert_right = true }");
        assert_eq!(edited(FILE, changes), Edited { text: wanted, by_hand: Vec::new() });
    }

    #[test]
    fn parameters_on_lines_of_their_own_stay_on_them() {
        let text = "[node.motor.params]\n# in µs\npulse_left = { neutral = 1500 } # found by hand\n\n[node.eye]\n";
        let changes = json!({ "pulse_left": { "neutral": 1480 }, "forward_limit": 0.5 });
        assert_eq!(
            edited(text, changes).text,
            "[node.motor.params]\n# in µs\npulse_left = { neutral = 1480 } # found by hand\nforward_limit = 0.5\n\n[node.eye]\n"
        );
        let text = "[node.motor]\nparams = {\n  # in µs\n  rate = 50, # Hz\n  slew = 2,\n}\n";
        assert_eq!(
            edited(text, json!({ "rate": 60, "invert_left": true })).text,
            "[node.motor]\nparams = {\n  # in µs\n  rate = 60, # Hz\n  slew = 2,\n  invert_left = true,\n}\n"
        );
    }

    #[test]
    fn a_node_without_parameters_gets_some() {
        assert_eq!(
            edited("[node.motor]\nstop = \"1s\"\n\n[node.eye]\n", json!({ "invert_left": true })).text,
            "[node.motor]\nstop = \"1s\"\nparams = { invert_left = true }\n\n[node.eye]\n"
        );
        assert_eq!(
            edited("node = { motor = {} }\n", json!({ "pulse_left": { "max": 2000, "min": 1000, "neutral": 1480 } }))
                .text,
            "node = { motor = { params = { pulse_left = { min = 1000, neutral = 1480, max = 2000 } } } }\n"
        );
    }

    #[test]
    fn what_says_the_same_already_is_left_as_it_is_written() {
        let changes = json!({ "pulse_left": { "min": 1000, "neutral": 1500, "max": 2000 }, "driver": "pca9685" });
        assert_eq!(edited(FILE, changes).text, FILE);
    }

    #[test]
    fn what_somebody_else_gives_is_for_the_person_to_change() {
        let text = "[node.motor.params]\nport = \"${PORT:-/dev/x}\"\nbus = \"$${x}\"\nslew = 1\nrate = 50\n";
        let elsewhere = |name: Option<&str>| match name {
            Some("slew") => Some("--set node.motor.params.slew=2".to_owned()),
            Some("pulse_left") => Some("base.toml".to_owned()),
            _ => None,
        };
        let changes = json!({ "port": "/dev/y", "slew": 3, "pulse_left": { "neutral": 1480 }, "rate": 60, "bus": "b" });
        let Edited { text, by_hand } = edit(text, "motor", changes.as_object().unwrap(), &elsewhere).unwrap();
        assert_eq!(
            by_hand,
            [
                "port = \"/dev/y\" belongs into the environment, where ${…} of port is filled from",
                "pulse_left = { neutral = 1480 } belongs into base.toml",
                "slew = 3 belongs into --set node.motor.params.slew=2",
            ]
        );
        assert_eq!(text, "[node.motor.params]\nport = \"${PORT:-/dev/x}\"\nbus = \"b\"\nslew = 1\nrate = 60\n");
        let whole = |name: Option<&str>| name.is_none().then(|| "base.toml".to_owned());
        let Edited { text, by_hand } =
            edit("include = [\"base.toml\"]\n", "motor", json!({ "rate": 60 }).as_object().unwrap(), &whole).unwrap();
        assert_eq!(
            (text.as_str(), by_hand),
            ("include = [\"base.toml\"]\n", vec!["rate = 60 belongs into base.toml".to_owned()])
        );
    }

    #[test]
    fn what_is_written_is_not_filled_in_from_the_environment() {
        assert_eq!(
            edited("[node.motor]\n", json!({ "port": "${X}" })).text,
            "[node.motor]\nparams = { port = \"$${X}\" }\n"
        );
    }
}
