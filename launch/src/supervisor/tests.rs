//! Stories about the supervisor, and what must hold in all of them.

use std::collections::{HashMap, HashSet};

use offboard::graph::Watchdog;
use proptest::prelude::*;

use super::{supervised::*, *};

const MS: Duration = Duration::from_millis(1);
const SEC: Duration = Duration::from_secs(1);

fn plan() -> Plan {
    Plan {
        after: Vec::new(),
        required: false,
        motor: false,
        added: false,
        beats: false,
        restart: Restart::default(),
        ready: 10 * SEC,
        watchdog: Watchdog::Default,
        stop: 2 * SEC,
        pids: None,
    }
}

/// A supervisor and a world that starts whatever it asks for.
struct World {
    supervisor: Supervisor,
    now: Duration,
    pids: u32,
    alive: HashMap<Node, u32>,
    /// Of the alive, those whose main process is gone.
    left: HashMap<Node, u32>,
    /// Who was removed from the graph and not added again.
    removed: HashSet<Node>,
    /// Whether KILL kills at once; else a story says when.
    mortal: bool,
    done: Vec<Action>,
}

impl World {
    fn new(plans: Vec<Plan>) -> World {
        let supervisor = Supervisor::new(plans, 7);
        let (alive, left, removed) = (HashMap::new(), HashMap::new(), HashSet::new());
        let (now, pids, mortal, done) = (Duration::ZERO, 100, false, Vec::new());
        let mut world = World { supervisor, now, pids, alive, left, removed, mortal, done };
        world.event(Event::Begin);
        world
    }

    /// What followed from this event.
    fn event(&mut self, event: Event) -> Vec<Action> {
        let before = self.done.len();
        let mut events = vec![event];
        while !events.is_empty() {
            let event = events.remove(0);
            for action in self.supervisor.step(self.now, event) {
                self.in_order(&action);
                if let Action::Spawn(node) = action {
                    assert!(!self.removed.contains(&node), "the removed node {node} is started");
                    self.pids += 1;
                    assert_eq!(self.alive.insert(node, self.pids), None, "two processes of node {node}");
                    events.extend([Event::Started { node, pid: self.pids }, Event::Begun { node, pid: self.pids }]);
                }
                if let Action::Signal { node, pid, force: Force::Kill } = action
                    && self.mortal
                    && self.alive.remove(&node).is_some()
                {
                    let exit = Exit::Signal(9);
                    let gone = self.left.remove(&node).is_some();
                    let dies = Event::Ended { node, pid, exit, left: false };
                    events.push(if gone { Event::Cleared { node, pid } } else { dies });
                }
                self.done.push(action);
            }
        }
        self.done[before..].to_vec()
    }

    /// Nothing follows the end, a process is killed only after it was asked, and nothing lives when it is over.
    fn in_order(&self, action: &Action) {
        assert!(!matches!(self.done.last(), Some(Action::Quit(_))), "{action:?} after the end");
        match *action {
            Action::Signal { node, pid, force } => {
                assert!(
                    self.alive.get(&node).is_none_or(|own| *own == pid),
                    "a signal to a process that is not node {node}'s"
                );
                let asked = Action::Signal { node, pid, force: Force::Ask };
                assert!(force == Force::Ask || self.done.contains(&asked), "node {node} was not asked first");
            }
            Action::Quit(_) => assert!(!self.mortal || self.alive.is_empty(), "it ends before its nodes"),
            _ => {}
        }
    }

    /// What can be seen of a node: its state and its process.
    fn seen(&self, node: Node) -> (&'static str, Option<u32>) {
        (self.state(node), self.alive.get(&node).copied())
    }

    fn end(&mut self, node: Node, exit: Exit) -> Vec<Action> {
        let pid = self.alive.remove(&node).unwrap();
        self.event(Event::Ended { node, pid, exit, left: false })
    }

    fn wait(&mut self, time: Duration) -> Vec<Action> {
        let before = self.done.len();
        let end = self.now + time;
        while let Some(due) = self.supervisor.due().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.event(Event::Tick);
        }
        self.now = end;
        self.done[before..].to_vec()
    }

    fn state(&self, node: Node) -> &'static str {
        self.supervisor.view(self.now, node).map_or("gone", |view| view.state)
    }

    fn starts(&self, node: Node) -> usize {
        self.done.iter().filter(|action| **action == Action::Spawn(node)).count()
    }
}

