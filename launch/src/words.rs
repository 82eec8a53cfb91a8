//! Words and numbers as people write and read them: names, near misses, times, tables.
//! It never reads or writes anything itself.

use std::{
    fmt::Write,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// JSON that a terminal shows as it is: what JSON lets stand that a terminal would obey is written as its number.
pub(crate) fn escape_json(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        // Outside strings JSON has no such character; inside, a number means the same.
        if commands(c) {
            let _ = write!(out, "\\u{:04x}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}

/// Whether a terminal obeys it instead of showing it. Bidirectional marks would let a line pretend to be another.
fn commands(c: char) -> bool {
    let turns = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    (c.is_control() && c != '\t') || turns
}

/// What a terminal would obey instead of show is shown escaped; a tab is harmless.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if commands(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

/// The name nearest to what somebody wrote, when it is near enough to be meant.
pub(crate) fn nearest<'a>(written: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let far = written.chars().count().max(3) / 3;
    let near = names.into_iter().map(|name| (strsim::damerau_levenshtein(written, name), name));
    near.filter(|(distance, _)| *distance <= far).min().map(|(_, name)| name)
}

/// `; did you mean …?`, or nothing.
pub(crate) fn did_you_mean<'a>(written: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    nearest(written, names).map_or_else(String::new, |name| format!("; did you mean {name}?"))
}

/// A duration in the one or two units that matter: `850ms`, `12.3s`, `4m 5s`, `2h 3m`, `3d 4h`.
pub(crate) fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0 => format!("{}ms", time.as_millis()),
        1..60 => format!("{:.1}s", time.as_secs_f64()),
        60..3600 => format!("{}m {}s", seconds / 60, seconds % 60),
        3600..86400 => format!("{}h {}m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{}d {}h", seconds / 86400, seconds / 3600 % 24),
    }
}

/// A size in bytes, in the unit that it has the fewest of: `64 MiB`, `1.5 GiB`, `100 bytes`.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    let Some((unit, scale)) = UNITS.iter().find(|(_, scale)| bytes >= *scale) else { return format!("{bytes} bytes") };
    if bytes.is_multiple_of(*scale) {
        return format!("{} {unit}", bytes / scale);
    }
    format!("{:.1} {unit}", bytes as f64 / *scale as f64)
}

/// A number of something in thousands: `512 B`, `12.3 kB`, `1.5 MB/s`.
pub(crate) fn amount(count: f64, unit: &str) -> String {
    match scaled(count, 1000.0, &["", "k", "M", "G", "T"]) {
        (count, "") => format!("{count:.0} {unit}"),
        (count, prefix) => format!("{count:.1} {prefix}{unit}"),
    }
}

/// Memory: `900 KiB`, `61.4 MiB`.
pub(crate) fn memory(bytes: u64) -> String {
    let (count, prefix) = scaled(bytes as f64 / 1024.0, 1024.0, &["Ki", "Mi", "Gi", "Ti"]);
    if prefix == "Ki" { format!("{count:.0} KiB") } else { format!("{count:.1} {prefix}B") }
}

/// The largest of the prefixes, each `step` times the one before, in which the number is at least one.
fn scaled<'a>(mut count: f64, step: f64, prefixes: &[&'a str]) -> (f64, &'a str) {
    let mut prefixes = prefixes.iter().copied();
    let mut prefix = prefixes.next().unwrap_or_default();
    for larger in prefixes {
        if count.abs() < step {
            break;
        }
        (count, prefix) = (count / step, larger);
    }
    (count, prefix)
}

/// `2026-01-31T12:00:00.123Z`.
pub(crate) fn rfc3339(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (days, rest) = (since.as_secs() / 86400, since.as_secs() % 86400);
    // Days to year, month and day: Howard Hinnant's `civil_from_days`, years from March.
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", since.subsec_millis())
}

/// Rows under a head, columns aligned, two spaces between.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let head: Vec<String> = head.iter().map(|&name| name.to_owned()).collect();
    let all = || std::iter::once(&head).chain(rows);
    let width =
        |column: usize| all().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let mut out = String::new();
    for row in all() {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            let _ = write!(line, "{cell:width$}  ");
        }
        let _ = writeln!(out, "{}", line.trim_end());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_miss_is_understood_and_a_far_one_is_not() {
        assert_eq!(nearest("chekc", ["run", "check", "graph"]), Some("check"));
        assert_eq!(nearest("hz", ["echo", "list"]), None);
        assert_eq!(did_you_mean("camrea", ["camera"]), "; did you mean camera?");
        assert_eq!(did_you_mean("x", ["camera"]), "");
    }

    #[test]
    fn json_keeps_its_meaning_when_it_is_made_harmless() {
        let text = "a\u{1b}[2J\u{9b}\u{7f}\u{202e}é";
        let json = escape_json(&serde_json::to_string(text).unwrap());
        assert!(!json.chars().any(commands), "{json:?}");
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
    }

    #[test]
    fn a_span_has_the_units_that_matter() {
        let cases =
            [(850, "850ms"), (12_300, "12.3s"), (245_000, "4m 5s"), (7_380_000, "2h 3m"), (273_600_000, "3d 4h")];
        for (millis, text) in cases {
            assert_eq!(span(Duration::from_millis(millis)), text);
        }
    }

    #[test]
    fn a_size_has_the_unit_that_fits() {
        for (bytes, text) in [(100, "100 bytes"), (64 << 20, "64 MiB"), (3 << 29, "1.5 GiB"), (500_000, "488.3 KiB")] {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn an_amount_has_a_prefix_that_leaves_few_digits() {
        let cases = [(0.0, "0 B"), (999.0, "999 B"), (12_345.0, "12.3 kB"), (2e9, "2.0 GB"), (3e18, "3000000.0 TB")];
        for (count, text) in cases {
            assert_eq!(amount(count, "B"), text);
        }
        let cases = [(0, "0 KiB"), (900 << 10, "900 KiB"), (64_400_000, "61.4 MiB"), (3 << 30, "3.0 GiB")];
        for (bytes, text) in cases {
            assert_eq!(memory(bytes), text);
        }
    }

    #[test]
    fn a_time_is_written_as_rfc_3339() {
        let at = |seconds, millis: u32| rfc3339(UNIX_EPOCH + Duration::new(seconds, millis * 1_000_000));
        assert_eq!(at(0, 0), "1970-01-01T00:00:00.000Z");
        assert_eq!(at(951_782_400, 7), "2000-02-29T00:00:00.007Z");
        assert_eq!(at(1_704_067_199, 999), "2023-12-31T23:59:59.999Z");
    }

    #[test]
    fn a_table_is_aligned() {
        let rows = [vec!["camera".into(), "ready".into()], vec!["a".into(), String::new()]];
        assert_eq!(table(&["NODE", "STATE"], &rows), "NODE    STATE\ncamera  ready\na\n");
    }
}
