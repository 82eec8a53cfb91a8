//! A folder with graph files and a runtime folder of its own, and `launch` run in it.
//! It never outlives its test.

use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

/// How long any fact is waited for: many times what it takes on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Desk {
    dir: tempfile::TempDir,
    launch: PathBuf,
}

impl Desk {
    pub(crate) fn new() -> Desk {
        // Short, for sockets.
        let dir = tempfile::Builder::new().prefix("ob").tempdir_in("/tmp").unwrap();
        Desk { dir, launch: env!("CARGO_BIN_EXE_launch").into() }
    }

    /// A desk with a `launch` of its own, beside which there are these programs and no others: shell scripts.
    pub(crate) fn with_programs(programs: &[(&str, &str)]) -> Desk {
        let mut desk = Desk::new();
        let beside = desk.path("bin");
        fs::create_dir(&beside).unwrap();
        desk.launch = beside.join("launch");
        // Not by ourselves: what another test starts just then would have the file open for writing, and a busy file cannot be run.
        let copied = Command::new("cp").args([env!("CARGO_BIN_EXE_launch").as_ref(), desk.launch.as_path()]).status();
        assert!(copied.unwrap().success());
        for (name, script) in programs {
            let path = beside.join(name);
            fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        }
        desk
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a graph file; `nodes` are names and shell scripts, `more` further lines of that node.
    pub(crate) fn graph(&self, name: &str, nodes: &[(&str, &str, &str)]) -> PathBuf {
        let mut text = format!("[graph]\nname = \"{name}\"\n");
        for (node, script, more) in nodes {
            text += &format!("[node.{node}]\nrun = [\"sh\", \"-c\", '''{script}''']\n{more}\n");
        }
        let path = self.path(&format!("{name}.toml"));
        fs::write(&path, text).unwrap();
        path
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.launch);
        command.args(args).current_dir(self.dir.path()).env("OFFBOARD_RUNTIME_DIR", self.path("r"));
        command.env("OFFBOARD_LOG_DIR", self.path("log"));
        command.env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE").env_remove("LAUNCH_LOG").stdin(Stdio::null());
        command
    }

    /// Runs a verb to its end.
    pub(crate) fn verb(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// Starts graphs and waits until launch says that they run.
    pub(crate) fn launch(&self, args: &[&str]) -> Launched {
        let launched = Launched::start(self.command(args));
        launched.until_log("look: launch ps");
        launched
    }

    /// The same with a variable in its environment.
    pub(crate) fn launch_with(&self, (name, value): (&str, &str), args: &[&str]) -> Launched {
        let mut command = self.command(args);
        command.env(name, value);
        let launched = Launched::start(command);
        launched.until_log("look: launch ps");
        launched
    }

    /// The numbers that scripts wrote to a file of this name.
    pub(crate) fn pids(&self, name: &str) -> Vec<i32> {
        let text = fs::read_to_string(self.path(name)).unwrap_or_default();
        // A line without an end is still being written.
        text.split_inclusive('\n')
            .filter(|line| line.ends_with('\n'))
            .filter_map(|line| line.trim().parse().ok())
            .collect()
    }

    pub(crate) fn until_pids(&self, name: &str, count: usize) -> Vec<i32> {
        until(&format!("{count} numbers in {name}"), || self.pids(name).len() >= count);
        self.pids(name)
    }

    /// What `ps --json` says of a node.
    pub(crate) fn node(&self, name: &str) -> serde_json::Value {
        let out = self.verb(&["ps", name, "--json"]);
        serde_json::from_slice(&out.stdout).unwrap_or_default()
    }

    pub(crate) fn until_state(&self, name: &str, state: &str) -> serde_json::Value {
        until(&format!("{name} is {state}"), || self.node(name)["state"] == state);
        self.node(name)
    }
}

pub(crate) struct Launched {
    child: Child,
    log: Arc<Mutex<String>>,
}

impl Launched {
    pub(crate) fn start(mut command: Command) -> Launched {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let (from, to) = (child.stderr.take().unwrap(), log.clone());
        thread::spawn(move || {
            for line in BufReader::new(from).split(b'\n').map_while(Result::ok) {
                let mut log = to.lock().unwrap();
                *log += &String::from_utf8_lossy(&line);
                log.push('\n');
            }
        });
        Launched { child, log }
    }

    pub(crate) fn pid(&self) -> i32 {
        self.child.id().try_into().unwrap()
    }

    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    pub(crate) fn until_log(&self, text: &str) {
        let seen = until_so(|| self.log().contains(text));
        assert!(seen, "no {text:?} in:\n{}", self.log());
    }

    pub(crate) fn signal(&self, signal: Signal) {
        send(self.pid(), signal);
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for the end; the exit code.
    pub(crate) fn end(&mut self) -> Option<i32> {
        let ended = until_so(|| self.child.try_wait().unwrap().is_some());
        assert!(ended, "launch does not end:\n{}", self.log());
        self.child.wait().unwrap().code()
    }
}

impl Drop for Launched {
    fn drop(&mut self) {
        // Its guard ends the nodes; the end of the pipe tells that all is written.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn send(pid: i32, signal: Signal) {
    kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
}

/// Whether a process runs; a zombie does not.
pub(crate) fn lives(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}

pub(crate) fn until_so(mut so: impl FnMut() -> bool) -> bool {
    let begin = Instant::now();
    while begin.elapsed() < PATIENCE {
        if so() {
            return true;
        }
        thread::sleep(Duration::from_millis(5));
    }
    false
}

pub(crate) fn until(what: &str, so: impl FnMut() -> bool) {
    assert!(until_so(so), "it never came to this: {what}");
}
