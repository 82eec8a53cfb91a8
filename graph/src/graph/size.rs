//! Sizes in bytes as people write them: a number and a unit, `64MiB`, `1.5GB`, `512kB`.
//! It never guesses a unit.

use super::show::show;

/// The largest size that makes sense in a graph file, in bytes: a tebibyte.
const MAX: u64 = 1 << 40;

const UNITS: [(&str, u64); 7] = [
    ("B", 1),
    ("kB", 1_000),
    ("KiB", 1 << 10),
    ("MB", 1_000_000),
    ("MiB", 1 << 20),
    ("GB", 1_000_000_000),
    ("GiB", 1 << 30),
];

/// Reads `64MiB`, `1.5GB`, `512kB` (also `B`, `KiB`, `MB`, `GiB`), in bytes; part of a byte is left out.
///
/// # Errors
/// A sentence that says what is wrong and how a size looks.
pub fn parse(text: &str) -> Result<u64, String> {
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = (&text[..split], text[split..].trim_start());
    let scale = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, scale)| *scale);
    let (Some(scale), Ok(number)) = (scale, number.parse::<f64>()) else {
        let text = show(text);
        return Err(format!(
            "\"{text}\" is no size; write a number and a unit (kB, KiB, MB, MiB, GB, GiB), like \"64MiB\""
        ));
    };
    let bytes = number * scale as f64;
    if bytes > MAX as f64 {
        return Err(format!("\"{}\" is more than a tebibyte", show(text)));
    }
    Ok(bytes as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_a_number_and_a_unit() {
        let cases = [
            ("7B", 7),
            ("512kB", 512_000),
            ("4KiB", 4096),
            ("1.5 MB", 1_500_000),
            ("64MiB", 64 << 20),
            ("2GB", 2_000_000_000),
            ("0.5GiB", 1 << 29),
            ("1024GiB", 1 << 40),
        ];
        for (text, bytes) in cases {
            assert_eq!(parse(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn anything_else_is_told_how_a_size_looks() {
        for text in ["", "64", "MiB", "-1MiB", "1e3MB", "64 mb", "64M", "1..5GB", "1025GiB", "∞GB"] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert_eq!(
            parse("64M").unwrap_err(),
            "\"64M\" is no size; write a number and a unit (kB, KiB, MB, MiB, GB, GiB), like \"64MiB\""
        );
        assert_eq!(parse("9999GiB").unwrap_err(), "\"9999GiB\" is more than a tebibyte");
    }
}
