//! The test pattern: colour bars, a grey ramp, a ball that runs to and fro, and the frame number, for people as digits in the
//! middle and for programs as black and white cells along the top (see [`number`](crate::number)). It is the same on every machine.

use crate::number::{band_height, draw_number};

/// Colour bars at 75 %, as television engineers know them.
const BARS: [[u8; 3]; 7] =
    [[191, 191, 191], [191, 191, 0], [0, 191, 191], [0, 191, 0], [191, 0, 191], [191, 0, 0], [0, 0, 191]];

const PANEL: [u8; 3] = [16, 20, 28];
const TRACK: [u8; 3] = [52, 60, 74];
const BALL: [u8; 3] = [255, 176, 0];
const DIGIT: [u8; 3] = [245, 247, 250];

/// How many digits are shown: at 30 pictures a second the last one changes after 38 days.
const DIGITS: usize = 8;

/// Steps of the grey ramp.
const GRAYS: usize = 16;

/// The ball crosses the picture in so many frames: four seconds at 30 pictures a second.
const CROSSING: usize = 120;

/// The test pattern in one size.
#[derive(Debug)]
pub(crate) struct Pattern {
    width: usize,
    height: usize,
    /// All that does not change.
    still: Vec<u8>,
}

impl Pattern {
    /// The pattern for pictures of `width` × `height` pixels.
    pub(crate) fn new(width: usize, height: usize) -> Pattern {
        let mut canvas = Canvas { rgb: vec![0; width * height * 3], width, height };
        let rows = Rows::of(height);
        for (index, colour) in BARS.iter().enumerate() {
            let (left, right) = (index * width / BARS.len(), (index + 1) * width / BARS.len());
            canvas.fill(left, rows.bars, right - left, rows.track - rows.bars, *colour);
        }
        canvas.fill(0, rows.track, width, rows.ramp - rows.track, PANEL);
        for step in 0..GRAYS {
            let (left, right) = (step * width / GRAYS, (step + 1) * width / GRAYS);
            canvas.fill(left, rows.ramp, right - left, height - rows.ramp, [(step * 255 / (GRAYS - 1)) as u8; 3]);
        }
        let middle = usize::midpoint(rows.track, rows.ramp);
        canvas.fill(0, middle, width, (height / 240).max(1), TRACK);
        Pattern { width, height, still: canvas.rgb }
    }

    /// The picture with this number, as RGB.
    pub(crate) fn draw(&self, number: u32) -> Vec<u8> {
        let mut canvas = Canvas { rgb: self.still.clone(), width: self.width, height: self.height };
        let rows = Rows::of(self.height);
        canvas.number(number, rows.bars, rows.track - rows.bars);
        let radius = (rows.ramp - rows.track) * 2 / 5;
        let way = self.width.saturating_sub(2 * radius + 1);
        let turn = number as usize % (2 * CROSSING);
        let along = if turn < CROSSING { turn } else { 2 * CROSSING - turn };
        canvas.ball(radius + way * along / CROSSING, usize::midpoint(rows.track, rows.ramp), radius);
        draw_number(&mut canvas.rgb, self.width, self.height, number);
        canvas.rgb
    }
}

/// Where the parts of the pattern begin, from the top; the number's band lies above.
struct Rows {
    bars: usize,
    track: usize,
    ramp: usize,
}

impl Rows {
    fn of(height: usize) -> Rows {
        let bars = band_height(height);
        let rest = height - bars;
        // On borders of 8 rows where the height allows it: flat blocks cost a JPEG encoder least.
        let at = |share: usize| bars + rest * share / 100 / 8 * 8;
        Rows { bars, track: at(70), ramp: at(88) }
    }
}

struct Canvas {
    rgb: Vec<u8>,
    width: usize,
    height: usize,
}

impl Canvas {
    /// Fills a rectangle; what lies outside is cut.
    fn fill(&mut self, left: usize, top: usize, width: usize, height: usize, colour: [u8; 3]) {
        let (right, bottom) = ((left + width).min(self.width), (top + height).min(self.height));
        for row in top..bottom {
            let line = row * self.width;
            let Some(pixels) = self.rgb.get_mut((line + left) * 3..(line + right) * 3) else { return };
            pixels.chunks_exact_mut(3).for_each(|pixel| pixel.copy_from_slice(&colour));
        }
    }

    fn ball(&mut self, x: usize, y: usize, radius: usize) {
        for row in y.saturating_sub(radius)..=y + radius {
            let away = row.abs_diff(y);
            let half = (radius * radius - away * away).isqrt();
            self.fill(x.saturating_sub(half), row, 2 * half + 1, 1, BALL);
        }
    }

