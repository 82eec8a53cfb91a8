//! Edges between real nodes over real sockets: each guard around the carrier holds.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::{collections::BTreeMap, path::Path, time::Duration};

use offboard::{
    Array, Drive, Error, Evidence, Gamepad, Header, Name, Node, NodeStatus, RawSubscriber, clock,
    graph::{Graph, Input, Keep, Limits, LogSpec, NodeSpec, Output, Restart, Watchdog},
    wiring::{self, NodeWiring, RunDir},
};
use prost::Message as _;
use tokio::time::{Instant, sleep, timeout, timeout_at};

/// No wait in these tests is longer.
const LIMIT: Duration = Duration::from_secs(20);

type Inputs<'a> = &'a [(&'a str, &'a str, String, Keep)];

fn spec(name: &str, outputs: &[(&str, String)], inputs: Inputs<'_>) -> NodeSpec {
    let outputs = outputs.iter().map(|(name, kind)| Output { name: name.parse().unwrap(), kind: kind.clone() });
    let inputs = inputs.iter().map(|(name, topic, kind, keep)| Input {
        name: name.parse().unwrap(),
        topic: topic.parse().unwrap(),
        kind: kind.clone(),
        keep: *keep,
        timeout: None,
        budget: None,
    });
    NodeSpec {
        name: name.parse().unwrap(),
        run: vec![name.to_owned()],
        outputs: outputs.collect(),
        inputs: inputs.collect(),
        params: serde_json::Map::new(),
        env: BTreeMap::new(),
        after: Vec::new(),
        required: false,
        restart: Restart::default(),
        ready: LIMIT,
        watchdog: Watchdog::Default,
        stop: LIMIT,
        limits: Limits::default(),
        log: LogSpec::default(),
    }
}

/// One talker, and listeners that keep as said: their wirings in this order.
fn wire(dir: &Path, kind: &str, keeps: &[Keep]) -> Vec<NodeWiring> {
    let mut nodes = vec![spec("talker", &[("out", kind.to_owned())], &[])];
    for (index, keep) in keeps.iter().enumerate() {
        nodes.push(spec(&format!("listener{index}"), &[], &[("in", "talker/out", kind.to_owned(), *keep)]));
    }
    let graph = Graph { name: "test".parse().unwrap(), listen: None, nodes, peers: Vec::new(), dir: dir.to_owned() };
    let mut wirings = wiring::wire(&graph, &RunDir::at(dir.to_owned()), 0);
    wirings.retain(|wiring| wiring.name != wiring::LAUNCH);
    wirings.iter_mut().for_each(|wiring| wiring.status = None);
    wirings
}

fn drive(forward: f32) -> Drive {
    Drive { forward, ..Drive::default() }
}

