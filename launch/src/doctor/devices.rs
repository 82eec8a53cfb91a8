//! Cameras, gamepads, ports, buses and the display: what is there, and whether this user may use it.
//! It never opens a device: opening one may change it.

use std::{
    env, fs,
    os::unix::fs::FileTypeExt,
    path::{Path, PathBuf},
};

use rustix::fs::{Access, access};

use super::{Finding, State, rights::refused};

/// How many devices of a kind are looked at.
const DEVICES_MAX: usize = 64;

/// ARPHRD_CAN of linux/if_arp.h, as /sys/class/net/NAME/type has it, and IFF_UP of linux/if.h.
const CAN: &str = "280";
const UP: u32 = 1;

/// The buttons of linux/input-event-codes.h that make a device a joystick or a gamepad: from BTN_JOYSTICK to before
/// BTN_DIGI, a tablet's first.
const PAD_BUTTONS: std::ops::Range<usize> = 0x120..0x140;

/// A kind of devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Video,
    Input,
    Serial,
    I2c,
    Gpio,
    Pwm,
    Can,
}

const KINDS: [Kind; 7] = [Kind::Video, Kind::Input, Kind::Serial, Kind::I2c, Kind::Gpio, Kind::Pwm, Kind::Can];

impl Kind {
    /// The kind that a description calls so (`x-device`).
    pub(super) fn of_word(word: &str) -> Option<Kind> {
        Some(match word {
            "video" => Kind::Video,
            "input" => Kind::Input,
            "serial" => Kind::Serial,
            "i2c" => Kind::I2c,
            "gpio" => Kind::Gpio,
            "pwm" => Kind::Pwm,
            "can" => Kind::Can,
            _ => return None,
        })
    }

    /// What people call it.
    pub(super) fn what(self) -> &'static str {
        match self {
            Kind::Video => "camera",
            Kind::Input => "gamepad",
            Kind::Serial => "serial port",
            Kind::I2c => "i2c bus",
            Kind::Gpio => "gpio chip",
            Kind::Pwm => "pwm chip",
            Kind::Can => "can interface",
        }
    }

    /// Whose devices these are on Debian, where they are somebody's.
    pub(super) fn group(self) -> &'static str {
        match self {
            Kind::Video => "video",
            Kind::Input => "input",
            Kind::Serial => "dialout",
            Kind::I2c => "i2c",
            Kind::Gpio | Kind::Pwm | Kind::Can => "gpio",
        }
    }

    /// What udev calls it.
    pub(super) fn subsystem(self) -> &'static str {
        match self {
            Kind::Video => "video4linux",
            Kind::Input => "input",
            Kind::Serial => "tty",
            Kind::I2c => "i2c-dev",
            Kind::Gpio => "gpio",
            Kind::Pwm => "pwm",
            Kind::Can => "net",
        }
    }

    /// Said when there is none.
    pub(super) fn absent(self) -> &'static str {
        match self {
            Kind::Video => "none is plugged in; the camera node's device = \"pattern\" needs none",
            Kind::Input => "none is plugged in, or its driver is missing (modprobe xpad)",
            Kind::Serial => "none is there; the motor node's driver = \"virtual\" needs none",
            Kind::I2c => "none is there, or its driver is missing (modprobe i2c-dev; on a Raspberry Pi: raspi-config)",
            Kind::Gpio => "none is there; a computer's own pins are one, so is a USB adapter",
            Kind::Pwm => "none is there (on a Raspberry Pi: dtoverlay=pwm-2chan in config.txt)",
            Kind::Can => "none is there; an adapter may want its driver (modprobe gs_usb, or slcand)",
        }
    }

    /// Those that are there, by name.
    pub(super) fn there(self) -> Vec<PathBuf> {
        match self {
            Kind::Video => files("/dev", &["video"]),
            Kind::Serial => files("/dev", &["ttyUSB", "ttyACM", "ttyAMA", "serial"]),
            Kind::I2c => files("/dev", &["i2c-"]),
            Kind::Gpio => files("/dev", &["gpiochip"]),
            Kind::Input => files("/dev/input", &["event"]).into_iter().filter(|path| is_pad(path)).collect(),
            Kind::Pwm => entries("/sys/class/pwm", &["pwmchip"]),
            Kind::Can => {
                let mut all = entries("/sys/class/net", &[""]);
                all.retain(|path| fs::read_to_string(path.join("type")).is_ok_and(|kind| kind.trim() == CAN));
                all
            }
        }
    }

    /// Whether this user may use it.
    pub(super) fn is_ours(self, path: &Path) -> bool {
        let file = self.file(path);
        let rights = match self {
            Kind::Input => Access::READ_OK,
            Kind::Pwm => Access::WRITE_OK,
            Kind::Can => return true, // sockets of it are everybody's
            _ => Access::READ_OK | Access::WRITE_OK,
        };
        access(file, rights).is_ok()
    }

    /// How bad it is that one may not be used which no graph names: a computer has buses and chips of its own that no robot wants.
    fn refusal(self) -> State {
        match self {
            Kind::I2c | Kind::Gpio | Kind::Pwm => State::Note,
            _ => State::Bad,
        }
    }

    /// The file whose rights decide.
    fn file(self, path: &Path) -> PathBuf {
        if self == Kind::Pwm { path.join("export") } else { path.to_owned() }
    }
}

