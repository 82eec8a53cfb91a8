//! What the arbiter does, story by story, and what it never does, whatever comes.

use offboard::gamepad::Axis;
use proptest::prelude::*;

use super::*;

const MS: i64 = 1_000_000;
const PERIOD: i64 = 20 * MS;

fn rules() -> Rules {
    Rules {
        modes: vec![DriveMode::Human, DriveMode::Shadow, DriveMode::Assist, DriveMode::Model],
        start: DriveMode::Human,
        take_back: 0.1,
        turn: Axis::RightStickX.into(),
        timeout_ns: 250 * MS,
        evidence_ns: 500 * MS,
        blend_ns: 300 * MS,
        period_ns: PERIOD,
        forward_limit: 0.5,
        turn_limit: 1.0,
    }
}

fn at(axis: Axis) -> usize {
    Axis::ALL.iter().position(|&other| other == axis).unwrap()
}

/// Hands on a gamepad at rest.
fn open() -> Grip {
    Grip { forward: 0.0, turn: 0.0, held: false, stop: false, reset: false, mode: false, axes: [0.0; Axis::ALL.len()] }
}

/// The dead-man button held and both levers so.
fn held(forward: f32, turn: f32) -> Grip {
    let mut axes = open().axes;
    axes[at(Axis::LeftStickY)] = forward;
    axes[at(Axis::RightStickX)] = turn;
    Grip { forward, turn, held: true, axes, ..open() }
}

/// An arbiter, its hands and a model that is always fresh unless told otherwise.
struct Scene {
    arbiter: Arbiter,
    now_ns: i64,
    model: Option<Word>,
}

impl Scene {
    fn new(rules: Rules) -> Scene {
        Scene { arbiter: Arbiter::new(rules), now_ns: 1_000_000_000, model: None }
    }

    /// In a mode, the dead-man button not held yet.
    fn in_mode(mode: DriveMode, forward: f32, turn: f32) -> Scene {
        let mut scene = Scene::new(Rules { start: mode, ..rules() });
        scene.model(forward, turn);
        scene.hands(open());
        scene
    }

    /// Driving in a mode for a second, the sticks at rest.
    fn driving(mode: DriveMode, forward: f32, turn: f32) -> Scene {
        let mut scene = Scene::in_mode(mode, forward, turn);
        for _ in 0..50 {
            scene.hands(held(0.0, 0.0));
        }
        scene
    }

    fn model(&mut self, forward: f32, turn: f32) {
        let at = self.now_ns;
        self.model = Some(Word { forward, turn, stop: false, valid_ns: 0, sent_ns: at, stamp_ns: at, received_ns: at });
    }

    /// A step later, the model's word as fresh as ever.
    fn hands(&mut self, grip: Grip) -> Decision {
        let refresh = |word: Word| Word {
            sent_ns: word.sent_ns + PERIOD,
            stamp_ns: word.stamp_ns + PERIOD,
            received_ns: word.received_ns + PERIOD,
            ..word
        };
        self.model = self.model.map(refresh);
        self.silent_model(Hands::On(grip))
    }

    /// A step later, nothing new from the model.
    fn silent_model(&mut self, hands: Hands) -> Decision {
        self.now_ns += PERIOD;
        self.arbiter.step(self.now_ns, &hands, self.model.as_ref())
    }

    /// Presses the button once, everything else so.
    fn press(&mut self, grip: Grip) -> Decision {
        self.hands(Grip { mode: false, ..grip });
        let pressed = self.hands(Grip { mode: true, ..grip });
        self.hands(Grip { mode: false, ..grip });
        pressed
    }
}

fn motion(decision: &Decision) -> (f32, f32) {
    (decision.drive.forward, decision.drive.turn)
}

fn mode(decision: &Decision) -> DriveMode {
    decision.state.mode()
}

#[test]
fn the_button_goes_round_through_the_modes() {
    let mut scene = Scene::in_mode(DriveMode::Human, 0.3, 0.2);
    let modes: Vec<DriveMode> = (0..5).map(|_| mode(&scene.press(open()))).collect();
    use DriveMode::{Assist, Human, Model, Shadow};
    assert_eq!(modes, [Shadow, Assist, Model, Human, Shadow]);
}

