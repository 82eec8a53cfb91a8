//! Every rule of the lease as a sentence, in invented time, and random histories against what must always hold.

use proptest::prelude::*;

use super::*;

const MS: i64 = 1_000_000;
const RULES: Rules =
    Rules { deadman_ns: 300 * MS, evidence_ns: 500 * MS, forward_limit: 1.0, turn_limit: 1.0, slew: 0.0 };

/// A lease, invented time, and a publisher that numbers its commands.
struct Bench {
    lease: Lease,
    now_ns: i64,
    seq: u64,
}

/// A command that is good in every way; the tests spoil it.
struct Good {
    header: Header,
    drive: Drive,
}

impl Bench {
    fn with(rules: Rules) -> Bench {
        Bench { lease: Lease::new(rules), now_ns: 1_700_000_000_000_000_000, seq: 0 }
    }

    fn new() -> Bench {
        Bench::with(RULES)
    }

    /// A lease that was armed with a neutral command and drives ahead.
    fn driving() -> Bench {
        let mut bench = Bench::new();
        assert_eq!(bench.send(0.0, 0.0).mode, MotorMode::Driving);
        assert_eq!(bench.send(1.0, -0.5).forward, 1.0);
        bench
    }

    fn good(&mut self, forward: f32, turn: f32) -> Good {
        self.seq += 1;
        Good {
            header: Header {
                seq: self.seq,
                incarnation: 1,
                sent_ns: self.now_ns,
                stamp_ns: self.now_ns,
                ..Header::default()
            },
            drive: Drive { forward, turn, source: "human".to_owned(), ..Drive::default() },
        }
    }

    fn send(&mut self, forward: f32, turn: f32) -> Output {
        self.spoilt(forward, turn, |_| {})
    }

    fn spoilt(&mut self, forward: f32, turn: f32, spoil: impl FnOnce(&mut Good)) -> Output {
        let mut good = self.good(forward, turn);
        spoil(&mut good);
        self.lease.step(self.now_ns, Event::Command(&good.header, &good.drive))
    }

    /// Lets time pass, without an event until its end.
    fn after(&mut self, ms: i64) -> Output {
        self.now_ns += ms * MS;
        self.lease.step(self.now_ns, Event::Tick)
    }
}

fn is_still(output: &Output) -> bool {
    output.forward == 0.0 && output.turn == 0.0
}

#[track_caller]
fn assert_refused(output: &Output, refusal: Refusal) {
    assert_eq!(output.refusal, Some(refusal));
}

#[test]
fn nothing_moves_at_the_start_until_a_neutral_command_was_seen() {
    let mut bench = Bench::new();
    assert!(is_still(&bench.after(0)));
    let output = bench.send(1.0, 0.0);
    assert_refused(&output, Refusal::NotNeutral);
    assert!(is_still(&output) && output.mode == MotorMode::Latched);
    assert_eq!(bench.send(0.0, 0.0).mode, MotorMode::Driving);
    assert_eq!(bench.send(1.0, 0.25).forward, 1.0);
}

#[test]
fn a_worn_stick_is_neutral_up_to_five_percent() {
    for (forward, turn, armed) in [(0.05, -0.05, true), (0.051, 0.0, false), (0.0, -0.051, false)] {
        assert_eq!(Bench::new().send(forward, turn).refusal.is_none(), armed, "{forward} {turn}");
    }
}

#[test]
fn a_command_is_obeyed_at_once_and_in_full() {
    let output = Bench::driving().send(0.6, -0.3);
    assert_eq!((output.forward, output.turn, output.mode), (0.6, -0.3, MotorMode::Driving));
    assert_eq!(output.reason, "");
}

#[test]
fn a_command_holds_for_half_the_deadman_then_fades_to_exactly_neutral() {
    let mut bench = Bench::driving();
    assert_eq!(bench.after(150).forward, 1.0);
    let faded = bench.after(75);
    assert!((faded.forward - 0.5).abs() < 0.02 && faded.turn == faded.forward * -0.5, "{faded:?}");
    assert_eq!(faded.mode, MotorMode::Ramping);
    assert_eq!(faded.reason, "the commands stopped");
    assert!(is_still(&bench.after(73)), "a timer's slack before the end");
    assert_eq!(bench.after(2).mode, MotorMode::Latched);
}

