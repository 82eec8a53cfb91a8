//! This machine's side: the topics that peers may want, the topics that they fill, and the clock.
//!
//! [`Local`] is what the link needs of the machine; the program gives it a node's edges, tests give it memory. [`Hub`] subscribes
//! to a topic once, however many peers want it, and only while one does. It never looks into a payload.

use std::{
    future::Future,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use bytes::Bytes;
use offboard::proto::Header;
use tokio::{sync::Notify, task::AbortHandle};
use tracing::{debug, error};

use crate::outbox::{Outbox, Outgoing};

/// What the link needs of this machine.
pub trait Local: Send + Sync + 'static {
    /// The listening end of an offered topic.
    type Source: Source;

    /// Begins to listen to an offered topic.
    fn subscribe(&self, offer: usize) -> impl Future<Output = Result<Self::Source, String>> + Send;

    /// Publishes what a peer said on one of the heard topics; its header stays as it is.
    fn publish(&self, output: usize, header: Header, payload: Bytes) -> impl Future<Output = ()> + Send;

    /// Now, on this machine's steady timeline, in nanoseconds.
    fn now_ns(&self) -> i64;
}

/// The listening end of a topic.
pub trait Source: Send + 'static {
    /// The next message; none when there will be no more.
    fn next(&mut self) -> impl Future<Output = Option<Outgoing>> + Send;
}

/// What waits for one session's wire, and the word that something does.
#[derive(Debug, Default)]
pub struct Mailbox {
    outbox: Mutex<Outbox>,
    filled: Notify,
}

impl Mailbox {
    /// The waiting messages.
    pub fn outbox(&self) -> MutexGuard<'_, Outbox> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Resolves when something was put in since the last time.
    pub async fn filled(&self) {
        self.filled.notified().await;
    }

    fn put(&self, number: usize, message: Arc<Outgoing>) {
        self.outbox().push(number, message);
        self.filled.notify_one();
    }
}

/// The offered topics and who wants them at the moment.
#[derive(Debug)]
pub struct Hub<L> {
    local: L,
    taps: Vec<Mutex<Tap>>,
    next_id: AtomicU64,
}

/// One offered topic: subscribed to while it has listeners.
#[derive(Debug, Default)]
struct Tap {
    listeners: Vec<Listener>,
    pump: Option<AbortHandle>,
}

#[derive(Debug)]
struct Listener {
    id: u64,
    mailbox: Arc<Mailbox>,
    number: usize,
}

/// A session's hold on a topic; the topic is let go when this is dropped.
#[derive(Debug)]
pub struct Hold<L: Local> {
    hub: Arc<Hub<L>>,
    offer: usize,
    id: u64,
}

impl<L: Local> Hub<L> {
    /// For so many offered topics.
    #[must_use]
    pub fn new(local: L, offers: usize) -> Arc<Hub<L>> {
        let taps = (0..offers).map(|_| Mutex::default()).collect();
        Arc::new(Hub { local, taps, next_id: AtomicU64::new(0) })
    }

    /// The machine.
    pub fn local(&self) -> &L {
        &self.local
    }

    /// From now on what comes on an offered topic goes into `mailbox` under `number`. Needs a tokio runtime.
    #[must_use]
    pub fn attach(self: &Arc<Self>, offer: usize, mailbox: Arc<Mailbox>, number: usize) -> Hold<L> {
        let id = self.next_id.fetch_add(1, Relaxed);
        let mut tap = self.tap(offer);
        tap.listeners.push(Listener { id, mailbox, number });
        if tap.pump.is_none() {
            tap.pump = Some(tokio::spawn(pump(self.clone(), offer)).abort_handle());
        }
        Hold { hub: self.clone(), offer, id }
    }

    fn tap(&self, offer: usize) -> MutexGuard<'_, Tap> {
        self.taps[offer].lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn deliver(&self, offer: usize, message: Outgoing) {
        let message = Arc::new(message);
        for listener in &self.tap(offer).listeners {
            listener.mailbox.put(listener.number, message.clone());
        }
    }

    fn detach(&self, offer: usize, id: u64) {
        let mut tap = self.tap(offer);
        tap.listeners.retain(|listener| listener.id != id);
        if tap.listeners.is_empty()
            && let Some(pump) = tap.pump.take()
        {
            pump.abort();
        }
    }
}

impl<L: Local> Drop for Hold<L> {
    fn drop(&mut self) {
        self.hub.detach(self.offer, self.id);
    }
}

async fn pump<L: Local>(hub: Arc<Hub<L>>, offer: usize) {
    match hub.local.subscribe(offer).await {
        Ok(mut source) => {
            while let Some(message) = source.next().await {
                hub.deliver(offer, message);
            }
            debug!("offered topic {offer} has ended");
        }
        Err(error) => error!("cannot listen to offered topic {offer}: {error}"),
    }
}
