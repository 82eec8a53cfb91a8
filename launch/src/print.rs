//! Data on stdout. It never panics when nobody reads it any more.

use std::io::Write;

use serde::Serialize;

use crate::{failure::Failure, supervisor::code};

/// Writes text to stdout.
///
/// # Errors
/// Silently, when the reader is gone: `launch ps | head` is no fault.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|_| Failure::drawn(code::OTHER, String::new()))
}

/// Writes one JSON object on a line of its own.
///
/// # Errors
/// As [`print`].
pub(crate) fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    let mut line = serde_json::to_string(value).map_err(|error| Failure::new(code::OTHER, error))?;
    line.push('\n');
    print(&line)
}
