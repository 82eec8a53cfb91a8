//! A robot in the virtual machine: a real graph with a real motor node, commanded and listened to by the test. It never talks to the
//! motor but through its topics.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::mpsc::channel,
    thread,
    time::{Duration, Instant},
};

use offboard::{Drive, MotorMode, MotorState, clock};
use offboard_tests::{Bed, EAR, Ear, LIMIT, Launch, Mouth, bin_dir, signal, until};
use prost::Message;
use rustix::process::Signal;

/// How often a command is said: the motor forgets one after its deadman.
const SAY_EVERY: Duration = Duration::from_millis(20);

/// After so many commands that were not obeyed the motor has surely latched.
const HEAL_AFTER: usize = 150;

/// The robot's graph, a person in front of it and an ear behind.
pub(crate) struct Robot<'a> {
    bed: &'a Bed,
    pub(crate) launch: Launch<'a>,
    pub(crate) drive: Mouth<Drive>,
    pub(crate) state: Ear,
}

impl<'a> Robot<'a> {
    /// Starts a motor with these parameters (without the deadman, which is 1 s, and without a watchdog: this machine is slow) and these
    /// further lines.
    pub(crate) fn start(bed: &'a Bed, params: &str, lines: &str) -> Robot<'a> {
        let graph = format!(
            "[graph]\nname = \"robot\"\n\
             [node.hand]\n{EAR}\npublish = {{ drive = \"Drive\" }}\n\
             [node.motor]\nsubscribe = {{ drive = \"hand/drive\" }}\npublish = {{ state = \"MotorState\" }}\n\
             watchdog = \"off\"\nready = \"25s\"\n{lines}\n\
             params = {{ deadman = \"1s\", {params} }}\n\
             [node.ear]\n{EAR}\nsubscribe = {{ state = \"motor/state\" }}\n"
        );
        let launch = bed.launch(&[bed.file("robot.toml", &graph)]);
        until("it has sockets", || bed.run_dir("robot").control().exists().then_some(()));
        let drive = bed.mouth("robot", "hand/drive", "motor", "drive");
        let state = bed.ear("robot", "motor/state", "ear", "state");
        Robot { bed, launch, drive, state }
    }

    /// The motor's process.
    pub(crate) fn motor(&self) -> u32 {
        self.bed.pid("robot", "motor")
    }

    /// Says a command again and again until something has become so.
    pub(crate) fn drive_until<T>(
        &mut self,
        forward: f32,
        turn: f32,
        what: &str,
        mut so: impl FnMut() -> Option<T>,
    ) -> T {
        let late = Instant::now() + LIMIT;
        for said in 1_usize.. {
            // A machine that stood still for a second has latched the motor: then the stick is let go for a moment.
            let heals = said % HEAL_AFTER > HEAL_AFTER - 5;
            let (forward, turn) = if heals { (0.0, 0.0) } else { (forward, turn) };
            self.drive.say(Drive { forward, turn, source: "hand".to_owned(), ..Drive::default() });
            thread::sleep(SAY_EVERY); // only the newest command waits for the motor
            if let Some(found) = so() {
                return found;
            }
            assert!(Instant::now() < late, "{what}: not within {LIMIT:?}\n{}", self.launch.log());
        }
        unreachable!("it ended in time")
    }

    /// Holds the stick in the middle until the motor obeys.
    pub(crate) fn unlatch(&mut self) {
        let late = Instant::now() + LIMIT;
        let begun_ns = clock::now_ns();
        loop {
            self.drive.say(Drive { source: "hand".to_owned(), ..Drive::default() });
            let said = self.state.newest();
            // What was said before may still have been on its way.
            let obeys = MotorState::decode(said.payload.clone()).expect("a state").mode() == MotorMode::Driving;
            if obeys && said.header.sent_ns > begun_ns {
                return;
            }
            assert!(Instant::now() < late, "it obeys nobody\n{}", self.launch.log());
        }
    }
}

/// A motor node alone, started by hand as another user.
pub(crate) struct Stranger {
    child: Child,
    /// Where its sockets are.
    _dir: tempfile::TempDir,
}

impl Stranger {
    pub(crate) fn start(params: &str, uid: u32) -> Stranger {
        use std::os::unix::{fs::PermissionsExt, process::CommandExt};
        let dir = tempfile::tempdir().expect("a folder");
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o777)).expect("ours");
        let drive = format!("ipc://{}/drive hand/drive offboard.v1.Drive", dir.path().display());
        let child = Command::new(bin_dir().join("motor"))
            .env_clear()
            .env("LAUNCH_GRAPH", "robot")
            .env("LAUNCH_NODE", "motor")
            .env("LAUNCH_SUB_DRIVE", drive)
            .env("LAUNCH_PARAMS", params)
            .uid(uid)
            .gid(uid)
            .stderr(Stdio::piped())
            .spawn()
            .expect("the motor starts");
        Stranger { child, _dir: dir }
    }

    /// Its first line that holds these words.
    pub(crate) fn says(mut self, words: &str) -> String {
        let stderr = BufReader::new(self.child.stderr.take().expect("piped"));
        let (send, lines) = channel();
        thread::spawn(move || stderr.lines().map_while(Result::ok).try_for_each(|line| send.send(line)));
        let late = Instant::now() + LIMIT;
        let mut all = String::new();
        while let Ok(line) = lines.recv_timeout(late.saturating_duration_since(Instant::now())) {
            if line.contains(words) {
                return line;
            }
            all += &line;
        }
        panic!("it never said {words:?} but {all}");
    }
}

impl Drop for Stranger {
    /// In good order: a guard of one that was killed would go on in the next scenario.
    fn drop(&mut self) {
        signal(self.child.id(), Signal::TERM);
        drop(self.child.wait());
    }
}
