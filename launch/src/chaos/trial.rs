//! One fault: done to one node, and how long it takes until that is noticed and mended.
//! It never breaks a second node before the first is whole, or given up on.

use std::time::{Duration, Instant};

use offboard::RawSubscriber;
use rustix::process::Signal;
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{sleep, sleep_until, timeout},
};

use super::{
    eyes::{Eyes, Seen},
    plan::{Fault, Subject},
    stage::is_up,
    victim::Victim,
};
use crate::control::TopicView;

/// How long a recovery may take beside what its graph file grants.
const RECOVERY_MAX: Duration = Duration::from_secs(10);

/// How long a node's topics are listened to before it is broken, and how many messages make it one whose next message is waited for:
/// one that says something now and then would be measured by its own pace.
const LISTEN: Duration = Duration::from_millis(500);
const SPEAKS_MIN: usize = 5;

/// How many topics of a node are listened to.
const TOPICS_MAX: usize = 16;

/// How many heard messages wait to be looked at; a listener that finds them full waits.
const HEARD_MAX: usize = 256;

/// How long a link is frozen: longer than its peers wait for its pings (500 ms), and with a heartbeat's age well within a second.
const CUT: Duration = Duration::from_millis(550);

/// How long a node is slow, and how it is divided between stopped and running.
const SLOW_TURNS: u32 = 15;
const SLOW_STOPPED: Duration = Duration::from_millis(60);
const SLOW_RUNNING: Duration = Duration::from_millis(40);

/// What was measured. Times count from the fault, or from its end where it ends by itself.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Times {
    /// Until launch noticed.
    pub(super) detect: Option<Duration>,
    /// Until there was a new process.
    pub(super) renew: Option<Duration>,
    /// Until its next message, or until it was ready where it says nothing.
    pub(super) recover: Option<Duration>,
}

/// How a trial came out.
#[derive(Debug)]
pub(super) enum Outcome {
    Recovered(Times),
    /// It did not; why.
    Broken(Times, String),
    /// There was nothing to break: why.
    Skipped(String),
}

/// What a message says about its publisher.
struct Heard {
    at: Instant,
    incarnation: u64,
}

/// The victim and what is known of it.
struct Trial<'a> {
    subject: &'a Subject,
    old: u32,
    /// Its last incarnation; none when it says nothing.
    incarnation: Option<u64>,
    /// When the clock began to run.
    since: Instant,
    times: Times,
    why: Option<String>,
}

/// Breaks a node and waits until it is whole again.
pub(super) async fn run(
    subject: &Subject,
    fault: Fault,
    launch: u32,
    eyes: &mut Eyes,
    topics: &[TopicView],
) -> Outcome {
    let seen = eyes.now();
    let Some(view) = seen.node(&subject.graph, &subject.node).filter(|view| is_up(&view.state)) else {
        return Outcome::Skipped("it is not up".to_owned());
    };
    let Some((pid, victim)) = view.pid.and_then(|pid| Some((pid, Victim::open(pid, launch)?))) else {
        return Outcome::Skipped("it has no process".to_owned());
    };
    let (mut heard, _listeners) = listen(subject, topics);
    let incarnation = newest(&mut heard).await;
    let mut trial = Trial { subject, old: pid, incarnation, since: Instant::now(), times: Times::default(), why: None };
    eyes.quick(true);
    if !hurt(&victim, fault).await {
        eyes.quick(false);
        return Outcome::Skipped("it ended by itself".to_owned());
    }
    if !fault.ends() {
        trial.since = Instant::now();
    }
    let outcome = trial.watch(fault, eyes, &mut heard).await;
    eyes.quick(false);
    outcome
}

/// Listens at the taps of all topics of a node.
fn listen(subject: &Subject, topics: &[TopicView]) -> (mpsc::Receiver<Heard>, JoinSet<()>) {
    let (to, heard) = mpsc::channel(HEARD_MAX);
    let mut listeners = JoinSet::new();
    let own = topics.iter().filter(|topic| topic.graph == subject.graph && topic.publisher == subject.node);
    for topic in own.take(TOPICS_MAX) {
        let (mut from, to) = (RawSubscriber::connect(&topic.tap, &topic.topic), to.clone());
        listeners.spawn(async move {
            while let Ok(Some(message)) = from.next().await {
                let heard = Heard { at: Instant::now(), incarnation: message.header.incarnation };
                if to.send(heard).await.is_err() {
                    return;
                }
            }
        });
    }
    (heard, listeners)
}

