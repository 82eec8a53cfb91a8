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
//! computer does not. An Arduino that does all of it:
//!
//! ```text
//! char line[24]; byte n = 0; unsigned long heard = 0;
//! void drive(int left, int right) { /* your motor driver, -1000 to 1000 */ }
//! void obey() {
//!   char *star = strchr(line, '*'); if (line[0] != 'M' || !star) return;
//!   byte sum = 0; for (char *p = line; p < star; p++) sum ^= *p;
//!   if (strtol(star + 1, 0, 16) != sum) return;
//!   char *right; int left = strtol(line + 1, &right, 10);
//!   drive(left, strtol(right, 0, 10)); heard = millis();
//! }
//! void setup() { Serial.begin(115200); drive(0, 0); }
//! void loop() {
//!   if (millis() - heard > 300) drive(0, 0);                         // the watchdog
//!   if (!Serial.available()) return;
//!   char c = Serial.read();
//!   if (c == '\n') { line[n] = 0; obey(); n = 0; } else if (n < 23) line[n++] = c;
//! }
//! ```
//!
//! The port has a thread of its own, and only the newest output waits for it: a port that blocks holds up neither the lease nor
//! a newer output. This file never repeats an old output: when no new one comes, it writes neutral.

use std::{
    io::{self, Read, Write},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use offboard::{Error, Result};
use serialport::{ClearBuffer, SerialPort, TTYPort};

use super::Driver;
use crate::mixing::Wheels;

/// How often a missing port is looked for: soon enough for a person who plugs it in, cheap enough for ever.
const REOPEN_EVERY: Duration = Duration::from_millis(500);

/// How long one line may take to leave: it takes 20 ms at the slowest rate, and what takes longer is stuck.
const WRITE_WITHIN: Duration = Duration::from_millis(100);

/// How often it is looked whether a line has left.
const DRAIN_LOOK: Duration = Duration::from_micros(500);

/// An output that waits so long for the thread waits for a port that blocks: longer than writing, draining and reading may take.
const BLOCKED_AFTER: Duration = Duration::from_millis(250);

/// How long the end of the node waits for the last line: launch is patient for two seconds.
const STOP_WITHIN: Duration = Duration::from_millis(200);

/// The most of a controller's answers to read after one line.
const REPLY_MAX: usize = 256;

/// A motor controller on a serial port.
#[derive(Debug)]
pub(crate) struct Serial {
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
}

/// What the node and the thread share.
#[derive(Debug, Default)]
struct Shared {
    desk: Mutex<Desk>,
    news: Condvar,
}

#[derive(Debug, Default)]
struct Desk {
    /// The newest output that was not taken yet, and since when an output waits.
    newest: Option<(Wheels, Instant)>,
    /// Why the port is not open.
    trouble: Option<String>,
    /// The node ends.
    stop: bool,
    /// The thread has written its last line.
    done: bool,
}

/// What the thread does next.
#[derive(Debug, PartialEq)]
enum Order {
    Put(Wheels),
    Stop,
}

impl Serial {
    /// Begins to serve a port, now or as soon as it is there. An output is good for `hold`; then neutral is written.
    pub(crate) fn start(path: &str, baud: u32, hold: Duration) -> Result<Serial> {
        let shared = Arc::new(Shared::default());
        shared.desk().trouble = Some(format!("{path} is not open yet"));
        let (theirs, path) = (shared.clone(), path.to_owned());
        let thread = thread::Builder::new().name("serial".to_owned()).spawn(move || theirs.serve(&path, baud, hold))?;
        Ok(Serial { shared, thread })
    }
}

impl Driver for Serial {
    fn put(&mut self, _now_ns: i64, wheels: Wheels) -> Result<Wheels> {
        if self.thread.is_finished() {
            return Err(Error::other("the thread of the serial port ended"));
        }
        let mut desk = self.shared.desk();
        let since = desk.newest.map_or_else(Instant::now, |(_, since)| since);
        desk.newest = Some((wheels, since));
        self.shared.news.notify_all();
        Ok(wheels)
    }

    fn trouble(&self) -> Option<String> {
        let desk = self.shared.desk();
        let blocked = desk.newest.is_some_and(|(_, since)| since.elapsed() > BLOCKED_AFTER);
        desk.trouble.clone().or_else(|| blocked.then(|| "the serial port blocks".to_owned()))
    }
}

impl Drop for Serial {
    /// Neutral is the last thing that is written; waits until it has left, within a bound.
    fn drop(&mut self) {
        let mut desk = self.shared.desk();
        desk.stop = true;
        self.shared.news.notify_all();
        drop(self.shared.news.wait_timeout_while(desk, STOP_WITHIN, |desk| !desk.done));
    }
}

impl Shared {
    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The thread: opens the port again and again until the node ends.
    fn serve(&self, path: &str, baud: u32, hold: Duration) {
        while !self.desk().stop {
            if let Err(trouble) = self.serve_port(path, baud, hold) {
                let mut desk = self.desk();
                desk.trouble = Some(format!("{path}: {trouble}"));
                drop(self.news.wait_timeout_while(desk, REOPEN_EVERY, |desk| !desk.stop));
            }
        }
        self.desk().done = true;
        self.news.notify_all();
    }

    /// Serves one opening of the port until the node ends, or the port does.
    fn serve_port(&self, path: &str, baud: u32, hold: Duration) -> io::Result<()> {
        let mut port = serialport::new(path, baud).timeout(WRITE_WITHIN).open_native()?;
        let served = self.feed(&mut port, hold);
        if served.is_err() {
            // What is stuck is stale: it must not leave later, and closing must not wait for it.
            drop(port.clear(ClearBuffer::Output));
        }
        served
    }

    fn feed(&self, port: &mut TTYPort, hold: Duration) -> io::Result<()> {
        write_line(port, Wheels::NEUTRAL)?;
        {
            let mut desk = self.desk();
            desk.newest = None; // it was meant for a port that was not there
            desk.trouble = None;
        }
        loop {
            match self.wait(hold) {
                Order::Put(wheels) => write_line(port, wheels)?,
                Order::Stop => return write_line(port, Wheels::NEUTRAL),
            }
        }
    }

    /// The newest output; neutral when none came for `hold`, because then the work loop hangs.
    fn wait(&self, hold: Duration) -> Order {
        let (mut desk, _) = self
            .news
            .wait_timeout_while(self.desk(), hold, |desk| desk.newest.is_none() && !desk.stop)
            .unwrap_or_else(PoisonError::into_inner);
        if desk.stop {
            return Order::Stop;
        }
        Order::Put(desk.newest.take().map_or(Wheels::NEUTRAL, |(wheels, _)| wheels))
    }
}

/// One output as a line.
fn line(wheels: Wheels) -> String {
    let permille = |value: f32| (value.clamp(-1.0, 1.0) * 1000.0).round() as i32; // NaN would be 0
    let body = format!("M {} {}", permille(wheels.left), permille(wheels.right));
    let sum = body.bytes().fold(0, |sum, byte| sum ^ byte);
    format!("{body}*{sum:02X}\n")
}

/// Writes a line and waits until it has left, so that no line ever waits behind older ones.
fn write_line(port: &mut TTYPort, wheels: Wheels) -> io::Result<()> {
    port.write_all(line(wheels).as_bytes())?;
    let late = Instant::now() + WRITE_WITHIN;
    while port.bytes_to_write()? > 0 {
        if Instant::now() >= late {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "a line does not leave"));
        }
        thread::sleep(DRAIN_LOOK);
    }
    hear(port)
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
