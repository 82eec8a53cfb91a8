//! One launch a graph: the lock on its folder, and what is removed with it.
//! It never removes what another launch holds.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Duration,
};

use offboard::{graph::GraphName, wiring::RunDir};
use rustix::fs::FlockOperation;

use crate::{child::process_exists, sweep::wait_until};

/// How long a lock is waited for whose holder is gone: its guard is clearing up.
const CLEARING_MAX: Duration = Duration::from_millis(1500);

/// How often the lock file may vanish between opening and locking it.
const TRIES_MAX: usize = 10;

/// How much of a lock file is read, in bytes.
const HOLDER_MAX: u64 = 8 << 10;

/// Who holds a graph.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Holder {
    /// Process id of the launch.
    pub(crate) pid: u32,
    /// Its graph file.
    pub(crate) file: String,
    /// The mark of its nodes.
    pub(crate) run: String,
    /// The folders of its control groups.
    pub(crate) cgroups: Vec<PathBuf>,
}

/// A graph that is ours to run. Dropped, it stays locked until the process ends.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
    dir: PathBuf,
}

/// Why a graph cannot be run.
#[derive(Debug)]
pub(crate) enum Refused {
    /// It runs already.
    Running(Holder),
    /// Its folder cannot be used.
    Io(io::Error),
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Refused {
        Refused::Io(error)
    }
}

/// Takes the lock of a graph and says who we are; also who held it last without giving it back, if so.
///
/// # Errors
/// When another launch holds it.
pub(crate) fn take(graph: &GraphName, us: &Holder) -> Result<(RunDir, Lock, Option<Holder>), Refused> {
    for _ in 0..TRIES_MAX {
        let dir = RunDir::open(graph)?;
        let path = dir.lock();
        let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = match opened {
            // Whoever gave the lock back removed the folder too.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            opened => opened?,
        };
        if !try_lock(&file)? && !wait_for(&file, &path)? {
            return Err(Refused::Running(read_holder(&mut file)));
        }
        if !is_at(&file, &path) {
            continue;
        }
        let last = Some(read_holder(&mut file)).filter(|holder| !holder.run.is_empty());
        write_holder(&mut file, us)?;
        let lock = Lock { file, dir: dir.path().to_owned() };
        return Ok((dir, lock, last));
    }
    Err(Refused::Io(io::Error::other("the lock file vanishes again and again")))
}

impl Lock {
    /// Says more of who we are than when the lock was taken.
    ///
    /// # Errors
    /// When the system refuses.
    pub(crate) fn note(&mut self, us: &Holder) -> io::Result<()> {
        write_holder(&mut self.file, us)
    }

    /// Removes the sockets of an earlier run.
    pub(crate) fn tidy(&self) {
        tidy(&self.dir);
    }

    /// Removes the graph's folder and gives the lock back.
    pub(crate) fn release(self) {
        remove(&self.dir);
        drop(self.file);
    }
}

/// Removes the folder of a graph unless somebody holds it.
pub(crate) fn remove_if_free(dir: &Path) {
    let Ok(file) = OpenOptions::new().read(true).open(RunDir::at(dir.to_owned()).lock()) else { return };
    if try_lock(&file).unwrap_or(false) {
        remove(dir);
    }
}

fn remove(dir: &Path) {
    tidy(dir);
    // Last and while it is locked: who opens it from now on finds another file at its path, or none.
    let _ = fs::remove_file(RunDir::at(dir.to_owned()).lock());
    let _ = fs::remove_dir(dir);
}

fn tidy(dir: &Path) {
    let lock = RunDir::at(dir.to_owned()).lock();
    let entries = fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.filter(|path| *path != lock).for_each(|path| drop(fs::remove_file(path)));
}

fn try_lock(file: &File) -> io::Result<bool> {
    match rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Waits for a lock whose holder's process is gone; false when the holder lives.
fn wait_for(file: &File, path: &Path) -> io::Result<bool> {
    let holder = File::open(path).map(|mut file| read_holder(&mut file)).unwrap_or_default();
    if holder.pid == 0 || process_exists(holder.pid) {
        return Ok(false);
    }
    Ok(wait_until(CLEARING_MAX, || try_lock(file).unwrap_or(false)))
}

fn is_at(file: &File, path: &Path) -> bool {
    let (Ok(ours), Ok(there)) = (file.metadata(), fs::metadata(path)) else { return false };
    (ours.dev(), ours.ino()) == (there.dev(), there.ino())
}

fn read_holder(file: &mut File) -> Holder {
    let mut text = String::new();
    let read = file.rewind().and_then(|()| file.take(HOLDER_MAX).read_to_string(&mut text));
    let mut lines = text.lines();
    let mut line = || lines.next().unwrap_or_default().to_owned();
    match read {
        Ok(_) => {
            let (pid, run, file) = (line().parse().unwrap_or_default(), line(), line());
            Holder { pid, run, file, cgroups: lines.map(PathBuf::from).collect() }
        }
        Err(_) => Holder::default(),
    }
}

fn write_holder(file: &mut File, us: &Holder) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    let groups: String = us.cgroups.iter().map(|group| format!("{}\n", group.display())).collect();
    file.write_all(format!("{}\n{}\n{}\n{groups}", us.pid, us.run, us.file).as_bytes())
}
