//! The loss ledger of one edge end: what came, what went, what was lost and why. It never resets while the node lives.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use offboard_proto::EdgeCounts;

use super::{clock, recent::Recent};

/// How often one kind of trouble is reported.
const REPORT_EVERY: Duration = Duration::from_secs(1);

macro_rules! ledger {
    ($($field:ident),*) => {
        /// What one port counted since the node started.
        #[derive(Debug, Default)]
        pub(crate) struct Counts {
            port: String,
            topic: String,
            publishes: bool,
            last_report: Mutex<Option<Instant>>,
            recent: Mutex<Recent>,
            $(pub(crate) $field: AtomicU64,)*
        }

        impl Counts {
            /// The counts as they go into a heartbeat.
            pub(crate) fn snapshot(&self) -> EdgeCounts {
                let recent = self.recent();
                let (ages, hops) = recent.spreads(clock::now_ns());
                EdgeCounts {
                    port: self.port.clone(),
                    topic: self.topic.clone(),
                    publishes: self.publishes,
                    $($field: self.$field.load(Relaxed),)*
                    origin: recent.origin().to_owned(),
                    age_p50_ns: ages.p50_ns,
                    age_p99_ns: ages.p99_ns,
                    hop_p50_ns: hops.p50_ns,
                    hop_p99_ns: hops.p99_ns,
                }
            }
        }
    };
}
ledger!(messages, bytes, gaps, dropped, expired, undecodable, wrong_type, oversized);

impl Counts {
    pub(crate) fn new(port: &str, topic: &str, publishes: bool) -> Counts {
        let recent = Mutex::new(Recent::new());
        Counts { port: port.to_owned(), topic: topic.to_owned(), publishes, recent, ..Counts::default() }
    }

    /// Counts a message of so many bytes of payload.
    pub(crate) fn message(&self, bytes: usize) {
        self.messages.fetch_add(1, Relaxed);
        self.bytes.fetch_add(bytes as u64, Relaxed);
    }

    /// Remembers when a message came or went, when its cause was sensed and when its last hop began.
    pub(crate) fn remember(&self, at_ns: i64, stamp_ns: i64, since_ns: i64, origin: &str) {
        self.recent().push(at_ns, stamp_ns, since_ns, origin);
    }

    /// Counts trouble and says so, at most once a second for this port.
    pub(crate) fn trouble(&self, counter: &AtomicU64, what: impl FnOnce() -> String) {
        let count = counter.fetch_add(1, Relaxed) + 1;
        let mut last = self.last_report.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_none_or(|last| last.elapsed() >= REPORT_EVERY) {
            *last = Some(Instant::now());
            tracing::warn!("{} ({}): {} ({count} so far)", self.port, self.topic, what());
        }
    }

    fn recent(&self) -> MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
