//! A node: a process that `launch` started, its edges, its parameters and its end.
//!
//! A node never handles signals: when it is asked to stop, its inputs and rate loops end.

use std::{future::Future, process::ExitCode, sync::Arc, time::Duration};

use offboard_proto::EdgeCounts;
use prost::Name;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::wiring::{InputWiring, NodeWiring, OutputWiring};

mod carrier;
pub mod clock;
mod counts;
mod describe;
mod error;
mod every;
mod life;
mod message;
mod publisher;
mod queue;
mod recent;
mod subscriber;
mod sync;

pub use describe::{Describe, describe};
pub use error::{Error, Result};
pub use every::{Every, Tick};
pub use message::{Evidence, Message, RawMessage};
pub use publisher::{Publisher, RawPublisher};
pub use subscriber::{RawSubscriber, Subscriber};
pub use sync::{Pairer, Pairing, PairingReport, Stamped, StreamCounts, Sync2, SyncRaw};

use life::Life;

/// A node of a running graph. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Node {
    wiring: Arc<NodeWiring>,
    life: Arc<Life>,
}

/// The node that this process is, as `launch` wired it. Call it once, inside a tokio runtime.
///
/// # Errors
/// [`Error::Config`] when the process was not started by `launch`, or with a broken wiring.
pub fn node() -> Result<Node> {
    let wiring = NodeWiring::from_env(std::env::vars()).map_err(|problem| {
        Error::config(format!("{problem}: a node is started by launch, for instance: launch robot.toml"))
    })?;
    install_log(std::env::var("LAUNCH_LOG").ok().as_deref());
    Node::start(wiring)
}

/// Runs a node on a one-thread tokio runtime and turns how it ended into an exit code: 0, 78 for [`Error::Config`] (restarting
/// cannot help), 1 for anything else. The error is logged.
pub fn main<F, Fut>(run: F) -> ExitCode
where
    F: FnOnce() -> Fut,
    Fut: Future<Output = Result<()>>,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let ended = match runtime {
        Ok(runtime) => {
            let ended = runtime.block_on(run());
            // What blocks in the background must not keep a node from ending.
            runtime.shutdown_timeout(Duration::from_millis(100));
            ended
        }
        Err(error) => Err(error.into()),
    };
    let Err(error) = ended else {
        return ExitCode::SUCCESS;
    };
    install_log(None);
    tracing::error!("{error}");
    error.exit_code()
}

/// Logs go to stderr, one line each, level first: `launch` adds time and name. Only the first call counts.
fn install_log(level: Option<&str>) {
    let level = level.and_then(|level| level.parse().ok()).unwrap_or(tracing::level_filters::LevelFilter::INFO);
    let log = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_max_level(level)
        .with_ansi(false)
        .with_target(false)
        .without_time();
    drop(log.try_init());
}

impl Node {
    /// A node with this wiring, for whoever has it from elsewhere than the environment; only the clock's offset is the
    /// process's, see [`clock`]. Call it inside a tokio runtime.
    ///
    /// # Errors
    /// [`Error::Config`] with a broken heartbeat address; an I/O error when signals cannot be handled.
    pub fn start(wiring: NodeWiring) -> Result<Node> {
        let life = Life::start(&wiring)?;
        Ok(Node { wiring: Arc::new(wiring), life })
    }

