//! The computer's own PWM outputs: servo pulses for a servo or a speed controller (ESC), or, with two GPIO lines, an H-bridge.
//!
//! ```text
//! driver = "gpio-pwm"
//! pwm = ["pwmchip0/0", "pwmchip0/1"]                  left and right; with ackermann mixing drive and steering
//! pulse_left = { min = 1100, neutral = 1480, max = 1900 }         µs; `launch calibrate` finds them
//! direction_left = ["GPIO17", "GPIO27"]               instead of pulses: the lines forward and backward of an H-bridge
//! ```
//! A PWM chip may be named by the device it belongs to (`1f00098000.pwm/2`) and a line by its own name (`GPIO17`): numbers of chips
//! change with kernels, names do not. Each output has a shape of its own, so a car may have a motor on an H-bridge and a servo.
//!
//! An H-bridge (L298N, TB6612FNG and the like) gets its power on the PWM output and its way on two lines: forward is high and low,
//! backward is low and high, neutral is no power and both low. On a change of way the power goes first, then both lines are low for a
//! whole period, then the new way, then power.
//!
//! Neutral is put out when the outputs are opened, before anything else, and when they are closed. Outputs stay on after the end:
//! an ESC that loses its pulse must be armed anew, and a pin that nobody drives may float. When the node is killed the kernel
//! takes the lines back (most chips then make them inputs, so they need a pull-down where the board has none) and the PWM goes on; the
//! guard of the node ends that. This file never puts a width out that the settings do not allow.

use std::{
    io, thread,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use self::{
    bridge::{Step, Way, steps},
    lines::Line,
    pwm::{Pwm, Wanted},
};
use super::{
    desk::{Device, Outputs},
    held,
    pulses::Pulse,
};
use crate::{mixing::Wheels, params::Params};

mod bridge;
mod lines;
mod pwm;

const FREQUENCY_PULSES: f64 = 50.0;
const FREQUENCY_BRIDGE: f64 = 1000.0;
const FREQUENCY_MIN: f64 = 24.0;
const FREQUENCY_MAX: f64 = 50_000.0;

/// What an output is given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Shape {
    /// Servo pulses.
    Pulse(Pulse),
    /// Power, and the way on these lines: forward and backward.
    Bridge([String; 2]),
}

/// A PWM output, and what it is given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Side {
    /// The PWM output.
    pub(crate) pwm: String,
    /// Periods a second.
    pub(crate) frequency: f64,
    /// What it is given.
    pub(crate) shape: Shape,
}

/// Which outputs, and what they are given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Settings {
    /// Left and right, or drive and steering.
    pub(crate) sides: [Side; 2],
    /// An output is good for so long; then neutral is put out.
    pub(crate) hold: Duration,
}

impl Settings {
    /// The settings in the parameters.
    ///
    /// # Errors
    /// Every mistake.
    pub(crate) fn check(params: &Params, hold: Duration) -> Result<Settings, Vec<String>> {
        let mut mistakes = Vec::new();
        if params.pwm.is_none() {
            let example = "pwm = [\"pwmchip0/0\", \"pwmchip0/1\"]";
            mistakes.push(format!("driver = \"gpio-pwm\" needs its outputs, for instance {example}"));
        }
        let [left, right] = params.pwm.clone().unwrap_or_else(|| ["pwmchip0/0", "pwmchip0/1"].map(str::to_owned));
        if left == right {
            mistakes.push(format!("pwm = [{left:?}, {right:?}]: left and right need an output each"));
        }
        let given = [
            ("left", left, &params.direction_left, params.pulse_left),
            ("right", right, &params.direction_right, params.pulse_right),
        ];
        let sides = given.map(|(side, pwm, lines, pulse)| {
            Side::check(side, pwm, params.frequency, (lines.as_ref(), pulse), &mut mistakes)
        });
        let lines: Vec<&String> =
            [&params.direction_left, &params.direction_right].into_iter().flatten().flatten().collect();
        if let Some(twice) = lines.iter().enumerate().find(|(n, line)| lines[..*n].contains(line)) {
            mistakes.push(format!("direction_left and direction_right: {:?} can have one task only", twice.1));
        }
        if mistakes.is_empty() { Ok(Settings { sides, hold }) } else { Err(mistakes) }
    }
}

