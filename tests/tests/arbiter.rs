//! Who drives: hands and a model through a real pilot and a real motor.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::{
    sync::{Arc, Mutex, mpsc},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use offboard::{Drive, DriveMode, Gamepad, Message, MotorMode, MotorState, Name, PilotState};
use offboard_tests::{Bed, EAR, Ear, LIMIT, Launch, Mouth, until};

fn graph(params: &str) -> String {
    format!(
        "[graph]\nname = \"desk\"\n\
         [node.gamepad]\n{EAR}\npublish = {{ pad = \"Gamepad\" }}\n\
         [node.model]\n{EAR}\npublish = {{ drive = \"Drive\" }}\n\
         [node.pilot]\nsubscribe = {{ pad = \"gamepad/pad\", model = \"model/drive\" }}\nparams = {{ {params} }}\n\
         [node.motor]\nsubscribe = {{ drive = \"pilot/drive\" }}\nparams = {{ deadman = \"300ms\" }}\n\
         [node.ear]\n{EAR}\n\
         subscribe.state = {{ topic = \"pilot/state\", keep = 1000 }}\n\
         subscribe.drive = {{ topic = \"pilot/drive\", keep = 1000 }}\n\
         subscribe.motor = {{ topic = \"motor/state\", keep = 1000 }}\n"
    )
}

/// Says the same again and again, as a gamepad or a model does, until it is told something else or dropped.
struct Speaker<M> {
    says: Arc<Mutex<Option<M>>>,
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl<M: prost::Message + Name + Clone + 'static> Speaker<M> {
    fn new(mut mouth: Mouth<M>) -> Speaker<M> {
        let says = Arc::new(Mutex::new(None::<M>));
        let (stop, stopped) = mpsc::channel::<()>();
        let words = says.clone();
        let thread = thread::spawn(move || {
            while stopped.recv_timeout(Duration::from_millis(10)) == Err(mpsc::RecvTimeoutError::Timeout) {
                let word = words.lock().unwrap().clone();
                word.into_iter().for_each(|word| mouth.say(word));
            }
        });
        Speaker { says, stop: Some(stop), thread: Some(thread) }
    }

    fn says(&self, word: impl Into<Option<M>>) {
        *self.says.lock().unwrap() = word.into();
    }
}

impl<M> Drop for Speaker<M> {
    fn drop(&mut self) {
        drop(self.stop.take());
        self.thread.take().unwrap().join().unwrap();
    }
}

struct Desk<'a> {
    _launch: Launch<'a>,
    hands: Speaker<Gamepad>,
    model: Speaker<Drive>,
    state: Ear,
    drive: Ear,
    motor: Ear,
}

