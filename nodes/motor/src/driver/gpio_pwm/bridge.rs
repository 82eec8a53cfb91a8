//! In which order an H-bridge is told: pure. It never lets two lines be high together, never raises a line while there is power, and
//! never gives power before the lines say which way.

/// Which way an H-bridge lets the current flow: its lines, forward and backward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Way {
    /// Both low: no current.
    #[default]
    Neither,
    Forward,
    Backward,
}

impl Way {
    /// What both lines are then.
    pub(super) fn lines(self) -> [bool; 2] {
        [self == Way::Forward, self == Way::Backward]
    }
}

/// One thing that an H-bridge is told.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Step {
    /// The power, 0 to 1.
    Power(f32),
    /// Nothing until there has been no power for a whole period: a chip ends the period that it began.
    Rest,
    /// The lines: only ever from or to [`Way::Neither`].
    Lines(Way),
}

/// What ends the old motion, and what begins the new one, for a value of −1 to 1. Not a number stands still.
pub(super) fn steps(now: Way, value: f32) -> (&'static [Step], Vec<Step>) {
    let way = match value {
        value if value > 0.0 => Way::Forward,
        value if value < 0.0 => Way::Backward,
        _ => Way::Neither,
    };
    let power = value.abs().min(1.0); // of what is not a number: 1, but then there is no way
    match way {
        Way::Neither => (&END, Vec::new()),
        way if way == now => (&[], vec![Step::Power(power)]),
        way => {
            let end: &[Step] = if now == Way::Neither { &[] } else { &END };
            (end, vec![Step::Rest, Step::Lines(way), Step::Power(power)])
        }
    }
}

/// To neutral: at once without power, then both lines low.
const END: [Step; 2] = [Step::Power(0.0), Step::Lines(Way::Neither)];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_other_way_is_without_power_both_low_a_rest_and_then_power() {
        let (end, begin) = steps(Way::Forward, -0.5);
        assert_eq!(end, [Step::Power(0.0), Step::Lines(Way::Neither)]);
        assert_eq!(begin, [Step::Rest, Step::Lines(Way::Backward), Step::Power(0.5)]);
    }

    #[test]
    fn the_same_way_changes_power_only() {
        assert_eq!(steps(Way::Backward, -0.25), (&[] as &[Step], vec![Step::Power(0.25)]));
    }

    #[test]
    fn what_is_not_a_number_stands_still() {
        assert_eq!(steps(Way::Forward, f32::NAN), (&END as &[Step], Vec::new()));
    }

    proptest! {
        /// Whatever is asked for, one after the other: what the lines and the power are at each moment.
        #[test]
        fn nothing_shorts_or_lunges(values in prop::collection::vec(any::<f32>(), 1..50)) {
            let (mut way, mut power, mut rested) = (Way::Neither, 0.0, false);
            for value in values {
                let (end, begin) = steps(way, value);
                for step in end.iter().chain(&begin) {
                    match *step {
                        Step::Power(next) => {
                            prop_assert!((0.0..=1.0).contains(&next) && (next == 0.0 || way != Way::Neither));
                            power = next;
                            rested = false;
                        }
                        Step::Rest => {
                            prop_assert!(power == 0.0);
                            rested = true;
                        }
                        Step::Lines(next) => {
                            prop_assert!(power == 0.0);
                            prop_assert!(next == Way::Neither || (way == Way::Neither && rested), "{way:?} {next:?}");
                            way = next;
                        }
                    }
                }
                let wanted = if value > 0.0 { Way::Forward } else if value < 0.0 { Way::Backward } else { Way::Neither };
                prop_assert_eq!(way, wanted);
                prop_assert_eq!(power, if wanted == Way::Neither { 0.0 } else { value.abs().min(1.0) });
            }
        }
    }
}
