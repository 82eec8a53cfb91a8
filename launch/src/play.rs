//! `play`: the program `player`, in place of nodes of a running graph or as a graph of its own.
//! It never speaks beside a node that runs, and starts again whom it stopped.

use std::{path::Path, time::Duration};

use offboard::graph::{NodeName, Pattern, PortName, Topic};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{cli::PlayArgs, failure::Failure, programs, supervisor::code, words::did_you_mean};

mod alone;
mod replace;

/// The program.
const PLAYER: &str = "player";

/// How long after it is asked for a recording begins, on all nodes at once: their programs and their listeners are there by then.
const HEAD_START: Duration = Duration::from_millis(1500);

/// `play FILE`; the exit code is the player's.
pub(crate) fn play(args: &PlayArgs) -> Result<u8, Failure> {
    if args.speed.is_some_and(|speed| !(speed > 0.0 && speed.is_finite())) {
        return Err(Failure::new(code::USAGE, "--speed is above 0: 2 is twice as fast, 0.5 half"));
    }
    let program = programs::find("play", PLAYER)?;
    let recorded = chosen(recorded(&program, args)?, &args.only)?;
    match args.replace.as_slice() {
        [] => alone::alone(&program, &recorded, args),
        nodes => replace::replace(&program, &recorded, nodes, args),
    }
}

/// A topic of a recording, as the player tells it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Recorded {
    topic: String,
    /// Who published it…
    node: String,
    /// …on which output.
    output: String,
    /// Full protobuf name.
    r#type: String,
    /// How many messages.
    count: u64,
}

/// The topics of the recording, those that can be played: names are checked, for they come from a file.
fn recorded(program: &Path, args: &PlayArgs) -> Result<Vec<Recorded>, Failure> {
    let file = args.file.to_string_lossy();
    let said = programs::asked(program, &["topics", &file])?;
    let read = |line: &str| {
        serde_json::from_str::<Recorded>(line).map_err(|error| {
            Failure::new(code::OTHER, format!("the player tells of {file} what does not read: {error}"))
        })
    };
    let all: Vec<Recorded> = said.lines().filter(|line| !line.is_empty()).map(read).collect::<Result<_, _>>()?;
    let named = |topic: &Recorded| topic.node.parse::<NodeName>().is_ok() && topic.output.parse::<PortName>().is_ok();
    let (good, bad): (Vec<Recorded>, Vec<Recorded>) = all.into_iter().partition(named);
    for topic in bad {
        eprint!(
            "{}",
            Failure::new(code::OTHER, format!("{} is left out: it is no topic node/output", topic.topic)).text
        );
    }
    if good.is_empty() {
        return Err(Failure::new(code::OTHER, format!("{file} holds nothing that can be played")));
    }
    Ok(good)
}

/// Those that one of these names or patterns means; without any, all. A topic of a peer is also meant without its machine.
fn chosen(recorded: Vec<Recorded>, only: &[String]) -> Result<Vec<Recorded>, Failure> {
    for word in only {
        if !recorded.iter().any(|topic| topic.is_meant_by(word)) {
            let near = did_you_mean(word, recorded.iter().map(|topic| topic.topic.as_str()));
            let text =
                format!("--only {word}: the recording has no such topic{near}; `player topics FILE` shows what it has");
            return Err(Failure::new(code::USAGE, text));
        }
    }
    let meant = |topic: &Recorded| only.is_empty() || only.iter().any(|word| topic.is_meant_by(word));
    Ok(recorded.into_iter().filter(meant).collect())
}

impl Recorded {
    fn is_meant_by(&self, word: &str) -> bool {
        let here = format!("{}/{}", self.node, self.output);
        let fits = |topic: &str| match word.parse::<Pattern>() {
            Ok(pattern) if Pattern::is_one(word) => topic.parse::<Topic>().is_ok_and(|topic| pattern.matches(&topic)),
            _ => word == topic,
        };
        word == "*" || fits(&self.topic) || fits(&here)
    }
}

/// What the player is told, when the recording's beginning is to be played at `start_at_ns` on the steady timeline.
fn params(args: &PlayArgs, recorded: &[Recorded], start_at_ns: i64) -> Map<String, Value> {
    let only: Vec<&str> = recorded.iter().map(|topic| topic.topic.as_str()).collect();
    let file = std::path::absolute(&args.file).unwrap_or_else(|_| args.file.clone());
    let mut params = Map::from_iter([("file".to_owned(), json!(file)), ("start_at_ns".to_owned(), json!(start_at_ns))]);
    params.extend((!args.only.is_empty()).then(|| ("only".to_owned(), json!(only))));
    params.extend(args.speed.map(|speed| ("speed".to_owned(), json!(speed))));
    params.extend(args.again.then(|| ("loop".to_owned(), json!(true))));
    params.extend(args.from.map(|from| ("from".to_owned(), json!(offboard::Period(from).to_string()))));
    params
}

fn head_start_ns() -> i64 {
    i64::try_from(HEAD_START.as_nanos()).unwrap_or(i64::MAX)
}
