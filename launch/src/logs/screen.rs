//! The way to stderr. It never gives up a graph because nobody reads its log.

use std::io::Write;

use super::sink::Outlet;

/// How much waits for a slow terminal, in bytes.
pub(super) const BUFFER_MAX: usize = 1 << 20;

/// What people look at.
pub(super) struct Screen<W>(pub(super) W);

impl<W: Write + Send> Outlet for Screen<W> {
    fn write(&mut self, lines: &[u8], lost: u64) {
        // A closed stderr loses the log, not the graph.
        let _ = self.0.write_all(lines);
        if lost > 0 {
            let _ =
                writeln!(self.0, "launch | {lost} lines were left out: they came faster than they could be written");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_were_left_out_are_told_behind_those_that_were_not() {
        let mut screen = Screen(Vec::new());
        screen.write(b"camera | a\n", 0);
        screen.write(b"camera | b\n", 7);
        let lost = "launch | 7 lines were left out: they came faster than they could be written";
        assert_eq!(String::from_utf8(screen.0).unwrap(), format!("camera | a\ncamera | b\n{lost}\n"));
    }
}
