//! What attackers do to the open port, while a paired desktop drives: nothing that the pair notices.

use std::time::Duration;

use bytes::Bytes;
use offboard::proto::Header;
use offboard_link::{
    conn::{Conn, NotMet},
    frame::{Frame, Role, data_head},
    key::Identity,
    pipe::Received,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::{
    machine::{Machine, PATIENCE, Plan, pair_by},
    pairing::{greet, robot_of, shake},
};

async fn connect(robot: &Machine) -> TcpStream {
    TcpStream::connect(robot.address.unwrap()).await.unwrap()
}

/// Messages cross both ways, each and in order: the pair is as well as before.
async fn the_pair_is_well(robot: &mut Machine, desktop: &mut Machine) {
    for _ in 0..20 {
        let (picture, command) = (robot.say(0, 100_000), desktop.say(0, 50));
        assert_eq!(desktop.hear().await.header.seq, picture.header.seq);
        assert_eq!(robot.hear().await.header.seq, command.header.seq);
    }
}

/// The port hangs up on whoever this is; what it said before that is returned.
async fn is_hung_up_on(mut tcp: TcpStream) -> Vec<u8> {
    let mut said = Vec::new();
    // A reset is as good as an end.
    drop(timeout(PATIENCE, tcp.read_to_end(&mut said)).await.expect("not hung up on"));
    said
}

#[tokio::test]
async fn bytes_that_are_no_tls_are_hung_up_on() {
    let (mut robot, mut desktop) = pair_by(|address| address, 0, 100).await;
    let huge = (1_u64 << 62).to_be_bytes();
    let zmtp = [&[0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3, 0][..], &[0; 52], &[2], &huge].concat();
    let texts: [&[u8]; 6] = [
        b"GET / HTTP/1.1\r\nHost: robot\r\n\r\n",
        &zmtp,
        &[0xff; 100],
        &[0; 100],
        &huge,
        &[0x16, 3, 1, 0xff, 0xff, 1, 0xff, 0xff, 0xff], // a handshake record of 65,535 bytes, a hello of 2^24
    ];
    for bytes in texts {
        let mut tcp = connect(&robot).await;
        tcp.write_all(bytes).await.unwrap();
        let said = is_hung_up_on(tcp).await;
        assert!(said.len() <= 7, "an alert at most: {said:?}");
        the_pair_is_well(&mut robot, &mut desktop).await;
    }
    for seed in 0..50 {
        let mut random = fastrand::Rng::with_seed(seed);
        let count = random.usize(1..5_000);
        let bytes: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(count).collect();
        let mut tcp = connect(&robot).await;
        drop(tcp.write_all(&bytes).await);
        drop(tcp.shutdown().await);
        is_hung_up_on(tcp).await;
    }
    the_pair_is_well(&mut robot, &mut desktop).await;
}

#[tokio::test]
async fn tls_that_goes_wrong_in_the_middle_is_hung_up_on() {
    let (mut robot, mut desktop) = pair_by(|address| address, 0, 100).await;
    for cut in [1, 5, 6, 50, 100] {
        let config = offboard_link::tls::dialing(
            &desktop.link.identity,
            offboard_link::tls::Pins::new(vec![robot.link.identity.public()]),
        )
        .unwrap();
        let name = rustls::pki_types::ServerName::try_from("robot").unwrap();
        let mut tls = rustls::ClientConnection::new(config, name).unwrap();
        let mut hello = Vec::new();
        tls.write_tls(&mut hello).unwrap();
        hello[cut] ^= 0xff;
        let mut tcp = connect(&robot).await;
        tcp.write_all(&hello).await.unwrap();
        tcp.shutdown().await.unwrap();
        is_hung_up_on(tcp).await;
    }
    the_pair_is_well(&mut robot, &mut desktop).await;
}

#[tokio::test]
async fn two_hundred_silent_connections_keep_nobody_out() {
    let (mut robot, desktop) = pair_by(|address| address, 0, 100).await;
    let mut silent = Vec::new();
    for _ in 0..200 {
        silent.push(connect(&robot).await);
    }
    let mut desktop = desktop;
    the_pair_is_well(&mut robot, &mut desktop).await;
    // A peer that comes now finds a place too.
    let identity = Identity::from_pem(&desktop.link.identity.pem()).unwrap();
    let key = robot.link.identity.public();
    drop(desktop);
    robot.wanted(0, 0).await;
    let start = std::time::Instant::now();
    let mut again = Machine::start(Plan {
        name: "desktop",
        identity: Some(identity),
        peers: vec![("robot", robot.address, Some(key))],
        offers: vec!["pilot/drive"],
        hears: vec![("robot:camera/frames", 100)],
        ..Plan::default()
    })
    .await;
    robot.wanted(0, 1).await;
    again.wanted(0, 1).await;
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    the_pair_is_well(&mut robot, &mut again).await;
    // Silence is not put up with.
    for tcp in silent {
        assert!(is_hung_up_on(tcp).await.is_empty());
    }
}

#[tokio::test]
async fn a_paired_machine_that_claims_a_huge_first_frame_is_hung_up_on() {
    for claimed in [u32::MAX, 1 << 30, (64 << 10) + 1] {
        let (mut robot, mut desktop) = pair_by(|address| address, 0, 100).await;
        let mut conn = shake(&robot, &desktop.link.identity, robot.link.identity.public()).await.unwrap();
        conn.pipe.seal(&claimed.to_le_bytes()).unwrap();
        conn.pipe.flush_all().await.unwrap();
        assert!(conn.hello().await.is_err());
        the_pair_is_well(&mut robot, &mut desktop).await;
    }
}

#[tokio::test]
async fn a_paired_machine_that_never_says_hello_is_hung_up_on() {
    let (mut robot, mut desktop) = pair_by(|address| address, 0, 100).await;
    let mut conn = shake(&robot, &desktop.link.identity, robot.link.identity.public()).await.unwrap();
    let ended = timeout(PATIENCE, conn.hello()).await.unwrap();
    assert!(matches!(ended, Err(NotMet::Io(_))), "{ended:?}");
    the_pair_is_well(&mut robot, &mut desktop).await;
}

/// A robot, and a traitor in the place of its desktop: both connections of a session, in hand.
async fn traitor() -> (Machine, Conn, Conn) {
    let identity = Identity::generate().unwrap();
    let robot = robot_of(identity.public()).await;
    let control = greet(&robot, &identity, "desktop", Role::Control).await.unwrap();
    let bulk = greet(&robot, &identity, "desktop", Role::Bulk).await.unwrap();
    robot.linked(0, true).await;
    (robot, control, bulk)
}

fn drive(number: u16, seq: u64, kind: &str) -> Frame {
    let header = Header { seq, incarnation: 1, r#type: kind.into(), ..Header::default() };
    Frame::Data { number, header, payload: Bytes::from_static(b"forward") }
}

async fn is_dropped(mut conn: Conn) {
    let gone = async {
        loop {
            match conn.receive() {
                Ok(Received::Bytes(_)) => while conn.frame().is_some() {},
                Ok(Received::Nothing) => conn.pipe.readable().await.unwrap(),
                Ok(Received::Closed) | Err(_) => return,
            }
        }
    };
    timeout(PATIENCE, gone).await.expect("the session goes on");
}

#[tokio::test]
async fn a_peer_writes_only_what_is_wanted_from_it() {
    let (mut robot, mut control, mut bulk) = traitor().await;
    for frame in [
        drive(1, 1, "offboard.v1.Drive"),
        drive(65_535, 1, "offboard.v1.Drive"),
        drive(0, 1, "offboard.v1.Gamepad"),
        drive(0, 1, ""),
    ] {
        control.say(&frame).await.unwrap();
        bulk.say(&frame).await.unwrap();
    }
    control.say(&drive(0, 7, "offboard.v1.Drive")).await.unwrap();
    let got = robot.hear().await;
    assert_eq!((got.output, got.header.seq), (0, 7), "nothing else came through, and the session lives");
}

#[tokio::test]
async fn a_peer_cannot_repeat_or_reorder_a_command() {
    let (mut robot, mut control, _bulk) = traitor().await;
    for seq in [5, 5, 3, 4, 6] {
        control.say(&drive(0, seq, "offboard.v1.Drive")).await.unwrap();
    }
    assert_eq!([robot.hear().await.header.seq, robot.hear().await.header.seq], [5, 6]);
}

#[tokio::test]
async fn a_session_that_claims_too_long_a_frame_is_dropped() {
    let (_robot, mut control, _bulk) = traitor().await;
    control.pipe.seal(&u32::MAX.to_le_bytes()).unwrap();
    control.pipe.flush_all().await.unwrap();
    is_dropped(control).await;
    let (_robot, _control, mut bulk) = traitor().await;
    bulk.pipe.seal(&u32::MAX.to_le_bytes()).unwrap();
    bulk.pipe.flush_all().await.unwrap();
    is_dropped(bulk).await;
}

#[tokio::test]
async fn a_session_that_talks_garbage_is_dropped() {
    for seed in 0..20 {
        let (_robot, mut control, _bulk) = traitor().await;
        let mut random = fastrand::Rng::with_seed(seed);
        let mut frame = data_head(0, &Header::default(), 0);
        frame[4] = random.u8(7..); // no such kind
        control.pipe.seal(&frame).unwrap();
        control.pipe.flush_all().await.unwrap();
        is_dropped(control).await;
    }
}

#[tokio::test]
async fn a_session_that_falls_silent_is_dropped() {
    let (robot, control, _bulk) = traitor().await;
    let start = std::time::Instant::now();
    is_dropped(control).await;
    robot.linked(0, false).await;
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_newer_session_takes_the_place_of_the_older() {
    let identity = Identity::generate().unwrap();
    let mut robot = robot_of(identity.public()).await;
    let mut sessions = Vec::new();
    for _ in 0..3 {
        let control = greet(&robot, &identity, "desktop", Role::Control).await.unwrap();
        sessions.push((control, greet(&robot, &identity, "desktop", Role::Bulk).await.unwrap()));
    }
    let (mut newest, _bulk) = sessions.pop().unwrap();
    newest.say(&drive(0, 9, "offboard.v1.Drive")).await.unwrap();
    assert_eq!(robot.hear().await.header.seq, 9);
    for (control, _bulk) in sessions {
        is_dropped(control).await;
    }
}
