//! One node as the supervisor knows it: its state, its ends and its deadlines.
//! It never decides what follows from them.

use std::{collections::VecDeque, time::Duration};

use offboard::graph::{Restart, Watchdog};

use super::{Because, End, Exit, Plan};

/// How long a work loop that sends heartbeats may be silent when its graph file does not say.
pub(crate) const WATCHDOG: Duration = Duration::from_secs(1);

/// How long a silent process gets from TERM to KILL at most. One that was only stopped goes on and acts on TERM at once, so that a
/// motor still writes neutral; one that hangs never will.
const SILENT_STOP: Duration = Duration::from_millis(500);

/// How much of a restart's delay is left to chance, so that nodes that died together do not come back together.
const JITTER: f64 = 0.2;

/// Where a node is in its life.
#[derive(Debug, Clone)]
pub(super) enum State {
    /// Waits for its first start.
    Pending,
    /// Its process is being made (none yet) or has not yet said that it works.
    Starting {
        pid: Option<u32>,
        due: Option<Duration>,
    },
    Ready {
        pid: u32,
    },
    /// Asked to end. `ended`: its main process did, and the rest of its group is being cleared.
    Stopping {
        pid: u32,
        because: Because,
        asked_at: Duration,
        kill_at: Duration,
        killed: bool,
        ended: Option<End>,
        then: Then,
    },
    /// Will be started again.
    Waiting {
        until: Duration,
    },
    Stopped,
    Done,
    Failed {
        why: String,
    },
    /// Removed from the graph; its place is free.
    Gone,
}

/// What follows the end of a process that was asked to end.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Then {
    /// It counts like any other end.
    Judge,
    /// A new process at once.
    Start,
    /// A new process once those are ready that it comes after: it was removed and added again.
    Anew,
    /// Nothing.
    Stay,
}

/// A node and what happened to it.
#[derive(Debug)]
pub(super) struct Supervised {
    pub(super) plan: Plan,
    pub(super) state: State,
    /// It is no longer in the graph: it is gone as soon as nothing of its process is left.
    pub(super) removed: bool,
    /// When its newest process was started.
    pub(super) since: Duration,
    /// When its work loop was last heard of.
    pub(super) heard: Duration,
    /// Of its newest process, once it said so.
    pub(super) incarnation: Option<u64>,
    /// Of the process before; its late heartbeats say nothing about the new one.
    pub(super) previous: Option<u64>,
    /// It ever sent a heartbeat, since it is told what it is told now.
    pub(super) spoke: bool,
    pub(super) was_ready: bool,
    pub(super) starts: u32,
    /// Lives in a row that were shorter than the window.
    pub(super) streak: u32,
    /// Ends within the window.
    pub(super) ends: VecDeque<Duration>,
    pub(super) last_end: Option<End>,
    /// Forks that were refused to its newest process, as far as that was told.
    pub(super) refused_forks: u64,
    /// The program of its newest process has begun.
    pub(super) begun: bool,
    /// Its newest process survived KILL, and that was told.
    pub(super) is_lost: bool,
    /// So many times in a row it could not begin for want of something.
    pub(super) waits: u32,
}

impl Supervised {
    pub(super) fn new(plan: Plan) -> Supervised {
        Supervised {
            plan,
            state: State::Pending,
            removed: false,
            since: Duration::ZERO,
            heard: Duration::ZERO,
            incarnation: None,
            previous: None,
            spoke: false,
            was_ready: false,
            starts: 0,
            streak: 0,
            ends: VecDeque::new(),
            last_end: None,
            refused_forks: 0,
            begun: false,
            is_lost: false,
            waits: 0,
        }
    }

    pub(super) fn pid(&self) -> Option<u32> {
        match self.state {
            State::Starting { pid, .. } => pid,
            State::Ready { pid } | State::Stopping { pid, .. } => Some(pid),
            _ => None,
        }
    }

    /// What there is to say about a running process: that it meets a limit.
    pub(super) fn pressed(&self) -> Option<String> {
        let most = self.plan.pids.map_or_else(String::new, |pids| format!(" of {pids} processes"));
        (self.refused_forks > 0).then(|| format!("it met its limit{most}: {} forks were refused", self.refused_forks))
    }

    /// How long it gets from TERM to KILL when it is asked for this reason. A silent one has had its time.
    pub(super) fn grace(&self, because: Because) -> Duration {
        match because {
            Because::Hung(_) | Because::NotReady(_) => self.plan.stop.min(SILENT_STOP),
            Because::Asked | Because::Left => self.plan.stop,
        }
    }

    /// What an end of its process now is to be put down to.
    pub(super) fn end(&self, exit: Exit) -> End {
        match self.state {
            State::Stopping { because, killed, .. } => End { exit, because: Some(because), killed },
            _ => End::by_itself(exit),
        }
    }

    /// Whether its process was sent KILL.
    pub(super) fn was_killed(&self) -> bool {
        matches!(self.state, State::Stopping { killed: true, .. })
    }

    pub(super) fn is_alive(&self) -> bool {
        matches!(self.state, State::Starting { .. } | State::Ready { .. } | State::Stopping { .. })
    }

    /// Whether a person stopped it.
    pub(super) fn is_held(&self) -> bool {
        matches!(self.state, State::Stopped | State::Stopping { then: Then::Stay, .. })
    }

    /// Whether heartbeats are expected: it says so, it ever sent one, or its file wants it watched.
    pub(super) fn beats(&self) -> bool {
        self.plan.beats || self.spoke || matches!(self.plan.watchdog, Watchdog::After(_))
    }

    pub(super) fn due(&self) -> Option<Duration> {
        match self.state {
            State::Starting { due, .. } => due,
            State::Ready { .. } => self.silence_max().map(|max| self.heard + max),
            State::Stopping { kill_at, .. } => Some(kill_at),
            State::Waiting { until } => Some(until),
            _ => None,
        }
    }

    pub(super) fn silence_max(&self) -> Option<Duration> {
        match self.plan.watchdog {
            Watchdog::Off => None,
            Watchdog::After(max) => Some(max),
            Watchdog::Default => self.incarnation.map(|_| WATCHDOG),
        }
    }

    /// This launcher did not run for a while: the time does not count.
    pub(super) fn forgive(&mut self, now: Duration) {
        match &mut self.state {
            State::Starting { due: Some(due), .. } => *due = (*due).max(now + WATCHDOG),
            State::Ready { .. } => self.heard = now,
            _ => {}
        }
    }

    pub(super) fn forget_ends(&mut self) {
        self.ends.clear();
        self.streak = 0;
    }

    /// Counts an end; how many there were within the window.
    pub(super) fn count_end(&mut self, now: Duration, lived: Duration) -> u32 {
        let window = self.plan.restart.window;
        if lived >= window {
            self.forget_ends();
        }
        self.ends.retain(|end| now.saturating_sub(*end) <= window);
        self.ends.push_back(now);
        self.streak += 1;
        u32::try_from(self.ends.len()).unwrap_or(u32::MAX)
    }

    /// At once the first time, then doubling; a part of it is left to `chance` (0..1).
    pub(super) fn delay(&self, chance: f64) -> Duration {
        let Restart { delay, delay_max, .. } = self.plan.restart;
        if self.streak <= 1 {
            return Duration::ZERO;
        }
        // Doubled 20 times a delay of 1 ms is 17 minutes: more only overflows.
        let doubled = delay.saturating_mul(1 << (self.streak - 2).min(20));
        doubled.min(delay_max).mul_f64(1.0 - JITTER * chance)
    }
}
