//! How a track's world looks: colours and textures that differ a little from seed to seed. It never changes where the road is.

use crate::chance;

/// Red, green and blue, 0 to 255.
pub(crate) type Colour = [f32; 3];

/// Texels along one side of the texture; a power of two, so that it repeats by masking.
const SIDE: usize = 256;

/// The colours of a world.
#[derive(Debug, Clone)]
pub(crate) struct Look {
    pub(crate) road: Colour,
    pub(crate) verge: Colour,
    pub(crate) edge: Colour,
    pub(crate) middle: Colour,
    pub(crate) zenith: Colour,
    pub(crate) horizon: Colour,
    pub(crate) hills: Colour,
    /// Of the waves that the hills are made of.
    pub(crate) phases: [f64; 4],
    pub(crate) texture: Texture,
}

impl Look {
    pub(crate) fn new(seed: u64) -> Look {
        let mut rng = chance::of(seed, 2);
        let mut near = |[r, g, b]: Colour, light: f64, hue: f64| {
            let light = chance::between(&mut rng, 1.0 - light, 1.0 + light);
            [r, g, b].map(|part| {
                let part = f64::from(part) * light * chance::between(&mut rng, 1.0 - hue, 1.0 + hue);
                part.min(255.0) as f32
            })
        };
        Look {
            road: near([82.0, 82.0, 86.0], 0.15, 0.04),
            verge: near([88.0, 124.0, 62.0], 0.15, 0.12),
            edge: near([228.0, 228.0, 222.0], 0.06, 0.02),
            middle: near([224.0, 192.0, 72.0], 0.06, 0.05),
            zenith: near([110.0, 156.0, 214.0], 0.1, 0.05),
            horizon: near([204.0, 216.0, 226.0], 0.06, 0.03),
            hills: near([112.0, 132.0, 122.0], 0.12, 0.08),
            phases: std::array::from_fn(|_| chance::between(&mut rng, 0.0, std::f64::consts::TAU)),
            texture: Texture::new(rng),
        }
    }

    /// How high the hills stand in a direction, in radians above the horizon.
    pub(crate) fn hill(&self, heading: f64) -> f64 {
        let waves = [(2.0, 0.03), (3.0, 0.02), (7.0, 0.012), (19.0, 0.005)];
        let height: f64 = waves.iter().zip(self.phases).map(|((n, h), phase)| h * (n * heading + phase).sin()).sum();
        (0.035 + height).max(0.0)
    }
}

/// Noise that repeats, in several sizes: each half as fine as the one before.
#[derive(Debug, Clone)]
pub(crate) struct Texture {
    sizes: Vec<Vec<f32>>,
}

impl Texture {
    fn new(mut rng: fastrand::Rng) -> Texture {
        let mut sizes = vec![(0..SIDE * SIDE).map(|_| rng.f32() - 0.5).collect::<Vec<f32>>()];
        let mut side = SIDE;
        while side > 1 {
            side /= 2;
            let fine = &sizes[sizes.len() - 1];
            let four = |cell: usize| {
                let at = cell / side * 2 * (2 * side) + cell % side * 2;
                0.25 * (fine[at] + fine[at + 1] + fine[at + 2 * side] + fine[at + 2 * side + 1])
            };
            let coarse = (0..side * side).map(four).collect();
            sizes.push(coarse);
        }
        // Patches must show as well as grains: averaging alone would halve the contrast with each size.
        let patches = sizes.iter().enumerate().skip(1).flat_map(|(size, noise)| [(size, noise.clone())]);
        let patches: Vec<(usize, Vec<f32>)> = patches.filter(|(size, _)| (3..=5).contains(size)).collect();
        for (fine, noise) in sizes.iter_mut().enumerate() {
            let side = SIDE >> fine;
            for (coarse, patch) in patches.iter().filter(|(coarse, _)| *coarse >= fine) {
                let (small, shift) = (SIDE >> coarse, coarse - fine);
                for (at, value) in noise.iter_mut().enumerate() {
                    *value +=
                        0.35 * (1 << coarse) as f32 * patch[((at / side) >> shift) * small + ((at % side) >> shift)];
                }
            }
        }
        Texture { sizes }
    }

    /// The noise, about -1 to 1, at a point in texels, as coarse as `size` (0: finest).
    pub(crate) fn at(&self, x: f32, y: f32, size: usize) -> f32 {
        let size = size.min(self.sizes.len() - 1);
        let side = SIDE >> size;
        let cell = |value: f32| (value.floor() as i64 >> size) as usize & (side - 1);
        self.sizes[size][cell(y) * side + cell(x)]
    }
}
