//! What the model said, and whether to trust it. It never repairs a value.

use std::fmt;

use offboard::{Drive, Header};

/// A stamp may be so far ahead: the error of a clock estimate between two machines, generously.
const FUTURE_MAX_NS: i64 = 100_000_000;

/// A value may be so far out of its range: what rounding makes of a full one.
const ROUNDING: f32 = 1e-3;

/// What the model said last.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Word {
    pub(crate) forward: f32,
    pub(crate) turn: f32,
    /// It says emergency stop.
    pub(crate) stop: bool,
    /// For how long it may be obeyed, nanoseconds; 0: it does not say.
    pub(crate) valid_ns: i64,
    /// When it was sent.
    pub(crate) sent_ns: i64,
    /// When the picture behind it was taken.
    pub(crate) stamp_ns: i64,
    /// When it came.
    pub(crate) received_ns: i64,
}

/// Why a word does not count.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Doubt {
    /// There was none yet.
    Never,
    /// It is too long ago.
    Silent { age_ms: i64 },
    /// Its picture is too long ago.
    OldPicture { age_ms: i64 },
    /// It is not from our time.
    Future,
    /// It is no number.
    NotFinite,
    /// It is beyond −1 to 1.
    OutOfRange,
    /// It says that it stops.
    Stops,
}

impl Word {
    /// The word of a message.
    pub(crate) fn new(header: &Header, drive: &Drive, received_ns: i64) -> Word {
        Word {
            forward: drive.forward,
            turn: drive.turn,
            stop: drive.emergency_stop,
            valid_ns: i64::from(drive.valid_for_ms) * 1_000_000,
            sent_ns: header.sent_ns,
            stamp_ns: header.stamp_ns,
            received_ns,
        }
    }

    /// Whether it counts now.
    pub(crate) fn check(&self, now_ns: i64, timeout_ns: i64, evidence_ns: i64) -> Result<(), Doubt> {
        let timeout_ns = if self.valid_ns > 0 { timeout_ns.min(self.valid_ns) } else { timeout_ns };
        let age_ns = |at_ns: i64| now_ns.saturating_sub(at_ns);
        // By both: what was sent in the future is never old.
        let word_ns = age_ns(self.sent_ns).max(age_ns(self.received_ns));
        let picture_ns = age_ns(self.stamp_ns);
        if word_ns > timeout_ns {
            return Err(Doubt::Silent { age_ms: word_ns / 1_000_000 });
        }
        if picture_ns > evidence_ns {
            return Err(Doubt::OldPicture { age_ms: picture_ns / 1_000_000 });
        }
        if age_ns(self.sent_ns).min(picture_ns) < -FUTURE_MAX_NS {
            return Err(Doubt::Future);
        }
        if !(self.forward.is_finite() && self.turn.is_finite()) {
            return Err(Doubt::NotFinite);
        }
        if self.forward.abs().max(self.turn.abs()) > 1.0 + ROUNDING {
            return Err(Doubt::OutOfRange);
        }
        if self.stop { Err(Doubt::Stops) } else { Ok(()) }
    }
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Doubt::Never => f.write_str("model silent since the start"),
            Doubt::Silent { age_ms } => write!(f, "model silent for {age_ms}ms"),
            Doubt::OldPicture { age_ms } => write!(f, "the model's picture is {age_ms}ms old"),
            Doubt::Future => f.write_str("the model's word is from the future"),
            Doubt::NotFinite => f.write_str("the model's word is not finite"),
            Doubt::OutOfRange => f.write_str("the model's word is out of range"),
            Doubt::Stops => f.write_str("the model says stop"),
        }
    }
}
