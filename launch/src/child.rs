//! The edge to processes: how one is started, signalled and cleared away.
//! It never decides when.

use std::{
    collections::BTreeMap,
    env, fs,
    io::{self, Read},
    os::{fd::OwnedFd, unix::process::CommandExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use rustix::{
    pipe::{PipeFlags, pipe_with},
    process::{Pid, Signal},
};

use crate::{enter::Enter, supervisor::Force};

/// Names the launch a process belongs to, so that a sweep finds those who left their group.
pub(crate) const RUN_VARIABLE: &str = "LAUNCH_RUN";

/// How much a node says.
pub(crate) const LOG_VARIABLE: &str = "LAUNCH_LOG";

/// How much nodes say when nobody set it.
const LOG_DEFAULT: &str = "info";

/// How much of a process's environment is looked at, in bytes.
const ENVIRON_MAX: u64 = 1 << 20;

/// How often is looked at a process that begins another program, which takes it well under a millisecond, or some more on a loaded
/// machine.
const EXEC_LOOKS_MAX: usize = 50;

/// So many looks in a row that find an environment without bytes say that it has none: the kernel fills one at once.
const EMPTY_LOOKS: usize = 5;

/// How long is rested between two looks.
const EXEC_LOOK_EVERY: Duration = Duration::from_micros(500);

/// What to start.
#[derive(Debug, Clone)]
pub(crate) struct Start {
    /// The program, found.
    pub(crate) program: PathBuf,
    /// Its arguments.
    pub(crate) args: Vec<String>,
    /// Where it runs: the graph file's folder.
    pub(crate) dir: PathBuf,
    /// What is added to launch's own environment, in this order.
    pub(crate) env: Vec<(String, String)>,
    /// What is done before the program begins.
    pub(crate) enter: Enter,
}

/// A process that was started.
#[derive(Debug)]
pub(crate) struct Child {
    /// Its id, and its group's.
    pub(crate) pid: u32,
    pub(crate) stdout: OwnedFd,
    pub(crate) stderr: OwnedFd,
    /// Closes when the program has begun; says why it could not.
    pub(crate) birth: OwnedFd,
}

/// Starts a process in a group of its own, its output in pipes. It is born as this program, which [enters](crate::enter) its limits
/// and then begins the other: whether that went well is told by [`Child::birth`].
///
/// # Errors
/// When the system refuses: no file descriptors left, …
pub(crate) fn start(start: &Start) -> io::Result<Child> {
    let mut command = Command::new("/proc/self/exe");
    let (birth, tells) = pipe_with(PipeFlags::CLOEXEC)?;
    // An outer launch's wiring is not this node's.
    for (name, _) in env::vars_os() {
        if name.to_string_lossy().starts_with("LAUNCH_") && name != LOG_VARIABLE {
            command.env_remove(name);
        }
    }
    if env::var_os(LOG_VARIABLE).is_none() {
        command.env(LOG_VARIABLE, LOG_DEFAULT);
    }
    let mut child = command
        .args(start.enter.words())
        .arg(&start.program)
        .args(&start.args)
        .current_dir(&start.dir)
        .envs(start.env.iter().map(|(name, value)| (name, value)))
        .process_group(0)
        .stdin(tells)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
        return Err(io::Error::other("its output has no pipes"));
    };
    Ok(Child { pid: child.id(), stdout: stdout.into(), stderr: stderr.into(), birth })
}

/// Whether a start failed for want of something that comes back: file descriptors, processes, memory, or a program that
/// is being written.
pub(crate) fn is_scarcity(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let scarce = [Errno::MFILE, Errno::NFILE, Errno::AGAIN, Errno::NOMEM, Errno::TXTBSY];
    error.raw_os_error().is_some_and(|code| scarce.iter().any(|errno| errno.raw_os_error() == code))
}

/// Signals a process group; one that is gone needs none.
pub(crate) fn signal_group(pid: u32, force: Force) {
    if let Some(pid) = group(pid) {
        for signal in signals(force) {
            let _ = rustix::process::kill_process_group(pid, *signal);
        }
    }
}

/// Signals one process.
pub(crate) fn signal_process(pid: u32, force: Force) {
    if let Some(pid) = group(pid) {
        for signal in signals(force) {
            let _ = rustix::process::kill_process(pid, *signal);
        }
    }
}

/// Whether anything of a process group is left.
pub(crate) fn group_exists(pid: u32) -> bool {
    // A group's number is not given out again while it has members, and numbers go round: asking right after the leader's end
    // cannot meet a stranger.
    group(pid).is_some_and(|pid| rustix::process::test_kill_process_group(pid).is_ok())
}

/// Whether a process is there.
pub(crate) fn process_exists(pid: u32) -> bool {
    group(pid).is_some_and(|pid| rustix::process::test_kill_process(pid) != Err(rustix::io::Errno::SRCH))
}

/// Has this process asked to end (TERM) when the one that started it ends.
///
/// # Errors
/// When that has happened already.
pub(crate) fn end_with(parent: u32) -> io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::TERM))?;
    // The signal is sent once, at its death: one that died before is no parent any more.
    if rustix::process::getppid() == group(parent) {
        return Ok(());
    }
    Err(io::Error::other(format!("process {parent}, which it should end with, has not started it or is gone")))
}

