//! What a person's hands do with a gamepad: pick it up, press the dead-man button, drive, press what was planned, and hold the
//! sticks still while a model drives, for a stick that moves takes back. Pure: time and what is seen in, the gamepad's state out.

use std::sync::Arc;

use offboard::{DriveMode, Gamepad, Pose};
use offboard_sim::{
    Driver, Track,
    driver::{Habits, Hands},
};

use crate::params::{Press, Rest};

/// Nothing is held for so many seconds first: a pilot obeys only after it saw the dead-man button released.
const RELEASED_S: f64 = 0.4;
/// Then it is held with sticks at rest: a motor obeys only after it saw a neutral command.
const NEUTRAL_S: f64 = 0.8;
/// A car that does not move for so long although it should: let go and begin anew, as a person would.
const STUCK_S: f64 = 1.5;
/// Metres a second; slower is no motion.
const MOVING: f64 = 0.05;
/// Who has pressed a button holds the sticks still until it is seen what came of it.
const SETTLE_S: f64 = 0.15;
/// Off the road for so long under a model, a person who watches takes over.
const RESCUE_S: f64 = 0.5;

/// How a person drives, and what is planned.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) habits: Habits,
    /// The pilot's mapping, to be turned round.
    pub(crate) expo: f64,
    pub(crate) forward_limit: f64,
    pub(crate) turn_limit: f64,
    pub(crate) press: Vec<Press>,
    pub(crate) rest: Vec<Rest>,
    pub(crate) rescue: bool,
    /// Seconds.
    pub(crate) hand_back_s: Option<f64>,
}

/// A person with a gamepad.
#[derive(Debug)]
pub(crate) struct Person {
    plan: Plan,
    driver: Option<Driver>,
    /// When a car was first seen: planned times count from here.
    began_s: Option<f64>,
    /// When the pad was taken up, last.
    held_s: Option<f64>,
    stuck_s: Option<f64>,
    off_s: Option<f64>,
    rescuing: bool,
    /// Since when it drives although the model was to.
    taken_s: Option<f64>,
    /// Forward and turn sticks, as they were last.
    sticks: (f32, f32),
}

impl Person {
    pub(crate) fn new(plan: Plan) -> Person {
        Person {
            plan,
            driver: None,
            began_s: None,
            held_s: None,
            stuck_s: None,
            off_s: None,
            rescuing: false,
            taken_s: None,
            sticks: (0.0, 0.0),
        }
    }

    /// The gamepad at `now_s` seconds, for a car at this pose (none: nothing is seen) and a pilot in this mode.
    pub(crate) fn step(&mut self, now_s: f64, pose: Option<&Pose>, mode: DriveMode) -> Gamepad {
        let mut pad = Gamepad { connected: true, name: "scripted person".to_owned(), ..Gamepad::default() };
        let Some(pose) = pose else {
            (self.held_s, self.stuck_s, self.driver, self.sticks) = (None, None, None, (0.0, 0.0));
            return pad;
        };
        let began_s = *self.began_s.get_or_insert(now_s);
        let held_s = now_s - *self.held_s.get_or_insert(now_s);
        pad.right_bumper = held_s >= RELEASED_S;
        let pressing =
            self.press(now_s - began_s, &mut pad) | self.hand_back(now_s, now_s - began_s, pose, mode, &mut pad);
        let hands = self.drive(now_s, pose);
        let resting = self.plan.rest.iter().any(|rest| rest.contains(now_s - began_s));
        if held_s < NEUTRAL_S || resting {
            (self.stuck_s, self.sticks) = (None, (0.0, 0.0));
            return pad;
        }
        let watching = mode == DriveMode::Model && !self.must_rescue(now_s, pose);
        let Plan { expo, forward_limit, turn_limit, .. } = self.plan;
        if !(watching || pressing) {
            self.sticks.0 = stick(hands.forward, forward_limit, expo);
        }
        if !(watching || pressing || mode == DriveMode::Assist) {
            self.sticks.1 = stick(hands.turn, turn_limit, expo);
        }
        (pad.left_stick_y, pad.right_stick_x) = self.sticks;
        self.look_whether_stuck(now_s, pose, !watching);
        pad
    }

    /// Presses what is planned for so many seconds after the beginning; whether it was just now.
    fn press(&self, since_s: f64, pad: &mut Gamepad) -> bool {
        let mut pressing = false;
        for press in &self.plan.press {
            let (since_s, hold_s) = (since_s - press.at.0.as_secs_f64(), press.hold.0.as_secs_f64());
            pressing |= (0.0..hold_s + SETTLE_S).contains(&since_s);
            if (0.0..hold_s).contains(&since_s) {
                press.button.set(pad, true);
            }
        }
        pressing
    }

