//! The wiring: what `launch` tells a node, as environment variables that any language can split on spaces.
//!
//! | variable | value |
//! |---|---|
//! | `LAUNCH_GRAPH`, `LAUNCH_NODE` | the names of graph and node |
//! | `LAUNCH_SUB_<INPUT>` | `endpoint topic type`: connect a SUB, subscribe to the topic; a type `*` is any |
//! | `LAUNCH_PUB_<OUTPUT>` | `topic type endpoint…`: bind one PUB to all the endpoints |
//! | `LAUNCH_KEEP_<OUTPUT>` | per endpoint how many messages its queue holds, or `tap`; only a courtesy to each listener |
//! | `LAUNCH_TIMEOUT_<INPUT>` | after how long a silence is an error, for instance `1s` |
//! | `LAUNCH_PARAMS` | the parameters, a JSON object |
//! | `LAUNCH_CLOCK_OFFSET_NS` | add it to CLOCK_MONOTONIC to get the machine's steady timeline |
//! | `LAUNCH_STATUS` | `unix:PATH`, a datagram socket: `NODE INCARNATION\n` and optionally a `NodeStatus`; optional heartbeat |
//! | `LAUNCH_LOG` | how much to say: error, warn, info, debug or trace |
//!
//! This file writes it and reads it. It never connects anything.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Map, Value};

use crate::{
    Period,
    graph::{Graph, Input, Keep, NodeName, OUTPUTS, Topic},
};

pub use crate::graph::LAUNCH;
pub use run_dir::RunDir;

mod run_dir;

/// The node that `launch` adds to graphs with peers.
pub const LINK: &str = "link";

/// Everything one node is told.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeWiring {
    /// The graph's name.
    pub graph: String,
    /// The node's name.
    pub name: String,
    /// The listening ends of its edges.
    pub inputs: Vec<InputWiring>,
    /// The speaking ends.
    pub outputs: Vec<OutputWiring>,
    /// Its parameters.
    pub params: Map<String, Value>,
    /// What to add to CLOCK_MONOTONIC, in nanoseconds.
    pub clock_offset_ns: i64,
    /// The heartbeat's datagram socket, when somebody listens.
    pub status: Option<String>,
}

/// The listening end of an edge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputWiring {
    /// The node's name for it.
    pub name: String,
    /// Where to connect.
    pub endpoint: String,
    /// What to subscribe to, compared whole.
    pub topic: String,
    /// Full protobuf name of what comes, or `*`.
    pub kind: String,
    /// After how long a silence is an error.
    pub timeout: Option<Duration>,
}

/// The speaking ends of all the edges of one output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputWiring {
    /// The node's name for it.
    pub name: String,
    /// The topic to say.
    pub topic: String,
    /// Full protobuf name of what goes, or `*`.
    pub kind: String,
    /// Where to bind, one endpoint a listener.
    pub endpoints: Vec<Endpoint>,
}

/// Where one listener of an output will connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// `ipc://` and a path.
    pub address: String,
    /// How many messages its queue holds; none: a tap, for whoever looks.
    pub keep: Option<usize>,
}

/// A topic of a running graph and where to look at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicWiring {
    /// The topic.
    pub topic: String,
    /// Full protobuf name of what it carries, or `*`.
    pub kind: String,
    /// The endpoint of its tap.
    pub tap: String,
    /// The node that binds its endpoints: for a peer's topic the link.
    pub publisher: String,
    /// Who listens on this machine, besides taps.
    pub listeners: Vec<Listener>,
}

/// An input that listens to a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// The node.
    pub node: String,
    /// The node's name for it.
    pub input: String,
    /// The endpoint of the edge.
    pub endpoint: String,
    /// How many messages its queue holds.
    pub keep: usize,
    /// How old the sensing may be that a message comes from.
    pub budget: Option<Duration>,
}

