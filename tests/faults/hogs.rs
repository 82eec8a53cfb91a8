//! Nodes that take the processor from the others.

use std::{
    thread,
    time::{Duration, Instant},
};

use offboard::{Drive, MotorState};
use offboard_tests::{Bed, fault::Row, until};

const DEADMAN: Duration = Duration::from_millis(300);

/// How much later than its deadman the motor may be at neutral on a machine whose every core is taken, by others too.
const LATE: Duration = Duration::from_millis(250);

/// What the motor put out: when, and how old the command behind it was.
struct Put {
    sent_ns: i64,
    state: MotorState,
}

#[test]
fn a_hog_on_every_core_does_not_keep_the_motor_from_stopping_in_time() {
    let bed = Bed::new();
    let cores = thread::available_parallelism().unwrap().get();
    let hogs: String = (0..cores)
        .map(|hog| format!("[node.hog{hog}]\nrun = [\"sh\", \"-c\", \"while :; do :; done\"]\nstop = \"100ms\"\n"))
        .collect();
    let victim = r#"
[node.driver]                   # the test itself speaks
EAR
publish = { drive = "Drive" }
[node.motor]
subscribe = { drive = "driver/drive" }
params    = { driver = "virtual", deadman = "300ms" }
[node.mouse]
EAR
subscribe = { state = { topic = "motor/state", keep = 2000 } }
"#;
    let row = Row::start(&bed, "hogs", &format!("{victim}{hogs}"));
    let mut ear = row.ear("motor/state", "mouse", "state");
    let mut mouth = bed.mouth::<Drive>("hogs", "driver/drive", "motor", "drive");
    let mut hear = |until_neutral: bool, puts: &mut Vec<Put>| {
        while let Some(message) = ear.hear_within(Duration::from_millis(1)) {
            let sent_ns = message.header.sent_ns;
            puts.push(Put { sent_ns, state: message.decode::<MotorState>().unwrap().body });
        }
        let moves = puts.last().is_some_and(|put| put.state.forward != 0.0);
        (moves != until_neutral).then_some(())
    };
    for _ in 0..5 {
        let mut puts = Vec::new();
        // A neutral command first, else it does not obey; then drive until it does, and for a while.
        let mut say = |forward: f32| mouth.say(Drive { forward, source: "test".into(), ..Drive::default() });
        let begin = Instant::now();
        until("it drives", || {
            say(if begin.elapsed() < Duration::from_millis(200) { 0.0 } else { 0.5 });
            thread::sleep(Duration::from_millis(15));
            hear(false, &mut puts).filter(|()| begin.elapsed() > Duration::from_secs(1))
        });
        until("it stops", || hear(true, &mut puts));
        let last_moving = puts.iter().rposition(|put| put.state.forward != 0.0).unwrap();
        let command_ns = puts[last_moving].sent_ns - puts[last_moving].state.command_age_ns;
        let neutral = Duration::from_nanos((puts[last_moving + 1].sent_ns - command_ns).try_into().unwrap());
        println!("last command → neutral: {neutral:?} ({} outputs heard)", puts.len());
        assert!(neutral < DEADMAN + LATE, "{neutral:?}");
        for put in &puts {
            let age = Duration::from_nanos(put.state.command_age_ns.try_into().unwrap_or(0));
            assert!(put.state.forward == 0.0 || age <= DEADMAN, "it moves by a command that is {age:?} old");
        }
    }
    assert_eq!(ear.gaps(), 0);
    drop(mouth);
    assert_eq!(row.node("motor")["restarts"], 0);
    row.end();
}
