//! The node for pictures: predicts on the newest picture at once, learns beside it where it is told to, and says how it is.
//!
//! [`mind`] decides; this file waits and hands over. It never sends a command that was not computed from the picture it names.

use std::time::Duration;

use offboard::{
    Drive, Error, Every, Message, ModelState, MotorState, Name, Node, PilotState, Publisher, RawMessage, Result,
    Subscriber, clock,
};
use tokio::{task::JoinHandle, time::Instant};

pub(crate) mod brain;
mod eye;
mod file;
mod mind;
mod params;
mod pupil;
mod sides;

pub use params::{DEFAULT_CROP, Kind, Lead, Params};

use file::{File, News};
use mind::Mind;

/// How often the state is looked at while no picture comes; a silent camera is said after so long at the latest.
const TICK: Duration = Duration::from_millis(100);

/// How often the state is sent at least.
const STATE_EVERY: Duration = Duration::from_secs(1);

/// How often what was learned is written at most.
const SAVE_EVERY: Duration = Duration::from_secs(5);

/// So many other messages at most are taken between two pictures: a tenth of a second of three inputs at 200 Hz.
const BETWEEN_PICTURES: usize = 64;

/// What the node waited for.
enum Woken {
    Frame(RawMessage),
    Command(Message<Drive>),
    Pilot(Message<PilotState>),
    Motor(Message<MotorState>),
    File(News),
    Tick,
    Stop,
}

/// The node at its edges.
struct Driver {
    mind: Mind,
    file: Option<File>,
    drive: Option<Publisher<Drive>>,
    state: Option<Publisher<ModelState>>,
    told: Option<(Instant, i32, String)>,
    saved: Option<Instant>,
    saving: Option<JoinHandle<()>>,
}

/// Runs the node until `launch` asks it to stop.
///
/// # Errors
/// [`Error::Config`] with wrong parameters or edges.
pub async fn run(node: &Node, params: Params) -> Result<()> {
    let lead = params.check()?;
    let topic = node.inputs().find(|input| input.name == "frames").map(|input| input.topic.clone());
    let topic = topic.ok_or_else(|| {
        Error::config("a model of kind cnn needs pictures: subscribe = { frames = \"camera/frames\" }")
    })?;
    if params.learn && !node.has_input("drive") {
        return Err(Error::config(
            "learning needs what the human commands: subscribe = { drive = \"pilot/drive\", … }",
        ));
    }
    if params.learn && node.has_output("drive") && !node.has_input("pilot") {
        // A pilot signs all that it says: by its commands alone the model would learn from itself.
        return Err(Error::config("learn needs to know who drives: subscribe = { pilot = \"pilot/state\" }"));
    }
    let file = (!params.weights.is_empty()).then(|| File::watch(params.weights.as_ref())).transpose()?;
    let driver = Driver {
        mind: Mind::new(params, lead, &topic),
        file,
        drive: if node.has_output("drive") { Some(node.publish("drive").await?) } else { None },
        state: if node.has_output("state") { Some(node.publish("state").await?) } else { None },
        told: None,
        saved: None,
        saving: None,
    };
    driver.serve(node).await
}

async fn optional<M: prost::Message + Default + Name>(node: &Node, input: &str) -> Result<Option<Subscriber<M>>> {
    if node.has_input(input) { Ok(Some(node.subscribe(input).await?)) } else { Ok(None) }
}

/// The next message of an input that may not be connected; then it waits for ever. Silence is no news.
async fn next<M: prost::Message + Default + Name>(from: &mut Option<Subscriber<M>>) -> Result<Option<Message<M>>> {
    let Some(from) = from else { return std::future::pending().await };
    loop {
        match from.next().await {
            Err(Error::Silent { .. }) => {}
            other => return other,
        }
    }
}

async fn news(file: &mut Option<File>) -> News {
    let Some(file) = file else { return std::future::pending().await };
    match file.news.recv().await {
        Some(news) => news,
        None => std::future::pending().await,
    }
}

/// All that comes beside the pictures.
struct Others {
    commands: Option<Subscriber<Drive>>,
    pilot: Option<Subscriber<PilotState>>,
    motor: Option<Subscriber<MotorState>>,
    rate: Every,
}

impl Others {
    async fn of(node: &Node) -> Result<Others> {
        Ok(Others {
            commands: optional(node, "drive").await?,
            pilot: optional(node, "pilot").await?,
            motor: optional(node, "motor").await?,
            rate: node.every(TICK),
        })
    }

    /// Whatever comes next, each as likely as the others.
    async fn next(&mut self, file: &mut Option<File>) -> Result<Woken> {
        Ok(tokio::select! {
            command = next(&mut self.commands) => command?.map_or(Woken::Stop, Woken::Command),
            state = next(&mut self.pilot) => state?.map_or(Woken::Stop, Woken::Pilot),
            state = next(&mut self.motor) => state?.map_or(Woken::Stop, Woken::Motor),
            news = news(file) => Woken::File(news),
            tick = self.rate.tick() => if tick.is_some() { Woken::Tick } else { Woken::Stop },
        })
    }

