//! The whole mission through real processes: a scripted human drives a simulated car over two machines' graphs, is recorded, a model
//! learns from the recording and drives a road it never saw; and the same in one run that never stops.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::{
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use offboard::{DriveMode, ModelPhase, ModelState, PilotState, Pose};
use offboard_tests::{Bed, EAR, Ear, Launch, free_port};

/// Each mission wants the machine for itself: a model that gets no processor learns late and drives late.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The road that is learned on, and one that was never seen.
const KNOWN: u32 = 1;
const UNSEEN: u32 = 77;

/// The robot: a car on this road.
fn robot(port: u16, seed: u32) -> String {
    format!(
        r#"
[graph]
name   = "robot"
listen = "127.0.0.1:{port}"

[node.sim]
subscribe = {{ drive = "desktop:pilot/drive" }}
params    = {{ seed = {seed} }}

[node.ear]
{EAR}
subscribe = {{ pose = {{ topic = "sim/pose", keep = 100 }} }}

[peer.desktop]
"#
    )
}

/// The desktop: a person who drives until `hands_off`, gives the robot to the model and leaves the sticks alone; and what else there is.
fn desktop(port: u16, hands_off: &str, model: &str, rest: &str) -> String {
    format!(
        r#"
[graph]
name = "desktop"

[node.driver]
subscribe = {{ pose = "robot:sim/pose", pilot = "pilot/state" }}
params    = {{ press = [{{ button = "north", at = "{hands_off}" }}], rest = [{{ from = "{hands_off}" }}] }}

[node.pilot]
subscribe = {{ pad = "driver/pad"{model} }}
params    = {{ modes = ["human", "model"] }}

[node.ear]
{EAR}
subscribe = {{ pilot = {{ topic = "pilot/state", keep = 100 }} }}
{rest}

[peer.robot]
address = "127.0.0.1:{port}"
"#
    )
}

fn start<'a>(bed: &'a Bed, robot: &str, desktop: &str) -> Launch<'a> {
    bed.launch(&[bed.file("robot.toml", robot), bed.file("desktop.toml", desktop)])
}

/// Follows the car until the fact comes true, for so long at most; the last pose either way.
fn follow(poses: &mut Ear, limit: Duration, mut fact: impl FnMut(&Pose) -> bool) -> (bool, Pose) {
    let until = Instant::now() + limit;
    loop {
        let pose = poses.hear().decode::<Pose>().unwrap().body;
        let come_true = fact(&pose);
        if come_true || Instant::now() >= until {
            return (come_true, pose);
        }
    }
}

/// Waits until the pilot says that the model drives.
fn model_drives(bed: &Bed, limit: Duration) {
    let mut pilot = bed.ear("desktop", "pilot/state", "ear", "pilot");
    let until = Instant::now() + limit;
    loop {
        let state = pilot.hear().decode::<PilotState>().unwrap().body;
        if state.mode() == DriveMode::Model && state.model_ready {
            return;
        }
        assert!(Instant::now() < until, "the model never drove: {state:?}");
    }
}

/// The model drives on from here: says how a lap of its own went.
fn a_lap_of_the_model(poses: &mut Ear) -> Pose {
    let began = follow(poses, Duration::from_secs(5), |_| true).1;
    let (done, pose) =
        follow(poses, Duration::from_secs(150), |pose| pose.distance > began.distance + 1.2 * lap_m(pose));
    println!(
        "the model: {} laps, {} of them clean, {:.0} m in {:.0} s, {:.1} s off the road, put back {} times",
        pose.laps_any,
        pose.laps,
        pose.distance - began.distance,
        pose.time_s - began.time_s,
        pose.off_track_s - began.off_track_s,
        pose.resets - began.resets
    );
    assert!(done, "the model did not finish a lap: {pose:?}");
    pose
}

/// About how long a lap is: what was driven by what was done of it.
fn lap_m(pose: &Pose) -> f64 {
    let laps = f64::from(pose.laps_any) + pose.progress;
    if laps > 0.2 { pose.distance / laps } else { f64::INFINITY }
}

/// The recording of a drive.
fn recording(folder: &Path) -> PathBuf {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|kind| kind == "mcap")).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    files.remove(0)
}

