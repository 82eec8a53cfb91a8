//! `bag plot`: one page or picture of a drive: who drove, steering and throttle over time, how often each steering was, which topics said
//! something when and where messages are missing, and the marks.

use std::{collections::BTreeMap, fs, path::Path};

use offboard::{Drive, DriveMode, Name as _, PilotState};

use self::layout::{Data, Track};
use super::{
    failure::{Failure, Result},
    place::Place,
    survey::Survey,
};

mod html;
mod image;
mod layout;
mod sheet;

/// Columns over the whole time: finer than a page can show.
pub(crate) const COLUMNS: usize = 1000;

/// Draws a recording. What the file is to be is in its name: .html or .png.
pub(crate) fn plot(from: &Path, to: &Path, controls: Option<&str>) -> Result<()> {
    let ending = to.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_ascii_lowercase();
    if !matches!(ending.as_str(), "html" | "png") {
        return Err(Failure::at(to, "say what to draw by the name's ending: -o drive.html or -o drive.png"));
    }
    let place = Place::new(to, true)?;
    let sheet = layout::draw(&read(from, controls)?);
    if ending == "png" {
        image::write(place.unfinished(), &sheet).map_err(|error| Failure::at(to, error))?;
    } else {
        let title = from.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        fs::write(place.unfinished(), html::page(&title, &sheet)).map_err(|error| Failure::at(to, error))?;
    }
    place.finish()
}

/// Two passes: one for the span, one for what was when.
fn read(from: &Path, controls: Option<&str>) -> Result<Data> {
    let survey = Survey::of(from, "reading")?;
    let Some(span) = survey.span else {
        return Err(Failure::at(from, "has no messages: there is nothing to draw"));
    };
    let drive = Drive::full_name();
    let mut drives = survey.topics.iter().filter(|(_, topic)| topic.kinds.contains(&drive)).map(|(name, _)| name);
    let chosen = match controls {
        Some(asked) => match drives.any(|name| name == asked) {
            true => Some(asked.to_owned()),
            false => return Err(Failure::at(from, format!("has no controls on {asked}"))),
        },
        // The pilot's, else the first.
        None => drives.clone().find(|name| name.ends_with("pilot/drive")).or(drives.next()).cloned(),
    };
    let mut data = Data::new(survey, span);
    data.controls = chosen;
    let mut seen: BTreeMap<String, Vec<bool>> = BTreeMap::new();
    Survey::each(from, "drawing", |message| {
        let column = data.column(message.received_ns);
        let row = match seen.get_mut(&message.topic) {
            Some(row) => row,
            None => seen.entry(message.topic.clone()).or_insert_with(|| vec![false; COLUMNS]),
        };
        row[column] = true;
        if message.is_no_data() {
            return Ok(());
        }
        if data.controls.as_ref() == Some(&message.topic)
            && let Ok(drive) = message.decode::<Drive>()
        {
            data.steering.add(column, drive.turn);
            data.throttle.add(column, drive.forward);
        } else if message.header.r#type == PilotState::full_name()
            && let Ok(state) = message.decode::<PilotState>()
            && state.mode() != DriveMode::Unknown
        {
            data.modes[column] = Some(state.mode());
        }
        Ok(())
    })?;
    data.seen = seen;
    Ok(data)
}

impl Track {
    /// Takes in a control.
    fn add(&mut self, column: usize, value: f32) {
        if !value.is_finite() {
            return;
        }
        let value = value.clamp(-1.0, 1.0);
        let (low, high) = self.columns[column].get_or_insert((value, value));
        (*low, *high) = (low.min(value), high.max(value));
        let bins = self.histogram.len();
        let bin = (f64::from(value + 1.0) / 2.0 * bins as f64) as usize;
        self.histogram[bin.min(bins - 1)] += 1;
        self.count += 1;
        self.sum += f64::from(value);
    }
}
