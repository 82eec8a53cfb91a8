//! The thread that reads a real gamepad: opens the input system, chooses one pad, follows it until it is gone, looks for the next.
//! It never keeps a value of a pad that is gone, and it never spins.

use std::{
    io,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use gilrs::{Event, EventType, GamepadId, Gilrs, GilrsBuilder, LinuxGamepadExt, MappingSource};
use offboard::clock;
use tracing::{info, warn};

use crate::{
    events,
    idle::{Idle, Verdict},
    inputs::{is_gamepad, why_none},
    layout::{Code, Map, codes, raw_of},
    params::Device,
    rumble::Motors,
    slot::Slot,
    state::{Change, Shape, State},
};

/// The longest wait for an event, so that the node's end and a vanished device are noticed.
const WAIT: Duration = Duration::from_millis(20);

/// How often the device file of the pad in use is looked for: its removal is not always told.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How long after a failure the input system is opened again.
const RETRY: Duration = Duration::from_secs(1);

/// How many events are taken in before the state is shown: a burst, not for ever.
const BURST: usize = 64;

/// The oldest stamp that is believed; an event without a stamp claims 1970.
const STAMP_AGE_MAX_NS: i64 = 1_000_000_000;

/// How long a pad that was plugged in is listened to before it is shown: by then it told what is held.
const SETTLE: Duration = Duration::from_millis(200);

/// How often a pad is looked for while there is none, beside being told.
const SEEK_EVERY: Duration = Duration::from_secs(1);

/// Tells gilrs to find pads without udevd.
pub(crate) const WITHOUT_UDEVD: &str = "GILRS_DISABLE_UDEV";

/// Whether gilrs was not told yet to find pads by the device files alone (docs/decisions/0001).
pub(crate) fn needs_telling() -> bool {
    std::env::var_os(WITHOUT_UDEVD).is_none()
}

/// Opens the input system: unfiltered (the dead zone is ours), without force feedback (docs/decisions/0002).
///
/// # Errors
/// The system's own; most often there is no folder of input devices.
pub(crate) fn open() -> io::Result<Gilrs> {
    let builder = GilrsBuilder::new().with_default_filters(false).with_force_feedback(false);
    builder.build().map_err(|error| io::Error::other(error.to_string()))
}

/// What is read and how.
#[derive(Debug)]
pub(crate) struct Reading {
    /// Which pad.
    pub(crate) device: Device,
    /// Where its fields come from.
    pub(crate) map: Map,
    /// How they are published.
    pub(crate) shape: Shape,
    /// Where it is told which pad's motors are in use.
    pub(crate) motors: Motors,
}

/// Starts the thread. It ends with the node.
///
/// # Errors
/// The system has no more threads.
pub(crate) fn spawn(reading: Reading, slot: Slot) -> io::Result<thread::JoinHandle<()>> {
    thread::Builder::new().name("gamepad".to_owned()).spawn(move || read(&reading, slot))
}

/// Opens the input system again and again until the node ends.
fn read(reading: &Reading, slot: Slot) {
    let Reading { device, map, shape, motors } = reading;
    let sought = Instant::now();
    let mut reader =
        Reader { device, map, shape, motors, slot, state: State::default(), used: None, sought, told: None };
    while !reader.slot.closed() {
        match open() {
            Ok(gilrs) => reader.follow(gilrs),
            Err(error) => reader.tell(format!("no gamepads: {}", why_none().unwrap_or(error.to_string()))),
        }
        reader.lose("gone");
        thread::sleep(RETRY);
    }
}

/// The pad in use.
#[derive(Debug)]
struct Used {
    id: GamepadId,
    path: PathBuf,
    since: Instant,
    looked: Instant,
}

struct Reader<'a> {
    device: &'a Device,
    map: &'a Map,
    shape: &'a Shape,
    motors: &'a Motors,
    slot: Slot,
    state: State,
    used: Option<Used>,
    /// When a pad was last looked for.
    sought: Instant,
    /// What was complained of last; each complaint is made once.
    told: Option<String>,
}

