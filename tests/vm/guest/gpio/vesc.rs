//! VESCs on a virtual CAN bus, played by the test: what they get, and what becomes of one that falls silent.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use offboard_tests::{Bed, signal, until};
use rustix::process::Signal;
use socketcan::{CanFrame, CanSocket, EmbeddedFrame, ExtendedId, Id, Socket};

use crate::{
    robot::{Robot, Stranger},
    support::{load, run, tidy},
};

const PARAMS: &str = "driver = \"vesc\", interface = \"vcan0\", ids = [1, 2]";

/// The bus, with two VESCs on it.
struct Bus {
    socket: CanSocket,
    /// The duty that each got last, in 1/100000.
    duty: [Option<i32>; 2],
}

impl Bus {
    fn plug() -> Bus {
        load("can-raw", "");
        load("vcan", "");
        run("ip link add dev vcan0 type vcan && ip link set vcan0 up");
        Bus { socket: Bus::socket(), duty: [None; 2] }
    }

    fn socket() -> CanSocket {
        let socket = CanSocket::open("vcan0").expect("the bus is there");
        socket.set_nonblocking(true).expect("ours");
        socket
    }

    /// Takes what came; whether both have this duty now.
    fn have(&mut self, duty: [i32; 2]) -> Option<()> {
        while let Ok(frame) = self.socket.read_frame() {
            let Id::Extended(id) = frame.id() else { panic!("{frame:?} is not extended") };
            let side = match id.as_raw() {
                1 => 0,
                2 => 1,
                id if id >> 8 == 9 => continue, // what the VESCs say
                _ => panic!("{frame:?} is no duty of ours"),
            };
            let data: [u8; 4] = frame.data().try_into().expect("four bytes");
            let next = i32::from_be_bytes(data);
            assert!(self.duty[side].is_some() || next == 0, "the first frame is {next}, not neutral");
            self.duty[side] = Some(next);
        }
        (self.duty == duty.map(Some)).then_some(())
    }
}

/// Two VESCs that say again and again that they stand still, but for the one that is to be silent.
struct Talk {
    silent: Arc<AtomicU32>,
    stop: mpsc::Sender<()>,
}

impl Talk {
    fn begin() -> Talk {
        let (silent, (stop, stopped)) = (Arc::new(AtomicU32::new(0)), mpsc::channel());
        let (who, socket) = (silent.clone(), Bus::socket());
        thread::spawn(move || {
            while stopped.recv_timeout(Duration::from_millis(50)) == Err(mpsc::RecvTimeoutError::Timeout) {
                for id in (1..=2).filter(|id| *id != who.load(Relaxed)) {
                    let id = ExtendedId::new(9 << 8 | id).expect("small");
                    let frame = CanFrame::new(id, &[0; 8]).expect("eight bytes");
                    drop(socket.write_frame(&frame)); // the bus may be gone at the end
                }
            }
        });
        Talk { silent, stop }
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        let _ = self.stop.send(());
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        tidy("ip link del vcan0");
    }
}

#[test]
#[ignore = "runs in the virtual machine"]
fn vescs_get_their_duty_and_neutral_first_and_last() {
    let (bed, mut bus) = (Bed::new(), Bus::plug());
    let mut robot = Robot::start(&bed, PARAMS, "");
    let motor = robot.motor();
    robot.unlatch();
    for ((forward, turn), duty) in
        [((1.0, 0.0), [100_000; 2]), ((-0.5, 0.0), [-50_000; 2]), ((0.0, 0.25), [25_000, -25_000])]
    {
        robot.drive_until(forward, turn, "the duty", || bus.have(duty));
    }
    signal(motor, Signal::TERM);
    until("neutral comes last", || bus.have([0, 0]));
    drop(robot);
    bus.have([0, 0]).expect("nothing after it");
}

#[test]
#[ignore = "runs in the virtual machine"]
fn a_bus_that_goes_down_or_away_is_said_and_begins_with_neutral() {
    let (bed, mut bus) = (Bed::new(), Bus::plug());
    let mut robot = Robot::start(&bed, PARAMS, "");
    robot.unlatch();
    robot.drive_until(1.0, 0.0, "it drives", || bus.have([100_000; 2]));
    run("ip link set vcan0 down");
    robot.launch.says("vcan0: it is down: ip link set vcan0 up type can bitrate 500000");
    (bus.socket, bus.duty) = (Bus::socket(), [None; 2]); // so that the next duty must be neutral
    run("ip link set vcan0 up");
    robot.unlatch();
    robot.drive_until(1.0, 0.0, "it drives again", || bus.have([100_000; 2]));
    run("ip link del vcan0");
    robot.launch.says("vcan0: there is no such interface; there is no CAN interface at all");
    let mut bus = Bus::plug();
    until("neutral comes first", || bus.have([0, 0]));
}

#[test]
#[ignore = "runs in the virtual machine"]
fn a_vesc_that_falls_silent_stops_both_until_it_speaks_again() {
    let (bed, mut bus) = (Bed::new(), Bus::plug());
    let mut robot = Robot::start(&bed, PARAMS, "");
    robot.unlatch();
    let talk = Talk::begin();
    robot.drive_until(1.0, 0.0, "it drives", || bus.have([100_000; 2]));
    thread::sleep(Duration::from_millis(200)); // so that both were heard
    talk.silent.store(2, Relaxed);
    let silent = Instant::now();
    robot.drive_until(1.0, 0.0, "both stop", || bus.have([0, 0]));
    assert!(silent.elapsed() > Duration::from_millis(900), "{:?}", silent.elapsed());
    robot.launch.says("the motor is out of reach: vcan0: VESC 2 fell silent: look at its power and wiring");
    talk.silent.store(0, Relaxed);
    robot.unlatch();
    robot.drive_until(1.0, 0.0, "it drives again", || bus.have([100_000; 2]));
}

#[test]
#[ignore = "runs in the virtual machine"]
fn what_is_no_can_bus_is_said_with_what_there_is() {
    let _bus = Bus::plug();
    let params = |interface| {
        format!("{{\"deadman\": \"300ms\", \"driver\": \"vesc\", \"interface\": \"{interface}\", \"ids\": [1, 2]}}")
    };
    let said = Stranger::start(&params("lo"), 0).says("out of reach: lo: ");
    assert!(said.contains("lo: that is no CAN interface; there is vcan0"), "{said}");
    // A CAN bus is open to every user; bringing it up is not, and that is the system's task.
    let said = Stranger::start(&params("can0"), 1000).says("out of reach: can0: there");
    assert!(said.contains("can0: there is no such interface; there is vcan0"), "{said}");
}
