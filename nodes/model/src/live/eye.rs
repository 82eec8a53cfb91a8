//! Looks at pictures as they come: what they are, how often they come, and whether the camera still sees. Pure.
//! It never takes a picture twice, and never trusts one that stays the same while the robot moves.

use std::time::Duration;

use offboard::{Header, Period, RawMessage};

use crate::pictures::{
    decode::Picture,
    label::{Median, RECENT},
    source::Seen,
};

/// Before so many pictures the rate is not known.
const RATE_AFTER: usize = 20;

/// Why there is nothing to predict from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Blind {
    /// What came is no picture.
    Broken(String),
    /// Its stamp is not newer than the last one's.
    Repeated,
    /// The same picture keeps coming while the robot moves.
    Frozen(Duration),
}

impl std::fmt::Display for Blind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Blind::Broken(why) => write!(f, "no picture: {why}"),
            Blind::Repeated => {
                f.write_str("the stamps of the pictures stand still: the camera hangs or repeats itself")
            }
            Blind::Frozen(since) => {
                let since = Period(Duration::from_millis(since.as_millis() as u64));
                write!(f, "the same picture for {since} while the robot moves: the camera is frozen")
            }
        }
    }
}

/// Looks at pictures one after the other.
#[derive(Debug)]
pub(crate) struct Eye {
    limit: Duration,
    last: Option<Header>,
    /// The first and the newest stamp of those that came behind the last one's.
    behind: Option<(i64, i64)>,
    picture: Option<Picture>,
    seen: Seen,
    gaps: Median,
    still_ns: i64,
    frozen: bool,
}

impl Eye {
    /// The same picture for longer than `limit` while the robot moves is a frozen camera.
    pub(crate) fn new(limit: Duration) -> Eye {
        let gaps = Median::new(RECENT);
        Eye { limit, last: None, behind: None, picture: None, seen: Seen::default(), gaps, still_ns: 0, frozen: false }
    }

    /// What comes, so far.
    pub(crate) fn seen(&self) -> &Seen {
        &self.seen
    }

    /// Looks at a message; `moving`: the robot has been commanded to move long enough to see it.
    pub(crate) fn look(&mut self, message: &RawMessage, moving: bool) -> Result<&Picture, Blind> {
        if self.has_jumped(&message.header) {
            (self.last, self.behind) = (None, None);
        }
        let before = self.last.clone().filter(|last| last.incarnation == message.header.incarnation);
        let passed_ns = before.as_ref().map(|last| message.header.stamp_ns.saturating_sub(last.stamp_ns));
        if passed_ns.is_some_and(|passed| passed <= 0) {
            return Err(Blind::Repeated);
        }
        let kind = &message.header.r#type;
        let picture = Picture::of(kind, &message.payload).map_err(Blind::Broken)?;
        if let (Some(last), Some(passed_ns)) = (&before, passed_ns) {
            let count = i64::try_from(message.header.seq.saturating_sub(last.seq).max(1)).unwrap_or(1);
            self.gaps.push(passed_ns / count);
        }
        let same = self.picture.as_ref().is_some_and(|last| *last == picture);
        self.judge(same, moving, passed_ns.unwrap_or(0));
        if !same {
            self.seen = Seen { kind: kind.clone(), width: picture.width, height: picture.height, rate: None };
        }
        let known = (self.gaps.len() >= RATE_AFTER).then(|| self.gaps.share(50)).flatten();
        self.seen.rate = known.map(|gap| 1e9 / gap.max(1) as f64);
        (self.last, self.behind) = (Some(message.header.clone()), None);
        if self.frozen {
            return Err(Blind::Frozen(Duration::from_nanos(self.still_ns.unsigned_abs())));
        }
        Ok(self.picture.insert(picture))
    }

    /// Whether the camera's clock went back: stamps behind the last one's, but of a camera that goes on for longer than the limit.
    fn has_jumped(&mut self, header: &Header) -> bool {
        let stamp_ns = header.stamp_ns;
        if self.last.as_ref().is_none_or(|last| stamp_ns >= last.stamp_ns) {
            return false;
        }
        let goes_on = self.behind.filter(|(_, newest)| stamp_ns > *newest);
        let first = goes_on.map_or(stamp_ns, |(first, _)| first);
        self.behind = Some((first, stamp_ns));
        u128::from(stamp_ns.abs_diff(first)) > self.limit.as_nanos()
    }

