//! How processes end, what exit codes mean, and what an end is put down to.
//! It never ends one.

use std::{fmt, time::Duration};

use crate::words::{size, span};

/// The exit code of a node that says: my configuration is wrong; restarting cannot help (sysexits EX_CONFIG).
pub(crate) const EX_CONFIG: i32 = 78;

/// The exit codes of launch.
pub(crate) mod code {
    /// It went well.
    pub(crate) const OK: u8 = 0;
    /// Anything that has no code of its own.
    pub(crate) const OTHER: u8 = 1;
    /// The command line does not read.
    pub(crate) const USAGE: u8 = 2;
    /// No such graph is running.
    pub(crate) const NOT_RUNNING: u8 = 69;
    /// A required node, or all, were given up.
    pub(crate) const GAVE_UP: u8 = 70;
    /// A graph file is wrong.
    pub(crate) const BAD_GRAPH: u8 = 78;
    /// Plus the signal's number: ended by a signal.
    pub(crate) const SIGNAL: u8 = 128;
}

/// How a process ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Exit {
    /// By itself.
    Code(i32),
    /// By a signal.
    Signal(i32),
    /// By the kernel, for want of memory; with its limit in bytes, if it has one.
    OutOfMemory(Option<u64>),
    /// It never began.
    NotStarted(String),
    /// It never began, for want of something that comes back: no fault of the node's.
    NotYet(String),
}

/// Why launch asked a process to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Because {
    /// Somebody wished it: a person, or the end of the graph.
    Asked,
    /// Its work loop was silent for so long.
    Hung(Duration),
    /// It was not ready so long after its start.
    NotReady(Duration),
    /// It had ended by itself, and others of its group were left.
    Left,
}

/// An end and what it is put down to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct End {
    pub(crate) exit: Exit,
    /// None when launch had not asked for it.
    pub(crate) because: Option<Because>,
    /// Whether launch had to kill it.
    pub(crate) killed: bool,
}

impl End {
    /// Whether launch ended it for a fault, however well it then took its leave.
    pub(crate) fn is_fault(&self) -> bool {
        matches!(self.because, Some(Because::Hung(_) | Because::NotReady(_)))
    }

    /// An end that launch had not asked for.
    pub(crate) fn by_itself(exit: Exit) -> End {
        End { exit, because: None, killed: false }
    }

    /// The exit code or the number of the signal.
    pub(crate) fn code(&self) -> Option<i32> {
        match self.exit {
            Exit::Code(code) | Exit::Signal(code) => Some(code),
            Exit::OutOfMemory(_) | Exit::NotStarted(_) | Exit::NotYet(_) => None,
        }
    }

    /// Its cause as a word for machines: `exit_code`, `signal`, `watchdog`, `start_deadline`, `out_of_memory`, `not_started`, `asked`.
    pub(crate) fn cause(&self) -> &'static str {
        match (&self.exit, self.because) {
            (Exit::NotStarted(_) | Exit::NotYet(_), _) => "not_started",
            (_, Some(Because::Hung(_))) => "watchdog",
            (_, Some(Because::NotReady(_))) => "start_deadline",
            (Exit::OutOfMemory(_), _) => "out_of_memory",
            (_, Some(Because::Asked)) => "asked",
            (Exit::Code(_), _) => "exit_code",
            (Exit::Signal(_), _) => "signal",
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = if self.killed { "killed" } else { "stopped" };
        match (&self.exit, self.because) {
            (Exit::NotStarted(_) | Exit::NotYet(_), _) => self.exit.fmt(f),
            (_, Some(Because::Hung(silent))) => {
                write!(f, "watchdog: its work loop was silent for {}, {how}", span(silent))
            }
            (_, Some(Because::NotReady(after))) => {
                write!(f, "start-up deadline: it said nothing for {}, {how}", span(after))
            }
            (Exit::OutOfMemory(_), _) => self.exit.fmt(f),
            (exit, Some(Because::Asked)) => write!(f, "as asked ({exit})"),
            (exit, Some(Because::Left) | None) => exit.fmt(f),
        }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Exit::Code(EX_CONFIG) => write!(f, "exit code {EX_CONFIG} (wrong configuration)"),
            Exit::Code(code) => write!(f, "exit code {code}"),
            Exit::Signal(number) => match signal_name(*number) {
                Some(name) => f.write_str(name),
                None => write!(f, "signal {number}"),
            },
            Exit::OutOfMemory(Some(limit)) => write!(f, "out of memory: its limit is {}", size(*limit)),
            Exit::OutOfMemory(None) => f.write_str("out of memory: the machine had none left"),
            Exit::NotStarted(why) | Exit::NotYet(why) => write!(f, "failing to start: {why}"),
        }
    }
}

fn signal_name(number: i32) -> Option<&'static str> {
    // The numbers of Linux on all machines but MIPS and SPARC; signal(7).
    const NAMES: [(i32, &str); 14] = [
        (1, "SIGHUP"),
        (2, "SIGINT"),
        (3, "SIGQUIT"),
        (4, "SIGILL"),
        (5, "SIGTRAP"),
        (6, "SIGABRT"),
        (7, "SIGBUS"),
        (8, "SIGFPE"),
        (9, "SIGKILL"),
        (11, "SIGSEGV"),
        (13, "SIGPIPE"),
        (14, "SIGALRM"),
        (15, "SIGTERM"),
        (31, "SIGSYS"),
    ];
    NAMES.iter().find(|(known, _)| *known == number).map(|(_, name)| *name)
}
