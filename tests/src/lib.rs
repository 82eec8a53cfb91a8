//! What the end-to-end tests share: a bed of temporary folders, `launch` running in it, ears on its topics.
//!
//! Facts come from messages and from `launch ps`, each waited for with a limit. It never ends a process that it did not start.

#![expect(clippy::expect_used, reason = "a test that cannot go on says why and ends")]

use std::{
    env, fs,
    io::{BufRead, BufReader},
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use offboard::{
    Name, Node, Publisher, RawMessage, RawSubscriber,
    wiring::{Endpoint, NodeWiring, OutputWiring, RunDir},
};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;

pub mod bench;
pub mod fault;
pub mod scene;
pub mod tape;
pub mod usage;

/// No wait is longer.
pub const LIMIT: Duration = Duration::from_secs(30);

/// The folder with our binaries: beside the test's own.
///
/// # Panics
/// When they were not built.
#[must_use]
pub fn bin_dir() -> PathBuf {
    let test = env::current_exe().expect("this test has a path");
    let dir = test.ancestors().nth(2).expect("target/PROFILE/deps/TEST").to_owned();
    assert!(dir.join("launch").exists(), "no {}/launch: cargo build --release --workspace --bins", dir.display());
    dir
}

/// The repository.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests is in the root").to_owned()
}

/// The Python that has pyzmq and protobuf, where tests/setup.sh made one.
#[must_use]
pub fn python() -> Option<PathBuf> {
    let made = root().join("target/venv/bin/python3");
    made.exists().then_some(made)
}

/// Waits for a fact, with a limit.
///
/// # Panics
/// When it does not come true within [`LIMIT`].
pub fn until<T>(what: &str, mut fact: impl FnMut() -> Option<T>) -> T {
    let limit = Instant::now() + LIMIT;
    loop {
        if let Some(found) = fact() {
            return found;
        }
        assert!(Instant::now() < limit, "{what}: not within {LIMIT:?}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Sends a signal to a process that the test started, or that a `launch` of its started.
///
/// # Panics
/// When there is no such process.
pub fn signal(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(pid).expect("a pid")).expect("no pid is 0");
    kill_process(pid, signal).expect("it lives");
}

/// Whether a process lives (a zombie does not).
#[must_use]
pub fn lives(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with('Z'))
}

/// Resident memory of a process, in KiB.
#[must_use]
pub fn resident_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0");
    line.split_whitespace().next().and_then(|kib| kib.parse().ok()).unwrap_or(0)
}

/// A machine to run graphs on: its files, its runtime folder, its key.
#[derive(Debug)]
pub struct Bed {
    dir: TempDir,
    /// The network namespace it is in, if any.
    netns: Option<String>,
}

impl Bed {
    /// A new bed on this machine.
    ///
    /// # Panics
    /// When no folder can be made.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "a new bed is an act")]
    pub fn new() -> Bed {
        let dir = tempfile::Builder::new().prefix("ob").tempdir().expect("a temporary folder");
        fs::create_dir(dir.path().join("files")).expect("a folder");
        Bed { dir, netns: None }
    }

    /// A new bed in a network namespace.
    #[must_use]
    pub fn in_netns(name: &str) -> Bed {
        Bed { netns: Some(name.to_owned()), ..Bed::new() }
    }

    /// The folder of its files.
    #[must_use]
    pub fn files(&self) -> PathBuf {
        self.dir.path().join("files")
    }

