//! Who spoke and how far each one counted, so that nothing is heard twice. It never holds more than a few speakers.

/// How many incarnations of publishers are remembered: far more than restart within the age that a command may have,
/// and what is forgotten is refused by its age.
const SPEAKERS_MAX: usize = 64;

/// The last number of each incarnation, the longest silent first.
#[derive(Debug, Default)]
pub(crate) struct Speakers(Vec<(u64, u64)>);

impl Speakers {
    /// Notes a message; false when it is not newer than what this incarnation already said.
    pub(crate) fn hear(&mut self, incarnation: u64, seq: u64) -> bool {
        let known = self.0.iter().position(|(other, _)| *other == incarnation);
        let last = known.map_or(0, |at| self.0[at].1); // counting begins at 1
        if seq <= last {
            return false;
        }
        match known {
            Some(at) => drop(self.0.remove(at)),
            None if self.0.len() == SPEAKERS_MAX => drop(self.0.remove(0)),
            None => {}
        }
        self.0.push((incarnation, seq));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_of_an_incarnation_is_heard_once_and_in_order() {
        let mut speakers = Speakers::default();
        let heard: Vec<bool> = [1, 2, 2, 1, 7, 3, 8, 0].map(|seq| speakers.hear(5, seq)).to_vec();
        assert_eq!(heard, [true, true, false, false, true, false, true, false]);
    }

    #[test]
    fn an_old_incarnation_is_remembered_while_a_new_one_speaks() {
        let mut speakers = Speakers::default();
        assert!(speakers.hear(1, 900));
        assert!(speakers.hear(2, 1));
        assert!(!speakers.hear(1, 900));
    }

    #[test]
    fn the_memory_is_bounded_and_forgets_the_longest_silent() {
        let mut speakers = Speakers::default();
        for incarnation in 0..10_000 {
            assert!(speakers.hear(incarnation, 1));
            assert!(speakers.hear(u64::MAX, incarnation + 100));
        }
        assert_eq!(speakers.0.len(), SPEAKERS_MAX);
        assert!(!speakers.hear(u64::MAX, 5), "who speaks often is not forgotten");
    }
}
