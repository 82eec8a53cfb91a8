//! The parameters: what is refused, in which words, and what the schema says.

use serde_json::{Value, json};

use super::*;
use crate::driver::{gpio_pwm, pca9685, virtual_motor};

fn settings(params: Value) -> Result<Settings> {
    serde_json::from_value::<Params>(params).map_err(Error::other)?.settings()
}

fn refusal(params: Value) -> String {
    settings(params).unwrap_err().to_string()
}

#[test]
fn a_deadman_is_all_that_must_be_said() {
    let settings = settings(json!({ "deadman": "300ms" })).unwrap();
    assert_eq!(settings.rules.deadman_ns, 300_000_000);
    assert_eq!(settings.rules.evidence_ns, 500_000_000);
    assert_eq!(settings.period, Duration::from_millis(20));
    assert_eq!(settings.driver, DriverSettings::Virtual(virtual_motor::Settings { response: Duration::ZERO }));
}

#[test]
fn evidence_follows_a_long_deadman() {
    assert_eq!(settings(json!({ "deadman": "800ms" })).unwrap().rules.evidence_ns, 800_000_000);
    let given = json!({ "deadman": "800ms", "evidence": "100ms" });
    assert_eq!(settings(given).unwrap().rules.evidence_ns, 100_000_000);
}

#[test]
fn a_motor_without_a_deadman_is_refused() {
    assert!(refusal(json!({})).starts_with("missing field `deadman`"));
}

#[test]
fn zero_is_no_bound() {
    assert_eq!(
        refusal(json!({ "deadman": "0s" })),
        "deadman = \"0ms\" is no bound between 20ms and 1s: a motor without a bound would keep moving when the commands \
         stop; say after how long it must stand still, for instance deadman = \"300ms\" (20ms to 1s; 0 is no bound)"
    );
    assert!(refusal(json!({ "deadman": "300ms", "evidence": "0s" })).starts_with("evidence must be"));
}

#[test]
fn each_parameter_out_of_range_is_named() {
    let cases = [
        ("deadman", json!("1001ms")),
        ("deadman", json!("19ms")),
        ("evidence", json!("6s")),
        ("driver", json!("serial")),
        ("forward_limit", json!(1.1)),
        ("turn_limit", json!(-0.1)),
        ("slew", json!(-1)),
        ("rate", json!(0)),
        ("response", json!("11s")),
    ];
    for (name, value) in cases {
        let mut params = json!({ "deadman": "300ms" });
        params[name] = value;
        assert!(refusal(params).contains(name), "{name}");
    }
}

#[test]
fn all_mistakes_are_told_at_once() {
    let text = refusal(json!({ "deadman": "2s", "driver": "serial", "rate": 1e9 }));
    for part in ["deadman =", "needs a port", "rate must"] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
}

#[test]
fn an_unknown_parameter_is_refused() {
    assert!(refusal(json!({ "deadman": "300ms", "deadmen": 1 })).contains("unknown field `deadmen`"));
}

#[test]
fn the_schema_says_why_a_deadman_is_required() {
    let schema = schemars::schema_for!(Params).to_value();
    assert_eq!(schema["required"], json!(["deadman"]));
    let deadman = &schema["properties"]["deadman"];
    assert_eq!(
        (&deadman["format"], &deadman["x-min"], &deadman["x-max"]),
        (&json!("duration"), &json!("20ms"), &json!("1s"))
    );
    assert!(deadman["x-why"].as_str().unwrap().contains("deadman = \"300ms\""));
    assert_eq!(schema["properties"]["driver"]["enum"], json!(["serial", "pca9685", "gpio-pwm", "vesc", "virtual"]));
    assert_eq!(schema["additionalProperties"], json!(false));
}

#[test]
fn every_parameter_is_documented() {
    let schema = schemars::schema_for!(Params).to_value();
    for (name, property) in schema["properties"].as_object().unwrap() {
        assert!(property["description"].as_str().is_some_and(|text| text.len() > 10), "{name}: {property}");
    }
}

