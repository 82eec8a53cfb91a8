//! Stories about graphs that change while they run: `launch reload` and `--watch`. They never edit a file that is not theirs.

use std::{
    fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::Output,
    time::{Duration, Instant},
};

use rustix::process::Signal;

use crate::{
    desk::{Desk, Launched, lives, send, until},
    stay,
};

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

/// What a reload says when it goes well.
fn reloaded(desk: &Desk) -> String {
    let out = desk.verb(&["reload"]);
    assert_eq!((text(out.stderr), out.status.code()), (String::new(), Some(0)));
    text(out.stdout)
}

/// What a reload says when it does not.
fn refused(desk: &Desk, code: i32) -> String {
    let Output { status, stderr, stdout } = desk.verb(&["reload"]);
    assert_eq!((status.code(), text(stdout)), (Some(code), String::new()));
    text(stderr)
}

fn nodes(desk: &Desk) -> Vec<String> {
    let out = text(desk.verb(&["ps", "--json"]).stdout);
    let name =
        |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["node"].as_str().unwrap().to_owned();
    out.lines().map(name).filter(|name| name != "launch").collect()
}

#[test]
fn a_changed_parameter_restarts_its_node_alone() {
    let desk = Desk::new();
    let graph = |rate: u32| {
        let params = format!("params = {{ rate = {rate} }}");
        desk.graph("t", &[("a", &stay("a"), &params), ("b", &stay("b"), ""), ("c", &stay("c"), "")]);
    };
    graph(1);
    let launched = desk.launch(&["t.toml"]);
    let first = desk.until_pids("a.pids", 1)[0];
    let others = [desk.until_pids("b.pids", 1), desk.until_pids("c.pids", 1)];
    assert_eq!(reloaded(&desk), "nothing changed for any node\n");
    graph(2);
    let out = text(desk.verb(&["reload", "t", "--json"]).stdout);
    let view: serde_json::Value = serde_json::from_str(&out).unwrap();
    let expected = serde_json::json!({
        "graph": "t", "restarted": ["a"], "started": [], "removed": [], "changed": [], "untouched": 2
    });
    assert_eq!(view, expected);
    let second = desk.until_pids("a.pids", 2)[1];
    assert!(!lives(first) && lives(second));
    assert_eq!([desk.pids("b.pids"), desk.pids("c.pids")], others);
    launched.until_log("t.toml was read again: restarted a; 2 untouched\n");
    // What nobody asked for does not count against it.
    assert_eq!(desk.until_state("a", "running")["last_end"], "as asked (SIGTERM)");
}

#[test]
fn a_new_listener_restarts_its_publisher_and_nobody_else() {
    let desk = Desk::new();
    let speaks = "echo $LAUNCH_PUB_X >> a.wiring; exec sleep 1000";
    let publish = "publish = { x = \"Array\" }";
    let listens = "subscribe = { x = \"a/x\" }";
    desk.graph("t", &[("a", speaks, publish), ("b", &stay("b"), listens)]);
    let _launched = desk.launch(&["t.toml"]);
    let b = desk.until_pids("b.pids", 1);
    let wiring = || fs::read_to_string(desk.path("a.wiring")).unwrap_or_default();
    until("a is told of its listener", || wiring().lines().count() == 1);
    let further = format!("{listens}\npublish = {{ y = \"Array\" }}");
    desk.graph("t", &[("a", speaks, publish), ("b", &stay("b"), listens), ("c", &stay("c"), &further)]);
    assert_eq!(reloaded(&desk), "restarted a; started c; 1 untouched\n");
    until("a is told of its new listener", || wiring().lines().count() == 2);
    assert!(wiring().lines().nth(1).unwrap().contains("-c.x"), "{}", wiring());
    desk.until_pids("c.pids", 1);
    assert!(text(desk.verb(&["topic", "list"]).stdout).contains("c/y"));
    // The old process left a socket behind, which goes with its edge.
    let socket = desk.path("r/t/a.x-c.x");
    fs::write(&socket, "").unwrap();
    desk.graph("t", &[("a", speaks, publish), ("b", &stay("b"), listens)]);
    assert_eq!(reloaded(&desk), "restarted a; removed c; 1 untouched\n");
    until("c is no more", || nodes(&desk) == ["a", "b"]);
    assert!(!lives(desk.pids("c.pids")[0]) && !socket.exists());
    assert_eq!(desk.pids("b.pids"), b);
}

