//! Messages as a node receives them: a header and a body. They never change once they arrived.

use std::{ops::Deref, time::Duration};

use bytes::Bytes;
use offboard_proto::{Header, Status};
use prost::Name;

use super::{Error, Result, clock};

/// Something that was sensed: what a computed message names as its cause.
pub trait Evidence {
    /// Its header, with `stamp_ns` and `origin`.
    fn header(&self) -> &Header;

    /// When it was received, nanoseconds on the machine's steady timeline. What was computed from it took from then until it was
    /// sent. Whoever does not know leaves it at when the cause was sensed.
    fn received_ns(&self) -> i64 {
        self.header().stamp_ns
    }

    /// How long ago the cause was sensed.
    fn age(&self) -> Duration {
        since(self.header().stamp_ns)
    }

    /// How long ago the publisher sent it.
    fn sent_age(&self) -> Duration {
        since(self.header().sent_ns)
    }
}

/// Time since a stamp on the machine's steady timeline; zero for one in the future.
fn since(stamp_ns: i64) -> Duration {
    Duration::from_nanos(clock::now_ns().saturating_sub(stamp_ns).try_into().unwrap_or(0))
}

/// A message of a known type. Dereferences to its body.
#[derive(Debug, Clone, PartialEq)]
pub struct Message<M> {
    /// Who sent it when, and what it was computed from.
    pub header: Header,
    /// What it says.
    pub body: M,
    /// When it was received, nanoseconds on the machine's steady timeline.
    pub received_ns: i64,
}

impl<M> Deref for Message<M> {
    type Target = M;
    fn deref(&self) -> &M {
        &self.body
    }
}

impl<M> Evidence for Message<M> {
    fn header(&self) -> &Header {
        &self.header
    }

    fn received_ns(&self) -> i64 {
        self.received_ns
    }
}

/// A message as it came, not looked into.
#[derive(Debug, Clone, PartialEq)]
pub struct RawMessage {
    /// The topic that it came on.
    pub topic: String,
    /// Who sent it when, and what it was computed from.
    pub header: Header,
    /// The encoded message of type `header.r#type`.
    pub payload: Bytes,
    /// When it was received, nanoseconds on the machine's steady timeline.
    pub received_ns: i64,
}

impl Evidence for RawMessage {
    fn header(&self) -> &Header {
        &self.header
    }

    fn received_ns(&self) -> i64 {
        self.received_ns
    }
}

impl RawMessage {
    /// The message as an `M`. Bytes fields are slices of the payload, not copies.
    ///
    /// # Errors
    /// [`Error::Unreadable`] when it is of another type, carries nothing good, or does not decode.
    pub fn decode<M: prost::Message + Default + Name>(&self) -> Result<Message<M>> {
        let wanted = M::full_name();
        if self.header.r#type != wanted {
            return Err(Error::Unreadable(format!(
                "{} carries {}, not {wanted}",
                self.topic,
                printable(&self.header.r#type)
            )));
        }
        if self.is_no_data() {
            return Err(Error::Unreadable(format!("{} says that it has nothing good", self.topic)));
        }
        let body = M::decode(self.payload.clone())
            .map_err(|error| Error::Unreadable(format!("{}: no {wanted}: {error}", self.topic)))?;
        Ok(Message { header: self.header.clone(), body, received_ns: self.received_ns })
    }

    /// Whether the publisher is alive but has nothing good to say.
    #[must_use]
    pub fn is_no_data(&self) -> bool {
        self.header.status == Status::NoData as i32
    }
}

/// A name from the wire, safe to print: escaped and short.
pub(crate) fn printable(name: &str) -> String {
    name.chars().take(64).flat_map(char::escape_debug).collect()
}
