//! The messages of a recording in the order of the file. It never holds more than one chunk.

use std::{path::Path, sync::Arc};

use bytes::Bytes;

use super::{
    Channel, Damage, Recorded, RecordingError, Schema,
    envelope::{Envelope, TYPE_KEY, time},
    erased, marks,
    records::{Head, Record, Records},
    schema::our_name,
};
use crate::Header;

/// A message that takes at least this share of what it was read with keeps it; a smaller one is copied out.
const KEEP_SHARE: usize = 8;
/// About what is read at once: a chunk.
const CHUNK: usize = 1 << 20;

/// Reads anything that begins like an MCAP file, finished or not, damaged or not, ours or another's.
///
/// ```no_run
/// # fn f() -> Result<(), offboard::recording::RecordingError> {
/// let mut reader = offboard::recording::Reader::open("drive.mcap".as_ref())?;
/// for message in &mut reader {
///     println!("{} {}", message.topic, message.header.seq);
/// }
/// if let Some(damage) = reader.damage() {
///     println!("{damage}");
/// }
/// # Ok(())
/// # }
/// ```
pub struct Reader {
    records: Records,
    /// Stretches of time of receipt to leave out.
    erased: Vec<(i64, i64)>,
}

impl Reader {
    /// Opens a recording.
    ///
    /// # Errors
    /// When the file cannot be opened or is no recording.
    pub fn open(path: &Path) -> Result<Reader, RecordingError> {
        Ok(Reader { records: Records::open(path)?, erased: Vec::new() })
    }

    /// Opens a recording and leaves out what was erased; reads it once before, for the marks.
    ///
    /// # Errors
    /// As [`Reader::open`].
    pub fn without_erased(path: &Path) -> Result<Reader, RecordingError> {
        Ok(Reader { erased: erased(&marks(path)?), ..Reader::open(path)? })
    }

    /// Bytes of the file.
    #[must_use]
    pub fn len_bytes(&self) -> u64 {
        self.records.length()
    }

    /// Bytes read so far.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.records.position()
    }

    /// After the end: where the file stopped making sense, if it did before its end.
    #[must_use]
    pub fn damage(&self) -> Option<&Damage> {
        self.records.damage()
    }

    /// The channels met so far.
    pub fn channels(&self) -> impl Iterator<Item = &Arc<Channel>> {
        self.records.channels()
    }

    /// The schema of a channel met so far.
    #[must_use]
    pub fn schema(&self, channel: &Channel) -> Option<&Arc<Schema>> {
        self.records.schema(channel.schema_id)
    }
}

impl Iterator for Reader {
    type Item = Recorded;

    fn next(&mut self) -> Option<Recorded> {
        loop {
            let Record::Message { channel, head, data } = self.records.next()? else { continue };
            let message = open(&channel, head, data);
            let is_in = |(from, until): &(i64, i64)| (*from..=*until).contains(&message.received_ns);
            if !self.erased.iter().any(is_in) {
                return Some(message);
            }
        }
    }
}

/// The message of a record; one of another's file gets the header that the file's own words make.
fn open(channel: &Channel, head: Head, data: Bytes) -> Recorded {
    let data = if data.len() >= CHUNK / KEEP_SHARE { data } else { Bytes::copy_from_slice(&data) };
    let (header, payload) = match Envelope::open(channel, &head, &data) {
        Some(envelope) => (envelope.header, envelope.payload),
        None => (foreign_header(channel, head), data),
    };
    Recorded { topic: channel.topic.clone(), header, received_ns: time(head.log_time), payload }
}

fn foreign_header(channel: &Channel, head: Head) -> Header {
    let said = channel.metadata.get(TYPE_KEY).filter(|kind| kind.contains('.'));
    Header {
        seq: head.sequence.into(),
        incarnation: 0,
        sent_ns: time(head.publish_time),
        stamp_ns: time(head.publish_time),
        origin: channel.topic.clone(),
        r#type: said.cloned().unwrap_or_else(|| our_name(&channel.schema_name)),
        status: 0,
    }
}
