//! Decides what happens to the nodes of one graph: an event in, actions out.
//!
//! Theory of operation. [`Supervisor::step`] is a pure function of the time, the event and what happened before. Whoever calls it
//! owns the processes: it answers each [`Action::Spawn`] at once with [`Event::Started`] or [`Event::NotStarted`], sends the
//! signals, and calls again with [`Event::Tick`] when [`Supervisor::due`] has come. A node has one process at most; each end is
//! judged by its own `restart` alone, so a crash touches nobody else.
//!
//! It never starts a process, sends a signal, reads a clock or writes a log.

use std::time::Duration;

use offboard::graph::{Restart, RestartWhen};

use self::{
    exit::EX_CONFIG,
    supervised::{State, Supervised, Then},
};
pub(crate) use self::{
    exit::{Because, End, Exit, code},
    supervised::WATCHDOG,
    words::{Action, Change, Event, Force, Node, Plan, Report, Seat, View},
};

mod exit;
mod hand;
mod supervised;
#[cfg(test)]
mod tests;
mod words;

/// A process that was sent KILL and is still there after so long waits in the kernel (a broken device); nobody can end it sooner.
const LOST_AFTER: Duration = Duration::from_secs(2);

/// A second wish to stop within this time is the same wish: `timeout` and terminals signal the process and its group.
const SAME_WISH: Duration = Duration::from_millis(100);

/// A tick that comes so late says that this launcher did not run; it then judges nobody's silence.
const LATE: Duration = Duration::from_millis(250);

/// How long to wait for file descriptors, processes or memory to come back.
const SCARCE: Duration = Duration::from_millis(500);

/// How often it is told that a node still waits for that: once a minute.
const SCARCE_TOLD_EVERY: u32 = 120;

/// The nodes of one graph.
#[derive(Debug)]
pub(crate) struct Supervisor {
    nodes: Vec<Supervised>,
    now: Duration,
    /// Once the graph shall end: since when, and the exit code.
    stopping: Option<(Duration, u8)>,
    over: bool,
    chance: u64,
    actions: Vec<Action>,
}

impl Supervisor {
    /// `seed`: any number; restart delays are drawn from it.
    pub(crate) fn new(plans: Vec<Plan>, seed: u64) -> Supervisor {
        let nodes = plans.into_iter().map(Supervised::new).collect();
        Supervisor { nodes, now: Duration::ZERO, stopping: None, over: false, chance: seed, actions: Vec::new() }
    }

    /// Takes in what happened at `now` (any steady clock) and says what to do, in order.
    pub(crate) fn step(&mut self, now: Duration, event: Event) -> Vec<Action> {
        let late = self.due().is_some_and(|due| now > due + LATE);
        self.now = self.now.max(now);
        match event {
            Event::Begin => {}
            Event::Started { node, pid } => self.started(node, pid),
            Event::Begun { node, pid } => self.begun(node, pid),
            Event::NotStarted { node, why, scarce } => self.not_started(node, why, scarce),
            Event::Beat { node, incarnation } => self.beat(node, incarnation),
            Event::Ended { node, pid, exit, left } => self.ended(node, pid, exit, left),
            Event::Cleared { node, pid } => self.cleared(node, pid),
            Event::ForksRefused { node, count } => self.forks_refused(node, count),
            Event::Tick => self.tick(late),
            Event::Stop { code } => self.stop(code),
            Event::StartNode(node) => self.start_by_hand(node),
            Event::StopNode(node) => self.stop_by_hand(node),
            Event::RestartNode(node) => self.restart_by_hand(node),
            Event::Reload(changes) => self.reload(changes),
            Event::Renew(node) => self.renew(node),
        }
        self.start_pending();
        self.end_when_over();
        std::mem::take(&mut self.actions)
    }

    /// When to call again with [`Event::Tick`].
    pub(crate) fn due(&self) -> Option<Duration> {
        self.nodes.iter().filter_map(Supervised::due).min()
    }

    /// Whose process this is.
    pub(crate) fn node_of(&self, pid: u32) -> Option<Node> {
        self.nodes.iter().position(|it| it.pid() == Some(pid))
    }

    /// How the last process of a place ended, also when its node was removed.
    pub(crate) fn last_end(&self, node: Node) -> Option<&End> {
        self.nodes.get(node)?.last_end.as_ref()
    }

    /// How often a new process took the place of an old one.
    pub(crate) fn restarts(&self, node: Node) -> u32 {
        self.nodes.get(node).map_or(0, |it| it.starts.saturating_sub(1))
    }

