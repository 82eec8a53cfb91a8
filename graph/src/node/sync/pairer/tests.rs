//! What pairs are made of, and what is left over.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

const MS: i64 = 1_000_000;

fn near(ms: u64) -> Pairing {
    Pairing::Nearest(Duration::from_millis(ms))
}

/// Pushes (stream, stamp in ms) in this order; returns the stamps of what was paired, in ms.
fn pair(pairer: &mut Pairer<i64>, messages: &[(usize, i64)]) -> Vec<Vec<i64>> {
    let mut pairs = Vec::new();
    for (stream, ms) in messages {
        pairer.push(*stream, ms * MS, *ms);
        pairs.extend(std::iter::from_fn(|| pairer.pop()));
    }
    let items = |pair: Vec<Stamped<i64>>| pair.into_iter().map(|one| one.item).collect();
    pairs.into_iter().map(items).collect()
}

fn rest(pairer: &mut Pairer<i64>) -> Vec<Vec<i64>> {
    pairer.finish();
    std::iter::from_fn(|| pairer.pop()).map(|pair| pair.into_iter().map(|one| one.item).collect()).collect()
}

#[test]
fn equal_stamps_are_paired_at_once_and_losses_only_lose_themselves() {
    let mut pairer = Pairer::new(2, Pairing::Exact);
    let pairs = pair(&mut pairer, &[(0, 1), (1, 1), (0, 2), (0, 3), (1, 3), (1, 4), (0, 5), (1, 5)]);
    assert_eq!(pairs, [[1, 1], [3, 3], [5, 5]]);
    let counts = pairer.report().streams;
    assert_eq!((counts[0].matched, counts[0].unmatched, counts[1].unmatched), (3, 1, 1));
}

#[test]
fn the_nearest_are_paired_only_where_neither_has_a_nearer_one() {
    let mut pairer = Pairer::new(2, near(50));
    // 19 is 19 from 0 but 1 from 20: although 0 has no other, it does not get it.
    let mut pairs = pair(&mut pairer, &[(0, 0), (1, 19), (0, 20), (0, 40), (1, 44), (0, 60)]);
    pairs.extend(rest(&mut pairer));
    assert_eq!(pairs, [[20, 19], [40, 44]]);
}

#[test]
fn nothing_is_paired_beyond_the_tolerance() {
    let mut pairer = Pairer::new(2, near(5));
    let mut pairs = pair(&mut pairer, &[(0, 0), (1, 6), (0, 100), (1, 105), (0, 200), (1, 300)]);
    pairs.extend(rest(&mut pairer));
    assert_eq!(pairs, [[100, 105]]);
    assert_eq!(pairer.report().skew_max, Duration::from_millis(5));
}

#[test]
fn latest_at_takes_what_was_in_force_and_may_take_it_again() {
    let mut pairer = Pairer::new(2, Pairing::LatestAt(Duration::from_millis(30)));
    let pairs =
        pair(&mut pairer, &[(1, 0), (0, 10), (0, 20), (1, 25), (0, 28), (1, 28), (0, 60), (1, 61), (0, 62), (1, 70)]);
    assert_eq!(pairs, [[10, 0], [20, 0], [28, 28], [62, 61]]);
    assert_eq!(pairer.report().streams[1].matched, 3);
}

#[test]
fn an_eager_leader_does_not_wait() {
    let mut pairer = Pairer::new(2, Pairing::LatestAt(Duration::from_millis(30))).eager();
    assert_eq!(pair(&mut pairer, &[(1, 0), (0, 10)]), [[10, 0]]);
    assert_eq!(pair(&mut pairer, &[(0, 50), (1, 45), (0, 60)]), [[60, 45]]);
}

#[test]
fn three_streams_are_paired_or_none() {
    let mut pairer = Pairer::new(3, Pairing::Exact);
    let pairs = pair(&mut pairer, &[(0, 1), (1, 1), (2, 1), (0, 2), (1, 2), (2, 3), (0, 3), (1, 3)]);
    assert_eq!(pairs, [[1, 1, 1], [3, 3, 3]]);
}

#[test]
fn late_and_double_messages_are_counted_and_change_nothing() {
    let mut pairer = Pairer::new(2, Pairing::Exact);
    let pairs = pair(&mut pairer, &[(0, 5), (1, 5), (1, 5), (0, 5), (0, 4), (1, 7), (1, 7), (0, 7)]);
    assert_eq!(pairs, [[5, 5], [7, 7]]);
    let counts = pairer.report().streams;
    assert_eq!((counts[0].late, counts[1].late, counts[1].duplicate), (2, 1, 1));
}

#[test]
fn with_slack_what_comes_out_of_order_is_in_time() {
    let mut pairer = Pairer::new(2, near(5)).slack(Duration::from_millis(20));
    let mut pairs = pair(&mut pairer, &[(0, 20), (1, 31), (1, 21), (0, 10), (0, 30), (1, 11), (0, 60), (1, 60)]);
    pairs.extend(rest(&mut pairer));
    assert_eq!(pairs, [[10, 11], [20, 21], [30, 31], [60, 60]]);
}

#[test]
fn after_a_restart_the_new_stamps_are_paired_and_a_straggler_is_no_restart() {
    let mut pairer = Pairer::new(2, Pairing::Exact);
    let mut first = pair(&mut pairer, &[(0, 10_000), (1, 10_000), (0, 1), (0, 10_001), (1, 10_001)]);
    assert_eq!(first.split_off(1), [[10_001, 10_001]], "one alone is late");
    assert_eq!(pairer.report().streams[0].restarts, 0);
    let again: Vec<(usize, i64)> = (0..20).flat_map(|at| [(0, at), (1, at)]).collect();
    let pairs = pair(&mut pairer, &again);
    assert!(pairs.len() >= 17, "{pairs:?}");
    assert!(pairs.iter().all(|pair| pair[0] == pair[1]));
    let restarts: Vec<u64> = pairer.report().streams.iter().map(|stream| stream.restarts).collect();
    assert_eq!(restarts.iter().sum::<u64>().clamp(1, 2), restarts.iter().sum::<u64>(), "{restarts:?}");
}

