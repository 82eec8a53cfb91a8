//! Clocks that jump.

use std::{fs, path::PathBuf, time::Duration};

use offboard_tests::{Bed, fault::Row, until};

/// The library that lies to a program about the time.
fn libfaketime() -> PathBuf {
    let folders = fs::read_dir("/usr/lib").unwrap().flatten().map(|entry| entry.path());
    let found = folders.map(|folder| folder.join("faketime/libfaketime.so.1")).find(|path| path.exists());
    found.unwrap_or_else(|| panic!("no libfaketime: tests/setup.sh test"))
}

/// The last time that the witness saw, in seconds.
fn seen(bed: &Bed) -> Option<i64> {
    fs::read_to_string(bed.files().join("seen")).ok()?.lines().next_back()?.parse().ok()
}

#[test]
fn a_clock_that_jumps_an_hour_restarts_nobody() {
    let bed = Bed::new();
    let (library, clock) = (libfaketime(), bed.file("clock", "+0"));
    bed.file("witness.sh", "while :; do date +%s >> seen; sleep 0.1; done");
    let victims = "[node.witness]\nrun = [\"sh\", \"witness.sh\"]\nstop = \"100ms\"\n\
                   [node.listener]\nrun = \"dummy\"\nparams = { rate = 20, check = \"incremental\" }\n\
                   subscribe = { in = { topic = \"talker/array\", timeout = \"1s\" } }\n";
    let env = [
        ("LD_PRELOAD", library.to_str().unwrap()),
        ("FAKETIME_TIMESTAMP_FILE", clock.to_str().unwrap()),
        ("FAKETIME_NO_CACHE", "1"),
        // A step of the wall clock moves no steady clock.
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
    ];
    let row = Row::start_in(&bed, "clock", victims, &env);
    let nodes = ["talker", "listener", "witness"];
    let pids = nodes.map(|node| row.pid(node));
    let mut now = until("the witness sees a clock", || seen(&bed));
    for (jump, hours) in [("+1h", 1), ("-1h", -2), ("+0", 1)] {
        bed.file("clock", jump);
        let then = until("the clock jumped", || seen(&bed).filter(|then| (then - now - hours * 3600).abs() < 600));
        println!("{jump}: the witness saw the clock step by {} s", then - now);
        // Three times the watchdog.
        let count = row.heard().messages;
        until("they work on", || (row.heard().messages > count + 300).then_some(()));
        now = seen(&bed).unwrap();
    }
    assert_eq!(nodes.map(|node| row.pid(node)), pids, "nobody was restarted: {}", row.launch.log());
    assert!(row.heard().longest < Duration::from_secs(60), "no stamp of the wire jumped: {:?}", row.heard());
    row.end();
}
