//! Writes recordings: a chunk goes to the file whole, with one write, when [`Writer::flush`] says so or it is large enough.
//! It never keeps anything back after that: what was flushed survives a kill of the process.

use std::{
    collections::HashMap,
    fs::{File, OpenOptions},
    io::{self, Seek, SeekFrom, Write},
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use bytes::Bytes;
use crc32fast::Hasher;
use mcap::{McapError, WriteOptions, records::MessageHeader};

use super::{
    Descriptors, Recorded, RecordingError,
    envelope::{self, ORIGIN_KEY, TYPE_KEY, file_time},
    records::Head,
};

/// The most types of messages of a topic: a graph has one, a broken publisher any number.
const TYPES_MAX: usize = 16;

/// The longest name of a type or origin, in bytes.
const NAME_MAX: usize = 512;

/// How chunks are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// Not at all: right for JPEG, which cannot be packed further, and what a damaged file can be saved from best.
    #[default]
    None,
    /// Fast.
    Lz4,
    /// Small.
    Zstd,
}

/// How to write.
#[derive(Debug, Clone)]
pub struct Options {
    /// How chunks are packed.
    pub compression: Compression,
    /// When a chunk is large enough, in bytes.
    pub chunk_bytes: usize,
    /// What is known of message types.
    pub descriptors: Descriptors,
}

impl Default for Options {
    fn default() -> Options {
        Options { compression: Compression::None, chunk_bytes: 1 << 20, descriptors: Descriptors::ours() }
    }
}

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Written {
    /// Messages.
    pub messages: u64,
    /// Bytes of the file.
    pub bytes: u64,
}

/// Writes a recording. Dropped without [`Writer::finish`], it leaves a file without a summary, which [`Reader`](super::Reader) reads.
pub struct Writer<W: Write + Seek> {
    mcap: mcap::Writer<Sink<W>>,
    state: Arc<State>,
    options: Options,
    channels: HashMap<String, Vec<Known>>,
    /// The message under construction, kept for its memory.
    message: Vec<u8>,
    /// Bytes of messages since the last flush.
    waiting: usize,
    messages: u64,
}

/// A channel that was written.
struct Known {
    id: u16,
    kind: String,
    origin: String,
    hasher: Hasher,
}

impl Writer<File> {
    /// Begins a new file, which must not be there yet.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn create(path: &Path, options: Options) -> Result<Writer<File>, RecordingError> {
        let file = OpenOptions::new().write(true).create_new(true).open(path).map_err(RecordingError::io(path))?;
        Writer::new(file, options)
    }
}

impl<W: Write + Seek> Writer<W> {
    /// Begins a recording.
    ///
    /// # Errors
    /// When its first bytes cannot be written.
    pub fn new(out: W, options: Options) -> Result<Writer<W>, RecordingError> {
        let state = Arc::new(State::default());
        let mut mcap = write_options(options.compression)
            .create(Sink { out, buffer: Vec::new(), at: 0, state: state.clone() })
            .map_err(|error| refused(&state, error))?;
        mcap.flush().map_err(|error| refused(&state, error))?;
        Ok(Writer { mcap, state, options, channels: HashMap::new(), message: Vec::new(), waiting: 0, messages: 0 })
    }

    /// Takes in a message. It is in the file after the next flush.
    ///
    /// # Errors
    /// [`RecordingError::Refused`] when the message is unreasonable; the writer goes on. Otherwise a chunk had to be written for it and
    /// could not be: nothing since the last flush is in the file then, and the writer is of no use any more.
    pub fn write(&mut self, message: &Recorded) -> Result<(), RecordingError> {
        let Recorded { topic, header, received_ns, payload } = message;
        let place = self.channel(topic, header)?;
        let known = &self.channels[topic.as_str()][place];
        let head = Head {
            sequence: (header.seq & u64::from(u32::MAX)) as u32,
            log_time: file_time(*received_ns),
            publish_time: file_time(header.sent_ns),
        };
        envelope::seal(&mut self.message, &known.hasher, &known.origin, &head, header, payload);
        let at = MessageHeader {
            channel_id: known.id,
            sequence: head.sequence,
            log_time: head.log_time,
            publish_time: head.publish_time,
        };
        self.mcap.write_to_known_channel(&at, &self.message).map_err(|error| refused(&self.state, error))?;
        self.messages += 1;
        self.waiting += self.message.len() + 31;
        if self.waiting >= self.options.chunk_bytes { self.flush() } else { Ok(()) }
    }

    /// Bytes of messages that the next flush will write.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// Closes the chunk and hands it to the system with one write.
    ///
    /// # Errors
    /// As [`Writer::write`].
    pub fn flush(&mut self) -> Result<(), RecordingError> {
        self.waiting = 0;
        self.mcap.flush().map_err(|error| refused(&self.state, error))
    }

    /// Puts something else into the file, for instance the graph file.
    ///
    /// # Errors
    /// As [`Writer::write`].
    pub fn attach(&mut self, name: &str, media_type: &str, at_ns: i64, data: &[u8]) -> Result<(), RecordingError> {
        let attachment = mcap::Attachment {
            log_time: file_time(at_ns),
            create_time: file_time(at_ns),
            name: name.to_owned(),
            media_type: media_type.to_owned(),
            data: data.into(),
        };
        self.mcap.attach(&attachment).map_err(|error| refused(&self.state, error))?;
        self.flush()
    }

