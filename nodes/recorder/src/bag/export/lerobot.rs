//! A LeRobot data set of a recording: an episode from each pause or erased stretch to the next. See docs/decisions/0002 for why its
//! clock is even.

use super::super::{
    failure::{Failure, Result},
    pairs::{Left, Pairs},
    place::Place,
};
use set::{Frame, Plan, Set};

mod set;
mod stats;
mod tables;

pub(super) fn export(pairs: &Pairs, place: Place, task: &str) -> Result<Left> {
    let Some(rate) = pairs.rate()? else {
        return Err(Failure::new(format!("{} has fewer than two pictures: that is no data set", pairs.pictures())));
    };
    let rate = (rate.round() as u32).max(1);
    let folder = place.folder()?.to_owned();
    let mut set: Option<Set> = None;
    let left = pairs.each("encoding", |pair| {
        let picture = pair.picture.to_rgb().map_err(Failure::new)?;
        let set = match &mut set {
            Some(set) => set,
            none => none.insert(Set::create(Plan {
                folder: folder.clone(),
                camera: camera(pairs.pictures()),
                rate,
                size: (picture.width, picture.height),
                task: task.to_owned(),
            })?),
        };
        if pair.begins {
            set.end_episode()?;
        }
        let action = [pair.control.steering, pair.control.throttle];
        set.add(Frame { stamp_ns: pair.stamp_ns, action, mode: pair.mode as i32 }, &picture)
    })?;
    super::jpegs::some(&left)?;
    if let Some(set) = set {
        set.finish()?;
    }
    place.finish()?;
    Ok(left)
}

/// The camera of a topic, as a word: `camera` of `robot:camera/frames`.
fn camera(topic: &str) -> String {
    let node = topic.rsplit(':').next().unwrap_or(topic);
    let node = node.trim_start_matches('/').split('/').next().unwrap_or(node);
    let word: String = node.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' }).collect();
    if word.is_empty() { "camera".to_owned() } else { word }
}
