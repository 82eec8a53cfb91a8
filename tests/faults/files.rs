//! Graph files that mean harm.

use std::{
    fs::{self, File},
    path::Path,
    time::{Duration, Instant},
};

use offboard_tests::{Bed, fault::Row, until};

/// Whoever starts this has escaped.
const CANARY: &str = "[node.canary]\nrun = [\"touch\", \"escaped\"]\n";

/// What no name may be.
fn names() -> Vec<String> {
    let names = [
        "",
        ".",
        "..",
        "../../x",
        "/etc/passwd",
        "a/b",
        "a b",
        "-rf",
        "A",
        "ä",
        "$(touch escaped)",
        "`touch escaped`",
        "a;touch escaped",
        "a|touch escaped",
        "a\nb",
        "a\tb",
        "a\0b",
        "a\u{1b}[2Jb",
        "a\u{202e}b",
        "%s%n",
    ];
    names.iter().map(|name| (*name).to_owned()).chain([String::from("x").repeat(1_000_000), "x".repeat(65)]).collect()
}

/// A string as TOML writes it.
fn quote(text: &str) -> String {
    let escaped: String = text
        .chars()
        .map(|c| match c {
            '"' | '\\' => format!("\\{c}"),
            c if c.is_control() => format!("\\u{:04X}", u32::from(c)),
            c => c.to_string(),
        })
        .collect();
    format!("\"{escaped}\"")
}

/// Files that must be refused, each with what it is about.
fn fixtures() -> Vec<(String, Vec<u8>)> {
    let mut all: Vec<(String, Vec<u8>)> = Vec::new();
    let mut add = |what: String, text: &str| all.push((what, [text.as_bytes(), b"\n", CANARY.as_bytes()].concat()));
    for name in names() {
        let (short, quoted) = (name.chars().take(20).collect::<String>().escape_debug().to_string(), quote(&name));
        add(format!("graph name {short}"), &format!("[graph]\nname = {quoted}"));
        add(format!("node name {short}"), &format!("[node.{quoted}]\nrun = [\"touch\", \"escaped\"]"));
        add(format!("topic {short}"), &format!("[node.a]\nrun = \"dummy\"\nsubscribe = {{ in = {quoted} }}"));
        add(format!("after {short}"), &format!("[node.a]\nrun = \"dummy\"\nafter = [{quoted}]"));
    }
    let deep = 20_000;
    for (what, text) in [
        ("no such program", "[node.a]\nrun = [\"$(touch escaped)\"]".to_owned()),
        ("no program", "[node.a]\nrun = []".to_owned()),
        ("a program with NUL", "[node.a]\nrun = [\"touch\\u0000\", \"x\"]".to_owned()),
        ("an argument with NUL", "[node.a]\nrun = [\"touch\", \"x\\u0000y\"]".to_owned()),
        ("a variable with NUL", "[node.a]\nrun = \"dummy\"\nenv = { A = \"x\\u0000y\" }".to_owned()),
        ("a variable named A=B", "[node.a]\nrun = \"dummy\"\nenv = { \"A=B\" = \"x\" }".to_owned()),
        ("launch's own variable", "[node.a]\nrun = \"dummy\"\nenv = { LAUNCH_NODE = \"b\" }".to_owned()),
        ("an endless include", "include = [\"/dev/zero\"]".to_owned()),
        ("a folder as include", "include = [\"/\"]".to_owned()),
        ("passwords as include", "include = [\"../../../../../../etc/shadow\"]".to_owned()),
        ("itself as include", "include = [\"file.toml\"]".to_owned()),
        ("an include with NUL", "include = [\"a\\u0000b\"]".to_owned()),
        ("the node of launch", "[node.launch]\nrun = \"dummy\"".to_owned()),
        ("deep lists", format!("x = {}{}", "[".repeat(deep), "]".repeat(deep))),
        ("deep tables", format!("x = {}1{}", "{a=".repeat(deep), "}".repeat(deep))),
        ("a deep key", format!("{}b = 1", "a.".repeat(deep))),
        ("a value of a megabyte", format!("[graph]\nname = 3\nx = \"{}\"", "y".repeat(1_000_000))),
        ("too long a file", "#".repeat(3 << 20)),
        ("a hundred thousand nodes", (0..40_000).map(|n| format!("[node.\"N{n}\"]\n")).collect()),
        ("an endless time", "[node.a]\nrun = \"dummy\"\nready = \"99999999999999999999s\"".to_owned()),
        ("no time", "[node.a]\nrun = \"dummy\"\nstop = nan".to_owned()),
    ] {
        add(what.to_owned(), &text);
    }
    all.push(("no text".to_owned(), vec![0xff, 0xfe, 0, 0x5b]));
    all.push(("NULs".to_owned(), vec![0; 10_000]));
    all.push(("nothing".to_owned(), Vec::new()));
    all
}

