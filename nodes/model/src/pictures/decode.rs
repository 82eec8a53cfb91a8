//! From a message to RGB pixels. Pure; a picture's claims are checked before anything is allocated or decoded.

use offboard::{CompressedImage, Name, RawImage, proto::jpeg};
use prost::Message as _;
use zune_core::{bytestream::ZCursor, colorspace::ColorSpace, options::DecoderOptions};
use zune_jpeg::JpegDecoder;

/// RGB pixels, top row first, without padding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// In pixels, at least 1.
    pub width: usize,
    /// In pixels, at least 1.
    pub height: usize,
    /// `width` × `height` × 3 bytes.
    pub rgb: Vec<u8>,
}

/// The full type names of what can be read.
#[must_use]
pub fn kinds() -> [String; 2] {
    [CompressedImage::full_name(), RawImage::full_name()]
}

impl Picture {
    /// The picture that a payload of type `kind` carries.
    ///
    /// # Errors
    /// A sentence when it is no picture, claims too much, or does not decode.
    pub fn of(kind: &str, payload: &bytes::Bytes) -> Result<Picture, String> {
        if kind == CompressedImage::full_name() {
            Picture::from_compressed(&CompressedImage::decode(payload.clone()).map_err(|error| error.to_string())?)
        } else if kind == RawImage::full_name() {
            Picture::from_raw(&RawImage::decode(payload.clone()).map_err(|error| error.to_string())?)
        } else {
            Err(format!("{kind} is no picture"))
        }
    }

    fn from_compressed(image: &CompressedImage) -> Result<Picture, String> {
        let (width, height) = image.size().map_err(|problem| problem.to_string())?;
        Picture::from_jpeg(&image.data, width as usize, height as usize)
    }

    /// A whole JPEG that claims this size.
    ///
    /// # Errors
    /// A sentence when it is cut off, does not decode, or is of another size.
    pub fn from_jpeg(data: &[u8], width: usize, height: usize) -> Result<Picture, String> {
        if jpeg::length(data).is_none() {
            return Err("the JPEG is cut off".to_owned());
        }
        let options = DecoderOptions::default()
            .jpeg_set_out_colorspace(ColorSpace::RGB)
            .set_max_width(width)
            .set_max_height(height);
        let rgb = JpegDecoder::new_with_options(ZCursor::new(data), options)
            .decode()
            .map_err(|error| format!("the JPEG does not decode: {error:?}"))?;
        if rgb.len() != width * height * 3 {
            return Err(format!("the JPEG has {} bytes of pixels, not {width} x {height} x 3", rgb.len()));
        }
        Ok(Picture { width, height, rgb })
    }

    fn from_raw(image: &RawImage) -> Result<Picture, String> {
        let view = image.view().map_err(|problem| problem.to_string())?;
        let mut rgb = Vec::with_capacity(view.width * view.height * 3);
        for row in view.rows() {
            match image.encoding.as_str() {
                "bgr8" => rgb.extend(row.chunks_exact(3).flat_map(|pixel| [pixel[2], pixel[1], pixel[0]])),
                "mono8" => rgb.extend(row.iter().flat_map(|&luma| [luma; 3])),
                _ => rgb.extend_from_slice(row),
            }
        }
        Ok(Picture { width: view.width, height: view.height, rgb })
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn raw(encoding: &str, step: u32, data: &'static [u8]) -> Result<Picture, String> {
        let data = Bytes::from_static(data);
        let image = RawImage { width: 2, height: 2, encoding: encoding.into(), step, data, ..RawImage::default() };
        Picture::of(&RawImage::full_name(), &image.encode_to_vec().into())
    }

    #[test]
    fn raw_pictures_come_in_three_layouts() {
        let rgb = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
        assert_eq!(raw("rgb8", 8, &[1, 2, 3, 4, 5, 6, 0, 0, 7, 8, 9, 10, 11, 12, 0, 0]).unwrap().rgb, rgb);
        assert_eq!(raw("bgr8", 6, &[3, 2, 1, 6, 5, 4, 9, 8, 7, 12, 11, 10]).unwrap().rgb, rgb);
        assert_eq!(raw("mono8", 2, &[1, 2, 3, 4]).unwrap().rgb[..6], [1, 1, 1, 2, 2, 2]);
        assert!(raw("rgb8", 6, &[0; 11]).is_err());
    }

    #[test]
    fn what_is_no_picture_is_refused_with_its_name() {
        assert_eq!(Picture::of("offboard.v1.Drive", &Bytes::new()).unwrap_err(), "offboard.v1.Drive is no picture");
        let bomb = b"\xff\xd8\xff\xc0\0\x11\x08\xff\xff\xff\xff\x03\xff\xda\0\x02\xff\xd9";
        let image = CompressedImage { data: Bytes::from_static(bomb), format: "jpeg".into(), ..Default::default() };
        let error = Picture::of(&CompressedImage::full_name(), &image.encode_to_vec().into()).unwrap_err();
        assert_eq!(error, "a picture of 65535 x 65535 pixels is over the limit of 64 Mpx");
    }
}
