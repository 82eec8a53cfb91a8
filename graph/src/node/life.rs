//! How a node lives: its heartbeat, sent from the work loop, and its end.
//!
//! There is never a thread of its own for the heartbeat: that would prove only that the thread lives.

use std::{
    os::unix::net::UnixDatagram,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use offboard_proto::NodeStatus;
use prost::Message as _;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};

use super::{Error, Result, clock, counts::Counts};
use crate::wiring::NodeWiring;

/// How often a waiting work loop sends a heartbeat: four fit into the watchdog's default second.
const BEAT_EVERY: Duration = Duration::from_millis(250);

/// The life of this process as a node.
#[derive(Debug)]
pub(crate) struct Life {
    node: String,
    /// Changes at each start.
    pub(crate) incarnation: u64,
    launch: Option<UnixDatagram>,
    heart: Mutex<Heart>,
    /// Rate-loop periods that took too long.
    pub(crate) overruns: AtomicU64,
    stop: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Heart {
    last: Option<Instant>,
    beats: u64,
    /// Ports that are open: what was dropped is forgotten.
    edges: Vec<Weak<Counts>>,
}

impl Life {
    /// Begins the life of the node: it will end on SIGTERM or SIGINT, and when launch dies.
    pub(crate) fn start(wiring: &NodeWiring) -> Result<Arc<Life>> {
        let life = Arc::new(Life {
            node: wiring.name.clone(),
            incarnation: clock::now_ns().unsigned_abs(),
            launch: wiring.status.as_deref().map(connect).transpose()?,
            heart: Mutex::default(),
            overruns: AtomicU64::new(0),
            stop: watch::Sender::new(false),
        });
        for kind in [SignalKind::terminate(), SignalKind::interrupt()] {
            let (mut asked, life) = (signal(kind)?, life.clone());
            tokio::spawn(async move {
                while asked.recv().await.is_some() {
                    life.stop.send_replace(true);
                }
            });
        }
        if std::env::var_os("LAUNCH_RUN").is_some() {
            // Belt and braces beside launch's guard: asks us to stop when launch dies.
            rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::TERM))
                .map_err(std::io::Error::from)?;
        }
        Ok(life)
    }

    /// One more port whose counts go into the heartbeat.
    pub(crate) fn register(&self, counts: &Arc<Counts>) {
        self.heart().edges.push(Arc::downgrade(counts));
    }

    /// A pass of the work loop: sends a heartbeat when one is due.
    pub(crate) fn beat(&self) {
        let Some(launch) = &self.launch else { return };
        let mut heart = self.heart();
        heart.beats += 1;
        if heart.last.is_some_and(|last| last.elapsed() < BEAT_EVERY) {
            return;
        }
        heart.last = Some(Instant::now());
        heart.edges.retain(|counts| counts.strong_count() > 0);
        let status = NodeStatus {
            node: self.node.clone(),
            incarnation: self.incarnation,
            beats: heart.beats,
            overruns: self.overruns.load(Relaxed),
            edges: heart.edges.iter().filter_map(Weak::upgrade).map(|counts| counts.snapshot()).collect(),
            gauges: Vec::new(),
        };
        let mut datagram = format!("{} {}\n", self.node, self.incarnation).into_bytes();
        datagram.extend(status.encode_to_vec());
        // Never waits: a launcher that is gone or busy must not hold up the work.
        drop(launch.send(&datagram));
    }

    /// When a waiting work loop should call [`Life::beat`] again.
    pub(crate) fn due(&self) -> tokio::time::Instant {
        let last = self.heart().last.unwrap_or_else(Instant::now);
        (last + BEAT_EVERY).into()
    }

    pub(crate) fn is_stopping(&self) -> bool {
        *self.stop.borrow()
    }

    pub(crate) async fn stopped(&self) {
        // The sender lives as long as `self`, so this ends only when asked to stop.
        drop(self.stop.subscribe().wait_for(|stop| *stop).await);
    }

    fn heart(&self) -> MutexGuard<'_, Heart> {
        self.heart.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn connect(address: &str) -> Result<UnixDatagram> {
    let path = address
        .strip_prefix("unix:")
        .ok_or_else(|| Error::config(format!("LAUNCH_STATUS is \"{address}\", not unix:PATH")))?;
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    // Without a listener the node works all the same, unwatched.
    if let Err(error) = socket.connect(path) {
        tracing::debug!("no heartbeat: {path}: {error}");
    }
    Ok(socket)
}
