//! A PCA9685 that is a table of registers in the kernel (i2c-stub): what is written is kept, and nothing moves.

use std::{fs, path::Path};

use i2cdev::{core::I2CDevice, linux::LinuxI2CDevice};
use offboard_tests::until;

use crate::support::{load, unload};

pub(crate) const MODE1: u8 = 0x00;
pub(crate) const MODE2: u8 = 0x01;
pub(crate) const PRE_SCALE: u8 = 0xFE;
/// MODE1 of a board that a motor node serves.
pub(crate) const RUNNING: u8 = 0x20;
/// The ticks of 1500 µs at 50 Hz, where a tick is 4.88 µs; and those of 1000 and 2000 µs.
pub(crate) const NEUTRAL: u16 = 307;
pub(crate) const FULL_BACK: u16 = 205;
pub(crate) const FULL_AHEAD: u16 = 410;

/// The chip, and the bus that it is on.
pub(crate) struct Chip {
    device: LinuxI2CDevice,
    /// Its device file.
    pub(crate) bus: String,
}

impl Chip {
    /// A chip that was just given power, alone on a new bus.
    pub(crate) fn powered(address: u8) -> Chip {
        unload("i2c-stub");
        load("i2c-stub", &format!("chip_addr={address:#x}"));
        let bus = until("the bus is there", bus);
        let mut chip = Chip { device: LinuxI2CDevice::new(&bus, address.into()).expect("our bus"), bus };
        chip.power_on();
        chip
    }

    /// What a chip forgets when its power goes.
    pub(crate) fn power_on(&mut self) {
        (0..70).for_each(|register| self.write(register, 0));
        for output in 0..16 {
            self.write(9 + 4 * output, 0x10); // full off
        }
        for (register, byte) in [(MODE1, 0x11), (MODE2, 0x04), (PRE_SCALE, 30)] {
            self.write(register, byte);
        }
    }

    pub(crate) fn read(&mut self, register: u8) -> u8 {
        self.device.smbus_read_byte_data(register).expect("our bus")
    }

    pub(crate) fn write(&mut self, register: u8, byte: u8) {
        self.device.smbus_write_byte_data(register, byte).expect("our bus");
    }

    /// The four registers of an output: ON and OFF, low byte first.
    pub(crate) fn output(&mut self, output: u8) -> [u8; 4] {
        [0, 1, 2, 3].map(|place| self.read(6 + 4 * output + place))
    }

    /// The ticks of an output's pulse. The node may be between two bytes of it: it is read until twice the same.
    pub(crate) fn pulse(&mut self, output: u8) -> u16 {
        let [_, _, low, high] = until("an output stands still", || {
            let [one, two] = [self.output(output), self.output(output)];
            (one == two).then_some(one)
        });
        u16::from_le_bytes([low, high])
    }

    /// Whether outputs 0 and 1 have these pulses.
    pub(crate) fn gives(&mut self, left: u16, right: u16) -> Option<()> {
        ([self.pulse(0), self.pulse(1)] == [left, right]).then_some(())
    }
}

/// The device file of i2c-stub's bus, once udevd and the kernel have made it.
fn bus() -> Option<String> {
    let buses = fs::read_dir("/sys/class/i2c-dev").ok()?.flatten();
    let stub = buses
        .into_iter()
        .find(|bus| fs::read_to_string(bus.path().join("name")).is_ok_and(|name| name.starts_with("SMBus stub")))?;
    let file = Path::new("/dev").join(stub.file_name());
    file.exists().then(|| file.display().to_string())
}
