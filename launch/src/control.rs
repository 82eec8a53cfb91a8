//! How verbs talk to a running graph: one JSON object a line over a socket of its own, request and answer.
//! It never waits for a client and never trusts one.

use std::{fs, io, os::unix::fs::PermissionsExt, path::Path, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{
        UnixListener, UnixStream,
        unix::{ReadHalf, WriteHalf},
    },
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    events::{Feed, Told},
    logs::LineFeed,
};

/// The longest request, in bytes.
const REQUEST_MAX: u64 = 64 << 10;

/// How many clients are served at once; more are turned away.
const CLIENTS_MAX: usize = 32;

/// How long a client may be silent: longer than any stop takes, which clients wait for.
const CLIENT_IDLE_MAX: Duration = Duration::from_secs(60);

/// How long between two batches of lines: a node that floods costs launch little more than reading what it writes.
const BREATH: Duration = Duration::from_millis(25);

/// How long to rest when no client can be accepted, for want of file descriptors.
const REST: Duration = Duration::from_millis(100);

/// What a verb asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "lowercase", deny_unknown_fields)]
pub(crate) enum Request {
    /// How are the nodes?
    Ps {},
    /// Which topics are there?
    Topics {},
    /// What happened to the nodes? With `follow` the answers go on; whoever follows asks nothing more.
    Events { follow: bool },
    /// What do the nodes write from now on? The answers go on; whoever asks that asks nothing more, and only one should.
    Lines {},
    /// Start a node that is stopped, done or given up.
    Start { node: String },
    /// End the graph, or one node.
    Stop { node: Option<String> },
    /// A new process for a node.
    Restart { node: String },
    /// Take in the changed graph file.
    Reload {},
}

/// What launch answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Answer {
    /// It is so.
    Done,
    /// The nodes.
    Nodes(Vec<NodeView>),
    /// The topics, and the steady timeline that their stamps are on.
    Topics { clock_offset_ns: i64, topics: Vec<TopicView> },
    /// What the changed graph file changed.
    Reloaded(ReloadView),
    /// One thing that happened; [`Answer::Done`] comes after the last, unless there is a next.
    Event(Box<EventView>),
    /// So many events came faster than the client read them.
    Missed(u64),
    /// Some lines that nodes wrote, and how many there was no room for.
    Lines { lines: Vec<LineView>, lost: u64 },
    /// It cannot be.
    Error(String),
    /// It cannot be, for a reason that has an exit code of its own; `text` is for stderr.
    Refused { code: u8, text: String },
}

/// What was done to the nodes of a graph when its changed file was taken in, by their names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ReloadView {
    pub(crate) graph: String,
    /// They got a new process.
    pub(crate) restarted: Vec<String>,
    /// They are new.
    pub(crate) started: Vec<String>,
    /// They are no more.
    pub(crate) removed: Vec<String>,
    /// They are treated otherwise, or will be told something else when they are started again.
    pub(crate) changed: Vec<String>,
    /// How many others there are.
    pub(crate) untouched: usize,
}

/// A node as `ps` shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct NodeView {
    pub(crate) graph: String,
    pub(crate) node: String,
    pub(crate) state: String,
    pub(crate) why: Option<String>,
    pub(crate) pid: Option<u32>,
    pub(crate) restarts: u32,
    pub(crate) uptime_s: Option<f64>,
    pub(crate) last_end: Option<String>,
    /// The cause of that in one word: `exit_code`, `signal`, `watchdog`, `start_deadline`, `out_of_memory`, `not_started`, `asked`.
    pub(crate) cause: Option<String>,
    /// Passes of its work loop, as its last heartbeat said.
    pub(crate) beats: Option<u64>,
    /// Which life of the node that was, and how often its rate loops took too long.
    pub(crate) incarnation: Option<u64>,
    pub(crate) overruns: Option<u64>,
    /// How long ago that heartbeat came, in nanoseconds: what it says is so old.
    #[serde(default)]
    pub(crate) beat_age_ns: Option<u64>,
    /// What its edges counted, as its last heartbeat said.
    pub(crate) edges: Vec<EdgeView>,
    /// What else it measured, as its last heartbeat said.
    pub(crate) gauges: Vec<GaugeView>,
    /// What its last process said last, as many of fifty lines as weigh 8 KiB.
    pub(crate) last_words: Vec<String>,
    /// The launch that supervises it.
    pub(crate) launch_pid: u32,
    /// Its graph file.
    pub(crate) file: String,
}

