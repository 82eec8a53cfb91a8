//! Asks a camera what it can do and tells it what to do, in V4L2's own words: nokhwa leaves out every interval that is not 1/N of a
//! second and cannot open a camera that was left at one. It never starts capturing.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use v4l::{
    Device as File, Format, FourCC, Fraction,
    frameinterval::{FrameIntervalEnum, Stepwise as Intervals},
    framesize::{FrameSizeEnum, Stepwise as Sizes},
    video::{Capture, capture::Parameters},
};

use super::{
    formats::{Interval, Kind, Mode, Wish},
    trouble::{Trouble, missing, number_in},
};
use crate::params::Device;

/// What people ask for, where a camera can do any size.
const COMMON_SIZES: [[u32; 2]; 5] = [[320, 240], [640, 480], [800, 600], [1280, 720], [1920, 1080]];

/// What a camera agreed to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Agreed {
    pub(crate) mode: Mode,
    /// Bytes from one line of pixels to the next; 0 where it does not say, as for JPEGs.
    pub(crate) stride: u32,
}

/// The device file that the parameter means; a link is followed each time, because numbers change when a camera is plugged in.
pub(crate) fn file_of(device: &Device) -> Result<PathBuf, Trouble> {
    let path = match device {
        Device::Camera(index) => format!("/dev/video{index}").into(),
        Device::CameraAt(path) => path.clone(),
        Device::Pattern | Device::Files(_) => return Err(Trouble::Gone("it is no camera".to_owned())),
    };
    let file = fs::canonicalize(&path).map_err(|error| missing(&path, &error))?;
    match number_in(&file) {
        Some(_) => Ok(file),
        None => Err(Trouble::Refused(format!("{} is no camera: a camera is a /dev/video…", file.display()))),
    }
}

/// Opens a camera to ask it.
pub(crate) fn open(path: &Path) -> Result<File, Trouble> {
    File::with_path(path).map_err(|error| Trouble::at(path, &error))
}

/// What a camera offers that can be used here, and the names of what cannot. Where it can do any size or rate, the wished one is
/// among them, or the ones that people ask for.
pub(crate) fn modes(file: &File, wish: Option<Wish>) -> io::Result<(Vec<Mode>, Vec<String>)> {
    let mut modes = Vec::new();
    let mut others = Vec::new();
    for format in Capture::enum_formats(file)? {
        let Some(kind) = Kind::of(format.fourcc.repr) else {
            others.push(letters(format.fourcc));
            continue;
        };
        for size in Capture::enum_framesizes(file, format.fourcc).unwrap_or_default() {
            let sizes = match size.size {
                FrameSizeEnum::Discrete(size) => vec![[size.width, size.height]],
                FrameSizeEnum::Stepwise(range) => sizes_in(&range, wish),
            };
            for [width, height] in sizes {
                let intervals = Capture::enum_frameintervals(file, format.fourcc, width, height).unwrap_or_default();
                let told = intervals.into_iter().flat_map(|it| match it.interval {
                    FrameIntervalEnum::Discrete(it) => vec![Interval::new(it.numerator, it.denominator)],
                    FrameIntervalEnum::Stepwise(range) => intervals_in(&range, wish),
                });
                let mut told: Vec<_> = told.flatten().map(Some).collect();
                if told.is_empty() {
                    told.push(None);
                }
                modes.extend(told.into_iter().map(|interval| Mode { kind, width, height, interval }));
            }
        }
    }
    Ok((modes, others))
}

/// Sets the camera to a mode; it may choose a near one.
pub(crate) fn agree(file: &File, mode: Mode) -> io::Result<Agreed> {
    let granted = Capture::set_format(file, &Format::new(mode.width, mode.height, FourCC::new(mode.kind.fourcc())))?;
    let kind = Kind::of(granted.fourcc.repr)
        .ok_or_else(|| io::Error::other(format!("asked for {mode} it gives {}", letters(granted.fourcc))))?;
    let told = mode.interval.map(|it| Parameters::new(Fraction::new(it.numerator, it.denominator)));
    let set = told.and_then(|told| Capture::set_params(file, &told).ok());
    let interval = set.and_then(|it| Interval::new(it.interval.numerator, it.interval.denominator));
    let mode = Mode { kind, width: granted.width, height: granted.height, interval };
    Ok(Agreed { mode, stride: granted.stride })
}

/// As people write it: the highest bit says that the bytes of each pixel come the other way round.
fn letters(fourcc: FourCC) -> String {
    let [a, b, c, d] = fourcc.repr;
    let letters = String::from_utf8_lossy(&[a, b, c, d & 0x7f]).trim_end_matches(['\0', ' ']).to_owned();
    if d & 0x80 == 0 { letters } else { letters + "-BE" }
}

