//! From `kill -9` of a node to its first new message at a listener. `cargo bench -p offboard-tests --bench recovery [-- --quick]`
//!
//! Each kill is a node's first for a while, so that no back-off is in it. The way is split by the node's own stamps: until the new
//! process lives as a node, until it has sent, until that was heard. Milliseconds. It asserts nothing.

use std::time::{Duration, Instant};

use offboard::{RawMessage, clock};
use offboard_tests::{
    Bed, EAR, Ear,
    bench::{heading, is_quick, median, quantile, row},
    signal,
};
use rustix::process::Signal;

/// A node that lived so long is started again at once.
const WINDOW: Duration = Duration::from_millis(200);

const GRAPH: &str = r#"
[graph]
name = "zoo"
[node.victim]
run     = "dummy"
params  = { rate = RATE }
restart = { when = "always", delay = "1ms", max = 1000, window = "200ms" }
[node.ear]
EAR
subscribe = { victim = { topic = "victim/array", keep = 1000 } }
"#;

/// What one kill cost, in milliseconds.
struct Recovery {
    began: f64,
    sent: f64,
    heard: f64,
    whole: f64,
}

fn main() {
    let kills = if is_quick() { 10 } else { 150 };
    println!("{kills} kills each");
    heading("kill -9 → first new message at a listener", "p50 / p99 / max ms");
    for rate in [1000, 100] {
        let found = kill_again_and_again(rate, kills);
        let show = |what: &str, reach: &str, pick: fn(&Recovery) -> f64| {
            let values: Vec<f64> = found.iter().map(pick).collect();
            let (p50, p99, max) = (median(&values), quantile(&values, 0.99), quantile(&values, 1.0));
            row(what, format!("{p50:.1} / {p99:.1} / {max:.1}"), reach);
        };
        show(&format!("a node that sends at {rate} Hz"), "25 / 100", |one| one.whole);
        show("    until its successor lives", "/ 20", |one| one.began);
        show("    until that has sent to the listener", "", |one| one.sent);
        show("    until that was heard", "", |one| one.heard);
    }
}

fn kill_again_and_again(rate: u32, kills: usize) -> Vec<Recovery> {
    let bed = Bed::new();
    let text = GRAPH.replace("EAR", EAR).replace("RATE", &rate.to_string());
    let _launch = bed.launch(&[bed.file("zoo.toml", &text)]);
    let mut ear = bed.ear("zoo", "victim/array", "ear", "victim");
    (0..kills).map(|_| kill(&bed, &mut ear)).collect()
}

fn kill(bed: &Bed, ear: &mut Ear) -> Recovery {
    ear.hear();
    let pid = bed.pid("zoo", "victim");
    let since = Instant::now();
    let mut last = ear.hear();
    while since.elapsed() < WINDOW + Duration::from_millis(50) {
        last = ear.hear();
    }
    let killed_ns = clock::now_ns();
    signal(pid, Signal::KILL);
    let new = first_of_another(ear, last.header.incarnation);
    // A node's incarnation is when its life began.
    let began_ns = i64::try_from(new.header.incarnation).unwrap_or_default();
    let ms = |from: i64, to: i64| (to - from) as f64 / 1e6;
    Recovery {
        began: ms(killed_ns, began_ns),
        sent: ms(began_ns, new.header.sent_ns),
        heard: ms(new.header.sent_ns, new.received_ns),
        whole: ms(killed_ns, new.received_ns),
    }
}

fn first_of_another(ear: &mut Ear, incarnation: u64) -> RawMessage {
    loop {
        let message = ear.hear();
        if message.header.incarnation != incarnation {
            return message;
        }
    }
}
