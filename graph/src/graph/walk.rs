//! Typed access to a tree: what has the wrong kind becomes a mistake. It never knows what the keys mean.

use std::time::Duration;

use super::{
    duration,
    mistakes::{At, Log, Mistake},
    near::suggest,
    show::{show, tick},
    size,
    tree::{Entry, Item, Table, Value},
};

/// The longest string that a node can be given: the kernel takes 128 KiB for one argument or variable.
pub(crate) const STRING_MAX: usize = 100 << 10;

/// Marks every key that is not among the known ones; `of` says of what, for instance `a node`.
pub(crate) fn only(table: &Table, known: &[&str], of: &str, log: &mut Log) {
    for entry in table.entries().iter().filter(|entry| !known.contains(&entry.key.as_str())) {
        let mistake = Mistake::new(&entry.key_at, format!("unknown key {}", tick(&entry.key)));
        let mistake = mistake.label(format!("no key of {of}"));
        let mistake = suggest(log, mistake, &entry.key, known.iter().copied(), "the keys are");
        log.push(mistake);
    }
}

/// Says that a value has the wrong kind, unless something was already said against it.
pub(crate) fn wrong(item: &Item, what: &str, wants: &str) -> Option<Mistake> {
    let title = format!("{what} is {} but wants {wants}", item.value.kind());
    (!matches!(item.value, Value::Unknown)).then(|| Mistake::new(&item.at, title))
}

/// The value of a key as a table.
pub(crate) fn table<'a>(table: &'a Table, key: &str, log: &mut Log) -> Option<&'a Table> {
    table.get(key).and_then(|entry| as_table(entry, log))
}

pub(crate) fn as_table<'a>(entry: &'a Entry, log: &mut Log) -> Option<&'a Table> {
    match &entry.item.value {
        Value::Table(table) => Some(table),
        _ => {
            log.extend(wrong(&entry.item, &tick(&entry.key), "a table"));
            None
        }
    }
}

/// An item as a string that can be handed to a process.
pub(crate) fn text(item: &Item, what: &str, log: &mut Log) -> Option<At<String>> {
    let Value::Text(text) = &item.value else {
        log.extend(wrong(item, what, "a string"));
        return None;
    };
    if text.contains('\0') {
        log.push(Mistake::new(&item.at, format!("{what} holds a NUL, which no process can be told")));
        return None;
    }
    if text.len() > STRING_MAX {
        log.push(Mistake::new(&item.at, format!("{what} is longer than {STRING_MAX} bytes")));
        return None;
    }
    Some(At { value: text.clone(), at: item.at.clone() })
}

/// The value of a key as a string.
pub(crate) fn string(table: &Table, key: &str, log: &mut Log) -> Option<At<String>> {
    table.get(key).and_then(|entry| text(&entry.item, &tick(key), log))
}

/// The value of a key as a boolean.
pub(crate) fn boolean(table: &Table, key: &str, log: &mut Log) -> Option<bool> {
    let entry = table.get(key)?;
    match entry.item.value {
        Value::Boolean(boolean) => Some(boolean),
        _ => {
            log.extend(wrong(&entry.item, &tick(key), "true or false"));
            None
        }
    }
}

/// The value of a key as a list of strings.
pub(crate) fn strings(table: &Table, key: &str, log: &mut Log) -> Option<Vec<At<String>>> {
    let entry = table.get(key)?;
    let Value::List(items) = &entry.item.value else {
        log.extend(wrong(&entry.item, &tick(key), "a list of strings"));
        return None;
    };
    let what = format!("an item of {}", tick(key));
    Some(items.iter().filter_map(|item| text(item, &what, log)).collect())
}

/// The value of a key as a duration longer than nothing.
pub(crate) fn period(table: &Table, key: &str, log: &mut Log) -> Option<Duration> {
    table.get(key).and_then(|entry| as_period(&entry.item, &tick(key), log))
}

pub(crate) fn as_period(item: &Item, what: &str, log: &mut Log) -> Option<Duration> {
    let Value::Text(text) = &item.value else {
        let help = "write a number and a unit (ms, s, m, h), like \"300ms\"";
        log.extend(wrong(item, what, "a duration").map(|mistake| mistake.help(help)));
        return None;
    };
    match duration::parse(text) {
        Ok(duration) if duration.is_zero() => {
            log.push(Mistake::new(&item.at, format!("{what} is \"{text}\": 0 is not a bound")));
            None
        }
        Ok(duration) => Some(duration),
        Err(error) => {
            log.push(Mistake::new(&item.at, format!("{what}: {error}")));
            None
        }
    }
}

/// The value of a key as a size in bytes, more than nothing: a string with a unit, or an integer.
pub(crate) fn bytes(table: &Table, key: &str, log: &mut Log) -> Option<u64> {
    let item = &table.get(key)?.item;
    let what = tick(key);
    let size = match &item.value {
        Value::Integer(integer) => u64::try_from(*integer).map_err(|_| format!("{integer} is less than nothing")),
        Value::Text(text) => size::parse(text),
        _ => {
            let help = "write a number and a unit (kB, KiB, MB, MiB, GB, GiB), like \"64MiB\"";
            log.extend(wrong(item, &what, "a size").map(|mistake| mistake.help(help)));
            return None;
        }
    };
    match size {
        Ok(0) => log.push(Mistake::new(&item.at, format!("{what} is {}: 0 is not a bound", show(item.at.text())))),
        Ok(size) => return Some(size),
        Err(error) => log.push(Mistake::new(&item.at, format!("{what}: {error}"))),
    }
    None
}

/// The value of a key as an integer from 1 to `max`.
pub(crate) fn count(table: &Table, key: &str, max: u32, log: &mut Log) -> Option<u32> {
    table.get(key).and_then(|entry| as_count(&entry.item, &tick(key), max, log))
}

pub(crate) fn as_count(item: &Item, what: &str, max: u32, log: &mut Log) -> Option<u32> {
    let Value::Integer(integer) = item.value else {
        log.extend(wrong(item, what, &format!("an integer from 1 to {max}")));
        return None;
    };
    let fits = u32::try_from(integer).ok().filter(|count| (1..=max).contains(count));
    if fits.is_none() {
        log.push(Mistake::new(&item.at, format!("{what} is {integer} but wants an integer from 1 to {max}")));
    }
    fits
}
