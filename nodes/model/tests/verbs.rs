//! The verbs of the program `model`, run as people run them: recordings in, weights, tables and films out.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use offboard::{
    Drive, DriveMode, Header, Name, PilotState, RawImage,
    recording::{Options, Recorded, Writer},
};
use prost::Message;

const MS: i64 = 1_000_000;

/// A drive that is recorded: a bright line in each picture stands where the wheel will be `ahead_ms` later.
struct Course {
    seconds: i64,
    ahead_ms: i64,
    phase: f64,
    mode: DriveMode,
}

const COURSE: Course = Course { seconds: 30, ahead_ms: 0, phase: 0.0, mode: DriveMode::Human };

impl Course {
    fn turn(&self, at_ms: i64) -> f32 {
        let t = at_ms as f64 / 1000.0 + self.phase;
        (0.6 * (t * 3.1).sin() + 0.3 * (t * 1.3).cos()) as f32
    }

    fn picture(&self, at_ms: i64) -> RawImage {
        let (width, height) = (64, 48);
        let line = (self.turn(at_ms + self.ahead_ms) + 1.0) / 2.0 * (width - 1) as f32;
        let mut noise = fastrand::Rng::with_seed(at_ms as u64);
        let pixels = (0..width * height).map(|i| {
            let near = 1.0 - ((i % width) as f32 - line).abs() / 4.0;
            (60.0 + 160.0 * near.max(0.0)) as u8 + noise.u8(0..12)
        });
        RawImage {
            width,
            height,
            step: width,
            encoding: "mono8".into(),
            data: pixels.collect::<Vec<u8>>().into(),
            ..RawImage::default()
        }
    }

    /// Pictures at 30 Hz, commands at 50 Hz, and who drove.
    fn record(&self, path: &Path) {
        let mut writer = Writer::create(path, Options::default()).unwrap();
        let begin_ms = 1_000_000;
        for at_ms in (0..self.seconds * 1000).map(|ms| begin_ms + ms) {
            if at_ms % 33 == 0 {
                put(&mut writer, "robot:camera/frames", at_ms, 0, &self.picture(at_ms));
            }
            if at_ms % 20 == 0 {
                let drive = Drive { turn: self.turn(at_ms), forward: 0.4, source: "human".into(), ..Drive::default() };
                put(&mut writer, "pilot/drive", at_ms, 0, &drive);
                let state = PilotState { mode: self.mode as i32, deadman: true, ..PilotState::default() };
                put(&mut writer, "pilot/state", at_ms, 0, &state);
            }
        }
        writer.finish().unwrap();
    }
}

fn put<M: Message + Name>(writer: &mut Writer<fs::File>, topic: &str, at_ms: i64, late_ms: i64, body: &M) {
    let at_ns = at_ms * MS;
    let header = Header {
        seq: at_ms as u64,
        incarnation: 1,
        sent_ns: at_ns,
        stamp_ns: at_ns,
        origin: topic.into(),
        r#type: M::full_name(),
        status: 0,
    };
    let payload = body.encode_to_vec().into();
    writer.write(&Recorded { topic: topic.into(), header, received_ns: at_ns + late_ms * MS, payload }).unwrap();
}

fn model(folder: &Path, words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_model")).args(words).current_dir(folder).output().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn folder() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_owned();
    (dir, path)
}

/// The number in a line of a table: the row's name, then the column.
fn cell(text: &str, row: &str, column: usize) -> f64 {
    let line = text.lines().find(|line| line.starts_with(row)).unwrap_or_else(|| panic!("no {row} in\n{text}"));
    line.split_whitespace().nth(column).unwrap().parse().unwrap()
}

#[test]
fn a_drive_becomes_weights_that_steer_as_the_human_did_on_a_drive_never_seen() {
    let (_dir, folder) = folder();
    COURSE.record(&folder.join("one.mcap"));
    Course { phase: 40.0, ..COURSE }.record(&folder.join("two.mcap"));
    Course { phase: 90.0, seconds: 10, ..COURSE }.record(&folder.join("new.mcap"));

    let trained = model(&folder, &["train", "one.mcap", "two.mcap", "--epochs", "6", "--crop", "0"]);
    assert!(trained.status.success(), "{}", err(&trained));
    let text = out(&trained);
    assert!(cell(&text, "turn", 1) < cell(&text, "turn", 2) / 3.0, "{text}");
    assert!(text.contains("drive.safetensors (epoch"), "{text}");

    let judged = model(&folder, &["eval", "drive.safetensors", "new.mcap", "-o", "film", "--pictures", "20"]);
    assert!(judged.status.success(), "{}", err(&judged));
    let text = out(&judged);
    assert!(cell(&text, "turn", 1) < cell(&text, "turn", 5) / 3.0, "MAE under that of the mean: {text}");
    assert_eq!(fs::read_dir(folder.join("film/film")).unwrap().count(), 20);
    let page = fs::read_to_string(folder.join("film/film.html")).unwrap();
    assert_eq!(page.matches("\"/9j/").count(), 20, "twenty JPEGs");
    let values = fs::read_to_string(folder.join("film/commands.csv")).unwrap();
    assert!(values.lines().count() > 250, "{}", values.lines().count());

    let again = model(&folder, &["eval", "drive.safetensors", "new.mcap", "-o", "film"]);
    assert!(!again.status.success());
    assert_eq!(err(&again), "film is there already; remove it, or name another\n");
}