    fn judge(&mut self, same: bool, moving: bool, passed_ns: i64) {
        if !same {
            (self.still_ns, self.frozen) = (0, false);
        } else if moving || self.frozen {
            // Once frozen, standing still proves nothing any more: only another picture does.
            self.still_ns = self.still_ns.saturating_add(passed_ns);
            self.frozen |= u128::from(self.still_ns.unsigned_abs()) > self.limit.as_nanos();
        } else {
            self.still_ns = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use offboard::{Name, RawImage};
    use prost::Message as _;

    use super::*;

    fn message(seq: u64, stamp_ms: i64, grey: u8) -> RawMessage {
        let data = vec![grey; 4].into();
        let image = RawImage { width: 2, height: 2, step: 2, encoding: "mono8".into(), data, ..RawImage::default() };
        let header = Header { seq, stamp_ns: stamp_ms * 1_000_000, r#type: RawImage::full_name(), ..Header::default() };
        RawMessage { topic: "camera/frames".into(), header, payload: image.encode_to_vec().into(), received_ns: 0 }
    }

    #[test]
    fn the_rate_is_the_cameras_also_where_pictures_are_skipped() {
        let mut eye = Eye::new(Duration::from_millis(250));
        for i in 1..=40_u64 {
            eye.look(&message(i * 3, i as i64 * 100, i as u8), true).unwrap();
        }
        let rate = eye.seen().rate.unwrap();
        assert!((rate - 30.0).abs() < 0.1, "{rate}");
        assert_eq!((eye.seen().width, eye.seen().kind.as_str()), (2, "offboard.v1.RawImage"));
    }

    #[test]
    fn a_robot_that_stands_still_sees_the_same_for_long() {
        let mut eye = Eye::new(Duration::from_millis(250));
        assert!((1..100).all(|i| eye.look(&message(i, i as i64 * 33, 7), false).is_ok()));
    }

    #[test]
    fn the_same_picture_while_moving_is_a_frozen_camera_until_another_comes() {
        let mut eye = Eye::new(Duration::from_millis(250));
        let refused = (1..20).find(|i| eye.look(&message(*i, *i as i64 * 33, 7), true).is_err());
        assert_eq!(refused, Some(9), "after 264 ms");
        assert!(eye.look(&message(20, 660, 7), false).is_err(), "standing still proves nothing");
        let said = eye.look(&message(21, 700, 7), false).unwrap_err().to_string();
        assert_eq!(said, "the same picture for 667ms while the robot moves: the camera is frozen");
        assert!(eye.look(&message(22, 733, 8), true).is_ok());
    }

    #[test]
    fn a_picture_with_an_old_stamp_is_not_taken_twice() {
        let mut eye = Eye::new(Duration::from_millis(250));
        eye.look(&message(1, 100, 1), true).unwrap();
        assert_eq!(eye.look(&message(2, 100, 2), true).unwrap_err(), Blind::Repeated);
        assert_eq!(eye.look(&message(3, 90, 2), true).unwrap_err(), Blind::Repeated);
        assert!(eye.look(&message(4, 101, 2), true).is_ok());
    }

    #[test]
    fn after_one_stamp_that_was_far_ahead_a_camera_that_goes_on_is_believed_again() {
        let mut eye = Eye::new(Duration::from_millis(250));
        eye.look(&message(1, 100, 1), true).unwrap();
        eye.look(&message(2, 3_600_000, 2), true).unwrap();
        let taken = (3..40).find(|i| eye.look(&message(*i, *i as i64 * 33, *i as u8), true).is_ok());
        assert_eq!(taken, Some(11), "after 264 ms");
        assert!(eye.look(&message(12, 396, 12), true).is_ok());
        assert!((13..60).all(|i| eye.look(&message(i, 200, i as u8), true).is_err()), "one that hangs never is");
    }

    #[test]
    fn what_is_no_picture_is_said_in_a_line() {
        let mut eye = Eye::new(Duration::from_millis(250));
        let mut wrong = message(1, 100, 1);
        wrong.header.r#type = "offboard.v1.Array".into();
        assert_eq!(eye.look(&wrong, true).unwrap_err().to_string(), "no picture: offboard.v1.Array is no picture");
    }
}