/// Never 0 (our own group) and never 1.
fn group(pid: u32) -> Option<Pid> {
    i32::try_from(pid).ok().filter(|pid| *pid > 1).and_then(Pid::from_raw)
}

fn signals(force: Force) -> &'static [Signal] {
    match force {
        // A stopped process acts on TERM only once it goes on.
        Force::Ask => &[Signal::TERM, Signal::CONT],
        Force::Kill => &[Signal::KILL],
    }
}

/// The processes in `among` whose environment says all of these.
pub(crate) fn who_say(says: &[(&str, &str)], among: impl Iterator<Item = u32>) -> Vec<u32> {
    let own = std::process::id();
    among.filter(|pid| *pid != own && environment_says(*pid, says)).collect()
}

/// All processes that we may look at.
pub(crate) fn everyone() -> impl Iterator<Item = u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// The processes of a node that left its group: those that carry its mark. Only processes younger than `leader` are looked at, for
/// this is asked while the node waits to be started again; whom a wrapped process number hides is found when launch ends.
pub(crate) fn strays(says: &[(&str, &str)], leader: u32) -> Vec<Stray> {
    let outside = |pid: &u32| {
        let group = group(*pid).and_then(|pid| rustix::process::getpgid(Some(pid)).ok());
        group != self::group(leader)
    };
    let marked = who_say(says, everyone().filter(|pid| *pid > leader)).into_iter().filter(outside);
    let known = marked.filter_map(|pid| Some(Stray { pid, began: began(pid)? }));
    // Asked once more: its number might have passed to another process between the two looks.
    known.filter(|stray| environment_says(stray.pid, says)).collect()
}

/// A process that is no child of ours: it is known by its number and when it began, for numbers are given out again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stray {
    pid: u32,
    began: u64,
}

impl Stray {
    /// Whether it is still there.
    pub(crate) fn exists(self) -> bool {
        began(self.pid) == Some(self.began)
    }

    /// Signals it, if it is still there.
    pub(crate) fn signal(self, force: Force) {
        if self.exists() {
            signal_process(self.pid, force);
        }
    }
}

/// When a process began, in ticks since the machine did.
fn began(pid: u32) -> Option<u64> {
    let [began] = stat(pid, [22])?;
    Some(began)
}

/// Some of the numbers of proc_pid_stat(5), by the places that they have there.
pub(crate) fn stat<const N: usize>(pid: u32, places: [usize; N]) -> Option<[u64; N]> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, the 2nd field, may hold anything, also spaces and parentheses.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let mut numbers = [0; N];
    for (number, place) in numbers.iter_mut().zip(places) {
        *number = fields.get(place - 3)?.parse().ok()?;
    }
    Some(numbers)
}

fn environment_says(pid: u32, says: &[(&str, &str)]) -> bool {
    let bytes = environment(pid);
    let pairs = bytes.split(|byte| *byte == 0).filter_map(|pair| std::str::from_utf8(pair).ok()?.split_once('='));
    let pairs: BTreeMap<&str, &str> = pairs.collect();
    says.iter().all(|(name, value)| pairs.get(name) == Some(value))
}

/// What a process was given; nothing where we may not look. A process that begins another program while it is looked at shows a
/// part of it or nothing, which must not be taken for the whole.
fn environment(pid: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut empty = 0;
    for _ in 0..EXEC_LOOKS_MAX {
        bytes.clear();
        let Ok(file) = fs::File::open(format!("/proc/{pid}/environ")) else { break };
        let _ = file.take(ENVIRON_MAX).read_to_end(&mut bytes);
        match stat(pid, [23, 50, 51]) {
            // Without memory there is no environment: it is gone, a zombie or a thread of the kernel.
            None | Some([0, ..]) => break,
            Some([_, begin, end]) if begin < end => {
                if bytes.len() as u64 >= (end - begin).min(ENVIRON_MAX) {
                    break;
                }
                empty = 0;
            }
            Some([_, _, 0]) => empty = 0,
            // An empty environment, or one that the kernel is about to fill.
            Some(_) => {
                empty += 1;
                if empty == EMPTY_LOOKS {
                    break;
                }
            }
        }
        thread::sleep(EXEC_LOOK_EVERY);
    }
    bytes
}

/// Where programs are looked for.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    /// The folder of the `launch` program: our own nodes are there.
    pub(crate) beside: PathBuf,
    /// The folders of `PATH`.
    pub(crate) path: Vec<PathBuf>,
}

impl Places {
    /// This program's folder and this environment's `PATH`.
    pub(crate) fn here() -> Places {
        let exe = env::current_exe().unwrap_or_default();
        let path = env::var_os("PATH").map(|path| env::split_paths(&path).collect()).unwrap_or_default();
        Places { beside: exe.parent().map(Path::to_owned).unwrap_or_default(), path }
    }