#[test]
fn the_lead_picks_the_command_that_belongs_to_the_picture() {
    let (_dir, folder) = folder();
    Course { ahead_ms: 200, ..COURSE }.record(&folder.join("late.mcap"));
    let error = |lead: &str| {
        let words = ["train", "late.mcap", "--epochs", "5", "--lead", lead, "--crop", "0", "-o", "x.safetensors"];
        let trained = model(&folder, &words);
        assert!(trained.status.success(), "{}", err(&trained));
        cell(&out(&trained), "turn", 1)
    };
    let (with, without) = (error("200ms"), error("0ms"));
    assert!(with < without / 2.0, "mean absolute error {with} with lead, {without} without");
}

#[test]
fn a_stop_by_hand_keeps_the_best_so_far() {
    let (_dir, folder) = folder();
    COURSE.record(&folder.join("drive.mcap"));
    let mut learning = Command::new(env!("CARGO_BIN_EXE_model"))
        .args(["train", "drive.mcap", "--epochs", "10000", "--patience", "10000"])
        .current_dir(&folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(learning.stderr.take().unwrap()).lines().map_while(Result::ok);
    assert!(said.any(|line| line.starts_with("epoch   1/10000: ")), "the first epoch is told");
    let pid = rustix::process::Pid::from_child(&learning);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let rest: Vec<String> = said.collect();
    let ended = learning.wait_with_output().unwrap();
    assert!(ended.status.success() && out(&ended).contains("stopped by hand"), "{rest:?} {}", out(&ended));
    assert!(folder.join("drive.safetensors").exists());
}

#[test]
fn what_a_model_drove_is_nothing_to_learn_from() {
    let (_dir, folder) = folder();
    Course { mode: DriveMode::Model, ..COURSE }.record(&folder.join("model.mcap"));
    let trained = model(&folder, &["train", "model.mcap"]);
    assert_eq!(trained.status.code(), Some(1));
    let said = err(&trained);
    assert!(said.contains("not driven by a human") && said.contains("it takes 100 samples at least"), "{said}");
    assert!(!folder.join("drive.safetensors").exists(), "nothing half-written");
}

#[test]
fn a_recording_that_is_damaged_counts_up_to_the_damage_and_one_that_is_none_is_said_in_a_line() {
    let (_dir, folder) = folder();
    COURSE.record(&folder.join("good.mcap"));
    let whole = fs::read(folder.join("good.mcap")).unwrap();
    fs::write(folder.join("cut.mcap"), &whole[..whole.len() / 2]).unwrap();
    fs::write(folder.join("not.mcap"), b"this is no recording").unwrap();
    fs::write(folder.join("empty.mcap"), b"").unwrap();

    let words = ["train", "cut.mcap", "not.mcap", "--epochs", "1"];
    let ended = model(&folder, &words);
    assert_eq!(ended.status.code(), Some(1));
    let said = err(&ended);
    assert!(said.contains("not.mcap") && said.contains("--keep-going leaves such files out"), "{said}");
    assert!(!folder.join("drive.safetensors").exists(), "nothing half-written");

    let went_on = model(
        &folder,
        &["train", "cut.mcap", "not.mcap", "empty.mcap", "missing.mcap", "--epochs", "1", "--keep-going"],
    );
    assert!(went_on.status.success(), "{}", err(&went_on));
    let said = err(&went_on);
    assert!(said.contains("cut.mcap: read up to the damage"), "{said}");
    assert_eq!(said.matches("left out: ").count(), 3, "{said}");
    assert!(folder.join("drive.safetensors").exists());
}

#[test]
fn weights_that_are_none_are_said_in_a_line_and_nothing_is_left_behind() {
    let (_dir, folder) = folder();
    Course { seconds: 5, ..COURSE }.record(&folder.join("new.mcap"));
    fs::write(folder.join("bad.safetensors"), [0xff; 64]).unwrap();
    let judged = model(&folder, &["eval", "bad.safetensors", "new.mcap", "-o", "film"]);
    assert_eq!(judged.status.code(), Some(1));
    assert!(err(&judged).starts_with("bad.safetensors") && err(&judged).lines().count() == 1, "{}", err(&judged));
    let left: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
}

#[test]
fn without_a_verb_it_is_a_node_and_says_so() {
    let (_dir, folder) = folder();
    let help = model(&folder, &["--help"]);
    assert!(out(&help).contains("[node.model]") && out(&help).contains("weights"), "{}", out(&help));
    let verb = model(&folder, &["train", "--help"]);
    assert!(out(&verb).contains("--lead") && out(&verb).contains("Ctrl-C ends learning"), "{}", out(&verb));
    assert_eq!(model(&folder, &["train"]).status.code(), Some(2));
}
