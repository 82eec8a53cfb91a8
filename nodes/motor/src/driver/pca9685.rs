//! Servos and electronic speed controllers on a PCA9685 board, the usual one of 16 outputs on an I²C bus.
//!
//! Each output gets the pulse of its value in every period, and goes on getting it when this computer does not: the board has no
//! watchdog. So the node has a [guard](crate::guard), and between the board and the motors there should be a switch that you can reach.
//! The board is looked at again and again: one that lost its power for a moment begins anew, with neutral.
//! It never puts out a pulse that the settings do not allow, and never touches the outputs that are not its own.

use std::{
    io,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use embedded_hal::{delay::DelayNs, i2c::I2c};
use pwm_pca9685::{Address, Channel, OutputDriver, Pca9685 as Chip, ProgrammableAddress};
use serde::{Deserialize, Serialize};

use self::bus::{Bus, BusError};
use super::{
    desk::{Device, Outputs},
    held,
    pulses::{self, Pulse},
};
use crate::{mixing::Wheels, params::Params};

mod bus;

const ADDRESS_USUAL: u8 = 0x40;
const FREQUENCY_MIN: f64 = 24.0;
const FREQUENCY_MAX: f64 = 1526.0;
const FREQUENCY_USUAL: f64 = 50.0;
const CHANNELS_USUAL: [u8; 2] = [0, 1];

/// The address that all boards on a bus answer to.
const ALL_CALL: u8 = 0x70;

// Registers and bits, from NXP's product data sheet of the PCA9685, rev. 4, tables 4 and 5.
const MODE1: u8 = 0x00;
const PRE_SCALE: u8 = 0xFE;
/// LED0_ON_L; each output has four registers.
const FIRST_OUTPUT: u8 = 0x06;
const RESTART: u8 = 0x80;
const SLEEP: u8 = 0x10;
/// MODE1 of a board that runs: registers count up by themselves, and no common address is heard.
const RUNNING: u8 = 0x20;

/// The chip's own oscillator; that of a real chip may be some per cent off, which `launch calibrate` takes in.
const OSCILLATOR_HZ: f64 = 25e6;
const OSCILLATOR_MHZ: f32 = 25.0;

/// How long it takes to begin.
const OSCILLATOR_US: u32 = 500;

/// Steps of a period.
const TICKS: f64 = 4096.0;

/// How often the board is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// An output is tried so long, with so much rest between: longer, and the board is taken for gone.
const TRY_WITHIN: Duration = Duration::from_millis(10);
const TRY_EVERY: Duration = Duration::from_millis(1);

/// Which board, and what its outputs are given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Settings {
    /// The device file of the I²C bus.
    pub(crate) bus: String,
    /// The board's address there.
    pub(crate) address: u8,
    /// The outputs, left and right.
    pub(crate) channels: [u8; 2],
    /// Periods a second.
    pub(crate) frequency: f64,
    /// The pulses, left and right.
    pub(crate) pulses: [Pulse; 2],
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
        let mut wrong = |good: bool, sentence: String| {
            if !good {
                mistakes.push(sentence);
            }
        };
        let bus = params.bus.clone().unwrap_or_default();
        wrong(!bus.is_empty(), "driver = \"pca9685\" needs a bus, for instance bus = \"/dev/i2c-1\"".to_owned());
        let address = params.address.unwrap_or(ADDRESS_USUAL);
        let usable = (0x08..=0x77).contains(&address) && address != ALL_CALL;
        wrong(
            usable,
            format!(
                "address = {address:#04x}: a board's address is 0x08 to 0x77, and never 0x70, which all boards hear"
            ),
        );
        let channels = params.channels.unwrap_or(CHANNELS_USUAL);
        let [left, right] = channels;
        wrong(left < 16 && right < 16, format!("channels = [{left}, {right}]: a board's outputs are 0 to 15"));
        wrong(left != right, format!("channels = [{left}, {right}]: left and right need an output each"));
        let frequency = params.frequency.unwrap_or(FREQUENCY_USUAL);
        let possible = (FREQUENCY_MIN..=FREQUENCY_MAX).contains(&frequency);
        wrong(possible, format!("frequency = {frequency}: a PCA9685 gives {FREQUENCY_MIN} to {FREQUENCY_MAX} Hz"));
        let pulses = pulses::checked(params, real(frequency.clamp(FREQUENCY_MIN, FREQUENCY_MAX)), &mut mistakes);
        if mistakes.is_empty() {
            Ok(Settings { bus, address, channels, frequency, pulses, hold })
        } else {
            Err(mistakes)
        }
    }
}