/// The wiring of all nodes of a graph, in its order; last what launch adds: the link, when there is anyone to link with, and
/// [`LAUNCH`], which publishes what launch knows.
#[must_use]
pub fn wire(graph: &Graph, dir: &RunDir, clock_offset_ns: i64) -> Vec<NodeWiring> {
    let linked = is_linked(graph);
    let node = |name: &str, inputs, outputs, params| NodeWiring {
        graph: graph.name.to_string(),
        name: name.to_owned(),
        inputs,
        outputs,
        params,
        clock_offset_ns,
        status: Some(format!("unix:{}", dir.status().display())),
    };
    let mut wirings: Vec<NodeWiring> = graph
        .nodes
        .iter()
        .map(|spec| {
            let inputs = spec.inputs.iter().map(|input| input_wiring(dir, &spec.name, input)).collect();
            let outputs = local_topics(graph)
                .filter(|(topic, _)| topic.node == spec.name)
                .map(|(topic, kind)| output_wiring(graph, dir, topic.output.as_str(), &topic, &kind, linked))
                .collect();
            node(spec.name.as_str(), inputs, outputs, spec.params.clone())
        })
        .collect();
    if linked {
        wirings.push(node(LINK, link_inputs(graph, dir), link_outputs(graph, dir), link_params(graph)));
    }
    let outputs = own_topics()
        .map(|(topic, kind)| output_wiring(graph, dir, topic.output.as_str(), &topic, &kind, linked))
        .collect();
    let control = Map::from_iter([("control".to_owned(), dir.control().to_string_lossy().into())]);
    wirings.push(node(LAUNCH, Vec::new(), outputs, control));
    wirings
}

/// The topics of a graph, those it hears from its peers included, and their taps.
#[must_use]
pub fn taps(graph: &Graph, dir: &RunDir) -> Vec<TopicWiring> {
    let linked = is_linked(graph);
    let wiring = |(topic, kind): (Topic, String)| {
        let own = listeners(graph).filter(|(_, input)| input.topic == topic).map(|(node, input)| Listener {
            node: node.to_string(),
            input: input.name.to_string(),
            endpoint: edge(dir, &topic, node.as_str(), input.name.as_str()),
            keep: input.keep.capacity(),
            budget: input.budget,
        });
        let link = (linked && topic.peer.is_none()).then(|| Listener {
            node: LINK.to_owned(),
            input: String::new(),
            endpoint: edge(dir, &topic, LINK, ""),
            keep: LINK_KEEP,
            budget: None,
        });
        TopicWiring {
            tap: tap(dir, &topic),
            publisher: topic.peer.as_ref().map_or(topic.node.as_str(), |_| LINK).to_owned(),
            listeners: own.chain(link).collect(),
            topic: topic.to_string(),
            kind,
        }
    };
    local_topics(graph).chain(remote_topics(graph)).map(wiring).collect()
}

/// Whether launch adds the link.
fn is_linked(graph: &Graph) -> bool {
    graph.listen.is_some() || !graph.peers.is_empty()
}

fn local_topics(graph: &Graph) -> impl Iterator<Item = (Topic, String)> {
    let of_nodes = graph.nodes.iter().flat_map(|spec| {
        spec.outputs.iter().map(|output| {
            let topic = Topic { peer: None, node: spec.name.clone(), output: output.name.clone() };
            (topic, output.kind.clone())
        })
    });
    of_nodes.chain(own_topics())
}

/// What launch itself says.
fn own_topics() -> impl Iterator<Item = (Topic, String)> {
    let topic = |output: &str| Some(Topic { peer: None, node: LAUNCH.parse().ok()?, output: output.parse().ok()? });
    OUTPUTS.iter().filter_map(move |(output, kind)| Some((topic(output)?, (*kind).to_owned())))
}

/// What this graph hears from its peers: each topic once, with the type that its listeners expect.
fn remote_topics(graph: &Graph) -> impl Iterator<Item = (Topic, String)> {
    let mut topics: BTreeMap<Topic, String> = BTreeMap::new();
    for (_, input) in listeners(graph).filter(|(_, input)| input.topic.peer.is_some()) {
        let kind = topics.entry(input.topic.clone()).or_insert_with(|| input.kind.clone());
        if kind == "*" {
            kind.clone_from(&input.kind);
        }
    }
    topics.into_iter()
}

fn listeners(graph: &Graph) -> impl Iterator<Item = (&NodeName, &Input)> {
    graph.nodes.iter().flat_map(|spec| spec.inputs.iter().map(|input| (&spec.name, input)))
}

/// The endpoint of the edge from `topic` to an input of a node.
#[must_use]
pub fn edge(dir: &RunDir, topic: &Topic, node: &str, input: &str) -> String {
    dir.endpoint(&format!("{topic}-{node}.{input}"))
}

/// The endpoint at which anybody may look at `topic`.
#[must_use]
pub fn tap(dir: &RunDir, topic: &Topic) -> String {
    dir.endpoint(&format!("{topic}-tap"))
}

fn input_wiring(dir: &RunDir, node: &NodeName, input: &Input) -> InputWiring {
    InputWiring {
        name: input.name.to_string(),
        endpoint: edge(dir, &input.topic, node.as_str(), input.name.as_str()),
        topic: input.topic.to_string(),
        kind: input.kind.clone(),
        timeout: input.timeout,
    }
}

