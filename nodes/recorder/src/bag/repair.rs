//! `bag repair`: every whole message before the damage, in a sound file.

use std::{path::Path, process::ExitCode};

use offboard::recording;

use super::{
    failure::{Failure, Result},
    place::Place,
    progress::Progress,
    say,
    words::grouped,
};
use crate::files::{self, Lock};

/// Mends a recording, in place when no other is named.
pub(super) fn repair(file: &Path, output: Option<&Path>) -> Result<ExitCode> {
    // Held to the end: a recorder's own lock, so that nobody writes what is being replaced.
    let old = files::open(file).map_err(|error| Failure::at(file, error))?;
    if files::lock(&old) == Lock::Taken {
        return Err(Failure::at(file, "is being recorded: end the recording first"));
    }
    let to = output.unwrap_or(file);
    let place = Place::new(to, to == file)?;
    let length = old.metadata().map_err(|error| Failure::at(file, error))?.len();
    let progress = Progress::bytes("mending", length);
    let repaired = recording::repair(file, place.unfinished()).map_err(|error| Failure::new(error.to_string()))?;
    drop(progress);
    let kept =
        if to == file { place.finish_mended(repaired.damage.as_ref())? } else { place.finish().map(|()| None)? };
    drop(old);
    let messages = grouped(repaired.messages);
    let mut line = match repaired.damage {
        None => format!("{}: it was whole, {messages} messages", to.display()),
        Some(damage) if damage.unfinished => {
            format!("{}: closed, {messages} messages; the old file was not finished, {damage}", to.display())
        }
        Some(damage) => format!("{}: {messages} messages saved; the old file was damaged {damage}", to.display()),
    };
    if let Some(kept) = kept {
        line += &format!("; it is kept as {}", kept.display());
    }
    say(&line)
}
