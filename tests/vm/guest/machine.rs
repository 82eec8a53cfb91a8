//! The virtual machine itself: what every other scenario stands on.

use crate::support::{OUT, figure, load};

#[test]
#[ignore = "runs in the virtual machine"]
fn it_boots_with_its_modules() {
    for module in ["evdev", "uinput", "i2c_dev"] {
        assert!(std::path::Path::new("/sys/module").join(module).exists(), "{module} is not loaded");
    }
    load("gpio-sim", "");
    assert!(std::path::Path::new("/sys/kernel/config/gpio-sim").exists(), "gpio-sim shows itself in configfs");
    assert!(std::path::Path::new(OUT).is_dir());
    let booted = std::fs::read_to_string("/run/booted").expect("init's note");
    figure("the machine", "from power on to the first scenario, s", booted.trim());
}
