//! The thread that writes: takes what waits, hands it to the system chunk by chunk, and knows what to do when the disk does not want
//! it. It is the only one that waits for a write, and nobody waits for it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    time::{Duration, Instant},
};

use offboard::{
    Header, Mark, MarkKind, Name, NodeStatus, RecorderState, clock,
    recording::{Recorded, RecordingError},
};
use tokio::sync::Notify;
use tracing::{info, warn};

use crate::{
    buffer::{Buffer, Item},
    mend,
    open::{Open, Synced},
    params::Target,
};

/// How long messages are gathered for one chunk: what a kill costs, with as much again to spare.
const GATHER: Duration = Duration::from_millis(40);
/// How often the disk is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// After a refused write it is tried again after so long at first, and so long at last…
const AGAIN: Duration = Duration::from_secs(1);
const AGAIN_MAX: Duration = Duration::from_secs(30);
/// …and not before the disk has room for so much.
const ROOM: u64 = 4 << 20;
/// Marks that wait to be published.
const MARKS_MAX: usize = 1000;

/// What the thread and the node know together.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) buffer: Buffer,
    pub(crate) changed: Notify,
    report: Mutex<Report>,
}

#[derive(Debug, Default)]
struct Report {
    state: RecorderState,
    marks: Vec<Mark>,
    totals: Totals,
}

/// What was recorded since the start, in all files.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Totals {
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
    pub(crate) files: u64,
}

impl Shared {
    pub(crate) fn new(buffer: usize) -> Shared {
        Shared { buffer: Buffer::new(buffer), changed: Notify::new(), report: Mutex::default() }
    }

    /// How it is, and the marks since the last call.
    pub(crate) fn news(&self) -> (RecorderState, Vec<Mark>) {
        let lost = self.buffer.lost().values().sum();
        let mut report = self.report();
        (RecorderState { lost, ..report.state.clone() }, std::mem::take(&mut report.marks))
    }

    pub(crate) fn totals(&self) -> Totals {
        self.report().totals
    }

    fn report(&self) -> MutexGuard<'_, Report> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who writes its own topics into the recording.
#[derive(Debug, Clone)]
pub(crate) struct Author {
    pub(crate) graph: String,
    pub(crate) node: String,
    pub(crate) incarnation: u64,
}

/// Why nothing is written though it should be.
struct Trouble {
    why: String,
    /// When to try again, and after how long if that is in vain.
    again: Instant,
    pause: Duration,
    /// Bytes that must be free before it makes sense.
    room: u64,
}

/// The writing thread's own.
pub(crate) struct Scribe {
    target: Target,
    shared: Arc<Shared>,
    author: Author,
    open: Option<Open>,
    /// Why messages are to be written; none: they are not.
    wanted: Option<&'static str>,
    /// Why they cannot be written, though they are to be.
    trouble: Option<Trouble>,
    looked: Option<Instant>,
    /// How many messages of its own it wrote by topic.
    said: BTreeMap<&'static str, u64>,
    /// Until when the file's time was erased.
    erased_until: i64,
    sync: mpsc::Sender<Synced>,
}

impl Scribe {
    pub(crate) fn new(target: Target, shared: Arc<Shared>, author: Author, sync: mpsc::Sender<Synced>) -> Scribe {
        Scribe {
            target,
            shared,
            author,
            open: None,
            wanted: None,
            trouble: None,
            looked: None,
            said: BTreeMap::new(),
            erased_until: i64::MIN,
            sync,
        }
    }

    /// Writes until nothing comes any more.
    pub(crate) fn run(mut self) {
        loop {
            let batch = self.shared.buffer.take(GATHER);
            for item in batch.items {
                self.item(item);
            }
            self.flush();
            if batch.is_last {
                break;
            }
            if self.looked.is_none_or(|looked| looked.elapsed() >= LOOK_EVERY) {
                self.look();
            }
            self.tell();
        }
        self.close("the recorder ends");
        self.tell();
    }

    fn item(&mut self, item: Item) {
        match item {
            Item::Message(message) => self.message(&message),
            Item::Record(why) => {
                self.wanted = Some(why);
                match self.open {
                    Some(_) => self.mark(MarkKind::Start, why),
                    None => self.look(),
                }
            }
            Item::Pause(why) => {
                self.mark(MarkKind::Stop, why);
                self.wanted = None;
            }
            Item::Close(why) => {
                self.close(why);
                self.wanted = None;
            }
            Item::Mark(mark) if mark.kind() == MarkKind::Erased => self.erase(mark),
            Item::Mark(mark) => self.put_mark(mark),
            Item::Ledger(status) if self.wanted.is_some() => self.say("ledger", &status),
            Item::Ledger(_) => {}
        }
    }

