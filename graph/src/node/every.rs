//! A rate loop on an absolute schedule that reports overruns. It never tries to catch up on ticks that were missed.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use tokio::time::{Instant, sleep_until};

use super::life::Life;

/// How often overruns are reported.
const REPORT_EVERY: Duration = Duration::from_secs(1);

/// The shortest period: below it the timer itself is the load.
const SHORTEST: Duration = Duration::from_micros(100);

/// A rate loop, made by [`Node::every`](super::Node::every).
#[derive(Debug)]
pub struct Every {
    period: Duration,
    due: Instant,
    started: Option<Instant>,
    reported: Option<Instant>,
    life: Arc<Life>,
}

/// One turn of a rate loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tick {
    /// How much longer than its period the turn before took; none when it was in time.
    pub overrun: Option<Duration>,
}

impl Every {
    pub(crate) fn new(period: Duration, life: Arc<Life>) -> Every {
        Every { period: period.max(SHORTEST), due: Instant::now(), started: None, reported: None, life }
    }

    /// Waits until the next turn is due; the first is at once. None when `launch` asks the node to stop.
    pub async fn tick(&mut self) -> Option<Tick> {
        let overrun = self.overrun();
        loop {
            self.life.beat();
            if self.life.is_stopping() {
                return None;
            }
            if Instant::now() >= self.due {
                break;
            }
            tokio::select! {
                () = self.life.stopped() => return None,
                () = sleep_until(self.due.min(self.life.due())) => {}
            }
        }
        let now = Instant::now();
        self.started = Some(now);
        self.due += self.period;
        if self.due < now {
            self.due = now + self.period; // what was missed stays missed
        }
        Some(Tick { overrun })
    }

    /// Looks back at the turn that ends now.
    fn overrun(&mut self) -> Option<Duration> {
        let took = self.started.take()?.elapsed();
        let over = took.checked_sub(self.period)?;
        let count = self.life.overruns.fetch_add(1, Relaxed) + 1;
        if self.reported.is_none_or(|last| last.elapsed() >= REPORT_EVERY) {
            self.reported = Some(Instant::now());
            tracing::warn!("a turn of {:?} took {took:?} ({count} overruns so far)", self.period);
        }
        Some(over)
    }
}
