//! A closed road from a seed: smooth, never crossing itself, never tighter than a car can turn.
//!
//! A circle whose radius swells and shrinks with a few random waves, made as wild as its sharpest bend allows, then scaled to a
//! length. It never draws: see [`render`](crate::render).

use std::f64::consts::TAU;

use crate::chance;

/// Half of the road's width, in metres.
pub const HALF_WIDTH: f64 = 0.45;

/// The sharpest bend that any track has, in 1/metres.
pub const CURVATURE_MAX: f64 = 0.62;

/// Metres between two points of the middle line.
const STEP: f64 = 0.05;

/// Edge of a cell of the map, in metres.
const CELL: f64 = 0.025;

/// How far from the middle line the map reaches, in metres: the road and its verge.
const REACH: f64 = HALF_WIDTH + 0.5;

/// Least distance of the middle lines of two stretches that pass each other: two roads and grass between.
const CLEARANCE: f64 = 2.0 * HALF_WIDTH + 0.6;

/// A cell of the map without a road near.
const NOWHERE: u16 = u16::MAX;

/// A point of the middle line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Metres.
    pub x: f64,
    /// Metres.
    pub y: f64,
    /// Direction of travel in radians, anticlockwise from x.
    pub heading: f64,
    /// Radians a metre, left positive.
    pub curvature: f64,
    pub(crate) cos: f64,
    pub(crate) sin: f64,
}

/// Where something is, seen from the road.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Place {
    /// Metres from the start along the middle line, 0 to the track's length.
    pub along: f64,
    /// Metres from the middle line, left positive.
    pub offset: f64,
    /// The road's heading there, in radians.
    pub heading: f64,
    /// The road's curvature there, left positive.
    pub curvature: f64,
}

/// A closed road.
#[derive(Debug, Clone)]
pub struct Track {
    seed: u64,
    length: f64,
    points: Vec<Point>,
    map: Map,
}

/// For each cell near the road the nearest point of the middle line, so that a pixel costs one look.
#[derive(Debug, Clone)]
struct Map {
    x: f64,
    y: f64,
    columns: usize,
    rows: usize,
    nearest: Vec<u16>,
}

impl Track {
    /// The road of this seed; some clockwise, some anticlockwise, 40 to 54 m long.
    #[must_use]
    pub fn new(seed: u64) -> Track {
        let mut rng = chance::of(seed, 1);
        let length = chance::between(&mut rng, 40.0, 54.0);
        let sharpest = chance::between(&mut rng, 0.75 * CURVATURE_MAX, 0.97 * CURVATURE_MAX);
        let waves = Waves::draw(&mut rng);
        let clockwise = rng.bool();
        let mut wildness = waves.wildness(length, sharpest);
        loop {
            let points = points(&waves.outline(wildness, length), length, clockwise);
            // A circle is clear of itself, so this ends.
            if is_clear(&points) {
                let map = Map::of(&points);
                return Track { seed, length, points, map };
            }
            wildness *= 0.9;
        }
    }

    /// What it was made from.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Metres around.
    #[must_use]
    pub fn length(&self) -> f64 {
        self.length
    }

    /// Points of the middle line, evenly spaced, about 5 cm apart; the last is followed by the first.
    #[must_use]
    pub fn points(&self) -> &[Point] {
        &self.points
    }

    /// The middle line so far from the start, any number of laps on.
    #[must_use]
    pub fn at(&self, along: f64) -> Point {
        let count = self.points.len();
        let place = (along / self.length).rem_euclid(1.0) * count as f64;
        let (index, rest) = (place as usize % count, place.fract());
        let (a, b) = (self.points[index], self.points[(index + 1) % count]);
        let heading = a.heading + rest * chance::wrapped(b.heading - a.heading);
        Point {
            x: a.x + rest * (b.x - a.x),
            y: a.y + rest * (b.y - a.y),
            heading: chance::wrapped(heading),
            curvature: a.curvature + rest * (b.curvature - a.curvature),
            cos: heading.cos(),
            sin: heading.sin(),
        }
    }

    /// Where (`x`, `y`) is, seen from the nearest piece of road.
    #[must_use]
    pub fn place(&self, x: f64, y: f64) -> Place {
        let index = self.map.nearest(x, y).unwrap_or_else(|| self.search(x, y));
        let (along, offset) = self.seen_from(index, x, y);
        let point = self.at(along);
        Place { along, offset, heading: point.heading, curvature: point.curvature }
    }

