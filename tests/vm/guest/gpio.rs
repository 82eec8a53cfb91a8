//! Motors on the computer's own pins and on a CAN bus: the kernel's PWM with a servo board's registers behind it, simulated GPIO lines
//! whose every change the kernel notes, and a virtual CAN bus.

use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use crate::support::{load, run, tidy, unload};

mod bridge;
mod servo;
mod vesc;
mod words;

/// The parameters of servo pulses on a board's first two outputs.
const SERVOS: &str = "driver = \"gpio-pwm\", pwm = [\"CHIP/0\", \"CHIP/1\"], \
    pulse_left = { min = 1100, neutral = 1480, max = 1900 }";

/// A servo board whose chip the kernel itself drives: what it shows as a PWM chip ends in registers that can be read.
struct Board {
    bus: u32,
    /// `pwmchip0`.
    chip: String,
}

/// Where the kernel shows what its drivers are doing.
const DEBUG: &str = "/sys/kernel/debug";

/// Mounts one of the kernel's own file systems, unless it is mounted.
fn mount(kind: &str, at: &str) {
    let mounted = fs::read_to_string("/proc/mounts").expect("/proc is mounted");
    if !mounted.contains(&format!(" {at} ")) {
        run(&format!("mount -t {kind} {kind} {at}"));
    }
}

/// Where the board is on its bus.
const ADDRESS: &str = "0x41";

impl Board {
    fn plug() -> Board {
        unload("i2c-stub");
        load("i2c-stub", &format!("chip_addr={ADDRESS}"));
        load("pwm-pca9685", "");
        mount("debugfs", DEBUG);
        let buses = fs::read_dir("/sys/bus/i2c/devices").expect("a kernel with I2C").flatten();
        let stub = buses.filter_map(|bus| {
            let name = fs::read_to_string(bus.path().join("name")).ok()?;
            let number = bus.file_name().to_str()?.strip_prefix("i2c-")?.parse().ok()?;
            name.starts_with("SMBus stub").then_some(number)
        });
        let mut board = Board { bus: stub.min().expect("i2c-stub has a bus"), chip: String::new() };
        // As the chip is when it gets power: asleep, 200 Hz.
        for (register, value) in [(0x00, 0x11), (0xfe, 0x1e)] {
            run(&format!("i2cset -y {} {ADDRESS} {register:#04x} {value:#04x}", board.bus));
        }
        board.bind();
        board
    }

    fn bus(&self) -> String {
        format!("/sys/bus/i2c/devices/i2c-{}", self.bus)
    }

    /// Gives the chip to its driver.
    fn bind(&mut self) {
        fs::write(format!("{}/new_device", self.bus()), format!("pca9685 {ADDRESS}")).expect("the chip is there");
        let chips = fs::read_dir(format!("{}/{}-0041/pwm", self.bus(), self.bus)).expect("a PWM chip").flatten();
        self.chip = chips.map(|chip| chip.file_name().to_string_lossy().into_owned()).next().expect("one");
    }

    /// Takes the chip from its driver: its PWM outputs vanish.
    fn unbind(&self) {
        fs::write(format!("{}/delete_device", self.bus()), ADDRESS).expect("it was there");
    }

    /// The name of its device, which stays when chips are counted otherwise.
    fn device(&self) -> String {
        format!("{}-0041", self.bus)
    }

    fn params(&self, params: &str) -> String {
        params.replace("CHIP", &self.chip)
    }

    fn output(&self, number: u32) -> PathBuf {
        Path::new("/sys/class/pwm").join(&self.chip).join(format!("pwm{number}"))
    }

    /// A file of an output, as a number.
    fn file(&self, number: u32, file: &str) -> Option<u64> {
        fs::read_to_string(self.output(number).join(file)).ok()?.trim().parse().ok()
    }

    /// The chip's registers, as the kernel's driver reads them.
    fn registers(&self) -> Vec<u32> {
        let path = format!("{DEBUG}/regmap/{}/registers", self.device());
        let mut text = vec![0; 4096]; // whoever reads in small portions is shown a part
        let length = fs::File::open(path).and_then(|mut file| file.read(&mut text)).expect("a kernel that shows them");
        let text = String::from_utf8_lossy(&text[..length]);
        let values = text.lines().filter_map(|line| u32::from_str_radix(line.split_once(": ")?.1.trim(), 16).ok());
        values.collect()
    }

