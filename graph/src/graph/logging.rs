//! What becomes of what a node writes: `log = "debug"`, `log = false`, or a table. It never opens a file.

use std::{collections::BTreeMap, path::PathBuf};

use super::{
    LogFile, LogLevel, LogSpec,
    mistakes::{Log, Mistake, Place},
    near::suggest,
    show::{show, tick},
    tree::{Entry, Item, Table, Value},
    walk,
};

/// The smallest file that is worth to be rotated, in bytes: room for the longest line.
const SIZE_MIN: u64 = 128 << 10;

/// The most files that are kept of one node besides the one that is being written.
const KEEP_MAX: u32 = 100;

const LEVELS: [(&str, LogLevel); 5] = [
    ("error", LogLevel::Error),
    ("warn", LogLevel::Warn),
    ("info", LogLevel::Info),
    ("debug", LogLevel::Debug),
    ("trace", LogLevel::Trace),
];

impl LogLevel {
    /// The level of this name: `error`, `warn`, `info`, `debug` or `trace`.
    #[must_use]
    pub fn named(name: &str) -> Option<LogLevel> {
        LEVELS.iter().find(|(known, _)| *known == name).map(|(_, level)| *level)
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        LEVELS.iter().find(|(_, level)| *level == self).map_or("info", |(name, _)| name)
    }

    /// The names of all levels, the gravest first.
    pub fn names() -> impl Iterator<Item = &'static str> + Clone {
        LEVELS.iter().map(|(name, _)| *name)
    }
}

/// The `log` of a node.
pub(crate) fn log_spec(table: &Table, log: &mut Log) -> LogSpec {
    let mut spec = LogSpec::default();
    let Some(entry) = table.get("log") else { return spec };
    match &entry.item.value {
        Value::Table(table) => return log_table(table, log),
        Value::Text(_) => spec.level = level(&entry.item, "`log`", log),
        Value::Boolean(false) => spec.file = LogFile::Off,
        Value::Boolean(true) => {}
        _ => log.extend(walk::wrong(&entry.item, "`log`", "a level, false or a table").map(|mistake| {
            mistake.help("for instance log = \"debug\", or log = { file = \"camera.log\", size = \"10MiB\", keep = 3 }")
        })),
    }
    spec
}

fn log_table(table: &Table, log: &mut Log) -> LogSpec {
    walk::only(table, &["level", "file", "size", "keep"], "`log`", log);
    let default = LogSpec::default();
    LogSpec {
        level: table.get("level").and_then(|entry| level(&entry.item, "`level`", log)),
        file: table.get("file").and_then(|entry| file(&entry.item, log)).unwrap_or_default(),
        size: size(table, log).unwrap_or(default.size),
        keep: keep(table, log).unwrap_or(default.keep),
    }
}

fn level(item: &Item, what: &str, log: &mut Log) -> Option<LogLevel> {
    let name = walk::text(item, what, log)?.value;
    let level = LogLevel::named(&name);
    if level.is_none() {
        let mistake = Mistake::new(&item.at, format!("{what} cannot be \"{}\"", show(&name)));
        let mistake = suggest(log, mistake, &name, LogLevel::names(), "it is one of");
        log.push(mistake);
    }
    level
}

fn file(item: &Item, log: &mut Log) -> Option<LogFile> {
    match &item.value {
        Value::Boolean(false) => return Some(LogFile::Off),
        Value::Boolean(true) => return Some(LogFile::Default),
        Value::Text(_) => {}
        _ => {
            log.extend(walk::wrong(item, "`file`", "a path or false"));
            return None;
        }
    }
    let path = walk::text(item, "`file`", log)?.value;
    if path.is_empty() || path.ends_with('/') || PathBuf::from(&path).file_name().is_none() {
        let mistake = Mistake::new(&item.at, format!("`file` is \"{}\", which names no file", show(&path)));
        log.push(mistake.help("for instance file = \"log/camera.log\", from the graph file's folder"));
        return None;
    }
    Some(LogFile::At(PathBuf::from(path)))
}

fn size(table: &Table, log: &mut Log) -> Option<u64> {
    let size = walk::bytes(table, "size", log)?;
    if size < SIZE_MIN {
        let at = &table.get("size")?.item.at;
        log.push(Mistake::new(at, format!("`size` is {} but must be 128KiB or more", show(at.text()))));
        return None;
    }
    Some(size)
}

/// Marks every file that a second node wants, too: two that rotate one file would lose each other's lines.
pub(crate) fn shared(nodes: &[Entry], log: &mut Log) {
    let mut seen: BTreeMap<&str, &Place> = BTreeMap::new();
    for node in nodes {
        let Value::Table(node) = &node.item.value else { continue };
        let Some(file) = node.table("log").and_then(|log| log.get("file")) else { continue };
        let Value::Text(path) = &file.item.value else { continue };
        if let Some(first) = seen.insert(path, &file.item.at) {
            let mistake = Mistake::new(&file.item.at, format!("two nodes write to {}", tick(path)));
            log.push(mistake.label("the second").other(first, "the first").help("each needs a file of its own"));
        }
    }
}

/// None besides the one that is being written is a choice, too.
fn keep(table: &Table, log: &mut Log) -> Option<u32> {
    let item = &table.get("keep")?.item;
    let Value::Integer(integer) = item.value else {
        log.extend(walk::wrong(item, &tick("keep"), &format!("an integer from 0 to {KEEP_MAX}")));
        return None;
    };
    let keep = u32::try_from(integer).ok().filter(|keep| *keep <= KEEP_MAX);
    if keep.is_none() {
        log.push(Mistake::new(&item.at, format!("`keep` is {integer} but wants an integer from 0 to {KEEP_MAX}")));
    }
    keep
}
