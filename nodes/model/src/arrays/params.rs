//! How an array model looks, learns and predicts, as a graph file says it. It never holds what was learned.

use std::{path::PathBuf, time::Duration};

use offboard::{Error, Period, Result};
use schemars::JsonSchema;
use serde::Deserialize;

use super::history::Looks;

/// The most looks into the past.
const LAGS_MAX: u32 = 4096;
/// The longest look into past or future.
const FAR: Duration = Duration::from_secs(60);
/// The most samples of which the older make room.
const KEEP_MAX: u64 = 10_000_000;
/// The widest hidden layer.
const HIDDEN_MAX: u32 = 4096;

/// How it learns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Method {
    /// Linear, in closed form from all that was collected.
    Ridge,
    /// Linear, with every sample anew: follows what drifts.
    Rls,
    /// A small network.
    Mlp,
}

impl Method {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Method::Ridge => "ridge",
            Method::Rls => "rls",
            Method::Mlp => "mlp",
        }
    }
}

/// How much to collect.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub enum Amount {
    /// So many samples.
    Samples(u64),
    /// As many as come in so long.
    Time(Period),
}

/// The parameters of an array model.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Params {
    /// How it learns: ridge (closed form), rls (recursive least squares, follows drift) or mlp (a small network).
    pub kind: Method,
    /// How far back it looks from the newest input, by stamps; 0s: at the last `lags` inputs, however far apart.
    pub window: Period,
    /// How many times it looks, evenly spread over the window: 20 over 200ms are 20 looks 10 ms apart; 1 sees only the newest.
    #[schemars(range(min = 1, max = 4096))]
    pub lags: u32,
    /// How far ahead of its input it predicts: it learns the target that comes so much later.
    pub lead: Period,
    /// How far the stamps of what belongs together may be apart. Under half a period of the slower topic nothing is ever paired with a
    /// neighbour.
    pub tolerance: Period,
    /// How much it collects before it first predicts: a number of samples, or a duration like "20s".
    pub collect: Amount,
    /// How often it learns anew from what came since (ridge, mlp); 0s: once, after collecting. rls learns always.
    pub refit_every: Period,
    /// From how many samples it learns at most: the oldest make room (mlp) or fade (ridge).
    #[schemars(range(min = 16, max = 10_000_000))]
    pub keep: u64,
    /// Regularisation, in parts of an input's variance (ridge, rls) [default: chosen on held-out data].
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "f64", range(min = 0.0))]
    pub lambda: Option<f64>,
    /// What share of its weight a sample keeps when the next comes (rls): 0.9998 at 1 kHz forgets within seconds.
    #[schemars(range(min = 0.9, max = 1.0))]
    pub forget: f64,
    /// Width of each of the two hidden layers (mlp).
    #[schemars(range(min = 1, max = 4096))]
    pub hidden: u32,
    /// Where chance begins (mlp).
    pub seed: u64,
    /// Whether it learns at all; else it only predicts with its weights.
    pub learn: bool,
    /// The file of its weights: loaded when it is there, again when it changes, written after learning. Without it nothing is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub weights: Option<PathBuf>,
}

impl Default for Params {
    fn default() -> Params {
        Params {
            kind: Method::Ridge,
            window: Period::from_millis(200),
            lags: 20,
            lead: Period::from_millis(0),
            tolerance: Period::from_millis(10),
            collect: Amount::Time(Period::from_millis(20_000)),
            refit_every: Period::from_millis(0),
            keep: 100_000,
            lambda: None,
            forget: 0.9998,
            hidden: 64,
            seed: 0,
            learn: true,
            weights: None,
        }
    }
}

impl Params {
    /// Checks what a schema cannot say, and again what it can: a node can be started without `launch`.
    ///
    /// # Errors
    /// [`Error::Config`] with the first mistake.
    pub fn check(&self) -> Result<()> {
        let wrong = |good: bool, sentence: &str| if good { Ok(()) } else { Err(Error::config(sentence)) };
        wrong((1..=LAGS_MAX).contains(&self.lags), "lags must be 1 to 4096 looks")?;
        wrong(self.window.0 <= FAR && self.lead.0 <= FAR, "window and lead must be 60s at most")?;
        wrong(self.tolerance.0 <= FAR, "tolerance must be 60s at most")?;
        wrong((16..=KEEP_MAX).contains(&self.keep), "keep must be 16 to 10000000 samples")?;
        wrong(self.lambda.is_none_or(|lambda| lambda >= 0.0 && lambda.is_finite()), "lambda must be 0 or more")?;
        wrong((0.9..=1.0).contains(&self.forget), "forget must be 0.9 to 1")?;
        wrong((1..=HIDDEN_MAX).contains(&self.hidden), "hidden must be 1 to 4096")?;
        wrong(self.learn || self.weights.is_some(), "without learning it needs weights: give weights = \"FILE\"")
    }

    /// How it looks back. A look that finds nothing within a step, or within the tolerance, finds a hole.
    pub(crate) fn looks(&self) -> Looks {
        let step_ns = self.step_ns();
        Looks { lags: self.lags as usize, step_ns, hole_ns: step_ns.max(nanos(self.tolerance)) }
    }

    /// Time between two looks; 0: one input further each.
    pub(crate) fn step_ns(&self) -> i64 {
        nanos(self.window) / i64::from(self.lags)
    }
}

pub(crate) fn nanos(period: Period) -> i64 {
    i64::try_from(period.0.as_nanos()).unwrap_or(i64::MAX)
}
