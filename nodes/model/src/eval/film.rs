//! Draws what the human and the model did over a picture, enlarged. Pure; it knows no files.

use crate::pictures::decode::Picture;

/// Red, green and blue of what the human did.
pub const HUMAN: [u8; 3] = [60, 230, 110];

/// Red, green and blue of what the model would have done.
pub const MODEL: [u8; 3] = [255, 120, 40];

/// An enlarged picture is about so high.
const HEIGHT: usize = 480;

/// The angle of full steering, in radians.
const FULL: f32 = 1.1;

/// Turn and forward, −1 to 1.
pub type Hands = [f32; 2];

/// The picture, enlarged, with two hands of a clock for steering and two bars for speed.
#[must_use]
pub fn draw(picture: &Picture, human: Hands, model: Hands) -> Picture {
    let mut canvas = enlarge(picture, (HEIGHT / picture.height.max(1)).clamp(1, 16));
    let thick = (canvas.height / 120).max(1) as f32;
    hand(&mut canvas, human[0], thick * 2.2, HUMAN);
    hand(&mut canvas, model[0], thick * 1.2, MODEL);
    let (wide, width) = (canvas.width / 60 + 1, canvas.width);
    bar(&mut canvas, wide, wide, human[1], HUMAN);
    bar(&mut canvas, wide * 3, wide, model[1], MODEL);
    debug_assert_eq!(canvas.rgb.len(), width * canvas.height * 3);
    canvas
}

fn enlarge(picture: &Picture, by: usize) -> Picture {
    let (width, height) = (picture.width * by, picture.height * by);
    let mut rgb = Vec::with_capacity(width * height * 3);
    for row in picture.rgb.chunks_exact(picture.width * 3) {
        let start = rgb.len();
        rgb.extend(row.chunks_exact(3).flat_map(|pixel| pixel.iter().copied().cycle().take(3 * by)));
        for _ in 1..by {
            rgb.extend_from_within(start..start + width * 3);
        }
    }
    Picture { width, height, rgb }
}

fn dot(canvas: &mut Picture, x: usize, y: usize, colour: [u8; 3]) {
    if x < canvas.width && y < canvas.height {
        let at = (y * canvas.width + x) * 3;
        canvas.rgb[at..at + 3].copy_from_slice(&colour);
    }
}

/// A line from the middle of the lower edge, upright for straight ahead.
fn hand(canvas: &mut Picture, turn: f32, thick: f32, colour: [u8; 3]) {
    let turn = if turn.is_finite() { turn.clamp(-1.0, 1.0) } else { 0.0 };
    let (foot_x, foot_y) = (canvas.width as f32 / 2.0, canvas.height as f32 * 0.97);
    let (along_x, along_y) = ((turn * FULL).sin(), -(turn * FULL).cos());
    let length = canvas.height as f32 * 0.45;
    for y in 0..canvas.height {
        for x in 0..canvas.width {
            let (from_x, from_y) = (x as f32 - foot_x, y as f32 - foot_y);
            let along = from_x * along_x + from_y * along_y;
            let beside = (from_x * along_y - from_y * along_x).abs();
            if (0.0..=length).contains(&along) && beside <= thick {
                dot(canvas, x, y, colour);
            }
        }
    }
}

/// An upright bar from the middle of the height: up is ahead.
fn bar(canvas: &mut Picture, left: usize, wide: usize, value: f32, colour: [u8; 3]) {
    let value = if value.is_finite() { value.clamp(-1.0, 1.0) } else { 0.0 };
    let middle = canvas.height / 2;
    let length = (value.abs() * canvas.height as f32 * 0.4) as usize;
    let top = if value >= 0.0 { middle - length } else { middle };
    for y in top..=top + length {
        (left..left + wide).for_each(|x| dot(canvas, x, y, colour));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grey(width: usize, height: usize) -> Picture {
        Picture { width, height, rgb: vec![90; width * height * 3] }
    }

    fn middle_of(picture: &Picture, colour: [u8; 3], from_x: usize) -> Option<f32> {
        let columns: Vec<usize> = (0..picture.width * picture.height)
            .filter(|i| picture.rgb[i * 3..i * 3 + 3] == colour)
            .map(|i| i % picture.width)
            .filter(|x| *x >= from_x)
            .collect();
        let sum: usize = columns.iter().sum();
        (!columns.is_empty()).then(|| sum as f32 / columns.len() as f32 / picture.width as f32)
    }

    #[test]
    fn hands_point_where_the_robot_is_steered() {
        let drawn = draw(&grey(160, 120), [-0.8, 0.0], [0.8, 0.0]);
        assert_eq!((drawn.width, drawn.height), (640, 480));
        assert!(middle_of(&drawn, HUMAN, 80).unwrap() < 0.45 && middle_of(&drawn, MODEL, 80).unwrap() > 0.55);
    }

    #[test]
    fn any_picture_and_any_value_can_be_drawn() {
        for (width, height) in [(1, 1), (7, 3), (2000, 2), (3, 900)] {
            for value in [0.0, 1.0, -1.0, f32::NAN, f32::INFINITY, 9e9] {
                let drawn = draw(&grey(width, height), [value; 2], [value; 2]);
                assert_eq!(drawn.rgb.len(), drawn.width * drawn.height * 3);
            }
        }
    }
}
