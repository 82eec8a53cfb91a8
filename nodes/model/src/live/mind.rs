//! What a model node decides, without its edges: messages in, commands and words out. It never waits.

use std::{collections::VecDeque, path::PathBuf, time::Duration};

use offboard::{Drive, Header, Message, ModelPhase, ModelState, MotorMode, MotorState, Period, PilotState, RawMessage};

use super::{
    brain::{Brain, Lens},
    eye::{Blind, Eye},
    file::News,
    params::{Lead, Params},
    pupil::{Lesson, Pupil},
};
use crate::{
    net::{Net, Options, Preprocess, Shape},
    pictures::{
        contract,
        label::{Answer, Diary, Median, RECENT, Travel},
        lesson,
    },
    train::footage::Ahead,
    weights::{Contract, Weights},
};

/// Pictures that wait for the command that belongs to them: two seconds and a bit of the longest lead at 60 Hz.
const PENDING: usize = 256;

/// So many pictures measure the loop before anything is learned.
const MEASURED_AFTER: u64 = 60;

/// Commands are remembered so long: the longest lead, and time to come.
const DIARY_NS: i64 = 10_000_000_000;

/// A lead that is further from the loop than this is said.
const LEAD_OFF_NS: i64 = 30_000_000;

/// Without a picture for so long there is nothing to predict from.
const SILENT_NS: i64 = 500_000_000;

/// What a motor said is true so long.
const MOTOR_SAID_NS: i64 = 500_000_000;

/// Up to here |forward| is standing still.
const MOVING: f32 = 0.05;

/// A rate that changes by less is the same.
const RATE_SETTLED: f64 = 1.3;

/// A picture that waits.
#[derive(Debug)]
struct Pending {
    stamp_ns: i64,
    pixels: Vec<u8>,
}

/// All that the node knows.
#[derive(Debug)]
pub(crate) struct Mind {
    params: Params,
    lead: Lead,
    topic: String,
    eye: Eye,
    lens: Option<Lens>,
    brain: Option<Brain>,
    pupil: Option<Pupil>,
    diary: Diary,
    travel: Travel,
    pending: VecDeque<Pending>,
    /// Why the file of weights cannot be used, or why there is none.
    file: Option<(ModelPhase, String)>,
    /// In what the weights do not fit what comes.
    misfits: Vec<String>,
    /// The rate by which that was judged.
    rate: Option<f64>,
    blind: Option<Blind>,
    /// What the network said that cannot be obeyed.
    nonsense: Option<String>,
    pictures: u64,
    picture_at_ns: Option<i64>,
    by_picture: bool,
    motor: Option<(i64, bool)>,
    said_forward: f32,
    latencies: Median,
    generation: u64,
    predictions: u64,
    unsaved: bool,
}

impl Mind {
    /// Knows nothing yet; `topic`: where pictures come from.
    pub(crate) fn new(params: Params, lead: Lead, topic: &str) -> Mind {
        let file =
            (!params.weights.is_empty()).then(|| (ModelPhase::Empty, format!("{} is not read yet", params.weights)));
        Mind {
            eye: Eye::new(params.frozen.0),
            diary: Diary::new(DIARY_NS, params.standing),
            travel: Travel::new(RECENT),
            lens: None,
            brain: None,
            pupil: None,
            pending: VecDeque::new(),
            file,
            misfits: Vec::new(),
            rate: None,
            blind: None,
            nonsense: None,
            pictures: 0,
            picture_at_ns: None,
            by_picture: false,
            motor: None,
            said_forward: 0.0,
            latencies: Median::new(RECENT),
            generation: 0,
            predictions: 0,
            unsaved: false,
            topic: topic.to_owned(),
            params,
            lead,
        }
    }

    /// A command was sent, by whomever.
    pub(crate) fn command(&mut self, drive: &Message<Drive>) {
        self.diary.command(&drive.header, &drive.body);
    }

    /// A pilot said who drives.
    pub(crate) fn pilot(&mut self, state: &Message<PilotState>) {
        self.by_picture = state.mode() == offboard::DriveMode::Model;
        self.diary.pilot(&state.header, &state.body);
    }

    /// A motor said what it does.
    pub(crate) fn motor(&mut self, state: &Message<MotorState>) {
        self.travel.motor(&state.body, self.by_picture);
        let moving = state.mode() == MotorMode::Driving && state.forward.abs() > MOVING;
        self.motor = Some((state.received_ns, moving));
    }

