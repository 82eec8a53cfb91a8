//! From a message to RGB pixels. Pure; a picture's claims are checked before anything is allocated or decoded.

use offboard::{CompressedImage, Name, RawImage, RawMessage, proto::jpeg};
use zune_core::{bytestream::ZCursor, colorspace::ColorSpace, options::DecoderOptions};
use zune_jpeg::JpegDecoder;

/// RGB pixels, top row first, without padding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Picture {
    /// In pixels, at least 1.
    pub(crate) width: usize,
    /// In pixels, at least 1.
    pub(crate) height: usize,
    /// `width` × `height` × 3 bytes.
    pub(crate) rgb: Vec<u8>,
}

impl Picture {
    /// The picture that a message carries.
    ///
    /// # Errors
    /// A sentence when the message is no picture, claims too much, or does not decode.
    pub(crate) fn of(message: &RawMessage) -> Result<Picture, String> {
        if message.header.r#type == CompressedImage::full_name() {
            let image = message.decode::<CompressedImage>().map_err(|error| error.to_string())?;
            Picture::from_compressed(&image)
        } else {
            let image = message.decode::<RawImage>().map_err(|error| error.to_string())?;
            Picture::from_raw(&image)
        }
    }

    fn from_compressed(image: &CompressedImage) -> Result<Picture, String> {
        let (width, height) = image.size().map_err(|problem| problem.to_string())?;
        let (width, height) = (width as usize, height as usize);
        if jpeg::length(&image.data).is_none() {
            return Err("the JPEG is cut off".to_owned());
        }
        let options = DecoderOptions::default()
            .jpeg_set_out_colorspace(ColorSpace::RGB)
            .set_max_width(width)
            .set_max_height(height);
        let rgb = JpegDecoder::new_with_options(ZCursor::new(&image.data[..]), options)
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
    use std::time::{Duration, Instant};

    use jpeg_encoder::{ColorType, Encoder};
    use offboard::Header;

    use super::*;

    fn jpeg_of(width: u16, height: u16) -> Vec<u8> {
        let rgb: Vec<u8> = (0..usize::from(width) * usize::from(height)).flat_map(|i| [i as u8, 128, 40]).collect();
        let mut out = Vec::new();
        Encoder::new(&mut out, 90).encode(&rgb, width, height, ColorType::Rgb).unwrap();
        out
    }

    fn message(kind: String, body: &impl prost::Message) -> RawMessage {
        let header = Header { r#type: kind, ..Header::default() };
        RawMessage { topic: "camera/frames".into(), header, payload: body.encode_to_vec().into(), received_ns: 0 }
    }

    fn compressed(data: &[u8]) -> RawMessage {
        let data = bytes::Bytes::copy_from_slice(data);
        message(
            CompressedImage::full_name(),
            &CompressedImage { data, format: "jpeg".into(), ..CompressedImage::default() },
        )
    }

    fn raw(encoding: &str, step: u32, data: &'static [u8]) -> RawMessage {
        let data = bytes::Bytes::from_static(data);
        let image = RawImage { width: 2, height: 2, encoding: encoding.into(), step, data, ..RawImage::default() };
        message(RawImage::full_name(), &image)
    }

    #[test]
    fn a_jpeg_is_decoded() {
        let picture = Picture::of(&compressed(&jpeg_of(33, 17))).unwrap();
        assert_eq!((picture.width, picture.height, picture.rgb.len()), (33, 17, 33 * 17 * 3));
        assert!(picture.rgb[1].abs_diff(128) < 9 && picture.rgb[2].abs_diff(40) < 9, "{:?}", &picture.rgb[..3]);
    }

    #[test]
    fn raw_pictures_come_in_three_layouts() {
        let rgb = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
        let padded = raw("rgb8", 8, &[1, 2, 3, 4, 5, 6, 0, 0, 7, 8, 9, 10, 11, 12, 0, 0]);
        assert_eq!(Picture::of(&padded).unwrap().rgb, rgb);
        let swapped = raw("bgr8", 6, &[3, 2, 1, 6, 5, 4, 9, 8, 7, 12, 11, 10]);
        assert_eq!(Picture::of(&swapped).unwrap().rgb, rgb);
        assert_eq!(Picture::of(&raw("mono8", 2, &[1, 2, 3, 4])).unwrap().rgb[..6], [1, 1, 1, 2, 2, 2]);
        assert!(Picture::of(&raw("rgb8", 6, &[0; 11])).is_err());
    }

    #[test]
    fn hostile_pictures_are_refused_at_once() {
        let start = Instant::now();
        let bomb = b"\xff\xd8\xff\xc0\0\x11\x08\xff\xff\xff\xff\x03\xff\xda\0\x02\xff\xd9";
        let error = Picture::of(&compressed(bomb)).unwrap_err();
        assert_eq!(error, "a picture of 65535 x 65535 pixels is over the limit of 64 Mpx");
        assert!(Picture::of(&compressed(b"")).is_err());
        assert!(Picture::of(&compressed(b"\xff\xd8\xff\xd9")).is_err());
        let whole = jpeg_of(64, 64);
        for cut in 0..whole.len() {
            assert!(Picture::of(&compressed(&whole[..cut])).is_err(), "cut at {cut} of {}", whole.len());
        }
        assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    }

    #[test]
    fn flipped_bytes_never_panic() {
        let whole = jpeg_of(48, 48);
        for at in 0..whole.len() {
            for flip in [0xff, 0x01, 0x80] {
                let mut broken = whole.clone();
                broken[at] ^= flip;
                if let Ok(picture) = Picture::of(&compressed(&broken)) {
                    assert_eq!(picture.rgb.len(), picture.width * picture.height * 3);
                }
            }
        }
    }

    #[test]
    fn another_type_is_refused() {
        let error = Picture::of(&message("offboard.v1.Drive".into(), &RawImage::default())).unwrap_err();
        assert_eq!(error, "camera/frames carries offboard.v1.Drive, not offboard.v1.RawImage");
    }
}
