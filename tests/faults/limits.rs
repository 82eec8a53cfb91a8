//! Nodes that want more than they may have: processes, memory, files.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use offboard_tests::{
    Bed,
    fault::{Row, processes_of},
    until,
};

/// Whether control groups can be made here; says so when not.
fn may_limit() -> bool {
    let may = rustix::process::geteuid().is_root() && Path::new("/sys/fs/cgroup").is_dir();
    if !may {
        println!("skipped: memory and processes are limited by control groups, which only root can make here");
    }
    may
}

#[test]
fn a_fork_bomb_meets_its_limit_alone() {
    const MOST: usize = 20;
    if !may_limit() {
        return;
    }
    let bed = Bed::new();
    // A bomb of 255 processes at the most, for the day when there is no limit.
    bed.file(
        "bomb.sh",
        "[ $1 -gt 0 ] || exec sleep 600\nsh bomb.sh $(($1 - 1)) &\nsh bomb.sh $(($1 - 1)) &\nexec sleep 600\n",
    );
    let victim = "[node.bomb]\nrun = [\"sh\", \"bomb.sh\", \"7\"]\nlimits = { pids = 20 }\nstop = \"200ms\"\n";
    let row = Row::start(&bed, "bomb", victim);
    row.launch.says("limit of 20 processes");
    let (begin, mut most) = (Instant::now(), 0);
    until("it was looked at for a while", || {
        most = processes_of(&bed, "bomb").len().max(most);
        (begin.elapsed() > Duration::from_secs(1)).then_some(())
    });
    println!("the bomb had {most} processes");
    // How many its shells get to start before one of them is refused differs.
    assert!((5..=MOST).contains(&most), "{most} processes");
    row.end();
}

#[test]
fn a_hog_of_memory_is_killed_alone_and_called_so() {
    if !may_limit() {
        return;
    }
    let bed = Bed::new();
    let victim = "[node.hog]\nrun = \"dummy\"\nlimits = { memory = \"64MiB\" }\nsubscribe = { go = \"go/array\" }\n\
                  params = { rate = 10, leak = 400, leak_max = 1000, after_messages = 10 }\n\
                  [node.go]\nrun = \"dummy\"\nparams = { rate = 1 }\n";
    let row = Row::start(&bed, "memory", victim);
    let seen = row.until_node("hog", |node| node["restarts"].as_u64() >= Some(1));
    println!("{seen}");
    assert_eq!(seen["cause"], "out_of_memory", "{seen}");
    assert!(row.bed.verb(&["stop", "memory:hog"]).status.success());
    row.until_node("hog", |node| node["state"] == "stopped");
    row.end();
}

#[test]
fn a_node_that_opens_all_its_files_hurts_only_itself() {
    let bed = Bed::new();
    bed.file(
        "files.py",
        "import time\nkept, out = [], open('count', 'w')\ntry:\n    while True: kept.append(open('/dev/null'))\n\
         except OSError as error: print(len(kept), error.errno, file=out, flush=True)\ntime.sleep(600)\n",
    );
    let victim = "[node.opener]\nrun = [\"python3\", \"files.py\"]\nlimits = { files = 64 }\n";
    let mut row = Row::start(&bed, "opener", victim);
    let text = until("it met its limit", || {
        fs::read_to_string(bed.files().join("count")).ok().filter(|text| text.ends_with('\n'))
    });
    let (count, errno) = text.trim().split_once(' ').unwrap();
    assert!((1..64).contains(&count.parse::<u32>().unwrap()) && errno == "24", "{text}");
    row.mark();
    row.end();
}
