//! The motor as a process, wired by hand as any starter may: what its controller gets, and how it ends.
//! Nothing here needs a launcher.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{
    fs::File,
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant},
};

use rustix::{
    process::{Pid, Signal, kill_process},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(20);
const NEUTRAL_LINE: &str = "M 0 0*4D";

/// Ends a process that a failed test leaves behind.
struct Motor(Child);

impl Drop for Motor {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

impl Motor {
    fn start(dir: &Path, params: &str) -> Motor {
        let drive = format!("ipc://{}/drive offboard-test/drive offboard.v1.Drive", dir.display());
        let state = format!("motor/state offboard.v1.MotorState ipc://{}/state", dir.display());
        let child = Command::new(env!("CARGO_BIN_EXE_motor"))
            .env_clear()
            .env("LAUNCH_GRAPH", "robot")
            .env("LAUNCH_NODE", "motor")
            .env("LAUNCH_SUB_DRIVE", drive)
            .env("LAUNCH_PUB_STATE", state)
            .env("LAUNCH_PARAMS", params)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Motor(child)
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).unwrap();
    }

    /// Its exit code and what it said.
    fn end(&mut self) -> (Option<i32>, String) {
        let late = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < late, "it does not end");
            thread::sleep(Duration::from_millis(1));
        };
        let mut said = String::new();
        self.0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (status.code(), said)
    }
}

/// A controller's port: its path and the lines that it gets.
fn controller() -> (String, File, Receiver<String>) {
    let pty = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&pty).unwrap();
    unlockpt(&pty).unwrap();
    let path = ptsname(&pty, Vec::new()).unwrap().into_string().unwrap();
    let held = File::options().read(true).write(true).open(&path).unwrap(); // so that the pty outlives the motor
    let (send, lines) = channel();
    thread::spawn(move || {
        BufReader::new(File::from(pty)).lines().map_while(Result::ok).try_for_each(|line| send.send(line))
    });
    (path, held, lines)
}

fn serial(port: &str) -> String {
    format!("{{\"driver\": \"serial\", \"port\": \"{port}\", \"deadman\": \"300ms\"}}")
}

#[test]
fn the_controller_gets_neutral_first_and_neutral_last() {
    let dir = TempDir::new().unwrap();
    let (port, _held, lines) = controller();
    let mut motor = Motor::start(dir.path(), &serial(&port));
    for _ in 0..10 {
        assert_eq!(lines.recv_timeout(PATIENCE).unwrap(), NEUTRAL_LINE);
    }
    motor.signal(Signal::TERM);
    assert_eq!(motor.end().0, Some(0));
    assert_eq!(lines.try_iter().last().unwrap_or_else(|| NEUTRAL_LINE.to_owned()), NEUTRAL_LINE);
}

#[test]
fn outputs_keep_their_rate_without_any_command() {
    let dir = TempDir::new().unwrap();
    let (port, _held, lines) = controller();
    let _motor = Motor::start(dir.path(), &serial(&port));
    lines.recv_timeout(PATIENCE).unwrap();
    let begun = Instant::now();
    for _ in 0..50 {
        lines.recv_timeout(PATIENCE).unwrap();
    }
    let took = begun.elapsed();
    assert!(took > Duration::from_millis(700) && took < Duration::from_secs(5), "50 outputs at 50 Hz took {took:?}");
}

#[test]
fn a_missing_port_is_waited_for_and_a_stop_is_quick_all_the_same() {
    let dir = TempDir::new().unwrap();
    let mut motor = Motor::start(dir.path(), &serial("/dev/offboard-no-such-port"));
    let mut said = BufReader::new(motor.0.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("it is not there") {
        line.clear();
        assert_ne!(said.read_line(&mut line).unwrap(), 0, "it ended instead of waiting");
    }
    assert!(
        line.contains(
            "the motor is out of reach: /dev/offboard-no-such-port: it is not there; no such port is plugged in"
        ),
        "{line}"
    );
    motor.signal(Signal::TERM);
    let begun = Instant::now();
    assert_eq!(motor.0.wait().unwrap().code(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(1));
}

#[test]
fn wrong_parameters_end_with_78_and_say_what_to_mend() {
    let cases = [
        ("{}", "missing field `deadman`"),
        ("{\"deadman\": \"0s\"}", "0 is no bound"),
        ("{\"deadman\": \"300ms\", \"driver\": \"serial\"}", "needs a port"),
        ("{\"deadman\": \"300ms\", \"speed\": 1}", "unknown field `speed`"),
    ];
    for (params, words) in cases {
        let dir = TempDir::new().unwrap();
        let (code, said) = Motor::start(dir.path(), params).end();
        assert_eq!(code, Some(78), "{params}: {said}");
        assert!(said.contains(words), "{params}: {said}");
    }
}
