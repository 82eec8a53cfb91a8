//! The machine: folders, limits, memory, clock, programs, and how nodes are contained.
//! It never makes a folder that `launch` would not make itself.

use std::{env, fs, path::Path, time::SystemTime};

use offboard::wiring::RunDir;
use rustix::{
    fs::{Access, access},
    process::{Resource, getrlimit},
};

use super::{Finding, State};
use crate::{cgroup, child::Places, client, logs, words::rfc3339};

/// Fewer open files are too few for a graph of some ten nodes with all their edges.
const FILES_MIN: u64 = 1024;

/// Less memory than this is soon used up, in KiB.
const MEMORY_MIN_KIB: u64 = 128 << 10;

/// Less room than this is soon written full, in bytes.
const ROOM_MIN: u64 = 64 << 20;

/// The clock of a machine without a battery begins long before this (2025-01-01), in seconds.
const CLOCK_MIN_S: u64 = 1_735_689_600;

pub(super) fn findings() -> Vec<Finding> {
    let mut findings = vec![
        runtime_folder(),
        log_folder(),
        programs(),
        containment(),
        open_files(),
        memory(),
        clock(SystemTime::now()),
    ];
    findings.extend(key());
    findings.extend(running());
    findings
}

fn runtime_folder() -> Finding {
    const WHAT: &str = "runtime folder";
    let base = match RunDir::base() {
        Ok(base) => base,
        Err(error) => {
            return Finding::new(WHAT, State::Bad, error).mend("export OFFBOARD_RUNTIME_DIR=/tmp/offboard-$USER");
        }
    };
    match room(&base) {
        Some(room) if room < ROOM_MIN => {
            Finding::new(WHAT, State::Warn, format!("{} has only {} MiB left", base.display(), room >> 20))
                .mend(format!("make room there: df -h {}", base.display()))
        }
        _ => Finding::ok(WHAT, base.display()),
    }
}

/// Logs are kept where one may write; without such a place launch goes on without.
fn log_folder() -> Finding {
    const WHAT: &str = "log folder";
    let Some(base) = logs::folder::base() else {
        return Finding::new(WHAT, State::Warn, "there is none; lines are only shown")
            .mend("export OFFBOARD_LOG_DIR=FOLDER");
    };
    // It is made when the first graph runs: until then the nearest folder that is there counts.
    let there = base.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("/"));
    if access(there, Access::WRITE_OK).is_err() {
        return Finding::new(
            WHAT,
            State::Warn,
            format!("you may not write in {}; lines are only shown", there.display()),
        )
        .mend("export OFFBOARD_LOG_DIR=FOLDER");
    }
    match room(there) {
        Some(room) if room < ROOM_MIN => {
            Finding::new(WHAT, State::Warn, format!("{} has only {} MiB left", base.display(), room >> 20))
                .mend("make room there, or export OFFBOARD_LOG_DIR=FOLDER; graphs run all the same")
        }
        _ => Finding::ok(WHAT, base.display()),
    }
}

/// How far what nodes start is held together, and whether their limits are kept.
fn containment() -> Finding {
    const WHAT: &str = "containment";
    let rung = cgroup::rung();
    let text = format!("{} ({})", rung.text, rung.name);
    match rung.mend {
        None => Finding::ok(WHAT, text),
        Some(mend) => {
            let why =
                if rung.why.is_empty() { String::new() } else { format!("\nwhy not better: {}", rung.why.join("; ")) };
            Finding::new(WHAT, State::Warn, text).mend(format!("{mend}{why}"))
        }
    }
}

/// How many bytes are free where this folder is.
fn room(folder: &Path) -> Option<u64> {
    let found = rustix::fs::statvfs(folder).ok()?;
    Some(found.f_bavail.saturating_mul(found.f_frsize))
}

