//! A model that drives, and all that can be wrong with it: whatever it is, the robot stands still and the reason is said.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use offboard::{Drive, DriveMode, Gamepad, ModelPhase, ModelState, MotorMode, MotorState, Name, PilotState, RawImage};
use offboard_model::{
    net::{Net, Preprocess, Shape, Size},
    pictures::{contract, source::Seen},
    train::footage::Ahead,
    weights::{self, Contract},
};
use offboard_tests::{Bed, EAR, Ear, Launch, Mouth, signal, until};
use rustix::process::Signal;

const MS: i64 = 1_000_000;

fn graph(model: &str) -> String {
    format!(
        "[graph]\nname = \"desk\"\n\
         [node.camera]\n{EAR}\npublish = {{ frames = \"RawImage\" }}\n\
         [node.gamepad]\n{EAR}\npublish = {{ pad = \"Gamepad\" }}\n\
         [node.model]\n{model}\nparams = {{ weights = \"drive.safetensors\" }}\n\
         subscribe = {{ frames = \"camera/frames\", drive = \"pilot/drive\", pilot = \"pilot/state\", motor = \"motor/state\" }}\n\
         [node.pilot]\nsubscribe = {{ pad = \"gamepad/pad\", model = \"model/drive\" }}\n\
         params = {{ modes = [\"human\", \"model\"], forward_limit = 1.0, turn_limit = 1.0 }}\n\
         [node.motor]\nsubscribe = {{ drive = \"pilot/drive\" }}\nparams = {{ deadman = \"300ms\" }}\n\
         [node.ear]\n{EAR}\n\
         subscribe.drive = {{ topic = \"model/drive\", keep = 1000 }}\n\
         subscribe.state = {{ topic = \"model/state\", keep = 1000 }}\n\
         subscribe.pilot = {{ topic = \"pilot/state\", keep = 1000 }}\n\
         subscribe.motor = {{ topic = \"motor/state\", keep = 1000 }}\n"
    )
}

/// What the camera does.
const SEES: u8 = 0;
const FROZEN: u8 = 1;
const SMALLER: u8 = 2;
const SILENT: u8 = 3;

/// Says something again and again in a thread of its own, until it is dropped.
struct Speaker {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Speaker {
    fn new<M: prost::Message + Name + 'static>(
        mut mouth: Mouth<M>,
        period: Duration,
        mut next: impl FnMut() -> Option<M> + Send + 'static,
    ) -> Speaker {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = thread::spawn(move || {
            while !stopped.load(Relaxed) {
                next().into_iter().for_each(|message| mouth.say(message));
                thread::sleep(period);
            }
        });
        Speaker { stop, thread: Some(thread) }
    }
}

impl Drop for Speaker {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        self.thread.take().unwrap().join().unwrap();
    }
}

fn picture(width: u32, height: u32, seed: u64) -> RawImage {
    let mut noise = fastrand::Rng::with_seed(seed);
    let data: Vec<u8> = (0..width * height).map(|_| noise.u8(..)).collect();
    RawImage { width, height, step: width, encoding: "mono8".into(), data: data.into(), ..RawImage::default() }
}

/// Weights that always say the same: turn 0.25, forward 0.5.
fn steady() -> (Contract, Vec<f32>) {
    let shape = Shape { size: Size::Small, extras: 0, outputs: 2 };
    let seen = Seen { kind: RawImage::full_name(), width: 64, height: 48, rate: None };
    let ahead = Ahead { lead_ns: 20 * MS, history: 0 };
    let made = contract::of("camera/frames", &seen, &shape, &Preprocess::of(&shape, 0.0), ahead, String::new());
    let mut parameters = vec![0.0; shape.parameters()];
    let biases = parameters.len() - 2;
    parameters[biases..].copy_from_slice(&[0.25, 0.5]);
    (made, parameters)
}

fn save(path: &Path, contract: &Contract, parameters: Vec<f32>) {
    weights::save(path, contract, &Net::from_parameters(&contract.shape, parameters).unwrap()).unwrap();
}

struct Desk<'a> {
    bed: &'a Bed,
    _launch: Launch<'a>,
    camera: Arc<AtomicU8>,
    pad: Arc<std::sync::Mutex<Gamepad>>,
    _speakers: [Speaker; 2],
    drive: Ear,
    state: Ear,
    pilot: Ear,
    motor: Ear,
}

fn weights_of(bed: &Bed) -> PathBuf {
    bed.files().join("drive.safetensors")
}

