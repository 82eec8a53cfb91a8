//! The node `launch` of a graph: publishes on `launch/events` what happens to nodes, on `launch/status` how they are and on
//! `launch/log` what they write.
//!
//! A process of its own, because launch holds no ZeroMQ socket (docs/decisions/0001): launch started once more, which asks over the
//! control socket as any verb does. It never supervises anything, and asks how the nodes are and
//! what they write only while somebody listens.

use std::{
    convert::Infallible,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use offboard::{
    EdgeCounts, Error, Event, Gauge, GraphStatus, Log, LogLevel, NodeState, NodeStatus, Publisher, Result, clock,
    wiring::LAUNCH,
};
use prost_types::Timestamp;
use serde::Deserialize;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    net::{UnixStream, unix::OwnedReadHalf, unix::OwnedWriteHalf},
    time::{Instant, sleep, sleep_until, timeout},
};

use crate::{
    control::{Answer, EdgeView, EventView, GaugeView, NodeView, Request},
    events::{cause_of, kind_of},
};

/// The hidden verb.
pub(crate) const VERB: &str = "__herald";

/// How it is called in process lists: who kills every `launch` by name must not meet it.
const NAME: &str = "offboard-herald";

/// How often it tells how the nodes are.
const STATUS_EVERY: Duration = Duration::from_secs(1);

/// How soon it does when something happened: several things often happen together.
const STATUS_SOON: Duration = Duration::from_millis(50);

/// How long launch may take to answer; shorter than the watchdog's second.
const ANSWER_WITHIN: Duration = Duration::from_millis(500);

/// How long the first events wait for somebody to hear them: listeners start when the graph does.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// How often is looked whether somebody listens meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(10);

#[derive(Debug, Deserialize)]
struct Params {
    /// The control socket.
    control: PathBuf,
}

/// The node's own life.
pub(crate) fn main() -> ExitCode {
    let _ = fs::write("/proc/self/comm", NAME);
    offboard::main(run)
}

async fn run() -> Result<()> {
    let node = offboard::node()?;
    let Params { control } = node.params()?;
    let mut events = node.publish::<Event>("events").await?;
    let mut status = node.publish::<GraphStatus>("status").await?;
    let (mut lines, _hold) = ask(&control, &Request::Events { follow: true }).await?;
    // What it says about lines waits for nothing else; it ends with this process.
    let (mut log, asked) = (node.publish::<Log>("log").await?, control.clone());
    drop(tokio::spawn(async move {
        loop {
            let Err(error) = tell_lines(&mut log, &asked).await;
            eprintln!("WARN no lines for a while: {error}");
            sleep(STATUS_EVERY).await;
        }
    }));
    let mut rate = node.every(STATUS_EVERY);
    let first = Instant::now() + FIRST_WAIT;
    let (mut begun, mut due) = (false, first);
    loop {
        tokio::select! {
            tick = rate.tick() => match tick {
                Some(_) => due = Instant::now(),
                None => return Ok(()),
            },
            line = lines.next_line(), if begun => {
                say(&mut events, read(line?)?).await?;
                due = due.min(Instant::now() + STATUS_SOON);
            }
            () = sleep_until(due), if status.wanted() => {
                match look(node.graph(), &control).await {
                    Ok(looked) => status.send(looked).await?,
                    // It is busy, or was stopped for a while. Should it be gone, the events end.
                    Err(error) => eprintln!("WARN no status this time: {error}"),
                }
                due = Instant::now() + 2 * STATUS_EVERY;
            }
            () = sleep(LOOK_EVERY), if !begun => begun = events.wanted() || Instant::now() >= first,
        }
    }
}

/// Publishes what nodes write, while somebody listens.
async fn tell_lines(log: &mut Publisher<Log>, control: &Path) -> Result<Infallible> {
    loop {
        while !log.wanted() {
            sleep(LOOK_EVERY * 5).await;
        }
        let (mut lines, _hold) = ask(control, &Request::Lines {}).await?;
        while log.wanted() {
            match timeout(STATUS_EVERY, lines.next_line()).await {
                Ok(line) => publish_lines(log, read(line?)?).await?,
                Err(_) => continue, // nobody wrote anything
            }
        }
    }
}

async fn publish_lines(log: &mut Publisher<Log>, answer: Answer) -> Result<()> {
    let Answer::Lines { lines, lost } = answer else {
        return Err(Error::other(format!("launch answered {answer:?} instead of lines")));
    };
    let offset_ns = clock::now_ns() - clock::monotonic_ns();
    for line in lines {
        let stamp_ns = line.at_ns + offset_ns;
        log.send_at(stamp_ns, said(stamp_ns, level_of(&line.level), line.message, line.node)).await?;
    }
    if lost > 0 {
        let text = format!("{lost} lines came faster than they could be published");
        let now_ns = clock::now_ns();
        log.send_at(now_ns, said(now_ns, LogLevel::Warning, text, LAUNCH.to_owned())).await?;
    }
    Ok(())
}

