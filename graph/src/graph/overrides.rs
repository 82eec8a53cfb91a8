//! `--set node.camera.params.rate=15`: a value for a graph, said on the command line. It never reads a file.

use std::sync::Arc;

use toml::de::DeTable;

use super::{
    mistakes::{File, Log, Mistake, Mistakes, Place},
    near::suggest,
    show::tick,
    tree::{Table, Value},
};

/// The longest override, in bytes; the kernel's limit for one argument.
const LONGEST: usize = 128 << 10;

/// One value that replaces what the file says; it can change a node or a peer that the file has, and the graph's own keys.
#[derive(Clone)]
pub struct Override {
    tree: Table,
    /// The second word of `node.NAME.…` and `peer.NAME.…`.
    target: Option<(String, String, Place)>,
}

impl Override {
    /// Reads `key.key=value`; the value is TOML, and a bare word that is no TOML value is a string.
    ///
    /// # Errors
    /// A sentence that says what is wrong and how an override looks.
    pub fn parse(text: &str) -> Result<Override, String> {
        let wrong = |what: &str| format!("{} {what}; write for instance node.camera.params.rate=15", tick(text));
        if text.len() > LONGEST || text.contains(['\n', '\r', '\0']) {
            return Err(wrong("is not one line"));
        }
        let (key, value) = text.split_once('=').ok_or_else(|| wrong("has no ="))?;
        if value.trim().is_empty() {
            return Err(wrong("has no value"));
        }
        let file = File::new("--set", text.to_owned());
        let mut log = Log::default();
        let tree = match DeTable::parse(text) {
            Ok(table) => Table::of(table.get_ref(), &file, &mut log),
            Err(_) if value.trim_start().starts_with(['"', '\'', '[', '{']) => {
                return Err(wrong("has a value that does not read"));
            }
            Err(_) => {
                let stand_in = format!("{key}=\"\"");
                let table = DeTable::parse(&stand_in).map_err(|_| wrong("has a key that does not read"))?;
                let mut tree = Table::of(table.get_ref(), &file, &mut log);
                put(&mut tree, value.trim(), &Place { file: file.clone(), span: key.len() + 1..text.len() });
                tree
            }
        };
        if let Some(mistakes) = Mistakes::of(log, &[file]) {
            return Err(mistakes.to_string());
        }
        if tree.entries().len() != 1 {
            return Err(wrong("has no key"));
        }
        let target = target(&tree);
        Ok(Override { tree, target })
    }

    /// Lays the override over a file's tree, when it has the node or peer; says whether it had.
    pub(crate) fn apply(&self, tree: &mut Table) -> bool {
        let has =
            |(kind, name, _): &(String, String, Place)| tree.table(kind).is_some_and(|table| table.get(name).is_some());
        let fits = self.target.as_ref().is_none_or(has);
        if fits {
            tree.overlay(self.tree.clone());
        }
        fits
    }

    pub(crate) fn file(&self) -> Option<Arc<File>> {
        Some(self.tree.entries().first()?.key_at.file.clone())
    }

    /// The mistake that no graph has the node or peer of this name; these are the names they have.
    pub(crate) fn unused(&self, log: &mut Log, names: &[String]) {
        let Some((kind, name, at)) = &self.target else { return };
        let mistake = Mistake::new(at, format!("there is no {kind} {} to set", tick(name)));
        let mistake = suggest(log, mistake, name, names.iter().map(String::as_str), &format!("the {kind}s are"));
        log.push(mistake);
    }

    /// The node or peer that it changes.
    pub(crate) fn name(&self) -> Option<&str> {
        self.target.as_ref().map(|(_, name, _)| name.as_str())
    }

    /// Whether this is the same override, for another file.
    pub(crate) fn same(&self, other: &Override) -> bool {
        self.file() == other.file()
    }

    /// Which names [`Override::unused`] wants to be told: those under `node` or those under `peer`.
    pub(crate) fn kind(&self) -> Option<&str> {
        self.target.as_ref().map(|(kind, ..)| kind.as_str())
    }
}

fn target(tree: &Table) -> Option<(String, String, Place)> {
    let first = tree.entries().first().filter(|entry| matches!(entry.key.as_str(), "node" | "peer"))?;
    let Value::Table(inner) = &first.item.value else { return None };
    let second = inner.entries().first()?;
    Some((first.key.clone(), second.key.clone(), second.key_at.clone()))
}

/// Puts a text at the end of a chain of tables.
fn put(tree: &mut Table, text: &str, at: &Place) {
    for entry in tree.entries_mut() {
        match &mut entry.item.value {
            Value::Table(table) => put(table, text, at),
            value => {
                *value = Value::Text(text.to_owned());
                entry.item.at = at.clone();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Value {
        let parsed = Override::parse(text).unwrap();
        let mut table = &parsed.tree;
        loop {
            match &table.entries()[0].item.value {
                Value::Table(inner) if !inner.entries().is_empty() => table = inner,
                value => return value.clone(),
            }
        }
    }

    #[test]
    fn a_value_is_toml_and_a_bare_word_is_a_string() {
        assert!(matches!(value("a.b=15"), Value::Integer(15)));
        assert!(matches!(value("a.b = 1.5"), Value::Float(1.5)));
        assert!(matches!(value("a=true"), Value::Boolean(true)));
        assert!(matches!(value("a=[1, 2]"), Value::List(list) if list.len() == 2));
        for (text, string) in [
            ("a=15ms", "15ms"),
            ("a=/dev/video0", "/dev/video0"),
            ("a = 127.0.0.1:7400 ", "127.0.0.1:7400"),
            ("a=\"15\"", "15"),
            ("a=x=y", "x=y"),
        ] {
            assert!(matches!(value(text), Value::Text(there) if there == string), "{text}");
        }
    }

    #[test]
    fn what_is_no_override_is_told_how_one_looks() {
        for (text, what) in [
            ("rate", "`rate` has no ="),
            ("rate=", "`rate=` has no value"),
            ("=3", "`=3` has a key that does not read"),
            ("a b=3", "`a b=3` has a key that does not read"),
            ("#a=3", "`#a=3` has no key"),
            ("a=[1", "`a=[1` has a value that does not read"),
            ("a=1\nb=2", "`a=1\\nb=2` is not one line"),
        ] {
            let wanted = format!("{what}; write for instance node.camera.params.rate=15");
            assert_eq!(Override::parse(text).err(), Some(wanted));
        }
    }
}
