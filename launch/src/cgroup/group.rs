//! The groups of one node: its limits, who is in them, and what the kernel counted there. It never decides when to kill.

use std::{fs, io, path::PathBuf};

use offboard::graph::Limits;
use rustix::process::{Pid, getpgid};

use super::{
    Tree, Version,
    folder::{count, is_populated, kill, processes, remove, write},
};
use crate::{child::signal_process, supervisor::Force};

/// A node's groups, one in each tree.
#[derive(Debug)]
pub(crate) struct Group {
    trees: Vec<Tree>,
    memory: Option<u64>,
    pids: Option<u32>,
    /// What was counted before the newest process.
    before: Seen,
    /// They were killed, and none was started since.
    killed: bool,
}

/// What the kernel counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Processes that it killed for want of memory.
    pub(crate) out_of_memory: u64,
    /// Forks that it refused for the limit of processes.
    pub(crate) refused_forks: u64,
}

impl Group {
    pub(super) fn new(trees: Vec<Tree>, limits: &Limits) -> Group {
        Group { trees, memory: limits.memory, pids: limits.pids, before: Seen::default(), killed: false }
    }

    /// What the next process may use. The folders of the one that runs stay.
    pub(crate) fn limit(&mut self, new: Group) {
        (self.memory, self.pids) = (new.memory, new.pids);
        let further = new.trees.into_iter().filter(|tree| self.trees.iter().all(|own| own.path != tree.path));
        let further: Vec<Tree> = further.collect();
        self.trees.extend(further);
    }

    /// Makes the folders and sets the limits, for a process that is about to join.
    ///
    /// # Errors
    /// When the system refuses.
    pub(crate) fn begin(&mut self) -> io::Result<()> {
        for tree in &self.trees {
            fs::create_dir_all(&tree.path)?;
            if tree.pids {
                // Also without a limit: killing sets it to 0.
                let max = self.pids.map_or("max".to_owned(), |pids| pids.to_string());
                write(&tree.path.join("pids.max"), &max)?;
            }
            if tree.memory {
                limit_memory(tree, self.memory)?;
            }
        }
        (self.before, self.killed) = (self.count(), false);
        Ok(())
    }

    /// The files to which a process of one thread writes `0` to join.
    pub(crate) fn joins(&self) -> Vec<PathBuf> {
        // In version 1 a thread joins alone and at once; a whole process waits for the machine's other processors.
        let file = |tree: &Tree| tree.path.join(if tree.version == Version::V1 { "tasks" } else { "cgroup.procs" });
        self.trees.iter().map(file).collect()
    }

    /// Whether a process is left.
    pub(crate) fn is_left(&self) -> bool {
        let left = self.trees.first().is_some_and(|tree| is_populated(&tree.path));
        if left && self.killed {
            self.kill_all();
        }
        left
    }

    /// Asks those outside the process group `leader`, which is asked by itself: twice may mean something else than once.
    pub(crate) fn ask(&self, leader: u32) {
        for pid in self.trees.first().map(|tree| processes(&tree.path)).unwrap_or_default() {
            let id = i32::try_from(pid).ok().and_then(Pid::from_raw);
            let group =
                id.and_then(|id| getpgid(Some(id)).ok()).map(|group| group.as_raw_nonzero().get().unsigned_abs());
            if group != Some(leader) {
                signal_process(pid, Force::Ask);
            }
        }
    }

    /// Kills all.
    pub(crate) fn kill(&mut self) {
        self.killed = true;
        self.kill_all();
    }

    fn kill_all(&self) {
        self.trees.iter().take(1).for_each(|tree| kill(&tree.path));
    }

    /// What the kernel counted since the newest process was started.
    pub(crate) fn seen(&self) -> Seen {
        let now = self.count();
        Seen {
            out_of_memory: now.out_of_memory.saturating_sub(self.before.out_of_memory),
            refused_forks: now.refused_forks.saturating_sub(self.before.refused_forks),
        }
    }

    /// Removes the folders; those with processes stay.
    pub(crate) fn remove(&self) {
        for tree in &self.trees {
            remove(&tree.path);
        }
    }

    fn count(&self) -> Seen {
        let events = |tree: &Tree| match tree.version {
            Version::V1 => tree.path.join("memory.oom_control"),
            Version::V2 => tree.path.join("memory.events"),
        };
        let memory = self.trees.iter().find(|tree| tree.memory).and_then(|tree| count(&events(tree), "oom_kill"));
        let pids = self.trees.iter().find(|tree| tree.pids);
        let forks = pids.and_then(|tree| count(&tree.path.join("pids.events"), "max"));
        Seen { out_of_memory: memory.unwrap_or_default(), refused_forks: forks.unwrap_or_default() }
    }
}

fn limit_memory(tree: &Tree, limit: Option<u64>) -> io::Result<()> {
    let set = |file: &str, value: &str| write(&tree.path.join(file), value);
    match (tree.version, limit) {
        (Version::V2, limit) => {
            set("memory.max", &limit.map_or("max".to_owned(), |bytes| bytes.to_string()))?;
            // Swapping would make it slow instead of ending it; and its processes are one unit. Neither is there everywhere.
            let _ = set("memory.swap.max", if limit.is_some() { "0" } else { "max" });
            let _ = set("memory.oom.group", if limit.is_some() { "1" } else { "0" });
        }
        (Version::V1, Some(bytes)) => {
            // The limit with swap may not be below the one without.
            let _ = set("memory.memsw.limit_in_bytes", "-1");
            set("memory.limit_in_bytes", &bytes.to_string())?;
            let _ = set("memory.memsw.limit_in_bytes", &bytes.to_string());
        }
        (Version::V1, None) => {
            let _ = set("memory.memsw.limit_in_bytes", "-1");
            set("memory.limit_in_bytes", "-1")?;
        }
    }
    Ok(())
}
