//! Stories about `launch top` and the columns of `launch ps`, with shell scripts whose heartbeats the story itself sends.
//! They never depend on how fast this machine is, but for wide bounds.

use std::{
    os::unix::net::UnixDatagram,
    process::Output,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use offboard::proto::{EdgeCounts, Gauge, NodeStatus};
use prost::Message;
use rustix::process::Signal;
use serde_json::Value;

use crate::desk::{Desk, until};

const FRAMES: &str = "t:camera/frames";
const MS: u64 = 1_000_000;
const RATE: u64 = 200;

/// A camera, a pilot, a motor with a budget, and a link to nobody: none of them does anything by itself.
fn car(desk: &Desk) {
    let stay = "run = [\"sleep\", \"1000\"]\nwatchdog = \"60s\"";
    let text = format!(
        "[graph]\nname = \"t\"\n\
         [node.camera]\n{stay}\npublish = {{ frames = \"CompressedImage\" }}\n\
         [node.pilot]\n{stay}\nsubscribe = {{ frames = \"camera/frames\" }}\npublish = {{ drive = \"Drive\" }}\n\
         [node.motor]\n{stay}\nsubscribe = {{ drive = {{ topic = \"pilot/drive\", budget = \"30ms\" }} }}\n"
    );
    std::fs::write(desk.path("t.toml"), text).unwrap();
}

/// An end of an edge after so many messages of 1 kB; age and hop are p50, p99 is twice that.
fn edge(port: &str, topic: &str, publishes: bool, messages: u64, age_ms: u64, hop_ms: u64) -> EdgeCounts {
    EdgeCounts {
        port: port.into(),
        topic: topic.into(),
        publishes,
        messages,
        bytes: messages * 1000,
        origin: FRAMES.into(),
        age_p50_ns: age_ms * MS,
        age_p99_ns: 2 * age_ms * MS,
        hop_p50_ns: hop_ms * MS,
        hop_p99_ns: 2 * hop_ms * MS,
        ..EdgeCounts::default()
    }
}

/// Lets the car's nodes tell that they work at [`RATE`], while `story` goes on.
fn alive(desk: &Desk, story: impl FnOnce()) {
    let over = AtomicBool::new(false);
    let beat = || {
        let (socket, began) = (UnixDatagram::unbound().unwrap(), Instant::now());
        while !over.load(Relaxed) {
            let said = began.elapsed().as_millis() as u64 * RATE / 1000;
            let edges = [
                ("camera", vec![edge("frames", "camera/frames", true, said, 1, 1)]),
                (
                    "pilot",
                    vec![
                        edge("frames", "camera/frames", false, said, 3, 2),
                        edge("drive", "pilot/drive", true, said, 13, 10),
                    ],
                ),
                ("motor", vec![edge("drive", "pilot/drive", false, said, 16, 3)]),
            ];
            for (node, edges) in edges {
                let gauges = vec![Gauge { name: "heat\u{1b}[2J".into(), value: 40.5, unit: "C".into() }];
                let status = NodeStatus { node: node.into(), incarnation: 7, edges, gauges, ..NodeStatus::default() };
                let mut datagram = format!("{node} 7\n").into_bytes();
                datagram.extend(status.encode_to_vec());
                let _ = socket.send_to(&datagram, desk.path("r/t/status"));
            }
            thread::sleep(Duration::from_millis(50));
        }
    };
    thread::scope(|scope| {
        scope.spawn(beat);
        let over_at_last = Over(&over);
        story();
        drop(over_at_last);
    });
}

/// Ends the beats, also of a story that fails.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

fn rows(out: &Output, kind: &str) -> Vec<Value> {
    let text = String::from_utf8(out.stdout.clone()).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|row| row["kind"] == kind).collect()
}

fn row(out: &Output, kind: &str, name: &str) -> Value {
    rows(out, kind).into_iter().find(|row| row[kind] == name).unwrap_or_default()
}

