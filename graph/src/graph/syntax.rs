//! Reads TOML so that one bad line does not hide the mistakes in all the others.
//!
//! The TOML reader recovers from errors, but gives up the rest of the file at some and makes up values at others. So lines
//! that do not read are blanked (every other byte keeps its place) and the rest is read again. What was blanked is
//! remembered: nothing that may have stood there is called missing. It never guesses what a bad line meant.

use std::{ops::Range, sync::Arc};

use toml::{
    Spanned,
    de::{DeTable, DeValue, Error},
};

use super::{
    mistakes::{File, Log, Mistake, Place},
    show::{show, tick},
    tree::Table,
};

/// How often the rest is read again: each round blanks all the lines that it found bad, so few are needed; the bound is
/// against files that are bad everywhere.
const ROUNDS_MAX: usize = 8;

/// How many errors are looked at in one round; nobody reads more, and a file may hold one at every byte.
const ERRORS_MAX: usize = 500;

/// What does not read.
#[derive(Clone, Default)]
pub(crate) struct Lost(Vec<String>);

impl Lost {
    /// Whether a word may have stood there.
    pub(crate) fn may_hold(&self, word: &str) -> bool {
        self.0.iter().any(|text| text.contains(word))
    }

    pub(crate) fn append(&mut self, other: Lost) {
        self.0.extend(other.0);
    }
}

/// A part of the text that does not read.
struct Bad {
    mistake: Mistake,
    /// The first of these lines is the broken one; the rest means nothing without it.
    lines: Range<usize>,
    /// The reader goes on finding errors up to here that are only consequences.
    until: usize,
}

/// The tree of a file, and what of it does not read. Syntax errors go to the log.
pub(crate) fn read(file: &Arc<File>, log: &mut Log) -> (Table, Lost) {
    let mut text = file.text.clone();
    let mut lost = Lost::default();
    let mut consequences = 0..0;
    for round in 0.. {
        let (table, mut errors) = DeTable::parse_recoverable(&text);
        errors.truncate(ERRORS_MAX);
        let (doubled, mut errors): (Vec<_>, Vec<_>) = errors.into_iter().partition(is_doubled);
        errors.extend(doubled.iter().filter(|error| is_header(&file.text, error)).cloned());
        if errors.is_empty() || round == ROUNDS_MAX {
            let tree = Table::of(table.get_ref(), file, log);
            log.extend(doubled.iter().map(|error| twice(file, &tree, error)));
            return (tree, lost);
        }
        let bad = bad_parts(file, table.get_ref(), &errors);
        drop(table);
        for Bad { mistake, lines, until } in bad {
            let start = mistake.at().span.start;
            if round == 0 || !consequences.contains(&start) {
                log.push(mistake);
            }
            consequences = consequences.start.min(start)..consequences.end.max(until);
            lost.0.push(file.text[lines.clone()].to_owned());
            blank(&mut text, lines);
        }
    }
    (Table::default(), lost)
}

fn is_doubled(error: &Error) -> bool {
    error.message() == "duplicate key" || error.message().starts_with("cannot extend value")
}

/// Whether a second table of one name is meant, not a second key.
fn is_header(text: &str, error: &Error) -> bool {
    let own = line(text, error.span().unwrap_or(0..0).start);
    error.message() == "duplicate key" && text[own].trim_start().starts_with('[')
}

/// The bad parts in the order of the file, each line once, consequences left out.
fn bad_parts(file: &Arc<File>, table: &DeTable<'_>, errors: &[Error]) -> Vec<Bad> {
    let mut found: Vec<Bad> = errors.iter().map(|error| bad_part(file, table, error)).collect();
    found.sort_by_key(|bad| (bad.lines.start, std::cmp::Reverse(bad.until), bad.mistake.at().span.start));
    let mut parts: Vec<Bad> = Vec::new();
    for bad in found {
        let start = bad.mistake.at().span.start;
        if parts.last().is_none_or(|before| bad.lines.start >= before.lines.end && start > before.until) {
            parts.push(bad);
        }
    }
    parts
}