    /// What is in the file: all that was flushed.
    #[must_use]
    pub fn written(&self) -> Written {
        Written { messages: self.messages, bytes: self.state.whole.load(Relaxed) }
    }

    /// Writes the summary.
    ///
    /// # Errors
    /// As [`Writer::write`].
    pub fn finish(mut self) -> Result<Written, RecordingError> {
        self.mcap.finish().map_err(|error| refused(&self.state, error))?;
        Ok(self.written())
    }

    /// The channel of a topic and type; the first message's origin is said there once for all.
    fn channel(&mut self, topic: &str, header: &crate::Header) -> Result<usize, RecordingError> {
        let known = self.channels.get(topic);
        if let Some(place) = known.and_then(|known| known.iter().position(|known| known.kind == header.r#type)) {
            return Ok(place);
        }
        if known.is_some_and(|known| known.len() >= TYPES_MAX) {
            return Err(RecordingError::Refused(format!("{topic} carries over {TYPES_MAX} types of messages")));
        }
        let (kind, origin) = (header.r#type.clone(), header.origin.clone());
        if kind.len() > NAME_MAX || origin.len() > NAME_MAX {
            return Err(RecordingError::Refused(format!("{topic} names a type or origin of over {NAME_MAX} bytes")));
        }
        let schema = self.options.descriptors.schema(&kind);
        let mcap = &mut self.mcap;
        let id = mcap.add_schema(&schema.name, &schema.encoding, &schema.data).and_then(|schema| {
            let metadata = [(TYPE_KEY.to_owned(), kind.clone()), (ORIGIN_KEY.to_owned(), origin.clone())].into();
            mcap.add_channel(schema, topic, "protobuf", &metadata)
        });
        let id = id.map_err(|error| refused(&self.state, error))?;
        let hasher = envelope::hasher(topic, &kind, &origin);
        let known = self.channels.entry(topic.to_owned()).or_default();
        known.push(Known { id, kind, origin, hasher });
        Ok(known.len() - 1)
    }
}

impl<W: Write + Seek> Drop for Writer<W> {
    fn drop(&mut self) {
        // The library would finish the file by itself: what was not asked for must not happen.
        self.state.closed.store(1, Relaxed);
    }
}

/// As our files are written; what [`super::repair`] writes, too.
pub(super) fn write_options(compression: Compression) -> WriteOptions {
    let compression = match compression {
        Compression::None => None,
        Compression::Lz4 => Some(mcap::Compression::Lz4),
        Compression::Zstd => Some(mcap::Compression::Zstd),
    };
    WriteOptions::new()
        .compression(compression)
        .compression_threads(0)
        .chunk_size(None)
        .disable_seeking(true)
        .library(concat!("offboard ", env!("CARGO_PKG_VERSION")))
}

/// What writer and sink know together.
#[derive(Debug, Default)]
pub(super) struct State {
    /// Bytes of the file up to the last whole flush.
    whole: AtomicU64,
    /// Not 0: nothing may be written any more.
    closed: AtomicU64,
    /// Why the last write failed: the library wraps it where nobody can ask what kind it was.
    failure: Mutex<Option<io::Error>>,
}

fn refused(state: &State, error: McapError) -> RecordingError {
    match state.failure.lock().unwrap_or_else(PoisonError::into_inner).take() {
        Some(failure) => RecordingError::WriteIo(failure),
        None => RecordingError::Write(error.to_string()),
    }
}

/// Collects what the library writes in small pieces and hands it on whole.
pub(super) struct Sink<W> {
    out: W,
    buffer: Vec<u8>,
    at: u64,
    state: Arc<State>,
}

impl<W: Write> Write for Sink<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        self.at += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.state.closed.load(Relaxed) != 0 {
            return Err(io::Error::other("the recording is closed"));
        }
        let result = self.out.write_all(&self.buffer).and_then(|()| self.out.flush());
        self.buffer.clear();
        // One large picture must not keep its memory for ever.
        self.buffer.shrink_to(4 << 20);
        if let Err(error) = result {
            self.state.closed.store(1, Relaxed);
            let said = error
                .raw_os_error()
                .map_or_else(|| io::Error::new(error.kind(), error.to_string()), io::Error::from_raw_os_error);
            *self.state.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(said);
            return Err(error);
        }
        self.state.whole.store(self.at, Relaxed);
        Ok(())
    }
}

impl<W> Seek for Sink<W> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match to {
            SeekFrom::Current(0) => Ok(self.at),
            _ => Err(io::Error::other("a recording is only appended to")),
        }
    }
}

/// The library's own writer on such a sink, for who copies records as they are.
pub(super) fn plain<W: Write + Seek>(out: W) -> Result<(mcap::Writer<Sink<W>>, Arc<State>), RecordingError> {
    let state = Arc::new(State::default());
    let sink = Sink { out, buffer: Vec::new(), at: 0, state: state.clone() };
    let mcap = write_options(Compression::None).create(sink).map_err(|error| refused(&state, error))?;
    Ok((mcap, state))
}

/// What went wrong with a plain writer.
pub(super) fn plain_error(state: &Arc<State>) -> impl Fn(McapError) -> RecordingError {
    let state = state.clone();
    move |error| refused(&state, error)
}

/// Bytes as the library wants them.
pub(super) fn cow(bytes: &Bytes) -> std::borrow::Cow<'_, [u8]> {
    std::borrow::Cow::Borrowed(bytes)
}
