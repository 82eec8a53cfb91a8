//! `model eval MODEL RECORDING`: what a model would have done beside what the human did: errors, histograms, a film.
//! It drives nothing, and writes only where it is told to.

use std::{
    fs,
    io::{BufWriter, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Parser;
use indicatif::ProgressBar;
use offboard::recording::Reader;

use crate::{
    live::brain::Brain,
    pictures::{contract, decode::Picture},
    train::footage::{self, Footage, Tally, Topics},
    verbs::{self, NewFolder},
    weights::{self, Weights},
};
use page::Page;
use score::Score;

pub mod film;
mod page;
pub mod score;

/// What `model eval` is told.
#[derive(Debug, Parser)]
#[command(
    name = "eval",
    bin_name = "launch eval",
    about = "Shows what a model would have done beside what the human did",
    after_help = "With -o: a folder with film.html (opens in any browser), film/*.png and commands.csv."
)]
pub struct Args {
    /// Weights (safetensors)
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// A recording (MCAP) that the model did not learn from
    #[arg(value_name = "RECORDING")]
    recording: PathBuf,
    /// A folder for the film; it must not be there yet
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// The most pictures in the film, from the beginning on
    #[arg(long, default_value_t = 900)]
    pictures: usize,
    /// Which topic is which, where types alone do not say: frames=, drive=, pilot= or motor=TOPIC
    #[arg(long, value_name = "ROLE=TOPIC")]
    topic: Vec<String>,
    /// Judge standing still too
    #[arg(long)]
    standing: bool,
    /// No progress
    #[arg(short, long)]
    quiet: bool,
}

/// What was said to one picture.
#[derive(Debug, Clone, Copy)]
struct Said {
    stamp_ns: i64,
    /// The picture's place among all of its topic.
    number: usize,
    human: [f32; 2],
    model: [f32; 2],
}

/// Runs the verb.
pub fn main(words: &[String]) -> ExitCode {
    verbs::run(words, eval)
}

fn eval(args: &Args) -> Result<(), String> {
    let folder = args.output.as_deref().map(NewFolder::begin).transpose()?;
    let Weights { contract, net } = weights::load(&args.model).map_err(|error| error.to_string())?;
    contract::drives(&contract).map_err(|why| format!("{}: {why}", args.model.display()))?;
    let topics = footage::topics(&args.topic)?;
    let bar = verbs::bytes_bar(&args.recording, args.quiet);
    let tell = |position| bar.set_position(position);
    let footage = Footage::read(&args.recording, &topics, &contract.preprocess, args.standing, tell)?;
    bar.finish_and_clear();
    if let Some(damage) = &footage.damage {
        eprintln!("{}: read up to the damage {damage}", args.recording.display());
    }
    for difference in contract::differences(&contract, &footage.topic, &footage.seen) {
        eprintln!("the model was made for something else: {difference}");
    }
    let ahead = contract::ahead(&contract);
    let (said, tally) = ask(&footage, Brain::new(net, contract, ahead))?;
    let pairs = |output: usize| said.iter().map(|said| (said.human[output], said.model[output])).collect::<Vec<_>>();
    let scores = [("turn", Score::of(&pairs(0))), ("forward", Score::of(&pairs(1)))];
    println!("{tally}");
    print!("{}", score::table(&scores));
    let errors = score::histogram(said.iter().map(|said| said.model[0] - said.human[0]));
    print!("{}", score::bars("turn, model minus human", &errors));
    if let Some(folder) = folder {
        write(args, &topics, folder.filling(), &said, &scores)?;
        folder.finish()?;
        println!("{}", args.output.as_deref().unwrap_or(Path::new("")).join("film.html").display());
    }
    Ok(())
}

/// Asks the model about each picture that a human drove by.
fn ask(footage: &Footage, mut brain: Brain) -> Result<(Vec<Said>, Tally), String> {
    let (mut said, mut wrong) = (Vec::with_capacity(footage.shots.len()), None);
    let prepare = brain.contract.preprocess;
    let tally = footage.samples(brain.ahead, |sample| match brain.say_with(&prepare, sample.pixels, &sample.extras) {
        Ok(model) => {
            said.push(Said { stamp_ns: sample.stamp_ns, number: sample.number, human: sample.target, model });
        }
        Err(why) => wrong = Some(why),
    });
    match wrong {
        Some(why) => Err(why),
        None if said.is_empty() => Err(format!("nothing to judge by: {tally}")),
        None => Ok((said, tally)),
    }
}

/// The film: pictures with both hands drawn in, a page that plays them, and all values.
fn write(args: &Args, topics: &Topics, folder: &Path, said: &[Said], scores: &[(&str, Score)]) -> Result<(), String> {
    let wrong = |error: std::io::Error| format!("{}: {error}", folder.display());
    values(&folder.join("commands.csv"), said).map_err(wrong)?;
    let film = folder.join("film");
    fs::create_dir(&film).map_err(wrong)?;
    let shown = &said[..said.len().min(args.pictures)];
    let mut page = Page::new(&args.model, &args.recording, scores, said.iter().map(|said| (said.human, said.model)));
    let bar = if args.quiet { ProgressBar::hidden() } else { ProgressBar::new(shown.len() as u64) };
    let topic = footage::find(&args.recording, topics)?.frames;
    let reader = Reader::without_erased(&args.recording).map_err(|error| error.to_string())?;
    let mut wanted = shown.iter();
    let Some(mut next) = wanted.next() else { return page.write(&folder.join("film.html")).map_err(wrong) };
    let frames = reader.filter(|message| message.topic == topic && !message.is_no_data());
    for (number, message) in frames.enumerate() {
        if number != next.number {
            continue;
        }
        if let Ok(picture) = Picture::of(&message.header.r#type, &message.payload) {
            page.add(&picture, next.stamp_ns, next.human, next.model)?;
            let drawn = film::draw(&picture, next.human, next.model);
            png_file(&film.join(format!("{number:06}.png")), &drawn).map_err(wrong)?;
        }
        bar.inc(1);
        let Some(following) = wanted.next() else { break };
        next = following;
    }
    bar.finish_and_clear();
    page.write(&folder.join("film.html")).map_err(wrong)
}

fn values(path: &Path, said: &[Said]) -> std::io::Result<()> {
    let mut out = BufWriter::new(fs::File::create(path)?);
    writeln!(out, "stamp_ns,human_turn,human_forward,model_turn,model_forward")?;
    for Said { stamp_ns, human, model, .. } in said {
        writeln!(out, "{stamp_ns},{},{},{},{}", human[0], human[1], model[0], model[1])?;
    }
    out.flush()
}

fn png_file(path: &Path, picture: &Picture) -> std::io::Result<()> {
    let out = BufWriter::new(fs::File::create(path)?);
    let (width, height) = (u32::try_from(picture.width), u32::try_from(picture.height));
    let (Ok(width), Ok(height)) = (width, height) else { return Err(std::io::ErrorKind::InvalidInput.into()) };
    let mut encoder = png::Encoder::new(out, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Fast);
    let mut writer = encoder.write_header().map_err(std::io::Error::other)?;
    writer.write_image_data(&picture.rgb).map_err(std::io::Error::other)?;
    writer.finish().map_err(std::io::Error::other)
}
