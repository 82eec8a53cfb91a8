//! The lease on motion: which commands are obeyed, for how long, and how motion ends when they stop.
//!
//! A command is a lease, not an order: it is obeyed in full for the first half of its time, fades over the second half, and is
//! exactly neutral at the end, at most `deadman` after it arrived. Whoever let a lease lapse shows a neutral command before
//! anything moves again.
//!
//! Whatever moves keeps these rules: the node `motor`, and a simulated car.
//!
//! Pure: time and events in, outputs out. It never reads a clock, never holds a command because a connection still stands,
//! and never puts out what is not finite or beyond its limits.

use offboard_proto::{Drive, Header, MotorMode, MotorState};

pub use journal::Journal;
pub use refusal::Refusal;
use speakers::Speakers;

mod journal;
mod refusal;
mod speakers;
#[cfg(test)]
mod tests;

/// Up to here `forward` and `turn` are neutral: what a worn stick says when nobody touches it.
pub const NEUTRAL: f32 = 0.05;

/// A stamp may be so far ahead: the error of a clock estimate between two machines, generously.
const FUTURE_MAX_NS: i64 = 100_000_000;

/// Motion is neutral so long before the lease ends, so that a timer that fires late is still in time.
const SLACK_NS: i64 = 2_000_000;

/// The longest name of a source, in bytes: it is kept and shown.
const SOURCE_MAX: usize = 64;

/// How long a refusal is shown as a part of the reason.
const REFUSAL_SHOWN_NS: i64 = 1_000_000_000;

/// The bounds of a lease.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rules {
    /// The longest lease, and the oldest command by its `sent_ns`, in nanoseconds.
    pub deadman_ns: i64,
    /// The oldest evidence, by `stamp_ns`, in nanoseconds.
    pub evidence_ns: i64,
    /// The most |forward|, 0 to 1.
    pub forward_limit: f32,
    /// The most |turn|, 0 to 1.
    pub turn_limit: f32,
    /// How fast an output may leave neutral, in units a second; 0: at once. Towards neutral is never held back.
    pub slew: f32,
}

/// What happened.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// A command came.
    Command(&'a Header, &'a Drive),
    /// Time passed.
    Tick,
    /// What is put out reaches the motor, or no longer does.
    Driver {
        /// Whether it does.
        ready: bool,
    },
    /// The node is ending: neutral from now on.
    Stop,
}

/// What to put out, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// What the lease is doing.
    pub mode: MotorMode,
    /// Why, when it is not driving.
    pub reason: String,
    /// Along the robot's nose, −`forward_limit` to `forward_limit`.
    pub forward: f32,
    /// Right positive, −`turn_limit` to `turn_limit`.
    pub turn: f32,
    /// Age of the last accepted command, nanoseconds; −1: none yet.
    pub command_age_ns: i64,
    /// Age of what that command was computed from, nanoseconds; −1: none yet.
    pub picture_age_ns: i64,
    /// Why the command of this very event is not obeyed.
    pub refusal: Option<Refusal>,
    /// When the output changes by itself in a way that must not wait for the next tick.
    pub wake_ns: Option<i64>,
}

/// The state machine.
#[derive(Debug)]
pub struct Lease {
    rules: Rules,
    state: State,
    driver: bool,
    speakers: Speakers,
    last: Option<Accepted>,
    accepted: u64,
    refused: u64,
    last_refusal: Option<(i64, Refusal)>,
    now_ns: i64,
    forward: f32,
    turn: f32,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    /// Neutral until a neutral command comes.
    Latched(Cause),
    /// The last accepted command is obeyed.
    Held(Held),
    /// Neutral until a reset comes.
    Emergency,
    /// Neutral for ever.
    Stopped,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Cause {
    Start,
    Lapse,
    Reset,
    Driver,
}

/// An obeyed command and its time.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Held {
    forward: f32,
    turn: f32,
    /// Obeyed in full until here.
    full_until_ns: i64,
    /// Neutral from here.
    neutral_from_ns: i64,
    /// Lapsed from here.
    until_ns: i64,
}

/// The command that was accepted last.
#[derive(Debug)]
struct Accepted {
    sent_ns: i64,
    stamp_ns: i64,
    seq: u64,
    incarnation: u64,
    source: String,
}

impl Lease {
    /// A latched lease: nothing moves until a fresh neutral command was seen.
    #[must_use]
    pub fn new(rules: Rules) -> Lease {
        Lease {
            rules,
            state: State::Latched(Cause::Start),
            driver: true,
            speakers: Speakers::default(),
            last: None,
            accepted: 0,
            refused: 0,
            last_refusal: None,
            now_ns: i64::MIN,
            forward: 0.0,
            turn: 0.0,
        }
    }

