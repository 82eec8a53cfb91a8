//! What crosses a link, and how.

use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout};

use crate::{
    machine::{Machine, PATIENCE, pair, pair_by},
    proxy::Proxy,
};

#[tokio::test]
async fn messages_of_any_size_cross_both_ways_unchanged() {
    let (mut robot, mut desktop) = pair().await;
    for size in [0, 1, 64, 4_096, 4_097, 16_384, 100_000, 921_600, 6_220_800] {
        let said = robot.say(0, size);
        let got = desktop.hear().await;
        assert_eq!((got.output, &got.payload), (0, &said.payload), "{size} bytes");
        assert_eq!((got.header.seq, got.header.incarnation), (said.header.seq, 77));
        assert_eq!((&got.header.origin, &got.header.r#type), (&said.header.origin, &said.header.r#type));
        let said = desktop.say(0, size);
        assert_eq!(robot.hear().await.payload, said.payload, "{size} bytes");
    }
}

#[tokio::test]
async fn a_message_of_64_mib_crosses_and_one_byte_more_does_not() {
    let (mut robot, mut desktop) = pair().await;
    let limit = offboard::proto::MESSAGE_MAX;
    robot.say(0, limit + 1);
    assert_eq!(robot.say(0, limit).payload, desktop.hear().await.payload);
}

#[tokio::test]
async fn a_topic_is_listened_to_only_while_a_peer_wants_it() {
    let (robot, desktop) = pair().await;
    robot.wanted(0, 1).await;
    robot.wanted(1, 0).await;
    drop(desktop);
    robot.wanted(0, 0).await;
}

#[tokio::test]
async fn a_topic_with_a_queue_crosses_without_a_gap() {
    let (mut robot, mut desktop) = pair_by(|address| address, 0, 1_000).await;
    for n in 0..1_000 {
        robot.say(0, n * 7 % 5_000);
    }
    for n in 1..=1_000 {
        assert_eq!(desktop.hear().await.header.seq, n);
    }
}

/// Pictures 30 times a second and commands 100 times a second, for as long; what the other sides heard, with the delays.
async fn drive(
    robot: &mut Machine,
    desktop: &mut Machine,
    seconds: u64,
) -> (Vec<(u64, Duration)>, Vec<(u64, Duration)>) {
    let (mut pictures, mut commands) = (Vec::new(), Vec::new());
    let start = Instant::now();
    for tick in 0..seconds * 300 {
        if tick % 10 == 0 {
            robot.say(0, 921_600);
        }
        if tick % 3 == 0 {
            desktop.say(0, 60);
        }
        sleep_until(start + Duration::from_micros(3_333 * tick)).await;
        let now_ns = robot.now_ns();
        let age = |sent_ns: i64| Duration::from_nanos((now_ns - sent_ns).max(0) as u64);
        while let Ok(got) = desktop.heard.try_recv() {
            pictures.push((got.header.seq, age(got.header.sent_ns)));
        }
        while let Ok(got) = robot.heard.try_recv() {
            commands.push((got.header.seq, age(got.header.sent_ns)));
        }
    }
    (pictures, commands)
}

fn percentile(of: &[(u64, Duration)], percent: usize) -> Duration {
    let mut ages: Vec<Duration> = of.iter().map(|(_, age)| *age).collect();
    ages.sort();
    ages[(ages.len() - 1) * percent / 100]
}

#[tokio::test]
async fn on_a_slow_network_the_newest_picture_wins_and_commands_are_not_held_up() {
    // 6 MB/s: a picture takes 150 ms, so four of five must give way.
    let proxy = Proxy::new(6_000).await;
    let (mut robot, mut desktop) = pair_by(|address| proxy.before(address), 0, 1).await;
    let (pictures, commands) = drive(&mut robot, &mut desktop, 4).await;
    assert!(pictures.windows(2).all(|two| two[0].0 < two[1].0), "out of order: {pictures:?}");
    assert!((8..60).contains(&pictures.len()), "{} pictures", pictures.len());
    // One on the wire, one that waited for it less than a period, and what the kernel holds: never a backlog.
    assert!(percentile(&pictures, 100) < Duration::from_millis(900), "{pictures:?}");
    assert!(commands.len() > 390 && commands.windows(2).all(|two| two[0].0 < two[1].0), "{} commands", commands.len());
    assert!(percentile(&commands, 90) < Duration::from_millis(40), "{:?}", percentile(&commands, 90));
}

#[tokio::test]
async fn after_an_outage_it_links_again_and_nothing_old_is_delivered() {
    let proxy = Proxy::new(1_000_000).await;
    let (mut robot, mut desktop) = pair_by(|address| proxy.before(address), 0, 1_000).await;
    robot.say(0, 100_000);
    desktop.hear().await;
    proxy.cut();
    robot.linked(0, false).await;
    desktop.linked(0, false).await;
    for _ in 0..50 {
        robot.say(0, 100_000);
        robot.say(0, 100);
        desktop.say(0, 100);
    }
    proxy.heal();
    desktop.linked(0, true).await;
    robot.wanted(0, 1).await;
    desktop.wanted(0, 1).await;
    let newest = robot.say(0, 50_000);
    assert_eq!(desktop.hear().await.header.seq, newest.header.seq, "the first after the outage is the newest");
    let newest = desktop.say(0, 50);
    assert_eq!(robot.hear().await.header.seq, newest.header.seq);
}

#[tokio::test]
async fn a_network_that_goes_silent_is_noticed_within_a_second() {
    let proxy = Proxy::new(1_000_000).await;
    let (robot, desktop) = pair_by(|address| proxy.before(address), 0, 1).await;
    let start = Instant::now();
    proxy.cut();
    robot.linked(0, false).await;
    desktop.linked(0, false).await;
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
}

#[tokio::test]
async fn what_grew_old_on_this_machine_is_not_sent() {
    let (mut robot, mut desktop) = pair_by(|address| address, 0, 10).await;
    let mut old = robot.say(0, 10);
    desktop.hear().await;
    old.header.sent_ns -= 1_100_000_000;
    old.header.seq = 100;
    robot.repeat(0, &old);
    old.header.sent_ns += 200_000_000;
    old.header.seq = 101;
    robot.repeat(0, &old);
    assert_eq!(desktop.hear().await.header.seq, 101);
}

#[tokio::test]
async fn a_restarted_peer_is_linked_again() {
    let (mut robot, desktop) = pair().await;
    let address = robot.address.unwrap();
    let (key, robot_key) = (desktop.link.identity.pem(), robot.link.identity.public());
    drop(desktop);
    robot.wanted(0, 0).await;
    let mut again = Machine::start(crate::machine::Plan {
        name: "desktop",
        identity: Some(offboard_link::key::Identity::from_pem(&key).unwrap()),
        peers: vec![("robot", Some(address), Some(robot_key))],
        hears: vec![("robot:camera/frames", 1)],
        ..Default::default()
    })
    .await;
    robot.wanted(0, 1).await;
    let said = robot.say(0, 10);
    assert_eq!(again.hear().await.payload, said.payload);
}

#[tokio::test]
async fn an_unknown_topic_does_not_keep_the_others_from_crossing() {
    let (robot, desktop) = pair().await;
    let (identity, robot_key) = (desktop.link.identity.pem(), robot.link.identity.public());
    let mut robot = robot;
    drop(desktop);
    let mut desktop = Machine::start(crate::machine::Plan {
        name: "desktop",
        identity: Some(offboard_link::key::Identity::from_pem(&identity).unwrap()),
        peers: vec![("robot", robot.address, Some(robot_key))],
        hears: vec![("robot:camera/frame", 1), ("robot:camera/log", 1)],
        ..Default::default()
    })
    .await;
    robot.wanted(1, 1).await;
    let said = robot.say(1, 10);
    let got = desktop.hear().await;
    assert_eq!((got.output, got.payload), (1, said.payload));
}

#[tokio::test]
async fn two_that_dial_each_other_end_up_with_one_session() {
    let keys = [(); 2].map(|()| offboard_link::key::Identity::generate().unwrap());
    let [a, b] = keys;
    let (a_key, b_key) = (a.public(), b.public());
    let port = |n| std::net::SocketAddr::from(([127, 0, 0, n], 47_411));
    let plan = |name, identity, own, other_name, other, other_key| crate::machine::Plan {
        name,
        identity: Some(identity),
        listen: Some(std::net::SocketAddr::to_string(&own)),
        peers: vec![(other_name, Some(other), Some(other_key))],
        offers: vec!["x/y"],
        hears: vec![(if name == "a" { "b:x/y" } else { "a:x/y" }, 1_000)],
        skew_ns: 0,
    };
    let mut a = Machine::start(plan("a", a, port(41), "b", port(42), b_key)).await;
    let mut b = Machine::start(plan("b", b, port(42), "a", port(41), a_key)).await;
    a.wanted(0, 1).await;
    b.wanted(0, 1).await;
    // While they settle which of two sessions stays, a message may be lost; from then on none is, and none comes twice.
    let settled = async {
        let mut exact = 0;
        while exact < 100 {
            let (said_a, said_b) = (a.say(0, 10), b.say(0, 10));
            let moment = Duration::from_millis(300);
            let heard = (timeout(moment, b.heard.recv()).await, timeout(moment, a.heard.recv()).await);
            let both = matches!(heard, (Ok(Some(b)), Ok(Some(a)))
                if b.header.seq == said_a.header.seq && a.header.seq == said_b.header.seq);
            exact = if both { exact + 1 } else { 0 };
        }
    };
    timeout(PATIENCE, settled).await.unwrap();
    assert!(a.heard.try_recv().is_err() && b.heard.try_recv().is_err(), "nothing came twice");
}
