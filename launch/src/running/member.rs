//! One node of a running graph, with what its processes need and what they left. It never decides when to start one.

use std::{io, path::PathBuf, sync::Arc};

use offboard::{
    graph::{Graph, NodeSpec},
    wiring::{LINK, NodeWiring},
};

use super::Shell;
use crate::{
    child::{self, Places, RUN_VARIABLE, Start, Stray},
    logs::Voice,
    output::{NodeLog, Pipe},
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
    /// What its last heartbeat carried, undecoded.
    pub(super) status: Vec<u8>,
}

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
        env.extend(wiring.env());
        env.push((RUN_VARIABLE.to_owned(), shell.run.clone()));
        Member {
            name: wiring.name.clone(),
            words: spec.map_or_else(|| vec![LINK.to_owned()], |spec| spec.run.clone()),
            dir: std::path::absolute(&graph.dir).unwrap_or_else(|_| graph.dir.clone()),
            env,
            log: Arc::new(NodeLog::new(voice, Arc::clone(&shell.logs))),
            pipes: Vec::new(),
            strays: Vec::new(),
            status: Vec::new(),
        }
    }

    /// Starts its process; its id.
    ///
    /// # Errors
    /// When there is no such program, or the system refuses.
    pub(super) fn spawn(&mut self, places: &Places) -> io::Result<u32> {
        let Some((word, args)) = self.words.split_first() else {
            return Err(io::Error::other("its run has no words"));
        };
        let program = places.find(&self.dir, word).map_err(|_| io::Error::other(format!("no program {word}")))?;
        let child =
            child::start(&Start { program, args: args.to_vec(), dir: self.dir.clone(), env: self.env.clone() })?;
        self.log.begin();
        (self.status, self.strays) = (Vec::new(), Vec::new());
        let pipes = [child.stdout, child.stderr].map(|pipe| Pipe::follow(pipe, Arc::clone(&self.log)));
        self.pipes = pipes.into_iter().filter_map(Result::ok).collect();
        Ok(child.pid)
    }
}
