//! A camera by V4L2's own calls, for what nokhwa cannot do: JPEGs, rates like 30000/1001, padded lines, grey. It knows how much of a
//! buffer is the picture and which pictures the driver marked as broken, and it never waits for ever.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use bytes::Bytes;
use offboard::{Period, clock};
use v4l::{
    Device as File,
    buffer::{Flags, Metadata, Type},
    io::traits::CaptureStream,
    prelude::MmapStream,
};

use super::{
    Layout,
    device::Agreed,
    formats::Mode,
    live::{Eye, Shot},
    trouble::Trouble,
};
use crate::capture::{first_after, stalled_after};

/// Buffers that the driver fills in turn: one is read, one is being filled, two absorb a late reader.
const BUFFERS: u32 = 4;

/// A camera that streams.
pub(crate) struct Direct {
    stream: MmapStream<'static>,
    path: PathBuf,
    agreed: Agreed,
    patience: Patience,
}

/// How long a picture may let itself be waited for: less than the node's own patience, which ends the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Patience {
    /// For the picture that is waited for.
    now: Duration,
    /// For all behind the first.
    later: Duration,
}

impl Patience {
    fn of(rate: f64) -> Patience {
        Patience { now: first_after(rate).mul_f64(0.8), later: stalled_after(rate).mul_f64(0.8) }
    }

    /// Once a picture came.
    fn after_one(self) -> Patience {
        Patience { now: self.later, ..self }
    }
}

/// Starts a camera that has agreed to its mode; `rate` is what was wished, pictures a second.
pub(crate) fn start(file: &File, path: &Path, agreed: Agreed, rate: f64) -> Result<Direct, Trouble> {
    let stream = MmapStream::with_buffers(file, Type::VideoCapture, BUFFERS);
    let mut stream = stream.map_err(|error| Trouble::at(path, &error))?;
    let patience = Patience::of(rate);
    stream.set_timeout(patience.now);
    Ok(Direct { stream, path: path.to_owned(), agreed, patience })
}

impl Eye for Direct {
    fn shot(&mut self) -> Result<Shot, Trouble> {
        let (buffer, meta) = self.stream.next().map_err(|error| match error.kind() {
            io::ErrorKind::TimedOut => {
                let after = Period(self.patience.now);
                Trouble::Refused(format!("it stalls, nothing came for {after}; it is opened anew"))
            }
            _ => Trouble::at(&self.path, &error),
        })?;
        let used = buffer.get(..meta.bytesused as usize).unwrap_or(buffer);
        let shot = Shot {
            data: packed(used, self.agreed),
            driver_ns: stamp(meta),
            broken: meta.flags.contains(Flags::ERROR) || used.is_empty(),
        };
        self.patience = self.patience.after_one();
        self.stream.set_timeout(self.patience.now);
        Ok(shot)
    }
}

/// The driver's stamp on the steady timeline, if its clock is the one we know.
fn stamp(meta: &Metadata) -> Option<i64> {
    let monotonic = meta.flags & Flags::TIMESTAMP_MASK == Flags::TIMESTAMP_MONOTONIC;
    let (seconds, micros) = (meta.timestamp.sec, meta.timestamp.usec);
    (monotonic && seconds >= 0).then(|| seconds * 1_000_000_000 + micros * 1000 + clock::offset_ns())
}

/// A copy of the picture, its lines one behind the other.
fn packed(buffer: &[u8], agreed: Agreed) -> Bytes {
    let Agreed { mode: Mode { kind, width, height, .. }, stride } = agreed;
    let padded = kind.layout().map(|layout| (layout, layout.line(width as usize)));
    match padded {
        Some((layout, line)) if stride as usize > line => {
            let lines = buffer.chunks(stride as usize).take(rows(layout, height as usize));
            lines.flat_map(|padded| padded.get(..line).unwrap_or(padded)).copied().collect::<Vec<u8>>().into()
        }
        _ => Bytes::copy_from_slice(buffer),
    }
}

/// Lines of a picture, those of its colours included.
fn rows(layout: Layout, height: usize) -> usize {
    if layout == Layout::Nv12 { height + height / 2 } else { height }
}

#[cfg(test)]
mod tests {
    use v4l::Timestamp;

    use super::*;
    use crate::source::formats::Kind;

    fn agreed(kind: Kind, width: u32, height: u32, stride: u32) -> Agreed {
        Agreed { mode: Mode { kind, width, height, interval: None }, stride }
    }

    #[test]
    fn a_slow_cameras_first_picture_is_waited_for_as_long_as_its_rate_asks() {
        for (rate, first, later) in [(30.0, 4.0, 1.6), (1.0, 8.0, 8.0), (0.2, 40.0, 40.0)] {
            let patience = Patience::of(rate);
            assert_eq!(patience.now, Duration::from_secs_f64(first), "at {rate}");
            assert_eq!(patience.after_one().now, Duration::from_secs_f64(later), "at {rate}");
        }
    }

    #[test]
    fn padding_is_taken_out_of_each_line() {
        let buffer = [1, 2, 3, 4, 0, 0, 5, 6, 7, 8, 0, 0, 9, 9];
        assert_eq!(packed(&buffer, agreed(Kind::Grey, 4, 2, 6))[..], [1, 2, 3, 4, 5, 6, 7, 8]);
        let planes = [1, 2, 0, 3, 4, 0, 5, 6, 0];
        assert_eq!(packed(&planes, agreed(Kind::Nv12, 2, 2, 3))[..], [1, 2, 3, 4, 5, 6]);
        assert_eq!(packed(&buffer[..7], agreed(Kind::Grey, 4, 2, 6))[..], [1, 2, 3, 4, 5], "a torn one stays torn");
    }

    #[test]
    fn what_is_not_padded_stays_as_it_is() {
        for agreed in [agreed(Kind::Yuyv, 2, 2, 4), agreed(Kind::Yuyv, 2, 2, 0), agreed(Kind::Mjpeg, 2, 2, 9)] {
            assert_eq!(packed(&[1, 2, 3, 4, 5, 6, 7, 8], agreed)[..], [1, 2, 3, 4, 5, 6, 7, 8]);
        }
    }

    #[test]
    fn only_a_stamp_of_the_monotonic_clock_is_known() {
        let meta = |flags| Metadata { flags, timestamp: Timestamp::new(7, 250), ..Metadata::default() };
        assert_eq!(stamp(&meta(Flags::TIMESTAMP_MONOTONIC)), Some(7_000_250_000 + clock::offset_ns()));
        let with_source = Flags::TIMESTAMP_MONOTONIC | Flags::TSTAMP_SRC_SOE | Flags::MAPPED;
        assert!(stamp(&meta(with_source)).is_some());
        assert_eq!(stamp(&meta(Flags::TIMESTAMP_COPY)), None);
        assert_eq!(stamp(&meta(Flags::TIMESTAMP_UNKNOWN)), None);
    }
}
