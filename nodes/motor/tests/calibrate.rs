//! The calibration as a process: what its controller gets while a person answers, and what stands on its stdout.
//! Nothing here needs a launcher.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{
    fs::File,
    io::{BufRead, BufReader, Read, Write},
    os::fd::OwnedFd,
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};

use rustix::{
    process::{Pid, Signal, kill_process},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{LocalModes, tcgetattr},
};

const PATIENCE: Duration = Duration::from_secs(20);
const NEUTRAL_LINE: &str = "M 0 0*4D";

/// What the controller gets for these outputs, in thousandths.
fn line(left: i32, right: i32) -> String {
    let body = format!("M {left} {right}");
    format!("{body}*{:02X}", body.bytes().fold(0, |sum, byte| sum ^ byte))
}

/// A pair of pseudo terminals: our end and the path of theirs.
fn pty() -> (OwnedFd, String) {
    let pty = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&pty).unwrap();
    unlockpt(&pty).unwrap();
    let path = ptsname(&pty, Vec::new()).unwrap().into_string().unwrap();
    (pty, path)
}

fn lines(from: impl Read + Send + 'static) -> Receiver<String> {
    let (send, lines) = channel();
    thread::spawn(move || BufReader::new(from).lines().map_while(Result::ok).try_for_each(|line| send.send(line)));
    lines
}

/// A calibration of a motor on a serial port, its controller and its person.
struct Talk {
    child: Child,
    person: File,
    said: Receiver<String>,
    controller: Receiver<String>,
    /// Keeps the pty while nobody else has it open.
    held: Option<File>,
}

