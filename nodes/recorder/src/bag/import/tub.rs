//! A donkeycar tub (version 2) as moments: `manifest.json` names the catalogs, each line of a catalog is a record, pictures lie in
//! `images/`. Pure reading; it never writes into a tub.

use std::{
    collections::HashSet,
    io::Read as _,
    path::{Path, PathBuf},
};

use offboard::DriveMode;
use serde::Deserialize;
use serde_json::Value;

use super::{
    super::{
        failure::{Failure, Result},
        picture::Picture,
    },
    lines::Lines,
    moment::{Moment, control, plain_name},
};
use crate::files;

/// No manifest that is one is longer: it grows only with what was deleted.
const MANIFEST_MAX: u64 = 64 << 20;
/// No picture is longer.
const PICTURE_MAX: u64 = 64 << 20;

/// A tub that can be read.
#[derive(Debug)]
pub(crate) struct Tub {
    folder: PathBuf,
    catalogs: Vec<String>,
    deleted: HashSet<u64>,
    /// How many records it says it has.
    pub(crate) records: u64,
}

/// The last line of a manifest.
#[derive(Deserialize)]
struct Catalogs {
    paths: Vec<String>,
    #[serde(default)]
    current_index: u64,
    #[serde(default)]
    deleted_indexes: Vec<u64>,
}

/// A line of a catalog, as far as it concerns us.
#[derive(Deserialize)]
struct Record {
    #[serde(rename = "_index")]
    index: u64,
    #[serde(rename = "_timestamp_ms")]
    timestamp_ms: i64,
    #[serde(rename = "cam/image_array")]
    image: String,
    #[serde(rename = "user/angle")]
    angle: f64,
    #[serde(rename = "user/throttle")]
    throttle: f64,
    #[serde(rename = "user/mode", default)]
    mode: Value,
}

impl Tub {
    /// Whether a folder looks like one.
    pub(crate) fn is_there(folder: &Path) -> bool {
        folder.join("manifest.json").is_file()
    }

    /// Reads its manifest.
    pub(crate) fn open(folder: &Path) -> Result<Tub> {
        let path = folder.join("manifest.json");
        let text = read(&path, MANIFEST_MAX)?;
        let text = String::from_utf8(text).map_err(|_| Failure::at(&path, "is no text: not the manifest of a tub"))?;
        // Five lines: inputs, types, metadata, what made it, and the catalogs, which is the one that matters.
        let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        let [_, _, _, _, catalogs] = lines[..] else {
            return Err(Failure::at(&path, format!("has {} lines, not the 5 of a tub of version 2", lines.len())));
        };
        let catalogs: Catalogs = serde_json::from_str(catalogs)
            .map_err(|error| Failure::at(&path, format!("line 5 does not name the catalogs of a tub: {error}")))?;
        for name in &catalogs.paths {
            plain_name(name).map_err(|problem| Failure::at(&path, format!("a catalog: {problem}")))?;
        }
        Ok(Tub {
            folder: folder.to_owned(),
            catalogs: catalogs.paths,
            deleted: catalogs.deleted_indexes.into_iter().collect(),
            records: catalogs.current_index,
        })
    }

    /// Its moments, catalog after catalog; deleted ones say so.
    pub(crate) fn moments(&self) -> impl Iterator<Item = Result<Moment>> + use<'_> {
        self.catalogs.iter().flat_map(move |name| match Lines::of(&self.folder.join(name)) {
            Ok(lines) => Box::new(self.records(lines)) as Box<dyn Iterator<Item = Result<Moment>>>,
            Err(failure) => Box::new(std::iter::once(Err(failure))),
        })
    }

    fn records(&self, mut lines: Lines) -> impl Iterator<Item = Result<Moment>> + use<'_> {
        std::iter::from_fn(move || {
            let line = lines.next()?;
            Some(line.and_then(|(number, line)| self.moment(&line).map_err(|problem| lines.failure(number, &problem))))
        })
    }

    fn moment(&self, line: &str) -> Result<Moment, String> {
        let record: Record = serde_json::from_str(line).map_err(|error| format!("no record of a tub: {error}"))?;
        let path = self.folder.join("images").join(plain_name(&record.image)?);
        let data = read(&path, PICTURE_MAX).map_err(|problem| problem.to_string())?;
        let jpeg = Picture::from_jpeg(data.into()).and_then(|picture| picture.to_jpeg());
        Ok(Moment {
            stamp_ns: record.timestamp_ms.checked_mul(1_000_000).ok_or("its time is no time")?,
            jpeg: jpeg.map_err(|problem| format!("{}: {problem}", path.display()))?,
            steering: control("user/angle", record.angle)?,
            throttle: control("user/throttle", record.throttle)?,
            mode: match record.mode.as_str() {
                Some("local") => DriveMode::Model,
                Some("local_angle") => DriveMode::Assist,
                _ => DriveMode::Human,
            },
            erased: self.deleted.contains(&record.index),
        })
    }
}

/// A whole file that is not too long.
pub(crate) fn read(path: &Path, max: u64) -> Result<Vec<u8>> {
    let failed = |error: std::io::Error| Failure::at(path, error);
    let mut bytes = Vec::new();
    files::open(path).map_err(failed)?.take(max + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > max {
        return Err(Failure::at(path, format!("is longer than the {} MiB that it may have", max >> 20)));
    }
    Ok(bytes)
}
