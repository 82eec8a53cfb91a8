//! What processes use: time on a processor, memory, and who belongs to whom, all read from `/proc`.
//! It never signals anybody.

use std::{
    collections::HashMap,
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

/// The process and all that it started, and they.
#[must_use]
pub fn family(pid: u32) -> Vec<u32> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for child in numbers(PathBuf::from("/proc")) {
        if let Some(parent) = parent(child) {
            children.entry(parent).or_default().push(child);
        }
    }
    let (mut found, mut at) = (vec![pid], 0);
    while let Some(next) = found.get(at) {
        found.extend(children.remove(next).unwrap_or_default());
        at += 1;
    }
    found
}

fn parent(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit(") ").next()?.split(' ').nth(1)?.parse().ok()
}

/// The program's name as process lists show it; empty when the process is gone.
#[must_use]
pub fn name(pid: u32) -> String {
    fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim().to_owned()
}

/// Time that all threads of a process spent on a processor. `schedstat` counts nanoseconds, where `stat` counts in steps of
/// 10 ms, which is more than an idle node uses in a second.
#[must_use]
pub fn on_cpu(pid: u32) -> Duration {
    let thread = |id: u32| {
        let text = fs::read_to_string(format!("/proc/{pid}/task/{id}/schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    };
    Duration::from_nanos(numbers(PathBuf::from(format!("/proc/{pid}/task"))).filter_map(thread).sum())
}

/// Memory that is a process's own, its part of what it shares included, in MB (10⁶ bytes).
#[must_use]
pub fn pss_mb(pid: u32) -> f64 {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:")).unwrap_or_default();
    let kib: f64 = line.split_whitespace().next().and_then(|kib| kib.parse().ok()).unwrap_or(f64::NAN);
    kib * 1024.0 / 1e6
}

fn numbers(folder: PathBuf) -> impl Iterator<Item = u32> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// Watches what processes use from now on.
#[derive(Debug)]
pub struct Watch {
    since: Instant,
    before: Vec<(u32, Duration)>,
}

impl Watch {
    /// Of these processes.
    #[must_use]
    pub fn new(pids: &[u32]) -> Watch {
        Watch { since: Instant::now(), before: pids.iter().map(|pid| (*pid, on_cpu(*pid))).collect() }
    }

    /// What each used since then, as a percentage of one core.
    #[must_use]
    pub fn percent(&self) -> Vec<(u32, f64)> {
        let span = self.since.elapsed().as_secs_f64();
        let used = |pid: u32, before: Duration| on_cpu(pid).saturating_sub(before).as_secs_f64() / span * 100.0;
        self.before.iter().map(|(pid, before)| (*pid, used(*pid, *before))).collect()
    }
}