impl Drop for Talk {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn command(params: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_motor"));
    command.arg("calibrate").env_clear().env("LAUNCH_GRAPH", "robot").env("LAUNCH_NODE", "motor");
    command.env("LAUNCH_PARAMS", params).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

impl Talk {
    /// With a person who writes into `stdin`; `person` is our end of it.
    fn begin(stdin: Stdio, person: File) -> Talk {
        let (port, path) = pty();
        let held = Some(File::options().read(true).write(true).open(&path).unwrap());
        let params = format!(r#"{{"driver": "serial", "port": "{path}", "deadman": "300ms", "turn_limit": 0.5}}"#);
        let mut child = command(&params).stdin(stdin).spawn().unwrap();
        let said = lines(child.stderr.take().unwrap());
        let talk = Talk { child, person, said, controller: lines(File::from(port)), held };
        talk.until_said("lift the robot");
        talk
    }

    fn by_lines() -> Talk {
        let (theirs, ours) = std::io::pipe().unwrap();
        Talk::begin(theirs.into(), File::from(OwnedFd::from(ours)))
    }

    fn say(&mut self, text: &str) {
        self.person.write_all(text.as_bytes()).unwrap();
    }

    #[track_caller]
    fn until_said(&self, words: &str) {
        let mut all = String::new();
        loop {
            let line = self.said.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("no {words:?} in {all:?}"));
            if line.contains(words) {
                return;
            }
            all += &(line + "\n");
        }
    }

    /// Waits until the controller gets this line.
    #[track_caller]
    fn until_put(&self, wanted: &str) {
        let late = Instant::now() + PATIENCE;
        let mut last = String::new();
        while last != wanted {
            assert!(Instant::now() < late, "no {wanted}, the last was {last}");
            last = self.controller.recv_timeout(PATIENCE).unwrap();
        }
    }

    /// The exit code, and what stands on stdout.
    fn end(&mut self) -> (Option<i32>, String) {
        let late = Instant::now() + PATIENCE;
        while self.child.try_wait().unwrap().is_none() {
            assert!(Instant::now() < late, "it does not end");
            thread::sleep(Duration::from_millis(2));
        }
        let mut out = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
        (self.child.wait().unwrap().code(), out)
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// What the controller gets last, of a motor that has ended.
    fn last_put(&mut self) -> String {
        self.held = None; // the controller reads to the end
        let (late, mut last) = (Instant::now() + PATIENCE, None);
        loop {
            match self.controller.recv_timeout(late.saturating_duration_since(Instant::now())) {
                Ok(line) => last = Some(line),
                Err(RecvTimeoutError::Disconnected) => return last.expect("a line after the one that was waited for"),
                Err(RecvTimeoutError::Timeout) => panic!("somebody still has the port"),
            }
        }
    }
}

#[test]
fn a_person_s_lines_move_the_motor_and_become_parameters() {
    let mut talk = Talk::by_lines();
    talk.until_put(NEUTRAL_LINE);
    talk.say("ok\n+\n+\n");
    talk.until_put(&line(100, 0));
    talk.say("n\n");
    talk.until_put(NEUTRAL_LINE);
    talk.say("-\n");
    talk.until_put(&line(0, -50));
    talk.say("n\n");
    talk.until_said("forward: at most 100 %");
    talk.say("25\n50\n60\n");
    talk.until_put(&line(-600, 600));
    // The last word, and what is not for this program any more.
    talk.say("ok\nok\nnot ours\n");
    let (code, out) = talk.end();
    assert_eq!((code, out.as_str()), (Some(0), "{\"forward_limit\":0.6,\"invert_left\":true}\n"));
    assert_eq!(talk.last_put(), NEUTRAL_LINE);
}

#[test]
fn nothing_moves_for_longer_than_two_seconds_after_the_last_word() {
    let mut talk = Talk::by_lines();
    talk.say("ok\n25\n50\n");
    talk.until_put(&line(500, 0));
    let moved = Instant::now();
    talk.until_put(NEUTRAL_LINE);
    let after = moved.elapsed();
    assert!(after > Duration::from_millis(1500) && after < Duration::from_secs(4), "{after:?}");
    talk.until_said("at neutral: no key for 2 s");
    talk.say("+\n");
    talk.until_put(&line(550, 0));
}

#[test]
fn however_it_ends_the_last_is_neutral_and_nothing_is_new() {
    let cases: [(&str, Option<Signal>, i32); 5] = [
        ("quit\n", None, 1),
        ("", None, 1), // the answers end
        ("", Some(Signal::INT), 130),
        ("", Some(Signal::TERM), 143),
        ("", Some(Signal::HUP), 129),
    ];
    for (word, signal, wanted) in cases {
        let mut talk = Talk::by_lines();
        talk.say("ok\n25\n50\n");
        talk.until_put(&line(500, 0));
        talk.say(word);
        match signal {
            Some(signal) => talk.signal(signal),
            None => talk.person = File::open("/dev/null").unwrap(),
        }
        assert_eq!(talk.end(), (Some(wanted), String::new()), "{word:?} {signal:?}");
        assert_eq!(talk.last_put(), NEUTRAL_LINE, "{word:?} {signal:?}");
        talk.until_said("nothing was changed");
    }
}

#[test]
fn keys_of_a_terminal_need_no_enter_and_the_terminal_is_left_as_it_was() {
    let (ours, path) = pty();
    let terminal = File::options().read(true).write(true).open(&path).unwrap();
    let before = tcgetattr(&terminal).unwrap();
    let mut talk = Talk::begin(terminal.try_clone().unwrap().into(), File::from(ours));
    talk.say("\n\x1b[C");
    talk.until_put(&line(50, 0));
    let during = tcgetattr(&terminal).unwrap().local_modes;
    assert!(!during.intersects(LocalModes::ICANON | LocalModes::ECHO) && during.contains(LocalModes::ISIG));
    talk.say("\x1b[A");
    talk.until_put(&line(300, 0));
    talk.say("45\n");
    talk.until_put(&line(450, 0));
    // The words of the other manner are told to be none; nothing moves by them.
    talk.say("ok");
    talk.until_said("\"k\" is no answer: + or -, 1480 and Enter, Enter, y, n or q");
    talk.say("1\x1b[C");
    talk.until_put(&line(500, 0));
    // The 1 is forgotten: this is Enter alone, which keeps the way and asks for the other wheel.
    talk.say("\n");
    talk.until_put(NEUTRAL_LINE);
    talk.until_said("right: + until it moves");
    talk.say("q");
    assert_eq!(talk.end(), (Some(1), String::new()));
    assert_eq!(tcgetattr(&terminal).unwrap().local_modes, before.local_modes);
}

#[test]
fn one_whose_launch_died_before_it_began_moves_nothing() {
    let begin = |parent: u32| {
        let mut command = command(r#"{"driver": "virtual", "deadman": "300ms"}"#);
        let out = command.env("LAUNCH_PARENT", parent.to_string()).stdin(Stdio::null()).output().unwrap();
        (out.status.code(), String::from_utf8(out.stderr).unwrap())
    };
    let mut gone = Command::new("true").spawn().unwrap();
    gone.wait().unwrap();
    let (code, text) = begin(gone.id());
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("which this should end with") && !text.contains("lift the robot"), "{text}");
    let (code, text) = begin(std::process::id());
    assert_eq!(code, Some(1), "its answers have ended: {text}");
    assert!(text.contains("lift the robot"), "{text}");
}

#[test]
fn what_cannot_be_calibrated_is_told() {
    let said = |params: &str| {
        let out = command(params).stdin(Stdio::null()).output().unwrap();
        assert!(out.stdout.is_empty());
        (out.status.code(), String::from_utf8(out.stderr).unwrap())
    };
    let (code, text) = said(r#"{"deadman": "300ms", "driver": "serial", "port": "/dev/offboard-no-such-port"}"#);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("there is no motor to calibrate: /dev/offboard-no-such-port"), "{text}");
    let (code, text) = said(r#"{"deadman": "0s"}"#);
    assert_eq!(code, Some(78), "{text}");
    let out = Command::new(env!("CARGO_BIN_EXE_motor")).arg("calibrate").env_clear().output().unwrap();
    let text = String::from_utf8(out.stderr).unwrap();
    assert!(text.contains("launch calibrate motor"), "{text}");
}
