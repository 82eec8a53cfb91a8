//! The listening side of a topic: checks what comes, counts what is lost, skips the stale when asked to.
//! It never returns a message of another type than agreed, and what a neighbour sends is never an error.

use std::{marker::PhantomData, sync::Arc, time::Duration};

use futures_util::FutureExt;
use offboard_proto::{Header, MESSAGE_MAX, TOPIC_MAX};
use prost::{Message as _, Name};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::{
    Error, Evidence, Message, RawMessage, Result,
    carrier::{Inlet, Parts},
    clock,
    counts::Counts,
    life::Life,
    message::printable,
};
use crate::{Period, wiring::InputWiring};

/// A message so much older than is usual on its topic may be a leftover from before a stall, in the kernel's buffers…
const LATE: Duration = Duration::from_millis(50);
/// …so the publisher's newest gets so long to follow it.
const GRACE: Duration = Duration::from_millis(10);

/// …and all that follow it so long: where messages keep coming and stay as old, that is how far away they come from.
const GRACE_MAX: Duration = Duration::from_millis(250);

/// How slowly what is usual follows messages that come later: by one part in so many.
const USUAL_WEIGHT: u32 = 64;

/// The most leftovers to skip in one go.
const SKIP_MAX: usize = 100_000;

/// Listens without looking into the messages, made by [`Node::subscribe_raw`](super::Node::subscribe_raw).
#[derive(Debug)]
pub struct RawSubscriber {
    name: String,
    topic: String,
    kind: Option<String>,
    timeout: Option<Duration>,
    inlet: Inlet,
    counts: Arc<Counts>,
    life: Option<Arc<Life>>,
    /// The newest so far, while `latest` looks whether there is a newer one: kept here so that it survives a cancelled call.
    held: Option<RawMessage>,
    /// Incarnation and seq of the last message.
    seen: Option<(u64, u64)>,
    /// When the last good message came, or when listening began.
    heard: Instant,
    /// Whether the last message had to be waited for: then it is the newest, and asking the socket again would only cost.
    waited: bool,
    /// The age at which messages usually come: near zero on this machine, the delay of the link from another.
    usual: Duration,
}

impl RawSubscriber {
    pub(crate) fn new(wiring: &InputWiring, kind: Option<&str>, life: Option<Arc<Life>>) -> RawSubscriber {
        let counts = Arc::new(Counts::new(&wiring.name, &wiring.topic, false));
        if let Some(life) = &life {
            life.register(&counts);
        }
        let now = Instant::now();
        RawSubscriber {
            name: wiring.name.clone(),
            topic: wiring.topic.clone(),
            kind: kind.map(str::to_owned),
            timeout: wiring.timeout,
            inlet: Inlet::new(&wiring.endpoint, &wiring.topic),
            counts,
            life,
            held: None,
            seen: None,
            heard: now,
            waited: false,
            usual: Duration::ZERO,
        }
    }

    /// Listens at an endpoint from outside of any node, for instance at a tap. Needs a tokio runtime.
    #[must_use]
    pub fn connect(endpoint: &str, topic: &str) -> RawSubscriber {
        let wiring = InputWiring {
            name: topic.to_owned(),
            endpoint: endpoint.to_owned(),
            topic: topic.to_owned(),
            kind: "*".to_owned(),
            timeout: None,
        };
        RawSubscriber::new(&wiring, None, None)
    }

