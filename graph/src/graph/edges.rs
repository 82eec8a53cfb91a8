//! Who listens to whom: every subscription finds its speaker, and both ends have the same type.
//! It never forbids a circle: circles are the purpose.

use std::collections::BTreeMap;

use super::{
    Description, Input, Keep, NodeName, Output, Pattern, Port, PortName, Topic,
    check::{Known, Program},
    draft::{Draft, RawInput, RawNode},
    mistakes::{At, Log, Mistake, Place},
    near::{near, suggest},
    own,
    show::{list, tick},
    spread::{Taken, spread},
    types::short,
};

/// The type when any will do, or when it is not known.
const ANY: &str = "*";

/// The most listeners of one topic: their endpoints stand in one environment variable.
const LISTENERS_MAX: usize = 200;

/// What an edge of a pattern holds unless the file says otherwise.
const PATTERN_KEEP: u32 = 256;

/// One output.
#[derive(Clone)]
pub(crate) struct Speaker {
    /// None when it is wrong.
    pub(crate) kind: Option<String>,
    /// Where its type is written, else its node.
    pub(crate) at: Place,
}

/// The outputs of a graph.
#[derive(Default)]
pub(crate) struct Speakers {
    nodes: BTreeMap<NodeName, Outputs>,
}

#[derive(Default)]
struct Outputs {
    /// What else it may say is not known.
    unknown: bool,
    order: Vec<(PortName, Speaker)>,
}

impl Speakers {
    pub(crate) fn node(&mut self, node: &NodeName, unknown: bool) {
        self.nodes.insert(node.clone(), Outputs { unknown, order: Vec::new() });
    }

    pub(crate) fn add(&mut self, node: &NodeName, output: &PortName, speaker: Speaker) {
        self.nodes.entry(node.clone()).or_default().order.push((output.clone(), speaker));
    }

    /// The outputs of a node whose types are known.
    pub(crate) fn outputs(&self, node: &NodeName) -> Vec<Output> {
        let outputs = self.nodes.get(node).map(|outputs| outputs.order.as_slice()).unwrap_or_default();
        let output =
            |(name, speaker): &(PortName, Speaker)| Some(Output { name: name.clone(), kind: speaker.kind.clone()? });
        outputs.iter().filter_map(output).collect()
    }

    fn topics(&self) -> Vec<String> {
        let names = |(node, outputs): (&NodeName, &Outputs)| {
            outputs.order.iter().map(|(output, _)| format!("{node}/{output}")).collect::<Vec<_>>()
        };
        self.nodes.iter().flat_map(names).collect()
    }

    /// The topics of a graph.
    fn all(&self) -> Vec<Topic> {
        let topic =
            |node: &NodeName, output: &PortName| Topic { peer: None, node: node.clone(), output: output.clone() };
        let of_node = |(node, outputs): (&NodeName, &Outputs)| {
            outputs.order.iter().map(|(output, _)| topic(node, output)).collect::<Vec<_>>()
        };
        self.nodes.iter().flat_map(of_node).collect()
    }

    fn find(&self, topic: &Topic) -> Option<&Speaker> {
        let outputs = self.nodes.get(&topic.node)?;
        outputs.order.iter().find(|(name, _)| *name == topic.output).map(|(_, speaker)| speaker)
    }

    /// Whether nothing can be said against a topic.
    fn may_have(&self, topic: &Topic) -> bool {
        self.nodes.get(&topic.node).is_some_and(|outputs| outputs.unknown)
    }
}

/// The check of one graph's edges.
pub(crate) struct Edges<'a> {
    own: usize,
    drafts: &'a [Draft],
    speakers: &'a [Speakers],
    log: &'a mut Log,
    /// What the first listener of each remote topic of unknown type wants.
    wanted: BTreeMap<Topic, (Vec<String>, Place, String)>,
    listeners: BTreeMap<Topic, usize>,
}

/// The listening end of an edge.
struct Ear<'a> {
    node: &'a RawNode,
    input: &'a RawInput,
    /// What the program says of it.
    port: Option<&'a Port>,
}

