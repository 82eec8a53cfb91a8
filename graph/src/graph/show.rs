//! Text from outside as it may be shown to a person: escaped and short. It never fails and never shows a control character.

/// The most characters of one foreign text in an error.
const MAX: usize = 60;

/// Escapes what a terminal would obey and shortens what would not fit a line.
pub(crate) fn show(text: &str) -> String {
    let mut shown: String = text.chars().take(MAX).flat_map(escape).collect();
    if text.chars().nth(MAX).is_some() {
        shown.push('…');
    }
    shown
}

/// As [`show`], in back quotes: a name.
pub(crate) fn tick(text: &str) -> String {
    format!("`{}`", show(text))
}

/// Names in back quotes with commas between, at most `max` of them.
pub(crate) fn list<'a>(names: impl IntoIterator<Item = &'a str>, max: usize) -> String {
    let mut names = names.into_iter();
    let shown: Vec<String> = names.by_ref().take(max).map(tick).collect();
    let more = if names.next().is_some() { ", …" } else { "" };
    format!("{}{more}", shown.join(", "))
}

fn escape(c: char) -> Vec<char> {
    // Quotes and back quotes are as harmless as letters; escaping them would only blur what was written.
    if matches!(c, '"' | '\'') { vec![c] } else { c.escape_debug().collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_escaped() {
        assert_eq!(show("a\u{1b}[31m\n\0\u{202e}\"b"), "a\\u{1b}[31m\\n\\0\\u{202e}\"b");
    }

    #[test]
    fn what_would_not_fit_a_line_is_shortened() {
        assert_eq!(show(&"ä".repeat(1 << 20)), format!("{}…", "ä".repeat(60)));
    }
}
