//! `motor calibrate`: asks a person where neutral and the ends are and which way the outputs turn, while the motor shows it.
//!
//! `launch calibrate NODE` starts it with the node's wiring. Questions go to stderr; what came of them goes to stdout, as one JSON
//! object of the parameters that are new. [`talk`] decides, [`word`] is how a person answers; this file waits and hands over.
//!
//! It never moves anything but while words come, and it leaves the motor at neutral however it ends.

use std::{
    cell::Cell,
    env,
    future::Future,
    io::{Write, stderr, stdout},
    process::ExitCode,
    rc::Rc,
    time::Duration,
};

use offboard::{Error, Period, Result, clock, wiring::NodeWiring};
use rustix::process::{Signal, getppid, set_parent_process_death_signal};
use serde_json::Value;
use tokio::{
    signal::unix::{SignalKind, signal},
    time::{Instant, MissedTickBehavior, interval, sleep},
};

use self::{
    talk::{Stand, Talk, Values},
    word::{Manner, Person},
};
use crate::{
    driver::{
        self, Driver, DriverSettings,
        pulses::{PULSE_MAX, Pulse},
    },
    params::Params,
};

mod talk;
mod word;

/// The word of the command line.
pub(crate) const VERB: &str = "calibrate";

/// Who starts this says its process number here.
const PARENT_VARIABLE: &str = "LAUNCH_PARENT";

/// How often the motor is given what it is at: a driver takes an output that is not renewed for old.
const PUT_EVERY: Duration = Duration::from_millis(20);

/// For how long an output is good: more than our own pace needs on a busy machine, less than a person notices.
const DEADMAN_MIN: Duration = Duration::from_millis(200);

/// How long a device may take to be there before it is called missing.
const THERE_WITHIN: Duration = Duration::from_secs(3);

/// How long one that was let go and opened anew may take for that.
const OPEN_WITHIN: Duration = Duration::from_millis(500);

/// The exit codes of who was asked to end by the signals INT, TERM and HUP.
const INTERRUPTED: u8 = 130;
const TERMINATED: u8 = 143;
const HUNG_UP: u8 = 129;

/// How a calibration ended.
enum End {
    /// With these parameters, as a graph file has them.
    New(serde_json::Map<String, Value>),
    /// The person gave up.
    Quit,
    /// A signal with this exit code.
    Signal(u8),
}

/// Runs the calibration; the exit code is 0 when all was answered.
pub(crate) fn main() -> ExitCode {
    let code = Rc::new(Cell::new(None));
    let told = code.clone();
    let ended = offboard::main(async move || {
        match run().await? {
            End::New(new) => {
                let text = serde_json::to_string(&new).map_err(Error::other)?;
                writeln!(stdout(), "{text}")?;
            }
            End::Quit => {
                tell("nothing was changed");
                told.set(Some(ExitCode::FAILURE));
            }
            End::Signal(signal) => {
                tell("at neutral; nothing was changed");
                told.set(Some(ExitCode::from(signal)));
            }
        }
        Ok(())
    });
    code.get().unwrap_or(ended)
}

async fn run() -> Result<End> {
    let signals = asked_to_end()?;
    tokio::pin!(signals);
    end_with_parent()?;
    let params = params()?;
    let mut motor = Open::new(params)?;
    tokio::select! {
        code = &mut signals => return Ok(End::Signal(code)),
        there = motor.is_there() => there?,
    }
    let mut person = Person::listen()?;
    let mut pace = interval(PUT_EVERY);
    pace.set_missed_tick_behavior(MissedTickBehavior::Skip);
    motor.ask();
    while motor.talk.stand() == Stand::Asking {
        tokio::select! {
            biased;
            code = &mut signals => return Ok(End::Signal(code)),
            _ = pace.tick() => {}
            word = person.word() => {
                let Some(word) = word else { return Ok(End::Quit) };
                let said = motor.talk.hear(clock::now_ns(), &word);
                motor.put()?;
                motor.say(said, person.is_at_terminal());
                if motor.talk.stand() == Stand::Asking {
                    person.ask();
                }
                continue;
            }
        }
        motor.turn(clock::now_ns())?;
    }
    match motor.talk.stand() {
        Stand::Done => Ok(End::New(motor.talk.outcome())),
        _ => Ok(End::Quit),
    }
}

/// The parameters of the node that this process calibrates. They must be whole: what does not fit is told before anything moves.
fn params() -> Result<Params> {
    let wiring = NodeWiring::from_env(env::vars()).map_err(|problem| {
        Error::config(format!("{problem}: a motor is calibrated by launch, for instance: launch calibrate motor"))
    })?;
    let mut params: Params = serde_json::from_value(Value::Object(wiring.params))
        .map_err(|error| Error::config(format!("params of {}: {error}", wiring.name)))?;
    params.clone().settings()?;
    params.deadman = Period(params.deadman.0.max(DEADMAN_MIN));
    Ok(params)
}