#[test]
fn each_mistake_of_a_drivers_parameters_is_told() {
    let cases = [
        (json!({ "driver": "serial" }), "driver = \"serial\" needs a port, for instance port = \"/dev/ttyUSB0\""),
        (json!({ "driver": "serial", "port": "" }), "driver = \"serial\" needs a port"),
        (json!({ "driver": "serial", "port": "p", "baud": 300 }), "baud must be 9600 to 4000000"),
        (json!({ "driver": "pca9685" }), "driver = \"pca9685\" needs a bus, for instance bus = \"/dev/i2c-1\""),
        (json!({ "driver": "pca9685", "bus": "b", "address": 3 }), "address = 0x03: a board's address is 0x08 to 0x77"),
        (json!({ "driver": "pca9685", "bus": "b", "address": 0x70 }), "never 0x70, which all boards hear"),
        (
            json!({ "driver": "pca9685", "bus": "b", "channels": [0, 16] }),
            "channels = [0, 16]: a board's outputs are 0 to 15",
        ),
        (
            json!({ "driver": "pca9685", "bus": "b", "channels": [3, 3] }),
            "channels = [3, 3]: left and right need an output each",
        ),
        (json!({ "driver": "pca9685", "bus": "b", "frequency": 20 }), "frequency = 20: a PCA9685 gives 24 to 1526 Hz"),
        (json!({ "driver": "pca9685", "bus": "b", "pulse_right": { "max": 2600 } }), "pulse_right = {"),
        (json!({ "driver": "pca9685", "bus": "b", "frequency": 1000 }), "lower the frequency"),
        (json!({ "driver": "gpio-pwm" }), "driver = \"gpio-pwm\" needs its outputs"),
        (json!({ "driver": "vesc", "ids": [1, 2] }), "driver = \"vesc\" needs an interface"),
        (json!({ "driver": "vesc", "interface": "can0" }), "driver = \"vesc\" needs the controllers' numbers"),
        (json!({ "driver": "vesc", "interface": "can0", "ids": [1, 1] }), "left and right need a controller each"),
        (json!({ "driver": "vesc", "interface": "can0", "ids": [1, 2], "mixing": "ackermann" }), "knows no steering"),
    ];
    for (mut params, words) in cases {
        params["deadman"] = json!("300ms");
        let text = refusal(params);
        assert!(text.contains(words), "{words} is not in {text}");
    }
}

#[test]
fn a_parameter_of_another_driver_is_refused() {
    assert_eq!(
        refusal(json!({ "deadman": "300ms", "driver": "serial", "port": "p", "bus": "b", "pulse_left": {} })),
        "bus belongs to driver = \"pca9685\", but the driver is \"serial\"; \
         pulse_left belongs to driver = \"pca9685\" or driver = \"gpio-pwm\", but the driver is \"serial\""
    );
}

#[test]
fn a_port_without_a_driver_is_a_slip_and_not_a_virtual_motor() {
    assert_eq!(
        refusal(json!({ "deadman": "300ms", "port": "/dev/ttyUSB0" })),
        "port belongs to driver = \"serial\", but no driver is named"
    );
}

#[test]
fn the_virtual_motor_stands_in_for_any_other_when_it_is_named() {
    let params = json!({ "deadman": "300ms", "driver": "virtual", "port": "/dev/ttyUSB0", "channels": [0, 1] });
    assert!(matches!(settings(params).unwrap().driver, DriverSettings::Virtual(_)));
}

#[test]
fn a_board_needs_its_bus_only() {
    let board = settings(json!({ "deadman": "300ms", "driver": "pca9685", "bus": "/dev/i2c-1" })).unwrap().driver;
    let expected = pca9685::Settings {
        bus: "/dev/i2c-1".to_owned(),
        address: 0x40,
        channels: [0, 1],
        frequency: 50.0,
        pulses: [Pulse { min: 1000, neutral: 1500, max: 2000 }; 2],
        hold: Duration::from_millis(300),
    };
    assert_eq!(board, DriverSettings::Pca9685(expected));
}

#[test]
fn with_direction_lines_the_pwm_drives_an_h_bridge() {
    let params = json!({ "deadman": "300ms", "driver": "gpio-pwm", "pwm": ["pwmchip0/0", "pwmchip0/1"], "frequency": 20_000,
        "direction_left": ["gpiochip0/1", "gpiochip0/2"], "direction_right": ["gpiochip0/3", "GPIO4"] });
    let DriverSettings::GpioPwm(bridge) = settings(params).unwrap().driver else { panic!("another driver") };
    let lines = bridge.sides.map(|side| side.shape);
    let bridge = |lines: [&str; 2]| gpio_pwm::Shape::Bridge(lines.map(str::to_owned));
    assert_eq!(lines, [bridge(["gpiochip0/1", "gpiochip0/2"]), bridge(["gpiochip0/3", "GPIO4"])]);
}
