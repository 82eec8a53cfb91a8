//! Figures as tables of words, for the terminal and for text: what stands where, and what matters so much that it is red.
//! It never knows how wide the terminal is.

use std::time::Duration;

use super::{
    model::{LinkRow, Losses, NodeRow, Report, TopicRow},
    paths::{Hop, PathRow, Stretch},
};
use crate::{
    control::GaugeView,
    draw::short,
    words::{amount, escape, memory, span},
};

/// A column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) name: &'static str,
    /// A number: it ends at its column's right edge.
    pub(crate) right: bool,
    /// Where there is no room the highest rank goes first; rank 0 stays.
    pub(crate) rank: u8,
}

/// How a row looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Plain,
    /// It matters less than the row before it.
    Faint,
    /// Not as it should be, for the moment.
    Warning,
    /// Somebody must mend it.
    Bad,
}

/// A row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) cells: Vec<String>,
    pub(crate) tone: Tone,
}

/// A table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) columns: &'static [Column],
    pub(crate) rows: Vec<Row>,
}

const fn word(name: &'static str, rank: u8) -> Column {
    Column { name, right: false, rank }
}

const fn number(name: &'static str, rank: u8) -> Column {
    Column { name, right: true, rank }
}

const NODES: [Column; 10] = [
    word("GRAPH", 5),
    word("NODE", 0),
    word("STATE", 0),
    number("PID", 6),
    number("RESTARTS", 3),
    number("UPTIME", 4),
    number("CPU", 0),
    number("MEM", 1),
    word("LAST END", 2),
    word("REASON", 7),
];

const TOPICS: [Column; 12] = [
    word("GRAPH", 6),
    word("TOPIC", 0),
    word("TYPE", 8),
    word("PUBLISHER", 9),
    number("LISTENERS", 7),
    number("HZ", 0),
    number("SIZE", 5),
    number("BANDWIDTH", 4),
    number("AGE P50", 3),
    number("AGE P99", 1),
    number("GAPS", 2),
    word("DROPS", 2),
];

const PATHS: [Column; 4] = [word("PATH", 0), number("P50", 0), number("P99", 0), word("BUDGET", 1)];

const LINKS: [Column; 6] =
    [word("GRAPH", 1), word("PEER", 0), number("RTT", 0), number("LOSS", 0), number("OFFSET", 0), word("MORE", 2)];

const FIGURES: [Column; 3] = [word("GRAPH", 1), word("NODE", 0), word("FIGURES", 0)];

const EVENTS: [Column; 2] = [number("AGO", 1), word("WHAT", 0)];

/// The nodes, one a row.
pub(crate) fn nodes(nodes: &[NodeRow]) -> Table {
    Table { columns: &NODES, rows: nodes.iter().map(node).collect() }
}

fn node(node: &NodeRow) -> Row {
    let tone = match node.state.as_str() {
        "failed" => Tone::Bad,
        "ready" | "running" => Tone::Plain,
        "stopped" | "done" => Tone::Faint,
        _ => Tone::Warning,
    };
    let cells = vec![
        escape(&node.graph),
        escape(&node.node),
        escape(&node.state),
        or_dash(node.pid),
        node.restarts.to_string(),
        or_dash(node.uptime_s.and_then(|up| Duration::try_from_secs_f64(up).ok()).map(span)),
        cpu(node.cpu_percent),
        or_dash(node.memory_bytes.map(memory)),
        or_dash(node.last_end.as_deref().map(escape)),
        or_dash(node.why.as_deref().map(escape)),
    ];
    Row { cells, tone }
}

/// `12.3%` of one core.
pub(crate) fn cpu(percent: Option<f64>) -> String {
    or_dash(percent.map(|percent| format!("{percent:.1}%")))
}

/// The topics, one a row.
pub(crate) fn topics(topics: &[TopicRow]) -> Table {
    Table { columns: &TOPICS, rows: topics.iter().map(topic).collect() }
}

