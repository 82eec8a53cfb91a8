//! What a camera can deliver, and which of it to ask for. Pure: it never opens a camera.

use std::{cmp::Reverse, fmt};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};

use super::Layout;
use crate::params::Encoding;

/// Rates above this are no camera's.
const RATE_MAX: f64 = 1000.0;

/// A pixel format that can be used here, by V4L2's name for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub(crate) enum Kind {
    #[serde(rename = "MJPEG")]
    Mjpeg,
    #[serde(rename = "JPEG")]
    Jpeg,
    #[serde(rename = "NV12")]
    Nv12,
    #[serde(rename = "YUYV")]
    Yuyv,
    #[serde(rename = "RGB3")]
    Rgb,
    #[serde(rename = "BGR3")]
    Bgr,
    #[serde(rename = "GREY")]
    Grey,
}

impl Kind {
    pub(crate) const ALL: [Kind; 7] =
        [Kind::Mjpeg, Kind::Jpeg, Kind::Nv12, Kind::Yuyv, Kind::Rgb, Kind::Bgr, Kind::Grey];

    /// Its four letters in V4L2.
    pub(crate) const fn fourcc(self) -> &'static [u8; 4] {
        match self {
            Kind::Mjpeg => b"MJPG",
            Kind::Jpeg => b"JPEG",
            Kind::Nv12 => b"NV12",
            Kind::Yuyv => b"YUYV",
            Kind::Rgb => b"RGB3",
            Kind::Bgr => b"BGR3",
            Kind::Grey => b"GREY",
        }
    }

    /// The format with these letters, if it can be used here.
    pub(crate) fn of(fourcc: [u8; 4]) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| *kind.fourcc() == fourcc)
    }

    /// How its pixels lie; none for a JPEG.
    pub(crate) const fn layout(self) -> Option<Layout> {
        match self {
            Kind::Mjpeg | Kind::Jpeg => None,
            Kind::Nv12 => Some(Layout::Nv12),
            Kind::Yuyv => Some(Layout::Yuyv),
            Kind::Rgb => Some(Layout::Rgb),
            Kind::Bgr => Some(Layout::Bgr),
            Kind::Grey => Some(Layout::Gray),
        }
    }

    /// How much work a picture makes. Two bytes a pixel are fewer than three on the bus; without colour is better than nothing.
    fn work(self, encoding: Encoding) -> u8 {
        match (self, encoding) {
            (Kind::Mjpeg | Kind::Jpeg, Encoding::Jpeg) => 0,
            (Kind::Nv12 | Kind::Yuyv, _) => 1,
            (Kind::Rgb, _) => 2,
            (Kind::Bgr, _) => 3,
            (Kind::Mjpeg | Kind::Jpeg, Encoding::Rgb8) => 4,
            (Kind::Grey, _) => 5,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::Mjpeg => f.write_str("MJPEG"),
            other => other.fourcc().iter().try_for_each(|letter| write!(f, "{}", char::from(*letter))),
        }
    }
}

/// The time from one picture to the next, in seconds as a fraction; neither part is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Interval {
    pub(crate) numerator: u32,
    pub(crate) denominator: u32,
}

impl Interval {
    /// None for a fraction that no camera means.
    pub(crate) fn new(numerator: u32, denominator: u32) -> Option<Interval> {
        let interval = Interval { numerator, denominator };
        (numerator > 0 && denominator > 0 && interval.rate().0 <= RATE_MAX).then_some(interval)
    }

    /// Pictures a second.
    pub(crate) fn rate(self) -> Rate {
        Rate(f64::from(self.denominator) / f64::from(self.numerator))
    }
}

/// Pictures a second; written as people write it, 29.97 for 30000/1001.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub(crate) struct Rate(pub(crate) f64);

impl Rate {
    fn millihertz(self) -> u64 {
        (self.0 * 1000.0).round() as u64
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", (self.0 * 100.0).round() / 100.0)
    }
}

impl Serialize for Rate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let rounded = (self.0 * 100.0).round() / 100.0;
        if rounded.fract() == 0.0 {
            serializer.serialize_u64(rounded as u64)
        } else {
            serializer.serialize_f64(rounded)
        }
    }
}

/// One of the ways in which a camera delivers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mode {
    pub(crate) kind: Kind,
    /// Width in pixels.
    pub(crate) width: u32,
    /// Height in pixels.
    pub(crate) height: u32,
    /// None when the camera does not let itself be told.
    pub(crate) interval: Option<Interval>,
}

impl Mode {
    pub(crate) fn rate(&self) -> Option<Rate> {
        self.interval.map(Interval::rate)
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} x {}", self.kind, self.width, self.height)?;
        match self.rate() {
            Some(rate) => write!(f, " at {rate} Hz"),
            None => f.write_str(" at a rate of its own"),
        }
    }
}

/// What the graph file asks for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Wish {
    /// Width and height in pixels.
    pub(crate) size: [u32; 2],
    /// Pictures a second.
    pub(crate) rate: f64,
    /// The only format that will do, if one is named.
    pub(crate) format: Option<Kind>,
    /// Whether pictures leave as JPEG or as RGB.
    pub(crate) encoding: Encoding,
}

