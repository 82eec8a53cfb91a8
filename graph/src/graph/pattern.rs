//! Patterns of topics: `camera/*`, `robot:*/state`, `*/*`. It never looks for what it matches.

use std::{fmt, str::FromStr};

use super::{LAUNCH, NodeName, Topic, model::NAME_MAX, show::tick};

/// A topic whose names may hold `*`, which stands for any letters of one name: `*/*` is every topic of this machine and none of
/// another's. What launch itself says is meant only where its name is written: `launch/*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    peer: Option<String>,
    node: String,
    output: String,
}

impl Pattern {
    /// Whether text is meant as a pattern at all.
    #[must_use]
    pub fn is_one(text: &str) -> bool {
        text.contains('*')
    }

    /// The peer's name, where a peer's topics are meant; it may be a pattern itself.
    #[must_use]
    pub fn peer(&self) -> Option<&str> {
        self.peer.as_deref()
    }

    /// Whether a node of this machine may be meant.
    pub(crate) fn may_mean(&self, node: &NodeName) -> bool {
        self.peer.is_none() && fits(&self.node, node.as_str())
    }

    /// Whether this topic is meant.
    #[must_use]
    pub fn matches(&self, topic: &Topic) -> bool {
        let peer = match (&self.peer, &topic.peer) {
            (None, None) => true,
            (Some(pattern), Some(peer)) => fits(pattern, peer.as_str()),
            _ => false,
        };
        let node = fits(&self.node, topic.node.as_str()) && (topic.node.as_str() != LAUNCH || self.node == LAUNCH);
        peer && node && fits(&self.output, topic.output.as_str())
    }
}

impl FromStr for Pattern {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let (peer, path) = match text.split_once(':') {
            Some((peer, path)) => (Some(peer.to_owned()), path),
            None => (None, text),
        };
        let (node, output) = path.split_once('/').unwrap_or_default();
        let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_*".contains(c);
        let name = |name: &str| (1..=NAME_MAX).contains(&name.len()) && name.chars().all(letter);
        if peer.as_deref().is_none_or(name) && name(node) && name(output) {
            return Ok(Pattern { peer, node: node.to_owned(), output: output.to_owned() });
        }
        Err(format!("{} matches no topic; write for instance camera/*, */state, */* or machine:camera/*", tick(text)))
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(peer) = &self.peer {
            write!(f, "{peer}:")?;
        }
        write!(f, "{}/{}", self.node, self.output)
    }
}

/// Whether a name fits a pattern of letters and stars.
fn fits(pattern: &str, name: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut name) = name.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    // The first place is the best for each part: what is left is as long as can be.
    for part in parts {
        match name.find(part) {
            Some(at) => name = &name[at + part.len()..],
            None => return false,
        }
    }
    name.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_letters_of_one_name() {
        let cases = [
            ("*/*", "camera/frames", true),
            ("*/*", "robot:camera/frames", false),
            ("*:*/*", "robot:camera/frames", true),
            ("robot:camera/*", "robot:camera/frames", true),
            ("robot:camera/*", "desk:camera/frames", false),
            ("camera/*", "camera2/frames", false),
            ("camera*/f*s", "camera2/frames", true),
            ("*/*a*e*", "camera/frames", true),
            ("*/*e*a*", "camera/frames", false),
            ("*/frames*", "camera/frames", true),
            ("*/framesframes*", "camera/frames", false),
            ("camera/frames", "camera/frames", true),
            ("*/*", "launch/events", false),
            ("launch/*", "launch/events", true),
            ("l*/events", "launch/events", false),
            ("*:launch/events", "robot:launch/events", true),
        ];
        for (pattern, topic, meant) in cases {
            let parsed: Pattern = pattern.parse().unwrap();
            assert_eq!(parsed.matches(&topic.parse().unwrap()), meant, "{pattern} {topic}");
            assert_eq!(parsed.to_string(), pattern);
        }
    }

    #[test]
    fn what_can_match_nothing_is_told() {
        for text in ["*", "", "camera/", "/frames", "a:/b", ":a/b", "Camera/*", "a/b/c", "a b/*"] {
            let error = text.parse::<Pattern>().unwrap_err();
            assert!(error.ends_with("matches no topic; write for instance camera/*, */state, */* or machine:camera/*"));
        }
    }
}
