//! Pictures of a recording: as the JPEG that they are, or as RGB pixels. Pure; what a picture claims is checked before it is decoded.

use bytes::Bytes;
use jpeg_encoder::{ColorType, Encoder};
use offboard::{CompressedImage, Name as _, RawImage, proto::jpeg, recording::Recorded};
use zune_core::{bytestream::ZCursor, colorspace::ColorSpace, options::DecoderOptions};
use zune_jpeg::JpegDecoder;

/// How well raw pictures are kept when they become JPEGs.
const QUALITY: u8 = 92;

/// A picture as it was recorded.
#[derive(Debug)]
pub(crate) enum Picture {
    /// A whole JPEG.
    Jpeg(Bytes),
    /// Pixels.
    Raw(Rgb),
}

/// RGB pixels, top row first, without padding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rgb {
    pub(crate) width: usize,
    pub(crate) height: usize,
    /// `width` × `height` × 3 bytes.
    pub(crate) pixels: Vec<u8>,
}

/// Whether messages of this type are pictures that can be exported.
pub(crate) fn is_picture(kind: &str) -> bool {
    kind == CompressedImage::full_name() || kind == RawImage::full_name()
}

impl Picture {
    /// The picture of a recorded message.
    ///
    /// # Errors
    /// A sentence when it is none, claims too much or is cut off.
    pub(crate) fn of(message: &Recorded) -> Result<Picture, String> {
        if message.header.r#type == CompressedImage::full_name() {
            let image = message.decode::<CompressedImage>().map_err(|error| error.to_string())?.body;
            Picture::from_jpeg(image.data)
        } else {
            let image = message.decode::<RawImage>().map_err(|error| error.to_string())?;
            Ok(Picture::Raw(Rgb::from_raw(&image)?))
        }
    }

    /// A JPEG from a file or message, checked from its beginning to its end.
    ///
    /// # Errors
    /// As [`Picture::of`].
    pub(crate) fn from_jpeg(data: Bytes) -> Result<Picture, String> {
        jpeg::size(&data).map_err(|problem| problem.to_string())?;
        match jpeg::length(&data) {
            Some(length) => Ok(Picture::Jpeg(data.slice(..length))),
            None => Err("the JPEG is cut off".to_owned()),
        }
    }

    /// As a JPEG: unchanged if it was one.
    ///
    /// # Errors
    /// A sentence when a picture is too large for a JPEG.
    pub(crate) fn to_jpeg(&self) -> Result<Bytes, String> {
        match self {
            Picture::Jpeg(data) => Ok(data.clone()),
            Picture::Raw(rgb) => {
                let side = |pixels: usize| {
                    u16::try_from(pixels).map_err(|_| format!("{pixels} pixels are too many for a JPEG"))
                };
                let mut out = Vec::new();
                Encoder::new(&mut out, QUALITY)
                    .encode(&rgb.pixels, side(rgb.width)?, side(rgb.height)?, ColorType::Rgb)
                    .map_err(|error| error.to_string())?;
                Ok(out.into())
            }
        }
    }

    /// As pixels.
    ///
    /// # Errors
    /// A sentence when the JPEG does not decode.
    pub(crate) fn to_rgb(&self) -> Result<Rgb, String> {
        match self {
            Picture::Jpeg(data) => Rgb::from_jpeg(data),
            Picture::Raw(rgb) => Ok(rgb.clone()),
        }
    }
}

impl Rgb {
    fn from_jpeg(data: &[u8]) -> Result<Rgb, String> {
        let (width, height) = jpeg::size(data).map_err(|problem| problem.to_string())?;
        let (width, height) = (width as usize, height as usize);
        let options = DecoderOptions::default()
            .jpeg_set_out_colorspace(ColorSpace::RGB)
            .set_max_width(width)
            .set_max_height(height);
        let pixels = JpegDecoder::new_with_options(ZCursor::new(data), options)
            .decode()
            .map_err(|error| format!("the JPEG does not decode: {error:?}"))?;
        if pixels.len() != width * height * 3 {
            return Err(format!("the JPEG has {} bytes of pixels, not {width} x {height} x 3", pixels.len()));
        }
        Ok(Rgb { width, height, pixels })
    }

    fn from_raw(image: &RawImage) -> Result<Rgb, String> {
        let view = image.view().map_err(|problem| problem.to_string())?;
        let mut pixels = Vec::with_capacity(view.width * view.height * 3);
        for row in view.rows() {
            match image.encoding.as_str() {
                "bgr8" => pixels.extend(row.chunks_exact(3).flat_map(|pixel| [pixel[2], pixel[1], pixel[0]])),
                "mono8" => pixels.extend(row.iter().flat_map(|&luma| [luma; 3])),
                _ => pixels.extend_from_slice(row),
            }
        }
        Ok(Rgb { width: view.width, height: view.height, pixels })
    }
}
