//! The desk against a device of the tests' own: what it is given, and when.

use std::sync::{
    atomic::{AtomicUsize, Ordering::Relaxed},
    mpsc::{Receiver, RecvTimeoutError, Sender, channel},
};

use super::*;

/// Every wait of these tests ends here.
const PATIENCE: Duration = Duration::from_secs(10);
const HOLD: Duration = Duration::from_secs(60);
const AHEAD: Wheels = Wheels { left: 1.0, right: 0.5 };

/// A device that tells what it is given; it fails at an output of [`BAD`].
struct Telling {
    tells: Sender<Wheels>,
    /// So many openings fail next.
    failures: Arc<AtomicUsize>,
}

const BAD: Wheels = Wheels { left: -0.125, right: 0.125 };

impl Device for Telling {
    type Open = Sender<Wheels>;

    fn name(&self) -> String {
        "the device".to_owned()
    }

    fn open(&mut self) -> io::Result<Sender<Wheels>> {
        match self.failures.fetch_update(Relaxed, Relaxed, |failures| failures.checked_sub(1)) {
            Ok(_) => Err(io::Error::other("not there")),
            Err(_) => Ok(self.tells.clone()),
        }
    }
}

impl Outputs for Sender<Wheels> {
    fn put(&mut self, wheels: Wheels) -> io::Result<()> {
        if wheels == BAD {
            return Err(io::Error::other("it broke"));
        }
        self.send(wheels).map_err(io::Error::other)
    }
}

fn start(failures: usize, hold: Duration) -> (Desk, Receiver<Wheels>) {
    let (tells, told) = channel();
    let failures = Arc::new(AtomicUsize::new(failures));
    (Desk::start(Telling { tells, failures }, hold).unwrap(), told)
}

