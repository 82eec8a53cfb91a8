//! Tests of `train`.

use super::super::{Shape, Size};
use super::*;

const SHAPE: Shape = Shape { size: Size::Small, extras: 1, outputs: 2 };

/// Pictures with a bright bar: the first target says where it is, the second is the extra turned around.
fn bars(samples: usize) -> Dataset {
    let mut rng = fastrand::Rng::with_seed(3);
    let mut data = Dataset::new(&SHAPE);
    for sample in 0..samples {
        let (at, extra) = (4 + rng.usize(..40), rng.f32() - 0.5);
        let picture: Vec<u8> =
            (0..48 * 48).map(|pixel| if (pixel % 48usize).abs_diff(at) < 3 { 220 } else { rng.u8(20..60) }).collect();
        data.push(&picture, &[extra], &[at as f32 / 24.0 - 1.0, -extra], sample as i64 * 50_000_000).unwrap();
    }
    data
}

fn trainer(options: Options) -> Trainer {
    Trainer::new(Net::new(&SHAPE, 1), &Preprocess::of(&SHAPE, 0.0), options)
}

fn quick() -> Options {
    Options { epochs: 6, steps_min: 0, augment: Augment::none(), ..Options::default() }
}

fn go(_: &Progress, _: Option<&Epoch>) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

#[test]
fn a_network_learns_what_is_to_be_seen_and_what_stands_beside_it() {
    let data = bars(800);
    let mut trainer = trainer(Options { epochs: 12, ..quick() });
    let fit = trainer.fit(&data, go).unwrap();
    let best = &fit.epochs[fit.best.unwrap()];
    assert!(best.validation.r2.iter().all(|r2| *r2 > 0.5), "{best:?}");
    let split = Split::by_time(&data, &trainer.options().holdout);
    let again = trainer.reconsider(&data, &split).unwrap();
    assert_eq!(again, best.validation);
}

#[test]
fn the_same_seed_learns_the_same_and_another_another() {
    let data = bars(200);
    let learned = |seed| {
        let mut trainer = trainer(Options { epochs: 2, seed, augment: Augment::driving(0, Vec::new()), ..quick() });
        trainer.fit(&data, go).unwrap();
        trainer.best().parameters().to_vec()
    };
    assert_eq!(learned(4), learned(4));
    assert_ne!(learned(4), learned(5));
}

#[test]
fn it_stops_between_two_batches_and_goes_on_where_it_was() {
    let data = bars(200);
    let mut trainer = trainer(quick());
    let mut asked = 0;
    let fit = trainer
        .fit(&data, |progress, _| {
            asked += 1;
            if progress.batch == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
        .unwrap();
    assert!(fit.stopped && fit.epochs.is_empty() && asked == 2);
    assert_eq!(trainer.best().parameters(), Net::new(&SHAPE, 1).parameters(), "nothing was finished");
    let split = Split::by_time(&data, &trainer.options().holdout);
    let outcome = trainer.epoch(&data, &split, |_| ControlFlow::Continue(())).unwrap();
    assert!(matches!(outcome, Outcome::Done(Epoch { number: 2, best: true, .. })), "{outcome:?}");
    assert_ne!(trainer.best().parameters(), Net::new(&SHAPE, 1).parameters());
}

#[test]
fn rolled_back_it_is_what_it_was_at_its_best() {
    let data = bars(200);
    let mut trainer = trainer(quick());
    trainer.fit(&data, go).unwrap();
    let split = Split::all(&data);
    let _ = trainer.epoch(&data, &split, |progress| {
        if progress.batch > 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert_ne!(trainer.net().parameters(), trainer.best().parameters());
    trainer.roll_back();
    assert_eq!(trainer.net().parameters(), trainer.best().parameters());
}

#[test]
fn it_ends_when_validation_does_not_become_better() {
    let mut data = Dataset::new(&SHAPE);
    let mut rng = fastrand::Rng::with_seed(1);
    for sample in 0..200 {
        let picture: Vec<u8> = (0..48 * 48).map(|_| rng.u8(..)).collect();
        data.push(&picture, &[0.0], &[rng.f32() - 0.5, rng.f32() - 0.5], sample * 50_000_000).unwrap();
    }
    let fit = trainer(Options { epochs: 60, patience: 2, ..quick() }).fit(&data, go).unwrap();
    assert!(fit.epochs.len() < 60 && fit.epochs.len() == fit.best.unwrap() + 3, "there is nothing to learn in noise");
}

#[test]
fn few_samples_are_looked_at_more_often() {
    let options = Options::default();
    assert_eq!((options.times(9000), options.times(448), options.times(1)), (1, 4, 20));
}

#[test]
fn what_cannot_be_learned_is_said_in_one_line() {
    let nothing = trainer(quick()).fit(&Dataset::new(&SHAPE), go).unwrap_err().to_string();
    assert_eq!(nothing, "there is nothing to learn from: no samples");
    let other = Dataset::new(&Shape { outputs: 1, ..SHAPE });
    assert_eq!(
        trainer(quick()).fit(&other, go).unwrap_err().to_string(),
        "the samples are of another shape than the network"
    );
    let data = bars(8);
    let missing = Split { training: vec![8], validation: Vec::new() };
    let why = trainer(quick()).epoch(&data, &missing, |_| ControlFlow::Continue(())).unwrap_err().to_string();
    assert_eq!(why, "sample 8 of 8 does not exist");
    let wild = trainer(Options { rate: 1e30, ..quick() }).fit(&bars(400), go).unwrap_err().to_string();
    assert!(wild.contains("finite"), "{wild}");
}

#[test]
fn a_loss_says_the_same_of_one_number_and_of_a_tensor() {
    for loss in [Loss::Squared, Loss::Huber(0.5)] {
        for difference in [-2.0f32, -0.5, 0.0, 0.2, 3.0] {
            let tensor = Tensor::new(difference, &candle_core::Device::Cpu).unwrap();
            let said = loss.of(&tensor).unwrap().to_scalar::<f32>().unwrap();
            assert!((said - loss.of_number(difference)).abs() < 1e-6);
        }
    }
}