pub(super) fn findings() -> Vec<Finding> {
    let mut findings: Vec<Finding> = KINDS.iter().flat_map(|kind| look(*kind, kind.there())).collect();
    findings.push(display(&|name| env::var(name).ok().filter(|value| !value.is_empty())));
    findings
}

fn look(kind: Kind, devices: Vec<PathBuf>) -> Vec<Finding> {
    if devices.is_empty() {
        return vec![Finding::new(kind.what(), State::Note, kind.absent())];
    }
    let (yours, others): (Vec<_>, Vec<_>) = devices.into_iter().partition(|path| kind.is_ours(path));
    let (yours, down): (Vec<_>, Vec<_>) = yours.into_iter().partition(|path| kind != Kind::Can || is_up(path));
    let mut findings = Vec::new();
    if !yours.is_empty() {
        let names: Vec<String> = yours.iter().map(|path| shown(kind, path)).collect();
        findings.push(Finding::ok(kind.what(), names.join(", ")));
    }
    findings.extend(down.iter().map(|path| self::down(kind.what(), path, State::Note)));
    findings.extend(others.iter().map(|path| refused(kind.what(), kind.refusal(), kind, &kind.file(path))));
    findings
}

/// What is told of one that may be used.
pub(super) fn shown(kind: Kind, path: &Path) -> String {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    match kind {
        Kind::Input => match fs::read_to_string(format!("/sys/class/input/{name}/device/name")) {
            Ok(called) => format!("{} ({})", path.display(), called.trim()),
            Err(_) => path.display().to_string(),
        },
        Kind::Pwm => match outputs(path) {
            Some(1) => format!("{name} (1 output)"),
            Some(count) => format!("{name} ({count} outputs)"),
            None => name,
        },
        Kind::Can => name,
        _ => path.display().to_string(),
    }
}

/// An interface that carries nothing yet.
pub(super) fn down(what: impl std::fmt::Display, path: &Path, state: State) -> Finding {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // One that stands for no wire has no bit rate.
    let wire = if path.canonicalize().is_ok_and(|path| path.starts_with("/sys/devices/virtual")) {
        ""
    } else {
        " type can bitrate 500000"
    };
    Finding::new(what, state, format!("{name} is down")).mend(format!("sudo ip link set {name} up{wire}"))
}

/// Whether a network interface is up.
pub(super) fn is_up(path: &Path) -> bool {
    let flags = fs::read_to_string(path.join("flags")).unwrap_or_default();
    u32::from_str_radix(flags.trim().trim_start_matches("0x"), 16).is_ok_and(|flags| flags & UP != 0)
}

/// How many outputs a PWM chip has.
pub(super) fn outputs(chip: &Path) -> Option<u32> {
    fs::read_to_string(chip.join("npwm")).ok()?.trim().parse().ok()
}

