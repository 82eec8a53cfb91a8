//! Graph files that are read again while their graphs run: in a thread, one reading at a time.
//! It never changes a graph by itself and never makes the loop wait.

use std::{
    io,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use tokio::sync::{mpsc, oneshot};

use super::{Launch, Orders};
use crate::{
    control::Answer,
    describe::Memory,
    failure::Failure,
    files::{Loaded, load_again},
    logs::Level,
    supervisor::code,
    watch::{Changed, Source, Watch, Watched},
};

/// How soon files that were wrong are read again when changes are followed. Programs that answered are not asked again.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// What was read: graphs, or all mistakes.
type Read = Result<Vec<Loaded>, Failure>;

/// Reads graph files again.
#[derive(Debug)]
pub(super) struct Reloading {
    /// The files and overrides of the command line.
    files: Vec<PathBuf>,
    sets: Vec<String>,
    /// What programs answered: they are not asked again while they may be driving.
    memory: Memory,
    /// What each graph was read from when it was last taken in.
    sources: Vec<Vec<Source>>,
    /// Whether changes are followed, and who sees them.
    follows: bool,
    watch: Option<Watch>,
    under_way: Option<UnderWay>,
    /// What was wished meanwhile: all of it is one further reading.
    next: Wishes,
    /// The mistakes of the last reading, which are told once.
    mistakes: Option<String>,
    /// While the files are wrong: when to read them again, for what mends them may be a file that is not looked at.
    again: Option<Instant>,
}

#[derive(Debug)]
struct UnderWay {
    wishes: Wishes,
    graphs: Vec<usize>,
    read: oneshot::Receiver<Read>,
}

/// A reading that is over.
#[derive(Debug)]
pub(super) struct Finished {
    read: Read,
    /// The places of the graphs whose files were read, in the order of what was read.
    graphs: Vec<usize>,
    wishes: Wishes,
}

/// Who wishes that files are read again. Clients wait for their answer, so there are not many.
#[derive(Debug, Default)]
struct Wishes {
    /// A file was seen to be changed: all graphs are meant.
    seen: bool,
    /// Graphs by their places, and where their answers go.
    asked: Vec<(usize, oneshot::Sender<Answer>)>,
}

impl Wishes {
    fn mean(&self, graph: usize) -> bool {
        self.seen || self.asked.iter().any(|(asked, _)| *asked == graph)
    }

    /// Answers all who asked about this graph.
    fn answer(&mut self, graph: usize, answer: &Answer) {
        for (_, to) in self.asked.extract_if(.., |(asked, _)| *asked == graph) {
            // Who asked may have left.
            let _ = to.send(answer.clone());
        }
    }
}

impl Reloading {
    /// Nothing is read yet. `sources` are the files that each graph was read from.
    pub(super) fn new(orders: &Orders, sources: Vec<Vec<Source>>, memory: Memory) -> Reloading {
        Reloading {
            files: orders.files.clone(),
            sets: orders.sets.clone(),
            memory,
            sources,
            follows: orders.watch,
            watch: None,
            under_way: None,
            next: Wishes::default(),
            mistakes: None,
            again: None,
        }
    }

    /// Somebody wants the changed file of a graph taken in.
    pub(super) fn ask(&mut self, graph: usize, answer: oneshot::Sender<Answer>) {
        self.next.asked.push((graph, answer));
    }

    /// Waits until something was read; for ever while nothing is.
    pub(super) async fn finished(&mut self) -> Finished {
        let Some(under_way) = &mut self.under_way else { return std::future::pending().await };
        let read = (&mut under_way.read).await;
        let read = read.unwrap_or_else(|_| Err(Failure::new(code::OTHER, "the graph files could not be read again")));
        let (graphs, wishes) = self.under_way.take().map(|it| (it.graphs, it.wishes)).unwrap_or_default();
        Finished { read, graphs, wishes }
    }
}

impl Launch {
    /// Begins to follow changes, when that was ordered.
    pub(super) fn watch(&mut self) -> io::Result<Option<mpsc::Receiver<Vec<Changed>>>> {
        if !self.reloading.follows {
            return Ok(None);
        }
        let (watch, changes) = Watch::start(self.watched(), self.shell.places.clone())?;
        self.reloading.watch = Some(watch);
        Ok(Some(changes))
    }

    fn watched(&self) -> Watched {
        let programs = self.graphs.iter().enumerate().flat_map(|(place, graph)| graph.programs(place));
        Watched { files: self.reloading.sources.concat(), programs: programs.collect() }
    }

    /// When files that were wrong are to be read again.
    pub(super) fn due_again(&self) -> Option<Instant> {
        self.reloading.again
    }

    /// Begins to read the files of the graphs that run, if that is wished and nothing is being read.
    pub(super) fn read_again(&mut self) {
        let reloading = &mut self.reloading;
        if reloading.again.is_some_and(|due| due <= Instant::now()) {
            (reloading.again, reloading.next.seen) = (None, true);
        }
        let is_wished = reloading.next.seen || !reloading.next.asked.is_empty();
        if reloading.under_way.is_some() || !is_wished {
            return;
        }
        let runs = |place: &usize| self.graphs.get(*place).is_some_and(|graph| graph.quit().is_none());
        let graphs: Vec<usize> = (0..reloading.files.len()).filter(runs).collect();
        let files: Vec<PathBuf> = graphs.iter().filter_map(|place| reloading.files.get(*place).cloned()).collect();
        let (tell, read) = oneshot::channel();
        let (sets, memory) = (reloading.sets.clone(), reloading.memory.clone());
        // Programs are asked what they are, which may take seconds. Coloured: where no colours are wanted they are taken off.
        let work = move || drop(tell.send(load_again(&files, &sets, true, &memory)));
        // A thread that cannot be made drops its end of the channel: that is heard as a failure.
        let _ = thread::Builder::new().name("reload".to_owned()).spawn(work);
        let wishes = std::mem::take(&mut reloading.next);
        reloading.under_way = Some(UnderWay { wishes, graphs, read });
    }

    /// Takes in what was read, for those graphs that are meant, and answers who asked.
    pub(super) fn take_in_files(&mut self, finished: Finished) {
        let Finished { read, graphs, mut wishes } = finished;
        match read {
            Err(failure) => self.refuse_files(&failure, &graphs, &mut wishes),
            Ok(loaded) => {
                self.reloading.mistakes = None;
                self.reloading.again = None;
                for (place, loaded) in graphs.into_iter().zip(loaded) {
                    if wishes.mean(place) {
                        let answer = self.take_in_file(place, loaded);
                        wishes.answer(place, &answer);
                    }
                }
            }
        }
        // Of graphs that ended meanwhile.
        let ended = Answer::Error("the graph is ending".to_owned());
        wishes.asked.drain(..).for_each(|(_, to)| drop(to.send(ended.clone())));
        if let Some(watch) = &self.reloading.watch {
            watch.follow(self.watched());
        }
    }

    fn take_in_file(&mut self, place: usize, loaded: Loaded) -> Answer {
        let Some(graph) = self.graphs.get_mut(place) else { return Answer::Error("the graph is ending".to_owned()) };
        let (file, sources) = (loaded.file.display().to_string(), loaded.sources.clone());
        match graph.reload(loaded, &mut self.shell) {
            Ok(view) => {
                if let Some(known) = self.reloading.sources.get_mut(place) {
                    *known = sources;
                }
                self.shell.logs.say(&graph.voice, Level::Info, &format!("{file} was read again: {}", view.sentence()));
                Answer::Reloaded(view)
            }
            Err(Failure { code, text }) => {
                let first = text.trim_start_matches("launch: ").lines().next().unwrap_or_default().to_owned();
                let says = format!("{file} was read again and changes nothing: {first}");
                self.shell.logs.say(&graph.voice, Level::Error, &says);
                Answer::Refused { code, text }
            }
        }
    }

    /// The files are wrong. All mistakes go to who asked; to the log only when nobody did, and once.
    fn refuse_files(&mut self, failure: &Failure, graphs: &[usize], wishes: &mut Wishes) {
        let text = anstream::adapter::strip_str(&failure.text).to_string();
        let is_new = self.reloading.mistakes.as_ref() != Some(&text);
        for place in graphs {
            wishes.answer(*place, &Answer::Refused { code: failure.code, text: failure.text.clone() });
        }
        let files: Vec<String> = self.reloading.files.iter().map(|file| file.display().to_string()).collect();
        if is_new || !wishes.seen {
            let files = files.join(" ");
            let says = format!("{files}: wrong, so nothing was changed; `launch check {files}` shows all mistakes");
            self.shell.logs.say(&self.voice(), Level::Error, &says);
        }
        if is_new && wishes.seen {
            text.lines().for_each(|line| self.shell.logs.say(&self.voice(), Level::Info, line));
        }
        self.reloading.mistakes = Some(text);
        self.reloading.again = self.reloading.follows.then(|| Instant::now() + AGAIN_AFTER);
    }

    /// Follows what was seen to be changed.
    pub(super) fn take_in_changes(&mut self, changes: Vec<Changed>) {
        for changed in changes {
            match changed {
                Changed::File(_) => self.reloading.next.seen = true,
                Changed::Program { graph, node, file } => {
                    // What was wrong may have been what this program said of itself.
                    self.reloading.next.seen |= self.reloading.mistakes.is_some();
                    if let Some(graph) = self.graphs.get_mut(graph) {
                        graph.renew(&node, &file, &mut self.shell);
                    }
                }
            }
        }
    }
}
