//! The motors of a pad: what is asked for arrives, ends by itself, and ends with the node.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use evdev::{EventSummary, FFEffectKind, UInputCode};
use offboard::Rumble;
use offboard_tests::{Bed, Mouth, signal, until};
use rustix::{
    fs::{OFlags, fcntl_setfl},
    process::Signal,
};

use super::pads::{Pad, ear, restarted, state};
use crate::support::figure;

/// What a pad's motors were told.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Told {
    /// Strong, weak, milliseconds.
    Upload(u16, u16, u16),
    Play,
    Stop,
    Erase,
}

/// A pad with motors that writes down what they are told; unplugged when dropped.
struct Motors {
    told: Arc<Mutex<Vec<(Instant, Told)>>>,
    over: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Motors {
    fn plug() -> Motors {
        let mut pad = Pad::shaking();
        fcntl_setfl(&pad.0, OFlags::NONBLOCK).expect("a file");
        let (told, over) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (list, end) = (told.clone(), over.clone());
        let thread = thread::spawn(move || {
            while !end.load(Ordering::Relaxed) {
                let events: Vec<_> = pad.0.fetch_events().map(Iterator::collect).unwrap_or_default();
                if events.is_empty() {
                    thread::sleep(Duration::from_millis(1));
                }
                for event in events {
                    let what = match event.destructure() {
                        EventSummary::UInput(event, UInputCode::UI_FF_UPLOAD, ..) => {
                            let effect = pad.0.process_ff_upload(event).expect("an upload").effect();
                            let FFEffectKind::Rumble { strong_magnitude, weak_magnitude } = effect.kind else {
                                panic!("no rumble but {effect:?}")
                            };
                            Told::Upload(strong_magnitude, weak_magnitude, effect.replay.length)
                        }
                        EventSummary::UInput(event, UInputCode::UI_FF_ERASE, ..) => {
                            drop(pad.0.process_ff_erase(event).expect("an erasure"));
                            Told::Erase
                        }
                        EventSummary::ForceFeedback(.., 0) => Told::Stop,
                        EventSummary::ForceFeedback(..) => Told::Play,
                        _ => continue,
                    };
                    list.lock().expect("no panic").push((Instant::now(), what));
                }
            }
        });
        Motors { told, over, thread: Some(thread) }
    }

    /// What was told since the last call, once it ends with `last`.
    fn until(&self, last: Told) -> Vec<(Instant, Told)> {
        until(&format!("{last:?}"), || {
            let mut told = self.told.lock().expect("no panic");
            (told.last().map(|(_, told)| *told) == Some(last)).then(|| std::mem::take(&mut *told))
        })
    }
}

impl Motors {
    /// Asks for as much as there is until it is heard.
    fn shaken(&self, robot: &mut Mouth<Rumble>) {
        until("it shakes", || {
            robot.say(rumble(1.0, 0.0, 2000));
            thread::sleep(Duration::from_millis(50));
            let mut told = self.told.lock().expect("no panic");
            let shakes = told.iter().any(|(_, told)| *told == Told::Play);
            shakes.then(|| told.clear())
        });
    }
}

impl Drop for Motors {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        drop(self.thread.take().map(thread::JoinHandle::join));
    }
}

/// A graph whose gamepad hears a rumble that the test says.
const SHAKING: &str = r#"
[graph]
name = "pads"

[node.gamepad]
watchdog  = "30s"
publish   = { pad = "Gamepad" }
subscribe = { rumble = "robot/rumble" }

[node.robot]
run     = ["sleep", "3600"]
publish = { rumble = "Rumble" }

[node.listener]
run       = ["sleep", "3600"]
subscribe = { pad = "gamepad/pad" }
"#;

fn mouth(bed: &Bed) -> Mouth<Rumble> {
    bed.mouth("pads", "robot/rumble", "gamepad", "rumble")
}

fn rumble(strong: f32, weak: f32, duration_ms: u32) -> Rumble {
    Rumble { strong, weak, duration_ms }
}

fn kinds(told: &[(Instant, Told)]) -> Vec<Told> {
    told.iter().map(|(_, told)| *told).collect()
}

