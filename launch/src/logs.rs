//! What people and machines read on stderr: one line each, marked with who said it.
//! It never waits for a reader: what a slow terminal cannot take is dropped and counted.

use std::time::{Duration, SystemTime};

use anstyle::{AnsiColor, Style};
use clap::ValueEnum;
use serde::Serialize;

use self::sink::Sink;
use crate::words::{escape, rfc3339};

pub(crate) use self::{lines::Lines, tail::Tail};

mod lines;
mod sink;
mod tail;

/// The name under which launch itself speaks.
pub(crate) const LAUNCH: &str = "launch";

/// How long the last lines may take on their way out: a dead terminal must not keep launch alive.
const FLUSH_MAX: Duration = Duration::from_secs(1);

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Format {
    /// `node | line`, for people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// How much a line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
}

impl Level {
    const ALL: [(&str, Level); 5] = [
        ("INFO", Level::Info),
        ("WARN", Level::Warn),
        ("ERROR", Level::Error),
        ("DEBUG", Level::Debug),
        ("TRACE", Level::Trace),
    ];

    /// The level that a line begins with, and the rest of the line.
    fn split(line: &str) -> Option<(Level, &str)> {
        let (word, rest) = line.trim_start().split_once(' ')?;
        Self::ALL.iter().find(|(name, _)| *name == word).map(|(_, level)| (*level, rest.trim_start()))
    }

    fn word(self) -> &'static str {
        Self::ALL.iter().find(|(_, level)| *level == self).map_or("INFO", |(name, _)| name)
    }

    fn style(self) -> Style {
        match self {
            Level::Error => AnsiColor::Red.on_default().bold(),
            Level::Warn => AnsiColor::Yellow.on_default(),
            Level::Info => Style::new(),
            Level::Debug | Level::Trace => Style::new().dimmed(),
        }
    }
}

/// Who speaks.
#[derive(Debug, Clone)]
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

/// The log of a launch.
#[derive(Debug)]
pub(crate) struct Logs {
    look: Look,
    sink: Sink,
}

#[derive(Serialize)]
struct Record<'a> {
    ts: String,
    graph: Option<&'a str>,
    node: &'a str,
    level: Level,
    message: &'a str,
}

impl Logs {
    /// Writes to stderr from a thread of its own.
    pub(crate) fn new(look: Look) -> Logs {
        Logs { look, sink: Sink::new(std::io::stderr()) }
    }

    /// One line of a node's, as it wrote it; `cut`: how many bytes of it were left out.
    pub(crate) fn node(&self, voice: &Voice, line: &[u8], cut: u64) {
        if self.sink.is_full() {
            // Cheaper than drawing it first, and a flood is when it matters.
            return self.sink.lose();
        }
        let line = String::from_utf8_lossy(line);
        let line = line.strip_suffix('\r').unwrap_or(&line);
        let (level, message) = match Level::split(line) {
            Some((level, message)) if self.look.format == Format::Json => (level, message),
            // The level may be padded in front; the eye wants it where it looks for it.
            Some((level, _)) => (level, line.trim_start()),
            None => (Level::Info, line),
        };
        if cut == 0 {
            return self.write(voice, level, message);
        }
        self.write(voice, level, &format!("{message} … ({cut} bytes more)"));
    }

    /// One line of launch's own.
    pub(crate) fn say(&self, voice: &Voice, level: Level, message: &str) {
        if self.look.format == Format::Json || level == Level::Info {
            return self.write(voice, level, message);
        }
        self.write(voice, level, &format!("{} {message}", level.word()));
    }

    /// Lets the last lines out, for a bounded time.
    pub(crate) fn close(&self) {
        self.sink.close(FLUSH_MAX);
    }

    fn write(&self, voice: &Voice, level: Level, message: &str) {
        let line = match self.look.format {
            Format::Text => text(self.look, voice, level, message),
            Format::Json => json(voice, level, message),
        };
        self.sink.push(line.as_bytes());
    }
}

fn text(look: Look, voice: &Voice, level: Level, message: &str) -> String {
    let (label, width, message) = (voice.label(look.several), look.width, escape(message));
    if !look.color {
        return format!("{label:width$} | {message}\n");
    }
    let (name, mark) = (voice.style(), level.style());
    // Colour the word, not the line: the line may be long and is for reading.
    let word = level.word();
    let message = match message.strip_prefix(word) {
        Some(rest) if level != Level::Info => format!("{mark}{word}{mark:#}{rest}"),
        _ => message,
    };
    format!("{name}{label:width$} |{name:#} {message}\n")
}

fn json(voice: &Voice, level: Level, message: &str) -> String {
    let record =
        Record { ts: rfc3339(SystemTime::now()), graph: voice.graph.as_deref(), node: &voice.node, level, message };
    let mut line = serde_json::to_string(&record).unwrap_or_default();
    line.push('\n');
    line
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
    }

    #[test]
    fn a_machine_reads_one_object_a_line() {
        let line = json(&camera(), Level::Error, "no \"device\"\n\u{1b}");
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(line.matches('\n').count(), 1);
        assert_eq!((value["graph"].as_str(), value["node"].as_str()), (Some("robot"), Some("camera")));
        assert_eq!(
            (value["level"].as_str(), value["message"].as_str()),
            (Some("error"), Some("no \"device\"\n\u{1b}"))
        );
        assert!(!line.contains('\u{1b}'));
    }

    #[test]
    fn the_level_is_the_first_word() {
        assert_eq!(Level::split("WARN  camera is slow"), Some((Level::Warn, "camera is slow")));
        assert_eq!(Level::split(" INFO ready"), Some((Level::Info, "ready")));
        assert_eq!(Level::split("Warning: slow"), None);
        assert_eq!(Level::split("INFO"), None);
    }
}
