//! A person at the wheel: sees late, looks ahead, aims a little wrong, trembles, sometimes jerks and corrects it.
//!
//! Steers for a point ahead on the middle of the road, as it believes the car to be: what it sees is older than it knows, and it
//! makes up for most of that. It never knows more than a person in the car could see.

use std::{collections::VecDeque, sync::Arc};

use offboard::proto::Pose;

use crate::{
    car::{self, WHEELBASE},
    chance::{self, Wander},
    track::Track,
};

/// What is older was seen long ago; poses come 200 times a second at most.
const MEMORY_S: f64 = 0.5;

/// How a person drives.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Habits {
    /// Metres a second on the straight.
    pub pace: f64,
    /// Seconds from seeing to moving the hand, on average; it varies by a fifth.
    pub delay_s: f64,
    /// Deviation, in metres, of where it aims from the middle of the road.
    pub aim: f64,
    /// Deviation of the trembling hand, as a share of the full stick.
    pub tremble: f64,
    /// Jerks a minute: a short wrong steering that has to be corrected.
    pub jerks: f64,
}

impl Default for Habits {
    fn default() -> Self {
        Habits { pace: 2.0, delay_s: 0.15, aim: 0.06, tremble: 0.025, jerks: 10.0 }
    }
}

/// What the hands ask for, as in `Drive`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Hands {
    /// -1 to 1.
    pub forward: f32,
    /// -1 to 1, right positive.
    pub turn: f32,
}

/// A person who drives on one track.
#[derive(Debug, Clone)]
pub struct Driver {
    track: Arc<Track>,
    habits: Habits,
    rng: fastrand::Rng,
    seen: VecDeque<(f64, Pose)>,
    delay: Wander,
    aim: Wander,
    tremble: Wander,
    jerk: Option<Jerk>,
    hands: Hands,
    last_s: Option<f64>,
}

#[derive(Debug, Clone, Copy)]
struct Jerk {
    until_s: f64,
    turn: f64,
}

impl Driver {
    /// A person with these habits; the seed decides when it errs.
    #[must_use]
    pub fn new(track: Arc<Track>, habits: Habits, seed: u64) -> Driver {
        let rng = |purpose: u64| chance::of(seed, 16 + purpose);
        Driver {
            track,
            habits,
            rng: rng(0),
            seen: VecDeque::new(),
            delay: Wander::new(rng(1), 0.2 * habits.delay_s, 1.0),
            aim: Wander::new(rng(2), habits.aim, 2.0),
            tremble: Wander::new(rng(3), habits.tremble, 0.12),
            jerk: None,
            hands: Hands::default(),
            last_s: None,
        }
    }

    /// The road that it drives on.
    #[must_use]
    pub fn track(&self) -> &Arc<Track> {
        &self.track
    }

    /// Shows it where the car is at `now_s` seconds; says what its hands do.
    pub fn step(&mut self, pose: &Pose, now_s: f64) -> Hands {
        let dt = self.last_s.map_or(0.0, |last_s| (now_s - last_s).clamp(0.0, MEMORY_S));
        self.last_s = Some(now_s);
        self.seen.push_back((now_s, *pose));
        while self.seen.front().is_some_and(|(at_s, _)| now_s - at_s > MEMORY_S) {
            self.seen.pop_front();
        }
        let delay_s = (self.habits.delay_s + self.delay.step(dt)).clamp(0.5 * self.habits.delay_s, MEMORY_S);
        let (seen_s, seen) = self.remembered(now_s - delay_s);
        // Nobody makes up for all of it.
        let believed = carried(&seen, 0.85 * (now_s - seen_s));
        let turn = self.steering(&believed, dt) + self.jerk(now_s, dt) + self.tremble.step(dt);
        let forward = self.throttle(&believed);
        self.move_hands(forward, turn, dt);
        self.hands
    }

    /// The newest pose that is old enough to have reached the hands.
    fn remembered(&self, until_s: f64) -> (f64, Pose) {
        let old = self.seen.iter().rev().find(|(at_s, _)| *at_s <= until_s).or(self.seen.front());
        old.copied().unwrap_or_default()
    }

    fn steering(&mut self, pose: &Pose, dt: f64) -> f64 {
        let (sin, cos) = pose.heading.sin_cos();
        let (x, y) = (pose.x - 0.5 * WHEELBASE * cos, pose.y - 0.5 * WHEELBASE * sin);
        let ahead = 0.55 + 0.3 * pose.speed.abs();
        let point = self.track.at(self.track.place(x, y).along + ahead);
        let error = self.aim.step(dt);
        let (dx, dy) = (point.x - error * point.sin - x, point.y + error * point.cos - y);
        let beside = dy * cos - dx * sin;
        car::turn_for(2.0 * beside / (dx * dx + dy * dy))
    }

    fn throttle(&self, pose: &Pose) -> f64 {
        let along = self.track.place(pose.x, pose.y).along;
        let bend = (0..8).map(|n| self.track.at(along + 0.2 * f64::from(n)).curvature.abs()).fold(0.0, f64::max);
        // Slower where it bends: from the full pace on the straight to four fifths in the sharpest bend.
        let wanted = self.habits.pace * (1.0 - 0.2 * (bend / crate::track::CURVATURE_MAX).min(1.0));
        let strength = if pose.speed_max > 0.0 { pose.speed_max / car::SPEED_MAX } else { 1.0 };
        (car::holding(wanted) + 0.25 * (wanted - pose.speed)) / strength
    }

    fn jerk(&mut self, now_s: f64, dt: f64) -> f64 {
        if self.jerk.is_none() && self.rng.f64() < self.habits.jerks / 60.0 * dt {
            let turn = chance::between(&mut self.rng, 0.15, 0.35) * if self.rng.bool() { 1.0 } else { -1.0 };
            self.jerk = Some(Jerk { until_s: now_s + chance::between(&mut self.rng, 0.15, 0.35), turn });
        }
        self.jerk = self.jerk.filter(|jerk| now_s < jerk.until_s);
        self.jerk.map_or(0.0, |jerk| jerk.turn)
    }

    /// A hand needs a moment, and moves at a bounded pace.
    fn move_hands(&mut self, forward: f64, turn: f64, dt: f64) {
        let towards = |from: f32, to: f64| {
            let step = (to.clamp(-1.0, 1.0) - f64::from(from)) * (1.0 - (-dt / 0.05).exp());
            from + step.clamp(-6.0 * dt, 6.0 * dt) as f32
        };
        self.hands = Hands { forward: towards(self.hands.forward, forward), turn: towards(self.hands.turn, turn) };
    }
}

/// Where a car will be if it goes on as it does.
fn carried(pose: &Pose, seconds: f64) -> Pose {
    let turned = pose.speed * pose.steering.tan() / WHEELBASE * seconds;
    let middle = pose.heading + 0.5 * turned;
    Pose {
        x: pose.x + pose.speed * seconds * middle.cos(),
        y: pose.y + pose.speed * seconds * middle.sin(),
        heading: chance::wrapped(pose.heading + turned),
        ..*pose
    }
}

#[cfg(test)]
mod tests;
