//! `launch chaos` breaks graphs of ours, says how they mended, and leaves nothing behind.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::{
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Output, Stdio},
    thread,
};

use offboard_tests::{Bed, exit_code, lives, signal, until, usage};
use rustix::process::Signal;
use serde_json::Value;

/// Two talkers and two listeners. A short window lets each be broken often.
fn zoo(bed: &Bed, more: &str) -> PathBuf {
    let node = |name: &str, rest: &str| {
        format!(
            "[node.{name}]\nrun = \"dummy\"\n{rest}\n\
             restart = {{ delay = \"1ms\", delay_max = \"1ms\", max = 1000, window = \"200ms\" }}\n"
        )
    };
    let listens = "params = { rate = 0 }\n\
        subscribe = { a = { topic = \"a/array\", keep = 1000 }, b = { topic = \"b/array\", keep = 1000 } }";
    let text = [
        "[graph]\nname = \"zoo\"\n".to_owned(),
        node("a", "params = { rate = 200 }"),
        node("b", "params = { rate = 100 }"),
        node("x", listens),
        node("y", listens),
        more.to_owned(),
    ];
    bed.file("zoo.toml", &text.concat())
}

/// The objects of one kind.
fn lines(output: &Output, kind: &str) -> Vec<Value> {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).filter(|line: &Value| line["kind"] == kind).collect()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn every_fault_is_mended_and_nobody_else_loses_a_message() {
    let bed = Bed::new();
    let file = zoo(&bed, "");
    let output = bed.verb(&["chaos", file.to_str().unwrap(), "--for", "10s", "--seed", "7", "--json"]);
    println!("{}", said(&output));
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(lines(&output, "begin")[0]["seed"], 7);
    let faults = lines(&output, "fault");
    assert!(faults.len() >= 4, "{} faults in 10 s", faults.len());
    for fault in &faults {
        assert_eq!((&fault["recovered"], &fault["lost_by_others"]), (&true.into(), &0.into()), "{fault}");
        assert!(fault["recover_ms"].as_f64().unwrap() >= 0.0, "{fault}");
        let ends = fault["fault"] != "slow";
        assert_eq!(fault["detect_ms"].is_number() && fault["renew_ms"].is_number(), ends, "{fault}");
    }
    let counted: u64 = lines(&output, "summary").iter().map(|sum| sum["n"].as_u64().unwrap()).sum();
    assert_eq!(counted, faults.len() as u64);
}

#[test]
fn the_same_seed_breaks_the_same_nodes_in_the_same_way() {
    let plan = |seed: &'static str| {
        thread::spawn(move || {
            let bed = Bed::new();
            let file = zoo(&bed, "");
            let output = bed.verb(&["chaos", file.to_str().unwrap(), "--for", "6s", "--seed", seed, "--json"]);
            let word = |fault: &Value| format!("{} {}", fault["fault"], fault["node"]);
            lines(&output, "fault").iter().map(word).take(3).collect::<Vec<_>>()
        })
    };
    let [one, two, other] = ["11", "11", "12"].map(plan).map(|plan| plan.join().unwrap());
    assert_eq!(one.len(), 3, "{one:?}");
    assert_eq!(one, two);
    assert_ne!(one, other);
}

#[test]
fn a_node_that_cannot_recover_is_named_and_the_exit_code_says_so() {
    let bed = Bed::new();
    let file = zoo(
        &bed,
        "[node.frail]\nrun = \"dummy\"\nparams = { rate = 100 }\nrestart = \"never\"\nwatchdog = \"500ms\"\n",
    );
    // By this seed it is killed second.
    let output = bed.verb(&["chaos", file.to_str().unwrap(), "--for", "8s", "--seed", "2"]);
    let said = said(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("not all is well (seed 2)") && said.contains("zoo:frail after kill"), "{said}");
    assert!(said.contains("SIGKILL, and it is never restarted"), "{said}");
    let table = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(table.lines().any(|line| line.contains("zoo:frail") && line.contains("never")), "{table}");
}

#[test]
fn a_wrong_graph_file_breaks_nothing() {
    let bed = Bed::new();
    let file = zoo(&bed, "[node.z]\nrun = \"nothing-of-this-name\"\n");
    let output = bed.verb(&["chaos", file.to_str().unwrap(), "--for", "1s"]);
    assert_eq!(output.status.code(), Some(78));
    assert!(said(&output).contains("nothing-of-this-name"), "{}", said(&output));
}

/// A chaos that has begun to break things, and all processes of it.
fn begun(bed: &Bed) -> (Child, Vec<u32>) {
    let mut chaos = bed.command("launch");
    chaos.arg("chaos").arg(zoo(bed, "")).args(["--for", "60s", "--seed", "1"]);
    let mut chaos = chaos.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let said = BufReader::new(chaos.stderr.take().unwrap());
    let (told, first) = std::sync::mpsc::channel();
    thread::spawn(move || {
        for line in said.lines().map_while(Result::ok).filter(|line| line.contains("recovered")) {
            let _ = told.send(line);
        }
    });
    first.recv_timeout(offboard_tests::LIMIT).unwrap();
    let family = usage::family(chaos.id());
    assert!(family.len() >= 7, "chaos, launch, guard and four nodes: {family:?}");
    (chaos, family)
}

#[test]
fn an_interrupted_chaos_ends_what_it_started() {
    let bed = Bed::new();
    let (mut chaos, family) = begun(&bed);
    signal(chaos.id(), Signal::INT);
    let status = until("chaos ends", || chaos.try_wait().unwrap());
    assert_eq!(exit_code(status), 130);
    assert!(!family.iter().any(|pid| lives(*pid)));
}

#[test]
fn a_killed_chaos_leaves_no_process() {
    let bed = Bed::new();
    let (mut chaos, family) = begun(&bed);
    chaos.kill().unwrap();
    chaos.wait().unwrap();
    until("all are gone", || (!family.iter().any(|pid| lives(*pid))).then_some(()));
}
