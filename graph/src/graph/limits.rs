//! What a node may use: the `limits` table. It never sets a limit.

use super::{
    Limits,
    mistakes::{Log, Mistake},
    show::show,
    tree::{Item, Table, Value},
    walk,
};

/// Less memory than this no program begins in, in bytes.
const MEMORY_MIN: u64 = 1 << 20;

/// More processes than this no Linux has at once (`PID_MAX_LIMIT`).
const PIDS_MAX: u32 = 1 << 22;

/// With fewer open files a program cannot load its libraries.
const FILES_MIN: u32 = 8;

/// More open files than this Linux gives no process unless it is told to (`fs.nr_open`).
const FILES_MAX: u32 = 1 << 20;

/// The processors that the kernel's usual mask has room for.
const CPUS_MAX: u32 = 1024;

/// The `limits` of a node.
pub(crate) fn limits(table: &Table, log: &mut Log) -> Limits {
    let Some(limits) = walk::table(table, "limits", log) else { return Limits::default() };
    walk::only(limits, &["memory", "pids", "files", "nice", "cpus"], "`limits`", log);
    Limits {
        memory: memory(limits, log),
        pids: walk::count(limits, "pids", PIDS_MAX, log),
        files: integer(limits, "files", (FILES_MIN.into(), FILES_MAX.into()), log),
        nice: integer(limits, "nice", (-20, 19), log),
        cpus: limits.get("cpus").and_then(|entry| cpus(&entry.item, log)).unwrap_or_default(),
    }
}

fn memory(limits: &Table, log: &mut Log) -> Option<u64> {
    let bytes = walk::bytes(limits, "memory", log)?;
    if bytes < MEMORY_MIN {
        let at = &limits.get("memory")?.item.at;
        let title = format!("`memory` is {}: in less than 1MiB no program begins", show(at.text()));
        log.push(Mistake::new(at, title));
        return None;
    }
    Some(bytes)
}

/// An integer within bounds, both included.
fn integer<T: TryFrom<i64>>(limits: &Table, key: &str, (least, most): (i64, i64), log: &mut Log) -> Option<T> {
    let item = &limits.get(key)?.item;
    within(item, &format!("`{key}`"), (least, most), log).and_then(|integer| T::try_from(integer).ok())
}

fn within(item: &Item, what: &str, (least, most): (i64, i64), log: &mut Log) -> Option<i64> {
    let wants = format!("an integer from {least} to {most}");
    match item.value {
        Value::Integer(integer) if (least..=most).contains(&integer) => return Some(integer),
        Value::Integer(integer) => {
            log.push(Mistake::new(&item.at, format!("{what} is {integer} but wants {wants}")));
        }
        _ => log.extend(walk::wrong(item, what, &wants)),
    }
    None
}

fn cpus(item: &Item, log: &mut Log) -> Option<Vec<u32>> {
    let help = "for instance cpus = [0, 1]";
    let Value::List(items) = &item.value else {
        log.extend(walk::wrong(item, "`cpus`", "a list of processors").map(|mistake| mistake.help(help)));
        return None;
    };
    if items.is_empty() {
        let title = "`cpus` names no processor: the node could run nowhere";
        log.push(Mistake::new(&item.at, title).help("leave it out to allow all"));
    }
    let mut cpus = Vec::new();
    for item in items.iter().take(CPUS_MAX as usize + 1) {
        let cpu = within(item, "an item of `cpus`", (0, i64::from(CPUS_MAX) - 1), log);
        let Some(cpu) = cpu.and_then(|cpu| u32::try_from(cpu).ok()) else { continue };
        if cpus.contains(&cpu) {
            log.push(Mistake::new(&item.at, format!("`cpus` names processor {cpu} twice")));
        } else {
            cpus.push(cpu);
        }
    }
    Some(cpus)
}
