//! Chance from a seed, smooth in time. It never draws from anything but its seed.

use std::f64::consts::TAU;

/// A generator for one purpose, so that what one part draws does not move what another draws.
pub(crate) fn of(seed: u64, purpose: u64) -> fastrand::Rng {
    fastrand::Rng::with_seed(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ purpose.wrapping_mul(0xD1B5_4A32_D192_ED03))
}

/// Evenly from `from` to `to`.
pub(crate) fn between(rng: &mut fastrand::Rng, from: f64, to: f64) -> f64 {
    from + (to - from) * rng.f64()
}

/// About normal, mean 0, deviation 1: the sum of twelve, never beyond 6.
pub(crate) fn normal(rng: &mut fastrand::Rng) -> f64 {
    (0..12).map(|_| rng.f64()).sum::<f64>() - 6.0
}

/// A value that wanders about 0 with a deviation and a time constant, however it is stepped.
#[derive(Debug, Clone)]
pub(crate) struct Wander {
    rng: fastrand::Rng,
    deviation: f64,
    time_s: f64,
    value: f64,
}

impl Wander {
    pub(crate) fn new(mut rng: fastrand::Rng, deviation: f64, time_s: f64) -> Wander {
        let value = deviation * normal(&mut rng);
        Wander { rng, deviation, time_s, value }
    }

    /// Its value `dt` seconds later.
    pub(crate) fn step(&mut self, dt: f64) -> f64 {
        let kept = (-dt / self.time_s).exp();
        self.value = self.value * kept + self.deviation * (1.0 - kept * kept).sqrt() * normal(&mut self.rng);
        self.value
    }
}

/// An angle in radians, -pi to pi.
pub(crate) fn wrapped(angle: f64) -> f64 {
    angle - TAU * (angle / TAU).round()
}
