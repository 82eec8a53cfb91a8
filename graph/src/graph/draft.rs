//! From a tree to a draft: every key of the format, each value of the right kind. It never looks from one node to another.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use offboard_proto::TOPIC_MAX;

use super::{
    GraphName, Keep, Limits, LogSpec, NodeName, Pattern, PortName, Restart, RestartWhen, Topic, Watchdog,
    address::{Address, address, is_key},
    limits::limits,
    logging::{self, log_spec},
    mistakes::{At, File, Log, Mistake, Place},
    near::suggest,
    overrides::Override,
    show::{show, tick},
    syntax::Lost,
    tree::{Entry, Item, Table, Value},
    types,
    walk::{self, STRING_MAX},
    words,
};

/// How many nodes a graph may have, against hostile files: each is a process.
const NODES_MAX: usize = 500;

/// How long a node may take until its first heartbeat, unless the file says otherwise.
const READY: Duration = Duration::from_secs(10);

/// How long a node gets from TERM to KILL, unless the file says otherwise.
const STOP: Duration = Duration::from_secs(2);

/// A graph file that was read but not yet checked. It keeps its mistakes for [`check()`](super::check()).
#[derive(Clone)]
pub struct Draft {
    pub(crate) name: Option<At<GraphName>>,
    pub(crate) dir: PathBuf,
    pub(crate) files: Vec<Arc<File>>,
    pub(crate) listen: Setting<Address>,
    pub(crate) nodes: Vec<RawNode>,
    pub(crate) peers: Vec<RawPeer>,
    pub(crate) log: Log,
    pub(crate) lost: Lost,
    /// A file is missing, so that nothing can be called missing.
    pub(crate) incomplete: bool,
    /// Overrides of nodes and peers that this file does not have.
    pub(crate) unused: Vec<Override>,
}

/// A node as the file has it.
#[derive(Clone)]
pub(crate) struct RawNode {
    pub(crate) name: At<NodeName>,
    /// None when it is wrong.
    pub(crate) run: Option<At<Vec<String>>>,
    pub(crate) outputs: Vec<RawOutput>,
    pub(crate) inputs: Vec<RawInput>,
    pub(crate) params: Table,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) after: Vec<At<String>>,
    pub(crate) required: bool,
    pub(crate) when: Option<RestartWhen>,
    pub(crate) restart: Restart,
    pub(crate) ready: Duration,
    pub(crate) watchdog: Watchdog,
    pub(crate) stop: Duration,
    pub(crate) limits: Limits,
    pub(crate) log: LogSpec,
}

#[derive(Clone)]
pub(crate) struct RawOutput {
    pub(crate) name: At<PortName>,
    /// None when it is wrong.
    pub(crate) kind: Option<At<String>>,
}

#[derive(Clone)]
pub(crate) struct RawInput {
    pub(crate) name: At<PortName>,
    /// None when it is wrong, or a pattern.
    pub(crate) topic: Option<At<Topic>>,
    /// Where it stands for many.
    pub(crate) pattern: Option<At<Pattern>>,
    pub(crate) keep: Option<Keep>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) budget: Option<Duration>,
}

/// A peer as the file has it.
#[derive(Clone)]
pub(crate) struct RawPeer {
    pub(crate) name: At<GraphName>,
    pub(crate) address: Setting<Address>,
    pub(crate) key: Setting<String>,
}

/// A value that may be absent or wrong.
#[derive(Clone)]
pub(crate) enum Setting<T> {
    Absent,
    Wrong,
    Good(At<T>),
}

impl<T: Clone> Setting<T> {
    pub(crate) fn good(&self) -> Option<&At<T>> {
        match self {
            Setting::Good(value) => Some(value),
            _ => None,
        }
    }

    pub(crate) fn is_present(&self) -> bool {
        !matches!(self, Setting::Absent)
    }

    fn of(present: bool, good: Option<At<T>>) -> Setting<T> {
        match good {
            Some(value) => Setting::Good(value),
            None if present => Setting::Wrong,
            None => Setting::Absent,
        }
    }
}

impl Draft {
    /// The graph's name, when the file has a good one.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_ref().map(|name| name.value.as_str())
    }

    /// The folder of the file; `.` for a file without one.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Each node with the words that run it (its own name, when the file does not say); those whose `run` is wrong are left out.
    #[must_use]
    pub fn programs(&self) -> Vec<(String, Vec<String>)> {
        let words = |node: &RawNode| Some((node.name.value.to_string(), node.run.as_ref()?.value.clone()));
        self.nodes.iter().filter_map(words).collect()
    }
}

