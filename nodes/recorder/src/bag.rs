//! `recorder bag`: looking after recordings. It reads what it is given and writes only what it is asked to, whole or not at all; the
//! answer goes to stdout, how far it is to stderr.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use clap::{Parser, Subcommand};
use offboard::graph::duration;
use serde_json::json;

use self::{
    export::Form,
    failure::{Failure, Result},
    pairs::Wish,
    words::grouped,
};

mod check;
mod export;
mod failure;
mod film;
mod import;
mod info;
mod mp4;
mod pairs;
mod picture;
mod place;
mod plot;
mod progress;
mod repair;
mod survey;
mod words;

/// The answer is bad news: the recording is damaged.
const EXIT_DAMAGED: u8 = 1;
/// There is no answer.
const EXIT_FAILED: u8 = 2;

/// Look after recordings: what is in them, whether they are whole, what they can become.
///
/// A recording is an MCAP file: Foxglove, Rerun and PyPI's mcap open it too.
#[derive(Debug, Parser)]
#[command(name = "bag", bin_name = "launch bag", arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Show what is in a recording: topics, rates, times, marks.
    Info {
        /// The recording.
        file: PathBuf,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Say exactly what is missing or damaged. Exit code 1 when the file is damaged or was never closed, 0 when it is whole.
    ///
    /// Messages that are missing by their own numbers were lost before they reached the recorder, or dropped by it: they are told topic
    /// by topic, and do not make a file damaged.
    Check {
        /// The recording.
        file: PathBuf,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Write every whole message before the damage into a sound file.
    Repair {
        /// The recording.
        file: PathBuf,
        /// Where to; without it the recording itself is replaced, once the new one is whole.
        #[arg(short, long)]
        output: Option<PathBuf>,
    },
    /// Make a data set or a film of a recording: each picture with the control whose stamp is nearest.
    ///
    /// Pictures without a control near enough are counted and left out, and so are stretches that were marked as erased.
    Export {
        /// The recording.
        file: PathBuf,
        /// What to make.
        #[arg(long)]
        to: Form,
        /// Where to; without it beside the recording, named after it.
        #[arg(short, long)]
        output: Option<PathBuf>,
        /// The topic of the pictures, when there are several.
        #[arg(long, value_name = "TOPIC")]
        pictures: Option<String>,
        /// The topic of the controls, when there are several and none is the pilot's.
        #[arg(long, value_name = "TOPIC")]
        controls: Option<String>,
        /// How far the stamp of a control may be from the picture's.
        #[arg(long, default_value = "50ms", value_parser = duration::parse)]
        tolerance: Duration,
        /// What the driver was about, for data sets that tell.
        #[arg(long, default_value = "drive along the track")]
        task: String,
        /// Take erased stretches too.
        #[arg(long)]
        with_erased: bool,
        /// Leave out what cannot be read, and what comes after damage.
        #[arg(long)]
        keep_going: bool,
    },
    /// Make a recording of a donkeycar tub, or of a folder with controls.csv (frame,steering,throttle) and frames/*.jpg.
    Import {
        /// The tub or folder.
        folder: PathBuf,
        /// The recording to write.
        #[arg(short, long)]
        output: PathBuf,
        /// Pictures a second, 0.01 to 10000, where the folder does not say when they were.
        #[arg(long)]
        rate: Option<f64>,
        /// Leave out what cannot be read.
        #[arg(long)]
        keep_going: bool,
    },
    /// Draw a recording: who drove, steering and throttle over time, how often each was, gaps and marks.
    Plot {
        /// The recording.
        file: PathBuf,
        /// The page (.html, one file, no network) or picture (.png) to write; without it FILE.html.
        #[arg(short, long)]
        output: Option<PathBuf>,
        /// The topic of the controls, when there are several.
        #[arg(long, value_name = "TOPIC")]
        controls: Option<String>,
    },
}

/// Does what `recorder bag …` asks for.
pub(crate) fn main(args: &[String]) -> ExitCode {
    let verb = Cli::parse_from(std::iter::once("bag").chain(args.iter().map(String::as_str))).verb;
    verb.run().unwrap_or_else(|failure| {
        eprintln!("error: {failure}");
        ExitCode::from(EXIT_FAILED)
    })
}

impl Verb {
    fn run(self) -> Result<ExitCode> {
        match self {
            Verb::Info { file, json } => info::info(&file, json),
            Verb::Check { file, json } => check::check(&file, json),
            Verb::Repair { file, output } => repair::repair(&file, output.as_deref()),
            Verb::Export { file, to, output, pictures, controls, tolerance, task, with_erased, keep_going } => {
                let output = output.unwrap_or_else(|| file.with_extension(to.ending()));
                let tolerance_ns = i64::try_from(tolerance.as_nanos()).unwrap_or(i64::MAX);
                let wish = Wish { pictures, controls, tolerance_ns, with_erased, keep_going };
                export(&file, &output, to, &task, wish)
            }
            Verb::Import { folder, output, rate, keep_going } => import(&folder, &output, rate, keep_going),
            Verb::Plot { file, output, controls } => {
                let output = output.unwrap_or_else(|| file.with_extension("html"));
                plot::plot(&file, &output, controls.as_deref())?;
                say(&output.display().to_string())
            }
        }
    }
}

fn export(file: &Path, output: &Path, form: Form, task: &str, wish: Wish) -> Result<ExitCode> {
    let done = export::export(file, output, form, task, wish)?;
    let left = &done.left;
    let mut line = format!("{}: {} pictures of {}", output.display(), grouped(left.paired), done.pictures);
    if form != Form::Mp4 {
        line += &format!(" with {}", done.controls);
    }
    for (count, what) in [
        (left.unmatched, "left out without a control near enough"),
        (left.unreadable, "left out as unreadable"),
        (left.erased, "erased"),
    ] {
        if count > 0 {
            line += &format!(", {} {what}", grouped(count));
        }
    }
    say(&line)
}

fn import(folder: &Path, output: &Path, rate: Option<f64>, keep_going: bool) -> Result<ExitCode> {
    let done = import::import(folder, output, rate, keep_going)?;
    done.notes.iter().for_each(|note| eprintln!("left out: {note}"));
    let mut line = format!("{}: {} moments", output.display(), grouped(done.moments));
    for (count, what) in [(done.erased, "marked as erased"), (done.left_out, "left out")] {
        if count > 0 {
            line += &format!(", {} {what}", grouped(count));
        }
    }
    say(&line)
}

/// Prints a line; that nobody reads it is no failure.
fn say(line: &str) -> Result<ExitCode> {
    use std::io::Write as _;
    match writeln!(std::io::stdout(), "{line}") {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(Failure::from(error)),
        _ => Ok(ExitCode::SUCCESS),
    }
}

/// A message type without our package.
fn short_kind(kind: &str) -> &str {
    kind.strip_prefix("offboard.v1.").unwrap_or(kind)
}

/// Where and what damage is, for programs.
fn damage_json(damage: &offboard::recording::Damage) -> serde_json::Value {
    json!({"at": damage.at, "what": damage.what, "lost_bytes": damage.lost_bytes, "unfinished": damage.unfinished})
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_arguments_make_sense() {
        super::Cli::command().debug_assert();
    }
}
