//! Learns in a thread of its own: pairs inputs and targets by stamp, asks the weights in use before it learns from what came, and
//! hands over new weights. Predicting never waits for it: what it cannot take in is left out, and counted by whoever sends.

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread,
    time::{Duration, Instant, SystemTime},
};

use offboard::{Pairer, Pairing, PairingReport};

use super::{
    history::History,
    method::{Learning, too_many},
    params::{Amount, Method, Params, nanos},
    ridge::Fit,
    score::Score,
    store::{self, Contract, Input},
    weights::{Scratch, Weights},
};

/// Facts that may wait while weights are computed: four seconds of two topics at 1 kHz.
const FACTS_MAX: usize = 8192;
/// Facts taken in before there is other work again.
const GULP: usize = 1024;
/// How long the thread sleeps where nothing comes.
const IDLE: Duration = Duration::from_millis(50);
/// How often it says how it is and looks at its file.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How often weights that change all the time are written.
const SAVE_EVERY: Duration = Duration::from_secs(10);
/// The most inputs of a history, for the lead and for what comes late.
const ROWS_MAX: usize = 65_536;
/// The most numbers of a history: 64 MB.
const NUMBERS_MAX: usize = 16 << 20;
/// The learner gives way to predicting, as much as ten steps of niceness do.
const NICE: i32 = 10;

/// What the learner is told.
#[derive(Debug)]
pub(crate) enum Fact {
    /// The inputs: the first word.
    Begin(Vec<Input>),
    /// What was sensed at a stamp.
    Input(i64, Arc<[f32]>),
    /// What should have been predicted for a stamp.
    Target(i64, Arc<[f32]>),
    /// The names of what is predicted.
    Names(Vec<String>),
}

/// What the learner tells: how it is, and the weights in use.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    /// Counts the changes of weights: so that looking costs nothing.
    changes: AtomicU64,
    view: Mutex<View>,
}

/// How the learner is.
#[derive(Debug, Clone, Default)]
pub(crate) struct View {
    pub(crate) weights: Option<Arc<Weights>>,
    pub(crate) generation: u64,
    pub(crate) refusal: Option<String>,
    pub(crate) note: String,
    pub(crate) samples: u64,
    pub(crate) epochs: u64,
    pub(crate) loss: f64,
    pub(crate) validation_loss: f64,
    pub(crate) r2: Vec<f64>,
    pub(crate) outputs: Vec<String>,
    pub(crate) pairing: PairingReport,
}

impl Shared {
    pub(crate) fn changes(&self) -> u64 {
        self.changes.load(Relaxed)
    }

    pub(crate) fn view(&self) -> MutexGuard<'_, View> {
        self.view.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The learner as its node sees it.
#[derive(Debug)]
pub(crate) struct Handle {
    facts: Option<SyncSender<Fact>>,
    ended: Receiver<()>,
    pub(crate) shared: Arc<Shared>,
}

impl Handle {
    /// Starts the learner's thread.
    pub(crate) fn start(params: &Params) -> std::io::Result<Handle> {
        let (facts, inbox) = sync_channel(FACTS_MAX);
        let (end, ended) = sync_channel(1);
        let shared = Arc::new(Shared::default());
        let mut learner = Learner::new(params.clone(), shared.clone());
        thread::Builder::new().name("learner".to_owned()).spawn(move || {
            // Of this thread alone; without the permission it is as nice as the rest.
            let _ = rustix::process::setpriority_process(None, NICE);
            learner.run(&inbox);
            let _ = end.send(());
        })?;
        Ok(Handle { facts: Some(facts), ended, shared })
    }

    /// Tells a fact; false when there is no room for it.
    pub(crate) fn tell(&self, fact: Fact) -> bool {
        self.facts.as_ref().is_some_and(|facts| facts.try_send(fact).is_ok())
    }

    /// Lets it write what it has, but not for longer than a second.
    pub(crate) fn end(&mut self) {
        self.facts = None;
        let _ = self.ended.recv_timeout(Duration::from_secs(1));
    }
}

/// One of a pair: an input waits as its stamp alone, what it shows is looked up when it is paired.
#[derive(Debug, Clone)]
enum Half {
    Input,
    Target(Arc<[f32]>),
}

struct Learner {
    params: Params,
    shared: Arc<Shared>,
    inputs: Vec<Input>,
    names: Vec<String>,
    history: Option<History>,
    pairer: Pairer<Half>,
    learning: Option<Learning>,
    in_use: Option<Arc<Weights>>,
    score: Score,
    scratch: Scratch,
    seen: Vec<f32>,
    /// Stamp of the first and the newest sample, and of the first input.
    span: Option<(i64, i64)>,
    heard: Option<(i64, i64, u64)>,
    digest: ring::digest::Context,
    looked: Instant,
    saved: Instant,
    /// Weights that are not written yet.
    unsaved: bool,
    /// Why there is more than can be learned; no file of weights mends that.
    too_many: Option<String>,
    /// The file as it was last read or written.
    file: Option<(SystemTime, u64)>,
}

impl Learner {
    fn new(params: Params, shared: Arc<Shared>) -> Learner {
        let far = params.lead.0 * 2 + params.tolerance.0 * 2 + Duration::from_secs(2);
        let pairer = Pairer::new(2, Pairing::Nearest(params.tolerance.0)).keep(ROWS_MAX).horizon(far);
        let now = Instant::now();
        {
            let mut view = shared.view();
            (view.loss, view.validation_loss) = (f64::NAN, f64::NAN);
        }
        Learner {
            params,
            shared,
            inputs: Vec::new(),
            names: Vec::new(),
            history: None,
            pairer,
            learning: None,
            in_use: None,
            score: Score::new(0),
            scratch: Scratch::default(),
            seen: Vec::new(),
            span: None,
            heard: None,
            digest: ring::digest::Context::new(&ring::digest::SHA256),
            looked: now,
            saved: now,
            unsaved: false,
            too_many: None,
            file: None,
        }
    }

