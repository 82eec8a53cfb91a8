//! Stories about `record`, `play` and the verbs that are a node's own, with stand-ins for the programs: shell scripts that write down
//! what they were told. They never look into a recording.

use std::{collections::BTreeMap, fs};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::desk::{Desk, Launched, lives, until, until_so};

/// A program with a verb of its own.
const OWN: &str = r#"echo "own: $*"; echo aside >&2; exit 7"#;

/// Notes its wiring and stays until it is asked to end.
const RECORDER: &str = "trap 'echo ended > end; exit 0' TERM\n\
    env | grep ^LAUNCH_ > told~; mv told~ told; echo $$ >> recorder.pids\nwhile :; do sleep 0.02; done";

/// Knows a recording, notes its wiring, and stays until it is asked to end or there is a file `over`.
const PLAYER: &str = r#"
case "$1" in
--describe) echo '{"about": "plays", "any_outputs": true, "restart_when_done": false}'; exit 0;;
topics)
    case "$2" in *.mcap) ;; *) echo "player: $2 is no recording" >&2; exit 5;; esac
    echo '{"topic": "cam/frames", "node": "cam", "output": "frames", "type": "offboard.v1.CompressedImage", "count": 3}'
    echo '{"topic": "desk:pilot/drive", "node": "pilot", "output": "drive", "type": "offboard.v1.Drive", "count": 9}'
    echo '{"topic": "launch/events", "node": "launch", "output": "events", "type": "offboard.v1.Event", "count": 1}'
    echo '{"topic": "odd", "node": "", "output": "", "type": "x.Y", "count": 1}'
    exit 0;;
esac
trap 'exit 0' TERM
env | grep ^LAUNCH_ > $OUT/told.$LAUNCH_NODE~; mv $OUT/told.$LAUNCH_NODE~ $OUT/told.$LAUNCH_NODE
echo $$ >> $OUT/player.pids
while [ ! -e $OUT/over ]; do sleep 0.02; done
"#;

fn desk() -> Desk {
    let desk = Desk::with_programs(&[("recorder", RECORDER), ("model", OWN), ("player", PLAYER)]);
    let stay = |name: &str| format!("echo $$ >> {name}.pids; exec sleep 1000");
    desk.graph(
        "t",
        &[
            ("cam", &stay("cam"), "publish = { frames = \"CompressedImage\", info = \"x.Info\" }"),
            ("pilot", &stay("pilot"), "subscribe = { cam = \"cam/frames\" }\npublish = { drive = \"Drive\" }"),
            ("viewer", &stay("viewer"), "subscribe = { frames = { topic = \"cam/frames\", keep = 5 } }"),
        ],
    );
    desk
}

fn run(desk: &Desk) -> Launched {
    let launched = desk.launch(&["t.toml"]);
    desk.until_pids("viewer.pids", 1);
    launched
}

/// A verb that goes on, its stand-ins' notes in the desk's folder.
fn begin(desk: &Desk, args: &[&str]) -> Launched {
    let mut command = desk.command(args);
    command.env("OUT", desk.path("")).env("TMPDIR", desk.path(""));
    Launched::start(command)
}

/// What a stand-in was told.
fn told(desk: &Desk, name: &str) -> BTreeMap<String, String> {
    until(&format!("{name} is there"), || desk.path(name).exists());
    let text = fs::read_to_string(desk.path(name)).unwrap();
    text.lines().filter_map(|line| line.split_once('=')).map(|(name, value)| (name.into(), value.into())).collect()
}

