//! One running graph: does what its supervisor says, and knows what people ask about it.
//! It never decides about a node by itself.

use std::{
    collections::VecDeque,
    io,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use offboard::{
    graph::{Graph, NodeSpec, Restart, Watchdog},
    proto::NodeStatus,
    wiring::{LINK, NodeWiring, RunDir, taps, wire},
};
use prost::Message;
use tokio::task::AbortHandle;

use crate::{
    child::{self, Places, RUN_VARIABLE, Start, Stray},
    control::{Answer, EdgeView, NodeView, Request, TopicView},
    guard::Guard,
    heartbeat::Beat,
    lock::Lock,
    logs::{Level, Logs, Voice},
    output::{NodeLog, Pipe},
    report::sentence,
    supervisor::{Action, Event, Exit, Force, Node, Plan, Report, Supervisor, code},
    words::did_you_mean,
};

/// How often it is looked whether an ended process's group is gone.
const CLEARING_EVERY: Duration = Duration::from_millis(10);

/// How many last words are shown when a node is given up.
const LAST_WORDS: usize = 10;

/// How the added link is treated; it is ours, so it beats.
const LINK_READY: Duration = Duration::from_secs(10);
const LINK_STOP: Duration = Duration::from_secs(2);

/// What all graphs of a launch share.
#[derive(Debug)]
pub(crate) struct Shell {
    /// The supervisors' zero.
    pub(crate) began: Instant,
    /// The mark of this launch's processes.
    pub(crate) run: String,
    /// None once it could not be replaced.
    pub(crate) guard: Option<Guard>,
    pub(crate) logs: Arc<Logs>,
    pub(crate) places: Places,
    /// The steady timeline of all nodes.
    pub(crate) clock_offset_ns: i64,
    /// Whether launch tells of what went well, too.
    pub(crate) verbose: bool,
}

/// A graph with its processes.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) name: String,
    pub(crate) voice: Voice,
    file: String,
    topics: Vec<TopicView>,
    supervisor: Supervisor,
    members: Vec<Member>,
    /// Process groups whose leader ended and which are being cleared.
    clearing: Vec<(Node, u32)>,
    /// When to look at them next.
    look_at: Duration,
    /// Its sockets.
    pub(crate) tasks: Vec<AbortHandle>,
    lock: Option<Lock>,
    /// Once it is over: its exit code.
    quit: Option<u8>,
}

