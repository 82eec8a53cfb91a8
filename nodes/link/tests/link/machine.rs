//! A machine made of memory, with a link: what it offers is said by the test, what it hears is handed to the test.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use offboard::proto::Header;
use offboard_link::{
    config::{Config, Hearing, Params, PeerParams},
    interest::Offer,
    key::{Identity, PublicKey},
    link::Link,
    local::{Local, Source},
    outbox::Outgoing,
};
use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
    task::JoinHandle,
    time::timeout,
};

/// Longer than anything here takes on a busy machine; a test that waits so long has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// What was published on one of the heard topics.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Got {
    pub(crate) output: usize,
    pub(crate) header: Header,
    pub(crate) payload: Bytes,
}

pub(crate) struct Memory {
    topics: Vec<Topic>,
    heard: mpsc::UnboundedSender<Got>,
    skew_ns: i64,
}

struct Topic {
    listeners: Mutex<Vec<mpsc::UnboundedSender<Outgoing>>>,
    wanted: watch::Sender<usize>,
}

pub(crate) struct Ear {
    messages: mpsc::UnboundedReceiver<Outgoing>,
    wanted: watch::Sender<usize>,
}

impl Local for Memory {
    type Source = Ear;

    async fn subscribe(&self, offer: usize) -> Result<Ear, String> {
        let (say, messages) = mpsc::unbounded_channel();
        let topic = &self.topics[offer];
        topic.listeners.lock().unwrap().push(say);
        topic.wanted.send_modify(|count| *count += 1);
        Ok(Ear { messages, wanted: topic.wanted.clone() })
    }

    async fn publish(&self, output: usize, header: Header, payload: Bytes) {
        drop(self.heard.send(Got { output, header, payload }));
    }

    fn now_ns(&self) -> i64 {
        offboard::clock::now_ns() + self.skew_ns
    }
}

impl Source for Ear {
    async fn next(&mut self) -> Option<Outgoing> {
        self.messages.recv().await
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        self.wanted.send_modify(|count| *count -= 1);
    }
}

/// How a machine is made.
#[derive(Default)]
pub(crate) struct Plan {
    pub(crate) name: &'static str,
    pub(crate) identity: Option<Identity>,
    pub(crate) listen: Option<String>,
    pub(crate) peers: Vec<(&'static str, Option<SocketAddr>, Option<PublicKey>)>,
    pub(crate) offers: Vec<&'static str>,
    /// Topic and queue length.
    pub(crate) hears: Vec<(&'static str, usize)>,
    pub(crate) skew_ns: i64,
}

pub(crate) struct Machine {
    pub(crate) link: Arc<Link<Memory>>,
    pub(crate) heard: mpsc::UnboundedReceiver<Got>,
    pub(crate) address: Option<SocketAddr>,
    running: JoinHandle<()>,
    seq: u64,
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.running.abort();
    }
}

/// `node/output TYPE`, or any type.
fn split(text: &str) -> (String, String) {
    let (topic, kind) = text.split_once(' ').unwrap_or((text, "*"));
    (topic.to_owned(), kind.to_owned())
}

impl Machine {
    pub(crate) async fn start(plan: Plan) -> Machine {
        let identity = plan.identity.unwrap_or_else(|| Identity::generate().unwrap());
        let listener = match &plan.listen {
            Some(address) => Some(TcpListener::bind(address).await.unwrap()),
            None => None,
        };
        let address = listener.as_ref().map(|listener| listener.local_addr().unwrap());
        let peers = plan.peers.into_iter().map(|(name, address, key)| PeerParams {
            name: name.to_owned(),
            address: address.map(|address| address.to_string()),
            key: key.map(|key| key.to_string()),
        });
        let offers: Vec<Offer> =
            plan.offers.iter().map(|text| split(text)).map(|(topic, kind)| Offer { topic, kind }).collect();
        let hears: Vec<Hearing> = plan
            .hears
            .iter()
            .map(|(text, keep)| (split(text), *keep))
            .map(|((topic, kind), keep)| Hearing { topic, kind, keep })
            .collect();
        let params = Params { listen: plan.listen, peers: peers.collect() };
        let topic = |_: &Offer| Topic { listeners: Mutex::default(), wanted: watch::Sender::new(0) };
        let (say, heard) = mpsc::unbounded_channel();
        let memory = Memory { topics: offers.iter().map(topic).collect(), heard: say, skew_ns: plan.skew_ns };
        let config = Config::new(plan.name, params, identity.public(), offers, &hears).unwrap();
        let link = Link::new(config, identity, memory);
        let running = tokio::spawn(link.clone().run(listener));
        Machine { link, heard, address, running, seq: 0 }
    }

