//! The words of the verbs that watch running graphs. It never watches one.

use std::{path::PathBuf, time::Duration};

use clap::Args;
use offboard::graph::duration;

use super::{ColorArg, Sets};

/// What to watch.
#[derive(Debug, Args)]
pub(crate) struct TopArgs {
    /// GRAPH, NODE or GRAPH:NODE; all when left out
    pub(crate) target: Option<String>,
    /// Print once and end
    #[arg(long)]
    pub(crate) once: bool,
    /// One JSON object a line, once unless --every is given
    #[arg(long)]
    pub(crate) json: bool,
    /// How often to look
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, default_value = "1s")]
    pub(crate) every: Duration,
}

/// Which lines to show.
#[derive(Debug, Args)]
pub(crate) struct LogsArgs {
    /// NODE or GRAPH:NODE, GRAPH for all of its nodes; all of all graphs when left out
    pub(crate) targets: Vec<String>,
    /// Go on with what comes
    #[arg(long, short)]
    pub(crate) follow: bool,
    /// Only what is younger, for instance 10m
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub(crate) since: Option<Duration>,
    /// Only lines in which this regular expression is found
    #[arg(long, value_name = "REGEX")]
    pub(crate) grep: Option<String>,
    /// Only lines that matter as much: error, warn, info, debug or trace
    #[arg(long, value_name = "LEVEL")]
    pub(crate) level: Option<String>,
    /// Only the last so many lines
    #[arg(long, short = 'n', value_name = "N")]
    pub(crate) lines: Option<usize>,
    /// One JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) color: ColorArg,
}

/// What to break.
#[derive(Debug, Args)]
pub(crate) struct ChaosArgs {
    /// Graph files (TOML)
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) sets: Sets,
    /// Which faults in which order; another each time unless given
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// How long to break things
    #[arg(long = "for", value_name = "DURATION", value_parser = duration::parse, default_value = "60s")]
    pub(crate) within: Duration,
    /// One JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
}
