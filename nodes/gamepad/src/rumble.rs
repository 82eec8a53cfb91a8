//! The motors of the gamepad: the newest wish is played, for as long as it says, on the pad that is in use.
//!
//! A thread of its own, because a driver may take its time to answer. Each wish carries its own end into the kernel, so that a
//! node that hangs leaves nothing on; the kernel takes the effects of a node that dies away. It never delays the reader and
//! never opens a pad that nobody wants to shake.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use evdev::{Device, FFEffect, FFEffectCode, FFEffectData, FFEffectKind, FFReplay, FFTrigger};
use offboard::Rumble;
use tracing::warn;

/// How long a wish lasts that does not say, milliseconds.
const USUAL_MS: u16 = 200;

/// The longest wish, milliseconds: a sender that fell silent is felt no longer.
const LONGEST_MS: u16 = 2000;

/// The shortest time between two effects: pads take a few milliseconds each, and nobody feels more.
const BETWEEN: Duration = Duration::from_millis(20);

/// The system's error for a device that is gone, from asm-generic/errno-base.h.
const GONE: i32 = 19;

/// What the motors shall do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wish {
    strong: u16,
    weak: u16,
    lasts_ms: u16,
}

impl Wish {
    /// What a message asks for, bounded; none when a value is not finite.
    pub(crate) fn of(message: &Rumble) -> Option<Wish> {
        let magnitude = |value: f32| {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 65535 by the clamp")]
            let whole = (value.clamp(0.0, 1.0) * f32::from(u16::MAX)).round() as u16;
            value.is_finite().then_some(whole)
        };
        let lasts_ms = match message.duration_ms {
            0 => USUAL_MS,
            asked => u16::try_from(asked).unwrap_or(LONGEST_MS).min(LONGEST_MS),
        };
        Some(Wish { strong: magnitude(message.strong)?, weak: magnitude(message.weak)?, lasts_ms })
    }

    fn is_rest(self) -> bool {
        self.strong == 0 && self.weak == 0
    }

    fn effect(self) -> FFEffectData {
        FFEffectData {
            direction: 0,
            trigger: FFTrigger::default(),
            replay: FFReplay { length: self.lasts_ms, delay: 0 },
            kind: FFEffectKind::Rumble { strong_magnitude: self.strong, weak_magnitude: self.weak },
        }
    }
}

/// What stands between the node and the thread.
#[derive(Debug, Default)]
struct Desk {
    wish: Option<Wish>,
    /// The pad in use, and how often another one came into use.
    pad: Option<PathBuf>,
    pads: u64,
    over: bool,
}

/// The node's end: wishes and pads go in.
#[derive(Debug, Clone, Default)]
pub(crate) struct Motors(Arc<(Mutex<Desk>, Condvar)>);

impl Motors {
    /// Starts the thread. It ends when [`Motors::end`] is called.
    ///
    /// # Errors
    /// The system has no more threads.
    pub(crate) fn start(&self) -> io::Result<()> {
        let motors = self.clone();
        thread::Builder::new().name("rumble".to_owned()).spawn(move || motors.work()).map(drop)
    }

    /// The newest wish; what was not begun yet is forgotten.
    pub(crate) fn wish(&self, wish: Wish) {
        self.desk().wish = Some(wish);
        self.0.1.notify_all();
    }

    /// Which pad is in use from now on.
    pub(crate) fn pad(&self, path: Option<&Path>) {
        let mut desk = self.desk();
        desk.pad = path.map(Path::to_owned);
        desk.pads += 1;
        self.0.1.notify_all();
    }

    /// The motors rest.
    pub(crate) fn end(&self) {
        self.desk().over = true;
        self.0.1.notify_all();
    }

    /// A thread that panicked left the desk whole: each change is one assignment.
    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(self) {
        let (mut hand, mut pads) = (Hand::Unknown, 0);
        loop {
            match self.next(pads, hand.until()) {
                Next::Over => return,
                Next::Pad(count) => (hand, pads) = (Hand::Unknown, count),
                Next::Rest => hand.rest(),
                Next::Wish(wish, pad) => {
                    hand.play(&pad, wish);
                    thread::sleep(BETWEEN);
                }
            }
        }
    }

    /// Waits for a wish, for another pad than the one counted `pads`, or until the motors shall rest.
    fn next(&self, pads: u64, until: Option<Instant>) -> Next {
        let idle = |desk: &mut Desk| !desk.over && desk.pads == pads && (desk.wish.is_none() || desk.pad.is_none());
        let desk = self.desk();
        let mut desk = match until {
            None => self.0.1.wait_while(desk, idle).unwrap_or_else(PoisonError::into_inner),
            Some(until) => {
                let left = until.saturating_duration_since(Instant::now());
                self.0.1.wait_timeout_while(desk, left, idle).unwrap_or_else(PoisonError::into_inner).0
            }
        };
        if desk.over {
            return Next::Over;
        }
        if desk.pads != pads {
            desk.wish = None; // it was meant for the hands that held the other pad
            return Next::Pad(desk.pads);
        }
        match (&desk.pad, desk.wish) {
            (Some(pad), Some(wish)) => {
                let pad = pad.clone();
                desk.wish = None;
                Next::Wish(wish, pad)
            }
            _ => Next::Rest,
        }
    }
}

/// What the thread does next.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    /// Play this on this pad.
    Wish(Wish, PathBuf),
    /// The motors' time is over.
    Rest,
    /// Another pad is in use, or none; how many it were.
    Pad(u64),
    /// End.
    Over,
}

