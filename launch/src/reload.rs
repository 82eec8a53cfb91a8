//! What a changed graph file changes: a graph as it runs and as it is wanted in, what shall be done to each node out.
//! It never does it, and never reads a file.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use offboard::{
    graph::{Graph, Limits, LogLevel, LogSpec, NodeSpec},
    wiring::{LAUNCH, NodeWiring},
};

use crate::{
    control::ReloadView,
    supervisor::{Change, Node, Plan, Seat},
};

/// What the process of a node is told. When that changes, it needs another process.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Told {
    words: Vec<String>,
    dir: PathBuf,
    env: BTreeMap<String, String>,
    limits: Limits,
    level: Option<LogLevel>,
}

/// A node as a graph has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) name: String,
    told: Told,
    /// Where what it writes is kept; its level is what it is told.
    log: Option<LogSpec>,
}

/// A place of the running graph.
#[derive(Debug, Clone)]
pub(crate) struct Present<'a> {
    pub(crate) name: &'a str,
    pub(crate) seat: Seat,
    pub(crate) plan: &'a Plan,
}

/// What follows from a change.
#[derive(Debug, PartialEq)]
pub(crate) struct Diff {
    /// The places of the nodes, in the order of the new graph.
    pub(crate) seats: Vec<Node>,
    pub(crate) changes: Vec<(Node, Change)>,
    /// For people.
    pub(crate) view: ReloadView,
}

/// The nodes of a graph, those that launch adds included, as its wirings are.
pub(crate) fn known(graph: &Graph, wirings: &[NodeWiring]) -> Vec<Known> {
    wirings.iter().enumerate().map(|(node, wiring)| Known::new(graph.nodes.get(node), wiring, &graph.dir)).collect()
}

impl Known {
    fn new(spec: Option<&NodeSpec>, wiring: &NodeWiring, dir: &Path) -> Known {
        let own = spec.into_iter().flat_map(|spec| spec.env.clone());
        let told = Told {
            words: spec.map_or_else(|| vec![wiring.name.clone()], |spec| spec.run.clone()),
            dir: dir.to_owned(),
            env: own.chain(wiring.env()).collect(),
            limits: spec.map(|spec| spec.limits.clone()).unwrap_or_default(),
            level: spec.and_then(|spec| spec.log.level),
        };
        let log = spec.map(|spec| LogSpec { level: None, ..spec.log.clone() });
        Known { name: wiring.name.clone(), told, log }
    }
}

/// What turns the places of a running graph, whose file said `old`, into `new` with these `plans`, whose `after` name places in the
/// new graph. A node that stays keeps its place; a new one gets its own of earlier, else a free one, else the next.
pub(crate) fn compare(graph: &str, present: &[Present], old: &[Known], new: &[Known], plans: Vec<Plan>) -> Diff {
    let seats = seats(present, new);
    let mut view = ReloadView { graph: graph.to_owned(), ..ReloadView::default() };
    let mut changes = Vec::new();
    for (node, here) in present.iter().enumerate() {
        if matches!(here.seat, Seat::Taken { .. }) && !seats.contains(&node) {
            view.removed.push(here.name.to_owned());
            changes.push((node, Change::Remove));
        }
    }
    for ((known, mut plan), node) in new.iter().zip(plans).zip(seats.iter().copied()) {
        plan.after = plan.after.iter().filter_map(|place| seats.get(*place).copied()).collect();
        let name = known.name.clone();
        let here = present.get(node).and_then(|here| match here.seat {
            Seat::Taken { held } => Some((held, here.plan)),
            _ => None,
        });
        let before = old.iter().find(|old| old.name == name);
        let (list, change) = match (here, before) {
            (Some((held, _)), Some(before)) if before.told != known.told => {
                (if held { &mut view.changed } else { &mut view.restarted }, Change::Renew(plan))
            }
            (Some((_, now)), Some(before)) if *now == plan && before.log == known.log => {
                // launch's own node is none that people know of.
                view.untouched += usize::from(name != LAUNCH);
                continue;
            }
            (Some(_), Some(_)) => (&mut view.changed, Change::Replan(plan)),
            _ => (&mut view.started, Change::Add(plan)),
        };
        list.push(name);
        changes.push((node, change));
    }
    Diff { seats, changes, view }
}

fn seats(present: &[Present], new: &[Known]) -> Vec<Node> {
    let own = |known: &Known| {
        let is = |here: &Present| here.name == known.name;
        // A name may have been given to a second place only once its first one was free: who is there comes first.
        let rank = |node: &Node| match present.get(*node).map(|here| here.seat) {
            Some(Seat::Taken { .. }) => 0,
            Some(Seat::Leaving) => 1,
            _ => 2,
        };
        (0..present.len()).filter(|node| present.get(*node).is_some_and(is)).min_by_key(rank)
    };
    let mut seats: Vec<Option<Node>> = new.iter().map(own).collect();
    let mut free: Vec<Node> = (0..present.len())
        .filter(|node| present.get(*node).is_some_and(|here| here.seat == Seat::Free) && !seats.contains(&Some(*node)))
        .rev()
        .collect();
    let mut next = present.len();
    for seat in seats.iter_mut().filter(|seat| seat.is_none()) {
        *seat = free.pop().or_else(|| {
            next += 1;
            Some(next - 1)
        });
    }
    seats.into_iter().flatten().collect()
}