#[test]
fn a_button_that_was_held_before_the_gamepad_came_or_stays_down_means_nothing() {
    let mut scene = Scene::in_mode(DriveMode::Human, 0.3, 0.2);
    let down = Grip { mode: true, ..open() };
    assert_eq!(mode(&scene.hands(down)), DriveMode::Shadow);
    assert_eq!(mode(&scene.hands(down)), DriveMode::Shadow);
    scene.silent_model(Hands::Away { stop: false });
    assert_eq!(mode(&scene.hands(down)), DriveMode::Shadow);
}

#[test]
fn each_mode_gives_each_channel_to_its_own() {
    let cases = [
        (DriveMode::Human, (0.4, -0.5), Cause::Hands),
        (DriveMode::Shadow, (0.4, -0.5), Cause::Hands),
        (DriveMode::Assist, (0.4, 0.2), Cause::Model),
        (DriveMode::Model, (0.3, 0.2), Cause::Model),
    ];
    for (start, expected, cause) in cases {
        let mut scene = Scene::new(Rules { start, ..rules() });
        scene.model(0.3, 0.2);
        let pushed = held(0.4, -0.5);
        scene.hands(Grip { held: false, ..pushed });
        let decision = (0..50).map(|_| scene.hands(pushed)).last().unwrap();
        assert_eq!((motion(&decision), decision.cause, mode(&decision)), (expected, cause, start));
        assert_eq!(decision.drive.source, "pilot");
    }
}

#[test]
fn a_start_in_model_mode_waits_for_the_dead_man_button_and_for_the_model() {
    let mut scene = Scene::new(Rules { start: DriveMode::Model, ..rules() });
    for _ in 0..100 {
        let decision = scene.hands(open());
        assert_eq!((motion(&decision), mode(&decision)), ((0.0, 0.0), DriveMode::Model));
    }
    let decision = scene.hands(held(0.0, 0.0));
    assert_eq!((motion(&decision), mode(&decision)), ((0.0, 0.0), DriveMode::Human));
    assert_eq!((decision.state.reason.as_str(), decision.state.take_overs), ("model silent since the start", 0));
}

#[test]
fn any_stick_that_moves_takes_back_in_the_same_step_and_in_full() {
    for axis in Axis::ALL {
        let mut scene = Scene::driving(DriveMode::Model, 0.3, 0.9);
        let mut grip = held(0.0, -0.7);
        grip.axes = open().axes;
        grip.axes[at(*axis)] = 0.11;
        let decision = scene.hands(grip);
        assert_eq!((motion(&decision), mode(&decision)), ((0.0, -0.7), DriveMode::Human), "{axis:?}");
        let PilotState { reason, take_overs, .. } = decision.state;
        assert_eq!((reason.as_str(), take_overs), ("stick moved", 1));
    }
}

#[test]
fn a_stick_is_measured_from_where_it_stood() {
    let pushed = held(0.4, 0.3);
    let mut scene = Scene::in_mode(DriveMode::Shadow, 0.3, 0.2);
    scene.hands(pushed);
    scene.press(pushed); // assist
    assert_eq!(mode(&scene.press(pushed)), DriveMode::Model);
    assert_eq!(mode(&scene.hands(held(0.45, 0.25))), DriveMode::Model, "a trembling hand");
    assert_eq!(mode(&scene.hands(held(0.55, 0.3))), DriveMode::Human);
}

#[test]
fn while_the_model_steers_the_throttle_is_free_and_the_steering_takes_back() {
    let mut scene = Scene::driving(DriveMode::Assist, 0.3, 0.2);
    let decision = scene.hands(held(0.5, 0.0));
    assert_eq!((motion(&decision), mode(&decision)), ((0.5, 0.2), DriveMode::Assist));
    let decision = scene.hands(held(0.5, -0.2));
    assert_eq!((motion(&decision), mode(&decision)), ((0.5, -0.2), DriveMode::Human));
}

