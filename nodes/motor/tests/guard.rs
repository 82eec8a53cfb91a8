//! The guard as a process beside the motor's: outputs that go on with what they were given last come to neutral, whatever becomes of the
//! node. The outputs are files here, as the kernel shows PWM.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{
    fs,
    io::Read,
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use offboard::{
    Drive, Name, Node, Publisher,
    wiring::{Endpoint, NodeWiring, OutputWiring},
};
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, kill_process_group, prlimit};
use tempfile::TempDir;
use tokio::runtime::Runtime;

const PATIENCE: Duration = Duration::from_secs(20);
const NEUTRAL: [u64; 2] = [1_500_000; 2];
const AHEAD: [u64; 2] = [2_000_000; 2];

/// A motor that moves two files, and the person who commands it.
struct Robot {
    motor: Child,
    drive: Publisher<Drive>,
    runtime: Runtime,
    dir: TempDir,
}

impl Robot {
    fn start() -> Robot {
        Robot::with(|chip| format!(r#""driver": "gpio-pwm", "pwm": ["{chip}/0", "{chip}/1"]"#))
    }

    fn with(driver: impl Fn(&str) -> String) -> Robot {
        let dir = TempDir::new().unwrap();
        fs::write(dir.path().join("npwm"), "2\n").unwrap();
        for output in ["pwm0", "pwm1"].map(|output| dir.path().join(output)) {
            fs::create_dir(&output).unwrap();
            for (file, value) in [("period", 20_000_000), ("duty_cycle", 1_234_567), ("enable", 1)] {
                fs::write(output.join(file), format!("{value}\n")).unwrap();
            }
            fs::write(output.join("polarity"), "normal\n").unwrap();
        }
        let address = format!("ipc://{}/drive", dir.path().display());
        let params = format!(r#"{{"deadman": "600ms", {}}}"#, driver(dir.path().to_str().unwrap()));
        let motor = Command::new(env!("CARGO_BIN_EXE_motor"))
            .env_clear()
            .env("LAUNCH_GRAPH", "robot")
            .env("LAUNCH_NODE", "motor")
            .env("LAUNCH_SUB_DRIVE", format!("{address} hand/drive offboard.v1.Drive"))
            .env("LAUNCH_PARAMS", params)
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        let wiring = NodeWiring {
            graph: "robot".to_owned(),
            name: "hand".to_owned(),
            inputs: Vec::new(),
            outputs: vec![OutputWiring {
                name: "drive".to_owned(),
                topic: "hand/drive".to_owned(),
                kind: Drive::full_name(),
                endpoints: vec![Endpoint { address, keep: Some(1) }],
            }],
            params: serde_json::Map::new(),
            clock_offset_ns: 0,
            status: None,
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let drive = runtime.block_on(async { Node::start(wiring).unwrap().publish::<Drive>("drive").await }).unwrap();
        Robot { motor, drive, runtime, dir }
    }

    /// One that drives ahead at full speed.
    fn driving() -> Robot {
        let mut robot = Robot::start();
        robot.drives_on();
        robot
    }

    fn say(&mut self, forward: f32) {
        let command = Drive { forward, source: "hand".to_owned(), ..Drive::default() };
        self.runtime.block_on(self.drive.send(command)).unwrap();
        thread::sleep(Duration::from_millis(10));
    }

    /// Neutral, and ahead again, until it goes.
    fn drives_on(&mut self) {
        let late = Instant::now() + PATIENCE;
        while self.widths() != AHEAD {
            self.say(0.0);
            self.say(1.0);
            self.say(1.0);
            assert!(Instant::now() < late, "it does not drive: {:?}", self.widths());
        }
    }

    fn widths(&self) -> [u64; 2] {
        ["pwm0", "pwm1"].map(|output| {
            let text = fs::read_to_string(self.dir.path().join(output).join("duty_cycle")).unwrap();
            text.lines().next().and_then(|line| line.parse().ok()).unwrap_or(0)
        })
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.motor)
    }

    fn guard(&self) -> Option<u32> {
        let pid = self.motor.id();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
        children.split_whitespace().map(|child| child.parse().unwrap()).find(|child| lives(*child))
    }

    /// Its exit code, and what it and its guard said: that ends only when both have ended.
    fn end(mut self) -> (Option<i32>, String) {
        let status = self.motor.wait().unwrap();
        let mut said = String::new();
        self.motor.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (status.code(), said)
    }
}

impl Drop for Robot {
    fn drop(&mut self) {
        drop(self.motor.kill());
        drop(self.motor.wait());
    }
}

/// How long a process has had a processor.
fn ran_ns(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/schedstat")).unwrap();
    text.split(' ').next().unwrap().parse().unwrap()
}

fn lives(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with('Z'))
}

fn wait_until(what: &str, fact: impl Fn() -> bool) {
    let late = Instant::now() + PATIENCE;
    while !fact() {
        assert!(Instant::now() < late, "{what}: it did not become so");
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_killed_node_leaves_its_outputs_at_neutral_and_no_guard() {
    let robot = Robot::driving();
    let guard = robot.guard().unwrap();
    kill_process(robot.pid(), Signal::KILL).unwrap();
    wait_until("neutral", || robot.widths() == NEUTRAL);
    wait_until("the guard has ended", || !lives(guard));
    let said = robot.end().1;
    assert!(said.contains("the motor node is gone without a word: its guard has put the outputs to neutral"), "{said}");
}

#[test]
fn a_node_that_was_stopped_comes_to_neutral_and_drives_on_only_after_neutral() {
    let mut robot = Robot::driving();
    kill_process(robot.pid(), Signal::STOP).unwrap();
    wait_until("neutral", || robot.widths() == NEUTRAL);
    thread::sleep(Duration::from_millis(200)); // the last word to the guard was a little older than the last command
    kill_process(robot.pid(), Signal::CONT).unwrap();
    for _ in 0..30 {
        robot.say(1.0);
        assert_eq!(robot.widths(), NEUTRAL, "the stick was held all the time");
    }
    robot.drives_on();
    kill_process(robot.pid(), Signal::TERM).unwrap();
    let (code, said) = robot.end();
    assert_eq!(code, Some(0));
    let told = "the motor node was silent for 600 ms while something moved: its guard has put the outputs to neutral";
    assert_eq!(said.matches("its guard has put").count(), 1, "{said}");
    assert!(said.contains(told), "{said}");
}

#[test]
fn beside_a_healthy_node_the_guard_writes_nothing_and_costs_nothing() {
    let mut robot = Robot::driving();
    let guard = robot.guard().unwrap();
    for _ in 0..100 {
        robot.say(1.0);
        assert_eq!(robot.widths(), AHEAD);
    }
    robot.say(0.0);
    wait_until("neutral", || robot.widths() == NEUTRAL);
    thread::sleep(Duration::from_millis(2000)); // longer than it takes to know that nothing moves
    let worked = ran_ns(guard);
    println!("{} µs of work from its start on, about a second of it driving", worked / 1000);
    assert!(worked < 50_000_000, "{worked} ns");
    thread::sleep(Duration::from_millis(300));
    assert_eq!(ran_ns(guard), worked, "nothing at all while nothing moves");
    kill_process(robot.pid(), Signal::TERM).unwrap();
    let (code, said) = robot.end();
    assert_eq!(code, Some(0));
    assert!(!said.contains("guard"), "{said}");
    assert!(!lives(guard));
}

#[test]
fn who_stops_the_whole_group_at_a_terminal_gets_neutral_from_the_guard() {
    for stop in [Signal::TSTP, Signal::TTIN, Signal::TTOU] {
        let mut robot = Robot::driving();
        kill_process_group(robot.pid(), stop).unwrap();
        wait_until("neutral", || robot.widths() == NEUTRAL);
        kill_process_group(robot.pid(), Signal::CONT).unwrap();
        robot.drives_on();
    }
}

#[test]
fn a_node_that_gets_no_guard_rests_until_it_has_one() {
    let mut robot = Robot::driving();
    let limits = getrlimit(Resource::Nofile); // the motor's too: it is our child
    prlimit(Some(robot.pid()), Resource::Nofile, Rlimit { current: Some(3), ..limits }).unwrap();
    kill_process(Pid::from_raw(i32::try_from(robot.guard().unwrap()).unwrap()).unwrap(), Signal::KILL).unwrap();
    let late = Instant::now() + PATIENCE;
    while robot.widths() != NEUTRAL {
        robot.say(1.0);
        assert!(Instant::now() < late, "it drives without a guard");
    }
    assert_eq!(robot.guard(), None);
    prlimit(Some(robot.pid()), Resource::Nofile, limits).unwrap();
    robot.drives_on();
    assert!(robot.guard().is_some());
    kill_process(robot.pid(), Signal::TERM).unwrap();
    let said = robot.end().1;
    let told = "the motor is out of reach: its guard cannot be started (Too many open files (os error 24)): look at the limits";
    assert!(said.contains(told) && said.contains("the motor is in reach"), "{said}");
}

#[test]
fn who_asks_the_whole_group_to_end_gets_neutral_from_the_node() {
    let robot = Robot::driving();
    let (guard, dir) = (robot.guard().unwrap(), robot.dir.path().join("pwm0/duty_cycle"));
    for signal in [Signal::INT, Signal::HUP, Signal::QUIT] {
        kill_process(Pid::from_raw(i32::try_from(guard).unwrap()).unwrap(), signal).unwrap();
    }
    kill_process_group(robot.pid(), Signal::TERM).unwrap();
    wait_until("neutral", || is_neutral(&dir));
    let (code, said) = robot.end();
    assert_eq!(code, Some(0));
    assert!(!said.contains("guard"), "{said}");
    assert!(!lives(guard));
}

fn is_neutral(file: &Path) -> bool {
    fs::read_to_string(file).is_ok_and(|text| text.starts_with("1500000\n"))
}

#[test]
fn a_guard_that_is_killed_is_replaced() {
    let mut robot = Robot::driving();
    let old = robot.guard().unwrap();
    kill_process(Pid::from_raw(i32::try_from(old).unwrap()).unwrap(), Signal::KILL).unwrap();
    let late = Instant::now() + PATIENCE;
    while robot.guard().is_none_or(|guard| guard == old) {
        robot.say(1.0);
        assert_eq!(robot.widths(), AHEAD);
        assert!(Instant::now() < late, "nobody takes its place");
    }
    kill_process(robot.pid(), Signal::KILL).unwrap();
    wait_until("neutral", || robot.widths() == NEUTRAL);
    let said = robot.end().1;
    assert!(
        said.contains("the guard of the outputs has ended (signal: 9 (SIGKILL)); another one takes its place"),
        "{said}"
    );
}

#[test]
fn a_node_that_is_killed_at_once_brings_neutral_all_the_same() {
    let robot = Robot::start();
    wait_until("it has a guard", || robot.guard().is_some());
    kill_process(robot.pid(), Signal::KILL).unwrap();
    wait_until("neutral", || robot.widths() == NEUTRAL);
}

#[test]
fn a_node_whose_board_is_missing_ends_quickly_and_says_that_neutral_was_out_of_reach() {
    let robot = Robot::with(|_| r#""driver": "pca9685", "bus": "/dev/offboard-no-such-bus""#.to_owned());
    wait_until("it has a guard", || robot.guard().is_some());
    thread::sleep(Duration::from_millis(300)); // past its own beginning
    let asked = Instant::now();
    kill_process(robot.pid(), Signal::TERM).unwrap();
    let (code, said) = robot.end();
    assert!(code == Some(0) && asked.elapsed() < Duration::from_secs(1), "{code:?} after {:?}", asked.elapsed());
    let told = "the motor node has ended out of reach of its outputs: its guard could not put the outputs to neutral: it is not there";
    assert!(said.contains(told), "{said}");
}

#[test]
fn outputs_that_a_motor_drives_are_nobody_else_s() {
    let mut robot = Robot::driving();
    let chip = robot.dir.path().display();
    // The same outputs, under another node's name.
    let params = format!(r#"{{"deadman": "600ms", "driver": "gpio-pwm", "pwm": ["{chip}/1", "{chip}/0"]}}"#);
    let second = |verb: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_motor"));
        command.args(verb).env_clear().env("LAUNCH_GRAPH", "other").env("LAUNCH_NODE", "wheels");
        command.env("LAUNCH_PARAMS", &params).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        command.spawn().unwrap()
    };
    for verb in [&["calibrate"][..], &[]] {
        let mut other = second(verb);
        let late = Instant::now() + PATIENCE;
        while other.try_wait().unwrap().is_none() {
            robot.say(1.0);
            assert!(Instant::now() < late, "{verb:?} does not end");
            assert_eq!(robot.widths(), AHEAD, "{verb:?} wrote");
        }
        assert_eq!(robot.widths(), AHEAD, "{verb:?} wrote");
        let out = other.wait_with_output().unwrap();
        let said = String::from_utf8(out.stderr).unwrap();
        let told = "/0: another motor node or a calibration has this output: stop that first";
        assert!(out.status.code() == Some(1) && said.contains(told), "{verb:?} {}: {said}", out.status);
    }
    // However the motor ends, its outputs are free at once, and its guard's neutral needs none of them.
    kill_process(robot.pid(), Signal::KILL).unwrap();
    wait_until("neutral", || robot.widths() == NEUTRAL);
    let out = second(&["calibrate"]).wait_with_output().unwrap();
    let said = String::from_utf8(out.stderr).unwrap();
    assert!(said.contains("lift the robot"), "{said}");
}