    /// What is there now, without waiting.
    async fn waiting(&mut self, file: &mut Option<File>) -> Result<Option<Woken>> {
        tokio::select! {
            biased;
            woken = self.next(file) => woken.map(Some),
            () = std::future::ready(()) => Ok(None),
        }
    }
}

impl Driver {
    async fn serve(mut self, node: &Node) -> Result<()> {
        let mut frames = node.subscribe_raw("frames").await?;
        let mut others = Others::of(node).await?;
        loop {
            let woken = tokio::select! {
                biased; // a picture goes before all that can wait
                frame = frames.latest() => match frame {
                    Ok(Some(frame)) => Woken::Frame(frame),
                    Ok(None) => Woken::Stop,
                    Err(Error::Silent { .. }) => Woken::Tick, // said in the state
                    Err(error) => return Err(error),
                },
                woken = others.next(&mut self.file) => woken?,
            };
            let mut goes_on = self.act(woken, node).await?;
            // Where a picture takes as long as the time between two, there is always the next: what else came has its turn here.
            for _ in 0..BETWEEN_PICTURES {
                match if goes_on { others.waiting(&mut self.file).await? } else { None } {
                    Some(woken) => goes_on = self.act(woken, node).await?,
                    None => break,
                }
            }
            if !goes_on {
                return self.stop().await;
            }
        }
    }

    /// Does what is to be done; false at the end.
    async fn act(&mut self, woken: Woken, node: &Node) -> Result<bool> {
        match woken {
            Woken::Frame(frame) => self.frame(&frame).await?,
            Woken::Command(drive) => self.mind.command(&drive),
            Woken::Pilot(state) => self.mind.pilot(&state),
            Woken::Motor(state) => self.mind.motor(&state),
            Woken::File(news) => self.mind.file(news),
            Woken::Tick => self.tick(node).await?,
            Woken::Stop => return Ok(false),
        }
        Ok(true)
    }

    async fn frame(&mut self, frame: &RawMessage) -> Result<()> {
        if frame.is_no_data() {
            return Ok(()); // the camera lives but sees nothing: as if nothing came
        }
        let said = self.mind.frame(frame, clock::now_ns());
        if let (Some(command), Some(drive)) = (said, &mut self.drive) {
            drive.send_from(frame, command).await?;
            self.mind.said(clock::now_ns().saturating_sub(frame.received_ns));
        }
        self.mind.learn();
        self.tell().await
    }

    async fn tick(&mut self, node: &Node) -> Result<()> {
        let now_ns = clock::now_ns();
        if let Some(drive) = self.drive.as_mut().filter(|_| self.mind.is_mute(now_ns)) {
            drive.send_no_data().await?;
        }
        self.mind.learn();
        let millis = |ns: i64| ns as f64 / 1e6;
        node.gauge("lead_off", self.mind.lead_off_ns().map(millis), "ms");
        if self.saved.is_none_or(|saved| saved.elapsed() >= SAVE_EVERY) {
            self.save();
        }
        self.tell().await
    }

    /// Writes what was learned, beside the node's own thread.
    fn save(&mut self) {
        if self.saving.as_ref().is_some_and(|saving| !saving.is_finished()) {
            return;
        }
        let (Some((path, contract, net)), Some(file)) = (self.mind.unsaved_weights(), &self.file) else { return };
        let own = file.own();
        self.saved = Some(Instant::now());
        self.saving = Some(tokio::task::spawn_blocking(move || match crate::weights::save(&path, &contract, &net) {
            Ok(()) => own.written(&path),
            Err(error) => tracing::error!("what was learned is not written: {error}"),
        }));
    }

    /// Sends the state at each change of phase or reason, and once a second.
    async fn tell(&mut self) -> Result<()> {
        let state = self.mind.state(clock::now_ns());
        let due = self.told.as_ref().is_none_or(|(at, phase, reason)| {
            let age = at.elapsed();
            // A reason may count seconds: that is no change worth more than ten messages a second.
            age >= STATE_EVERY || *phase != state.phase || (*reason != state.reason && age >= TICK)
        });
        if !due {
            return Ok(());
        }
        let before = self.told.replace((Instant::now(), state.phase, state.reason.clone()));
        if before.is_none_or(|(_, phase, _)| phase != state.phase) {
            let phase = state.phase().as_str_name().trim_start_matches("MODEL_PHASE_").to_lowercase();
            let reason = if state.reason.is_empty() { String::new() } else { format!(": {}", state.reason) };
            tracing::info!("{phase}{reason}");
        }
        match &mut self.state {
            Some(out) => out.send(state).await,
            None => Ok(()),
        }
    }

    /// The last word is neutral by silence; what was learned is kept.
    async fn stop(mut self) -> Result<()> {
        if let Some(saving) = self.saving.take() {
            drop(saving.await);
        }
        self.save();
        match self.saving.take() {
            Some(saving) => saving.await.map_err(Error::other),
            None => Ok(()),
        }
    }
}
