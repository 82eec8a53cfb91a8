//! What a person is told when outputs or lines are missing, taken, or not theirs: one line each, with what there is.

use std::{fs, thread, time::Duration};

use offboard_tests::until;

use super::{Board, Lines, parts};
use crate::{robot::Stranger, support::run};

const ROOT: u32 = 0;
const SOMEBODY: u32 = 1000;

/// Parameters as a node gets them, from what a graph file has in a line.
fn params(board: &Board, more: &str) -> String {
    let pwm = format!("\"pwm\": [\"{0}/0\", \"{0}/1\"]", board.chip);
    let more = if more.contains("\"pwm\"") { more.replace("CHIP", &board.chip) } else { format!("{pwm}{more}") };
    format!("{{\"deadman\": \"300ms\", \"driver\": \"gpio-pwm\", {more}}}")
}

#[test]
#[ignore = "runs in the virtual machine"]
fn what_is_missing_or_taken_is_said_with_what_there_is() {
    let (board, lines) = (Board::plug(), Lines::plug());
    let (chip, gpio, device) = (&board.chip, &lines.chip, board.device());
    let cases = [
        (
            "\"pwm\": [\"pwmchip99/0\", \"CHIP/1\"]".to_owned(),
            format!("gpio-pwm: there is no PWM chip pwmchip99; there is {chip} ({device}, outputs 0 to 16)"),
        ),
        (
            "\"pwm\": [\"CHIP/0\", \"CHIP/17\"]".to_owned(),
            format!("gpio-pwm: {chip}/17: there is no output 17; there is {chip} ({device}, outputs 0 to 16)"),
        ),
        (
            format!(", \"frequency\": 50, \"direction_left\": [\"{gpio}/0\", \"{gpio}/7\"]"),
            format!("gpio-pwm: the GPIO line {gpio}/7 is in use by \"a lamp\""),
        ),
        (
            format!(", \"frequency\": 50, \"direction_left\": [\"{gpio}/0\", \"{gpio}/8\"]"),
            format!("gpio-pwm: {gpio}/8: there is no line 8; {gpio} has lines 0 to 7"),
        ),
        (
            ", \"frequency\": 50, \"direction_left\": [\"GPIO17\", \"GPIO27\"]".to_owned(),
            "gpio-pwm: there is no GPIO line \"GPIO17\": write gpiochip0/17, or a name as gpioinfo shows it; there is "
                .to_owned(),
        ),
        (
            // A servo at 50 Hz and an H-bridge at 1000 Hz on a chip that has one period.
            ", \"direction_left\": [\"header/0\", \"header/1\"]".to_owned(),
            "its chip has one period for all its outputs, and others are on with another one".to_owned(),
        ),
    ];
    for (more, words) in cases {
        let said = Stranger::start(&params(&board, &more), ROOT).says("out of reach: gpio-pwm: ");
        assert!(said.contains(&words), "{words}\nis not in\n{said}");
    }
}

#[test]
#[ignore = "runs in the virtual machine"]
fn whoever_may_not_use_outputs_or_lines_is_told_how_to_be_let_in() {
    let (board, lines) = (Board::plug(), Lines::plug());
    let export = format!("/sys/class/pwm/{}/export", board.chip);
    let says = |more: &str| Stranger::start(&params(&board, more), SOMEBODY).says("out of reach: gpio-pwm: ");
    let said = says("");
    assert!(
        said.contains(&format!("{export}: permission denied: only root may use it: give it to a group by a udev rule")),
        "{said}"
    );
    fs::write(&export, "0").and_then(|()| fs::write(&export, "1")).expect("root may");
    run(&format!("chmod 666 /sys/class/pwm/{0}/pwm*/* /sys/class/pwm/{0}/export", board.chip));
    run(&format!("chgrp gpio /dev/{0} && chmod 660 /dev/{0}", lines.chip));
    let said = says(&format!(", \"frequency\": 50, \"direction_left\": [\"{0}/0\", \"{0}/1\"]", lines.chip));
    let words = format!("/dev/{}: permission denied: join its group gpio (sudo usermod -aG gpio $USER)", lines.chip);
    assert!(said.contains(&words), "{said}");
}

#[test]
#[ignore = "runs in the virtual machine"]
fn rights_that_udev_gives_a_moment_later_are_waited_for() {
    let board = Board::plug();
    run(&format!("chmod 666 /sys/class/pwm/{}/export", board.chip));
    let node = Stranger::start(
        &params(&board, ", \"pulse_left\": { \"min\": 1100, \"neutral\": 1480, \"max\": 1900 }"),
        SOMEBODY,
    );
    for number in [0, 1] {
        until("the output is taken", || board.output(number).exists().then_some(()));
        thread::sleep(Duration::from_millis(200)); // as slow as udev may be
        run(&format!("chmod 666 {}/*", board.output(number).display()));
    }
    let neutral = [parts(1480), parts(1500)];
    until("neutral", || (board.parts() == neutral).then_some(()));
    drop(node);
}