/// One end of an edge, as its node counts it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct EdgeView {
    pub(crate) port: String,
    pub(crate) topic: String,
    pub(crate) publishes: bool,
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
    pub(crate) gaps: u64,
    pub(crate) dropped: u64,
    pub(crate) expired: u64,
    pub(crate) undecodable: u64,
    pub(crate) wrong_type: u64,
    pub(crate) oversized: u64,
    /// Whose stamps its last messages carried.
    pub(crate) origin: String,
    /// How old those were, in nanoseconds; 0: none yet.
    pub(crate) age_p50_ns: u64,
    pub(crate) age_p99_ns: u64,
    /// How long the last hop took, in nanoseconds; 0: none yet.
    pub(crate) hop_p50_ns: u64,
    pub(crate) hop_p99_ns: u64,
}

/// One thing that happened to a node.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct EventView {
    pub(crate) graph: String,
    /// Counts the events of the graph, from 1.
    pub(crate) number: u64,
    /// When, on the wall's clock.
    pub(crate) time: String,
    /// When, in nanoseconds on the graph's steady timeline.
    pub(crate) stamp_ns: i64,
    pub(crate) node: String,
    /// In one word: started, ready, ended, failed, not_ready, hung, killed, stopped, done.
    pub(crate) kind: String,
    /// Why, as a sentence.
    pub(crate) reason: String,
    pub(crate) pid: Option<u32>,
    pub(crate) restarts: u32,
    /// What ended its process: exit_code, signal, watchdog, start_deadline, out_of_memory, not_started, asked.
    pub(crate) cause: Option<String>,
    /// The exit code or the signal's number.
    pub(crate) code: Option<i32>,
    /// The last lines that it wrote.
    pub(crate) last_words: Vec<String>,
}

/// A line that a node wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LineView {
    pub(crate) node: String,
    /// When it was read, in nanoseconds of CLOCK_MONOTONIC.
    pub(crate) at_ns: i64,
    /// How much it matters: its word, in capitals.
    pub(crate) level: String,
    pub(crate) message: String,
}

/// A figure that a node measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct GaugeView {
    pub(crate) name: String,
    pub(crate) value: f64,
    pub(crate) unit: String,
}

/// A topic and where to listen to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TopicView {
    pub(crate) graph: String,
    pub(crate) topic: String,
    /// Full protobuf name, or `*`.
    pub(crate) r#type: String,
    pub(crate) tap: String,
    /// The node that publishes it here: for a peer's topic the link.
    pub(crate) publisher: String,
    /// Who listens to it on this machine, besides taps.
    pub(crate) listeners: Vec<ListenerView>,
}

/// An input that listens to a topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ListenerView {
    pub(crate) node: String,
    pub(crate) input: String,
    /// The endpoint of the edge.
    pub(crate) endpoint: String,
    /// How many messages its queue holds.
    pub(crate) keep: usize,
    /// How old the sensing may be that a message comes from, in nanoseconds.
    pub(crate) budget_ns: Option<u64>,
}

/// A request and where its answer goes.
#[derive(Debug)]
pub(crate) struct Asked {
    /// The graph, by its place.
    pub(crate) graph: usize,
    pub(crate) request: Request,
    pub(crate) answer: oneshot::Sender<Answer>,
}

