//! One running graph: does what its supervisor says, and knows what people ask about it.
//! It never decides about a node by itself.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use offboard::{
    graph::Graph,
    wiring::{LAUNCH, RunDir, taps, wire},
};
use tokio::{sync::mpsc, task::AbortHandle};

use self::{member::Member, plans::plans, views::topic};
use crate::{
    cgroup::{Cgroups, Group},
    child::{self, Places, RUN_VARIABLE},
    control::{Answer, Request, TopicView},
    events::Feed,
    guard::Guard,
    heartbeat::Beat,
    lock::Lock,
    logs::{Level, Logs, Voice},
    report::sentence,
    supervisor::{Action, Event, Exit, Force, Node, Report, Supervisor, code},
    sweep::Started,
    words::did_you_mean,
};

mod birth;
mod limits;
mod member;
mod plans;
mod reload;
mod telling;
mod views;

/// How often it is looked whether an ended process's group is gone.
const CLEARING_EVERY: Duration = Duration::from_millis(10);

/// How many last words are shown when a node is given up.
const LAST_WORDS: usize = 10;

/// What all graphs of a launch share.
#[derive(Debug)]
pub(crate) struct Shell {
    /// The supervisors' zero.
    pub(crate) began: Instant,
    /// The mark of this launch's processes.
    pub(crate) run: String,
    /// None once it could not be replaced.
    pub(crate) guard: Option<Guard>,
    pub(crate) cgroups: Cgroups,
    pub(crate) logs: Arc<Logs>,
    pub(crate) places: Places,
    /// The steady timeline of all nodes.
    pub(crate) clock_offset_ns: i64,
    /// Takes the processes whose programs have begun.
    pub(crate) begun: mpsc::Sender<u32>,
    /// Whether launch tells of what went well, too.
    pub(crate) verbose: bool,
}

/// A graph with its processes.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) name: String,
    pub(crate) voice: Voice,
    file: String,
    /// What its file says, and the folder of its sockets.
    graph: Graph,
    dir: RunDir,
    /// Of its first node, for colours.
    place: usize,
    topics: Vec<TopicView>,
    /// What happened to its nodes.
    pub(crate) feed: Arc<Feed>,
    supervisor: Supervisor,
    members: Vec<Member>,
    /// Process groups whose leader ended and which are being cleared.
    clearing: Vec<(Node, u32)>,
    /// When to look at them next.
    look_at: Duration,
    /// When to look next whether a limit was met.
    limits_at: Duration,
    /// Its sockets.
    pub(crate) tasks: Vec<AbortHandle>,
    lock: Option<Lock>,
    /// Once it is over: its exit code.
    quit: Option<u8>,
}

/// A graph that may be run.
#[derive(Debug)]
pub(crate) struct Ready {
    pub(crate) graph: Graph,
    pub(crate) file: String,
    /// For each node whether its program described itself: then it beats.
    pub(crate) beats: Vec<bool>,
    pub(crate) dir: RunDir,
    pub(crate) lock: Lock,
}

impl Running {
    /// Nothing is started yet. `place`: the graph's among all, for colours.
    pub(crate) fn new(ready: Ready, shell: &Shell, place: usize) -> Running {
        let Ready { graph, file, beats, dir, lock } = ready;
        let name = graph.name.to_string();
        shell.logs.keep(&name);
        let wirings = wire(&graph, &dir, shell.clock_offset_ns);
        let plans = plans(&graph, &beats, wirings.len());
        let members = wirings.iter().enumerate().map(|(node, wiring)| {
            let voice = Voice { graph: Some(name.clone()), node: wiring.name.clone(), place: place + node };
            Member::new(graph.nodes.get(node), wiring, &graph, voice, shell)
        });
        let topics = taps(&graph, &dir).into_iter().map(|wiring| topic(&name, wiring));
        Running {
            voice: Voice::launch(Some(name.clone())),
            file,
            topics: topics.collect(),
            feed: Feed::new(),
            members: members.collect(),
            supervisor: Supervisor::new(plans, seed(&shell.run, place)),
            clearing: Vec::new(),
            look_at: Duration::ZERO,
            limits_at: Duration::ZERO,
            tasks: Vec::new(),
            lock: Some(lock),
            quit: None,
            graph,
            dir,
            place,
            name,
        }
    }

