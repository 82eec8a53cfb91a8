//! What a message says, ready to be shown: as lines in the manner of YAML, as JSON, as comma-separated values.
//! It never fills the screen unasked and never lets a message command the terminal.

use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::Value;

use crate::words::escape;

/// How much is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Style {
    /// The most elements of a list, and characters of a string.
    pub(crate) length: usize,
    /// Bytes are shown, too, as base64.
    pub(crate) bytes: bool,
    /// The elements of lists are shown.
    pub(crate) lists: bool,
    /// Strings are shown.
    pub(crate) strings: bool,
}

/// A part of a message; fields keep their order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Tree {
    /// A number, a truth, a string.
    Scalar(Value),
    /// What stands for something that is not shown.
    Note(String),
    List(Vec<Tree>),
    Fields(Vec<(String, Tree)>),
}

impl Tree {
    /// A string, as the style has it.
    pub(super) fn text(text: &str, style: Style) -> Tree {
        let length = text.chars().count();
        if !style.strings {
            return Tree::Note(format!("<{length} characters>"));
        }
        if length <= style.length {
            return Tree::Scalar(text.into());
        }
        let cut: String = text.chars().take(style.length).collect();
        Tree::Scalar(format!("{cut}… <{} more>", length - style.length).into())
    }

    /// A list of `length` items, as the style has it.
    pub(super) fn list(length: usize, items: impl Iterator<Item = Tree>, style: Style) -> Tree {
        if !style.lists {
            return Tree::Note(format!("<{length} elements>"));
        }
        let mut shown: Vec<Tree> = items.take(style.length).collect();
        if length > shown.len() {
            shown.push(Tree::Note(format!("<{} more>", length - shown.len())));
        }
        Tree::List(shown)
    }

    /// As lines in the manner of YAML.
    pub(crate) fn lines(&self) -> Vec<String> {
        match self {
            Tree::Fields(fields) if !fields.is_empty() => {
                fields.iter().flat_map(|(name, part)| part.named(name)).collect()
            }
            Tree::List(items) if self.is_block() => items.iter().flat_map(Tree::item).collect(),
            _ => vec![self.inline()],
        }
    }

    /// As one line of comma-separated values, the leaves in order.
    pub(crate) fn csv(&self) -> String {
        let mut leaves = Vec::new();
        self.leaves(&mut leaves);
        leaves.join(",")
    }

    fn named(&self, name: &str) -> Vec<String> {
        let name = escape(name);
        if !self.is_block() {
            return vec![format!("{name}: {}", self.inline())];
        }
        let inner = self.lines().into_iter().map(|line| format!("  {line}"));
        std::iter::once(format!("{name}:")).chain(inner).collect()
    }

    fn item(&self) -> Vec<String> {
        let lines = self.lines().into_iter().enumerate();
        lines.map(|(at, line)| format!("{}{line}", if at == 0 { "- " } else { "  " })).collect()
    }

    /// Whether it takes lines of its own.
    fn is_block(&self) -> bool {
        match self {
            Tree::Fields(fields) => !fields.is_empty(),
            Tree::List(items) => items.iter().any(Tree::is_block),
            Tree::Scalar(_) | Tree::Note(_) => false,
        }
    }

    fn inline(&self) -> String {
        match self {
            Tree::Scalar(Value::String(text)) if is_plain(text) => text.clone(),
            Tree::Scalar(value) => escape(&value.to_string()),
            Tree::Note(note) => escape(note),
            Tree::List(items) => format!("[{}]", items.iter().map(Tree::inline).collect::<Vec<_>>().join(", ")),
            Tree::Fields(_) => "{}".to_owned(),
        }
    }

    fn leaves(&self, out: &mut Vec<String>) {
        match self {
            Tree::Scalar(Value::String(text)) | Tree::Note(text) => out.push(quoted(text)),
            Tree::Scalar(value) => out.push(value.to_string()),
            Tree::List(items) => items.iter().for_each(|item| item.leaves(out)),
            Tree::Fields(fields) => fields.iter().for_each(|(_, part)| part.leaves(out)),
        }
    }
}

