//! `launch`: checks a graph file, starts its nodes, supervises them, and shows how they are.
//!
//! - [`supervisor`] decides, purely; [`run`] waits for one event and acts; [`running`] is one graph, [`child`] its processes,
//!   [`enter`] how they begin and [`cgroup`] what holds them together.
//! - [`guard`] and [`sweep`] see to it that nothing is left behind; [`lock`] that nothing runs twice.
//! - [`reload`] says what a changed graph file changes, [`watch`] sees that it was changed.
//! - [`logs`] and [`output`] are what nodes say, [`heartbeat`] is how they live, [`control`] is how verbs ask.
//! - [`events`] is what happened, [`herald`] publishes it.
//! - [`cli`] is the command line, [`complete`] helps shells with it; [`files`], [`describe`], [`draw`], [`client`], [`ps`], [`top`],
//!   [`topic`], [`record`], [`play`], [`calibrate`] and [`chaos`] are its verbs; [`programs`] runs those of nodes; [`usage`] is what nodes cost.
//!
//! It never imports a node and never decodes a payload to supervise.

use std::{
    env,
    ffi::OsString,
    io::stderr,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Parser;
use offboard::graph::Graph;
use serde_json::json;

use crate::{
    cli::{CheckArgs, Cli, GraphArgs, RunArgs, Verb},
    failure::Failure,
    files::{Loaded, Unwell},
    print::{print, print_json},
    run::Orders,
    supervisor::code,
};

mod calibrate;
mod cgroup;
mod chaos;
mod child;
mod cli;
mod client;
mod complete;
mod control;
mod describe;
mod doctor;
mod draw;
mod enter;
mod events;
mod failure;
mod files;
mod guard;
mod heartbeat;
mod herald;
mod history;
mod journal;
mod lock;
mod logs;
mod manual;
mod new;
mod output;
mod play;
mod print;
mod programs;
mod ps;
mod record;
mod reload;
mod report;
mod run;
mod running;
mod schema;
mod supervisor;
mod sweep;
mod top;
mod topic;
mod usage;
mod watch;
mod words;

fn main() -> ExitCode {
    // A node on its way to its own program, in as few steps as can be.
    if env::args_os().nth(1).is_some_and(|verb| verb == enter::VERB) {
        return enter::main(env::args_os().skip(2));
    }
    let words: Vec<String> = env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    // The guard stays small: it never meets the command line or the runtime.
    if let [_, verb, run, first @ ..] = words.as_slice()
        && verb == guard::VERB
    {
        return guard::main(run, first);
    }
    // Before anything is written: what a shell asks for is all that it wants to read.
    if complete::answered() {
        return ExitCode::SUCCESS;
    }
    if words.get(1).is_some_and(|verb| verb == herald::VERB) {
        return herald::main();
    }
    let mistyped = words.get(1).and_then(|word| cli::mistyped(word, |word| Path::new(word).exists()));
    let done = match mistyped {
        Some(sentence) => Err(Failure::new(code::USAGE, sentence)),
        None => obey(Cli::parse()),
    };
    match done {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            eprint!("{}", failure.text);
            ExitCode::from(failure.code)
        }
    }
}

