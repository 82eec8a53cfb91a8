//! `new`: writes a node to begin with.
//! It never overwrites a file.

use crate::{failure::Failure, supervisor::code};

/// `new`.
pub(crate) fn new(verb: &crate::cli::NewVerb) -> Result<(), Failure> {
    let _ = verb;
    Err(Failure::new(code::OTHER, "not there yet"))
}
