//! A LeRobot data set (v3.0) as it comes to be: frames in, episodes out. The layout is its documentation's: `meta/`, `data/` and `videos/`,
//! one file each, episodes one after the other in them. It never holds more than one episode.

use std::{fs, path::PathBuf};

use serde_json::{Map, Value, json};

use super::super::super::{
    failure::{Failure, Result},
    film::Film,
    picture::Rgb,
    place::Place,
};
use super::{
    stats::{Colours, Figures, to_json},
    tables::{Columns, Table, doubles, integers, list, lists, singles, text_list, texts, vectors},
};

const FORMAT: &str = "v3.0";
const DATA: &str = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet";
const VIDEO: &str = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4";

/// What the whole set is of.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// Where: an empty folder that is there.
    pub(crate) folder: PathBuf,
    /// Which camera: a word.
    pub(crate) camera: String,
    /// Pictures a second.
    pub(crate) rate: u32,
    /// Width and height, in pixels.
    pub(crate) size: (usize, usize),
    /// What the driver was about, in a sentence.
    pub(crate) task: String,
}

/// One moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame {
    /// When the picture was sensed, nanoseconds on the recording machine's steady timeline.
    pub(crate) stamp_ns: i64,
    /// Steering and throttle, -1 to 1.
    pub(crate) action: [f32; 2],
    /// Who drove, as the number of a `DriveMode`.
    pub(crate) mode: i32,
}

/// The set.
pub(crate) struct Set {
    plan: Plan,
    key: String,
    film: Film,
    data: Table,
    episodes: Table,
    episode: Vec<Frame>,
    colours: Colours,
    all: Totals,
}

/// What is known of what was written.
#[derive(Default)]
struct Totals {
    frames: usize,
    episodes: usize,
    lengths: Vec<usize>,
    steering: Vec<f32>,
    throttle: Vec<f32>,
    stamps: Vec<i64>,
    modes: Vec<i32>,
    colours: Colours,
}

impl Set {
    /// Begins a set in an empty folder.
    pub(crate) fn create(plan: Plan) -> Result<Set> {
        let key = format!("observation.images.{}", plan.camera);
        let folder = |path: String| {
            let path = plan.folder.join(path);
            fs::create_dir_all(&path).map_err(|error| Failure::at(&path, error)).map(|()| path)
        };
        let data = Table::new(&folder("data/chunk-000".into())?.join("file-000.parquet"));
        let episodes = Table::new(&folder("meta/episodes/chunk-000".into())?.join("file-000.parquet"));
        let video = folder(format!("videos/{key}/chunk-000"))?.join("file-000.mp4");
        let film = Film::create(Place::new(&video, false)?, plan.size, plan.rate as f32)?;
        let (episode, colours, all) = (Vec::new(), Colours::default(), Totals::default());
        Ok(Set { plan, key, film, data, episodes, episode, colours, all })
    }

    /// Adds a moment to the episode.
    pub(crate) fn add(&mut self, frame: Frame, picture: &Rgb) -> Result<()> {
        let index = self.all.frames + self.episode.len();
        // The film runs on the grid that the format promises; the true stamps are in the table.
        self.film.add(index as u64 * 1_000_000 / u64::from(self.plan.rate), picture)?;
        self.colours.add(&picture.pixels);
        self.episode.push(frame);
        Ok(())
    }

    /// Ends the episode; one of no frames is none.
    pub(crate) fn end_episode(&mut self) -> Result<()> {
        let frames = std::mem::take(&mut self.episode);
        let colours = std::mem::take(&mut self.colours);
        if frames.is_empty() {
            return Ok(());
        }
        self.data.write(self.rows(&frames))?;
        let mut about = self.about(frames.len());
        about.extend(self.figures(&frames, &colours));
        self.episodes.write(about)?;
        let all = &mut self.all;
        all.frames += frames.len();
        all.episodes += 1;
        all.lengths.push(frames.len());
        all.steering.extend(frames.iter().map(|frame| frame.action[0]));
        all.throttle.extend(frames.iter().map(|frame| frame.action[1]));
        all.stamps.extend(frames.iter().map(|frame| frame.stamp_ns));
        all.modes.extend(frames.iter().map(|frame| frame.mode));
        all.colours.merge(&colours);
        Ok(())
    }

