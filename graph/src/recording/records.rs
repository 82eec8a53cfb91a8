//! The records of an MCAP file, one after another, with bounded memory: every length is checked before anything is allocated for it.
//! It stops at the first thing that makes no sense and says where; it never returns what a checksum contradicts.

use std::{
    collections::{BTreeMap, HashMap},
    fs::File,
    io::{self, BufReader, Read as _},
    path::Path,
    sync::Arc,
};

use bytes::{Buf as _, Bytes};
use crc32fast::Hasher;
use mcap::{MAGIC, records::op};

use super::{Damage, Descriptors, RECORD_MAX, RecordingError, chunk::Chunk, envelope::Envelope, schema::our_name};

/// The most that all schemas and channels of a file may weigh together.
const NAMES_MAX: usize = 64 << 20;

/// What a file says of a message type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schema {
    /// The type, for instance `offboard.v1.Drive` or `foxglove.CompressedImage`.
    pub name: String,
    /// In which language it is described: `protobuf` for all that we write.
    pub encoding: String,
    /// The description.
    pub data: Bytes,
}

/// What a file says of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    /// Its number in the file.
    pub id: u16,
    /// The number of its schema; 0: it has none.
    pub schema_id: u16,
    /// The name of its schema; empty: it has none.
    pub schema_name: String,
    /// The topic.
    pub topic: String,
    /// How messages are encoded: `protobuf` for all that we write.
    pub encoding: String,
    /// What else is said: we write `type` and `origin`.
    pub metadata: BTreeMap<String, String>,
}

/// What stands before a message in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) sequence: u32,
    pub(super) log_time: u64,
    pub(super) publish_time: u64,
}

/// A record that means something to somebody.
pub(super) enum Record {
    Schema { id: u16, schema: Arc<Schema> },
    Channel(Arc<Channel>),
    Message { channel: Arc<Channel>, head: Head, data: Bytes },
    Attachment(Bytes),
    Metadata(Bytes),
}

/// The records of a file.
pub(super) struct Records {
    input: Input,
    chunk: Option<Chunk>,
    schemas: HashMap<u16, Arc<Schema>>,
    channels: HashMap<u16, Arc<Channel>>,
    /// Bytes that schemas and channels take.
    names: usize,
    /// Whether the messages are over and what tells of them has begun.
    summary: bool,
    ended: bool,
    damage: Option<Damage>,
}

/// What keeps a record from being read: where and why.
pub(super) struct Broken {
    pub(super) at: u64,
    pub(super) what: String,
    pub(super) unfinished: bool,
}

pub(super) fn broken(at: u64, what: impl Into<String>) -> Broken {
    Broken { at, what: what.into(), unfinished: false }
}

impl Records {
    pub(super) fn open(path: &Path) -> Result<Records, RecordingError> {
        let foreign = |why: &str| RecordingError::Foreign { path: path.to_owned(), why: why.to_owned() };
        // Asked before it is opened: to open a pipe would wait for whoever writes into it.
        if !std::fs::metadata(path).map_err(RecordingError::io(path))?.is_file() {
            return Err(foreign("it is not a file"));
        }
        let file = File::open(path).map_err(RecordingError::io(path))?;
        let about = file.metadata().map_err(RecordingError::io(path))?;
        let mut input =
            Input { file: BufReader::with_capacity(1 << 18, file), length: about.len(), at: 0, crc: Hasher::new() };
        let magic = input.take(MAGIC.len()).map_err(RecordingError::io(path))?;
        if *magic != *MAGIC {
            return Err(foreign(if about.len() == 0 { "it is empty" } else { "it does not begin like an MCAP file" }));
        }
        Ok(Records {
            input,
            chunk: None,
            schemas: HashMap::new(),
            channels: HashMap::new(),
            names: 0,
            summary: false,
            ended: false,
            damage: None,
        })
    }

    pub(super) fn length(&self) -> u64 {
        self.input.length
    }

    pub(super) fn position(&self) -> u64 {
        self.input.at
    }

