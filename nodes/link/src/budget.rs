//! How much of the bulk connection may be on its way: what the network carries in one round trip and 20 ms more.
//!
//! Whatever the kernel took can no longer be replaced by something newer, and what queues in the network delays the commands
//! beside it; but with too little on its way a network is not filled. So the send buffer follows the measured rate. The rate
//! is measured only while the buffer is full: between two moments when it was, what went in is what the network took out.
//! It never holds a message back itself.

/// The least, in bytes: a 40 kB picture at 6 Mbit/s takes 53 ms, this adds 22 ms.
pub const BYTES_MIN: usize = 16 << 10;

/// The most, in bytes: on a fast network a raw picture is handed over at once.
pub const BYTES_MAX: usize = 4 << 20;

/// What it begins with, in bytes: ten packets more than TCP's own beginning.
pub const BYTES_START: usize = 64 << 10;

/// How long what was sent may queue in the network, in nanoseconds.
const QUEUE_NS: f64 = 20e6;

/// How many round trips it covers: one is needed, and a quarter more lets the rate grow where the buffer itself limits it.
const ROUND_TRIPS: f64 = 1.25;

/// A slice of time shorter than this says little, so that slices are gathered until they are as long, in nanoseconds.
const SLICE_NS: i64 = 1_000_000;

/// Gathered slices are judged at once when they hold so many bytes, however short they are.
const SLICE_BYTES: usize = 256 << 10;

/// The measured rate and what follows from it.
#[derive(Debug)]
pub struct Budget {
    bytes: usize,
    /// Bytes per nanosecond, smoothed.
    rate: Option<f64>,
    /// Since when the buffer was full each time we looked; none: it was not.
    full_since: Option<i64>,
    /// What went in since.
    taken: usize,
}

impl Default for Budget {
    fn default() -> Budget {
        Budget { bytes: BYTES_START, rate: None, full_since: None, taken: 0 }
    }
}

impl Budget {
    /// How many bytes may be on their way.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The measured rate in bytes per second; none while the network was faster than we.
    #[must_use]
    pub fn rate(&self) -> Option<f64> {
        self.rate.map(|rate| rate * 1e9)
    }

    /// The buffer took `bytes` more.
    pub fn took(&mut self, bytes: usize) {
        self.taken += bytes;
    }

    /// There was nothing more to send although the buffer took it all: the time until it is full again says nothing.
    pub fn starved(&mut self) {
        self.full_since = None;
        self.taken = 0;
    }

    /// The buffer is full at `now_ns`; returns the new size to give it, when it should change.
    pub fn full(&mut self, now_ns: i64, rtt_ns: i64) -> Option<usize> {
        let Some(since) = self.full_since else {
            (self.full_since, self.taken) = (Some(now_ns), 0);
            return None;
        };
        let slice_ns = now_ns - since;
        if slice_ns <= 0 || (slice_ns < SLICE_NS && self.taken < SLICE_BYTES) {
            return None;
        }
        let seen = self.taken as f64 / slice_ns as f64;
        (self.full_since, self.taken) = (Some(now_ns), 0);
        let rate = self.rate.map_or(seen, |rate| (rate + seen) / 2.0);
        self.rate = Some(rate);
        self.resize(rate * (rtt_ns.max(0) as f64 * ROUND_TRIPS + QUEUE_NS))
    }

    fn resize(&mut self, bytes: f64) -> Option<usize> {
        let bytes = (bytes as usize).clamp(BYTES_MIN, BYTES_MAX);
        // A change of less than an eighth is not worth a system call.
        if bytes.abs_diff(self.bytes) <= self.bytes / 8 {
            return None;
        }
        self.bytes = bytes;
        Some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000_000;

    /// A network that takes `rate` bytes a millisecond from a buffer that is always full, for `ms` milliseconds.
    fn drive(budget: &mut Budget, from_ms: i64, ms: i64, rate: usize, rtt_ns: i64) {
        for n in 0..ms {
            budget.took(rate);
            budget.full((from_ms + n) * MS, rtt_ns);
        }
    }

    #[test]
    fn a_slow_network_gets_twenty_milliseconds_and_a_round_trip() {
        let mut budget = Budget::default();
        drive(&mut budget, 0, 100, 2_500, 15 * MS); // 20 Mbit/s
        assert!(budget.bytes().abs_diff(2_500 * 39) < 12_000, "{}", budget.bytes());
        assert_eq!(budget.rate().map(|rate| rate.round()), Some(2.5e6));
    }

    #[test]
    fn a_very_slow_network_gets_the_least() {
        let mut budget = Budget::default();
        drive(&mut budget, 0, 100, 125, 0);
        assert_eq!(budget.bytes(), BYTES_MIN);
    }

    #[test]
    fn a_fast_network_gets_the_most() {
        let mut budget = Budget::default();
        drive(&mut budget, 0, 100, 1_000_000, 0);
        assert_eq!(budget.bytes(), BYTES_MAX);
    }

    #[test]
    fn a_network_that_gets_slow_is_believed_within_ten_slices() {
        let mut budget = Budget::default();
        drive(&mut budget, 0, 100, 100_000, 0);
        drive(&mut budget, 100, 10, 1_000, 0);
        assert!(budget.bytes() < 30_000, "{}", budget.bytes());
    }

    #[test]
    fn a_long_round_trip_does_not_starve_itself() {
        // The buffer alone limits the rate here: one buffer a round trip of 100 ms.
        let mut budget = Budget::default();
        for n in 0..40 {
            budget.took(budget.bytes());
            budget.full(n * 100 * MS, 100 * MS);
        }
        assert_eq!(budget.bytes(), BYTES_MAX);
    }

    #[test]
    fn time_without_anything_to_send_is_no_slowness() {
        let mut budget = Budget::default();
        drive(&mut budget, 0, 100, 10_000, 0);
        let before = budget.bytes();
        budget.took(100);
        budget.starved();
        assert_eq!(budget.full(10_000 * MS, 0), None);
        drive(&mut budget, 10_001, 3, 10_000, 0);
        assert!(budget.bytes().abs_diff(before) < before / 8, "{} after {before}", budget.bytes());
    }
}
