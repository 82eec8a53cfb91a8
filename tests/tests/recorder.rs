//! The recorder through kills, a full disk and a slow one: what it says it wrote is there, what is not there it says.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use offboard::{
    Array, CompressedImage, EdgeCounts, Gamepad, Mark, MarkKind, Name, Node, NodeStatus, RawSubscriber, RecordAction,
    RecordCommand, RecorderState, clock,
    recording::{Reader, Recorded, marks},
};
use offboard_tests::{
    Bed, LIMIT, bin_dir, python,
    tape::{Program, Recorder, Sent, Speakers, address, output, topics, wiring},
    until,
};
use rustix::process::Signal;
use serde_json::{Value, json};

const USUAL: Program = &[("emg/raw", 256, 500), ("arm/pose", 64, 200), ("camera/frames", 20_000, 30)];
const HEAVY: Program = &[("emg/raw", 256, 200), ("camera/frames", 300_000, 60)];

/// Listens from outside, in a thread: the newest message, and how many were missing.
struct Listener<M> {
    newest: Arc<Mutex<Option<M>>>,
    gaps: Arc<Mutex<(u64, u64)>>,
    _runtime: tokio::runtime::Runtime,
}

impl<M: Name + prost::Message + Default + Clone + Send + 'static> Listener<M> {
    fn start(endpoint: &str, topic: &str) -> Listener<M> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let mut from = {
            let _inside = runtime.enter();
            RawSubscriber::connect(endpoint, topic)
        };
        let (newest, gaps) = (Arc::new(Mutex::new(None)), Arc::new(Mutex::new((0, 0))));
        let (told, missing) = (newest.clone(), gaps.clone());
        runtime.spawn(async move {
            let mut heard = 0;
            while let Ok(Some(message)) = from.next().await {
                heard += 1;
                *missing.lock().unwrap() = (heard, from.gaps());
                *told.lock().unwrap() = message.decode::<M>().ok().map(|message| message.body);
            }
        });
        Listener { newest, gaps, _runtime: runtime }
    }

    fn newest(&self) -> Option<M> {
        self.newest.lock().unwrap().clone()
    }

    /// Messages heard, and missing.
    fn counted(&self) -> (u64, u64) {
        *self.gaps.lock().unwrap()
    }
}

fn state(bed: &Bed) -> Listener<RecorderState> {
    Listener::start(&address(bed, "recorder/state", "test"), "recorder/state")
}

fn recordings(dir: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "mcap"));
    paths.sort();
    paths
}

fn read(path: &Path) -> Vec<Recorded> {
    Reader::open(path).unwrap().collect()
}

/// The numbers of a topic's messages in a recording, in its order.
fn numbers(messages: &[Recorded], topic: &str) -> Vec<u64> {
    messages.iter().filter(|message| message.topic == topic).map(|message| message.header.seq).collect()
}

/// How long the threads of this test and of a recorder were ready to run and had to wait for a core: what this machine cannot give them
/// is nobody's fault.
struct Waits {
    /// When, nanoseconds, and for how long so far.
    samples: Arc<Mutex<Vec<(i64, u64)>>>,
    recorder: Arc<AtomicU32>,
    over: Arc<AtomicBool>,
}

impl Waits {
    fn watch() -> Waits {
        let waits = Waits { samples: Arc::default(), recorder: Arc::default(), over: Arc::default() };
        let (samples, recorder, over) = (waits.samples.clone(), waits.recorder.clone(), waits.over.clone());
        thread::spawn(move || {
            while !over.load(Relaxed) {
                let waited = waited_ns(std::process::id()) + waited_ns(recorder.load(Relaxed));
                samples.lock().unwrap().push((clock::now_ns(), waited));
                thread::sleep(Duration::from_millis(10));
            }
        });
        waits
    }

    /// All the waiting in the half second before a moment.
    fn before(&self, now_ns: i64) -> Duration {
        let samples = self.samples.lock().unwrap();
        let recent: Vec<u64> = samples
            .iter()
            .rev()
            .take_while(|(at_ns, _)| now_ns - at_ns < 500_000_000)
            .map(|(_, waited)| *waited)
            .collect();
        let span = recent.first().zip(recent.last()).map_or(0, |(last, first)| last.saturating_sub(*first));
        Duration::from_nanos(span)
    }
}

