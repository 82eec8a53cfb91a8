//! The dummy as a process, wired by hand as any starter may: that it counts honestly and misbehaves exactly as asked.
//! Nothing here needs a launcher.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{
    io::{BufRead, BufReader, Read},
    os::unix::process::ExitStatusExt,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::Value;
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(20);

/// Ends a process that a failed test leaves behind.
struct Dummy(Child);

impl Drop for Dummy {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

impl Dummy {
    fn start(params: &str, wiring: &[(&str, String)]) -> Dummy {
        let child = Command::new(env!("CARGO_BIN_EXE_dummy"))
            .env_clear()
            .env("LAUNCH_GRAPH", "bench")
            .env("LAUNCH_NODE", "dummy")
            .env("LAUNCH_PARAMS", params)
            .envs(wiring.iter().map(|(name, value)| (name, value)))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Dummy(child)
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).unwrap();
    }

    fn is_running(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }

    fn end(&mut self) -> ExitStatus {
        wait_for(|| self.0.try_wait().unwrap())
    }
}

fn wait_for<T>(mut fact: impl FnMut() -> Option<T>) -> T {
    let late = Instant::now() + PATIENCE;
    loop {
        if let Some(fact) = fact() {
            return fact;
        }
        assert!(Instant::now() < late, "it did not come about");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Whether a thread of the process waits in the kernel for signals or events: it got as far as its work loop.
fn catches_term(child: &Child) -> Option<()> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"))?;
    let caught = u64::from_str_radix(caught.trim(), 16).ok()?;
    (caught & (1 << (Signal::TERM.as_raw() - 1)) != 0).then_some(())
}

fn array(dir: &Path) -> String {
    format!("ipc://{}/array", dir.display())
}

#[test]
fn each_crash_ends_the_process_as_it_says() {
    let cases = [
        ("exit0", Some(0), None),
        ("exit1", Some(1), None),
        ("panic", Some(101), None),
        ("abort", None, Some(Signal::ABORT)),
        ("segv", None, Some(Signal::SEGV)),
    ];
    for (how, code, signal) in cases {
        let status = Dummy::start(&format!("{{\"crash\": \"{how}\"}}"), &[]).end();
        assert_eq!((status.code(), status.signal()), (code, signal.map(Signal::as_raw)), "{how}");
    }
    assert_eq!(Dummy::start("{\"exit_at_start\": 9}", &[]).end().code(), Some(9));
}

#[test]
fn it_ends_when_asked_to_and_not_when_it_ignores_that() {
    let mut good = Dummy::start("{}", &[]);
    wait_for(|| catches_term(&good.0));
    good.signal(Signal::TERM);
    assert_eq!(good.end().code(), Some(0));

    for params in ["{\"ignore_term\": true}", "{\"hang\": true}", "{\"hang_before_ready\": true}"] {
        let mut bad = Dummy::start(params, &[]);
        wait_for(|| catches_term(&bad.0));
        if params.contains("hang") {
            let mut said = BufReader::new(bad.0.stderr.take().unwrap());
            assert!(said.read_line(&mut String::new()).unwrap() > 0, "it says so when it hangs");
        }
        bad.signal(Signal::TERM);
        thread::sleep(Duration::from_millis(100)); // the fact to wait for is that nothing happens
        assert!(bad.is_running(), "{params}");
    }
}

#[test]
fn what_one_sends_another_receives_whole_and_counted() {
    let dir = TempDir::new().unwrap();
    let wiring = format!("a/array offboard.v1.Array {}", array(dir.path()));
    let speaker = Dummy::start("{\"size\": 100000, \"rate\": 500}", &[("LAUNCH_PUB_ARRAY", wiring)]);
    let wiring = format!("{} a/array offboard.v1.Array", array(dir.path()));
    let params = "{\"probe\": true, \"check\": \"incremental\", \"messages\": 100}";
    let mut listener = Dummy::start(params, &[("LAUNCH_SUB_IN", wiring)]);
    assert_eq!(listener.end().code(), Some(0));
    drop(speaker);
    let mut said = String::new();
    listener.0.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    let summary: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((&summary["input"], &summary["bad"], &summary["reordered"]), (&"in".into(), &0.into(), &0.into()));
    assert_eq!(summary["received"], 100);
    assert!(summary["sent_age_us"]["p50"].as_f64().unwrap() > 0.0, "{summary}");
}

#[test]
fn another_content_than_expected_is_bad() {
    let dir = TempDir::new().unwrap();
    let wiring = format!("a/array offboard.v1.Array {}", array(dir.path()));
    let _speaker = Dummy::start("{\"type\": \"random\", \"rate\": 500}", &[("LAUNCH_PUB_ARRAY", wiring)]);
    let wiring = format!("{} a/array offboard.v1.Array", array(dir.path()));
    let mut listener =
        Dummy::start("{\"probe\": true, \"check\": \"zeros\", \"messages\": 20}", &[("LAUNCH_SUB_IN", wiring)]);
    assert_eq!(listener.end().code(), Some(0));
    let mut said = String::new();
    listener.0.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    let summary: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((&summary["received"], &summary["bad"]), (&20.into(), &20.into()));
}

#[test]
fn its_children_outlive_it() {
    for kind in ["plain", "setsid", "daemon"] {
        let after = format!("{}us", 200_000 + std::process::id());
        let params = format!(
            "{{\"spawn_children\": 2, \"children\": \"{kind}\", \"crash\": \"exit0\", \"after\": \"{after}\"}}"
        );
        let mut dummy = Dummy::start(&params, &[]);
        let output = dummy.0.stdout.take().unwrap();
        assert_eq!(dummy.end().code(), Some(0));
        let children = children_of(&params);
        assert_eq!(children.len(), 2, "{kind}");
        for child in children {
            test_kill_process(child).unwrap();
            kill_process(child, Signal::KILL).unwrap();
        }
        drop(output);
    }
}

/// The processes that carry these parameters in their environment.
fn children_of(params: &str) -> Vec<Pid> {
    let wanted = format!("LAUNCH_PARAMS={params}");
    let is_ours = |pid: &i32| {
        let environ = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environ.split(|byte| *byte == 0).any(|variable| variable == wanted.as_bytes())
    };
    let pids = std::fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(is_ours).filter_map(Pid::from_raw).collect()
}
