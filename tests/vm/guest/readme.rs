//! The commands of the README's section on devices, as it prints them, with a camera, a gamepad and a servo board there.

use std::{fs, io::Write, process::Stdio};

use offboard_tests::Bed;

use crate::{
    gamepad::pads::Pad,
    motor::chip::Chip,
    support::{load, run},
};

/// The section's heading.
const DEVICES: &str = "## Your camera, your gamepad, your motor board\n";

#[test]
#[ignore = "runs in the virtual machine"]
fn the_commands_of_the_readme_do_what_it_says() {
    load("vivid", "n_devs=1 node_types=0x1 num_inputs=1 input_types=0");
    let _pad = Pad::xbox();
    let chip = Chip::powered(0x40);
    if chip.bus != "/dev/i2c-1" {
        run(&format!("ln -sf {} /dev/i2c-1", chip.bus));
    }
    let bed = Bed::new();
    run(&format!(
        "mkdir {0}/target && ln -s /offboard {0}/target/release && cp -r /offboard/graph {0}/",
        bed.files().display()
    ));

    let text = fs::read_to_string("/offboard/README.md").expect("the README");
    let section = text.split(DEVICES).nth(1).and_then(|rest| rest.split("\n## ").next()).expect("the section");
    let blocks = section.split("```sh\n").skip(1).map(|block| block.split("```").next().unwrap_or_default());
    let mut said = String::new();
    for command in blocks.flat_map(str::lines) {
        let mut words = command.split_whitespace();
        let Some(program) = words.next().and_then(|word| word.strip_prefix("target/release/")) else {
            run(&format!("cd {} && {command}", bed.files().display()));
            continue;
        };
        let mut child = bed
            .command(program)
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        // What a person would type who finds everything in order.
        child.stdin.take().expect("piped").write_all("ok\n".repeat(12).as_bytes()).ok();
        let output = child.wait_with_output().expect("it ends");
        let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        assert!(output.status.success(), "{command}: {}\n{text}", output.status);
        said += &format!("$ {command}\n{text}\n");
    }
    fs::write("/out/readme.txt", &said).expect("a file");
    for words in ["vivid", "Xbox", "/dev/i2c-1", "neutral"] {
        assert!(said.contains(words), "{words} is not in\n{said}");
    }
}