impl<'a> Desk<'a> {
    fn new(bed: &'a Bed, params: &str) -> Desk<'a> {
        let launch = bed.launch(&[bed.file("desk.toml", &graph(params))]);
        launch.all_ready(5);
        let mut desk = Desk {
            _launch: launch,
            hands: Speaker::new(bed.mouth("desk", "gamepad/pad", "pilot", "pad")),
            model: Speaker::new(bed.mouth("desk", "model/drive", "pilot", "model")),
            state: bed.ear("desk", "pilot/state", "ear", "state"),
            drive: bed.ear("desk", "pilot/drive", "ear", "drive"),
            motor: bed.ear("desk", "motor/state", "ear", "motor"),
        };
        desk.hands.says(open());
        // A button counts once it was seen up, the dead-man too: the pilot must have heard the open hands.
        wait(
            "the hands are heard",
            || desk.drive.hear().decode::<Drive>().unwrap().header.origin,
            |origin| origin.ends_with("gamepad/pad"),
        );
        desk
    }

    /// Hears states until one is so.
    fn state(&mut self, what: &str, mut is: impl FnMut(&PilotState) -> bool) -> PilotState {
        wait(what, || self.state.hear().decode::<PilotState>().unwrap().body, &mut is)
    }

    fn mode(&mut self, mode: DriveMode) -> PilotState {
        self.state(&format!("the mode is {mode:?}"), |state| state.mode() == mode)
    }

    /// Hears commands until one is so.
    fn drive(&mut self, what: &str, is: impl Fn(&Drive) -> bool) -> Message<Drive> {
        wait(what, || self.drive.hear().decode::<Drive>().unwrap(), |drive| is(&drive.body))
    }

    fn motor(&mut self, what: &str, is: impl Fn(&MotorState) -> bool) -> MotorState {
        wait(what, || self.motor.hear().decode::<MotorState>().unwrap().body, is)
    }

    /// Presses the button that changes who drives, until that was seen.
    fn press(&mut self, pad: Gamepad, mode: DriveMode) -> PilotState {
        self.hands.says(Gamepad { north: true, ..pad.clone() });
        let state = self.mode(mode);
        self.hands.says(pad);
        // The button is up again only once a state without it came; two commands later it has.
        for _ in 0..5 {
            self.state.hear();
        }
        state
    }
}

/// Hears one after the other, as fast as they come, until one is so.
fn wait<T>(what: &str, mut next: impl FnMut() -> T, mut is: impl FnMut(&T) -> bool) -> T {
    let limit = Instant::now() + LIMIT;
    loop {
        let heard = next();
        if is(&heard) {
            return heard;
        }
        assert!(Instant::now() < limit, "{what}: not within {LIMIT:?}");
    }
}

fn open() -> Gamepad {
    Gamepad { connected: true, name: "hands".into(), ..Gamepad::default() }
}

fn held(forward: f32, turn: f32) -> Gamepad {
    Gamepad { right_bumper: true, left_stick_y: forward, right_stick_x: turn, ..open() }
}

fn word(forward: f32, turn: f32) -> Drive {
    Drive { forward, turn, source: "model".into(), ..Drive::default() }
}

#[test]
fn one_button_goes_through_the_modes_and_the_motor_never_lets_go() {
    let bed = Bed::new();
    let mut desk = Desk::new(&bed, "forward_limit = 1.0, turn_limit = 1.0, expo = 0.0, rate = 100");
    desk.model.says(word(0.2, -0.4));
    desk.state("the model is heard", |state| state.model_ready);
    desk.state("the hands are open", |state| !state.deadman);
    desk.hands.says(held(0.0, 0.0));
    desk.motor("a neutral command is obeyed", |state| state.mode() == MotorMode::Driving);
    desk.hands.says(held(0.3, 0.5));
    desk.motor("the human drives", |state| state.turn > 0.45);

    desk.press(held(0.3, 0.5), DriveMode::Shadow);
    let state = desk.state("the error is known", |state| (state.error_turn - 0.9).abs() < 0.01);
    assert!((state.error_forward - 0.1).abs() < 0.01, "{state:?}");
    let row = until("top has the figure", || {
        let node = bed.node("desk", "pilot")?;
        node["gauges"].as_array()?.iter().find(|gauge| gauge["name"] == "model error turn").cloned()
    });
    assert!(row["value"].as_f64().unwrap() > 0.5, "{row}");

    desk.press(held(0.3, 0.5), DriveMode::Assist);
    desk.motor("the model steers", |state| state.turn < -0.35 && state.forward > 0.25);
    desk.press(held(0.3, 0.5), DriveMode::Model);
    let state = desk.motor("the model drives", |state| state.forward < 0.25 && state.turn < -0.35);
    assert_eq!((state.source.as_str(), state.mode()), ("pilot", MotorMode::Driving));
    let drive = desk.drive("the model's command", |drive| drive.turn < -0.35);
    assert_eq!(drive.header.origin, "desk:model/drive", "the model's stamp goes on to the motor");

    let states: Vec<MotorState> = std::iter::from_fn(|| desk.motor.hear_within(Duration::ZERO))
        .map(|message| message.decode::<MotorState>().unwrap().body)
        .collect();
    assert!(states.iter().all(|state| state.mode() == MotorMode::Driving), "one lease the whole way");
    assert_eq!(states.last().map_or(0, |state| state.refused), 0);
}

#[test]
fn a_stick_or_an_open_hand_takes_back_and_the_moment_is_marked() {
    let bed = Bed::new();
    let mut desk = Desk::new(&bed, r#"mode = "model", modes = ["human", "model"], turn_limit = 1.0, expo = 0.0"#);
    desk.model.says(word(0.4, 0.8));
    desk.state("it waits for the hand", |state| {
        state.model_ready && !state.deadman && state.mode() == DriveMode::Model
    });
    desk.hands.says(held(0.0, 0.0));
    desk.motor("the model drives", |state| state.turn > 0.7 && state.forward > 0.3);

    desk.hands.says(held(0.0, -0.9));
    let state = desk.mode(DriveMode::Human);
    assert_eq!((state.reason.as_str(), state.take_overs, state.before()), ("stick moved", 1, DriveMode::Model));
    desk.motor("the human steers", |state| state.turn < -0.8);

    desk.hands.says(held(0.0, 0.0));
    desk.press(held(0.0, 0.0), DriveMode::Model);
    desk.motor("the model drives again", |state| state.turn > 0.7);
    desk.hands.says(open());
    let state = desk.mode(DriveMode::Human);
    assert_eq!((state.reason.as_str(), state.take_overs), ("dead-man let go", 2));
    desk.motor("it stands", |state| state.forward == 0.0 && state.turn == 0.0);
}

#[test]
fn a_model_that_falls_silent_or_says_nonsense_stops_the_robot_and_says_why() {
    let bed = Bed::new();
    let mut desk = Desk::new(&bed, r#"modes = ["human", "model"], model_timeout = "100ms""#);
    for (nonsense, reason) in [
        (None, "model silent for "),
        (Some(word(f32::NAN, 0.0)), "the model's word is not finite"),
        (Some(word(0.0, 7.0)), "the model's word is out of range"),
    ] {
        desk.model.says(word(0.4, 0.3));
        desk.hands.says(open());
        desk.state("all is at rest", |state| state.model_ready && !state.deadman);
        desk.press(held(0.0, 0.0), DriveMode::Model);
        desk.motor("the model drives", |state| state.forward > 0.3);
        desk.model.says(nonsense);
        let state = desk.mode(DriveMode::Human);
        assert!(state.reason.starts_with(reason), "{state:?}");
        assert_eq!(state.take_overs, 0, "the human took nothing back");
        desk.motor("it stands", |state| state.forward == 0.0 && state.turn == 0.0);
    }
}

#[test]
fn a_model_node_that_is_killed_while_it_drives_leaves_a_standing_robot() {
    let bed = Bed::new();
    let mut desk = Desk::new(&bed, r#"mode = "model", model_timeout = "100ms""#);
    desk.model.says(word(0.4, 0.0));
    desk.state("it waits for the hand", |state| state.model_ready && !state.deadman);
    desk.hands.says(held(0.0, 0.0));
    desk.motor("the model drives", |state| state.forward > 0.3);
    // The speaker ends as a killed process does: its socket closes, nothing is said any more.
    let silent = Speaker::new(bed.mouth("desk", "model/drive", "pilot", "nobody"));
    drop(std::mem::replace(&mut desk.model, silent));
    assert!(desk.mode(DriveMode::Human).reason.starts_with("model silent for "));
    desk.motor("it stands", |state| state.forward == 0.0);
}