    fn message(&mut self, message: &Recorded) {
        if self.wanted.is_none() {
            return;
        }
        let Some(open) = &mut self.open else {
            self.shared.buffer.lose([(message.topic.clone(), 1)].into());
            return;
        };
        match open.write(message) {
            Ok(()) => {}
            Err(RecordingError::Refused(why)) => {
                warn!("not recorded: {why}");
                self.shared.buffer.lose([(message.topic.clone(), 1)].into());
            }
            Err(error) => self.fail(&error),
        }
    }

    /// Hands what was gathered to the system.
    fn flush(&mut self) {
        let Some(open) = &mut self.open else { return };
        if let Err(error) = open.flush() {
            self.fail(&error);
        } else if open.written().bytes > ROOM {
            self.trouble = None;
        }
    }

    /// The disk refused: what is in the file stays, what was gathered is lost and counted.
    fn fail(&mut self, error: &RecordingError) {
        let Some(open) = self.open.take() else { return };
        let why = if error.is_disk_full() { "the disk is full".to_owned() } else { error.to_string() };
        warn!("{}: {why}; recording stops, what was written is kept", open.path().display());
        self.count(&open);
        self.shared.buffer.lose(open.abandon());
        self.stop(why, ROOM);
    }

    /// Remembers why nothing can be written.
    fn stop(&mut self, why: String, room: u64) {
        let pause = self.trouble.as_ref().map_or(AGAIN, |trouble| (trouble.pause * 2).min(AGAIN_MAX));
        // It is over only when a file took as much again, see `flush`: one that takes a little and then no more must not begin it anew.
        self.trouble = Some(Trouble { why, again: Instant::now() + pause, pause, room });
    }

    /// Looks at the disk and at the file, and does what follows.
    fn look(&mut self) {
        self.looked = Some(Instant::now());
        let free = mend::free(&self.target.dir).ok();
        self.shared.report().state.free_bytes = free.unwrap_or(0);
        let Some(why) = self.wanted else { return };
        let low = self.target.low_water;
        if self.open.is_some() && free.is_some_and(|free| free < low) {
            let why = format!("the disk has {} MiB left, low_water_mib is {}", free.unwrap_or(0) >> 20, low >> 20);
            warn!("recording stops: {why}");
            self.close(&why);
            // A quarter more than that, lest it stop and go.
            self.trouble =
                Some(Trouble { why, again: Instant::now(), pause: AGAIN, room: low.saturating_add(low / 4) });
        }
        if self.open.as_ref().is_some_and(|open| open.is_over(&self.target)) {
            self.close("the next file follows");
            self.begin(why);
        }
        let may = self.trouble.as_ref().is_none_or(|trouble| {
            Instant::now() >= trouble.again && free.is_none_or(|free| free >= trouble.room.max(low))
        });
        if self.open.is_none() && may {
            self.begin(why);
        }
    }

    /// Opens a file.
    fn begin(&mut self, why: &str) {
        if let Err(problem) = std::fs::create_dir_all(&self.target.dir) {
            return self.cannot(format!("{}: {problem}", self.target.dir.display()));
        }
        if mend::free(&self.target.dir).is_ok_and(|free| free < self.target.low_water) {
            return self.cannot(format!("the disk has less than low_water_mib = {} left", self.target.low_water >> 20));
        }
        match Open::new(&self.target, &self.sync) {
            Ok(open) => {
                info!("recording to {}", open.path().display());
                let mut report = self.shared.report();
                report.totals.files += 1;
                report.state.erased_s = 0.0;
                report.state.file = open.path().display().to_string();
                drop(report);
                self.erased_until = i64::MIN;
                self.open = Some(open);
                self.mark(MarkKind::Start, why);
                if self.trouble.is_some() {
                    self.mend_later();
                }
            }
            Err(problem) => self.cannot(problem),
        }
    }

    fn cannot(&mut self, problem: String) {
        if self.trouble.as_ref().is_none_or(|trouble| trouble.why != problem) {
            warn!("cannot record: {problem}");
        }
        self.stop(problem, 0);
    }

    /// Files that a full disk left unfinished are mended beside the work.
    fn mend_later(&self) {
        if self.target.mend {
            let target = self.target.clone();
            std::thread::spawn(move || mend::mend_all(&mend::unfinished(&target), &target));
        }
    }

    /// Ends the file.
    fn close(&mut self, why: &str) {
        self.mark(MarkKind::Stop, why);
        self.flush();
        let Some(open) = self.open.take() else { return };
        self.count(&open);
        if let Err((error, lost)) = open.finish() {
            warn!("the recording has no summary: {error}; it is mended when the recorder starts again");
            self.shared.buffer.lose(lost);
        }
    }

    fn count(&self, open: &Open) {
        let written = open.written();
        let totals = &mut self.shared.report().totals;
        totals.messages += written.messages;
        totals.bytes += written.bytes;
    }

    /// A mark of this moment, where there is a file for it.
    fn mark(&mut self, kind: MarkKind, text: &str) {
        if self.open.is_some() {
            let now_ns = clock::now_ns();
            self.put_mark(Mark { kind: kind as i32, from_ns: now_ns, until_ns: now_ns, text: text.to_owned() });
        }
    }

