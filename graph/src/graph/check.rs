//! From drafts to graphs: programs, outputs, edges, parameters, peers, one look at all of them. It never runs a program.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use super::{
    Description, Graph, Input, NodeSpec, Output, Peer, Restart, RestartWhen,
    draft::{self, Draft, RawNode},
    edges::{Edges, Speakers},
    mistakes::{At, Log, Mistake, Mistakes},
    near::{near, suggest},
    outputs::outputs,
    own::LAUNCH,
    params, peers,
    show::{list, tick},
    tree,
};

/// The node that `launch` adds to graphs with peers.
const LINK: &str = "link";

/// What is known of the program that a node runs.
#[derive(Debug, Clone)]
pub enum Program {
    /// It answers `--describe`.
    Described(Description),
    /// It exists but does not answer: a foreign node, whose ports are what the file says.
    Silent,
    /// There is none.
    Missing {
        /// Where it was looked for, in this order.
        looked: Vec<PathBuf>,
        /// The names of programs that are there: one of them may have been meant.
        there: Vec<String>,
    },
}

/// A draft and what its programs say.
pub(crate) struct Known<'a> {
    pub(crate) draft: &'a Draft,
    /// By node, in the order of the draft. None when nothing can be said: no program, a wrong `run`.
    pub(crate) programs: Vec<Option<Program>>,
}

/// Turns drafts into graphs. Drafts that name each other as peers are checked against each other.
/// `program` tells what the words in a node's `run` start in the folder of the graph file.
///
/// # Errors
/// All mistakes of all drafts, those found while reading included.
pub fn check(drafts: Vec<Draft>, program: &dyn Fn(&Path, &[String]) -> Program) -> Result<Vec<Graph>, Mistakes> {
    let mut logs: Vec<Log> = drafts.iter().map(|draft| draft.log.clone()).collect();
    let known: Vec<Known<'_>> =
        drafts.iter().zip(&mut logs).map(|(draft, log)| describe(draft, program, log)).collect();
    let speakers: Vec<Speakers> = known.iter().zip(&mut logs).map(|(known, log)| outputs(known, log)).collect();
    let mut graphs = Vec::new();
    for (index, (known, log)) in known.iter().zip(&mut logs).enumerate() {
        names(known.draft, &drafts[..index], log);
        peers::check(known.draft, &drafts, log);
        let inputs = Edges::new(index, &drafts, &speakers, log).check(known);
        let nodes = known.draft.nodes.iter().zip(&known.programs).zip(inputs);
        let nodes: Vec<NodeSpec> = nodes
            .filter_map(|((node, program), inputs)| {
                spec(node, program.as_ref(), speakers[index].outputs(&node.name.value), inputs, log)
            })
            .collect();
        after(known.draft, log);
        graphs.extend(graph(known.draft, nodes));
    }
    match finish(&drafts, logs) {
        Some(mistakes) => Err(mistakes),
        None => Ok(graphs),
    }
}

fn describe<'a>(draft: &'a Draft, program: &dyn Fn(&Path, &[String]) -> Program, log: &mut Log) -> Known<'a> {
    let mut known = |node: &RawNode| {
        let run = node.run.as_ref()?;
        match program(&draft.dir, &run.value) {
            Program::Missing { looked, there } => {
                log.push(missing(run, &looked, &there));
                None
            }
            program => Some(program),
        }
    };
    Known { draft, programs: draft.nodes.iter().map(&mut known).collect() }
}

fn missing(run: &At<Vec<String>>, looked: &[PathBuf], there: &[String]) -> Mistake {
    /// Where it was looked for is a list for people.
    const LOOKED_MAX: usize = 8;
    let name = run.value.first().map_or("", String::as_str);
    let mut mistake = Mistake::new(&run.at, format!("there is no program {}", tick(name)));
    if let Some(near) = near(name, there.iter().map(String::as_str)).filter(|near| *near != name) {
        mistake = mistake.help(format!("did you mean {}?", tick(near)));
    }
    let looked: Vec<_> = looked.iter().map(|path| path.to_string_lossy()).collect();
    if !looked.is_empty() {
        mistake = mistake.help(format!("looked for {}", list(looked.iter().map(AsRef::as_ref), LOOKED_MAX)));
    }
    mistake.help("`run` says which program a node runs: run = \"python3 pilot.py\"")
}

/// Reserved names, and two graphs of one name.
fn names(draft: &Draft, before: &[Draft], log: &mut Log) {
    let linked = !draft.peers.is_empty() || draft.listen.is_present();
    for node in &draft.nodes {
        let name = node.name.value.as_str();
        if name == LAUNCH || (name == LINK && linked) {
            let what = if name == LINK {
                "adds a node of that name to every graph with peers"
            } else {
                "publishes under that name"
            };
            let mistake = Mistake::new(&node.name.at, format!("no node can be named {}", tick(name)));
            log.push(mistake.help(format!("launch {what}: choose another")));
        }
    }
    let Some(name) = &draft.name else { return };
    let same = before.iter().filter_map(|draft| draft.name.as_ref()).find(|other| other.value == name.value);
    if let Some(other) = same {
        let mistake = Mistake::new(&name.at, format!("two graphs are named {}", tick(name.value.as_str())));
        log.push(mistake.label("the second").other(&other.at, "the first"));
    }
}

