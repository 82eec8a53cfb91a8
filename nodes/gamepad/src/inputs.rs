//! The gamepads that the kernel knows, whether or not they may be opened: why a pad that is plugged in is not read.
//! It opens a device only to see whether that is allowed, and never reads from one.

use std::{
    fs::{self, OpenOptions},
    io,
    path::{Path, PathBuf},
};

use offboard::device::permission;

/// Where device files of inputs lie.
const DEV: &str = "/dev/input";

/// Where the kernel shows inputs, to everybody.
const SYS: &str = "/sys/class/input";

/// The codes of joystick and gamepad buttons, from linux/input-event-codes.h.
const BUTTONS: std::ops::Range<usize> = 0x120..0x140;

/// The width of the words that the kernel shows this process, whatever its own.
const WORD: usize = usize::BITS as usize;

/// The lowest face button's code.
const SOUTH: usize = 0x130;

/// A gamepad as the kernel shows it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Input {
    /// What it calls itself.
    name: String,
    /// Its device file.
    path: PathBuf,
    /// Whether it has the lowest face button, by which a pad without a known layout is told from other things.
    south: bool,
}

impl Input {
    fn says(&self) -> String {
        format!("\"{}\" ({})", self.name, self.path.display())
    }
}

/// Why no gamepad can be read here, if there is a reason beyond that none is plugged in.
pub(crate) fn why_none() -> Option<String> {
    why_none_in(Path::new(DEV), Path::new(SYS))
}

/// Whether the kernel shows a gamepad behind a device file: touchpads and tablets have axes and buttons too.
pub(crate) fn is_gamepad(path: &Path) -> bool {
    let file = path.file_name().and_then(|name| name.to_str());
    // Where the kernel shows nothing, nothing is known against it.
    !Path::new(SYS).exists() || file.is_some_and(|file| pad(file, Path::new(DEV), Path::new(SYS)).is_some())
}

fn why_none_in(dev: &Path, sys: &Path) -> Option<String> {
    if !dev.is_dir() {
        return Some(format!("there is no {}: this machine (or container) shows no input devices", dev.display()));
    }
    let pads = seen(dev, sys);
    let refused = pads.iter().find_map(|pad| Some((pad, opened(&pad.path).err()?)));
    if let Some((pad, error)) = refused {
        return Some(refusal(pad, &error));
    }
    let strange: Vec<&Input> = pads.iter().filter(|pad| !pad.south).collect();
    let first = strange.first()?;
    Some(format!(
        "{} has no known layout and no BTN_SOUTH: name it (device = \"{}\") and say in map what its buttons are (gamepad --list)",
        first.says(),
        first.name
    ))
}

/// Why a pad cannot be opened and how that is mended.
fn refusal(pad: &Input, error: &io::Error) -> String {
    let says = pad.says();
    match error.kind() {
        io::ErrorKind::NotFound => {
            format!("{says} is plugged in but has no device file here: a container must be given {DEV}")
        }
        io::ErrorKind::PermissionDenied => format!("{says} may not be opened: {}", permission(&pad.path)),
        _ => format!("{says} cannot be opened: {error}"),
    }
}

fn opened(path: &Path) -> io::Result<()> {
    OpenOptions::new().read(true).write(true).open(path).map(drop)
}

/// The gamepads that the kernel shows: at least two axes and a button of a joystick or gamepad.
fn seen(dev: &Path, sys: &Path) -> Vec<Input> {
    let Ok(entries) = fs::read_dir(sys) else { return Vec::new() };
    let mut files: Vec<String> = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
    files.retain(|file| file.starts_with("event"));
    files.sort();
    files.iter().filter_map(|file| pad(file, dev, sys)).collect()
}

