//! `ps`, `start`, `stop`, `restart` and `reload`: people and the running graphs' nodes.
//! It never touches a process itself.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use offboard::wiring::LAUNCH;
use serde::Serialize;

use crate::{
    client::{Client, Names, STOP_WITHIN, Target, find, running, some_running},
    control::{NodeView, Request},
    failure::Failure,
    print::{print, print_json},
    supervisor::code,
    top::tables::cpu,
    usage::{Usage, usages},
    words::{escape, memory, span, table},
};

/// How often is looked whether a node has stopped.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Which nodes to show.
pub(crate) fn ps(written: Option<&str>, json: bool) -> Result<(), Failure> {
    let mut clients = if written.is_some() { some_running()? } else { running()? };
    let mut nodes = Vec::new();
    let mut silent = false;
    for client in &mut clients {
        match client.nodes() {
            Ok(views) => nodes.extend(views),
            Err(failure) => {
                silent = true;
                eprint!("{}", failure.text);
            }
        }
    }
    if nodes.is_empty() && silent {
        return Err(Failure::drawn(code::OTHER, String::new()));
    }
    let target = written.map(|written| find_among(written, &nodes)).transpose()?;
    nodes.retain(|node| target.as_ref().is_none_or(|target| is_meant(target, node)));
    // launch's own node is of interest when it is meant, or not well.
    let is_one = matches!(target, Some(Target::Node(..)));
    let is_shown =
        |node: &NodeView| json || is_one || node.node != LAUNCH || matches!(node.state.as_str(), "waiting" | "failed");
    nodes.retain(is_shown);
    let usage = usages(nodes.iter().filter_map(|node| node.pid));
    let shown = nodes.iter().map(|node| Shown::new(node, node.pid.and_then(|pid| usage.get(&pid))));
    if json {
        return shown.into_iter().try_for_each(|shown| print_json(&shown));
    }
    if nodes.is_empty() {
        eprintln!("launch: no graph is running; start one with `launch FILE.toml`");
        return Ok(());
    }
    let head = ["GRAPH", "NODE", "STATE", "PID", "RESTARTS", "UPTIME", "CPU", "MEM", "LAST END", "REASON"];
    print(&table(&head, &shown.map(|shown| row(&shown)).collect::<Vec<_>>()))
}

/// A node and what its processes take.
#[derive(Debug, Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    node: &'a NodeView,
    /// The mean since the process began, of one core.
    cpu_percent: Option<f64>,
    memory_bytes: Option<u64>,
    processes: Option<usize>,
}

