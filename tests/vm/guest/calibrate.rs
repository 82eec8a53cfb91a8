//! `launch calibrate` with a servo board: its registers follow the person, the graph file remembers, and the motor node obeys that.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    process::{Child, ChildStdin, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant},
};

use offboard::{Drive, MotorState};
use offboard_tests::{Bed, EAR, LIMIT, lives, signal, until};
use prost::Message;
use rustix::process::Signal;

use crate::{
    motor::chip::{Chip, NEUTRAL},
    support::figure,
};

/// The ticks of 1480, 1600, 1900 and 1100 µs at 50 Hz.
const AT_1480: u16 = 303;
const AT_1600: u16 = 328;
const AT_1900: u16 = 389;
const AT_1100: u16 = 225;

/// A graph file as somebody wrote it.
fn file(bus: &str) -> String {
    format!(
        "# The car.\n[graph]\nname = \"car\"\n\n\
         [node.hand]\n{EAR}\npublish = {{ drive = \"Drive\" }}\n\n\
         [node.motor]            # servo board under the seat\n\
         subscribe = {{ drive = \"hand/drive\" }}\n\n\
         [node.motor.params]\ndeadman = \"1s\"\ndriver = \"pca9685\"\nbus = \"{bus}\"\n\
         # found with the wheels in the air\n\
         pulse_left = {{ min = 1_000, neutral = 1500, max = 2000 }} # µs\n"
    )
}

/// A calibration under way.
struct Talk {
    child: Child,
    person: ChildStdin,
    said: Receiver<String>,
}

impl Talk {
    fn begin(bed: &Bed) -> Talk {
        let mut command = bed.command("launch");
        command.args(["calibrate", "motor", "--file", "car.toml"]);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("launch starts");
        let (tell, said) = channel();
        let lines = BufReader::new(child.stderr.take().expect("piped")).lines();
        thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| tell.send(line)));
        let person = child.stdin.take().expect("piped");
        let talk = Talk { child, person, said };
        talk.until_said("lift the robot");
        talk
    }

    fn until_said(&self, words: &str) {
        let mut all = Vec::new();
        while let Ok(line) = self.said.recv_timeout(LIMIT) {
            if line.contains(words) {
                return;
            }
            all.push(line);
        }
        panic!("it never said {words:?} but {all:?}");
    }

    fn say(&mut self, lines: &str) {
        self.person.write_all(lines.as_bytes()).expect("it listens");
    }

    /// The process of the motor's own calibration.
    fn motor(&self) -> u32 {
        let id = self.child.id();
        until("launch has started the motor's own calibration", || {
            let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).ok()?;
            children.split_whitespace().next()?.parse().ok()
        })
    }

    /// The exit code, and what stands on stdout.
    fn end(mut self) -> (Option<i32>, String) {
        // Its input stays open: a person who is gone would be another end.
        let mut out = String::new();
        self.child.stdout.take().expect("piped").read_to_string(&mut out).expect("text");
        (self.child.wait().expect("ours").code(), out)
    }
}

