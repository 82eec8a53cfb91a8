//! The driver against files as the kernel shows them: neutral first and last, and what the parameters may say.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;

const HOLD: Duration = Duration::from_millis(300);
const CAR: Pulse = Pulse { min: 1100, neutral: 1480, max: 1900 };

fn check(params: Value) -> Result<Settings, Vec<String>> {
    let mut params = params;
    params["deadman"] = json!("300ms");
    params["driver"] = json!("gpio-pwm");
    Settings::check(&serde_json::from_value(params).unwrap(), HOLD)
}

/// A chip with two outputs whose width is `width_ns`.
fn chip(width_ns: u64) -> TempDir {
    let chip = TempDir::new().unwrap();
    fs::write(chip.path().join("npwm"), "2\n").unwrap();
    for output in ["pwm0", "pwm1"].map(|output| chip.path().join(output)) {
        fs::create_dir(&output).unwrap();
        let files = [("period", 20_000_000), ("duty_cycle", width_ns), ("enable", 1)];
        for (file, value) in files {
            fs::write(output.join(file), format!("{value}\n")).unwrap();
        }
    }
    chip
}

fn widths(chip: &Path) -> [u64; 2] {
    ["pwm0", "pwm1"].map(|output| {
        let text = fs::read_to_string(chip.join(output).join("duty_cycle")).unwrap();
        text.lines().next().unwrap().parse().unwrap()
    })
}

fn servos(chip: &Path) -> Settings {
    let side = |number, pulse| Side {
        pwm: format!("{}/{number}", chip.display()),
        frequency: 50.0,
        shape: Shape::Pulse(pulse),
    };
    Settings { sides: [side(0, CAR), side(1, Pulse::default())], hold: HOLD }
}

#[test]
fn pulses_follow_the_values_and_are_neutral_first_and_last() {
    let chip = chip(1_900_000);
    let mut device = GpioPwm(servos(chip.path()));
    let mut open = device.open().unwrap();
    assert_eq!(widths(chip.path()), [1_480_000, 1_500_000]);
    open.put(Wheels { left: 1.0, right: -0.5 }).unwrap();
    assert_eq!(widths(chip.path()), [1_900_000, 1_250_000]);
    drop(open);
    assert_eq!(widths(chip.path()), [1_480_000, 1_500_000]);
}

#[test]
fn a_side_that_vanished_does_not_keep_the_other_one_moving() {
    let chip = chip(0);
    let mut open = GpioPwm(servos(chip.path())).open().unwrap();
    open.put(Wheels { left: 1.0, right: 1.0 }).unwrap();
    let Output::Servo { pwm, .. } = &mut open.0[0] else { panic!("a servo") };
    pwm.vanish();
    assert!(open.put(Wheels { left: 0.5, right: 0.5 }).is_err());
    drop(open);
    assert_eq!(widths(chip.path())[1], 1_500_000);
}

#[test]
fn rest_puts_each_side_to_neutral_for_itself_and_needs_no_line() {
    let chip = chip(1_900_000);
    let mut settings = servos(chip.path());
    settings.sides[1].shape = Shape::Bridge(["no such line".to_owned(), "nor this".to_owned()]);
    rest(&settings).unwrap();
    assert_eq!(widths(chip.path()), [1_480_000, 0]);
    fs::remove_dir_all(chip.path().join("pwm0")).unwrap();
    fs::write(chip.path().join("pwm1/duty_cycle"), "1900000\n").unwrap();
    assert!(rest(&settings).is_err());
    let text = fs::read_to_string(chip.path().join("pwm1/duty_cycle")).unwrap();
    assert_eq!(text.lines().next(), Some("0"), "the side that is there rests all the same");
}

