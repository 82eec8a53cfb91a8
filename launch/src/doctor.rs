//! `doctor`: what a newcomer trips over on this machine, and what to do about it.
//! It never changes anything.

use std::path::PathBuf;

use crate::{failure::Failure, supervisor::code};

/// `doctor`; whether all is well.
pub(crate) fn doctor(files: &[PathBuf], json: bool) -> Result<(), Failure> {
    let _ = (files, json);
    Err(Failure::new(code::OTHER, "not there yet"))
}
