//! What recording costs: pictures of 640 x 480 as JPEG at 30 Hz and ten arrays at 1 kHz, each 64 float32, into one file. The recorder's
//! share of a core, and what it lost. `cargo bench -p offboard-tests --bench recorder [-- --quick]`
//!
//! The publishers are the bench's own and not counted. It asserts nothing.

#![expect(clippy::expect_used, reason = "a bench that cannot go on says why and ends")]

use std::{fs, thread, time::Duration};

use offboard::{NodeStatus, recording::Reader};
use offboard_tests::{
    Bed,
    bench::{heading, is_quick, median, row},
    tape::{Program, Recorder, Speakers, topics},
    until, usage,
};
use serde_json::json;

/// Topic, bytes of a message, messages a second. A JPEG of that size has some 60 kB.
const LOAD: Program = &[
    ("camera/frames", 60_000, 30),
    ("a0/x", 256, 1000),
    ("a1/x", 256, 1000),
    ("a2/x", 256, 1000),
    ("a3/x", 256, 1000),
    ("a4/x", 256, 1000),
    ("a5/x", 256, 1000),
    ("a6/x", 256, 1000),
    ("a7/x", 256, 1000),
    ("a8/x", 256, 1000),
    ("a9/x", 256, 1000),
];

fn main() {
    let (rounds, seconds) = if is_quick() { (1, 5) } else { (3, 20) };
    for compression in ["none", "lz4", "zstd"] {
        let found: Vec<[f64; 4]> = (0..rounds).map(|_| record(compression, seconds)).collect();
        let of = |at: usize| median(&found.iter().map(|round| round[at]).collect::<Vec<_>>());
        heading(&format!("compression {compression}, {rounds} rounds of {seconds} s"), "");
        row("share of a core, %", format!("{:.1}", of(0)), "25");
        row("messages a second", format!("{:.0}", of(1)), "10030");
        row("lost", format!("{:.0}", of(2)), "0");
        row("MiB a second", format!("{:.1}", of(3)), "");
    }
}

/// Share of a core in percent, messages a second, messages lost, MiB a second.
fn record(compression: &str, seconds: u64) -> [f64; 4] {
    let bed = Bed::new();
    let file = bed.files().join("load.mcap");
    let speakers = Speakers::start(&bed, LOAD);
    let params = json!({ "file": file, "compression": compression });
    let mut recorder = Recorder::start(&bed, &topics(LOAD), &params);
    until("it writes", || fs::metadata(&file).ok().filter(|about| about.len() > 1_000_000));
    let (watch, before) = (usage::Watch::new(&[recorder.pid()]), size(&file));
    thread::sleep(Duration::from_secs(seconds));
    let share: f64 = watch.percent().iter().map(|(_, percent)| percent).sum();
    let bytes = size(&file) - before;
    recorder.end();
    drop(speakers.end());
    let (mut messages, mut lost, mut first, mut last) = (0.0, 0, i64::MAX, 0);
    for message in Reader::open(&file).expect("a recording") {
        messages += 1.0;
        first = first.min(message.received_ns);
        last = last.max(message.received_ns);
        if let Ok(ledger) = message.decode::<NodeStatus>() {
            lost = ledger.edges.iter().filter(|edge| !edge.publishes).map(|edge| edge.gaps + edge.dropped).sum();
        }
    }
    let took = (last - first) as f64 / 1e9;
    [share, messages / took, lost as f64, bytes / seconds as f64 / f64::from(1 << 20)]
}

fn size(file: &std::path::Path) -> f64 {
    fs::metadata(file).map_or(0.0, |about| about.len() as f64)
}
