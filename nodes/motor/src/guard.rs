//! What brings a board to neutral when the motor node cannot: a small child process that listens to a pipe.
//!
//! A servo board or a PWM output goes on with the last pulse that it was given, also when the node was killed (`kill -9`) or hangs
//! (`kill -STOP`, Ctrl-Z). The node says over the pipe that something moves, and again and again while it does or may. When that word
//! does not come for as long as the guard is patient, or the pipe closes without a farewell, the guard puts the outputs to neutral,
//! and says so. While there is no guard the driver is in trouble, so nothing moves.
//!
//! It opens nothing and writes nothing while the node is well, and sleeps while nothing moves. It is in the node's process group, and
//! takes no notice when that is asked to end or to stop (from a few milliseconds after its start): the node itself does what is to be
//! done then, and the guard goes after it. Who kills the whole group kills it too: then it is the node's next start that puts out neutral.

use std::{
    io::{self, Write},
    os::{fd::AsFd, unix::process::CommandExt},
    process::{Child, ChildStdin, Command, ExitCode, Stdio},
    thread,
    time::{Duration, Instant},
};

use offboard::Result;
use rustix::{
    fs::{OFlags, fcntl_getfl, fcntl_setfl},
    process::Signal,
    termios::{LocalModes, tcgetattr},
};
use serde::{Deserialize, Serialize};
use tokio::{
    io::AsyncReadExt,
    net::unix::pipe::Receiver,
    signal::unix::{SignalKind, signal},
    time::timeout,
};

use crate::{
    driver::{self, Driver, DriverSettings, desk::BLOCKED_AFTER},
    mixing::Wheels,
};

/// The hidden word that makes a motor program a guard.
pub(crate) const WORD: &str = "--guard";

/// How it is called in process lists: who kills every `motor` by name must not meet it.
const NAME: &str = "offboard-guard";

/// Something moves, or may.
const MOVING: u8 = b'm';
/// Nothing moves.
const RESTING: u8 = b'r';
/// The node ends in good order.
const FAREWELL: u8 = b'f';
/// The node ends, and its last word may not have reached the outputs.
const UNSURE: u8 = b'u';

/// How many of the node's periods the guard is patient for at least: an output or two may be late on a busy computer, a `hold` may be
/// as short as three periods, and a guard must not write beside a node that is well. A `hold` that is longer counts. Neither goes
/// beyond a second: deadman is bounded by that, and a period by 50 ms.
const PATIENT_PERIODS: u32 = 8;

/// The node says that something moves with an output that comes after such a part of the guard's patience: eight times at least.
const BEAT_PART: u32 = 16;

/// After so long at neutral without trouble nothing moves: an output that still blocked then would be in trouble.
const RESTED_AFTER: Duration = BLOCKED_AFTER.saturating_mul(2);

/// How often neutral is tried when it cannot be put out.
const TRY_EVERY: Duration = Duration::from_millis(20);

/// How long it is tried when the node has ended by itself; and when it is gone: launch is patient for two seconds.
const UNSURE_WITHIN: Duration = Duration::from_millis(200);
const TRY_WITHIN: Duration = Duration::from_secs(1);

/// How long the node waits for the guard's end.
const END_WITHIN: Duration = Duration::from_millis(500);

/// How often another guard is begun where one was killed or could not be started.
const BEGIN_EVERY: Duration = Duration::from_secs(1);

/// A driver with a guard.
pub(crate) struct Guarded {
    driver: Box<dyn Driver>,
    guard: Guard,
    /// When something moved last, or may have moved.
    moved: Instant,
    /// After so long at neutral nothing does.
    rested_after: Duration,
}

impl Guarded {
    /// Starts the guard before the driver: nothing moves without it. Outputs come each `period` at least.
    ///
    /// # Errors
    /// When the driver cannot be opened.
    pub(crate) fn open(
        settings: &DriverSettings,
        period: Duration,
        open: impl FnOnce() -> Result<Box<dyn Driver>>,
    ) -> Result<Guarded> {
        let guard = Guard::start(Post::new(settings, period));
        Ok(Guarded::new(open()?, guard, settings.hold()))
    }