#[test]
fn top_tells_rates_losses_and_the_way_from_the_camera_to_the_motor() {
    let desk = Desk::new();
    car(&desk);
    let _launched = desk.launch(&["t.toml"]);
    alive(&desk, || {
        ["camera", "pilot", "motor"].iter().for_each(|node| drop(desk.until_state(node, "ready")));
        let out = desk.verb(&["top", "--once", "--json"]);
        assert_eq!(out.status.code(), Some(0));
        let frames = row(&out, "topic", "camera/frames");
        let rate = frames["rate_hz"].as_f64().unwrap();
        assert!((0.7..1.4).contains(&(rate / RATE as f64)), "{rate} Hz");
        assert_eq!(
            (&frames["size_bytes"], &frames["gaps"], &frames["dropped"]),
            (&1000.0.into(), &0.into(), &0.into())
        );
        assert_eq!((&frames["age_p50_ms"], &frames["measured_at"]), (&3.0.into(), &"publisher".into()));
        let path = rows(&out, "path").remove(0);
        assert_eq!(
            (&path["node"], &path["origin"], &path["complete"]),
            (&"motor".into(), &FRAMES.into(), &true.into())
        );
        assert_eq!(
            (&path["p99_ms"], &path["budget_ms"], &path["over_budget"]),
            (&32.0.into(), &30.0.into(), &true.into())
        );
        let hops: Vec<(&str, f64)> = path["hops"]
            .as_array()
            .unwrap()
            .iter()
            .map(|hop| (hop["hop"].as_str().unwrap(), hop["p50_ms"].as_f64().unwrap()))
            .collect();
        assert_eq!(hops, [("publish", 1.0), ("transit", 2.0), ("compute", 10.0), ("transit", 3.0)]);
        let text = String::from_utf8(desk.verb(&["top", "motor", "--once"]).stdout).unwrap();
        assert!(text.contains("32.0 ms  30.0 ms, over") && !text.contains("\u{1b}"), "{text}");
        assert!(!text.lines().any(|line| line.starts_with("t      camera ")), "{text}");
    });
}

#[test]
fn a_node_that_burns_is_seen_behind_its_wrapper() {
    let desk = Desk::new();
    let burn = "sh -c 'echo $$ >> burns.pids; while :; do :; done' & wait";
    desk.graph("t", &[("burner", burn, ""), ("idler", "exec sleep 1000", "")]);
    // The script is quoted in the file by three quotes, so it may hold single ones.
    let _launched = desk.launch(&["t.toml"]);
    desk.until_pids("burns.pids", 1);
    let mut seen = Value::Null;
    until("the burner is seen by top", || {
        let out = desk.verb(&["top", "--once", "--json"]);
        let cpu = |node: &str| row(&out, "node", node)["cpu_percent"].as_f64().unwrap();
        seen = row(&out, "node", "burner");
        cpu("burner") > 5.0 && cpu("burner") > 5.0 * cpu("idler")
    });
    assert_eq!(seen["processes"], 2);
    let (burner, idler) = (desk.node("burner"), desk.node("idler"));
    assert!(burner["cpu_percent"].as_f64().unwrap() > idler["cpu_percent"].as_f64().unwrap(), "{burner} {idler}");
    assert!(burner["memory_bytes"].as_u64().unwrap() > 10_000);
    let text = String::from_utf8(desk.verb(&["ps"]).stdout).unwrap();
    assert!(text.starts_with("GRAPH  NODE    STATE    PID"), "{text}");
    assert!(text.lines().next().unwrap().ends_with("REASON") && text.contains("KiB"), "{text}");
}

#[test]
fn ps_tells_in_full_why_a_node_failed() {
    let desk = Desk::new();
    desk.graph("t", &[("a", "exit 78", ""), ("b", "exec sleep 1000", "")]);
    let _launched = desk.launch(&["t.toml"]);
    let why = desk.until_state("a", "failed")["why"].as_str().unwrap().to_owned();
    let text = String::from_utf8(desk.verb(&["ps"]).stdout).unwrap();
    let line = text.lines().find(|line| line.contains("failed")).unwrap();
    assert!(line.ends_with(&why) && line.contains("  exit code 78"), "{text}");
}

#[test]
fn a_stopped_launch_gives_top_one_line_and_no_wait_without_end() {
    let desk = Desk::new();
    desk.graph("desk", &[("a", "exec sleep 1000", "")]);
    let launched = desk.launch(&["desk.toml"]);
    launched.signal(Signal::STOP);
    let out = desk.verb(&["top", "--once"]);
    launched.signal(Signal::CONT);
    let text = String::from_utf8(out.stderr).unwrap();
    assert_eq!((out.status.code(), text.lines().count()), (Some(1), 1), "{text}");
    assert!(text.starts_with("launch: desk does not answer: it has not within 5s; was its launch stopped"), "{text}");
}

#[test]
fn top_without_a_graph_a_known_name_or_a_terminal_says_so() {
    let desk = Desk::new();
    let says = |args: &[&str], code: i32, text: &str| {
        let out = desk.verb(args);
        let err = String::from_utf8(out.stderr).unwrap();
        assert_eq!((out.status.code(), err.contains(text)), (Some(code), true), "{args:?} says {err}");
    };
    says(&["top"], 69, "no graph is running; start one with `launch FILE.toml`");
    desk.graph("t", &[("camera", "exec sleep 1000", "")]);
    let _launched = desk.launch(&["t.toml"]);
    says(&["top"], 0, "this is no terminal, so top prints once");
    says(&["top", "camrea", "--once"], 69, "did you mean camera?");
    says(&["top", "--every", "5ms"], 2, "100ms is the least");
    says(&["top", "--once", "--every", "1s"], 2, "cannot be used with");
}
