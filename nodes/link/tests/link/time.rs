//! Two machines whose clocks differ.

use crate::machine::pair_by;

const TEN_MINUTES_NS: i64 = 600_000_000_000;

#[tokio::test]
async fn a_stamp_that_goes_there_and_back_is_the_same() {
    for skew_ns in [TEN_MINUTES_NS, -TEN_MINUTES_NS] {
        let (mut robot, mut desktop) = pair_by(|address| address, skew_ns, 10).await;
        for n in 1..=20 {
            let picture = robot.say(0, 10_000);
            let mut command = desktop.hear().await;
            command.header.seq = n;
            let answer = offboard_link::outbox::Outgoing { header: command.header, payload: "forward".into() };
            desktop.repeat(0, &answer);
            let back = robot.hear().await.header.stamp_ns;
            // The estimate may get better between the two crossings, by less than a loopback round trip.
            assert!(back.abs_diff(picture.header.stamp_ns) < 1_000_000, "{} ns off", back - picture.header.stamp_ns);
        }
    }
}

#[tokio::test]
async fn a_message_has_its_true_age_on_the_other_machines_clock() {
    let (mut robot, mut desktop) = pair_by(|address| address, TEN_MINUTES_NS, 10).await;
    robot.say(0, 100);
    let got = desktop.hear().await;
    let age_ns = desktop.now_ns() - got.header.sent_ns;
    assert!((-1_000_000..200_000_000).contains(&age_ns), "{age_ns} ns");
    desktop.say(0, 100);
    let got = robot.hear().await;
    let age_ns = robot.now_ns() - got.header.sent_ns;
    assert!((-1_000_000..200_000_000).contains(&age_ns), "{age_ns} ns");
}

#[tokio::test]
async fn a_stamp_that_was_never_set_stays_so() {
    let (mut robot, mut desktop) = pair_by(|address| address, TEN_MINUTES_NS, 10).await;
    let mut message = robot.say(0, 10);
    desktop.hear().await;
    message.header.seq += 1;
    (message.header.sent_ns, message.header.stamp_ns) = (0, 0);
    robot.repeat(0, &message);
    let got = desktop.hear().await.header;
    assert_eq!((got.sent_ns, got.stamp_ns), (0, 0));
}
