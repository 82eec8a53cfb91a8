//! `topic list`, `topic echo` and `topic hz`: looking at what a running graph says, at the taps.
//! It never slows a publisher: a tap that is not read loses messages, nobody else does.

use std::{future::Future, pin::pin, time::Duration};

use offboard::{RawMessage, RawSubscriber, clock};
use serde::Serialize;
use tokio::{
    runtime::Builder,
    time::{Instant, MissedTickBehavior, interval_at, sleep},
};

use self::{decode::Decoder, meter::Meter};
use crate::{
    client::some_running,
    control::TopicView,
    draw::short,
    failure::Failure,
    print::{print, print_json},
    supervisor::code,
    words::{did_you_mean, escape, table},
};

mod decode;
mod meter;

/// How often `hz` says something.
const EVERY: Duration = Duration::from_secs(1);

/// Until somebody ends it.
const FOR_EVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// How to look at a topic.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Looking {
    /// End after so many messages.
    pub(crate) count: Option<u64>,
    /// End after so long.
    pub(crate) within: Option<Duration>,
    /// One JSON object a line.
    pub(crate) json: bool,
}

/// `topic list`.
pub(crate) fn list(json: bool) -> Result<(), Failure> {
    let topics: Vec<TopicView> = all()?.into_iter().map(|(topic, _)| topic).collect();
    if json {
        return topics.iter().try_for_each(print_json);
    }
    let row = |topic: &TopicView| vec![topic.graph.clone(), topic.topic.clone(), short(&topic.r#type).to_owned()];
    print(&table(&["GRAPH", "TOPIC", "TYPE"], &topics.iter().map(row).collect::<Vec<_>>()))
}

/// `topic echo TOPIC`.
pub(crate) fn echo(written: &str, how: Looking) -> Result<(), Failure> {
    let (topic, offset) = find(written)?;
    let decoder = Decoder::new()?;
    block_on(
        async {
            let mut from = RawSubscriber::connect(&topic.tap, &topic.topic);
            let mut left = how.count.unwrap_or(u64::MAX);
            while left > 0 {
                let Some(message) = from.next().await.map_err(failed)? else { break };
                show(&message, offset, &decoder, how.json)?;
                left -= 1;
            }
            Ok(())
        },
        how.within,
    )
}

/// `topic hz TOPIC`; `window`: over how many messages.
pub(crate) fn hz(written: &str, window: usize, how: Looking) -> Result<(), Failure> {
    let (topic, offset) = find(written)?;
    let mut meter = Meter::new(window);
    block_on(measure(&topic, offset, &mut meter, how), None)
}

async fn measure(topic: &TopicView, offset_ns: i64, meter: &mut Meter, how: Looking) -> Result<(), Failure> {
    let mut from = RawSubscriber::connect(&topic.tap, &topic.topic);
    let mut tick = interval_at(Instant::now() + EVERY, EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut enough = pin!(sleep(how.within.unwrap_or(FOR_EVER)));
    let mut left = how.count.unwrap_or(u64::MAX);
    while left > 0 {
        tokio::select! {
            biased;
            () = &mut enough => break,
            _ = tick.tick() => report(topic, meter, from.gaps(), how.json)?,
            message = from.next() => {
                let Some(message) = message.map_err(failed)? else { break };
                let now = clock::monotonic_ns();
                meter.add(now, now + offset_ns - message.header.stamp_ns, message.header.incarnation);
                left -= 1;
            }
        }
    }
    // However it ends, the last word is about all of it.
    report(topic, meter, from.gaps(), how.json)
}

fn report(topic: &TopicView, meter: &Meter, gaps: u64, json: bool) -> Result<(), Failure> {
    let figures = meter.figures(clock::monotonic_ns(), gaps);
    if json {
        #[derive(Serialize)]
        struct Line<'a> {
            graph: &'a str,
            topic: &'a str,
            #[serde(flatten)]
            figures: meter::Figures,
        }
        return print_json(&Line { graph: &topic.graph, topic: &topic.topic, figures });
    }
    print(&format!("{}: {figures}\n", topic.topic))
}

#[derive(Serialize)]
struct Echo<'a> {
    topic: &'a str,
    r#type: &'a str,
    origin: &'a str,
    seq: u64,
    incarnation: u64,
    stamp_ns: i64,
    sent_ns: i64,
    age_ms: f64,
    no_data: bool,
    message: serde_json::Value,
}

fn show(message: &RawMessage, offset_ns: i64, decoder: &Decoder, json: bool) -> Result<(), Failure> {
    let header = &message.header;
    let age_ms = (clock::monotonic_ns() + offset_ns - header.stamp_ns) as f64 / 1e6;
    let body = decoder.json(&header.r#type, &message.payload);
    if json {
        return print_json(&Echo {
            topic: &message.topic,
            r#type: &header.r#type,
            origin: &header.origin,
            seq: header.seq,
            incarnation: header.incarnation,
            stamp_ns: header.stamp_ns,
            sent_ns: header.sent_ns,
            age_ms,
            no_data: message.is_no_data(),
            message: body,
        });
    }
    let kind = escape(short(&header.r#type));
    let nothing = if message.is_no_data() { " no data" } else { "" };
    print(&format!("#{} {age_ms:.1} ms {kind}{nothing} {}\n", header.seq, escape(&body.to_string())))
}

fn all() -> Result<Vec<(TopicView, i64)>, Failure> {
    let mut all = Vec::new();
    for mut client in some_running()? {
        let (topics, offset) = client.topics()?;
        all.extend(topics.into_iter().map(|topic| (topic, offset)));
    }
    Ok(all)
}

/// Finds `TOPIC`, or `GRAPH:TOPIC` where several graphs have one of that name.
fn find(written: &str) -> Result<(TopicView, i64), Failure> {
    choose(written, all()?).map_err(|why| Failure::new(code::NOT_RUNNING, why))
}

fn choose(written: &str, all: Vec<(TopicView, i64)>) -> Result<(TopicView, i64), String> {
    let full = |topic: &TopicView| format!("{}:{}", topic.graph, topic.topic);
    // Where it is made comes before where a peer hears it.
    let own = all.iter().find(|(topic, _)| full(topic) == written);
    let named: Vec<&(TopicView, i64)> = all.iter().filter(|(topic, _)| topic.topic == written).collect();
    match (own, named.as_slice()) {
        (Some(found), _) => Ok(found.clone()),
        (None, [found]) => Ok((*found).clone()),
        (None, []) => {
            let near = did_you_mean(written, all.iter().map(|(topic, _)| topic.topic.as_str()));
            Err(format!("there is no topic {written}{near}\n  `launch topic list` shows all"))
        }
        (None, several) => {
            let names: Vec<String> = several.iter().map(|(topic, _)| full(topic)).collect();
            Err(format!("{written} may be {}: say which", names.join(" or ")))
        }
    }
}

fn failed(error: offboard::Error) -> Failure {
    Failure::new(code::OTHER, error)
}

fn block_on(work: impl Future<Output = Result<(), Failure>>, within: Option<Duration>) -> Result<(), Failure> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        match within {
            None => work.await,
            Some(within) => tokio::select! {
                ended = work => ended,
                () = sleep(within) => Ok(()),
            },
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_found_where_it_is_made() {
        let topic = |graph: &str, topic: &str| {
            (
                TopicView {
                    graph: graph.into(),
                    topic: topic.into(),
                    r#type: "*".into(),
                    tap: format!("{graph}/{topic}"),
                    publisher: "a".into(),
                    listeners: Vec::new(),
                },
                0,
            )
        };
        let all = || {
            vec![
                topic("desktop", "robot:camera/frames"),
                topic("robot", "camera/frames"),
                topic("robot", "a/b"),
                topic("desktop", "a/b"),
            ]
        };
        let tap = |written| choose(written, all()).map(|(topic, _)| topic.tap);
        assert_eq!(tap("camera/frames"), Ok("robot/camera/frames".into()));
        assert_eq!(tap("robot:camera/frames"), Ok("robot/camera/frames".into()));
        assert_eq!(tap("desktop:robot:camera/frames"), Ok("desktop/robot:camera/frames".into()));
        assert_eq!(tap("a/b"), Err("a/b may be robot:a/b or desktop:a/b: say which".into()));
        assert!(tap("camera/frame").unwrap_err().contains("did you mean camera/frames?"));
    }
}
