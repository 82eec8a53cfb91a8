//! The work loop's side of an array model: what comes becomes a row, a row a prediction. It never learns and never waits.

use std::sync::Arc;

use offboard::{Array, ModelPhase, ModelState, Node, Pairer, clock};

use super::{
    Fact, Handle,
    history::History,
    learner::View,
    params::{Amount, Params, nanos},
    row::{self, Unfit},
    score::Spans,
    store::Input,
    weights::{Scratch, Weights},
};

/// The most inputs that are looked back at, for windows given in time.
const ROWS_MAX: usize = 65_536;
/// The most numbers of a history: 64 MB.
const NUMBERS_MAX: usize = 16 << 20;

/// A model at work.
#[derive(Debug)]
pub(crate) struct Live {
    params: Params,
    names: Vec<String>,
    topics: Vec<String>,
    handle: Handle,
    /// What the other inputs said, for the leading one.
    together: Pairer<Arc<[f32]>>,
    /// The width of each input, from its first message.
    widths: Vec<Option<usize>>,
    /// The names of its elements, from the same.
    columns: Vec<Vec<String>>,
    history: Option<History>,
    changes: u64,
    weights: Option<Arc<Weights>>,
    outputs: Vec<String>,
    targets: Option<usize>,
    seen: Vec<f32>,
    scratch: Scratch,
    spans: Spans,
    counts: Counts,
    /// What the learner is told once the answer is on its way.
    untold: Option<Fact>,
    /// Why the inputs that come now, or the targets, do not fit.
    misfits: [Option<String>; 2],
}

#[derive(Debug, Default)]
struct Counts {
    predictions: u64,
    not_finite: u64,
    unreadable: u64,
    /// Inputs without enough of a past, or without their neighbours.
    holes: u64,
    /// Facts for which the learner had no room.
    skipped: u64,
}

impl Live {
    /// A model at its beginning; `inputs`: name and topic of each, the leading one first.
    pub(crate) fn new(
        params: &Params,
        inputs: Vec<(String, String)>,
        handle: Handle,
        together: Pairer<Arc<[f32]>>,
    ) -> Live {
        let (names, topics): (Vec<_>, Vec<_>) = inputs.into_iter().unzip();
        Live {
            params: params.clone(),
            widths: vec![None; names.len()],
            columns: vec![Vec::new(); names.len()],
            names,
            topics,
            handle,
            together,
            history: None,
            changes: 0,
            weights: None,
            outputs: Vec::new(),
            targets: None,
            seen: Vec::new(),
            scratch: Scratch::default(),
            spans: Spans::default(),
            counts: Counts::default(),
            untold: None,
            misfits: [None, None],
        }
    }

    /// What another input than the leading one says.
    pub(crate) fn beside(&mut self, at: usize, stamp_ns: i64, array: &Array) {
        if let Some(row) = self.row(at, array) {
            self.together.push(at, stamp_ns, row);
        }
    }

    /// The prediction for a message of the leading input, if there can be one.
    pub(crate) fn answer(&mut self, stamp_ns: i64, array: &Array) -> Option<Array> {
        let mut row = self.row(0, array)?;
        if self.names.len() > 1 {
            self.together.push(0, stamp_ns, row);
            let Some(parts) = self.together.pop() else {
                self.counts.holes += 1;
                return None;
            };
            row = parts.iter().flat_map(|part| part.item.iter().copied()).collect();
        }
        self.remember(stamp_ns, &row)?;
        self.untold = Some(Fact::Input(stamp_ns, row));
        self.refresh();
        let (weights, history) = (self.weights.as_ref()?, self.history.as_ref()?);
        let Some(seen) = history.see(stamp_ns, &mut self.seen) else {
            self.counts.holes += 1;
            return None;
        };
        if seen.len() != weights.inputs() {
            return None; // the learner says why
        }
        let predicted = weights.predict(seen, &mut self.scratch);
        if !predicted.iter().all(|value| value.is_finite()) {
            self.counts.not_finite += 1;
            return None;
        }
        let array = Array::new([predicted.len() as u32], predicted).ok()?;
        let columns = if self.outputs.len() == predicted.len() { self.outputs.clone() } else { Vec::new() };
        Some(Array { columns, ..array })
    }

    /// What was answered or not is on its way; the answer to what came then. Now there is time to tell the learner, whose thread that wakes.
    pub(crate) fn answered(&mut self, received_ns: Option<i64>) {
        if let Some(received_ns) = received_ns {
            self.counts.predictions += 1;
            self.spans.push(u64::try_from(clock::now_ns() - received_ns).unwrap_or(0));
        }
        if let Some(fact) = self.untold.take() {
            self.tell(fact);
        }
    }

    /// What should have been predicted.
    pub(crate) fn teach(&mut self, stamp_ns: i64, array: &Array) {
        let mut row = Vec::new();
        if let Err(unfit) = row::append(array, &mut row) {
            self.count(unfit);
            return;
        }
        if self.targets.is_none() {
            let names = if array.columns.len() == row.len() {
                array.columns.clone()
            } else {
                (0..row.len()).map(|at| at.to_string()).collect()
            };
            // Without room it is told with the next.
            self.targets = self.handle.tell(Fact::Names(names)).then_some(row.len());
        }
        match self.targets {
            Some(width) if width == row.len() => {
                self.misfits[1] = None;
                self.tell(Fact::Target(stamp_ns, row.into()));
            }
            Some(width) => self.misfits[1] = Some(format!("target had {width} elements, now it has {}", row.len())),
            None => {}
        }
    }

