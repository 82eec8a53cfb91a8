//! `bag info`: what is in a recording.

use std::{path::Path, process::ExitCode};

use offboard::{Mark, MarkKind};
use serde_json::{Value, json};

use super::{
    damage_json,
    failure::Result,
    say, short_kind,
    survey::{Survey, Topic},
    words::{bytes, duration, grouped},
};

/// Marks that are printed one by one.
const MARKS_SHOWN: usize = 50;

/// Prints it.
pub(super) fn info(file: &Path, json: bool) -> Result<ExitCode> {
    let survey = Survey::of(file, "reading")?;
    say(&if json { to_json(&survey).to_string() } else { to_text(&survey) })
}

fn to_text(survey: &Survey) -> String {
    let state = match &survey.damage {
        None => "whole".to_owned(),
        Some(_) if survey.recording => "being recorded".to_owned(),
        Some(damage) if damage.unfinished => "not finished: launch bag repair closes it".to_owned(),
        Some(damage) => format!("damaged {damage}"),
    };
    let mut lines = vec![format!(
        "{}: {}, {}, {} messages, {state}",
        survey.path.display(),
        duration(survey.seconds()),
        bytes(survey.bytes),
        grouped(survey.messages)
    )];
    lines.extend(table(survey));
    if !survey.marks.is_empty() {
        lines.push(String::new());
        lines.extend(survey.marks.iter().take(MARKS_SHOWN).map(|mark| mark_line(survey, mark)));
        if survey.marks.len() > MARKS_SHOWN {
            lines.push(format!("and {} more marks", survey.marks.len() - MARKS_SHOWN));
        }
    }
    lines.join("\n")
}

fn table(survey: &Survey) -> Vec<String> {
    let head = ["TOPIC", "TYPE", "MESSAGES", "RATE", "MISSING", "RESTARTS", "LONGEST PAUSE", "SIZE"].map(str::to_owned);
    let rows: Vec<[String; 8]> =
        [head].into_iter().chain(survey.topics.iter().map(|(name, topic)| row(name, topic))).collect();
    let widths: [usize; 8] =
        std::array::from_fn(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0));
    let padded = |row: &[String; 8]| {
        let cells = row.iter().zip(widths).enumerate().map(|(column, (cell, width))| match column {
            0 | 1 => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(padded).collect()
}

fn row(name: &str, topic: &Topic) -> [String; 8] {
    let kinds: Vec<&str> = topic.kinds.iter().map(|kind| short_kind(kind)).collect();
    let count = |number: u64| if number == 0 { "-".to_owned() } else { grouped(number) };
    [
        name.to_owned(),
        kinds.join(","),
        grouped(topic.messages),
        topic.rate().map_or("-".to_owned(), |rate| format!("{rate:.1} Hz")),
        count(topic.missing),
        count(topic.restarts),
        if topic.messages > 1 { duration(topic.pause_ns as f64 / 1e9) } else { "-".to_owned() },
        bytes(topic.bytes),
    ]
}

fn mark_line(survey: &Survey, mark: &Mark) -> String {
    let since = |ns: i64| survey.span.map_or(0.0, |(first, _)| ns.saturating_sub(first) as f64 / 1e9);
    let (from, until) = (since(mark.from_ns), since(mark.until_ns));
    let long = if until > from { format!(" to {until:.3} s") } else { String::new() };
    let text = if mark.text.is_empty() { String::new() } else { format!(": {}", mark.text) };
    format!("at {from:.3} s{long} {}{text}", mark_word(mark.kind()))
}

fn mark_word(kind: MarkKind) -> &'static str {
    match kind {
        MarkKind::Erased => "erased",
        MarkKind::TakeOver => "take-over",
        MarkKind::Start => "start",
        MarkKind::Stop => "stop",
        MarkKind::Unknown => "mark",
    }
}

/// Everything, for programs.
pub(super) fn to_json(survey: &Survey) -> Value {
    let topics: serde_json::Map<String, Value> = survey
        .topics
        .iter()
        .map(|(name, topic)| {
            let gaps: Vec<Value> =
                topic.gaps.iter().map(|gap| json!({"from": gap.from, "to": gap.to, "at_ns": gap.at_ns})).collect();
            let about = json!({
                "types": topic.kinds,
                "messages": topic.messages,
                "bytes": topic.bytes,
                "rate_hz": topic.rate(),
                "no_data": topic.no_data,
                "first_ns": topic.span.map(|(first, _)| first),
                "last_ns": topic.span.map(|(_, last)| last),
                "longest_pause_ns": topic.pause_ns,
                "missing": topic.missing,
                "gap_count": topic.gap_count,
                "gaps": gaps,
                "restarts": topic.restarts,
                "out_of_order": topic.disorder,
                "received_backwards": topic.backwards,
            });
            (name.clone(), about)
        })
        .collect();
    let marks: Vec<Value> = survey
        .marks
        .iter()
        .map(|mark| {
            json!({"kind": mark_word(mark.kind()), "from_ns": mark.from_ns, "until_ns": mark.until_ns, "text": mark.text})
        })
        .collect();
    json!({
        "file": survey.path,
        "bytes": survey.bytes,
        "messages": survey.messages,
        "first_ns": survey.span.map(|(first, _)| first),
        "last_ns": survey.span.map(|(_, last)| last),
        "seconds": survey.seconds(),
        "whole": survey.is_whole(),
        "being_recorded": survey.recording,
        "damage": survey.damage.as_ref().map(damage_json),
        "topics": topics,
        "marks": marks,
    })
}
