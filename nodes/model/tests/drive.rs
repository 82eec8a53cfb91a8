//! A real drive, 28 s of it to learn from and 7 s to test with: the network beside always saying the mean and beside a linear model.
//!
//! The pictures are not part of the project: `OFFBOARD_DRIVE` names a folder of `controls.csv` (frame, steering, throttle) and
//! `frames/`, else `shared/data/drive` beside the project is looked for.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    env, fs,
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use faer::{Mat, linalg::solvers::Solve as _};
use offboard_model::net::{Dataset, Net, Options, Picture, Preprocess, Scratch, Shape, Size, Trainer};
use zune_jpeg::{JpegDecoder, zune_core::bytestream::ZCursor};

const LEARN: usize = 560;
const CROP_TOP: f32 = 0.3;

fn folder() -> Option<PathBuf> {
    let beside = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data/drive"));
    let folder = env::var_os("OFFBOARD_DRIVE").map_or(beside, PathBuf::from);
    folder.join("controls.csv").is_file().then_some(folder)
}

/// The whole drive: pictures, and what the driver did.
fn drive(folder: &Path, shape: &Shape, preprocess: &Preprocess) -> Dataset {
    let (mut data, mut scratch, mut prepared) = (Dataset::new(shape), Scratch::default(), Vec::new());
    let table = fs::read_to_string(folder.join("controls.csv")).unwrap();
    for (nth, line) in table.lines().skip(1).enumerate() {
        let cells: Vec<&str> = line.split(',').collect();
        let bytes = fs::read(folder.join("frames").join(cells[0])).unwrap();
        let mut decoder = JpegDecoder::new(ZCursor::new(&bytes));
        let pixels = decoder.decode().unwrap();
        let (width, height) = decoder.dimensions().unwrap();
        let picture = Picture::new(width, height, pixels.len() / (width * height), &pixels).unwrap();
        preprocess.shrink(&picture, &mut scratch, &mut prepared);
        let targets = [cells[1].parse().unwrap(), cells[2].parse().unwrap()];
        data.push(&prepared, &[], &targets, nth as i64 * 50_000_000).unwrap();
    }
    data
}

fn first(data: &Dataset, count: usize) -> Dataset {
    let mut some = Dataset::new(data.shape());
    (0..count)
        .for_each(|sample| some.push(data.picture(sample), &[], data.targets(sample), data.stamp_ns(sample)).unwrap());
    some
}

fn turn(data: &Dataset, sample: usize) -> f32 {
    data.targets(sample)[0]
}

/// The mean size of the steering's error on the pictures that were not learned.
fn error(data: &Dataset, mut say: impl FnMut(usize) -> f32) -> f32 {
    let test = LEARN..data.len();
    let count = test.len() as f32;
    test.map(|sample| (say(sample).clamp(-1.0, 1.0) - turn(data, sample)).abs()).sum::<f32>() / count
}

/// Ridge regression on all the pixels that the network sees. It is handed the best of many penalties on the test itself, so that it
/// cannot be called badly tuned.
fn linear(data: &Dataset) -> f32 {
    let pixels = data.shape().inputs();
    let mean = (0..LEARN).map(|sample| turn(data, sample)).sum::<f32>() / LEARN as f32;
    let average: Vec<f64> = (0..pixels)
        .map(|pixel| (0..LEARN).map(|sample| f64::from(data.picture(sample)[pixel])).sum::<f64>() / LEARN as f64)
        .collect();
    let seen = Mat::from_fn(data.len(), pixels, |sample, pixel| {
        (f64::from(data.picture(sample)[pixel]) - average[pixel]) / 255.0
    });
    let known = seen.as_ref().subrows(0, LEARN);
    let alike = seen.as_ref() * known.transpose();
    let targets = Mat::from_fn(LEARN, 1, |sample, _| f64::from(turn(data, sample) - mean));
    let penalties = [0.1, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0];
    let errors = penalties.map(|penalty| {
        let system =
            Mat::from_fn(LEARN, LEARN, |row, column| alike[(row, column)] + if row == column { penalty } else { 0.0 });
        let weights = system.partial_piv_lu().solve(&targets);
        let says = &alike * weights;
        error(data, |sample| mean + says[(sample, 0)] as f32)
    });
    errors.into_iter().fold(f32::INFINITY, f32::min)
}

#[test]
fn of_a_real_drive_the_network_learns_more_than_the_mean_and_a_linear_model_say() {
    let Some(folder) = folder() else {
        println!("SKIPPED: no real drive; OFFBOARD_DRIVE names a folder with controls.csv and frames/");
        return;
    };
    let shape = Shape { size: Size::Small, extras: 0, outputs: 2 };
    let preprocess = Preprocess::of(&shape, CROP_TOP);
    let data = drive(&folder, &shape, &preprocess);
    let mut trainer = Trainer::new(Net::new(&shape, 1), &preprocess, Options::driving(Vec::new()));
    let fit = trainer.fit(&first(&data, LEARN), |_, _| ControlFlow::Continue(())).unwrap();
    let (mut net, mut numbers, mut says) = (trainer.best().clone(), vec![0.0; shape.inputs()], [0.0; 2]);
    let network = error(&data, |sample| {
        preprocess.normalise(data.picture(sample), &mut numbers);
        net.predict(&numbers, &[], &mut says).unwrap();
        says[0]
    });
    let mean = (0..LEARN).map(|sample| turn(&data, sample)).sum::<f32>() / LEARN as f32;
    let (always, linear) = (error(&data, |_| mean), linear(&data));
    println!("mean absolute steering error: network {network:.3}, linear {linear:.3}, always the mean {always:.3}");
    println!("{} epochs, the best was number {}", fit.epochs.len(), fit.best.unwrap() + 1);
    assert!(network < 0.85 * linear, "{network} is not clearly less than a linear model's {linear}");
    assert!(network < 0.6 * always, "{network} is not clearly less than the {always} of always saying the mean");
}
