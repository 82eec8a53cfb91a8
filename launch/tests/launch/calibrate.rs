//! Stories about `calibrate`, with a stand-in for the program that talks with the person: a shell script.
//! They never look into what is calibrated.

use std::{
    fs,
    io::Write,
    process::{Output, Stdio},
};

use rustix::process::Signal;

use crate::desk::{Desk, Launched, lives, until};

/// Asks one thing, answers with what the person wrote, or stays until it is asked to end.
const MOTOR: &str = r#"
case "$1" in
--describe)
    echo '{"about": "moves", "verbs": ["calibrate"], "params": {"properties": {"speed": {"type": "integer", "maximum": 9}}}}'
    exit 0;;
calibrate) ;;
*) exec sleep 1000;;
esac
trap 'echo neutral > last; exit 143' TERM
echo $$ >> motor.pids
echo "$LAUNCH_GRAPH $LAUNCH_NODE $LAUNCH_PARAMS" > told
[ "$LAUNCH_PARENT" = $PPID ] || { echo "LAUNCH_PARENT is $LAUNCH_PARENT, not $PPID" >&2; exit 9; }
echo "which?" >&2
read -r answer
[ "$answer" = stay ] && while :; do sleep 0.02; done
[ "$answer" = odd ] && echo nonsense && exit 0
[ "$answer" = quit ] && echo "quit: nothing was changed" >&2 && exit 1
echo "$answer"
"#;

const CAMERA: &str = r#"[ "$1" = --describe ] && echo '{"about": "sees"}' && exit 0; exec sleep 1000"#;

const FILE: &str = r#"# A robot.
[graph]
name = "robot"

[node.motor]
params = { rate = 50, pulse = { min = 1000, max = 2000 } } # found by hand

[node.camera]
"#;

fn desk() -> Desk {
    let desk = Desk::with_programs(&[("motor", MOTOR), ("camera", CAMERA)]);
    fs::write(desk.path("robot.toml"), FILE).unwrap();
    desk
}

/// The verb with a person who writes this.
fn answer(desk: &Desk, args: &[&str], lines: &str) -> Output {
    let mut child =
        desk.command(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Who needs no answer does not read it.
    drop(child.stdin.take().unwrap().write_all(lines.as_bytes()));
    child.wait_with_output().unwrap()
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

#[test]
fn what_came_of_the_talk_is_shown_asked_for_and_written() {
    let desk = desk();
    let out =
        answer(&desk, &["calibrate", "motor"], "{\"pulse\": {\"max\": 1900, \"min\": 1000}, \"left\": true}\ny\n");
    assert_eq!(out.status.code(), Some(0), "{}", text(out.stderr));
    let told = fs::read_to_string(desk.path("told")).unwrap();
    assert_eq!(told, "robot motor {\"pulse\":{\"max\":2000,\"min\":1000},\"rate\":50}\n");
    let new = "params = { rate = 50, pulse = { min = 1000, max = 1900 }, left = true } # found by hand";
    let old = "params = { rate = 50, pulse = { min = 1000, max = 2000 } } # found by hand";
    assert_eq!(text(out.stdout), format!("robot.toml:6\n- {old}\n+ {new}\n"));
    assert_eq!(text(out.stderr), "which?\nlaunch: write this to robot.toml? [y/N] launch: robot.toml is written\n");
    assert_eq!(fs::read_to_string(desk.path("robot.toml")).unwrap(), FILE.replace(old, new));
}

#[test]
fn without_a_yes_the_file_stays_as_it_was() {
    let desk = desk();
    for lines in ["{\"left\": true}\nn\n", "{\"left\": true}\n"] {
        let out = answer(&desk, &["calibrate", "motor", "--file", "robot.toml"], lines);
        let said = text(out.stderr);
        assert_eq!(out.status.code(), Some(1), "{said}");
        assert!(said.ends_with("launch: robot.toml is as it was\n"), "{said}");
    }
    for (lines, code, says) in [
        ("quit\n", 1, "which?\nquit: nothing was changed\n"),
        ("{}\n", 0, "which?\nlaunch: motor is as robot.toml has it: nothing to change\n"),
        ("{\"rate\": 50}\n", 0, "which?\nlaunch: motor is as robot.toml has it: nothing to change\n"),
    ] {
        let out = answer(&desk, &["calibrate", "motor", "--yes"], lines);
        assert_eq!((out.status.code(), text(out.stderr).as_str()), (Some(code), says));
    }
    let out = answer(&desk, &["calibrate", "motor", "--yes"], "odd\n");
    assert!(text(out.stderr).contains("bin/motor says what does not read as parameters"));
    assert_eq!(fs::read_to_string(desk.path("robot.toml")).unwrap(), FILE);
    let left: Vec<_> = fs::read_dir(desk.path("")).unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().starts_with('.')), "{left:?}");
}