    /// Ends the set. How many episodes and frames it has.
    pub(crate) fn finish(mut self) -> Result<(usize, usize)> {
        self.end_episode()?;
        let Set { plan, key, film, data, episodes, all, .. } = self;
        if all.frames == 0 {
            return Err(Failure::new("there is nothing to export: no picture has a control"));
        }
        data.finish()?;
        episodes.finish()?;
        film.finish()?;
        let meta = plan.folder.join("meta");
        let path = meta.join("tasks.parquet");
        let mut tasks = Table::with_metadata(&path, "pandas", tasks_in_pandas());
        tasks
            .write(vec![("task_index".to_owned(), integers([0])), ("task".to_owned(), texts([plan.task.as_str()]))])?;
        tasks.finish()?;
        for (name, content) in [("info.json", info(&plan, &key, &all)), ("stats.json", stats(&plan, &key, &all))] {
            let path = meta.join(name);
            let text = format!("{content:#}\n");
            fs::write(&path, text).map_err(|error| Failure::at(&path, error))?;
        }
        Ok((all.episodes, all.frames))
    }

    fn rows(&self, frames: &[Frame]) -> Columns {
        let (first, episode) = (self.all.frames as i64, self.all.episodes as i64);
        let count = frames.len() as i64;
        let actions: Vec<[f32; 2]> = frames.iter().map(|frame| frame.action).collect();
        named([
            ("action", vectors(&actions)),
            ("timestamp", singles(grid(frames.len(), self.plan.rate).map(|time| time as f32))),
            ("frame_index", integers(0..count)),
            ("episode_index", integers(frames.iter().map(|_| episode))),
            ("index", integers(first..first + count)),
            ("task_index", integers(frames.iter().map(|_| 0))),
            ("stamp_ns", integers(frames.iter().map(|frame| frame.stamp_ns))),
            ("drive_mode", integers(frames.iter().map(|frame| i64::from(frame.mode)))),
        ])
    }

    /// What the table of episodes says of one.
    fn about(&self, length: usize) -> Columns {
        let (from, to) = (self.all.frames as i64, (self.all.frames + length) as i64);
        let seconds = |index: i64| doubles([index as f64 / f64::from(self.plan.rate)]);
        let mut about = named([
            ("episode_index", integers([self.all.episodes as i64])),
            ("tasks", text_list(&[&self.plan.task])),
            ("length", integers([length as i64])),
            ("data/chunk_index", integers([0])),
            ("data/file_index", integers([0])),
            ("dataset_from_index", integers([from])),
            ("dataset_to_index", integers([to])),
            ("meta/episodes/chunk_index", integers([0])),
            ("meta/episodes/file_index", integers([0])),
        ]);
        for (name, value) in [
            ("chunk_index", integers([0])),
            ("file_index", integers([0])),
            ("from_timestamp", seconds(from)),
            ("to_timestamp", seconds(to)),
        ] {
            about.push((format!("videos/{}/{name}", self.key), value));
        }
        about
    }

    /// The statistics of one episode, as columns.
    fn figures(&self, frames: &[Frame], colours: &Colours) -> Columns {
        let mut columns = Columns::new();
        let mut tell = |feature: &str, parts: &[Figures], count: usize, colour: bool| {
            let names: Vec<&str> =
                parts.first().map(|part| part.named().map(|(name, _)| name).collect()).unwrap_or_default();
            for (at, name) in names.into_iter().enumerate() {
                let flat = doubles(parts.iter().filter_map(|part| part.named().nth(at)).map(|(_, value)| value));
                // A colour's figure is a picture of one pixel: channel, row, column.
                let value = if colour { list(lists(1, lists(1, flat))) } else { list(flat) };
                columns.push((format!("stats/{feature}/{name}"), value));
            }
            columns.push((format!("stats/{feature}/count"), list(integers([count as i64]))));
        };
        let part = |at: usize| Figures::of(frames.iter().map(move |frame| f64::from(frame.action[at])));
        tell("action", &[part(0), part(1)], frames.len(), false);
        let times = Figures::of(grid(frames.len(), self.plan.rate));
        tell("timestamp", &[times], frames.len(), false);
        let stamps = Figures::of(frames.iter().map(|frame| frame.stamp_ns as f64));
        tell("stamp_ns", &[stamps], frames.len(), false);
        tell(&self.key, &colours.figures(), colours.pictures, true);
        columns
    }
}