    /// Marks a stretch of the file as erased. Where there is no file nothing is, and nobody is told that it was.
    fn erase(&mut self, mark: Mark) {
        if self.open.is_none() {
            return warn!(
                "nothing is being recorded: nothing erased; what is to be erased must be so before its recording ends"
            );
        }
        self.say("marks", &mark);
        if self.open.is_none() {
            return; // the disk refused, and said so
        }
        let news = mark.until_ns - mark.from_ns.max(self.erased_until);
        self.erased_until = mark.until_ns;
        self.shared.report().state.erased_s += news.max(0) as f64 / 1e9;
        self.publish(mark);
    }

    fn put_mark(&mut self, mark: Mark) {
        self.say("marks", &mark);
        self.publish(mark);
    }

    fn publish(&self, mark: Mark) {
        let mut report = self.shared.report();
        if report.marks.len() < MARKS_MAX {
            report.marks.push(mark);
        }
    }

    /// Writes a message of its own.
    fn say<M: Name + prost::Message>(&mut self, output: &'static str, body: &M) {
        let seq = self.said.entry(output).or_default();
        *seq += 1;
        let now_ns = clock::now_ns();
        let topic = format!("{}/{output}", self.author.node);
        let header = Header {
            seq: *seq,
            incarnation: self.author.incarnation,
            sent_ns: now_ns,
            stamp_ns: now_ns,
            origin: format!("{}:{topic}", self.author.graph),
            r#type: M::full_name(),
            status: 0,
        };
        let message = Recorded { topic, header, received_ns: now_ns, payload: body.encode_to_vec().into() };
        if let Some(error) = self.open.as_mut().and_then(|open| open.write(&message).err()) {
            self.fail(&error);
        }
    }

    /// Tells the node how it is.
    fn tell(&self) {
        let mut report = self.shared.report();
        let recording = self.open.is_some() && self.wanted.is_some();
        let reason = match (&self.trouble, self.wanted) {
            (Some(trouble), Some(_)) if !recording => trouble.why.clone(),
            (_, Some(why)) => why.to_owned(),
            (_, None) => "not asked to".to_owned(),
        };
        let is_news = report.state.recording != recording || report.state.reason != reason || !report.marks.is_empty();
        report.state.recording = recording;
        report.state.reason = reason;
        if let Some(open) = &self.open {
            let written = open.written();
            report.state.messages = written.messages;
            report.state.bytes = written.bytes;
        }
        drop(report);
        if is_news {
            self.shared.changed.notify_one();
        }
    }
}

/// What the recorder's own ports counted, with what the disk cost them.
pub(crate) fn ledger(node: &offboard::Node, buffer: &Buffer) -> NodeStatus {
    let lost = buffer.lost();
    let mut edges = node.counts();
    for edge in edges.iter_mut().filter(|edge| !edge.publishes) {
        edge.dropped += lost.get(&edge.topic).copied().unwrap_or(0);
    }
    NodeStatus { node: node.name().to_owned(), incarnation: node.incarnation(), edges, ..NodeStatus::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_said_to_be_erased_where_nothing_is_recorded() {
        let dir = tempfile::tempdir().unwrap();
        let target = Target {
            dir: dir.path().to_owned(),
            stem: "run".into(),
            dated: false,
            compression: offboard::recording::Compression::None,
            low_water: 0,
            split_bytes: None,
            split_after: Duration::MAX,
            descriptors: offboard::recording::Descriptors::default(),
            mend: false,
        };
        let shared = Arc::new(Shared::new(1 << 20));
        let author = Author { graph: "robot".into(), node: "recorder".into(), incarnation: 1 };
        let mut scribe = Scribe::new(target, shared.clone(), author, mpsc::channel().0);
        let erased = |kind| shared.news().1.iter().filter(|mark| mark.kind() == kind).count();
        let mark =
            Mark { kind: MarkKind::Erased as i32, from_ns: 1_000_000_000, until_ns: 3_000_000_000, ..Mark::default() };
        scribe.item(Item::Mark(mark.clone()));
        assert_eq!((shared.news().0.erased_s, erased(MarkKind::Erased)), (0.0, 0));
        scribe.item(Item::Record("asked to"));
        scribe.item(Item::Mark(mark.clone()));
        assert_eq!(erased(MarkKind::Erased), 1);
        assert_eq!(shared.news().0.erased_s, 2.0);
        scribe.item(Item::Close("asked to stop"));
        scribe.item(Item::Mark(mark));
        assert_eq!(erased(MarkKind::Erased), 0);
        let marks = offboard::recording::marks(&dir.path().join("run.mcap")).unwrap();
        let kinds: Vec<MarkKind> = marks.iter().map(Mark::kind).collect();
        assert_eq!(kinds, [MarkKind::Start, MarkKind::Erased, MarkKind::Stop]);
    }
}
