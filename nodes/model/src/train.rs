//! `model train FILE… -o drive.safetensors`: recordings of a human's drive become a network that drives.
//!
//! It never writes half a file, never learns from what was erased or what a model did, and a stop keeps the best so far.

use std::{
    io::IsTerminal,
    ops::ControlFlow,
    path::PathBuf,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use offboard::Period;

use crate::{
    live::{DEFAULT_CROP, Lead},
    net::{Dataset, Epoch, Fit, Holdout, Net, Options, Preprocess, Progress, Scores, Shape, Size, Split, Trainer},
    pictures::{contract, lesson},
    verbs,
};
use footage::{Ahead, Footage, Tally, Topics};

pub mod footage;

/// What a prediction takes on the way from picture to motion, where nothing is measured yet.
const COMPUTING_NS: i64 = 1_000_000;

/// Fewer samples make no driver.
const LEAST: usize = 100;

/// What `model train` is told.
#[derive(Debug, Parser)]
#[command(
    name = "train",
    bin_name = "launch train",
    about = "Learns to drive from recordings of a human's drive",
    after_help = "Each picture is paired with the command that was in force when motion followed from it (--lead).\n\
                  Left out: what was erased, what a model drove, standing still. Ctrl-C ends learning and keeps the best so far."
)]
pub struct Args {
    /// Recordings (MCAP), of one camera
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Where the weights go
    #[arg(short, long, default_value = "drive.safetensors", value_name = "FILE")]
    output: PathBuf,
    /// The network: small, medium or donkeycar
    #[arg(long, default_value_t = Size::Small)]
    size: Size,
    /// The most passes over the data [default: 30, and more where passes are short]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    epochs: Option<u32>,
    /// End after so many passes that were no better
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    patience: u32,
    /// One stretch of time of so many is kept apart to check with; 0 keeps nothing apart
    #[arg(long, default_value_t = 5, value_name = "ONE_IN", value_parser = one_in)]
    validation: u32,
    /// How far ahead of a picture its command is: auto (the loop's latency as recorded) or a duration, like 120ms
    #[arg(long, default_value = "auto")]
    lead: Lead,
    /// How many commands in flight go into the network beside the picture, 0 to 16
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=16))]
    history: u32,
    /// Share of the picture cut off at the top, where the sky is, 0 to 0.9
    #[arg(long, default_value_t = DEFAULT_CROP, value_parser = share)]
    crop: f64,
    /// What chance begins with: the same seed over the same data makes the same network
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Which topic is which, where types alone do not say: frames=, drive=, pilot= or motor=TOPIC
    #[arg(long, value_name = "ROLE=TOPIC")]
    topic: Vec<String>,
    /// Do not learn from mirrored pictures: left and right differ here (lanes, signs)
    #[arg(long)]
    no_mirror: bool,
    /// Learn from standing still too
    #[arg(long)]
    standing: bool,
    /// Leave out files that cannot be used instead of ending
    #[arg(long)]
    keep_going: bool,
    /// No progress
    #[arg(short, long)]
    quiet: bool,
}

fn one_in(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(1) | Err(_) => Err("one in how many: 0, or 2 to 100".to_owned()),
        Ok(many) if many > 100 => Err("one in how many: 0, or 2 to 100".to_owned()),
        Ok(many) => Ok(many),
    }
}

fn share(text: &str) -> Result<f64, String> {
    let share = text.parse::<f64>().ok().filter(|share| (0.0..=0.9).contains(share));
    share.ok_or_else(|| "a share goes from 0 to 0.9".to_owned())
}

/// Runs the verb.
pub fn main(words: &[String]) -> ExitCode {
    verbs::run(words, train)
}

fn train(args: &Args) -> Result<(), String> {
    let topics = footage::topics(&args.topic)?;
    verbs::check_output(&args.output)?;
    let shape = Shape { size: args.size, extras: args.history as usize * 2, outputs: 2 };
    let prepare = Preprocess::of(&shape, args.crop as f32);
    let (used, reels) = read_all(args, &topics, &prepare)?;
    let ahead = Ahead { lead_ns: lead(args.lead, &reels), history: args.history as usize };
    let (data, tally) = gather(&reels, &shape, ahead)?;
    let holdout = Holdout { one_in: args.validation, ..Holdout::default() };
    let usual = lesson::options(ahead.history, !args.no_mirror, args.seed);
    let (epochs, steps_min) = args.epochs.map_or((usual.epochs, usual.steps_min), |epochs| (epochs as usize, 0));
    let options = Options { epochs, steps_min, patience: args.patience as usize, holdout, ..usual };
    let mut trainer = Trainer::new(Net::new(&shape, args.seed), &prepare, options);
    let began = Instant::now();
    let fit = learn(&mut trainer, &data, args.quiet)?;
    let Some(best) = fit.best.map(|best| &fit.epochs[best]) else {
        return Err(format!("stopped before the first pass was over: {} is not written", args.output.display()));
    };
    let first = reels.first().ok_or("no recording")?;
    let contract = contract::of(&first.topic, &first.seen, &shape, &prepare, ahead, footage::hash(&used)?);
    crate::weights::save(&args.output, &contract, trainer.best()).map_err(|error| error.to_string())?;
    report(args, &reels, &tally, ahead, &data, &fit, best, began.elapsed());
    Ok(())
}

