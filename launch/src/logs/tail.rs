//! A node's last words.
//! It never grows.

use std::collections::VecDeque;

/// How many lines are kept of each node.
const LINES_MAX: usize = 50;

/// How much of each line, in bytes: fifty nodes' last words stay within a few megabytes.
const LINE_MAX: usize = 1 << 10;

/// The last lines of a node, and which of its processes said them.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    lines: VecDeque<(u32, String)>,
    process: u32,
}

impl Tail {
    /// A new process begins to speak.
    pub(crate) fn begin(&mut self) {
        self.process = self.process.wrapping_add(1);
    }

    /// Keeps a line.
    pub(crate) fn push(&mut self, line: &[u8]) {
        if self.lines.len() == LINES_MAX {
            self.lines.pop_front();
        }
        let line = &line[..line.len().min(LINE_MAX)];
        self.lines.push_back((self.process, String::from_utf8_lossy(line).into_owned()));
    }

    /// The last lines, at most so many, of the newest process.
    pub(crate) fn last(&self, most: usize) -> Vec<String> {
        let own = self.lines.iter().filter(|(process, line)| *process == self.process && !line.trim().is_empty());
        let own: Vec<&String> = own.map(|(_, line)| line).collect();
        own.iter().skip(own.len().saturating_sub(most)).map(|line| (*line).clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_newest_process_has_last_words() {
        let mut tail = Tail::default();
        tail.push(b"old");
        tail.begin();
        (0..100).for_each(|number| tail.push(number.to_string().as_bytes()));
        tail.push(b" ");
        assert_eq!(tail.last(2), ["98", "99"]);
        assert_eq!(tail.last(100).len(), LINES_MAX - 1);
        tail.begin();
        assert!(tail.last(2).is_empty());
    }

    #[test]
    fn a_long_line_is_kept_in_part() {
        let mut tail = Tail::default();
        tail.push(&[b'x'; 5000]);
        assert_eq!(tail.last(1)[0].len(), LINE_MAX);
    }
}
