//! The node `gamepad`: publishes the whole state of one gamepad on change and at a minimum rate, and its raw events beside it.
//! What comes on the input `rumble` moves its motors.
//! A pad that is unplugged or silent is published as neutral and not connected; it never repeats the last value of one.

use std::{
    os::unix::process::CommandExt,
    process::{Command, ExitCode},
    time::Instant,
};

use clap::Parser;
use offboard::{Error, Gamepad, GamepadEvent, Node, Publisher, Result, Rumble, clock};
use tokio::sync::{mpsc, watch};

mod devices;
mod events;
mod fields;
mod idle;
mod inputs;
mod layout;
mod params;
mod reader;
mod rumble;
mod script;
mod slot;
mod state;

use params::{Device, Params, Settings};
use reader::Reading;
use rumble::{Motors, Wish};
use slot::{Slot, Snapshot, StampedEvent};

fn main() -> ExitCode {
    if std::env::args().any(|argument| argument == "--list") {
        return list();
    }
    offboard::main(run)
}

async fn run() -> Result<()> {
    let node = offboard::describe("Reads a gamepad (gamepad --list shows those of this machine)")
        .input::<Rumble>("rumble", "what its motors shall do, 2 s at most; the newest wins and ends by itself")
        .output::<Gamepad>("pad", "the whole normalised state, on change and at least at rate_min")
        .output::<GamepadEvent>("events", "raw events as the kernel names them, in order")
        .params::<Params>()
        .node()?;
    let settings = node.params::<Params>()?.check()?;
    let period = settings.period;
    let (slot, state, events) = slot::slot();
    let motors = Motors::default();
    start_source(settings, slot, &motors)?;
    let pad = node.publish::<Gamepad>("pad").await?;
    let ended = tokio::try_join!(
        publish_state(&node, period, state, pad),
        publish_events(&node, events),
        pass_wishes(&node, &motors)
    );
    motors.end();
    ended.map(|_| ())
}

/// Starts what fills the slot: a script, or the thread that reads a real pad.
fn start_source(settings: Settings, slot: Slot, motors: &Motors) -> Result<()> {
    if let Device::Script(file) = &settings.device {
        let script = script::read(file)?;
        tokio::spawn(script::play(script, slot));
        return Ok(());
    }
    if reader::needs_telling() {
        return Err(restart_without_udevd().into());
    }
    let Settings { device, map, shape, .. } = settings;
    reader::spawn(Reading { device, map, shape, motors: motors.clone() }, slot)?;
    Ok(())
}

/// Becomes this program again, told to find pads without udevd: gilrs reads that from the environment, which a running
/// process cannot change safely. Returns only when it fails.
fn restart_without_udevd() -> std::io::Error {
    match std::env::current_exe() {
        Ok(program) => Command::new(program).args(std::env::args_os().skip(1)).env(reader::WITHOUT_UDEVD, "1").exec(),
        Err(error) => error,
    }
}

/// Sends the state at once when it changes, and at least once a `period`, until the node is asked to stop.
async fn publish_state(
    node: &Node,
    period: std::time::Duration,
    mut state: watch::Receiver<Snapshot>,
    mut pad: Publisher<Gamepad>,
) -> Result<()> {
    let mut rate = node.every(period);
    loop {
        tokio::select! {
            changed = state.changed() => {
                changed.map_err(|_| Error::from(std::io::Error::other("the gamepad's reader ended")))?;
                let newest = state.borrow_and_update().clone();
                pad.send_at(newest.stamp_ns, newest.believed(Instant::now())).await?;
            }
            tick = rate.tick() => {
                if tick.is_none() {
                    return Ok(());
                }
                // What is still held is true now: the stamp is new, unlike that of a change.
                let now = state.borrow().believed(Instant::now());
                pad.send_at(clock::now_ns(), now).await?;
            }
        }
    }
}

/// Passes raw events on, in order, if the graph gives the node that output.
async fn publish_events(node: &Node, mut events: mpsc::Receiver<StampedEvent>) -> Result<()> {
    if !node.has_output("events") {
        return Ok(());
    }
    let mut out = node.publish::<GamepadEvent>("events").await?;
    loop {
        tokio::select! {
            () = node.stopped() => return Ok(()),
            event = events.recv() => match event {
                Some((stamp_ns, event)) => out.send_at(stamp_ns, event).await?,
                None => return Ok(()),
            },
        }
    }
}

/// Hands what comes on `rumble` to the motors, the newest only, if the graph gives the node that input.
async fn pass_wishes(node: &Node, motors: &Motors) -> Result<()> {
    if !node.has_input("rumble") {
        return Ok(());
    }
    motors.start()?;
    let (mut wishes, mut broken) = (node.subscribe::<Rumble>("rumble").await?, 0_u64);
    loop {
        let message = match wishes.latest().await {
            Ok(Some(message)) => message,
            Ok(None) => return Ok(()),
            Err(Error::Silent { .. }) => continue, // each wish ends by itself
            Err(error) => return Err(error),
        };
        match Wish::of(&message) {
            Some(wish) => motors.wish(wish),
            None => {
                broken += 1;
                // Told at 1, 2, 4, 8…: a flood must not flood the log too.
                if broken.is_power_of_two() {
                    tracing::warn!("{broken} messages on rumble held values that are not finite: ignored");
                }
            }
        }
    }
}

/// `gamepad --list`.
fn list() -> ExitCode {
    let cli = devices::Cli::parse();
    if reader::needs_telling() {
        eprintln!("gamepad: {}", restart_without_udevd());
        return ExitCode::FAILURE;
    }
    match devices::list(&cli, &mut std::io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("gamepad: {error}");
            ExitCode::FAILURE
        }
    }
}
