//! Recordings as a network learns from them: prepared pictures, and the command that belongs to each. It writes nothing.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

use offboard::{
    Drive, DriveMode, Header, MotorState, Name as _, PilotState,
    recording::{Reader, Recorded},
};

use crate::{
    net::{self, Preprocess, Scratch},
    pictures::{
        decode::{self, Picture},
        label::{Answer, Diary, Reason, Travel},
        source::Seen,
    },
};

/// Pictures are kept prepared; more than this would not fit where people train.
pub const PIXELS_MAX: usize = 2 << 30;

/// The most commands in flight beside a picture.
pub const HISTORY_MAX: usize = 16;

/// No loop that can be driven takes longer.
pub const LEAD_MAX_NS: i64 = 2_000_000_000;

/// Topics of a recording that are used; what is not said is found by type.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Topics {
    /// Pictures.
    pub frames: Option<String>,
    /// What was commanded.
    pub drive: Option<String>,
    /// Who drove.
    pub pilot: Option<String>,
    /// What the motor made of it.
    pub motor: Option<String>,
}

/// One picture, and when it was sensed.
#[derive(Debug, Clone, Copy)]
pub struct Shot {
    /// Nanoseconds on the steady timeline.
    pub stamp_ns: i64,
    /// Its place among all pictures of the file's topic, from 0.
    pub number: usize,
}

/// What is needed of one recording.
#[derive(Debug)]
pub struct Footage {
    /// The pictures' topic as the recorder's graph names it.
    pub topic: String,
    /// What pictures they are.
    pub seen: Seen,
    /// Pictures in the order of time.
    pub shots: Vec<Shot>,
    /// Their prepared pixels, one after the other.
    pub pixels: Vec<u8>,
    /// What was commanded.
    pub diary: Diary,
    /// Whether a pilot says who drove; without one all driving is taken for a human's.
    pub has_pilot: bool,
    /// How long things took.
    pub travel: Travel,
    /// Pictures that do not decode, or came out of order.
    pub broken: usize,
    /// Where the file stopped making sense.
    pub damage: Option<String>,
}

/// What is counted while samples are made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Pictures looked at.
    pub pictures: usize,
    /// Samples made.
    pub samples: usize,
    /// Of these, corrections of a model that drove.
    pub corrections: usize,
    /// No command at that moment.
    pub without_command: usize,
    /// Not driven by a human.
    pub not_human: usize,
    /// Standing still.
    pub standing: usize,
    /// Broken pictures.
    pub broken: usize,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} pictures", self.samples, self.pictures)?;
        let left = [
            (self.standing, "standing still"),
            (self.not_human, "not driven by a human"),
            (self.without_command, "without a command"),
            (self.broken, "broken"),
        ];
        let left: Vec<String> =
            left.iter().filter(|(count, _)| *count > 0).map(|(count, why)| format!("{count} {why}")).collect();
        if left.is_empty() { Ok(()) } else { write!(f, " (left out: {})", left.join(", ")) }
    }
}

impl Tally {
    /// Adds another file's.
    pub fn add(&mut self, other: &Tally) {
        self.pictures += other.pictures;
        self.samples += other.samples;
        self.corrections += other.corrections;
        self.without_command += other.without_command;
        self.not_human += other.not_human;
        self.standing += other.standing;
        self.broken += other.broken;
    }
}

/// One sample: a picture and what belongs to it.
#[derive(Debug, Clone)]
pub struct Sample<'a> {
    /// When the picture was sensed.
    pub stamp_ns: i64,
    /// Its place among all pictures of the file.
    pub number: usize,
    /// Prepared pixels.
    pub pixels: &'a [u8],
    /// Commands in flight.
    pub extras: Vec<f32>,
    /// Turn and forward.
    pub target: [f32; 2],
    /// It corrects a mistake of a model.
    pub correction: bool,
}

/// How far ahead of a picture the command is that belongs to it, and how many commands in flight go with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ahead {
    /// From picture to motion.
    pub lead_ns: i64,
    /// How many commands in flight.
    pub history: usize,
}

impl Ahead {
    /// How far two commands in flight are apart.
    #[must_use]
    pub fn step_ns(&self) -> i64 {
        (self.lead_ns / i64::try_from(self.history.max(1)).unwrap_or(1)).max(10_000_000)
    }
}

