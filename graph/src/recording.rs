//! Recordings: MCAP files of what was said on topics, written so that a kill costs at most what was not flushed, read with bounded
//! memory whatever the file claims to be, and mended.
//!
//! A message in the file is the payload byte for byte as it was on the wire, followed by the rest of its [`Header`] as a protobuf
//! field that stock readers skip: see `recording/envelope.rs`. This module never listens to a topic and never publishes.

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use prost::Name;

use crate::{Error, Evidence, Header, MESSAGE_MAX, Mark, MarkKind, Message, RawMessage, Result};

mod chunk;
mod envelope;
mod reader;
mod records;
mod repair;
mod schema;
#[cfg(test)]
mod tests;
mod writer;

pub use reader::Reader;
pub use records::{Channel, Schema};
pub use repair::{Repaired, repair};
pub use schema::Descriptors;
pub use writer::{Compression, Options, Writer, Written};

/// The most that one record may weigh, and a chunk once it is unpacked: a message of the largest size and what is around it.
pub const RECORD_MAX: usize = MESSAGE_MAX + (4 << 20);

/// One message of a recording.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    /// The topic as the recorder's graph names it, for instance `camera/frames` or `robot:camera/frames`.
    pub topic: String,
    /// Who sent it when, and what it was computed from.
    pub header: Header,
    /// When the recorder received it, nanoseconds on its machine's steady timeline.
    pub received_ns: i64,
    /// The encoded message of type `header.r#type`, as it was on the wire.
    pub payload: Bytes,
}

impl Evidence for Recorded {
    fn header(&self) -> &Header {
        &self.header
    }

    fn received_ns(&self) -> i64 {
        self.received_ns
    }
}

impl Recorded {
    /// The message as an `M`, as [`RawMessage::decode`].
    ///
    /// # Errors
    /// [`Error::Unreadable`] when it is of another type, carries nothing good, or does not decode.
    pub fn decode<M: prost::Message + Default + Name>(&self) -> Result<Message<M>> {
        RawMessage::from(self.clone()).decode()
    }

    /// Whether the publisher was alive but had nothing good to say.
    #[must_use]
    pub fn is_no_data(&self) -> bool {
        self.header.status == crate::Status::NoData as i32
    }
}

impl From<RawMessage> for Recorded {
    fn from(message: RawMessage) -> Recorded {
        let RawMessage { topic, header, payload, received_ns } = message;
        Recorded { topic, header, received_ns, payload }
    }
}

impl From<Recorded> for RawMessage {
    fn from(message: Recorded) -> RawMessage {
        let Recorded { topic, header, received_ns, payload } = message;
        RawMessage { topic, header, payload, received_ns }
    }
}

/// Where a recording stops making sense.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The byte of the file from which on it could not be read.
    pub at: u64,
    /// What is wrong there.
    pub what: String,
    /// Bytes of the file from there on: none of their messages was read.
    pub lost_bytes: u64,
    /// The file just ends: whoever wrote it was killed. Everything before is sound.
    pub unfinished: bool,
    /// It lies behind the messages: every one of them was read.
    pub summary_only: bool,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "from byte {} on: {}", self.at, self.what)?;
        if self.lost_bytes > 0 { write!(f, " ({} bytes not read)", self.lost_bytes) } else { Ok(()) }
    }
}

/// Why a recording cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordingError {
    /// The operating system said no.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// The file is something else.
    #[error("{} is no recording: {why}", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What shows it.
        why: String,
    },
    /// Writing failed.
    #[error("writing the recording: {0}")]
    Write(String),
    /// Writing failed because the system said no.
    #[error("writing the recording: {0}")]
    WriteIo(#[source] io::Error),
    /// A message that no file should hold.
    #[error("{0}")]
    Refused(String),
    /// Descriptors of message types that do not decode.
    #[error("descriptors of message types: {0}")]
    Descriptors(String),
}

impl RecordingError {
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> RecordingError {
        let path = path.to_owned();
        |source| RecordingError::Io { path, source }
    }

    /// Whether there was no room left on the disk.
    #[must_use]
    pub fn is_disk_full(&self) -> bool {
        let (RecordingError::Io { source, .. } | RecordingError::WriteIo(source)) = self else { return false };
        matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge)
    }
}

impl From<RecordingError> for Error {
    fn from(error: RecordingError) -> Error {
        Error::other(error)
    }
}

/// All marks of a recording, in the order in which they were set, as far as the file can be read.
///
/// # Errors
/// When the file cannot be opened or is no recording.
pub fn marks(path: &Path) -> Result<Vec<Mark>, RecordingError> {
    let kind = Mark::full_name();
    let marks = Reader::open(path)?.filter(|message| message.header.r#type == kind);
    Ok(marks.filter_map(|message| Some(message.decode::<Mark>().ok()?.body)).collect())
}

/// The stretches that were erased, by time of receipt, nanoseconds on the steady timeline: from, until.
#[must_use]
pub fn erased(marks: &[Mark]) -> Vec<(i64, i64)> {
    let erased = marks.iter().filter(|mark| mark.kind == MarkKind::Erased as i32);
    erased.map(|mark| (mark.from_ns, mark.until_ns)).collect()
}
