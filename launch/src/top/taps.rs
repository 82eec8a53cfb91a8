//! Ears at the taps of topics that no node measures: a foreign publisher without a listener of ours.
//! It never listens where a node counts already, nor to pictures that nobody wants.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use offboard::{RawMessage, RawSubscriber, clock};
use tokio::{
    runtime::{Builder, Handle},
    sync::oneshot,
    task::AbortHandle,
};

use super::sample::{End, Sample};
use crate::{
    control::{EdgeView, TopicView},
    topic::meter::{Meter, Seen},
};

/// The most taps at once: each costs its publisher a send.
const TAPS_MAX: usize = 64;

/// Over how many messages ages are told.
const WINDOW: usize = 256;

/// What was heard at one tap.
#[derive(Debug)]
struct Heard {
    meter: Meter,
    /// The same of `sent_ns`.
    hops: Meter,
    bytes: u64,
    gaps: u64,
    origin: String,
}

#[derive(Debug)]
struct Ear {
    heard: Arc<Mutex<Heard>>,
    task: AbortHandle,
}

impl Drop for Ear {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// All ears, by the endpoints of their taps. Listening has a thread of its own, made when it is first needed: who asks graphs may
/// wait for an answer, and what is not read at a tap is lost.
#[derive(Debug, Default)]
pub(crate) struct Taps {
    ears: BTreeMap<String, Ear>,
    runtime: Option<(Handle, oneshot::Sender<()>)>,
}

impl Taps {
    /// Listens where it should by this sample, and nowhere else; `clocks`: the steady timeline of each tap. What was heard so far.
    ///
    /// # Errors
    /// When there can be no thread.
    pub(crate) fn follow(
        &mut self,
        sample: &Sample,
        clocks: &BTreeMap<String, i64>,
    ) -> io::Result<BTreeMap<String, EdgeView>> {
        let wanted: Vec<&TopicView> = unmeasured(sample).take(TAPS_MAX).collect();
        self.ears.retain(|tap, _| wanted.iter().any(|topic| topic.tap == *tap));
        for topic in &wanted {
            if !self.ears.contains_key(&topic.tap) {
                let offset_ns = clocks.get(&topic.tap).copied().unwrap_or_default();
                let ear = self.listen(topic, offset_ns)?;
                self.ears.insert(topic.tap.clone(), ear);
            }
        }
        let heard = |topic: &&TopicView| Some((topic.tap.clone(), self.ears.get(&topic.tap)?.edge(topic)));
        Ok(wanted.iter().filter_map(heard).collect())
    }

    fn listen(&mut self, topic: &TopicView, offset_ns: i64) -> io::Result<Ear> {
        let handle = match &self.runtime {
            Some((handle, _)) => handle.clone(),
            None => self.start()?,
        };
        let meter = || Meter::new(WINDOW);
        let heard = Heard { meter: meter(), hops: meter(), bytes: 0, gaps: 0, origin: String::new() };
        let heard = Arc::new(Mutex::new(heard));
        let (to, tap, name) = (Arc::clone(&heard), topic.tap.clone(), topic.topic.clone());
        let task = handle.spawn(async move {
            let mut from = RawSubscriber::connect(&tap, &name);
            while let Ok(Some(message)) = from.next().await {
                to.lock().unwrap_or_else(PoisonError::into_inner).add(&message, from.gaps(), offset_ns);
            }
        });
        Ok(Ear { heard, task: task.abort_handle() })
    }

    fn start(&mut self) -> io::Result<Handle> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (end, ended) = oneshot::channel::<()>();
        // Ends when the other half is dropped, with these taps.
        thread::Builder::new().name("taps".to_owned()).spawn(move || drop(runtime.block_on(ended)))?;
        self.runtime = Some((handle.clone(), end));
        Ok(handle)
    }
}