/// Waits for a fact, with a limit.
async fn until(what: &str, mut fact: impl AsyncFnMut() -> bool) {
    let limit = Instant::now() + LIMIT;
    while !fact().await {
        assert!(Instant::now() < limit, "{what}: not within {LIMIT:?}");
        sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn a_message_arrives_with_the_stamp_of_its_cause() {
    let dir = tempfile::tempdir().unwrap();
    let [talker, listener] = &wire(dir.path(), &Drive::full_name(), &[Keep::Latest])[..] else { panic!() };
    let (talker, listener) = (Node::start(talker.clone()).unwrap(), Node::start(listener.clone()).unwrap());
    let mut out = talker.publish::<Drive>("out").await.unwrap();
    let mut heard = listener.subscribe::<Drive>("in").await.unwrap();
    until("somebody listens", async || {
        let _ = heard.try_latest();
        out.wanted()
    })
    .await;

    out.send_at(42, drive(0.5)).await.unwrap();
    let message = timeout(LIMIT, heard.latest()).await.unwrap().unwrap().unwrap();
    assert_eq!(message.forward, 0.5);
    assert_eq!((message.header.seq, message.header.stamp_ns), (1, 42));
    assert_eq!(message.header.origin, "test:talker/out");

    out.send_from(&message, drive(0.0)).await.unwrap();
    let answer = timeout(LIMIT, heard.next()).await.unwrap().unwrap().unwrap();
    assert_eq!(answer.header.stamp_ns, 42);
    assert!(answer.sent_age() < LIMIT);
}

#[tokio::test]
async fn a_socket_file_left_behind_does_not_stop_a_publisher_and_its_listener_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let [talker, listener] = &wire(dir.path(), &Drive::full_name(), &[Keep::Latest])[..] else { panic!() };
    let path = talker.outputs[0].endpoints[0].address.strip_prefix("ipc://").unwrap().to_owned();
    let listener = Node::start(listener.clone()).unwrap();
    let mut heard = listener.subscribe::<Drive>("in").await.unwrap();
    for round in 1..=3 {
        // Dropping a listener leaves its socket file, as kill -9 does.
        drop(std::os::unix::net::UnixListener::bind(&path));
        // A runtime of its own: when it ends all its connections do, as when a process ends.
        let wiring = talker.clone();
        let speaking = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut out = Node::start(wiring).unwrap().publish::<Drive>("out").await.unwrap();
                until("the listener is back", async || out.wanted()).await;
                out.send(drive(round as f32)).await.unwrap();
            });
        });
        let message = timeout(LIMIT, heard.next()).await.unwrap().unwrap().unwrap();
        assert_eq!(message.forward, round as f32);
        speaking.join().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_that_does_not_read_delays_nobody_and_later_gets_the_newest_first() {
    const FRAMES: u64 = 200;
    let dir = tempfile::tempdir().unwrap();
    let wirings = wire(dir.path(), &Array::full_name(), &[Keep::Latest, Keep::Last(300)]);
    let nodes: Vec<Node> = wirings.into_iter().map(|wiring| Node::start(wiring).unwrap()).collect();
    let mut out = nodes[0].publish::<Array>("out").await.unwrap();
    let mut asleep = nodes[1].subscribe::<Array>("in").await.unwrap();
    let mut awake = nodes[2].subscribe::<Array>("in").await.unwrap();
    let frame = Array::new([900_000], &vec![7u8; 900_000]).unwrap();

    // Both listen before the first frame that counts: a message through each proves it.
    let (mut warm, mut both) = (0, [false; 2]);
    until("both listen", async || {
        out.send(frame.clone()).await.unwrap();
        warm += 1;
        both[0] |= matches!(asleep.try_latest(), Ok(Some(_)));
        both[1] |= matches!(awake.try_latest(), Ok(Some(_)));
        both == [true; 2]
    })
    .await;

    let reader = tokio::spawn(async move {
        let mut last = 0;
        while last < warm + FRAMES {
            last = timeout(LIMIT, awake.next()).await.unwrap().unwrap().unwrap().header.seq;
        }
        awake.gaps()
    });
    for _ in 0..FRAMES {
        out.send(frame.clone()).await.unwrap();
        sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(reader.await.unwrap(), 0, "the listener that reads misses nothing");
    let first = timeout(LIMIT, asleep.latest()).await.unwrap().unwrap().unwrap();
    assert_eq!(first.header.seq, warm + FRAMES, "the newest first");
}

#[tokio::test]
async fn what_was_sent_arrives_although_its_publisher_ends_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let [talker, listener] = &wire(dir.path(), &Drive::full_name(), &[Keep::Last(10)])[..] else { panic!() };
    let (wiring, listener) = (talker.clone(), Node::start(listener.clone()).unwrap());
    let mut heard = listener.subscribe_raw("in").await.unwrap();
    // A runtime of its own: nothing goes on when it ends.
    let speaking = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut out = Node::start(wiring).unwrap().publish_raw("out").await.unwrap();
            assert_eq!(out.listeners(), 0);
            until("the listener is there", async || out.listeners() == 1).await;
            for seq in 1..=10 {
                let header = Header { seq, r#type: Drive::full_name(), ..Header::default() };
                out.forward(&header, vec![0; 1 << 20].into()).await.unwrap();
            }
            timeout(LIMIT, out.close()).await.unwrap();
        });
    });
    for seq in 1..=10 {
        let message = timeout(LIMIT, heard.next()).await.unwrap().unwrap().unwrap();
        assert_eq!((message.header.seq, message.payload.len()), (seq, 1 << 20));
    }
    tokio::task::spawn_blocking(|| speaking.join().unwrap()).await.unwrap();
}

