//! The command line: verbs and flags as people know them from ros2 and dora.
//! It never does what it reads.

use std::{ffi::OsString, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::ArgValueCandidates;

use crate::{complete, draw::Drawing, logs::Format, words::did_you_mean};

pub(crate) use self::{
    recordings::{OwnArgs, PlayArgs, RecordArgs},
    tools::{CalibrateArgs, Lang, NewVerb, Shell},
    topic::{EchoArgs, FindArgs, InfoArgs, ListArgs, PubArgs, RateArgs, TopicVerb, TypeArgs, UntilArgs},
    watching::{ChaosArgs, EventsArgs, LogsArgs, TopArgs},
};
use self::{
    recordings::{PLAY_HELP, RECORD_HELP},
    tools::CALIBRATE_HELP,
    watching::TOP_HELP,
};

mod recordings;
mod tools;
mod topic;
mod watching;

const EXAMPLES: &str = "\
Examples:
  launch robot.toml                       run a graph; Ctrl-C stops it, once more kills
  launch robot.toml --set node.camera.params.rate=15
  launch check robot.toml desktop.toml    all mistakes of files that belong together
  launch graph robot.toml --format dot    draw it
  launch ps                               which nodes run, and how they are
  launch topic hz camera/frames           how often, how old, what is missing
  launch topic echo motor/state --once    what it says; --field forward, --json
  launch topic info camera/frames         who publishes, who listens, what was lost
  launch record -o lap.mcap               record what runs; `launch play` plays it, `launch bag` looks after it
  launch train lap.mcap -o drive.safetensors
  launch calibrate motor                  its neutral, its ends, which way it turns; into the graph file
  launch restart camera                   a new process for one node
  launch stop robot                       stop a graph

Exit codes: 0 well, 1 other, 2 usage, 69 not running, 70 a node gave up,
78 bad graph file, 130, 143 and 129 signals (INT, TERM, HUP).";

const PS_HELP: &str = "\
CPU is the mean since the process began, in percent of one core, as ps(1) has it: `launch top` shows how it is now.
MEM shares out what several processes share (PSS). Both count a node's children too. LAST END is how the last process
ended, REASON why the node is in its state.";

/// Runs graphs of nodes: checks a graph file, starts its nodes, and restarts alone what crashes.
#[derive(Debug, Parser)]
#[command(name = "launch", version, after_help = EXAMPLES, args_conflicts_with_subcommands = true, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) verb: Option<Verb>,
    #[command(flatten)]
    pub(crate) run: RunArgs,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Run graphs (as `launch FILE…` does)
    Run(RunArgs),
    /// Find all mistakes in graph files, without starting anything
    Check {
        #[command(flatten)]
        args: CheckArgs,
        /// One JSON object a line: each graph that is well, or each mistake
        #[arg(long)]
        json: bool,
    },
    /// Draw graphs: who listens to whom
    Graph(GraphArgs),
    /// Show the nodes of running graphs
    #[command(visible_alias = "list", after_help = PS_HELP)]
    Ps(PsArgs),
    /// Watch nodes, topics and the ways from sensors to motors
    #[command(after_help = TOP_HELP)]
    Top(TopArgs),
    /// Show what nodes wrote, also after they ended
    Logs(LogsArgs),
    /// Show what happened to nodes: starts, crashes and their causes, hangs
    Events(EventsArgs),
    /// Look at topics of running graphs
    Topic {
        #[command(subcommand)]
        verb: TopicVerb,
    },
    /// Record topics of running graphs
    #[command(after_help = RECORD_HELP)]
    Record(RecordArgs),
    /// Play a recording, by itself or in place of nodes that run
    #[command(after_help = PLAY_HELP)]
    Play(PlayArgs),
    /// Find out how a motor wants to be driven, and write that to the graph file
    #[command(after_help = CALIBRATE_HELP)]
    Calibrate(CalibrateArgs),
    /// Look after recordings: info, check, repair, export, import, plot (runs `recorder bag`)
    #[command(disable_help_flag = true)]
    Bag(OwnArgs),
    /// Train a model from recordings (runs `model train`)
    #[command(disable_help_flag = true)]
    Train(OwnArgs),
    /// Measure a model on a recording (runs `model eval`)
    #[command(disable_help_flag = true)]
    Eval(OwnArgs),
    /// Give a node a new process
    Restart {
        /// NODE or GRAPH:NODE
        #[arg(add = ArgValueCandidates::new(complete::nodes))]
        node: String,
    },
    /// Start a node that is stopped, done or given up
    Start {
        /// NODE or GRAPH:NODE
        #[arg(add = ArgValueCandidates::new(complete::nodes))]
        node: String,
    },
    /// Stop a graph, or one node of it
    Stop {
        /// GRAPH, NODE or GRAPH:NODE; nothing when only one graph runs
        #[arg(add = ArgValueCandidates::new(complete::targets))]
        target: Option<String>,
    },
    /// Take a changed graph file into the running graph
    Reload {
        /// GRAPH; nothing when only one runs
        #[arg(add = ArgValueCandidates::new(complete::graphs))]
        graph: Option<String>,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Run graphs and break their parts at random, to see that they mend
    Chaos(ChaosArgs),
    /// Check this machine: devices, folders, ports, limits; what to do about what is wrong
    Doctor {
        /// Also check what these graph files need
        #[arg(value_name = "FILE")]
        files: Vec<PathBuf>,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        color: ColorArg,
    },
    /// Print the JSON Schema of graph files, for editors
    Schema,
    /// Write something to begin with
    New {
        #[command(subcommand)]
        verb: NewVerb,
    },
    /// Print the script that completes verbs, flags and names in a shell: source <(launch completions bash)
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual page (roff)
    Man,
    /// Print this machine's public key, for the graph files of its peers
    Key {
        /// What the link takes
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
        args: Vec<OsString>,
    },
}

/// What to run.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// Graph files (TOML)
    #[arg(value_name = "FILE", required = true, add = complete::graph_files())]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) sets: Sets,
    /// How log lines look
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub(crate) log: Format,
    /// Take in every change of a graph file, and restart nodes whose program changed
    #[arg(long)]
    pub(crate) watch: bool,
    /// Stop when this process, which started this one, ends
    #[arg(long, hide = true, value_name = "PID")]
    pub(crate) with_parent: Option<u32>,
    #[command(flatten)]
    pub(crate) color: ColorArg,
}

