//! Pictures such as a robot's camera takes: a road that sways under a sky, between grainy fields, with a sensor's noise. They
//! are as hard to compress and to decode as photographs, and the same on every machine. They never show anybody.

use std::{fs, path::Path};

use jpeg_encoder::{ColorType, Encoder};

/// Width in pixels.
pub const WIDTH: usize = 640;
/// Height in pixels.
pub const HEIGHT: usize = 480;
/// Quality of the JPEGs.
pub const QUALITY: u8 = 85;

/// One picture of the drive, as RGB.
#[must_use]
pub fn picture(number: usize) -> Vec<u8> {
    let sway = ((number as f64) / 10.0).sin() * 0.3;
    let mut noise = Noise(number as u64 + 1);
    let mut rgb = Vec::with_capacity(WIDTH * HEIGHT * 3);
    for y in 0..HEIGHT {
        for x in 0..WIDTH {
            let grain = noise.next();
            rgb.extend(colour(x, y, number, sway).map(|value| (value + grain).clamp(0.0, 255.0) as u8));
        }
    }
    rgb
}

/// What is seen at a place, before the noise.
fn colour(x: usize, y: usize, number: usize, sway: f64) -> [f64; 3] {
    let (across, down) = (x as f64 / WIDTH as f64 - 0.5, y as f64 / HEIGHT as f64);
    if down < 0.4 {
        let cloud = (across * 9.0 + (down * 23.0).sin()).sin() * 12.0;
        return [120.0 + cloud + 80.0 * down, 160.0 + cloud + 60.0 * down, 220.0];
    }
    let depth = down - 0.4;
    let middle = sway * (0.6 - depth);
    let off = (across - middle).abs() / (0.05 + depth * 0.7);
    let ahead = 1.0 / (depth + 0.05) + number as f64 * 0.2;
    if off < 0.04 && ahead.fract() < 0.5 {
        return [235.0, 225.0, 180.0]; // the middle line
    }
    if off < 1.0 {
        return [92.0, 92.0, 96.0];
    }
    let tuft = ((x / 3 * 7919) ^ ((y / 2 + number) * 104_729)) % 48;
    [70.0 + tuft as f64, 110.0 + tuft as f64, 50.0]
}

/// Noise of a sensor: small, without pattern, always the same.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 61) as f64 - 3.5
    }
}

/// The picture as a JPEG.
///
/// # Panics
/// Never.
#[must_use]
pub fn jpeg(number: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let encoder = Encoder::new(&mut out, QUALITY);
    encoder.encode(&picture(number), WIDTH as u16, HEIGHT as u16, ColorType::Rgb).expect("the size fits");
    out
}

/// Writes the first `count` pictures as JPEGs into a folder; how many bytes one has on average.
///
/// # Panics
/// When it cannot.
pub fn write_jpegs(folder: &Path, count: usize) -> usize {
    fs::create_dir_all(folder).expect("a folder");
    let sizes = (0..count).map(|number| {
        let jpeg = jpeg(number);
        fs::write(folder.join(format!("{number:04}.jpg")), &jpeg).expect("a file");
        jpeg.len()
    });
    sizes.sum::<usize>() / count.max(1)
}