fn obey(cli: Cli) -> Result<u8, Failure> {
    let done = match cli.verb {
        None => return run(cli.run),
        Some(Verb::Run(args)) => return run(args),
        Some(Verb::Key { .. }) => return of_a_node("key"),
        Some(Verb::Record(args)) => return record::record(&args),
        Some(Verb::Play(args)) => return play::play(&args),
        Some(Verb::Calibrate(args)) => calibrate::calibrate(&args),
        Some(Verb::Bag(_)) => return of_a_node("bag"),
        Some(Verb::Train(_)) => return of_a_node("train"),
        Some(Verb::Eval(_)) => return of_a_node("eval"),
        Some(Verb::Check { args, json }) => check(&args, json),
        Some(Verb::Graph(args)) => graph(&args),
        Some(Verb::Ps(args)) => ps::ps(args.target.as_deref(), args.json),
        Some(Verb::Top(args)) => top::top(&args),
        Some(Verb::Logs(args)) => journal::logs(&args),
        Some(Verb::Events(args)) => history::events(&args),
        Some(Verb::Topic { verb }) => topic::topic(&verb),
        Some(Verb::Reload { graph, json }) => ps::reload(graph.as_deref(), json),
        Some(Verb::Chaos(args)) => chaos::chaos(&args),
        Some(Verb::Doctor { files, json, color }) => doctor::doctor(&files, json, &color),
        Some(Verb::Schema) => schema::schema(),
        Some(Verb::New { verb }) => new::new(&verb),
        Some(Verb::Completions { shell }) => manual::completions(shell),
        Some(Verb::Man) => manual::man(),
        Some(Verb::Restart { node }) => ps::restart(&node),
        Some(Verb::Start { node }) => ps::start(&node),
        Some(Verb::Stop { target }) => ps::stop(target.as_deref()),
    };
    done.map(|()| code::OK)
}

fn run(args: RunArgs) -> Result<u8, Failure> {
    // A verb behind flags is found here; before all flags it was found already.
    let first = args.files.first().and_then(|file| file.to_str()).unwrap_or_default();
    if let Some(sentence) = cli::mistyped(first, |word| Path::new(word).exists()) {
        return Err(Failure::new(code::USAGE, sentence));
    }
    if let Some(parent) = args.with_parent {
        child::end_with(parent)?;
    }
    let color = args.color.is_on(&stderr());
    run::run(&Orders { files: args.files, sets: args.sets.sets, format: args.log, color, watch: args.watch })
}

fn check(args: &CheckArgs, json: bool) -> Result<(), Failure> {
    let (files, sets) = (&args.files, &args.sets.sets);
    if json {
        return check_json(files, sets);
    }
    let count = |count: usize, one: &str| format!("{count} {one}{}", if count == 1 { "" } else { "s" });
    for Loaded { graph, file, .. } in files::load(files, sets, args.color.is_on(&stderr()))? {
        let (nodes, edges) = (count(graph.nodes.len(), "node"), count(edges(&graph), "edge"));
        print(&format!("{}: {} is well, {nodes}, {edges}\n", file.display(), graph.name))?;
    }
    Ok(())
}

/// For editors and scripts: the graphs, or the mistakes.
fn check_json(files: &[PathBuf], sets: &[String]) -> Result<(), Failure> {
    match files::examine(files, sets) {
        Ok(loaded) => loaded.iter().try_for_each(|Loaded { graph, file, .. }| {
            let (nodes, edges) = (graph.nodes.len(), edges(graph));
            print_json(&json!({ "file": file, "graph": graph.name, "nodes": nodes, "edges": edges }))
        }),
        Err(Unwell::Failure(failure)) => Err(failure),
        Err(Unwell::Mistakes(mistakes)) => {
            mistakes.spots().try_for_each(|spot| print_json(&spot))?;
            Err(Failure::drawn(code::BAD_GRAPH, String::new()))
        }
    }
}

fn edges(graph: &Graph) -> usize {
    graph.nodes.iter().map(|spec| spec.inputs.len()).sum()
}

fn graph(args: &GraphArgs) -> Result<(), Failure> {
    let CheckArgs { files, sets, color } = &args.check;
    let loaded = files::load(files, &sets.sets, color.is_on(&stderr()))?;
    let graphs: Vec<_> = loaded.iter().map(|loaded| &loaded.graph).collect();
    print(&draw::draw(&graphs, args.format))
}

/// A verb that is a node's own business: its program knows it, and gets what was written behind the verb as it was written.
fn of_a_node(verb: &str) -> Result<u8, Failure> {
    let program = cli::of_a_node(verb).unwrap_or(verb);
    let words: Vec<OsString> = env::args_os().skip(1).collect();
    programs::become_it(verb, program, &words)
}
