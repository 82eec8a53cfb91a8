//! Graph files from the disk: read, their programs asked, all checked.
//! It never starts a node.

use std::{
    cell::RefCell,
    env,
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use offboard::graph::{self, Description, Draft, Graph, Mistakes, Override};

use crate::{
    child::Places,
    describe::{Memory, Programs},
    failure::Failure,
    supervisor::code,
    watch::Source,
};

/// How much of a file is read, in bytes: enough to see that it is too long for a graph file.
const READ_MAX: u64 = 2 << 20;

/// A checked graph.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) graph: Graph,
    /// The file, as the command line has it.
    pub(crate) file: PathBuf,
    /// For each node whether its program described itself.
    pub(crate) beats: Vec<bool>,
    /// For each node what its program says of itself.
    pub(crate) said: Vec<Option<Description>>,
    /// The files it was read from: its own and what they include.
    pub(crate) sources: Vec<Source>,
}

/// Why graph files are not well.
#[derive(Debug)]
pub(crate) enum Unwell {
    /// They could not even be read.
    Failure(Failure),
    /// All mistakes of all files.
    Mistakes(Mistakes),
}

impl From<Failure> for Unwell {
    fn from(failure: Failure) -> Unwell {
        Unwell::Failure(failure)
    }
}

/// Reads and checks graph files; `sets` are overrides, `color` is for the mistakes.
///
/// # Errors
/// All mistakes of all files, as people read them.
pub(crate) fn load(files: &[PathBuf], sets: &[String], color: bool) -> Result<Vec<Loaded>, Failure> {
    load_knowing(files, sets, color, &Memory::default())
}

/// As [`load`]; programs that `memory` knows are not asked again.
///
/// # Errors
/// As [`load`].
pub(crate) fn load_knowing(
    files: &[PathBuf],
    sets: &[String],
    color: bool,
    memory: &Memory,
) -> Result<Vec<Loaded>, Failure> {
    read(files, sets, memory).map_err(|unwell| match unwell {
        Unwell::Failure(failure) => failure,
        Unwell::Mistakes(mistakes) => Failure::drawn(code::BAD_GRAPH, mistakes.render(color)),
    })
}

/// As [`load`], with the mistakes as they are.
///
/// # Errors
/// Why the files are not well.
pub(crate) fn examine(files: &[PathBuf], sets: &[String]) -> Result<Vec<Loaded>, Unwell> {
    read(files, sets, &Memory::default())
}

fn read(files: &[PathBuf], sets: &[String], memory: &Memory) -> Result<Vec<Loaded>, Unwell> {
    let overrides: Result<Vec<Override>, String> = sets.iter().map(|text| Override::parse(text)).collect();
    let overrides = overrides.map_err(|error| Failure::new(code::USAGE, format!("--set {error}")))?;
    once_each(files)?;
    let drafts: Result<Vec<(Draft, Vec<Source>)>, Failure> = files.iter().map(|file| draft(file, &overrides)).collect();
    let (drafts, sources): (Vec<Draft>, Vec<Vec<Source>>) = drafts?.into_iter().unzip();
    let runs: Vec<(PathBuf, Vec<String>)> = drafts
        .iter()
        .flat_map(|draft| draft.programs().into_iter().map(|(_, words)| (draft.dir().to_owned(), words)))
        .collect();
    let programs = Programs::ask(Places::here(), &runs, memory);
    let graphs = graph::check(drafts, &|dir, words| programs.program(dir, words)).map_err(Unwell::Mistakes)?;
    let loaded = graphs.into_iter().zip(files).zip(sources).map(|((graph, file), sources)| Loaded {
        beats: graph.nodes.iter().map(|spec| programs.is_described(&graph.dir, &spec.run)).collect(),
        said: graph.nodes.iter().map(|spec| programs.description(&graph.dir, &spec.run).cloned()).collect(),
        file: file.clone(),
        graph,
        sources,
    });
    Ok(loaded.collect())
}

/// The same file twice would be two graphs of one name: said of the file, which is what a person can see.
fn once_each(files: &[PathBuf]) -> Result<(), Failure> {
    let mut seen: Vec<(PathBuf, &Path)> = Vec::new();
    for file in files {
        // What is not there is said when it is read.
        let Ok(path) = file.canonicalize() else { continue };
        if let Some((_, before)) = seen.iter().find(|(other, _)| *other == path) {
            let also = if *before == file { String::new() } else { format!(", also as {}", before.display()) };
            return Err(Failure::new(code::USAGE, format!("{} is given twice{also}; name it once", file.display())));
        }
        seen.push((path, file));
    }
    Ok(())
}

/// As [`load`], for files that were read before. A pipe, as a shell makes one, can be read but once.
///
/// # Errors
/// As [`load`].
pub(crate) fn load_again(
    files: &[PathBuf],
    sets: &[String],
    color: bool,
    memory: &Memory,
) -> Result<Vec<Loaded>, Failure> {
    let pipe = |file: &&PathBuf| file.metadata().is_ok_and(|found| !found.is_file());
    if let Some(file) = files.iter().find(pipe) {
        let text = format!("{} is no file that can be read again; stop its graph and launch it anew", file.display());
        return Err(Failure::new(code::BAD_GRAPH, text));
    }
    load_knowing(files, sets, color, memory)
}

fn draft(file: &Path, overrides: &[Override]) -> Result<(Draft, Vec<Source>), Failure> {
    let sources = RefCell::new(vec![Source::new(file.to_owned())]);
    let text =
        text_of(file).map_err(|why| Failure::new(code::BAD_GRAPH, format!("cannot read {}: {why}", file.display())))?;
    let source = graph::Source { path: file.to_owned(), text };
    let include = |path: &Path| {
        sources.borrow_mut().push(Source::new(path.to_owned()));
        text_of(path)
    };
    let draft = graph::read(source, overrides, &|name| env::var(name).ok(), &include);
    Ok((draft, sources.into_inner()))
}

fn text_of(path: &Path) -> Result<String, String> {
    let mut text = String::new();
    let opened = File::open(path).and_then(|file| file.take(READ_MAX).read_to_string(&mut text));
    opened.map(|_| text).map_err(|error| error.to_string())
}