    /// The number in large digits on a dark panel, in the middle of the rows from `top` on.
    fn number(&mut self, number: u32, top: usize, height: usize) {
        // A digit is 5 units wide and 9 high, one unit apart: as large as fits.
        let unit = (self.width * 9 / 10 / (DIGITS * 6 + 3)).min(height / 16);
        if unit == 0 {
            return;
        }
        let (width, tall) = ((DIGITS * 6 + 3) * unit, 13 * unit);
        let (left, top) = ((self.width - width) / 2, top + (height - tall) / 2);
        self.fill(left, top, width, tall, PANEL);
        let text = format!("{:0DIGITS$}", u64::from(number) % 10u64.pow(DIGITS as u32));
        for (index, digit) in text.bytes().enumerate() {
            self.digit(digit - b'0', left + (index * 6 + 2) * unit, top + 2 * unit, unit);
        }
    }

    /// Seven bars, as on a pocket calculator.
    fn digit(&mut self, digit: u8, x: usize, y: usize, unit: usize) {
        /// Top, upper left, upper right, middle, lower left, lower right, bottom; the first is the highest bit.
        const LIT: [u8; 10] = [
            0b111_0111, 0b001_0010, 0b101_1101, 0b101_1011, 0b011_1010, 0b110_1011, 0b110_1111, 0b101_0010, 0b111_1111,
            0b111_1011,
        ];
        const BARS: [(usize, usize, usize, usize); 7] =
            [(0, 0, 5, 1), (0, 0, 1, 5), (4, 0, 1, 5), (0, 4, 5, 1), (0, 4, 1, 5), (4, 4, 1, 5), (0, 8, 5, 1)];
        let lit = LIT.get(usize::from(digit)).copied().unwrap_or(0);
        // The 1 is only a right side: it looks better in the middle.
        let x = if digit == 1 { x - 2 * unit } else { x };
        for (index, (left, top, width, height)) in BARS.into_iter().enumerate() {
            if lit >> (6 - index) & 1 == 1 {
                self.fill(x + left * unit, y + top * unit, width * unit, height * unit, DIGIT);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        number::read_number,
        pixels::{decode_jpeg, encode_jpeg},
    };

    const NUMBERS: [u32; 6] = [0, 1, 1234, 0x5555_5555, 0xaaaa_aaaa, u32::MAX];

    #[test]
    fn the_number_survives_a_poor_jpeg() {
        for (width, height) in [(160, 120), (320, 240), (640, 480), (1921, 1081)] {
            let pattern = Pattern::new(width, height);
            for number in NUMBERS {
                let jpeg = encode_jpeg(&pattern.draw(number), width, height, 50).unwrap();
                let back = decode_jpeg(&jpeg).unwrap();
                assert_eq!(read_number(&back, width, height), Some(number), "{width} x {height}");
            }
        }
    }

    #[test]
    fn the_number_survives_scaling() {
        let (width, height) = (640, 480);
        for number in NUMBERS {
            let rgb = Pattern::new(width, height).draw(number);
            for (wide, high) in [(1280, 960), (2560, 1920), (320, 240), (477, 333)] {
                let scaled: Vec<u8> = (0..wide * high)
                    .flat_map(|at| {
                        let from = (at / wide * height / high * width + at % wide * width / wide) * 3;
                        [rgb[from], rgb[from + 1], rgb[from + 2]]
                    })
                    .collect();
                assert_eq!(read_number(&scaled, wide, high), Some(number), "{wide} x {high}");
            }
        }
    }

    #[test]
    fn a_picture_without_a_number_has_none() {
        assert_eq!(read_number(&vec![128; 640 * 480 * 3], 640, 480), None);
        let mut damaged = Pattern::new(640, 480).draw(7);
        damaged.chunks_exact_mut(640 * 3).for_each(|row| row[300 * 3..320 * 3].fill(128));
        assert_eq!(read_number(&damaged, 640, 480), None);
        assert_eq!(read_number(&Pattern::new(100, 100).draw(7), 100, 100), None);
    }

    #[test]
    fn pictures_differ_in_more_than_their_number() {
        let pattern = Pattern::new(320, 240);
        let (one, other) = (pattern.draw(10), pattern.draw(11));
        let below = band_height(240) * 320 * 3;
        assert_ne!(one[below..], other[below..]);
    }

    #[test]
    fn every_size_can_be_drawn() {
        for (width, height) in [(16, 16), (17, 4000), (4000, 17), (33, 33), (64, 48)] {
            let rgb = Pattern::new(width, height).draw(u32::MAX);
            assert_eq!(rgb.len(), width * height * 3);
        }
    }
}
