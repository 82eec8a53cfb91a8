//! Who drives: the human, the model, or both. Pure: time, hands and the model's word in, a command out.
//!
//! The human is always the master:
//! - Nothing moves, whoever drives, unless the dead-man button is held; letting it go takes back from the model.
//! - Any stick that moves takes back too, and has the robot in the same step.
//! - The model drives only while its word is fresh by its own time and by the picture's, finite and in range. Else the robot stops
//!   at once, and the human drives once a stick moves or the throttle was seen at rest.
//! - An emergency stop ends everything.
//!
//! A change by the button is without a jump: what leaves neutral and what steers goes over at a bounded rate; what stops never waits.
//! The arbiter never reads a clock, and never commands motion that neither a hand nor a fresh word stands behind.

use offboard::{Drive, DriveMode, PilotState};

use crate::{
    lever::Lever,
    mapping::{Axes, Grip, Hands},
};

pub(crate) use word::{Doubt, Word};

use channel::Channel;
use difference::Difference;

mod channel;
mod difference;
#[cfg(test)]
mod tests;
mod word;

/// Who commands. One name for all: to the motor it is one source that goes on whoever drives; who that is stands in the state.
const SOURCE: &str = "pilot";

/// Up to here the human's throttle is at rest.
const REST: f32 = 0.02;

/// Who drives when, within which bounds.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    /// Through which modes the button goes.
    pub(crate) modes: Vec<DriveMode>,
    /// Who drives at the start.
    pub(crate) start: DriveMode,
    /// How far an axis moves to take back.
    pub(crate) take_back: f32,
    /// The human's steering: what takes back while the throttle is the human's anyway.
    pub(crate) turn: Lever,
    /// The oldest word by its `sent_ns`, nanoseconds.
    pub(crate) timeout_ns: i64,
    /// The oldest picture behind a word, by `stamp_ns`, nanoseconds.
    pub(crate) evidence_ns: i64,
    /// How long a change takes at full scale, nanoseconds; 0: at once.
    pub(crate) blend_ns: i64,
    /// The time between two steps at most, nanoseconds: one that came late must not jump further.
    pub(crate) period_ns: i64,
    /// The most |forward|, 0 to 1, whoever drives.
    pub(crate) forward_limit: f32,
    /// The most |turn|, 0 to 1, whoever drives.
    pub(crate) turn_limit: f32,
}

/// What a command was computed from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The state of the gamepad, or its silence.
    Hands,
    /// The model's word: its picture's stamp goes on to the motor.
    Model,
}

/// What a step decides.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Decision {
    /// What the robot is told.
    pub(crate) drive: Drive,
    /// From what it was computed.
    pub(crate) cause: Cause,
    /// Who drives and how well the model would.
    pub(crate) state: PilotState,
}

/// The state machine.
#[derive(Debug)]
pub(crate) struct Arbiter {
    rules: Rules,
    mode: DriveMode,
    before: DriveMode,
    reason: String,
    take_overs: u64,
    /// The model moved something in the last step.
    engaged: bool,
    /// Where everything stood when the model was to take over, once that is known.
    stood: Option<Axes>,
    /// The model fell silent, and everything stood so: the throttle is neutral until the human takes it.
    orphan: Option<Axes>,
    /// The button was down in the last step; held since before the start it means nothing.
    pressed: bool,
    forward: Channel,
    turn: Channel,
    difference: Difference,
    now_ns: i64,
}

impl Arbiter {
    /// An arbiter at rest.
    pub(crate) fn new(rules: Rules) -> Arbiter {
        Arbiter {
            mode: rules.start,
            before: rules.start,
            reason: "start".to_owned(),
            rules,
            take_overs: 0,
            engaged: false,
            stood: None,
            orphan: None,
            pressed: true,
            forward: Channel::default(),
            turn: Channel::default(),
            difference: Difference::default(),
            now_ns: i64::MIN,
        }
    }

    /// Decides at `now_ns` on the machine's steady timeline, by the hands and the newest that the model said.
    pub(crate) fn step(&mut self, now_ns: i64, hands: &Hands, word: Option<&Word>) -> Decision {
        let passed_ns = now_ns.saturating_sub(self.now_ns).clamp(0, self.rules.period_ns);
        self.now_ns = self.now_ns.max(now_ns);
        let model = word.ok_or(Doubt::Never).and_then(|word| self.trust(word));
        self.change(hands, model.as_ref().err());
        let cause = self.put_out(passed_ns, hands, model.as_ref().ok());
        if let (DriveMode::Shadow, Some(grip), Ok(model)) = (self.mode, hands.holding(), &model) {
            self.difference.note(self.now_ns, model.0 - grip.forward, model.1 - grip.turn);
        }
        self.difference.forget(self.now_ns);
        Decision { drive: self.drive(hands), cause, state: self.state(hands, word, model.is_ok()) }
    }

    /// What the model wants, within the pilot's limits, where it may be trusted.
    fn trust(&self, word: &Word) -> Result<(f32, f32), Doubt> {
        word.check(self.now_ns, self.rules.timeout_ns, self.rules.evidence_ns)?;
        let Rules { forward_limit, turn_limit, .. } = self.rules;
        Ok((word.forward.clamp(-forward_limit, forward_limit), word.turn.clamp(-turn_limit, turn_limit)))
    }

