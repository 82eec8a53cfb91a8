//! A graph file as a tree whose every key and value knows where it was written, also after files were merged.
//! It never judges what the keys mean.

use std::{collections::HashMap, sync::Arc};

use serde_json::Value as Json;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    mistakes::{File, Log, Mistake, Place},
    show::{show, tick},
};

/// How deep parameters may be nested: a node's JSON reader gives up at 128.
const DEPTH_MAX: usize = 64;

/// A value and where it stands.
#[derive(Clone)]
pub(crate) struct Item {
    pub(crate) at: Place,
    pub(crate) value: Value,
}

/// A value of TOML.
#[derive(Clone)]
pub(crate) enum Value {
    Text(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    Date(String),
    List(Vec<Item>),
    Table(Table),
    /// What it is was already called a mistake; nothing more is said against it.
    Unknown,
}

/// Keys and values in the order of the file.
#[derive(Clone, Default)]
pub(crate) struct Table {
    entries: Vec<Entry>,
    index: HashMap<String, usize>,
}

/// A key and its value.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_at: Place,
    pub(crate) item: Item,
}

impl Table {
    /// Takes over what the TOML reader understood; numbers that do not fit are mistakes.
    pub(crate) fn of(table: &DeTable<'_>, file: &Arc<File>, log: &mut Log) -> Table {
        let mut tree = Table::default();
        for (key, value) in table {
            let key_at = Place { file: file.clone(), span: key.span() };
            tree.insert(Entry { key: key.get_ref().clone().into_owned(), key_at, item: item(value, file, log) });
        }
        tree
    }

    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub(crate) fn entries_mut(&mut self) -> &mut [Entry] {
        &mut self.entries
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Entry> {
        self.index.get(key).map(|index| &self.entries[*index])
    }

    /// The table under a key, when there is one and it is a table.
    pub(crate) fn table(&self, key: &str) -> Option<&Table> {
        match &self.get(key)?.item.value {
            Value::Table(table) => Some(table),
            _ => None,
        }
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> + Clone {
        self.entries.iter().map(|entry| entry.key.as_str())
    }

    pub(crate) fn remove(&mut self, key: &str) -> Option<Entry> {
        let position = self.index.remove(key)?;
        self.index.values_mut().filter(|index| **index > position).for_each(|index| *index -= 1);
        Some(self.entries.remove(position))
    }

    fn insert(&mut self, entry: Entry) {
        match self.index.get(&entry.key) {
            Some(index) => self.entries[*index] = entry,
            None => {
                self.index.insert(entry.key.clone(), self.entries.len());
                self.entries.push(entry);
            }
        }
    }

    /// Lays another table over this one: tables are merged, anything else is replaced.
    pub(crate) fn overlay(&mut self, over: Table) {
        for entry in over.entries {
            let old = self.index.get(&entry.key).map(|index| &mut self.entries[*index]);
            match (old, entry.item.value) {
                (Some(Entry { key_at, item: Item { at, value: Value::Table(old) }, .. }), Value::Table(new)) => {
                    *key_at = entry.key_at;
                    *at = entry.item.at;
                    old.overlay(new);
                }
                (_, value) => self.insert(Entry { item: Item { at: entry.item.at, value }, ..entry }),
            }
        }
    }
}

fn item(value: &Spanned<DeValue<'_>>, file: &Arc<File>, log: &mut Log) -> Item {
    let at = Place { file: file.clone(), span: value.span() };
    let value = match value.get_ref() {
        DeValue::String(text) => Value::Text(text.clone().into_owned()),
        DeValue::Boolean(boolean) => Value::Boolean(*boolean),
        DeValue::Datetime(date) => Value::Date(date.to_string()),
        DeValue::Array(items) => Value::List(items.iter().map(|value| item(value, file, log)).collect()),
        DeValue::Table(table) => Value::Table(Table::of(table, file, log)),
        DeValue::Integer(integer) => match i64::from_str_radix(integer.as_str(), integer.radix()) {
            Ok(integer) => Value::Integer(integer),
            Err(_) => too_big(&at, log),
        },
        DeValue::Float(float) => match float.as_str().parse::<f64>() {
            Ok(number) if !number.is_infinite() || float.as_str().contains("inf") => Value::Float(number),
            _ => too_big(&at, log),
        },
    };
    Item { at, value }
}

fn too_big(at: &Place, log: &mut Log) -> Value {
    log.push(Mistake::new(at, format!("{} is no number that fits 64 bits", show(at.text()))));
    Value::Unknown
}

impl Value {
    /// What it is, with its article.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Value::Text(_) => "a string",
            Value::Integer(_) => "an integer",
            Value::Float(_) => "a float",
            Value::Boolean(_) => "a boolean",
            Value::Date(_) => "a date",
            Value::List(_) => "a list",
            Value::Table(_) => "a table",
            Value::Unknown => "unknown",
        }
    }
}

/// Parameters as JSON. What JSON cannot hold is a mistake.
pub(crate) fn object(table: &Table, log: &mut Log) -> serde_json::Map<String, Json> {
    object_at(table, 0, log)
}

fn object_at(table: &Table, depth: usize, log: &mut Log) -> serde_json::Map<String, Json> {
    let entry = |entry: &Entry| Some((entry.key.clone(), json(&entry.item, depth, log)?));
    table.entries.iter().filter_map(entry).collect()
}

fn json(item: &Item, depth: usize, log: &mut Log) -> Option<Json> {
    if depth > DEPTH_MAX {
        log.push(Mistake::new(&item.at, format!("parameters may be nested {DEPTH_MAX} deep, not deeper")));
        return None;
    }
    Some(match &item.value {
        Value::Text(text) | Value::Date(text) => Json::from(text.as_str()),
        Value::Integer(integer) => Json::from(*integer),
        Value::Boolean(boolean) => Json::from(*boolean),
        Value::List(items) => items.iter().filter_map(|item| json(item, depth + 1, log)).collect(),
        Value::Table(table) => Json::Object(object_at(table, depth + 1, log)),
        Value::Unknown => return None,
        Value::Float(float) => match serde_json::Number::from_f64(*float) {
            Some(number) => Json::Number(number),
            None => {
                log.push(Mistake::new(
                    &item.at,
                    format!("{} is no number that a node can be told", tick(item.at.text())),
                ));
                return None;
            }
        },
    })
}
