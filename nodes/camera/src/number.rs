//! A frame number drawn into a picture so that a program can read it back, whatever was done to the picture on its way.
//!
//! Layout: a band along the top edge, as wide as the picture and a sixteenth as high (8 pixels at least), cut into 34 cells of equal
//! width. Cell 0 is white and cell 33 is black: guards, which also give the threshold. Cells 1 to 32 are the number's bits,
//! bit 31 first, white for 1. Cell `i` of a picture `w` wide covers the columns from `i * w / 34` up to `(i + 1) * w / 34`.
//! To read it, average the middle half of each cell. It survives JPEG at quality 50 and scaling while the picture is at least
//! 136 pixels wide (4 a cell).
//!
//! It knows nothing but RGB bytes and uses nothing else of this crate, so that a test elsewhere can include this very file.

use std::ops::Range;

/// The 32 bits and a guard on each side.
const CELLS: usize = 34;

fn columns(cell: usize, width: usize) -> Range<usize> {
    cell * width / CELLS..(cell + 1) * width / CELLS
}

fn is_white(cell: usize, number: u32) -> bool {
    match cell {
        0 => true,
        1..=32 => number >> (32 - cell) & 1 == 1,
        _ => false,
    }
}

/// How many rows the band has.
pub(crate) fn band_height(height: usize) -> usize {
    (height / 16).max(8).min(height)
}

/// Draws `number` along the top of an RGB picture of `width` pixels.
pub(crate) fn draw_number(rgb: &mut [u8], width: usize, height: usize, number: u32) {
    let Some((first, others)) = rgb.get_mut(..band_height(height) * width * 3).map(|band| band.split_at_mut(width * 3))
    else {
        return;
    };
    for cell in 0..CELLS {
        let columns = columns(cell, width);
        first[columns.start * 3..columns.end * 3].fill(if is_white(cell, number) { 255 } else { 0 });
    }
    others.chunks_exact_mut(width * 3).for_each(|row| row.copy_from_slice(first));
}

/// Reads the number back; none when the picture does not carry one that can be read without doubt.
#[cfg(test)]
pub(crate) fn read_number(rgb: &[u8], width: usize, height: usize) -> Option<u32> {
    if width < CELLS * 4 || rgb.len() != width * height * 3 {
        return None;
    }
    let (white, black) = (brightness(rgb, width, height, 0), brightness(rgb, width, height, CELLS - 1));
    if white < black + 100 {
        return None;
    }
    let (threshold, doubt) = ((white + black) / 2, (white - black) / 5);
    let mut number = 0;
    for cell in 1..=32 {
        let value = brightness(rgb, width, height, cell);
        if value.abs_diff(threshold) < doubt {
            return None;
        }
        number = number << 1 | u32::from(value > threshold);
    }
    Some(number)
}

/// The mean of the middle half of a cell, all three colours together: 0 to 255.
#[cfg(test)]
fn brightness(rgb: &[u8], width: usize, height: usize, cell: usize) -> u32 {
    let (columns, band) = (columns(cell, width), band_height(height));
    let (across, down) = (columns.len() / 4, band / 4);
    let (mut sum, mut count) = (0, 0);
    for row in down..(band - down).max(down + 1) {
        for column in columns.start + across..columns.end - across {
            let pixel = (row * width + column) * 3;
            sum += rgb[pixel..pixel + 3].iter().map(|&byte| u32::from(byte)).sum::<u32>();
            count += 3;
        }
    }
    sum / count
}
