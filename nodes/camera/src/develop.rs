//! Turns what a source delivers into the message that was asked for, with as little work as possible. Pure; it never sends.

use bytes::Bytes;
use offboard::{CompressedImage, Name, RawImage};
use prost_types::Timestamp;

use crate::{
    params::{Device, Params},
    pattern::Pattern,
    pixels::{decode_jpeg, encode_jpeg, to_rgb},
    source::{Frame, Layout, Picture},
};

/// What developing needs to know.
#[derive(Debug)]
pub(crate) struct Lab {
    quality: u8,
    /// Goes into each message: which sensor saw it.
    frame_id: String,
    pattern: Option<Pattern>,
}

/// A message that a frame can become.
pub(crate) trait Developed: prost::Message + Name + Sized + 'static {
    /// Whether the frame is already what the message carries, so that nothing has to be computed.
    fn is_ready(picture: &Picture) -> bool;

    /// The message; `number` is drawn into the test pattern.
    ///
    /// # Errors
    /// A sentence when the picture is broken.
    fn develop(lab: &Lab, frame: Frame, number: u32) -> Result<Self, String>;
}

impl Lab {
    pub(crate) fn new(params: &Params, frame_id: &str) -> Lab {
        let [width, height] = params.size.map(|side| side as usize);
        let pattern = (params.device == Device::Pattern).then(|| Pattern::new(width, height));
        Lab { quality: params.quality, frame_id: frame_id.to_owned(), pattern }
    }

    fn rgb(&self, frame: Frame, number: u32) -> Result<Bytes, String> {
        match frame.picture {
            Picture::Pixels(Layout::Rgb, rgb) => Ok(rgb),
            Picture::Pixels(layout, data) => {
                to_rgb(layout, &data, frame.width as usize, frame.height as usize).map(Bytes::from)
            }
            Picture::Jpeg(data) => decode_jpeg(&data).map(Bytes::from),
            Picture::Pattern => {
                let pattern = self.pattern.as_ref().ok_or("there is no pattern to draw")?;
                Ok(pattern.draw(number).into())
            }
        }
    }
}

impl Developed for CompressedImage {
    fn is_ready(picture: &Picture) -> bool {
        matches!(picture, Picture::Jpeg(_))
    }

    fn develop(lab: &Lab, frame: Frame, number: u32) -> Result<Self, String> {
        let Frame { stamp_ns, width, height, .. } = frame;
        let data = match frame.picture {
            Picture::Jpeg(data) => data,
            _ => encode_jpeg(&lab.rgb(frame, number)?, width as usize, height as usize, lab.quality)?.into(),
        };
        Ok(CompressedImage {
            timestamp: Some(timestamp(stamp_ns)),
            data,
            format: "jpeg".to_owned(),
            frame_id: lab.frame_id.clone(),
            width,
            height,
        })
    }
}

impl Developed for RawImage {
    fn is_ready(picture: &Picture) -> bool {
        matches!(picture, Picture::Pixels(Layout::Rgb, _))
    }

    fn develop(lab: &Lab, frame: Frame, number: u32) -> Result<Self, String> {
        let Frame { stamp_ns, width, height, .. } = frame;
        let image = RawImage {
            timestamp: Some(timestamp(stamp_ns)),
            width,
            height,
            encoding: "rgb8".to_owned(),
            step: width * 3,
            data: lab.rgb(frame, number)?,
            frame_id: lab.frame_id.clone(),
        };
        image.view().map_err(|problem| problem.to_string())?;
        Ok(image)
    }
}

fn timestamp(stamp_ns: i64) -> Timestamp {
    let nanos = stamp_ns.rem_euclid(1_000_000_000);
    Timestamp { seconds: stamp_ns.div_euclid(1_000_000_000), nanos: i32::try_from(nanos).unwrap_or(0) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::number::read_number;

    fn lab(device: Device) -> Lab {
        Lab::new(&Params { device, ..Params::default() }, "camera")
    }

    fn frame(width: u32, height: u32, picture: Picture) -> Frame {
        Frame { stamp_ns: 1_700_000_000_250_000_000, width, height, picture }
    }

    #[test]
    fn a_jpeg_goes_out_as_it_came_in() {
        let data = Bytes::from(encode_jpeg(&[9; 16 * 16 * 3], 16, 16, 60).unwrap());
        let picture = Picture::Jpeg(data.clone());
        assert!(CompressedImage::is_ready(&picture) && !RawImage::is_ready(&picture));
        let image = CompressedImage::develop(&lab(Device::Camera(0)), frame(16, 16, picture), 1).unwrap();
        assert_eq!(image.data.as_ptr(), data.as_ptr(), "not even copied");
        assert_eq!((image.size().unwrap(), image.width, image.height), ((16, 16), 16, 16));
        let stamp = image.timestamp.unwrap();
        assert_eq!((stamp.seconds, stamp.nanos), (1_700_000_000, 250_000_000));
    }

    #[test]
    fn the_pattern_carries_its_number_either_way() {
        let lab = lab(Device::Pattern);
        let image = RawImage::develop(&lab, frame(640, 480, Picture::Pattern), 77).unwrap();
        assert_eq!(read_number(&image.data, 640, 480), Some(77));
        let image = CompressedImage::develop(&lab, frame(640, 480, Picture::Pattern), 78).unwrap();
        assert_eq!(read_number(&decode_jpeg(&image.data).unwrap(), 640, 480), Some(78));
    }

    #[test]
    fn a_broken_picture_is_an_error_and_no_panic() {
        let lab = lab(Device::Camera(0));
        let torn = Picture::Pixels(Layout::Yuyv, Bytes::from_static(&[1; 7]));
        assert!(CompressedImage::develop(&lab, frame(4, 2, torn.clone()), 1).is_err());
        assert!(RawImage::develop(&lab, frame(4, 2, torn), 1).is_err());
        let short = Picture::Pixels(Layout::Rgb, Bytes::from_static(&[1; 7]));
        assert!(CompressedImage::develop(&lab, frame(4, 2, short.clone()), 1).is_err());
        assert!(RawImage::develop(&lab, frame(4, 2, short), 1).is_err());
    }
}