#[test]
fn every_moment_that_matters_is_announced_as_a_wake_up() {
    let mut bench = Bench::driving();
    let sent_ns = bench.now_ns;
    assert_eq!(bench.after(1).wake_ns, Some(sent_ns + 298 * MS));
    assert_eq!(bench.after(297).wake_ns, Some(sent_ns + 300 * MS));
    assert_eq!(bench.after(2).wake_ns, None);
}

#[test]
fn a_fresh_command_while_it_fades_is_obeyed_in_full_again() {
    let mut bench = Bench::driving();
    bench.after(290);
    assert_eq!(bench.send(1.0, 0.0).forward, 1.0);
}

#[test]
fn after_a_lapse_a_neutral_command_must_be_shown() {
    let mut bench = Bench::driving();
    bench.after(300);
    let output = bench.send(0.5, 0.0);
    assert_refused(&output, Refusal::NotNeutral);
    assert_eq!(output.reason, "the commands stopped; show a neutral one (a command was refused: it is not neutral)");
    bench.send(0.0, 0.0);
    assert_eq!(bench.send(0.5, 0.0).forward, 0.5);
}

#[test]
fn a_lease_that_lapsed_while_this_process_was_held_up_has_lapsed_all_the_same() {
    let mut bench = Bench::driving();
    bench.now_ns += 3000 * MS;
    let output = bench.send(1.0, 0.0);
    assert!(is_still(&output));
    assert_refused(&output, Refusal::NotNeutral);
}

#[test]
fn a_command_older_than_the_deadman_is_refused() {
    let mut bench = Bench::driving();
    bench.spoilt(0.9, 0.0, |good| good.header.sent_ns -= 300 * MS);
    let output = bench.spoilt(0.9, 0.0, |good| good.header.sent_ns -= 301 * MS);
    assert_refused(&output, Refusal::Stale { age_ms: 301 });
}

#[test]
fn a_command_may_ask_for_a_shorter_time_but_not_for_a_longer_one() {
    let mut bench = Bench::driving();
    let output = bench.spoilt(0.9, 0.0, |good| {
        good.drive.valid_for_ms = 100;
        good.header.sent_ns -= 101 * MS;
    });
    assert_refused(&output, Refusal::Stale { age_ms: 101 });
    bench.spoilt(0.9, 0.0, |good| good.drive.valid_for_ms = 100);
    assert!(is_still(&bench.after(98)));
    bench.send(0.0, 0.0);
    bench.after(2);
    bench.send(0.0, 0.0);
    bench.spoilt(0.9, 0.0, |good| good.drive.valid_for_ms = u32::MAX);
    assert!(is_still(&bench.after(298)));
}

#[test]
fn a_command_computed_from_an_old_picture_is_refused() {
    let mut bench = Bench::driving();
    let output = bench.spoilt(0.9, 0.0, |good| good.header.stamp_ns -= 501 * MS);
    assert_refused(&output, Refusal::OldEvidence { age_ms: 501 });
}

#[test]
fn a_lease_ends_when_its_picture_is_too_old_even_if_the_command_is_not() {
    let mut bench = Bench::driving();
    assert_eq!(bench.spoilt(1.0, 0.0, |good| good.header.stamp_ns -= 400 * MS).forward, 1.0);
    assert!(is_still(&bench.after(98)));
}

#[test]
fn a_lease_is_counted_from_sending_not_from_arrival() {
    let mut bench = Bench::driving();
    assert_eq!(bench.spoilt(1.0, 0.0, |good| good.header.sent_ns -= 200 * MS).forward, 1.0);
    assert!(is_still(&bench.after(98)));
    assert_eq!(bench.after(2).mode, MotorMode::Latched);
}

