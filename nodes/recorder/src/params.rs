//! The recorder's parameters as the graph file gives them. They never name a file that would be written over.

use std::{path::PathBuf, time::Duration};

use offboard::{
    Error, Node, Period, Result,
    gamepad::Button,
    recording::{Compression, Descriptors},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The largest file of descriptors, in bytes.
const DESCRIPTORS_MAX: u64 = 16 << 20;

/// What the graph file may say about a recorder.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Params {
    /// The folder for recordings; made when it is not there. Each is named NAME-YYYYmmdd-HHMMSS.mcap, in universal time.
    dir: PathBuf,
    /// The beginning of the names of recordings; not given: the graph's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    name: Option<String>,
    /// One file by name, instead of dir and name. When it is there already, the next free of FILE-2, FILE-3, … is written.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    file: Option<PathBuf>,
    /// When to record: "start", always; "moving", while a Drive input commands forward or back and a little longer; "asked", between start and stop by the input control or record_button. A stop by command counts in each, until the next start.
    on: On,
    /// With on = "moving": for how long recording goes on after the last motion, up to 10m.
    #[schemars(extend("x-max" = "10m"))]
    tail: Period,
    /// The button of the input pad that stops and starts recording; not given: none does.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Button")]
    record_button: Option<Button>,
    /// The button of the input pad that marks the last erase_seconds as erased; pressed again within two seconds, so much more before.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Button")]
    erase_button: Option<Button>,
    /// How far back an erasure goes, in seconds, 0.1 to 3600. Nothing is deleted: a mark says what not to learn from.
    #[schemars(range(min = 0.1, max = 3600.0))]
    erase_seconds: f64,
    /// How chunks are packed: "none" (right for JPEG, and what a broken file is saved from best), "lz4" (fast) or "zstd" (small).
    compression: Packing,
    /// Recording stops, and says so, when the disk has less left than so many MiB; it goes on when there is a quarter more.
    low_water_mib: u64,
    /// What may wait for a slow disk, in MiB, 1 to 4096. What does not fit is counted as lost; nothing ever waits at the publishers.
    #[schemars(range(min = 1, max = 4096))]
    buffer_mib: u64,
    /// Begins a new file when one has so many MiB; 0: never.
    split_mib: u64,
    /// Begins a new file when one is so old, 1s to 24h: what is kept in memory for a file's summary grows with it, by some 20 MB an hour.
    #[schemars(extend("x-min" = "1s", "x-max" = "24h"))]
    split_after: Period,
    /// Files with the descriptors of your own message types (FileDescriptorSet, as protoc --include_imports --descriptor_set_out=FILE writes it), so that stock viewers know their fields. Ours are known.
    descriptors: Vec<PathBuf>,
    /// Mend files that an earlier recorder of this name left unfinished, when this one starts and when a full disk has room again.
    mend: bool,
}

impl Default for Params {
    fn default() -> Params {
        Params {
            dir: "recordings".into(),
            name: None,
            file: None,
            on: On::Start,
            tail: Period::from_millis(3000),
            record_button: None,
            erase_button: Some(Button::West),
            erase_seconds: 10.0,
            compression: Packing::None,
            low_water_mib: 200,
            buffer_mib: 64,
            split_mib: 0,
            split_after: Period::from_millis(3_600_000),
            descriptors: Vec::new(),
            mend: true,
        }
    }
}

/// When to record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(crate) enum On {
    Start,
    Moving,
    Asked,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
enum Packing {
    None,
    Lz4,
    Zstd,
}

/// When to record, and what people may do about it.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    pub(crate) on: On,
    pub(crate) tail: Duration,
    pub(crate) record_button: Option<Button>,
    pub(crate) erase_button: Option<Button>,
    pub(crate) erase: Duration,
}

/// Where to write, and how.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) dir: PathBuf,
    /// The beginning of files' names.
    pub(crate) stem: String,
    /// Whether names go on with the date.
    pub(crate) dated: bool,
    pub(crate) compression: Compression,
    /// Bytes that the disk must keep.
    pub(crate) low_water: u64,
    pub(crate) split_bytes: Option<u64>,
    pub(crate) split_after: Duration,
    /// What is known of message types.
    pub(crate) descriptors: Descriptors,
    pub(crate) mend: bool,
}

/// Parameters that were checked.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) rules: Rules,
    pub(crate) target: Target,
    /// Bytes that may wait for the disk.
    pub(crate) buffer: usize,
}

impl Params {
    /// Those of this node, checked.
    ///
    /// # Errors
    /// [`Error::Config`] that names the parameter.
    pub(crate) fn of(node: &Node) -> Result<Settings> {
        node.params::<Params>()?.check(node.graph())
    }

