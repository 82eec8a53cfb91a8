//! What the window shows, pixel by pixel: pictures enlarged without smoothing, dark boxes, text. Pure; it never touches a window.

use embedded_graphics::{
    Pixel,
    draw_target::DrawTarget,
    geometry::{Dimensions, OriginDimensions, Point, Size},
    pixelcolor::{Rgb888, RgbColor},
    primitives::Rectangle,
};

use crate::picture::Picture;

/// Pixels as the window wants them: 0x00RRGGBB.
#[derive(Debug, Default)]
pub(crate) struct Canvas {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) pixels: Vec<u32>,
    /// Which column of the picture each column shows.
    columns: Vec<usize>,
}

/// A place on a canvas, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) left: usize,
    pub(crate) top: usize,
    pub(crate) width: usize,
    pub(crate) height: usize,
}

/// The largest place of the picture's proportions in the middle of an area.
pub(crate) fn fit(picture: (usize, usize), area: (usize, usize)) -> Place {
    let ((wide, high), (width, height)) = (picture, area);
    // Compared crosswise, so that nothing is rounded before it must be.
    let (fit_wide, fit_high) = if wide * height >= high * width {
        (width, (high * width / wide).max(1))
    } else {
        ((wide * height / high).max(1), height)
    };
    Place {
        left: (width - fit_wide) / 2,
        top: (height.saturating_sub(fit_high)) / 2,
        width: fit_wide,
        height: fit_high,
    }
}

impl Canvas {
    /// Makes it this large and fills it with one colour.
    pub(crate) fn clear(&mut self, width: usize, height: usize, colour: u32) {
        (self.width, self.height) = (width, height);
        self.pixels.clear();
        self.pixels.resize(width * height, colour);
    }

    /// Draws a picture into a place that lies within the canvas: each pixel shows its nearest in the picture.
    pub(crate) fn draw_picture(&mut self, picture: &Picture, place: Place) {
        let Place { left, top, width, height } = place;
        self.columns.clear();
        self.columns.extend((0..width).map(|column| column * picture.width / width * 3));
        let mut drawn: Option<(usize, usize)> = None;
        for row in 0..height {
            let from = row * picture.height / height;
            let at = (top + row) * self.width + left;
            match drawn {
                // An enlarged picture repeats its rows.
                Some((same, there)) if same == from => self.pixels.copy_within(there..there + width, at),
                _ => {
                    let line = &picture.rgb[from * picture.width * 3..(from + 1) * picture.width * 3];
                    let pixels = &mut self.pixels[at..at + width];
                    for (pixel, &column) in pixels.iter_mut().zip(&self.columns) {
                        *pixel = u32::from_be_bytes([0, line[column], line[column + 1], line[column + 2]]);
                    }
                }
            }
            drawn = Some((from, at));
        }
    }

    /// Takes light away within a place: so many quarters are left.
    pub(crate) fn dim(&mut self, place: Place, quarters: u32) {
        let right = (place.left + place.width).min(self.width);
        for row in place.top..(place.top + place.height).min(self.height) {
            let line = row * self.width;
            for pixel in &mut self.pixels[line + place.left.min(right)..line + right] {
                *pixel = (*pixel >> 2 & 0x003f_3f3f) * quarters;
            }
        }
    }
}

impl OriginDimensions for Canvas {
    fn size(&self) -> Size {
        Size::new(self.width as u32, self.height as u32)
    }
}

impl DrawTarget for Canvas {
    type Color = Rgb888;
    type Error = std::convert::Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb888>>>(&mut self, pixels: I) -> Result<(), Self::Error> {
        let area: Rectangle = self.bounding_box();
        for Pixel(Point { x, y }, colour) in pixels {
            if area.contains(Point { x, y }) {
                let value = u32::from_be_bytes([0, colour.r(), colour.g(), colour.b()]);
                self.pixels[y as usize * self.width + x as usize] = value;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pixel i is the colour i.
    fn counted(width: usize, height: usize) -> Picture {
        let rgb = (0..width * height).flat_map(|i| [(i >> 16) as u8, (i >> 8) as u8, i as u8]).collect();
        Picture { width, height, rgb }
    }

    fn drawn(picture: &Picture, width: usize, height: usize) -> Canvas {
        let mut canvas = Canvas::default();
        canvas.clear(width, height, 0);
        canvas.draw_picture(picture, Place { left: 0, top: 0, width, height });
        canvas
    }

    #[test]
    fn enlarging_repeats_each_pixel() {
        let canvas = drawn(&counted(2, 2), 6, 6);
        for (at, pixel) in canvas.pixels.iter().enumerate() {
            assert_eq!(*pixel as usize, at / 6 / 3 * 2 + at % 6 / 3, "pixel {at}");
        }
    }

    #[test]
    fn shrinking_leaves_pixels_out() {
        let canvas = drawn(&counted(8, 4), 4, 2);
        assert_eq!(canvas.pixels, [0, 2, 4, 6, 16, 18, 20, 22]);
    }

    #[test]
    fn any_size_can_be_drawn() {
        for (width, height) in [(1, 1), (1, 99), (99, 1), (333, 77)] {
            assert_eq!(drawn(&counted(13, 7), width, height).pixels.len(), width * height);
        }
    }

    #[test]
    fn a_picture_keeps_its_proportions_in_any_window() {
        let place = |left, top, width, height| Place { left, top, width, height };
        assert_eq!(fit((640, 480), (2560, 1920)), place(0, 0, 2560, 1920));
        assert_eq!(fit((640, 480), (1600, 900)), place(200, 0, 1200, 900));
        assert_eq!(fit((640, 480), (400, 900)), place(0, 300, 400, 300));
        assert_eq!(fit((10_000, 1), (100, 100)), place(0, 49, 100, 1));
        assert_eq!(fit((1, 10_000), (100, 100)), place(49, 0, 1, 100));
    }

    #[test]
    fn dimming_takes_light_away_only_where_it_should() {
        let mut canvas = Canvas::default();
        canvas.clear(3, 1, 0x00ff_8004);
        canvas.dim(Place { left: 1, top: 0, width: 9, height: 9 }, 2);
        assert_eq!(canvas.pixels, [0x00ff_8004, 0x007e_4002, 0x007e_4002]);
    }
}
