//! The launch that is broken: a child of ours with a runtime folder of its own, so that it meets nobody else's graphs.
//! It never outlives us: it is stopped when dropped, and asked to stop by the system when we are killed.

use std::{
    collections::VecDeque,
    env, fs,
    io::{self, BufRead, BufReader},
    os::unix::{fs::DirBuilderExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, ChildStderr, Command, Stdio},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use offboard::{clock, wiring::LAUNCH};
use tokio::time::sleep;

use crate::{
    child::signal_process,
    client::{Client, running_in},
    failure::Failure,
    supervisor::{Force, code},
    sweep::wait_until,
};

/// How long all nodes may take to get ready beside what their files say: programs are asked, links dial.
const START_MAX: Duration = Duration::from_secs(20);

/// How long the end may take: the longest `stop` and then some. After that it is killed, and its guard clears up.
const STOP_MAX: Duration = Duration::from_secs(30);

/// How many of its lines are kept.
const TAIL_MAX: usize = 30;

/// How often is looked whether it is up.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Our launch.
#[derive(Debug)]
pub(super) struct Stage {
    child: Child,
    dir: PathBuf,
    tail: Arc<Mutex<VecDeque<String>>>,
}

impl Stage {
    /// Starts it.
    ///
    /// # Errors
    /// When its folder cannot be made, or it cannot be started.
    pub(super) fn start(files: &[PathBuf], sets: &[String]) -> Result<Stage, Failure> {
        let name = format!("offboard-chaos-{}-{:x}", std::process::id(), clock::monotonic_ns());
        let dir = env::temp_dir().join(name);
        // Made anew and ours alone: who else has a folder of that name is refused.
        fs::DirBuilder::new().mode(0o700).create(&dir)?;
        let started = spawn(&dir, files, sets);
        let (child, stderr) = started.inspect_err(|_| drop(fs::remove_dir(&dir)))?;
        let tail = Arc::new(Mutex::new(VecDeque::new()));
        let stage = Stage { child, dir, tail: Arc::clone(&tail) };
        thread::Builder::new().name("tail".to_owned()).spawn(move || keep(&tail, stderr))?;
        Ok(stage)
    }

    /// The process.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Connections to its graphs once each of so many nodes is up.
    ///
    /// # Errors
    /// When it ends, or that takes too long.
    pub(super) async fn until_up(
        &mut self,
        graphs: usize,
        nodes: usize,
        patience: Duration,
    ) -> Result<Vec<Client>, Failure> {
        let limit = Instant::now() + START_MAX + patience;
        loop {
            let mut clients = running_in(&self.dir)?;
            let views = clients.iter_mut().filter_map(|client| client.nodes().ok()).flatten();
            // launch's own node is no part of any graph file.
            let views: Vec<_> = views.filter(|view| view.node != LAUNCH).collect();
            if clients.len() == graphs && views.len() == nodes && views.iter().all(|view| is_up(&view.state)) {
                return Ok(clients);
            }
            if self.has_ended() {
                return Err(self.failure("the graphs ended before anything was broken"));
            }
            if Instant::now() >= limit {
                let late = views.iter().filter(|view| !is_up(&view.state));
                let late: Vec<String> =
                    late.map(|view| format!("{}:{} ({})", view.graph, view.node, view.state)).collect();
                return Err(self.failure(&format!("not all nodes got ready: {}", late.join(", "))));
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// Whether it is over.
    pub(super) fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// A failure with what it said last.
    pub(super) fn failure(&self, sentence: &str) -> Failure {
        Failure::new(code::OTHER, format!("{sentence}; launch said last:\n{}", self.last_words()))
    }

    fn last_words(&self) -> String {
        lock(&self.tail).iter().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
    }

    fn end(&mut self) {
        if !self.has_ended() {
            // It is our child and not yet waited for: its number is nobody else's.
            signal_process(self.child.id(), Force::Ask);
            let limit = Instant::now() + STOP_MAX;
            while !self.has_ended() && Instant::now() < limit {
                thread::sleep(LOOK_EVERY);
            }
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        // Killed, its guard removes the folders of the graphs.
        wait_until(STOP_MAX, || fs::read_dir(&self.dir).map_or(true, |mut left| left.next().is_none()));
        let _ = fs::remove_dir_all(&self.dir);
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.end();
    }
}

/// Whether a node in this state is as it should be.
pub(super) fn is_up(state: &str) -> bool {
    matches!(state, "ready" | "running" | "done")
}

fn spawn(dir: &Path, files: &[PathBuf], sets: &[String]) -> io::Result<(Child, ChildStderr)> {
    let mut child = Command::new("/proc/self/exe")
        .arg0("launch")
        .arg(format!("--with-parent={}", std::process::id()))
        .args(["--color", "never"])
        .args(sets.iter().map(|set| format!("--set={set}")))
        .arg("--")
        .args(files)
        .env("OFFBOARD_RUNTIME_DIR", dir)
        // Outside our group Ctrl-C reaches us alone, and we stop it once.
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    let stderr = child.stderr.take().ok_or_else(|| io::Error::other("its output has no pipe"))?;
    Ok((child, stderr))
}

/// Keeps the last lines until nobody writes any more.
fn keep(tail: &Mutex<VecDeque<String>>, stderr: ChildStderr) {
    // Its lines are short: launch cuts them.
    for line in BufReader::new(stderr).split(b'\n').map_while(Result::ok) {
        let mut tail = lock(tail);
        if tail.len() == TAIL_MAX {
            tail.pop_front();
        }
        tail.push_back(String::from_utf8_lossy(&line).into_owned());
    }
}

fn lock(tail: &Mutex<VecDeque<String>>) -> MutexGuard<'_, VecDeque<String>> {
    tail.lock().unwrap_or_else(PoisonError::into_inner)
}
