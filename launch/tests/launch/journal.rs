//! Stories about what nodes wrote: files that rotate, floods, full disks, and `launch logs`.

use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
};

use rustix::process::Signal;

use crate::desk::{Desk, send, until, until_so};

/// How much launch may grow under a flood, in KiB.
const GROWTH_MAX: u64 = 16 << 10;

fn logs(desk: &Desk, args: &[&str]) -> String {
    let out = desk.verb(&[&["logs"], args].concat());
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}

fn fails(desk: &Desk, args: &[&str]) -> (Option<i32>, String) {
    let out = desk.verb(&[&["logs"], args].concat());
    (out.status.code(), String::from_utf8(out.stderr).unwrap())
}

/// `launch logs -f`, read as it comes.
struct Follower(Child, Arc<Mutex<Vec<String>>>);

impl Follower {
    fn new(desk: &Desk, args: &[&str]) -> Follower {
        let mut child = desk
            .command(&[&["logs", "-f"], args].concat())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (from, to) = (child.stdout.take().unwrap(), lines.clone());
        thread::spawn(move || {
            BufReader::new(from).lines().map_while(Result::ok).for_each(|line| to.lock().unwrap().push(line));
        });
        Follower(child, lines)
    }

    fn lines(&self) -> Vec<String> {
        self.1.lock().unwrap().clone()
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn resident_kib(pid: i32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

/// How much of its processor time launch may spend is no fact; how far another node got is.
fn count(desk: &Desk, name: &str) -> usize {
    desk.pids(name).len()
}

/// Counts on in a file of its own, a hundred times a second.
const TICKS: &str = "while :; do echo 1 >> ticks; sleep 0.01; done";

#[test]
fn rotation_loses_nothing_and_files_outlive_their_graph() {
    let desk = Desk::new();
    let once = "restart = \"never\"\nlog = { size = \"128KiB\", keep = 100 }";
    desk.graph("t", &[("a", "seq 1 20000; echo no end | tr -d '\\n'", once)]);
    assert_eq!(desk.launch(&["t.toml"]).end(), Some(0));
    let text = logs(&desk, &["a", "--json"]);
    let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines[0]["message"].as_str().unwrap().starts_with("-- process "));
    let messages: Vec<&str> = lines[1..].iter().map(|line| line["message"].as_str().unwrap()).collect();
    let wanted: Vec<String> = (1..=20_000).map(|number| number.to_string()).chain(["no end".to_owned()]).collect();
    assert!(messages == wanted, "{} lines, the last {:?}", messages.len(), messages.last());
    let sizes: Vec<u64> = fs::read_dir(desk.path("log/t"))
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("a.log"))
        .map(|entry| entry.metadata().unwrap().len())
        .collect();
    assert!(sizes.len() > 4 && sizes.iter().all(|size| *size <= 128 << 10), "{sizes:?}");
    let mode = |path: &str| fs::metadata(desk.path(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("log"), mode("log/t"), mode("log/t/a.log")), (0o700, 0o700, 0o600));
}

#[test]
fn what_comes_is_followed_over_a_restart_and_rotations() {
    let desk = Desk::new();
    let script = "echo $$ >> pids; while :; do i=$((i+1)); echo $i; [ $((i % 2000)) = 0 ] && sleep 0.05; done";
    desk.graph("t", &[("a", script, "log = { size = \"128KiB\", keep = 100 }")]);
    let _launched = desk.launch(&["t.toml"]);
    until("its file is there", || desk.path("log/t/a.log").exists());
    let follower = Follower::new(&desk, &["a", "-n", "1000000"]);
    let pid = desk.until_pids("pids", 1)[0];
    until("some files are full", || desk.path("log/t/a.log.3").exists());
    send(pid, Signal::KILL);
    desk.until_pids("pids", 2);
    until("the new process is followed through a rotation", || {
        let lines = follower.lines();
        let second = lines.iter().skip(1).position(|line| line.contains("-- process "));
        second.is_some_and(|at| lines.len() - at > 6000)
    });
    let mut next = 0;
    for line in follower.lines() {
        let said = line.strip_prefix("a | ").unwrap_or_else(|| panic!("{line}"));
        if said.starts_with("-- process ") {
            next = 1;
        } else {
            assert_eq!(said, next.to_string());
            next += 1;
        }
    }
}

#[test]
fn lines_are_chosen_by_word_level_age_and_number() {
    let desk = Desk::new();
    let script = "echo DEBUG small; echo plain; echo 'WARN no device'; echo 'ERROR no frame'; exec sleep 1000";
    desk.graph("t", &[("a", script, ""), ("b", "echo WARN b; exec sleep 1000", "")]);
    let _launched = desk.launch(&["t.toml"]);
    until("both spoke", || {
        let text = desk.verb(&["logs"]).stdout;
        let text = String::from_utf8_lossy(&text);
        text.contains("no frame") && text.contains("WARN b")
    });
    assert_eq!(logs(&desk, &["a", "--level", "warn"]), "a | WARN no device\na | ERROR no frame\n");
    assert_eq!(logs(&desk, &["t:a", "--grep", "^no (device|x)"]), "a | WARN no device\n");
    assert_eq!(logs(&desk, &["a", "-n", "1"]), "a | ERROR no frame\n");
    assert_eq!(logs(&desk, &["a", "--since", "1h", "--grep", "plain"]), "a | plain\n");
    thread::sleep(std::time::Duration::from_millis(20));
    assert_eq!(logs(&desk, &["a", "--since", "10ms"]), "");
    let color = logs(&desk, &["a", "--level", "error", "--color", "always"]);
    assert_eq!(color, "\u{1b}[36ma |\u{1b}[0m \u{1b}[1m\u{1b}[31mERROR\u{1b}[0m no frame\n");
    let timed = logs(&desk, &["a", "--level", "error", "-t"]);
    assert!(timed.starts_with("a | 20") && timed.ends_with("Z ERROR no frame\n"), "{timed}");
    let all = logs(&desk, &["t"]);
    assert!(all.contains("launch | t runs 2 nodes: a, b\n") && all.contains("b      | WARN b\n"), "{all}");
    let line: serde_json::Value = serde_json::from_str(&logs(&desk, &["a", "--level", "error", "--json"])).unwrap();
    assert_eq!(
        (&line["graph"], &line["node"], &line["level"], &line["message"]),
        (&"t".into(), &"a".into(), &"error".into(), &"no frame".into())
    );
}

#[test]
fn what_is_typed_wrong_is_told_in_a_line() {
    let desk = Desk::new();
    let none = format!(
        "launch: no lines are kept in {} yet; `launch FILE.toml` runs a graph and keeps them\n",
        desk.path("log").display()
    );
    assert_eq!(fails(&desk, &[]), (Some(1), none));
    desk.graph("t", &[("camera", "echo well; exec sleep 1000", ""), ("quiet", "exec sleep 1000", "log = false")]);
    let _launched = desk.launch(&["t.toml"]);
    until("it spoke", || desk.path("log/t/camera.log").exists() && desk.path("log/t/quiet.at").exists());
    assert_eq!(
        fails(&desk, &["camrea"]),
        (
            Some(1),
            "launch: there are no lines of camrea; did you mean camera?\n  there are t:camera, t:launch, t:quiet\n"
                .into()
        )
    );
    assert_eq!(
        fails(&desk, &["quiet"]),
        (Some(1), "launch: t:quiet keeps no lines: its `log` in the graph file says file = false\n".into())
    );
    let (code, text) = fails(&desk, &["camera", "--level", "wran"]);
    assert!(code == Some(2) && text.contains("no level wran; did you mean warn?"), "{text}");
    let (code, text) = fails(&desk, &["camera", "--grep", "(device"]);
    assert!(code == Some(2) && text.contains("unclosed group") && text.lines().count() == 1, "{text}");
}

#[test]
fn a_node_is_told_its_level_and_its_file_is_where_the_graph_file_says() {
    let desk = Desk::new();
    let script = "echo level is $LAUNCH_LOG; exec sleep 1000";
    desk.graph(
        "t",
        &[
            ("a", script, "log = { level = \"trace\", file = \"far/a.txt\" }"),
            ("b", script, "log = \"warn\""),
            ("c", script, ""),
        ],
    );
    let _launched = desk.launch(&["t.toml"]);
    for (node, level) in [("a", "trace"), ("b", "warn"), ("c", "info")] {
        let said = format!("{node} | level is {level}\n");
        until(&said, || String::from_utf8_lossy(&desk.verb(&["logs", node]).stdout).contains(&said));
    }
    assert!(fs::read_to_string(desk.path("far/a.txt")).unwrap().contains(" INFO level is trace\n"));
    assert!(!desk.path("log/t/a.log").exists());
}

#[test]
fn what_a_terminal_would_obey_is_never_kept_raw() {
    let desk = Desk::new();
    let script = "printf '\\033[2J\\033]0;title\\007 \\302\\233 \\200 \\r\\n'; printf 'a\\rb\\n'; exec sleep 1000";
    desk.graph("t", &[("a", script, "")]);
    let _launched = desk.launch(&["t.toml"]);
    until("it spoke", || String::from_utf8_lossy(&desk.verb(&["logs", "a"]).stdout).contains("a\\u{d}b"));
    let text = logs(&desk, &["a"]);
    assert!(text.contains("a | \\u{1b}[2J\\u{1b}]0;title\\u{7} \\u{9b} \u{fffd} \n"), "{text}");
    let kept = fs::read_to_string(desk.path("log/t/a.log")).unwrap();
    for shown in [text, logs(&desk, &["a", "--json"]), kept] {
        assert!(!shown.chars().any(|c| c.is_control() && c != '\n'), "{shown:?}");
    }
}

#[test]
fn a_flood_grows_neither_launch_nor_its_files_and_starves_nobody() {
    let desk = Desk::new();
    let small = "log = { size = \"1MiB\", keep = 1 }";
    desk.graph("t", &[("flood", "exec yes", small), ("b", TICKS, "log = { file = false }")]);
    let launched = desk.launch(&["t.toml"]);
    until("the flood was rotated", || desk.path("log/t/flood.log.1").exists());
    let before = resident_kib(launched.pid());
    let ticks = count(&desk, "ticks");
    until("another node goes on", || count(&desk, "ticks") > ticks + 200);
    let after = resident_kib(launched.pid());
    assert!(after <= before + GROWTH_MAX && before <= 3 * GROWTH_MAX, "{before} KiB, then {after} KiB");
    // What launch itself says is kept in spite of it.
    assert!(desk.verb(&["stop", "b"]).status.success());
    until("launch's own line is kept", || logs(&desk, &["t:launch"]).contains("b is stopped"));
    let kept: u64 = ["flood.log", "flood.log.1"]
        .iter()
        .filter_map(|name| fs::metadata(desk.path("log/t").join(name)).ok())
        .map(|found| found.len())
        .sum();
    assert!(kept <= 2 << 20, "{kept} bytes");
}

#[test]
fn a_gigabyte_without_a_line_end_does_not_grow_launch() {
    let desk = Desk::new();
    let script = "echo $$ >> pids; head -c 1000000000 /dev/zero; echo; echo after; exec sleep 1000";
    desk.graph("t", &[("a", script, "")]);
    let launched = desk.launch(&["t.toml"]);
    desk.until_pids("pids", 1);
    let before = resident_kib(launched.pid());
    let mut most = 0;
    until("the line is over", || {
        most = most.max(resident_kib(launched.pid()));
        fs::read_to_string(desk.path("log/t/a.log")).is_ok_and(|text| text.ends_with(" INFO after\n"))
    });
    assert!(most <= before + GROWTH_MAX, "{before} KiB, then {most} KiB");
    let text = logs(&desk, &["a"]);
    let long = text.lines().find(|line| line.contains("bytes more")).unwrap();
    assert!(
        long.ends_with(&format!("\\u{{0}} … ({} bytes more)", 1_000_000_000 - (64 << 10))),
        "{}",
        &long[long.len() - 80..]
    );
}

/// A disk of 1 MiB, unmounted with it.
struct SmallDisk<'a>(&'a Path);

