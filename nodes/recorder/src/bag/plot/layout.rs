//! Where everything goes on the drawing of a drive. Pure.

use std::collections::BTreeMap;

use offboard::{DriveMode, MarkKind};

use super::{
    super::{
        survey::Survey,
        words::{bytes, duration, grouped},
    },
    COLUMNS,
    sheet::{Anchor, Colour, Sheet},
};

const WIDTH: f64 = 1240.0;
const LEFT: f64 = 200.0;
const RIGHT: f64 = 20.0;
const INK: Colour = [33, 37, 41];
const FAINT: Colour = [134, 142, 150];
const GRID: Colour = [222, 226, 230];
const PAPER: Colour = [248, 249, 250];
const STEERING: Colour = [25, 113, 194];
const THROTTLE: Colour = [47, 158, 68];
const ERASED: Colour = [173, 181, 189];
const MISSING: Colour = [224, 49, 49];
const SPEAKS: Colour = [165, 216, 255];
const TAKE_OVER: Colour = [232, 89, 12];
/// Topics that have a row; a drawing of more is none.
const ROWS_MAX: usize = 24;

/// What is drawn.
pub(crate) struct Data {
    pub(crate) survey: Survey,
    span: (i64, i64),
    /// The topic of the controls.
    pub(crate) controls: Option<String>,
    pub(crate) steering: Track,
    pub(crate) throttle: Track,
    pub(crate) modes: Vec<Option<DriveMode>>,
    /// By topic, in which columns something was said.
    pub(crate) seen: BTreeMap<String, Vec<bool>>,
}

/// A control over time, and how often it had which value.
pub(crate) struct Track {
    /// Lowest and highest in each column.
    pub(crate) columns: Vec<Option<(f32, f32)>>,
    pub(crate) histogram: [u64; 41],
    pub(crate) count: u64,
    pub(crate) sum: f64,
}

impl Data {
    /// Nothing yet.
    pub(crate) fn new(survey: Survey, span: (i64, i64)) -> Data {
        let track = || Track { columns: vec![None; COLUMNS], histogram: [0; 41], count: 0, sum: 0.0 };
        let (steering, throttle, modes) = (track(), track(), vec![None; COLUMNS]);
        Data { survey, span, controls: None, steering, throttle, modes, seen: BTreeMap::new() }
    }

    /// The column of a time.
    pub(crate) fn column(&self, ns: i64) -> usize {
        let (first, last) = self.span;
        let share = ns.saturating_sub(first) as f64 / (last.saturating_sub(first)).max(1) as f64;
        ((share * COLUMNS as f64) as usize).min(COLUMNS - 1)
    }

    fn x(&self, ns: i64) -> f64 {
        at(self.column(ns))
    }
}

fn at(column: usize) -> f64 {
    LEFT + column as f64 * (WIDTH - LEFT - RIGHT) / COLUMNS as f64
}

/// The whole drawing.
pub(crate) fn draw(data: &Data) -> Sheet {
    let rows = data.seen.len().min(ROWS_MAX);
    let height = 560.0 + rows as f64 * 20.0 + 190.0;
    let mut sheet = Sheet::new(WIDTH, height);
    head(&mut sheet, data);
    who(&mut sheet, data, 96.0);
    control(&mut sheet, data, "steering", "right", "left", (&data.steering, STEERING), 140.0);
    control(&mut sheet, data, "throttle", "ahead", "back", (&data.throttle, THROTTLE), 340.0);
    let bottom = topics(&mut sheet, data, 540.0);
    marks(&mut sheet, data, 92.0, bottom);
    ticks(&mut sheet, data, bottom + 16.0);
    let middle = f64::midpoint(LEFT, WIDTH);
    histogram(&mut sheet, "how often each steering", (&data.steering, STEERING), (LEFT, middle - 40.0), bottom + 50.0);
    histogram(
        &mut sheet,
        "how often each throttle",
        (&data.throttle, THROTTLE),
        (middle, WIDTH - RIGHT),
        bottom + 50.0,
    );
    sheet
}