#[test]
fn a_motor_that_is_removed_or_restarted_is_asked_first() {
    let desk = Desk::new();
    let motor = "trap 'echo neutral >> motor; exit 0' TERM; echo $$ >> a.pids; while :; do sleep 0.05; done";
    let told = || fs::read_to_string(desk.path("motor")).unwrap_or_default().lines().count();
    desk.graph("t", &[("a", motor, ""), ("b", &stay("b"), "")]);
    let _launched = desk.launch(&["t.toml"]);
    desk.until_pids("a.pids", 1);
    desk.graph("t", &[("a", motor, "params = { trim = 1 }"), ("b", &stay("b"), "")]);
    reloaded(&desk);
    desk.until_pids("a.pids", 2);
    assert_eq!(told(), 1);
    desk.graph("t", &[("b", &stay("b"), "")]);
    assert_eq!(reloaded(&desk), "removed a; 1 untouched\n");
    until("a is no more", || nodes(&desk) == ["b"]);
    assert_eq!(told(), 2);
    // It comes back as a new node.
    desk.graph("t", &[("a", motor, ""), ("b", &stay("b"), "")]);
    assert_eq!(reloaded(&desk), "started a; 1 untouched\n");
    desk.until_pids("a.pids", 3);
}

#[test]
fn how_a_node_is_supervised_changes_under_its_process() {
    let desk = Desk::new();
    desk.graph("t", &[("a", &stay("a"), ""), ("b", &stay("b"), "")]);
    let launched = desk.launch(&["t.toml"]);
    let pid = desk.until_pids("a.pids", 1)[0];
    desk.graph("t", &[("a", &stay("a"), "restart = \"never\""), ("b", &stay("b"), "")]);
    assert_eq!(reloaded(&desk), "changed a without a restart; 1 untouched\n");
    assert!(lives(pid));
    send(pid, Signal::KILL);
    launched.until_log("a is given up: SIGKILL, and it is never restarted");
    // What was given up is started again once its own settings are others.
    desk.graph("t", &[("a", &stay("a"), ""), ("b", &stay("b"), "")]);
    assert_eq!(reloaded(&desk), "changed a without a restart; 1 untouched\n");
    desk.until_pids("a.pids", 2);
    assert_eq!(desk.pids("b.pids").len(), 1);
}

#[test]
fn a_wrong_edit_changes_nothing_and_says_why() {
    let desk = Desk::new();
    let file = desk.graph("t", &[("a", &stay("a"), ""), ("b", &stay("b"), "")]);
    let good = fs::read(&file).unwrap();
    let mut launched = desk.launch(&["t.toml"]);
    let pids = [desk.until_pids("a.pids", 1), desk.until_pids("b.pids", 1)];
    desk.graph("t", &[("a", &stay("a"), "restrat = \"never\""), ("b", &stay("b"), "stop = 3\nparams = { x = 1 }")]);
    let says = refused(&desk, 78);
    let checked = text(desk.verb(&["check", "t.toml"]).stderr);
    assert_eq!(says, checked);
    assert!(says.contains("restrat") && says.contains("stop = 3") && says.contains('^'), "{says}");
    launched.until_log("t.toml: wrong, so nothing was changed; `launch check t.toml` shows all mistakes\n");
    let hostile: [&[u8]; 4] =
        [b"[graph]\nname = \"t\"\n[node.\"a\\u0000\"]\n", b"\0\0\0", b"\xff\xfe", &[b'['; 1 << 20]];
    for bytes in hostile {
        fs::write(&file, bytes).unwrap();
        refused(&desk, 78);
    }
    fs::write(&file, vec![b'#'; (1 << 20) + 1]).unwrap();
    assert!(refused(&desk, 78).contains("at most 1048576 bytes"));
    fs::remove_file(&file).unwrap();
    assert!(refused(&desk, 78).contains("cannot read t.toml"));
    fs::write(&file, text(good.clone()).replace("name = \"t\"", "name = \"u\"")).unwrap();
    let says = refused(&desk, 78);
    assert!(says.contains("is called u") && says.contains("write name = \"t\" again"), "{says}");
    fs::write(&file, good).unwrap();
    assert_eq!(reloaded(&desk), "nothing changed for any node\n");
    assert_eq!([desk.pids("a.pids"), desk.pids("b.pids")], pids);
    assert!(!launched.has_ended());
}

