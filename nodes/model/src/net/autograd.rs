//! Gradients: candle's autograd over the network, each layer one custom operation on our kernels.

use std::sync::Arc;

use candle_core::{
    CpuStorage, CustomOp3, Device, Error, Layout, Result, Shape as Dimensions, Storage, Tensor, Var,
    backprop::GradStore,
};

use super::{
    Layer, Net, NetError, expect_length,
    kernel::{self, Geometry},
    train::Loss,
};

/// What a batch of `pictures`, `extras` and `targets` (each sample after sample) says about the network: the mean loss, and its
/// gradient by each parameter, in the parameters' order. `weights` are the outputs' weights in the loss.
pub fn gradients(
    net: &Net,
    (pictures, extras, targets): (&[f32], &[f32], &[f32]),
    loss: &Loss,
    weights: &[f32],
) -> std::result::Result<(f64, Vec<f32>), NetError> {
    let shape = net.shape();
    let samples = pictures.len() / shape.inputs();
    expect_length("pictures", pictures.len(), samples * shape.inputs())?;
    expect_length("extras", extras.len(), samples * shape.extras)?;
    expect_length("targets", targets.len(), samples * shape.outputs)?;
    expect_length("weights of outputs", weights.len(), shape.outputs)?;
    let layers = variables(net)?;
    let cpu = &Device::Cpu;
    let pictures = Tensor::from_slice(pictures, (samples, shape.inputs()), cpu)?;
    let extras = if shape.extras == 0 { None } else { Some(Tensor::from_slice(extras, (samples, shape.extras), cpu)?) };
    let targets = Tensor::from_slice(targets, (samples, shape.outputs), cpu)?;
    let weights = Tensor::from_slice(weights, (1, shape.outputs), cpu)?;
    let outputs = outputs(&layers, pictures, extras)?;
    let mean = loss.of(&(outputs - targets)?)?.broadcast_mul(&weights)?.mean_all()?;
    let store = mean.backward()?;
    let all = collect(&layers, &store)?;
    Ok((f64::from(mean.to_scalar::<f32>()?), all))
}

/// All gradients, in the parameters' order.
fn collect(layers: &[Variables], store: &GradStore) -> Result<Vec<f32>> {
    let mut all = Vec::new();
    for variable in layers.iter().flat_map(|layer| [&layer.weights, &layer.bias]) {
        let gradient = store.get(variable).ok_or_else(|| Error::Msg("a parameter without gradient".into()))?;
        all.extend(gradient.flatten_all()?.to_vec1::<f32>()?);
    }
    Ok(all)
}

/// The same network out of candle's own layers, for tests and benches: the outputs of each sample.
#[doc(hidden)]
pub fn stock(net: &Net, pictures: &[f32], extras: &[f32]) -> Result<Tensor> {
    stock_outputs(net, &variables(net)?, pictures, extras)
}

/// What candle's own layers and autograd take for a step: half the mean square over all outputs, and each parameter's gradient.
#[doc(hidden)]
pub fn stock_gradients(net: &Net, (pictures, extras, targets): (&[f32], &[f32], &[f32])) -> Result<(f64, Vec<f32>)> {
    let layers = variables(net)?;
    let outputs = stock_outputs(net, &layers, pictures, extras)?;
    let targets = Tensor::from_slice(targets, outputs.shape(), &Device::Cpu)?;
    let mean = ((outputs - targets)?.sqr()? * 0.5)?.mean_all()?;
    let all = collect(&layers, &mean.backward()?)?;
    Ok((f64::from(mean.to_scalar::<f32>()?), all))
}

fn stock_outputs(net: &Net, layers: &[Variables], pictures: &[f32], extras: &[f32]) -> Result<Tensor> {
    let shape = net.shape();
    let samples = pictures.len() / shape.inputs();
    let pictures =
        Tensor::from_slice(pictures, (samples, shape.height(), shape.width(), shape.channels()), &Device::Cpu)?;
    let extras = Tensor::from_slice(extras, (samples, shape.extras), &Device::Cpu)?;
    let mut numbers = pictures.permute((0, 3, 1, 2))?.contiguous()?;
    let mut joined = false;
    for (layer, Variables { weights, bias, .. }) in shape.layers().iter().zip(layers) {
        match *layer {
            Layer::Conv { channels, kernel, stride, outputs, .. } => {
                let weights =
                    weights.reshape((kernel, kernel, channels, outputs))?.permute((3, 2, 0, 1))?.contiguous()?;
                let bias = bias.reshape((1, outputs, 1, 1))?;
                numbers = numbers.conv2d(&weights, 0, stride, 1, 1)?.broadcast_add(&bias)?.relu()?;
            }
            Layer::Dense { relu, .. } => {
                if !std::mem::replace(&mut joined, true) {
                    let flat = numbers.permute((0, 2, 3, 1))?.contiguous()?.flatten_from(1)?;
                    numbers = if shape.extras == 0 { flat } else { Tensor::cat(&[&flat, &extras], 1)? };
                }
                numbers = numbers.matmul(weights)?.broadcast_add(bias)?;
                if relu {
                    numbers = numbers.relu()?;
                }
            }
        }
    }
    Ok(numbers)
}

