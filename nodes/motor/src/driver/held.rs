//! Which outputs this process has: no other motor node and no calibration on this computer has one of them meanwhile.
//!
//! Each is a name that the kernel gives to one socket at a time (an abstract one: there is no file), whoever the user is and whatever
//! the graph is called. The kernel takes it back when the process ends, however that happens. It never keeps a guard from putting out
//! neutral, and knows nothing of other programs, nor of containers with a network of their own.

use std::{
    collections::BTreeMap,
    io,
    os::{
        linux::net::SocketAddrExt,
        unix::{
            fs::MetadataExt,
            net::{SocketAddr, UnixDatagram},
        },
    },
    path::Path,
};

use offboard::{Error, Result};

use super::Driver;
use crate::mixing::Wheels;

/// The longest name, in bytes: the kernel has room for 107.
const NAME_MAX: usize = 100;

/// An output: as people call it, and as no other one is called.
pub(super) type Output = (String, String);

/// A driver and its outputs, which are held until it has put out neutral.
pub(super) struct Held {
    driver: Box<dyn Driver>,
    _outputs: Vec<UnixDatagram>,
}

impl Held {
    /// Opens a driver when nobody else has its outputs. Otherwise nothing is put out, not even neutral.
    ///
    /// # Errors
    /// When somebody has, or the driver cannot be opened.
    pub(super) fn open(
        outputs: impl IntoIterator<Item = Output>,
        open: impl FnOnce() -> Result<Box<dyn Driver>>,
    ) -> Result<Held> {
        let outputs = hold(outputs)?;
        Ok(Held { driver: open()?, _outputs: outputs })
    }
}

impl Driver for Held {
    fn put(&mut self, now_ns: i64, wheels: Wheels) -> Result<Wheels> {
        self.driver.put(now_ns, wheels)
    }

    fn trouble(&self) -> Option<String> {
        self.driver.trouble()
    }

    fn finish(&mut self) -> bool {
        self.driver.finish()
    }
}

/// All or none.
fn hold(outputs: impl IntoIterator<Item = Output>) -> Result<Vec<UnixDatagram>> {
    // Who names one twice is not another one.
    let outputs: BTreeMap<String, String> = outputs.into_iter().map(|(shown, output)| (output, shown)).collect();
    let hold = |(output, shown)| {
        let name = format!("offboard-motor/{output}").into_bytes();
        let name = SocketAddr::from_abstract_name(&name[name.len().saturating_sub(NAME_MAX)..])?;
        UnixDatagram::bind_addr(&name).map_err(|error| match error.kind() {
            io::ErrorKind::AddrInUse => {
                Error::other(format!("{shown}: another motor node or a calibration has this output: stop that first"))
            }
            _ => error.into(),
        })
    };
    outputs.into_iter().map(hold).collect()
}

/// How a device is called by its file, whatever path leads there; one that is not there yet, by its path.
pub(super) fn device(path: &Path) -> String {
    match path.metadata() {
        Ok(found) if found.rdev() != 0 => format!("device {:x}", found.rdev()),
        Ok(found) => format!("file {:x}.{:x}", found.dev(), found.ino()),
        Err(_) => path.display().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    #[test]
    fn an_output_has_one_owner_by_whatever_path_until_that_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let [chip, link, other] = ["chip", "link", "other"].map(|name| dir.path().join(name));
        fs::write(&chip, "").unwrap();
        fs::write(&other, "").unwrap();
        symlink(&chip, &link).unwrap();
        let take = |path: &Path, numbers: [u8; 2]| {
            hold(numbers.map(|number| (format!("chip/{number}"), format!("{}/{number}", device(path)))))
        };
        let first = take(&chip, [0, 1]).unwrap();
        let error = take(&link, [2, 1]).unwrap_err().to_string();
        assert_eq!(error, "chip/1: another motor node or a calibration has this output: stop that first");
        // What was taken beside the one that could not be had is free again, and so are other devices.
        let _second = take(&link, [2, 3]).unwrap();
        let _third = take(&other, [0, 1]).unwrap();
        drop(first);
        take(&link, [1, 1]).unwrap();
    }

    #[test]
    fn a_device_that_is_not_there_has_a_name_however_long() {
        assert_eq!(device(Path::new("/dev/null")), "device 103");
        let missing = format!("/dev/offboard-no-such-{}", "x".repeat(200));
        let take = || hold([("it".to_owned(), device(Path::new(&missing)))]);
        let _first = take().unwrap();
        assert!(take().is_err());
    }
}