#[test]
fn a_command_from_the_future_is_refused_but_a_clock_error_is_not() {
    for spoil in
        [(|good: &mut Good| good.header.sent_ns += 101 * MS) as fn(&mut Good), |good| good.header.stamp_ns += 101 * MS]
    {
        assert_refused(&Bench::driving().spoilt(0.5, 0.0, spoil), Refusal::Future);
    }
    let mut bench = Bench::driving();
    let ahead = |good: &mut Good| {
        good.header.sent_ns += 100 * MS;
        good.header.stamp_ns += 100 * MS;
    };
    assert_eq!(bench.spoilt(0.5, 0.0, ahead).forward, 0.5);
    assert!(is_still(&bench.after(298)), "a clock ahead must not lengthen the lease");
}

#[test]
fn stamps_at_the_ends_of_time_are_refused() {
    for stamp_ns in [i64::MIN, -1, 0, i64::MAX] {
        let mut bench = Bench::driving();
        assert!(bench.spoilt(0.5, 0.0, |good| good.header.sent_ns = stamp_ns).refusal.is_some());
        assert!(bench.spoilt(0.5, 0.0, |good| good.header.stamp_ns = stamp_ns).refusal.is_some());
        let mut lease = Lease::new(RULES);
        assert!(is_still(&lease.step(stamp_ns, Event::Tick)));
    }
}

#[test]
fn a_command_that_is_not_a_number_is_refused_and_changes_nothing() {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut bench = Bench::driving();
        for output in [bench.send(bad, 0.0), bench.send(0.0, bad)] {
            assert_refused(&output, Refusal::NotFinite);
            assert_eq!((output.forward, output.turn), (1.0, -0.5));
        }
    }
}

#[test]
fn a_finite_command_out_of_range_is_clamped() {
    let output = Bench::driving().send(1e30, -7.0);
    assert_eq!((output.forward, output.turn), (1.0, -1.0));
}

#[test]
fn limits_bound_and_do_not_scale() {
    let mut bench = Bench::with(Rules { forward_limit: 0.5, turn_limit: 0.25, ..RULES });
    bench.send(0.0, 0.0);
    let output = bench.send(1.0, -1.0);
    assert_eq!((output.forward, output.turn), (0.5, -0.25));
    let output = bench.send(0.4, 0.2);
    assert_eq!((output.forward, output.turn), (0.4, 0.2));
}

#[test]
fn an_empty_message_is_no_neutral_command() {
    let mut bench = Bench::new();
    let output = bench.spoilt(0.0, 0.0, |good| good.drive = Drive::default());
    assert_refused(&output, Refusal::Nameless);
    assert_refused(&bench.send(1.0, 0.0), Refusal::NotNeutral);
}

#[test]
fn a_source_with_an_endless_name_is_refused() {
    let output = Bench::new().spoilt(0.0, 0.0, |good| good.drive.source = "x".repeat(SOURCE_MAX + 1));
    assert_refused(&output, Refusal::LongName);
}

#[test]
fn a_command_is_obeyed_once_and_in_order() {
    let mut bench = Bench::driving();
    let repeated = bench.spoilt(0.9, 0.0, |good| good.header.seq -= 1);
    assert_refused(&repeated, Refusal::OutOfSequence);
    assert_refused(&bench.spoilt(0.9, 0.0, |good| good.header.seq = 1), Refusal::OutOfSequence);
    assert_refused(&bench.spoilt(0.9, 0.0, |good| good.header.seq = 0), Refusal::OutOfSequence);
    bench.seq += 10;
    assert_eq!(bench.send(0.7, 0.0).forward, 0.7, "a gap is no reason to refuse");
}

#[test]
fn an_old_session_is_not_obeyed_again() {
    let mut bench = Bench::driving();
    let mut old = bench.good(1.0, 0.0);
    bench.lease.step(bench.now_ns, Event::Command(&old.header, &old.drive));
    bench.after(300);
    bench.spoilt(0.0, 0.0, |good| good.header.incarnation = 2);
    bench.after(300);
    (old.header.sent_ns, old.header.stamp_ns) = (bench.now_ns, bench.now_ns);
    old.drive.forward = 0.0;
    let output = bench.lease.step(bench.now_ns, Event::Command(&old.header, &old.drive));
    assert_refused(&output, Refusal::OutOfSequence);
}

