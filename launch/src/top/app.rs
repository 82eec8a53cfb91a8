//! What the screen shows and what keys do to it: a pure state.
//! It never draws and never asks a graph itself.

use std::{collections::VecDeque, time::Duration};

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::{
    model::{NodeRow, Report},
    tables::{self, Table},
};
use crate::{control::Request, supervisor::code};

/// What Ctrl-C ends with: 128 and the number of SIGINT.
const INTERRUPTED: u8 = code::SIGNAL + 2;

/// How many events are kept.
const EVENTS_MAX: usize = 500;

/// How far a page key goes.
const PAGE: usize = 10;

/// What the table shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Tab {
    #[default]
    Nodes,
    Topics,
    Paths,
    Links,
    Events,
}

/// All tabs, in their order.
pub(crate) const TABS: [(Tab, &str); 5] = [
    (Tab::Nodes, "Nodes"),
    (Tab::Topics, "Topics"),
    (Tab::Paths, "Paths"),
    (Tab::Links, "Links"),
    (Tab::Events, "Events"),
];

/// What a key asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wish {
    /// The end, with this exit code.
    Quit(u8),
    /// Something of a graph.
    Ask { graph: String, request: Request },
}

/// A question that a key answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Question {
    pub(crate) text: String,
    graph: String,
    request: Request,
}

/// The screen's state.
#[derive(Debug, Default)]
pub(crate) struct App {
    pub(crate) report: Report,
    /// When, on the watcher's clock, and what; the newest first.
    events: VecDeque<(Duration, String)>,
    pub(crate) tab: Tab,
    /// The selected row of each tab.
    selected: [usize; TABS.len()],
    pub(crate) paused: bool,
    pub(crate) help: bool,
    pub(crate) question: Option<Question>,
    /// How the last wish went.
    pub(crate) note: Option<String>,
    pub(crate) every: Duration,
    now: Duration,
}

impl App {
    pub(crate) fn new(every: Duration) -> App {
        App { every, ..App::default() }
    }

    /// There are new figures, and this happened.
    pub(crate) fn see(&mut self, at: Duration, report: Report, happened: Vec<String>) {
        happened.into_iter().for_each(|what| self.events.push_front((at, what)));
        self.events.truncate(EVENTS_MAX);
        if self.paused {
            return;
        }
        let selected = self.selected_node().map(|node| (node.graph.clone(), node.node.clone()));
        (self.report, self.now) = (report, at);
        // The same node stays selected, wherever its row is now.
        let same =
            |node: &NodeRow| selected.as_ref().is_some_and(|(graph, name)| node.graph == *graph && node.node == *name);
        if let Some(place) = self.report.nodes.iter().position(same) {
            self.selected[Tab::Nodes as usize] = place;
        }
        for (tab, _) in TABS {
            self.selected[tab as usize] = self.selected[tab as usize].min(self.rows(tab).saturating_sub(1));
        }
    }