    fn check(self, graph: &str) -> Result<Settings> {
        if !(0.1..=3600.0).contains(&self.erase_seconds) {
            return Err(Error::config(format!("erase_seconds is {}; it goes from 0.1 to 3600", self.erase_seconds)));
        }
        if !(1..=4096).contains(&self.buffer_mib) {
            return Err(Error::config(format!("buffer_mib is {}; it goes from 1 to 4096", self.buffer_mib)));
        }
        if let (Some(record), Some(erase)) = (self.record_button, self.erase_button)
            && record == erase
        {
            return Err(Error::config(format!("record_button and erase_button are both {}", record.name())));
        }
        let (dir, stem) = match &self.file {
            Some(file) => place(file)?,
            None => (self.dir.clone(), self.name.clone().unwrap_or_else(|| graph.to_owned())),
        };
        if stem.is_empty() || stem.contains('/') || stem.starts_with('.') {
            return Err(Error::config(format!("name is {stem:?}; files cannot be called that")));
        }
        Ok(Settings {
            rules: Rules {
                on: self.on,
                tail: self.tail.0,
                record_button: self.record_button,
                erase_button: self.erase_button,
                erase: Duration::from_secs_f64(self.erase_seconds),
            },
            target: Target {
                dir,
                stem,
                dated: self.file.is_none(),
                compression: match self.compression {
                    Packing::None => Compression::None,
                    Packing::Lz4 => Compression::Lz4,
                    Packing::Zstd => Compression::Zstd,
                },
                low_water: self.low_water_mib.saturating_mul(1 << 20),
                split_bytes: (self.split_mib > 0).then(|| self.split_mib.saturating_mul(1 << 20)),
                split_after: self.split_after.0.clamp(Duration::from_secs(1), Duration::from_secs(86_400)),
                descriptors: describe(&self.descriptors)?,
                mend: self.mend,
            },
            buffer: usize::try_from(self.buffer_mib << 20).unwrap_or(usize::MAX),
        })
    }
}

/// Ours, and those of these files.
fn describe(files: &[PathBuf]) -> Result<Descriptors> {
    let mut known = Descriptors::ours();
    for file in files {
        let bad = |why: String| Error::config(format!("descriptors: {}: {why}", file.display()));
        let about = std::fs::metadata(file).map_err(|error| bad(error.to_string()))?;
        if about.len() > DESCRIPTORS_MAX {
            return Err(bad(format!("{} bytes are too many for descriptors", about.len())));
        }
        let set = std::fs::read(file).map_err(|error| bad(error.to_string()))?;
        known.add(&set).map_err(|error| bad(error.to_string()))?;
    }
    Ok(known)
}

/// Folder and name, without its ending, of a file.
fn place(file: &std::path::Path) -> Result<(PathBuf, String)> {
    let bad = || Error::config(format!("file is {}; it must be the path of a file, like run.mcap", file.display()));
    let name = file.file_name().and_then(|name| name.to_str()).ok_or_else(bad)?;
    let dir = file.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(std::path::Path::new("."));
    Ok((dir.to_owned(), name.strip_suffix(".mcap").unwrap_or(name).to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: &str) -> Result<Settings> {
        serde_json::from_str::<Params>(json).unwrap().check("robot")
    }

    #[test]
    fn files_are_named_after_the_graph_or_as_the_graph_file_says() {
        let place = |json: &str| {
            let target = check(json).unwrap().target;
            (target.dir.display().to_string(), target.stem, target.dated)
        };
        assert_eq!(place("{}"), ("recordings".into(), "robot".into(), true));
        assert_eq!(place(r#"{"dir": "/d", "name": "lap"}"#), ("/d".into(), "lap".into(), true));
        assert_eq!(place(r#"{"file": "a/b.mcap"}"#), ("a".into(), "b".into(), false));
        assert_eq!(place(r#"{"file": "b"}"#), (".".into(), "b".into(), false));
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        let error = |json: &str| check(json).unwrap_err().to_string();
        assert_eq!(error(r#"{"erase_seconds": 0}"#), "erase_seconds is 0; it goes from 0.1 to 3600");
        assert_eq!(error(r#"{"buffer_mib": 0}"#), "buffer_mib is 0; it goes from 1 to 4096");
        assert_eq!(error(r#"{"name": "a/b"}"#), "name is \"a/b\"; files cannot be called that");
        assert_eq!(error(r#"{"file": "/"}"#), "file is /; it must be the path of a file, like run.mcap");
        assert!(error(r#"{"descriptors": ["/none"]}"#).starts_with("descriptors: /none: No such file"));
        assert_eq!(error(r#"{"record_button": "west"}"#), "record_button and erase_button are both west");
    }
}
