//! How much a line matters. It never guesses: a line without a level is information.

use anstyle::{AnsiColor, Style};
use serde::Serialize;

/// How much a line matters, from the least on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
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
    pub(super) fn split(line: &str) -> Option<(Level, &str)> {
        let (word, rest) = line.trim_start().split_once(' ')?;
        Some((Self::of_word(word)?, rest.trim_start()))
    }

    /// The level of this word, in capitals.
    pub(crate) fn of_word(word: &str) -> Option<Level> {
        Self::ALL.iter().find(|(name, _)| *name == word).map(|(_, level)| *level)
    }

    /// Its word, in capitals.
    pub(crate) fn word(self) -> &'static str {
        Self::ALL.iter().find(|(_, level)| *level == self).map_or("INFO", |(name, _)| name)
    }

    pub(super) fn style(self) -> Style {
        match self {
            Level::Error => AnsiColor::Red.on_default().bold(),
            Level::Warn => AnsiColor::Yellow.on_default(),
            Level::Info => Style::new(),
            Level::Debug | Level::Trace => Style::new().dimmed(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_level_is_the_first_word() {
        assert_eq!(Level::split("WARN  camera is slow"), Some((Level::Warn, "camera is slow")));
        assert_eq!(Level::split(" INFO ready"), Some((Level::Info, "ready")));
        assert_eq!(Level::split("Warning: slow"), None);
        assert_eq!(Level::split("INFO"), None);
    }
}
