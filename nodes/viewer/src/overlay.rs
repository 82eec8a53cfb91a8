//! The words in the window: rate, age, gaps and size in a corner, and what is the matter when there is no picture. Pure drawing.

use embedded_graphics::{
    Drawable,
    geometry::Point,
    mono_font::{
        MonoFont, MonoTextStyle,
        ascii::{FONT_6X10, FONT_10X20},
    },
    pixelcolor::Rgb888,
    text::{Baseline, Text},
};

use crate::{
    canvas::{Canvas, Place},
    ledger::Readings,
};

const WHITE: Rgb888 = Rgb888::new(240, 243, 246);
const AMBER: Rgb888 = Rgb888::new(255, 190, 60);

/// Without a picture for longer than this, and longer than a few of its periods, the window says so.
const SILENCE_S: f64 = 1.0;

/// The corner's numbers, one entry each.
pub(crate) fn numbers(readings: &Readings, size: (usize, usize)) -> Vec<String> {
    let rate = readings.rate.map_or_else(|| "-- Hz".to_owned(), |rate| format!("{rate:.1} Hz"));
    let age = readings.age_ms.map_or_else(|| "age --".to_owned(), |age| format!("age {} ms", short(age)));
    let mut numbers = vec![rate, age, format!("gaps {}", readings.gaps), format!("{}x{}", size.0, size.1)];
    if readings.broken > 0 {
        numbers.push(format!("broken {}", readings.broken));
    }
    numbers
}

/// Milliseconds, with a tenth while it says something.
fn short(millis: f64) -> String {
    if millis < 10.0 { format!("{millis:.1}") } else { format!("{millis:.0}") }
}

/// What is the matter, when pictures do not come; one line or two.
pub(crate) fn complaint(topic: &str, readings: &Readings) -> Option<Vec<String>> {
    let mut lines = match readings.silence_s {
        None => vec![format!("waiting for {topic}...")],
        Some(silence) if silence > SILENCE_S.max(readings.rate.map_or(0.0, |rate| 3.0 / rate)) => {
            vec![format!("no picture for {silence:.1} s")]
        }
        Some(_) => return None,
    };
    if readings.nothing_good {
        lines.push("the sender is there but has no picture".to_owned());
    }
    Some(lines)
}

/// Draws the numbers into the upper left corner, on one line where they fit.
pub(crate) fn draw_corner(canvas: &mut Canvas, numbers: &[String]) {
    let font = font_for(canvas, 480, 240);
    let margin = font.character_size.height as usize / 2;
    let one_line = numbers.join("   ");
    let fits = box_of(font, std::slice::from_ref(&one_line)).0 + 2 * margin <= canvas.width;
    let lines = if fits { vec![one_line] } else { numbers.to_vec() };
    let (width, height) = box_of(font, &lines);
    draw_box(canvas, font, &lines, Place { left: margin, top: margin, width, height }, WHITE);
}

/// Draws a complaint into the middle.
pub(crate) fn draw_middle(canvas: &mut Canvas, lines: &[String]) {
    let font = font_for(canvas, 400, 100);
    let (width, height) = box_of(font, lines);
    let left = canvas.width.saturating_sub(width) / 2;
    let top = canvas.height.saturating_sub(height) / 2;
    draw_box(canvas, font, lines, Place { left, top, width, height }, AMBER);
}

fn font_for(canvas: &Canvas, width: usize, height: usize) -> &'static MonoFont<'static> {
    if canvas.width >= width && canvas.height >= height { &FONT_10X20 } else { &FONT_6X10 }
}

/// Width and height of the box around these lines.
fn box_of(font: &MonoFont<'_>, lines: &[String]) -> (usize, usize) {
    let (wide, high) = (font.character_size.width as usize, font.character_size.height as usize);
    let longest = lines.iter().map(|line| line.chars().count()).max().unwrap_or(0);
    ((longest + 2) * wide, lines.len() * high + high * 2 / 3)
}

fn draw_box(canvas: &mut Canvas, font: &MonoFont<'_>, lines: &[String], place: Place, colour: Rgb888) {
    canvas.dim(place, 1);
    let (wide, high) = (font.character_size.width, font.character_size.height);
    let style = MonoTextStyle::new(font, colour);
    for (row, line) in lines.iter().enumerate() {
        let left = place.left as i32 + wide as i32;
        let top = place.top as i32 + (high / 3) as i32 + row as i32 * high as i32;
        // Drawing on a canvas cannot fail: its error type has no values.
        let _ = Text::with_baseline(line, Point::new(left, top), style, Baseline::Top).draw(canvas);
    }
}

/// The colour of an empty window.
pub(crate) const BACKGROUND: u32 = 0x0014_181e;

#[cfg(test)]
mod tests {
    use super::*;

    fn readings() -> Readings {
        let (rate, age_ms) = (Some(29.97), Some(12.4));
        Readings { rate, age_ms, gaps: 2, broken: 0, silence_s: Some(0.03), nothing_good: false }
    }

    #[test]
    fn the_corner_tells_rate_age_gaps_and_size() {
        assert_eq!(numbers(&readings(), (640, 480)), ["30.0 Hz", "age 12 ms", "gaps 2", "640x480"]);
        let first = Readings { silence_s: Some(0.0), broken: 3, ..Readings::default() };
        assert_eq!(numbers(&first, (8, 9)), ["-- Hz", "age --", "gaps 0", "8x9", "broken 3"]);
        assert_eq!(short(0.84), "0.8");
    }

    #[test]
    fn silence_is_said() {
        let topic = "robot:camera/frames";
        assert_eq!(complaint(topic, &Readings::default()).unwrap(), ["waiting for robot:camera/frames..."]);
        assert_eq!(complaint(topic, &readings()), None);
        let silent = Readings { silence_s: Some(3.21), rate: None, ..readings() };
        assert_eq!(complaint(topic, &silent).unwrap(), ["no picture for 3.2 s"]);
        let away = Readings { nothing_good: true, ..silent };
        assert_eq!(complaint(topic, &away).unwrap()[1], "the sender is there but has no picture");
    }

    #[test]
    fn a_slow_sender_is_not_a_silent_one() {
        let slow = Readings { rate: Some(0.6), silence_s: Some(1.5), ..readings() };
        assert_eq!(complaint("t", &slow), None);
    }

    #[test]
    fn words_are_light_on_a_dark_box_whatever_the_picture() {
        for (width, height) in [(640, 480), (160, 120), (20, 10)] {
            let mut canvas = Canvas::default();
            canvas.clear(width, height, 0x00ff_ffff);
            draw_corner(&mut canvas, &numbers(&readings(), (640, 480)));
            let words = canvas.pixels.iter().filter(|pixel| **pixel == 0x00f0_f3f6).count();
            let dark = canvas.pixels.iter().filter(|pixel| **pixel == 0x003f_3f3f).count();
            assert!(dark > words && (words > 100 || width < 100), "{width} x {height}: {words} {dark}");
        }
    }
}
