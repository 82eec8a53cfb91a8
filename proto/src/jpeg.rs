//! What a JPEG says of itself, read from its markers without decoding it (ITU-T T.81, annex B).
//! It never decodes a picture.

use crate::{CompressedImage, ViewError, image::check_size};

const SOI: u8 = 0xd8;
const EOI: u8 = 0xd9;
const SOS: u8 = 0xda;

/// One marker segment: its marker, and where its payload starts and ends.
struct Segment {
    marker: u8,
    start: usize,
    end: usize,
}

/// Reads the segment at `at`; markers without payload have an empty one.
fn segment(data: &[u8], mut at: usize) -> Option<Segment> {
    if *data.get(at)? != 0xff {
        return None;
    }
    while *data.get(at)? == 0xff {
        at += 1; // fill bytes
    }
    let marker = data[at];
    let start = at + 1;
    if matches!(marker, SOI | EOI | 0x01 | 0xd0..=0xd7) {
        return Some(Segment { marker, start, end: start });
    }
    let length = usize::from(u16::from_be_bytes([*data.get(start)?, *data.get(start + 1)?]));
    (length >= 2).then_some(Segment { marker, start: start + 2, end: start + length })
}

/// Where the entropy-coded data that starts at `at` ends: at the next marker that is neither stuffing nor a restart.
fn scan_end(data: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at += data.get(at..)?.iter().position(|&byte| byte == 0xff)?;
        match data.get(at + 1)? {
            0x00 | 0xd0..=0xd7 => at += 2,
            0xff => at += 1,
            _ => return Some(at),
        }
    }
}

/// The length of the JPEG that `data` starts with, its end marker included; none when it is cut off or no JPEG.
///
/// A camera's buffer may be longer than the picture and hold an older picture's tail; thumbnails inside are skipped.
#[must_use]
pub fn length(data: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let segment = segment(data, at)?;
        if at == 0 && segment.marker != SOI {
            return None;
        }
        at = match segment.marker {
            EOI => return Some(segment.end),
            SOS => scan_end(data, segment.end)?,
            _ => segment.end,
        };
    }
}

/// Width and height in pixels, from the frame header, within the limit of 64 Mpx.
///
/// # Errors
/// A [`ViewError`] when there is no frame header or it claims too much.
pub fn size(data: &[u8]) -> Result<(u32, u32), ViewError> {
    let broken = || ViewError::Field("no JPEG: it has no frame header".into());
    let mut at = 0;
    loop {
        let segment = segment(data, at).ok_or_else(broken)?;
        let is_frame = matches!(segment.marker, 0xc0..=0xcf) && !matches!(segment.marker, 0xc4 | 0xc8 | 0xcc);
        if is_frame {
            let field = data.get(segment.start..segment.start + 5).ok_or_else(broken)?;
            let height = u32::from(u16::from_be_bytes([field[1], field[2]]));
            let width = u32::from(u16::from_be_bytes([field[3], field[4]]));
            check_size(width, height)?;
            return Ok((width, height));
        }
        if matches!(segment.marker, SOS | EOI) || (at == 0 && segment.marker != SOI) {
            return Err(broken());
        }
        at = segment.end;
    }
}

impl CompressedImage {
    /// Width and height in pixels as the compressed data itself claims them, checked before anyone decodes.
    ///
    /// # Errors
    /// A [`ViewError`] when the format is not `jpeg`, the data is none, or it claims more than 64 Mpx.
    pub fn size(&self) -> Result<(u32, u32), ViewError> {
        if self.format != "jpeg" {
            return Err(ViewError::Field(format!("format is \"{}\"; known is jpeg", self.format)));
        }
        size(&self.data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SOI, an APP1 that holds a whole thumbnail, SOF0 of 3 x 2, SOS with stuffing and a restart, EOI.
    fn picture() -> Vec<u8> {
        let mut jpeg = vec![0xff, 0xd8, 0xff, 0xe1, 0, 6, 0xff, 0xd8, 0xff, 0xd9];
        jpeg.extend([0xff, 0xc0, 0, 8, 8, 0, 2, 0, 3, 1]);
        jpeg.extend([0xff, 0xda, 0, 2, 1, 0xff, 0, 2, 0xff, 0xd3, 3, 0xff, 0xd9]);
        jpeg
    }

    #[test]
    fn a_tail_behind_the_end_is_cut() {
        let mut data = picture();
        let length_of_picture = data.len();
        data.extend([1, 2, 3, 0xff, 0xd9]);
        assert_eq!(length(&data), Some(length_of_picture));
    }

    #[test]
    fn a_picture_without_its_end_has_no_length() {
        let data = picture();
        for cut in 0..data.len() {
            assert_eq!(length(&data[..cut]), None, "cut at {cut}");
        }
    }

    #[test]
    fn the_size_is_read_without_decoding() {
        assert_eq!(size(&picture()).unwrap(), (3, 2));
        assert!(size(b"\xff\xd8\xff\xd9").is_err());
        assert!(size(b"").is_err());
    }

    #[test]
    fn a_claim_over_64_megapixels_is_refused() {
        let bomb = [0xff, 0xd8, 0xff, 0xc0, 0, 8, 8, 0xff, 0xff, 0xff, 0xff, 1];
        assert_eq!(
            size(&bomb).unwrap_err().to_string(),
            "a picture of 65535 x 65535 pixels is over the limit of 64 Mpx"
        );
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(data: Vec<u8>) {
            let _ = (length(&data), size(&data));
        }
    }
}
