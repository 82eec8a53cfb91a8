//! Stories about files that rotate, vanish and do not fit.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Mutex,
};

use super::*;

struct Desk {
    dir: tempfile::TempDir,
    said: Arc<Mutex<Vec<String>>>,
    notices: Arc<Notices>,
}

impl Desk {
    fn new() -> Desk {
        let said = Arc::new(Mutex::new(Vec::new()));
        let to = Arc::clone(&said);
        let notices = Arc::new(Notices::new(move |_, text: &str| to.lock().unwrap().push(text.to_owned())));
        Desk { dir: tempfile::tempdir().unwrap(), said, notices }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join("log").join(name)
    }

    fn rotating(&self, size: u64, keep: u32) -> Rotating {
        self.rotating_in(&self.dir.path().join("log"), size, keep)
    }

    fn rotating_in(&self, path: &Path, size: u64, keep: u32) -> Rotating {
        let folder = Folder { path: path.to_owned(), own: true };
        let kept = Kept { folder, name: "a.log".to_owned(), size, keep };
        Rotating::new(Some(kept), None, Arc::clone(&self.notices))
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }
}

fn numbers(range: std::ops::Range<u32>) -> String {
    range.map(|number| format!("{number:07}\n")).collect()
}

#[test]
fn rotation_loses_nothing_and_no_file_is_too_long() {
    let desk = Desk::new();
    let mut rotating = desk.rotating(100, 50);
    for start in (0..400).step_by(40) {
        rotating.write(numbers(start..start + 40).as_bytes(), 0);
    }
    let files: Vec<String> = (0..=50)
        .rev()
        .map(|times| desk.read(&rotated("a.log".as_ref(), times).display().to_string()))
        .filter(|text| !text.is_empty())
        .collect();
    assert!(files.iter().all(|file| file.len() <= 100 && file.ends_with('\n')));
    assert_eq!(files.len(), 34);
    assert_eq!(files.concat(), numbers(0..400));
}

#[test]
fn only_so_many_old_files_are_kept() {
    let desk = Desk::new();
    desk.rotating(16, 2).write(numbers(0..100).as_bytes(), 0);
    assert_eq!(
        (desk.read("a.log.2"), desk.read("a.log.1"), desk.read("a.log")),
        (numbers(94..96), numbers(96..98), numbers(98..100))
    );
    assert!(!desk.path("a.log.3").exists());
    let none = Desk::new();
    none.rotating(16, 0).write(numbers(0..100).as_bytes(), 0);
    assert_eq!(none.read("a.log"), numbers(98..100));
    assert!(!none.path("a.log.1").exists());
}

#[test]
fn a_line_longer_than_a_file_has_one_of_its_own() {
    let desk = Desk::new();
    let long = format!("{}\n", "x".repeat(100));
    desk.rotating(16, 5).write(format!("a\n{long}b\n").as_bytes(), 0);
    assert_eq!((desk.read("a.log.2"), desk.read("a.log.1"), desk.read("a.log")), ("a\n".into(), long, "b\n".into()));
}

#[test]
fn lines_that_found_no_room_are_told_where_they_are_missing() {
    let desk = Desk::new();
    let mut rotating = desk.rotating(10_000, 5);
    rotating.write(b"a\n", 7);
    rotating.write(b"b\n", 0);
    let text = desk.read("a.log");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!((lines[0], lines[2]), ("a", "b"));
    assert!(lines[1].ends_with(" WARN -- 7 lines not kept: they came faster than they could be written --"), "{text}");
}

#[test]
fn a_removed_folder_is_made_again() {
    let desk = Desk::new();
    let mut rotating = desk.rotating(10_000, 5);
    rotating.write(b"a\n", 0);
    fs::remove_dir_all(desk.path("")).unwrap();
    rotating.write(b"b\n", 0);
    assert_eq!(desk.read("a.log"), "b\n");
}

#[test]
fn a_file_that_was_moved_is_begun_anew() {
    let desk = Desk::new();
    let mut rotating = desk.rotating(10_000, 5);
    rotating.write(b"a\n", 0);
    fs::rename(desk.path("a.log"), desk.path("moved")).unwrap();
    if let Some(open) = &mut rotating.open {
        open.looked -= LOOK_EVERY;
    }
    rotating.write(b"b\n", 0);
    assert_eq!((desk.read("moved"), desk.read("a.log")), ("a\n".into(), "b\n".into()));
}