#[test]
fn letting_go_stops_at_once_and_takes_back() {
    for (hands, reason) in
        [(Hands::On(open()), "dead-man let go"), (Hands::Away { stop: false }, "the gamepad is silent")]
    {
        for start in [DriveMode::Assist, DriveMode::Model] {
            let mut scene = Scene::driving(start, 0.3, 0.2);
            let decision = scene.silent_model(hands);
            assert_eq!((motion(&decision), mode(&decision)), ((0.0, 0.0), DriveMode::Human));
            assert_eq!((decision.state.reason.as_str(), decision.state.take_overs), (reason, 1));
        }
    }
}

#[test]
fn letting_go_where_the_human_drives_changes_nothing_but_motion() {
    let mut scene = Scene::driving(DriveMode::Shadow, 0.3, 0.2);
    scene.hands(held(0.5, 0.5));
    let decision = scene.hands(open());
    assert_eq!((motion(&decision), mode(&decision)), ((0.0, 0.0), DriveMode::Shadow));
    assert_eq!(decision.state.take_overs, 0);
}

#[test]
fn an_emergency_stop_wins_over_everything() {
    for start in [DriveMode::Human, DriveMode::Shadow, DriveMode::Assist, DriveMode::Model] {
        let mut scene = Scene::driving(start, 0.3, 0.2);
        let decision = scene.hands(Grip { stop: true, held: false, mode: true, ..held(0.5, 0.5) });
        assert_eq!((motion(&decision), decision.drive.emergency_stop), ((0.0, 0.0), true));
        assert!(matches!(mode(&decision), DriveMode::Human | DriveMode::Shadow), "{start:?}");
    }
}

#[test]
fn a_model_that_may_not_be_trusted_stops_the_robot_at_once_and_says_why() {
    type Spoil = fn(&mut Word);
    let cases: [(&str, Spoil); 8] = [
        ("model silent for 251ms", |word| word.sent_ns -= 251 * MS),
        ("model silent for 251ms", |word| word.received_ns -= 251 * MS),
        ("model silent for 60ms", |word| (word.valid_ns, word.sent_ns) = (50 * MS, word.sent_ns - 60 * MS)),
        ("the model's picture is 501ms old", |word| word.stamp_ns -= 501 * MS),
        ("the model's word is from the future", |word| word.sent_ns += 101 * MS),
        ("the model's word is not finite", |word| word.turn = f32::NAN),
        ("the model's word is out of range", |word| word.forward = 1.01),
        ("the model says stop", |word| word.stop = true),
    ];
    for start in [DriveMode::Assist, DriveMode::Model] {
        for (reason, spoil) in cases {
            let mut scene = Scene::driving(start, 0.3, 0.2);
            for _ in 0..20 {
                scene.hands(held(0.05, 0.0)); // the human's throttle, too little to be a stick that moved
            }
            spoil(scene.model.as_mut().unwrap());
            let decision = scene.hands(held(0.05, 0.0));
            assert_eq!((motion(&decision), mode(&decision)), ((0.0, 0.0), DriveMode::Human), "{reason}");
            assert_eq!((decision.state.reason.as_str(), decision.state.take_overs), (reason, 0));
            assert!(!decision.state.model_ready);
        }
    }
}

#[test]
fn after_a_silent_model_a_pushed_throttle_moves_nothing_until_it_is_touched() {
    let pushed = held(0.4, 0.0);
    let after = |scene: &mut Scene| {
        scene.hands(open());
        for _ in 0..20 {
            scene.hands(pushed);
        }
        scene.model = None;
        assert_eq!(motion(&scene.hands(pushed)), (0.0, 0.0));
        assert_eq!(motion(&scene.hands(pushed)), (0.0, 0.0));
    };
    let mut scene = Scene::in_mode(DriveMode::Assist, 0.3, 0.2);
    after(&mut scene);
    assert_eq!(motion(&scene.hands(held(0.2, 0.0))), (0.2, 0.0), "the human moved the stick");
    let mut scene = Scene::in_mode(DriveMode::Assist, 0.3, 0.2);
    after(&mut scene);
    scene.hands(held(0.0, 0.0));
    assert_eq!(motion(&scene.hands(held(0.05, 0.0))), (0.05, 0.0), "it was seen at rest");
}

