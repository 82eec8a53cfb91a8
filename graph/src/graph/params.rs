//! Checks parameters against the JSON Schema of a program's description: the words that `Description::params` names, and
//! those that schema writers add beside them (`const`, `oneOf`, `allOf`, `prefixItems`, exclusive bounds, integer formats).
//! Other words are passed over. It never trusts the schema: it is a program's answer.

use std::time::Duration;

use serde_json::Value as Json;

use super::{
    duration::{self, Period},
    mistakes::{Log, Mistake, Place},
    near::{near, suggest},
    show::{list, show, tick},
    tree::{Item, Table, Value},
};

/// How deep schemas may refer to schemas, against circles.
const DEPTH_MAX: usize = 32;

/// Checks the parameters of a node. `at` is where to mark what is missing.
pub(crate) fn check(schema: &Json, params: &Table, node: &str, at: &Place, log: &mut Log) {
    let params_at = at.clone();
    let item = Item { at: params_at, value: Value::Table(params.clone()) };
    Checker { root: schema, node, log }.value(schema, &item, &Path { name: String::new(), depth: 0 });
}

/// The value a parameter has when the file does not say.
pub(crate) fn default<'a>(schema: &'a Json, param: &str) -> Option<&'a Json> {
    resolve(schema, &schema["properties"][param]).get("default").or(schema["properties"][param].get("default"))
}

struct Checker<'a> {
    root: &'a Json,
    node: &'a str,
    log: &'a mut Log,
}

/// Where in the parameters: `camera.size[1]`, and how deep in the schema.
#[derive(Clone)]
struct Path {
    name: String,
    depth: usize,
}

impl Path {
    fn same(&self) -> Path {
        Path { name: self.name.clone(), depth: self.depth + 1 }
    }

    fn key(&self, key: &str) -> Path {
        let name = if self.name.is_empty() { show(key) } else { format!("{}.{}", self.name, show(key)) };
        Path { name, depth: self.depth + 1 }
    }

    fn index(&self, index: usize) -> Path {
        Path { name: format!("{}[{index}]", self.name), depth: self.depth + 1 }
    }
}

/// Follows a local `$ref`, when there is one.
fn resolve<'a>(root: &'a Json, schema: &'a Json) -> &'a Json {
    let pointer = schema["$ref"].as_str().and_then(|link| link.strip_prefix('#'));
    pointer.and_then(|pointer| root.pointer(pointer)).unwrap_or(schema)
}

impl<'a> Checker<'a> {
    fn value(&mut self, schema: &'a Json, item: &Item, path: &Path) {
        if path.depth > DEPTH_MAX || matches!(item.value, Value::Unknown) {
            return;
        }
        if schema.get("$ref").is_some() {
            let target = resolve(self.root, schema);
            if !std::ptr::eq(target, schema) {
                self.value(target, item, &path.same());
            }
        }
        for part in schema["allOf"].as_array().into_iter().flatten() {
            self.value(part, item, &path.same());
        }
        for word in ["anyOf", "oneOf"] {
            if let Some(alternatives) = schema[word].as_array() {
                self.alternatives(alternatives, item, path);
            }
        }
        if !self.kind_fits(schema, item) {
            let wants = wants(self.root, schema, 0);
            let title = format!("{} is {} but wants {wants}", self.what(path), item.value.kind());
            let mistake = Mistake::new(&item.at, title).label(format!("wants {wants}"));
            self.log.push(if is_duration(schema) { mistake.help(DURATION_HELP) } else { mistake });
            return;
        }
        self.choices(schema, item, path);
        match &item.value {
            Value::Text(text) if is_duration(schema) => self.duration(schema, item, text, path),
            Value::Integer(integer) => self.number(schema, item, *integer as f64, path),
            Value::Float(float) => self.number(schema, item, *float, path),
            Value::List(items) => self.items(schema, item, items, path),
            Value::Table(table) => self.table(schema, item, table, path),
            _ => {}
        }
    }

    fn what(&self, path: &Path) -> String {
        match path.name.as_str() {
            "" => format!("`params` of {}", tick(self.node)),
            name => format!("parameter `{name}` of {}", tick(self.node)),
        }
    }

    fn kind_fits(&self, schema: &Json, item: &Item) -> bool {
        match &schema["type"] {
            Json::String(kind) => fits(kind, &item.value),
            Json::Array(kinds) => kinds.iter().filter_map(Json::as_str).any(|kind| fits(kind, &item.value)),
            _ => *schema != Json::Bool(false),
        }
    }

