//! The frames that two links exchange inside TLS: what they say to each other, as bytes.
//!
//! Integers are little-endian. A frame is `length: u32 | kind: u8 | body`; the length counts kind and body.
//!
//! | kind | body |
//! |---|---|
//! | 1 Hello | `version: u16`, `role: u8` (0 control, 1 bulk), `session: [u8; 16]`, `name` |
//! | 2 Want | `count: u16`, then per topic `topic`, `type`, `keep: u32`; their order gives each its number |
//! | 3 Refuse | `number: u16` of the wanted topic (65535: the whole session), `reason` |
//! | 4 Data | `number: u16` of the wanted topic, `header length: u16`, a protobuf `Header`, the payload to the end |
//! | 5 Ping | `sent_ns: i64` |
//! | 6 Pong | `sent_ns: i64` of the ping, `received_ns: i64`, `replied_ns: i64` |
//!
//! A text is `length: u16` and UTF-8. Every length is checked before anything is allocated for it, and a buffer grows with
//! the bytes that arrived, never with what was claimed. This file does no I/O.

use bytes::{Buf, BufMut, Bytes};
use offboard::proto::{Header, MESSAGE_MAX, TOPIC_MAX};
use prost::Message;

/// The version of this protocol; both ends must speak the same.
pub const VERSION: u16 = 1;

/// The longest frame on the control connection, and on any before its hello: 64 KiB.
pub const CONTROL_MAX: usize = 64 << 10;

/// The longest encoded [`Header`]: two names of bounded length and a few numbers.
pub const HEADER_MAX: usize = 1 << 10;

/// The longest frame on the bulk connection: a whole message, its header and what stands before it.
pub const BULK_MAX: usize = MESSAGE_MAX + HEADER_MAX + 16;

/// The most topics one side may want: so many, with the longest names, still fit a control frame.
pub const WANTS_MAX: usize = 128;

/// The longest name of a protobuf type, in bytes.
pub const KIND_MAX: usize = 256;

/// The longest reason of a refusal, in bytes.
pub const REASON_MAX: usize = 512;

/// The longest name of a graph, in bytes.
const NAME_MAX: usize = 64;

/// The longest queue that may be asked for, in messages.
pub const KEEP_MAX: u32 = offboard::graph::Keep::MAX;

/// The number in a [`Frame::Refuse`] that means the whole session.
pub const WHOLE_SESSION: u16 = u16::MAX;

/// What a frame's buffer is given at first; only an authenticated peer may claim more than [`CONTROL_MAX`].
const GRAIN: usize = 1 << 20;

/// Bytes are copied in pieces of so many: from 8 KiB on glibc 2.36 copies with an instruction that some AMD processors (Zen 4,
/// measured) run at a third of the speed.
const COPY: usize = 4 << 10;

/// Which of the two connections of a session this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Small messages, pings and what the links say to each other.
    Control,
    /// Everything else.
    Bulk,
}

/// The first frame of each connection, both ways.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// Which connection this is.
    pub role: Role,
    /// The same random number on both connections of a session.
    pub session: [u8; 16],
    /// The sender's graph.
    pub name: String,
}

/// A topic that the sender's graph listens to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Want {
    /// The topic as the speaker names it: `node/output`.
    pub topic: String,
    /// Full protobuf name of what the listeners expect, or `*`.
    pub kind: String,
    /// How many messages may wait for the wire: 1 is newest wins.
    pub keep: u32,
}

/// One frame.
#[derive(Debug, Clone, PartialEq)]
pub enum Frame {
    /// Who speaks.
    Hello(Hello),
    /// All the topics that the sender wants.
    Want(Vec<Want>),
    /// Why a wanted topic will not come.
    Refuse {
        /// Its number among the wanted; [`WHOLE_SESSION`] for all.
        number: u16,
        /// For a person.
        reason: String,
    },
    /// A message.
    Data {
        /// The topic's number among the wanted.
        number: u16,
        /// The message's header, its stamps on the listener's timeline.
        header: Header,
        /// The message's payload.
        payload: Bytes,
    },
    /// Are you there?
    Ping {
        /// When it was sent, on the sender's own timeline.
        sent_ns: i64,
    },
    /// The answer.
    Pong {
        /// The ping's own stamp.
        sent_ns: i64,
        /// When the ping came, on the answerer's timeline.
        received_ns: i64,
        /// When this answer was sent, on the answerer's timeline.
        replied_ns: i64,
    },
}

/// Why bytes are no frame. The connection that carried them is not to be trusted any further.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// More than the connection may carry.
    #[error("a frame claims {claimed} bytes, over the limit of {limit}")]
    TooLong {
        /// What the length field says.
        claimed: usize,
        /// What is allowed.
        limit: usize,
    },
    /// Bytes are missing, or too many.
    #[error("a frame of kind {0} has the wrong length")]
    Length(u8),
    /// A field is out of its range.
    #[error("a frame has an impossible {0}")]
    Field(&'static str),
    /// Another protocol.
    #[error(
        "it speaks version {0} of the link protocol, this machine speaks {VERSION}: install the same release on both"
    )]
    Version(u16),
}

