//! Tests of `dataset`.

use super::super::Size;
use super::*;

const SHAPE: Shape = Shape { size: Size::Small, extras: 0, outputs: 1 };
const TENTH_NS: i64 = 100_000_000;

fn run(data: &mut Dataset, samples: i64) {
    data.begin_run();
    for sample in 0..samples {
        data.push(&[0; 48 * 48], &[], &[0.0], sample * TENTH_NS).unwrap();
    }
}

#[test]
fn what_is_not_of_the_shape_or_no_number_is_not_kept() {
    let mut data = Dataset::new(&SHAPE);
    assert!(data.push(&[0; 9], &[], &[0.0], 0).is_err());
    assert!(data.push(&[0; 48 * 48], &[1.0], &[0.0], 0).is_err());
    assert!(data.push(&[0; 48 * 48], &[], &[f32::NAN], 0).is_err());
    assert!(data.is_empty());
}

#[test]
fn every_fifth_stretch_of_time_is_kept_apart_with_a_gap_around_it() {
    let mut data = Dataset::new(&SHAPE);
    run(&mut data, 3000);
    let split = Split::by_time(&data, &Holdout::default());
    assert_eq!(split.validation.len(), 600);
    assert!(split.validation.iter().all(|sample| (sample / 50) % 5 == 4));
    for sample in &split.training {
        assert!(
            split.validation.iter().all(|kept| sample.abs_diff(*kept) > 5),
            "{sample} lies beside one that is kept apart"
        );
    }
    assert!(split.training.len() > 2250);
}

#[test]
fn as_time_goes_on_no_sample_changes_sides() {
    let (mut short, mut long) = (Dataset::new(&SHAPE), Dataset::new(&SHAPE));
    run(&mut short, 2000);
    run(&mut long, 3000);
    let holdout = Holdout::default();
    let (short, long) = (Split::by_time(&short, &holdout), Split::by_time(&long, &holdout));
    assert!(long.validation.starts_with(&short.validation));
    assert!(short.training.iter().all(|sample| !long.validation.contains(sample)));
}

#[test]
fn a_short_run_is_cut_shorter_and_each_run_for_itself() {
    let mut data = Dataset::new(&SHAPE);
    run(&mut data, 300);
    run(&mut data, 300);
    let split = Split::by_time(&data, &Holdout::default());
    let first = split.validation.iter().filter(|sample| **sample < 300).count();
    assert!((54..=66).contains(&first) && split.validation.len() == 2 * first, "{first}");
}

#[test]
fn time_that_goes_back_begins_a_run_and_what_is_forgotten_is_gone() {
    let mut data = Dataset::new(&SHAPE);
    for stamp in [5, 6, 1, 2, 3] {
        data.push(&[stamp as u8; 48 * 48], &[], &[0.0], stamp).unwrap();
    }
    assert_eq!(data.spans(), [0..2, 2..5]);
    data.forget_oldest(3);
    assert_eq!((data.len(), data.stamp_ns(0), data.picture(1)[0]), (2, 2, 3));
    data.forget_oldest(9);
    assert!(data.is_empty() && data.spans().is_empty());
    assert_eq!(Split::by_time(&data, &Holdout::default()), Split::default());
}