#[test]
fn a_silent_stream_lets_nobody_pile_up() {
    let mut pairer = Pairer::new(2, near(5)).keep(10);
    (0..1000).for_each(|ms| pairer.push(0, ms * MS, ms));
    assert_eq!(pairer.waiting(), 10);
    assert_eq!(pairer.report().streams[0].unmatched, 990);
}

/// Pairs by definition: each leader takes the nearest of those that have no nearer leader.
fn mutual(leaders: &BTreeSet<i64>, others: &BTreeSet<i64>, tolerance: i64) -> Vec<Vec<i64>> {
    let nearest = |stamp: i64| leaders.iter().copied().min_by_key(|leader| stamp.abs_diff(*leader));
    let partner = |leader: i64| {
        let own = others.iter().copied().filter(|other| nearest(*other) == Some(leader));
        let other = own.min_by_key(|other| leader.abs_diff(*other))?;
        (leader.abs_diff(other) <= tolerance as u64).then(|| vec![leader, other])
    };
    leaders.iter().filter_map(|leader| partner(*leader)).collect()
}

/// Which stream, which stamp, how much later than its stamp it comes.
fn messages(stamps: std::ops::Range<i64>, delay: i64) -> impl Strategy<Value = Vec<(usize, i64)>> {
    proptest::collection::vec((0..2usize, stamps, 0..=delay), 0..200).prop_map(|mut all| {
        all.sort_by_key(|(_, stamp, delay)| stamp + delay);
        all.into_iter().map(|(stream, stamp, _)| (stream, stamp)).collect()
    })
}

proptest! {
    #[test]
    fn in_any_interleaving_the_pairs_are_those_of_the_definition(messages in messages(0..1500, 40), tolerance in 0..30u64) {
        let of = |stream| messages.iter().filter(move |one| one.0 == stream).map(|one| one.1).collect::<BTreeSet<i64>>();
        let (leaders, others) = (of(0), of(1));
        let mut pairer = Pairer::new(2, near(tolerance)).slack(Duration::from_millis(40));
        let mut pairs = pair(&mut pairer, &messages);
        pairs.extend(rest(&mut pairer));
        prop_assert_eq!(pairs, mutual(&leaders, &others, tolerance as i64));
    }

    #[test]
    fn a_lost_message_misaligns_nothing(
        lost in proptest::collection::vec((any::<bool>(), any::<bool>()), 100),
        jitter in proptest::collection::vec((-120..120i64, -120..120i64), 100),
    ) {
        // Two at 1 kHz, stamps jitter by an eighth of the period, in microseconds.
        let mut pairer = Pairer::new(2, Pairing::Nearest(Duration::from_micros(500)));
        let mut paired = Vec::new();
        for (at, ((no_a, no_b), (a, b))) in lost.iter().zip(&jitter).enumerate() {
            for (stream, gone, jitter) in [(0, no_a, a), (1, no_b, b)] {
                if !gone {
                    pairer.push(stream, (at as i64 * 1000 + jitter) * 1000, at);
                }
            }
        }
        pairer.finish();
        while let Some(pair) = pairer.pop() {
            prop_assert_eq!(pair[0].item, pair[1].item);
            paired.push(pair[0].item);
        }
        let both: Vec<usize> = (0..100).filter(|at| !lost[*at].0 && !lost[*at].1).collect();
        prop_assert_eq!(paired, both);
    }

    #[test]
    fn whatever_comes_the_rules_hold(
        stamps in proptest::collection::vec((0..3usize, -10_000..10_000i64), 0..400),
        how in prop_oneof![Just(Pairing::Exact), Just(near(7)), Just(Pairing::LatestAt(Duration::from_millis(7)))],
        keep in 1..20usize,
        eager in any::<bool>(),
    ) {
        let mut pairer = Pairer::new(3, how).keep(keep);
        if eager {
            pairer = pairer.eager();
        }
        let mut used: BTreeMap<usize, u64> = BTreeMap::new();
        for (at, (stream, ms)) in stamps.iter().enumerate() {
            pairer.push(*stream, ms * MS, (at, *stream));
            prop_assert!(pairer.waiting() <= 3 * keep);
            while let Some(pair) = pairer.pop() {
                for (stream, one) in pair.iter().enumerate() {
                    prop_assert_eq!(one.item.1, stream);
                    prop_assert!(one.stamp_ns.abs_diff(pair[0].stamp_ns) <= how.tolerance_ns() as u64);
                    *used.entry(one.item.0).or_default() += 1;
                }
            }
        }
        let once = used.iter().filter(|(at, _)| stamps[**at].0 == 0 || !matches!(how, Pairing::LatestAt(_)));
        prop_assert!(once.clone().all(|(_, times)| *times == 1));
        let counts = pairer.report().streams;
        let sum = |count: fn(&StreamCounts) -> u64| counts.iter().map(count).sum::<u64>();
        prop_assert_eq!(sum(|one| one.received), stamps.len() as u64);
        let known = sum(|one| one.matched + one.unmatched + one.late + one.duplicate);
        let waiting = pairer.streams.iter().flat_map(|stream| &stream.waiting).filter(|one| !one.used).count();
        prop_assert_eq!(known + waiting as u64, stamps.len() as u64);
    }
}
