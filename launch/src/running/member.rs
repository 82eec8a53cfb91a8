//! One node of a running graph, with what its processes need and what they left. It never decides when to start one.

use std::{io, path::PathBuf, sync::Arc, time::Instant};

use offboard::{
    graph::{Graph, Limits, LogSpec, NodeSpec},
    wiring::{LAUNCH, LINK, NodeWiring},
};

use super::{Shell, birth::Birth};
use crate::{
    cgroup::Group,
    child::{self, LOG_VARIABLE, RUN_VARIABLE, Start, Stray},
    enter::{EX_TEMPFAIL, Enter},
    herald,
    logs::{File, Voice},
    output::{NodeLog, Pipe},
    supervisor::Exit,
};

/// A node.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) name: String,
    pub(super) words: Vec<String>,
    pub(super) dir: PathBuf,
    pub(super) env: Vec<(String, String)>,
    pub(super) log: Arc<NodeLog>,
    /// Of the newest process.
    pub(super) pipes: Vec<Arc<Pipe>>,
    /// Of the newest process: its children that left its group.
    pub(super) strays: Vec<Stray>,
    /// Its newest process; none when that could not be started.
    pub(super) pid: Option<u32>,
    /// What the last process that ended said last.
    pub(super) last_words: Vec<String>,
    /// What its last heartbeat carried, undecoded.
    pub(super) status: Vec<u8>,
    /// When that came.
    pub(super) heard: Option<Instant>,
    /// Where its lines are kept.
    kept: LogSpec,
    /// What it may use.
    pub(super) limits: Limits,
    /// What holds its processes together; none where there are no control groups.
    pub(super) cgroup: Option<Group>,
    /// Of the newest process: whether its program began.
    birth: Birth,
    /// Of the newest process: nothing of its group was left when it ended.
    pub(super) group_is_gone: bool,
    /// Of the newest process: forks that were refused to it.
    pub(super) refused_forks: u64,
}

/// What a shell says of a child that was killed: 128 and the number of the signal.
const KILLED_CHILD: i32 = 137;

impl Member {
    /// Nothing is started yet. `spec` is none for what launch adds.
    pub(super) fn new(
        spec: Option<&NodeSpec>,
        wiring: &NodeWiring,
        graph: &Graph,
        voice: Voice,
        shell: &Shell,
    ) -> Member {
        // The wiring comes after the file's own variables, which must not break it; the mark comes last.
        let mut env: Vec<(String, String)> = Vec::new();
        env.extend(spec.into_iter().flat_map(|spec| spec.env.clone()));
        let log = spec.map(|spec| spec.log.clone()).unwrap_or_default();
        env.extend(log.level.map(|level| (LOG_VARIABLE.to_owned(), level.name().to_owned())));
        env.extend(wiring.env());
        env.push((RUN_VARIABLE.to_owned(), shell.run.clone()));
        let limits = spec.map(|spec| spec.limits.clone()).unwrap_or_default();
        let dir = std::path::absolute(&graph.dir).unwrap_or_else(|_| graph.dir.clone());
        // launch's own file is written by launch.
        let file = match wiring.name.as_str() {
            LAUNCH => File::default(),
            name => shell.logs.file(graph.name.as_str(), name, &log, &dir),
        };
        Member {
            cgroup: shell.cgroups.node(graph.name.as_str(), &wiring.name, &limits),
            limits,
            kept: log,
            birth: Birth::default(),
            refused_forks: 0,
            group_is_gone: false,
            name: wiring.name.clone(),
            words: spec.map_or_else(|| added(&wiring.name), |spec| spec.run.clone()),
            dir,
            env,
            log: Arc::new(NodeLog::new(voice, Arc::clone(&shell.logs), file)),
            pipes: Vec::new(),
            strays: Vec::new(),
            status: Vec::new(),
            heard: None,
            pid: None,
            last_words: Vec::new(),
        }
    }

    /// What its next process is told; the one that it has, and what is known of that, stay.
    pub(super) fn tell_anew(&mut self, new: Member) {
        if self.kept != new.kept || self.dir != new.dir {
            self.log.keep_as(&new.log);
        }
        if let (Some(cgroup), Some(new)) = (&mut self.cgroup, new.cgroup) {
            cgroup.limit(new);
        }
        (self.words, self.dir, self.env) = (new.words, new.dir, new.env);
        (self.kept, self.limits) = (new.kept, new.limits);
    }

    /// Starts its process; its id.
    ///
    /// # Errors
    /// When there is no such program, or the system refuses.
    pub(super) fn spawn(&mut self, shell: &Shell) -> io::Result<u32> {
        self.pid = None;
        let last_words = std::mem::take(&mut self.last_words);
        let Some((word, args)) = self.words.split_first() else {
            return Err(io::Error::other("its run has no words"));
        };
        let program = shell.places.find(&self.dir, word).map_err(|_| io::Error::other(format!("no program {word}")))?;
        if let Some(cgroup) = &mut self.cgroup {
            cgroup.begin()?;
        }
        let (args, dir, env) = (args.to_vec(), self.dir.clone(), self.env.clone());
        let child = child::start(&Start { program, args, dir, env, enter: self.enter(shell) })?;
        self.log.begin(child.pid);
        (self.pid, self.last_words) = (Some(child.pid), last_words);
        (self.status, self.heard, self.strays, self.refused_forks) = (Vec::new(), None, Vec::new(), 0);
        self.group_is_gone = false;
        self.birth = Birth::follow(child.birth, child.pid, shell.begun.clone()).unwrap_or_else(|_| {
            // Without that news it is taken for begun.
            let _ = shell.begun.try_send(child.pid);
            Birth::default()
        });
        let pipes = [child.stdout, child.stderr].map(|pipe| Pipe::follow(pipe, Arc::clone(&self.log)));
        self.pipes = pipes.into_iter().filter_map(Result::ok).collect();
        Ok(child.pid)
    }

    /// What its process does before its program begins.
    fn enter(&self, shell: &Shell) -> Enter {
        Enter {
            parent: std::process::id(),
            ends_at_once: false,
            joins: self.cgroup.as_ref().map(Group::joins).unwrap_or_default(),
            files: self.limits.files,
            data: self.limits.memory.filter(|_| !shell.cgroups.limits_memory()),
            nice: self.limits.nice,
            cpus: self.limits.cpus.clone(),
        }
    }

    /// How its newest process really ended: it may never have begun, and the kernel may have killed it for its memory.
    pub(super) fn judge(&self, exit: Exit) -> Exit {
        if let Some(why) = self.birth.failure() {
            return if exit == Exit::Code(EX_TEMPFAIL.into()) { Exit::NotYet(why) } else { Exit::NotStarted(why) };
        }
        let was_killed = matches!(exit, Exit::Signal(9) | Exit::Code(KILLED_CHILD));
        match &self.cgroup {
            Some(cgroup) if was_killed && cgroup.seen().out_of_memory > 0 => Exit::OutOfMemory(self.limits.memory),
            _ => exit,
        }
    }
}

/// What runs a node that launch adds.
fn added(name: &str) -> Vec<String> {
    match name {
        LAUNCH => vec!["/proc/self/exe".to_owned(), herald::VERB.to_owned()],
        _ => vec![LINK.to_owned()],
    }
}
