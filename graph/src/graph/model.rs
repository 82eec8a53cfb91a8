//! The words of a checked graph. A [`Graph`] exists only if it was checked.
//! It never holds text that was not validated.

use std::{collections::BTreeMap, fmt, path::PathBuf, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

use super::show::tick;

/// The longest name of a graph, node or port, in bytes.
pub const NAME_MAX: usize = 64;

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $what:literal, $more:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(String);

        impl $type {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $type {
            type Err = String;
            fn from_str(text: &str) -> Result<Self, String> {
                let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || $more.contains(c);
                let starts = text.starts_with(|c: char| c.is_ascii_lowercase());
                if starts && text.len() <= NAME_MAX && text.chars().all(fits) {
                    return Ok($type(text.to_owned()));
                }
                Err(format!(
                    "{} is no {}: a lower-case letter, then up to {} letters a-z, digits{}",
                    tick(text), $what, NAME_MAX - 1, $more.chars().map(|c| format!(" or {c}")).collect::<String>()
                ))
            }
        }

        impl TryFrom<String> for $type {
            type Error = String;
            fn try_from(text: String) -> Result<Self, String> {
                text.parse()
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> String {
                name.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

name!(
    /// The name of a graph or of a peer's graph: `[a-z][a-z0-9_-]*`, at most 64 bytes.
    GraphName, "name of a graph", "-_"
);
name!(
    /// The name of a node: `[a-z][a-z0-9_-]*`, at most 64 bytes.
    NodeName, "name of a node", "-_"
);
name!(
    /// The name of an input or an output: `[a-z][a-z0-9_]*`, at most 64 bytes, so that it fits an environment variable.
    PortName, "name of an input or output", "_"
);

/// A topic: `node/output` on this machine, `machine:node/output` from another one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Topic {
    /// The peer it comes from; none for this machine.
    pub peer: Option<GraphName>,
    /// Who publishes it.
    pub node: NodeName,
    /// Which of its outputs.
    pub output: PortName,
}

impl FromStr for Topic {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let (peer, path) = match text.split_once(':') {
            Some((peer, path)) => (Some(peer.parse()?), path),
            None => (None, text),
        };
        let Some((node, output)) = path.split_once('/') else {
            return Err(format!("{} is no topic; write node/output, or machine:node/output for a peer's", tick(text)));
        };
        Ok(Topic { peer, node: node.parse()?, output: output.parse()? })
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(peer) = &self.peer {
            write!(f, "{peer}:")?;
        }
        write!(f, "{}/{}", self.node, self.output)
    }
}

/// What an edge's queue holds when its listener is slower than its speaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Keep {
    /// One message: the newest wins.
    #[default]
    Latest,
    /// So many messages (1 to [`Keep::MAX`]): the oldest is dropped and counted.
    Last(u32),
}

impl Keep {
    /// The longest queue, in messages.
    pub const MAX: u32 = 10_000;

    /// How many messages the queue holds.
    #[must_use]
    pub fn capacity(self) -> usize {
        match self {
            Keep::Latest => 1,
            Keep::Last(count) => count as usize,
        }
    }
}

/// A graph file that was checked: one machine.
#[derive(Debug, Clone, PartialEq)]
pub struct Graph {
    /// Its name, and the machine's name for its peers.
    pub name: GraphName,
    /// `host:port` where workstations dial in; none: nobody does.
    pub listen: Option<String>,
    /// The nodes in the order of the file.
    pub nodes: Vec<NodeSpec>,
    /// The other machines in the order of the file.
    pub peers: Vec<Peer>,
    /// The folder of the file; relative paths start here.
    pub dir: PathBuf,
}

/// A node: one process.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeSpec {
    /// Its name.
    pub name: NodeName,
    /// Program and arguments, never given to a shell.
    pub run: Vec<String>,
    /// What it publishes.
    pub outputs: Vec<Output>,
    /// What it listens to.
    pub inputs: Vec<Input>,
    /// Its parameters, overrides applied.
    pub params: serde_json::Map<String, serde_json::Value>,
    /// Further environment variables.
    pub env: BTreeMap<String, String>,
    /// Nodes that must be ready before this one is started.
    pub after: Vec<NodeName>,
    /// Its end ends the graph.
    pub required: bool,
    /// Whether and how it is restarted.
    pub restart: Restart,
    /// How long it may take until its first heartbeat; 10 s unless the file says otherwise.
    pub ready: Duration,
    /// How long its work loop may be silent once it was ready; none: not watched. Only nodes that ever sent a heartbeat are watched,
    /// unless this was set in the file.
    pub watchdog: Watchdog,
    /// How long it gets from TERM to KILL; 2 s unless the file says otherwise.
    pub stop: Duration,
    /// What it may use at most.
    pub limits: Limits,
    /// What becomes of what it writes.
    pub log: LogSpec,
}

/// What a node may use at most. None: as launch itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Limits {
    /// Bytes of memory of all its processes; beyond it the kernel kills it.
    pub memory: Option<u64>,
    /// Processes and threads at once.
    pub pids: Option<u32>,
    /// Open files of each process.
    pub files: Option<u32>,
    /// Its place when the processor is short: −20 (first) to 19 (last).
    pub nice: Option<i32>,
    /// The processors that it may run on, from 0; empty: all.
    pub cpus: Vec<u32>,
}

