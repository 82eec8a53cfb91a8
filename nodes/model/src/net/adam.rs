//! Adam with decoupled weight decay (Loshchilov and Hutter, 2019), over one flat slice of parameters.

const FIRST: f32 = 0.9;
const SECOND: f32 = 0.999;
const EPSILON: f32 = 1e-8;

/// The longest step that a batch may ask for, as the length of its gradient: one odd batch must not throw away an hour.
const LENGTH_MAX: f32 = 5.0;

/// Mean and mean square of each gradient so far.
#[derive(Clone, Debug)]
pub(crate) struct Adam {
    mean: Vec<f32>,
    square: Vec<f32>,
    steps: i32,
}

impl Adam {
    pub(crate) fn new(parameters: usize) -> Adam {
        Adam { mean: vec![0.0; parameters], square: vec![0.0; parameters], steps: 0 }
    }

    /// One step down the gradient; false, and no step, if the gradient is not finite.
    pub(crate) fn step(&mut self, parameters: &mut [f32], gradient: &[f32], rate: f32, decay: f32) -> bool {
        let length = gradient.iter().map(|g| g * g).sum::<f32>().sqrt();
        if !length.is_finite() {
            return false;
        }
        let shorter = (LENGTH_MAX / length.max(f32::MIN_POSITIVE)).min(1.0);
        self.steps = self.steps.saturating_add(1);
        let (first, second) = (1.0 - FIRST.powi(self.steps), 1.0 - SECOND.powi(self.steps));
        let moments = self.mean.iter_mut().zip(&mut self.square);
        for ((parameter, gradient), (mean, square)) in parameters.iter_mut().zip(gradient).zip(moments) {
            let gradient = gradient * shorter;
            *mean = FIRST * *mean + (1.0 - FIRST) * gradient;
            *square = SECOND * *square + (1.0 - SECOND) * gradient * gradient;
            *parameter -= rate * (*mean / first / ((*square / second).sqrt() + EPSILON) + decay * *parameter);
        }
        true
    }
}
