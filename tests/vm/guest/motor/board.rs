//! `driver = "pca9685"`: each register of the board, from the first to the last output.

use std::{
    os::unix::fs::{PermissionsExt, chown},
    time::Instant,
};

use offboard_tests::{Bed, until};
use rustix::process::Signal;

use super::chip::{Chip, FULL_AHEAD, FULL_BACK, MODE1, MODE2, NEUTRAL, PRE_SCALE, RUNNING};
use crate::{
    robot::{Robot, Stranger},
    support::{figure, load, run},
};

/// The group i2c of this machine.
const I2C: u32 = 110;
const NOBODY: u32 = 1000;

fn pca9685(chip: &Chip, more: &str) -> String {
    format!("driver = \"pca9685\", bus = \"{}\"{more}", chip.bus)
}

fn awake(chip: &mut Chip) {
    until("the board runs", || (chip.read(MODE1) == RUNNING).then_some(()));
}

#[test]
#[ignore = "runs in the virtual machine"]
fn a_board_is_given_neutral_first_each_pulse_by_its_value_and_neutral_last() {
    let mut chip = Chip::powered(0x40);
    let bed = Bed::new();
    let mut robot = Robot::start(&bed, &pca9685(&chip, ""), "");
    awake(&mut chip);
    assert_eq!([MODE1, MODE2, PRE_SCALE].map(|register| chip.read(register)), [RUNNING, 0x04, 121]);
    assert_eq!([chip.output(0), chip.output(1)], [[0, 0, 0x33, 0x01]; 2], "1500 µs, from the period's begin");
    assert_eq!(
        (2..16).map(|output| chip.output(output)).max(),
        Some([0, 0, 0, 0x10]),
        "the other outputs are as they were"
    );
    robot.unlatch();
    let cases = [
        (1.0, 0.0, FULL_AHEAD, FULL_AHEAD),
        (-1.0, 0.0, FULL_BACK, FULL_BACK),
        (0.0, 1.0, FULL_AHEAD, FULL_BACK),
        (0.5, 0.0, 359, 359),   // 1750 µs
        (-0.25, 0.0, 282, 282), // 1375 µs
        (0.5, -0.25, 333, 384), // 1625 and 1875 µs
    ];
    for (forward, turn, left, right) in cases {
        robot.drive_until(forward, turn, &format!("{forward} {turn}"), || chip.gives(left, right));
    }
    robot.drive_until(1.0, 0.0, "full ahead", || chip.gives(FULL_AHEAD, FULL_AHEAD));
    robot.launch.signal(Signal::TERM);
    robot.launch.ended();
    assert_eq!([chip.output(0), chip.output(1)], [[0, 0, 0x33, 0x01]; 2]);
    assert_eq!(chip.read(MODE1), RUNNING, "it goes on with neutral: an ESC stays armed");
}

#[test]
#[ignore = "runs in the virtual machine"]
fn a_car_has_its_own_pulses_channels_address_and_sense() {
    let mut chip = Chip::powered(0x41);
    let bed = Bed::new();
    let more = ", address = 0x41, channels = [15, 3], frequency = 60, mixing = \"ackermann\", invert_right = true, \
                pulse_left = { min = 1100, neutral = 1480, max = 1900 }, pulse_right = { min = 900, neutral = 1550, max = 2100 }";
    let mut robot = Robot::start(&bed, &pca9685(&chip, more), "");
    awake(&mut chip);
    assert_eq!(chip.read(PRE_SCALE), 101); // a tick is 4.08 µs
    assert_eq!([chip.pulse(15), chip.pulse(3)], [363, 380], "1480 and 1550 µs");
    assert_eq!(chip.output(0), [0, 0, 0, 0x10]);
    robot.unlatch();
    for (forward, turn, drive, steering) in [(1.0, 1.0, 466, 221), (-0.5, -1.0, 316, 515), (0.0, 0.5, 363, 300)] {
        robot.drive_until(forward, turn, &format!("{forward} {turn}"), || {
            ([chip.pulse(15), chip.pulse(3)] == [drive, steering]).then_some(())
        });
    }
}

