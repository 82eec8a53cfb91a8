//! Clears away all processes of a launch that is no more.
//! It never waits for long: whoever does not end soon is killed.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use crate::{
    child::{RUN_VARIABLE, everyone, group_exists, signal_group, signal_process, who_say},
    supervisor::Force,
};

/// How long nodes get to leave their device in a safe state; motors write neutral at once when asked to end.
const GRACE: Duration = Duration::from_millis(150);

/// How often is looked, and how long is rested between.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// How often those who are left are killed: a process that forks faster than we look must lose some day.
const ROUNDS_MAX: usize = 20;

/// Ends these process groups and every process that carries this launch's mark: asked at once, killed soon.
pub(crate) fn sweep(run: &str, groups: &[u32]) {
    for group in groups.iter().rev() {
        signal_group(*group, Force::Ask);
    }
    let strays = strays(run, groups);
    for pid in &strays {
        signal_process(*pid, Force::Ask);
    }
    if groups.is_empty() && strays.is_empty() {
        return;
    }
    wait_until(GRACE, || !groups.iter().any(|group| group_exists(*group)) && marked(run).is_empty());
    for group in groups {
        signal_group(*group, Force::Kill);
    }
    for _ in 0..ROUNDS_MAX {
        let left = marked(run);
        if left.is_empty() {
            return;
        }
        left.iter().for_each(|pid| signal_process(*pid, Force::Kill));
        sleep(LOOK_EVERY);
    }
}

fn marked(run: &str) -> Vec<u32> {
    who_say(&[(RUN_VARIABLE, run)], everyone())
}

/// The marked ones outside the groups, which were asked already.
fn strays(run: &str, groups: &[u32]) -> Vec<u32> {
    let group_of = |pid: &u32| {
        let pid = rustix::process::Pid::from_raw(i32::try_from(*pid).ok()?)?;
        u32::try_from(rustix::process::getpgid(Some(pid)).ok()?.as_raw_nonzero().get()).ok()
    };
    let outside = |pid: &u32| group_of(pid).is_none_or(|group| !groups.contains(&group));
    marked(run).into_iter().filter(outside).collect()
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
