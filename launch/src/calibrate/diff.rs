//! What is different between two texts, line by line. It never shows a line that stayed.

use std::fmt::Write as _;

/// So many lines on either side are compared with each other; of longer parts all is shown as changed.
const LINES_MAX: usize = 1000;

/// The lines that went (`-`) and that came (`+`), under the number of the first in the new text.
pub(super) fn diff(name: &str, old: &str, new: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let head = old.iter().zip(&new).take_while(|(old, new)| old == new).count();
    let tail = old[head..].iter().rev().zip(new[head..].iter().rev()).take_while(|(old, new)| old == new).count();
    let (left, right) = (&old[head..old.len() - tail], &new[head..new.len() - tail]);
    let mut text = String::new();
    let (mut i, mut j, mut open) = (0, 0, false);
    let common = common(left, right);
    while i < left.len() || j < right.len() {
        if i < left.len() && j < right.len() && left[i] == right[j] {
            (i, j, open) = (i + 1, j + 1, false);
            continue;
        }
        if !open {
            let _ = writeln!(text, "{name}:{}", head + j + 1);
            open = true;
        }
        let goes = j == right.len() || i < left.len() && common[i + 1][j] >= common[i][j + 1];
        if goes {
            let _ = writeln!(text, "- {}", left[i]);
            i += 1;
        } else {
            let _ = writeln!(text, "+ {}", right[j]);
            j += 1;
        }
    }
    text
}

/// How many lines of each rest of one are in each rest of the other, in order; nothing is common to parts that are too long.
fn common(left: &[&str], right: &[&str]) -> Vec<Vec<usize>> {
    let mut common = vec![vec![0; right.len() + 1]; left.len() + 1];
    if left.len() <= LINES_MAX && right.len() <= LINES_MAX {
        for i in (0..left.len()).rev() {
            for j in (0..right.len()).rev() {
                let skipped = common[i + 1][j].max(common[i][j + 1]);
                common[i][j] = if left[i] == right[j] { common[i + 1][j + 1] + 1 } else { skipped };
            }
        }
    }
    common
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changed_lines_stand_under_where_they_are() {
        let (old, new) = ("a\nb\nc\nd\ne\n", "a\nB\nc\nd\nx\ne\n");
        assert_eq!(diff("f.toml", old, new), "f.toml:2\n- b\n+ B\nf.toml:5\n+ x\n");
        assert_eq!(diff("f.toml", old, old), "");
        assert_eq!(diff("f.toml", "a\nb\n", "b\n"), "f.toml:1\n- a\n");
    }
}
