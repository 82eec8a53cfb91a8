//! The I²C bus, by the kernel's SMBus calls: these work on every adapter, also on those that know no plain I²C messages.
//! It never writes to another address than its own.

use std::{
    cell::RefCell,
    fmt, io,
    path::Path,
    rc::Rc,
    time::{Duration, Instant},
};

use embedded_hal::i2c::{self, ErrorKind, ErrorType, I2c, Operation};
use i2cdev::{
    core::I2CDevice,
    linux::{LinuxI2CDevice, LinuxI2CError},
};

use super::Settings;
use crate::driver::device_file::explained;

/// The addresses that a PCA9685 may be given, where another chip is seldom.
const BOARDS: std::ops::RangeInclusive<u8> = 0x40..=0x77;

/// How long others are looked for: a bus that is stuck makes each of them wait.
const LOOK_WITHIN: Duration = Duration::from_millis(200);

/// The error number of an address that a driver of the kernel has taken.
const EBUSY: i32 = 16;

/// A board's address on a bus. Its copies share the opened file.
#[derive(Debug, Clone)]
pub(crate) struct Bus(Rc<RefCell<LinuxI2CDevice>>);

impl Bus {
    pub(super) fn open(settings: &Settings) -> io::Result<Bus> {
        let Settings { bus, address, .. } = settings;
        match LinuxI2CDevice::new(bus, (*address).into()) {
            Ok(device) => Ok(Bus(Rc::new(RefCell::new(device)))),
            Err(error) => {
                let error = io::Error::from(error);
                if error.raw_os_error() == Some(EBUSY) {
                    let words = "a driver of the kernel has this address: use its outputs with driver = \"gpio-pwm\", or take it away";
                    return Err(io::Error::other(words));
                }
                let absent = "no I²C bus is: switch it on (a Raspberry Pi: raspi-config), and modprobe i2c-dev";
                Err(explained(Path::new(bus), &error, absent))
            }
        }
    }

    /// A register.
    pub(super) fn read(&mut self, register: u8) -> io::Result<u8> {
        Ok(self.0.borrow_mut().smbus_read_byte_data(register)?)
    }

    /// A register and what goes there and to those after it.
    pub(super) fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        Ok(self.write(0, bytes)?) // the address is the file's
    }
}

/// Who answers on a bus, for whoever misses a board there: each address is asked for a byte, within a bound together.
pub(super) fn others(bus: &str) -> String {
    let answers = |address: u8| {
        let device = LinuxI2CDevice::new(bus, address.into());
        device.is_ok_and(|mut device| device.smbus_read_byte().is_ok())
    };
    found(answers, LOOK_WITHIN)
}

/// Which addresses answer, in words for a person.
pub(super) fn found(answers: impl Fn(u8) -> bool, within: Duration) -> String {
    let late = Instant::now() + within;
    let mut last = *BOARDS.start();
    let asked = BOARDS.take_while(|_| Instant::now() < late).inspect(|address| last = *address);
    let there: Vec<String> =
        asked.filter(|address| answers(*address)).map(|address| format!("{address:#04x}")).collect();
    if there.is_empty() {
        return format!(", nor at 0x40 to {last:#04x}: look at its power, SDA and SCL");
    }
    format!("; something does at {}: is address wrong?", there.join(", "))
}

/// What the bus failed with.
#[derive(Debug)]
pub(crate) struct BusError(pub(super) io::Error);

impl fmt::Display for BusError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<LinuxI2CError> for BusError {
    fn from(error: LinuxI2CError) -> BusError {
        BusError(error.into())
    }
}

impl From<BusError> for io::Error {
    fn from(error: BusError) -> io::Error {
        error.0
    }
}

impl i2c::Error for BusError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Other
    }
}

impl ErrorType for Bus {
    type Error = BusError;
}

impl I2c for Bus {
    /// What a register file needs: a register and its bytes written, or a register written and its byte read.
    fn transaction(&mut self, _address: u8, operations: &mut [Operation<'_>]) -> Result<(), BusError> {
        let mut device = self.0.borrow_mut();
        match operations {
            [Operation::Write([register, byte])] => device.smbus_write_byte_data(*register, *byte)?,
            [Operation::Write([register, bytes @ ..])] if !bytes.is_empty() => {
                device.smbus_write_i2c_block_data(*register, bytes)?;
            }
            [Operation::Write([register]), Operation::Read([byte])] => {
                *byte = device.smbus_read_byte_data(*register)?;
            }
            _ => return Err(BusError(io::ErrorKind::Unsupported.into())),
        }
        Ok(())
    }
}