    pub(super) fn damage(&self) -> Option<&Damage> {
        self.damage.as_ref()
    }

    pub(super) fn channels(&self) -> impl Iterator<Item = &Arc<Channel>> {
        self.channels.values()
    }

    pub(super) fn schema(&self, id: u16) -> Option<&Arc<Schema>> {
        self.schemas.get(&id)
    }

    /// The record that comes next in the file or in the chunk that is open.
    fn step(&mut self) -> Result<Option<Record>, Broken> {
        let Some(chunk) = &mut self.chunk else { return self.outer() };
        match chunk.next()? {
            Some((at, opcode, body)) => {
                let is_sound = chunk.is_sound();
                self.inner(at, opcode, body, is_sound)
            }
            None => {
                let end = chunk.end();
                self.chunk = None;
                end.map_or(Ok(None), Err)
            }
        }
    }

    /// A record of the file itself.
    fn outer(&mut self) -> Result<Option<Record>, Broken> {
        let at = self.input.at;
        let data_crc = self.input.crc.clone();
        if at == self.input.length {
            return Err(Broken {
                at,
                what: "the file was not finished: it has no summary".to_owned(),
                unfinished: true,
            });
        }
        let mut frame = self.input.exactly(9, at)?;
        let (opcode, length) = (frame.get_u8(), frame.get_u64_le());
        if opcode == 0 {
            return Err(broken(at, "no record begins with 0"));
        }
        match opcode {
            op::CHUNK if !self.summary => self.open_chunk(at, length),
            op::ATTACHMENT if length > RECORD_MAX as u64 => self.input.skip(length, at).map(|()| None),
            op::FOOTER => self.finish(at, length, data_crc).map(|()| None),
            _ => {
                let body = self.input.body(length, at)?;
                if opcode == op::DATA_END {
                    self.end_data(at, &body, data_crc)?;
                    return Ok(None);
                }
                if self.summary { Ok(None) } else { self.inner(at, opcode, body, true) }
            }
        }
    }

    fn open_chunk(&mut self, at: u64, length: u64) -> Result<Option<Record>, Broken> {
        let whole = length <= self.input.left();
        if length > RECORD_MAX as u64 {
            return Err(too_large(at, length));
        }
        // Of a chunk that the end of the file cut off, the messages that are there are read.
        let body = self.input.body(length.min(self.input.left()), at)?;
        let chunk = Chunk::open(at, body, whole)?;
        self.chunk = Some(chunk);
        Ok(None)
    }

    /// A record that may stand in the file or in a chunk; in a chunk that is not sound, only what vouches for itself is taken.
    fn inner(&mut self, at: u64, opcode: u8, body: Bytes, is_sound: bool) -> Result<Option<Record>, Broken> {
        match opcode {
            op::SCHEMA => self.learn_schema(at, body, is_sound).map(Some),
            op::CHANNEL => self.learn_channel(at, body).map(Some),
            op::MESSAGE => self.message(at, body, is_sound).map(Some),
            op::ATTACHMENT => Ok(Some(Record::Attachment(body))),
            op::METADATA => Ok(Some(Record::Metadata(body))),
            _ => Ok(None),
        }
    }

    fn count_names(&mut self, at: u64, bytes: usize) -> Result<(), Broken> {
        self.names += bytes;
        if self.names > NAMES_MAX { Err(broken(at, "over 64 MiB of schemas and channels")) } else { Ok(()) }
    }

    fn learn_schema(&mut self, at: u64, body: Bytes, is_sound: bool) -> Result<Record, Broken> {
        self.count_names(at, body.len())?;
        let (id, schema) = parse_schema(body).ok_or_else(|| broken(at, "a schema that makes no sense"))?;
        let is_ours = || Descriptors::ours().schema(&our_name(&schema.name)) == schema;
        if !is_sound && !is_ours() {
            return Err(broken(at, "a schema in a damaged chunk"));
        }
        let schema = Arc::new(schema);
        self.schemas.insert(id, schema.clone());
        Ok(Record::Schema { id, schema })
    }

