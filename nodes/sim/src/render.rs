//! What the car sees: road, lines, ground, hills and sky, drawn in software, a frame in well under a millisecond.
//!
//! A pinhole camera above a flat world. For each pixel of the ground the track's map tells where it is, seen from the road; lines
//! are as wide as the part of the pixel that they cover, so that they neither crawl nor vanish in the distance. It never draws the
//! car, and nothing it draws depends on anything but seed, pose and frame number.

use std::sync::Arc;

use offboard::proto::Pose;

use crate::{
    chance,
    look::{Colour, Look},
    track::{HALF_WIDTH, Track},
};

/// Metres above the ground.
const HEIGHT: f64 = 0.25;
/// Metres that it sits ahead of the car's middle.
const AHEAD: f64 = 0.08;
/// Radians that it looks down.
const PITCH: f64 = 0.30;
/// Width of the picture over its focal length: 2 is a view of 90 degrees.
const WIDE: f64 = 2.0;
/// Half a line's width, in metres.
const LINE: f32 = 0.025;
/// Where the middle of an edge line is, in metres from the middle of the road.
const EDGE: f32 = HALF_WIDTH as f32 - 0.04;
/// About so long are a dash and a gap, in metres; a lap holds a whole number.
const DASHES: f64 = 0.8;
/// Beyond so many metres the ground fades into the haze.
const HAZE: f32 = 9.0;
/// Texels a metre.
const GRAIN: f32 = 40.0;
/// Brightness of the grain, in grey levels.
const GRAIN_VERGE: f32 = 26.0;
const GRAIN_ROAD: f32 = 10.0;

/// Three bytes a pixel (red, green, blue), top row first, with what was so when it was taken.
#[derive(Debug, Clone, Default)]
pub struct Picture {
    /// Pixels.
    pub width: usize,
    /// Pixels.
    pub height: usize,
    /// `width * height * 3` bytes.
    pub rgb: Vec<u8>,
    /// When it was taken, in nanoseconds.
    pub stamp_ns: i64,
    /// Where the car was then.
    pub pose: Pose,
}

/// What makes pictures worse than a drawing, each 0 (not at all) to 1.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Weather {
    /// Grain of the sensor: at 1 a deviation of 32 grey levels.
    pub noise: f64,
    /// How much the light changes, over seconds: at 1 from half to one and a half.
    pub light: f64,
}

/// A camera in a car on one track.
#[derive(Debug, Clone)]
pub struct Camera {
    track: Arc<Track>,
    look: Look,
    weather: Weather,
    width: usize,
    height: usize,
    /// Pixels.
    focal: f64,
    /// One for each row, top first.
    rows: Vec<Row>,
    dashes: f32,
    /// Of the changes of light.
    phases: [f64; 3],
}

/// What a row of pixels looks at.
#[derive(Debug, Clone, Copy)]
enum Row {
    /// Tangent of the angle above the horizon.
    Sky {
        above: f64,
    },
    Ground(Ground),
}

/// A line across the ground.
#[derive(Debug, Clone, Copy)]
struct Ground {
    /// Metres ahead of the camera.
    ahead: f64,
    /// Metres to the next pixel of the row.
    beside: f64,
    /// Metres to the next row.
    deep: f64,
    /// How coarse the texture is there.
    size: usize,
    /// How much haze is between, 0 to 1.
    haze: f32,
}

impl Camera {
    /// A camera for pictures of this size (pixels) on this track.
    #[must_use]
    pub fn new(track: Arc<Track>, [width, height]: [usize; 2], weather: Weather) -> Camera {
        let focal = width as f64 / WIDE;
        let look = Look::new(track.seed());
        let rows = (0..height).map(|row| Row::new(row, height, focal)).collect();
        let dashes = (track.length() / (track.length() / DASHES).round()) as f32;
        let mut rng = chance::of(track.seed(), 3);
        let phases = std::array::from_fn(|_| chance::between(&mut rng, 0.0, std::f64::consts::TAU));
        Camera { track, look, weather, width, height, focal, rows, dashes, phases }
    }