/// What becomes of what a node writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSpec {
    /// How much it shall say; none: as launch was told.
    pub level: Option<LogLevel>,
    /// Where its lines are kept besides being shown.
    pub file: LogFile,
    /// How long a file may become, in bytes, before the next one is begun.
    pub size: u64,
    /// How many files are kept besides the one that is being written.
    pub keep: u32,
}

impl Default for LogSpec {
    fn default() -> Self {
        LogSpec { level: None, file: LogFile::Default, size: 10 << 20, keep: 3 }
    }
}

/// Where a node's lines are kept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum LogFile {
    /// In the user's state folder, one file a node.
    #[default]
    Default,
    /// Nowhere.
    Off,
    /// In this file; relative to the graph file's folder.
    At(PathBuf),
}

/// How much a node shall say: the value of `LAUNCH_LOG`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Only what went wrong.
    Error,
    /// And what may.
    Warn,
    /// And what happens.
    Info,
    /// And why.
    Debug,
    /// And everything else.
    Trace,
}

/// One output of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Its name.
    pub name: PortName,
    /// Full protobuf name of what it carries.
    pub kind: String,
}

/// One input of a node: the listening end of an edge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// Its name.
    pub name: PortName,
    /// What it listens to.
    pub topic: Topic,
    /// Full protobuf name of what comes; `*` when the speaker's is not known (a peer's topic) and it takes more than one.
    pub kind: String,
    /// What the queue holds.
    pub keep: Keep,
    /// After how long a silence is an error; none: never.
    pub timeout: Option<Duration>,
    /// How old the sensing that a message comes from may be when it arrives here; `launch top` holds the path against it.
    pub budget: Option<Duration>,
}

/// When a node is restarted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestartWhen {
    /// However it ended.
    Always,
    /// Unless it ended with exit code 0.
    OnFailure,
    /// Never.
    Never,
}

/// Whether and how a node is restarted: at once, then after `delay` doubling to `delay_max`; with `max` ends
/// within `window` it is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restart {
    /// When.
    pub when: RestartWhen,
    /// The second restart's delay; the first is immediate.
    pub delay: Duration,
    /// The longest delay.
    pub delay_max: Duration,
    /// The time in which ends are counted; a node that lived as long starts afresh.
    pub window: Duration,
    /// With how many ends within the window it is given up: so often it is started.
    pub max: u32,
}

impl Default for Restart {
    fn default() -> Self {
        Restart {
            when: RestartWhen::Always,
            delay: Duration::from_millis(100),
            delay_max: Duration::from_secs(10),
            window: Duration::from_secs(10),
            max: 5,
        }
    }
}

/// Whether a silent work loop is a hang.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watchdog {
    /// One second for nodes that ever sent a heartbeat, none for others.
    Default,
    /// Never.
    Off,
    /// So long, for any node.
    After(Duration),
}

/// Another machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Its graph's name.
    pub name: GraphName,
    /// `host:port` to dial; none: it dials us.
    pub address: Option<String>,
    /// Its public key, `ed25519:` and base64; none only on loopback, where it must hold this machine's own key.
    pub key: Option<String>,
}