impl Ear<'_> {
    fn name(&self) -> String {
        tick(&format!("{}.{}", self.node.name.value, self.input.name.value))
    }

    /// The types it takes; none: any.
    fn types(&self) -> &[String] {
        self.port.map(|port| port.types.as_slice()).unwrap_or_default()
    }

    fn takes(&self, kind: &str) -> bool {
        let types = self.types();
        types.is_empty() || kind == ANY || types.iter().any(|taken| taken == kind || taken == ANY)
    }
}

impl<'a> Edges<'a> {
    pub(crate) fn new(own: usize, drafts: &'a [Draft], speakers: &'a [Speakers], log: &'a mut Log) -> Edges<'a> {
        Edges { own, drafts, speakers, log, wanted: BTreeMap::new(), listeners: BTreeMap::new() }
    }

    /// The inputs of each node in the order of the draft; those with mistakes are left out.
    pub(crate) fn check(&mut self, known: &'a Known<'_>) -> Vec<Vec<Input>> {
        let nodes = known.draft.nodes.iter().zip(&known.programs);
        nodes.map(|(node, program)| self.inputs(node, program.as_ref())).collect()
    }

    fn inputs(&mut self, node: &'a RawNode, program: Option<&'a Program>) -> Vec<Input> {
        let description = match program {
            Some(Program::Described(description)) => Some(description),
            _ => None,
        };
        if let Some(description) = description {
            self.required(node, description);
        }
        let mut inputs = Vec::new();
        let mut taken = Taken::by(node, description);
        for input in &node.inputs {
            let port = match description {
                Some(description) => self.port(node, input, description),
                None => None,
            };
            match &input.pattern {
                None => inputs.extend(self.edge(&Ear { node, input, port })),
                Some(_) if description.is_some_and(|description| port.is_some() || !description.any_inputs) => {
                    self.one_input(node, input, port);
                }
                Some(pattern) => inputs.extend(self.many(node, input, pattern, &mut taken)),
            }
        }
        inputs
    }

    /// A pattern where the program has one input.
    fn one_input(&mut self, node: &RawNode, input: &RawInput, port: Option<&Port>) {
        let (Some(pattern), Some(_)) = (&input.pattern, port) else { return };
        let name = tick(&format!("{}.{}", node.name.value, input.name.value));
        let title = format!("{name} is one input, and {} may be many topics", tick(&pattern.value.to_string()));
        let help = "write one topic; a pattern is for nodes that take any inputs, as a recorder does";
        self.log.push(Mistake::new(&pattern.at, title).help(help));
    }

    /// An input for each topic that a pattern stands for.
    fn many(&mut self, node: &'a RawNode, input: &RawInput, pattern: &At<Pattern>, taken: &mut Taken) -> Vec<Input> {
        let (own, speakers) = (&self.drafts[self.own], &self.speakers[self.own]);
        let found: Vec<Topic> = spread(&pattern.value, node, own, &speakers.all()).into_iter().collect();
        let may_be = speakers.nodes.iter().any(|(name, outputs)| outputs.unknown && pattern.value.may_mean(name));
        if found.is_empty() && !may_be {
            self.nothing(node, pattern);
        }
        let mut inputs = Vec::new();
        for topic in found {
            let Some(name) = taken.take(&topic) else { continue };
            let one = RawInput {
                name: At { value: name, at: input.name.at.clone() },
                topic: Some(At { value: topic, at: pattern.at.clone() }),
                pattern: None,
                // Whoever wants everything wants every message.
                keep: Some(input.keep.unwrap_or(Keep::Last(PATTERN_KEEP))),
                ..input.clone()
            };
            inputs.extend(self.edge(&Ear { node, input: &one, port: None }));
        }
        inputs
    }

    /// A pattern that stands for nothing.
    fn nothing(&mut self, node: &RawNode, pattern: &At<Pattern>) {
        let text = pattern.value.to_string();
        let mistake = Mistake::new(&pattern.at, format!("no topic matches {}", tick(&text))).absent(&text);
        let name = node.name.value.as_str();
        let topics = self.speakers[self.own].topics();
        let others: Vec<&str> =
            topics.iter().map(String::as_str).filter(|topic| topic.split('/').next() != Some(name)).collect();
        let help = if pattern.value.peer().is_some() {
            "of a peer's topics it finds those that this file names elsewhere; write others one by one".to_owned()
        } else if others.is_empty() {
            format!("nothing but {} publishes here", tick(name))
        } else {
            format!("the topics are {}", list(others.iter().copied(), 12))
        };
        self.log.push(mistake.help(help));
    }

    fn required(&mut self, node: &RawNode, description: &Description) {
        for port in description.inputs.iter().filter(|port| port.required) {
            let names = || node.inputs.iter().map(|input| input.name.value.as_str());
            let known = |name: &str| description.inputs.iter().any(|port| port.name == name);
            // A slip of the finger is told as an input that the program does not have.
            let slip = || !description.any_inputs && near(&port.name, names().filter(|name| !known(name))).is_some();
            if names().any(|name| name == port.name) || slip() {
                continue;
            }
            let title =
                format!("{} does not listen to anything at {}", tick(node.name.value.as_str()), tick(&port.name));
            let help =
                format!("it needs that input: subscribe = {{ {} = \"node/output\" }}", super::show::show(&port.name));
            self.log.push(Mistake::new(&node.name.at, title).absent(&port.name).help(help));
        }
    }

    /// What the program says of an input.
    fn port(&mut self, node: &RawNode, input: &RawInput, description: &'a Description) -> Option<&'a Port> {
        let name = input.name.value.as_str();
        let port = description.inputs.iter().find(|port| port.name == name);
        if port.is_none() && !description.any_inputs {
            let title = format!("{} has no input {}", tick(node.name.value.as_str()), tick(name));
            let names: Vec<&str> = description.inputs.iter().map(|port| port.name.as_str()).collect();
            let mistake = Mistake::new(&input.name.at, title);
            let mistake = suggest(self.log, mistake, name, names.iter().copied(), "its inputs are");
            self.log.push(mistake);
        }
        port
    }

    fn edge(&mut self, ear: &Ear<'_>) -> Option<Input> {
        let topic = ear.input.topic.as_ref()?;
        let from = match &topic.value.peer {
            None => Some(self.own),
            Some(_) => self.peer(ear)?,
        };
        let kind = match (own::kind(&topic.value), from) {
            (Some(kind), _) => self.told(ear, kind),
            (None, Some(index)) => self.heard(ear, index)?,
            (None, None) => self.guessed(ear),
        };
        let listeners = self.listeners.entry(topic.value.clone()).or_default();
        *listeners += 1;
        if *listeners == LISTENERS_MAX + 1 {
            let title = format!("{} has more than {LISTENERS_MAX} listeners", tick(&topic.value.to_string()));
            self.log.push(Mistake::new(&topic.at, title));
        }
        let RawInput { name, keep, timeout, budget, .. } = ear.input.clone();
        let keep = keep.unwrap_or_else(|| own::keep(&topic.value));
        Some(Input { name: name.value, topic: topic.value.clone(), kind, keep, timeout, budget })
    }

    /// The peer that a topic comes from: the index of its draft, or `Some(None)` when that was not given.
    fn peer(&mut self, ear: &Ear<'_>) -> Option<Option<usize>> {
        let topic = ear.input.topic.as_ref()?;
        let name = topic.value.peer.as_ref()?;
        let own = &self.drafts[self.own];
        if own.peers.iter().any(|peer| peer.name.value == *name) {
            return Some(self.drafts.iter().position(|draft| draft.name() == Some(name.as_str())));
        }
        let name = name.as_str();
        if own.name() == Some(name) {
            let Topic { node, output, .. } = &topic.value;
            let mistake = Mistake::new(&topic.at, format!("{} is this graph itself", tick(name)));
            self.log.push(mistake.help(format!("its own topics are written without it: \"{node}/{output}\"")));
            return None;
        }
        let mistake = Mistake::new(&topic.at, format!("there is no peer {}", tick(name))).absent(name);
        let peers: Vec<&str> = own.peers.iter().map(|peer| peer.name.value.as_str()).collect();
        let mistake = match peers.is_empty() {
            true => mistake.help(format!("a peer is written as a table: [peer.{name}]")),
            false => suggest(self.log, mistake, name, peers.iter().copied(), "the peers are"),
        };
        self.log.push(mistake);
        None
    }

    /// The type of a topic of one of the drafts, checked against what the listener takes.
    fn heard(&mut self, ear: &Ear<'_>, index: usize) -> Option<String> {
        let topic = ear.input.topic.as_ref()?;
        let speakers = &self.speakers[index];
        let Some(speaker) = speakers.find(&topic.value) else {
            if !speakers.may_have(&topic.value) {
                self.unknown(&topic.value, &topic.at, speakers);
            }
            return None;
        };
        let kind = speaker.kind.clone()?;
        if !ear.takes(&kind) {
            self.mismatch(ear, &topic.value, &kind, Some(speaker));
        }
        Some(kind)
    }

    /// The type of a topic of launch's own, checked against what the listener takes.
    fn told(&mut self, ear: &Ear<'_>, kind: &str) -> String {
        if let (false, Some(topic)) = (ear.takes(kind), &ear.input.topic) {
            self.mismatch(ear, &topic.value, kind, None);
        }
        kind.to_owned()
    }

    fn mismatch(&mut self, ear: &Ear<'_>, topic: &Topic, kind: &str, speaker: Option<&Speaker>) {
        let wants: Vec<&str> = ear.types().iter().map(|kind| short(kind)).collect();
        let (wants, kind) = (wants.join(" or "), short(kind));
        let title = format!("{} wants {wants} but {} carries {kind}", ear.name(), tick(&topic.to_string()));
        let Some(topic) = &ear.input.topic else { return };
        let mistake = Mistake::new(&topic.at, title).label(format!("wants {wants}"));
        self.log.push(match speaker {
            Some(speaker) => mistake.other(&speaker.at, format!("carries {kind}")),
            None => mistake,
        });
    }

    fn unknown(&mut self, topic: &Topic, at: &Place, speakers: &Speakers) {
        let local = Topic { peer: None, ..topic.clone() }.to_string();
        let absent = if speakers.nodes.contains_key(&topic.node) { topic.output.as_str() } else { topic.node.as_str() };
        let mistake = Mistake::new(at, format!("there is no topic {}", tick(&topic.to_string()))).absent(absent);
        let topics = speakers.topics();
        let known: Vec<String> = topics.iter().cloned().chain(own::topics()).collect();
        let full = |local: &str| match &topic.peer {
            Some(peer) => format!("{peer}:{local}"),
            None => local.to_owned(),
        };
        let own: Vec<String> = known
            .iter()
            .filter(|name| name.split('/').next() == Some(topic.node.as_str()))
            .map(|name| full(name))
            .collect();
        let help =
            if let Some(near) = (!self.log.full()).then(|| near(&local, known.iter().map(String::as_str))).flatten() {
                format!("did you mean {}?", tick(&full(near)))
            } else if !own.is_empty() {
                format!("{} publishes {}", tick(topic.node.as_str()), list(own.iter().map(String::as_str), 12))
            } else if speakers.nodes.contains_key(&topic.node) {
                let Topic { node, output, .. } = topic;
                format!("if it publishes that, write so in [node.{node}]: publish = {{ {output} = \"Type\" }}")
            } else if topics.is_empty() {
                "nothing is published here".to_owned()
            } else {
                let topics: Vec<String> = topics.iter().take(13).map(|name| full(name)).collect();
                format!("the topics are {}", list(topics.iter().map(String::as_str), 12))
            };
        self.log.push(mistake.help(help));
    }

    /// The type of a topic of a peer whose file was not given: what the listener takes, when that is only one.
    fn guessed(&mut self, ear: &Ear<'_>) -> String {
        let types = ear.types();
        if let (false, Some(topic)) = (types.is_empty(), &ear.input.topic) {
            let mine = (types.to_vec(), topic.at.clone(), ear.name());
            let (others, at, name) = self.wanted.entry(topic.value.clone()).or_insert(mine);
            if !others.iter().any(|other| ear.takes(other)) {
                let [wants, others] =
                    [types, others].map(|types| types.iter().map(|kind| short(kind)).collect::<Vec<_>>().join(" or "));
                let title = format!("{} wants {wants} but {name} wants {others} from one topic", ear.name());
                let mistake = Mistake::new(&topic.at, title).label(format!("wants {wants}"));
                self.log.push(mistake.other(at, format!("wants {others}")));
            }
        }
        match types {
            [only] => only.clone(),
            _ => ANY.to_owned(),
        }
    }
}
