//! Stories about `launch topic …` and about completing names, with real nodes: the dummy, and one in Python.
//! They never listen on an edge: they see what a person sees.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::desk::{Desk, Launched, until};

/// A node that says arrays, and one that hears them and says them again.
const PAIR: &str = r#"
[graph]
name = "t"
[node.talker]
run = "dummy"
publish = { array = "Array" }
params = { rate = 50, shape = [2, 3], type = "incremental" }
[node.listener]
run = "dummy"
subscribe = { in = "talker/array" }
publish = { echo = "Array" }
params = { rate = 0, echo = "in" }
"#;

fn pair(desk: &Desk) -> Launched {
    let dummy = Path::new(env!("CARGO_BIN_EXE_launch")).with_file_name("dummy");
    assert!(dummy.exists(), "no {}: cargo build --release --workspace --bins", dummy.display());
    std::fs::write(desk.path("t.toml"), PAIR).unwrap();
    let launched = desk.launch(&["t.toml"]);
    desk.until_state("talker", "ready");
    desk.until_state("listener", "ready");
    launched
}

/// What a verb prints; it must go well.
fn says(desk: &Desk, args: &[&str]) -> String {
    let out = desk.verb(args);
    let err = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{args:?} says {err}");
    String::from_utf8(out.stdout).unwrap()
}

/// The one object that a verb prints.
fn json(desk: &Desk, args: &[&str]) -> Value {
    let text = says(desk, &[args, &["--json"]].concat());
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{args:?}: {error}: {text}"))
}

/// What a verb says when it does not go well, and its exit code.
fn refuses(desk: &Desk, args: &[&str]) -> (String, Option<i32>) {
    let out = desk.verb(args);
    (String::from_utf8(out.stderr).unwrap(), out.status.code())
}

/// Messages that an input of the listener counted.
fn heard(desk: &Desk) -> u64 {
    let info = json(desk, &["topic", "info", "talker/array"]);
    info["subscribers"][0]["counts"]["messages"].as_u64().unwrap_or_default()
}