/// Overrides.
#[derive(Debug, Args)]
pub(crate) struct Sets {
    /// Override a value of the file, for instance node.camera.params.rate=15
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) sets: Vec<String>,
}

/// Whether to colour.
#[derive(Debug, Args)]
pub(crate) struct ColorArg {
    /// When to colour (also NO_COLOR, CLICOLOR_FORCE)
    #[arg(long, value_enum, default_value_t, value_name = "WHEN")]
    pub(crate) color: Color,
}

/// When to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal.
    #[default]
    Auto,
    Always,
    Never,
}

impl ColorArg {
    /// Whether what goes to this stream is coloured.
    pub(crate) fn is_on(&self, stream: &impl anstream::stream::RawStream) -> bool {
        match self.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => anstream::AutoStream::choice(stream) != anstream::ColorChoice::Never,
        }
    }
}

/// What to check.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// Graph files that belong together
    #[arg(value_name = "FILE", required = true, add = complete::graph_files())]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) sets: Sets,
    #[command(flatten)]
    pub(crate) color: ColorArg,
}

/// What to draw.
#[derive(Debug, Args)]
pub(crate) struct GraphArgs {
    #[command(flatten)]
    pub(crate) check: CheckArgs,
    /// How to draw
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub(crate) format: Drawing,
}

/// What to show.
#[derive(Debug, Args)]
pub(crate) struct PsArgs {
    /// GRAPH, NODE or GRAPH:NODE; all when left out
    #[arg(add = ArgValueCandidates::new(complete::targets))]
    pub(crate) target: Option<String>,
    /// One JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
}

/// The verbs that are a node's own, and its program: `launch VERB …` is `PROGRAM VERB …`, word by word.
const OF_NODES: [(&str, &str); 4] =
    [("bag", "recorder"), ("train", "model"), ("eval", "model"), ("key", offboard::wiring::LINK)];

/// The program that a verb belongs to, where it is a node's own.
pub(crate) fn of_a_node(verb: &str) -> Option<&'static str> {
    OF_NODES.iter().find(|(own, _)| *own == verb).map(|(_, program)| *program)
}

/// Whether the first word was meant as a verb but is none: then what to say. `is_file`: whether a file of that name exists.
pub(crate) fn mistyped(word: &str, is_file: impl Fn(&str) -> bool) -> Option<String> {
    use clap::CommandFactory;
    let command = Cli::command();
    let verbs: Vec<&str> = command
        .get_subcommands()
        .flat_map(|verb| std::iter::once(verb.get_name()).chain(verb.get_all_aliases()))
        .collect();
    let verb = |word: &str| verbs.contains(&word) || word == "help";
    if word.starts_with('-') || word.ends_with(".toml") || verb(word) || is_file(word) {
        return None;
    }
    let near = did_you_mean(word, verbs.iter().copied());
    Some(format!("no such verb or file: {word}{near}\n  `launch --help` shows all verbs; graph files end in .toml"))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(words: &str) -> Cli {
        Cli::try_parse_from(words.split(' ')).unwrap()
    }

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_file_alone_is_run() {
        for words in ["launch robot.toml --set a=1 --set b=2", "launch --set a=1 --set b=2 robot.toml"] {
            let cli = parse(words);
            assert!(cli.verb.is_none());
            assert_eq!((cli.run.files.len(), cli.run.sets.sets.len()), (1, 2));
        }
        assert!(matches!(parse("launch run a.toml b.toml").verb, Some(Verb::Run(run)) if run.files.len() == 2));
        assert!(matches!(parse("launch check a.toml").verb, Some(Verb::Check { .. })));
        assert!(matches!(parse("launch topic hz camera/frames --for 5s").verb, Some(Verb::Topic { .. })));
    }

    #[test]
    fn a_mistyped_verb_is_understood() {
        let says = |word| mistyped(word, |_| false);
        assert!(says("chekc").unwrap().starts_with("no such verb or file: chekc; did you mean check?"));
        assert_eq!((says("check"), says("robot.toml"), says("--help"), says("list")), (None, None, None, None));
        assert!(says("robot").is_some());
        assert_eq!(mistyped("robot", |_| true), None);
    }
}
