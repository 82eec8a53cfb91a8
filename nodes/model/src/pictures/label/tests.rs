//! Which command belongs to a picture, told in sentences.

use super::*;

const MS: i64 = 1_000_000;

fn at(sent_ms: i64) -> Header {
    Header { sent_ns: sent_ms * MS, ..Header::default() }
}

fn drive(turn: f32) -> Drive {
    Drive { turn, forward: 0.5, source: "human".into(), ..Drive::default() }
}

fn state(mode: DriveMode, take_overs: u64) -> PilotState {
    PilotState { mode: mode as i32, deadman: true, take_overs, ..PilotState::default() }
}

/// Turn is the time in seconds, a command each 10 ms for a second.
fn second() -> Diary {
    let mut diary = Diary::new(i64::MAX, false);
    (0..100).for_each(|i| diary.command(&at(i * 10), &drive(i as f32 / 100.0)));
    diary
}

fn turn(answer: Answer) -> f32 {
    let Answer::Known(label) = answer else { panic!("{answer:?}") };
    label.turn
}

#[test]
fn a_moment_has_the_command_that_was_in_force_then() {
    let diary = second();
    assert_eq!(turn(diary.label(500 * MS)), 0.5);
    assert_eq!(turn(diary.label(509 * MS)), 0.5);
    assert_eq!(diary.label(2000 * MS), Answer::NotYet);
    assert_eq!(diary.label(-MS), Answer::Left(Reason::NoCommand));
}

#[test]
fn a_gap_between_commands_is_nothing_to_learn_from() {
    let mut diary = second();
    diary.command(&at(5000), &drive(0.0));
    assert_eq!(diary.label(3000 * MS), Answer::Left(Reason::NoCommand));
}

#[test]
fn commands_out_of_order_find_their_place() {
    let mut diary = Diary::new(i64::MAX, false);
    for i in [3, 1, 2, 4] {
        diary.command(&at(i * 10), &drive(i as f32 / 10.0));
    }
    assert_eq!(turn(diary.label(25 * MS)), 0.2);
}

#[test]
fn only_the_human_is_learned_from_and_corrections_count_more() {
    let mut diary = second();
    diary.pilot(&at(0), &state(DriveMode::Human, 0));
    diary.pilot(&at(300), &state(DriveMode::Model, 0));
    diary.pilot(&at(600), &state(DriveMode::Human, 1));
    assert_eq!(turn(diary.label(200 * MS)), 0.2);
    assert_eq!(diary.label(400 * MS), Answer::Left(Reason::NotHuman));
    let Answer::Known(label) = diary.label(700 * MS) else { panic!() };
    assert!(label.correction && label.turn == 0.7);
    let Answer::Known(label) = diary.label(200 * MS) else { panic!() };
    assert!(!label.correction);
}

#[test]
fn assisted_driving_is_nobodys_example() {
    let mut diary = second();
    diary.pilot(&at(0), &state(DriveMode::Assist, 0));
    assert_eq!(diary.label(500 * MS), Answer::Left(Reason::NotHuman));
}

#[test]
fn a_model_that_drives_without_a_pilot_is_no_human() {
    let mut diary = second();
    diary.command(&at(1000), &Drive { source: "model".into(), ..drive(1.0) });
    diary.command(&at(1010), &Drive { source: "model".into(), ..drive(1.0) });
    assert_eq!(diary.label(1005 * MS), Answer::Left(Reason::NotHuman));
}

#[test]
fn standing_still_is_left_out_unless_asked_for() {
    for (standing, answer) in [
        (false, Answer::Left(Reason::Standing)),
        (true, Answer::Known(Label { turn: 0.0, forward: 0.0, correction: false })),
    ] {
        let mut diary = Diary::new(i64::MAX, standing);
        (0..2).for_each(|i| diary.command(&at(i * 10), &Drive::default()));
        assert_eq!(diary.label(5 * MS), answer);
    }
}

#[test]
fn what_is_not_finite_is_no_command() {
    let mut diary = second();
    diary.command(&at(1000), &drive(f32::NAN));
    assert_eq!(diary.len(), 100);
}

#[test]
fn a_diary_forgets() {
    let mut diary = Diary::new(1000 * MS, false);
    for i in 0..100_000 {
        diary.command(&at(i * 10), &drive(0.0));
        let mode = if i % 2 == 0 { DriveMode::Human } else { DriveMode::Model };
        diary.pilot(&at(i * 10), &state(mode, 0));
    }
    assert!(diary.len() <= 101 && diary.turns.len() <= 103, "{} {}", diary.len(), diary.turns.len());
}

#[test]
fn commands_in_flight_are_the_newest_first() {
    let mut out = Vec::new();
    second().in_flight(505 * MS, 100 * MS, 2, &mut out);
    assert_eq!(out, [0.4, 0.5, 0.3, 0.5]);
}

#[test]
fn a_loop_is_the_sum_of_its_parts_until_it_is_measured_whole() {
    let mut travel = Travel::new(RECENT);
    assert_eq!(travel.loop_ns(0), None);
    for seq in 1..=20 {
        travel.picture(&Header { stamp_ns: 0, ..Header::default() }, 50 * MS);
        let state = MotorState {
            mode: MotorMode::Driving as i32,
            command_seq: seq,
            command_age_ns: 40 * MS,
            picture_age_ns: 300 * MS,
            ..MotorState::default()
        };
        travel.motor(&state, false);
        // The same command put out again is older and says nothing.
        travel.motor(&MotorState { command_age_ns: 900 * MS, ..state }, false);
    }
    assert_eq!((travel.loop_ns(2 * MS), travel.motion_ns()), (Some(92 * MS), 40 * MS));
    for seq in 21..=40 {
        let (command_age_ns, picture_age_ns) = (41 * MS, 97 * MS);
        let mode = MotorMode::Driving as i32;
        let state = MotorState { mode, command_seq: seq, command_age_ns, picture_age_ns, ..MotorState::default() };
        travel.motor(&state, true);
    }
    assert_eq!(travel.loop_ns(2 * MS), Some(97 * MS));
}

#[test]
fn clocks_that_do_not_agree_measure_nothing() {
    let mut travel = Travel::new(RECENT);
    (0..20).for_each(|_| travel.picture(&Header { stamp_ns: 0, ..Header::default() }, 3600 * 1000 * MS));
    assert_eq!(travel.loop_ns(0), None);
}