/// Whether a string stays one in YAML without quotes; in doubt it is quoted.
fn is_plain(text: &str) -> bool {
    let mut chars = text.chars();
    let begins = chars.next().is_some_and(|first| first.is_ascii_alphabetic() || matches!(first, '/' | '_'));
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | ' ');
    let word =
        !["true", "false", "null", "yes", "no", "on", "off", "nan", "inf"].contains(&text.to_lowercase().as_str());
    begins && word && chars.all(inner) && !text.ends_with(' ')
}

/// As RFC 4180 has it, without line ends.
fn quoted(text: &str) -> String {
    let text = escape(text);
    if text.contains([',', '"']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

impl Serialize for Tree {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Tree::Scalar(value) => value.serialize(to),
            Tree::Note(note) => to.serialize_str(note),
            Tree::List(items) => to.collect_seq(items),
            Tree::Fields(fields) => {
                let mut map = to.serialize_map(Some(fields.len()))?;
                fields.iter().try_for_each(|(name, part)| map.serialize_entry(name, part))?;
                map.end()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SHORT: Style = Style { length: 3, bytes: false, lists: true, strings: true };

    fn fields(fields: &[(&str, Tree)]) -> Tree {
        Tree::Fields(fields.iter().map(|(name, part)| ((*name).to_owned(), part.clone())).collect())
    }

    fn number(value: f64) -> Tree {
        Tree::Scalar(json!(value))
    }

    #[test]
    fn a_message_is_shown_as_lines_in_its_own_order() {
        let edge = fields(&[("port", Tree::text("in", SHORT)), ("gaps", Tree::Scalar(json!(2)))]);
        let tree = fields(&[
            ("turn", number(-0.5)),
            ("forward", number(1.0)),
            ("edges", Tree::List(vec![edge.clone(), edge])),
            ("values", Tree::list(5, (0..5).map(|n| Tree::Scalar(json!(n))), SHORT)),
            ("none", Tree::List(Vec::new())),
            ("inner", fields(&[("data", Tree::Note("<9 bytes>".into()))])),
        ]);
        let text = "turn: -0.5\nforward: 1.0\nedges:\n  - port: in\n    gaps: 2\n  - port: in\n    gaps: 2\n\
                    values: [0, 1, 2, <2 more>]\nnone: []\ninner:\n  data: <9 bytes>";
        assert_eq!(tree.lines().join("\n"), text);
        assert_eq!(tree.csv(), "-0.5,1.0,in,2,in,2,0,1,2,<2 more>,<9 bytes>");
        assert!(
            serde_json::to_string(&tree).unwrap().starts_with(r#"{"turn":-0.5,"forward":1.0,"edges":[{"port":"in""#)
        );
    }

    #[test]
    fn a_string_is_cut_hidden_quoted_and_never_obeyed() {
        let long = Style { length: 99, ..SHORT };
        let shown = |text: &str| Tree::text(text, long).lines();
        assert_eq!(Tree::text("abcdef", SHORT).lines(), ["\"abc… <3 more>\""]);
        assert_eq!(Tree::text("abc", Style { strings: false, ..SHORT }).lines(), ["<3 characters>"]);
        assert_eq!(
            (shown("a b"), shown("yes"), shown("1"), shown("")),
            (vec!["a b".to_owned()], vec!["\"yes\"".to_owned()], vec!["\"1\"".to_owned()], vec!["\"\"".to_owned()])
        );
        assert_eq!(shown("\u{1b}[2J\u{202e}"), ["\"\\u001b[2J\\u{202e}\""]);
        assert_eq!(Tree::text("a,\"b\"\n", long).csv(), "\"a,\"\"b\"\"\\u{a}\"");
    }

    #[test]
    fn hidden_lists_say_how_long_they_are() {
        let hidden = Style { lists: false, ..SHORT };
        assert_eq!(Tree::list(4, std::iter::empty(), hidden).lines(), ["<4 elements>"]);
    }
}
