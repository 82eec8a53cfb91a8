//! How all nodes are, looked at again and again on a thread of its own, so that looking delays no measurement.
//! It never asks a graph for anything but how its nodes are.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use tokio::sync::watch;

use crate::{client::Client, control::NodeView};

/// Between two looks while something is broken…
const QUICK: Duration = Duration::from_millis(2);
/// …and else.
const CALM: Duration = Duration::from_millis(50);

/// All nodes at one moment.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) at: Instant,
    pub(super) nodes: Arc<Vec<NodeView>>,
    /// Why nothing more will be seen.
    pub(super) over: Option<String>,
}

impl Seen {
    /// A node.
    pub(super) fn node(&self, graph: &str, node: &str) -> Option<&NodeView> {
        self.nodes.iter().find(|view| view.graph == graph && view.node == node)
    }
}

/// What is seen, the newest.
#[derive(Debug)]
pub(super) struct Eyes {
    seen: watch::Receiver<Seen>,
    quick: Arc<AtomicBool>,
}

impl Eyes {
    /// Looks through these connections until it is dropped.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub(super) fn open(clients: Vec<Client>) -> std::io::Result<Eyes> {
        let first = Seen { at: Instant::now(), nodes: Arc::default(), over: None };
        let (to, seen) = watch::channel(first);
        let quick = Arc::new(AtomicBool::new(false));
        let eyes = Eyes { seen, quick: Arc::clone(&quick) };
        thread::Builder::new().name("eyes".to_owned()).spawn(move || look(clients, &to, &quick))?;
        Ok(eyes)
    }

    /// Whether to look often.
    pub(super) fn quick(&self, quick: bool) {
        self.quick.store(quick, Relaxed);
    }

    /// What was seen last.
    pub(super) fn now(&mut self) -> Seen {
        self.seen.borrow_and_update().clone()
    }

    /// What is seen next.
    pub(super) async fn next(&mut self) -> Seen {
        // Closed only after it said that it is over.
        let _ = self.seen.changed().await;
        self.now()
    }
}

fn look(mut clients: Vec<Client>, to: &watch::Sender<Seen>, quick: &AtomicBool) {
    while !to.is_closed() {
        let mut nodes = Vec::new();
        let asked = Instant::now();
        for client in &mut clients {
            match client.nodes() {
                Ok(views) => nodes.extend(views),
                Err(failure) => {
                    let over = Some(failure.text.trim().to_owned());
                    to.send_replace(Seen { at: asked, nodes: Arc::new(nodes), over });
                    return;
                }
            }
        }
        to.send_replace(Seen { at: Instant::now(), nodes: Arc::new(nodes), over: None });
        thread::sleep(if quick.load(Relaxed) { QUICK } else { CALM });
    }
}
