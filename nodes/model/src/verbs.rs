//! What the verbs of the program share: how they begin, end, and treat files. A verb that fails says one line.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};

/// Runs a verb with its words, the verb itself first: 0 when it went well, 1 with one line when it did not, 2 for wrong usage.
pub(crate) fn run<A: Parser>(words: &[String], verb: impl FnOnce(&A) -> Result<(), String>) -> ExitCode {
    let args = match A::try_parse_from(words) {
        Ok(args) => args,
        Err(error) => {
            drop(error.print());
            return ExitCode::from(error.exit_code() as u8);
        }
    };
    match verb(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{}", why.replace('\n', " "));
            ExitCode::FAILURE
        }
    }
}

/// A bar over the bytes of a file.
pub(crate) fn bytes_bar(path: &Path, quiet: bool) -> ProgressBar {
    let bytes = fs::metadata(path).map_or(0, |meta| meta.len());
    let bar = if quiet { ProgressBar::hidden() } else { ProgressBar::new(bytes) };
    if let Ok(style) = ProgressStyle::with_template("{prefix} {bar:30} {bytes}/{total_bytes} {eta}") {
        bar.set_style(style);
    }
    bar.set_prefix(path.file_name().unwrap_or_default().to_string_lossy().into_owned());
    bar
}

/// Whether something can be written there, asked before the work instead of after it.
///
/// # Errors
/// One line that names the place.
pub(crate) fn check_output(path: &Path) -> Result<(), String> {
    if path.is_dir() {
        return Err(format!("{} is a folder; name a file in it", path.display()));
    }
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !folder.is_dir() {
        return Err(format!("{}: there is no folder {}", path.display(), folder.display()));
    }
    rustix::fs::access(folder, rustix::fs::Access::WRITE_OK)
        .map_err(|error| format!("{}: nothing can be written to {}: {error}", path.display(), folder.display()))
}

/// A folder that comes into being whole: filled under another name beside it, then renamed.
#[derive(Debug)]
pub(crate) struct NewFolder {
    path: PathBuf,
    filling: PathBuf,
}

impl NewFolder {
    /// Begins to fill it.
    ///
    /// # Errors
    /// One line when it is there already or cannot be made.
    pub(crate) fn begin(path: &Path) -> Result<NewFolder, String> {
        if path.symlink_metadata().is_ok() {
            return Err(format!("{} is there already; remove it, or name another", path.display()));
        }
        check_output(path)?;
        let mut name = path.file_name().ok_or_else(|| format!("{} is no name", path.display()))?.to_owned();
        name.push(format!(".{}.part", std::process::id()));
        let filling = path.with_file_name(name);
        fs::create_dir(&filling).map_err(|error| format!("{}: {error}", filling.display()))?;
        Ok(NewFolder { path: path.to_owned(), filling })
    }

    /// Where it is filled.
    pub(crate) fn filling(&self) -> &Path {
        &self.filling
    }

    /// Gives it its name.
    ///
    /// # Errors
    /// One line when it cannot be renamed.
    pub(crate) fn finish(self) -> Result<(), String> {
        fs::rename(&self.filling, &self.path).map_err(|error| format!("{}: {error}", self.path.display()))
    }
}

impl Drop for NewFolder {
    fn drop(&mut self) {
        if self.filling.exists() {
            drop(fs::remove_dir_all(&self.filling));
        }
    }
}
