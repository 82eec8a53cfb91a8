//! `launch FILE…`: the loop that waits for one event, lets the supervisors decide, and does it.
//! It never decides about a node and never waits for one.

use std::{
    io,
    path::{Path, PathBuf},
    process,
    sync::Arc,
    time::{Duration, Instant},
};

use offboard::{clock, wiring::LAUNCH};
use rustix::process::WaitOptions;
use tokio::{
    runtime::Builder,
    signal::unix::{Signal, SignalKind, signal},
    sync::mpsc,
    time::sleep_until,
};

use self::reloading::{Finished, Reloading};
use crate::{
    cgroup::Cgroups,
    child::Places,
    control::{self, Asked, Request, TopicView},
    describe::Memory,
    failure::Failure,
    files::{Loaded, load_knowing},
    guard::Guard,
    heartbeat::{self, Beat},
    lock::{self, Holder, Refused},
    logs::{Format, Level, Logs, Look, Voice},
    running::{Ready, Running, Shell},
    supervisor::{Event, Exit, code},
    sweep::{Left, sweep},
    topic::{shortest, worth_watching},
    watch::Changed,
};

mod reloading;

/// How many heartbeats wait to be taken in; more stay in the kernel, and the nodes drop what does not fit there.
const BEATS_MAX: usize = 256;

/// How many programs that began wait to be taken in; their news waits where it is.
const BEGUN_MAX: usize = 64;

/// How many requests wait.
const ASKED_MAX: usize = 16;

/// How many names the first lines show of each graph.
const NAMES_MAX: usize = 12;

/// What to run and how to tell of it.
#[derive(Debug)]
pub(crate) struct Orders {
    pub(crate) files: Vec<PathBuf>,
    pub(crate) sets: Vec<String>,
    pub(crate) format: Format,
    pub(crate) color: bool,
    /// Follow changes of the files and of the programs.
    pub(crate) watch: bool,
}

/// Runs graphs until they end; the exit code.
///
/// # Errors
/// When nothing was started: a file is wrong, a graph runs already, the system refuses.
pub(crate) fn run(orders: &Orders) -> Result<u8, Failure> {
    let memory = Memory::default();
    let loaded = load_knowing(&orders.files, &orders.sets, orders.color, &memory)?;
    let sources = loaded.iter().map(|loaded| loaded.sources.clone()).collect();
    let run = format!("{}-{:x}", process::id(), clock::monotonic_ns());
    let mut ready = claim(loaded, &run)?;
    let cgroups = Cgroups::open(&run);
    note(&mut ready, &run, &cgroups)?;
    let logs = Arc::new(Logs::new(look(orders, &ready)));
    let runtime = Builder::new_current_thread().enable_all().build()?;
    // Orphans of ended nodes become our children, so that none stays as a zombie where process 1 does not care.
    let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
    let guard = Guard::start(&run, &cgroups.folders(), cgroups.leaf())?;
    let (begin, begun) = mpsc::channel(BEGUN_MAX);
    let shell = Shell {
        began: Instant::now(),
        guard: Some(guard),
        cgroups,
        run,
        logs: Arc::clone(&logs),
        places: Places::here(),
        clock_offset_ns: clock::sample_offset_ns(),
        begun: begin,
        verbose: std::env::var("LAUNCH_LOG").is_ok_and(|level| matches!(level.as_str(), "debug" | "trace")),
    };
    let reloading = Reloading::new(orders, sources, memory);
    let mut launch = Launch { shell, graphs: Vec::new(), reloading };
    let ran = runtime.block_on(launch.run(ready, begun));
    drop(runtime);
    let Launch { shell, mut graphs, .. } = launch;
    graphs.iter_mut().for_each(Running::release);
    if let Some(guard) = shell.guard {
        guard.farewell();
    }
    shell.cgroups.close();
    logs.close();
    ran?;
    Ok(graphs.iter().filter_map(Running::quit).find(|code| *code != code::OK).unwrap_or(code::OK))
}

/// Takes the locks of all graphs, or none, and clears up after a launch that could not.
fn claim(loaded: Vec<Loaded>, run: &str) -> Result<Vec<Ready>, Failure> {
    let mut ready: Vec<Ready> = Vec::new();
    for Loaded { graph, file, beats, .. } in loaded {
        let path = std::path::absolute(&file).unwrap_or(file);
        let us = us(path.display().to_string(), run, Vec::new());
        match lock::take(&graph.name, &us) {
            Ok((dir, lock, last)) => {
                if let Some(last) = last {
                    sweep(&last.run, &Left::of(&last.run, &last.cgroups));
                }
                lock.tidy();
                ready.push(Ready { graph, file: us.file, beats, dir, lock });
            }
            Err(refused) => {
                ready.into_iter().for_each(|ready| ready.lock.release());
                return Err(refusal(graph.name.as_str(), refused));
            }
        }
    }
    Ok(ready)
}

fn us(file: String, run: &str, cgroups: Vec<PathBuf>) -> Holder {
    Holder { pid: process::id(), file, run: run.to_owned(), cgroups }
}

