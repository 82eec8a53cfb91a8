//! One chunk of a recording, unpacked. It never unpacks more than the limit, whatever the chunk says of itself.

use bytes::{Buf as _, Bytes, BytesMut};
use mcap::{
    records::op,
    sans_io::{LinearReadEvent, LinearReader, LinearReaderOptions},
};

use super::{
    RECORD_MAX,
    records::{Broken, broken},
};

/// Bytes of a chunk's header beside the name of its compression.
const HEADER: usize = 8 + 8 + 8 + 4 + 4 + 8;

/// The records of a chunk that were not read yet.
pub(super) struct Chunk {
    /// Where the next record stands in the file; of a packed chunk where the chunk does.
    at: u64,
    is_packed: bool,
    records: Bytes,
    is_sound: bool,
    is_whole: bool,
}

impl Chunk {
    /// Unpacks a chunk; of one that is not whole, what is there.
    pub(super) fn open(at: u64, body: Bytes, is_whole: bool) -> Result<Chunk, Broken> {
        let cut = || Broken { at, what: "the file ends in the middle of a chunk".to_owned(), unfinished: true };
        let header = Header::parse(&body)
            .ok_or_else(|| if is_whole { broken(at, "a chunk that makes no sense") } else { cut() })?;
        if header.unpacked > RECORD_MAX as u64 {
            return Err(broken(at, format!("a chunk of {} bytes is over the limit", header.unpacked)));
        }
        if is_whole && body.len() as u64 - header.length as u64 != header.packed {
            return Err(broken(at, "a chunk that is not as long as it says"));
        }
        let records = match header.compression.as_slice() {
            b"" => body.slice(header.length..),
            b"lz4" | b"zstd" => unpack(&body),
            other => {
                let name = String::from_utf8_lossy(&other[..other.len().min(16)]).escape_debug().to_string();
                return Err(broken(at, format!("a chunk is compressed with \"{name}\"; known are lz4 and zstd")));
            }
        };
        let is_sound = !is_whole
            || (records.len() as u64 == header.unpacked
                && (header.crc == 0 || crc32fast::hash(&records) == header.crc));
        let is_packed = !header.compression.is_empty();
        let at = if is_packed { at } else { at + 9 + header.length as u64 };
        Ok(Chunk { at, is_packed, records, is_sound, is_whole })
    }

    /// Whether its checksum holds; of one that is cut off what is there is taken as sound, nothing having touched it.
    pub(super) fn is_sound(&self) -> bool {
        self.is_sound
    }

    /// The next record: where it stands, what it is, what it holds. None at the end of the chunk, or where it is cut off.
    pub(super) fn next(&mut self) -> Result<Option<(u64, u8, Bytes)>, Broken> {
        if self.records.is_empty() {
            return Ok(None);
        }
        let mut frame = self.records.clone();
        let whole = frame.len() >= 9;
        let (opcode, length) = if whole { (frame.get_u8(), frame.get_u64_le()) } else { (0, 0) };
        if !whole || length > frame.len() as u64 {
            if self.is_whole {
                return Err(broken(self.at, "the records of a chunk do not fill it"));
            }
            self.records = Bytes::new();
            return Ok(None);
        }
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let body = frame.split_to(length);
        self.records = frame;
        let at = self.at;
        if !self.is_packed {
            self.at += 9 + length as u64;
        }
        Ok(Some((at, opcode, body)))
    }

    /// What is to be said at its end: that its checksum contradicts it, or that the file was cut off in it.
    pub(super) fn end(&self) -> Option<Broken> {
        let cut =
            || Broken { at: self.at, what: "the file ends in the middle of a chunk".to_owned(), unfinished: true };
        match (self.is_whole, self.is_sound) {
            (false, _) => Some(cut()),
            (true, false) => Some(broken(self.at, "a checksum contradicts a chunk")),
            (true, true) => None,
        }
    }
}

struct Header {
    unpacked: u64,
    crc: u32,
    compression: Vec<u8>,
    packed: u64,
    /// Bytes of the header.
    length: usize,
}

impl Header {
    fn parse(body: &Bytes) -> Option<Header> {
        let mut left = body.clone();
        if left.len() < HEADER {
            return None;
        }
        left.advance(16); // first and last time
        let (unpacked, crc, name) = (left.get_u64_le(), left.get_u32_le(), left.get_u32_le() as usize);
        if name > left.len().checked_sub(8)? {
            return None;
        }
        let compression = left.split_to(name).to_vec();
        Some(Header { unpacked, crc, compression, packed: left.get_u64_le(), length: HEADER + name })
    }
}

/// The records of a compressed chunk, one after another as they would stand in one that is not, as far as they can be unpacked.
fn unpack(body: &Bytes) -> Bytes {
    let options = LinearReaderOptions::default()
        .with_skip_start_magic(true)
        .with_skip_end_magic(true)
        .with_record_length_limit(RECORD_MAX);
    let mut reader = LinearReader::new_with_options(options);
    let mut frame = BytesMut::with_capacity(9);
    frame.extend_from_slice(&[op::CHUNK]);
    frame.extend_from_slice(&(body.len() as u64).to_le_bytes());
    let mut packed = bytes::Buf::chain(frame.freeze(), body.clone());
    let mut unpacked = BytesMut::new();
    while let Some(Ok(event)) = reader.next_event() {
        match event {
            LinearReadEvent::ReadRequest(wanted) => {
                let bytes = wanted.min(packed.remaining());
                packed.copy_to_slice(&mut reader.insert(bytes)[..bytes]);
                reader.notify_read(bytes);
            }
            LinearReadEvent::Record { opcode, data } => {
                if unpacked.len() + 9 + data.len() > RECORD_MAX {
                    break;
                }
                unpacked.extend_from_slice(&[opcode]);
                unpacked.extend_from_slice(&(data.len() as u64).to_le_bytes());
                unpacked.extend_from_slice(data);
            }
        }
    }
    unpacked.freeze()
}
