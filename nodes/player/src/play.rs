//! The play: messages of a recording, when they are due, on the outputs that carry their topics.

use std::{collections::HashMap, time::Duration};

use offboard::{Error, Header, Node, RawPublisher, Result, clock, recording::Recorded};
use tokio::time::{Instant, sleep, sleep_until};
use tracing::{info, warn};

use crate::{glob, params::Params, source::Source, timing::Rhythm};

/// How long listeners may take to come: what is said before is said to nobody.
const LISTENERS_MAX: Duration = Duration::from_secs(2);
/// How often it is looked whether they came.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// A message that is due later than this is looked at again on the way, so that an end is noticed and a beat is given.
const NAP: Duration = Duration::from_millis(200);

/// Plays the recording to its end, or for ever.
pub(crate) async fn play(node: &Node, params: &Params) -> Result<()> {
    let mut stage = Stage::set(node, params).await?;
    let mut source = Source::open(&params.file, params.with_erased)?;
    if params.start_at_ns.is_none() {
        stage.wait_for_listeners(node).await;
    }
    let start_ns = params.start_at_ns.unwrap_or_else(clock::now_ns);
    let from_ns = i64::try_from(params.from.0.as_nanos()).unwrap_or(i64::MAX);
    let mut rhythm = Rhythm::new(start_ns, from_ns, params.speed);
    loop {
        while let Some(message) = source.next().await {
            if !stage.play(node, &mut rhythm, message).await? {
                stage.close().await;
                return Ok(());
            }
        }
        if let Some(damage) = source.damage().await {
            warn!("{}: played until it stops making sense, {damage}", params.file.display());
        }
        stage.found_something(node, params)?;
        if !params.again || !rhythm.again() {
            break;
        }
        source = Source::open(&params.file, params.with_erased)?;
    }
    info!("played {} messages of {}", stage.played, params.file.display());
    stage.close().await;
    Ok(())
}

/// The outputs, by what the recording calls their topics.
struct Stage {
    /// The node of the recording.
    name: String,
    only: Vec<String>,
    outputs: Vec<Output>,
    /// Which output a topic of the recording goes to; none: to none.
    roads: HashMap<String, Option<usize>>,
    played: u64,
    beat: Instant,
}

struct Output {
    name: String,
    kind: String,
    edges: usize,
    publisher: RawPublisher,
    /// The topic of the recording that goes out here.
    topic: Option<String>,
}

impl Stage {
    async fn set(node: &Node, params: &Params) -> Result<Stage> {
        let mut outputs = Vec::new();
        for wiring in node.outputs() {
            let publisher = node.publish_raw(&wiring.name).await?;
            let edges = wiring.endpoints.iter().filter(|endpoint| endpoint.keep.is_some()).count();
            outputs.push(Output {
                name: wiring.name.clone(),
                kind: wiring.kind.clone(),
                edges,
                publisher,
                topic: None,
            });
        }
        if outputs.is_empty() {
            let name = node.name();
            return Err(Error::config(format!(
                "nothing to play to: name the topics in publish of [node.{name}]; player topics FILE shows them"
            )));
        }
        Ok(Stage {
            name: params.node.clone().unwrap_or_else(|| node.name().to_owned()),
            only: params.only.clone(),
            outputs,
            roads: HashMap::new(),
            played: 0,
            beat: Instant::now(),
        })
    }

    /// What is said before a listener is there is said to nobody.
    async fn wait_for_listeners(&self, node: &Node) {
        let until = Instant::now() + LISTENERS_MAX;
        let all_there = || self.outputs.iter().all(|output| output.publisher.listeners() >= output.edges);
        while !all_there() && Instant::now() < until && !node.is_stopping() {
            sleep(LOOK_EVERY).await;
        }
    }

    /// Plays a message when it is due. False: the node is asked to stop.
    async fn play(&mut self, node: &Node, rhythm: &mut Rhythm, message: Recorded) -> Result<bool> {
        let Some(due) = rhythm.due(message.received_ns, message.header.stamp_ns) else {
            return Ok(!node.is_stopping());
        };
        let Some(at) = self.road(&message)? else { return Ok(!node.is_stopping()) };
        if !self.wait(node, due.at_ns).await {
            return Ok(false);
        }
        let header = Header { stamp_ns: due.stamp_ns, ..message.header };
        self.outputs[at].publisher.resend(&header, message.payload).await?;
        self.played += 1;
        if self.beat.elapsed() >= NAP {
            self.beat = Instant::now();
            node.gauge("played", self.played as f64, "");
        }
        Ok(!node.is_stopping())
    }

    /// Waits until then. False: the node is asked to stop.
    async fn wait(&mut self, node: &Node, until_ns: i64) -> bool {
        loop {
            let left = u64::try_from(until_ns.saturating_sub(clock::now_ns())).unwrap_or(0);
            if left == 0 || node.is_stopping() {
                return !node.is_stopping();
            }
            let nap = Duration::from_nanos(left).min(NAP);
            tokio::select! {
                () = sleep_until(Instant::now() + nap) => {}
                () = node.stopped() => return false,
            }
        }
    }

    /// The output for a message; none: it is not ours to play.
    fn road(&mut self, message: &Recorded) -> Result<Option<usize>> {
        let at = match self.roads.get(&message.topic) {
            Some(at) => *at,
            None => {
                let at = self.find(&message.topic)?;
                self.roads.insert(message.topic.clone(), at);
                at
            }
        };
        let Some(output) = at.map(|at| &self.outputs[at]) else { return Ok(None) };
        if output.kind != "*" && output.kind != message.header.r#type {
            return Err(Error::config(format!(
                "{} of the recording carries {}, output {} {}",
                message.topic, message.header.r#type, output.name, output.kind
            )));
        }
        Ok(at)
    }

    fn find(&mut self, topic: &str) -> Result<Option<usize>> {
        if !glob::any(&self.only, topic) {
            return Ok(None);
        }
        let local = topic.rsplit(':').next().unwrap_or(topic);
        let Some((node, output)) = local.split_once('/') else { return Ok(None) };
        if node != self.name {
            return Ok(None);
        }
        let Some(at) = self.outputs.iter().position(|known| known.name == output) else { return Ok(None) };
        if let Some(other) = self.outputs[at].topic.replace(topic.to_owned()) {
            return Err(Error::config(format!(
                "the recording has {other} and {topic}: say which with only = [\"{topic}\"]"
            )));
        }
        Ok(Some(at))
    }

    /// After the end of the recording: an output that nothing came for is a mistake that a person should know of.
    fn found_something(&self, node: &Node, params: &Params) -> Result<()> {
        let file = params.file.display();
        if self.roads.values().all(Option::is_none) {
            let (name, shown) = (&self.name, node.name());
            return Err(Error::config(format!(
                "{file} has nothing of node {name} for the outputs of {shown}: player topics shows what it has"
            )));
        }
        for output in self.outputs.iter().filter(|output| output.topic.is_none()) {
            warn!("{file} has nothing for output {}", output.name);
        }
        Ok(())
    }

    async fn close(self) {
        for output in self.outputs {
            output.publisher.close().await;
        }
    }
}
