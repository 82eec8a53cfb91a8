//! What the nodes of a graph write, for the one who publishes it. It never waits for that one, and holds little: what finds no room
//! is counted, and costs a flood no more than looking.

use std::{
    collections::VecDeque,
    mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use offboard::clock;
use tokio::sync::Notify;

use super::Level;
use crate::control::LineView;

/// How many lines wait at most, and how much they weigh together, in bytes.
const LINES_MAX: usize = 1024;
const BYTES_MAX: usize = 256 << 10;

/// The longest line, in bytes; of a longer one that much is told.
const LINE_MAX: usize = 8 << 10;

/// How many lines are told at once.
const BATCH_MAX: usize = 256;

/// How long the first lines wait for somebody to follow: who listens starts when the graph does.
const HELD_FOR: Duration = Duration::from_secs(5);

/// The lines of one graph's nodes.
#[derive(Debug)]
pub(crate) struct LineFeed {
    waiting: Mutex<Waiting>,
    /// Nobody follows: nothing is kept.
    idle: AtomicBool,
    some: Notify,
    born: Instant,
}

#[derive(Debug, Default)]
struct Waiting {
    lines: VecDeque<LineView>,
    bytes: usize,
    lost: u64,
    followers: usize,
}

/// One who follows the lines. Two would share them.
#[derive(Debug)]
pub(crate) struct Following(Arc<LineFeed>);

impl Default for LineFeed {
    fn default() -> LineFeed {
        LineFeed { waiting: Mutex::default(), idle: AtomicBool::new(false), some: Notify::new(), born: Instant::now() }
    }
}

impl LineFeed {
    /// A node wrote a line, of which `cut` bytes were left out.
    pub(crate) fn push(&self, node: &str, line: &[u8], cut: u64) {
        if self.idle.load(Relaxed) {
            return;
        }
        let mut waiting = self.waiting();
        if waiting.followers == 0 && self.born.elapsed() > HELD_FOR {
            self.rest(&mut waiting);
            return;
        }
        let length = line.len().min(LINE_MAX);
        if waiting.lines.len() >= LINES_MAX || waiting.bytes + length > BYTES_MAX {
            waiting.lost += 1;
            return;
        }
        let view = view(node, line, cut);
        waiting.bytes += view.message.len();
        waiting.lines.push_back(view);
        drop(waiting);
        self.some.notify_one();
    }

    /// Follows the lines from now on, and those that wait.
    pub(crate) fn follow(self: &Arc<LineFeed>) -> Following {
        self.waiting().followers += 1;
        self.idle.store(false, Relaxed);
        Following(Arc::clone(self))
    }

    fn rest(&self, waiting: &mut Waiting) {
        self.idle.store(true, Relaxed);
        *waiting = Waiting::default();
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Following {
    /// Some of the lines that wait, and how many found no room of late; none: there is nothing to tell.
    pub(crate) fn take(&self) -> Option<(Vec<LineView>, u64)> {
        let mut waiting = self.0.waiting();
        let count = waiting.lines.len().min(BATCH_MAX);
        let lines: Vec<LineView> = waiting.lines.drain(..count).collect();
        waiting.bytes -= lines.iter().map(|line| line.message.len()).sum::<usize>();
        let lost = mem::take(&mut waiting.lost);
        (count > 0 || lost > 0).then_some((lines, lost))
    }

    /// Waits until more may be there.
    pub(crate) async fn more(&self) {
        self.0.some.notified().await;
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let mut waiting = self.0.waiting();
        waiting.followers -= 1;
        if waiting.followers == 0 {
            self.0.rest(&mut waiting);
        }
    }
}

fn view(node: &str, line: &[u8], cut: u64) -> LineView {
    let (told, rest) = line.split_at(line.len().min(LINE_MAX));
    let text = String::from_utf8_lossy(told);
    let text = text.strip_suffix('\r').unwrap_or(&text);
    let (level, message) = Level::split(text).unwrap_or((Level::Info, text));
    let message = match rest.len() as u64 + cut {
        0 => message.to_owned(),
        more => format!("{message} … ({more} bytes more)"),
    };
    LineView { node: node.to_owned(), at_ns: clock::monotonic_ns(), level: level.word().to_owned(), message }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(following: &Following) -> Vec<(String, String)> {
        let (lines, _) = following.take().unwrap_or_default();
        lines.into_iter().map(|line| (line.level, line.message)).collect()
    }

    #[test]
    fn the_first_lines_wait_for_who_follows_and_later_ones_do_not() {
        let feed = Arc::new(LineFeed::default());
        feed.push("a", b"WARN low battery\r", 0);
        feed.push("a", b"hello", 3);
        let following = feed.follow();
        let wanted = [("WARN", "low battery"), ("INFO", "hello … (3 bytes more)")];
        assert_eq!(said(&following), wanted.map(|(level, text)| (level.to_owned(), text.to_owned())));
        assert_eq!(following.take(), None);
        drop(following);
        feed.push("a", b"nobody hears this", 0);
        assert_eq!(feed.follow().take(), None);
    }

    #[test]
    fn a_flood_takes_bounded_room_and_is_counted() {
        let feed = Arc::new(LineFeed::default());
        let following = feed.follow();
        for _ in 0..10 * LINES_MAX {
            feed.push("a", b"flood", 0);
        }
        let (mut told, mut lost) = (0, 0);
        while let Some((lines, more)) = following.take() {
            assert!(lines.len() <= BATCH_MAX);
            told += lines.len();
            lost += more;
        }
        assert_eq!((told, lost), (LINES_MAX, 9 * LINES_MAX as u64));
        for _ in 0..100 {
            feed.push("a", &[b'x'; 1 << 20], 0);
        }
        let waiting = feed.waiting();
        assert!((1..=BYTES_MAX / LINE_MAX).contains(&waiting.lines.len()), "{}", waiting.lines.len());
        assert_eq!(waiting.lost, 100 - waiting.lines.len() as u64);
    }
}