impl<'a> Desk<'a> {
    fn new(bed: &'a Bed, model: &str) -> Desk<'a> {
        let launch = bed.launch(&[bed.file("desk.toml", &graph(model))]);
        launch.all_ready(6);
        let (camera, pad) = (Arc::new(AtomicU8::new(SEES)), Arc::new(std::sync::Mutex::new(open())));
        let (does, mut seed) = (camera.clone(), 0);
        let pictures = move || {
            let does = does.load(Relaxed);
            seed += u64::from(does != FROZEN);
            match does {
                SILENT => None,
                SMALLER => Some(picture(32, 24, seed)),
                _ => Some(picture(64, 48, seed)),
            }
        };
        let hands = pad.clone();
        let speakers = [
            Speaker::new(bed.mouth("desk", "camera/frames", "model", "frames"), Duration::from_millis(33), pictures),
            Speaker::new(bed.mouth("desk", "gamepad/pad", "pilot", "pad"), Duration::from_millis(20), move || {
                Some(hands.lock().unwrap().clone())
            }),
        ];
        Desk {
            bed,
            _launch: launch,
            camera,
            pad,
            _speakers: speakers,
            drive: bed.ear("desk", "model/drive", "ear", "drive"),
            state: bed.ear("desk", "model/state", "ear", "state"),
            pilot: bed.ear("desk", "pilot/state", "ear", "pilot"),
            motor: bed.ear("desk", "motor/state", "ear", "motor"),
        }
    }

    fn state(&mut self, what: &str, is: impl Fn(&ModelState) -> bool) -> ModelState {
        until(what, || Some(self.state.hear().decode::<ModelState>().unwrap().body).filter(|state| is(state)))
    }

    fn phase(&mut self, phase: ModelPhase, words: &str) -> ModelState {
        let mut last = None;
        until(&format!("{phase:?} with {words:?}"), || {
            let state = self.state.hear().decode::<ModelState>().unwrap().body;
            let is = state.phase() == phase && state.reason.contains(words);
            if !is && last.as_ref() != Some(&state.reason) {
                println!("{:?}: {}", state.phase(), state.reason);
                last = Some(state.reason.clone());
            }
            is.then_some(state)
        })
    }

    fn motor(&mut self, what: &str, is: impl Fn(&MotorState) -> bool) -> MotorState {
        until(what, || Some(self.motor.hear().decode::<MotorState>().unwrap().body).filter(|state| is(state)))
    }

    fn pilot(&mut self, what: &str, is: impl Fn(&PilotState) -> bool) -> PilotState {
        until(what, || Some(self.pilot.hear().decode::<PilotState>().unwrap().body).filter(|state| is(state)))
    }

    fn hands(&self, pad: Gamepad) {
        *self.pad.lock().unwrap() = pad;
    }

    /// The human takes the gamepad, then gives over to the model.
    fn model_drives(&mut self) {
        self.phase(ModelPhase::Predicting, "");
        self.hands(open());
        self.pilot("the hands are open", |state| !state.deadman && state.model_ready);
        self.hands(held());
        self.motor("a neutral command is obeyed", |state| state.mode() == MotorMode::Driving);
        // A press that comes before the model is ready does nothing: it is pressed again, as a person would.
        let (began, pad) = (Instant::now(), self.pad.clone());
        self.pilot("the model drives", |state| {
            let north = began.elapsed().as_millis() / 400 % 2 == 0;
            *pad.lock().unwrap() = Gamepad { north, ..held() };
            state.mode() == DriveMode::Model
        });
        self.hands(held());
        self.motor("the robot moves", |state| state.mode() == MotorMode::Driving && state.forward > 0.4);
    }

    /// No command comes from the model any more: what it still sends says that there is nothing.
    fn is_mute(&mut self) {
        while self.drive.hear_within(Duration::ZERO).is_some() {}
        let until = Instant::now() + Duration::from_millis(400);
        while Instant::now() < until {
            if let Some(message) = self.drive.hear_within(Duration::from_millis(50)) {
                assert!(message.is_no_data(), "{:?}", message.decode::<Drive>());
            }
        }
    }

    /// The motor stands still so soon after something went wrong.
    fn stands_within(&mut self, since: Instant, limit: Duration) {
        self.motor("the motor is neutral", |state| state.forward == 0.0 && state.turn == 0.0);
        assert!(since.elapsed() < limit, "{:?}", since.elapsed());
    }
}

fn open() -> Gamepad {
    Gamepad { connected: true, name: "hands".into(), ..Gamepad::default() }
}

fn held() -> Gamepad {
    Gamepad { right_bumper: true, ..open() }
}

#[test]
fn a_model_drives_with_the_pictures_stamp_and_when_it_is_killed_the_robot_stands_within_the_deadman() {
    let bed = Bed::new();
    let (made, parameters) = steady();
    save(&weights_of(&bed), &made, parameters);
    // Else launch would replace it before anybody noticed.
    let mut desk = Desk::new(&bed, "restart = \"never\"");
    let drive = until("the model speaks", || desk.drive.hear().decode::<Drive>().ok());
    assert_eq!((drive.turn, drive.forward, drive.source.as_str()), (0.25, 0.5, "model"));
    assert_eq!(drive.header.origin, "desk:camera/frames");
    desk.model_drives();
    let state = desk.motor("it knows how old the picture is", |state| state.picture_age_ns > 0);
    assert!(state.picture_age_ns < 300 * MS, "{state:?}");
    desk.state("the loop is measured", |state| state.loop_latency_ns > 0 && state.predictions > 10);

    let killed = bed.pid("desk", "model");
    let since = Instant::now();
    signal(killed, Signal::KILL);
    // The deadman is 300 ms; the rest is for a busy machine.
    desk.stands_within(since, Duration::from_secs(4));
    let state = desk.pilot("the human is to drive", |state| state.mode() == DriveMode::Human);
    println!("after kill -9: {:?}, {}", since.elapsed(), state.reason);
    assert!(bed.verb(&["start", "model"]).status.success());
    desk.model_drives();
}

#[test]
fn a_frozen_or_silent_camera_or_one_of_another_size_stops_the_robot_and_is_said() {
    let bed = Bed::new();
    let (made, parameters) = steady();
    save(&weights_of(&bed), &made, parameters);
    let mut desk = Desk::new(&bed, "");
    for (does, phase, words) in [
        (FROZEN, ModelPhase::Refusing, "while the robot moves: the camera is frozen"),
        (SMALLER, ModelPhase::Refusing, "size: it learned from 64×48, this is 32×24"),
        (SILENT, ModelPhase::Empty, "no picture for"),
    ] {
        desk.model_drives();
        let since = Instant::now();
        desk.camera.store(does, Relaxed);
        desk.stands_within(since, Duration::from_secs(3));
        desk.phase(phase, words);
        desk.is_mute();
        desk.camera.store(SEES, Relaxed);
    }
    desk.model_drives();
}

/// A whole file of weights, its numbers all one.
fn filled(bed: &Bed, number: f32) -> Vec<u8> {
    let (made, parameters) = steady();
    let path = bed.files().join("other.safetensors");
    save(&path, &made, parameters);
    let mut bytes = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    let header = u64::from_le_bytes(*bytes.first_chunk().unwrap()) as usize;
    bytes[8 + header..].as_chunks_mut::<4>().0.iter_mut().for_each(|four| *four = number.to_le_bytes());
    bytes
}

/// One change to what weights say they were made for.
fn made(bed: &Bed, change: impl FnOnce(&mut Contract)) -> Vec<u8> {
    let (mut made, parameters) = steady();
    change(&mut made);
    let path = bed.files().join("other.safetensors");
    save(&path, &made, parameters);
    let bytes = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    bytes
}

#[test]
fn weights_that_are_broken_hostile_or_made_for_something_else_never_drive_and_the_node_lives_on() {
    let bed = Bed::new();
    let mut desk = Desk::new(&bed, "");
    desk.phase(ModelPhase::Empty, "there is no drive.safetensors");
    let good = made(&bed, |_| {});
    let pid = bed.pid("desk", "model");
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("numbers that are none", filled(&bed, f32::NAN), "not a finite number"),
        ("numbers too large to compute with", filled(&bed, f32::MAX), "says nothing that can be obeyed"),
        ("cut off", good[..good.len() / 2].to_vec(), "drive.safetensors"),
        ("empty", Vec::new(), "too short"),
        ("a header without end", vec![0xff; 4096], "no safetensors file"),
        ("another program's", b"\x02\0\0\0\0\0\0\0{}".to_vec(), "does not say what it was made for"),
        (
            "another topic",
            made(&bed, |made| made.topic = "robot:left/frames".into()),
            "topic: it learned from robot:left/frames",
        ),
        ("another type", made(&bed, |made| made.kind = "offboard.v1.CompressedImage".into()), "type: it learned from"),
        ("another rate", made(&bed, |made| made.rate = 200.0), "rate: it learned from 200.0"),
        ("a lead of a day", made(&bed, |made| made.lead_ns = 86_400_000 * MS), "a lead of 86400000 ms"),
    ];
    for (what, bytes, words) in cases {
        println!("--- {what}");
        replace(&weights_of(&bed), &bytes);
        desk.phase(ModelPhase::Refusing, words);
        desk.is_mute();
        replace(&weights_of(&bed), &good);
        desk.phase(ModelPhase::Predicting, "");
    }
    println!("--- not a file");
    fs::remove_file(weights_of(&bed)).unwrap();
    fs::create_dir(weights_of(&bed)).unwrap();
    desk.phase(ModelPhase::Refusing, "it is no file");
    fs::remove_dir(weights_of(&bed)).unwrap();
    println!("--- huge");
    fs::File::create(weights_of(&bed)).unwrap().set_len(1 << 40).unwrap();
    desk.phase(ModelPhase::Refusing, "MB are more than");
    replace(&weights_of(&bed), &good);
    desk.model_drives();
    assert_eq!(bed.pid("desk", "model"), pid, "it is the same process");
    assert_eq!(desk.bed.node("desk", "model").unwrap()["restarts"].as_u64().unwrap_or(0), 0);
}

