//! Nodes that live and do nothing.

use std::time::{Duration, Instant};

use offboard_tests::{Bed, fault::Row, signal, until};
use rustix::process::Signal;

#[test]
fn a_stopped_process_is_found_and_replaced() {
    let bed = Bed::new();
    let mut row = Row::start(&bed, "stopped", "[node.victim]\nrun = \"dummy\"\nparams = { rate = 50 }\n");
    let old = row.pid("victim");
    row.mark();
    let begin = Instant::now();
    signal(old, Signal::STOP);
    until("it is replaced", || Some(row.pid("victim")).filter(|pid| *pid != old));
    println!("SIGSTOP → replaced and ready: {:?}", begin.elapsed());
    // The watchdog is one second, the grace two.
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    assert_eq!(row.node("victim")["restarts"], 1);
    row.end();
}

#[test]
fn a_live_side_thread_does_not_hide_a_dead_work_loop() {
    let bed = Bed::new();
    let victim = "[node.victim]\nrun = \"dummy\"\nstop = \"200ms\"\nsubscribe = { go = \"go/array\" }\n\
                  params = { rate = 20, hang = true, after_messages = 20 }\n\
                  [node.go]\nrun = \"dummy\"\nparams = { rate = 1 }\n";
    let row = Row::start(&bed, "deadloop", victim);
    let seen = row.until_node("victim", |node| node["restarts"].as_u64() >= Some(1));
    // It was ready and then silent: a hang, not a late start.
    assert!(row.launch.log().contains("victim hangs: its work loop"), "{seen}\n{}", row.launch.log());
    assert!(row.bed.verb(&["stop", "deadloop:victim"]).status.success());
    row.until_node("victim", |node| node["state"] == "stopped");
    row.end();
}

#[test]
fn a_hang_before_it_is_ready_is_found_by_the_deadline() {
    let bed = Bed::new();
    let victim = "[node.victim]\nrun = \"dummy\"\nready = \"1s\"\nstop = \"200ms\"\n\
                  restart = { max = 2, window = \"1m\", delay = \"1ms\", delay_max = \"1ms\" }\n\
                  params = { hang_before_ready = true }\n";
    let begin = Instant::now();
    let mut row = Row::start(&bed, "late", victim);
    let seen = row.until_node("victim", |node| node["state"] == "failed");
    println!("given up after {:?}: {}", begin.elapsed(), seen["why"]);
    assert!(begin.elapsed() > Duration::from_secs(2), "two lives of a second each");
    assert_eq!(seen["restarts"], 1, "{seen}");
    row.mark();
    row.end();
}

#[test]
fn a_node_that_ignores_term_is_killed_after_its_grace() {
    let bed = Bed::new();
    let victim = "[node.victim]\nrun = \"dummy\"\nstop = \"300ms\"\nparams = { rate = 10, ignore_term = true }\n";
    let mut row = Row::start(&bed, "deaf", victim);
    let old = row.pid("victim");
    row.mark();
    assert!(row.bed.verb(&["restart", "deaf:victim"]).status.success());
    until("it is replaced", || Some(row.pid("victim")).filter(|pid| *pid != old));
    assert!(row.node("victim")["last_end"].as_str().unwrap().contains("SIGKILL"), "{}", row.node("victim"));
    row.end();
}
