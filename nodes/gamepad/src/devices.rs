//! The gamepads of this machine as people see them: `gamepad --list`, and why there is none.
//! It never changes anything.

use std::{fs, io, path::Path};

use clap::Parser;
use gilrs::{LinuxGamepadExt, MappingSource};
use serde::Serialize;

use crate::{events::code_name, reader};
use offboard::gamepad::Axis;

/// Where the kernel shows input devices.
const INPUT: &str = "/dev/input";

/// Reads a gamepad. As a node it is started by launch; by itself it lists what is there.
#[derive(Debug, Parser)]
#[command(name = "gamepad")]
pub(crate) struct Cli {
    /// Show the gamepads of this machine and what their buttons and axes are called.
    #[arg(long, required = true)]
    list: bool,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

/// One gamepad.
#[derive(Debug, Serialize)]
struct Pad {
    id: usize,
    name: String,
    kernel_name: String,
    path: String,
    /// Whether its layout is a known one; else it is guessed.
    known_layout: bool,
    /// Field of Gamepad and the kernel's code behind it.
    mapping: Vec<(&'static str, String)>,
}

/// Prints the gamepads to stdout and, if there is none, why to stderr.
///
/// # Errors
/// The input system cannot be opened, or stdout is closed.
pub(crate) fn list(cli: &Cli, out: &mut impl io::Write) -> io::Result<()> {
    let pads = match pads() {
        Err(_) if why_none().is_some() => Vec::new(), // told below
        pads => pads?,
    };
    for pad in &pads {
        if cli.json {
            writeln!(out, "{}", serde_json::to_string(pad)?)?;
        } else {
            print(pad, out)?;
        }
    }
    if pads.is_empty() {
        eprintln!("no gamepads: {}", why_none().unwrap_or_else(|| "none is plugged in".to_owned()));
    }
    Ok(())
}

fn print(pad: &Pad, out: &mut impl io::Write) -> io::Result<()> {
    let layout = if pad.known_layout { "known layout" } else { "unknown layout, guessed" };
    writeln!(out, "{}  {}  ({}, {}, {layout})", pad.id, pad.name, pad.kernel_name, pad.path)?;
    for (field, code) in &pad.mapping {
        writeln!(out, "     {field:<16} {code}")?;
    }
    Ok(())
}

fn pads() -> io::Result<Vec<Pad>> {
    let gilrs = reader::open()?;
    Ok(gilrs.gamepads().map(|(id, pad)| describe(id.into(), &pad)).collect())
}

fn describe(id: usize, pad: &gilrs::Gamepad<'_>) -> Pad {
    Pad {
        id,
        name: pad.name().to_owned(),
        kernel_name: pad.os_name().to_owned(),
        path: pad.devpath().display().to_string(),
        known_layout: pad.mapping_source() == MappingSource::SdlMappings,
        mapping: mapping(pad),
    }
}

/// Which kernel code stands behind which field.
fn mapping(pad: &gilrs::Gamepad<'_>) -> Vec<(&'static str, String)> {
    let axes = AXES.iter().filter_map(|(axis, theirs)| Some((axis.name(), pad.axis_code(*theirs)?)));
    let buttons = BUTTONS.iter().filter_map(|(name, theirs)| Some((*name, pad.button_code(*theirs)?)));
    axes.chain(buttons).map(|(name, code)| (name, code_name(code.into_u32()))).collect()
}

const AXES: [(Axis, gilrs::Axis); 8] = [
    (Axis::LeftStickX, gilrs::Axis::LeftStickX),
    (Axis::LeftStickY, gilrs::Axis::LeftStickY),
    (Axis::RightStickX, gilrs::Axis::RightStickX),
    (Axis::RightStickY, gilrs::Axis::RightStickY),
    (Axis::LeftTrigger, gilrs::Axis::LeftZ),
    (Axis::RightTrigger, gilrs::Axis::RightZ),
    (Axis::DpadX, gilrs::Axis::DPadX),
    (Axis::DpadY, gilrs::Axis::DPadY),
];

/// The triggers of a known layout and the four buttons of some directional pads stand here, for gilrs calls them buttons.
const BUTTONS: [(&str, gilrs::Button); 17] = [
    ("left_trigger", gilrs::Button::LeftTrigger2),
    ("right_trigger", gilrs::Button::RightTrigger2),
    ("dpad_y +", gilrs::Button::DPadUp),
    ("dpad_y -", gilrs::Button::DPadDown),
    ("dpad_x -", gilrs::Button::DPadLeft),
    ("dpad_x +", gilrs::Button::DPadRight),
    ("south", gilrs::Button::South),
    ("east", gilrs::Button::East),
    ("west", gilrs::Button::West),
    ("north", gilrs::Button::North),
    ("left_bumper", gilrs::Button::LeftTrigger),
    ("right_bumper", gilrs::Button::RightTrigger),
    ("left_thumb", gilrs::Button::LeftThumb),
    ("right_thumb", gilrs::Button::RightThumb),
    ("select", gilrs::Button::Select),
    ("start", gilrs::Button::Start),
    ("mode", gilrs::Button::Mode),
];

/// Why no gamepad can be read here, if there is a reason beyond that none is plugged in.
pub(crate) fn why_none() -> Option<String> {
    why_none_in(Path::new(INPUT))
}

fn why_none_in(input: &Path) -> Option<String> {
    let Ok(entries) = fs::read_dir(input) else {
        return Some(format!("there is no {}: this machine (or container) shows no input devices", input.display()));
    };
    let events = entries.flatten().filter(|entry| entry.file_name().as_encoded_bytes().starts_with(b"event"));
    let denied = events
        .map(|entry| fs::File::open(entry.path()))
        .filter(|opened| matches!(opened, Err(error) if error.kind() == io::ErrorKind::PermissionDenied))
        .count();
    (denied > 0).then(|| {
        format!(
            "{denied} input devices may not be read; join the group that may and log in again: \
             sudo usermod -aG input \"$USER\""
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use offboard::gamepad::Button;

    #[test]
    fn a_missing_folder_of_devices_is_named() {
        let why = why_none_in(Path::new("/nowhere/input")).unwrap();
        assert_eq!(why, "there is no /nowhere/input: this machine (or container) shows no input devices");
    }

    #[test]
    fn every_button_of_the_message_is_listed() {
        let listed: Vec<&str> = BUTTONS.iter().map(|(name, _)| *name).collect();
        assert!(Button::ALL.iter().all(|button| listed.contains(&button.name())));
    }

    #[test]
    fn json_is_one_object_with_its_mapping() {
        let pad = Pad {
            id: 0,
            name: "Pad".into(),
            kernel_name: "pad".into(),
            path: "/dev/input/event0".into(),
            known_layout: true,
            mapping: vec![("south", "BTN_SOUTH".into())],
        };
        let mut out = Vec::new();
        print(&pad, &mut out).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "0  Pad  (pad, /dev/input/event0, known layout)\n     south            BTN_SOUTH\n"
        );
        let json = serde_json::to_value(&pad).unwrap();
        assert_eq!(json["mapping"][0], serde_json::json!(["south", "BTN_SOUTH"]));
    }
}
