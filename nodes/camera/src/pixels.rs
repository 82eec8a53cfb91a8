//! Pixels to RGB, RGB to JPEG, and back. Pure; it never believes a size that was not checked.

use std::io::Cursor;

use jpeg_encoder::{ColorType, Encoder};
use offboard::proto::{PIXELS_MAX, jpeg};
use zune_core::{bytestream::ZCursor, colorspace::ColorSpace, options::DecoderOptions};
use zune_jpeg::JpegDecoder;

use crate::source::Layout;

/// `data` in `layout` as RGB, three bytes a pixel, top row first.
///
/// # Errors
/// A sentence when `data` is shorter than the picture.
pub(crate) fn to_rgb(layout: Layout, data: &[u8], width: usize, height: usize) -> Result<Vec<u8>, String> {
    let need = layout.bytes(width, height).ok_or_else(|| format!("{layout:?} cannot be {width} x {height} pixels"))?;
    let data = data.get(..need).ok_or_else(|| format!("{} bytes where {layout:?} needs {need}", data.len()))?;
    Ok(match layout {
        Layout::Rgb => data.to_vec(),
        Layout::Bgr => data.chunks_exact(3).flat_map(|pixel| [pixel[2], pixel[1], pixel[0]]).collect(),
        Layout::Gray => data.iter().flat_map(|&luma| [luma; 3]).collect(),
        Layout::Yuyv => yuyv_to_rgb(data),
        Layout::Nv12 => nv12_to_rgb(data, width, height),
    })
}

/// BT.601, luma 16 to 235, chroma 16 to 240, which is what V4L2 means by YUYV and NV12 unless a driver says otherwise
/// (<https://docs.kernel.org/userspace-api/media/v4l/colorspaces-details.html>, V4L2_YCBCR_ENC_601). 8-bit fixed point.
fn bt601(luma: u8, blue: u8, red: u8) -> [u8; 3] {
    let luma = 298 * (i32::from(luma) - 16) + 128;
    let (blue, red) = (i32::from(blue) - 128, i32::from(red) - 128);
    let byte = |value: i32| (value >> 8).clamp(0, 255) as u8;
    [byte(luma + 409 * red), byte(luma - 100 * blue - 208 * red), byte(luma + 516 * blue)]
}

fn yuyv_to_rgb(data: &[u8]) -> Vec<u8> {
    let mut rgb = vec![0; data.len() / 4 * 6];
    for (pair, out) in data.chunks_exact(4).zip(rgb.chunks_exact_mut(6)) {
        out[..3].copy_from_slice(&bt601(pair[0], pair[1], pair[3]));
        out[3..].copy_from_slice(&bt601(pair[2], pair[1], pair[3]));
    }
    rgb
}

fn nv12_to_rgb(data: &[u8], width: usize, height: usize) -> Vec<u8> {
    let (luma, chroma) = data.split_at(width * height);
    let mut rgb = vec![0; width * height * 3];
    for (y, (line, out)) in luma.chunks_exact(width).zip(rgb.chunks_exact_mut(width * 3)).enumerate() {
        let colours = chroma[y / 2 * width..].chunks_exact(2);
        for ((pair, colour), out) in line.chunks_exact(2).zip(colours).zip(out.chunks_exact_mut(6)) {
            out[..3].copy_from_slice(&bt601(pair[0], colour[0], colour[1]));
            out[3..].copy_from_slice(&bt601(pair[1], colour[0], colour[1]));
        }
    }
    rgb
}

/// RGB pixels as a JPEG of `quality` 1 to 100.
///
/// # Errors
/// A sentence when a side is longer than 65535 pixels or the data does not fit the size.
pub(crate) fn encode_jpeg(rgb: &[u8], width: usize, height: usize, quality: u8) -> Result<Vec<u8>, String> {
    let side = |length: usize| u16::try_from(length).map_err(|_| format!("{length} pixels are too many for a JPEG"));
    let mut out = Vec::with_capacity(width * height / 4);
    Encoder::new(&mut out, quality)
        .encode(rgb, side(width)?, side(height)?, ColorType::Rgb)
        .map_err(|error| error.to_string())?;
    Ok(out)
}

/// A JPEG's pixels as RGB.
///
/// # Errors
/// A sentence when it claims too many pixels or does not decode.
pub(crate) fn decode_jpeg(data: &[u8]) -> Result<Vec<u8>, String> {
    let (width, height) = jpeg::size(data).map_err(|error| error.to_string())?;
    let options = DecoderOptions::default()
        .jpeg_set_out_colorspace(ColorSpace::RGB)
        .set_max_width(width as usize)
        .set_max_height(height as usize);
    JpegDecoder::new_with_options(ZCursor::new(data), options).decode().map_err(|error| format!("{error:?}"))
}