#[test]
fn a_human_drives_is_recorded_and_the_model_drives_a_road_it_never_saw() {
    let _alone = alone();
    let bed = Bed::new();
    let port = free_port();
    let recorder = r#"
[node.recorder]
subscribe = { frames = "robot:sim/frames", drive = "pilot/drive", pilot = "pilot/state", motor = "robot:sim/state" }
params    = { dir = "recordings" }
"#;
    {
        let mut launch = start(&bed, &robot(port, KNOWN), &desktop(port, "1h", "", recorder));
        let mut poses = bed.ear("robot", "sim/pose", "ear", "pose");
        let (done, pose) = follow(&mut poses, Duration::from_secs(240), |pose| pose.time_s > 100.0 && pose.laps >= 1);
        println!("the human: {} clean laps of {}, {:.1} s off the road", pose.laps, pose.laps_any, pose.off_track_s);
        assert!(done, "{pose:?}\n{}", launch.log());
        launch.signal(rustix::process::Signal::INT);
        launch.ended();
    }
    let file = recording(&bed.files().join("recordings"));
    let train = bed.verb(&["train", file.to_str().unwrap(), "-o", "drive.safetensors"]);
    println!("{}", String::from_utf8_lossy(&train.stdout));
    assert!(train.status.success(), "{}", String::from_utf8_lossy(&train.stderr));

    let model = r#"
[node.model]
subscribe = { frames = "robot:sim/frames", drive = "pilot/drive", pilot = "pilot/state", motor = "robot:sim/state" }
params    = { weights = "drive.safetensors", learn = false }
"#;
    let _launch = start(&bed, &robot(port, UNSEEN), &desktop(port, "3s", r#", model = "model/drive""#, model));
    model_drives(&bed, Duration::from_secs(30));
    let pose = a_lap_of_the_model(&mut bed.ear("robot", "sim/pose", "ear", "pose"));
    assert!(pose.laps >= 1 && pose.resets == 0, "it lost the road: {pose:?}");
}

#[test]
fn in_one_run_the_model_learns_while_the_human_drives_and_then_drives_a_road_it_never_saw() {
    let _alone = alone();
    let bed = Bed::new();
    let port = free_port();
    let model = r#"
[node.model]
subscribe = { frames = "robot:sim/frames", drive = "pilot/drive", pilot = "pilot/state", motor = "robot:sim/state" }
params    = { learn = true, weights = "learned.safetensors" }

[node.scribe]
run = ["sleep", "3600"]
subscribe = { model = { topic = "model/state", keep = 100 } }
"#;
    let launch = start(&bed, &robot(port, KNOWN), &desktop(port, "150s", r#", model = "model/drive""#, model));
    let learned = learning(&bed, Duration::from_secs(120));
    println!(
        "after {:.0} samples: {} sets of weights, validation loss {:.4}",
        learned.samples, learned.generation, learned.validation_loss
    );

    // Another road under the car; whoever learns and whoever drives never stops.
    bed.file("robot.toml", &robot(port, UNSEEN));
    assert!(bed.verb(&["reload", "robot"]).status.success(), "{}", launch.log());
    model_drives(&bed, Duration::from_secs(180));
    let pose = a_lap_of_the_model(&mut bed.ear("robot", "sim/pose", "ear", "pose"));
    assert!(pose.laps >= 1, "{pose:?}");
    let restarts = |node: &str| bed.node("desktop", node).unwrap()["restarts"].as_u64();
    assert_eq!((restarts("model"), restarts("pilot"), restarts("driver")), (Some(0), Some(0), Some(0)));
}

/// Waits until the model has taken up weights several times, for so long at most, and stays as long as it goes on to learn.
fn learning(bed: &Bed, limit: Duration) -> ModelState {
    let mut model = bed.ear("desktop", "model/state", "scribe", "model");
    let until = Instant::now() + limit;
    let mut newest = ModelState::default();
    while Instant::now() < until {
        newest = model.hear().decode::<ModelState>().unwrap().body;
    }
    assert!(newest.generation >= 2 && newest.phase() == ModelPhase::Predicting, "{newest:?}");
    newest
}
