//! A car with two axles: steers with a servo's pace, speeds up and slows down as a small electric car. It knows no road.

use crate::chance;

/// Metres between the axles.
pub const WHEELBASE: f64 = 0.26;
/// Radians that the front wheels turn at most to a side.
pub const STEERING_MAX: f64 = 0.5;
/// Radians a second that the front wheels turn.
const STEERING_RATE: f64 = 4.0;
/// Metres a second at full ahead on the straight.
pub const SPEED_MAX: f64 = 5.0;
/// How the motor pushes at full, in metres a second squared.
const PUSH: f64 = 8.0;
/// Rolling friction and a motor that brakes when nothing is asked of it, in metres a second squared.
const FRICTION: f64 = 0.3;
/// How much drag grows with speed; so chosen that full ahead ends at [`SPEED_MAX`].
const DRAG: f64 = (PUSH - FRICTION) / SPEED_MAX;
/// What the tyres hold sideways, in metres a second squared.
const GRIP: f64 = 7.0;

/// Where a car is and how it moves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Car {
    /// Middle of the car, metres.
    pub x: f64,
    /// Middle of the car, metres.
    pub y: f64,
    /// Radians, anticlockwise from x.
    pub heading: f64,
    /// Metres a second along the nose.
    pub speed: f64,
    /// The front wheels' angle in radians, left positive.
    pub steering: f64,
    /// How strong it is: 1 for a top speed of [`SPEED_MAX`].
    pub strength: f64,
}

impl Car {
    /// A car at rest.
    #[must_use]
    pub fn new(x: f64, y: f64, heading: f64) -> Car {
        Car { x, y, heading, speed: 0.0, steering: 0.0, strength: 1.0 }
    }

    /// Drives for `dt` seconds (10 ms at most, for good arcs) with `forward` and `turn` as in `Drive`: -1 to 1, right positive.
    pub fn step(&mut self, forward: f64, turn: f64, dt: f64) {
        let wanted = -turn.clamp(-1.0, 1.0) * STEERING_MAX;
        self.steering += (wanted - self.steering).clamp(-STEERING_RATE * dt, STEERING_RATE * dt);
        self.push(forward.clamp(-1.0, 1.0), dt);
        let tan = self.steering.tan();
        let slip = (0.5 * tan).atan();
        let mut turning = self.speed * slip.cos() * tan / WHEELBASE;
        // Beyond their grip the tyres slide, and the curve is wider than steered.
        if (turning * self.speed).abs() > GRIP {
            turning = GRIP.copysign(turning) / self.speed.abs();
        }
        let middle = self.heading + slip + 0.5 * turning * dt;
        self.x += self.speed * middle.cos() * dt;
        self.y += self.speed * middle.sin() * dt;
        self.heading = chance::wrapped(self.heading + turning * dt);
    }

    fn push(&mut self, forward: f64, dt: f64) {
        self.speed += (forward * PUSH * self.strength - DRAG * self.speed) * dt;
        // Friction never turns the direction round: a car at rest stays at rest.
        self.speed = (self.speed.abs() - FRICTION * dt).max(0.0).copysign(self.speed);
    }
}

/// The `forward` that holds a speed on the straight, for a car of strength 1.
#[must_use]
pub fn holding(speed: f64) -> f64 {
    (DRAG * speed + FRICTION.copysign(speed)) / PUSH
}

/// The `turn` that drives a bend of this curvature (1/metres, left positive).
#[must_use]
pub fn turn_for(curvature: f64) -> f64 {
    -(curvature * WHEELBASE).atan() / STEERING_MAX
}

#[cfg(test)]
mod tests;
