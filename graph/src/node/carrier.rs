//! The carrier: ZeroMQ, behind guards. This is the only file that knows the library, so it can be exchanged.
//!
//! Each edge has an XPUB of its own at the publisher with our own [`Queue`] before it, and a SUB at the listener. The guards, each for a
//! measured fault of the `zeromq` crate 0.7.0: a PUB queues 100,000 messages a subscriber (so XPUB, which waits, and our queue);
//! a socket file left behind stops a bind (so ours is moved over it); a SUB stops reconnecting or backs off for seconds
//! (so it is made anew on any error); connecting blocks for 30 s (so it has a limit); a wildcard path panics (so it is refused).
//!
//! Copies of a payload: the publisher encodes it once into a `Bytes` that all edges share; the codec copies it into its send
//! buffer; the kernel copies it twice; the listener's codec receives it into one buffer, and the decoded message's bytes fields are
//! slices of that. It never faces a network: the library aborts on a hostile frame length, so sockets live in a private folder.

use std::{
    collections::VecDeque,
    fs, io,
    os::unix::net::UnixListener,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, stream::BoxStream};
use tokio::{
    sync::Notify,
    task::JoinHandle,
    time::{Instant, sleep_until, timeout, timeout_at},
};
use zeromq::{
    Socket, SocketEvent, SocketOptions, SocketRecv, SocketSend, SubSocket, XPubSocket, ZmqMessage, util::PeerIdentity,
};

use super::{Error, Result, counts::Counts, queue::Queue};

/// The three parts of a message: topic, header, payload.
pub(crate) type Parts = [Bytes; 3];

/// How long one message may hold up a tap: whoever looks must not keep others from looking.
const TAP_PATIENCE: Duration = Duration::from_millis(100);

/// How many connections of an edge are remembered: more than anybody looks with at once.
const GUESTS_MAX: usize = 256;

/// How long a connection and its handshake may take: a publisher that was stopped accepts but never answers.
const CONNECT_PATIENCE: Duration = Duration::from_secs(2);

/// Between two attempts to connect at first, so that a publisher that crashed is found again at once…
const RETRY_FIRST: Duration = Duration::from_millis(5);
/// …for so many attempts (half a second)…
const RETRIES_FIRST: u32 = 100;
/// …and at most later, so that one that stays away costs nothing.
const RETRY_LAST: Duration = Duration::from_millis(250);

/// Receive buffer: what a socket starts with, what it may grow to for large messages, and after how many short reads it
/// shrinks. A page keeps an idle node small; the library clears the whole buffer before each read, so larger ones cost more
/// than they save (measured with 256 KiB).
const READ_BUFFER: (usize, usize, usize) = (4096, 64 << 10, 4);

/// The speaking end of one edge.
#[derive(Debug)]
pub(crate) struct Outlet {
    edge: Arc<Edge>,
    carrying: JoinHandle<()>,
}

#[derive(Debug)]
struct Edge {
    queue: Mutex<Queue<Parts>>,
    filled: Notify,
    /// How many subscribed and did not take it back; while nobody did, nothing is queued.
    listeners: AtomicUsize,
    /// The outlet is gone: nothing more will come.
    closed: AtomicBool,
    counts: Arc<Counts>,
    /// None for the one listener of an edge, whose slowness is its own affair.
    patience: Option<Duration>,
}

impl Outlet {
    /// Binds an endpoint with a queue of `keep` messages before it; without `keep` it is a tap.
    pub(crate) async fn bind(address: &str, keep: Option<usize>, counts: Arc<Counts>) -> Result<Outlet> {
        let cannot = |error: io::Error| io::Error::other(format!("cannot bind {address}: {error}"));
        let listener = listen(socket_path(address)?).map_err(cannot)?;
        let mut socket = XPubSocket::new();
        let guests = Guests { events: socket.monitor().boxed(), peers: VecDeque::new() };
        socket.bind_listener(listener).await.map_err(io::Error::other)?;
        let edge = Arc::new(Edge {
            queue: Mutex::new(Queue::new(keep.unwrap_or(1))),
            filled: Notify::new(),
            listeners: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
            counts,
            patience: keep.is_none().then_some(TAP_PATIENCE),
        });
        let carrying = tokio::spawn(carry(socket, guests, edge.clone()));
        Ok(Outlet { edge, carrying })
    }

