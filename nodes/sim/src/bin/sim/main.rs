//! The node `sim`: a small simulated car on a closed track, in the place of a camera and a motor.
//!
//! It obeys commands by the rules that the node `motor` keeps ([`offboard::motion`]), and its pictures are stamped when they are
//! taken, however late they are sent. It never shows a picture of a moment that it did not simulate.

use std::{process::ExitCode, sync::Arc, time::Duration};

use offboard::{
    CompressedImage, Drive, Error, Message, MotorState, Name as _, Node, Pose, Publisher, RawImage, Result, Subscriber,
    clock,
    motion::{Event as Heard, Journal, Lease, Output},
};
use offboard_sim::{Camera, Event, Track, World};
use tokio::time::{Instant, sleep_until};

use crate::{
    eye::{Exposure, Eye},
    params::{FRAMES, Params, Settings},
};

mod eye;
mod params;

/// Outputs of pose and state while no command comes, as often as a motor's.
const PERIOD: Duration = Duration::from_millis(20);

/// Between two looks at the lease while time is caught up with.
const STEP_NS: i64 = 5_000_000;

/// Time that a held-up process never catches up with: then the world stood still, as in a debugger.
const CATCH_UP_NS: i64 = 250_000_000;

fn main() -> ExitCode {
    offboard::main(run)
}

async fn run() -> Result<()> {
    let node =
        offboard::describe("Simulates a small car with a camera on a closed track, in the place of camera and motor")
            .input::<Drive>("drive", "the commands, obeyed as the node motor obeys them")
            .output_when(
                FRAMES,
                "encoding",
                &[("jpeg", CompressedImage::full_name()), ("rgb8", RawImage::full_name())],
                "what the car sees, stamped when it was taken",
            )
            .output::<Pose>("pose", "where the car is, how many laps it did, whether it is off the road")
            .output::<MotorState>("state", "what was put out, and how old the command and its picture were")
            .params::<Params>()
            .node()?;
    let settings = node.params::<Params>()?.settings()?;
    let track = Arc::new(Track::new(settings.seed));
    tracing::info!("track {}: {:.1} m around", settings.seed, track.length());
    Robot::start(&node, &settings, track).await?.serve(&node).await
}

/// The car, the lease on its motion, and who hears of it.
struct Robot {
    world: World,
    lease: Lease,
    journal: Journal,
    /// Until when the world was simulated.
    now_ns: i64,
    state: Option<Publisher<MotorState>>,
    pose: Option<Publisher<Pose>>,
    eye: Option<Eye>,
    frame_period: Duration,
}

/// What the work loop waited for.
enum Woken {
    Command(Message<Drive>),
    /// The lease or the camera is due.
    Timer,
    /// State and pose are due.
    Tick,
    Stop,
}

impl Robot {
    async fn start(node: &Node, settings: &Settings, track: Arc<Track>) -> Result<Robot> {
        let camera = Camera::new(track.clone(), settings.size, settings.weather);
        Ok(Robot {
            world: World::new(track, settings.put_back_s).with_strength(settings.strength),
            lease: Lease::new(settings.rules),
            journal: Journal::default(),
            now_ns: clock::now_ns(),
            state: if node.has_output("state") { Some(node.publish("state").await?) } else { None },
            pose: if node.has_output("pose") { Some(node.publish("pose").await?) } else { None },
            eye: if node.has_output(FRAMES) { Some(Eye::start(node, camera, settings).await?) } else { None },
            frame_period: settings.frame_period,
        })
    }