#[test]
fn a_bridge_without_its_line_is_refused_and_its_power_is_off() {
    let chip = chip(1_900_000);
    let mut settings = servos(chip.path());
    settings.sides[0].shape = Shape::Bridge(["no such line".to_owned(), "nor this".to_owned()]);
    let error = GpioPwm(settings).open().unwrap_err().to_string();
    assert!(error.contains("there is no GPIO line \"no such line\""), "{error}");
    assert_eq!(widths(chip.path()), [0, 1_500_000]);
}

#[test]
fn a_side_that_is_missing_does_not_keep_the_other_one_moving() {
    for missing in [0, 1] {
        let chip = chip(1_900_000);
        let mut settings = servos(chip.path());
        settings.sides[missing].pwm = format!("{}/7", chip.path().display());
        let error = GpioPwm(settings).open().unwrap_err().to_string();
        assert!(error.contains("there is no output 7"), "{error}");
        let neutral = [1_480_000, 1_500_000];
        assert_eq!(widths(chip.path())[1 - missing], neutral[1 - missing]);
    }
}

#[test]
fn each_side_has_its_shape_and_its_usual_frequency() {
    let car = json!({ "pwm": ["pwmchip0/0", "pwmchip1/3"], "direction_left": ["GPIO17", "GPIO27"], "pulse_right": { "min": 1200 } });
    let [drive, steering] = check(car).unwrap().sides;
    assert_eq!(drive.shape, Shape::Bridge(["GPIO17".to_owned(), "GPIO27".to_owned()]));
    assert_eq!(steering.shape, Shape::Pulse(Pulse { min: 1200, ..Pulse::default() }));
    assert_eq!((drive.frequency, steering.frequency), (1000.0, 50.0));
    let given = check(json!({ "pwm": ["pwmchip0/0", "pwmchip0/1"], "frequency": 100 })).unwrap();
    assert_eq!(given.sides.map(|side| side.frequency), [100.0, 100.0]);
}

#[test]
fn each_mistake_is_told() {
    let outputs = || json!({ "pwm": ["pwmchip0/0", "pwmchip0/1"] });
    let with = |name: &str, value: Value| {
        let mut params = outputs();
        params[name] = value;
        params
    };
    let mut both = with("direction_left", json!(["a", "b"]));
    both["pulse_left"] = json!({});
    let mut shared = with("direction_left", json!(["a", "b"]));
    shared["direction_right"] = json!(["b", "c"]);
    let cases = [
        (json!({}), "driver = \"gpio-pwm\" needs its outputs, for instance pwm = [\"pwmchip0/0\", \"pwmchip0/1\"]"),
        (with("pwm", json!(["pwmchip0/0", "pwmchip0/0"])), "left and right need an output each"),
        (with("pwm", json!(["pwmchip0/0", "12"])), "pwm: \"12\" is no output: write a chip and a number"),
        (with("frequency", json!(23)), "frequency = 23: it must be 24 to 50000 Hz"),
        (with("frequency", json!(1000)), "pulse_left = { min = 1000, neutral = 1500, max = 2000 }: a pulse of 2000 µs"),
        (with("pulse_right", json!({ "max": 2600 })), "pulse_right = {"),
        (with("direction_left", json!(["a", "a"])), "\"a\" can have one task only"),
        (shared, "\"b\" can have one task only"),
        (both, "pulse_left is for a servo or ESC, direction_left for an H-bridge: give one of them"),
    ];
    for (params, words) in cases {
        let mistakes = check(params).unwrap_err().join("; ");
        assert!(mistakes.contains(words), "{words} is not in {mistakes}");
    }
}

#[test]
fn lines_are_looked_for_in_words() {
    let nowhere: PathBuf = TempDir::new().unwrap().path().join("nowhere");
    let error = |name| lines::find(&nowhere, name).unwrap_err();
    assert_eq!(error("gpiochip0/17"), "gpiochip0/17: there is no GPIO chip gpiochip0; there is none at all");
    assert_eq!(
        error("GPIO17"),
        "there is no GPIO line \"GPIO17\": write gpiochip0/17, or a name as gpioinfo shows it; there is none at all"
    );
}
