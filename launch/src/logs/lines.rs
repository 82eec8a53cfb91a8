//! Bytes in, lines out, in bounded memory.
//! It never keeps more of a line than it will show.

/// The longest line, in bytes; the rest is left out and counted.
const LINE_MAX: usize = 64 << 10;

/// What a line may leave allocated for the next one.
const KEEP_MAX: usize = 4 << 10;

/// The unfinished line of one pipe.
#[derive(Debug)]
pub(crate) struct Lines {
    begun: Vec<u8>,
    cut: u64,
    most: usize,
}

impl Default for Lines {
    fn default() -> Lines {
        Lines::up_to(LINE_MAX)
    }
}

impl Lines {
    /// Lines of at most so many bytes.
    pub(crate) fn up_to(most: usize) -> Lines {
        Lines { begun: Vec::new(), cut: 0, most }
    }

    /// Takes in bytes and calls `each` with every line that they finish, and how many bytes were left out of it.
    pub(crate) fn push(&mut self, mut bytes: &[u8], mut each: impl FnMut(&[u8], u64)) {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let (line, rest) = (&bytes[..end], &bytes[end + 1..]);
            if self.begun.is_empty() && self.cut == 0 && line.len() <= self.most {
                each(line, 0);
            } else {
                self.add(line);
                self.finish(&mut each);
            }
            bytes = rest;
        }
        self.add(bytes);
    }

    /// The last line needs no end.
    pub(crate) fn finish(&mut self, mut each: impl FnMut(&[u8], u64)) {
        if !self.begun.is_empty() {
            each(&self.begun, self.cut);
        }
        self.cut = 0;
        self.begun.clear();
        self.begun.shrink_to(KEEP_MAX);
    }

    fn add(&mut self, bytes: &[u8]) {
        let (kept, cut) = bytes.split_at(bytes.len().min(self.most - self.begun.len()));
        self.begun.extend_from_slice(kept);
        self.cut += cut.len() as u64;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines(parts: &[&[u8]]) -> Vec<(Vec<u8>, u64)> {
        let (mut lines, mut out) = (Lines::default(), Vec::new());
        let mut each = |line: &[u8], cut| out.push((line.to_vec(), cut));
        parts.iter().for_each(|part| lines.push(part, &mut each));
        lines.finish(each);
        out
    }

    #[test]
    fn a_line_may_come_in_parts() {
        assert_eq!(
            lines(&[b"ab", b"c\nd", b"\n\ne"]),
            [(b"abc".to_vec(), 0), (b"d".to_vec(), 0), (b"".to_vec(), 0), (b"e".to_vec(), 0)]
        );
    }

    #[test]
    fn a_gigabyte_without_a_line_end_takes_bounded_memory() {
        let mut lines = Lines::default();
        let block = vec![0; 1 << 20];
        for _ in 0..1024 {
            lines.push(&block, |_, _| panic!("no line ended"));
            assert!(lines.begun.capacity() <= 2 * LINE_MAX);
        }
        let mut seen = Vec::new();
        lines.push(b"\n", |line, cut| seen.push((line.len(), cut)));
        assert_eq!(seen, [(LINE_MAX, (1 << 30) - LINE_MAX as u64)]);
        assert!(lines.begun.capacity() <= KEEP_MAX);
    }

    proptest! {
        #[test]
        fn the_lines_are_those_of_the_whole(bytes in prop::collection::vec(prop_oneof![Just(b'\n'), any::<u8>()], 0..200), at in 0..200usize) {
            let (a, b) = bytes.split_at(at.min(bytes.len()));
            let mut whole: Vec<Vec<u8>> = bytes.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
            if whole.last().is_some_and(Vec::is_empty) {
                whole.pop();
            }
            let got: Vec<Vec<u8>> = lines(&[a, b]).into_iter().map(|(line, _)| line).collect();
            prop_assert_eq!(got, whole);
        }
    }
}