#[tokio::test]
async fn messages_that_are_all_old_still_arrive_however_fast_they_come() {
    let dir = tempfile::tempdir().unwrap();
    let [talker, listener] = &wire(dir.path(), &Drive::full_name(), &[Keep::Latest])[..] else { panic!() };
    let (talker, listener) = (Node::start(talker.clone()).unwrap(), Node::start(listener.clone()).unwrap());
    let mut out = talker.publish_raw("out").await.unwrap();
    let mut heard = listener.subscribe_raw("in").await.unwrap();
    let speaking = tokio::spawn(async move {
        loop {
            // As from a machine that is far away.
            let sent_ns = clock::now_ns() - 200_000_000;
            let header = Header { sent_ns, r#type: Drive::full_name(), ..Header::default() };
            out.forward(&header, Vec::new().into()).await.unwrap();
            sleep(Duration::from_millis(2)).await;
        }
    });
    for _ in 0..100 {
        assert!(timeout(LIMIT, heard.latest()).await.unwrap().unwrap().is_some());
    }
    speaking.abort();
}

#[tokio::test]
async fn junk_does_not_hide_silence() {
    let dir = tempfile::tempdir().unwrap();
    let [talker, listener] = &wire(dir.path(), &Drive::full_name(), &[Keep::Latest])[..] else { panic!() };
    let mut listener = listener.clone();
    listener.inputs[0].timeout = Some(Duration::from_millis(100));
    let (talker, listener) = (Node::start(talker.clone()).unwrap(), Node::start(listener).unwrap());
    let mut out = talker.publish_raw("out").await.unwrap();
    let mut heard = listener.subscribe_raw("in").await.unwrap();
    let speaking = tokio::spawn(async move {
        loop {
            out.forward(&Header::default(), Vec::new().into()).await.unwrap();
            sleep(Duration::from_millis(2)).await;
        }
    });
    let error = timeout(LIMIT, heard.next()).await.unwrap().unwrap_err();
    assert_eq!(error.to_string(), "nothing came on input in for 100ms");
    speaking.abort();
}

/// Messages that a tap shows within a moment.
async fn shown(tap: &mut RawSubscriber) -> usize {
    let end = Instant::now() + Duration::from_millis(300);
    let mut count = 0;
    while let Ok(Ok(Some(_))) = timeout_at(end, tap.next()).await {
        count += 1;
    }
    count
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_looks_at_a_tap_keeps_nobody_else_from_looking() {
    let dir = tempfile::tempdir().unwrap();
    let talker = wire(dir.path(), &Array::full_name(), &[]).remove(0);
    let tap = talker.outputs[0].endpoints[0].address.clone();
    let mut out = Node::start(talker).unwrap().publish::<Array>("out").await.unwrap();
    let frame = Array::new([900_000], &vec![7u8; 900_000]).unwrap();
    let speaking = tokio::spawn(async move {
        loop {
            out.send(frame.clone()).await.unwrap();
            sleep(Duration::from_millis(5)).await;
        }
    });
    let look = || RawSubscriber::connect(&tap, "talker/out");
    let (mut one, mut two) = (look(), look());
    until("both look", async || matches!(tokio::join!(shown(&mut one), shown(&mut two)), (1.., 1..))).await;

    drop(two);
    assert!(shown(&mut one).await > 10, "another one left");
    assert!(shown(&mut one).await > 10, "it was heard that another one left");

    // None of these reads on, as when a terminal is stopped.
    let mut stuck: Vec<RawSubscriber> = (0..4).map(|_| look()).collect();
    for tap in &mut stuck {
        timeout(LIMIT, tap.next()).await.unwrap().unwrap();
    }
    until("others are shown all that comes", async || shown(&mut one).await > 10).await;
    let files = std::fs::read_dir("/proc/self/fd").unwrap().count();
    assert!(files < 100, "{files} files are open");
    speaking.abort();
}

#[tokio::test]
async fn another_type_than_the_wiring_says_is_refused_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let [talker, listener] = &wire(dir.path(), &Drive::full_name(), &[Keep::Latest])[..] else { panic!() };
    let listener = Node::start(listener.clone()).unwrap();
    let error = listener.subscribe::<Gamepad>("in").await.unwrap_err();
    assert_eq!(error.to_string(), "input in reads offboard.v1.Gamepad but talker/out carries offboard.v1.Drive");
    let talker = Node::start(talker.clone()).unwrap();
    let error = talker.publish::<Drive>("uot").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the graph gives node talker no output \"uot\" (there is: out); add it to publish in [node.talker]"
    );
}

