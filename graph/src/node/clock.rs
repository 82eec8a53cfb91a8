//! The machine's steady timeline: CLOCK_MONOTONIC plus an offset that `launch` sampled once and gave to all its nodes,
//! so that stamps compare between nodes and a clock step moves nothing. It never sets a clock.

use std::sync::OnceLock;

use rustix::time::{ClockId, clock_gettime};

fn read(clock: ClockId) -> i64 {
    let time = clock_gettime(clock);
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}

/// CLOCK_MONOTONIC in nanoseconds.
#[must_use]
pub fn monotonic_ns() -> i64 {
    read(ClockId::Monotonic)
}

/// CLOCK_REALTIME − CLOCK_MONOTONIC at this moment, in nanoseconds: sampled once by `launch`.
#[must_use]
pub fn sample_offset_ns() -> i64 {
    read(ClockId::Realtime) - monotonic_ns()
}

/// What this process adds to CLOCK_MONOTONIC: `LAUNCH_CLOCK_OFFSET_NS`, or a sample of its own when it was not started by `launch`.
#[must_use]
pub fn offset_ns() -> i64 {
    static OFFSET: OnceLock<i64> = OnceLock::new(); // a constant of the process
    *OFFSET.get_or_init(|| {
        let given = std::env::var("LAUNCH_CLOCK_OFFSET_NS").ok().and_then(|text| text.parse().ok());
        given.unwrap_or_else(sample_offset_ns)
    })
}

/// Now, in nanoseconds on the machine's steady timeline.
#[must_use]
pub fn now_ns() -> i64 {
    monotonic_ns() + offset_ns()
}

/// A wall-clock stamp (nanoseconds since the Unix epoch, for instance a driver's) on the steady timeline.
#[must_use]
pub fn from_unix_ns(unix_ns: i64) -> i64 {
    unix_ns - sample_offset_ns() + offset_ns()
}
