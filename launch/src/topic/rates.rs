//! `topic hz`, `topic bw` and `topic delay`: a line of figures a second.
//! It never looks into a message.

use std::fmt::Display;

use offboard::{RawMessage, clock};
use serde::Serialize;

use super::{
    Eye, Line, find, follow,
    meter::{Meter, Seen},
};
use crate::{
    cli::RateArgs,
    control::TopicView,
    failure::Failure,
    print::{print, print_json},
};

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Hz,
    Bw,
    Delay,
}

/// `topic hz|bw|delay TOPIC`.
pub(super) fn rates(what: What, args: &RateArgs) -> Result<(), Failure> {
    let topic = find(&args.which.topic)?;
    let mut rates = Rates { topic: &topic.view, meter: Meter::new(args.window), what, json: args.json };
    follow(&topic, args.until, &mut rates)
}

struct Rates<'a> {
    topic: &'a TopicView,
    meter: Meter,
    what: What,
    json: bool,
}

impl Eye for Rates<'_> {
    fn see(&mut self, message: &RawMessage, age_ns: i64, _gaps: u64) -> Result<(), Failure> {
        let seen = Seen { at_ns: clock::monotonic_ns(), age_ns, bytes: message.payload.len() };
        self.meter.add(seen, message.header.incarnation);
        Ok(())
    }

    fn tick(&mut self, gaps: u64) -> Result<(), Failure> {
        let now = clock::monotonic_ns();
        match self.what {
            What::Hz => self.say(self.meter.figures(now, gaps)),
            What::Bw => self.say(self.meter.bandwidth(now)),
            What::Delay => self.say(self.meter.delay(now)),
        }
    }
}

impl Rates<'_> {
    fn say(&self, figures: impl Display + Serialize) -> Result<(), Failure> {
        let TopicView { graph, topic, .. } = self.topic;
        if self.json {
            return print_json(&Line { graph, topic, figures });
        }
        print(&format!("{topic}: {figures}\n"))
    }
}
