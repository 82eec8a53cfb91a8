//! H-bridges: power on the kernel's PWM, the way on GPIO lines, and in which order they change. The kernel itself notes each change
//! of either, in one list, so nothing that was wrong for a moment only is overlooked.

use std::{fs, path::Path};

use offboard_tests::{Bed, signal, until};
use rustix::process::Signal;

use super::{Board, Lines, mount};
use crate::{robot::Robot, support::figure};

/// Two H-bridges: the lines of one by name, of the other by number.
const BRIDGES: &str = "driver = \"gpio-pwm\", pwm = [\"CHIP/0\", \"CHIP/1\"], frequency = 1000, \
    direction_left = [\"LEFT AHEAD\", \"LEFT BACK\"], direction_right = [\"GPIO/2\", \"GPIO/3\"]";

/// What the kernel notes about PWM outputs and GPIO lines (its tracing), from the beginning to the end.
pub(super) struct Notes(&'static str);

const TRACING: &str = "/sys/kernel/tracing";

impl Notes {
    pub(super) fn begin(events: &'static str) -> Notes {
        mount("tracefs", TRACING);
        fs::write(Path::new(TRACING).join("trace"), "").expect("an empty list");
        for event in events.split(' ') {
            fs::write(Path::new(TRACING).join("events").join(event).join("enable"), "1").expect("a kernel that notes");
        }
        Notes(events)
    }

    pub(super) fn end(self) -> Vec<String> {
        for event in self.0.split(' ') {
            fs::write(Path::new(TRACING).join("events").join(event).join("enable"), "0").expect("as before");
        }
        let text = fs::read_to_string(Path::new(TRACING).join("trace")).expect("a list");
        text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
    }
}

/// One noted change.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Change {
    /// One of four lines became high or low.
    Line(usize, bool),
    /// An output's width, in ns.
    Width(usize, u64),
}

/// What a note says, with the time of it in seconds. `chips` are the kernel's words for the two outputs.
fn change(note: &str, lines: [u32; 4], outputs: &[String; 2]) -> Option<(f64, Change)> {
    let seconds = note.split_whitespace().find_map(|word| word.strip_suffix(':')?.parse::<f64>().ok())?;
    let change = if let Some((_, said)) = note.split_once("gpio_value: ") {
        // gpio_value: 512 set 1
        let mut words = said.split_whitespace();
        let (number, deed, value) = (words.next()?.parse::<u32>().ok()?, words.next()?, words.next()?);
        let line = lines.iter().position(|line| *line == number)?;
        (deed == "set").then_some(Change::Line(line, value == "1"))?
    } else {
        // pwm_apply: 00000000f1e2d3c4: period=1000000 duty_cycle=500000 polarity=0 enabled=1
        let said = note.split_once("pwm_apply: ")?.1;
        let output = outputs.iter().position(|output| said.starts_with(output.as_str()))?;
        Change::Width(output, said.split_once("duty_cycle=")?.1.split(' ').next()?.parse().ok()?)
    };
    Some((seconds, change))
}

