//! What predicting needs beside the parameters: where each layer reads, and memory for what lies between layers.

use super::{
    kernel::{Geometry, forward},
    shape::Shape,
};

/// Made once, used for every picture.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    layers: Vec<Geometry>,
    /// The layer before which the extras join.
    joins: usize,
    from: Vec<f32>,
    to: Vec<f32>,
}

impl Plan {
    pub(crate) fn new(shape: &Shape) -> Plan {
        let layers: Vec<Geometry> = shape.layers().iter().map(Geometry::new).collect();
        let joins = layers.iter().position(|layer| layer.bases.len() == 1).unwrap_or(0);
        let room = layers.iter().map(|layer| layer.activations().max(layer.sample)).max().unwrap_or(0);
        Plan { layers, joins, from: vec![0.0; room], to: vec![0.0; room] }
    }

    /// Runs all layers over one sample. The slices are as long as the shape says.
    pub(crate) fn run(&mut self, parameters: &[f32], picture: &[f32], extras: &[f32], out: &mut [f32]) {
        let Plan { layers, joins, from, to } = self;
        from[..picture.len()].copy_from_slice(picture);
        let mut rest = parameters;
        for (place, layer) in layers.iter().enumerate() {
            if place == *joins {
                from[layer.sample - extras.len()..layer.sample].copy_from_slice(extras);
            }
            let (weights, after) = rest.split_at(layer.weights());
            let (bias, after) = after.split_at(layer.outputs);
            rest = after;
            forward(layer, &from[..layer.sample], weights, bias, &mut to[..layer.activations()]);
            std::mem::swap(from, to);
        }
        out.copy_from_slice(&from[..out.len()]);
    }
}
