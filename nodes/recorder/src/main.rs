//! `recorder`: writes any topics to a recording that survives a kill. `recorder bag` looks after such files. It never waits for a disk
//! before it takes the next message.

use std::{
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use offboard::{
    Error, Gamepad, Mark, Node, Publisher, RawSubscriber, RecordCommand, RecorderState, Result, clock,
    recording::Recorded,
};

use crate::{
    buffer::Item,
    params::{Params, Settings},
    scribe::{Author, Scribe, Shared},
    trigger::{Act, CONTROL, PAD, Trigger},
};

mod bag;
mod buffer;
mod files;
mod mend;
mod naming;
mod open;
mod params;
mod scribe;
mod trigger;

/// How often it looks whether to go on recording…
const TICK: Duration = Duration::from_millis(100);
/// …and after how many looks it says how it is: a second.
const TICKS: u32 = 10;
/// After so many messages of one input the others get their turn.
const TURN: u32 = 32;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args.first().is_some_and(|verb| verb == "bag") {
        return bag::main(&args[1..]);
    }
    offboard::main(run)
}

async fn run() -> Result<()> {
    let node =
        offboard::describe("Records topics to an MCAP file that survives a kill; any further inputs are recorded too")
            .input::<RecordCommand>(CONTROL, "start, stop and erase")
            .input::<Gamepad>(PAD, "record_button and erase_button")
            .any_inputs()
            .output::<RecorderState>("state", "whether it records, where to, what was lost")
            .output::<Mark>("marks", "what was erased, taken over, begun and ended")
            .params::<Params>()
            .node()?;
    let settings = Params::of(&node)?;
    record(&node, settings).await
}

/// What hears and what decides.
struct Intake {
    trigger: Mutex<Trigger>,
    shared: Arc<Shared>,
}

async fn record(node: &Node, settings: Settings) -> Result<()> {
    let shared = Arc::new(Shared::new(settings.buffer));
    let began = Instant::now();
    if settings.target.mend {
        // Which files those are is asked before a new one is begun.
        let (left, target) = (mend::unfinished(&settings.target), settings.target.clone());
        thread::spawn(move || mend::mend_all(&left, &target));
    }
    let author =
        Author { graph: node.graph().to_owned(), node: node.name().to_owned(), incarnation: node.incarnation() };
    let (sync, syncing) = open::keep_synced();
    let scribe = Scribe::new(settings.target, shared.clone(), author, sync);
    let writing = thread::spawn(move || scribe.run());
    let intake = Arc::new(Intake { trigger: Mutex::new(Trigger::new(settings.rules)), shared: shared.clone() });
    intake.tick();
    let mut hearing = Vec::new();
    for input in node.inputs() {
        let (from, intake) = (node.subscribe_raw(&input.name).await?, intake.clone());
        hearing.push(tokio::spawn(hear(input.name.clone(), from, intake)));
    }
    let mut voice = Voice::open(node).await?;
    let ended = follow(node, &intake, &mut voice, &writing).await;
    shared.buffer.tell(Item::Ledger(scribe::ledger(node, &shared.buffer)));
    for task in hearing {
        task.abort();
    }
    shared.buffer.tell(Item::Close("the recorder ends"));
    shared.buffer.end();
    let wrote = tokio::task::spawn_blocking(move || writing.join().and_then(|()| syncing.join())).await;
    voice.speak(&shared).await?;
    summary(&shared, began.elapsed());
    ended?;
    wrote.ok().and_then(std::result::Result::ok).ok_or_else(|| Error::other("the writing thread broke down"))
}

/// Takes each message of an input as it comes.
async fn hear(input: String, mut from: RawSubscriber, intake: Arc<Intake>) {
    let mut turn = 0;
    loop {
        match from.next().await {
            Ok(Some(message)) => intake.take(&input, message.into()),
            // It stays open: what it counted belongs into the last ledger.
            Ok(None) => std::future::pending().await,
            Err(_) => {} // silence is nothing to a recorder
        }
        turn += 1;
        if turn % TURN == 0 {
            tokio::task::yield_now().await;
        }
    }
}

/// Says how it is until the node is asked to stop.
async fn follow(node: &Node, intake: &Intake, voice: &mut Voice, writing: &thread::JoinHandle<()>) -> Result<()> {
    let shared = &intake.shared;
    let mut rate = node.every(TICK);
    let mut turns = 0_u32;
    loop {
        let mut is_second = false;
        tokio::select! {
            tick = rate.tick() => {
                if tick.is_none() {
                    return Ok(());
                }
                intake.tick();
                is_second = turns.is_multiple_of(TICKS);
                turns = turns.wrapping_add(1);
            }
            () = shared.changed.notified() => voice.speak(shared).await?,
        }
        if is_second {
            shared.buffer.tell(Item::Ledger(scribe::ledger(node, &shared.buffer)));
            voice.speak(shared).await?;
        }
        if writing.is_finished() {
            return Err(Error::other("the writing thread broke down"));
        }
    }
}

impl Intake {
    fn take(&self, input: &str, message: Recorded) {
        let mut trigger = self.trigger.lock().unwrap_or_else(PoisonError::into_inner);
        let acts = trigger.hear(input, &message);
        self.act(acts);
        if trigger.is_recording() {
            self.shared.buffer.offer(message);
        }
    }

    fn tick(&self) {
        let mut trigger = self.trigger.lock().unwrap_or_else(PoisonError::into_inner);
        let acts = trigger.tick(clock::now_ns());
        self.act(acts);
    }

    fn act(&self, acts: Vec<Act>) {
        for act in acts {
            self.shared.buffer.tell(match act {
                Act::Record(why) => Item::Record(why),
                Act::Pause(why) => Item::Pause(why),
                Act::Close(why) => Item::Close(why),
                Act::Mark(mark) => Item::Mark(mark),
            });
        }
    }
}

/// The outputs, where the graph has them.
struct Voice {
    state: Option<Publisher<RecorderState>>,
    marks: Option<Publisher<Mark>>,
}

impl Voice {
    async fn open(node: &Node) -> Result<Voice> {
        let state = if node.has_output("state") { Some(node.publish("state").await?) } else { None };
        let marks = if node.has_output("marks") { Some(node.publish("marks").await?) } else { None };
        Ok(Voice { state, marks })
    }

    async fn speak(&mut self, shared: &Shared) -> Result<()> {
        let (state, marks) = shared.news();
        if let Some(output) = &mut self.state {
            output.send(state).await?;
        }
        for mark in marks {
            if let Some(output) = &mut self.marks {
                output.send(mark).await?;
            }
        }
        Ok(())
    }
}

/// One line at the end: what was recorded.
fn summary(shared: &Shared, took: Duration) {
    let (totals, (state, _)) = (shared.totals(), shared.news());
    if totals.files == 0 {
        return tracing::warn!(
            "recorded nothing in {:.1} s: {}; lost {}",
            took.as_secs_f64(),
            state.reason,
            state.lost
        );
    }
    let files = if totals.files == 1 { state.file } else { format!("{} files, the last {}", totals.files, state.file) };
    tracing::info!(
        "recorded {} messages, {:.1} MiB, in {:.1} s to {files}; lost {}",
        totals.messages,
        totals.bytes as f64 / f64::from(1 << 20),
        took.as_secs_f64(),
        state.lost
    );
}
