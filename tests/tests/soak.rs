//! A long day in minutes: a day's frames and a thousand kills of any node, links included, drawn from a seed. Then all is as it was: memory,
//! descriptors, threads, processes, files; and no message is missing that no kill explains.
//!
//!   cargo test --release -p offboard-tests --test soak -- --nocapture              a minute of it
//!   cargo test --release -p offboard-tests --test soak -- --ignored --nocapture    all of it (just soak)

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::{
    collections::BTreeMap,
    env, fs,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread::sleep,
    time::{Duration, Instant},
};

use fastrand::Rng;
use offboard::{RawSubscriber, wiring};
use offboard_tests::{Bed, EAR, free_port, resident_kib, signal, until, usage};
use rustix::process::Signal;
use tokio::runtime::Runtime;

/// How long a node must have lived to be killed again: then it is started at once. A link, whose restart nobody can set, is given up
/// at its fifth end in 10 s.
const LIVED: f64 = 0.25;
const LINK_LIVED: f64 = 10.5;

/// How long after a link was killed what it carries may be missing: it starts, is dialled again, and is connected.
const RELINKED: Duration = Duration::from_secs(5);

/// The first part of the run, in which buffers find their size.
const WARM_UP: f64 = 0.2;

/// What memory may grow by, in MiB a million frames…
const SLOPE_MAX: f64 = 1.0;
/// …and what a short run may show of it: a few pages more or less are no slope.
const NOISE_MIB: f64 = 1.0;

/// Who may be killed; the talker `steady` and the listener `witness` live through all of it.
const VICTIMS: [(&str, &str); 14] = [
    ("near", "t0"),
    ("near", "t1"),
    ("near", "t2"),
    ("near", "t3"),
    ("near", "t4"),
    ("near", "t5"),
    ("near", "t6"),
    ("near", "t7"),
    ("near", "far-off"),
    ("near", "x"),
    ("near", "y"),
    ("far", "z"),
    ("near", "link"),
    ("far", "link"),
];

/// The local talkers. A thousand times a second and more is beyond what a timer of 1 ms can pace: many talk half as often.
const TALKERS: [&str; 9] = ["t0", "t1", "t2", "t3", "t4", "t5", "t6", "t7", "steady"];

#[test]
fn a_minute_of_kills_leaves_no_trace() {
    soak(150_000, 60, 0x0ff_b0a2d);
}

#[test]
#[ignore = "takes ten minutes: just soak"]
fn a_day_of_frames_and_a_thousand_kills_leave_no_trace() {
    soak(2_600_000, 1000, 0x0ff_b0a2d);
}

fn soak(frames: u64, kills: u64, seed: u64) {
    let seed = env::var("SOAK_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(seed);
    println!("{frames} frames and {kills} kills, seed {seed} (SOAK_SEED=N for another)");
    let bed = Bed::new();
    let port = free_port();
    let launch = bed.launch(&[bed.file("near.toml", &near(port)), bed.file("far.toml", &far(port))]);
    launch.all_ready(17);
    let ears = Ears::open(&bed);
    ears.until_all_heard();
    sleep(Duration::from_secs(1));
    let lasting = Lasting::of(&bed, launch.pid());
    let before = Census::of(&bed, &lasting);

    let began = Instant::now();
    let (mut rng, mut memory, mut killed) = (Rng::with_seed(seed), Memory::new(&lasting), BTreeMap::new());
    let (start, mut carried) = (ears.frames(), Carried::default());
    for kill in 0..kills {
        // Kills and frames come to their ends together.
        let due = start + frames * (kill + 1) / (kills + 1);
        while ears.frames() < due {
            memory.sample(ears.frames());
            carried.look(ears.carried_gaps());
            sleep(Duration::from_millis(20));
        }
        if kill_one(&bed, &mut rng, &mut killed) == "link" {
            carried.link_killed = Some(Instant::now());
        }
    }
    while ears.frames() < start + frames {
        memory.sample(ears.frames());
        carried.look(ears.carried_gaps());
        sleep(Duration::from_millis(20));
    }
    let took = began.elapsed();
    println!("{} frames in {:.0} s; killed {killed:?}", ears.frames() - start, took.as_secs_f64());
    println!("gaps: {} at local edges, {} behind the link", ears.local_gaps(), ears.carried_gaps());
    assert_eq!(ears.local_gaps(), 0, "messages are missing that no kill explains");
    assert_eq!(gaps_of_witness(&bed), 0, "the witness misses messages");
    let restarts: u64 = bed.ps().iter().map(|row| row["restarts"].as_u64().unwrap()).sum();
    assert_eq!(restarts, kills, "each killed node got one new process, nobody else did\n{}", launch.log());
    ears.until_all_heard();
    before.until_again(&bed, &lasting);
    memory.judge();
}

fn near(port: u16) -> String {
    let dummy = |name: &str, rest: &str| {
        format!(
            "[node.{name}]\nrun = \"dummy\"\n{rest}\n\
             restart = {{ delay = \"1ms\", delay_max = \"1ms\", max = 1000, window = \"200ms\" }}\n"
        )
    };
    let listens = |topics: &[&str]| {
        let inputs: Vec<String> =
            topics.iter().map(|node| format!("{node} = {{ topic = \"{node}/array\", keep = 1000 }}")).collect();
        format!("subscribe = {{ {} }}", inputs.join(", "))
    };
    let quiet = |topics: &[&str]| format!("params = {{ rate = 0, check = \"incremental\" }}\n{}", listens(topics));
    let talkers: String = TALKERS.iter().map(|name| dummy(name, "params = { rate = 500 }")).collect();
    [
        format!("[graph]\nname = \"near\"\nlisten = \"127.0.0.1:{port}\"\n[peer.far]\n"),
        talkers,
        dummy("far-off", "params = { rate = 50 }"),
        dummy("x", &quiet(&TALKERS[..4])),
        dummy("y", &quiet(&TALKERS[4..8])),
        dummy("witness", &quiet(&TALKERS)),
        format!("[node.ear]\n{EAR}\n{}\n", listens(&TALKERS)),
    ]
    .concat()
}

fn far(port: u16) -> String {
    format!(
        "[graph]\nname = \"far\"\n[peer.near]\naddress = \"127.0.0.1:{port}\"\n\
         [node.z]\nrun = \"dummy\"\nparams = {{ rate = 0 }}\n\
         subscribe = {{ in = {{ topic = \"near:far-off/array\", keep = 100 }} }}\n\
         restart = {{ delay = \"1ms\", delay_max = \"1ms\", max = 1000, window = \"200ms\" }}\n"
    )
}

/// Kills one that has lived long enough, and says who it was.
fn kill_one(bed: &Bed, rng: &mut Rng, killed: &mut BTreeMap<String, u64>) -> &'static str {
    until("somebody may be killed", || {
        let rows = bed.ps();
        let (graph, node) = *rng.choice(&VICTIMS)?;
        let row = rows.iter().find(|row| row["graph"] == graph && row["node"] == node)?;
        let lived = if node == "link" { LINK_LIVED } else { LIVED };
        if row["state"] != "ready" || row["uptime_s"].as_f64()? < lived {
            return None;
        }
        signal(u32::try_from(row["pid"].as_u64()?).ok()?, Signal::KILL);
        *killed.entry(format!("{graph}:{node}")).or_default() += 1;
        Some(node)
    })
}

