//! Strangers at the link's port: refused, while the paired machines notice nothing.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use offboard_tests::{Bed, EAR, Launch, free_port, until};

/// A robot that streams to a paired desktop, each in a bed of its own.
fn pair<'a>(robot: &'a Bed, desktop: &'a Bed, port: u16) -> (Launch<'a>, Launch<'a>) {
    let robot_launch = robot.launch(&[robot.file(
        "robot.toml",
        &format!(
            "[graph]\nname = \"robot\"\nlisten = \"127.0.0.1:{port}\"\n\
             [node.source]\nrun = \"dummy\"\nparams = {{ rate = 100, size = 1000 }}\n\
             [peer.desktop]\nkey = \"{}\"\n",
            desktop.key()
        ),
    )]);
    let desktop_launch = desktop.launch(&[desktop.file("desktop.toml", &desktop_file(&robot.key(), port))]);
    robot_launch.all_ready(2);
    desktop_launch.all_ready(2);
    (robot_launch, desktop_launch)
}

fn desktop_file(robot_key: &str, port: u16) -> String {
    format!(
        "[graph]\nname = \"desktop\"\n\
         [node.ear]\n{EAR}\nsubscribe = {{ array = {{ topic = \"robot:source/array\", keep = 1000 }} }}\n\
         [peer.robot]\naddress = \"127.0.0.1:{port}\"\nkey = \"{robot_key}\"\n"
    )
}

/// Whether the other side hangs up, or says what it has to say and then hangs up, within a time.
fn hung_up(mut socket: TcpStream) -> bool {
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let start = Instant::now();
    let mut heard = [0; 4096];
    while start.elapsed() < Duration::from_secs(10) {
        match socket.read(&mut heard) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    }
    false
}

#[test]
fn strangers_are_refused_and_the_paired_machines_notice_nothing() {
    let (robot, desktop) = (Bed::new(), Bed::new());
    let port = free_port();
    let (robot_launch, _desktop_launch) = pair(&robot, &desktop, port);
    let mut ear = desktop.ear("desktop", "robot:source/array", "ear", "array");
    ear.hear();
    let link = robot.pid("robot", "link");
    let knock = || TcpStream::connect(("127.0.0.1", port)).unwrap();

    // Two hundred that say nothing.
    let silent: Vec<TcpStream> = (0..200).map(|_| knock()).collect();
    // Garbage; ZeroMQ's greeting and a frame of 2^62 bytes; a TLS record of the greatest length; plain HTTP.
    let mut zmtp = vec![0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0x7f, 3];
    zmtp.resize(64, 0);
    zmtp.extend([2, 0x40, 0, 0, 0, 0, 0, 0, 0]);
    let greetings: [&[u8]; 4] =
        [&[0xa5; 70_000], &zmtp, &[0x16, 3, 1, 0xff, 0xff, 1, 0xff, 0xff, 0xff], b"GET / HTTP/1.1\r\n\r\n"];
    for greeting in greetings {
        let mut socket = knock();
        let _ = socket.write_all(greeting); // it may be hung up before all is said
        assert!(hung_up(socket), "{:?}…", &greeting[..4]);
    }

    // A machine with a key that the robot does not know, and one that takes another's word for the robot's key.
    let (stranger, misled) = (Bed::new(), Bed::new());
    let stranger_launch = stranger.launch(&[stranger.file("desktop.toml", &desktop_file(&robot.key(), port))]);
    let misled_launch = misled.launch(&[misled.file("desktop.toml", &desktop_file(&misled.key(), port))]);
    robot_launch.says(&stranger.key());
    misled_launch.says("key");
    let mut overheard = stranger.ear("desktop", "robot:source/array", "ear", "array");
    assert!(overheard.hear_within(Duration::from_secs(2)).is_none(), "a stranger hears nothing");
    drop(stranger_launch);

    // Meanwhile and afterwards the paired machines go on.
    let now = until("the newest is heard", || Some(ear.hear().header).filter(|header| ear_is_current(header.sent_ns)));
    while ear.hear().header.seq < now.seq + 100 {}
    assert_eq!(ear.gaps(), 0);
    assert_eq!(robot.pid("robot", "link"), link, "the link never died");
    assert!(silent.into_iter().all(hung_up), "the silent ones are hung up on");
}

/// Sent less than half a second ago: both machines are this one, so their clocks agree.
fn ear_is_current(sent_ns: i64) -> bool {
    offboard::clock::now_ns() - sent_ns < 500_000_000
}
