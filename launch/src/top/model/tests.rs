//! Stories about figures made of two samples.

use super::*;
use crate::{
    top::samples::{listened, node, topic},
    usage::Usage,
};

fn sample(at_ms: u64, nodes: Vec<NodeView>, topics: Vec<TopicView>) -> Sample {
    Sample { at: Duration::from_millis(at_ms), nodes, topics, ..Sample::default() }
}

fn frames() -> TopicView {
    listened(topic("robot", "camera/frames", "offboard.v1.CompressedImage"), "viewer", "frames", None)
}

/// A camera that said so many messages of 1 kB, and a viewer that heard so many of them.
fn pair(at_ms: u64, said: u64, heard: u64) -> Sample {
    let camera = node("robot", "camera").says("camera/frames", said, said * 1000).view();
    let viewer = node("robot", "viewer")
        .hears("frames", "camera/frames", heard, heard * 1000)
        .from("robot:camera/frames", 5, 2)
        .but(|edge| edge.gaps = said - heard)
        .view();
    sample(at_ms, vec![camera, viewer], vec![frames()])
}

#[test]
fn a_topic_s_rate_and_size_come_from_its_publisher_and_its_age_from_its_listener() {
    let report = report(Some(&pair(0, 100, 100)), &pair(2000, 160, 150));
    let row = &report.topics[0];
    assert_eq!((row.measured_at, row.rate_hz), (Some(Measured::Publisher), Some(30.0)));
    assert_eq!((row.size_bytes, row.bandwidth_bytes_per_s), (Some(1000.0), Some(30_000.0)));
    assert_eq!((row.age_p50_ms, row.age_p99_ms, row.losses.gaps), (Some(5.0), Some(10.0), 10));
    assert_eq!((row.listeners[0].rate_hz, row.listeners[0].losses.unwrap().gaps), (Some(25.0), 10));
}

#[test]
fn a_foreign_publisher_s_rate_is_what_its_listener_heard_and_missed() {
    let seen = |at, said, heard| {
        let mut sample = pair(at, said, heard);
        sample.nodes[0] = node("robot", "camera").foreign().view();
        sample
    };
    let report = report(Some(&seen(0, 0, 0)), &seen(1000, 40, 30));
    assert_eq!((report.topics[0].measured_at, report.topics[0].rate_hz), (Some(Measured::Listener), Some(40.0)));
    assert_eq!(report.topics[0].size_bytes, Some(1000.0));
}

#[test]
fn a_topic_that_only_a_tap_hears_has_figures_too_and_one_that_nobody_hears_has_none() {
    let heard = |at, messages| {
        let edge = node("", "").hears("", "arm/state", messages, messages * 10).view().edges.remove(0);
        let mut sample = sample(
            at,
            vec![node("robot", "arm").foreign().view()],
            vec![topic("robot", "arm/state", "x.State"), topic("robot", "arm/other", "x.State")],
        );
        sample.taps.insert("robot-arm/state".into(), edge);
        sample
    };
    let report = report(Some(&heard(0, 0)), &heard(500, 50));
    assert_eq!((report.topics[0].measured_at, report.topics[0].rate_hz), (Some(Measured::Tap), Some(100.0)));
    assert_eq!((report.topics[1].measured_at, report.topics[1].rate_hz), (None, None));
}

#[test]
fn between_two_heartbeats_lies_the_time_that_counts() {
    let at = |at_ms, beat_age_ms, said| {
        let camera = node("robot", "camera").says("camera/frames", said, 0).beat_age_ms(beat_age_ms).view();
        sample(at_ms, vec![camera], vec![topic("robot", "camera/frames", "x.Y")])
    };
    let rate = |then: &Sample, now: &Sample| report(Some(then), now).topics[0].rate_hz;
    // 500 ms between the looks, 750 ms between the heartbeats that they saw.
    assert_eq!(rate(&at(1000, 250, 100), &at(1500, 0, 175)), Some(100.0));
    // The same heartbeat twice says nothing yet; an old one says that nothing happens.
    assert_eq!(rate(&at(1000, 0, 100), &at(1500, 500, 100)), None);
    assert_eq!(rate(&at(3000, 2000, 100), &at(3500, 2500, 100)), Some(0.0));
}

