//! The frames that a VESC understands and sends: pure. It never speaks of anything but duty and status.
//!
//! All have extended identifiers, `command << 8 | number of the controller`, and big-endian numbers. Source: the VESC firmware's
//! documentation/comm_can.md and comm/comm_can.c (CAN mode "VESC").

use socketcan::{CanFilter, CanFrame, EmbeddedFrame, ExtendedId, Id};

/// Duty: i32, in 1/100000.
const SET_DUTY: u32 = 0;
const DUTY_SCALE: f64 = 100_000.0;

/// Status: electrical revolutions a minute (i32), current in 1/10 A (i16), duty in 1/1000 (i16).
const STATUS: u32 = 9;

/// What of a frame's identifier is compared: its 29 bits, that it is extended, and that it is no remote request.
const MASK: u32 = 0x1fff_ffff | EXTENDED | REMOTE;
const EXTENDED: u32 = 0x8000_0000;
const REMOTE: u32 = 0x4000_0000;

/// What a controller says about itself.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Status {
    /// The controller's number.
    pub(super) id: u8,
    /// Electrical revolutions a minute: the motor's own, times its pairs of poles.
    pub(super) erpm: i32,
    /// Through the motor, in A.
    pub(super) current: f32,
    /// −1 to 1.
    pub(super) duty: f32,
}

/// The frame that sets a controller's duty, −1 to 1. Not a number is 0.
pub(super) fn duty(id: u8, value: f32) -> Option<CanFrame> {
    let duty = (f64::from(value.clamp(-1.0, 1.0)) * DUTY_SCALE).round() as i32; // NaN would be 0
    CanFrame::new(ExtendedId::new(SET_DUTY << 8 | u32::from(id))?, &duty.to_be_bytes())
}

/// The status in a frame, if it is one.
pub(super) fn status(frame: &CanFrame) -> Option<Status> {
    let CanFrame::Data(frame) = frame else { return None };
    let Id::Extended(id) = frame.id() else { return None };
    if id.as_raw() >> 8 != STATUS {
        return None;
    }
    let [a, b, c, d, e, f, g, h] = *frame.data() else { return None };
    Some(Status {
        id: (id.as_raw() & 0xff) as u8,
        erpm: i32::from_be_bytes([a, b, c, d]),
        current: f32::from(i16::from_be_bytes([e, f])) / 10.0,
        duty: f32::from(i16::from_be_bytes([g, h])) / 1000.0,
    })
}

/// What lets only these controllers' status frames through.
pub(super) fn filters(ids: [u8; 2]) -> [CanFilter; 2] {
    ids.map(|id| CanFilter::new(STATUS << 8 | u32::from(id) | EXTENDED, MASK))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use socketcan::StandardId;

    use super::*;

    fn extended(id: u32, data: &[u8]) -> CanFrame {
        CanFrame::new(ExtendedId::new(id).unwrap(), data).unwrap()
    }

    #[test]
    fn a_duty_is_a_big_endian_number_to_the_controller() {
        let table = [
            (0.0, [0, 0, 0, 0]),
            (1.0, [0x00, 0x01, 0x86, 0xa0]),
            (-1.0, [0xff, 0xfe, 0x79, 0x60]),
            (0.5, [0x00, 0x00, 0xc3, 0x50]),
            (-0.00001, [0xff, 0xff, 0xff, 0xff]),
            (7.0, [0x00, 0x01, 0x86, 0xa0]),
            (f32::NAN, [0, 0, 0, 0]),
        ];
        for (value, data) in table {
            let frame = duty(23, value).unwrap();
            assert_eq!((frame.id(), frame.data()), (ExtendedId::new(0x17).unwrap().into(), data.as_slice()), "{value}");
        }
    }

    #[test]
    fn a_status_is_read_as_the_firmware_writes_it() {
        let said = status(&extended(0x0902, &[0xff, 0xff, 0xf4, 0x48, 0x00, 0x7b, 0xfe, 0x0c])).unwrap();
        assert_eq!(said, Status { id: 2, erpm: -3000, current: 12.3, duty: -0.5 });
    }

    #[test]
    fn other_frames_are_no_status() {
        let other = [
            extended(0x0002, &[0, 0, 0, 1]),
            extended(0x0e02, &[0; 8]),
            extended(0x1_0902, &[0; 8]),
            extended(0x0902, &[0; 7]),
            CanFrame::new(StandardId::new(0x102).unwrap(), &[0; 8]).unwrap(),
            CanFrame::new_remote(ExtendedId::new(0x0902).unwrap(), 8).unwrap(),
        ];
        for frame in other {
            assert_eq!(status(&frame), None, "{frame:?}");
        }
    }

    proptest! {
        #[test]
        fn no_duty_is_beyond_full(value in any::<f32>()) {
            let frame = duty(1, value).unwrap();
            let duty = i32::from_be_bytes(frame.data().try_into().unwrap());
            prop_assert!(duty.abs() <= 100_000);
        }
    }
}
