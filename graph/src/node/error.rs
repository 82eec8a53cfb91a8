//! What can go wrong for a node. It never stands for what a neighbour did: bad messages are counted, not returned.

use std::{error::Error as StdError, io, process::ExitCode};

use crate::Period;

/// The exit code of a node whose configuration is wrong (EX_CONFIG of sysexits.h): `launch` does not restart it.
const EXIT_CONFIG: u8 = 78;

/// Why a node cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The graph file or the surroundings must be mended by a person; restarting cannot help.
    #[error("{0}")]
    Config(String),
    /// Nothing came on an input for as long as its `timeout`. Asking again goes on listening.
    #[error("nothing came on input {input} for {after}")]
    Silent {
        /// The input.
        input: String,
        /// Its `timeout`.
        after: Period,
    },
    /// A message could not be read as the type that was asked for.
    #[error("{0}")]
    Unreadable(String),
    /// The operating system said no.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// Anything of the node's own.
    #[error("{0}")]
    Other(Box<dyn StdError + Send + Sync>),
}

/// What nodes return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// A mistake that a person must mend: say what, where and how.
    pub fn config(sentence: impl Into<String>) -> Error {
        Error::Config(sentence.into())
    }

    /// An error of the node's own.
    pub fn other(error: impl Into<Box<dyn StdError + Send + Sync>>) -> Error {
        Error::Other(error.into())
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Error::Config(_) => ExitCode::from(EXIT_CONFIG),
            _ => ExitCode::FAILURE,
        }
    }
}