/// Reads all files; those that cannot be used end it, or are left out.
fn read_all(args: &Args, topics: &Topics, prepare: &Preprocess) -> Result<(Vec<PathBuf>, Vec<Footage>), String> {
    let (mut used, mut reels): (Vec<PathBuf>, Vec<Footage>) = (Vec::new(), Vec::new());
    for path in &args.files {
        let bar = verbs::bytes_bar(path, args.quiet);
        let read = Footage::read(path, topics, prepare, args.standing, |position| bar.set_position(position));
        bar.finish_and_clear();
        match read.and_then(|reel| same_camera(&reels, path, reel)) {
            Ok(reel) => {
                if let Some(damage) = &reel.damage {
                    eprintln!("{}: read up to the damage {damage}", path.display());
                }
                used.push(path.clone());
                reels.push(reel);
            }
            Err(why) if args.keep_going => eprintln!("left out: {why}"),
            Err(why) if args.files.len() > 1 => return Err(format!("{why}; --keep-going leaves such files out")),
            Err(why) => return Err(why),
        }
    }
    if reels.is_empty() {
        return Err("none of the files can be used".to_owned());
    }
    let unsaid: Vec<String> = used
        .iter()
        .zip(&reels)
        .filter(|(_, reel)| !reel.has_pilot)
        .map(|(path, _)| path.display().to_string())
        .collect();
    if !unsaid.is_empty() {
        eprintln!("{}: no pilot says who drove (PilotState); all driving is taken for a human's", unsaid.join(", "));
    }
    Ok((used, reels))
}

fn same_camera(reels: &[Footage], path: &std::path::Path, reel: Footage) -> Result<Footage, String> {
    let Some(first) = reels.first().map(|first| &first.seen) else { return Ok(reel) };
    let this = &reel.seen;
    if (&first.kind, first.width, first.height) == (&this.kind, this.width, this.height) {
        return Ok(reel);
    }
    Err(format!(
        "{}: its pictures are {} of {}x{}, those before are {} of {}x{}; train on one camera at a time",
        path.display(),
        this.kind,
        this.width,
        this.height,
        first.kind,
        first.width,
        first.height
    ))
}

/// As told, or as the longest reel measured it.
fn lead(told: Lead, reels: &[Footage]) -> i64 {
    match told {
        Lead::Is(lead) => i64::try_from(lead.as_nanos()).unwrap_or(i64::MAX),
        Lead::Auto => {
            let longest = reels.iter().max_by_key(|reel| reel.shots.len());
            longest.and_then(|reel| reel.travel.loop_ns(COMPUTING_NS)).unwrap_or_else(|| {
                eprintln!("how long picture to motion takes is not in the recording: --lead 0ms is used");
                0
            })
        }
    }
}

/// All samples of all reels.
fn gather(reels: &[Footage], shape: &Shape, ahead: Ahead) -> Result<(Dataset, Tally), String> {
    let (mut data, mut sum, mut wrong) = (Dataset::new(shape), Tally::default(), None);
    for reel in reels {
        data.begin_run();
        let tally = reel.samples(ahead, |sample| {
            for _ in 0..if sample.correction { lesson::CORRECTION } else { 1 } {
                let pushed = data.push(sample.pixels, &sample.extras, &sample.target, sample.stamp_ns);
                wrong = wrong.take().or(pushed.err());
            }
        });
        sum.add(&tally);
    }
    if let Some(wrong) = wrong {
        return Err(wrong.to_string());
    }
    if sum.samples < LEAST {
        return Err(format!(
            "too little to learn from: {sum}; it takes {LEAST} samples at least, a minute of driving better"
        ));
    }
    Ok((data, sum))
}

