//! Pads with thumbs of the test's own, and ears that wait for what the node says of them.
//! A pad is unplugged when it is dropped.

use std::time::{Duration, Instant};

use evdev::{
    AbsInfo, AbsoluteAxisCode as Axis, AttributeSet, BusType, EventType, FFEffectCode, InputEvent, InputId,
    KeyCode as Key, UinputAbsSetup, uinput::VirtualDevice,
};
use offboard::{Drive, Gamepad, Header};
use offboard_tests::{Bed, Ear, until};

/// What a pad calls itself that the kernel's xpad driver reads.
pub(crate) const XBOX: &str = "Microsoft X-Box 360 pad";

/// Its buttons.
pub(crate) const XBOX_KEYS: [Key; 11] = [
    Key::BTN_SOUTH,
    Key::BTN_EAST,
    Key::BTN_NORTH,
    Key::BTN_WEST,
    Key::BTN_TL,
    Key::BTN_TR,
    Key::BTN_SELECT,
    Key::BTN_START,
    Key::BTN_MODE,
    Key::BTN_THUMBL,
    Key::BTN_THUMBR,
];

/// Its axes with their ends.
pub(crate) const XBOX_AXES: [(Axis, i32, i32); 8] = [
    (Axis::ABS_X, -32768, 32767),
    (Axis::ABS_Y, -32768, 32767),
    (Axis::ABS_Z, 0, 255),
    (Axis::ABS_RX, -32768, 32767),
    (Axis::ABS_RY, -32768, 32767),
    (Axis::ABS_RZ, 0, 255),
    (Axis::ABS_HAT0X, -1, 1),
    (Axis::ABS_HAT0Y, -1, 1),
];

/// The buttons of a pad of the sort that calls them by numbers.
const OLD_KEYS: [Key; 10] = [
    Key::BTN_TRIGGER,
    Key::BTN_THUMB,
    Key::BTN_THUMB2,
    Key::BTN_TOP,
    Key::BTN_TOP2,
    Key::BTN_PINKIE,
    Key::BTN_BASE,
    Key::BTN_BASE2,
    Key::BTN_BASE3,
    Key::BTN_BASE4,
];

/// Its axes: the second stick is where others have triggers.
const OLD_AXES: [(Axis, i32, i32); 6] = [
    (Axis::ABS_X, 0, 255),
    (Axis::ABS_Y, 0, 255),
    (Axis::ABS_Z, 0, 255),
    (Axis::ABS_RZ, 0, 255),
    (Axis::ABS_HAT0X, -1, 1),
    (Axis::ABS_HAT0Y, -1, 1),
];

/// A pad that is plugged in until it is dropped.
pub(crate) struct Pad(pub(crate) VirtualDevice);

impl Pad {
    /// An Xbox 360 pad, whose layout is known.
    pub(crate) fn xbox() -> Pad {
        Pad::plug(XBOX, InputId::new(BusType::BUS_USB, 0x045e, 0x028e, 0x0114), &XBOX_KEYS, &XBOX_AXES, &[])
    }

    /// The same with motors.
    pub(crate) fn shaking() -> Pad {
        let motors = [FFEffectCode::FF_RUMBLE];
        Pad::plug(XBOX, InputId::new(BusType::BUS_USB, 0x045e, 0x028e, 0x0114), &XBOX_KEYS, &XBOX_AXES, &motors)
    }

    /// A pad that nobody knows, but with the kernel's names for its buttons.
    pub(crate) fn plain(name: &str) -> Pad {
        Pad::plug(name, InputId::new(BusType::BUS_USB, 0x7777, 1, 1), &XBOX_KEYS, &XBOX_AXES, &[])
    }

    /// A pad that nobody knows and that numbers its buttons.
    pub(crate) fn old(name: &str) -> Pad {
        Pad::plug(name, InputId::new(BusType::BUS_USB, 0x7777, 2, 1), &OLD_KEYS, &OLD_AXES, &[])
    }

    fn plug(name: &str, id: InputId, keys: &[Key], axes: &[(Axis, i32, i32)], motors: &[FFEffectCode]) -> Pad {
        let builder = VirtualDevice::builder().expect("uinput").name(name).input_id(id);
        let mut builder = builder.with_keys(&keys.iter().collect::<AttributeSet<Key>>()).expect("keys");
        for (axis, least, most) in axes {
            let flat = if *least == -32768 { 128 } else { 0 };
            // Where a stick rests; a trigger and a hat rest at 0.
            let rest = if matches!((least, most), (0, 255)) && axes.len() == OLD_AXES.len() { 128 } else { 0 };
            let info = AbsInfo::new(rest, *least, *most, flat / 8, flat, 0);
            builder = builder.with_absolute_axis(&UinputAbsSetup::new(*axis, info)).expect("an axis");
        }
        if !motors.is_empty() {
            let motors: AttributeSet<FFEffectCode> = motors.iter().collect();
            builder = builder.with_ff(&motors).expect("motors").with_ff_effects_max(4);
        }
        Pad(builder.build().expect("a pad"))
    }

