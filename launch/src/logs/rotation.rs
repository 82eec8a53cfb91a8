//! A log file that is begun anew before it grows too long, a few old ones kept beside it: `camera.log`, `camera.log.1`, …
//! It never loses a line without counting it, and never leaves half a line.

use std::{
    fs::File,
    io::{self, Write},
    os::unix::fs::FileExt,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    Level,
    folder::{Folder, OpenFolder, pointer, rotated},
    notices::Notices,
    record::{Clock, draw},
    sink::Outlet,
};

/// After a refusal the system is asked again so much later: a full disk is asked once a second, not once a line.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// How often is looked whether the name still is the file: somebody may have moved it.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Why lines are lost when nothing is wrong with the disk.
const TOO_FAST: &str = "they came faster than they could be written";

/// Which file, and how it is rotated.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    pub(crate) folder: Folder,
    /// The file's name in it.
    pub(crate) name: String,
    /// How long it may become, in bytes.
    pub(crate) size: u64,
    /// How many old ones are kept.
    pub(crate) keep: u32,
}

/// A note for `launch logs` in the default folder: where a node's file is, if not there.
#[derive(Debug)]
pub(crate) struct Pointer {
    pub(crate) folder: Folder,
    pub(crate) node: String,
    /// The path; empty when the node keeps no file; none when its file is at the default place.
    pub(crate) to: Option<String>,
}

impl Pointer {
    fn leave(&self) -> io::Result<()> {
        // No folder yet: then there is nothing to be removed.
        if self.to.is_none() && !super::folder::exists(&self.folder.path.join(pointer(&self.node))) {
            return Ok(());
        }
        let folder = self.folder.open()?;
        folder.remove(&pointer(&self.node))?;
        match &self.to {
            Some(to) => folder.append(&pointer(&self.node))?.write_all(to.as_bytes()),
            None => Ok(()),
        }
    }
}

/// Writes one node's lines.
#[derive(Debug)]
pub(crate) struct Rotating {
    /// None: no file is kept.
    kept: Option<Kept>,
    pointer: Option<Pointer>,
    notices: Arc<Notices>,
    clock: Clock,
    open: Option<Open>,
    /// Lines that are missing in the file and were not yet told there.
    missing: u64,
    why: String,
    retry_at: Option<Instant>,
}

#[derive(Debug)]
struct Open {
    folder: OpenFolder,
    file: File,
    /// In bytes.
    len: u64,
    looked: Instant,
}

impl Rotating {
    /// Nothing is opened yet.
    pub(crate) fn new(kept: Option<Kept>, pointer: Option<Pointer>, notices: Arc<Notices>) -> Rotating {
        let (clock, why) = (Clock::default(), String::new());
        Rotating { kept, pointer, notices, clock, open: None, missing: 0, why, retry_at: None }
    }

    fn pass_on(&mut self, kept: &Kept, lines: &[u8]) {
        if self.retry_at.is_some_and(|at| Instant::now() < at) {
            self.missing += count(lines);
            return;
        }
        let missing = self.missing;
        let mut rest = lines;
        let done = self.tell_missing(kept).and_then(|()| self.append(kept, &mut rest));
        match done {
            Ok(()) => {
                self.retry_at = None;
                self.notices.well(&kept.folder.path, &kept.name, missing);
            }
            Err(error) => {
                self.missing += count(rest);
                self.why = say(&error);
                (self.open, self.retry_at) = (None, Some(Instant::now() + RETRY_AFTER));
                self.notices.trouble(&kept.folder.path, &kept.name, &self.why);
            }
        }
    }

    /// Leaves a line where lines are missing.
    fn tell_missing(&mut self, kept: &Kept) -> io::Result<()> {
        if self.missing == 0 {
            return Ok(());
        }
        let mut line = Vec::new();
        draw(&self.clock, Level::Warn, &format!("-- {} lines not kept: {} --", self.missing, self.why), 0, &mut line);
        self.append(kept, &mut line.as_slice())?;
        self.missing = 0;
        Ok(())
    }

