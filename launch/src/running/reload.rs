//! A running graph takes in what its changed file says. It never reads the file and never waits for a process.

use std::{fs, mem};

use offboard::wiring::{taps, wire};

use super::{Member, Running, Shell, plans, topic};
use crate::{
    control::{ReloadView, TopicView},
    failure::Failure,
    files::Loaded,
    logs::{Level, Voice},
    reload::{Diff, Present, compare, known},
    supervisor::{Event, Node, Seat, code},
    watch::Program,
};

impl Running {
    /// Does what follows from the changed file, and nothing else.
    ///
    /// # Errors
    /// When it cannot be taken in: the graph is about to end or has another name now. Then nothing was done.
    pub(crate) fn reload(&mut self, new: Loaded, shell: &mut Shell) -> Result<ReloadView, Failure> {
        let Loaded { graph, beats, .. } = new;
        if self.quit.is_some() || self.supervisor.is_stopping() {
            return Err(Failure::new(code::NOT_RUNNING, format!("{} is about to end", self.name)));
        }
        if graph.name.as_str() != self.name {
            let text = format!(
                "the running graph {} is called {} in {} now, and a graph keeps its name while it runs\n  write \
                 name = \"{}\" again, or `launch stop {}` and launch the file anew",
                self.name, graph.name, self.file, self.name, self.name
            );
            return Err(Failure::new(code::BAD_GRAPH, text));
        }
        let (before, wirings) = (self.wirings(shell), wire(&graph, &self.dir, shell.clock_offset_ns));
        let plans = plans(&graph, &beats, wirings.len());
        let (old, new) = (known(&self.graph, &before), known(&graph, &wirings));
        let Diff { seats, changes, view } = compare(&self.name, &self.present(), &old, &new, plans);
        for (node, (wiring, seat)) in wirings.iter().zip(seats).enumerate() {
            let voice = Voice { graph: Some(self.name.clone()), node: wiring.name.clone(), place: self.place + seat };
            self.sit(seat, Member::new(graph.nodes.get(node), wiring, &graph, voice, shell));
        }
        let topics = taps(&graph, &self.dir).into_iter().map(|wiring| topic(&self.name, wiring)).collect();
        let old = mem::replace(&mut self.topics, topics);
        remove_sockets(&old, &self.topics);
        self.graph = graph;
        self.happen(Event::Reload(changes), shell);
        Ok(view)
    }

    /// The program of a node was changed: it gets a new process, unless a person stopped it.
    pub(crate) fn renew(&mut self, name: &str, file: &std::path::Path, shell: &mut Shell) {
        let Some(node) = self.node(name) else { return };
        let held = matches!(self.supervisor.seat(node), Some((Seat::Taken { held: true }, _)));
        if self.quit.is_some() || self.supervisor.is_stopping() || held {
            return;
        }
        let text = format!("{name} gets a new process: {} was changed", file.display());
        shell.logs.say(&self.voice, Level::Info, &text);
        self.happen(Event::Renew(node), shell);
    }

    /// What its nodes run; `place`: the graph's among all.
    pub(crate) fn programs(&self, place: usize) -> impl Iterator<Item = Program> {
        self.members.iter().enumerate().filter(|(node, _)| self.has(*node)).map(move |(_, member)| Program {
            graph: place,
            node: member.name.clone(),
            dir: member.dir.clone(),
            words: member.words.clone(),
        })
    }

    /// The place of the node of this name.
    pub(super) fn node(&self, name: &str) -> Option<Node> {
        (0..self.members.len())
            .find(|node| self.has(*node) && self.members.get(*node).is_some_and(|it| it.name == name))
    }

    /// Whether a place is a node's; those of removed nodes are not.
    pub(super) fn has(&self, node: Node) -> bool {
        matches!(self.supervisor.seat(node), Some((Seat::Taken { .. }, _)))
    }

    fn wirings(&self, shell: &Shell) -> Vec<offboard::wiring::NodeWiring> {
        wire(&self.graph, &self.dir, shell.clock_offset_ns)
    }

    fn present(&self) -> Vec<Present<'_>> {
        self.members
            .iter()
            .enumerate()
            .filter_map(|(node, member)| {
                let (seat, plan) = self.supervisor.seat(node)?;
                Some(Present { name: &member.name, seat, plan })
            })
            .collect()
    }

    /// Gives a place to a node. One that has it already keeps its process and what is known of it.
    fn sit(&mut self, seat: Node, new: Member) {
        match self.members.get_mut(seat) {
            None => self.members.push(new),
            Some(member) if member.name == new.name => member.tell_anew(new),
            Some(member) => *member = new,
        }
    }
}

/// Removes the sockets of edges that are no more: who bound them may have been killed.
fn remove_sockets(old: &[TopicView], new: &[TopicView]) {
    fn endpoints(topics: &[TopicView]) -> impl Iterator<Item = &str> {
        topics.iter().flat_map(|topic| {
            let listeners = topic.listeners.iter().map(|listener| listener.endpoint.as_str());
            std::iter::once(topic.tap.as_str()).chain(listeners)
        })
    }
    let gone = endpoints(old).filter(|endpoint| !endpoints(new).any(|other| other == *endpoint));
    for path in gone.filter_map(|endpoint| endpoint.strip_prefix("ipc://")) {
        // It may never have been bound.
        let _ = fs::remove_file(path);
    }
}
