//! Why a command is not obeyed, in words for the person who wonders why the robot stands still.
//! It never says it in a way that depends on what a stranger wrote.

use std::fmt;

/// Why a command was not obeyed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// `forward` or `turn` is NaN or infinite.
    NotFinite,
    /// No `source`: an empty payload decodes as such a command.
    Nameless,
    /// `source` is longer than any honest name.
    LongName,
    /// Sent longer ago than the deadman or its own `valid_for_ms` allows.
    Stale {
        /// How long ago, in milliseconds.
        age_ms: i64,
    },
    /// Computed from something sensed longer ago than `evidence` allows.
    OldEvidence {
        /// How long ago, in milliseconds.
        age_ms: i64,
    },
    /// A stamp from the future: a clock is wrong.
    Future,
    /// Not newer than what this publisher already said: repeated, reordered or replayed.
    OutOfSequence,
    /// Somebody else holds the lease.
    OtherSource,
    /// Latched, and this is no neutral command.
    NotNeutral,
    /// Emergency stop, and this is no reset with neutral sticks.
    EmergencyStop,
    /// Nothing that is put out would reach the motor.
    NoDriver,
    /// The node is ending.
    Stopping,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::NotFinite => f.write_str("forward or turn is not a finite number"),
            Refusal::Nameless => f.write_str("it does not say who commands: source is empty"),
            Refusal::LongName => write!(f, "its source is longer than {} bytes", super::SOURCE_MAX),
            Refusal::Stale { age_ms } => write!(f, "it was sent {age_ms} ms ago"),
            Refusal::OldEvidence { age_ms } => write!(f, "it was computed from something sensed {age_ms} ms ago"),
            Refusal::Future => f.write_str("its stamp is in the future"),
            Refusal::OutOfSequence => f.write_str("it is not newer than the last one"),
            Refusal::OtherSource => f.write_str("somebody else drives"),
            Refusal::NotNeutral => f.write_str("it is not neutral"),
            Refusal::EmergencyStop => f.write_str("it is no reset with neutral sticks"),
            Refusal::NoDriver => f.write_str("the motor cannot be reached"),
            Refusal::Stopping => f.write_str("the node is stopping"),
        }
    }
}
