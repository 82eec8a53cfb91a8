//! `chaos`: runs graphs, breaks their nodes at random, and measures how they mend.
//!
//! The graphs run in a [`launch of our own`](stage), seen by nobody else. The [`plan`] is drawn from the seed alone; a [`trial`] is one
//! fault and what follows; [`losses`] is what others missed meanwhile; [`tally`] is what people read in the end.
//!
//! It never touches a process that its own launch did not start.

use std::time::{Duration, Instant};

use offboard::clock;
use serde::Serialize;
use tokio::{
    runtime::Builder,
    signal::unix::{SignalKind, signal},
    time::sleep,
};

use self::{
    eyes::Eyes,
    losses::{Counts, Lost},
    plan::{Fault, Plan, Step, Subject, subjects},
    stage::{Stage, is_up},
    tally::{Row, Sum, sums, tables},
    trial::{Outcome, Times},
};
use crate::{
    cli::ChaosArgs,
    client::Client,
    control::TopicView,
    failure::Failure,
    files::load,
    print::{print, print_json},
    supervisor::code,
};

mod eyes;
mod losses;
mod plan;
mod stage;
mod tally;
mod trial;
mod victim;

/// How long all run in peace first: links meet, queues fill.
const WARM_UP: Duration = Duration::from_millis(1500);

/// How much longer than its restart's window a node must have lived to be ended again: then its new process is started at once, and it
/// is never given up for our doing.
const MARGIN: Duration = Duration::from_millis(100);

/// How often is looked whether it has lived so long.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A line of `--json`.
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Line<'a> {
    Begin {
        seed: u64,
        nodes: Vec<String>,
    },
    Fault {
        #[serde(flatten)]
        row: &'a Row,
    },
    Summary {
        #[serde(flatten)]
        sum: &'a Sum,
    },
}

/// `chaos`.
pub(crate) fn chaos(args: &ChaosArgs) -> Result<(), Failure> {
    let color = anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never;
    if args.within.is_zero() {
        return Err(Failure::new(code::USAGE, "--for 0s breaks nothing; write for instance --for 60s"));
    }
    let loaded = load(&args.files, &args.sets.sets, color)?;
    let subjects = subjects(&loaded);
    // Short enough to be typed.
    let seed = args.seed.unwrap_or_else(|| clock::monotonic_ns().unsigned_abs() / 1000 % 1_000_000);
    let names: Vec<String> = subjects.iter().map(|subject| format!("{}:{}", subject.graph, subject.node)).collect();
    eprintln!("launch: chaos with seed {seed} for {:?} among {}", args.within, names.join(", "));
    if args.json {
        print_json(&Line::Begin { seed, nodes: names })?;
    }
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let mut scene = Scene { json: args.json, seed, within: args.within, subjects, rows: Vec::new() };
    let ended = runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            ended = scene.play(args, loaded.len()) => ended,
            _ = interrupt.recv() => Err(Failure::drawn(code::SIGNAL + 2, String::new())),
            _ = terminate.recv() => Err(Failure::drawn(code::SIGNAL + 15, String::new())),
        }
    });
    scene.tell()?;
    ended?;
    scene.verdict()
}

/// All that is broken, and what came of it.
struct Scene {
    json: bool,
    seed: u64,
    within: Duration,
    subjects: Vec<Subject>,
    rows: Vec<Row>,
}

impl Scene {
    /// Runs the graphs, breaks them until the time is over, and ends them.
    async fn play(&mut self, args: &ChaosArgs, graphs: usize) -> Result<(), Failure> {
        let mut stage = Stage::start(&args.files, &args.sets.sets)?;
        let patience = self.subjects.iter().map(|subject| subject.patience).max().unwrap_or_default();
        let mut clients = stage.until_up(graphs, self.subjects.len(), patience).await?;
        let topics: Result<Vec<_>, Failure> = clients.iter_mut().map(Client::topics).collect();
        let topics: Vec<TopicView> = topics?.into_iter().flat_map(|(topics, _)| topics).collect();
        let mut eyes = Eyes::open(clients)?;
        sleep(WARM_UP).await;
        self.break_things(&mut stage, &mut eyes, &topics).await
    }