    fn new(driver: Box<dyn Driver>, guard: Guard, hold: Duration) -> Guarded {
        // What a node before this one left may still move.
        Guarded { driver, guard, moved: Instant::now(), rested_after: hold.max(RESTED_AFTER) }
    }
}

impl Driver for Guarded {
    fn put(&mut self, now_ns: i64, wheels: Wheels) -> Result<Wheels> {
        if wheels != Wheels::NEUTRAL || self.driver.trouble().is_some() {
            self.moved = Instant::now();
        }
        self.guard.hear(self.moved.elapsed() < self.rested_after);
        self.driver.put(now_ns, wheels)
    }

    fn trouble(&self) -> Option<String> {
        self.driver.trouble().or_else(|| self.guard.missing.clone())
    }

    /// The driver has the first try at neutral. Where it may have failed, the guard tries too.
    fn finish(&mut self) -> bool {
        let done = self.driver.finish();
        self.guard.end(if done { FAREWELL } else { UNSURE });
        done
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        self.finish();
    }
}

/// What a guard is started with.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Post {
    settings: DriverSettings,
    /// How long it waits for the next word while something moves.
    patience: Duration,
}

impl Post {
    fn new(settings: &DriverSettings, period: Duration) -> Post {
        Post { settings: settings.clone(), patience: settings.hold().max(period * PATIENT_PERIODS) }
    }
}

/// The guard as the node holds it.
#[derive(Debug)]
struct Guard {
    post: Post,
    process: Option<(Child, ChildStdin)>,
    /// Why there is none.
    missing: Option<String>,
    /// When another one was begun last.
    again: Option<Instant>,
    /// What was said last, and when.
    said: Option<(bool, Instant)>,
}

impl Guard {
    fn start(post: Post) -> Guard {
        let mut guard = Guard { post, process: None, missing: None, again: None, said: None };
        guard.begin();
        guard
    }

    /// Starts its process.
    fn begin(&mut self) {
        let begun = spawn(&self.post).map_err(|error| {
            format!("its guard cannot be started ({error}): look at the limits of processes, files and memory")
        });
        (self.process, self.missing) = match begun {
            Ok(process) => (Some(process), None),
            Err(why) => (None, Some(why)),
        };
    }

    /// Tells it whether something moves, when that is news or was said some time ago. Never blocks.
    fn hear(&mut self, moving: bool) {
        let every = self.post.patience / BEAT_PART;
        if self.said.is_some_and(|(said, at)| said == moving && (!moving || at.elapsed() < every)) {
            return;
        }
        let word = if moving { MOVING } else { RESTING };
        match self.process.as_mut().map(|(_, pipe)| pipe.write(&[word])) {
            Some(Err(error)) if error.kind() == io::ErrorKind::BrokenPipe => self.replace(),
            Some(Err(_)) => {} // it reads nothing: it is told again with the next output
            Some(Ok(_)) => self.said = Some((moving, Instant::now())),
            None => self.replace(),
        }
    }

    /// Another one takes its place: the first one at once, then one a second.
    fn replace(&mut self) {
        self.said = None;
        if let Some((mut child, _)) = self.process.take() {
            let ended = child.wait().map_or_else(|error| error.to_string(), |status| status.to_string());
            tracing::warn!("the guard of the outputs has ended ({ended}); another one takes its place");
            self.missing = Some(format!("its guard has ended ({ended})"));
        }
        if self.again.is_none_or(|at| at.elapsed() >= BEGIN_EVERY) {
            self.again = Some(Instant::now());
            self.begin();
        }
    }