fn replace(path: &Path, bytes: &[u8]) {
    let part = path.with_extension("new");
    fs::write(&part, bytes).unwrap();
    fs::rename(part, path).unwrap();
}

/// Somebody drives a simulated car; a model learns beside it.
fn school() -> String {
    format!(
        "[graph]\nname = \"school\"\n\
         [node.sim]\nsubscribe = {{ drive = \"pilot/drive\" }}\nparams = {{ seed = 3, deadman = \"300ms\" }}\n\
         [node.driver]\nsubscribe = {{ pose = \"sim/pose\" }}\nparams = {{ expo = 0.0, forward_limit = 1.0, turn_limit = 1.0 }}\n\
         [node.pilot]\nsubscribe = {{ pad = \"driver/pad\", model = \"model/drive\" }}\n\
         params = {{ expo = 0.0, forward_limit = 1.0, turn_limit = 1.0 }}\n\
         [node.model]\n\
         subscribe = {{ frames = \"sim/frames\", drive = \"pilot/drive\", pilot = \"pilot/state\", motor = \"sim/state\" }}\n\
         params = {{ learn = true, weights = \"learned.safetensors\" }}\n\
         [node.ear]\n{EAR}\nsubscribe.state = {{ topic = \"model/state\", keep = 1000 }}\n"
    )
}