#[test]
fn while_one_source_holds_the_lease_another_is_refused() {
    let mut bench = Bench::driving();
    let output = bench.spoilt(0.0, 0.0, |good| {
        good.drive.source = "model".to_owned();
        good.header.incarnation = 2;
    });
    assert_refused(&output, Refusal::OtherSource);
    assert_eq!(output.forward, 1.0, "and it does not even stop the one who drives");
    let same_process = bench.spoilt(0.0, 0.0, |good| good.drive.source = "model".to_owned());
    assert_refused(&same_process, Refusal::OtherSource);
}

#[test]
fn a_restarted_publisher_waits_for_the_lapse_and_shows_neutral() {
    let mut bench = Bench::driving();
    let reborn = |good: &mut Good| good.header.incarnation = 2;
    assert_refused(&bench.spoilt(0.5, 0.0, reborn), Refusal::OtherSource);
    bench.after(300);
    assert_refused(&bench.spoilt(0.5, 0.0, reborn), Refusal::NotNeutral);
    assert_eq!(bench.spoilt(0.0, 0.0, reborn).refusal, None);
    assert_eq!(bench.spoilt(0.5, 0.0, reborn).forward, 0.5);
}

#[test]
fn after_a_lapse_another_source_may_take_over_from_neutral() {
    let mut bench = Bench::driving();
    bench.after(300);
    let model = |good: &mut Good| good.drive.source = "model".to_owned();
    assert_refused(&bench.spoilt(0.5, 0.0, model), Refusal::NotNeutral);
    bench.spoilt(0.0, 0.0, model);
    assert_eq!(bench.spoilt(0.5, 0.0, model).forward, 0.5);
    assert_eq!(bench.lease.source(), "model");
}

#[test]
fn an_emergency_stop_stops_at_once_whoever_says_it_and_however_badly() {
    let spoils: [fn(&mut Good); 6] = [
        |_| {},
        |good| good.header = Header::default(),
        |good| good.header.sent_ns -= 3_600_000 * MS,
        |good| good.header.incarnation = 99,
        |good| good.drive.forward = f32::NAN,
        |good| good.drive.source = String::new(),
    ];
    for spoil in spoils {
        let mut bench = Bench::driving();
        let output = bench.spoilt(1.0, 1.0, |good| {
            spoil(good);
            good.drive.emergency_stop = true;
        });
        assert!(is_still(&output));
        assert_eq!((output.mode, output.refusal), (MotorMode::EmergencyStop, None));
        assert_eq!(output.reason, "emergency stop; reset it with neutral sticks");
    }
}

#[test]
fn an_emergency_stop_stays_until_it_is_reset_with_neutral_sticks() {
    let mut bench = Bench::driving();
    bench.spoilt(0.0, 0.0, |good| good.drive.emergency_stop = true);
    bench.after(60_000);
    assert_refused(&bench.send(0.0, 0.0), Refusal::EmergencyStop);
    assert_refused(&bench.spoilt(0.5, 0.0, |good| good.drive.reset = true), Refusal::EmergencyStop);
    let stale = bench.spoilt(0.0, 0.0, |good| {
        good.drive.reset = true;
        good.header.sent_ns -= 400 * MS;
    });
    assert_refused(&stale, Refusal::Stale { age_ms: 400 });
    let both = bench.spoilt(0.0, 0.0, |good| (good.drive.reset, good.drive.emergency_stop) = (true, true));
    assert_eq!(both.mode, MotorMode::EmergencyStop);
    let reset = bench.spoilt(0.0, 0.0, |good| good.drive.reset = true);
    assert_eq!((reset.mode, reset.refusal), (MotorMode::Latched, None));
}

#[test]
fn after_a_reset_a_neutral_command_is_needed_as_usual() {
    let mut bench = Bench::driving();
    bench.spoilt(0.0, 0.0, |good| good.drive.emergency_stop = true);
    bench.spoilt(0.0, 0.0, |good| good.drive.reset = true);
    assert_refused(&bench.send(0.5, 0.0), Refusal::NotNeutral);
    bench.send(0.0, 0.0);
    assert_eq!(bench.send(0.5, 0.0).forward, 0.5);
}