fn bad_part(file: &Arc<File>, table: &DeTable<'_>, error: &Error) -> Bad {
    let text = &file.text;
    let span = error.span().unwrap_or(0..0);
    let span = span.start.min(text.len())..span.end.min(text.len());
    let message = error.message();
    let open = ["unclosed array", "unclosed inline table", "invalid multi-line"];
    if let Some(start) =
        open.iter().any(|open| message.starts_with(open)).then(|| opening(text, table, span.start)).flatten()
    {
        let at = Place { file: file.clone(), span: start..start + 1 };
        let mistake = Mistake::new(&at, "this is opened and never closed").label("opened here");
        return Bad { mistake, lines: line(text, start), until: span.end };
    }
    let lines = line(text, span.start);
    let header = text[lines.clone()].trim_start().starts_with('[') && enclosing(text, table, span.start).is_none();
    let lines = if header { lines.start..next_header(text, lines.end) } else { lines };
    let at = Place { file: file.clone(), span };
    if is_doubled(error) {
        return Bad { mistake: twice(file, &Table::default(), error), until: lines.end, lines };
    }
    // After an error in the structure of a value the reader misunderstands the rest of it.
    let structural = ["missing", "unexpected", "unclosed", "extra"].iter().any(|word| message.starts_with(word));
    let end = enclosing(text, table, at.span.start).filter(|_| structural);
    Bad { mistake: explain(&at, message), until: lines.end.max(end.unwrap_or(0)), lines }
}

/// Says in words what the TOML reader says in grammar.
fn explain(at: &Place, message: &str) -> Mistake {
    let word = at.text();
    let no_value = message.starts_with("invalid boolean")
        || message.starts_with("string values must be quoted")
        || message.starts_with("invalid literal string");
    if no_value && word.is_empty() {
        return Mistake::new(at, "a value is missing here");
    }
    if no_value && ["yes", "no", "on", "off", "True", "False"].contains(&word) {
        return Mistake::new(at, format!("{} is no value", tick(word))).help("write true or false");
    }
    if no_value && !word.starts_with('\'') {
        let help = format!("text is written in quotes: \"{}\"", show(word));
        return Mistake::new(at, format!("{} is no value", tick(word))).help(help);
    }
    if word.is_empty() && message.starts_with("invalid basic string") {
        return Mistake::new(at, "the string is not closed").help("a closing \" is missing");
    }
    Mistake::new(at, format!("this is no TOML: {message}"))
}

/// Where the outermost value ends that holds a byte; tables with headers are no values here.
fn enclosing(text: &str, table: &DeTable<'_>, at: usize) -> Option<usize> {
    table.iter().find_map(|(_, value)| {
        let span = value.span();
        if is_headed(text, value) {
            return value.get_ref().as_table().and_then(|table| enclosing(text, table, at));
        }
        (span.start < at && at <= span.end).then_some(span.end)
    })
}

/// A table that is no inline table: it stands where its header or its dotted key stands. Or a list of such.
fn is_headed(text: &str, value: &Spanned<DeValue<'_>>) -> bool {
    let rest = &text[text.floor_char_boundary(value.span().start)..];
    value.get_ref().is_table() && !rest.starts_with('{')
}

/// Where the innermost value that reaches to the end of the text begins.
fn opening(text: &str, table: &DeTable<'_>, end: usize) -> Option<usize> {
    table.iter().filter_map(|(_, value)| opening_of(text, value, end)).max()
}

fn opening_of(text: &str, value: &Spanned<DeValue<'_>>, end: usize) -> Option<usize> {
    let inner = match value.get_ref() {
        DeValue::Table(table) => opening(text, table, end),
        DeValue::Array(items) => items.iter().filter_map(|item| opening_of(text, item, end)).max(),
        _ => None,
    };
    let span = value.span();
    let reaches = !is_headed(text, value) && span.end >= end && span.start < end;
    inner.or(reaches.then_some(span.start))
}

/// The line of a byte, its newline left out.
fn line(text: &str, at: usize) -> Range<usize> {
    let at = text.floor_char_boundary(at);
    let start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    start..text[at..].find('\n').map_or(text.len(), |newline| at + newline)
}