/// Learns under a progress bar, until it is done or stopped by hand.
fn learn(trainer: &mut Trainer, data: &Dataset, quiet: bool) -> Result<Fit, String> {
    let stop = stop_on_interrupt()?;
    let bar = if quiet { ProgressBar::hidden() } else { ProgressBar::new(1) };
    if let Ok(style) = ProgressStyle::with_template("epoch {prefix} {bar:30} {msg} {elapsed}") {
        bar.set_style(style);
    }
    let plain = !quiet && !std::io::stderr().is_terminal();
    let mut words = String::new();
    let watch = |progress: &Progress, epoch: Option<&Epoch>| {
        if let Some(epoch) = epoch {
            words = words_of(epoch);
            if plain {
                eprintln!("epoch {:>3}/{}: {words}", epoch.number, progress.epochs);
            }
        } else {
            bar.set_prefix(format!("{}/{}", progress.epoch, progress.epochs));
            bar.set_length(progress.batches as u64);
            bar.set_position(progress.batch as u64);
            bar.set_message(format!("loss {:.5}, before: {words}", progress.loss));
        }
        if stop.load(Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let fit = trainer.fit(data, watch).map_err(|error| error.to_string());
    bar.finish_and_clear();
    fit
}

fn words_of(epoch: &Epoch) -> String {
    let best = if epoch.best { ", the best" } else { "" };
    match epoch.validation.samples {
        0 => format!("loss {:.5}{best}", epoch.training),
        _ => format!("loss {:.5}, validation {:.5}{best}", epoch.training, epoch.validation.loss),
    }
}

/// The first Ctrl-C asks learning to stop, the second ends the program.
fn stop_on_interrupt() -> Result<Arc<AtomicBool>, String> {
    let stop = Arc::new(AtomicBool::new(false));
    let asked = stop.clone();
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
    let wait = move || {
        runtime.block_on(async {
            if tokio::signal::ctrl_c().await.is_ok() {
                eprintln!("stopping: the best so far is kept (again to end at once)");
                asked.store(true, Relaxed);
            }
            if tokio::signal::ctrl_c().await.is_ok() {
                std::process::exit(130);
            }
        });
    };
    std::thread::Builder::new().name("interrupt".to_owned()).spawn(wait).map_err(|error| error.to_string())?;
    Ok(stop)
}

#[expect(clippy::too_many_arguments, reason = "a table of everything")]
fn report(
    args: &Args,
    reels: &[Footage],
    tally: &Tally,
    ahead: Ahead,
    data: &Dataset,
    fit: &Fit,
    best: &Epoch,
    took: Duration,
) {
    let rate = reels.first().map_or(0.0, |reel| reel.seen.rate.unwrap_or(0.0)).max(1.0);
    println!("{tally}; {:.0} s of driving at {rate:.0} Hz", tally.samples as f64 / rate);
    let stopped = if fit.stopped { ", stopped by hand" } else { "" };
    let millis = Duration::from_millis((ahead.lead_ns / 1_000_000).unsigned_abs());
    println!(
        "{} network, {} ahead, {} epochs in {:.0} s{stopped}",
        args.size,
        Period(millis),
        fit.epochs.len(),
        took.as_secs_f64()
    );
    let split = Split::by_time(data, &Holdout { one_in: args.validation, ..Holdout::default() });
    if best.validation.samples > 0 {
        print!("{}", validation_table(data, &split, &best.validation));
    }
    println!("{} (epoch {} was the best)", args.output.display(), best.number);
}

/// Mean absolute errors on what was kept apart, beside saying the mean of what was learned.
fn validation_table(data: &Dataset, split: &Split, scores: &Scores) -> String {
    let mut text = format!("{:<9} {:>14} {:>16} {:>8}\n", "output", "mean abs error", "saying the mean", "R2");
    for (output, name) in ["turn", "forward"].iter().enumerate() {
        let of = |samples: &[usize], value: &dyn Fn(f64) -> f64| {
            samples.iter().map(|&sample| value(f64::from(data.targets(sample)[output]))).sum::<f64>()
                / samples.len().max(1) as f64
        };
        let mean = of(&split.training, &|value| value);
        let baseline = of(&split.validation, &|value| (value - mean).abs());
        let error = scores.mean_absolute.get(output).copied().unwrap_or(f64::NAN);
        let r2 = scores.r2.get(output).copied().unwrap_or(f64::NAN);
        text.push_str(&format!("{name:<9} {error:>14.4} {baseline:>16.4} {r2:>8.3}\n"));
    }
    text
}
