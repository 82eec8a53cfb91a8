//! When the next picture of a replay is due: an absolute schedule that neither drifts nor catches up. It never sleeps.

use std::time::{Duration, Instant};

/// Ticks at `start + n / rate`.
#[derive(Debug)]
pub(crate) struct Schedule {
    start: Instant,
    rate: f64,
    tick: u64,
}

impl Schedule {
    /// `rate` ticks a second from `start` on; the first is at once.
    pub(crate) fn new(start: Instant, rate: f64) -> Schedule {
        Schedule { start, rate, tick: 0 }
    }

    /// When the next tick is due. Of several that were missed only the last remains, and it is due at once.
    pub(crate) fn next(&mut self, now: Instant) -> Instant {
        let passed = now.saturating_duration_since(self.start).as_secs_f64() * self.rate;
        self.tick = self.tick.max(passed.floor() as u64);
        let due = self.start + Duration::from_secs_f64(self.tick as f64 / self.rate);
        self.tick += 1;
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: f64) -> Duration {
        Duration::from_secs_f64(millis.max(0.0) / 1e3)
    }

    #[test]
    fn the_schedule_is_absolute() {
        let start = Instant::now();
        let mut schedule = Schedule::new(start, 30.0);
        for tick in 0..90 {
            let late = ms(f64::from(tick % 7)); // being late never shifts what comes after
            let due = schedule.next(start + ms(f64::from(tick) * 1000.0 / 30.0 - 20.0) + late);
            let wanted = start + ms(f64::from(tick) * 1000.0 / 30.0);
            assert!(due.duration_since(wanted).max(wanted.duration_since(due)) < ms(0.001), "tick {tick}");
        }
    }

    #[test]
    fn missed_ticks_are_skipped_and_the_last_one_is_due_at_once() {
        let start = Instant::now();
        let mut schedule = Schedule::new(start, 10.0);
        assert_eq!(schedule.next(start), start);
        let now = start + ms(1050.0);
        assert_eq!(schedule.next(now), start + ms(1000.0));
        assert_eq!(schedule.next(now), start + ms(1100.0));
    }
}
