//! Tests of `augment`.

use super::super::Size;
use super::*;

const SHAPE: Shape = Shape { size: Size::Small, extras: 2, outputs: 2 };

/// A picture with one bright column, moved and mirrored until `until` says so.
fn applied(augment: &Augment, seed: u64) -> (Vec<usize>, [f32; 2], [f32; 2]) {
    let mut picture = vec![0; 48 * 48];
    picture.chunks_exact_mut(48).for_each(|row| row[10] = 200);
    let (mut extras, mut targets) = ([0.25, 0.5], [0.5, 0.75]);
    let sample = Sample { picture: &mut picture, extras: &mut extras, targets: &mut targets };
    augment.apply(&mut fastrand::Rng::with_seed(seed), &SHAPE, sample, &mut Vec::new());
    let bright = (0..48).filter(|x| picture[*x] > 100).collect();
    (bright, extras, targets)
}

#[test]
fn nothing_changes_nothing() {
    assert_eq!(applied(&Augment::none(), 1), (vec![10], [0.25, 0.5], [0.5, 0.75]));
}

#[test]
fn a_mirrored_picture_has_mirrored_turns_and_no_other_number_changes() {
    let mirror = Augment { mirror: true, mirror_targets: vec![0], mirror_extras: vec![1], ..Augment::none() };
    let seen: Vec<_> = (0..32).map(|seed| applied(&mirror, seed)).collect();
    let (as_is, mirrored) = ((vec![10], [0.25, 0.5], [0.5, 0.75]), (vec![37], [0.25, -0.5], [-0.5, 0.75]));
    assert!(seen.iter().all(|sample| *sample == as_is || *sample == mirrored));
    assert!(seen.contains(&as_is) && seen.contains(&mirrored));
}

#[test]
fn a_road_that_moved_right_is_steered_after() {
    let moved = Augment { sideways: 0.2, sideways_turn: 1.0, mirror_targets: vec![0], ..Augment::none() };
    for seed in 0..32 {
        let (bright, _, targets) = applied(&moved, seed);
        let right = bright[0] as f32 - 10.0;
        assert!((targets[0] - (0.5 + right / 48.0)).abs() < 1e-5 && targets[1] == 0.75);
    }
    // Moved first, then mirrored: the road is on the other side, and so is what steers after it.
    let both = Augment { mirror: true, ..moved };
    for seed in 0..32 {
        let (bright, _, targets) = applied(&both, seed);
        let mirrored = targets[0] < 0.0;
        let right = bright[0] as f32 - if mirrored { 37.0 } else { 10.0 };
        let turn = if mirrored { -0.5 } else { 0.5 };
        assert!((targets[0] - (turn + right / 48.0)).abs() < 1e-5, "{bright:?} {targets:?}");
    }
}

#[test]
fn forgotten_extras_are_none() {
    let forgetful = Augment { forget_extras: 1.0, ..Augment::none() };
    assert_eq!(applied(&forgetful, 3).1, [0.0, 0.0]);
}
