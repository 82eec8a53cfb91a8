//! Which pad is read, and what is said when none can be.

use std::{
    fs,
    os::unix::process::CommandExt,
    process::{Command, Output, Stdio},
};

use evdev::{AbsoluteAxisCode as Code, KeyCode as Key};
use offboard_tests::{Bed, signal, until};
use rustix::process::Signal;
use serde_json::Value;

use super::pads::{Pad, ear, graph, state};
use crate::support::run;

/// Another gamepad node for a graph, whose pad the test hears too.
fn node(name: &str, params: &str) -> String {
    format!(
        "\n[node.{name}]\nrun = \"gamepad\"\npublish = {{ pad = \"Gamepad\" }}\nparams = {{ {params} }}\n\n\
         [node.{name}-ear]\nrun = [\"sleep\", \"3600\"]\nsubscribe = {{ pad = \"{name}/pad\" }}\n"
    )
}

/// `gamepad --list`, as a person of this user and group.
fn list(args: &[&str], user: Option<(u32, u32)>) -> Output {
    let mut command = Command::new(offboard_tests::bin_dir().join("gamepad"));
    if let Some((user, group)) = user {
        command.uid(user).gid(group);
    }
    command.arg("--list").args(args).output().expect("it runs")
}

#[test]
#[ignore = "runs in the virtual machine"]
fn of_two_pads_each_node_reads_its_own_and_says_which() {
    let (mut xbox, mut other) = (Pad::xbox(), Pad::plain("Robo Pad"));
    let bed = Bed::new();
    let two = graph("device = 0") + &node("named", "device = \"robo\"") + &node("none", "device = \"wheel\"");
    let file = bed.file("pads.toml", &two);
    let launch = bed.launch(&[&file]);
    let (mut first, mut named) = (ear(&bed), bed.ear("pads", "named/pad", "named-ear", "pad"));
    state(&mut first, "the first", |state| state.connected && state.name.contains("Xbox 360"));
    state(&mut named, "the named", |state| state.connected && state.name == "Robo Pad");
    xbox.key(Key::BTN_SOUTH, true);
    other.key(Key::BTN_EAST, true);
    let first = state(&mut first, "its own button", |state| state.south || state.east);
    let named = state(&mut named, "its own button", |state| state.south || state.east);
    assert_eq!((first.south, first.east, named.south, named.east), (true, false, false, true));
    launch.says("reading gamepad 0: Xbox 360 Controller (/dev/input/event");
    launch.says("; not read: 1: Robo Pad (/dev/input/event");
    launch.says("reading gamepad 1: Robo Pad (/dev/input/event");
    launch.says("waiting for a gamepad whose name holds \"wheel\"");
    let listed = String::from_utf8(list(&["--json"], None).stdout).expect("text");
    let pads: Vec<Value> = listed.lines().map(|line| serde_json::from_str(line).expect("an object")).collect();
    let told: Vec<(&Value, &Value)> = pads.iter().map(|pad| (&pad["id"], &pad["known_layout"])).collect();
    assert_eq!(told, [(&Value::from(0), &Value::from(true)), (&Value::from(1), &Value::from(false))], "{listed}");
}

#[test]
#[ignore = "runs in the virtual machine"]
fn an_unknown_pad_is_told_how_to_be_named_and_drives_by_its_map() {
    let mut pad = Pad::old("Old Stick");
    let bed = Bed::new();
    let map = "map = { right_bumper = \"BTN_PINKIE\", south = \"BTN_THUMB\", right_stick_x = \"ABS_Z\", \
               right_stick_y = \"ABS_RZ\", left_trigger = \"BTN_BASE\" }";
    let three = graph(map) + &node("plain", "") + &node("named", "device = \"old stick\"");
    let file = bed.file("pads.toml", &three);
    let launch = bed.launch(&[&file]);
    let mut mapped = ear(&bed);
    state(&mut mapped, "the map is enough to choose it", |state| state.connected && state.name == "Old Stick");
    launch.says(
        "has no known layout and no BTN_SOUTH: name it (device = \"Old Stick\") and say in map what its buttons are",
    );
    launch.says("its layout is not known: BTN_TRIGGER, BTN_THUMB, ");
    pad.key(Key::BTN_PINKIE, true);
    state(&mut mapped, "the dead-man button", |state| state.right_bumper);
    pad.key(Key::BTN_BASE, true);
    state(&mut mapped, "a trigger that is a button", |state| state.left_trigger == 1.0);
    pad.both(&[(Key::BTN_BASE, false)], &[(Code::ABS_Z, 255), (Code::ABS_RZ, 255), (Code::ABS_Y, 0)]);
    let moved = state(&mut mapped, "both sticks", |state| state.left_stick_y > 0.99 && state.right_stick_x > 0.99);
    assert_eq!((moved.right_stick_y, moved.left_trigger, moved.right_trigger), (-1.0, 0.0, 0.0), "{moved:?}");
    pad.axis(Code::ABS_HAT0Y, -1);
    state(&mut mapped, "the hat needs no map", |state| state.dpad_y == 1.0);
    let listed = String::from_utf8(list(&[], None).stdout).expect("text");
    assert!(
        listed.contains("unknown layout, guessed") && listed.contains("(no field)       BTN_TRIGGER BTN_THUMB"),
        "{listed}"
    );
}

#[test]
#[ignore = "runs in the virtual machine"]
fn a_pad_that_may_not_be_opened_is_named_with_the_group_that_may() {
    let _pad = Pad::xbox();
    let mend = "may not be opened: join its group input (sudo usermod -aG input $USER) and log in again";
    run("udevadm settle -t 10");
    let refused = String::from_utf8(list(&[], Some((1000, 1000))).stderr).expect("text");
    assert!(refused.starts_with("no gamepads: \"Microsoft X-Box 360 pad\" (/dev/input/event"), "{refused}");
    assert!(refused.contains(mend), "{refused}");
    let bed = Bed::new();
    let file = bed.file("pads.toml", &graph(""));
    let log = bed.files().join("log");
    run(&format!("chown -R 1000:1000 {}", bed.files().parent().expect("the bed").display()));
    let said = fs::File::create(&log).expect("a file");
    let mut launch = bed
        .command("launch")
        .arg(&file)
        .uid(1000)
        .gid(1000)
        .stdout(Stdio::null())
        .stderr(said)
        .spawn()
        .expect("it starts");
    until("the node says it", || fs::read_to_string(&log).ok().filter(|log| log.contains(mend)));
    signal(launch.id(), Signal::TERM);
    launch.wait().expect("it ends");
    // What the line says is what helps: the group of the file.
    let granted = list(&[], Some((1000, 106)));
    assert!(String::from_utf8_lossy(&granted.stdout).contains("Xbox 360"), "{granted:?}");
}