    /// Writes a file.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.files().join(name);
        fs::write(&path, text).expect("a file");
        path
    }

    /// Where a running graph keeps its sockets.
    #[must_use]
    pub fn run_dir(&self, graph: &str) -> RunDir {
        RunDir::at(self.dir.path().join("run").join(graph))
    }

    /// One of our programs, in this bed.
    #[must_use]
    pub fn command(&self, program: &str) -> Command {
        let program = bin_dir().join(program);
        let mut command = match &self.netns {
            None => Command::new(program),
            Some(name) => {
                let mut inside = Command::new("ip");
                inside.args(["netns", "exec", name]).arg(program);
                inside
            }
        };
        command
            .env("OFFBOARD_RUNTIME_DIR", self.dir.path().join("run"))
            .env("OFFBOARD_LOG_DIR", self.dir.path().join("log"))
            .env("XDG_CONFIG_HOME", self.dir.path().join("config"))
            .env("OFFBOARD_LOG_DIR", self.dir.path().join("log"))
            .env_remove("DISPLAY")
            .env_remove("NO_COLOR")
            .current_dir(self.files())
            .stdin(Stdio::null());
        command
    }

    /// Runs a verb of `launch` to its end.
    ///
    /// # Panics
    /// When it cannot be run.
    #[must_use]
    pub fn verb(&self, args: &[&str]) -> Output {
        self.command("launch").args(args).output().expect("launch runs")
    }

    /// The public key of this machine.
    ///
    /// # Panics
    /// When `launch key` prints none.
    #[must_use]
    pub fn key(&self) -> String {
        let output = self.verb(&["key"]);
        let key = String::from_utf8(output.stdout).expect("text").trim().to_owned();
        assert!(key.starts_with("ed25519:"), "launch key printed {key:?}, {}", String::from_utf8_lossy(&output.stderr));
        key
    }

    /// Starts `launch` with these arguments.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn launch<S: AsRef<std::ffi::OsStr>>(&self, args: &[S]) -> Launch<'_> {
        Launch::start(self, self.command("launch").args(args))
    }

    /// An ear on the edge from `topic` to an input of a node of a running graph: the node itself must not be connected
    /// (see [`EAR`]).
    #[must_use]
    pub fn ear(&self, graph: &str, topic: &str, node: &str, input: &str) -> Ear {
        let endpoint = offboard::wiring::edge(&self.run_dir(graph), &topic.parse().expect("a topic"), node, input);
        Ear::new(&endpoint, topic)
    }

    /// An ear on a topic's tap: it may miss messages.
    #[must_use]
    pub fn tap(&self, graph: &str, topic: &str) -> Ear {
        Ear::new(&offboard::wiring::tap(&self.run_dir(graph), &topic.parse().expect("a topic")), topic)
    }

    /// The nodes as `launch ps --json` shows them.
    #[must_use]
    pub fn ps(&self) -> Vec<Value> {
        let output = self.verb(&["ps", "--json"]);
        String::from_utf8_lossy(&output.stdout).lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// A node as `launch ps` shows it.
    #[must_use]
    pub fn node(&self, graph: &str, node: &str) -> Option<Value> {
        self.ps().into_iter().find(|row| row["graph"] == graph && row["node"] == node)
    }

    /// The process of a node, once it has one and is ready.
    ///
    /// # Panics
    /// When it is not ready within [`LIMIT`].
    #[must_use]
    pub fn pid(&self, graph: &str, node: &str) -> u32 {
        until(&format!("{graph}:{node} is ready"), || {
            let row = self.node(graph, node)?;
            u32::try_from(is_up(&row).then(|| row["pid"].as_u64())??).ok()
        })
    }
}

/// Whether a node that `launch ps` shows is ready, or lives, where it never says that it is ready.
fn is_up(row: &Value) -> bool {
    row["state"] == "ready" || row["state"] == "running"
}

/// A foreign node that only holds a place in the graph: the test itself listens on its edges.
pub const EAR: &str = r#"run = ["sleep", "3600"]"#;

/// A running `launch`. Stopped when dropped.
#[derive(Debug)]
pub struct Launch<'a> {
    bed: &'a Bed,
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
}