/// What was heard last when it is time to break it.
async fn newest(heard: &mut mpsc::Receiver<Heard>) -> Option<u64> {
    let (mut newest, mut count) = (None, 0);
    let _ = timeout(LISTEN, async {
        while let Some(message) = heard.recv().await {
            newest = Some(message.incarnation);
            count += 1;
        }
    })
    .await;
    newest.filter(|_| count >= SPEAKS_MIN)
}

/// Does it; false when there is nobody any more.
async fn hurt(victim: &Victim, fault: Fault) -> bool {
    match fault {
        Fault::Kill => victim.signal(Signal::KILL),
        Fault::Term => victim.signal(Signal::TERM),
        Fault::Hang => victim.signal(Signal::STOP),
        Fault::Cut => freeze(victim, CUT).await,
        Fault::Slow => {
            for _ in 0..SLOW_TURNS {
                if !freeze(victim, SLOW_STOPPED).await {
                    return false;
                }
                sleep(SLOW_RUNNING).await;
            }
            true
        }
    }
}

async fn freeze(victim: &Victim, time: Duration) -> bool {
    let stopped = victim.signal(Signal::STOP);
    sleep(time).await;
    stopped && victim.signal(Signal::CONT)
}

impl Trial<'_> {
    async fn watch(mut self, fault: Fault, eyes: &mut Eyes, heard: &mut mpsc::Receiver<Heard>) -> Outcome {
        let limit = self.since + self.subject.patience + RECOVERY_MAX;
        loop {
            tokio::select! {
                biased;
                Some(message) = heard.recv() => self.hear(fault, &message),
                seen = eyes.next() => {
                    if self.see(fault, &seen) {
                        return Outcome::Recovered(self.times);
                    }
                }
                () = sleep_until(limit.into()) => self.why = Some("it is not whole again in time".to_owned()),
            }
            if let Some(why) = self.why {
                return Outcome::Broken(self.times, why);
            }
        }
    }

    fn hear(&mut self, fault: Fault, message: &Heard) {
        let Some(old) = self.incarnation else { return };
        // A link hands on what others say: known to be its successor's only once there is one.
        let renewed = self.times.renew.is_some_and(|renew| message.at >= self.since + renew);
        let its_own = if self.subject.is_link() { renewed } else { old != message.incarnation };
        if self.times.recover.is_none() && message.at > self.since && (its_own || !fault.ends()) {
            self.times.recover = Some(message.at - self.since);
        }
    }

    /// Takes in how all are; whether it is whole.
    fn see(&mut self, fault: Fault, seen: &Seen) -> bool {
        let Some(view) = seen.node(&self.subject.graph, &self.subject.node) else {
            self.why = seen.over.clone().map(|why| format!("its graph ended: {why}"));
            return false;
        };
        if seen.at <= self.since {
            return false;
        }
        let after = |at: Instant| at.saturating_duration_since(self.since);
        let is_new = view.pid.is_some_and(|pid| pid != self.old);
        if is_new && self.times.renew.is_none() {
            let up = Duration::try_from_secs_f64(view.uptime_s.unwrap_or_default()).unwrap_or_default();
            let renewed = after(seen.at.checked_sub(up).unwrap_or(seen.at));
            self.times.renew = Some(renewed);
            // Seen before that it had ended, that was when it was noticed; else both happened between two looks.
            self.times.detect = self.times.detect.or(Some(renewed));
        }
        let is_over = matches!(view.state.as_str(), "failed" | "stopped") || fault.ends() && view.state == "done";
        if (is_over || !is_up(&view.state)) && self.times.detect.is_none() {
            self.times.detect = Some(after(seen.at));
        }
        if is_over {
            let why = view.why.clone().unwrap_or_else(|| view.state.clone());
            self.why = Some(format!("it is {}: {why}", view.state));
            return false;
        }
        let whole = is_up(&view.state) && (is_new || !fault.ends());
        if whole && self.incarnation.is_none() && self.times.recover.is_none() {
            self.times.recover = Some(after(seen.at));
        }
        whole && self.times.recover.is_some()
    }
}
