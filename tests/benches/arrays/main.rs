//! From an array to its prediction, through real processes: 64 channels at 1 kHz and more, ridge over 50 looks, learned while it runs;
//! beside it some forty lines of Python over pyzmq that do the same with weights from nowhere. `cargo bench -p offboard-tests --bench
//! arrays [-- --quick]`
//!
//! The time is from the array's stamp, taken when it was sent, until its prediction is sent, in microseconds. It asserts nothing.

#![expect(clippy::expect_used, reason = "a bench that cannot go on says why and ends")]

use offboard::{ModelPhase, ModelState};
use offboard_tests::{
    Bed, EAR,
    bench::{Rounds, heading, is_quick, row},
    python, root, until,
};

/// The same question to each of these.
const ANSWERERS: [&str; 2] = ["model", "plain"];

fn main() {
    let rounds = if is_quick() { 1 } else { 3 };
    heading("64 channels × 50 looks → prediction sent", "p50 / p99 µs");
    for (rate, reach) in [(1000, "200 /"), (10_000, "nothing lost")] {
        let mut spans = [Rounds::default(), Rounds::default()];
        let mut lost = [0, 0];
        for _ in 0..rounds {
            for (at, answerer) in ANSWERERS.iter().enumerate() {
                let (ages, missing) = answers(answerer, rate, if is_quick() { 2 * rate } else { 10 * rate });
                spans[at].add(&ages);
                lost[at] += missing;
            }
        }
        for ((answerer, spans), lost) in ANSWERERS.iter().zip(&spans).zip(lost) {
            let what = if *answerer == "model" {
                "the model, learning beside"
            } else {
                "40 lines over pyzmq, only predicting"
            };
            row(
                &format!("{what}, {rate} Hz, {lost} lost"),
                spans.cell(),
                if *answerer == "model" { reach } else { "" },
            );
        }
    }
}

/// Ages of `count` answers in microseconds, and how many arrays were never answered.
fn answers(answerer: &str, rate: usize, count: usize) -> (Vec<f64>, u64) {
    let bed = Bed::new();
    let launch = bed.launch(&[bed.file("arrays.toml", &graph(answerer, rate))]);
    launch.all_ready(4);
    if answerer == "model" {
        let mut state = bed.ear("arrays", "model/state", "ear", "state");
        until("it predicts", || {
            let state = state.hear().decode::<ModelState>().expect("readable").body;
            (state.phase() == ModelPhase::Predicting).then_some(())
        });
    }
    let mut ear = bed.ear("arrays", &format!("{answerer}/prediction"), "ear", "prediction");
    let mut ages = Vec::new();
    while ages.len() < count {
        let answer = ear.hear();
        if !answer.is_no_data() {
            ages.push((answer.header.sent_ns - answer.header.stamp_ns) as f64 / 1e3);
        }
    }
    // Whoever answers counts what never reached it, as far as it can; so does whoever listens to the answers.
    let edges = bed.node("arrays", answerer).map(|row| row["edges"].clone()).unwrap_or_default();
    let unheard = edges.as_array().into_iter().flatten().find(|edge| edge["port"] == "input");
    let unheard = unheard.and_then(|edge| edge["gaps"].as_u64()).unwrap_or(0);
    drop(launch);
    (ages, ear.gaps() + unheard)
}

fn graph(answerer: &str, rate: usize) -> String {
    let node = match (answerer, python()) {
        ("model", _) => format!(
            "[node.model]\nsubscribe = {{ input = {{ topic = \"emg/array\", keep = 2000 }}, target = {{ topic = \"hand/array\", keep = 2000 }} }}\n\
             params = {{ kind = \"ridge\", window = \"0s\", lags = 50, collect = {}, refit_every = \"10s\", lambda = 0.001 }}\n",
            2 * 1000
        ),
        (_, python) => format!(
            "[node.plain]\nrun = [{:?}, {:?}]\nsubscribe = {{ input = {{ topic = \"emg/array\", keep = 2000 }} }}\npublish = {{ prediction = \"Array\" }}\n",
            python.expect("a Python with pyzmq, protobuf and numpy: tests/setup.sh test"),
            root().join("tests/benches/arrays/plain.py")
        ),
    };
    let state = if answerer == "model" { ", state = { topic = \"model/state\", keep = 100 }" } else { "" };
    format!(
        "[graph]\nname = \"arrays\"\n\
         [node.emg]\nrun = \"dummy\"\nparams = {{ shape = [64], type = \"random\", rate = {rate} }}\n\
         [node.hand]\nrun = \"dummy\"\nparams = {{ shape = [2], type = \"random\", rate = 1000 }}\n\
         {node}\
         [node.ear]\n{EAR}\nsubscribe = {{ prediction = {{ topic = \"{answerer}/prediction\", keep = 10000 }}{state} }}\n"
    )
}
