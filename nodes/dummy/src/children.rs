//! Child processes that a dummy leaves behind: this program again, asleep. None outlives ten minutes.

use std::{
    env, io,
    process::{Child, Command, ExitCode},
    thread,
    time::Duration,
};

use crate::params::Children;

/// The word that makes this program a child.
const CHILD: &str = "--child";

/// The longest life of a child: longer than any test, short enough not to litter a machine.
const LIFE: Duration = Duration::from_secs(600);

impl Children {
    fn word(self) -> &'static str {
        match self {
            Children::Plain => "plain",
            Children::Setsid => "setsid",
            Children::Daemon => "daemon",
        }
    }
}

/// Starts `count` children. They keep the node's standard output and error open, as real ones do.
///
/// # Errors
/// When the system gives no more processes.
pub(crate) fn start(count: u32, kind: Children) -> io::Result<Vec<Child>> {
    (0..count)
        .map(|_| {
            let mut child = spawn(kind)?;
            if kind == Children::Daemon {
                child.wait()?; // it ends as soon as it has started the one that stays
            }
            tracing::info!("started {} child {}", kind.word(), child.id());
            Ok(child)
        })
        .collect()
}

fn spawn(kind: Children) -> io::Result<Child> {
    Command::new(env::current_exe()?).args([CHILD, kind.word()]).spawn()
}

/// What kind of child this process is; none when it is the node.
pub(crate) fn asked() -> Option<Children> {
    let mut words = env::args().skip(1);
    (words.next()? == CHILD).then_some(())?;
    let word = words.next()?;
    [Children::Plain, Children::Setsid, Children::Daemon].into_iter().find(|kind| kind.word() == word)
}

/// Lives as a child.
pub(crate) fn live(kind: Children) -> ExitCode {
    let begun = match kind {
        Children::Plain => Ok(()),
        Children::Setsid => rustix::process::setsid().map(drop).map_err(io::Error::from),
        Children::Daemon => return if spawn(Children::Setsid).is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE },
    };
    if begun.is_err() {
        return ExitCode::FAILURE;
    }
    thread::sleep(LIFE);
    ExitCode::SUCCESS
}