fn spec(
    node: &RawNode,
    program: Option<&Program>,
    outputs: Vec<Output>,
    inputs: Vec<Input>,
    log: &mut Log,
) -> Option<NodeSpec> {
    let params = tree::object(&node.params, log);
    if !draft::params_fit(&params) {
        let title = format!("the parameters of {} are longer than a node can be told", tick(node.name.value.as_str()));
        log.push(Mistake::new(&node.name.at, title));
    }
    let mut ends_well = false;
    if let Some(Program::Described(description)) = program {
        ends_well = description.restart_when_done == Some(false);
        if let Some(schema) = &description.params {
            params::check(schema, &node.params, node.name.value.as_str(), &node.name.at, log);
        }
    }
    let default = if ends_well { RestartWhen::OnFailure } else { RestartWhen::Always };
    Some(NodeSpec {
        name: node.name.value.clone(),
        run: node.run.as_ref()?.value.clone(),
        outputs,
        inputs,
        params,
        env: node.env.clone(),
        after: node.after.iter().filter_map(|name| name.value.parse().ok()).collect(),
        required: node.required,
        restart: Restart { when: node.when.unwrap_or(default), ..node.restart },
        ready: node.ready,
        watchdog: node.watchdog,
        stop: node.stop,
        limits: node.limits.clone(),
        log: node.log.clone(),
    })
}

/// `after` names nodes of this graph and goes in no circle.
fn after(draft: &Draft, log: &mut Log) {
    let names: Vec<&str> = draft.nodes.iter().map(|node| node.name.value.as_str()).collect();
    let mut waits: BTreeMap<&str, Vec<&At<String>>> = BTreeMap::new();
    for node in &draft.nodes {
        for other in &node.after {
            if names.contains(&other.value.as_str()) {
                waits.entry(node.name.value.as_str()).or_default().push(other);
                continue;
            }
            let mistake = Mistake::new(&other.at, format!("there is no node {}", tick(&other.value)));
            let mistake =
                suggest(log, mistake.absent(&other.value), &other.value, names.iter().copied(), "the nodes are");
            log.push(mistake);
        }
    }
    let mut done = BTreeSet::new();
    for name in names {
        if let Some((circle, at)) = circle(name, &waits, &mut done) {
            let title = match circle.as_slice() {
                [one, _] => format!("{} waits for itself", tick(one)),
                _ => format!("nodes wait for each other: {}", circle.join(" → ")),
            };
            log.push(Mistake::new(&at.at, title).help("`after` must not go in a circle"));
        }
    }
}

/// A circle of `after` that is reached from this node, if there is one that was not found before.
fn circle<'a>(
    from: &'a str,
    waits: &BTreeMap<&'a str, Vec<&'a At<String>>>,
    done: &mut BTreeSet<&'a str>,
) -> Option<(Vec<&'a str>, &'a At<String>)> {
    // Each step is a node and which of its `after` comes next; a node leaves the path for ever, so it ends.
    let mut path: Vec<(&str, usize)> = vec![(from, 0)];
    while let Some((node, next)) = path.last_mut() {
        if done.contains(*node) {
            path.pop();
            continue;
        }
        let Some(wait) = waits.get(*node).and_then(|waits| waits.get(*next)) else {
            done.insert(*node);
            path.pop();
            continue;
        };
        *next += 1;
        let target = wait.value.as_str();
        if let Some(start) = path.iter().position(|(node, _)| *node == target) {
            let circle: Vec<&str> = path[start..].iter().map(|(node, _)| *node).chain([target]).collect();
            done.extend(&circle);
            return Some((circle, wait));
        }
        path.push((target, 0));
    }
    None
}

fn graph(draft: &Draft, nodes: Vec<NodeSpec>) -> Option<Graph> {
    let peer = |peer: &draft::RawPeer| Peer {
        name: peer.name.value.clone(),
        address: peer.address.good().map(|address| address.value.text.clone()),
        key: peer.key.good().map(|key| key.value.clone()),
    };
    Some(Graph {
        name: draft.name.as_ref()?.value.clone(),
        listen: draft.listen.good().map(|listen| listen.value.text.clone()),
        nodes,
        peers: draft.peers.iter().map(peer).collect(),
        dir: draft.dir.clone(),
    })
}

/// Puts all mistakes together, without those that only follow from what did not read.
fn finish(drafts: &[Draft], logs: Vec<Log>) -> Option<Mistakes> {
    let mut all = Log::default();
    let files: Vec<_> = drafts.iter().flat_map(|draft| draft.files.iter().cloned()).collect();
    let lost = |word: &str| drafts.iter().any(|draft| draft.incomplete || draft.lost.may_hold(word));
    for mut log in logs {
        log.retain(|mistake| !mistake.absent_word().is_some_and(lost));
        all.append(log);
    }
    unused(drafts, &mut all);
    Mistakes::of(all, &files)
}

/// Overrides that fit no draft.
fn unused(drafts: &[Draft], log: &mut Log) {
    let Some(first) = drafts.first() else { return };
    for value in &first.unused {
        let others = &drafts[1..];
        let nowhere = others.iter().all(|draft| draft.unused.iter().any(|other| other.same(value)));
        if !nowhere
            || drafts.iter().any(|draft| draft.incomplete || value.name().is_some_and(|name| draft.lost.may_hold(name)))
        {
            continue;
        }
        let names: Vec<String> = drafts
            .iter()
            .flat_map(|draft| match value.kind() {
                Some("peer") => draft.peers.iter().map(|peer| peer.name.value.to_string()).collect::<Vec<_>>(),
                _ => draft.nodes.iter().map(|node| node.name.value.to_string()).collect(),
            })
            .collect();
        value.unused(log, &names);
    }
}
