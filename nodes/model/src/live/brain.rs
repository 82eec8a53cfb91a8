//! A network in use: from a picture to a command. It never says anything that is not finite or out of range.

use crate::{
    net::{self, Net, Preprocess, Scratch},
    pictures::{decode::Picture, label::Diary},
    train::footage::Ahead,
    weights::Contract,
};

/// A network and what it was made for.
#[derive(Debug)]
pub(crate) struct Brain {
    pub(crate) net: Net,
    pub(crate) contract: Contract,
    pub(crate) ahead: Ahead,
    numbers: Vec<f32>,
    extras: Vec<f32>,
}

impl Brain {
    pub(crate) fn new(net: Net, contract: Contract, ahead: Ahead) -> Brain {
        let numbers = vec![0.0; net.shape().inputs()];
        Brain { net, contract, ahead, numbers, extras: Vec::new() }
    }

    /// Turn and forward for a prepared picture; `at_ns`: when the command is sent.
    pub(crate) fn say(
        &mut self,
        prepare: &Preprocess,
        prepared: &[u8],
        diary: &Diary,
        at_ns: i64,
    ) -> Result<[f32; 2], String> {
        let mut extras = std::mem::take(&mut self.extras);
        extras.clear();
        diary.in_flight(at_ns, self.ahead.step_ns(), self.ahead.history, &mut extras);
        let said = self.say_with(prepare, prepared, &extras);
        self.extras = extras;
        said
    }

    /// The same with known commands in flight.
    pub(crate) fn say_with(
        &mut self,
        prepare: &Preprocess,
        prepared: &[u8],
        extras: &[f32],
    ) -> Result<[f32; 2], String> {
        if prepared.len() != prepare.len() {
            return Err("there is no picture".to_owned());
        }
        prepare.normalise(prepared, &mut self.numbers);
        let mut out = [0.0; 2];
        self.net.predict(&self.numbers, extras, &mut out).map_err(|error| error.to_string())?;
        for (value, output) in out.iter_mut().zip(&self.contract.outputs) {
            let range = output.range();
            *value = value.clamp(*range.start(), *range.end());
        }
        Ok(out)
    }
}

/// Prepares pictures as a network takes them.
#[derive(Debug)]
pub(crate) struct Lens {
    pub(crate) prepare: Preprocess,
    scratch: Scratch,
    prepared: Vec<u8>,
}

impl Lens {
    pub(crate) fn new(prepare: Preprocess) -> Lens {
        Lens { prepare, scratch: Scratch::default(), prepared: Vec::new() }
    }

    /// The picture, cut and shrunk.
    pub(crate) fn look(&mut self, picture: &Picture) -> &[u8] {
        if let Some(view) = net::Picture::new(picture.width, picture.height, 3, &picture.rgb) {
            self.prepare.shrink(&view, &mut self.scratch, &mut self.prepared);
        }
        &self.prepared
    }

    /// The last picture, prepared.
    pub(crate) fn prepared(&self) -> &[u8] {
        &self.prepared
    }
}
