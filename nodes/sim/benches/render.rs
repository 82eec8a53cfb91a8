//! How long a picture takes on one core, and how long a minute of a person's drive: `cargo bench -p offboard-sim`.

use std::{hint::black_box, sync::Arc, time::Instant};

use offboard_sim::{Camera, Driver, Session, Stop, Track, World, driver::Habits, render::Weather, session::Options};

fn main() {
    let track = Arc::new(Track::new(1));
    let pose = World::new(track.clone(), None).pose();
    for size in [[160, 120], [320, 240], [640, 480]] {
        for weather in [Weather::default(), Weather { noise: 0.1, light: 0.2 }] {
            let camera = Camera::new(track.clone(), size, weather);
            let mut took: Vec<f64> = (0..300)
                .map(|number| {
                    let began = Instant::now();
                    black_box(camera.picture(black_box(&pose), number, 0));
                    began.elapsed().as_secs_f64() * 1e3
                })
                .collect();
            took.sort_by(f64::total_cmp);
            println!("{size:?} noise {}: p50 {:.2} ms, p99 {:.2} ms", weather.noise, took[150], took[297]);
        }
    }
    for drawn in [false, true] {
        let mut session = Session::new(Options { drawn, ..Options::default() });
        let mut driver = Driver::new(session.track().clone(), Habits::default(), 1);
        let began = Instant::now();
        session.run(Stop::after(60.0), |picture, now_ns| {
            let hands = driver.step(&picture.pose, now_ns as f64 / 1e9);
            Some((hands.forward, hands.turn))
        });
        println!("a minute of driving, pictures drawn: {drawn}: {:.2} s", began.elapsed().as_secs_f64());
    }
}
