//! Which command belongs to a picture, and how long it takes from a picture to motion.
//!
//! A command that is computed from a picture reaches the motor a while after the picture was sensed: the lead. So what is to be
//! learned from a picture is the command that was *in effect* so much later. Commands take time to the motor themselves: the one
//! in effect at a moment was sent a little before. Pure; recordings and running nodes use the same. It never reads a clock.

use std::collections::VecDeque;

use offboard::{Drive, DriveMode, Header, MotorMode, MotorState, PilotState};

/// A command says nothing any more after so long: a pilot repeats it 30 times a second.
const SILENT_NS: i64 = 500_000_000;

/// So long after a human took back, what he does is the correction of a mistake.
const CORRECTION_NS: i64 = 3_000_000_000;

/// Up to here |forward| is standing still: as the motor sees neutral.
const STANDING: f32 = 0.05;

/// No loop takes longer; what seems to is a clock that nobody agreed on.
const LATENCY_MAX_NS: i64 = 5_000_000_000;

/// What was commanded, and when it was sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Command {
    /// Nanoseconds on the steady timeline.
    pub sent_ns: i64,
    /// −1 full left to 1 full right.
    pub turn: f32,
    /// −1 full back to 1 full ahead.
    pub forward: f32,
}

/// What is to be learned at a moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Label {
    /// −1 full left to 1 full right.
    pub turn: f32,
    /// −1 full back to 1 full ahead.
    pub forward: f32,
    /// It corrects a mistake of the model: worth more.
    pub correction: bool,
}

/// What is known of a moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Answer {
    /// What a human commanded.
    Known(Label),
    /// What was commanded then is not known yet.
    NotYet,
    /// Nothing to learn from.
    Left(Reason),
}

/// Why nothing is learned from a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Nobody commanded anything.
    NoCommand,
    /// It was not a human who drove.
    NotHuman,
    /// The robot was told to stand still.
    Standing,
}

/// Who drove since when.
#[derive(Debug, Clone, Copy)]
struct Turn {
    since_ns: i64,
    human: bool,
    take_over: bool,
}

/// What was commanded, and who did it.
#[derive(Debug)]
pub struct Diary {
    commands: VecDeque<Command>,
    turns: VecDeque<Turn>,
    take_overs: Option<u64>,
    keep_ns: i64,
    standing: bool,
}

impl Diary {
    /// An empty one that remembers at least `keep_ns` back; `standing`: also learn from standing still.
    #[must_use]
    pub fn new(keep_ns: i64, standing: bool) -> Diary {
        Diary { commands: VecDeque::new(), turns: VecDeque::new(), take_overs: None, keep_ns, standing }
    }

    /// A command was sent. What is not finite is no command.
    pub fn command(&mut self, header: &Header, drive: &Drive) {
        if !drive.turn.is_finite() || !drive.forward.is_finite() {
            return;
        }
        let clamped = |value: f32| value.clamp(-1.0, 1.0);
        let command = Command { sent_ns: header.sent_ns, turn: clamped(drive.turn), forward: clamped(drive.forward) };
        let at = self.commands.partition_point(|other| other.sent_ns <= command.sent_ns);
        self.commands.insert(at, command);
        let newest = self.commands.back().map_or(0, |command| command.sent_ns);
        forget(&mut self.commands, newest.saturating_sub(self.keep_ns), |command| command.sent_ns);
        if drive.source == "model" {
            // Nobody arbitrates here: the source itself says who drives.
            self.turn(Turn { since_ns: header.sent_ns, human: false, take_over: false });
        }
    }

    /// A pilot said who drives.
    pub fn pilot(&mut self, header: &Header, state: &PilotState) {
        let human = matches!(state.mode(), DriveMode::Human | DriveMode::Shadow) && state.deadman;
        let before = self.take_overs.replace(state.take_overs);
        let take_over = before.is_some_and(|before| state.take_overs > before);
        self.turn(Turn { since_ns: header.sent_ns, human, take_over });
    }

    fn turn(&mut self, turn: Turn) {
        let same = self.turns.back().is_some_and(|last| last.human == turn.human && !turn.take_over);
        if same {
            return; // only changes are kept
        }
        let at = self.turns.partition_point(|other| other.since_ns <= turn.since_ns);
        self.turns.insert(at, turn);
        // The one before the oldest command still says who gave that.
        let oldest = turn.since_ns.saturating_sub(self.keep_ns);
        while self.turns.len() > 1 && self.turns[1].since_ns < oldest {
            self.turns.pop_front();
        }
    }