#[test]
fn a_line_that_was_cut_off_by_a_kill_is_ended() {
    let desk = Desk::new();
    fs::create_dir_all(desk.path("")).unwrap();
    fs::write(desk.path("a.log"), "half").unwrap();
    desk.rotating(10_000, 5).write(b"whole\n", 0);
    assert_eq!(desk.read("a.log"), "half\nwhole\n");
}

#[test]
fn what_cannot_be_opened_is_said_once_and_goes_on_when_it_can() {
    let desk = Desk::new();
    fs::write(desk.path(""), "a file where the folder should be").unwrap_or_else(|_| {
        fs::write(desk.dir.path().join("log"), "a file where the folder should be").unwrap();
    });
    let mut rotating = desk.rotating(10_000, 5);
    rotating.write(b"1\n2\n", 0);
    rotating.write(b"3\n", 0);
    assert_eq!(desk.said.lock().unwrap().len(), 1);
    assert_eq!(rotating.missing, 3);
    fs::remove_file(desk.dir.path().join("log")).unwrap();
    rotating.retry_at = Some(Instant::now());
    rotating.write(b"4\n", 0);
    let text = desk.read("a.log");
    assert!(text.contains("WARN -- 3 lines not kept: ") && text.ends_with(" --\n4\n"), "{text}");
    let said = desk.said.lock().unwrap();
    assert!(said.len() == 2 && said[1].ends_with("log again; 3 of a.log were not"), "{said:?}");
}

/// A disk of 256 KiB, unmounted with it.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn new() -> Option<SmallDisk> {
        let dir = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=256k", "tmpfs"]).arg(dir.path()).output();
        mounted.is_ok_and(|out| out.status.success()).then_some(SmallDisk(dir))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).output();
    }
}

#[test]
fn a_full_disk_costs_lines_that_are_counted_and_never_half_a_line() {
    let Some(disk) = SmallDisk::new() else {
        return println!("skipped: mounting a small disk needs root");
    };
    let desk = Desk::new();
    let folder = disk.0.path().join("log");
    let read = || fs::read_to_string(folder.join("a.log")).unwrap_or_default();
    fs::write(disk.0.path().join("ballast"), vec![0; 200 << 10]).unwrap();
    let mut rotating = desk.rotating_in(&folder, 10 << 20, 3);
    for start in (0..40_000).step_by(1000) {
        rotating.write(numbers(start..start + 1000).as_bytes(), 0);
    }
    let before = read();
    let kept = before.lines().count() as u32;
    assert!(kept < 20_000 && before == numbers(0..kept), "{kept} lines kept");
    let missing = 40_000 - kept;
    assert_eq!(rotating.missing, u64::from(missing));
    assert_eq!(desk.said.lock().unwrap().len(), 1);
    fs::remove_file(disk.0.path().join("ballast")).unwrap();
    rotating.retry_at = Some(Instant::now());
    rotating.write(numbers(40_000..40_010).as_bytes(), 0);
    let after = read();
    let told = format!(" WARN -- {missing} lines not kept: no space left on device --\n{}", numbers(40_000..40_010));
    assert!(after.starts_with(&before) && after.ends_with(&told), "{}", &after[before.len()..]);
}

#[test]
fn a_note_says_where_a_file_is_that_is_not_at_its_place() {
    let desk = Desk::new();
    let folder = Folder { path: desk.path(""), own: true };
    let leave = |to: Option<&str>| {
        Pointer { folder: folder.clone(), node: "a".to_owned(), to: to.map(str::to_owned) }.leave().unwrap();
    };
    leave(None);
    assert!(!desk.path("").exists());
    leave(Some("/tmp/far.log"));
    assert_eq!(desk.read("a.at"), "/tmp/far.log");
    leave(Some(""));
    assert_eq!(desk.read("a.at"), "");
    leave(None);
    assert!(!desk.path("a.at").exists());
}
