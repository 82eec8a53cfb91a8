//! How long a thumb takes to become a command, through the real pilot.

use std::time::Instant;

use evdev::AbsoluteAxisCode as Code;
use offboard_tests::Bed;

use super::pads::{Pad, drive as drives, driving, ear, listen, state};
use crate::support::figure;

/// How many moves of a stick are measured.
const MOVES: usize = 150;

#[test]
#[ignore = "runs in the virtual machine"]
fn a_stick_becomes_a_drive_with_the_stamp_of_the_kernels_event() {
    let mut pad = Pad::xbox();
    let bed = Bed::new();
    let _launch = bed.launch(&[&bed.file("pads.toml", &driving())]);
    let mut drive = bed.ear("pads", "pilot/drive", "wheels", "drive");
    state(&mut ear(&bed), "the pad is there", |state| state.connected);
    drives(&mut pad, &mut drive, -10000);
    let (mut by_stamp, mut by_ear) = (Vec::new(), Vec::new());
    for step in 0..MOVES {
        // There and back, each a command of its own.
        let value = if step % 2 == 0 { -30000 } else { -10000 };
        let moved = Instant::now();
        pad.axis(Code::ABS_Y, value);
        let wanted = |forward: f32| if step % 2 == 0 { forward > 0.6 } else { forward > 0.1 && forward < 0.4 };
        let Some(header) = listen(&mut drive, |drive| wanted(drive.forward)) else {
            drives(&mut pad, &mut drive, -10000);
            continue;
        };
        by_ear.push(moved.elapsed().as_secs_f64() * 1000.0);
        by_stamp.push((header.sent_ns - header.stamp_ns) as f64 / 1e6);
    }
    assert!(by_ear.len() > MOVES / 2, "{} of {MOVES} moves were heard within a second", by_ear.len());
    by_stamp.sort_by(f64::total_cmp);
    by_ear.sort_by(f64::total_cmp);
    let at = |sorted: &[f64], part: usize| format!("{:.2}", sorted[sorted.len() * part / 100]);
    figure("gamepad", "pad event (kernel's stamp) to Drive sent, p50, ms", at(&by_stamp, 50));
    figure("gamepad", "pad event (kernel's stamp) to Drive sent, p99, ms", at(&by_stamp, 99));
    figure("gamepad", "pad event to Drive heard by the test, p50, ms", at(&by_ear, 50));
    figure("gamepad", "pad event to Drive heard by the test, p99, ms", at(&by_ear, 99));
    assert!(by_stamp[0] >= 0.0, "no command is older than its cause: {}", by_stamp[0]);
}