/// Nanoseconds that a process' threads waited for a core.
fn waited_ns(pid: u32) -> u64 {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let waited = threads.filter_map(|thread| {
        let words = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        words.split_whitespace().nth(1)?.parse::<u64>().ok()
    });
    waited.sum()
}

impl Drop for Waits {
    fn drop(&mut self) {
        self.over.store(true, Relaxed);
    }
}

/// Reads recordings with the stock Python library: each file's messages by topic, streamed and by the index (none: it refuses).
const STOCK: &str = r#"
import json, sys
from mcap.stream_reader import StreamReader
from mcap.records import Channel, Message
from mcap.reader import make_reader

for path in sys.stdin.read().split():
    topics, streamed, ended = {}, {}, "whole"
    try:
        for record in StreamReader(open(path, "rb")).records:
            if isinstance(record, Channel):
                topics[record.id] = record.topic
            if isinstance(record, Message):
                streamed[topics[record.channel_id]] = streamed.get(topics[record.channel_id], 0) + 1
    except Exception as problem:
        ended = type(problem).__name__
    indexed = None
    try:
        reader = make_reader(open(path, "rb"))
        if reader.get_summary() is not None:
            indexed = {}
            for _, channel, _ in reader.iter_messages():
                indexed[channel.topic] = indexed.get(channel.topic, 0) + 1
    except Exception:
        pass
    print(json.dumps({"path": path, "streamed": streamed, "ended": ended, "indexed": indexed}))
"#;