impl Footage {
    /// Reads one recording; `tell` hears how many bytes of it were read.
    ///
    /// # Errors
    /// One line that says what is wrong with which file, and what helps.
    pub fn read(
        path: &Path,
        topics: &Topics,
        prepare: &Preprocess,
        standing: bool,
        mut tell: impl FnMut(u64),
    ) -> Result<Footage, String> {
        let topics = find(path, topics)?;
        let mut reader = Reader::without_erased(path).map_err(|error| error.to_string())?;
        let mut camera = Camera { prepare: *prepare, scratch: Scratch::default(), prepared: Vec::new(), number: 0 };
        let mut footage = Footage::empty(&topics, standing);
        let mut by_picture = false;
        while let Some(message) = reader.next() {
            tell(reader.position());
            if message.is_no_data() {
                continue;
            }
            if message.topic == topics.frames {
                camera.take(&message, &mut footage).map_err(|why| format!("{}: {why}", path.display()))?;
            } else if message.topic == topics.drive {
                each::<Drive>(&message, |header, drive| footage.diary.command(header, &drive));
            } else if Some(&message.topic) == topics.pilot.as_ref() {
                each::<PilotState>(&message, |header, state| {
                    by_picture = state.mode() == DriveMode::Model;
                    footage.diary.pilot(header, &state);
                });
            } else if Some(&message.topic) == topics.motor.as_ref() {
                each::<MotorState>(&message, |_, state| footage.travel.motor(&state, by_picture));
            }
        }
        footage.damage = reader.damage().filter(|damage| !damage.summary_only).map(ToString::to_string);
        footage.finish(path, camera.number)
    }

    fn empty(topics: &Found, standing: bool) -> Footage {
        let (topic, kind) = (topics.frames.clone(), topics.kind.clone());
        Footage {
            topic,
            seen: Seen { kind, ..Seen::default() },
            shots: Vec::new(),
            pixels: Vec::new(),
            diary: Diary::new(i64::MAX, standing),
            has_pilot: topics.pilot.is_some(),
            travel: Travel::new(usize::MAX),
            broken: 0,
            damage: None,
        }
    }

    fn finish(mut self, path: &Path, pictures: usize) -> Result<Footage, String> {
        if self.shots.is_empty() {
            return Err(format!(
                "{}: none of the {pictures} pictures on {} can be used ({} broken)",
                path.display(),
                self.topic,
                self.broken
            ));
        }
        if self.diary.is_empty() {
            return Err(format!("{}: it holds no command that says anything", path.display()));
        }
        let mut gaps: Vec<i64> = self.shots.windows(2).map(|two| two[1].stamp_ns - two[0].stamp_ns).collect();
        gaps.sort_unstable();
        self.seen.rate = gaps.get(gaps.len() / 2).map(|gap| 1e9 / (*gap).max(1) as f64);
        Ok(self)
    }