impl Settings {
    /// Periods a second that the board really has.
    pub(crate) fn real_frequency(&self) -> f64 {
        real(self.frequency)
    }

    /// The outputs that are taken.
    pub(super) fn outputs(&self) -> [held::Output; 2] {
        let Settings { bus, address, channels, .. } = self;
        let board = held::device(Path::new(bus));
        channels.map(|channel| {
            (format!("output {channel} of {bus} address {address:#04x}"), format!("{board}/{address}/{channel}"))
        })
    }

    /// The pulses of each output.
    pub(crate) fn pulses_mut(&mut self) -> [Option<&mut Pulse>; 2] {
        self.pulses.each_mut().map(Some)
    }
}

/// A board.
#[derive(Debug)]
pub(crate) struct Pca9685 {
    settings: Settings,
    /// Whether it has answered since the node started.
    was_there: bool,
    /// Who else answers on its bus. Asked once, and only while the board was never there: its motors stand still, and a chip of another
    /// kind that takes a byte read amiss does so before anything begins.
    others: Option<String>,
}

impl Pca9685 {
    /// A board that is not open yet.
    pub(crate) fn new(settings: Settings) -> Pca9685 {
        Pca9685 { settings, was_there: false, others: None }
    }

    /// Why it cannot be opened now. One that was there is tried again at once: it may drive.
    fn missing(&mut self, error: &io::Error) -> io::Error {
        let others =
            if self.was_there { "" } else { self.others.get_or_insert_with(|| bus::others(&self.settings.bus)) };
        io::Error::new(error.kind(), format!("no board answers ({error}){others}"))
    }
}

impl Device for Pca9685 {
    type Open = Board<Bus>;

    fn name(&self) -> String {
        format!("{} address {:#04x}", self.settings.bus, self.settings.address)
    }

    fn open(&mut self) -> io::Result<Board<Bus>> {
        let mut bus = Bus::open(&self.settings)?;
        bus.read(MODE1).map_err(|error| self.missing(&error))?;
        self.was_there = true;
        Board::begin(bus, &self.settings)
    }
}

/// A board that answers, at the frequency of the settings.
#[derive(Debug)]
pub(crate) struct Board<B> {
    /// The same bus as the chip's, to look at it.
    bus: B,
    chip: Chip<B>,
    address: u8,
    channels: [Channel; 2],
    pulses: [Pulse; 2],
    /// Written to PRE_SCALE.
    prescale: u8,
    looked: Instant,
}

impl<B: I2c<Error = BusError> + Clone> Board<B> {
    /// Makes the board ready, at neutral. One that runs at this frequency goes on without a gap; any other stops for about a millisecond.
    fn begin(bus: B, settings: &Settings) -> io::Result<Board<B>> {
        let chip = Chip::new(bus.clone(), Address::from(settings.address)).map_err(told)?;
        let [left, right] = settings.channels.map(channel);
        let mut board = Board {
            bus,
            chip,
            address: settings.address,
            channels: [left?, right?],
            pulses: settings.pulses,
            prescale: prescale(settings.frequency),
            looked: Instant::now(),
        };
        let runs = board.read(MODE1)? & SLEEP == 0 && board.read(PRE_SCALE)? == board.prescale;
        board.set_up(runs).map_err(told)?;
        Ok(board)
    }

    /// Writes every register that the settings decide.
    fn set_up(&mut self, runs: bool) -> Result<(), ChipError> {
        if runs {
            self.chip.enable()?; // says so to the crate, which takes a new chip for asleep
        } else {
            self.chip.disable()?; // PRE_SCALE can be written in its sleep only
            self.chip.set_prescale(self.prescale)?;
        }
        self.turn(Wheels::NEUTRAL)?;
        self.chip.set_output_driver(OutputDriver::TotemPole)?;
        // Nobody else moves it by calling all boards of the bus at once.
        self.chip.disable_programmable_address(ProgrammableAddress::AllCall)?;
        if !runs {
            self.chip.restart(&mut Pause)?; // its other outputs go on with what they had
            self.chip.enable()?;
            Pause.delay_us(OSCILLATOR_US);
        }
        Ok(())
    }

