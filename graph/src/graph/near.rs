//! The name that was probably meant. It never decides anything.

use super::{
    mistakes::{Log, Mistake},
    show::{list, tick},
};

/// The most names that are compared or listed, against hostile files.
const COMPARED_MAX: usize = 2000;
const LISTED_MAX: usize = 16;
const LONGEST: usize = 200;

/// The nearest of the candidates, when it is near enough to be a slip of the finger.
pub(crate) fn near<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if name.len() > LONGEST {
        return None;
    }
    let lower = name.to_lowercase();
    candidates
        .into_iter()
        .take(COMPARED_MAX)
        .filter(|candidate| candidate.len().abs_diff(name.len()) <= slips(name).max(slips(candidate)))
        .map(|candidate| (strsim::damerau_levenshtein(&lower, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= slips(name).max(slips(candidate)))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// How many slips a name of this length may hold; of one or two letters nobody can tell.
fn slips(name: &str) -> usize {
    name.len() / 3
}

/// Adds the name that was probably meant, else the list of all that could have been (`what`, for instance `the keys are`).
pub(crate) fn suggest<'a>(
    log: &Log,
    mistake: Mistake,
    name: &str,
    candidates: impl IntoIterator<Item = &'a str> + Clone,
    what: &str,
) -> Mistake {
    if log.full() {
        return mistake;
    }
    if let Some(near) = near(name, candidates.clone()) {
        return mistake.help(format!("did you mean {}?", tick(near)));
    }
    let names = list(candidates, LISTED_MAX);
    if names.is_empty() { mistake } else { mistake.help(format!("{what} {names}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_finds_its_name() {
        let keys = ["publish", "subscribe", "params"];
        assert_eq!(near("publsih", keys), Some("publish"));
        assert_eq!(near("Subscribes", keys), Some("subscribe"));
        assert_eq!(near("width", keys), None);
        assert_eq!(near("", keys), None);
    }
}
