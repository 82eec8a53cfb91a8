//! What happened to the nodes of a graph: its last events, for whoever follows them.
//! It never waits for a follower and holds nothing for one: who is slow misses the oldest and is told how many.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use offboard::proto::{EndCause, EventKind};
use tokio::sync::watch;

use crate::control::EventView;

/// How many events are kept.
const EVENTS_MAX: usize = 256;

/// How much they may weigh together, in bytes: each may hold fifty long lines.
const BYTES_MAX: usize = 2 << 20;

/// How much the last words of one event may weigh, in bytes: it stays below the 64 KiB that a small message has.
const WORDS_MAX: usize = 56 << 10;

/// The longest reason, in bytes.
const REASON_MAX: usize = 2 << 10;

/// The events of one graph.
#[derive(Debug)]
pub(crate) struct Feed {
    kept: Mutex<Kept>,
    newest: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Kept {
    events: VecDeque<Arc<EventView>>,
    bytes: usize,
}

/// One who follows the events, from the oldest that is kept.
#[derive(Debug)]
pub(crate) struct Follower {
    feed: Arc<Feed>,
    newest: watch::Receiver<u64>,
    /// The number of the next event; 0: whichever is the oldest.
    next: u64,
}

/// What a follower gets.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Told {
    /// The next event.
    Event(Arc<EventView>),
    /// So many were forgotten before they could be told.
    Missed(u64),
}

impl Feed {
    /// Nothing happened yet.
    pub(crate) fn new() -> Arc<Feed> {
        Arc::new(Feed { kept: Mutex::default(), newest: watch::Sender::new(0) })
    }

    /// Something happened: it gets its number, and is cut to what an event may weigh.
    pub(crate) fn push(&self, mut event: EventView) {
        event.last_words = newest_words(event.last_words, WORDS_MAX);
        cut(&mut event.reason, REASON_MAX);
        event.number = *self.newest.borrow() + 1;
        let number = event.number;
        let mut kept = self.kept();
        kept.bytes += weight(&event);
        kept.events.push_back(Arc::new(event));
        while kept.events.len() > EVENTS_MAX || kept.bytes > BYTES_MAX {
            let Some(oldest) = kept.events.pop_front() else { break };
            kept.bytes -= weight(&oldest);
        }
        drop(kept);
        self.newest.send_replace(number);
    }