    /// The program that `word` means in a graph file in `dir`: a path from there, or a name that is looked for beside `launch`, beside
    /// the file and in `PATH`.
    ///
    /// # Errors
    /// Where it was looked for.
    pub(crate) fn find(&self, dir: &Path, word: &str) -> Result<PathBuf, Vec<PathBuf>> {
        if word.contains('/') {
            let path = dir.join(word);
            return if is_program(&path) { Ok(path) } else { Err(vec![path]) };
        }
        let near = [&self.beside, dir].map(|folder| folder.join(word));
        let far = self.path.iter().map(|folder| folder.join(word));
        match near.iter().cloned().chain(far).find(|path| is_program(path)) {
            Some(path) => Ok(path),
            None => Err(near.into()),
        }
    }

    /// The names of the programs beside `launch`, as many as one looks through.
    pub(crate) fn ours(&self) -> Vec<String> {
        const SEEN_MAX: usize = 1000;
        let entries = fs::read_dir(&self.beside).into_iter().flatten().flatten().take(SEEN_MAX);
        let programs = entries.filter(|entry| is_program(&entry.path()));
        programs.filter_map(|entry| entry.file_name().into_string().ok()).collect()
    }

    /// Whether a program is one of ours.
    pub(crate) fn is_ours(&self, program: &Path) -> bool {
        program.parent() == Some(&self.beside)
    }
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    #[test]
    fn our_own_program_wins_over_the_files_and_that_over_path() {
        let dir = tempfile::tempdir().unwrap();
        let folder = |name: &str| {
            let folder = dir.path().join(name);
            fs::create_dir(&folder).unwrap();
            folder
        };
        let (beside, file, path) = (folder("beside"), folder("file"), folder("path"));
        let places = Places { beside: beside.clone(), path: vec![path.clone()] };
        assert_eq!(places.find(&file, "camera"), Err(vec![beside.join("camera"), file.join("camera")]));
        for folder in [path, file.clone(), beside] {
            let program = folder.join("camera");
            fs::write(&program, "").unwrap();
            assert_ne!(places.find(&file, "camera"), Ok(program.clone()), "not executable");
            fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
            assert_eq!(places.find(&file, "camera"), Ok(program));
        }
        assert_eq!(places.find(&file, "./camera"), Ok(file.join("./camera")));
        assert_eq!(places.find(&file, "../nowhere"), Err(vec![file.join("../nowhere")]));
    }

    /// Its number; it leads a group of its own.
    struct Process {
        pid: u32,
    }

    fn process(program: &str, args: &[&str], env: &[(&str, &str)]) -> Process {
        let mut command = Command::new(program);
        command.args(args).envs(env.iter().copied()).process_group(0).stdin(Stdio::null()).stdout(Stdio::null());
        Process { pid: command.spawn().unwrap().id() }
    }

    #[test]
    fn a_process_is_known_while_it_begins_another_program() {
        let again = "n=$1; [ $n -ge 3000 ] || exec /bin/sh -c \"$0\" \"$0\" $((n + 1))";
        let args = ["-c", again, again, "0"];
        let child = process("/bin/sh", &args, &[(RUN_VARIABLE, "r2")]);
        let mut looks = 0;
        while environment_says(child.pid, &[(RUN_VARIABLE, "r2")]) {
            looks += 1;
        }
        assert_eq!(stat(child.pid, [23]), Some([0]), "not yet a zombie, and lost after {looks} looks");
        let pid = Pid::from_raw(i32::try_from(child.pid).unwrap());
        rustix::process::waitpid(pid, rustix::process::WaitOptions::empty()).unwrap();
    }

    #[test]
    fn a_process_is_known_by_its_environment() {
        let child = process("/bin/sleep", &["100"], &[(RUN_VARIABLE, "r1"), ("LAUNCH_NODE", "a")]);
        assert_eq!(who_say(&[(RUN_VARIABLE, "r1"), ("LAUNCH_NODE", "a")], everyone()), [child.pid]);
        let outside = strays(&[(RUN_VARIABLE, "r1")], child.pid - 1);
        let [stray] = outside[..] else { panic!("{outside:?}") };
        assert!(stray.pid == child.pid && stray.exists());
        let namesake = Stray { began: stray.began - 1, ..stray };
        namesake.signal(Force::Kill);
        assert!(!namesake.exists() && group_exists(child.pid), "another process of the same number is left alone");
        assert!(strays(&[(RUN_VARIABLE, "r1")], child.pid).is_empty());
        assert!(who_say(&[(RUN_VARIABLE, "r")], everyone()).is_empty());
        signal_group(child.pid, Force::Kill);
        let pid = Pid::from_raw(i32::try_from(child.pid).unwrap());
        rustix::process::waitpid(pid, rustix::process::WaitOptions::empty()).unwrap();
        assert!(!group_exists(child.pid) && !stray.exists());
    }
}
