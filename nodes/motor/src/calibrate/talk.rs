//! The talk of a calibration, decided purely: which question comes next, what an answer means, and what is put out meanwhile.
//! It never keeps anything away from neutral for longer than [`QUIET_NS`] after the last word.

use serde_json::{Map, Value, json};

use super::word::{Manner, Word};
use crate::{
    driver::pulses::{PULSE_MAX, PULSE_MIN, Pulse},
    mixing::{Mixer, Mixing, Wheels},
};

/// After so long without a word everything is at neutral.
pub(super) const QUIET_NS: i64 = 2_000_000_000;

/// One step of a search for neutral, where a motor just stands still, and one of all else, in µs.
const FINE: i32 = 5;
const COARSE: i32 = 20;

/// One step where there are no pulses, in percent of full.
const PERCENT: i32 = 5;

/// How far one word goes, in µs and in percent: a slip of the fingers is no leap.
const LEAP: i32 = 100;
const LEAP_PERCENT: i32 = 25;

/// What is calibrated: as it is, then as it shall be.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Values {
    /// The pulses of each output; none: it is given a value without them.
    pub(super) pulses: [Option<Pulse>; 2],
    /// Whether the output is mounted the other way round.
    pub(super) invert: [bool; 2],
    /// The most of |forward| and |turn|, 0 to 1.
    pub(super) limits: [f64; 2],
}

/// What is asked. Numbers are outputs: 0 is left (or drive), 1 right (or steering).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Question {
    Ready,
    Neutral(usize),
    Way(usize),
    Max(usize),
    Min(usize),
    /// 0: forward, 1: turn.
    Limit(usize),
}

/// How the talk stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stand {
    Asking,
    /// All was answered.
    Done,
    /// The person gave up.
    Quit,
}

/// Where a search may go.
struct Range {
    rest: i32,
    low: i32,
    high: i32,
    step: i32,
    /// The furthest that one word goes.
    leap: i32,
}

/// The talk.
#[derive(Debug)]
pub(super) struct Talk {
    old: Values,
    new: Values,
    mixing: Mixing,
    manner: Manner,
    /// The longest pulse that fits, in µs.
    longest: i32,
    questions: Vec<Question>,
    at: usize,
    /// Where the search is; none: it has not begun.
    place: Option<i32>,
    /// Whether that is put out, and since which word.
    live: bool,
    word_ns: i64,
    stand: Stand,
}

impl Talk {
    /// A talk about these values; `longest` is the longest pulse that fits into a period, in µs.
    pub(super) fn new(values: Values, mixing: Mixing, longest: u16, manner: Manner) -> Talk {
        let mut questions = vec![Question::Ready];
        for side in 0..2 {
            questions.extend(match values.pulses[side] {
                Some(_) => vec![Question::Neutral(side), Question::Way(side), Question::Max(side), Question::Min(side)],
                None => vec![Question::Way(side)],
            });
        }
        // Ends of pulses are bounds already; what has none is bounded here.
        let bare = values.pulses.map(|pulse| pulse.is_none());
        let limited = match mixing {
            Mixing::Differential => [bare[0] || bare[1]; 2],
            Mixing::Ackermann => bare,
        };
        questions.extend((0..2).filter(|axis| limited[*axis]).map(Question::Limit));
        Talk {
            old: values.clone(),
            new: values,
            mixing,
            manner,
            longest: i32::from(longest.min(PULSE_MAX)),
            questions,
            at: 0,
            place: None,
            live: false,
            word_ns: 0,
            stand: Stand::Asking,
        }
    }

    /// How it stands.
    pub(super) fn stand(&self) -> Stand {
        self.stand
    }

    /// The pulses to open the driver with: neutral is the one that was found last, and the rest is all that a servo may be given.
    pub(super) fn open(&self) -> [Option<Pulse>; 2] {
        let max = self.longest.try_into().unwrap_or(PULSE_MAX);
        self.new.pulses.map(|pulse| pulse.map(|Pulse { neutral, .. }| Pulse { min: PULSE_MIN, neutral, max }))
    }

    /// What is put out now.
    pub(super) fn wheels(&self) -> Wheels {
        let (Some(question), Some(place), true) = (self.question(), self.place, self.live) else {
            return Wheels::NEUTRAL;
        };
        let share = place as f32 / 100.0;
        match question {
            Question::Ready => Wheels::NEUTRAL,
            Question::Limit(axis) => {
                let [invert_left, invert_right] = self.new.invert;
                let mixer = Mixer { mixing: self.mixing, invert_left, invert_right };
                if axis == 0 { mixer.mix(share, 0.0) } else { mixer.mix(0.0, share) }
            }
            Question::Neutral(side) | Question::Way(side) | Question::Max(side) | Question::Min(side) => {
                let value = self.open()[side].map_or(share, |pulse| value_of(pulse, place));
                let mut wheels = [0.0, 0.0];
                wheels[side] = value;
                Wheels { left: wheels[0], right: wheels[1] }
            }
        }
    }

