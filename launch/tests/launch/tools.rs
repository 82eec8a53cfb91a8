//! The verbs that need no running graph: what they print is true.

use std::{fs, process::Command};

use serde_json::Value;

use crate::desk::{Desk, Launched, until};

fn lines(text: &[u8]) -> Vec<Value> {
    String::from_utf8_lossy(text).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_machine_reads_what_is_well_and_what_is_not() {
    let desk = Desk::new();
    let good = desk.graph("good", &[("a", "true", "")]);
    let out = desk.verb(&["check", "--json", good.to_str().unwrap()]);
    assert_eq!(out.status.code(), Some(0));
    let [graph] = &lines(&out.stdout)[..] else { panic!("{out:?}") };
    assert_eq!((&graph["graph"], &graph["nodes"], &graph["edges"]), (&"good".into(), &1.into(), &0.into()));

    let bad = desk.path("bad.toml");
    fs::write(&bad, "[graph]\nname = \"bad\"\n[node.a]\nrun = \"sh\"\nrestrat = \"never\"\n").unwrap();
    let out = desk.verb(&["check", "--json", bad.to_str().unwrap()]);
    assert_eq!(out.status.code(), Some(78));
    let [mistake] = &lines(&out.stdout)[..] else { panic!("{out:?}") };
    assert_eq!((&mistake["line"], &mistake["column"]), (&5.into(), &1.into()));
    assert!(mistake["help"].to_string().contains("restart"), "{mistake}");

    let out = desk.verb(&["graph", "--format", "json", good.to_str().unwrap()]);
    assert_eq!(lines(&out.stdout)[0]["nodes"][0]["name"], "a");
}

/// What the schema lets a table of a node file say.
fn keys(schema: &Value, pointer: &str) -> Vec<String> {
    let keys = schema.pointer(pointer).and_then(Value::as_object);
    keys.unwrap_or_else(|| panic!("{pointer} is no table")).keys().cloned().collect()
}

#[test]
fn the_schema_and_the_check_know_the_same_words() {
    let desk = Desk::new();
    let out = desk.verb(&["schema"]);
    let schema: Value = serde_json::from_slice(&out.stdout).unwrap();
    let path = desk.path("words.toml");
    // A table of each kind with one word that nobody knows, and with all words of the schema, their values all wrong.
    let tables = [
        ("", "/properties", ""),
        ("[graph]", "/properties/graph/properties", "name = \"g\""),
        ("[node.a]", "/$defs/node/properties", "run = \"sh\""),
        ("[node.a.restart]", "/$defs/node/properties/restart/anyOf/1/properties", ""),
        ("[node.a.limits]", "/$defs/node/properties/limits/properties", ""),
        ("[node.a.log]", "/$defs/node/properties/log/anyOf/2/properties", ""),
        ("[node.a.subscribe.x]", "/$defs/subscription/anyOf/1/properties", "topic = \"a/b\""),
        ("[peer.p]", "/$defs/peer/properties", ""),
    ];
    for (table, pointer, fixed) in tables {
        let mut text = String::new();
        let words = keys(&schema, pointer);
        let own = |word: &&String| !fixed.starts_with(word.as_str());
        let free: String = words.iter().filter(own).map(|word| format!("{word} = 1979-05-27\n")).collect();
        text +=
            &if table.is_empty() { format!("{free}zzz = 1\n") } else { format!("{table}\n{fixed}\n{free}zzz = 1\n") };
        fs::write(&path, &text).unwrap();
        let out = desk.verb(&["check", "--json", path.to_str().unwrap()]);
        let said: Vec<String> = lines(&out.stdout).iter().map(|mistake| mistake["mistake"].to_string()).collect();
        let unknown: Vec<&String> =
            said.iter().filter(|said| said.contains("no key") || said.contains("zzz")).collect();
        assert!(
            matches!(unknown[..], [one] if one.contains("zzz")),
            "{table}: the check does not know all of {words:?}: {said:?}"
        );
        // The other way round: what the check offers instead is all in the schema.
        let offered = lines(&out.stdout).iter().find(|mistake| mistake["mistake"].to_string().contains("zzz")).cloned();
        let help = offered.unwrap()["help"][0].as_str().unwrap().to_owned();
        for word in help.split('`').skip(1).step_by(2) {
            assert!(words.iter().any(|known| known == word), "{table}: the schema does not know {word}: {help}");
        }
        assert_eq!(help.matches('`').count(), 2 * words.len(), "{table}: {help} against {words:?}");
    }
}

#[test]
fn the_schema_fits_our_own_graph_files() {
    let desk = Desk::new();
    let python = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/venv/bin/python");
    if !Command::new(python).args(["-c", "import jsonschema, tomllib"]).status().is_ok_and(|status| status.success()) {
        println!("skipped: {python} has no jsonschema");
        return;
    }
    fs::write(desk.path("schema.json"), desk.verb(&["schema"]).stdout).unwrap();
    let script = "
import json, pathlib, sys, tomllib, jsonschema
schema = json.load(open(sys.argv[1]))
jsonschema.Draft7Validator.check_schema(schema)
validator = jsonschema.Draft7Validator(schema)
graphs = {path: tomllib.loads(path.read_text()) for path in pathlib.Path(sys.argv[2]).rglob('*.toml')}
graphs = {path: graph for path, graph in graphs.items() if 'graph' in graph or 'include' in graph}
assert len(graphs) >= 4, graphs
for path, graph in graphs.items():
    errors = [error.message for error in validator.iter_errors(graph)]
    assert not errors, (path, errors)
camera = lambda node: validator.is_valid({'graph': {'name': 'g'}, 'node': {'camera': node}})
assert camera({}) and camera({'params': {'rate': 15}})
assert not camera({'params': {'rtae': 15}}), 'a slip in a parameter'
assert not camera({'restrat': 'never'}), 'a slip in a key'
assert not camera({'stop': '3'}), 'a duration without a unit'
assert camera({'run': 'python3 x.py', 'params': {'anything': 1}}), 'a foreign camera'
assert not camera({'run': 'motor', 'params': {'rate': 15, 'baud': 'x'}}), 'a motor called camera'
";
    let out = Command::new(python)
        .args(["-c", script, desk.path("schema.json").to_str().unwrap()])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../graph/examples"))
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
}

/// A program whose `device` is no camera.
const PAD: &str = r#"echo '{"about": "reads", "params": {"properties": {"device": {}}}}'"#;

/// A program whose `device` is one.
const EYE: &str = r#"echo '{"about": "sees", "params": {"properties": {"device": {"x-device": "video"}}}}'"#;

/// A program that says which of its parameters are devices.
const BOARD: &str = r#"echo '{"about": "moves", "params": {"properties": {
    "driver": {"type": "string"},
    "bus": {"type": "string", "x-device": "i2c", "x-when": {"driver": [null, "pca9685"]}},
    "pwm": {"type": "array", "x-device": "pwm"},
    "line": {"type": "string", "x-device": "gpio"},
    "interface": {"type": "string", "x-device": "can"}}}}'"#;