#[test]
#[ignore = "runs in the virtual machine"]
fn silence_brings_the_board_to_neutral() {
    let mut chip = Chip::powered(0x40);
    let bed = Bed::new();
    let mut robot = Robot::start(&bed, &pca9685(&chip, ""), "");
    awake(&mut chip);
    robot.unlatch();
    robot.drive_until(1.0, 0.0, "full ahead", || chip.gives(FULL_AHEAD, FULL_AHEAD));
    let silent = Instant::now();
    until("neutral", || chip.gives(NEUTRAL, NEUTRAL));
    figure(
        "motor",
        "silent person: from the last command to neutral in the registers (deadman 1 s), ms",
        silent.elapsed().as_millis(),
    );
    // The stick is still held: it must be let go first.
    for _ in 0..10 {
        robot.drive_until(1.0, 0.0, "one more command", || Some(()));
        assert_eq!(chip.gives(NEUTRAL, NEUTRAL), Some(()));
    }
}

#[test]
#[ignore = "runs in the virtual machine"]
fn a_board_that_lost_its_power_begins_anew_with_neutral() {
    let mut chip = Chip::powered(0x40);
    let bed = Bed::new();
    let mut robot = Robot::start(&bed, &pca9685(&chip, ""), "");
    awake(&mut chip);
    robot.unlatch();
    robot.drive_until(1.0, 0.0, "full ahead", || chip.gives(FULL_AHEAD, FULL_AHEAD));
    chip.power_on();
    robot.drive_until(1.0, 0.0, "neutral, although the stick is held", || {
        (chip.read(MODE1) == RUNNING && chip.gives(NEUTRAL, NEUTRAL).is_some()).then_some(())
    });
    robot.launch.says("address 0x40: it was reset, or its power was gone (MODE1 0x");
    robot.launch.says("the motor is in reach");
}

#[test]
#[ignore = "runs in the virtual machine"]
fn a_board_or_bus_that_is_not_there_or_not_allowed_is_told_with_its_mend() {
    let chip = Chip::powered(0x41);
    let params = |bus: &str| format!(r#"{{"deadman": "300ms", "driver": "pca9685", "bus": "{bus}"}}"#);
    let told = |bus: &str, uid: u32| Stranger::start(&params(bus), uid).says("address 0x40: ");

    let missing = told(&chip.bus, 0);
    assert!(missing.contains(&format!("{} address 0x40: no board answers (", chip.bus)), "{missing}");
    assert!(missing.ends_with("something does at 0x41: is address wrong?"), "{missing}");

    load("pwm-pca9685", "");
    let bus = format!("/sys/bus/i2c/devices/{}", &chip.bus["/dev/".len()..]);
    run(&format!("echo pca9685 0x41 > {bus}/new_device"));
    let params = format!(r#"{{"deadman": "300ms", "driver": "pca9685", "bus": "{}", "address": 65}}"#, chip.bus);
    let kernels = Stranger::start(&params, 0).says("address 0x41: ");
    run(&format!("echo 0x41 > {bus}/delete_device"));
    assert!(
        kernels.ends_with("has this address: use its outputs with driver = \"gpio-pwm\", or take it away"),
        "{kernels}"
    );

    let nowhere = told("/dev/i2c-99", 0);
    assert!(
        nowhere.ends_with(&format!("/dev/i2c-99 address 0x40: it is not there; there is {}", chip.bus)),
        "{nowhere}"
    );

    std::fs::set_permissions(&chip.bus, PermissionsExt::from_mode(0o600)).expect("root may");
    let only_root = told(&chip.bus, NOBODY);
    assert!(
        only_root.ends_with("permission denied: only root may use it: give it to a group by a udev rule"),
        "{only_root}"
    );
    chown(&chip.bus, None, Some(I2C)).expect("root may");
    std::fs::set_permissions(&chip.bus, PermissionsExt::from_mode(0o660)).expect("root may");
    let group = told(&chip.bus, NOBODY);
    assert!(
        group.ends_with("permission denied: join its group i2c (sudo usermod -aG i2c $USER) and log in again"),
        "{group}"
    );
}