#[test]
fn another_process_counts_anew() {
    let life = |at_ms, pid, said| {
        let camera = node("robot", "camera").pid(pid).says("camera/frames", said, 0).view();
        sample(at_ms, vec![camera], vec![topic("robot", "camera/frames", "x.Y")])
    };
    let rate = |then: &Sample, now: &Sample| report(Some(then), now).topics[0].rate_hz;
    assert_eq!(rate(&life(0, 1, 1000), &life(1000, 2, 10)), None);
    assert_eq!(rate(&life(0, 2, 1000), &life(1000, 2, 10)), None);
    assert_eq!(report(None, &life(0, 1, 10)).topics[0].rate_hz, None);
}

#[test]
fn what_nobody_wants_has_a_rate_and_no_size() {
    let at = |at_ms, said| {
        let camera = node("robot", "camera").says("camera/frames", said, 0).view();
        sample(at_ms, vec![camera], vec![topic("robot", "camera/frames", "x.Y")])
    };
    let row = report(Some(&at(0, 0)), &at(1000, 30)).topics.remove(0);
    assert_eq!((row.rate_hz, row.size_bytes), (Some(30.0), None));
    // Where somebody began to listen in between, the listener tells how large messages are.
    let row = report(Some(&pair(0, 100, 100)), &{
        let mut sample = pair(2000, 160, 130);
        sample.nodes[0].edges[0].bytes = 130_000;
        sample
    });
    assert_eq!(row.topics[0].size_bytes, Some(1000.0));
}

#[test]
fn losses_are_told_by_reason_and_of_all_ends_together() {
    let camera =
        node("robot", "camera").says("camera/frames", 9, 9).but(|edge| (edge.dropped, edge.oversized) = (3, 1));
    let viewer = node("robot", "viewer").hears("frames", "camera/frames", 5, 5).but(|edge| {
        (edge.gaps, edge.expired, edge.undecodable, edge.wrong_type) = (4, 2, 7, 8);
    });
    let row = report(None, &sample(0, vec![camera.view(), viewer.view()], vec![frames()])).topics.remove(0);
    let all = Losses { gaps: 4, dropped: 3, expired: 2, undecodable: 7, wrong_type: 8, oversized: 1 };
    assert_eq!(row.losses, all);
    assert!(row.losses.are_faults() && !Losses { gaps: 9, ..Losses::default() }.are_faults());
}

#[test]
fn processor_time_is_what_was_taken_between_the_looks_by_the_same_process() {
    let seen = |cpu_ms, lived_s, began| {
        let mut sample = sample(0, vec![node("robot", "camera").pid(7).view()], vec![]);
        let usage = Usage {
            began: Duration::from_secs(began),
            lived: Duration::from_secs(lived_s),
            cpu: Duration::from_millis(cpu_ms),
            memory_bytes: 5,
            processes: 2,
        };
        sample.usage.insert(7, usage);
        sample
    };
    let row = |then: &Sample, now: &Sample| report(Some(then), now).nodes.remove(0);
    let same = row(&seen(1000, 10, 1), &seen(3000, 12, 1));
    assert_eq!((same.cpu_percent, same.memory_bytes, same.processes), (Some(100.0), Some(5), Some(2)));
    // Another process with the same number: its mean since it began.
    assert_eq!(row(&seen(1000, 10, 1), &seen(500, 10, 9)).cpu_percent, Some(5.0));
    // A child that took much and was not waited for is gone with its time.
    assert_eq!(row(&seen(3000, 10, 1), &seen(1000, 12, 1)).cpu_percent, Some(0.0));
}

#[test]
fn a_link_s_gauges_are_told_by_peer() {
    let gauge = |name: &str, value, unit: &str| GaugeView { name: name.into(), value, unit: unit.into() };
    let link = node("robot", "link").being(|link| {
        link.gauges = vec![
            gauge("desktop.rtt", 1.5, "ms"),
            gauge("desktop.loss", 0.25, "%"),
            gauge("desktop.offset", -3.0, "ms"),
            gauge("desktop.rate", 8.0, "Mbit/s"),
            gauge("base.rtt", 9.0, "ms"),
        ];
    });
    let links = report(None, &sample(0, vec![link.view()], vec![])).links;
    assert_eq!(links.iter().map(|link| link.peer.as_str()).collect::<Vec<_>>(), ["desktop", "base"]);
    let desktop = &links[0];
    assert_eq!((desktop.rtt_ms, desktop.loss_percent, desktop.offset_ms), (Some(1.5), Some(0.25), Some(-3.0)));
    assert_eq!(desktop.gauges, [gauge("rate", 8.0, "Mbit/s")]);
}
