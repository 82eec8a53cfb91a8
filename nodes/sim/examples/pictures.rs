//! Writes what a person sees on a lap of a few tracks, and the tracks from above, as PNGs:
//! `cargo run --release -p offboard-sim --example pictures -- FOLDER [SEED…]`.

#![expect(clippy::unwrap_used, reason = "an example that cannot write ends")]

use std::{fs::File, path::Path, time::Instant};

use offboard_sim::{
    Camera, Driver, Session, Stop, Track, driver::Habits, render::Weather, session::Options, track::HALF_WIDTH,
};

fn main() {
    let mut words = std::env::args().skip(1);
    let folder = words.next().unwrap_or_else(|| "target/pictures".to_owned());
    std::fs::create_dir_all(&folder).unwrap();
    let seeds: Vec<u64> = words.map(|word| word.parse().unwrap()).collect();
    for seed in if seeds.is_empty() { vec![1, 2, 3] } else { seeds } {
        let began = Instant::now();
        let track = Track::new(seed);
        println!("track {seed}: {:.1} m, made in {:?}", track.length(), began.elapsed());
        above(&track, &Path::new(&folder).join(format!("{seed}-above.png")));
        lap(seed, Path::new(&folder));
    }
}

/// One picture each 4 s, in one tall sheet; half of them with noise and changing light.
fn lap(seed: u64, folder: &Path) {
    let mut session = Session::new(Options { seed, ..Options::default() });
    let track = session.track().clone();
    let worse = Camera::new(track.clone(), [160, 120], Weather { noise: 0.3, light: 0.7 });
    let mut driver = Driver::new(track, Habits::default(), seed);
    let mut sheet = Vec::new();
    let (mut taken, mut farthest) = (0_u64, 0.0_f64);
    let began = Instant::now();
    let outcome = session.run(Stop::lap(60.0), |picture, now_ns| {
        if taken.is_multiple_of(120) {
            sheet.extend(beside(&picture.rgb, &worse.picture(&picture.pose, taken, now_ns).rgb));
        }
        taken += 1;
        farthest = farthest.max(picture.pose.offset.abs());
        let hands = driver.step(&picture.pose, now_ns as f64 / 1e9);
        Some((hands.forward, hands.turn))
    });
    println!(
        "{taken} pictures in {:?}, never farther than {farthest:.2} m from the middle: {outcome:?}",
        began.elapsed()
    );
    write(&folder.join(format!("{seed}-seen.png")), 320, &sheet);
}

fn beside(left: &[u8], right: &[u8]) -> Vec<u8> {
    left.chunks(480).zip(right.chunks(480)).flat_map(|(left, right)| [left, right].concat()).collect()
}

/// The road from above, 10 cm a pixel.
fn above(track: &Track, path: &Path) {
    const SIDE: usize = 220;
    let metres = |pixel: usize| (pixel as f64 - 0.5 * SIDE as f64) * 0.1;
    let pixel = |at: usize| {
        let place = track.place(metres(at % SIDE), -metres(at / SIDE));
        match place.offset.abs() {
            off if off > HALF_WIDTH => [90, 120, 70],
            _ if place.along < 0.5 => [255, 80, 80],
            _ => [90, 90, 90],
        }
    };
    let rgb: Vec<u8> = (0..SIDE * SIDE).flat_map(pixel).collect();
    write(path, SIDE, &rgb);
}

fn write(path: &Path, width: usize, rgb: &[u8]) {
    let size = |pixels: usize| u32::try_from(pixels).unwrap();
    let mut encoder = png::Encoder::new(File::create(path).unwrap(), size(width), size(rgb.len() / 3 / width));
    encoder.set_color(png::ColorType::Rgb);
    encoder.write_header().unwrap().write_image_data(rgb).unwrap();
}
