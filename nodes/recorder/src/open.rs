//! A recording that is being written, and the thread that asks the disk once a second to keep it. That thread is the only one that
//! waits for the disk itself.

use std::{
    collections::BTreeMap,
    fs::File,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
        mpsc::{self, RecvTimeoutError},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use offboard::recording::{Options, Recorded, RecordingError, Writer, Written};
use tracing::warn;

use crate::{
    files::{Lock, lock},
    naming::create,
    params::Target,
};

/// How often the disk is asked to keep what was written: what a loss of power may cost.
const SYNC_EVERY: Duration = Duration::from_secs(1);

/// How often a new file that somebody looks into is tried again, and after how long: looking takes less.
const TRIES: u32 = 50;
const TRY_AFTER: Duration = Duration::from_millis(10);

/// A file to keep on the disk, and how much of it there is.
#[derive(Debug)]
pub(crate) struct Synced {
    file: Arc<File>,
    bytes: Arc<AtomicU64>,
}

/// A file that is being written.
pub(crate) struct Open {
    path: PathBuf,
    writer: Writer<File>,
    /// The same file: for its lock, and to cut off what was written in part.
    file: Arc<File>,
    bytes: Arc<AtomicU64>,
    began: Instant,
    /// Messages that were not flushed, by topic.
    gathered: BTreeMap<String, u64>,
    /// Messages that are in the file.
    flushed: u64,
}

impl Open {
    /// Begins a file.
    pub(crate) fn new(target: &Target, sync: &mpsc::Sender<Synced>) -> Result<Open, String> {
        let words = |error: std::io::Error| format!("{}: {error}", target.dir.display());
        let (path, out) = create_locked(target).map_err(words)?;
        let file = Arc::new(out.try_clone().map_err(words)?);
        let descriptors = target.descriptors.clone();
        let options = Options { compression: target.compression, descriptors, ..Options::default() };
        let writer = Writer::new(out, options).map_err(|error| {
            // Nothing is in it, and it must not be taken for a recording.
            drop(std::fs::remove_file(&path));
            format!("{}: {error}", path.display())
        })?;
        let bytes = Arc::new(AtomicU64::new(writer.written().bytes));
        drop(sync.send(Synced { file: file.clone(), bytes: bytes.clone() }));
        Ok(Open { path, writer, file, bytes, began: Instant::now(), gathered: BTreeMap::new(), flushed: 0 })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What is in the file.
    pub(crate) fn written(&self) -> Written {
        Written { messages: self.flushed, bytes: self.writer.written().bytes }
    }

    /// Whether the next file should follow.
    pub(crate) fn is_over(&self, target: &Target) -> bool {
        target.split_bytes.is_some_and(|most| self.writer.written().bytes >= most)
            || self.began.elapsed() >= target.split_after
    }

    pub(crate) fn write(&mut self, message: &Recorded) -> Result<(), RecordingError> {
        match self.gathered.get_mut(&message.topic) {
            Some(count) => *count += 1,
            None => drop(self.gathered.insert(message.topic.clone(), 1)),
        }
        let result = self.writer.write(message);
        match &result {
            Err(RecordingError::Refused(_)) => {
                self.gathered.entry(message.topic.clone()).and_modify(|count| *count -= 1);
            }
            Ok(()) if self.writer.waiting() == 0 => self.settle(),
            _ => {}
        }
        result
    }

    pub(crate) fn flush(&mut self) -> Result<(), RecordingError> {
        if self.writer.waiting() > 0 {
            self.writer.flush()?;
            self.settle();
        }
        Ok(())
    }

    /// What was gathered is in the file.
    fn settle(&mut self) {
        self.flushed = self.writer.written().messages;
        self.gathered.values_mut().for_each(|count| *count = 0);
        self.bytes.store(self.writer.written().bytes, Relaxed);
    }

    /// Ends the file with a summary; else says what was lost.
    pub(crate) fn finish(mut self) -> Result<(), (RecordingError, BTreeMap<String, u64>)> {
        if let Err(error) = self.flush() {
            return Err((error, self.abandon()));
        }
        let Open { writer, file, bytes, .. } = self;
        let whole = writer.written().bytes;
        match writer.finish() {
            Ok(written) => {
                bytes.store(written.bytes, Relaxed);
                Ok(())
            }
            Err(error) => {
                drop(file.set_len(whole));
                Err((error, BTreeMap::new()))
            }
        }
    }

    /// Leaves the file with what is whole in it; says what is not, by topic.
    pub(crate) fn abandon(self) -> BTreeMap<String, u64> {
        let whole = self.writer.written().bytes;
        // A file without a message is of no use to anybody.
        let kept = if self.flushed == 0 { std::fs::remove_file(&self.path) } else { self.file.set_len(whole) };
        if let Err(error) = kept {
            warn!("{}: {error}", self.path.display());
        }
        self.gathered.into_iter().filter(|(_, count)| *count > 0).collect()
    }
}

/// Makes a new file that is known as being written. Another recorder may take it for one that was left empty, and remove it, before
/// it is: then there is another.
fn create_locked(target: &Target) -> std::io::Result<(PathBuf, File)> {
    let (mut path, mut file) = create(target)?;
    for _ in 0..TRIES {
        let is_taken = lock(&file) == Lock::Taken;
        let (about, there) = (file.metadata()?, path.metadata().ok());
        let is_gone =
            about.nlink() == 0 && there.is_none_or(|there| (there.dev(), there.ino()) != (about.dev(), about.ino()));
        if !is_taken && !is_gone {
            return Ok((path, file));
        }
        if is_gone {
            (path, file) = create(target)?;
        } else {
            std::thread::sleep(TRY_AFTER);
        }
    }
    Err(std::io::Error::other(format!("somebody else keeps {} locked", path.display())))
}

/// Starts the thread that asks the disk to keep what was written. It ends when nobody can give it files any more.
pub(crate) fn keep_synced() -> (mpsc::Sender<Synced>, JoinHandle<()>) {
    let (sender, files) = mpsc::channel();
    (sender, std::thread::spawn(move || sync_all(&files)))
}

fn sync_all(files: &mpsc::Receiver<Synced>) {
    let mut current: Option<(Synced, u64)> = None;
    loop {
        let next = files.recv_timeout(SYNC_EVERY);
        if let Some((file, kept)) = &mut current {
            let bytes = file.bytes.load(Relaxed);
            if bytes != *kept {
                match file.file.sync_data() {
                    Ok(()) => *kept = bytes,
                    Err(error) => warn!("the disk did not keep the recording: {error}"),
                }
            }
        }
        match next {
            Ok(file) => current = Some((file, 0)),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;
    use crate::mend;

    #[test]
    fn a_new_file_is_not_taken_for_one_that_was_left_empty() {
        let dir = tempfile::tempdir().unwrap();
        let target = Target {
            dir: dir.path().to_owned(),
            stem: "run".into(),
            dated: false,
            compression: offboard::recording::Compression::None,
            low_water: 0,
            split_bytes: None,
            split_after: Duration::MAX,
            descriptors: offboard::recording::Descriptors::default(),
            mend: true,
        };
        let (sync, _files) = mpsc::channel();
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !is_over.load(Relaxed) {
                    mend::mend_all(&mend::unfinished(&target), &target);
                }
            });
            let gone: Vec<PathBuf> = (0..200)
                .map(|_| Open::new(&target, &sync).unwrap())
                .filter(|open| !open.path().exists())
                .map(|open| open.path().to_owned())
                .collect();
            is_over.store(true, Relaxed);
            assert!(gone.is_empty(), "{gone:?}");
        });
    }
}