    /// How many commands it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.commands.len()
    }

    /// Whether nothing was commanded yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.commands.is_empty()
    }

    /// The command in force at a moment, if it was not too old then.
    #[must_use]
    pub fn in_force(&self, at_ns: i64) -> Option<Command> {
        let after = self.commands.partition_point(|command| command.sent_ns <= at_ns);
        let command = *self.commands.get(after.checked_sub(1)?)?;
        (at_ns.saturating_sub(command.sent_ns) <= SILENT_NS).then_some(command)
    }

    /// What is to be learned from the moment `at_ns`.
    #[must_use]
    pub fn label(&self, at_ns: i64) -> Answer {
        let newest = self.commands.back().map_or(i64::MIN, |command| command.sent_ns);
        if newest < at_ns {
            return Answer::NotYet;
        }
        let Some(command) = self.in_force(at_ns) else { return Answer::Left(Reason::NoCommand) };
        let after = self.turns.partition_point(|turn| turn.since_ns <= at_ns);
        let turns = self.turns.range(..after);
        let human = turns.clone().next_back().is_none_or(|turn| turn.human);
        if !human {
            return Answer::Left(Reason::NotHuman);
        }
        if !self.standing && command.forward.abs() <= STANDING {
            return Answer::Left(Reason::Standing);
        }
        let correction = turns
            .rev()
            .take_while(|turn| at_ns.saturating_sub(turn.since_ns) <= CORRECTION_NS)
            .any(|turn| turn.take_over);
        Answer::Known(Label { turn: command.turn, forward: command.forward, correction })
    }

    /// The `count` commands in force before the moment `at_ns`, `step_ns` apart, the newest first: turn and forward of each, 0
    /// where there was none. They were sent, but what they do cannot be seen in the picture yet.
    pub fn in_flight(&self, at_ns: i64, step_ns: i64, count: usize, out: &mut Vec<f32>) {
        for back in 1..=count {
            let at_ns = at_ns.saturating_sub(step_ns.saturating_mul(i64::try_from(back).unwrap_or(i64::MAX)));
            let command = self.in_force(at_ns);
            out.push(command.map_or(0.0, |command| command.turn));
            out.push(command.map_or(0.0, |command| command.forward));
        }
    }
}

fn forget<T>(items: &mut VecDeque<T>, before_ns: i64, at_ns: impl Fn(&T) -> i64) {
    while items.front().is_some_and(|item| at_ns(item) < before_ns) {
        items.pop_front();
    }
}

/// The last values of something, and what the half of them is under.
#[derive(Debug)]
pub struct Median {
    values: VecDeque<i64>,
    most: usize,
}

impl Median {
    /// Of the last `most` values.
    #[must_use]
    pub fn new(most: usize) -> Median {
        Median { values: VecDeque::with_capacity(most.min(1024)), most }
    }

    /// One more value.
    pub fn push(&mut self, value: i64) {
        if self.values.len() == self.most {
            self.values.pop_front();
        }
        self.values.push_back(value);
    }

    /// How many values it looks at.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// So many hundredths of the values are at most this; none without values.
    #[must_use]
    pub fn share(&self, hundredths: usize) -> Option<i64> {
        let mut values: Vec<i64> = self.values.iter().copied().collect();
        let last = values.len().checked_sub(1)?;
        let rank = (values.len() * hundredths).div_ceil(100).saturating_sub(1).min(last);
        Some(*values.select_nth_unstable(rank).1)
    }
}

/// How long things take from a picture to motion.
#[derive(Debug)]
pub struct Travel {
    /// From a picture sensed to where it is computed with.
    arrivals: Median,
    /// From a command sent to the motor.
    motions: Median,
    /// From a picture sensed to motion, while commands come from pictures.
    whole: Median,
    seq: u64,
}

/// As many as say something of now, where it goes on for ever.
pub const RECENT: usize = 256;

/// Fewer say nothing yet.
const ENOUGH: usize = 10;

impl Travel {
    /// Looks at the last `most` of each.
    #[must_use]
    pub fn new(most: usize) -> Travel {
        let [arrivals, motions, whole] = [Median::new(most), Median::new(most), Median::new(most)];
        Travel { arrivals, motions, whole, seq: 0 }
    }

    /// A picture came.
    pub fn picture(&mut self, header: &Header, received_ns: i64) {
        push(&mut self.arrivals, received_ns.saturating_sub(header.stamp_ns));
    }

    /// A motor said what it did; `by_picture`: the commands come from pictures.
    pub fn motor(&mut self, state: &MotorState, by_picture: bool) {
        if state.mode() != MotorMode::Driving || state.command_seq == self.seq {
            return;
        }
        // Only the first output of a command says how long that took to come.
        self.seq = state.command_seq;
        push(&mut self.motions, state.command_age_ns);
        if by_picture {
            push(&mut self.whole, state.picture_age_ns);
        }
    }

    /// What is usual from a command sent to the motor; 0 where no motor says.
    #[must_use]
    pub fn motion_ns(&self) -> i64 {
        self.motions.share(50).unwrap_or(0)
    }

    /// What is usual from a picture to motion: measured whole where commands come from pictures, else as the sum of what it will
    /// consist of, with `computing_ns` between.
    #[must_use]
    pub fn loop_ns(&self, computing_ns: i64) -> Option<i64> {
        if self.whole.len() >= ENOUGH {
            return self.whole.share(50);
        }
        let arrival = self.arrivals.share(50).filter(|_| self.arrivals.len() >= ENOUGH)?;
        Some(arrival.saturating_add(computing_ns).saturating_add(self.motion_ns()))
    }
}

fn push(into: &mut Median, span_ns: i64) {
    if (0..LATENCY_MAX_NS).contains(&span_ns) {
        into.push(span_ns);
    }
}

#[cfg(test)]
mod tests;