#[test]
fn a_node_s_own_verb_gets_its_words_and_its_exit_code_is_launch_s() {
    let desk = desk();
    for (words, own) in [
        (&["train", "a.mcap", "-o", "b", "--help"][..], "own: train a.mcap -o b --help\n"),
        (&["eval", "--", "-x"], "own: eval -- -x\n"),
        (&["train", "--help"], "own: train --help\n"),
        (&["train"], "own: train\n"),
    ] {
        let out = desk.verb(words);
        assert_eq!((out.status.code(), String::from_utf8_lossy(&out.stdout).as_ref()), (Some(7), own), "{words:?}");
        assert_eq!(out.stderr, b"aside\n");
    }
    let help = String::from_utf8(desk.verb(&["--help"]).stdout).unwrap();
    for verb in ["  record ", "  play ", "  bag ", "  train ", "  eval "] {
        assert!(help.contains(verb), "{verb} is not in\n{help}");
    }
}

#[test]
fn a_verb_whose_program_is_missing_says_so() {
    let desk = Desk::with_programs(&[]);
    for (words, program) in
        [("bag info x", "recorder"), ("train x", "model"), ("record", "recorder"), ("play x", "player")]
    {
        let words: Vec<&str> = words.split(' ').collect();
        let out = desk.verb(&words);
        let wanted = format!(
            "launch: `launch {}` is the business of the program {program}, which is neither in {}, nor here, nor in PATH\n",
            words[0],
            desk.path("bin").display()
        );
        assert_eq!((out.status.code(), String::from_utf8(out.stderr).unwrap()), (Some(1), wanted));
    }
}

#[test]
fn a_recorder_is_told_of_all_taps_and_ends_well() {
    let desk = desk();
    let _launched = run(&desk);
    let mut recording = begin(&desk, &["record", "-o", "lap.mcap"]);
    let told = told(&desk, "told");
    assert_eq!((told["LAUNCH_NODE"].as_str(), told["LAUNCH_GRAPH"].as_str()), ("recorder", "t"));
    let params: Value = serde_json::from_str(&told["LAUNCH_PARAMS"]).unwrap();
    assert_eq!(params, json!({ "file": "lap.mcap", "on": "start" }));
    assert!(told["LAUNCH_CLOCK_OFFSET_NS"].parse::<i64>().unwrap() > 0 && !told.contains_key("LAUNCH_STATUS"));
    let subs: Vec<&String> =
        told.iter().filter(|(name, _)| name.starts_with("LAUNCH_SUB_")).map(|(_, sub)| sub).collect();
    for topic in ["cam/frames offboard.v1.CompressedImage", "cam/info x.Info", "pilot/drive offboard.v1.Drive"] {
        let sub = subs.iter().find(|sub| sub.ends_with(topic)).unwrap_or_else(|| panic!("{topic}: {subs:?}"));
        assert!(sub.starts_with("ipc://") && sub.contains("-tap "), "{sub}");
    }
    assert!(subs.iter().any(|sub| sub.contains(" launch/events ")), "what launch says is recorded too: {subs:?}");
    recording.signal(Signal::INT);
    assert_eq!(recording.end(), Some(0));
    assert!(desk.path("end").exists());
    assert!(recording.log().contains("of t; Ctrl-C ends it"), "{}", recording.log());
}

#[test]
fn a_recording_ends_by_time_with_its_graph_and_with_its_launch() {
    let desk = desk();
    let mut launched = run(&desk);
    assert_eq!(desk.verb(&["record", "cam/*", "--for", "300ms"]).status.code(), Some(0));
    let subs = |told: &BTreeMap<String, String>| told.keys().filter(|name| name.starts_with("LAUNCH_SUB_")).count();
    assert_eq!(subs(&told(&desk, "told")), 2);

    fs::remove_file(desk.path("end")).unwrap();
    let killed = begin(&desk, &["record"]);
    let pid = desk.until_pids("recorder.pids", 2)[1];
    assert!(lives(pid));
    drop(killed);
    // What it has is brought to the disk: it is asked to end, not killed.
    until("the recorder of a killed launch has ended", || !lives(pid));
    assert!(desk.path("end").exists());

    let mut recording = begin(&desk, &["record", "pilot/drive"]);
    desk.until_pids("recorder.pids", 3);
    launched.signal(Signal::TERM);
    launched.end();
    assert_eq!(recording.end(), Some(0));
    assert!(recording.log().contains("launch: t ended, and the recording with it\n"), "{}", recording.log());
}

