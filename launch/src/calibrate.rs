//! `calibrate`: a node's own talk with a person about what it moves, and what came of it in the graph file.
//!
//! The node's program talks ([`Minder::talk`]) and says at its end which parameters are new; [`edit`] changes them where they stand,
//! [`diff`] shows it, [`write`](mod@write) exchanges the file.
//!
//! It never knows what is calibrated, never writes what it did not show, and never calibrates a node that runs in this user's graph of
//! that name. Outputs that anybody else drives are refused by the node's program, which knows them.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use offboard::{
    clock,
    graph::{Graph, NodeSpec},
    wiring::NodeWiring,
};
use serde_json::{Map, Value};

use self::{edit::Edited, write::Beside};
use crate::{
    child::Places,
    cli::CalibrateArgs,
    client,
    failure::Failure,
    files::{Loaded, load},
    print::print,
    programs::Minder,
    supervisor::code,
    topic::publish::is_out_of_the_way,
    words::{did_you_mean, escape},
};

mod diff;
mod edit;
mod write;

/// What a program that can be calibrated calls it.
const VERB: &str = "calibrate";

/// How many graph files of a folder are looked at for the node.
const FILES_MAX: usize = 100;

/// `calibrate NODE`.
///
/// # Errors
/// When the node cannot be calibrated, the person gave up, or the file cannot be written.
pub(crate) fn calibrate(args: &CalibrateArgs) -> Result<(), Failure> {
    let file = match &args.file {
        Some(file) => file.clone(),
        None => the_file_of(&args.node)?,
    };
    let text = fs::read_to_string(&file)
        .map_err(|error| Failure::new(code::BAD_GRAPH, format!("cannot read {}: {error}", file.display())))?;
    let color = anstream::AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never;
    let loaded = load(std::slice::from_ref(&file), &args.sets.sets, color)?.remove(0);
    let spec = node(&loaded, &file, &args.node)?;
    refuse_running(&loaded.graph, spec)?;
    // From here on who asks this verb to end asks the program first: it leaves its motor in order.
    let mut minder = Minder::new()?;
    let changes = new_params(spec, talk(&mut minder, &loaded.graph, spec)?);
    if changes.is_empty() {
        eprintln!("launch: {} is as {} has it: nothing to change", spec.name, file.display());
        return Ok(());
    }
    let elsewhere = |param: Option<&str>| elsewhere(&loaded, &file, args, param);
    let edited = edit::edit(&text, spec.name.as_str(), &changes, &elsewhere)
        .map_err(|why| Failure::new(code::BAD_GRAPH, format!("{} does not read: {why}", file.display())))?;
    keep(&mut minder, &file, &text, &edited, args)
}

/// The graph file in this folder that has the node.
fn the_file_of(node: &str) -> Result<PathBuf, Failure> {
    let mut files: Vec<PathBuf> = fs::read_dir(".")?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|end| end == "toml"))
        .take(FILES_MAX)
        .filter(|path| fs::read_to_string(path).is_ok_and(|text| edit::holds(&text, node, None)))
        .map(|path| path.strip_prefix(".").map(Path::to_owned).unwrap_or(path))
        .collect();
    files.sort();
    match files.as_slice() {
        [file] => Ok(file.clone()),
        [] => Err(Failure::new(
            code::USAGE,
            format!("no graph file in this folder has a node {node}; say which: launch calibrate {node} --file FILE"),
        )),
        several => {
            let names: Vec<String> = several.iter().map(|file| file.display().to_string()).collect();
            let names = names.join(" and ");
            let text = format!(
                "{names} have a node {node}; say which: launch calibrate {node} --file {}",
                several[0].display()
            );
            Err(Failure::new(code::USAGE, text))
        }
    }
}

/// The node, when its program can be calibrated.
fn node<'a>(loaded: &'a Loaded, file: &Path, name: &str) -> Result<&'a NodeSpec, Failure> {
    let nodes = &loaded.graph.nodes;
    let Some(at) = nodes.iter().position(|spec| spec.name.as_str() == name) else {
        let near = did_you_mean(name, nodes.iter().map(|spec| spec.name.as_str()));
        return Err(Failure::new(code::USAGE, format!("{} has no node {name}{near}", file.display())));
    };
    let knows = |said: &Option<offboard::graph::Description>| {
        said.as_ref().is_some_and(|said| said.verbs.iter().any(|verb| verb == VERB))
    };
    if !knows(&loaded.said[at]) {
        let others: Vec<&str> = nodes
            .iter()
            .zip(&loaded.said)
            .filter(|(_, said)| knows(said))
            .map(|(spec, _)| spec.name.as_str())
            .collect();
        let others = if others.is_empty() { String::new() } else { format!("; what can be: {}", others.join(", ")) };
        let program = escape(&nodes[at].run.join(" "));
        return Err(Failure::new(
            code::USAGE,
            format!("{name} cannot be calibrated: {program} knows no such verb{others}"),
        ));
    }
    Ok(&nodes[at])
}