#[test]
fn a_press_towards_a_silent_model_leaves_the_human_driving() {
    let mut scene = Scene::in_mode(DriveMode::Shadow, 0.3, 0.2);
    scene.model = None;
    let pushed = held(0.4, 0.2);
    scene.hands(pushed);
    let decision = scene.press(pushed);
    assert_eq!((motion(&decision), mode(&decision)), ((0.4, 0.2), DriveMode::Human));
    assert_eq!(decision.state.take_overs, 0);
}

#[test]
fn a_change_by_the_button_is_without_a_jump_but_stopping_never_waits() {
    let mut scene = Scene::in_mode(DriveMode::Human, 0.1, 0.9);
    scene.arbiter.rules.modes = vec![DriveMode::Human, DriveMode::Model];
    let pushed = held(0.4, -0.9);
    scene.hands(open());
    scene.hands(pushed);
    let most = PERIOD as f32 / (300 * MS) as f32 + 1e-6;
    let mut turn = -0.9;
    let first = scene.hands(Grip { mode: true, ..pushed });
    assert_eq!(first.drive.forward, 0.1, "less throttle is at once");
    for step in 0..27 {
        let decision = scene.hands(pushed);
        assert!((decision.drive.turn - turn).abs() <= 2.0 * most, "step {step}: {turn} to {}", decision.drive.turn);
        turn = decision.drive.turn;
    }
    assert_eq!(turn, 0.9, "and it arrives");
    let back = scene.hands(Grip { mode: true, ..pushed });
    assert!((back.drive.turn - turn).abs() <= most && (back.drive.forward - 0.1).abs() <= most, "{:?}", back.drive);
    assert_eq!((mode(&back), back.state.take_overs), (DriveMode::Human, 1));
}

#[test]
fn the_model_stays_within_the_limits_of_the_pilot() {
    let mut scene = Scene::driving(DriveMode::Model, 1.0, 1.0);
    scene.arbiter.rules.turn_limit = 0.25;
    let decision = (0..100).map(|_| scene.hands(held(0.0, 0.0))).last().unwrap();
    assert_eq!(motion(&decision), (0.5, 0.25));
    assert_eq!(decision.state.model_forward, 1.0);
}

#[test]
fn in_the_shadow_the_model_s_error_is_the_mean_over_two_seconds() {
    let mut scene = Scene::in_mode(DriveMode::Shadow, 0.3, 0.2);
    assert_eq!(scene.hands(open()).state.error_turn, -1.0, "nobody drove yet");
    for _ in 0..100 {
        scene.hands(held(0.3, 0.2));
    }
    let state = (0..50).map(|_| scene.hands(held(0.3, 0.6))).last().unwrap().state;
    assert!((state.error_turn - 0.2).abs() < 0.01 && state.error_forward.abs() < 1e-6, "{state:?}");
    let state = (0..120).map(|_| scene.hands(open())).last().unwrap().state;
    assert_eq!((state.error_turn, state.error_forward), (-1.0, -1.0), "not known any more");
}

/// What may happen between two steps.
#[derive(Debug, Clone)]
enum Act {
    Grip { forward: f32, turn: f32, other: f32, held: bool, stop: bool, mode: bool },
    Away,
    Word { forward: f32, turn: f32, age_ms: i64, picture_ms: i64 },
    Wait { ms: i64 },
}

fn value() -> impl Strategy<Value = f32> {
    prop_oneof![8 => -1.0f32..=1.0, 1 => Just(0.0), 1 => prop_oneof![Just(f32::NAN), Just(f32::INFINITY), Just(2.0)]]
}

fn act() -> impl Strategy<Value = Act> {
    let lever = || prop_oneof![3 => Just(0.0f32), 2 => -1.0f32..=1.0];
    prop_oneof![
        6 => (lever(), lever(), lever(), prop::bool::weighted(0.9), prop::bool::weighted(0.02), any::<bool>())
            .prop_map(|(forward, turn, other, held, stop, mode)| Act::Grip { forward, turn, other, held, stop, mode }),
        1 => Just(Act::Away),
        8 => (value(), value(), 0i64..300, 0i64..600)
            .prop_map(|(forward, turn, age_ms, picture_ms)| Act::Word { forward, turn, age_ms, picture_ms }),
        2 => (0i64..400).prop_map(|ms| Act::Wait { ms }),
    ]
}