fn output_wiring(graph: &Graph, dir: &RunDir, name: &str, topic: &Topic, kind: &str, linked: bool) -> OutputWiring {
    let mut endpoints: Vec<Endpoint> = listeners(graph)
        .filter(|(_, input)| input.topic == *topic)
        .map(|(node, input)| Endpoint {
            address: edge(dir, topic, node.as_str(), input.name.as_str()),
            keep: Some(input.keep.capacity()),
        })
        .collect();
    if linked {
        // The link chooses per peer what to keep; towards it a short queue rides out its bursts.
        endpoints.push(Endpoint { address: edge(dir, topic, LINK, ""), keep: Some(LINK_KEEP) });
    }
    endpoints.push(Endpoint { address: tap(dir, topic), keep: None });
    OutputWiring { name: name.to_owned(), topic: topic.to_string(), kind: kind.to_owned(), endpoints }
}

/// How many messages an edge to the link holds: it empties the edge at once, so these only bridge its being scheduled.
const LINK_KEEP: usize = 16;

fn link_inputs(graph: &Graph, dir: &RunDir) -> Vec<InputWiring> {
    local_topics(graph)
        .enumerate()
        .map(|(index, (topic, kind))| InputWiring {
            name: format!("t{index}"),
            endpoint: edge(dir, &topic, LINK, ""),
            topic: topic.to_string(),
            kind,
            timeout: None,
        })
        .collect()
}

fn link_outputs(graph: &Graph, dir: &RunDir) -> Vec<OutputWiring> {
    remote_topics(graph)
        .enumerate()
        .map(|(index, (topic, kind))| output_wiring(graph, dir, &format!("r{index}"), &topic, &kind, false))
        .collect()
}

fn link_params(graph: &Graph) -> Map<String, Value> {
    let peers: Vec<Value> = graph
        .peers
        .iter()
        .map(|peer| serde_json::json!({ "name": peer.name.as_str(), "address": peer.address, "key": peer.key }))
        .collect();
    Map::from_iter([("listen".to_owned(), graph.listen.clone().into()), ("peers".to_owned(), peers.into())])
}

impl NodeWiring {
    /// The wiring as environment variables.
    #[must_use]
    pub fn env(&self) -> Vec<(String, String)> {
        let mut env = vec![
            ("LAUNCH_GRAPH".to_owned(), self.graph.clone()),
            ("LAUNCH_NODE".to_owned(), self.name.clone()),
            ("LAUNCH_PARAMS".to_owned(), Value::Object(self.params.clone()).to_string()),
            ("LAUNCH_CLOCK_OFFSET_NS".to_owned(), self.clock_offset_ns.to_string()),
        ];
        env.extend(self.status.iter().map(|status| ("LAUNCH_STATUS".to_owned(), status.clone())));
        for input in &self.inputs {
            let InputWiring { endpoint, topic, kind, .. } = input;
            env.push((variable("SUB", &input.name), format!("{endpoint} {topic} {kind}")));
            env.extend(input.timeout.map(|after| (variable("TIMEOUT", &input.name), Period(after).to_string())));
        }
        for output in &self.outputs {
            let addresses = output.endpoints.iter().map(|endpoint| endpoint.address.as_str());
            let words = [output.topic.as_str(), output.kind.as_str()].into_iter().chain(addresses);
            env.push((variable("PUB", &output.name), words.collect::<Vec<_>>().join(" ")));
            let keeps = output.endpoints.iter().map(|endpoint| match endpoint.keep {
                Some(keep) => keep.to_string(),
                None => "tap".to_owned(),
            });
            env.push((variable("KEEP", &output.name), keeps.collect::<Vec<_>>().join(" ")));
        }
        env
    }

