//! One-way latency of an edge between two processes, ours beside the bare `zeromq` crate's XPUB and SUB on the same sizes in
//! the same run: what our queue, header and checks cost. `cargo bench -p offboard --bench one_way`
//!
//! 100 messages a second (30 from 900 kB on). A stamp is taken before a message is encoded and again when it is decoded.
//! Prints microseconds, medians over the rounds. It asserts nothing.

#![expect(clippy::unwrap_used, reason = "a measurement that cannot go on ends")]

use std::{
    env,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use bytes::Bytes;
use offboard::{
    Array, Name, Node, clock,
    wiring::{Endpoint, InputWiring, NodeWiring, OutputWiring},
};
use tokio::time::{MissedTickBehavior, interval};
use zeromq::{Socket, SocketRecv, SocketSend, SubSocket, XPubSocket, ZmqMessage};

const SIZES: [usize; 4] = [64, 100_000, 921_600, 6_220_800];
const ROUNDS: usize = 5;
const WARM: usize = 20;

fn messages(size: usize) -> usize {
    if size > 500_000 { 90 } else { 300 }
}

fn period(size: usize) -> Duration {
    Duration::from_micros(if size > 500_000 { 33_333 } else { 10_000 })
}

fn main() {
    let args: Vec<String> = env::args().collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    match args.iter().position(|arg| arg == "listen") {
        Some(at) => {
            let (kind, dir, count) = (&args[at + 1], &args[at + 2], args[at + 3].parse().unwrap());
            let ages = runtime.block_on(async {
                if kind == "ours" { listen_ours(dir, count).await } else { listen_bare(dir, count).await }
            });
            println!("{}", ages.iter().map(i64::to_string).collect::<Vec<_>>().join(" "));
        }
        None => runtime.block_on(compare()),
    }
}

async fn compare() {
    println!("{:>10} {:>17} {:>17} {:>7}", "bytes", "ours p50/p99 us", "bare p50/p99 us", "ratio");
    for size in SIZES {
        let mut results = [Vec::new(), Vec::new()];
        for _ in 0..ROUNDS {
            for (result, kind) in results.iter_mut().zip(["ours", "bare"]) {
                result.push(one_round(kind, size).await);
            }
        }
        let [ours, bare] = results.map(|rounds| {
            let pick = |which: fn(&(f64, f64)) -> f64| median(rounds.iter().map(which).collect());
            (pick(|round| round.0), pick(|round| round.1))
        });
        let cell = |(p50, p99): (f64, f64)| format!("{p50:.0} / {p99:.0}");
        println!("{size:>10} {:>17} {:>17} {:>7.2}", cell(ours), cell(bare), ours.0 / bare.0);
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// p50 and p99 in microseconds.
async fn one_round(kind: &str, size: usize) -> (f64, f64) {
    let dir = tempfile::tempdir().unwrap();
    let count = messages(size);
    let mut listener = spawn_listener(kind, dir.path(), count);
    if kind == "ours" {
        speak_ours(dir.path(), size, count).await;
    } else {
        speak_bare(dir.path(), size, count).await;
    }
    let mut line = String::new();
    BufReader::new(listener.stdout.take().unwrap()).read_line(&mut line).unwrap();
    listener.wait().unwrap();
    let mut ages: Vec<f64> = line.split_whitespace().map(|age| age.parse::<f64>().unwrap() / 1e3).collect();
    ages.sort_by(f64::total_cmp);
    (ages[ages.len() / 2], ages[ages.len() * 99 / 100])
}

fn spawn_listener(kind: &str, dir: &Path, count: usize) -> Child {
    let program = env::current_exe().unwrap();
    let mut command = Command::new(program);
    command.args(["listen", kind, dir.to_str().unwrap(), &count.to_string()]);
    command.stdout(Stdio::piped()).spawn().unwrap()
}

fn wiring(dir: &str) -> NodeWiring {
    let address = format!("ipc://{dir}/edge");
    NodeWiring {
        graph: "bench".into(),
        name: "node".into(),
        inputs: vec![InputWiring {
            name: "in".into(),
            endpoint: address.clone(),
            topic: "node/out".into(),
            kind: Array::full_name(),
            timeout: None,
        }],
        outputs: vec![OutputWiring {
            name: "out".into(),
            topic: "node/out".into(),
            kind: Array::full_name(),
            endpoints: vec![Endpoint { address, keep: Some(1) }],
        }],
        params: serde_json::Map::new(),
        clock_offset_ns: 0,
        status: None,
    }
}

async fn listen_ours(dir: &str, count: usize) -> Vec<i64> {
    let node = Node::start(wiring(dir)).unwrap();
    let mut heard = node.subscribe::<Array>("in").await.unwrap();
    let mut ages = Vec::new();
    while ages.len() < WARM + count {
        let message = heard.latest().await.unwrap().unwrap();
        ages.push(clock::monotonic_ns() - message.header.stamp_ns);
    }
    ages.split_off(WARM)
}

async fn speak_ours(dir: &Path, size: usize, count: usize) {
    let node = Node::start(wiring(dir.to_str().unwrap())).unwrap();
    let mut out = node.publish::<Array>("out").await.unwrap();
    let array = Array::new([size as u32], &vec![7u8; size]).unwrap();
    while !out.wanted() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let mut ticks = interval(period(size));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for _ in 0..WARM + count {
        ticks.tick().await;
        out.send_at(clock::monotonic_ns(), array.clone()).await.unwrap();
    }
    ticks.tick().await;
}

async fn listen_bare(dir: &str, count: usize) -> Vec<i64> {
    let mut socket = SubSocket::new();
    socket.subscribe("node/out").await.unwrap();
    while socket.connect(&format!("ipc://{dir}/edge")).await.is_err() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let mut ages = Vec::new();
    while ages.len() < WARM + count {
        let message = socket.recv().await.unwrap();
        let sent = i64::from_le_bytes(message.get(1).unwrap()[..8].try_into().unwrap());
        ages.push(clock::monotonic_ns() - sent);
    }
    ages.split_off(WARM)
}

async fn speak_bare(dir: &Path, size: usize, count: usize) {
    let mut socket = XPubSocket::new();
    socket.bind(&format!("ipc://{}/edge", dir.display())).await.unwrap();
    socket.recv().await.unwrap(); // the subscription
    let payload = Bytes::from(vec![7u8; size]);
    let mut ticks = interval(period(size));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for _ in 0..WARM + count {
        ticks.tick().await;
        let stamp = Bytes::copy_from_slice(&clock::monotonic_ns().to_le_bytes());
        let parts = vec![Bytes::from_static(b"node/out"), stamp, payload.clone()];
        socket.send(ZmqMessage::try_from(parts).unwrap()).await.unwrap();
    }
    ticks.tick().await;
}