fn sizes_in(range: &Sizes, wish: Option<Wish>) -> Vec<[u32; 2]> {
    let fit = |[width, height]: [u32; 2]| {
        [
            step_to(width, range.min_width, range.max_width, range.step_width),
            step_to(height, range.min_height, range.max_height, range.step_height),
        ]
    };
    let mut sizes: Vec<_> = match wish {
        Some(wish) => vec![fit(wish.size)],
        None => COMMON_SIZES.into_iter().filter(|size| fit(*size) == *size).collect(),
    };
    sizes.push([range.max_width, range.max_height]);
    sizes.dedup();
    sizes
}

/// The nearest of `least`, `least + step`, … that is not over `most`.
fn step_to(wanted: u32, least: u32, most: u32, step: u32) -> u32 {
    let step = step.max(1);
    let over = wanted.clamp(least, most.max(least)) - least;
    least + (over + step / 2).min(most.saturating_sub(least)) / step * step
}

fn intervals_in(range: &Intervals, wish: Option<Wish>) -> Vec<Option<Interval>> {
    let [shortest, longest] = [&range.min, &range.max].map(|it| Interval::new(it.numerator, it.denominator));
    // A whole rate is asked for as 1/N, any other in thousandths.
    let wished = wish.and_then(|wish| match wish.rate {
        rate if rate.fract() == 0.0 => Interval::new(1, rate as u32),
        rate => Interval::new(1000, (rate * 1000.0) as u32),
    });
    let within = |wished: &Interval| {
        let (rate, highest, lowest) = (wished.rate(), shortest.map(Interval::rate), longest.map(Interval::rate));
        highest.is_none_or(|highest| rate <= highest) && lowest.is_none_or(|lowest| rate >= lowest)
    };
    vec![shortest, wished.filter(within), longest]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::Encoding;

    fn wish(width: u32, height: u32, rate: f64) -> Option<Wish> {
        Some(Wish { size: [width, height], rate, format: None, encoding: Encoding::Jpeg })
    }

    #[test]
    fn any_size_means_the_wished_one_or_those_people_ask_for() {
        let range =
            Sizes { min_width: 32, max_width: 1920, step_width: 16, min_height: 32, max_height: 1080, step_height: 8 };
        assert_eq!(sizes_in(&range, wish(640, 480, 30.0)), [[640, 480], [1920, 1080]]);
        assert_eq!(sizes_in(&range, wish(645, 9000, 30.0)), [[640, 1080], [1920, 1080]]);
        assert_eq!(sizes_in(&range, wish(16, 16, 30.0)), [[32, 32], [1920, 1080]]);
        assert_eq!(sizes_in(&range, None), [[320, 240], [640, 480], [800, 600], [1280, 720], [1920, 1080]]);
    }

    #[test]
    fn a_step_never_leaves_its_range() {
        assert_eq!([0, 17, 25, 31, 40, 99].map(|wanted| step_to(wanted, 16, 40, 8)), [16, 16, 24, 32, 40, 40]);
        assert_eq!(step_to(50, 10, 20, 0), 20);
        assert_eq!(step_to(50, 20, 10, 3), 20, "a range upside down");
    }

    #[test]
    fn any_rate_means_the_wished_one_within_its_bounds() {
        let fraction = Fraction::new;
        let range = Intervals { min: fraction(1, 60), max: fraction(1, 5), step: fraction(1, 1) };
        let rates = |rate| {
            intervals_in(&range, wish(640, 480, rate)).into_iter().flatten().map(|it| it.rate().0).collect::<Vec<_>>()
        };
        assert_eq!(rates(30.0), [60.0, 30.0, 5.0]);
        assert_eq!(rates(12.5), [60.0, 12.5, 5.0]);
        assert_eq!(rates(90.0), [60.0, 5.0]);
    }

    #[test]
    fn formats_are_named_by_their_letters() {
        let named = |letters_of: &[u8; 4]| letters(FourCC::new(letters_of));
        assert_eq!([named(b"H264"), named(b"Y16 "), named(b"Y16\xa0")], ["H264", "Y16", "Y16-BE"]);
    }

    #[test]
    fn what_is_no_video_device_is_no_camera() {
        let refused = file_of(&Device::CameraAt("/dev/null".into()));
        assert_eq!(refused, Err(Trouble::Refused("/dev/null is no camera: a camera is a /dev/video…".to_owned())));
        assert!(matches!(file_of(&Device::CameraAt("/dev/no/such".into())), Err(Trouble::Gone(_))));
    }
}
