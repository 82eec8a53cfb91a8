//! `record`: the program `recorder`, listening at the taps of running graphs. It never slows who publishes.

use std::{cmp::Reverse, collections::BTreeMap};

use offboard::{
    graph::{Pattern, Topic},
    wiring::{InputWiring, LAUNCH, NodeWiring},
};
use serde_json::{Map, json};

use crate::{
    cli::RecordArgs,
    client,
    control::TopicView,
    failure::Failure,
    programs::{self, Look},
    supervisor::code,
    topic::{Found, all, full},
    words::did_you_mean,
};

/// The program, and what it is called as a node.
const RECORDER: &str = "recorder";

/// The most topics of one recording: each has its place in the environment of one process.
const TOPICS_MAX: usize = 1000;

/// `record [TOPICS…]`; the exit code is the recorder's.
pub(crate) fn record(args: &RecordArgs) -> Result<u8, Failure> {
    let program = programs::find("record", RECORDER)?;
    if let Some(file) = args.output.as_deref().filter(|file| file.exists()) {
        let text = format!("{} is there already; choose another name or remove it", file.display());
        return Err(Failure::new(code::USAGE, text));
    }
    let heard = choose(&args.topics, all()?)?;
    let wiring = wiring(&heard, args)?;
    let mut graphs: Vec<String> = heard.iter().map(|found| found.view.graph.clone()).collect();
    graphs.dedup();
    let count = if heard.len() == 1 { "1 topic".to_owned() } else { format!("{} topics", heard.len()) };
    eprintln!("launch: recording {count} of {}; Ctrl-C ends it", graphs.join(" and "));
    programs::mind(vec![programs::node(&program, &wiring)], args.within, || any_runs(&graphs))
}

/// As long as one of these graphs runs there may be something to record.
fn any_runs(graphs: &[String]) -> Look {
    match client::running() {
        Ok(running) if !running.iter().any(|client| graphs.contains(&client.graph)) => {
            Look::End(format!("{} ended, and the recording with it", graphs.join(" and ")))
        }
        _ => Look::GoOn,
    }
}

/// The topics that are meant, by graph; nothing written means all.
fn choose(written: &[String], all: Vec<Found>) -> Result<Vec<Found>, Failure> {
    let (topics, mut meant) = (all.len(), vec![written.is_empty(); all.len()]);
    for word in written {
        let matches = matcher(word).map_err(|why| Failure::new(code::USAGE, why))?;
        let hits: Vec<usize> = (0..topics).filter(|&index| matches(&all[index])).collect();
        if hits.is_empty() {
            let names = all.iter().map(|found| found.view.topic.as_str());
            let near = did_you_mean(word, names);
            let text = format!("there is no topic {word}{near}\n  `launch topic list` shows all");
            return Err(Failure::new(code::NOT_RUNNING, text));
        }
        hits.into_iter().for_each(|index| meant[index] = true);
    }
    let chosen: Vec<Found> = all.into_iter().zip(meant).filter(|(_, meant)| *meant).map(|(found, _)| found).collect();
    let made: Vec<String> = chosen.iter().map(|found| full(&found.view)).collect();
    // Where it is made comes before where a peer hears it: it would be recorded twice.
    let chosen: Vec<Found> = chosen.into_iter().filter(|found| !made.contains(&found.view.topic)).collect();
    match chosen.len() {
        0 => Err(Failure::new(code::NOT_RUNNING, "nothing publishes anything")),
        count if count > TOPICS_MAX => {
            let text = format!("these are {count} topics, {TOPICS_MAX} are the most: say which");
            Err(Failure::new(code::USAGE, text))
        }
        _ => apart(chosen),
    }
}

/// What a word means: a topic, or all topics that a pattern matches, with or without the name of the graph.
fn matcher(word: &str) -> Result<impl Fn(&Found) -> bool, String> {
    let word = word.strip_prefix('/').unwrap_or(word).to_owned();
    let pattern: Option<Pattern> = Pattern::is_one(&word).then(|| word.parse()).transpose()?;
    Ok(move |found: &Found| {
        let names = [found.view.topic.clone(), full(&found.view)];
        match &pattern {
            None => names.contains(&word),
            Some(pattern) => {
                names.iter().filter_map(|name| name.parse::<Topic>().ok()).any(|name| pattern.matches(&name))
            }
        }
    })
}

/// A recording has one topic of a name. What launch says is left out, and said, where another graph's launch has the name; else it is
/// for the person to choose. The graph with most topics comes first.
fn apart(mut chosen: Vec<Found>) -> Result<Vec<Found>, Failure> {
    let mut sizes: BTreeMap<String, usize> = BTreeMap::new();
    for found in &chosen {
        *sizes.entry(found.view.graph.clone()).or_default() += 1;
    }
    chosen.sort_by_key(|found| (Reverse(sizes.get(&found.view.graph).copied()), found.view.graph.clone()));
    let mut heard: BTreeMap<String, String> = BTreeMap::new();
    let mut left = Vec::new();
    for found in chosen {
        let TopicView { graph, topic, publisher, .. } = &found.view;
        match heard.get(topic) {
            None => {
                heard.insert(topic.clone(), graph.clone());
                left.push(found);
            }
            Some(other) if publisher == LAUNCH => {
                eprintln!(
                    "launch: {} is left out: {other} has the name; record {graph} by itself for it",
                    full(&found.view)
                );
            }
            Some(other) => {
                let text =
                    format!("{topic} is a topic of {other} and of {graph}: say which, for instance '{graph}:*/*'");
                return Err(Failure::new(code::USAGE, text));
            }
        }
    }
    Ok(left)
}

