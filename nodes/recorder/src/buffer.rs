//! What waits for the disk: bounded by bytes. Putting something in never waits for the disk; what does not fit is counted as lost.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use offboard::{Mark, NodeStatus, recording::Recorded};

/// About what a message costs besides its payload.
const OVERHEAD: usize = 256;
/// The most things that wait, whatever their size.
const ITEMS_MAX: usize = 1_000_000;
/// So much is worth a write of its own.
const ENOUGH: usize = 1 << 20;
/// So long the writer sleeps when there is nothing to do, at most: then it looks at the disk.
const IDLE: Duration = Duration::from_millis(500);

/// Something for the writer to do.
#[derive(Debug)]
pub(crate) enum Item {
    Message(Recorded),
    Record(&'static str),
    Pause(&'static str),
    Close(&'static str),
    Mark(Mark),
    Ledger(NodeStatus),
}

/// The buffer between receipt and disk.
#[derive(Debug)]
pub(crate) struct Buffer {
    limit: usize,
    waiting: Mutex<Waiting>,
    news: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    items: VecDeque<Item>,
    /// Bytes of the messages that wait.
    bytes: usize,
    /// Bytes of those that the writer took and did not write yet.
    taken: usize,
    lost: BTreeMap<String, u64>,
    is_over: bool,
}

/// What the writer took.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) items: VecDeque<Item>,
    /// Nothing comes any more.
    pub(crate) is_last: bool,
}

impl Buffer {
    pub(crate) fn new(limit: usize) -> Buffer {
        Buffer { limit, waiting: Mutex::default(), news: Condvar::new() }
    }

    /// Puts a message in, or counts it as lost.
    pub(crate) fn offer(&self, message: Recorded) {
        let bytes = message.payload.len() + OVERHEAD;
        let mut waiting = self.lock();
        let is_full = waiting.bytes + waiting.taken + bytes > self.limit || waiting.items.len() >= ITEMS_MAX;
        if is_full {
            *waiting.lost.entry(message.topic).or_default() += 1;
            return;
        }
        let before = waiting.bytes;
        waiting.bytes += bytes;
        let wakes = waiting.items.is_empty() || (before < ENOUGH && waiting.bytes >= ENOUGH);
        waiting.items.push_back(Item::Message(message));
        drop(waiting);
        if wakes {
            self.news.notify_one();
        }
    }

    /// Puts in something that is rare and weighs nothing.
    pub(crate) fn tell(&self, item: Item) {
        let mut waiting = self.lock();
        if waiting.items.len() < 2 * ITEMS_MAX {
            waiting.items.push_back(item);
        }
        drop(waiting);
        self.news.notify_one();
    }

    /// Counts messages that could not be written.
    pub(crate) fn lose(&self, lost: BTreeMap<String, u64>) {
        let mut waiting = self.lock();
        for (topic, count) in lost {
            *waiting.lost.entry(topic).or_default() += count;
        }
    }

    /// Messages lost so far, by topic.
    pub(crate) fn lost(&self) -> BTreeMap<String, u64> {
        self.lock().lost.clone()
    }

    /// Says that nothing comes any more.
    pub(crate) fn end(&self) {
        self.lock().is_over = true;
        self.news.notify_one();
    }

    /// Everything that waits. Waits itself until there is something, then `gather` longer for more.
    pub(crate) fn take(&self, gather: Duration) -> Batch {
        let mut waiting = self.lock();
        waiting.taken = 0;
        waiting = self.wait(waiting, IDLE, |waiting| waiting.items.is_empty());
        if !waiting.items.is_empty() {
            waiting = self.wait(waiting, gather, |waiting| waiting.bytes < ENOUGH);
        }
        waiting.taken = std::mem::take(&mut waiting.bytes);
        Batch { items: std::mem::take(&mut waiting.items), is_last: waiting.is_over }
    }

    fn wait<'a>(
        &self,
        mut waiting: MutexGuard<'a, Waiting>,
        limit: Duration,
        mut goes_on: impl FnMut(&Waiting) -> bool,
    ) -> MutexGuard<'a, Waiting> {
        let until = Instant::now() + limit;
        while !waiting.is_over && goes_on(&waiting) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            waiting = self.news.wait_timeout(waiting, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        waiting
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use offboard::Header;

    use super::*;

    fn message(topic: &str, bytes: usize) -> Recorded {
        Recorded { topic: topic.into(), header: Header::default(), received_ns: 0, payload: vec![0; bytes].into() }
    }

    #[test]
    fn what_does_not_fit_is_counted_by_topic_and_what_is_taken_still_counts() {
        let buffer = Buffer::new(10_000);
        for _ in 0..5 {
            buffer.offer(message("a/b", 3000));
        }
        assert_eq!(buffer.lost(), [("a/b".to_owned(), 2)].into());
        assert_eq!(buffer.take(Duration::ZERO).items.len(), 3);
        buffer.offer(message("c/d", 3000));
        assert_eq!(buffer.lost()["c/d"], 1, "what the writer took is in memory still");
        buffer.end();
        assert_eq!(buffer.take(Duration::ZERO).items.len(), 0);
        buffer.offer(message("c/d", 3000));
        assert_eq!(buffer.lost()["c/d"], 1);
        assert!(buffer.take(Duration::ZERO).is_last);
    }
}
