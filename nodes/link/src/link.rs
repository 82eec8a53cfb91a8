//! The link of one machine: who is linked at the moment, and that each peer is linked once.
//!
//! A new session of a peer takes the place of the old one, which may be dead without knowing it. It opens no connection
//! itself: [`dialer`](crate::dialer) and [`listener`](crate::listener) do.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use tokio::{
    net::TcpListener,
    task::{AbortHandle, JoinHandle, JoinSet},
};
use tracing::{info, warn};

use crate::{
    config::{Config, Peer},
    conn::{Conn, MEET_MAX},
    dialer,
    frame::{Hello, Role},
    key::Identity,
    listener,
    local::{Hub, Local},
    report::{Figures, Gauges, Seldom},
    session::{self, Ended, Met},
};

/// The most peers linked at once: each costs memory for two connections and the pictures on them.
const SESSIONS_MAX: usize = 16;

/// The link of one machine.
#[derive(Debug)]
pub struct Link<L: Local> {
    /// What it was told.
    pub config: Arc<Config>,
    /// Who this machine is.
    pub identity: Identity,
    /// For what strangers do, who may come in thousands.
    pub complaints: Seldom,
    hub: Arc<Hub<L>>,
    live: Mutex<HashMap<usize, Live>>,
    halves: Mutex<HashMap<usize, Half>>,
}

/// A running session.
#[derive(Debug)]
struct Live {
    dialed: bool,
    session: AbortHandle,
    gauges: Gauges,
}

/// The first of a session's two connections, waiting for the second.
#[derive(Debug)]
struct Half {
    hello: Hello,
    conn: Conn,
    since: Instant,
}

impl<L: Local> Link<L> {
    /// A link that is not running yet.
    #[must_use]
    pub fn new(config: Config, identity: Identity, local: L) -> Arc<Link<L>> {
        let hub = Hub::new(local, config.offers.len());
        Arc::new(Link {
            config: Arc::new(config),
            identity,
            complaints: Seldom::default(),
            hub,
            live: Mutex::default(),
            halves: Mutex::default(),
        })
    }

    /// Accepts on `listener` and dials all peers that have an address, for ever. Dropped, it ends all sessions.
    pub async fn run(self: Arc<Self>, listener: Option<TcpListener>) {
        let _end = EndAll(self.clone());
        let mut loops = JoinSet::new();
        for number in (0..self.config.peers.len()).filter(|number| self.peer(*number).address.is_some()) {
            loops.spawn(dialer::dial_always(self.clone(), number));
        }
        if let Some(listener) = listener {
            loops.spawn(listener::accept_always(self.clone(), listener));
        }
        loops.join_all().await;
        std::future::pending::<()>().await;
    }

    /// This machine's side.
    pub fn local(&self) -> &L {
        self.hub.local()
    }

    /// A peer by its number.
    #[must_use]
    pub fn peer(&self, number: usize) -> &Peer {
        &self.config.peers[number]
    }

    /// Whether a session with the peer is running.
    #[must_use]
    pub fn is_linked(&self, peer: usize) -> bool {
        self.live().get(&peer).is_some_and(|live| !live.session.is_finished())
    }

    /// What the session with the peer measures; none while there is no session.
    #[must_use]
    pub fn figures(&self, peer: usize) -> Option<Figures> {
        let live = self.live();
        let live = live.get(&peer).filter(|live| !live.session.is_finished())?;
        Some(live.gauges.figures())
    }

    /// Whether a session that this peer dialed may begin.
    ///
    /// # Errors
    /// A sentence for the peer.
    pub fn admits(&self, peer: usize) -> Result<(), String> {
        let mut live = self.live();
        live.retain(|_, live| !live.session.is_finished());
        let name = &self.peer(peer).name;
        match live.get(&peer) {
            // Both dialed at once: the one that the smaller name dialed stays.
            Some(live) if live.dialed && self.config.graph < *name => {
                Err(format!("{} dialed first", self.config.graph))
            }
            None if live.len() >= SESSIONS_MAX => {
                Err(format!("{} is linked with {SESSIONS_MAX} machines, which is the most", self.config.graph))
            }
            _ => Ok(()),
        }
    }

    /// Whether a session that we dialed gives way to one that the peer dialed meanwhile.
    #[must_use]
    pub fn yields(&self, peer: usize) -> bool {
        self.is_linked(peer) && self.config.graph > self.peer(peer).name
    }

    /// One of a session's two connections has come; both, when it was the second.
    pub fn join(&self, peer: usize, hello: Hello, conn: Conn) -> Option<Met> {
        let mut halves = self.halves.lock().unwrap_or_else(PoisonError::into_inner);
        let other = halves.remove(&peer).filter(|other| {
            other.hello.session == hello.session && other.hello.role != hello.role && other.since.elapsed() < MEET_MAX
        });
        let Some(other) = other else {
            // One place a peer: a newer attempt takes it from an older one.
            halves.insert(peer, Half { hello, conn, since: Instant::now() });
            return None;
        };
        let (control, bulk) = if hello.role == Role::Control { (conn, other.conn) } else { (other.conn, conn) };
        Some(Met { control, bulk, peer, dialed: false })
    }

    /// Runs a session, in place of the one that the peer may have.
    pub fn start(&self, met: Met) -> JoinHandle<Ended> {
        let (peer, dialed) = (met.peer, met.dialed);
        let name = self.peer(peer).name.clone();
        let from =
            met.control.pipe.peer_address().map_or_else(|_| "a lost address".to_owned(), |from| from.to_string());
        info!("linked with {name} at {from}");
        let gauges = Gauges::default();
        let running = session::run(self.hub.clone(), self.config.clone(), met, gauges.clone());
        let session = tokio::spawn(async move {
            let ended = running.await;
            warn!("lost {name}: {ended}");
            ended
        });
        let live = Live { dialed, session: session.abort_handle(), gauges };
        if let Some(old) = self.live().insert(peer, live) {
            old.session.abort();
        }
        session
    }

    fn live(&self) -> MutexGuard<'_, HashMap<usize, Live>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends all sessions when the link is dropped.
struct EndAll<L: Local>(Arc<Link<L>>);

impl<L: Local> Drop for EndAll<L> {
    fn drop(&mut self) {
        for live in self.0.live().drain() {
            live.1.session.abort();
        }
    }
}