    /// The picture from this pose, the `number`th of its run: the number decides the noise, the pose's time the light.
    #[must_use]
    pub fn picture(&self, pose: &Pose, number: u64, stamp_ns: i64) -> Picture {
        let mut rgb = vec![0; self.width * self.height * 3];
        let light = self.light(pose.time_s);
        let skyline = self.skyline(pose.heading);
        for (row, line) in self.rows.iter().zip(rgb.chunks_exact_mut(self.width * 3)) {
            match row {
                Row::Sky { above } => self.sky(*above, &skyline, light, line),
                Row::Ground(ground) => self.ground(ground, pose, light, line),
            }
        }
        if self.weather.noise > 0.0 {
            self.grain(number, &mut rgb);
        }
        Picture { width: self.width, height: self.height, rgb, stamp_ns, pose: *pose }
    }

    /// The factor on all brightness.
    fn light(&self, time_s: f64) -> f32 {
        let waves = [(0.30, 0.3), (0.15, 0.9), (0.05, 5.0)];
        let sum: f64 = waves.iter().zip(self.phases).map(|((h, pace), phase)| h * (pace * time_s + phase).sin()).sum();
        (1.0 + self.weather.light * sum) as f32
    }

    /// For each column, how high the hills stand: tangents of angles.
    fn skyline(&self, heading: f64) -> Vec<f64> {
        let column = |column: usize| {
            let right = (column as f64 + 0.5 - 0.5 * self.width as f64) / self.focal;
            self.look.hill(heading - right.atan()).tan() * right.hypot(1.0)
        };
        (0..self.width).map(column).collect()
    }

    fn sky(&self, above: f64, skyline: &[f64], light: f32, line: &mut [u8]) {
        let Look { zenith, horizon, hills, .. } = &self.look;
        let sky = mixed(*horizon, *zenith, (above * 1.6).min(1.0) as f32);
        let pixel = 1.0 / self.focal;
        for (hill, out) in skyline.iter().zip(line.chunks_exact_mut(3)) {
            let covered = ((hill - above) / pixel + 0.5).clamp(0.0, 1.0) as f32;
            put(out, mixed(sky, *hills, covered), light);
        }
    }

    fn ground(&self, row: &Ground, pose: &Pose, light: f32, line: &mut [u8]) {
        let (sin, cos) = pose.heading.sin_cos();
        let ahead = AHEAD + row.ahead;
        let left = 0.5 * (self.width as f64 - 1.0) * row.beside;
        let (mut x, mut y) = (pose.x + ahead * cos - left * sin, pose.y + ahead * sin + left * cos);
        let (dx, dy) = (row.beside * sin, -row.beside * cos);
        let footprint =
            Footprint { beside: (dx as f32, dy as f32), deep: ((row.deep * cos) as f32, (row.deep * sin) as f32) };
        for out in line.chunks_exact_mut(3) {
            let colour = self.spot(x, y, row.size, &footprint);
            put(out, mixed(colour, self.look.horizon, row.haze), light);
            x += dx;
            y += dy;
        }
    }

    /// The colour of a piece of ground.
    fn spot(&self, x: f64, y: f64, size: usize, footprint: &Footprint) -> Colour {
        let grain = self.look.texture.at(x as f32 * GRAIN, y as f32 * GRAIN, size);
        let verge = self.look.verge.map(|part| part + GRAIN_VERGE * grain);
        let Some((point, along, offset)) = self.track.near(x, y) else { return verge };
        let (along, offset) = (along as f32, offset as f32);
        let (cos, sin) = (point.cos as f32, point.sin as f32);
        let across = footprint.along(-sin, cos);
        let on_road = band(offset.abs(), 0.0, HALF_WIDTH as f32, across);
        let road = self.look.road.map(|part| part + GRAIN_ROAD * grain);
        let mut colour = mixed(verge, road, on_road);
        colour = mixed(colour, self.look.edge, band(offset.abs(), EDGE, LINE, across));
        let dash = band(offset.abs(), 0.0, LINE, across);
        if dash > 0.0 {
            colour = mixed(colour, self.look.middle, dash * self.dash(along, footprint.along(cos, sin)));
        }
        colour
    }

