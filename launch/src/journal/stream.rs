//! The lines of one node, oldest first, over its rotated files and while it still writes.
//! It never holds more than a block of them.

use std::{
    collections::VecDeque,
    fs::{File, OpenOptions},
    io::{Read, Seek},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::SystemTime,
};

use crate::logs::{Level, Lines, folder::rotated, record};

/// How much is read at once, in bytes.
const BLOCK: usize = 64 << 10;

/// How many rotated files are looked for: the graph file allows a hundred.
const FILES_MAX: u32 = 100;

/// The longest line in a file, in bytes: the longest of a node's with every byte of it escaped, and its time.
const LINE_MAX: usize = 512 << 10;

/// A line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// As RFC 3339; in order as texts.
    pub(super) time: String,
    pub(super) level: Level,
    pub(super) message: String,
}

type Identity = (u64, u64);

#[derive(Debug)]
struct Opened {
    file: File,
    identity: Identity,
}

/// A node's lines.
#[derive(Debug)]
pub(super) struct Stream {
    path: PathBuf,
    since: Option<SystemTime>,
    /// The oldest, which is being read, first.
    files: VecDeque<Opened>,
    /// The newest that was ever opened.
    newest: Option<Identity>,
    lines: Lines,
    last: String,
    ready: VecDeque<Entry>,
}

impl Stream {
    /// The lines of the file at `path` and of those it was rotated to; files that ended before `since` are left out.
    pub(super) fn open(path: PathBuf, since: Option<SystemTime>) -> Stream {
        let mut stream = Stream {
            path,
            since,
            files: VecDeque::new(),
            newest: None,
            lines: Lines::up_to(LINE_MAX),
            last: String::new(),
            ready: VecDeque::new(),
        };
        stream.refresh();
        stream
    }

    /// Reads up to the next line, if there is one by now. `follow`: a last line without an end is still being written.
    pub(super) fn look_ahead(&mut self, follow: bool) {
        while self.ready.is_empty() && self.fill() {}
        if self.ready.is_empty() && !follow {
            self.finish();
        }
    }

    /// The next line.
    pub(super) fn head(&self) -> Option<&Entry> {
        self.ready.front()
    }

    /// Takes it.
    pub(super) fn take(&mut self) -> Option<Entry> {
        self.ready.pop_front()
    }

    /// Looks for files that were begun since; whether some were rotated away before they were read.
    pub(super) fn refresh(&mut self) -> bool {
        if let (Some(newest), Ok(found)) = (self.newest, std::fs::metadata(&self.path))
            && identity(&found) == newest
        {
            self.rewind(found.len());
            return false;
        }
        // From the newest on: what is rotated meanwhile is then seen twice, not missed.
        let mut fresh: VecDeque<Opened> = VecDeque::new();
        let mut met = self.newest.is_none();
        for times in 0..=FILES_MAX {
            let Some(opened) = open(&rotated(&self.path, times)) else { if times == 0 { continue } else { break } };
            if Some(opened.identity) == self.newest {
                met = true;
                break;
            }
            let old = self.since.zip(opened.file.metadata().and_then(|found| found.modified()).ok());
            if old.is_some_and(|(since, ended)| ended < since) {
                break;
            }
            if !fresh.iter().any(|other| other.identity == opened.identity) {
                fresh.push_front(opened);
            }
        }
        let missed = !met && !fresh.is_empty();
        self.newest = fresh.back().map(|opened| opened.identity).or(self.newest);
        self.files.append(&mut fresh);
        missed
    }

    /// A file that somebody emptied is read from its beginning.
    fn rewind(&mut self, len: u64) {
        if let Some(opened) = self.files.back_mut()
            && opened.file.stream_position().is_ok_and(|at| at > len)
        {
            let _ = opened.file.rewind();
        }
    }

    /// Reads on; false at the end.
    fn fill(&mut self) -> bool {
        let mut block = vec![0; BLOCK];
        while let Some(opened) = self.files.front_mut() {
            match opened.file.read(&mut block) {
                Ok(count) if count > 0 => {
                    let (ready, last) = (&mut self.ready, &mut self.last);
                    self.lines.push(&block[..count], |line, _| ready.push_back(entry(line, last)));
                    return true;
                }
                // The newest may grow.
                _ if self.files.len() == 1 => return false,
                _ => {
                    self.files.pop_front();
                    self.finish();
                }
            }
        }
        false
    }

    fn finish(&mut self) {
        let (ready, last) = (&mut self.ready, &mut self.last);
        self.lines.finish(|line, _| ready.push_back(entry(line, last)));
    }
}

/// What launch did not write has no time and no level of its own.
fn entry(line: &[u8], last: &mut String) -> Entry {
    let line = String::from_utf8_lossy(line);
    match record::parse(&line) {
        Some(record) => {
            record.time.clone_into(last);
            Entry { time: last.clone(), level: record.level, message: record.message.to_owned() }
        }
        None => Entry { time: last.clone(), level: Level::Info, message: line.into_owned() },
    }
}

