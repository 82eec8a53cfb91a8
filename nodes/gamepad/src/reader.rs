//! The thread that reads a real gamepad: opens the input system, chooses one pad, follows it until it is gone, looks for the next.
//! It never keeps a value of a pad that is gone, and it never spins.

use std::{
    io,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use gilrs::{Event, EventType, GamepadId, Gilrs, GilrsBuilder, LinuxGamepadExt, MappingSource};
use offboard::{
    clock,
    gamepad::{Axis, Button},
};
use tracing::{info, warn};

use crate::{
    devices::why_none,
    events::{self, Raw, is_absolute},
    idle::{Idle, Verdict},
    params::Device,
    slot::Slot,
    state::{Change, Direction, Shape, State},
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

/// Where udevd listens while it runs.
const UDEVD: &str = "/run/udev/control";

/// Tells gilrs to find pads without udevd.
pub(crate) const WITHOUT_UDEVD: &str = "GILRS_DISABLE_UDEV";

/// Whether pads can be found only without udevd, and gilrs was not told so.
pub(crate) fn needs_telling() -> bool {
    !Path::new(UDEVD).exists() && std::env::var_os(WITHOUT_UDEVD).is_none()
}

/// Opens the input system: unfiltered (the dead zone is ours), without force feedback.
///
/// # Errors
/// The system's own; most often there is no folder of input devices.
pub(crate) fn open() -> io::Result<Gilrs> {
    let builder = GilrsBuilder::new().with_default_filters(false).with_force_feedback(false);
    builder.build().map_err(|error| io::Error::other(error.to_string()))
}

/// Starts the thread. It ends with the node.
///
/// # Errors
/// The system has no more threads.
pub(crate) fn spawn(device: Device, shape: Shape, slot: Slot) -> io::Result<thread::JoinHandle<()>> {
    thread::Builder::new().name("gamepad".to_owned()).spawn(move || read(&device, &shape, slot))
}

/// Opens the input system again and again until the node ends.
fn read(device: &Device, shape: &Shape, slot: Slot) {
    let mut reader = Reader { device, shape, slot, state: State::default(), used: None, told: None };
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
    looked: Instant,
}

struct Reader<'a> {
    device: &'a Device,
    shape: &'a Shape,
    slot: Slot,
    state: State,
    used: Option<Used>,
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
            if self.vanished() {
                return;
            }
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
                change_of(kind).into_iter().for_each(|change| self.state.apply(change));
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
        let found = gilrs.gamepads().find(|(id, pad)| fits(self.device, *id, pad));
        let Some((id, pad)) = found else {
            let why = why_none().map(|why| format!(": {why}")).unwrap_or_default();
            return self.tell(format!("waiting for {}{why}", self.device));
        };
        let path = pad.devpath().to_owned();
        info!("reading gamepad {id}: {} ({})", pad.name(), path.display());
        self.told = None;
        self.state.apply(Change::Connected(pad.name().to_owned()));
        self.used = Some(Used { id, path, looked: Instant::now() });
        self.slot.show(self.state.shaped(self.shape), clock::now_ns());
    }

    /// Lets everything go and says why, if a pad was in use.
    fn lose(&mut self, why: &str) {
        if let Some(used) = self.used.take() {
            warn!("gamepad {} is {why}: everything is neutral until one is plugged in", used.id);
        }
        self.state.apply(Change::Disconnected);
        self.slot.show(self.state.shaped(self.shape), clock::now_ns());
    }

    /// Whether the device file of the pad in use is gone although nothing told so.
    fn vanished(&mut self) -> bool {
        let Some(used) = self.used.as_mut().filter(|used| used.looked.elapsed() >= LOOK_EVERY) else {
            return false;
        };
        used.looked = Instant::now();
        !used.path.exists()
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
/// button or a known layout is taken without being named.
fn fits(device: &Device, id: GamepadId, pad: &gilrs::Gamepad<'_>) -> bool {
    let holds = |name: &str, part: &str| name.to_lowercase().contains(&part.to_lowercase());
    match device {
        Device::First => {
            pad.button_code(gilrs::Button::South).is_some() || pad.mapping_source() == MappingSource::SdlMappings
        }
        Device::Named(part) => holds(pad.name(), part) || holds(pad.os_name(), part),
        Device::Number(number) => usize::from(id) == *number,
        Device::Script(_) => false,
    }
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

/// What an event changes. Each button gives `ButtonPressed` and `ButtonChanged`: the first counts, for triggers the second.
fn change_of(event: EventType) -> Option<Change> {
    match event {
        EventType::ButtonPressed(button, _) => pressed(button, true),
        EventType::ButtonReleased(button, _) => pressed(button, false),
        EventType::ButtonChanged(gilrs::Button::LeftTrigger2, value, _) => Some(Change::Axis(Axis::LeftTrigger, value)),
        EventType::ButtonChanged(gilrs::Button::RightTrigger2, value, _) => {
            Some(Change::Axis(Axis::RightTrigger, value))
        }
        EventType::AxisChanged(axis, value, _) => moved(axis, value),
        _ => None,
    }
}

fn pressed(button: gilrs::Button, pressed: bool) -> Option<Change> {
    use gilrs::Button as Pad;
    let button = match button {
        Pad::South => Button::South,
        Pad::East => Button::East,
        Pad::West => Button::West,
        Pad::North => Button::North,
        Pad::LeftTrigger => Button::LeftBumper,
        Pad::RightTrigger => Button::RightBumper,
        Pad::LeftThumb => Button::LeftThumb,
        Pad::RightThumb => Button::RightThumb,
        Pad::Select => Button::Select,
        Pad::Start => Button::Start,
        Pad::Mode => Button::Mode,
        Pad::DPadUp => return Some(Change::Dpad(Direction::Up, pressed)),
        Pad::DPadDown => return Some(Change::Dpad(Direction::Down, pressed)),
        Pad::DPadLeft => return Some(Change::Dpad(Direction::Left, pressed)),
        Pad::DPadRight => return Some(Change::Dpad(Direction::Right, pressed)),
        _ => return None,
    };
    Some(Change::Button(button, pressed))
}

fn moved(axis: gilrs::Axis, value: f32) -> Option<Change> {
    use gilrs::Axis as Pad;
    let (axis, value) = match axis {
        Pad::LeftStickX => (Axis::LeftStickX, value),
        Pad::LeftStickY => (Axis::LeftStickY, value),
        Pad::RightStickX => (Axis::RightStickX, value),
        Pad::RightStickY => (Axis::RightStickY, value),
        // Without a known layout the triggers are plain axes that rest at -1.
        Pad::LeftZ => (Axis::LeftTrigger, f32::midpoint(value, 1.0)),
        Pad::RightZ => (Axis::RightTrigger, f32::midpoint(value, 1.0)),
        Pad::DPadX => (Axis::DpadX, value),
        Pad::DPadY => (Axis::DpadY, value),
        Pad::Unknown => return None,
    };
    Some(Change::Axis(axis, value))
}

/// The raw event behind an event: its packed code and its value in the kernel's direction. One of the pair that each
/// button gives, none for what is no input.
fn raw_of(event: EventType) -> Option<(u32, Raw)> {
    use gilrs::Axis as Pad;
    match event {
        EventType::ButtonPressed(_, code) if !is_absolute(code.into_u32()) => Some((code.into_u32(), Raw::Key(true))),
        EventType::ButtonReleased(_, code) if !is_absolute(code.into_u32()) => Some((code.into_u32(), Raw::Key(false))),
        EventType::ButtonChanged(_, value, code) if is_absolute(code.into_u32()) => {
            Some((code.into_u32(), Raw::OneSided(value)))
        }
        EventType::AxisChanged(_, value, code) if !is_absolute(code.into_u32()) => {
            Some((code.into_u32(), Raw::Key(value > 0.5)))
        }
        EventType::AxisChanged(Pad::LeftStickY | Pad::RightStickY | Pad::DPadY, value, code) => {
            Some((code.into_u32(), Raw::Centred(-value)))
        }
        EventType::AxisChanged(_, value, code) => Some((code.into_u32(), Raw::Centred(value))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn south() -> gilrs::ev::Code {
        gilrs::Button::South.to_nec().unwrap()
    }

    #[test]
    fn a_button_counts_once_although_it_is_told_twice() {
        let told = [
            EventType::ButtonPressed(gilrs::Button::South, south()),
            EventType::ButtonChanged(gilrs::Button::South, 1.0, south()),
        ];
        assert_eq!(told.map(change_of), [Some(Change::Button(Button::South, true)), None]);
        assert_eq!(told.map(raw_of), [Some((0x0001_0130, Raw::Key(true))), None]);
    }

    #[test]
    fn shoulders_are_bumpers_and_the_lower_ones_triggers() {
        let bumper = EventType::ButtonPressed(gilrs::Button::RightTrigger, south());
        let trigger = EventType::ButtonChanged(gilrs::Button::RightTrigger2, 0.25, south());
        assert_eq!(change_of(bumper), Some(Change::Button(Button::RightBumper, true)));
        assert_eq!(change_of(trigger), Some(Change::Axis(Axis::RightTrigger, 0.25)));
        let pressed = EventType::ButtonPressed(gilrs::Button::RightTrigger2, south());
        assert_eq!(change_of(pressed), None);
    }

    #[test]
    fn a_trigger_without_a_known_layout_rests_at_zero() {
        let values = [-1.0, 0.0, 1.0].map(|value| moved(gilrs::Axis::LeftZ, value));
        assert_eq!(values, [0.0, 0.5, 1.0].map(|value| Some(Change::Axis(Axis::LeftTrigger, value))));
    }

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
