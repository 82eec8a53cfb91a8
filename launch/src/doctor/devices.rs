//! Cameras, gamepads, serial ports and the display: what is there, and whether this user may use it.
//! It never opens a device: opening one may change it.

use std::{
    env, fs,
    os::unix::fs::{FileTypeExt, MetadataExt},
    path::{Path, PathBuf},
};

use rustix::fs::{Access, access};

use super::{Finding, State};

/// How many devices of a kind are looked at.
const DEVICES_MAX: usize = 64;

/// A kind of devices, all in one folder.
struct Kind {
    what: &'static str,
    folder: &'static str,
    /// What their names begin with.
    prefixes: &'static [&'static str],
    rights: Access,
    /// Said when there is none.
    absent: &'static str,
}

const KINDS: [Kind; 3] = [
    Kind {
        what: "camera",
        folder: "/dev",
        prefixes: &["video"],
        rights: Access::READ_OK.union(Access::WRITE_OK),
        absent: "none is plugged in; the camera node's device = \"pattern\" needs none",
    },
    Kind {
        what: "gamepad",
        folder: "/dev/input",
        prefixes: &["js"],
        rights: Access::READ_OK,
        absent: "none is plugged in, or its driver is missing (modprobe joydev xpad)",
    },
    Kind {
        what: "serial port",
        folder: "/dev",
        prefixes: &["ttyUSB", "ttyACM", "ttyAMA", "serial"],
        rights: Access::READ_OK.union(Access::WRITE_OK),
        absent: "none is there; the motor node's driver = \"virtual\" needs none",
    },
];

pub(super) fn findings() -> Vec<Finding> {
    let mut findings: Vec<Finding> = KINDS.iter().flat_map(|kind| look(kind, Path::new(kind.folder))).collect();
    findings.push(display(&|name| env::var(name).ok().filter(|value| !value.is_empty())));
    findings
}

fn look(kind: &Kind, folder: &Path) -> Vec<Finding> {
    let mut devices: Vec<PathBuf> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| kind.is_named(&entry.file_name().to_string_lossy()))
        .map(|entry| entry.path())
        .filter(|path| path.metadata().is_ok_and(|found| found.file_type().is_char_device()))
        .take(DEVICES_MAX)
        .collect();
    devices.sort();
    if devices.is_empty() {
        return vec![Finding::new(kind.what, State::Note, kind.absent)];
    }
    let (yours, others): (Vec<_>, Vec<_>) = devices.into_iter().partition(|path| access(path, kind.rights).is_ok());
    let mut findings = Vec::new();
    if !yours.is_empty() {
        let names: Vec<String> = yours.iter().map(|path| path.display().to_string()).collect();
        findings.push(Finding::ok(kind.what, names.join(", ")));
    }
    findings.extend(others.iter().map(|path| refused(kind, path)));
    findings
}

impl Kind {
    fn is_named(&self, name: &str) -> bool {
        let digits = |rest: &str| rest.chars().all(|c| c.is_ascii_digit());
        self.prefixes.iter().any(|prefix| name.strip_prefix(prefix).is_some_and(digits))
    }
}

fn refused(kind: &Kind, path: &Path) -> Finding {
    refused_path(kind.what, path)
}

/// A device that is there but that this user may not use.
pub(super) fn refused_path(what: impl std::fmt::Display, path: &Path) -> Finding {
    let gid = path.metadata().map(|found| found.gid()).ok();
    let group = gid.and_then(group_name).unwrap_or_else(|| "of the device".to_owned());
    let finding = Finding::new(what, State::Bad, format!("{} may not be used by you", path.display()));
    let in_group =
        gid.is_some_and(|gid| rustix::process::getgroups().is_ok_and(|all| all.iter().any(|own| own.as_raw() == gid)));
    if in_group {
        return finding
            .mend(format!("you are in group {group}, but it has no right to it: sudo chmod g+rw {}", path.display()));
    }
    finding.mend(format!("sudo usermod -aG {group} $USER, then log out and in"))
}

/// The name of a group, from /etc/group.
fn group_name(gid: u32) -> Option<String> {
    let groups = fs::read_to_string("/etc/group").ok()?;
    let fields = groups.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let id = gid.to_string();
    fields.into_iter().find(|fields| fields.get(2) == Some(&id.as_str())).map(|fields| fields[0].to_owned())
}

fn display(variable: &dyn Fn(&str) -> Option<String>) -> Finding {
    match (variable("DISPLAY"), variable("WAYLAND_DISPLAY")) {
        (Some(display), _) => Finding::ok("display", format!("X11 at {display}")),
        (None, Some(display)) => Finding::new("display", State::Warn, format!("Wayland at {display}, without X11"))
            .mend("the viewer opens an X11 window: install xwayland"),
        (None, None) => Finding::new("display", State::Note, "none; the viewer needs one (over ssh: ssh -X)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_known_by_their_names() {
        let [camera, gamepad, serial] = &KINDS;
        assert!(camera.is_named("video0") && !camera.is_named("video-x") && !camera.is_named("vcs"));
        assert!(gamepad.is_named("js12") && serial.is_named("ttyACM0") && serial.is_named("serial0"));
        assert!(!serial.is_named("ttyS0"));
    }

    #[test]
    fn no_device_is_no_fault() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("video0"), "a file is no camera").unwrap();
        let findings = look(&KINDS[0], dir.path());
        assert!(matches!(findings.as_slice(), [one] if one.state == State::Note), "{findings:?}");
    }

    #[test]
    fn a_display_is_found_in_the_environment() {
        let with = |name: &'static str| move |asked: &str| (asked == name).then(|| ":0".to_owned());
        assert_eq!(display(&with("DISPLAY")).state, State::Ok);
        assert_eq!(display(&with("WAYLAND_DISPLAY")).state, State::Warn);
        assert_eq!(display(&|_| None).state, State::Note);
    }
}
