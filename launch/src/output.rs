//! What a node's process writes: two pipes, read as fast as it writes them.
//! It never makes a node wait and never keeps more than the last words.

use std::{
    io, mem,
    os::fd::OwnedFd,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use offboard::wiring::LAUNCH;
use tokio::net::unix::pipe;

use crate::logs::{File, LineFeed, Lines, Logs, Tail, Voice};

/// How much is read at once, in bytes.
const BLOCK: usize = 16 << 10;

/// How many blocks are read before others get their turn.
const BLOCKS_MAX: usize = 4;

/// How many turns the rest of an ended process's output gets: a pipe holds 64 KiB unless its writer made it longer.
const TURNS_MAX: usize = 16;

/// What a node says, over all its processes.
#[derive(Debug)]
pub(crate) struct NodeLog {
    /// The node.
    pub(crate) voice: Voice,
    logs: Arc<Logs>,
    /// For whoever follows what the graph's nodes write; not for who publishes that, lest it hears itself.
    feed: Option<Arc<LineFeed>>,
    said: Mutex<Said>,
}

/// Where its lines are kept.
#[derive(Debug)]
struct Said {
    file: File,
    tail: Tail,
}

/// One pipe of one process.
#[derive(Debug)]
pub(crate) struct Pipe {
    from: pipe::Receiver,
    lines: Mutex<Lines>,
    log: Arc<NodeLog>,
}

#[derive(Debug, PartialEq, Eq)]
enum Drained {
    More,
    Empty,
    End,
}

impl NodeLog {
    /// Nothing was said yet.
    pub(crate) fn new(voice: Voice, logs: Arc<Logs>, file: File) -> NodeLog {
        let feed = voice.graph.as_ref().filter(|_| voice.node != LAUNCH).map(|graph| logs.feed(graph));
        NodeLog { voice, logs, feed, said: Mutex::new(Said { file, tail: Tail::default() }) }
    }

    /// A new process begins to speak.
    pub(crate) fn begin(&self, pid: u32) {
        let mut said = lock(&self.said);
        said.tail.begin();
        self.logs.begin(&said.file, pid);
    }

    /// From now on its lines are kept where `new` would keep them, which keeps none any more.
    pub(crate) fn keep_as(&self, new: &NodeLog) {
        let file = mem::take(&mut lock(&new.said).file);
        lock(&self.said).file = file;
    }

    /// The last lines of the newest process.
    pub(crate) fn last(&self, most: usize) -> Vec<String> {
        lock(&self.said).tail.last(most)
    }

    fn line(&self, line: &[u8], cut: u64) {
        let mut said = lock(&self.said);
        said.tail.push(line);
        if let Some(feed) = &self.feed {
            feed.push(&self.voice.node, line, cut);
        }
        self.logs.node(&self.voice, &said.file, line, cut);
    }
}

impl Pipe {
    /// Follows a pipe until its end. Needs a tokio runtime.
    ///
    /// # Errors
    /// When the system refuses.
    pub(crate) fn follow(from: OwnedFd, log: Arc<NodeLog>) -> io::Result<Arc<Pipe>> {
        let pipe = Arc::new(Pipe { from: pipe::Receiver::from_owned_fd(from)?, lines: Mutex::default(), log });
        let followed = Arc::clone(&pipe);
        tokio::spawn(async move {
            while followed.from.readable().await.is_ok() && followed.drain() != Drained::End {
                // Whoever floods gets its turn after everybody else.
                tokio::task::yield_now().await;
            }
        });
        Ok(pipe)
    }

    /// Reads what an ended process left.
    pub(crate) fn finish(&self) {
        let _ = (0..TURNS_MAX).find(|_| self.drain() != Drained::More);
        lock(&self.lines).finish(|line, cut| self.log.line(line, cut));
    }

    fn drain(&self) -> Drained {
        let mut block = [0; BLOCK];
        let mut lines = lock(&self.lines);
        for _ in 0..BLOCKS_MAX {
            match self.from.try_read(&mut block) {
                Ok(0) => {
                    lines.finish(|line, cut| self.log.line(line, cut));
                    return Drained::End;
                }
                Ok(count) => lines.push(&block[..count], |line, cut| self.log.line(line, cut)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Drained::Empty,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Drained::End,
            }
        }
        Drained::More
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
