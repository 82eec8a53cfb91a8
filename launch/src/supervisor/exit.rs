//! How processes end and what exit codes mean.
//! It never ends one.

use std::fmt;

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
    /// It never began.
    NotStarted(String),
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
            Exit::NotStarted(why) => write!(f, "failing to start: {why}"),
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
