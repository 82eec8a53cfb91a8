//! The whole loop: a picture is captured on the robot, crosses the link, the desktop's pilot reads it, its command comes back
//! over the link and reaches the robot's motor. `cargo bench -p offboard-tests --bench loop [-- --quick]`
//!
//! 640 × 480 at 30 Hz, raw and as JPEG that the pilot decodes, both graphs run by a real `launch` on this machine; the same
//! without the link; and as little as pyzmq can do, in the same run. The time is the picture's age at the motor on the robot's own
//! clock, in milliseconds, medians over the rounds. It asserts nothing.

#![expect(clippy::expect_used, reason = "a bench that cannot go on says why and ends")]

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use offboard_tests::{
    Bed,
    bench::{Rounds, heading, is_quick, row},
    free_port, python, root, scene, until,
};
use serde_json::{Value, json};

mod nodes;

/// How many different pictures there are.
const PICTURES: usize = 60;
/// Pictures before those that count: connections are made, queues found.
const WARM: usize = 30;

/// What goes round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Picture {
    Raw,
    Jpeg,
}

/// What one loop gave: milliseconds over its rounds.
#[derive(Debug, Default)]
struct Ages {
    /// From the picture's capture to the motor.
    whole: Rounds,
    /// From the capture to the command's sending.
    there: Rounds,
    /// From the command's sending to the motor.
    back: Rounds,
}

fn main() -> ExitCode {
    if env::args().nth(1).as_deref() == Some("node") {
        return offboard::main(nodes::run);
    }
    let (rounds, count) = if is_quick() { (1, 100) } else { (5, 330) };
    let bed = Bed::new();
    let folder = bed.files().join("pictures");
    let bytes = scene::write_jpegs(&folder, PICTURES);
    println!("{rounds} rounds of {count} pictures; a raw one has {} bytes, a JPEG {bytes}", scene::picture(0).len());

    let [mut raw, mut jpeg, mut raw_here, mut jpeg_here, mut tcp, mut ipc] = [(); 6].map(|()| Ages::default());
    for _ in 0..rounds {
        across(&mut raw, Picture::Raw, count, &folder);
        across(&mut jpeg, Picture::Jpeg, count, &folder);
        here(&mut raw_here, Picture::Raw, count, &folder);
        here(&mut jpeg_here, Picture::Jpeg, count, &folder);
        if let Some(python) = python() {
            bare(&mut tcp, &python, "tcp", count);
            bare(&mut ipc, &python, "ipc", count);
        }
    }
    heading("picture captured → pilot reads it → motor", "p50 / p99 ms");
    show("raw, over the link", &raw, "1.5 /");
    show("JPEG with decoding, over the link", &jpeg, "4 / 8");
    show("raw, one machine without a link", &raw_here, "");
    show("JPEG with decoding, one machine without a link", &jpeg_here, "");
    if python().is_some() {
        row("raw, bare pyzmq over tcp", tcp.whole.cell(), "");
        row("raw, bare pyzmq over ipc", ipc.whole.cell(), "");
        row("raw, ours over the link / bare pyzmq over tcp", ratio(&raw, &tcp), "");
        row("raw, ours without a link / bare pyzmq over ipc", ratio(&raw_here, &ipc), "");
    } else {
        println!("no Python with pyzmq to compare with: tests/setup.sh test");
    }
    ExitCode::SUCCESS
}

fn show(what: &str, ages: &Ages, reach: &str) {
    row(what, ages.whole.cell(), reach);
    row("    until the pilot has sent its command", ages.there.cell(), "");
    row("    from there to the motor", ages.back.cell(), "");
}

fn ratio(ours: &Ages, theirs: &Ages) -> String {
    format!("{:.2}", ours.whole.p50() / theirs.whole.p50())
}