impl Frame {
    /// The whole frame as bytes; a text beyond its limit is cut.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Frame::Data { number, header, payload } => {
                let mut frame = data_head(*number, header, payload.len());
                frame.extend_from_slice(payload);
                frame
            }
            other => {
                let mut frame = vec![0; 4];
                other.encode_body(&mut frame);
                seal_length(&mut frame, 0);
                frame
            }
        }
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        match self {
            Frame::Hello(Hello { role, session, name }) => {
                out.put_u8(1);
                out.put_u16_le(VERSION);
                out.put_u8(u8::from(*role == Role::Bulk));
                out.put_slice(session);
                put_text(out, name, NAME_MAX);
            }
            Frame::Want(wants) => {
                out.put_u8(2);
                let count = wants.len().min(WANTS_MAX);
                out.put_u16_le(count as u16);
                for want in &wants[..count] {
                    put_text(out, &want.topic, TOPIC_MAX);
                    put_text(out, &want.kind, KIND_MAX);
                    out.put_u32_le(want.keep);
                }
            }
            Frame::Refuse { number, reason } => {
                out.put_u8(3);
                out.put_u16_le(*number);
                put_text(out, reason, REASON_MAX);
            }
            Frame::Data { .. } => {} // has its own way, see `encode`
            Frame::Ping { sent_ns } => {
                out.put_u8(5);
                out.put_i64_le(*sent_ns);
            }
            Frame::Pong { sent_ns, received_ns, replied_ns } => {
                out.put_u8(6);
                [sent_ns, received_ns, replied_ns].into_iter().for_each(|ns| out.put_i64_le(*ns));
            }
        }
    }

    /// Reads one frame from what stood behind its length. A payload is a slice of `frame`, not a copy.
    ///
    /// # Errors
    /// Anything that this protocol does not say.
    pub fn decode(mut frame: Bytes) -> Result<Frame, FrameError> {
        let kind = frame.try_get_u8().map_err(|_| FrameError::Length(0))?;
        let decoded = match kind {
            1 => hello(&mut frame)?,
            2 => wants(&mut frame)?,
            3 => {
                let number = number(&mut frame, kind)?;
                Frame::Refuse { number, reason: text(&mut frame, kind, REASON_MAX, "reason")? }
            }
            4 => return data(frame),
            5 => Frame::Ping { sent_ns: nanoseconds(&mut frame, kind)? },
            6 => Frame::Pong {
                sent_ns: nanoseconds(&mut frame, kind)?,
                received_ns: nanoseconds(&mut frame, kind)?,
                replied_ns: nanoseconds(&mut frame, kind)?,
            },
            _ => return Err(FrameError::Field("kind")),
        };
        if frame.is_empty() { Ok(decoded) } else { Err(FrameError::Length(kind)) }
    }
}

/// A [`Frame::Data`] up to its payload, whose bytes are sent from where they are.
#[must_use]
pub fn data_head(number: u16, header: &Header, payload: usize) -> Vec<u8> {
    let header_len = header.encoded_len();
    let mut head = Vec::with_capacity(9 + header_len);
    head.put_u32_le((5 + header_len + payload) as u32);
    head.put_u8(4);
    head.put_u16_le(number);
    head.put_u16_le(header_len as u16);
    header.encode_raw(&mut head);
    head
}

/// Whether a message fits a frame at all.
#[must_use]
pub fn fits(header: &Header, payload: usize) -> bool {
    header.encoded_len() <= HEADER_MAX && payload <= MESSAGE_MAX
}

fn seal_length(frame: &mut [u8], payload: usize) {
    let length = (frame.len() - 4 + payload) as u32;
    frame[..4].copy_from_slice(&length.to_le_bytes());
}

fn put_text(out: &mut Vec<u8>, text: &str, max: usize) {
    let end = text.floor_char_boundary(max);
    out.put_u16_le(end as u16);
    out.put_slice(&text.as_bytes()[..end]);
}

fn text(from: &mut Bytes, kind: u8, max: usize, what: &'static str) -> Result<String, FrameError> {
    let length = usize::from(number(from, kind)?);
    if length > max {
        return Err(FrameError::Field(what));
    }
    if length > from.len() {
        return Err(FrameError::Length(kind));
    }
    String::from_utf8(from.split_to(length).to_vec()).map_err(|_| FrameError::Field(what))
}

fn number(from: &mut Bytes, kind: u8) -> Result<u16, FrameError> {
    from.try_get_u16_le().map_err(|_| FrameError::Length(kind))
}

fn nanoseconds(from: &mut Bytes, kind: u8) -> Result<i64, FrameError> {
    from.try_get_i64_le().map_err(|_| FrameError::Length(kind))
}

