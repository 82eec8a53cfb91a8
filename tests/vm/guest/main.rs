//! The scenarios that need devices: cameras, gamepads, motor boards, serial ports. They run in the virtual machine that the test `vm`
//! boots (tests/vm/setup.sh makes it), as its only user and one after the other; on any other machine they are ignored.

#![expect(clippy::expect_used, reason = "a scenario that cannot go on says why and ends")]

mod calibrate;
mod camera;
mod doctor;
mod gamepad;
mod gpio;
mod job;
mod machine;
mod motor;
mod readme;
mod robot;
mod support;
mod trace;
