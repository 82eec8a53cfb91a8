//! A launch that itself has no files left.

use std::process::Command;

use offboard_tests::{
    Bed,
    fault::{Row, processes_of},
    until,
};

const NODES: usize = 20;

/// Sets how many files a process may have open.
fn allow(pid: u32, files: usize) {
    let status = Command::new("prlimit").args(["--pid", &pid.to_string(), &format!("--nofile={files}:4096")]).status();
    assert!(status.unwrap().success(), "prlimit (util-linux)");
}

#[test]
fn a_launch_without_files_left_waits_for_them_and_gives_nobody_up() {
    let bed = Bed::new();
    let victims: String =
        (0..NODES).map(|node| format!("[node.n{node}]\nrun = [\"sleep\", \"600\"]\nafter = [\"talker\"]\n")).collect();
    let mut row = Row::start(&bed, "scarce", &victims);
    let alive = || (0..NODES).filter(|node| !processes_of(&bed, &format!("n{node}")).is_empty()).count();
    until("all run", || (alive() == NODES).then_some(()));
    row.mark();
    let (launch, victims) = (row.launch.pid(), [0, 1, 2].map(|node| row.pid(&format!("n{node}"))));
    // The limit is one of numbers: the lowest are taken, and what the ends give back is above.
    allow(launch, 4);
    victims.iter().for_each(|pid| offboard_tests::signal(*pid, rustix::process::Signal::KILL));
    row.launch.says("cannot be started");
    row.nobody_noticed();
    assert!(!row.launch.log().contains("given up"), "{}", row.launch.log());
    allow(launch, 1024);
    until("all run again", || (alive() == NODES).then_some(()));
    row.end();
}
