//! PWM outputs against a kernel of the tests' own: its rules, and its files.

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

/// An output as the kernel keeps it, with the kernel's rules.
#[derive(Debug, Clone, Copy)]
struct Kernel(Seen);

impl Kernel {
    fn tell(&mut self, order: Order) -> Result<(), &'static str> {
        let Seen { period_ns, width_ns, on, .. } = self.0;
        match order {
            Order::Width(_) | Order::On(_) | Order::Upright if period_ns == 0 => return Err("no period yet"),
            Order::Width(ns) if ns > period_ns => return Err("wider than the period"),
            Order::Period(ns) if ns < width_ns || ns == 0 => return Err("shorter than the width"),
            Order::Upright if on => return Err("another polarity while it is on"),
            Order::Width(ns) => self.0.width_ns = ns,
            Order::Period(ns) => self.0.period_ns = ns,
            Order::On(on) => self.0.on = on,
            Order::Upright => self.0.inverted = false,
        }
        Ok(())
    }

    /// How long the pin is high in each period, if it is driven.
    fn high_ns(&self) -> Option<u64> {
        let Seen { period_ns, width_ns, on, inverted } = self.0;
        on.then_some(if inverted { period_ns - width_ns } else { width_ns })
    }
}

fn seen() -> impl Strategy<Value = Seen> {
    (0u64..50_000_000, 0u64..=50_000_000, any::<bool>(), any::<bool>()).prop_map(
        |(period_ns, width_ns, on, inverted)| Seen {
            period_ns,
            width_ns: width_ns.min(period_ns),
            on: on && period_ns > 0,
            inverted,
        },
    )
}

proptest! {
    #[test]
    fn whatever_an_output_does_the_kernel_takes_the_plan(before in seen(), period_ns in 1u64..50_000_000, part in 0.0f64..=1.0) {
        let width_ns = (period_ns as f64 * part) as u64;
        let mut kernel = Kernel(before);
        let was = kernel.high_ns();
        let (end, begin) = plan(before, period_ns, width_ns);
        for order in end.iter().chain(&begin) {
            let told = kernel.tell(*order);
            prop_assert!(told.is_ok(), "{order:?}: {told:?} of {end:?} {begin:?}");
            // At no moment is there more than what was, or what shall be.
            prop_assert!(kernel.high_ns().is_none_or(|high| high == 0 || Some(high) == was || high == width_ns));
        }
        prop_assert_eq!(kernel.0, Seen { period_ns, width_ns, on: true, inverted: false });
        prop_assert!(end.is_empty() || before.on);
    }
}

#[test]
fn an_output_that_has_its_period_is_not_interrupted() {
    let seen = Seen { period_ns: 20_000_000, width_ns: 1_900_000, on: true, inverted: false };
    assert_eq!(plan(seen, 20_000_000, 1_500_000), (vec![Order::Width(1_500_000)], Vec::new()));
}

/// A folder as the kernel shows a chip, its outputs shown already.
fn chip(class: &Path, name: &str, outputs: u32) -> PathBuf {
    let folder = class.join(name);
    for number in 0..outputs {
        let output = folder.join(format!("pwm{number}"));
        fs::create_dir_all(&output).unwrap();
        for (file, text) in [("period", "0\n"), ("duty_cycle", "0\n"), ("enable", "0\n"), ("polarity", "normal\n")] {
            fs::write(output.join(file), text).unwrap();
        }
    }
    fs::write(folder.join("npwm"), format!("{outputs}\n")).unwrap();
    fs::write(folder.join("export"), "").unwrap();
    folder
}

fn read(folder: &Path, file: &str) -> u64 {
    fs::read_to_string(folder.join(file)).unwrap().lines().next().unwrap().parse().unwrap()
}

fn wanted(name: &str) -> Wanted<'_> {
    Wanted { name, period_ns: 20_000_000, width_ns: 1_500_000 }
}

