//! What people and machines read on stderr and later in files: one line each, marked with who said it.
//! It never waits for a reader or a disk: what they cannot take is dropped and counted.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use offboard::graph::LogSpec;

use self::{
    keeper::Keeper,
    look::{json, text},
    record::Clock,
    screen::Screen,
    sink::{Lane, Sink},
};
use crate::words::rfc3339;

pub(crate) use self::{
    feed::LineFeed,
    level::Level,
    lines::Lines,
    look::{Format, Look, Voice},
    tail::Tail,
};

pub(crate) mod folder;
pub(crate) mod look;
pub(crate) mod record;

mod feed;
mod keeper;
mod level;
mod lines;
mod notices;
mod rotation;
mod screen;
mod sink;
mod tail;

/// The name under which launch itself speaks.
pub(crate) const LAUNCH: &str = "launch";

/// How long the last lines may take on their way out: a dead terminal or disk must not keep launch alive.
const FLUSH_MAX: Duration = Duration::from_secs(1);

/// The log of a launch.
#[derive(Debug)]
pub(crate) struct Logs {
    show: Arc<Show>,
    keeper: Keeper,
    /// Ways to launch's own files, by graph.
    own: Mutex<BTreeMap<String, Lane>>,
    /// What nodes write, for whoever follows it, by graph.
    feeds: Mutex<BTreeMap<String, Arc<LineFeed>>>,
    clock: Clock,
}

/// The part that people see at once.
#[derive(Debug)]
struct Show {
    look: Look,
    sink: Sink,
    lane: Lane,
}

/// The way to a node's file; none when it has no file.
#[derive(Debug, Default)]
pub(crate) struct File(Option<Lane>);

impl Logs {
    /// Writes to stderr and to files from threads of their own.
    pub(crate) fn new(look: Look) -> Logs {
        let sink = Sink::new("log", screen::BUFFER_MAX);
        let lane = sink.open(Screen(std::io::stderr()));
        let show = Arc::new(Show { look, sink, lane });
        let for_files = Arc::clone(&show);
        let keeper = Keeper::new(move |level, text: &str| for_files.say(&Voice::launch(None), level, text));
        Logs { show, keeper, own: Mutex::default(), feeds: Mutex::default(), clock: Clock::default() }
    }

    /// From now on launch's own lines about this graph are kept, too.
    pub(crate) fn keep(&self, graph: &str) {
        if let Some(lane) = self.keeper.launch(graph) {
            self.own().insert(graph.to_owned(), lane);
        }
    }

    /// What the nodes of a graph write, for whoever follows it.
    pub(crate) fn feed(&self, graph: &str) -> Arc<LineFeed> {
        let mut feeds = self.feeds.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(feeds.entry(graph.to_owned()).or_default())
    }

    /// Where a node's lines are kept. `dir`: the graph file's folder.
    pub(crate) fn file(&self, graph: &str, node: &str, spec: &LogSpec, dir: &Path) -> File {
        File(self.keeper.node(graph, node, spec, dir))
    }

    /// One line of a node's, as it wrote it; `cut`: how many bytes of it were left out.
    pub(crate) fn node(&self, voice: &Voice, file: &File, line: &[u8], cut: u64) {
        let shown = self.show.lane.has_room();
        let kept = file.0.as_ref().filter(|lane| lane.has_room());
        if !shown && kept.is_none() {
            return;
        }
        let line = String::from_utf8_lossy(line);
        let line = line.strip_suffix('\r').unwrap_or(&line);
        let split = Level::split(line);
        if let Some(lane) = kept {
            let (level, message) = split.unwrap_or((Level::Info, line));
            lane.push(|into| record::draw(&self.clock, level, message, cut, into));
        }
        if !shown {
            return;
        }
        let (level, message) = match split {
            Some((level, message)) if self.show.look.format == Format::Json => (level, message),
            // The level may be padded in front; the eye wants it where it looks for it.
            Some((level, _)) => (level, line.trim_start()),
            None => (Level::Info, line),
        };
        if cut == 0 {
            return self.show.write(voice, level, message);
        }
        self.show.write(voice, level, &format!("{message} … ({cut} bytes more)"));
    }

    /// A node's new process begins: a mark in its file.
    pub(crate) fn begin(&self, file: &File, pid: u32) {
        if let Some(lane) = &file.0 {
            lane.push(|into| record::draw(&self.clock, Level::Info, &format!("-- process {pid} --"), 0, into));
        }
    }

    /// One line of launch's own.
    pub(crate) fn say(&self, voice: &Voice, level: Level, message: &str) {
        let own = self.own();
        // What concerns no graph in particular concerns all.
        for (_, lane) in own.iter().filter(|(graph, _)| voice.graph.as_ref().is_none_or(|name| name == *graph)) {
            lane.push(|into| record::draw(&self.clock, level, message, 0, into));
        }
        drop(own);
        self.show.say(voice, level, message);
    }

    /// Lets the last lines out, for a bounded time.
    pub(crate) fn close(&self) {
        // The files may still have something to say to people.
        self.keeper.close(FLUSH_MAX);
        self.show.sink.close(FLUSH_MAX);
    }

    fn own(&self) -> MutexGuard<'_, BTreeMap<String, Lane>> {
        self.own.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Show {
    fn say(&self, voice: &Voice, level: Level, message: &str) {
        if self.look.format == Format::Json || level == Level::Info {
            return self.write(voice, level, message);
        }
        self.write(voice, level, &format!("{} {message}", level.word()));
    }

    fn write(&self, voice: &Voice, level: Level, message: &str) {
        let line = match self.look.format {
            Format::Text => text(self.look, voice, level, message),
            Format::Json => json(voice, &rfc3339(SystemTime::now()), level, message),
        };
        self.lane.push(|into| into.extend_from_slice(line.as_bytes()));
    }
}
