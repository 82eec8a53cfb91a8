//! The node `pilot`: the driver's hands and the model's word in, one command out, at once for each message.
//! A silent gamepad means neutral, whoever drives; the pilot never repeats a command past the age of what is behind it.

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use offboard::{Drive, DriveMode, Evidence, Gamepad, Message, Node, PilotState, Publisher, Result, Subscriber, clock};

mod arbiter;
mod lever;
mod mapping;
mod params;

use arbiter::{Arbiter, Cause, Decision, Word};
use mapping::Reader;
use params::{Params, Settings};

/// After how long a state of the gamepad says nothing any more. A gamepad node repeats it each 50 ms by default, so some
/// may be lost; a hand does not mean the same for longer.
const SILENT: Duration = Duration::from_millis(250);

fn main() -> ExitCode {
    offboard::main(run)
}

async fn run() -> Result<()> {
    let node =
        offboard::describe("Decides who drives, a human or a model, and stops when nobody holds the dead-man button")
            .required_input::<Gamepad>("pad", "the driver's hands")
            .input::<Drive>("model", "what a model would do")
            .output::<Drive>("drive", "what the robot is told")
            .output::<PilotState>("state", "who drives, and how well the model would")
            .params::<Params>()
            .node()?;
    let Settings { mapping, rules, period } = node.params::<Params>()?.check(node.has_input("model"))?;
    let pilot = Pilot {
        mode: rules.start,
        reader: Reader::new(mapping),
        arbiter: Arbiter::new(rules),
        drive: node.publish::<Drive>("drive").await?,
        state: if node.has_output("state") { Some(node.publish::<PilotState>("state").await?) } else { None },
        pad: None,
        word: None,
        silent: true,
    };
    let pads = node.subscribe::<Gamepad>("pad").await?;
    let model = if node.has_input("model") { Some(node.subscribe::<Drive>("model").await?) } else { None };
    pilot.run(&node, pads, model, period).await
}

/// The pilot at its edges.
struct Pilot {
    reader: Reader,
    arbiter: Arbiter,
    drive: Publisher<Drive>,
    state: Option<Publisher<PilotState>>,
    /// The newest state of the gamepad and when it came, repeated with its own stamp until it is too old.
    pad: Option<(Message<Gamepad>, Instant)>,
    /// The newest that the model said.
    word: Option<Message<Drive>>,
    silent: bool,
    /// Who drove in the last command.
    mode: DriveMode,
}

impl Pilot {
    async fn run(
        mut self,
        node: &Node,
        mut pads: Subscriber<Gamepad>,
        mut model: Option<Subscriber<Drive>>,
        period: Duration,
    ) -> Result<()> {
        let mut rate = node.every(period);
        loop {
            tokio::select! {
                biased; // hands go before the model, and what is fresh before a repetition of the last
                pad = pads.latest() => match heard(pad)? {
                    Heard::End => return Ok(()),
                    Heard::Message(pad) => self.pad = Some((pad, Instant::now())),
                    Heard::Nothing => {}
                },
                word = newest(&mut model) => match heard(word)? {
                    Heard::End => return Ok(()),
                    Heard::Message(word) => self.word = Some(word),
                    Heard::Nothing => {}
                },
                tick = rate.tick() => if tick.is_none() {
                    return Ok(());
                },
            }
            self.command(node).await?;
        }
    }

    /// Sends the command for the newest that is known, or neutral once that is too old.
    async fn command(&mut self, node: &Node) -> Result<()> {
        // By both: a stamp from the future is never old.
        let fresh = self.pad.take().filter(|(pad, came)| pad.age() < SILENT && came.elapsed() < SILENT);
        self.tell_silence(fresh.is_none());
        let broken = self.reader.broken();
        let hands = self.reader.read(fresh.as_ref().map(|(pad, _)| &pad.body));
        if self.reader.broken() != broken && self.reader.broken().is_power_of_two() {
            tracing::warn!("{} states of the gamepad held values that are not finite", self.reader.broken());
        }
        let word = self.word.as_ref().map(|word| Word::new(&word.header, &word.body, word.received_ns));
        let decision = self.arbiter.step(clock::now_ns(), &hands, word.as_ref());
        self.tell_mode(node, &decision);
        self.pad = fresh;
        self.send(decision).await
    }

    /// Sends a command with the stamp of what it was computed from, and who drives with the same one.
    async fn send(&mut self, Decision { drive, cause, state }: Decision) -> Result<()> {
        match (cause, &self.word, &self.pad) {
            (Cause::Model, Some(word), _) => send(&mut self.drive, &mut self.state, Some(word), drive, state).await,
            (_, _, Some((pad, _))) => send(&mut self.drive, &mut self.state, Some(pad), drive, state).await,
            _ => send::<()>(&mut self.drive, &mut self.state, None, drive, state).await,
        }
    }

    /// Says when the gamepad falls silent and when it is back.
    fn tell_silence(&mut self, silent: bool) {
        if self.silent != silent {
            self.silent = silent;
            match silent {
                true => tracing::warn!("nothing from the gamepad for {SILENT:?}: neutral"),
                false => tracing::info!("the gamepad is heard"),
            }
        }
    }

    /// Says who drives, and keeps the figures for `top`.
    fn tell_mode(&mut self, node: &Node, decision: &Decision) {
        let state = &decision.state;
        let name = name(state.mode());
        if state.mode() != self.mode {
            self.mode = state.mode();
            tracing::info!("mode {name}: {}", state.reason);
        }
        node.gauge("mode", f64::from(state.mode), name);
        node.gauge("take-overs", state.take_overs as f64, "");
        let known = |error: f32| (error >= 0.0).then(|| f64::from(error));
        node.gauge("model error turn", known(state.error_turn), "");
        node.gauge("model error forward", known(state.error_forward), "");
    }
}

/// Sends both.
async fn send<M>(
    to: &mut Publisher<Drive>,
    state_to: &mut Option<Publisher<PilotState>>,
    cause: Option<&Message<M>>,
    drive: Drive,
    state: PilotState,
) -> Result<()> {
    match cause {
        Some(cause) => to.send_from(cause, drive).await?,
        None => to.send(drive).await?,
    }
    match (state_to, cause) {
        (Some(state_to), Some(cause)) => state_to.send_from(cause, state).await,
        (Some(state_to), None) => state_to.send(state).await,
        (None, _) => Ok(()),
    }
}

/// What an input gave.
enum Heard<M> {
    Message(Message<M>),
    /// Its timeout; the pilot's own bounds are shorter than any timeout worth writing, what is old stops by them.
    Nothing,
    /// The node is to end.
    End,
}

fn heard<M>(message: Result<Option<Message<M>>>) -> Result<Heard<M>> {
    match message {
        Ok(Some(message)) => Ok(Heard::Message(message)),
        Ok(None) => Ok(Heard::End),
        Err(offboard::Error::Silent { .. }) => Ok(Heard::Nothing),
        Err(error) => Err(error),
    }
}

/// The newest word of the model; none ever where there is no model.
async fn newest(model: &mut Option<Subscriber<Drive>>) -> Result<Option<Message<Drive>>> {
    match model {
        Some(model) => model.latest().await,
        None => std::future::pending().await,
    }
}

/// A mode as the parameters write it.
fn name(mode: DriveMode) -> &'static str {
    match mode {
        DriveMode::Unknown => "unknown",
        DriveMode::Human => "human",
        DriveMode::Shadow => "shadow",
        DriveMode::Assist => "assist",
        DriveMode::Model => "model",
    }
}
