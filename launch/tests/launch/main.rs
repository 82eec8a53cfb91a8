//! Stories about the real `launch` with foreign nodes: shell scripts that know nothing of it.
//! They never look at the clock for what a fact can tell.

#![expect(clippy::unwrap_used, reason = "a story that cannot go on has failed")]

use std::{
    os::unix::net::UnixDatagram,
    time::{Duration, Instant},
};

use rustix::process::Signal;

use crate::desk::{Desk, lives, send, until, until_so};

mod calibrate;
mod contain;
mod desk;
mod events;
mod journal;
mod recordings;
mod reload;
mod tools;
mod top;
mod topics;

/// Notes its number and stays.
fn stay(name: &str) -> String {
    format!("echo $$ >> {name}.pids; exec sleep 1000")
}

#[test]
fn a_killed_node_restarts_alone() {
    let desk = Desk::new();
    desk.graph("t", &[("a", &stay("a"), ""), ("b", &stay("b"), "")]);
    let _launched = desk.launch(&["t.toml"]);
    let (first, other) = (desk.until_pids("a.pids", 1)[0], desk.until_pids("b.pids", 1)[0]);
    send(first, Signal::KILL);
    let second = desk.until_pids("a.pids", 2)[1];
    assert!(!lives(first) && lives(second) && lives(other));
    assert_eq!(desk.pids("b.pids").len(), 1);
    let node = desk.node("t:a");
    assert_eq!(
        (&node["state"], &node["restarts"], &node["last_end"]),
        (&"running".into(), &1.into(), &"SIGKILL".into())
    );
}

#[test]
fn a_crash_loop_is_given_up_with_its_last_words_and_the_rest_keeps_running() {
    let desk = Desk::new();
    desk.graph("t", &[("a", "echo $$ >> a.pids; echo no device; exit 3", ""), ("b", &stay("b"), "")]);
    let mut launched = desk.launch(&["t.toml"]);
    launched.until_log("a is given up: it ended 5 times within 10 s, the last time with exit code 3");
    launched.until_log("launch |     no device\n");
    assert_eq!((desk.pids("a.pids").len(), desk.pids("b.pids").len()), (5, 1));
    assert_eq!(desk.until_state("a", "failed")["last_end"], "exit code 3");
    assert!(!launched.has_ended());
    // A person who mended it starts it again.
    assert!(desk.verb(&["start", "a"]).status.success());
    desk.until_pids("a.pids", 6);
}

#[test]
fn a_wrong_configuration_is_not_tried_again() {
    let desk = Desk::new();
    desk.graph("t", &[("a", "echo $$ >> a.pids; exit 78", ""), ("b", &stay("b"), "")]);
    let launched = desk.launch(&["t.toml"]);
    launched.until_log("a is given up: exit code 78");
    assert_eq!(desk.pids("a.pids").len(), 1);
}

#[test]
fn a_graph_whose_nodes_are_all_over_ends() {
    let desk = Desk::new();
    desk.graph("well", &[("a", "exit 0", "restart = \"on-failure\"")]);
    desk.graph("ill", &[("a", "exit 78", ""), ("b", "exit 0", "restart = \"never\"")]);
    assert_eq!(desk.launch(&["well.toml"]).end(), Some(0));
    assert_eq!(desk.launch(&["ill.toml"]).end(), Some(70));
}

#[test]
fn a_required_node_ends_the_graph() {
    let desk = Desk::new();
    desk.graph("t", &[("a", "exit 78", "required = true"), ("b", &stay("b"), "")]);
    let mut launched = desk.launch(&["t.toml"]);
    assert_eq!(launched.end(), Some(70));
    assert!(!desk.pids("b.pids").iter().any(|pid| lives(*pid)));
}

#[test]
fn what_a_node_leaves_behind_ends_before_it_is_started_again() {
    let desk = Desk::new();
    let script = "echo $$ >> a.pids; sleep 1001 & echo $! >> kids; setsid sleep 1002 & echo $! >> kids; wait";
    desk.graph("t", &[("a", script, "")]);
    let _launched = desk.launch(&["t.toml"]);
    let (first, kids) = (desk.until_pids("a.pids", 1)[0], desk.until_pids("kids", 2));
    // The second child must have left the group, else it is not the one meant.
    until("a child left its group", || group(kids[1]) == Some(kids[1]));
    send(first, Signal::KILL);
    desk.until_pids("a.pids", 2);
    assert!(!kids.iter().any(|kid| lives(*kid)), "a child of the old process lives beside the new one");
}