    /// How a node is at `now`.
    pub(crate) fn view(&self, now: Duration, node: Node) -> Option<View> {
        let it = self.nodes.get(node).filter(|it| !it.removed || it.is_alive())?;
        let pid = it.pid();
        let (state, why) = match &it.state {
            State::Stopping { .. } if it.removed => ("stopping", Some("was removed from the graph".to_owned())),
            State::Pending => ("pending", Some("waits for what it comes after".to_owned())),
            State::Starting { .. } => ("starting", it.pressed()),
            State::Ready { .. } if it.beats() => ("ready", it.pressed()),
            State::Ready { .. } => ("running", it.pressed()),
            State::Stopping { .. } => ("stopping", None),
            State::Waiting { until } => {
                ("waiting", Some(format!("starts in {:.1} s", until.saturating_sub(now).as_secs_f64())))
            }
            State::Stopped | State::Gone => ("stopped", None),
            State::Done => ("done", None),
            State::Failed { why } => ("failed", Some(why.clone())),
        };
        let up = pid.map(|_| now.saturating_sub(it.since));
        let end = it.last_end.as_ref();
        let (last_end, cause) = (end.map(End::to_string), end.map(End::cause));
        Some(View { state, why, pid, restarts: self.restarts(node), up, last_end, cause })
    }

    fn started(&mut self, node: Node, pid: u32) {
        let now = self.now;
        let Some(it) = self.nodes.get_mut(node) else { return };
        let stopping = self.stopping.is_some() || it.removed;
        if !matches!(it.state, State::Starting { pid: None, .. }) {
            return;
        }
        (it.since, it.heard, it.refused_forks, it.is_lost) = (now, now, 0, false);
        it.previous = it.incarnation.take().or(it.previous);
        it.starts += 1;
        let report = Report::Started { pid, starts: it.starts };
        // Who sends no heartbeats has no word to be late with.
        let due = it.beats().then_some(now + it.plan.ready);
        it.state = State::Starting { pid: Some(pid), due };
        it.begun = false;
        self.report(node, report);
        if stopping {
            self.ask(node, Because::Asked, Then::Stay);
        }
    }

    /// Who sends no heartbeats is ready now: nobody can know better.
    fn begun(&mut self, node: Node, pid: u32) {
        let Some(it) = self.nodes.get_mut(node).filter(|it| it.pid() == Some(pid)) else { return };
        it.begun = true;
        if matches!(it.state, State::Starting { .. }) && !it.beats() {
            self.make_ready(node, pid);
        }
    }

    fn not_started(&mut self, node: Node, why: String, scarce: bool) {
        let now = self.now;
        let Some(it) = self.nodes.get_mut(node) else { return };
        if !matches!(it.state, State::Starting { pid: None, .. }) {
            return;
        }
        it.since = now;
        let exit = if scarce { Exit::NotYet(why) } else { Exit::NotStarted(why) };
        self.follow(node, End::by_itself(exit), Then::Judge);
    }

    /// It could not begin, and that is no fault of its own: it is tried again and does not count against it.
    fn not_yet(&mut self, node: Node, end: End) {
        let Some(it) = self.nodes.get_mut(node) else { return };
        it.state = State::Waiting { until: self.now + SCARCE };
        it.waits += 1;
        if it.waits % SCARCE_TOLD_EVERY != 1 {
            return;
        }
        self.report(node, Report::Ended { end, lived: Duration::ZERO, again: SCARCE });
    }

    fn beat(&mut self, node: Node, incarnation: u64) {
        let Some(it) = self.nodes.get_mut(node) else { return };
        if it.previous == Some(incarnation) {
            return;
        }
        match it.state {
            State::Starting { pid: Some(pid), .. } => {
                (it.incarnation, it.heard, it.spoke) = (Some(incarnation), self.now, true);
                self.make_ready(node, pid);
            }
            State::Ready { .. } => (it.incarnation, it.heard, it.spoke) = (Some(incarnation), self.now, true),
            _ => {}
        }
    }

    fn forks_refused(&mut self, node: Node, count: u64) {
        let Some(it) = self.nodes.get_mut(node).filter(|it| it.pid().is_some()) else { return };
        let first = it.refused_forks == 0 && count > 0;
        it.refused_forks = it.refused_forks.max(count);
        let most = it.plan.pids;
        if first {
            self.report(node, Report::ForksRefused { most });
        }
    }

    fn make_ready(&mut self, node: Node, pid: u32) {
        let Some(it) = self.nodes.get_mut(node) else { return };
        it.state = State::Ready { pid };
        (it.was_ready, it.waits) = (true, 0);
        let after = self.now.saturating_sub(it.since);
        self.report(node, Report::Ready { after });
    }

