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

use offboard_proto::{EdgeCounts, Gauge, NodeStatus};
use prost::Message as _;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};

use super::{Error, Result, clock, counts::Counts};
use crate::wiring::NodeWiring;

/// How often a waiting work loop sends a heartbeat: three fit into the watchdog's default second.
const BEAT_EVERY: Duration = Duration::from_millis(330);

/// The most gauges of a node, and the longest of their names and units, in bytes: all fit into a heartbeat together.
const GAUGES_MAX: usize = 128;
const GAUGE_NAME_MAX: usize = 96;
const GAUGE_UNIT_MAX: usize = 16;

/// How soon a heartbeat that found no room is tried again. The kernel keeps ten datagrams for launch where nobody set more
/// (net.unix.max_dgram_qlen): with more nodes, or a launch that did not run for a moment, some find it full, time and again the same
/// ones, and a watchdog would take that for a hang.
const RETRY: Duration = Duration::from_millis(20);

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
    gauges: Vec<Gauge>,
    /// A gauge was refused and that was said.
    refused: bool,
}

impl Heart {
    fn counts(&self) -> Vec<EdgeCounts> {
        self.edges.iter().filter_map(Weak::upgrade).map(|counts| counts.snapshot()).collect()
    }
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

    /// Takes in a figure, or takes one back that is not known any more.
    pub(crate) fn gauge(&self, name: &str, value: Option<f64>, unit: &str) {
        let mut heart = self.heart();
        let place = heart.gauges.iter().position(|gauge| gauge.name == name);
        match (place, value.filter(|value| value.is_finite())) {
            (Some(place), Some(value)) => {
                heart.gauges[place].value = value;
                if heart.gauges[place].unit != unit && unit.len() <= GAUGE_UNIT_MAX {
                    unit.clone_into(&mut heart.gauges[place].unit);
                }
            }
            (Some(place), None) => drop(heart.gauges.remove(place)),
            (None, Some(value)) => {
                let fits = name.len() <= GAUGE_NAME_MAX && unit.len() <= GAUGE_UNIT_MAX;
                if fits && heart.gauges.len() < GAUGES_MAX {
                    heart.gauges.push(Gauge { name: name.to_owned(), value, unit: unit.to_owned() });
                } else if !std::mem::replace(&mut heart.refused, true) {
                    tracing::warn!(
                        "gauge {} is not told: a node has {GAUGES_MAX} gauges at most, with names of {GAUGE_NAME_MAX} bytes and units of \
                         {GAUGE_UNIT_MAX}",
                        super::message::printable(name)
                    );
                }
            }
            (None, None) => {}
        }
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
            edges: heart.counts(),
            gauges: heart.gauges.clone(),
        };
        let mut datagram = format!("{} {}\n", self.node, self.incarnation).into_bytes();
        datagram.extend(status.encode_to_vec());
        // Never waits: a launcher that is gone or busy must not hold up the work.
        if launch.send(&datagram).is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock) {
            heart.last = Instant::now().checked_sub(BEAT_EVERY - RETRY);
        }
    }

    /// What the open ports counted.
    pub(crate) fn counts(&self) -> Vec<EdgeCounts> {
        self.heart().counts()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_heartbeat_that_found_no_room_is_sent_again_soon() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("status");
        let launch = UnixDatagram::bind(&path).unwrap();
        launch.set_nonblocking(true).unwrap();
        let others = connect(&format!("unix:{}", path.display())).unwrap();
        while others.send(b"other 1").is_ok() {}

        let wiring = NodeWiring {
            graph: "t".into(),
            name: "a".into(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            params: serde_json::Map::new(),
            clock_offset_ns: 0,
            status: Some(format!("unix:{}", path.display())),
        };
        let life = Life::start(&wiring).unwrap();
        let mut heard = [0; 64];
        life.beat();
        while let Ok(count) = launch.recv(&mut heard) {
            assert!(heard[..count].starts_with(b"other"), "there was no room for it");
        }
        assert!(life.due() <= tokio::time::Instant::now() + RETRY);
        tokio::time::sleep(RETRY).await;
        life.beat();
        let count = launch.recv(&mut heard).unwrap();
        assert!(heard[..count].starts_with(b"a "));
        assert!(life.due() > tokio::time::Instant::now() + RETRY, "the next is not due before its time");
    }
}