    /// Whether anybody may look here, as opposed to the edge of one listener.
    pub(crate) fn is_tap(&self) -> bool {
        self.edge.patience.is_some()
    }

    /// Whether anybody subscribed.
    pub(crate) fn wanted(&self) -> bool {
        self.edge.listeners.load(Relaxed) > 0
    }

    /// Takes no more.
    pub(crate) fn close(&self) {
        self.edge.close();
    }

    /// Once closed: waits until what it queued is on its way, or until the given time.
    pub(crate) async fn emptied(&mut self, until: Instant) {
        // Who does not read by then misses it.
        drop(timeout_at(until, &mut self.carrying).await);
    }

    /// Hands over a message. Never waits: when the queue is full its oldest is dropped and counted.
    pub(crate) fn push(&self, parts: Parts) {
        if self.edge.queue().push(parts).is_some() {
            self.edge.dropped();
        }
        self.edge.filled.notify_one();
    }
}

impl Drop for Outlet {
    fn drop(&mut self) {
        self.edge.close();
    }
}

impl Edge {
    fn queue(&self) -> MutexGuard<'_, Queue<Parts>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self) {
        self.closed.store(true, Relaxed);
        self.filled.notify_one();
    }

    /// Takes in the first byte of a subscription: 1 begins one, 0 ends one. Who goes without a word stays counted: that costs
    /// encoding for nobody, and the other mistake would let a listener wait for ever.
    fn subscribed(&self, first: Option<&u8>) {
        let listeners = self.listeners.load(Relaxed);
        let listeners = if first == Some(&1) { listeners.saturating_add(1) } else { listeners.saturating_sub(1) };
        self.listeners.store(listeners, Relaxed);
    }

    /// Counts a drop; what nobody but a tap missed is no loss.
    fn dropped(&self) {
        if self.patience.is_none() {
            self.counts.dropped.fetch_add(1, Relaxed);
        }
    }
}

/// The path of an `ipc://` endpoint.
fn socket_path(address: &str) -> Result<&str> {
    let path = address.strip_prefix("ipc://").filter(|path| path.starts_with('/'));
    path.ok_or_else(|| Error::config(format!("endpoint {address} is not ipc:// and an absolute path")))
}

/// Listens at `path`. The socket is made beside it and moved there: a file that a killed process left behind is replaced, and
/// the library, which removes the file it was bound to some time after closing, never removes a successor's.
fn listen(path: &str) -> io::Result<UnixListener> {
    let beside = format!("{path}~");
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&beside)?;
    fs::rename(&beside, path)?;
    Ok(listener)
}

/// Carries messages from the queue to the socket, until the outlet is dropped and what it queued is on its way.
async fn carry(mut socket: XPubSocket, mut guests: Guests, edge: Arc<Edge>) {
    loop {
        tokio::select! {
            biased;
            subscription = socket.recv() => {
                // An error is one listener that went away; the library has forgotten it by now.
                if let Ok(message) = subscription {
                    edge.subscribed(message.get(0).and_then(|part| part.first()));
                    guests.note();
                }
            }
            () = edge.filled.notified() => {
                let closed = edge.closed.load(Relaxed);
                let all = drain(&mut socket, &edge).await;
                if closed {
                    break;
                }
                if !all {
                    edge.listeners.store(0, Relaxed);
                    guests.turn_away(&socket);
                }
            }
        }
    }
    // Dropped without this, the library's accepting half would keep every connection open.
    drop(socket.close().await);
}

/// Who connected, the oldest first.
struct Guests {
    events: BoxStream<'static, SocketEvent>,
    peers: VecDeque<PeerIdentity>,
}

impl Guests {
    fn note(&mut self) {
        while let Some(Some(event)) = self.events.next().now_or_never() {
            if let SocketEvent::Accepted(_, peer) = event {
                self.peers.push_back(peer);
            }
        }
        // The library does not say who left; most of the oldest have.
        self.peers.drain(..self.peers.len().saturating_sub(GUESTS_MAX));
    }

    /// Closes a tap's connections, because one of its listeners does not read and the library would let all others wait for
    /// it. Whoever does read is back at once.
    fn turn_away(&mut self, socket: &XPubSocket) {
        self.note();
        let backend = socket.backend();
        self.peers.drain(..).for_each(|peer| backend.peer_disconnected(&peer));
    }
}

