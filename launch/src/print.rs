//! Data on stdout. It never panics when nobody reads it any more.

use std::io::{self, Write};

use serde::Serialize;

use crate::{failure::Failure, supervisor::code, words::escape_json};

/// Writes text to stdout.
///
/// # Errors
/// When it cannot be written; silently and with exit code 0 when the reader is gone: `launch ps | head` is no fault.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::drawn(code::OK, String::new()),
        _ => Failure::new(code::OTHER, format!("cannot write: {error}")),
    })
}

/// Writes one JSON object on a line of its own.
///
/// # Errors
/// As [`print`].
pub(crate) fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    let line = serde_json::to_string(value).map_err(|error| Failure::new(code::OTHER, error))?;
    print(&(escape_json(&line) + "\n"))
}
