//! Talks, word by word.

use proptest::prelude::*;

use super::*;

const S: i64 = 1_000_000_000;

fn values(pulse: Option<Pulse>) -> Values {
    Values { pulses: [pulse; 2], invert: [false; 2], limits: [1.0; 2] }
}

fn servos() -> Talk {
    Talk::new(values(Some(Pulse::default())), Mixing::Differential, 2500, Manner::Lines)
}

fn wheels_without_pulses(mixing: Mixing) -> Talk {
    Talk::new(values(None), mixing, 2500, Manner::Lines)
}

/// Says lines, one each tenth of a second; what was answered.
fn say(talk: &mut Talk, lines: &str) -> Vec<Option<String>> {
    let mut now_ns = talk.word_ns;
    lines
        .split_whitespace()
        .map(|line| {
            now_ns += S / 10;
            talk.hear(now_ns, &Word::of_line(line))
        })
        .collect()
}

/// The pulses that the driver would put out, left and right.
fn pulses(talk: &Talk) -> [f32; 2] {
    let [left, right] = talk.open().map(|pulse| pulse.unwrap());
    let wheels = talk.wheels();
    [left.at(wheels.left), right.at(wheels.right)]
}

#[track_caller]
fn near(talk: &Talk, wanted: [f32; 2]) {
    let pulses = pulses(talk);
    assert!(pulses.iter().zip(wanted).all(|(is, wanted)| (is - wanted).abs() < 0.01), "{pulses:?}");
}

#[test]
fn a_pulse_follows_the_words_and_is_at_neutral_before_each_question() {
    let mut talk = servos();
    near(&talk, [1500.0, 1500.0]);
    say(&mut talk, "ok - - -");
    near(&talk, [1485.0, 1500.0]);
    say(&mut talk, "-5");
    near(&talk, [1480.0, 1500.0]);
    say(&mut talk, "ok");
    near(&talk, [1480.0, 1500.0]);
    assert_eq!(talk.open()[0], Some(Pulse { min: 500, neutral: 1480, max: 2500 }));
    say(&mut talk, "+");
    near(&talk, [1500.0, 1500.0]);
    say(&mut talk, "y 1580 1680 1780 1880 1900");
    near(&talk, [1900.0, 1500.0]);
    say(&mut talk, "ok");
    near(&talk, [1480.0, 1500.0]);
    say(&mut talk, "-100 -100 -100 1100 - ok");
    near(&talk, [1480.0, 1500.0]);
    say(&mut talk, "ok - n ok ok");
    assert_eq!(talk.stand(), Stand::Done);
    assert_eq!(talk.wheels(), Wheels::NEUTRAL);
    let wanted = json!({ "pulse_left": { "min": 1080, "neutral": 1480, "max": 1900 } });
    assert_eq!(Value::Object(talk.outcome()), wanted);
}

#[test]
fn ok_alone_keeps_all_as_it_is() {
    let mut talk = servos();
    say(&mut talk, &"ok ".repeat(9));
    assert_eq!(talk.stand(), Stand::Done);
    assert!(talk.outcome().is_empty());
}

#[test]
fn which_way_it_goes_is_heard_from_where_it_went() {
    for (lines, invert) in [("+ y", false), ("+ n", true), ("- y", true), ("- n", false)] {
        let mut talk = wheels_without_pulses(Mixing::Differential);
        say(&mut talk, &format!("ok {lines}"));
        assert_eq!(talk.new.invert[0], invert, "{lines}");
    }
    let mut talk = wheels_without_pulses(Mixing::Differential);
    assert_eq!(say(&mut talk, "ok y")[1].as_deref(), Some("nothing has moved yet: + first"));
    assert_eq!(talk.question(), Some(Question::Way(0)));
}

#[test]
fn two_seconds_without_a_word_are_neutral_and_the_search_goes_on_from_where_it_was() {
    let mut talk = servos();
    say(&mut talk, "ok ok 1600");
    let word_ns = talk.word_ns;
    assert_eq!(talk.wait(word_ns + QUIET_NS - 1), None);
    near(&talk, [1600.0, 1500.0]);
    let said = talk.wait(word_ns + QUIET_NS).unwrap();
    assert_eq!(said, "at neutral: no key for 2 s. + and - go on from where it was");
    near(&talk, [1500.0, 1500.0]);
    assert_eq!(talk.wait(word_ns + 10 * QUIET_NS), None, "it is said once");
    say(&mut talk, "+");
    near(&talk, [1620.0, 1500.0]);
}