fn head(sheet: &mut Sheet, data: &Data) {
    let survey = &data.survey;
    let name = survey.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    sheet.title((20.0, 36.0), name, INK);
    let missing: u64 = survey.topics.values().map(|topic| topic.missing).sum();
    let state = if survey.is_whole() { "whole" } else { "not whole" };
    let line = format!(
        "{} · {} · {} messages · {} missing · {state}",
        duration(survey.seconds()),
        bytes(survey.bytes),
        grouped(survey.messages),
        grouped(missing)
    );
    sheet.text((20.0, 60.0), line, Anchor::Left, FAINT);
    let mut x = LEFT;
    for (word, colour) in [
        ("human", colour_of(DriveMode::Human)),
        ("shadow", colour_of(DriveMode::Shadow)),
        ("assist", colour_of(DriveMode::Assist)),
        ("model", colour_of(DriveMode::Model)),
        ("erased", ERASED),
        ("take-over", TAKE_OVER),
        ("messages missing", MISSING),
    ] {
        sheet.fill((x, 74.0), (10.0, 10.0), colour, 1.0);
        sheet.text((x + 15.0, 84.0), word, Anchor::Left, FAINT);
        x += 40.0 + word.len() as f64 * 7.5;
    }
}

fn colour_of(mode: DriveMode) -> Colour {
    match mode {
        DriveMode::Shadow => [116, 143, 252],
        DriveMode::Assist => [59, 201, 219],
        DriveMode::Model => [148, 216, 45],
        DriveMode::Human | DriveMode::Unknown => [255, 212, 59],
    }
}

/// The strip of who drove.
fn who(sheet: &mut Sheet, data: &Data, top: f64) {
    sheet.text((LEFT - 12.0, top + 15.0), "who drives", Anchor::Right, INK);
    sheet.fill((LEFT, top), (WIDTH - LEFT - RIGHT, 20.0), PAPER, 1.0);
    let mut now = data.modes.iter().flatten().next().copied();
    let Some(mut mode) = now else {
        sheet.text((LEFT + 6.0, top + 15.0), "not recorded", Anchor::Left, FAINT);
        return;
    };
    let mut from = 0;
    for column in 0..=COLUMNS {
        now = data.modes.get(column).copied().flatten().or(now);
        if column == COLUMNS || now != Some(mode) {
            sheet.fill((at(from), top), (at(column) - at(from), 20.0), colour_of(mode), 1.0);
            (from, mode) = (column, now.unwrap_or(mode));
        }
    }
}

/// A control over time: the lowest and highest of each column.
fn control(
    sheet: &mut Sheet,
    data: &Data,
    name: &str,
    up: &str,
    down: &str,
    (track, colour): (&Track, Colour),
    top: f64,
) {
    let (height, middle) = (180.0, top + 90.0);
    sheet.fill((LEFT, top), (WIDTH - LEFT - RIGHT, height), PAPER, 1.0);
    for (value, word) in [(1.0, up), (0.0, "0"), (-1.0, down)] {
        let y = middle - value * height / 2.0;
        sheet.line(vec![(LEFT, y), (WIDTH - RIGHT, y)], GRID, 1.0);
        let below = if value > 0.0 {
            12.0
        } else if value < 0.0 {
            -2.0
        } else {
            4.0
        };
        sheet.text((LEFT - 12.0, y + below), word, Anchor::Right, FAINT);
    }
    sheet.text((20.0, middle - 8.0), name, Anchor::Left, INK);
    let topic = data.controls.as_deref().unwrap_or("no controls");
    sheet.text((20.0, middle + 10.0), short(topic, 17), Anchor::Left, FAINT);
    let y = |value: f32| middle - f64::from(value) * height / 2.0;
    let mut points = Vec::new();
    for (column, values) in track.columns.iter().enumerate() {
        match values {
            Some((low, high)) if low == high => points.push((at(column), y(*low))),
            Some((low, high)) => points.extend([(at(column), y(*low)), (at(column), y(*high))]),
            // A pause of more than a few columns is no line.
            None if track.columns[column..].iter().take(8).all(Option::is_none) => {
                sheet.line(std::mem::take(&mut points), colour, 1.5);
            }
            None => {}
        }
    }
    sheet.line(points, colour, 1.5);
}

/// A row for each topic: when it said something, and where messages are missing.
fn topics(sheet: &mut Sheet, data: &Data, top: f64) -> f64 {
    let mut y = top;
    for (name, seen) in data.seen.iter().take(ROWS_MAX) {
        sheet.text((LEFT - 12.0, y + 12.0), short(name, 24), Anchor::Right, INK);
        sheet.fill((LEFT, y), (WIDTH - LEFT - RIGHT, 14.0), PAPER, 1.0);
        for (begin, end) in stretches(seen, patience(data, name)) {
            sheet.fill((at(begin), y), (at(end) - at(begin), 14.0), SPEAKS, 1.0);
        }
        if let Some(topic) = data.survey.topics.get(name) {
            for gap in &topic.gaps {
                sheet.fill((data.x(gap.at_ns), y), (1.0, 14.0), MISSING, 1.0);
            }
        }
        y += 20.0;
    }
    if data.seen.len() > ROWS_MAX {
        sheet.text((LEFT, y + 4.0), format!("and {} more topics", data.seen.len() - ROWS_MAX), Anchor::Left, FAINT);
    }
    y
}

