//! A node that dies comes back alone, and its neighbours never notice.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use offboard_tests::{Bed, EAR, Ear, signal, until};
use rustix::process::Signal;

const ZOO: &str = r#"
[graph]
name = "zoo"

[node.a]                        # a source without inputs
run    = "dummy"
params = { rate = 100, size = 1000 }

[node.b]
run    = "dummy"
params = { rate = 50, size = 100000 }

[node.x]
run       = "dummy"
subscribe = { a = { topic = "a/array", keep = 1000 }, b = { topic = "b/array", keep = 1000 } }
params    = { rate = 0 }

[node.y]                        # in the middle: it listens and speaks
run       = "dummy"
subscribe = { a = { topic = "a/array", keep = 1000 } }
params    = { rate = 20 }

[node.ear]
EAR
subscribe = { a = { topic = "a/array", keep = 1000 }, b = { topic = "b/array", keep = 1000 }, y = { topic = "y/array", keep = 1000 } }
"#;

/// What `launch ps` knows of gaps at the inputs of all nodes, and of messages.
fn gaps_and_messages(bed: &Bed) -> (u64, u64) {
    let rows = bed.ps();
    let edges = rows.iter().filter_map(|row| row["edges"].as_array()).flatten();
    let inputs = edges.filter(|edge| edge["publishes"] == false);
    inputs.fold((0, 0), |(gaps, messages), edge| {
        (gaps + edge["gaps"].as_u64().unwrap(), messages + edge["messages"].as_u64().unwrap())
    })
}

/// Listens until a message was sent after `since_ns`, so that all before it are looked at.
fn catch_up(ear: &mut Ear, since_ns: i64) {
    while ear.hear().header.sent_ns <= since_ns {}
}

#[test]
fn each_node_killed_in_turn_is_replaced_and_nobody_else_misses_a_message() {
    let bed = Bed::new();
    let launch = bed.launch(&[bed.file("zoo.toml", &ZOO.replace("EAR", EAR))]);
    launch.all_ready(5);
    let mut ears = ["a", "b", "y"].map(|node| (node, bed.ear("zoo", &format!("{node}/array"), "ear", node)));
    for (_, ear) in &mut ears {
        ear.hear();
    }
    for victim in ["a", "b", "x", "y"] {
        let old = bed.pid("zoo", victim);
        let before = ears.each_mut().map(|(_, ear)| ear.hear().header);
        let killed = Instant::now();
        signal(old, Signal::KILL);
        let new = until("it is replaced", || Some(bed.pid("zoo", victim)).filter(|pid| *pid != old));
        assert_ne!(new, old);
        for ((node, ear), before) in ears.iter_mut().zip(before) {
            // Everybody is heard again; only the victim under a new incarnation.
            let after = until("it speaks", || {
                let header = ear.hear().header;
                (*node != victim || header.incarnation != before.incarnation).then_some(header)
            });
            assert_eq!(after.incarnation == before.incarnation, *node != victim, "{node} after {victim} was killed");
            catch_up(ear, after.sent_ns + 100_000_000);
            assert_eq!(ear.gaps(), 0, "{node} after {victim} was killed");
        }
        println!("{victim}: replaced, all heard again within {:?}", killed.elapsed());
        let (_, messages) = gaps_and_messages(&bed);
        until("the listeners go on", || (gaps_and_messages(&bed).1 > messages).then_some(()));
        assert_eq!(gaps_and_messages(&bed).0, 0, "after {victim} was killed");
    }
    let restarts: u64 = bed.ps().iter().map(|row| row["restarts"].as_u64().unwrap()).sum();
    assert_eq!(restarts, 4, "each exactly once");
}

#[test]
fn a_node_that_dies_again_and_again_is_slowed_and_given_up_with_its_last_words() {
    let bed = Bed::new();
    let graph = r#"
[graph]
name = "zoo"
[node.bad]
run    = ["sh", "-c", "echo the disk is on fire; exit 3"]
[node.good]
run    = "dummy"
params = { rate = 100 }
[node.ear]
EAR
subscribe = { good = { topic = "good/array", keep = 1000 } }
"#;
    let launch = bed.launch(&[bed.file("zoo.toml", &graph.replace("EAR", EAR))]);
    let started = Instant::now();
    let mut ear = bed.ear("zoo", "good/array", "ear", "good");
    ear.hear();
    let row = until("it is given up", || bed.node("zoo", "bad").filter(|row| row["state"] == "failed"));
    println!("given up after {:?}: {}", started.elapsed(), row["why"]);
    launch.says("the disk is on fire");
    assert!(row["restarts"].as_u64().unwrap() <= 5, "{row}");
    assert!(launch.log().lines().count() < 60, "few words:\n{}", launch.log());
    let now = ear.hear().header.sent_ns;
    catch_up(&mut ear, now);
    assert_eq!(ear.gaps(), 0, "its neighbour never noticed");
}

#[test]
fn a_listener_that_was_stopped_for_a_minute_costs_nobody_anything_and_gets_the_newest_first() {
    const STOPPED: Duration = Duration::from_secs(60);
    let bed = Bed::new();
    let graph = r#"
[graph]
name = "zoo"
[node.source]
run    = "dummy"
params = { rate = 30, size = 900000 }
[node.slow]                     # stopped by the test, so its hanging must not be mended by launch
run       = "dummy"
watchdog  = "off"
subscribe = { in = "source/array" }
params    = { rate = 0, read = "latest", echo = "in" }
[node.ear]
EAR
subscribe = { source = { topic = "source/array", keep = 30 }, slow = { topic = "slow/echo", keep = 30 } }
"#;
    let launch = bed.launch(&[bed.file("zoo.toml", &graph.replace("EAR", EAR))]);
    launch.all_ready(3);
    let mut quick = bed.ear("zoo", "source/array", "ear", "source");
    let mut echo = bed.ear("zoo", "slow/echo", "ear", "slow");
    quick.hear();
    echo.hear();
    let (source, slow) = (bed.pid("zoo", "source"), bed.pid("zoo", "slow"));
    let before_kib = resident_after_a_while(&mut quick, source);

    signal(slow, Signal::STOP);
    let stopped_ns = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos()).unwrap();
    while echo.hear_within(Duration::from_millis(500)).is_some() {}
    let stopped = Instant::now();
    let mut newest = quick.hear();
    while stopped.elapsed() < STOPPED {
        newest = quick.hear();
    }
    assert_eq!(quick.gaps(), 0, "the other listener misses nothing");
    let grown_kib = offboard_tests::resident_kib(source).saturating_sub(before_kib);
    println!("the publisher grew by {grown_kib} KiB in {:?}", stopped.elapsed());
    assert!(grown_kib < 32 << 10, "the publisher grew by {grown_kib} KiB");

    signal(slow, Signal::CONT);
    let mut again =
        || until("it echoes again", || Some(echo.hear()).filter(|echo| echo.header.sent_ns > newest.header.sent_ns));
    let mut first = again();
    if first.header.stamp_ns < stopped_ns {
        // The one frame that it had in its hands when it was stopped is finished first.
        println!("it was stopped with a frame in its hands");
        first = again();
    }
    let age_ms = (first.header.sent_ns - first.header.stamp_ns) / 1_000_000;
    println!("first frame after it went on: {age_ms} ms old");
    assert!(first.header.stamp_ns >= newest.header.stamp_ns, "older than what was the newest when it went on");
    assert!(age_ms < 200, "{age_ms} ms old");
}

fn resident_after_a_while(ear: &mut Ear, pid: u32) -> u64 {
    for _ in 0..60 {
        ear.hear();
    }
    offboard_tests::resident_kib(pid)
}
