//! Sees that graph files and programs were changed: a thread that looks at them again and again.
//! It never reads one and never decides what follows.
//!
//! A file counts as changed once it was found different and the same in two looks, for compilers write in pieces. A file that is
//! absent is not a change: editors and compilers move the new one into its place.

use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use tokio::sync::mpsc;

use crate::child::Places;

/// How often is looked: a change is seen after two looks, and its node shall run within a second.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// How many looks with changes may wait to be taken in; then the thread waits.
const CHANGES_MAX: usize = 4;

/// The longest file that counts as a script when it is not executable, in bytes: a word of `run` may also name a recording.
const SCRIPT_MAX: u64 = 1 << 20;

/// What is looked at.
#[derive(Debug, Clone, Default)]
pub(crate) struct Watched {
    /// Graph files and what they include.
    pub(crate) files: Vec<Source>,
    pub(crate) programs: Vec<Program>,
}

/// A file that a graph was read from.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    file: PathBuf,
    /// As it was just before it was read: what was written later is a change, too.
    read: Option<Stamp>,
}

impl Source {
    /// A file that is about to be read.
    pub(crate) fn new(file: PathBuf) -> Source {
        Source { read: stamp(&file, false), file }
    }

    /// Which.
    pub(crate) fn file(&self) -> &Path {
        &self.file
    }
}

/// What a node runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Program {
    /// Its graph, by its place.
    pub(crate) graph: usize,
    pub(crate) node: String,
    /// The folder that its words are relative to.
    pub(crate) dir: PathBuf,
    pub(crate) words: Vec<String>,
}

/// What was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Changed {
    /// A graph file, or one that is included.
    File(PathBuf),
    /// The program of a node, or a script that its words name.
    Program { graph: usize, node: String, file: PathBuf },
}

/// The thread. It ends with the process, or when nobody hears it any more.
#[derive(Debug)]
pub(crate) struct Watch {
    watched: Arc<Mutex<Watched>>,
}

impl Watch {
    /// Begins to look. What is there now is what later looks are compared with.
    ///
    /// # Errors
    /// When the system refuses.
    pub(crate) fn start(watched: Watched, places: Places) -> io::Result<(Watch, mpsc::Receiver<Vec<Changed>>)> {
        let (tell, changes) = mpsc::channel(CHANGES_MAX);
        let mut looks = Looks { places, known: BTreeMap::new() };
        looks.look(&watched);
        let watched = Arc::new(Mutex::new(watched));
        let shared = Arc::clone(&watched);
        thread::Builder::new().name("watch".to_owned()).spawn(move || {
            loop {
                thread::sleep(LOOK_EVERY);
                let now = lock(&shared).clone();
                let changed = looks.look(&now);
                if !changed.is_empty() && tell.blocking_send(changed).is_err() {
                    return;
                }
            }
        })?;
        Ok((Watch { watched }, changes))
    }

    /// Looks at something else from now on.
    pub(crate) fn follow(&self, watched: Watched) {
        *lock(&self.watched) = watched;
    }
}

fn lock(watched: &Mutex<Watched>) -> MutexGuard<'_, Watched> {
    watched.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What one look sees of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    modified: (i64, i64),
    len: u64,
    inode: (u64, u64),
}

/// A file as it was when it last counted, and how it is when that may become a change.
#[derive(Debug, Clone, Copy)]
struct Seen {
    known: Stamp,
    maybe: Option<Stamp>,
}

impl Seen {
    /// Takes in what a look saw; whether the file was changed.
    fn is_changed(&mut self, found: Stamp) -> bool {
        let changed = self.known != found && self.maybe == Some(found);
        if changed {
            self.known = found;
        }
        self.maybe = (self.known != found).then_some(found);
        changed
    }
}

struct Looks {
    places: Places,
    known: BTreeMap<PathBuf, Seen>,
}

impl Looks {
    fn look(&mut self, watched: &Watched) -> Vec<Changed> {
        for Source { file, read } in &watched.files {
            if let Some(known) = *read {
                self.known.entry(file.clone()).or_insert(Seen { known, maybe: None });
            }
        }
        let files = watched.files.iter().map(|source| (source.file.clone(), None));
        let programs =
            watched.programs.iter().flat_map(|it| it.files(&self.places).into_iter().map(move |file| (file, Some(it))));
        let all: Vec<(PathBuf, Option<&Program>)> = files.chain(programs).collect();
        // Several nodes may run one file: it is looked at once.
        let mut changed: BTreeMap<&Path, bool> = BTreeMap::new();
        for (file, program) in &all {
            if !changed.contains_key(file.as_path())
                && let Some(found) = stamp(file, program.is_some())
            {
                let seen = self.known.entry(file.clone()).or_insert(Seen { known: found, maybe: None });
                changed.insert(file, seen.is_changed(found));
            }
        }
        let is_changed = |file: &Path| changed.get(file) == Some(&true);
        let mut told: Vec<Changed> = Vec::new();
        for (file, program) in all.iter().filter(|(file, _)| is_changed(file)) {
            // One change is enough to restart a node.
            let told_of = |it: &Program| {
                told.iter().any(|told| {
                    matches!(told, Changed::Program { graph, node, .. } if *graph == it.graph && *node == it.node)
                })
            };
            match program {
                None => told.push(Changed::File(file.clone())),
                Some(it) if told_of(it) => {}
                Some(it) => {
                    told.push(Changed::Program { graph: it.graph, node: it.node.clone(), file: file.clone() });
                }
            }
        }
        drop(changed);
        let mentioned: std::collections::BTreeSet<PathBuf> = all.into_iter().map(|(file, _)| file).collect();
        self.known.retain(|file, _| mentioned.contains(file));
        told
    }
}