    /// The file of weights came, changed or went.
    pub(crate) fn file(&mut self, news: News) {
        match news {
            News::Missing if self.brain.is_some() => {
                tracing::warn!("{} is gone; the weights in use stay", self.params.weights);
            }
            News::Missing => {
                self.file = Some((ModelPhase::Empty, format!("no weights: there is no {}", self.params.weights)));
            }
            News::Refused(why) => {
                tracing::error!("{why}");
                (self.brain, self.pupil) = (None, None);
                self.file = Some((ModelPhase::Refusing, why));
            }
            News::Read(weights) => self.take(*weights),
        }
    }

    fn take(&mut self, weights: Weights) {
        let Weights { contract: made_for, net } = weights;
        if let Err(why) = contract::drives(&made_for) {
            return self.file(News::Refused(format!("{}: {why}", self.params.weights)));
        }
        tracing::info!("{} is in use", self.params.weights);
        let ahead = contract::ahead(&made_for);
        self.lens = Some(Lens::new(made_for.preprocess));
        self.brain = Some(Brain::new(net, made_for, ahead));
        self.generation += 1;
        (self.file, self.pupil, self.nonsense) = (None, None, None);
        self.unsaved = false; // what was learned before gives way to the file
        self.pending.clear();
        self.fit();
    }

    /// A picture came: the command that belongs to it, if there is one to be said.
    pub(crate) fn frame(&mut self, message: &RawMessage, now_ns: i64) -> Option<Drive> {
        self.pictures += 1;
        self.picture_at_ns = Some(now_ns);
        self.travel.picture(&message.header, message.received_ns);
        let moving = self.is_moving(now_ns);
        self.blind = None;
        let known = self.eye.seen().clone();
        match self.eye.look(message, moving) {
            Ok(picture) => {
                if let Some(lens) = &mut self.lens {
                    lens.look(picture);
                }
            }
            Err(blind) => {
                self.blind = Some(blind);
                return None;
            }
        }
        if known != *self.eye.seen() {
            self.fit();
        }
        self.study(&message.header);
        self.say(&message.header)
    }

    /// Compares the weights in use with what comes.
    fn fit(&mut self) {
        let mut seen = self.eye.seen().clone();
        let Some(brain) = self.brain.as_ref().filter(|_| seen.width > 0) else { return };
        // A rate wavers; what is judged is where it settled. What is learned here knows these pictures as they come.
        let other = |rate: f64| self.rate.is_none_or(|was| !(1.0 / RATE_SETTLED..RATE_SETTLED).contains(&(rate / was)));
        self.rate = seen.rate.filter(|rate| other(*rate)).or(self.rate);
        seen.rate = self.rate.filter(|_| self.pupil.is_none());
        let misfits = contract::differences(&brain.contract, &self.topic, &seen);
        if misfits != self.misfits {
            if !misfits.is_empty() {
                tracing::error!("the weights do not fit what comes: {}", misfits.join("; "));
                // Nothing is learned from what the weights were not made for.
                self.pupil = None;
                self.pending.clear();
            }
            self.misfits = misfits;
        }
    }

    fn say(&mut self, header: &Header) -> Option<Drive> {
        let (Some(brain), Some(lens)) = (&mut self.brain, &self.lens) else { return None };
        if !self.misfits.is_empty() || self.generation == 0 {
            return None;
        }
        let at_ns = header.stamp_ns.saturating_add(brain.ahead.lead_ns).saturating_sub(self.travel.motion_ns());
        match brain.say(&lens.prepare, lens.prepared(), &self.diary, at_ns) {
            Ok([turn, forward]) => {
                self.nonsense = None;
                self.predictions += 1;
                self.said_forward = forward;
                Some(Drive { turn, forward, source: "model".to_owned(), ..Drive::default() })
            }
            Err(why) => {
                self.nonsense = Some(why);
                None
            }
        }
    }

    /// A command was said for a picture that had come `took_ns` before.
    pub(crate) fn said(&mut self, took_ns: i64) {
        self.latencies.push(took_ns);
    }

    /// Whether the robot has been told to move and obeys, as far as is known.
    fn is_moving(&self, now_ns: i64) -> bool {
        if let Some((_, moving)) = self.motor.filter(|(at_ns, _)| now_ns.saturating_sub(*at_ns) < MOTOR_SAID_NS) {
            return moving;
        }
        let loop_ns = self.travel.loop_ns(0).unwrap_or(0);
        match self.diary.in_force(now_ns.saturating_sub(loop_ns)) {
            Some(command) => command.forward.abs() > MOVING,
            None => self.diary.is_empty() && self.said_forward.abs() > MOVING,
        }
    }

