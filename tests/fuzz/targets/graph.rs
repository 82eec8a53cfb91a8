//! Fuzz target: whatever a graph file, a file that it includes and an override say, reading and checking them ends well, and
//! what it finds can be shown. It never reads a file and knows two programs.

#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use offboard::graph::{Description, Override, Port, Program, Source, check, read};

/// Between the parts of an input: the file, one that it may include, a further graph file, an override.
const NEXT: char = '\u{1e}';

/// What people see: no control characters but line ends, whatever the file says.
fn is_harmless(text: &str) -> bool {
    text.chars().all(|c| c == '\n' || !c.is_control())
}

/// `cam` says what it is, `silent` does not, and there is no other program.
fn program(_dir: &Path, run: &[String]) -> Program {
    match run.first().map(String::as_str) {
        Some("cam") => Program::Described(Description {
            outputs: vec![Port {
                name: "frames".to_owned(),
                types: vec!["offboard.v1.CompressedImage".to_owned()],
                ..Port::default()
            }],
            any_inputs: true,
            ..Description::default()
        }),
        Some("silent") => Program::Silent,
        _ => Program::Missing { looked: Vec::new(), there: vec!["cam".to_owned(), "silent".to_owned()] },
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let mut parts = text.split(NEXT);
    let mut part = || parts.next().unwrap_or_default();
    let (file, included, second, value) = (part(), part(), part(), part());
    let overrides = match Override::parse(value) {
        Ok(value) => vec![value],
        Err(sentence) => {
            assert!(is_harmless(&sentence), "{sentence:?}");
            Vec::new()
        }
    };
    let env = |name: &str| (name == "HOME").then(|| "/home/robot".to_owned());
    let include = |_: &Path| Ok(included.to_owned());
    let source = |name: &str, text: &str| Source { path: name.into(), text: text.to_owned() };
    let mut drafts = vec![read(source("a.toml", file), &overrides, &env, &include)];
    if !second.is_empty() {
        drafts.push(read(source("b.toml", second), &[], &env, &include));
    }
    match check(drafts, &program) {
        Ok(graphs) => {
            for name in graphs.iter().flat_map(|graph| graph.nodes.iter().map(|node| node.name.as_str())) {
                assert!((1..=64).contains(&name.len()) && !name.contains(['/', '.', '\0', '\n']), "{name:?}");
            }
        }
        Err(mistakes) => {
            let text = mistakes.render(false);
            assert!(mistakes.len() > 0 && is_harmless(&text), "{text:?}");
        }
    }
});
