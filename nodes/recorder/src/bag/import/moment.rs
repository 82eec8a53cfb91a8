//! A moment of a drive: what the camera saw and what the driver did then.

use bytes::Bytes;
use offboard::DriveMode;

/// One moment of what is imported.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Moment {
    /// When, in nanoseconds.
    pub(crate) stamp_ns: i64,
    /// A whole JPEG.
    pub(crate) jpeg: Bytes,
    /// Right positive, -1 to 1.
    pub(crate) steering: f32,
    /// Forward positive, -1 to 1.
    pub(crate) throttle: f32,
    /// Who drove.
    pub(crate) mode: DriveMode,
    /// Not to be learned from.
    pub(crate) erased: bool,
}

/// A control from a file: a finite number from -1 to 1.
pub(crate) fn control(what: &str, value: f64) -> Result<f32, String> {
    if (-1.0..=1.0).contains(&value) { Ok(value as f32) } else { Err(format!("{what} is {value}, not from -1 to 1")) }
}

/// A file name from a file: a name and nothing else, so that nothing outside the folder is read.
pub(crate) fn plain_name(name: &str) -> Result<&str, String> {
    let mut parts = std::path::Path::new(name).components();
    match (parts.next(), parts.next()) {
        (Some(std::path::Component::Normal(part)), None) if part == name => Ok(name),
        _ => Err(format!("{name:?} is no name of a file")),
    }
}
