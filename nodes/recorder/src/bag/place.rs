//! Where results go: written under a temporary name beside their own, and renamed when they are whole. A result that was not finished
//! leaves nothing behind, and nothing that is there is ever overwritten unasked.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use offboard::recording::Damage;

use super::failure::{Failure, Result};
use crate::files;

/// A file or folder that comes to be.
#[derive(Debug)]
pub(crate) struct Place {
    path: PathBuf,
    unfinished: PathBuf,
    finished: bool,
}

impl Place {
    /// A place where nothing is yet, or a file that may be replaced.
    ///
    /// # Errors
    /// When something is there already, or the folder around it is not.
    pub(crate) fn new(path: &Path, replace: bool) -> Result<Place> {
        if !replace && path.symlink_metadata().is_ok() {
            return Err(Failure::at(path, "is there already: say another with -o, or remove it"));
        }
        let Some(name) = path.file_name() else {
            return Err(Failure::at(path, "is no name for a result: say one with -o"));
        };
        let around = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if !around.is_dir() {
            return Err(Failure::at(path, format!("there is no folder {}: make it first", around.display())));
        }
        let mut hidden = std::ffi::OsString::from(".");
        hidden.push(name);
        hidden.push(format!(".{}.part", std::process::id()));
        let unfinished = path.with_file_name(hidden);
        Ok(Place { path: path.to_owned(), unfinished, finished: false })
    }

    /// Where to write until it is finished.
    pub(crate) fn unfinished(&self) -> &Path {
        &self.unfinished
    }

    /// What it will be called.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Begins a file there.
    pub(crate) fn file(&self) -> Result<File> {
        File::create(&self.unfinished).map_err(|error| Failure::at(&self.path, error))
    }

    /// Begins a folder there.
    pub(crate) fn folder(&self) -> Result<&Path> {
        fs::create_dir(&self.unfinished).map_err(|error| Failure::at(&self.path, error))?;
        Ok(&self.unfinished)
    }

    /// It is whole: gives it its name.
    pub(crate) fn finish(self) -> Result<()> {
        self.settle(|unfinished, path| fs::rename(unfinished, path))
    }

    /// It is whole and takes the place of a file that had this damage; that one is kept, if it held more, under the name returned.
    pub(crate) fn finish_mended(self, damage: Option<&Damage>) -> Result<Option<PathBuf>> {
        self.settle(|unfinished, path| files::exchange(path, unfinished, damage))
    }

    fn settle<T>(mut self, give: impl FnOnce(&Path, &Path) -> io::Result<T>) -> Result<T> {
        let given = sync(&self.unfinished).and_then(|()| give(&self.unfinished, &self.path));
        let given = given.map_err(|error| Failure::at(&self.path, error))?;
        self.finished = true;
        Ok(given)
    }
}

fn sync(path: &Path) -> io::Result<()> {
    if path.is_file() { File::open(path)?.sync_all() } else { Ok(()) }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.finished {
            // Nothing half-written stays; what cannot be removed was never made.
            drop(fs::remove_file(&self.unfinished).or_else(|_| fs::remove_dir_all(&self.unfinished)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_appears_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.mcap");
        let place = Place::new(&path, false).unwrap();
        fs::write(place.unfinished(), "half").unwrap();
        drop(place);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);

        let place = Place::new(&path, false).unwrap();
        fs::write(place.unfinished(), "whole").unwrap();
        place.finish().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "whole");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_that_was_not_finished_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let place = Place::new(&dir.path().join("tub"), false).unwrap();
        fs::write(place.folder().unwrap().join("a"), "a").unwrap();
        drop(place);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn nothing_is_overwritten_unasked() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        fs::write(&path, "mine").unwrap();
        let error = Place::new(&path, false).unwrap_err().to_string();
        assert_eq!(error, format!("{}: is there already: say another with -o, or remove it", path.display()));
    }
}