#[test]
fn a_model_learns_while_a_human_drives_and_predicting_never_waits_for_it() {
    let bed = Bed::new();
    let launch = bed.launch(&[bed.file("school.toml", &school())]);
    launch.all_ready(5);
    let mut ear = bed.ear("school", "model/state", "ear", "state");
    let limit = Instant::now() + Duration::from_secs(120);
    let mut first = None;
    let last = loop {
        let state = ear.hear().decode::<ModelState>().unwrap().body;
        assert!(Instant::now() < limit, "{state:?}\n{}", launch.log());
        if state.generation == 0 {
            assert_eq!(state.predictions, 0, "nothing is said before anything is learned");
            continue;
        }
        let first: &ModelState = first.get_or_insert_with(|| state.clone());
        let better = state.validation_loss < first.validation_loss * 0.8;
        if state.generation >= 4 && better && state.predictions > 100 {
            break state;
        }
    };
    println!(
        "{} generations, {} epochs, {} samples, validation {:.5}, p50 {} µs, p99 {} µs, lead {} ms",
        last.generation,
        last.epochs,
        last.samples,
        last.validation_loss,
        last.latency_p50_ns / 1000,
        last.latency_p99_ns / 1000,
        last.lead_ns / MS
    );
    assert!(last.latency_p99_ns < 200_000_000, "predicting does not wait for an epoch: {last:?}");
    assert_eq!(last.outputs, ["turn", "forward"]);
    let written = until("what was learned is written", || weights::load(&bed.files().join("learned.safetensors")).ok());
    assert_eq!((written.contract.topic.as_str(), written.contract.data_hash.as_str()), ("sim/frames", ""));
    assert_eq!(written.contract.lead_ns, last.lead_ns);
}
