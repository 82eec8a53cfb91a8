//! What the supervisor hears and says.
//! It never decides anything.

use std::time::Duration;

use offboard::graph::{Restart, Watchdog};

use super::{End, Exit};

/// A node, by its place in the graph.
pub(crate) type Node = usize;

/// What the supervisor needs to know of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Nodes that must have been ready before this one starts.
    pub(crate) after: Vec<Node>,
    /// Its final end ends the graph.
    pub(crate) required: bool,
    /// It moves things: it is asked to end before all others.
    pub(crate) motor: bool,
    /// Added by launch: it does not keep a graph running whose own nodes are all over.
    pub(crate) added: bool,
    /// Whether it is expected to send heartbeats; a node that does not counts as ready while it lives.
    pub(crate) beats: bool,
    /// Whether and how it is restarted.
    pub(crate) restart: Restart,
    /// Until when the first heartbeat must have come, from its start.
    pub(crate) ready: Duration,
    /// How long its work loop may be silent.
    pub(crate) watchdog: Watchdog,
    /// How long it gets from TERM to KILL.
    pub(crate) stop: Duration,
    /// How many processes it may have at once.
    pub(crate) pids: Option<u32>,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    /// The graph shall run.
    Begin,
    /// The process of a node was started.
    Started { node: Node, pid: u32 },
    /// The program of that process has begun; until then it is only on its way there.
    Begun { node: Node, pid: u32 },
    /// It could not be; `scarce`: for want of something that comes back.
    NotStarted { node: Node, why: String, scarce: bool },
    /// A heartbeat came.
    Beat { node: Node, incarnation: u64 },
    /// The process of a node ended; `left`: others of its group are still there.
    Ended { node: Node, pid: u32, exit: Exit, left: bool },
    /// Nothing of that process's group is left.
    Cleared { node: Node, pid: u32 },
    /// So many forks were refused to the process of a node so far: it has as many processes as it may.
    ForksRefused { node: Node, count: u64 },
    /// Time has passed.
    Tick,
    /// The graph shall end, with this exit code. A second time: at once.
    Stop { code: u8 },
    /// A person wants this node to run.
    StartNode(Node),
    /// A person wants this node to end and to stay so.
    StopNode(Node),
    /// A person wants a new process for this node.
    RestartNode(Node),
    /// The graph was changed: all of this at once, or nothing of it.
    Reload(Vec<(Node, Change)>),
    /// The program of this node was changed.
    Renew(Node),
}

/// What a changed graph means for one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    /// It is new. Its place is the next one, or one whose node was removed.
    Add(Plan),
    /// It is no more.
    Remove,
    /// It is treated otherwise; its process stays.
    Replan(Plan),
    /// Its process was told what is no longer so: it gets a new one.
    Renew(Plan),
}

/// Whose a place in the graph is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seat {
    /// A node's. `held`: a person stopped it, and only a person starts it again.
    Taken { held: bool },
    /// A node's that was removed and whose process is still there.
    Leaving,
    /// Nobody's.
    Free,
}

/// What shall be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    /// Start the process of this node, and answer before anything else.
    Spawn(Node),
    /// Signal the process group of this node.
    Signal { node: Node, pid: u32, force: Force },
    /// Tell people.
    Report(Node, Report),
    /// The graph is over: no process is left. Comes last and once.
    Quit(u8),
}

/// How hard to ask a process group to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Force {
    /// SIGTERM, and SIGCONT for the stopped.
    Ask,
    /// SIGKILL.
    Kill,
}

/// What people are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Report {
    /// A process was started, for the how-manieth time.
    Started { pid: u32, starts: u32 },
    /// The node works.
    Ready { after: Duration },
    /// It did not get ready in time and is stopped.
    NotReady { after: Duration },
    /// Its work loop was silent for so long and it is stopped.
    Hung { silent: Duration },
    /// It did not end when asked and was killed.
    Killed { after: Duration },
    /// It was killed and is still there.
    Lost,
    /// It ended and will be started again after this delay.
    Ended { end: End, lived: Duration, again: Duration },
    /// It wanted more processes than it may have; said once a process.
    ForksRefused { most: Option<u32> },
    /// It ended as it was asked to.
    Stopped,
    /// It was removed from the graph and nothing of it is left.
    Removed,
    /// It ended well and stays down.
    Done,
    /// It is given up.
    Failed { why: String },
}

/// A node's situation, for people.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct View {
    /// In one word.
    pub(crate) state: &'static str,
    /// What there is to say about the state.
    pub(crate) why: Option<String>,
    /// Its process.
    pub(crate) pid: Option<u32>,
    /// How often a new process took the place of an old one.
    pub(crate) restarts: u32,
    /// How long the process has lived.
    pub(crate) up: Option<Duration>,
    /// How the last process ended.
    pub(crate) last_end: Option<String>,
    /// The cause of that in one word, see [`End::cause`].
    pub(crate) cause: Option<&'static str>,
}