impl Heard {
    fn add(&mut self, message: &RawMessage, gaps: u64, offset_ns: i64) {
        let now = clock::monotonic_ns();
        let header = &message.header;
        // A foreign node may leave times out; then there is no age.
        let age =
            |since_ns: i64| if since_ns == 0 { 0 } else { now.saturating_add(offset_ns).saturating_sub(since_ns) };
        let bytes = message.payload.len();
        self.meter.add(Seen { at_ns: now, age_ns: age(header.stamp_ns), bytes }, header.incarnation);
        self.hops.add(Seen { at_ns: now, age_ns: age(header.sent_ns), bytes }, header.incarnation);
        self.bytes += bytes as u64;
        self.gaps = gaps;
        header.origin.clone_into(&mut self.origin);
    }
}

impl Ear {
    /// As a node would have told it.
    fn edge(&self, topic: &TopicView) -> EdgeView {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let now = clock::monotonic_ns();
        let (ages, hops) = (heard.meter.figures(now, heard.gaps), heard.hops.figures(now, 0));
        let nanoseconds = |ms: Option<f64>| (ms.unwrap_or_default().max(0.0) * 1e6) as u64;
        EdgeView {
            port: String::new(),
            topic: topic.topic.clone(),
            publishes: false,
            messages: ages.messages,
            bytes: heard.bytes,
            gaps: heard.gaps,
            dropped: 0,
            expired: 0,
            undecodable: 0,
            wrong_type: 0,
            oversized: 0,
            origin: heard.origin.clone(),
            age_p50_ns: nanoseconds(ages.age_p50_ms),
            age_p99_ns: nanoseconds(ages.age_p99_ms),
            hop_p50_ns: nanoseconds(hops.age_p50_ms),
            hop_p99_ns: nanoseconds(hops.age_p99_ms),
        }
    }
}

/// The topics that no node measures and that may be listened to.
fn unmeasured(sample: &Sample) -> impl Iterator<Item = &TopicView> {
    sample.topics.iter().filter(|topic| {
        let edge = |node: &str, end: End<'_>| sample.edge(&topic.graph, node, &topic.topic, end).is_some();
        let publisher = sample.nodes.iter().find(|node| node.graph == topic.graph && node.node == topic.publisher);
        let measured = edge(&topic.publisher, End::Publishes)
            || topic.listeners.iter().any(|listener| edge(&listener.node, End::Listens(&listener.input)));
        // One that beats tells of its edges itself, at the latest with its next heartbeat.
        let foreign =
            publisher.is_some_and(|node| node.pid.is_some() && node.beats.is_none() && node.state == "running");
        // What may be pictures is listened to only where somebody wants it anyway.
        let heavy = topic.r#type == "*" || topic.r#type.ends_with("Image") || topic.r#type.ends_with("Video");
        foreign && !measured && !(heavy && topic.listeners.is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::top::samples::{listened, node, topic};

    #[test]
    fn only_what_nobody_measures_is_listened_to_and_no_picture_that_nobody_wants() {
        let foreign = |name: &str| node("robot", name).foreign().view();
        let sample = Sample {
            nodes: vec![
                foreign("arm"),
                foreign("eye"),
                node("robot", "camera").says("camera/frames", 1, 1).view(),
                node("robot", "pilot").hears("drive", "arm/heard", 1, 0).view(),
            ],
            topics: vec![
                topic("robot", "arm/state", "x.State"),
                listened(topic("robot", "arm/heard", "x.State"), "pilot", "drive", None),
                topic("robot", "eye/frames", "offboard.v1.CompressedImage"),
                listened(topic("robot", "eye/seen", "offboard.v1.CompressedImage"), "screen", "in", None),
                topic("robot", "camera/frames", "offboard.v1.CompressedImage"),
                topic("robot", "camera/state", "x.State"),
            ],
            ..Sample::default()
        };
        let taps: Vec<&str> = unmeasured(&sample).map(|topic| topic.topic.as_str()).collect();
        assert_eq!(taps, ["arm/state", "eye/seen"]);
    }
}
