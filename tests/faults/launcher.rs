//! The launcher itself is asked to end, asked twice, killed, and started twice.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use offboard_tests::{
    Bed, Launch, exit_code,
    fault::{Row, processes_of},
    lives, python, signal, until, usage,
};
use rustix::process::Signal;

/// Everything that tends to survive, each as a node of its own.
fn clinging(bed: &Bed) -> String {
    let workers = bed.file(
        "workers.py",
        "import multiprocessing, time\n\
         if __name__ == '__main__':\n    \
             for _ in range(2): multiprocessing.Process(target=time.sleep, args=(600,)).start()\n    \
             time.sleep(600)\n",
    );
    let python = python().unwrap_or_else(|| Path::new("python3").to_owned());
    format!(
        "[node.wrapper]\nrun = [\"sh\", \"-c\", \"sleep 601 & sleep 602\"]\n\
         [node.workers]\nrun = [{python:?}, {workers:?}]\n\
         [node.session]\nrun = \"dummy\"\nparams = {{ rate = 10, spawn_children = 2, children = \"setsid\" }}\n\
         [node.daemon]\nrun = \"dummy\"\nparams = {{ rate = 10, spawn_children = 2, children = \"daemon\" }}\n"
    )
}

/// Waits until all that clings is there: so many processes of each node.
fn all_cling(bed: &Bed) {
    for (node, count) in [("wrapper", 3), ("workers", 3), ("session", 3), ("daemon", 3)] {
        until(node, || (processes_of(bed, node).len() >= count).then_some(()));
    }
}

/// Another launch beside the pair.
fn beside<'a>(bed: &'a Bed, nodes: &str) -> Launch<'a> {
    bed.launch(&[bed.file("other.toml", &format!("[graph]\nname = \"other\"\n{nodes}"))])
}

/// What another launch runs, for the time when its own bed still has a pair.
fn remains_of(launch: &Launch<'_>, bed: &Bed, nodes: &[&str]) -> Vec<u32> {
    let mut pids = usage::family(launch.pid());
    pids.extend(nodes.iter().flat_map(|node| processes_of(bed, node)));
    pids
}

const CLINGING: [&str; 4] = ["wrapper", "workers", "session", "daemon"];

#[test]
fn a_killed_launch_takes_every_descendant_with_it() {
    let bed = Bed::new();
    let mut row = Row::start(&bed, "pair", "");
    row.mark();
    for _ in 0..3 {
        let mut other = beside(&bed, &clinging(&bed));
        all_cling(&bed);
        let pids = remains_of(&other, &bed, &CLINGING);
        assert!(pids.len() >= 13, "{pids:?}");
        let killed = Instant::now();
        other.signal(Signal::KILL);
        other.ended();
        until("no descendant lives", || (!pids.iter().any(|pid| lives(*pid))).then_some(()));
        println!("launch killed → none of {} processes left: {:?}", pids.len(), killed.elapsed());
        // A quiet machine needs 0.2 s.
        assert!(killed.elapsed() < Duration::from_secs(3), "{:?}", killed.elapsed());
    }
    row.end();
}

#[test]
fn every_signal_to_end_ends_all_and_says_so_in_the_exit_code() {
    let bed = Bed::new();
    let mut row = Row::start(&bed, "pair", "");
    row.mark();
    for (wish, code) in [(Signal::TERM, 143), (Signal::INT, 130), (Signal::HUP, 129)] {
        let mut other = beside(&bed, &clinging(&bed));
        all_cling(&bed);
        let pids = remains_of(&other, &bed, &CLINGING);
        let asked = Instant::now();
        other.signal(wish);
        assert_eq!(exit_code(other.ended()), code, "{}", other.log());
        println!("{wish:?} → all over: {:?}", asked.elapsed());
        // The grace is two seconds.
        assert!(asked.elapsed() < Duration::from_secs(8), "{:?}", asked.elapsed());
        assert!(!pids.iter().any(|pid| lives(*pid)), "nothing is left when it ends");
    }
    row.end();
}

#[test]
fn asked_twice_it_kills_at_once() {
    let bed = Bed::new();
    let mut row = Row::start(&bed, "pair", "");
    row.mark();
    for wish in [Signal::TERM, Signal::INT, Signal::HUP] {
        let deaf = "[node.deaf]\nrun = \"dummy\"\nstop = \"10m\"\nparams = { rate = 10, ignore_term = true }\n";
        let mut other = beside(&bed, deaf);
        let pid = bed.pid("other", "deaf");
        other.signal(wish);
        other.says("once more kills");
        // Two signals within a tenth of a second are one wish, so it is said until it is understood.
        let asked = Instant::now();
        let ended = until("launch ends", || {
            std::thread::sleep(Duration::from_millis(120));
            if lives(other.pid()) {
                other.signal(wish);
            }
            (!lives(other.pid())).then(|| asked.elapsed())
        });
        println!("{wish:?} twice → all over: {ended:?}");
        other.ended();
        assert!(!lives(pid));
    }
    row.end();
}

#[test]
fn a_second_launch_is_refused_and_one_after_a_crash_clears_up() {
    let bed = Bed::new();
    let mut row = Row::start(&bed, "pair", "");
    row.mark();
    let nodes = "[node.a]\nrun = \"dummy\"\nparams = { rate = 50 }\n[node.b]\nrun = \"dummy\"\nsubscribe = { a = \"a/array\" }\nparams = { rate = 0 }\n";
    let mut first = beside(&bed, nodes);
    let (a, b) = (bed.pid("other", "a"), bed.pid("other", "b"));
    let refused = bed.verb(&["other.toml"]);
    let words = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && words.contains(&format!("process {}", first.pid())), "{words}");
    assert!(lives(a) && lives(b), "the first goes on");

    // launch and its guard die together: their sockets, their lock and their nodes stay.
    let guard = usage::family(first.pid()).into_iter().find(|pid| usage::name(*pid).starts_with("offboard-guard"));
    first.signal(Signal::STOP);
    signal(guard.unwrap(), Signal::KILL);
    first.signal(Signal::KILL);
    first.ended();
    let stale = std::fs::read_dir(bed.run_dir("other").path()).unwrap().count();
    assert!(stale >= 3, "{stale} stale files");
    println!("{stale} stale files, nodes alive: {} {}", lives(a), lives(b));

    let mut second = beside(&bed, nodes);
    let (next_a, next_b) = (bed.pid("other", "a"), bed.pid("other", "b"));
    assert!(next_a != a && next_b != b && !lives(a) && !lives(b), "the old nodes are gone, never two of one");
    until("the new ones talk", || {
        let edges = bed.node("other", "b")?["edges"].as_array()?.clone();
        edges.iter().any(|edge| edge["publishes"] == false && edge["messages"].as_u64() > Some(5)).then_some(())
    });
    second.signal(Signal::TERM);
    second.ended();
    row.end();
}