fn programs() -> Finding {
    const WHAT: &str = "nodes";
    // Each of the two machines needs at least the link; the others are missed where a graph file names them.
    let places = Places::here();
    match places.find(Path::new("/"), offboard::wiring::LINK) {
        Ok(_) => Finding::ok(WHAT, format!("their programs are in {}", places.beside.display())),
        Err(_) => Finding::new(WHAT, State::Bad, format!("there is no program link in {}", places.beside.display()))
            .mend("build all of them: cargo build --release --workspace --bins"),
    }
}

fn open_files() -> Finding {
    const WHAT: &str = "open files";
    let limit = getrlimit(Resource::Nofile);
    match (limit.current, limit.maximum) {
        (Some(now), most) if now < FILES_MIN => {
            let most = most.map_or_else(|| "unlimited".to_owned(), |most| most.to_string());
            Finding::new(WHAT, State::Warn, format!("a process may have only {now} (at most {most})"))
                .mend("ulimit -n 4096, in the shell that starts launch")
        }
        (Some(now), _) => Finding::ok(WHAT, format!("{now} a process")),
        (None, _) => Finding::ok(WHAT, "as many as one wants"),
    }
}

fn memory() -> Finding {
    const WHAT: &str = "memory";
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let Some(kib) = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()) else {
        return Finding::new(WHAT, State::Note, "/proc/meminfo does not say");
    };
    if kib < MEMORY_MIN_KIB {
        return Finding::new(WHAT, State::Warn, format!("only {} MiB are free", kib >> 10))
            .mend("end what is not needed: the kernel kills programs when it runs out");
    }
    Finding::ok(WHAT, format!("{} MiB are free", kib >> 10))
}

fn clock(now: SystemTime) -> Finding {
    const WHAT: &str = "clock";
    let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    if since.as_secs() < CLOCK_MIN_S {
        return Finding::new(WHAT, State::Warn, format!("it says {}", rfc3339(now))).mend(
            "let it be set: sudo timedatectl set-ntp true (recordings and logs carry its time; control does not)",
        );
    }
    Finding::ok(WHAT, format!("it says {}", rfc3339(now)))
}

/// This user's key for the link: a file that others can read is refused by the link.
fn key() -> Option<Finding> {
    use std::os::unix::fs::PermissionsExt;
    const WHAT: &str = "key";
    let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(std::path::PathBuf::from);
    let path = set("OFFBOARD_KEY_FILE")
        .or_else(|| set("XDG_CONFIG_HOME").filter(|dir| dir.is_absolute()).map(|dir| dir.join("offboard/key")))
        .or_else(|| set("HOME").map(|home| home.join(".config/offboard/key")));
    let Some(path) = path else {
        return Some(Finding::new(WHAT, State::Warn, "there is no place for it").mend("export OFFBOARD_KEY_FILE=FILE"));
    };
    match path.metadata() {
        Err(_) => Some(Finding::new(WHAT, State::Note, "none yet; `launch key` makes and prints one")),
        Ok(found) if found.permissions().mode() & 0o077 != 0 => Some(
            Finding::new(WHAT, State::Bad, format!("{} may be read by others", path.display()))
                .mend(format!("chmod 600 {}", path.display())),
        ),
        Ok(_) => Some(Finding::ok(WHAT, path.display())),
    }
}

fn running() -> Option<Finding> {
    let names: Vec<String> = client::running().ok()?.into_iter().map(|client| client.graph).collect();
    if names.is_empty() {
        return Some(Finding::new("graphs", State::Note, "none is running"));
    }
    Some(Finding::ok("graphs", format!("running: {}", names.join(", "))))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_clock_without_a_battery_is_noticed() {
        assert_eq!(clock(SystemTime::UNIX_EPOCH + Duration::from_secs(100)).state, State::Warn);
        assert_eq!(clock(SystemTime::UNIX_EPOCH + Duration::from_secs(CLOCK_MIN_S)).state, State::Ok);
    }

    #[test]
    fn the_room_in_a_folder_is_known() {
        assert!(room(Path::new("/")).is_some());
        assert_eq!(room(Path::new("/nowhere")), None);
    }
}