impl<'a> Shown<'a> {
    fn new(node: &'a NodeView, usage: Option<&Usage>) -> Shown<'a> {
        Shown {
            node,
            cpu_percent: usage.and_then(Usage::mean_percent),
            memory_bytes: usage.map(|usage| usage.memory_bytes),
            processes: usage.map(|usage| usage.processes),
        }
    }
}

/// `start NODE`.
pub(crate) fn start(written: &str) -> Result<(), Failure> {
    on_node(written, "start", |node| Request::Start { node })
}

/// `restart NODE`.
pub(crate) fn restart(written: &str) -> Result<(), Failure> {
    on_node(written, "restart", |node| Request::Restart { node })?;
    print(&format!("{written} gets a new process; `launch ps` shows how it is\n"))
}

/// `stop [GRAPH or NODE]`; a graph is waited for.
pub(crate) fn stop(written: Option<&str>) -> Result<(), Failure> {
    let mut clients = some_running()?;
    let names = names(&mut clients)?;
    match meant(written, &names, "stop")? {
        Target::Node(graph, node) => {
            tell(&mut clients, &graph, &Request::Stop { node: Some(node.clone()) })?;
            until_ended(&mut clients, &graph, &node)
        }
        Target::Graph(graph) => {
            // With nothing left to end it is over before it can answer: it hangs up, which is waited for.
            clients.iter_mut().filter(|client| client.graph == graph).try_for_each(Client::ask_to_end)?;
            clients.iter_mut().filter(|client| client.graph == graph).try_for_each(Client::wait_for_end)
        }
    }
}

/// `reload [GRAPH]`: what it did, or all mistakes of the file, which then changed nothing.
pub(crate) fn reload(written: Option<&str>, json: bool) -> Result<(), Failure> {
    let mut clients = some_running()?;
    let graph = match meant(written, &names(&mut clients)?, "reload")? {
        Target::Graph(graph) => graph,
        Target::Node(graph, node) => {
            let text = format!(
                "{node} is a node; reload takes a graph: `launch reload {graph}`, or `launch restart {graph}:{node}`"
            );
            return Err(Failure::new(code::USAGE, text));
        }
    };
    for client in clients.iter_mut().filter(|client| client.graph == graph) {
        let view = client.reload().map_err(|failure| {
            let plain = anstream::AutoStream::choice(&std::io::stderr()) == anstream::ColorChoice::Never;
            let text = if plain { anstream::adapter::strip_str(&failure.text).to_string() } else { failure.text };
            Failure::drawn(failure.code, text)
        })?;
        if json {
            print_json(&view)?;
        } else {
            print(&format!("{}\n", view.sentence()))?;
        }
    }
    Ok(())
}

/// What a verb that takes a graph shall act on; nothing written means the only one.
fn meant(written: Option<&str>, names: &[Names], verb: &str) -> Result<Target, Failure> {
    match (written, names) {
        (Some(written), _) => find(written, names).map_err(not_running),
        (None, [(graph, _)]) => Ok(Target::Graph(graph.clone())),
        (None, several) => {
            let graphs: Vec<&str> = several.iter().map(|(graph, _)| graph.as_str()).collect();
            let text = format!("several graphs are running: {}; say which to {verb}", graphs.join(", "));
            Err(Failure::new(code::USAGE, text))
        }
    }
}

/// Waits until a node that was asked to stop has no process any more: its grace bounds that.
fn until_ended(clients: &mut [Client], graph: &str, node: &str) -> Result<(), Failure> {
    let began = Instant::now();
    while began.elapsed() < STOP_WITHIN {
        let mut ends = false;
        for client in clients.iter_mut().filter(|client| client.graph == graph) {
            ends = client.nodes()?.iter().any(|view| view.node == node && view.state == "stopping");
        }
        if !ends {
            return Ok(());
        }
        sleep(LOOK_EVERY);
    }
    Err(Failure::new(code::OTHER, format!("{graph}:{node} has not stopped within {STOP_WITHIN:?}")))
}

/// The graph and the name of a node that runs somewhere.
///
/// # Errors
/// When nothing of that name does, or it is a graph.
pub(crate) fn node(written: &str, verb: &str) -> Result<(String, String), Failure> {
    match find(written, &names(&mut some_running()?)?).map_err(not_running)? {
        Target::Node(graph, node) => Ok((graph, node)),
        Target::Graph(graph) => {
            let text = format!("{graph} is a graph; {verb} takes a node of it, for instance {graph}:NODE");
            Err(Failure::new(code::USAGE, text))
        }
    }
}

fn on_node(written: &str, verb: &str, request: impl Fn(String) -> Request) -> Result<(), Failure> {
    let mut clients = some_running()?;
    match find(written, &names(&mut clients)?).map_err(not_running)? {
        Target::Node(graph, node) => tell(&mut clients, &graph, &request(node)),
        Target::Graph(graph) => Err(Failure::new(
            code::USAGE,
            format!("{graph} is a graph; {verb} takes a node of it, for instance {graph}:NODE"),
        )),
    }
}

fn tell(clients: &mut [Client], graph: &str, request: &Request) -> Result<(), Failure> {
    clients.iter_mut().filter(|client| client.graph == graph).try_for_each(|client| client.ask(request).map(drop))
}

/// The names of what answers.
///
/// # Errors
/// When nothing does.
fn names(clients: &mut [Client]) -> Result<Vec<Names>, Failure> {
    let mut silent = None;
    let mut names = Vec::new();
    for client in clients {
        match client.nodes() {
            Ok(nodes) => names.push((client.graph.clone(), nodes.into_iter().map(|node| node.node).collect())),
            Err(failure) => silent = Some(failure),
        }
    }
    silent.filter(|_| names.is_empty()).map_or(Ok(names), Err)
}

fn find_among(written: &str, nodes: &[NodeView]) -> Result<Target, Failure> {
    let mut names: Vec<Names> = Vec::new();
    for node in nodes {
        match names.iter_mut().find(|(graph, _)| *graph == node.graph) {
            Some((_, nodes)) => nodes.push(node.node.clone()),
            None => names.push((node.graph.clone(), vec![node.node.clone()])),
        }
    }
    find(written, &names).map_err(not_running)
}

fn is_meant(target: &Target, node: &NodeView) -> bool {
    match target {
        Target::Graph(graph) => node.graph == *graph,
        Target::Node(graph, name) => node.graph == *graph && node.node == *name,
    }
}

fn not_running(why: String) -> Failure {
    Failure::new(code::NOT_RUNNING, why)
}

fn row(shown: &Shown<'_>) -> Vec<String> {
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let node = shown.node;
    vec![
        node.graph.clone(),
        node.node.clone(),
        node.state.clone(),
        or_dash(node.pid.map(|pid| pid.to_string())),
        node.restarts.to_string(),
        or_dash(node.uptime_s.and_then(|up| Duration::try_from_secs_f64(up).ok()).map(span)),
        cpu(shown.cpu_percent),
        or_dash(shown.memory_bytes.map(memory)),
        or_dash(node.last_end.as_deref().map(escape)),
        or_dash(node.why.as_deref().map(escape)),
    ]
}