    /// A key was pressed.
    pub(crate) fn key(&mut self, key: KeyEvent) -> Option<Wish> {
        if key.kind == KeyEventKind::Release {
            return None;
        }
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return matches!(key.code, KeyCode::Char('c')).then_some(Wish::Quit(INTERRUPTED));
        }
        if let Some(question) = self.question.take() {
            let yes = matches!(key.code, KeyCode::Char('y' | 'Y') | KeyCode::Enter);
            return yes.then_some(Wish::Ask { graph: question.graph, request: question.request });
        }
        self.note = None;
        if self.help {
            self.help = false;
            return None;
        }
        match key.code {
            KeyCode::Char('q') | KeyCode::Esc => return Some(Wish::Quit(code::OK)),
            KeyCode::Tab | KeyCode::Right => self.turn(1),
            KeyCode::BackTab | KeyCode::Left => self.turn(TABS.len() - 1),
            KeyCode::Char(digit @ '1'..='5') => self.tab = TABS[digit as usize - '1' as usize].0,
            KeyCode::Down | KeyCode::Char('j') => self.go(|place| place.saturating_add(1)),
            KeyCode::Up | KeyCode::Char('k') => self.go(|place| place.saturating_sub(1)),
            KeyCode::PageDown => self.go(|place| place.saturating_add(PAGE)),
            KeyCode::PageUp => self.go(|place| place.saturating_sub(PAGE)),
            KeyCode::Home => self.go(|_| 0),
            KeyCode::End => self.go(|_| usize::MAX),
            KeyCode::Char('p' | ' ') => self.paused = !self.paused,
            KeyCode::Char('?' | 'h') => self.help = true,
            KeyCode::Char('r') => self.wonder("restart", |node| Request::Restart { node }),
            KeyCode::Char('s') => self.start_or_stop(),
            _ => {}
        }
        None
    }

    /// The table of the chosen tab.
    pub(crate) fn table(&self) -> Table {
        let report = &self.report;
        match self.tab {
            Tab::Nodes => tables::nodes(&report.nodes),
            Tab::Topics => tables::topics(&report.topics),
            Tab::Paths => tables::paths(&report.paths),
            Tab::Links => tables::links(&report.links),
            Tab::Events => {
                let ago = |at: Duration| self.now.saturating_sub(at);
                tables::events(self.events.iter().map(|(at, what)| (ago(*at), what.as_str())))
            }
        }
    }

    /// The selected row of the chosen tab.
    pub(crate) fn row(&self) -> usize {
        self.selected[self.tab as usize]
    }

    /// The node that is selected.
    pub(crate) fn selected_node(&self) -> Option<&NodeRow> {
        self.report.nodes.get(self.selected[Tab::Nodes as usize])
    }

    fn rows(&self, tab: Tab) -> usize {
        let report = &self.report;
        match tab {
            Tab::Nodes => report.nodes.len(),
            Tab::Topics => report.topics.len(),
            Tab::Paths => report.paths.iter().map(|path| 1 + path.hops.len()).sum(),
            Tab::Links => report.links.len(),
            Tab::Events => self.events.len(),
        }
    }

    fn turn(&mut self, by: usize) {
        self.tab = TABS[(self.tab as usize + by) % TABS.len()].0;
    }

    fn go(&mut self, to: impl Fn(usize) -> usize) {
        let last = self.rows(self.tab).saturating_sub(1);
        let place = &mut self.selected[self.tab as usize];
        *place = to(*place).min(last);
    }

    /// Nothing is done to a running node by one key alone: the robot may be driving.
    fn wonder(&mut self, verb: &str, request: impl Fn(String) -> Request) {
        if self.tab != Tab::Nodes {
            self.note = Some("select a node first: 1 shows them".to_owned());
            return;
        }
        let Some(node) = self.selected_node() else { return };
        let text = format!("{verb} {}:{}? y/n", node.graph, node.node);
        self.question = Some(Question { text, graph: node.graph.clone(), request: request(node.node.clone()) });
    }

    fn start_or_stop(&mut self) {
        match self.selected_node().map(|node| node.state.as_str()) {
            Some("stopped" | "done" | "failed") => self.wonder("start", |node| Request::Start { node }),
            _ => self.wonder("stop", |node| Request::Stop { node: Some(node) }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::top::{model::report, sample::Sample, samples::node};

    fn seen(names: &[&str]) -> Report {
        let nodes = names.iter().map(|name| node("robot", name).view()).collect();
        report(None, &Sample { nodes, ..Sample::default() })
    }

    fn app(names: &[&str]) -> App {
        let mut app = App::new(Duration::from_secs(1));
        app.see(Duration::ZERO, seen(names), Vec::new());
        app
    }

    fn press(app: &mut App, keys: &str) -> Option<Wish> {
        keys.chars().map(|key| app.key(KeyCode::Char(key).into())).last().flatten()
    }

    #[test]
    fn q_and_ctrl_c_end_it() {
        let mut app = app(&["a"]);
        assert_eq!(press(&mut app, "q"), Some(Wish::Quit(0)));
        assert_eq!(app.key(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL)), Some(Wish::Quit(130)));
        assert_eq!(app.key(KeyEvent::new(KeyCode::Char('r'), KeyModifiers::CONTROL)), None);
        assert_eq!(app.question, None);
    }

    #[test]
    fn a_node_is_restarted_only_after_a_yes() {
        let mut app = app(&["a", "b"]);
        assert_eq!(press(&mut app, "jr"), None);
        assert_eq!(app.question.as_ref().unwrap().text, "restart robot:b? y/n");
        let ask = |request| Some(Wish::Ask { graph: "robot".into(), request });
        assert_eq!(press(&mut app, "y"), ask(Request::Restart { node: "b".into() }));
        assert_eq!(press(&mut app, "rn"), None);
        assert_eq!(press(&mut app, "sy"), ask(Request::Stop { node: Some("b".into()) }));
        app.report.nodes[1].state = "stopped".into();
        assert_eq!(press(&mut app, "sy"), ask(Request::Start { node: "b".into() }));
        // Elsewhere no node is selected.
        assert_eq!(press(&mut app, "2ry"), None);
    }

    #[test]
    fn the_selected_node_stays_selected_when_others_come_and_go() {
        let mut app = app(&["a", "b", "c"]);
        press(&mut app, "jj");
        app.see(Duration::ZERO, seen(&["x", "a", "b", "c"]), Vec::new());
        assert_eq!(app.selected_node().unwrap().node, "c");
        app.see(Duration::ZERO, seen(&["a"]), Vec::new());
        assert_eq!(app.selected_node().unwrap().node, "a");
        app.see(Duration::ZERO, Report::default(), Vec::new());
        assert_eq!(press(&mut app, "jkrs"), None);
        assert_eq!((app.selected_node(), app.question.as_ref()), (None, None));
        app.key(KeyCode::End.into());
    }

    #[test]
    fn a_pause_holds_the_figures_and_keeps_the_events() {
        let mut app = app(&["a"]);
        press(&mut app, "p");
        app.see(Duration::from_secs(9), seen(&["a", "b"]), vec!["robot:b runs".into()]);
        assert_eq!(app.report.nodes.len(), 1);
        press(&mut app, "5p");
        app.see(Duration::from_secs(10), seen(&["a", "b"]), vec!["more".into()]);
        let rows: Vec<Vec<String>> = app.table().rows.into_iter().map(|row| row.cells).collect();
        assert_eq!(rows, [["0ms", "more"], ["1.0s", "robot:b runs"]]);
    }

    #[test]
    fn tabs_go_round() {
        let mut app = app(&["a"]);
        app.key(KeyCode::BackTab.into());
        assert_eq!(app.tab, Tab::Events);
        app.key(KeyCode::Tab.into());
        assert_eq!((app.tab, press(&mut app, "3")), (Tab::Nodes, None));
        assert_eq!(app.tab, Tab::Paths);
    }
}
