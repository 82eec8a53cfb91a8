//! The node `driver`: a scripted person with a gamepad in hand, who sees where the simulated car is and drives it.
//!
//! What it sends is what the node `gamepad` would send, so that pilot, dead-man button and arbitration are all in the loop. It never
//! sends a command of its own, and it lets go of everything when it sees nothing.

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use offboard::{DriveMode, Error, Gamepad, Node, PilotState, Pose, Result, Subscriber, clock};

use crate::{hands::Person, params::Params};

mod hands;
mod params;

/// A hand does not move more finely, and a gamepad is told no more often.
const PERIOD: Duration = Duration::from_millis(20);

/// After how long without a pose it sees nothing any more.
const BLIND: Duration = Duration::from_millis(250);

fn main() -> ExitCode {
    offboard::main(run)
}

async fn run() -> Result<()> {
    let node = offboard::describe(
        "Drives the simulated car as a person with a gamepad would: late, trembling, a little wrong",
    )
    .required_input::<Pose>("pose", "what it sees: where the car of the node sim is")
    .input::<PilotState>("pilot", "who drives: while the model does, the sticks are held still")
    .output::<Gamepad>("pad", "its hands, in the place of the node gamepad")
    .params::<Params>()
    .node()?;
    let person = Person::new(node.params::<Params>()?.settings()?);
    drive(&node, person).await
}

/// Drives until `launch` asks the node to stop.
async fn drive(node: &Node, mut person: Person) -> Result<()> {
    let mut poses = node.subscribe::<Pose>("pose").await?;
    let mut pilot = if node.has_input("pilot") { Some(node.subscribe::<PilotState>("pilot").await?) } else { None };
    let mut pad = node.publish::<Gamepad>("pad").await?;
    let mut rate = node.every(PERIOD);
    let mut seen: Option<(Pose, Instant)> = None;
    let mut mode = DriveMode::Human;
    while rate.tick().await.is_some() {
        if let Some(pose) = newest(&mut poses)? {
            seen = Some((pose, Instant::now()));
        }
        if let Some(state) = pilot.as_mut().map(newest).transpose()?.flatten() {
            mode = state.mode();
        }
        let pose = seen.as_ref().filter(|(_, came)| came.elapsed() < BLIND).map(|(pose, _)| pose);
        pad.send(person.step(clock::now_ns() as f64 / 1e9, pose, mode)).await?;
    }
    Ok(())
}

/// The newest message, if there is one; silence is nothing to end for.
fn newest<M: prost::Message + Default + offboard::Name>(from: &mut Subscriber<M>) -> Result<Option<M>> {
    match from.try_latest() {
        Ok(message) => Ok(message.map(|message| message.body)),
        Err(Error::Silent { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
