//! What turns an output into motion: one trait, one file for each kind. It never decides what to put out.

use std::{io, time::Duration};

use offboard::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::held::Held;
use crate::{guard::Guarded, mixing::Wheels, params::Params};

pub(crate) mod desk;
mod device_file;
pub(crate) mod gpio_pwm;
mod held;
pub(crate) mod pca9685;
pub(crate) mod pulses;
pub(crate) mod serial;
pub(crate) mod vesc;
pub(crate) mod virtual_motor;

/// A motor that can be put to values. Dropping it brings it to neutral first, however the node ends.
pub(crate) trait Driver: Send {
    /// Puts out, without ever waiting for the motor. Says what the wheels do now, as far as is known.
    ///
    /// # Errors
    /// When this driver will never work again and the node must be started anew.
    fn put(&mut self, now_ns: i64, wheels: Wheels) -> Result<Wheels>;

    /// Why nothing that is put out reaches the motor; none when all is well.
    fn trouble(&self) -> Option<String>;

    /// Neutral for the last time; whether it is known to have reached the motor.
    fn finish(&mut self) -> bool;
}

/// What turns outputs into motion, as a graph file names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub(crate) enum DriverKind {
    // A motor controller on a serial port.
    Serial,
    // Servos and speed controllers on a PCA9685 board.
    Pca9685,
    // The computer's own PWM outputs, and GPIO lines for an H-bridge.
    GpioPwm,
    // VESC speed controllers on a CAN bus.
    Vesc,
    // No motor: the state topic shows what one would do.
    Virtual,
}

impl DriverKind {
    /// Its name in a graph file.
    pub(crate) fn name(self) -> &'static str {
        match self {
            DriverKind::Serial => "serial",
            DriverKind::Pca9685 => "pca9685",
            DriverKind::GpioPwm => "gpio-pwm",
            DriverKind::Vesc => "vesc",
            DriverKind::Virtual => "virtual",
        }
    }
}

/// A driver with its own settings, checked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum DriverSettings {
    Serial(serial::Settings),
    Pca9685(pca9685::Settings),
    GpioPwm(gpio_pwm::Settings),
    Vesc(vesc::Settings),
    Virtual(virtual_motor::Settings),
}

impl DriverSettings {
    /// After how long without a new output the driver puts out neutral by itself.
    pub(crate) fn hold(&self) -> Duration {
        match self {
            DriverSettings::Serial(own) => own.hold,
            DriverSettings::Pca9685(own) => own.hold,
            DriverSettings::GpioPwm(own) => own.hold,
            DriverSettings::Vesc(own) => own.hold,
            DriverSettings::Virtual(_) => Duration::MAX,
        }
    }

    /// The settings of the driver that the parameters ask for. An output is good for `hold`.
    ///
    /// # Errors
    /// Every mistake.
    pub(crate) fn check(params: &Params, hold: Duration) -> Result<DriverSettings, Vec<String>> {
        let kind = params.driver.unwrap_or(DriverKind::Virtual);
        let settings = match kind {
            DriverKind::Serial => serial::Settings::check(params, hold).map(DriverSettings::Serial),
            DriverKind::Pca9685 => pca9685::Settings::check(params, hold).map(DriverSettings::Pca9685),
            DriverKind::GpioPwm => gpio_pwm::Settings::check(params, hold).map(DriverSettings::GpioPwm),
            DriverKind::Vesc => vesc::Settings::check(params, hold).map(DriverSettings::Vesc),
            DriverKind::Virtual => virtual_motor::Settings::check(params).map(DriverSettings::Virtual),
        };
        let strangers = strangers(params);
        match settings {
            Ok(settings) if strangers.is_empty() => Ok(settings),
            Ok(_) => Err(strangers),
            Err(mistakes) => Err([mistakes, strangers].concat()),
        }
    }
}

impl DriverSettings {
    /// Periods a second of the outputs that are given pulses; the most where they differ.
    pub(crate) fn pulse_frequency(&self) -> Option<f64> {
        match self {
            DriverSettings::Pca9685(settings) => Some(settings.real_frequency()),
            DriverSettings::GpioPwm(settings) => settings.pulse_frequency(),
            DriverSettings::Serial(_) | DriverSettings::Vesc(_) | DriverSettings::Virtual(_) => None,
        }
    }

    /// The outputs that one process at a time may have. A serial port is kept by the kernel, for whoever is not root.
    fn outputs(&self) -> Vec<held::Output> {
        match self {
            DriverSettings::Pca9685(settings) => settings.outputs().into(),
            DriverSettings::GpioPwm(settings) => settings.outputs().into(),
            DriverSettings::Vesc(settings) => settings.outputs().into(),
            DriverSettings::Serial(_) | DriverSettings::Virtual(_) => Vec::new(),
        }
    }

