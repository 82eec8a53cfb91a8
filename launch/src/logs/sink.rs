//! The way to stderr: a bounded buffer and a thread that empties it.
//! It never makes whoever writes wait.

use std::{
    io::Write,
    mem,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

/// How much waits for a slow terminal, in bytes.
const BUFFER_MAX: usize = 1 << 20;

#[derive(Debug, Default)]
struct Buffer {
    bytes: Vec<u8>,
    /// Lines that found it full.
    lost: u64,
    closed: bool,
    /// All of it was written.
    idle: bool,
}

#[derive(Debug, Default)]
struct Shared {
    buffer: Mutex<Buffer>,
    changed: Condvar,
}

/// Where lines go.
#[derive(Debug)]
pub(crate) struct Sink(Arc<Shared>);

impl Sink {
    /// A thread of its own writes to `out`; it ends with the process.
    pub(crate) fn new(out: impl Write + Send + 'static) -> Sink {
        let shared = Arc::new(Shared::default());
        let for_thread = Arc::clone(&shared);
        let started =
            thread::Builder::new().name("log".to_owned()).stack_size(64 << 10).spawn(move || empty(&for_thread, out));
        if started.is_err() {
            // Without a thread there is no log; the nodes matter more.
            shared.lock().closed = true;
        }
        Sink(shared)
    }

    /// Adds a line, or counts it where there is no room.
    pub(crate) fn push(&self, line: &[u8]) {
        let mut buffer = self.0.lock();
        if buffer.bytes.len() + line.len() > BUFFER_MAX {
            buffer.lost += 1;
            return;
        }
        buffer.bytes.extend_from_slice(line);
        drop(buffer);
        self.0.changed.notify_all();
    }

    /// Whether a line would most likely be lost.
    pub(crate) fn is_full(&self) -> bool {
        // Room is made whole buffers at a time: so much is left for launch's own words.
        self.0.lock().bytes.len() > BUFFER_MAX / 4 * 3
    }

    /// Counts a line that was not even drawn.
    pub(crate) fn lose(&self) {
        self.0.lock().lost += 1;
    }

    /// Waits until everything was written, but no longer than this.
    pub(crate) fn close(&self, most: Duration) {
        let mut buffer = self.0.lock();
        if buffer.closed {
            return;
        }
        buffer.closed = true;
        buffer.idle = false;
        self.0.changed.notify_all();
        drop(self.0.changed.wait_timeout_while(buffer, most, |buffer| !buffer.idle));
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Buffer> {
        self.buffer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn empty(shared: &Shared, mut out: impl Write) {
    loop {
        let mut buffer = shared.lock();
        while buffer.bytes.is_empty() && buffer.lost == 0 {
            if buffer.closed {
                buffer.idle = true;
                shared.changed.notify_all();
                return;
            }
            buffer = shared.changed.wait(buffer).unwrap_or_else(PoisonError::into_inner);
        }
        let (bytes, lost) = (mem::take(&mut buffer.bytes), mem::take(&mut buffer.lost));
        drop(buffer);
        // A closed stderr loses the log, not the graph.
        let _ = out.write_all(&bytes);
        if lost > 0 {
            let _ = writeln!(out, "launch | {lost} lines were left out: they came faster than they could be written");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// A terminal that takes nothing until it is told to.
    struct Slow(mpsc::Receiver<()>, mpsc::Sender<Vec<u8>>);

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let _ = self.0.recv();
            let _ = self.1.send(bytes.to_vec());
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_slow_terminal_loses_lines_and_says_how_many() {
        let ((go, gate), (told, seen)) = (mpsc::channel(), mpsc::channel());
        let sink = Sink::new(Slow(gate, told));
        let line = [b'x'; 1024];
        for _ in 0..4096 {
            sink.push(&line);
        }
        assert!(sink.0.lock().bytes.len() <= BUFFER_MAX);
        let lost = sink.0.lock().lost;
        assert!(lost >= 2 * 1024);
        drop(go);
        sink.close(Duration::from_secs(10));
        let all: Vec<u8> = seen.try_iter().flatten().collect();
        let all = String::from_utf8(all).unwrap();
        assert!(all.contains(&format!("launch | {lost} lines were left out")), "{}", &all[all.len() - 200..]);
    }

    #[test]
    fn a_dead_terminal_does_not_hold_up_the_end() {
        let ((_go, gate), (told, _seen)) = (mpsc::channel(), mpsc::channel());
        let sink = Sink::new(Slow(gate, told));
        sink.push(b"line\n");
        sink.close(Duration::from_millis(10));
    }
}