#[test]
fn outputs_are_opened_with_their_period_and_width_and_then_given_others() {
    let class = TempDir::new().unwrap();
    let folder = chip(class.path(), "pwmchip0", 2);
    let names = [0, 1].map(|number| format!("{}/{number}", folder.display()));
    let outputs = open(&[wanted(&names[0]), wanted(&names[1])]).unwrap();
    for output in ["pwm0", "pwm1"].map(|output| folder.join(output)) {
        assert_eq!(
            (read(&output, "period"), read(&output, "duty_cycle"), read(&output, "enable")),
            (20_000_000, 1_500_000, 1)
        );
    }
    outputs[1].give(2_000_000).unwrap();
    assert_eq!(
        (read(&folder.join("pwm0"), "duty_cycle"), read(&folder.join("pwm1"), "duty_cycle")),
        (1_500_000, 2_000_000)
    );
    outputs[1].give(u64::MAX).unwrap();
    assert_eq!(read(&folder.join("pwm1"), "duty_cycle"), 20_000_000, "never more than the period");
}

#[test]
fn an_output_cannot_be_both_sides() {
    let class = TempDir::new().unwrap();
    let folder = chip(class.path(), "pwmchip0", 1);
    std::os::unix::fs::symlink(&folder, class.path().join("other")).unwrap();
    let names = ["pwmchip0", "other"].map(|name| format!("{}/{name}/0", class.path().display()));
    let error = open(&[wanted(&names[0]), wanted(&names[1])]).unwrap_err().to_string();
    assert!(error.ends_with("are one and the same output"), "{error}");
}

#[test]
fn a_chip_is_found_by_its_number_and_by_its_device() {
    let place = TempDir::new().unwrap();
    let class = place.path().join("class");
    fs::create_dir_all(place.path().join("1f00098000.pwm")).unwrap();
    let folder = chip(&class, "pwmchip10", 4);
    std::os::unix::fs::symlink(place.path().join("1f00098000.pwm"), folder.join("device")).unwrap();
    for name in ["pwmchip10", "1f00098000.pwm", folder.to_str().unwrap()] {
        assert_eq!(find(&class, name).unwrap().name, "pwmchip10", "{name}");
    }
    assert_eq!(
        find(&class, "pwmchip0").unwrap_err().to_string(),
        "there is no PWM chip pwmchip0; there is pwmchip10 (1f00098000.pwm, outputs 0 to 3)"
    );
}

#[test]
fn without_any_chip_it_is_said_what_to_look_at() {
    let error = find(Path::new("/nowhere"), "pwmchip0").unwrap_err().to_string();
    assert!(
        error.starts_with("there is no PWM chip pwmchip0; there is none at all: PWM is usually switched on"),
        "{error}"
    );
    assert_eq!(
        find(Path::new("/nowhere"), "/nowhere/pwmchip0").unwrap_err().to_string(),
        "/nowhere/pwmchip0 is no PWM chip: it has no file npwm"
    );
}

#[test]
fn an_output_that_a_chip_does_not_have_is_told_with_what_it_has() {
    let class = TempDir::new().unwrap();
    let folder = chip(class.path(), "pwmchip0", 2);
    let error = Pwm::take(&wanted(&format!("{}/2", folder.display()))).unwrap_err().to_string();
    assert!(
        error.contains("there is no output 2; there is pwmchip0 (") && error.ends_with("outputs 0 to 1)"),
        "{error}"
    );
}

#[test]
fn an_output_whose_files_never_come_is_given_up_within_a_bound() {
    let class = TempDir::new().unwrap();
    let folder = chip(class.path(), "pwmchip0", 1);
    fs::remove_dir_all(folder.join("pwm0")).unwrap();
    let begun = Instant::now();
    let error = Pwm::take(&wanted(&format!("{}/0", folder.display()))).unwrap_err().to_string();
    assert!(error.ends_with("pwm0/period: it is not there; its driver shows no such file"), "{error}");
    assert!(begun.elapsed() >= RIGHTS_WITHIN && begun.elapsed() < RIGHTS_WITHIN * 10);
    assert_eq!(fs::read_to_string(folder.join("export")).unwrap(), "0", "the kernel was asked for it");
}

#[test]
fn a_name_is_a_chip_and_a_number() {
    assert_eq!(parts("pwmchip0/1"), Some(("pwmchip0", 1)));
    assert_eq!(parts("/sys/class/pwm/pwmchip0/pwm1"), Some(("/sys/class/pwm/pwmchip0", 1)));
    for wrong in ["", "pwmchip0", "/1", "pwmchip0/", "pwmchip0/x", "pwmchip0/-1"] {
        assert_eq!(parts(wrong), None, "{wrong}");
    }
}
