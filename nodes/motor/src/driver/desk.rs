//! Where an output waits for its device: a thread of its own serves the device, and only the newest output waits for it. A device that
//! blocks holds up neither the lease nor a newer output; one that fails is opened again and again, quickly at first, because its motors
//! may go on with what they were given last.
//!
//! Neutral is the first thing that each opening of a device is given and the last one before it is let go. It never repeats an old
//! output: when no new one comes, it puts out neutral.

use std::{
    io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use offboard::{Error, Result};

use super::Driver;
use crate::mixing::Wheels;

/// How often a missing device is looked for: soon enough for a person who plugs it in, cheap enough for ever.
const REOPEN_EVERY: Duration = Duration::from_millis(500);

/// How often, and for how long, neutral is tried on one that has just failed: most are garbled for a moment, and their motors turn.
const RETRY_EVERY: Duration = Duration::from_millis(20);
const RETRY_WITHIN: Duration = Duration::from_secs(2);

/// How long after a failure nothing but neutral is put out, so that the work loop sees the trouble however soon it is over.
const CALM_AFTER: Duration = Duration::from_millis(500);

/// An output that waits so long for the thread waits for a device that blocks: longer than one output may take.
pub(crate) const BLOCKED_AFTER: Duration = Duration::from_millis(250);

/// How long the end of the node waits for the last output: launch is patient for two seconds.
pub(crate) const STOP_WITHIN: Duration = Duration::from_millis(200);

/// What can be opened, again and again.
pub(crate) trait Device: Send + 'static {
    /// The device while it is open.
    type Open: Outputs;

    /// How it is called in messages, for instance `/dev/ttyUSB0`.
    fn name(&self) -> String;

    /// Opens it, without moving anything: neutral is put out next.
    ///
    /// # Errors
    /// Why it cannot be opened now; it is tried again.
    fn open(&mut self) -> io::Result<Self::Open>;
}

/// An open device.
pub(crate) trait Outputs {
    /// Puts out and waits until it has left, within a bound.
    ///
    /// # Errors
    /// When the device must be opened anew.
    fn put(&mut self, wheels: Wheels) -> io::Result<()>;

    /// Why what was put out moves nothing, although the device took it; none when all is well. Asked after each output.
    fn trouble(&self) -> Option<String> {
        None
    }

    /// It failed and is let go: nothing of what it holds back may leave later.
    fn give_up(&mut self) {}
}

/// A device and its thread.
#[derive(Debug)]
pub(crate) struct Desk {
    name: String,
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
}

/// What the node and the thread share.
#[derive(Debug, Default)]
struct Shared {
    papers: Mutex<Papers>,
    news: Condvar,
}

#[derive(Debug, Default)]
struct Papers {
    /// The newest output that was not taken yet.
    newest: Option<Waiting>,
    /// Why the device is not open.
    trouble: Option<String>,
    /// When a device that was open failed last.
    failed: Option<Instant>,
    /// The node ends.
    stop: bool,
    /// The thread has put out for the last time.
    done: bool,
}

/// An output that was not taken yet.
#[derive(Debug, Clone, Copy)]
struct Waiting {
    wheels: Wheels,
    /// When it came.
    at: Instant,
    /// Since when an output waits: this one, or one that it replaced.
    since: Instant,
}

/// What the thread does next.
#[derive(Debug, PartialEq)]
enum Order {
    Put(Wheels),
    Stop,
}

impl Desk {
    /// Begins to serve a device, now or as soon as it is there. An output is good for `hold`; then neutral is put out.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub(crate) fn start<D: Device>(device: D, hold: Duration) -> Result<Desk> {
        let name = device.name();
        let shared = Arc::new(Shared::default());
        shared.papers().trouble = Some(format!("{name} is not open yet"));
        let theirs = shared.clone();
        let thread = thread::Builder::new().name("device".to_owned()).spawn(move || theirs.serve(device, hold))?;
        Ok(Desk { name, shared, thread })
    }
}

impl Driver for Desk {
    fn put(&mut self, _now_ns: i64, wheels: Wheels) -> Result<Wheels> {
        if self.thread.is_finished() {
            return Err(Error::other(format!("the thread that serves {} ended", self.name)));
        }
        self.shared.give(wheels);
        Ok(wheels)
    }