    /// One of several schemas must fit; when none does, the one that nearly did tells why.
    fn alternatives(&mut self, alternatives: &'a [Json], item: &Item, path: &Path) {
        let mut nearest: Option<Log> = None;
        for alternative in alternatives {
            let mut log = Log::default();
            Checker { root: self.root, node: self.node, log: &mut log }.value(alternative, item, &path.same());
            if log.len() == 0 {
                return;
            }
            let target = resolve(self.root, alternative);
            let fits = self.kind_fits(target, item) && !is_choice(target);
            if fits && nearest.as_ref().is_none_or(|nearest| log.len() < nearest.len()) {
                nearest = Some(log);
            }
        }
        match nearest {
            _ if self.tagged(alternatives, item, path) => {}
            Some(nearest) => self.log.append(nearest),
            None => self.no_alternative(alternatives, item, path),
        }
    }

    /// Tables that say by one key which of the alternatives they are; false when these do not.
    fn tagged(&mut self, alternatives: &'a [Json], item: &Item, path: &Path) -> bool {
        let Value::Table(table) = &item.value else { return false };
        let targets: Vec<&Json> = alternatives.iter().map(|part| resolve(self.root, part)).collect();
        let tags = |target: &'a Json| target["properties"].as_object().into_iter().flatten();
        let tag = targets.first().and_then(|first| tags(first).find(|(_, property)| property.get("const").is_some()));
        let Some((tag, _)) = tag else { return false };
        let Some(entry) = table.get(tag) else { return false };
        let own = |target: &Json| equals(&target["properties"][tag]["const"], &entry.item.value);
        if let Some(target) = targets.iter().find(|target| own(target)) {
            self.value(target, item, &path.same());
            return true;
        }
        let names: Vec<String> = targets
            .iter()
            .filter_map(|target| target["properties"][tag]["const"].as_str().map(str::to_owned))
            .collect();
        match &entry.item.value {
            Value::Text(text) => self.no_choice(&entry.item, text, &names, &path.key(tag)),
            _ => return false,
        }
        true
    }

    fn no_alternative(&mut self, alternatives: &[Json], item: &Item, path: &Path) {
        let names: Vec<String> = alternatives
            .iter()
            .map(|alternative| resolve(self.root, alternative))
            .flat_map(|target| match target.get("const") {
                Some(only) => vec![only.clone()],
                None => target["enum"].as_array().cloned().unwrap_or_default(),
            })
            .filter_map(|choice| choice.as_str().map(str::to_owned))
            .collect();
        match &item.value {
            Value::Text(text) if !names.is_empty() => self.no_choice(item, text, &names, path),
            value => {
                let wants = alternatives.iter().map(|part| wants(self.root, part, 0));
                let wants = wants.filter(|part| part != "nothing").collect::<Vec<_>>().join(" or ");
                let title = format!("{} is {} but wants {wants}", self.what(path), value.kind());
                self.log.push(Mistake::new(&item.at, title).label(format!("wants {wants}")));
            }
        }
    }

    /// `enum` and `const`.
    fn choices(&mut self, schema: &Json, item: &Item, path: &Path) {
        let only = schema.get("const").map(std::slice::from_ref);
        let Some(choices) = only.or(schema["enum"].as_array().map(Vec::as_slice)) else { return };
        if choices.iter().any(|choice| equals(choice, &item.value)) {
            return;
        }
        let shown = match &item.value {
            Value::Text(text) => text.as_str(),
            _ => item.at.text(),
        };
        let names: Vec<String> =
            choices.iter().map(|choice| choice.as_str().map_or_else(|| choice.to_string(), str::to_owned)).collect();
        self.no_choice(item, shown, &names, path);
    }

    fn no_choice(&mut self, item: &Item, text: &str, names: &[String], path: &Path) {
        let mistake = Mistake::new(&item.at, format!("{} cannot be \"{}\"", self.what(path), show(text)));
        let mistake = suggest(self.log, mistake, text, names.iter().map(String::as_str), "it is one of");
        self.log.push(mistake);
    }

