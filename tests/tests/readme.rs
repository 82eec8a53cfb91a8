//! What the README tells a newcomer to type works as it says.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::fs;

use offboard_tests::{Bed, root};

/// The section whose commands need devices: they are run in the virtual machine.
const DEVICES: &str = "## Your camera, your gamepad, your motor board\n";

/// The README without that section.
fn text() -> String {
    let text = fs::read_to_string(root().join("README.md")).unwrap();
    let (before, devices) = text.split_once(DEVICES).unwrap();
    let (_, after) = devices.split_once("\n## ").unwrap();
    format!("{before}\n## {after}")
}

/// The commands in the README's shell blocks.
fn commands() -> Vec<String> {
    let text = text();
    let blocks = text.split("```sh\n").skip(1).map(|block| block.split("```").next().unwrap_or_default());
    blocks.flat_map(str::lines).map(str::to_owned).collect()
}

/// The TOML blocks of the README, each with the name that its first line gives.
fn graph_files() -> Vec<(String, String)> {
    let text = text();
    let blocks = text.split("```toml\n").skip(1).map(|block| block.split("```").next().unwrap_or_default());
    blocks
        .map(|block| {
            (block.trim_start_matches("# ").split(':').next().unwrap_or_default().to_owned(), block.to_owned())
        })
        .collect()
}

#[test]
fn every_command_of_the_readme_is_run_here_or_on_a_new_machine() {
    let on_a_new_machine = fs::read_to_string(root().join(".ci/run")).unwrap();
    let bed = Bed::new();
    let example = |name: &str| root().join("graph/examples/offload").join(name);
    let launch = bed.launch(&[example("demo-robot.toml"), example("demo-desktop.toml")]);
    launch.all_ready(7);
    for command in commands() {
        if on_a_new_machine.contains(&command) {
            continue;
        }
        let words: Vec<String> = command
            .strip_prefix("target/release/launch ")
            .unwrap_or_else(|| panic!("nobody runs: {command}"))
            .split_whitespace()
            .map(|word| word.replace("graph/examples", &root().join("graph/examples").display().to_string()))
            .collect();
        let output = bed.verb(&words.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(!output.stdout.is_empty() || !output.stderr.is_empty(), "{command} says something");
    }
}

#[test]
fn the_graph_files_of_the_readme_are_well_once_the_keys_are_filled_in() {
    let bed = Bed::new();
    let key = bed.key();
    let files: Vec<String> = graph_files()
        .iter()
        .map(|(name, text)| match name.strip_suffix(", besides") {
            // What is added to a file stands in one that includes it.
            Some(base) => bed.file("besides.toml", &format!("include = [{base:?}]\n{text}")),
            None => bed.file(name, &text.replace("ed25519:…", &key)),
        })
        .map(|path| path.display().to_string())
        .collect();
    assert_eq!(files.len(), 3);
    for desktop in &files[1..] {
        let output = bed.verb(&["check", &files[0], desktop]);
        assert!(output.status.success(), "{desktop}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn the_graph_files_for_boards_are_well() {
    let bed = Bed::new();
    let files = fs::read_dir(root().join("graph/examples/boards")).unwrap().map(|entry| entry.unwrap().path());
    let graphs: Vec<_> = files.filter(|path| path.extension().is_some_and(|ending| ending == "toml")).collect();
    assert_eq!(graphs.len(), 3);
    for graph in graphs {
        let output = bed.verb(&["check", &graph.display().to_string()]);
        assert!(output.status.success(), "{}: {}", graph.display(), String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn with_the_keys_not_filled_in_the_mistake_says_what_to_do() {
    let bed = Bed::new();
    let (name, text) = graph_files().remove(0);
    let output = bed.verb(&["check", &bed.file(&name, &text).display().to_string()]);
    assert_eq!(output.status.code(), Some(78));
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("launch key"),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
