//! Control groups: what a node's processes cannot leave by forking, so that they end together and stay within their limits.
//!
//! A launch has one folder in each tree of groups that it uses, and below it one a node. A process joins at its birth, before it is
//! the node's program ([`crate::enter`]). The rungs, best first: version 2 with the controllers `memory` and `pids`; version 1 with
//! `pids` and `memory`; version 2 alone, which ends processes together but limits none; none of them.
//!
//! It never starts a process and never waits for one.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

use offboard::graph::Limits;

use self::{
    find::{Mount, mounts},
    folder::{controllers, is_ours, write},
};
pub(crate) use self::{
    folder::{RUN_PREFIX, kill, processes, remove},
    group::Group,
    rung::{MEND, Rung},
};

mod find;
mod folder;
mod group;
mod rung;

/// Which trees to use: `auto` (or nothing), `v2`, `v1` or `off`.
const CHOICE: &str = "OFFBOARD_CGROUP";

/// How far up from its own group launch looks for one that gives controllers.
const CLIMB_MAX: usize = 16;

/// The two ways in which Linux shows control groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    V1,
    V2,
}

/// A folder in a tree of groups, and what can be limited there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tree {
    pub(crate) path: PathBuf,
    pub(crate) version: Version,
    pub(crate) memory: bool,
    pub(crate) pids: bool,
}

/// The folders of one launch.
#[derive(Debug, Default)]
pub(crate) struct Cgroups {
    /// The first tells who is there.
    trees: Vec<Tree>,
    /// Where launch moved itself, so that its own group may have groups with controllers below it.
    leaf: Option<PathBuf>,
    /// Why there is nothing better.
    why: Vec<String>,
}

impl Cgroups {
    /// Makes the folders of the launch with this mark, in the best trees that there are.
    pub(crate) fn open(run: &str) -> Cgroups {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let mounts = mounts(&read("/proc/self/mountinfo"), &read("/proc/self/cgroup"));
        let choice = env::var(CHOICE).unwrap_or_default();
        let mut cgroups = Cgroups::default();
        match choice.as_str() {
            "off" => cgroups.why.push(format!("{CHOICE} is off")),
            "v1" => cgroups.open_v1(&mounts, run),
            "v2" => {
                cgroups.open_v2(&mounts, run, false);
                cgroups.open_v1(&mounts, run);
            }
            _ => {
                // Version 1 before a version 2 without controllers: a single thread joins it without waiting for the whole machine.
                cgroups.open_v2(&mounts, run, true);
                cgroups.open_v1(&mounts, run);
                if cgroups.trees.is_empty() {
                    cgroups.open_v2(&mounts, run, false);
                }
            }
        }
        cgroups
    }

    /// The folders, for whoever removes them when launch cannot.
    pub(crate) fn folders(&self) -> Vec<PathBuf> {
        self.trees.iter().map(|tree| tree.path.clone()).collect()
    }

    /// Where launch moved itself.
    pub(crate) fn leaf(&self) -> Option<&Path> {
        self.leaf.as_deref()
    }

    /// The groups of a node; none where there are no control groups. Nothing is made yet.
    pub(crate) fn node(&self, graph: &str, node: &str, limits: &Limits) -> Option<Group> {
        // No file of the kernel's has a colon in its name.
        let folder = |tree: &Tree| Tree { path: tree.path.join(format!("{graph}:{node}")), ..tree.clone() };
        // Accounting for memory costs a node that handles pictures a tenth of its time: only who has a limit pays for it. The first
        // tree is what holds a node together.
        let joins = |(place, tree): &(usize, &Tree)| *place == 0 || tree.pids || limits.memory.is_some();
        let trees: Vec<Tree> = self.trees.iter().enumerate().filter(joins).map(|(_, tree)| folder(tree)).collect();
        (!trees.is_empty()).then(|| Group::new(trees, limits))
    }

    /// Whether memory can be limited.
    pub(crate) fn limits_memory(&self) -> bool {
        self.trees.iter().any(|tree| tree.memory)
    }

    /// Whether the number of processes can be limited.
    pub(crate) fn limits_pids(&self) -> bool {
        self.trees.iter().any(|tree| tree.pids)
    }

    /// Removes what is left, ends what is left in it, and goes back to where launch was.
    pub(crate) fn close(self) {
        for tree in &self.trees {
            remove(&tree.path);
        }
        self.leaf.iter().for_each(|leaf| leave(leaf));
    }

    /// The best folder of version 2: with controllers, or, unless that is `required`, without.
    fn open_v2(&mut self, mounts: &[Mount], run: &str, required: bool) {
        let Some(mount) = mounts.iter().find(|mount| mount.version == Version::V2) else {
            return self.why.push("control groups of version 2 are not mounted".to_owned());
        };
        for (climbed, parent) in parents(mount).into_iter().enumerate() {
            match self.make_v2(&parent, run, climbed == 0) {
                Ok(()) => return,
                Err(error) => self.why.push(format!("{}: {error}", parent.display())),
            }
        }
        if required {
            return;
        }
        let path = mount.own.join(format!("{RUN_PREFIX}{run}"));
        match fs::create_dir(&path) {
            Ok(()) => self.trees.push(Tree { path, version: Version::V2, memory: false, pids: false }),
            Err(error) => self.why.push(format!("{}: {error}", path.display())),
        }
    }

