//! Replays a folder of pictures in a loop, by name. JPEGs go out byte for byte; what does not read is reported once and left out.

use std::{
    fs, io,
    path::{Path, PathBuf},
    thread,
    time::Instant,
};

use bytes::Bytes;
use offboard::{
    Error, Result, clock,
    proto::{MESSAGE_MAX, jpeg},
};
use tracing::{info, warn};

use super::{Frame, Layout, Picture, Seen, Source};
use crate::{pixels, schedule::Schedule};

/// The most pictures that are taken from a folder: their names must fit in memory.
const FILES_MAX: usize = 1_000_000;

/// A folder of pictures.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    files: Vec<PathBuf>,
    at: usize,
    schedule: Schedule,
}

impl Folder {
    /// Lists the pictures, sorted by name.
    ///
    /// # Errors
    /// A configuration error when the folder cannot be read or holds no picture.
    pub(crate) fn open(path: &Path, rate: f64) -> Result<Folder> {
        let files = pictures(path).map_err(|error| Error::config(format!("device {}: {error}", path.display())))?;
        if files.is_empty() {
            let sentence = format!("device {}: there is no .jpg, .jpeg or .png file in this folder", path.display());
            return Err(Error::config(sentence));
        }
        info!("replaying {} pictures from {}", files.len(), path.display());
        Ok(Folder { path: path.to_owned(), files, at: 0, schedule: Schedule::new(Instant::now(), rate) })
    }

    /// The next picture that reads. None when none is left.
    fn picture(&mut self) -> Option<Frame> {
        while !self.files.is_empty() {
            self.at %= self.files.len();
            match read(&self.files[self.at]) {
                Ok(frame) => {
                    self.at += 1;
                    return Some(frame);
                }
                Err(problem) => {
                    // Left out from now on, so it is reported once however often the folder is replayed.
                    let file = self.files.remove(self.at);
                    warn!("{} is left out: {problem}", file.display());
                }
            }
        }
        None
    }
}

impl Source for Folder {
    fn next(&mut self) -> Seen {
        // Read ahead: the picture is ready when it is due.
        let Some(frame) = self.picture() else {
            return Seen::Over(format!("no picture of {} can be read", self.path.display()));
        };
        let now = Instant::now();
        thread::sleep(self.schedule.next(now).saturating_duration_since(now));
        Seen::Frame(Frame { stamp_ns: clock::now_ns(), ..frame })
    }
}

fn pictures(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries: io::Result<Vec<_>> = fs::read_dir(folder)?.collect();
    let mut files: Vec<PathBuf> =
        entries?.into_iter().map(|entry| entry.path()).filter(|path| is_picture(path)).collect();
    files.sort();
    files.truncate(FILES_MAX);
    Ok(files)
}

fn is_picture(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    ["jpg", "jpeg", "png"].iter().any(|known| extension.eq_ignore_ascii_case(known)) && path.is_file()
}

fn read(path: &Path) -> Result<Frame, String> {
    let length = fs::metadata(path).map_err(|error| error.to_string())?.len();
    if length > MESSAGE_MAX as u64 {
        return Err(format!("it has {length} bytes, more than the 64 MiB of a message"));
    }
    let data = fs::read(path).map_err(|error| error.to_string())?;
    if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("png")) {
        let (rgb, width, height) = pixels::decode_png(&data)?;
        return Ok(Frame { stamp_ns: 0, width, height, picture: Picture::Pixels(Layout::Rgb, rgb.into()) });
    }
    jpeg_frame(data.into())
}

/// A JPEG file's picture: the file as it is, or up to its end marker where something follows.
fn jpeg_frame(data: Bytes) -> Result<Frame, String> {
    let (width, height) = jpeg::size(&data).map_err(|error| error.to_string())?;
    let end = jpeg::length(&data).ok_or("it is cut off: its end marker is missing")?;
    Ok(Frame { stamp_ns: 0, width, height, picture: Picture::Jpeg(data.slice(..end)) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pixels::encode_jpeg;

    fn jpeg_of(gray: u8) -> Vec<u8> {
        encode_jpeg(&vec![gray; 32 * 16 * 3], 32, 16, 80).unwrap()
    }

    fn sent(frame: &Frame) -> &[u8] {
        let Picture::Jpeg(data) = &frame.picture else { panic!("no jpeg: {frame:?}") };
        data
    }

    #[test]
    fn a_replay_is_byte_identical_sorted_and_loops() {
        let dir = tempfile::tempdir().unwrap();
        let pictures: Vec<Vec<u8>> = [10, 90, 200].map(jpeg_of).to_vec();
        for (name, data) in ["b.JPG", "c.jpeg", "d.jpg"].iter().zip(&pictures) {
            fs::write(dir.path().join(name), data).unwrap();
        }
        fs::write(dir.path().join("a.txt"), "no picture").unwrap();
        let mut folder = Folder::open(dir.path(), 1000.0).unwrap();
        for turn in 0..7 {
            let Seen::Frame(frame) = folder.next() else { panic!("turn {turn}") };
            assert_eq!(sent(&frame), pictures[turn % 3], "turn {turn}");
            assert_eq!((frame.width, frame.height), (32, 16));
        }
    }

    #[test]
    fn a_corrupt_file_is_left_out() {
        let dir = tempfile::tempdir().unwrap();
        let good = jpeg_of(50);
        fs::write(dir.path().join("1.jpg"), &good[..good.len() - 9]).unwrap();
        fs::write(dir.path().join("2.jpg"), b"\xff\xd8\xff\xc0\0\x08\x08\xff\xff\xff\xff\x01").unwrap();
        fs::write(dir.path().join("3.png"), b"\x89PNG\r\n\x1a\nno").unwrap();
        fs::write(dir.path().join("4.jpg"), &good).unwrap();
        fs::write(dir.path().join("5.jpg"), "").unwrap();
        let mut folder = Folder::open(dir.path(), 1000.0).unwrap();
        for _ in 0..3 {
            assert_eq!(sent(&folder.picture().unwrap()), good);
        }
        assert_eq!(folder.files.len(), 1, "each corrupt file is met once");
    }

    #[test]
    fn a_folder_without_any_good_picture_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let error = Folder::open(dir.path(), 30.0).unwrap_err().to_string();
        assert!(error.ends_with("there is no .jpg, .jpeg or .png file in this folder"), "{error}");
        fs::write(dir.path().join("1.jpg"), "x").unwrap();
        let mut folder = Folder::open(dir.path(), 30.0).unwrap();
        assert!(matches!(folder.next(), Seen::Over(_)));
    }

    #[test]
    fn a_png_is_decoded_whatever_its_colours() {
        let dir = tempfile::tempdir().unwrap();
        let file = fs::File::create(dir.path().join("1.png")).unwrap();
        let mut encoder = png::Encoder::new(file, 2, 1);
        encoder.set_color(png::ColorType::GrayscaleAlpha);
        encoder.write_header().unwrap().write_image_data(&[7, 255, 200, 0]).unwrap();
        let frame = Folder::open(dir.path(), 30.0).unwrap().picture().unwrap();
        let Picture::Pixels(Layout::Rgb, rgb) = frame.picture else { panic!("no pixels") };
        assert_eq!(&rgb[..], [7, 7, 7, 200, 200, 200]);
    }

    #[test]
    fn a_tail_behind_the_end_marker_does_not_go_out() {
        let good = jpeg_of(50);
        let mut long = good.clone();
        long.extend(b"some camera's notes");
        assert_eq!(sent(&jpeg_frame(long.into()).unwrap()), good);
    }
}