#[test]
fn what_an_included_file_the_environment_or_the_command_line_gives_is_named() {
    let desk = desk();
    fs::write(desk.path("base.toml"), "[node.motor.params]\nslew = 1\n").unwrap();
    let file =
        FILE.replace("[graph]", "include = [\"base.toml\"]\n[graph]").replace("rate = 50", "rate = \"${RATE:-50}\"");
    fs::write(desk.path("robot.toml"), &file).unwrap();
    let args = ["calibrate", "motor", "--yes", "--file", "robot.toml", "--set", "node.motor.params.left=false"];
    let out = answer(&desk, &args, "{\"slew\": 2, \"rate\": \"60\", \"left\": true, \"right\": true}\n");
    assert_eq!(out.status.code(), Some(0));
    let said = text(out.stderr);
    for line in [
        "launch: by hand: slew = 2 belongs into base.toml\n",
        "launch: by hand: rate = \"60\" belongs into the environment, where ${…} of rate is filled from\n",
        "launch: by hand: left = true belongs into --set node.motor.params.left=false\n",
    ] {
        assert!(said.contains(line), "{said}");
    }
    assert_eq!(
        fs::read_to_string(desk.path("robot.toml")).unwrap(),
        file.replace("2000 } }", "2000 }, right = true }")
    );
    assert_eq!(fs::read_to_string(desk.path("base.toml")).unwrap(), "[node.motor.params]\nslew = 1\n");
}

#[test]
fn a_node_that_runs_is_not_calibrated() {
    let desk = desk();
    let _launched = desk.launch(&["robot.toml"]);
    desk.until_state("motor", "starting");
    let out = answer(&desk, &["calibrate", "motor"], "{\"left\": true}\ny\n");
    assert_eq!(out.status.code(), Some(1));
    let said = text(out.stderr);
    let wanted = "launch: motor of robot is starting: stop it first (launch stop robot:motor), and start it afterwards (launch start)\n";
    assert_eq!(said, wanted);
    assert!(desk.verb(&["stop", "motor"]).status.success());
    assert_eq!(answer(&desk, &["calibrate", "motor"], "{\"left\": true}\ny\n").status.code(), Some(0));
}

#[test]
fn who_ends_the_verb_ends_the_talk_and_nobody_is_left() {
    let desk = desk();
    for (round, (signal, code)) in
        [(Signal::INT, Some(143)), (Signal::TERM, Some(143)), (Signal::KILL, None)].into_iter().enumerate()
    {
        let (theirs, mut ours) = std::io::pipe().unwrap();
        let mut command = desk.command(&["calibrate", "motor"]);
        command.stdin(theirs);
        let mut verb = Launched::start(command);
        ours.write_all(b"stay\n").unwrap();
        let pid = desk.until_pids("motor.pids", round + 1)[round];
        verb.until_log("which?");
        verb.signal(signal);
        assert_eq!(verb.end(), code);
        if signal == Signal::KILL {
            // The stand-in is a shell, which cannot tie itself to its parent as a motor does.
            crate::desk::send(pid, Signal::KILL);
        } else {
            assert!(fs::remove_file(desk.path("last")).is_ok(), "it was not asked to end");
        }
        until("the program has ended", || !lives(pid));
    }
    assert_eq!(fs::read_to_string(desk.path("robot.toml")).unwrap(), FILE);
}

#[test]
fn what_cannot_be_calibrated_is_told() {
    let desk = desk();
    let refuses = |args: &[&str]| {
        let out = desk.verb(args);
        (out.status.code().unwrap(), text(out.stderr))
    };
    assert_eq!(
        refuses(&["calibrate", "camera", "--file", "robot.toml"]),
        (2, "launch: camera cannot be calibrated: camera knows no such verb; what can be: motor\n".into())
    );
    assert_eq!(
        refuses(&["calibrate", "moter", "--file", "robot.toml"]),
        (2, "launch: robot.toml has no node moter; did you mean motor?\n".into())
    );
    assert_eq!(
        refuses(&["calibrate", "arm"]),
        (
            2,
            "launch: no graph file in this folder has a node arm; say which: launch calibrate arm --file FILE\n".into()
        )
    );
    fs::copy(desk.path("robot.toml"), desk.path("other.toml")).unwrap();
    assert_eq!(
        refuses(&["calibrate", "motor"]),
        (2, "launch: other.toml and robot.toml have a node motor; say which: launch calibrate motor --file other.toml\n".into())
    );
    let (code, said) = refuses(&["calibrate", "motor", "--file", "none.toml"]);
    assert_eq!(code, 78);
    assert!(said.starts_with("launch: cannot read none.toml"), "{said}");
    // A value that the check refuses is not written.
    let out = answer(&desk, &["calibrate", "motor", "--yes", "--file", "robot.toml"], "{\"speed\": 10}\n");
    assert_eq!(out.status.code(), Some(1));
    let said = text(out.stderr);
    assert!(said.contains("launch: robot.toml would not be well with it; nothing was changed\n"), "{said}");
    assert!(said.contains("speed"), "{said}");
    assert_eq!(fs::read_to_string(desk.path("robot.toml")).unwrap(), FILE);
}
