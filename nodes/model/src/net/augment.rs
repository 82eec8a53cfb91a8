//! Pictures that were never seen but could have been: mirrored, brighter, moved. Only for learning, never for validation.

use super::shape::Shape;

/// What may be done to a sample. The default does nothing that could be wrong for a robot that is not known to steer.
#[derive(Clone, Debug, PartialEq)]
pub struct Augment {
    /// Mirrors every other picture, with the signs of [`mirror_targets`](Augment::mirror_targets) and
    /// [`mirror_extras`](Augment::mirror_extras).
    pub mirror: bool,
    /// Outputs that change sign in a mirror: the turns.
    pub mirror_targets: Vec<usize>,
    /// Extras that change sign in a mirror: the turns in flight.
    pub mirror_extras: Vec<usize>,
    /// The most that contrast changes, as a share: 0.3 is from 0.7 to 1.3 times.
    pub contrast: f32,
    /// The most that brightness changes, in steps of 255.
    pub brightness: f32,
    /// The most that a picture moves sideways, as a share of its width.
    pub sideways: f32,
    /// What a picture that moved right by its whole width would add to the turns: the road is further right than the driver saw it.
    pub sideways_turn: f32,
    /// The most that a picture moves up or down, as a share of its height.
    pub upright: f32,
    /// A sample's extras become 0 so often, as a share: what the network must do without now and then it does not only repeat.
    pub forget_extras: f32,
}

impl Default for Augment {
    fn default() -> Augment {
        Augment {
            mirror: false,
            mirror_targets: Vec::new(),
            mirror_extras: Vec::new(),
            contrast: 0.3,
            brightness: 30.0,
            sideways: 0.0,
            sideways_turn: 0.0,
            upright: 0.04,
            forget_extras: 0.0,
        }
    }
}

impl Augment {
    /// Nothing at all.
    pub fn none() -> Augment {
        Augment { contrast: 0.0, brightness: 0.0, upright: 0.0, ..Augment::default() }
    }

    /// For a car whose output `turn` steers, and whose extras `turns` are earlier turns.
    pub fn driving(turn: usize, turns: Vec<usize>) -> Augment {
        Augment {
            mirror: true,
            mirror_targets: vec![turn],
            mirror_extras: turns,
            sideways: 0.12,
            sideways_turn: 1.0,
            ..Augment::default()
        }
    }

    /// Changes one prepared picture, its extras and targets in place; `from` is memory to work in.
    pub(crate) fn apply(&self, rng: &mut fastrand::Rng, shape: &Shape, sample: Sample<'_>, from: &mut Vec<u8>) {
        let Sample { picture, extras, targets } = sample;
        let (width, height, channels) = (shape.width(), shape.height(), shape.channels());
        let mirrored = self.mirror && rng.bool();
        let right = around(rng, self.sideways * width as f32).round() as isize;
        let down = around(rng, self.upright * height as f32).round() as isize;
        let contrast = 1.0 + around(rng, self.contrast);
        let brightness = around(rng, self.brightness);
        let forgets = rng.f32() < self.forget_extras;
        from.clear();
        from.extend_from_slice(picture);
        let mean = from.iter().map(|&byte| u64::from(byte)).sum::<u64>() as f32 / from.len().max(1) as f32;
        let lit: [u8; 256] = std::array::from_fn(|byte| {
            (contrast * (byte as f32 - mean) + mean + brightness + 0.5).clamp(0.0, 255.0) as u8
        });
        for (y, row) in picture.chunks_exact_mut(width * channels).enumerate() {
            let source = (y as isize - down).clamp(0, height as isize - 1) as usize;
            let source = &from[source * width * channels..][..width * channels];
            for (x, pixel) in row.chunks_exact_mut(channels).enumerate() {
                let x = (x as isize - right).clamp(0, width as isize - 1) as usize;
                let x = if mirrored { width - 1 - x } else { x };
                for (byte, from) in pixel.iter_mut().zip(&source[x * channels..]) {
                    *byte = lit[usize::from(*from)];
                }
            }
        }
        if forgets {
            extras.fill(0.0);
        }
        let flip = |numbers: &mut [f32], places: &[usize]| {
            for &place in places {
                if let Some(number) = numbers.get_mut(place) {
                    *number = -*number;
                }
            }
        };
        if mirrored {
            flip(targets, &self.mirror_targets);
            flip(extras, &self.mirror_extras);
        }
        for &place in &self.mirror_targets {
            if let Some(turn) = targets.get_mut(place) {
                *turn = (*turn + self.sideways_turn * right as f32 / width as f32).clamp(-1.0, 1.0);
            }
        }
    }
}

/// A sample that may be changed.
pub(crate) struct Sample<'a> {
    pub(crate) picture: &'a mut [u8],
    pub(crate) extras: &'a mut [f32],
    pub(crate) targets: &'a mut [f32],
}

/// Between −most and most.
fn around(rng: &mut fastrand::Rng, most: f32) -> f32 {
    (rng.f32() * 2.0 - 1.0) * most
}

#[cfg(test)]
mod tests;
