//! The birth of a node: a process that is still launch joins its groups, takes its limits and becomes the node's program.
//!
//! What must hold from the first instruction on cannot be done to a process from outside: what it forks before would be missed. So
//! each node is born as this program and then begins its own; its process number stays the same. Its standard input is meanwhile a
//! pipe to launch: it closes when the program has begun, or says why it could not.
//!
//! It never forks and never touches what it was given for the program: arguments, environment, folder, group, output.

use std::{
    ffi::OsString,
    fmt, fs, io,
    os::{
        fd::OwnedFd,
        unix::{ffi::OsStringExt, process::CommandExt},
    },
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use rustix::{
    process::{Resource, Rlimit, Signal, getppid, set_parent_process_death_signal, setpriority_process, setrlimit},
    thread::{CpuSet, sched_setaffinity},
};

use crate::child::is_scarcity;

/// The hidden verb.
pub(crate) const VERB: &str = "__enter";

/// What is done before the program begins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Enter {
    /// launch: with it the program is asked to end.
    pub(crate) parent: u32,
    /// Not asked but ended: it is no node and has nothing to leave in order.
    pub(crate) ends_at_once: bool,
    /// The files of its groups; it writes `0` to each.
    pub(crate) joins: Vec<PathBuf>,
    /// Open files.
    pub(crate) files: Option<u32>,
    /// Bytes that this process alone may write to, where no group limits its memory.
    pub(crate) data: Option<u64>,
    /// Its place when the processor is short.
    pub(crate) nice: Option<i32>,
    /// The processors it may run on; empty: all.
    pub(crate) cpus: Vec<u32>,
}

impl Enter {
    /// As words of a command line, the last of which is `--`.
    pub(crate) fn words(&self) -> Vec<OsString> {
        let word = |name: &str, value: &dyn fmt::Display| OsString::from(format!("{name}={value}"));
        let mut words = vec![VERB.into(), word("parent", &self.parent)];
        for join in &self.joins {
            let mut join_word = OsString::from("join=");
            join_word.push(join);
            words.push(join_word);
        }
        words.extend(self.ends_at_once.then(|| word("ends_at_once", &1)));
        words.extend(self.files.map(|files| word("files", &files)));
        words.extend(self.data.map(|data| word("data", &data)));
        words.extend(self.nice.map(|nice| word("nice", &nice)));
        words.extend(self.cpus.iter().map(|cpu| word("cpu", cpu)));
        words.push("--".into());
        words
    }

    /// Reads words up to `--`; what follows stays.
    fn read(words: &mut impl Iterator<Item = OsString>) -> Option<Enter> {
        let mut enter = Enter::default();
        for word in words {
            if word == "--" {
                return Some(enter);
            }
            let bytes = word.into_vec();
            let split = bytes.iter().position(|byte| *byte == b'=')?;
            let value = OsString::from_vec(bytes[split + 1..].to_vec());
            let number = value.to_str();
            match &bytes[..split] {
                b"parent" => enter.parent = number?.parse().ok()?,
                b"ends_at_once" => enter.ends_at_once = true,
                b"join" => enter.joins.push(PathBuf::from(value)),
                b"files" => enter.files = Some(number?.parse().ok()?),
                b"data" => enter.data = Some(number?.parse().ok()?),
                b"nice" => enter.nice = Some(number?.parse().ok()?),
                b"cpu" => enter.cpus.push(number?.parse().ok()?),
                _ => return None,
            }
        }
        None
    }

    /// Does it, in an order in which nothing hinders what comes later.
    fn apply(&self) -> Result<(), String> {
        for join in &self.joins {
            // Not by its number: who joins by itself need not wait for others.
            let joined = fs::OpenOptions::new()
                .write(true)
                .open(join)
                .and_then(|mut file| io::Write::write_all(&mut file, b"0"));
            joined.map_err(|error| format!("it cannot join its control group {}: {error}", join.display()))?;
        }
        if let Some(nice) = self.nice {
            setpriority_process(None, nice).map_err(|error| {
                let error = io::Error::from(error);
                format!("its nice cannot be {nice}: {error}; below that of launch it needs root or CAP_SYS_NICE")
            })?;
        }
        if !self.cpus.is_empty() {
            let mut set = CpuSet::new();
            self.cpus.iter().filter(|cpu| (**cpu as usize) < CpuSet::MAX_CPU).for_each(|cpu| set.set(*cpu as usize));
            let list: Vec<String> = self.cpus.iter().map(u32::to_string).collect();
            sched_setaffinity(None, &set).map_err(|error| {
                format!(
                    "it cannot run on cpus [{}]: {}; `nproc --all` tells how many there are",
                    list.join(", "),
                    io::Error::from(error)
                )
            })?;
        }
        if let Some(files) = self.files {
            limit(Resource::Nofile, u64::from(files))
                .map_err(|error| format!("it cannot have {files} open files: {error}; `ulimit -Hn` tells the most"))?;
        }
        if let Some(data) = self.data {
            limit(Resource::Data, data).map_err(|error| format!("it cannot have {data} bytes of memory: {error}"))?;
        }
        Ok(())
    }
}

fn limit(resource: Resource, value: u64) -> io::Result<()> {
    Ok(setrlimit(resource, Rlimit { current: Some(value), maximum: Some(value) })?)
}