fn topic(topic: &TopicRow) -> Row {
    let tone = match topic.rate_hz {
        _ if topic.losses.are_faults() => Tone::Bad,
        Some(0.0) => Tone::Faint,
        _ => Tone::Plain,
    };
    let cells = vec![
        escape(&topic.graph),
        escape(&topic.topic),
        escape(short(&topic.r#type)),
        escape(&topic.publisher),
        topic.listeners.len().to_string(),
        or_dash(topic.rate_hz.map(|rate| format!("{rate:.1}"))),
        or_dash(topic.size_bytes.map(|bytes| amount(bytes, "B"))),
        or_dash(topic.bandwidth_bytes_per_s.map(|bytes| amount(bytes, "B/s"))),
        millis(topic.age_p50_ms),
        millis(topic.age_p99_ms),
        topic.measured_at.map_or("-".to_owned(), |_| topic.losses.gaps.to_string()),
        topic.measured_at.map_or("-".to_owned(), |_| drops(&topic.losses)),
    ];
    Row { cells, tone }
}

/// What was dropped and why, besides gaps; `0` where nothing was.
pub(crate) fn drops(losses: &Losses) -> String {
    let reasons = [
        ("queue", losses.dropped),
        ("expired", losses.expired),
        ("undecodable", losses.undecodable),
        ("wrong type", losses.wrong_type),
        ("oversized", losses.oversized),
    ];
    let said: Vec<String> =
        reasons.iter().filter(|(_, count)| *count > 0).map(|(reason, count)| format!("{reason} {count}")).collect();
    if said.is_empty() { "0".to_owned() } else { said.join(", ") }
}

/// The paths: the whole, and under it each hop.
pub(crate) fn paths(paths: &[PathRow]) -> Table {
    Table { columns: &PATHS, rows: paths.iter().flat_map(path).collect() }
}

fn path(path: &PathRow) -> Vec<Row> {
    let origin = path.origin.as_deref().map_or("?".to_owned(), escape);
    let name = escape(&format!("{origin} → {}:{} ({})", path.graph, path.node, path.input));
    let budget = path.budget_ms.map(|budget| {
        let over = if path.over_budget == Some(true) { ", over" } else { "" };
        format!("{}{over}", millis(Some(budget)))
    });
    let tone = if path.over_budget == Some(true) { Tone::Bad } else { Tone::Plain };
    let whole = Row { cells: vec![name, millis(path.p50_ms), millis(path.p99_ms), or_dash(budget)], tone };
    std::iter::once(whole).chain(path.hops.iter().map(hop)).collect()
}

fn hop(hop: &Hop) -> Row {
    let word = match hop.hop {
        Stretch::Publish => "publish",
        Stretch::Transit => "transit",
        Stretch::Link => "link",
        Stretch::Compute => "compute",
        Stretch::Elsewhere => "not here",
    };
    let to = hop.to.as_ref().map_or(String::new(), |to| format!(" → {to}"));
    let place = escape(&format!("{}{to}", hop.from));
    let cells = vec![format!("  {word:8}  {place}"), millis(hop.p50_ms), millis(hop.p99_ms), String::new()];
    Row { cells, tone: Tone::Faint }
}

/// The links, one peer a row.
pub(crate) fn links(links: &[LinkRow]) -> Table {
    Table { columns: &LINKS, rows: links.iter().map(link).collect() }
}

fn link(link: &LinkRow) -> Row {
    let cells = vec![
        escape(&link.graph),
        if link.peer.is_empty() { "-".to_owned() } else { escape(&link.peer) },
        millis(link.rtt_ms),
        or_dash(link.loss_percent.map(|loss| format!("{loss:.1}%"))),
        millis(link.offset_ms),
        gauges(&link.gauges),
    ];
    Row { cells, tone: Tone::Plain }
}

/// What nodes say of themselves, those that say anything; what links measure has its own table.
fn figures(nodes: &[NodeRow]) -> Table {
    let tell = |node: &&NodeRow| !node.gauges.is_empty() && node.node != offboard::wiring::LINK;
    let row = |node: &NodeRow| Row {
        cells: vec![escape(&node.graph), escape(&node.node), gauges(&node.gauges)],
        tone: Tone::Plain,
    };
    Table { columns: &FIGURES, rows: nodes.iter().filter(tell).map(row).collect() }
}

/// `battery 11.8 V, rate 3`.
pub(crate) fn gauges(gauges: &[GaugeView]) -> String {
    let text = |gauge: &GaugeView| {
        let value = (gauge.value * 1000.0).round() / 1000.0;
        escape(format!("{} {value} {}", gauge.name, gauge.unit).trim_end())
    };
    gauges.iter().map(text).collect::<Vec<_>>().join(", ")
}

/// The last events and how long ago they were, the newest first.
pub(crate) fn events<'a>(events: impl IntoIterator<Item = (Duration, &'a str)>) -> Table {
    let row = |(ago, what): (Duration, &str)| Row { cells: vec![span(ago), escape(what)], tone: Tone::Plain };
    Table { columns: &EVENTS, rows: events.into_iter().map(row).collect() }
}

