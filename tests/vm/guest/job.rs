//! The whole offloading job with devices at both ends: a camera's pictures go to the desktop, a gamepad's commands come back over the
//! link, and a servo board's registers follow them.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use evdev::{AbsoluteAxisCode, KeyCode};
use offboard::{CompressedImage, MotorMode, MotorState};
use offboard_tests::{Bed, EAR, Ear, Launch, signal, until};
use rustix::process::Signal;

use crate::{
    gamepad::pads::Pad,
    motor::chip::{Chip, NEUTRAL},
    support::{figure, load, run},
    trace,
};

/// After how long without a fresh command the wheels stand still.
const DEADMAN: Duration = Duration::from_millis(500);

/// Where the servo board is on its bus.
const ADDRESS: u8 = 0x40;

const FORWARD: AbsoluteAxisCode = AbsoluteAxisCode::ABS_Y;
const TURN: AbsoluteAxisCode = AbsoluteAxisCode::ABS_RX;

/// The pulse at which a servo is in the middle, µs. A PCA9685 at 50 Hz counts in steps of 4.9 µs.
const NEUTRAL_US: f64 = 1500.0;

/// Where the camera is.
const CAMERA: &str = "n_devs=1 node_types=0x1 num_inputs=1 input_types=0";

/// A robot and a desktop in one machine, each with its devices.
struct Job<'a> {
    bed: &'a Bed,
    _launch: Launch<'a>,
    chip: Chip,
    pad: Option<Pad>,
}

impl<'a> Job<'a> {
    fn start(bed: &'a Bed) -> Job<'a> {
        load("vivid", CAMERA);
        let chip = Chip::powered(ADDRESS);
        trace::begin();
        let pad = Pad::xbox();
        let bus = &chip.bus;
        let robot = bed.file(
            "robot.toml",
            &format!(
                "[graph]\nname = \"robot\"\nlisten = \"127.0.0.1:7400\"\n\
                 [node.camera]\nparams = {{ device = 0, size = [320, 180], rate = 10 }}\n\
                 [node.motor]\nsubscribe = {{ drive = \"desktop:pilot/drive\" }}\n\
                 params = {{ driver = \"pca9685\", bus = {bus:?}, mixing = \"ackermann\", deadman = \"500ms\", rate = 20 }}\n\
                 [node.ear]\n{EAR}\nsubscribe = {{ state = {{ topic = \"motor/state\", keep = 1000 }} }}\n\
                 [peer.desktop]\n"
            ),
        );
        let desktop = bed.file(
            "desktop.toml",
            &format!(
                "[graph]\nname = \"desktop\"\n[node.gamepad]\n\
                 [node.pilot]\nsubscribe = {{ pad = \"gamepad/pad\" }}\nparams = {{ forward_limit = 1.0, turn_limit = 1.0, expo = 0 }}\n\
                 [node.ear]\n{EAR}\nsubscribe = {{ frames = {{ topic = \"robot:camera/frames\", keep = 30 }} }}\n\
                 [peer.robot]\naddress = \"127.0.0.1:7400\"\n"
            ),
        );
        let launch = bed.launch::<PathBuf>(&[robot, desktop]);
        launch.all_ready(8);
        Job { bed, _launch: launch, chip, pad: Some(pad) }
    }

    fn pad(&mut self) -> &mut Pad {
        self.pad.as_mut().expect("it is plugged in")
    }

    /// The dead-man button pressed and the stick pushed, anew where that was not seen, as people do: until the wheels turn.
    fn drive(&mut self) {
        let mut motor = self.bed.ear("robot", "motor/state", "ear", "state");
        until("the motor drives", || {
            self.rest();
            comes(&mut motor, |state| state.forward == 0.0)?;
            self.pad().both(&[(KeyCode::BTN_TR, true)], &[(FORWARD, -26_000)]); // up is negative there
            comes(&mut motor, |state| state.forward > 0.5)
        });
    }

    /// Everything let go.
    fn rest(&mut self) {
        self.pad().both(&[(KeyCode::BTN_TR, false)], &[(FORWARD, 0), (TURN, 0)]);
    }

    /// A picture of the robot's camera, at the desktop.
    fn sees(&self) {
        let mut camera = self.bed.ear("desktop", "robot:camera/frames", "ear", "frames");
        until("a picture arrives", || {
            let image = camera.hear().decode::<CompressedImage>().ok()?.body;
            (image.data.starts_with(&[0xff, 0xd8]) && image.width == 320).then_some(())
        });
    }

    /// Waits until the board's outputs are neutral; how long after `from_ns` the last of them was told so.
    fn stops(&mut self, from_ns: i64) -> Duration {
        until("the outputs are neutral", || self.chip.gives(NEUTRAL, NEUTRAL));
        let writes = trace::writes(ADDRESS.into());
        let still_ns = [6, 10].map(|register| {
            let told = || writes.iter().filter(|write| write.register == register);
            let moved_ns = told().filter(|write| !near(write.counts(), 0.0)).map(|write| write.at_ns).max();
            let stopped = told().find(|write| moved_ns.is_none_or(|moved_ns| write.at_ns > moved_ns));
            stopped.map_or(from_ns, |write| write.at_ns)
        });
        Duration::from_nanos((still_ns[0].max(still_ns[1]) - from_ns).try_into().unwrap_or(0))
    }
}

/// Nanoseconds of CLOCK_MONOTONIC: the time of the kernel's traces.
fn monotonic_ns() -> i64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec * 1_000_000_000 + now.tv_nsec
}