    fn ended(&mut self, node: Node, pid: u32, exit: Exit, left: bool) {
        let Some(it) = self.nodes.get_mut(node) else { return };
        if it.pid() != Some(pid) {
            return;
        }
        let now = self.now;
        let end = it.end(exit);
        it.last_end = Some(end.clone());
        let (because, asked_at, kill_at, killed, then) = match it.state {
            State::Stopping { ended: Some(_), .. } => return,
            State::Stopping { because, asked_at, kill_at, killed, then, .. } => {
                (because, asked_at, kill_at, killed, then)
            }
            _ => (Because::Left, now, now + it.plan.stop, false, Then::Judge),
        };
        if !left {
            return self.follow(node, end, then);
        }
        // Its children may hold its device: they end before it is started again, asked first (one of them may be the motor).
        it.state = State::Stopping { pid, because, asked_at, kill_at, killed, ended: Some(end), then };
        self.signal(node, pid, if killed { Force::Kill } else { Force::Ask });
    }

    fn cleared(&mut self, node: Node, pid: u32) {
        let Some(it) = self.nodes.get_mut(node) else { return };
        if let State::Stopping { pid: own, ended: Some(end), then, .. } = &it.state
            && *own == pid
        {
            let (end, then) = (end.clone(), *then);
            self.follow(node, end, then);
        }
    }

    /// Nothing is left of a node's process: what now?
    fn follow(&mut self, node: Node, end: End, then: Then) {
        let Some(it) = self.nodes.get_mut(node) else { return };
        it.last_end = Some(end.clone());
        match then {
            _ if it.removed => {
                it.state = State::Gone;
                self.report(node, Report::Removed);
            }
            _ if self.stopping.is_some() => it.state = State::Stopped,
            Then::Judge => self.judge(node, end),
            Then::Start => self.spawn(node),
            Then::Anew => it.state = State::Pending,
            Then::Stay => {
                it.state = State::Stopped;
                self.report(node, Report::Stopped);
            }
        }
    }

    fn judge(&mut self, node: Node, end: End) {
        let Some(it) = self.nodes.get_mut(node) else { return };
        let Restart { when, window, max, .. } = it.plan.restart;
        match (when, &end.exit) {
            (_, Exit::Code(EX_CONFIG)) => {
                return self.fail(node, format!("{end}: restarting cannot help until its parameters are right"));
            }
            (RestartWhen::OnFailure | RestartWhen::Never, Exit::Code(0)) if !end.is_fault() => return self.done(node),
            (_, Exit::NotYet(_)) => return self.not_yet(node, end),
            (RestartWhen::Never, _) => return self.fail(node, format!("{end}, and it is never restarted")),
            _ => {}
        }
        let lived = self.now.saturating_sub(it.since);
        let ends = it.count_end(self.now, lived);
        if ends >= max {
            return self.fail(
                node,
                format!("it ended {ends} times within {} s, the last time with {end}", window.as_secs_f64()),
            );
        }
        let chance = self.chance();
        let Some(it) = self.nodes.get_mut(node) else { return };
        let again = it.delay(chance);
        it.state = State::Waiting { until: self.now + again };
        self.report(node, Report::Ended { end, lived, again });
        if again.is_zero() {
            self.spawn(node);
        }
    }

    fn done(&mut self, node: Node) {
        let Some(it) = self.nodes.get_mut(node) else { return };
        it.state = State::Done;
        let required = it.plan.required;
        self.report(node, Report::Done);
        if required {
            self.begin_stop(code::OK);
        }
    }

    fn fail(&mut self, node: Node, why: String) {
        let Some(it) = self.nodes.get_mut(node) else { return };
        it.state = State::Failed { why: why.clone() };
        let required = it.plan.required;
        self.report(node, Report::Failed { why });
        if required {
            self.begin_stop(code::GAVE_UP);
        }
    }

    fn tick(&mut self, late: bool) {
        let now = self.now;
        for node in 0..self.nodes.len() {
            let Some(it) = self.nodes.get_mut(node) else { continue };
            if late {
                it.forgive(now);
            }
            if it.due().is_none_or(|due| now < due) {
                continue;
            }
            match it.state {
                State::Starting { .. } => {
                    let after = now.saturating_sub(it.since);
                    self.report(node, Report::NotReady { after });
                    self.ask(node, Because::NotReady(after), Then::Judge);
                }
                State::Ready { .. } => {
                    let silent = now.saturating_sub(it.heard);
                    self.report(node, Report::Hung { silent });
                    self.ask(node, Because::Hung(silent), Then::Judge);
                }
                State::Stopping { killed: true, .. } => self.lost(node),
                State::Stopping { asked_at, .. } => {
                    let after = now.saturating_sub(asked_at);
                    self.report(node, Report::Killed { after });
                    self.kill(node);
                }
                State::Waiting { .. } => self.spawn(node),
                _ => {}
            }
        }
    }