impl Reader<'_> {
    /// Follows the pads until the node ends or the input system is broken.
    fn follow(&mut self, mut gilrs: Gilrs) {
        let mut idle = Idle::default();
        self.choose(&gilrs);
        while !self.slot.closed() {
            let asked = Instant::now();
            match gilrs.next_event_blocking(Some(WAIT)) {
                Some(event) => {
                    idle.busy();
                    self.take_burst(&mut gilrs, event);
                }
                None => match idle.empty(asked.elapsed()) {
                    Verdict::Quiet => {}
                    Verdict::Pause(pause) => thread::sleep(pause),
                    Verdict::Dead => {
                        return self.tell("the input system returns nothing at once; opened anew".to_owned());
                    }
                },
            }
            self.look(&gilrs);
            self.slot.beat();
        }
    }

    /// Takes an event in and those that already wait behind it, then shows the state.
    fn take_burst(&mut self, gilrs: &mut Gilrs, first: Event) {
        let mut stamp_ns = self.take(gilrs, first);
        for _ in 0..BURST {
            let Some(event) = gilrs.next_event() else { break };
            stamp_ns = self.take(gilrs, event);
        }
        self.slot.show(self.state.shaped(self.shape), stamp_ns);
    }

    /// Takes one event in; its stamp.
    fn take(&mut self, gilrs: &Gilrs, event: Event) -> i64 {
        let (time, stamp_ns) = stamp(event.time, SystemTime::now(), clock::now_ns());
        let ours = self.used.as_ref().is_some_and(|used| used.id == event.id);
        match event.event {
            EventType::Disconnected if ours => {
                self.lose("unplugged");
                self.choose(gilrs);
            }
            EventType::Connected => self.choose(gilrs),
            kind if ours => {
                self.map.change(kind).into_iter().for_each(|change| self.state.apply(change));
                let raw = raw_of(kind).map(|(code, raw)| events::event(time, code, raw));
                raw.into_iter().for_each(|event| self.slot.event(stamp_ns, event));
            }
            _ => {}
        }
        stamp_ns
    }

    /// Chooses the first pad that fits, unless one is in use, and says which.
    fn choose(&mut self, gilrs: &Gilrs) {
        if self.used.is_some() {
            return;
        }
        self.sought = Instant::now();
        let there = numbered(gilrs);
        let Some((number, id, pad)) = there.iter().find(|(number, _, pad)| fits(self.device, self.map, *number, pad))
        else {
            let why = why_none().map(|why| format!(": {why}")).unwrap_or_default();
            return self.tell(format!("waiting for {}{why}", self.device));
        };
        let path = pad.devpath().to_owned();
        info!("reading gamepad {number}: {} ({}){}", pad.name(), path.display(), others(&there, *number));
        if let Some(doubt) = self.doubt(pad) {
            warn!("{doubt}");
        }
        self.told = None;
        self.state.apply(Change::Connected(pad.name().to_owned()));
        self.motors.pad(Some(&path));
        let now = Instant::now();
        self.used = Some(Used { id: *id, path, since: now, looked: now });
        self.slot.show(self.state.shaped(self.shape), clock::now_ns());
    }

    /// What may be wrong with the layout of a pad.
    fn doubt(&self, pad: &gilrs::Gamepad<'_>) -> Option<String> {
        let codes = evdev::Device::open(pad.devpath()).map(|device| codes(&device)).ok()?;
        let list = |codes: Vec<Code>| codes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let missing = self.map.missing(&codes);
        if !missing.is_empty() {
            return Some(format!("map: this pad has no {}; gamepad --list shows what it has", list(missing)));
        }
        let fields = self.map.fields(pad, &codes);
        let unheard: Vec<Code> = codes.into_iter().filter(|code| fields.iter().all(|(_, used)| used != code)).collect();
        let known = pad.mapping_source() == MappingSource::SdlMappings || !self.map.is_empty();
        (!known && !unheard.is_empty()).then(|| {
            format!(
                "its layout is not known: {} arrive nowhere until map says what they are, for instance \
                 map = {{ right_bumper = \"{}\" }}",
                list(unheard.clone()),
                unheard[0]
            )
        })
    }

    /// Lets everything go and says why, if a pad was in use.
    fn lose(&mut self, why: &str) {
        if let Some(used) = self.used.take() {
            warn!("the gamepad ({}) is {why}: everything is neutral until one is plugged in", used.path.display());
        }
        self.motors.pad(None);
        self.state.apply(Change::Disconnected);
        self.slot.show(self.state.shaped(self.shape), clock::now_ns());
    }

    /// What is due beside events: a pad that is to be shown, one that is gone untold, one that came untold.
    fn look(&mut self, gilrs: &Gilrs) {
        let Some(used) = &mut self.used else {
            if self.sought.elapsed() >= SEEK_EVERY {
                self.choose(gilrs);
            }
            return;
        };
        if self.state.is_settling() && used.since.elapsed() >= SETTLE {
            let (id, path) = (used.id, used.path.clone());
            return self.settle(&gilrs.gamepad(id), &path);
        }
        if used.looked.elapsed() >= LOOK_EVERY {
            used.looked = Instant::now();
            if !used.path.exists() {
                self.lose("unplugged");
            }
        }
    }

    /// Shows the pad, and says what is held: it counts once it was let go.
    fn settle(&mut self, pad: &gilrs::Gamepad<'_>, path: &Path) {
        let held = evdev::Device::open(path).and_then(|device| self.map.held(pad, &device));
        held.unwrap_or_default().into_iter().for_each(|change| self.state.apply(change));
        self.state.apply(Change::Settled);
        let names: Vec<&str> = self.state.held().iter().map(|field| field.name()).collect();
        if !names.is_empty() {
            warn!("{} was held when the gamepad came: neutral until it is let go", names.join(", "));
        }
        self.slot.show(self.state.shaped(self.shape), clock::now_ns());
    }

    /// Complains, once for each new complaint.
    fn tell(&mut self, complaint: String) {
        if self.told.as_ref() != Some(&complaint) {
            warn!("{complaint}");
            self.told = Some(complaint);
        }
    }
}

