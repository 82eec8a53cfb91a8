//! How soon hangs are noticed and mended, how soon nothing is left after launch was killed, and how long a stop takes.
//! `cargo bench -p offboard-tests --bench faults [-- --quick]`
//!
//! Kills of nodes are in the bench `recovery`. Milliseconds. It asserts nothing, but ends what escaped.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use offboard::clock;
use offboard_tests::{
    Bed, EAR, Launch,
    bench::{heading, is_quick, median, quantile, row},
    lives, python, signal, until,
    usage::{family, name},
};
use rustix::process::Signal;

/// The watchdog of the node that hangs: two heartbeats and some.
const WATCHDOG: Duration = Duration::from_millis(600);

/// How often is looked whether somebody still lives.
const LOOK_EVERY: Duration = Duration::from_micros(500);

/// When it is taken for sure that somebody escaped.
const ESCAPED: Duration = Duration::from_secs(1);

/// Ways to leave a process behind: a shell that waits for its child, workers of Python's own, a daemon in a session of its own, and
/// one that dropped its environment besides.
const SHAPES: [(&str, &str); 4] = [
    ("sh wrapper", "sleep 1001 & wait"),
    (
        "python multiprocessing",
        "exec PYTHON -c 'import multiprocessing as m, time; [m.Process(target=time.sleep, args=(1001,)).start() for _ in range(2)]; time.sleep(1001)'",
    ),
    ("setsid, forked twice", "(setsid sh -c 'sleep 1002 & exec sleep 1003' &) ; exec sleep 1004"),
    (
        "the same without environment",
        "(setsid env -i /bin/sh -c '/bin/sleep 1002 & exec /bin/sleep 1003' &) ; exec sleep 1004",
    ),
];

/// How many processes each shape has.
const MEMBERS: [usize; 4] = [2, 3, 3, 3];

fn main() {
    let rounds = if is_quick() { 3 } else { 100 };
    println!("{rounds} repetitions each");
    hangs(rounds);
    launcher_kills(rounds);
    stops(rounds);
}

