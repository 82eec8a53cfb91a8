//! When a picture was taken: the driver's word for it, or the honest best.

use std::{thread, time::Duration};

use offboard::clock;
use offboard_tests::{Bed, signal};
use rustix::process::Signal;

use super::rig::{Camera, WEBCAM, note_ages, params, set, vivid};
use crate::support::run;

/// Halts the node for a while, and counts the pictures that are stamped within it although they were read after it: the driver took
/// and stamped them while nobody read.
fn stamped_while_halted(camera: &mut Camera) -> usize {
    camera.picture();
    signal(camera.pid(), Signal::STOP);
    thread::sleep(Duration::from_millis(30));
    let from = clock::now_ns();
    thread::sleep(Duration::from_millis(400));
    let to = clock::now_ns();
    signal(camera.pid(), Signal::CONT);
    let pictures = camera.pictures(8);
    assert!(pictures.iter().any(|it| it.header.stamp_ns > to), "it goes on");
    pictures.iter().filter(|it| (from..to).contains(&it.header.stamp_ns)).count()
}

#[test]
#[ignore = "runs in the virtual machine"]
fn the_drivers_stamps_are_taken_when_they_can_be_true() {
    let bed = Bed::new();
    vivid(WEBCAM);
    set("/dev/video0", "Timestamp Source", 1); // the start of the exposure
    for (way, format) in [("through nokhwa", "YUYV"), ("read directly", "GREY")] {
        let mut camera = Camera::start(&bed, &params("rgb8", Some(format), [320, 180], 25.0));
        let pictures = camera.pictures(20);
        camera.says(&["camera 0: stamps are the driver's"]);
        camera.says(&[way]);
        note_ages(&format!("driver's stamps, {way}"), &pictures);
        assert!(pictures.iter().all(|it| it.header.stamp_ns <= it.header.sent_ns), "none lies in the future");
        let taken = stamped_while_halted(&mut camera);
        assert!(taken > 0, "no picture was stamped while the node was halted\n{}", camera.log());
        camera.stop();
    }
}

#[test]
#[ignore = "runs in the virtual machine"]
fn stamps_from_the_future_are_replaced_and_that_is_said() {
    let bed = Bed::new();
    vivid(WEBCAM); // its stamps say when the exposure will have ended
    let mut camera = Camera::start(&bed, &params("rgb8", Some("YUYV"), [320, 180], 25.0));
    let pictures = camera.pictures(20);
    camera.says(&["camera 0: stamps are when it was read: the driver's are missing or lie in the future"]);
    assert!(pictures.iter().all(|it| it.header.stamp_ns <= it.header.sent_ns), "none lies in the future");
    assert!(pictures.windows(2).all(|pair| pair[0].header.stamp_ns < pair[1].header.stamp_ns), "and they go forward");
    note_ages("stamps when read", &pictures);
    camera.stop();
}

#[test]
#[ignore = "runs in the virtual machine"]
fn a_step_of_the_clock_does_not_reach_the_stamps() {
    let bed = Bed::new();
    vivid(WEBCAM);
    set("/dev/video0", "Timestamp Source", 1);
    let mut camera = Camera::start(&bed, &params("rgb8", Some("YUYV"), [320, 180], 25.0));
    let before = camera.pictures(5);
    let now = clock::monotonic_ns();
    run("date -s @$(( $(date +%s) + 3600 ))");
    let after = camera.pictures(15);
    run("date -s @$(( $(date +%s) - 3600 ))");
    let passed = clock::monotonic_ns() - now;
    let stamps = [before, after].concat();
    let span = stamps[stamps.len() - 1].header.stamp_ns - stamps[4].header.stamp_ns;
    assert!(span < passed + 1_000_000_000, "{span} ns between pictures that are {passed} ns apart");
    assert!(stamps.windows(2).all(|pair| pair[0].header.stamp_ns < pair[1].header.stamp_ns), "they go forward");
    camera.stop();
}