/// Says in the locks where our control groups are, so that whoever comes after us can clear them.
fn note(ready: &mut [Ready], run: &str, cgroups: &Cgroups) -> io::Result<()> {
    ready.iter_mut().try_for_each(|ready| ready.lock.note(&us(ready.file.clone(), run, cgroups.folders())))
}

fn refusal(graph: &str, refused: Refused) -> Failure {
    match refused {
        Refused::Io(error) => Failure::new(code::OTHER, format!("{graph} cannot be run: {error}")),
        Refused::Running(Holder { pid, file, .. }) => Failure::new(
            code::OTHER,
            format!(
                "{graph} is already running: process {pid} runs {file}\n  `launch ps {graph}` shows it, `launch stop {graph}` ends it"
            ),
        ),
    }
}

fn look(orders: &Orders, ready: &[Ready]) -> Look {
    let several = ready.len() > 1;
    let names = ready.iter().flat_map(|ready| {
        let name = |node: &str| Voice { graph: Some(ready.graph.name.to_string()), node: node.to_owned(), place: 0 };
        let nodes = ready.graph.nodes.iter().map(move |spec| name(spec.name.as_str()));
        nodes.chain([Voice::launch(Some(ready.graph.name.to_string()))])
    });
    let width = names.map(|voice| voice.width(several)).max().unwrap_or_default();
    Look { format: orders.format, color: orders.color, several, width }
}

struct Launch {
    shell: Shell,
    graphs: Vec<Running>,
    reloading: Reloading,
}

/// Where events come from.
struct Ears {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Option<Signal>,
    child: Signal,
    beats: mpsc::Receiver<(usize, Beat)>,
    begun: mpsc::Receiver<u32>,
    asked: mpsc::Receiver<Asked>,
    changes: Option<mpsc::Receiver<Vec<Changed>>>,
}

enum Heard {
    Stop(u8),
    Child,
    Begun(u32),
    Asked(Asked),
    Read(Finished),
    Changed(Vec<Changed>),
    Beats,
    Time,
}

impl Launch {
    async fn run(&mut self, ready: Vec<Ready>, begun: mpsc::Receiver<u32>) -> io::Result<()> {
        // Before the first node: its end must not be missed.
        let mut ears = self.listen(ready, begun)?;
        self.greet();
        for graph in &mut self.graphs {
            graph.happen(Event::Begin, &mut self.shell);
        }
        let mut beats = Vec::with_capacity(BEATS_MAX);
        while self.graphs.iter().any(|graph| graph.quit().is_none()) {
            match ears.hear(self.due(), &mut beats, &mut self.reloading).await {
                Heard::Stop(code) => self.stop(code),
                Heard::Child => self.reap(),
                Heard::Asked(asked) => self.answer(asked),
                Heard::Read(finished) => self.take_in_files(finished),
                Heard::Changed(changes) => self.take_in_changes(changes),
                Heard::Begun(pid) => self.graphs.iter_mut().for_each(|graph| graph.begun(pid, &mut self.shell)),
                Heard::Beats => self.take_in(&mut beats),
                Heard::Time => {}
            }
            self.read_again();
            self.graphs.iter_mut().for_each(|graph| graph.tick(&mut self.shell));
        }
        Ok(())
    }

    fn listen(&mut self, ready: Vec<Ready>, begun: mpsc::Receiver<u32>) -> io::Result<Ears> {
        let (beat, beats) = mpsc::channel(BEATS_MAX);
        let (ask, asked) = mpsc::channel(ASKED_MAX);
        let mut place = 0;
        for (index, ready) in ready.into_iter().enumerate() {
            let (status, ctl) = (heartbeat::bind(&ready.dir.status())?, control::bind(&ready.dir.control())?);
            if let Some(guard) = &mut self.shell.guard {
                guard.add_dir(ready.dir.path().to_owned());
            }
            let mut running = Running::new(ready, &self.shell, place);
            place += running.nodes().count();
            let (feed, lines) = (Arc::clone(&running.feed), self.shell.logs.feed(&running.name));
            running.tasks.push(tokio::spawn(heartbeat::receive(index, status, beat.clone())).abort_handle());
            running.tasks.push(tokio::spawn(control::serve(index, ctl, ask.clone(), feed, lines)).abort_handle());
            self.graphs.push(running);
        }
        let hang_up = if hang_up_is_ignored() { None } else { Some(signal(SignalKind::hangup())?) };
        Ok(Ears {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up,
            child: signal(SignalKind::child())?,
            beats,
            begun,
            asked,
            changes: self.watch()?,
        })
    }

