//! How a message's Header travels inside the message: `payload | Header field | checksum field | length field`.
//!
//! The three fields have the highest numbers that protobuf allows, so readers of the payload's type skip them, and the last one
//! says how long all three are, so that our readers strip them from the end and have the payload byte for byte. What the file says
//! of the message already (its type, its first origin, when it was sent) is left out of the Header. The checksum covers the message
//! and what the file says around it: in a chunk that was hit, every message can be told sound or not.

use bytes::Bytes;
use crc32fast::Hasher;
use prost::{
    Message as _,
    encoding::{WireType, encode_key, encode_varint},
};

use super::records::{Channel, Head};
use crate::Header;

/// The field that holds the Header.
const HEADER: u32 = (1 << 29) - 3;
/// The field that holds the CRC-32, fixed32.
const CHECKSUM: u32 = (1 << 29) - 2;
/// The field that holds the length of all three fields in bytes, fixed32.
const LENGTH: u32 = (1 << 29) - 1;

/// Bytes of the key of such a field.
const KEY: usize = 5;
/// Bytes of a fixed32 field.
const FIXED: usize = KEY + 4;

/// An origin that is empty although the channel knows one.
const NO_ORIGIN: &str = "\0";

/// Where the channel says the type and the origin of its first message.
pub(super) const TYPE_KEY: &str = "type";
pub(super) const ORIGIN_KEY: &str = "origin";

/// The beginning of the checksums of a channel's messages.
pub(super) fn hasher(topic: &str, kind: &str, origin: &str) -> Hasher {
    let mut hasher = Hasher::new();
    for text in [topic, kind, origin] {
        hasher.update(text.as_bytes());
        hasher.update(&[0]);
    }
    hasher
}

fn checksum(mut hasher: Hasher, head: &Head, message: &[u8]) -> u32 {
    hasher.update(&head.sequence.to_le_bytes());
    hasher.update(&head.log_time.to_le_bytes());
    hasher.update(&head.publish_time.to_le_bytes());
    hasher.update(message);
    hasher.finalize()
}

/// Writes payload and envelope into `out`, which is cleared first.
pub(super) fn seal(out: &mut Vec<u8>, hasher: &Hasher, origin: &str, head: &Head, header: &Header, payload: &[u8]) {
    let inner = Header {
        seq: header.seq,
        incarnation: header.incarnation,
        sent_ns: if header.sent_ns == time(head.publish_time) { 0 } else { header.sent_ns },
        stamp_ns: header.stamp_ns,
        origin: match header.origin.as_str() {
            known if known == origin => String::new(),
            "" => NO_ORIGIN.to_owned(),
            other => other.to_owned(),
        },
        r#type: String::new(),
        status: header.status,
    };
    out.clear();
    out.extend_from_slice(payload);
    encode_key(HEADER, WireType::LengthDelimited, out);
    encode_varint(inner.encoded_len() as u64, out);
    inner.encode_raw(out);
    let checksum = checksum(hasher.clone(), head, out);
    encode_key(CHECKSUM, WireType::ThirtyTwoBit, out);
    out.extend_from_slice(&checksum.to_le_bytes());
    let length = u32::try_from(out.len() + FIXED - payload.len()).unwrap_or(u32::MAX);
    encode_key(LENGTH, WireType::ThirtyTwoBit, out);
    out.extend_from_slice(&length.to_le_bytes());
}

/// A message in its envelope.
pub(super) struct Envelope {
    pub(super) payload: Bytes,
    pub(super) header: Header,
    /// What the checksum is of, and what it should be.
    sealed: Bytes,
    checksum: u32,
}

impl Envelope {
    /// Opens the envelope; none when there is none.
    pub(super) fn open(channel: &Channel, head: &Head, message: &Bytes) -> Option<Envelope> {
        let length = fixed(message, LENGTH, message.len())? as usize;
        let begin = message.len().checked_sub(length)?;
        let end = message.len() - FIXED;
        let checksum = fixed(message, CHECKSUM, end)?;
        let end = end.checked_sub(FIXED).filter(|end| *end >= begin)?;
        let mut field = &message[begin..end];
        if prost::encoding::decode_key(&mut field).ok()? != (HEADER, WireType::LengthDelimited) {
            return None;
        }
        let said = prost::encoding::decode_varint(&mut field).ok()?;
        if said != field.len() as u64 {
            return None;
        }
        let mut header = Header::decode(field).ok()?;
        channel.metadata.get(TYPE_KEY).unwrap_or(&channel.schema_name).clone_into(&mut header.r#type);
        if header.sent_ns == 0 {
            header.sent_ns = time(head.publish_time);
        }
        match header.origin.as_str() {
            "" => channel.metadata.get(ORIGIN_KEY).map_or("", String::as_str).clone_into(&mut header.origin),
            NO_ORIGIN => header.origin.clear(),
            _ => {}
        }
        Some(Envelope { payload: message.slice(..begin), header, sealed: message.slice(..end), checksum })
    }

    /// Whether nothing of it changed since it was sealed.
    pub(super) fn is_sound(&self, channel: &Channel, head: &Head) -> bool {
        let [kind, origin] = [TYPE_KEY, ORIGIN_KEY].map(|key| channel.metadata.get(key).map_or("", String::as_str));
        checksum(hasher(&channel.topic, kind, origin), head, &self.sealed) == self.checksum
    }
}

/// The fixed32 field that ends at `end`.
fn fixed(message: &[u8], field: u32, end: usize) -> Option<u32> {
    let bytes = message.get(end.checked_sub(FIXED)?..end)?;
    let (mut key, value) = bytes.split_at(KEY);
    let is_it = prost::encoding::decode_key(&mut key).ok()? == (field, WireType::ThirtyTwoBit) && key.is_empty();
    is_it.then_some(u32::from_le_bytes(value.try_into().ok()?))
}

/// A time of the file on our timeline.
pub(super) fn time(file: u64) -> i64 {
    i64::try_from(file).unwrap_or(i64::MAX)
}

/// A time of our timeline in the file; what is before 1970 is 1970.
pub(super) fn file_time(ns: i64) -> u64 {
    u64::try_from(ns).unwrap_or(0)
}
