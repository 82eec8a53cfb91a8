//! The serial driver against a pseudo terminal: what the controller really gets.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use tempfile::TempDir;

use super::*;
use crate::driver::{
    Driver,
    desk::{Desk, STOP_WITHIN},
};

/// Every wait of these tests ends here.
const PATIENCE: Duration = Duration::from_secs(10);
const HOLD: Duration = Duration::from_secs(60);
const AHEAD: Wheels = Wheels { left: 1.0, right: 0.5 };
const AHEAD_LINE: &str = "M 1000 500*79";
const NEUTRAL_LINE: &str = "M 0 0*4D";

/// A controller's end of a port that can be unplugged.
struct Controller {
    pty: File,
    lines: Receiver<String>,
}

/// Plugs a controller in at `path`.
fn plug(path: &Path) -> Controller {
    let pty = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&pty).unwrap();
    unlockpt(&pty).unwrap();
    drop(std::fs::remove_file(path));
    symlink(ptsname(&pty, Vec::new()).unwrap().to_str().unwrap(), path).unwrap();
    let pty = File::from(pty);
    let reader = pty.try_clone().unwrap();
    let (send, lines) = channel();
    thread::spawn(move || {
        let mut reader = BufReader::new(reader);
        loop {
            let mut line = String::new();
            match reader.read_line(&mut line) {
                Ok(1..) if send.send(line.trim_end().to_owned()).is_ok() => {}
                // A pty nobody has open at the other end reads as an error.
                Err(_) if Path::new("/dev/ptmx").exists() => thread::sleep(Duration::from_millis(1)),
                _ => return,
            }
        }
    });
    Controller { pty, lines }
}

impl Controller {
    fn line(&self) -> String {
        self.lines.recv_timeout(PATIENCE).unwrap()
    }

    /// Waits for a line, whatever comes before.
    fn wait_for(&self, line: &str) {
        let found = (0..1000).any(|_| self.line() == line); // more than any test writes
        assert!(found, "{line} did not come");
    }
}

fn port() -> (TempDir, PathBuf) {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("port");
    (dir, path)
}

fn wait_until(fact: impl Fn() -> bool) {
    let late = Instant::now() + PATIENCE;
    while !fact() {
        assert!(Instant::now() < late, "it did not become so");
        thread::sleep(Duration::from_millis(1));
    }
}

fn start(path: &Path, hold: Duration) -> Desk {
    let port = path.to_str().unwrap().to_owned();
    Desk::start(Serial(Settings { port, baud: 115_200, hold }), hold).unwrap()
}

#[test]
fn a_line_carries_both_outputs_and_their_sum() {
    let table = [
        (Wheels::NEUTRAL, "M 0 0*4D\n"),
        (Wheels { left: 0.25, right: -1.0 }, "M 250 -1000*56\n"),
        (Wheels { left: 1.0, right: 0.5 }, "M 1000 500*79\n"),
        (Wheels { left: 7.0, right: f32::NEG_INFINITY }, "M 1000 -1000*"),
        (Wheels { left: f32::NAN, right: -0.0 }, "M 0 0*4D\n"),
    ];
    for (wheels, expected) in table {
        assert!(line(wheels).starts_with(expected), "{} is not {expected}", line(wheels));
    }
}

#[test]
fn the_first_and_the_last_line_are_neutral() {
    let (_dir, path) = port();
    let controller = plug(&path);
    let mut serial = start(&path, HOLD);
    assert_eq!(controller.line(), NEUTRAL_LINE);
    wait_until(|| serial.trouble().is_none());
    serial.put(0, AHEAD).unwrap();
    assert_eq!(controller.line(), AHEAD_LINE);
    drop(serial);
    assert_eq!(controller.line(), NEUTRAL_LINE);
    assert_eq!(controller.lines.recv_timeout(Duration::from_millis(50)), Err(RecvTimeoutError::Timeout));
}

#[test]
fn an_output_from_before_the_port_was_open_is_never_written() {
    let (_dir, path) = port();
    let mut serial = start(&path, HOLD);
    wait_until(|| serial.trouble().is_some_and(|trouble| trouble.contains("it is not there")));
    serial.put(0, AHEAD).unwrap();
    let controller = plug(&path);
    assert_eq!(controller.line(), NEUTRAL_LINE);
    wait_until(|| serial.trouble().is_none());
    drop(serial);
    assert_eq!(controller.line(), NEUTRAL_LINE);
}

#[test]
fn an_unplugged_controller_is_found_again_and_gets_neutral_first() {
    let (_dir, path) = port();
    let controller = plug(&path);
    let mut serial = start(&path, HOLD);
    wait_until(|| serial.trouble().is_none());
    serial.put(0, AHEAD).unwrap();
    controller.wait_for(AHEAD_LINE);

    let Controller { pty, lines } = controller;
    // The reading thread holds the other copy; without a listener it ends at its next line.
    drop((pty, lines));
    let late = Instant::now() + PATIENCE;
    while serial.trouble().is_none() {
        serial.put(0, AHEAD).unwrap();
        assert!(Instant::now() < late, "an unplugged port goes unnoticed");
        thread::sleep(Duration::from_millis(1));
    }

    let controller = plug(&path);
    serial.put(0, AHEAD).unwrap();
    assert_eq!(controller.line(), NEUTRAL_LINE);
    wait_until(|| serial.trouble().is_none());
    serial.put(0, AHEAD).unwrap();
    assert_eq!(controller.line(), AHEAD_LINE);
}

#[test]
fn a_work_loop_that_hangs_brings_neutral() {
    let (_dir, path) = port();
    let controller = plug(&path);
    let mut serial = start(&path, Duration::from_millis(30));
    wait_until(|| serial.trouble().is_none());
    serial.put(0, AHEAD).unwrap();
    controller.wait_for(AHEAD_LINE);
    assert_eq!(controller.line(), NEUTRAL_LINE);
}

#[test]
fn a_port_that_blocks_delays_no_output_and_is_noticed() {
    let (_dir, path) = port();
    let pty = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&pty).unwrap();
    unlockpt(&pty).unwrap();
    symlink(ptsname(&pty, Vec::new()).unwrap().to_str().unwrap(), &path).unwrap();
    let mut serial = start(&path, HOLD);
    wait_until(|| serial.trouble().is_none());
    let late = Instant::now() + PATIENCE;
    let mut slowest = Duration::ZERO;
    while serial.trouble().is_none() {
        let began = Instant::now();
        serial.put(0, AHEAD).unwrap(); // nobody reads: the pty fills up
        slowest = slowest.max(began.elapsed());
        assert!(Instant::now() < late, "a port that blocks goes unnoticed");
    }
    assert!(slowest < WRITE_WITHIN, "an output waited {slowest:?} for the port");
    let began = Instant::now();
    drop(serial);
    assert!(began.elapsed() < STOP_WITHIN + Duration::from_millis(100), "the end waits for a port that blocks");
}

#[test]
fn a_controller_that_talks_is_heard_and_not_needed() {
    let (_dir, path) = port();
    let mut controller = plug(&path);
    let mut serial = start(&path, HOLD);
    wait_until(|| serial.trouble().is_none());
    controller.pty.write_all(&[b'x'; 3 * REPLY_MAX]).unwrap();
    for _ in 0..8 {
        serial.put(0, AHEAD).unwrap();
        controller.wait_for(AHEAD_LINE);
    }
    assert_eq!(serial.trouble(), None);
}
