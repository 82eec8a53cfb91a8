//! Nodes that end, in every way, once and again and again.

use std::time::{Duration, Instant};

use offboard_tests::{Bed, fault::Row, signal, until, usage};
use rustix::process::Signal;

use crate::seed;

#[test]
fn a_node_killed_a_hundred_times_comes_back_a_hundred_times() {
    const KILLS: usize = 100;
    let bed = Bed::new();
    let mut row = Row::start(
        &bed,
        "kills",
        r#"
[node.victim]
run     = "dummy"
params  = { rate = 100 }
restart = { max = 1000, delay = "1ms", delay_max = "5ms" }
[node.mouse]
EAR
subscribe = { in = { topic = "victim/array", keep = 1000 } }
"#,
    );
    let (mut chance, mut ear) = (seed(), row.ear("victim/array", "mouse", "in"));
    let (mut pid, mut life) = (row.pid("victim"), ear.hear().header.incarnation);
    row.mark();
    let mut back: Vec<Duration> = Vec::new();
    for _ in 0..KILLS {
        // At any moment of its life: while it begins to speak, or later.
        std::thread::sleep(Duration::from_millis(chance.u64(0..30)));
        let killed = Instant::now();
        signal(pid, Signal::KILL);
        life = until("another life speaks", || Some(ear.hear().header.incarnation).filter(|next| *next != life));
        back.push(killed.elapsed());
        pid = until("it has another process", || Some(row.pid("victim")).filter(|next| *next != pid));
    }
    back.sort_unstable();
    println!("kill -9 → next message: p50 {:?}, p99 {:?}", back[KILLS / 2], back[KILLS - 1]);
    assert_eq!(row.node("victim")["restarts"], KILLS, "one new process for each that was killed");
    row.end();
}

#[test]
fn every_end_is_called_by_its_name() {
    let bed = Bed::new();
    let cases = [
        ("exit0", "done", "exit code 0"),
        ("exit1", "failed", "exit code 1"),
        ("panic", "failed", "exit code 101"),
        ("abort", "failed", "SIGABRT"),
        ("segv", "failed", "SIGSEGV"),
    ];
    // Each waits for a word, so that all live when the row is marked.
    let node = |(how, _, _): &(&str, &str, &str)| {
        format!(
            "[node.{how}]\nrun = \"dummy\"\nrestart = \"never\"\nsubscribe = {{ go = \"go/array\" }}\n\
             params = {{ rate = 0, crash = \"{how}\", after_messages = 1 }}\n"
        )
    };
    let nodes: String = cases.iter().map(node).collect();
    let mut row = Row::start(&bed, "ends", &format!("{nodes}[node.go]\nrun = \"dummy\"\nparams = {{ rate = 1 }}\n"));
    for (how, state, end) in cases {
        let seen = row.until_node(how, |node| node["state"] == state);
        assert!(seen["last_end"].as_str().unwrap().contains(end), "{how}: {seen}");
    }
    row.mark();
    row.end();
}

#[test]
fn a_crash_loop_is_given_up_after_five_starts_and_costs_next_to_nothing() {
    let bed = Bed::new();
    let victim = "[node.victim]\nrun = [\"sh\", \"-c\", \"echo $$ >> starts; echo the disk is on fire; exit 1\"]\n";
    let mut row = Row::start(&bed, "loop", victim);
    let (began, cpu) = (Instant::now(), usage::on_cpu(row.launch.pid()));
    let seen = row.until_node("victim", |node| node["state"] == "failed");
    assert!(seen["why"].as_str().unwrap().contains("exit code 1"), "{seen}");
    let starts = || std::fs::read_to_string(bed.files().join("starts")).unwrap().lines().count();
    assert!((2..=5).contains(&starts()), "{} starts", starts());
    assert!(row.launch.log().contains("the disk is on fire"), "its last words are shown");
    // Most of this is the questions of this test.
    let share = (usage::on_cpu(row.launch.pid()) - cpu).as_secs_f64() / began.elapsed().as_secs_f64();
    println!("launch used {:.1} % of a core meanwhile", share * 100.0);
    assert!(share < 0.5, "{share}");
    row.mark();
    let before = starts();
    row.nobody_noticed();
    assert_eq!(starts(), before, "given up is given up");
    row.end();
}

#[test]
fn after_a_quiet_time_the_first_restart_is_immediate_again() {
    const SLOW: Duration = Duration::from_secs(3); // at least four fifths of it are waited
    let bed = Bed::new();
    let victim = "[node.victim]\nrun = [\"sleep\", \"3600\"]\n\
                  restart = { delay = \"4s\", delay_max = \"4s\", window = \"5s\", max = 10 }\n";
    let mut row = Row::start(&bed, "budget", victim);
    let kill = |row: &Row<'_>| {
        let (old, begin) = (row.pid("victim"), Instant::now());
        signal(old, Signal::KILL);
        until("it is back", || Some(row.pid("victim")).filter(|pid| *pid != old));
        begin.elapsed()
    };
    row.mark();
    let (first, second) = (kill(&row), kill(&row));
    let quiet = Instant::now();
    until("it was quiet for longer than the window", || (quiet.elapsed() > Duration::from_secs(6)).then_some(()));
    let third = kill(&row);
    println!("back after {first:?}, {second:?}, and after a quiet time {third:?}");
    assert!(first < SLOW && second >= SLOW && third < SLOW, "{first:?} {second:?} {third:?}");
    row.end();
}
