//! When to record and what to mark: what is heard goes in, what to do comes out. It does no I/O and asks no clock.

use std::{collections::HashMap, time::Duration};

use offboard::{
    Drive, Evidence as _, Gamepad, Mark, MarkKind, Name as _, PilotState, RecordAction, RecordCommand, gamepad::Button,
    recording::Recorded,
};

use crate::params::{On, Rules};

/// The inputs that the recorder itself listens to.
pub(crate) const CONTROL: &str = "control";
pub(crate) const PAD: &str = "pad";

/// Commands below this are no motion.
const MOTION_MIN: f32 = 0.01;
/// An erasure so soon after another goes further back.
const AGAIN: Duration = Duration::from_secs(2);

/// What to do.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Act {
    /// Write from now on.
    Record(&'static str),
    /// Write no more for now, in the same file later.
    Pause(&'static str),
    /// Write no more and end the file.
    Close(&'static str),
    /// Remember this.
    Mark(Mark),
}

/// Decides what to do from what is heard.
#[derive(Debug)]
pub(crate) struct Trigger {
    rules: Rules,
    /// Stopped by command.
    is_stopped: bool,
    is_recording: bool,
    /// When motion was last commanded.
    moved_ns: Option<i64>,
    /// Buttons as they were.
    was_down: [bool; 2],
    /// Take-overs that each input told so far.
    take_overs: HashMap<String, u64>,
    /// When something was last erased, and from where on.
    erased: Option<(i64, i64)>,
}

impl Trigger {
    pub(crate) fn new(rules: Rules) -> Trigger {
        let is_stopped = rules.on == On::Asked;
        Trigger {
            rules,
            is_stopped,
            is_recording: false,
            moved_ns: None,
            was_down: [false; 2],
            take_overs: HashMap::new(),
            erased: None,
        }
    }

    /// Whether what comes is to be written.
    pub(crate) fn is_recording(&self) -> bool {
        self.is_recording
    }

    /// Takes a message into account.
    pub(crate) fn hear(&mut self, input: &str, message: &Recorded) -> Vec<Act> {
        let now_ns = message.received_ns();
        let kind = message.header.r#type.as_str();
        let mut acts = Vec::new();
        if input == CONTROL && kind == RecordCommand::full_name() {
            if let Ok(command) = message.decode::<RecordCommand>() {
                self.obey(&command.body, now_ns, &mut acts);
            }
        } else if input == PAD && kind == Gamepad::full_name() {
            if let Ok(pad) = message.decode::<Gamepad>() {
                self.press(&pad.body, now_ns, &mut acts);
            }
        } else if self.rules.on == On::Moving && kind == Drive::full_name() {
            if message.decode::<Drive>().is_ok_and(|drive| drive.forward.abs() > MOTION_MIN) {
                self.moved_ns = Some(now_ns);
            }
        } else if kind == PilotState::full_name()
            && let Ok(state) = message.decode::<PilotState>()
        {
            self.take_over(input, &state.body, now_ns, &mut acts);
        }
        self.settle(now_ns, &mut acts);
        acts
    }

    /// Takes the time into account.
    pub(crate) fn tick(&mut self, now_ns: i64) -> Vec<Act> {
        let mut acts = Vec::new();
        self.settle(now_ns, &mut acts);
        acts
    }

    fn obey(&mut self, command: &RecordCommand, now_ns: i64, acts: &mut Vec<Act>) {
        match command.action() {
            RecordAction::Start => self.is_stopped = false,
            RecordAction::Stop => self.stop(acts),
            RecordAction::Erase => {
                let asked =
                    Duration::try_from_secs_f64(command.seconds).unwrap_or_default().min(Duration::from_secs(3600));
                acts.push(self.erase(if asked.is_zero() { self.rules.erase } else { asked }, now_ns));
            }
            RecordAction::Unknown => {}
        }
    }

    fn stop(&mut self, acts: &mut Vec<Act>) {
        self.is_stopped = true;
        if std::mem::take(&mut self.is_recording) {
            acts.push(Act::Close("asked to stop"));
        }
    }

    fn press(&mut self, pad: &Gamepad, now_ns: i64, acts: &mut Vec<Act>) {
        let is_down = |button: Option<Button>| pad.connected && button.is_some_and(|button| button.get(pad));
        let down = [is_down(self.rules.record_button), is_down(self.rules.erase_button)];
        let [record, erase] = [0, 1].map(|at| down[at] && !self.was_down[at]);
        self.was_down = down;
        if record && self.is_stopped {
            self.is_stopped = false;
        } else if record {
            self.stop(acts);
        }
        if erase {
            acts.push(self.erase(self.rules.erase, now_ns));
        }
    }

    fn erase(&mut self, back: Duration, now_ns: i64) -> Act {
        let before =
            self.erased.filter(|(at_ns, _)| now_ns - at_ns < nanos(AGAIN)).map_or(now_ns, |(_, from_ns)| from_ns);
        let from_ns = before - nanos(back);
        self.erased = Some((now_ns, from_ns));
        let text = format!("the last {:.1} s erased", (now_ns - from_ns) as f64 / 1e9);
        Act::Mark(Mark { kind: MarkKind::Erased as i32, from_ns, until_ns: now_ns, text })
    }

    fn take_over(&mut self, input: &str, state: &PilotState, now_ns: i64, acts: &mut Vec<Act>) {
        let before = self.take_overs.insert(input.to_owned(), state.take_overs);
        if before.is_some_and(|before| state.take_overs > before) {
            let text = if state.reason.is_empty() { "taken over".to_owned() } else { state.reason.clone() };
            acts.push(Act::Mark(Mark { kind: MarkKind::TakeOver as i32, from_ns: now_ns, until_ns: now_ns, text }));
        }
    }

    /// Compares what should be with what is.
    fn settle(&mut self, now_ns: i64, acts: &mut Vec<Act>) {
        let moves = || self.moved_ns.is_some_and(|moved_ns| now_ns - moved_ns <= nanos(self.rules.tail));
        let wanted = !self.is_stopped && (self.rules.on != On::Moving || moves());
        match (self.is_recording, wanted) {
            (false, true) => acts.push(Act::Record(match self.rules.on {
                On::Start => "since the start",
                On::Moving => "moving",
                On::Asked => "asked to",
            })),
            (true, false) => acts.push(Act::Pause("not moving")),
            _ => {}
        }
        self.is_recording = wanted;
    }
}

fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use offboard::Header;

    use super::*;

    const SECOND: i64 = 1_000_000_000;

    fn rules(on: On) -> Rules {
        Rules {
            on,
            tail: Duration::from_secs(3),
            record_button: Some(Button::North),
            erase_button: Some(Button::West),
            erase: Duration::from_secs(10),
        }
    }

    fn said<M: offboard::Name + prost::Message>(at: i64, body: &M) -> Recorded {
        let header = Header { r#type: M::full_name(), ..Header::default() };
        Recorded { topic: "a/b".into(), header, received_ns: at * SECOND, payload: body.encode_to_vec().into() }
    }

    fn drive(forward: f32) -> Drive {
        Drive { forward, ..Drive::default() }
    }

    #[test]
    fn on_start_records_until_it_is_asked_to_stop() {
        let mut trigger = Trigger::new(rules(On::Start));
        assert_eq!(trigger.tick(0), [Act::Record("since the start")]);
        let stop = RecordCommand { action: RecordAction::Stop as i32, seconds: 0.0 };
        assert_eq!(trigger.hear(CONTROL, &said(1, &stop)), [Act::Close("asked to stop")]);
        assert!(trigger.tick(2 * SECOND).is_empty());
        let start = RecordCommand { action: RecordAction::Start as i32, seconds: 0.0 };
        assert_eq!(trigger.hear("other", &said(3, &start)), [], "only the input control commands");
        assert_eq!(trigger.hear(CONTROL, &said(3, &start)), [Act::Record("since the start")]);
    }

    #[test]
    fn on_moving_records_while_it_moves_and_a_little_longer() {
        let mut trigger = Trigger::new(rules(On::Moving));
        assert_eq!(trigger.hear("drive", &said(0, &drive(0.0))), []);
        assert_eq!(trigger.hear("drive", &said(1, &drive(-0.3))), [Act::Record("moving")]);
        assert_eq!(trigger.hear("drive", &said(3, &drive(0.0))), []);
        assert!(trigger.is_recording());
        assert_eq!(trigger.tick(5 * SECOND), [Act::Pause("not moving")]);
        assert!(!trigger.is_recording());
    }

    #[test]
    fn a_button_held_down_acts_once() {
        let mut trigger = Trigger::new(rules(On::Asked));
        assert_eq!(trigger.tick(0), []);
        let pad = |north, west| Gamepad { connected: true, north, west, ..Gamepad::default() };
        assert_eq!(trigger.hear(PAD, &said(1, &pad(true, false))), [Act::Record("asked to")]);
        assert_eq!(trigger.hear(PAD, &said(2, &pad(true, false))), []);
        assert_eq!(trigger.hear(PAD, &said(3, &pad(false, false))), []);
        assert_eq!(trigger.hear(PAD, &said(4, &pad(true, false))), [Act::Close("asked to stop")]);
    }

    #[test]
    fn an_erasure_repeated_soon_goes_further_back() {
        let mut trigger = Trigger::new(rules(On::Asked));
        let pad = |west| Gamepad { connected: true, west, ..Gamepad::default() };
        let mut stretch = |at: i64| {
            trigger.hear(PAD, &said(at, &pad(false)));
            let acts = trigger.hear(PAD, &said(at, &pad(true)));
            let [Act::Mark(mark)] = &acts[..] else { panic!("{acts:?}") };
            (mark.from_ns / SECOND, mark.until_ns / SECOND)
        };
        assert_eq!(stretch(100), (90, 100));
        assert_eq!(stretch(101), (80, 101));
        assert_eq!(stretch(105), (95, 105));
    }

    #[test]
    fn a_take_over_is_marked_when_its_count_jumps() {
        let mut trigger = Trigger::new(rules(On::Asked));
        let state = |take_overs| PilotState { take_overs, reason: "stick moved".into(), ..PilotState::default() };
        assert_eq!(trigger.hear("pilot", &said(1, &state(4))), [], "what happened before it listened is not news");
        assert_eq!(trigger.hear("pilot", &said(2, &state(4))), []);
        let [Act::Mark(mark)] = &trigger.hear("pilot", &said(3, &state(5)))[..] else { panic!() };
        assert_eq!((mark.kind(), mark.from_ns, mark.text.as_str()), (MarkKind::TakeOver, 3 * SECOND, "stick moved"));
        assert_eq!(trigger.hear("pilot", &said(4, &state(0))), [], "a pilot that starts anew counts from 0");
    }
}
