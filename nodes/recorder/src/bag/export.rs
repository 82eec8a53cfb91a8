//! `bag export`: pictures with the controls that belong to them, as a folder of JPEGs with a table, a donkeycar tub, a LeRobot data set,
//! or a film. Pairs are made by stamp; what has no partner is counted and left out.

use std::path::Path;

use super::{
    failure::Result,
    pairs::{Left, Pairs, Wish},
    place::Place,
};

mod film;
mod jpegs;
mod lerobot;
mod tub;

/// What a recording can become.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Form {
    /// A folder of JPEGs (frames/) with a table of the controls (controls.csv); bag import reads it.
    Jpegs,
    /// A donkeycar tub, version 2; bag import reads it.
    Tub,
    /// A LeRobot data set, version 3.0: parquet tables and an H.264 film. Its `timestamp` runs on the even grid that the format
    /// asks for; when each picture truly was is in the column `stamp_ns`.
    Lerobot,
    /// An MP4 film, each picture shown for as long as it was.
    Mp4,
}

impl Form {
    /// What the result is called when nobody says.
    pub(crate) fn ending(self) -> &'static str {
        match self {
            Form::Jpegs => "jpegs",
            Form::Tub => "tub",
            Form::Lerobot => "lerobot",
            Form::Mp4 => "mp4",
        }
    }
}

/// What came of it.
#[derive(Debug, Clone)]
pub(crate) struct Exported {
    pub(crate) left: Left,
    pub(crate) pictures: String,
    pub(crate) controls: String,
}

/// Exports a recording.
pub(crate) fn export(from: &Path, to: &Path, form: Form, task: &str, wish: Wish) -> Result<Exported> {
    let place = Place::new(to, false)?;
    let pairs = Pairs::of(from, wish)?;
    let left = match form {
        Form::Jpegs => jpegs::export(&pairs, place),
        Form::Tub => tub::export(&pairs, place),
        Form::Lerobot => lerobot::export(&pairs, place, task),
        Form::Mp4 => film::export(&pairs, place),
    }?;
    Ok(Exported { left, pictures: pairs.pictures().to_owned(), controls: pairs.controls().to_owned() })
}
