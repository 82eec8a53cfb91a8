//! Draws the screen: tabs, a table that fits, what is to say of the selected row, and the keys.
//! It never changes what it draws.

use std::iter;

use ratatui::{
    Frame,
    layout::{Alignment, Constraint, Layout, Rect},
    style::{Color, Modifier, Style},
    text::{Line, Span, Text},
    widgets::{Clear, Paragraph, Row as TableRow, Table as TableWidget, TableState, Wrap},
};

use super::{
    app::{App, TABS, Tab},
    model::{ListenerRow, NodeRow, TopicRow},
    tables::{self, Column, Table, Tone},
};
use crate::words::{escape, span};

/// Between two columns.
const GAP: u16 = 2;

/// Under this height only the table is shown, and what must be answered.
const DETAIL_FROM: u16 = 14;

/// How much of the height the selected row's details may take.
const DETAIL_MAX: u16 = 8;

const KEYS: &str = "q quit   ? help   tab next   ↑↓ select   r restart   s stop/start   p pause";

const HELP: [&str; 12] = [
    "q, Esc         quit",
    "Tab, ← →, 1-5  another table",
    "↑ ↓, j k       select a row (also PgUp, PgDn, Home, End)",
    "r              restart the selected node",
    "s              stop the selected node, or start it",
    "p, Space       pause, and go on",
    "",
    "Rates are of the last 3 s, ages and hops of the last messages,",
    "losses since each node's start. CPU: percent of one core.",
    "A path's figures are ages on the clock of the machine where it",
    "ends. Red: over its budget, failed, or messages that should not",
    "exist (undecodable, of a wrong type, oversized).",
];

/// Draws everything.
pub(crate) fn draw(frame: &mut Frame<'_>, app: &App, color: bool) {
    let area = frame.area();
    let details = if area.height >= DETAIL_FROM { details(app) } else { Vec::new() };
    let rows = |count: usize| u16::try_from(count).unwrap_or(u16::MAX);
    let troubles: Vec<Line<'_>> =
        app.report.troubles.iter().map(|trouble| Line::styled(escape(trouble), style(Tone::Bad, color))).collect();
    let room = area.height.saturating_sub(4);
    let heights = [
        1,
        u16::from(area.height > 8),
        rows(troubles.len()).min(room / 2),
        rows(details.len() + usize::from(!details.is_empty())).min(DETAIL_MAX),
        1,
    ];
    let [head, _, table, trouble, detail, foot] = Layout::vertical([
        Constraint::Length(heights[0]),
        Constraint::Length(heights[1]),
        Constraint::Min(1),
        Constraint::Length(heights[2]),
        Constraint::Length(heights[3]),
        Constraint::Length(heights[4]),
    ])
    .areas(area);
    frame.render_widget(tabs(app, head.width), head);
    draw_table(frame, app, table, color);
    frame.render_widget(Paragraph::new(troubles), trouble);
    let details = iter::once(Line::default()).chain(details).collect::<Vec<_>>();
    frame.render_widget(Paragraph::new(details), detail);
    frame.render_widget(foot_line(app, color), foot);
    if app.help {
        draw_help(frame, area);
    }
}

fn tabs(app: &App, width: u16) -> Line<'static> {
    let mut spans = Vec::new();
    for (index, (tab, name)) in TABS.iter().enumerate() {
        let chosen = *tab == app.tab;
        let look = if chosen { Style::new().add_modifier(Modifier::REVERSED | Modifier::BOLD) } else { Style::new() };
        spans.push(Span::styled(format!(" {} {name} ", index + 1), look));
    }
    let paused = if app.paused { "PAUSED  " } else { "" };
    let end = format!("{paused}every {}", span(app.every));
    let used: usize = spans.iter().map(Span::width).sum();
    let left = usize::from(width).saturating_sub(used);
    if left > end.len() {
        spans.push(Span::raw(format!("{end:>left$}")));
    }
    Line::from(spans)
}

fn draw_table(frame: &mut Frame<'_>, app: &App, area: Rect, color: bool) {
    let table = app.table();
    if table.rows.is_empty() {
        frame.render_widget(Paragraph::new(nothing(app)).wrap(Wrap { trim: false }), area);
        return;
    }
    let shown = fit(&table, area.width);
    let cell = |text: &str, column: &Column| {
        let alignment = if column.right { Alignment::Right } else { Alignment::Left };
        Text::from(text.to_owned()).alignment(alignment)
    };
    let head = shown.iter().map(|(place, _)| cell(table.columns[*place].name, &table.columns[*place]));
    let head = TableRow::new(head).style(Style::new().add_modifier(Modifier::BOLD));
    let rows = table.rows.iter().map(|row| {
        let cells = shown.iter().filter_map(|(place, _)| Some(cell(row.cells.get(*place)?, &table.columns[*place])));
        TableRow::new(cells).style(style(row.tone, color))
    });
    let last = shown.len().saturating_sub(1);
    let widths = shown.iter().enumerate().map(|(index, (place, width))| {
        // Words at the end take what is left.
        let ends = index == last && !table.columns[*place].right;
        if ends { Constraint::Min(1) } else { Constraint::Length(*width) }
    });
    let widget = TableWidget::new(rows, widths)
        .header(head)
        .column_spacing(GAP)
        .row_highlight_style(Style::new().add_modifier(Modifier::REVERSED));
    let mut state = TableState::new().with_selected(Some(app.row()));
    frame.render_stateful_widget(widget, area, &mut state);
}

