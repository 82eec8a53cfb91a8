//! `driver = "serial"` over a cable between two real ports (16550) of this machine: the motor at one end, a controller of the test's at
//! the other.

use std::{
    fs::File,
    io::Read,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
        mpsc::{Receiver, channel},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use offboard_tests::{Bed, until};
use rustix::process::Signal;

use crate::{
    robot::{Robot, Stranger},
    support::run,
};

const OURS: &str = "/dev/ttyS2";
const MOTORS: &str = "/dev/ttyS1";
const PATIENCE: Duration = Duration::from_secs(20);
const NEUTRAL: &str = "M 0 0*4D";

/// A controller at its end of the cable: the lines that it gets.
struct Controller {
    lines: Receiver<String>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Controller {
    fn listen(baud: u32) -> Controller {
        run(&format!("stty -F {OURS} {baud} raw -echo min 0 time 1")); // a read waits a tenth of a second
        let (send, lines) = channel();
        let stop = Arc::new(AtomicBool::new(false));
        let ended = stop.clone();
        let mut port = File::open(OURS).expect("a port");
        let thread = thread::spawn(move || {
            let mut line = String::new();
            let mut bytes = [0; 64];
            while !ended.load(Relaxed) {
                let length = port.read(&mut bytes).unwrap_or(0);
                for byte in &bytes[..length] {
                    match byte {
                        b'\n' => drop(send.send(std::mem::take(&mut line))),
                        byte => line.push(char::from(*byte)),
                    }
                }
            }
        });
        Controller { lines, stop, thread: Some(thread) }
    }

    /// The next line.
    fn line(&self) -> String {
        self.lines.recv_timeout(PATIENCE).expect("a line")
    }

    /// Whether a line that begins so came, among whole ones.
    fn hears(&self, words: &str) -> Option<()> {
        let mut heard = self.lines.try_iter().inspect(|line| assert!(is_whole(line), "{line}"));
        heard.any(|line| line.starts_with(words)).then_some(())
    }
}

impl Drop for Controller {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        drop(self.thread.take().map(JoinHandle::join));
    }
}

/// Whether a line is whole: what the controller of the documentation looks at.
fn is_whole(line: &str) -> bool {
    let Some((body, sum)) = line.split_once('*') else { return false };
    u8::from_str_radix(sum, 16) == Ok(body.bytes().fold(0, |sum, byte| sum ^ byte))
}

#[test]
#[ignore = "runs in the virtual machine"]
fn a_serial_controller_gets_neutral_first_whole_lines_and_neutral_last() {
    let controller = Controller::listen(115_200);
    let bed = Bed::new();
    let mut robot = Robot::start(&bed, &format!("driver = \"serial\", port = \"{MOTORS}\""), "");
    assert_eq!(controller.line(), NEUTRAL);
    robot.unlatch();
    for (forward, turn, expected) in
        [(1.0, 0.0, "M 1000 1000*"), (-0.25, 0.5, "M 250 -750*"), (0.0, -1.0, "M -1000 1000*")]
    {
        robot.drive_until(forward, turn, expected, || controller.hears(expected));
    }
    robot.launch.signal(Signal::TERM);
    robot.launch.ended();
    let last = until("the last line", || {
        let mut last = None;
        while let Ok(line) = controller.lines.recv_timeout(Duration::from_millis(300)) {
            last = Some(line);
        }
        last
    });
    assert_eq!(last, NEUTRAL);
}

#[test]
#[ignore = "runs in the virtual machine"]
fn a_serial_port_that_is_unplugged_and_plugged_in_again_gets_neutral_first() {
    let controller = Controller::listen(9_600);
    let bed = Bed::new();
    let mut robot = Robot::start(&bed, &format!("driver = \"serial\", port = \"{MOTORS}\", baud = 9600"), "");
    robot.unlatch();
    robot.drive_until(1.0, 0.0, "ahead", || controller.hears("M 1000 1000*"));
    let device = run(&format!("readlink -f /sys/class/tty/{}/device", &MOTORS[5..]));
    let driver = run(&format!("readlink -f {}/driver", device.trim()));
    let name = device.trim().rsplit('/').next().expect("a name");
    run(&format!("echo {name} > {}/unbind", driver.trim()));
    robot.launch.says(&format!("the motor is out of reach: {MOTORS}: "));
    while controller.lines.recv_timeout(Duration::from_millis(300)).is_ok() {}
    run(&format!("echo {name} > {}/bind", driver.trim()));
    robot.launch.says("the motor is in reach");
    for _ in 0..20 {
        robot.drive_until(1.0, 0.0, "one more command", || Some(()));
    }
    let heard: Vec<String> = controller.lines.try_iter().collect();
    assert!(heard.len() > 5 && heard.iter().all(|line| line == NEUTRAL), "the stick was held all the time: {heard:?}");
    robot.unlatch();
    robot.drive_until(1.0, 0.0, "ahead again", || controller.hears("M 1000 1000*"));
}

#[test]
#[ignore = "runs in the virtual machine"]
fn a_serial_port_that_is_not_allowed_is_told_with_its_mend() {
    run(&format!("chgrp dialout {MOTORS}; chmod 660 {MOTORS}"));
    let params = format!(r#"{{"deadman": "300ms", "driver": "serial", "port": "{MOTORS}"}}"#);
    let told = Stranger::start(&params, 1000).says("ttyS1: ");
    let mend = "permission denied: join its group dialout (sudo usermod -aG dialout $USER) and log in again";
    assert!(told.ends_with(&format!("{MOTORS}: {mend}")), "{told}");
}