fn said(stamp_ns: i64, level: LogLevel, message: String, name: String) -> Log {
    let timestamp = Timestamp {
        seconds: stamp_ns.div_euclid(1_000_000_000),
        nanos: i32::try_from(stamp_ns.rem_euclid(1_000_000_000)).unwrap_or_default(),
    };
    Log { timestamp: Some(timestamp), level: level.into(), message, name, ..Log::default() }
}

fn level_of(word: &str) -> LogLevel {
    match word {
        "TRACE" | "DEBUG" => LogLevel::Debug,
        "WARN" => LogLevel::Warning,
        "ERROR" => LogLevel::Error,
        _ => LogLevel::Info,
    }
}

async fn say(events: &mut Publisher<Event>, answer: Answer) -> Result<()> {
    match answer {
        Answer::Event(view) => events.send_at(view.stamp_ns, event(*view)).await,
        Answer::Missed(count) => {
            eprintln!("WARN {count} events came faster than they could be published");
            Ok(())
        }
        answer => Err(Error::other(format!("launch answered {answer:?} instead of an event"))),
    }
}

async fn look(graph: &str, control: &Path) -> Result<GraphStatus> {
    let answer = async {
        let (mut lines, _hold) = ask(control, &Request::Ps {}).await?;
        read(lines.next_line().await?)
    };
    match timeout(ANSWER_WITHIN, answer).await.map_err(|_| Error::other("launch does not answer"))?? {
        Answer::Nodes(nodes) => {
            Ok(GraphStatus { graph: graph.to_owned(), nodes: nodes.into_iter().map(state).collect() })
        }
        answer => Err(Error::other(format!("launch answered {answer:?} instead of the nodes"))),
    }
}

/// The lines that launch answers with; they go on while the other half is held.
async fn ask(control: &Path, request: &Request) -> Result<(Lines<BufReader<OwnedReadHalf>>, OwnedWriteHalf)> {
    let (from, mut to) = UnixStream::connect(control).await?.into_split();
    let mut line = serde_json::to_vec(request).map_err(|error| Error::other(error.to_string()))?;
    line.push(b'\n');
    to.write_all(&line).await?;
    Ok((BufReader::new(from).lines(), to))
}

fn read(line: Option<String>) -> Result<Answer> {
    let line = line.ok_or_else(|| Error::other("launch hung up"))?;
    serde_json::from_str(&line).map_err(|error| Error::other(format!("launch's answer does not read: {error}")))
}

fn event(view: EventView) -> Event {
    Event {
        node: view.node,
        kind: kind_of(&view.kind).into(),
        reason: view.reason,
        pid: view.pid.unwrap_or_default(),
        restarts: view.restarts,
        cause: view.cause.as_deref().map(cause_of).unwrap_or_default().into(),
        code: view.code.unwrap_or_default(),
        last_words: view.last_words,
        number: view.number,
    }
}

fn state(view: NodeView) -> NodeState {
    let status = view.beats.map(|beats| NodeStatus {
        node: view.node.clone(),
        incarnation: view.incarnation.unwrap_or_default(),
        beats,
        overruns: view.overruns.unwrap_or_default(),
        edges: view.edges.into_iter().map(counts).collect(),
        gauges: view.gauges.into_iter().map(gauge).collect(),
    });
    NodeState {
        node: view.node,
        state: view.state,
        why: view.why.unwrap_or_default(),
        pid: view.pid.unwrap_or_default(),
        restarts: view.restarts,
        last_end: view.last_end.unwrap_or_default(),
        status,
    }
}

fn counts(edge: EdgeView) -> EdgeCounts {
    EdgeCounts {
        port: edge.port,
        topic: edge.topic,
        publishes: edge.publishes,
        messages: edge.messages,
        bytes: edge.bytes,
        gaps: edge.gaps,
        dropped: edge.dropped,
        expired: edge.expired,
        undecodable: edge.undecodable,
        wrong_type: edge.wrong_type,
        oversized: edge.oversized,
        origin: edge.origin,
        age_p50_ns: edge.age_p50_ns,
        age_p99_ns: edge.age_p99_ns,
        hop_p50_ns: edge.hop_p50_ns,
        hop_p99_ns: edge.hop_p99_ns,
    }
}

fn gauge(gauge: GaugeView) -> Gauge {
    Gauge { name: gauge.name, value: gauge.value, unit: gauge.unit }
}