/// Takes the camera's driver from it (`unbind`) or gives it back (`bind`): a camera in use cannot lose its module.
fn plug(action: &str) {
    run(&format!("echo vivid.0 > /sys/bus/platform/drivers/vivid/{action}"));
}

/// Whether the motor obeys and does this before long.
fn comes(motor: &mut Ear, what: impl Fn(&MotorState) -> bool) -> Option<()> {
    let late = Instant::now() + Duration::from_secs(3);
    loop {
        let state =
            motor.hear_within(late.saturating_duration_since(Instant::now()))?.decode::<MotorState>().ok()?.body;
        if state.mode() == MotorMode::Driving && what(&state) {
            return Some(());
        }
    }
}

#[test]
#[ignore = "runs in the virtual machine"]
fn a_hand_drives_the_robot_for_twenty_seconds() {
    let bed = Bed::new();
    let mut job = Job::start(&bed);
    job.sees();
    job.drive();
    trace::begin();
    let mut motor = bed.ear("robot", "motor/state", "ear", "state");
    let began = Instant::now();
    let mut states: Vec<(i64, MotorState)> = Vec::new();
    let mut ages = Vec::new();
    while began.elapsed() < Duration::from_secs(20) {
        let phase = began.elapsed().as_secs_f32() * 1.3;
        let (forward, turn) = (0.6 + 0.4 * phase.sin(), (phase * 0.7).cos());
        job.pad().both(&[], &[(FORWARD, (forward * -32768.0) as i32), (TURN, (turn * 32767.0) as i32)]);
        let late = Instant::now() + Duration::from_millis(50);
        while let Some(message) = motor.hear_within(late.saturating_duration_since(Instant::now())) {
            let state = message.decode::<MotorState>().expect("a state");
            ages.push(state.body.picture_age_ns);
            states.push((state.header.stamp_ns, state.body));
        }
    }
    let writes = trace::writes(ADDRESS.into());
    let released_ns = monotonic_ns();
    job.pad().key(KeyCode::BTN_TR, false);
    let stopped = job.stops(released_ns);

    let driving = states.iter().filter(|(_, state)| state.mode() == MotorMode::Driving).count();
    assert!(driving * 10 > states.len() * 9, "it drove {driving} of {} times: {:?}", states.len(), states.last());
    // What the board was told is what the motor says it put out, write by write.
    for (channel, value) in [(0, (|state: &MotorState| state.left) as fn(&MotorState) -> f32), (1, |state| state.right)]
    {
        let told: Vec<_> = writes.iter().filter(|write| write.register == 6 + 4 * channel).collect();
        assert!(told.len() > 100, "only {} writes to output {channel}", told.len());
        let off =
            told.iter().filter(|write| !states.iter().any(|(_, state)| near(write.counts(), value(state)))).count();
        assert_eq!(off, 0, "writes to output {channel} that no command explains, of {}", told.len());
    }
    let most = states.iter().map(|(_, state)| state.forward).fold(0.0, f32::max);
    assert!(most > 0.95, "the stick's end arrives: {most}");
    assert!(stopped < DEADMAN, "the release stops the wheels within the deadman, not {stopped:?}");
    figure("job", "release of the pad to neutral registers, ms", format!("{:.0}", stopped.as_secs_f64() * 1e3));
    ages.sort_unstable();
    let at = |part: usize| ages[ages.len() * part / 100] as f64 / 1e6;
    figure("job", "pad to motor, ms: p50, p99", format!("{:.1}, {:.1}", at(50), at(99)));
    figure("job", "outputs to the board in 20 s", writes.len());
}

/// Whether a pulse of so many counts is that of an output, at the usual calibration and 50 Hz.
fn near(counts: u16, value: f32) -> bool {
    let pulse_us = NEUTRAL_US + 500.0 * f64::from(value);
    (f64::from(counts) - pulse_us * 50.0 * 4096.0 / 1e6).abs() < 1.5
}

#[test]
#[ignore = "runs in the virtual machine"]
fn each_node_may_be_killed_and_the_robot_drives_again() {
    let bed = Bed::new();
    let mut job = Job::start(&bed);
    job.drive();
    for (graph, node) in [
        ("robot", "camera"),
        ("robot", "motor"),
        ("robot", "link"),
        ("desktop", "gamepad"),
        ("desktop", "pilot"),
        ("desktop", "link"),
    ] {
        let old = bed.pid(graph, node);
        signal(old, Signal::KILL);
        until("it is replaced", || Some(bed.pid(graph, node)).filter(|pid| *pid != old));
        job.drive();
        job.sees();
    }
}

#[test]
#[ignore = "runs in the virtual machine"]
fn both_devices_may_be_unplugged_and_come_back() {
    let bed = Bed::new();
    let mut job = Job::start(&bed);
    job.drive();
    let unplugged_ns = monotonic_ns();
    job.pad = None; // while it is held
    let stopped = job.stops(unplugged_ns);
    assert!(stopped < DEADMAN, "an unplugged pad stops the wheels within the deadman, not {stopped:?}");
    figure("job", "unplugging the pad to neutral registers, ms", format!("{:.0}", stopped.as_secs_f64() * 1e3));
    job.pad = Some(Pad::xbox());
    job.drive();

    job.sees();
    plug("unbind");
    job.drive(); // the human sees for itself
    plug("bind");
    job.sees();
}
