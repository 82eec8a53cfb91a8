//! The speaking side of a topic: numbers and stamps messages and hands them to each edge's queue.
//! It never waits for a listener.

use std::{marker::PhantomData, mem, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use offboard_proto::{Header, MESSAGE_MAX, Status};
use prost::{Message as _, Name};
use tokio::time::Instant;

use super::{Evidence, Result, carrier::Outlet, clock, counts::Counts, life::Life};
use crate::wiring::OutputWiring;

/// How long the last messages may take on their way out: a listener that hangs must not keep a node from ending.
const CLOSE_MAX: Duration = Duration::from_millis(100);

/// Publishes messages that others encoded, made by [`Node::publish_raw`](super::Node::publish_raw).
#[derive(Debug)]
pub struct RawPublisher {
    topic: Bytes,
    outlets: Vec<Outlet>,
    counts: Arc<Counts>,
    life: Arc<Life>,
    /// `graph:node/output`: whose stamp it is when this topic is the cause.
    origin: String,
    seq: u64,
}

impl RawPublisher {
    pub(crate) async fn bind(wiring: &OutputWiring, graph: &str, life: Arc<Life>) -> Result<RawPublisher> {
        let counts = Arc::new(Counts::new(&wiring.name, &wiring.topic, true));
        life.register(&counts);
        let mut outlets = Vec::with_capacity(wiring.endpoints.len());
        for endpoint in &wiring.endpoints {
            outlets.push(Outlet::bind(&endpoint.address, endpoint.keep, counts.clone()).await?);
        }
        Ok(RawPublisher {
            topic: Bytes::from(wiring.topic.clone()),
            outlets,
            counts,
            life,
            origin: format!("{graph}:{}", wiring.topic),
            seq: 0,
        })
    }

    /// Whether anybody listens at the moment: if not, costly work can be skipped.
    #[must_use]
    pub fn wanted(&self) -> bool {
        self.outlets.iter().any(Outlet::wanted)
    }

    /// How many edges have a listener at the moment; whoever looks at the tap does not count.
    #[must_use]
    pub fn listeners(&self) -> usize {
        self.outlets.iter().filter(|outlet| !outlet.is_tap() && outlet.wanted()).count()
    }

    /// Sends a message with this header as it is. A message over the size limit is counted and reported instead.
    ///
    /// # Errors
    /// None at present; a carrier may have some.
    pub async fn forward(&mut self, header: &Header, payload: Bytes) -> Result<()> {
        self.counts.remember(clock::now_ns(), header.stamp_ns, header.sent_ns, &header.origin);
        self.pass(header, payload).await
    }

    /// Says anew what was said at another time: with this header's type, status, stamp and origin, numbered by this publisher and sent
    /// now.
    ///
    /// # Errors
    /// As [`RawPublisher::forward`].
    pub async fn resend(&mut self, header: &Header, payload: Bytes) -> Result<()> {
        self.seq += 1;
        let sent_ns = clock::now_ns();
        let header = Header { seq: self.seq, incarnation: self.life.incarnation, sent_ns, ..header.clone() };
        if header.status == Status::Ok as i32 {
            self.counts.remember(sent_ns, header.stamp_ns, header.stamp_ns, &header.origin);
        }
        self.pass(&header, payload).await
    }

    /// Ends it once what was sent is on its way to its listeners; who does not read within 100 ms misses it. A publisher that is
    /// dropped instead leaves what a full socket held up, unless the runtime goes on.
    pub async fn close(mut self) {
        let until = Instant::now() + CLOSE_MAX;
        // All close at once: one that is not read must not take the time of the others.
        self.outlets.iter().for_each(Outlet::close);
        for outlet in &mut self.outlets {
            outlet.emptied(until).await;
        }
    }

    async fn pass(&mut self, header: &Header, payload: Bytes) -> Result<()> {
        self.hand_over(header, payload).await;
        // Afterwards: a heartbeat that is due costs more than a small message.
        self.life.beat();
        Ok(())
    }

    async fn hand_over(&self, header: &Header, payload: Bytes) {
        if payload.len() > MESSAGE_MAX {
            let size = payload.len();
            self.counts.trouble(&self.counts.oversized, || {
                format!("{size} bytes are over the limit of {MESSAGE_MAX}, not sent")
            });
            return;
        }
        self.counts.message(payload.len());
        if !self.wanted() {
            return;
        }
        let header = Bytes::from(header.encode_to_vec());
        for outlet in self.outlets.iter().filter(|outlet| outlet.wanted()) {
            outlet.push([self.topic.clone(), header.clone(), payload.clone()]);
        }
        // Lets the edges write at once, on this thread, before the caller goes on computing.
        tokio::task::yield_now().await;
    }

    /// Sends an encoded message of type `kind`, numbered by this publisher.
    ///
    /// # Errors
    /// As [`RawPublisher::forward`].
    async fn send(&mut self, kind: &str, status: Status, cause: Cause<'_>, payload: Bytes) -> Result<()> {
        self.seq += 1;
        let sent_ns = clock::now_ns();
        let (stamp_ns, since_ns, origin) = match cause {
            Cause::Now => (sent_ns, sent_ns, &self.origin),
            Cause::At(stamp_ns) => (stamp_ns, stamp_ns, &self.origin),
            Cause::Evidence { header, received_ns } => (header.stamp_ns, received_ns, &header.origin),
        };
        if status == Status::Ok {
            self.counts.remember(sent_ns, stamp_ns, since_ns, origin);
        }
        let header = Header {
            seq: self.seq,
            incarnation: self.life.incarnation,
            sent_ns,
            stamp_ns,
            origin: origin.clone(),
            r#type: kind.to_owned(),
            status: status as i32,
        };
        self.pass(&header, payload).await
    }
}

/// What a message was computed from.
enum Cause<'a> {
    Now,
    At(i64),
    Evidence { header: &'a Header, received_ns: i64 },
}

/// The last payload, kept so that its memory can hold the next: fresh memory for a picture costs a page fault every 4 KiB,
/// hundreds a frame (measured), because the allocator gives large blocks back at once.
#[derive(Debug, Default)]
struct Spare(Bytes);

impl Spare {
    /// Encodes a message, into the last one's memory where every edge is done with that and it is no waste.
    fn encode(&mut self, message: &impl prost::Message) -> Bytes {
        let length = message.encoded_len();
        let mut buffer = match mem::take(&mut self.0).try_into_mut() {
            Ok(buffer) if buffer.capacity() / 2 <= length => buffer,
            _ => BytesMut::new(),
        };
        buffer.clear();
        buffer.reserve(length);
        let encoded = message.encode(&mut buffer);
        debug_assert!(encoded.is_ok(), "as much room as it said it needs");
        self.0 = buffer.freeze();
        self.0.clone()
    }
}

/// Publishes messages of type `M`, made by [`Node::publish`](super::Node::publish).
#[derive(Debug)]
pub struct Publisher<M> {
    raw: RawPublisher,
    kind: String,
    spare: Spare,
    body: PhantomData<fn(M)>,
}

impl<M: prost::Message + Name> Publisher<M> {
    pub(crate) fn new(raw: RawPublisher) -> Publisher<M> {
        Publisher { raw, kind: M::full_name(), spare: Spare::default(), body: PhantomData }
    }

    /// Whether anybody listens at the moment: if not, costly work can be skipped.
    #[must_use]
    pub fn wanted(&self) -> bool {
        self.raw.wanted()
    }

    /// Sends a message that was sensed now.
    ///
    /// # Errors
    /// As [`RawPublisher::forward`].
    pub async fn send(&mut self, message: M) -> Result<()> {
        self.put(Status::Ok, Cause::Now, &message).await
    }

    /// Sends a message that was sensed at `stamp_ns` on the machine's steady timeline.
    ///
    /// # Errors
    /// As [`RawPublisher::forward`].
    pub async fn send_at(&mut self, stamp_ns: i64, message: M) -> Result<()> {
        self.put(Status::Ok, Cause::At(stamp_ns), &message).await
    }

    /// Sends a message that was computed from another: keeps that one's stamp and origin.
    ///
    /// # Errors
    /// As [`RawPublisher::forward`].
    pub async fn send_from(&mut self, cause: &impl Evidence, message: M) -> Result<()> {
        let cause = Cause::Evidence { header: cause.header(), received_ns: cause.received_ns() };
        self.put(Status::Ok, cause, &message).await
    }

    /// Ends it, see [`RawPublisher::close`].
    pub async fn close(self) {
        self.raw.close().await;
    }

    /// Says that the node is alive but has nothing good to say.
    ///
    /// # Errors
    /// As [`RawPublisher::forward`].
    pub async fn send_no_data(&mut self) -> Result<()> {
        self.raw.send(&self.kind, Status::NoData, Cause::Now, Bytes::new()).await
    }

    async fn put(&mut self, status: Status, cause: Cause<'_>, message: &M) -> Result<()> {
        // Serialised once; from here on it is passed as `Bytes`. Nobody listening, nothing to serialise.
        let payload = if self.raw.wanted() { self.spare.encode(message) } else { Bytes::new() };
        self.raw.send(&self.kind, status, cause, payload).await
    }
}

#[cfg(test)]
mod tests {
    use offboard_proto::CompressedImage;

    use super::*;

    fn image(fill: u8, length: usize) -> CompressedImage {
        CompressedImage { data: vec![fill; length].into(), ..CompressedImage::default() }
    }

    #[test]
    fn the_memory_of_a_message_that_is_gone_holds_the_next() {
        let mut spare = Spare::default();
        let first = spare.encode(&image(1, 100_000)).as_ptr();
        assert_eq!(spare.encode(&image(2, 90_000)).as_ptr(), first);
    }

    #[test]
    fn a_message_that_is_still_on_its_way_is_never_written_over() {
        let mut spare = Spare::default();
        let first = spare.encode(&image(1, 1000));
        let second = spare.encode(&image(2, 1000));
        assert_eq!(CompressedImage::decode(first).unwrap(), image(1, 1000));
        assert_eq!(CompressedImage::decode(second).unwrap(), image(2, 1000));
    }

    #[test]
    fn a_small_message_does_not_keep_the_memory_of_a_large_one() {
        let mut spare = Spare::default();
        spare.encode(&image(1, 1_000_000));
        spare.encode(&image(2, 10));
        assert!(mem::take(&mut spare.0).try_into_mut().unwrap().capacity() < 1000);
    }
}
