//! A graph file that is edited while its nodes die.

use std::fs;

use offboard_tests::{
    Bed,
    fault::{Row, processes_of, text},
    until,
};
use rustix::process::{Pid, Signal, kill_process};

use crate::seed;

const EDITS: u32 = 200;

/// A victim whose parameters all say the same number.
fn victim(number: u32) -> String {
    format!(
        "[node.victim]\nrun = \"dummy\"\nparams = {{ rate = {number}, size = {number}, messages = {} }}\n\
         restart = {{ max = 1000, delay = \"1ms\", delay_max = \"1ms\" }}\n",
        u64::from(number) * 1_000_000
    )
}

/// The number that a process of the victim was given; panics when its parameters are of two editions.
fn number(pid: u32) -> Option<u64> {
    let environ = fs::read_to_string(format!("/proc/{pid}/environ")).ok()?;
    let params = environ.split('\0').find_map(|pair| pair.strip_prefix("LAUNCH_PARAMS="))?;
    let params: serde_json::Value = serde_json::from_str(params).unwrap();
    let number = params["size"].as_u64()?;
    assert!(params["rate"].as_f64() == Some(number as f64), "{params}");
    assert_eq!(params["messages"].as_u64(), Some(number * 1_000_000), "{params}");
    Some(number)
}

#[test]
fn two_hundred_edits_during_crashes_never_show_half_of_one() {
    let bed = Bed::new();
    let mut row = Row::start(&bed, "edits", &victim(10));
    let (mut chance, mut valid) = (seed(), 10);
    assert_eq!(number(row.pid("victim")), Some(10));
    row.mark();
    for edit in 11..11 + EDITS {
        if chance.bool() {
            // It may have ended meanwhile, as the last edit wants it.
            let pids = processes_of(&bed, "victim").into_iter().filter_map(|pid| Pid::from_raw(pid.try_into().ok()?));
            pids.for_each(|pid| {
                let _ = kill_process(pid, Signal::KILL);
            });
        }
        let good = chance.u8(0..3) > 0;
        let mut file = text("edits", &victim(edit));
        match chance.u8(0..3) {
            _ if good => valid = u64::from(edit),
            0 => file.truncate(file.len() / 2 + chance.usize(0..20)),
            1 => file.push_str("[node.other]\nrun = \"nothing-that-is-there\"\n"),
            _ => file = file.replace("messages", "massages"),
        }
        bed.file("edits.toml", &file);
        let answer = bed.verb(&["reload", "edits"]);
        let words = String::from_utf8_lossy(&answer.stderr).into_owned();
        assert_eq!(answer.status.success(), good, "edit {edit}: {words}");
        assert!(good || words.contains("edits.toml"), "it says why: {words}");
        for pid in processes_of(&bed, "victim") {
            number(pid);
        }
    }
    let last = until("the last good edit runs", || number(row.pid("victim")).filter(|number| *number == valid));
    println!("{EDITS} edits; {last} was the last good one");
    row.end();
}
