//! Files that want to do harm: whatever they hold, the answer is mistakes, in bounded time and of bounded length.

use offboard::graph::{Override, check};
use proptest::prelude::*;

use crate::{
    same,
    world::{self, checked, draft, said},
};

/// A whole file with most of what the format has.
const WHOLE: &str = r#"
include = ["base.toml"]
[graph]
name = "robot"
listen = "127.0.0.1:7400"

[node.camera]
publish = { frames = "CompressedImage" }
params = { device = 0, size = [640, 480], rate = 30.5, encoding = "${ENCODING:-jpeg}" }
restart = { when = "always", delay = "100ms", max = 5 }

[node.motor]
run = ["motor"]
subscribe = { drive = { topic = "desktop:pilot/drive", keep = 3, timeout = "1s" } }
params = { deadman = "300ms", driver = 'virtual' }
after = ["camera"]
env = { A = """
b""" }

[peer.desktop]
address = "127.0.0.1:7401"
key = "ed25519:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
"#;

/// Reads and checks, alone and as a peer of a good file; whatever comes out may be drawn.
fn survive(text: &str) {
    let files = [("base.toml", "[node.gamepad]\n"), ("conf/base.toml", text)];
    let good =
        "[graph]\nname = \"desktop\"\n[node.viewer]\nsubscribe = { frames = \"robot:camera/frames\" }\n[peer.robot]\n";
    let drafts = vec![
        draft("robot.toml", text, &files, &["node.camera.params.rate=15"]),
        draft("desktop.toml", good, &[], &[]),
        draft("conf/robot.toml", text, &files, &[]),
    ];
    if let Err(mistakes) = check(drafts, &world::program) {
        let drawn = mistakes.render(true);
        assert!(mistakes.len() > 0 && drawn.len() < 1 << 20, "{} bytes", drawn.len());
        let foreign = |c: char| c.is_control() && c != '\n';
        assert!(!mistakes.to_string().contains(foreign), "{mistakes:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_text_is_survived(text in "\\PC*") {
        survive(&text);
    }

    #[test]
    fn random_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        survive(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn a_file_with_a_piece_cut_out_is_survived(start in 0..WHOLE.len(), length in 0..60usize, put in "[\\PC\n\"'\\[\\]{}=.$,]{0,6}") {
        let end = (start + length).min(WHOLE.len());
        survive(&format!("{}{put}{}", &WHOLE[..start], &WHOLE[end..]));
    }

    #[test]
    fn a_file_with_its_lines_mixed_is_survived(order in proptest::collection::vec(0..WHOLE.lines().count(), 0..30)) {
        let lines: Vec<&str> = WHOLE.lines().collect();
        survive(&order.into_iter().map(|line| lines[line]).collect::<Vec<_>>().join("\n"));
    }

    #[test]
    fn random_overrides_are_survived(text in "[a-z.=\"\\[\\]{}$ \n\u{1b}é0-9]{0,30}") {
        if let Ok(value) = Override::parse(&text) {
            let read = |_: &str| None;
            let source = offboard::graph::Source { path: "robot.toml".into(), text: WHOLE.to_owned() };
            let draft = offboard::graph::read(source, &[value], &read, &|_| Ok(String::new()));
            let _ = check(vec![draft], &world::program).map_err(|mistakes| mistakes.render(false));
        }
    }
}

#[test]
fn the_whole_file_is_good() {
    let files = [("base.toml", "[node.gamepad]\n")];
    check(vec![draft("robot.toml", WHOLE, &files, &["node.camera.params.rate=15"])], &world::program).unwrap();
}

#[test]
fn a_megabyte_of_anything_is_survived() {
    let pieces = [
        "[",
        "{",
        "[[",
        "\"",
        "'''",
        "=",
        ",",
        "\n",
        "a.",
        "a=1\n",
        "a={",
        "[a]\n",
        "[node.a]\n",
        "é",
        "\0",
        "${",
        "x = [[[[",
        "[node.a.b]\nx.y.z=1\n",
        "#",
        "a=${A}\n",
        "\u{1b}[31m",
    ];
    for piece in pieces {
        survive(&piece.repeat((1 << 20) / piece.len()));
        survive(&format!("{WHOLE}\n{}", piece.repeat(1000)));
    }
}

#[test]
fn many_nodes_with_many_mistakes_are_survived() {
    let nodes: String =
        (0..600).map(|n| format!("[node.n{n}]\nsubscribe = {{ a = \"n{n}x/y\" }}\nrate = 3\n")).collect();
    let text = format!("[graph]\nname = \"robot\"\n{nodes}");
    let mistakes = checked(&[("robot.toml", &text)]).unwrap_err();
    assert!(mistakes.len() > 1000, "{}", mistakes.len());
    let drawn = mistakes.to_string();
    assert_eq!(drawn.matches("error: ").count(), 100);
    assert!(drawn.ends_with(&format!("\n… and {} more mistakes\n", mistakes.len() - 100)), "{drawn}");
}

#[test]
fn a_name_of_half_a_megabyte_is_shown_in_short() {
    let name = "x".repeat(500_000);
    let drawn = said(&format!("[graph]\nname = \"{name}\"\n[node.{name}]\nrun = \"camera\""));
    assert!(drawn.len() < 4000, "{} bytes", drawn.len());
    let title = format!("error: `{}…` is no name of a node", "x".repeat(60));
    assert!(drawn.contains(&title), "{drawn}");
}

#[test]
fn a_file_of_more_than_a_megabyte_is_refused() {
    let text = format!("[graph]\nname = \"robot\"\n#{}", "x".repeat(1 << 20));
    same(&said(&text), "error: a graph file has at most 1048576 bytes\n--> robot.toml\n");
}

#[test]
fn a_small_file_cannot_fill_all_memory_from_the_environment() {
    let big = |_: &str| Some("x".repeat(50_000));
    let text = format!("[graph]\nname = \"robot\"\n[node.camera]\nenv = {{ {} }}", env_of("${A}"));
    let source = offboard::graph::Source { path: "robot.toml".into(), text };
    let draft = offboard::graph::read(source, &[], &big, &|_| Err(String::new()));
    let drawn = check(vec![draft], &world::program).unwrap_err().to_string();
    assert!(drawn.contains("error: more than 1048576 bytes are filled in from the environment"), "{drawn}");
}

fn env_of(value: &str) -> String {
    (0..100).map(|n| format!("V{n} = \"{value}\"")).collect::<Vec<_>>().join(", ")
}

#[test]
fn files_that_include_each_other_more_and_more_are_bounded() {
    let twice = |path: &std::path::Path| {
        let depth = path.components().count();
        Ok(format!("include = [\"a{depth}/x.toml\", \"b{depth}/x.toml\"]"))
    };
    let source = offboard::graph::Source { path: "x.toml".into(), text: twice("x.toml".as_ref()).unwrap() };
    let draft = offboard::graph::read(source, &[], &|_| None, &twice);
    let drawn = check(vec![draft], &world::program).unwrap_err().to_string();
    assert!(drawn.contains("error: files may include files 8 deep, not deeper"), "{drawn}");
    assert!(drawn.contains("error: more than 64 files are included"), "{drawn}");
}

#[test]
fn parameters_that_no_node_can_be_told_are_refused() {
    let graph =
        |params: &str| format!("[graph]\nname = \"robot\"\n[node.far]\nrun = \"python3\"\nparams = {{ {params} }}");
    let deep = format!("a = {}1{}", "[".repeat(70), "]".repeat(70));
    assert!(said(&graph(&deep)).starts_with("error: parameters may be nested 64 deep, not deeper\n"));
    let long = format!("a = \"{}\", b = \"{0}\"", "x".repeat(60_000));
    let drawn = said(&graph(&long));
    assert!(drawn.starts_with("error: the parameters of `far` are longer than a node can be told\n"), "{drawn}");
}

#[test]
fn colour_is_only_drawn_when_asked_for() {
    let text = "[graph]\nname = \"robot\"\n";
    let mistakes = checked(&[("robot.toml", text)]).unwrap_err();
    assert!(mistakes.render(true).contains("\u{1b}["));
    assert!(!mistakes.render(false).contains('\u{1b}'));
}

#[test]
fn what_a_terminal_would_obey_is_not_drawn() {
    let drawn = said("[graph]\nname = \"\u{1b}[31m\u{9b}31m\u{202e}\" # \u{9b}31m \u{202e}\n[node.camera]");
    assert!(!drawn.contains(['\u{1b}', '\u{9b}', '\u{202e}']), "{drawn:?}");
}
