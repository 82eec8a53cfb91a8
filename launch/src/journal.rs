//! `logs`: what nodes wrote, from their files.
//! It never writes.

use crate::{failure::Failure, supervisor::code};

/// `logs`.
pub(crate) fn logs(args: &crate::cli::LogsArgs) -> Result<(), Failure> {
    let _ = args;
    Err(Failure::new(code::OTHER, "not there yet"))
}
