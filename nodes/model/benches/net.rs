//! The network on one core, ours beside candle's own layers, PyTorch and onnxruntime in the same run. `cargo bench -p offboard-model
//! --bench net`
//!
//! Milliseconds of a prediction, and samples a second while learning at batch 32 (forward, backward, a step of Adam; ours also prepares
//! and augments its pictures). All in processor time on one core, so that other work on the machine does not count. Rounds alternate;
//! medians are printed. PyTorch needs a Python with torch, onnxruntime and onnx: `OFFBOARD_PYTHON=…`; without it its columns stay
//! empty. It asserts nothing.

#![expect(clippy::unwrap_used, reason = "a measurement that cannot go on ends")]

use std::{
    env,
    io::{BufRead as _, BufReader, Write as _},
    ops::ControlFlow,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use offboard_model::net::{
    Augment, Dataset, Layer, Net, Options, Outcome, Preprocess, Shape, Size, Split, Trainer, stock, stock_gradients,
};
use rustix::{
    thread::{CpuSet, sched_getaffinity, sched_setaffinity},
    time::{ClockId, clock_gettime},
};

const ROUNDS: usize = 5;
const BATCH: usize = 32;

fn main() {
    one_core();
    println!("{:>10} {:>9} {:>38} {:>38} {:>19}", "", "", "predict ms", "samples/s", "ratio to PyTorch");
    println!(
        "{:>10} {:>9} {:>8} {:>8} {:>9} {:>10} {:>12} {:>12} {:>12} {:>9} {:>9}",
        "network", "numbers", "ours", "candle", "PyTorch", "onnx", "ours", "candle", "PyTorch", "predict", "learn"
    );
    for size in [Size::Small, Size::Medium, Size::Donkeycar] {
        let shape = Shape { size, extras: 0, outputs: 2 };
        let mut torch = Torch::start(&shape);
        let mut rounds: [Vec<f64>; 7] = Default::default();
        for _ in 0..ROUNDS {
            let [predict, onnx, learn] = torch.as_mut().map_or([f64::NAN; 3], Torch::measure);
            let ours = [predict_ours(&shape), predict_stock(&shape), predict, onnx];
            let all = ours.into_iter().chain([learn_ours(&shape), learn_stock(&shape), learn]);
            rounds.iter_mut().zip(all).for_each(|(round, number)| round.push(number));
        }
        let m = rounds.map(median);
        println!(
            "{:>10} {:>9} {:>8.3} {:>8.3} {:>9.3} {:>10.3} {:>12.0} {:>12.0} {:>12.0} {:>9.2} {:>9.2}",
            size.to_string(),
            shape.parameters(),
            m[0],
            m[1],
            m[2],
            m[3],
            m[4],
            m[5],
            m[6],
            m[0] / m[2],
            m[4] / m[6]
        );
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// This process and its children, on the last core that they may use.
fn one_core() {
    let may = sched_getaffinity(None).unwrap();
    let last = (0..CpuSet::MAX_CPU).rev().find(|core| may.is_set(*core)).unwrap();
    let mut one = CpuSet::new();
    one.set(last);
    sched_setaffinity(None, &one).unwrap();
}

fn seconds() -> f64 {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    now.tv_sec as f64 + now.tv_nsec as f64 * 1e-9
}

/// Seconds of processor time of each of so many calls.
fn each(count: usize, mut call: impl FnMut()) -> f64 {
    call();
    let began = seconds();
    (0..count).for_each(|_| call());
    (seconds() - began) / count as f64
}

fn count(shape: &Shape, small: usize) -> usize {
    match shape.size {
        Size::Small => small,
        Size::Medium => small / 8,
        Size::Donkeycar => small / 16,
    }
    .max(1)
}

fn picture(shape: &Shape) -> Vec<f32> {
    let mut rng = fastrand::Rng::with_seed(1);
    (0..shape.inputs()).map(|_| rng.f32() * 2.0 - 1.0).collect()
}

fn predict_ours(shape: &Shape) -> f64 {
    let (mut net, picture, mut out) = (Net::new(shape, 1), picture(shape), [0.0; 2]);
    each(count(shape, 2000), || net.predict(&picture, &[], &mut out).unwrap()) * 1e3
}

fn predict_stock(shape: &Shape) -> f64 {
    let (net, picture) = (Net::new(shape, 1), picture(shape));
    each(count(shape, 160), || drop(stock(&net, &picture, &[]).unwrap())) * 1e3
}

fn learn_ours(shape: &Shape) -> f64 {
    let preprocess = Preprocess::of(shape, 0.0);
    let mut data = Dataset::new(shape);
    let mut rng = fastrand::Rng::with_seed(1);
    let samples = BATCH * count(shape, 48);
    for sample in 0..samples {
        let picture: Vec<u8> = (0..shape.inputs()).map(|_| rng.u8(..)).collect();
        data.push(&picture, &[], &[rng.f32(), rng.f32()], sample as i64).unwrap();
    }
    let split = Split::all(&data);
    let options = Options { batch: BATCH, augment: Augment::driving(0, Vec::new()), ..Options::default() };
    let mut trainer = Trainer::new(Net::new(shape, 1), &preprocess, options);
    let began = seconds();
    let outcome = trainer.epoch(&data, &split, |_| ControlFlow::Continue(())).unwrap();
    assert!(matches!(outcome, Outcome::Done(_)));
    samples as f64 / (seconds() - began)
}

fn learn_stock(shape: &Shape) -> f64 {
    let net = Net::new(shape, 1);
    let pictures = picture(shape).repeat(BATCH);
    let targets = [0.5; 2 * BATCH];
    let batch = each(count(shape, 16), || drop(stock_gradients(&net, (&pictures, &[], &targets)).unwrap()));
    BATCH as f64 / batch
}

/// The same network in PyTorch, in a process of its own.
struct Torch {
    child: Child,
    ask: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Torch {
    fn start(shape: &Shape) -> Option<Torch> {
        let python = env::var("OFFBOARD_PYTHON").unwrap_or_else(|_| "python3".to_owned());
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/net.py");
        let layers = shape.layers();
        let layers = layers.iter().map(|layer| match layer {
            Layer::Conv { channels, kernel, stride, outputs, .. } => {
                format!("conv,{channels},{outputs},{kernel},{stride}")
            }
            Layer::Dense { inputs, outputs, relu } => format!("dense,{inputs},{outputs},{}", u8::from(*relu)),
        });
        let mut child = Command::new(python)
            .arg(script)
            .args(
                [shape.height(), shape.width(), shape.channels(), count(shape, 400), count(shape, 48)]
                    .map(|n| n.to_string()),
            )
            .args(layers)
            .env("OMP_NUM_THREADS", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .ok()?;
        let (ask, answers) = (child.stdin.take()?, BufReader::new(child.stdout.take()?));
        let mut torch = Torch { child, ask, answers };
        let ready = torch.line();
        (ready.trim() == "ready").then_some(torch)
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        line
    }

    /// Milliseconds of a prediction by PyTorch and by onnxruntime, samples a second of learning.
    fn measure(&mut self) -> [f64; 3] {
        writeln!(self.ask, "go").unwrap();
        let numbers: Vec<f64> = self.line().split_whitespace().map(|number| number.parse().unwrap()).collect();
        numbers.try_into().unwrap()
    }
}

impl Drop for Torch {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may have ended by itself
        let _ = self.child.wait();
    }
}