fn open(path: &Path) -> Option<Opened> {
    // What is no file must not be waited for.
    let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).ok()?;
    let found = file.metadata().ok().filter(std::fs::Metadata::is_file)?;
    Some(Opened { identity: identity(&found), file })
}

fn identity(found: &std::fs::Metadata) -> Identity {
    (found.dev(), found.ino())
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Write, time::Duration};

    use super::*;

    fn line(second: u32, message: &str) -> String {
        format!("2026-11-21T13:00:{second:02}.000Z INFO {message}\n")
    }

    fn read(stream: &mut Stream, follow: bool) -> Vec<String> {
        let mut next = || {
            stream.look_ahead(follow);
            stream.take()
        };
        std::iter::from_fn(&mut next).map(|entry| entry.message).collect()
    }

    struct Desk(tempfile::TempDir);

    impl Desk {
        fn new() -> Desk {
            Desk(tempfile::tempdir().unwrap())
        }
        fn path(&self, times: u32) -> PathBuf {
            rotated(&self.0.path().join("a.log"), times)
        }
        fn append(&self, text: &str) {
            let mut file = OpenOptions::new().append(true).create(true).open(self.path(0)).unwrap();
            file.write_all(text.as_bytes()).unwrap();
        }
        fn rotate(&self) {
            for times in (0..3).rev().filter(|times| self.path(*times).exists()) {
                fs::rename(self.path(times), self.path(times + 1)).unwrap();
            }
        }
    }

    #[test]
    fn rotated_files_are_read_oldest_first() {
        let desk = Desk::new();
        for message in ["a", "b", "c"] {
            desk.rotate();
            desk.append(&line(1, message));
        }
        assert_eq!(read(&mut Stream::open(desk.path(0), None), false), ["a", "b", "c"]);
    }

    #[test]
    fn what_is_written_meanwhile_is_followed_over_several_rotations() {
        let desk = Desk::new();
        desk.append(&line(1, "a"));
        let mut stream = Stream::open(desk.path(0), None);
        assert_eq!(read(&mut stream, true), ["a"]);
        desk.append(&line(2, "b"));
        for message in ["c", "d"] {
            desk.rotate();
            desk.append(&line(3, message));
        }
        assert!(!stream.refresh());
        assert_eq!(read(&mut stream, true), ["b", "c", "d"]);
        for message in ["e", "f", "g", "h"] {
            desk.rotate();
            desk.append(&line(4, message));
        }
        // The file that held "d" was rotated away.
        assert!(stream.refresh());
        assert_eq!(read(&mut stream, true), ["e", "f", "g", "h"]);
    }

    #[test]
    fn a_line_that_is_still_being_written_is_waited_for() {
        let desk = Desk::new();
        desk.append("2026-11-21T13:00:01.000Z INFO ha");
        let mut stream = Stream::open(desk.path(0), None);
        assert!(read(&mut stream, true).is_empty());
        desk.append("lf\n");
        assert!(!stream.refresh());
        assert_eq!(read(&mut stream, true), ["half"]);
        desk.append("2026-11-21T13:00:01.000Z INFO last");
        assert_eq!(read(&mut stream, false), ["last"]);
    }

    #[test]
    fn a_file_that_somebody_emptied_is_read_from_its_beginning() {
        let desk = Desk::new();
        desk.append(&line(1, "a long line"));
        let mut stream = Stream::open(desk.path(0), None);
        assert_eq!(read(&mut stream, true).len(), 1);
        fs::write(desk.path(0), line(2, "b")).unwrap();
        stream.refresh();
        assert_eq!(read(&mut stream, true), ["b"]);
    }

    #[test]
    fn a_file_that_appears_later_is_read() {
        let desk = Desk::new();
        let mut stream = Stream::open(desk.path(0), None);
        assert!(read(&mut stream, true).is_empty());
        desk.append(&line(1, "a"));
        assert!(!stream.refresh());
        assert_eq!(read(&mut stream, true), ["a"]);
    }

    #[test]
    fn files_that_ended_before_are_not_even_read() {
        let desk = Desk::new();
        desk.append(&line(1, "old"));
        desk.rotate();
        desk.append(&line(2, "new"));
        let old = SystemTime::now() - Duration::from_secs(3600);
        File::open(desk.path(1)).unwrap().set_modified(old).unwrap();
        let since = SystemTime::now() - Duration::from_secs(60);
        assert_eq!(read(&mut Stream::open(desk.path(0), Some(since)), false), ["new"]);
    }

    #[test]
    fn a_foreign_line_has_the_time_of_the_one_before() {
        let mut last = String::new();
        let _ = entry(line(7, "a").trim_end().as_bytes(), &mut last);
        let foreign = entry(b"hello", &mut last);
        assert_eq!((foreign.time.as_str(), foreign.message.as_str()), ("2026-11-21T13:00:07.000Z", "hello"));
    }
}