/// The columns that there is room for, by their places, and how wide each is: what matters least goes first.
fn fit(table: &Table, width: u16) -> Vec<(usize, u16)> {
    let wide = |place: usize| {
        let cells = table.rows.iter().filter_map(|row| row.cells.get(place)).map(|cell| Span::raw(cell).width());
        let most = cells.chain(iter::once(table.columns[place].name.len())).max().unwrap_or_default();
        u16::try_from(most).unwrap_or(u16::MAX)
    };
    let mut shown: Vec<(usize, u16)> = (0..table.columns.len()).map(|place| (place, wide(place))).collect();
    let needed = |shown: &[(usize, u16)]| -> u32 {
        // The last column of words may be cut.
        let last = shown
            .last()
            .map_or(0, |(place, width)| if table.columns[*place].right { *width } else { (*width).min(LAST_MIN) });
        let others =
            shown.split_last().map_or(0, |(_, others)| others.iter().map(|(_, width)| u32::from(width + GAP)).sum());
        others + u32::from(last)
    };
    while needed(&shown) > u32::from(width) {
        let least = shown.iter().enumerate().max_by_key(|(_, (place, _))| table.columns[*place].rank);
        match least {
            Some((index, (place, _))) if table.columns[*place].rank > 0 => drop(shown.remove(index)),
            _ => break,
        }
    }
    shown
}

/// So much of a last column of words must be seen, else it goes.
const LAST_MIN: u16 = 12;

fn nothing(app: &App) -> &'static str {
    match app.tab {
        _ if app.report.nodes.is_empty() && app.report.troubles.is_empty() => {
            "no graph is running; start one with `launch FILE.toml`"
        }
        // Only what cannot be asked is left: why stands below.
        _ if app.report.nodes.is_empty() => "no graph answers",
        Tab::Nodes => "no nodes",
        Tab::Topics => "no topics",
        Tab::Paths => "no path from a sensor to a motor, nor to an input with a budget",
        Tab::Links => "no link, or it has measured nothing yet",
        Tab::Events => "nothing has happened since this began",
    }
}

/// What there is to say of the selected row.
fn details(app: &App) -> Vec<Line<'static>> {
    match app.tab {
        Tab::Nodes => app.selected_node().map(node_details).unwrap_or_default(),
        Tab::Topics => app.report.topics.get(app.row()).map(topic_details).unwrap_or_default(),
        _ => Vec::new(),
    }
}

fn titled(title: String) -> Line<'static> {
    Line::styled(title, Style::new().add_modifier(Modifier::BOLD))
}

fn node_details(node: &NodeRow) -> Vec<Line<'static>> {
    let mut lines = vec![titled(escape(&format!("{}:{}", node.graph, node.node)))];
    let mut say = |name: &str, text: Option<String>| {
        lines.extend(text.map(|text| Line::raw(format!("  {name:10}{text}"))));
    };
    say("reason", node.why.as_deref().map(escape));
    say("last end", node.last_end.as_deref().map(escape));
    say("processes", node.processes.map(|count| count.to_string()));
    say("gauges", (!node.gauges.is_empty()).then(|| tables::gauges(&node.gauges)));
    lines
}

fn topic_details(topic: &TopicRow) -> Vec<Line<'static>> {
    let mut lines = vec![titled(escape(&format!("{}:{}  {}", topic.graph, topic.topic, topic.r#type)))];
    lines.extend(topic.listeners.iter().map(|listener| Line::raw(listener_line(listener))));
    lines
}

fn listener_line(listener: &ListenerRow) -> String {
    let name =
        if listener.input.is_empty() { listener.node.clone() } else { format!("{}.{}", listener.node, listener.input) };
    let rate = listener.rate_hz.map_or("-".to_owned(), |rate| format!("{rate:.1} Hz"));
    let losses = listener
        .losses
        .map_or("does not tell".to_owned(), |losses| format!("gaps {}, drops {}", losses.gaps, tables::drops(&losses)));
    let age = (tables::millis(listener.age_p50_ms), tables::millis(listener.age_p99_ms));
    let budget = listener.budget_ms.map_or(String::new(), |ms| format!(", budget {}", tables::millis(Some(ms))));
    format!("  → {}  keep {}, {rate}, age {} / {}, {losses}{budget}", escape(&name), listener.keep, age.0, age.1)
}

fn foot_line(app: &App, color: bool) -> Line<'static> {
    match (&app.question, &app.note) {
        (Some(question), _) => {
            Line::styled(escape(&question.text), style(Tone::Warning, color).add_modifier(Modifier::BOLD))
        }
        (None, Some(note)) => Line::styled(escape(note), style(Tone::Warning, color)),
        (None, None) => Line::styled(KEYS, Style::new().add_modifier(Modifier::DIM)),
    }
}

fn draw_help(frame: &mut Frame<'_>, area: Rect) {
    let widest = HELP.iter().map(|line| Span::raw(*line).width()).max().unwrap_or_default();
    let width = u16::try_from(widest + 4).unwrap_or(u16::MAX).min(area.width);
    let height = u16::try_from(HELP.len() + 2).unwrap_or(u16::MAX).min(area.height);
    let place = Rect::new((area.width - width) / 2, (area.height - height) / 2, width, height);
    frame.render_widget(Clear, place);
    let block = ratatui::widgets::Block::bordered().title(" any key closes this ");
    frame.render_widget(Paragraph::new(HELP.map(|line| Line::raw(format!(" {line}"))).to_vec()).block(block), place);
}

fn style(tone: Tone, color: bool) -> Style {
    let plain = Style::new();
    match tone {
        Tone::Plain => plain,
        Tone::Faint => plain.add_modifier(Modifier::DIM),
        // Without colour what is bad still stands out.
        Tone::Bad | Tone::Warning if !color => plain.add_modifier(Modifier::BOLD),
        Tone::Warning => plain.fg(Color::Yellow),
        Tone::Bad => plain.fg(Color::Red),
    }
}

#[cfg(test)]
mod tests;