    /// Along and offset where a road is near, for the camera.
    pub(crate) fn near(&self, x: f64, y: f64) -> Option<(&Point, f64, f64)> {
        let index = self.map.nearest(x, y)?;
        let (along, offset) = self.seen_from(index, x, y);
        Some((&self.points[index], along, offset))
    }

    fn seen_from(&self, index: usize, x: f64, y: f64) -> (f64, f64) {
        let point = &self.points[index];
        let (dx, dy) = (x - point.x, y - point.y);
        // The next point is nearer beyond that, but for what is far from any road.
        let ahead = (dx * point.cos + dy * point.sin).clamp(-STEP, STEP);
        let offset = dy * point.cos - dx * point.sin - 0.5 * point.curvature * ahead * ahead;
        let along = index as f64 * self.length / self.points.len() as f64 + ahead;
        (along.rem_euclid(self.length), offset)
    }

    fn search(&self, x: f64, y: f64) -> usize {
        let far = |point: &Point| (point.x - x).powi(2) + (point.y - y).powi(2);
        let nearest = self.points.iter().enumerate().min_by(|(_, a), (_, b)| far(a).total_cmp(&far(b)));
        nearest.map_or(0, |(index, _)| index)
    }
}

/// The waves on the circle: number, share and phase of each.
struct Waves([(f64, f64, f64); 5]);

impl Waves {
    fn draw(rng: &mut fastrand::Rng) -> Waves {
        Waves([2.0, 3.0, 4.0, 5.0, 6.0].map(|number: f64| {
            (number, chance::between(rng, 0.25, 1.0) / number.powf(1.3), chance::between(rng, 0.0, TAU))
        }))
    }

    /// Radius and its first two derivatives.
    fn radius(&self, wildness: f64, angle: f64) -> (f64, f64, f64) {
        self.0.iter().fold((1.0, 0.0, 0.0), |(r, r1, r2), (number, share, phase)| {
            let (sin, cos) = (number * angle + phase).sin_cos();
            let height = wildness * share;
            (r + height * cos, r1 - height * number * sin, r2 - height * number * number * cos)
        })
    }

    /// How wild the waves may be so that the sharpest bend of a track of this length is `sharpest`.
    fn wildness(&self, length: f64, sharpest: f64) -> f64 {
        let (mut calm, mut wild) = (0.0, 1.0);
        // To a part in a million; more would not be seen.
        for _ in 0..20 {
            let middle = 0.5 * (calm + wild);
            let fits = self.sharpest(middle).is_some_and(|(around, bend)| bend * around / length <= sharpest);
            if fits { calm = middle } else { wild = middle }
        }
        calm
    }

    /// Length around and sharpest bend of the unscaled outline; none where its radius is too small anywhere.
    fn sharpest(&self, wildness: f64) -> Option<(f64, f64)> {
        const PARTS: usize = 720;
        let mut around = 0.0;
        let mut sharpest = 0.0_f64;
        for part in 0..PARTS {
            let (r, r1, r2) = self.radius(wildness, part as f64 * TAU / PARTS as f64);
            if r < 0.2 {
                return None;
            }
            let speed = r * r + r1 * r1;
            around += speed.sqrt() * TAU / PARTS as f64;
            sharpest = sharpest.max(((speed + r1 * r1 - r * r2) / speed.powf(1.5)).abs());
        }
        Some((around, sharpest))
    }

    /// The outline as a fine polygon of this length.
    fn outline(&self, wildness: f64, length: f64) -> Vec<(f64, f64)> {
        const PARTS: usize = 7200;
        let around = self.sharpest(wildness).map_or(TAU, |(around, _)| around);
        let corner = |part: usize| {
            let angle = part as f64 * TAU / PARTS as f64;
            let r = self.radius(wildness, angle).0 * length / around;
            (r * angle.cos(), r * angle.sin())
        };
        (0..PARTS).map(corner).collect()
    }
}

