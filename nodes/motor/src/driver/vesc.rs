//! VESC speed controllers on a CAN bus: duty out, status in.
//!
//! ```text
//! driver = "vesc"
//! interface = "can0"           brought up by the system: ip link set can0 up type can bitrate 500000
//! ids = [1, 2]                 left and right: VESC Tool, App settings, General, VESC ID
//! ```
//! Each output is one SET_DUTY frame for each controller, at least at the node's `rate`. Duty 0 is neutral: the VESC brakes. It is the
//! first frame after each opening and the last one before the end.
//!
//! A VESC has a watchdog of its own, and nothing here can replace it: VESC Tool, App settings, General, Timeout. It lets the motor go
//! that long after the last frame, 1000 ms as delivered; make it as short as your `deadman`.
//!
//! Switch on status message 1 as well (CAN status messages rate, 5 Hz or more): a controller that was heard and falls silent is then
//! noticed, and the motor node stops both. One that was never heard is not missed, for it may be set so.
//!
//! A bus on which nobody listens (wrong bitrate, no power, no termination) takes no more frames after a few: that is said, and nothing
//! old waits longer than those few. This file never waits for the bus.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use self::{
    bus::{Bus, Can, Sent},
    frames::{duty, status},
};
use super::{
    desk::{Device, Outputs},
    held,
};
use crate::{
    mixing::{Mixing, Wheels},
    params::Params,
};
use serde::{Deserialize, Serialize};

mod bus;
mod frames;

/// A controller that was heard and says nothing for so long is gone: five times the interval of the slowest sensible rate of status.
const SILENT_AFTER: Duration = Duration::from_secs(1);

/// The most frames that are read after an output: more than two controllers send between two outputs.
const READ_MAX: usize = 64;

/// Which controllers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Settings {
    /// The CAN interface.
    pub(crate) interface: String,
    /// The controllers' numbers, left and right.
    pub(crate) ids: [u8; 2],
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
        let mut wrong = |good: bool, sentence: &str| {
            if !good {
                mistakes.push(sentence.to_owned());
            }
        };
        let interface = params.interface.clone().unwrap_or_default();
        wrong(!interface.is_empty(), "driver = \"vesc\" needs an interface, for instance interface = \"can0\"");
        wrong(params.ids.is_some(), "driver = \"vesc\" needs the controllers' numbers, for instance ids = [1, 2]");
        let ids = params.ids.unwrap_or([1, 2]);
        wrong(ids[0] != ids[1], "ids: left and right need a controller each");
        wrong(ids.iter().all(|id| *id < 255), "ids must be 0 to 254: 255 is heard by all controllers");
        wrong(
            params.mixing == Mixing::Differential,
            "driver = \"vesc\" knows no steering: mixing must be \"differential\"",
        );
        if mistakes.is_empty() { Ok(Settings { interface, ids, hold }) } else { Err(mistakes) }
    }

    /// The outputs that are taken.
    pub(super) fn outputs(&self) -> [held::Output; 2] {
        let interface = &self.interface;
        self.ids.map(|id| (format!("VESC {id} of {interface}"), format!("can {interface}/{id}")))
    }
}

/// The controllers, and what finds their bus again when it comes back.
#[derive(Debug)]
pub(crate) struct Vesc {
    settings: Settings,
    heard: Heard,
}

/// Who was ever heard: whoever was is missed when it falls silent, also after the bus was gone.
type Heard = Arc<[AtomicBool; 2]>;

impl Vesc {
    /// Controllers that were never heard yet.
    pub(crate) fn new(settings: Settings) -> Vesc {
        Vesc { settings, heard: Heard::default() }
    }
}

impl Device for Vesc {
    type Open = Open<Can>;

    fn name(&self) -> String {
        self.settings.interface.clone()
    }

    fn open(&mut self) -> io::Result<Open<Can>> {
        let Settings { interface, ids, .. } = &self.settings;
        let bus = bus::open(interface, &frames::filters(*ids)).map_err(io::Error::other)?;
        Ok(Open::new(bus, *ids, self.heard.clone()))
    }
}

/// The controllers on an open bus.
#[derive(Debug)]
pub(crate) struct Open<B> {
    bus: B,
    ids: [u8; 2],
    heard: Heard,
    /// When each was heard last, or the bus was opened.
    at: [Instant; 2],
    /// The bus took no more.
    full: bool,
}

impl<B: Bus> Open<B> {
    fn new(bus: B, ids: [u8; 2], heard: Heard) -> Open<B> {
        Open { bus, ids, heard, at: [Instant::now(); 2], full: false }
    }

    /// Takes what the controllers said.
    fn hear(&mut self) -> Result<(), String> {
        for _ in 0..READ_MAX {
            let Some(frame) = self.bus.receive()? else { break };
            let Some(said) = status(&frame) else { continue };
            tracing::debug!("VESC {} says {} erpm, {} A, duty {}", said.id, said.erpm, said.current, said.duty);
            for side in (0..2).filter(|side| self.ids[*side] == said.id) {
                self.at[side] = Instant::now();
                self.heard[side].store(true, Relaxed);
            }
        }
        Ok(())
    }
}

impl<B: Bus> Outputs for Open<B> {
    fn put(&mut self, wheels: Wheels) -> io::Result<()> {
        let frames = self.ids.iter().zip([wheels.left, wheels.right]).filter_map(|(id, value)| duty(*id, value));
        let mut full = false;
        for frame in frames {
            full |= self.bus.send(&frame).map_err(io::Error::other)? == Sent::NoRoom;
        }
        self.full = full;
        self.hear().map_err(io::Error::other)
    }

    fn trouble(&self) -> Option<String> {
        if self.full {
            let look = "look at power, wiring, termination and bitrate";
            return Some(format!("nobody on the bus takes the frames: {look}"));
        }
        let silent = |side: &usize| self.heard[*side].load(Relaxed) && self.at[*side].elapsed() > SILENT_AFTER;
        let silent: Vec<String> = (0..2).filter(silent).map(|side| format!("VESC {}", self.ids[side])).collect();
        (!silent.is_empty()).then(|| format!("{} fell silent: look at its power and wiring", silent.join(" and ")))
    }
}

#[cfg(test)]
mod tests;