#[test]
fn the_doctor_says_what_will_not_work_and_how_to_mend_it() {
    let desk = Desk::new();
    let well = desk.verb(&["doctor", "--json"]);
    let findings = lines(&well.stdout);
    let of =
        |what: &str| findings.iter().find(|finding| finding["what"] == what).unwrap_or_else(|| panic!("no {what}"));
    // Devices of this machine may be another user's: each is told one way or another.
    let devices = ["camera", "gamepad", "serial port", "i2c bus", "gpio chip", "pwm chip", "can interface"];
    for what in ["runtime folder", "open files", "memory", "clock", "containment"].iter().chain(&devices) {
        let mut states = vec!["ok", "note", "warn"];
        // Buses and chips are part of any computer: without a graph that names them, none is a fault.
        states.extend(["camera", "gamepad", "serial port"].contains(what).then_some("bad"));
        assert!(states.contains(&of(what)["state"].as_str().unwrap()), "{}", of(what));
    }
    // Everything that is not well says what to do.
    for finding in findings.iter().filter(|finding| ["warn", "bad"].contains(&finding["state"].as_str().unwrap())) {
        assert!(finding["do"].is_string(), "{finding}");
    }

    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let graph = desk.path("far.toml");
    let listen = taken.local_addr().unwrap();
    fs::write(&graph, format!("[graph]\nname = \"far\"\nlisten = \"{listen}\"\n[node.a]\nrun = \"sh\"\n")).unwrap();
    let out = desk.verb(&["doctor", graph.to_str().unwrap()]);
    assert_eq!(out.status.code(), Some(1));
    let text = String::from_utf8_lossy(&out.stdout);
    assert!(text.contains(&format!("BAD   far port        {listen} is taken by another program")), "{text}");

    let camera = "[graph]\nname = \"far\"\n[node.eye]\nrun = \"sh\"\nparams = { device = \"/dev/video-none\" }\n";
    fs::write(&graph, camera).unwrap();
    let out = desk.verb(&["doctor", graph.to_str().unwrap()]);
    assert_eq!(out.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&out.stdout).contains("/dev/video-none is not there"), "{out:?}");

    let desk = Desk::with_programs(&[("board", BOARD)]);
    let graph = desk.path("far.toml");
    for (params, says) in [
        ("bus = \"/dev/i2c-none\"", "BAD   far a           /dev/i2c-none is not there"),
        ("pwm = [\"pwmchip-none/0\"]", "BAD   far a           pwmchip-none is not there"),
        ("line = \"gpiochip-none/3\"", "BAD   far a           /dev/gpiochip-none is not there"),
        ("interface = \"can-none\"", "BAD   far a           can-none is not there"),
    ] {
        fs::write(&graph, format!("[graph]\nname = \"far\"\n[node.a]\nrun = \"board\"\nparams = {{ {params} }}\n"))
            .unwrap();
        let out = desk.verb(&["doctor", graph.to_str().unwrap()]);
        assert!(String::from_utf8_lossy(&out.stdout).contains(says), "{out:?}");
    }
    // A number is a camera's only where the program says that it is one.
    let desk = Desk::with_programs(&[("board", BOARD), ("pad", PAD), ("eye", EYE)]);
    let graph = desk.path("far.toml");
    for (run, device, found) in [("pad", "4000000", false), ("eye", "4000000", true), ("eye", "\"pattern\"", false)] {
        let text = format!("[graph]\nname = \"far\"\n[node.a]\nrun = \"{run}\"\nparams = {{ device = {device} }}\n");
        fs::write(&graph, text).unwrap();
        let out = desk.verb(&["doctor", "--json", graph.to_str().unwrap()]);
        let said: Vec<String> =
            lines(&out.stdout).iter().filter(|it| it["what"] == "far a").map(|it| it["found"].to_string()).collect();
        assert!(lines(&out.stdout).iter().any(|it| it["what"] == "far" && it["state"] == "ok"), "{out:?}");
        let missing = if found { vec!["\"/dev/video4000000 is not there\"".to_owned()] } else { Vec::new() };
        assert_eq!(said, missing, "{run} {device}");
    }
    // What is not used in this way may be missing.
    let quiet =
        "[graph]\nname = \"far\"\n[node.a]\nrun = \"board\"\nparams = { driver = \"none\", bus = \"/dev/i2c-none\" }\n";
    fs::write(&graph, quiet).unwrap();
    let out = desk.verb(&["doctor", graph.to_str().unwrap()]);
    assert!(!String::from_utf8_lossy(&out.stdout).contains("/dev/i2c-none"), "{out:?}");

    fs::write(&graph, "[graph]\nname = \"far\"\n").unwrap();
    let out = desk.verb(&["doctor", graph.to_str().unwrap()]);
    assert!(String::from_utf8_lossy(&out.stdout).contains("the graph has no nodes"), "{out:?}");
}