#[test]
fn topics_are_listed_and_found_by_name_and_type() {
    let desk = Desk::new();
    let _launched = pair(&desk);
    let table = says(&desk, &["topic", "list", "-v", "-t"]);
    let row = table.lines().find(|line| line.contains("talker/array")).unwrap();
    assert_eq!(row.split_whitespace().collect::<Vec<_>>(), ["t", "talker/array", "Array", "talker", "listener.in"]);
    let topics = says(&desk, &["topic", "list", "--json"]);
    let count = says(&desk, &["topic", "list", "--count-topics"]);
    assert_eq!(count.trim(), topics.lines().count().to_string());
    assert_eq!(says(&desk, &["topic", "type", "/talker/array"]), "offboard.v1.Array\n");
    assert_eq!(json(&desk, &["topic", "type", "t:talker/array"])["type"], "offboard.v1.Array");
    assert!(says(&desk, &["topic", "find", "Array"]).contains("talker/array\n"));
    assert!(says(&desk, &["topic", "find", "offboard.v1.Array", "--json"]).contains(r#""publisher":"talker""#));
    let (err, code) = refuses(&desk, &["topic", "find", "Aray"]);
    assert!(code == Some(69) && err.contains("no topic carries Aray; did you mean Array?"), "{err}");
    let (err, code) = refuses(&desk, &["topic", "echo", "talker/arry"]);
    assert!(code == Some(69) && err.contains("did you mean talker/array?"), "{err}");
}

#[test]
fn messages_are_shown_for_people_and_for_machines() {
    let desk = Desk::new();
    let _launched = pair(&desk);
    let text = says(&desk, &["topic", "echo", "talker/array", "--count", "2"]);
    assert_eq!((text.matches("dtype: DTYPE_F32\n").count(), text.matches("\n---\n").count()), (2, 2), "{text}");
    assert!(text.starts_with("# ") && text.contains("shape: [2, 3]\nvalues: ["), "{text}");
    let once = json(&desk, &["topic", "echo", "talker/array", "--once"]);
    let (seq, first) = (once["seq"].as_f64().unwrap(), once["message"]["values"][0].as_f64().unwrap());
    assert_eq!((seq, once["origin"].as_str()), (first, Some("t:talker/array")));
    let field = json(&desk, &["topic", "echo", "talker/array", "-1", "--field", "values[5]"]);
    assert_eq!(field["message"].as_f64().unwrap(), field["seq"].as_f64().unwrap() + 5.0);
    let short = says(&desk, &["topic", "echo", "talker/array", "-1", "-l", "2", "--no-str"]);
    assert!(short.contains(", <4 more>]"), "{short}");
    assert!(says(&desk, &["topic", "echo", "talker/array", "-1", "--no-arr"]).contains("values: <6 elements>"));
    let csv = says(&desk, &["topic", "echo", "talker/array", "--once", "--csv"]);
    assert!(csv.starts_with("DTYPE_F32,2,3,") && csv.split(',').count() == 9, "{csv}");
    // What is said again carries the stamp of what was heard.
    let again = json(&desk, &["topic", "echo", "listener/echo", "--once"]);
    assert_eq!(again["origin"], "t:talker/array");
    let (err, code) = refuses(&desk, &["topic", "echo", "talker/array", "--field", "vlues"]);
    let line = "launch: Array has no field vlues; did you mean values? (it has dtype, shape, values, columns)\n";
    assert_eq!((err.as_str(), code), (line, Some(2)));
}

#[test]
fn topics_are_measured() {
    let desk = Desk::new();
    let _launched = pair(&desk);
    let last = |verb: &str| json(&desk, &["topic", verb, "talker/array", "--count", "20", "--window", "10"]);
    // Twenty messages at 50 a second end before the first second is over: there is one line.
    let hz = last("hz");
    assert!(hz["rate_hz"].as_f64().unwrap() > 5.0 && hz["messages"] == 20, "{hz}");
    let bw = last("bw");
    let (size, rate) = (bw["size_mean"].as_f64().unwrap(), bw["bytes_per_s"].as_f64().unwrap());
    assert!(bw["size_min"] == bw["size_max"] && size > 24.0 && rate > size && bw["window"] == 10, "{bw}");
    let delay = last("delay");
    let at = |name: &str| delay[name].as_f64().unwrap();
    assert!(0.0 < at("delay_min_ms") && at("delay_min_ms") <= at("delay_mean_ms"), "{delay}");
    assert!(at("delay_mean_ms") <= at("delay_max_ms") && at("delay_max_ms") < 5000.0, "{delay}");
    for verb in ["hz", "bw", "delay"] {
        let text = says(&desk, &["topic", verb, "talker/array", "--for", "2s"]);
        assert!(text.starts_with("talker/array: ") && text.contains("messages "), "{text}");
    }
}

#[test]
fn a_topic_tells_who_is_at_its_ends() {
    let desk = Desk::new();
    let _launched = pair(&desk);
    until("the listener counted something", || heard(&desk) > 0);
    let info = json(&desk, &["topic", "info", "talker/array"]);
    assert_eq!((&info["publisher"]["node"], &info["publisher"]["state"]), (&json!("talker"), &json!("ready")));
    let listener = &info["subscribers"][0];
    assert_eq!(
        (&listener["node"], &listener["input"], &listener["keep"]),
        (&json!("listener"), &json!("in"), &json!(1))
    );
    assert_eq!(listener["pid"], desk.node("listener")["pid"]);
    let text = says(&desk, &["topic", "info", "talker/array", "-v"]);
    assert!(text.starts_with("t:talker/array  offboard.v1.Array  1 listener\n"), "{text}");
    assert!(text.contains("→ listener.in  ready") && text.contains("talker.array-listener.in"), "{text}");
}

#[test]
fn a_message_is_published_in_place_of_a_stopped_node_only() {
    let desk = Desk::new();
    let _launched = pair(&desk);
    let said = ["topic", "pub", "talker/array", r#"{"values": [7]}"#];
    let (err, code) = refuses(&desk, &[&said[..], &["--once"]].concat());
    assert!(code == Some(1) && err.contains("`launch stop t:talker` first"), "{err}");
    says(&desk, &["stop", "talker"]);
    desk.until_state("talker", "stopped");
    let (err, code) = refuses(&desk, &["topic", "pub", "talker/array", r#"{"vals": [7]}"#]);
    assert!(code == Some(2) && err.contains("Array has no field vals"), "{err}");
    // A new process counts from nothing: it hears this one message and no other.
    says(&desk, &["restart", "listener"]);
    until("the listener is new", || {
        desk.node("listener")["restarts"] == 1 && desk.node("listener")["state"] == "ready"
    });
    let told = json(&desk, &[&said[..], &["--once"]].concat());
    assert_eq!((&told["messages"], &told["listeners"], &told["of"]), (&json!(1), &json!(1), &json!(1)), "{told}");
    until("the listener heard it", || heard(&desk) == 1);
    assert!(!desk.path("r/t/talker.array-tap").exists(), "a socket is left behind");
}

#[test]
fn who_speaks_for_a_node_falls_silent_when_it_is_back() {
    let desk = Desk::new();
    let _launched = pair(&desk);
    says(&desk, &["stop", "talker"]);
    desk.until_state("talker", "stopped");
    let mut command = desk.command(&["topic", "pub", "talker/array", r#"{"values": [7]}"#, "--rate", "50"]);
    let speaking = command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    let shape = || json(&desk, &["topic", "echo", "listener/echo", "--once", "--field", "shape"])["message"].clone();
    assert_eq!(shape(), json!([1]));
    says(&desk, &["start", "talker"]);
    let ended = speaking.wait_with_output().unwrap();
    let err = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(1), "{err}");
    assert!(err.contains("talker of t was started again: talker/array is its own"), "{err}");
    until("the node itself is heard", || shape() == json!([2, 3]));
}

/// A publisher that knows only the wire: the environment and three parts a message.
const PYTHON: &str = r#"
import os, struct, time, zmq
topic, kind, *endpoints = os.environ["LAUNCH_PUB_SAY"].split()
offset = int(os.environ["LAUNCH_CLOCK_OFFSET_NS"])
out = zmq.Context().socket(zmq.PUB)
for endpoint in endpoints:
    out.bind(endpoint)
for seq in range(1, 100000):
    now = struct.pack("<q", time.monotonic_ns() + offset)
    number = bytes([seq & 127 | 128, seq >> 7 & 127 | 128, seq >> 14])
    header = b"\x08" + number + b"\x10\x01\x19" + now + b"\x21" + now + b"\x32" + bytes([len(kind)]) + kind.encode()
    out.send_multipart([topic.encode(), header, b"\x0d\x00\x00\x00\x3f"])
    time.sleep(0.02)
"#;

#[test]
fn a_node_of_another_language_is_seen_as_any_other() {
    let python = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/venv/bin/python3");
    if !python.exists() {
        println!("skipped: no Python with pyzmq: tests/setup.sh test");
        return;
    }
    let desk = Desk::new();
    std::fs::write(desk.path("say.py"), PYTHON).unwrap();
    let node = |name: &str, kind: &str| {
        format!("[node.{name}]\nrun = [\"{}\", \"say.py\"]\npublish = {{ say = \"{kind}\" }}\n", python.display())
    };
    let graph = format!("[graph]\nname = \"t\"\n{}{}", node("drive", "Drive"), node("own", "my.Own"));
    std::fs::write(desk.path("t.toml"), graph).unwrap();
    let _launched = desk.launch(&["t.toml"]);
    let drive = json(&desk, &["topic", "echo", "drive/say", "--once"]);
    assert_eq!((&drive["type"], &drive["message"]["forward"]), (&json!("offboard.v1.Drive"), &json!(0.5)));
    let hz = json(&desk, &["topic", "hz", "drive/say", "--count", "10"]);
    assert!(hz["rate_hz"].as_f64().unwrap() > 1.0 && hz["age_p50_ms"].as_f64().unwrap() < 5000.0, "{hz}");
    let own = says(&desk, &["topic", "echo", "own/say", "--once"]);
    assert!(
        own.contains(", my.Own, ") && own.contains("unknown type: my.Own\nbytes: 5\nhex: \"0d0000003f\"\n"),
        "{own}"
    );
    assert_eq!(json(&desk, &["topic", "info", "own/say"])["publisher"]["state"], "running");
    let (err, code) = refuses(&desk, &["topic", "pub", "drive/say", "{}", "--once"]);
    assert!(code == Some(1) && err.contains("drive/say is published by drive"), "{err}");
}

/// What a shell is answered for the last of these words.
fn completed(desk: &Desk, words: &[&str]) -> Vec<String> {
    let mut command = desk.command(&[&["--"], words].concat());
    command.env("COMPLETE", "bash").env("_CLAP_IFS", "\n").env("_CLAP_COMPLETE_INDEX", (words.len() - 1).to_string());
    let out = command.output().unwrap();
    assert!(out.status.success() && out.stderr.is_empty(), "{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn a_shell_completes_verbs_flags_and_the_names_of_what_runs() {
    let desk = Desk::new();
    assert_eq!(completed(&desk, &["launch", "topic", "echo", ""]).iter().filter(|name| name.contains('/')).count(), 0);
    let launched = pair(&desk);
    assert_eq!(completed(&desk, &["launch", "topic", "echo", "talker/a"]), ["talker/array"]);
    assert_eq!(completed(&desk, &["launch", "restart", "li"]), ["listener"]);
    assert_eq!(completed(&desk, &["launch", "topic", "d"]), ["delay"]);
    assert!(completed(&desk, &["launch", "topic", "pub", "--"]).contains(&"--rate".to_owned()));
    assert!(completed(&desk, &["launch", "stop", ""]).contains(&"t".to_owned()));
    assert_eq!(completed(&desk, &["launch", "topic", "find", "Dr"]), ["Drive"]);
    assert!(completed(&desk, &["launch", "check", ""]).contains(&"t.toml".to_owned()));
    // A launch that does not answer is not waited for: far less than the five seconds that a verb gives it.
    launched.signal(Signal::STOP);
    let began = Instant::now();
    assert!(!completed(&desk, &["launch", "topic", "echo", "talker"]).contains(&"talker/array".to_owned()));
    let took = began.elapsed();
    launched.signal(Signal::CONT);
    assert!(took < Duration::from_secs(3), "{took:?}");
}

#[test]
fn the_script_of_a_shell_asks_this_program() {
    let desk = Desk::new();
    for (shell, word) in [("bash", "complete "), ("zsh", "#compdef launch"), ("fish", "complete ")] {
        let script = says(&desk, &["completions", shell]);
        assert!(script.contains(word) && script.contains(env!("CARGO_BIN_EXE_launch")), "{script}");
        assert!(script.contains("COMPLETE"), "{script}");
    }
    // The variable may stand for something else.
    let out = desk.command(&["check", "none.toml"]).env("COMPLETE", "yes").output().unwrap();
    assert_eq!(out.status.code(), Some(78));
    assert!(says(&desk, &["man"]).contains(".SH \"LAUNCH TOPIC ECHO\""));
}

#[test]
fn a_file_that_is_given_twice_is_said_so() {
    let desk = Desk::new();
    desk.graph("t", &[("a", "exit 0", "")]);
    for verb in ["check", "run", "graph"] {
        let (err, code) = refuses(&desk, &[verb, "t.toml", "./t.toml"]);
        assert_eq!((err.as_str(), code), ("launch: ./t.toml is given twice, also as t.toml; name it once\n", Some(2)));
    }
}