    /// What to ask, on one line.
    pub(super) fn ask(&self) -> String {
        let Some(question) = self.question() else { return String::new() };
        let (ok, quit, number) = (self.manner.ok(), self.manner.quit(), self.manner.number());
        match question {
            Question::Ready => {
                format!("lift the robot so that its wheels turn freely: they will move. {ok} begins, {quit} ends")
            }
            Question::Neutral(side) => format!(
                "{}: neutral is {} µs. + and - go by {FINE} µs, also {number}, until nothing moves; {ok} keeps it",
                self.name(side),
                self.pulse(side).neutral
            ),
            Question::Way(side) => {
                let way = self.way(side, true);
                format!("{}: + until it moves. Does it go {way}? y or n; {ok} leaves that as it is", self.name(side))
            }
            Question::Max(side) | Question::Min(side) => {
                let Pulse { min, max, .. } = self.pulse(side);
                let up = matches!(question, Question::Max(_));
                let (name, now, sign) = if up { ("max", max, '+') } else { ("min", min, '-') };
                let way = self.way(side, up != self.new.invert[side]);
                format!(
                    "{}: {name}, full {way}, is {now} µs. {sign} goes there from neutral by {COARSE} µs until it goes no further; {ok} keeps it",
                    self.name(side)
                )
            }
            Question::Limit(axis) => {
                let what = ["forward", "turn"][axis];
                format!(
                    "{what}: at most {:.0} % are put out. + goes up from 0 by {PERCENT} %; {ok} keeps what is enough",
                    self.new.limits[axis] * 100.0
                )
            }
        }
    }

    /// Hears a word; what to say to it, if anything.
    pub(super) fn hear(&mut self, now_ns: i64, word: &Word) -> Option<String> {
        let question = self.question()?;
        self.word_ns = now_ns;
        match word {
            Word::Quit => {
                self.stand = Stand::Quit;
                self.live = false;
                None
            }
            Word::Ok => self.accept(question),
            Word::Yes if question == Question::Ready => self.accept(question),
            Word::Yes | Word::No => self.judge(question, *word == Word::Yes),
            Word::Step(_) | Word::By(_) | Word::To(_) => self.go(question, word),
            Word::Odd(text) => {
                let (ok, quit, number) = (self.manner.ok(), self.manner.quit(), self.manner.number());
                Some(format!("{text:?} is no answer: + or -, {number}, {ok}, y, n or {quit}"))
            }
        }
    }

    /// Time passes; what to say to that.
    pub(super) fn wait(&mut self, now_ns: i64) -> Option<String> {
        if !self.live || now_ns.saturating_sub(self.word_ns) < QUIET_NS {
            return None;
        }
        self.live = false;
        let moved = self.place.zip(self.range()).is_some_and(|(place, range)| place != range.rest);
        moved.then(|| "at neutral: no key for 2 s. + and - go on from where it was".to_owned())
    }

    /// Everything is at neutral until the next word.
    pub(super) fn rest(&mut self) {
        self.live = false;
    }

    /// The parameters that are new, as a graph file has them.
    pub(super) fn outcome(&self) -> Map<String, Value> {
        let mut new = Map::new();
        for (side, end) in ["left", "right"].into_iter().enumerate() {
            if let Some(Pulse { min, neutral, max }) =
                self.new.pulses[side].filter(|_| self.new.pulses[side] != self.old.pulses[side])
            {
                new.insert(format!("pulse_{end}"), json!({ "min": min, "neutral": neutral, "max": max }));
            }
            if self.new.invert[side] != self.old.invert[side] {
                new.insert(format!("invert_{end}"), json!(self.new.invert[side]));
            }
        }
        for (axis, name) in ["forward_limit", "turn_limit"].into_iter().enumerate() {
            if self.new.limits[axis] != self.old.limits[axis] {
                new.insert(name.to_owned(), json!(self.new.limits[axis]));
            }
        }
        new
    }

    fn question(&self) -> Option<Question> {
        self.questions.get(self.at).copied().filter(|_| self.stand == Stand::Asking)
    }

