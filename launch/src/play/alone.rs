//! A recording as a graph of its own: a node for each that was recorded. It never leaves its file behind.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs::{self, OpenOptions},
    io::Write as _,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use offboard::{clock, wiring::LAUNCH};
use serde_json::{Map, Value};

use super::{Recorded, head_start_ns, params};
use crate::{
    cli::PlayArgs,
    failure::Failure,
    run::{self, Orders},
};

/// The graph's name.
const GRAPH: &str = "play";

/// Runs the recording as a graph, until it is over or somebody ends it.
pub(super) fn alone(program: &Path, recorded: &[Recorded], args: &PlayArgs) -> Result<u8, Failure> {
    // What launch is about to sample: the player's nodes are on that timeline.
    let start_at_ns = clock::monotonic_ns() + clock::sample_offset_ns() + head_start_ns();
    let file = File::write(&graph(program, recorded, &params(args, recorded, start_at_ns)))?;
    let orders = Orders {
        files: vec![file.0.clone()],
        sets: Vec::new(),
        format: Default::default(),
        color: anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never,
        watch: false,
    };
    run::run(&orders)
}

/// The graph file. What launch said is played by nobody: in each graph launch speaks for itself.
fn graph(program: &Path, recorded: &[Recorded], params: &Map<String, Value>) -> String {
    let mut nodes: BTreeMap<&str, BTreeMap<&str, &str>> = BTreeMap::new();
    for Recorded { node, output, r#type, .. } in recorded.iter().filter(|topic| topic.node != LAUNCH) {
        let kind = if r#type.is_empty() { "*" } else { r#type };
        nodes.entry(node).or_default().insert(output, kind);
    }
    let mut text = format!("[graph]\nname = \"{GRAPH}\"\n");
    for (node, outputs) in nodes {
        let outputs: Vec<String> = outputs.iter().map(|(name, kind)| format!("{name} = {}", quoted(kind))).collect();
        let _ = writeln!(text, "\n[node.{node}]\nrun = [{}]", quoted(&program.to_string_lossy()));
        // A recording may have nothing to say for long: that is no hang.
        let _ = writeln!(text, "publish = {{ {} }}\nrestart = \"never\"\nwatchdog = \"off\"", outputs.join(", "));
        let params: Vec<String> = params.iter().map(|(name, value)| format!("{name} = {}", toml(value))).collect();
        let _ = writeln!(text, "params = {{ {} }}", params.join(", "));
    }
    text
}

/// A parameter of ours as TOML.
fn toml(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        Value::Array(items) => format!("[{}]", items.iter().map(toml).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}

/// A string of TOML; what the graph file would fill in from the environment is written so that it does not.
fn quoted(text: &str) -> String {
    // The strings of JSON are strings of TOML.
    Value::String(text.replace("${", "$${")).to_string()
}

/// The graph file, as long as it is needed.
struct File(PathBuf);

impl File {
    fn write(text: &str) -> Result<File, Failure> {
        let name = format!("offboard-play-{}-{:x}.toml", std::process::id(), clock::monotonic_ns());
        let path = std::env::temp_dir().join(name);
        // Made anew, for us alone: nobody has put something there for us to follow.
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        let written = File(path);
        file.write_all(text.as_bytes())?;
        Ok(written)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        drop(fs::remove_file(&self.0));
    }
}