fn show(what: &str, values: &[f64], reach: &str) {
    let (p50, p99, max) = (median(values), quantile(values, 0.99), quantile(values, 1.0));
    row(what, format!("{p50:.1} / {p99:.1} / {max:.1}"), reach);
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

const HANGER: &str = r#"
[graph]
name = "zoo"
[node.victim]
run      = "dummy"
params   = { rate = 100 }
watchdog = "600ms"
restart  = { when = "always", delay = "1ms", max = 1000, window = "200ms" }
[node.ear]
EAR
subscribe = { victim = { topic = "victim/array", keep = 1000 } }
"#;

/// A work loop that stands still: until launch says so, until the successor lives, until that was heard.
fn hangs(rounds: usize) {
    let bed = Bed::new();
    let launch = bed.launch(&[bed.file("zoo.toml", &HANGER.replace("EAR", EAR))]);
    let mut ear = bed.ear("zoo", "victim/array", "ear", "victim");
    let (mut noticed, mut began, mut heard) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..rounds {
        let pid = bed.pid("zoo", "victim");
        let since = Instant::now();
        let mut last = ear.hear();
        // Long enough for a heartbeat of its own, so that a hang and not a start is measured.
        while since.elapsed() < Duration::from_millis(300) {
            last = ear.hear();
        }
        let (stopped, stopped_ns) = (Instant::now(), clock::now_ns());
        signal(pid, Signal::STOP);
        while hung(&launch) <= round {
            assert!(stopped.elapsed() < offboard_tests::LIMIT, "not noticed:\n{}", launch.log());
            sleep(LOOK_EVERY);
        }
        noticed.push(ms(stopped.elapsed()));
        let new = until("its successor speaks", || {
            Some(ear.hear()).filter(|new| new.header.incarnation != last.header.incarnation)
        });
        let since = |ns: i64| (ns - stopped_ns) as f64 / 1e6;
        began.push(since(i64::try_from(new.header.incarnation).unwrap_or_default()));
        heard.push(since(new.received_ns));
    }
    heading(&format!("a hang under a watchdog of {} ms", WATCHDOG.as_millis()), "p50 / p99 / max ms");
    show("noticed", &noticed, &format!("{}", WATCHDOG.as_millis() + 100));
    show("a new process lives", &began, &format!("{}", WATCHDOG.as_millis() + 2000));
    show("its first message was heard", &heard, "");
}

fn hung(launch: &Launch<'_>) -> usize {
    launch.log().matches("victim hangs").count()
}

/// launch is killed: until nothing of each shape is left.
fn launcher_kills(rounds: usize) {
    let python = python().map_or_else(|| "python3".to_owned(), |path| path.display().to_string());
    heading("kill -9 of launch → nothing is left of a node", "p50 / p99 / max ms");
    let mut all = Vec::new();
    for ((what, script), members) in SHAPES.iter().zip(MEMBERS) {
        let script = script.replace("PYTHON", &python);
        let found: Vec<Option<f64>> = (0..rounds).map(|_| kill_launcher(&script, members)).collect();
        let times: Vec<f64> = found.iter().flatten().copied().collect();
        show(what, &times, "200");
        let escaped = found.len() - times.len();
        if escaped > 0 {
            row("    escaped", format!("{escaped} of {}", found.len()), "0");
        }
        all.extend(times);
    }
    show("all of them", &all, "200");
}

/// None: somebody escaped (and was ended).
fn kill_launcher(script: &str, members: usize) -> Option<f64> {
    let bed = Bed::new();
    let file =
        bed.file("zoo.toml", &format!("[graph]\nname = \"zoo\"\n[node.a]\nrun = [\"sh\", \"-c\", {script:?}]\n"));
    let mut launch = bed.launch(&[file]);
    let nodes = |launch: &Launch<'_>| {
        let ours = |pid: &u32| *pid != launch.pid() && name(*pid) != "offboard-guard" && lives(*pid);
        family(launch.pid()).into_iter().filter(ours).collect::<Vec<u32>>()
    };
    let descendants = until("all of it runs", || {
        let nodes = nodes(&launch);
        let settled = nodes.iter().filter(|pid| {
            matches!(name(**pid).as_str(), "sleep" | "python3" | "python") || name(**pid).starts_with("python")
        });
        // The node that launch adds for itself must be gone, too.
        (nodes.len() == members + 1 && settled.count() >= members - 1).then_some(nodes)
    });
    let killed = Instant::now();
    launch.signal(Signal::KILL);
    while descendants.iter().any(|pid| lives(*pid)) {
        if killed.elapsed() > ESCAPED {
            let escaped = descendants.iter().filter(|pid| lives(**pid));
            escaped.for_each(|pid| signal(*pid, Signal::KILL));
            launch.ended();
            return None;
        }
        sleep(LOOK_EVERY);
    }
    let gone = ms(killed.elapsed());
    launch.ended();
    Some(gone)
}

/// Ten nodes that end well when asked: from SIGTERM to the end of launch.
fn stops(rounds: usize) {
    let node = |at: usize| format!("[node.n{at}]\nrun = \"dummy\"\nparams = {{ rate = 20 }}\n");
    let text = format!("[graph]\nname = \"zoo\"\n{}", (0..10).map(node).collect::<String>());
    let stop = || {
        let bed = Bed::new();
        let mut launch = bed.launch(&[bed.file("zoo.toml", &text)]);
        launch.all_ready(10);
        let asked = Instant::now();
        launch.signal(Signal::TERM);
        launch.ended();
        ms(asked.elapsed())
    };
    let times: Vec<f64> = (0..rounds).map(|_| stop()).collect();
    heading("a stop in good order", "p50 / p99 / max ms");
    show("10 nodes", &times, "1000");
}