/// Walks a whole tree. `files` holds at least the graph file itself.
pub(crate) fn draft(
    tree: &Table,
    dir: PathBuf,
    files: Vec<Arc<File>>,
    unused: Vec<Override>,
    lost: (Lost, bool),
    mut log: Log,
) -> Draft {
    let top = Place::top(&files[0]);
    walk::only(tree, &["graph", "node", "peer", "include"], "a graph file", &mut log);
    let (name, listen) = head(tree, &top, &mut log);
    let named = walk::table(tree, "node", &mut log);
    let nodes = named.map(|nodes| nodes.entries()).unwrap_or_default();
    if nodes.is_empty() && (named.is_some() || tree.get("node").is_none()) {
        let mistake = Mistake::new(&top, "the graph has no nodes").absent("node");
        log.push(mistake.help("a node is written as a table: [node.camera]"));
    }
    if let Some(first) = nodes.get(NODES_MAX) {
        log.push(Mistake::new(&first.key_at, format!("a graph has at most {NODES_MAX} nodes")));
    }
    logging::shared(nodes, &mut log);
    let nodes = nodes.iter().take(NODES_MAX).filter_map(|entry| node(entry, &mut log)).collect();
    let peers = walk::table(tree, "peer", &mut log).map(|peers| peers.entries()).unwrap_or_default();
    let peers = peers.iter().filter_map(|entry| peer(entry, &mut log)).collect();
    let (lost, incomplete) = lost;
    Draft { name, dir, files, listen, nodes, peers, log, lost, incomplete, unused }
}

type Head = (Option<At<GraphName>>, Setting<Address>);

fn head(tree: &Table, top: &Place, log: &mut Log) -> Head {
    let help = "a graph file begins with\n[graph]\nname = \"robot\"";
    let Some(entry) = tree.get("graph") else {
        log.push(Mistake::new(top, "the graph has no name").absent("graph").help(help));
        return (None, Setting::Absent);
    };
    let Some(table) = walk::as_table(entry, log) else { return (None, Setting::Wrong) };
    walk::only(table, &["name", "listen"], "[graph]", log);
    if table.get("name").is_none() {
        log.push(Mistake::new(&entry.key_at, "the graph has no name").absent("name").help(help));
    }
    let name = walk::string(table, "name", log).and_then(|text| parsed(text, log));
    (name, machine(table, "listen", log))
}

/// A text that is a name or a topic.
fn parsed<T: std::str::FromStr<Err = String>>(text: At<String>, log: &mut Log) -> Option<At<T>> {
    match text.value.parse() {
        Ok(value) => Some(At { value, at: text.at }),
        Err(error) => {
            log.push(Mistake::new(&text.at, error));
            None
        }
    }
}

fn key<T: std::str::FromStr<Err = String>>(entry: &Entry, log: &mut Log) -> Option<At<T>> {
    parsed(At { value: entry.key.clone(), at: entry.key_at.clone() }, log)
}

/// `host:port` under a key.
fn machine(table: &Table, key: &str, log: &mut Log) -> Setting<Address> {
    let good = walk::string(table, key, log).and_then(|text| match address(&text.value) {
        Ok(value) => Some(At { value, at: text.at }),
        Err(error) => {
            log.push(Mistake::new(&text.at, error));
            None
        }
    });
    Setting::of(table.get(key).is_some(), good)
}

fn peer(entry: &Entry, log: &mut Log) -> Option<RawPeer> {
    let name = key(entry, log);
    let table = walk::as_table(entry, log)?;
    walk::only(table, &["address", "key"], "a peer", log);
    let address = machine(table, "address", log);
    let good = walk::string(table, "key", log).filter(|key| {
        let good = is_key(&key.value);
        if !good {
            let mistake = Mistake::new(&key.at, format!("{} is no key", tick(&key.value)));
            log.push(
                mistake.help("a key is `ed25519:` and 44 characters; `launch key` on that machine prints its own"),
            );
        }
        good
    });
    Some(RawPeer { name: name?, address, key: Setting::of(table.get("key").is_some(), good) })
}

const NODE_KEYS: [&str; 13] = [
    "run",
    "publish",
    "subscribe",
    "params",
    "env",
    "after",
    "required",
    "restart",
    "ready",
    "watchdog",
    "stop",
    "limits",
    "log",
];