impl Wish {
    /// Whether that mode is less than what is wished. A higher rate is no lack.
    pub(crate) fn lacks(&self, mode: &Mode) -> bool {
        [mode.width, mode.height] != self.size || mode.rate().is_some_and(|rate| self.is_slow(rate))
    }

    fn is_slow(&self, rate: Rate) -> bool {
        rate.0 < self.rate - 0.5
    }
}

/// The modes worth trying, the best first: the wished size or the nearest; then a rate that is high enough; then what is a JPEG
/// already, if JPEGs are to leave; then a rate not higher than needed; then the format that costs least.
pub(crate) fn ranked(modes: &[Mode], wish: Wish) -> Vec<Mode> {
    let named = |mode: &&Mode| wish.format.is_none_or(|format| mode.kind == format);
    let mut usable: Vec<Mode> =
        modes.iter().filter(|it| it.width > 0 && it.height > 0).filter(named).copied().collect();
    usable.sort_by_key(|mode| cost(*mode, wish));
    usable.dedup();
    usable
}

type Cost = (u64, u64, bool, Reverse<u64>, u8, u64);

fn cost(mode: Mode, wish: Wish) -> Cost {
    let [width, height] = wish.size;
    let (across, down) = (u64::from(mode.width.abs_diff(width)), u64::from(mode.height.abs_diff(height)));
    let pixels = u64::from(mode.width) * u64::from(mode.height);
    let rate = mode.rate().unwrap_or(Rate(wish.rate));
    // Too slow: the fastest of them. Fast enough: the slowest of them.
    let (slow, fast) = if wish.is_slow(rate) { (rate.millihertz(), 0) } else { (0, rate.millihertz()) };
    let distance = across.saturating_mul(across).saturating_add(down.saturating_mul(down));
    (distance, pixels, wish.is_slow(rate), Reverse(slow), mode.kind.work(wish.encoding), fast)
}

