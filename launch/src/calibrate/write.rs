//! A file exchanged as a whole: whoever reads it reads the old one or the new one. It never overwrites what somebody else wrote meanwhile.

use std::{
    ffi::OsString,
    fs,
    io::{self, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt, fchown},
    path::{Path, PathBuf},
    process,
};

/// A new text beside a file, with its rights; gone when it is dropped before [`Beside::exchange`].
#[derive(Debug)]
pub(super) struct Beside {
    file: PathBuf,
    old: String,
    path: PathBuf,
}

impl Beside {
    /// Writes the new text beside a file that said `old`.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub(super) fn new(file: &Path, old: &str, new: &str) -> io::Result<Beside> {
        // A link stays one: what it leads to is exchanged.
        let file = file.canonicalize()?;
        let mut name = OsString::from(".");
        name.push(file.file_name().unwrap_or_default());
        name.push(format!(".{}", process::id()));
        let path = file.with_file_name(name);
        let there = file.metadata()?;
        let mut beside = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        let it = Beside { file, old: old.to_owned(), path };
        beside.write_all(new.as_bytes())?;
        // Another owner's file stays theirs where that is ours to say.
        let _ = fchown(&beside, Some(there.uid()), Some(there.gid()));
        beside.set_permissions(there.permissions())?;
        beside.sync_all()?;
        Ok(it)
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Puts it in place of the file.
    ///
    /// # Errors
    /// When the file is another one than it was, or the system refuses.
    pub(super) fn exchange(self) -> io::Result<()> {
        if fs::read_to_string(&self.file)? != self.old {
            return Err(io::Error::other("it was changed meanwhile"));
        }
        fs::rename(&self.path, &self.file)
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        // After the exchange it is not there.
        drop(fs::remove_file(&self.path));
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_file_is_exchanged_with_its_rights_through_a_link_too() {
        let dir = tempfile::tempdir().unwrap();
        let (file, link) = (dir.path().join("a.toml"), dir.path().join("b.toml"));
        fs::write(&file, "old").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        symlink("a.toml", &link).unwrap();
        Beside::new(&link, "old", "new").unwrap().exchange().unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
        assert_eq!(file.metadata().unwrap().mode() & 0o777, 0o640);
        assert!(link.is_symlink());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }

    #[test]
    fn what_somebody_else_wrote_meanwhile_stays() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.toml");
        fs::write(&file, "old").unwrap();
        let beside = Beside::new(&file, "old", "new").unwrap();
        fs::write(&file, "theirs").unwrap();
        assert!(beside.exchange().unwrap_err().to_string().contains("changed meanwhile"));
        assert_eq!(fs::read_to_string(&file).unwrap(), "theirs");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