#[test]
fn hot_edits_of_a_crash_loop_are_taken_in_whole_or_not_at_all() {
    let desk = Desk::new();
    let graph = |version: usize| {
        let env = format!("env = {{ V = \"{version}\" }}");
        // It crashes with every version, and a third node is there with every other one only.
        let a = ("a", "echo $V >> a.versions; exit 1", env.as_str());
        let (b, c) = (("b", stay("b")), ("c", stay("c")));
        let (b, c) = ((b.0, b.1.as_str(), ""), (c.0, c.1.as_str(), ""));
        let all = [a, b, c];
        desk.graph("t", if version.is_multiple_of(2) { &all } else { &all[..2] })
    };
    graph(0);
    let mut launched = desk.launch(&["t.toml"]);
    let pid = desk.until_pids("b.pids", 1);
    for version in 1..=50 {
        let file = graph(version);
        if version % 5 == 0 {
            let good = fs::read(&file).unwrap();
            fs::write(&file, [good.as_slice(), b"[node.c]\nrun = 3\n[nose]\n"].concat()).unwrap();
            refused(&desk, 78);
            fs::write(&file, good).unwrap();
        }
        assert!(reloaded(&desk).starts_with("restarted a; "));
        // It waits, runs or was given up: in any case it is started with what the file says now.
        until("the new version runs", || desk.pids("a.versions").contains(&i32::try_from(version).unwrap()));
    }
    let versions = desk.pids("a.versions");
    assert!(versions.is_sorted(), "a process was started with what was no longer so: {versions:?}");
    assert_eq!(versions.last(), Some(&50));
    assert_eq!((desk.pids("b.pids"), launched.has_ended()), (pid, false));
    assert_eq!(nodes(&desk).len(), 3);
    until("all but one c are gone", || desk.pids("c.pids").iter().filter(|pid| lives(**pid)).count() == 1);
}

#[test]
fn a_slow_program_does_not_keep_the_rest_from_being_supervised() {
    let desk = Desk::new();
    // Asked what it is, it is silent until it is given up.
    let slow = |version: u32| {
        let script = "[ \"$1\" = --describe ] && { echo $$ >> asked.pids; exec sleep 1000; }; echo $$ >> slow.pids; exec sleep 1000";
        program(&desk.path("slow"), &format!("{script} # {version}"));
    };
    slow(1);
    let graph = |param: u32| {
        let file = desk.graph("t", &[("b", &stay("b"), &format!("params = {{ x = {param} }}")), ("c", &stay("c"), "")]);
        let mut text = fs::read_to_string(&file).unwrap();
        text += "[node.slow]\n";
        fs::write(file, text).unwrap();
    };
    graph(1);
    let _launched = desk.launch(&["t.toml"]);
    let c = desk.until_pids("c.pids", 1)[0];
    graph(2);
    slow(2);
    let mut asked = [desk.command(&["reload"]), desk.command(&["reload"])].map(|mut verb| verb.spawn().unwrap());
    send(c, Signal::KILL);
    desk.until_pids("c.pids", 2);
    assert!(asked.iter_mut().all(|verb| verb.try_wait().unwrap().is_none()), "the reload was over before");
    assert!(asked.iter_mut().all(|verb| verb.wait().unwrap().success()));
    desk.until_pids("b.pids", 2);
    assert_eq!((desk.pids("b.pids").len(), desk.pids("slow.pids").len()), (2, 1));
    // Both wishes were one reading or two, but the program is not asked again: it may be one that drives instead of answering.
    assert_eq!(desk.pids("asked.pids").len(), 2);
    assert!(!desk.pids("asked.pids").iter().any(|pid| lives(*pid)));
}

#[test]
fn which_graph_is_reloaded_must_be_clear_and_it_must_not_be_ending() {
    let desk = Desk::new();
    let deaf = "trap '' TERM; echo $$ >> a.pids; while :; do sleep 0.1; done";
    desk.graph("robot", &[("a", deaf, "stop = \"10s\"")]);
    desk.graph("desktop", &[("b", &stay("b"), "")]);
    let launched = desk.launch(&["robot.toml", "desktop.toml"]);
    desk.until_pids("a.pids", 1);
    assert!(refused(&desk, 2).contains("several graphs are running: desktop, robot; say which to reload"));
    let says = |args: &[&str], code: i32, what: &str| {
        let out = desk.verb(args);
        let err = text(out.stderr);
        assert_eq!((out.status.code(), err.contains(what)), (Some(code), true), "{args:?} says {err}");
    };
    says(&["reload", "b"], 2, "b is a node; reload takes a graph: `launch reload desktop`");
    says(&["reload", "robt"], 69, "did you mean robot?");
    // Both are checked, one is taken in.
    desk.graph("robot", &[("a", deaf, "params = { x = 1 }")]);
    desk.graph("desktop", &[("b", &stay("b"), "params = { x = 1 }")]);
    assert_eq!(text(desk.verb(&["reload", "desktop"]).stdout), "restarted b; 0 untouched\n");
    assert_eq!(desk.pids("a.pids").len(), 1);
    launched.signal(Signal::TERM);
    launched.until_log("stopping (SIGTERM)");
    says(&["reload", "robot"], 69, "robot is about to end");
}

fn program(path: &Path, script: &str) {
    // Moved into its place, as a compiler's.
    let beside = path.with_extension("new");
    fs::write(&beside, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&beside, fs::Permissions::from_mode(0o700)).unwrap();
    fs::rename(beside, path).unwrap();
}

