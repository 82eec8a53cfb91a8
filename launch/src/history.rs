//! `launch events`: what happened to the nodes of running graphs. It never changes one.

use std::{sync::mpsc, thread};

use crate::{
    cli::EventsArgs,
    client::{Client, Names, Target, find, some_running},
    control::EventView,
    failure::Failure,
    print::{print, print_json},
    supervisor::code,
    words::escape,
};

/// How many events wait to be printed.
const WAITING_MAX: usize = 64;

/// Prints the last events, and those to come when asked to.
pub(crate) fn events(args: &EventsArgs) -> Result<(), Failure> {
    let clients = meant(args.graph.as_deref())?;
    let several = clients.len() > 1;
    let show = |event: &EventView| if args.json { print_json(event) } else { print(&line(event, several)) };
    if args.follow {
        return follow(clients, show);
    }
    let mut events = Vec::new();
    for mut client in clients {
        client.events(false, |event| {
            events.push(event);
            Ok(())
        })?;
    }
    events.sort_by_key(|event| event.stamp_ns);
    events.iter().try_for_each(show)
}

/// The graph of this name, or all.
fn meant(written: Option<&str>) -> Result<Vec<Client>, Failure> {
    let mut clients = some_running()?;
    if let Some(written) = written {
        let names: Vec<Names> = clients.iter().map(|client| (client.graph.clone(), Vec::new())).collect();
        let target = find(written, &names).map_err(|why| {
            Failure::new(
                code::NOT_RUNNING,
                format!("{why}\n  events takes a graph; `launch events | grep NODE` shows one node's"),
            )
        })?;
        clients.retain(|client| target == Target::Graph(client.graph.clone()));
    }
    Ok(clients)
}

/// Prints what comes from all of them, until the last of them ends.
fn follow(clients: Vec<Client>, show: impl Fn(&EventView) -> Result<(), Failure>) -> Result<(), Failure> {
    let (say, said) = mpsc::sync_channel(WAITING_MAX);
    for mut client in clients {
        let say = say.clone();
        thread::spawn(move || {
            let gone = |_| Failure::drawn(code::OTHER, String::new());
            let ended = client.events(true, |event| say.send(Ok(event)).map_err(gone));
            if let Err(failure) = ended {
                // Nobody prints any more: then nobody needs to know.
                drop(say.send(Err(failure)));
            }
        });
    }
    drop(say);
    said.into_iter().try_for_each(|event| show(&event?))
}

fn line(event: &EventView, several: bool) -> String {
    let name = if several { format!("{}:{}", event.graph, event.node) } else { event.node.clone() };
    format!("{}  {name:<12}  {}\n", event.time, escape(&event.reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_a_line_whatever_it_says() {
        let event = EventView {
            graph: "robot".into(),
            node: "camera".into(),
            time: "2026-01-31T12:00:00.123Z".into(),
            reason: "camera is given up: no\n\u{1b}[2Jdevice".into(),
            ..EventView::default()
        };
        let expected = "2026-01-31T12:00:00.123Z  camera        camera is given up: no\\u{a}\\u{1b}[2Jdevice\n";
        assert_eq!(line(&event, false), expected);
        assert!(line(&event, true).contains("  robot:camera  "));
    }
}
