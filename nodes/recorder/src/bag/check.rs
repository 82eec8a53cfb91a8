//! `bag check`: exactly what is missing or damaged.

use std::{path::Path, process::ExitCode};

use offboard::EdgeCounts;
use serde_json::{Value, json};

use super::{
    EXIT_DAMAGED,
    failure::Result,
    info, say,
    survey::{Survey, Topic},
    words::{duration, grouped},
};

/// Gaps of a topic that are printed one by one.
const GAPS_SHOWN: usize = 20;

/// Prints it.
pub(super) fn check(file: &Path, json: bool) -> Result<ExitCode> {
    let survey = Survey::of(file, "checking")?;
    let whole = survey.is_whole();
    say(&if json { to_json(&survey).to_string() } else { to_lines(&survey).join("\n") })?;
    Ok(if whole { ExitCode::SUCCESS } else { ExitCode::from(EXIT_DAMAGED) })
}

fn to_lines(survey: &Survey) -> Vec<String> {
    let mut lines = vec![verdict(survey)];
    for (name, topic) in &survey.topics {
        lines.extend(missing(survey, name, topic));
        for (count, what) in [
            (topic.disorder, "out of order or twice, by their numbers"),
            (topic.backwards, "received before the one that stands before them"),
        ] {
            if count > 0 {
                lines.push(format!("{name}: {} of {} {what}", grouped(count), grouped(topic.messages)));
            }
        }
        if topic.restarts > 0 {
            lines.push(format!("{name}: its publisher began anew {}", times(topic.restarts)));
        }
    }
    if survey.damage.is_some() && !survey.recording {
        lines.extend(ends(survey));
    }
    for edge in ledger(survey) {
        lines.push(format!("{}: the recorder's ledger says {}", edge.topic, losses(edge)));
    }
    lines
}

fn verdict(survey: &Survey) -> String {
    let about = format!("{} messages in {}", grouped(survey.messages), duration(survey.seconds()));
    let path = survey.path.display();
    match &survey.damage {
        None => {
            let missing: u64 = survey.topics.values().map(|topic| topic.missing).sum();
            let rest =
                if missing == 0 { "none is missing".to_owned() } else { format!("{} are missing", grouped(missing)) };
            format!("{path}: whole, {about}, {rest}")
        }
        Some(_) if survey.recording => format!("{path}: being recorded, {about} so far"),
        Some(damage) if damage.unfinished => {
            format!("{path}: not finished, {damage}; before that {about}; launch bag repair closes it")
        }
        Some(damage) => format!("{path}: damaged {damage}; before that {about}; launch bag repair saves those"),
    }
}

/// What a topic lacks by its messages' numbers.
fn missing(survey: &Survey, name: &str, topic: &Topic) -> Vec<String> {
    if topic.missing == 0 {
        return Vec::new();
    }
    let (missing, stretches) = (grouped(topic.missing), grouped(topic.gap_count));
    let mut lines =
        vec![format!("{name}: {missing} of {} missing, in {stretches} gaps:", grouped(topic.messages + topic.missing))];
    lines.extend(topic.gaps.iter().take(GAPS_SHOWN).map(|gap| {
        let numbers = if gap.from == gap.to { gap.from.to_string() } else { format!("{} to {}", gap.from, gap.to) };
        format!("    {numbers}, before {:.3} s", since(survey, gap.at_ns))
    }));
    if topic.gap_count as usize > GAPS_SHOWN {
        lines.push(format!(
            "    and {} more (--json tells {})",
            topic.gap_count as usize - GAPS_SHOWN,
            topic.gaps.len()
        ));
    }
    lines
}

/// When each topic was last heard, against the whole: what a kill or damage cut off.
fn ends(survey: &Survey) -> Vec<String> {
    let Some((_, end)) = survey.span else { return Vec::new() };
    let last = |topic: &Topic| topic.span.map_or(0.0, |(_, last)| end.saturating_sub(last) as f64 / 1e9);
    let line = |(name, topic): (&String, &Topic)| {
        let number = topic.last_seq().map_or(String::new(), |seq| format!(" (number {seq})"));
        format!("{name}: its last message{number} came {} before the end", duration(last(topic)))
    };
    survey.topics.iter().map(line).collect()
}

/// The edges of the recorder's ledger that lost something.
fn ledger(survey: &Survey) -> impl Iterator<Item = &EdgeCounts> {
    let edges = survey.ledger.iter().flat_map(|status| &status.edges);
    edges.filter(|edge| !edge.publishes && lost(edge).iter().any(|(count, _)| *count > 0))
}

fn lost(edge: &EdgeCounts) -> [(u64, &'static str); 6] {
    [
        (edge.gaps, "missing when they came"),
        (edge.dropped, "dropped at its queue"),
        (edge.expired, "too old"),
        (edge.undecodable, "undecodable"),
        (edge.wrong_type, "of another type"),
        (edge.oversized, "too large"),
    ]
}

fn losses(edge: &EdgeCounts) -> String {
    let told = lost(edge).into_iter().filter(|(count, _)| *count > 0);
    told.map(|(count, what)| format!("{} {what}", grouped(count))).collect::<Vec<_>>().join(", ")
}

fn since(survey: &Survey, ns: i64) -> f64 {
    survey.span.map_or(0.0, |(first, _)| ns.saturating_sub(first) as f64 / 1e9)
}

fn times(count: u64) -> String {
    if count == 1 { "once".to_owned() } else { format!("{} times", grouped(count)) }
}

fn to_json(survey: &Survey) -> Value {
    let mut all = info::to_json(survey);
    let edges: Vec<Value> = ledger(survey)
        .map(|edge| {
            let mut told: serde_json::Map<String, Value> = lost(edge)
                .into_iter()
                .zip(["gaps", "dropped", "expired", "undecodable", "wrong_type", "oversized"])
                .map(|((count, _), name)| (name.to_owned(), count.into()))
                .collect();
            told.insert("topic".to_owned(), edge.topic.clone().into());
            Value::Object(told)
        })
        .collect();
    if let Value::Object(map) = &mut all {
        map.insert("ledger".to_owned(), json!(edges));
    }
    all
}
