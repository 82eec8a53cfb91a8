//! Why a camera cannot be used, in words that say what to do about it. It never touches the camera itself.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process,
};

use offboard::device::permission;

/// Why a camera gives no picture.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// It is not there.
    Gone(String),
    /// It is there and does not do as asked: another of its modes may.
    Refused(String),
    /// It is there and does nothing for us at present, whatever the mode.
    Unusable(String),
}

impl Trouble {
    /// What went wrong at the device file `path`.
    pub(crate) fn at(path: &Path, error: &io::Error) -> Trouble {
        Trouble::coded(path, error.raw_os_error(), &error.to_string())
    }

    /// The same from an error that only its text is left of: "… (os error 16)".
    pub(crate) fn told(path: &Path, text: &str) -> Trouble {
        let code = text.rsplit_once("os error ").and_then(|(_, rest)| rest.trim_end_matches(')').parse().ok());
        Trouble::coded(path, code, text)
    }

    fn coded(path: &Path, code: Option<i32>, text: &str) -> Trouble {
        match code {
            Some(EACCES) => Trouble::Unusable(format!("permission denied: {}", permission(path))),
            Some(EBUSY) => Trouble::Unusable(busy(&users(path, Path::new("/proc")))),
            Some(ENODEV | ENXIO) => Trouble::Unusable("it was unplugged".to_owned()),
            _ => Trouble::Refused(text.to_owned()),
        }
    }

    /// What it is.
    pub(crate) fn problem(self) -> String {
        match self {
            Trouble::Gone(problem) | Trouble::Refused(problem) | Trouble::Unusable(problem) => problem,
        }
    }
}

const ENXIO: i32 = 6;
const EACCES: i32 = 13;
const EBUSY: i32 = 16;
const ENODEV: i32 = 19;

/// There is no such device file; what there is instead.
pub(crate) fn missing(path: &Path, error: &io::Error) -> Trouble {
    let names: Vec<String> = nodes().into_iter().map(|(number, _, name)| format!("{number} ({name})")).collect();
    let here =
        if names.is_empty() { "there is no camera here".to_owned() } else { format!("here are {}", names.join(", ")) };
    Trouble::Gone(format!("{}: {error}; {here}", path.display()))
}

/// The video devices of this machine: number, device file and name. Read from /dev ourselves: nokhwa's own list panics on a name
/// without a number.
pub(crate) fn nodes() -> Vec<(u32, PathBuf, String)> {
    let entries = fs::read_dir("/dev").into_iter().flatten().flatten();
    let mut nodes: Vec<_> = entries
        .filter_map(|entry| {
            let number = number_in(&entry.path())?;
            let name = fs::read_to_string(format!("/sys/class/video4linux/video{number}/name")).unwrap_or_default();
            Some((number, entry.path(), name.trim().to_owned()))
        })
        .collect();
    nodes.sort();
    nodes
}

/// N of `…/videoN`.
pub(crate) fn number_in(path: &Path) -> Option<u32> {
    path.file_name()?.to_str()?.strip_prefix("video")?.parse().ok()
}

fn busy(users: &[String]) -> String {
    match users {
        [] => "it is busy: another program uses it".to_owned(),
        users => format!("it is busy: {} uses it", users.join(" and ")),
    }
}

/// Who else has this file open, as far as this user may know.
fn users(path: &Path, proc: &Path) -> Vec<String> {
    let own = process::id().to_string();
    let processes = fs::read_dir(proc).into_iter().flatten().flatten();
    let mut users: Vec<String> = processes
        .filter(|entry| entry.file_name().to_str().is_some_and(|name| name != own && name.parse::<u32>().is_ok()))
        .filter(|entry| {
            let files = fs::read_dir(entry.path().join("fd")).into_iter().flatten().flatten();
            files.into_iter().any(|file| fs::read_link(file.path()).is_ok_and(|target| target == path))
        })
        .map(|entry| {
            let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
            format!("{} (process {})", name.trim(), entry.file_name().display())
        })
        .collect();
    users.sort();
    users
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn refused(text: &str) -> String {
        Trouble::told(Path::new("/dev/null"), text).problem()
    }

    #[test]
    fn errors_say_what_to_do() {
        assert_eq!(refused("No such device (os error 19)"), "it was unplugged");
        assert!(refused("V4L2 Error: Device or resource busy (os error 16)").starts_with("it is busy: "));
        let busy = Trouble::told(Path::new("/dev/null"), "(os error 16)");
        assert!(matches!(busy, Trouble::Unusable(_)), "no other mode will do better: {busy:?}");
        let other = "Could not capture frame: Input/output error (os error 5)";
        assert_eq!(refused(other), other);
        let io = io::Error::from_raw_os_error(EACCES);
        assert_eq!(Trouble::at(Path::new("/dev/null"), &io), Trouble::told(Path::new("/dev/null"), "… (os error 13)"));
    }

    #[test]
    fn who_uses_a_busy_camera_is_named() {
        let proc = tempfile::tempdir().unwrap();
        for (id, name, file) in
            [("7", "cheese\n", "/dev/video0"), ("8", "sh\n", "/dev/tty"), ("self", "x", "/dev/video0")]
        {
            fs::create_dir_all(proc.path().join(id).join("fd")).unwrap();
            fs::write(proc.path().join(id).join("comm"), name).unwrap();
            symlink(file, proc.path().join(id).join("fd/3")).unwrap();
        }
        let users = users(Path::new("/dev/video0"), proc.path());
        assert_eq!(busy(&users), "it is busy: cheese (process 7) uses it");
        assert_eq!(busy(&[]), "it is busy: another program uses it");
    }

    #[test]
    fn a_missing_camera_is_named_with_what_there_is() {
        let Trouble::Gone(problem) = missing(Path::new("/dev/video77"), &io::Error::from_raw_os_error(2)) else {
            panic!("it is gone");
        };
        assert!(problem.starts_with("/dev/video77: No such file or directory (os error 2); "), "{problem}");
        assert!(problem.contains("here"), "{problem}");
    }

    #[test]
    fn a_device_file_has_its_number() {
        assert_eq!(number_in(Path::new("/dev/video12")), Some(12));
        assert_eq!(number_in(Path::new("/dev/video")), None);
        assert_eq!(number_in(Path::new("/dev/video1x")), None);
    }
}