    /// Follows the events, those that are kept first.
    pub(crate) fn follow(self: &Arc<Feed>) -> Follower {
        Follower { feed: Arc::clone(self), newest: self.newest.subscribe(), next: 0 }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Follower {
    /// What is there to tell now.
    pub(crate) fn next(&mut self) -> Option<Told> {
        self.newest.mark_unchanged();
        let feed = Arc::clone(&self.feed);
        let kept = feed.kept();
        let oldest = kept.events.front()?.number;
        if self.next != 0 && self.next < oldest {
            let missed = oldest - self.next;
            self.next = oldest;
            return Some(Told::Missed(missed));
        }
        let place = usize::try_from(self.next.max(oldest) - oldest).ok()?;
        let event = kept.events.get(place)?;
        self.next = event.number + 1;
        Some(Told::Event(Arc::clone(event)))
    }

    /// Waits until more may be there.
    pub(crate) async fn more(&mut self) {
        if self.newest.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// About how much memory an event takes, in bytes.
fn weight(event: &EventView) -> usize {
    let words: usize = event.last_words.iter().map(|line| line.len() + size_of::<String>()).sum();
    size_of::<EventView>() + event.reason.len() + words
}

/// As many of the last lines as weigh no more than `most` bytes together.
pub(crate) fn newest_words(mut lines: Vec<String>, most: usize) -> Vec<String> {
    let mut room = most;
    let fit = lines.iter().rev().take_while(|line| room.checked_sub(line.len()).inspect(|left| room = *left).is_some());
    let fit = fit.count();
    lines.drain(..lines.len() - fit);
    lines
}

fn cut(text: &mut String, most: usize) {
    if text.len() > most {
        let end = (0..=most).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
        text.truncate(end);
    }
}

/// An event's kind as people read it: `ended`.
pub(crate) fn kind_word(kind: EventKind) -> String {
    kind.as_str_name().trim_start_matches("EVENT_KIND_").to_lowercase()
}

/// The kind that is read so.
pub(crate) fn kind_of(word: &str) -> EventKind {
    EventKind::from_str_name(&format!("EVENT_KIND_{}", word.to_uppercase())).unwrap_or_default()
}

/// The cause that is read so: `out_of_memory`.
pub(crate) fn cause_of(word: &str) -> EndCause {
    EndCause::from_str_name(&format!("END_CAUSE_{}", word.to_uppercase())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::supervisor::{Because, End, Exit};

    fn event(words: &[&str]) -> EventView {
        EventView { last_words: words.iter().map(|&line| line.to_owned()).collect(), ..EventView::default() }
    }

    fn numbers(follower: &mut Follower) -> Vec<u64> {
        let told = std::iter::from_fn(|| follower.next());
        told.filter_map(|told| if let Told::Event(event) = told { Some(event.number) } else { None }).collect()
    }

    #[test]
    fn who_comes_later_is_told_what_was_before() {
        let feed = Feed::new();
        (0..3).for_each(|_| feed.push(event(&[])));
        let mut follower = feed.follow();
        assert_eq!(numbers(&mut follower), [1, 2, 3]);
        assert_eq!(follower.next(), None);
        feed.push(event(&[]));
        assert_eq!(numbers(&mut follower), [4]);
    }

    #[test]
    fn who_is_slow_is_told_how_many_it_missed() {
        let feed = Feed::new();
        feed.push(event(&[]));
        let mut follower = feed.follow();
        assert_eq!(numbers(&mut follower), [1]);
        (0..EVENTS_MAX + 10).for_each(|_| feed.push(event(&[])));
        assert_eq!(follower.next(), Some(Told::Missed(10)));
        let rest = numbers(&mut follower);
        assert_eq!((rest.len(), rest.first(), rest.last()), (EVENTS_MAX, Some(&12), Some(&267)));
    }

    #[test]
    fn the_kept_events_weigh_no_more_than_they_may() {
        let feed = Feed::new();
        let line = "x".repeat(1 << 10);
        for _ in 0..200 {
            feed.push(event(&[line.as_str(); 50]));
        }
        let kept = feed.kept();
        assert!(kept.bytes <= BYTES_MAX && kept.bytes > BYTES_MAX / 2, "{} bytes", kept.bytes);
        assert_eq!(kept.bytes, kept.events.iter().map(|event| weight(event)).sum::<usize>());
    }

    #[test]
    fn the_last_of_many_long_words_are_kept() {
        let line = |fill: &str| fill.repeat(20 << 10);
        let (a, b, c) = (line("a"), line("b"), line("c"));
        let feed = Feed::new();
        feed.push(event(&[&a, &b, &c]));
        let mut follower = feed.follow();
        let Some(Told::Event(told)) = follower.next() else { panic!() };
        assert_eq!(told.last_words, [b, c]);
        assert_eq!(newest_words(vec!["ab".into()], 1), Vec::<String>::new());
    }

    #[test]
    fn words_of_kinds_and_causes_are_read_as_they_are_written() {
        for kind in (0..=11).filter_map(|kind| EventKind::try_from(kind).ok()) {
            assert_eq!(kind_of(&kind_word(kind)), kind);
        }
        let exits = [Exit::Code(1), Exit::Signal(9), Exit::OutOfMemory(None), Exit::NotStarted("x".into())];
        let becauses =
            [None, Some(Because::Asked), Some(Because::Hung(Duration::ZERO)), Some(Because::NotReady(Duration::ZERO))];
        for (exit, because) in exits.iter().flat_map(|exit| becauses.map(|because| (exit.clone(), because))) {
            let end = End { exit, because, killed: false };
            assert_ne!(cause_of(end.cause()), EndCause::Unknown, "{}", end.cause());
        }
        assert_eq!((kind_word(EventKind::NotReady), cause_of("asked")), ("not_ready".into(), EndCause::Asked));
    }
}
