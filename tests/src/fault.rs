//! A row of the fault matrix: a victim, beside it a talker and an ear that must not notice, and a census of what is left.
//!
//! Facts come from sequence numbers and from `/proc`. It never looks at processes of another bed.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use rustix::process::Signal;
use serde_json::Value;

use crate::{Bed, EAR, Ear, LIMIT, Launch, until, usage};

/// How often the talker talks: a hundred times a second, so that a moment's silence is missed messages.
const TALKER: &str = r#"
[node.talker]
run    = "dummy"
params = { rate = 100, size = 256 }
[node.ear]
EAR
subscribe = { talker = { topic = "talker/array", keep = 2000 } }
"#;

/// What belongs to a bed at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Census {
    /// Its processes: launch, its guard, nodes, and what they started.
    pub processes: usize,
    /// Those that ended and were not buried.
    pub zombies: usize,
    /// Open files of launch and of the talker.
    pub fds: usize,
    /// Threads of launch and of the talker.
    pub threads: usize,
    /// Control groups that its processes are in and this test is not.
    pub cgroups: usize,
    /// Sockets and locks in its runtime folder.
    pub files: BTreeSet<PathBuf>,
}

/// What the ear heard of the talker.
#[derive(Debug, Clone, Default)]
pub struct Heard {
    /// Messages.
    pub messages: u64,
    /// Messages that never came.
    pub gaps: u64,
    /// Talkers: one, unless it was restarted.
    pub incarnations: BTreeSet<u64>,
    /// The longest time between two of its sendings.
    pub longest: Duration,
    /// When the last was sent.
    last_ns: i64,
}

/// An ear that listens all the time, on a thread of its own.
#[derive(Debug)]
struct Listening {
    stop: Arc<AtomicBool>,
    heard: Arc<Mutex<Heard>>,
    thread: Option<JoinHandle<()>>,
}

impl Listening {
    fn start(mut ear: Ear) -> Listening {
        let (stop, heard) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Heard::default())));
        let (stopped, entered) = (Arc::clone(&stop), Arc::clone(&heard));
        let thread = thread::spawn(move || {
            while !stopped.load(Relaxed) {
                let Some(message) = ear.hear_within(Duration::from_millis(50)) else { continue };
                let mut heard = entered.lock().expect("no panic");
                let since_ns = if heard.last_ns == 0 { 0 } else { message.header.sent_ns - heard.last_ns };
                heard.longest = heard.longest.max(Duration::from_nanos(since_ns.try_into().unwrap_or(0)));
                (heard.messages, heard.gaps, heard.last_ns) = (heard.messages + 1, ear.gaps(), message.header.sent_ns);
                heard.incarnations.insert(message.header.incarnation);
            }
        });
        Listening { stop, heard, thread: Some(thread) }
    }

    fn heard(&self) -> Heard {
        self.heard.lock().expect("no panic").clone()
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        drop(self.thread.take().map(JoinHandle::join));
    }
}

/// A running graph with a talker, an ear and whatever shall suffer.
#[derive(Debug)]
pub struct Row<'a> {
    /// Where it runs.
    pub bed: &'a Bed,
    /// What runs it.
    pub launch: Launch<'a>,
    graph: String,
    listening: Listening,
    talker: u32,
    before: Option<Census>,
}