/// Whether an input device has a joystick's or a gamepad's buttons: the others are keyboards, mice and power buttons.
fn is_pad(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let keys = fs::read_to_string(format!("/sys/class/input/{name}/device/capabilities/key")).unwrap_or_default();
    has_pad_buttons(&keys)
}

/// Words of hexadecimal digits, the highest first, each as wide as the kernel's.
fn has_pad_buttons(keys: &str) -> bool {
    let width = usize::BITS as usize;
    let words: Vec<u64> =
        keys.split_whitespace().rev().map(|word| u64::from_str_radix(word, 16).unwrap_or(0)).collect();
    PAD_BUTTONS.clone().any(|key| words.get(key / width).is_some_and(|word| word >> (key % width) & 1 == 1))
}

/// The device files of a folder with one of these names and a number.
fn files(folder: &str, prefixes: &[&str]) -> Vec<PathBuf> {
    let mut found = entries(folder, prefixes);
    found.retain(|path| path.metadata().is_ok_and(|found| found.file_type().is_char_device()));
    found
}

/// What a folder holds with one of these names, by name.
fn entries(folder: &str, prefixes: &[&str]) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| is_named(&entry.file_name().to_string_lossy(), prefixes))
        .map(|entry| entry.path())
        .take(DEVICES_MAX)
        .collect();
    found.sort();
    found
}

fn is_named(name: &str, prefixes: &[&str]) -> bool {
    let digits = |rest: &str| rest.chars().all(|c| c.is_ascii_digit());
    prefixes.iter().any(|prefix| prefix.is_empty() || name.strip_prefix(prefix).is_some_and(digits))
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
        assert!(is_named("video0", &["video"]) && !is_named("video-x", &["video"]) && !is_named("vcs", &["video"]));
        let serial = ["ttyUSB", "ttyACM", "ttyAMA", "serial"];
        assert!(is_named("ttyACM0", &serial) && is_named("serial0", &serial) && !is_named("ttyS0", &serial));
        assert!(is_named("i2c-11", &["i2c-"]) && is_named("can0", &[""]));
    }

    #[test]
    fn no_device_is_no_fault() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("video0"), "a file is no camera").unwrap();
        let findings = look(Kind::Video, files(dir.path().to_str().unwrap(), &["video"]));
        assert!(matches!(findings.as_slice(), [one] if one.state == State::Note), "{findings:?}");
    }

    #[test]
    fn a_bus_or_a_chip_that_nobody_asked_for_is_no_fault() {
        // What is not there may not be used either, not even by root.
        for (kind, state) in [
            (Kind::Video, State::Bad),
            (Kind::Input, State::Bad),
            (Kind::Serial, State::Bad),
            (Kind::I2c, State::Note),
            (Kind::Gpio, State::Note),
            (Kind::Pwm, State::Note),
        ] {
            let findings = look(kind, vec![PathBuf::from("/nowhere/device")]);
            let [one] = &findings[..] else { panic!("{findings:?}") };
            assert_eq!(one.state, state, "{one:?}");
            assert!(one.found.ends_with("may not be used by you") && one.mend.is_some(), "{one:?}");
        }
    }

    #[test]
    fn pads_are_known_by_their_buttons() {
        // As an Xbox pad, a mouse and a keyboard have it on a machine of 64 bits.
        assert!(has_pad_buttons("7cdb000000000000 0 0 0 0\n") && has_pad_buttons("8000000000000000 0 0 0 0\n"));
        assert!(
            !has_pad_buttons("ff0000 0 0 0 0\n")
                && !has_pad_buttons("10000000000007 ff9f207ac14057ff febeffdfffefffff fffffffffffffffe\n")
        );
        assert!(!has_pad_buttons(""));
    }

    #[test]
    fn a_display_is_found_in_the_environment() {
        let with = |name: &'static str| move |asked: &str| (asked == name).then(|| ":0".to_owned());
        assert_eq!(display(&with("DISPLAY")).state, State::Ok);
        assert_eq!(display(&with("WAYLAND_DISPLAY")).state, State::Warn);
        assert_eq!(display(&|_| None).state, State::Note);
    }
}
