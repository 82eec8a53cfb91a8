//! The player as a process, wired by hand as any starter may: what it says, when, and how it ends.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::{
    io::Read as _,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use offboard::{
    Drive, Header, Mark, MarkKind, Name as _, RawMessage, RawSubscriber, Status,
    recording::{Options, Recorded, Writer},
};
use serde_json::Value;
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(20);
const MS: i64 = 1_000_000;

/// Ends a process that a failed test leaves behind.
struct Player(Child);

impl Drop for Player {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

impl Player {
    fn start(dir: &Path, params: &str) -> Player {
        let child = Command::new(env!("CARGO_BIN_EXE_player"))
            .env_clear()
            .env("LAUNCH_GRAPH", "desk")
            .env("LAUNCH_NODE", "pilot")
            .env("LAUNCH_PUB_DRIVE", format!("pilot/drive offboard.v1.Drive ipc://{}/drive", dir.display()))
            .env("LAUNCH_KEEP_DRIVE", "1000")
            .env("LAUNCH_PARAMS", params)
            .current_dir(dir)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Player(child)
    }

    /// Its exit code and what it said.
    fn end(&mut self) -> (Option<i32>, String) {
        let late = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < late, "it does not end");
            std::thread::sleep(Duration::from_millis(1));
        };
        let mut said = String::new();
        self.0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (status.code(), said)
    }
}

/// Hears messages until none comes for so long.
fn hear(dir: &Path, params: &str) -> (Vec<RawMessage>, Option<i32>, String) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (messages, mut player) = runtime.block_on(async {
        let mut ear = RawSubscriber::connect(&format!("ipc://{}/drive", dir.display()), "pilot/drive");
        let player = Player::start(dir, params);
        let mut messages = Vec::new();
        let mut limit = PATIENCE;
        while let Ok(Ok(Some(message))) = tokio::time::timeout(limit, ear.next()).await {
            messages.push(message);
            limit = Duration::from_secs(1);
        }
        (messages, player)
    });
    let (code, said) = player.end();
    (messages, code, said)
}

fn message(topic: &str, number: u64, at_ns: i64, body: &impl prost::Message, kind: String) -> Recorded {
    let header = Header {
        seq: number,
        incarnation: 7,
        sent_ns: at_ns - 2 * MS,
        stamp_ns: at_ns - 30 * MS,
        origin: "robot:camera/frames".to_owned(),
        r#type: kind,
        status: if number == 5 { Status::NoData } else { Status::Ok } as i32,
    };
    let payload = if number == 5 { Vec::new() } else { body.encode_to_vec() };
    Recorded { topic: topic.to_owned(), header, received_ns: at_ns, payload: payload.into() }
}

/// Twenty commands, 10 ms from one to the next but for a pause of 100 ms in the middle, others' messages between them; number 12 erased.
fn recording(path: &Path) {
    let mut writer = Writer::create(path, Options::default()).unwrap();
    let base = 1_000_000 * MS;
    for number in 1..=20u64 {
        let pause = if number > 10 { 100 * MS } else { 0 };
        let at = base + number as i64 * 10 * MS + pause;
        let drive = Drive { forward: number as f32 / 100.0, ..Drive::default() };
        writer.write(&message("robot:pilot/drive", number, at, &drive, Drive::full_name())).unwrap();
        writer.write(&message("robot:other/drive", number, at, &drive, Drive::full_name())).unwrap();
        if number == 12 {
            let mark = Mark { kind: MarkKind::Erased as i32, from_ns: at, until_ns: at, text: String::new() };
            writer.write(&message("recorder/marks", 1, at, &mark, Mark::full_name())).unwrap();
        }
    }
    writer.finish().unwrap();
}