fn signals(actions: &[Action]) -> Vec<(Node, Force)> {
    let signal = |action: &Action| match action {
        Action::Signal { node, force, .. } => Some((*node, *force)),
        _ => None,
    };
    actions.iter().filter_map(signal).collect()
}

fn quits(actions: &[Action]) -> Option<u8> {
    actions.iter().find_map(|action| if let Action::Quit(code) = action { Some(*code) } else { None })
}

#[test]
fn a_crashing_node_restarts_alone_and_at_once() {
    let mut world = World::new(vec![plan(), plan()]);
    let actions = world.end(0, Exit::Signal(9));
    assert!(actions.contains(&Action::Spawn(0)));
    assert!(signals(&actions).is_empty());
    assert_eq!(world.starts(1), 1);
}

#[test]
fn a_crash_loop_is_slowed_and_then_given_up() {
    let mut world = World::new(vec![plan(), plan()]);
    for _ in 0..4 {
        world.end(0, Exit::Code(1));
        world.wait(2600 * MS);
        assert_eq!(world.state(0), "running");
    }
    world.end(0, Exit::Code(1));
    world.wait(60 * SEC);
    // Two and a half seconds between ends: five of them are never within ten seconds; the delays grow all the same.
    assert_ne!(world.state(0), "failed");

    let mut world = World::new(vec![plan(), plan()]);
    for _ in 0..4 {
        world.end(0, Exit::Code(1));
        world.wait(1600 * MS);
    }
    let actions = world.end(0, Exit::Code(1));
    assert_eq!(world.state(0), "failed");
    let why = "it ended 5 times within 10 s, the last time with exit code 1".to_owned();
    assert!(actions.contains(&Action::Report(0, Report::Failed { why })));
    assert_eq!((world.starts(0), world.state(1)), (5, "running"));
}

#[test]
fn a_node_that_lived_as_long_as_the_window_starts_afresh() {
    let mut world = World::new(vec![plan()]);
    for _ in 0..3 {
        world.end(0, Exit::Code(1));
        world.wait(SEC);
    }
    world.wait(10 * SEC);
    assert!(world.end(0, Exit::Code(1)).contains(&Action::Spawn(0)));
}

#[test]
fn a_wrong_configuration_is_given_up_at_once() {
    let mut world = World::new(vec![plan(), plan()]);
    world.end(0, Exit::Code(78));
    assert_eq!((world.state(0), world.starts(0)), ("failed", 1));
}

#[test]
fn a_good_end_is_the_last_where_the_file_says_so() {
    let restart = Restart { when: RestartWhen::OnFailure, ..Restart::default() };
    let mut world = World::new(vec![Plan { restart, ..plan() }, plan()]);
    world.end(0, Exit::Code(0));
    assert_eq!(world.state(0), "done");
}

#[test]
fn a_required_node_takes_the_graph_with_it() {
    let restart = Restart { when: RestartWhen::Never, ..Restart::default() };
    let mut world = World::new(vec![Plan { required: true, restart, ..plan() }, plan(), plan()]);
    let actions = world.end(0, Exit::Code(3));
    assert_eq!(signals(&actions), [(2, Force::Ask), (1, Force::Ask)]);
    world.end(2, Exit::Signal(15));
    assert_eq!(quits(&world.end(1, Exit::Signal(15))), Some(code::GAVE_UP));
}

#[test]
fn the_graph_ends_when_no_node_can_come_back() {
    let restart = Restart { when: RestartWhen::Never, ..Restart::default() };
    let once = Plan { restart, ..plan() };
    let waits = Plan { after: vec![0], beats: true, ..plan() };
    let mut world = World::new(vec![Plan { beats: true, ..once.clone() }, waits, Plan { added: true, ..plan() }]);
    let actions = world.end(0, Exit::Code(1));
    assert_eq!(signals(&actions), [(2, Force::Ask)]);
    assert_eq!(quits(&world.end(2, Exit::Signal(15))), Some(code::GAVE_UP));

    let mut world = World::new(vec![once]);
    assert_eq!(quits(&world.end(0, Exit::Code(0))), Some(code::OK));
}