    pub(crate) fn now_ns(&self) -> i64 {
        self.link.local().now_ns()
    }

    /// Resolves when so many listen to an offered topic.
    pub(crate) async fn wanted(&self, offer: usize, count: usize) {
        let mut wanted = self.link.local().topics[offer].wanted.subscribe();
        timeout(PATIENCE, wanted.wait_for(|now| *now == count)).await.expect("nobody wants it").unwrap();
    }

    /// Says something of this size on an offered topic, the next number on it.
    pub(crate) fn say(&mut self, offer: usize, size: usize) -> Outgoing {
        self.seq += 1;
        let stamp_ns = self.now_ns();
        let header = Header {
            seq: self.seq,
            incarnation: 77,
            sent_ns: stamp_ns,
            stamp_ns: stamp_ns - 1_000,
            origin: "robot:camera/frames".into(),
            r#type: "offboard.v1.Array".into(),
            status: 0,
        };
        let payload: Vec<u8> = (0..size).map(|at| (at as u64 * 31 + self.seq) as u8).collect();
        let message = Outgoing { header, payload: payload.into() };
        self.repeat(offer, &message);
        message
    }

    /// Says this on an offered topic.
    pub(crate) fn repeat(&self, offer: usize, message: &Outgoing) {
        let mut listeners = self.link.local().topics[offer].listeners.lock().unwrap();
        listeners.retain(|listener| listener.send(message.clone()).is_ok());
    }

    /// The next that comes on any heard topic.
    pub(crate) async fn hear(&mut self) -> Got {
        timeout(PATIENCE, self.heard.recv()).await.expect("nothing came").unwrap()
    }

    /// Resolves when a session with a peer runs, or none does.
    pub(crate) async fn linked(&self, peer: usize, linked: bool) {
        let poll = async {
            while self.link.is_linked(peer) != linked {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(PATIENCE, poll).await.expect("the link does not change");
    }
}

/// A robot that listens and a desktop that dials it, paired; the robot offers a camera and hears drive, the desktop the reverse.
pub(crate) async fn pair() -> (Machine, Machine) {
    pair_by(|address| address, 0, 1).await
}

/// The same, with a detour on the way, a desktop whose clock is ahead, and queues of so many messages.
pub(crate) async fn pair_by(
    detour: impl FnOnce(SocketAddr) -> SocketAddr,
    skew_ns: i64,
    keep: usize,
) -> (Machine, Machine) {
    let (robot, desktop) = (Identity::generate().unwrap(), Identity::generate().unwrap());
    let (robot_key, desktop_key) = (robot.public(), desktop.public());
    let robot = Machine::start(Plan {
        name: "robot",
        identity: Some(robot),
        listen: Some("127.0.0.1:0".into()),
        peers: vec![("desktop", None, Some(desktop_key))],
        offers: vec!["camera/frames", "camera/log"],
        hears: vec![("desktop:pilot/drive", keep)],
        skew_ns: 0,
    })
    .await;
    let desktop = Machine::start(Plan {
        name: "desktop",
        identity: Some(desktop),
        peers: vec![("robot", Some(detour(robot.address.unwrap())), Some(robot_key))],
        offers: vec!["pilot/drive"],
        hears: vec![("robot:camera/frames", keep)],
        skew_ns,
        ..Plan::default()
    })
    .await;
    robot.wanted(0, 1).await;
    desktop.wanted(0, 1).await;
    (robot, desktop)
}
