//! What weights were made for, kept inside their file, and how that differs from what is there now. Pure.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use crate::net::{Preprocess, SIDE_MAX, Shape};

/// The contracts that this code writes and reads.
const FORMAT: u32 = 1;

/// A camera may be so many times faster or slower than the one that was learned from: in the dusk most take half as many pictures.
const RATE_FACTOR: f64 = 2.5;

/// What weights were made for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contract {
    /// How to read the rest: 1.
    pub format: u32,
    /// What kind of model it is: "cnn".
    pub model: String,
    /// The topic of the pictures that were learned from.
    pub topic: String,
    /// The full name of the pictures' message.
    pub kind: String,
    /// Columns of the pictures as they came.
    pub width: u32,
    /// Rows of the pictures as they came.
    pub height: u32,
    /// Pictures a second; 0: not known.
    pub rate: f64,
    /// The network.
    pub shape: Shape,
    /// How a picture is prepared: size, crop, channels, normalisation.
    pub preprocess: Preprocess,
    /// What comes out, in order.
    pub outputs: Vec<Output>,
    /// Names of the extra inputs, in order.
    pub extras: Vec<String>,
    /// How many earlier commands are among the extras: how far it looks back.
    pub history: usize,
    /// How long after the picture the outputs are meant, in nanoseconds: the latency of the loop that was learned for.
    pub lead_ns: i64,
    /// SHA-256 of what was learned from; empty: it was learned while driving.
    pub data_hash: String,
    /// The version of the code that learned.
    pub code: String,
}

/// One output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Output {
    /// Its name, as the message's field.
    pub name: String,
    /// What 1 means.
    pub unit: String,
    /// The least it may be.
    pub low: f32,
    /// The most it may be.
    pub high: f32,
}

impl Output {
    /// A share of full: −1 to 1.
    pub fn share(name: &str, unit: &str) -> Output {
        Output { name: name.to_owned(), unit: unit.to_owned(), low: -1.0, high: 1.0 }
    }

    /// What of its range can be commanded: all of it that lies within −1 to 1.
    #[must_use]
    pub fn range(&self) -> RangeInclusive<f32> {
        self.low.max(-1.0)..=self.high.min(1.0)
    }
}

/// What is there now, as far as it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Live<'a> {
    /// The pictures' topic.
    pub topic: Option<&'a str>,
    /// The full name of their message.
    pub kind: Option<&'a str>,
    /// Columns and rows.
    pub size: Option<(u32, u32)>,
    /// Pictures a second.
    pub rate: Option<f64>,
}

impl Contract {
    /// For weights that drive; what is not said here is put in after.
    pub fn driving(shape: &Shape, preprocess: &Preprocess) -> Contract {
        let outputs = [Output::share("turn", "right lock"), Output::share("forward", "full ahead")];
        Contract {
            format: FORMAT,
            model: "cnn".to_owned(),
            topic: String::new(),
            kind: String::new(),
            width: 0,
            height: 0,
            rate: 0.0,
            shape: *shape,
            preprocess: *preprocess,
            outputs: outputs.into_iter().take(shape.outputs).collect(),
            extras: (0..shape.extras).map(|nth| format!("extra{nth}")).collect(),
            history: 0,
            lead_ns: 0,
            data_hash: String::new(),
            code: format!("offboard {}", env!("CARGO_PKG_VERSION")),
        }
    }

    /// Whether it agrees with itself and keeps its bounds.
    pub(crate) fn check(&self) -> Result<(), String> {
        let Contract { format, shape, preprocess, .. } = self;
        if *format != FORMAT {
            return Err(format!("it is of format {format}, this version reads format {FORMAT}"));
        }
        if self.model != "cnn" {
            return Err(format!(
                "it is a model of kind \"{}\" and none that looks at pictures",
                self.model.escape_debug()
            ));
        }
        if shape.extras > SIDE_MAX || shape.outputs > SIDE_MAX || shape.outputs == 0 {
            return Err(format!("{} extras and {} outputs are no network of ours", shape.extras, shape.outputs));
        }
        if (preprocess.width, preprocess.height, preprocess.channels)
            != (shape.width(), shape.height(), shape.channels())
        {
            return Err("its pictures are of another size than its network".to_owned());
        }
        if !(0.0..=0.9).contains(&preprocess.crop_top) {
            return Err(format!("it cuts {} of a picture, from 0 to 0.9 can be cut", preprocess.crop_top));
        }
        if self.outputs.len() != shape.outputs || self.extras.len() != shape.extras {
            return Err("it names other outputs or extras than its network has".to_owned());
        }
        let bounded = |output: &Output| output.low.is_finite() && output.high.is_finite() && output.low < output.high;
        if !self.outputs.iter().all(bounded) || !self.rate.is_finite() || self.rate < 0.0 {
            return Err("a range or rate that it names is none".to_owned());
        }
        if let Some(output) = self.outputs.iter().find(|output| output.range().start() >= output.range().end()) {
            let Output { name, low, high, .. } = output;
            return Err(format!(
                "{} goes from {low} to {high}, nothing of that lies within -1 to 1",
                name.escape_debug()
            ));
        }
        Ok(())
    }

    /// In what this does not fit what is there, a line each; none: it fits.
    #[must_use]
    pub fn differences(&self, live: &Live<'_>) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some(topic) = live.topic.filter(|topic| output_of(topic) != output_of(&self.topic)) {
            lines.push(format!("topic: it learned from {}, this is {topic}", self.topic));
        }
        if let Some(kind) = live.kind.filter(|kind| *kind != self.kind) {
            lines.push(format!("type: it learned from {}, this is {kind}", self.kind));
        }
        if let Some((width, height)) = live.size.filter(|size| *size != (self.width, self.height)) {
            lines.push(format!("size: it learned from {}×{}, this is {width}×{height}", self.width, self.height));
        }
        let off = |rate: &f64| self.rate > 0.0 && (*rate > self.rate * RATE_FACTOR || *rate < self.rate / RATE_FACTOR);
        if let Some(rate) = live.rate.filter(off) {
            lines.push(format!("rate: it learned from {:.1} pictures a second, these are {rate:.1}", self.rate));
        }
        lines
    }
}

/// A topic without the machine that it came from.
pub(crate) fn output_of(topic: &str) -> &str {
    topic.rsplit_once(':').map_or(topic, |(_, output)| output)
}
