//! One PWM output of the computer, through the kernel's files: found, taken, set to a period, given a width. It never gives an output
//! back (unexports it): a pin that nobody drives may float, and what it floats to would move a motor.
//!
//! The kernel refuses a width beyond the period, a width while there is no period, and another polarity while an output is on. A chip
//! may have one period for all its outputs and then refuses another one while any of them is on. [`plan`] keeps these rules.

use std::{
    fs::{self, File},
    io::{self, ErrorKind},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use crate::driver::{device_file::explained, held};

/// Where the kernel shows its PWM chips.
const CLASS: &str = "/sys/class/pwm";

/// How long it may take until udev gave the files of a new output to their group: a second is long even on a busy computer.
const RIGHTS_WITHIN: Duration = Duration::from_secs(1);

/// How often it is looked whether they are there.
const RIGHTS_LOOK: Duration = Duration::from_millis(10);

/// A PWM output that was taken, and what it is to be given.
#[derive(Debug)]
pub(super) struct Pwm {
    /// As people write it: `pwmchip0/1`.
    name: String,
    folder: PathBuf,
    width: File,
    period_ns: u64,
}

/// What the kernel says that an output does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) period_ns: u64,
    pub(super) width_ns: u64,
    pub(super) on: bool,
    pub(super) inverted: bool,
}

/// One thing that the kernel is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    On(bool),
    Upright,
    Period(u64),
    Width(u64),
}

impl Order {
    /// The file and what is written there.
    fn written(self) -> (&'static str, String) {
        match self {
            Order::On(on) => ("enable", u8::from(on).to_string()),
            Order::Upright => ("polarity", "normal".to_owned()),
            Order::Period(ns) => ("period", ns.to_string()),
            Order::Width(ns) => ("duty_cycle", ns.to_string()),
        }
    }
}

/// What to tell the kernel so that an output gives `width_ns` each `period_ns`: first for all outputs of a chip what ends another
/// period, then what begins the new one. An output that has its period already gets its width and is never interrupted.
pub(super) fn plan(seen: Seen, period_ns: u64, width_ns: u64) -> (Vec<Order>, Vec<Order>) {
    if seen.on && !seen.inverted && seen.period_ns == period_ns {
        return (vec![Order::Width(width_ns)], Vec::new());
    }
    let (mut end, mut begin) = (Vec::new(), Vec::new());
    if seen.on {
        // First low, then off: what a chip does with a pin that is off is its own affair.
        let low = if seen.inverted { seen.period_ns } else { 0 };
        end.extend((seen.period_ns > 0).then_some(Order::Width(low)));
        end.push(Order::On(false));
    }
    begin.extend((seen.period_ns > 0).then_some(Order::Width(0)));
    begin.push(Order::Period(period_ns));
    begin.extend(seen.inverted.then_some(Order::Upright));
    begin.extend([Order::Width(width_ns), Order::On(true)]);
    (end, begin)
}

/// An output, and what it is to give.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    /// As people write it: `pwmchip0/1`.
    pub(super) name: &'a str,
    pub(super) period_ns: u64,
    pub(super) width_ns: u64,
}

