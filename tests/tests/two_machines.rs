//! Robot and desktop on two machines: two network namespaces joined by a cable that the test can cut.
//! Where namespaces may not be made it runs on two loopback addresses, says so, and cuts by stopping the desktop's link.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::{
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use offboard::{Gamepad, MotorMode, MotorState};
use offboard_tests::{Bed, EAR, Ear, Mouth, free_port, signal, until};
use rustix::process::Signal;

const DEADMAN_MS: i64 = 300;
/// A motor that misses its deadman by more than this is unsafe.
const TOLERANCE_MS: i64 = 20;

/// Two machines and the cable between them.
struct Cable {
    namespaces: Option<[String; 2]>,
    /// The addresses of robot and desktop.
    addresses: [String; 2],
}

/// Runs `ip`; false when it may not or cannot.
fn ip(args: &str) -> bool {
    Command::new("ip").args(args.split_whitespace()).output().is_ok_and(|output| output.status.success())
}

fn remove(namespaces: &[String; 2]) {
    for name in namespaces {
        ip(&format!("netns del {name}"));
    }
}

impl Cable {
    fn new() -> Cable {
        let id = std::process::id();
        let names = [format!("obr{id}"), format!("obd{id}")];
        let [robot, desktop] = &names;
        let made = ip(&format!("netns add {robot}"))
            && ip(&format!("netns add {desktop}"))
            && ip(&format!("-n {robot} link add cable type veth peer name cable netns {desktop}"))
            && ip(&format!("-n {robot} addr add 10.77.0.1/24 dev cable"))
            && ip(&format!("-n {desktop} addr add 10.77.0.2/24 dev cable"))
            && [robot, desktop]
                .iter()
                .all(|ns| ip(&format!("-n {ns} link set lo up")) && ip(&format!("-n {ns} link set cable up")));
        let addresses = ["10.77.0.1".to_owned(), "10.77.0.2".to_owned()];
        if made {
            return Cable { namespaces: Some(names), addresses };
        }
        println!("no network namespaces here: two loopback addresses instead, and the link is cut by stopping it");
        remove(&names);
        Cable { namespaces: None, addresses: ["127.0.0.1".to_owned(), "127.0.0.2".to_owned()] }
    }

    fn bed(&self, machine: usize) -> Bed {
        match &self.namespaces {
            Some(names) => Bed::in_netns(&names[machine]),
            None => Bed::new(),
        }
    }

    fn set(&self, up: bool, desktop: &Bed) {
        match &self.namespaces {
            Some([robot, _]) => assert!(ip(&format!("-n {robot} link set cable {}", if up { "up" } else { "down" }))),
            None => signal(desktop.pid("desktop", "link"), if up { Signal::CONT } else { Signal::STOP }),
        }
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        self.namespaces.iter().for_each(remove);
    }
}

/// Hands on a gamepad: says its state 30 times a second until dropped.
struct Hands {
    state: Arc<Mutex<Gamepad>>,
    stop: Arc<AtomicBool>,
}

impl Hands {
    fn on(mut pad: Mouth<Gamepad>) -> Hands {
        let hands = Hands { state: Arc::default(), stop: Arc::default() };
        let (state, stop) = (hands.state.clone(), hands.stop.clone());
        hands.let_go();
        thread::spawn(move || {
            while !stop.load(Relaxed) {
                let now = state.lock().unwrap().clone();
                pad.say(now);
                thread::sleep(Duration::from_millis(33));
            }
        });
        hands
    }

    /// Lets go of everything, the dead-man button too: the pilot wants to see it released before it heeds it.
    fn let_go(&self) {
        *self.state.lock().unwrap() = Gamepad { connected: true, ..Gamepad::default() };
    }

    /// Holds the dead-man button and pushes the stick.
    fn push(&self, forward: f32) {
        *self.state.lock().unwrap() =
            Gamepad { connected: true, right_bumper: true, left_stick_y: forward, ..Gamepad::default() };
    }
}

impl Drop for Hands {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
    }
}

/// What the motor put out, looked at message by message; each one must be safe.
struct Motor {
    ear: Ear,
    accepted: u64,
}

impl Motor {
    fn next(&mut self) -> MotorState {
        let state = self.ear.hear().decode::<MotorState>().unwrap().body;
        let moves = state.left != 0.0 || state.right != 0.0;
        let age_ms = state.command_age_ns / 1_000_000;
        assert!(
            !moves || (0..=DEADMAN_MS + TOLERANCE_MS).contains(&age_ms),
            "moves on a command of {age_ms} ms: {state:?}"
        );
        if state.accepted > self.accepted {
            assert!(age_ms <= DEADMAN_MS, "obeyed a command of {age_ms} ms: {state:?}");
        }
        self.accepted = state.accepted;
        state
    }

    fn until(&mut self, what: &str, fact: impl Fn(&MotorState) -> bool) -> MotorState {
        until(what, || Some(self.next()).filter(&fact))
    }

    fn watch(&mut self, time: Duration, mut each: impl FnMut(MotorState)) {
        let start = Instant::now();
        while start.elapsed() < time {
            each(self.next());
        }
    }
}