    fn run(&mut self, inbox: &Receiver<Fact>) {
        loop {
            let idle = if self.learning.as_ref().is_some_and(Learning::is_busy) { Duration::ZERO } else { IDLE };
            match inbox.recv_timeout(idle) {
                Ok(fact) => {
                    self.take_in(fact);
                    inbox.try_iter().take(GULP).for_each(|fact| self.take_in(fact));
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.work();
            if self.looked.elapsed() >= LOOK_EVERY {
                self.look();
            }
        }
        self.save();
    }

    fn take_in(&mut self, fact: Fact) {
        match fact {
            Fact::Begin(inputs) => self.begin(inputs),
            Fact::Names(names) => self.name(names),
            Fact::Input(stamp_ns, row) => self.input(stamp_ns, &row),
            Fact::Target(stamp_ns, row) => {
                let about = stamp_ns.saturating_sub(nanos(self.params.lead));
                self.pairer.push(1, about, Half::Target(row));
            }
        }
        while let Some(pair) = self.pairer.pop() {
            if let Half::Target(target) = &pair[1].item {
                self.sample(pair[0].stamp_ns, target);
            }
        }
    }

    fn begin(&mut self, inputs: Vec<Input>) {
        let width: usize = inputs.iter().map(|input| input.width).sum();
        let keep = (NUMBERS_MAX / width.max(1)).min(ROWS_MAX);
        self.history = Some(History::new(self.params.looks(), width, keep));
        self.inputs = inputs;
        self.reload();
        self.refuse_too_many();
    }

    fn name(&mut self, names: Vec<String>) {
        self.names = names;
        self.score = Score::new(self.names.len());
        let mut view = self.shared.view();
        view.outputs.clone_from(&self.names);
        drop(view);
        self.refuse_too_many();
        if self.in_use.as_ref().is_some_and(|weights| weights.outputs() != self.names.len()) {
            self.reload();
        }
    }

    /// What would need more memory than anybody has is not begun.
    fn refuse_too_many(&mut self) {
        let seen = self.history.as_ref().map_or(0, History::seen);
        if let Some(what) = too_many(&self.params, seen, self.names.len()) {
            self.params.learn = false;
            self.too_many = Some(what);
            self.shared.view().refusal.clone_from(&self.too_many);
        }
    }

    fn input(&mut self, stamp_ns: i64, row: &Arc<[f32]>) {
        let Some(history) = &mut self.history else { return };
        if !history.push(stamp_ns, row) {
            return;
        }
        self.pairer.push(0, stamp_ns, Half::Input);
        self.heard = match self.heard {
            Some((first, _, count)) if first < stamp_ns => Some((first, stamp_ns, count + 1)),
            _ => Some((stamp_ns, stamp_ns, 0)),
        };
    }

    /// An input and what came to it: first a question to the weights in use, then a lesson.
    fn sample(&mut self, stamp_ns: i64, target: &[f32]) {
        let Some(history) = &self.history else { return };
        if target.len() != self.names.len() {
            return;
        }
        let Some(seen) = history.see(stamp_ns, &mut self.seen) else { return };
        if let Some(weights) = self.in_use.as_ref().filter(|weights| weights.outputs() == target.len()) {
            self.score.push(weights.predict(seen, &mut self.scratch), target);
        }
        if !self.params.learn {
            return;
        }
        let learning = self.learning.get_or_insert_with(|| Learning::new(&self.params, seen.len(), target.len()));
        if !learning.is_done() {
            self.digest.update(&stamp_ns.to_le_bytes());
            target.iter().for_each(|value| self.digest.update(&value.to_le_bytes()));
            seen.iter().rev().take(64).for_each(|value| self.digest.update(&value.to_le_bytes()));
            learning.learn(seen, target);
        }
        let first = self.span.map_or(stamp_ns, |(first, _)| first.min(stamp_ns));
        self.span = Some((first, stamp_ns));
    }

    /// Whether as much was collected as should be.
    fn has_collected(&self) -> bool {
        match self.params.collect {
            Amount::Samples(count) => self.learning.as_ref().is_some_and(|learning| learning.samples() >= count),
            Amount::Time(time) => self.span.is_some_and(|(first, last)| last - first >= nanos(time)),
        }
    }

    fn work(&mut self) {
        if self.shared.view().refusal.is_some() || !self.has_collected() {
            return;
        }
        let Some(learning) = &mut self.learning else { return };
        match learning.work() {
            Ok(Some(fit)) => self.put_in_use(fit),
            Ok(None) => {}
            Err(what) => {
                tracing::warn!("learning failed: {what}");
                self.shared.view().note = what;
            }
        }
    }

    fn put_in_use(&mut self, fit: Fit) {
        let Fit { weights, loss, validation_loss, note } = fit;
        let weights = Arc::new(weights);
        self.in_use = Some(weights.clone());
        let mut view = self.shared.view();
        if self.params.kind != Method::Rls {
            let samples = self.learning.as_ref().map_or(0, Learning::samples);
            tracing::info!("learned from {samples} samples: {note}, loss {loss:.4}, held out {validation_loss:.4}");
        }
        view.weights = Some(weights);
        view.generation += 1;
        (view.loss, view.validation_loss, view.note) = (loss, validation_loss, note);
        self.shared.changes.fetch_add(1, Relaxed);
        drop(view);
        self.unsaved = true;
        if self.params.kind != Method::Rls || self.saved.elapsed() >= SAVE_EVERY {
            self.save();
        }
    }

    /// Now and then: tells how it is, and sees whether somebody changed the file.
    fn look(&mut self) {
        self.looked = Instant::now();
        let mut view = self.shared.view();
        view.r2 = self.score.r2();
        view.pairing = self.pairer.report();
        if let Some(learning) = &self.learning {
            (view.samples, view.epochs) = (learning.samples(), learning.epochs());
        }
        drop(view);
        if self.history.is_some() && self.params.weights.is_some() && self.on_disk() != self.file {
            self.reload();
        }
    }

    fn on_disk(&self) -> Option<(SystemTime, u64)> {
        let about = std::fs::metadata(self.params.weights.as_ref()?).ok()?;
        Some((about.modified().ok()?, about.len()))
    }

    fn contract(&self) -> Contract {
        let rate_hz = self
            .heard
            .filter(|(first, last, _)| last > first)
            .map_or(0.0, |(first, last, count)| count as f64 * 1e9 / (last - first) as f64);
        let digest = self.digest.clone().finish();
        Contract {
            kind: self.params.kind.name().to_owned(),
            inputs: self.inputs.clone(),
            lags: self.params.lags as usize,
            step_ns: self.params.step_ns(),
            lead_ns: nanos(self.params.lead),
            outputs: self.names.clone(),
            rate_hz,
            samples: self.learning.as_ref().map_or(0, Learning::samples),
            data_sha256: digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect(),
            code: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }

    fn path(&self) -> Option<PathBuf> {
        self.params.weights.clone()
    }

    /// Writes the weights in use, unless those in the file are somebody else's.
    fn save(&mut self) {
        let (Some(path), Some(weights), true) = (self.path(), self.in_use.clone(), self.unsaved) else { return };
        if self.shared.view().refusal.is_some() {
            return;
        }
        self.saved = Instant::now();
        match store::save(&path, &self.contract(), &weights) {
            Ok(()) => (self.unsaved, self.file) = (false, self.on_disk()),
            Err(what) => tracing::warn!("weights not kept: {what}"),
        }
    }

    /// Reads the file of weights, if there is one. What does not fit is refused, and never written over.
    fn reload(&mut self) {
        let Some(path) = self.path() else { return };
        self.file = self.on_disk();
        let refusal = if self.file.is_none() {
            (!self.params.learn).then(|| format!("{}: there is no such file of weights", path.display()))
        } else {
            match store::load(&path) {
                Err(what) => Some(what),
                Ok((contract, weights)) => match contract.differences(&self.contract()) {
                    differences if differences.is_empty() => {
                        self.adopt(contract, weights);
                        None
                    }
                    differences => Some(format!("{} does not fit: {}", path.display(), differences.join("; "))),
                },
            }
        };
        if let Some(what) = &refusal {
            tracing::warn!("refusing: {what}");
        }
        let mut view = self.shared.view();
        if refusal.is_some() {
            view.weights = None;
            self.in_use = None;
            self.shared.changes.fetch_add(1, Relaxed);
        }
        view.refusal = self.too_many.clone().or(refusal);
    }

    fn adopt(&mut self, contract: Contract, weights: Weights) {
        if self.names.is_empty() {
            self.names = contract.outputs;
            self.score = Score::new(self.names.len());
        }
        self.score.clear();
        let weights = Arc::new(weights);
        self.in_use = Some(weights.clone());
        let mut view = self.shared.view();
        view.outputs.clone_from(&self.names);
        view.weights = Some(weights);
        view.generation += 1;
        view.note = format!("weights from {} samples, loaded", contract.samples);
        self.shared.changes.fetch_add(1, Relaxed);
    }
}