/// Sends what is queued; false when a tap's listener does not read.
async fn drain(socket: &mut XPubSocket, edge: &Edge) -> bool {
    loop {
        let Some(parts) = edge.queue().pop() else { return true };
        let Ok(message) = ZmqMessage::try_from(Vec::from(parts)) else { continue };
        let sent = match edge.patience {
            None => socket.send(message).await.is_ok(),
            Some(patience) => match timeout(patience, socket.send(message)).await {
                Ok(sent) => sent.is_ok(),
                Err(_) => return false,
            },
        };
        if !sent {
            edge.dropped();
        }
    }
}

/// The listening end of one edge. Reconnects by itself, for ever: a publisher may come back at any time.
#[derive(Debug)]
pub(crate) struct Inlet {
    address: String,
    topic: String,
    state: State,
    failures: u32,
}

enum State {
    Waiting(Instant),
    Connecting(JoinHandle<Option<Connection>>),
    Connected(Connection),
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            State::Waiting(_) => "waiting",
            State::Connecting(_) => "connecting",
            State::Connected(_) => "connected",
        })
    }
}

struct Connection {
    socket: SubSocket,
    events: BoxStream<'static, SocketEvent>,
}

impl Inlet {
    pub(crate) fn new(address: &str, topic: &str) -> Inlet {
        let state = State::Waiting(Instant::now());
        Inlet { address: address.to_owned(), topic: topic.to_owned(), state, failures: 0 }
    }

    /// The next message; none when it had not three parts. Cancel-safe: connecting goes on in the background, and what was
    /// received in part stays in the socket.
    pub(crate) async fn recv(&mut self) -> Option<Parts> {
        loop {
            match &mut self.state {
                State::Waiting(until) => {
                    sleep_until(*until).await;
                    self.state = State::Connecting(tokio::spawn(connect(self.address.clone(), self.topic.clone())));
                }
                State::Connecting(attempt) => match attempt.await {
                    Ok(Some(connection)) => {
                        self.failures = 0;
                        self.state = State::Connected(connection);
                    }
                    _ => self.retry(),
                },
                State::Connected(connection) => match connection.recv().await {
                    Some(message) => return <[Bytes; 3]>::try_from(message.into_vec()).ok(),
                    None => self.retry(),
                },
            }
        }
    }

    fn retry(&mut self) {
        self.failures = self.failures.saturating_add(1);
        let doublings = self.failures.saturating_sub(RETRIES_FIRST).min(6);
        let delay = (RETRY_FIRST * 2u32.pow(doublings)).min(RETRY_LAST);
        self.state = State::Waiting(Instant::now() + delay);
    }
}

impl Connection {
    /// The next message; none when the connection is lost.
    async fn recv(&mut self) -> Option<ZmqMessage> {
        loop {
            tokio::select! {
                biased;
                message = self.socket.recv() => return message.ok(),
                event = self.events.next() => match event {
                    Some(SocketEvent::Disconnected(_)) | None => return None,
                    Some(_) => {}
                },
            }
        }
    }
}

impl Drop for Inlet {
    fn drop(&mut self) {
        match std::mem::replace(&mut self.state, State::Waiting(Instant::now())) {
            State::Waiting(_) => {}
            State::Connecting(attempt) => attempt.abort(),
            State::Connected(mut connection) => {
                // The publisher's socket does not notice a closed connection before its next message; a word is cheaper.
                let topic = std::mem::take(&mut self.topic);
                if let Ok(runtime) = tokio::runtime::Handle::try_current() {
                    runtime.spawn(async move { drop(connection.socket.unsubscribe(&topic).await) });
                }
            }
        }
    }
}

async fn connect(address: String, topic: String) -> Option<Connection> {
    let (first, most, short_reads) = READ_BUFFER;
    let mut options = SocketOptions::default();
    options.read_buffer(first, most, short_reads).connect_timeout(CONNECT_PATIENCE);
    let mut socket = SubSocket::with_options(options);
    let events = socket.monitor().boxed();
    socket.subscribe(&topic).await.ok()?;
    timeout(CONNECT_PATIENCE, socket.connect(&address)).await.ok()?.ok()?;
    Some(Connection { socket, events })
}