fn hello(from: &mut Bytes) -> Result<Frame, FrameError> {
    let version = number(from, 1)?;
    if version != VERSION {
        return Err(FrameError::Version(version));
    }
    let role = match from.try_get_u8() {
        Ok(0) => Role::Control,
        Ok(1) => Role::Bulk,
        _ => return Err(FrameError::Field("role")),
    };
    let mut session = [0; 16];
    from.try_copy_to_slice(&mut session).map_err(|_| FrameError::Length(1))?;
    let name = text(from, 1, NAME_MAX, "name")?;
    // The name goes into logs and is compared with the graph file's.
    name.parse::<offboard::graph::GraphName>().map_err(|_| FrameError::Field("name"))?;
    Ok(Frame::Hello(Hello { role, session, name }))
}

fn wants(from: &mut Bytes) -> Result<Frame, FrameError> {
    let count = usize::from(number(from, 2)?);
    if count > WANTS_MAX {
        return Err(FrameError::Field("number of topics"));
    }
    let mut wants = Vec::new();
    for _ in 0..count {
        let topic = text(from, 2, TOPIC_MAX, "topic")?;
        let kind = text(from, 2, KIND_MAX, "type")?;
        let keep = from.try_get_u32_le().map_err(|_| FrameError::Length(2))?;
        if !(1..=KEEP_MAX).contains(&keep) {
            return Err(FrameError::Field("queue length"));
        }
        wants.push(Want { topic, kind, keep });
    }
    Ok(Frame::Want(wants))
}

fn data(mut from: Bytes) -> Result<Frame, FrameError> {
    let number = number(&mut from, 4)?;
    let length = usize::from(self::number(&mut from, 4)?);
    if length > HEADER_MAX {
        return Err(FrameError::Field("header"));
    }
    if length > from.len() {
        return Err(FrameError::Length(4));
    }
    let header = Header::decode(from.split_to(length)).map_err(|_| FrameError::Field("header"))?;
    Ok(Frame::Data { number, header, payload: from })
}

/// Puts frames together from bytes as they arrive.
#[derive(Debug)]
pub struct Assembler {
    limit: usize,
    /// The bytes of the length field that arrived so far.
    length: [u8; 4],
    length_len: usize,
    /// The frame under construction, once its length is known and allowed.
    body: Vec<u8>,
    claimed: Option<usize>,
}

impl Assembler {
    /// An empty one that lets frames of up to `limit` bytes through.
    #[must_use]
    pub fn new(limit: usize) -> Assembler {
        Assembler { limit, length: [0; 4], length_len: 0, body: Vec::new(), claimed: None }
    }

    /// From now on frames of up to `limit` bytes are let through.
    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Takes bytes from the front of `bytes`; returns a frame without its length as soon as one is whole.
    ///
    /// # Errors
    /// [`FrameError::TooLong`] when more is claimed than allowed, before anything is allocated for it.
    pub fn take(&mut self, bytes: &mut &[u8]) -> Result<Option<Bytes>, FrameError> {
        let Some(claimed) = self.take_length(bytes)? else {
            return Ok(None);
        };
        let (now, rest) = bytes.split_at(bytes.len().min(claimed - self.body.len()));
        *bytes = rest;
        self.make_room(now.len(), claimed);
        for piece in now.chunks(COPY) {
            self.body.extend_from_slice(piece);
        }
        if self.body.len() < claimed {
            return Ok(None);
        }
        self.claimed = None;
        Ok(Some(std::mem::take(&mut self.body).into()))
    }

    fn take_length(&mut self, bytes: &mut &[u8]) -> Result<Option<usize>, FrameError> {
        if self.claimed.is_some() {
            return Ok(self.claimed);
        }
        let (now, rest) = bytes.split_at(bytes.len().min(4 - self.length_len));
        *bytes = rest;
        self.length[self.length_len..self.length_len + now.len()].copy_from_slice(now);
        self.length_len += now.len();
        if self.length_len < 4 {
            return Ok(None);
        }
        self.length_len = 0;
        let claimed = u32::from_le_bytes(self.length) as usize;
        if claimed > self.limit {
            return Err(FrameError::TooLong { claimed, limit: self.limit });
        }
        self.claimed = Some(claimed);
        Ok(self.claimed)
    }

    /// Makes room for `more` bytes: [`GRAIN`] at first, then doubling, and never more than claimed.
    fn make_room(&mut self, more: usize, claimed: usize) {
        let need = self.body.len() + more;
        if need > self.body.capacity() {
            let room = need.max(self.body.capacity() * 2).max(GRAIN).min(claimed);
            self.body.reserve_exact(room - self.body.len());
        }
    }

    /// How much is allocated at the moment, in bytes.
    #[must_use]
    pub fn allocated(&self) -> usize {
        self.body.capacity()
    }
}

#[cfg(test)]
mod tests;
