//! Unplugging, plugging in again, a node that is killed: neutral at once, and motion only after neutral.

use std::time::Instant;

use evdev::{AbsoluteAxisCode as Code, KeyCode as Key};
use offboard::{
    Gamepad,
    gamepad::{Axis, Button},
};
use offboard_tests::{Bed, Ear, signal, until};
use rustix::process::Signal;

use super::pads::{Pad, command, drive as drives, driving, ear, graph, restarted, state};
use crate::support::{figure, run};

/// Whether nothing of a state is moved or pressed.
fn rests(state: &Gamepad) -> bool {
    Axis::ALL.iter().all(|axis| axis.get(state) == 0.0) && !Button::ALL.iter().any(|button| button.get(state))
}

/// A stick ahead and the dead-man button.
fn hold(pad: &mut Pad, stick: i32, deadman: bool) {
    pad.both(&[(Key::BTN_TR, deadman)], &[(Code::ABS_Y, stick)]);
}

/// So many commands in a row that move nothing.
fn stands_still(drive: &mut Ear, commands: usize, why: &str) {
    for _ in 0..commands {
        let command = drive.hear().decode::<offboard::Drive>().expect("a command").body;
        assert!(command.forward == 0.0 && command.turn == 0.0, "{why}: {command:?}");
    }
}

#[test]
#[ignore = "runs in the virtual machine"]
fn an_unplugged_pad_is_neutral_at_once_and_comes_back_with_and_without_udevd() {
    let bed = Bed::new();
    let file = bed.file("pads.toml", &graph(""));
    let launch = bed.launch(&[&file]);
    let mut states = ear(&bed);
    state(&mut states, "no pad yet", |state| !state.connected);
    launch.says("waiting for any gamepad");
    for udevd in [true, true, false] {
        if !udevd {
            run("killall -9 systemd-udevd");
        }
        let came = Instant::now();
        let mut pad = Pad::xbox();
        state(&mut states, "plugged in", |state| state.connected && state.name.contains("Xbox 360"));
        figure("gamepad", "plugged in to shown (200 ms of it to see what is held), ms", came.elapsed().as_millis());
        pad.both(&[(Key::BTN_SOUTH, true), (Key::BTN_TR, true)], &[(Code::ABS_X, 20000), (Code::ABS_RZ, 255)]);
        state(&mut states, "held", |state| state.south && state.left_stick_x > 0.5 && state.right_trigger > 0.9);
        // The last words of a pad that goes may be lost on the way.
        pad.both(&[(Key::BTN_EAST, true)], &[(Code::ABS_Y, -30000)]);
        let went = Instant::now();
        drop(pad);
        let gone = state(&mut states, "unplugged", |state| !state.connected);
        figure("gamepad", "unplugged to neutral, ms", went.elapsed().as_millis());
        assert!(rests(&gone) && gone.name.contains("Xbox 360"), "{gone:?}");
    }
    run("systemd-udevd --daemon");
    assert!(launch.log().contains("is unplugged: everything is neutral until one is plugged in"), "{}", launch.log());
}

#[test]
#[ignore = "runs in the virtual machine"]
fn what_is_held_while_plugging_in_or_while_the_node_is_killed_drives_only_after_neutral() {
    let bed = Bed::new();
    let file = bed.file("pads.toml", &driving());
    let mut pad = Pad::xbox();
    let launch = bed.launch(&[&file]);
    let (mut states, mut drive) = (ear(&bed), bed.ear("pads", "pilot/drive", "wheels", "drive"));
    state(&mut states, "the pad is there", |state| state.connected);
    drives(&mut pad, &mut drive, -32768);

    drive.newest();
    let went = Instant::now();
    drop(pad);
    command(&mut drive, "it stops", |drive, _| drive.forward == 0.0);
    figure("gamepad", "unplugged to a Drive of 0, ms", went.elapsed().as_millis());
    let mut pad = Pad::xbox();
    hold(&mut pad, -32768, true);
    state(&mut states, "it was gone", |state| !state.connected);
    state(&mut states, "it is back", |state| state.connected);
    launch.says("left_stick_y, right_bumper was held when the gamepad came: neutral until it is let go");
    stands_still(&mut drive, 10, "held since before it came");
    hold(&mut pad, -25000, true);
    stands_still(&mut drive, 10, "another way to hold it");
    hold(&mut pad, -25000, false);
    hold(&mut pad, -25000, true);
    stands_still(&mut drive, 10, "the stick was never let go");
    drives(&mut pad, &mut drive, -32768);

    let before = states.newest().header.incarnation;
    signal(bed.pid("pads", "gamepad"), Signal::KILL);
    command(&mut drive, "it stops", |drive, _| drive.forward == 0.0);
    restarted(&mut states, before);
    until("the pilot hears it", || (launch.log().matches("the gamepad is heard").count() == 2).then_some(()));
    stands_still(&mut drive, 10, "held while the node was killed");
    drives(&mut pad, &mut drive, -32768);
}
