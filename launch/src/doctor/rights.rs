//! Why this user may not use a device, and the very commands that mend it. It never runs them.

use std::{fmt, fs, os::unix::fs::MetadataExt, path::Path};

use offboard::device::group_name;
use rustix::process::{getgroups, getuid};

use super::{Finding, State, devices::Kind};

/// The rights of a device file's group to read and write it.
const GROUP_RIGHTS: u32 = 0o060;

/// A device that is there but that this user may not use.
pub(super) fn refused(what: impl fmt::Display, state: State, kind: Kind, path: &Path) -> Finding {
    let finding = Finding::new(what, state, format!("{} may not be used by you", path.display()));
    let Ok(found) = path.metadata() else { return finding.mend("its folder may not be looked into: ls -ld it") };
    let group = group_name(found.gid());
    match group {
        Some(group) if found.gid() != 0 && found.mode() & GROUP_RIGHTS == GROUP_RIGHTS => finding.mend(join(&group)),
        _ => finding.mend(format!("{}\n{}", rule(kind), join(kind.group()))),
    }
}

/// How to come into a group.
fn join(group: &str) -> String {
    let entry = groups().into_iter().find(|entry| entry.first().is_some_and(|name| name == group));
    let member = |entry: &Vec<String>| {
        let names = entry.get(3).map(|names| names.split(',').map(str::to_owned).collect::<Vec<_>>());
        user().is_some_and(|user| names.is_some_and(|names| names.contains(&user)))
    };
    let mine = |entry: &Vec<String>| {
        let gid = entry.get(2).and_then(|gid| gid.parse::<u32>().ok());
        getgroups().is_ok_and(|all| all.iter().any(|own| Some(own.as_raw()) == gid))
    };
    match entry {
        Some(entry) if mine(&entry) => format!("you are in its group {group} already"),
        Some(entry) if member(&entry) => {
            format!("you are in its group {group}, but not since you logged in: log out and in")
        }
        _ => format!("sudo usermod -aG {group} $USER, then log out and in"),
    }
}

/// What gives devices of a kind, now and whenever they come, to a group.
fn rule(kind: Kind) -> String {
    let (group, subsystem) = (kind.group(), kind.subsystem());
    let gives = match kind {
        // No device file but a folder of files, and one more for each output that is taken.
        Kind::Pwm => format!(
            "SUBSYSTEM==\"pwm\", ACTION!=\"remove\", RUN+=\"/bin/chgrp -R {group} /sys%p\", RUN+=\"/bin/chmod -R g+rwX /sys%p\""
        ),
        // Not the consoles, which are ttys too.
        Kind::Serial => format!("KERNEL==\"tty[A-Z]*[0-9]\", GROUP=\"{group}\", MODE=\"0660\""),
        _ => format!("SUBSYSTEM==\"{subsystem}\", GROUP=\"{group}\", MODE=\"0660\""),
    };
    let is_there = groups().iter().any(|entry| entry.first().is_some_and(|name| name == group));
    let make = if is_there { String::new() } else { format!("sudo groupadd {group}\n") };
    format!(
        "{make}echo '{gives}' | sudo tee /etc/udev/rules.d/60-offboard-{subsystem}.rules\n\
         sudo udevadm control --reload && sudo udevadm trigger --action=add --subsystem-match={subsystem}"
    )
}

/// This user's name.
fn user() -> Option<String> {
    let uid = getuid().as_raw().to_string();
    table("/etc/passwd").into_iter().find(|entry| entry.get(2) == Some(&uid)).and_then(|entry| entry.into_iter().next())
}

/// Name, password, number, members.
fn groups() -> Vec<Vec<String>> {
    table("/etc/group")
}

fn table(path: &str) -> Vec<Vec<String>> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().map(|line| line.split(':').map(str::to_owned).collect()).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_device_of_root_alone_is_given_to_a_group_by_a_rule() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("i2c-1");
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let mend = refused("i2c bus", State::Bad, Kind::I2c, &path).mend.unwrap();
        let rule = "echo 'SUBSYSTEM==\"i2c-dev\", GROUP=\"i2c\", MODE=\"0660\"' | sudo tee /etc/udev/rules.d/60-offboard-i2c-dev.rules\n\
            sudo udevadm control --reload && sudo udevadm trigger --action=add --subsystem-match=i2c-dev\n";
        assert!(mend.contains(rule), "{mend}");
        assert!(mend.contains("group i2c") || mend.contains("-aG i2c $USER"), "{mend}");
    }
}