#[test]
fn nothing_goes_beyond_what_a_servo_may_be_given() {
    let mut talk = servos();
    say(&mut talk, "ok");
    say(&mut talk, &"+90 ".repeat(11));
    near(&talk, [2490.0, 1500.0]);
    assert_eq!(say(&mut talk, "+90")[0].as_deref(), Some("left: 2500 µs, and no further"));
    near(&talk, [2500.0, 1500.0]);
    // A period of 2 ms has no room for a longer pulse.
    let mut talk = Talk::new(values(Some(Pulse::default())), Mixing::Differential, 1999, Manner::Lines);
    say(&mut talk, "ok");
    say(&mut talk, &"+100 ".repeat(5));
    near(&talk, [1999.0, 1500.0]);
}

/// 50 and Enter is what is left of +50 where `+` is a word by itself: once it was full backward.
#[test]
fn a_number_that_no_output_may_be_given_moves_nothing() {
    let mut talk = servos();
    say(&mut talk, "ok");
    for number in ["50", "1", "499", "2501", "9000"] {
        let wanted = format!("{number} µs is not between 500 and 2500: nothing moved");
        assert_eq!(say(&mut talk, number), [Some(wanted)]);
        assert_eq!(talk.wheels(), Wheels::NEUTRAL);
    }
    say(&mut talk, "ok");
    assert_eq!(talk.new, talk.old, "and nothing is found");
    // What moved before stays where it is.
    say(&mut talk, "+ 50");
    near(&talk, [1520.0, 1500.0]);
    let mut talk = wheels_without_pulses(Mixing::Differential);
    let said = say(&mut talk, "ok 101");
    assert_eq!(said[1].as_deref(), Some("101 % is not between -100 and 100: nothing moved"));
}

#[test]
fn one_word_is_never_a_leap() {
    let mut talk = servos();
    let said = say(&mut talk, "ok 1840 -9000 +101");
    assert_eq!(said[1].as_deref(), Some("1840 µs is 340 away, and one word goes 100 at most: nothing moved"));
    assert!(said[2..].iter().all(|said| said.as_deref().unwrap().ends_with("at most: nothing moved")));
    assert_eq!(talk.wheels(), Wheels::NEUTRAL);
    say(&mut talk, "1600 1700");
    near(&talk, [1700.0, 1500.0]);
}

#[test]
fn a_terminal_s_person_is_asked_for_keys() {
    let mut talk = Talk::new(values(Some(Pulse::default())), Mixing::Differential, 2500, Manner::Keys);
    assert!(talk.ask().ends_with("Enter begins, q ends"), "{}", talk.ask());
    talk.hear(S, &Word::Ok);
    let asked = talk.ask();
    assert!(asked.ends_with("also 1480 and Enter, until nothing moves; Enter keeps it"), "{asked}");
    let said = talk.hear(2 * S, &Word::Odd("o".into())).unwrap();
    assert_eq!(said, "\"o\" is no answer: + or -, 1480 and Enter, Enter, y, n or q");
    let mut lines = servos();
    say(&mut lines, "ok");
    assert!(lines.ask().ends_with("also +50 or 1480, until nothing moves; ok keeps it"), "{}", lines.ask());
}

#[test]
fn an_end_is_on_its_side_of_neutral() {
    let mut talk = servos();
    say(&mut talk, "ok ok ok");
    assert_eq!(talk.question(), Some(Question::Max(0)));
    assert_eq!(say(&mut talk, "1450")[0].as_deref(), Some("1450 µs is not between 1500 and 2500: nothing moved"));
    assert_eq!(say(&mut talk, "-")[0].as_deref(), Some("left: 1500 µs, and no further"));
    near(&talk, [1500.0, 1500.0]);
    say(&mut talk, "ok");
    // max is neutral now: min must be somewhere else.
    assert!(say(&mut talk, "+ ok")[1].as_deref().unwrap().starts_with("min and max are the same"));
    say(&mut talk, "- ok");
    assert_eq!(talk.new.pulses[0], Some(Pulse { min: 1480, neutral: 1500, max: 1500 }));
}

#[test]
fn a_neutral_beyond_an_end_takes_the_end_along() {
    let mut talk = servos();
    say(&mut talk, "ok +100 +100 +100 +100 +100 2100 ok");
    assert_eq!(talk.new.pulses[0], Some(Pulse { min: 1000, neutral: 2100, max: 2100 }));
}

