//! Finishes recordings that an earlier recorder left without an end. It never throws away what it could not read.

use std::{
    fs,
    io::{self, Read as _, Seek as _, SeekFrom},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use offboard::recording::{Repaired, repair};
use rustix::fs::statvfs;
use tracing::{info, warn};

use crate::{
    files::{self, Lock},
    naming::{ENDING, is_ours},
    params::Target,
};

/// The end of every finished recording.
const MAGIC: [u8; 8] = *b"\x89MCAP0\r\n";
/// The most files that are looked at.
const FILES_MAX: usize = 10_000;

/// Recordings of this recorder's that are not finished.
pub(crate) fn unfinished(target: &Target) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(&target.dir) else { return Vec::new() };
    let paths = entries.take(FILES_MAX).filter_map(|entry| Some(entry.ok()?.path()));
    let mut paths: Vec<PathBuf> =
        paths.filter(|path| is_ours(target, path) && !has_end(path).unwrap_or(true)).collect();
    paths.sort();
    paths
}

fn has_end(path: &Path) -> io::Result<bool> {
    let mut file = files::open(path)?;
    let mut end = [0; MAGIC.len()];
    // A file shorter than that has no end either.
    let read = file.seek(SeekFrom::End(-(MAGIC.len() as i64))).and_then(|_| file.read_exact(&mut end));
    Ok(read.is_ok() && end == MAGIC && file.metadata()?.len() > MAGIC.len() as u64)
}

/// Mends these files, one after another, and says what came of it.
pub(crate) fn mend_all(paths: &[PathBuf], target: &Target) {
    for path in paths {
        match mend(path, target) {
            Ok(Some(words)) => info!("{}: {words}", path.display()),
            Ok(None) => {}
            Err(problem) => warn!("{} stays unfinished: {problem}", path.display()),
        }
    }
}

/// Mends a file; none when another recorder is writing it.
fn mend(path: &Path, target: &Target) -> Result<Option<String>, String> {
    let words = |error: io::Error| error.to_string();
    let file = files::open(path).map_err(words)?;
    if files::lock(&file) != Lock::Ours {
        return Ok(None);
    }
    sweep(path);
    let about = file.metadata().map_err(words)?;
    if about.nlink() == 0 {
        return Ok(None); // somebody else was faster
    }
    let bytes = about.len();
    if bytes == 0 {
        fs::remove_file(path).map_err(words)?;
        return Ok(Some("removed: nothing had been written to it".to_owned()));
    }
    let free = free(&target.dir).map_err(words)?;
    if free < bytes.saturating_add(target.low_water) {
        return Err(format!("mending needs {} MiB and the disk has {} MiB left", bytes >> 20, free >> 20));
    }
    let half = path.with_extension(format!("{ENDING}.mending"));
    let repaired = repair(path, &half).map_err(|error| error.to_string())?;
    let words = put_in_place(path, &half, &repaired).map_err(words);
    if words.is_err() {
        drop(fs::remove_file(&half));
    }
    words.map(Some)
}

fn put_in_place(path: &Path, half: &Path, repaired: &Repaired) -> io::Result<String> {
    let Repaired { messages, damage } = repaired;
    let kept = files::exchange(path, half, damage.as_ref())?;
    Ok(match (kept, damage) {
        (Some(kept), Some(damage)) => {
            format!("mended: {messages} messages are whole; what was there is kept as {}: {damage}", kept.display())
        }
        _ => format!("finished after the fact: all its {messages} messages are whole"),
    })
}

/// Removes what a killed mending of this file left behind; nobody else is at it.
fn sweep(path: &Path) {
    let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else { return };
    let begin = format!(".{}.mending.", name.to_string_lossy());
    let Ok(entries) = fs::read_dir(dir) else { return };
    for entry in entries.take(FILES_MAX).flatten() {
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix(&begin)?.strip_suffix(".half"));
        if number.is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit())) {
            drop(fs::remove_file(entry.path()));
        }
    }
}

/// Bytes left on the disk of a folder.
pub(crate) fn free(dir: &Path) -> io::Result<u64> {
    let disk = statvfs(dir)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

#[cfg(test)]
mod tests {
    use offboard::{
        Header,
        recording::{Compression, Descriptors, Options, Reader, Recorded, Writer},
    };

    use super::*;

    fn target(dir: &Path) -> Target {
        Target {
            dir: dir.to_owned(),
            stem: "run".into(),
            dated: true,
            compression: Compression::None,
            low_water: 0,
            split_bytes: None,
            split_after: std::time::Duration::MAX,
            descriptors: Descriptors::default(),
            mend: true,
        }
    }

    fn write(path: &Path) {
        let mut writer = Writer::create(path, Options::default()).unwrap();
        for seq in 1..=100 {
            let header = Header { seq, r#type: "a.B".into(), ..Header::default() };
            let payload = vec![7; 100].into();
            writer.write(&Recorded { topic: "a/b".into(), header, received_ns: 1, payload }).unwrap();
        }
        writer.finish().unwrap();
    }

    #[test]
    fn what_was_left_unfinished_is_finished_and_nothing_unread_is_thrown_away() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let target = target(dir.path());
        write(&path("run-20260101-000000.mcap"));
        let whole = fs::read(path("run-20260101-000000.mcap")).unwrap();
        fs::write(path("run-20260101-000001.mcap"), &whole[..whole.len() - 20]).unwrap();
        fs::write(path("run-20260101-000002.mcap"), &whole[..9000]).unwrap();
        fs::write(path("run-20260101-000003.mcap"), b"").unwrap();
        fs::write(path("running.mcap"), b"another's").unwrap();
        fs::write(path(".run-20260101-000002.mcap.mending.4194305.half"), b"of a mending that was killed").unwrap();
        let found = unfinished(&target);
        assert_eq!(found, [1, 2, 3].map(|number| path(&format!("run-20260101-00000{number}.mcap"))));
        mend_all(&found, &target);
        assert!(unfinished(&target).is_empty());
        let count = |number: u32| {
            let mut reader = Reader::open(&path(&format!("run-20260101-00000{number}.mcap"))).unwrap();
            let count = reader.by_ref().count();
            assert_eq!(reader.damage(), None);
            count
        };
        assert_eq!((count(0), count(1)), (100, 100));
        assert!((1..100).contains(&count(2)));
        assert!(!path("run-20260101-000003.mcap").exists());
        let mut names: Vec<_> =
            fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        let kept: Vec<_> = names.iter().filter(|name| name.contains("damaged") || name.contains("mending")).collect();
        assert_eq!(kept, ["run-20260101-000002.mcap.damaged"]);
    }

    #[test]
    fn a_file_that_is_being_written_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run.mcap");
        fs::write(&path, b"\x89MCAP0\r\n").unwrap();
        let writing = fs::File::open(&path).unwrap();
        assert_eq!(files::lock(&writing), Lock::Ours);
        assert_eq!(mend(&path, &target(dir.path())), Ok(None));
    }
}
