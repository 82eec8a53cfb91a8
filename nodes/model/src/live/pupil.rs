//! Learns in a thread of its own while the node drives: samples go in, better networks come out.
//!
//! A network comes out only when it does better than the one before on stretches of time that it never learned. When it has done
//! worse several times in a row, learning goes back to the best. It never makes the node wait, and never holds more samples than told.

use std::{
    ops::ControlFlow,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel},
    },
    thread,
    time::Duration,
};

use super::sides::Sides;
use crate::{
    net::{Dataset, Net, Options, Outcome, Preprocess, Shape, Split, Trainer},
    pictures::lesson::CORRECTION,
};

/// Samples on their way: ten seconds of pictures, while a large batch is computed.
const QUEUE: usize = 300;

/// Nothing is learned from fewer samples.
const LEAST: usize = 150;

/// Validation needs so many.
const LEAST_VALIDATION: usize = 20;

/// After so many epochs without a better validation, learning goes back to the best.
const PATIENCE: u32 = 3;

/// After so many without news it waits for new samples.
const IDLE_AFTER: u32 = 12;

/// So many new samples are news.
const NEWS: usize = 60;

/// The most bytes of pictures to learn from, whatever samples are asked for: a robot's computer often has no more than 1 GiB to spare.
const PICTURES_MAX: usize = 512 << 20;

/// Samples are forgotten many at once: one more in so many may be held before.
const SLACK: usize = 8;

/// Somewhat nicer than whoever predicts on the same core.
const NICE: i32 = 10;

/// One sample.
#[derive(Debug)]
pub(crate) struct Lesson {
    pub(crate) stamp_ns: i64,
    pub(crate) pixels: Vec<u8>,
    pub(crate) extras: Vec<f32>,
    pub(crate) target: [f32; 2],
    pub(crate) correction: bool,
}

/// How learning goes.
#[derive(Debug, Default)]
pub(crate) struct News {
    /// A better network, to be taken.
    pub(crate) better: Option<Box<Net>>,
    /// Samples held.
    pub(crate) samples: u64,
    /// Passes so far.
    pub(crate) epochs: u64,
    /// Mean loss of the last pass.
    pub(crate) loss: Option<f64>,
    /// Of the best network, on samples it never learned.
    pub(crate) validation: Option<f64>,
    /// Coefficient of determination of the best, by output.
    pub(crate) r2: Vec<f64>,
    /// How often learning went back.
    pub(crate) rollbacks: u64,
    /// Why it cannot learn.
    pub(crate) trouble: Option<String>,
}

/// The thread, from outside. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Pupil {
    lessons: SyncSender<Lesson>,
    news: Arc<Mutex<News>>,
    stop: Arc<AtomicBool>,
    /// Samples that found no room.
    pub(crate) dropped: u64,
}

impl Pupil {
    /// Begins to learn from `net` on, with at most `keep` samples, or as many as there is memory for.
    ///
    /// # Errors
    /// When no thread can be had.
    pub(crate) fn start(net: Net, prepare: &Preprocess, options: Options, keep: usize) -> std::io::Result<Pupil> {
        let (lessons, incoming) = sync_channel(QUEUE);
        let (news, stop) = (Arc::new(Mutex::new(News::default())), Arc::new(AtomicBool::new(false)));
        let desk = Desk {
            keep: room(keep, net.shape()),
            data: Dataset::new(net.shape()),
            sides: Sides::default(),
            trainer: Trainer::new(net, prepare, options),
            incoming,
            news: news.clone(),
            stop: stop.clone(),
            fresh: 0,
            worse: 0,
            dull: 0,
        };
        thread::Builder::new().name("learn".to_owned()).spawn(move || desk.run())?;
        Ok(Pupil { lessons, news, stop, dropped: 0 })
    }

    /// Gives a sample; one that finds no room is counted.
    pub(crate) fn give(&mut self, lesson: Lesson) {
        if let Err(TrySendError::Full(_)) = self.lessons.try_send(lesson) {
            self.dropped += 1;
        }
    }

    /// How learning goes; held only to look.
    pub(crate) fn news(&self) -> MutexGuard<'_, News> {
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Pupil {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
    }
}

/// How many samples are kept: as many as asked for, or as there is memory for.
fn room(keep: usize, shape: &Shape) -> usize {
    let most = PICTURES_MAX / shape.inputs().max(1) * SLACK / (SLACK + 1);
    if keep > most {
        tracing::info!(
            "keep = {keep}: pictures of this network take {} bytes each, the last {most} are kept ({} MiB)",
            shape.inputs(),
            PICTURES_MAX >> 20
        );
    }
    keep.min(most).max(LEAST * 2)
}