#[test]
fn what_cannot_be_recorded_is_told() {
    let desk = desk();
    let refuses = |args: &[&str]| {
        let out = desk.verb(args);
        (out.status.code().unwrap(), String::from_utf8(out.stderr).unwrap())
    };
    assert_eq!(refuses(&["record"]), (69, "launch: no graph is running; start one with `launch FILE.toml`\n".into()));
    let _launched = run(&desk);
    assert_eq!(
        refuses(&["record", "cam/frame"]),
        (69, "launch: there is no topic cam/frame; did you mean cam/frames?\n  `launch topic list` shows all\n".into())
    );
    fs::write(desk.path("there.mcap"), "").unwrap();
    assert_eq!(
        refuses(&["record", "-o", "there.mcap"]),
        (2, "launch: there.mcap is there already; choose another name or remove it\n".into())
    );
}

#[test]
fn a_recording_stands_in_for_a_node_that_starts_again_afterwards() {
    let desk = desk();
    let _launched = run(&desk);
    let first = desk.until_pids("cam.pids", 1)[0];
    let mut playing =
        begin(&desk, &["play", "lap.mcap", "--replace", "cam", "--speed", "2", "--from", "1500ms", "--loop"]);
    let told = told(&desk, "told.cam");
    assert!(!lives(first));
    assert_eq!(desk.node("cam")["state"], "stopped");
    let words: Vec<&str> = told["LAUNCH_PUB_FRAMES"].split(' ').collect();
    assert_eq!(&words[..2], ["cam/frames", "offboard.v1.CompressedImage"]);
    assert_eq!((words.len(), told["LAUNCH_KEEP_FRAMES"].as_str()), (5, "1 5 tap"));
    assert!(!told.contains_key("LAUNCH_PUB_INFO"), "of that the recording holds nothing");
    let params: Value = serde_json::from_str(&told["LAUNCH_PARAMS"]).unwrap();
    assert_eq!(params["file"], json!(desk.path("lap.mcap")));
    assert_eq!((&params["speed"], &params["from"], &params["loop"]), (&json!(2.0), &json!("1.5s"), &json!(true)));
    assert!(params["start_at_ns"].as_i64().unwrap() > 0);

    playing.signal(Signal::INT);
    assert_eq!(playing.end(), Some(0));
    desk.until_state("cam", "running");
    assert_eq!(desk.pids("cam.pids").len(), 2);
}

#[test]
fn a_node_that_a_person_starts_again_or_a_recording_that_is_over_ends_the_playing() {
    let desk = desk();
    let _launched = run(&desk);
    let mut playing = begin(&desk, &["play", "lap.mcap", "--replace", "t:cam"]);
    let player = desk.until_pids("player.pids", 1)[0];
    assert!(desk.verb(&["start", "cam"]).status.success());
    assert_eq!(playing.end(), Some(0));
    assert!(playing.log().contains("launch: t:cam was started again: it speaks for itself\n"), "{}", playing.log());
    assert!(!lives(player));
    assert_eq!(desk.until_pids("cam.pids", 2).len(), 2);

    // A node that did not run before does not run afterwards.
    assert!(desk.verb(&["stop", "cam"]).status.success());
    fs::write(desk.path("over"), "").unwrap();
    let mut playing = begin(&desk, &["play", "lap.mcap", "--replace", "cam", "--replace", "pilot"]);
    assert_eq!(playing.end(), Some(0));
    assert_eq!(desk.node("cam")["state"], "stopped");
    desk.until_state("pilot", "running");
    assert!(desk.path("told.pilot").exists());
}

