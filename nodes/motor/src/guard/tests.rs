//! What the node tells its guard: here it is a `cat`, which repeats the words.

use std::{
    io::Read,
    process::ChildStdout,
    sync::{Arc, Mutex},
};

use super::*;
use crate::params::Params;

const HOLD: Duration = Duration::from_millis(300);
const PERIOD: Duration = Duration::from_millis(20);
const AHEAD: Wheels = Wheels { left: 1.0, right: 1.0 };

/// A driver in the trouble that it is told.
struct Told {
    trouble: Arc<Mutex<Option<String>>>,
    finishes: bool,
}

impl Driver for Told {
    fn put(&mut self, _now_ns: i64, wheels: Wheels) -> Result<Wheels> {
        Ok(wheels)
    }

    fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap().clone()
    }

    fn finish(&mut self) -> bool {
        self.finishes
    }
}

fn post(deadman: &str, rate: u32) -> Post {
    let params = format!(r#"{{"deadman": "{deadman}", "rate": {rate}, "driver": "pca9685", "bus": "/dev/i2c-1"}}"#);
    let settings = serde_json::from_str::<Params>(&params).unwrap().settings().unwrap();
    Post::new(&settings.driver, settings.period)
}

/// A guarded driver, and what its guard hears.
fn guarded(driver: Told) -> (Guarded, ChildStdout) {
    let mut cat = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (pipe, heard) = (cat.stdin.take().unwrap(), cat.stdout.take().unwrap());
    let process = Some((cat, pipe));
    let guard = Guard { post: post("300ms", 50), process, missing: None, again: None, said: None };
    (Guarded::new(Box::new(driver), guard, HOLD), heard)
}

/// Puts out again and again, for so long.
fn put_for(guarded: &mut Guarded, wheels: Wheels, long: Duration) {
    let late = Instant::now() + long;
    while Instant::now() < late {
        guarded.put(0, wheels).unwrap();
        thread::sleep(Duration::from_millis(1));
    }
}

/// The words that its guard heard, each row of the same as one.
fn words(guarded: Guarded, mut heard: ChildStdout) -> String {
    drop(guarded);
    let mut words = String::new();
    heard.read_to_string(&mut words).unwrap();
    let mut words: Vec<char> = words.chars().collect();
    words.dedup();
    words.into_iter().collect()
}

#[test]
fn the_farewell_is_for_a_neutral_that_is_known_to_have_left() {
    for (finishes, wanted) in [(true, "mf"), (false, "mu")] {
        let (mut guarded, heard) = guarded(Told { trouble: Arc::default(), finishes });
        guarded.put(0, AHEAD).unwrap();
        assert_eq!(words(guarded, heard), wanted);
    }
}

#[test]
fn nothing_rests_before_neutral_has_been_out_without_trouble_for_a_while() {
    let trouble = Arc::new(Mutex::new(None));
    let (mut guarded, heard) = guarded(Told { trouble: trouble.clone(), finishes: true });
    guarded.put(0, AHEAD).unwrap();
    guarded.put(0, Wheels::NEUTRAL).unwrap();
    *trouble.lock().unwrap() = Some("it broke".to_owned());
    put_for(&mut guarded, Wheels::NEUTRAL, RESTED_AFTER * 2);
    assert!(guarded.guard.said.unwrap().0, "neutral may not have reached the device");
    *trouble.lock().unwrap() = None;
    put_for(&mut guarded, Wheels::NEUTRAL, RESTED_AFTER * 2);
    assert_eq!(words(guarded, heard), "mrf");
}

#[test]
fn without_a_guard_there_is_trouble_and_another_one_is_begun_once_a_second() {
    let (mut guarded, _heard) = guarded(Told { trouble: Arc::default(), finishes: true });
    let guard = &mut guarded.guard;
    (guard.process, guard.missing, guard.again) = (None, Some("why".to_owned()), Some(Instant::now()));
    guarded.put(0, Wheels::NEUTRAL).unwrap();
    assert_eq!(guarded.trouble().as_deref(), Some("why"));
    guarded.guard.again = Instant::now().checked_sub(BEGIN_EVERY);
    guarded.put(0, Wheels::NEUTRAL).unwrap();
    assert!(guarded.trouble().is_none() && guarded.guard.process.is_some());
}

#[test]
fn a_guard_is_patient_for_eight_periods_or_a_longer_hold_and_never_beyond_a_second() {
    let cases = [("20ms", 50, 160), ("300ms", 50, 300), ("20ms", 20, 400), ("1s", 20, 1000), ("50ms", 500, 50)];
    for (deadman, rate, wanted) in cases {
        assert_eq!(post(deadman, rate).patience, Duration::from_millis(wanted), "{deadman} {rate}");
    }
    assert!(post("1s", 20).patience <= Duration::from_secs(1));
    assert_eq!(Post::new(&post("300ms", 50).settings, PERIOD).patience, HOLD);
}