/// A round with two machines' graphs, joined by the link.
fn across(ages: &mut Ages, picture: Picture, count: usize, folder: &Path) {
    let (bed, port) = (Bed::new(), free_port());
    let result = bed.files().join("ages");
    let robot = format!(
        "[graph]\nname = \"robot\"\nlisten = \"127.0.0.1:{port}\"\n{}{}[peer.desktop]\n",
        source(picture, folder),
        sink("desktop:pilot/drive", count, &result),
    );
    let desktop = format!(
        "[graph]\nname = \"desktop\"\n{}[peer.robot]\naddress = \"127.0.0.1:{port}\"\n",
        pilot("robot:camera/frames", picture)
    );
    let _launch = bed.launch(&[bed.file("robot.toml", &robot), bed.file("desktop.toml", &desktop)]);
    collect(ages, &result);
}

/// A round with everything in one graph.
fn here(ages: &mut Ages, picture: Picture, count: usize, folder: &Path) {
    let bed = Bed::new();
    let result = bed.files().join("ages");
    let graph = format!(
        "[graph]\nname = \"robot\"\n{}{}{}",
        source(picture, folder),
        pilot("camera/frames", picture),
        sink("pilot/drive", count, &result)
    );
    let _launch = bed.launch(&[bed.file("robot.toml", &graph)]);
    collect(ages, &result);
}

fn collect(ages: &mut Ages, result: &Path) {
    let text = until("the motor has seen enough commands", || fs::read_to_string(result).ok());
    let value: Value = serde_json::from_str(&text).expect("the sink writes JSON");
    let column = |name: &str| {
        let values = value[name].as_array().expect("a column").iter();
        values.map(|ns| ns.as_f64().expect("a number") / 1e6).collect::<Vec<f64>>()
    };
    ages.whole.add(&column("whole_ns"));
    ages.there.add(&column("there_ns"));
    ages.back.add(&column("back_ns"));
}

/// This program as a node of a graph.
fn node(name: &str, role: &str, ports: &str, params: &Value) -> String {
    let exe = env::current_exe().expect("it has a path");
    let pairs: Vec<String> = params.as_object().into_iter().flatten().map(|(k, v)| format!("{k} = {v}")).collect();
    let pairs = pairs.join(", ");
    format!("[node.{name}]\nrun = [{exe:?}, \"node\", {role:?}]\n{ports}\nparams = {{ {pairs} }}\n")
}

fn source(picture: Picture, folder: &Path) -> String {
    let kind = kind(picture);
    node("camera", "source", &format!("publish = {{ frames = {kind:?} }}"), &json!({ "folder": folder }))
}

fn pilot(frames: &str, picture: Picture) -> String {
    let role = if picture == Picture::Raw { "look" } else { "decode" };
    node(
        "pilot",
        role,
        &format!("subscribe = {{ frames = {frames:?} }}\npublish = {{ drive = \"Drive\" }}"),
        &json!({}),
    )
}

fn sink(drive: &str, count: usize, result: &Path) -> String {
    let params = json!({ "warm": WARM, "count": count, "result": result });
    node("motor", "sink", &format!("subscribe = {{ drive = {drive:?} }}"), &params)
}

fn kind(picture: Picture) -> &'static str {
    match picture {
        Picture::Raw => "RawImage",
        Picture::Jpeg => "CompressedImage",
    }
}

/// A round of the few lines that pyzmq takes.
fn bare(ages: &mut Ages, python: &PathBuf, carrier: &str, count: usize) {
    let bed = Bed::new();
    let endpoints = match carrier {
        "tcp" => [free_port(), free_port()].map(|port| format!("tcp://127.0.0.1:{port}")),
        _ => ["frames", "drive"].map(|name| format!("ipc://{}", bed.files().join(name).display())),
    };
    let output = Command::new(python)
        .arg(root().join("tests/benches/loop/bare.py"))
        .args([&(WARM + count).to_string(), &WARM.to_string(), &scene::picture(0).len().to_string()])
        .args(endpoints)
        .output()
        .expect("Python runs");
    let text = String::from_utf8_lossy(&output.stdout);
    let values: Vec<f64> = text.split_whitespace().filter_map(|ns| ns.parse::<f64>().ok()).map(|ns| ns / 1e6).collect();
    if values.is_empty() {
        println!("bare.py: {}", String::from_utf8_lossy(&output.stderr));
    }
    ages.whole.add(&values);
}
