//! `player topics FILE`: what a recording could play, one JSON object a line.

use std::{collections::BTreeMap, io::Write as _, path::Path, process::ExitCode};

use offboard::recording::Reader;
use serde_json::json;

/// Topics that are told; nobody records as many.
const TOPICS_MAX: usize = 10_000;

/// Answers, or says why not.
pub(crate) fn answer(args: &[String]) -> ExitCode {
    let [file] = args else {
        eprintln!("error: say which recording: player topics FILE");
        return ExitCode::from(2);
    };
    match topics(Path::new(file)) {
        Ok(lines) => {
            // Whoever stopped reading has read enough.
            drop(std::io::stdout().write_all(lines.as_bytes()));
            ExitCode::SUCCESS
        }
        Err(problem) => {
            eprintln!("error: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn topics(file: &Path) -> Result<String, String> {
    let mut reader = Reader::open(file).map_err(|error| error.to_string())?;
    let mut found: BTreeMap<String, (String, u64)> = BTreeMap::new();
    for message in reader.by_ref() {
        if let Some((_, count)) = found.get_mut(&message.topic) {
            *count += 1;
        } else if found.len() == TOPICS_MAX {
            return Err(format!("{}: more than {TOPICS_MAX} topics: this was not made by a recorder", file.display()));
        } else {
            found.insert(message.topic, (message.header.r#type, 1));
        }
    }
    if let Some(damage) = reader.damage() {
        eprintln!("warning: {}: {damage}", file.display());
    }
    Ok(found.iter().map(|(topic, (kind, count))| format!("{}\n", line(topic, kind, *count))).collect())
}

fn line(topic: &str, kind: &str, count: u64) -> serde_json::Value {
    let (peer, local) = topic.split_once(':').map_or((None, topic), |(peer, local)| (Some(peer), local));
    let (node, output) = local.split_once('/').unwrap_or(("", local));
    json!({"topic": topic, "peer": peer, "node": node, "output": output, "type": kind, "count": count})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_names_its_node() {
        let line = line("robot:camera/frames", "offboard.v1.CompressedImage", 3);
        assert_eq!(
            (&line["peer"], &line["node"], &line["output"]),
            (&json!("robot"), &json!("camera"), &json!("frames"))
        );
    }
}
