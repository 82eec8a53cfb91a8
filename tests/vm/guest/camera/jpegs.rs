//! Cameras that deliver JPEGs: v4l2loopback, fed here. They leave as they came, byte for byte, and cheaply.

use std::{
    fs::{File, OpenOptions},
    io::Write,
    path::Path,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use jpeg_encoder::{ColorType, Encoder};
use offboard::{CompressedImage, RawImage};
use offboard_tests::{Bed, scene, until, usage::on_cpu};
use serde_json::{Value, json};
use v4l::{
    Device, Format, FourCC,
    video::{Output, output::Parameters},
};

use super::rig::{CAMERA, Camera, WEBCAM, note_ages, params, rate, unplug, vivid};
use crate::support::{figure, load, run};

const LOOPBACK: &str = "/dev/video9";

/// Writes JPEGs into the camera, one after the other, round and round.
struct Feeder {
    end: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// Plugs a camera in that has no pictures yet.
fn plug_in() {
    unplug();
    load("v4l2loopback", "devices=1 video_nr=9 card_label=jpegs max_buffers=4");
    until("the loopback is there", || Path::new(LOOPBACK).exists().then_some(()));
    run("udevadm settle -t 5");
}

impl Feeder {
    /// At this rate, a second.
    fn start(size: [u32; 2], rate: u32, pictures: Vec<Vec<u8>>) -> Feeder {
        let device = Device::with_path(LOOPBACK).expect("the loopback");
        let mut format = Format::new(size[0], size[1], FourCC::new(b"MJPG"));
        format.size = size[0] * size[1] * 2;
        Output::set_format(&device, &format).expect("it takes any");
        Output::set_params(&device, &Parameters::with_fps(rate)).expect("it takes any");
        let mut file = OpenOptions::new().write(true).open(LOOPBACK).expect("the loopback");
        let (end, written) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (ends, counts) = (end.clone(), written.clone());
        let period = Duration::from_secs(1) / rate;
        let thread = thread::spawn(move || {
            let _held = device; // its format goes with it
            let mut due = Instant::now();
            for picture in pictures.iter().cycle() {
                if ends.load(Ordering::Relaxed) {
                    return;
                }
                write_one(&mut file, picture);
                counts.fetch_add(1, Ordering::Relaxed);
                due += period;
                thread::sleep(due.saturating_duration_since(Instant::now()));
            }
        });
        until("it is fed", || (written.load(Ordering::Relaxed) > 0).then_some(()));
        Feeder { end, thread: Some(thread) }
    }
}

fn write_one(file: &mut File, picture: &[u8]) {
    let wrote = file.write(picture).expect("the loopback takes it");
    assert_eq!(wrote, picture.len(), "a picture goes in whole");
}

impl Drop for Feeder {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
        drop(self.thread.take().map(JoinHandle::join));
    }
}

/// A drive's picture at this size; a better one is larger.
fn jpeg(size: [u32; 2], quality: u8) -> Vec<u8> {
    static SOURCE: LazyLock<Vec<u8>> = LazyLock::new(|| scene::picture(1)); // drawn once: that is slow here
    let [width, height] = size.map(|side| side as usize);
    let mut rgb = Vec::with_capacity(width * height * 3);
    for y in 0..height {
        for x in 0..width {
            let at = (y * scene::HEIGHT / height * scene::WIDTH + x * scene::WIDTH / width) * 3;
            rgb.extend_from_slice(&SOURCE[at..at + 3]);
        }
    }
    let mut out = Vec::new();
    Encoder::new(&mut out, quality).encode(&rgb, width as u16, height as u16, ColorType::Rgb).expect("a JPEG");
    out
}

fn asked(encoding: &str, size: [u32; 2]) -> Value {
    json!({ "device": 9, "encoding": encoding, "size": size, "rate": 30 })
}

#[test]
#[ignore = "runs in the virtual machine"]
fn jpegs_leave_byte_for_byte() {
    let bed = Bed::new();
    let size = [640, 480];
    // Small ones after large ones: the buffer keeps the large one's tail. Five of them in four buffers meet every buffer.
    let pictures = [95, 20, 70, 5, 50].map(|quality| jpeg(size, quality));
    plug_in();
    let _feeder = Feeder::start(size, 30, pictures.to_vec());
    let mut camera = Camera::start(&bed, &asked("jpeg", size));
    let heard = camera.pictures(30);
    let mut seen = [0; 5];
    for message in &heard {
        let image = message.decode::<CompressedImage>().expect("a picture");
        let which = pictures.iter().position(|picture| *picture == image.data);
        seen[which.unwrap_or_else(|| panic!("{} bytes that nobody wrote", image.data.len()))] += 1;
        assert_eq!([image.width, image.height], size);
    }
    assert!(seen.iter().all(|times| *times > 0), "each was seen: {seen:?}");
    assert!(!camera.log().contains("left out"), "{}", camera.log());
    figure(CAMERA, "MJPEG 640x480 passed on, pictures a second", format!("{:.1} of 30", rate(&heard)));
    note_ages("MJPEG 640x480 passed on", &heard);
    camera.stop();
}

#[test]
#[ignore = "runs in the virtual machine"]
fn a_torn_jpeg_is_left_out_though_the_buffer_ends_like_a_whole_one() {
    let bed = Bed::new();
    let size = [640, 480];
    let (large, small) = (jpeg(size, 90), jpeg(size, 60));
    let torn = small[..small.len() / 2].to_vec();
    plug_in();
    let _feeder = Feeder::start(size, 30, vec![large.clone(), torn, small.clone()]);
    let mut camera = Camera::start(&bed, &asked("jpeg", size));
    for message in camera.pictures(18) {
        let image = message.decode::<CompressedImage>().expect("a picture");
        assert!(image.data == large || image.data == small, "half one picture, half another");
    }
    camera.says(&["a picture of camera 9 is left out: its buffer holds no whole JPEG"]);
    camera.stop();
}

#[test]
#[ignore = "runs in the virtual machine"]
fn a_feed_that_ends_is_missed_and_seen_when_it_begins_again() {
    let bed = Bed::new();
    let size = [320, 240];
    let pictures = vec![jpeg(size, 50)];
    plug_in();
    let feeder = Feeder::start(size, 30, pictures.clone());
    let mut camera = Camera::start(&bed, &asked("jpeg", size));
    camera.picture();
    drop(feeder);
    camera.no_data();
    camera.says(&["no picture from camera 9: it stalls, nothing came for "]);
    let _feeder = Feeder::start(size, 30, pictures);
    camera.picture();
    camera.says(&["camera 9 is back"]);
    camera.stop();
}

/// What a picture costs the node on a processor, in milliseconds.
fn cost(camera: &mut Camera, count: usize) -> f64 {
    camera.picture();
    let before = on_cpu(camera.pid());
    let heard = camera.pictures(count);
    let sent = heard[count - 1].header.seq - heard[0].header.seq + 1;
    (on_cpu(camera.pid()) - before).as_secs_f64() * 1e3 / sent as f64
}

#[test]
#[ignore = "runs in the virtual machine"]
fn passing_a_jpeg_on_costs_far_less_than_making_or_reading_one() {
    let bed = Bed::new();
    for (size @ [width, height], made) in [([640, 480], 10.0), ([1280, 720], 5.0)] {
        let note = |what: &str, cost: f64| {
            figure(CAMERA, &format!("{width}x{height} {what}, ms of processor a picture"), format!("{cost:.1}"));
            cost
        };
        plug_in();
        let feeder = Feeder::start(size, 20, vec![jpeg(size, 85)]);
        let mut camera = Camera::start(&bed, &asked("jpeg", size));
        let passed = note("MJPEG passed on", cost(&mut camera, 12));
        camera.stop();
        let mut camera = Camera::start(&bed, &asked("rgb8", size));
        assert!(camera.picture().decode::<RawImage>().is_ok_and(|picture| [picture.width, picture.height] == size));
        let read = note("MJPEG to rgb8", cost(&mut camera, 3));
        camera.stop();
        drop(feeder);
        vivid(WEBCAM);
        let mut camera = Camera::start(&bed, &params("jpeg", Some("YUYV"), size, made));
        let encoded = note("YUYV to JPEG", cost(&mut camera, 3));
        camera.stop();
        assert!(passed * 4.0 < read.min(encoded), "passed on {passed}, read {read}, encoded {encoded} ms");
    }
}
