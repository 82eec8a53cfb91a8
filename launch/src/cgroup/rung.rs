//! Which rung of containment holds on this machine, and why not a better one. It never changes anything that stays.

use super::{Cgroups, Version};

/// What to do about a machine without control groups of ours.
pub(crate) const MEND: &str =
    "start launch as root, or as a unit with delegation: systemd-run --user --scope -p Delegate=yes launch FILE";

/// How far nodes are contained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rung {
    /// For machines: `cgroup2`, `cgroup1`, `cgroup2-without-limits` or `process-groups`.
    pub(crate) name: &'static str,
    /// What holds, as a sentence without its full stop.
    pub(crate) text: String,
    /// Whether `limits.memory` is kept for all processes of a node together.
    pub(crate) memory: bool,
    /// Whether `limits.pids` is kept.
    pub(crate) pids: bool,
    /// Why it is not the best one, place by place; empty when it is.
    pub(crate) why: Vec<String>,
    /// What to do about it; none when nothing is missing.
    pub(crate) mend: Option<&'static str>,
}

impl Cgroups {
    /// The rung on which this launch stands.
    pub(crate) fn rung(&self) -> Rung {
        let (memory, pids) = (self.limits_memory(), self.limits_pids());
        let kept = match (memory, pids) {
            (true, true) => "limits of memory and processes are kept",
            (true, false) => "limits of memory are kept, those of processes are not",
            (false, true) => "limits of processes are kept, those of memory only for each process by itself",
            (false, false) => "limits of memory are kept only for each process by itself, those of processes are not",
        };
        let (name, how) = match self.trees.first() {
            Some(tree) if tree.version == Version::V2 && tree.pids => {
                ("cgroup2", "control groups of version 2: all processes of a node end together")
            }
            Some(tree) if tree.version == Version::V1 => {
                ("cgroup1", "control groups of version 1: all processes of a node end together")
            }
            Some(_) => ("cgroup2-without-limits", "control groups of version 2: all processes of a node end together"),
            None => (
                "process-groups",
                "process groups and marks in the environment: what leaves its group and wipes its environment outlives its node",
            ),
        };
        let complete = memory && pids;
        let why = if name == "cgroup2" { Vec::new() } else { self.why.clone() };
        let mend = (!complete).then_some(MEND);
        Rung { name, text: format!("{how}; {kept}"), memory, pids, why, mend }
    }
}
