//! What the screen looks like, character for character.

use std::time::Duration;

use ratatui::{Terminal, backend::TestBackend, crossterm::event::KeyCode};

use super::*;
use crate::top::{
    model::{Report, report},
    sample::Sample,
    samples::{listened, node, topic},
};

fn seen(budget_ms: u64) -> Report {
    let camera = node("robot", "camera").says("camera/frames", 9, 9).from("robot:camera/frames", 1, 1);
    let motor = node("robot", "motor").hears("drive", "camera/frames", 9, 9).from("robot:camera/frames", 15, 2);
    let arm = node("robot", "arm").being(|node| {
        (node.state, node.pid, node.why) = ("failed".into(), None, Some("it ended 5 times\u{1b}[2J".into()));
        (node.restarts, node.uptime_s, node.last_end) = (5, None, Some("exit code 3".into()));
    });
    let frames = topic("robot", "camera/frames", "offboard.v1.CompressedImage");
    let topics = vec![listened(frames, "motor", "drive", Some(budget_ms))];
    let nodes = vec![camera.view(), motor.view(), arm.view()];
    report(None, &Sample { nodes, topics, ..Sample::default() })
}

fn app(keys: &str) -> App {
    let mut app = App::new(Duration::from_secs(1));
    app.see(Duration::ZERO, seen(20), Vec::new());
    keys.chars().for_each(|key| drop(app.key(KeyCode::Char(key).into())));
    app
}

fn drawn(app: &App, width: u16, height: u16) -> Terminal<TestBackend> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, app, true)).unwrap();
    terminal
}

/// The screen's lines, without the blanks at their ends.
fn lines(app: &App, width: u16, height: u16) -> Vec<String> {
    let terminal = drawn(app, width, height);
    let buffer = terminal.backend().buffer();
    let line = |y: u16| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>().trim_end().to_owned();
    (0..height).map(line).collect()
}

#[test]
fn nodes_are_drawn_with_what_is_to_say_of_the_selected_one() {
    assert_eq!(
        lines(&app("jj"), 76, 16),
        [
            " 1 Nodes  2 Topics  3 Paths  4 Links  5 Events                    every 1.0s",
            "",
            "GRAPH  NODE    STATE   PID  RESTARTS  UPTIME  CPU  MEM  LAST END",
            "robot  camera  ready   100         0   1m 0s    -    -  -",
            "robot  motor   ready   100         0   1m 0s    -    -  -",
            "robot  arm     failed    -         5       -    -    -  exit code 3",
            "",
            "",
            "",
            "",
            "",
            "",
            "robot:arm",
            "  reason    it ended 5 times\\u{1b}[2J",
            "  last end  exit code 3",
            "q quit   ? help   tab next   ↑↓ select   r restart   s stop/start   p pause",
        ]
    );
}

#[test]
fn a_path_over_its_budget_is_red_with_its_hops_under_it() {
    let app = app("3");
    assert_eq!(
        lines(&app, 80, 8),
        [
            " 1 Nodes  2 Topics  3 Paths  4 Links  5 Events                        every 1.0s",
            "PATH                                           P50      P99  BUDGET",
            "robot:camera/frames → robot:motor (drive)  15.0 ms  30.0 ms  20.0 ms, over",
            "  publish   robot:camera                   1.00 ms  2.00 ms",
            "  transit   robot:camera → robot:motor     2.00 ms  4.00 ms",
            "",
            "",
            "q quit   ? help   tab next   ↑↓ select   r restart   s stop/start   p pause",
        ]
    );
    let terminal = drawn(&app, 80, 8);
    assert_eq!(terminal.backend().buffer()[(0, 2)].fg, Color::Red);
    assert_eq!(terminal.backend().buffer()[(0, 3)].fg, Color::Reset);
}

#[test]
fn a_topic_is_shown_with_its_listeners() {
    let lines = lines(&app("2"), 130, 16);
    assert_eq!(
        lines[3],
        "robot  camera/frames  CompressedImage  camera             1   -     -          -  15.0 ms  30.0 ms     0  0"
    );
    assert_eq!(lines[13], "robot:camera/frames  offboard.v1.CompressedImage");
    assert_eq!(lines[14], "  → motor.drive  keep 1, -, age 15.0 ms / 30.0 ms, gaps 0, drops 0, budget 20.0 ms");
}

#[test]
fn a_narrow_terminal_keeps_what_matters_and_a_tiny_one_does_no_harm() {
    assert_eq!(
        lines(&app(""), 30, 6),
        [
            " 1 Nodes  2 Topics  3 Paths  4",
            "NODE    STATE   CPU  MEM",
            "camera  ready     -    -",
            "motor   ready     -    -",
            "arm     failed    -    -",
            "q quit   ? help   tab next   ↑",
        ]
    );
    for keys in ["", "?", "2", "3", "4", "5", "r"] {
        for (width, height) in [(1, 1), (2, 3), (10, 2), (500, 4), (7, 60)] {
            drawn(&app(keys), width, height);
        }
    }
}

#[test]
fn a_question_a_trouble_and_nothing_are_said() {
    assert_eq!(lines(&app("r"), 40, 5)[4], "restart robot:camera? y/n");
    let mut silent = app("");
    silent.report.troubles = vec!["desk does not answer".into()];
    assert_eq!(lines(&silent, 40, 7)[5], "desk does not answer");
    assert_eq!(lines(&App::default(), 60, 5)[1], "no graph is running; start one with `launch FILE.toml`");
    assert_eq!(lines(&app("5"), 60, 5)[1], "nothing has happened since this began");
    assert!(lines(&app("?"), 80, 24).iter().any(|line| line.contains("restart the selected node")));
}
