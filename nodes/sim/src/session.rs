//! A drive in virtual time: camera, an imperfect link, a controller, the same imperfect link, a motor's lease, the car.
//!
//! A controller is a closure from a picture and the time to a command. Minutes of driving take seconds, and the same options give the
//! same drive to the last bit. It never waits for a clock.

use std::{collections::VecDeque, sync::Arc};

use offboard::{
    motion::{Event as Heard, Lease, Rules},
    proto::{Drive, Header, MotorMode},
};

use crate::{
    chance,
    render::{Camera, Picture, Weather},
    track::Track,
    world::{Event, World},
};

/// How fine time is.
const TICK_NS: i64 = 5_000_000;

/// When a session begins, in nanoseconds: not at 0, so that what is older than the beginning has a stamp.
const BEGINNING_NS: i64 = 1_000_000_000;

/// Between picture and controller, and between controller and motor.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Link {
    /// Seconds from the camera to the controller.
    pub there_s: f64,
    /// Seconds from the controller to the motor.
    pub back_s: f64,
    /// Seconds by which each may take longer, evenly at random. Newest wins: what is overtaken is dropped.
    pub jitter_s: f64,
    /// Share of messages that never arrive, each way, 0 to 1.
    pub loss: f64,
}

impl Link {
    /// Half of this delay (seconds) each way, nothing lost.
    #[must_use]
    pub fn delay(seconds: f64) -> Link {
        Link { there_s: 0.5 * seconds, back_s: 0.5 * seconds, ..Link::default() }
    }
}

/// What a session is made of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Options {
    /// Of the track, its look, the noise and the link's chance.
    pub seed: u64,
    /// Pictures a second.
    pub rate: f64,
    /// Width and height in pixels.
    pub size: [usize; 2],
    /// Whether pictures are drawn; without, a controller sees their pose only, and time runs much faster.
    pub drawn: bool,
    /// Noise and light.
    pub weather: Weather,
    /// Between picture and motion.
    pub link: Link,
    /// How strong the car is, see [`Car::strength`](crate::Car).
    pub strength: f64,
    /// After so many seconds off the road the car is put back, if at all.
    pub put_back_s: Option<f64>,
    /// The motor's lease.
    pub rules: Rules,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            seed: 1,
            rate: 30.0,
            size: [160, 120],
            drawn: true,
            weather: Weather::default(),
            link: Link::default(),
            strength: 1.0,
            put_back_s: None,
            rules: Rules {
                deadman_ns: 300_000_000,
                evidence_ns: 500_000_000,
                forward_limit: 1.0,
                turn_limit: 1.0,
                slew: 0.0,
            },
        }
    }
}

/// When to stop; whichever comes first.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stop {
    /// After so many laps.
    pub laps: u32,
    /// After so many simulated seconds.
    pub seconds: f64,
    /// When the car has been off the road for so many seconds in all.
    pub off_track_s: f64,
}

impl Stop {
    /// After one lap, at the latest after `seconds`, or when the road is lost for more than a second.
    #[must_use]
    pub fn lap(seconds: f64) -> Stop {
        Stop { laps: 1, seconds, off_track_s: 1.0 }
    }

    /// After so many seconds, whatever happens.
    #[must_use]
    pub fn after(seconds: f64) -> Stop {
        Stop { laps: u32::MAX, seconds, off_track_s: f64::INFINITY }
    }
}

/// What became of a drive, from the session's beginning.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Outcome {
    /// Laps without leaving the road.
    pub laps: u32,
    /// Laps at all.
    pub laps_any: u32,
    /// Share of the first lap done before the road was left, 0 to 1.
    pub completion: f64,
    /// Simulated seconds.
    pub time_s: f64,
    /// Seconds off the road.
    pub off_track_s: f64,
    /// How often the road was left.
    pub departures: u32,
    /// How often the car was put back.
    pub resets: u32,
    /// Mean distance from the middle of the road, in metres.
    pub offset: f64,
    /// Median time from a picture to the motion that it caused, in nanoseconds; 0: there was none.
    pub latency_ns: i64,
}

/// A drive that goes on as often as it is run.
#[derive(Debug)]
pub struct Session {
    options: Options,
    world: World,
    camera: Camera,
    lease: Lease,
    rng: fastrand::Rng,
    now_ns: i64,
    pictures: u64,
    commands: u64,
    there: VecDeque<(i64, Picture)>,
    back: VecDeque<(i64, Header, Drive)>,
    first_departure: Option<f64>,
    offsets: f64,
    ticks: u64,
    latencies: Vec<i64>,
}

impl Session {
    /// A car at rest on the start line of the track of `options.seed`.
    #[must_use]
    pub fn new(options: Options) -> Session {
        let track = Arc::new(Track::new(options.seed));
        Session {
            options,
            world: World::new(track.clone(), options.put_back_s).with_strength(options.strength),
            camera: Camera::new(track, options.size, options.weather),
            lease: Lease::new(options.rules),
            rng: chance::of(options.seed, 4),
            now_ns: BEGINNING_NS,
            pictures: 0,
            commands: 0,
            there: VecDeque::new(),
            back: VecDeque::new(),
            first_departure: None,
            offsets: 0.0,
            ticks: 0,
            latencies: Vec::new(),
        }
    }

