//! What there is to learn from: prepared pictures, extras and targets in the order of time, and which of it is kept apart.

use super::{NetError, Shape, expect_finite, expect_length};

/// Samples in the order of time, in runs: within a run one sample follows another as it did when it was seen.
#[derive(Clone, Debug)]
pub struct Dataset {
    shape: Shape,
    pictures: Vec<u8>,
    extras: Vec<f32>,
    targets: Vec<f32>,
    stamps_ns: Vec<i64>,
    runs: Vec<u32>,
    run: u32,
}

impl Dataset {
    /// Nothing yet.
    pub fn new(shape: &Shape) -> Dataset {
        Dataset {
            shape: *shape,
            pictures: Vec::new(),
            extras: Vec::new(),
            targets: Vec::new(),
            stamps_ns: Vec::new(),
            runs: Vec::new(),
            run: 0,
        }
    }

    /// What follows does not continue what was: another recording, or a pause.
    pub fn begin_run(&mut self) {
        if self.runs.last() == Some(&self.run) {
            self.run += 1;
        }
    }

    /// Adds a sample: a prepared picture ([`Preprocess::shrink`](super::Preprocess::shrink)), extras, targets, and when it was seen.
    pub fn push(&mut self, picture: &[u8], extras: &[f32], targets: &[f32], stamp_ns: i64) -> Result<(), NetError> {
        expect_length("picture", picture.len(), self.shape.inputs())?;
        expect_length("extras", extras.len(), self.shape.extras)?;
        expect_length("targets", targets.len(), self.shape.outputs)?;
        expect_finite("extra", extras)?;
        expect_finite("target", targets)?;
        if self.stamps_ns.last().is_some_and(|last| *last > stamp_ns) {
            self.begin_run();
        }
        self.pictures.extend_from_slice(picture);
        self.extras.extend_from_slice(extras);
        self.targets.extend_from_slice(targets);
        self.stamps_ns.push(stamp_ns);
        self.runs.push(self.run);
        Ok(())
    }

    /// Drops the `count` oldest samples; drop many at once, for what stays is moved.
    pub fn forget_oldest(&mut self, count: usize) {
        let count = count.min(self.len());
        self.pictures.drain(..count * self.shape.inputs());
        self.extras.drain(..count * self.shape.extras);
        self.targets.drain(..count * self.shape.outputs);
        self.stamps_ns.drain(..count);
        self.runs.drain(..count);
    }

    /// How many samples.
    pub fn len(&self) -> usize {
        self.stamps_ns.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.stamps_ns.is_empty()
    }

    /// What a sample looks like.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// One sample's prepared picture.
    pub fn picture(&self, sample: usize) -> &[u8] {
        &self.pictures[sample * self.shape.inputs()..][..self.shape.inputs()]
    }

    /// One sample's extras.
    pub fn extras(&self, sample: usize) -> &[f32] {
        &self.extras[sample * self.shape.extras..][..self.shape.extras]
    }

    /// One sample's targets.
    pub fn targets(&self, sample: usize) -> &[f32] {
        &self.targets[sample * self.shape.outputs..][..self.shape.outputs]
    }

    /// When a sample was seen.
    pub fn stamp_ns(&self, sample: usize) -> i64 {
        self.stamps_ns[sample]
    }

    /// Bytes in memory, about.
    pub fn bytes(&self) -> usize {
        self.pictures.len() + 4 * (self.extras.len() + self.targets.len()) + 12 * self.len()
    }

    /// Samples of each run, from the first to one after the last.
    fn spans(&self) -> Vec<std::ops::Range<usize>> {
        let mut spans: Vec<std::ops::Range<usize>> = Vec::new();
        for (sample, run) in self.runs.iter().enumerate() {
            match spans.last_mut() {
                Some(span) if self.runs[span.start] == *run => span.end = sample + 1,
                _ => spans.push(sample..sample + 1),
            }
        }
        spans
    }
}

/// One corner kept apart says little about the rest of the way.
const ROUNDS_MIN: i64 = 6;

/// Which stretches of time are kept apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Holdout {
    /// One stretch of so many is kept apart: 5 is a fifth; 0 keeps nothing apart.
    pub one_in: u32,
    /// How long a stretch is, in nanoseconds; shorter if that would make less than six of them to keep apart.
    pub stretch_ns: i64,
    /// What lies so close to a kept stretch is left out of learning: neighbours look alike.
    pub gap_ns: i64,
}

impl Default for Holdout {
    fn default() -> Holdout {
        Holdout { one_in: 5, stretch_ns: 5_000_000_000, gap_ns: 500_000_000 }
    }
}

/// Which samples are learned from, and which only ever checked. Whole stretches of time, never single pictures: the picture next to
/// one that was learned is no news.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Split {
    /// To learn from.
    pub training: Vec<usize>,
    /// To check with.
    pub validation: Vec<usize>,
}

impl Split {
    /// All to learn from.
    pub fn all(data: &Dataset) -> Split {
        Split { training: (0..data.len()).collect(), validation: Vec::new() }
    }

    /// By stretches of time. As data grows, a sample stays on its side, once there is one whole round of stretches.
    pub fn by_time(data: &Dataset, holdout: &Holdout) -> Split {
        if holdout.one_in < 2 {
            return Split::all(data);
        }
        let spans = data.spans();
        let lasts =
            |span: &std::ops::Range<usize>| data.stamps_ns[span.end - 1].saturating_sub(data.stamps_ns[span.start]);
        let longest = spans.iter().map(lasts).max().unwrap_or(0);
        let rounds = i64::from(holdout.one_in);
        let stretch = holdout.stretch_ns.min(longest / (rounds * ROUNDS_MIN) + 1).max(1);
        let gap = holdout.gap_ns.min(stretch / 4);
        let mut split = Split::default();
        for span in spans {
            let start = data.stamps_ns[span.start];
            for sample in span {
                let since = data.stamps_ns[sample].saturating_sub(start);
                let kept = |at: i64| (at / stretch) % rounds == rounds - 1 && at >= 0;
                if kept(since) {
                    split.validation.push(sample);
                } else if !kept(since.saturating_sub(gap)) && !kept(since.saturating_add(gap)) {
                    split.training.push(sample);
                }
            }
        }
        split
    }
}

#[cfg(test)]
mod tests;