#[test]
fn what_has_no_pulses_is_asked_for_its_way_and_its_limits() {
    let mut talk = wheels_without_pulses(Mixing::Differential);
    say(&mut talk, "ok + + n");
    say(&mut talk, "+ y");
    assert_eq!(talk.question(), Some(Question::Limit(0)));
    say(&mut talk, "25 50 60");
    assert_eq!(talk.wheels(), Wheels { left: -0.6, right: 0.6 }, "the way that was found counts already");
    say(&mut talk, "ok 0");
    assert_eq!(say(&mut talk, "ok")[0].as_deref(), Some("0 % would never move: + goes up"));
    say(&mut talk, "+ + ok");
    assert_eq!(talk.stand(), Stand::Done);
    let wanted = json!({ "invert_left": true, "forward_limit": 0.6, "turn_limit": 0.1 });
    assert_eq!(Value::Object(talk.outcome()), wanted);
}

#[test]
fn a_car_with_a_bridge_and_a_servo_is_asked_for_both() {
    let servo = Pulse { min: 1100, neutral: 1480, max: 1900 };
    let values = Values { pulses: [None, Some(servo)], invert: [false, true], limits: [1.0; 2] };
    let mut talk = Talk::new(values, Mixing::Ackermann, 2500, Manner::Lines);
    use Question::{Limit, Max, Min, Neutral, Ready, Way};
    assert_eq!(talk.questions, [Ready, Way(0), Neutral(1), Way(1), Max(1), Min(1), Limit(0)]);
    say(&mut talk, "ok ok ok ok");
    assert!(talk.ask().starts_with("steering: max, full left, is 1900 µs."), "{}", talk.ask());
}

#[test]
fn who_gives_up_leaves_neutral() {
    let mut talk = servos();
    say(&mut talk, "ok 1600 quit");
    assert_eq!((talk.stand(), talk.wheels()), (Stand::Quit, Wheels::NEUTRAL));
    assert_eq!(say(&mut talk, "+"), [None]);
    assert_eq!(talk.wheels(), Wheels::NEUTRAL);
}

#[test]
fn nothing_moves_before_the_person_is_ready() {
    let mut talk = servos();
    assert!(talk.ask().starts_with("lift the robot"));
    assert_eq!(
        say(&mut talk, "+ 1900 y"),
        [Some("nothing moves before ok".into()), Some("nothing moves before ok".into()), None]
    );
    near(&talk, [1500.0, 1500.0]);
    assert_eq!(talk.question(), Some(Question::Neutral(0)));
}

proptest! {
    /// Whatever is said, no pulse leaves its bounds, the parameters fit each other, and silence is neutral.
    #[test]
    fn no_talk_leaves_its_bounds(
        words in prop::collection::vec(
            prop_oneof![
                (-9i32..9).prop_map(Word::Step),
                (-9000i32..9000).prop_map(Word::By),
                (-9000i32..9000).prop_map(Word::To),
                Just(Word::Ok), Just(Word::Ok), Just(Word::Yes), Just(Word::No),
            ],
            0..60,
        ),
        car in any::<bool>(), bare in any::<bool>(), longest in 1500u16..2600,
    ) {
        let mixing = if car { Mixing::Ackermann } else { Mixing::Differential };
        let pulse = Pulse { min: 1000, neutral: 1200, max: 1400 };
        let mut talk = Talk::new(values((!bare).then_some(pulse)), mixing, longest, Manner::Lines);
        for (index, word) in words.iter().enumerate() {
            let (at, from) = (talk.at, talk.place.or(talk.range().map(|range| range.rest)));
            talk.hear(index as i64 * S, word);
            if let (true, Some(place), Some(from)) = (talk.at == at, talk.place, from) {
                prop_assert!((place - from).abs() <= if bare { LEAP_PERCENT } else { LEAP }, "{from} to {place}");
            }
            let wheels = talk.wheels();
            prop_assert!(wheels.left.abs() <= 1.0 && wheels.right.abs() <= 1.0, "{wheels:?}");
            for (pulse, value) in talk.open().into_iter().zip([wheels.left, wheels.right]) {
                let at = pulse.map_or(1500.0, |pulse| pulse.at(value));
                prop_assert!((500.0..=2500.0_f32.min(longest.into())).contains(&at), "{at}");
            }
            for Pulse { min, neutral, max } in talk.new.pulses.into_iter().flatten() {
                prop_assert!(min <= neutral && neutral <= max && min < max, "{min} {neutral} {max}");
            }
            prop_assert!(talk.new.limits.iter().all(|limit| *limit > 0.0 && *limit <= 1.0));
        }
        talk.wait(words.len() as i64 * S + QUIET_NS);
        prop_assert_eq!(talk.wheels(), Wheels::NEUTRAL);
    }
}