fn gaps_of_witness(bed: &Bed) -> u64 {
    let row = bed.node("near", "witness").unwrap();
    row["edges"].as_array().unwrap().iter().map(|edge| edge["gaps"].as_u64().unwrap()).sum()
}

/// The test's own listeners.
struct Ears {
    _runtime: Runtime,
    local: Vec<Arc<Ear>>,
    carried: Arc<Ear>,
}

#[derive(Default)]
struct Ear {
    frames: AtomicU64,
    gaps: AtomicU64,
}

impl Ears {
    fn open(bed: &Bed) -> Ears {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let edge = |graph: &str, topic: &str, node: &str, input: &str| {
            let at = wiring::edge(&bed.run_dir(graph), &topic.parse().unwrap(), node, input);
            listen(&runtime, at, topic.to_owned())
        };
        let local = TALKERS.map(|node| edge("near", &format!("{node}/array"), "ear", node)).into();
        // Behind the link at the tap: the edge is z's.
        let topic = "near:far-off/array";
        let tap = wiring::tap(&bed.run_dir("far"), &topic.parse().unwrap());
        let carried = listen(&runtime, tap, topic.to_owned());
        Ears { _runtime: runtime, local, carried }
    }

    fn all(&self) -> impl Iterator<Item = &Arc<Ear>> {
        self.local.iter().chain([&self.carried])
    }

    fn frames(&self) -> u64 {
        self.all().map(|ear| ear.frames.load(Relaxed)).sum()
    }

    fn local_gaps(&self) -> u64 {
        self.local.iter().map(|ear| ear.gaps.load(Relaxed)).sum()
    }

    fn carried_gaps(&self) -> u64 {
        self.carried.gaps.load(Relaxed)
    }

    /// Waits until each hears something from now on.
    fn until_all_heard(&self) {
        let before: Vec<u64> = self.all().map(|ear| ear.frames.load(Relaxed)).collect();
        for (ear, before) in self.all().zip(before) {
            until("each is heard", || (ear.frames.load(Relaxed) > before).then_some(()));
        }
    }
}

fn listen(runtime: &Runtime, endpoint: String, topic: String) -> Arc<Ear> {
    let ear = Arc::new(Ear::default());
    let to = Arc::clone(&ear);
    runtime.spawn(async move {
        let mut from = RawSubscriber::connect(&endpoint, &topic);
        while let Ok(Some(_)) = from.next().await {
            to.frames.fetch_add(1, Relaxed);
            to.gaps.store(from.gaps(), Relaxed);
        }
    });
    ear
}

/// What is missing behind the link.
#[derive(Default)]
struct Carried {
    gaps: u64,
    link_killed: Option<Instant>,
}

