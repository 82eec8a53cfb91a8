//! GPIO lines as outputs: found by chip and number or by their own name, taken, set. The kernel gives a line to one program at a time
//! and takes it back when that program ends, however it ends. It never takes a line that somebody else has.

use std::{
    fs::{self, File},
    io,
    path::Path,
};

use gpiocdev::{
    Chip, Request,
    line::{Offset, Value},
};

use crate::driver::device_file::explained;

/// Where the kernel shows its GPIO chips.
const FOLDER: &str = "/dev";

/// Who has the line, as `gpioinfo` shows it.
const CONSUMER: &str = "offboard motor";

/// A line that was taken; low at first and at last.
#[derive(Debug)]
pub(super) struct Line {
    name: String,
    request: Request,
    offset: Offset,
}

impl Line {
    /// Finds a line, takes it and makes it low.
    ///
    /// # Errors
    /// What is wrong, and what there is.
    pub(super) fn take(name: &str) -> io::Result<Line> {
        let (chip, offset) = find(Path::new(FOLDER), name).map_err(io::Error::other)?;
        let info = chip.line_info(offset).map_err(|error| io::Error::other(format!("{name}: {error}")))?;
        if info.used {
            let by = if info.consumer.is_empty() { "the kernel".to_owned() } else { format!("{:?}", info.consumer) };
            return Err(io::Error::other(format!("the GPIO line {name} is in use by {by}")));
        }
        let mut builder = Request::builder();
        let builder = builder.on_chip(chip.path()).with_consumer(CONSUMER).with_line(offset);
        let request = builder.as_output(Value::Inactive).request();
        let request =
            request.map_err(|error| io::Error::other(format!("the GPIO line {name} cannot be an output: {error}")))?;
        Ok(Line { name: name.to_owned(), request, offset })
    }

    /// Sets the line.
    ///
    /// # Errors
    /// When its chip vanished.
    pub(super) fn set(&self, high: bool) -> io::Result<()> {
        let value = if high { Value::Active } else { Value::Inactive };
        let set = self.request.set_value(self.offset, value);
        set.map_err(|error| io::Error::other(format!("the GPIO line {} cannot be set: {error}", self.name)))
    }
}

impl Drop for Line {
    /// Low; what its chip makes of the pin then is its own affair.
    fn drop(&mut self) {
        drop(self.set(false));
    }
}

/// The chip and number of a line that is written `gpiochip0/17`, `pinctrl-bcm2711/17`, or by its name, `GPIO17`.
pub(super) fn find(folder: &Path, name: &str) -> Result<(Chip, Offset), String> {
    let chips = chips(folder);
    match name.rsplit_once('/').and_then(|(chip, number)| Some((chip, number.parse().ok()?))) {
        Some((chip, number)) => by_number(chips, name, chip, number),
        None => by_name(chips, name),
    }
}

fn by_number(mut chips: Vec<Seen>, name: &str, wanted: &str, number: Offset) -> Result<(Chip, Offset), String> {
    let file = wanted.strip_prefix("/dev/").unwrap_or(wanted);
    let Some(found) = chips.iter().position(|chip| chip.file == file || chip.label() == Some(wanted)) else {
        return Err(format!("{name}: there is no GPIO chip {wanted}; {}", shown(&chips)));
    };
    let opened = chips.swap_remove(found).opened?;
    if number >= opened.lines {
        let last = opened.lines.saturating_sub(1);
        return Err(format!("{name}: there is no line {number}; {wanted} has lines 0 to {last}"));
    }
    Ok((opened.chip, number))
}

fn by_name(chips: Vec<Seen>, name: &str) -> Result<(Chip, Offset), String> {
    let there = shown(&chips);
    let (mut found, mut closed) = (Vec::new(), None);
    for Seen { file, opened } in chips {
        match opened {
            Ok(opened) => {
                let line = opened.chip.find_line_info(name);
                found.extend(line.map(|info| (format!("{file}/{}", info.offset), opened.chip, info.offset)));
            }
            Err(why) => closed = Some(why),
        }
    }
    if found.len() > 1 {
        let places: Vec<String> = found.into_iter().map(|(place, ..)| place).collect();
        return Err(format!("several GPIO lines are called {name:?}: write {}", places.join(" or ")));
    }
    let missing =
        || format!("there is no GPIO line {name:?}: write gpiochip0/17, or a name as gpioinfo shows it; {there}");
    found.pop().map(|(_, chip, offset)| (chip, offset)).ok_or_else(|| closed.unwrap_or_else(missing))
}

/// A GPIO chip.
struct Seen {
    /// `gpiochip0`: counted in the order in which chips were found.
    file: String,
    /// What it is, or why it cannot be asked.
    opened: Result<Opened, String>,
}

struct Opened {
    chip: Chip,
    label: String,
    lines: u32,
}

impl Seen {
    fn label(&self) -> Option<&str> {
        self.opened.as_ref().ok().map(|opened| opened.label.as_str())
    }
}

/// All chips, in the order of their numbers.
fn chips(folder: &Path) -> Vec<Seen> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut files: Vec<String> = names.filter(|name| name.starts_with("gpiochip")).collect();
    files.sort_by_key(|file| (file.len(), file.clone()));
    files.into_iter().map(|file| Seen { opened: open(&folder.join(&file)), file }).collect()
}

fn open(path: &Path) -> Result<Opened, String> {
    // A request needs it for reading and writing, so that is what is tried.
    let tried = File::options().read(true).write(true).open(path);
    tried.map_err(|error| format!("{}: {}", path.display(), explained(path, &error, "there is none")))?;
    let chip = Chip::from_path(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let info = chip.info().map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(Opened { chip, label: info.label, lines: info.num_lines })
}

/// The chips that there are, for a person who looks for one.
fn shown(chips: &[Seen]) -> String {
    let each = chips.iter().map(|Seen { file, opened }| match opened {
        Ok(Opened { label, lines, .. }) => format!("{file} ({label}, lines 0 to {})", lines.saturating_sub(1)),
        Err(_) => format!("{file} (not open to this user)"),
    });
    let each: Vec<String> = each.collect();
    if each.is_empty() { "there is none at all".to_owned() } else { format!("there is {}", each.join(", ")) }
}