impl SmallDisk<'_> {
    fn mount(at: &Path) -> Option<SmallDisk<'_>> {
        fs::create_dir_all(at).unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m,mode=700", "tmpfs"]).arg(at).output();
        mounted.is_ok_and(|out| out.status.success()).then_some(SmallDisk(at))
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).output();
    }
}

#[test]
fn a_full_disk_under_the_log_folder_is_said_once_and_the_graph_goes_on() {
    let desk = Desk::new();
    let path = desk.path("log");
    let Some(_disk) = SmallDisk::mount(&path) else {
        return println!("skipped: mounting a small disk needs root");
    };
    let talk = "while :; do i=$((i+1)); echo line $i of many that fill the disk; done";
    desk.graph("t", &[("a", talk, ""), ("b", TICKS, "log = false")]);
    let launched = desk.launch(&["t.toml"]);
    launched.until_log("lines are not kept in ");
    let ticks = count(&desk, "ticks");
    until("the graph goes on", || count(&desk, "ticks") > ticks + 100);
    for node in ["a", "b"] {
        assert_eq!(desk.node(node)["restarts"], 0);
    }
    let full = fs::read_to_string(path.join("t/a.log")).unwrap();
    assert!(full.ends_with('\n'), "half a line is left: {:?}", &full[full.len() - 80..]);
    let said =
        |text: &str| launched.log().lines().filter(|line| line.starts_with("launch ") && line.contains(text)).count();
    assert_eq!(said("no space left on device"), 1, "said at once and once");
    // Somebody makes room.
    fs::remove_file(path.join("t/a.log")).unwrap();
    launched.until_log("again; ");
    until("lines are kept again and those that were not are counted", || {
        let text = fs::read_to_string(path.join("t/a.log")).unwrap_or_default();
        text.contains(" lines not kept: no space left on device --")
    });
    assert_eq!(desk.node("a")["restarts"], 0);
}

