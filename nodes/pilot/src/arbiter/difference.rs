//! How far the model would be from the human: the mean absolute difference over the last two seconds in which both spoke.
//! It never grows beyond a fixed number of samples.

use std::collections::VecDeque;

/// How long a sample counts.
const SPAN_NS: i64 = 2_000_000_000;

/// Samples at most: two seconds at 500 Hz and as many messages of a gamepad and a model besides.
const SAMPLES_MAX: usize = 4096;

/// The differences of late.
#[derive(Debug, Default)]
pub(crate) struct Difference(VecDeque<(i64, f32, f32)>);

impl Difference {
    /// Notes a moment in which both spoke.
    pub(crate) fn note(&mut self, now_ns: i64, forward: f32, turn: f32) {
        if self.0.len() == SAMPLES_MAX {
            self.0.pop_front();
        }
        self.0.push_back((now_ns, forward.abs(), turn.abs()));
    }

    /// Drops what is too long ago.
    pub(crate) fn forget(&mut self, now_ns: i64) {
        while self.0.front().is_some_and(|(at_ns, ..)| now_ns.saturating_sub(*at_ns) > SPAN_NS) {
            self.0.pop_front();
        }
    }

    /// Forward and turn; none: both have not spoken of late.
    pub(crate) fn mean(&self) -> Option<(f32, f32)> {
        let count = self.0.len() as f32;
        let (forward, turn) = self.0.iter().fold((0.0, 0.0), |sum, (_, forward, turn)| (sum.0 + forward, sum.1 + turn));
        (count > 0.0).then(|| (forward / count, turn / count))
    }
}
