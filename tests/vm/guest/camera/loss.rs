//! Cameras that vanish, stall or stumble, and come back.

use std::{
    fs,
    time::{Duration, Instant},
};

use offboard_tests::{Bed, Ear, LIMIT};

use super::rig::{CAMERA, Camera, WEBCAM, fresh, params, set, vivid};
use crate::support::figure;

/// The camera and somebody who wants its pictures.
const GRAPH: &str = r#"
[graph]
name = "robot"

[node.camera]
publish = { frames = "RawImage" }
params  = { device = 0, size = [320, 180], rate = 25, encoding = "rgb8", format = "YUYV" }

[node.ear]
run       = ["sleep", "3600"]
subscribe = { frames = "camera/frames" }
"#;

fn note(what: &str, first: Duration, second: Duration) {
    figure(CAMERA, &format!("{what}, ms"), format!("{} / {}", first.as_millis(), second.as_millis()));
}

/// How long it takes until word comes that there is no picture.
fn missed(ear: &mut Ear) -> Duration {
    let began = Instant::now();
    while began.elapsed() < LIMIT {
        if ear.hear_within(Duration::from_secs(5)).is_some_and(|message| message.is_no_data()) {
            return began.elapsed();
        }
    }
    panic!("no word that there is no picture within {LIMIT:?}");
}

/// How long it takes until a picture comes that was taken from now on.
fn back(ear: &mut Ear) -> Duration {
    let began = Instant::now();
    fresh(ear);
    began.elapsed()
}

fn driver(act: &str) {
    fs::write(format!("/sys/bus/platform/drivers/vivid/{act}"), "vivid.0").expect("vivid can be unplugged");
}

#[test]
#[ignore = "runs in the virtual machine"]
fn an_unplugged_camera_is_missed_and_comes_back_by_itself() {
    let bed = Bed::new();
    vivid(WEBCAM);
    let file = bed.file("robot.toml", GRAPH);
    let launch = bed.launch(&[&file]);
    let mut ear = bed.ear("robot", "camera/frames", "ear", "frames");
    fresh(&mut ear);
    let pid = bed.pid("robot", "camera");
    driver("unbind");
    let missed = missed(&mut ear);
    launch.says("no picture from camera 0: it was unplugged");
    driver("bind");
    let back = back(&mut ear);
    launch.says("camera 0 is back");
    assert_eq!(bed.pid("robot", "camera"), pid, "the same process\n{}", launch.log());
    note("unplugged to no data, plugged in to a picture, through nokhwa", missed, back);
}

#[test]
#[ignore = "runs in the virtual machine"]
fn an_unplugged_camera_that_is_read_directly_comes_back_too() {
    let bed = Bed::new();
    vivid(WEBCAM);
    let mut camera = Camera::start(&bed, &params("rgb8", Some("GREY"), [320, 180], 25.0));
    camera.picture();
    driver("unbind");
    let missed = missed(&mut camera.ear);
    camera.says(&["no picture from camera 0: it was unplugged"]);
    driver("bind");
    let back = back(&mut camera.ear);
    camera.says(&["camera 0 is back"]);
    note("unplugged to no data, plugged in to a picture, read directly", missed, back);
    camera.stop();
}

#[test]
#[ignore = "runs in the virtual machine"]
fn a_camera_that_hangs_in_nokhwa_is_begun_afresh_and_nobody_else_notices() {
    let bed = Bed::new();
    vivid(WEBCAM);
    let file = bed.file("robot.toml", GRAPH);
    let launch = bed.launch(&[&file]);
    let mut ear = bed.ear("robot", "camera/frames", "ear", "frames");
    fresh(&mut ear);
    let before = ["camera", "ear"].map(|node| bed.pid("robot", node));
    let began = Instant::now();
    set("/dev/video0", "Percentage of Dropped Buffers", 100);
    launch.says("no picture from camera 0 for 2s: it hangs");
    let noticed = began.elapsed();
    set("/dev/video0", "Percentage of Dropped Buffers", 0);
    let back = back(&mut ear);
    let after = ["camera", "ear"].map(|node| bed.pid("robot", node));
    assert_eq!((before[0] != after[0], before[1]), (true, after[1]), "{}", launch.log());
    note("stall to noticed, going on to a picture, through nokhwa", noticed, back);
}

#[test]
#[ignore = "runs in the virtual machine"]
fn a_camera_that_stalls_when_read_directly_is_opened_anew_by_the_same_node() {
    let bed = Bed::new();
    vivid(WEBCAM);
    let mut camera = Camera::start(&bed, &params("rgb8", Some("GREY"), [320, 180], 25.0));
    camera.picture();
    let began = Instant::now();
    set("/dev/video0", "Percentage of Dropped Buffers", 100);
    camera.says(&["no picture from camera 0: it stalls, nothing came for 1.6s; it is opened anew"]);
    let noticed = began.elapsed();
    set("/dev/video0", "Percentage of Dropped Buffers", 0);
    let back = back(&mut camera.ear);
    camera.says(&["camera 0 is back"]);
    note("stall to noticed, going on to a picture, read directly", noticed, back);
    camera.stop();
}

#[test]
#[ignore = "runs in the virtual machine"]
fn a_picture_that_the_driver_marks_as_broken_is_left_out_and_a_fatal_error_ends_in_a_new_start() {
    let bed = Bed::new();
    vivid(WEBCAM);
    let mut camera = Camera::start(&bed, &params("rgb8", Some("GREY"), [320, 180], 25.0));
    camera.picture();
    set("/dev/video0", "Inject V4L2_BUF_FLAG_ERROR", 1);
    camera.says(&["a picture of camera 0 is left out: its driver marks it as broken (1 so far)"]);
    camera.fresh();
    set("/dev/video0", "Inject Fatal Streaming Error", 1);
    camera.says(&["no picture from camera 0: Input/output error (os error 5)"]);
    camera.fresh();
    camera.says(&["camera 0 is back"]);
    camera.stop();
}
