//! Writes pictures as PNGs, on a thread of its own, and keeps the newest of them. It never touches a file that is not named as its own.

use std::{
    collections::VecDeque,
    fs::{self, File},
    io::{self, BufWriter},
    path::{Path, PathBuf},
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use tracing::warn;

use crate::picture::Picture;

/// Pictures that wait to be written: a slow disk costs pictures, not memory.
const WAITING_MAX: usize = 8;
/// How often trouble is reported.
const REPORT_EVERY: Duration = Duration::from_secs(1);
/// What a file is called while it is written, so that no reader ever sees half a picture.
const UNFINISHED: &str = "png.part";

/// The side that has pictures to give.
pub(crate) struct Snapshots {
    every: Duration,
    last: Option<Instant>,
    queue: SyncSender<(u64, Arc<Picture>)>,
    left_out: u64,
    reported: Option<Instant>,
}

impl Snapshots {
    /// Makes the folder and starts writing there.
    ///
    /// # Errors
    /// When the folder cannot be made or read.
    pub(crate) fn start(folder: &Path, every: Duration, keep: usize) -> io::Result<Snapshots> {
        let album = Album::open(folder, keep)?;
        let (queue, pictures) = sync_channel(WAITING_MAX);
        thread::Builder::new().name("snapshots".to_owned()).spawn(move || write_all(album, &pictures))?;
        Ok(Snapshots { every, last: None, queue, left_out: 0, reported: None })
    }

    /// Gives a picture away when one is due; never waits.
    pub(crate) fn offer(&mut self, now: Instant, seq: u64, picture: &Arc<Picture>) {
        if self.last.is_some_and(|last| now.duration_since(last) < self.every) {
            return;
        }
        self.last = Some(now);
        if let Err(TrySendError::Full(_)) = self.queue.try_send((seq, picture.clone())) {
            self.left_out += 1;
            if self.reported.is_none_or(|last| last.elapsed() >= REPORT_EVERY) {
                self.reported = Some(Instant::now());
                warn!("snapshots are written too slowly: {} left out so far", self.left_out);
            }
        }
    }
}

fn write_all(mut album: Album, pictures: &Receiver<(u64, Arc<Picture>)>) {
    let mut reported: Option<Instant> = None;
    for (seq, picture) in pictures {
        let Err(error) = album.add(seq, &picture) else { continue };
        if reported.is_none_or(|last| last.elapsed() >= REPORT_EVERY) {
            reported = Some(Instant::now());
            warn!("no snapshot in {}: {error}", album.folder.display());
        }
    }
}

/// A folder of PNGs, of which the newest are kept.
struct Album {
    folder: PathBuf,
    keep: usize,
    /// The files, in the order they were written.
    files: VecDeque<PathBuf>,
}

impl Album {
    fn open(folder: &Path, keep: usize) -> io::Result<Album> {
        fs::create_dir_all(folder)?;
        let mut files = Vec::new();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if is_unfinished(&path) {
                fs::remove_file(&path)?; // a viewer was killed while it wrote
            } else if is_ours(&path) {
                files.push((fs::metadata(&path)?.modified()?, path));
            }
        }
        files.sort();
        Ok(Album { folder: folder.to_owned(), keep, files: files.into_iter().map(|(_, path)| path).collect() })
    }

    fn add(&mut self, seq: u64, picture: &Picture) -> io::Result<()> {
        let path = self.folder.join(format!("{seq:08}.png"));
        let unfinished = path.with_extension(UNFINISHED);
        write_png(&unfinished, picture)?;
        fs::rename(&unfinished, &path)?;
        // A camera that was started anew counts from 1 again and may have overwritten a file.
        self.files.retain(|file| *file != path);
        self.files.push_back(path);
        while self.files.len() > self.keep {
            if let Some(oldest) = self.files.pop_front() {
                gone(fs::remove_file(oldest))?;
            }
        }
        Ok(())
    }
}

/// That somebody else removed it is as good.
fn gone(removed: io::Result<()>) -> io::Result<()> {
    removed.or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
}