    /// Presses the first planned button again when it has driven for long enough what a model was to drive; whether it was just now.
    fn hand_back(&mut self, now_s: f64, since_s: f64, pose: &Pose, mode: DriveMode, pad: &mut Gamepad) -> bool {
        let (Some(after_s), Some(first)) = (self.plan.hand_back_s, self.plan.press.first()) else { return false };
        let (at_s, hold_s) = (first.at.0.as_secs_f64(), first.hold.0.as_secs_f64());
        let drives = mode == DriveMode::Human && !pose.off_track && since_s > at_s + hold_s + SETTLE_S;
        self.taken_s = if drives || self.taken_s.is_some_and(|taken_s| now_s - taken_s >= after_s) {
            self.taken_s.or(Some(now_s))
        } else {
            None
        };
        let over_s = self.taken_s.map_or(-1.0, |taken_s| now_s - taken_s - after_s);
        first.button.set(pad, first.button.get(pad) || (0.0..hold_s).contains(&over_s));
        if over_s >= hold_s + SETTLE_S {
            self.taken_s = None;
        }
        over_s >= 0.0
    }

    /// What the hands would do; they follow the road even while they do nothing, as eyes do.
    fn drive(&mut self, now_s: f64, pose: &Pose) -> Hands {
        let Plan { habits, seed, .. } = self.plan;
        let make = || Driver::new(Arc::new(Track::new(pose.track)), habits, seed);
        let driver = self.driver.take().filter(|driver| driver.track().seed() == pose.track);
        self.driver.insert(driver.unwrap_or_else(make)).step(pose, now_s)
    }

    fn must_rescue(&mut self, now_s: f64, pose: &Pose) -> bool {
        self.off_s = if pose.off_track { self.off_s.or(Some(now_s)) } else { None };
        let lost = self.off_s.is_some_and(|off_s| now_s - off_s > RESCUE_S);
        // Until it is back on the road, not only until the first wheel is.
        self.rescuing = self.plan.rescue && (lost || (self.rescuing && pose.off_track));
        self.rescuing
    }

    fn look_whether_stuck(&mut self, now_s: f64, pose: &Pose, driving: bool) {
        let stuck = driving && self.sticks.0.abs() > 0.2 && pose.speed.abs() < MOVING;
        self.stuck_s = if stuck { self.stuck_s.or(Some(now_s)) } else { None };
        if self.stuck_s.is_some_and(|stuck_s| now_s - stuck_s > STUCK_S) {
            (self.held_s, self.stuck_s) = (None, None);
        }
    }
}

/// Where a stick must be so that a pilot with this limit and expo commands `value`: its curve, (1 - e) x + e x³, turned round.
fn stick(value: f32, limit: f64, expo: f64) -> f32 {
    let wanted = if limit > 0.0 { (f64::from(value) / limit).clamp(-1.0, 1.0) } else { 0.0 };
    let (mut low, mut high) = (-1.0, 1.0);
    // The curve rises everywhere; thirty halvings are finer than an f32.
    for _ in 0..30 {
        let middle: f64 = 0.5 * (low + high);
        if (1.0 - expo) * middle + expo * middle.powi(3) < wanted { low = middle } else { high = middle }
    }
    (0.5 * (low + high)) as f32
}

#[cfg(test)]
mod tests {
    use offboard_sim::World;
    use serde_json::json;

    use super::*;
    use crate::params::Params;

    /// A person who sees a car at rest, in steps of 20 ms.
    struct Scene {
        person: Person,
        pose: Pose,
        now_s: f64,
    }

    impl Scene {
        fn new(params: serde_json::Value) -> Scene {
            let params: Params = serde_json::from_value(params).unwrap();
            let mut pose = World::new(Arc::new(Track::new(1)), None).pose();
            pose.speed = 2.0;
            Scene { person: Person::new(params.settings().unwrap()), pose, now_s: 1e9 }
        }

        /// The gamepad so many seconds later.
        fn after(&mut self, seconds: f64, mode: DriveMode) -> Gamepad {
            let mut pad = Gamepad::default();
            for _ in 0..(seconds / 0.02).round() as u32 {
                self.now_s += 0.02;
                pad = self.person.step(self.now_s, Some(&self.pose), mode);
            }
            pad
        }
    }

