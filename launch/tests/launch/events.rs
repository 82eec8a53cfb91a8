//! Stories about what happens to nodes and who hears of it: over the control socket, on the topics, on the command line.
//! They never look at the clock for what a fact can tell.

use std::{
    io::{BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    time::Duration,
};

use offboard::{
    EndCause, Event, EventKind, GraphStatus, Log, LogLevel, RawMessage, RawSubscriber,
    wiring::{self, RunDir},
};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::desk::{Desk, send, until};

/// How long an event is waited for: many times what it takes on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// The events of the graph t as they come over its control socket.
fn follow(desk: &Desk) -> impl Iterator<Item = Value> + use<> {
    let mut stream = UnixStream::connect(desk.path("r/t/ctl")).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(b"{\"verb\":\"events\",\"follow\":true}\n").unwrap();
    let lines = BufReader::new(stream).lines();
    lines.map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap()["event"].take())
}

/// The test's own ear on an edge of the graph t whose listening node is foreign and does not connect.
struct Ear {
    runtime: tokio::runtime::Runtime,
    from: RawSubscriber,
}

impl Ear {
    fn new(desk: &Desk, topic: &str, node: &str, input: &str) -> Ear {
        let dir = RunDir::at(desk.path("r/t"));
        let endpoint = wiring::edge(&dir, &topic.parse().unwrap(), node, input);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let from = {
            let _inside = runtime.enter();
            RawSubscriber::connect(&endpoint, topic)
        };
        Ear { runtime, from }
    }

    fn hear(&mut self) -> RawMessage {
        self.hear_within(PATIENCE).unwrap_or_else(|| panic!("nothing was heard"))
    }

    fn hear_within(&mut self, limit: Duration) -> Option<RawMessage> {
        let next = async { tokio::time::timeout(limit, self.from.next()).await };
        Some(self.runtime.block_on(next).ok()?.unwrap().unwrap())
    }
}

#[test]
fn a_crash_is_an_event_with_its_cause_and_last_words() {
    let desk = Desk::new();
    desk.graph("t", &[("a", "echo $$ >> a.pids; echo one; echo no device; exec sleep 1000", "")]);
    let _launched = desk.launch(&["t.toml"]);
    let pid = desk.until_pids("a.pids", 1)[0];
    let mut events = follow(&desk).filter(|event| event["node"] == "a");
    assert_eq!(events.next().unwrap()["kind"], "started", "what was before is told, too");
    send(pid, Signal::SEGV);
    let ended = events.find(|event| event["kind"] == "ended").unwrap();
    assert_eq!((&ended["cause"], &ended["code"], &ended["pid"]), (&"signal".into(), &11.into(), &pid.into()));
    assert_eq!(ended["last_words"], json!(["one", "no device"]));
    assert!(ended["reason"].as_str().unwrap().starts_with("a ended (SIGSEGV) after "), "{ended}");
    let started = events.next().unwrap();
    assert_eq!((&started["kind"], &started["restarts"]), (&"started".into(), &1.into()));
    assert_eq!(desk.node("a")["last_words"], json!(["one", "no device"]), "also once the next process runs");

    let told = desk.verb(&["events", "t", "--json"]);
    let told = String::from_utf8(told.stdout).unwrap();
    let told: Vec<Value> = told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(told.contains(&ended), "{told:?}");
    let text = String::from_utf8(desk.verb(&["events"]).stdout).unwrap();
    assert!(text.lines().any(|line| line.contains("  a             a ended (SIGSEGV) after ")), "{text}");
    assert_eq!(desk.verb(&["events", "x"]).status.code(), Some(69));
}

#[test]
fn a_node_that_is_given_up_says_why_and_what_it_said_last() {
    let desk = Desk::new();
    desk.graph("t", &[("a", "echo no device; exit 78", ""), ("b", "exec sleep 1000", "")]);
    let _launched = desk.launch(&["t.toml"]);
    let failed = follow(&desk).find(|event| event["kind"] == "failed").unwrap();
    assert_eq!((&failed["cause"], &failed["code"]), (&"exit_code".into(), &78.into()));
    assert_eq!(failed["last_words"], json!(["no device"]));
}

