//! Stories about what nodes cannot do: take too much, leave something behind, outlive their launch.
//! They never assume that this machine lets us make control groups, and say so where it does not.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use rustix::process::Signal;

use crate::{
    desk::{Desk, Launched, lives, send, until},
    stay,
};

/// How deep the folders of control groups are searched.
const DEPTH_MAX: usize = 8;

/// The folders of the control groups of a launch.
pub(crate) fn groups(launch: i32) -> Vec<PathBuf> {
    let mut found = Vec::new();
    search(Path::new("/sys/fs/cgroup"), &format!("offboard-{launch}-"), 0, &mut found);
    found
}

fn search(dir: &Path, prefix: &str, depth: usize, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        if entry.file_name().to_string_lossy().starts_with(prefix) {
            found.push(entry.path());
        } else if depth < DEPTH_MAX {
            search(&entry.path(), prefix, depth + 1, found);
        }
    }
}

/// Whether its processes are held by control groups; says when not.
fn is_contained(launched: &Launched, story: &str) -> bool {
    let contained = !groups(launched.pid()).is_empty();
    if !contained {
        println!("skipped: {story}, for no control group can be made here (not root, no delegation)");
    }
    contained
}

/// Whether this limit is kept; says when not.
fn is_kept(launched: &Launched, file: [&str; 2], story: &str) -> bool {
    let kept = groups(launched.pid()).iter().any(|group| file.iter().any(|file| group.join(file).exists()));
    if !kept {
        println!("skipped: {story}, for no control group here has {}", file.join(" or "));
    }
    kept
}

const MEMORY: [&str; 2] = ["memory.max", "memory.limit_in_bytes"];
const PIDS: [&str; 2] = ["pids.max", "pids.events"];

#[test]
fn a_memory_hog_ends_alone_and_its_end_says_why() {
    let desk = Desk::new();
    // Without a line's end in its input it keeps all of it.
    let hog = "echo $$ >> a.pids; exec tail /dev/zero";
    let limits = "limits = { memory = \"64MiB\" }\nrestart = \"never\"";
    desk.graph("t", &[("a", hog, limits), ("b", &stay("b"), "")]);
    let launched = desk.launch(&["t.toml"]);
    if !is_kept(&launched, MEMORY, "a limit of memory") {
        return;
    }
    let node = desk.until_state("a", "failed");
    assert_eq!(
        (&node["cause"], &node["last_end"]),
        (&"out_of_memory".into(), &"out of memory: its limit is 64 MiB".into())
    );
    launched.until_log("a is given up: out of memory: its limit is 64 MiB, and it is never restarted");
    assert_eq!((&desk.node("b")["restarts"], desk.until_pids("b.pids", 1).len()), (&0.into(), 1));
}

/// Forks as often as it may and a bit more, then notes its number and stays.
const BOMB: &str = "import os, time
for _ in range(60):
    try:
        if os.fork() == 0:
            time.sleep(1000)
            os._exit(0)
    except OSError:
        pass
with open('a.pids', 'a') as file:
    file.write(f'{os.getpid()}\\n')
time.sleep(1000)
";

#[test]
fn a_fork_bomb_stays_within_its_limit_and_that_is_told() {
    let desk = Desk::new();
    fs::write(desk.path("bomb.py"), BOMB).unwrap();
    desk.graph("t", &[("a", "exec python3 bomb.py", "limits = { pids = 20 }"), ("b", &stay("b"), "")]);
    let mut launched = desk.launch(&["t.toml"]);
    if !is_kept(&launched, PIDS, "a limit of processes") {
        return;
    }
    let bomb = desk.until_pids("a.pids", 1)[0];
    let family = fs::read_to_string(format!("/proc/{bomb}/task/{bomb}/children")).unwrap();
    assert_eq!(family.split_whitespace().count(), 19, "with itself it is 20");
    launched.until_log("a met its limit of 20 processes and cannot start more");
    until("ps shows it", || desk.node("a")["why"] == "it met its limit of 20 processes: 41 forks were refused");
    assert_eq!(desk.node("a")["state"], "running");
    // It can be restarted all the same, and nothing of the old one is left beside the new one.
    send(bomb, Signal::KILL);
    desk.until_pids("a.pids", 2);
    assert!(!family.split_whitespace().any(|pid| lives(pid.parse().unwrap())), "its children live on");
    launched.signal(Signal::TERM);
    assert_eq!(launched.end(), Some(143));
    assert!(groups(launched.pid()).is_empty(), "its control groups are left");
}

