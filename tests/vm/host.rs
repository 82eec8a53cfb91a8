//! Boots a virtual machine with a camera, gamepads and motor boards, runs the scenarios of `guest` in it, and shows their outcomes in
//! one table. Where the machine was not made (tests/vm/setup.sh) or qemu is missing, it says so and is skipped.
//!
//! What the machine brings back (its console, logs, pictures) lies in target/vm/out. `VM_ONLY=camera::` runs the scenarios of such a name.

#![expect(clippy::expect_used, reason = "a test that cannot go on says why and ends")]

use std::{
    collections::BTreeSet,
    env, fs,
    io::{self, BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use offboard_tests::{bin_dir, root};

/// No machine runs longer: all of them together are to be done within three minutes on two cores.
const LIMIT: Duration = Duration::from_secs(240);

/// What runs in one machine; two run at a time, the longest first.
const MACHINES: &[&[&str]] = &[
    &["camera::"],
    &["motor::", "gpio::"],
    &["gamepad::", "doctor::", "calibrate::"],
    &["job::", "machine::", "readme::"],
];

/// The programs of ours that the scenarios start.
const PROGRAMS: &[&str] =
    &["launch", "camera", "gamepad", "pilot", "motor", "link", "recorder", "player", "viewer", "dummy"];

/// What became of a scenario.
struct Outcome {
    name: String,
    /// `ok`, `FAILED`, or what happened instead.
    end: String,
}

#[test]
fn every_scenario_in_the_virtual_machine_ends_well() {
    let vm = root().join("target/vm");
    if let Some(missing) = missing(&vm) {
        show(&format!("NOT TESTED: cameras, gamepads and motor boards, for {missing}\n"));
        return;
    }
    let began = Instant::now();
    let out = vm.join("out");
    drop(fs::remove_dir_all(&out));
    fs::create_dir_all(&out).expect("a folder in target");
    let programs = programs(&vm);
    let only = env::var("VM_ONLY").ok().filter(|words| !words.is_empty());
    let mut queue: Vec<Vec<String>> = match &only {
        Some(words) => vec![words.split(',').map(str::to_owned).collect()],
        None => MACHINES.iter().map(|groups| groups.iter().map(|&group| group.to_owned()).collect()).collect(),
    };
    queue.reverse();
    let queue = std::sync::Mutex::new(queue);
    let (outcomes, told) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..2 {
            let (queue, vm, out, programs, outcomes) = (&queue, &vm, &out, &programs, outcomes.clone());
            scope.spawn(move || {
                loop {
                    let Some(tests) = queue.lock().expect("no panic").pop() else { return };
                    let dir = out.join(tests[0].trim_end_matches(':').replace("::", "-"));
                    outcomes.send(boot(vm, programs, &tests, &dir)).expect("somebody listens");
                }
            });
        }
    });
    drop(outcomes);
    let mut outcomes: Vec<Outcome> = told.iter().flatten().collect();
    outcomes.sort_by(|a, b| a.name.cmp(&b.name));
    let width = outcomes.iter().map(|outcome| outcome.name.len()).max().unwrap_or(0);
    let mut table = format!("\n{:width$}  outcome in the virtual machine\n", "scenario");
    for Outcome { name, end } in &outcomes {
        table += &format!("{name:width$}  {end}\n");
    }
    table += &format!("\n{}\n", figures(&out));
    table += &format!("boot to result: {:.0} s, all machines together\n", began.elapsed().as_secs_f64());
    show(&table);
    let bad: Vec<&str> = outcomes.iter().filter(|it| it.end != "ok").map(|it| it.name.as_str()).collect();
    assert!(bad.is_empty(), "in the virtual machine failed: {}; see {}", bad.join(", "), out.display());
    if only.is_none() {
        let ran: BTreeSet<&str> = outcomes.iter().filter_map(|it| it.name.split("::").next()).collect();
        for group in MACHINES.iter().flat_map(|groups| groups.iter()) {
            assert!(ran.contains(group.trim_end_matches(':')), "no scenario of {group} ran");
        }
    }
}

/// Shows it whether the test ends well or not: what is printed by a test that does is kept from sight.
fn show(text: &str) {
    io::stderr().write_all(text.as_bytes()).expect("somebody looks");
}

/// Why there is no machine to boot.
fn missing(vm: &Path) -> Option<String> {
    let has = |program: &str| {
        let silent = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        silent.is_ok()
    };
    let qemu = (!has("qemu-system-x86_64")).then_some("qemu-system-x86_64 is missing");
    let cpio = (!has("cpio")).then_some("cpio is missing");
    let base = (!vm.join("base.cpio").exists()).then_some("the machine was not made");
    qemu.or(cpio).or(base).map(|what| format!("{what}: sh tests/setup.sh vm"))
}