#[test]
fn a_player_that_fails_brings_the_node_back_too() {
    let desk = desk();
    let _launched = run(&desk);
    let mut playing = begin(&desk, &["play", "lap.mcap", "--replace", "cam"]);
    crate::desk::send(desk.until_pids("player.pids", 1)[0], Signal::KILL);
    assert_eq!(playing.end(), Some(137));
    desk.until_state("cam", "running");
}

#[test]
fn a_player_ends_with_a_launch_that_was_killed() {
    let desk = desk();
    let _launched = run(&desk);
    let playing = begin(&desk, &["play", "lap.mcap", "--replace", "cam"]);
    let player = desk.until_pids("player.pids", 1)[0];
    drop(playing);
    until("the player of a killed launch has ended", || !lives(player));
}

#[test]
fn a_program_that_cannot_begin_says_why() {
    let desk = Desk::with_programs(&[("recorder", "")]);
    fs::write(desk.path("bin/recorder"), "#!/no/such/sh\n").unwrap();
    desk.graph("t", &[("cam", "exec sleep 1000", "publish = { frames = \"CompressedImage\" }")]);
    let _launched = desk.launch(&["t.toml"]);
    let out = desk.verb(&["record"]);
    let said = String::from_utf8(out.stderr).unwrap();
    assert_eq!(out.status.code(), Some(1), "{said}");
    let wanted = format!(
        "launch: cannot run {}: No such file or directory (os error 2); it is there, but not the interpreter that its first line names\n",
        desk.path("bin/recorder").display()
    );
    assert!(said.ends_with(&wanted), "{said}");
}

#[test]
fn what_cannot_be_played_is_told() {
    let desk = desk();
    let _launched = run(&desk);
    let refuses = |args: &[&str]| {
        let out = desk.verb(args);
        (out.status.code().unwrap(), String::from_utf8(out.stderr).unwrap())
    };
    assert_eq!(refuses(&["play", "x.bin"]), (5, "player: x.bin is no recording\n".into()));
    let (code, said) = refuses(&["play", "lap.mcap", "--replace", "viewer"]);
    assert_eq!(code, 1);
    assert!(said.ends_with("launch: the recording holds nothing of viewer; it holds cam, launch, pilot\n"), "{said}");
    assert!(said.starts_with("launch: odd is left out: it is no topic node/output\n"), "{said}");
    assert_eq!(refuses(&["play", "lap.mcap", "--replace", "came"]).0, 69);
    assert_eq!(refuses(&["play", "lap.mcap", "--speed", "0"]).0, 2);
    let (code, said) = refuses(&["play", "lap.mcap", "--only", "cam/frame"]);
    assert_eq!(code, 2);
    assert!(said.contains("no such topic; did you mean cam/frames?"), "{said}");
    assert_eq!(desk.node("cam")["state"], "running");
}

#[test]
fn a_recording_alone_is_a_graph_that_ends_when_it_is_over() {
    let desk = desk();
    let mut playing = begin(&desk, &["play", "lap.mcap", "--only", "cam/*"]);
    let told = told(&desk, "told.cam");
    assert_eq!(told["LAUNCH_GRAPH"], "play");
    let params: Value = serde_json::from_str(&told["LAUNCH_PARAMS"]).unwrap();
    assert_eq!((&params["file"], &params["only"]), (&json!(desk.path("lap.mcap")), &json!(["cam/frames"])));
    let topics = || String::from_utf8(desk.verb(&["topic", "list"]).stdout).unwrap();
    until("its topics are there", || topics().contains("cam/frames"));
    assert!(!topics().contains("pilot/drive"), "only what was asked for");
    fs::write(desk.path("over"), "").unwrap();
    assert_eq!(playing.end(), Some(0), "{}", playing.log());
    let left = || fs::read_dir(desk.path("")).unwrap().filter_map(Result::ok).map(|entry| entry.file_name());
    assert!(until_so(|| !left().any(|name| name.to_string_lossy().contains("offboard-play"))), "its file is gone");
}