#[tokio::test]
async fn a_wildcard_endpoint_is_refused_instead_of_a_panic() {
    let dir = tempfile::tempdir().unwrap();
    let mut talker = wire(dir.path(), &Drive::full_name(), &[Keep::Latest]).remove(0);
    talker.outputs[0].endpoints[0].address = "ipc://*".to_owned();
    let error = Node::start(talker).unwrap().publish::<Drive>("out").await.unwrap_err();
    assert!(matches!(error, Error::Config(_)), "{error}");
}

#[tokio::test]
async fn silence_is_an_error_only_where_a_timeout_is_set() {
    let dir = tempfile::tempdir().unwrap();
    let mut listener = wire(dir.path(), &Drive::full_name(), &[Keep::Latest]).remove(1);
    listener.inputs[0].timeout = Some(Duration::from_millis(30));
    let mut heard = Node::start(listener).unwrap().subscribe::<Drive>("in").await.unwrap();
    for _ in 0..2 {
        let error = timeout(LIMIT, heard.latest()).await.unwrap().unwrap_err();
        assert_eq!(error.to_string(), "nothing came on input in for 30ms");
    }
}

#[tokio::test]
async fn a_cancelled_wait_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let [talker, listener] = &wire(dir.path(), &Drive::full_name(), &[Keep::Last(100)])[..] else { panic!() };
    let (talker, listener) = (Node::start(talker.clone()).unwrap(), Node::start(listener.clone()).unwrap());
    let mut out = talker.publish::<Drive>("out").await.unwrap();
    let mut heard = listener.subscribe::<Drive>("in").await.unwrap();
    until("somebody listens", async || {
        let _ = heard.try_latest();
        out.wanted()
    })
    .await;
    let mut seqs = Vec::new();
    for _ in 0..50 {
        let cut = timeout(Duration::from_micros(100), heard.next()).await;
        seqs.extend(cut.ok().map(|message| message.unwrap().unwrap().header.seq));
        out.send(drive(0.0)).await.unwrap();
    }
    while seqs.len() < 50 {
        seqs.push(timeout(LIMIT, heard.next()).await.unwrap().unwrap().unwrap().header.seq);
    }
    assert_eq!(seqs, (1..=50).collect::<Vec<u64>>());
}

