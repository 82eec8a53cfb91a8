//! How a network learns to drive, from recordings and while driving alike. Pure.

use crate::net::{Augment, Options};

/// A correction of a model's mistake counts as much as so many samples.
pub const CORRECTION: usize = 3;

/// So often the commands in flight are hidden from the network while it learns, as a share: else it learns to repeat them.
const FORGET: f32 = 0.5;

/// What is usual; `history`: how many commands in flight go in; `mirror`: left and right mean the same on this road.
#[must_use]
pub fn options(history: usize, mirror: bool, seed: u64) -> Options {
    // Turn is the first output, and the first of each command in flight.
    let turns = (0..history).map(|back| back * 2).collect();
    let driving = Augment { mirror, forget_extras: FORGET, ..Augment::driving(0, turns) };
    Options { augment: driving, seed, ..Options::default() }
}