#[test]
fn a_node_starts_when_those_before_it_are_ready() {
    let mut world = World::new(vec![Plan { after: vec![1], ..plan() }, Plan { beats: true, ..plan() }]);
    assert_eq!((world.state(0), world.state(1)), ("pending", "starting"));
    world.event(Event::Beat { node: 1, incarnation: 1 });
    assert_eq!((world.state(0), world.state(1)), ("running", "ready"));
}

#[test]
fn a_node_that_does_not_get_ready_is_killed_and_replaced() {
    let mut world = World::new(vec![Plan { beats: true, ready: SEC, ..plan() }]);
    assert!(signals(&world.wait(999 * MS)).is_empty());
    assert_eq!(signals(&world.wait(MS)), [(0, Force::Ask)]);
    assert_eq!(signals(&world.wait(2 * SEC)), [(0, Force::Kill)]);
    assert!(world.end(0, Exit::Signal(9)).contains(&Action::Spawn(0)));
}

#[test]
fn a_silent_work_loop_is_a_hang() {
    let mut world = World::new(vec![Plan { beats: true, ..plan() }]);
    for _ in 0..8 {
        world.event(Event::Beat { node: 0, incarnation: 1 });
        assert!(signals(&world.wait(999 * MS)).is_empty());
    }
    assert_eq!(signals(&world.wait(MS)), [(0, Force::Ask)]);
}

#[test]
fn a_hang_is_a_failure_however_well_the_process_ends_when_asked() {
    for (when, after) in [(RestartWhen::OnFailure, "starting"), (RestartWhen::Never, "failed")] {
        let restart = Restart { when, ..Restart::default() };
        let mut world = World::new(vec![Plan { beats: true, restart, ..plan() }, plan()]);
        world.event(Event::Beat { node: 0, incarnation: 1 });
        assert_eq!(signals(&world.wait(SEC)), [(0, Force::Ask)]);
        world.end(0, Exit::Code(0));
        assert_eq!(world.state(0), after);
    }
}

#[test]
fn a_node_that_never_beat_is_not_watched() {
    let mut world = World::new(vec![plan()]);
    assert!(world.wait(1000 * SEC).is_empty());
    assert_eq!(world.state(0), "running");
}

#[test]
fn a_late_heartbeat_of_the_last_process_says_nothing_about_the_new_one() {
    let mut world = World::new(vec![Plan { beats: true, ..plan() }]);
    world.event(Event::Beat { node: 0, incarnation: 1 });
    world.end(0, Exit::Signal(9));
    world.event(Event::Beat { node: 0, incarnation: 1 });
    assert_eq!(world.state(0), "starting");
    world.event(Event::Beat { node: 0, incarnation: 2 });
    assert_eq!(world.state(0), "ready");
}

#[test]
fn a_launcher_that_slept_judges_nobody() {
    let mut world = World::new(vec![Plan { beats: true, ..plan() }]);
    world.event(Event::Beat { node: 0, incarnation: 1 });
    world.now += 60 * SEC;
    assert!(world.event(Event::Tick).is_empty());
    assert_eq!(signals(&world.wait(SEC)), [(0, Force::Ask)]);
}

#[test]
fn children_that_outlive_their_node_end_before_it_is_started_again() {
    let mut world = World::new(vec![plan()]);
    let pid = world.alive.remove(&0).unwrap();
    let exit = Exit::Signal(9);
    assert_eq!(signals(&world.event(Event::Ended { node: 0, pid, exit, left: true })), [(0, Force::Ask)]);
    assert_eq!(signals(&world.wait(2 * SEC)), [(0, Force::Kill)]);
    assert_eq!(world.starts(0), 1);
    assert!(world.event(Event::Cleared { node: 0, pid }).contains(&Action::Spawn(0)));
}

#[test]
fn a_stop_asks_in_reverse_order_then_kills_and_quits_last() {
    let mut world = World::new(vec![plan(), plan(), plan()]);
    let actions = world.event(Event::Stop { code: 130 });
    assert_eq!(signals(&actions), [(2, Force::Ask), (1, Force::Ask), (0, Force::Ask)]);
    world.end(1, Exit::Signal(15));
    assert_eq!(signals(&world.wait(2 * SEC)), [(0, Force::Kill), (2, Force::Kill)]);
    assert_eq!(quits(&world.end(0, Exit::Signal(9))), None);
    assert_eq!(world.end(2, Exit::Signal(9)).last(), Some(&Action::Quit(130)));
}