#[test]
fn a_folder_that_cannot_be_made_is_said_once_and_the_graph_runs() {
    let desk = Desk::new();
    fs::write(desk.path("log"), "in the way").unwrap();
    let script = "echo hello; echo 1 >> ran; exec sleep 1000";
    desk.graph("t", &[("a", script, ""), ("b", script, "")]);
    let launched = desk.launch(&["t.toml"]);
    desk.until_pids("ran", 2);
    launched.until_log("lines are not kept in ");
    assert!(until_so(|| launched.log().contains("b      | hello")));
    assert_eq!(launched.log().matches("lines are not kept").count(), 1, "{}", launched.log());
    // As soon as it can be made, it is, and says what is missing.
    fs::remove_file(desk.path("log")).unwrap();
    until("what is missing is told", || {
        let text = fs::read_to_string(desk.path("log/t/a.log")).unwrap_or_default();
        text.contains(" WARN -- 2 lines not kept: ")
    });
}

#[test]
fn a_removed_folder_is_made_again() {
    let desk = Desk::new();
    desk.graph("t", &[("a", "while :; do echo on; sleep 0.01; done", "")]);
    let _launched = desk.launch(&["t.toml"]);
    let kept = desk.path("log/t/a.log");
    until("lines are kept", || kept.exists());
    fs::remove_dir_all(desk.path("log")).unwrap();
    until("lines are kept again", || kept.exists());
}
