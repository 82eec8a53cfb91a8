//! Names of recordings. It never gives a name that is taken.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use crate::params::Target;

/// The ending of recordings.
pub(crate) const ENDING: &str = "mcap";
/// How many names are tried: more files of one second there are not.
const TRIES: u32 = 10_000;

/// Makes a new file under the next free name.
pub(crate) fn create(target: &Target) -> io::Result<(PathBuf, File)> {
    fs::create_dir_all(&target.dir)?;
    let mut stem = target.stem.clone();
    if target.dated {
        stem = format!("{stem}-{}", stamp(SystemTime::now()));
    }
    for number in 1..TRIES {
        let path =
            target.dir.join(if number == 1 { format!("{stem}.{ENDING}") } else { format!("{stem}-{number}.{ENDING}") });
        match File::options().write(true).create_new(true).open(&path) {
            Ok(file) => return Ok((path, file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::new(io::ErrorKind::AlreadyExists, "ten thousand recordings of that name are there"))
}

/// Whether a recorder with this target would give a file such a name.
pub(crate) fn is_ours(target: &Target, path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let Some(rest) = name.strip_prefix(&target.stem).and_then(|rest| rest.strip_suffix(".mcap")) else { return false };
    rest.is_empty()
        || rest.strip_prefix('-').is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-'))
}

/// `YYYYmmdd-HHMMSS` in universal time.
fn stamp(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = date(days);
    format!("{year:04}{month:02}{day:02}-{:02}{:02}{:02}", second / 3600, second / 60 % 60, second % 60)
}

/// Year, month and day, so many days after 1970-01-01. Years begin in March here, so that the odd day of a leap year is the last.
pub(crate) fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468; // since 0000-03-01
    let (era, day) = (days / 146_097, days % 146_097); // 400 years
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153; // from March
    let first = (153 * month + 2) / 5;
    let year = era * 400 + year + u64::from(month >= 10);
    (year, if month < 10 { month + 3 } else { month - 9 }, day - first + 1)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_stamp_is_a_date_in_universal_time() {
        let cases = [
            (0, "19700101-000000"),
            (951_782_400, "20000229-000000"),
            (1_709_251_199, "20240229-235959"),
            (1_798_761_600, "20270101-000000"),
            (4_107_542_400, "21000301-000000"),
        ];
        for (seconds, text) in cases {
            assert_eq!(stamp(UNIX_EPOCH + Duration::from_secs(seconds)), text);
        }
    }
}
