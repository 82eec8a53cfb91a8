//! Which nodes have files, and which of them are meant.
//! It never opens one.

use std::{
    collections::BTreeSet,
    fmt, fs, io,
    path::{Path, PathBuf},
};

use offboard::graph::{GraphName, NodeName};

use crate::{
    failure::Failure,
    logs::{LAUNCH, Voice, folder},
    supervisor::code,
    words::{did_you_mean, escape},
};

/// How many names are listed for somebody who wrote another one.
const LISTED_MAX: usize = 20;

/// The longest path that a note may hold, in bytes.
const PATH_MAX: usize = 4096;

/// A node whose lines are kept.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Source {
    pub(super) graph: String,
    pub(super) node: String,
    /// The file that is written; none: its lines are kept nowhere.
    pub(super) path: Option<PathBuf>,
}

impl Source {
    pub(super) fn voice(&self, place: usize) -> Voice {
        Voice { graph: Some(self.graph.clone()), node: self.node.clone(), place }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.graph, self.node)
    }
}

/// All nodes of this user that ever had files and still have.
///
/// # Errors
/// When there is no folder of them.
pub(super) fn all() -> Result<Vec<Source>, Failure> {
    let base = folder::base()
        .ok_or_else(|| Failure::new(code::OTHER, "no lines are kept: neither OFFBOARD_LOG_DIR nor HOME says where"))?;
    match below(&base) {
        Ok(sources) if !sources.is_empty() => Ok(sources),
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Failure::new(code::OTHER, format!("{} cannot be read: {error}", base.display())))
        }
        _ => Err(Failure::new(
            code::OTHER,
            format!("no lines are kept in {} yet; `launch FILE.toml` runs a graph and keeps them", base.display()),
        )),
    }
}

fn below(base: &Path) -> io::Result<Vec<Source>> {
    let mut sources = Vec::new();
    for entry in fs::read_dir(base)?.flatten() {
        let Ok(graph) = entry.file_name().into_string() else { continue };
        if graph.parse::<GraphName>().is_ok() {
            sources.extend(of_graph(&entry.path(), &graph));
        }
    }
    sources.sort();
    Ok(sources)
}

fn of_graph(dir: &Path, graph: &str) -> Vec<Source> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let node = |name: String| {
        let (node, rest) = name.split_once('.')?;
        let known = node == LAUNCH || node.parse::<NodeName>().is_ok();
        // A file that was rotated away and not begun anew is its node's, too.
        (known && (rest == "at" || rest == "log" || rest.starts_with("log."))).then(|| node.to_owned())
    };
    let nodes: BTreeSet<String> = entries.filter_map(|entry| node(entry.file_name().into_string().ok()?)).collect();
    let source = |node: String| {
        let path = path(dir, &node);
        Source { graph: graph.to_owned(), node, path }
    };
    nodes.into_iter().map(source).collect()
}

/// Where a node's file is; none when a note says that there is none.
fn path(dir: &Path, node: &str) -> Option<PathBuf> {
    match fs::read_to_string(dir.join(folder::pointer(node))) {
        Ok(to) if to.is_empty() => None,
        Ok(to) if to.len() <= PATH_MAX => Some(PathBuf::from(to)),
        _ => Some(dir.join(format!("{node}.log"))),
    }
}

/// Whose lines are meant.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    All,
    /// Of these graphs, and these nodes of a graph.
    Some {
        graphs: BTreeSet<String>,
        nodes: BTreeSet<(String, String)>,
    },
}

impl Wanted {
    pub(super) fn has(&self, source: &Source) -> bool {
        match self {
            Wanted::All => true,
            Wanted::Some { graphs, nodes } => {
                graphs.contains(&source.graph) || nodes.contains(&(source.graph.clone(), source.node.clone()))
            }
        }
    }
}

/// Finds what is written: `GRAPH`, `GRAPH:NODE`, or `NODE` of whichever graphs have one of that name.
///
/// # Errors
/// A sentence with what is near and what there is.
pub(super) fn find(written: &[String], all: &[Source]) -> Result<Wanted, Failure> {
    if written.is_empty() {
        return Ok(Wanted::All);
    }
    let (mut graphs, mut nodes) = (BTreeSet::new(), BTreeSet::new());
    for word in written {
        if all.iter().any(|source| source.graph == *word) {
            graphs.insert(word.clone());
            continue;
        }
        let meant: Vec<&Source> =
            all.iter().filter(|source| source.node == *word || source.to_string() == *word).collect();
        match meant.as_slice() {
            [] => return Err(unknown(word, all)),
            [source] if source.path.is_none() => {
                let text = format!("{source} keeps no lines: its `log` in the graph file says file = false");
                return Err(Failure::new(code::OTHER, text));
            }
            meant => nodes.extend(meant.iter().map(|source| (source.graph.clone(), source.node.clone()))),
        }
    }
    Ok(Wanted::Some { graphs, nodes })
}

fn unknown(word: &str, all: &[Source]) -> Failure {
    let full: Vec<String> = all.iter().map(Source::to_string).collect();
    let short = all.iter().flat_map(|source| [source.graph.as_str(), source.node.as_str()]);
    let near = did_you_mean(word, short.chain(full.iter().map(String::as_str)));
    let more = if full.len() > LISTED_MAX { ", …" } else { "" };
    let list = full.iter().take(LISTED_MAX).map(String::as_str).collect::<Vec<_>>().join(", ");
    Failure::new(code::OTHER, format!("there are no lines of {}{near}\n  there are {list}{more}", escape(word)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(base: &Path, names: &[(&str, &str)]) {
        for (name, text) in names {
            let path = base.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }

    #[test]
    fn the_nodes_are_those_whose_files_or_notes_are_there() {
        let dir = tempfile::tempdir().unwrap();
        write(
            dir.path(),
            &[
                ("robot/camera.log", ""),
                ("robot/camera.log.1", ""),
                ("robot/launch.log", ""),
                ("robot/far.at", "/tmp/far.log"),
                ("robot/off.at", ""),
                ("robot/README", ""),
                ("desk/link.log.1", ""),
                ("Not A Graph/camera.log", ""),
            ],
        );
        let sources = below(dir.path()).unwrap();
        let seen: Vec<(String, Option<PathBuf>)> =
            sources.iter().map(|source| (source.to_string(), source.path.clone())).collect();
        let at = |path: &str| Some(dir.path().join(path));
        assert_eq!(
            seen,
            [
                ("desk:link".to_owned(), at("desk/link.log")),
                ("robot:camera".to_owned(), at("robot/camera.log")),
                ("robot:far".to_owned(), Some("/tmp/far.log".into())),
                ("robot:launch".to_owned(), at("robot/launch.log")),
                ("robot:off".to_owned(), None),
            ]
        );
        let find = |word: &str| find(&[word.to_owned()], &sources);
        let has = |word: &str| -> Vec<String> {
            let wanted = find(word).unwrap();
            sources.iter().filter(|source| wanted.has(source)).map(Source::to_string).collect()
        };
        assert_eq!(has("desk"), ["desk:link"]);
        assert_eq!(has("camera"), ["robot:camera"]);
        assert_eq!(has("robot:launch"), ["robot:launch"]);
        assert_eq!(
            find("camrea").unwrap_err().text,
            "launch: there are no lines of camrea; did you mean camera?\n  \
             there are desk:link, robot:camera, robot:far, robot:launch, robot:off\n"
        );
        assert_eq!(
            find("off").unwrap_err().text,
            "launch: robot:off keeps no lines: its `log` in the graph file says file = false\n"
        );
    }
}
