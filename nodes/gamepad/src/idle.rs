//! When an input system that returns nothing is only quiet, and when it is broken.
//!
//! A blocking read also returns nothing early, for events that concern nobody, and for ever and at once when a device died
//! without its removal being told. Pure: it never waits itself.

use std::time::Duration;

/// A read that ends sooner did not wait.
const EARLY: Duration = Duration::from_millis(1);

/// How many early returns in a row are normal: a pad's packet gives one, and an unplugging some.
const NORMAL: u32 = 20;

/// The pause that keeps a broken device from taking a whole core: 2 ms adds little to a stick's latency, and
/// limits a spin to 500 turns a second.
const PAUSE: Duration = Duration::from_millis(2);

/// How many early returns in a row mean that the device is dead: with the pauses half a second.
const DEAD: u32 = NORMAL + 250;

/// What to do after a read that returned nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Read again.
    Quiet,
    /// Pause so long before reading again.
    Pause(Duration),
    /// Open everything anew.
    Dead,
}

/// Counts the reads in a row that returned nothing without having waited.
#[derive(Debug, Default)]
pub(crate) struct Idle {
    early: u32,
}

impl Idle {
    /// A read returned something.
    pub(crate) fn busy(&mut self) {
        self.early = 0;
    }

    /// A read returned nothing after so long.
    pub(crate) fn empty(&mut self, waited: Duration) -> Verdict {
        if waited >= EARLY {
            self.early = 0;
            return Verdict::Quiet;
        }
        self.early += 1;
        match self.early {
            ..=NORMAL => Verdict::Quiet,
            DEAD.. => Verdict::Dead,
            _ => Verdict::Pause(PAUSE),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAITED: Duration = Duration::from_millis(20);
    const AT_ONCE: Duration = Duration::ZERO;

    #[test]
    fn waiting_in_vain_is_no_fault() {
        let mut idle = Idle::default();
        assert!((0..10_000).all(|_| idle.empty(WAITED) == Verdict::Quiet));
    }

    #[test]
    fn a_pad_in_use_returns_early_between_its_events_without_being_slowed() {
        let mut idle = Idle::default();
        for _ in 0..10_000 {
            assert_eq!(idle.empty(AT_ONCE), Verdict::Quiet);
            idle.busy();
        }
    }

    #[test]
    fn a_spin_is_slowed_and_then_ended() {
        let mut idle = Idle::default();
        let verdicts: Vec<Verdict> = (0..DEAD).map(|_| idle.empty(AT_ONCE)).collect();
        let pauses = verdicts.iter().filter(|verdict| **verdict == Verdict::Pause(PAUSE)).count();
        assert_eq!(verdicts.last(), Some(&Verdict::Dead));
        assert_eq!(PAUSE * u32::try_from(pauses).unwrap(), Duration::from_millis(498));
    }

    #[test]
    fn one_real_wait_ends_the_count() {
        let mut idle = Idle::default();
        assert!((0..DEAD - 1).all(|_| idle.empty(AT_ONCE) != Verdict::Dead));
        idle.empty(WAITED);
        assert_eq!(idle.empty(AT_ONCE), Verdict::Quiet);
    }
}
