//! What ends the nodes when launch itself is killed: a small process that holds one end of a pipe.
//!
//! launch tells it of its control groups and of each process group it makes. When the pipe closes without a farewell, launch was killed: the guard then
//! [sweeps](crate::sweep) and removes the runtime files. Nothing else lasts: a parent-death signal dies with a thread and misses
//! grandchildren, and a `Drop` does not run on SIGKILL.
//!
//! It never starts a node and never talks to one.

use std::{
    fs,
    io::{self, BufRead, Write},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{ChildStdin, Command, ExitCode, Stdio},
    time::Duration,
};

use rustix::{
    fs::{OFlags, fcntl_getfl, fcntl_setfl},
    process::{Pid, WaitOptions},
};

use crate::{
    cgroup, lock,
    sweep::{Left, Started, sweep, wait_until},
};

/// The hidden verb.
pub(crate) const VERB: &str = "__guard";

/// How the guard is called in process lists: who kills every `launch` by name must not meet it.
const NAME: &str = "offboard-guard";

/// How long launch waits for the guard's last look.
const FAREWELL_MAX: Duration = Duration::from_secs(1);

/// How often a guard that was killed is replaced: more is a wish to have none.
const RESTARTS_MAX: u32 = 10;

/// The guard as launch holds it.
#[derive(Debug)]
pub(crate) struct Guard {
    run: String,
    pid: u32,
    pipe: ChildStdin,
    groups: Vec<Started>,
    dirs: Vec<PathBuf>,
    /// Told on its command line: should launch be killed a moment later, the guard knows them.
    cgroups: Vec<String>,
    restarts: u32,
}

impl Guard {
    /// Starts the guard of the launch with this mark, which has these folders of control groups and may have moved itself to `leaf`.
    ///
    /// # Errors
    /// When the system refuses.
    pub(crate) fn start(run: &str, folders: &[PathBuf], leaf: Option<&Path>) -> io::Result<Guard> {
        let folders = folders.iter().map(|folder| format!("cgroup {}", folder.display()));
        let cgroups: Vec<String> = folders.chain(leaf.map(|leaf| format!("leaf {}", leaf.display()))).collect();
        let (pid, pipe) = spawn(run, &cgroups)?;
        let (groups, dirs) = (Vec::new(), Vec::new());
        Ok(Guard { run: run.to_owned(), pid, pipe, groups, dirs, cgroups, restarts: 0 })
    }

    /// The guard's process.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// A graph's folder is to be removed with launch.
    pub(crate) fn add_dir(&mut self, dir: PathBuf) {
        self.tell(&format!("dir {}", dir.display()));
        self.dirs.push(dir);
    }

    /// A process group was made.
    pub(crate) fn add(&mut self, group: Started) {
        self.tell(&line_of(group));
        self.groups.push(group);
    }

    /// It is gone.
    pub(crate) fn remove(&mut self, group: u32) {
        self.tell(&format!("del {group}"));
        self.groups.retain(|other| other.pid != group);
    }

    /// The guard was killed: another one takes its place.
    ///
    /// # Errors
    /// When the system refuses, or that happened too often.
    pub(crate) fn replace(&mut self) -> io::Result<()> {
        self.restarts += 1;
        if self.restarts > RESTARTS_MAX {
            return Err(io::Error::other("it was killed too often"));
        }
        (self.pid, self.pipe) = spawn(&self.run, &self.cgroups)?;
        let dirs = self.dirs.iter().map(|dir| format!("dir {}", dir.display()));
        let groups = self.groups.iter().map(|group| line_of(*group));
        let lines: Vec<String> = dirs.chain(groups).collect();
        lines.iter().for_each(|line| self.tell(line));
        Ok(())
    }

    /// launch ends in good order. The guard looks once more for processes that left their groups, then ends too.
    pub(crate) fn farewell(mut self) {
        self.tell("bye");
        drop(self.pipe);
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        let gone = || !matches!(rustix::process::waitpid(pid, WaitOptions::NOHANG), Ok(None));
        wait_until(FAREWELL_MAX, gone);
    }

    fn tell(&mut self, line: &str) {
        // Never blocks and may fail: a guard that does not read still finds everyone by their mark.
        let _ = self.pipe.write_all(format!("{line}\n").as_bytes());
    }
}

fn line_of(group: Started) -> String {
    format!("{} {}", if group.motor { "motor" } else { "add" }, group.pid)
}

fn spawn(run: &str, cgroups: &[String]) -> io::Result<(u32, ChildStdin)> {
    let mut child = Command::new("/proc/self/exe")
        .arg0(NAME)
        .args([VERB, run])
        .args(cgroups)
        // Outside our group Ctrl-C does not reach it; nothing of ours but the pipe is open in it.
        .process_group(0)
        .current_dir("/")
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let pipe = child.stdin.take().ok_or_else(|| io::Error::other("it has no pipe"))?;
    fcntl_setfl(&pipe, fcntl_getfl(&pipe)? | OFlags::NONBLOCK)?;
    Ok((child.id(), pipe))
}

/// What a guard knows.
#[derive(Default)]
struct Known {
    left: Left,
    dirs: Vec<PathBuf>,
    leaf: Option<PathBuf>,
    farewell: bool,
}

impl Known {
    fn learn(&mut self, line: &str) {
        match line.split_once(' ') {
            Some((word @ ("add" | "motor"), group)) => {
                let started = group.parse().map(|pid| Started { pid, motor: word == "motor" });
                self.left.groups.extend(started);
            }
            Some(("del", group)) => self.left.groups.retain(|other| Ok(other.pid) != group.parse()),
            Some(("dir", dir)) => self.dirs.push(PathBuf::from(dir)),
            Some(("cgroup", folder)) => self.left.folders.push(PathBuf::from(folder)),
            Some(("leaf", folder)) => self.leaf = Some(PathBuf::from(folder)),
            _ => self.farewell = line == "bye",
        }
    }
}

/// The guard's own life: listens until the pipe closes, then clears up. `first`: what it must know from its first moment on.
pub(crate) fn main(run: &str, first: &[String]) -> ExitCode {
    let _ = fs::write("/proc/self/comm", NAME);
    let mut known = Known::default();
    first.iter().for_each(|line| known.learn(line));
    io::stdin().lock().lines().map_while(Result::ok).for_each(|line| known.learn(&line));
    let Known { mut left, dirs, leaf, farewell } = known;
    if farewell {
        left.groups.clear();
    }
    sweep(run, &left);
    if !farewell {
        leaf.iter().for_each(|leaf| cgroup::leave(leaf));
        dirs.iter().for_each(|dir| lock::remove_if_free(dir));
    }
    ExitCode::SUCCESS
}