#[test]
#[ignore = "runs in the virtual machine"]
fn the_newest_wish_is_played_as_asked_and_ends_by_itself() {
    use Told::{Play, Stop, Upload};
    let motors = Motors::plug();
    let bed = Bed::new();
    let launch = bed.launch(&[&bed.file("pads.toml", SHAKING)]);
    state(&mut ear(&bed), "the pad is there", |state| state.connected);
    let mut robot = mouth(&bed);
    until("what is not a number is ignored, and said so", || {
        robot.say(rumble(f32::NAN, 1.0, 100));
        thread::sleep(Duration::from_millis(20));
        launch.log().contains("1 messages on rumble held values that are not finite: ignored").then_some(())
    });
    let said = Instant::now();
    robot.say(rumble(0.5, 0.25, 150));
    let told = motors.until(Stop);
    assert_eq!(kinds(&told), [Upload(32768, 16384, 150), Play, Stop], "its end is in the kernel and is told beside");
    figure("gamepad", "rumble said to motors told, ms", (told[1].0 - said).as_millis());
    figure("gamepad", "a rumble of 150 ms lasted, ms", (told[2].0 - told[1].0).as_millis());
    robot.say(rumble(7.0, -3.0, 60_000));
    assert_eq!(kinds(&motors.until(Play)), [Upload(65535, 0, 2000), Play], "bounded");
    robot.say(rumble(0.0, 0.0, 0));
    assert_eq!(kinds(&motors.until(Stop)), [Stop], "nothing is asked: they rest at once");
    for step in 0..300_u16 {
        robot.say(rumble(f32::from(step) / 1000.0, 0.0, 100));
    }
    robot.say(rumble(1.0, 1.0, 100));
    let told = kinds(&motors.until(Stop));
    assert!(told.ends_with(&[Upload(65535, 65535, 100), Play, Stop]), "the newest wins: {told:?}");
    let played = told.iter().filter(|told| **told == Play).count();
    figure("gamepad", "effects begun by a flood of 301 wishes", played);
    assert!(played < 150, "{played} of 301 wishes reached the pad");
}

#[test]
#[ignore = "runs in the virtual machine"]
fn the_kernel_ends_what_a_killed_node_began_and_a_stopped_one_ends_its_own() {
    let motors = Motors::plug();
    let bed = Bed::new();
    let mut launch = bed.launch(&[&bed.file("pads.toml", SHAKING)]);
    let mut states = ear(&bed);
    state(&mut states, "the pad is there", |state| state.connected);
    let mut robot = mouth(&bed);
    let (pid, before) = (bed.pid("pads", "gamepad"), states.newest().header.incarnation);
    motors.shaken(&mut robot);
    let killed = Instant::now();
    signal(pid, Signal::KILL);
    let told = motors.until(Told::Erase);
    figure("gamepad", "node killed (kill -9) to its rumble erased, ms", (told[0].0 - killed).as_millis());
    assert!(killed.elapsed() < Duration::from_millis(1900), "before it would have ended by itself");
    restarted(&mut states, before);
    motors.shaken(&mut robot);
    launch.signal(Signal::TERM);
    launch.ended();
    assert_eq!(motors.told.lock().expect("no panic").last().map(|(_, told)| *told), Some(Told::Erase));
}

#[test]
#[ignore = "runs in the virtual machine"]
fn a_pad_without_motors_says_so_once() {
    let _pad = Pad::xbox();
    let bed = Bed::new();
    let launch = bed.launch(&[&bed.file("pads.toml", SHAKING)]);
    let mut states = ear(&bed);
    state(&mut states, "the pad is there", |state| state.connected);
    let mut robot = mouth(&bed);
    let words = "Microsoft X-Box 360 pad has no motors to rumble with: what comes on rumble is ignored";
    until("it is said", || {
        robot.say(rumble(1.0, 1.0, 100));
        thread::sleep(Duration::from_millis(20));
        launch.log().contains(words).then_some(())
    });
    for _ in 0..5 {
        robot.say(rumble(1.0, 1.0, 100));
        state(&mut states, "its state goes on", |state| state.connected);
    }
    assert_eq!(launch.log().matches(words).count(), 1, "{}", launch.log());
}
