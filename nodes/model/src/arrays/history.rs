//! The last inputs, and what a model sees of them: looks into the past by stamp, so that a lost input shifts nothing.
//! It never keeps more than it was told to.

/// Stamps that jump back further mean that the input began anew, in nanoseconds.
const ANEW_NS: i64 = 2_000_000_000;

/// How a model looks back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Looks {
    /// How many times.
    pub lags: usize,
    /// Time between two looks; 0: one input further each.
    pub step_ns: i64,
    /// Where no input is so near to a look, there is a hole.
    pub hole_ns: i64,
}

/// The last inputs of one width, in order of their stamps.
#[derive(Debug)]
pub struct History {
    looks: Looks,
    width: usize,
    keep_rows: usize,
    /// Rows one after the other, those before `first` gone already: so that what is seen lies in one piece.
    rows: Vec<f32>,
    stamps: Vec<i64>,
    first: usize,
}

impl History {
    /// A history of at most so many inputs of so many elements, but at least of what is looked at.
    #[must_use]
    pub fn new(looks: Looks, width: usize, keep_rows: usize) -> History {
        let keep_rows = keep_rows.max(looks.lags).max(1);
        History { looks, width, keep_rows, rows: Vec::new(), stamps: Vec::new(), first: 0 }
    }

    /// Takes in an input; false when it is older than the newest, and left out.
    ///
    /// # Panics
    /// When it has another width.
    pub fn push(&mut self, stamp_ns: i64, row: &[f32]) -> bool {
        assert_eq!(row.len(), self.width, "whoever pushes looks at the width");
        if let Some(newest) = self.stamps.last() {
            if stamp_ns < newest.saturating_sub(ANEW_NS) {
                self.clear();
            } else if stamp_ns <= *newest {
                return false;
            }
        }
        self.rows.extend_from_slice(row);
        self.stamps.push(stamp_ns);
        if self.stamps.len() - self.first > self.keep_rows {
            self.first += 1;
        }
        if self.first >= self.keep_rows {
            // Once in `keep_rows` inputs: what is gone makes room.
            self.rows.drain(..self.first * self.width);
            self.stamps.drain(..self.first);
            self.first = 0;
        }
        true
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.rows.clear();
        self.stamps.clear();
        self.first = 0;
    }

    /// How many elements a model sees.
    #[must_use]
    pub fn seen(&self) -> usize {
        self.looks.lags * self.width
    }

    /// What a model sees at the input with this stamp, the oldest look first; none where the history has a hole or does not reach back.
    pub fn see<'a>(&'a self, stamp_ns: i64, scratch: &'a mut Vec<f32>) -> Option<&'a [f32]> {
        let stamps = &self.stamps[self.first..];
        let newest = match stamps.last() {
            Some(last) if *last == stamp_ns => stamps.len() - 1,
            _ => stamps.binary_search(&stamp_ns).ok()?,
        };
        if self.looks.step_ns == 0 {
            let from = (newest + 1).checked_sub(self.looks.lags)?;
            return Some(self.slice(from, newest + 1));
        }
        scratch.clear();
        for lag in (0..self.looks.lags as i64).rev() {
            let at = self.nearest(&stamps[..=newest], stamp_ns.checked_sub(lag.checked_mul(self.looks.step_ns)?)?)?;
            scratch.extend_from_slice(self.slice(at, at + 1));
        }
        Some(scratch)
    }

    fn slice(&self, from: usize, to: usize) -> &[f32] {
        &self.rows[(self.first + from) * self.width..(self.first + to) * self.width]
    }

    fn nearest(&self, stamps: &[i64], look_ns: i64) -> Option<usize> {
        let after = stamps.partition_point(|stamp| *stamp < look_ns);
        let near = [after.checked_sub(1), Some(after).filter(|after| *after < stamps.len())].into_iter().flatten();
        let nearest = near.min_by_key(|at| stamps[*at].abs_diff(look_ns))?;
        (stamps[nearest].abs_diff(look_ns) <= self.looks.hole_ns as u64).then_some(nearest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(lags: usize, step_ns: i64, keep: usize) -> History {
        History::new(Looks { lags, step_ns, hole_ns: 15 }, 1, keep)
    }

    fn see(history: &History, stamp_ns: i64) -> Option<Vec<f32>> {
        history.see(stamp_ns, &mut Vec::new()).map(<[f32]>::to_vec)
    }

    #[test]
    fn consecutive_inputs_lie_in_one_piece() {
        let mut history = history(3, 0, 4);
        for at in 0..100 {
            assert!(history.push(at, &[at as f32]));
            let want = (at >= 2).then(|| vec![at as f32 - 2.0, at as f32 - 1.0, at as f32]);
            assert_eq!(see(&history, at), want);
        }
        assert!(history.rows.len() <= 9, "bounded");
        assert_eq!(see(&history, 98).unwrap(), [96.0, 97.0, 98.0]);
        assert_eq!(see(&history, 50), None, "gone");
    }

    #[test]
    fn a_lost_input_shifts_no_look() {
        let mut history = history(3, 20, 100);
        for at in (0..10i64).filter(|at| *at != 6) {
            history.push(at * 10, &[at as f32]);
        }
        assert_eq!(see(&history, 90).unwrap(), [5.0, 7.0, 9.0]);
        assert_eq!(see(&history, 80).unwrap(), [4.0, 5.0, 8.0], "the nearest stands in for the lost");
    }

    #[test]
    fn a_hole_and_a_short_past_show_nothing() {
        let mut history = history(3, 20, 100);
        for at in [0i64, 10, 20, 90, 100, 110] {
            history.push(at, &[at as f32]);
        }
        assert_eq!(see(&history, 10), None);
        assert_eq!(see(&history, 110), None);
    }

    #[test]
    fn stamps_that_jump_back_begin_anew_and_late_ones_are_left_out() {
        let mut history = history(1, 0, 10);
        assert!(history.push(ANEW_NS * 3, &[1.0]));
        assert!(!history.push(ANEW_NS * 3 - 5, &[2.0]));
        assert!(history.push(5, &[3.0]));
        assert_eq!(see(&history, 5).unwrap(), [3.0]);
        assert_eq!(see(&history, ANEW_NS * 3), None);
    }
}