    fn learn_channel(&mut self, at: u64, body: Bytes) -> Result<Record, Broken> {
        self.count_names(at, body.len())?;
        let channel = parse_channel(body).ok_or_else(|| broken(at, "a channel that makes no sense"))?;
        let schema = self.schemas.get(&channel.schema_id);
        if schema.is_none() && channel.schema_id != 0 {
            return Err(broken(at, format!("channel {} names a schema that is not there", channel.id)));
        }
        let schema_name = schema.map(|schema| schema.name.clone()).unwrap_or_default();
        let channel = Arc::new(Channel { schema_name, ..channel });
        self.channels.insert(channel.id, channel.clone());
        Ok(Record::Channel(channel))
    }

    fn message(&self, at: u64, mut body: Bytes, is_sound: bool) -> Result<Record, Broken> {
        if body.len() < 22 {
            return Err(broken(at, "a message shorter than its beginning"));
        }
        let id = body.get_u16_le();
        let head = Head { sequence: body.get_u32_le(), log_time: body.get_u64_le(), publish_time: body.get_u64_le() };
        let channel =
            self.channels.get(&id).ok_or_else(|| broken(at, format!("a message of an unknown channel {id}")))?;
        let vouches =
            || Envelope::open(channel, &head, &body).is_some_and(|envelope| envelope.is_sound(channel, &head));
        if !is_sound && !vouches() {
            return Err(broken(at, "a message in a damaged chunk"));
        }
        Ok(Record::Message { channel: channel.clone(), head, data: body })
    }

    /// The messages are over: what was read must be what was written.
    fn end_data(&mut self, at: u64, body: &[u8], data_crc: Hasher) -> Result<(), Broken> {
        self.summary = true;
        self.input.crc = Hasher::new();
        check_crc(at, body, data_crc, "what stands before the summary is not what was written")
    }

    fn finish(&mut self, at: u64, length: u64, mut crc: Hasher) -> Result<(), Broken> {
        if length != 20 {
            return Err(broken(at, "a footer that makes no sense"));
        }
        let body = self.input.exactly(20, at)?;
        crc.update(&[op::FOOTER]);
        crc.update(&length.to_le_bytes());
        crc.update(&body[..16]);
        check_crc(at, &body[16..], crc, "the summary is not what was written")?;
        let magic = self.input.exactly(MAGIC.len(), at)?;
        if *magic != *MAGIC || self.input.left() > 0 {
            return Err(broken(self.input.at, "something follows where the file should end"));
        }
        self.ended = true;
        Ok(())
    }

    fn stop(&mut self, broken: Broken) {
        self.ended = true;
        self.chunk = None;
        let lost_bytes = self.input.length.saturating_sub(broken.at);
        let Broken { at, what, unfinished } = broken;
        self.damage = Some(Damage { at, what, lost_bytes, unfinished, summary_only: self.summary });
    }
}

impl Iterator for Records {
    type Item = Record;

    fn next(&mut self) -> Option<Record> {
        while !self.ended {
            match self.step() {
                Ok(Some(record)) => return Some(record),
                Ok(None) => {}
                Err(broken) => self.stop(broken),
            }
        }
        None
    }
}

/// What an attachment is and holds.
pub(super) struct Attachment {
    pub(super) log_time: u64,
    pub(super) create_time: u64,
    pub(super) name: String,
    pub(super) media_type: String,
    pub(super) data: Bytes,
}

impl Attachment {
    pub(super) fn parse(mut body: Bytes) -> Option<Attachment> {
        let (log_time, create_time) = (body.try_get_u64_le().ok()?, body.try_get_u64_le().ok()?);
        let (name, media_type) = (text(&mut body)?, text(&mut body)?);
        let length = usize::try_from(body.try_get_u64_le().ok()?).ok()?;
        let data = (length <= body.len()).then(|| body.split_to(length))?;
        Some(Attachment { log_time, create_time, name, media_type, data })
    }
}