/// Opens the socket of a graph, for its user alone.
///
/// # Errors
/// When the system refuses.
pub(crate) fn bind(path: &Path) -> io::Result<UnixListener> {
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Serves clients for ever; requests go to `asked`, events come from `feed`. Dropped, it turns all of them away.
pub(crate) async fn serve(
    graph: usize,
    listener: UnixListener,
    asked: mpsc::Sender<Asked>,
    feed: Arc<Feed>,
    lines: Arc<LineFeed>,
) {
    let mut clients = JoinSet::new();
    loop {
        let client = tokio::select! {
            client = listener.accept() => client,
            Some(_) = clients.join_next() => continue,
        };
        match client {
            // What a client does wrong is its own affair.
            Ok((client, _)) if clients.len() < CLIENTS_MAX => {
                let told = (Arc::clone(&feed), Arc::clone(&lines));
                drop(clients.spawn(attend(graph, client, asked.clone(), told)));
            }
            Ok(_) => {}
            Err(_) => sleep(REST).await,
        }
    }
}

async fn attend(
    graph: usize,
    mut client: UnixStream,
    asked: mpsc::Sender<Asked>,
    (feed, lines): (Arc<Feed>, Arc<LineFeed>),
) -> io::Result<()> {
    let (from, mut to) = client.split();
    let mut from = BufReader::new(from);
    loop {
        let mut line = String::new();
        let mut bounded = (&mut from).take(REQUEST_MAX);
        if timeout(CLIENT_IDLE_MAX, bounded.read_line(&mut line)).await?? == 0 {
            return Ok(());
        }
        let answer = match serde_json::from_str(&line) {
            Ok(Request::Events { follow }) => tell(&feed, follow, &mut from, &mut to).await?,
            Ok(Request::Lines {}) => tell_lines(&lines, &mut from, &mut to).await?,
            Ok(request) => ask(graph, request, &asked).await,
            Err(error) => Answer::Error(format!("this request does not read: {error}")),
        };
        write(&answer, &mut to).await?;
    }
}

/// Tells what happened; follows it until the client says another word or hangs up.
async fn tell(
    feed: &Arc<Feed>,
    follow: bool,
    from: &mut BufReader<ReadHalf<'_>>,
    to: &mut WriteHalf<'_>,
) -> io::Result<Answer> {
    let mut follower = feed.follow();
    loop {
        while let Some(told) = follower.next() {
            let answer = match told {
                Told::Event(event) => Answer::Event(Box::new((*event).clone())),
                Told::Missed(count) => Answer::Missed(count),
            };
            write(&answer, to).await?;
        }
        if !follow {
            return Ok(Answer::Done);
        }
        tokio::select! {
            () = follower.more() => {}
            _ = from.fill_buf() => return Ok(Answer::Done),
        }
    }
}

/// Tells what nodes write, until the client says another word or hangs up; never so much that launch would be slower for it.
async fn tell_lines(
    lines: &Arc<LineFeed>,
    from: &mut BufReader<ReadHalf<'_>>,
    to: &mut WriteHalf<'_>,
) -> io::Result<Answer> {
    let following = lines.follow();
    loop {
        if let Some((lines, lost)) = following.take() {
            write(&Answer::Lines { lines, lost }, to).await?;
            sleep(BREATH).await;
            continue;
        }
        tokio::select! {
            () = following.more() => {}
            _ = from.fill_buf() => return Ok(Answer::Done),
        }
    }
}

async fn write(answer: &Answer, to: &mut WriteHalf<'_>) -> io::Result<()> {
    let mut line = serde_json::to_vec(answer)?;
    line.push(b'\n');
    timeout(CLIENT_IDLE_MAX, to.write_all(&line)).await?
}

async fn ask(graph: usize, request: Request, asked: &mpsc::Sender<Asked>) -> Answer {
    let (answer, answered) = oneshot::channel();
    let ending = || Answer::Error("the graph is ending".to_owned());
    if asked.send(Asked { graph, request, answer }).await.is_err() {
        return ending();
    }
    answered.await.unwrap_or_else(|_| ending())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_one_json_object() {
        let cases = [
            (Request::Ps {}, r#"{"verb":"ps"}"#),
            (Request::Stop { node: None }, r#"{"verb":"stop","node":null}"#),
            (Request::Reload {}, r#"{"verb":"reload"}"#),
            (Request::Events { follow: true }, r#"{"verb":"events","follow":true}"#),
            (Request::Restart { node: "camera".into() }, r#"{"verb":"restart","node":"camera"}"#),
        ];
        for (request, text) in cases {
            assert_eq!(serde_json::to_string(&request).unwrap(), text);
            assert_eq!(serde_json::from_str::<Request>(text).unwrap(), request);
        }
        assert!(serde_json::from_str::<Request>(r#"{"verb":"halt"}"#).is_err());
    }
}
