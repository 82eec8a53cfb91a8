//! The arrows between our crates, and a few rules of the house that a machine can check.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use cargo_metadata::MetadataCommand;
use offboard_tests::root;

/// Our crates and which of ours each depends on, tests left out.
fn arrows() -> BTreeMap<String, Vec<String>> {
    let metadata = MetadataCommand::new().manifest_path(root().join("Cargo.toml")).no_deps().exec().unwrap();
    let ours: Vec<String> = metadata.packages.iter().map(|package| package.name.to_string()).collect();
    let arrows = metadata.packages.iter().map(|package| {
        let needs = package.dependencies.iter().filter(|need| need.kind != cargo_metadata::DependencyKind::Development);
        let ours = needs.map(|need| need.name.clone()).filter(|name| ours.contains(name));
        (package.name.to_string(), ours.collect())
    });
    arrows.collect()
}

/// All files below a folder with this ending, build products left out.
fn files(dir: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()) {
        let name = entry.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if entry.is_dir() && name != "target" && !name.starts_with('.') {
            found.extend(files(&entry, ending));
        } else if name.ends_with(ending) {
            found.push(entry);
        }
    }
    found
}

fn is_source(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str() == "src")
}

#[test]
fn the_arrows_between_our_crates_are_as_drawn() {
    for (name, needs) in arrows() {
        let allowed: &[&str] = match name.as_str() {
            "offboard-proto" => &[],
            "offboard" => &["offboard-proto"],
            "offboard-launch" | "offboard-tests" => &["offboard", "offboard-proto"],
            _ => &["offboard"], // a node: what it needs of the messages it gets through the SDK
        };
        for need in needs {
            assert!(allowed.contains(&need.as_str()), "{name} must not depend on {need}");
        }
    }
}

#[test]
fn one_file_knows_the_zeromq_library() {
    let source = files(&root(), ".rs").into_iter().filter(|path| is_source(path));
    let knowing: Vec<PathBuf> = source
        .filter(|path| {
            fs::read_to_string(path).unwrap().lines().any(|line| line.trim_start().starts_with("use zeromq"))
        })
        .collect();
    assert_eq!(knowing, [root().join("graph/src/node/carrier.rs")]);
}

#[test]
fn every_source_file_begins_by_saying_what_it_is() {
    for path in files(&root(), ".rs") {
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("//! "), "{} does not", path.display());
    }
}

#[test]
fn source_files_fit_the_eye() {
    for path in files(&root(), ".rs").into_iter().filter(|path| is_source(path) && !path.ends_with("tests.rs")) {
        let text = fs::read_to_string(&path).unwrap();
        let body = text.split("\n#[cfg(test)]").next().unwrap_or_default();
        let lines = body.lines().count();
        assert!(lines <= 500, "{} has {lines} lines without its tests", path.display());
    }
}

#[test]
fn the_pair_of_graph_files_is_short() {
    let lines = |name: &str| {
        let text = fs::read_to_string(root().join("graph/examples/offload").join(name)).unwrap();
        text.lines().filter(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#')).count()
    };
    let both = lines("robot.toml") + lines("desktop.toml");
    assert!(both <= 40, "{both} lines");
}

/// Licences that let us ship: permissive ones, and MPL-2.0, which asks for changes to its own files only.
const LICENCES: [&str; 12] = [
    "MIT",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Zlib",
    "MPL-2.0",
    "Unicode-3.0",
    "Unlicense",
    "0BSD",
    "CC0-1.0",
];

#[test]
fn every_dependency_has_a_licence_that_lets_us_ship() {
    let metadata = MetadataCommand::new().manifest_path(root().join("Cargo.toml")).exec().unwrap();
    for package in &metadata.packages {
        let licence = package.license.as_deref().unwrap_or("none");
        // `A OR B` and the older `A/B` leave the choice; of `A AND B` each must be well.
        let mut choices = licence.split(" OR ").flat_map(|choice| choice.split('/'));
        let well =
            |choice: &str| choice.split(" AND ").all(|part| LICENCES.contains(&part.trim().trim_matches(['(', ')'])));
        assert!(choices.any(well), "{} {} is under {licence}", package.name, package.version);
    }
}
