//! What turns an output into motion: one trait, one file for each kind. It never decides what to put out.

use offboard::Result;

use crate::{
    mixing::Wheels,
    params::{DriverKind, Settings},
};

pub(crate) mod serial;
pub(crate) mod virtual_motor;

/// A motor that can be put to values. Dropping it brings it to neutral first, however the node ends.
pub(crate) trait Driver: Send {
    /// Puts out, without ever waiting for the motor. Says what the wheels do now, as far as is known.
    ///
    /// # Errors
    /// When this driver will never work again and the node must be started anew.
    fn put(&mut self, now_ns: i64, wheels: Wheels) -> Result<Wheels>;

    /// Why nothing that is put out reaches the motor; none when all is well.
    fn trouble(&self) -> Option<String>;
}

/// The driver that the parameters ask for. It begins with neutral.
///
/// # Errors
/// When the operating system gives no thread.
pub(crate) fn open(settings: &Settings) -> Result<Box<dyn Driver>> {
    Ok(match settings.driver {
        DriverKind::Serial => Box::new(serial::Serial::start(&settings.port, settings.baud, settings.hold)?),
        DriverKind::Virtual => Box::new(virtual_motor::VirtualMotor::new(settings.response)),
    })
}
