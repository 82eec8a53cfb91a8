//! What people do to nodes: they start, stop and restart one, and change which there are and how they are treated.
//! It never judges an end.

use super::{
    Because, Supervisor,
    supervised::{State, Supervised, Then},
    words::{Change, Node, Plan, Report, Seat},
};

impl Supervisor {
    /// Whether the graph is about to end: then nothing can be changed any more.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.is_some()
    }

    /// Whose a place is, and the plan that it has.
    pub(crate) fn seat(&self, node: Node) -> Option<(Seat, &Plan)> {
        let it = self.nodes.get(node)?;
        let seat = match it.state {
            _ if !it.removed => Seat::Taken { held: it.is_held() },
            _ if it.is_alive() => Seat::Leaving,
            _ => Seat::Free,
        };
        Some((seat, &it.plan))
    }

    pub(super) fn start_by_hand(&mut self, node: Node) {
        let Some(it) = self.mine(node) else { return };
        match &mut it.state {
            State::Stopping { then, .. } => *then = Then::Start,
            State::Starting { .. } | State::Ready { .. } => {}
            _ => {
                it.forget_ends();
                self.spawn(node);
            }
        }
    }

    pub(super) fn stop_by_hand(&mut self, node: Node) {
        if self.mine(node).is_some() {
            self.ask(node, Because::Asked, Then::Stay);
        }
    }

    pub(super) fn restart_by_hand(&mut self, node: Node) {
        let Some(it) = self.mine(node) else { return };
        if it.pid().is_some() {
            it.forget_ends();
            self.ask(node, Because::Asked, Then::Start);
        } else {
            self.start_by_hand(node);
        }
    }

    /// Changes which nodes there are and how they are treated.
    pub(super) fn reload(&mut self, changes: Vec<(Node, Change)>) {
        for (node, change) in changes {
            match change {
                Change::Add(plan) => self.add(node, plan),
                Change::Remove => self.remove(node),
                Change::Replan(plan) => self.replan(node, plan),
                Change::Renew(plan) => {
                    if let Some(it) = self.mine(node) {
                        it.plan = plan;
                    }
                    self.renew(node);
                }
            }
        }
    }

    /// What a node's process was told is no longer so, or its program is another one: a new process, also for one that was given up
    /// or is done, but not for one that a person stopped. Its budget is fresh, and whether it sends heartbeats is open again.
    pub(super) fn renew(&mut self, node: Node) {
        let Some(it) = self.mine(node) else { return };
        it.forget_ends();
        (it.spoke, it.was_ready) = (false, false);
        match &mut it.state {
            State::Starting { .. } | State::Ready { .. } => self.ask(node, Because::Asked, Then::Start),
            State::Stopping { then: then @ Then::Judge, .. } => *then = Then::Start,
            State::Waiting { .. } | State::Failed { .. } | State::Done => self.spawn(node),
            State::Stopping { .. } | State::Pending | State::Stopped | State::Gone => {}
        }
    }

    /// A new node. One that was removed and comes back waits until nothing of its last process is left.
    fn add(&mut self, node: Node, plan: Plan) {
        if self.stopping.is_some() {
            return;
        }
        let next = self.nodes.len();
        match self.nodes.get_mut(node) {
            None if node == next => self.nodes.push(Supervised::new(plan)),
            Some(it) if it.removed && it.is_alive() => {
                it.forget_ends();
                (it.plan, it.removed, it.spoke, it.was_ready) = (plan, false, false, false);
                if let State::Stopping { then, .. } = &mut it.state {
                    *then = Then::Anew;
                }
            }
            // Heartbeats of the last process may still be on their way.
            Some(it) if it.removed => {
                *it = Supervised { previous: it.incarnation.or(it.previous), ..Supervised::new(plan) };
            }
            _ => {}
        }
    }

    fn remove(&mut self, node: Node) {
        let Some(it) = self.mine(node) else { return };
        it.removed = true;
        if it.is_alive() {
            return self.ask(node, Because::Asked, Then::Stay);
        }
        it.state = State::Gone;
        self.report(node, Report::Removed);
    }

    /// Treats a node otherwise, from now on and with a fresh budget.
    fn replan(&mut self, node: Node, plan: Plan) {
        let now = self.now;
        let Some(it) = self.mine(node) else { return };
        it.forget_ends();
        it.plan = plan;
        let beats = it.beats();
        match &mut it.state {
            State::Starting { pid: Some(pid), .. } if !beats && it.begun => {
                let pid = *pid;
                self.make_ready(node, pid);
            }
            State::Starting { pid: Some(_), due } => *due = beats.then_some(it.since + it.plan.ready),
            // A watchdog that was not there yet has not been listening either.
            State::Ready { .. } => it.heard = now,
            State::Waiting { .. } | State::Failed { .. } => self.spawn(node),
            _ => {}
        }
    }

    /// A node that people can do something to: it is in the graph, and the graph is not about to end.
    fn mine(&mut self, node: Node) -> Option<&mut Supervised> {
        let stopping = self.stopping.is_some();
        self.nodes.get_mut(node).filter(|it| !it.removed && !stopping)
    }
}
