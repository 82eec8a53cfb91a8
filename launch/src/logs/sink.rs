//! The ways out of launch: for each a bounded buffer, and one thread that empties them in turn.
//! It never makes whoever writes wait, and whoever floods never takes another's room.

use std::{
    fmt, mem,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

/// What an emptied buffer may leave allocated, in bytes.
const SPARE_MAX: usize = 64 << 10;

/// How often an outlet that waits for better times is asked.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// Each way out has room for so much, however many there are, in bytes: more than the longest line, escaped.
const ROOM_MIN: usize = 16 << 10;

/// Where the lines of one way out go. It may block: only other outlets of the same sink wait.
pub(crate) trait Outlet: Send {
    /// It is taken up.
    fn begin(&mut self) {}

    /// Whole lines, and then how many found no room behind them.
    fn write(&mut self, lines: &[u8], lost: u64);

    /// Whether it has something to say as soon as it can, though nothing comes: then it is asked to write nothing from time to time.
    fn waits(&self) -> bool {
        false
    }

    /// No more comes.
    fn end(&mut self) {}
}

#[derive(Debug, Default)]
struct Buffer {
    bytes: Vec<u8>,
    /// Lines that found it full.
    lost: u64,
    /// No more comes.
    over: bool,
}

/// A way out that the thread has.
struct Way {
    buffer: Arc<Mutex<Buffer>>,
    outlet: Box<dyn Outlet>,
    spare: Vec<u8>,
}

#[derive(Default)]
struct State {
    /// Not yet taken up.
    opened: Vec<Way>,
    closed: bool,
    /// All of it was written.
    idle: bool,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    /// There is something to do.
    dirty: AtomicBool,
    /// How many ways out there are.
    ways: AtomicUsize,
    /// How much waits in all of them together, in bytes.
    most: usize,
    /// There is no thread.
    dead: AtomicBool,
}

/// The thread and what it empties.
#[derive(Debug)]
pub(crate) struct Sink(Arc<Shared>);

/// One way out. Dropped, it ends once it is empty.
#[derive(Debug)]
pub(crate) struct Lane {
    buffer: Arc<Mutex<Buffer>>,
    shared: Arc<Shared>,
}

impl Sink {
    /// A thread of this name, which ends with the process; at most so many bytes wait for it.
    pub(crate) fn new(name: &str, most: usize) -> Sink {
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            changed: Condvar::new(),
            dirty: AtomicBool::new(false),
            ways: AtomicUsize::new(0),
            most,
            dead: AtomicBool::new(false),
        });
        let for_thread = Arc::clone(&shared);
        let started =
            thread::Builder::new().name(name.to_owned()).stack_size(128 << 10).spawn(move || empty(&for_thread));
        if started.is_err() {
            // Without a thread there is no log; the nodes matter more.
            shared.dead.store(true, Ordering::Relaxed);
        }
        Sink(shared)
    }

    /// A further way out.
    pub(crate) fn open(&self, outlet: impl Outlet + 'static) -> Lane {
        let buffer = Arc::new(Mutex::default());
        self.0.ways.fetch_add(1, Ordering::Relaxed);
        let way = Way { buffer: Arc::clone(&buffer), outlet: Box::new(outlet), spare: Vec::new() };
        lock(&self.0.state).opened.push(way);
        self.0.wake();
        Lane { buffer, shared: Arc::clone(&self.0) }
    }

    /// Waits until everything was written, but no longer than this.
    pub(crate) fn close(&self, most: Duration) {
        let mut state = lock(&self.0.state);
        if state.closed || self.0.dead.load(Ordering::Relaxed) {
            return;
        }
        state.closed = true;
        drop(state);
        self.0.wake();
        let state = lock(&self.0.state);
        drop(self.0.changed.wait_timeout_while(state, most, |state| !state.idle));
    }
}

impl Lane {
    /// Whether there is room for a line. If not, a line is counted as lost: cheaper than drawing it first, and a flood is when it matters.
    pub(crate) fn has_room(&self) -> bool {
        let mut buffer = lock(&self.buffer);
        // Room is made whole buffers at a time: so much is left for launch's own words.
        let room = buffer.bytes.len() <= self.shared.room() / 4 * 3 && !self.shared.dead.load(Ordering::Relaxed);
        if !room {
            buffer.lost += 1;
            drop(buffer);
            self.shared.wake();
        }
        room
    }

    /// Adds a line that `draw` draws at the end of the buffer, or counts it where there is no room.
    pub(crate) fn push(&self, draw: impl FnOnce(&mut Vec<u8>)) {
        let mut buffer = lock(&self.buffer);
        let before = buffer.bytes.len();
        draw(&mut buffer.bytes);
        // One line always fits, be it longer than the room.
        if before > 0 && buffer.bytes.len() > self.shared.room() {
            buffer.bytes.truncate(before);
            buffer.lost += 1;
        }
        drop(buffer);
        self.shared.wake();
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        lock(&self.buffer).over = true;
        self.shared.wake();
    }
}

impl Shared {
    fn room(&self) -> usize {
        (self.most / self.ways.load(Ordering::Relaxed).max(1)).max(ROOM_MIN)
    }

