//! `schema`: the JSON Schema of graph files, for editors (`#:schema PATH` in the first line of a graph file).
//!
//! The fixed part is `schema/base.json`; message types come from the descriptors, ports and parameters from what the programs beside
//! `launch` say of themselves. Draft-07, which TOML editors know.
//!
//! It never checks a file: `launch check` does, and says more.

use std::{fs::File, io::Read, path::Path};

use offboard::graph::{Description, Port, Program};
use prost_reflect::DescriptorPool;
use serde_json::{Map, Value, json};

use crate::{
    child::Places,
    describe::{Memory, Programs},
    failure::Failure,
    print::print,
    supervisor::code,
};

const BASE: &str = include_str!("schema/base.json");

/// Who knows the wiring names this; no other program is asked what it is.
const WIRING: &[u8] = b"LAUNCH_CLOCK_OFFSET_NS";

/// How much of a program is looked through, in bytes.
const PROGRAM_MAX: u64 = 128 << 20;

/// `schema`.
///
/// # Errors
/// When nobody reads it.
pub(crate) fn schema() -> Result<(), Failure> {
    let places = Places::here();
    let names: Vec<String> = nodes(&places);
    let here = Path::new("/").to_owned();
    let runs: Vec<_> = names.iter().map(|name| (here.clone(), vec![name.clone()])).collect();
    let programs = Programs::ask(places, &runs, &Memory::default());
    let described = names.into_iter().filter_map(|name| match programs.program(&here, std::slice::from_ref(&name)) {
        Program::Described(description) => Some((name, description)),
        _ => None,
    });
    let whole = build(&described.collect::<Vec<_>>())?;
    print(&format!("{whole:#}\n"))
}

/// The programs beside `launch` that are nodes.
fn nodes(places: &Places) -> Vec<String> {
    let own = std::env::current_exe().unwrap_or_default();
    let node = |name: &String| {
        let path = places.beside.join(name);
        path != own && knows_wiring(&path)
    };
    let mut names: Vec<String> = places.ours().into_iter().filter(node).collect();
    names.sort();
    names
}

fn knows_wiring(path: &Path) -> bool {
    const BLOCK: usize = 1 << 20;
    let Ok(file) = File::open(path) else { return false };
    let mut file = file.take(PROGRAM_MAX);
    let mut window = Vec::with_capacity(BLOCK + WIRING.len());
    loop {
        // The end of the last block stays, for a word may lie across two.
        window.drain(..window.len().saturating_sub(WIRING.len()));
        match (&mut file).take(BLOCK as u64).read_to_end(&mut window) {
            Ok(0) | Err(_) => return false,
            Ok(_) if find(&window) => return true,
            Ok(_) => {}
        }
    }
}

fn find(bytes: &[u8]) -> bool {
    let (first, rest) = WIRING.split_at(1);
    let mut at = bytes;
    while let Some(place) = at.iter().position(|byte| first.contains(byte)) {
        at = &at[place + 1..];
        if at.starts_with(rest) {
            return true;
        }
    }
    false
}

/// The whole schema: the fixed part, the message types, and these programs.
fn build(described: &[(String, Description)]) -> Result<Value, Failure> {
    let odd =
        |error: &dyn std::fmt::Display| Failure::new(code::OTHER, format!("its own schema does not read: {error}"));
    let mut whole: Value = serde_json::from_str(BASE).map_err(|error| odd(&error))?;
    let pool = DescriptorPool::decode(offboard::proto::DESCRIPTORS).map_err(|error| odd(&error))?;
    whole["$defs"]["type"] = types(&pool);
    let mut rules = Vec::new();
    for (name, description) in described {
        let key = format!("program.{name}");
        whole["$defs"][&key] = node(name, description);
        if let Some(params) = &description.params {
            let mut params = rooted(params, &format!("#/$defs/params.{name}"));
            // What a file lacks may be in one that it includes.
            params.as_object_mut().map(|words| words.remove("required"));
            whole["$defs"][format!("params.{name}")] = params;
        }
        let reference = json!({ "$ref": format!("#/$defs/{key}") });
        // Whoever says which program it runs, and whoever has its name and does not say.
        rules.push(
            json!({ "if": { "required": ["run"], "properties": { "run": { "const": name } } }, "then": reference }),
        );
        whole["properties"]["node"]["properties"][name] = json!({
            "description": description.about,
            "allOf": [{ "$ref": "#/$defs/node" }, { "if": { "not": { "required": ["run"] } }, "then": reference }],
        });
    }
    if !rules.is_empty() {
        whole["$defs"]["node"]["allOf"] = rules.into();
    }
    Ok(whole)
}

