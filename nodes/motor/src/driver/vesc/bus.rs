//! A CAN interface as a bus of frames, and what is wrong with it in words. It never waits.

use std::{fmt::Debug, fs, io, path::Path};

use socketcan::{CanFilter, CanFrame, CanSocket, Socket, SocketOptions};

/// Where the kernel shows its network interfaces.
const CLASS: &str = "/sys/class/net";

/// The kind of an interface that is a CAN bus (ARPHRD_CAN).
const CAN: &str = "280";

/// How much of the kernel's memory may be filled with frames that wait, in bytes: the least that it allows, a few frames. What waits
/// on a bus where nobody listens leaves, old as it is, when somebody does.
const WAITING_MAX: usize = 1;

const ENXIO: i32 = 6;
const ENODEV: i32 = 19;
const EPROTONOSUPPORT: i32 = 93;
const EAFNOSUPPORT: i32 = 97;
const ENETDOWN: i32 = 100;
const ENOBUFS: i32 = 105;

/// What became of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sent {
    /// It is on its way.
    Away,
    /// Too many wait already, so this one was thrown away.
    NoRoom,
}

/// Takes and gives frames, without waiting.
pub(crate) trait Bus: Debug {
    /// Sends a frame.
    ///
    /// # Errors
    /// When the bus must be opened anew.
    fn send(&mut self, frame: &CanFrame) -> Result<Sent, String>;

    /// The next frame, if there is one.
    ///
    /// # Errors
    /// When the bus must be opened anew.
    fn receive(&mut self) -> Result<Option<CanFrame>, String>;
}

/// A CAN interface that was opened.
#[derive(Debug)]
pub(crate) struct Can {
    socket: CanSocket,
    interface: String,
}

impl Bus for Can {
    fn send(&mut self, frame: &CanFrame) -> Result<Sent, String> {
        match self.socket.write_frame(frame) {
            Ok(()) => Ok(Sent::Away),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock || error.raw_os_error() == Some(ENOBUFS) => {
                Ok(Sent::NoRoom)
            }
            Err(error) => Err(said(&self.interface, &error)),
        }
    }

    fn receive(&mut self) -> Result<Option<CanFrame>, String> {
        match self.socket.read_frame() {
            Ok(frame) => Ok(Some(frame)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(said(&self.interface, &error)),
        }
    }
}

/// Opens an interface for what passes one of the filters.
///
/// # Errors
/// What is wrong, and what there is.
pub(super) fn open(interface: &str, filters: &[CanFilter]) -> Result<Can, String> {
    look(Path::new(CLASS), interface)?;
    let socket = CanSocket::open(interface).map_err(|error| said(interface, &error))?;
    let set = || {
        socket.set_nonblocking(true)?;
        socket.set_filters(filters)?;
        socket.as_raw_socket().set_send_buffer_size(WAITING_MAX)
    };
    set().map_err(|error| said(interface, &error))?;
    Ok(Can { socket, interface: interface.to_owned() })
}

/// Whether there is such an interface and it is a CAN bus.
fn look(class: &Path, interface: &str) -> Result<(), String> {
    let kind = |name: &str| fs::read_to_string(class.join(name).join("type")).ok();
    let is_can = |name: &str| kind(name).is_some_and(|kind| kind.trim() == CAN);
    if is_can(interface) {
        return Ok(());
    }
    let entries = fs::read_dir(class).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut there: Vec<String> = names.filter(|name| is_can(name)).collect();
    there.sort_unstable();
    let there = match there.as_slice() {
        [] => "there is no CAN interface at all: is the adapter plugged in, and its driver loaded?".to_owned(),
        there => format!("there is {}", there.join(", ")),
    };
    let wrong = if kind(interface).is_some() { "that is no CAN interface" } else { "there is no such interface" };
    Err(format!("{wrong}; {there}"))
}

/// An error of a CAN socket, and how to mend it.
fn said(interface: &str, error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(ENETDOWN) => format!("it is down: ip link set {interface} up type can bitrate 500000"),
        Some(ENODEV | ENXIO) => "it vanished".to_owned(),
        Some(EAFNOSUPPORT | EPROTONOSUPPORT) => "this kernel has no CAN sockets yet: modprobe can-raw".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    /// A folder as the kernel shows its interfaces.
    fn class(interfaces: &[(&str, &str)]) -> TempDir {
        let class = TempDir::new().unwrap();
        for (name, kind) in interfaces {
            fs::create_dir(class.path().join(name)).unwrap();
            fs::write(class.path().join(name).join("type"), format!("{kind}\n")).unwrap();
        }
        class
    }

    #[test]
    fn a_can_interface_is_told_from_others() {
        let class = class(&[("eth0", "1"), ("can1", "280"), ("can0", "280")]);
        let look = |name| look(class.path(), name);
        assert_eq!(look("can1"), Ok(()));
        assert_eq!(look("eth0").unwrap_err(), "that is no CAN interface; there is can0, can1");
        assert_eq!(look("can2").unwrap_err(), "there is no such interface; there is can0, can1");
    }

    #[test]
    fn without_any_can_interface_it_is_said_what_to_look_at() {
        let error = look(class(&[("lo", "772")]).path(), "can0").unwrap_err();
        assert_eq!(
            error,
            "there is no such interface; there is no CAN interface at all: is the adapter plugged in, and its driver loaded?"
        );
    }

    #[test]
    fn an_error_says_how_to_mend_it() {
        let said = |errno| said("can0", &io::Error::from_raw_os_error(errno));
        assert!(said(100).contains("ip link set can0 up"));
        assert!(said(97).contains("modprobe can-raw"));
        assert_eq!((said(19), said(6)), ("it vanished".to_owned(), "it vanished".to_owned()));
        assert!(said(1).contains("not permitted"));
    }
}