    fn trouble(&self) -> Option<String> {
        let papers = self.shared.papers();
        let blocked = papers.newest.is_some_and(|waiting| waiting.since.elapsed() > BLOCKED_AFTER);
        papers.trouble.clone().or_else(|| blocked.then(|| format!("{} blocks", self.name)))
    }

    /// Waits within a bound, once.
    fn finish(&mut self) -> bool {
        let mut papers = self.shared.papers();
        let within = if papers.stop { Duration::ZERO } else { STOP_WITHIN };
        papers.stop = true;
        self.shared.news.notify_all();
        let waited = self.shared.news.wait_timeout_while(papers, within, |papers| !papers.done);
        let (papers, _) = waited.unwrap_or_else(PoisonError::into_inner);
        papers.done && papers.trouble.is_none()
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.finish();
    }
}

impl Papers {
    /// Since when an open device has failed, if not for longer than this.
    fn failed_within(&self, bound: Duration) -> Option<Duration> {
        self.failed.map(|at| at.elapsed()).filter(|since| *since < bound)
    }
}

impl Shared {
    fn papers(&self) -> MutexGuard<'_, Papers> {
        self.papers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn give(&self, wheels: Wheels) {
        let mut papers = self.papers();
        let at = Instant::now();
        let since = papers.newest.map_or(at, |waiting| waiting.since);
        papers.newest = Some(Waiting { wheels, at, since });
        self.news.notify_all();
    }

    /// The thread: opens the device again and again until the node ends.
    fn serve(&self, mut device: impl Device, hold: Duration) {
        while !self.papers().stop {
            if let Err(trouble) = self.serve_once(&mut device, hold) {
                let mut papers = self.papers();
                papers.trouble = Some(format!("{}: {trouble}", device.name()));
                let pause = papers.failed_within(RETRY_WITHIN).map_or(REOPEN_EVERY, |_| RETRY_EVERY);
                drop(self.news.wait_timeout_while(papers, pause, |papers| !papers.stop));
            }
        }
        self.papers().done = true;
        self.news.notify_all();
    }

    /// Serves one opening of the device until the node ends, or the device does.
    fn serve_once<D: Device>(&self, device: &mut D, hold: Duration) -> io::Result<()> {
        let mut outputs = device.open()?;
        let mut served = outputs.put(Wheels::NEUTRAL);
        if served.is_ok() {
            self.calm();
            served = self.feed(&device.name(), &mut outputs, hold);
            self.papers().failed = Some(Instant::now());
        }
        if served.is_err() {
            outputs.give_up();
        }
        served
    }

    /// Waits until its trouble was seen, if the device has failed a moment ago. It is at neutral.
    fn calm(&self) {
        let papers = self.papers();
        let left = papers.failed_within(CALM_AFTER).map_or(Duration::ZERO, |since| CALM_AFTER - since);
        let waited = self.news.wait_timeout_while(papers, left, |papers| !papers.stop);
        let (mut papers, _) = waited.unwrap_or_else(PoisonError::into_inner);
        papers.newest = None; // it was meant for a device that was not there
    }

    fn feed(&self, name: &str, outputs: &mut impl Outputs, hold: Duration) -> io::Result<()> {
        loop {
            let trouble = outputs.trouble().map(|trouble| format!("{name}: {trouble}"));
            self.papers().trouble = trouble;
            match self.wait(hold) {
                Order::Put(wheels) => outputs.put(wheels)?,
                Order::Stop => return outputs.put(Wheels::NEUTRAL),
            }
        }
    }

    /// The newest output; neutral when none came for `hold`, because then the work loop hangs, and when it is older than that,
    /// because then this whole process did.
    fn wait(&self, hold: Duration) -> Order {
        let (mut papers, _) = self
            .news
            .wait_timeout_while(self.papers(), hold, |papers| papers.newest.is_none() && !papers.stop)
            .unwrap_or_else(PoisonError::into_inner);
        if papers.stop {
            return Order::Stop;
        }
        let fresh = papers.newest.take().filter(|waiting| waiting.at.elapsed() <= hold);
        Order::Put(fresh.map_or(Wheels::NEUTRAL, |waiting| waiting.wheels))
    }
}

#[cfg(test)]
mod tests;