    fn duration(&mut self, schema: &Json, item: &Item, text: &str, path: &Path) {
        let what = self.what(path);
        let value = match duration::parse(text) {
            Ok(value) => value,
            Err(error) => {
                self.log.push(Mistake::new(&item.at, format!("{what}: {error}")));
                return;
            }
        };
        let limit = |word: &str| schema[word].as_str().and_then(|text| duration::parse(text).ok());
        let (min, max) = (limit("x-min"), limit("x-max"));
        let title = if value.is_zero() && min.is_some_and(|min| min > Duration::ZERO) {
            format!("{what} is \"{}\": 0 is not a bound", show(text))
        } else if let Some(min) = min.filter(|min| value < *min) {
            format!("{what} is \"{}\" but must be at least {}", show(text), Period(min))
        } else if let Some(max) = max.filter(|max| value > *max) {
            format!("{what} is \"{}\" but must be at most {}", show(text), Period(max))
        } else {
            return;
        };
        let mistake = Mistake::new(&item.at, title);
        self.log.push(why(schema).into_iter().fold(mistake, Mistake::help));
    }

    fn number(&mut self, schema: &Json, item: &Item, value: f64, path: &Path) {
        let (format_min, format_max) = format_range(schema["format"].as_str().unwrap_or(""));
        let bound = |word: &str| schema[word].as_f64();
        let min = bound("minimum").or(format_min).filter(|min| value < *min || value.is_nan());
        let max = bound("maximum").or(format_max).filter(|max| value > *max);
        let above = bound("exclusiveMinimum").filter(|min| value <= *min);
        let below = bound("exclusiveMaximum").filter(|max| value >= *max);
        let limit = [(min, "at least"), (max, "at most"), (above, "above"), (below, "below")];
        let Some((limit, word)) = limit.into_iter().find_map(|(limit, word)| Some((limit?, word))) else { return };
        let title = format!("{} is {} but must be {word} {limit}", self.what(path), show(item.at.text()));
        let mistake = Mistake::new(&item.at, title);
        self.log.push(why(schema).into_iter().fold(mistake, Mistake::help));
    }

    fn items(&mut self, schema: &'a Json, item: &Item, items: &[Item], path: &Path) {
        let count = |word: &str| schema[word].as_u64().and_then(|count| usize::try_from(count).ok());
        let (min, max) = (count("minItems"), count("maxItems"));
        let wrong = match (min, max) {
            (Some(min), Some(max)) if min == max && items.len() != min => Some(format!("{min}")),
            (Some(min), _) if items.len() < min => Some(format!("at least {min}")),
            (_, Some(max)) if items.len() > max => Some(format!("at most {max}")),
            _ => None,
        };
        if let Some(wants) = wrong {
            let title = format!("{} has {} items but wants {wants}", self.what(path), items.len());
            self.log.push(Mistake::new(&item.at, title));
        }
        let prefix = schema["prefixItems"].as_array().map(Vec::as_slice).unwrap_or_default();
        for (index, item) in items.iter().enumerate() {
            if let Some(schema) = prefix.get(index).or(schema.get("items")) {
                self.value(schema, item, &path.index(index));
            }
        }
    }

    fn table(&mut self, schema: &'a Json, item: &Item, table: &Table, path: &Path) {
        let properties = schema["properties"].as_object();
        for entry in table.entries() {
            let property = properties.and_then(|properties| properties.get(&entry.key));
            match (property, schema.get("additionalProperties")) {
                (Some(schema), _) => self.value(schema, &entry.item, &path.key(&entry.key)),
                (None, Some(Json::Bool(false))) => {
                    let names: Vec<&str> =
                        properties.into_iter().flat_map(|map| map.keys()).map(String::as_str).collect();
                    let title = format!("{} has no parameter {}", tick(self.node), tick(&path.key(&entry.key).name));
                    let mistake = Mistake::new(&entry.key_at, title);
                    let mistake = suggest(self.log, mistake, &entry.key, names.iter().copied(), "its parameters are");
                    self.log.push(mistake);
                }
                (None, Some(schema @ Json::Object(_))) => self.value(schema, &entry.item, &path.key(&entry.key)),
                _ => {}
            }
        }
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Json::as_str) {
            let known = |key: &str| properties.is_some_and(|properties| properties.contains_key(key));
            // A slip of the finger was already told.
            let slip = || near(name, table.keys().filter(|key| !known(key))).is_some();
            if table.get(name).is_none() && !slip() {
                let property = properties.and_then(|properties| properties.get(name));
                self.missing(property, name, &item.at, path);
            }
        }
    }

    fn missing(&mut self, property: Option<&'a Json>, name: &str, at: &Place, path: &Path) {
        let full = path.key(name).name;
        let mistake = Mistake::new(at, format!("{} has no parameter `{full}`, which it needs", tick(self.node)));
        let mistake = mistake.absent(name);
        let mistake = property
            .and_then(|property| why(resolve(self.root, property)).or(why(property)))
            .into_iter()
            .fold(mistake, Mistake::help);
        let example = property.and_then(|property| example(self.root, property));
        self.log.push(match example.filter(|_| path.name.is_empty()) {
            Some(example) => mistake.help(format!("for instance params = {{ {full} = {example} }}")),
            None => mistake,
        });
    }
}