    async fn break_things(&mut self, stage: &mut Stage, eyes: &mut Eyes, topics: &[TopicView]) -> Result<(), Failure> {
        let began = Instant::now();
        let mut counts = Counts::of(&eyes.next().await.nodes);
        for Step { subject, fault, pause } in Plan::new(self.seed, &self.subjects) {
            let Some(subject) = self.subjects.get(subject).cloned() else { break };
            if !until_due(&subject, fault, eyes, began + self.within).await {
                break;
            }
            let at = began.elapsed();
            let before = others(eyes, &subject);
            let outcome = trial::run(&subject, fault, stage.pid(), eyes, topics).await;
            let (done, times, why) = match outcome {
                Outcome::Recovered(times) => (true, times, None),
                Outcome::Broken(times, why) => (true, times, Some(why)),
                Outcome::Skipped(why) => {
                    let (at, fault) = (at.as_secs_f64(), fault.word());
                    eprintln!("{at:6.1} s  {fault}  {}:{} is left alone: {why}", subject.graph, subject.node);
                    (false, Times::default(), None)
                }
            };
            sleep(pause).await;
            let now = Counts::of(&eyes.next().await.nodes);
            let lost = now.lost_since(&counts, &subject, topics);
            counts = now;
            let why = why.or_else(|| also_ended(&before, &others(eyes, &subject)));
            if done || why.is_some() || lost.lost > 0 {
                self.note(at, &subject, fault, times, lost, why)?;
            }
            if stage.has_ended() {
                return Err(stage.failure("the graphs ended"));
            }
        }
        Ok(())
    }

    fn note(
        &mut self,
        at: Duration,
        subject: &Subject,
        fault: Fault,
        times: Times,
        lost: Lost,
        why: Option<String>,
    ) -> Result<(), Failure> {
        let recovered = why.is_none();
        let row = Row { recovered, why, ..Row::new(at, (&subject.graph, &subject.node), fault, times, lost) };
        eprint!("{}", row.line());
        if self.json {
            print_json(&Line::Fault { row: &row })?;
        }
        self.rows.push(row);
        Ok(())
    }

    /// What came of it, on stdout.
    fn tell(&self) -> Result<(), Failure> {
        if self.json {
            return sums(&self.rows).iter().try_for_each(|sum| print_json(&Line::Summary { sum }));
        }
        print(&tables(&self.rows))
    }

    /// Whether all is well.
    fn verdict(&self) -> Result<(), Failure> {
        let complaints: Vec<String> = self.rows.iter().filter_map(Row::complaint).collect();
        if complaints.is_empty() {
            return Ok(());
        }
        let all = complaints.join("\n  ");
        Err(Failure::new(code::OTHER, format!("not all is well (seed {}):\n  {all}", self.seed)))
    }
}

/// Waits until a fault would be the only end of a node in its restart's window; false when that is after the end.
async fn until_due(subject: &Subject, fault: Fault, eyes: &mut Eyes, end: Instant) -> bool {
    while Instant::now() < end {
        let seen = eyes.now();
        let view = seen.node(&subject.graph, &subject.node);
        let lived = view.and_then(|view| view.uptime_s).unwrap_or(f64::INFINITY);
        let fresh = view.is_none_or(|view| view.restarts == 0);
        if !fault.ends() || fresh || lived >= (subject.restart.window + MARGIN).as_secs_f64() {
            return true;
        }
        sleep(LOOK_EVERY).await;
    }
    false
}

/// How often each node but one got a new process, and whether it has one.
fn others(eyes: &mut Eyes, victim: &Subject) -> Vec<(String, u32, bool)> {
    let seen = eyes.now();
    let others = seen.nodes.iter().filter(|view| view.graph != victim.graph || view.node != victim.node);
    others.map(|view| (format!("{}:{}", view.graph, view.node), view.restarts, is_up(&view.state))).collect()
}

/// Who ended although another was broken.
fn also_ended(before: &[(String, u32, bool)], after: &[(String, u32, bool)]) -> Option<String> {
    let hit = |(name, restarts, up): &&(String, u32, bool)| {
        let was = before.iter().find(|(other, ..)| other == name);
        was.is_some_and(|(_, were, was_up)| restarts > were || *was_up && !up)
    };
    let hit: Vec<&str> = after.iter().filter(hit).map(|(name, ..)| name.as_str()).collect();
    if hit.is_empty() { None } else { Some(format!("{} ended too", hit.join(", "))) }
}
