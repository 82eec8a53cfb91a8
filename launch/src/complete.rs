//! What a shell may complete: the names of what runs, and of our types. The shell asks by running `launch` itself.
//! It never takes long, never starts anything, and is silent about what goes wrong.

use std::time::{Duration, Instant};

use clap::CommandFactory;
use clap_complete::{ArgValueCompleter, CompleteEnv, CompletionCandidate, PathCompleter, env::Shells};
use offboard::proto::DESCRIPTORS;
use prost_reflect::DescriptorPool;

use crate::{
    cli::Cli,
    client::{Client, running},
    control::TopicView,
    draw::short,
    topic::shortest,
};

/// The variable with which a shell asks.
pub(crate) const VARIABLE: &str = "COMPLETE";

/// How long all running graphs may take to answer: whoever presses a key does not wait for one that was stopped.
const ANSWERS_WITHIN: Duration = Duration::from_millis(80);

/// Answers a shell that asks; whether one did.
pub(crate) fn answered() -> bool {
    let asked = std::env::var(VARIABLE).unwrap_or_default();
    // The variable's name is a common word: what is none of a shell's was not meant for us.
    if Shells::builtins().completer(asked.rsplit('/').next().unwrap_or_default()).is_none() {
        return false;
    }
    let here = std::env::current_dir().ok();
    // What cannot be completed is not the moment to complain.
    CompleteEnv::with_factory(Cli::command)
        .var(VARIABLE)
        .try_complete(std::env::args_os(), here.as_deref())
        .unwrap_or(true)
}

/// Graph files, and folders that may hold some.
pub(crate) fn graph_files() -> ArgValueCompleter {
    ArgValueCompleter::new(PathCompleter::file().filter(|path| path.extension().is_some_and(|ending| ending == "toml")))
}

/// The topics of running graphs.
pub(crate) fn topics() -> Vec<CompletionCandidate> {
    let all: Vec<TopicView> = ask(|client| client.topics().map(|(topics, _)| topics)).into_iter().flatten().collect();
    let candidate = |topic: &TopicView| named(shortest(topic, &all), short(&topic.r#type));
    all.iter().map(candidate).collect()
}

/// The nodes of running graphs.
pub(crate) fn nodes() -> Vec<CompletionCandidate> {
    let all: Vec<_> = ask(Client::nodes).into_iter().flatten().collect();
    let candidate = |node: &crate::control::NodeView| {
        let several = all.iter().filter(|other| other.node == node.node).count() > 1;
        let name = if several { format!("{}:{}", node.graph, node.node) } else { node.node.clone() };
        named(name, &node.state)
    };
    all.iter().map(candidate).collect()
}

/// The running graphs.
pub(crate) fn graphs() -> Vec<CompletionCandidate> {
    running().unwrap_or_default().into_iter().map(|client| named(client.graph, "graph")).collect()
}

/// The running graphs and their nodes.
pub(crate) fn targets() -> Vec<CompletionCandidate> {
    graphs().into_iter().chain(nodes()).collect()
}

/// Our types, by their short names.
pub(crate) fn types() -> Vec<CompletionCandidate> {
    let Ok(pool) = DescriptorPool::decode(DESCRIPTORS) else { return Vec::new() };
    let ours = pool.all_messages().filter(|kind| kind.package_name() == offboard::proto::PACKAGE);
    ours.map(|kind| CompletionCandidate::new(short(kind.full_name()))).collect()
}

fn named(name: String, help: &str) -> CompletionCandidate {
    CompletionCandidate::new(name).help(Some(help.to_owned().into()))
}

/// Asks all running graphs; who does not answer in time has no names.
fn ask<T>(question: impl Fn(&mut Client) -> Result<T, crate::failure::Failure>) -> Vec<T> {
    let until = Instant::now() + ANSWERS_WITHIN;
    let answer = |mut client: Client| {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return None;
        }
        client.be_impatient(left).ok()?;
        question(&mut client).ok()
    };
    running().unwrap_or_default().into_iter().filter_map(answer).collect()
}
