//! Replays an MJPEG file (JPEGs one behind the other) in a loop, byte for byte. It never holds more than one picture and a chunk.

use std::{
    fs::File,
    io::{self, Read, Seek},
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

use super::{Frame, Picture, Seen, Source};
use crate::schedule::Schedule;

/// What a picture starts with: SOI and the beginning of the next marker.
const START: [u8; 3] = [0xff, 0xd8, 0xff];

/// How much is read from the file at first; more while a picture is longer.
const CHUNK: usize = 256 << 10;

/// An MJPEG file.
pub(crate) struct Mjpeg {
    path: PathBuf,
    splitter: Splitter<File>,
    schedule: Schedule,
}

impl Mjpeg {
    /// Opens the file and looks at its beginning.
    ///
    /// # Errors
    /// A configuration error when it cannot be read or does not begin with a JPEG.
    pub(crate) fn open(path: &Path, rate: f64) -> Result<Mjpeg> {
        let wrong = |problem: &dyn std::fmt::Display| Error::config(format!("device {}: {problem}", path.display()));
        let mut file = File::open(path).map_err(|error| wrong(&error))?;
        let mut start = [0; START.len()];
        file.read_exact(&mut start).map_err(|error| wrong(&error))?;
        if start != START {
            return Err(wrong(&"this file is no MJPEG: it does not begin with a JPEG"));
        }
        file.rewind().map_err(|error| wrong(&error))?;
        info!("replaying {}", path.display());
        let splitter = Splitter::new(file);
        Ok(Mjpeg { path: path.to_owned(), splitter, schedule: Schedule::new(Instant::now(), rate) })
    }

    /// The next picture, from the start again after the last. None when there is none in the whole file.
    fn picture(&mut self) -> io::Result<Option<Frame>> {
        if let Some(frame) = self.splitter.next_picture()? {
            return Ok(Some(frame));
        }
        if self.splitter.pictures == 0 {
            return Ok(None);
        }
        self.splitter.rewind()?;
        self.splitter.next_picture()
    }
}

impl Source for Mjpeg {
    fn next(&mut self) -> Seen {
        let frame = match self.picture() {
            Ok(Some(frame)) => frame,
            Ok(None) => return Seen::Over(format!("there is no whole picture in {}", self.path.display())),
            Err(error) => return Seen::Over(format!("{}: {error}", self.path.display())),
        };
        let now = Instant::now();
        thread::sleep(self.schedule.next(now).saturating_duration_since(now));
        Seen::Frame(Frame { stamp_ns: clock::now_ns(), ..frame })
    }
}

/// Cuts what it reads into pictures.
struct Splitter<R> {
    input: R,
    /// What was read; up to `at` it is done with.
    buffer: Vec<u8>,
    at: usize,
    /// Where `buffer` starts in the input.
    offset: u64,
    /// Good pictures in this pass.
    pictures: u64,
    /// What is broken is reported in the first pass only.
    reports: bool,
}

impl<R: Read + Seek> Splitter<R> {
    fn new(input: R) -> Splitter<R> {
        Splitter { input, buffer: Vec::new(), at: 0, offset: 0, pictures: 0, reports: true }
    }

    fn rewind(&mut self) -> io::Result<()> {
        self.input.rewind()?;
        self.buffer.clear();
        (self.at, self.offset, self.pictures, self.reports) = (0, 0, 0, false);
        Ok(())
    }

    /// The next good picture; none at the end of the input.
    fn next_picture(&mut self) -> io::Result<Option<Frame>> {
        while self.find_start()? {
            let Some(length) = self.find_end()? else {
                self.skip("it is cut off or longer than 64 MiB");
                continue;
            };
            let data = &self.buffer[self.at..self.at + length];
            match jpeg::size(data) {
                Ok((width, height)) => {
                    let picture = Picture::Jpeg(Bytes::copy_from_slice(data));
                    self.at += length;
                    self.pictures += 1;
                    return Ok(Some(Frame { stamp_ns: 0, width, height, picture }));
                }
                Err(problem) => self.skip(&problem.to_string()),
            }
        }
        Ok(None)
    }

    /// Goes to the next beginning of a picture; whatever lies before it is passed over.
    fn find_start(&mut self) -> io::Result<bool> {
        loop {
            if let Some(found) = self.buffer[self.at..].windows(START.len()).position(|window| window == START) {
                self.at += found;
                return Ok(true);
            }
            // The beginning may lie across the end of what was read.
            self.at = self.at.max(self.buffer.len().saturating_sub(START.len() - 1));
            if !self.fill()? {
                return Ok(false);
            }
        }
    }

    /// The length of the picture that begins here; none when it has no end.
    fn find_end(&mut self) -> io::Result<Option<usize>> {
        loop {
            if let Some(length) = jpeg::length(&self.buffer[self.at..]) {
                return Ok(Some(length));
            }
            if self.buffer.len() - self.at > MESSAGE_MAX || !self.fill()? {
                return Ok(None);
            }
        }
    }

    /// Passes over a beginning that no good picture follows.
    fn skip(&mut self, problem: &str) {
        if self.reports {
            warn!("the picture at byte {} is left out: {problem}", self.offset + self.at as u64);
        }
        self.at += START.len() - 1;
    }

    /// Reads on; false at the end of the input. Reads as much again as is there, so that a long picture is not searched too often.
    fn fill(&mut self) -> io::Result<bool> {
        self.buffer.drain(..self.at);
        self.offset += self.at as u64;
        self.at = 0;
        let more = self.buffer.len().max(CHUNK) as u64;
        Ok(self.input.by_ref().take(more).read_to_end(&mut self.buffer)? > 0)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use super::*;
    use crate::pixels::encode_jpeg;

    /// Three pictures of different sizes; the last is longer than a chunk.
    fn pictures() -> Vec<Vec<u8>> {
        let noise = |side: u32| -> Vec<u8> {
            (0..side * side * 3).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
        };
        [16u16, 64, 512]
            .map(|side| encode_jpeg(&noise(u32::from(side)), side.into(), side.into(), 95).unwrap())
            .to_vec()
    }

    fn split(data: &[u8]) -> Vec<Vec<u8>> {
        let mut splitter = Splitter::new(Cursor::new(data));
        let mut found = Vec::new();
        while let Some(Frame { picture: Picture::Jpeg(data), .. }) = splitter.next_picture().unwrap() {
            found.push(data.to_vec());
        }
        found
    }

    #[test]
    fn pictures_come_out_as_they_went_in() {
        let pictures = pictures();
        assert!(pictures[2].len() > CHUNK);
        assert_eq!(split(&pictures.concat()), pictures);
    }

    #[test]
    fn a_cut_tail_is_left_out() {
        let pictures = pictures();
        let data = pictures.concat();
        assert_eq!(split(&data[..data.len() - 1]), pictures[..2]);
        assert_eq!(split(&data[..pictures[0].len() + 40]), pictures[..1]);
    }

    #[test]
    fn what_lies_between_pictures_is_passed_over() {
        let pictures = pictures();
        let data = pictures.join(&b"\r\n--boundary \xff\xd8\r\n"[..]);
        assert_eq!(split(&data), pictures);
    }

    #[test]
    fn a_bomb_is_left_out() {
        let pictures = pictures();
        let bomb = b"\xff\xd8\xff\xc0\0\x08\x08\xff\xff\xff\xff\x01\xff\xd9";
        assert_eq!(split(&[&pictures[0][..], bomb, &pictures[1]].concat()), pictures[..2]);
    }

    #[test]
    fn a_file_is_replayed_in_a_loop() {
        let pictures = pictures();
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&pictures.concat()).unwrap();
        let mut replay = Mjpeg::open(file.path(), 1000.0).unwrap();
        for turn in 0..7 {
            let Seen::Frame(Frame { picture: Picture::Jpeg(data), .. }) = replay.next() else { panic!("turn {turn}") };
            assert_eq!(data, pictures[turn % 3], "turn {turn}");
        }
    }

    #[test]
    fn a_file_that_is_no_mjpeg_is_refused() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"RIFF and so on").unwrap();
        let error = Mjpeg::open(file.path(), 30.0).err().unwrap().to_string();
        assert!(error.ends_with("this file is no MJPEG: it does not begin with a JPEG"), "{error}");
        assert!(Mjpeg::open(Path::new("/no/such/file"), 30.0).is_err());
    }
}
