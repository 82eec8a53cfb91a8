//! `launch doctor` beside real device files: what it says to a user who may not use them, and that what it says to do mends it.

use std::{
    fs,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use evdev::{AttributeSet, KeyCode, uinput::VirtualDevice};
use offboard_tests::{bin_dir, until};
use serde_json::Value;

use crate::support::{figure, load, run, tidy, unload};

/// A person without rights, as /etc/passwd has one.
const ROBOT: u32 = 1000;

/// Everything that a robot may have, and that a test can have without hardware.
struct Devices {
    _pad: VirtualDevice,
    groups: String,
    folder: PathBuf,
    bus: String,
}

impl Devices {
    fn plug_in() -> Devices {
        load("vivid", "n_devs=1 node_types=0x1");
        unload("i2c-stub");
        load("i2c-stub", "chip_addr=0x41");
        load("pwm-pca9685", "");
        load("gpio-sim", "");
        load("vcan", "");
        run("ip link add dev vcan0 type vcan");
        run(
            "mkdir -p /sys/kernel/config/gpio-sim/doctor/bank && cd /sys/kernel/config/gpio-sim/doctor && echo 4 > bank/num_lines && echo 1 > live",
        );
        let bus = until("the bus is there", || {
            let mut buses = fs::read_dir("/sys/class/i2c-dev").ok()?.flatten();
            let stub = buses.find(|bus| {
                fs::read_to_string(bus.path().join("name")).is_ok_and(|name| name.starts_with("SMBus stub"))
            })?;
            Some(stub.file_name().to_string_lossy().into_owned())
        });
        run(&format!("echo pca9685 0x41 > /sys/bus/i2c/devices/{bus}/new_device"));
        let keys: AttributeSet<KeyCode> = [KeyCode::BTN_SOUTH, KeyCode::BTN_EAST].into_iter().collect();
        let pad = VirtualDevice::builder().expect("uinput").name("A pad of nobody").with_keys(&keys).expect("keys");
        let pad = pad.build().expect("a pad");
        run("udevadm settle -t 20");
        let folder = PathBuf::from("/tmp/doctor");
        fs::create_dir_all(&folder).expect("a folder");
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).expect("ours");
        fs::create_dir_all("/etc/udev/rules.d").expect("a folder");
        let groups = fs::read_to_string("/etc/group").expect("a file");
        Devices { _pad: pad, groups, folder, bus }
    }

    /// `launch doctor` of the person, as logged in just now.
    fn doctor(&self, args: &str) -> Vec<Value> {
        let launch = bin_dir().join("launch");
        let line = format!(
            "cd {0} && OFFBOARD_RUNTIME_DIR={0}/run {1} doctor --json {args} 2>/dev/null",
            self.folder.display(),
            launch.display()
        );
        let output = Command::new("su").args(["-s", "/bin/sh", "-c", &line, "robot"]).output().expect("su runs");
        findings(&output.stdout)
    }
}

impl Drop for Devices {
    fn drop(&mut self) {
        drop(fs::write("/etc/group", &self.groups));
        drop(fs::remove_dir_all("/etc/udev/rules.d"));
        tidy("udevadm control --reload");
        tidy("ip link del vcan0");
        tidy("cd /sys/kernel/config/gpio-sim/doctor && echo 0 > live && rmdir bank && cd .. && rmdir doctor");
        tidy(&format!("echo 0x41 > /sys/bus/i2c/devices/{}/delete_device", self.bus));
        tidy("rmmod i2c-stub");
        tidy("rmmod vivid");
    }
}

fn findings(stdout: &[u8]) -> Vec<Value> {
    let text = String::from_utf8_lossy(stdout);
    text.lines().map(|line| serde_json::from_str(line).expect("an object a line")).collect()
}

fn of<'a>(findings: &'a [Value], what: &str) -> &'a Value {
    findings
        .iter()
        .find(|finding| finding["what"] == what)
        .unwrap_or_else(|| panic!("nothing of {what} in {findings:#?}"))
}

/// Does what a finding says, as root: all but the login that follows. `usermod` is no part of this machine.
fn mend(finding: &Value) {
    for line in finding["do"].as_str().expect("a mend").lines() {
        let line = line.replace("sudo ", "");
        match line.strip_prefix("usermod -aG ") {
            Some(rest) => {
                let (group, rest) = rest.split_once(' ').expect("a group and a user");
                assert_eq!(rest, "$USER, then log out and in");
                run(&format!("sed -i '/^{group}:.*:$/s/$/robot/' /etc/group"));
            }
            None => drop(run(&line)),
        }
    }
    run("udevadm settle -t 20");
}