/// A PNG's pixels as RGB, its width and its height; an alpha channel is dropped.
///
/// # Errors
/// A sentence when it claims too many pixels or does not decode.
pub(crate) fn decode_png(data: &[u8]) -> Result<(Vec<u8>, u32, u32), String> {
    let mut decoder = png::Decoder::new(Cursor::new(data));
    decoder.set_transformations(png::Transformations::EXPAND | png::Transformations::STRIP_16);
    let mut reader = decoder.read_info().map_err(|error| error.to_string())?;
    let (width, height) = (reader.info().width, reader.info().height);
    if u64::from(width) * u64::from(height) > PIXELS_MAX {
        return Err(format!("{width} x {height} pixels are over the limit of 64 Mpx"));
    }
    let mut pixels = vec![0; reader.output_buffer_size().ok_or("it claims too many pixels")?];
    let info = reader.next_frame(&mut pixels).map_err(|error| error.to_string())?;
    pixels.truncate(info.buffer_size());
    let rgb = match info.color_type {
        png::ColorType::Rgb => pixels,
        png::ColorType::Rgba => pixels.chunks_exact(4).flat_map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect(),
        png::ColorType::Grayscale => pixels.iter().flat_map(|&luma| [luma; 3]).collect(),
        png::ColorType::GrayscaleAlpha => pixels.chunks_exact(2).flat_map(|pixel| [pixel[0]; 3]).collect(),
        png::ColorType::Indexed => return Err("its palette was not expanded".to_owned()),
    };
    Ok((rgb, width, height))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(got: &[u8], wanted: [u8; 3]) {
        assert!(got.iter().zip(wanted).all(|(a, b)| a.abs_diff(b) <= 1), "{got:?} is not {wanted:?}");
    }

    /// Y, Cb, Cr and R, G, B of BT.601 colour bars at 100 %.
    const BARS: [([u8; 3], [u8; 3]); 8] = [
        ([235, 128, 128], [255, 255, 255]),
        ([210, 16, 146], [255, 255, 0]),
        ([170, 166, 16], [0, 255, 255]),
        ([145, 54, 34], [0, 255, 0]),
        ([106, 202, 222], [255, 0, 255]),
        ([81, 90, 240], [255, 0, 0]),
        ([41, 240, 110], [0, 0, 255]),
        ([16, 128, 128], [0, 0, 0]),
    ];

    #[test]
    fn yuyv_bars_have_their_colours() {
        for ([luma, blue, red], wanted) in BARS {
            let rgb = to_rgb(Layout::Yuyv, &[luma, blue, luma, red], 2, 1).unwrap();
            near(&rgb[..3], wanted);
            near(&rgb[3..], wanted);
        }
    }

    #[test]
    fn nv12_shares_its_colour_among_four_pixels() {
        // 4 x 4: the left half red, the right half blue.
        let luma = [81, 81, 41, 41].repeat(4);
        let chroma = [90, 240, 240, 110].repeat(2);
        let rgb = to_rgb(Layout::Nv12, &[luma, chroma].concat(), 4, 4).unwrap();
        for (at, pixel) in rgb.chunks_exact(3).enumerate() {
            near(pixel, if at % 4 < 2 { [255, 0, 0] } else { [0, 0, 255] });
        }
    }

    #[test]
    fn bgr_and_gray_are_put_in_order() {
        assert_eq!(to_rgb(Layout::Bgr, &[1, 2, 3, 4, 5, 6], 2, 1).unwrap(), [3, 2, 1, 6, 5, 4]);
        assert_eq!(to_rgb(Layout::Gray, &[9, 200], 1, 2).unwrap(), [9, 9, 9, 200, 200, 200]);
    }

    #[test]
    fn a_short_buffer_is_refused_and_a_long_one_is_cut() {
        let error = to_rgb(Layout::Yuyv, &[0; 7], 2, 2).unwrap_err();
        assert_eq!(error, "7 bytes where Yuyv needs 8");
        assert_eq!(to_rgb(Layout::Rgb, &[5; 100], 2, 2).unwrap().len(), 12);
        assert!(to_rgb(Layout::Yuyv, &[0; 100], 3, 2).is_err());
        assert!(to_rgb(Layout::Nv12, &[0; 100], 2, 3).is_err());
    }

    #[test]
    fn a_jpeg_comes_back_almost_as_it_went_in() {
        let rgb: Vec<u8> = (0..64 * 32).flat_map(|i| [(i % 64 * 4) as u8, 128, (i / 64 * 8) as u8]).collect();
        let back = decode_jpeg(&encode_jpeg(&rgb, 64, 32, 95).unwrap()).unwrap();
        assert!(rgb.iter().zip(&back).all(|(a, b)| a.abs_diff(*b) < 24));
    }

    #[test]
    fn a_bomb_is_refused_by_its_claim() {
        let bomb = b"\xff\xd8\xff\xc0\0\x11\x08\xff\xff\xff\xff\x03";
        assert!(decode_jpeg(bomb).unwrap_err().contains("over the limit of 64 Mpx"));
    }
}
