//! What `camera --list` shows.

use offboard_tests::Bed;
use serde_json::{Value, json};

use super::rig::{WEBCAM, unplug, vivid};

fn list(bed: &Bed, args: &[&str]) -> (String, String) {
    let output = bed.command("camera").args(args).output().expect("camera runs");
    assert!(output.status.success(), "{output:?}");
    (String::from_utf8(output.stdout).expect("text"), String::from_utf8(output.stderr).expect("text"))
}

#[test]
#[ignore = "runs in the virtual machine"]
fn the_list_shows_names_formats_sizes_and_rates() {
    let bed = Bed::new();
    vivid(WEBCAM);
    let (text, _) = list(&bed, &["--list"]);
    assert!(text.starts_with("0  vivid-000-vid-cap  (/dev/video0)\n"), "{text}");
    for line in [
        "   YUYV     640x480  25 15 12.5 10 ",
        "   NV12     320x180  60 ",
        "   BGR3    1280x720  12.5 ",
        "   RGB3   1920x1080  5 ",
    ] {
        assert!(text.contains(line), "no {line:?} in\n{text}");
    }
    assert!(text.lines().any(|line| line.starts_with("   cannot be used here: ") && line.contains("UYVY")), "{text}");

    let (text, _) = list(&bed, &["--list", "--json"]);
    let cameras: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let [camera] = &cameras[..] else { panic!("one camera in {text}") };
    assert_eq!(
        (&camera["index"], &camera["path"], &camera["name"]),
        (&json!(0), &json!("/dev/video0"), &json!("vivid-000-vid-cap"))
    );
    let formats = camera["formats"].as_array().expect("a list");
    let yuyv = formats.iter().find(|it| it["format"] == "YUYV" && it["width"] == 640).expect("YUYV 640 x 480");
    assert!(yuyv["rates"].as_array().expect("a list").contains(&json!(25)), "{yuyv}");
}

#[test]
#[ignore = "runs in the virtual machine"]
fn without_a_camera_the_list_is_empty_and_says_what_works_instead() {
    let bed = Bed::new();
    unplug();
    assert_eq!(list(&bed, &["--list", "--json"]).0, "");
    assert!(list(&bed, &["--list"]).1.contains("there is no camera here"));
}