    /// Says what runs and how to look at it.
    fn greet(&self) {
        if self.shell.verbose {
            self.shell.logs.say(&self.voice(), Level::Debug, &self.shell.cgroups.rung().text);
        }
        for graph in &self.graphs {
            let names: Vec<&str> = graph.nodes().filter(|name| *name != LAUNCH).collect();
            let (count, more) = (names.len(), if names.len() > NAMES_MAX { ", …" } else { "" });
            let names = &names[..count.min(NAMES_MAX)];
            let nodes = if count == 1 { "node" } else { "nodes" };
            let text = format!("{} runs {count} {nodes}: {}{more}", graph.name, names.join(", "));
            self.shell.logs.say(&graph.voice, Level::Info, &text);
            for text in graph.unkept(&self.shell) {
                self.shell.logs.say(&graph.voice, Level::Warn, &text);
            }
        }
        let topics: Vec<TopicView> =
            self.graphs.iter().flat_map(Running::topics).filter(|topic| topic.publisher != LAUNCH).cloned().collect();
        let hz = worth_watching(&topics).map(|topic| format!(" · launch topic hz {}", shortest(topic, &topics)));
        let text = format!("look: launch ps · launch topic list{} · Ctrl-C stops", hz.unwrap_or_default());
        self.shell.logs.say(&self.voice(), Level::Info, &text);
    }

    fn voice(&self) -> Voice {
        // With several graphs this is none of them in particular.
        self.graphs.first().filter(|_| self.graphs.len() == 1).map_or(Voice::launch(None), |graph| graph.voice.clone())
    }

    fn due(&self) -> Option<Instant> {
        let graphs = self.graphs.iter().filter_map(Running::due).min().map(|due| self.shell.began + due);
        graphs.into_iter().chain(self.due_again()).min()
    }

    fn stop(&mut self, code: u8) {
        let name = match code - code::SIGNAL {
            1 => "SIGHUP",
            2 => "SIGINT",
            _ => "SIGTERM",
        };
        self.shell.logs.say(&self.voice(), Level::Info, &format!("stopping ({name}); once more kills"));
        for graph in self.graphs.iter_mut().filter(|graph| graph.quit().is_none()) {
            graph.happen(Event::Stop { code }, &mut self.shell);
        }
    }

    /// Takes in the ends of all processes that ended: one signal may stand for many.
    fn reap(&mut self) {
        while let Ok(Some((pid, status))) = rustix::process::wait(WaitOptions::NOHANG) {
            let pid = pid.as_raw_nonzero().get().unsigned_abs();
            let exit = match (status.exit_status(), status.terminating_signal()) {
                (Some(code), _) => Exit::Code(code),
                (None, Some(signal)) => Exit::Signal(signal),
                (None, None) => continue,
            };
            if self.shell.guard.as_ref().is_some_and(|guard| guard.pid() == pid) {
                self.replace_guard();
            } else {
                // An orphan of some node's that we only buried is none of them.
                let _ = self.graphs.iter_mut().any(|graph| graph.reaped(pid, &exit, &mut self.shell));
            }
        }
    }

    fn replace_guard(&mut self) {
        let Some(guard) = &mut self.shell.guard else { return };
        if let Err(error) = guard.replace() {
            self.shell.guard = None;
            let text = format!("there is no guard any more ({error}): should launch be killed, its nodes will live on");
            self.shell.logs.say(&self.voice(), Level::Error, &text);
        }
    }

    fn answer(&mut self, asked: Asked) {
        let Asked { graph, request, answer } = asked;
        if request == (Request::Reload {}) {
            self.reloading.ask(graph, answer);
        } else if let Some(graph) = self.graphs.get_mut(graph) {
            // Who asked may have left.
            let _ = answer.send(graph.ask(&request, &mut self.shell));
        }
    }

    fn take_in(&mut self, beats: &mut Vec<(usize, Beat)>) {
        for (graph, beat) in beats.drain(..) {
            if let Some(graph) = self.graphs.get_mut(graph) {
                graph.beat(beat, &mut self.shell);
            }
        }
    }
}

impl Ears {
    /// The next event; what matters most comes first.
    async fn hear(&mut self, due: Option<Instant>, beats: &mut Vec<(usize, Beat)>, reloading: &mut Reloading) -> Heard {
        // A year is for ever.
        let due = due.unwrap_or_else(|| Instant::now() + Duration::from_secs(365 * 24 * 3600));
        let hang_up = async {
            match &mut self.hang_up {
                Some(signal) => signal.recv().await,
                None => std::future::pending().await,
            }
        };
        let changes = async {
            match &mut self.changes {
                Some(changes) => changes.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            _ = self.interrupt.recv() => Heard::Stop(code::SIGNAL + 2),
            _ = self.terminate.recv() => Heard::Stop(code::SIGNAL + 15),
            _ = hang_up => Heard::Stop(code::SIGNAL + 1),
            _ = self.child.recv() => Heard::Child,
            Some(asked) = self.asked.recv() => Heard::Asked(asked),
            finished = reloading.finished() => Heard::Read(finished),
            Some(changes) = changes => Heard::Changed(changes),
            Some(pid) = self.begun.recv() => Heard::Begun(pid),
            _ = self.beats.recv_many(beats, BEATS_MAX) => Heard::Beats,
            () = sleep_until(due.into()) => Heard::Time,
        }
    }
}

/// Whether we were started with `nohup`.
fn hang_up_is_ignored() -> bool {
    ignored_signals(Path::new("/proc/self/status")).is_some_and(|mask| mask & 1 == 1)
}

fn ignored_signals(status: &Path) -> Option<u64> {
    let status = std::fs::read_to_string(status).ok()?;
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
    u64::from_str_radix(mask.trim(), 16).ok()
}