fn group(pid: i32) -> Option<i32> {
    let pid = rustix::process::Pid::from_raw(pid)?;
    Some(rustix::process::getpgid(Some(pid)).ok()?.as_raw_nonzero().get())
}

/// A node with everything that tends to survive: a child, one in a session of its own, one that ignores TERM.
const CLINGING: &str = "echo $$ >> pids; sleep 1001 & echo $! >> pids; setsid sh -c 'echo $$ >> pids; exec sleep 1002' & \
    sh -c 'trap \"\" TERM; echo $$ >> pids; while :; do sleep 1; done' & wait";

#[test]
fn a_killed_launch_leaves_nothing_behind() {
    let desk = Desk::new();
    desk.graph("t", &[("a", CLINGING, ""), ("b", CLINGING, "")]);
    let mut launched = desk.launch(&["t.toml"]);
    let pids = desk.until_pids("pids", 8);
    launched.signal(Signal::KILL);
    assert_eq!(launched.end(), None);
    until("all nodes are gone", || !pids.iter().any(|pid| lives(*pid)));
    until("the runtime files are gone", || !desk.path("r/t").exists());
}

#[test]
fn a_stopped_launch_leaves_nothing_behind() {
    let desk = Desk::new();
    desk.graph("t", &[("a", CLINGING, "stop = \"200ms\""), ("b", CLINGING, "stop = \"200ms\"")]);
    let mut launched = desk.launch(&["t.toml"]);
    let pids = desk.until_pids("pids", 8);
    launched.signal(Signal::TERM);
    assert_eq!(launched.end(), Some(143));
    assert!(!pids.iter().any(|pid| lives(*pid)), "{}", launched.log());
    assert!(!desk.path("r/t").exists());
}

#[test]
fn a_launch_that_does_not_answer_is_not_taken_for_none() {
    let desk = Desk::new();
    let file = desk.graph("desk", &[("a", &stay("a"), "")]);
    let launched = desk.launch(&[file.to_str().unwrap()]);
    launched.signal(Signal::STOP);
    for verb in [["ps", "desk"], ["stop", "desk"]] {
        let out = desk.verb(&verb);
        assert_eq!(out.status.code(), Some(1));
        let text = String::from_utf8(out.stderr).unwrap();
        assert!(
            text.starts_with("launch: desk does not answer: it has not within 5s; was its launch stopped"),
            "{text}"
        );
    }
    launched.signal(Signal::CONT);
    assert_eq!(desk.until_state("a", "running")["restarts"], 0);
}

#[test]
fn the_next_launch_clears_up_after_one_that_died_with_its_guard() {
    let desk = Desk::new();
    // Deaf, for launch's own end asks a node to end, too.
    let deaf = "trap \"\" TERM; echo $$ >> a.pids; while :; do sleep 1; done";
    desk.graph("t", &[("a", deaf, "")]);
    let mut first = desk.launch(&["t.toml"]);
    let pid = desk.until_pids("a.pids", 1)[0];
    // Stopped, it cannot replace its guard, nor can the guard outlive it.
    let guard = guard(first.pid());
    first.signal(Signal::STOP);
    until("launch is stopped", || is_stopped(first.pid()));
    send(guard, Signal::KILL);
    first.signal(Signal::KILL);
    first.end();
    assert!(lives(pid));
    let _second = desk.launch(&["t.toml"]);
    until("what was left is gone", || !lives(pid));
    assert!(contain::groups(first.pid()).is_empty(), "its control groups are left");
    desk.until_pids("a.pids", 2);
    assert_eq!(desk.node("a")["state"], "running");
}

/// The guards on this machine and their parents.
fn guards() -> Vec<(i32, i32)> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let guard = |entry: std::fs::DirEntry| {
        let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
        let (name, rest) = stat.rsplit_once(')')?;
        let parent = rest.split_whitespace().nth(1)?.parse().ok()?;
        name.ends_with("(offboard-guard").then_some((entry.file_name().to_str()?.parse().ok()?, parent))
    };
    entries.filter_map(guard).collect()
}

