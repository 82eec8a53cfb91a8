//! A person drives five minutes; a network learns from it and drives tracks that it has never seen, with more and more time between
//! picture and motion. `cargo bench -p offboard-tests --bench laps [-- --quick] [--epochs N] [--minutes N] [--latency MS] [--tracks N]`
//!
//! All in virtual time, the same on each machine. Three ways to learn: the command of the picture's moment (`no lead`), the command that
//! was in effect as much later as the loop takes (`lead`), and that with the commands still in flight as further inputs (`flight`).
//! It asserts nothing.

#![expect(clippy::expect_used, reason = "a bench that cannot go on says why and ends")]

use std::{env, ops::ControlFlow, time::Instant};

use offboard_model::net::{
    Augment, Dataset, Net, Options as Learning, Picture as Pixels, Preprocess, Scratch, Shape, Size, Trainer,
};
use offboard_sim::{Driver, Link, Outcome, Picture, Session, Stop, driver::Habits, render::Weather, session::Options};
use offboard_tests::bench::{heading, is_quick, row};

/// The first of the tracks that are shown.
const SHOWN: u64 = 1;
/// The first of the tracks that are never learned from.
const UNSEEN: u64 = 100;
/// Rows cut from the top, where the sky is.
const CROP: f32 = 0.3;
/// Commands in flight that a network is told.
const FLIGHT: usize = 4;
const WEATHER: Weather = Weather { noise: 0.1, light: 0.2 };

/// A command: when it was in effect or sent (seconds), forward, turn.
type Command = (f64, f32, f32);

#[derive(Clone, Copy, PartialEq)]
enum Way {
    NoLead,
    Lead,
    Flight,
}

/// What a person did with what it saw.
struct Demonstration {
    pictures: Vec<(f64, Vec<u8>)>,
    commands: Vec<Command>,
}

fn main() {
    let quick = is_quick();
    let seeds = UNSEEN..UNSEEN + if quick { 5 } else { 10 };
    let only = [number("--latency", -1.0) / 1e3];
    let latencies: &[f64] = match (only[0] >= 0.0, quick) {
        (true, _) => &only,
        (false, true) => &[0.0, 0.1, 0.2],
        (false, false) => &[0.0, 0.05, 0.1, 0.15, 0.2, 0.3],
    };
    let began = Instant::now();
    let shown = demonstrate(number("--minutes", 5.0), number("--tracks", 1.0) as u64);
    println!("demonstration: {} pictures in {:.0?}", shown.pictures.len(), began.elapsed());
    let epochs = number("--epochs", if quick { 6.0 } else { 12.0 }) as usize;
    let count = seeds.clone().count();
    heading(&format!("one lap on each of {count} unseen tracks"), "clean · off s a lap");
    row("drive straight", tell(&straight(seeds.clone())), "");
    for &latency in latencies {
        let link = Link::delay(latency);
        row(&format!("{:>3.0} ms · a person", latency * 1e3), tell(&person(seeds.clone(), link)), "");
    }
    let mut plain: Option<Net> = None;
    for &latency in latencies {
        for way in [Way::NoLead, Way::Lead, Way::Flight] {
            if latency == 0.0 && way != Way::NoLead {
                continue;
            }
            let lead_s = if way == Way::NoLead { 0.0 } else { latency };
            let net = match (&plain, way) {
                (Some(net), Way::NoLead) => net.clone(),
                _ => learn(&shown, way, lead_s, epochs),
            };
            if way == Way::NoLead {
                plain.get_or_insert(net.clone());
            }
            clones(&net, way, latency, seeds.clone(), Link::delay(latency));
            if latency == 0.1 {
                let lossy = Link { loss: 0.01, ..Link::delay(latency) };
                clones(&net, way, latency, seeds.clone(), lossy);
            }
        }
    }
    println!("in all {:.0?}", began.elapsed());
}

/// A number after a word of the command line.
fn number(word: &str, usual: f64) -> f64 {
    let words: Vec<String> = env::args().collect();
    let after = words.iter().position(|one| one == word).and_then(|at| words.get(at + 1));
    after.and_then(|text| text.parse().ok()).unwrap_or(usual)
}

