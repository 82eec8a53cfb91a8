//! The viewer's parameters as the graph file gives them. They never reach a window or a folder unchecked.

use offboard::{Error, Node, Period, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the graph file may say about a viewer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Params {
    /// How many times larger than the picture the window is at first, 0.1 to 16; never larger than the screen or 4096 pixels.
    #[schemars(range(min = 0.1, max = 16))]
    pub(crate) scale: f64,
    /// The window's title; empty: the topic.
    pub(crate) title: String,
    /// Rate, age, gaps and size in a corner of the window.
    pub(crate) overlay: bool,
    /// A folder for PNGs of the pictures as they came, named by their number (00000042.png); it is made when it is missing. Empty: none are written. With it the viewer also works without a display.
    pub(crate) snapshot: String,
    /// How often a PNG is written; "0s" writes each picture that is shown.
    pub(crate) snapshot_every: Period,
    /// How many PNGs are kept, 1 to 100000; the oldest are removed.
    #[schemars(range(min = 1, max = 100_000))]
    pub(crate) snapshot_keep: u32,
}

impl Default for Params {
    fn default() -> Self {
        Params {
            scale: 4.0,
            title: String::new(),
            overlay: true,
            snapshot: String::new(),
            snapshot_every: Period::from_millis(1000),
            snapshot_keep: 100,
        }
    }
}

impl Params {
    /// The node's parameters, each within its range.
    ///
    /// # Errors
    /// A configuration error that names what does not fit.
    pub(crate) fn of(node: &Node) -> Result<Params> {
        let params: Params = node.params()?;
        params.check().map_err(|problem| Error::config(format!("params of {}: {problem}", node.name())))?;
        Ok(params)
    }

    fn check(&self) -> Result<(), String> {
        if !(0.1..=16.0).contains(&self.scale) {
            return Err(format!("scale is {}; 0.1 to 16 are allowed", self.scale));
        }
        if !(1..=100_000).contains(&self.snapshot_keep) {
            return Err(format!("snapshot_keep is {}; 1 to 100000 are allowed", self.snapshot_keep));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Params, String> {
        let params: Params = serde_json::from_str(json).map_err(|error| error.to_string())?;
        params.check().map(|()| params)
    }

    #[test]
    fn nothing_said_means_four_times_enlarged() {
        assert_eq!(read("{}"), Ok(Params::default()));
        assert_eq!(Params::default().scale, 4.0);
        assert_eq!(read(r#"{"snapshot_every":"0s"}"#).unwrap().snapshot_every, Period::from_millis(0));
    }

    #[test]
    fn what_does_not_fit_is_said_with_its_range() {
        assert_eq!(read(r#"{"scale":0}"#).unwrap_err(), "scale is 0; 0.1 to 16 are allowed");
        assert_eq!(read(r#"{"snapshot_keep":0}"#).unwrap_err(), "snapshot_keep is 0; 1 to 100000 are allowed");
        assert!(read(r#"{"sclae":1}"#).unwrap_err().contains("unknown field `sclae`"));
    }
}