/// The new node of this name works: what goes out comes from what came in.
fn scales(desk: &Desk, name: &str) {
    let mut said = Vec::new();
    until("the new node speaks", || {
        let topic = format!("{name}/scaled");
        let out = desk.verb(&["topic", "echo", &topic, "--count", "3", "--for", "10s", "--json"]);
        said = lines(&out.stdout);
        said.len() == 3
    });
    assert_eq!(said[0]["type"], "offboard.v1.Array");
    assert_eq!(said[0]["origin"], format!("try-{name}:source/array"));
}

#[test]
fn a_new_rust_node_builds_and_runs() {
    let desk = Desk::new();
    let out = desk.verb(&["new", "node", "arm", "--lang", "rust"]);
    assert!(out.status.success(), "{out:?}");
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    // The versions that are here already, in a folder where most of them are built.
    fs::copy(format!("{root}/Cargo.lock"), desk.path("arm/Cargo.lock")).unwrap();
    let built = Command::new(env!("CARGO"))
        .args(["build", "--release", "--manifest-path", "arm/Cargo.toml"])
        .env("CARGO_TARGET_DIR", format!("{root}/target"))
        .current_dir(desk.path(""))
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let program = desk.path("arm/target/release/arm");
    fs::create_dir_all(program.parent().unwrap()).unwrap();
    fs::rename(format!("{root}/target/release/arm"), &program)
        .or_else(|_| fs::copy(format!("{root}/target/release/arm"), &program).map(drop))
        .unwrap();
    let _launched = desk.launch(&["arm/arm.toml"]);
    scales(&desk, "arm");
}

#[test]
fn a_new_python_node_runs() {
    let desk = Desk::new();
    let venv = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/venv/bin");
    if !Command::new(format!("{venv}/python3")).args(["-c", "import zmq"]).status().is_ok_and(|it| it.success()) {
        println!("skipped: {venv}/python3 has no zmq");
        return;
    }
    let out = desk.verb(&["new", "node", "eye", "--lang", "python"]);
    assert!(out.status.success(), "{out:?}");
    let path = format!("{venv}:{}", std::env::var("PATH").unwrap());
    let mut launch = desk.command(&["eye/eye.toml"]);
    launch.env("PATH", path);
    let _launched = Launched::start(launch);
    scales(&desk, "eye");

    let again = desk.verb(&["new", "node", "eye", "--lang", "rust"]);
    assert!(String::from_utf8_lossy(&again.stderr).contains("eye is there already"), "{again:?}");
    let odd = desk.verb(&["new", "node", "../eye", "--lang", "rust"]);
    assert_eq!(odd.status.code(), Some(2), "{odd:?}");
}