fn start() -> impl Strategy<Value = DriveMode> {
    prop::sample::select(vec![DriveMode::Human, DriveMode::Shadow, DriveMode::Assist, DriveMode::Model])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn whatever_comes_the_human_is_the_master(start in start(), acts in prop::collection::vec(act(), 1..120)) {
        let rules = Rules { start, ..rules() };
        let mut arbiter = Arbiter::new(rules.clone());
        let (mut hands, mut word, mut now_ns) = (Hands::Away { stop: false }, None::<Word>, 1_000_000_000);
        let mut last = arbiter.step(now_ns, &hands, None);
        for act in acts {
            now_ns += PERIOD / 2;
            match act {
                Act::Grip { forward, turn, other, held: button, stop, mode } => {
                    let mut grip = Grip { held: button && !stop, stop, mode, ..held(forward * 0.5, turn) };
                    grip.axes[at(Axis::LeftTrigger)] = other;
                    hands = Hands::On(grip);
                }
                Act::Away => hands = Hands::Away { stop: false },
                Act::Word { forward, turn, age_ms, picture_ms } => {
                    let sent_ns = now_ns - age_ms * MS;
                    let stamp_ns = now_ns - picture_ms * MS;
                    word = Some(Word { forward, turn, stop: false, valid_ns: 0, sent_ns, stamp_ns, received_ns: sent_ns });
                }
                Act::Wait { ms } => now_ns += ms * MS,
            }
            let before = arbiter.stood;
            let was = mode(&last);
            let decision = arbiter.step(now_ns, &hands, word.as_ref());
            let (forward, turn) = motion(&decision);
            let by_model = |mode: DriveMode| matches!(mode, DriveMode::Assist | DriveMode::Model);
            let trusted = word.as_ref().is_some_and(|word| word.check(now_ns, rules.timeout_ns, rules.evidence_ns).is_ok());

            prop_assert!(forward.is_finite() && turn.is_finite());
            prop_assert!(forward.abs() <= rules.forward_limit && turn.abs() <= rules.turn_limit);
            // Nothing moves unless the dead-man button is held, and nothing while an emergency stop lasts.
            prop_assert!(hands.holding().is_some() || (forward, turn) == (0.0, 0.0));
            prop_assert!(!hands.stop() || (decision.drive.emergency_stop && (forward, turn) == (0.0, 0.0)));
            // The model has no part in motion while its word is not to be trusted.
            prop_assert!(trusted || hands.holding().is_none() || !by_model(mode(&decision)));
            prop_assert!(trusted || decision.cause == Cause::Hands);
            // Who lets go, and who moves a stick, is the human's at once.
            if was == DriveMode::Model && last.state.deadman && hands.holding().is_none() {
                prop_assert_eq!(mode(&decision), DriveMode::Human);
            }
            if let (DriveMode::Model, Some(stood), Some(grip)) = (was, before, hands.holding())
                && grip.axes.iter().zip(stood).any(|(now, stood)| (now - stood).abs() > rules.take_back)
            {
                prop_assert_eq!(mode(&decision), DriveMode::Human);
                prop_assert_eq!((forward, turn), (grip.forward, grip.turn));
            }
            // A change by the button steers without a jump, and never gives more throttle at once than its rate.
            if decision.state.reason == "button" && mode(&decision) != was && hands.holding().is_some() && last.state.deadman {
                let most = PERIOD as f32 / rules.blend_ns as f32 + 1e-5;
                let passes = by_model(mode(&decision)) != by_model(was);
                prop_assert!(!passes || (turn - motion(&last).1).abs() <= most);
                prop_assert!(mode(&decision) != DriveMode::Model || forward.abs() <= motion(&last).0.abs() + most);
            }
            last = decision;
        }
    }
}