/// Graphs of one machine have timelines that differ by less, in nanoseconds, unless its clock was set between their starts.
const OFFSET_OFF_NS: u64 = 5_000_000;

/// The wiring of a recorder that is in no graph file.
fn wiring(heard: &[Found], args: &RecordArgs) -> Result<NodeWiring, Failure> {
    let first = heard.first().ok_or_else(|| Failure::new(code::NOT_RUNNING, "there is nothing to record"))?;
    if let Some(other) = heard.iter().find(|found| found.offset_ns.abs_diff(first.offset_ns) > OFFSET_OFF_NS) {
        let (one, other) = (&first.view.graph, &other.view.graph);
        let text = format!(
            "{one} and {other} were started before and after this machine's clock was set: record one at a time"
        );
        return Err(Failure::new(code::OTHER, text));
    }
    let input = |(index, found): (usize, &Found)| InputWiring {
        name: format!("t{index}"),
        endpoint: found.view.tap.clone(),
        topic: found.view.topic.clone(),
        kind: found.view.r#type.clone(),
        timeout: None,
    };
    let mut params = Map::from_iter([("on".to_owned(), json!("start"))]);
    params.extend(args.output.as_ref().map(|file| ("file".to_owned(), json!(file))));
    Ok(NodeWiring {
        graph: first.view.graph.clone(),
        name: RECORDER.to_owned(),
        inputs: heard.iter().enumerate().map(input).collect(),
        outputs: Vec::new(),
        params,
        clock_offset_ns: first.offset_ns,
        status: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(graph: &str, topic: &str) -> Found {
        let view = TopicView {
            graph: graph.into(),
            topic: topic.into(),
            r#type: "*".into(),
            tap: format!("ipc:///{graph}/{topic}"),
            publisher: topic.split('/').next().unwrap_or_default().into(),
            listeners: Vec::new(),
        };
        Found { view, offset_ns: 7 }
    }

    fn world() -> Vec<Found> {
        [
            ("desktop", "pilot/drive"),
            ("desktop", "launch/events"),
            ("desktop", "robot:camera/frames"),
            ("desktop", "base:arm/state"),
            ("robot", "camera/frames"),
            ("robot", "motor/state"),
            ("robot", "motor/raw"),
            ("robot", "launch/events"),
        ]
        .map(|(graph, topic)| found(graph, topic))
        .to_vec()
    }

    fn chosen(written: &[&str]) -> Result<Vec<String>, String> {
        let written: Vec<String> = written.iter().map(|word| (*word).to_owned()).collect();
        let heard = choose(&written, world()).map_err(|failure| failure.text)?;
        Ok(heard.iter().map(|found| found.view.topic.clone()).collect())
    }

    #[test]
    fn nothing_written_means_each_topic_once() {
        let all = ["camera/frames", "motor/state", "motor/raw", "launch/events", "pilot/drive", "base:arm/state"];
        assert_eq!(chosen(&[]), Ok(all.map(str::to_owned).to_vec()));
    }

    #[test]
    fn topics_are_meant_by_name_by_graph_or_by_stars() {
        assert_eq!(chosen(&["motor/*"]), Ok(vec!["motor/state".into(), "motor/raw".into()]));
        assert_eq!(chosen(&["robot:camera/frames"]), Ok(vec!["camera/frames".into()]));
        assert_eq!(chosen(&["desktop:*/*"]), Ok(vec!["pilot/drive".into()]));
        assert_eq!(chosen(&["/pilot/drive", "*/*w"]), Ok(vec!["pilot/drive".into(), "motor/raw".into()]));
        assert_eq!(
            chosen(&["motor/stat"]),
            Err("launch: there is no topic motor/stat; did you mean motor/state?\n  `launch topic list` shows all\n"
                .into())
        );
        assert!(
            chosen(&["mo*"]).unwrap_err().starts_with("launch: `mo*` matches no topic; write for instance camera/*")
        );
    }

    #[test]
    fn the_recorder_is_told_where_to_listen_and_where_to_write() {
        let heard = choose(&["robot:motor/*".into()], world()).unwrap();
        let args = RecordArgs { topics: Vec::new(), output: Some("lap.mcap".into()), within: None };
        let env: BTreeMap<String, String> = wiring(&heard, &args).unwrap().env().into_iter().collect();
        assert_eq!(env["LAUNCH_SUB_T1"], "ipc:///robot/motor/raw motor/raw *");
        assert_eq!((env["LAUNCH_NODE"].as_str(), env["LAUNCH_GRAPH"].as_str()), ("recorder", "robot"));
        assert_eq!(env["LAUNCH_CLOCK_OFFSET_NS"], "7");
        assert_eq!(env["LAUNCH_PARAMS"], r#"{"file":"lap.mcap","on":"start"}"#);
    }

    #[test]
    fn two_topics_of_one_name_are_for_the_person_to_choose() {
        let twice = vec![found("a", "motor/state"), found("b", "motor/state"), found("b", "motor/raw")];
        assert_eq!(
            choose(&[], twice).unwrap_err().text,
            "launch: motor/state is a topic of b and of a: say which, for instance 'a:*/*'\n"
        );
    }
}
