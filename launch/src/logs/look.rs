//! How a line looks to people and to machines. It never lets through what a terminal would obey.

use anstyle::{AnsiColor, Style};
use clap::ValueEnum;
use serde::Serialize;

use super::{LAUNCH, Level};
use crate::words::{escape, escape_json};

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Format {
    /// `node | line`, for people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Who speaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Voice {
    /// The graph's name; none for launch as a whole.
    pub(crate) graph: Option<String>,
    /// The node's name.
    pub(crate) node: String,
    /// Its place among all, for the colour.
    pub(crate) place: usize,
}

impl Voice {
    /// launch itself, about one graph or all.
    pub(crate) fn launch(graph: Option<String>) -> Voice {
        Voice { graph, node: LAUNCH.to_owned(), place: 0 }
    }

    /// How wide its name is.
    pub(crate) fn width(&self, several: bool) -> usize {
        self.label(several).len()
    }

    fn label(&self, several: bool) -> String {
        match &self.graph {
            Some(graph) if several => format!("{graph}:{}", self.node),
            _ => self.node.clone(),
        }
    }

    fn style(&self) -> Style {
        // Red and yellow are left for what went wrong.
        const COLORS: [AnsiColor; 8] = [
            AnsiColor::Cyan,
            AnsiColor::Green,
            AnsiColor::Magenta,
            AnsiColor::Blue,
            AnsiColor::BrightCyan,
            AnsiColor::BrightGreen,
            AnsiColor::BrightMagenta,
            AnsiColor::BrightBlue,
        ];
        if self.node == LAUNCH {
            return Style::new().bold();
        }
        COLORS[self.place % COLORS.len()].on_default()
    }
}

/// How lines are drawn.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look {
    /// For people or machines.
    pub(crate) format: Format,
    /// Whether to colour.
    pub(crate) color: bool,
    /// More than one graph runs, so names need their graph's.
    pub(crate) several: bool,
    /// The widest name.
    pub(crate) width: usize,
}

#[derive(Serialize)]
struct Line<'a> {
    ts: &'a str,
    graph: Option<&'a str>,
    node: &'a str,
    level: Level,
    message: &'a str,
}

/// A line for people, with its end.
pub(crate) fn text(look: Look, voice: &Voice, level: Level, message: &str) -> String {
    let (label, width, message) = (voice.label(look.several), look.width, escape(message));
    if !look.color {
        return format!("{label:width$} | {message}\n");
    }
    let (name, mark) = (voice.style(), level.style());
    // Colour the word, not the line: the line may be long and is for reading.
    let word = level.word();
    let message = match message.split_once(word) {
        // A time may stand in front of it.
        Some((before, rest)) if level != Level::Info && (before.is_empty() || before.ends_with("Z ")) => {
            format!("{before}{mark}{word}{mark:#}{rest}")
        }
        _ => message,
    };
    format!("{name}{label:width$} |{name:#} {message}\n")
}

/// A line for machines, with its end.
pub(crate) fn json(voice: &Voice, ts: &str, level: Level, message: &str) -> String {
    let line = Line { ts, graph: voice.graph.as_deref(), node: &voice.node, level, message };
    escape_json(&serde_json::to_string(&line).unwrap_or_default()) + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(color: bool) -> Look {
        Look { format: Format::Text, color, several: false, width: 8 }
    }

    fn camera() -> Voice {
        Voice { graph: Some("robot".into()), node: "camera".into(), place: 1 }
    }

    #[test]
    fn a_line_is_marked_with_who_said_it() {
        assert_eq!(text(look(false), &camera(), Level::Info, "INFO hello"), "camera   | INFO hello\n");
        let several = Look { several: true, width: 12, ..look(false) };
        assert_eq!(text(several, &camera(), Level::Info, "hello"), "robot:camera | hello\n");
    }

    #[test]
    fn control_characters_never_reach_the_terminal() {
        let line = text(look(false), &camera(), Level::Info, "a\u{1b}[2Jb\u{7}\u{9b}\u{202e}c\td");
        assert_eq!(line, "camera   | a\\u{1b}[2Jb\\u{7}\\u{9b}\\u{202e}c\td\n");
    }

    #[test]
    fn the_level_is_coloured_only_where_colour_is_wanted() {
        let colored = text(look(true), &camera(), Level::Warn, "WARN slow");
        assert_eq!(colored, "\u{1b}[32mcamera   |\u{1b}[0m \u{1b}[33mWARN\u{1b}[0m slow\n");
        let timed = text(look(true), &camera(), Level::Warn, "2026-11-21T13:00:00.123Z WARN slow");
        assert_eq!(timed, "\u{1b}[32mcamera   |\u{1b}[0m 2026-11-21T13:00:00.123Z \u{1b}[33mWARN\u{1b}[0m slow\n");
    }

    #[test]
    fn a_machine_reads_one_object_a_line() {
        let line = json(&camera(), "2026-11-21T13:00:00.123Z", Level::Error, "no \"device\"\n\u{1b}");
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(line.matches('\n').count(), 1);
        assert_eq!((value["graph"].as_str(), value["node"].as_str()), (Some("robot"), Some("camera")));
        assert_eq!(
            (value["level"].as_str(), value["message"].as_str()),
            (Some("error"), Some("no \"device\"\n\u{1b}"))
        );
        assert!(!line.contains('\u{1b}'));
    }
}
