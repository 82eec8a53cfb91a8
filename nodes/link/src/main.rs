//! The link node: joins this graph with its peers. `link key` prints this machine's public key.
//!
//! `launch` adds it to each graph with peers. It never looks into a payload.

use std::{io::Write, process::ExitCode, time::Duration};

use bytes::Bytes;
use offboard::{Error, Node, RawPublisher, RawSubscriber, Result, clock, proto::Header};
use offboard_link::{
    config::{Config, Hearing, Params},
    interest::Offer,
    key::{self, Identity, KeyError},
    link::Link,
    local::{Local, Source},
    outbox::Outgoing,
    report::Figures,
};
use tokio::{net::TcpListener, sync::Mutex};
use tracing::{info, warn};

/// How often the node says that it lives when nothing else happens.
const BEAT: Duration = Duration::from_millis(100);

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["key"] => print_key(),
        ["key", ..] => {
            eprintln!("link key takes no more words; it prints this machine's public key");
            ExitCode::from(2)
        }
        _ => offboard::main(run),
    }
}

/// The key on stdout, for scripts; on stderr what to do with it.
fn print_key() -> ExitCode {
    match identity() {
        Ok(identity) => {
            let key = identity.public();
            eprintln!("this machine's public key; in the other machine's graph file: [peer.NAME] key = \"{key}\"");
            // Whoever closed stdout does not want the key.
            drop(writeln!(std::io::stdout(), "{key}"));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn identity() -> Result<Identity, KeyError> {
    Identity::load_or_create(&key::place(|name| std::env::var(name).ok())?)
}

async fn run() -> Result<()> {
    let node = offboard::describe("Joins this graph with other machines' graphs")
        .any_inputs()
        .any_outputs()
        .params::<Params>()
        .node()?;
    let identity = identity().map_err(|error| Error::config(error.to_string()))?;
    let config = configure(&node, &identity)?;
    let listener = match &config.listen {
        Some(address) => Some(listen(address, &identity).await?),
        None => None,
    };
    let link = Link::new(config, identity, NodeSide::open(&node).await?);
    tokio::select! {
        () = link.clone().run(listener) => Ok(()),
        () = beat(&node, &link) => Ok(()),
    }
}

fn configure(node: &Node, identity: &Identity) -> Result<Config> {
    let offers = node.inputs().map(|input| Offer { topic: input.topic.clone(), kind: input.kind.clone() }).collect();
    let hearings: Vec<Hearing> = node
        .outputs()
        .map(|output| Hearing {
            topic: output.topic.clone(),
            kind: output.kind.clone(),
            keep: output.endpoints.iter().filter_map(|endpoint| endpoint.keep).max().unwrap_or(1),
        })
        .collect();
    Config::new(node.graph(), node.params()?, identity.public(), offers, &hearings)
        .map_err(|mistakes| Error::config(mistakes.join("; ")))
}

async fn listen(address: &str, identity: &Identity) -> Result<TcpListener> {
    let listener = TcpListener::bind(address)
        .await
        .map_err(|error| Error::other(format!("cannot listen on {address}: {error}")))?;
    info!("listening on {}; this machine's key is {}", listener.local_addr()?, identity.public());
    Ok(listener)
}

/// Beats and tells what is measured until `launch` asks the node to stop.
async fn beat(node: &Node, link: &Link<NodeSide>) {
    let mut rate = node.every(BEAT);
    while rate.tick().await.is_some() {
        link.config.peers.iter().enumerate().for_each(|(number, peer)| measure(node, &peer.name, link.figures(number)));
    }
}

/// One peer's gauges: what is not known has none.
fn measure(node: &Node, peer: &str, figures: Option<Figures>) {
    node.gauge(&format!("{peer}.connected"), f64::from(u8::from(figures.is_some())), "");
    let figures = figures.unwrap_or_default();
    for (what, value, unit) in [
        ("rtt", figures.rtt_ms, "ms"),
        ("offset", figures.offset_ms, "ms"),
        ("rate", figures.rate_mbit, "Mbit/s"),
        ("dropped", figures.dropped_percent, "%"),
        ("stale", figures.stale_percent, "%"),
    ] {
        node.gauge(&format!("{peer}.{what}"), value, unit);
    }
}

/// A node's edges, as the link sees them.
struct NodeSide {
    node: Node,
    /// The names of the inputs, one an offered topic.
    inputs: Vec<String>,
    /// One a heard topic. A lock, because sessions of two peers may not say the same topic but do share this side.
    outputs: Vec<Mutex<RawPublisher>>,
}

impl NodeSide {
    async fn open(node: &Node) -> Result<NodeSide> {
        let mut outputs = Vec::new();
        for output in node.outputs() {
            outputs.push(Mutex::new(node.publish_raw(&output.name).await?));
        }
        let inputs = node.inputs().map(|input| input.name.clone()).collect();
        Ok(NodeSide { node: node.clone(), inputs, outputs })
    }
}

impl Local for NodeSide {
    type Source = NodeSource;

    async fn subscribe(&self, offer: usize) -> Result<NodeSource, String> {
        self.node.subscribe_raw(&self.inputs[offer]).await.map(NodeSource).map_err(|error| error.to_string())
    }

    async fn publish(&self, output: usize, header: Header, payload: Bytes) {
        if let Err(error) = self.outputs[output].lock().await.forward(&header, payload).await {
            warn!("cannot publish: {error}");
        }
    }

    fn now_ns(&self) -> i64 {
        clock::now_ns()
    }
}

struct NodeSource(RawSubscriber);

impl Source for NodeSource {
    async fn next(&mut self) -> Option<Outgoing> {
        loop {
            match self.0.next().await {
                Ok(Some(message)) => return Some(Outgoing { header: message.header, payload: message.payload }),
                Ok(None) => return None,
                Err(_) => {} // silence is no trouble of the link's
            }
        }
    }
}