    /// Keeps the picture until its command is known, and gives what is known to the pupil.
    fn study(&mut self, header: &Header) {
        let refusing = self.file.as_ref().is_some_and(|(phase, _)| *phase == ModelPhase::Refusing);
        if !self.params.learn || refusing || !self.misfits.is_empty() {
            return;
        }
        let Some(ahead) = self.ready_to_learn() else { return };
        let Some(lens) = &self.lens else { return };
        if self.pending.len() == PENDING {
            self.pending.pop_front();
        }
        self.pending.push_back(Pending { stamp_ns: header.stamp_ns, pixels: lens.prepared().to_vec() });
        let motion_ns = self.travel.motion_ns();
        while let Some(first) = self.pending.front() {
            let at_ns = first.stamp_ns.saturating_add(ahead.lead_ns).saturating_sub(motion_ns);
            let answer = self.diary.label(at_ns);
            if answer == Answer::NotYet {
                return;
            }
            let Some(Pending { stamp_ns, pixels }) = self.pending.pop_front() else { return };
            if let (Answer::Known(label), Some(pupil)) = (answer, &mut self.pupil) {
                let mut extras = Vec::with_capacity(ahead.history * 2);
                self.diary.in_flight(at_ns, ahead.step_ns(), ahead.history, &mut extras);
                let target = [label.turn, label.forward];
                pupil.give(Lesson { stamp_ns, pixels, extras, target, correction: label.correction });
            }
        }
    }

    /// How far ahead is learned, once that is known; begins to learn then.
    fn ready_to_learn(&mut self) -> Option<Ahead> {
        if let (Some(_), Some(brain)) = (&self.pupil, &self.brain) {
            return Some(brain.ahead);
        }
        self.eye.seen().rate?; // weights are judged by it, and a new contract names it
        if self.brain.is_none() {
            let lead_ns = match self.lead {
                Lead::Is(lead) => i64::try_from(lead.as_nanos()).unwrap_or(i64::MAX),
                Lead::Auto if self.pictures < MEASURED_AFTER => return None,
                Lead::Auto => self.loop_ns()?,
            };
            self.begin(Ahead { lead_ns, history: self.params.history as usize })?;
        }
        let (brain, lens) = (self.brain.as_ref()?, self.lens.as_ref()?);
        let history = brain.ahead.history;
        let options = Options { anneal: false, ..lesson::options(history, self.params.mirror, self.params.seed) };
        match Pupil::start(brain.net.clone(), &lens.prepare, options, self.params.keep as usize) {
            Ok(pupil) => self.pupil = Some(pupil),
            Err(error) => {
                self.file = Some((ModelPhase::Refusing, format!("it cannot learn: {error}")));
                return None;
            }
        }
        self.brain.as_ref().map(|brain| brain.ahead)
    }

    /// A network that knows nothing yet, for what comes.
    fn begin(&mut self, ahead: Ahead) -> Option<()> {
        let seen = self.eye.seen();
        let shape = Shape { size: self.params.size, extras: ahead.history * 2, outputs: 2 };
        let prepare = Preprocess::of(&shape, self.params.crop as f32);
        let made_for = contract::of(&self.topic, seen, &shape, &prepare, ahead, String::new());
        tracing::info!(
            "learning begins: {} ahead",
            Period(Duration::from_millis((ahead.lead_ns / 1_000_000).unsigned_abs()))
        );
        self.lens = Some(Lens::new(prepare));
        self.brain = Some(Brain::new(Net::new(&shape, self.params.seed), made_for, ahead));
        self.misfits.clear();
        None // from the next picture on, which the lens will have prepared
    }

    /// Takes what was learned, between two pictures.
    pub(crate) fn learn(&mut self) {
        let (Some(pupil), Some(brain)) = (&self.pupil, &mut self.brain) else { return };
        let Some(better) = pupil.news().better.take() else { return };
        brain.net = *better;
        if self.generation == 0 {
            self.file = None;
        }
        self.generation += 1;
        self.unsaved = true;
    }

