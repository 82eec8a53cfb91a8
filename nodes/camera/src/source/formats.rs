//! Which of a camera's formats to ask for. Pure: nokhwa's own choice takes the first entry, ignores the wanted format or fails,
//! so the choice is made here and then asked for exactly. It never opens a camera.

use std::cmp::Reverse;

use nokhwa::utils::{CameraFormat, FrameFormat};

use crate::params::Encoding;

/// Rates above this are not believed: nokhwa reports an interval of 1001/30000 s as 30000 pictures a second.
const RATE_MAX: u32 = 1000;

/// The formats that a camera may deliver here. GRAY is not among them because nokhwa misnames it towards V4L2.
pub(super) const KNOWN: [FrameFormat; 5] =
    [FrameFormat::MJPEG, FrameFormat::NV12, FrameFormat::YUYV, FrameFormat::RAWRGB, FrameFormat::RAWBGR];

/// What the graph file asks for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Wish {
    /// Width and height in pixels.
    pub(super) size: [u32; 2],
    /// Pictures a second.
    pub(super) rate: f64,
    /// Whether pictures leave as JPEG or as RGB.
    pub(super) encoding: Encoding,
}

/// The formats worth trying, the best first: the wished size or the nearest; then a rate that is high enough; then what is a JPEG
/// already, if JPEGs are to leave; then a rate not higher than needed; then the format that costs least.
pub(super) fn ranked(formats: &[CameraFormat], wish: Wish) -> Vec<CameraFormat> {
    let mut usable: Vec<CameraFormat> = formats
        .iter()
        .filter(|format| KNOWN.contains(&format.format()) && (1..=RATE_MAX).contains(&format.frame_rate()))
        .filter(|format| format.width() > 0 && format.height() > 0)
        .copied()
        .collect();
    usable.sort_by_key(|format| cost(*format, wish));
    usable.dedup();
    usable
}

type Cost = (u64, u32, bool, Reverse<u32>, u8, u32);

fn cost(format: CameraFormat, wish: Wish) -> Cost {
    let [width, height] = wish.size;
    let (across, down) = (u64::from(format.width().abs_diff(width)), u64::from(format.height().abs_diff(height)));
    let pixels = format.width().saturating_mul(format.height());
    let rate = format.frame_rate();
    let too_slow = f64::from(rate) < wish.rate - 0.5;
    // Too slow: the fastest of them. Fast enough: the slowest of them.
    let (slow, fast) = if too_slow { (Reverse(rate), 0) } else { (Reverse(0), rate) };
    (across * across + down * down, pixels, too_slow, slow, work(format.format(), wish.encoding), fast)
}

/// How much work a picture of this format makes. Two bytes a pixel are fewer than three on the bus.
fn work(format: FrameFormat, encoding: Encoding) -> u8 {
    match (format, encoding) {
        (FrameFormat::MJPEG, Encoding::Jpeg) => 0,
        (FrameFormat::NV12 | FrameFormat::YUYV, _) => 1,
        (FrameFormat::RAWRGB, _) => 2,
        (FrameFormat::RAWBGR, _) => 3,
        (FrameFormat::MJPEG, Encoding::Rgb8) => 4,
        (FrameFormat::GRAY, _) => 5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format(kind: FrameFormat, width: u32, height: u32, rate: u32) -> CameraFormat {
        CameraFormat::new_from(width, height, kind, rate)
    }

    fn wish(width: u32, height: u32, rate: f64) -> Wish {
        Wish { size: [width, height], rate, encoding: Encoding::Jpeg }
    }

    fn best(formats: &[CameraFormat], width: u32, height: u32, rate: f64) -> Option<CameraFormat> {
        ranked(formats, wish(width, height, rate)).first().copied()
    }

    /// What a common USB camera offers: raw pictures only slowly.
    fn webcam() -> Vec<CameraFormat> {
        use FrameFormat::{MJPEG, YUYV};
        let mut formats = vec![format(YUYV, 320, 180, 1)];
        for (kind, width, height, rates) in [
            (YUYV, 640, 480, &[30, 25, 20, 15, 10, 5][..]),
            (YUYV, 1280, 720, &[10, 5]),
            (MJPEG, 640, 480, &[30, 25, 20, 15, 10, 5]),
            (MJPEG, 1280, 720, &[30, 25, 20]),
        ] {
            formats.extend(rates.iter().map(|rate| format(kind, width, height, *rate)));
        }
        formats
    }

    #[test]
    fn a_jpeg_from_the_camera_is_preferred() {
        assert_eq!(best(&webcam(), 640, 480, 30.0), Some(format(FrameFormat::MJPEG, 640, 480, 30)));
        assert_eq!(best(&webcam(), 1280, 720, 30.0), Some(format(FrameFormat::MJPEG, 1280, 720, 30)));
    }

    #[test]
    fn a_jpeg_is_worth_a_higher_rate_but_raw_pictures_leave_raw() {
        let formats = [format(FrameFormat::YUYV, 640, 480, 30), format(FrameFormat::MJPEG, 640, 480, 60)];
        assert_eq!(best(&formats, 640, 480, 30.0), Some(formats[1]));
        let raw = Wish { encoding: Encoding::Rgb8, ..wish(640, 480, 30.0) };
        assert_eq!(ranked(&formats, raw)[0], formats[0]);
    }

    #[test]
    fn the_first_entry_at_one_picture_a_second_is_not_taken() {
        let formats = [format(FrameFormat::YUYV, 320, 180, 1), format(FrameFormat::YUYV, 320, 180, 30)];
        assert_eq!(best(&formats, 640, 480, 30.0), Some(formats[1]));
    }

    #[test]
    fn a_rate_that_is_enough_is_not_exceeded_and_a_rate_that_is_missing_is_approached() {
        let at = |rate| best(&webcam(), 640, 480, rate).map(|format| format.frame_rate());
        assert_eq!(at(12.0), Some(15));
        assert_eq!(at(60.0), Some(30));
        assert_eq!(at(29.97), Some(30));
    }

    #[test]
    fn a_slow_exact_size_beats_a_fast_other_size() {
        let formats = [format(FrameFormat::YUYV, 640, 480, 25), format(FrameFormat::YUYV, 640, 360, 60)];
        assert_eq!(best(&formats, 640, 480, 30.0), Some(formats[0]));
    }

    #[test]
    fn the_nearest_size_is_taken_when_the_wished_one_is_missing() {
        assert_eq!(best(&webcam(), 800, 600, 30.0).map(|it| (it.width(), it.height())), Some((640, 480)));
    }

    #[test]
    fn rates_and_formats_that_nokhwa_gets_wrong_are_left_out() {
        let formats = [format(FrameFormat::YUYV, 640, 480, 30_000), format(FrameFormat::GRAY, 640, 480, 60)];
        assert_eq!(best(&formats, 640, 480, 60.0), None);
        assert_eq!(best(&[], 640, 480, 30.0), None);
    }

    #[test]
    fn all_that_could_do_are_ranked_so_that_a_refused_one_has_a_successor() {
        let ranked = ranked(&webcam(), wish(640, 480, 30.0));
        assert_eq!(ranked.len(), webcam().len());
        assert_eq!(ranked[1], format(FrameFormat::YUYV, 640, 480, 30));
    }
}
