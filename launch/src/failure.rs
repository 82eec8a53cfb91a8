//! Why a verb did not do what it should: what people read, and the exit code.
//! It never prints itself.

use std::io;

use crate::{supervisor::code, words::escape};

/// A verb's failure.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The exit code.
    pub(crate) code: u8,
    /// What stands on stderr, with its line end.
    pub(crate) text: String,
}

impl Failure {
    /// A sentence of launch's.
    pub(crate) fn new(code: u8, sentence: impl std::fmt::Display) -> Failure {
        // Names that somebody wrote may hold anything.
        let lines: Vec<String> = sentence.to_string().lines().map(escape).collect();
        Failure { code, text: format!("launch: {}\n", lines.join("\n")) }
    }

    /// A text that is drawn already.
    pub(crate) fn drawn(code: u8, text: String) -> Failure {
        Failure { code, text }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::new(code::OTHER, error)
    }
}
