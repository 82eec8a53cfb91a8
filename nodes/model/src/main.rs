//! The node `model`, and the verbs `train` and `eval` that make and judge what it drives by.

use std::process::ExitCode;

use offboard::{Array, Drive, ModelState, MotorState, PilotState, Result};
use offboard_model::{arrays, eval, kinds, live, pictures, train};
use serde_json::{Map, Value};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.first().map(String::as_str) {
        Some("train") => train::main(&words),
        Some("eval") => eval::main(&words),
        _ => offboard::main(run),
    }
}

async fn run() -> Result<()> {
    let node = offboard::describe(
        "Learns what to do from what was done: pictures to commands, or arrays to arrays (kind); \
         model train and model eval work on recordings",
    )
    .optional_input_kinds("frames", &pictures::decode::kinds(), "cnn: what the robot sees")
    .input::<Drive>("drive", "cnn: what is commanded, to learn from: the pilot's output")
    .input::<PilotState>("pilot", "cnn: who drives; only the human is learned from, and corrections count more")
    .input::<MotorState>("motor", "cnn: what the motor does; measures how long picture to motion takes")
    .input::<Array>("input", "arrays: what is predicted from")
    .input::<Array>("target", "arrays: what should have been predicted")
    .any_inputs()
    .output::<Drive>("drive", "cnn: what the model would do, with the picture's stamp")
    .output::<Array>("prediction", "arrays: what is predicted, with the input's stamp")
    .output::<ModelState>("state", "what it does, how well it does, and why it does not")
    .params::<kinds::Params>()
    .node()?;
    if kinds::is_arrays(&node.params::<Map<String, Value>>()?) {
        let params = node.params()?;
        return arrays::run(node, params).await;
    }
    let params = node.params()?;
    live::run(&node, params).await
}