fn shape(way: Way) -> Shape {
    Shape { size: Size::Small, extras: if way == Way::Flight { FLIGHT } else { 0 }, outputs: 2 }
}

/// What the network gets of a picture.
fn shrunk(picture: &Picture, scratch: &mut Scratch) -> Vec<u8> {
    let mut out = Vec::new();
    if let Some(pixels) = Pixels::new(picture.width, picture.height, 3, &picture.rgb) {
        Preprocess::of(&shape(Way::NoLead), CROP).shrink(&pixels, scratch, &mut out);
    }
    out
}

fn demonstrate(minutes: f64, tracks: u64) -> Demonstration {
    let mut shown = Demonstration { pictures: Vec::new(), commands: Vec::new() };
    let mut scratch = Scratch::default();
    for track in 0..tracks.max(1) {
        let seed = SHOWN + track;
        let mut session = Session::new(Options { seed, weather: WEATHER, put_back_s: Some(2.0), ..Options::default() });
        let mut driver = Driver::new(session.track().clone(), Habits::default(), seed);
        let seconds = 60.0 * minutes / tracks.max(1) as f64;
        // One after the other, a second between them.
        let from_s = track as f64 * (seconds + 1.0);
        session.run(Stop::after(seconds), |picture, now_ns| {
            let now_s = now_ns as f64 / 1e9;
            let hands = driver.step(&picture.pose, now_s);
            shown.pictures.push((from_s + now_s, shrunk(picture, &mut scratch)));
            shown.commands.push((from_s + now_s, hands.forward, hands.turn));
            Some((hands.forward, hands.turn))
        });
    }
    shown
}

/// What was in effect at a moment: the newest command until then.
fn at(commands: &[Command], at_s: f64) -> Option<Command> {
    let after = commands.partition_point(|(sent_s, ..)| *sent_s <= at_s + 1e-6);
    after.checked_sub(1).map(|newest| commands[newest])
}

/// The turns in effect from the picture's moment until its answer takes effect.
fn in_flight(commands: &[Command], from_s: f64, lead_s: f64) -> Vec<f32> {
    let part = |part: usize| from_s + lead_s * part as f64 / FLIGHT as f64;
    (0..FLIGHT).map(|step| at(commands, part(step)).map_or(0.0, |(_, _, turn)| turn)).collect()
}

fn learn(shown: &Demonstration, way: Way, lead_s: f64, epochs: usize) -> Net {
    let began = Instant::now();
    let shape = shape(way);
    let mut data = Dataset::new(&shape);
    let last_s = shown.commands.last().map_or(0.0, |(at_s, ..)| *at_s);
    for (seen_s, picture) in shown.pictures.iter().skip(30).filter(|(seen_s, _)| seen_s + lead_s <= last_s) {
        let Some((_, forward, turn)) = at(&shown.commands, seen_s + lead_s) else { continue };
        let flight = if way == Way::Flight { in_flight(&shown.commands, *seen_s, lead_s) } else { Vec::new() };
        data.push(picture, &flight, &[forward, turn], (seen_s * 1e9) as i64).expect("all of one shape");
    }
    let turns = if way == Way::Flight { (0..FLIGHT).collect() } else { Vec::new() };
    let augment = Augment { forget_extras: 0.3, ..Augment::driving(1, turns) };
    let options = Learning { epochs, augment, ..Learning::default() };
    let mut trainer = Trainer::new(Net::new(&shape, 1), &Preprocess::of(&shape, CROP), options);
    let fit = trainer.fit(&data, |_, _| ControlFlow::Continue(())).expect("there is data");
    let scores = fit.best.map(|best| fit.epochs[best].validation.clone()).unwrap_or_default();
    println!(
        "  learned from {} pictures, lead {:.0} ms, in {:.0?}: error of turn {:.4}, R² {:.3}",
        data.len(),
        lead_s * 1e3,
        began.elapsed(),
        scores.mean_absolute.get(1).unwrap_or(&f64::NAN),
        scores.r2.get(1).unwrap_or(&f64::NAN),
    );
    trainer.best().clone()
}