    fn stop(&mut self, code: u8) {
        match self.stopping {
            None => self.begin_stop(code),
            Some((since, _)) if self.now < since + SAME_WISH => {}
            Some(_) => self.last_first().into_iter().for_each(|node| self.kill(node)),
        }
    }

    /// The order in which nodes end: those that move things before all others, then the last of the file first.
    fn last_first(&self) -> Vec<Node> {
        let (motors, others): (Vec<Node>, Vec<Node>) =
            (0..self.nodes.len()).rev().partition(|node| self.nodes.get(*node).is_some_and(|it| it.plan.motor));
        [motors, others].concat()
    }

    /// Asks every node to end.
    fn begin_stop(&mut self, code: u8) {
        if self.stopping.is_some() {
            return;
        }
        self.stopping = Some((self.now, code));
        for node in self.last_first() {
            self.ask(node, Because::Asked, Then::Stay);
        }
    }

    /// Asks a node's process to end; `then` says what follows. Without a process it is stopped already, unless it is over for good.
    fn ask(&mut self, node: Node, because: Because, then: Then) {
        let now = self.now;
        let Some(it) = self.nodes.get_mut(node) else { return };
        match &mut it.state {
            State::Starting { pid: Some(pid), .. } | State::Ready { pid } => {
                let pid = *pid;
                let kill_at = now + it.grace(because);
                it.state = State::Stopping { pid, because, asked_at: now, kill_at, killed: false, ended: None, then };
                self.signal(node, pid, Force::Ask);
            }
            State::Stopping { then: planned, .. } => *planned = then,
            State::Pending | State::Waiting { .. } => it.state = State::Stopped,
            State::Starting { pid: None, .. } | State::Stopped | State::Done | State::Failed { .. } | State::Gone => {}
        }
    }

    fn kill(&mut self, node: Node) {
        let now = self.now;
        let Some(it) = self.nodes.get_mut(node) else { return };
        if let State::Stopping { pid, kill_at, killed, .. } = &mut it.state {
            (*kill_at, *killed) = (now + LOST_AFTER, true);
            let pid = *pid;
            self.signal(node, pid, Force::Kill);
        }
    }

    /// A process survives KILL: the graph's end does not wait for it, its own next start does.
    fn lost(&mut self, node: Node) {
        if let Some(it) = self.nodes.get_mut(node)
            && !std::mem::replace(&mut it.is_lost, true)
        {
            self.report(node, Report::Lost);
        }
        self.kill(node);
        if self.stopping.is_some()
            && let Some(it) = self.nodes.get_mut(node)
        {
            it.state = State::Stopped;
        }
    }

    fn spawn(&mut self, node: Node) {
        let Some(it) = self.nodes.get_mut(node) else { return };
        it.state = State::Starting { pid: None, due: None };
        self.actions.push(Action::Spawn(node));
    }

    fn start_pending(&mut self) {
        if self.stopping.is_some() {
            return;
        }
        // A new node may want the device of one that was removed: that one ends first, which KILL bounds.
        let leaves = |it: &Supervised| it.removed && it.is_alive() && !it.was_killed();
        if self.nodes.iter().any(leaves) {
            return;
        }
        for node in 0..self.nodes.len() {
            let first = |dep: &Node| {
                self.nodes.get(*dep).is_none_or(|it| it.was_ready || it.removed || matches!(it.state, State::Done))
            };
            let starts = self
                .nodes
                .get(node)
                .is_some_and(|it| matches!(it.state, State::Pending) && it.plan.after.iter().all(first));
            if starts {
                self.spawn(node);
            }
        }
    }

    fn end_when_over(&mut self) {
        // Called after every node that can start was started: who is still pending waits for one that is over.
        let over = |it: &Supervised| matches!(it.state, State::Done | State::Failed { .. } | State::Pending);
        let mut own = self.nodes.iter().filter(|it| !it.plan.added && !it.removed).peekable();
        if self.stopping.is_none() && own.peek().is_some() && own.all(over) {
            let failed = self.nodes.iter().any(|it| matches!(it.state, State::Failed { .. }) && !it.plan.added);
            self.begin_stop(if failed { code::GAVE_UP } else { code::OK });
        }
        if let Some((_, code)) = self.stopping
            && !self.over
            && !self.nodes.iter().any(Supervised::is_alive)
        {
            self.over = true;
            self.actions.push(Action::Quit(code));
        }
    }

    fn signal(&mut self, node: Node, pid: u32, force: Force) {
        self.actions.push(Action::Signal { node, pid, force });
    }

    fn report(&mut self, node: Node, report: Report) {
        self.actions.push(Action::Report(node, report));
    }

    /// The next number in 0..1 (splitmix64).
    fn chance(&mut self) -> f64 {
        self.chance = self.chance.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.chance;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        f64::from((z >> 32) as u32) / (f64::from(u32::MAX) + 1.0)
    }
}