fn is_stopped(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with('T'))
}

fn guard(launch: i32) -> i32 {
    let mut found = None;
    until("launch has a guard", || {
        found = guards().into_iter().find(|(_, parent)| *parent == launch).map(|(guard, _)| guard);
        found.is_some()
    });
    found.unwrap()
}

#[test]
fn a_killed_guard_is_replaced_and_does_its_work() {
    let desk = Desk::new();
    desk.graph("t", &[("a", CLINGING, "")]);
    let mut launched = desk.launch(&["t.toml"]);
    let pids = desk.until_pids("pids", 4);
    let first = guard(launched.pid());
    send(first, Signal::KILL);
    until("there is another guard", || guards().iter().any(|(pid, parent)| *parent == launched.pid() && *pid != first));
    launched.signal(Signal::KILL);
    launched.end();
    until("all nodes are gone", || !pids.iter().any(|pid| lives(*pid)));
}

#[test]
fn nodes_inherit_nothing_but_their_output() {
    let desk = Desk::new();
    desk.graph("t", &[("a", &stay("a"), "")]);
    let launched = desk.launch(&["t.toml"]);
    let (node, guard) = (desk.until_pids("a.pids", 1)[0], guard(launched.pid()));
    // What this test itself was given without asking goes to every process.
    let mut expected = numbers("/proc/self/fdinfo");
    expected.retain(|fd| *fd < 3 || is_inherited(*fd));
    for pid in [node, guard] {
        let open = || numbers(&format!("/proc/{pid}/fd"));
        // A process that just began opens and closes files of its own.
        assert!(until_so(|| open() == expected), "{pid} has {:?}, not {expected:?}", open());
    }
}

fn numbers(dir: &str) -> Vec<i32> {
    let names = std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.file_name());
    let mut numbers: Vec<i32> = names.filter_map(|name| name.to_str()?.parse().ok()).collect();
    numbers.sort_unstable();
    numbers
}

fn is_inherited(fd: i32) -> bool {
    const CLOEXEC: u32 = 0o2_000_000;
    let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).unwrap_or_default();
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
    flags.is_some_and(|flags| u32::from_str_radix(flags.trim(), 8).is_ok_and(|flags| flags & CLOEXEC == 0))
}

#[test]
fn a_second_launch_is_refused_and_told_who_runs_it() {
    let desk = Desk::new();
    let file = desk.graph("t", &[("a", &stay("a"), "")]);
    let first = desk.launch(&["t.toml"]);
    desk.until_pids("a.pids", 1);
    let begin = Instant::now();
    let second = desk.verb(&["t.toml"]);
    let took = begin.elapsed();
    let says = String::from_utf8(second.stderr).unwrap();
    assert_eq!(second.status.code(), Some(1));
    assert!(says.contains(&format!("t is already running: process {} runs {}", first.pid(), file.display())), "{says}");
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert_eq!(desk.pids("a.pids").len(), 1);
}

#[test]
fn a_node_that_ignores_term_is_killed_after_its_grace() {
    let desk = Desk::new();
    let deaf = "trap \"\" TERM; echo $$ >> a.pids; while :; do sleep 1; done";
    desk.graph("t", &[("a", deaf, "stop = \"300ms\""), ("b", &stay("b"), "")]);
    let mut launched = desk.launch(&["t.toml"]);
    let pids = [desk.until_pids("a.pids", 1), desk.until_pids("b.pids", 1)].concat();
    launched.signal(Signal::INT);
    assert_eq!(launched.end(), Some(130));
    launched.until_log("a did not end within 3");
    assert!(!launched.log().contains("b did not end"));
    assert!(!pids.iter().any(|pid| lives(*pid)));
}

#[test]
fn a_second_ctrl_c_kills_at_once() {
    let desk = Desk::new();
    let deaf = "trap \"\" TERM; echo $$ >> a.pids; while :; do sleep 1; done";
    desk.graph("t", &[("a", deaf, "stop = \"10m\"")]);
    let mut launched = desk.launch(&["t.toml"]);
    let pid = desk.until_pids("a.pids", 1)[0];
    launched.signal(Signal::INT);
    launched.until_log("stopping (SIGINT)");
    // Signals within a tenth of a second are one wish, so it is said until it is understood.
    let ended = until_so(|| {
        if !launched.has_ended() {
            launched.signal(Signal::INT);
        }
        launched.has_ended()
    });
    assert!(ended, "{}", launched.log());
    assert_eq!((launched.end(), lives(pid)), (Some(130), false));
}