    /// Its end is waited for, within a bound, so that nothing of the node is left.
    fn end(&mut self, word: u8) {
        let Some((mut child, mut pipe)) = self.process.take() else { return };
        drop(pipe.write(&[word]));
        drop(pipe);
        let late = Instant::now() + END_WITHIN;
        while matches!(child.try_wait(), Ok(None)) {
            if Instant::now() >= late {
                drop(child.kill());
                drop(child.wait());
                return;
            }
            thread::sleep(Duration::from_millis(1));
        }
    }
}

fn spawn(post: &Post) -> io::Result<(Child, ChildStdin)> {
    let post = serde_json::to_string(post)?;
    let mut child = Command::new("/proc/self/exe")
        .arg0(NAME)
        .args([WORD, &post])
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()?;
    let pipe = child.stdin.take().ok_or_else(|| io::Error::other("it has no pipe"))?;
    fcntl_setfl(&pipe, fcntl_getfl(&pipe)? | OFlags::NONBLOCK)?;
    Ok((child, pipe))
}

/// The guard's own life: listens until the pipe closes.
pub(crate) fn main(post: &str) -> ExitCode {
    drop(std::fs::write("/proc/self/comm", NAME));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let watched = runtime.and_then(|runtime| runtime.block_on(watch(post)));
    match watched {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("the guard of the outputs cannot work: {error}"));
            ExitCode::FAILURE
        }
    }
}

async fn watch(post: &str) -> io::Result<()> {
    let Post { settings, patience } = serde_json::from_str(post)?;
    // Whoever asks the node to end or to stop asks its whole group; the guard goes after the node.
    let end = [Signal::TERM, Signal::INT, Signal::HUP, Signal::QUIT];
    let stop = [Signal::TSTP, Signal::TTIN, Signal::TTOU];
    let deaf = end.into_iter().chain(stop).map(|deaf| signal(SignalKind::from_raw(deaf.as_raw())));
    let _deaf: Vec<_> = deaf.collect::<io::Result<_>>()?;
    let mut pipe = Receiver::from_owned_fd(io::stdin().as_fd().try_clone_to_owned()?)?;
    let mut words = [0; 256];
    let mut moving = false;
    let mut last = ("the motor node is gone without a word", TRY_WITHIN);
    loop {
        let heard =
            if moving { timeout(patience, pipe.read(&mut words)).await } else { Ok(pipe.read(&mut words).await) };
        match heard {
            Ok(Ok(0)) | Ok(Err(_)) => break,
            Ok(Ok(length)) => match words[..length].last() {
                Some(&FAREWELL) => return Ok(()),
                Some(&UNSURE) => last = ("the motor node has ended out of reach of its outputs", UNSURE_WITHIN),
                word => moving = word == Some(&MOVING),
            },
            Err(_) => {
                let why = format!("the motor node was silent for {} ms while something moved", patience.as_millis());
                moving = !to_neutral(&settings, &why, TRY_EVERY);
            }
        }
    }
    let (why, within) = last;
    to_neutral(&settings, why, within);
    Ok(())
}

/// Puts the outputs to neutral; whether it could, within the bound.
fn to_neutral(settings: &DriverSettings, why: &str, within: Duration) -> bool {
    let late = Instant::now() + within;
    loop {
        let error = match driver::rest(settings) {
            Ok(()) => {
                say(&format!("{why}: its guard has put the outputs to neutral"));
                return true;
            }
            Err(error) => error,
        };
        let never = matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied);
        if never || Instant::now() >= late {
            say(&format!("{why}: its guard could not put the outputs to neutral: {error}"));
            return false;
        }
        thread::sleep(TRY_EVERY);
    }
}

/// A line of the node's log. Nobody may be left to read it. A terminal that stops whoever writes from the background gets none: who is
/// deaf to that would try for ever.
fn say(words: &str) {
    if tcgetattr(io::stderr()).is_ok_and(|terminal| terminal.local_modes.contains(LocalModes::TOSTOP)) {
        return;
    }
    drop(writeln!(io::stderr(), " WARN {words}"));
}

#[cfg(test)]
mod tests;
