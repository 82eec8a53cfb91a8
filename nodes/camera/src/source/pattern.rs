//! The test pattern's rhythm. It never draws: that is done when a picture is sent, and only if anybody wants it.

use std::{thread, time::Instant};

use offboard::clock;

use super::{Frame, Picture, Seen, Source};
use crate::schedule::Schedule;

/// A picture of the pattern is due `rate` times a second.
pub(crate) struct Ticks {
    schedule: Schedule,
    size: [u32; 2],
}

impl Ticks {
    pub(crate) fn new(start: Instant, size: [u32; 2], rate: f64) -> Ticks {
        Ticks { schedule: Schedule::new(start, rate), size }
    }
}

impl Source for Ticks {
    fn next(&mut self) -> Seen {
        let now = Instant::now();
        thread::sleep(self.schedule.next(now).saturating_duration_since(now));
        let [width, height] = self.size;
        Seen::Frame(Frame { stamp_ns: clock::now_ns(), width, height, picture: Picture::Pattern })
    }
}
