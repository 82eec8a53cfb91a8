//! The offloading job on one machine: pictures go to the desktop, commands come back, the motor obeys.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::{collections::HashMap, env, fs, path::PathBuf, time::Duration};

use offboard::{CompressedImage, MotorMode, MotorState};
use offboard_tests::{Bed, EAR, Launch, free_port, python, root, signal, until};
use rustix::process::Signal;

fn example(name: &str) -> PathBuf {
    root().join("graph/examples/offload").join(name)
}

/// The demonstration pair, its link on a port of its own, with what the test says besides.
fn demo<'a>(bed: &'a Bed, robot: &str, desktop: &str) -> Launch<'a> {
    let port = free_port();
    let include = |name: &str| format!("include = [{:?}]\n", example(name));
    fs::copy(example("drive.toml"), bed.files().join("drive.toml")).unwrap();
    let robot = format!(
        "{}graph.listen = \"127.0.0.1:{port}\"\n[node.ear]\n{EAR}\nsubscribe = {{ state = {{ topic = \"motor/state\", keep = 1000 }} }}\n{robot}",
        include("demo-robot.toml")
    );
    let desktop = format!(
        "{}peer.robot.address = \"127.0.0.1:{port}\"\n[node.ear]\n{EAR}\nsubscribe = {{ frames = {{ topic = \"robot:camera/frames\", keep = 30 }} }}\n{desktop}",
        include("demo-desktop.toml")
    );
    let launch = bed.launch(&[bed.file("robot.toml", &robot), bed.file("desktop.toml", &desktop)]);
    launch.all_ready(9);
    launch
}

/// A viewer without a window that writes each picture it shows.
const SNAPSHOTS: &str =
    "[node.viewer]\nparams = { snapshot = \"pictures\", snapshot_every = \"0s\", snapshot_keep = 1000 }\n";

/// Hears the motor until it drives forward by `source`'s command.
fn drives(bed: &Bed) -> MotorState {
    let mut motor = bed.ear("robot", "motor/state", "ear", "state");
    until("the motor drives", || {
        let state = motor.hear().decode::<MotorState>().unwrap().body;
        (state.mode() == MotorMode::Driving && state.forward > 0.2).then_some(state)
    })
}

/// Red, green and blue of a JPEG, decoded as any program would.
fn decode_jpeg(jpeg: &[u8]) -> Vec<u8> {
    let mut decoder = zune_jpeg::JpegDecoder::new(zune_core::bytestream::ZCursor::new(jpeg));
    decoder.decode().unwrap()
}

fn decode_png(png: &[u8]) -> Vec<u8> {
    let mut reader = png::Decoder::new(std::io::Cursor::new(png)).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    reader.next_frame(&mut pixels).unwrap();
    pixels
}

/// A folder of JPEGs: photographs of a real drive where there are any, else pictures of our test pattern.
fn photographs(bed: &Bed) -> PathBuf {
    let drive = env::var_os("OFFBOARD_DRIVE").map_or_else(|| root().join("../shared/data/drive"), PathBuf::from);
    let frames = drive.join("frames");
    if frames.is_dir() {
        return frames.canonicalize().unwrap();
    }
    println!("no photographs in {}: using the test pattern", frames.display());
    let folder = bed.files().join("pattern");
    fs::create_dir(&folder).unwrap();
    let launch = demo(bed, "", "");
    let mut camera = bed.ear("desktop", "robot:camera/frames", "ear", "frames");
    for number in 0..30 {
        let image = camera.hear().decode::<CompressedImage>().unwrap();
        fs::write(folder.join(format!("{number:04}.jpg")), &image.data).unwrap();
    }
    drop(launch);
    folder
}

#[test]
fn the_demonstration_drives_its_motor_and_says_how_old_the_picture_was() {
    let bed = Bed::new();
    let _launch = demo(&bed, "", SNAPSHOTS);
    let state = drives(&bed);
    assert_eq!(state.source, "pilot");
    assert!((0..1_000_000_000).contains(&state.picture_age_ns), "{state:?}");
    until("pictures are shown", || fs::read_dir(bed.files().join("pictures")).ok()?.next()?.ok());
}

#[test]
fn real_photographs_arrive_at_the_viewer_exactly_as_the_camera_sent_them() {
    let bed = Bed::new();
    let folder = photographs(&bed);
    let device = format!("[node.camera]\nparams = {{ device = {folder:?}, rate = 20 }}\n");
    let _launch = demo(&bed, &device, SNAPSHOTS);
    drives(&bed);

    let mut camera = bed.ear("desktop", "robot:camera/frames", "ear", "frames");
    let mut sent = HashMap::new();
    let mut names: Vec<PathBuf> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    let files: Vec<Vec<u8>> = names.iter().map(|name| fs::read(name).unwrap()).collect();
    for _ in 0..40 {
        let message = camera.hear();
        let image = message.decode::<CompressedImage>().unwrap();
        assert!(files.iter().any(|file| *file == image.data), "byte for byte a file of the folder");
        sent.insert(message.header.seq, image.body.data);
    }
    assert_eq!(camera.gaps(), 0);

    let mut compared = 0;
    for (seq, jpeg) in &sent {
        let path = bed.files().join(format!("pictures/{seq:08}.png"));
        let Ok(png) = until_written(&path) else { continue }; // a viewer shows the newest, not every one
        assert!(decode_png(&png) == decode_jpeg(jpeg), "picture {seq} at the viewer is what the camera sent");
        compared += 1;
    }
    assert!(compared > 20, "only {compared} pictures were shown");
}

/// Pictures are renamed into place, so one that is there is whole.
fn until_written(path: &PathBuf) -> std::io::Result<Vec<u8>> {
    (0..20)
        .find_map(|_| {
            fs::read(path).ok().or_else(|| {
                std::thread::sleep(Duration::from_millis(10));
                None
            })
        })
        .ok_or_else(|| std::io::ErrorKind::NotFound.into())
}

#[test]
fn a_pilot_in_python_that_knows_nothing_of_us_takes_part() {
    let python = python().expect("a Python with pyzmq and protobuf: tests/setup.sh test");
    let bed = Bed::new();
    let pilot =
        format!("[node.pilot]\nrun = [{python:?}, {:?}]\npublish = {{ drive = \"Drive\" }}\n", example("pilot.py"));
    let _launch = demo(&bed, "", &format!("{pilot}{SNAPSHOTS}"));
    let state = drives(&bed);
    assert!(state.picture_age_ns >= 0, "it passes the stamp on: {state:?}");

    // It is supervised like any other.
    let old = bed.pid("desktop", "pilot");
    signal(old, Signal::KILL);
    until("it is replaced", || Some(bed.pid("desktop", "pilot")).filter(|pid| *pid != old));
    drives(&bed);
}

#[test]
fn each_node_of_the_pair_may_be_killed_and_the_robot_drives_again() {
    let bed = Bed::new();
    let _launch = demo(&bed, "", SNAPSHOTS);
    drives(&bed);
    for (graph, node) in [
        ("robot", "camera"),
        ("robot", "motor"),
        ("robot", "link"),
        ("desktop", "gamepad"),
        ("desktop", "pilot"),
        ("desktop", "viewer"),
        ("desktop", "link"),
    ] {
        let old = bed.pid(graph, node);
        signal(old, Signal::KILL);
        until("it is replaced", || Some(bed.pid(graph, node)).filter(|pid| *pid != old));
        drives(&bed);
        bed.ear("desktop", "robot:camera/frames", "ear", "frames").hear();
    }
}
