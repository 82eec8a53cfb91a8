//! The programs and files of a small world, in which graph files are checked. It never starts anything.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use offboard::graph::{Description, Draft, Graph, Mistakes, Override, Period, Port, Program, Source, check, read};
use schemars::JsonSchema;
use serde_json::json;

/// A file of the world that may be included.
pub(crate) type Files<'a> = &'a [(&'a str, &'a str)];

pub(crate) fn kind(name: &str) -> String {
    format!("offboard.v1.{name}")
}

fn port(name: &str, types: &[&str], required: bool) -> Port {
    let types = types.iter().map(|name| kind(name)).collect();
    Port { name: name.to_owned(), types, required, ..Port::default() }
}

fn camera() -> Description {
    let by_encoding = [("jpeg", "CompressedImage"), ("rgb8", "RawImage")];
    let by_encoding: BTreeMap<String, String> =
        by_encoding.into_iter().map(|(value, name)| (value.to_owned(), kind(name))).collect();
    let frames = port("frames", &["CompressedImage", "RawImage"], false);
    Description {
        outputs: vec![Port { when: Some(("encoding".to_owned(), by_encoding)), ..frames }],
        params: Some(json!({
            "type": "object",
            "additionalProperties": false,
            "properties": {
                "device": { "anyOf": [{ "type": "integer", "minimum": 0 }, { "type": "string" }] },
                "encoding": { "$ref": "#/$defs/Encoding", "default": "jpeg" },
                "quality": { "type": "integer", "format": "uint8", "minimum": 0, "maximum": 100 },
                "rate": { "type": "number", "exclusiveMinimum": 0, "maximum": 1000 },
                "size": { "type": "array", "items": { "type": "integer" }, "minItems": 2, "maxItems": 2 },
            },
            "$defs": { "Encoding": { "oneOf": [{ "const": "jpeg" }, { "const": "rgb8" }] } },
        })),
        ..Description::default()
    }
}

fn motor() -> Description {
    Description {
        inputs: vec![port("drive", &["Drive"], true)],
        outputs: vec![port("state", &["MotorState"], false)],
        params: Some(json!({
            "type": "object",
            "additionalProperties": false,
            "required": ["deadman"],
            "properties": {
                "deadman": {
                    "type": "string", "format": "duration", "x-min": "20ms", "x-max": "2s",
                    "x-why": "a motor whose commands have no bound on their age does not stop when they stop",
                },
                "driver": { "type": "string", "enum": ["serial", "virtual"] },
                "port": { "type": ["string", "null"] },
            },
        })),
        ..Description::default()
    }
}

/// Parameters as a node in Rust writes them.
#[derive(serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is looked at")]
struct ArmParams {
    /// Degrees a second.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 90.0))]
    speed: f64,
    /// Between two moves.
    pause: Option<Period>,
    grip: Option<Grip>,
    #[serde(default)]
    joints: Vec<Joint>,
    mode: Option<Mode>,
    limit: Option<u32>,
}

#[derive(serde::Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Grip {
    /// Closes until it feels something.
    Gentle,
    /// Closes.
    Firm,
}

#[derive(serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is looked at")]
struct Joint {
    id: u8,
    name: Option<String>,
}

#[derive(serde::Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "lowercase")]
#[expect(dead_code, reason = "only its schema is looked at")]
enum Mode {
    Free,
    Hold { force: f64 },
}

fn described(words: &[String]) -> Option<Description> {
    let simple = |inputs: Vec<Port>, outputs: Vec<Port>| Description { inputs, outputs, ..Description::default() };
    Some(match words.first()?.as_str() {
        "camera" => camera(),
        "motor" => motor(),
        "gamepad" => simple(vec![], vec![port("pad", &["Gamepad"], false), port("events", &["GamepadEvent"], false)]),
        "pilot" => simple(vec![port("pad", &["Gamepad"], true)], vec![port("drive", &["Drive"], false)]),
        "arm" => Description { params: Some(schemars::schema_for!(ArmParams).to_value()), ..Description::default() },
        "recorder" => Description { any_inputs: true, ..Description::default() },
        "player" => Description { any_outputs: true, outputs: vec![port("any", &[], false)], ..Description::default() },
        "viewer" => Description {
            inputs: vec![port("frames", &["CompressedImage", "RawImage"], true)],
            restart_when_done: Some(false),
            ..Description::default()
        },
        _ => return None,
    })
}

/// The programs of this world: ours that describe themselves, `python3` that does not, and no others.
pub(crate) fn program(dir: &Path, words: &[String]) -> Program {
    let name = words.first().map(String::as_str).unwrap_or_default();
    match described(words) {
        Some(description) => Program::Described(description),
        None if name == "python3" => Program::Silent,
        None if name.contains('/') => missing(vec![dir.join(name)]),
        None => missing(vec![PathBuf::from("/usr/lib/offboard").join(name), dir.join(name)]),
    }
}

fn missing(looked: Vec<PathBuf>) -> Program {
    let there = ["camera", "gamepad", "pilot", "motor", "viewer", "dummy"].map(str::to_owned).to_vec();
    Program::Missing { looked, there }
}

fn env(name: &str) -> Option<String> {
    match name {
        "CAMERA" => Some("2".to_owned()),
        "EMPTY" => Some(String::new()),
        "PORT" => Some("7400".to_owned()),
        _ => None,
    }
}

/// Files are written here from the line below their opening quote.
fn below(text: &str) -> String {
    text.strip_prefix('\n').unwrap_or(text).to_owned()
}

pub(crate) fn draft(path: &str, text: &str, files: Files<'_>, overrides: &[&str]) -> Draft {
    let overrides: Vec<Override> = overrides.iter().map(|text| Override::parse(text).unwrap()).collect();
    let include = |path: &Path| {
        let found = files.iter().find(|(name, _)| Path::new(name) == path);
        found.map(|(_, text)| below(text)).ok_or_else(|| "No such file or directory (os error 2)".to_owned())
    };
    read(Source { path: path.into(), text: below(text) }, &overrides, &env, &include)
}

/// Checks graph files together: pairs of path and text.
pub(crate) fn checked(files: Files<'_>) -> Result<Vec<Graph>, Mistakes> {
    check(files.iter().map(|(path, text)| draft(path, text, &[], &[])).collect(), &program)
}

/// What is said of one graph file.
pub(crate) fn said(text: &str) -> String {
    said_of(&[("robot.toml", text)])
}

/// What is said of several.
pub(crate) fn said_of(files: Files<'_>) -> String {
    checked(files).expect_err("there is a mistake").render(false)
}

/// What is said of a graph file with overrides.
pub(crate) fn said_with(text: &str, overrides: &[&str]) -> String {
    let draft = draft("robot.toml", text, &[], overrides);
    check(vec![draft], &program).expect_err("there is a mistake").render(false)
}

/// What is said of a graph file that includes others.
pub(crate) fn said_including(text: &str, files: Files<'_>) -> String {
    let draft = draft("robot.toml", text, files, &[]);
    check(vec![draft], &program).expect_err("there is a mistake").render(false)
}

/// The graph of a file without mistakes.
pub(crate) fn graph(text: &str) -> Graph {
    match checked(&[("robot.toml", text)]) {
        Ok(mut graphs) => graphs.remove(0),
        Err(mistakes) => panic!("{mistakes}"),
    }
}
