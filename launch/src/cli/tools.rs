//! The words of the verbs that need no running graph. It never does what they say.

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};

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