/// A layer's parameters as candle's variables.
struct Variables {
    geometry: Arc<Geometry>,
    weights: Var,
    bias: Var,
}

fn variables(net: &Net) -> Result<Vec<Variables>> {
    let mut rest = net.parameters();
    let mut layers = Vec::new();
    for layer in net.shape().layers() {
        let (weights, after) = rest.split_at(layer.weights());
        let (bias, after) = after.split_at(layer.outputs());
        rest = after;
        layers.push(Variables {
            geometry: Arc::new(Geometry::new(&layer)),
            weights: Var::from_slice(weights, (layer.fan_in(), layer.outputs()), &Device::Cpu)?,
            bias: Var::from_slice(bias, layer.outputs(), &Device::Cpu)?,
        });
    }
    Ok(layers)
}

/// The network's outputs for a batch.
fn outputs(layers: &[Variables], pictures: Tensor, mut extras: Option<Tensor>) -> Result<Tensor> {
    let mut numbers = pictures;
    for (place, Variables { geometry, weights, bias }) in layers.iter().enumerate() {
        if geometry.bases.len() == 1
            && let Some(extras) = extras.take()
        {
            numbers = Tensor::cat(&[&numbers, &extras], 1)?;
        }
        let operation = LayerOp { geometry: geometry.clone(), first: place == 0 };
        numbers = numbers.apply_op3(weights, bias, operation)?;
    }
    Ok(numbers)
}

/// A whole layer: the sums, the bias and ReLU.
struct LayerOp {
    geometry: Arc<Geometry>,
    /// Nobody asks for the gradient of the picture.
    first: bool,
}

impl CustomOp3 for LayerOp {
    fn name(&self) -> &'static str {
        "layer"
    }

    fn cpu_fwd(
        &self,
        input: &CpuStorage,
        input_layout: &Layout,
        weights: &CpuStorage,
        weights_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Dimensions)> {
        let input = numbers(input, input_layout)?;
        let samples = input.len() / self.geometry.sample;
        let mut output = vec![0.0; samples * self.geometry.activations()];
        let (weights, bias) = (numbers(weights, weights_layout)?, numbers(bias, bias_layout)?);
        kernel::forward(&self.geometry, input, weights, bias, &mut output);
        Ok((CpuStorage::F32(output), Dimensions::from((samples, self.geometry.activations()))))
    }

    fn bwd(
        &self,
        input: &Tensor,
        weights: &Tensor,
        bias: &Tensor,
        output: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let gradient = gradient.contiguous()?;
        let (outer, biases) = with(output, |output| with(&gradient, |g| Ok(kernel::mask(&self.geometry, output, g))))?;
        let mut by_weight = vec![0.0; self.geometry.weights()];
        with(input, |input| {
            kernel::backward_weights(&self.geometry, input, &outer, &mut by_weight);
            Ok(())
        })?;
        let by_input = if self.first {
            None
        } else {
            let transposed = with(weights, |weights| Ok(kernel::transpose(weights, self.geometry.outputs)))?;
            let mut by_input = vec![0.0; input.elem_count()];
            kernel::backward_inputs(&self.geometry, &outer, &transposed, &mut by_input);
            Some(Tensor::from_vec(by_input, input.shape(), &Device::Cpu)?)
        };
        let by_weight = Tensor::from_vec(by_weight, weights.shape(), &Device::Cpu)?;
        Ok((by_input, Some(by_weight), Some(Tensor::from_vec(biases, bias.shape(), &Device::Cpu)?)))
    }
}

/// The numbers of a tensor that lies in one piece.
fn numbers<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    let (start, end) = layout.contiguous_offsets().ok_or_else(|| Error::Msg("a tensor lies in pieces".into()))?;
    Ok(&storage.as_slice::<f32>()?[start..end])
}

fn with<T>(tensor: &Tensor, look: impl FnOnce(&[f32]) -> Result<T>) -> Result<T> {
    let (storage, layout) = tensor.storage_and_layout();
    match &*storage {
        Storage::Cpu(storage) => look(numbers(storage, layout)?),
        _ => Err(Error::Msg("a tensor is not in main memory".into())),
    }
}

#[cfg(test)]
mod tests;
