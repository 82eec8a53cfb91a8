//! When a recorded message is due. Pure.

/// Silence between the end of a recording and its beginning anew.
const PAUSE_NS: i64 = 100_000_000;

/// The rhythm of a play.
#[derive(Debug, Clone)]
pub(crate) struct Rhythm {
    /// When the beginning is due.
    start_ns: i64,
    /// The receipt that is the beginning; none: no message was seen.
    first_ns: Option<i64>,
    /// The last receipt of the whole recording so far.
    last_ns: i64,
    from_ns: i64,
    speed: f64,
}

/// When a message is due, and what its stamp is then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Due {
    pub(crate) at_ns: i64,
    pub(crate) stamp_ns: i64,
}

impl Rhythm {
    /// A play that begins then, so far into the recording, so many times as fast.
    pub(crate) fn new(start_ns: i64, from_ns: i64, speed: f64) -> Rhythm {
        Rhythm { start_ns, first_ns: None, last_ns: i64::MIN, from_ns, speed }
    }

    /// When a message is due; none: it is before where the play begins. Every message of the file must be shown, whatever its topic:
    /// players of one recording agree because they all saw the same.
    pub(crate) fn due(&mut self, received_ns: i64, stamp_ns: i64) -> Option<Due> {
        let first = *self.first_ns.get_or_insert(received_ns);
        self.last_ns = self.last_ns.max(received_ns);
        let since = received_ns.saturating_sub(first).saturating_sub(self.from_ns);
        // What was received a little before the first message of the file is overdue, not left out.
        if since < 0 && self.from_ns > 0 {
            return None;
        }
        let at_ns = self.start_ns.saturating_add((since as f64 / self.speed).round() as i64);
        // It is as old when it comes as it was when it came.
        let age = received_ns.saturating_sub(stamp_ns).max(0);
        Some(Due { at_ns, stamp_ns: at_ns.saturating_sub(age) })
    }

    /// At the end: begins anew. False: there was nothing.
    pub(crate) fn again(&mut self) -> bool {
        let Some(first) = self.first_ns else { return false };
        let length = self.last_ns.saturating_sub(first).saturating_sub(self.from_ns);
        if length < 0 {
            return false;
        }
        self.start_ns =
            self.start_ns.saturating_add((length as f64 / self.speed).round() as i64).saturating_add(PAUSE_NS);
        self.first_ns = None;
        self.last_ns = i64::MIN;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_keep_their_rhythm_and_their_age() {
        let mut rhythm = Rhythm::new(1_000, 0, 1.0);
        assert_eq!(rhythm.due(500, 490), Some(Due { at_ns: 1_000, stamp_ns: 990 }));
        assert_eq!(rhythm.due(530, 515), Some(Due { at_ns: 1_030, stamp_ns: 1_015 }));
    }

    #[test]
    fn twice_as_fast_is_half_as_long_and_no_message_is_younger() {
        let mut rhythm = Rhythm::new(1_000, 0, 2.0);
        rhythm.due(500, 500);
        assert_eq!(rhythm.due(600, 590), Some(Due { at_ns: 1_050, stamp_ns: 1_040 }));
    }

    #[test]
    fn what_is_before_the_beginning_is_not_due() {
        let mut rhythm = Rhythm::new(1_000, 50, 1.0);
        assert_eq!(rhythm.due(500, 500), None);
        assert_eq!(rhythm.due(550, 550), Some(Due { at_ns: 1_000, stamp_ns: 1_000 }));
    }

    #[test]
    fn what_was_received_before_the_first_message_of_the_file_is_played_at_once() {
        let mut rhythm = Rhythm::new(1_000, 0, 1.0);
        rhythm.due(516, 516);
        assert_eq!(rhythm.due(500, 490), Some(Due { at_ns: 984, stamp_ns: 974 }));
    }

    #[test]
    fn it_begins_anew_after_its_end() {
        let mut rhythm = Rhythm::new(0, 0, 1.0);
        assert!(!rhythm.again(), "nothing was there");
        rhythm.due(500, 500);
        rhythm.due(700, 700);
        assert!(rhythm.again());
        assert_eq!(rhythm.due(500, 500), Some(Due { at_ns: 200 + PAUSE_NS, stamp_ns: 200 + PAUSE_NS }));
    }

    #[test]
    fn hostile_times_do_no_harm() {
        let mut rhythm = Rhythm::new(i64::MAX - 5, 0, 0.01);
        for time in [i64::MIN, i64::MAX, 0] {
            rhythm.due(time, i64::MAX.wrapping_sub(time));
        }
        rhythm.again();
    }
}