    #[test]
    fn the_dead_man_is_seen_released_then_held_at_rest_then_the_sticks_move() {
        let mut scene = Scene::new(json!({}));
        let pad = scene.after(0.2, DriveMode::Human);
        assert!(pad.connected && !pad.right_bumper);
        let pad = scene.after(0.5, DriveMode::Human);
        assert!(pad.right_bumper && pad.left_stick_y == 0.0);
        let pad = scene.after(1.0, DriveMode::Human);
        assert!(pad.right_bumper && pad.left_stick_y > 0.2, "{pad:?}");
    }

    #[test]
    fn who_sees_nothing_lets_go_and_begins_anew() {
        let mut scene = Scene::new(json!({}));
        scene.after(2.0, DriveMode::Human);
        let pad = scene.person.step(scene.now_s, None, DriveMode::Human);
        assert!(pad.connected && !pad.right_bumper && pad.left_stick_y == 0.0);
        assert!(!scene.after(0.2, DriveMode::Human).right_bumper);
    }

    #[test]
    fn a_car_that_does_not_move_is_begun_anew_with() {
        let mut scene = Scene::new(json!({}));
        scene.pose.speed = 0.0;
        let released = (0..200).map(|_| scene.after(0.02, DriveMode::Human)).filter(|pad| !pad.right_bumper).count();
        assert!((30..60).contains(&released), "released for {released} of 200 steps");
    }

    #[test]
    fn buttons_are_pressed_when_planned_and_sticks_rest_when_planned() {
        let mut scene = Scene::new(json!({
            "press": [{ "button": "west", "at": "2s", "hold": "200ms" }],
            "rest": [{ "from": "3s", "to": "4s" }],
        }));
        assert!(!scene.after(1.9, DriveMode::Human).west);
        assert!(scene.after(0.2, DriveMode::Human).west);
        assert!(!scene.after(0.3, DriveMode::Human).west);
        let pad = scene.after(1.0, DriveMode::Human);
        assert!(pad.right_bumper && pad.left_stick_y == 0.0, "{pad:?}");
        assert!(scene.after(1.5, DriveMode::Human).left_stick_y > 0.2);
    }

    #[test]
    fn the_sticks_are_held_still_while_a_model_drives_until_it_must_be_rescued() {
        let mut scene = Scene::new(json!({ "rescue": true }));
        scene.after(2.0, DriveMode::Human);
        let before = scene.after(0.02, DriveMode::Human);
        assert_eq!(scene.after(1.0, DriveMode::Model), before, "as still as they were");
        scene.pose.speed = 2.2;
        let assisting = scene.after(0.5, DriveMode::Assist);
        assert_eq!(assisting.right_stick_x, before.right_stick_x);
        assert_ne!(assisting.left_stick_y, before.left_stick_y);
        (scene.pose.off_track, scene.pose.speed) = (true, 2.4);
        assert_eq!(scene.after(0.3, DriveMode::Model), assisting);
        assert_ne!(scene.after(0.5, DriveMode::Model), assisting, "that is enough");
    }

    #[test]
    fn who_took_back_hands_back_after_a_while_on_the_road() {
        let press = json!([{ "button": "north", "at": "2s" }]);
        let mut scene = Scene::new(json!({ "press": press, "rescue": true, "hand_back": "1s" }));
        scene.after(2.5, DriveMode::Human);
        assert!(!scene.after(0.5, DriveMode::Model).north);
        let mut presses =
            |seconds: f64, mode| (0..(seconds / 0.02) as u32).filter(|_| scene.after(0.02, mode).north).count();
        assert_eq!(presses(0.9, DriveMode::Human), 0);
        assert!((13..=16).contains(&presses(0.6, DriveMode::Human)), "once, for 300 ms");
        assert_eq!(presses(5.0, DriveMode::Model), 0);
        scene.pose.off_track = true;
        let north = (0..100).any(|_| scene.after(0.02, DriveMode::Human).north);
        assert!(!north, "not off the road");
    }

    #[test]
    fn a_pilots_curve_turned_round_gives_the_command_that_was_meant() {
        for (expo, limit) in [(0.0, 1.0), (0.3, 0.5), (1.0, 1.0), (0.7, 0.25)] {
            for value in [-1.0_f32, -0.2, 0.0, 0.01, 0.1, 0.24] {
                let x = f64::from(stick(value, limit, expo));
                let said = ((1.0 - expo) * x + expo * x.powi(3)) * limit;
                let meant = f64::from(value).clamp(-limit, limit);
                assert!((said - meant).abs() < 1e-3, "{value} at {expo} {limit}: {said}");
            }
        }
    }
}