/// Where the thread works.
struct Desk {
    data: Dataset,
    /// Which of them are learned from; one for each.
    sides: Sides,
    trainer: Trainer,
    incoming: Receiver<Lesson>,
    news: Arc<Mutex<News>>,
    stop: Arc<AtomicBool>,
    keep: usize,
    /// Samples since the last epoch that brought something.
    fresh: usize,
    /// Epochs in a row that were no better.
    worse: u32,
    /// Epochs without anything better since there was news.
    dull: u32,
}

impl Desk {
    fn run(mut self) {
        // On Linux this is the thread's own; where it may not be set, learning is merely not nicer.
        let _ = rustix::process::nice(NICE);
        while self.collect() {
            if self.fresh >= NEWS {
                (self.fresh, self.dull) = (0, 0);
            }
            let split = self.sides.split();
            let enough = self.data.len() >= LEAST && split.validation.len() >= LEAST_VALIDATION;
            if !enough || self.dull >= IDLE_AFTER {
                continue;
            }
            if let Err(error) = self.learn(&split) {
                self.note(|news| news.trouble = Some(error.to_string()));
                self.trainer.roll_back();
                self.dull = IDLE_AFTER; // until there is something new to learn from
            }
        }
    }

    /// Takes what came; waits a little where there is nothing to do. False at the end.
    fn collect(&mut self) -> bool {
        let patience = if self.dull >= IDLE_AFTER || self.data.len() < LEAST { 200 } else { 1 };
        let mut next = self.incoming.recv_timeout(Duration::from_millis(patience));
        while let Ok(lesson) = next {
            let times = if lesson.correction { CORRECTION } else { 1 };
            for _ in 0..times {
                // What does not fit the network's shape cannot come: the node made it for this shape.
                if self.data.push(&lesson.pixels, &lesson.extras, &lesson.target, lesson.stamp_ns).is_ok() {
                    self.sides.push(lesson.stamp_ns);
                }
            }
            self.fresh += 1;
            next = self.incoming.try_recv().map_err(|_| RecvTimeoutError::Timeout);
        }
        if self.data.len() > self.keep + self.keep / SLACK {
            let count = self.data.len() - self.keep;
            self.data.forget_oldest(count);
            self.sides.forget_oldest(count);
        }
        let samples = self.data.len() as u64;
        self.note(|news| news.samples = samples);
        !(self.stop.load(Relaxed) || matches!(next, Err(RecvTimeoutError::Disconnected)))
    }

    fn learn(&mut self, split: &Split) -> Result<(), crate::net::NetError> {
        let before = self.trainer.reconsider(&self.data, split)?;
        let stop = self.stop.clone();
        let watch = move |_: &_| if stop.load(Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
        let Outcome::Done(epoch) = self.trainer.epoch(&self.data, split, watch)? else { return Ok(()) };
        let back = self.weigh(epoch.best);
        let best = if epoch.best { &epoch.validation } else { &before };
        let better = epoch.best.then(|| Box::new(self.trainer.best().clone()));
        self.note(|news| {
            news.epochs += 1;
            news.loss = Some(epoch.training);
            news.validation = Some(best.loss);
            news.r2.clone_from(&best.r2);
            news.rollbacks += u64::from(back);
            news.trouble = None;
            if better.is_some() {
                news.better = better;
            }
        });
        Ok(())
    }

    /// Counts epochs that were no better; whether learning goes back now.
    fn weigh(&mut self, best: bool) -> bool {
        if best {
            (self.worse, self.dull) = (0, 0);
            return false;
        }
        self.worse += 1;
        self.dull += 1;
        let back = self.worse >= PATIENCE;
        if back {
            self.trainer.roll_back();
            self.worse = 0;
        }
        back
    }

    fn note(&self, change: impl FnOnce(&mut News)) {
        change(&mut self.news.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Size;

    #[test]
    fn large_pictures_are_kept_in_less_number_and_never_in_more_bytes() {
        let shape = |size| Shape { size, extras: 0, outputs: 2 };
        assert_eq!(room(18_000, &shape(Size::Small)), 18_000);
        for size in [Size::Small, Size::Medium, Size::Donkeycar] {
            let keep = room(1_000_000, &shape(size));
            assert!((keep + keep / SLACK) * shape(size).inputs() <= PICTURES_MAX, "{size}: {keep}");
        }
    }
}
