//! Weights on disk: safetensors with their contract inside. It reads nothing else, looks at every size first, and never leaves half a
//! file.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::{Read, Write},
    path::{Path, PathBuf},
};

use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde::{Deserialize, Serialize};

use super::weights::{Layer, Weights};
use crate::weights::output_of;

/// The largest file of weights.
const FILE_MAX: u64 = 1 << 30;
/// The largest header of such a file.
const HEADER_MAX: u64 = 1 << 20;
/// The most layers.
const LAYERS_MAX: usize = 16;
/// Where the contract stands in the metadata.
const KEY: &str = "offboard.arrays";

/// Names of more columns than this are not kept.
const COLUMNS_MAX: usize = 1024;
/// Nor longer ones, all together.
const COLUMN_BYTES_MAX: usize = 64 << 10;

/// One input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Its name in the graph.
    pub name: String,
    /// Where it comes from, without the machine: "glove/emg".
    pub topic: String,
    /// How many elements it has.
    pub width: usize,
    /// Their names; empty: not known.
    pub columns: Vec<String>,
}

impl Input {
    /// An input as its topic and its first message say; names that are too many are left out.
    #[must_use]
    pub fn new(name: &str, topic: &str, width: usize, columns: &[String]) -> Input {
        let bytes: usize = columns.iter().map(String::len).sum();
        let keeps = columns.len() == width && width <= COLUMNS_MAX && bytes <= COLUMN_BYTES_MAX;
        let columns = if keeps { columns.to_vec() } else { Vec::new() };
        Input { name: name.to_owned(), topic: output_of(topic).to_owned(), width, columns }
    }

    /// How it differs from what is there under the same name, a line each.
    fn differences(&self, live: &Input) -> Vec<String> {
        let mut all = Vec::new();
        if self.topic != live.topic {
            all.push(format!("{}: the weights want {}, here is {}", self.name, self.topic, live.topic));
        }
        // Who names no columns may well have the same.
        if !self.columns.is_empty() && !live.columns.is_empty() && self.columns.len() == live.columns.len() {
            let other = self.columns.iter().zip(&live.columns).position(|(mine, theirs)| mine != theirs);
            all.extend(other.map(|at| {
                let (mine, theirs) = (&self.columns[at], &live.columns[at]);
                format!("{}: column {at} of the weights is {mine}, here it is {theirs}", self.name)
            }));
        }
        all
    }
}

/// What weights are for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contract {
    /// ridge, rls or mlp.
    pub kind: String,
    /// Inputs in order.
    pub inputs: Vec<Input>,
    /// How many looks into the past.
    pub lags: usize,
    /// Time between two looks; 0: one input further each.
    pub step_ns: i64,
    /// How far ahead it predicts.
    pub lead_ns: i64,
    /// Names of what it predicts.
    pub outputs: Vec<String>,
    /// Inputs a second, when it was learned.
    pub rate_hz: f64,
    /// Samples it was learned from.
    pub samples: u64,
    /// SHA-256 over those.
    pub data_sha256: String,
    /// The version of the program that learned it.
    pub code: String,
}

impl Contract {
    /// What does not fit between these weights and what is there, a line each.
    #[must_use]
    pub fn differences(&self, live: &Contract) -> Vec<String> {
        let mut all = Vec::new();
        let mut differ = |what: &str, weights: String, live: String| {
            if weights != live {
                all.push(format!("{what}: the weights want {weights}, here is {live}"));
            }
        };
        let inputs = |one: &Contract| {
            let each = one.inputs.iter().map(|input| format!("{}[{}]", input.name, input.width));
            each.collect::<Vec<_>>().join(" + ")
        };
        differ("inputs", inputs(self), inputs(live));
        differ("lags", self.lags.to_string(), live.lags.to_string());
        let ms = |ns: i64| format!("{} ms", ns as f64 / 1e6);
        differ("time between looks", ms(self.step_ns), ms(live.step_ns));
        differ("lead", ms(self.lead_ns), ms(live.lead_ns));
        if !live.outputs.is_empty() {
            differ("outputs", self.outputs.len().to_string(), live.outputs.len().to_string());
        }
        for (mine, theirs) in self.inputs.iter().zip(&live.inputs).filter(|(mine, theirs)| mine.name == theirs.name) {
            all.extend(mine.differences(theirs));
        }
        all
    }

