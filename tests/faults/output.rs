//! Nodes that write more, or worse, than anybody wants to read.

use std::fs;

use offboard_tests::{
    Bed,
    fault::{Row, processes_of},
    resident_kib, until,
};

/// What a node's output may add to launch, whatever it is.
const GROWTH_MAX_KIB: u64 = 16 << 10;

/// A script that waits until all is counted.
const GO: &str = "while [ ! -e go ]; do sleep 0.05; done\n";

/// Bytes that a process wrote so far.
fn written(pid: u32) -> u64 {
    let io = fs::read_to_string(format!("/proc/{pid}/io")).unwrap_or_default();
    io.lines().find_map(|line| line.strip_prefix("wchar: ")?.parse().ok()).unwrap_or(0)
}

#[test]
fn floods_of_lines_neither_grow_launch_nor_wait_for_it() {
    let bed = Bed::new();
    bed.file("flood.sh", &format!("{GO}exec yes a line of a flood"));
    let victims = "[node.yes]\nrun = [\"sh\", \"flood.sh\"]\n\
                   [node.both]\nrun = \"dummy\"\nparams = { rate = 100, flood = 100000, flood_to = \"stdout\" }\n";
    let mut row = Row::start_unheard(&bed, "flood", victims, &[]);
    let (yes, both, launch) = (row.pid("yes"), row.pid("both"), row.launch.pid());
    let before_kib = resident_kib(launch);
    bed.file("go", "");
    let mut most_kib = 0;
    until("the flood flows", || {
        most_kib = resident_kib(launch).max(most_kib);
        (written(yes) > 20_000_000).then_some(())
    });
    let grown_kib = most_kib.saturating_sub(before_kib);
    println!("launch grew by {grown_kib} KiB while {} MB were written", written(yes) / 1_000_000);
    assert!(grown_kib < GROWTH_MAX_KIB, "{grown_kib} KiB");
    assert_eq!((row.pid("yes"), row.pid("both")), (yes, both), "neither was ended");
    row.mark();
    row.end();
}

#[test]
fn a_gigabyte_without_a_line_end_passes() {
    let bed = Bed::new();
    bed.file("long.sh", &format!("{GO}head -c 1073741824 /dev/zero\ntouch passed\nexec sleep 3600"));
    let mut row = Row::start_unheard(&bed, "long", "[node.long]\nrun = [\"sh\", \"long.sh\"]\n", &[]);
    let launch = row.launch.pid();
    let script = row.pid("long");
    until("only the script is there", || (processes_of(&bed, "long").len() <= 2).then_some(()));
    let before_kib = resident_kib(launch);
    let begin = std::time::Instant::now();
    bed.file("go", "");
    let mut most_kib = 0;
    until("a gigabyte passed", || {
        most_kib = resident_kib(launch).max(most_kib);
        bed.files().join("passed").exists().then_some(())
    });
    let grown_kib = most_kib.saturating_sub(before_kib);
    println!("1 GiB in {:?}; launch grew by {grown_kib} KiB", begin.elapsed());
    assert!(grown_kib < GROWTH_MAX_KIB, "{grown_kib} KiB");
    assert_eq!(row.pid("long"), script);
    row.mark();
    row.end();
}

#[test]
fn no_byte_of_a_nodes_output_commands_the_terminal() {
    let bed = Bed::new();
    // Clear the screen, set the title, ring, a C1 introducer in both spellings, turn the reading direction, overwrite the line.
    bed.file(
        "evil.sh",
        "printf '\\033[2J\\033]0;owned\\007 begin \\233 31m \\302\\233 \\342\\200\\256 \\r over \\b\\b \\177 end\\n'; exit 3",
    );
    let mut row = Row::start(&bed, "ansi", "[node.evil]\nrun = [\"sh\", \"evil.sh\"]\nrestart = \"never\"\n");
    row.until_node("evil", |node| node["state"] == "failed");
    row.launch.says("owned");
    // Once as it came, once among the last words.
    until("its last words are shown", || (row.launch.log().matches("owned").count() >= 2).then_some(()));
    let shown = [
        row.launch.log(),
        String::from_utf8(row.bed.verb(&["ps"]).stdout).unwrap(),
        String::from_utf8(row.bed.verb(&["ps", "--json"]).stdout).unwrap(),
    ];
    for text in shown {
        let evil: Vec<char> = text.chars().filter(|c| (c.is_control() && *c != '\n') || *c == '\u{202e}').collect();
        assert!(evil.is_empty(), "{evil:?} in {text:?}");
    }
    assert!(row.launch.log().lines().any(|line| line.contains("begin") && line.contains("end")), "one line stays one");
    row.mark();
    row.end();
}
