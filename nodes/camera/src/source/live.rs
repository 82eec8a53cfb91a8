//! A camera, present or not: it is looked for, opened in the best of its modes, and after every trouble opened anew. It never gives up
//! and never says the same thing twice in a row.

use std::{
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use offboard::clock;
use tracing::{info, warn};

use super::{
    Frame, Picture, Seen, Source,
    device::{self, Agreed},
    direct,
    formats::{Mode, Wish, ranked, summary},
    nokhwa,
    trouble::Trouble,
};
use crate::{
    params::Device,
    tables::{Tables, cut},
};

/// How often a camera that is not there is looked for.
const POLL: Duration = Duration::from_millis(500);
/// A camera that is there but cannot be used is asked less and less often, down to this.
const POLL_SLOWEST: Duration = Duration::from_secs(4);
/// How many of a camera's modes are tried: a camera that refuses so many is not choosy but broken.
const TRIES: usize = 8;
/// A driver's stamp older than this is not believed: pictures do not wait that long in four buffers.
const STAMP_AGE_MAX_NS: i64 = 1_000_000_000;
/// How often torn pictures are reported.
const REPORT_EVERY: Duration = Duration::from_secs(1);

/// An open camera.
pub(crate) trait Eye {
    /// Waits for its next picture.
    fn shot(&mut self) -> Result<Shot, Trouble>;
}

/// What came from a camera, as it came.
#[derive(Debug)]
pub(crate) struct Shot {
    pub(crate) data: Bytes,
    /// The driver's stamp on the steady timeline, if it gave one.
    pub(crate) driver_ns: Option<i64>,
    /// Whether the driver marked it as broken.
    pub(crate) broken: bool,
}

/// A camera that is open, and how.
struct Open {
    eye: Box<dyn Eye>,
    agreed: Agreed,
    /// What was said about its stamps: the driver's, or when read.
    stamps: [bool; 2],
}

/// A camera, present or not.
pub(crate) struct Live {
    device: Device,
    wish: Wish,
    camera: Option<Open>,
    tables: Tables,
    /// How long to wait before it is opened next.
    pause: Duration,
    /// What was last reported, so that it is not said again.
    trouble: Option<String>,
    /// What was last said about a wish that the camera cannot fulfil.
    lack: Option<String>,
    torn: u64,
    torn_reported: Option<Instant>,
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
            lack: None,
            torn: 0,
            torn_reported: None,
        }
    }

    fn open(&mut self) -> Seen {
        thread::sleep(self.pause);
        match open(&self.device, self.wish) {
            Ok((camera, way, offered)) => {
                info!("{}: {}, {way}", self.device, camera.agreed.mode);
                self.say_lack(&camera.agreed.mode, &offered);
                self.camera = Some(camera);
                Seen::Opened
            }
            // That a camera which was lost is not there is no news.
            Err(Trouble::Gone(problem)) => self.lost(&self.trouble.clone().unwrap_or(problem), POLL),
            Err(trouble) => self.lost(&trouble.problem(), POLL_SLOWEST),
        }
    }

    /// Says once what was wished and cannot be had, and what can.
    fn say_lack(&mut self, mode: &Mode, offered: &[Mode]) {
        let lack = self.wish.lacks(mode).then(|| {
            let Wish { size: [width, height], rate, .. } = self.wish;
            format!("no {width} x {height} at {rate} Hz, but {mode}; it offers {}", summary(offered))
        });
        if let Some(lack) = lack.as_ref().filter(|lack| self.lack.as_ref() != Some(*lack)) {
            warn!("{} has {lack}", self.device);
        }
        self.lack = lack;
    }

    fn capture(&mut self) -> Option<Seen> {
        let camera = self.camera.as_mut()?;
        let shot = match camera.eye.shot() {
            Ok(shot) => shot,
            Err(trouble) => return Some(self.lost(&trouble.problem(), POLL_SLOWEST)),
        };
        let (stamp_ns, is_drivers) = stamp(shot.driver_ns, clock::now_ns());
        if !std::mem::replace(&mut camera.stamps[usize::from(is_drivers)], true) {
            info!("{}: {}", self.device, stamped(is_drivers, shot.driver_ns));
        }
        match picture(shot, camera.agreed.mode, &self.tables) {
            Ok((picture, width, height)) => {
                if self.trouble.take().is_some() {
                    info!("{} is back", self.device);
                }
                self.pause = Duration::ZERO;
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

/// The driver's stamp when it can be believed, otherwise now; and whether it is the driver's. Both on the steady timeline.
fn stamp(driver_ns: Option<i64>, now_ns: i64) -> (i64, bool) {
    let believed = driver_ns.filter(|stamp| (now_ns - STAMP_AGE_MAX_NS..=now_ns).contains(stamp));
    (believed.unwrap_or(now_ns), believed.is_some())
}

fn stamped(is_drivers: bool, driver_ns: Option<i64>) -> &'static str {
    match (is_drivers, driver_ns) {
        (true, _) => "stamps are the driver's",
        (false, None) => "stamps are when it was read: the driver's are missing or lie in the future",
        (false, Some(_)) => "stamps are when it was read: the driver's lie in the future or over a second ago",
    }
}

/// What is in a buffer, and its width and height.
fn picture(shot: Shot, mode: Mode, tables: &Tables) -> Result<(Picture, u32, u32), String> {
    let Mode { kind, width, height, .. } = mode;
    if shot.broken {
        return Err("its driver marks it as broken".to_owned());
    }
    let Some(layout) = kind.layout() else {
        let (picture, width, height) = cut(&shot.data, tables)?;
        return Ok((Picture::Jpeg(picture), width, height));
    };
    let need = layout.bytes(width as usize, height as usize).ok_or("its size does not go with its format")?;
    if shot.data.len() < need {
        return Err(format!("it has {} bytes of {need}", shot.data.len()));
    }
    Ok((Picture::Pixels(layout, shot.data.slice(..need)), width, height))
}

/// The camera in the best mode that it agrees to, the way in which it is read, and all modes.
fn open(device: &Device, wish: Wish) -> Result<(Open, &'static str, Vec<Mode>), Trouble> {
    let path = device::file_of(device)?;
    let asked = device::open(&path)?;
    let (modes, others) = device::modes(&asked, Some(wish)).map_err(|error| Trouble::at(&path, &error))?;
    drop(asked);
    let mut refusal = Trouble::Refused(match wish.format.filter(|_| !modes.is_empty()) {
        Some(format) => format!("it has no {format}; it offers {}", summary(&modes)),
        None => nothing_usable(&others),
    });
    for mode in ranked(&modes, wish).into_iter().take(TRIES) {
        let tried = device::open(&path).and_then(|file| {
            let agreed = device::agree(&file, mode).map_err(|error| Trouble::at(&path, &error))?;
            let (eye, way): (Box<dyn Eye>, _) = match nokhwa::format(&agreed) {
                Some(format) => {
                    drop(file); // nokhwa opens its own
                    (Box::new(nokhwa::open(&path, format)?), "through nokhwa")
                }
                None => (Box::new(direct::start(&file, &path, agreed, wish.rate)?), "read directly"),
            };
            Ok((Open { eye, agreed, stamps: [false; 2] }, way))
        });
        match tried {
            Ok((camera, way)) => return Ok((camera, way, modes)),
            Err(Trouble::Refused(problem)) => refusal = Trouble::Refused(format!("{mode}: {problem}")),
            Err(trouble) => return Err(trouble),
        }
    }
    Err(refusal)
}

/// Why none of a camera's formats can be used.
pub(crate) fn nothing_usable(others: &[String]) -> String {
    match others {
        [] => "it delivers no pictures: an output, or one that only gives data about pictures".to_owned(),
        others => format!(
            "it offers {}, none of which can be used here (MJPEG, NV12, YUYV, RGB3, BGR3, GREY can)",
            others.join(", ")
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{
        Layout,
        formats::{Interval, Kind},
    };

    fn mode(kind: Kind, width: u32, height: u32) -> Mode {
        Mode { kind, width, height, interval: Interval::new(1, 25) }
    }

    fn shot(bytes: usize) -> Shot {
        Shot { data: vec![1; bytes].into(), driver_ns: None, broken: false }
    }

    fn live() -> Live {
        let wish = Wish { size: [640, 480], rate: 30.0, format: None, encoding: crate::params::Encoding::Jpeg };
        Live::new(Device::CameraAt("/dev/no/such/camera".into()), wish)
    }

    #[test]
    fn a_drivers_stamp_is_believed_only_when_it_can_be_true() {
        let now = 10_000_000_000;
        let cases = [
            (None, (now, false)),
            (Some(now - 33_000_000), (now - 33_000_000, true)),
            (Some(now), (now, true)),
            (Some(now + 8_000_000), (now, false)),
            (Some(now - 1_000_000_001), (now, false)),
            (Some(i64::MIN), (now, false)),
        ];
        for (driver, wanted) in cases {
            assert_eq!(stamp(driver, now), wanted, "{driver:?}");
        }
    }

    #[test]
    fn pixels_are_cut_to_their_picture_and_short_ones_refused() {
        let yuyv = mode(Kind::Yuyv, 4, 2);
        let Ok((Picture::Pixels(Layout::Yuyv, data), 4, 2)) = picture(shot(4096), yuyv, &Tables::standard()) else {
            panic!("a page of YUYV");
        };
        assert_eq!(data.len(), 16);
        assert_eq!(picture(shot(15), yuyv, &Tables::standard()).unwrap_err(), "it has 15 bytes of 16");
        let broken = Shot { broken: true, ..shot(16) };
        assert_eq!(picture(broken, yuyv, &Tables::standard()).unwrap_err(), "its driver marks it as broken");
    }

    #[test]
    fn a_camera_that_is_not_there_is_looked_for_without_hurry_and_reported_once() {
        let mut live = live();
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
    fn a_wish_that_cannot_be_fulfilled_is_said_with_what_can() {
        let mut live = live();
        let offered = [mode(Kind::Yuyv, 640, 480), mode(Kind::Mjpeg, 1280, 720)];
        live.say_lack(&offered[0], &offered);
        let said = "no 640 x 480 at 30 Hz, but YUYV 640 x 480 at 25 Hz; it offers 640x480 up to 25 Hz, 1280x720 up to 25 Hz as \
                    MJPEG, YUYV";
        assert_eq!(live.lack.as_deref(), Some(said));
        live.say_lack(&Mode { interval: Interval::new(1001, 30_000), ..offered[0] }, &offered);
        assert_eq!(live.lack, None);
    }

    #[test]
    fn a_camera_of_unknown_formats_only_is_no_riddle() {
        let said = nothing_usable(&["H264".to_owned(), "UYVY".to_owned()]);
        assert_eq!(
            said,
            "it offers H264, UYVY, none of which can be used here (MJPEG, NV12, YUYV, RGB3, BGR3, GREY can)"
        );
    }
}
