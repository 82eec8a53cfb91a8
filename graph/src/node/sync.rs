//! Several inputs as one: their messages paired by stamp, bounded, with the unmatched told as gauges.
//!
//! Stamps from another machine are in this one's timeline already: the link sees to it. It never pairs by order of arrival.

use std::{
    marker::PhantomData,
    time::{Duration, Instant},
};

use futures_util::{
    FutureExt,
    future::{select_all, try_join_all},
};
use prost::Name;

use super::{Evidence, Message, Node, RawMessage, RawSubscriber, Result, subscriber::Subscriber};

mod pairer;
mod skew;

pub use pairer::{Pairer, Pairing, PairingReport, Stamped, StreamCounts};

/// How often the gauges are told anew.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// The most messages of an input that are thrown away when all speak: what queues and the kernel can hold.
const DRAIN_MAX: usize = 100_000;

/// Inputs of any types as one, made by [`Node::sync_raw`].
#[derive(Debug)]
pub struct SyncRaw {
    node: Node,
    names: Vec<String>,
    inputs: Vec<RawSubscriber>,
    pairer: Pairer<RawMessage>,
    told: Instant,
}

impl SyncRaw {
    fn new(node: &Node, names: &[&str], inputs: Vec<RawSubscriber>, how: Pairing) -> SyncRaw {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        let pairer = Pairer::new(inputs.len(), how);
        SyncRaw { node: node.clone(), names, inputs, pairer, told: Instant::now() }
    }

    /// The next messages that belong together, one of each input, in the order of the inputs. None when `launch` asks the node to
    /// stop. Cancel-safe.
    ///
    /// # Errors
    /// [`Error::Silent`](super::Error::Silent) when an input has a `timeout` and nothing came there for so long.
    pub async fn next(&mut self) -> Result<Option<Vec<RawMessage>>> {
        loop {
            self.tell();
            if let Some(pair) = self.pairer.pop() {
                return Ok(Some(pair.into_iter().map(|one| one.item).collect()));
            }
            match self.receive().await? {
                Some((at, message)) => self.take_in(at, message),
                None => return Ok(None),
            }
        }
    }

    /// Exactly `count` times what belongs together, from now on. None when `launch` asks the node to stop before.
    ///
    /// # Errors
    /// As [`SyncRaw::next`].
    pub async fn collect(&mut self, count: usize) -> Result<Option<Vec<Vec<RawMessage>>>> {
        let mut all = Vec::new();
        while all.len() < count {
            let Some(pair) = self.next().await? else { return Ok(None) };
            all.push(pair);
        }
        Ok(Some(all))
    }

    /// Waits until every input has spoken, then forgets all that came until then: what is paired from now on is of one time. False when
    /// `launch` asks the node to stop before.
    ///
    /// # Errors
    /// As [`SyncRaw::next`].
    pub async fn when_all_speak(&mut self) -> Result<bool> {
        let first = try_join_all(self.inputs.iter_mut().map(RawSubscriber::next)).await?;
        if first.iter().any(Option::is_none) {
            return Ok(false);
        }
        for input in &mut self.inputs {
            for _ in 0..DRAIN_MAX {
                if input.next().now_or_never().is_none() {
                    break;
                }
            }
        }
        self.pairer.clear();
        Ok(true)
    }

    /// What could be paired so far and what not.
    #[must_use]
    pub fn report(&self) -> PairingReport {
        self.pairer.report()
    }

    /// Sets the pairing's limits: `sync.tuned(|pairer| pairer.keep(30))`.
    #[must_use]
    pub fn tuned(self, tune: impl FnOnce(Pairer<RawMessage>) -> Pairer<RawMessage>) -> SyncRaw {
        SyncRaw { pairer: tune(self.pairer), ..self }
    }

    /// The next message of any input: of the one that is furthest behind, if something is there.
    async fn receive(&mut self) -> Result<Option<(usize, RawMessage)>> {
        let (behind, count) = (self.pairer.behind(), self.inputs.len());
        for at in (0..count).map(|turn| (behind + turn) % count) {
            if let Some(there) = self.inputs[at].next().now_or_never() {
                return Ok(there?.map(|message| (at, message)));
            }
        }
        let (message, at, _) = select_all(self.inputs.iter_mut().map(|input| Box::pin(input.next()))).await;
        Ok(message?.map(|message| (at, message)))
    }

    fn take_in(&mut self, at: usize, message: RawMessage) {
        if !message.is_no_data() {
            self.pairer.push(at, stamp_ns(&message), message);
        }
    }

    /// Tells people what could not be paired, now and then.
    fn tell(&mut self) {
        if self.told.elapsed() < TELL_EVERY {
            return;
        }
        self.told = Instant::now();
        let report = self.pairer.report();
        for (name, counts) in self.names.iter().zip(&report.streams) {
            self.node.gauge(&format!("{name}.unmatched"), counts.unmatched as f64, "");
            self.node.gauge(&format!("{name}.late"), (counts.late + counts.duplicate) as f64, "");
        }
        for (name, skew) in [("p50", report.skew_p50), ("p99", report.skew_p99), ("max", report.skew_max)] {
            self.node.gauge(&format!("{}.skew_{name}", self.names[0]), skew.as_secs_f64() * 1e3, "ms");
        }
    }
}

