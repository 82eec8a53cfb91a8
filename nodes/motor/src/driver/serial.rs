//! A motor controller on a serial port: one short line of ASCII for each output, and nothing the controller must answer.
//!
//! ```text
//! M <left> <right>*<sum>\n        for instance   M 250 -1000*56
//! ```
//! `left` and `right` are whole numbers, −1000 to 1000 (with ackermann mixing: drive and steering); `sum` is the exclusive or of all
//! bytes before the `*`, as two upper-case hexadecimal digits. 8 data bits, no parity, 1 stop bit, no flow control. A controller
//! ignores a line whose sum is wrong. What it sends back is read, shown in the debug log, and never needed.
//!
//! The first line after each opening of the port and the last one before it is closed is `M 0 0*4D`. A line comes at
//! least at the node's `rate`, so the controller should have a watchdog of its own: it is the only one that still works when this
//! computer does not. graph/examples/boards/motor/motor.ino is an Arduino that does all of it.
//!
//! This file never repeats a line and never waits for an answer.

use std::{
    io::{self, Read, Write},
    path::Path,
    thread,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use serialport::{ClearBuffer, SerialPort, TTYPort};

use super::{
    desk::{Device, Outputs},
    device_file::explained,
};
use crate::{mixing::Wheels, params::Params};

const BAUD_MIN: u32 = 9_600;
const BAUD_MAX: u32 = 4_000_000;
const BAUD_USUAL: u32 = 115_200;

/// How long one line may take to leave: it takes 20 ms at the slowest rate, and what takes longer is stuck.
const WRITE_WITHIN: Duration = Duration::from_millis(100);

/// How often it is looked whether a line has left.
const DRAIN_LOOK: Duration = Duration::from_micros(500);

/// The most of a controller's answers to read after one line.
const REPLY_MAX: usize = 256;

/// What a serial port is opened with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Settings {
    /// The port's path.
    pub(crate) port: String,
    /// Bits a second.
    pub(crate) baud: u32,
    /// An output is good for so long; then neutral is written.
    pub(crate) hold: Duration,
}

impl Settings {
    /// The settings in the parameters.
    ///
    /// # Errors
    /// Every mistake.
    pub(crate) fn check(params: &Params, hold: Duration) -> Result<Settings, Vec<String>> {
        let mut mistakes = Vec::new();
        let port = params.port.clone().unwrap_or_default();
        if port.is_empty() {
            mistakes.push("driver = \"serial\" needs a port, for instance port = \"/dev/ttyUSB0\"".to_owned());
        }
        let baud = params.baud.unwrap_or(BAUD_USUAL);
        if !(BAUD_MIN..=BAUD_MAX).contains(&baud) {
            mistakes.push(format!("baud must be {BAUD_MIN} to {BAUD_MAX}"));
        }
        if mistakes.is_empty() { Ok(Settings { port, baud, hold }) } else { Err(mistakes) }
    }
}

/// A serial port with a motor controller.
#[derive(Debug)]
pub(crate) struct Serial(pub(crate) Settings);

impl Device for Serial {
    type Open = TTYPort;

    fn name(&self) -> String {
        self.0.port.clone()
    }

    fn open(&mut self) -> io::Result<TTYPort> {
        let path = Path::new(&self.0.port);
        let port = serialport::new(&self.0.port, self.0.baud).timeout(WRITE_WITHIN).open_native();
        port.map_err(io::Error::from).map_err(|error| match path.exists() {
            true if error.kind() == io::ErrorKind::NotFound => error, // another program has it
            _ => explained(path, &error, "no such port is plugged in"),
        })
    }
}

impl Outputs for TTYPort {
    /// Writes a line and waits until it has left, so that no line ever waits behind older ones.
    fn put(&mut self, wheels: Wheels) -> io::Result<()> {
        self.write_all(line(wheels).as_bytes())?;
        let late = Instant::now() + WRITE_WITHIN;
        while self.bytes_to_write()? > 0 {
            if Instant::now() >= late {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "a line does not leave"));
            }
            thread::sleep(DRAIN_LOOK);
        }
        hear(self)
    }

    fn give_up(&mut self) {
        // What is stuck is stale: it must not leave later, and closing must not wait for it.
        drop(self.clear(ClearBuffer::Output));
    }
}

/// One output as a line.
fn line(wheels: Wheels) -> String {
    let permille = |value: f32| (value.clamp(-1.0, 1.0) * 1000.0).round() as i32; // NaN would be 0
    let body = format!("M {} {}", permille(wheels.left), permille(wheels.right));
    let sum = body.bytes().fold(0, |sum, byte| sum ^ byte);
    format!("{body}*{sum:02X}\n")
}

/// Takes what the controller says, so that it never waits for us.
fn hear(port: &mut TTYPort) -> io::Result<()> {
    if port.bytes_to_read()? > 0 {
        let mut reply = [0; REPLY_MAX];
        let length = port.read(&mut reply)?;
        tracing::debug!("the controller says {:?}", String::from_utf8_lossy(&reply[..length]));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
