//! Recordings in place of nodes of a running graph. It never speaks beside them, and starts again whom it stopped, however it ends.

use std::{path::Path, process::Command};

use offboard::{
    clock,
    wiring::{Endpoint, NodeWiring, OutputWiring},
};

use super::{Recorded, head_start_ns, params};
use crate::{
    cli::PlayArgs,
    control::TopicView,
    draw::short,
    failure::Failure,
    programs::{self, Look, Minder},
    ps,
    supervisor::code,
    topic::{Found, all, nodes_of, publish::is_out_of_the_way},
};

/// A node that a recording stands in for.
#[derive(Debug)]
struct Part {
    graph: String,
    node: String,
    /// What of the recording it says, and where.
    says: Vec<(Recorded, Found)>,
}

/// Plays in place of these nodes.
pub(super) fn replace(program: &Path, recorded: &[Recorded], nodes: &[String], args: &PlayArgs) -> Result<u8, Failure> {
    let mut parts: Vec<Part> = Vec::new();
    for written in nodes {
        let (graph, node) = ps::node(written, "--replace")?;
        if !parts.iter().any(|part| part.graph == graph && part.node == node) {
            parts.push(part(graph, node, recorded, &all()?)?);
        }
    }
    // Whoever ends this from here on finds the nodes started again.
    let minder = Minder::new()?;
    let mut stopped = Stopped(Vec::new());
    for part in &parts {
        stopped.stop(part)?;
    }
    let names: Vec<String> = parts.iter().map(|part| format!("{}:{}", part.graph, part.node)).collect();
    eprintln!("launch: the recording stands in for {}; Ctrl-C ends it", names.join(" and "));
    let now_ns = clock::monotonic_ns();
    let commands: Vec<Command> =
        parts.iter().map(|part| programs::node(program, &wiring(part, args, now_ns))).collect();
    let mut taken = None;
    let code = minder.mind(commands, None, || match parts.iter().find_map(is_back) {
        None => Look::GoOn,
        Some((name, why)) => {
            taken = Some(name);
            Look::End(why)
        }
    });
    if let Some(name) = taken {
        stopped.0.retain(|stopped| *stopped != name);
    }
    stopped.start()?;
    code
}

/// What of the recording a node says.
fn part(graph: String, node: String, recorded: &[Recorded], all: &[Found]) -> Result<Part, Failure> {
    let own: Vec<&Recorded> = recorded.iter().filter(|topic| topic.node == node).collect();
    let mut says = Vec::new();
    for topic in &own {
        let name = format!("{}/{}", topic.node, topic.output);
        let there = all.iter().find(|found| found.view.graph == graph && found.view.topic == name);
        let Some(found) = there else { continue };
        let kind = &found.view.r#type;
        if kind != "*" && *kind != topic.r#type {
            let (carries, holds) = (short(kind), short(&topic.r#type));
            let text = format!("{graph}:{name} carries {carries}, but {} of the recording {holds}", topic.topic);
            return Err(Failure::new(code::OTHER, text));
        }
        // Heard here and from a peer, it is the same.
        if !says.iter().any(|(said, _): &(Recorded, Found)| said.output == topic.output) {
            says.push(((*topic).clone(), found.clone()));
        }
    }
    if says.is_empty() {
        let mut nodes: Vec<&str> = recorded.iter().map(|topic| topic.node.as_str()).collect();
        nodes.sort_unstable();
        nodes.dedup();
        let text = match own.as_slice() {
            [] => format!("the recording holds nothing of {node}; it holds {}", nodes.join(", ")),
            _ => format!("{graph}:{node} publishes nothing of what the recording holds of {node}"),
        };
        return Err(Failure::new(code::OTHER, text));
    }
    Ok(Part { graph, node, says })
}

/// The wiring of the node, as far as the recording speaks for it.
fn wiring(part: &Part, args: &PlayArgs, now_ns: i64) -> NodeWiring {
    let offset_ns = part.says.first().map_or(0, |(_, found)| found.offset_ns);
    let output = |(recorded, found): &(Recorded, Found)| {
        let TopicView { topic, listeners, tap, .. } = &found.view;
        let listeners = listeners.iter().map(|listener| (listener.endpoint.clone(), Some(listener.keep)));
        let endpoints = listeners.chain([(tap.clone(), None)]);
        OutputWiring {
            name: recorded.output.clone(),
            topic: topic.clone(),
            kind: recorded.r#type.clone(),
            endpoints: endpoints.map(|(address, keep)| Endpoint { address, keep }).collect(),
        }
    };
    let heard: Vec<Recorded> = part.says.iter().map(|(recorded, _)| recorded.clone()).collect();
    NodeWiring {
        graph: part.graph.clone(),
        name: part.node.clone(),
        inputs: Vec::new(),
        outputs: part.says.iter().map(output).collect(),
        params: params(args, &heard, now_ns + offset_ns + head_start_ns()),
        clock_offset_ns: offset_ns,
        // It has no heart of its own: launch must not take it for the node.
        status: None,
    }
}

/// Whether the node itself runs again, or its graph no more: its name, and the sentence.
fn is_back(part: &Part) -> Option<(String, String)> {
    let name = format!("{}:{}", part.graph, part.node);
    match nodes_of(&part.graph) {
        Ok(nodes) => {
            let node = nodes.iter().find(|node| node.node == part.node);
            let back = node.is_none_or(|node| !is_out_of_the_way(node));
            back.then(|| (name.clone(), format!("{name} was started again: it speaks for itself")))
        }
        // A launch that is too busy to answer tells nothing.
        Err(failure) if failure.code == code::NOT_RUNNING => {
            Some((name, format!("{} ended, and the playing with it", part.graph)))
        }
        Err(_) => None,
    }
}

/// Nodes that were stopped and are to run again; dropped, they are started as well as may be.
struct Stopped(Vec<String>);

impl Stopped {
    /// Stops a node that runs; one that does not is left as it is, also at the end.
    fn stop(&mut self, part: &Part) -> Result<(), Failure> {
        let nodes = nodes_of(&part.graph)?;
        if nodes.iter().any(|node| node.node == part.node && !is_out_of_the_way(node)) {
            let name = format!("{}:{}", part.graph, part.node);
            self.0.push(name.clone());
            ps::stop(Some(&name))?;
        }
        Ok(())
    }

    /// Starts them all; the first that will not is told.
    fn start(&mut self) -> Result<(), Failure> {
        let mut first = Ok(());
        for name in self.0.drain(..) {
            first = first.and(ps::start(&name));
        }
        first
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        if let Err(failure) = self.start() {
            eprint!("{}", failure.text);
        }
    }
}
