//! What the recorder's tests and bench share: publishers that remember what they sent, and a recorder started by hand as `launch
//! record` starts it. It never ends a process that it did not start.

use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use offboard::{
    Array, CompressedImage, Name, Node, clock,
    wiring::{Endpoint, NodeWiring, OutputWiring},
};
use rustix::process::Signal;
use serde_json::Value;

use crate::{Bed, bin_dir, exit_code, signal, until};

const OUGHT: &str = "a test that cannot go on ends";

/// Bytes that messages are cut from.
const NOISE: usize = 1 << 20;

/// The topics of a program.
#[must_use]
pub fn topics(program: Program) -> Vec<&'static str> {
    program.iter().map(|(topic, ..)| *topic).collect()
}

/// What a test says all the time: topics, bytes of a message, messages a second.
pub type Program = &'static [(&'static str, usize, u32)];

/// What was sent on each topic, in order: when, nanoseconds on the steady timeline. Its place is its number, from 1.
pub type Sent = Arc<Mutex<BTreeMap<&'static str, Vec<i64>>>>;

/// Publishers of the test's own, each with an edge to the recorder and one to a neighbour.
#[derive(Debug)]
pub struct Speakers {
    /// What was sent so far.
    pub sent: Sent,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// The endpoint of a topic for one listener.
#[must_use]
pub fn address(bed: &Bed, topic: &str, to: &str) -> String {
    format!("ipc://{}", bed.files().join(format!("{}-{to}", topic.replace('/', "-"))).display())
}

/// An output with an edge to the recorder and one to a neighbour.
#[must_use]
pub fn output(bed: &Bed, topic: &str, kind: String) -> OutputWiring {
    let endpoints = ["recorder", "neighbour"].map(|to| Endpoint { address: address(bed, topic, to), keep: Some(4096) });
    OutputWiring { name: topic.replace('/', "_"), topic: topic.to_owned(), kind, endpoints: endpoints.into() }
}

/// The wiring of a node of the test's own.
#[must_use]
pub fn wiring(name: &str, outputs: Vec<OutputWiring>) -> NodeWiring {
    NodeWiring {
        graph: "robot".to_owned(),
        name: name.to_owned(),
        inputs: Vec::new(),
        outputs,
        params: serde_json::Map::new(),
        clock_offset_ns: 0,
        status: None,
    }
}

impl Speakers {
    /// Says all the time what the program says.
    ///
    /// # Panics
    /// Never.
    #[must_use]
    pub fn start(bed: &Bed, program: Program) -> Speakers {
        let (sent, over) = (Sent::default(), Arc::new(AtomicBool::new(false)));
        let outputs = program.iter().map(|(topic, ..)| output(bed, topic, kind_of(topic))).collect();
        let (told, stop) = (sent.clone(), over.clone());
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect(OUGHT);
            runtime.block_on(speak(wiring("speakers", outputs), program, &told, &stop));
        });
        Speakers { sent, over, thread: Some(thread) }
    }

    /// Says no more; what was sent.
    ///
    /// # Panics
    /// When the speaking thread did.
    #[must_use]
    pub fn end(mut self) -> BTreeMap<&'static str, Vec<i64>> {
        self.over.store(true, Relaxed);
        self.thread.take().expect(OUGHT).join().expect(OUGHT);
        self.sent.lock().expect(OUGHT).clone()
    }
}

fn kind_of(topic: &str) -> String {
    if topic.ends_with("frames") { CompressedImage::full_name() } else { Array::full_name() }
}

