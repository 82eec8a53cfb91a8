//! Folders of log files: where they are, and how files in them are opened, renamed and removed.
//! It never follows a link to a file that somebody planted, and never waits on something that is no file.

use std::{
    env,
    fs::{self, DirBuilder, File},
    io,
    os::{fd::OwnedFd, unix::fs::DirBuilderExt},
    path::{Path, PathBuf},
};

use rustix::fs::{AtFlags, FileType, Mode, OFlags};

/// Where the files of all graphs of this user are: `$OFFBOARD_LOG_DIR`, else `$XDG_STATE_HOME/offboard/log`, else
/// `~/.local/state/offboard/log`. None when none of these is set. Nothing is made.
pub(crate) fn base() -> Option<PathBuf> {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let state = || {
        // What is no absolute path is to be ignored, says the XDG specification.
        let home = || set("HOME").map(|home| home.join(".local/state"));
        set("XDG_STATE_HOME").filter(|dir| dir.is_absolute()).or_else(home).map(|state| state.join("offboard/log"))
    };
    let base = set("OFFBOARD_LOG_DIR").or_else(state)?;
    std::path::absolute(&base).ok().or(Some(base))
}

/// A folder, known by its path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Folder {
    pub(crate) path: PathBuf,
    /// It is launch's own: nobody else's folder and no link may stand in its place.
    pub(crate) own: bool,
}

/// A folder that is open: files are reached through it, whatever becomes of its path.
#[derive(Debug)]
pub(crate) struct OpenFolder(OwnedFd);

impl Folder {
    /// Opens it; made when missing, for its user alone.
    ///
    /// # Errors
    /// When it cannot be made, and when launch's own is a link, somebody else's, or open to others' writing.
    pub(crate) fn open(&self) -> io::Result<OpenFolder> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.path)?;
        let follow = if self.own { OFlags::NOFOLLOW } else { OFlags::empty() };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | follow;
        let folder = rustix::fs::open(&self.path, flags, Mode::empty())?;
        if self.own {
            let stat = rustix::fs::fstat(&folder)?;
            if stat.st_uid != rustix::process::geteuid().as_raw() {
                return Err(io::Error::other("the folder is somebody else's"));
            }
            if stat.st_mode & 0o022 != 0 {
                return Err(io::Error::other("others may write to the folder; chmod 700 mends it"));
            }
        }
        Ok(OpenFolder(folder))
    }
}

impl OpenFolder {
    /// Opens a file to write at its end; made when missing, for its user alone.
    ///
    /// # Errors
    /// When the system refuses, and when it is a link or no plain file.
    pub(crate) fn append(&self, name: &str) -> io::Result<File> {
        // Neither a link is followed nor a pipe's reader waited for.
        let guarded = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let flags = OFlags::RDWR | OFlags::APPEND | OFlags::CREATE | guarded;
        let file = rustix::fs::openat(&self.0, name, flags, Mode::from(0o600)).map_err(|error| match error {
            rustix::io::Errno::LOOP => io::Error::other("it is a link, which is not followed"),
            error => error.into(),
        })?;
        let stat = rustix::fs::fstat(&file)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(io::Error::other("it is no plain file"));
        }
        Ok(file.into())
    }

    /// Gives a file another name; one of that name is replaced. One that is not there needs no other name.
    ///
    /// # Errors
    /// When the system refuses.
    pub(crate) fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        match rustix::fs::renameat(&self.0, from, &self.0, to) {
            Err(rustix::io::Errno::NOENT) | Ok(()) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes a file, if it is there.
    ///
    /// # Errors
    /// When the system refuses.
    pub(crate) fn remove(&self, name: &str) -> io::Result<()> {
        match rustix::fs::unlinkat(&self.0, name, AtFlags::empty()) {
            Err(rustix::io::Errno::NOENT) | Ok(()) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether this name is this file.
    pub(crate) fn is(&self, name: &str, file: &File) -> bool {
        let named = rustix::fs::statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW);
        let open = rustix::fs::fstat(file);
        named.is_ok_and(|named| open.is_ok_and(|open| (named.st_dev, named.st_ino) == (open.st_dev, open.st_ino)))
    }
}

/// Beside the default place of a node's file: where its file is instead; empty when it has none.
pub(crate) fn pointer(node: &str) -> String {
    format!("{node}.at")
}

/// The path of the file that was rotated so many times; 0 is the one that is written.
pub(crate) fn rotated(path: &Path, times: u32) -> PathBuf {
    if times == 0 {
        return path.to_owned();
    }
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{times}"));
    PathBuf::from(name)
}

/// Whether anything is at this path.
pub(crate) fn exists(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_folder_and_its_files_are_for_their_user_alone() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder { path: dir.path().join("a/b"), own: true };
        folder.open().unwrap().append("x.log").unwrap();
        let mode = |path: &str| fs::metadata(dir.path().join(path)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("a"), mode("a/b"), mode("a/b/x.log")), (0o700, 0o700, 0o600));
    }

    #[test]
    fn a_link_that_somebody_planted_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let victim = dir.path().join("victim");
        fs::write(&victim, "mine").unwrap();
        symlink(&victim, dir.path().join("x.log")).unwrap();
        let open = Folder { path: dir.path().to_owned(), own: true }.open().unwrap();
        assert_eq!(open.append("x.log").unwrap_err().to_string(), "it is a link, which is not followed");
        assert_eq!(fs::read_to_string(&victim).unwrap(), "mine");
        symlink(dir.path(), dir.path().join("linked")).unwrap();
        assert!(Folder { path: dir.path().join("linked"), own: true }.open().is_err());
        assert!(Folder { path: dir.path().join("linked"), own: false }.open().is_ok());
    }

    #[test]
    fn a_pipe_is_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let kind = FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, dir.path().join("x.log"), kind, Mode::from(0o600), 0).unwrap();
        let open = Folder { path: dir.path().to_owned(), own: true }.open().unwrap();
        assert_eq!(open.append("x.log").unwrap_err().to_string(), "it is no plain file");
    }

    #[test]
    fn a_folder_that_others_may_write_to_is_not_ours() {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let error = Folder { path: dir.path().to_owned(), own: true }.open().unwrap_err();
        assert_eq!(error.to_string(), "others may write to the folder; chmod 700 mends it");
    }
}