    /// Drives until `launch` asks the node to stop.
    async fn serve(mut self, node: &Node) -> Result<()> {
        let mut commands = if node.has_input("drive") { Some(node.subscribe("drive").await?) } else { None };
        let mut rate = node.every(PERIOD);
        let start = Instant::now();
        let (mut frame, mut wake) = (start, start);
        loop {
            let woken = tokio::select! {
                // First time: a flood of commands must not keep the car from being simulated.
                biased;
                tick = rate.tick() => if tick.is_some() { Woken::Tick } else { Woken::Stop },
                () = sleep_until(wake) => Woken::Timer,
                woken = command(commands.as_mut()) => woken?,
            };
            let now_ns = self.advance();
            let output = match &woken {
                Woken::Command(command) => self.obey(now_ns, Heard::Command(&command.header, &command.body)).await?,
                Woken::Timer | Woken::Tick => self.obey(now_ns, Heard::Tick).await?,
                Woken::Stop => return Ok(()),
            };
            if matches!(woken, Woken::Tick) {
                self.tell_pose(node, now_ns).await?;
            }
            let now = Instant::now();
            if frame <= now {
                frame = after(frame, self.frame_period, now);
                self.look(now_ns);
            }
            wake = output.wake_ns.map_or(frame, |at_ns| frame.min(instant(now, at_ns)));
        }
    }

    /// Simulates until now, the lease deciding at each step, and says until when.
    fn advance(&mut self) -> i64 {
        let now_ns = clock::now_ns();
        self.now_ns = self.now_ns.max(now_ns - CATCH_UP_NS);
        while self.now_ns < now_ns {
            let until_ns = now_ns.min(self.now_ns + STEP_NS);
            let output = self.lease.step(until_ns, Heard::Tick);
            let passed_s = (until_ns - self.now_ns) as f64 / 1e9;
            for event in self.world.step(output.forward, output.turn, passed_s) {
                tell(event);
            }
            self.now_ns = until_ns;
        }
        self.now_ns
    }

    /// One event for the lease, told as a motor tells it.
    async fn obey(&mut self, now_ns: i64, event: Heard<'_>) -> Result<Output> {
        let output = self.lease.step(now_ns, event);
        if let Some(line) = self.journal.mode(now_ns, &output, self.lease.source()) {
            tracing::info!("{line}");
        }
        if let Some(line) = self.journal.refusal(now_ns, output.refusal) {
            tracing::warn!("{line}");
        }
        let message = self.lease.state(&output, output.forward, output.turn);
        if let Some(state) = &mut self.state {
            state.send_at(now_ns, message).await?;
        }
        Ok(output)
    }

    fn look(&mut self, now_ns: i64) {
        if let Some(eye) = &mut self.eye {
            eye.look(Exposure { pose: self.world.pose(), stamp_ns: now_ns });
        }
    }

    async fn tell_pose(&mut self, node: &Node, now_ns: i64) -> Result<()> {
        let pose = self.world.pose();
        node.gauge("laps", f64::from(pose.laps_any), "");
        node.gauge("departures", f64::from(pose.departures), "");
        match &mut self.pose {
            Some(topic) => topic.send_at(now_ns, pose).await,
            None => Ok(()),
        }
    }
}

/// What a spectator would call out.
fn tell(event: Event) {
    match event {
        Event::Lap { number, seconds, clean: true } => tracing::info!("lap {number}: {seconds:.1} s"),
        Event::Lap { number, seconds, clean: false } => {
            tracing::info!("lap {number}: {seconds:.1} s, not always on the road");
        }
        Event::Left { progress } => tracing::warn!("left the road after {:.0} % of the lap", progress * 100.0),
        Event::Returned { seconds } => tracing::info!("on the road again after {seconds:.1} s"),
        Event::PutBack => tracing::warn!("put back onto the road"),
    }
}

/// The next command; never one where the graph gives no such input.
async fn command(commands: Option<&mut Subscriber<Drive>>) -> Result<Woken> {
    let Some(commands) = commands else { return std::future::pending().await };
    match commands.next().await {
        Ok(Some(command)) => Ok(Woken::Command(command)),
        Ok(None) => Ok(Woken::Stop),
        Err(Error::Silent { .. }) => Ok(Woken::Timer), // the lease knows better when to stop
        Err(error) => Err(error),
    }
}

/// The next turn on an absolute schedule; what was missed stays missed.
fn after(due: Instant, period: Duration, now: Instant) -> Instant {
    if due + period > now { due + period } else { now + period }
}

/// When `at_ns` on the machine's steady timeline will be, or `now` if it was.
fn instant(now: Instant, at_ns: i64) -> Instant {
    let left_ns = at_ns.saturating_sub(clock::now_ns());
    now + Duration::from_nanos(left_ns.try_into().unwrap_or(0))
}
