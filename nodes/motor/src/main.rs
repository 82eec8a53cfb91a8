//! The motor node: obeys commands only while they are fresh, and says what it put out.
//!
//! [`offboard::motion`] decides, [`mixing`] shapes, [`driver`] moves; this file waits and hands over. A command is put out at once when it
//! comes; a timer of our own does the rest, so that the motor stops in time whatever becomes of the sender, the link or the
//! connection. It never lets its `state` topic or its log delay the motor.

use std::{env, process::ExitCode, time::Duration};

use offboard::{
    Drive, Error, Message, MotorState, Node, Publisher, Result, Subscriber, clock,
    motion::{Event, Journal, Lease, Output},
};
use tokio::time::{Instant, sleep_until};

use crate::{
    driver::Driver,
    mixing::{Mixer, Wheels},
    params::{Params, Settings},
};

mod calibrate;
mod driver;
mod guard;
mod mixing;
mod params;

/// The lease, what it moves, and who hears of it.
struct Motor {
    lease: Lease,
    mixer: Mixer,
    driver: Box<dyn Driver>,
    journal: Journal,
    state: Option<Publisher<MotorState>>,
    ready: bool,
}

/// What the work loop waited for.
enum Woken {
    Command(Message<Drive>),
    Timer,
    Stop,
}

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [guard::WORD, settings] => guard::main(settings),
        [calibrate::VERB] => calibrate::main(),
        _ => offboard::main(run),
    }
}

async fn run() -> Result<()> {
    let node = offboard::describe("Moves motors as commanded, only while the commands are fresh")
        .required_input::<Drive>("drive", "the commands, from one source at a time")
        .output::<MotorState>("state", "what was put out, and how old the command and its picture were")
        .params::<Params>()
        .verb(calibrate::VERB)
        .node()?;
    let settings = node.params::<Params>()?.settings()?;
    let mut motor = Motor::start(&settings)?;
    let obeyed = motor.serve(&node, settings.period).await;
    let stopped = motor.stop().await;
    obeyed.and(stopped)
}

impl Motor {
    /// Opens the driver and puts it to neutral, before anything is listened to.
    fn start(settings: &Settings) -> Result<Motor> {
        let mut driver = driver::open(&settings.driver, settings.period)?;
        driver.put(clock::now_ns(), Wheels::NEUTRAL)?;
        Ok(Motor {
            lease: Lease::new(settings.rules),
            mixer: settings.mixer,
            driver,
            journal: Journal::default(),
            state: None,
            ready: true,
        })
    }

    /// Obeys until `launch` asks the node to stop.
    async fn serve(&mut self, node: &Node, period: Duration) -> Result<()> {
        let mut commands = node.subscribe::<Drive>("drive").await?;
        if node.has_output("state") {
            self.state = Some(node.publish("state").await?);
        }
        let mut tick = Instant::now();
        let mut wake = tick;
        loop {
            let output = match wait(&mut commands, wake).await? {
                Woken::Command(command) => self.turn(Event::Command(&command.header, &command.body)).await?,
                Woken::Timer => self.turn(Event::Tick).await?,
                Woken::Stop => return Ok(()),
            };
            let now = Instant::now();
            if tick <= now {
                tick = if tick + period > now { tick + period } else { now + period }; // what was missed stays missed
            }
            wake = output.wake_ns.map_or(tick, |at_ns| tick.min(instant(now, at_ns)));
        }
    }

    /// One event: decide, put out, then tell.
    async fn turn(&mut self, event: Event<'_>) -> Result<Output> {
        self.look_at_driver();
        let now_ns = clock::now_ns();
        let output = self.lease.step(now_ns, event);
        let wheels = self.driver.put(now_ns, self.mixer.mix(output.forward, output.turn))?;
        self.note(now_ns, &output);
        let message = self.lease.state(&output, wheels.left, wheels.right);
        if let Some(state) = &mut self.state {
            state.send_at(now_ns, message).await?;
        }
        Ok(output)
    }

    fn look_at_driver(&mut self) {
        let trouble = self.driver.trouble();
        let ready = trouble.is_none();
        if ready != self.ready {
            self.ready = ready;
            self.lease.step(clock::now_ns(), Event::Driver { ready });
        }
        if let Some(line) = self.journal.trouble(trouble) {
            if ready { tracing::info!("{line}") } else { tracing::warn!("{line}") }
        }
    }

    fn note(&mut self, now_ns: i64, output: &Output) {
        if let Some(line) = self.journal.mode(now_ns, output, self.lease.source()) {
            tracing::info!("{line}");
        }
        if let Some(line) = self.journal.refusal(now_ns, output.refusal) {
            tracing::warn!("{line}");
        }
    }

    /// Neutral, and told so; waits until it has reached the motor, within the driver's bound.
    async fn stop(mut self) -> Result<()> {
        let told = self.turn(Event::Stop).await;
        let Motor { driver, state, .. } = self;
        drop(state); // what it sent is on its way
        // Not on this thread, so that the last state leaves meanwhile.
        tokio::task::spawn_blocking(move || drop(driver)).await.map_err(Error::other)?;
        told.map(drop)
    }
}

/// The next command, or the time `wake`, whichever comes first.
async fn wait(commands: &mut Subscriber<Drive>, wake: Instant) -> Result<Woken> {
    tokio::select! {
        // First the timer: a flood of whatever is no command must not keep the motor from stopping in time.
        biased;
        () = sleep_until(wake) => Ok(Woken::Timer),
        // Every one, not only the latest: none may be overlooked that says stop.
        command = commands.next() => match command {
            Ok(Some(command)) => Ok(Woken::Command(command)),
            Ok(None) => Ok(Woken::Stop),
            Err(Error::Silent { .. }) => Ok(Woken::Timer), // the lease knows better when to stop
            Err(error) => Err(error),
        },
    }
}

/// When `at_ns` on the machine's steady timeline will be, or `now` if it was.
fn instant(now: Instant, at_ns: i64) -> Instant {
    let left_ns = at_ns.saturating_sub(clock::now_ns());
    now + Duration::from_nanos(left_ns.try_into().unwrap_or(0))
}
