//! What stands between the thread that reads the gamepad and the node: the newest state, and a short queue of raw events.
//! It never makes the reader wait.

use std::time::{Duration, Instant};

use offboard::{Gamepad, GamepadEvent};
use tokio::sync::{mpsc, watch};

/// How many raw events may wait: half a second of a stick that is stirred at 500 Hz.
const EVENTS_MAX: usize = 256;

/// After how long without a sign of life of the reader its state is no longer believed. The reader gives one each 20 ms.
const BELIEVED: Duration = Duration::from_millis(200);

/// The newest state and when the reader last stood by it.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    pad: Gamepad,
    /// When the state was sensed, on the machine's steady timeline.
    pub(crate) stamp_ns: i64,
    seen: Instant,
}

impl Snapshot {
    /// The state to publish at `now`: neutral and not connected once the reader is silent.
    pub(crate) fn believed(&self, now: Instant) -> Gamepad {
        if !self.pad.connected || now.saturating_duration_since(self.seen) < BELIEVED {
            return self.pad.clone();
        }
        Gamepad { name: self.pad.name.clone(), ..Gamepad::default() }
    }
}

/// A raw event and its stamp.
pub(crate) type StampedEvent = (i64, GamepadEvent);

/// The reader's end.
#[derive(Debug)]
pub(crate) struct Slot {
    state: watch::Sender<Snapshot>,
    events: mpsc::Sender<StampedEvent>,
    lost: u64,
}

/// Both ends of a new slot; nothing is connected at first.
pub(crate) fn slot() -> (Slot, watch::Receiver<Snapshot>, mpsc::Receiver<StampedEvent>) {
    let empty = Snapshot { pad: Gamepad::default(), stamp_ns: offboard::clock::now_ns(), seen: Instant::now() };
    let (state, newest) = watch::channel(empty);
    let (events, queue) = mpsc::channel(EVENTS_MAX);
    (Slot { state, events, lost: 0 }, newest, queue)
}

impl Slot {
    /// Stands by a state; wakes the node only if it is another one.
    pub(crate) fn show(&mut self, pad: Gamepad, stamp_ns: i64) {
        self.state.send_if_modified(|snapshot| {
            snapshot.seen = Instant::now();
            if snapshot.pad == pad {
                return false;
            }
            (snapshot.pad, snapshot.stamp_ns) = (pad, stamp_ns);
            true
        });
    }

    /// Stands by the state as it is.
    pub(crate) fn beat(&mut self) {
        self.state.send_if_modified(|snapshot| {
            snapshot.seen = Instant::now();
            false
        });
    }

    /// Queues a raw event; counted and dropped when the queue is full.
    pub(crate) fn event(&mut self, stamp_ns: i64, event: GamepadEvent) {
        if let Err(mpsc::error::TrySendError::Full(_)) = self.events.try_send((stamp_ns, event)) {
            self.lost += 1;
            // Told at 1, 2, 4, 8…: a flood must not flood the log too.
            if self.lost.is_power_of_two() {
                tracing::warn!("{} raw events dropped so far: the node is too slow for them", self.lost);
            }
        }
    }

    /// Whether the node has ended.
    pub(crate) fn closed(&self) -> bool {
        self.state.is_closed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pad(left_stick_y: f32) -> Gamepad {
        Gamepad { connected: true, name: "pad".into(), left_stick_y, ..Gamepad::default() }
    }

    #[test]
    fn the_newest_state_wins() {
        let (mut slot, newest, _events) = slot();
        (1..=3).for_each(|stamp| slot.show(pad(stamp as f32 / 10.0), stamp));
        assert_eq!(newest.borrow().believed(Instant::now()), pad(0.3));
        assert_eq!(newest.borrow().stamp_ns, 3);
    }

    #[test]
    fn only_a_change_wakes_the_node_and_a_repeated_state_keeps_its_stamp() {
        let (mut slot, mut newest, _events) = slot();
        slot.show(pad(0.5), 1);
        assert!(newest.has_changed().unwrap());
        newest.mark_unchanged();
        slot.show(pad(0.5), 2);
        slot.beat();
        assert!(!newest.has_changed().unwrap());
        assert_eq!(newest.borrow().stamp_ns, 1);
    }

    #[test]
    fn a_silent_readers_state_is_not_believed() {
        let (mut slot, newest, _events) = slot();
        slot.show(pad(0.5), 1);
        let gone = Gamepad { name: "pad".into(), ..Gamepad::default() };
        assert_eq!(newest.borrow().believed(Instant::now() + BELIEVED), gone);
        slot.beat();
        assert_eq!(newest.borrow().believed(Instant::now()), pad(0.5));
    }

    #[test]
    fn events_keep_their_order_and_a_full_queue_drops_the_newest_without_waiting() {
        let (mut slot, _newest, mut events) = slot();
        (0..EVENTS_MAX as i64 + 5).for_each(|stamp| slot.event(stamp, GamepadEvent::default()));
        assert_eq!(slot.lost, 5);
        let stamps: Vec<i64> = std::iter::from_fn(|| events.try_recv().ok()).map(|(stamp, _)| stamp).collect();
        assert_eq!(stamps, (0..EVENTS_MAX as i64).collect::<Vec<_>>());
    }

    #[test]
    fn the_reader_notices_that_the_node_has_ended() {
        let (slot, newest, _events) = slot();
        assert!(!slot.closed());
        drop(newest);
        assert!(slot.closed());
    }
}