/// Where the next line begins that opens a table.
fn next_header(text: &str, from: usize) -> usize {
    let mut at = from;
    for line in text[from..].split_inclusive('\n') {
        if at > from && line.starts_with('[') {
            return at;
        }
        at += line.len();
    }
    text.len()
}

fn blank(text: &mut String, range: Range<usize>) {
    let blanks: String = text[range.clone()]
        .bytes()
        .map(|byte| if matches!(byte, b'\n' | b'\r') { byte as char } else { ' ' })
        .collect();
    text.replace_range(range, &blanks);
}

/// A name that is written a second time: a table, a peer, an output.
fn twice(file: &Arc<File>, tree: &Table, error: &Error) -> Mistake {
    let at = Place { file: file.clone(), span: error.span().unwrap_or(0..0) };
    let name = tick(at.text());
    if error.message() != "duplicate key" {
        return Mistake::new(&at, format!("{name} has a value already, so it cannot be a table"));
    }
    let own = line(&file.text, at.span.start);
    let header = file.text[own.clone()].trim();
    let first = if header.starts_with('[') { first_header(file, &own) } else { first_key(file, tree, &at) };
    let (title, help) = if header.starts_with("[node.") && !header[6..].contains('.') {
        (format!("two nodes are named {name}"), Some("a topic has one publisher: give one of them another name"))
    } else if header.starts_with("[peer.") {
        (format!("two peers are named {name}"), None)
    } else {
        match first.as_ref().and_then(|first| publisher(tree, first)) {
            Some(node) => {
                let topic = tick(&format!("{node}/{}", at.text()));
                (format!("the topic {topic} is published twice"), Some("a topic has one publisher: rename one output"))
            }
            None => (format!("{name} is written twice"), None),
        }
    };
    let mut mistake = Mistake::new(&at, title).label("the second");
    if let Some(first) = first {
        mistake = mistake.other(&first, "the first");
    }
    help.into_iter().fold(mistake, Mistake::help)
}

/// The key of the same table header further up.
fn first_header(file: &Arc<File>, own: &Range<usize>) -> Option<Place> {
    let bare = |line: &str| line.split('#').next().unwrap_or("").trim().to_owned();
    let header = bare(&file.text[own.clone()]);
    let mut at = 0;
    for line in file.text[..own.start].split_inclusive('\n') {
        if bare(line) == header {
            let start = at + line.find('[')? + 1;
            return Some(Place { file: file.clone(), span: start..at + line.find(']')? });
        }
        at += line.len();
    }
    None
}

/// The key of the same name further up in the same part of the file, when there is only one.
fn first_key(file: &Arc<File>, tree: &Table, second: &Place) -> Option<Place> {
    let header = file.text[..second.span.start].rfind("\n[").unwrap_or(0);
    let mut keys = Vec::new();
    keys_of(tree, &mut keys);
    let name = tree_name(second);
    let mut same = keys.into_iter().filter(|(key, at)| {
        *key == name && at.file == second.file && at.span.start >= header && at.span.end <= second.span.start
    });
    let first = same.next().map(|(_, at)| at.clone());
    first.filter(|_| same.next().is_none())
}

fn tree_name(at: &Place) -> String {
    at.text().trim_matches(['"', '\'']).to_owned()
}

fn keys_of<'a>(table: &'a Table, keys: &mut Vec<(&'a str, &'a Place)>) {
    for entry in table.entries() {
        keys.push((&entry.key, &entry.key_at));
        if let super::tree::Value::Table(table) = &entry.item.value {
            keys_of(table, keys);
        }
    }
}

/// The node in whose `publish` a key stands.
fn publisher<'a>(tree: &'a Table, key: &Place) -> Option<&'a str> {
    let publishes = |node: &str| {
        let publish = tree.table("node")?.table(node)?.table("publish")?;
        publish.entries().iter().find(|entry| entry.key_at.span == key.span)
    };
    tree.table("node")?.keys().find(|node| publishes(node).is_some())
}