fn is_ours(path: &Path) -> bool {
    numbered(path) && path.extension().is_some_and(|extension| extension == "png")
}

fn is_unfinished(path: &Path) -> bool {
    numbered(path) && path.to_str().is_some_and(|name| name.ends_with(UNFINISHED))
}

/// Whether its name begins with a number of eight digits at least.
fn numbered(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let (number, _) = name.split_once('.').unwrap_or_default();
    number.len() >= 8 && number.bytes().all(|byte| byte.is_ascii_digit())
}

fn write_png(path: &Path, picture: &Picture) -> io::Result<()> {
    let (width, height) = (picture.width as u32, picture.height as u32);
    let mut encoder = png::Encoder::new(BufWriter::new(File::create(path)?), width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_compression(png::Compression::Fast);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&picture.rgb)?;
    writer.finish()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(value: u8) -> Picture {
        Picture { width: 3, height: 2, rgb: (0..18).map(|i| value.wrapping_add(i)).collect() }
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_png_holds_the_picture_itself() {
        let dir = tempfile::tempdir().unwrap();
        Album::open(dir.path(), 5).unwrap().add(42, &picture(100)).unwrap();
        let file = io::BufReader::new(File::open(dir.path().join("00000042.png")).unwrap());
        let mut reader = png::Decoder::new(file).read_info().unwrap();
        let mut rgb = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut rgb).unwrap();
        assert_eq!(rgb, picture(100).rgb);
        assert_eq!(names(dir.path()), ["00000042.png"], "nothing unfinished is left");
    }

    #[test]
    fn the_oldest_are_removed_and_strangers_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        for stranger in ["notes.txt", "1.png", "0000000x.png"] {
            fs::write(dir.path().join(stranger), "mine").unwrap();
        }
        let mut album = Album::open(dir.path(), 3).unwrap();
        for seq in 1..=10 {
            album.add(seq, &picture(1)).unwrap();
        }
        let kept = ["00000008.png", "00000009.png", "0000000x.png", "00000010.png", "1.png", "notes.txt"];
        assert_eq!(names(dir.path()), kept);
    }

    #[test]
    fn what_an_earlier_viewer_left_counts() {
        let dir = tempfile::tempdir().unwrap();
        let mut earlier = Album::open(dir.path(), 5).unwrap();
        (1..=5).for_each(|seq| earlier.add(seq, &picture(1)).unwrap());
        fs::write(dir.path().join("00000006.png.part"), "half a pict").unwrap();
        let mut album = Album::open(dir.path(), 2).unwrap();
        album.add(1, &picture(2)).unwrap(); // the camera was started anew
        assert_eq!(names(dir.path()).len(), 2);
        assert!(names(dir.path()).contains(&"00000001.png".to_owned()));
    }

    #[test]
    fn pictures_are_written_as_often_as_asked() {
        let dir = tempfile::tempdir().unwrap();
        let (queue, written) = sync_channel(100);
        let every = Duration::from_secs(1);
        let mut snapshots = Snapshots { every, last: None, queue, left_out: 0, reported: None };
        let (start, shot) = (Instant::now(), Arc::new(picture(1)));
        for frame in 0..90 {
            snapshots.offer(start + Duration::from_millis(frame * 33), frame, &shot);
        }
        drop(snapshots);
        let taken: Vec<u64> = written.iter().map(|(seq, _)| seq).collect();
        assert_eq!(taken, [0, 31, 62]);
        assert_eq!(names(dir.path()).len(), 0);
    }

    #[test]
    fn a_full_disk_queue_costs_pictures_and_never_waits() {
        let (queue, written) = sync_channel(WAITING_MAX);
        let mut snapshots = Snapshots { every: Duration::ZERO, last: None, queue, left_out: 0, reported: None };
        let shot = Arc::new(picture(1));
        (0..100).for_each(|seq| snapshots.offer(Instant::now(), seq, &shot));
        assert_eq!(snapshots.left_out, 100 - WAITING_MAX as u64);
        drop(snapshots);
        assert_eq!(written.iter().count(), WAITING_MAX);
    }
}
