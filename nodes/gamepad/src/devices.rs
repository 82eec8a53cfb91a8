//! The gamepads of this machine as people see them: `gamepad --list`, and why there is none.
//! It never changes anything.

use std::io;

use clap::Parser;
use gilrs::{LinuxGamepadExt, MappingSource};
use serde::Serialize;

use crate::{
    inputs::why_none,
    layout::{Map, codes},
    reader,
};

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
    /// The kernel's codes that arrive in no field; the parameter `map` takes them.
    unmapped: Vec<String>,
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
    if !pad.unmapped.is_empty() {
        writeln!(out, "     {:<16} {}", "(no field)", pad.unmapped.join(" "))?;
    }
    Ok(())
}

fn pads() -> io::Result<Vec<Pad>> {
    let gilrs = reader::open()?;
    Ok(reader::numbered(&gilrs).iter().map(|(number, _, pad)| describe(*number, pad)).collect())
}

fn describe(number: usize, pad: &gilrs::Gamepad<'_>) -> Pad {
    // One that was unplugged just now has nothing left.
    let codes = evdev::Device::open(pad.devpath()).map(|device| codes(&device)).unwrap_or_default();
    let fields = Map::default().fields(pad, &codes);
    let unmapped = codes.iter().filter(|code| fields.iter().all(|(_, used)| used != *code));
    Pad {
        id: number,
        name: pad.name().to_owned(),
        kernel_name: pad.os_name().to_owned(),
        path: pad.devpath().display().to_string(),
        known_layout: pad.mapping_source() == MappingSource::SdlMappings,
        mapping: fields.iter().map(|(name, code)| (*name, code.to_string())).collect(),
        unmapped: unmapped.map(ToString::to_string).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_one_object_with_its_mapping() {
        let pad = Pad {
            id: 0,
            name: "Pad".into(),
            kernel_name: "pad".into(),
            path: "/dev/input/event0".into(),
            known_layout: true,
            mapping: vec![("south", "BTN_SOUTH".into())],
            unmapped: vec!["BTN_TRIGGER".into(), "ABS_Z".into()],
        };
        let mut out = Vec::new();
        print(&pad, &mut out).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "0  Pad  (pad, /dev/input/event0, known layout)\n     south            BTN_SOUTH\n     (no field)       BTN_TRIGGER ABS_Z\n"
        );
        let json = serde_json::to_value(&pad).unwrap();
        assert_eq!(json["mapping"][0], serde_json::json!(["south", "BTN_SOUTH"]));
    }
}
