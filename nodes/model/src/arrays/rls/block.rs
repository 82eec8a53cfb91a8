//! Recursive least squares in blocks: several samples are one product of matrices, where one sample alone would read a covariance
//! that does not fit into the cache. The weights follow a block late, by milliseconds.

use faer::{
    Accum, Mat, Par, Side,
    linalg::matmul::{
        matmul,
        triangular::{self, BlockStructure},
    },
    linalg::solvers::Solve,
};

/// Samples of a block.
const SAMPLES: usize = 16;

/// A covariance and the samples that wait for it.
#[derive(Debug)]
pub(super) struct Block {
    covariance: Mat<f64>,
    /// A column a sample.
    seen: Mat<f64>,
    target: Mat<f64>,
    filled: usize,
}

impl Block {
    pub(super) fn new(size: usize, outputs: usize, diagonal: f64) -> Block {
        let covariance = Mat::from_fn(size, size, |row, column| if row == column { diagonal } else { 0.0 });
        Block { covariance, seen: Mat::zeros(size, SAMPLES), target: Mat::zeros(SAMPLES, outputs), filled: 0 }
    }

    /// One more sample; false when the covariance is no covariance any more.
    pub(super) fn push(
        &mut self,
        seen: &[f64],
        target: impl Iterator<Item = f64>,
        forget: f64,
        lambda: f64,
        weights: &mut [Vec<f64>],
    ) -> bool {
        // The newest of a block counts fully.
        let share = forget.powi((SAMPLES - 1 - self.filled) as i32).sqrt();
        seen.iter().enumerate().for_each(|(row, value)| self.seen[(row, self.filled)] = value * share);
        target.enumerate().for_each(|(output, value)| self.target[(self.filled, output)] = value * share);
        self.filled += 1;
        if self.filled < SAMPLES {
            return true;
        }
        self.filled = 0;
        self.update(forget, lambda, weights).is_some()
    }

    fn update(&mut self, forget: f64, lambda: f64, weights: &mut [Vec<f64>]) -> Option<()> {
        let size = self.covariance.nrows();
        let trace: f64 = (0..size).map(|at| self.covariance[(at, at)]).sum();
        let faded = forget.powi(SAMPLES as i32);
        // Where nothing new is seen, forgetting would let the covariance grow without end.
        if trace / faded <= size as f64 / lambda {
            self.covariance *= faer::Scale(faded.recip());
        }
        let mut projected = Mat::zeros(size, SAMPLES);
        matmul(projected.as_mut(), Accum::Replace, &self.covariance, &self.seen, 1.0, Par::Seq);
        let mut inner = Mat::<f64>::identity(SAMPLES, SAMPLES);
        matmul(inner.as_mut(), Accum::Add, self.seen.transpose(), &projected, 1.0, Par::Seq);
        let factor = inner.llt(Side::Lower).ok()?;
        let known = Mat::from_fn(size, weights.len(), |row, output| weights[output][row]);
        let mut error = self.target.clone();
        matmul(error.as_mut(), Accum::Add, self.seen.transpose(), &known, -1.0, Par::Seq);
        let change = &projected * factor.solve(&error);
        for (output, weights) in weights.iter_mut().enumerate() {
            weights.iter_mut().enumerate().for_each(|(row, weight)| *weight += change[(row, output)]);
        }
        let gain = factor.solve(projected.transpose());
        triangular::matmul(
            self.covariance.as_mut(),
            BlockStructure::TriangularLower,
            Accum::Add,
            &projected,
            BlockStructure::Rectangular,
            &gain,
            BlockStructure::Rectangular,
            -1.0,
            Par::Seq,
        );
        self.mirror();
        let sound = (0..size).all(|at| self.covariance[(at, at)] > 0.0 && self.covariance[(at, at)].is_finite());
        (sound && weights.iter().flatten().all(|weight| weight.is_finite())).then_some(())
    }

    /// The upper triangle is the lower's mirror image, exactly.
    fn mirror(&mut self) {
        const TILE: usize = 32;
        let size = self.covariance.nrows();
        for row_tile in (0..size).step_by(TILE) {
            for column_tile in (row_tile..size).step_by(TILE) {
                for row in row_tile..(row_tile + TILE).min(size) {
                    for column in column_tile.max(row + 1)..(column_tile + TILE).min(size) {
                        self.covariance[(row, column)] = self.covariance[(column, row)];
                    }
                }
            }
        }
    }
}
