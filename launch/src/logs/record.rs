//! A line as it stands in a file: `2026-11-21T13:00:00.123Z WARN message`, drawn and read back.
//! It never holds a control character but the tab and its own end.

use std::{
    sync::{Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use super::Level;
use crate::words::{escape, rfc3339};

/// How long a time is, in bytes.
const TIME: usize = 24;

/// The time as text, drawn once for each millisecond: a flood brings thousands of lines in one.
#[derive(Debug, Default)]
pub(crate) struct Clock(Mutex<(u128, String)>);

impl Clock {
    fn put(&self, into: &mut Vec<u8>) {
        let now = SystemTime::now();
        let millis = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if last.0 != millis || last.1.is_empty() {
            *last = (millis, rfc3339(now));
        }
        into.extend_from_slice(last.1.as_bytes());
    }
}

/// Draws a line; `cut`: how many bytes of it were left out.
pub(crate) fn draw(clock: &Clock, level: Level, message: &str, cut: u64, into: &mut Vec<u8>) {
    clock.put(into);
    into.push(b' ');
    into.extend_from_slice(level.word().as_bytes());
    into.push(b' ');
    // Nearly all lines need no escape, and looking is much cheaper than copying.
    if message.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\t')) {
        into.extend_from_slice(message.as_bytes());
    } else {
        into.extend_from_slice(escape(message).as_bytes());
    }
    if cut > 0 {
        into.extend_from_slice(format!(" … ({cut} bytes more)").as_bytes());
    }
    into.push(b'\n');
}

/// The parts of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Record<'a> {
    /// Times of this form are in order as texts.
    pub(crate) time: &'a str,
    pub(crate) level: Level,
    pub(crate) message: &'a str,
}

/// Reads a line; none when launch did not write it.
pub(crate) fn parse(line: &str) -> Option<Record<'_>> {
    let (time, rest) = line.split_at_checked(TIME)?;
    let shape = "0000-00-00T00:00:00.000Z".bytes();
    let fits = |(byte, shape): (u8, u8)| if shape == b'0' { byte.is_ascii_digit() } else { byte == shape };
    if !time.bytes().zip(shape).all(fits) {
        return None;
    }
    let (word, message) = rest.strip_prefix(' ')?.split_once(' ')?;
    Some(Record { time, level: Level::of_word(word)?, message })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn drawn(level: Level, message: &str, cut: u64) -> String {
        let mut line = Vec::new();
        draw(&Clock::default(), level, message, cut, &mut line);
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn a_line_has_its_time_its_level_and_nothing_that_a_terminal_obeys() {
        let line = drawn(Level::Warn, "a\u{1b}[2J\tb\n", 3);
        assert_eq!(&line[TIME..], " WARN a\\u{1b}[2J\tb\\u{a} … (3 bytes more)\n");
        let record = parse(line.trim_end()).unwrap();
        assert_eq!((record.level, record.message), (Level::Warn, "a\\u{1b}[2J\tb\\u{a} … (3 bytes more)"));
    }

    #[test]
    fn what_launch_did_not_write_is_none() {
        for line in ["", "hello", "2026-11-21T13:00:00.123Z", "2026-11-21T13:00:00.123Z LOUD a", "ääääääääääääääääää x"]
        {
            assert_eq!(parse(line), None, "{line}");
        }
        assert!(parse("2026-11-21T13:00:00.123Z INFO ").is_some_and(|record| record.message.is_empty()));
    }

    proptest! {
        #[test]
        fn every_line_is_read_back(message in any::<String>()) {
            let line = drawn(Level::Error, &message, 0);
            prop_assert_eq!(line.matches('\n').count(), 1);
            prop_assert_eq!(parse(line.strip_suffix('\n').unwrap()).unwrap().message, escape(&message));
        }
    }
}