    fn inputs_seen(&self) -> Option<usize> {
        let width = self.inputs.iter().try_fold(0usize, |sum, input| sum.checked_add(input.width))?;
        width.checked_mul(self.lags)
    }
}

/// Writes weights: beside the file first, then in its place.
///
/// # Errors
/// A sentence that names the file.
pub fn save(path: &Path, contract: &Contract, weights: &Weights) -> Result<(), String> {
    let fail = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let bytes = |numbers: &[f32]| numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<u8>>();
    let mut parts = vec![("mean".to_owned(), vec![weights.mean.len()], bytes(&weights.mean))];
    let mut width = weights.inputs();
    for (at, layer) in weights.layers.iter().enumerate() {
        parts.push((format!("layers.{at}.weight"), vec![layer.bias.len(), width], bytes(&layer.weights)));
        parts.push((format!("layers.{at}.bias"), vec![layer.bias.len()], bytes(&layer.bias)));
        width = layer.bias.len();
    }
    let views: Vec<(&str, TensorView<'_>)> = parts
        .iter()
        .map(|(name, shape, data)| Ok((name.as_str(), TensorView::new(Dtype::F32, shape.clone(), data)?)))
        .collect::<Result<_, safetensors::SafeTensorError>>()
        .map_err(|error| fail(&error))?;
    let contract = serde_json::to_string(contract).map_err(|error| fail(&error))?;
    let whole = safetensors::serialize(views, Some(HashMap::from([(KEY.to_owned(), contract)])));
    let whole = whole.map_err(|error| fail(&error))?;
    let beside = beside(path);
    let written = File::create(&beside)
        .and_then(|mut file| file.write_all(&whole).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&beside, path));
    written.map_err(|error| {
        drop(fs::remove_file(&beside));
        fail(&error)
    })
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    path.with_file_name(name)
}

/// Reads weights and what they are for.
///
/// # Errors
/// A sentence that names the file and what is wrong with it.
pub fn load(path: &Path) -> Result<(Contract, Weights), String> {
    read(path).map_err(|what| format!("{}: {what}", path.display()))
}

fn read(path: &Path) -> Result<(Contract, Weights), String> {
    let text = |error: std::io::Error| error.to_string();
    let mut file = File::open(path).map_err(text)?;
    let about = file.metadata().map_err(text)?;
    if !about.is_file() || !(8..=FILE_MAX).contains(&about.len()) {
        return Err(format!("{} bytes are no file of weights (8 bytes to 1 GiB)", about.len()));
    }
    let mut length = [0; 8];
    file.read_exact(&mut length).map_err(text)?;
    let header = u64::from_le_bytes(length);
    if header > HEADER_MAX.min(about.len() - 8) {
        return Err("no safetensors: its header is larger than the file or 1 MiB".to_owned());
    }
    let mut whole = length.to_vec();
    file.take(about.len() - 8).read_to_end(&mut whole).map_err(text)?;
    parse(&whole)
}

fn parse(whole: &[u8]) -> Result<(Contract, Weights), String> {
    let text = |error: safetensors::SafeTensorError| format!("no safetensors: {error}");
    let (_, header) = SafeTensors::read_metadata(whole).map_err(text)?;
    let contract = header.metadata().as_ref().and_then(|all| all.get(KEY));
    let contract =
        contract.ok_or("its metadata does not say what these weights are for: not learned by an array model")?;
    let contract: Contract = serde_json::from_str(contract)
        .map_err(|error| format!("it does not say what these weights are for: {error}"))?;
    let tensors = SafeTensors::deserialize(whole).map_err(text)?;
    let seen = contract.inputs_seen().ok_or("its inputs are too wide")?;
    let mut weights = Weights { mean: numbers(&tensors, "mean", &[seen])?, layers: Vec::new() };
    let mut width = seen;
    let layers = tensors.len().saturating_sub(1) / 2;
    if !(1..=LAYERS_MAX).contains(&layers) || tensors.len() != 2 * layers + 1 {
        return Err(format!("{} tensors are not one mean and 1 to {LAYERS_MAX} layers", tensors.len()));
    }
    for at in 0..layers {
        let name = format!("layers.{at}.bias");
        let outputs = match tensors.tensor(&name).map_err(|_| format!("{name} is missing"))?.shape() {
            [outputs] if at + 1 < layers || *outputs == contract.outputs.len() => *outputs,
            shape => return Err(format!("{name} has shape {shape:?}")),
        };
        let layer = Layer {
            weights: numbers(&tensors, &format!("layers.{at}.weight"), &[outputs, width])?,
            bias: numbers(&tensors, &name, &[outputs])?,
        };
        weights.layers.push(layer);
        width = outputs;
    }
    Ok((contract, weights))
}