impl Settings {
    /// Periods a second of the outputs that are given pulses; the most where they differ.
    pub(crate) fn pulse_frequency(&self) -> Option<f64> {
        let pulses = self.sides.iter().filter(|side| matches!(side.shape, Shape::Pulse(_)));
        pulses.map(|side| side.frequency).reduce(f64::max)
    }

    /// The outputs that are taken.
    pub(super) fn outputs(&self) -> [held::Output; 2] {
        self.sides.each_ref().map(|side| (side.pwm.clone(), pwm::identity(&side.pwm)))
    }

    /// The pulse of each output; none where it drives an H-bridge.
    pub(crate) fn pulses_mut(&mut self) -> [Option<&mut Pulse>; 2] {
        self.sides.each_mut().map(|side| match &mut side.shape {
            Shape::Pulse(pulse) => Some(pulse),
            Shape::Bridge(_) => None,
        })
    }
}

impl Side {
    fn check(
        side: &str,
        pwm: String,
        frequency: Option<f64>,
        (lines, pulse): (Option<&[String; 2]>, Option<Pulse>),
        mistakes: &mut Vec<String>,
    ) -> Side {
        if pwm::parts(&pwm).is_none() {
            mistakes.push(format!("pwm: {pwm:?} is no output: write a chip and a number, for instance \"pwmchip0/1\""));
        }
        if lines.is_some() && pulse.is_some() {
            mistakes.push(format!(
                "pulse_{side} is for a servo or ESC, direction_{side} for an H-bridge: give one of them"
            ));
        }
        let usual = if lines.is_some() { FREQUENCY_BRIDGE } else { FREQUENCY_PULSES };
        let frequency = frequency.unwrap_or(usual);
        if !(FREQUENCY_MIN..=FREQUENCY_MAX).contains(&frequency) {
            mistakes.push(format!("frequency = {frequency}: it must be {FREQUENCY_MIN} to {FREQUENCY_MAX} Hz"));
        }
        let frequency = frequency.clamp(FREQUENCY_MIN, FREQUENCY_MAX); // what is outside was told
        let shape = match lines {
            Some(lines) => Shape::Bridge(lines.clone()),
            None => {
                let pulse = pulse.unwrap_or_default();
                mistakes.extend(pulse.mistake(&format!("pulse_{side}"), frequency));
                Shape::Pulse(pulse)
            }
        };
        Side { pwm, frequency, shape }
    }

    /// Its PWM output at neutral.
    fn wanted(&self) -> Wanted<'_> {
        let width_ns = match &self.shape {
            Shape::Pulse(pulse) => nanos(*pulse, 0.0),
            Shape::Bridge(_) => 0,
        };
        Wanted { name: &self.pwm, period_ns: (1e9 / self.frequency).round() as u64, width_ns }
    }
}

/// A pulse for a value.
fn nanos(pulse: Pulse, value: f32) -> u64 {
    (f64::from(pulse.at(value)) * 1000.0).round() as u64
}

/// Puts both PWM outputs to neutral, each for itself and without its lines: those have one owner, and without power they move nothing.
/// For the guard, when the node is gone or hangs.
///
/// # Errors
/// When one of them could not be put to neutral.
pub(crate) fn rest(settings: &Settings) -> io::Result<()> {
    let done = settings.sides.each_ref().map(|side| pwm::open(&[side.wanted()]));
    done.into_iter().try_for_each(|done| done.map(drop))
}

/// The outputs, and what takes them again when their chips come back.
#[derive(Debug)]
pub(crate) struct GpioPwm(pub(crate) Settings);