    /// The pulses of each output; none where it is given a value without them.
    pub(crate) fn pulses_mut(&mut self) -> [Option<&mut pulses::Pulse>; 2] {
        match self {
            DriverSettings::Pca9685(settings) => settings.pulses_mut(),
            DriverSettings::GpioPwm(settings) => settings.pulses_mut(),
            DriverSettings::Serial(_) | DriverSettings::Vesc(_) | DriverSettings::Virtual(_) => [None, None],
        }
    }
}

/// The driver of these settings, which is given an output each `period` at least. It begins with neutral.
///
/// # Errors
/// When another process has its outputs, or the operating system gives no thread.
pub(crate) fn open(settings: &DriverSettings, period: Duration) -> Result<Box<dyn Driver>> {
    Ok(Box::new(Held::open(settings.outputs(), || begin(settings, period))?))
}

fn begin(settings: &DriverSettings, period: Duration) -> Result<Box<dyn Driver>> {
    match settings.clone() {
        DriverSettings::Serial(own) => desk(own.hold, serial::Serial(own)),
        DriverSettings::Pca9685(own) => guarded(settings, period, || desk(own.hold, pca9685::Pca9685::new(own))),
        DriverSettings::GpioPwm(own) => guarded(settings, period, || desk(own.hold, gpio_pwm::GpioPwm(own))),
        DriverSettings::Vesc(own) => desk(own.hold, vesc::Vesc::new(own)),
        DriverSettings::Virtual(own) => Ok(Box::new(virtual_motor::VirtualMotor::new(own.response))),
    }
}

fn desk(hold: Duration, device: impl desk::Device) -> Result<Box<dyn Driver>> {
    Ok(Box::new(desk::Desk::start(device, hold)?))
}

/// A driver whose outputs go on with what they were given last. Those of the others stop by themselves: a serial controller and a
/// VESC have watchdogs.
fn guarded(
    settings: &DriverSettings,
    period: Duration,
    open: impl FnOnce() -> Result<Box<dyn Driver>>,
) -> Result<Box<dyn Driver>> {
    Ok(Box::new(Guarded::open(settings, period, open)?))
}

/// Puts the outputs of a guarded driver to neutral, whatever became of the node.
///
/// # Errors
/// Why that cannot be done now.
pub(crate) fn rest(settings: &DriverSettings) -> io::Result<()> {
    match settings {
        DriverSettings::Pca9685(own) => pca9685::rest(own),
        DriverSettings::GpioPwm(own) => gpio_pwm::rest(own),
        DriverSettings::Serial(_) | DriverSettings::Vesc(_) | DriverSettings::Virtual(_) => Ok(()),
    }
}

/// Parameters of other drivers than the one that was asked for. The virtual motor, when it is asked for by name, stands in for any
/// other driver, so that a graph can be tried without its motor by changing that one word.
fn strangers(params: &Params) -> Vec<String> {
    use DriverKind::{GpioPwm, Pca9685, Serial, Vesc, Virtual};
    let given: [(&str, bool, &[DriverKind]); 13] = [
        ("port", params.port.is_some(), &[Serial]),
        ("baud", params.baud.is_some(), &[Serial]),
        ("bus", params.bus.is_some(), &[Pca9685]),
        ("address", params.address.is_some(), &[Pca9685]),
        ("channels", params.channels.is_some(), &[Pca9685]),
        ("pwm", params.pwm.is_some(), &[GpioPwm]),
        ("direction_left", params.direction_left.is_some(), &[GpioPwm]),
        ("direction_right", params.direction_right.is_some(), &[GpioPwm]),
        ("frequency", params.frequency.is_some(), &[Pca9685, GpioPwm]),
        ("pulse_left", params.pulse_left.is_some(), &[Pca9685, GpioPwm]),
        ("pulse_right", params.pulse_right.is_some(), &[Pca9685, GpioPwm]),
        ("interface", params.interface.is_some(), &[Vesc]),
        ("ids", params.ids.is_some(), &[Vesc]),
    ];
    let stranger = |owners: &[DriverKind]| match params.driver {
        None => true,
        Some(Virtual) => false,
        Some(kind) => !owners.contains(&kind),
    };
    let given = given.into_iter().filter(|(_, given, owners)| *given && stranger(owners));
    given
        .map(|(name, _, owners)| {
            let owners: Vec<String> = owners.iter().map(|kind| format!("driver = \"{}\"", kind.name())).collect();
            let other = params
                .driver
                .map_or("no driver is named".to_owned(), |kind| format!("the driver is \"{}\"", kind.name()));
            format!("{name} belongs to {}, but {other}", owners.join(" or "))
        })
        .collect()
}