#[test]
fn a_driver_out_of_reach_latches_and_does_not_start_by_itself_when_it_is_back() {
    let mut bench = Bench::driving();
    let output = bench.lease.step(bench.now_ns, Event::Driver { ready: false });
    assert!(is_still(&output));
    assert_eq!(output.reason, "the motor is out of reach");
    assert_refused(&bench.send(0.0, 0.0), Refusal::NoDriver);
    let output = bench.lease.step(bench.now_ns, Event::Driver { ready: true });
    assert!(output.reason.starts_with("the motor was out of reach; show a neutral command"), "{}", output.reason);
    assert_refused(&bench.send(0.5, 0.0), Refusal::NotNeutral);
    bench.send(0.0, 0.0);
    assert_eq!(bench.send(0.5, 0.0).forward, 0.5);
}

#[test]
fn an_emergency_stop_survives_the_driver() {
    let mut bench = Bench::driving();
    bench.spoilt(0.0, 0.0, |good| good.drive.emergency_stop = true);
    for ready in [false, true] {
        assert_eq!(bench.lease.step(bench.now_ns, Event::Driver { ready }).mode, MotorMode::EmergencyStop);
    }
    bench.lease.step(bench.now_ns, Event::Driver { ready: false });
    let stop = bench.spoilt(0.0, 0.0, |good| good.drive.emergency_stop = true);
    assert_eq!(stop.mode, MotorMode::EmergencyStop, "and is heard without one");
}

#[test]
fn after_the_stop_nothing_is_obeyed() {
    let mut bench = Bench::driving();
    assert!(is_still(&bench.lease.step(bench.now_ns, Event::Stop)));
    assert_refused(&bench.send(0.0, 0.0), Refusal::Stopping);
    assert!(is_still(&bench.send(1.0, 0.0)));
}

#[test]
fn a_burst_from_before_an_outage_is_not_obeyed() {
    let mut bench = Bench::driving();
    // 3 s of commands at 100 Hz were held up on the way and come all at once.
    let burst: Vec<Good> = (0..300)
        .map(|n| {
            bench.now_ns += 10 * MS;
            bench.good(if n % 7 == 0 { 0.0 } else { 1.0 }, 0.0)
        })
        .collect();
    let outputs: Vec<Output> =
        burst.iter().map(|good| bench.lease.step(bench.now_ns, Event::Command(&good.header, &good.drive))).collect();
    let (stale, fresh) = outputs.split_at(269);
    for output in stale {
        assert!(matches!(output.refusal, Some(Refusal::Stale { .. })), "{:?}", output.refusal);
        assert!(is_still(output));
    }
    assert_eq!(fresh.iter().filter(|output| matches!(output.refusal, Some(Refusal::Stale { .. }))).count(), 0);
    assert!(fresh.iter().all(|output| output.refusal.is_none() || is_still(output)), "and only from neutral on");
}

#[test]
fn the_ages_are_those_of_the_command_that_was_accepted_last() {
    let mut bench = Bench::new();
    let output = bench.after(0);
    assert_eq!((output.command_age_ns, output.picture_age_ns), (-1, -1));
    bench.spoilt(0.0, 0.0, |good| {
        good.header.sent_ns -= 10 * MS;
        good.header.stamp_ns -= 40 * MS;
    });
    bench.spoilt(f32::NAN, 0.0, |_| {});
    let output = bench.after(5);
    assert_eq!((output.command_age_ns, output.picture_age_ns), (15 * MS, 45 * MS));
    assert_eq!((bench.lease.seq(), bench.lease.accepted(), bench.lease.refused()), (1, 1, 1));
}

#[test]
fn speeding_up_is_slewed_and_slowing_down_never() {
    let mut bench = Bench::with(Rules { slew: 2.0, ..RULES });
    bench.send(0.0, 0.0);
    assert!(is_still(&bench.send(1.0, -1.0)));
    let output = bench.after(100);
    assert!((output.forward - 0.2).abs() < 1e-3 && output.turn == -output.forward, "{output:?}");
    bench.send(1.0, -1.0);
    assert!((bench.after(100).forward - 0.4).abs() < 1e-3);
    assert!(is_still(&bench.send(0.0, 0.0)), "letting go stops at once");
}