impl<'a> Launch<'a> {
    fn start(bed: &'a Bed, command: &mut Command) -> Launch<'a> {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("launch starts");
        let log = Arc::new(Mutex::new(Vec::new()));
        let (stderr, lines) = (child.stderr.take().expect("piped"), log.clone());
        thread::spawn(move || {
            for line in BufReader::new(stderr).split(b'\n').map_while(Result::ok) {
                lines.lock().expect("no panic").push(String::from_utf8_lossy(&line).into_owned());
            }
        });
        Launch { bed, child, log }
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Everything it said so far.
    ///
    /// # Panics
    /// Never.
    #[must_use]
    pub fn log(&self) -> String {
        self.log.lock().expect("no panic").join("\n")
    }

    /// Waits until it said something that contains `words`.
    ///
    /// # Panics
    /// When it does not within [`LIMIT`].
    pub fn says(&self, words: &str) {
        let limit = Instant::now() + LIMIT;
        while !self.log().contains(words) {
            assert!(Instant::now() < limit, "launch never said {words:?} but:\n{}", self.log());
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until each node of its graphs is ready; the link counts, what publishes launch's own topics does not.
    ///
    /// # Panics
    /// When they are not within [`LIMIT`].
    pub fn all_ready(&self, nodes: usize) {
        let limit = Instant::now() + LIMIT;
        loop {
            let mut rows = self.bed.ps();
            rows.retain(|row| row["node"] != offboard::wiring::LAUNCH);
            let up = rows.iter().filter(|row| is_up(row)).count();
            if rows.len() == nodes && up == nodes {
                return;
            }
            assert!(Instant::now() < limit, "{up} of {nodes} nodes are up\n{}", self.log());
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Sends it a signal.
    pub fn signal(&self, number: Signal) {
        signal(self.pid(), number);
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it does not end within [`LIMIT`].
    pub fn ended(&mut self) -> ExitStatus {
        until("launch ends", || self.child.try_wait().expect("ours"))
    }
}

impl Drop for Launch<'_> {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            signal(self.pid(), Signal::TERM);
            let limit = Instant::now() + LIMIT;
            while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < limit {
                thread::sleep(Duration::from_millis(5));
            }
            drop(self.child.kill());
            drop(self.child.wait());
        }
        if thread::panicking() {
            println!("--- launch said:\n{}\n---", self.log());
        }
    }
}

/// The exit code that a shell would show: 128 and the signal's number for a killed process.
#[must_use]
pub fn exit_code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

/// A listener of the test's own.
#[derive(Debug)]
pub struct Ear {
    runtime: Runtime,
    from: RawSubscriber,
}

impl Ear {
    fn new(endpoint: &str, topic: &str) -> Ear {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let from = {
            let _inside = runtime.enter();
            RawSubscriber::connect(endpoint, topic)
        };
        Ear { runtime, from }
    }

    /// The next message.
    ///
    /// # Panics
    /// When none comes within [`LIMIT`].
    pub fn hear(&mut self) -> RawMessage {
        self.hear_within(LIMIT).unwrap_or_else(|| panic!("nothing heard within {LIMIT:?}"))
    }

    /// The next message, if one comes within so long.
    pub fn hear_within(&mut self, limit: Duration) -> Option<RawMessage> {
        let next = async { tokio::time::timeout(limit, self.from.next()).await };
        self.runtime.block_on(next).ok()?.ok()?
    }

    /// The newest message.
    ///
    /// # Panics
    /// When none comes within [`LIMIT`].
    pub fn newest(&mut self) -> RawMessage {
        let latest = async { tokio::time::timeout(LIMIT, self.from.latest()).await };
        self.runtime.block_on(latest).expect("in time").expect("readable").expect("no node, no end")
    }

    /// Messages missing so far.
    #[must_use]
    pub fn gaps(&self) -> u64 {
        self.from.gaps()
    }
}

/// A speaker of the test's own, in the place of a node that is [`EAR`].
#[derive(Debug)]
pub struct Mouth<M> {
    runtime: Runtime,
    to: Publisher<M>,
}

impl Bed {
    /// Speaks on `topic` towards one input of a running graph.
    ///
    /// # Panics
    /// When the endpoint cannot be bound.
    #[must_use]
    pub fn mouth<M: prost::Message + Name>(&self, graph: &str, topic: &str, node: &str, input: &str) -> Mouth<M> {
        let (speaker, output) = topic.split_once('/').expect("node/output");
        let address = offboard::wiring::edge(&self.run_dir(graph), &topic.parse().expect("a topic"), node, input);
        let wiring = NodeWiring {
            graph: graph.to_owned(),
            name: speaker.to_owned(),
            inputs: Vec::new(),
            outputs: vec![OutputWiring {
                name: output.to_owned(),
                topic: topic.to_owned(),
                kind: M::full_name(),
                endpoints: vec![Endpoint { address, keep: Some(1) }],
            }],
            params: serde_json::Map::new(),
            clock_offset_ns: 0,
            status: None,
        };
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let to = runtime
            .block_on(async { Node::start(wiring)?.publish::<M>(output).await })
            .expect("the endpoint can be bound");
        Mouth { runtime, to }
    }
}

impl<M: prost::Message + Name> Mouth<M> {
    /// Says something.
    ///
    /// # Panics
    /// Never.
    pub fn say(&mut self, message: M) {
        self.runtime.block_on(self.to.send(message)).expect("sending never fails");
    }
}

/// A TCP port of the loopback that is free now.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("bound").port()
}