    /// Who drives from now on.
    fn change(&mut self, hands: &Hands, doubt: Option<&Doubt>) {
        let pressed = hands.grip().is_none_or(|grip| grip.mode);
        let press = pressed && !self.pressed && hands.grip().is_some() && !hands.stop();
        self.pressed = pressed;
        let held = hands.holding();
        if self.by_model() && hands.stop() {
            self.take_back("emergency stop");
        } else if self.engaged && held.is_none() {
            self.take_back(if hands.grip().is_some() { "dead-man let go" } else { "the gamepad is silent" });
        } else if self.by_model() && self.moved(hands, self.stood) {
            self.take_back("stick moved");
        } else if press {
            self.next(hands);
        }
        self.stood = hands.grip().filter(|_| self.by_model()).map(|grip| self.stood.unwrap_or(grip.axes));
        if let (true, Some(grip), Some(doubt)) = (self.by_model(), held, doubt) {
            self.orphan = self.engaged.then_some(grip.axes);
            self.human(doubt.to_string());
        }
        if held.is_none_or(|grip| grip.forward.abs() <= REST) || self.moved(hands, self.orphan) {
            self.orphan = None;
        }
        self.engaged = self.by_model() && held.is_some();
    }

    /// Whether the model has a part in what moves.
    fn by_model(&self) -> bool {
        matches!(self.mode, DriveMode::Assist | DriveMode::Model)
    }

    /// Whether anything that takes back is not where it stood.
    fn moved(&self, hands: &Hands, stood: Option<Axes>) -> bool {
        let (Some(grip), Some(stood)) = (hands.grip(), stood) else { return false };
        let counts = |axis| self.mode != DriveMode::Assist || self.rules.turn.reads(axis);
        let still = |index: usize| (grip.axes[index] - stood[index]).abs() <= self.rules.take_back;
        offboard::gamepad::Axis::ALL.iter().enumerate().any(|(index, &axis)| counts(axis) && !still(index))
    }

    /// The human has the robot, at once and in full.
    fn take_back(&mut self, reason: &str) {
        self.take_overs += u64::from(self.engaged);
        self.human(reason.to_owned());
    }

    fn human(&mut self, reason: String) {
        self.enter(DriveMode::Human, reason);
        self.forward.at_once();
        self.turn.at_once();
    }

    /// The mode after this one.
    fn next(&mut self, hands: &Hands) {
        let modes = &self.rules.modes;
        let at = modes.iter().position(|&mode| mode == self.mode);
        let Some(&next) = modes.get(at.map_or(0, |at| (at + 1) % modes.len())) else { return };
        if next == self.mode {
            return;
        }
        let ends = self.engaged && !matches!(next, DriveMode::Assist | DriveMode::Model);
        self.take_overs += u64::from(ends);
        self.enter(next, "button".to_owned());
        self.orphan = None;
        self.stood = hands.grip().map(|grip| grip.axes);
    }

    fn enter(&mut self, mode: DriveMode, reason: String) {
        self.before = self.mode;
        self.mode = mode;
        self.reason = reason;
        self.stood = None;
    }

    /// Moves both channels towards whoever has them.
    fn put_out(&mut self, passed_ns: i64, hands: &Hands, model: Option<&(f32, f32)>) -> Cause {
        let Some(grip) = hands.holding() else {
            self.forward.stop();
            self.turn.stop();
            return Cause::Hands;
        };
        let most = match self.rules.blend_ns {
            0 => f32::INFINITY,
            blend_ns => passed_ns as f32 / blend_ns as f32,
        };
        let throttle = if self.orphan.is_some() { 0.0 } else { grip.forward };
        let model = model.filter(|_| self.by_model());
        let forward = model.filter(|_| self.mode == DriveMode::Model).map(|to| to.0);
        let wanted = forward.unwrap_or(throttle);
        // What stops never waits. Steering has no side that is safe: it goes over evenly in both directions.
        self.forward.give_up(wanted);
        self.forward.follow(wanted, forward.is_some(), most);
        self.turn.follow(model.map_or(grip.turn, |to| to.1), model.is_some(), most);
        if model.is_some() { Cause::Model } else { Cause::Hands }
    }

    fn drive(&self, hands: &Hands) -> Drive {
        Drive {
            forward: self.forward.out(),
            turn: self.turn.out(),
            source: SOURCE.to_owned(),
            emergency_stop: hands.stop(),
            reset: hands.grip().is_some_and(|grip| grip.reset),
            ..Drive::default()
        }
    }

    fn state(&self, hands: &Hands, word: Option<&Word>, ready: bool) -> PilotState {
        let human = hands.grip().map_or((0.0, 0.0), |Grip { forward, turn, .. }| (*forward, *turn));
        let known = |value: f32| if value.is_finite() { value } else { 0.0 };
        let (error_forward, error_turn) = self.difference.mean().unwrap_or((-1.0, -1.0));
        PilotState {
            mode: self.mode as i32,
            before: self.before as i32,
            reason: self.reason.clone(),
            take_overs: self.take_overs,
            deadman: hands.holding().is_some(),
            human_forward: human.0,
            human_turn: human.1,
            model_forward: word.map_or(0.0, |word| known(word.forward)),
            model_turn: word.map_or(0.0, |word| known(word.turn)),
            model_ready: ready,
            error_turn,
            error_forward,
        }
    }
}