    /// The road.
    #[must_use]
    pub fn track(&self) -> &Arc<Track> {
        self.world.track()
    }

    /// The car on the road.
    #[must_use]
    pub fn world(&self) -> &World {
        &self.world
    }

    /// The same, to set the car somewhere else.
    pub fn world_mut(&mut self) -> &mut World {
        &mut self.world
    }

    /// Drives until `stop`. The controller gets each picture that arrives and the time (nanoseconds) of its arrival, and answers with
    /// forward and turn as in `Drive`, or with nothing.
    pub fn run(&mut self, stop: Stop, mut controller: impl FnMut(&Picture, i64) -> Option<(f32, f32)>) -> Outcome {
        loop {
            let pose = self.world.pose();
            if pose.laps_any >= stop.laps || pose.time_s >= stop.seconds || pose.off_track_s >= stop.off_track_s {
                return self.outcome();
            }
            self.look();
            self.think(&mut controller);
            self.move_car();
            self.now_ns += TICK_NS;
        }
    }

    /// Takes a picture when one is due.
    fn look(&mut self) {
        let due_ns = BEGINNING_NS + (self.pictures as f64 / self.options.rate * 1e9) as i64;
        if self.now_ns < due_ns {
            return;
        }
        let (pose, number) = (self.world.pose(), self.pictures);
        self.pictures += 1;
        let Some(at_ns) = self.arrival(self.options.link.there_s) else { return };
        let picture = match self.options.drawn {
            true => self.camera.picture(&pose, number, self.now_ns),
            false => Picture { pose, stamp_ns: self.now_ns, ..Picture::default() },
        };
        self.there.push_back((at_ns, picture));
    }

    fn think(&mut self, controller: &mut impl FnMut(&Picture, i64) -> Option<(f32, f32)>) {
        let mut newest: Option<Picture> = None;
        while let Some(at) = self.there.iter().position(|(at_ns, _)| *at_ns <= self.now_ns) {
            let (_, picture) = self.there.remove(at).unwrap_or_default();
            if newest.as_ref().is_none_or(|newest| newest.stamp_ns < picture.stamp_ns) {
                newest = Some(picture);
            }
        }
        let Some(picture) = newest else { return };
        let Some((forward, turn)) = controller(&picture, self.now_ns) else { return };
        self.commands += 1;
        let Some(at_ns) = self.arrival(self.options.link.back_s) else { return };
        let header = Header {
            seq: self.commands,
            incarnation: 1,
            sent_ns: self.now_ns,
            stamp_ns: picture.stamp_ns,
            ..Header::default()
        };
        let drive = Drive { forward, turn, source: "session".to_owned(), ..Drive::default() };
        self.back.push_back((at_ns, header, drive));
    }

    /// When what is sent now arrives; none when it is lost.
    fn arrival(&mut self, delay_s: f64) -> Option<i64> {
        let Link { jitter_s, loss, .. } = self.options.link;
        let arrives = self.rng.f64() >= loss;
        let delay_s = delay_s + jitter_s * self.rng.f64();
        arrives.then_some(self.now_ns + (delay_s * 1e9) as i64)
    }

    fn move_car(&mut self) {
        while let Some(at) = self.back.iter().position(|(at_ns, ..)| *at_ns <= self.now_ns) {
            let Some((_, header, mut drive)) = self.back.remove(at) else { break };
            // Whoever drives shows a latched motor a neutral command first.
            if self.lease.step(self.now_ns, Heard::Tick).mode == MotorMode::Latched {
                (drive.forward, drive.turn) = (0.0, 0.0);
            }
            if self.lease.step(self.now_ns, Heard::Command(&header, &drive)).refusal.is_none() {
                self.latencies.push(self.now_ns - header.stamp_ns);
            }
        }
        let output = self.lease.step(self.now_ns, Heard::Tick);
        for event in self.world.step(output.forward, output.turn, TICK_NS as f64 / 1e9) {
            if let Event::Left { .. } = event {
                self.first_departure.get_or_insert(self.world.pose().distance);
            }
        }
        self.ticks += 1;
        self.offsets += self.world.pose().offset.abs();
    }

    /// What became of it so far.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        let pose = self.world.pose();
        let clean = self.first_departure.unwrap_or(pose.distance);
        let mut latencies = self.latencies.clone();
        latencies.sort_unstable();
        Outcome {
            laps: pose.laps,
            laps_any: pose.laps_any,
            completion: (clean / self.track().length()).clamp(0.0, 1.0),
            time_s: pose.time_s,
            off_track_s: pose.off_track_s,
            departures: pose.departures,
            resets: pose.resets,
            offset: self.offsets / self.ticks.max(1) as f64,
            latency_ns: latencies.get(latencies.len() / 2).copied().unwrap_or(0),
        }
    }
}

#[cfg(test)]
mod tests;