fn stock(paths: &[PathBuf]) -> Option<Vec<Value>> {
    use std::io::Write as _;
    let python = python()?;
    let mut child =
        Command::new(python).args(["-c", STOCK]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let list: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    child.stdin.take().unwrap().write_all(list.join("\n").as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "python needs the package mcap: tests/setup.sh test");
    let lines = String::from_utf8(output.stdout).unwrap();
    Some(lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

fn count(messages: &[Recorded]) -> Value {
    let mut counts = BTreeMap::<&str, u64>::new();
    for message in messages {
        *counts.entry(&message.topic).or_default() += 1;
    }
    json!(counts)
}

#[test]
fn killed_at_any_moment_it_loses_at_most_what_was_under_way_and_mends_the_file_when_it_is_back() {
    let bed = Bed::new();
    let (dir, killed) = (bed.files().join("runs"), bed.files().join("killed"));
    fs::create_dir(&killed).unwrap();
    let kills = if std::env::var_os("OFFBOARD_QUICK").is_some() { 10 } else { 100 };
    let seed =
        std::env::var("OFFBOARD_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| fastrand::u64(..));
    println!("OFFBOARD_SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let (speakers, waits) = (Speakers::start(&bed, USUAL), Waits::watch());
    let params = json!({ "dir": dir, "name": "run" });
    let (mut copies, mut worst, mut behind, mut within) = (Vec::new(), Duration::ZERO, Vec::new(), 0);
    for kill in 0..kills {
        let mut recorder = Recorder::start(&bed, &topics(USUAL), &params);
        waits.recorder.store(recorder.pid(), Relaxed);
        let path = until("it writes", || {
            let path = recordings(&dir_or_none(&dir)?).pop().filter(|path| !is_old(path))?;
            (fs::metadata(&path).ok()?.len() > 40_000 && numbers(&read(&path), "camera/frames").len() > 1)
                .then_some(path)
        });
        thread::sleep(Duration::from_micros(random.u64(..300_000)));
        let now_ns = clock::now_ns();
        recorder.kill();
        let copy = killed.join(format!("{kill:03}.mcap"));
        fs::copy(&path, &copy).unwrap();
        let missing = missing(&read(&copy), &speakers.sent, now_ns);
        let wait = waits.before(now_ns);
        assert!(
            missing <= Duration::from_millis(100) + wait,
            "kill {kill}: {missing:?} missing, {wait:?} without a core"
        );
        worst = worst.max(missing);
        within += usize::from(missing <= Duration::from_millis(100));
        behind.push(missing);
        copies.push(copy);
        // Out of the way, under a name that is a recording of its still: names hold a second.
        fs::rename(&path, dir.join(format!("run-0-{kill}.mcap"))).unwrap();
    }
    drop(speakers.end());
    behind.sort();
    println!(
        "{kills} kills: data missing p50 {:?}, worst {worst:?}, within 100 ms in {within}",
        behind[behind.len() / 2]
    );
    let mut last = Recorder::start(&bed, &[], &params);
    let mended: Vec<PathBuf> = (0..kills).map(|kill| dir.join(format!("run-0-{kill}.mcap"))).collect();
    until("all are mended", || mended.iter().all(|path| is_finished(path)).then_some(()));
    last.end();
    for (copy, mended) in copies.iter().zip(&mended) {
        assert_eq!(read(copy), read(mended), "mending keeps every message");
    }
    let all = [copies.clone(), mended.clone()].concat();
    let Some(seen) = stock(&all) else {
        println!("NOT CHECKED with the stock reader: there is no target/venv, see tests/setup.sh");
        return;
    };
    for (path, stock) in all.iter().zip(&seen) {
        assert_eq!(stock["streamed"], count(&read(path)), "{stock}");
    }
    for stock in &seen[copies.len()..] {
        assert_eq!((&stock["indexed"], &stock["ended"]), (&stock["streamed"], &json!("whole")), "{stock}");
    }
}

fn is_old(path: &Path) -> bool {
    path.file_name().unwrap().to_string_lossy().starts_with("run-0-")
}

fn dir_or_none(dir: &Path) -> Option<PathBuf> {
    dir.exists().then(|| dir.to_owned())
}

fn is_finished(path: &Path) -> bool {
    let bytes = fs::read(path).unwrap_or_default();
    bytes.len() > 8 && bytes.ends_with(b"\x89MCAP0\r\n")
}

/// How much time before a kill is missing at the end, and that nothing is missing before.
fn missing(messages: &[Recorded], sent: &Sent, now_ns: i64) -> Duration {
    let sent = sent.lock().unwrap();
    let behind = |(topic, times): (&&str, &Vec<i64>)| {
        let numbers = numbers(messages, topic);
        assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{topic}: a gap in {numbers:?}");
        let last = usize::try_from(*numbers.last().unwrap()).unwrap();
        times.get(last).map_or(0, |oldest_ns| now_ns.saturating_sub(*oldest_ns).max(0))
    };
    Duration::from_nanos(sent.iter().map(behind).max().unwrap().unsigned_abs())
}

/// The recorder's own ledger of the last file, by topic.
fn ledger(messages: &[Recorded]) -> BTreeMap<String, EdgeCounts> {
    let last = messages.iter().rfind(|message| message.topic == "recorder/ledger").unwrap();
    let status = last.decode::<NodeStatus>().unwrap().body;
    status.edges.into_iter().filter(|edge| !edge.publishes).map(|edge| (edge.topic.clone(), edge)).collect()
}

/// That what is missing in the files by its numbers is what the last ledger says was lost.
fn nothing_silently_lost(dir: &Path, program: Program) -> u64 {
    let files: Vec<Vec<Recorded>> = recordings(dir).iter().map(|path| read(path)).collect();
    let ledger = ledger(files.iter().rfind(|file| !file.is_empty()).unwrap());
    let mut all = 0;
    for topic in topics(program) {
        let there = files.iter().map(|file| numbers(file, topic).len() as u64).sum::<u64>();
        let counts = &ledger[topic];
        assert_eq!(there + counts.dropped, counts.messages, "{topic}: {there} in the files, {counts:?}");
        assert_eq!(counts.gaps, 0, "{topic}");
        all += counts.dropped;
    }
    all
}

#[test]
fn a_full_disk_stops_the_recording_alone_and_what_is_lost_is_counted() {
    let bed = Bed::new();
    let disk = bed.files().join("disk");
    fs::create_dir(&disk).unwrap();
    let mount =
        |args: &[&str]| Command::new("mount").args(args).arg(&disk).status().is_ok_and(|status| status.success());
    if !mount(&["-t", "tmpfs", "-o", "size=24m", "tmpfs"]) {
        println!("NOT TESTED: a full disk needs mount, which this user may not");
        return;
    }
    let _unmount = Unmount(disk.clone());
    fs::write(disk.join("ballast"), vec![0; 16 << 20]).unwrap();
    let speakers = Speakers::start(&bed, HEAVY);
    let neighbour = Listener::<Array>::start(&address(&bed, "emg/raw", "neighbour"), "emg/raw");
    let params = json!({ "dir": disk.join("runs"), "low_water_mib": 0 });
    let mut recorder = Recorder::start(&bed, &topics(HEAVY), &params);
    let state = state(&bed);
    let full = until("the disk is full and messages are lost", || {
        state.newest().filter(|state| !state.recording && state.lost > 20)
    });
    assert!(full.reason.contains("full"), "{full:?}");
    assert!(recorder.lives());
    fs::remove_file(disk.join("ballast")).unwrap();
    let again = until("it goes on when there is room", || state.newest().filter(|state| state.recording));
    assert_ne!(again.file, full.file, "in a new file");
    until("it writes", || state.newest().filter(|state| state.bytes > 1_000_000));
    recorder.end();
    drop(speakers.end());
    let lost = nothing_silently_lost(&disk.join("runs"), HEAVY);
    assert!(lost >= full.lost);
    let (heard, missing) = neighbour.counted();
    assert!(heard > 100 && missing == 0, "the neighbour heard {heard} and missed {missing}");
    println!("{lost} messages lost to the full disk, all counted");
}

struct Unmount(PathBuf);

impl Drop for Unmount {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(&self.0).status());
    }
}

#[test]
fn low_water_stops_the_recording_cleanly() {
    let bed = Bed::new();
    let speakers = Speakers::start(&bed, USUAL);
    let state = state(&bed);
    let params = json!({ "dir": bed.files().join("runs"), "low_water_mib": 1u64 << 40 });
    let mut recorder = Recorder::start(&bed, &topics(USUAL), &params);
    let short = until("it says that there is no room", || state.newest().filter(|state| state.lost > 10));
    assert!(!short.recording && short.reason.contains("low_water_mib"), "{short:?}");
    assert!(short.free_bytes > 0);
    recorder.end();
    drop(speakers.end());
    assert!(recorder.log().contains("low_water_mib"), "{}", recorder.log());
}

#[test]
fn a_slow_disk_costs_counted_messages_and_delays_nobody() {
    if Command::new("strace").arg("-V").stdout(Stdio::null()).status().is_err() {
        println!("NOT TESTED: a slow disk needs strace, see tests/setup.sh");
        return;
    }
    let bed = Bed::new();
    let (dir, file) = (bed.files().join("runs"), bed.files().join("runs/slow.mcap"));
    fs::create_dir(&dir).unwrap();
    let speakers = Speakers::start(&bed, HEAVY);
    let neighbour = Listener::<Array>::start(&address(&bed, "emg/raw", "neighbour"), "emg/raw");
    let mut command = Command::new("strace");
    command
        .args(["-f", "-D", "-q", "-q", "--seccomp-bpf", "-o", "/dev/null", "-P"])
        .arg(&file)
        .args(["-e", "trace=write,fdatasync"])
        .args(["-e", "inject=write:delay_enter=250000", "-e", "inject=fdatasync:delay_enter=2500000"])
        .arg(bin_dir().join("recorder"));
    let params = json!({ "file": file, "buffer_mib": 4 });
    let mut recorder = Recorder::run(&bed, command, &topics(HEAVY), &params);
    let state = state(&bed);
    let behind = until("messages are lost to the slow disk", || state.newest().filter(|state| state.lost > 20));
    assert!(behind.recording, "{behind:?}");
    let heard = neighbour.counted().0;
    until("the neighbour goes on", || (neighbour.counted().0 > heard + 200).then_some(()));
    recorder.end();
    drop(speakers.end());
    let lost = nothing_silently_lost(&dir, HEAVY);
    assert!(lost >= behind.lost);
    assert_eq!(neighbour.counted().1, 0, "the neighbour missed something");
    println!("{lost} messages lost to the slow disk, all counted");
}

#[test]
fn it_records_when_asked_and_marks_what_is_erased() {
    let bed = Bed::new();
    let dir = bed.files().join("runs");
    let speakers = Speakers::start(&bed, USUAL);
    let outputs = vec![
        output(&bed, "desk/control", RecordCommand::full_name()),
        output(&bed, "gamepad/pad", Gamepad::full_name()),
    ];
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (mut control, mut pad) = runtime.block_on(async {
        let node = Node::start(wiring("desk", outputs)).unwrap();
        (
            node.publish::<RecordCommand>("desk_control").await.unwrap(),
            node.publish::<Gamepad>("gamepad_pad").await.unwrap(),
        )
    });
    let heard = [topics(USUAL), vec!["desk/control", "gamepad/pad"]].concat();
    let params = json!({ "dir": dir, "on": "asked", "erase_button": "west", "erase_seconds": 0.5 });
    let mut recorder = Recorder::start(&bed, &heard, &params);
    let state = state(&bed);
    until("it waits to be asked", || state.newest().filter(|state| state.reason == "not asked to" && !state.recording));
    let mut say = |action: RecordAction, until_true: &dyn Fn(&RecorderState) -> bool| {
        until(&format!("{action:?} is obeyed"), || {
            runtime.block_on(control.send(RecordCommand { action: action as i32, seconds: 0.0 })).unwrap();
            thread::sleep(Duration::from_millis(50));
            state.newest().filter(|state| until_true(state))
        })
    };
    say(RecordAction::Start, &|state| state.recording && state.messages > 500);
    let mut press = |west| {
        let pad_state = Gamepad { connected: true, west, ..Gamepad::default() };
        runtime.block_on(pad.send(pad_state)).unwrap();
    };
    press(false);
    press(true);
    until("the erasure is told", || state.newest().filter(|state| state.erased_s > 0.4));
    say(RecordAction::Stop, &|state| !state.recording);
    recorder.end();
    drop(speakers.end());
    let paths = recordings(&dir);
    let [path] = &paths[..] else { panic!("{paths:?}") };
    let set: Vec<Mark> = marks(path).unwrap();
    let kinds: Vec<MarkKind> = set.iter().map(Mark::kind).collect();
    assert_eq!(kinds, [MarkKind::Start, MarkKind::Erased, MarkKind::Stop]);
    let all = read(path);
    let left: Vec<Recorded> = Reader::without_erased(path).unwrap().collect();
    assert!(left.len() + 300 < all.len(), "half a second of 730 Hz is left out: {} of {}", left.len(), all.len());
    let erased = set[1].from_ns..=set[1].until_ns;
    assert!(left.iter().all(|message| !erased.contains(&message.received_ns)));
}

#[test]
fn a_graph_with_a_recorder_keeps_true_stamps_and_says_what_it_recorded() {
    let bed = Bed::new();
    bed.file(
        "robot.toml",
        r#"
[graph]
name = "robot"
[node.camera]
params = { device = "pattern", size = [64, 48], rate = 60 }
[node.recorder]
subscribe = { frames = { topic = "camera/frames", keep = 100 }, events = { topic = "launch/events", keep = 100 } }
params    = { dir = "runs" }
"#,
    );
    let mut launch = bed.launch(&["robot.toml"]);
    launch.all_ready(2);
    let mut state = bed.tap("robot", "recorder/state");
    until("it records", || {
        let state = state.hear().decode::<RecorderState>().unwrap().body;
        (state.recording && state.messages > 100).then_some(())
    });
    launch.signal(Signal::TERM);
    launch.ended();
    launch.says("recorded ");
    let paths = recordings(&bed.files().join("runs"));
    let [path] = &paths[..] else { panic!("{paths:?}") };
    let name = path.file_name().unwrap().to_str().unwrap();
    assert!(name.starts_with("robot-2") && name.len() == "robot-20260101-000000.mcap".len(), "{name}");
    let messages = read(path);
    let frames = numbers(&messages, "camera/frames");
    assert!(frames.windows(2).all(|pair| pair[1] == pair[0] + 1));
    for message in messages.iter().filter(|message| message.topic == "camera/frames") {
        let header = &message.header;
        assert_eq!(
            (header.origin.as_str(), header.r#type.as_str()),
            ("robot:camera/frames", "offboard.v1.CompressedImage")
        );
        assert!(header.stamp_ns <= header.sent_ns && header.sent_ns <= message.received_ns);
        assert!(message.received_ns - header.stamp_ns < LIMIT.as_nanos() as i64);
        assert!(message.decode::<CompressedImage>().unwrap().data.starts_with(&[0xff, 0xd8]));
    }
    assert_eq!(ledger(&messages)["camera/frames"].gaps, 0);
    if let Some(seen) = stock(&paths) {
        assert_eq!(seen[0]["indexed"], count(&messages));
    }
}
