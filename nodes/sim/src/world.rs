//! A car on its track: who counts laps, sees when the road is left, and puts back what strayed. It never decides where to drive.

use std::sync::Arc;

use offboard::proto::Pose;

use crate::{
    car::{self, Car},
    track::{HALF_WIDTH, Place, Track},
};

/// No step of the car is longer, in seconds.
const STEP_MAX: f64 = 0.01;

/// Something that a spectator would call out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Event {
    /// A lap is done.
    Lap {
        /// Which one, from 1.
        number: u32,
        /// Seconds that it took.
        seconds: f64,
        /// It never left the road in it.
        clean: bool,
    },
    /// The middle of the car left the road.
    Left {
        /// Share of the lap done.
        progress: f64,
    },
    /// It is on the road again.
    Returned {
        /// Seconds that it was off the road.
        seconds: f64,
    },
    /// It was off the road for so long that it was put back.
    PutBack,
}

/// A car on a track, and what became of it so far.
#[derive(Debug, Clone)]
pub struct World {
    track: Arc<Track>,
    car: Car,
    place: Place,
    put_back_s: Option<f64>,
    time_s: f64,
    distance: f64,
    off_s: Option<f64>,
    off_track_s: f64,
    departures: u32,
    resets: u32,
    laps: u32,
    laps_any: u32,
    lap: Lap,
    last_lap_s: f64,
}

/// The lap that is being driven.
#[derive(Debug, Clone, Copy)]
struct Lap {
    began_s: f64,
    clean: bool,
}

impl World {
    /// A car at rest on the start line. After `put_back_s` seconds off the road, if given, it is put back.
    #[must_use]
    pub fn new(track: Arc<Track>, put_back_s: Option<f64>) -> World {
        let start = track.at(0.0);
        let car = Car::new(start.x, start.y, start.heading);
        let place = track.place(car.x, car.y);
        World {
            track,
            car,
            place,
            put_back_s,
            time_s: 0.0,
            distance: 0.0,
            off_s: None,
            off_track_s: 0.0,
            departures: 0,
            resets: 0,
            laps: 0,
            laps_any: 0,
            lap: Lap { began_s: 0.0, clean: true },
            last_lap_s: 0.0,
        }
    }

    /// The same with a stronger or weaker car: 1 is usual, see [`Car::strength`].
    #[must_use]
    pub fn with_strength(mut self, strength: f64) -> World {
        self.car.strength = strength;
        self
    }

    /// The road.
    #[must_use]
    pub fn track(&self) -> &Arc<Track> {
        &self.track
    }

    /// The car.
    #[must_use]
    pub fn car(&self) -> &Car {
        &self.car
    }

    /// Sets the car somewhere, for instance askew, to see whether it finds back.
    pub fn set_car(&mut self, car: Car) {
        self.car = car;
        self.place = self.track.place(car.x, car.y);
    }

    /// Drives for `dt` seconds with `forward` and `turn` as in `Drive`; says what happened.
    pub fn step(&mut self, forward: f32, turn: f32, dt: f64) -> Vec<Event> {
        let mut events = Vec::new();
        let steps = (dt / STEP_MAX).ceil().max(1.0);
        for _ in 0..steps as u64 {
            let dt = dt / steps;
            self.car.step(forward.into(), turn.into(), dt);
            self.time_s += dt;
            self.judge(dt, &mut events);
        }
        events
    }

    fn judge(&mut self, dt: f64, events: &mut Vec<Event>) {
        let place = self.track.place(self.car.x, self.car.y);
        let half = 0.5 * self.track.length();
        self.distance += (place.along - self.place.along + half).rem_euclid(2.0 * half) - half;
        self.place = place;
        self.look_at_edge(dt, events);
        if self.distance >= f64::from(self.laps_any + 1) * self.track.length() {
            self.finish_lap(events);
        }
        if self.off_s.zip(self.put_back_s).is_some_and(|(off, most)| off >= most) {
            self.put_back();
            events.push(Event::PutBack);
        }
    }

    fn look_at_edge(&mut self, dt: f64, events: &mut Vec<Event>) {
        match (self.place.offset.abs() > HALF_WIDTH, self.off_s) {
            (true, None) => {
                self.departures += 1;
                self.lap.clean = false;
                self.off_s = Some(0.0);
                events.push(Event::Left { progress: self.progress() });
            }
            (true, Some(seconds)) => {
                self.off_s = Some(seconds + dt);
                self.off_track_s += dt;
            }
            (false, Some(seconds)) => {
                self.off_s = None;
                events.push(Event::Returned { seconds });
            }
            (false, None) => {}
        }
    }

    fn finish_lap(&mut self, events: &mut Vec<Event>) {
        let clean = self.lap.clean;
        self.laps_any += 1;
        self.laps += u32::from(clean);
        self.last_lap_s = self.time_s - self.lap.began_s;
        self.lap = Lap { began_s: self.time_s, clean: self.off_s.is_none() };
        events.push(Event::Lap { number: self.laps_any, seconds: self.last_lap_s, clean });
    }

    /// At rest on the middle of the road, where it is nearest.
    fn put_back(&mut self) {
        let point = self.track.at(self.place.along);
        let strength = self.car.strength;
        self.set_car(Car { strength, ..Car::new(point.x, point.y, point.heading) });
        self.off_s = None;
        self.resets += 1;
    }

    fn progress(&self) -> f64 {
        (self.distance / self.track.length()).rem_euclid(1.0)
    }

    /// What the `pose` topic says.
    #[must_use]
    pub fn pose(&self) -> Pose {
        Pose {
            x: self.car.x,
            y: self.car.y,
            heading: self.car.heading,
            speed: self.car.speed,
            steering: self.car.steering,
            progress: self.progress(),
            laps: self.laps,
            laps_any: self.laps_any,
            offset: self.place.offset,
            off_track: self.off_s.is_some(),
            departures: self.departures,
            off_track_s: self.off_track_s,
            time_s: self.time_s,
            last_lap_s: self.last_lap_s,
            distance: self.distance,
            resets: self.resets,
            track: self.track.seed(),
            curvature: self.place.curvature,
            road_heading: self.place.heading,
            length: self.track.length(),
            speed_max: self.car.strength * car::SPEED_MAX,
        }
    }
}

#[cfg(test)]
mod tests;