/// Runs a file that cannot be run: the exit code, and what was said.
fn refused(bed: &Bed, file: &Path) -> (Option<i32>, String) {
    let said = bed.files().join("said");
    let mut child = bed.command("launch").arg(file).stderr(File::create(&said).unwrap()).spawn().unwrap();
    let status = until("launch ends", || child.try_wait().unwrap());
    (status.code(), String::from_utf8(fs::read(said).unwrap()).unwrap())
}

#[test]
fn no_hostile_file_starts_anything_or_escapes() {
    let bed = Bed::new();
    let row = Row::start(&bed, "pair", "");
    let (fixtures, path) = (fixtures(), bed.files().join("file.toml"));
    assert!(fixtures.len() >= 40);
    let mut slowest = (Duration::ZERO, "");
    for (what, bytes) in &fixtures {
        fs::write(&path, bytes).unwrap();
        let begin = Instant::now();
        let (code, said) = refused(&bed, &path);
        slowest = slowest.max((begin.elapsed(), what));
        assert_eq!(code, Some(78), "{what}: {said}");
        assert!(!said.contains("panicked"), "{what}: {said}");
        let evil = said.chars().find(|c| (c.is_control() && *c != '\n') || *c == '\u{202e}');
        assert_eq!(evil, None, "{what}: {said:?}");
        assert!((10..100_000).contains(&said.len()), "{what}: {} bytes of words", said.len());
        assert!(!bed.files().join("escaped").exists(), "{what}: something was started");
    }
    println!("{} files refused; the slowest took {:?}: {}", fixtures.len(), slowest.0, slowest.1);
    row.end();
}

#[test]
fn what_looks_like_a_shells_is_handed_on_as_it_is() {
    let bed = Bed::new();
    let words =
        ["$(touch escaped)", "`touch escaped`", "a;touch escaped", "../../x", "-rf", "a\nb", "%s", "*", "~", ""];
    let quoted: Vec<String> = words.iter().map(|word| quote(word)).collect();
    bed.file("args.sh", "printf '%s\\0' \"$@\" \"$EVIL\" \"$LAUNCH_PARAMS\" > args.new; mv args.new args");
    let victim = format!(
        "[node.literal]\nrun = [\"sh\", \"args.sh\", {}]\nrestart = \"never\"\nenv = {{ EVIL = {} }}\n\
         params = {{ x = {} }}\n",
        quoted.join(", "),
        quoted[0],
        quoted[1]
    );
    let row = Row::start(&bed, "literal", &victim);
    let bytes = until("it wrote what it got", || fs::read(bed.files().join("args")).ok());
    let text = String::from_utf8(bytes).unwrap();
    let got: Vec<&str> = text.trim_end_matches('\0').split('\0').collect();
    assert_eq!(got[..words.len()], words);
    assert_eq!(got[words.len()], words[0]);
    assert!(got[words.len() + 1].contains("`touch escaped`"), "{got:?}");
    assert!(!bed.files().join("escaped").exists());
    row.end();
}