fn robot_file(address: &str, desktop_key: &str) -> String {
    format!(
        r#"
[graph]
name   = "robot"
listen = "{address}"
[node.camera]
params = {{ device = "pattern", size = [320, 240], rate = 30 }}
[node.motor]
subscribe = {{ drive = "desktop:pilot/drive" }}
params    = {{ driver = "virtual", deadman = "{DEADMAN_MS}ms" }}
[node.ear]
{EAR}
subscribe = {{ state = {{ topic = "motor/state", keep = 1000 }} }}
[peer.desktop]
key = "{desktop_key}"
"#
    )
}

fn desktop_file(address: &str, robot_key: &str) -> String {
    format!(
        r#"
[graph]
name = "desktop"
[node.gamepad]                  # the test's hands
{EAR}
publish = {{ pad = "Gamepad" }}
[node.pilot]
subscribe = {{ pad = "gamepad/pad" }}
[node.ear]
{EAR}
subscribe = {{ frames = {{ topic = "robot:camera/frames", keep = 100 }} }}
[peer.robot]
address = "{address}"
key     = "{robot_key}"
"#
    )
}

/// Ten seconds of driving: every picture arrives, in order, and commands are obeyed.
fn drives_for_ten_seconds(motor: &mut Motor, frames: &mut Ear) {
    const DRIVE: Duration = Duration::from_secs(10);
    frames.hear();
    let (gaps, obeyed) = (frames.gaps(), motor.accepted);
    let (mut seen, mut last) = (0, 0);
    thread::scope(|scope| {
        scope.spawn(|| motor.watch(DRIVE, |_| {}));
        let start = Instant::now();
        while start.elapsed() < DRIVE {
            let seq = frames.hear().header.seq;
            assert!(seq > last, "in order");
            (seen, last) = (seen + 1, seq);
        }
    });
    let obeyed = motor.accepted - obeyed;
    println!("{DRIVE:?}: {seen} frames, {obeyed} commands obeyed");
    assert!(seen >= 250, "{seen} frames in {DRIVE:?}");
    assert_eq!(frames.gaps() - gaps, 0, "no gap");
    assert!(obeyed >= 200, "{obeyed} commands obeyed in {DRIVE:?}");
}

fn stands(state: &MotorState) -> bool {
    state.left == 0.0 && state.right == 0.0
}

/// The cable is cut for three seconds: neutral within the deadman, and still neutral.
fn stands_while_the_cable_is_cut(motor: &mut Motor, cable: &Cable, desktop: &Bed) {
    cable.set(false, desktop);
    let stopped = motor.until("it stops", stands);
    let after_ms = stopped.command_age_ns / 1_000_000;
    println!("cut: neutral {after_ms} ms after the last command was sent");
    assert!(after_ms <= DEADMAN_MS + TOLERANCE_MS, "{stopped:?}");
    motor.watch(Duration::from_secs(3), |state| assert!(stands(&state), "{state:?}"));
    cable.set(true, desktop);
}

/// Healed, with the stick still pushed: commands come, none is obeyed.
fn stands_until_neutral(motor: &mut Motor) {
    let refused = motor.next().refused;
    let healed = Instant::now();
    motor.until("commands come again", |state| {
        assert!(stands(state), "moved without a neutral command: {state:?}");
        state.refused > refused
    });
    println!("healed: commands again after {:?}", healed.elapsed());
    motor.watch(Duration::from_secs(1), |state| assert!(stands(&state), "{state:?}"));
}

#[test]
fn two_machines_drive_survive_a_cut_cable_and_drive_again_after_neutral() {
    let cable = Cable::new();
    let (robot, desktop) = (cable.bed(0), cable.bed(1));
    let address = format!("{}:{}", cable.addresses[0], free_port());
    let robot_launch = robot.launch(&[robot.file("robot.toml", &robot_file(&address, &desktop.key()))]);
    let desktop_launch = desktop.launch(&[desktop.file("desktop.toml", &desktop_file(&address, &robot.key()))]);
    robot_launch.all_ready(4);
    desktop_launch.all_ready(4);
    let hands = Hands::on(desktop.mouth::<Gamepad>("desktop", "gamepad/pad", "pilot", "pad"));
    let mut motor = Motor { ear: robot.ear("robot", "motor/state", "ear", "state"), accepted: 0 };
    let mut frames = desktop.ear("desktop", "robot:camera/frames", "ear", "frames");

    let hands_off = motor.until("neutral was seen", |state| state.mode() == MotorMode::Driving).accepted;
    motor.until("some more of it", |state| state.accepted > hands_off + 5);
    hands.push(0.8);
    motor.until("it drives", |state| state.left > 0.1);
    drives_for_ten_seconds(&mut motor, &mut frames);
    stands_while_the_cable_is_cut(&mut motor, &cable, &desktop);
    stands_until_neutral(&mut motor);

    hands.push(0.0);
    motor.until("neutral was seen", |state| state.mode() == MotorMode::Driving);
    hands.push(0.5);
    motor.until("it drives again", |state| state.left > 0.05);
    frames.newest();
}