/// The motors of the pad in use.
enum Hand {
    /// Nobody asked yet.
    Unknown,
    /// It has none, or they failed; why was said.
    None,
    /// They can be played.
    Motors(Box<Played>),
}

struct Played {
    effect: Option<(Wish, FFEffect)>,
    until: Option<Instant>,
    pad: Device,
}

impl Hand {
    fn on(path: &Path) -> Hand {
        let pad = match Device::open(path) {
            Ok(pad) => pad,
            Err(error) => {
                warn!("the gamepad cannot rumble: {}: {error}", path.display());
                return Hand::None;
            }
        };
        if pad.supported_ff().is_none_or(|effects| !effects.contains(FFEffectCode::FF_RUMBLE)) {
            warn!("{} has no motors to rumble with: what comes on rumble is ignored", pad.name().unwrap_or("the pad"));
            return Hand::None;
        }
        Hand::Motors(Box::new(Played { pad, effect: None, until: None }))
    }

    /// Until when they move.
    fn until(&self) -> Option<Instant> {
        match self {
            Hand::Motors(played) => played.until,
            _ => None,
        }
    }

    /// Plays a wish on the pad at `path`.
    fn play(&mut self, path: &Path, wish: Wish) {
        if matches!(self, Hand::Unknown) {
            *self = Hand::on(path);
        }
        self.try_to(|played| if wish.is_rest() { played.rest() } else { played.play(wish) });
    }

    /// Nothing moves any more.
    fn rest(&mut self) {
        self.try_to(Played::rest);
    }

    /// A pad that refuses is not asked again.
    fn try_to(&mut self, act: impl FnOnce(&mut Played) -> io::Result<()>) {
        let Hand::Motors(played) = self else { return };
        let Err(error) = act(played) else { return };
        // That it is gone is told by the reader.
        if error.raw_os_error() != Some(GONE) {
            warn!("the gamepad does not rumble: {error}");
        }
        *self = Hand::None;
    }
}

impl Played {
    fn play(&mut self, wish: Wish) -> io::Result<()> {
        let effect = match &mut self.effect {
            Some((known, effect)) => {
                if *known != wish {
                    effect.update(wish.effect())?;
                    *known = wish;
                }
                effect
            }
            none => &mut none.insert((wish, self.pad.upload_ff_effect(wish.effect())?)).1,
        };
        self.until = Some(Instant::now() + Duration::from_millis(wish.lasts_ms.into()));
        effect.play(1)
    }

    /// The effect ends by itself; this is for drivers that forget it.
    fn rest(&mut self) -> io::Result<()> {
        match (self.until.take(), &mut self.effect) {
            (Some(_), Some((_, effect))) => effect.stop(),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(strong: f32, weak: f32, duration_ms: u32) -> Option<Wish> {
        Wish::of(&Rumble { strong, weak, duration_ms })
    }

    #[test]
    fn a_wish_is_bounded_and_has_a_usual_length() {
        let cases = [
            ((0.0, 1.0, 0), (0, 65535, 200)),
            ((0.5, 0.25, 1), (32768, 16384, 1)),
            ((7.0, -1.0, 2001), (65535, 0, 2000)),
            ((1.0, 0.0, u32::MAX), (65535, 0, 2000)),
        ];
        for ((strong, weak, duration_ms), expected) in cases {
            let wish = wish(strong, weak, duration_ms).unwrap();
            assert_eq!((wish.strong, wish.weak, wish.lasts_ms), expected, "{strong} {weak} {duration_ms}");
        }
    }

    #[test]
    fn what_is_not_a_number_is_no_wish() {
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert_eq!((wish(value, 0.0, 100), wish(0.0, value, 100)), (None, None), "{value}");
        }
    }

    #[test]
    fn of_a_flood_only_the_newest_wish_is_left() {
        let motors = Motors::default();
        motors.pad(Some(Path::new("/dev/input/event5")));
        assert_eq!(motors.next(0, None), Next::Pad(1));
        (1..=1000).for_each(|ms| motors.wish(wish(1.0, 0.0, ms).unwrap()));
        assert_eq!(motors.next(1, None), Next::Wish(wish(1.0, 0.0, 1000).unwrap(), "/dev/input/event5".into()));
        assert_eq!(motors.next(1, Some(Instant::now())), Next::Rest);
    }

    #[test]
    fn a_wish_for_the_pad_that_is_gone_does_not_shake_the_next() {
        let motors = Motors::default();
        motors.wish(wish(1.0, 1.0, 2000).unwrap());
        motors.pad(None);
        motors.pad(Some(Path::new("/dev/input/event6")));
        assert_eq!(motors.next(0, None), Next::Pad(2));
        assert_eq!(motors.next(2, Some(Instant::now())), Next::Rest);
    }

    #[test]
    fn the_end_comes_before_anything_else() {
        let motors = Motors::default();
        motors.pad(Some(Path::new("/dev/input/event5")));
        motors.wish(wish(1.0, 1.0, 2000).unwrap());
        motors.end();
        assert_eq!(motors.next(0, None), Next::Over);
    }

    #[test]
    fn the_thread_ends_when_it_is_told_to() {
        let motors = Motors::default();
        motors.start().unwrap();
        motors.end();
        let limit = Instant::now() + Duration::from_secs(10);
        while Arc::strong_count(&motors.0) > 1 {
            assert!(Instant::now() < limit, "it runs on");
            thread::sleep(Duration::from_millis(2));
        }
    }
}
