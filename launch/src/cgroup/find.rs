//! Where the trees of control groups are, and where in them we are. It never opens a file.

use std::path::{Path, PathBuf};

use super::Version;

/// A mounted tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mount {
    pub(super) version: Version,
    /// Version 1: what it controls.
    pub(super) controllers: Vec<String>,
    /// Where it is mounted.
    pub(super) top: PathBuf,
    /// The folder of our own group.
    pub(super) own: PathBuf,
}

/// The trees, from `/proc/self/mountinfo` and `/proc/self/cgroup`; see proc_pid_mountinfo(5) and cgroups(7).
pub(super) fn mounts(mountinfo: &str, cgroup: &str) -> Vec<Mount> {
    mountinfo.lines().filter_map(|line| mount(line, cgroup)).collect()
}

fn mount(line: &str, cgroup: &str) -> Option<Mount> {
    let (left, right) = line.split_once(" - ")?;
    let mut left = left.split(' ').skip(3);
    let (root, top) = (unescape(left.next()?), PathBuf::from(unescape(left.next()?)));
    let mut right = right.split(' ');
    let (kind, options) = (right.next()?, right.nth(1).unwrap_or_default());
    let (version, controllers) = match kind {
        "cgroup2" => (Version::V2, Vec::new()),
        "cgroup" => (Version::V1, options.split(',').map(str::to_owned).collect()),
        _ => return None,
    };
    let place = cgroup.lines().find_map(|line| place(line, version, &controllers))?;
    // A container may see its tree from another root than its own place is told from.
    let below = Path::new(place).strip_prefix(&root).or_else(|_| Path::new(place).strip_prefix("/")).ok()?;
    let own = if below.as_os_str().is_empty() { top.clone() } else { top.join(below) };
    Some(Mount { version, controllers, own, top })
}

/// Our place in a tree, if this line of `/proc/self/cgroup` is about it: `4:memory:/a` or `0::/a`.
fn place<'a>(line: &'a str, version: Version, controllers: &[String]) -> Option<&'a str> {
    let (_, rest) = line.split_once(':')?;
    let (of, place) = rest.split_once(':')?;
    let is_it = match version {
        Version::V2 => of.is_empty(),
        Version::V1 => !of.is_empty() && of.split(',').all(|one| controllers.iter().any(|known| known == one)),
    };
    is_it.then_some(place)
}

/// A blank and what else would break a line of mountinfo stands there as `\` and three octal digits.
fn unescape(text: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .iter()
        .fold(text.to_owned(), |text, (escaped, plain)| text.replace(escaped, plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_with_both_versions_is_understood() {
        let mountinfo = "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n\
            35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:7 - cgroup cgroup rw,memory\n\
            39 31 0:36 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids\n\
            40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd\n\
            41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";
        let cgroup = "9:name=systemd:/\n8:pids:/\n4:memory:/jobs/7\n0::/\n";
        let found = mounts(mountinfo, cgroup);
        let own = |index: usize| found[index].own.to_str().unwrap();
        assert_eq!(found.len(), 4);
        assert_eq!(
            (own(0), own(1), own(3)),
            ("/sys/fs/cgroup/memory/jobs/7", "/sys/fs/cgroup/pids", "/sys/fs/cgroup/unified")
        );
        assert_eq!((found[0].version, found[3].version), (Version::V1, Version::V2));
        assert!(found[1].controllers.iter().any(|controller| controller == "pids"));
    }

    #[test]
    fn a_machine_with_version_2_only_and_a_container_are_understood() {
        let session = "0::/user.slice/user-1000.slice/session-1.scope\n";
        let plain = mounts("30 24 0:26 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw,nsdelegate\n", session);
        assert_eq!(plain[0].own, Path::new("/sys/fs/cgroup/user.slice/user-1000.slice/session-1.scope"));
        let container = mounts("30 24 0:26 /docker/5 /sys/fs/cgroup ro - cgroup2 cgroup rw\n", "0::/docker/5/a\n");
        assert_eq!(container[0].own, Path::new("/sys/fs/cgroup/a"));
        assert!(mounts("rubbish\n1 2 - cgroup2\n", session).is_empty());
        let blank = mounts("30 24 0:26 / /my\\040groups rw - cgroup2 cgroup2 rw\n", "0::/\n");
        assert_eq!(blank[0].own, Path::new("/my groups"));
    }
}