/// Without the terminal's person nobody would say stop.
fn end_with_parent() -> Result<()> {
    set_parent_process_death_signal(Some(Signal::TERM)).map_err(std::io::Error::from)?;
    // It is sent once, at its death: one that died before is no parent any more.
    let parent = getppid().map(|pid| pid.as_raw_nonzero().to_string());
    match env::var(PARENT_VARIABLE) {
        Ok(launch) if parent.as_ref() != Some(&launch) => {
            Err(Error::other(format!("process {launch}, which this should end with, has not started it or is gone")))
        }
        _ => Ok(()), // somebody who tries it by hand says nothing
    }
}

/// Resolves with an exit code when somebody asks this process to end.
fn asked_to_end() -> Result<impl Future<Output = u8>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => INTERRUPTED,
            _ = terminate.recv() => TERMINATED,
            _ = hangup.recv() => HUNG_UP,
        }
    })
}

/// The talk and the motor that follows it. Dropped, the motor is at neutral.
struct Open {
    talk: Talk,
    settings: DriverSettings,
    driver: Option<Box<dyn Driver>>,
    /// What the driver was opened with.
    pulses: [Option<Pulse>; 2],
    opened: Instant,
    trouble: Option<String>,
    /// The question that was asked last.
    asked: String,
    /// The terminal's cursor is within a line.
    within: bool,
}

impl Open {
    fn new(params: Params) -> Result<Open> {
        let mixing = params.mixing;
        let mut values = Values {
            pulses: [None; 2],
            invert: [params.invert_left, params.invert_right],
            limits: [params.forward_limit, params.turn_limit],
        };
        let mut settings = params.settings()?.driver;
        values.pulses = settings.pulses_mut().map(|pulse| pulse.copied());
        let longest = settings.pulse_frequency().map_or(PULSE_MAX, longest);
        let talk = Talk::new(values, mixing, longest, Manner::here());
        let mut open = Open {
            talk,
            settings,
            driver: None,
            pulses: [None; 2],
            opened: Instant::now(),
            trouble: None,
            asked: String::new(),
            within: false,
        };
        open.reopen()?;
        Ok(open)
    }

    /// Opens the driver so that it gives any pulse, with the newest neutral; it begins with that.
    fn reopen(&mut self) -> Result<()> {
        self.driver = None; // which puts its neutral first
        self.pulses = self.talk.open();
        for (ours, theirs) in self.pulses.into_iter().zip(self.settings.pulses_mut()) {
            if let (Some(ours), Some(theirs)) = (ours, theirs) {
                *theirs = ours;
            }
        }
        self.driver = Some(driver::open(&self.settings, PUT_EVERY)?);
        self.opened = Instant::now();
        self.put()
    }

    /// Gives the motor what the talk is at.
    fn put(&mut self) -> Result<()> {
        if self.pulses != self.talk.open() {
            return self.reopen();
        }
        let wheels = self.talk.wheels();
        match &mut self.driver {
            Some(driver) => driver.put(clock::now_ns(), wheels).map(drop),
            None => Ok(()),
        }
    }

    /// What time alone brings: rest after silence, and what becomes of the motor.
    fn turn(&mut self, now_ns: i64) -> Result<()> {
        let said = self.talk.wait(now_ns);
        let trouble = self.driver.as_ref().and_then(|driver| driver.trouble());
        // One that was just opened is on its way.
        if trouble != self.trouble && (trouble.is_none() || self.opened.elapsed() > OPEN_WITHIN) {
            self.talk.rest();
            self.tell(trouble.as_deref().unwrap_or("the motor is there again, at neutral"));
            self.trouble = trouble;
        }
        self.put()?;
        self.say(said, false);
        Ok(())
    }

    /// Waits until the motor can be reached.
    async fn is_there(&mut self) -> Result<()> {
        let late = Instant::now() + THERE_WITHIN;
        loop {
            self.put()?;
            match self.driver.as_ref().and_then(|driver| driver.trouble()) {
                None => return Ok(()),
                Some(trouble) if Instant::now() >= late => {
                    return Err(Error::other(format!("there is no motor to calibrate: {trouble}")));
                }
                Some(_) => sleep(PUT_EVERY).await,
            }
        }
    }

    /// Says the answer; `over` the one before, where a person holds a key. Then the next question.
    fn say(&mut self, said: Option<String>, over: bool) {
        match said {
            Some(said) if over => {
                // A terminal that is gone hears nothing.
                drop(write!(stderr(), "\r\x1b[K  {said}"));
                self.within = true;
            }
            Some(said) => self.tell(&format!("  {said}")),
            None => {}
        }
        self.ask();
    }

    fn ask(&mut self) {
        let question = self.talk.ask();
        if !question.is_empty() && question != self.asked {
            self.tell(&question);
            self.asked = question;
        }
    }

    fn tell(&mut self, line: &str) {
        if std::mem::take(&mut self.within) {
            tell("");
        }
        tell(line);
    }
}

/// A line for the person. Who hears nothing any more needs none.
fn tell(line: &str) {
    drop(writeln!(stderr(), "{line}"));
}

/// The longest pulse that a servo may be given and that fits into a period, in µs.
fn longest(frequency: f64) -> u16 {
    // A whole µs less: a pulse that never ends is none.
    let fits = (1e6 / frequency).ceil() - 1.0;
    fits.clamp(0.0, f64::from(PULSE_MAX)) as u16
}