#[test]
fn what_moves_is_asked_to_end_before_all_others() {
    let motor = Plan { motor: true, ..plan() };
    let mut world = World::new(vec![motor.clone(), plan(), motor, plan()]);
    let actions = world.event(Event::Stop { code: 130 });
    assert_eq!(signals(&actions), [(2, Force::Ask), (0, Force::Ask), (3, Force::Ask), (1, Force::Ask)]);
    world.wait(SAME_WISH);
    let actions = world.event(Event::Stop { code: 130 });
    assert_eq!(signals(&actions), [(2, Force::Kill), (0, Force::Kill), (3, Force::Kill), (1, Force::Kill)]);
}

#[test]
fn what_hangs_gets_a_short_grace_and_never_a_longer_one_than_its_own() {
    for (stop, grace) in [(2 * SEC, 500 * MS), (100 * MS, 100 * MS)] {
        let mut world = World::new(vec![Plan { beats: true, stop, ..plan() }]);
        world.event(Event::Beat { node: 0, incarnation: 1 });
        assert_eq!(signals(&world.wait(SEC)), [(0, Force::Ask)]);
        assert!(signals(&world.wait(grace - MS)).is_empty());
        let actions = world.wait(MS);
        assert_eq!(signals(&actions), [(0, Force::Kill)]);
        assert!(actions.contains(&Action::Report(0, Report::Killed { after: grace })));
    }
}

#[test]
fn every_end_is_put_down_to_its_cause() {
    let end = |world: &mut World, exit: Exit| {
        world.end(0, exit);
        let view = world.supervisor.view(world.now, 0).unwrap();
        (view.cause.unwrap(), view.last_end.unwrap())
    };
    let said = |cause, text: &str| (cause, text.to_owned());
    let new = |plan: Plan| World::new(vec![plan]);
    let beats = Plan { beats: true, ..plan() };
    assert_eq!(end(&mut new(plan()), Exit::Code(3)), said("exit_code", "exit code 3"));
    assert_eq!(end(&mut new(plan()), Exit::Signal(11)), said("signal", "SIGSEGV"));
    let hog = Exit::OutOfMemory(Some(64 << 20));
    assert_eq!(end(&mut new(plan()), hog.clone()), said("out_of_memory", "out of memory: its limit is 64 MiB"));
    let none = said("not_started", "failing to start: no such interpreter");
    assert_eq!(end(&mut new(plan()), Exit::NotStarted("no such interpreter".into())), none);

    let mut late = new(beats.clone());
    late.wait(10 * SEC);
    let text = "start-up deadline: it said nothing for 10.0s, stopped";
    assert_eq!(end(&mut late, Exit::Signal(15)), said("start_deadline", text));
    let mut hung = new(beats);
    hung.event(Event::Beat { node: 0, incarnation: 1 });
    hung.wait(2 * SEC);
    let text = "watchdog: its work loop was silent for 1.0s, killed";
    assert_eq!(end(&mut hung, Exit::Signal(9)), said("watchdog", text));

    let mut asked = new(plan());
    asked.event(Event::StopNode(0));
    assert_eq!(end(&mut asked, Exit::Signal(15)), said("asked", "as asked (SIGTERM)"));
    let mut hungry = new(plan());
    hungry.event(Event::RestartNode(0));
    assert_eq!(end(&mut hungry, hog).0, "out_of_memory");
}

#[test]
fn a_limit_of_processes_is_told_once_a_process() {
    let mut world = World::new(vec![Plan { pids: Some(8), ..plan() }]);
    let told = |actions: &[Action]| actions.contains(&Action::Report(0, Report::ForksRefused { most: Some(8) }));
    assert!(told(&world.event(Event::ForksRefused { node: 0, count: 3 })));
    assert!(!told(&world.event(Event::ForksRefused { node: 0, count: 9 })));
    let why = |world: &World| world.supervisor.view(world.now, 0).unwrap().why;
    assert_eq!(why(&world).unwrap(), "it met its limit of 8 processes: 9 forks were refused");
    world.end(0, Exit::Signal(9));
    assert_eq!(why(&world), None);
    assert!(told(&world.event(Event::ForksRefused { node: 0, count: 1 })));
}

