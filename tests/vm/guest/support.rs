//! What the scenarios share: loading modules, bringing figures and files back. It touches this machine's kernel: never use it outside.

use std::{fmt::Display, fs, io::Write, path::Path, process::Command};

/// The folder that the host sees: what lies there when the machine ends is brought back.
pub(crate) const OUT: &str = "/out";

/// Loads a kernel module and what it needs, unless it is there. `args` are the module's own, as `insmod` takes them.
pub(crate) fn load(module: &str, args: &str) {
    let needed = fs::read_to_string(format!("/lib/modules/{module}.deps")).expect("a module of tests/vm/setup.sh");
    let loaded = |name: &str| Path::new("/sys/module").join(name.replace('-', "_")).exists();
    for name in needed.lines().filter(|name| !loaded(name)) {
        let args = if name == module { args } else { "" };
        run(&format!("insmod /lib/modules/{name}.ko {args}"));
    }
}

/// Takes a kernel module out, if it is there: its devices vanish.
pub(crate) fn unload(module: &str) {
    if Path::new("/sys/module").join(module.replace('-', "_")).exists() {
        run(&format!("rmmod {module}"));
    }
}

/// Runs a line of shell that must succeed; what it wrote to stdout.
pub(crate) fn run(line: &str) -> String {
    let output = Command::new("sh").args(["-c", line]).output().expect("there is a shell");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{line}: {}\n{}{}", output.status, text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

/// Runs a line of shell whose outcome nobody needs. What tidies up when a test ends uses it: a panic while another one unwinds ends
/// the whole guest.
pub(crate) fn tidy(line: &str) {
    drop(Command::new("sh").args(["-c", line]).output());
}

/// Notes something that was measured; the host prints it in a table after the outcomes.
pub(crate) fn figure(group: &str, what: &str, value: impl Display) {
    let mut file =
        fs::OpenOptions::new().create(true).append(true).open(Path::new(OUT).join("figures")).expect("a file");
    writeln!(file, "{group}\t{what}\t{value}").expect("room for a line");
}