/// An archive of our programs, the scenarios and their libraries, in the kernel's format.
fn programs(vm: &Path) -> PathBuf {
    let tree = vm.join("programs");
    drop(fs::remove_dir_all(&tree));
    let into = tree.join("offboard/deps");
    fs::create_dir_all(&into).expect("a folder in target");
    let bins = bin_dir();
    fs::copy(guest(&bins.join("deps")), into.join("guest")).expect("the scenarios");
    let mut all = vec![into.join("guest")];
    for program in PROGRAMS {
        let copy = tree.join("offboard").join(program);
        fs::copy(bins.join(program), &copy).expect("our program");
        all.push(copy);
    }
    // What the README's commands are about.
    fs::copy(root().join("README.md"), tree.join("offboard/README.md")).expect("the README");
    let examples = tree.join("offboard/graph/examples");
    fs::create_dir_all(&examples).expect("a folder in target");
    shell(&format!("cp -r '{}' '{}'", root().join("graph/examples/boards").display(), examples.display()));
    let status = Command::new(root().join("tests/vm/libraries.sh")).arg(&tree).args(&all).status();
    assert!(status.is_ok_and(|status| status.success()), "the libraries of our programs");
    let archive = vm.join("programs.cpio");
    shell(&format!("cd '{}' && find . | cpio -o -H newc --quiet > '{}'", tree.display(), archive.display()));
    archive
}

/// The program of the scenarios: the newest that cargo built, for it names none of them.
fn guest(deps: &Path) -> PathBuf {
    let entries = fs::read_dir(deps).expect("a folder of test programs").flatten();
    let built = entries.filter(|entry| {
        entry.file_name().to_str().is_some_and(|name| name.starts_with("guest-") && !name.contains('.'))
    });
    let newest = built.max_by_key(|entry| entry.metadata().and_then(|found| found.modified()).ok());
    newest.expect("cargo test --release -p offboard-tests --test guest --no-run").path()
}

/// Boots a machine that runs the scenarios whose names hold one of `tests`; every outcome, and one more where it did not end.
fn boot(vm: &Path, programs: &Path, tests: &[String], out: &Path) -> Vec<Outcome> {
    fs::create_dir_all(out).expect("a folder in target");
    let initrd = out.join("initrd");
    shell(&format!("cat '{}' '{}' > '{}'", vm.join("base.cpio").display(), programs.display(), initrd.display()));
    let mut child = Command::new("qemu-system-x86_64")
        // Software alone: KVM inside a virtual machine is often there and slower. With rdrand, for a kernel without a source of
        // randomness lets the first that asks for some wait for most of a minute, and each ZeroMQ connection asks.
        .args(["-M", "pc", "-accel", "tcg,thread=multi", "-cpu", "qemu64,+rdrand", "-m", "1024", "-smp", "1"])
        .args(["-nodefaults", "-display", "none", "-no-reboot", "-serial", "stdio"])
        // Two more serial ports, /dev/ttyS1 and /dev/ttyS2, joined by a null-modem cable.
        .args(["-chardev", &format!("socket,id=a,path={},server=on,wait=off", out.join("cable").display())])
        .args(["-device", "isa-serial,chardev=a,iobase=0x2f8,irq=3"])
        .args(["-chardev", &format!("socket,id=b,path={}", out.join("cable").display())])
        .args(["-device", "isa-serial,chardev=b,iobase=0x3e8,irq=4"])
        .args(["-virtfs", &format!("local,path={},mount_tag=out,security_model=none", out.display())])
        .args(["-kernel", &vm.join("vmlinux").display().to_string(), "-initrd", &initrd.display().to_string()])
        .arg("-append")
        .arg(format!(
            "console=ttyS0 quiet loglevel=1 panic=-1 nokaslr mitigations=off offboard.tests={}",
            tests.join(",")
        ))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("qemu starts");
    let console = child.stdout.take().expect("piped");
    let (lines, heard) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(console).split(b'\n').map_while(Result::ok) {
            if lines.send(String::from_utf8_lossy(&line).trim_end_matches('\r').to_owned()).is_err() {
                return;
            }
        }
    });
    let late = Instant::now() + LIMIT;
    let mut said = Vec::new();
    while let Ok(line) = heard.recv_timeout(late.saturating_duration_since(Instant::now())) {
        println!("{:>10}| {line}", tests[0].trim_end_matches(':'));
        said.push(line);
    }
    drop(child.kill()); // ours, and over or too late
    drop(child.wait());
    drop(fs::remove_file(&initrd));
    fs::write(out.join("console.log"), said.join("\n")).expect("a file in target");
    let mut outcomes: Vec<Outcome> = said.iter().filter_map(|line| outcome(line)).collect();
    if !said.iter().any(|line| line == "vm: exit 0" || line == "vm: exit 101") {
        let end = format!("did not end within {} s, or broke down", LIMIT.as_secs());
        outcomes.push(Outcome { name: format!("{} (the machine)", tests.join(" ")), end });
    }
    outcomes
}

/// What a line of the scenarios' own report says: `test camera::it_lists ... ok`.
fn outcome(line: &str) -> Option<Outcome> {
    let (name, end) = line.strip_prefix("test ")?.split_once(" ... ")?;
    (end != "ignored").then(|| Outcome { name: name.to_owned(), end: end.to_owned() })
}

/// The figures that the scenarios noted, by group.
fn figures(out: &Path) -> String {
    let mut text = String::new();
    for machine in fs::read_dir(out).expect("a folder in target").flatten() {
        text += &fs::read_to_string(machine.path().join("figures")).unwrap_or_default();
    }
    let mut rows: Vec<Vec<&str>> = text.lines().map(|line| line.split('\t').collect()).collect();
    rows.sort_by_key(|row| row.first().copied());
    rows.iter().map(|row| format!("{:14} {:>60}  {}\n", row[0], row[1], row[2])).collect()
}

fn shell(line: &str) {
    assert!(Command::new("sh").args(["-c", line]).status().is_ok_and(|status| status.success()), "{line}");
}