fn watched(desk: &Desk) -> Launched {
    let mut graph = "[graph]\nname = \"t\"\n".to_owned();
    for (node, run) in [("a", "sh a.sh"), ("b", "./b"), ("c", "sh c.sh")] {
        graph += &format!("[node.{node}]\nrun = \"{run}\"\n");
    }
    fs::write(desk.path("t.toml"), graph).unwrap();
    fs::write(desk.path("a.sh"), stay("a")).unwrap();
    program(&desk.path("b"), &stay("b"));
    fs::write(desk.path("c.sh"), stay("c")).unwrap();
    let launched = desk.launch(&["t.toml", "--watch"]);
    for name in ["a.pids", "b.pids", "c.pids"] {
        desk.until_pids(name, 1);
    }
    launched
}

#[test]
fn who_watches_runs_what_was_written_and_leaves_the_rest_alone() {
    let desk = Desk::new();
    let launched = watched(&desk);
    let began = Instant::now();
    fs::write(desk.path("a.sh"), format!("# edited\n{}", stay("a"))).unwrap();
    desk.until_pids("a.pids", 2);
    let script = began.elapsed();
    launched.until_log("a.sh was changed");
    let began = Instant::now();
    program(&desk.path("b"), &format!("# built\n{}", stay("b")));
    desk.until_pids("b.pids", 2);
    // Within a second on a machine of one's own.
    println!("edit to new process: script {script:?}, program {:?}", began.elapsed());
    assert!(script.max(began.elapsed()) < Duration::from_secs(5));
    assert_eq!(["a.pids", "b.pids", "c.pids"].map(|name| desk.pids(name).len()), [2, 2, 1]);
    // What was given up is what one mends; what a person stopped stays so.
    fs::write(desk.path("a.sh"), "exit 78").unwrap();
    desk.until_state("a", "failed");
    assert!(desk.verb(&["stop", "c"]).status.success());
    desk.until_state("c", "stopped");
    fs::write(desk.path("c.sh"), format!("# edited\n{}", stay("c"))).unwrap();
    fs::write(desk.path("a.sh"), stay("a")).unwrap();
    desk.until_pids("a.pids", 3);
    program(&desk.path("b"), &stay("b"));
    desk.until_pids("b.pids", 3);
    assert_eq!(desk.until_state("c", "stopped")["restarts"], 0);
    assert_eq!(desk.pids("c.pids").len(), 1);
}

#[test]
fn who_watches_takes_in_the_graph_file_and_what_it_includes() {
    let desk = Desk::new();
    let launched = watched(&desk);
    let file = desk.path("t.toml");
    let good = fs::read_to_string(&file).unwrap();
    fs::write(&file, good.replace("sh c.sh\"", "sh c.sh\"\nparams = { x = 1 }\nrestrat = 1")).unwrap();
    launched.until_log("t.toml: wrong, so nothing was changed");
    launched.until_log("restrat = 1");
    fs::write(desk.path("more.toml"), "[node.c]\nenv = { A = \"1\" }\n").unwrap();
    // As editors do: another file is moved into its place.
    fs::write(desk.path("t.toml~"), format!("include = [\"more.toml\"]\n{good}")).unwrap();
    fs::rename(desk.path("t.toml~"), &file).unwrap();
    launched.until_log("t.toml was read again: restarted c; 2 untouched");
    desk.until_pids("c.pids", 2);
    fs::write(desk.path("more.toml"), "[node.c]\nenv = { A = \"22\" }\n").unwrap();
    desk.until_pids("c.pids", 3);
    assert_eq!(launched.log().matches("restrat = 1").count(), 1, "mistakes are told once");
    assert_eq!(["a.pids", "b.pids"].map(|name| desk.pids(name).len()), [1, 1]);
}

#[test]
fn a_program_that_is_being_written_is_waited_for() {
    let desk = Desk::new();
    fs::copy("/bin/sleep", desk.path("prog")).unwrap();
    let graph = "[graph]\nname = \"t\"\n[node.a]\nrun = \"./prog 1000\"\nrestart = { max = 2 }\n";
    fs::write(desk.path("t.toml"), graph).unwrap();
    let launched = desk.launch(&["t.toml"]);
    let pid = desk.until_state("a", "running")["pid"].as_i64().unwrap();
    fs::copy("/bin/sleep", desk.path("prog.new")).unwrap();
    let mut writing = fs::OpenOptions::new().append(true).open(desk.path("prog.new")).unwrap();
    fs::rename(desk.path("prog.new"), desk.path("prog")).unwrap();
    send(pid.try_into().unwrap(), Signal::KILL);
    // One end more would be one too many.
    launched.until_log("Text file busy");
    until("it was tried twice", || desk.node("a")["restarts"].as_u64() >= Some(2));
    writing.flush().unwrap();
    drop(writing);
    desk.until_state("a", "running");
}