#[test]
fn open_files_nice_and_processors_are_as_the_file_says() {
    let desk = Desk::new();
    let limits = "limits = { files = 64, nice = 7, cpus = [0] }";
    desk.graph("t", &[("a", "ulimit -n >> a.files; echo $$ >> a.pids; exec sleep 1000", limits)]);
    let _launched = desk.launch(&["t.toml"]);
    let pid = desk.until_pids("a.pids", 1)[0];
    assert_eq!(desk.pids("a.files"), [64]);
    let read = |file: &str| fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap();
    let files = read("limits").lines().find(|line| line.starts_with("Max open files")).unwrap().to_owned();
    assert_eq!(files.split_whitespace().collect::<Vec<_>>()[3..5], ["64", "64"]);
    let status = read("status");
    assert!(status.lines().any(|line| line.split_whitespace().eq(["Cpus_allowed_list:", "0"])), "{status}");
    // proc_pid_stat(5): nice is the 19th number, the 17th behind the name.
    let stat = read("stat");
    assert_eq!(stat.rsplit_once(')').unwrap().1.split_whitespace().nth(16), Some("7"), "{stat}");
}

#[test]
fn a_node_does_not_notice_how_it_was_born() {
    let desk = Desk::new();
    fs::write(
        desk.path("t.toml"),
        "[graph]\nname = \"t\"\n[node.a]\nrun = [\"sleep\", \"1000\"]\nenv = { A = \"1\" }\n",
    )
    .unwrap();
    let launched = desk.launch(&["t.toml"]);
    let pid = desk.until_state("a", "running")["pid"].as_i64().unwrap();
    let read = |file: &str| fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
    until("its program has begun", || read("comm") == "sleep\n");
    let words = read("cmdline");
    assert!(words.ends_with("/sleep\x001000\0") && words.matches('\0').count() == 2, "{words:?}");
    let variables = read("environ");
    let mut variables: Vec<&str> =
        variables.split('\0').filter_map(|pair| pair.split_once('=')).map(|it| it.0).collect();
    variables.retain(|name| name.starts_with("LAUNCH_") || *name == "A");
    variables.sort_unstable();
    let wiring = ["A", "LAUNCH_CLOCK_OFFSET_NS", "LAUNCH_GRAPH", "LAUNCH_LOG", "LAUNCH_NODE", "LAUNCH_PARAMS"];
    assert_eq!(variables[..6], wiring, "{variables:?}");
    let link = |file: &str| fs::read_link(format!("/proc/{pid}/{file}")).unwrap();
    assert_eq!(link("fd/0"), Path::new("/dev/null"));
    assert_eq!(link("cwd"), desk.path("").canonicalize().unwrap());
    let status = read("status");
    let mask = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        u64::from_str_radix(line.trim(), 16).unwrap()
    };
    const PIPE: u64 = 1 << 12;
    assert_eq!((mask("SigBlk:"), mask("SigIgn:") & PIPE, mask("SigCgt:")), (0, 0, 0), "{status}");
    let stat = read("stat");
    let numbers: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    assert_eq!(numbers[1..3], [launched.pid().to_string(), pid.to_string()], "its parent and its group");
}

#[test]
fn a_program_that_cannot_begin_is_told_with_its_reason() {
    let desk = Desk::new();
    let program = |name: &str, text: &str| {
        fs::write(desk.path(name), text).unwrap();
        fs::set_permissions(desk.path(name), fs::Permissions::from_mode(0o755)).unwrap();
    };
    program("text", "no program at all\n");
    program("foreign", "\x7fELF\x01\x02\x01 for a processor that nobody has");
    program("orphan", "#!/nowhere/sh\n");
    program("good", "#!/bin/sh\nexec sleep 1000\n");
    let node =
        |name: &str, run: &str, more: &str| format!("[node.{name}]\nrun = \"./{run}\"\nrestart = \"never\"\n{more}\n");
    let text = [
        "[graph]\nname = \"t\"\n".to_owned(),
        node("text", "text", ""),
        node("foreign", "foreign", ""),
        node("orphan", "orphan", ""),
        node("far", "good", "limits = { cpus = [1023] }"),
        node("good", "good", ""),
    ];
    fs::write(desk.path("t.toml"), text.concat()).unwrap();
    let launched = desk.launch(&["t.toml"]);
    for (name, why) in [
        ("text", "text: Exec format error (os error 8); a script's first line names its interpreter, like #!/bin/sh"),
        ("foreign", "foreign: Exec format error (os error 8); it was built for another kind of processor"),
        (
            "orphan",
            "No such file or directory (os error 2); it is there, but not the interpreter that its first line names",
        ),
        ("far", "it cannot run on cpus [1023]: Invalid argument (os error 22); `nproc --all` tells how many there are"),
    ] {
        let node = desk.until_state(name, "failed");
        assert_eq!(node["cause"], "not_started", "{name}");
        let end = node["last_end"].as_str().unwrap();
        assert!(end.starts_with("failing to start: ") && end.ends_with(why), "{end}");
        launched.until_log(why);
    }
    assert_eq!(desk.node("good")["state"], "running");
}

