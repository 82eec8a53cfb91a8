//! A donkeycar tub, version 2: catalogs of a thousand records, their manifests, pictures, and one manifest of all. Erased stretches that
//! are asked for are in it as deleted records.

use std::{fmt::Write as _, fs, io::Write as _, path::PathBuf};

use offboard::DriveMode;
use serde_json::json;

use super::super::{
    failure::{Failure, Result},
    pairs::{Left, Pair, Pairs},
    place::Place,
};
use crate::naming::date;

/// Records of a catalog: what donkeycar writes.
const CATALOG: usize = 1000;

pub(super) fn export(pairs: &Pairs, place: Place) -> Result<Left> {
    let mut tub = Tub { folder: place.folder()?.to_owned(), ..Tub::default() };
    let failed = |error: std::io::Error| Failure::at(place.path(), error);
    fs::create_dir(tub.folder.join("images")).map_err(failed)?;
    let left = pairs.each("writing records", |pair| {
        let jpeg = pair.picture.to_jpeg().map_err(Failure::new)?;
        tub.add(&pair, &jpeg).map_err(failed)
    })?;
    super::jpegs::some(&left)?;
    tub.finish().map_err(failed)?;
    place.finish()?;
    Ok(left)
}

/// A tub being written.
#[derive(Default)]
struct Tub {
    folder: PathBuf,
    records: u64,
    deleted: Vec<u64>,
    /// The catalog under way, and how long its lines are.
    catalog: String,
    lengths: Vec<usize>,
    catalogs: Vec<String>,
    /// When the first record was, in seconds.
    created_at: f64,
    session: String,
}

impl Tub {
    fn add(&mut self, pair: &Pair, jpeg: &[u8]) -> std::io::Result<()> {
        if self.records == 0 {
            self.created_at = pair.stamp_ns as f64 / 1e9;
            self.session = format!("{}_0", day(pair.stamp_ns));
        }
        let index = self.records;
        let image = format!("{index}_cam_image_array_.jpg");
        fs::write(self.folder.join("images").join(&image), jpeg)?;
        let record = json!({
            "_index": index,
            "_session_id": self.session,
            "_timestamp_ms": pair.stamp_ns.div_euclid(1_000_000),
            "cam/image_array": image,
            "user/angle": pair.control.steering,
            "user/mode": mode(pair.mode),
            "user/throttle": pair.control.throttle,
        });
        let before = self.catalog.len();
        let written = writeln!(self.catalog, "{record}");
        debug_assert!(written.is_ok(), "a string takes everything");
        self.lengths.push(self.catalog.len() - before);
        self.records += 1;
        if pair.erased {
            self.deleted.push(index);
        }
        if self.lengths.len() == CATALOG { self.end_catalog() } else { Ok(()) }
    }

    fn end_catalog(&mut self) -> std::io::Result<()> {
        let (text, lengths) = (std::mem::take(&mut self.catalog), std::mem::take(&mut self.lengths));
        let number = self.catalogs.len();
        let name = format!("catalog_{number}.catalog");
        fs::write(self.folder.join(&name), text)?;
        let about = json!({
            "created_at": self.created_at,
            "line_lengths": lengths,
            "path": format!("{name}_manifest"),
            "start_index": number * CATALOG,
        });
        fs::write(self.folder.join(format!("{name}_manifest")), format!("{about}\n"))?;
        self.catalogs.push(name);
        Ok(())
    }

    fn finish(mut self) -> std::io::Result<()> {
        if !self.lengths.is_empty() {
            self.end_catalog()?;
        }
        let sessions = json!({"all_full_ids": [self.session], "last_id": 0, "last_full_id": self.session});
        let lines = [
            json!(["cam/image_array", "user/angle", "user/throttle", "user/mode"]),
            json!(["image_array", "float", "float", "str"]),
            json!({}),
            json!({"created_at": self.created_at, "sessions": sessions}),
            json!({
                "paths": self.catalogs,
                "current_index": self.records,
                "max_len": CATALOG,
                "deleted_indexes": self.deleted,
            }),
        ];
        let mut manifest = fs::File::create(self.folder.join("manifest.json"))?;
        lines.iter().try_for_each(|line| writeln!(manifest, "{line}"))?;
        manifest.sync_all()
    }
}

fn mode(mode: DriveMode) -> &'static str {
    match mode {
        DriveMode::Model => "local",
        DriveMode::Assist => "local_angle",
        DriveMode::Human | DriveMode::Shadow | DriveMode::Unknown => "user",
    }
}

/// The day of a stamp as donkeycar names sessions: yy-mm-dd.
fn day(stamp_ns: i64) -> String {
    let (year, month, day) = date(u64::try_from(stamp_ns / 86_400_000_000_000).unwrap_or(0));
    format!("{:02}-{month:02}-{day:02}", year % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_their_dates() {
        assert_eq!(day(0), "70-01-01");
        assert_eq!(day(951_782_400_000_000_000), "00-02-29");
        assert_eq!(day(1_795_219_200_000_000_000), "26-11-21");
    }
}
