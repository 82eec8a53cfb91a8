//! A drawing as a PNG. Shapes are drawn twice as large and halved, so that lines are smooth; words are drawn as they are.

use std::{convert::Infallible, fs::File, io::BufWriter, path::Path};

use embedded_graphics::{
    Drawable, Pixel,
    draw_target::DrawTarget,
    geometry::{OriginDimensions, Point, Size},
    mono_font::{
        MonoTextStyle,
        iso_8859_1::{FONT_7X13, FONT_10X20},
    },
    pixelcolor::{Rgb888, RgbColor},
    primitives::{Polyline, Primitive, PrimitiveStyle},
    text::{Alignment, Text},
};

use super::sheet::{Anchor, Colour, Shape, Sheet};

/// How much larger shapes are drawn.
const OVER: usize = 2;

/// Writes the picture.
pub(crate) fn write(path: &Path, sheet: &Sheet) -> Result<(), Box<dyn std::error::Error>> {
    let canvas = draw(sheet);
    let file = BufWriter::new(File::create(path)?);
    let mut encoder = png::Encoder::new(file, canvas.width as u32, canvas.height as u32);
    encoder.set_color(png::ColorType::Rgb);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(canvas.pixels.as_flattened())?;
    writer.finish()?;
    Ok(())
}

struct Canvas {
    width: usize,
    height: usize,
    pixels: Vec<[u8; 3]>,
}

fn draw(sheet: &Sheet) -> Canvas {
    let (width, height) = (sheet.width as usize, sheet.height as usize);
    let mut large = Canvas::new(width * OVER, height * OVER);
    let scale = OVER as f64;
    for shape in &sheet.shapes {
        match shape {
            Shape::Box { x, y, width, height, colour, opacity } => {
                large.fill((x * scale, y * scale), (width * scale, height * scale), *colour, *opacity);
            }
            Shape::Line { points, colour, width } => large.line(points, *colour, *width),
            Shape::Text { .. } => {}
        }
    }
    let mut canvas = large.halved();
    sheet.shapes.iter().for_each(|shape| canvas.text(shape));
    canvas
}

impl Canvas {
    fn new(width: usize, height: usize) -> Canvas {
        Canvas { width, height, pixels: vec![[255; 3]; width * height] }
    }

    fn fill(&mut self, (x, y): (f64, f64), (width, height): (f64, f64), colour: Colour, opacity: f64) {
        let (left, top) = (x.max(0.0).round() as usize, y.max(0.0).round() as usize);
        // What is there is seen, however thin.
        let right = ((x + width).round() as usize).max(left + 1).min(self.width);
        let bottom = ((y + height).round() as usize).max(top + 1).min(self.height);
        for row in top..bottom {
            for pixel in self.pixels[row * self.width..].iter_mut().take(right).skip(left) {
                for (old, new) in pixel.iter_mut().zip(colour) {
                    *old = (f64::from(*old) * (1.0 - opacity) + f64::from(new) * opacity).round() as u8;
                }
            }
        }
    }

    fn line(&mut self, points: &[(f64, f64)], colour: Colour, width: f64) {
        let scale = OVER as f64;
        let points: Vec<Point> =
            points.iter().map(|(x, y)| Point::new((x * scale).round() as i32, (y * scale).round() as i32)).collect();
        let style = PrimitiveStyle::with_stroke(rgb(colour), (width * scale).round().max(1.0) as u32);
        let Ok(()) = Polyline::new(&points).into_styled(style).draw(self);
    }

    fn text(&mut self, shape: &Shape) {
        let Shape::Text { x, y, text, anchor, colour, large } = shape else { return };
        let font = if *large { &FONT_10X20 } else { &FONT_7X13 };
        let alignment = match anchor {
            Anchor::Left => Alignment::Left,
            Anchor::Middle => Alignment::Center,
            Anchor::Right => Alignment::Right,
        };
        let at = Point::new(x.round() as i32, y.round() as i32);
        let Ok(_) = Text::with_alignment(text, at, MonoTextStyle::new(font, rgb(*colour)), alignment).draw(self);
    }

    fn halved(&self) -> Canvas {
        let mut half = Canvas::new(self.width / OVER, self.height / OVER);
        for (at, pixel) in half.pixels.iter_mut().enumerate() {
            let (column, row) = (at % half.width * OVER, at / half.width * OVER);
            for (channel, value) in pixel.iter_mut().enumerate() {
                let block = (row..row + OVER)
                    .flat_map(|row| (column..column + OVER).map(move |column| row * self.width + column));
                let sum: usize = block.map(|at| usize::from(self.pixels[at][channel])).sum();
                *value = (sum / (OVER * OVER)) as u8;
            }
        }
        half
    }
}

impl OriginDimensions for Canvas {
    fn size(&self) -> Size {
        Size::new(self.width as u32, self.height as u32)
    }
}

impl DrawTarget for Canvas {
    type Color = Rgb888;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb888>>>(&mut self, pixels: I) -> Result<(), Infallible> {
        for Pixel(Point { x, y }, colour) in pixels {
            let (Ok(x), Ok(y)) = (usize::try_from(x), usize::try_from(y)) else { continue };
            if x < self.width && y < self.height {
                self.pixels[y * self.width + x] = [colour.r(), colour.g(), colour.b()];
            }
        }
        Ok(())
    }
}

fn rgb([red, green, blue]: Colour) -> Rgb888 {
    Rgb888::new(red, green, blue)
}
