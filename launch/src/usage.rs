//! What nodes cost: processor time and memory of all the processes of a node, from /proc.
//! It never asks launch and never stops a process to look at it.

use std::{collections::BTreeMap, fs, time::Duration};

use rustix::{
    param::{clock_ticks_per_second, page_size},
    time::{ClockId, clock_gettime},
};

use crate::child::{everyone, stat};

/// What a node's processes took so far: the first, its group, and all who descend from it. Who left the group and lost its parent
/// (a daemon) is not counted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Usage {
    /// When the first process began, since the machine did: with its number it says which process it is.
    pub(crate) began: Duration,
    /// How long ago that was.
    pub(crate) lived: Duration,
    /// Processor time, of children that ended and were waited for too.
    pub(crate) cpu: Duration,
    /// Memory: pages that several processes share are shared out among them (PSS; the resident set where the kernel does not tell).
    pub(crate) memory_bytes: u64,
    /// How many processes.
    pub(crate) processes: usize,
}

impl Usage {
    /// Processor time since it began, in percent of one core.
    pub(crate) fn mean_percent(&self) -> Option<f64> {
        percent(self.cpu, self.lived)
    }
}

/// The share of `time` that `cpu` is, in percent of one core; none where no time has passed.
pub(crate) fn percent(cpu: Duration, time: Duration) -> Option<f64> {
    (!time.is_zero()).then(|| cpu.as_secs_f64() / time.as_secs_f64() * 100.0)
}

/// A line of the table of processes.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Process {
    pid: u32,
    parent: u32,
    group: u32,
    /// With what its waited-for children took.
    ticks: u64,
    began_ticks: u64,
    resident_pages: u64,
}

/// What the nodes with these processes take; a process that is gone has none.
pub(crate) fn usages(leaders: impl IntoIterator<Item = u32>) -> BTreeMap<u32, Usage> {
    let leaders: Vec<u32> = leaders.into_iter().collect();
    if leaders.is_empty() {
        return BTreeMap::new();
    }
    let all: Vec<Process> = everyone().filter_map(process).collect();
    let up = clock_gettime(ClockId::Boottime);
    let up = Duration::new(u64::try_from(up.tv_sec).unwrap_or(0), u32::try_from(up.tv_nsec).unwrap_or(0));
    leaders.into_iter().filter_map(|leader| Some((leader, usage(&all, leader, up, memory)?))).collect()
}

fn usage(all: &[Process], leader: u32, up: Duration, memory: impl Fn(&Process) -> u64) -> Option<Usage> {
    let first = all.iter().find(|process| process.pid == leader)?;
    let family = family(all, leader);
    let began = ticks(first.began_ticks);
    Some(Usage {
        began,
        lived: up.saturating_sub(began),
        cpu: ticks(family.iter().map(|process| process.ticks).sum()),
        memory_bytes: family.iter().map(|process| memory(process)).sum(),
        processes: family.len(),
    })
}

/// The process, its group, and all who descend from any of these.
fn family(all: &[Process], leader: u32) -> Vec<&Process> {
    let is_root = |process: &Process| process.pid == leader || process.group == leader;
    let (mut family, mut others): (Vec<&Process>, Vec<&Process>) = all.iter().partition(|process| is_root(process));
    let mut looked_at = 0;
    // Each pass takes in the children of one member; there are no more members than processes.
    while let Some(parent) = family.get(looked_at).map(|process| process.pid) {
        let (children, rest): (Vec<&Process>, Vec<&Process>) =
            others.into_iter().partition(|process| process.parent == parent);
        family.extend(children);
        others = rest;
        looked_at += 1;
    }
    family
}

fn process(pid: u32) -> Option<Process> {
    // proc_pid_stat(5): ppid, pgrp, utime, stime, cutime, cstime, starttime, rss
    let [parent, group, user, system, children_user, children_system, began, resident] =
        stat(pid, [4, 5, 14, 15, 16, 17, 22, 24])?;
    Some(Process {
        pid,
        parent: u32::try_from(parent).ok()?,
        group: u32::try_from(group).ok()?,
        ticks: user + system + children_user + children_system,
        began_ticks: began,
        resident_pages: resident,
    })
}

fn ticks(ticks: u64) -> Duration {
    Duration::from_secs_f64(ticks as f64 / clock_ticks_per_second().max(1) as f64)
}

fn memory(process: &Process) -> u64 {
    let rollup = fs::read_to_string(format!("/proc/{}/smaps_rollup", process.pid)).ok();
    let shared_out = rollup.as_deref().and_then(pss_bytes);
    shared_out.unwrap_or(process.resident_pages * page_size() as u64)
}

fn pss_bytes(rollup: &str) -> Option<u64> {
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kib << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: u32, parent: u32, group: u32, ticks: u64) -> Process {
        Process { pid, parent, group, ticks, began_ticks: 100, resident_pages: 1 }
    }

    #[test]
    fn a_node_is_its_first_process_its_group_and_all_who_descend_from_them() {
        let all = [
            process(1, 0, 1, 0),
            process(10, 5, 10, 1),  // the wrapper
            process(11, 10, 10, 2), // its child
            process(12, 11, 12, 4), // in a session of its own
            process(13, 12, 12, 8), // and its child
            process(14, 1, 10, 16), // left by its parent, still in the group
            process(20, 5, 20, 32), // another node
            process(21, 20, 20, 64),
        ];
        let usage = usage(&all, 10, ticks(1100), |_| 1000).unwrap();
        assert_eq!((usage.processes, usage.cpu, usage.memory_bytes), (5, ticks(31), 5000));
        assert_eq!(usage.lived, ticks(1000));
        assert!((usage.mean_percent().unwrap() - 3.1).abs() < 1e-9);
        assert_eq!(super::usage(&all, 99, ticks(1100), |_| 0), None);
    }

    #[test]
    fn the_kernel_s_own_figure_for_memory_is_read() {
        assert_eq!(
            pss_bytes("55d0-7fff ---p 00000000 00:00 0 [rollup]\nRss:  20 kB\nPss:        12 kB\n"),
            Some(12 << 10)
        );
        assert_eq!(pss_bytes(""), None);
    }

    #[test]
    fn this_process_is_found_and_costs_something() {
        let own = std::process::id();
        let usage = usages([own, u32::MAX])[&own];
        assert!(usage.memory_bytes > 100 << 10 && usage.processes >= 1 && !usage.lived.is_zero(), "{usage:?}");
        assert_eq!(usages([u32::MAX]).len(), 0);
    }
}
