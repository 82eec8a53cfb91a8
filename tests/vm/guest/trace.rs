//! What was written to an I²C bus: each write, in order and with its time, by the kernel's own tracepoint. It never reads the bus.

use std::fs;

use crate::support::run;

const TRACING: &str = "/sys/kernel/tracing";

/// A write to a board's registers.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Write {
    /// Nanoseconds of CLOCK_MONOTONIC.
    pub(crate) at_ns: i64,
    pub(crate) register: u8,
    pub(crate) bytes: Vec<u8>,
}

impl Write {
    /// The count at which an output goes low, of a write to all four registers of that output.
    pub(crate) fn counts(&self) -> u16 {
        let [.., low, high] = self.bytes[..] else { panic!("{self:?} is no write to an output") };
        u16::from_le_bytes([low, high & 0x0f])
    }
}

/// Begins to hear what is written on all buses; forgets what was heard before.
pub(crate) fn begin() {
    if !fs::exists(format!("{TRACING}/trace")).is_ok_and(|there| there) {
        run(&format!("mount -t tracefs tracefs {TRACING}"));
    }
    run(&format!(
        "cd {TRACING} && echo mono > trace_clock && echo > trace && echo 1 > events/smbus/smbus_write/enable && echo 1 > tracing_on"
    ));
}

/// What was written to a chip since then, in order. The kernel forgets the oldest after some tens of thousands.
pub(crate) fn writes(address: u16) -> Vec<Write> {
    let text = fs::read_to_string(format!("{TRACING}/trace")).expect("the kernel's trace");
    text.lines().filter_map(|line| written(line, address)).collect()
}

/// A line of the trace: `… 12.345678: smbus_write: i2c-0 a=040 f=0000 c=6 I2C_BLOCK_DATA l=5 [04-00-00-33-01]`.
fn written(line: &str, address: u16) -> Option<Write> {
    let (before, after) = line.split_once(": smbus_write: ")?;
    let seconds: f64 = before.split_whitespace().last()?.parse().ok()?;
    let field = |name: &str| after.split_whitespace().find_map(|word| word.strip_prefix(name));
    let hex = |word: &str| u16::from_str_radix(word, 16).ok();
    if hex(field("a=")?)? != address {
        return None;
    }
    let data = after.split_once('[')?.1.split(']').next()?;
    let mut bytes: Vec<u8> = data.split('-').filter_map(|byte| u8::from_str_radix(byte, 16).ok()).collect();
    if after.contains("BLOCK_DATA") {
        bytes.remove(0); // how many follow
    }
    Some(Write { at_ns: (seconds * 1e9) as i64, register: u8::try_from(hex(field("c=")?)?).ok()?, bytes })
}