fn named<const N: usize>(columns: [(&str, arrow_array::ArrayRef); N]) -> Columns {
    columns.into_iter().map(|(name, values)| (name.to_owned(), values)).collect()
}

/// The times of an episode's frames: the format knows no others.
fn grid(count: usize, rate: u32) -> impl Iterator<Item = f64> {
    (0..count).map(move |index| index as f64 / f64::from(rate))
}

/// What pandas wants to know to find tasks by their sentence.
fn tasks_in_pandas() -> String {
    let column = |name: &str, kind: &str, numpy: &str| {
        json!({
            "name": name, "field_name": name, "pandas_type": kind, "numpy_type": numpy, "metadata": null
        })
    };
    json!({
        "index_columns": ["task"],
        "column_indexes": [{"name": null, "field_name": null, "pandas_type": "unicode", "numpy_type": "object", "metadata": {"encoding": "UTF-8"}}],
        "columns": [column("task_index", "int64", "int64"), column("task", "unicode", "object")],
        "attributes": {},
        "creator": {"library": "offboard", "version": env!("CARGO_PKG_VERSION")},
        "pandas_version": "2.2.0",
    })
    .to_string()
}

fn info(plan: &Plan, key: &str, all: &Totals) -> Value {
    let (width, height) = (plan.size.0 & !1, plan.size.1 & !1);
    let single = |kind: &str| json!({"dtype": kind, "shape": [1], "names": null});
    let mut features = Map::new();
    features.insert("action".into(), json!({"dtype": "float32", "shape": [2], "names": ["steering", "throttle"]}));
    features.insert(
        key.to_owned(),
        json!({
            "dtype": "video",
            "shape": [height, width, 3],
            "names": ["height", "width", "channels"],
            "info": {
                "video.height": height,
                "video.width": width,
                "video.codec": "h264",
                "video.pix_fmt": "yuv420p",
                "video.is_depth_map": false,
                "video.fps": plan.rate,
                "video.channels": 3,
                "has_audio": false,
            },
        }),
    );
    features.insert("timestamp".into(), single("float32"));
    for name in ["frame_index", "episode_index", "index", "task_index", "stamp_ns", "drive_mode"] {
        features.insert(name.into(), single("int64"));
    }
    json!({
        "codebase_version": FORMAT,
        "robot_type": "offboard",
        "total_episodes": all.episodes,
        "total_frames": all.frames,
        "total_tasks": 1,
        "chunks_size": 1000,
        "data_files_size_in_mb": 100,
        "video_files_size_in_mb": 200,
        "fps": plan.rate,
        "splits": {"train": format!("0:{}", all.episodes)},
        "data_path": DATA,
        "video_path": VIDEO,
        "features": features,
    })
}

fn stats(plan: &Plan, key: &str, all: &Totals) -> Value {
    let wide = |values: &[f32]| Figures::of(values.iter().map(|value| f64::from(*value)));
    let mut stats = Map::new();
    let mut tell =
        |name: &str, parts: &[Figures]| stats.insert(name.to_owned(), to_json(parts, all.frames, Value::from));
    tell("action", &[wide(&all.steering), wide(&all.throttle)]);
    tell("timestamp", &[Figures::of(all.lengths.iter().flat_map(|length| grid(*length, plan.rate)))]);
    tell("frame_index", &[Figures::of(all.lengths.iter().flat_map(|length| (0..*length).map(|at| at as f64)))]);
    let episodes = all.lengths.iter().enumerate().flat_map(|(at, length)| std::iter::repeat_n(at as f64, *length));
    tell("episode_index", &[Figures::of(episodes)]);
    tell("index", &[Figures::of((0..all.frames).map(|at| at as f64))]);
    tell("task_index", &[Figures::of((0..all.frames).map(|_| 0.0))]);
    tell("stamp_ns", &[Figures::of(all.stamps.iter().map(|stamp| *stamp as f64))]);
    tell("drive_mode", &[Figures::of(all.modes.iter().map(|mode| f64::from(*mode)))]);
    stats.insert(key.to_owned(), to_json(&all.colours.figures(), all.colours.pictures, |value| json!([[value]])));
    Value::Object(stats)
}