impl Program {
    /// The program and what further words may name.
    fn files(&self, places: &Places) -> Vec<PathBuf> {
        let Some((word, args)) = self.words.split_first() else { return Vec::new() };
        let program = places.find(&self.dir, word).map_or_else(|looked| looked, |program| vec![program]);
        let named = args.iter().filter(|word| !word.starts_with('-')).map(|word| self.dir.join(word));
        program.into_iter().chain(named).collect()
    }
}

/// What is seen of a file; of what a program's words name, only programs and scripts.
pub(crate) fn stamp(file: &Path, program: bool) -> Option<Stamp> {
    let found = fs::metadata(file).ok().filter(fs::Metadata::is_file)?;
    let runs = found.mode() & 0o111 != 0 || found.len() <= SCRIPT_MAX;
    let stamp =
        Stamp { modified: (found.mtime(), found.mtime_nsec()), len: found.len(), inode: (found.dev(), found.ino()) };
    (runs || !program).then_some(stamp)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looks() -> Looks {
        Looks { places: Places { beside: "/nowhere".into(), path: Vec::new() }, known: BTreeMap::new() }
    }

    /// The changes of so many looks.
    fn look(looks: &mut Looks, watched: &Watched, count: usize) -> Vec<Changed> {
        (0..count).flat_map(|_| looks.look(watched)).collect()
    }

    #[test]
    fn a_file_is_changed_once_it_is_another_and_stays_so() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("t.toml");
        fs::write(&file, "1").unwrap();
        let watched = Watched { files: vec![Source::new(file.clone())], programs: Vec::new() };
        let mut looks = looks();
        assert_eq!(look(&mut looks, &watched, 3), []);
        // Written in pieces: only the last one lasts.
        for text in ["12", "123", "1234"] {
            fs::write(&file, text).unwrap();
            assert_eq!(look(&mut looks, &watched, 1), []);
        }
        assert_eq!(look(&mut looks, &watched, 3), [Changed::File(file.clone())]);
        // Gone for a while, and back as it was.
        let aside = dir.path().join("aside");
        fs::rename(&file, &aside).unwrap();
        assert_eq!(look(&mut looks, &watched, 3), []);
        fs::rename(&aside, &file).unwrap();
        assert_eq!(look(&mut looks, &watched, 3), []);
        // Another file of the same length in its place.
        fs::write(&aside, "4321").unwrap();
        fs::rename(&aside, &file).unwrap();
        assert_eq!(look(&mut looks, &watched, 3), [Changed::File(file)]);
    }

    #[test]
    fn what_is_written_before_the_first_look_is_a_change() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("t.toml");
        fs::write(&file, "1").unwrap();
        let watched = Watched { files: vec![Source::new(file.clone())], programs: Vec::new() };
        fs::write(&file, "22").unwrap();
        assert_eq!(look(&mut looks(), &watched, 3), [Changed::File(file)]);
    }

    #[test]
    fn a_program_is_its_file_and_the_scripts_that_its_words_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let write = |name: &str, text: &str| fs::write(path(name), text).unwrap();
        let program = |node: &str, words: &[&str]| Program {
            graph: 1,
            node: node.to_owned(),
            dir: dir.path().to_owned(),
            words: words.iter().map(|&word| word.to_owned()).collect(),
        };
        let programs = vec![program("a", &["./run", "a.py", "--rate=3"]), program("b", &["./run", "data", "."])];
        let watched = Watched { files: Vec::new(), programs };
        write("run", "1");
        write("a.py", "1");
        fs::write(path("data"), vec![0; usize::try_from(SCRIPT_MAX).unwrap() + 1]).unwrap();
        let mut looks = looks();
        assert_eq!(look(&mut looks, &watched, 2), []);
        let changed = |node: &str, file: &str| Changed::Program { graph: 1, node: node.to_owned(), file: path(file) };
        write("a.py", "22");
        assert_eq!(look(&mut looks, &watched, 2), [changed("a", "a.py")]);
        // Both in one look restart it once.
        write("run", "22");
        write("a.py", "333");
        assert_eq!(look(&mut looks, &watched, 2), [changed("a", "run"), changed("b", "run")]);
        fs::write(path("data"), vec![1; usize::try_from(SCRIPT_MAX).unwrap() + 2]).unwrap();
        assert_eq!(look(&mut looks, &watched, 2), []);
    }
}