fn numbers(tensors: &SafeTensors<'_>, name: &str, shape: &[usize]) -> Result<Vec<f32>, String> {
    let tensor = tensors.tensor(name).map_err(|_| format!("{name} is missing"))?;
    if tensor.dtype() != Dtype::F32 || tensor.shape() != shape {
        return Err(format!("{name} is {:?} {:?}, not F32 {shape:?}", tensor.dtype(), tensor.shape()));
    }
    let (numbers, _) = tensor.data().as_chunks::<4>();
    let numbers: Vec<f32> = numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    match numbers.iter().position(|number| !number.is_finite()) {
        Some(at) => Err(format!("{name} is not finite at element {at}")),
        None => Ok(numbers),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> (Contract, Weights) {
        let contract = Contract {
            kind: "ridge".into(),
            inputs: vec![Input::new("input", "robot:glove/emg", 2, &["left".into(), "right".into()])],
            lags: 3,
            step_ns: 10_000_000,
            lead_ns: 0,
            outputs: vec!["x".into(), "y".into()],
            rate_hz: 1000.0,
            samples: 5,
            data_sha256: "00".into(),
            code: "0.1.0".into(),
        };
        let layer = Layer { weights: (0..12).map(|at| at as f32).collect(), bias: vec![1.0, 2.0] };
        (contract, Weights { mean: vec![0.5; 6], layers: vec![layer] })
    }

    #[test]
    fn weights_come_back_as_they_were_and_nothing_lies_beside_them() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.safetensors");
        let (contract, weights) = example();
        save(&path, &contract, &weights).unwrap();
        assert_eq!(load(&path).unwrap(), (contract, weights));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_difference_reads_well() {
        let (weights, _) = example();
        let live =
            Contract { inputs: vec![Input::new("input", "glove/emg", 4, &[])], lead_ns: 5_000_000, ..weights.clone() };
        assert_eq!(
            weights.differences(&live),
            ["inputs: the weights want input[2], here is input[4]", "lead: the weights want 0 ms, here is 5 ms"]
        );
        assert!(weights.differences(&weights).is_empty());
    }

    #[test]
    fn another_topic_or_column_of_the_same_width_is_refused_by_name_and_another_machine_is_not() {
        let (weights, _) = example();
        let from = |topic: &str, columns: [&str; 2]| {
            let input = Input::new("input", topic, 2, &columns.map(str::to_owned));
            weights.differences(&Contract { inputs: vec![input], ..weights.clone() })
        };
        assert_eq!(from("desk:sim/emg", ["left", "right"]), ["input: the weights want glove/emg, here is sim/emg"]);
        assert_eq!(from("glove/emg", ["right", "left"]), ["input: column 0 of the weights is left, here it is right"]);
        assert!(from("desk:glove/emg", ["left", "right"]).is_empty());
        let unnamed = Contract { inputs: vec![Input::new("input", "glove/emg", 2, &[])], ..weights.clone() };
        assert!(weights.differences(&unnamed).is_empty());
    }

    #[test]
    fn numbers_that_are_not_finite_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.safetensors");
        let (contract, mut weights) = example();
        weights.layers[0].weights[3] = f32::NAN;
        save(&path, &contract, &weights).unwrap();
        let text = load(&path).unwrap_err();
        assert!(text.ends_with("layers.0.weight is not finite at element 3"), "{text}");
    }

    #[test]
    fn whatever_is_cut_or_flipped_is_refused_or_read_but_never_a_panic() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.safetensors");
        let (contract, weights) = example();
        save(&path, &contract, &weights).unwrap();
        let whole = fs::read(&path).unwrap();
        for cut in 0..whole.len() {
            assert!(parse(&whole[..cut]).is_err());
            fs::write(&path, &whole[..cut]).unwrap();
            assert!(load(&path).is_err(), "{cut}");
        }
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut broken = whole.clone();
                broken[at] ^= 1 << bit;
                if let Ok((contract, weights)) = parse(&broken) {
                    assert!(weights.is_sound() && contract.inputs_seen() == Some(weights.inputs()));
                }
            }
        }
    }
}