/// The exit code of a birth that may go well the next time (sysexits EX_TEMPFAIL).
pub(crate) const EX_TEMPFAIL: u8 = 75;

/// The birth itself; it returns only when it failed, and has said why.
pub(crate) fn main(mut words: impl Iterator<Item = OsString>) -> ExitCode {
    let Ok(told) = swap_input() else { return ExitCode::FAILURE };
    let Refused { why, scarce } = become_program(&mut words);
    // Nobody listens when launch is gone, too.
    let _ = io::Write::write_all(&mut fs::File::from(told), why.as_bytes());
    if scarce { EX_TEMPFAIL.into() } else { ExitCode::FAILURE }
}

/// Takes the pipe away from the standard input, which the program finds empty. It closes by itself when the program begins.
fn swap_input() -> io::Result<OwnedFd> {
    let told = rustix::io::fcntl_dupfd_cloexec(io::stdin(), 3)?;
    rustix::stdio::dup2_stdin(fs::File::open("/dev/null")?)?;
    Ok(told)
}

/// Why it could not.
struct Refused {
    why: String,
    /// For want of something that comes back.
    scarce: bool,
}

impl From<String> for Refused {
    fn from(why: String) -> Refused {
        Refused { why, scarce: false }
    }
}

fn become_program(words: &mut impl Iterator<Item = OsString>) -> Refused {
    let Some(enter) = Enter::read(words) else { return "its birth was not understood".to_owned().into() };
    // launch starts nodes from the one thread that lives as long as itself: this signal follows the thread.
    let signal = if enter.ends_at_once { Signal::KILL } else { Signal::TERM };
    if let Err(error) = set_parent_process_death_signal(Some(signal)) {
        return format!("it cannot be tied to launch: {}", io::Error::from(error)).into();
    }
    let parent = getppid().map(|pid| pid.as_raw_nonzero().get().unsigned_abs());
    if parent != Some(enter.parent) {
        return "launch is gone".to_owned().into();
    }
    if let Err(why) = enter.apply() {
        return why.into();
    }
    let Some(program) = words.next() else { return "it has no program".to_owned().into() };
    let path = PathBuf::from(&program);
    // The C library would have a shell try what the kernel does not know.
    let error =
        if is_unknown(&path) { rustix::io::Errno::NOEXEC.into() } else { Command::new(program).args(words).exec() };
    Refused { why: refusal(&path, &error), scarce: is_scarcity(&error) }
}

/// How programs begin, and how many bytes of them say for which processor they are; elf(5).
const ELF: &[u8] = b"\x7fELF";
const HEAD: usize = 20;

/// Where a machine says that it can run other kinds of programs, besides two files of its own.
const OTHER_KINDS: &str = "/proc/sys/fs/binfmt_misc";

/// Whether the kernel will not know what to do with a file: no script, not of our own kind, and no other kind was added.
fn is_unknown(program: &Path) -> bool {
    let (its, ours) = (head(program), head(Path::new("/proc/self/exe")));
    // Its class and byte order, and its processor.
    let kind = |head: &[u8]| (head.get(4..6).map(<[u8]>::to_owned), head.get(18..20).map(<[u8]>::to_owned));
    let known = its.is_empty() || its.starts_with(b"#!") || (its.starts_with(ELF) && kind(&its) == kind(&ours));
    !known && fs::read_dir(OTHER_KINDS).into_iter().flatten().count() <= 2
}

/// The first bytes of a file; none of one that cannot be read.
fn head(file: &Path) -> Vec<u8> {
    let mut head = Vec::new();
    let _ =
        fs::File::open(file).and_then(|file| io::Read::read_to_end(&mut io::Read::take(file, HEAD as u64), &mut head));
    head
}

/// Why a program did not begin, and what that usually means.
fn refusal(program: &Path, error: &io::Error) -> String {
    use rustix::io::Errno;
    let hint = match Errno::from_io_error(error) {
        Some(Errno::NOENT) if program.exists() => "; it is there, but not the interpreter that its first line names",
        Some(Errno::NOEXEC) if head(program).starts_with(ELF) => "; it was built for another kind of processor",
        Some(Errno::NOEXEC) => "; a script's first line names its interpreter, like #!/bin/sh",
        Some(Errno::TXTBSY) => "; it is still being written",
        Some(Errno::ACCESS) => "; `chmod +x` makes it a program",
        _ => "",
    };
    format!("{}: {error}{hint}", program.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_done_before_the_program_fits_on_a_command_line() {
        let enter = Enter {
            parent: 7,
            ends_at_once: true,
            joins: vec!["/sys/fs/cgroup/pids/offboard-7-1/t:a/tasks".into(), "/a=b --/tasks".into()],
            files: Some(64),
            data: Some(1 << 30),
            nice: Some(-5),
            cpus: vec![0, 3],
        };
        for enter in [enter, Enter::default()] {
            let mut words = enter.words();
            words.extend(["sh".into(), "--".into()]);
            let mut words = words.into_iter().skip(1);
            assert_eq!(Enter::read(&mut words), Some(enter));
            assert_eq!(words.collect::<Vec<_>>(), ["sh", "--"], "the program's words are left");
        }
        for bad in [vec!["parent"], vec!["speed=1", "--"], vec!["nice=fast", "--"], vec!["parent=1"]] {
            assert_eq!(Enter::read(&mut bad.into_iter().map(OsString::from)), None);
        }
    }
}
