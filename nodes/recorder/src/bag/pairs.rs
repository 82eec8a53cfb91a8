//! Pictures of a recording with the controls that belong to them, by stamp. Two passes: controls are small and are kept, pictures are
//! not. A picture without a control near enough is counted, never guessed at.

use std::path::Path;

use offboard::{
    Drive, DriveMode, Name as _, PilotState,
    recording::{Damage, erased},
};

use super::{
    failure::{Failure, Result},
    picture::{Picture, is_picture},
    progress::Progress,
    survey::{Survey, open},
};
use crate::files;

/// Controls that are kept: more than a day at 100 a second.
const CONTROLS_MAX: usize = 20_000_000;
/// A pause as long as this begins a new episode.
const PAUSE_NS: i64 = 1_000_000_000;

/// What to pair, and how.
#[derive(Debug, Clone)]
pub(crate) struct Wish {
    /// The topic of the pictures; none: the only one there is.
    pub(crate) pictures: Option<String>,
    /// The topic of the controls; none: the only one there is, or the pilot's.
    pub(crate) controls: Option<String>,
    /// How far a control's stamp may be from the picture's.
    pub(crate) tolerance_ns: i64,
    /// Erased stretches too.
    pub(crate) with_erased: bool,
    /// What cannot be read is left out.
    pub(crate) keep_going: bool,
}

/// A recording, read once.
#[derive(Debug)]
pub(crate) struct Pairs {
    survey: Survey,
    pictures: String,
    controls_topic: String,
    controls: Vec<Control>,
    modes: Vec<(i64, DriveMode)>,
    erased: Vec<(i64, i64)>,
    wish: Wish,
}

/// A command, when it was.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Control {
    pub(crate) stamp_ns: i64,
    /// Right positive, -1 to 1.
    pub(crate) steering: f32,
    /// Forward positive, -1 to 1.
    pub(crate) throttle: f32,
}

/// A picture and what was done then.
#[derive(Debug)]
pub(crate) struct Pair {
    /// When the picture was sensed.
    pub(crate) stamp_ns: i64,
    pub(crate) picture: Picture,
    pub(crate) control: Control,
    /// Who drove, as far as the recording says.
    pub(crate) mode: DriveMode,
    /// Marked as erased.
    pub(crate) erased: bool,
    /// Whether time went by since the last: an episode begins.
    pub(crate) begins: bool,
}

/// What was not paired.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Left {
    /// Pictures that were paired.
    pub(crate) paired: u64,
    /// Pictures without a control near enough.
    pub(crate) unmatched: u64,
    /// Pictures that could not be read.
    pub(crate) unreadable: u64,
    /// Pictures in erased stretches.
    pub(crate) erased: u64,
}

impl Pairs {
    /// Reads controls, modes and marks.
    pub(crate) fn of(path: &Path, wish: Wish) -> Result<Pairs> {
        let (mut drives, mut modes) = (std::collections::BTreeMap::<String, Vec<Control>>::new(), Vec::new());
        let mut kept = 0;
        let survey = Survey::each(path, "reading controls", |message| {
            if message.is_no_data() {
                return Ok(());
            }
            if message.header.r#type == Drive::full_name() {
                if let Ok(drive) = message.decode::<Drive>() {
                    kept += 1;
                    if kept > CONTROLS_MAX {
                        return Err(Failure::at(path, format!("more than {CONTROLS_MAX} controls")));
                    }
                    let control =
                        Control { stamp_ns: message.header.stamp_ns, steering: drive.turn, throttle: drive.forward };
                    if control.steering.is_finite() && control.throttle.is_finite() {
                        drives.entry(message.topic.clone()).or_default().push(control);
                    }
                }
            } else if message.header.r#type == PilotState::full_name() && modes.len() < CONTROLS_MAX {
                modes.extend(message.decode::<PilotState>().map(|state| (message.header.stamp_ns, state.mode())));
            }
            Ok(())
        })?;
        if let Some(damage) = &survey.damage
            && !damage.unfinished
            && !wish.keep_going
        {
            return Err(damaged(path, damage));
        }
        let pictures = choose(&survey, "--pictures", "pictures", wish.pictures.as_deref(), is_picture)?;
        let controls_topic =
            choose(&survey, "--controls", "controls", wish.controls.as_deref(), |kind| kind == Drive::full_name())?;
        let mut controls = drives.remove(&controls_topic).unwrap_or_default();
        controls.sort_by_key(|control| control.stamp_ns);
        modes.sort_by_key(|(stamp, _)| *stamp);
        let erased = erased(&survey.marks);
        Ok(Pairs { survey, pictures, controls_topic, controls, modes, erased, wish })
    }

    /// The topic of the pictures.
    pub(crate) fn pictures(&self) -> &str {
        &self.pictures
    }

    /// The topic of the controls.
    pub(crate) fn controls(&self) -> &str {
        &self.controls_topic
    }

    /// Pictures a second, by the middle time from one to the next; none: there are not two.
    pub(crate) fn rate(&self) -> Result<Option<f64>> {
        let mut last = None;
        let mut steps = Vec::new();
        for message in open(&self.survey.path)?.filter(|message| message.topic == self.pictures) {
            let stamp = message.header.stamp_ns;
            if let Some(last) = last.replace(stamp)
                && stamp > last
                && steps.len() < CONTROLS_MAX
            {
                steps.push(stamp - last);
            }
        }
        steps.sort_unstable();
        Ok(steps.get(steps.len() / 2).map(|step| 1e9 / *step as f64))
    }

    /// Each picture with its control, in the order of the file.
    pub(crate) fn each(&self, what: &'static str, mut show: impl FnMut(Pair) -> Result<()>) -> Result<Left> {
        let mut left = Left::default();
        let mut reader = open(&self.survey.path)?;
        let progress = Progress::bytes(what, reader.len_bytes());
        let (mut last, mut broke) = (None::<i64>, true);
        while let Some(message) = reader.next() {
            if message.topic != self.pictures || message.is_no_data() || !is_picture(&message.header.r#type) {
                continue;
            }
            progress.set(reader.position());
            let stamp_ns = message.header.stamp_ns;
            let erased = self.erased.iter().any(|(from, until)| (*from..=*until).contains(&message.received_ns));
            left.erased += u64::from(erased);
            if erased && !self.wish.with_erased {
                broke = true;
                continue;
            }
            let Some(control) = nearest(&self.controls, stamp_ns, self.wish.tolerance_ns) else {
                left.unmatched += 1;
                continue;
            };
            let picture = match Picture::of(&message) {
                Ok(picture) => picture,
                Err(_) if self.wish.keep_going => {
                    left.unreadable += 1;
                    continue;
                }
                Err(problem) => {
                    let line = format!(
                        "{} number {}: {problem} (--keep-going leaves it out)",
                        message.topic, message.header.seq
                    );
                    return Err(Failure::at(&self.survey.path, line));
                }
            };
            let begins = std::mem::take(&mut broke)
                || last.is_none_or(|last| !(0..PAUSE_NS).contains(&stamp_ns.saturating_sub(last)));
            last = Some(stamp_ns);
            left.paired += 1;
            show(Pair { stamp_ns, picture, control, mode: self.mode(stamp_ns), erased, begins })?;
        }
        Ok(left)
    }

    /// Who drove then: what was last said.
    fn mode(&self, stamp_ns: i64) -> DriveMode {
        let after = self.modes.partition_point(|(stamp, _)| *stamp <= stamp_ns);
        let at = after.saturating_sub(1);
        self.modes.get(at).map_or(DriveMode::Human, |(_, mode)| *mode)
    }
}