    fn wake(&self) {
        if !self.dirty.swap(true, Ordering::AcqRel) {
            // Under the lock, lest the thread looks before and sleeps after.
            let _state = lock(&self.state);
            self.changed.notify_all();
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn empty(shared: &Shared) {
    let mut ways: Vec<Way> = Vec::new();
    loop {
        let mut state = lock(&shared.state);
        while !shared.dirty.swap(false, Ordering::AcqRel) {
            if state.closed {
                drop(state);
                ways.iter_mut().for_each(|way| way.outlet.end());
                lock(&shared.state).idle = true;
                shared.changed.notify_all();
                return;
            }
            if !ways.iter().any(|way| way.outlet.waits()) {
                state = shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let (woken, timeout) =
                shared.changed.wait_timeout(state, ASK_EVERY).unwrap_or_else(PoisonError::into_inner);
            state = woken;
            if timeout.timed_out() {
                break;
            }
        }
        let opened = mem::take(&mut state.opened);
        drop(state);
        ways.extend(opened.into_iter().map(|mut way| {
            way.outlet.begin();
            way
        }));
        ways.retain_mut(|way| {
            let goes_on = way.pass_on();
            if !goes_on {
                shared.ways.fetch_sub(1, Ordering::Relaxed);
            }
            goes_on
        });
    }
}

impl Way {
    /// Writes what waits; false when no more comes.
    fn pass_on(&mut self) -> bool {
        let mut buffer = lock(&self.buffer);
        mem::swap(&mut buffer.bytes, &mut self.spare);
        let (lost, over) = (mem::take(&mut buffer.lost), buffer.over);
        drop(buffer);
        if !self.spare.is_empty() || lost > 0 || self.outlet.waits() {
            self.outlet.write(&self.spare, lost);
            self.spare.clear();
            self.spare.shrink_to(SPARE_MAX);
        }
        if over {
            self.outlet.end();
        }
        !over
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const MOST: usize = 1 << 20;

    /// An outlet that takes nothing until it is told to.
    struct Slow(mpsc::Receiver<()>, mpsc::Sender<(usize, u64)>);

    impl Outlet for Slow {
        fn write(&mut self, lines: &[u8], lost: u64) {
            let _ = self.0.recv();
            let _ = self.1.send((lines.len(), lost));
        }
    }

    fn line(buffer: &mut Vec<u8>) {
        buffer.extend_from_slice(&[b'x'; 1024]);
    }

    #[test]
    fn a_slow_outlet_loses_lines_and_is_told_how_many() {
        let ((go, gate), (told, seen)) = (mpsc::channel(), mpsc::channel());
        let sink = Sink::new("test", MOST);
        let lane = sink.open(Slow(gate, told));
        for _ in 0..4096 {
            lane.push(line);
        }
        assert!(lock(&lane.buffer).bytes.len() <= MOST);
        assert!(!lane.has_room());
        drop(go);
        sink.close(Duration::from_secs(10));
        let (bytes, lost) = seen.try_iter().fold((0, 0), |(bytes, lost), more| (bytes + more.0, lost + more.1));
        assert_eq!(bytes as u64 / 1024 + lost, 4096 + 1);
        assert!(lost >= 2 * 1024);
    }

    #[test]
    fn a_flood_takes_nobody_elses_room() {
        let ((_go, gate), (told, _seen)) = (mpsc::channel(), mpsc::channel());
        let sink = Sink::new("test", MOST);
        let (flood, (_go_on, other_gate), (other_told, _)) =
            (sink.open(Slow(gate, told)), mpsc::channel(), mpsc::channel());
        let quiet = sink.open(Slow(other_gate, other_told));
        for _ in 0..10_000 {
            flood.push(line);
        }
        assert!(!flood.has_room() && quiet.has_room());
        quiet.push(line);
        assert_eq!(lock(&quiet.buffer).lost, 0);
        drop(flood);
    }

    #[test]
    fn a_dead_outlet_does_not_hold_up_the_end() {
        let ((_go, gate), (told, _seen)) = (mpsc::channel(), mpsc::channel());
        let sink = Sink::new("test", MOST);
        let lane = sink.open(Slow(gate, told));
        lane.push(line);
        sink.close(Duration::from_millis(10));
    }

    #[test]
    fn a_way_out_that_ends_makes_room_for_the_others() {
        let sink = Sink::new("test", MOST);
        let ((go, gate), (told, seen)) = (mpsc::channel(), mpsc::channel());
        drop(go);
        let lanes: Vec<Lane> = (0..2)
            .map(|_| {
                let (go, gate) = mpsc::channel();
                drop(go);
                sink.open(Slow(gate, told.clone()))
            })
            .collect();
        let last = sink.open(Slow(gate, told));
        assert_eq!(last.shared.room(), MOST / 3);
        lanes.iter().for_each(|lane| lane.push(line));
        drop(lanes);
        sink.close(Duration::from_secs(10));
        assert_eq!(last.shared.room(), MOST);
        assert_eq!(seen.try_iter().map(|(bytes, _)| bytes).sum::<usize>(), 2048);
    }
}