    /// What is to be written to the file of weights, if anything new is.
    pub(crate) fn unsaved_weights(&mut self) -> Option<(PathBuf, Contract, Net)> {
        if !self.unsaved || !self.misfits.is_empty() || self.params.weights.is_empty() {
            return None;
        }
        let brain = self.brain.as_ref()?;
        self.unsaved = false;
        Some((PathBuf::from(&self.params.weights), brain.contract.clone(), brain.net.clone()))
    }

    fn loop_ns(&self) -> Option<i64> {
        self.travel.loop_ns(self.latencies.share(50).unwrap_or(1_000_000))
    }

    /// How much longer the loop takes than the weights look ahead.
    pub(crate) fn lead_off_ns(&self) -> Option<i64> {
        Some(self.loop_ns()?.saturating_sub(self.brain.as_ref()?.ahead.lead_ns))
    }

    /// Whether no command can be said now.
    pub(crate) fn is_mute(&self, now_ns: i64) -> bool {
        self.phase(now_ns).0 != ModelPhase::Predicting
    }

    fn phase(&self, now_ns: i64) -> (ModelPhase, String) {
        let silent_ns = self.picture_at_ns.map(|at_ns| now_ns.saturating_sub(at_ns)).filter(|ns| *ns > SILENT_NS);
        if let Some(file) = self.file.as_ref().filter(|(phase, _)| *phase == ModelPhase::Refusing || !self.params.learn)
        {
            return file.clone();
        }
        if !self.misfits.is_empty() {
            return (ModelPhase::Refusing, format!("the weights do not fit what comes: {}", self.misfits.join("; ")));
        }
        if let Some(silent_ns) = silent_ns {
            let tenths = silent_ns / 100_000_000;
            return (ModelPhase::Empty, format!("no picture for {}.{}s", tenths / 10, tenths % 10));
        }
        if let Some(blind) = &self.blind {
            return (ModelPhase::Refusing, blind.to_string());
        }
        if let Some(why) = &self.nonsense {
            return (ModelPhase::Refusing, format!("the network says nothing that can be obeyed: {why}"));
        }
        if self.picture_at_ns.is_none() {
            return (ModelPhase::Empty, "no picture yet".to_owned());
        }
        if self.generation == 0 {
            let trouble = self.pupil.as_ref().and_then(|pupil| pupil.news().trouble.clone());
            let why = trouble.unwrap_or_else(|| match self.pupil {
                Some(_) => "learning from what the human does".to_owned(),
                None => "measuring the loop from picture to motion".to_owned(),
            });
            return (ModelPhase::Collecting, why);
        }
        (ModelPhase::Predicting, self.lead_warning().unwrap_or_default())
    }

    fn lead_warning(&self) -> Option<String> {
        let off_ns = self.lead_off_ns()?;
        let (loop_ms, lead_ms) = (self.loop_ns()? / 1_000_000, self.brain.as_ref()?.ahead.lead_ns / 1_000_000);
        (off_ns.abs() > LEAD_OFF_NS).then(|| {
            format!(
                "it looks {lead_ms}ms ahead but picture to motion takes {loop_ms}ms: launch train --lead {loop_ms}ms would fit"
            )
        })
    }

    /// What is published of all this.
    pub(crate) fn state(&self, now_ns: i64) -> ModelState {
        let (phase, reason) = self.phase(now_ns);
        let nanos = |value: Option<i64>| value.map_or(0, i64::unsigned_abs);
        let mut state = ModelState {
            phase: phase as i32,
            reason,
            generation: self.generation,
            loss: f64::NAN,
            validation_loss: f64::NAN,
            predictions: self.predictions,
            latency_p50_ns: nanos(self.latencies.share(50)),
            latency_p99_ns: nanos(self.latencies.share(99)),
            lead_ns: self.brain.as_ref().map_or(0, |brain| brain.ahead.lead_ns),
            loop_latency_ns: nanos(self.loop_ns()),
            ..ModelState::default()
        };
        if let Some(pupil) = &self.pupil {
            let news = pupil.news();
            (state.samples, state.epochs, state.rollbacks) = (news.samples, news.epochs, news.rollbacks);
            state.loss = news.loss.unwrap_or(f64::NAN);
            state.validation_loss = news.validation.unwrap_or(f64::NAN);
            state.r2.clone_from(&news.r2);
            state.outputs = contract::OUTPUTS.map(str::to_owned).to_vec();
        }
        state
    }
}

#[cfg(test)]
mod tests;
