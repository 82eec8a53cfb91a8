//! Mends a recording: what can be read of it goes, record by record as it is, into a new file with a summary. It never touches the
//! file it reads from, and the new one appears under its name only when it is whole.

use std::{
    collections::HashMap,
    fs::{self, File},
    path::{Path, PathBuf},
    sync::Arc,
};

use mcap::{McapError, records::MessageHeader};

use super::{
    Channel, Damage, RecordingError,
    records::{Attachment, Record, Records, parse_metadata},
    writer::{Sink, State, cow, plain, plain_error},
};

/// When a chunk of the new file is large enough, in bytes.
const CHUNK: usize = 1 << 20;

/// What mending a recording came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repaired {
    /// Messages in the new file.
    pub messages: u64,
    /// Where the old file stopped making sense; none: it was whole.
    pub damage: Option<Damage>,
}

/// Writes every whole message of `from` before the first damage to `to`, with a summary. Both may be the same file.
///
/// # Errors
/// When `from` is no recording, or `to` cannot be written; `to` is as before then.
pub fn repair(from: &Path, to: &Path) -> Result<Repaired, RecordingError> {
    let records = Records::open(from)?;
    let half = beside(to);
    let repaired = copy(records, &half).and_then(|repaired| {
        fs::rename(&half, to).map_err(RecordingError::io(to))?;
        Ok(repaired)
    });
    if repaired.is_err() {
        drop(fs::remove_file(&half));
    }
    repaired
}

/// The name under which a file is written before it is whole: in the same folder, hidden, nobody else's.
fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}.half", std::process::id()))
}

fn copy(mut records: Records, half: &Path) -> Result<Repaired, RecordingError> {
    let file = File::create(half).map_err(RecordingError::io(half))?;
    let end = file.try_clone().map_err(RecordingError::io(half))?;
    let (mcap, state) = plain(file)?;
    let mut copy = Copy { mcap, state, schemas: HashMap::new(), channels: HashMap::new(), messages: 0, waiting: 0 };
    for record in &mut records {
        copy.record(&record)?;
    }
    copy.mcap.finish().map_err(plain_error(&copy.state))?;
    end.sync_all().map_err(RecordingError::io(half))?;
    Ok(Repaired { messages: copy.messages, damage: records.damage().cloned() })
}

struct Copy {
    mcap: mcap::Writer<Sink<File>>,
    state: Arc<State>,
    /// The numbers of schemas and channels in the new file: the same, where the old one did not give one twice.
    schemas: HashMap<u16, u16>,
    channels: HashMap<u16, u16>,
    messages: u64,
    waiting: usize,
}

impl Copy {
    fn record(&mut self, record: &Record) -> Result<(), RecordingError> {
        let written = match record {
            Record::Schema { id, schema } => {
                let mcap = &mut self.mcap;
                let new = mcap.add_schema_with_id(*id, &schema.name, &schema.encoding, &schema.data).or_else(|error| {
                    let is_second = matches!(error, McapError::ConflictingSchemas(_));
                    if is_second { mcap.add_schema(&schema.name, &schema.encoding, &schema.data) } else { Err(error) }
                });
                new.map(|new| {
                    self.schemas.insert(*id, new);
                })
            }
            Record::Channel(channel) => self.channel(channel),
            Record::Message { channel, head, data } => {
                let channel_id = self.channels.get(&channel.id).copied().unwrap_or(channel.id);
                let (log_time, publish_time) = (head.log_time, head.publish_time);
                let head = MessageHeader { channel_id, sequence: head.sequence, log_time, publish_time };
                self.messages += 1;
                self.waiting += data.len();
                self.mcap.write_to_known_channel(&head, data)
            }
            Record::Attachment(body) => match Attachment::parse(body.clone()) {
                Some(Attachment { log_time, create_time, name, media_type, data }) => {
                    self.mcap.attach(&mcap::Attachment { log_time, create_time, name, media_type, data: cow(&data) })
                }
                None => Ok(()),
            },
            Record::Metadata(body) => match parse_metadata(body.clone()) {
                Some((name, metadata)) => self.mcap.write_metadata(&mcap::records::Metadata { name, metadata }),
                None => Ok(()),
            },
        };
        written.and_then(|()| self.close_chunk()).map_err(plain_error(&self.state))
    }

    fn channel(&mut self, channel: &Channel) -> Result<(), McapError> {
        let Channel { id, topic, encoding, metadata, .. } = channel;
        let schema = self.schemas.get(&channel.schema_id).copied().unwrap_or(0);
        let mcap = &mut self.mcap;
        let new = mcap.add_channel_with_id(*id, schema, topic, encoding, metadata).or_else(|error| {
            let is_second = matches!(error, McapError::ConflictingChannels(_));
            if is_second { mcap.add_channel(schema, topic, encoding, metadata) } else { Err(error) }
        })?;
        self.channels.insert(*id, new);
        Ok(())
    }

    fn close_chunk(&mut self) -> Result<(), McapError> {
        if self.waiting < CHUNK {
            return Ok(());
        }
        self.waiting = 0;
        self.mcap.flush()
    }
}