#[test]
fn following_goes_on_until_the_graph_ends() {
    let desk = Desk::new();
    desk.graph("t", &[("a", "echo $$ >> a.pids; exec sleep 1000", "")]);
    let launched = desk.launch(&["t.toml"]);
    let pid = desk.until_pids("a.pids", 1)[0];
    let mut follower = desk.command(&["events", "-f"]).stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines();
    let mut until_line = |what: &str| lines.find(|line| line.as_ref().unwrap().contains(what)).unwrap().unwrap();
    until_line("a is process");
    send(pid, Signal::KILL);
    until_line("a ended (SIGKILL)");
    launched.signal(Signal::TERM);
    until("the follower ends with its graph", || follower.try_wait().unwrap().is_some());
    assert_eq!(follower.wait().unwrap().code(), Some(0));
}

/// A foreign node that hears what launch says.
const LISTENER: (&str, &str, &str) =
    ("b", "exec sleep 1000", "subscribe = { events = \"launch/events\", status = \"launch/status\" }");

#[test]
fn a_listener_of_the_topic_hears_every_one_of_a_hundred_kills() {
    const KILLS: u32 = 100;
    let desk = Desk::new();
    let often = "restart = { delay = \"1ms\", delay_max = \"1ms\", max = 1000 }";
    desk.graph("t", &[("a", "echo ready to die; exec sleep 1000", often), LISTENER]);
    let _launched = desk.launch(&["t.toml"]);
    let mut ear = Ear::new(&desk, "launch/events", "b", "events");
    let mut killed = 0;
    let mut kill = |pid: u32| {
        if std::mem::replace(&mut killed, pid) != pid {
            send(pid.try_into().unwrap(), Signal::KILL);
        }
    };
    // It listens once it heard something.
    until("the ear hears", || {
        desk.verb(&["restart", "b"]);
        ear.hear_within(Duration::from_millis(500)).is_some()
    });
    kill(desk.until_state("a", "running")["pid"].as_u64().unwrap().try_into().unwrap());
    let (mut ends, mut number, mut restarts) = (0, None, 0);
    while ends < KILLS {
        let message = ear.hear();
        let event = message.decode::<Event>().unwrap().body;
        let expected = number.map_or(event.number, |number: u64| number + 1);
        assert_eq!((event.number, ear.from.gaps()), (expected, 0), "one was missed: {event:?}");
        number = Some(event.number);
        assert!(message.header.stamp_ns <= message.header.sent_ns);
        match (event.node.as_str(), event.kind()) {
            ("a", EventKind::Started) => {
                restarts = event.restarts;
                kill(event.pid);
            }
            ("a", EventKind::Ended) => {
                assert_eq!((event.cause(), event.code, event.restarts), (EndCause::Signal, 9, restarts));
                ends += 1;
            }
            _ => {}
        }
    }
    assert_eq!(restarts, KILLS - 1, "each kill was of another process");
}

