//! What must not be lost, and what is no recording: files that are damaged or being written, pipes and devices. Nothing here may wait.

use std::os::unix::fs::symlink;

use offboard::{DriveMode, PilotState, recording::Reader};

use super::*;

#[test]
fn a_damaged_recording_is_kept_beside_the_mended_one() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("a.mcap");
    let mut olds = Vec::new();
    for name in ["a.mcap.damaged", "a.mcap.damaged-2"] {
        recording(&path);
        let mut bytes = fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle..middle + 64].fill(0xff);
        fs::write(&path, &bytes).unwrap();
        let line = said(dir.path(), &["repair", "a.mcap"]);
        assert!(line.ends_with(&format!("; it is kept as {name}\n")) && line.lines().count() == 1, "{line}");
        said(dir.path(), &["check", "a.mcap"]);
        olds.push((name, bytes));
        fs::rename(&path, dir.path().join("mended.mcap")).unwrap();
    }
    assert!(olds.iter().all(|(name, bytes)| fs::read(dir.path().join(name)).unwrap() == *bytes));
    let line = said(dir.path(), &["repair", "mended.mcap"]);
    assert!(line.starts_with("mended.mcap: it was whole"), "{line}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 3);
}

#[test]
fn a_recording_under_way_is_told_and_not_mended() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("a.mcap");
    recording(&path);
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    let writing = fs::OpenOptions::new().append(true).open(&path).unwrap();
    rustix::fs::flock(&writing, rustix::fs::FlockOperation::NonBlockingLockExclusive).unwrap();
    for args in [&["repair", "a.mcap"][..], &["repair", "a.mcap", "-o", "b.mcap"]] {
        let output = bag(dir.path(), args);
        assert_eq!(output.status.code(), Some(2));
        let line = String::from_utf8(output.stderr).unwrap();
        assert_eq!(line, "error: a.mcap: is being recorded: end the recording first\n");
    }
    assert_eq!(fs::read(&path).unwrap().len(), whole.len() / 2);
    for verb in ["info", "check"] {
        let text = String::from_utf8(bag(dir.path(), &[verb, "a.mcap"]).stdout).unwrap();
        assert!(text.contains("being recorded") && !text.contains("bag repair"), "{text}");
    }
    drop(writing);
    said(dir.path(), &["repair", "a.mcap"]);
    said(dir.path(), &["check", "a.mcap"]);
}

#[test]
fn what_is_imported_is_human_driving_to_be_learned_from() {
    let dir = TempDir::new().unwrap();
    folder(dir.path(), 5);
    said(dir.path(), &["import", "drive", "-o", "a.mcap", "--rate", "20"]);
    let states: Vec<PilotState> = Reader::open(&dir.path().join("a.mcap"))
        .unwrap()
        .filter(|message| message.topic == "pilot/state")
        .map(|message| message.decode::<PilotState>().unwrap().body)
        .collect();
    assert_eq!(states.len(), 5);
    let is_human = |state: &PilotState| matches!(state.mode(), DriveMode::Human | DriveMode::Shadow) && state.deadman;
    assert!(states.iter().all(is_human), "{states:?}");
}

#[test]
fn a_rate_that_makes_no_sense_is_refused() {
    let dir = TempDir::new().unwrap();
    folder(dir.path(), 2);
    for rate in ["0", "1e-300", "1e300", "NaN", "inf"] {
        let output = bag(dir.path(), &["import", "drive", "-o", "a.mcap", "--rate", rate]);
        let line = String::from_utf8(output.stderr).unwrap();
        assert_eq!(line, "error: --rate is how many pictures a second there were: a number from 0.01 to 10000\n");
    }
}

/// A pipe that nobody writes into, and a device without end, in the place of a file: neither is waited for.
#[test]
fn what_is_no_file_is_not_read() {
    let dir = TempDir::new().unwrap();
    let pipe = dir.path().join("pipe.mcap");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    symlink("/dev/zero", dir.path().join("zero.mcap")).unwrap();
    for name in ["pipe.mcap", "zero.mcap"] {
        for args in [&["info", name][..], &["check", name], &["repair", name], &["plot", name, "-o", "out.png"]] {
            one_line(dir.path(), args);
        }
    }
    let (tub, folder) = (tub(dir.path(), 3, &[]), folder(dir.path(), 3));
    for (import, file) in [
        ("tub", tub.join("images/1_cam_image_array_.jpg")),
        ("tub", tub.join("catalog_0.catalog")),
        ("drive", folder.join("frames/0001.jpg")),
    ] {
        for target in [Path::new("/dev/zero"), &pipe] {
            fs::remove_file(&file).unwrap();
            symlink(target, &file).unwrap();
            let output = bag(dir.path(), &["import", import, "-o", "out.mcap", "--rate", "20"]);
            let line = String::from_utf8(output.stderr).unwrap();
            assert!(line.contains("is not a file") && line.lines().count() == 1, "{import}: {line}");
        }
    }
}
