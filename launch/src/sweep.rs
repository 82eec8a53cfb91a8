//! Clears away all processes of a launch that is no more.
//! It never waits for long: whoever does not end soon is killed.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    thread::sleep,
    time::{Duration, Instant},
};

use crate::{
    cgroup::{self, RUN_PREFIX},
    child::{RUN_VARIABLE, everyone, group_exists, signal_group, signal_process, who_say},
    supervisor::Force,
};

/// How long nodes get to leave their device in a safe state; motors write neutral at once when asked to end.
const GRACE: Duration = Duration::from_millis(150);

/// How often is looked, and how long is rested between.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// How often those who are left are killed: a process that forks faster than we look must lose some day.
const ROUNDS_MAX: usize = 20;

/// How long the kernel gets to let go of a group whose processes were killed.
const REMOVAL_MAX: Duration = Duration::from_millis(500);

/// What a launch left.
#[derive(Debug, Default)]
pub(crate) struct Left {
    /// Its process groups.
    pub(crate) groups: Vec<Started>,
    /// The folders of its control groups.
    pub(crate) folders: Vec<PathBuf>,
}

/// A process group of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Started {
    pub(crate) pid: u32,
    /// It moves things: it is asked to end before all others.
    pub(crate) motor: bool,
}

impl Left {
    /// What stands in a lock file. Only folders that have the name of that launch's are believed.
    pub(crate) fn of(run: &str, folders: &[PathBuf]) -> Left {
        let name = format!("{RUN_PREFIX}{run}");
        let is_its = |path: &&PathBuf| path.is_absolute() && path.file_name() == Some(OsStr::new(&name));
        Left { groups: Vec::new(), folders: folders.iter().filter(is_its).cloned().collect() }
    }

    /// The processes in its control groups.
    fn members(&self) -> Vec<u32> {
        // The first folder tells who is there; in the others are the same.
        self.folders.first().map(|folder| cgroup::processes(folder)).unwrap_or_default()
    }

    fn is_there(&self) -> bool {
        self.groups.iter().any(|group| group_exists(group.pid)) || !self.members().is_empty()
    }
}

/// Ends what is left of the launch with this mark: its process groups, its control groups and every process that carries the mark.
/// Asked at once, the motors first; killed soon.
pub(crate) fn sweep(run: &str, left: &Left) {
    let begin = Instant::now();
    let (motors, others): (Vec<Started>, Vec<Started>) = left.groups.iter().rev().partition(|group| group.motor);
    for group in motors.iter().chain(&others) {
        signal_group(group.pid, Force::Ask);
    }
    let mut strays = strays(left.members(), left);
    strays.iter().for_each(|pid| signal_process(*pid, Force::Ask));
    // Whoever is in a control group was met there; looking at every process of the machine takes a while.
    let marked_strays = self::strays(marked(run), left);
    marked_strays.iter().filter(|pid| !strays.contains(pid)).for_each(|pid| signal_process(*pid, Force::Ask));
    strays.extend(marked_strays);
    if left.groups.is_empty() && strays.is_empty() {
        return remove(left);
    }
    let rest = GRACE.saturating_sub(begin.elapsed());
    wait_until(rest, || !left.is_there() && marked(run).is_empty());
    left.folders.iter().for_each(|folder| cgroup::kill(folder));
    for group in &left.groups {
        signal_group(group.pid, Force::Kill);
    }
    for _ in 0..ROUNDS_MAX {
        let still = marked(run);
        if still.is_empty() {
            break;
        }
        still.iter().for_each(|pid| signal_process(*pid, Force::Kill));
        sleep(LOOK_EVERY);
    }
    remove(left);
}

fn remove(left: &Left) {
    for folder in &left.folders {
        let gone = |folder: &Path| {
            let gone = cgroup::remove(folder);
            if !gone {
                cgroup::kill(folder);
            }
            gone
        };
        wait_until(REMOVAL_MAX, || gone(folder));
    }
}

fn marked(run: &str) -> Vec<u32> {
    who_say(&[(RUN_VARIABLE, run)], everyone())
}

/// Those outside the process groups, which were asked already.
fn strays(pids: Vec<u32>, left: &Left) -> Vec<u32> {
    let group_of = |pid: &u32| {
        let pid = rustix::process::Pid::from_raw(i32::try_from(*pid).ok()?)?;
        u32::try_from(rustix::process::getpgid(Some(pid)).ok()?.as_raw_nonzero().get()).ok()
    };
    let outside = |pid: &u32| group_of(pid).is_none_or(|group| !left.groups.iter().any(|other| other.pid == group));
    pids.into_iter().filter(outside).collect()
}

/// Looks until it is so, for a bounded time; whether it became so.
pub(crate) fn wait_until(most: Duration, so: impl Fn() -> bool) -> bool {
    let begin = Instant::now();
    while !so() {
        if begin.elapsed() >= most {
            return false;
        }
        sleep(LOOK_EVERY);
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_file_cannot_name_a_folder_that_is_not_of_its_launch() {
        let folders =
            ["/cg/offboard-7-1", "/cg/offboard-7-2", "/", "/cg/offboard-7-1/..", "offboard-7-1"].map(PathBuf::from);
        assert_eq!(Left::of("7-1", &folders).folders, [PathBuf::from("/cg/offboard-7-1")]);
        assert!(Left::of("", &folders).folders.is_empty());
    }
}
