//! `bag import`: a donkeycar tub, or a folder of pictures with a table of controls, as a recording. What was deleted in a tub is marked
//! as erased. It never changes what it reads.

use std::path::Path;

use offboard::{
    CompressedImage, Drive, DriveMode, Header, Mark, MarkKind, Name, PilotState,
    proto::jpeg,
    recording::{Options, Recorded, Writer},
};

use self::{csv::Folder, moment::Moment, tub::Tub};
use super::{
    failure::{Failure, Result},
    place::Place,
    progress::Progress,
};

mod csv;
mod lines;
mod moment;
mod tub;

pub(crate) use csv::{FRAMES, TABLE};

/// The topics of what is imported: those of the graph that a newcomer drives with.
const PICTURES: &str = "camera/frames";
const CONTROLS: &str = "pilot/drive";
const PILOT: &str = "pilot/state";
const MARKS: &str = "recorder/marks";
/// Runs without end are no reason to remember each record that was left out.
const NOTES_MAX: usize = 10;

/// What came of it.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct Imported {
    /// Moments in the recording.
    pub(crate) moments: u64,
    /// Of those, marked as erased.
    pub(crate) erased: u64,
    /// Moments that could not be read, and were left out.
    pub(crate) left_out: u64,
    /// Why, of the first of them.
    pub(crate) notes: Vec<String>,
}

/// Makes a recording of a tub or folder.
pub(crate) fn import(from: &Path, to: &Path, rate: Option<f64>, keep_going: bool) -> Result<Imported> {
    if rate.is_some_and(|rate| !(0.01..=10_000.0).contains(&rate)) {
        return Err(Failure::new("--rate is how many pictures a second there were: a number from 0.01 to 10000"));
    }
    if Tub::is_there(from) {
        let tub = Tub::open(from)?;
        let progress = Progress::count("importing", tub.records);
        write(tub.moments(), to, "tub", keep_going, &progress)
    } else if Folder::is_there(from) {
        let folder = Folder::open(from, rate)?;
        write(folder, to, "folder", keep_going, &Progress::count("importing", 0))
    } else {
        let problem = format!("is neither a tub (it has no manifest.json) nor a folder with a {TABLE}");
        Err(Failure::at(from, problem))
    }
}

fn write(
    moments: impl Iterator<Item = Result<Moment>>,
    to: &Path,
    origin: &'static str,
    keep_going: bool,
    progress: &Progress,
) -> Result<Imported> {
    let place = Place::new(to, false)?;
    let failed = |error: offboard::recording::RecordingError| Failure::at(to, error);
    let writer = Writer::create(place.unfinished(), Options::default()).map_err(failed)?;
    let mut scribe = Scribe { writer, origin, seq: 0, erased: None, marks: 0 };
    let mut done = Imported::default();
    for moment in moments {
        progress.step();
        match moment {
            Ok(moment) => {
                scribe.write(&moment).map_err(failed)?;
                done.moments += 1;
                done.erased += u64::from(moment.erased);
            }
            Err(problem) if keep_going => {
                done.left_out += 1;
                if done.notes.len() < NOTES_MAX {
                    done.notes.push(problem.to_string());
                }
            }
            Err(problem) => {
                return Err(Failure::new(format!("{problem} (--keep-going leaves out what cannot be read)")));
            }
        }
    }
    if done.moments == 0 {
        return Err(Failure::new("there is nothing to import: no picture with its controls was found"));
    }
    scribe.finish().map_err(failed)?;
    place.finish()?;
    Ok(done)
}

/// Writes moments as the messages that a recorder would have heard.
struct Scribe {
    writer: Writer<std::fs::File>,
    origin: &'static str,
    seq: u64,
    /// The erased stretch that is under way.
    erased: Option<(i64, i64)>,
    marks: u64,
}

type Written = Result<(), offboard::recording::RecordingError>;

impl Scribe {
    fn write(&mut self, moment: &Moment) -> Written {
        self.seq += 1;
        let stamp_ns = moment.stamp_ns;
        match (&mut self.erased, moment.erased) {
            (Some((_, until)), true) => *until = stamp_ns,
            (None, true) => self.erased = Some((stamp_ns, stamp_ns)),
            (Some(_), false) => self.mark()?,
            (None, false) => {}
        }
        let (width, height) = jpeg::size(&moment.jpeg).unwrap_or_default();
        let picture = CompressedImage {
            timestamp: Some(timestamp(stamp_ns)),
            data: moment.jpeg.clone(),
            format: "jpeg".to_owned(),
            frame_id: "camera".to_owned(),
            width,
            height,
        };
        self.say(PICTURES, self.seq, stamp_ns, &picture)?;
        let source = if moment.mode == DriveMode::Model { "model" } else { "human" };
        let (forward, turn) = (moment.throttle, moment.steering);
        let drive = Drive { forward, turn, source: source.to_owned(), ..Drive::default() };
        self.say(CONTROLS, self.seq, stamp_ns, &drive)?;
        // Somebody held the button all the while, else nothing would have moved: it is human driving, to be learned from.
        let state = PilotState { mode: moment.mode as i32, deadman: true, ..PilotState::default() };
        self.say(PILOT, self.seq, stamp_ns, &state)
    }

    /// Ends the erased stretch.
    fn mark(&mut self) -> Written {
        let Some((from_ns, until_ns)) = self.erased.take() else { return Ok(()) };
        self.marks += 1;
        let kind = MarkKind::Erased as i32;
        let mark = Mark { kind, from_ns, until_ns, text: format!("deleted in the {}", self.origin) };
        self.say(MARKS, self.marks, until_ns, &mark)
    }

    fn say<M: Name + prost::Message>(&mut self, topic: &str, seq: u64, stamp_ns: i64, body: &M) -> Written {
        let header = Header {
            seq,
            incarnation: 1,
            sent_ns: stamp_ns,
            stamp_ns,
            origin: format!("{}:{topic}", self.origin),
            r#type: M::full_name(),
            ..Header::default()
        };
        let payload = body.encode_to_vec().into();
        self.writer.write(&Recorded { topic: topic.to_owned(), header, received_ns: stamp_ns, payload })
    }

    fn finish(mut self) -> Written {
        self.mark()?;
        self.writer.finish().map(drop)
    }
}

fn timestamp(ns: i64) -> prost_types::Timestamp {
    let nanos = i32::try_from(ns.rem_euclid(1_000_000_000)).unwrap_or(0);
    prost_types::Timestamp { seconds: ns.div_euclid(1_000_000_000), nanos }
}
