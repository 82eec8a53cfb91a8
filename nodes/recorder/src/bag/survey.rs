//! What is in a recording, counted in one pass with bounded memory: topics, rates, what is missing by the messages' own numbers, marks,
//! the recorder's ledger, and where the file stops making sense.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use offboard::{
    Mark, Name as _, NodeStatus,
    recording::{Damage, Reader, Recorded},
};

use super::{
    failure::{Failure, Result},
    progress::Progress,
};
use crate::files;

/// Gaps of a topic that are told one by one; the rest is counted.
pub(crate) const GAPS_MAX: usize = 1000;
/// Topics that are told; nobody records as many.
const TOPICS_MAX: usize = 10_000;
/// Marks that are kept.
const MARKS_MAX: usize = 100_000;

/// Everything that one pass over a recording shows.
#[derive(Debug, Clone, Default)]
pub(crate) struct Survey {
    pub(crate) path: PathBuf,
    pub(crate) bytes: u64,
    pub(crate) messages: u64,
    /// First and last receipt, nanoseconds.
    pub(crate) span: Option<(i64, i64)>,
    pub(crate) topics: BTreeMap<String, Topic>,
    pub(crate) marks: Vec<Mark>,
    /// The last word of the recorder's ledger.
    pub(crate) ledger: Option<NodeStatus>,
    pub(crate) damage: Option<Damage>,
    /// A recorder writes it at this moment: that it has no end is no damage.
    pub(crate) recording: bool,
}

/// One topic of a recording.
#[derive(Debug, Clone, Default)]
pub(crate) struct Topic {
    pub(crate) kinds: BTreeSet<String>,
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
    /// Messages that said that there is nothing good.
    pub(crate) no_data: u64,
    /// First and last receipt, nanoseconds.
    pub(crate) span: Option<(i64, i64)>,
    /// The longest time between two messages, nanoseconds.
    pub(crate) pause_ns: i64,
    /// Messages missing by their numbers.
    pub(crate) missing: u64,
    /// How many stretches those are.
    pub(crate) gap_count: u64,
    /// The first of them.
    pub(crate) gaps: Vec<Gap>,
    /// Messages whose number was not larger than the last one's.
    pub(crate) disorder: u64,
    /// How often the publisher began anew.
    pub(crate) restarts: u64,
    /// Messages received before the one that stands before them in the file.
    pub(crate) backwards: u64,
    last: Option<(u64, u64)>,
}

/// Messages that are missing: from this number to that, noticed at this time of receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gap {
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) at_ns: i64,
}

impl Topic {
    /// Messages a second.
    pub(crate) fn rate(&self) -> Option<f64> {
        let (first, last) = self.span?;
        (last > first && self.messages > 1).then(|| (self.messages - 1) as f64 * 1e9 / (last - first) as f64)
    }

    /// The number of its last message.
    pub(crate) fn last_seq(&self) -> Option<u64> {
        self.last.map(|(_, seq)| seq)
    }

    fn count(&mut self, message: &Recorded) {
        if self.kinds.len() < 8 && !self.kinds.contains(&message.header.r#type) {
            self.kinds.insert(message.header.r#type.clone());
        }
        self.messages += 1;
        self.bytes += message.payload.len() as u64;
        self.no_data += u64::from(message.is_no_data());
        let now = message.received_ns;
        let (first, last) = *self.span.get_or_insert((now, now));
        self.backwards += u64::from(now < last);
        self.pause_ns = self.pause_ns.max(now.saturating_sub(last));
        self.span = Some((first.min(now), last.max(now)));
        self.number(message.header.incarnation, message.header.seq, now);
    }

    fn number(&mut self, incarnation: u64, seq: u64, at_ns: i64) {
        // Files of others have no numbers: all 0.
        if seq == 0 {
            return;
        }
        match self.last {
            Some((same, last)) if same == incarnation => {
                if seq <= last {
                    self.disorder += 1;
                    return;
                }
                let missing = seq - last - 1;
                self.missing += missing;
                if missing > 0 {
                    self.gap_count += 1;
                    if self.gaps.len() < GAPS_MAX {
                        self.gaps.push(Gap { from: last + 1, to: seq - 1, at_ns });
                    }
                }
            }
            Some(_) => self.restarts += 1,
            None => {}
        }
        self.last = Some((incarnation, seq));
    }
}

impl Survey {
    /// Reads a recording to its end, or to where it stops making sense.
    pub(crate) fn of(path: &Path, what: &'static str) -> Result<Survey> {
        Survey::each(path, what, |_| Ok(()))
    }

    /// The same, and shows each message besides.
    pub(crate) fn each(
        path: &Path,
        what: &'static str,
        mut show: impl FnMut(&Recorded) -> Result<()>,
    ) -> Result<Survey> {
        let mut reader = open(path)?;
        let mut survey = Survey { path: path.to_owned(), bytes: reader.len_bytes(), ..Survey::default() };
        let progress = Progress::bytes(what, reader.len_bytes());
        while let Some(message) = reader.next() {
            survey.count(&message)?;
            show(&message)?;
            if survey.messages.is_multiple_of(256) {
                progress.set(reader.position());
            }
        }
        survey.damage = reader.damage().cloned();
        survey.recording = survey.damage.is_some() && files::is_being_recorded(path);
        Ok(survey)
    }

    fn count(&mut self, message: &Recorded) -> Result<()> {
        self.messages += 1;
        let now = message.received_ns;
        let (first, last) = *self.span.get_or_insert((now, now));
        self.span = Some((first.min(now), last.max(now)));
        if !self.topics.contains_key(&message.topic) {
            if self.topics.len() == TOPICS_MAX {
                return Err(Failure::at(
                    &self.path,
                    format!("more than {TOPICS_MAX} topics: this was not made by a recorder"),
                ));
            }
            self.topics.insert(message.topic.clone(), Topic::default());
        }
        if let Some(topic) = self.topics.get_mut(&message.topic) {
            topic.count(message);
        }
        if message.header.r#type == Mark::full_name() && self.marks.len() < MARKS_MAX {
            self.marks.extend(message.decode::<Mark>().map(|mark| mark.body));
        }
        if message.header.r#type == NodeStatus::full_name() && message.topic.ends_with("/ledger") {
            self.ledger = message.decode::<NodeStatus>().map(|status| status.body).ok().or(self.ledger.take());
        }
        Ok(())
    }

    /// From the first message to the last, in seconds.
    pub(crate) fn seconds(&self) -> f64 {
        self.span.map_or(0.0, |(first, last)| (last - first) as f64 / 1e9)
    }

    /// Whether the recorder closed the file and nothing happened to it since.
    pub(crate) fn is_whole(&self) -> bool {
        self.damage.is_none()
    }
}

/// Opens a recording.
pub(crate) fn open(path: &Path) -> Result<Reader> {
    Reader::open(path).map_err(|error| Failure::new(error.to_string()))
}