#[tokio::test]
async fn what_was_sent_before_closing_arrives_though_its_node_ends_at_once() {
    const FRAMES: u64 = 20;
    let dir = tempfile::tempdir().unwrap();
    let [talker, listener] = &wire(dir.path(), &Array::full_name(), &[Keep::Last(100)])[..] else { panic!() };
    let mut heard = Node::start(listener.clone()).unwrap().subscribe::<Array>("in").await.unwrap();
    let talker = talker.clone();
    let speaking = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut out = Node::start(talker).unwrap().publish::<Array>("out").await.unwrap();
            until("somebody listens", async || out.wanted()).await;
            for _ in 0..FRAMES {
                out.send(Array::new([900_000], &vec![7u8; 900_000]).unwrap()).await.unwrap();
            }
            out.close().await;
        });
    });
    let mut last = 0;
    while last < FRAMES {
        last = timeout(LIMIT, heard.next()).await.expect("the last ones came").unwrap().unwrap().header.seq;
    }
    assert_eq!(heard.gaps(), 0);
    speaking.join().unwrap();
}

#[tokio::test]
async fn closing_waits_for_nobody_who_does_not_read() {
    let dir = tempfile::tempdir().unwrap();
    let [talker, listener] = &wire(dir.path(), &Array::full_name(), &[Keep::Last(100)])[..] else { panic!() };
    let mut out = Node::start(talker.clone()).unwrap().publish::<Array>("out").await.unwrap();
    let mut asleep = Node::start(listener.clone()).unwrap().subscribe::<Array>("in").await.unwrap();
    until("somebody listens", async || {
        let _ = asleep.try_latest();
        out.wanted()
    })
    .await;
    for _ in 0..20 {
        out.send(Array::new([900_000], &vec![7u8; 900_000]).unwrap()).await.unwrap();
    }
    timeout(LIMIT, out.close()).await.expect("it ends");
}

#[tokio::test]
async fn a_heartbeat_comes_from_the_waiting_work_loop_only() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("status");
    let launch = tokio::net::UnixDatagram::bind(&path).unwrap();
    let mut wiring = wire(dir.path(), &Drive::full_name(), &[Keep::Latest]).remove(1);
    wiring.status = Some(format!("unix:{}", path.display()));
    let node = Node::start(wiring).unwrap();
    let mut heard = node.subscribe::<Drive>("in").await.unwrap();
    let mut datagram = [0; 4096];

    // The runtime lives, but nobody waits for input: no heartbeat.
    assert!(timeout(Duration::from_millis(600), launch.recv(&mut datagram)).await.is_err());

    let waiting = tokio::spawn(async move { heard.latest().await });
    for _ in 0..3 {
        let length = timeout(LIMIT, launch.recv(&mut datagram)).await.unwrap().unwrap();
        assert!(datagram[..length].starts_with(b"listener0 "));
    }
    waiting.abort();
}

/// A node that hears itself, and where its heartbeats go.
fn hears_itself(dir: &Path) -> (Node, tokio::net::UnixDatagram) {
    let path = dir.join("status");
    let launch = tokio::net::UnixDatagram::bind(&path).unwrap();
    let [talker, listener] = &wire(dir, &Drive::full_name(), &[Keep::Last(10)])[..] else { panic!() };
    let (inputs, status) = (listener.inputs.clone(), Some(format!("unix:{}", path.display())));
    (Node::start(NodeWiring { inputs, status, ..talker.clone() }).unwrap(), launch)
}

async fn heartbeat(launch: &tokio::net::UnixDatagram) -> NodeStatus {
    let mut datagram = vec![0; 64 << 10];
    let length = timeout(LIMIT, launch.recv(&mut datagram)).await.unwrap().unwrap();
    let line = datagram.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    NodeStatus::decode(&datagram[line..length]).unwrap()
}

