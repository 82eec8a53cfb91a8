//! The programs of nodes, run for a verb: as themselves, as `launch train` is `model train`, or as somebody else's stand-in.
//! It never knows what a program does.

use std::{
    env,
    ffi::OsString,
    fs::File,
    io::{self, Read},
    os::unix::process::{CommandExt, ExitStatusExt},
    path::{Path, PathBuf},
    process::{self, Child, Command, ExitStatus, Stdio},
    sync::mpsc::channel,
    thread,
    time::Duration,
};

use offboard::wiring::NodeWiring;
use rustix::{
    pipe::{PipeFlags, pipe_with},
    termios::{OptionalActions, Termios, tcgetattr, tcsetattr},
};
use tokio::{
    runtime::{Builder, Runtime},
    signal::unix::{Signal, SignalKind, signal},
    sync::oneshot,
    time::{Instant, sleep, sleep_until},
};

use crate::{
    child::{Places, RUN_VARIABLE, signal_process},
    enter::Enter,
    failure::Failure,
    supervisor::{Force, code},
};

/// How often is looked whether one has ended…
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// …and whether there is still a reason for it to go on.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// Where a program that talks with a person finds our process number.
const PARENT_VARIABLE: &str = "LAUNCH_PARENT";

/// How long one that was asked to end may take: a recorder brings to the disk what it has.
const GRACE: Duration = Duration::from_secs(20);

/// The longest reason why a program did not begin, in bytes.
const WHY_MAX: u64 = 4 << 10;

/// The longest answer of a program that talked with a person, in bytes, and how long after its end it may take to be read.
const ANSWER_MAX: u64 = 1 << 20;
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// The longest answer of a person, in bytes.
const LINE_MAX: usize = 64;

/// Until somebody ends it.
const FOR_EVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// Becomes `PROGRAM WORDS…`; what was asked for is that node's business.
///
/// # Errors
/// When there is no such program, or it cannot begin.
pub(crate) fn become_it(verb: &str, program: &str, words: &[OsString]) -> Result<u8, Failure> {
    let path = find(verb, program)?;
    // Exit code, signals and terminal are its own: nothing stands between.
    let error = Command::new(&path).args(words).exec();
    Err(cannot(&path, &error))
}

/// The program of one of our nodes.
///
/// # Errors
/// When there is none.
pub(crate) fn find(verb: &str, program: &str) -> Result<PathBuf, Failure> {
    let places = Places::here();
    places.find(Path::new("."), program).map_err(|_| {
        let beside = places.beside.display();
        Failure::new(
            code::OTHER,
            format!("`launch {verb}` is the business of the program {program}, which is neither in {beside}, nor here, nor in PATH"),
        )
    })
}

