//! What waits for the wire: per wanted topic its newest message, or a few. Chosen as late as possible.
//!
//! It holds what was asked for and no more; what has to go is counted. It never knows how fast the wire is.

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;
use offboard::proto::Header;

/// Payloads over 4 KiB go over the bulk connection: commands and states are far below, pictures far above.
pub const SMALL_MAX: usize = 4 << 10;

/// Older messages are not sent any more: whoever acts on a message would refuse it, and the wire is better used for newer ones.
pub const AGE_MAX_NS: i64 = 1_000_000_000;

/// A message on its way out; shared, when several peers want it.
#[derive(Debug, Clone, PartialEq)]
pub struct Outgoing {
    /// As the speaker wrote it, on this machine's timeline.
    pub header: Header,
    /// The encoded message.
    pub payload: Bytes,
}

/// What happened to the messages of one topic.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Chosen for sending.
    pub sent: u64,
    /// Bytes of payload of those.
    pub bytes: u64,
    /// Gave way to a newer one.
    pub dropped: u64,
    /// Grew too old while they waited.
    pub expired: u64,
    /// Over the size limits.
    pub oversized: u64,
}

#[derive(Debug)]
struct Lane {
    queue: VecDeque<Arc<Outgoing>>,
    keep: usize,
    route: Route,
    tally: Tally,
}

/// Which connection a topic goes over: all of it over one, so that it stays in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Route {
    /// No message was large so far.
    Control,
    /// One is, and those before it may still be on the control connection: nothing goes until they arrived.
    Moving,
    /// One was.
    Bulk,
}

/// The waiting messages of one session, by the number that each topic has among the wanted.
#[derive(Debug, Default)]
pub struct Outbox {
    lanes: Vec<Lane>,
    /// Where the search for the next message begins, so that each topic gets its turn.
    turn: usize,
}

impl Outbox {
    /// Empties it and makes a place for each wanted topic: so many messages may wait.
    pub fn open(&mut self, keeps: impl IntoIterator<Item = u32>) {
        let lane = |keep: u32| Lane {
            queue: VecDeque::new(),
            keep: (keep as usize).max(1),
            route: Route::Control,
            tally: Tally::default(),
        };
        self.lanes = keeps.into_iter().map(lane).collect();
        self.turn = 0;
    }

    /// Queues a message of topic `number`; the oldest makes room.
    pub fn push(&mut self, number: usize, message: Arc<Outgoing>) {
        let Some(lane) = self.lanes.get_mut(number) else { return };
        if !crate::frame::fits(&message.header, message.payload.len()) {
            lane.tally.oversized += 1;
            return;
        }
        if message.payload.len() > SMALL_MAX && lane.route == Route::Control {
            lane.route = if lane.tally.sent == 0 { Route::Bulk } else { Route::Moving };
        }
        if lane.queue.len() >= lane.keep {
            lane.queue.pop_front();
            lane.tally.dropped += 1;
        }
        lane.queue.push_back(message);
    }

    /// Chooses what goes next over one of the connections; what is too old at `now_ns` never goes.
    pub fn pop(&mut self, bulk: bool, now_ns: i64) -> Option<(u16, Arc<Outgoing>)> {
        let count = self.lanes.len();
        let route = if bulk { Route::Bulk } else { Route::Control };
        for number in (0..count).map(|step| (self.turn + step) % count) {
            let lane = &mut self.lanes[number];
            if lane.route != route {
                continue;
            }
            while let Some(message) = lane.queue.pop_front() {
                if is_old(&message.header, now_ns) {
                    lane.tally.expired += 1;
                    continue;
                }
                lane.tally.sent += 1;
                lane.tally.bytes += message.payload.len() as u64;
                self.turn = number + 1;
                return Some((number as u16, message));
            }
        }
        None
    }

    /// Whether a topic waits to be moved: until all that was chosen for the control connection so far has arrived.
    #[must_use]
    pub fn is_moving(&self) -> bool {
        self.lanes.iter().any(|lane| lane.route == Route::Moving)
    }

    /// All that was chosen for the control connection before topics began to move has arrived.
    pub fn moved(&mut self) {
        for lane in self.lanes.iter_mut().filter(|lane| lane.route == Route::Moving) {
            lane.route = Route::Bulk;
        }
    }

    /// What happened so far, per topic.
    #[must_use]
    pub fn tallies(&self) -> Vec<Tally> {
        self.lanes.iter().map(|lane| lane.tally).collect()
    }
}