    fn row(&mut self, at: usize, array: &Array) -> Option<Arc<[f32]>> {
        let mut row = Vec::with_capacity(self.widths[at].unwrap_or(0));
        if let Err(unfit) = row::append(array, &mut row) {
            self.count(unfit);
            return None;
        }
        if self.widths[at].is_none() {
            self.columns[at].clone_from(&array.columns);
        }
        let width = *self.widths[at].get_or_insert(row.len());
        if width != row.len() {
            self.misfits[0] = Some(format!("{} had {width} elements, now it has {}", self.names[at], row.len()));
            return None;
        }
        Some(row.into())
    }

    fn count(&mut self, unfit: Unfit) {
        match unfit {
            Unfit::NotFinite => self.counts.not_finite += 1,
            Unfit::Unreadable => self.counts.unreadable += 1,
        }
    }

    /// Takes a row into the past; the first also tells the learner what there is.
    fn remember(&mut self, stamp_ns: i64, row: &[f32]) -> Option<()> {
        if self.history.is_none() {
            let input = |at: usize| {
                Input::new(&self.names[at], &self.topics[at], self.widths[at].unwrap_or(0), &self.columns[at])
            };
            let inputs = (0..self.names.len()).map(input).collect();
            if !self.handle.tell(Fact::Begin(inputs)) {
                return None;
            }
            let keep = (NUMBERS_MAX / row.len().max(1)).min(ROWS_MAX);
            self.history = Some(History::new(self.params.looks(), row.len(), keep));
        }
        let taken = self.history.as_mut()?.push(stamp_ns, row);
        if taken {
            self.misfits[0] = None;
        }
        taken.then_some(())
    }

    fn tell(&mut self, fact: Fact) {
        self.counts.skipped += u64::from(!self.handle.tell(fact));
    }

    /// Takes new weights, if there are any.
    fn refresh(&mut self) {
        let changes = self.handle.shared.changes();
        if changes != self.changes {
            let view = self.handle.shared.view();
            self.weights.clone_from(&view.weights);
            self.outputs.clone_from(&view.outputs);
            self.changes = changes;
        }
    }

    /// How the model is.
    pub(crate) fn state(&self) -> ModelState {
        let view = self.handle.shared.view().clone();
        let (phase, reason) = self.phase(&view);
        let (latency_p50_ns, latency_p99_ns) = self.spans.p50_p99();
        ModelState {
            phase: phase as i32,
            reason,
            generation: view.generation,
            samples: view.samples,
            epochs: view.epochs,
            loss: view.loss,
            validation_loss: view.validation_loss,
            r2: view.r2,
            outputs: view.outputs,
            predictions: self.counts.predictions,
            latency_p50_ns,
            latency_p99_ns,
            lead_ns: nanos(self.params.lead),
            ..ModelState::default()
        }
    }

    fn phase(&self, view: &View) -> (ModelPhase, String) {
        if let Some(refusal) = self.misfits.iter().flatten().next().or(view.refusal.as_ref()) {
            return (ModelPhase::Refusing, refusal.clone());
        }
        if view.weights.is_some() {
            return (ModelPhase::Predicting, view.note.clone());
        }
        if view.samples > 0 {
            let wanted = match self.params.collect {
                Amount::Samples(count) => format!("of {count} samples"),
                Amount::Time(time) => format!("samples, for {time} in all"),
            };
            return (ModelPhase::Collecting, format!("{} {wanted}", view.samples));
        }
        let missing = match (&self.history, self.targets) {
            (None, _) => "no input yet",
            (_, None) => "no target yet",
            _ => "no input with its target yet",
        };
        (ModelPhase::Empty, missing.to_owned())
    }

    /// Tells people what was left out.
    pub(crate) fn gauges(&self, node: &Node) {
        let (pairing, r2) = {
            let view = self.handle.shared.view();
            (view.pairing.clone(), view.r2.clone())
        };
        let counts = &self.counts;
        for (name, count) in [
            ("not_finite", counts.not_finite),
            ("unreadable", counts.unreadable),
            ("holes", counts.holes),
            ("skipped", counts.skipped),
        ] {
            node.gauge(name, (count > 0).then_some(count as f64), "");
        }
        for (name, stream) in [super::INPUT, super::TARGET].iter().zip(&pairing.streams) {
            node.gauge(&format!("{name}.unmatched"), stream.unmatched as f64, "");
            node.gauge(&format!("{name}.late"), (stream.late + stream.duplicate) as f64, "");
        }
        node.gauge("skew_p99", pairing.skew_p99.as_secs_f64() * 1e3, "ms");
        let mean = (!r2.is_empty()).then(|| r2.iter().sum::<f64>() / r2.len() as f64);
        node.gauge("r2", mean, "");
    }

    /// Lets the learner write what it has.
    pub(crate) fn end(&mut self) {
        self.handle.end();
    }
}
