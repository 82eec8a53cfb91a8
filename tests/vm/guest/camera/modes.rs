//! Every format and size, what is seen in the pictures, and the rate that is reached.

use std::fs::File;

use offboard::{CompressedImage, RawImage};
use offboard_tests::Bed;

use super::rig::{CAMERA, Camera, WEBCAM, bars, decode, params, rate, vivid};
use crate::support::{OUT, figure};

const FORMATS: [&str; 5] = ["YUYV", "NV12", "RGB3", "BGR3", "GREY"];

/// Sizes of vivid, and a rate that it has at each.
const SIZES: [([u32; 2], f64, usize); 4] =
    [([320, 180], 30.0, 14), ([640, 360], 30.0, 12), ([640, 480], 25.0, 10), ([1280, 720], 10.0, 5)];

/// What vivid shows, from left to right: white, yellow, cyan, green, magenta, red, blue, black; red, green and blue are there or not.
const BARS: [[bool; 3]; 8] = [
    [true, true, true],
    [true, true, false],
    [false, true, true],
    [false, true, false],
    [true, false, true],
    [true, false, false],
    [false, false, true],
    [false, false, false],
];

fn has_its_colours(format: &str, rgb: &[u8], [width, height]: [u32; 2]) {
    let seen = bars(rgb, width as usize, height as usize);
    if format == "GREY" {
        let falling = seen.windows(2).all(|pair| pair[0][0] > pair[1][0] && pair[0][0] == pair[0][2]);
        assert!(falling, "the bars stand from bright to dark: {seen:?}");
        return;
    }
    for (bar, wanted) in seen.iter().zip(BARS) {
        let there = bar.map(|value| value > 128);
        assert_eq!(there, wanted, "{format} {width} x {height}: {seen:?}");
    }
}

fn save(name: &str, rgb: &[u8], [width, height]: [u32; 2]) {
    let file = File::create(format!("{OUT}/{name}.png")).expect("a file");
    let mut encoder = png::Encoder::new(file, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.write_header().expect("a picture").write_image_data(rgb).expect("a picture");
}

#[test]
#[ignore = "runs in the virtual machine"]
fn every_format_and_size_streams() {
    let bed = Bed::new();
    vivid(WEBCAM);
    for format in FORMATS {
        // Grey is the odd one out: read directly, and without colours.
        let sizes = if format == "GREY" { &SIZES[..2] } else { &SIZES[..] };
        for &(size @ [width, height], asked, count) in sizes {
            let mut camera = Camera::start(&bed, &params("rgb8", Some(format), size, asked));
            let pictures = camera.pictures(count);
            let picture = pictures[count - 1].decode::<RawImage>().expect("a picture");
            assert_eq!(([picture.width, picture.height], picture.encoding.as_str()), (size, "rgb8"));
            has_its_colours(format, &picture.data, size);
            camera.says(&[&format!("camera 0: {format} {width} x {height} at {asked} Hz, ")]);
            assert!(!camera.log().contains("WARN"), "{}", camera.log());
            let reached = format!("{:.1} of {asked}", rate(&pictures));
            figure(CAMERA, &format!("{format} {width}x{height} to rgb8, pictures a second"), reached);
            if width == 320 {
                save(format, &picture.data, size);
            }
            camera.stop();
        }
    }
}

#[test]
#[ignore = "runs in the virtual machine"]
fn raw_pictures_leave_as_jpegs_of_the_same_colours() {
    let bed = Bed::new();
    vivid(WEBCAM);
    for (size @ [width, height], asked, count) in [SIZES[0], SIZES[2], SIZES[3]] {
        let mut camera = Camera::start(&bed, &params("jpeg", None, size, asked));
        let pictures = camera.pictures(count.min(6));
        let image = pictures[0].decode::<CompressedImage>().expect("a picture");
        assert_eq!(([image.width, image.height], image.size().expect("a JPEG")), (size, (width, height)));
        has_its_colours("JPEG", &decode(&image.data), size);
        let reached = format!("{:.1} of {asked}", rate(&pictures));
        figure(CAMERA, &format!("YUYV {width}x{height} to JPEG, pictures a second"), reached);
        camera.stop();
    }
}

#[test]
#[ignore = "runs in the virtual machine"]
fn television_and_hdmi_stream_although_their_rates_are_odd_fractions() {
    let bed = Bed::new();
    // Intervals of 1000/25000 and 12375/742500 s.
    for (name, input, size, said) in [
        ("PAL television", 1, [720, 576], "camera 0: YUYV 720 x 576 at 25 Hz, "),
        ("HDMI at 60 Hz", 3, [1280, 720], "camera 0: YUYV 1280 x 720 at 60 Hz, "),
    ] {
        vivid(&format!("n_devs=1 node_types=0x1 num_inputs=1 input_types={input}"));
        let mut camera = Camera::start(&bed, &params("rgb8", None, size, 25.0));
        let pictures = camera.pictures(6);
        let picture = pictures[5].decode::<RawImage>().expect("a picture");
        has_its_colours(name, &picture.data, [picture.width, picture.height]);
        camera.says(&[said, "read directly"]);
        figure(CAMERA, &format!("{name}, pictures a second"), format!("{:.1}", rate(&pictures)));
        camera.stop();
    }
}

#[test]
#[ignore = "runs in the virtual machine"]
fn a_rate_that_is_no_whole_number_is_kept() {
    let bed = Bed::new();
    vivid(WEBCAM);
    let mut camera = Camera::start(&bed, &params("rgb8", None, [640, 480], 12.5));
    let pictures = camera.pictures(12);
    camera.says(&["camera 0: ", " 640 x 480 at 12.5 Hz, read directly"]);
    let reached = rate(&pictures);
    assert!(reached < 13.0, "{reached} pictures a second");
    figure(CAMERA, "12.5 Hz asked, pictures a second", format!("{reached:.1}"));
    camera.stop();
    // What it was left at is no hindrance to who comes next.
    let mut camera = Camera::start(&bed, &params("rgb8", None, [640, 480], 25.0));
    camera.picture();
    camera.says(&["camera 0: ", " 640 x 480 at 25 Hz, through nokhwa"]);
    camera.stop();
}