impl Device for GpioPwm {
    type Open = Open;

    fn name(&self) -> String {
        "gpio-pwm".to_owned()
    }

    /// Neutral at once, for a motor may still turn as a killed node left it; then the lines. A side that cannot be opened does not keep
    /// the other one from neutral.
    fn open(&mut self) -> io::Result<Open> {
        let open = || -> io::Result<Vec<Output>> {
            let outputs = pwm::open(&self.0.sides.each_ref().map(Side::wanted))?;
            outputs.into_iter().zip(&self.0.sides).map(|(pwm, side)| Output::new(pwm, &side.shape)).collect()
        };
        open().map(Open).inspect_err(|_| drop(rest(&self.0)))
    }
}

/// The outputs, open. Neutral when they are let go.
#[derive(Debug)]
pub(crate) struct Open(Vec<Output>);

impl Outputs for Open {
    fn put(&mut self, wheels: Wheels) -> io::Result<()> {
        self.put_all([wheels.left, wheels.right])
    }
}

impl Open {
    /// On all sides first what ends the old motion, so that they rest at the same time.
    fn put_all(&mut self, values: [f32; 2]) -> io::Result<()> {
        let ended: io::Result<Vec<_>> =
            self.0.iter_mut().zip(values).map(|(output, value)| output.end(value)).collect();
        self.0.iter_mut().zip(ended?).try_for_each(|(output, begin)| output.steps(&begin))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        // Each for itself: one that vanished must not keep the other one moving.
        for output in &mut self.0 {
            drop(output.end(0.0));
        }
    }
}

/// One output.
#[derive(Debug)]
enum Output {
    Servo { pwm: Pwm, pulse: Pulse },
    Bridge(Bridge),
}

/// An H-bridge: its power, its lines, and what was told last.
#[derive(Debug)]
struct Bridge {
    pwm: Pwm,
    lines: [Line; 2],
    way: Way,
    power: f32,
    /// Since when the power is what it is.
    since: Instant,
}

impl Output {
    fn new(pwm: Pwm, shape: &Shape) -> io::Result<Output> {
        Ok(match shape {
            Shape::Pulse(pulse) => Output::Servo { pwm, pulse: *pulse },
            Shape::Bridge([forward, backward]) => Output::Bridge(Bridge {
                lines: [Line::take(forward)?, Line::take(backward)?],
                pwm,
                way: Way::Neither,
                power: 0.0,
                since: Instant::now(),
            }),
        })
    }

    /// Does what ends the old motion; what is left to be done for the new one.
    fn end(&mut self, value: f32) -> io::Result<Vec<Step>> {
        match self {
            Output::Servo { pwm, pulse } => pwm.give(nanos(*pulse, value)).map(|()| Vec::new()),
            Output::Bridge(bridge) => {
                let (end, begin) = steps(bridge.way, value);
                end.iter().try_for_each(|step| bridge.step(*step))?;
                Ok(begin)
            }
        }
    }

    fn steps(&mut self, steps: &[Step]) -> io::Result<()> {
        match self {
            Output::Servo { .. } => Ok(()), // it is done at once
            Output::Bridge(bridge) => steps.iter().try_for_each(|step| bridge.step(*step)),
        }
    }
}

impl Bridge {
    fn step(&mut self, step: Step) -> io::Result<()> {
        let period_ns = self.pwm.period_ns();
        match step {
            Step::Power(power) => {
                self.pwm.give((f64::from(power) * period_ns as f64) as u64)?;
                if power != self.power {
                    (self.power, self.since) = (power, Instant::now());
                }
            }
            Step::Rest => thread::sleep(Duration::from_nanos(period_ns).saturating_sub(self.since.elapsed())),
            Step::Lines(way) => {
                self.lines.iter().zip(way.lines()).try_for_each(|(line, high)| line.set(high))?;
                self.way = way;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
