//! Watches the file of weights in a thread of its own, and reads it when it comes or changes. It never writes.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use tokio::sync::mpsc;

use crate::weights::{self, Weights};

/// How often it is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// News that nobody took yet; more are not read.
const UNREAD: usize = 2;

/// What became of the file.
#[derive(Debug)]
pub(crate) enum News {
    /// It is not there.
    Missing,
    /// It was read.
    Read(Box<Weights>),
    /// It is not what it must be.
    Refused(String),
}

/// By what a file is known to be the same as before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mark {
    inode: u64,
    length: u64,
    changed_ns: i128,
}

impl Mark {
    fn of(path: &Path) -> Option<Mark> {
        let meta = fs::metadata(path).ok()?;
        let changed_ns = i128::from(meta.mtime()) * 1_000_000_000 + i128::from(meta.mtime_nsec());
        Some(Mark { inode: meta.ino(), length: meta.len(), changed_ns })
    }
}

/// The watch, from outside. The thread ends soon after it is dropped.
#[derive(Debug)]
pub(crate) struct File {
    /// What became of the file, in order.
    pub(crate) news: mpsc::Receiver<News>,
    own: Own,
}

/// The mark of what this node wrote itself: no news.
#[derive(Debug, Clone, Default)]
pub(crate) struct Own(Arc<Mutex<Option<Mark>>>);

impl Own {
    /// The file is as this node just wrote it.
    pub(crate) fn written(&self, path: &Path) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Mark::of(path);
    }

    fn is(&self, mark: Option<Mark>) -> bool {
        mark.is_some() && *self.0.lock().unwrap_or_else(PoisonError::into_inner) == mark
    }
}

impl File {
    /// Begins to watch.
    ///
    /// # Errors
    /// When no thread can be had.
    pub(crate) fn watch(path: &Path) -> std::io::Result<File> {
        let (tell, news) = mpsc::channel(UNREAD);
        let (own, path) = (Own::default(), path.to_owned());
        let mine = own.clone();
        thread::Builder::new().name("weights".to_owned()).spawn(move || look(&path, &mine, &tell))?;
        Ok(File { news, own })
    }

    /// For whoever writes the file.
    pub(crate) fn own(&self) -> Own {
        self.own.clone()
    }
}

fn look(path: &Path, own: &Own, tell: &mpsc::Sender<News>) {
    let mut read = Mark::of(path);
    if tell.blocking_send(news(path, read)).is_err() {
        return;
    }
    let mut before = read;
    while !tell.is_closed() {
        thread::sleep(LOOK_EVERY);
        let now = Mark::of(path);
        // A file that is still being written changes between two looks.
        let settled = now == before;
        before = now;
        if !settled || now == read {
            continue;
        }
        read = now;
        if !own.is(now) && tell.blocking_send(news(path, now)).is_err() {
            return;
        }
    }
}

fn news(path: &Path, mark: Option<Mark>) -> News {
    if mark.is_none() {
        return News::Missing;
    }
    match weights::load(path) {
        Ok(weights) => News::Read(Box::new(weights)),
        Err(error) => News::Refused(error.to_string()),
    }
}