/// A node with every shape that escapes: a wrapper's child, Python's workers, a daemon, and one that forgets whose it is.
fn escaping(wiped: bool) -> String {
    let mut script = "echo $$ >> pids; sh -c 'sleep 1001 & echo $! >> pids; wait' & \
        setsid sh -c 'setsid sleep 1002 & echo $! >> pids' & \
        python3 workers.py & "
        .to_owned();
    if wiped {
        script += "env -i setsid sh -c 'echo $$ >> pids; exec sleep 1003' & ";
    }
    // A graph file's literal string has no quote of its own kind.
    script + "wait"
}

const WORKERS: &str = "import multiprocessing, os, time
def work():
    open('pids', 'a').write(f'{os.getpid()}\\n')
    time.sleep(1000)
if __name__ == '__main__':
    multiprocessing.Process(target=work).start()
";

#[test]
fn a_killed_launch_takes_every_shape_of_descendant_with_it_on_every_rung() {
    for rung in ["auto", "v2", "off"] {
        let desk = Desk::new();
        fs::write(desk.path("workers.py"), WORKERS).unwrap();
        let wiped = rung != "off";
        desk.graph("t", &[("a", &escaping(wiped), "")]);
        let mut launched = desk.launch_with(("OFFBOARD_CGROUP", rung), &["t.toml"]);
        if wiped && !is_contained(&launched, "a process that wipes its environment") {
            continue;
        }
        let pids = desk.until_pids("pids", if wiped { 5 } else { 4 });
        assert!(pids.iter().all(|pid| lives(*pid)));
        let before = groups(launched.pid());
        launched.signal(Signal::KILL);
        launched.end();
        until(&format!("all are gone on rung {rung}"), || !pids.iter().any(|pid| lives(*pid)));
        until("the control groups are gone", || groups(launched.pid()).is_empty());
        assert_eq!(before.is_empty(), !wiped, "{before:?}");
    }
}

#[test]
fn a_process_that_forgot_whose_it_is_ends_before_its_node_is_started_again() {
    for rung in ["auto", "v2"] {
        let desk = Desk::new();
        let script = "echo $$ >> a.pids; env -i setsid sh -c 'echo $$ >> kids; exec sleep 1003' & wait";
        desk.graph("t", &[("a", script, "")]);
        let mut launched = desk.launch_with(("OFFBOARD_CGROUP", rung), &["t.toml"]);
        if !is_contained(&launched, "a process that wipes its environment") {
            return;
        }
        let (node, kid) = (desk.until_pids("a.pids", 1)[0], desk.until_pids("kids", 1)[0]);
        send(node, Signal::KILL);
        desk.until_pids("a.pids", 2);
        assert!(!lives(kid), "it lives beside the new process");
        let kid = desk.until_pids("kids", 2)[1];
        launched.signal(Signal::INT);
        assert_eq!((launched.end(), lives(kid)), (Some(130), false));
        assert!(groups(launched.pid()).is_empty(), "its control groups are left");
    }
}

#[test]
fn what_hangs_and_does_not_listen_is_killed_soon_and_said_to_be_the_watchdogs() {
    let desk = Desk::new();
    let deaf = "trap \"\" TERM; echo $$ >> a.pids; while :; do sleep 1; done";
    desk.graph("t", &[("a", deaf, "stop = \"10m\"")]);
    let launched = desk.launch(&["t.toml"]);
    let pid = desk.until_pids("a.pids", 1)[0];
    let status = std::os::unix::net::UnixDatagram::unbound().unwrap();
    status.send_to(b"a 7\n", desk.path("r/t/status")).unwrap();
    desk.until_state("a", "ready");
    send(pid, Signal::STOP);
    desk.until_pids("a.pids", 2);
    let node = desk.node("a");
    let end = node["last_end"].as_str().unwrap();
    assert!(end.starts_with("watchdog: its work loop was silent for 1.") && end.ends_with(", killed"), "{end}");
    assert_eq!(node["cause"], "watchdog");
    launched.until_log("a ended (SIGKILL)");
}

#[test]
fn limits_that_cannot_be_kept_are_told_at_the_start() {
    let desk = Desk::new();
    let script = "echo $$ >> a.pids; exec sleep 1000";
    desk.graph("t", &[("a", script, "limits = { memory = \"64MiB\", pids = 5 }"), ("b", &stay("b"), "")]);
    let launched = desk.launch_with(("OFFBOARD_CGROUP", "off"), &["t.toml"]);
    let log = launched.log();
    let told: Vec<&str> = log.lines().filter(|line| line.contains("its limit of")).collect();
    assert_eq!(told.len(), 2, "{log}");
    assert!(told[0].contains("a: its limit of memory holds for each of its processes by itself"), "{log}");
    assert!(told[1].contains("a: its limit of processes cannot be kept"), "{log}");
    let pid = desk.until_pids("a.pids", 1)[0];
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let data = limits.lines().find(|line| line.starts_with("Max data size")).unwrap();
    assert_eq!(data.split_whitespace().nth(3), Some("67108864"));
}