#[test]
fn a_stopped_process_ends_when_asked() {
    let desk = Desk::new();
    desk.graph("t", &[("a", &stay("a"), "stop = \"10m\"")]);
    let mut launched = desk.launch(&["t.toml"]);
    send(desk.until_pids("a.pids", 1)[0], Signal::STOP);
    launched.signal(Signal::TERM);
    assert_eq!(launched.end(), Some(143));
}

#[test]
fn a_silent_work_loop_is_a_hang_and_is_replaced() {
    let desk = Desk::new();
    desk.graph("t", &[("a", &stay("a"), "")]);
    let launched = desk.launch(&["t.toml"]);
    desk.until_pids("a.pids", 1);
    let status = UnixDatagram::unbound().unwrap();
    for beat in ["nobody 1\n", "rubbish", "a 7\n"] {
        status.send_to(beat.as_bytes(), desk.path("r/t/status")).unwrap();
    }
    desk.until_state("a", "ready");
    launched.until_log("a hangs: its work loop has been silent for 1.0s");
    desk.until_pids("a.pids", 2);
}

#[test]
fn a_node_that_is_never_ready_is_replaced() {
    let desk = Desk::new();
    desk.graph(
        "t",
        &[("a", &stay("a"), "watchdog = \"10s\"\nready = \"200ms\""), ("b", &stay("b"), "after = [\"a\"]")],
    );
    let launched = desk.launch(&["t.toml"]);
    launched.until_log("a said nothing within 2");
    desk.until_pids("a.pids", 2);
    assert!(desk.pids("b.pids").is_empty());
    let status = UnixDatagram::unbound().unwrap();
    let mut life = 0;
    until("b is started once a is ready", || {
        life += 1;
        let _ = status.send_to(format!("a {life}\n").as_bytes(), desk.path("r/t/status"));
        !desk.pids("b.pids").is_empty()
    });
}

#[test]
fn people_restart_and_stop_single_nodes_and_graphs() {
    let desk = Desk::new();
    desk.graph("t", &[("a", &stay("a"), ""), ("b", &stay("b"), "")]);
    let mut launched = desk.launch(&["t.toml"]);
    desk.until_pids("a.pids", 1);
    assert!(desk.verb(&["restart", "a"]).status.success());
    let second = desk.until_pids("a.pids", 2)[1];
    assert!(desk.verb(&["stop", "t:a"]).status.success());
    desk.until_state("a", "stopped");
    assert!(!lives(second));
    assert!(desk.verb(&["stop"]).status.success());
    assert_eq!(launched.end(), Some(0));
    assert_eq!(desk.pids("b.pids").len(), 1);
}

#[test]
fn names_that_nothing_has_are_explained() {
    let desk = Desk::new();
    let says = |args: &[&str], code: i32, text: &str| {
        let out = desk.verb(args);
        let err = String::from_utf8(out.stderr).unwrap();
        assert_eq!((out.status.code(), err.contains(text)), (Some(code), true), "{args:?} says {err}");
    };
    says(&["stop"], 69, "no graph is running");
    says(&["topic", "list"], 69, "no graph is running");
    desk.graph("t", &[("camera", &stay("a"), "")]);
    let _launched = desk.launch(&["t.toml"]);
    says(&["restart", "camrea"], 69, "nothing called camrea is running; did you mean camera?");
    says(&["ps", "robot"], 69, "nothing called robot is running");
    says(&["restart", "t"], 2, "t is a graph");
    says(&["topic", "hz", "a/b"], 69, "there is no topic a/b");
    says(&["chekc", "t.toml"], 2, "no such verb or file: chekc; did you mean check?");
    says(&["--set", "a=1", "chekc"], 2, "did you mean check?");
    says(&["topic", "eco"], 2, "echo");
    says(&["t.toml", "--set", "rate"], 2, "--set");
    says(&["none.toml"], 78, "cannot read none.toml");
}