/// Two that move one motor are one too many.
fn refuse_running(graph: &Graph, spec: &NodeSpec) -> Result<(), Failure> {
    let Some(mut client) = client::running()?.into_iter().find(|client| client.graph == graph.name.as_str()) else {
        return Ok(());
    };
    match client.nodes()?.iter().find(|node| node.node == spec.name.as_str()) {
        Some(node) if !is_out_of_the_way(node) => {
            let (name, state) = (&spec.name, &node.state);
            let text = format!(
                "{name} of {} is {state}: stop it first (launch stop {}:{name}), and start it afterwards (launch start)",
                graph.name, graph.name
            );
            Err(Failure::new(code::OTHER, text))
        }
        _ => Ok(()),
    }
}

/// What the program says at the end of its talk.
fn talk(minder: &mut Minder, graph: &Graph, spec: &NodeSpec) -> Result<Map<String, Value>, Failure> {
    let dir = std::path::absolute(&graph.dir)?;
    let path = Places::here().find(&dir, &spec.run[0]).map_err(|_| {
        Failure::new(code::BAD_GRAPH, format!("the program {} of {} is not there any more", spec.run[0], spec.name))
    })?;
    let wiring = NodeWiring {
        graph: graph.name.to_string(),
        name: spec.name.to_string(),
        inputs: Vec::new(),
        outputs: Vec::new(),
        params: spec.params.clone(),
        clock_offset_ns: clock::sample_offset_ns(),
        status: None,
    };
    let said = minder.talk(&path, VERB, &dir, &wiring)?;
    serde_json::from_str(said.trim()).map_err(|error| {
        Failure::new(code::OTHER, format!("{} says what does not read as parameters: {error}", path.display()))
    })
}

/// Those that are not as they were.
fn new_params(spec: &NodeSpec, said: Map<String, Value>) -> Map<String, Value> {
    said.into_iter().filter(|(name, value)| spec.params.get(name) != Some(value)).collect()
}

/// Who else than the file gives a parameter of the node, or the node.
fn elsewhere(loaded: &Loaded, file: &Path, args: &CalibrateArgs, param: Option<&str>) -> Option<String> {
    if let Some(param) = param {
        let key = format!("node.{}.params.{param}", args.node);
        let is = |set: &&String| {
            let name = set.split('=').next().unwrap_or_default().trim();
            name == key || name.strip_prefix(&key).is_some_and(|rest| rest.starts_with('.'))
        };
        if let Some(set) = args.sets.sets.iter().find(is) {
            return Some(format!("--set {set}"));
        }
    }
    let included = loaded.sources.iter().map(|source| source.file()).filter(|source| *source != file);
    let holds = |path: &&Path| fs::read_to_string(path).is_ok_and(|text| edit::holds(&text, &args.node, param));
    included.into_iter().find(holds).map(|path| path.display().to_string())
}

/// Shows what is new, asks, and writes it.
fn keep(minder: &mut Minder, file: &Path, old: &str, edited: &Edited, args: &CalibrateArgs) -> Result<(), Failure> {
    for sentence in &edited.by_hand {
        eprintln!("launch: by hand: {}", escape(sentence));
    }
    if edited.text == old {
        return Ok(());
    }
    let name = file.display().to_string();
    let cannot =
        |error: io::Error| Failure::new(code::OTHER, format!("cannot write {name}: {error}; nothing was changed"));
    let beside = Beside::new(file, old, &edited.text).map_err(cannot)?;
    // What will be read is what was checked: paths in it are relative to the same folder.
    load(&[beside.path().to_owned()], &args.sets.sets, false).map_err(|failure| {
        let text = format!("{name} would not be well with it; nothing was changed\n{}", failure.text.trim_end());
        Failure::new(code::OTHER, text)
    })?;
    print(&diff::diff(&name, old, &edited.text))?;
    if !args.yes && !minder.is_agreed(&format!("launch: write this to {name}? [y/N] "))? {
        return Err(Failure::new(code::OTHER, format!("{name} is as it was")));
    }
    beside.exchange().map_err(cannot)?;
    eprintln!("launch: {name} is written");
    Ok(())
}
