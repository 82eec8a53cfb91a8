//! What the robot's computer has to do: a camera that delivers JPEGs, 640 × 480 at 30 Hz, a motor, and the link to a desktop that
//! takes the pictures and drives. `cargo bench -p offboard-tests --bench robot_cpu [-- --quick]`
//!
//! Counted are all processes of the robot's `launch`, as a percentage of one core. It asserts nothing.

#![expect(clippy::expect_used, reason = "a bench that cannot go on says why and ends")]

use std::time::{Duration, Instant};

use offboard::MotorState;
use offboard_tests::{
    Bed, EAR,
    bench::{heading, is_quick, median, row},
    free_port, root, scene, until, usage,
};

/// How many different pictures there are.
const PICTURES: usize = 60;

const ROBOT: &str = r#"
[graph]
name   = "robot"
listen = "127.0.0.1:PORT"
[node.camera]
params = { device = "pictures", rate = 30 }
[node.motor]
subscribe = { drive = "desktop:pilot/drive" }
params    = { driver = "virtual", deadman = "300ms" }
[peer.desktop]
"#;

const DESKTOP: &str = r#"
[graph]
name = "desktop"
[node.gamepad]
params = { device = "script:drive.toml" }
[node.pilot]
subscribe = { pad = "gamepad/pad" }
[node.ear]
EAR
subscribe = { frames = { topic = "robot:camera/frames", keep = 30 } }
[peer.robot]
address = "127.0.0.1:PORT"
"#;

fn main() {
    let (rounds, seconds) = if is_quick() { (1, 5) } else { (3, 20) };
    let mut found: Vec<Vec<(String, f64)>> = Vec::new();
    for _ in 0..rounds {
        found.push(drive(seconds));
    }
    println!("{rounds} rounds of {seconds} s");
    heading("the robot's processes", "% of a core");
    let all: Vec<f64> = found.iter().map(|round| round.iter().map(|(_, percent)| percent).sum()).collect();
    row("all", format!("{:.2}", median(&all)), "5");
    for (at, (name, _)) in found[0].iter().enumerate() {
        let one: Vec<f64> = found.iter().filter_map(|round| round.get(at)).map(|(_, percent)| *percent).collect();
        row(&format!("    {name}"), format!("{:.2}", median(&one)), "");
    }
}

/// Drives for so many seconds; what each of the robot's processes used, by name.
fn drive(seconds: u64) -> Vec<(String, f64)> {
    let (bed, port) = (Bed::new(), free_port().to_string()); // one bed, one key: the two trust each other
    let bytes = scene::write_jpegs(&bed.files().join("pictures"), PICTURES);
    let script =
        std::fs::read_to_string(root().join("graph/examples/offload/drive.toml")).expect("the example is there");
    bed.file("drive.toml", &script);
    let launch = bed.launch(&[bed.file("robot.toml", &ROBOT.replace("PORT", &port))]);
    let desktop_file = bed.file("desktop.toml", &DESKTOP.replace("PORT", &port).replace("EAR", EAR));
    let _other = bed.launch(&[desktop_file]);
    {
        let mut motor = bed.tap("robot", "motor/state");
        until("the motor drives", || {
            let state = motor.hear().decode::<MotorState>().ok()?.body;
            (state.forward > 0.2).then_some(())
        });
    }
    let mut frames = bed.ear("desktop", "robot:camera/frames", "ear", "frames");
    let watch = usage::Watch::new(&usage::family(launch.pid()));
    let (since, mut seen) = (Instant::now(), 0);
    while since.elapsed() < Duration::from_secs(seconds) {
        frames.hear();
        seen += 1;
    }
    let percent = watch.percent();
    println!("{seen} pictures of {bytes} bytes in {seconds} s");
    let mut named: Vec<(String, f64)> = percent.into_iter().map(|(pid, used)| (usage::name(pid), used)).collect();
    named.sort_by(|a, b| a.0.cmp(&b.0));
    named
}