/// What is wrong with a file that should be exported whole.
pub(crate) fn damaged(path: &Path, damage: &Damage) -> Failure {
    if files::is_being_recorded(path) {
        return Failure::at(
            path,
            "is being recorded: end the recording first, or take what is there with --keep-going",
        );
    }
    Failure::at(path, format!("{damage}; mend it with launch bag repair, or take what comes before with --keep-going"))
}

/// The control whose stamp is nearest, if it is near enough.
pub(crate) fn nearest(controls: &[Control], stamp_ns: i64, tolerance_ns: i64) -> Option<Control> {
    let after = controls.partition_point(|control| control.stamp_ns < stamp_ns);
    let near = [after.checked_sub(1).and_then(|before| controls.get(before)), controls.get(after)];
    let distance = |control: &&Control| control.stamp_ns.abs_diff(stamp_ns);
    let best = near.into_iter().flatten().min_by_key(distance)?;
    (best.stamp_ns.abs_diff(stamp_ns) <= tolerance_ns.unsigned_abs()).then_some(*best)
}

/// The topic that was asked for, or the one that it must be.
fn choose(
    survey: &Survey,
    option: &str,
    what: &str,
    asked: Option<&str>,
    fits: impl Fn(&str) -> bool,
) -> Result<String> {
    let fitting: Vec<&String> = survey
        .topics
        .iter()
        .filter(|(_, topic)| topic.kinds.iter().any(|kind| fits(kind)))
        .map(|(name, _)| name)
        .collect();
    let list = || fitting.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
    if let Some(asked) = asked {
        return match fitting.iter().any(|name| *name == asked) {
            true => Ok(asked.to_owned()),
            false => Err(Failure::at(&survey.path, format!("has no {what} on {asked}; it has: {}", or_none(list())))),
        };
    }
    let pilots: Vec<&&String> = fitting.iter().filter(|name| name.ends_with("pilot/drive")).collect();
    match (&fitting[..], &pilots[..]) {
        ([], _) => Err(Failure::at(&survey.path, format!("has no {what}: bag info shows what it has"))),
        ([one], _) => Ok((*one).clone()),
        (_, [one]) => Ok((**one).clone()),
        _ => {
            Err(Failure::at(&survey.path, format!("has {what} on several topics: say which with {option}: {}", list())))
        }
    }
}

fn or_none(list: String) -> String {
    if list.is_empty() { "none".to_owned() } else { list }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_control_within_the_tolerance_is_taken() {
        let control = |stamp_ns| Control { stamp_ns, steering: 0.0, throttle: 0.0 };
        let controls = [control(100), control(200), control(300)];
        let found = |stamp, tolerance| nearest(&controls, stamp, tolerance).map(|control| control.stamp_ns);
        assert_eq!(found(149, 50), Some(100));
        assert_eq!(found(151, 50), Some(200));
        assert_eq!(found(90, 10), Some(100));
        assert_eq!(found(89, 10), None);
        assert_eq!(found(311, 10), None);
        assert_eq!(nearest(&[], 1, i64::MAX), None);
    }
}
