//! A camera through nokhwa: the usual way in for raw pixels. What nokhwa cannot do goes by [`direct`](super::direct); the decision
//! record tells which and why. `frame()` waits for ever on a camera that stalls and nothing can interrupt it: the node watches from outside and
//! ends the process (see [`capture`](crate::capture)). It never converts pixels.

use std::path::{Path, PathBuf};

use ::nokhwa::{
    Camera,
    utils::{CameraFormat, CameraIndex, FrameFormat, RequestedFormat, RequestedFormatType},
};
use offboard::clock;

use super::{
    device::Agreed,
    formats::Kind,
    live::{Eye, Shot},
    trouble::{Trouble, number_in},
};

/// A camera that nokhwa opened.
pub(crate) struct Nokhwa {
    camera: Camera,
    path: PathBuf,
}

/// What nokhwa would call it; none when it cannot: JPEGs, whose length it drops, an interval that is not 1/N of a second, padded
/// lines, GREY, which it misnames.
pub(crate) fn format(agreed: &Agreed) -> Option<CameraFormat> {
    let mode = agreed.mode;
    let kind = match mode.kind {
        Kind::Nv12 => FrameFormat::NV12,
        Kind::Yuyv => FrameFormat::YUYV,
        Kind::Rgb => FrameFormat::RAWRGB,
        Kind::Bgr => FrameFormat::RAWBGR,
        Kind::Mjpeg | Kind::Jpeg | Kind::Grey => return None,
    };
    let interval = mode.interval.filter(|interval| interval.numerator == 1)?;
    let line = mode.kind.layout()?.line(mode.width as usize);
    (line == agreed.stride as usize)
        .then(|| CameraFormat::new_from(mode.width, mode.height, kind, interval.denominator))
}

/// Opens a camera that already agreed to this format, and starts it. Exactly: nokhwa's own choice takes the first entry, ignores the
/// wanted format or fails.
pub(crate) fn open(path: &Path, format: CameraFormat) -> Result<Nokhwa, Trouble> {
    let told = |error: ::nokhwa::NokhwaError| Trouble::told(path, &error.to_string());
    let index = number_in(path).ok_or_else(|| Trouble::Refused(format!("{} has no number", path.display())))?;
    let wanted = [format.format()];
    let request = RequestedFormat::with_formats(RequestedFormatType::Exact(format), &wanted);
    let mut camera = Camera::new(CameraIndex::Index(index), request).map_err(told)?;
    camera.open_stream().map_err(told)?;
    Ok(Nokhwa { camera, path: path.to_owned() })
}

impl Eye for Nokhwa {
    fn shot(&mut self) -> Result<Shot, Trouble> {
        let buffer = self.camera.frame().map_err(|error| Trouble::told(&self.path, &error.to_string()))?;
        let driver = buffer.capture_timestamp().and_then(|since| i64::try_from(since.as_nanos()).ok());
        // The buffer knows neither how much of it is the picture nor whether the driver found it broken: raw pictures are whole or torn unseen.
        Ok(Shot { data: buffer.buffer_bytes(), driver_ns: driver.map(clock::from_unix_ns), broken: false })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::formats::{Interval, Mode};

    fn agreed(kind: Kind, interval: (u32, u32), stride: u32) -> Agreed {
        let mode = Mode { kind, width: 640, height: 480, interval: Interval::new(interval.0, interval.1) };
        Agreed { mode, stride }
    }

    #[test]
    fn nokhwa_takes_what_it_can_read() {
        let cases = [
            (agreed(Kind::Yuyv, (1, 30), 1280), true),
            (agreed(Kind::Nv12, (1, 30), 640), true),
            (agreed(Kind::Bgr, (1, 30), 1920), true),
            (agreed(Kind::Mjpeg, (1, 30), 0), false),
            (agreed(Kind::Yuyv, (1001, 30_000), 1280), false),
            (agreed(Kind::Yuyv, (1000, 25_000), 1280), false),
            (agreed(Kind::Yuyv, (0, 0), 1280), false),
            (agreed(Kind::Yuyv, (1, 30), 1344), false),
            (agreed(Kind::Grey, (1, 30), 640), false),
            (agreed(Kind::Jpeg, (1, 30), 0), false),
        ];
        for (agreed, wanted) in cases {
            assert_eq!(format(&agreed).is_some(), wanted, "{agreed:?}");
        }
    }
}