    /// Reads the wiring from environment variables.
    ///
    /// # Errors
    /// A sentence that names the variable that is missing or does not read.
    pub fn from_env(vars: impl IntoIterator<Item = (String, String)>) -> Result<NodeWiring, String> {
        let vars: BTreeMap<String, String> = vars.into_iter().filter(|(name, _)| name.starts_with("LAUNCH_")).collect();
        let get = |name: &str| vars.get(name).map(String::as_str);
        let name = get("LAUNCH_NODE").ok_or("LAUNCH_NODE is not set")?.to_owned();
        let offset = get("LAUNCH_CLOCK_OFFSET_NS").unwrap_or("0");
        Ok(NodeWiring {
            graph: get("LAUNCH_GRAPH").unwrap_or("graph").to_owned(),
            name,
            inputs: ports(&vars, "LAUNCH_SUB_")
                .map(|(port, value)| read_input(&vars, port, value))
                .collect::<Result<_, _>>()?,
            outputs: ports(&vars, "LAUNCH_PUB_")
                .map(|(port, value)| read_output(&vars, port, value))
                .collect::<Result<_, _>>()?,
            params: serde_json::from_str(get("LAUNCH_PARAMS").unwrap_or("{}"))
                .map_err(|error| format!("LAUNCH_PARAMS is no JSON object: {error}"))?,
            clock_offset_ns: offset
                .parse()
                .map_err(|_| format!("LAUNCH_CLOCK_OFFSET_NS is \"{offset}\", not a number of nanoseconds"))?,
            status: get("LAUNCH_STATUS").map(str::to_owned),
        })
    }
}

fn variable(kind: &str, port: &str) -> String {
    format!("LAUNCH_{kind}_{}", port.to_ascii_uppercase())
}

fn ports<'a>(vars: &'a BTreeMap<String, String>, prefix: &'a str) -> impl Iterator<Item = (String, &'a str)> {
    vars.iter().filter_map(move |(name, value)| Some((name.strip_prefix(prefix)?.to_ascii_lowercase(), value.as_str())))
}

fn read_input(vars: &BTreeMap<String, String>, name: String, value: &str) -> Result<InputWiring, String> {
    let [endpoint, topic, kind] = value.split_whitespace().collect::<Vec<_>>()[..] else {
        return Err(format!("{} is \"{value}\", not \"endpoint topic type\"", variable("SUB", &name)));
    };
    let limit = variable("TIMEOUT", &name);
    let timeout = vars.get(&limit).map(|text| crate::graph::duration::parse(text));
    Ok(InputWiring {
        endpoint: endpoint.to_owned(),
        topic: topic.to_owned(),
        kind: kind.to_owned(),
        timeout: timeout.transpose().map_err(|error| format!("{limit}: {error}"))?,
        name,
    })
}