/// Takes outputs and gives each its width in its period, for instance neutral.
///
/// # Errors
/// What is wrong, and what there is.
pub(super) fn open(wanted: &[Wanted<'_>]) -> io::Result<Vec<Pwm>> {
    let outputs: Vec<Pwm> = wanted.iter().map(Pwm::take).collect::<Result<_, _>>()?;
    if let [left, right] = outputs.as_slice()
        && left.folder == right.folder
    {
        let text = format!("{} and {} are one and the same output", left.name, right.name);
        return Err(wrong(ErrorKind::InvalidInput, text));
    }
    let mut begins = Vec::new();
    for (output, wanted) in outputs.iter().zip(wanted) {
        let (end, begin) = plan(output.seen()?, wanted.period_ns, wanted.width_ns);
        output.tell(&end)?;
        begins.push(begin);
    }
    outputs.iter().zip(begins).try_for_each(|(output, begin)| output.tell(&begin))?;
    Ok(outputs)
}

impl Pwm {
    /// Finds an output and takes it, as it is.
    fn take(wanted: &Wanted<'_>) -> io::Result<Pwm> {
        let Wanted { name, period_ns, .. } = *wanted;
        let unreadable = || wrong(ErrorKind::InvalidInput, format!("{name:?} is no output: write pwmchip0/1"));
        let (chip, number) = parts(name).ok_or_else(unreadable)?;
        let chip = find(Path::new(CLASS), chip)?;
        let folder = chip.export(name, number)?;
        let width = ready(&folder)?;
        let folder = folder.canonicalize().map_err(|error| told(&folder, &error))?;
        Ok(Pwm { name: name.to_owned(), folder, width, period_ns })
    }

    /// Gives the output this width in each period.
    ///
    /// # Errors
    /// When the output vanished or its chip refuses.
    pub(super) fn give(&self, width_ns: u64) -> io::Result<()> {
        let width_ns = width_ns.min(self.period_ns);
        self.width.write_all_at(format!("{width_ns}\n").as_bytes(), 0).map_err(|error| {
            let words = match error.raw_os_error() {
                Some(ENODEV) => format!("{} vanished: its chip or its driver was taken away", self.name),
                _ => format!("{} takes no width of {width_ns} ns: {error}", self.name),
            };
            wrong(error.kind(), words)
        })
    }

    /// Its period.
    pub(super) fn period_ns(&self) -> u64 {
        self.period_ns
    }

    /// As if its files were taken away.
    #[cfg(test)]
    pub(super) fn vanish(&mut self) {
        self.width = File::open("/dev/null").unwrap();
    }

    fn seen(&self) -> io::Result<Seen> {
        let odd = |file: &str| wrong(ErrorKind::InvalidData, format!("{}: {file} is no number", self.name));
        let number = |file: &str| self.read(file)?.parse().map_err(|_| odd(file));
        let (period_ns, width_ns, on): (u64, u64, u64) = (number("period")?, number("duty_cycle")?, number("enable")?);
        let inverted = self.read("polarity").is_ok_and(|polarity| polarity == "inversed"); // some chips have none
        Ok(Seen { period_ns, width_ns, on: on != 0, inverted })
    }

    fn read(&self, file: &str) -> io::Result<String> {
        let path = self.folder.join(file);
        let text = fs::read_to_string(&path).map_err(|error| told(&path, &error))?;
        Ok(text.trim().to_owned())
    }

    fn tell(&self, orders: &[Order]) -> io::Result<()> {
        orders.iter().try_for_each(|order| {
            let (file, text) = order.written();
            fs::write(self.folder.join(file), &text).map_err(|error| wrong(error.kind(), self.refusal(*order, &error)))
        })
    }

    /// Why the kernel refused an order.
    fn refusal(&self, order: Order, error: &io::Error) -> String {
        let name = &self.name;
        let period = Duration::from_nanos(self.period_ns);
        match (order, error.raw_os_error()) {
            (_, Some(EBUSY)) => format!(
                "{name}: its chip has one period for all its outputs, and others are on with another one: \
                 give them all the same frequency, or switch those off"
            ),
            (Order::Period(_) | Order::On(true), Some(EINVAL)) => {
                format!("{name}: its chip cannot make a period of {period:?}: choose another frequency")
            }
            (Order::Upright, _) => format!("{name}: its polarity is inverted and cannot be changed: {error}"),
            _ => {
                let (file, text) = order.written();
                format!("{name}: {text} cannot be written to {file}: {error}")
            }
        }
    }
}

const EBUSY: i32 = 16;
const ENODEV: i32 = 19;
const EINVAL: i32 = 22;

/// `pwmchip0/1`: the chip, and the number of its output.
pub(super) fn parts(name: &str) -> Option<(&str, u32)> {
    let (chip, number) = name.rsplit_once('/')?;
    let number = number.strip_prefix("pwm").unwrap_or(number);
    Some((chip, number.parse().ok()?)).filter(|(chip, _)| !chip.is_empty())
}

/// An output as no other one is called.
pub(super) fn identity(name: &str) -> String {
    let found = parts(name).and_then(|(chip, number)| Some((find(Path::new(CLASS), chip).ok()?.folder, number)));
    found.map_or(name.to_owned(), |(folder, number)| format!("{}/{number}", held::device(&folder)))
}

/// A PWM chip.
#[derive(Debug)]
struct Chip {
    folder: PathBuf,
    /// `pwmchip0`: counted in the order in which chips were found, so it may change with another kernel.
    name: String,
    /// The name of its device, which stays, for instance `1f00098000.pwm`.
    device: String,
    outputs: u32,
}

/// The chip that is called so: by its number (`pwmchip0`), by its device, or by the path of its folder.
fn find(class: &Path, wanted: &str) -> io::Result<Chip> {
    if wanted.starts_with('/') {
        let none = || wrong(ErrorKind::NotFound, format!("{wanted} is no PWM chip: it has no file npwm"));
        return Chip::read(Path::new(wanted)).ok_or_else(none);
    }
    let entries = fs::read_dir(class).into_iter().flatten().flatten();
    let mut chips: Vec<Chip> = entries.filter_map(|entry| Chip::read(&entry.path())).collect();
    if let Some(found) = chips.iter().position(|chip| chip.name == wanted || chip.device == wanted) {
        return Ok(chips.swap_remove(found));
    }
    chips.sort_by(|a, b| (a.name.len(), &a.name).cmp(&(b.name.len(), &b.name)));
    let there: Vec<String> = chips.iter().map(Chip::shown).collect();
    let there = match there.as_slice() {
        [] => "there is none at all: PWM is usually switched on in the boot settings \
               (Raspberry Pi: dtoverlay=pwm-2chan in config.txt)"
            .to_owned(),
        there => format!("there is {}", there.join(", ")),
    };
    Err(wrong(ErrorKind::NotFound, format!("there is no PWM chip {wanted}; {there}")))
}

impl Chip {
    fn read(folder: &Path) -> Option<Chip> {
        let outputs = fs::read_to_string(folder.join("npwm")).ok()?.trim().parse().ok()?;
        let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
        let device = folder.join("device").canonicalize().ok();
        Some(Chip {
            name: name(folder)?,
            device: device.as_deref().and_then(name).unwrap_or_default(),
            outputs,
            folder: folder.to_owned(),
        })
    }

    fn shown(&self) -> String {
        let Chip { name, device, outputs, .. } = self;
        let last = outputs.saturating_sub(1);
        format!("{name} ({device}, outputs 0 to {last})")
    }

    /// Asks the kernel to show an output's files; where they are.
    fn export(&self, name: &str, number: u32) -> io::Result<PathBuf> {
        if number >= self.outputs {
            let text = format!("{name}: there is no output {number}; there is {}", self.shown());
            return Err(wrong(ErrorKind::NotFound, text));
        }
        let folder = self.folder.join(format!("pwm{number}"));
        let export = self.folder.join("export");
        match if folder.exists() { Ok(()) } else { fs::write(&export, number.to_string()) } {
            Ok(()) => Ok(folder),
            Err(_) if folder.exists() => Ok(folder), // another one was quicker
            Err(error) if error.raw_os_error() == Some(EBUSY) => {
                let text = "is in use by the kernel itself (a fan, a light, or the same pin as a GPIO line)";
                Err(wrong(error.kind(), format!("{name} {text}")))
            }
            Err(error) => Err(told(&export, &error)),
        }
    }
}

/// Waits until an output's files may be written, within a bound: udev changes their group a moment after they appear. Its width.
fn ready(folder: &Path) -> io::Result<File> {
    let late = Instant::now() + RIGHTS_WITHIN;
    let open =
        |file: &str| File::options().write(true).open(folder.join(file)).map_err(|error| (folder.join(file), error));
    loop {
        match open("period").and_then(|_| open("enable")).and_then(|_| open("duty_cycle")) {
            Ok(width) => return Ok(width),
            Err((_, error)) if waits(&error) && Instant::now() < late => thread::sleep(RIGHTS_LOOK),
            Err((path, error)) => return Err(told(&path, &error)),
        }
    }
}

fn waits(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::NotFound)
}

/// Why a file of the kernel cannot be used.
fn told(path: &Path, error: &io::Error) -> io::Error {
    let words = explained(path, error, "its driver shows no such file");
    wrong(error.kind(), format!("{}: {words}", path.display()))
}

fn wrong(kind: ErrorKind, words: String) -> io::Error {
    io::Error::new(kind, words)
}

#[cfg(test)]
mod tests;