impl<'a> Row<'a> {
    /// Starts a graph of this name whose file says `victims` besides the pair; waits until the ear hears.
    ///
    /// # Panics
    /// When it does not within [`LIMIT`].
    #[must_use]
    pub fn start(bed: &'a Bed, graph: &str, victims: &str) -> Row<'a> {
        Row::start_in(bed, graph, victims, &[])
    }

    /// The same with more in the environment of launch.
    ///
    /// # Panics
    /// When it does not start within [`LIMIT`].
    #[must_use]
    pub fn start_in(bed: &'a Bed, graph: &str, victims: &str, env: &[(&str, &str)]) -> Row<'a> {
        let file = write(bed, graph, victims);
        let mut command = bed.command("launch");
        command.envs(env.iter().copied()).arg(file);
        Row::of(bed, graph, Launch::start(bed, &mut command))
    }

    /// The same, and nobody reads what launch says: for victims that say more than a test can keep.
    ///
    /// # Panics
    /// When it does not start within [`LIMIT`].
    #[must_use]
    pub fn start_unheard(bed: &'a Bed, graph: &str, victims: &str, env: &[(&str, &str)]) -> Row<'a> {
        let file = write(bed, graph, victims);
        let child = bed
            .command("launch")
            .envs(env.iter().copied())
            .arg(file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("launch starts");
        Row::of(bed, graph, Launch { bed, child, log: Arc::default() })
    }

    fn of(bed: &'a Bed, graph: &str, launch: Launch<'a>) -> Row<'a> {
        let talker = bed.pid(graph, "talker");
        let listening = Listening::start(bed.ear(graph, "talker/array", "ear", "talker"));
        until("the talker is heard", || (listening.heard().messages > 0).then_some(()));
        Row { bed, launch, graph: graph.to_owned(), listening, talker, before: None }
    }

    /// Counts what there is, when all is well: the row must end so.
    ///
    /// # Panics
    /// When it is never the same twice within [`LIMIT`].
    pub fn mark(&mut self) {
        let mut last = self.census();
        self.before = Some(until("all is still", || {
            thread::sleep(Duration::from_millis(100));
            let now = self.census();
            let still = now == last && now.zombies == 0;
            last = now;
            still.then(|| last.clone())
        }));
    }

    /// A node as `launch ps` shows it.
    ///
    /// # Panics
    /// When it does not within [`LIMIT`].
    #[must_use]
    pub fn node(&self, node: &str) -> Value {
        until("launch ps shows it", || self.bed.node(&self.graph, node))
    }

    /// The process of a node, once it is ready.
    #[must_use]
    pub fn pid(&self, node: &str) -> u32 {
        self.bed.pid(&self.graph, node)
    }

    /// Waits until a node is as told; how it is then.
    ///
    /// # Panics
    /// When it is not within [`LIMIT`].
    pub fn until_node(&self, node: &str, so: impl Fn(&Value) -> bool) -> Value {
        let limit = Instant::now() + LIMIT;
        loop {
            let row = self.node(node);
            if so(&row) {
                return row;
            }
            assert!(Instant::now() < limit, "not within {LIMIT:?}: {row}\n{}", self.launch.log());
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// An ear on an output of a node that the ear node subscribes to in `victims`.
    #[must_use]
    pub fn ear(&self, topic: &str, node: &str, input: &str) -> Ear {
        self.bed.ear(&self.graph, topic, node, input)
    }

    /// What was heard of the talker so far.
    #[must_use]
    pub fn heard(&self) -> Heard {
        self.listening.heard()
    }

    /// What belongs to the bed now.
    #[must_use]
    pub fn census(&self) -> Census {
        census(self.bed, &[self.launch.pid(), self.talker])
    }

    /// Nobody else noticed: the talker goes on, it is the same one, and none of its messages was missed.
    ///
    /// # Panics
    /// When somebody did.
    pub fn nobody_noticed(&self) {
        let count = self.heard().messages;
        until("the talker goes on", || (self.heard().messages >= count + 10).then_some(()));
        let heard = self.heard();
        println!("{}: {} messages beside it, at most {:?} apart", self.graph, heard.messages, heard.longest);
        assert_eq!((heard.gaps, heard.incarnations.len()), (0, 1), "{}\n{heard:?}", self.launch.log());
        assert!(crate::lives(self.talker), "the talker was ended");
    }

    /// The row is over: nobody noticed, and all is as it was when it was marked; then launch is stopped, and nothing is left.
    ///
    /// # Panics
    /// When it is not so.
    pub fn end(mut self) {
        self.nobody_noticed();
        if let Some(before) = &self.before {
            let limit = Instant::now() + LIMIT;
            loop {
                let now = self.census();
                if now == *before {
                    break;
                }
                assert!(Instant::now() < limit, "before: {before:#?}\nnow: {now:#?}\n{}", self.launch.log());
                thread::sleep(Duration::from_millis(50));
            }
        }
        let remains = Remains::of(self.bed, self.launch.pid());
        self.launch.signal(Signal::TERM);
        self.launch.ended();
        remains.are_gone();
    }
}

fn write(bed: &Bed, graph: &str, victims: &str) -> PathBuf {
    bed.file(&format!("{graph}.toml"), &text(graph, victims))
}

/// A graph file with the pair and the victims.
#[must_use]
pub fn text(graph: &str, victims: &str) -> String {
    let (talker, victims) = (TALKER.replace("EAR", EAR), victims.replace("EAR", EAR));
    format!("[graph]\nname = \"{graph}\"\n{talker}\n{victims}\n")
}

/// What must be gone once a launch ended: its processes, its control groups, its runtime files.
#[derive(Debug)]
pub struct Remains {
    processes: BTreeMap<u32, u64>,
    cgroups: BTreeSet<PathBuf>,
    run: PathBuf,
}

impl Remains {
    /// What belongs to the bed, and below this process.
    #[must_use]
    pub fn of(bed: &Bed, launch: u32) -> Remains {
        let mut pids = processes(bed);
        pids.extend(usage::family(launch));
        let cgroups = cgroups(&pids);
        let processes = pids.into_iter().filter_map(|pid| Some((pid, began(pid)?))).collect();
        Remains { processes, cgroups, run: bed.dir.path().join("run") }
    }

    /// How many of the processes live.
    #[must_use]
    pub fn living(&self) -> usize {
        self.processes.iter().filter(|(pid, at)| began(**pid) == Some(**at) && crate::lives(**pid)).count()
    }

    /// Waits until nothing of it is left; how long that took.
    ///
    /// # Panics
    /// When something is after [`LIMIT`].
    pub fn are_gone(&self) -> Duration {
        let begin = Instant::now();
        let files = || fs::read_dir(&self.run).map(|all| all.flatten().map(|entry| entry.path()).collect::<Vec<_>>());
        loop {
            let cgroups: Vec<&PathBuf> = self.cgroups.iter().filter(|path| path.exists()).collect();
            let (living, files) = (self.living(), files().unwrap_or_default());
            if living == 0 && cgroups.is_empty() && files.is_empty() {
                return begin.elapsed();
            }
            assert!(begin.elapsed() < LIMIT, "{living} processes live; left are {cgroups:?} and {files:?}");
            thread::sleep(Duration::from_millis(2));
        }
    }
}

/// What belongs to a bed: `counted` are the processes whose files and threads are counted, the first is launch.
#[must_use]
pub fn census(bed: &Bed, counted: &[u32]) -> Census {
    let mut pids = processes(bed);
    pids.extend(counted.first().into_iter().flat_map(|launch| usage::family(*launch)));
    let count = |what: &str| counted.iter().map(|pid| entries(Path::new(&format!("/proc/{pid}/{what}"))).len()).sum();
    let mut files = BTreeSet::new();
    let mut folders = vec![bed.dir.path().join("run")];
    while let Some(folder) = folders.pop() {
        for path in entries(&folder) {
            if path.is_dir() {
                folders.push(path);
            } else {
                files.insert(path);
            }
        }
    }
    Census {
        zombies: pids.iter().filter(|pid| state(**pid) == Some('Z')).count(),
        fds: count("fd"),
        threads: count("task"),
        cgroups: cgroups(&pids).len(),
        processes: pids.len(),
        files,
    }
}

/// The living processes of a bed: they all got its runtime folder.
#[must_use]
pub fn processes(bed: &Bed) -> BTreeSet<u32> {
    with_variable(&format!("OFFBOARD_RUNTIME_DIR={}", bed.dir.path().join("run").display()), everyone())
}

/// The living processes of a node of a bed, and what they started.
#[must_use]
pub fn processes_of(bed: &Bed, node: &str) -> BTreeSet<u32> {
    with_variable(&format!("LAUNCH_NODE={node}"), processes(bed))
}

fn everyone() -> BTreeSet<u32> {
    entries(Path::new("/proc")).iter().filter_map(|path| path.file_name()?.to_str()?.parse().ok()).collect()
}

fn with_variable(variable: &str, among: BTreeSet<u32>) -> BTreeSet<u32> {
    let has = |pid: &u32| {
        let environ = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environ.split(|byte| *byte == 0).any(|pair| pair == variable.as_bytes())
    };
    among.into_iter().filter(has).collect()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

/// A field of proc_pid_stat(5), from the third on.
fn stat(pid: u32, place: usize) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.split_whitespace().nth(place - 3).map(str::to_owned)
}

fn state(pid: u32) -> Option<char> {
    stat(pid, 3)?.chars().next()
}

fn began(pid: u32) -> Option<u64> {
    stat(pid, 22)?.parse().ok()
}

/// The control groups that these are in and this process is not, wherever they are mounted.
fn cgroups(pids: &BTreeSet<u32>) -> BTreeSet<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    // Hierarchy of version 2: no controllers; of version 1: their names are among the options.
    let place = |controllers: &str| {
        mounts.lines().find_map(|line| {
            let mut words = line.split(' ').skip(1);
            let (at, kind, options) = (words.next()?, words.next()?, words.next()?);
            let first = controllers.split(',').next().unwrap_or_default();
            let is = if first.is_empty() { kind == "cgroup2" } else { kind == "cgroup" };
            (is && (first.is_empty() || options.split(',').any(|option| option == first))).then(|| at.to_owned())
        })
    };
    let of = |pid: &str| -> BTreeSet<(String, String)> {
        let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
        let pairs = text.lines().filter_map(|line| line.split_once(':')?.1.split_once(':'));
        pairs.map(|(controllers, path)| (controllers.to_owned(), path.to_owned())).collect()
    };
    let own = of("self");
    // A process that ends is moved to the root.
    let other = |group: &(String, String)| group.1 != "/" && !own.contains(group);
    let theirs = pids.iter().flat_map(|pid| of(&pid.to_string())).filter(other);
    theirs.filter_map(|(controllers, path)| Some(PathBuf::from(place(&controllers)? + &path))).collect()
}
