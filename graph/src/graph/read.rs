//! From the text of a graph file, and of those it includes, to a draft. It never opens a file by itself.

use std::{
    path::{Component, Path, PathBuf},
    sync::Arc,
};

use super::{
    draft::{Draft, draft},
    interpolate::Filler,
    mistakes::{File, Log, Mistake, Place},
    overrides::Override,
    show::{show, tick},
    syntax::{self, Lost},
    tree::{Item, Table, Value},
};

/// The longest graph file, in bytes; nobody writes more by hand, and a hostile one costs time.
const FILE_MAX: usize = 1 << 20;

/// How deep files may include files.
const DEPTH_MAX: usize = 8;

/// How many files may be included in one graph.
const FILES_MAX: usize = 64;

/// A graph file that was already read.
#[derive(Debug, Clone)]
pub struct Source {
    /// Where it was read; mistakes name it, includes are relative to its folder.
    pub path: PathBuf,
    /// What it says, at most 1 MiB.
    pub text: String,
}

/// Reads a graph file: parses it, merges what it includes (the including file wins), lays the overrides over it and fills
/// `${VAR}` from `env`. `include` is asked for the text of each included file. Mistakes stay in the draft.
#[must_use]
pub fn read(
    source: Source,
    overrides: &[Override],
    env: &dyn Fn(&str) -> Option<String>,
    include: &dyn Fn(&Path) -> Result<String, String>,
) -> Draft {
    let dir = source.path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned();
    let mut reader =
        Reader { include, log: Log::default(), lost: Lost::default(), incomplete: false, files: Vec::new() };
    let mut tree = reader.file(&source.path, source.text, &mut vec![plain(&source.path)]);
    let Reader { mut log, lost, incomplete, mut files, .. } = reader;
    let mut unused = Vec::new();
    for value in overrides {
        if value.apply(&mut tree) { files.extend(value.file()) } else { unused.push(value.clone()) }
    }
    Filler::new(env, &mut log).table(&mut tree);
    draft(&tree, dir, files, unused, (lost, incomplete), log)
}

struct Reader<'a> {
    include: &'a dyn Fn(&Path) -> Result<String, String>,
    log: Log,
    lost: Lost,
    /// A file is missing, so that nothing can be called missing.
    incomplete: bool,
    files: Vec<Arc<File>>,
}

impl Reader<'_> {
    /// The tree of a file, laid over those of the files that it includes. `above` are the files that include it, and it.
    fn file(&mut self, path: &Path, text: String, above: &mut Vec<PathBuf>) -> Table {
        let fits = text.len() <= FILE_MAX;
        let file = File::new(&path.to_string_lossy(), if fits { text } else { String::new() });
        self.files.push(file.clone());
        if !fits {
            self.incomplete = true;
            let title = format!("a graph file has at most {FILE_MAX} bytes");
            self.log.push(Mistake::new(&Place::top(&file), title));
            return Table::default();
        }
        let (mut tree, lost) = syntax::read(&file, &mut self.log);
        self.lost.append(lost);
        let mut base = Table::default();
        for item in tree.remove("include").map(|entry| self.includes(entry.item)).unwrap_or_default() {
            let dir = path.parent().unwrap_or(Path::new(""));
            if let Some(table) = self.included(dir, &item, above) {
                base.overlay(table);
            }
        }
        base.overlay(tree);
        base
    }

    fn includes(&mut self, item: Item) -> Vec<At> {
        let at = item.at.clone();
        let mut mistake = |at: &Place, kind: &str| {
            let title = format!("`include` wants a list of strings, not {kind}");
            self.log.push(Mistake::new(at, title).help("for instance include = [\"base.toml\"]"));
        };
        let Value::List(items) = item.value else {
            mistake(&at, item.value.kind());
            return Vec::new();
        };
        let mut paths = Vec::new();
        for item in items {
            match item.value {
                Value::Text(value) => paths.push(At { value, at: item.at }),
                other => mistake(&item.at, &format!("one with {}", other.kind())),
            }
        }
        paths
    }

    fn included(&mut self, dir: &Path, wanted: &At, above: &mut Vec<PathBuf>) -> Option<Table> {
        let path = dir.join(&wanted.value);
        let found = if above.contains(&plain(&path)) {
            Err(format!("{} includes itself", tick(&wanted.value)))
        } else if above.len() > DEPTH_MAX {
            Err(format!("files may include files {DEPTH_MAX} deep, not deeper"))
        } else if self.files.len() > FILES_MAX {
            Err(format!("more than {FILES_MAX} files are included"))
        } else if wanted.value.contains('\0') {
            Err(format!("{} is no path", tick(&wanted.value)))
        } else {
            (self.include)(&path).map_err(|error| format!("cannot include {}: {}", tick(&wanted.value), show(&error)))
        };
        match found {
            Ok(text) => {
                above.push(plain(&path));
                let table = self.file(&path, text, above);
                above.pop();
                Some(table)
            }
            Err(title) => {
                self.incomplete = true;
                self.log.push(Mistake::new(&wanted.at, title));
                None
            }
        }
    }
}

type At = super::mistakes::At<String>;

/// A path without `.` and with `..` taken back, to notice a file that includes itself.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir if matches!(plain.components().next_back(), Some(Component::Normal(_))) => {
                plain.pop();
            }
            component => plain.push(component),
        }
    }
    plain
}
