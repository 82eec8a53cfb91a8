//! Who may use a device file, in words for the person who may not. It never opens one.

use std::{fs, os::unix::fs::MetadataExt, path::Path};

/// Reading and writing, for the group of a file.
const GROUP_RIGHTS: u32 = 0o060;

/// How this user comes to be let in to a device file that was refused: the group to join, or that there is none.
#[must_use]
pub fn permission(path: &Path) -> String {
    let Ok(found) = path.metadata() else { return "this user may not look into its folder".to_owned() };
    match group_name(found.gid()) {
        Some(group) if found.gid() != 0 && found.mode() & GROUP_RIGHTS == GROUP_RIGHTS => {
            format!("join its group {group} (sudo usermod -aG {group} $USER) and log in again")
        }
        _ => "only root may use it: give it to a group by a udev rule".to_owned(),
    }
}

/// The name of a group by its number, from /etc/group.
#[must_use]
pub fn group_name(gid: u32) -> Option<String> {
    let groups = fs::read_to_string("/etc/group").ok()?;
    let id = gid.to_string();
    let mut fields = groups.lines().map(|line| line.split(':').collect::<Vec<_>>());
    fields.find(|fields| fields.get(2) == Some(&id.as_str())).map(|fields| fields[0].to_owned())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_refusal_says_how_to_be_let_in() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("video0");
        fs::write(&path, "").unwrap();
        let gid = path.metadata().unwrap().gid();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o660)).unwrap();
        match group_name(gid).filter(|_| gid != 0) {
            Some(group) => assert!(permission(&path).contains(&format!("sudo usermod -aG {group} $USER"))),
            None => assert!(permission(&path).contains("udev rule"), "root's group is nobody's to join"),
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(permission(&path).contains("udev rule"));
        assert!(permission(&dir.path().join("none/such")).contains("folder"));
    }

    #[test]
    fn groups_are_known_by_their_numbers() {
        assert_eq!(group_name(0).as_deref(), Some("root"));
        assert_eq!(group_name(u32::MAX), None);
    }
}
