//! Why a verb could not do its work: one line that says what, where and how to mend it.

use std::{fmt, io, path::Path};

/// One clear line.
#[derive(Debug)]
pub(crate) struct Failure(pub(crate) String);

/// What verbs return.
pub(crate) type Result<T, E = Failure> = std::result::Result<T, E>;

impl Failure {
    /// A line of its own.
    pub(crate) fn new(line: impl Into<String>) -> Failure {
        Failure(line.into())
    }

    /// What went wrong with a file or folder.
    pub(crate) fn at(path: &Path, problem: impl fmt::Display) -> Failure {
        Failure(format!("{}: {problem}", path.display()))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        // One line, whatever a library had to say.
        for part in self.0.split_inclusive(['\n', '\r']) {
            write!(to, "{}", part.trim_end_matches(['\n', '\r']))?;
            if part.ends_with(['\n', '\r']) {
                write!(to, " ")?;
            }
        }
        Ok(())
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure(error.to_string())
    }
}
