//! Which lines are shown. It never changes one.

use std::time::{Duration, SystemTime};

use offboard::graph::LogLevel;
use regex::Regex;

use super::stream::Entry;
use crate::{
    cli::LogsArgs,
    failure::Failure,
    logs::Level,
    supervisor::code,
    words::{did_you_mean, escape, rfc3339},
};

/// What a line must be like.
#[derive(Debug)]
pub(super) struct Filter {
    grep: Option<Regex>,
    level: Level,
    since: Option<(SystemTime, String)>,
}

impl Filter {
    /// As the command line says.
    ///
    /// # Errors
    /// When there is no such level, or the expression does not read.
    pub(super) fn new(args: &LogsArgs) -> Result<Filter, Failure> {
        let wrong = |sentence: String| Failure::new(code::USAGE, sentence);
        Ok(Filter {
            grep: args.grep.as_deref().map(expression).transpose().map_err(wrong)?,
            level: args.level.as_deref().map_or(Ok(Level::Trace), level).map_err(wrong)?,
            since: args.since.map(ago),
        })
    }

    /// Since when lines are shown.
    pub(super) fn since_time(&self) -> Option<SystemTime> {
        self.since.as_ref().map(|(since, _)| *since)
    }

    /// Whether it is shown.
    pub(super) fn lets(&self, entry: &Entry) -> bool {
        entry.level >= self.level
            && self.since.as_ref().is_none_or(|(_, since)| entry.time >= *since)
            && self.grep.as_ref().is_none_or(|grep| grep.is_match(&entry.message))
    }
}

fn ago(since: Duration) -> (SystemTime, String) {
    let since = SystemTime::now().checked_sub(since).unwrap_or(SystemTime::UNIX_EPOCH);
    (since, rfc3339(since))
}

fn level(written: &str) -> Result<Level, String> {
    let known = LogLevel::named(&written.to_lowercase());
    known.and_then(|level| Level::of_word(&level.name().to_uppercase())).ok_or_else(|| {
        let near = did_you_mean(written, LogLevel::names());
        let names: Vec<&str> = LogLevel::names().collect();
        format!("--level: there is no level {}{near} (the levels are {})", escape(written), names.join(", "))
    })
}

fn expression(written: &str) -> Result<Regex, String> {
    Regex::new(written).map_err(|error| {
        // The last line says what is wrong; those before draw where.
        let error = error.to_string();
        let why = error.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
        format!(
            "--grep: {} is no regular expression: {why}; a \\ before a sign of . * + ? ( ) [ ] {{ }} | ^ $ makes it a plain one",
            escape(written)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_level_is_told_with_the_right_ones() {
        assert_eq!(level("warn"), Ok(Level::Warn));
        assert_eq!(level("ERROR"), Ok(Level::Error));
        assert_eq!(
            level("wran").unwrap_err(),
            "--level: there is no level wran; did you mean warn? (the levels are error, warn, info, debug, trace)"
        );
    }

    #[test]
    fn a_wrong_expression_is_told_in_one_line() {
        assert!(expression("no (device|frame)").is_ok());
        let said = expression("no (device").unwrap_err();
        assert_eq!(
            said,
            "--grep: no (device is no regular expression: unclosed group; a \\ before a sign of . * + ? ( ) [ ] { } | ^ $ makes it a plain one"
        );
    }
}