/// The kernel's words for the outputs, in the order in which they were first set.
fn outputs(notes: &[String]) -> [String; 2] {
    let mut names: Vec<String> = Vec::new();
    for note in notes {
        let Some(name) = note.split_once("pwm_apply: ").and_then(|(_, said)| said.split(": ").next()) else { continue };
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    names.try_into().unwrap_or_else(|names| panic!("two outputs, not {names:?}"))
}

#[test]
#[ignore = "runs in the virtual machine"]
fn the_way_changes_without_power_and_no_two_lines_are_ever_high() {
    let (bed, board, lines) = (Bed::new(), Board::plug(), Lines::plug());
    let numbers = lines.numbers();
    let notes = Notes::begin("pwm/pwm_apply gpio/gpio_value");
    let mut robot = Robot::start(&bed, &board.params(BRIDGES).replace("GPIO/", &format!("{}/", lines.chip)), "");
    let motor = robot.motor();
    assert_eq!((lines.values(), board.parts()), ([false; 4], [0, 0]), "neutral comes first");
    robot.unlatch();
    let commands = [
        ((1.0, 0.0), [true, false, true, false], [4096, 4096]),
        ((-0.5, 0.0), [false, true, false, true], [2048, 2048]),
        ((0.0, 1.0), [true, false, false, true], [4096, 4096]),
        ((0.0, -0.25), [false, true, true, false], [1024, 1024]),
    ];
    for ((forward, turn), high, power) in commands {
        robot.drive_until(forward, turn, "lines and power", || {
            (lines.values() == high && board.parts() == power).then_some(())
        });
    }
    signal(motor, Signal::TERM);
    until("neutral comes last", || (board.parts() == [0, 0]).then_some(()));
    drop(robot);
    assert_eq!(lines.values(), [false; 4]);
    let notes = notes.end();
    keeps_the_order(&notes, numbers);
}

/// What must hold at each moment of what the kernel noted.
fn keeps_the_order(notes: &[String], numbers: [u32; 4]) {
    let outputs = outputs(notes);
    let (mut high, mut width, mut powerless) = ([false; 4], [0u64; 2], [0.0f64; 2]);
    let mut turns = 0;
    let changes: Vec<(f64, Change)> = notes.iter().filter_map(|note| change(note, numbers, &outputs)).collect();
    for (at, change) in &changes {
        match *change {
            Change::Width(side, next) => {
                let forward_or_back = high[2 * side] != high[2 * side + 1];
                assert!(next == 0 || forward_or_back, "{at}: power without a way\n{changes:#?}");
                if next == 0 && width[side] > 0 {
                    powerless[side] = *at;
                }
                width[side] = next;
            }
            Change::Line(line, next) => {
                let side = line / 2;
                assert_eq!(width[side], 0, "{at}: a line changes under power\n{changes:#?}");
                high[line] = next;
                assert!(!(high[2 * side] && high[2 * side + 1]), "{at}: both lines are high\n{changes:#?}");
                if next {
                    turns += 1;
                    let rest = at - powerless[side];
                    assert!(rest >= 0.001, "{at}: a rest of {rest} s is no period of 1 ms\n{changes:#?}");
                }
            }
        }
    }
    assert!(turns == 7, "the left side took its way four times, the right one three times\n{changes:#?}");
    assert_eq!((high, width), ([false; 4], [0; 2]), "neutral comes last");
}

#[test]
#[ignore = "runs in the virtual machine"]
fn a_killed_motor_loses_its_lines_at_once_and_its_power_by_the_guard() {
    let (bed, board, lines) = (Bed::new(), Board::plug(), Lines::plug());
    let params = board.params(BRIDGES).replace("GPIO/", &format!("{}/", lines.chip));
    let mut robot = Robot::start(&bed, &params, "restart = \"never\"");
    let motor = robot.motor();
    robot.unlatch();
    robot.drive_until(1.0, 0.0, "it drives", || {
        (lines.values() == [true, false, true, false] && board.parts() == [4096; 2]).then_some(())
    });
    signal(motor, Signal::KILL);
    let begun = std::time::Instant::now();
    until("the kernel takes the lines back", || (lines.values() == [false; 4]).then_some(()));
    figure("gpio", "H-bridge: motor killed to lines taken back by the kernel, ms", begun.elapsed().as_millis());
    until("no power", || (board.parts() == [0, 0]).then_some(()));
    figure("gpio", "H-bridge: motor killed to no power by its guard, ms", begun.elapsed().as_millis());
}

#[test]
#[ignore = "runs in the virtual machine"]
fn a_car_has_a_motor_on_an_h_bridge_and_a_servo() {
    // One chip has one period for all its outputs: a servo at 50 Hz and a bridge at 50 Hz share it.
    let (bed, board, lines) = (Bed::new(), Board::plug(), Lines::plug());
    let car = "driver = \"gpio-pwm\", mixing = \"ackermann\", pwm = [\"CHIP/0\", \"CHIP/1\"], frequency = 50, \
        direction_left = [\"LEFT AHEAD\", \"LEFT BACK\"], pulse_right = { min = 1200, neutral = 1500, max = 1800 }";
    let mut robot = Robot::start(&bed, &board.params(car), "");
    robot.unlatch();
    robot.drive_until(-0.5, 1.0, "backward and right", || {
        let there = board.parts() == [2048, super::parts(1800)];
        (there && lines.values() == [false, true, false, false]).then_some(())
    });
}
