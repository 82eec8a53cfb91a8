//! From a camera to a file that other people's programs open, and back: a recording stands in for the camera that it is of.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use offboard::{
    CompressedImage,
    recording::{Reader, Recorded},
};
use offboard_tests::{Bed, EAR, python, root, until};
use serde_json::Value;

/// A camera that shows a pattern, and a recorder.
const RECORDED: &str = r#"
[graph]
name = "robot"

[node.camera]
params = { device = "pattern", size = [160, 120], rate = 30 }

[node.recorder]
params = { file = "drive.mcap" }
subscribe = { frames = { topic = "camera/frames", keep = 100 } }
"#;

/// Records some pictures.
fn recording(bed: &Bed) -> PathBuf {
    let launch = bed.launch(&[bed.file("robot.toml", RECORDED)]);
    let path = bed.files().join("drive.mcap");
    until("forty pictures are recorded", || (path.exists() && pictures(&path).len() >= 40).then_some(()));
    drop(launch); // asks it to stop, and waits
    path
}

fn pictures(path: &Path) -> Vec<Recorded> {
    let Ok(reader) = Reader::open(path) else { return Vec::new() };
    reader.filter(|message| message.topic == "camera/frames" && !message.is_no_data()).collect()
}

fn data(message: &Recorded) -> Vec<u8> {
    message.decode::<CompressedImage>().unwrap().data.to_vec()
}

#[test]
fn a_recording_of_pictures_opens_in_the_programs_of_others() {
    let bed = Bed::new();
    let path = recording(&bed);
    let count = pictures(&path).len();
    let checked = bed.command("recorder").args(["bag", "check", "drive.mcap"]).output().unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
    let python = python().expect("a Python with readers of recordings: tests/setup.sh test");
    let script = root().join("nodes/recorder/tests/readers.py");
    let output = Command::new(python).args([script.as_path(), Path::new("mcap"), &path]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found["counts"]["camera/frames"], count);
    assert_eq!(found["schemas"]["camera/frames"], "foxglove.CompressedImage");
    assert_eq!(found["sizes"], serde_json::json!([[160, 120]]));
    assert_eq!((&found["rerun_check"], &found["rerun_convert"]), (&0.into(), &0.into()), "{}", found["rerun_said"]);
    assert_eq!(found["pictures_in_rerun"], true, "{}", found["rerun_said"]);
}

#[test]
fn a_recording_stands_in_for_the_camera_that_it_is_of() {
    let bed = Bed::new();
    let path = recording(&bed);
    let recorded = pictures(&path);
    fs::rename(&path, bed.files().join("old.mcap")).unwrap();
    let graph = format!(
        "[graph]\nname = \"robot\"\n[node.camera]\nrun = \"player\"\nparams = {{ file = \"old.mcap\" }}\n\
         publish = {{ frames = \"offboard.v1.CompressedImage\" }}\n\
         [node.ear]\n{EAR}\nsubscribe = {{ frames = {{ topic = \"camera/frames\", keep = 1000 }} }}\n"
    );
    // The ear is there first: what is said before anybody listens is said to nobody.
    let mut ear = bed.ear("robot", "camera/frames", "ear", "frames");
    let launch = bed.launch(&[bed.file("robot.toml", &graph)]);
    let heard: Vec<_> = recorded.iter().map(|_| ear.hear()).collect();
    let first = (recorded[0].header.stamp_ns, heard[0].header.stamp_ns);
    for (at, (heard, recorded)) in heard.iter().zip(&recorded).enumerate() {
        assert_eq!(heard.header.seq, at as u64 + 1);
        assert_eq!(heard.header.origin, recorded.header.origin);
        assert_eq!(heard.decode::<CompressedImage>().unwrap().data.to_vec(), data(recorded));
        // The rhythm is the recorded one: stamps are moved, all by the same.
        let was = recorded.header.stamp_ns - first.0;
        let is = heard.header.stamp_ns - first.1;
        assert!(was.abs_diff(is) < 1000, "picture {at} is {is} ns after the first, not {was}");
    }
    until("the player is done and stays down", || (bed.node("robot", "camera")?["state"] == "done").then_some(()));
    drop(launch);
}