/// Whether a pad is the wanted one. Tablets and virtual pointers also have buttons and axes; only what has a lower face
/// button, a known layout or all that the map names is taken without being named.
fn fits(device: &Device, map: &Map, number: usize, pad: &gilrs::Gamepad<'_>) -> bool {
    let holds = |name: &str, part: &str| name.to_lowercase().contains(&part.to_lowercase());
    let mapped = || {
        let codes = evdev::Device::open(pad.devpath()).map(|device| codes(&device)).unwrap_or_default();
        !map.is_empty() && map.missing(&codes).is_empty()
    };
    match device {
        Device::First => {
            pad.button_code(gilrs::Button::South).is_some()
                || pad.mapping_source() == MappingSource::SdlMappings
                || mapped()
        }
        Device::Named(part) => holds(pad.name(), part) || holds(pad.os_name(), part),
        Device::Number(wanted) => number == *wanted,
        Device::Script(_) => false,
    }
}

/// The gamepads in the order of their device files, which is that of their coming, each with its number from 0.
pub(crate) fn numbered(gilrs: &Gilrs) -> Vec<(usize, GamepadId, gilrs::Gamepad<'_>)> {
    let there = gilrs.gamepads().filter(|(_, pad)| pad.devpath().exists() && is_gamepad(pad.devpath()));
    let mut pads: Vec<_> = there.collect();
    // event10 comes after event9.
    pads.sort_by_key(|(_, pad)| (pad.devpath().as_os_str().len(), pad.devpath().to_owned()));
    pads.into_iter().enumerate().map(|(number, (id, pad))| (number, id, pad)).collect()
}

/// The gamepads beside the one in use, as the end of a sentence.
fn others(there: &[(usize, GamepadId, gilrs::Gamepad<'_>)], used: usize) -> String {
    let beside = there.iter().filter(|(number, ..)| *number != used);
    let names: Vec<String> =
        beside.map(|(number, _, pad)| format!("{number}: {} ({})", pad.name(), pad.devpath().display())).collect();
    if names.is_empty() { String::new() } else { format!("; not read: {}", names.join(", ")) }
}

/// An event's time in seconds since the Unix epoch, and on the steady timeline; now, when it claims what cannot be.
fn stamp(time: SystemTime, now: SystemTime, now_ns: i64) -> (f64, i64) {
    let seconds = |time: SystemTime| time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let age_ns = now.duration_since(time).ok().and_then(|age| i64::try_from(age.as_nanos()).ok());
    match age_ns.filter(|age| *age <= STAMP_AGE_MAX_NS) {
        Some(age) => (seconds(time).as_secs_f64(), now_ns - age),
        None => (seconds(now).as_secs_f64(), now_ns),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_stamp_is_kept_and_an_impossible_one_is_now() {
        let now = UNIX_EPOCH + Duration::from_secs(1000);
        let cases = [
            (now - Duration::from_millis(3), (999.997, 47_000_000)),
            (now - Duration::from_secs(5), (1000.0, 50_000_000)),
            (UNIX_EPOCH, (1000.0, 50_000_000)),
            (now + Duration::from_secs(1), (1000.0, 50_000_000)),
        ];
        for (time, expected) in cases {
            assert_eq!(stamp(time, now, 50_000_000), expected, "{time:?}");
        }
    }
}
