//! Why a device file cannot be opened, in words for the person who can mend it. It never opens one.

use std::{fs, io, path::Path};

use offboard::device::permission;

/// The most of its neighbours that a message names.
const SHOWN_MAX: usize = 8;

/// What opening `path` failed with, and how that is mended; `absent` says how such a device comes to be there.
pub(super) fn explained(path: &Path, error: &io::Error, absent: &str) -> io::Error {
    let words = match error.kind() {
        io::ErrorKind::PermissionDenied => format!("permission denied: {}", permission(path)),
        io::ErrorKind::NotFound => format!("it is not there; {}", present(path, absent)),
        _ => error.to_string(),
    };
    io::Error::new(error.kind(), words)
}

/// Those of its kind that are there: its neighbours whose names differ in the number only.
fn present(path: &Path, absent: &str) -> String {
    let kind = kind(path);
    let entries = path.parent().and_then(|folder| fs::read_dir(folder).ok()).into_iter().flatten().flatten();
    let mut there: Vec<String> = entries
        .map(|entry| entry.path())
        .filter(|other| self::kind(other) == kind)
        .map(|other| other.display().to_string())
        .collect();
    there.sort();
    there.truncate(SHOWN_MAX);
    if there.is_empty() { absent.to_owned() } else { format!("there is {}", there.join(", ")) }
}

/// A name without the number at its end.
fn kind(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default().trim_end_matches(|c: char| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_is_missing_is_told_with_what_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let missing = dir.path().join("i2c-1");
        let error = io::Error::from(io::ErrorKind::NotFound);
        assert_eq!(explained(&missing, &error, "no bus is there").to_string(), "it is not there; no bus is there");
        for name in ["i2c-7", "i2c-0", "video0"] {
            fs::write(dir.path().join(name), "").unwrap();
        }
        let there = format!("it is not there; there is {0}/i2c-0, {0}/i2c-7", dir.path().display());
        assert_eq!(explained(&missing, &error, "no bus is there").to_string(), there);
    }

    #[test]
    fn who_may_not_is_told_how_to_be_let_in() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("i2c-1");
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let denied = explained(&path, &io::Error::from(io::ErrorKind::PermissionDenied), "").to_string();
        assert_eq!(denied, "permission denied: only root may use it: give it to a group by a udev rule");
    }

    #[test]
    fn another_error_stays_as_it_is() {
        let error = io::Error::from_raw_os_error(16);
        assert_eq!(explained(Path::new("/dev/i2c-1"), &error, "").to_string(), error.to_string());
    }
}
