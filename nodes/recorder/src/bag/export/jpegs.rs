//! A folder of JPEGs and a table of what was done at each.

use std::{
    fs::{self, File},
    io::{BufWriter, Write},
};

use offboard::DriveMode;

use super::super::{
    failure::{Failure, Result},
    import::{FRAMES, TABLE},
    pairs::{Left, Pairs},
    place::Place,
};

pub(super) fn export(pairs: &Pairs, place: Place) -> Result<Left> {
    let folder = place.folder()?.to_owned();
    let failed = |error: std::io::Error| Failure::at(place.path(), error);
    fs::create_dir(folder.join(FRAMES)).map_err(failed)?;
    let mut table = BufWriter::new(File::create(folder.join(TABLE)).map_err(failed)?);
    writeln!(table, "frame,steering,throttle,stamp_ns,control_stamp_ns,mode").map_err(failed)?;
    let mut count = 0u64;
    let left = pairs.each("writing pictures", |pair| {
        let name = format!("{count:06}.jpg");
        count += 1;
        let jpeg = pair.picture.to_jpeg().map_err(Failure::new)?;
        fs::write(folder.join(FRAMES).join(&name), jpeg).map_err(failed)?;
        let control = pair.control;
        let (steering, throttle, then) = (control.steering, control.throttle, control.stamp_ns);
        writeln!(table, "{name},{steering},{throttle},{},{then},{}", pair.stamp_ns, word(pair.mode)).map_err(failed)
    })?;
    table.into_inner().map_err(|error| failed(error.into_error()))?.sync_all().map_err(failed)?;
    some(&left)?;
    place.finish()?;
    Ok(left)
}

/// An export of nothing is a mistake.
pub(super) fn some(left: &Left) -> Result<()> {
    if left.paired > 0 {
        return Ok(());
    }
    let Left { unmatched, unreadable, erased, .. } = left;
    Err(Failure::new(format!(
        "there is nothing to export: {unmatched} pictures have no control within --tolerance, {unreadable} are unreadable, {erased} erased"
    )))
}

fn word(mode: DriveMode) -> &'static str {
    match mode {
        DriveMode::Model => "model",
        DriveMode::Assist => "assist",
        DriveMode::Shadow => "shadow",
        DriveMode::Human | DriveMode::Unknown => "human",
    }
}
