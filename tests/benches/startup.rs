//! How long `launch` takes until all nodes of a graph have sent, and what an idle graph costs.
//! `cargo bench -p offboard-tests --bench startup [-- --quick]`
//!
//! Each node sends at 20 Hz and listens to the one before it. A node's first message, which nobody may be there to hear, went
//! out as many periods before the first one that was heard as that one's number says. It asserts nothing.

#![expect(clippy::expect_used, reason = "a bench that cannot go on says why and ends")]

use std::{
    path::Path,
    thread::sleep,
    time::{Duration, Instant},
};

use offboard::{RawSubscriber, clock, wiring};
use offboard_tests::{
    Bed, LIMIT,
    bench::{heading, is_quick, median, row},
    usage,
};
use tokio::task::JoinSet;

/// Messages a second of each node.
const RATE: u32 = 20;

/// How often is looked whether a node has opened its output: looking must not be what the machine is busy with.
const LOOK_EVERY: Duration = Duration::from_millis(5);

fn main() {
    let rounds = if is_quick() { 2 } else { 7 };
    println!("{rounds} rounds");
    heading("launch → all nodes…", "s");
    for (nodes, reach) in [(10, "0.2"), (50, "1.0")] {
        let times: Vec<(f64, f64)> = (0..rounds).map(|_| start(nodes)).collect();
        let middle = |pick: fn(&(f64, f64)) -> f64| median(&times.iter().map(pick).collect::<Vec<_>>());
        row(&format!("{nodes} nodes: have sent"), format!("{:.3}", middle(|times| times.0)), reach);
        row(&format!("{nodes} nodes: were heard"), format!("{:.3}", middle(|times| times.1)), "");
    }
    idle(1, if is_quick() { 3 } else { 10 });
    idle(50, if is_quick() { 3 } else { 10 });
}

/// A graph in which each node listens to the one before it.
fn graph(nodes: usize, rate: u32) -> String {
    let node = |at: usize| {
        let before = at.checked_sub(1).map(|before| format!("subscribe = {{ before = \"n{before}/array\" }}\n"));
        format!("[node.n{at}]\nrun = \"dummy\"\nparams = {{ rate = {rate} }}\n{}", before.unwrap_or_default())
    };
    format!("[graph]\nname = \"zoo\"\n{}", (0..nodes).map(node).collect::<String>())
}

/// Seconds from the start of `launch` until each node has sent, and until each was heard.
fn start(nodes: usize) -> (f64, f64) {
    let bed = Bed::new();
    let file = bed.file("zoo.toml", &graph(nodes, RATE));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let began_ns = clock::now_ns();
    let _launch = bed.launch(&[file]);
    let times = runtime.block_on(async {
        let mut ears = JoinSet::new();
        for at in 0..nodes {
            let topic = format!("n{at}/array");
            let tap = wiring::tap(&bed.run_dir("zoo"), &topic.parse().expect("a topic"));
            ears.spawn(async move { tokio::time::timeout(LIMIT, first(&tap, &topic)).await.expect("it sends") });
        }
        ears.join_all().await
    });
    let latest = |pick: fn(&(i64, i64)) -> i64| times.iter().map(pick).max().unwrap_or_default();
    let since = |ns: i64| (ns - began_ns) as f64 / 1e9;
    (since(latest(|times| times.0)), since(latest(|times| times.1)))
}

/// When a node first sent, and when it was first heard, in nanoseconds.
async fn first(tap: &str, topic: &str) -> (i64, i64) {
    let socket = Path::new(tap.trim_start_matches("ipc://"));
    while !socket.exists() {
        tokio::time::sleep(LOOK_EVERY).await;
    }
    let heard = RawSubscriber::connect(tap, topic).next().await.expect("no limit is set").expect("no node, no end");
    let periods = i64::try_from(heard.header.seq).unwrap_or(i64::MAX) - 1;
    (heard.header.sent_ns - periods * 1_000_000_000 / i64::from(RATE), heard.received_ns)
}

/// What a graph costs whose nodes only listen, over so many seconds.
fn idle(nodes: usize, seconds: u64) {
    let bed = Bed::new();
    let launch = bed.launch(&[bed.file("zoo.toml", &graph(nodes, 0))]);
    launch.all_ready(nodes);
    sleep(Duration::from_secs(1));
    let family = usage::family(launch.pid());
    let watch = usage::Watch::new(&family);
    let since = Instant::now();
    sleep(Duration::from_secs(seconds));
    let percent = watch.percent();
    let (of_nodes, of_launch): (Vec<_>, Vec<_>) = percent.iter().partition(|(pid, _)| usage::name(*pid) == "dummy");
    let sum = |part: &[&(u32, f64)]| part.iter().map(|(_, percent)| percent).sum::<f64>();
    let memory = |part: &[&(u32, f64)]| part.iter().map(|(pid, _)| usage::pss_mb(*pid)).collect::<Vec<f64>>();

    heading(&format!("idle for {:.0} s, nodes: {}", since.elapsed().as_secs_f64(), of_nodes.len()), "");
    let all: f64 = percent.iter().map(|(_, percent)| percent).sum();
    row("launch, its guard and all nodes, % of a core", format!("{all:.2}"), if nodes == 50 { "3" } else { "" });
    row("    launch and its guard", format!("{:.2}", sum(&of_launch)), "");
    row("    each node", format!("{:.3}", sum(&of_nodes) / of_nodes.len() as f64), "");
    row("a node, PSS in MB", format!("{:.2}", median(&memory(&of_nodes))), "6");
    row("launch and its guard, PSS in MB", format!("{:.2}", memory(&of_launch).iter().sum::<f64>()), "15");
}