#[test]
fn a_second_stop_kills_at_once_but_not_when_it_is_the_same_wish() {
    let mut world = World::new(vec![plan()]);
    world.event(Event::Stop { code: 130 });
    assert!(signals(&world.event(Event::Stop { code: 130 })).is_empty());
    world.wait(SAME_WISH);
    assert_eq!(signals(&world.event(Event::Stop { code: 130 })), [(0, Force::Kill)]);
}

#[test]
fn a_process_that_survives_kill_does_not_hold_up_the_end() {
    let mut world = World::new(vec![plan()]);
    world.event(Event::Stop { code: 143 });
    assert_eq!(quits(&world.wait(2 * SEC + LOST_AFTER)), Some(143));
}

#[test]
fn people_stop_start_and_restart_single_nodes() {
    let mut world = World::new(vec![plan(), plan()]);
    world.event(Event::StopNode(0));
    world.end(0, Exit::Signal(15));
    world.wait(60 * SEC);
    assert_eq!(world.state(0), "stopped");
    world.event(Event::StartNode(0));
    assert_eq!(world.state(0), "running");
    assert_eq!(signals(&world.event(Event::RestartNode(0))), [(0, Force::Ask)]);
    assert!(world.end(0, Exit::Signal(15)).contains(&Action::Spawn(0)));
    world.end(0, Exit::Code(78));
    world.event(Event::RestartNode(0));
    assert_eq!((world.state(0), world.starts(0)), ("running", 4));
}

#[test]
fn want_of_file_descriptors_is_no_fault_of_the_nodes() {
    let mut supervisor = Supervisor::new(vec![plan(), plan()], 7);
    supervisor.step(Duration::ZERO, Event::Begin);
    for count in 0..100 {
        let now = SCARCE * count;
        supervisor.step(now, Event::NotStarted { node: 0, why: "EMFILE".into(), scarce: true });
        assert_eq!(supervisor.view(now, 0).unwrap().state, "waiting");
        assert!(supervisor.step(now + SCARCE, Event::Tick).contains(&Action::Spawn(0)));
    }
}

fn reload(world: &mut World, changes: &[(Node, Change)]) -> Vec<Action> {
    world.event(Event::Reload(changes.to_vec()))
}

#[test]
fn a_changed_node_gets_a_new_process_and_nobody_else_does() {
    let mut world = World::new(vec![plan(), plan()]);
    let slow = Plan { stop: 3 * SEC, ..plan() };
    assert_eq!(signals(&reload(&mut world, &[(0, Change::Renew(slow))])), [(0, Force::Ask)]);
    assert!(signals(&world.wait(2999 * MS)).is_empty());
    assert!(world.end(0, Exit::Signal(15)).contains(&Action::Spawn(0)));
    assert_eq!((world.starts(0), world.starts(1)), (2, 1));
}

#[test]
fn a_node_that_is_treated_otherwise_keeps_its_process() {
    let mut world = World::new(vec![plan()]);
    world.wait(60 * SEC);
    let watched = Plan { watchdog: Watchdog::After(3 * SEC), ..plan() };
    assert!(reload(&mut world, &[(0, Change::Replan(watched))]).is_empty());
    // Its silence so far was nobody's business.
    assert!(signals(&world.wait(2999 * MS)).is_empty());
    assert_eq!(signals(&world.wait(MS)), [(0, Force::Ask)]);
}

#[test]
fn a_node_that_is_not_ready_yet_gets_its_new_time() {
    let mut world = World::new(vec![Plan { beats: true, ..plan() }]);
    reload(&mut world, &[(0, Change::Replan(Plan { beats: true, ready: 20 * SEC, ..plan() }))]);
    assert!(signals(&world.wait(19 * SEC)).is_empty());
    reload(&mut world, &[(0, Change::Replan(plan()))]);
    assert_eq!(world.state(0), "running");
}

