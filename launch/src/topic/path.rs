//! The way to one field of a message: `forward`, `linear.x`, `edges[0].messages`, `values[3]`.
//! It never guesses: a name that is none is explained.

use std::str::FromStr;

use offboard::Array;
use prost_reflect::{DynamicMessage, Kind, MessageDescriptor, Value as Field};
use serde_json::Value;

use super::{
    decode::{self, VALUES, array, is_array, value_at, values},
    tree::{Style, Tree},
};
use crate::{draw::short, words::did_you_mean};

/// A way into a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Path(Vec<Step>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Name(String),
    Index(usize),
}

impl FromStr for Path {
    type Err = String;

    fn from_str(text: &str) -> Result<Path, String> {
        let wrong = || format!("\"{text}\" is no field; write it as in forward, linear.x or values[3]");
        let mut steps = Vec::new();
        for part in text.split('.') {
            let mut pieces = part.split('[');
            let name = pieces.next().filter(|name| !name.is_empty() && !name.contains(']')).ok_or_else(wrong)?;
            steps.push(Step::Name(name.to_owned()));
            for piece in pieces {
                let index = piece.strip_suffix(']').and_then(|index| index.parse().ok()).ok_or_else(wrong)?;
                steps.push(Step::Index(index));
            }
        }
        Ok(Path(steps))
    }
}

impl Path {
    /// Checks that messages of this type have such a field.
    ///
    /// # Errors
    /// One line that says what is near and what there is.
    pub(super) fn check(&self, kind: &MessageDescriptor) -> Result<(), String> {
        check(kind, &self.0)
    }

    /// What stands there in a message; nothing (null) where a list is shorter or a part absent.
    pub(super) fn find(&self, message: &DynamicMessage, style: Style) -> Tree {
        in_message(message, &self.0, style).unwrap_or(Tree::Scalar(Value::Null))
    }
}

/// The names of a type's fields, as they are shown.
pub(super) fn names(kind: &MessageDescriptor) -> Vec<String> {
    let shown = |name: &str| if is_array(kind) && name == "data" { VALUES.to_owned() } else { name.to_owned() };
    kind.fields().map(|field| shown(field.name())).collect()
}

/// Why a type has no field of this name.
pub(super) fn no_field(kind: &MessageDescriptor, name: &str) -> String {
    let all = names(kind);
    let near = did_you_mean(name, all.iter().map(String::as_str));
    format!("{} has no field {name}{near} (it has {})", short(kind.full_name()), all.join(", "))
}

fn is_values(kind: &MessageDescriptor, name: &str) -> bool {
    is_array(kind) && (name == VALUES || name == "data")
}

fn check(kind: &MessageDescriptor, steps: &[Step]) -> Result<(), String> {
    let (name, rest) = match steps {
        [] => return Ok(()),
        [Step::Index(_), ..] => return Err(format!("{} is no list", short(kind.full_name()))),
        [Step::Name(name), rest @ ..] => (name, rest),
    };
    let inner = kind.get_field_by_name(name).filter(|_| !is_values(kind, name));
    let is_list = is_values(kind, name) || inner.as_ref().is_some_and(|field| field.is_list());
    if inner.is_none() && !is_list {
        return Err(no_field(kind, name));
    }
    let rest = match rest {
        [] => return Ok(()),
        [Step::Index(_), rest @ ..] if is_list => rest,
        [Step::Index(_), ..] => return Err(format!("{name} is no list")),
        [Step::Name(_), ..] if is_list => return Err(format!("{name} is a list; say which, for instance {name}[0]")),
        rest => rest,
    };
    match (inner.map(|field| field.kind()), rest) {
        (_, []) => Ok(()),
        (Some(Kind::Message(inner)), rest) => check(&inner, rest),
        _ => Err(format!("{name} has no fields of its own")),
    }
}

fn in_message(message: &DynamicMessage, steps: &[Step], style: Style) -> Option<Tree> {
    let [Step::Name(name), rest @ ..] = steps else {
        return steps.is_empty().then(|| decode::message(message, style));
    };
    let kind = prost_reflect::ReflectMessage::descriptor(message);
    if is_values(&kind, name) {
        return in_array(&array(message)?, rest, style);
    }
    let field = kind.get_field_by_name(name)?;
    if field.supports_presence() && !message.has_field(&field) {
        return None;
    }
    in_field(&message.get_field(&field), &field.kind(), rest, style)
}

fn in_array(array: &Array, steps: &[Step], style: Style) -> Option<Tree> {
    match steps {
        [] => Some(values(array, style)),
        [Step::Index(at)] => value_at(array, *at),
        _ => None,
    }
}

fn in_field(field: &Field, kind: &Kind, steps: &[Step], style: Style) -> Option<Tree> {
    match (field, steps) {
        (field, []) => Some(decode::part(field, kind, style)),
        (Field::List(list), [Step::Index(at), rest @ ..]) => in_field(list.get(*at)?, kind, rest, style),
        (Field::Message(inner), steps) => in_message(inner, steps, style),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use offboard::{Drive, EdgeCounts, NodeStatus};

    use super::{super::decode::dynamic, *};

    const STYLE: Style = Style { length: 2, bytes: false, lists: true, strings: true };

    fn at(message: &DynamicMessage, path: &str) -> Result<String, String> {
        let path: Path = path.parse()?;
        path.check(&prost_reflect::ReflectMessage::descriptor(message))?;
        Ok(path.find(message, STYLE).lines().join("\n"))
    }

    #[test]
    fn one_field_is_found() {
        let drive = dynamic("offboard.v1.Drive", &Drive { forward: 0.5, ..Drive::default() });
        assert_eq!((at(&drive, "forward"), at(&drive, "turn")), (Ok("0.5".into()), Ok("0.0".into())));
        let edges = vec![EdgeCounts { messages: 7, ..EdgeCounts::default() }];
        let status = dynamic("offboard.v1.NodeStatus", &NodeStatus { edges, ..NodeStatus::default() });
        assert_eq!(at(&status, "edges[0].messages"), Ok("7".into()));
        assert_eq!(at(&status, "edges[1].messages"), Ok("null".into()));
    }

    #[test]
    fn an_element_is_found_beyond_what_is_shown() {
        let array = dynamic("offboard.v1.Array", &Array::new([2, 2], &[1i32, 2, 3, 4]).unwrap());
        assert_eq!((at(&array, "values[3]"), at(&array, "data[0]")), (Ok("4".into()), Ok("1".into())));
        assert_eq!((at(&array, "values[4]"), at(&array, "values")), (Ok("null".into()), Ok("[1, 2, <2 more>]".into())));
        assert_eq!(at(&array, "shape[1]"), Ok("2".into()));
    }

    #[test]
    fn a_name_that_is_none_is_explained() {
        let drive = dynamic("offboard.v1.Drive", &Drive::default());
        let all = "(it has forward, turn, source, valid_for_ms, emergency_stop, reset)";
        assert_eq!(at(&drive, "fowrard"), Err(format!("Drive has no field fowrard; did you mean forward? {all}")));
        assert_eq!(at(&drive, "forward.x"), Err("forward has no fields of its own".into()));
        assert_eq!(at(&drive, "forward[0]"), Err("forward is no list".into()));
        let status = dynamic("offboard.v1.NodeStatus", &NodeStatus::default());
        assert_eq!(at(&status, "edges.messages"), Err("edges is a list; say which, for instance edges[0]".into()));
        for wrong in ["", "a..b", "a[", "a[x]", "a]", "[0]"] {
            assert!(wrong.parse::<Path>().unwrap_err().contains("is no field"), "{wrong}");
        }
    }
}
