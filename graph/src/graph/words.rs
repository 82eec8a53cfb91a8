//! Splits `run` into words, with quotes as in a shell and nothing else of a shell. It never runs anything.

/// Splits at white space. Single quotes keep all; double quotes keep all but `\"` and `\\`; outside, `\` keeps the next character.
///
/// # Errors
/// A sentence that says what is not closed.
pub(crate) fn split(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            c if c.is_whitespace() => words.extend(word.take()),
            '\'' | '"' => quoted(c, &mut chars, word.get_or_insert_default())?,
            '\\' => {
                let next = chars.next().ok_or("the last \\ of run has nothing to keep")?;
                word.get_or_insert_default().push(next);
            }
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

fn quoted(quote: char, chars: &mut std::str::Chars<'_>, word: &mut String) -> Result<(), String> {
    let open = || format!("run has a {quote} that is not closed");
    loop {
        match chars.next().ok_or_else(open)? {
            c if c == quote => return Ok(()),
            '\\' if quote == '"' => match chars.next().ok_or_else(open)? {
                c @ ('"' | '\\') => word.push(c),
                c => word.extend(['\\', c]),
            },
            c => word.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_as_a_person_expects() {
        let cases: [(&str, &[&str]); 8] = [
            ("python3 pilot.py", &["python3", "pilot.py"]),
            ("  a \t b\n", &["a", "b"]),
            ("a 'b c' \"d e\"", &["a", "b c", "d e"]),
            (r#"a "say \"hi\" \n" '\'"#, &["a", r#"say "hi" \n"#, r"\"]),
            (r"my\ program x", &["my program", "x"]),
            ("a ''", &["a", ""]),
            ("a$(rm -rf) | b", &["a$(rm", "-rf)", "|", "b"]),
            ("", &[]),
        ];
        for (text, words) in cases {
            assert_eq!(split(text).unwrap(), words, "{text}");
        }
    }

    #[test]
    fn an_open_quote_is_told() {
        assert_eq!(split("a 'b").unwrap_err(), "run has a ' that is not closed");
        assert_eq!(split("a \"b\\").unwrap_err(), "run has a \" that is not closed");
        assert_eq!(split("a\\").unwrap_err(), "the last \\ of run has nothing to keep");
    }
}