#[test]
fn a_removed_node_is_stopped_and_never_seen_again() {
    let mut world = World::new(vec![plan(), plan(), Plan { after: vec![0], ..plan() }]);
    assert_eq!(signals(&reload(&mut world, &[(0, Change::Remove)])), [(0, Force::Ask)]);
    assert_eq!(world.supervisor.seat(0).unwrap().0, Seat::Leaving);
    for event in [Event::StartNode(0), Event::RestartNode(0), Event::Renew(0)] {
        assert!(world.event(event).is_empty());
    }
    assert_eq!(signals(&world.wait(2 * SEC)), [(0, Force::Kill)]);
    assert_eq!(world.end(0, Exit::Signal(9)), [Action::Report(0, Report::Removed)]);
    world.event(Event::StartNode(0));
    assert_eq!((world.supervisor.view(world.now, 0), world.starts(0)), (None, 1));
    // It does not keep the graph from ending either.
    world.end(1, Exit::Code(78));
    assert_eq!(quits(&world.end(2, Exit::Code(78))), Some(code::GAVE_UP));
}

#[test]
fn a_node_that_comes_back_waits_for_its_last_process() {
    let mut world = World::new(vec![plan(), Plan { beats: true, ..plan() }]);
    reload(&mut world, &[(0, Change::Remove)]);
    assert!(reload(&mut world, &[(0, Change::Add(Plan { after: vec![1], ..plan() }))]).is_empty());
    world.end(0, Exit::Signal(15));
    assert_eq!(world.state(0), "pending");
    world.event(Event::Beat { node: 1, incarnation: 1 });
    assert_eq!((world.state(0), world.starts(0)), ("running", 2));
}

#[test]
fn a_new_node_starts_when_those_before_it_are_ready() {
    let mut world = World::new(vec![Plan { beats: true, ..plan() }]);
    reload(&mut world, &[(1, Change::Add(Plan { after: vec![0], ..plan() }))]);
    assert_eq!(world.state(1), "pending");
    world.event(Event::Beat { node: 0, incarnation: 1 });
    assert_eq!(world.state(1), "running");
    // One whose dependency gets a new process waits for that one.
    let again = Plan { beats: true, ..plan() };
    reload(&mut world, &[(0, Change::Renew(again)), (2, Change::Add(Plan { after: vec![0], ..plan() }))]);
    world.end(0, Exit::Signal(15));
    assert_eq!(world.state(2), "pending");
    world.event(Event::Beat { node: 0, incarnation: 2 });
    assert_eq!(world.state(2), "running");
}

#[test]
fn an_edit_reaches_a_node_that_waits_or_was_given_up_but_not_one_that_a_person_stopped() {
    let never = Restart { when: RestartWhen::Never, ..Restart::default() };
    let mut world = World::new(vec![plan(), Plan { restart: never, ..plan() }, plan()]);
    world.end(0, Exit::Code(1));
    world.end(0, Exit::Code(1));
    world.end(1, Exit::Code(1));
    world.event(Event::StopNode(2));
    world.end(2, Exit::Signal(15));
    let states = |world: &World| [0, 1, 2].map(|node| world.state(node));
    assert_eq!(states(&world), ["waiting", "failed", "stopped"]);
    reload(&mut world, &[0, 1, 2].map(|node| (node, Change::Renew(plan()))));
    assert_eq!(states(&world), ["running", "running", "stopped"]);
    // A fresh budget: again it is started at once.
    assert!(world.end(0, Exit::Code(1)).contains(&Action::Spawn(0)));
}

#[test]
fn a_node_whose_words_changed_may_be_one_that_sends_no_heartbeats() {
    let mut world = World::new(vec![Plan { beats: true, ..plan() }]);
    world.event(Event::Beat { node: 0, incarnation: 1 });
    reload(&mut world, &[(0, Change::Renew(plan()))]);
    world.end(0, Exit::Signal(15));
    world.event(Event::Beat { node: 0, incarnation: 1 });
    assert!(signals(&world.wait(60 * SEC)).is_empty());
    assert_eq!(world.state(0), "running");
}

#[test]
fn nothing_is_changed_while_the_graph_ends() {
    let mut world = World::new(vec![plan()]);
    world.event(Event::Stop { code: 130 });
    let changes = [(0, Change::Renew(plan())), (1, Change::Add(plan()))];
    assert!(reload(&mut world, &changes).is_empty());
    assert_eq!(quits(&world.end(0, Exit::Signal(15))), Some(130));
}

