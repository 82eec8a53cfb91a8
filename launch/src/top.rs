//! `top`: nodes, topics and the ways from sensors to motors, as they are now.
//!
//! - [`sample`] is one look, with [`taps`] where no node measures; [`model`], [`paths`] and [`events`] make figures of looks, purely;
//!   [`window`] keeps the last ones; [`tables`] are the figures in words; [`app`], [`screen`] and [`live`] are the terminal.
//!
//! It never slows what it watches: it asks for what nodes tell anyway, and reads /proc itself.

use std::{
    io::{IsTerminal, stderr, stdin, stdout},
    thread,
    time::{Duration, SystemTime},
};

use serde::Serialize;

use self::{
    model::{LinkRow, NodeRow, Report, TopicRow},
    paths::PathRow,
    sample::{Looker, Sample},
    window::Window,
};
use crate::{
    cli::TopArgs,
    client::{Names, Target, find},
    failure::Failure,
    print::{print, print_json},
    supervisor::code,
    words::rfc3339,
};

mod app;
mod events;
mod live;
mod model;
mod paths;
mod sample;
#[cfg(test)]
mod samples;
mod screen;
pub(crate) mod tables;
mod taps;
mod window;

/// How often to look, when nobody says.
const EVERY: Duration = Duration::from_secs(1);

/// Between the two looks of one print: long enough for three heartbeats of each node.
const TWO_LOOKS: Duration = Duration::from_millis(1000);

/// `top`.
///
/// # Errors
/// When no graph is running, none answers, or the terminal cannot be used.
pub(crate) fn top(args: &TopArgs) -> Result<(), Failure> {
    let mut looker = Looker::new();
    let first = looker.look()?;
    if first.is_empty() {
        return Err(nothing_runs());
    }
    if first.nodes.is_empty() {
        complain(&first.troubles);
        return Err(Failure::drawn(code::OTHER, String::new()));
    }
    let target = args.target.as_deref().map(|written| target(written, &first)).transpose()?;
    let mut window = Window::default();
    window.add(first);
    let terminal = stdout().is_terminal() && stdin().is_terminal();
    match args.every {
        Some(every) if args.json => print_on(looker, window, target.as_ref(), every),
        every if terminal && !args.once && !args.json => live::live(looker, window, target, every.unwrap_or(EVERY)),
        _ => {
            if !args.once && !args.json {
                eprintln!("launch: this is no terminal, so top prints once; say --once, or --json --every 1s to go on");
            }
            once(looker, window, target.as_ref(), args.json)
        }
    }
}

/// Prints once.
fn once(mut looker: Looker, mut window: Window, target: Option<&Target>, json: bool) -> Result<(), Failure> {
    thread::sleep(TWO_LOOKS);
    window.add(looker.look()?);
    let report = window.report(target);
    complain(&report.troubles);
    if report.nodes.is_empty() && report.troubles.is_empty() {
        return Err(nothing_runs());
    }
    if json {
        return print_report(&report);
    }
    let color = anstream::AutoStream::choice(&stdout()) != anstream::ColorChoice::Never;
    print(&tables::text(&report, color))?;
    if stderr().is_terminal() {
        eprintln!("launch: rates are of the {TWO_LOOKS:?} between two looks; CPU too");
    }
    Ok(())
}

/// Prints JSON again and again, until nobody reads it or somebody ends it.
fn print_on(mut looker: Looker, mut window: Window, target: Option<&Target>, every: Duration) -> Result<(), Failure> {
    loop {
        thread::sleep(every);
        window.add(looker.look()?);
        let report = window.report(target);
        complain(&report.troubles);
        print_report(&report)?;
    }
}

fn nothing_runs() -> Failure {
    Failure::new(code::NOT_RUNNING, "no graph is running; start one with `launch FILE.toml`")
}

fn complain(troubles: &[String]) {
    troubles.iter().for_each(|trouble| eprintln!("launch: {}", crate::words::escape(trouble)));
}

/// A line of JSON.
#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Line<'a> {
    Node(&'a NodeRow),
    Topic(&'a TopicRow),
    Path(&'a PathRow),
    Link(&'a LinkRow),
}

#[derive(Debug, Serialize)]
struct Stamped<'a> {
    ts: &'a str,
    #[serde(flatten)]
    line: Line<'a>,
}

fn print_report(report: &Report) -> Result<(), Failure> {
    let ts = rfc3339(SystemTime::now());
    let nodes = report.nodes.iter().map(Line::Node);
    let topics = report.topics.iter().map(Line::Topic);
    let paths = report.paths.iter().map(Line::Path);
    let mut lines = nodes.chain(topics).chain(paths).chain(report.links.iter().map(Line::Link));
    lines.try_for_each(|line| print_json(&Stamped { ts: &ts, line }))
}

fn target(written: &str, sample: &Sample) -> Result<Target, Failure> {
    let mut names: Vec<Names> = Vec::new();
    for node in &sample.nodes {
        match names.iter_mut().find(|(graph, _)| *graph == node.graph) {
            Some((_, nodes)) => nodes.push(node.node.clone()),
            None => names.push((node.graph.clone(), vec![node.node.clone()])),
        }
    }
    let silent = sample.troubles.first();
    find(written, &names).map_err(|why| match silent {
        // It may be the one that does not answer.
        Some(trouble) => Failure::new(code::OTHER, trouble),
        None => Failure::new(code::NOT_RUNNING, why),
    })
}
