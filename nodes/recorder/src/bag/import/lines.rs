//! Lines of a file that may be anything: each of a limited length, with its number.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
};

use super::super::failure::{Failure, Result};
use crate::files;

/// No line that is one is longer.
const LINE_MAX: u64 = 1 << 20;

/// The lines of a file, numbered from 1. Ends at the first that is none.
#[derive(Debug)]
pub(crate) struct Lines {
    path: PathBuf,
    file: BufReader<File>,
    number: u64,
    broken: bool,
}

impl Lines {
    /// Of this file.
    pub(crate) fn of(path: &Path) -> Result<Lines> {
        let file = files::open(path).map_err(|error| Failure::at(path, error))?;
        Ok(Lines { path: path.to_owned(), file: BufReader::new(file), number: 0, broken: false })
    }

    /// What is wrong with a line.
    pub(crate) fn failure(&self, number: u64, problem: &str) -> Failure {
        Failure::at(&self.path, format!("line {number}: {problem}"))
    }

    fn line(&mut self) -> Result<Option<String>> {
        let mut line = Vec::new();
        let read = self.file.by_ref().take(LINE_MAX + 1).read_until(b'\n', &mut line);
        match read.map_err(|error| Failure::at(&self.path, error))? {
            0 => Ok(None),
            length if length as u64 > LINE_MAX => {
                Err(self.failure(self.number, "is over 1 MiB long: this is no such file"))
            }
            _ => match String::from_utf8(line) {
                Ok(line) => Ok(Some(line.trim().to_owned())),
                Err(_) => Err(self.failure(self.number, "is no text: this is no such file")),
            },
        }
    }
}

impl Iterator for Lines {
    type Item = Result<(u64, String)>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.broken {
            self.number += 1;
            match self.line() {
                Ok(Some(line)) if line.is_empty() => {}
                Ok(line) => return line.map(|line| Ok((self.number, line))),
                Err(failure) => {
                    self.broken = true;
                    return Some(Err(failure));
                }
            }
        }
        None
    }
}
