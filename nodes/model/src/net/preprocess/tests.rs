//! Tests of `preprocess`.

use super::*;

fn grey(width: usize, height: usize, crop_top: f32) -> Preprocess {
    Preprocess { width, height, channels: 1, crop_top, normalisation: Normalisation::Picture }
}

fn shrunk(preprocess: &Preprocess, picture: &Picture<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    preprocess.shrink(picture, &mut Scratch::default(), &mut out);
    out
}

#[test]
fn a_picture_that_is_none_is_refused() {
    assert!(Picture::new(2, 2, 3, &[0; 12]).is_some());
    for (width, height, channels, bytes) in [(0, 2, 3, 0), (2, 2, 2, 8), (2, 2, 3, 11), (usize::MAX, 2, 3, 12)] {
        assert!(Picture::new(width, height, channels, &[0; 12][..bytes]).is_none());
    }
}

#[test]
fn each_pixel_is_the_mean_of_the_area_that_it_covers() {
    let picture = [0, 100, 200, 40, 60, 80];
    let picture = Picture::new(3, 2, 1, &picture).unwrap();
    assert_eq!(shrunk(&grey(3, 2, 0.0), &picture), [0, 100, 200, 40, 60, 80]);
    assert_eq!(shrunk(&grey(1, 1, 0.0), &picture), [80]);
    // Half of the middle column belongs to each side.
    assert_eq!(shrunk(&grey(2, 2, 0.0), &picture), [33, 167, 47, 73]);
    assert_eq!(shrunk(&grey(3, 1, 0.5), &picture), [40, 60, 80]);
    // A smaller picture is made larger.
    assert_eq!(shrunk(&grey(6, 1, 0.5), &picture), [40, 40, 60, 60, 80, 80]);
}

#[test]
fn colour_becomes_grey_and_grey_colour() {
    let red = Picture::new(1, 1, 3, &[255, 0, 0]).unwrap();
    assert_eq!(shrunk(&grey(1, 1, 0.0), &red), [76]);
    let colour = Preprocess { channels: 3, ..grey(1, 1, 0.0) };
    assert_eq!(shrunk(&colour, &red), [255, 0, 0]);
    assert_eq!(shrunk(&colour, &Picture::new(1, 1, 1, &[7]).unwrap()), [7, 7, 7]);
}

#[test]
fn any_size_and_crop_fills_the_prepared_picture() {
    let bytes = vec![9; 3 * 200 * 200];
    let mut scratch = Scratch::default();
    let mut out = Vec::new();
    for (width, height) in [(1, 1), (3, 200), (200, 3), (47, 49), (160, 120)] {
        for crop_top in [0.0, 0.3, 0.9] {
            let picture = Picture::new(width, height, 3, &bytes[..width * height * 3]).unwrap();
            grey(48, 48, crop_top).shrink(&picture, &mut scratch, &mut out);
            assert_eq!(out, [9; 48 * 48]);
        }
    }
}

#[test]
fn light_and_contrast_do_not_change_the_numbers_of_a_picture() {
    let preprocess = grey(2, 2, 0.0);
    let (mut dim, mut bright) = ([0.0; 4], [0.0; 4]);
    preprocess.normalise(&[10, 20, 30, 40], &mut dim);
    preprocess.normalise(&[100, 140, 180, 220], &mut bright);
    assert!(dim.iter().zip(bright).all(|(dim, bright)| (dim - bright).abs() < 1e-5));
    assert!((dim.iter().map(|n| n * n).sum::<f32>() / 4.0 - 1.0).abs() < 1e-5);
    preprocess.normalise(&[77, 77, 77, 78], &mut dim);
    assert_eq!(dim, [0.0; 4], "a wall is no picture");
    let unit = Preprocess { normalisation: Normalisation::Unit, ..preprocess };
    unit.normalise(&[0, 255, 0, 255], &mut dim);
    assert_eq!(dim, [-1.0, 1.0, -1.0, 1.0]);
}