    /// Takes an event at `now_ns` on the machine's steady timeline and says what to put out.
    pub fn step(&mut self, now_ns: i64, event: Event<'_>) -> Output {
        let passed_ns = now_ns.saturating_sub(self.now_ns).max(0);
        self.now_ns = self.now_ns.max(now_ns);
        // First what time did: a lease that lapsed unseen, because this process was held up, has lapsed all the same.
        self.lapse();
        let refusal = self.take(event).err();
        if let Some(refusal) = refusal {
            self.refused += 1;
            self.last_refusal = Some((self.now_ns, refusal));
        }
        self.output(passed_ns, refusal)
    }

    /// Commands obeyed since the start, emergency stops included.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.accepted
    }

    /// Commands not obeyed since the start.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// `seq` of the last accepted command; 0: none yet.
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.last.as_ref().map_or(0, |last| last.seq)
    }

    /// Who was obeyed last.
    #[must_use]
    pub fn source(&self) -> &str {
        self.last.as_ref().map_or("", |last| &last.source)
    }

    /// What to tell of an output. `left` and `right` are what the wheels do, see [`MotorState`].
    #[must_use]
    pub fn state(&self, output: &Output, left: f32, right: f32) -> MotorState {
        MotorState {
            mode: output.mode as i32,
            reason: output.reason.clone(),
            forward: output.forward,
            turn: output.turn,
            left,
            right,
            command_age_ns: output.command_age_ns,
            picture_age_ns: output.picture_age_ns,
            command_seq: self.seq(),
            accepted: self.accepted,
            refused: self.refused,
            source: self.source().to_owned(),
        }
    }

    fn lapse(&mut self) {
        if matches!(self.state, State::Held(held) if self.now_ns >= held.until_ns) {
            self.state = State::Latched(Cause::Lapse);
        }
    }

    fn take(&mut self, event: Event<'_>) -> Result<(), Refusal> {
        match event {
            Event::Command(header, drive) => self.command(header, drive)?,
            Event::Tick => {}
            Event::Driver { ready } => {
                self.driver = ready;
                // What stood still unreachable must not start by itself when it can be reached again.
                if !ready && matches!(self.state, State::Held(_) | State::Latched(_)) {
                    self.state = State::Latched(Cause::Driver);
                }
            }
            Event::Stop => self.state = State::Stopped,
        }
        Ok(())
    }

    fn command(&mut self, header: &Header, drive: &Drive) -> Result<(), Refusal> {
        if self.state == State::Stopped {
            return Err(Refusal::Stopping);
        }
        if drive.emergency_stop {
            // From anyone, however old and in any order: a stop too many costs a reset, one too few costs a robot.
            self.state = State::Emergency;
            self.accepted += 1;
            return Ok(());
        }
        let until_ns = self.admit(header, drive)?;
        if !self.driver {
            return Err(Refusal::NoDriver);
        }
        match self.state {
            State::Held(_) if !self.is_holder(header, drive) => return Err(Refusal::OtherSource),
            State::Latched(_) if !is_neutral(drive) => return Err(Refusal::NotNeutral),
            State::Emergency if !(drive.reset && is_neutral(drive)) => return Err(Refusal::EmergencyStop),
            State::Emergency => self.state = State::Latched(Cause::Reset),
            _ => self.state = State::Held(self.hold(drive, until_ns)),
        }
        self.accept(header, drive);
        Ok(())
    }

    /// What every command must be, whoever drives: finite, signed, fresh, in sequence. Says until when it may be obeyed.
    fn admit(&mut self, header: &Header, drive: &Drive) -> Result<i64, Refusal> {
        if !(drive.forward.is_finite() && drive.turn.is_finite()) {
            return Err(Refusal::NotFinite);
        }
        if drive.source.is_empty() {
            return Err(Refusal::Nameless);
        }
        if drive.source.len() > SOURCE_MAX {
            return Err(Refusal::LongName);
        }
        let until_ns = self.fresh_until(header, drive)?;
        if !self.speakers.hear(header.incarnation, header.seq) {
            return Err(Refusal::OutOfSequence);
        }
        Ok(until_ns)
    }

    fn fresh_until(&self, header: &Header, drive: &Drive) -> Result<i64, Refusal> {
        let sent_age_ns = self.now_ns.saturating_sub(header.sent_ns);
        let stamp_age_ns = self.now_ns.saturating_sub(header.stamp_ns);
        if sent_age_ns.min(stamp_age_ns) < -FUTURE_MAX_NS {
            return Err(Refusal::Future);
        }
        let valid_ns = match i64::from(drive.valid_for_ms) * 1_000_000 {
            0 => self.rules.deadman_ns,
            valid_ns => valid_ns.min(self.rules.deadman_ns),
        };
        if sent_age_ns > valid_ns {
            return Err(Refusal::Stale { age_ms: sent_age_ns / 1_000_000 });
        }
        if stamp_age_ns > self.rules.evidence_ns {
            return Err(Refusal::OldEvidence { age_ms: stamp_age_ns / 1_000_000 });
        }
        // A stamp ahead of our clock must not lengthen the lease: never longer than from now on.
        let left_ns = (valid_ns - sent_age_ns.max(0)).min(self.rules.evidence_ns - stamp_age_ns.max(0));
        Ok(self.now_ns.saturating_add(left_ns.min(self.rules.deadman_ns)))
    }

    fn is_holder(&self, header: &Header, drive: &Drive) -> bool {
        self.last.as_ref().is_some_and(|last| last.incarnation == header.incarnation && last.source == drive.source)
    }

    fn hold(&self, drive: &Drive, until_ns: i64) -> Held {
        let Rules { forward_limit, turn_limit, .. } = self.rules;
        Held {
            forward: drive.forward.clamp(-forward_limit, forward_limit),
            turn: drive.turn.clamp(-turn_limit, turn_limit),
            full_until_ns: self.now_ns + (until_ns - self.now_ns) / 2,
            neutral_from_ns: until_ns - SLACK_NS,
            until_ns,
        }
    }

    fn accept(&mut self, header: &Header, drive: &Drive) {
        self.accepted += 1;
        self.last = Some(Accepted {
            sent_ns: header.sent_ns,
            stamp_ns: header.stamp_ns,
            seq: header.seq,
            incarnation: header.incarnation,
            source: drive.source.clone(),
        });
    }

    fn output(&mut self, passed_ns: i64, refusal: Option<Refusal>) -> Output {
        let (forward, turn) = match self.state {
            State::Held(held) => held.at(self.now_ns),
            _ => (0.0, 0.0),
        };
        let most = if self.rules.slew > 0.0 { self.rules.slew * (passed_ns as f32 / 1e9) } else { f32::INFINITY };
        self.forward = approach(self.forward, forward, most);
        self.turn = approach(self.turn, turn, most);
        let age = |stamp: fn(&Accepted) -> i64| {
            self.last.as_ref().map_or(-1, |last| self.now_ns.saturating_sub(stamp(last)).max(0))
        };
        Output {
            mode: self.mode(),
            reason: self.reason(),
            forward: self.forward,
            turn: self.turn,
            command_age_ns: age(|last| last.sent_ns),
            picture_age_ns: age(|last| last.stamp_ns),
            refusal,
            wake_ns: self.wake_ns(),
        }
    }

    fn mode(&self) -> MotorMode {
        match self.state {
            State::Held(held) if self.now_ns > held.full_until_ns => MotorMode::Ramping,
            State::Held(_) => MotorMode::Driving,
            State::Latched(_) | State::Stopped => MotorMode::Latched,
            State::Emergency => MotorMode::EmergencyStop,
        }
    }

    fn reason(&self) -> String {
        let why = match self.state {
            State::Held(held) if self.now_ns > held.full_until_ns => "the commands stopped",
            State::Held(_) => return String::new(),
            State::Latched(Cause::Start) => "no command was obeyed yet; show a neutral one",
            State::Latched(Cause::Lapse) => "the commands stopped; show a neutral one",
            State::Latched(Cause::Reset) => "the emergency stop was reset; show a neutral command",
            State::Latched(Cause::Driver) if self.driver => "the motor was out of reach; show a neutral command",
            State::Latched(Cause::Driver) => "the motor is out of reach",
            State::Emergency => "emergency stop; reset it with neutral sticks",
            State::Stopped => "the node is stopping",
        };
        match self.last_refusal {
            Some((at_ns, refusal)) if self.now_ns.saturating_sub(at_ns) < REFUSAL_SHOWN_NS => {
                format!("{why} (a command was refused: {refusal})")
            }
            _ => why.to_owned(),
        }
    }

    fn wake_ns(&self) -> Option<i64> {
        let State::Held(held) = self.state else { return None };
        [held.neutral_from_ns, held.until_ns].into_iter().find(|&at_ns| at_ns > self.now_ns)
    }
}

impl Held {
    /// The command, as much as is left of it.
    fn at(&self, now_ns: i64) -> (f32, f32) {
        if now_ns >= self.neutral_from_ns {
            return (0.0, 0.0);
        }
        if now_ns <= self.full_until_ns {
            return (self.forward, self.turn);
        }
        let fade_ns = self.neutral_from_ns - self.full_until_ns;
        let left = (self.neutral_from_ns - now_ns) as f32 / fade_ns as f32;
        (self.forward * left, self.turn * left)
    }
}

/// Whether nobody asks for motion.
fn is_neutral(drive: &Drive) -> bool {
    drive.forward.abs() <= NEUTRAL && drive.turn.abs() <= NEUTRAL
}

/// From one value towards another: away from neutral by at most `most`, towards neutral at once.
fn approach(from: f32, to: f32, most: f32) -> f32 {
    let from = if from * to > 0.0 { from } else { 0.0 };
    if to.abs() <= from.abs() { to } else { to.clamp(from - most, from + most) }
}
