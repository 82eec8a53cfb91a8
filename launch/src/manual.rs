//! `completions` and `man`: the command line for shells and for readers.
//! It never says anything that `cli` does not.

use crate::{failure::Failure, supervisor::code};

/// `man`.
pub(crate) fn man() -> Result<(), Failure> {
    Err(Failure::new(code::OTHER, "not there yet"))
}

/// `completions`.
pub(crate) fn completions(shell: crate::cli::Shell) -> Result<(), Failure> {
    let _ = shell;
    Err(Failure::new(code::OTHER, "not there yet"))
}
