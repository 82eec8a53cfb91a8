//! What becomes of the files that nodes' lines are kept in when there are too many of them, or no room.

use std::{fs, path::Path, process::Command};

use offboard_tests::{Bed, fault::Row, resident_kib, until};

/// Bytes of all files below a folder.
fn size(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.map(|path| if path.is_dir() { size(&path) } else { path.metadata().map_or(0, |file| file.len()) }).sum()
}

#[test]
fn a_flood_turns_over_its_files_and_grows_nothing() {
    let bed = Bed::new();
    let victim = "[node.flood]\nrun = [\"yes\", \"a line of a flood\"]\nlog = { size = \"256KiB\", keep = 2 }\n";
    let row = Row::start_unheard(&bed, "turns", victim, &[]);
    let folder = bed.files().parent().unwrap().join("log");
    // Three files of the flood, and what the others said.
    let (launch, mut most, mut most_kib) = (row.launch.pid(), 0, 0);
    let first_kib = resident_kib(launch);
    let mut turned = 0;
    until("the files turned over many times", || {
        (most, most_kib) = (size(&folder).max(most), resident_kib(launch).max(most_kib));
        turned += 1;
        (turned > 500 && most > 600 << 10).then_some(())
    });
    println!("at most {} KiB of files; launch grew by {} KiB", most >> 10, most_kib.saturating_sub(first_kib));
    assert!(most < 1200 << 10, "{most} bytes of files");
    assert!(most_kib.saturating_sub(first_kib) < 16 << 10, "{most_kib} KiB");
    row.end();
}

/// A file system of a megabyte; unmounted when dropped.
struct Small<'a>(&'a Path);

impl Drop for Small<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

#[test]
fn a_full_disk_under_the_log_folder_costs_lines_and_nothing_else() {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: a small disk can only be mounted by root");
        return;
    }
    let bed = Bed::new();
    let folder = bed.files().join("small");
    fs::create_dir(&folder).unwrap();
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"]).arg(&folder).status().unwrap();
    if !mounted.success() {
        println!("skipped: this machine lets nobody mount a disk");
        return;
    }
    let _small = Small(&folder);
    let victim = "[node.flood]\nrun = [\"yes\", \"a line of a flood\"]\n";
    let mut row = Row::start_unheard(&bed, "full", victim, &[("OFFBOARD_LOG_DIR", folder.to_str().unwrap())]);
    let flood = row.pid("flood");
    until("the disk is full", || (size(&folder) > 900 << 10).then_some(()));
    row.nobody_noticed();
    row.mark();
    row.nobody_noticed();
    assert_eq!(row.pid("flood"), flood, "who floods lives on");
    row.end();
}
