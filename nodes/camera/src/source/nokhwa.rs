//! A camera through nokhwa (V4L2). Everything that is known to go wrong there is met here: formats are chosen by us, JPEG buffers
//! are cut, a lost camera is dropped before it is opened again. `frame()` waits for ever on a camera that stalls and nothing can
//! interrupt it: the node watches from outside and ends the process (see [`capture`](crate::capture)). It never converts pixels.

use std::{
    fs,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use ::nokhwa::{
    Buffer, Camera, NokhwaError,
    utils::{CameraFormat, CameraIndex, FrameFormat, RequestedFormat, RequestedFormatType},
};
use offboard::clock;
use tracing::{info, warn};

use super::{
    Frame, Layout, Picture, Seen, Source,
    formats::{KNOWN, Wish, ranked},
};
use crate::{
    params::Device,
    tables::{Tables, cut},
};

/// How often a camera that is not there is looked for.
const POLL: Duration = Duration::from_millis(500);
/// A camera that is there but cannot be used is asked less and less often, down to this.
const POLL_SLOWEST: Duration = Duration::from_secs(4);
/// How many of a camera's formats are tried: a camera that refuses so many is not choosy but broken.
const TRIES: usize = 8;
/// A driver's stamp older than this is not believed: pictures do not wait that long in four buffers.
const STAMP_AGE_MAX_NS: i64 = 1_000_000_000;
/// How often torn pictures are reported.
const REPORT_EVERY: Duration = Duration::from_secs(1);

/// A camera, present or not.
pub(crate) struct Live {
    device: Device,
    wish: Wish,
    camera: Option<Camera>,
    tables: Tables,
    /// How long to wait before it is opened next.
    pause: Duration,
    /// What was last reported, so that it is not said again.
    trouble: Option<String>,
    torn: u64,
    torn_reported: Option<Instant>,
}

/// Why a camera cannot be opened.
#[derive(Debug)]
enum Trouble {
    /// It is not there.
    Gone(String),
    /// It is there and does not do as asked.
    Refused(String),
}

impl Live {
    pub(crate) fn new(device: Device, wish: Wish) -> Live {
        Live {
            device,
            wish,
            camera: None,
            tables: Tables::standard(),
            pause: Duration::ZERO,
            trouble: None,
            torn: 0,
            torn_reported: None,
        }
    }

    fn open(&mut self) -> Seen {
        thread::sleep(self.pause);
        match index_of(&self.device).and_then(|index| open(index, self.wish)) {
            Ok(camera) => {
                let format = camera.camera_format();
                let (kind, rate) = (format.format(), format.frame_rate());
                info!("{}: {kind} {} x {} at {rate} Hz", self.device, format.width(), format.height());
                self.camera = Some(camera);
                Seen::Opened
            }
            // That a camera which was lost is not there is no news.
            Err(Trouble::Gone(problem)) => self.lost(&self.trouble.clone().unwrap_or(problem), POLL),
            Err(Trouble::Refused(problem)) => self.lost(&problem, POLL_SLOWEST),
        }
    }

    fn capture(&mut self) -> Option<Seen> {
        let buffer = match self.camera.as_mut()?.frame() {
            Ok(buffer) => buffer,
            Err(error) => {
                let problem = explain(&error);
                return Some(self.lost(&problem, POLL_SLOWEST));
            }
        };
        match picture(&buffer, &self.tables) {
            Ok((picture, width, height)) => {
                if self.trouble.take().is_some() {
                    info!("{} is back", self.device);
                }
                self.pause = Duration::ZERO;
                let driver = buffer.capture_timestamp().and_then(|since| i64::try_from(since.as_nanos()).ok());
                let stamp_ns = stamp(driver.map(clock::from_unix_ns), clock::now_ns());
                Some(Seen::Frame(Frame { stamp_ns, width, height, picture }))
            }
            Err(problem) => {
                self.skip(&problem);
                None
            }
        }
    }

    /// Without a camera: says so once, and looks again after a while.
    fn lost(&mut self, problem: &str, slowest: Duration) -> Seen {
        // nokhwa hands the dead file descriptor to whoever opens the same camera while the old one lives.
        self.camera = None;
        self.pause = (self.pause * 2).clamp(POLL, slowest);
        if self.trouble.as_deref() != Some(problem) {
            warn!("no picture from {}: {problem}", self.device);
            self.trouble = Some(problem.to_owned());
        }
        Seen::Absent
    }

    /// A torn picture: a driver marks it, but nokhwa does not pass the mark on.
    fn skip(&mut self, problem: &str) {
        self.torn += 1;
        if self.torn_reported.is_none_or(|last| last.elapsed() >= REPORT_EVERY) {
            self.torn_reported = Some(Instant::now());
            warn!("a picture of {} is left out: {problem} ({} so far)", self.device, self.torn);
        }
    }
}

impl Source for Live {
    fn next(&mut self) -> Seen {
        // Not endless: without a good picture the node's patience ends the process.
        loop {
            if self.camera.is_none() {
                return self.open();
            }
            if let Some(seen) = self.capture() {
                return seen;
            }
        }
    }
}

/// The driver's stamp when it can be believed, otherwise now. Both on the steady timeline.
fn stamp(driver_ns: Option<i64>, now_ns: i64) -> i64 {
    driver_ns.filter(|stamp| (now_ns - STAMP_AGE_MAX_NS..=now_ns).contains(stamp)).unwrap_or(now_ns)
}

fn picture(buffer: &Buffer, tables: &Tables) -> Result<(Picture, u32, u32), String> {
    let data = buffer.buffer_bytes();
    let (width, height) = (buffer.resolution().width(), buffer.resolution().height());
    let layout = match buffer.source_frame_format() {
        FrameFormat::MJPEG => {
            let (picture, width, height) = cut(&data, tables)?;
            return Ok((Picture::Jpeg(picture), width, height));
        }
        FrameFormat::YUYV => Layout::Yuyv,
        FrameFormat::NV12 => Layout::Nv12,
        FrameFormat::RAWRGB => Layout::Rgb,
        FrameFormat::RAWBGR => Layout::Bgr,
        FrameFormat::GRAY => Layout::Gray,
    };
    let need = layout.bytes(width as usize, height as usize).ok_or("its size does not go with its format")?;
    if data.len() < need {
        return Err(format!("it has {} bytes of {need}", data.len()));
    }
    Ok((Picture::Pixels(layout, data.slice(..need)), width, height))
}

/// The number N of the device file /dev/videoN; a link is followed each time, because numbers change when a camera is plugged in.
fn index_of(device: &Device) -> Result<u32, Trouble> {
    let path = match device {
        Device::Camera(index) => format!("/dev/video{index}").into(),
        Device::CameraAt(path) => path.clone(),
        Device::Pattern | Device::Files(_) => return Err(Trouble::Gone("it is no camera".to_owned())),
    };
    let gone = |error| Trouble::Gone(format!("{}: {error} (camera --list shows what there is)", path.display()));
    let file = fs::canonicalize(&path).map_err(gone)?;
    number_in(&file).ok_or_else(|| Trouble::Refused(format!("{} is no /dev/video…", file.display())))
}

/// N of `…/videoN`.
pub(crate) fn number_in(path: &Path) -> Option<u32> {
    path.file_name()?.to_str()?.strip_prefix("video")?.parse().ok()
}

fn open(index: u32, wish: Wish) -> Result<Camera, Trouble> {
    let formats = formats(index).map_err(Trouble::Refused)?;
    let mut refusal = "it offers no format that can be used here".to_owned();
    for format in ranked(&formats, wish).into_iter().take(TRIES) {
        match open_exactly(index, format) {
            Ok(camera) => return Ok(camera),
            Err(error) => refusal = format!("{format}: {}", explain(&error)),
        }
    }
    Err(Trouble::Refused(refusal))
}

fn open_exactly(index: u32, format: CameraFormat) -> Result<Camera, NokhwaError> {
    let wanted = [format.format()];
    let request = RequestedFormat::with_formats(RequestedFormatType::Exact(format), &wanted);
    let mut camera = Camera::new(CameraIndex::Index(index), request)?;
    camera.open_stream()?;
    Ok(camera)
}

/// What a camera offers.
///
/// # Errors
/// A sentence that says why it cannot be asked, and what to do.
pub(crate) fn formats(index: u32) -> Result<Vec<CameraFormat>, String> {
    // nokhwa tells formats only of an open camera, and opens one only with a format: any will do. It is closed again here.
    let request = RequestedFormat::with_formats(RequestedFormatType::None, &KNOWN);
    let mut camera = Camera::new(CameraIndex::Index(index), request).map_err(|error| explain(&error))?;
    camera.compatible_camera_formats().map_err(|error| explain(&error))
}

/// nokhwa's error, and what to do about it.
fn explain(error: &NokhwaError) -> String {
    const ADVICE: [(&str, &str); 5] = [
        ("os error 13", "permission denied; join the group video (sudo usermod -aG video $USER) and log in again"),
        ("os error 16", "it is busy: another program uses it"),
        ("os error 19", "it was unplugged"),
        (
            "Failed to Fufill",
            "it offers no format that can be used here (MJPEG, YUYV, NV12, RGB3 or BGR3 at a whole number of pictures a second)",
        ),
        (
            "Framerate not whole number",
            "its present rate is no whole number, which nokhwa cannot read; set one with: v4l2-ctl --set-parm=30",
        ),
    ];
    let text = error.to_string();
    ADVICE.iter().find(|(sign, _)| text.contains(sign)).map_or(text.clone(), |(_, advice)| (*advice).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drivers_stamp_is_believed_only_when_it_can_be_true() {
        let now = 10_000_000_000;
        let cases = [
            (None, now),
            (Some(now - 33_000_000), now - 33_000_000),
            (Some(now), now),
            (Some(now + 8_000_000), now),
            (Some(now - 1_000_000_001), now),
            (Some(i64::MIN), now),
        ];
        for (driver, wanted) in cases {
            assert_eq!(stamp(driver, now), wanted, "{driver:?}");
        }
    }

    #[test]
    fn pixels_are_cut_to_their_picture_and_short_ones_refused() {
        let size = ::nokhwa::utils::Resolution::new(4, 2);
        let buffer = |bytes: usize| Buffer::new(size, &vec![1; bytes], FrameFormat::YUYV);
        let Ok((Picture::Pixels(Layout::Yuyv, data), 4, 2)) = picture(&buffer(4096), &Tables::standard()) else {
            panic!("a page of YUYV");
        };
        assert_eq!(data.len(), 16);
        assert_eq!(picture(&buffer(15), &Tables::standard()).unwrap_err(), "it has 15 bytes of 16");
    }

    #[test]
    fn a_camera_that_is_not_there_is_looked_for_without_hurry_and_reported_once() {
        let wish = Wish { size: [640, 480], rate: 30.0, encoding: crate::params::Encoding::Jpeg };
        let mut live = Live::new(Device::CameraAt("/dev/no/such/camera".into()), wish);
        assert!(matches!(live.next(), Seen::Absent));
        assert_eq!(live.pause, POLL);
        let said = live.trouble.clone().unwrap();
        assert!(said.starts_with("/dev/no/such/camera: No such file or directory"), "{said}");
        assert!(matches!(live.lost(&said, POLL), Seen::Absent));
        assert_eq!(live.pause, POLL);
        for _ in 0..9 {
            live.lost("it was unplugged", POLL_SLOWEST);
        }
        assert_eq!(live.pause, POLL_SLOWEST);
        live.pause = Duration::ZERO;
        assert!(matches!(live.next(), Seen::Absent));
        assert_eq!(live.trouble.as_deref(), Some("it was unplugged"), "that it is not there is no news");
    }

    #[test]
    fn errors_say_what_to_do() {
        let denied = NokhwaError::OpenDeviceError("0".into(), "V4L2 Error: Permission denied (os error 13)".into());
        assert!(explain(&denied).contains("usermod -aG video"));
        let unplugged = NokhwaError::ReadFrameError("No such device (os error 19)".into());
        assert_eq!(explain(&unplugged), "it was unplugged");
        let other = NokhwaError::ReadFrameError("Input/output error (os error 5)".into());
        assert_eq!(explain(&other), "Could not capture frame: Input/output error (os error 5)");
    }

    #[test]
    fn a_device_file_has_its_number() {
        assert_eq!(number_in(Path::new("/dev/video12")), Some(12));
        assert_eq!(number_in(Path::new("/dev/video")), None);
        assert_eq!(number_in(Path::new("/dev/video1x")), None);
    }
}