fn read_output(vars: &BTreeMap<String, String>, name: String, value: &str) -> Result<OutputWiring, String> {
    let mut words = value.split_whitespace();
    let (Some(topic), Some(kind)) = (words.next(), words.next()) else {
        return Err(format!("{} is \"{value}\", not \"topic type endpoint…\"", variable("PUB", &name)));
    };
    let keeps = vars.get(&variable("KEEP", &name)).map_or("", String::as_str);
    let mut keeps = keeps.split_whitespace();
    let endpoints = words.map(|address| {
        let keep = match keeps.next() {
            None => Some(Keep::Latest.capacity()),
            Some("tap") => None,
            Some(keep) => {
                Some(keep.parse().ok().filter(|keep| (1..=Keep::MAX as usize).contains(keep)).ok_or_else(|| {
                    format!("{} holds \"{keep}\", not a queue length from 1 to {}", variable("KEEP", &name), Keep::MAX)
                })?)
            }
        };
        Ok(Endpoint { address: address.to_owned(), keep })
    });
    Ok(OutputWiring {
        topic: topic.to_owned(),
        kind: kind.to_owned(),
        endpoints: endpoints.collect::<Result<_, String>>()?,
        name,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{Limits, LogSpec, NodeSpec, Output, Peer, Restart, Watchdog};

    fn spec(name: &str, outputs: &[(&str, &str)], inputs: &[(&str, &str, Keep)]) -> NodeSpec {
        let second = Duration::from_secs(1);
        NodeSpec {
            name: name.parse().unwrap(),
            run: vec![name.to_owned()],
            outputs: outputs
                .iter()
                .map(|(name, kind)| Output { name: name.parse().unwrap(), kind: (*kind).to_owned() })
                .collect(),
            inputs: inputs
                .iter()
                .map(|(name, topic, keep)| Input {
                    name: name.parse().unwrap(),
                    topic: topic.parse().unwrap(),
                    kind: "offboard.v1.Array".to_owned(),
                    keep: *keep,
                    timeout: Some(second),
                    budget: None,
                })
                .collect(),
            params: Map::from_iter([("rate".to_owned(), 30.into())]),
            env: BTreeMap::new(),
            after: Vec::new(),
            required: false,
            restart: Restart::default(),
            ready: second,
            watchdog: Watchdog::Default,
            stop: second,
            limits: Limits::default(),
            log: LogSpec::default(),
        }
    }

    fn graph() -> Graph {
        Graph {
            name: "desk".parse().unwrap(),
            listen: None,
            nodes: vec![
                spec("a", &[("x", "offboard.v1.Array")], &[]),
                spec("b", &[], &[("x", "a/x", Keep::Last(5)), ("far", "robot:c/y", Keep::Latest)]),
                spec("d", &[], &[("far", "robot:c/y", Keep::Latest)]),
            ],
            peers: vec![Peer { name: "robot".parse().unwrap(), address: Some("127.0.0.1:7400".into()), key: None }],
            dir: "/".into(),
        }
    }

    fn wirings() -> Vec<NodeWiring> {
        wire(&graph(), &RunDir::at("/run/o/desk".into()), 17)
    }

    #[test]
    fn what_launch_writes_a_node_reads() {
        for mut wiring in wirings() {
            // an environment has no order
            wiring.inputs.sort_by(|a, b| a.name.cmp(&b.name));
            wiring.outputs.sort_by(|a, b| a.name.cmp(&b.name));
            assert_eq!(NodeWiring::from_env(wiring.env()), Ok(wiring));
        }
    }

    #[test]
    fn both_ends_of_an_edge_have_the_same_endpoint() {
        let [a, b, ..] = &wirings()[..] else { panic!() };
        assert_eq!(a.outputs[0].endpoints[0].address, b.inputs[0].endpoint);
        assert_eq!(a.outputs[0].endpoints[0].keep, Some(5));
    }

    #[test]
    fn every_output_has_a_tap_and_an_edge_to_the_link() {
        let [a, _, _, link, _] = &wirings()[..] else { panic!() };
        assert_eq!(a.outputs[0].endpoints[1].address, link.inputs[0].endpoint);
        assert_eq!(a.outputs[0].endpoints[2].keep, None);
    }

    #[test]
    fn a_peers_topic_leaves_the_link_once_for_all_its_listeners() {
        let [_, b, d, link, _] = &wirings()[..] else { panic!() };
        assert_eq!(link.outputs.len(), 1);
        assert_eq!(link.outputs[0].topic, "robot:c/y");
        assert_eq!(link.outputs[0].endpoints[0].address, b.inputs[1].endpoint);
        assert_eq!(link.outputs[0].endpoints[1].address, d.inputs[0].endpoint);
    }

    #[test]
    fn a_graph_without_peers_has_no_link() {
        let alone = Graph { peers: Vec::new(), ..graph() };
        let wirings = wire(&alone, &RunDir::at("/run/o/desk".into()), 0);
        assert_eq!(wirings.iter().map(|wiring| wiring.name.as_str()).collect::<Vec<_>>(), ["a", "b", "d", LAUNCH]);
    }

    #[test]
    fn what_launch_knows_is_published_like_any_nodes_topics() {
        let listens = spec("l", &[], &[("events", "launch/events", Keep::Last(256))]);
        let graph = Graph { nodes: vec![listens], ..graph() };
        let dir = RunDir::at("/run/o/desk".into());
        let [l, link, launch] = &wire(&graph, &dir, 0)[..] else { panic!() };
        let [events, status, log] = &launch.outputs[..] else { panic!() };
        assert_eq!((events.topic.as_str(), status.topic.as_str()), ("launch/events", "launch/status"));
        assert_eq!(events.endpoints[0], Endpoint { address: l.inputs[0].endpoint.clone(), keep: Some(256) });
        assert_eq!(events.endpoints[1].address, link.inputs[0].endpoint);
        assert_eq!((status.kind.as_str(), log.kind.as_str()), ("offboard.v1.GraphStatus", "offboard.v1.Log"));
        assert!(taps(&graph, &dir).iter().any(|topic| topic.topic == "launch/events" && topic.publisher == LAUNCH));
    }

    #[test]
    fn a_broken_variable_is_named() {
        let vars = |name: &str, value: &str| {
            vec![("LAUNCH_NODE".to_owned(), "n".to_owned()), (name.to_owned(), value.to_owned())]
        };
        let cases = [
            ("LAUNCH_SUB_X", "ipc:///a", "LAUNCH_SUB_X is \"ipc:///a\", not \"endpoint topic type\""),
            ("LAUNCH_PUB_X", "t", "LAUNCH_PUB_X is \"t\", not \"topic type endpoint…\""),
            ("LAUNCH_CLOCK_OFFSET_NS", "x", "LAUNCH_CLOCK_OFFSET_NS is \"x\", not a number of nanoseconds"),
        ];
        for (name, value, error) in cases {
            assert_eq!(NodeWiring::from_env(vars(name, value)).unwrap_err(), error);
        }
    }
}