#[test]
#[ignore = "runs in the virtual machine"]
fn the_registers_follow_the_person_and_the_file_remembers() {
    let mut chip = Chip::powered(0x40);
    let bed = Bed::new();
    let path = bed.file("car.toml", &file(&chip.bus));
    let began = Instant::now();
    let mut talk = Talk::begin(&bed);
    until("neutral first", || chip.gives(NEUTRAL, NEUTRAL));
    talk.say("ok\n-\n-\n-10\n");
    until("the left output follows", || chip.gives(AT_1480, NEUTRAL));
    talk.say("ok\n");
    talk.until_said("Does it go forward?");
    until("what was found is neutral now", || chip.gives(AT_1480, NEUTRAL));
    talk.say("1540\n1600\n");
    until("forward", || chip.gives(AT_1600, NEUTRAL));
    talk.say("n\n1580\n1680\n1780\n1880\n1900\n");
    until("the far end", || chip.gives(AT_1900, NEUTRAL));
    let moved = Instant::now();
    until("neutral after silence", || chip.gives(AT_1480, NEUTRAL));
    figure(
        "calibrate",
        "from the last key to neutral, s (2 are meant)",
        format!("{:.1}", moved.elapsed().as_secs_f64()),
    );
    talk.say("ok\n1380\n1280\n1180\n1100\n");
    until("the near end", || chip.gives(AT_1100, NEUTRAL));
    // The right output stays as it is; the last word is the answer to launch.
    talk.say("ok\nok\nok\nok\nok\ny\n");
    let (code, shown) = talk.end();
    figure("calibrate", "a whole calibration, s", format!("{:.1}", began.elapsed().as_secs_f64()));
    assert_eq!(code, Some(0), "{shown}");
    assert_eq!(chip.gives(AT_1480, NEUTRAL), Some(()), "neutral last");
    let wanted = file(&chip.bus)
        .replace("min = 1_000, neutral = 1500, max = 2000", "min = 1100, neutral = 1480, max = 1900")
        + "invert_left = true\n";
    assert_eq!(fs::read_to_string(&path).expect("its file"), wanted);
    assert!(shown.contains("+ pulse_left = { min = 1100, neutral = 1480, max = 1900 } # µs\n"), "{shown}");

    // The motor node obeys what was found: forward is the short pulse now.
    chip.power_on();
    let launch = bed.launch(&[path]);
    launch.all_ready(2);
    until("neutral as it was found", || chip.gives(AT_1480, NEUTRAL));
    let mut drive = bed.mouth("car", "hand/drive", "motor", "drive");
    let late = Instant::now() + LIMIT;
    let mut say = |forward: f32| {
        drive.say(Drive { forward, source: "hand".to_owned(), ..Drive::default() });
        thread::sleep(Duration::from_millis(20));
    };
    // Neutral first: a motor that was just started obeys nobody who is moving.
    let mut state = bed.tap("car", "motor/state");
    while MotorState::decode(state.newest().payload.clone()).expect("a state").accepted == 0 {
        say(0.0);
        assert!(Instant::now() < late, "the motor obeys nobody\n{}", launch.log());
    }
    while chip.pulse(0) != AT_1100 {
        say(1.0);
        assert!(Instant::now() < late, "the motor gives {}\n{}", chip.pulse(0), launch.log());
    }
}

fn name(signal: Signal) -> &'static str {
    match signal {
        Signal::INT => "Ctrl-C",
        Signal::KILL => "kill -9",
        _ => "kill -STOP",
    }
}

#[test]
#[ignore = "runs in the virtual machine"]
fn however_it_is_ended_the_board_is_at_neutral_and_the_file_as_it_was() {
    let mut chip = Chip::powered(0x40);
    let bed = Bed::new();
    let path = bed.file("car.toml", &file(&chip.bus));
    // Who is ended, how, and with what launch ends.
    let cases: [(&str, Signal, Option<i32>); 4] = [
        ("launch", Signal::INT, Some(143)),
        ("launch", Signal::KILL, None),
        ("motor", Signal::KILL, Some(137)),
        ("motor", Signal::STOP, None),
    ];
    for (who, how, code) in cases {
        let mut talk = Talk::begin(&bed);
        talk.say("ok\n1600\n");
        until("it moves", || chip.gives(AT_1600, NEUTRAL));
        let motor = talk.motor();
        signal(if who == "launch" { talk.child.id() } else { motor }, how);
        let began = Instant::now();
        until(&format!("neutral after {} of {who}", name(how)), || chip.gives(NEUTRAL, NEUTRAL));
        figure("calibrate", &format!("{} of {who} to neutral, ms", name(how)), began.elapsed().as_millis());
        if how == Signal::STOP {
            signal(talk.child.id(), Signal::TERM);
            assert_eq!(talk.end().0, Some(143));
        } else {
            assert_eq!(talk.end().0, code, "{} of {who}", name(how));
        }
        until("nobody is left", || (!lives(motor)).then_some(()));
        assert_eq!(chip.gives(NEUTRAL, NEUTRAL), Some(()), "it stays at neutral");
    }
    assert_eq!(fs::read_to_string(path).expect("its file"), file(&chip.bus));
}
