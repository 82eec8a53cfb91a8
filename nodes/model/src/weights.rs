//! The file of weights: safetensors, and inside it the [`Contract`] that says what they were made for.
//!
//! Only safetensors is ever read. A file's size is looked at before it is read, its header's before it is parsed, and each tensor's
//! type and shape before its numbers are; numbers that are not finite are refused. Nothing half-written is ever found under the name.

use std::{
    borrow::Cow,
    collections::HashMap,
    fs::{self, File},
    io::{self, Read as _, Write as _},
    path::Path,
};

use safetensors::{Dtype, SafeTensors, View, tensor};

pub(crate) use contract::output_of;
pub use contract::{Contract, Live, Output};

use crate::net::Net;

mod contract;

/// No network of ours is larger: 817 thousand numbers are 3.3 MB.
const FILE_MAX: u64 = 64 << 20;

/// A header names some twenty tensors and a page of contract.
const HEADER_MAX: u64 = 64 << 10;

/// Where the contract lies in the file's metadata.
const KEY: &str = "offboard";

/// A network and what it was made for.
#[derive(Clone, Debug)]
pub struct Weights {
    /// What it was made for.
    pub contract: Contract,
    /// The network.
    pub net: Net,
}

/// Why a file of weights was not read or written.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    /// The file system refused.
    #[error("{path}: {error}")]
    Io {
        /// Which file.
        path: String,
        /// What it said.
        error: io::Error,
    },
    /// The file is not what it should be.
    #[error("{path} holds no weights that can be used: {why}")]
    Content {
        /// Which file.
        path: String,
        /// What is wrong with it.
        why: String,
    },
}

/// Reads a file of weights.
///
/// # Errors
/// One line that says which file, and what is wrong with it.
pub fn load(path: &Path) -> Result<Weights, WeightsError> {
    let bytes = read(path)?;
    parse(&bytes).map_err(|why| WeightsError::Content { path: path.display().to_string(), why })
}

/// Writes a file of weights, under another name first.
///
/// # Errors
/// One line that says which file, and what is wrong: the network is not of the contract's shape, or the file system refused.
pub fn save(path: &Path, contract: &Contract, net: &Net) -> Result<(), WeightsError> {
    let content = |why: String| WeightsError::Content { path: path.display().to_string(), why };
    let bytes = serialise(contract, net).map_err(content)?;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    let part = path.with_file_name(name);
    let written = File::create(&part)
        .and_then(|mut file| file.write_all(&bytes).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&part, path));
    written.map_err(|error| {
        let _ = fs::remove_file(&part); // it may not even exist
        WeightsError::Io { path: path.display().to_string(), error }
    })
}

fn read(path: &Path) -> Result<Vec<u8>, WeightsError> {
    let failed = |error: io::Error| WeightsError::Io { path: path.display().to_string(), error };
    let content = |why: String| WeightsError::Content { path: path.display().to_string(), why };
    let kind = fs::metadata(path).map_err(failed)?;
    if !kind.is_file() {
        return Err(content("it is no file".to_owned())); // opening a pipe would wait
    }
    if kind.len() > FILE_MAX {
        return Err(content(format!(
            "{} MB are more than the {} MB that any of ours has",
            kind.len() >> 20,
            FILE_MAX >> 20
        )));
    }
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(FILE_MAX + 1).read_to_end(&mut bytes)).map_err(failed)?;
    Ok(bytes)
}

/// The weights in the bytes of a file, or what is wrong with them.
///
/// # Errors
/// One line.
pub fn parse(bytes: &[u8]) -> Result<Weights, String> {
    let length = bytes.first_chunk().map(|length| u64::from_le_bytes(*length));
    match length {
        None => return Err(format!("{} bytes are too short for a safetensors file", bytes.len())),
        Some(length) if length > HEADER_MAX => {
            return Err(format!("it is no safetensors file (a header of {length} bytes)"));
        }
        Some(length) if length > bytes.len() as u64 - 8 => {
            return Err("its header is cut off: the file was not copied whole".to_owned());
        }
        Some(_) => {}
    }
    let (_, header) =
        SafeTensors::read_metadata(bytes).map_err(|error| format!("it is damaged or no safetensors file ({error})"))?;
    let contract = header.metadata().as_ref().and_then(|metadata| metadata.get(KEY));
    let contract = contract.ok_or("it does not say what it was made for: another program wrote it")?;
    let contract: Contract =
        serde_json::from_str(contract).map_err(|error| format!("what it says of itself is unreadable ({error})"))?;
    contract.check()?;
    let tensors = SafeTensors::deserialize(bytes).map_err(|error| format!("it is damaged ({error})"))?;
    let net =
        Net::from_parameters(&contract.shape, numbers(&tensors, &contract)?).map_err(|error| error.to_string())?;
    Ok(Weights { contract, net })
}

/// All parameters, in the network's order.
fn numbers(tensors: &SafeTensors<'_>, contract: &Contract) -> Result<Vec<f32>, String> {
    let mut numbers = Vec::with_capacity(contract.shape.parameters());
    let expected = tensors_of(contract);
    if tensors.len() != expected.len() {
        return Err(format!("{} tensors where its network has {}", tensors.len(), expected.len()));
    }
    for (name, shape) in expected {
        let tensor = tensors.tensor(&name).map_err(|_| format!("there is no tensor \"{name}\""))?;
        if tensor.dtype() != Dtype::F32 || tensor.shape() != shape {
            let is = format!("{:?} {:?}", tensor.dtype(), tensor.shape());
            return Err(format!("tensor \"{name}\" is {is} where its network has F32 {shape:?}"));
        }
        numbers.extend(tensor.data().as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)));
    }
    Ok(numbers)
}

/// Names and shapes of all tensors, in the network's order.
fn tensors_of(contract: &Contract) -> Vec<(String, Vec<usize>)> {
    let layers = contract.shape.layers();
    let named = contract.shape.names().into_iter().zip(&layers);
    named
        .flat_map(|(name, layer)| {
            [(format!("{name}.weight"), layer.weight_shape()), (format!("{name}.bias"), vec![layer.outputs()])]
        })
        .collect()
}

fn serialise(contract: &Contract, net: &Net) -> Result<Vec<u8>, String> {
    contract.check()?;
    if contract.shape != *net.shape() {
        return Err("the network is of another shape than its contract".to_owned());
    }
    Net::from_parameters(net.shape(), net.parameters().to_vec()).map_err(|error| error.to_string())?;
    let mut rest = net.parameters();
    let mut tensors = Vec::new();
    for (name, shape) in tensors_of(contract) {
        let (numbers, after) = rest.split_at(shape.iter().product());
        rest = after;
        tensors.push((name, Numbers { shape, numbers }));
    }
    let contract = serde_json::to_string(contract).map_err(|error| error.to_string())?;
    tensor::serialize(tensors, Some(HashMap::from([(KEY.to_owned(), contract)]))).map_err(|error| error.to_string())
}

/// A tensor to write.
struct Numbers<'a> {
    shape: Vec<usize>,
    numbers: &'a [f32],
}

impl View for Numbers<'_> {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        self.numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
    }

    fn data_len(&self) -> usize {
        size_of_val(self.numbers)
    }
}

#[cfg(test)]
mod tests;
