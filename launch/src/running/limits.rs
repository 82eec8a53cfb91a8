//! What a node's limits do to it, as far as launch sees it. It never sets one.

use std::time::Duration;

use super::{Running, Shell};
use crate::{
    cgroup::MEND,
    supervisor::{Event, Node},
};

/// How often it is looked whether a node met its limit of processes.
const LOOK_EVERY: Duration = Duration::from_millis(500);

impl Running {
    /// When to look at limits next; never in a graph without any that can be met quietly.
    pub(super) fn limits_due(&self) -> Option<Duration> {
        self.members
            .iter()
            .any(|member| member.limits.pids.is_some() && member.cgroup.is_some())
            .then_some(self.limits_at)
    }

    /// Looks at those of all nodes, once in a while.
    pub(super) fn look_at_limits(&mut self, now: Duration, shell: &mut Shell) {
        if self.limits_due().is_some_and(|due| due <= now) {
            self.limits_at = now + LOOK_EVERY;
            (0..self.members.len()).for_each(|node| self.look_at_limit(node, shell));
        }
    }

    /// Looks at those of one node.
    pub(super) fn look_at_limit(&mut self, node: Node, shell: &mut Shell) {
        let Some(member) = self.members.get_mut(node).filter(|member| member.limits.pids.is_some()) else { return };
        let count = member.cgroup.as_ref().map_or(0, |cgroup| cgroup.seen().refused_forks);
        if count > member.refused_forks {
            member.refused_forks = count;
            self.happen(Event::ForksRefused { node, count }, shell);
        }
    }

    /// The limits that cannot be kept on this machine, as sentences.
    pub(crate) fn unkept(&self, shell: &Shell) -> Vec<String> {
        let mut unkept = Vec::new();
        for member in &self.members {
            let name = &member.name;
            if member.limits.memory.is_some() && !shell.cgroups.limits_memory() {
                unkept.push(format!("{name}: its limit of memory holds for each of its processes by itself, for there is no control group; {MEND}"));
            }
            if member.limits.pids.is_some() && !shell.cgroups.limits_pids() {
                unkept.push(format!(
                    "{name}: its limit of processes cannot be kept, for there is no control group; {MEND}"
                ));
            }
        }
        unkept
    }
}