/// When its cause was sensed; a publisher without our SDK may leave that out.
fn stamp_ns(message: &RawMessage) -> i64 {
    let header = message.header();
    [header.stamp_ns, header.sent_ns].into_iter().find(|stamp_ns| *stamp_ns != 0).unwrap_or(message.received_ns)
}

/// Two inputs as one, made by [`Node::sync2`].
#[derive(Debug)]
pub struct Sync2<A, B> {
    raw: SyncRaw,
    bodies: PhantomData<fn() -> (A, B)>,
}

impl<A, B> Sync2<A, B>
where
    A: prost::Message + Default + Name,
    B: prost::Message + Default + Name,
{
    /// The next two messages that belong together. None when `launch` asks the node to stop. Cancel-safe.
    ///
    /// # Errors
    /// [`Error::Silent`](super::Error::Silent) when an input has a `timeout` and nothing came there for so long.
    pub async fn next(&mut self) -> Result<Option<(Message<A>, Message<B>)>> {
        while let Some(pair) = self.raw.next().await? {
            if let [a, b] = &pair[..]
                && let (Some(a), Some(b)) = (self.raw.inputs[0].decode(a), self.raw.inputs[1].decode(b))
            {
                return Ok(Some((a, b)));
            }
        }
        Ok(None)
    }

    /// Exactly `count` good pairs, from now on. None when `launch` asks the node to stop before.
    ///
    /// # Errors
    /// As [`Sync2::next`].
    pub async fn collect(&mut self, count: usize) -> Result<Option<Vec<(Message<A>, Message<B>)>>> {
        let mut all = Vec::new();
        while all.len() < count {
            let Some(pair) = self.next().await? else { return Ok(None) };
            all.push(pair);
        }
        Ok(Some(all))
    }

    /// Waits until both inputs have spoken, see [`SyncRaw::when_all_speak`].
    ///
    /// # Errors
    /// As [`Sync2::next`].
    pub async fn when_all_speak(&mut self) -> Result<bool> {
        self.raw.when_all_speak().await
    }

    /// What could be paired so far and what not.
    #[must_use]
    pub fn report(&self) -> PairingReport {
        self.raw.report()
    }

    /// Sets the pairing's limits, see [`SyncRaw::tuned`].
    #[must_use]
    pub fn tuned(self, tune: impl FnOnce(Pairer<RawMessage>) -> Pairer<RawMessage>) -> Sync2<A, B> {
        Sync2 { raw: self.raw.tuned(tune), ..self }
    }
}

impl Node {
    /// Listens to two inputs as one: each message of the first with the one of the second that belongs to it.
    ///
    /// ```no_run
    /// # async fn f(node: offboard::Node) -> offboard::Result<()> {
    /// use offboard::{CompressedImage, Drive, Pairing};
    ///
    /// let near = Pairing::Nearest(std::time::Duration::from_millis(10));
    /// let mut both = node.sync2::<CompressedImage, Drive>(["frames", "drive"], near).await?;
    /// both.when_all_speak().await?;
    /// let examples = both.collect(1000).await?; // exactly so many good pairs
    /// # Ok(()) }
    /// ```
    ///
    /// What has no partner is counted and told as gauges: `frames.unmatched`, `frames.late`, `frames.skew_p99`. Let enough be kept on
    /// the edges (`keep = 100`): what is dropped there finds no partner.
    ///
    /// # Errors
    /// As [`Node::subscribe`].
    pub async fn sync2<A, B>(&self, inputs: [&str; 2], how: Pairing) -> Result<Sync2<A, B>>
    where
        A: prost::Message + Default + Name,
        B: prost::Message + Default + Name,
    {
        let subscribers = vec![
            self.subscribe::<A>(inputs[0]).await.map(Subscriber::into_raw)?,
            self.subscribe::<B>(inputs[1]).await.map(Subscriber::into_raw)?,
        ];
        Ok(Sync2 { raw: SyncRaw::new(self, &inputs, subscribers, how), bodies: PhantomData })
    }

    /// Listens to any number of inputs of any types as one, without looking into the messages; the first leads.
    ///
    /// # Errors
    /// As [`Node::subscribe_raw`].
    pub async fn sync_raw(&self, inputs: &[&str], how: Pairing) -> Result<SyncRaw> {
        if inputs.len() < 2 {
            return Err(super::Error::config("two inputs at least are needed to pair their messages"));
        }
        let mut subscribers = Vec::with_capacity(inputs.len());
        for input in inputs {
            subscribers.push(self.subscribe_raw(input).await?);
        }
        Ok(SyncRaw::new(self, inputs, subscribers, how))
    }
}

#[cfg(test)]
mod tests;