    fn read(&mut self, register: u8) -> io::Result<u8> {
        let mut byte = [0];
        self.bus.write_read(self.address, &[register], &mut byte)?;
        let [byte] = byte;
        Ok(byte)
    }

    fn turn(&mut self, wheels: Wheels) -> Result<(), ChipError> {
        let values = [wheels.left, wheels.right];
        for ((channel, pulse), value) in self.channels.into_iter().zip(self.pulses).zip(values) {
            self.chip.set_channel_on_off(channel, 0, ticks(pulse.at(value), self.prescale))?;
        }
        Ok(())
    }

    /// A board that lost its power for a moment is asleep and puts out nothing: that is noticed here.
    fn look(&mut self) -> io::Result<()> {
        if self.looked.elapsed() < LOOK_EVERY {
            return Ok(());
        }
        let (mode, prescale) = (self.read(MODE1)? & !RESTART, self.read(PRE_SCALE)?);
        if (mode, prescale) == (RUNNING, self.prescale) {
            self.looked = Instant::now();
            return Ok(());
        }
        let why =
            if mode & SLEEP == 0 { "another program has changed it" } else { "it was reset, or its power was gone" };
        Err(io::Error::other(format!("{why} (MODE1 {mode:#04x}, PRE_SCALE {prescale})")))
    }
}

impl<B: I2c<Error = BusError> + Clone> Outputs for Board<B> {
    /// Tries again when the bus garbles a byte, as it may near motors.
    fn put(&mut self, wheels: Wheels) -> io::Result<()> {
        let late = Instant::now() + TRY_WITHIN;
        loop {
            match self.turn(wheels).map_err(told).and_then(|()| self.look()) {
                Ok(()) => return Ok(()),
                Err(error) if Instant::now() >= late => return Err(error),
                Err(_) => thread::sleep(TRY_EVERY),
            }
        }
    }
}

/// Puts the outputs of a board to neutral, for whoever takes over from a motor node that cannot: it changes nothing else, so that it
/// disturbs no one who is writing.
///
/// # Errors
/// When the board does not answer.
pub(crate) fn rest(settings: &Settings) -> io::Result<()> {
    let mut bus = Bus::open(settings)?;
    if bus.read(MODE1)? & SLEEP != 0 {
        return Ok(()); // it puts out nothing
    }
    let prescale = bus.read(PRE_SCALE)?;
    for (channel, pulse) in settings.channels.into_iter().zip(settings.pulses) {
        let [low, high] = ticks(pulse.at(0.0), prescale).to_le_bytes();
        bus.put(&[FIRST_OUTPUT + 4 * channel, 0, 0, low, high])?;
    }
    Ok(())
}

/// What PRE_SCALE must hold: `round(25 MHz / (4096 · frequency)) − 1`, 3 at least (NXP, PCA9685 product data sheet rev. 4, 7.3.5).
fn prescale(frequency: f64) -> u8 {
    (OSCILLATOR_HZ / (TICKS * frequency)).round().clamp(4.0, 256.0) as u8 - 1
}

/// The frequency that the chip makes of one that is asked for: a few per cent beside it where it is high.
fn real(frequency: f64) -> f64 {
    OSCILLATOR_HZ / (TICKS * (f64::from(prescale(frequency)) + 1.0))
}

/// A pulse in ticks, of which a period has 4096; as many microseconds as the frequency that the chip really has makes it.
fn ticks(pulse: f32, prescale: u8) -> u16 {
    let tick_us = (f32::from(prescale) + 1.0) / OSCILLATOR_MHZ;
    (pulse / tick_us).round().clamp(0.0, 4095.0) as u16
}

/// An output by its number.
fn channel(number: u8) -> io::Result<Channel> {
    Channel::try_from(number).map_err(|_| io::Error::other(format!("a board has no output {number}")))
}

/// What the crate says of the chip.
type ChipError = pwm_pca9685::Error<BusError>;

fn told(error: ChipError) -> io::Error {
    match error {
        ChipError::I2C(error) => error.into(),
        ChipError::InvalidInputData => io::Error::other("the board cannot be given this"),
    }
}

/// How the crate waits.
struct Pause;

impl DelayNs for Pause {
    fn delay_ns(&mut self, ns: u32) {
        thread::sleep(Duration::from_nanos(ns.into()));
    }
}

#[cfg(test)]
mod tests;
