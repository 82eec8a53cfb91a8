//! A process that may be broken: held by a descriptor, so that a signal never meets another one of the same number.
//! It never signals what our own launch did not start.

use std::{fs, os::fd::OwnedFd};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// Between a node and its launch there may be some processes, but not many.
const ANCESTORS_MAX: usize = 8;

/// A process of a node.
#[derive(Debug)]
pub(super) struct Victim(OwnedFd);

impl Victim {
    /// The process of this number, if `launch` is above it; none when it is gone or somebody else's.
    pub(super) fn open(pid: u32, launch: u32) -> Option<Victim> {
        let handle = pidfd_open(Pid::from_raw(i32::try_from(pid).ok()?)?, PidfdFlags::empty()).ok()?;
        // Looked at while it is held: the number cannot have passed to another one before, or the signal goes nowhere.
        descends(pid, launch).then_some(Victim(handle))
    }

    /// Signals it; whether it was still there.
    pub(super) fn signal(&self, signal: Signal) -> bool {
        pidfd_send_signal(&self.0, signal).is_ok()
    }
}

fn descends(pid: u32, from: u32) -> bool {
    let ancestors = std::iter::successors(parent(pid), |pid| parent(*pid));
    ancestors.take(ANCESTORS_MAX).any(|ancestor| ancestor == from)
}

fn parent(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, the 2nd field, may hold anything, also spaces and parentheses.
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::process::{Command, id};

    use super::*;

    #[test]
    fn only_what_launch_started_can_be_signalled() {
        let mut child = Command::new("sleep").arg("100").spawn().unwrap();
        assert!(Victim::open(child.id(), child.id()).is_none(), "it is not its own child");
        assert!(Victim::open(id(), id()).is_none());
        assert!(Victim::open(1, id()).is_none());
        let victim = Victim::open(child.id(), id()).unwrap();
        assert!(victim.signal(Signal::KILL));
        child.wait().unwrap();
        assert!(!victim.signal(Signal::KILL), "its number may be another's now");
        assert!(Victim::open(child.id(), id()).is_none());
    }
}