    /// Presses or releases a button.
    pub(crate) fn key(&mut self, key: Key, pressed: bool) {
        self.both(&[(key, pressed)], &[]);
    }

    /// Moves an axis.
    pub(crate) fn axis(&mut self, axis: Axis, value: i32) {
        self.both(&[], &[(axis, value)]);
    }

    /// Buttons and axes in one report.
    pub(crate) fn both(&mut self, keys: &[(Key, bool)], axes: &[(Axis, i32)]) {
        let keys = keys.iter().map(|(key, pressed)| InputEvent::new(EventType::KEY.0, key.0, i32::from(*pressed)));
        let axes = axes.iter().map(|(axis, value)| InputEvent::new(EventType::ABSOLUTE.0, axis.0, *value));
        self.0.emit(&keys.chain(axes).collect::<Vec<_>>()).expect("the kernel takes it");
    }
}

/// The next state that `fits`; each comes at least 20 times a second.
pub(crate) fn state(ear: &mut Ear, what: &str, fits: impl Fn(&Gamepad) -> bool) -> Gamepad {
    let mut last = None;
    // 10 s, where nothing changes.
    for _ in 0..200 {
        let pad = ear.hear().decode::<Gamepad>().expect("a state").body;
        if fits(&pad) {
            return pad;
        }
        last = Some(pad);
    }
    panic!("{what}: last {last:?}");
}

/// Waits until another process than the one that said `before` shows its pad.
pub(crate) fn restarted(ear: &mut Ear, before: u64) {
    until("the node is back with its pad", || {
        let message = ear.hear();
        let shows = message.decode::<Gamepad>().expect("a state").body.connected;
        (message.header.incarnation != before && shows).then_some(())
    });
}

/// Drives: everything at rest, then the dead-man button and the stick so far ahead, until a command says so. Whoever is not heard for a
/// moment has to begin again, and on a busy host that may happen.
pub(crate) fn drive(pad: &mut Pad, ear: &mut Ear, stick: i32) {
    until("it drives", || {
        pad.both(&[(Key::BTN_TR, false)], &[(Axis::ABS_Y, 0)]);
        listen(ear, |drive| drive.forward == 0.0)?;
        pad.both(&[(Key::BTN_TR, true)], &[(Axis::ABS_Y, stick)]);
        listen(ear, |drive| drive.forward > 0.2).map(drop)
    });
}

/// The next command that `fits` within a second, and its header.
pub(crate) fn listen(ear: &mut Ear, fits: impl Fn(&Drive) -> bool) -> Option<Header> {
    let limit = Instant::now() + Duration::from_secs(1);
    while let Some(message) = ear.hear_within(limit.saturating_duration_since(Instant::now())) {
        if fits(&message.decode::<Drive>().expect("a command").body) {
            return Some(message.header);
        }
    }
    None
}

/// The next command that `fits`, and its header.
pub(crate) fn command(ear: &mut Ear, what: &str, fits: impl Fn(&Drive, &Header) -> bool) -> (Drive, Header) {
    until(what, || {
        let message = ear.hear().decode::<Drive>().expect("a command");
        fits(&message.body, &message.header).then_some((message.body, message.header))
    })
}

/// An emulated machine on a busy host may stand still for seconds; nothing here is about hanging.
const PATIENT: &str = "watchdog = \"30s\"";

/// A graph of one gamepad node, and the ear on its states.
pub(crate) fn graph(params: &str) -> String {
    format!(
        "[graph]\nname = \"pads\"\n\n[node.gamepad]\n{PATIENT}\npublish = {{ pad = \"Gamepad\", events = \"GamepadEvent\" }}\n\
         params = {{ {params} }}\n\n[node.listener]\nrun = [\"sleep\", \"3600\"]\n\
         subscribe = {{ pad = \"gamepad/pad\", events = \"gamepad/events\" }}\n"
    )
}

/// The same with a pilot, whose command is heard.
pub(crate) fn driving() -> String {
    graph("dead_zone = 0.08")
        + "\n[node.pilot]\nwatchdog = \"30s\"\nsubscribe = { pad = \"gamepad/pad\" }\npublish = { drive = \"Drive\" }\n\
           params = { forward_limit = 1.0, turn_limit = 1.0, expo = 0.0 }\n\n[node.wheels]\nrun = [\"sleep\", \"3600\"]\n\
           subscribe = { drive = \"pilot/drive\" }\n"
}

/// The ear on the states of [`graph`].
pub(crate) fn ear(bed: &Bed) -> Ear {
    bed.ear("pads", "gamepad/pad", "listener", "pad")
}