fn wait_until(fact: impl Fn() -> bool) {
    let late = Instant::now() + PATIENCE;
    while !fact() {
        assert!(Instant::now() < late, "it did not become so");
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn neutral_is_first_and_last() {
    let (mut desk, told) = start(0, HOLD);
    wait_until(|| desk.trouble().is_none());
    desk.put(0, AHEAD).unwrap();
    assert_eq!(told.recv_timeout(PATIENCE), Ok(Wheels::NEUTRAL));
    assert_eq!(told.recv_timeout(PATIENCE), Ok(AHEAD));
    drop(desk);
    assert_eq!(told.recv_timeout(PATIENCE), Ok(Wheels::NEUTRAL));
    assert_eq!(told.recv_timeout(PATIENCE), Err(RecvTimeoutError::Disconnected), "the thread has ended");
}

#[test]
fn a_missing_device_is_opened_again_and_gets_nothing_old() {
    let (mut desk, told) = start(1, HOLD);
    wait_until(|| desk.trouble().is_some_and(|trouble| trouble == "the device: not there"));
    desk.put(0, AHEAD).unwrap();
    wait_until(|| desk.trouble().is_none());
    drop(desk);
    assert_eq!(told.iter().collect::<Vec<_>>(), [Wheels::NEUTRAL, Wheels::NEUTRAL]);
}

#[test]
fn a_device_that_fails_is_opened_again_and_gets_neutral_first() {
    let (mut desk, told) = start(0, HOLD);
    wait_until(|| desk.trouble().is_none());
    desk.put(0, BAD).unwrap();
    wait_until(|| desk.trouble().is_some_and(|trouble| trouble == "the device: it broke"));
    desk.put(0, AHEAD).unwrap();
    wait_until(|| desk.trouble().is_none());
    desk.put(0, AHEAD).unwrap();
    let three: Vec<Wheels> = (0..3).map(|_| told.recv_timeout(PATIENCE).unwrap()).collect();
    assert_eq!(three, [Wheels::NEUTRAL, Wheels::NEUTRAL, AHEAD]);
}

#[test]
fn on_a_device_that_has_just_failed_neutral_is_tried_quickly() {
    let (tells, told) = channel();
    let failures = Arc::new(AtomicUsize::new(0));
    let mut desk = Desk::start(Telling { tells, failures: failures.clone() }, HOLD).unwrap();
    assert_eq!(told.recv_timeout(PATIENCE), Ok(Wheels::NEUTRAL));
    failures.store(5, Relaxed);
    let began = Instant::now();
    wait_until(|| desk.trouble().is_none());
    desk.put(0, BAD).unwrap();
    assert_eq!(told.recv_timeout(PATIENCE), Ok(Wheels::NEUTRAL));
    assert!(began.elapsed() < REOPEN_EVERY * 4, "{:?}", began.elapsed());
}

#[test]
fn a_desk_knows_whether_its_last_neutral_has_left() {
    let (mut well, _told) = start(0, HOLD);
    wait_until(|| well.trouble().is_none());
    assert!(well.finish() && well.finish());
    let (mut missing, _told) = start(usize::MAX, HOLD);
    assert!(!missing.finish());
    for last in [Err(()), Ok(STOP_WITHIN * 10)] {
        let mut desk = Desk::start(Dying { last }, HOLD).unwrap();
        wait_until(|| desk.trouble().is_none());
        assert!(!desk.finish() && !desk.finish(), "{last:?}");
    }
}

/// A device that takes one output; the next one fails, or takes long.
#[derive(Clone, Copy)]
struct Dying {
    last: std::result::Result<Duration, ()>,
}

/// Whether it took one.
struct Dies(Dying, bool);

impl Device for Dying {
    type Open = Dies;

    fn name(&self) -> String {
        "the device".to_owned()
    }

    fn open(&mut self) -> io::Result<Dies> {
        Ok(Dies(*self, false))
    }
}

impl Outputs for Dies {
    fn put(&mut self, _wheels: Wheels) -> io::Result<()> {
        if std::mem::replace(&mut self.1, true) {
            thread::sleep(self.0.last.map_err(|()| io::Error::other("it broke"))?);
        }
        Ok(())
    }
}

#[test]
fn a_work_loop_that_hangs_brings_neutral() {
    let (mut desk, told) = start(0, Duration::from_millis(30));
    wait_until(|| desk.trouble().is_none());
    desk.put(0, AHEAD).unwrap();
    assert!((0..1000).any(|_| told.recv_timeout(PATIENCE).unwrap() == AHEAD));
    assert_eq!(told.recv_timeout(PATIENCE), Ok(Wheels::NEUTRAL));
}

#[test]
fn only_the_newest_output_is_taken() {
    let shared = Shared::default();
    for n in 0..10 {
        shared.give(Wheels { left: n as f32 / 10.0, right: 0.0 });
    }
    assert_eq!(shared.wait(HOLD), Order::Put(Wheels { left: 0.9, right: 0.0 }));
    assert_eq!(shared.wait(Duration::ZERO), Order::Put(Wheels::NEUTRAL), "and only once");
}

#[test]
fn an_output_that_waited_too_long_is_not_put_out() {
    let shared = Shared::default();
    shared.give(AHEAD);
    thread::sleep(Duration::from_millis(5));
    assert_eq!(shared.wait(Duration::from_millis(1)), Order::Put(Wheels::NEUTRAL));
}

/// A device that takes everything and moves nothing but to neutral.
struct Jammed;

/// What it was given last.
struct Jam(Wheels);

impl Device for Jammed {
    type Open = Jam;

    fn name(&self) -> String {
        "the device".to_owned()
    }

    fn open(&mut self) -> io::Result<Jam> {
        Ok(Jam(Wheels::NEUTRAL))
    }
}

impl Outputs for Jam {
    fn put(&mut self, wheels: Wheels) -> io::Result<()> {
        self.0 = wheels;
        Ok(())
    }

    fn trouble(&self) -> Option<String> {
        (self.0 != Wheels::NEUTRAL).then(|| "it is jammed".to_owned())
    }
}

#[test]
fn a_device_that_takes_outputs_may_be_in_trouble_all_the_same() {
    let mut desk = Desk::start(Jammed, HOLD).unwrap();
    wait_until(|| desk.trouble().is_none());
    desk.put(0, AHEAD).unwrap();
    wait_until(|| desk.trouble().as_deref() == Some("the device: it is jammed"));
    desk.put(0, Wheels::NEUTRAL).unwrap();
    wait_until(|| desk.trouble().is_none());
}
