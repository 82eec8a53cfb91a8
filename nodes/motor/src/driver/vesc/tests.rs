//! The driver against a bus that is not there: what is sent, what is heard, what is missed.

use std::collections::VecDeque;

use socketcan::{CanFrame, EmbeddedFrame, ExtendedId};

use super::*;

const AHEAD: Wheels = Wheels { left: 1.0, right: -0.5 };

/// A bus that keeps what was sent.
#[derive(Debug, Default)]
struct Wire {
    sent: Vec<(u32, Vec<u8>)>,
    comes: VecDeque<CanFrame>,
    full: bool,
    broken: bool,
}

impl Bus for Wire {
    fn send(&mut self, frame: &CanFrame) -> Result<Sent, String> {
        if self.broken {
            return Err("it vanished".to_owned());
        }
        if self.full {
            return Ok(Sent::NoRoom);
        }
        let socketcan::Id::Extended(id) = frame.id() else { panic!("{frame:?}") };
        self.sent.push((id.as_raw(), frame.data().to_vec()));
        Ok(Sent::Away)
    }

    fn receive(&mut self) -> Result<Option<CanFrame>, String> {
        Ok(self.comes.pop_front())
    }
}

fn open(ids: [u8; 2]) -> Open<Wire> {
    Open::new(Wire::default(), ids, Heard::default())
}

fn says(open: &mut Open<Wire>, id: u32) {
    open.bus.comes.push_back(CanFrame::new(ExtendedId::new(0x900 | id).unwrap(), &[0; 8]).unwrap());
    open.put(Wheels::NEUTRAL).unwrap();
}

/// As if so much time had passed since each was heard.
fn later(open: &mut Open<Wire>, passed: Duration) {
    open.at = open.at.map(|at| at.checked_sub(passed).unwrap());
}

#[test]
fn each_controller_gets_its_side() {
    let mut open = open([7, 200]);
    open.put(AHEAD).unwrap();
    open.put(Wheels::NEUTRAL).unwrap();
    let duty = |id, duty: i32| (id, duty.to_be_bytes().to_vec());
    assert_eq!(open.bus.sent, [duty(7, 100_000), duty(200, -50_000), duty(7, 0), duty(200, 0)]);
}

#[test]
fn a_controller_that_falls_silent_is_missed_until_it_speaks() {
    let mut open = open([1, 2]);
    says(&mut open, 1);
    says(&mut open, 2);
    assert_eq!(open.trouble(), None);
    later(&mut open, SILENT_AFTER * 2);
    says(&mut open, 2);
    assert_eq!(open.trouble().unwrap(), "VESC 1 fell silent: look at its power and wiring");
    later(&mut open, SILENT_AFTER * 2);
    assert_eq!(open.trouble().unwrap(), "VESC 1 and VESC 2 fell silent: look at its power and wiring");
    says(&mut open, 1);
    says(&mut open, 2);
    assert_eq!(open.trouble(), None);
}

#[test]
fn a_controller_that_never_spoke_is_not_missed() {
    let mut open = open([1, 2]);
    says(&mut open, 9); // somebody else's
    later(&mut open, SILENT_AFTER * 2);
    assert_eq!(open.trouble(), None);
}

#[test]
fn who_was_heard_is_missed_also_on_the_bus_that_came_back() {
    let mut first = open([1, 2]);
    says(&mut first, 1);
    let mut second = Open::new(Wire::default(), [1, 2], first.heard.clone());
    assert_eq!(second.trouble(), None, "it has its time to speak");
    later(&mut second, SILENT_AFTER * 2);
    assert!(second.trouble().unwrap().starts_with("VESC 1 fell silent"));
}

#[test]
fn a_bus_that_takes_nothing_is_trouble_but_stays_open() {
    let mut open = open([1, 2]);
    open.bus.full = true;
    open.put(AHEAD).unwrap();
    assert_eq!(
        open.trouble().unwrap(),
        "nobody on the bus takes the frames: look at power, wiring, termination and bitrate"
    );
    open.bus.full = false;
    open.put(Wheels::NEUTRAL).unwrap();
    assert_eq!(open.trouble(), None);
}

#[test]
fn a_bus_that_breaks_is_opened_anew() {
    let mut open = open([1, 2]);
    open.bus.broken = true;
    assert_eq!(open.put(AHEAD).unwrap_err().to_string(), "it vanished");
}

#[test]
fn a_talkative_bus_holds_up_no_output() {
    let mut open = open([1, 2]);
    let frame = CanFrame::new(ExtendedId::new(0x901).unwrap(), &[0; 8]).unwrap();
    open.bus.comes = vec![frame; 10_000].into();
    open.put(AHEAD).unwrap();
    assert_eq!(open.bus.comes.len(), 10_000 - READ_MAX);
}
