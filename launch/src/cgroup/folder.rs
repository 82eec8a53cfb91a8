//! The files in a group's folder: who is in it, how all of them are killed, how it is removed. It never makes one.

use std::{
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
};

use crate::{child::signal_process, supervisor::Force};

/// How the folder of a launch begins; its mark follows.
pub(crate) const RUN_PREFIX: &str = "offboard-";

/// How many groups below one are looked at: nodes have none, unless they are launchers or containers themselves.
const BELOW_MAX: usize = 1000;

/// How often those who are left are killed in a tree that cannot kill: whoever was just being born is met the second time.
const ROUNDS_MAX: usize = 3;

/// Whether a part of a path is the folder of a launch.
pub(super) fn is_ours(name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| name.starts_with(RUN_PREFIX))
}

/// Writes to one of the kernel's files, which are never made.
pub(super) fn write(path: &Path, text: &str) -> io::Result<()> {
    use std::io::Write;
    fs::OpenOptions::new().write(true).open(path)?.write_all(text.as_bytes())
}

/// A list of controllers.
pub(super) fn controllers(file: &Path) -> Vec<String> {
    fs::read_to_string(file).unwrap_or_default().split_whitespace().map(str::to_owned).collect()
}

/// A number behind a word, as in `oom_kill 3`.
pub(super) fn count(file: &Path, word: &str) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    text.lines().find_map(|line| line.strip_prefix(word)?.strip_prefix(' ')?.trim().parse().ok())
}

/// The processes in a group and in those below it.
pub(crate) fn processes(group: &Path) -> Vec<u32> {
    let read = |group: &PathBuf| fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    let texts: Vec<String> = with_below(group).iter().map(read).collect();
    texts.iter().flat_map(|text| text.lines()).filter_map(|line| line.parse().ok()).collect()
}

/// Whether a process is in a group or below it.
pub(super) fn is_populated(group: &Path) -> bool {
    match count(&group.join("cgroup.events"), "populated") {
        Some(populated) => populated > 0,
        None => !processes(group).is_empty(),
    }
}

/// Kills all processes in a group and below it; none can escape by forking.
pub(crate) fn kill(group: &Path) {
    if write(&group.join("cgroup.kill"), "1").is_ok() {
        return;
    }
    // Version 1: with room for no process nobody forks any more, so that those who are there are all.
    let _ = write(&group.join("pids.max"), "0");
    for _ in 0..ROUNDS_MAX {
        let left = processes(group);
        if left.is_empty() {
            return;
        }
        left.into_iter().for_each(|pid| signal_process(pid, Force::Kill));
    }
}

/// Removes a group and those below it; whether it is gone. One with processes stays.
pub(crate) fn remove(group: &Path) -> bool {
    // Those below come last in the list.
    for folder in with_below(group).iter().rev() {
        let _ = fs::remove_dir(folder);
    }
    !group.exists()
}

/// A group and all below it, each before those below it.
fn with_below(group: &Path) -> Vec<PathBuf> {
    let mut all = vec![group.to_owned()];
    let mut next = 0;
    while let Some(folder) = all.get(next).filter(|_| all.len() < BELOW_MAX) {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        let folders: Vec<PathBuf> = folders.map(|entry| entry.path()).collect();
        all.extend(folders);
        next += 1;
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_below_are_seen_and_removed_before_those_above() {
        let dir = tempfile::tempdir().unwrap();
        let group = dir.path().join("offboard-1-2");
        fs::create_dir_all(group.join("t:a/inner")).unwrap();
        fs::create_dir_all(group.join("t:b")).unwrap();
        assert_eq!(with_below(&group).len(), 4);
        fs::write(group.join("t:a/inner/cgroup.procs"), "7\n8\n").unwrap();
        assert_eq!(processes(&group), [7, 8]);
        assert!(is_populated(&group));
        fs::write(group.join("cgroup.events"), "populated 0\nfrozen 0\n").unwrap();
        assert!(!is_populated(&group));
        assert!(!remove(&group), "a folder with files in it stays");
        fs::remove_file(group.join("t:a/inner/cgroup.procs")).unwrap();
        fs::remove_file(group.join("cgroup.events")).unwrap();
        assert!(remove(&group));
    }

    #[test]
    fn counts_are_read_by_their_word() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("memory.events");
        fs::write(&file, "low 0\noom 5\noom_kill 3\noom_group_kill 1\n").unwrap();
        assert_eq!((count(&file, "oom_kill"), count(&file, "oom"), count(&file, "max")), (Some(3), Some(5), None));
    }
}