const DURATION_HELP: &str = "write a number and a unit (ms, s, m, h), like \"300ms\"";

fn is_duration(schema: &Json) -> bool {
    schema["format"] == "duration"
}

fn is_choice(schema: &Json) -> bool {
    schema.get("const").is_some() || schema.get("enum").is_some()
}

fn why(schema: &Json) -> Option<String> {
    schema["x-why"].as_str().map(|why| why.chars().take(400).collect())
}

fn example(root: &Json, property: &Json) -> Option<String> {
    let target = resolve(root, property);
    let given = property["examples"].get(0).or(target["examples"].get(0));
    match given {
        Some(example) => Some(example.to_string()),
        None => is_duration(target).then(|| "\"300ms\"".to_owned()),
    }
}

fn fits(kind: &str, value: &Value) -> bool {
    match kind {
        "string" => matches!(value, Value::Text(_) | Value::Date(_)),
        "integer" => matches!(value, Value::Integer(_)),
        "number" => matches!(value, Value::Integer(_) | Value::Float(_)),
        "boolean" => matches!(value, Value::Boolean(_)),
        "array" => matches!(value, Value::List(_)),
        "object" => matches!(value, Value::Table(_)),
        // TOML has no null.
        "null" => false,
        // A word from a later schema language: not ours to judge.
        _ => true,
    }
}

fn equals(choice: &Json, value: &Value) -> bool {
    match value {
        Value::Text(text) | Value::Date(text) => choice.as_str() == Some(text),
        Value::Integer(integer) => choice.as_i64() == Some(*integer),
        Value::Float(float) => choice.as_f64() == Some(*float),
        Value::Boolean(boolean) => choice.as_bool() == Some(*boolean),
        Value::List(_) | Value::Table(_) | Value::Unknown => false,
    }
}

/// The range of an integer format, in which a Rust node reads the number.
fn format_range(format: &str) -> (Option<f64>, Option<f64>) {
    let unsigned = format.strip_prefix("uint").and_then(|bits| bits.parse::<i32>().ok());
    let signed = format.strip_prefix("int").and_then(|bits| bits.parse::<i32>().ok());
    match (unsigned, signed) {
        (Some(bits @ (8 | 16 | 32)), _) => (Some(0.0), Some(2f64.powi(bits) - 1.0)),
        (_, Some(bits @ (8 | 16 | 32))) => (Some(-2f64.powi(bits - 1)), Some(2f64.powi(bits - 1) - 1.0)),
        _ if format.starts_with("uint") => (Some(0.0), None),
        _ => (None, None),
    }
}

/// What a schema wants, in words.
fn wants(root: &Json, schema: &Json, depth: usize) -> String {
    let schema = resolve(root, schema);
    if depth > DEPTH_MAX {
        return "something else".to_owned();
    }
    if let Some(choices) = schema["enum"].as_array() {
        return format!("one of {}", list(choices.iter().filter_map(Json::as_str), 12));
    }
    if let Some(only) = schema["const"].as_str() {
        return tick(only);
    }
    for word in ["anyOf", "oneOf", "allOf"] {
        if let Some(parts) = schema[word].as_array() {
            let mut parts: Vec<String> = parts.iter().map(|part| wants(root, part, depth + 1)).collect();
            parts.retain(|part| part != "nothing");
            return parts.join(" or ");
        }
    }
    if is_duration(schema) {
        return "a duration".to_owned();
    }
    let word = |kind: &str| match kind {
        "string" => "a string",
        "integer" => "an integer",
        "number" => "a number",
        "boolean" => "true or false",
        "array" => "a list",
        "object" => "a table",
        "null" => "nothing",
        _ => "something else",
    };
    match &schema["type"] {
        Json::String(kind) => word(kind).to_owned(),
        Json::Array(kinds) => {
            let kinds = kinds.iter().filter_map(Json::as_str).filter(|kind| *kind != "null").map(word);
            kinds.collect::<Vec<_>>().join(" or ")
        }
        _ => "something else".to_owned(),
    }
}
