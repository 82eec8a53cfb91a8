//! Fills `${VAR}`, `${VAR:-default}` and `${VAR:?message}` inside string values; `$${` is a plain `${`.
//! It never looks at the environment by itself and never fills what it filled.

use super::{
    mistakes::{Log, Mistake, Place},
    show::{show, tick},
    tree::{Item, Table, Value},
};

/// How many bytes may be filled into one graph, so that a small file cannot ask for all memory.
const FILLED_MAX: usize = 1 << 20;

/// Fills a file's string values.
pub(crate) struct Filler<'a> {
    env: &'a dyn Fn(&str) -> Option<String>,
    log: &'a mut Log,
    left: usize,
}

/// What is wrong with one `${…}`: the text to mark, the sentence and the help.
struct Bad {
    text: String,
    title: String,
    help: String,
}

impl<'a> Filler<'a> {
    pub(crate) fn new(env: &'a dyn Fn(&str) -> Option<String>, log: &'a mut Log) -> Filler<'a> {
        Filler { env, log, left: FILLED_MAX }
    }

    /// Fills all string values of a table.
    pub(crate) fn table(&mut self, table: &mut Table) {
        for entry in table.entries_mut() {
            self.item(&mut entry.item);
        }
    }

    fn item(&mut self, item: &mut Item) {
        match &mut item.value {
            Value::Text(text) if text.contains("${") => {
                item.value = self.text(text, &item.at).map_or(Value::Unknown, Value::Text);
            }
            Value::List(items) => items.iter_mut().for_each(|item| self.item(item)),
            Value::Table(table) => self.table(table),
            _ => {}
        }
    }

    /// The text with all that is filled in; none when some of it was a mistake.
    fn text(&mut self, text: &str, at: &Place) -> Option<String> {
        let mut good = true;
        let mut filled = String::new();
        let mut rest = text;
        while let Some(dollar) = rest.find("${") {
            let (before, from) = rest.split_at(dollar);
            if let Some(before) = before.strip_suffix('$') {
                filled.push_str(before);
                filled.push_str("${");
                rest = &from[2..];
                continue;
            }
            filled.push_str(before);
            let end = from.find('}').map_or(from.len(), |end| end + 1);
            match self.expression(&from[..end]) {
                Ok(value) => filled.push_str(&value),
                Err(bad) => {
                    good = false;
                    self.log.push(bad.mistake(at));
                }
            }
            rest = &from[end..];
        }
        filled.push_str(rest);
        good.then_some(filled)
    }

    /// The value of `${…}`, the braces included.
    fn expression(&mut self, text: &str) -> Result<String, Bad> {
        let inner = text.strip_prefix("${").and_then(|text| text.strip_suffix('}'));
        let inner = inner.ok_or_else(|| Bad::syntax(text, "has no closing }"))?;
        let split = inner.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(inner.len());
        let (name, rest) = inner.split_at(split);
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(Bad::syntax(text, "names no variable"));
        }
        let value = (self.env)(name);
        let set = value.clone().filter(|value| !value.is_empty());
        let filled = if rest.is_empty() {
            value.ok_or_else(|| Bad::unset(text, name, None))?
        } else if let Some(default) = rest.strip_prefix(":-") {
            set.unwrap_or_else(|| default.to_owned())
        } else if let Some(message) = rest.strip_prefix(":?") {
            set.ok_or_else(|| Bad::unset(text, name, Some(message)))?
        } else {
            return Err(Bad::syntax(text, "is not understood"));
        };
        self.left = self.left.checked_sub(filled.len()).ok_or_else(|| Bad {
            text: text.to_owned(),
            title: format!("more than {FILLED_MAX} bytes are filled in from the environment"),
            help: format!("look at what {} holds", tick(name)),
        })?;
        Ok(filled)
    }
}

impl Bad {
    fn syntax(text: &str, what: &str) -> Bad {
        Bad {
            text: text.to_owned(),
            title: format!("{} {what}", tick(text)),
            help: "write ${VAR}, ${VAR:-default} or ${VAR:?message}; $${ is a plain ${".to_owned(),
        }
    }

    fn unset(text: &str, name: &str, message: Option<&str>) -> Bad {
        let (text, name) = (text.to_owned(), show(name));
        match message.filter(|message| !message.is_empty()) {
            Some(message) => Bad {
                text,
                title: format!("{name}: {}", show(message)),
                help: format!("set {name} in the environment"),
            },
            None => Bad {
                text,
                title: format!("{name} is not set in the environment"),
                help: format!("set it, or write ${{{name}:-default}}"),
            },
        }
    }

    /// Marks the expression where it stands as it is read, else the whole value.
    fn mistake(self, at: &Place) -> Mistake {
        let mut at = at.clone();
        let mut found = at.text().match_indices(&self.text);
        if let (Some((offset, _)), None) = (found.next(), found.next()) {
            let start = at.span.start + offset;
            at.span = start..start + self.text.len();
        }
        Mistake::new(&at, self.title).help(self.help)
    }
}
