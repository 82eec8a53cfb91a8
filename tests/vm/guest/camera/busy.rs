//! What the camera says when it cannot do as asked: in one line, with what there is.

use offboard_tests::Bed;
use serde_json::json;

use super::rig::{Camera, WEBCAM, params, vivid};
use crate::support::run;

#[test]
#[ignore = "runs in the virtual machine"]
fn a_missing_camera_is_named_once_with_those_that_are_there() {
    let bed = Bed::new();
    vivid(WEBCAM);
    for (device, name) in [(json!(7), "/dev/video7"), (json!("/dev/v4l/by-id/usb-none"), "/dev/v4l/by-id/usb-none")] {
        let mut camera = Camera::start(&bed, &json!({ "device": device }));
        camera.no_data();
        let why = format!("{name}: No such file or directory (os error 2); here are 0 (vivid-000-vid-cap)");
        camera.says(&["no picture from camera ", &why]);
        camera.no_data(); // it was looked for again
        assert_eq!(camera.log().matches("no picture from").count(), 1, "{}", camera.log());
        camera.stop();
    }
    let camera = Camera::start(&bed, &json!({ "device": "/dev/null" }));
    camera.says(&["no picture from camera /dev/null: /dev/null is no camera: a camera is a /dev/video…"]);
    camera.stop();
}

#[test]
#[ignore = "runs in the virtual machine"]
fn a_camera_is_found_by_the_name_of_its_place() {
    let bed = Bed::new();
    vivid(WEBCAM);
    let link = run("ls /dev/v4l/by-path/* | head -n 1");
    let mut camera = Camera::start(&bed, &json!({ "device": link.trim(), "size": [320, 180] }));
    camera.picture();
    camera.stop();
}

#[test]
#[ignore = "runs in the virtual machine"]
fn a_busy_camera_names_who_uses_it_and_is_taken_when_it_is_free() {
    let bed = Bed::new();
    let other = Bed::new();
    vivid(WEBCAM);
    let mut first = Camera::start(&bed, &params("rgb8", Some("YUYV"), [320, 180], 30.0));
    first.picture();
    for (format, size) in [("YUYV", [320, 180]), ("YUYV", [640, 360]), ("GREY", [320, 180])] {
        let mut second = Camera::start(&other, &params("rgb8", Some(format), size, 30.0));
        let by = format!("no picture from camera 0: it is busy: camera (process {}) uses it", first.pid());
        second.says(&[&by]);
        first.fresh(); // it is not disturbed
        if format == "GREY" {
            first.stop();
            second.picture();
            second.says(&["camera 0 is back"]);
            return;
        }
        second.stop();
    }
}

#[test]
#[ignore = "runs in the virtual machine"]
fn who_may_not_use_the_camera_is_told_which_group_may() {
    let bed = Bed::new();
    vivid(WEBCAM);
    let mut camera = Camera::start_as(&bed, &params("rgb8", None, [320, 180], 30.0), 1000);
    let mend = "permission denied: join its group video (sudo usermod -aG video $USER) and log in again";
    camera.says(&["no picture from camera 0: ", mend]);
    camera.no_data();
    run("chmod o+rw /dev/video0");
    camera.picture();
    camera.stop();
    run("chmod o-rw /dev/video0");
}

#[test]
#[ignore = "runs in the virtual machine"]
fn a_size_rate_or_format_that_cannot_be_had_is_said_with_what_can() {
    let bed = Bed::new();
    vivid(WEBCAM);
    let offered = "it offers 320x180 up to 60 Hz, 640x360 up to 40 Hz, 640x480 up to 25 Hz, 1280x720 up to 12.5 Hz, \
                   1920x1080 up to 5 Hz, 3840x2160 up to 2 Hz as NV12, YUYV, RGB3, BGR3, GREY";
    let cases = [
        (params("rgb8", Some("YUYV"), [800, 600], 30.0), "no 800 x 600 at 30 Hz, but YUYV 640 x 480 at 25 Hz; "),
        (params("rgb8", Some("YUYV"), [320, 180], 200.0), "no 320 x 180 at 200 Hz, but YUYV 320 x 180 at 60 Hz; "),
    ];
    for (params, but) in cases {
        let mut camera = Camera::start(&bed, &params);
        camera.picture();
        camera.says(&["WARN", "camera 0 has ", but, offered]);
        camera.stop();
    }
    let camera = Camera::start(&bed, &params("jpeg", Some("MJPEG"), [640, 480], 30.0));
    camera.says(&["WARN", "no picture from camera 0: it has no MJPEG; ", offered]);
    camera.stop();
}
