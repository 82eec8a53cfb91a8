//! The node `pilot`: maps a gamepad to commands, at once for each message, as long as its dead-man button is held.
//! A silent gamepad means neutral; the pilot never repeats a command past the age of the state behind it.

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use offboard::{Drive, Evidence, Gamepad, Message, Node, Publisher, Result};

mod lever;
mod mapping;
mod params;

use mapping::Pilot;
use params::Params;

/// After how long a state of the gamepad says nothing any more. A gamepad node repeats it each 50 ms by default, so some
/// may be lost; a hand does not mean the same for longer.
const SILENT: Duration = Duration::from_millis(250);

fn main() -> ExitCode {
    offboard::main(run)
}

async fn run() -> Result<()> {
    let node = offboard::describe("Turns a gamepad into commands while its dead-man button is held")
        .required_input::<Gamepad>("pad", "the driver's hands")
        .output::<Drive>("drive", "what the robot is told")
        .params::<Params>()
        .node()?;
    let (mapping, period) = node.params::<Params>()?.check()?;
    let drive = node.publish::<Drive>("drive").await?;
    Driver { pilot: Pilot::new(mapping), drive, newest: None, silent: true }.run(&node, period).await
}

/// The pilot at its edges.
struct Driver {
    pilot: Pilot,
    drive: Publisher<Drive>,
    /// The newest state and when it came, repeated with its own stamp until it is too old.
    newest: Option<(Message<Gamepad>, Instant)>,
    silent: bool,
}

impl Driver {
    async fn run(mut self, node: &Node, period: Duration) -> Result<()> {
        let mut pads = node.subscribe::<Gamepad>("pad").await?;
        let mut rate = node.every(period);
        loop {
            tokio::select! {
                biased; // a fresh state goes before a repetition of the last
                pad = pads.latest() => match pad {
                    Ok(Some(pad)) => self.newest = Some((pad, Instant::now())),
                    Ok(None) => return Ok(()),
                    // The pilot's own bound is shorter than any timeout worth writing; what is old stops below.
                    Err(offboard::Error::Silent { .. }) => {}
                    Err(error) => return Err(error),
                },
                tick = rate.tick() => if tick.is_none() {
                    return Ok(());
                },
            }
            self.command().await?;
        }
    }

    /// Sends the command for the newest state, or neutral once that is too old.
    async fn command(&mut self) -> Result<()> {
        // By both: a stamp from the future is never old.
        let fresh = self.newest.take().filter(|(pad, came)| pad.age() < SILENT && came.elapsed() < SILENT);
        self.tell(fresh.is_none());
        let broken = self.pilot.broken();
        let command = self.pilot.command(fresh.as_ref().map(|(pad, _)| &pad.body));
        if self.pilot.broken() != broken && self.pilot.broken().is_power_of_two() {
            tracing::warn!("{} states of the gamepad held values that are not finite", self.pilot.broken());
        }
        match &fresh {
            Some((pad, _)) => self.drive.send_from(pad, command).await?,
            None => self.drive.send(command).await?,
        }
        self.newest = fresh;
        Ok(())
    }

    /// Says when the gamepad falls silent and when it is back.
    fn tell(&mut self, silent: bool) {
        if self.silent != silent {
            self.silent = silent;
            match silent {
                true => tracing::warn!("nothing from the gamepad for {SILENT:?}: neutral"),
                false => tracing::info!("the gamepad is heard"),
            }
        }
    }
}