/// How many places stories have: four nodes at first, and two that may be added.
const PLACES: usize = 6;

#[derive(Debug, Clone)]
enum Fate {
    End { node: Node, code: i32, left: bool },
    Die { node: Node, signal: i32 },
    Beat { node: Node, incarnation: u64 },
    Clear { node: Node },
    Wait { millis: u64 },
    Start(Node),
    Stop(Node),
    Restart(Node),
    Renew(Node),
    Reload(Vec<(Node, Change)>),
    StopAll,
}

fn fate() -> impl Strategy<Value = Fate> {
    let node = 0..PLACES;
    prop_oneof![
        4 => (node.clone(), prop_oneof![Just(0), Just(1), Just(78)], any::<bool>())
            .prop_map(|(node, code, left)| Fate::End { node, code, left }),
        4 => (node.clone(), prop_oneof![Just(9), Just(11)]).prop_map(|(node, signal)| Fate::Die { node, signal }),
        4 => (node.clone(), 1..4u64).prop_map(|(node, incarnation)| Fate::Beat { node, incarnation }),
        2 => node.clone().prop_map(|node| Fate::Clear { node }),
        8 => (1..3000u64).prop_map(|millis| Fate::Wait { millis }),
        1 => node.clone().prop_map(Fate::Start),
        1 => node.clone().prop_map(Fate::Stop),
        1 => node.clone().prop_map(Fate::Restart),
        1 => node.prop_map(Fate::Renew),
        3 => changes().prop_map(Fate::Reload),
        1 => Just(Fate::StopAll),
    ]
}

fn any_plan(index: usize) -> impl Strategy<Value = Plan> {
    let when = prop_oneof![Just(RestartWhen::Always), Just(RestartWhen::OnFailure), Just(RestartWhen::Never)];
    let watchdog = prop_oneof![Just(Watchdog::Default), Just(Watchdog::Off), Just(Watchdog::After(SEC))];
    // Delays so short that their bound is reached before the node is given up.
    let delays = (0..200u32, 1..4u32).prop_map(|(delay, times)| (delay * MS, delay * times * MS));
    (when, watchdog, any::<[bool; 4]>(), (1..20u32, delays)).prop_map(
        move |(when, watchdog, [required, beats, added, after], (max, (delay, delay_max)))| Plan {
            after: if after && index > 0 { vec![index - 1] } else { Vec::new() },
            required: required && index == 0,
            added: added && index == 3,
            beats,
            restart: Restart { when, max, delay, delay_max, ..Restart::default() },
            watchdog,
            ..plan()
        },
    )
}

fn change() -> impl Strategy<Value = (Node, Change)> {
    (0..PLACES).prop_flat_map(|node| {
        let change = prop_oneof![
            any_plan(node).prop_map(Change::Add),
            Just(Change::Remove),
            any_plan(node).prop_map(Change::Replan),
            any_plan(node).prop_map(Change::Renew),
        ];
        (Just(node), change)
    })
}

/// A graph says one thing of a node.
fn changes() -> impl Strategy<Value = Vec<(Node, Change)>> {
    prop::collection::vec(change(), 1..4).prop_map(|mut changes| {
        changes.sort_by_key(|(node, _)| *node);
        changes.dedup_by_key(|(node, _)| *node);
        changes
    })
}

fn plans() -> impl Strategy<Value = Vec<Plan>> {
    (any_plan(0), any_plan(1), any_plan(2), any_plan(3)).prop_map(|(a, b, c, d)| vec![a, b, c, d])
}