    /// Gives each picture with the command that belongs to it to `take`.
    pub fn samples(&self, ahead: Ahead, mut take: impl FnMut(Sample<'_>)) -> Tally {
        let mut tally = Tally { pictures: self.shots.len() + self.broken, broken: self.broken, ..Tally::default() };
        let length = self.pixels.len() / self.shots.len().max(1);
        let motion_ns = self.travel.motion_ns();
        for (shot, pixels) in self.shots.iter().zip(self.pixels.chunks_exact(length.max(1))) {
            let at_ns = shot.stamp_ns.saturating_add(ahead.lead_ns).saturating_sub(motion_ns);
            match self.diary.label(at_ns) {
                Answer::Known(label) => {
                    let mut extras = Vec::with_capacity(ahead.history * 2);
                    self.diary.in_flight(at_ns, ahead.step_ns(), ahead.history, &mut extras);
                    tally.samples += 1;
                    tally.corrections += usize::from(label.correction);
                    take(Sample {
                        stamp_ns: shot.stamp_ns,
                        number: shot.number,
                        pixels,
                        extras,
                        target: [label.turn, label.forward],
                        correction: label.correction,
                    });
                }
                Answer::NotYet | Answer::Left(Reason::NoCommand) => tally.without_command += 1,
                Answer::Left(Reason::NotHuman) => tally.not_human += 1,
                Answer::Left(Reason::Standing) => tally.standing += 1,
            }
        }
        tally
    }
}

/// Decodes and prepares pictures.
struct Camera {
    prepare: Preprocess,
    scratch: Scratch,
    prepared: Vec<u8>,
    number: usize,
}

impl Camera {
    fn take(&mut self, message: &Recorded, footage: &mut Footage) -> Result<(), String> {
        let number = self.number;
        self.number += 1;
        let stamp_ns = message.header.stamp_ns;
        let in_order = footage.shots.last().is_none_or(|last| last.stamp_ns < stamp_ns);
        let picture = Picture::of(&message.header.r#type, &message.payload).ok().filter(|_| in_order);
        let Some(picture) = picture else {
            footage.broken += 1;
            return Ok(());
        };
        let source = &mut footage.seen;
        if source.width == 0 {
            (source.width, source.height) = (picture.width, picture.height);
        } else if (source.width, source.height) != (picture.width, picture.height) {
            let (width, height) = (picture.width, picture.height);
            return Err(format!(
                "{} changes from {}x{} to {width}x{height} pixels at picture {number}; record one size a file",
                footage.topic, source.width, source.height
            ));
        }
        if footage.pixels.len() + self.prepare.len() > PIXELS_MAX {
            return Err(format!("more than {} pictures; cut the recording", footage.shots.len()));
        }
        let Some(view) = net::Picture::new(picture.width, picture.height, 3, &picture.rgb) else {
            footage.broken += 1;
            return Ok(());
        };
        self.prepare.shrink(&view, &mut self.scratch, &mut self.prepared);
        footage.pixels.extend_from_slice(&self.prepared);
        footage.shots.push(Shot { stamp_ns, number });
        footage.travel.picture(&message.header, message.received_ns);
        Ok(())
    }
}

fn each<M: prost::Message + Default + offboard::Name>(message: &Recorded, take: impl FnOnce(&Header, M)) {
    if let Ok(message) = message.decode::<M>() {
        take(&message.header, message.body);
    }
}

/// Topics that were found in a recording.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) frames: String,
    pub(crate) kind: String,
    pub(crate) drive: String,
    pub(crate) pilot: Option<String>,
    pub(crate) motor: Option<String>,
}

/// Looks which topics a recording has, and picks.
///
/// # Errors
/// One line that says what is not there, or between what one must choose.
pub(crate) fn find(path: &Path, wanted: &Topics) -> Result<Found, String> {
    let mut reader = Reader::open(path).map_err(|error| error.to_string())?;
    let mut there = BTreeMap::new();
    for message in &mut reader {
        there.entry(message.topic).or_insert(message.header.r#type);
    }
    if there.is_empty() {
        let damage = reader.damage().map(|damage| format!(": {damage}")).unwrap_or_default();
        return Err(format!("{}: it holds no message{damage}", path.display()));
    }
    pick_all(&there, wanted).map_err(|why| format!("{}: {why}", path.display()))
}

fn pick_all(there: &BTreeMap<String, String>, wanted: &Topics) -> Result<Found, String> {
    let kinds = decode::kinds();
    let [frames, drive] = [
        pick(there, &wanted.frames, "frames", &[&kinds[0], &kinds[1]], "camera")?,
        pick(there, &wanted.drive, "drive", &[&Drive::full_name()], "pilot")?,
    ];
    let named = |name: &str, what: &str| format!("there is no {what} in it{}", name_it(name, there));
    let frames = frames.ok_or_else(|| named("frames", "picture (CompressedImage or RawImage)"))?;
    let drive = drive.ok_or_else(|| named("drive", "command (Drive)"))?;
    let kind = there.get(&frames).cloned().unwrap_or_default();
    let pilot = pick(there, &wanted.pilot, "pilot", &[&PilotState::full_name()], "pilot")?;
    let motor = pick(there, &wanted.motor, "motor", &[&MotorState::full_name()], "motor")?;
    Ok(Found { frames, kind, drive, pilot, motor })
}

fn name_it(name: &str, there: &BTreeMap<String, String>) -> String {
    let list: Vec<&str> = there.keys().map(String::as_str).take(12).collect();
    format!("; say which topic is which by --topic {name}=TOPIC. It has: {}", list.join(", "))
}

/// The topic that was asked for; else the only one of these types; else the one of a node of the usual name.
fn pick(
    there: &BTreeMap<String, String>,
    wanted: &Option<String>,
    role: &str,
    kinds: &[&str],
    usual: &str,
) -> Result<Option<String>, String> {
    if let Some(wanted) = wanted {
        let kind = there.get(wanted).ok_or_else(|| format!("it has no topic {wanted}{}", name_it(role, there)))?;
        if !kinds.contains(&kind.as_str()) {
            return Err(format!("{wanted} carries {kind}, not {}", kinds.join(" or ")));
        }
        return Ok(Some(wanted.clone()));
    }
    let fits: Vec<&String> =
        there.iter().filter(|(_, kind)| kinds.contains(&kind.as_str())).map(|(name, _)| name).collect();
    let by_usual = |topic: &&&String| {
        let local = topic.rsplit(':').next().unwrap_or(topic);
        local.split('/').next() == Some(usual)
    };
    match (fits.as_slice(), fits.iter().filter(by_usual).collect::<Vec<_>>().as_slice()) {
        ([], _) => Ok(None),
        ([one], _) => Ok(Some((*one).clone())),
        (_, [one]) => Ok(Some((**one).clone())),
        (many, _) => {
            let list: Vec<&str> = many.iter().map(|topic| topic.as_str()).collect();
            Err(format!("several topics could be {role}: {}; say which by --topic {role}=TOPIC", list.join(", ")))
        }
    }
}

/// Reads `role=TOPIC` of a command line.
///
/// # Errors
/// A sentence that names the roles.
pub fn topics(words: &[String]) -> Result<Topics, String> {
    let mut topics = Topics::default();
    for word in words {
        let (role, topic) = word.split_once('=').ok_or_else(|| format!("--topic {word}: write role=TOPIC"))?;
        let place = match role {
            "frames" => &mut topics.frames,
            "drive" => &mut topics.drive,
            "pilot" => &mut topics.pilot,
            "motor" => &mut topics.motor,
            _ => return Err(format!("--topic {word}: the role is frames, drive, pilot or motor")),
        };
        *place = Some(topic.to_owned());
    }
    Ok(topics)
}

/// The SHA-256 of files one after the other, as 64 hexadecimal digits.
///
/// # Errors
/// One line that names the file.
pub fn hash(paths: &[PathBuf]) -> Result<String, String> {
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    let mut buffer = vec![0; 1 << 20];
    for path in paths {
        let wrong = |error: std::io::Error| format!("{}: {error}", path.display());
        let mut file = std::fs::File::open(path).map_err(wrong)?;
        loop {
            match std::io::Read::read(&mut file, &mut buffer).map_err(wrong)? {
                0 => break,
                count => context.update(&buffer[..count]),
            }
        }
    }
    Ok(context.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn there(topics: &[(&str, &str)]) -> BTreeMap<String, String> {
        topics.iter().map(|(name, kind)| ((*name).to_owned(), format!("offboard.v1.{kind}"))).collect()
    }

    #[test]
    fn topics_are_found_by_type() {
        let there = there(&[("robot:camera/frames", "CompressedImage"), ("pilot/drive", "Drive"), ("a/b", "Array")]);
        let found = pick_all(&there, &Topics::default()).unwrap();
        assert_eq!((found.frames.as_str(), found.drive.as_str()), ("robot:camera/frames", "pilot/drive"));
        assert_eq!((found.kind.as_str(), found.pilot), ("offboard.v1.CompressedImage", None));
    }

    #[test]
    fn among_several_the_pilots_commands_are_what_was_done() {
        let there = there(&[("sim/frames", "RawImage"), ("desktop:pilot/drive", "Drive"), ("model/drive", "Drive")]);
        assert_eq!(pick_all(&there, &Topics::default()).unwrap().drive, "desktop:pilot/drive");
    }

    #[test]
    fn what_cannot_be_known_is_asked_for_by_name() {
        let two = there(&[("left/frames", "RawImage"), ("right/frames", "RawImage"), ("pilot/drive", "Drive")]);
        assert_eq!(
            pick_all(&two, &Topics::default()).unwrap_err(),
            "several topics could be frames: left/frames, right/frames; say which by --topic frames=TOPIC"
        );
        let wanted = topics(&["frames=right/frames".to_owned()]).unwrap();
        assert_eq!(pick_all(&two, &wanted).unwrap().frames, "right/frames");
        let wrong = topics(&["frames=pilot/drive".to_owned()]).unwrap();
        assert_eq!(
            pick_all(&two, &wrong).unwrap_err(),
            "pilot/drive carries offboard.v1.Drive, not offboard.v1.CompressedImage or offboard.v1.RawImage"
        );
        assert_eq!(
            pick_all(&there(&[("a/b", "RawImage")]), &Topics::default()).unwrap_err(),
            "there is no command (Drive) in it; say which topic is which by --topic drive=TOPIC. It has: a/b"
        );
        assert!(topics(&["sound=a/b".to_owned()]).unwrap_err().contains("the role is frames, drive, pilot or motor"));
    }
}
