//! The words of the verbs that watch running graphs. It never watches one.

use std::{path::PathBuf, time::Duration};

use clap::Args;
use clap_complete::ArgValueCandidates;
use offboard::graph::duration;

use super::{ColorArg, Sets};
use crate::complete;

/// What to watch.
#[derive(Debug, Args)]
pub(crate) struct TopArgs {
    /// GRAPH, NODE or GRAPH:NODE; all when left out
    #[arg(add = ArgValueCandidates::new(complete::targets))]
    pub(crate) target: Option<String>,
    /// Print once and end: two looks a second apart, for rates
    #[arg(long)]
    pub(crate) once: bool,
    /// One JSON object a line, of a `kind`: node, topic, path or link; once unless --every is given
    #[arg(long)]
    pub(crate) json: bool,
    /// How often to look, 100ms at least [default: 1s]
    #[arg(long, value_name = "DURATION", value_parser = top_every, conflicts_with = "once")]
    pub(crate) every: Option<Duration>,
}

/// What `top` tells of itself.
pub(crate) const TOP_HELP: &str = "\
Rates are those of the last three seconds (of one with --once), ages and hops of the last few hundred messages, losses since each node's start.
CPU is in percent of one core; MEM shares out what several processes share (PSS). Both count a node's children too.
A path goes from where something was sensed to the node that acts on it, found by the origin that messages carry. Its figures
are ages on the clock of the machine where it ends, so they need no other machine's clock. Over its budget means: p99 is.
Keys: q quits, ? explains the others. Where stdout is no terminal it prints once. Exit code 69 when no graph is running.";

/// How often `top` may look.
fn top_every(text: &str) -> Result<Duration, String> {
    let every = duration::parse(text)?;
    if every < EVERY_MIN {
        return Err(format!(
            "{every:?} is too often: a node tells of itself three times a second, so 100ms is the least"
        ));
    }
    Ok(every)
}

/// The shortest time between two looks of `top`.
const EVERY_MIN: Duration = Duration::from_millis(100);

const LOGS_HELP: &str = "\
All lines that are kept are shown; with --follow the last 10 and what comes, unless --lines or --since says otherwise.
`launch` is a node, too: what launch said. Files are in $OFFBOARD_LOG_DIR, else $XDG_STATE_HOME/offboard/log,
else ~/.local/state/offboard/log, as GRAPH/NODE.log; `log` in the graph file says how long and how many.

Examples:
  launch logs camera                      what the camera node wrote, also after it ended
  launch logs robot -f                    all nodes of a graph, merged by time, and what comes
  launch logs --since 10m --level warn    what went wrong lately, anywhere
  launch logs camera --grep 'no device'   lines in which this is found";

/// Which lines to show.
#[derive(Debug, Args)]
#[command(after_help = LOGS_HELP)]
pub(crate) struct LogsArgs {
    /// NODE or GRAPH:NODE, GRAPH for all of its nodes; all of all graphs when left out
    #[arg(value_name = "TARGET", add = ArgValueCandidates::new(complete::targets))]
    pub(crate) targets: Vec<String>,
    /// Go on with what comes, over restarts and rotation
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
    /// Show when each line was written (UTC)
    #[arg(long, short)]
    pub(crate) timestamps: bool,
    /// One JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) color: ColorArg,
}

/// What to tell.
#[derive(Debug, Args)]
pub(crate) struct EventsArgs {
    /// GRAPH; all when left out
    #[arg(add = ArgValueCandidates::new(complete::graphs))]
    pub(crate) graph: Option<String>,
    /// Go on with what comes
    #[arg(long, short)]
    pub(crate) follow: bool,
    /// One JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
}

const CHAOS: &str = "\
Faults, one at a time, the next when the node is whole again:
  kill   SIGKILL
  term   SIGTERM, for nodes that are always restarted
  hang   SIGSTOP until the watchdog acts, for nodes that have one
  slow   SIGSTOP and SIGCONT in turn for 1.5 s, each too short for the watchdog
  cut    the link frozen for 550 ms, so that its peers give it up

Each node is hit once a round, in an order drawn from the seed. None is ended again before it has lived through the \
window of its restart table (10 s unless its file says otherwise): so no fault waits for a back-off, and no node is \
given up because of us. A shorter window gives more faults.

The graphs run in a launch of its own with a runtime folder of its own, but with the devices and ports that their \
files name: let motors be virtual (--set node.motor.params.driver=virtual). Nothing is signalled that this launch did \
not start.

Recovered: the node's next message was heard; ready again, where it seldom says something. Others lost: messages \
missing by number at inputs of other nodes, of topics that the node neither publishes nor carries. Skipped: the same at \
inputs that keep the newest only, which is what they leave out when the machine is busy.

Exit codes: 0 all recovered and others lost nothing, 1 not so, 78 bad graph file, 130 and 143 signals.";

/// What to break.
#[derive(Debug, Args)]
#[command(after_help = CHAOS)]
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
