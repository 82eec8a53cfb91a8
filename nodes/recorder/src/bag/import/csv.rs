//! A folder of pictures beside a table `controls.csv` as moments: `frame,steering,throttle` and, when it was kept, `stamp_ns`. What
//! export writes is read back. It knows no quoting: names of pictures need none.

use std::path::{Path, PathBuf};

use offboard::DriveMode;

use super::{
    super::{
        failure::{Failure, Result},
        picture::Picture,
    },
    lines::Lines,
    moment::{Moment, control, plain_name},
    tub::read,
};

/// The table's name.
pub(crate) const TABLE: &str = "controls.csv";
/// The folder of the pictures.
pub(crate) const FRAMES: &str = "frames";
/// No picture is longer.
const PICTURE_MAX: u64 = 64 << 20;

/// A folder that can be read.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    lines: Lines,
    columns: Columns,
    /// Moments a second, where the table has no stamps.
    rate: f64,
    rows: u64,
}

/// Which column is what.
#[derive(Debug)]
struct Columns {
    frame: usize,
    steering: usize,
    throttle: usize,
    stamp: Option<usize>,
    mode: Option<usize>,
}

impl Columns {
    fn of(head: &str) -> Result<Columns, String> {
        let names: Vec<&str> = head.trim().split(',').map(str::trim).collect();
        let find = |name: &str| names.iter().position(|column| *column == name);
        let need =
            |name: &str| find(name).ok_or_else(|| format!("has no column {name}: it needs frame,steering,throttle"));
        Ok(Columns {
            frame: need("frame")?,
            steering: need("steering")?,
            throttle: need("throttle")?,
            stamp: find("stamp_ns"),
            mode: find("mode"),
        })
    }
}

impl Folder {
    /// Whether a folder looks like one.
    pub(crate) fn is_there(folder: &Path) -> bool {
        folder.join(TABLE).is_file()
    }

    /// Reads the head of its table.
    pub(crate) fn open(folder: &Path, rate: Option<f64>) -> Result<Folder> {
        let path = folder.join(TABLE);
        let mut lines = Lines::of(&path)?;
        let (_, head) = lines.next().transpose()?.ok_or_else(|| Failure::at(&path, "is empty"))?;
        let columns = Columns::of(&head).map_err(|problem| Failure::at(&path, problem))?;
        let rate = match (rate, columns.stamp) {
            (Some(rate), _) => rate,
            (None, Some(_)) => 1.0,
            (None, None) => {
                return Err(Failure::at(&path, "has no column stamp_ns: say how many pictures a second with --rate"));
            }
        };
        Ok(Folder { path: folder.to_owned(), lines, columns, rate, rows: 0 })
    }

    fn moment(&self, line: &str) -> Result<Moment, String> {
        let cells: Vec<&str> = line.trim().split(',').map(str::trim).collect();
        let cell = |at: usize| cells.get(at).copied().ok_or_else(|| format!("has {} columns", cells.len()));
        let number = |what: &str, at: usize| -> Result<f32, String> {
            let text = cell(at)?;
            control(what, text.parse().map_err(|_| format!("{what} is {text:?}, no number"))?)
        };
        let stamp_ns = match self.columns.stamp {
            Some(at) => cell(at)?.parse().map_err(|_| "stamp_ns is no number".to_owned())?,
            // The first moment is at 1 s: 0 would mean that nobody knows.
            None => 1_000_000_000_i64.saturating_add(((self.rows - 1) as f64 * 1e9 / self.rate).round() as i64),
        };
        let path = self.path.join(FRAMES).join(plain_name(cell(self.columns.frame)?)?);
        let data = read(&path, PICTURE_MAX).map_err(|problem| problem.to_string())?;
        let jpeg = Picture::from_jpeg(data.into()).and_then(|picture| picture.to_jpeg());
        Ok(Moment {
            stamp_ns,
            jpeg: jpeg.map_err(|problem| format!("{}: {problem}", path.display()))?,
            steering: number("steering", self.columns.steering)?,
            throttle: number("throttle", self.columns.throttle)?,
            mode: match self.columns.mode.and_then(|at| cells.get(at)) {
                Some(&"model") => DriveMode::Model,
                Some(&"assist") => DriveMode::Assist,
                Some(&"shadow") => DriveMode::Shadow,
                _ => DriveMode::Human,
            },
            erased: false,
        })
    }
}

impl Iterator for Folder {
    type Item = Result<Moment>;

    fn next(&mut self) -> Option<Result<Moment>> {
        let (number, line) = match self.lines.next()? {
            Ok(line) => line,
            Err(failure) => return Some(Err(failure)),
        };
        self.rows += 1;
        Some(self.moment(&line).map_err(|problem| self.lines.failure(number, &problem)))
    }
}