/// How many empty columns are the rhythm of a topic, and no pause.
fn patience(data: &Data, topic: &str) -> usize {
    let rate = data.survey.topics.get(topic).and_then(|topic| topic.rate()).unwrap_or(f64::INFINITY);
    let columns = COLUMNS as f64 / (rate * data.survey.seconds()).max(1.0);
    (columns * 2.5) as usize + 1
}

/// From where to where a topic spoke without a pause, in columns.
fn stretches(seen: &[bool], patience: usize) -> Vec<(usize, usize)> {
    let mut found: Vec<(usize, usize)> = Vec::new();
    for (column, _) in seen.iter().enumerate().filter(|(_, seen)| **seen) {
        match found.last_mut() {
            Some((_, end)) if column - *end <= patience => *end = column + 1,
            _ => found.push((column, column + 1)),
        }
    }
    found
}

fn marks(sheet: &mut Sheet, data: &Data, top: f64, bottom: f64) {
    for mark in &data.survey.marks {
        let (from, until) = (data.x(mark.from_ns), data.x(mark.until_ns));
        match mark.kind() {
            MarkKind::Erased => sheet.fill((from, top), ((until - from).max(1.0), bottom - top), ERASED, 0.5),
            MarkKind::TakeOver => sheet.fill((from, top), (1.5, bottom - top), TAKE_OVER, 0.9),
            MarkKind::Start | MarkKind::Stop => sheet.fill((from, top), (0.5, bottom - top), FAINT, 0.8),
            MarkKind::Unknown => {}
        }
    }
}

/// Times below everything that runs in time: about ten, at round seconds.
fn ticks(sheet: &mut Sheet, data: &Data, y: f64) {
    let seconds = data.survey.seconds();
    let rough = seconds / 8.0;
    let steps = [
        0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0,
        36_000.0,
    ];
    let step = steps.into_iter().find(|step| *step >= rough).unwrap_or(rough);
    let count = if step > 0.0 { (seconds / step) as usize } else { 0 };
    for tick in 0..=count.min(20) {
        let time = tick as f64 * step;
        let x = LEFT + time / seconds.max(1e-9) * (WIDTH - LEFT - RIGHT);
        sheet.line(vec![(x, y - 14.0), (x, y - 8.0)], FAINT, 1.0);
        sheet.text((x, y + 4.0), duration(time), Anchor::Middle, FAINT);
    }
}

fn histogram(sheet: &mut Sheet, name: &str, (track, colour): (&Track, Colour), (left, right): (f64, f64), top: f64) {
    let height = 100.0;
    let mean = if track.count > 0 { format!(" · mean {:+.3}", track.sum / track.count as f64) } else { String::new() };
    sheet.text((left, top), format!("{name}{mean}"), Anchor::Left, INK);
    let floor = top + 12.0 + height;
    let most = track.histogram.iter().copied().max().unwrap_or(0).max(1) as f64;
    let step = (right - left) / track.histogram.len() as f64;
    for (bin, count) in track.histogram.iter().enumerate().filter(|(_, count)| **count > 0) {
        let tall = (*count as f64 / most * height).max(1.0);
        sheet.fill((left + bin as f64 * step, floor - tall), (step - 1.0, tall), colour, 1.0);
    }
    sheet.line(vec![(left, floor), (right, floor)], FAINT, 1.0);
    for (x, word, anchor) in
        [(left, "-1", Anchor::Left), (f64::midpoint(left, right), "0", Anchor::Middle), (right, "1", Anchor::Right)]
    {
        sheet.text((x, floor + 14.0), word, anchor, FAINT);
    }
}

/// A name in so many letters: its end says more than its beginning.
fn short(name: &str, letters: usize) -> String {
    let count = name.chars().count();
    if count <= letters {
        name.to_owned()
    } else {
        format!("..{}", name.chars().skip(count - letters + 2).collect::<String>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_rhythm_is_no_pause() {
        let seen = [true, false, true, false, true, false, false, false, false, true];
        assert_eq!(stretches(&seen, 1), [(0, 5), (9, 10)]);
        assert_eq!(stretches(&seen, 0), [(0, 1), (2, 3), (4, 5), (9, 10)]);
        assert_eq!(stretches(&[false; 3], 9), []);
    }

    #[test]
    fn names_are_cut_at_their_beginning() {
        assert_eq!(short("camera/frames", 24), "camera/frames");
        assert_eq!(short("robot:camera/frames/raw/left", 12), "..s/raw/left");
    }
}
