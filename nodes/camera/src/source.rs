//! Where pictures come from: one trait, one file for each kind of source. A source blocks; it never runs on the node's own thread.

use std::time::Instant;

use bytes::Bytes;
use offboard::Result;

use crate::params::{Device, Params};

pub(crate) mod device;
mod direct;
mod folder;
pub(crate) mod formats;
pub(crate) mod live;
mod mjpeg;
mod nokhwa;
mod pattern;
pub(crate) mod trouble;

/// A source of pictures.
pub(crate) trait Source {
    /// Waits for the next picture or for other news. After [`Seen::Over`] it is not asked again.
    fn next(&mut self) -> Seen;
}

/// The newest news from a source.
#[derive(Debug, Clone)]
pub(crate) enum Seen {
    /// There is no camera at the moment; it is being looked for.
    Absent,
    /// The camera is open, its first picture is due.
    Opened,
    /// A picture.
    Frame(Frame),
    /// No picture will ever come again, and why.
    Over(String),
}

/// A picture as the source delivers it, cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    /// When it was captured, nanoseconds on the machine's steady timeline.
    pub(crate) stamp_ns: i64,
    /// Width in pixels.
    pub(crate) width: u32,
    /// Height in pixels.
    pub(crate) height: u32,
    /// What it shows.
    pub(crate) picture: Picture,
}

/// Pixels, or what pixels are made from when somebody wants them.
#[derive(Debug, Clone)]
pub(crate) enum Picture {
    /// From SOI to EOI, its size checked.
    Jpeg(Bytes),
    /// As many bytes as its layout needs for width and height.
    Pixels(Layout, Bytes),
    /// The test pattern, drawn when it is sent, so that it can carry the number it is sent under.
    Pattern,
}

/// How pixels lie in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    Rgb,
    Bgr,
    Gray,
    /// Y0 U Y1 V: two pixels in four bytes.
    Yuyv,
    /// A plane of Y, then one of U and V in turn at half the width and height.
    Nv12,
}

impl Layout {
    /// Bytes of a picture of this size; none when no picture of this layout can have it.
    pub(crate) fn bytes(self, width: usize, height: usize) -> Option<usize> {
        let pixels = width.checked_mul(height)?;
        match self {
            Layout::Rgb | Layout::Bgr => pixels.checked_mul(3),
            Layout::Gray => Some(pixels),
            Layout::Yuyv if width.is_multiple_of(2) => pixels.checked_mul(2),
            Layout::Nv12 if width.is_multiple_of(2) && height.is_multiple_of(2) => pixels.checked_add(pixels / 2),
            Layout::Yuyv | Layout::Nv12 => None,
        }
    }

    /// Bytes of a line of so many pixels.
    pub(crate) const fn line(self, width: usize) -> usize {
        match self {
            Layout::Rgb | Layout::Bgr => width * 3,
            Layout::Yuyv => width * 2,
            Layout::Gray | Layout::Nv12 => width,
        }
    }
}

/// Makes the source on the thread that will run it: an open camera may not move between threads.
pub(crate) type Opener = Box<dyn FnOnce() -> Box<dyn Source> + Send>;

/// The source that the parameters name. Files are looked at now, cameras later: they may come and go.
///
/// # Errors
/// A configuration error when there is no such file or folder, or no picture in it.
pub(crate) fn prepare(params: &Params) -> Result<Opener> {
    let Params { rate, size, format, encoding, .. } = *params;
    Ok(match &params.device {
        Device::Camera(_) | Device::CameraAt(_) => {
            let device = params.device.clone();
            Box::new(move || Box::new(live::Live::new(device, formats::Wish { size, rate, format, encoding })))
        }
        Device::Pattern => Box::new(move || Box::new(pattern::Ticks::new(Instant::now(), size, rate))),
        Device::Files(path) if path.is_dir() => {
            let folder = folder::Folder::open(path, rate)?;
            Box::new(move || Box::new(folder))
        }
        Device::Files(path) => {
            let file = mjpeg::Mjpeg::open(path, rate)?;
            Box::new(move || Box::new(file))
        }
    })
}