/// Evenly spaced points along a closed polygon, with their heading and curvature.
fn points(outline: &[(f64, f64)], length: f64, clockwise: bool) -> Vec<Point> {
    let outline: Vec<(f64, f64)> = if clockwise { outline.iter().rev().copied().collect() } else { outline.to_vec() };
    let count = (length / STEP).round() as usize;
    let sides = outline.iter().zip(outline.iter().cycle().skip(1)).map(|(a, b)| (b.0 - a.0).hypot(b.1 - a.1));
    let step = sides.sum::<f64>() / count as f64;
    let mut even = Vec::with_capacity(count);
    let mut walked = 0.0;
    for (a, b) in outline.iter().zip(outline.iter().cycle().skip(1)) {
        let side = (b.0 - a.0).hypot(b.1 - a.1);
        while even.len() < count && even.len() as f64 * step <= walked + side {
            let rest = (even.len() as f64 * step - walked) / side;
            even.push((a.0 + rest * (b.0 - a.0), a.1 + rest * (b.1 - a.1)));
        }
        walked += side;
    }
    bent(&even, step)
}

fn bent(even: &[(f64, f64)], step: f64) -> Vec<Point> {
    let count = even.len();
    let heading = |from: usize, to: usize| {
        let (a, b) = (even[from % count], even[to % count]);
        (b.1 - a.1).atan2(b.0 - a.0)
    };
    let point = |index: usize| {
        let direction = heading(index + count - 1, index + 1);
        // Over ten steps: the polygon's corners must not show.
        let turned = chance::wrapped(heading(index, index + 5) - heading(index + count - 5, index));
        let (sin, cos) = direction.sin_cos();
        Point { x: even[index].0, y: even[index].1, heading: direction, curvature: turned / (5.0 * step), cos, sin }
    };
    (0..count).map(point).collect()
}

/// Whether no stretch of road comes near another.
fn is_clear(points: &[Point]) -> bool {
    const EVERY: usize = 5;
    let apart = (2.0 * CLEARANCE / STEP) as usize;
    let coarse = || points.iter().enumerate().step_by(EVERY);
    coarse().all(|(i, a)| {
        coarse().all(|(j, b)| {
            let between = i.abs_diff(j);
            between.min(points.len() - between) < apart || (a.x - b.x).hypot(a.y - b.y) > CLEARANCE
        })
    })
}

impl Map {
    fn of(points: &[Point]) -> Map {
        let least = |value: fn(&Point) -> f64| points.iter().map(value).fold(f64::INFINITY, f64::min) - REACH;
        let most = |value: fn(&Point) -> f64| points.iter().map(value).fold(f64::NEG_INFINITY, f64::max) + REACH;
        let (x, y) = (least(|point| point.x), least(|point| point.y));
        let columns = ((most(|point| point.x) - x) / CELL).ceil() as usize + 1;
        let rows = ((most(|point| point.y) - y) / CELL).ceil() as usize + 1;
        let mut map = Map { x, y, columns, rows, nearest: vec![NOWHERE; columns * rows] };
        let mut distance = vec![(REACH * REACH) as f32; columns * rows];
        for (index, point) in (0..NOWHERE).zip(points) {
            map.paint(index, point, &mut distance);
        }
        map
    }

    /// Claims the cells that are nearer to this point than to those before.
    fn paint(&mut self, index: u16, point: &Point, distance: &mut [f32]) {
        let cells = |from: f64| ((from - REACH) / CELL).max(0.0) as usize..=((from + REACH) / CELL) as usize;
        for row in cells(point.y - self.y).take_while(|row| *row < self.rows) {
            let dy = self.y + (row as f64 + 0.5) * CELL - point.y;
            for column in cells(point.x - self.x).take_while(|column| *column < self.columns) {
                let dx = self.x + (column as f64 + 0.5) * CELL - point.x;
                let (cell, far) = (row * self.columns + column, (dx * dx + dy * dy) as f32);
                if far < distance[cell] {
                    distance[cell] = far;
                    self.nearest[cell] = index;
                }
            }
        }
    }

    fn nearest(&self, x: f64, y: f64) -> Option<usize> {
        let (column, row) = ((x - self.x) / CELL, (y - self.y) / CELL);
        // NaN is nowhere.
        if !(column >= 0.0 && row >= 0.0 && column < self.columns as f64 && row < self.rows as f64) {
            return None;
        }
        let index = self.nearest[row as usize * self.columns + column as usize];
        (index != NOWHERE).then_some(usize::from(index))
    }
}

#[cfg(test)]
mod tests;
