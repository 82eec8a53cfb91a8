//! Topics that fit a pattern: `*` stands for any letters, `?` for one. Pure.

/// Whether a topic fits one of the patterns; without patterns all do.
pub(crate) fn any(patterns: &[String], topic: &str) -> bool {
    patterns.is_empty() || patterns.iter().any(|pattern| fits(pattern.as_bytes(), topic.as_bytes()))
}

fn fits(pattern: &[u8], text: &[u8]) -> bool {
    // Where to go on when a star must take one letter more: no recursion, no more steps than pattern times text.
    let (mut at, mut read, mut star) = (0, 0, None);
    while read < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, read));
                at += 1;
            }
            Some(letter) if *letter == b'?' || *letter == text[read] => {
                at += 1;
                read += 1;
            }
            _ => match star {
                Some((then, from)) => {
                    star = Some((then, from + 1));
                    (at, read) = (then + 1, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|letter| *letter == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_any_letters() {
        let fits = |pattern: &str, topic: &str| any(&[pattern.to_owned()], topic);
        for pattern in ["camera/frames", "camera/*", "*/frames", "*", "c*a/f?ames", "**"] {
            assert!(fits(pattern, "camera/frames"), "{pattern}");
        }
        for pattern in ["camera", "camera/?", "*x*", "", "frames*"] {
            assert!(!fits(pattern, "camera/frames"), "{pattern}");
        }
        assert!(any(&[], "camera/frames"));
        assert!(!fits(&"*a".repeat(50), &"b".repeat(100)));
    }
}