#[tokio::test]
async fn a_heartbeat_tells_how_old_messages_were_and_how_long_their_last_hop_took() {
    const MS: u64 = 1_000_000;
    let dir = tempfile::tempdir().unwrap();
    let (node, launch) = hears_itself(dir.path());
    let mut out = node.publish::<Drive>("out").await.unwrap();
    let mut heard = node.subscribe::<Drive>("in").await.unwrap();
    until("somebody listens", async || {
        let _ = heard.try_latest();
        out.wanted()
    })
    .await;

    // Sensed a hundred seconds ago; then half a second of work.
    out.send_at(clock::now_ns() - 100_000_000_000, drive(0.5)).await.unwrap();
    let message = timeout(LIMIT, heard.next()).await.unwrap().unwrap().unwrap();
    let arrived = message.received_ns;
    assert!(arrived >= message.header.sent_ns && arrived <= clock::now_ns());
    sleep(Duration::from_millis(500)).await;
    out.send_from(&message, drive(0.5)).await.unwrap();
    let answer = timeout(LIMIT, heard.next()).await.unwrap().unwrap().unwrap();
    let worked = u64::try_from(answer.header.sent_ns - arrived).unwrap();
    let ages = [&message, &answer].map(|message| u64::try_from(message.received_ns - message.header.stamp_ns).unwrap());
    let hops = [&message, &answer].map(|message| u64::try_from(message.received_ns - message.header.sent_ns).unwrap());

    let waiting = tokio::spawn(async move { heard.next().await });
    let edges = loop {
        let edges = heartbeat(&launch).await.edges;
        if edges.iter().all(|edge| edge.messages == 2) {
            break edges;
        }
    };
    waiting.abort();
    let [spoken, listened] = &edges[..] else { panic!("{edges:?}") };
    assert!(spoken.publishes && !listened.publishes);
    assert_eq!([&spoken.origin, &listened.origin], ["test:talker/out"; 2]);
    assert_eq!([listened.age_p50_ns, listened.age_p99_ns], ages);
    assert_eq!([listened.hop_p50_ns, listened.hop_p99_ns], [hops[0].min(hops[1]), hops[0].max(hops[1])]);
    // Without a cause the hop is all of the age; with one it is the work.
    assert_eq!([spoken.hop_p50_ns, spoken.hop_p99_ns], [worked, spoken.age_p50_ns]);
    assert!(worked >= 500 * MS && spoken.age_p50_ns >= 100_000 * MS && spoken.age_p99_ns >= 100_500 * MS, "{spoken:?}");
}

#[tokio::test]
async fn a_heartbeat_carries_the_gauges_that_are_known() {
    let dir = tempfile::tempdir().unwrap();
    let (node, launch) = hears_itself(dir.path());
    node.gauge("battery", 11.8, "V");
    node.gauge("battery", 11.7, "V");
    node.gauge("rtt", 3.0, "ms");
    node.gauge("rtt", None, "ms");
    node.gauge("unknown", f64::NAN, "");
    node.gauge(&"long".repeat(50), 1.0, "");
    let told = async |node: &Node| {
        let mut rate = node.every(LIMIT);
        timeout(LIMIT, rate.tick()).await.unwrap().unwrap();
        heartbeat(&launch).await.gauges
    };
    let gauges = told(&node).await;
    let [battery] = &gauges[..] else { panic!("{gauges:?}") };
    assert_eq!((battery.name.as_str(), battery.value, battery.unit.as_str()), ("battery", 11.7, "V"));

    (0..1000).for_each(|number| node.gauge(&format!("g{number}"), 1.0, ""));
    sleep(Duration::from_millis(400)).await;
    assert_eq!(told(&node).await.len(), 128, "a heartbeat stays small");
}

#[tokio::test]
async fn edges_may_be_used_from_spawned_work() {
    fn may_be_spawned<T: Send + 'static>(_: impl FnOnce(Node) -> T) {}
    may_be_spawned(|node| async move {
        let mut out = node.publish::<Drive>("out").await?;
        let mut heard = node.subscribe::<Drive>("in").await?;
        while let Some(message) = heard.latest().await? {
            out.send_from(&message, Drive::default()).await?;
            out.send(Drive::default()).await?;
        }
        node.every(LIMIT).tick().await;
        offboard::Result::<()>::Ok(())
    });
}