    /// For how many of 4096 parts of a period each of the first two outputs is high.
    fn parts(&self) -> [u32; 2] {
        let registers = self.registers();
        [0, 1].map(|output| {
            let [_, on_high, off_low, off_high] = registers[6 + 4 * output..][..4] else { panic!("four registers") };
            match (off_high & 0x10, on_high & 0x10) {
                (0x10, _) => 0,
                (_, 0x10) => 4096,
                _ => (off_high & 0x0f) << 8 | off_low,
            }
        })
    }
}

impl Drop for Board {
    /// Not before the guards of the motors on it are gone: they would try the next one.
    fn drop(&mut self) {
        let limit = Instant::now() + Duration::from_secs(5);
        while guards() && Instant::now() < limit {
            thread::sleep(Duration::from_millis(10));
        }
        drop(fs::write(format!("{}/delete_device", self.bus()), ADDRESS));
        tidy("rmmod pwm-pca9685");
        tidy("rmmod i2c-stub");
    }
}

/// Whether a guard of a motor node lives on this machine.
fn guards() -> bool {
    let processes = fs::read_dir("/proc").expect("/proc is mounted").flatten();
    let mut names = processes.filter_map(|process| fs::read_to_string(process.path().join("comm")).ok());
    names.any(|name| name.trim() == "offboard-guard")
}

/// The parts of 4096 that a pulse is at 50 Hz, as the kernel's driver rounds: up.
fn parts(micros: u32) -> u32 {
    (micros * 4096).div_ceil(20_000)
}

/// A chip of eight simulated GPIO lines: the first four have names, the last one belongs to somebody else.
struct Lines {
    /// `gpiochip0`.
    chip: String,
    folder: PathBuf,
}

const CONFIG: &str = "/sys/kernel/config/gpio-sim/robot";

/// What the first four lines are called.
const NAMES: [&str; 4] = ["LEFT AHEAD", "LEFT BACK", "RIGHT AHEAD", "RIGHT BACK"];

impl Lines {
    fn plug() -> Lines {
        load("gpio-sim", "");
        let bank = Path::new(CONFIG).join("bank0");
        fs::create_dir_all(&bank).expect("gpio-sim is there");
        fs::write(bank.join("num_lines"), "8").expect("a number");
        fs::write(bank.join("label"), "header").expect("a name");
        for (number, name) in NAMES.iter().enumerate() {
            let line = bank.join(format!("line{number}"));
            fs::create_dir(&line).expect("a line");
            fs::write(line.join("name"), name).expect("a name");
        }
        let taken = bank.join("line7");
        fs::create_dir(&taken).expect("a line");
        fs::create_dir(taken.join("hog")).expect("a consumer");
        fs::write(taken.join("hog/name"), "a lamp").expect("a name");
        fs::write(taken.join("hog/direction"), "output-low").expect("a direction");
        fs::write(Path::new(CONFIG).join("live"), "1").expect("it comes to life");
        let read = |path: PathBuf| fs::read_to_string(path).expect("a name").trim().to_owned();
        let (device, chip) = (read(Path::new(CONFIG).join("dev_name")), read(bank.join("chip_name")));
        Lines { folder: Path::new("/sys/devices/platform").join(device).join(&chip), chip }
    }

    /// What the first four lines are.
    fn values(&self) -> [bool; 4] {
        [0, 1, 2, 3].map(|number| {
            let text = fs::read_to_string(self.folder.join(format!("sim_gpio{number}/value"))).expect("a line");
            text.trim() == "1"
        })
    }

    /// Their numbers in the kernel's own count, as its notes have them.
    fn numbers(&self) -> [u32; 4] {
        let classes = fs::read_dir("/sys/class/gpio").expect("a kernel with GPIO").flatten();
        let base = classes.filter_map(|class| {
            let label = fs::read_to_string(class.path().join("label")).ok()?;
            (label.trim() == "header").then(|| fs::read_to_string(class.path().join("base")).ok())?
        });
        let base: u32 = base.map(|base| base.trim().parse().expect("a number")).next().expect("our chip");
        [0, 1, 2, 3].map(|number| base + number)
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        let bank = Path::new(CONFIG).join("bank0");
        drop(fs::write(Path::new(CONFIG).join("live"), "0"));
        drop(fs::remove_dir(bank.join("line7/hog")));
        for line in [0, 1, 2, 3, 7] {
            drop(fs::remove_dir(bank.join(format!("line{line}"))));
        }
        drop(fs::remove_dir(bank));
        drop(fs::remove_dir(CONFIG));
    }
}
