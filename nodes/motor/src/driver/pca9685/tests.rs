//! The board against a chip that keeps the data sheet's rules; the real bus of a kernel is tried in the virtual machine.

use std::{cell::RefCell, rc::Rc};

use embedded_hal::i2c::{ErrorType, Operation};
use proptest::prelude::*;
use serde_json::json;

use super::*;

const AI: u8 = 0x20;
/// MODE1, MODE2 and PRE_SCALE of a chip that was just given power.
const POWERED: [(u8, u8); 3] = [(MODE1, 0x11), (1, 0x04), (PRE_SCALE, 30)];
const NEUTRAL: [u16; 2] = [307, 307];
const AHEAD: Wheels = Wheels { left: 1.0, right: -1.0 };

/// A chip: what is in its registers, and what its first two outputs gave whenever it was awake.
#[derive(Debug)]
struct Registers {
    bytes: [u8; 256],
    gave: Vec<[u16; 2]>,
    /// So many transactions fail next.
    failures: usize,
}

#[derive(Debug, Clone)]
struct FakeChip(Rc<RefCell<Registers>>);

impl FakeChip {
    fn new(registers: &[(u8, u8)]) -> FakeChip {
        let mut bytes = [0; 256];
        for (register, byte) in registers {
            bytes[usize::from(*register)] = *byte;
        }
        FakeChip(Rc::new(RefCell::new(Registers { bytes, gave: Vec::new(), failures: 0 })))
    }

    /// One that runs at 50 Hz, its first two outputs at full.
    fn running(prescale: u8) -> FakeChip {
        FakeChip::new(&[
            (MODE1, RUNNING),
            (1, 0x04),
            (PRE_SCALE, prescale),
            (8, 0x9A),
            (9, 1),
            (12, 0x9A),
            (13, 1),
            (20, 77),
        ])
    }

    fn byte(&self, register: u8) -> u8 {
        self.0.borrow().bytes[usize::from(register)]
    }

    fn gave(&self) -> Vec<[u16; 2]> {
        self.0.borrow().gave.clone()
    }
}

impl Registers {
    fn write(&mut self, register: u8, byte: u8) {
        let asleep = self.bytes[0] & SLEEP != 0;
        match register {
            // RESTART is set by falling asleep with an output on, and goes when a 1 is written to it awake.
            MODE1 => {
                let on = (6..70).any(|register| self.bytes[register] != 0);
                let begins = byte & SLEEP != 0 && !asleep && on;
                let ends = byte & RESTART != 0 && byte & SLEEP == 0;
                let restart = if begins {
                    RESTART
                } else if ends {
                    0
                } else {
                    self.bytes[0] & RESTART
                };
                self.bytes[0] = byte & !RESTART | restart;
            }
            PRE_SCALE if !asleep => {}
            _ => self.bytes[usize::from(register)] = byte,
        }
    }
}

impl ErrorType for FakeChip {
    type Error = BusError;
}

