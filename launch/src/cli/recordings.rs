//! The words of the verbs about recordings and models. It never knows what a node's own verb takes.

use std::{ffi::OsString, path::PathBuf, time::Duration};

use clap::Args;
use clap_complete::ArgValueCandidates;
use offboard::graph::duration;

use crate::complete;

pub(super) const RECORD_HELP: &str = "\
Examples:
  launch record                           everything that runs, until Ctrl-C
  launch record 'camera/*' pilot/drive -o lap.mcap --for 60s
  launch record 'desktop:*/*'             one of several graphs

A star stands for any letters of one name. It listens at the taps, as `topic echo` does, so that it slows nobody: what it
misses is counted in the recording. A graph whose recording must hold every message has a node that records:
  [node.recorder]
  subscribe = { all = \"*/*\" }";

pub(super) const PLAY_HELP: &str = "\
Examples:
  launch play lap.mcap                    a graph of its own, named play: look at it with `launch topic echo`
  launch play lap.mcap --replace camera   stands in for the node camera of the running graph, which starts again at the end
  launch play lap.mcap --from 10s --speed 0.5 --loop";

/// What a node's own verb takes.
#[derive(Debug, Args)]
pub(crate) struct OwnArgs {
    /// What the program takes; --help shows it
    #[arg(value_name = "ARGS", trailing_var_arg = true, allow_hyphen_values = true, value_hint = clap::ValueHint::FilePath)]
    pub(crate) words: Vec<OsString>,
}

/// What to record.
#[derive(Debug, Args)]
pub(crate) struct RecordArgs {
    /// TOPIC or GRAPH:TOPIC, also with stars; all when left out
    #[arg(value_name = "TOPICS", add = ArgValueCandidates::new(complete::topics))]
    pub(crate) topics: Vec<String>,
    /// Where to; recordings/NAME-DATE-TIME.mcap when left out
    #[arg(long, short, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub(crate) output: Option<PathBuf>,
    /// End after so long, for instance 60s
    #[arg(long = "for", value_name = "DURATION", value_parser = duration::parse)]
    pub(crate) within: Option<Duration>,
}

/// What to play.
#[derive(Debug, Args)]
pub(crate) struct PlayArgs {
    /// The recording
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub(crate) file: PathBuf,
    /// How fast: 2 is twice as fast, 0.5 half
    #[arg(long, value_name = "FACTOR")]
    pub(crate) speed: Option<f64>,
    /// Again and again
    #[arg(long = "loop")]
    pub(crate) again: bool,
    /// Begin so far in, for instance 10s
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub(crate) from: Option<Duration>,
    /// Only these topics, also with stars
    #[arg(long, value_name = "TOPIC")]
    pub(crate) only: Vec<String>,
    /// Stand in for a node of a running graph: NODE or GRAPH:NODE
    #[arg(long, value_name = "NODE", add = ArgValueCandidates::new(complete::nodes))]
    pub(crate) replace: Vec<String>,
}
