//! The words of the verbs that need no running graph. It never does what they say.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::Sets;
use crate::complete;

pub(super) const CALIBRATE_HELP: &str = "\
Examples:
  launch calibrate motor                  the node motor of the graph file in this folder
  launch calibrate motor --file robot.toml

The node's program asks, at the terminal or line by line from a file or a pipe. Nothing moves but while you press keys, and
everything is at neutral first and last. Lift the wheels off the ground. What comes of it is shown before it is written to the
file: comments and order stay. A value that an included file, ${VAR} or --set gives is named instead: it is yours to change.";

/// What to calibrate.
#[derive(Debug, Args)]
pub(crate) struct CalibrateArgs {
    /// The node, as the graph file names it
    pub(crate) node: String,
    /// The graph file; the one in this folder that has the node when left out
    #[arg(long, value_name = "FILE", add = complete::graph_files())]
    pub(crate) file: Option<PathBuf>,
    /// Write without asking
    #[arg(long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) sets: Sets,
}

/// What to write.
#[derive(Debug, Subcommand)]
pub(crate) enum NewVerb {
    /// A node that runs: its program, and how to name it in a graph file
    Node {
        /// Its name
        name: String,
        /// In which language
        #[arg(long, value_enum)]
        lang: Lang,
        /// Where; a folder of its name when left out
        #[arg(long, value_name = "FOLDER")]
        dir: Option<PathBuf>,
    },
}

/// A language to write a node in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Lang {
    /// With the SDK.
    Rust,
    /// With pyzmq and protobuf.
    Python,
}

/// A shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shell {
    Bash,
    Zsh,
    Fish,
}
