//! The picture shows the road where it is.

use super::*;
use crate::World;

const SIZE: [usize; 2] = [160, 120];

/// A track, and the pose of a car on its start line, beside the middle (metres to the left) and askew (radians to the left).
fn start(seed: u64, left: f64, askew: f64) -> (Arc<Track>, Pose) {
    let track = Arc::new(Track::new(seed));
    let point = track.at(0.0);
    let pose = World::new(track.clone(), None).pose();
    let heading = point.heading + askew;
    (track, Pose { x: point.x - left * point.sin, y: point.y + left * point.cos, heading, ..pose })
}

fn drawn(seed: u64, left: f64, askew: f64) -> Picture {
    let (track, pose) = start(seed, left, askew);
    Camera::new(track, SIZE, Weather::default()).picture(&pose, 0, 0)
}

fn pixel(picture: &Picture, column: usize, row: usize) -> [i32; 3] {
    let at = (row * picture.width + column) * 3;
    [0, 1, 2].map(|part| i32::from(picture.rgb[at + part]))
}

/// The mean column of what is white in the lower half: the middle between both edge lines, where both are seen.
fn white(picture: &Picture, rows: std::ops::Range<usize>) -> f64 {
    let all = rows.flat_map(|row| (0..picture.width).map(move |column| (column, row)));
    let white = all.filter(|(column, row)| pixel(picture, *column, *row).into_iter().all(|part| part > 180));
    let columns: Vec<f64> = white.map(|(column, _)| column as f64).collect();
    columns.iter().sum::<f64>() / columns.len() as f64
}

#[test]
fn the_same_seed_draws_the_same_picture_and_another_seed_another() {
    let draw = |seed| {
        let (track, pose) = start(seed, 0.0, 0.0);
        Camera::new(track, SIZE, Weather { noise: 0.3, light: 0.5 }).picture(&pose, 5, 0).rgb
    };
    assert_eq!(draw(1), draw(1));
    assert_ne!(draw(1), draw(2));
}

#[test]
fn above_is_sky_below_is_road_and_beside_is_ground() {
    for seed in 0..10 {
        let picture = drawn(seed, 0.0, 0.0);
        let [red, _, blue] = pixel(&picture, 80, 2);
        assert!(blue > red + 30, "{seed}: sky is blue");
        let [red, green, blue] = pixel(&picture, 60, 115);
        assert!((red - blue).abs() < 25 && (red - green).abs() < 25 && red < 130, "{seed}: the road is grey");
        let [red, green, blue] = pixel(&picture, 3, 70);
        assert!(green > red && green > blue, "{seed}: the ground is green");
    }
}

#[test]
fn the_road_moves_to_the_other_side_of_where_the_car_is_and_looks() {
    for seed in 0..10 {
        let (left, right) = (white(&drawn(seed, 0.15, 0.0), 60..75), white(&drawn(seed, -0.15, 0.0), 60..75));
        assert!(left > right + 10.0, "{seed}: a car on the left sees the road on the right: {left} {right}");
        let (left, right) = (white(&drawn(seed, 0.0, 0.15), 60..75), white(&drawn(seed, 0.0, -0.15), 60..75));
        assert!(left > right + 10.0, "{seed}: who looks left sees the road on the right: {left} {right}");
    }
}

#[test]
fn a_line_is_where_the_geometry_says() {
    // On a stretch that is straight enough: ahead of the start line of a track without a bend there.
    let straight = |seed: &u64| Track::new(*seed).points()[..30].iter().all(|point| point.curvature.abs() < 0.06);
    let seed = (0..500).find(straight).unwrap();
    let picture = drawn(seed, 0.0, 0.0);
    let row = 80;
    let down = (row as f64 + 0.5 - 60.0) / 80.0;
    let away = HEIGHT / (PITCH.sin() + down * PITCH.cos());
    let column = 80.0 + f64::from(EDGE) / away * 80.0;
    let white = (80..160).filter(|column| pixel(&picture, *column, row).into_iter().all(|part| part > 170));
    let white: Vec<usize> = white.collect();
    let middle = white.iter().sum::<usize>() as f64 / white.len() as f64 + 0.5;
    assert!((middle - column).abs() < 2.0, "{middle} where {column} is right");
}

#[test]
fn noise_and_light_are_of_the_strength_that_was_asked() {
    let (track, pose) = start(1, 0.0, 0.0);
    let plain = Camera::new(track.clone(), SIZE, Weather::default());
    assert_eq!(plain.picture(&pose, 1, 0).rgb, plain.picture(&pose, 2, 0).rgb);
    let noisy = Camera::new(track.clone(), SIZE, Weather { noise: 0.5, light: 0.0 });
    let (clear, grained) = (plain.picture(&pose, 1, 0), noisy.picture(&pose, 1, 0));
    let squares = clear.rgb.iter().zip(&grained.rgb).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2));
    let deviation = (squares.sum::<f64>() / clear.rgb.len() as f64).sqrt();
    assert!((14.0..18.0).contains(&deviation), "{deviation}");
    assert_ne!(grained.rgb, noisy.picture(&pose, 2, 0).rgb);
    let changing = Camera::new(track, SIZE, Weather { noise: 0.0, light: 1.0 });
    let lights: Vec<f32> = (0..600).map(|second| changing.light(f64::from(second))).collect();
    let (least, most) =
        lights.iter().fold((9.0_f32, 0.0_f32), |(least, most), light| (least.min(*light), most.max(*light)));
    assert!((0.45..0.7).contains(&least) && (1.3..1.55).contains(&most), "{least} to {most}");
}

#[test]
fn any_size_and_any_place_can_be_drawn() {
    let (track, pose) = start(1, 0.0, 0.0);
    for size in [[16, 16], [17, 300], [301, 16]] {
        let camera = Camera::new(track.clone(), size, Weather { noise: 0.1, light: 0.1 });
        for place in [pose, Pose { x: 1e9, y: -1e9, ..pose }, Pose { heading: f64::NAN, ..pose }] {
            assert_eq!(camera.picture(&place, 0, 0).rgb.len(), size[0] * size[1] * 3);
        }
    }
}
