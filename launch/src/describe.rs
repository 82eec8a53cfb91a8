//! Asks node programs what they are: `PROGRAM --describe`, all at once, for a bounded time.
//! It never starts a program with arguments that a graph file gave: that might do something.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Read,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use offboard::graph::{Description, Program};

use crate::{
    child::{Places, signal_group},
    enter::Enter,
    supervisor::Force,
    watch::{Stamp, stamp},
};

/// How long our programs get to answer: they only print, but a small computer that has just started reads them from a slow card.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// How long others get: they may not know the question, and begin to work.
const OTHERS_WITHIN: Duration = Duration::from_secs(2);

/// The longest answer, in bytes.
const ANSWER_MAX: u64 = 1 << 20;

type Answers = BTreeMap<PathBuf, (Option<Stamp>, Option<Description>)>;

/// What programs said of themselves, or that they did not answer, and which files they were then.
#[derive(Debug, Clone, Default)]
pub(crate) struct Memory(Arc<Mutex<Answers>>);

impl Memory {
    fn lock(&self) -> MutexGuard<'_, Answers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the programs of a launch say of themselves. Each is asked once.
#[derive(Debug)]
pub(crate) struct Programs {
    places: Places,
    answers: Answers,
}

impl Programs {
    /// Asks the programs that these words start in these folders. Those that answered before, or did not, are not asked again
    /// until their file is another one: a foreign program may begin to drive instead of answering.
    pub(crate) fn ask(places: Places, runs: &[(PathBuf, Vec<String>)], memory: &Memory) -> Programs {
        let programs: BTreeSet<PathBuf> = runs.iter().filter_map(|(dir, words)| asked(&places, dir, words)).collect();
        let began = Instant::now();
        let mut answers = Answers::new();
        let mut asked = Vec::new();
        for program in programs {
            let now = stamp(&program, true);
            let known = memory.lock().get(&program).filter(|(then, _)| then.is_some() && *then == now).cloned();
            match known {
                Some(answer) => drop(answers.insert(program, answer)),
                None => asked.push((Question::ask(&program), program, now)),
            }
        }
        for (question, program, now) in asked {
            let until = began + if places.is_ours(&program) { ANSWER_WITHIN } else { OTHERS_WITHIN };
            answers.insert(program, (now, question.and_then(|question| question.answer(until))));
        }
        memory.lock().extend(answers.clone());
        Programs { answers, places }
    }

    /// What is known of the program that these words start in this folder.
    pub(crate) fn program(&self, dir: &Path, words: &[String]) -> Program {
        let dir = absolute(dir);
        match self.places.find(&dir, words.first().map_or("", String::as_str)) {
            Err(looked) => Program::Missing { looked, there: self.places.ours() },
            Ok(_) => self.answer(&dir, words).map_or(Program::Silent, |it| Program::Described(it.clone())),
        }
    }

    /// Whether the program described itself: then it is made with the SDK and sends heartbeats.
    pub(crate) fn is_described(&self, dir: &Path, words: &[String]) -> bool {
        self.description(dir, words).is_some()
    }

    /// What the program said of itself.
    pub(crate) fn description(&self, dir: &Path, words: &[String]) -> Option<&Description> {
        self.answer(&absolute(dir), words)
    }

    fn answer(&self, dir: &Path, words: &[String]) -> Option<&Description> {
        self.answers.get(&asked(&self.places, dir, words)?)?.1.as_ref()
    }
}

fn absolute(dir: &Path) -> PathBuf {
    std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned())
}

/// The program, when it may be asked: ours, or a bare name.
fn asked(places: &Places, dir: &Path, words: &[String]) -> Option<PathBuf> {
    let (word, args) = words.split_first()?;
    let program = places.find(&absolute(dir), word).ok()?;
    let bare = args.is_empty() && !word.contains('/');
    (bare || places.is_ours(&program)).then_some(program)
}

/// What runs a program so that it ends with launch, whatever ends that: it is no node, so nobody else would end it.
fn asking(program: &Path) -> Command {
    if cfg!(test) {
        // A test is not launch and knows no births.
        return Command::new(program);
    }
    let mut command = Command::new("/proc/self/exe");
    // The thread that asks waits for the answer: the signal that follows it comes with the end of launch only.
    let enter = Enter { parent: std::process::id(), ends_at_once: true, ..Enter::default() };
    command.args(enter.words()).arg(program);
    command
}

struct Question {
    child: Child,
    text: Receiver<Vec<u8>>,
}

impl Question {
    fn ask(program: &Path) -> Option<Question> {
        let mut child = asking(program)
            .arg("--describe")
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let out = child.stdout.take()?;
        let (tell, text) = channel();
        thread::spawn(move || {
            let mut bytes = Vec::new();
            // A read that fails is an answer that does not parse.
            let _ = out.take(ANSWER_MAX).read_to_end(&mut bytes);
            let _ = tell.send(bytes);
        });
        Some(Question { child, text })
    }

    fn answer(mut self, until: Instant) -> Option<Description> {
        let text = self.text.recv_timeout(until.saturating_duration_since(Instant::now()));
        if text.is_err() {
            signal_group(self.child.id(), Force::Kill);
        }
        // It closed its output, or was killed: it ends now, unless it is up to something.
        while text.is_ok() && matches!(self.child.try_wait(), Ok(None)) {
            if Instant::now() >= until {
                signal_group(self.child.id(), Force::Kill);
                break;
            }
            thread::sleep(Duration::from_millis(1));
        }
        // While graphs run, launch buries all its children, and may have been faster: then its answer speaks for it.
        let ended_well = self.child.wait().map_or_else(is_buried, |status| status.success());
        serde_json::from_slice(&text.ok()?).ok().filter(|_| ended_well)
    }
}

fn is_buried(error: std::io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::CHILD.raw_os_error())
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    #[test]
    fn programs_answer_at_once_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let places = Places { beside: dir.path().to_owned(), path: Vec::new() };
        let scripts = [
            ("good", r#"[ "$1" = --describe ] && echo '{"about": "good"}'"#),
            ("bad", "echo '{}'; exit 1"),
            ("silent", "exec sleep 100"),
            ("endless", "exec cat /dev/zero"),
            ("junk", "echo hello"),
        ];
        for (name, script) in scripts {
            let path = dir.path().join(name);
            fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(0o700)).unwrap();
        }
        let run = |name: &str| (dir.path().to_owned(), vec![name.to_owned()]);
        let began = Instant::now();
        let runs: Vec<_> = scripts.iter().map(|(name, _)| run(name)).chain([run("none")]).collect();
        let programs = Programs::ask(places, &runs, &Memory::default());
        assert!(began.elapsed() < ANSWER_WITHIN * 2);
        let known = |name: &str| programs.program(dir.path(), &[name.to_owned()]);
        assert!(matches!(known("good"), Program::Described(description) if description.about == "good"));
        for name in ["bad", "silent", "endless", "junk"] {
            assert!(matches!(known(name), Program::Silent), "{name}");
        }
        assert!(matches!(known("none"), Program::Missing { .. }));
    }

    #[test]
    fn a_foreign_program_with_arguments_is_not_started() {
        let places = Places { beside: "/nowhere".into(), path: vec!["/bin".into()] };
        let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
        let dir = Path::new("/");
        assert!(asked(&places, dir, &words(&["sh"])).is_some());
        assert!(asked(&places, dir, &words(&["sh", "-c", "true"])).is_none());
        assert!(asked(&places, dir, &words(&["bin/sh"])).is_none());
    }
}