fn pad(file: &str, dev: &Path, sys: &Path) -> Option<Input> {
    let of = sys.join(file).join("device");
    let bits = |what: &str| bits(&fs::read_to_string(of.join("capabilities").join(what)).unwrap_or_default(), WORD);
    let (keys, axes) = (bits("key"), bits("abs"));
    let is_pad = axes.len() >= 2 && keys.iter().any(|key| BUTTONS.contains(key));
    let name = fs::read_to_string(of.join("name")).unwrap_or_default().trim().to_owned();
    is_pad.then(|| Input { name, path: dev.join(file), south: keys.contains(&SOUTH) })
}

/// The numbers of the bits that are set in the kernel's words: hexadecimal, of this width, the highest first.
fn bits(text: &str, width: usize) -> Vec<usize> {
    let words = text.split_whitespace().rev().map(|word| u64::from_str_radix(word, 16).unwrap_or(0));
    words
        .enumerate()
        .flat_map(|(index, word)| {
            (0..width).filter(move |bit| word >> bit & 1 == 1).map(move |bit| index * width + bit)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine whose kernel shows one pad.
    fn machine(keys: &str, with_file: bool) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let of = dir.path().join("sys/event7/device/capabilities");
        fs::create_dir_all(&of).unwrap();
        fs::create_dir_all(dir.path().join("sys/mouse0")).unwrap();
        fs::create_dir_all(dir.path().join("dev")).unwrap();
        fs::write(of.join("key"), keys).unwrap();
        fs::write(of.join("abs"), "3\n").unwrap();
        fs::write(of.join("../name"), "Pad\n").unwrap();
        if with_file {
            fs::write(dir.path().join("dev/event7"), "").unwrap();
        }
        dir
    }

    fn why(dir: &tempfile::TempDir) -> Option<String> {
        why_none_in(&dir.path().join("dev"), &dir.path().join("sys"))
    }

    #[test]
    fn a_missing_folder_of_devices_is_named() {
        let why = why_none_in(Path::new("/nowhere/input"), Path::new("/nowhere")).unwrap();
        assert_eq!(why, "there is no /nowhere/input: this machine (or container) shows no input devices");
    }

    #[test]
    fn the_bits_of_the_kernels_words_are_numbered_from_the_last() {
        assert_eq!(bits("3\n", 64), [0, 1]);
        assert_eq!(bits("7cdb000000000000 0 0 0 0\n", 64)[0], SOUTH);
        assert_eq!(bits("7cdb0000 0 0 0 0 0 0 0 0 0\n", 32)[0], SOUTH);
        assert_eq!((bits("1 0", 64), bits("1 0", 32)), (vec![64], vec![32]));
        assert_eq!(bits("no hex", 64), [0_usize; 0]);
    }

    #[test]
    fn a_pad_that_may_be_opened_is_no_reason() {
        assert_eq!(why(&machine("7cdb000000000000 0 0 0 0", true)), None);
    }

    #[test]
    fn a_pad_without_its_device_file_is_a_containers() {
        let why = why(&machine("7cdb000000000000 0 0 0 0", false)).unwrap();
        assert!(
            why.ends_with("is plugged in but has no device file here: a container must be given /dev/input"),
            "{why}"
        );
    }

    #[test]
    fn a_pad_without_the_usual_buttons_is_named_with_what_to_write() {
        let why = why(&machine("fff00000000 0 0 0 0", true)).unwrap();
        assert!(why.contains("has no known layout and no BTN_SOUTH: name it (device = \"Pad\")"), "{why}");
    }

    #[test]
    fn a_keyboard_or_a_touchpad_is_no_gamepad() {
        assert_eq!(why(&machine("e520 10000 0 0 0 0", true)), None);
        assert_eq!(seen(Path::new("/dev"), &machine("1000000000000 0 0 0", false).path().join("sys")), []);
    }

    #[test]
    fn a_file_that_belongs_to_no_group_but_roots_needs_a_rule() {
        let pad = Input { name: "Pad".into(), path: "/dev/null".into(), south: true };
        let text = refusal(&pad, &io::ErrorKind::PermissionDenied.into());
        assert!(text.contains("only root may use it: give it to a group by a udev rule"), "{text}");
    }
}
