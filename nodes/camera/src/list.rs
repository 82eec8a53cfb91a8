//! `camera --list`: the cameras of this machine and what they offer. It never starts capturing.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Parser;
use serde::Serialize;

use crate::source::{
    device,
    formats::{Mode, Rate},
    live::nothing_usable,
    trouble::{Trouble, nodes},
};

/// What the program does when a person runs it; without arguments it is a node.
#[derive(Debug, Parser)]
#[command(name = "camera", about = "Streams pictures; a node, started by launch from a graph file")]
struct Cli {
    /// Show the cameras of this machine and what they offer
    #[arg(long)]
    list: bool,
    /// One JSON object a line
    #[arg(long, requires = "list")]
    json: bool,
}

/// A video device of this machine.
#[derive(Debug, Serialize)]
struct Listed {
    /// What `device` in the graph file wants.
    index: u32,
    path: PathBuf,
    name: String,
    /// Other names of it, that stay when numbers change: `device` takes them too.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    links: Vec<PathBuf>,
    formats: Vec<Offer>,
    /// What else it offers, which cannot be used here.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    others: Vec<String>,
    /// Why it cannot be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

/// One format and size, and its rates.
#[derive(Debug, Serialize, PartialEq)]
struct Offer {
    format: String,
    width: u32,
    height: u32,
    /// Pictures a second, the highest first; empty when it does not say.
    rates: Vec<Rate>,
}

/// Answers the arguments that are not the node's; none when there are no such arguments.
pub(crate) fn answer() -> Option<ExitCode> {
    let first = std::env::args().nth(1)?;
    if matches!(first.as_str(), "--describe" | "--help" | "-h") {
        return None;
    }
    let cli = Cli::parse();
    if !cli.list {
        return None;
    }
    // A reader that went away is no failure of ours.
    Some(match print(&mut io::stdout().lock(), &devices(), cli.json) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => ExitCode::FAILURE,
        _ => ExitCode::SUCCESS,
    })
}

fn devices() -> Vec<Listed> {
    nodes().into_iter().map(|(index, path, name)| look_at(index, path, name)).collect()
}

fn look_at(index: u32, path: PathBuf, name: String) -> Listed {
    let looked = device::open(&path).and_then(|file| {
        let (modes, others) = device::modes(&file, None).map_err(|error| Trouble::at(&path, &error))?;
        if modes.is_empty() { Err(Trouble::Refused(nothing_usable(&others))) } else { Ok((offers(&modes), others)) }
    });
    let links = links_to(&path);
    match looked {
        Ok((formats, others)) => Listed { index, path, name, links, formats, others, problem: None },
        Err(trouble) => {
            let problem = Some(trouble.problem());
            Listed { index, path, name, links, formats: Vec::new(), others: Vec::new(), problem }
        }
    }
}

/// The names that the camera keeps when numbers change.
fn links_to(path: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir("/dev/v4l/by-id").into_iter().flatten().flatten();
    let mut links: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    links.retain(|link| fs::canonicalize(link).is_ok_and(|file| file == path));
    links.sort();
    links
}

/// Brings modes together that differ in their rate only; the largest pictures first.
fn offers(modes: &[Mode]) -> Vec<Offer> {
    let mut offers: Vec<Offer> = Vec::new();
    for mode in modes {
        let Mode { width, height, .. } = *mode;
        let format = mode.kind.to_string();
        match offers.iter_mut().find(|it| it.format == format && it.width == width && it.height == height) {
            Some(offer) => offer.rates.extend(mode.rate()),
            None => offers.push(Offer { format, width, height, rates: mode.rate().into_iter().collect() }),
        }
    }
    for offer in &mut offers {
        offer.rates.sort_by(|a, b| b.0.total_cmp(&a.0));
        offer.rates.dedup();
    }
    offers.sort_by(|a, b| a.format.cmp(&b.format).then((b.width, b.height).cmp(&(a.width, a.height))));
    offers
}

fn print(out: &mut impl Write, devices: &[Listed], json: bool) -> io::Result<()> {
    if json {
        return devices.iter().try_for_each(|device| writeln!(out, "{}", serde_json::to_string(device)?));
    }
    if devices.is_empty() {
        tell(
            "there is no camera here (no /dev/video…); device = \"pattern\" or a folder of pictures works without one",
        );
    }
    for Listed { index, path, name, links, formats, others, problem } in devices {
        writeln!(out, "{index}  {name}  ({})", path.display())?;
        for link in links {
            writeln!(out, "   also {}", link.display())?;
        }
        if let Some(problem) = problem {
            writeln!(out, "   cannot be used: {problem}")?;
        }
        for Offer { format, width, height, rates } in formats {
            let rates: Vec<String> = rates.iter().map(Rate::to_string).collect();
            let rates =
                if rates.is_empty() { "a rate of its own".to_owned() } else { format!("{} Hz", rates.join(" ")) };
            writeln!(out, "   {format:<6} {:>9}  {rates}", format!("{width}x{height}"))?;
        }
        if !others.is_empty() {
            writeln!(out, "   cannot be used here: {}", others.join(", "))?;
        }
    }
    Ok(())
}

/// To a person, beside the data on stdout.
fn tell(sentence: &str) {
    drop(writeln!(io::stderr(), "{sentence}"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::formats::{Interval, Kind};

    fn mode(kind: Kind, width: u32, height: u32, interval: Option<Interval>) -> Mode {
        Mode { kind, width, height, interval }
    }

    fn camera() -> Listed {
        let yuyv = |width, height, rate| mode(Kind::Yuyv, width, height, Interval::new(1, rate));
        let mjpeg = mode(Kind::Mjpeg, 640, 480, Interval::new(1001, 30_000));
        let grey = mode(Kind::Grey, 640, 480, None);
        Listed {
            index: 0,
            path: "/dev/video0".into(),
            name: "HD Webcam".into(),
            links: vec!["/dev/v4l/by-id/usb-HD".into()],
            formats: offers(&[yuyv(640, 480, 15), yuyv(1280, 720, 10), yuyv(640, 480, 30), mjpeg, grey]),
            others: vec!["H264".into(), "UYVY".into()],
            problem: None,
        }
    }

    fn printed(devices: &[Listed], json: bool) -> String {
        let mut out = Vec::new();
        print(&mut out, devices, json).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_camera_is_listed_with_its_formats_and_rates() {
        let wanted = "0  HD Webcam  (/dev/video0)\n   also /dev/v4l/by-id/usb-HD\n   GREY     640x480  a rate of its own\n   \
                      MJPEG    640x480  29.97 Hz\n   YUYV    1280x720  10 Hz\n   YUYV     640x480  30 15 Hz\n   \
                      cannot be used here: H264, UYVY\n";
        assert_eq!(printed(&[camera()], false), wanted);
    }

    #[test]
    fn json_is_one_object_a_line() {
        let denied = Listed { formats: Vec::new(), problem: Some("permission denied".into()), ..camera() };
        let text = printed(&[camera(), denied], true);
        let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines[0]["formats"][1]["rates"], serde_json::json!([29.97]));
        assert_eq!(lines[0]["formats"][3]["rates"], serde_json::json!([30, 15]));
        assert_eq!(lines[1]["problem"], "permission denied");
    }

    #[test]
    fn without_cameras_stdout_stays_empty() {
        assert_eq!(printed(&[], false), "");
    }
}