/// Whether a message was sent by its publisher more than [`AGE_MAX_NS`] ago. One that does not say when is not judged here:
/// whoever acts on it looks at its age.
#[must_use]
pub fn is_old(header: &Header, now_ns: i64) -> bool {
    header.sent_ns != 0 && now_ns.saturating_sub(header.sent_ns) > AGE_MAX_NS
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message(seq: u64, sent_ns: i64, size: usize) -> Arc<Outgoing> {
        let header = Header { seq, sent_ns, ..Header::default() };
        Arc::new(Outgoing { header, payload: vec![0; size].into() })
    }

    fn outbox(keeps: &[u32]) -> Outbox {
        let mut outbox = Outbox::default();
        outbox.open(keeps.iter().copied());
        outbox
    }

    fn popped(outbox: &mut Outbox, bulk: bool) -> Vec<(u16, u64)> {
        std::iter::from_fn(|| outbox.pop(bulk, 1)).map(|(number, message)| (number, message.header.seq)).collect()
    }

    #[test]
    fn the_newest_wins_and_the_loser_is_counted() {
        let mut outbox = outbox(&[1]);
        (1..=5).for_each(|seq| outbox.push(0, message(seq, 1, 9)));
        assert_eq!(popped(&mut outbox, false), [(0, 5)]);
        assert_eq!(outbox.tallies(), [Tally { sent: 1, bytes: 9, dropped: 4, ..Tally::default() }]);
    }

    #[test]
    fn a_topic_that_keeps_several_drops_its_oldest() {
        let mut outbox = outbox(&[3]);
        (1..=5).for_each(|seq| outbox.push(0, message(seq, 1, 9)));
        assert_eq!(popped(&mut outbox, false), [(0, 3), (0, 4), (0, 5)]);
    }

    #[test]
    fn each_topic_gets_its_turn() {
        let mut outbox = outbox(&[9, 9, 9]);
        for number in [0, 2] {
            (1..=2).for_each(|seq| outbox.push(number, message(seq, 1, 9)));
        }
        assert_eq!(popped(&mut outbox, false), [(0, 1), (2, 1), (0, 2), (2, 2)]);
    }

    #[test]
    fn a_picture_waits_for_the_bulk_connection_and_a_command_does_not() {
        let mut outbox = outbox(&[1, 1]);
        outbox.push(0, message(1, 1, SMALL_MAX + 1));
        outbox.push(1, message(1, 1, SMALL_MAX));
        assert_eq!(popped(&mut outbox, false), [(1, 1)]);
        assert_eq!(popped(&mut outbox, true), [(0, 1)]);
    }

    #[test]
    fn a_topic_that_once_sent_a_picture_stays_in_order() {
        let mut outbox = outbox(&[9]);
        outbox.push(0, message(1, 1, SMALL_MAX + 1));
        outbox.push(0, message(2, 1, 0));
        assert_eq!(popped(&mut outbox, false), []);
        assert_eq!(popped(&mut outbox, true), [(0, 1), (0, 2)]);
    }

    #[test]
    fn a_topic_whose_messages_grow_waits_until_the_small_ones_arrived() {
        let mut outbox = outbox(&[9]);
        outbox.push(0, message(1, 1, 9));
        assert_eq!(popped(&mut outbox, false), [(0, 1)]);
        outbox.push(0, message(2, 1, SMALL_MAX + 1));
        outbox.push(0, message(3, 1, 9));
        assert!(outbox.is_moving());
        assert_eq!((popped(&mut outbox, false), popped(&mut outbox, true)), (vec![], vec![]));
        outbox.moved();
        assert!(!outbox.is_moving());
        assert_eq!(popped(&mut outbox, true), [(0, 2), (0, 3)]);
    }

    #[test]
    fn what_grew_old_is_counted_and_never_goes() {
        let mut outbox = outbox(&[9]);
        outbox.push(0, message(1, 100, 9));
        outbox.push(0, message(2, 200, 9));
        assert_eq!(outbox.pop(false, 150 + AGE_MAX_NS).unwrap().1.header.seq, 2);
        assert_eq!(outbox.tallies()[0].expired, 1);
    }

    #[test]
    fn a_message_that_does_not_say_when_it_was_sent_is_not_judged() {
        assert!(!is_old(&Header::default(), i64::MAX));
    }

    #[test]
    fn a_message_over_the_limit_is_counted_and_never_goes() {
        let mut outbox = outbox(&[1]);
        let header = Header { origin: "x".repeat(crate::frame::HEADER_MAX), ..Header::default() };
        outbox.push(0, Arc::new(Outgoing { header, payload: Bytes::new() }));
        assert_eq!((outbox.pop(false, 1), outbox.tallies()[0].oversized), (None, 1));
    }

    proptest! {
        #[test]
        fn every_message_is_sent_dropped_expired_or_waits_and_never_too_many_wait(
            keep in 1_u32..5,
            steps in proptest::collection::vec((any::<bool>(), 0..2_usize, 0..3_000_000_000_i64), 0..200),
        ) {
            let mut outbox = outbox(&[keep, keep]);
            let mut pushed = 0;
            for (push, number, ns) in steps {
                if push {
                    outbox.push(number, message(1, ns + 1, 9));
                    pushed += 1;
                } else {
                    outbox.pop(false, ns);
                }
                let waiting: usize = outbox.lanes.iter().map(|lane| lane.queue.len()).sum();
                let gone: u64 = outbox.tallies().iter().map(|t| t.sent + t.dropped + t.expired).sum();
                prop_assert_eq!(gone as usize + waiting, pushed);
                prop_assert!(outbox.lanes.iter().all(|lane| lane.queue.len() <= keep as usize));
            }
        }
    }
}
