//! The folder where a running graph keeps its sockets: private to the user, one a graph.
//! It never follows a folder that somebody else could have made.

use std::{
    env, fs, io,
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::{Path, PathBuf},
};

use crate::graph::GraphName;

/// The longest path of a socket, in bytes: 107 for the system (unix(7)), less one because it is made under a longer name first.
const SOCKET_PATH_MAX: usize = 106;

/// The length of the shortest name that an endpoint falls back to.
const HASH_LEN: usize = 16;

/// The folder of one running graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunDir(PathBuf);

impl RunDir {
    /// Where the folders of all graphs of this user are: `$OFFBOARD_RUNTIME_DIR`, else `$XDG_RUNTIME_DIR/offboard`, else
    /// `/tmp/offboard-<uid>`. Made when missing, mode 0700.
    ///
    /// # Errors
    /// When its path cannot stand in an endpoint, it cannot be made, or belongs to somebody else, or others may enter it.
    pub fn base() -> io::Result<PathBuf> {
        let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let base = set("OFFBOARD_RUNTIME_DIR")
            .or_else(|| set("XDG_RUNTIME_DIR").filter(|dir| dir.is_dir()).map(|dir| dir.join("offboard")))
            .unwrap_or_else(|| PathBuf::from(format!("/tmp/offboard-{}", rustix::process::getuid().as_raw())));
        let base = endpoint_path(&base)?;
        make_private(&base)?;
        Ok(base)
    }

    /// The folder of the graph of this name, made when missing.
    ///
    /// # Errors
    /// As [`RunDir::base`], and when its path is too long for sockets.
    pub fn open(graph: &GraphName) -> io::Result<RunDir> {
        let dir = Self::base()?.join(graph.as_str());
        let longest = dir.as_os_str().len() + 1 + HASH_LEN;
        if longest > SOCKET_PATH_MAX {
            return Err(io::Error::other(format!(
                "{} is too long a path for sockets by {} bytes; set OFFBOARD_RUNTIME_DIR to a shorter one",
                dir.display(),
                longest - SOCKET_PATH_MAX
            )));
        }
        make_private(&dir)?;
        Ok(RunDir(dir))
    }

    /// The folder at this path, as it is.
    #[must_use]
    pub fn at(path: PathBuf) -> RunDir {
        RunDir(path)
    }

    /// The folder itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The socket over which verbs talk to the running graph.
    #[must_use]
    pub fn control(&self) -> PathBuf {
        self.0.join("ctl")
    }

    /// The datagram socket for heartbeats.
    #[must_use]
    pub fn status(&self) -> PathBuf {
        self.0.join("status")
    }

    /// The file that the launcher of this graph holds locked.
    #[must_use]
    pub fn lock(&self) -> PathBuf {
        self.0.join("lock")
    }

    /// The endpoint for what `label` names: readable where the path may be so long, else a hash.
    #[must_use]
    pub fn endpoint(&self, label: &str) -> String {
        let name: String = label.chars().map(|c| if c == '/' || c == ':' { '.' } else { c }).collect();
        let fits = self.0.as_os_str().len() + 1 + name.len() <= SOCKET_PATH_MAX;
        let name = if fits { name } else { format!("{:0HASH_LEN$x}", fnv1a(label.as_bytes())) };
        format!("ipc://{}", self.0.join(name).display())
    }
}

/// The 64-bit FNV-1a hash (Fowler, Noll, Vo; RFC 9923): the same in every build, which std's hasher does not promise.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The same path from the root, if the wiring, which is split on spaces, can hold it.
fn endpoint_path(dir: &Path) -> io::Result<PathBuf> {
    let path = std::path::absolute(dir)?;
    match path.to_str() {
        Some(text) if !text.contains(|c: char| c.is_whitespace() || c.is_control()) => Ok(path),
        _ => Err(io::Error::other(format!(
            "{path:?} has spaces or other characters that no endpoint can hold; set OFFBOARD_RUNTIME_DIR to another folder"
        ))),
    }
}

fn make_private(dir: &Path) -> io::Result<()> {
    if let Err(error) = fs::DirBuilder::new().recursive(true).mode(0o700).create(dir) {
        return Err(io::Error::new(error.kind(), format!("cannot make {}: {error}", dir.display())));
    }
    let found = fs::symlink_metadata(dir)?;
    let mine = found.uid() == rustix::process::getuid().as_raw();
    if !found.is_dir() || !mine || found.mode() & 0o077 != 0 {
        return Err(io::Error::other(format!(
            "{} must be a folder of yours with mode 0700; remove it, or set OFFBOARD_RUNTIME_DIR",
            dir.display()
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn an_endpoint_is_readable_while_it_fits_and_a_hash_when_not() {
        let dir = RunDir::at("/run/o/desk".into());
        assert_eq!(dir.endpoint("robot:camera/frames-viewer.in"), "ipc:///run/o/desk/robot.camera.frames-viewer.in");
        let long = dir.endpoint(&"x".repeat(200));
        assert_eq!(long.len(), "ipc:///run/o/desk/".len() + HASH_LEN);
        assert_ne!(long, dir.endpoint(&"x".repeat(201)));
    }

    #[test]
    fn a_folder_whose_name_breaks_the_wiring_is_refused_and_a_relative_one_is_made_absolute() {
        assert!(endpoint_path(Path::new("/run/my o")).unwrap_err().to_string().contains("\"/run/my o\" has spaces"));
        assert_eq!(endpoint_path(Path::new("o")).unwrap(), env::current_dir().unwrap().join("o"));
    }

    #[test]
    fn a_folder_that_others_may_enter_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let open = dir.path().join("open");
        make_private(&open).unwrap();
        fs::set_permissions(&open, fs::Permissions::from_mode(0o755)).unwrap();
        assert!(make_private(&open).unwrap_err().to_string().contains("0700"));
    }
}