impl Carried {
    /// Only a link that was killed may lose what it carries, until it is linked again.
    fn look(&mut self, gaps: u64) {
        let explained = self.link_killed.is_some_and(|killed| killed.elapsed() < RELINKED);
        assert!(gaps == self.gaps || explained, "{} messages lost on the way between two links", gaps - self.gaps);
        self.gaps = gaps;
    }
}

/// The processes that nobody kills, by name.
struct Lasting(Vec<(&'static str, u32)>);

impl Lasting {
    fn of(bed: &Bed, launch: u32) -> Lasting {
        let guard = usage::family(launch).into_iter().find(|pid| usage::name(*pid) == "offboard-guard").unwrap();
        let (steady, witness) = (bed.pid("near", "steady"), bed.pid("near", "witness"));
        let us = std::process::id();
        Lasting(vec![("launch", launch), ("guard", guard), ("steady", steady), ("witness", witness), ("listener", us)])
    }

    fn launch(&self) -> u32 {
        self.0[0].1
    }
}

/// What must be as it was.
#[derive(Debug, Clone, PartialEq)]
struct Census {
    descriptors: BTreeMap<&'static str, usize>,
    threads: BTreeMap<&'static str, usize>,
    processes: usize,
    zombies: usize,
    files: Vec<String>,
}

impl Census {
    fn of(bed: &Bed, lasting: &Lasting) -> Census {
        let count = |what: &str| {
            let entries = |pid| fs::read_dir(format!("/proc/{pid}/{what}")).map_or(0, |entries| entries.count());
            lasting.0.iter().map(|(name, pid)| (*name, entries(*pid))).collect()
        };
        let family = usage::family(lasting.launch());
        let is_zombie = |pid: &&u32| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('Z'))
        };
        let dirs = ["near", "far"].map(|graph| bed.run_dir(graph).path().to_owned());
        let entries = dirs.iter().flat_map(|dir| fs::read_dir(dir).unwrap());
        let mut files: Vec<String> = entries.map(|entry| entry.unwrap().path().display().to_string()).collect();
        files.sort();
        Census {
            descriptors: count("fd"),
            threads: count("task"),
            processes: family.len(),
            zombies: family.iter().filter(is_zombie).count(),
            files,
        }
    }

    /// Waits until all is as it was.
    fn until_again(&self, bed: &Bed, lasting: &Lasting) {
        let limit = Instant::now() + offboard_tests::LIMIT;
        loop {
            let now = Census::of(bed, lasting);
            if now == *self {
                let Census { descriptors, threads, processes, zombies, files } = now;
                println!(
                    "as before: descriptors {descriptors:?}, threads {threads:?}, {processes} processes, {zombies} zombies, {} files",
                    files.len()
                );
                return;
            }
            assert!(Instant::now() < limit, "before:\n{self:?}\nafter:\n{now:?}");
            sleep(Duration::from_millis(100));
        }
    }
}

/// Resident memory over frames.
struct Memory {
    pids: Vec<(&'static str, u32)>,
    last: Instant,
    /// Millions of frames, and MiB of each process.
    samples: Vec<(f64, Vec<f64>)>,
}

impl Memory {
    fn new(lasting: &Lasting) -> Memory {
        Memory { pids: lasting.0.clone(), last: Instant::now(), samples: Vec::new() }
    }

    /// Once a second at most.
    fn sample(&mut self, frames: u64) {
        if self.last.elapsed() >= Duration::from_secs(1) {
            self.last = Instant::now();
            let mib = self.pids.iter().map(|(_, pid)| resident_kib(*pid) as f64 / 1024.0).collect();
            self.samples.push((frames as f64 / 1e6, mib));
        }
    }

    /// A straight line through what came after the warm-up: how much each grows.
    fn judge(&self) {
        let steady = &self.samples[(self.samples.len() as f64 * WARM_UP) as usize..];
        let span = steady.last().unwrap().0 - steady[0].0;
        let mut grown = Vec::new();
        for (at, (name, _)) in self.pids.iter().enumerate() {
            let points: Vec<(f64, f64)> = steady.iter().map(|(frames, mib)| (*frames, mib[at])).collect();
            let slope = slope(&points);
            println!(
                "{name:9} {:6.2} MiB at first, {:6.2} at last: {slope:+.3} MiB per million frames",
                points[0].1,
                points.last().unwrap().1
            );
            if slope > SLOPE_MAX && slope * span > NOISE_MIB {
                grown.push(*name);
            }
        }
        assert!(grown.is_empty(), "memory grows: {grown:?}");
    }
}

/// Least squares.
fn slope(points: &[(f64, f64)]) -> f64 {
    let count = points.len() as f64;
    let mean = |pick: fn(&(f64, f64)) -> f64| points.iter().map(pick).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let (above, below) = points.iter().fold((0.0, 0.0), |(above, below), point| {
        (above + (point.0 - x) * (point.1 - y), below + (point.0 - x) * (point.0 - x))
    });
    above / below
}