/// Our own messages by their short names, and any other by its full one.
fn types(pool: &DescriptorPool) -> Value {
    let ours = |name: &str| name.strip_prefix("offboard.v1.").filter(|rest| !rest.contains('.')).map(str::to_owned);
    let mut names: Vec<String> = pool.all_messages().filter_map(|message| ours(message.full_name())).collect();
    names.sort();
    json!({ "description": "The type of its messages.", "anyOf": [{ "enum": names }, { "type": "string", "pattern": "\\.|\\*" }] })
}

/// What a node that runs this program may say.
fn node(name: &str, description: &Description) -> Value {
    let ports = |ports: &[Port]| -> Value {
        let about = |port: &Port| (port.name.clone(), json!({ "description": port.about }));
        Map::from_iter(ports.iter().map(about)).into()
    };
    let mut properties = Map::new();
    if description.params.is_some() {
        properties.insert("params".to_owned(), json!({ "$ref": format!("#/$defs/params.{name}") }));
    }
    for (word, list, any) in [
        ("subscribe", &description.inputs, description.any_inputs),
        ("publish", &description.outputs, description.any_outputs),
    ] {
        let mut port = json!({ "properties": ports(list) });
        if !any {
            port["additionalProperties"] = false.into();
        }
        properties.insert(word.to_owned(), port);
    }
    json!({ "description": description.about, "properties": properties })
}

/// The same schema at another place: its references to itself begin there, and it names no language of its own.
fn rooted(schema: &Value, root: &str) -> Value {
    match schema {
        Value::Object(words) => {
            let word = |(word, value): (&String, &Value)| match (word.as_str(), value.as_str()) {
                ("$schema", _) => None,
                ("$ref", Some(link)) => Some((
                    word.clone(),
                    link.strip_prefix('#').map_or(link.to_owned(), |rest| format!("{root}{rest}")).into(),
                )),
                _ => Some((word.clone(), rooted(value, root))),
            };
            Value::Object(words.iter().filter_map(word).collect())
        }
        Value::Array(items) => items.iter().map(|item| rooted(item, root)).collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_brings_its_ports_and_parameters() {
        let description = Description {
            about: "Sees".into(),
            outputs: vec![Port { name: "frames".into(), about: "pictures".into(), ..Port::default() }],
            params: Some(
                json!({ "$schema": "x", "properties": { "a": { "$ref": "#/$defs/A" } }, "$defs": { "A": {} } }),
            ),
            ..Description::default()
        };
        let whole = build(&[("camera".into(), description)]).unwrap();
        let params = &whole["$defs"]["params.camera"];
        assert_eq!(params["properties"]["a"]["$ref"], "#/$defs/params.camera/$defs/A");
        assert!(params.get("$schema").is_none() && whole.pointer("/$defs/params.camera/$defs/A").is_some());
        let publish = &whole["$defs"]["program.camera"]["properties"]["publish"];
        assert_eq!(publish["properties"]["frames"]["description"], "pictures");
        assert_eq!(publish["additionalProperties"], false);
        assert_eq!(whole["properties"]["node"]["properties"]["camera"]["description"], "Sees");
    }

    #[test]
    fn our_message_types_are_offered() {
        let whole = build(&[]).unwrap();
        let names = whole["$defs"]["type"]["anyOf"][0]["enum"].as_array().unwrap();
        assert!(names.contains(&json!("Drive")) && names.contains(&json!("CompressedImage")), "{names:?}");
    }

    #[test]
    fn a_node_is_known_by_its_knowing_the_wiring() {
        let dir = tempfile::tempdir().unwrap();
        let is_node = |bytes: &[u8]| {
            let path = dir.path().join("program");
            std::fs::write(&path, bytes).unwrap();
            knows_wiring(&path)
        };
        assert!(is_node(WIRING) && !is_node(b"") && !is_node(&WIRING[1..]));
        let mut across = vec![b'L'; (1 << 20) - 5];
        across.extend_from_slice(WIRING);
        assert!(is_node(&across));
        assert!(!is_node(&vec![b'L'; 3 << 20]));
    }
}