#[test]
fn messages_come_with_the_recorded_rhythm_and_headers_of_their_own() {
    let dir = TempDir::new().unwrap();
    recording(&dir.path().join("a.mcap"));
    let (heard, code, said) = hear(dir.path(), r#"{"file": "a.mcap"}"#);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(heard.len(), 19, "all but the erased one: {said}");
    let incarnation = heard[0].header.incarnation;
    for (at, message) in heard.iter().enumerate() {
        assert_eq!((message.header.seq, message.header.incarnation), (at as u64 + 1, incarnation));
        assert_eq!(message.header.origin, "robot:camera/frames", "evidence keeps its origin");
        assert_eq!(message.topic, "pilot/drive");
    }
    assert_ne!(incarnation, 7, "it is no longer the publisher that was recorded");
    assert!(heard[4].is_no_data() && heard[4].payload.is_empty());
    assert!((heard[18].decode::<Drive>().unwrap().forward - 0.2).abs() < 1e-6);
    // Stamps are on the schedule exactly, sending is at it or after.
    let stamps: Vec<i64> =
        heard.iter().map(|message| (message.header.stamp_ns - heard[0].header.stamp_ns) / MS).collect();
    assert_eq!(stamps[..11], [0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 200]);
    assert_eq!(stamps[18], 290);
    for message in &heard {
        let late = message.header.sent_ns - message.header.stamp_ns - 30 * MS;
        assert!((0..2_000 * MS).contains(&late), "{late} ns after it was due");
    }
}

#[test]
fn faster_and_from_later_on() {
    let dir = TempDir::new().unwrap();
    recording(&dir.path().join("a.mcap"));
    let (heard, code, said) =
        hear(dir.path(), r#"{"file": "a.mcap", "speed": 10, "from": "95ms", "with_erased": true}"#);
    assert_eq!((heard.len(), code), (10, Some(0)), "{said}");
    let first = &heard[0].header;
    assert_eq!((heard[9].header.stamp_ns - first.stamp_ns), 9 * MS);
}

#[test]
fn a_loop_begins_anew_and_numbers_go_on() {
    let dir = TempDir::new().unwrap();
    recording(&dir.path().join("a.mcap"));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let mut ear = {
        let _inside = runtime.enter();
        RawSubscriber::connect(&format!("ipc://{}/drive", dir.path().display()), "pilot/drive")
    };
    let _player = Player::start(dir.path(), r#"{"file": "a.mcap", "loop": true, "speed": 20}"#);
    for number in 1..=60 {
        let next = runtime.block_on(async { tokio::time::timeout(PATIENCE, ear.next()).await });
        assert_eq!(next.unwrap().unwrap().unwrap().header.seq, number);
    }
}

#[test]
fn what_cannot_be_played_ends_with_78_and_one_clear_line() {
    let dir = TempDir::new().unwrap();
    recording(&dir.path().join("a.mcap"));
    std::fs::write(dir.path().join("letter.mcap"), "this is no recording").unwrap();
    let cases = [
        (r#"{"file": "missing.mcap"}"#, "missing.mcap"),
        (r#"{"file": "letter.mcap"}"#, "letter.mcap is no recording"),
        (r#"{"file": "a.mcap", "speed": 0}"#, "speed is 0: write a number from 0.01 to 100"),
        (r#"{"file": "a.mcap", "node": "nobody"}"#, "a.mcap has nothing of node nobody"),
        (r#"{"file": "a.mcap", "spee": 1}"#, "unknown field `spee`"),
    ];
    for (params, words) in cases {
        let (code, said) = Player::start(dir.path(), params).end();
        assert_eq!(code, Some(78), "{params}: {said}");
        assert!(said.contains(words), "{params}: {said}");
        assert_eq!(said.lines().filter(|line| line.contains("ERROR")).count(), 1, "{params}: {said}");
    }
}

#[test]
fn a_cut_recording_is_played_as_far_as_it_goes() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("a.mcap");
    let mut writer = Writer::create(&path, Options { chunk_bytes: 200, ..Options::default() }).unwrap();
    for number in 6..=60u64 {
        let at = 1_000_000 * MS + number as i64 * MS;
        writer.write(&message("pilot/drive", number, at, &Drive::default(), Drive::full_name())).unwrap();
    }
    writer.finish().unwrap();
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() * 6 / 10]).unwrap();
    let (heard, code, said) = hear(dir.path(), r#"{"file": "a.mcap"}"#);
    assert_eq!(code, Some(0), "{said}");
    assert!((5..55).contains(&heard.len()), "{}: {said}", heard.len());
    assert!(said.contains("stops making sense"), "{said}");
}

#[test]
fn it_says_what_it_could_play() {
    let dir = TempDir::new().unwrap();
    recording(&dir.path().join("a.mcap"));
    let output =
        Command::new(env!("CARGO_BIN_EXE_player")).args(["topics", "a.mcap"]).current_dir(dir.path()).output().unwrap();
    let lines: Vec<Value> =
        String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let drive = lines.iter().find(|line| line["topic"] == "robot:pilot/drive").unwrap();
    assert_eq!((&drive["node"], &drive["output"], &drive["count"]), (&"pilot".into(), &"drive".into(), &20.into()));
    assert_eq!((&drive["peer"], &drive["type"]), (&"robot".into(), &"offboard.v1.Drive".into()));
    assert_eq!(lines.len(), 3);
}