/// The name and the words of a metadata record.
pub(super) fn parse_metadata(mut body: Bytes) -> Option<(String, BTreeMap<String, String>)> {
    Some((text(&mut body)?, parse_map(&mut body)?))
}

/// Compares a checksum with the one that was saved; 0 means that none was.
fn check_crc(at: u64, saved: &[u8], crc: Hasher, what: &str) -> Result<(), Broken> {
    let saved = saved.try_into().map(u32::from_le_bytes).map_err(|_| broken(at, "a record that makes no sense"))?;
    if saved == 0 || crc.finalize() == saved { Ok(()) } else { Err(broken(at, format!("a checksum says that {what}"))) }
}

fn too_large(at: u64, length: u64) -> Broken {
    broken(at, format!("a record of {length} bytes is over the limit of {} MiB", RECORD_MAX >> 20))
}

/// The file, its end and the checksum of what was read.
struct Input {
    file: BufReader<File>,
    length: u64,
    at: u64,
    crc: Hasher,
}

impl Input {
    fn left(&self) -> u64 {
        self.length.saturating_sub(self.at)
    }

    /// So many bytes, or what is left.
    fn take(&mut self, bytes: usize) -> io::Result<Bytes> {
        let mut taken = vec![0; bytes.min(usize::try_from(self.left()).unwrap_or(usize::MAX))];
        let mut have = 0;
        while have < taken.len() {
            match self.file.read(&mut taken[have..]) {
                Ok(0) => break, // the file became shorter meanwhile
                Ok(read) => have += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        taken.truncate(have);
        self.at += have as u64;
        self.crc.update(&taken);
        Ok(taken.into())
    }

    fn exactly(&mut self, bytes: usize, at: u64) -> Result<Bytes, Broken> {
        let taken = self.take(bytes).map_err(|error| broken(at, format!("it cannot be read: {error}")))?;
        if taken.len() == bytes {
            return Ok(taken);
        }
        Err(Broken { at, what: "the file ends in the middle of a record".to_owned(), unfinished: true })
    }

    fn body(&mut self, length: u64, at: u64) -> Result<Bytes, Broken> {
        match usize::try_from(length) {
            Ok(bytes) if bytes <= RECORD_MAX => self.exactly(bytes, at),
            _ => Err(too_large(at, length)),
        }
    }

    fn skip(&mut self, length: u64, at: u64) -> Result<(), Broken> {
        let mut left = length;
        while left > 0 {
            let piece = left.min(1 << 20);
            self.body(piece, at)?;
            left -= piece;
        }
        Ok(())
    }
}

fn text(body: &mut Bytes) -> Option<String> {
    let bytes = sized(body)?;
    String::from_utf8(bytes.into()).ok()
}

/// Bytes that say their length before.
fn sized(body: &mut Bytes) -> Option<Bytes> {
    let length = body.try_get_u32_le().ok()? as usize;
    (length <= body.len()).then(|| body.split_to(length))
}

fn parse_schema(mut body: Bytes) -> Option<(u16, Schema)> {
    let id = body.try_get_u16_le().ok()?;
    let schema = Schema { name: text(&mut body)?, encoding: text(&mut body)?, data: sized(&mut body)? };
    // A copy: else the schema would keep the whole chunk that it stood in.
    (id != 0).then(|| (id, Schema { data: Bytes::copy_from_slice(&schema.data), ..schema }))
}

fn parse_channel(mut body: Bytes) -> Option<Channel> {
    let (id, schema_id) = (body.try_get_u16_le().ok()?, body.try_get_u16_le().ok()?);
    let (topic, encoding) = (text(&mut body)?, text(&mut body)?);
    let metadata = parse_map(&mut body)?;
    Some(Channel { id, schema_id, schema_name: String::new(), topic, encoding, metadata })
}

fn parse_map(body: &mut Bytes) -> Option<BTreeMap<String, String>> {
    let mut map = sized(body)?;
    let mut words = BTreeMap::new();
    while !map.is_empty() {
        words.insert(text(&mut map)?, text(&mut map)?);
    }
    Some(words)
}