    /// Writes whole lines; after an error `rest` is what was not written.
    fn append(&mut self, kept: &Kept, rest: &mut &[u8]) -> io::Result<()> {
        while !rest.is_empty() {
            let open = self.opened(kept)?;
            let room = usize::try_from(kept.size.saturating_sub(open.len)).unwrap_or(usize::MAX);
            let mut fits = whole_lines(&rest[..rest.len().min(room)]);
            if fits == 0 && open.len > 0 {
                self.rotate(kept)?;
                continue;
            }
            if fits == 0 {
                // A line longer than a file gets one of its own.
                fits = rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |end| end + 1);
            }
            let (written, error) = open.write(&rest[..fits]);
            *rest = &rest[written..];
            error?;
        }
        Ok(())
    }

    fn rotate(&mut self, kept: &Kept) -> io::Result<()> {
        let Some(open) = self.open.take() else { return Ok(()) };
        let name = |times: u32| rotated(kept.name.as_ref(), times).to_string_lossy().into_owned();
        if kept.keep == 0 {
            return open.folder.remove(&kept.name);
        }
        (0..kept.keep).rev().try_for_each(|times| open.folder.rename(&name(times), &name(times + 1)))
    }

    /// The file that is written: opened when it is not, or when it was removed or moved.
    fn opened(&mut self, kept: &Kept) -> io::Result<&mut Open> {
        let lost = self.open.as_mut().is_some_and(|open| open.is_lost(&kept.name));
        let open = self.open.take().filter(|_| !lost);
        let open = match open {
            Some(open) => open,
            None => Open::at(kept)?,
        };
        Ok(self.open.insert(open))
    }
}

impl Outlet for Rotating {
    fn begin(&mut self) {
        // A note that cannot be left is missed by `launch logs` only, and the folder's trouble is told with the first line.
        let _ = self.pointer.as_ref().map(Pointer::leave);
    }

    fn write(&mut self, lines: &[u8], lost: u64) {
        let Some(kept) = self.kept.take() else { return };
        self.pass_on(&kept, lines);
        if lost > 0 {
            self.missing += lost;
            if self.retry_at.is_none() {
                TOO_FAST.clone_into(&mut self.why);
                self.pass_on(&kept, &[]);
            }
        }
        self.kept = Some(kept);
    }

    fn waits(&self) -> bool {
        self.missing > 0
    }

    fn end(&mut self) {
        if let Some(kept) = self.kept.take() {
            self.retry_at = None;
            if self.missing > 0 {
                self.pass_on(&kept, &[]);
            }
        }
        self.open = None;
    }
}

impl Open {
    fn at(kept: &Kept) -> io::Result<Open> {
        let folder = kept.folder.open()?;
        let file = folder.append(&kept.name)?;
        let len = file.metadata()?.len();
        let mut open = Open { folder, file, len, looked: Instant::now() };
        let mut last = [b'\n'];
        if len > 0 {
            open.file.read_exact_at(&mut last, len - 1)?;
        }
        if last != [b'\n'] {
            // Whoever wrote it was killed in the midst of a line.
            open.write(b"\n").1?;
        }
        Ok(open)
    }

    /// Writes all or up to the last whole line that fitted: how much, and why not more.
    fn write(&mut self, lines: &[u8]) -> (usize, io::Result<()>) {
        let mut written = 0;
        let mut done = Ok(());
        while written < lines.len() && done.is_ok() {
            match self.file.write(&lines[written..]) {
                Ok(0) => done = Err(io::ErrorKind::WriteZero.into()),
                Ok(more) => written += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => done = Err(error),
            }
        }
        if done.is_err() {
            written = whole_lines(&lines[..written]);
            // Half a line would be taken for a whole one. A disk that refuses this, too, is mended when the file is opened again.
            let _ = self.file.set_len(self.len + written as u64);
        }
        self.len += written as u64;
        (written, done)
    }

    fn is_lost(&mut self, name: &str) -> bool {
        if rustix::fs::fstat(&self.file).is_ok_and(|stat| stat.st_nlink == 0) {
            return true;
        }
        if self.looked.elapsed() < LOOK_EVERY {
            return false;
        }
        self.looked = Instant::now();
        !self.folder.is(name, &self.file)
    }
}

/// How much of it is whole lines, in bytes.
fn whole_lines(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1)
}

fn count(lines: &[u8]) -> u64 {
    lines.iter().filter(|byte| **byte == b'\n').count() as u64
}

/// Why, in the system's words but without its number.
fn say(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_lowercase()
}

#[cfg(test)]
mod tests;