    /// A folder with controllers below `parent`.
    fn make_v2(&mut self, parent: &Path, run: &str, is_own: bool) -> io::Result<()> {
        let has = |path: &Path, file: &str| {
            let list = controllers(&path.join(file));
            ["memory", "pids"].iter().all(|wanted| list.iter().any(|known| known == wanted))
        };
        if !has(parent, "cgroup.controllers") {
            return Err(io::Error::other("it has not the controllers memory and pids"));
        }
        // Who joins a group must be allowed to write to what it has in common with its old one.
        rustix::fs::access(parent.join("cgroup.procs"), rustix::fs::Access::WRITE_OK)?;
        let mut leaf = None;
        if !has(parent, "cgroup.subtree_control") {
            if is_own && is_alone(parent) {
                leaf = Some(enter_leaf(parent, run)?);
            }
            if let Err(error) = write(&parent.join("cgroup.subtree_control"), "+memory +pids") {
                leaf.iter().for_each(|leaf| leave(leaf));
                return Err(io::Error::other(format!("its controllers cannot be given on: {error}")));
            }
        }
        let path = parent.join(format!("{RUN_PREFIX}{run}"));
        let made = fs::create_dir(&path).and_then(|()| write(&path.join("cgroup.subtree_control"), "+memory +pids"));
        if let Err(error) = made {
            let _ = fs::remove_dir(&path);
            leaf.iter().for_each(|leaf| leave(leaf));
            return Err(error);
        }
        self.trees.push(Tree { path, version: Version::V2, memory: true, pids: true });
        self.leaf = leaf;
        Ok(())
    }

    /// Folders of version 1 for what cannot be limited yet; `pids` first, for it ends processes best.
    fn open_v1(&mut self, mounts: &[Mount], run: &str) {
        for controller in ["pids", "memory"] {
            let (known, memory) =
                if controller == "memory" { (self.limits_memory(), true) } else { (self.limits_pids(), false) };
            let mounted =
                |mount: &&Mount| mount.version == Version::V1 && mount.controllers.iter().any(|it| it == controller);
            let Some(mount) = mounts.iter().find(mounted).filter(|_| !known) else { continue };
            let path = mount.own.join(format!("{RUN_PREFIX}{run}"));
            match fs::create_dir(&path) {
                Ok(()) => self.trees.push(Tree { path, version: Version::V1, memory, pids: !memory }),
                // Both controllers in one tree.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    self.trees.iter_mut().filter(|tree| tree.path == path).for_each(|tree| tree.memory = true);
                }
                Err(error) => self.why.push(format!("{}: {error}", path.display())),
            }
        }
    }
}

/// The rung on which a launch would stand that was started now. Makes folders and removes them again.
pub(crate) fn rung() -> Rung {
    let cgroups = Cgroups::open(&format!("probe-{}", std::process::id()));
    let rung = cgroups.rung();
    cgroups.close();
    rung
}

/// Its own group and those above, as far as they are not another launch's: who leaves that one's would outlive it.
fn parents(mount: &Mount) -> Vec<PathBuf> {
    if mount.own.components().any(|part| is_ours(part.as_os_str())) {
        return vec![mount.own.clone()];
    }
    let inside = |path: &&Path| path.starts_with(&mount.top);
    mount.own.ancestors().take_while(inside).take(CLIMB_MAX).map(Path::to_owned).collect()
}

fn is_alone(group: &Path) -> bool {
    fs::read_to_string(group.join("cgroup.procs")).is_ok_and(|text| text.trim() == std::process::id().to_string())
}

/// A group of version 2 either has processes or gives controllers on: launch makes room by moving one level down.
fn enter_leaf(own: &Path, run: &str) -> io::Result<PathBuf> {
    let leaf = own.join(format!("{RUN_PREFIX}{run}-launch"));
    fs::create_dir(&leaf)?;
    if let Err(error) = write(&leaf.join("cgroup.procs"), "0") {
        let _ = fs::remove_dir(&leaf);
        return Err(error);
    }
    Ok(leaf)
}

/// Undoes [`enter_leaf`], by launch itself or by its guard, which was born there.
pub(crate) fn leave(leaf: &Path) {
    let Some(own) = leaf.parent() else { return };
    let _ = write(&own.join("cgroup.subtree_control"), "-memory -pids");
    let _ = write(&own.join("cgroup.procs"), "0");
    let _ = fs::remove_dir(leaf);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_launch_within_a_launch_stays_below_it() {
        let mount = |own: &str| Mount {
            version: Version::V2,
            controllers: Vec::new(),
            top: PathBuf::from("/sys/fs/cgroup"),
            own: PathBuf::from(own),
        };
        let paths =
            |own: &str| parents(&mount(own)).into_iter().map(|path| path.display().to_string()).collect::<Vec<_>>();
        assert_eq!(paths("/sys/fs/cgroup/a/b"), ["/sys/fs/cgroup/a/b", "/sys/fs/cgroup/a", "/sys/fs/cgroup"]);
        assert_eq!(paths("/sys/fs/cgroup/a/offboard-7-1/t:a"), ["/sys/fs/cgroup/a/offboard-7-1/t:a"]);
    }
}