impl World {
    /// Lets it happen; `World::event` checks that no node ever gets a second process.
    fn happen(&mut self, fate: Fate) -> Vec<Action> {
        match fate {
            Fate::End { node, code, left: stays } => {
                let Some(pid) = self.alive.get(&node).copied().filter(|_| !self.left.contains_key(&node)) else {
                    return Vec::new();
                };
                if stays {
                    // Its children live on: to the world its place is still taken.
                    self.left.insert(node, pid);
                } else {
                    self.alive.remove(&node);
                }
                self.event(Event::Ended { node, pid, exit: Exit::Code(code), left: stays })
            }
            Fate::Die { node, signal } if self.alive.contains_key(&node) && !self.left.contains_key(&node) => {
                self.end(node, Exit::Signal(signal))
            }
            Fate::Clear { node } => {
                let Some(pid) = self.left.remove(&node) else { return Vec::new() };
                self.alive.remove(&node);
                self.event(Event::Cleared { node, pid })
            }
            Fate::Die { .. } => Vec::new(),
            Fate::Beat { node, incarnation } => self.event(Event::Beat { node, incarnation }),
            Fate::Wait { millis } => self.wait(Duration::from_millis(millis)),
            Fate::Start(node) => self.event(Event::StartNode(node)),
            Fate::Stop(node) => self.event(Event::StopNode(node)),
            Fate::Restart(node) => self.event(Event::RestartNode(node)),
            Fate::Renew(node) => self.event(Event::Renew(node)),
            Fate::Reload(changes) => {
                self.note_removed(&changes);
                self.event(Event::Reload(changes))
            }
            Fate::StopAll => self.event(Event::Stop { code: 130 }),
        }
    }
}

impl World {
    /// Keeps the books of who is in the graph, by what a reload says.
    fn note_removed(&mut self, changes: &[(Node, Change)]) {
        if self.supervisor.stopping.is_some() {
            return;
        }
        let mut places = self.supervisor.nodes.len();
        for (node, change) in changes {
            match change {
                Change::Add(_) if *node == places => places += 1,
                Change::Add(_) => {
                    self.removed.remove(node);
                }
                Change::Remove if *node < places => {
                    self.removed.insert(*node);
                }
                _ => {}
            }
        }
    }
}

proptest! {
    #[test]
    fn whatever_happens_the_promises_hold(plans in plans(), fates in prop::collection::vec(fate(), 0..120)) {
        let mut world = World::new(plans);
        world.mortal = true;
        for fate in fates {
            let crashed = match &fate { Fate::End { node, .. } | Fate::Die { node, .. } => Some(*node), _ => None };
            let stopped_before = world.supervisor.stopping.is_some();
            let before: Vec<_> = (0..world.supervisor.nodes.len()).map(|node| world.seen(node)).collect();
            let actions = world.happen(fate);
            if let Some(node) = crashed
                && !stopped_before
                && world.supervisor.stopping.is_none()
            {
                // A crash acts on nobody else.
                prop_assert!(signals(&actions).iter().all(|(target, _)| *target == node));
                for (other, before) in before.iter().enumerate().filter(|(other, _)| *other != node) {
                    // Only who waited for its good end begins.
                    prop_assert!(before.0 == "pending" || world.seen(other) == *before, "node {} was touched", other);
                }
            }
            for (node, it) in world.supervisor.nodes.iter().enumerate() {
                if let State::Waiting { until } = it.state {
                    prop_assert!(until <= world.now + it.plan.restart.delay_max);
                }
                prop_assert_eq!(it.pid(), world.alive.get(&node).copied());
                prop_assert!(it.ends.len() <= it.plan.restart.max as usize);
                let gone = world.removed.contains(&node) && !world.alive.contains_key(&node);
                prop_assert_eq!(world.supervisor.view(world.now, node).is_none(), gone);
            }
        }
        finish(world)?;
    }
}

/// After a stop every live node is asked, then killed; quitting comes once, last, with nothing alive.
fn finish(mut world: World) -> Result<(), TestCaseError> {
    if !world.supervisor.over {
        let alive = world.alive.clone();
        world.event(Event::Stop { code: 143 });
        let told = |world: &World, node: Node, pid: u32, how: &[Force]| {
            let is = |force: &Force| world.done.contains(&Action::Signal { node, pid, force: *force });
            how.iter().any(is)
        };
        for (node, pid) in &alive {
            prop_assert!(told(&world, *node, *pid, &[Force::Ask, Force::Kill]), "node {} was never asked", node);
        }
        world.wait(2 * SEC);
        for (node, pid) in &alive {
            prop_assert!(told(&world, *node, *pid, &[Force::Kill]), "node {} was never killed", node);
        }
    }
    prop_assert!(world.alive.is_empty());
    prop_assert!(matches!(world.done.last(), Some(Action::Quit(_))));
    prop_assert_eq!(world.done.iter().filter(|action| matches!(action, Action::Quit(_))).count(), 1);
    Ok(())
}