fn node(entry: &Entry, log: &mut Log) -> Option<RawNode> {
    let name = key::<NodeName>(entry, log);
    let table = walk::as_table(entry, log)?;
    walk::only(table, &NODE_KEYS, "a node", log);
    let outputs = walk::table(table, "publish", log).map(|publish| outputs(publish, log));
    let inputs = walk::table(table, "subscribe", log);
    let inputs = inputs.map(|inputs| inputs.entries().iter().filter_map(|entry| input(entry, log)).collect());
    let params = walk::table(table, "params", log).cloned();
    let env = walk::table(table, "env", log).map(|env| variables(env, log));
    let (when, restart) = restart(table, log);
    let run = run(table, entry, log);
    Some(RawNode {
        run,
        outputs: outputs.unwrap_or_default(),
        inputs: inputs.unwrap_or_default(),
        params: params.unwrap_or_default(),
        env: env.unwrap_or_default(),
        after: walk::strings(table, "after", log).unwrap_or_default(),
        required: walk::boolean(table, "required", log).unwrap_or_default(),
        when,
        restart,
        ready: walk::period(table, "ready", log).unwrap_or(READY),
        watchdog: watchdog(table, log),
        stop: walk::period(table, "stop", log).unwrap_or(STOP),
        limits: limits(table, log),
        log: log_spec(table, log),
        name: name?,
    })
}

fn run(table: &Table, node: &Entry, log: &mut Log) -> Option<At<Vec<String>>> {
    let Some(entry) = table.get("run") else {
        return Some(At { value: vec![node.key.clone()], at: node.key_at.clone() });
    };
    let at = entry.item.at.clone();
    let value = match &entry.item.value {
        Value::Text(_) => match words::split(&walk::text(&entry.item, "`run`", log)?.value) {
            Ok(words) => words,
            Err(error) => {
                log.push(Mistake::new(&at, error));
                return None;
            }
        },
        Value::List(items) => {
            let words = walk::strings(table, "run", log)?;
            (words.len() == items.len()).then(|| words.into_iter().map(|word| word.value).collect())?
        }
        _ => {
            log.extend(walk::wrong(&entry.item, "`run`", "a string or a list of strings"));
            return None;
        }
    };
    if value.first().is_none_or(|program| program.is_empty()) {
        log.push(Mistake::new(&at, "`run` names no program").help("for instance run = \"python3 pilot.py\""));
        return None;
    }
    Some(At { value, at })
}

fn outputs(publish: &Table, log: &mut Log) -> Vec<RawOutput> {
    let output = |entry: &Entry| {
        let name = key(entry, log);
        let kind = walk::text(&entry.item, &tick(&entry.key), log).and_then(|text| match types::resolve(&text.value) {
            Ok(value) => Some(At { value, at: text.at }),
            Err((title, help)) => {
                log.push(Mistake::new(&text.at, title).help(help));
                None
            }
        });
        Some(RawOutput { name: name?, kind })
    };
    publish.entries().iter().filter_map(output).collect()
}

fn input(entry: &Entry, log: &mut Log) -> Option<RawInput> {
    let name = key(entry, log);
    let (mut keep, mut timeout, mut budget) = (None, None, None);
    let topic = match &entry.item.value {
        Value::Table(table) => {
            walk::only(table, &["topic", "keep", "timeout", "budget"], "a subscription", log);
            if table.get("topic").is_none() {
                let title = format!("the subscription {} has no topic", tick(&entry.key));
                log.push(Mistake::new(&entry.key_at, title).absent("topic").help("add topic = \"node/output\""));
            }
            keep = table.get("keep").and_then(|entry| queue(&entry.item, log));
            timeout = walk::period(table, "timeout", log);
            budget = walk::period(table, "budget", log);
            walk::string(table, "topic", log)
        }
        Value::Text(_) => walk::text(&entry.item, &tick(&entry.key), log),
        _ => {
            let mistake = walk::wrong(&entry.item, &tick(&entry.key), "a topic");
            let help = "write \"node/output\", or { topic = \"node/output\", keep = 10, timeout = \"1s\" }";
            log.extend(mistake.map(|mistake| mistake.help(help)));
            None
        }
    };
    let (pattern, topic) = match topic {
        Some(text) if Pattern::is_one(&text.value) => (parsed::<Pattern>(text, log), None),
        topic => (None, topic.and_then(|text| topic_of(text, log))),
    };
    Some(RawInput { name: name?, topic, pattern, keep, timeout, budget })
}

fn topic_of(text: At<String>, log: &mut Log) -> Option<At<Topic>> {
    let topic = parsed::<Topic>(text, log)?;
    if topic.value.to_string().len() > TOPIC_MAX {
        log.push(Mistake::new(&topic.at, format!("a topic has at most {TOPIC_MAX} bytes")));
        return None;
    }
    Some(topic)
}

fn queue(item: &Item, log: &mut Log) -> Option<Keep> {
    match &item.value {
        Value::Text(text) if text == "latest" => Some(Keep::Latest),
        Value::Text(text) => {
            let mistake = Mistake::new(&item.at, format!("`keep` cannot be \"{}\"", show(text)));
            log.push(mistake.help(format!("write \"latest\" or how many messages to keep, from 1 to {}", Keep::MAX)));
            None
        }
        Value::Integer(_) => walk::as_count(item, "`keep`", Keep::MAX, log).map(Keep::Last),
        _ => {
            log.extend(walk::wrong(item, "`keep`", &format!("\"latest\" or an integer from 1 to {}", Keep::MAX)));
            None
        }
    }
}

