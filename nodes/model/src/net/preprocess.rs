//! From a picture of any size to the numbers that a network takes: cut, shrunk, grey or not, normalised.

use serde::{Deserialize, Serialize};

use super::shape::Shape;

/// A picture in memory, row after row, one or three bytes a pixel.
#[derive(Clone, Copy, Debug)]
pub struct Picture<'a> {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// 1: grey, 3: red, green, blue.
    pub channels: usize,
    /// width × height × channels bytes.
    pub data: &'a [u8],
}

impl<'a> Picture<'a> {
    /// None if it is empty, has other than 1 or 3 channels, or the bytes are not as many as that makes.
    pub fn new(width: usize, height: usize, channels: usize, data: &'a [u8]) -> Option<Picture<'a>> {
        let bytes = width.checked_mul(height)?.checked_mul(channels)?;
        (bytes > 0 && bytes == data.len() && (channels == 1 || channels == 3)).then_some(Picture {
            width,
            height,
            channels,
            data,
        })
    }
}

/// How bytes become numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Normalisation {
    /// Black is −1, white is 1.
    Unit,
    /// Each picture has mean 0 and deviation 1, whatever the light.
    #[default]
    Picture,
}

/// How a picture is prepared; the same while learning and while driving, and kept in the file of weights.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preprocess {
    /// Columns of the prepared picture.
    pub width: usize,
    /// Rows of the prepared picture.
    pub height: usize,
    /// Channels of the prepared picture: 1 or 3.
    pub channels: usize,
    /// The share of rows cut from the top, where the sky is: 0 to 0.9.
    pub crop_top: f32,
    /// How bytes become numbers.
    pub normalisation: Normalisation,
}

/// A picture whose numbers differ less is a wall or a lens cap: it becomes all 0 rather than noise made large.
const DEVIATION_MIN: f32 = 2.0;

impl Preprocess {
    /// What the network's shape asks for.
    pub fn of(shape: &Shape, crop_top: f32) -> Preprocess {
        Preprocess {
            width: shape.width(),
            height: shape.height(),
            channels: shape.channels(),
            crop_top: crop_top.clamp(0.0, 0.9),
            normalisation: Normalisation::default(),
        }
    }

    /// Bytes of a prepared picture, and numbers after [`normalise`](Preprocess::normalise).
    pub fn len(&self) -> usize {
        self.width * self.height * self.channels
    }

    /// Whether it makes nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Cuts and shrinks `picture` into `out`, which becomes [`len`](Preprocess::len) bytes long. Each pixel is the mean of the area
    /// that it covers. Allocates only while `scratch` and `out` grow.
    pub fn shrink(&self, picture: &Picture<'_>, scratch: &mut Scratch, out: &mut Vec<u8>) {
        let top = ((picture.height as f32 * self.crop_top) as usize).min(picture.height - 1);
        scratch.columns.set(picture.width, self.width);
        scratch.rows.set(picture.height - top, self.height);
        let Scratch { columns, rows, row, wide } = scratch;
        out.clear();
        for y in 0..self.height {
            wide.clear();
            wide.resize(self.width * self.channels, 0.0);
            for (source, share) in rows.covers(y) {
                let bytes = picture.width * picture.channels;
                self.channels_of(picture, &picture.data[(top + source) * bytes..][..bytes], row);
                for (x, pixel) in wide.chunks_exact_mut(self.channels).enumerate() {
                    let covered = &row[columns.first(x) * self.channels..];
                    for (source, &weight) in covered.chunks_exact(self.channels).zip(columns.weights(x)) {
                        for (sum, channel) in pixel.iter_mut().zip(source) {
                            *sum += channel * weight * share;
                        }
                    }
                }
            }
            out.extend(wide.iter().map(|number| (number + 0.5) as u8));
        }
    }

    /// One row with as many channels as are wanted.
    fn channels_of(&self, picture: &Picture<'_>, bytes: &[u8], row: &mut Vec<f32>) {
        row.clear();
        match (picture.channels, self.channels) {
            (3, 1) => row.extend(bytes.chunks_exact(3).map(grey)),
            (1, 3) => row.extend(bytes.iter().flat_map(|&byte| [f32::from(byte); 3])),
            _ => row.extend(bytes.iter().map(|&byte| f32::from(byte))),
        }
    }

    /// Makes the bytes of a prepared picture into numbers; both are [`len`](Preprocess::len) long.
    pub fn normalise(&self, prepared: &[u8], out: &mut [f32]) {
        let (offset, scale) = match self.normalisation {
            Normalisation::Unit => (127.5, 1.0 / 127.5),
            Normalisation::Picture => {
                let (mut sum, mut squares) = (0u64, 0u64);
                for &byte in prepared {
                    sum += u64::from(byte);
                    squares += u64::from(byte) * u64::from(byte);
                }
                let count = prepared.len().max(1) as f64;
                let mean = sum as f64 / count;
                let deviation = (squares as f64 / count - mean * mean).max(0.0).sqrt() as f32;
                (mean as f32, if deviation < DEVIATION_MIN { 0.0 } else { 1.0 / deviation })
            }
        };
        for (number, byte) in out.iter_mut().zip(prepared) {
            *number = (f32::from(*byte) - offset) * scale;
        }
    }
}

/// Luma of ITU-R BT.601.
fn grey(rgb: &[u8]) -> f32 {
    0.299 * f32::from(rgb[0]) + 0.587 * f32::from(rgb[1]) + 0.114 * f32::from(rgb[2])
}

/// Memory that [`Preprocess::shrink`] uses again and again.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    columns: Areas,
    rows: Areas,
    row: Vec<f32>,
    wide: Vec<f32>,
}

/// Which pixels each pixel of a shorter line covers, and by what share.
#[derive(Clone, Debug, Default)]
struct Areas {
    long: usize,
    short: usize,
    firsts: Vec<usize>,
    /// Where the shares of each begin, and of one more.
    starts: Vec<usize>,
    shares: Vec<f32>,
}

impl Areas {
    fn set(&mut self, long: usize, short: usize) {
        if (self.long, self.short) == (long, short) {
            return;
        }
        *self = Areas { long, short, starts: vec![0], ..Areas::default() };
        let scale = long as f64 / short as f64;
        for place in 0..short {
            let (from, to) = (place as f64 * scale, (place + 1) as f64 * scale);
            let first = (from as usize).min(long - 1);
            let last = (to.ceil() as usize).clamp(first + 1, long);
            let covered = |pixel: usize| ((pixel + 1) as f64).min(to) - (pixel as f64).max(from);
            self.firsts.push(first);
            self.shares.extend((first..last).map(|pixel| (covered(pixel).max(0.0) / scale) as f32));
            self.starts.push(self.shares.len());
        }
    }

    fn first(&self, place: usize) -> usize {
        self.firsts[place]
    }

    fn weights(&self, place: usize) -> &[f32] {
        &self.shares[self.starts[place]..self.starts[place + 1]]
    }

    fn covers(&self, place: usize) -> impl Iterator<Item = (usize, f32)> {
        self.weights(place).iter().enumerate().map(move |(nth, share)| (self.first(place) + nth, *share))
    }
}

#[cfg(test)]
mod tests;