    fn name(&self, side: usize) -> &'static str {
        match self.mixing {
            Mixing::Differential => ["left", "right"][side],
            Mixing::Ackermann => ["drive", "steering"][side],
        }
    }

    fn way(&self, side: usize, ahead: bool) -> &'static str {
        match (self.mixing, side, ahead) {
            (Mixing::Ackermann, 1, true) => "right",
            (Mixing::Ackermann, 1, false) => "left",
            (_, _, true) => "forward",
            (_, _, false) => "backward",
        }
    }

    fn pulse(&self, side: usize) -> Pulse {
        self.new.pulses[side].unwrap_or_default()
    }

    fn range(&self) -> Option<Range> {
        let pulses = |side: usize, step: i32| {
            let rest = i32::from(self.pulse(side).neutral);
            Range { rest, low: PULSE_MIN.into(), high: self.longest, step, leap: LEAP }
        };
        let percent = |low: i32| Range { rest: 0, low, high: 100, step: PERCENT, leap: LEAP_PERCENT };
        Some(match self.question()? {
            Question::Ready => return None,
            Question::Neutral(side) => pulses(side, FINE),
            Question::Way(side) if self.new.pulses[side].is_some() => pulses(side, COARSE),
            Question::Way(_) => percent(-100),
            Question::Max(side) => Range { low: self.pulse(side).neutral.into(), ..pulses(side, COARSE) },
            Question::Min(side) => Range { high: self.pulse(side).neutral.into(), ..pulses(side, COARSE) },
            Question::Limit(_) => percent(0),
        })
    }

    fn unit(&self) -> &'static str {
        match self.question() {
            Some(Question::Limit(_)) => "%",
            Some(Question::Way(side)) if self.new.pulses[side].is_none() => "%",
            _ => "µs",
        }
    }

    /// Goes on with the search.
    fn go(&mut self, question: Question, word: &Word) -> Option<String> {
        let Some(range) = self.range() else {
            return Some(format!("nothing moves before {}", self.manner.ok()));
        };
        let from = self.place.unwrap_or(range.rest);
        let wanted = match word {
            Word::Step(steps) => from.saturating_add(range.step.saturating_mul(*steps)),
            Word::By(by) => from.saturating_add(*by),
            Word::To(to) => *to,
            _ => from,
        };
        let (unit, Range { low, high, leap, .. }) = (self.unit(), range);
        if matches!(word, Word::To(_)) && !(low..=high).contains(&wanted) {
            return Some(format!("{wanted} {unit} is not between {low} and {high}: nothing moved"));
        }
        let place = wanted.clamp(low, high);
        let away = (place - from).abs();
        if away > leap {
            return Some(format!("{place} {unit} is {away} away, and one word goes {leap} at most: nothing moved"));
        }
        (self.place, self.live) = (Some(place), true);
        let end = if place == wanted { "" } else { ", and no further" };
        let name = match question {
            Question::Neutral(side) | Question::Way(side) | Question::Max(side) | Question::Min(side) => {
                self.name(side)
            }
            Question::Limit(axis) => ["forward", "turn"][axis],
            Question::Ready => "",
        };
        Some(format!("{name}: {place} {unit}{end}"))
    }

    /// Yes or no to which way it went.
    fn judge(&mut self, question: Question, yes: bool) -> Option<String> {
        let (Question::Way(side), Some(range)) = (question, self.range()) else {
            return Some(format!("y and n answer nothing here: {} goes on", self.manner.ok()));
        };
        match self.place.filter(|place| *place != range.rest) {
            None => Some("nothing has moved yet: + first".to_owned()),
            Some(place) => {
                self.new.invert[side] = yes != (place > range.rest);
                self.next();
                None
            }
        }
    }

    /// Takes what was found, or what is there when nothing was looked for, and goes on at neutral.
    fn accept(&mut self, question: Question) -> Option<String> {
        if let Some(place) = self.place {
            match question {
                Question::Ready | Question::Way(_) => {}
                Question::Neutral(side) => {
                    let (neutral, old) = (micros(place), self.pulse(side));
                    self.new.pulses[side] =
                        Some(Pulse { min: old.min.min(neutral), neutral, max: old.max.max(neutral) });
                }
                Question::Max(side) | Question::Min(side) => {
                    let (end, old) = (micros(place), self.pulse(side));
                    let up = matches!(question, Question::Max(_));
                    let pulse = if up { Pulse { max: end, ..old } } else { Pulse { min: end, ..old } };
                    if pulse.min == pulse.max {
                        return Some("min and max are the same: then nothing would ever move".to_owned());
                    }
                    self.new.pulses[side] = Some(pulse);
                }
                Question::Limit(_) if place == 0 => {
                    return Some("0 % would never move: + goes up".to_owned());
                }
                Question::Limit(axis) => self.new.limits[axis] = f64::from(place) / 100.0,
            }
        }
        self.next();
        None
    }

    fn next(&mut self) {
        (self.place, self.live) = (None, false);
        self.at += 1;
        if self.at == self.questions.len() {
            self.stand = Stand::Done;
        }
    }
}

/// A place among the pulses that a servo may be given, in µs.
fn micros(place: i32) -> u16 {
    place.clamp(PULSE_MIN.into(), PULSE_MAX.into()).try_into().unwrap_or(PULSE_MIN)
}

/// The value that a driver with this pulse makes `micros` of.
fn value_of(pulse: Pulse, micros: i32) -> f32 {
    let away = micros - i32::from(pulse.neutral);
    let way = if away > 0 { pulse.max - pulse.neutral } else { pulse.neutral - pulse.min };
    if way == 0 { 0.0 } else { away as f32 / f32::from(way) }
}

#[cfg(test)]
mod tests;
