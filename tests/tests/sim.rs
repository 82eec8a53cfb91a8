//! The simulated car in real processes: a scripted person drives it through a real pilot, and it stops when the person is gone.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::time::{Duration, Instant};

use offboard::{CompressedImage, MotorMode, MotorState, Pose, RawImage};
use offboard_tests::{Bed, EAR, Ear, Launch, signal, until};
use rustix::process::Signal;

/// How long a lap may take on a busy machine: each is 20 to 40 s of driving, by the clock.
const LAP: Duration = Duration::from_secs(90);

const GRAPH: &str = r#"
[graph]
name = "race"
[node.sim]
subscribe = { drive = "pilot/drive" }
params = { seed = 10, SIM }
[node.driver]
subscribe = { pose = "sim/pose" }
params = { seed = 1, DRIVER }
[node.pilot]
subscribe = { pad = "driver/pad" }
[node.ear]
EAR
subscribe = { pose = { topic = "sim/pose", keep = 3000 }, state = { topic = "sim/state", keep = 3000 }, frames = { topic = "sim/frames", keep = 100 } }
"#;

fn race<'a>(bed: &'a Bed, sim: &str, driver: &str) -> Launch<'a> {
    let text = GRAPH.replace("EAR", EAR).replace("SIM", sim).replace("DRIVER", driver);
    let launch = bed.launch(&[bed.file("race.toml", &text)]);
    launch.all_ready(4);
    launch
}

fn pose(ear: &mut Ear) -> Pose {
    ear.hear().decode::<Pose>().unwrap().body
}

fn state(ear: &mut Ear) -> MotorState {
    ear.hear().decode::<MotorState>().unwrap().body
}

/// Hears poses until one is as wanted; fails where it takes longer than a lap may.
fn hears(ear: &mut Ear, what: &str, wanted: impl Fn(&Pose) -> bool) -> Pose {
    let limit = Instant::now() + LAP;
    loop {
        let heard = pose(ear);
        if wanted(&heard) {
            return heard;
        }
        assert!(Instant::now() < limit, "{what}: not within {LAP:?}, last {heard:?}");
    }
}

#[test]
fn a_person_drives_a_lap_through_a_real_pilot_and_pictures_come_all_the_way() {
    let bed = Bed::new();
    let launch = race(&bed, "encoding = \"jpeg\"", "");
    let (mut poses, mut frames) =
        (bed.ear("race", "sim/pose", "ear", "pose"), bed.ear("race", "sim/frames", "ear", "frames"));
    hears(&mut poses, "the car moves", |pose| pose.speed > 0.5);
    let first = frames.hear();
    let image = first.decode::<CompressedImage>().unwrap();
    assert_eq!((image.size().unwrap(), image.width, image.height), ((160, 120), 160, 120));
    assert_eq!(first.header.origin, "race:sim/frames");

    let pose = hears(&mut poses, "a lap", |pose| pose.laps_any > 0);
    assert_eq!((pose.laps, pose.departures), (1, 0), "a clean one: {pose:?}");
    assert!((10.0..60.0).contains(&pose.last_lap_s), "{pose:?}");
    launch.says("lap 1: ");
    let last = frames.newest();
    let rate =
        (last.header.seq - first.header.seq) as f64 / ((last.header.stamp_ns - first.header.stamp_ns) as f64 / 1e9);
    assert!(rate > 15.0, "{rate:.1} pictures a second");
}

#[test]
fn the_car_is_neutral_within_the_deadman_when_the_driver_is_killed() {
    let bed = Bed::new();
    let _launch = race(&bed, "deadman = \"300ms\"", "");
    let mut poses = bed.ear("race", "sim/pose", "ear", "pose");
    hears(&mut poses, "the car moves", |pose| pose.speed > 0.5);
    signal(bed.pid("race", "pilot"), Signal::KILL);
    let mut states = bed.ear("race", "sim/state", "ear", "state"); // from now on: nothing of before the first motion
    // Its next process may speak in the very moment in which the lease lapses: what counts is that the car is told to stand still.
    until("the car is told to stand still", || {
        let state = state(&mut states);
        assert!(state.command_age_ns < 400_000_000 || (state.forward == 0.0 && state.turn == 0.0), "{state:?}");
        (state.forward == 0.0 && state.turn == 0.0).then_some(())
    });
    // Pilot and person begin anew, neutral first, and it drives again.
    until("it drives again", || (state(&mut states).mode() == MotorMode::Driving).then_some(()));
    hears(&mut poses, "it moves again", |pose| pose.speed > 0.5);
}

#[test]
fn a_driver_that_is_killed_lets_go_of_the_car() {
    let bed = Bed::new();
    let _launch = race(&bed, "noise = 0", "");
    let (mut poses, mut states) =
        (bed.ear("race", "sim/pose", "ear", "pose"), bed.ear("race", "sim/state", "ear", "state"));
    hears(&mut poses, "the car moves", |pose| pose.speed > 0.5);
    signal(bed.pid("race", "driver"), Signal::KILL);
    // The pilot goes on to speak: neutral, as nobody holds the dead-man button.
    until("the car is told to stand still", || {
        let state = state(&mut states);
        (state.forward == 0.0 && state.turn == 0.0).then_some(())
    });
}

#[test]
fn pictures_are_as_late_as_was_asked_and_stamped_when_they_were_taken() {
    let bed = Bed::new();
    let _launch = race(&bed, "encoding = \"rgb8\", size = [64, 48], latency = \"200ms\"", "");
    let mut frames = bed.ear("race", "sim/frames", "ear", "frames");
    for _ in 0..20 {
        let message = frames.hear();
        let late_ms = (message.header.sent_ns - message.header.stamp_ns) / 1_000_000;
        assert!((199..2000).contains(&late_ms), "{late_ms} ms");
        let image = message.decode::<RawImage>().unwrap();
        assert_eq!((image.width, image.height, image.data.len()), (64, 48, 64 * 48 * 3));
    }
}

#[test]
fn a_car_that_nobody_steers_leaves_the_road_and_is_put_back() {
    let bed = Bed::new();
    let text = format!(
        "[graph]\nname = \"alone\"\n[node.sim]\nsubscribe = {{ drive = \"mouth/drive\" }}\nparams = {{ put_back = \"200ms\" }}\n\
         [node.mouth]\n{EAR}\npublish = {{ drive = \"Drive\" }}\n[node.ear]\n{EAR}\n\
         subscribe = {{ pose = {{ topic = \"sim/pose\", keep = 3000 }} }}\n"
    );
    let launch = bed.launch(&[bed.file("alone.toml", &text)]);
    launch.all_ready(3);
    let mut poses = bed.ear("alone", "sim/pose", "ear", "pose");
    let mut mouth = bed.mouth::<offboard::Drive>("alone", "mouth/drive", "sim", "drive");
    let say = |forward| offboard::Drive { forward, source: "straight".to_owned(), ..offboard::Drive::default() };
    for _ in 0..20 {
        mouth.say(say(0.0)); // neutral first, until it is heard
        pose(&mut poses);
    }
    let limit = Instant::now() + LAP;
    loop {
        mouth.say(say(0.5));
        let pose = pose(&mut poses);
        if pose.resets > 0 {
            assert!(pose.departures > 0 && pose.off_track_s > 0.1, "{pose:?}");
            break;
        }
        assert!(Instant::now() < limit, "never put back: {pose:?}");
    }
    launch.says("put back onto the road");
}