#[test]
fn check_finds_all_mistakes_and_starts_nothing() {
    let desk = Desk::new();
    desk.graph("well", &[("a", &stay("a"), "")]);
    let well = desk.verb(&["check", "well.toml"]);
    assert_eq!(String::from_utf8(well.stdout).unwrap(), "well.toml: well is well, 1 node, 0 edges\n");
    assert_eq!(well.status.code(), Some(0));
    desk.graph("ill", &[("a", &stay("a"), "restrat = \"never\""), ("b", &stay("b"), "stop = 3")]);
    for args in [["check", "ill.toml"], ["run", "ill.toml"], ["graph", "ill.toml"]] {
        let ill = desk.verb(&args);
        let says = String::from_utf8(ill.stderr).unwrap();
        assert_eq!(ill.status.code(), Some(78));
        assert!(says.contains("restrat") && says.contains("stop = 3"), "{says}");
    }
    assert!(desk.pids("a.pids").is_empty());
}

#[test]
fn two_graphs_in_one_launch_are_told_apart() {
    let desk = Desk::new();
    desk.graph("robot", &[("a", "echo hello; exec sleep 1000", "")]);
    desk.graph("desktop", &[("a", "echo hello; exec sleep 1000", "")]);
    let mut launched = desk.launch(&["robot.toml", "desktop.toml"]);
    launched.until_log("robot:a        | hello\n");
    launched.until_log("desktop:a      | hello\n");
    let ps = String::from_utf8(desk.verb(&["ps"]).stdout).unwrap();
    assert_eq!(
        ps.lines().map(|line| line.split_whitespace().next().unwrap()).collect::<Vec<_>>(),
        ["GRAPH", "desktop", "robot"]
    );
    assert_eq!(desk.verb(&["stop", "robot"]).status.code(), Some(0));
    assert!(!launched.has_ended());
    assert_eq!(desk.node("a")["graph"], "desktop");
    launched.signal(Signal::TERM);
    assert_eq!(launched.end(), Some(143));
}

#[test]
fn machines_read_one_object_a_line() {
    let desk = Desk::new();
    desk.graph("t", &[("a", "printf 'WARN slow\\n\\033[2Jx\\n' >&2; exec sleep 1000", "")]);
    let launched = desk.launch(&["t.toml", "--log", "json"]);
    launched.until_log("slow");
    launched.until_log("[2Jx");
    let log = launched.log();
    let records: Vec<serde_json::Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let slow = records.iter().find(|record| record["message"] == "slow").unwrap();
    assert_eq!((&slow["graph"], &slow["node"], &slow["level"]), (&"t".into(), &"a".into(), &"warn".into()));
    assert!(slow["ts"].as_str().unwrap().ends_with('Z'));
    assert!(!log.contains('\u{1b}'));
}

#[test]
fn a_flood_without_a_line_end_takes_bounded_memory_and_blocks_nobody() {
    let desk = Desk::new();
    desk.graph(
        "t",
        &[("a", "head -c 300000000 /dev/zero; echo; echo $$ >> a.pids; exec sleep 1000", ""), ("b", &stay("b"), "")],
    );
    let launched = desk.launch(&["t.toml"]);
    desk.until_pids("a.pids", 1);
    let status = std::fs::read_to_string(format!("/proc/{}/status", launched.pid())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap().trim();
    let peak: u64 = peak.strip_suffix(" kB").unwrap().parse().unwrap();
    assert!(peak < 24 << 10, "launch took {peak} kB at its peak");
    launched.until_log("bytes more)");
    assert_eq!(desk.node("b")["restarts"], 0);
}

#[test]
fn a_missing_program_that_vanishes_later_is_told() {
    let desk = Desk::new();
    let program = desk.path("prog");
    std::os::unix::fs::symlink("/bin/sleep", &program).unwrap();
    std::fs::write(desk.path("t.toml"), "[graph]\nname = \"t\"\n[node.a]\nrun = \"./prog 1000\"\n").unwrap();
    let launched = desk.launch(&["t.toml"]);
    let pid = desk.until_state("a", "running")["pid"].as_i64().unwrap();
    std::fs::remove_file(program).unwrap();
    send(pid.try_into().unwrap(), Signal::KILL);
    launched.until_log("a cannot be started: no program ./prog");
}