impl I2c for FakeChip {
    fn transaction(&mut self, address: u8, operations: &mut [Operation<'_>]) -> Result<(), BusError> {
        assert_eq!(address, 0x40);
        let mut chip = self.0.borrow_mut();
        if chip.failures > 0 {
            chip.failures -= 1;
            return Err(BusError(io::Error::from_raw_os_error(121)));
        }
        match operations {
            [Operation::Write([register, bytes @ ..])] => {
                let counts_up = u8::from(chip.bytes[0] & AI != 0);
                (0..).zip(bytes.iter()).for_each(|(place, byte)| chip.write(register + place * counts_up, *byte));
            }
            [Operation::Write([register]), Operation::Read([byte])] => *byte = chip.bytes[usize::from(*register)],
            other => panic!("{other:?}"),
        }
        if chip.bytes[0] & SLEEP == 0 {
            let output = |first: usize| u16::from_le_bytes([chip.bytes[first + 2], chip.bytes[first + 3]]);
            let given = [output(6), output(10)];
            chip.gave.push(given);
        }
        Ok(())
    }
}

fn settings(bus: &str) -> Settings {
    Settings {
        bus: bus.to_owned(),
        address: 0x40,
        channels: [0, 1],
        frequency: 50.0,
        pulses: [Pulse::default(); 2],
        hold: Duration::from_millis(300),
    }
}

fn board(chip: &FakeChip) -> Board<FakeChip> {
    Board::begin(chip.clone(), &settings("")).unwrap()
}

#[test]
fn a_board_that_was_just_powered_wakes_at_neutral() {
    let chip = FakeChip::new(&POWERED);
    board(&chip);
    assert_eq!((chip.byte(MODE1), chip.byte(1), chip.byte(PRE_SCALE)), (RUNNING, 0x04, 121));
    assert!(!chip.gave().is_empty() && chip.gave().iter().all(|given| *given == NEUTRAL), "{:?}", chip.gave());
}

#[test]
fn a_board_that_runs_at_full_comes_to_neutral_without_a_gap() {
    let chip = FakeChip::running(121);
    board(&chip);
    assert_eq!((chip.byte(MODE1), chip.byte(PRE_SCALE)), (RUNNING, 121));
    let mut gave = chip.gave();
    gave.dedup();
    assert_eq!(gave, [[410, 410], [307, 410], NEUTRAL]);
}

#[test]
fn a_board_at_another_frequency_sleeps_and_wakes_at_neutral_and_its_other_outputs_go_on() {
    let chip = FakeChip::running(30);
    board(&chip);
    assert_eq!((chip.byte(MODE1), chip.byte(PRE_SCALE)), (RUNNING, 121), "RESTART was answered");
    let awake = chip.gave().into_iter().skip_while(|given| *given != NEUTRAL).collect::<Vec<_>>();
    assert!(!awake.is_empty() && awake.iter().all(|given| *given == NEUTRAL), "{:?}", chip.gave());
    assert_eq!(chip.byte(20), 77, "an output that is not ours");
}

#[test]
fn an_output_is_a_pulse_from_the_periods_begin() {
    let chip = FakeChip::new(&POWERED);
    board(&chip).put(AHEAD).unwrap();
    assert_eq!((6..14).map(|register| chip.byte(register)).collect::<Vec<_>>(), [0, 0, 0x9A, 1, 0, 0, 205, 0]);
}

#[test]
fn a_byte_that_is_lost_is_sent_again() {
    let chip = FakeChip::new(&POWERED);
    let mut board = board(&chip);
    chip.0.borrow_mut().failures = 2;
    board.put(AHEAD).unwrap();
    assert_eq!(chip.gave().last(), Some(&[410, 205]));
}

#[test]
fn a_board_that_is_gone_is_told_within_a_bound() {
    let chip = FakeChip::new(&POWERED);
    let mut board = board(&chip);
    chip.0.borrow_mut().failures = usize::MAX;
    let began = Instant::now();
    assert!(board.put(AHEAD).unwrap_err().to_string().contains("os error 121"));
    assert!(began.elapsed() < Duration::from_secs(1));
}

#[test]
fn a_board_that_lost_its_power_is_noticed() {
    let chip = FakeChip::new(&POWERED);
    let mut board = board(&chip);
    let mut outcomes = |register, byte| {
        chip.0.borrow_mut().bytes[usize::from(register)] = byte;
        board.looked = Instant::now().checked_sub(LOOK_EVERY).unwrap();
        board.put(Wheels::NEUTRAL).map_err(|error| error.to_string())
    };
    assert_eq!(outcomes(MODE1, RUNNING | RESTART), Ok(()), "RESTART says nothing of that");
    let reset = "it was reset, or its power was gone (MODE1 0x11, PRE_SCALE 121)";
    assert_eq!(outcomes(MODE1, 0x11), Err(reset.to_owned()));
    assert_eq!(outcomes(MODE1, RUNNING), Ok(()));
    let changed = "another program has changed it (MODE1 0x20, PRE_SCALE 101)";
    assert_eq!(outcomes(PRE_SCALE, 101), Err(changed.to_owned()));
}

#[test]
fn the_prescale_is_that_of_the_data_sheet() {
    // 200 Hz is the data sheet's own example; 24 and 1526 Hz are its ends.
    for (frequency, expected) in [(200.0, 30), (50.0, 121), (60.0, 101), (24.0, 253), (1526.0, 3)] {
        assert_eq!(prescale(frequency), expected, "{frequency}");
    }
}

#[test]
fn a_pulse_is_as_long_as_the_chips_real_frequency_makes_it() {
    // At 50 Hz a tick is 122 / 25 = 4.88 µs.
    for (pulse, expected) in [(1000.0, 205), (1500.0, 307), (2000.0, 410)] {
        assert_eq!(ticks(pulse, 121), expected, "{pulse}");
    }
}

#[test]
fn a_bus_that_is_not_there_is_told_with_what_is() {
    let settings = settings("/dev/offboard-no-such-bus-1");
    let mut device = Pca9685::new(settings.clone());
    assert_eq!(device.name(), "/dev/offboard-no-such-bus-1 address 0x40");
    let words = "it is not there; no I²C bus is: switch it on (a Raspberry Pi: raspi-config), and modprobe i2c-dev";
    assert_eq!(device.open().unwrap_err().to_string(), words);
    assert_eq!(rest(&settings).unwrap_err().to_string(), words);
}

#[test]
fn who_else_answers_is_asked_within_a_bound_and_only_while_the_board_was_never_there() {
    let lost = io::Error::from_raw_os_error(121);
    let mut device = Pca9685::new(settings("/dev/offboard-no-such-bus-1"));
    let words = device.missing(&lost).to_string();
    assert!(words.ends_with("(os error 121)), nor at 0x40 to 0x77: look at its power, SDA and SCL"), "{words}");
    device.was_there = true;
    let words = device.missing(&lost).to_string();
    assert!(words.ends_with("(os error 121))"), "{words}");
    let here = bus::found(|address| [0x41, 0x68].contains(&address), Duration::MAX / 4);
    assert_eq!(here, "; something does at 0x41, 0x68: is address wrong?");
    let slow = |_| {
        thread::sleep(Duration::from_millis(30));
        false
    };
    let stuck = bus::found(slow, Duration::from_millis(100));
    assert!(stuck.starts_with(", nor at 0x40 to 0x4"), "{stuck}");
}

/// The settings of a board at this frequency, both outputs with this longest pulse.
fn checked(frequency: f64, max: u16) -> Result<Settings, Vec<String>> {
    let pulse = json!({ "min": 500, "neutral": 500, "max": max });
    let params = json!({ "deadman": "300ms", "driver": "pca9685", "bus": "/dev/i2c-1", "frequency": frequency,
        "pulse_left": pulse, "pulse_right": pulse });
    Settings::check(&serde_json::from_value(params).unwrap(), Duration::from_millis(300))
}

#[test]
fn a_pulse_must_fit_into_the_period_that_the_chip_really_has() {
    let mistakes = checked(490.0, 2000).unwrap_err().join("; ");
    assert!(
        mistakes.contains("a pulse of 2000 µs does not fit into a period of 1966 µs: lower the frequency"),
        "{mistakes}"
    );
    assert_eq!(checked(490.0, 1965).unwrap().real_frequency().round(), 509.0);
}

proptest! {
    #[test]
    fn a_pulse_that_passes_is_right_by_half_a_tick_or_the_last_one_of_the_period(
        frequency in 24.0f64..=1526.0,
        max in 501u16..=2500,
        part in 0.0f32..=1.0,
    ) {
        let Ok(settings) = checked(frequency, max) else { return Ok(()) };
        let pulse = settings.pulses[0].at(part);
        let prescale = prescale(frequency);
        let tick = (f32::from(prescale) + 1.0) / 25.0;
        let ticks = ticks(pulse, prescale);
        let wrong = (f32::from(ticks) * tick - pulse).abs();
        prop_assert!(wrong <= tick / 2.0 + 0.01 || (ticks == 4095 && wrong < tick), "{wrong} µs");
    }
}
