//! A script that plays a gamepad, for tests and demonstrations without hands.
//!
//! ```toml
//! repeat = true                      # play it again and again; otherwise the pad rests neutral after the last step
//!
//! [[step]]                           # 1 to 1000 steps, played in order
//! for   = "2s"                       # how long, up to an hour
//! state = { left_stick_y = 0.6, right_bumper = true }   # what is not named is neutral
//!
//! [[step]]
//! for   = "500ms"
//! state = { left_stick_y = 1.0, right_bumper = true }
//! ramp  = true                       # axes move evenly from the last step's values; buttons switch at the start of the step
//!
//! [[step]]
//! for       = "1s"
//! connected = false                  # unplugged; takes no state
//! ```
//! States are published as they are: dead zone, remap and invert do not touch them. The first step ramps from neutral.
//! Pure but for [`play`]: it never reads a gamepad, and it never holds a state that a real one could not send.

use std::{
    collections::BTreeMap,
    fmt, fs, io,
    path::Path,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use offboard::{Error, Gamepad, Period, Result, clock, gamepad::Axis};
use serde::Deserialize;
use toml::{Spanned, Value};

use crate::{events, fields::Field, slot::Slot};

/// The most steps of a script.
const STEPS_MAX: usize = 1000;

/// The longest step.
const STEP_LONGEST: Duration = Duration::from_secs(3600);

/// The largest script file, in bytes.
const FILE_MAX: u64 = 1 << 20;

/// How often a ramp moves: as often as a good pad reports.
const RAMP_EVERY: Duration = Duration::from_millis(10);

/// How often the player stands by an unchanged state; a slot believes it for 200 ms.
const BEAT: Duration = Duration::from_millis(50);

/// The file as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    repeat: bool,
    #[serde(default, rename = "step")]
    steps: Vec<WrittenStep>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenStep {
    #[serde(rename = "for")]
    lasts: Spanned<Period>,
    #[serde(default)]
    state: BTreeMap<Spanned<String>, Spanned<Value>>,
    #[serde(default)]
    ramp: bool,
    #[serde(default = "plugged_in")]
    connected: Spanned<bool>,
}

fn plugged_in() -> Spanned<bool> {
    Spanned::new(0..0, true)
}

/// A script that can be played.
#[derive(Debug, PartialEq)]
pub(crate) struct Script {
    repeat: bool,
    steps: Vec<Step>,
    total: Duration,
}

#[derive(Debug, PartialEq)]
struct Step {
    starts: Duration,
    lasts: Duration,
    pad: Gamepad,
    ramp: bool,
}

/// What is wrong with a script, and where.
#[derive(Debug, PartialEq)]
pub(crate) struct Mistake {
    line: usize,
    what: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

impl Mistake {
    fn at(text: &str, offset: usize, what: impl Into<String>) -> Mistake {
        let before = text.as_bytes().iter().take(offset);
        Mistake { line: 1 + before.filter(|byte| **byte == b'\n').count(), what: what.into() }
    }
}

/// Reads a script file.
///
/// # Errors
/// [`Error::Config`] with file, line and what is wrong there.
pub(crate) fn read(file: &Path) -> Result<Script> {
    let text = read_text(file).map_err(|error| Error::config(format!("script {}: {error}", file.display())))?;
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    parse(&text, &name).map_err(|mistake| Error::config(format!("script {}, {mistake}", file.display())))
}

fn read_text(file: &Path) -> io::Result<String> {
    let size = fs::metadata(file)?.len();
    if size > FILE_MAX {
        return Err(io::Error::other(format!("{size} bytes are too many for a script; at most {FILE_MAX}")));
    }
    fs::read_to_string(file)
}

/// Reads a script; its pad calls itself `name`.
fn parse(text: &str, name: &str) -> std::result::Result<Script, Mistake> {
    let written: Written = toml::from_str(text).map_err(|error| {
        let offset = error.span().map_or(0, |span| span.start);
        Mistake::at(text, offset, error.message())
    })?;
    if written.steps.is_empty() || written.steps.len() > STEPS_MAX {
        let count = written.steps.len();
        return Err(Mistake::at(text, 0, format!("{count} steps; a script has 1 to {STEPS_MAX} [[step]]")));
    }
    let mut steps: Vec<Step> = Vec::with_capacity(written.steps.len());
    for step in &written.steps {
        let starts = steps.last().map_or(Duration::ZERO, |last| last.starts + last.lasts);
        steps.push(step.check(text, name, starts)?);
    }
    let total = steps.iter().map(|step| step.lasts).sum();
    Ok(Script { repeat: written.repeat, steps, total })
}

impl WrittenStep {
    fn check(&self, text: &str, name: &str, starts: Duration) -> std::result::Result<Step, Mistake> {
        let lasts = self.lasts.get_ref().0;
        if lasts.is_zero() || lasts > STEP_LONGEST {
            let what = format!("a step of {}; it lasts more than nothing and at most an hour", self.lasts.get_ref());
            return Err(Mistake::at(text, self.lasts.span().start, what));
        }
        let connected = *self.connected.get_ref();
        let mut pad = Gamepad { connected, name: name.to_owned(), ..Gamepad::default() };
        for (field, value) in &self.state {
            if !connected {
                return Err(Mistake::at(text, field.span().start, "an unplugged pad has no state"));
            }
            let parsed = field.get_ref().parse().map_err(|what: String| Mistake::at(text, field.span().start, what))?;
            set(&mut pad, parsed, value.get_ref()).map_err(|what| Mistake::at(text, value.span().start, what))?;
        }
        Ok(Step { starts, lasts, pad, ramp: self.ramp && connected })
    }
}

/// Sets a field if the value is one it can hold.
fn set(pad: &mut Gamepad, field: Field, value: &Value) -> std::result::Result<(), String> {
    match (field, value) {
        (Field::Button(button), Value::Boolean(pressed)) => button.set(pad, *pressed),
        (Field::Button(button), _) => return Err(format!("{} is true or false, not {value}", button.name())),
        (Field::Axis(axis), value) => {
            #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "checked right below")]
            let number = value.as_float().or_else(|| value.as_integer().map(|whole| whole as f64)).map(|n| n as f32);
            let fitting = number.filter(|number| axis.bounded(*number) == *number);
            let range = if axis.is_trigger() { "0 to 1" } else { "-1 to 1" };
            axis.set(pad, fitting.ok_or_else(|| format!("{} goes from {range}, not {value}", axis.name()))?);
        }
    }
    Ok(())
}

impl Script {
    /// The state at a time after the start, and how long it stays so; none: for ever.
    fn at(&self, elapsed: Duration) -> (Gamepad, Option<Duration>) {
        let rest = || Gamepad { connected: true, name: self.steps[0].pad.name.clone(), ..Gamepad::default() };
        let time = if self.repeat { within(elapsed, self.total) } else { elapsed };
        let index = self.steps.partition_point(|step| step.starts <= time).saturating_sub(1);
        let step = &self.steps[index];
        let gone = time.saturating_sub(step.starts);
        let Some(left) = step.lasts.checked_sub(gone).filter(|left| !left.is_zero()) else {
            return (rest(), None);
        };
        if !step.ramp {
            return (step.pad.clone(), Some(left));
        }
        let before = index.checked_sub(1).map_or_else(rest, |before| self.steps[before].pad.clone());
        let part = gone.as_secs_f32() / step.lasts.as_secs_f32();
        (between(&before, &step.pad, part), Some(left.min(RAMP_EVERY)))
    }
}

/// A time within a period.
fn within(elapsed: Duration, period: Duration) -> Duration {
    let nanos = elapsed.as_nanos() % period.as_nanos().max(1);
    Duration::from_nanos(u64::try_from(nanos).unwrap_or_default())
}

/// The axes on their way, everything else already there.
fn between(before: &Gamepad, after: &Gamepad, part: f32) -> Gamepad {
    let mut pad = after.clone();
    for axis in Axis::ALL {
        let (from, to) = (axis.get(before), axis.get(after));
        axis.set(&mut pad, axis.bounded(from + (to - from) * part));
    }
    pad
}

/// Plays a script from its beginning until the node ends.
pub(crate) async fn play(script: Script, mut slot: Slot) {
    let started = Instant::now();
    let mut shown = Gamepad::default();
    while !slot.closed() {
        let (pad, stays) = script.at(started.elapsed());
        let stamp_ns = clock::now_ns();
        let timestamp = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        // An unplugged pad says nothing, and a plugged in one starts with what is held.
        if pad.connected {
            events::between(timestamp, &shown, &pad).into_iter().for_each(|event| slot.event(stamp_ns, event));
        }
        slot.show(pad.clone(), stamp_ns);
        shown = pad;
        tokio::time::sleep(stays.map_or(BEAT, |stays| stays.min(BEAT))).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRIVE: &str = "
        repeat = true
        [[step]]
        for = \"1s\"
        [[step]]
        for = \"2s\"
        state = { left_stick_y = 0.5, right_trigger = 1, right_bumper = true }
        [[step]]
        for = \"1s\"
        state = { left_stick_y = -0.5 }
        ramp = true
        [[step]]
        for = \"1s\"
        connected = false
    ";

    fn script(text: &str) -> Script {
        parse(text, "s.toml").unwrap()
    }

    fn at(script: &Script, millis: u64) -> Gamepad {
        script.at(Duration::from_millis(millis)).0
    }

    #[test]
    fn steps_follow_each_other_and_begin_again() {
        let script = script(DRIVE);
        for round in [0, 5000, 500_000] {
            assert_eq!(at(&script, round).left_stick_y, 0.0);
            let driving = at(&script, round + 1000);
            assert_eq!((driving.left_stick_y, driving.right_trigger, driving.right_bumper), (0.5, 1.0, true));
            assert_eq!(at(&script, round + 4500), Gamepad { name: "s.toml".into(), ..Gamepad::default() });
        }
    }

    #[test]
    fn a_ramp_moves_axes_evenly_and_switches_buttons_at_its_start() {
        let script = script(DRIVE);
        for (millis, expected) in [(3000, 0.5), (3250, 0.25), (3500, 0.0), (3750, -0.25)] {
            let pad = at(&script, millis);
            assert!((pad.left_stick_y - expected).abs() < 1e-5, "{millis}: {}", pad.left_stick_y);
            assert!(!pad.right_bumper);
        }
    }

    #[test]
    fn the_first_step_ramps_from_neutral() {
        let script = script("[[step]]\nfor = \"1s\"\nramp = true\nstate = { left_stick_y = 1 }");
        assert_eq!((at(&script, 0).left_stick_y, at(&script, 500).left_stick_y), (0.0, 0.5));
    }

    #[test]
    fn after_the_last_step_the_hands_are_off_for_ever() {
        let script = script("[[step]]\nfor = \"1s\"\nstate = { south = true }");
        let (pad, stays) = script.at(Duration::from_secs(1));
        let rest = Gamepad { connected: true, name: "s.toml".into(), ..Gamepad::default() };
        assert_eq!((pad, stays), (rest, None));
    }

    #[test]
    fn the_player_wakes_up_for_each_edge() {
        let script = script(DRIVE);
        for (millis, stays) in [(0, 1000), (999, 1), (1000, 2000), (3000, 10), (3995, 5), (4000, 1000)] {
            assert_eq!(script.at(Duration::from_millis(millis)).1, Some(Duration::from_millis(stays)), "{millis}");
        }
    }

    #[test]
    fn a_mistake_is_told_with_its_line() {
        let cases = [
            ("", "line 1: 0 steps; a script has 1 to 1000 [[step]]"),
            (
                "[[step]]\nfor = \"1\"",
                "line 2: \"1\" is no duration; write a number and a unit (ms, s, m, h), like \"300ms\"",
            ),
            ("[[step]]\nfor = \"0s\"", "line 2: a step of 0ms; it lasts more than nothing and at most an hour"),
            ("[[step]]\nfor = \"2h\"", "line 2: a step of 7200s; it lasts more than nothing and at most an hour"),
            (
                "[[step]]\nfor = \"1s\"\nstate = { left_stik_y = 1 }",
                "line 3: there is no axis or button \"left_stik_y\"; did you mean \"left_stick_y\"?",
            ),
            ("[[step]]\nfor = \"1s\"\nstate = { dpad_x = 2 }", "line 3: dpad_x goes from -1 to 1, not 2"),
            (
                "[[step]]\nfor = \"1s\"\nstate = { left_trigger = -0.5 }",
                "line 3: left_trigger goes from 0 to 1, not -0.5",
            ),
            ("[[step]]\nfor = \"1s\"\nstate = { dpad_x = nan }", "line 3: dpad_x goes from -1 to 1, not nan"),
            ("[[step]]\nfor = \"1s\"\nstate = { south = 1 }", "line 3: south is true or false, not 1"),
            (
                "[[step]]\nfor = \"1s\"\nconnected = false\n[step.state]\nsouth = true",
                "line 5: an unplugged pad has no state",
            ),
            (
                "[[step]]\nfro = \"1s\"",
                "line 2: unknown field `fro`, expected one of `for`, `state`, `ramp`, `connected`",
            ),
            ("[[step]]\nramp = true", "line 1: missing field `for`"),
            ("[[step]\n", "line 1: "),
        ];
        for (text, message) in cases {
            let mistake = parse(text, "s.toml").unwrap_err().to_string();
            assert!(mistake.starts_with(message), "{text:?}: {mistake}");
        }
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = read(Path::new("/nowhere/s.toml")).unwrap_err().to_string();
        assert!(error.contains("script /nowhere/s.toml: No such file"), "{error}");
    }

    #[test]
    fn the_example_drives_stops_and_lets_go_before_it_begins_again() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../graph/examples/offload/drive.toml");
        let script = read(Path::new(file)).unwrap();
        let states: Vec<Gamepad> = (0..script.total.as_millis() as u64).step_by(10).map(|ms| at(&script, ms)).collect();
        assert!(!states[0].right_bumper, "a pilot obeys only after it saw its dead-man button released");
        assert!(states.iter().any(|pad| pad.right_bumper && pad.left_stick_y > 0.5));
        assert!(states.iter().any(|pad| pad.right_bumper && pad.right_stick_x < -0.2));
        assert!(states.iter().any(|pad| pad.right_bumper && pad.right_stick_x > 0.2));
        assert!(script.repeat);
    }
}