#[test]
fn turning_back_passes_neutral_at_once_and_is_slewed_from_there() {
    let mut bench = Bench::with(Rules { slew: 10.0, ..RULES });
    bench.send(0.0, 0.0);
    bench.send(1.0, 0.0);
    assert_eq!(bench.after(110).forward, 1.0);
    assert_eq!(bench.send(-1.0, 0.0).forward, 0.0);
    assert!((bench.after(50).forward + 0.5).abs() < 1e-3);
}

#[test]
fn a_slewed_output_is_neutral_in_time_too() {
    let mut bench = Bench::with(Rules { slew: 0.1, ..RULES });
    bench.send(0.0, 0.0);
    bench.send(1.0, 0.0);
    bench.after(140);
    assert!(is_still(&bench.after(158)));
}

/// A random event: how long after the one before, and what.
#[derive(Debug, Clone)]
enum Random {
    Tick,
    Command { header: Header, drive: Drive, sent_ago: i64, stamp_ago: i64, follow: bool },
    Driver(bool),
}

fn number() -> impl Strategy<Value = f32> {
    prop_oneof![
        4 => -1.0f32..=1.0,
        3 => Just(0.0f32),
        1 => prop_oneof![
            Just(f32::NAN), Just(f32::INFINITY), Just(f32::NEG_INFINITY), Just(f32::MAX), Just(f32::MIN_POSITIVE),
            Just(-0.0f32)
        ],
        1 => any::<f32>(),
    ]
}

fn ago() -> impl Strategy<Value = i64> {
    prop_oneof![6 => 0..50 * MS, 2 => -150 * MS..600 * MS, 1 => any::<i64>()]
}

fn command() -> impl Strategy<Value = Random> {
    let drive =
        (number(), number(), 0..4usize, prop_oneof![3 => Just(0u32), 1 => 1..400u32, 1 => any::<u32>()], 0..200u32);
    let header = (0..3u64, prop_oneof![Just(0), 0..50u64, any::<u64>()]);
    (drive, header, ago(), ago(), prop::bool::weighted(0.7)).prop_map(
        |((forward, turn, source, valid_for_ms, flags), (incarnation, seq), sent_ago, stamp_ago, follow)| {
            let source = if follow { "human" } else { ["", "human", "model", "human "][source] };
            let drive = Drive {
                forward,
                turn,
                source: source.to_owned(),
                valid_for_ms,
                emergency_stop: flags == 0,
                reset: flags < 50,
            };
            let header = Header { incarnation: if follow { 7 } else { incarnation }, seq, ..Header::default() };
            Random::Command { header, drive, sent_ago, stamp_ago, follow }
        },
    )
}

fn history() -> impl Strategy<Value = Vec<(i64, Random)>> {
    let passed = prop_oneof![4 => 0..30 * MS, 1 => 0..400 * MS, 1 => Just(0)];
    let event = prop_oneof![
        10 => command(),
        4 => Just(Random::Tick),
        1 => any::<bool>().prop_map(Random::Driver)
    ];
    prop::collection::vec((passed, event), 1..60)
}

fn rules() -> impl Strategy<Value = Rules> {
    (20..=1000i64, 20..=1000i64, 0.0f32..=1.0, 0.0f32..=1.0, prop_oneof![Just(0.0f32), 0.1f32..20.0]).prop_map(
        |(deadman, evidence, forward_limit, turn_limit, slew)| Rules {
            deadman_ns: deadman * MS,
            evidence_ns: evidence * MS,
            forward_limit,
            turn_limit,
            slew,
        },
    )
}

/// What an outsider knows: when something that may be obeyed came last, and whether neutral was shown since it mattered.
struct Watcher {
    rules: Rules,
    obeyed_ns: Option<i64>,
}