    /// Messages missing by their numbers so far.
    #[must_use]
    pub fn gaps(&self) -> u64 {
        self.counts.gaps.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// The next message, every one in order. None when `launch` asks the node to stop. Cancel-safe.
    ///
    /// # Errors
    /// [`Error::Silent`] when the input has a `timeout` and nothing came for so long.
    pub async fn next(&mut self) -> Result<Option<RawMessage>> {
        let message = match self.held.take() {
            Some(message) => Some(message),
            None => self.receive().await?,
        };
        Ok(self.deliver(message))
    }

    /// The newest message that was not returned yet: waits for one, then skips what is stale. None when `launch` asks the
    /// node to stop. Cancel-safe.
    ///
    /// # Errors
    /// [`Error::Silent`] when the input has a `timeout` and nothing came for so long.
    pub async fn latest(&mut self) -> Result<Option<RawMessage>> {
        if self.held.is_none() {
            self.held = self.receive().await?;
        }
        if !self.waited || self.is_late() {
            self.skip();
        }
        // After a stall the first messages are what the kernel kept, as old as the stall; the publisher's newest, held back
        // until they were read, follows within a moment.
        let began = Instant::now();
        let mut patience = began + GRACE;
        while self.is_late() {
            match timeout_at(patience, self.receive()).await {
                Ok(Ok(Some(newer))) => {
                    self.supersede(newer);
                    patience = Instant::now() + GRACE;
                    if patience > began + GRACE_MAX {
                        self.usual = self.held.as_ref().map_or(self.usual, Evidence::sent_age);
                    }
                }
                Ok(Ok(None)) => return Ok(None),
                Ok(Err(_)) | Err(_) => break,
            }
        }
        self.learn_usual();
        let newest = self.held.take();
        Ok(self.deliver(newest))
    }

    /// A message of this input, read; none when it has nothing good, or cannot be read, which is counted.
    pub(crate) fn decode<M: prost::Message + Default + Name>(&self, raw: &RawMessage) -> Option<Message<M>> {
        if raw.is_no_data() {
            return None;
        }
        let decoded = raw.decode();
        if let Err(error) = &decoded {
            self.counts.trouble(&self.counts.undecodable, || error.to_string());
        }
        decoded.ok()
    }

    fn is_late(&self) -> bool {
        // A publisher without our SDK may leave the time out.
        self.held.as_ref().is_some_and(|held| held.header.sent_ns != 0 && held.sent_age() > self.usual + LATE)
    }

    fn learn_usual(&mut self) {
        let Some(age) = self.held.as_ref().map(Evidence::sent_age) else { return };
        self.usual = if age < self.usual { age } else { self.usual + (age - self.usual) / USUAL_WEIGHT };
    }

    /// The newest message that is there now, without waiting.
    ///
    /// # Errors
    /// None at present.
    pub fn try_latest(&mut self) -> Result<Option<RawMessage>> {
        if let Some(life) = &self.life {
            life.beat();
        }
        self.skip();
        let newest = self.held.take();
        Ok(self.deliver(newest))
    }

    /// Remembers how old a message was and how long it was on its way, now that the node gets it: what was skipped concerns nobody.
    fn deliver(&self, message: Option<RawMessage>) -> Option<RawMessage> {
        let good = message.as_ref().filter(|message| !message.is_no_data());
        if let Some(RawMessage { header, received_ns, .. }) = good {
            self.counts.remember(*received_ns, header.stamp_ns, header.sent_ns, &header.origin);
        }
        message
    }

    /// Takes what is there now; the newest stays.
    fn skip(&mut self) {
        for _ in 0..SKIP_MAX {
            match self.inlet.recv().now_or_never() {
                Some(parts) => {
                    if let Some(newer) = self.accept(parts) {
                        self.supersede(newer);
                    }
                }
                None => return,
            }
        }
    }

    fn supersede(&mut self, newer: RawMessage) {
        if self.held.replace(newer).is_some() {
            self.counts.expired.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
    }

    /// Waits for a good message; beats meanwhile, because waiting for input is what a healthy work loop does.
    async fn receive(&mut self) -> Result<Option<RawMessage>> {
        loop {
            if let Some(life) = &self.life {
                life.beat();
                if life.is_stopping() {
                    return Ok(None);
                }
            }
            let at_once = self.inlet.recv().now_or_never();
            self.waited = at_once.is_none();
            let parts = match at_once {
                Some(parts) => parts,
                None => match self.wait().await? {
                    Waited::Message(parts) => parts,
                    Waited::Beat => continue,
                    Waited::Stop => return Ok(None),
                },
            };
            if let Some(message) = self.accept(parts) {
                return Ok(Some(message));
            }
        }
    }

    async fn wait(&mut self) -> Result<Waited> {
        let now = Instant::now();
        let silent = self.timeout.map(|after| self.heard + after);
        let due = self.life.as_ref().map_or_else(|| now + Duration::from_secs(3600), |life| life.due());
        let wake = silent.map_or(due, |silent| silent.min(due));
        let life = &self.life;
        let stopped = async {
            match life {
                Some(life) => life.stopped().await,
                None => std::future::pending().await,
            }
        };
        let waited = tokio::select! {
            biased;
            parts = self.inlet.recv() => Waited::Message(parts),
            () = stopped => Waited::Stop,
            () = sleep_until(wake) => Waited::Beat,
        };
        let now = Instant::now();
        if matches!(waited, Waited::Beat) && silent.is_some_and(|silent| now >= silent) {
            self.heard = now; // asked again, it waits as long again
            let after = Period(self.timeout.unwrap_or_default());
            return Err(Error::Silent { input: self.name.clone(), after });
        }
        Ok(waited)
    }

    /// Looks at what came; counts and reports what is not as agreed.
    fn accept(&mut self, parts: Option<Parts>) -> Option<RawMessage> {
        match self.check(parts) {
            Ok(message) => {
                self.heard = Instant::now();
                self.number(&message.header);
                self.counts.message(message.payload.len());
                Some(message)
            }
            Err(Refused::Undecodable(what)) => {
                self.counts.trouble(&self.counts.undecodable, || what);
                None
            }
            Err(Refused::WrongType(what)) => {
                self.counts.trouble(&self.counts.wrong_type, || what);
                None
            }
            Err(Refused::Oversized(size)) => {
                self.counts
                    .trouble(&self.counts.oversized, || format!("{size} bytes are over the limit of {MESSAGE_MAX}"));
                None
            }
        }
    }

    fn check(&self, parts: Option<Parts>) -> Result<RawMessage, Refused> {
        let Some([topic, header, payload]) = parts else {
            return Err(Refused::Undecodable("a message is three parts: topic, header, payload".to_owned()));
        };
        if topic.len() > TOPIC_MAX || payload.len() > MESSAGE_MAX {
            return Err(Refused::Oversized(topic.len() + payload.len()));
        }
        if topic != self.topic {
            return Err(Refused::WrongType(format!(
                "a message on topic {}",
                printable(&String::from_utf8_lossy(&topic))
            )));
        }
        let header = Header::decode(header).map_err(|error| Refused::Undecodable(format!("no header: {error}")))?;
        if let Some(kind) = self.kind.as_ref().filter(|kind| **kind != header.r#type) {
            return Err(Refused::WrongType(format!("carries {}, not {kind}", printable(&header.r#type))));
        }
        Ok(RawMessage { topic: self.topic.clone(), header, payload, received_ns: clock::now_ns() })
    }

    /// Counts what is missing between the newest message so far and this one; one out of order was counted as missing before.
    fn number(&mut self, header: &Header) {
        let newest = self.seen.filter(|(incarnation, _)| *incarnation == header.incarnation).map(|(_, seq)| seq);
        let missing = newest.map_or(0, |seq| header.seq.saturating_sub(seq.saturating_add(1)));
        self.counts.gaps.fetch_add(missing, std::sync::atomic::Ordering::Relaxed);
        self.seen = Some((header.incarnation, header.seq.max(newest.unwrap_or(0))));
    }
}

enum Waited {
    Message(Option<Parts>),
    Beat,
    Stop,
}

enum Refused {
    Undecodable(String),
    WrongType(String),
    Oversized(usize),
}

/// Listens to messages of type `M`, made by [`Node::subscribe`](super::Node::subscribe).
#[derive(Debug)]
pub struct Subscriber<M> {
    raw: RawSubscriber,
    body: PhantomData<fn() -> M>,
}

impl<M: prost::Message + Default + Name> Subscriber<M> {
    pub(crate) fn new(raw: RawSubscriber) -> Subscriber<M> {
        Subscriber { raw, body: PhantomData }
    }

    /// The next message, every one in order, those without anything good skipped. None when `launch` asks the node to stop.
    /// Cancel-safe.
    ///
    /// # Errors
    /// [`Error::Silent`] when the input has a `timeout` and nothing came for so long.
    pub async fn next(&mut self) -> Result<Option<Message<M>>> {
        while let Some(raw) = self.raw.next().await? {
            if let Some(message) = self.decode(&raw) {
                return Ok(Some(message));
            }
        }
        Ok(None)
    }

    /// The newest message that was not returned yet: waits for one, then skips what is stale. None when `launch` asks the
    /// node to stop. Cancel-safe.
    ///
    /// # Errors
    /// [`Error::Silent`] when the input has a `timeout` and nothing came for so long.
    pub async fn latest(&mut self) -> Result<Option<Message<M>>> {
        while let Some(raw) = self.raw.latest().await? {
            if let Some(message) = self.decode(&raw) {
                return Ok(Some(message));
            }
        }
        Ok(None)
    }

    /// The newest message that is there now, without waiting.
    ///
    /// # Errors
    /// None at present.
    pub fn try_latest(&mut self) -> Result<Option<Message<M>>> {
        Ok(self.raw.try_latest()?.and_then(|raw| self.decode(&raw)))
    }

    /// Messages missing by their numbers so far.
    #[must_use]
    pub fn gaps(&self) -> u64 {
        self.raw.gaps()
    }

    pub(crate) fn into_raw(self) -> RawSubscriber {
        self.raw
    }

    fn decode(&self, raw: &RawMessage) -> Option<Message<M>> {
        self.raw.decode(raw)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use offboard_proto::Drive;

    use super::*;

    fn listener() -> RawSubscriber {
        RawSubscriber { kind: Some(Drive::full_name()), ..RawSubscriber::connect("ipc:///nowhere", "pilot/drive") }
    }

    fn parts(topic: &str, kind: &str, seq: u64) -> Option<Parts> {
        let header = Header { seq, r#type: kind.to_owned(), ..Header::default() };
        Some([topic.to_owned().into(), header.encode_to_vec().into(), Bytes::new()])
    }

    #[tokio::test]
    async fn a_message_of_another_type_is_counted_and_not_returned() {
        let mut listener = listener();
        assert_eq!(listener.accept(parts("pilot/drive", "offboard.v1.Gamepad", 1)), None);
        assert_eq!(listener.accept(parts("pilot/drive_too", &Drive::full_name(), 2)), None);
        assert_eq!(listener.counts.snapshot().wrong_type, 2);
    }

    #[tokio::test]
    async fn garbage_is_counted_and_not_returned() {
        let mut listener = listener();
        assert_eq!(listener.accept(None), None);
        let garbage = Bytes::from_static(&[0xff; 9]);
        assert_eq!(listener.accept(Some(["pilot/drive".into(), garbage.clone(), garbage])), None);
        assert_eq!(listener.counts.snapshot().undecodable, 2);
    }

    #[tokio::test]
    async fn missing_numbers_are_gaps() {
        let mut listener = listener();
        for seq in [1, 2, 5, 4, 6] {
            assert!(listener.accept(parts("pilot/drive", &Drive::full_name(), seq)).is_some());
        }
        assert_eq!(listener.gaps(), 2);
    }

    #[tokio::test]
    async fn an_oversized_message_is_counted() {
        let mut listener = listener();
        let topic = Bytes::from(vec![b'x'; TOPIC_MAX + 1]);
        assert_eq!(listener.accept(Some([topic, Bytes::new(), Bytes::new()])), None);
        assert_eq!(listener.counts.snapshot().oversized, 1);
    }
}