#[test]
#[ignore = "runs in the virtual machine"]
fn each_missing_right_is_told_with_what_mends_it_and_that_mends_it() {
    let devices = Devices::plug_in();
    let began = Instant::now();
    let before = devices.doctor("");
    figure("doctor", "a look at everything, s", format!("{:.1}", began.elapsed().as_secs_f64()));
    // What it is about, how bad that is while no graph names it, what may not be used, how that begins to be mended.
    let (video, bus) = ("/dev/video0", format!("/dev/{}", devices.bus));
    let cases = [
        ("camera", "bad", video, "sudo usermod -aG video $USER, then log out and in"),
        ("gamepad", "bad", "/dev/input/event", "sudo usermod -aG input $USER, then log out and in"),
        (
            "i2c bus",
            "note",
            &bus,
            "echo 'SUBSYSTEM==\"i2c-dev\", GROUP=\"i2c\", MODE=\"0660\"' | sudo tee /etc/udev/rules.d/60-offboard-i2c-dev.rules\n",
        ),
        (
            "gpio chip",
            "note",
            "/dev/gpiochip",
            "echo 'SUBSYSTEM==\"gpio\", GROUP=\"gpio\", MODE=\"0660\"' | sudo tee /etc/udev/rules.d/60-offboard-gpio.rules\n",
        ),
        (
            "pwm chip",
            "note",
            "/sys/class/pwm/pwmchip",
            "echo 'SUBSYSTEM==\"pwm\", ACTION!=\"remove\", RUN+=\"/bin/chgrp -R gpio /sys%p\"",
        ),
    ];
    for (what, state, device, begin) in cases {
        let finding = of(&before, what);
        assert_eq!(finding["state"], state, "{finding:#}");
        let found = finding["found"].as_str().expect("words");
        assert!(found.starts_with(device) && found.ends_with("may not be used by you"), "{finding:#}");
        assert!(finding["do"].as_str().is_some_and(|mend| mend.starts_with(begin)), "{finding:#}");
        mend(finding);
    }
    let down = of(&before, "can interface");
    assert_eq!((&down["state"], &down["found"]), (&"note".into(), &"vcan0 is down".into()));
    assert_eq!(down["do"], "sudo ip link set vcan0 up");
    mend(down);

    let after = devices.doctor("");
    for (what, found) in [
        ("camera", video),
        ("gamepad", "(A pad of nobody)"),
        ("i2c bus", &bus),
        ("gpio chip", "/dev/gpiochip"),
        ("pwm chip", "outputs)"),
        ("can interface", "vcan0"),
    ] {
        let finding = of(&after, what);
        assert_eq!(finding["state"], "ok", "{finding:#}");
        assert!(finding["found"].as_str().is_some_and(|text| text.contains(found)), "{finding:#}");
    }

    // Who was put into the group is not in it before the next login.
    let mut early = Command::new(bin_dir().join("launch"));
    early.args(["doctor", "--json"]).uid(ROBOT).gid(ROBOT).env("OFFBOARD_RUNTIME_DIR", devices.folder.join("run"));
    let early = findings(&early.output().expect("launch runs").stdout);
    assert_eq!(of(&early, "camera")["do"], "you are in its group video, but not since you logged in: log out and in");
}

#[test]
#[ignore = "runs in the virtual machine"]
fn the_devices_that_a_graph_names_are_looked_at() {
    let devices = Devices::plug_in();
    let chip = until("a PWM chip", || {
        let name = fs::read_dir("/sys/class/pwm").ok()?.flatten().next()?.file_name();
        Some(name.to_string_lossy().into_owned())
    });
    let look = |params: &str| {
        let graph = format!(
            "[graph]\nname = \"robot\"\n[node.hand]\nrun = [\"sleep\", \"9\"]\npublish = {{ drive = \"Drive\" }}\n\
             [node.motor]\nsubscribe = {{ drive = \"hand/drive\" }}\nparams = {{ deadman = \"1s\", {params} }}\n"
        );
        fs::write(devices.folder.join("robot.toml"), graph).expect("a file");
        let findings = devices.doctor("robot.toml");
        let about: Vec<Value> = findings.iter().filter(|finding| finding["what"] == "robot motor").cloned().collect();
        assert!(!about.is_empty() || params.contains("virtual"), "{findings:#?}");
        about
    };
    let bus = format!("/dev/{}", devices.bus);
    let missing = look("driver = \"pca9685\", bus = \"/dev/i2c-99\"");
    assert_eq!(missing[0]["found"], "/dev/i2c-99 is not there");
    assert_eq!(missing[0]["do"], format!("is it plugged in? There is {bus}; the file or --set says which is used"));
    let refused = look(&format!("driver = \"pca9685\", bus = \"{bus}\""));
    assert_eq!(refused[0]["found"], format!("{bus} may not be used by you"));
    assert_eq!(refused[0]["state"], "bad", "what a graph names must work");
    let tty = look("driver = \"serial\", port = \"/dev/ttyS1\"");
    assert_eq!(tty[0]["found"], "/dev/ttyS1 may not be used by you", "{tty:#?}");
    let pwm = look(&format!("driver = \"gpio-pwm\", pwm = [\"{chip}/0\", \"{chip}/99\"]"));
    assert_eq!(pwm[0]["found"], format!("/sys/class/pwm/{chip}/export may not be used by you"));
    assert_eq!((&pwm[1]["found"], &pwm[1]["state"]), (&format!("{chip} has no output 99").into(), &"bad".into()));
    let label = look("driver = \"gpio-pwm\", direction_left = [\"gpio-sim.0-node0/0\", \"/dev/gpiochip99/1\"]");
    let [chip] = &label[..] else { panic!("a label tells no file: {label:#?}") };
    assert_eq!(chip["found"], "/dev/gpiochip99 is not there");
    let can = look("driver = \"vesc\", interface = \"vcan0\", ids = [1, 2]");
    assert_eq!((&can[0]["found"], &can[0]["do"]), (&"vcan0 is down".into(), &"sudo ip link set vcan0 up".into()));
    assert!(look(&format!("driver = \"virtual\", bus = \"{bus}\"")).is_empty(), "what is not used is nobody's trouble");
    assert!(Path::new(&bus).exists());
}