#[test]
fn the_status_topic_says_how_all_nodes_are() {
    let desk = Desk::new();
    desk.graph("t", &[("a", "echo $$ >> a.pids; exec sleep 1000", ""), LISTENER]);
    let _launched = desk.launch(&["t.toml"]);
    let pid = desk.until_pids("a.pids", 1)[0];
    let mut ear = Ear::new(&desk, "launch/status", "b", "status");
    let state = |status: &GraphStatus, name: &str| status.nodes.iter().find(|node| node.node == name).cloned().unwrap();
    let status = ear.hear().decode::<GraphStatus>().unwrap().body;
    let a = state(&status, "a");
    assert_eq!((status.graph.as_str(), a.state.as_str(), a.pid), ("t", "running", pid.try_into().unwrap()));
    assert!(a.status.is_none(), "a shell script says nothing of itself");
    send(pid, Signal::KILL);
    let again = desk.until_pids("a.pids", 2)[1];
    until("the new process is told", || {
        let a = state(&ear.hear().decode::<GraphStatus>().unwrap(), "a");
        a.pid == u32::try_from(again).unwrap() && a.restarts == 1 && a.last_end == "SIGKILL"
    });
    until("what a node says of itself is told", || {
        let own = state(&ear.hear().decode::<GraphStatus>().unwrap(), "launch");
        let edges = own.status.map(|status| status.edges).unwrap_or_default();
        own.state == "ready" && edges.iter().any(|edge| edge.topic == "launch/events" && edge.messages >= 2)
    });
}

#[test]
fn what_publishes_the_events_is_supervised_and_keeps_no_graph_alive() {
    let desk = Desk::new();
    let listens = "restart = \"never\"\nsubscribe = { events = \"launch/events\" }";
    desk.graph("t", &[("b", "while ! [ -e over ]; do sleep 0.05; done", listens)]);
    let mut launched = desk.launch(&["t.toml"]);
    let first = desk.until_state("t:launch", "ready")["pid"].as_i64().unwrap();
    let mut ear = Ear::new(&desk, "launch/events", "b", "events");
    assert!(ear.hear_within(PATIENCE).is_some());
    send(first.try_into().unwrap(), Signal::KILL);
    until("it is back", || {
        let node = desk.node("t:launch");
        node["state"] == "ready" && node["pid"].as_i64() != Some(first)
    });
    let told = loop {
        let event = ear.hear().decode::<Event>().unwrap().body;
        if event.kind() == EventKind::Ended {
            break event;
        }
    };
    assert_eq!((told.node.as_str(), i64::from(told.pid)), ("launch", first), "it tells even of its own end");
    std::fs::write(desk.path("over"), "").unwrap();
    assert_eq!(launched.end(), Some(0));
}

#[test]
fn a_listener_of_the_log_hears_what_nodes_write_and_a_flood_is_counted() {
    let desk = Desk::new();
    let script = "echo WARN low battery; while ! [ -e flood ]; do sleep 0.02; done; yes ERROR flood | head -n 200000; \
                  touch flooded; while :; do echo after; sleep 0.05; done";
    let listens = "subscribe = { log = { topic = \"launch/log\", keep = 10000 } }";
    desk.graph("t", &[("a", script, ""), ("b", "exec sleep 1000", listens)]);
    let _launched = desk.launch(&["t.toml"]);
    let mut ear = Ear::new(&desk, "launch/log", "b", "log");
    let mut lines = std::iter::from_fn(|| {
        let message = ear.hear();
        let age_ns = message.header.sent_ns - message.header.stamp_ns;
        assert!(age_ns >= 0, "it was said before it was told");
        Some(message.decode::<Log>().unwrap().body)
    });
    let first = lines.next().unwrap();
    assert_eq!((first.name.as_str(), first.level(), first.message.as_str()), ("a", LogLevel::Warning, "low battery"));
    assert!(first.timestamp.unwrap().seconds > 1_600_000_000);

    std::fs::write(desk.path("flood"), "").unwrap();
    let (mut told, mut lost) = (0, 0);
    for line in lines.by_ref() {
        match (line.name.as_str(), line.message.as_str()) {
            ("a", "flood") => told += 1,
            ("a", "after") => break,
            ("launch", text) => lost += text.split(' ').next().unwrap().parse::<u64>().unwrap(),
            _ => panic!("{line:?}"),
        }
    }
    // Of what comes after the flood some may have found no room either.
    assert!(told > 0 && lost > 0 && told + lost >= 200_000, "{told} told, {lost} lost");
    assert_eq!(desk.node("a")["state"], "running");
    assert_eq!(desk.node("a")["restarts"], 0);
}