/// Runs a program to its end and gets what it wrote to stdout.
///
/// # Errors
/// When it cannot be run or does not end well; what it wrote to stderr says why.
pub(crate) fn asked(path: &Path, words: &[&str]) -> Result<String, Failure> {
    let mut command = Command::new(path);
    let output = command.args(words).stdin(Stdio::null()).output().map_err(|error| cannot(path, &error))?;
    if !output.status.success() {
        return Err(Failure::drawn(code_of(output.status), String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A program that will be a node of this wiring, outside any graph file. With this process it is asked to end, however that ends.
pub(crate) fn node(path: &Path, wiring: &NodeWiring) -> Command {
    let mut command = Command::new("/proc/self/exe");
    // It is started from the thread that minds it: the signal follows that thread, which lives as long as the verb.
    command.args(Enter { parent: process::id(), ..Enter::default() }.words()).arg(path);
    wire(&mut command, wiring);
    command
}

/// Gives a program its wiring, and nothing of somebody else's.
fn wire(command: &mut Command, wiring: &NodeWiring) {
    for (name, _) in env::vars_os() {
        if name.to_string_lossy().starts_with("LAUNCH_") && name != crate::child::LOG_VARIABLE {
            command.env_remove(name);
        }
    }
    command.envs(wiring.env()).env(RUN_VARIABLE, format!("verb-{}", process::id()));
}

/// Why a program is asked to end before its time.
pub(crate) enum Look {
    /// It goes on.
    GoOn,
    /// It has no reason any more: this is the sentence.
    End(String),
}

/// Runs programs until all have ended, or one badly, or it is time, or somebody asks, or `look` says so; the exit code of the first
/// that ended badly.
///
/// # Errors
/// When one cannot begin.
pub(crate) fn mind(
    commands: Vec<Command>,
    within: Option<Duration>,
    look: impl FnMut() -> Look,
) -> Result<u8, Failure> {
    Minder::new()?.mind(commands, within, look)
}

/// Hears from now on who asks the verb to end, and will mind programs: whoever must put something right afterwards begins with this.
pub(crate) struct Minder {
    runtime: Runtime,
    signals: Signals,
}

impl Minder {
    /// Nobody is asked to end by a signal any more, until programs are minded.
    ///
    /// # Errors
    /// When signals cannot be heard.
    pub(crate) fn new() -> Result<Minder, Failure> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let signals = runtime.block_on(async { Signals::new() })?;
        Ok(Minder { runtime, signals })
    }

    /// As [`mind`].
    ///
    /// # Errors
    /// When one cannot begin.
    pub(crate) fn mind(
        mut self,
        commands: Vec<Command>,
        within: Option<Duration>,
        look: impl FnMut() -> Look,
    ) -> Result<u8, Failure> {
        let mut children = Children(Vec::new());
        for command in commands {
            begin(command, &mut children)?;
        }
        self.runtime.block_on(watch(&mut children, &mut self.signals, within, look))?;
        let ends = children.0.iter().filter_map(|(_, end)| end.map(code_of));
        Ok(ends.max_by_key(|end| *end != code::OK).unwrap_or(code::OK))
    }
}

impl Minder {
    /// Has a node's program talk with the person at this terminal: `PROGRAM VERB`; what it wrote to stdout. Keys and lines go to it,
    /// the terminal is afterwards as it was. It is told whose child it is, so that it can end with us even when we ended first.
    ///
    /// # Errors
    /// When it cannot be run or does not end well; it has said why.
    pub(crate) fn talk(&mut self, path: &Path, verb: &str, dir: &Path, wiring: &NodeWiring) -> Result<String, Failure> {
        let terminal = Terminal::keep();
        let mut command = Command::new(path);
        wire(&mut command, wiring);
        command.env(PARENT_VARIABLE, process::id().to_string());
        let mut child =
            command.arg(verb).current_dir(dir).stdout(Stdio::piped()).spawn().map_err(|error| cannot(path, &error))?;
        let (tell, said) = channel();
        if let Some(out) = child.stdout.take() {
            thread::spawn(move || {
                let mut text = String::new();
                // What does not read is no answer.
                let _ = out.take(ANSWER_MAX).read_to_string(&mut text);
                let _ = tell.send(text);
            });
        }
        let mut children = Children(vec![(child, None)]);
        self.runtime.block_on(watch(&mut children, &mut self.signals, None, || Look::GoOn))?;
        drop(terminal);
        match children.0.first().and_then(|(_, end)| *end) {
            // Whom it started may still hold its output: that is bounded.
            Some(end) if end.success() => Ok(said.recv_timeout(ANSWER_WITHIN).unwrap_or_default()),
            end => Err(Failure::drawn(end.map_or(code::OTHER, code_of), String::new())),
        }
    }

    /// Whether the person at this terminal, or the next line of what stands for one, says yes; no when somebody ends the verb.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub(crate) fn is_agreed(&mut self, question: &str) -> Result<bool, Failure> {
        eprint!("{question}");
        let (tell, told) = oneshot::channel();
        // It waits for the line as long as this process lives.
        thread::Builder::new().spawn(move || tell.send(read_line()))?;
        let line = self.runtime.block_on(async {
            tokio::select! {
                () = self.signals.any() => None,
                line = told => line.ok(),
            }
        });
        if line.as_ref().is_none_or(|line| !line.ends_with('\n')) {
            eprintln!();
        }
        Ok(matches!(line.unwrap_or_default().trim().to_ascii_lowercase().as_str(), "y" | "yes"))
    }
}

/// A line from the standard input, byte by byte: what comes behind it is not ours.
fn read_line() -> String {
    let mut line = Vec::new();
    let mut byte = [0];
    while line.len() < LINE_MAX
        && !line.ends_with(b"\n")
        && matches!(rustix::io::read(rustix::stdio::stdin(), &mut byte), Ok(1))
    {
        line.push(byte[0]);
    }
    String::from_utf8_lossy(&line).into_owned()
}

/// The terminal as it was, should a program that was killed leave it otherwise.
struct Terminal(Option<Termios>);

impl Terminal {
    fn keep() -> Terminal {
        Terminal(tcgetattr(rustix::stdio::stdin()).ok())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if let Some(was) = &self.0 {
            // One that is gone needs nothing.
            let _ = tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, was);
        }
    }
}

/// Starts a program that [`node`] made; returns when it has begun, or with why it could not.
fn begin(mut command: Command, children: &mut Children) -> Result<(), Failure> {
    let failed = |why: &str| Failure::new(code::OTHER, format!("cannot run {why}"));
    let (birth, tells) = pipe_with(PipeFlags::CLOEXEC).map_err(|error| failed(&error.to_string()))?;
    let child = command.stdin(tells).spawn().map_err(|error| failed(&error.to_string()))?;
    drop(command); // with our own end of the pipe that the program's beginning closes
    children.0.push((child, None));
    let mut why = String::new();
    File::from(birth).take(WHY_MAX).read_to_string(&mut why)?;
    if why.is_empty() { Ok(()) } else { Err(failed(&why)) }
}

async fn watch(
    children: &mut Children,
    signals: &mut Signals,
    within: Option<Duration>,
    mut look: impl FnMut() -> Look,
) -> Result<(), Failure> {
    let enough = Instant::now() + within.unwrap_or(FOR_EVER);
    let mut ask = Instant::now() + ASK_EVERY;
    loop {
        tokio::select! {
            () = signals.any() => break,
            () = sleep_until(enough) => break,
            () = sleep(LOOK_EVERY) => {}
        }
        if children.look()? {
            break;
        }
        if Instant::now() >= ask {
            ask = Instant::now() + ASK_EVERY;
            if let Look::End(why) = look() {
                eprintln!("launch: {why}");
                break;
            }
        }
    }
    children.signal(Force::Ask);
    let patience = Instant::now() + GRACE;
    while !children.all_ended()? {
        tokio::select! {
            () = signals.any() => children.signal(Force::Kill),
            () = sleep_until(patience) => {
                children.signal(Force::Kill);
                children.wait()?;
            }
            () = sleep(LOOK_EVERY) => {}
        }
    }
    Ok(())
}

/// What asks a verb to end.
struct Signals([Signal; 3]);

impl Signals {
    fn new() -> io::Result<Signals> {
        let [interrupt, terminate, hangup] =
            [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()].map(signal);
        Ok(Signals([interrupt?, terminate?, hangup?]))
    }

    async fn any(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}

/// Programs that run. None is left when this is dropped.
struct Children(Vec<(Child, Option<ExitStatus>)>);

impl Children {
    /// Whether there is nothing more to wait for: all have ended, or one badly.
    fn look(&mut self) -> io::Result<bool> {
        let all = self.all_ended()?;
        Ok(all || self.0.iter().any(|(_, end)| end.is_some_and(|end| !end.success())))
    }

    fn all_ended(&mut self) -> io::Result<bool> {
        for (child, end) in self.0.iter_mut().filter(|(_, end)| end.is_none()) {
            *end = child.try_wait()?;
        }
        Ok(self.0.iter().all(|(_, end)| end.is_some()))
    }

    fn wait(&mut self) -> io::Result<()> {
        for (child, end) in self.0.iter_mut().filter(|(_, end)| end.is_none()) {
            *end = Some(child.wait()?);
        }
        Ok(())
    }

    fn signal(&self, force: Force) {
        let living = self.0.iter().filter(|(_, end)| end.is_none());
        living.for_each(|(child, _)| signal_process(child.id(), force));
    }
}

impl Drop for Children {
    fn drop(&mut self) {
        self.signal(Force::Kill);
        // What was killed is gone at once.
        drop(self.wait());
    }
}

fn cannot(path: &Path, error: &io::Error) -> Failure {
    Failure::new(code::OTHER, format!("cannot run {}: {error}", path.display()))
}

/// As a shell would tell it: 128 and the signal's number for a killed process.
fn code_of(end: ExitStatus) -> u8 {
    let code = end.code().unwrap_or_else(|| 128 + end.signal().unwrap_or(0));
    u8::try_from(code).unwrap_or(code::OTHER)
}