    /// The node's name in the graph.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.wiring.name
    }

    /// The graph's name.
    #[must_use]
    pub fn graph(&self) -> &str {
        &self.wiring.graph
    }

    /// The inputs that the graph gives this node.
    pub fn inputs(&self) -> impl Iterator<Item = &InputWiring> {
        self.wiring.inputs.iter()
    }

    /// The outputs that the graph gives this node.
    pub fn outputs(&self) -> impl Iterator<Item = &OutputWiring> {
        self.wiring.outputs.iter()
    }

    /// Whether the graph gives this node such an input.
    #[must_use]
    pub fn has_input(&self, name: &str) -> bool {
        self.inputs().any(|input| input.name == name)
    }

    /// Whether the graph gives this node such an output.
    #[must_use]
    pub fn has_output(&self, name: &str) -> bool {
        self.outputs().any(|output| output.name == name)
    }

    /// The parameters, in the node's own type.
    ///
    /// # Errors
    /// [`Error::Config`] that names the parameter that does not fit.
    pub fn params<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_value(Value::Object(self.wiring.params.clone()))
            .map_err(|error| Error::config(format!("params of {}: {error}", self.name())))
    }

    /// Listens to messages of type `M` on an input.
    ///
    /// # Errors
    /// [`Error::Config`] when the graph gives no such input or another type comes there.
    #[expect(clippy::unused_async, reason = "part of the contract: a carrier may have to wait")]
    pub async fn subscribe<M: prost::Message + Default + Name>(&self, input: &str) -> Result<Subscriber<M>> {
        let wiring = self.input(input)?;
        let wanted = M::full_name();
        if wiring.kind != "*" && wiring.kind != wanted {
            return Err(Error::config(format!(
                "input {input} reads {wanted} but {} carries {}",
                wiring.topic, wiring.kind
            )));
        }
        Ok(Subscriber::new(RawSubscriber::new(wiring, Some(&wanted), Some(self.life.clone()))))
    }

    /// Listens to an input without looking into the messages.
    ///
    /// # Errors
    /// [`Error::Config`] when the graph gives no such input.
    #[expect(clippy::unused_async, reason = "part of the contract: a carrier may have to wait")]
    pub async fn subscribe_raw(&self, input: &str) -> Result<RawSubscriber> {
        let wiring = self.input(input)?;
        let kind = (wiring.kind != "*").then_some(wiring.kind.as_str());
        Ok(RawSubscriber::new(wiring, kind, Some(self.life.clone())))
    }

    /// Publishes messages of type `M` on an output.
    ///
    /// # Errors
    /// [`Error::Config`] when the graph gives no such output or another type; an I/O error when an endpoint cannot be bound.
    pub async fn publish<M: prost::Message + Name>(&self, output: &str) -> Result<Publisher<M>> {
        let wiring = self.output(output)?;
        let kind = M::full_name();
        if wiring.kind != "*" && wiring.kind != kind {
            return Err(Error::config(format!(
                "output {output} sends {kind} but the graph says that {} carries {}",
                wiring.topic, wiring.kind
            )));
        }
        Ok(Publisher::new(RawPublisher::bind(wiring, self.graph(), self.life.clone()).await?))
    }

    /// Publishes what others encoded on an output.
    ///
    /// # Errors
    /// [`Error::Config`] when the graph gives no such output; an I/O error when an endpoint cannot be bound.
    pub async fn publish_raw(&self, output: &str) -> Result<RawPublisher> {
        RawPublisher::bind(self.output(output)?, self.graph(), self.life.clone()).await
    }

    /// A rate loop: one tick a `period`, on an absolute schedule.
    ///
    /// ```no_run
    /// # async fn f(node: offboard::Node) {
    /// let mut rate = node.every(std::time::Duration::from_millis(20));
    /// while let Some(_tick) = rate.tick().await { /* 50 times a second */ }
    /// # }
    /// ```
    #[must_use]
    pub fn every(&self, period: Duration) -> Every {
        Every::new(period, self.life.clone())
    }

    /// Tells people a figure that is no count of an edge: `node.gauge("battery", 11.8, "V")`. It goes with the next heartbeat, is
    /// shown by `launch ps --json` and `launch top`, and stays until it is told anew; `None` takes back what is not known any more,
    /// as does a value that is not finite. A node has 128 gauges at most, with names of 96 bytes and units of 16; what is beyond is
    /// left out, and said once.
    pub fn gauge(&self, name: &str, value: impl Into<Option<f64>>, unit: &str) {
        self.life.gauge(name, value.into(), unit);
    }

    /// What each open port counted since the node started, as it goes into the heartbeat.
    #[must_use]
    pub fn counts(&self) -> Vec<EdgeCounts> {
        self.life.counts()
    }

    /// Changes at each start of the node, as in its headers.
    #[must_use]
    pub fn incarnation(&self) -> u64 {
        self.life.incarnation
    }

    /// Resolves when `launch` asks the node to stop.
    pub async fn stopped(&self) {
        self.life.stopped().await;
    }

    /// Whether `launch` asked the node to stop.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.life.is_stopping()
    }

    fn input(&self, name: &str) -> Result<&InputWiring> {
        let known = self.inputs().map(|input| input.name.as_str());
        self.inputs().find(|input| input.name == name).ok_or_else(|| self.no_port("input", "subscribe", name, known))
    }

    fn output(&self, name: &str) -> Result<&OutputWiring> {
        let known = self.outputs().map(|output| output.name.as_str());
        self.outputs().find(|output| output.name == name).ok_or_else(|| self.no_port("output", "publish", name, known))
    }

    fn no_port<'a>(&self, what: &str, key: &str, name: &str, known: impl Iterator<Item = &'a str>) -> Error {
        let known: Vec<&str> = known.collect();
        let there = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        Error::config(format!(
            "the graph gives node {} no {what} \"{name}\" (there is: {there}); add it to {key} in [node.{}]",
            self.name(),
            self.name()
        ))
    }
}
