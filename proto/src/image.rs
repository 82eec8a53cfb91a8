//! A checked view of an uncompressed picture. It never copies the pixels.

use crate::{RawImage, ViewError};

/// The most pixels a picture may claim: 64 Mpx, checked before it is decoded.
pub const PIXELS_MAX: u64 = 64 << 20;

/// Refuses a picture of no pixels or of more than [`PIXELS_MAX`].
pub(crate) fn check_size(width: u32, height: u32) -> Result<(), ViewError> {
    if width == 0 || height == 0 {
        return Err(ViewError::Field(format!("a picture of {width} x {height} pixels is empty")));
    }
    if u64::from(width) * u64::from(height) > PIXELS_MAX {
        return Err(ViewError::TooManyPixels { width, height });
    }
    Ok(())
}

/// A [`RawImage`] whose data is as long as it claims.
#[derive(Debug, Clone, Copy)]
pub struct RawImageView<'a> {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// Bytes a pixel: 3 for `rgb8` and `bgr8`, 1 for `mono8`.
    pub channels: usize,
    step: usize,
    data: &'a [u8],
}

impl RawImage {
    /// Checks size, encoding, step and length.
    ///
    /// # Errors
    /// A [`ViewError`] that names the field that does not fit.
    pub fn view(&self) -> Result<RawImageView<'_>, ViewError> {
        check_size(self.width, self.height)?;
        let channels = match self.encoding.as_str() {
            "rgb8" | "bgr8" => 3,
            "mono8" => 1,
            other => {
                return Err(ViewError::Field(format!("encoding is \"{other}\"; known are rgb8, bgr8, mono8")));
            }
        };
        let row = u64::from(self.width) * channels as u64;
        if u64::from(self.step) < row {
            return Err(ViewError::Field(format!("step is {} but a row needs {row} bytes", self.step)));
        }
        let need = u64::from(self.step) * u64::from(self.height);
        if self.data.len() as u64 != need {
            return Err(ViewError::Length { what: "step x height".into(), need, have: self.data.len() as u64 });
        }
        Ok(RawImageView {
            width: self.width as usize,
            height: self.height as usize,
            channels,
            step: self.step as usize,
            data: &self.data,
        })
    }
}

impl<'a> RawImageView<'a> {
    /// The rows from the top, each `width` × `channels` bytes, without padding.
    pub fn rows(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let row = self.width * self.channels;
        self.data.chunks_exact(self.step).map(move |line| &line[..row])
    }

    /// The bytes of the pixel at `x`, `y` (from the upper left corner), or none outside.
    #[must_use]
    pub fn pixel(&self, x: usize, y: usize) -> Option<&'a [u8]> {
        if x >= self.width || y >= self.height {
            return None;
        }
        let start = y * self.step + x * self.channels;
        self.data.get(start..start + self.channels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(width: u32, height: u32, step: u32, bytes: usize) -> RawImage {
        RawImage { width, height, step, encoding: "rgb8".into(), data: vec![7; bytes].into(), ..RawImage::default() }
    }

    #[test]
    fn a_picture_as_long_as_it_claims_is_viewed() {
        let image = image(4, 2, 16, 32);
        let view = image.view().unwrap();
        assert_eq!(view.rows().map(<[u8]>::len).collect::<Vec<_>>(), [12, 12]);
        assert_eq!(view.pixel(3, 1), Some(&[7, 7, 7][..]));
        assert_eq!(view.pixel(4, 1), None);
    }

    #[test]
    fn a_short_picture_is_refused_before_anyone_indexes() {
        let err = image(4, 2, 12, 23).view().unwrap_err();
        assert_eq!(err.to_string(), "data has 23 bytes but step x height needs 24");
    }

    #[test]
    fn a_row_longer_than_the_step_is_refused() {
        let err = image(4, 2, 11, 22).view().unwrap_err();
        assert_eq!(err.to_string(), "step is 11 but a row needs 12 bytes");
    }

    #[test]
    fn a_bomb_is_refused_by_its_claim() {
        let err = image(65535, 65535, u32::MAX, 0).view().unwrap_err();
        assert_eq!(err.to_string(), "a picture of 65535 x 65535 pixels is over the limit of 64 Mpx");
    }

    #[test]
    fn an_unknown_encoding_is_named() {
        let err = RawImage { encoding: "yuyv".into(), ..image(4, 2, 12, 24) }.view().unwrap_err();
        assert_eq!(err.to_string(), "encoding is \"yuyv\"; known are rgb8, bgr8, mono8");
    }
}