    /// How much of a pixel is dash and not gap.
    fn dash(&self, along: f32, length: f32) -> f32 {
        let period = self.dashes;
        let from_middle = (along / period).fract() * period - 0.25 * period;
        let from_middle = from_middle.abs().min((from_middle - period).abs());
        let seen = band(from_middle, 0.0, 0.25 * period, length);
        // Longer than both together it is the mean of them.
        seen + (0.5 - seen) * (length / period - 0.5).clamp(0.0, 1.0)
    }

    /// The sensor's noise: two bytes of chance for each channel, so about a triangle, mean 0.
    fn grain(&self, number: u64, rgb: &mut [u8]) {
        let mut rng = chance::of(self.track.seed(), 0x1_0000 + number);
        // Two even bytes have a deviation of 104.5 levels together.
        let scale = (self.weather.noise * 32.0 / 104.5 * 1024.0) as i32;
        for four in rgb.chunks_mut(4) {
            for (value, pair) in four.iter_mut().zip(rng.u64(..).to_le_bytes().chunks_exact(2)) {
                let noise = (i32::from(pair[0]) + i32::from(pair[1]) - 255) * scale / 1024;
                *value = (i32::from(*value) + noise).clamp(0, 255) as u8;
            }
        }
    }
}

impl Row {
    fn new(row: usize, height: usize, focal: f64) -> Row {
        let (sin, cos) = PITCH.sin_cos();
        let ahead = |row: f64| {
            let down = (row + 0.5 - 0.5 * height as f64) / focal;
            let (forward, falls) = (cos - down * sin, sin + down * cos);
            (forward, falls)
        };
        let (forward, falls) = ahead(row as f64);
        let above = -falls / forward;
        // Half a pixel below the horizon the ground is hundreds of metres away: all haze.
        if above > -0.002 {
            return Row::Sky { above };
        }
        let away = HEIGHT / falls;
        let (farther, higher) = ahead(row as f64 - 0.5);
        let (nearer, lower) = ahead(row as f64 + 0.5);
        let deep = if higher > 0.0 { HEIGHT * (farther / higher - nearer / lower) } else { forward * away };
        let beside = away / focal;
        let size = ((deep * beside).sqrt() * f64::from(GRAIN)).log2().round().max(0.0) as usize;
        let distance = (forward * away) as f32;
        let haze = 1.0 - (-(distance / HAZE).powi(2)).exp();
        Row::Ground(Ground { ahead: forward * away, beside, deep, size, haze: 0.85 * haze })
    }
}

/// How far a pixel reaches over the ground: to its neighbour and to the next row.
struct Footprint {
    beside: (f32, f32),
    deep: (f32, f32),
}

impl Footprint {
    /// Its length along a direction.
    fn along(&self, x: f32, y: f32) -> f32 {
        (self.beside.0 * x + self.beside.1 * y).abs() + (self.deep.0 * x + self.deep.1 * y).abs()
    }
}

/// How much of a pixel of width `pixel` at `at` is within `half` of `middle`: 0 to 1.
fn band(at: f32, middle: f32, half: f32, pixel: f32) -> f32 {
    let reach = half + 0.5 * pixel;
    let most = (2.0 * half / pixel).min(1.0);
    ((reach - (at - middle).abs()) / pixel).clamp(0.0, most)
}

fn mixed(from: Colour, to: Colour, share: f32) -> Colour {
    std::array::from_fn(|part| from[part] + share * (to[part] - from[part]))
}

fn put(out: &mut [u8], colour: Colour, light: f32) {
    for (out, part) in out.iter_mut().zip(colour) {
        *out = (part * light) as u8; // saturates
    }
}

#[cfg(test)]
mod tests;