fn variables(env: &Table, log: &mut Log) -> BTreeMap<String, String> {
    let mut variables = BTreeMap::new();
    for entry in env.entries() {
        let name = &entry.key;
        let good = name.len() <= 256
            && !name.starts_with(|c: char| c.is_ascii_digit())
            && !name.is_empty()
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !good {
            log.push(Mistake::new(&entry.key_at, format!("{} is no name of an environment variable", tick(name))));
        } else if name.starts_with("LAUNCH_") {
            let title = format!("{} is not yours to set: LAUNCH_ is the wiring", tick(name));
            log.push(Mistake::new(&entry.key_at, title).help("a node is told its own settings in `params`"));
        }
        if let Some(value) = walk::text(&entry.item, &tick(name), log) {
            variables.insert(name.clone(), value.value);
        }
    }
    variables
}

/// When, as far as the file says it, and how.
fn restart(table: &Table, log: &mut Log) -> (Option<RestartWhen>, Restart) {
    let default = Restart::default();
    let Some(entry) = table.get("restart") else { return (None, default) };
    let how = match &entry.item.value {
        Value::Text(_) => return (when(&entry.item, "`restart`", log), default),
        Value::Table(how) => how,
        _ => {
            log.extend(walk::wrong(&entry.item, "`restart`", "\"always\", \"on-failure\", \"never\" or a table"));
            return (None, default);
        }
    };
    walk::only(how, &["when", "delay", "delay_max", "window", "max"], "`restart`", log);
    let restart = Restart {
        when: default.when,
        delay: walk::period(how, "delay", log).unwrap_or(default.delay),
        delay_max: walk::period(how, "delay_max", log).unwrap_or(default.delay_max),
        window: walk::period(how, "window", log).unwrap_or(default.window),
        max: walk::count(how, "max", RESTARTS_MAX, log).unwrap_or(default.max),
    };
    if let Some(entry) = how.get("delay").or(how.get("delay_max")).filter(|_| restart.delay > restart.delay_max) {
        let (delay, most) = (super::Period(restart.delay), super::Period(restart.delay_max));
        let title = format!("`delay` is {delay} but `delay_max` only {most}");
        log.push(Mistake::new(&entry.item.at, title));
    }
    (how.get("when").and_then(|entry| when(&entry.item, "`when`", log)), restart)
}

/// The most ends within the window that may be asked for; launch remembers when each was.
const RESTARTS_MAX: u32 = 1000;

fn when(item: &Item, what: &str, log: &mut Log) -> Option<RestartWhen> {
    let text = walk::text(item, what, log)?.value;
    match text.as_str() {
        "always" => Some(RestartWhen::Always),
        "on-failure" => Some(RestartWhen::OnFailure),
        "never" => Some(RestartWhen::Never),
        _ => {
            let mistake = Mistake::new(&item.at, format!("{what} cannot be \"{}\"", show(&text)));
            let mistake = suggest(log, mistake, &text, ["always", "on-failure", "never"], "it is one of");
            log.push(mistake);
            None
        }
    }
}

/// A shorter silence than this is none: a heartbeat may come a little late.
const WATCHDOG_MIN: Duration = Duration::from_millis(500);

fn watchdog(table: &Table, log: &mut Log) -> Watchdog {
    let Some(entry) = table.get("watchdog") else { return Watchdog::Default };
    match &entry.item.value {
        Value::Text(text) if text == "off" => Watchdog::Off,
        Value::Text(_) => match walk::as_period(&entry.item, "`watchdog`", log) {
            Some(after) if after < WATCHDOG_MIN => {
                let (after, least) = (super::Period(after), super::Period(WATCHDOG_MIN));
                let mistake =
                    Mistake::new(&entry.item.at, format!("`watchdog` is {after} but must be at least {least}"));
                log.push(mistake.help("a healthy node sends a heartbeat every 330 ms"));
                Watchdog::Default
            }
            after => after.map_or(Watchdog::Default, Watchdog::After),
        },
        _ => {
            log.extend(walk::wrong(&entry.item, "`watchdog`", "a duration or \"off\""));
            Watchdog::Default
        }
    }
}

/// Whether a node's parameters fit the variable in which it is told them.
pub(crate) fn params_fit(params: &serde_json::Map<String, serde_json::Value>) -> bool {
    serde_json::to_string(params).is_ok_and(|json| json.len() <= STRING_MAX)
}