/// What a camera offers, in a line: its sizes, each with its highest rate, and its formats.
pub(crate) fn summary(modes: &[Mode]) -> String {
    /// A line stays a line; `camera --list` shows all of them.
    const SIZES: usize = 10;
    let mut sizes: Vec<(u32, u32, Option<Rate>)> = Vec::new();
    let mut kinds: Vec<Kind> = modes.iter().map(|mode| mode.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    for mode in modes {
        match sizes.iter_mut().find(|(width, height, _)| (*width, *height) == (mode.width, mode.height)) {
            Some((.., highest)) if *highest < mode.rate() => *highest = mode.rate(),
            Some(_) => {}
            None => sizes.push((mode.width, mode.height, mode.rate())),
        }
    }
    sizes.sort_by_key(|(width, height, _)| u64::from(*width) * u64::from(*height));
    let mut words: Vec<String> = sizes
        .iter()
        .take(SIZES)
        .map(|(width, height, rate)| match rate {
            Some(rate) => format!("{width}x{height} up to {rate} Hz"),
            None => format!("{width}x{height}"),
        })
        .collect();
    if sizes.len() > SIZES {
        words.push(format!("{} more", sizes.len() - SIZES));
    }
    let kinds: Vec<String> = kinds.iter().map(Kind::to_string).collect();
    format!("{} as {}", words.join(", "), kinds.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(kind: Kind, width: u32, height: u32, rate: u32) -> Mode {
        Mode { kind, width, height, interval: Interval::new(1, rate) }
    }

    fn wish(width: u32, height: u32, rate: f64) -> Wish {
        Wish { size: [width, height], rate, format: None, encoding: Encoding::Jpeg }
    }

    fn best(modes: &[Mode], width: u32, height: u32, rate: f64) -> Option<Mode> {
        ranked(modes, wish(width, height, rate)).first().copied()
    }

    /// What a common USB camera offers: raw pictures only slowly.
    fn webcam() -> Vec<Mode> {
        use Kind::{Mjpeg, Yuyv};
        let mut modes = vec![mode(Yuyv, 320, 180, 1)];
        for (kind, width, height, rates) in [
            (Yuyv, 640, 480, &[30, 25, 20, 15, 10, 5][..]),
            (Yuyv, 1280, 720, &[10, 5]),
            (Mjpeg, 640, 480, &[30, 25, 20, 15, 10, 5]),
            (Mjpeg, 1280, 720, &[30, 25, 20]),
        ] {
            modes.extend(rates.iter().map(|rate| mode(kind, width, height, *rate)));
        }
        modes
    }

    #[test]
    fn a_jpeg_from_the_camera_is_preferred() {
        assert_eq!(best(&webcam(), 640, 480, 30.0), Some(mode(Kind::Mjpeg, 640, 480, 30)));
        assert_eq!(best(&webcam(), 1280, 720, 30.0), Some(mode(Kind::Mjpeg, 1280, 720, 30)));
    }

    #[test]
    fn a_jpeg_is_worth_a_higher_rate_but_raw_pictures_leave_raw() {
        let modes = [mode(Kind::Yuyv, 640, 480, 30), mode(Kind::Mjpeg, 640, 480, 60)];
        assert_eq!(best(&modes, 640, 480, 30.0), Some(modes[1]));
        let raw = Wish { encoding: Encoding::Rgb8, ..wish(640, 480, 30.0) };
        assert_eq!(ranked(&modes, raw)[0], modes[0]);
    }

    #[test]
    fn a_format_that_is_named_is_the_only_one_that_will_do() {
        let named = |format| ranked(&webcam(), Wish { format: Some(format), ..wish(640, 480, 30.0) });
        assert_eq!(named(Kind::Yuyv)[0], mode(Kind::Yuyv, 640, 480, 30));
        assert!(named(Kind::Yuyv).iter().all(|mode| mode.kind == Kind::Yuyv));
        assert_eq!(named(Kind::Nv12), []);
    }

    #[test]
    fn the_first_entry_at_one_picture_a_second_is_not_taken() {
        let modes = [mode(Kind::Yuyv, 320, 180, 1), mode(Kind::Yuyv, 320, 180, 30)];
        assert_eq!(best(&modes, 640, 480, 30.0), Some(modes[1]));
    }

    #[test]
    fn a_rate_that_is_enough_is_not_exceeded_and_a_rate_that_is_missing_is_approached() {
        let at = |rate| best(&webcam(), 640, 480, rate).and_then(|mode| mode.rate());
        assert_eq!(at(12.0), Some(Rate(15.0)));
        assert_eq!(at(60.0), Some(Rate(30.0)));
        assert_eq!(at(29.97), Some(Rate(30.0)));
    }

    #[test]
    fn the_rates_of_television_are_rates_like_others() {
        let ntsc = Mode { interval: Interval::new(1001, 30_000), ..mode(Kind::Yuyv, 720, 480, 15) };
        let pal = Mode { interval: Interval::new(1000, 25_000), ..mode(Kind::Yuyv, 720, 576, 15) };
        assert_eq!(best(&[ntsc, mode(Kind::Yuyv, 720, 480, 15)], 720, 480, 30.0), Some(ntsc));
        assert_eq!(ntsc.to_string(), "YUYV 720 x 480 at 29.97 Hz");
        assert_eq!(pal.to_string(), "YUYV 720 x 576 at 25 Hz");
        assert!(!wish(720, 480, 30.0).lacks(&ntsc), "29.97 is what people call 30");
        assert!(wish(720, 576, 30.0).lacks(&pal));
    }

    #[test]
    fn a_camera_without_a_rate_of_ours_is_taken_as_it_is() {
        let own = Mode { interval: None, ..mode(Kind::Yuyv, 640, 480, 1) };
        assert_eq!(best(&[own, mode(Kind::Yuyv, 640, 480, 5)], 640, 480, 30.0), Some(own));
        assert_eq!(own.to_string(), "YUYV 640 x 480 at a rate of its own");
        assert!(!wish(640, 480, 30.0).lacks(&own));
    }

    #[test]
    fn a_slow_exact_size_beats_a_fast_other_size() {
        let modes = [mode(Kind::Yuyv, 640, 480, 25), mode(Kind::Yuyv, 640, 360, 60)];
        assert_eq!(best(&modes, 640, 480, 30.0), Some(modes[0]));
    }

    #[test]
    fn the_nearest_size_is_taken_when_the_wished_one_is_missing() {
        assert_eq!(best(&webcam(), 800, 600, 30.0).map(|it| (it.width, it.height)), Some((640, 480)));
    }

    #[test]
    fn nonsense_is_left_out() {
        assert_eq!([Interval::new(0, 30), Interval::new(1, 0), Interval::new(1, 30_000)], [None; 3]);
        assert_eq!(best(&[mode(Kind::Yuyv, 0, 480, 60)], 640, 480, 60.0), None);
        assert_eq!(best(&[], 640, 480, 30.0), None);
    }

    #[test]
    fn all_that_could_do_are_ranked_so_that_a_refused_one_has_a_successor() {
        let ranked = ranked(&webcam(), wish(640, 480, 30.0));
        assert_eq!(ranked.len(), webcam().len());
        assert_eq!(ranked[1], mode(Kind::Yuyv, 640, 480, 30));
    }

    #[test]
    fn what_a_camera_offers_is_said_in_a_line() {
        let said = "320x180 up to 1 Hz, 640x480 up to 30 Hz, 1280x720 up to 30 Hz as MJPEG, YUYV";
        assert_eq!(summary(&webcam()), said);
        let many: Vec<Mode> = (1..=12).map(|n| mode(Kind::Grey, 16 * n, 16, 5)).collect();
        assert!(summary(&many).ends_with("160x16 up to 5 Hz, 2 more as GREY"), "{}", summary(&many));
    }

    #[test]
    fn formats_have_the_letters_of_v4l2() {
        for kind in Kind::ALL {
            assert_eq!(Kind::of(*kind.fourcc()), Some(kind));
        }
        assert_eq!((Kind::of(*b"H264"), Kind::of(*b"\xff\xfe\0\0")), (None, None));
        assert_eq!(format!("{} {}", Kind::Mjpeg, Kind::Rgb), "MJPEG RGB3");
    }
}
