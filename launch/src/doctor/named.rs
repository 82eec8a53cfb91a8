//! The devices that a node's parameters name: whether each is there and may be used. Which parameters these are, the node's program
//! says of itself (`x-device`); of a foreign program's, paths under /dev are. It never opens a device.

use std::path::{Path, PathBuf};

use offboard::graph::{Description, NodeSpec};
use serde_json::Value;

use super::{
    Finding, State,
    devices::{self, Kind},
    rights::refused,
};

/// How many names are looked at in one parameter.
const NAMES_MAX: usize = 16;

/// What is to be said of the devices of a node; `what` is how the node is called.
pub(super) fn findings(what: &str, spec: &NodeSpec, said: Option<&Description>) -> Vec<Finding> {
    let schema = said.and_then(|said| said.params.as_ref());
    let properties = schema.and_then(|schema| schema["properties"].as_object());
    let mut findings: Vec<Finding> = Vec::new();
    for (name, value) in &spec.params {
        let property = properties.and_then(|properties| properties.get(name)).unwrap_or(&Value::Null);
        let kind = property["x-device"].as_str().and_then(Kind::of_word);
        if kind.is_some() && !applies(property, spec) {
            continue;
        }
        let names = match value {
            Value::Array(items) => items.iter().take(NAMES_MAX).collect(),
            one => vec![one],
        };
        for finding in names.into_iter().filter_map(|one| finding(what, kind, one)) {
            // Two lines of one chip are one chip.
            if !findings.contains(&finding) {
                findings.push(finding);
            }
        }
    }
    findings
}

/// Whether the parameter counts, as the others are (`x-when`).
fn applies(property: &Value, spec: &NodeSpec) -> bool {
    let conditions = property["x-when"].as_object();
    conditions.into_iter().flatten().all(|(name, values)| {
        let value = spec.params.get(name).unwrap_or(&Value::Null);
        values.as_array().is_some_and(|values| values.contains(value))
    })
}

fn finding(what: &str, kind: Option<Kind>, value: &Value) -> Option<Finding> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) if kind == Some(Kind::Video) => format!("/dev/video{}", number.as_u64()?),
        _ => return None,
    };
    match kind {
        Some(Kind::Can) => Some(can(what, &text)),
        Some(Kind::Pwm) => Some(pwm(what, &text)),
        Some(Kind::Gpio) => gpio(what, &text),
        kind => text.starts_with("/dev/").then(|| file(what, kind.unwrap_or(kind_of(&text)), Path::new(&text))),
    }
}

/// What a path tells of its kind.
fn kind_of(path: &str) -> Kind {
    if path.starts_with("/dev/video") || path.starts_with("/dev/v4l") {
        Kind::Video
    } else if path.starts_with("/dev/input") {
        Kind::Input
    } else {
        Kind::Serial
    }
}

fn file(what: &str, kind: Kind, path: &Path) -> Finding {
    if !path.exists() {
        return absent(what, kind, path.display());
    }
    if kind.is_ours(path) {
        return Finding::ok(what, format!("{} is there", devices::shown(kind, path)));
    }
    refused(what, State::Bad, kind, path)
}

/// Something that is not there, and what is.
fn absent(what: &str, kind: Kind, name: impl std::fmt::Display) -> Finding {
    let there: Vec<String> = kind.there().iter().map(|path| devices::shown(kind, path)).collect();
    let mend = if there.is_empty() {
        format!("{}: {}", kind.what(), kind.absent())
    } else {
        format!("is it plugged in? There is {}; the file or --set says which is used", there.join(", "))
    };
    Finding::new(what, State::Bad, format!("{name} is not there")).mend(mend)
}

/// A line that is written by its name, or with its chip's label, may be on any chip: which, only who opens them learns.
fn gpio(what: &str, line: &str) -> Option<Finding> {
    match chip_of(line) {
        Some(path) => Some(file(what, Kind::Gpio, &path)),
        None => Kind::Gpio.there().is_empty().then(|| absent(what, Kind::Gpio, format!("a chip with the line {line}"))),
    }
}

/// The chip's file of a line that is written `gpiochip0/17` or `/dev/gpiochip0/17`.
fn chip_of(line: &str) -> Option<PathBuf> {
    let (chip, _) = line.rsplit_once('/')?;
    let chip = chip.strip_prefix("/dev/").unwrap_or(chip);
    chip.starts_with("gpiochip").then(|| Path::new("/dev").join(chip))
}

/// `pwmchip0/1`, or with a chip that is written by its device's name or its path.
fn pwm(what: &str, output: &str) -> Finding {
    let (chip, number) = output.rsplit_once('/').unwrap_or((output, ""));
    let direct = Path::new("/sys/class/pwm").join(chip);
    let named = |path: &PathBuf| {
        path.join("device").canonicalize().is_ok_and(|device| device.file_name().is_some_and(|name| name == chip))
    };
    let found = if direct.exists() { Some(direct) } else { Kind::Pwm.there().into_iter().find(named) };
    let Some(path) = found else { return absent(what, Kind::Pwm, chip) };
    let Some(count) = devices::outputs(&path) else { return absent(what, Kind::Pwm, chip) };
    if !number.parse::<u32>().is_ok_and(|number| number < count) {
        return Finding::new(what, State::Bad, format!("{chip} has no output {number}"))
            .mend(format!("its outputs are 0 to {}", count.saturating_sub(1)));
    }
    if Kind::Pwm.is_ours(&path) {
        return Finding::ok(what, format!("{} is there", devices::shown(Kind::Pwm, &path)));
    }
    refused(what, State::Bad, Kind::Pwm, &path.join("export"))
}

fn can(what: &str, name: &str) -> Finding {
    match Kind::Can.there().into_iter().find(|path| path.file_name().is_some_and(|there| there == name)) {
        None => absent(what, Kind::Can, name),
        Some(path) if devices::is_up(&path) => Finding::ok(what, format!("{name} is up")),
        Some(path) => devices::down(what, &path, State::Bad),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_number_is_a_camera_only_where_the_program_says_so() {
        let seen = finding("far eye", Some(Kind::Video), &json!(4_000_000)).unwrap();
        assert_eq!((seen.state, seen.found.as_str()), (State::Bad, "/dev/video4000000 is not there"));
        for kind in [None, Some(Kind::Input), Some(Kind::I2c), Some(Kind::Can)] {
            assert_eq!(finding("far eye", kind, &json!(4_000_000)), None, "{kind:?}");
        }
    }

    #[test]
    fn what_a_camera_replays_is_no_device() {
        for text in ["pattern", "drive/frames", "/home/robot/drive.mjpeg"] {
            assert_eq!(finding("far eye", Some(Kind::Video), &json!(text)), None, "{text}");
        }
    }

    #[test]
    fn a_gpio_chip_is_looked_for_only_where_the_line_says_its_file() {
        let file = |line: &str| chip_of(line).map(|path| path.display().to_string());
        assert_eq!(file("gpiochip0/17").as_deref(), Some("/dev/gpiochip0"));
        assert_eq!(file("/dev/gpiochip0/17").as_deref(), Some("/dev/gpiochip0"));
        for line in ["pinctrl-bcm2711/17", "GPIO17", "LED/green"] {
            assert_eq!(file(line), None, "{line}");
        }
    }
}