/// A clone's laps, as a row.
fn clones(net: &Net, way: Way, latency: f64, seeds: std::ops::Range<u64>, link: Link) {
    let outcomes = drive_all(seeds, link, || {
        let (mut net, mut scratch, mut sent) = (net.clone(), Scratch::default(), Vec::new());
        let preprocess = Preprocess::of(&shape(way), CROP);
        let mut numbers = vec![0.0; preprocess.len()];
        move |picture: &Picture, now_ns: i64| {
            preprocess.normalise(&shrunk(picture, &mut scratch), &mut numbers);
            let seen_s = picture.stamp_ns as f64 / 1e9;
            // What is sent now is in effect so much later: what was sent before is in effect already, or in flight.
            let flight = if way == Way::Flight { in_flight(&sent, seen_s - link.back_s, latency) } else { Vec::new() };
            let mut said = [0.0; 2];
            net.predict(&numbers, &flight, &mut said).ok()?;
            sent.push((now_ns as f64 / 1e9, said[0], said[1]));
            Some((said[0], said[1]))
        }
    });
    let name = match way {
        Way::NoLead => "no lead",
        Way::Lead => "lead",
        Way::Flight => "lead and flight",
    };
    let lossy = if link.loss > 0.0 { format!(", {:.0} % lost", link.loss * 100.0) } else { String::new() };
    let reach = match (latency == 0.0, link.loss > 0.0 && way != Way::NoLead) {
        (true, _) => "9 of 10",
        (_, true) => "8 of 10",
        _ => "",
    };
    row(&format!("{:>3.0} ms{lossy} · clone, {name}", latency * 1e3), tell(&outcomes), reach);
}

/// Who looks at nothing.
fn straight(seeds: std::ops::Range<u64>) -> Vec<Outcome> {
    let options = |seed| Options { drawn: false, ..options(seed, Link::default()) };
    seeds.map(|seed| Session::new(options(seed)).run(one_lap(), |_, _| Some((0.35, 0.0)))).collect()
}

fn person(seeds: std::ops::Range<u64>, link: Link) -> Vec<Outcome> {
    let lap = |seed| {
        let mut session = Session::new(Options { drawn: false, ..options(seed, link) });
        let mut driver = Driver::new(session.track().clone(), Habits::default(), seed);
        session.run(one_lap(), |picture, now_ns| {
            let hands = driver.step(&picture.pose, now_ns as f64 / 1e9);
            Some((hands.forward, hands.turn))
        })
    };
    seeds.map(lap).collect()
}

/// A lap on each track, with a new controller for each.
fn drive_all<C>(seeds: std::ops::Range<u64>, link: Link, controller: impl Fn() -> C) -> Vec<Outcome>
where
    C: FnMut(&Picture, i64) -> Option<(f32, f32)>,
{
    seeds.map(|seed| Session::new(options(seed, link)).run(one_lap(), controller())).collect()
}

fn options(seed: u64, link: Link) -> Options {
    Options { seed, link, weather: WEATHER, put_back_s: Some(2.0), ..Options::default() }
}

/// Until the lap is done; at most so long that it could have been driven three times.
fn one_lap() -> Stop {
    Stop { laps: 1, seconds: 90.0, off_track_s: f64::INFINITY }
}

/// How many laps were clean, how far it got before it left the road first, how long it was off the road; and where it left.
fn tell(outcomes: &[Outcome]) -> String {
    let clean = outcomes.iter().filter(|outcome| outcome.laps > 0).count();
    let mean = |value: fn(&Outcome) -> f64| outcomes.iter().map(value).sum::<f64>() / outcomes.len().max(1) as f64;
    let share = mean(|outcome| outcome.completion) * 100.0;
    let far = outcomes.iter().filter(|outcome| outcome.laps == 0).map(|one| format!("{:.0}", one.completion * 100.0));
    let far: Vec<String> = far.collect();
    let left = if far.is_empty() { String::new() } else { format!(" · left at {}", far.join(" ")) };
    format!("{clean} of {} · {share:.0} % · {:.1} s{left}", outcomes.len(), mean(|outcome| outcome.off_track_s))
}
