//! `new`: writes a node to begin with, and a graph file that runs it.
//! It never overwrites a file.

use std::{
    env, fs,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use offboard::{
    graph::NodeName,
    wiring::{LAUNCH, LINK},
};

use crate::{
    cli::{Lang, NewVerb},
    failure::Failure,
    print::print,
    supervisor::code,
};

/// Where the SDK is when its source is not around.
const REPOSITORY: &str = env!("CARGO_PKG_REPOSITORY");

/// How far up the SDK's source is looked for.
const UP_MAX: usize = 16;

/// What Python needs to read and write messages; the whole folder, so that a node grows without a generator.
const PYTHON: [(&str, &str); 6] = [
    ("array_pb2.py", include_str!("../../proto/python/offboard/v1/array_pb2.py")),
    ("control_pb2.py", include_str!("../../proto/python/offboard/v1/control_pb2.py")),
    ("header_pb2.py", include_str!("../../proto/python/offboard/v1/header_pb2.py")),
    ("image_pb2.py", include_str!("../../proto/python/offboard/v1/image_pb2.py")),
    ("log_pb2.py", include_str!("../../proto/python/offboard/v1/log_pb2.py")),
    ("status_pb2.py", include_str!("../../proto/python/offboard/v1/status_pb2.py")),
];

/// A file to write.
#[derive(Debug, PartialEq, Eq)]
struct Sheet {
    path: PathBuf,
    text: String,
    mode: u32,
}

/// `new`.
///
/// # Errors
/// When the name is none, the folder is there already, or the disk refuses.
pub(crate) fn new(verb: &NewVerb) -> Result<(), Failure> {
    let NewVerb::Node { name, lang, dir } = verb;
    let name: NodeName = name.parse().map_err(|why| Failure::new(code::USAGE, why))?;
    let name = name.as_str();
    if [LAUNCH, LINK].contains(&name) {
        return Err(Failure::new(
            code::USAGE,
            format!("no node can be named {name}: launch adds one of that name itself"),
        ));
    }
    let dir = dir.clone().unwrap_or_else(|| PathBuf::from(name));
    if fs::read_dir(&dir).is_ok_and(|mut entries| entries.next().is_some()) || dir.is_file() {
        let why = format!("{} is there already; choose another name, or --dir FOLDER", dir.display());
        return Err(Failure::new(code::OTHER, why));
    }
    let sheets = match lang {
        Lang::Rust => rust(name, &source(&dir)),
        Lang::Python => python(name),
    };
    for sheet in &sheets {
        write(&dir, sheet).map_err(|error| {
            Failure::new(code::OTHER, format!("cannot write {}: {error}", dir.join(&sheet.path).display()))
        })?;
    }
    print(&next_steps(name, *lang, &dir))
}

fn rust(name: &str, source: &str) -> Vec<Sheet> {
    let cargo = include_str!("new/Cargo.toml.in").replace("SOURCE", source);
    vec![
        sheet("Cargo.toml", name, &cargo),
        sheet("src/main.rs", name, include_str!("new/node.rs.in")),
        sheet(".gitignore", name, "/target\n"),
        graph(name, &format!("./target/release/{name}")),
    ]
}

fn python(name: &str) -> Vec<Sheet> {
    let program = Sheet { mode: 0o755, ..sheet(&format!("{name}.py"), name, include_str!("new/node.py.in")) };
    let modules = PYTHON.iter().map(|(file, text)| Sheet {
        path: Path::new("offboard/v1").join(file),
        text: (*text).to_owned(),
        mode: 0o644,
    });
    [program, graph(name, &format!("python3 {name}.py"))].into_iter().chain(modules).collect()
}

fn graph(name: &str, run: &str) -> Sheet {
    let source = if name == "source" { "numbers" } else { "source" };
    let text = include_str!("new/graph.toml.in")
        .replace("OTHER", source)
        .replace("RUN", run)
        .replace("GRAPH", &format!("{name}.toml"));
    sheet(&format!("{name}.toml"), name, &text)
}

fn sheet(path: &str, name: &str, text: &str) -> Sheet {
    Sheet { path: PathBuf::from(path), text: text.replace("NAME", name), mode: 0o644 }
}

fn write(dir: &Path, sheet: &Sheet) -> io::Result<()> {
    let path = dir.join(&sheet.path);
    fs::create_dir_all(path.parent().unwrap_or(dir))?;
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(sheet.mode).open(path)?;
    file.write_all(sheet.text.as_bytes())
}

/// The SDK as Cargo.toml names it: its source, when the new folder or `launch` lies in it, else where it is published.
fn source(dir: &Path) -> String {
    let exe = env::current_exe().unwrap_or_default();
    let from = [std::path::absolute(dir).unwrap_or_default(), exe];
    let roots = from.iter().flat_map(|path| path.ancestors().take(UP_MAX));
    let is_ours = |manifest: &PathBuf| {
        fs::read_to_string(manifest).is_ok_and(|text| text.lines().any(|line| line == "name = \"offboard\""))
    };
    let found = roots.map(|root| root.join("graph/Cargo.toml")).find(is_ours);
    match found.as_deref().and_then(Path::parent).and_then(Path::to_str) {
        Some(path) => format!("path = {path:?}"),
        None => format!("git = {REPOSITORY:?}"),
    }
}

fn next_steps(name: &str, lang: Lang, dir: &Path) -> String {
    let dir = dir.display();
    let before = match lang {
        Lang::Rust => format!("  cargo build --release --manifest-path {dir}/Cargo.toml\n"),
        Lang::Python => "  pip install pyzmq protobuf          unless Python has them\n".to_owned(),
    };
    format!(
        "{name} is written to {dir}/. To see it work:\n{before}  launch {dir}/{name}.toml\n  launch topic echo {name}/scaled      in another terminal\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_word_is_left_to_fill_in() {
        for sheets in [rust("eye", "path = \"x\""), python("eye")] {
            for Sheet { path, text, .. } in sheets {
                for word in ["NAME", "RUN\"", "GRAPH", "SOURCE"] {
                    // The wiring's own variables have such words in them.
                    let left = text.replace("LAUNCH_PUB", "").replace("LAUNCH_SUB", "");
                    let own = path.ends_with("eye.py") || path.starts_with("offboard");
                    assert!(own || !left.contains(word), "{word} in {}", path.display());
                }
            }
        }
    }

    #[test]
    fn the_sdk_is_found_beside_us_or_where_it_is_published() {
        assert!(source(Path::new(".")).starts_with("path = "));
    }

    #[test]
    fn nothing_is_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let node = |name: &str| NewVerb::Node { name: name.into(), lang: Lang::Python, dir: Some(dir.path().into()) };
        new(&node("eye")).unwrap();
        let again = new(&node("eye")).unwrap_err();
        assert!(again.text.contains("is there already"), "{}", again.text);
        assert_eq!(new(&node("../eye")).unwrap_err().code, code::USAGE);
    }
}
