//! Recordings as files: opened only when they are files, locked while they are written or mended, set aside under a name that is free. It
//! never overwrites and never waits.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use offboard::recording::Damage;
use rustix::{
    fs::{FlockOperation, flock},
    io::Errno,
};

/// The most old files of one recording that are kept.
const KEPT_MAX: u32 = 1000;

/// Opens a file; what is none, like a pipe or a device, is not even touched: opening it might wait, and reading it might never end.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "is not a file"));
    }
    File::open(path)
}

/// Whose a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lock {
    /// Ours until it is closed.
    Ours,
    /// Somebody writes or mends it.
    Taken,
    /// Its disk knows no locks.
    Unknown,
}

/// Makes a file known as being written.
pub(crate) fn lock(file: &File) -> Lock {
    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Lock::Ours,
        Err(Errno::WOULDBLOCK | Errno::INTR) => Lock::Taken,
        Err(_) => Lock::Unknown,
    }
}

/// Whether somebody writes a file at this moment.
pub(crate) fn is_being_recorded(path: &Path) -> bool {
    open(path).is_ok_and(|file| lock(&file) == Lock::Taken)
}

/// Puts a mended recording in the place of the old one. When bytes of the old one could not be read it is kept: under the name that is
/// returned.
pub(crate) fn exchange(path: &Path, mended: &Path, damage: Option<&Damage>) -> io::Result<Option<PathBuf>> {
    if damage.is_none_or(|damage| damage.lost_bytes == 0 || damage.summary_only) {
        fs::rename(mended, path)?;
        return Ok(None);
    }
    let kept = free_name(path)?;
    fs::rename(path, &kept)?;
    fs::rename(mended, path).inspect_err(|_| drop(fs::rename(&kept, path)))?;
    Ok(Some(kept))
}

/// `FILE.damaged`, `FILE.damaged-2`, … the first that is free.
fn free_name(path: &Path) -> io::Result<PathBuf> {
    for number in 1..=KEPT_MAX {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(if number == 1 { ".damaged".to_owned() } else { format!(".damaged-{number}") });
        let kept = path.with_file_name(name);
        match kept.symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(kept),
            Ok(_) => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::new(io::ErrorKind::AlreadyExists, "a thousand .damaged files of it are there: move some away"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_lost_is_kept_under_the_next_free_name() {
        let dir = tempfile::tempdir().unwrap();
        let [path, half] = ["a.mcap", "half"].map(|name| dir.path().join(name));
        let damage = Damage { at: 9, what: String::new(), lost_bytes: 3, unfinished: false, summary_only: false };
        let kept = ["first", "second"].map(|old| {
            fs::write(&path, old).unwrap();
            fs::write(&half, "mended").unwrap();
            let kept = exchange(&path, &half, Some(&damage)).unwrap().unwrap();
            assert_eq!((fs::read_to_string(&path).unwrap().as_str(), half.exists()), ("mended", false));
            (kept.file_name().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(kept).unwrap())
        });
        let wanted = [("a.mcap.damaged", "first"), ("a.mcap.damaged-2", "second")];
        assert_eq!(kept, wanted.map(|(name, text)| (name.to_owned(), text.to_owned())));
        fs::write(&half, "again").unwrap();
        let whole = Damage { lost_bytes: 0, ..damage };
        assert_eq!(exchange(&path, &half, Some(&whole)).unwrap(), None);
    }

    #[test]
    fn a_file_has_one_writer() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.mcap");
        let file = File::create(&path).unwrap();
        assert_eq!((lock(&file), is_being_recorded(&path)), (Lock::Ours, true));
        drop(file);
        assert!(!is_being_recorded(&path));
        assert!(open(dir.path()).is_err() && open("/dev/zero".as_ref()).is_err());
    }
}
