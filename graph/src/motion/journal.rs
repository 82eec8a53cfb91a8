//! What a motor tells its log: each change of mode, and refusals as a count. It never writes more than a few lines a second.

use offboard_proto::MotorMode;

use super::{Output, Refusal};

/// A mode that flaps is told at most so often.
const MODE_EVERY_NS: i64 = 200_000_000;
/// Refusals are told at most so often.
const REFUSED_EVERY_NS: i64 = 1_000_000_000;

/// What was told, and when.
#[derive(Debug, Default)]
pub struct Journal {
    mode: Option<(MotorMode, i64)>,
    refused_ns: Option<i64>,
    untold: u64,
    trouble: Option<String>,
}

impl Journal {
    /// What is new about an output, as a line for the log.
    pub fn mode(&mut self, now_ns: i64, output: &Output, source: &str) -> Option<String> {
        if self.mode.is_some_and(|(mode, at_ns)| mode == output.mode || now_ns - at_ns < MODE_EVERY_NS) {
            return None;
        }
        self.mode = Some((output.mode, now_ns));
        Some(match output.mode {
            MotorMode::Driving => format!("driving: {source:?} commands"),
            MotorMode::Ramping => format!("on the way to neutral: {}", output.reason),
            _ => format!("neutral: {}", output.reason),
        })
    }

    /// Counts a refusal; now and then as a line for the log.
    pub fn refusal(&mut self, now_ns: i64, refusal: Option<Refusal>) -> Option<String> {
        let refusal = refusal?;
        self.untold += 1;
        if self.refused_ns.is_some_and(|at_ns| now_ns - at_ns < REFUSED_EVERY_NS) {
            return None;
        }
        self.refused_ns = Some(now_ns);
        let more = match std::mem::take(&mut self.untold) {
            1 => String::new(),
            count => format!(" (the last of {count})"),
        };
        Some(format!("a command was refused: {refusal}{more}"))
    }

    /// What is new about the driver, as a line for the log.
    pub fn trouble(&mut self, trouble: Option<String>) -> Option<String> {
        if trouble == self.trouble {
            return None;
        }
        self.trouble.clone_from(&trouble);
        Some(trouble.map_or_else(
            || "the motor is in reach".to_owned(),
            |trouble| format!("the motor is out of reach: {trouble}"),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    fn output(mode: MotorMode) -> Output {
        Output {
            mode,
            reason: "because".to_owned(),
            forward: 0.0,
            turn: 0.0,
            command_age_ns: -1,
            picture_age_ns: -1,
            refusal: None,
            wake_ns: None,
        }
    }

    #[test]
    fn a_mode_is_told_once() {
        let mut journal = Journal::default();
        let latched = output(MotorMode::Latched);
        assert_eq!(journal.mode(0, &latched, ""), Some("neutral: because".to_owned()));
        assert_eq!(journal.mode(SECOND, &latched, ""), None);
        let driving = output(MotorMode::Driving);
        assert_eq!(journal.mode(2 * SECOND, &driving, "hu\nman"), Some("driving: \"hu\\nman\" commands".to_owned()));
    }

    #[test]
    fn a_flapping_mode_is_told_now_and_then_and_at_the_end_as_it_is() {
        let mut journal = Journal::default();
        let modes = [MotorMode::Latched, MotorMode::Driving];
        let told =
            (0..1000).filter(|n| journal.mode(n * 1_000_000, &output(modes[*n as usize % 2]), "").is_some()).count();
        assert!(told <= 5, "{told} lines in a second");
        assert!(journal.mode(2 * SECOND, &output(MotorMode::EmergencyStop), "").is_some());
    }

    #[test]
    fn refusals_are_counted_and_told_once_a_second() {
        let mut journal = Journal::default();
        let told: Vec<String> =
            (0..=100).filter_map(|n| journal.refusal(n * SECOND / 100, Some(Refusal::NotNeutral))).collect();
        assert_eq!(
            told,
            ["a command was refused: it is not neutral", "a command was refused: it is not neutral (the last of 100)"]
        );
    }

    #[test]
    fn trouble_is_told_when_it_comes_and_when_it_goes() {
        let mut journal = Journal::default();
        assert_eq!(journal.trouble(None), None);
        assert_eq!(journal.trouble(Some("gone".into())), Some("the motor is out of reach: gone".to_owned()));
        assert_eq!(journal.trouble(Some("gone".into())), None);
        assert_eq!(journal.trouble(None), Some("the motor is in reach".to_owned()));
    }
}
