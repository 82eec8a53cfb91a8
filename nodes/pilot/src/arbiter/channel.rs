//! One number of the command and who has it. It never stops later than it is told to.

/// A number that goes over from one hand to the other without a jump.
#[derive(Debug, Default)]
pub(crate) struct Channel {
    out: f32,
    /// The model has it.
    model: bool,
    /// It is on its way from one to the other.
    blending: bool,
}

impl Channel {
    /// What is put out.
    pub(crate) fn out(&self) -> f32 {
        self.out
    }

    /// Goes to what its holder wants; after a change of holder by at most `most` a step, until it met that.
    pub(crate) fn follow(&mut self, wanted: f32, model: bool, most: f32) {
        self.blending |= model != self.model;
        self.model = model;
        if self.blending {
            self.out = wanted.clamp(self.out - most, self.out + most);
            self.blending = self.out != wanted;
        } else {
            self.out = wanted;
        }
    }

    /// Gives up what is further from neutral than what is wanted, or on the other side of it.
    pub(crate) fn give_up(&mut self, wanted: f32) {
        self.out = if self.out * wanted > 0.0 { wanted.abs().min(self.out.abs()).copysign(wanted) } else { 0.0 };
    }

    /// The human has it, without a passage.
    pub(crate) fn at_once(&mut self) {
        self.model = false;
        self.blending = false;
    }

    /// Nobody has it: neutral.
    pub(crate) fn stop(&mut self) {
        *self = Channel::default();
    }
}