/// All tables as text, those that have rows; what is bad is red where `color` is on.
pub(crate) fn text(report: &Report, color: bool) -> String {
    let Report { nodes: all, topics: said, paths: ways, links: peers, .. } = report;
    let tables = [nodes(all), figures(all), topics(said), paths(ways), links(peers)].into_iter();
    let texts: Vec<String> =
        tables.filter(|table| !table.rows.is_empty()).map(|table| table_text(&table, color)).collect();
    texts.join("\n")
}

fn table_text(table: &Table, color: bool) -> String {
    let head: Vec<&str> = table.columns.iter().map(|column| column.name).collect();
    let rows: Vec<Vec<String>> = table.rows.iter().map(|row| row.cells.clone()).collect();
    let text = crate::words::table(&head, &rows);
    if !color {
        return text;
    }
    let red = anstyle::AnsiColor::Red.on_default();
    let mut tones = std::iter::once(Tone::Plain).chain(table.rows.iter().map(|row| row.tone));
    let paint = |line: &str| match tones.next() {
        Some(Tone::Bad) => format!("{red}{line}{red:#}\n"),
        _ => format!("{line}\n"),
    };
    text.lines().map(paint).collect()
}

fn or_dash(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

/// Milliseconds as people read them: three digits that say something.
pub(crate) fn millis(ms: Option<f64>) -> String {
    or_dash(ms.map(|ms| match ms.abs() {
        ..10.0 => format!("{ms:.2} ms"),
        10.0..1000.0 => format!("{ms:.1} ms"),
        1000.0..60_000.0 => format!("{:.1} s", ms / 1e3),
        _ => span(Duration::from_millis(ms.abs() as u64)),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::top::{
        model::report,
        sample::Sample,
        samples::{listened, node, topic},
    };

    fn seen(budget_ms: u64) -> Report {
        let camera = node("robot", "camera").says("camera/frames", 9, 9).from("robot:camera/frames", 1, 1);
        let motor = node("robot", "motor")
            .hears("drive", "camera/frames", 9, 9)
            .from("robot:camera/frames", 15, 2)
            .but(|edge| (edge.gaps, edge.expired) = (3, 2))
            .being(|node| (node.state, node.why) = ("failed".into(), Some("no\u{1b}[2J device".into())));
        let frames = topic("robot", "camera/frames", "offboard.v1.CompressedImage");
        let topics = vec![listened(frames, "motor", "drive", Some(budget_ms))];
        report(None, &Sample { nodes: vec![camera.view(), motor.view()], topics, ..Sample::default() })
    }

    #[test]
    fn everything_is_told_as_text() {
        let expected = "\
GRAPH  NODE    STATE   PID  RESTARTS  UPTIME  CPU  MEM  LAST END  REASON
robot  camera  ready   100  0         1m 0s   -    -    -         -
robot  motor   failed  100  0         1m 0s   -    -    -         no\\u{1b}[2J device

GRAPH  TOPIC          TYPE             PUBLISHER  LISTENERS  HZ  SIZE  BANDWIDTH  AGE P50  AGE P99  GAPS  DROPS
robot  camera/frames  CompressedImage  camera     1          -   -     -          15.0 ms  30.0 ms  3     expired 2

PATH                                       P50      P99      BUDGET
robot:camera/frames → robot:motor (drive)  15.0 ms  30.0 ms  29.0 ms, over
  publish   robot:camera                   1.00 ms  2.00 ms
  transit   robot:camera → robot:motor     2.00 ms  4.00 ms
";
        assert_eq!(text(&seen(29), false), expected);
    }

    #[test]
    fn what_is_bad_is_red_and_nothing_else_is() {
        let text = text(&seen(30), true);
        let red: Vec<&str> = text.lines().filter(|line| line.contains('\u{1b}')).collect();
        assert_eq!(red.len(), 1, "{text}");
        assert!(red[0].contains("failed"));
        let over = seen(29);
        assert_eq!(paths(&over.paths).rows[0].tone, Tone::Bad);
    }

    #[test]
    fn a_time_has_three_digits_that_say_something() {
        let cases = [(0.1234, "0.12 ms"), (12.34, "12.3 ms"), (1234.0, "1.2 s"), (-3.0, "-3.00 ms"), (61e3, "1m 1s")];
        for (ms, text) in cases {
            assert_eq!(millis(Some(ms)), text);
        }
        assert_eq!(millis(None), "-");
    }
}