async fn speak(wiring: NodeWiring, program: Program, sent: &Sent, over: &AtomicBool) {
    let node = Node::start(wiring).expect(OUGHT);
    // What sensors say cannot be packed well.
    let mut random = fastrand::Rng::with_seed(5);
    let noise = bytes::Bytes::from_iter(std::iter::repeat_with(|| random.u8(..)).take(NOISE));
    let mut arrays = BTreeMap::new();
    let mut pictures = BTreeMap::new();
    for (topic, ..) in program {
        let name = topic.replace('/', "_");
        if topic.ends_with("frames") {
            pictures.insert(*topic, node.publish::<CompressedImage>(&name).await.expect(OUGHT));
        } else {
            arrays.insert(*topic, node.publish::<Array>(&name).await.expect(OUGHT));
        }
    }
    let began = Instant::now();
    let mut counts = vec![0_u32; program.len()];
    while !over.load(Relaxed) {
        for ((topic, bytes, rate), count) in program.iter().zip(&mut counts) {
            while f64::from(*count) < began.elapsed().as_secs_f64() * f64::from(*rate) {
                *count += 1;
                let from = *count as usize * 61 % (NOISE - *bytes);
                let data = noise.slice(from..from + *bytes);
                sent.lock().expect(OUGHT).entry(topic).or_default().push(clock::now_ns());
                if let Some(output) = pictures.get_mut(topic) {
                    let image = CompressedImage { data, format: "jpeg".into(), ..CompressedImage::default() };
                    output.send(image).await.expect(OUGHT);
                } else {
                    let shape = vec![*bytes as u32];
                    let array = Array { dtype: 1, shape, data, columns: Vec::new() };
                    arrays.get_mut(topic).expect(OUGHT).send(array).await.expect(OUGHT);
                }
            }
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    for output in arrays.into_values() {
        output.close().await;
    }
    for output in pictures.into_values() {
        output.close().await;
    }
}

/// A recorder that the test started itself, as `launch record` does.
#[derive(Debug)]
pub struct Recorder {
    child: Child,
    log: PathBuf,
}

impl Recorder {
    /// Starts it with inputs T0, T1, …; what the topics desk/control and gamepad/pad carry goes to the inputs of those names.
    #[must_use]
    pub fn start(bed: &Bed, topics: &[&str], params: &Value) -> Recorder {
        Recorder::run(bed, Command::new(bin_dir().join("recorder")), topics, params)
    }

    /// The same with another command.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn run(bed: &Bed, mut command: Command, topics: &[&str], params: &Value) -> Recorder {
        let log = bed.files().join("recorder.log");
        let stderr = fs::File::options().append(true).create(true).open(&log).expect(OUGHT);
        for (number, topic) in topics.iter().enumerate() {
            let input = match *topic {
                "desk/control" => "CONTROL".to_owned(),
                "gamepad/pad" => "PAD".to_owned(),
                _ => format!("T{number}"),
            };
            command.env(format!("LAUNCH_SUB_{input}"), format!("{} {topic} *", address(bed, topic, "recorder")));
        }
        let state = format!("recorder/state offboard.v1.RecorderState {}", address(bed, "recorder/state", "test"));
        let child = command
            .env("LAUNCH_GRAPH", "robot")
            .env("LAUNCH_NODE", "recorder")
            .env("LAUNCH_PUB_STATE", state)
            .env("LAUNCH_PARAMS", params.to_string())
            .current_dir(bed.files())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(stderr)
            .spawn()
            .expect(OUGHT);
        Recorder { child, log }
    }

    /// What it said so far.
    ///
    /// # Panics
    /// When there is no such file.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).expect(OUGHT)
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends it at once.
    ///
    /// # Panics
    /// When it ended before.
    pub fn kill(&mut self) {
        self.child.kill().expect(OUGHT);
        self.child.wait().expect(OUGHT);
    }

    /// Asks it to end, and waits until it did.
    ///
    /// # Panics
    /// When it does not, or not well.
    pub fn end(&mut self) {
        signal(self.child.id(), Signal::TERM);
        let status = until("the recorder ends", || self.child.try_wait().expect(OUGHT));
        assert_eq!(exit_code(status), 0, "{}", self.log());
    }

    /// Whether it runs.
    ///
    /// # Panics
    /// Never.
    pub fn lives(&mut self) -> bool {
        self.child.try_wait().expect(OUGHT).is_none()
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        if thread::panicking() {
            println!("--- the recorder said:\n{}\n---", self.log());
        }
    }
}
