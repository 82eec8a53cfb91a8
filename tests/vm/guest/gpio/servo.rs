//! Servo pulses through the kernel's PWM, read in the registers of the chip behind it.

use offboard_tests::{Bed, signal, until};
use rustix::process::Signal;

use super::{Board, SERVOS, bridge::Notes, parts};
use crate::{robot::Robot, support::figure};

/// What neutral is in the chip's registers, left and right.
fn neutral() -> [u32; 2] {
    [parts(1480), parts(1500)]
}

#[test]
#[ignore = "runs in the virtual machine"]
fn pulses_reach_the_chip_and_are_neutral_first_and_last() {
    let (bed, board) = (Bed::new(), Board::plug());
    assert_eq!(board.parts(), [0, 0]);
    let mut robot = Robot::start(&bed, &board.params(SERVOS), "");
    let motor = robot.motor();
    until("neutral comes first", || (board.parts() == neutral()).then_some(()));
    assert_eq!(board.registers()[0xfe], 121, "50 Hz");
    robot.unlatch();
    let commands = [
        ((1.0, 0.0), [1900, 2000]),
        ((-1.0, 0.0), [1100, 1000]),
        ((0.0, 1.0), [1900, 1000]),
        ((0.5, 0.0), [1690, 1750]),
    ];
    for ((forward, turn), pulses) in commands {
        robot.drive_until(forward, turn, "the pulses", || (board.parts() == pulses.map(parts)).then_some(()));
    }
    signal(motor, Signal::TERM);
    until("neutral comes last", || (board.parts() == neutral()).then_some(()));
    drop(robot);
    assert_eq!(board.parts(), neutral());
    assert_eq!([board.file(0, "enable"), board.file(1, "enable")], [Some(1), Some(1)], "an ESC keeps its pulse");
}

#[test]
#[ignore = "runs in the virtual machine"]
fn a_killed_motor_is_put_to_neutral_by_its_guard_and_so_is_one_that_hangs() {
    let (bed, board) = (Bed::new(), Board::plug());
    let mut robot = Robot::start(&bed, &board.params(SERVOS), "restart = \"never\"");
    let motor = robot.motor();
    robot.unlatch();
    let ahead = [parts(1900), parts(2000)];
    robot.drive_until(1.0, 0.0, "it drives", || (board.parts() == ahead).then_some(()));
    signal(motor, Signal::STOP);
    let begun = std::time::Instant::now();
    until("neutral by the guard of a hanging node", || (board.parts() == neutral()).then_some(()));
    figure("gpio", "motor stopped (SIGSTOP) to neutral by its guard, hold 1000 ms; ms", begun.elapsed().as_millis());
    signal(motor, Signal::CONT);
    robot.unlatch();
    robot.drive_until(1.0, 0.0, "it drives again", || (board.parts() == ahead).then_some(()));
    signal(motor, Signal::KILL);
    let begun = std::time::Instant::now();
    until("neutral by the guard of a killed node", || (board.parts() == neutral()).then_some(()));
    figure("gpio", "motor killed (SIGKILL) to neutral by its guard, ms", begun.elapsed().as_millis());
}

#[test]
#[ignore = "runs in the virtual machine"]
fn a_chip_that_goes_and_comes_is_said_and_begins_with_neutral() {
    let (bed, mut board) = (Bed::new(), Board::plug());
    let by_device = SERVOS.replace("CHIP", &board.device());
    let mut robot = Robot::start(&bed, &by_device, "");
    robot.unlatch();
    let ahead = [parts(1900), parts(2000)];
    robot.drive_until(1.0, 0.0, "it drives", || (board.parts() == ahead).then_some(()));
    board.unbind();
    robot.launch.says("vanished: its chip or its driver was taken away");
    robot.launch.says(&format!("there is no PWM chip {}", board.device()));
    board.bind();
    until("neutral comes first", || (board.parts() == neutral()).then_some(()));
    // The stick was never let go: nothing moves until it is.
    for _ in 0..20 {
        robot.drive_until(1.0, 0.0, "said", || Some(()));
        assert_eq!(board.parts(), neutral());
    }
    robot.unlatch();
    robot.drive_until(1.0, 0.0, "it drives again", || (board.parts() == ahead).then_some(()));
}

#[test]
#[ignore = "runs in the virtual machine"]
fn a_restarted_motor_does_not_interrupt_its_pulses() {
    let (bed, board) = (Bed::new(), Board::plug());
    let start = || Robot::start(&bed, &board.params(SERVOS), "");
    start().unlatch();
    assert_eq!(board.parts(), neutral());
    // What the kernel notes about the chip's outputs from here on.
    let notes = Notes::begin("pwm/pwm_apply");
    start().unlatch();
    let notes = notes.end();
    let widths: Vec<&str> =
        notes.iter().filter_map(|line| line.split("duty_cycle=").nth(1)?.split(' ').next()).collect();
    assert!(widths.iter().all(|width| ["1480000", "1500000"].contains(width)), "{notes:#?}");
    assert!(!notes.iter().any(|line| line.contains("enabled=0")), "{notes:#?}");
}
