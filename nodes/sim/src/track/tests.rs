//! Every road can be driven: whole, smooth, clear of itself.

use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;

#[test]
fn two_hundred_tracks_can_be_driven_and_never_cross_themselves() {
    for seed in 0..200 {
        let track = Track::new(seed);
        assert!((40.0..=54.0).contains(&track.length()), "{seed}");
        let points = track.points();
        let sharpest = points.iter().map(|point| point.curvature.abs()).fold(0.0, f64::max);
        assert!((0.3..=CURVATURE_MAX + 0.03).contains(&sharpest), "{seed}: {sharpest}");
        assert!(is_clear(points), "{seed}");
        let turned: f64 =
            points.iter().map(|point| point.curvature).sum::<f64>() * track.length() / points.len() as f64;
        assert!((turned.abs() - TAU).abs() < 0.05, "{seed}: once around, {turned}");
        for (a, b) in points.iter().zip(points.iter().cycle().skip(1)) {
            let step = (b.x - a.x).hypot(b.y - a.y);
            assert!((step - STEP).abs() < 0.1 * STEP, "{seed}: {step}");
            assert!(chance::wrapped(b.heading - a.heading).abs() < 0.05, "{seed}");
        }
    }
}

#[test]
fn a_seed_is_a_track() {
    assert_eq!(Track::new(7).points(), Track::new(7).points());
    assert_ne!(Track::new(7).points()[100], Track::new(8).points()[100]);
    let clockwise = (0..100).filter(|seed| Track::new(*seed).points()[0].curvature < 0.0).count();
    assert!((20..80).contains(&clockwise), "{clockwise} of 100 run clockwise");
}

/// Made once: each takes tens of milliseconds.
static TRACKS: LazyLock<Vec<Track>> = LazyLock::new(|| (0..20).map(Track::new).collect());

proptest! {
    #[test]
    fn what_is_beside_the_road_is_found_where_it_is(
        seed in 0usize..20, share in 0.0..1.0f64, offset in -0.85..0.85f64,
    ) {
        let track = &TRACKS[seed];
        let along = share * track.length();
        let point = track.at(along);
        let place = track.place(point.x - offset * point.sin, point.y + offset * point.cos);
        let error = (place.along - along + 0.5 * track.length()).rem_euclid(track.length()) - 0.5 * track.length();
        prop_assert!(error.abs() < 0.05, "{error} m along");
        prop_assert!((place.offset - offset).abs() < 0.01, "{} for {offset}", place.offset);
    }
}

#[test]
fn any_place_is_somewhere() {
    let track = Track::new(3);
    for (x, y) in [(0.0, 0.0), (1e6, -1e6), (-20.0, 3.0)] {
        let place = track.place(x, y);
        assert!((0.0..=track.length()).contains(&place.along) && place.offset.is_finite(), "{place:?}");
    }
}