#[derive(Debug)]
struct Member {
    name: String,
    words: Vec<String>,
    dir: PathBuf,
    env: Vec<(String, String)>,
    log: Arc<NodeLog>,
    /// Of the newest process.
    pipes: Vec<Arc<Pipe>>,
    /// Of the newest process: its children that left its group.
    strays: Vec<Stray>,
    /// What its last heartbeat carried, undecoded.
    status: Vec<u8>,
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
        let wirings = wire(&graph, &dir, shell.clock_offset_ns);
        let plans = plans(&graph, &beats, wirings.len());
        let members = wirings.iter().enumerate().map(|(node, wiring)| {
            let voice = Voice { graph: Some(name.clone()), node: wiring.name.clone(), place: place + node };
            Member::new(graph.nodes.get(node), wiring, &graph, voice, shell)
        });
        let topics = taps(&graph, &dir).into_iter().map(|topic| TopicView {
            graph: name.clone(),
            topic: topic.topic,
            r#type: topic.kind,
            tap: topic.tap,
        });
        Running {
            voice: Voice::launch(Some(name.clone())),
            file,
            topics: topics.collect(),
            members: members.collect(),
            supervisor: Supervisor::new(plans, seed(&shell.run, place)),
            clearing: Vec::new(),
            look_at: Duration::ZERO,
            tasks: Vec::new(),
            lock: Some(lock),
            quit: None,
            name,
        }
    }

    /// Names of its nodes.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = &str> {
        self.members.iter().map(|member| member.name.as_str())
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
        self.supervisor.due().into_iter().chain(clearing).min()
    }

    /// Lets time pass.
    pub(crate) fn tick(&mut self, shell: &mut Shell) {
        let now = shell.began.elapsed();
        if !self.clearing.is_empty() && self.look_at <= now {
            self.look_at = now + CLEARING_EVERY;
            self.look_at_cleared(shell);
        }
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

    /// A process ended; false when it was none of this graph's nodes.
    pub(crate) fn reaped(&mut self, pid: u32, exit: &Exit, shell: &mut Shell) -> bool {
        let Some(node) = self.supervisor.node_of(pid) else { return false };
        if let Some(member) = self.members.get_mut(node) {
            member.pipes.drain(..).for_each(|pipe| pipe.finish());
            let says =
                [(RUN_VARIABLE, shell.run.as_str()), ("LAUNCH_GRAPH", &self.name), ("LAUNCH_NODE", &member.name)];
            member.strays = child::strays(&says, pid);
        }
        let left = self.is_left(node, pid);
        if left {
            self.clearing.push((node, pid));
            self.look_at = shell.began.elapsed() + CLEARING_EVERY;
        } else {
            self.forget(pid, shell);
        }
        self.happen(Event::Ended { node, pid, exit: exit.clone(), left }, shell);
        true
    }

    /// A heartbeat came. A name that no node has is nobody's.
    pub(crate) fn beat(&mut self, beat: Beat, shell: &mut Shell) {
        let Some(node) = self.members.iter().position(|member| member.name == beat.node) else { return };
        if let Some(member) = self.members.get_mut(node)
            && !beat.status.is_empty()
        {
            member.status = beat.status;
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
            Request::Stop { node: None } => {
                shell.logs.say(&self.voice, Level::Info, "asked to stop");
                self.happen(Event::Stop { code: code::OK }, shell);
                Answer::Done
            }
            Request::Stop { node: Some(node) } => self.ask_node(node, Event::StopNode, shell),
            Request::Start { node } => self.ask_node(node, Event::StartNode, shell),
            Request::Restart { node } => self.ask_node(node, Event::RestartNode, shell),
        }
    }

    /// Removes its runtime files and lets go of its name.
    pub(crate) fn release(&mut self) {
        self.tasks.drain(..).for_each(|task| task.abort());
        if let Some(lock) = self.lock.take() {
            lock.release();
        }
    }

    fn ask_node(&mut self, name: &str, event: fn(Node) -> Event, shell: &mut Shell) -> Answer {
        let Some(node) = self.members.iter().position(|member| member.name == name) else {
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
        Some(match member.spawn(&shell.places) {
            Ok(pid) => {
                if let Some(guard) = &mut shell.guard {
                    guard.add(pid);
                }
                Event::Started { node, pid }
            }
            Err(error) => Event::NotStarted { node, why: error.to_string(), scarce: child::is_scarcity(&error) },
        })
    }

    fn signal(&self, node: Node, pid: u32, force: Force) {
        child::signal_group(pid, force);
        let strays = self.members.get(node).into_iter().flat_map(|member| &member.strays);
        strays.for_each(|stray| stray.signal(force));
    }

    fn is_left(&self, node: Node, pid: u32) -> bool {
        let mut strays = self.members.get(node).into_iter().flat_map(|member| &member.strays);
        child::group_exists(pid) || strays.any(|stray| stray.exists())
    }

    fn forget(&self, pid: u32, shell: &mut Shell) {
        if let Some(guard) = &mut shell.guard {
            guard.remove(pid);
        }
    }

    fn report(&self, node: Node, report: &Report, shell: &Shell) {
        let Some(member) = self.members.get(node) else { return };
        let (level, text) = sentence(&member.name, report);
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

    fn views(&self, shell: &Shell) -> Vec<NodeView> {
        let now = shell.began.elapsed();
        let view = |(node, member): (Node, &Member)| {
            let view = self.supervisor.view(now, node)?;
            let status = NodeStatus::decode(member.status.as_slice()).ok().filter(|_| !member.status.is_empty());
            Some(NodeView {
                graph: self.name.clone(),
                node: member.name.clone(),
                state: view.state.to_owned(),
                why: view.why,
                pid: view.pid,
                restarts: view.restarts,
                uptime_s: view.up.map(|up| up.as_secs_f64()),
                last_end: view.last_end,
                beats: status.as_ref().map(|status| status.beats),
                edges: status.map(edges).unwrap_or_default(),
                launch_pid: std::process::id(),
                file: self.file.clone(),
            })
        };
        self.members.iter().enumerate().filter_map(view).collect()
    }
}

impl Member {
    fn new(spec: Option<&NodeSpec>, wiring: &NodeWiring, graph: &Graph, voice: Voice, shell: &Shell) -> Member {
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

    fn spawn(&mut self, places: &Places) -> io::Result<u32> {
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

fn plans(graph: &Graph, beats: &[bool], count: usize) -> Vec<Plan> {
    let place = |name: &_| graph.nodes.iter().position(|spec| spec.name == *name);
    let own = graph.nodes.iter().enumerate().map(|(node, spec)| Plan {
        after: spec.after.iter().filter_map(place).collect(),
        required: spec.required,
        added: false,
        beats: beats.get(node).copied().unwrap_or_default(),
        restart: spec.restart,
        ready: spec.ready,
        watchdog: spec.watchdog,
        stop: spec.stop,
    });
    let link = Plan {
        after: Vec::new(),
        required: false,
        added: true,
        beats: true,
        restart: Restart::default(),
        ready: LINK_READY,
        watchdog: Watchdog::Default,
        stop: LINK_STOP,
    };
    own.chain(std::iter::repeat(link)).take(count).collect()
}

fn edges(status: NodeStatus) -> Vec<EdgeView> {
    let edge = |edge: offboard::proto::EdgeCounts| EdgeView {
        port: edge.port,
        topic: edge.topic,
        publishes: edge.publishes,
        messages: edge.messages,
        bytes: edge.bytes,
        gaps: edge.gaps,
        dropped: edge.dropped,
        expired: edge.expired,
        undecodable: edge.undecodable,
        wrong_type: edge.wrong_type,
        oversized: edge.oversized,
    };
    status.edges.into_iter().map(edge).collect()
}

/// A number that differs between launches and graphs: which one does not matter.
fn seed(run: &str, place: usize) -> u64 {
    run.bytes().fold(place as u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)))
}