    /// Names of its nodes.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = &str> {
        self.members.iter().enumerate().filter(|(node, _)| self.has(*node)).map(|(_, member)| member.name.as_str())
    }

    /// Its topics.
    pub(crate) fn topics(&self) -> &[TopicView] {
        &self.topics
    }

    /// Its exit code once it is over.
    pub(crate) fn quit(&self) -> Option<u8> {
        self.quit
    }

    /// When to call [`Running::tick`] next.
    pub(crate) fn due(&self) -> Option<Duration> {
        let clearing = (!self.clearing.is_empty()).then_some(self.look_at);
        self.supervisor.due().into_iter().chain(clearing).chain(self.limits_due()).min()
    }

    /// Lets time pass.
    pub(crate) fn tick(&mut self, shell: &mut Shell) {
        let now = shell.began.elapsed();
        if !self.clearing.is_empty() && self.look_at <= now {
            self.look_at = now + CLEARING_EVERY;
            self.look_at_cleared(shell);
        }
        self.look_at_limits(now, shell);
        if self.supervisor.due().is_some_and(|due| due <= now) {
            self.happen(Event::Tick, shell);
        }
    }

    fn look_at_cleared(&mut self, shell: &mut Shell) {
        let gone = |(node, pid): &(Node, u32)| !self.is_left(*node, *pid);
        let gone: Vec<(Node, u32)> = self.clearing.iter().copied().filter(gone).collect();
        for (node, pid) in gone {
            self.clearing.retain(|other| *other != (node, pid));
            self.forget(pid, shell);
            self.happen(Event::Cleared { node, pid }, shell);
        }
    }

    /// Takes in an event and does what follows from it.
    pub(crate) fn happen(&mut self, event: Event, shell: &mut Shell) {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            for action in self.supervisor.step(shell.began.elapsed(), event) {
                match action {
                    Action::Spawn(node) => events.extend(self.spawn(node, shell)),
                    Action::Signal { node, pid, force } => self.signal(node, pid, force),
                    Action::Report(node, report) => self.report(node, &report, shell),
                    Action::Quit(code) => self.end(code),
                }
            }
        }
    }

    /// The program of a process has begun; whose, if it is one of this graph's nodes.
    pub(crate) fn begun(&mut self, pid: u32, shell: &mut Shell) {
        if let Some(node) = self.supervisor.node_of(pid) {
            self.happen(Event::Begun { node, pid }, shell);
        }
    }

    /// A process ended; false when it was none of this graph's nodes.
    pub(crate) fn reaped(&mut self, pid: u32, exit: &Exit, shell: &mut Shell) -> bool {
        let Some(node) = self.supervisor.node_of(pid) else { return false };
        // What its limits did to it is read before its end is judged.
        self.look_at_limit(node, shell);
        let mut exit = exit.clone();
        if let Some(member) = self.members.get_mut(node) {
            member.pipes.drain(..).for_each(|pipe| pipe.finish());
            member.keep_last_words();
            exit = member.judge(exit);
            member.group_is_gone = !child::group_exists(pid);
            // Whoever cannot leave the node's control group need not be looked for.
            if member.cgroup.is_none() {
                let says =
                    [(RUN_VARIABLE, shell.run.as_str()), ("LAUNCH_GRAPH", &self.name), ("LAUNCH_NODE", &member.name)];
                member.strays = child::strays(&says, pid);
            }
        }
        // It may have ended before that was heard.
        if !matches!(exit, Exit::NotStarted(_) | Exit::NotYet(_)) {
            self.happen(Event::Begun { node, pid }, shell);
        }
        let left = self.is_left(node, pid);
        if left {
            self.clearing.push((node, pid));
            self.look_at = shell.began.elapsed() + CLEARING_EVERY;
        } else {
            self.forget(pid, shell);
        }
        self.happen(Event::Ended { node, pid, exit, left }, shell);
        true
    }

    /// A heartbeat came. A name that no node has is nobody's.
    pub(crate) fn beat(&mut self, beat: Beat, shell: &mut Shell) {
        let Some(node) = self.node(&beat.node) else { return };
        if let Some(member) = self.members.get_mut(node)
            && !beat.status.is_empty()
        {
            (member.status, member.heard) = (beat.status, Some(Instant::now()));
        }
        self.happen(Event::Beat { node, incarnation: beat.incarnation }, shell);
    }

    /// Somebody asks.
    pub(crate) fn ask(&mut self, request: &Request, shell: &mut Shell) -> Answer {
        match request {
            Request::Ps {} => Answer::Nodes(self.views(shell)),
            Request::Topics {} => {
                Answer::Topics { clock_offset_ns: shell.clock_offset_ns, topics: self.topics.clone() }
            }
            Request::Events { .. } | Request::Lines {} => Answer::Error("this is told, not asked for".to_owned()),
            Request::Stop { node: None } => {
                shell.logs.say(&self.voice, Level::Info, "asked to stop");
                self.happen(Event::Stop { code: code::OK }, shell);
                Answer::Done
            }
            Request::Stop { node: Some(node) } if node == LAUNCH => {
                Answer::Error(format!("the node {LAUNCH} publishes what launch knows; it ends with the graph"))
            }
            Request::Stop { node: Some(node) } => self.ask_node(node, Event::StopNode, shell),
            Request::Start { node } => self.ask_node(node, Event::StartNode, shell),
            Request::Restart { node } => self.ask_node(node, Event::RestartNode, shell),
            Request::Reload {} => Answer::Error("its file must be read first".to_owned()),
        }
    }

    /// Removes its runtime files and lets go of its name.
    pub(crate) fn release(&mut self) {
        self.tasks.drain(..).for_each(|task| task.abort());
        self.members.iter().filter_map(|member| member.cgroup.as_ref()).for_each(Group::remove);
        if let Some(lock) = self.lock.take() {
            lock.release();
        }
    }

    fn ask_node(&mut self, name: &str, event: fn(Node) -> Event, shell: &mut Shell) -> Answer {
        let Some(node) = self.node(name) else {
            return Answer::Error(format!("{} has no node {name}{}", self.name, did_you_mean(name, self.nodes())));
        };
        self.happen(event(node), shell);
        Answer::Done
    }

    fn end(&mut self, code: u8) {
        self.quit = Some(code);
        self.release();
    }

    fn spawn(&mut self, node: Node, shell: &mut Shell) -> Option<Event> {
        let member = self.members.get_mut(node)?;
        Some(match member.spawn(shell) {
            Ok(pid) => {
                if let Some(guard) = &mut shell.guard {
                    let motor = self.supervisor.seat(node).is_some_and(|(_, plan)| plan.motor);
                    guard.add(Started { pid, motor });
                }
                Event::Started { node, pid }
            }
            Err(error) => Event::NotStarted { node, why: error.to_string(), scarce: child::is_scarcity(&error) },
        })
    }

    fn signal(&mut self, node: Node, pid: u32, force: Force) {
        let Some(member) = self.members.get_mut(node) else { return };
        // A number that is free may be another group's by now.
        if !member.group_is_gone {
            child::signal_group(pid, force);
        }
        member.strays.iter().for_each(|stray| stray.signal(force));
        match (&mut member.cgroup, force) {
            (Some(cgroup), Force::Ask) => cgroup.ask(pid),
            (Some(cgroup), Force::Kill) => cgroup.kill(),
            (None, _) => {}
        }
    }

    fn is_left(&self, node: Node, pid: u32) -> bool {
        let member = self.members.get(node);
        let mut strays = member.into_iter().flat_map(|member| &member.strays);
        let cgroup = member.and_then(|member| member.cgroup.as_ref());
        child::group_exists(pid) || strays.any(|stray| stray.exists()) || cgroup.is_some_and(Group::is_left)
    }

    fn forget(&self, pid: u32, shell: &mut Shell) {
        if let Some(guard) = &mut shell.guard {
            guard.remove(pid);
        }
    }

    fn report(&self, node: Node, report: &Report, shell: &Shell) {
        let Some(member) = self.members.get(node) else { return };
        // It is a node of that name, not launch itself.
        let name = if member.name == LAUNCH { "the node launch" } else { &member.name };
        let (level, text) = sentence(name, report);
        self.tell(node, member, report, &text, shell);
        if let (Report::Removed, Some(cgroup)) = (report, &member.cgroup) {
            cgroup.remove();
        }
        if level == Level::Debug && !shell.verbose {
            return;
        }
        shell.logs.say(&self.voice, level, &text);
        if matches!(report, Report::Failed { .. }) {
            let last = member.log.last(LAST_WORDS);
            let head = if last.is_empty() { "it said nothing" } else { "its last words:" };
            shell.logs.say(&self.voice, Level::Info, &format!("  {head}"));
            last.iter().for_each(|line| shell.logs.say(&self.voice, Level::Info, &format!("    {line}")));
        }
    }
}

/// A number that differs between launches and graphs: which one does not matter.
fn seed(run: &str, place: usize) -> u64 {
    run.bytes().fold(place as u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)))
}
