//! Says once that lines are not kept, however many files share the cause.
//! It never says the same twice within a minute.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::Level;

/// How long after it was said of a folder the same is not said again.
const QUIET: Duration = Duration::from_secs(60);

type Say = Box<dyn Fn(Level, &str) + Send + Sync>;

/// Who says it, and what was said.
pub(crate) struct Notices {
    say: Say,
    said: Mutex<BTreeMap<PathBuf, Said>>,
}

#[derive(Debug)]
struct Said {
    at: Instant,
    /// It has not been said yet that it is well again.
    ill: bool,
}

impl Notices {
    pub(crate) fn new(say: impl Fn(Level, &str) + Send + Sync + 'static) -> Notices {
        Notices { say: Box::new(say), said: Mutex::default() }
    }

    /// Lines cannot be kept in this folder.
    pub(crate) fn trouble(&self, folder: &Path, file: &str, why: &str) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.get(folder).is_some_and(|said| said.at.elapsed() < QUIET) {
            return;
        }
        said.insert(folder.to_owned(), Said { at: Instant::now(), ill: true });
        drop(said);
        (self.say)(Level::Warn, &format!("lines are not kept in {} ({file}): {why}", folder.display()));
    }

    /// They can again; so many were not kept of one file.
    pub(crate) fn well(&self, folder: &Path, file: &str, lost: u64) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(said) = said.get_mut(folder).filter(|said| said.ill) else { return };
        said.ill = false;
        (self.say)(Level::Info, &format!("lines are kept in {} again; {lost} of {file} were not", folder.display()));
    }
}

impl fmt::Debug for Notices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notices").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn trouble_is_said_once_for_all_files_of_a_folder_and_so_is_its_end() {
        let said = Arc::new(Mutex::new(Vec::new()));
        let to = Arc::clone(&said);
        let notices = Notices::new(move |level, text: &str| to.lock().unwrap().push((level, text.to_owned())));
        let folder = Path::new("/log/robot");
        for file in ["camera.log", "pilot.log", "camera.log"] {
            notices.trouble(folder, file, "no space left");
        }
        for file in ["camera.log", "pilot.log"] {
            notices.well(folder, file, 7);
        }
        notices.trouble(folder, "camera.log", "no space left");
        notices.well(folder, "camera.log", 9);
        let said = said.lock().unwrap();
        assert_eq!(
            *said,
            [
                (Level::Warn, "lines are not kept in /log/robot (camera.log): no space left".to_owned()),
                (Level::Info, "lines are kept in /log/robot again; 7 of camera.log were not".to_owned()),
            ]
        );
    }
}