impl Watcher {
    fn check(&mut self, now_ns: i64, random: &Random, drive: Option<(&Header, &Drive)>, output: &Output) {
        let Rules { forward_limit, turn_limit, deadman_ns, evidence_ns, .. } = self.rules;
        assert!(output.forward.abs() <= forward_limit && output.turn.abs() <= turn_limit, "{output:?}");
        assert!(output.forward.is_finite() && output.turn.is_finite());
        if let Some((header, drive)) = drive {
            if output.refusal.is_none() && !drive.emergency_stop {
                let age = |stamp_ns: i64| now_ns.saturating_sub(stamp_ns);
                assert!(drive.forward.is_finite() && drive.turn.is_finite() && !drive.source.is_empty());
                assert!(age(header.sent_ns) <= deadman_ns && age(header.stamp_ns) <= evidence_ns);
                assert!(age(header.sent_ns) >= -FUTURE_MAX_NS && age(header.stamp_ns) >= -FUTURE_MAX_NS);
                self.obeyed_ns = Some(now_ns);
            }
            assert!(!drive.emergency_stop || output.mode == MotorMode::EmergencyStop);
        }
        let leased = self.obeyed_ns.is_some_and(|at_ns| now_ns < at_ns + deadman_ns);
        assert!(leased || is_still(output), "moves without a lease: {random:?} {output:?}");
        assert!(matches!(output.mode, MotorMode::Driving | MotorMode::Ramping) || is_still(output));
    }
}

fn live_through(rules: Rules, history: Vec<(i64, Random)>) {
    let mut lease = Lease::new(rules);
    let mut watcher = Watcher { rules, obeyed_ns: None };
    let (mut now_ns, mut count) = (1_000_000_000 * MS, 0);
    for (passed_ns, mut random) in history {
        now_ns += passed_ns;
        if let Random::Command { header, sent_ago, stamp_ago, follow, .. } = &mut random {
            (header.sent_ns, header.stamp_ns) = (now_ns.saturating_sub(*sent_ago), now_ns.saturating_sub(*stamp_ago));
            if *follow {
                count += 1;
                header.seq = count;
            }
        }
        let (event, drive) = match &random {
            Random::Tick => (Event::Tick, None),
            Random::Command { header, drive, .. } => (Event::Command(header, drive), Some((header, drive))),
            Random::Driver(ready) => (Event::Driver { ready: *ready }, None),
        };
        let output = lease.step(now_ns, event);
        watcher.check(now_ns, &random, drive, &output);
    }
    let end = lease.step(now_ns + rules.deadman_ns, Event::Tick);
    assert!(is_still(&end), "a deadman after the last event it still moves");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn whatever_happens_nothing_moves_without_a_fresh_command(rules in rules(), history in history()) {
        live_through(rules, history);
    }

    #[test]
    fn the_fade_never_speeds_up_and_ends_in_time(rules in rules(), forward in -1.0f32..=1.0, steps in prop::collection::vec(0..40 * MS, 1..60)) {
        let mut bench = Bench::with(Rules { slew: 0.0, ..rules });
        bench.send(0.0, 0.0);
        let mut before = bench.send(forward, 0.0).forward.abs();
        let began_ns = bench.now_ns;
        for step in steps {
            bench.now_ns += step;
            let output = bench.lease.step(bench.now_ns, Event::Tick);
            prop_assert!(output.forward.abs() <= before);
            before = output.forward.abs();
            prop_assert!(bench.now_ns - began_ns < rules.deadman_ns - SLACK_NS || before == 0.0);
        }
    }
}

#[test]
fn a_hundred_thousand_hostile_commands_put_out_nothing_unsafe() {
    use proptest::{strategy::ValueTree, test_runner::TestRunner};
    let mut runner = TestRunner::deterministic();
    let (strategy, mut bench) = (command(), Bench::with(Rules { forward_limit: 0.7, turn_limit: 0.3, ..RULES }));
    let mut moved = 0;
    for _ in 0..100_000 {
        let Random::Command { mut header, drive, sent_ago, stamp_ago, follow } =
            strategy.new_tree(&mut runner).unwrap().current()
        else {
            unreachable!()
        };
        bench.now_ns += 3 * MS;
        bench.seq += 1;
        (header.sent_ns, header.stamp_ns) =
            (bench.now_ns.saturating_sub(sent_ago), bench.now_ns.saturating_sub(stamp_ago));
        if follow {
            header.seq = bench.seq;
        }
        let output = bench.lease.step(bench.now_ns, Event::Command(&header, &drive));
        assert!(output.forward.abs() <= 0.7 && output.turn.abs() <= 0.3, "{drive:?} gave {output:?}");
        moved += usize::from(!is_still(&output));
    }
    assert!(moved > 1_000, "a lease that never moves proves nothing: {moved}");
}