impl ReloadView {
    /// What was done, in one line.
    pub(crate) fn sentence(&self) -> String {
        let mut parts = Vec::new();
        let mut part = |verb: &str, names: &[String], after: &str| {
            if !names.is_empty() {
                parts.push(format!("{verb} {}{after}", names.join(", ")));
            }
        };
        part("restarted", &self.restarted, "");
        part("started", &self.started, "");
        part("removed", &self.removed, "");
        part("changed", &self.changed, " without a restart");
        if parts.is_empty() {
            return "nothing changed for any node".to_owned();
        }
        parts.push(format!("{} untouched", self.untouched));
        parts.join("; ")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use offboard::graph::{Restart, Watchdog};

    use super::*;

    const TAKEN: Seat = Seat::Taken { held: false };

    fn node(name: &str, param: &str) -> Known {
        let env = [("LAUNCH_PARAMS".to_owned(), param.to_owned())].into();
        let told = Told { words: vec![name.to_owned()], dir: "/".into(), env, limits: Limits::default(), level: None };
        Known { name: name.to_owned(), told, log: Some(LogSpec::default()) }
    }

    fn plan(after: &[Node]) -> Plan {
        Plan {
            after: after.to_vec(),
            required: false,
            added: false,
            beats: false,
            restart: Restart::default(),
            ready: Duration::from_secs(1),
            watchdog: Watchdog::Default,
            stop: Duration::from_secs(1),
            motor: false,
            pids: None,
        }
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn only_what_changed_is_touched() {
        let none = plan(&[]);
        let present = |name, seat| Present { name, seat, plan: &none };
        let here = [
            present("same", TAKEN),
            present("param", TAKEN),
            present("gone", TAKEN),
            present("held", Seat::Taken { held: true }),
            present("rules", TAKEN),
            present("file", TAKEN),
        ];
        let old: Vec<Known> = here.iter().map(|here| node(here.name, "1")).collect();
        let log = LogSpec { keep: 9, ..LogSpec::default() };
        // In another order, which is no change.
        let new = [
            node("param", "2"),
            node("new", "1"),
            node("same", "1"),
            node("rules", "1"),
            node("held", "2"),
            Known { log: Some(log), ..node("file", "1") },
        ];
        let mut plans = vec![none.clone(); 6];
        plans[1].after = vec![0];
        plans[3].required = true;
        let diff = compare("t", &here, &old, &new, plans.clone());
        assert_eq!(diff.seats, [1, 6, 0, 4, 3, 5]);
        let view = ReloadView {
            graph: "t".into(),
            restarted: names(&["param"]),
            started: names(&["new"]),
            removed: names(&["gone"]),
            changed: names(&["rules", "held", "file"]),
            untouched: 1,
        };
        let says =
            "restarted param; started new; removed gone; changed rules, held, file without a restart; 1 untouched";
        assert_eq!((view.sentence().as_str(), &diff.view), (says, &view));
        let expected = [
            (2, Change::Remove),
            (1, Change::Renew(none.clone())),
            (6, Change::Add(plan(&[1]))),
            (4, Change::Replan(plans[3].clone())),
            (3, Change::Renew(none.clone())),
            (5, Change::Replan(none.clone())),
        ];
        assert_eq!(diff.changes, expected);
    }

    #[test]
    fn the_same_graph_is_no_change() {
        let none = plan(&[]);
        let here = ["a", "b"].map(|name| Present { name, seat: TAKEN, plan: &none });
        let all = [node("a", "1"), node("b", "1")];
        let diff = compare("t", &here, &all, &all, vec![none.clone(); 2]);
        assert_eq!((diff.changes, diff.view.sentence().as_str()), (vec![], "nothing changed for any node"));
    }

    #[test]
    fn a_new_node_takes_its_own_place_of_earlier_or_a_free_one() {
        let none = plan(&[]);
        let present = |name, seat| Present { name, seat, plan: &none };
        let here =
            [present("a", Seat::Free), present("b", TAKEN), present("c", Seat::Leaving), present("d", Seat::Free)];
        let new = ["x", "d", "c", "b", "y"].map(|name| node(name, "1"));
        assert_eq!(seats(&here, &new), [0, 3, 2, 1, 4]);
    }

    #[test]
    fn what_a_process_is_told_is_its_words_wiring_parameters_and_environment() {
        let text = |more: &str| {
            let text = format!("[graph]\nname = \"t\"\n[node.a]\nrun = \"a\"\npublish = {{ x = \"Array\" }}\n{more}");
            let source = offboard::graph::Source { path: "t.toml".into(), text };
            let draft = offboard::graph::read(source, &[], &|_| None, &|_| Err(String::new()));
            let graphs = offboard::graph::check(vec![draft], &|_, _| offboard::graph::Program::Silent);
            let graph = graphs.unwrap().remove(0);
            let wirings = offboard::wiring::wire(&graph, &offboard::wiring::RunDir::at("/r".into()), 0);
            known(&graph, &wirings).remove(0)
        };
        let before = text("");
        let listener = "[node.b]\nrun = \"b\"\nsubscribe = { x = \"a/x\" }";
        for told in ["params = { rate = 3 }", "env = { A = \"1\" }", listener] {
            assert_ne!(text(told).told, before.told, "{told}");
        }
        for untold in ["restart = \"never\"", "stop = \"9s\"", "required = true", "[node.b]\nrun = \"b\""] {
            assert_eq!(text(untold), before, "{untold}");
        }
    }
}
