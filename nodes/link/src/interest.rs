//! What this graph offers, what its peers ask for, and whether the two fit. It never subscribes to anything.

use crate::frame::Want;

/// A topic of this graph that peers may want.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// `node/output`.
    pub topic: String,
    /// Full protobuf name of what it carries, or `*`.
    pub kind: String,
}

/// How near a name must be to be suggested: as far as two slips of the keyboard.
const NEAR: usize = 2;

/// The number of the offer that a want means, or for a person why there is none.
///
/// # Errors
/// A sentence: the topic is unknown, or carries another type than the listeners expect.
pub fn match_offer(graph: &str, offers: &[Offer], want: &Want) -> Result<usize, String> {
    let Some(number) = offers.iter().position(|offer| offer.topic == want.topic) else {
        return Err(unknown(graph, offers, &want.topic));
    };
    let kind = &offers[number].kind;
    if *kind != want.kind && kind != "*" && want.kind != "*" {
        return Err(format!(
            "{graph}:{} carries {kind}, but {} is expected",
            offers[number].topic,
            printable(&want.kind)
        ));
    }
    Ok(number)
}

fn unknown(graph: &str, offers: &[Offer], topic: &str) -> String {
    let shown = printable(topic);
    let nearest = offers
        .iter()
        .map(|offer| (strsim::damerau_levenshtein(&offer.topic, topic), &offer.topic))
        .filter(|(distance, _)| *distance <= NEAR.max(topic.len() / 3))
        .min();
    let hint = match nearest {
        Some((_, near)) => format!("did you mean {graph}:{near}?"),
        None if offers.is_empty() => "it has no topics".to_owned(),
        None => {
            let few: Vec<&str> = offers.iter().take(8).map(|offer| offer.topic.as_str()).collect();
            format!("it has {}{}", few.join(", "), if offers.len() > few.len() { ", …" } else { "" })
        }
    };
    format!("{graph} has no topic {shown}; {hint}")
}

/// Text from the wire, safe to print: escaped and short.
#[must_use]
pub fn printable(text: &str) -> String {
    text.chars().take(256).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offers() -> Vec<Offer> {
        [("camera/frames", "offboard.v1.CompressedImage"), ("lidar/scan", "*")]
            .map(|(topic, kind)| Offer { topic: topic.into(), kind: kind.into() })
            .into()
    }

    fn ask(topic: &str, kind: &str) -> Result<usize, String> {
        match_offer("robot", &offers(), &Want { topic: topic.into(), kind: kind.into(), keep: 1 })
    }

    #[test]
    fn a_topic_is_found_by_name_when_the_types_agree_or_are_not_known() {
        assert_eq!(ask("camera/frames", "offboard.v1.CompressedImage"), Ok(0));
        assert_eq!(ask("camera/frames", "*"), Ok(0));
        assert_eq!(ask("lidar/scan", "offboard.v1.Array"), Ok(1));
    }

    #[test]
    fn a_mistyped_topic_is_answered_with_the_nearest() {
        let expected = "robot has no topic camera/frame; did you mean robot:camera/frames?";
        assert_eq!(ask("camera/frame", "*"), Err(expected.into()));
    }

    #[test]
    fn an_unknown_topic_is_answered_with_the_known() {
        assert_eq!(ask("gps/fix", "*"), Err("robot has no topic gps/fix; it has camera/frames, lidar/scan".into()));
    }

    #[test]
    fn a_wrong_type_is_answered_with_both() {
        let expected = "robot:camera/frames carries offboard.v1.CompressedImage, but offboard.v1.Drive is expected";
        assert_eq!(ask("camera/frames", "offboard.v1.Drive"), Err(expected.into()));
    }

    #[test]
    fn what_a_peer_asks_for_cannot_forge_a_log_line() {
        assert!(!ask("a\n\u{1b}[2J", "*").unwrap_err().contains(['\n', '\u{1b}']));
    }
}
