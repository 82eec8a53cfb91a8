//! `camera --list`: the cameras of this machine and what they offer. It never starts capturing.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use clap::Parser;
use serde::Serialize;

use crate::source::{formats, number_in};

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
    formats: Vec<Offer>,
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
    /// Pictures a second, the highest first.
    rates: Vec<u32>,
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

/// Read from /dev ourselves: nokhwa's own list panics on a name without a number.
fn devices() -> Vec<Listed> {
    let entries = fs::read_dir("/dev").into_iter().flatten().flatten();
    let paths = entries.filter_map(|entry| Some((number_in(&entry.path())?, entry.path())));
    paths.collect::<BTreeMap<u32, PathBuf>>().into_iter().map(|(index, path)| look_at(index, path)).collect()
}

fn look_at(index: u32, path: PathBuf) -> Listed {
    let name = fs::read_to_string(format!("/sys/class/video4linux/video{index}/name")).unwrap_or_default();
    let (offers, problem) = match formats(index) {
        Ok(formats) => {
            let all = formats.iter().map(|it| (it.format().to_string(), it.width(), it.height(), it.frame_rate()));
            (offers(all), None)
        }
        Err(problem) => (Vec::new(), Some(problem)),
    };
    Listed { index, path, name: name.trim().to_owned(), formats: offers, problem }
}

/// Brings formats together that differ in their rate only; the largest pictures first.
fn offers(formats: impl Iterator<Item = (String, u32, u32, u32)>) -> Vec<Offer> {
    let mut offers: Vec<Offer> = Vec::new();
    for (format, width, height, rate) in formats {
        match offers.iter_mut().find(|it| it.format == format && it.width == width && it.height == height) {
            Some(offer) => offer.rates.push(rate),
            None => offers.push(Offer { format, width, height, rates: vec![rate] }),
        }
    }
    for offer in &mut offers {
        offer.rates.sort_unstable_by(|a, b| b.cmp(a));
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
    for Listed { index, path, name, formats, problem } in devices {
        writeln!(out, "{index}  {name}  ({})", path.display())?;
        if let Some(problem) = problem {
            writeln!(out, "   cannot be used: {problem}")?;
        }
        for Offer { format, width, height, rates } in formats {
            let rates: Vec<String> = rates.iter().map(u32::to_string).collect();
            writeln!(out, "   {format:<6} {:>9}  {} Hz", format!("{width}x{height}"), rates.join(" "))?;
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

    fn camera() -> Listed {
        let yuyv = |width, height, rate| ("YUYV".to_owned(), width, height, rate);
        let all = [yuyv(640, 480, 15), yuyv(1280, 720, 10), yuyv(640, 480, 30), ("MJPEG".to_owned(), 640, 480, 30)];
        Listed {
            index: 0,
            path: "/dev/video0".into(),
            name: "HD Webcam".into(),
            formats: offers(all.into_iter()),
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
        let wanted = "0  HD Webcam  (/dev/video0)\n   MJPEG    640x480  30 Hz\n   YUYV    1280x720  10 Hz\n   \
                      YUYV     640x480  30 15 Hz\n";
        assert_eq!(printed(&[camera()], false), wanted);
    }

    #[test]
    fn json_is_one_object_a_line() {
        let denied = Listed { formats: Vec::new(), problem: Some("permission denied".into()), ..camera() };
        let text = printed(&[camera(), denied], true);
        let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines[0]["formats"][2]["rates"], serde_json::json!([30, 15]));
        assert_eq!(lines[1]["problem"], "permission denied");
    }

    #[test]
    fn without_cameras_stdout_stays_empty() {
        assert_eq!(printed(&[], false), "");
    }
}
