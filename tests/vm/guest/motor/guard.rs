//! The board goes on with its last pulse: who brings it to neutral when the motor node cannot.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use offboard_tests::{Bed, lives, signal, until};
use rustix::process::Signal;

use super::chip::{Chip, FULL_AHEAD, MODE1, NEUTRAL, RUNNING};
use crate::{
    robot::Robot,
    support::{figure, run},
};

/// A robot that drives ahead at full speed.
fn driving<'a>(bed: &'a Bed, chip: &mut Chip, lines: &str) -> Robot<'a> {
    let mut robot = Robot::start(bed, &format!("driver = \"pca9685\", bus = \"{}\"", chip.bus), lines);
    until("the board runs", || (chip.read(MODE1) == RUNNING).then_some(()));
    robot.unlatch();
    robot.drive_until(1.0, 0.0, "full ahead", || chip.gives(FULL_AHEAD, FULL_AHEAD));
    robot
}

/// The guard of a motor node: its child.
fn guard(motor: u32) -> Option<u32> {
    let children = fs::read_to_string(format!("/proc/{motor}/task/{motor}/children")).ok()?;
    children.split_whitespace().filter_map(|child| child.parse().ok()).find(|child| lives(*child) && is_deaf(*child))
}

/// Whether a guard has begun: from then on it takes no notice of TERM.
fn is_deaf(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let caught = status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("SigCgt:")?.trim(), 16).ok());
    caught.is_some_and(|caught| caught & 1 << (Signal::TERM.as_raw() - 1) != 0)
}

#[test]
#[ignore = "runs in the virtual machine"]
fn a_killed_motor_leaves_the_board_at_neutral_and_nobody_behind() {
    let mut chip = Chip::powered(0x40);
    let bed = Bed::new();
    let mut robot = driving(&bed, &mut chip, "restart = \"never\"");
    let motor = robot.motor();
    let guard = until("it has a guard", || guard(motor));
    robot.drive_until(1.0, 0.0, "full ahead", || chip.gives(FULL_AHEAD, FULL_AHEAD));
    let killed = Instant::now();
    signal(motor, Signal::KILL);
    until("neutral", || chip.gives(NEUTRAL, NEUTRAL));
    figure(
        "motor",
        "kill -9 of the node, not restarted: to neutral in the registers, ms",
        killed.elapsed().as_millis(),
    );
    robot.launch.says("the motor node is gone without a word: its guard has put the outputs to neutral");
    until("the guard has ended", || (!lives(guard)).then_some(()));
    assert_eq!(chip.gives(NEUTRAL, NEUTRAL), Some(()));
}

#[test]
#[ignore = "runs in the virtual machine"]
fn a_stopped_motor_leaves_the_board_at_neutral_and_goes_on_only_after_neutral() {
    let mut chip = Chip::powered(0x40);
    let bed = Bed::new();
    let mut robot = driving(&bed, &mut chip, "");
    let motor = robot.motor();
    let guard = until("it has a guard", || guard(motor));
    robot.drive_until(1.0, 0.0, "full ahead", || chip.gives(FULL_AHEAD, FULL_AHEAD));
    let stopped = Instant::now();
    signal(motor, Signal::STOP);
    until("neutral", || chip.gives(NEUTRAL, NEUTRAL));
    figure(
        "motor",
        "kill -STOP of the node: to neutral in the registers (hold 1 s), ms",
        stopped.elapsed().as_millis(),
    );
    robot
        .launch
        .says("the motor node was silent for 1000 ms while something moved: its guard has put the outputs to neutral");
    thread::sleep(Duration::from_millis(200)); // the last word to the guard was a little older than the last command
    signal(motor, Signal::CONT);
    for _ in 0..20 {
        robot.drive_until(1.0, 0.0, "one more command", || Some(()));
        assert_eq!(chip.gives(NEUTRAL, NEUTRAL), Some(()), "the stick was held all the time");
    }
    robot.unlatch();
    robot.drive_until(1.0, 0.0, "full ahead again", || chip.gives(FULL_AHEAD, FULL_AHEAD));
    robot.launch.signal(Signal::TERM);
    robot.launch.ended();
    assert!(!lives(guard) && chip.gives(NEUTRAL, NEUTRAL).is_some());
}

#[test]
#[ignore = "runs in the virtual machine"]
fn a_motor_killed_with_its_guard_is_started_again_with_neutral() {
    let mut chip = Chip::powered(0x40);
    let bed = Bed::new();
    let robot = driving(&bed, &mut chip, "");
    let motor = robot.motor();
    run(&format!("kill -KILL -{motor}"));
    until("neutral", || chip.gives(NEUTRAL, NEUTRAL));
    let again = until("it is started again", || Some(robot.motor()).filter(|pid| *pid != motor));
    until("it has a guard of its own", || guard(again));
}

#[test]
#[ignore = "runs in the virtual machine"]
fn a_guard_that_is_killed_is_replaced_and_the_motor_drives_on() {
    let mut chip = Chip::powered(0x40);
    let bed = Bed::new();
    let mut robot = driving(&bed, &mut chip, "restart = \"never\"");
    let motor = robot.motor();
    let old = until("it has a guard", || guard(motor));
    signal(old, Signal::KILL);
    robot.drive_until(1.0, 0.0, "another guard", || guard(motor).filter(|pid| *pid != old));
    robot.drive_until(1.0, 0.0, "full ahead", || chip.gives(FULL_AHEAD, FULL_AHEAD));
    robot.launch.says("the guard of the outputs has ended");
    signal(motor, Signal::KILL);
    until("neutral", || chip.gives(NEUTRAL, NEUTRAL));
}
