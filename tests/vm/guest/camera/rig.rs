//! What the camera scenarios share: vivid and its controls, a camera node started by hand, and what is heard of it.

use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::Path,
    process::{Child, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use offboard::{CompressedImage, Name, RawImage, RawMessage, clock, wiring};
use offboard_tests::{Bed, Ear, LIMIT, bench::quantile, signal, until};
use rustix::process::Signal;
use serde_json::{Value, json};
use v4l::{
    Control, Device,
    control::{Type, Value as Setting},
};

use crate::support::{figure, load, run, unload};

/// The group of the figures.
pub(super) const CAMERA: &str = "camera";

/// One webcam: `/dev/video0`.
pub(super) const WEBCAM: &str = "n_devs=1 node_types=0x1 num_inputs=1 input_types=0";

/// Plugs vivid in with these arguments, unless it is there with the same ones.
pub(super) fn vivid(args: &str) {
    let note = Path::new("/tmp/vivid");
    if fs::read_to_string(note).is_ok_and(|last| last == args) && Path::new("/dev/video0").exists() {
        calm();
        return;
    }
    unplug();
    load("vivid", args);
    until("vivid is there", || Path::new("/dev/video0").exists().then_some(()));
    // udev's rules give it its group.
    run("udevadm settle -t 5");
    fs::write(note, args).expect("a file");
    calm();
}

/// Takes all cameras out.
pub(super) fn unplug() {
    drop(fs::remove_file("/tmp/vivid"));
    unload("v4l2loopback");
    unload("vivid");
}

/// As it comes: no text in the picture, nothing dropped, stamps at the end of the frame.
fn calm() {
    for (name, value) in [("Percentage of Dropped Buffers", 0), ("OSD Text Mode", 2), ("Timestamp Source", 0)] {
        set("/dev/video0", name, value);
    }
}

/// Sets a control of a camera by its name.
pub(super) fn set(camera: &str, name: &str, value: i64) {
    let device = Device::with_path(camera).expect("a camera");
    let controls = device.query_controls().expect("its controls");
    let control = controls.iter().find(|it| it.name == name).unwrap_or_else(|| {
        panic!("{camera} has no {name:?} but {:?}", controls.iter().map(|it| &it.name).collect::<Vec<_>>())
    });
    let value = if control.typ == Type::Boolean { Setting::Boolean(value != 0) } else { Setting::Integer(value) };
    // A button answers that it cannot be read; that it was pressed shows elsewhere.
    device.set_control(Control { id: control.id, value }).expect("the control can be set");
}

/// The camera node, started by hand.
pub(super) struct Camera {
    child: Child,
    log: Arc<Mutex<String>>,
    pub(super) ear: Ear,
}

impl Camera {
    /// With these parameters.
    pub(super) fn start(bed: &Bed, params: &Value) -> Camera {
        Camera::start_as(bed, params, 0)
    }

    /// As a user, without any group but its own.
    pub(super) fn start_as(bed: &Bed, params: &Value, user: u32) -> Camera {
        let dir = bed.run_dir("hand");
        fs::create_dir_all(dir.path()).expect("a folder");
        for folder in dir.path().ancestors().take(3) {
            fs::set_permissions(folder, fs::Permissions::from_mode(0o777)).expect("our folder");
        }
        let kind = if params["encoding"] == "rgb8" { RawImage::full_name() } else { CompressedImage::full_name() };
        let topic = "camera/frames".parse().expect("a topic");
        let mut command = bed.command("camera");
        command
            .env("LAUNCH_NODE", "camera")
            .env("LAUNCH_PARAMS", params.to_string())
            .env("LAUNCH_CLOCK_OFFSET_NS", clock::offset_ns().to_string())
            .env("LAUNCH_PUB_FRAMES", format!("camera/frames {kind} {}", wiring::edge(&dir, &topic, "ear", "frames")))
            .stderr(Stdio::piped());
        if user != 0 {
            command.uid(user).gid(user).current_dir("/tmp");
        }
        let mut child = command.spawn().expect("camera starts");
        let log = Arc::new(Mutex::new(String::new()));
        let (stderr, lines) = (child.stderr.take().expect("piped"), log.clone());
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                *lines.lock().expect("no panic") += &format!("{line}\n");
            }
        });
        Camera { child, log, ear: bed.ear("hand", "camera/frames", "ear", "frames") }
    }

    /// Its process id.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it said so far.
    pub(super) fn log(&self) -> String {
        self.log.lock().expect("no panic").clone()
    }

    /// Waits until it said a line with all these words, and gives the line.
    pub(super) fn says(&self, words: &[&str]) -> String {
        let limit = Instant::now() + LIMIT;
        loop {
            let log = self.log();
            if let Some(line) = log.lines().find(|line| words.iter().all(|word| line.contains(word))) {
                return line.to_owned();
            }
            assert!(Instant::now() < limit, "camera never said {words:?} but:\n{log}");
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// The next picture, whatever news comes before it.
    pub(super) fn picture(&mut self) -> RawMessage {
        let limit = Instant::now() + LIMIT;
        while Instant::now() < limit {
            let Some(message) = self.ear.hear_within(Duration::from_secs(1)) else { continue };
            if !message.is_no_data() {
                return message;
            }
        }
        panic!("no picture within {LIMIT:?}; camera said:\n{}", self.log());
    }

    /// A picture that was taken after this call, whatever was heard before.
    pub(super) fn fresh(&mut self) -> RawMessage {
        fresh(&mut self.ear)
    }

    /// The next word that there is no picture.
    pub(super) fn no_data(&mut self) {
        let limit = Instant::now() + LIMIT;
        while !self.ear.hear().is_no_data() {
            assert!(Instant::now() < limit, "pictures keep coming");
        }
    }

    /// So many pictures, one after the other.
    pub(super) fn pictures(&mut self, count: usize) -> Vec<RawMessage> {
        (0..count).map(|_| self.picture()).collect()
    }

    /// Ends it in good order.
    pub(super) fn stop(mut self) {
        signal(self.pid(), Signal::TERM);
        let status = until("camera ends", || self.child.try_wait().expect("ours"));
        assert!(status.success(), "camera ended with {status}:\n{}", self.log());
    }
}

impl Drop for Camera {
    fn drop(&mut self) {
        if thread::panicking() {
            println!("--- camera said:\n{}---", self.log());
        }
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A picture that was taken after this call, whatever was heard before.
pub(super) fn fresh(ear: &mut Ear) -> RawMessage {
    let (now, limit) = (clock::now_ns(), Instant::now() + LIMIT);
    while Instant::now() < limit {
        let message = ear.hear_within(Duration::from_secs(1));
        if let Some(picture) = message.filter(|it| !it.is_no_data() && it.header.stamp_ns > now) {
            return picture;
        }
    }
    panic!("no new picture within {LIMIT:?}");
}

/// Pictures a second, by the stamps of the first and the last and what was lost between.
pub(super) fn rate(pictures: &[RawMessage]) -> f64 {
    let (first, last) = (&pictures[0].header, &pictures[pictures.len() - 1].header);
    (last.seq - first.seq) as f64 / ((last.stamp_ns - first.stamp_ns) as f64 / 1e9)
}

/// Notes how old pictures were when they were sent, in milliseconds.
pub(super) fn note_ages(what: &str, pictures: &[RawMessage]) -> f64 {
    let ages: Vec<f64> = pictures.iter().map(|it| (it.header.sent_ns - it.header.stamp_ns) as f64 / 1e6).collect();
    let (half, most) = (quantile(&ages, 0.5), quantile(&ages, 0.99));
    figure(CAMERA, &format!("{what}, capture to publish, ms p50 / p99"), format!("{half:.1} / {most:.1}"));
    half
}

/// The parameters of a webcam at this size and rate.
pub(super) fn params(encoding: &str, format: Option<&str>, size: [u32; 2], rate: f64) -> Value {
    json!({ "device": 0, "encoding": encoding, "format": format, "size": size, "rate": rate })
}

/// The colours in the middle of vivid's eight bars, halfway down.
pub(super) fn bars(rgb: &[u8], width: usize, height: usize) -> Vec<[u8; 3]> {
    let line = &rgb[height / 2 * width * 3..][..width * 3];
    (0..8).map(|bar| (bar * 2 + 1) * width / 16 * 3).map(|at| [line[at], line[at + 1], line[at + 2]]).collect()
}

/// The pixels of a JPEG.
pub(super) fn decode(jpeg: &[u8]) -> Vec<u8> {
    zune_jpeg::JpegDecoder::new(zune_core::bytestream::ZCursor::new(jpeg)).decode().expect("a JPEG")
}
