//! What happened between two looks, in sentences.
//! It never says twice what is so still.

use std::collections::BTreeSet;

use super::sample::Sample;
use crate::control::NodeView;

/// What changed.
pub(crate) fn events(then: &Sample, now: &Sample) -> Vec<String> {
    // A graph that does not answer may be well; nothing is known of it, neither that it is over.
    let known = |sample: &Sample| sample.nodes.iter().map(|node| node.graph.clone()).collect::<BTreeSet<_>>();
    let (before, after) = (known(then), known(now));
    let silent = |graph: &String| now.troubles.iter().any(|trouble| trouble.starts_with(&format!("{graph} ")));
    let came = after.difference(&before).filter(|_| then.troubles.is_empty()).map(|graph| format!("{graph} runs"));
    let went = before.difference(&after).filter(|graph| !silent(graph)).map(|graph| format!("{graph} is over"));
    let fell_silent = now.troubles.iter().filter(|trouble| !then.troubles.contains(trouble)).cloned();
    let changed = now.nodes.iter().filter_map(|node| {
        let before = then.nodes.iter().find(|it| it.graph == node.graph && it.node == node.node)?;
        change(before, node)
    });
    came.chain(went).chain(fell_silent).chain(changed).collect()
}

fn change(before: &NodeView, now: &NodeView) -> Option<String> {
    let name = format!("{}:{}", now.graph, now.node);
    let ended = now.restarts > before.restarts || now.pid.is_none();
    let end = now.last_end.as_ref().filter(|_| ended).map_or(String::new(), |end| format!(" ({end})"));
    if now.state != before.state {
        let why = now.why.as_ref().map_or(String::new(), |why| format!(": {why}"));
        return Some(format!("{name}: {} → {}{end}{why}", before.state, now.state));
    }
    let pid = now.pid.filter(|_| now.pid != before.pid)?;
    Some(format!("{name}: a new process {pid}{end}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::top::samples::node;

    fn sample(nodes: Vec<NodeView>) -> Sample {
        Sample { nodes, ..Sample::default() }
    }

    #[test]
    fn what_changed_is_said_once() {
        let well = || node("robot", "camera").view();
        let then = sample(vec![well(), node("robot", "arm").view(), node("robot", "eye").view()]);
        let camera = node("robot", "camera").being(|it| {
            (it.pid, it.restarts, it.last_end) = (Some(101), 1, Some("SIGKILL".into()));
        });
        let arm = node("robot", "arm").being(|it| {
            (it.state, it.pid, it.why) = ("failed".into(), None, Some("no such device".into()));
        });
        let now = sample(vec![camera.view(), arm.view(), node("robot", "eye").view()]);
        let said = ["robot:camera: a new process 101 (SIGKILL)", "robot:arm: ready → failed: no such device"];
        assert_eq!(events(&then, &now), said);
        assert_eq!(events(&now, &now), [""; 0]);
    }

    #[test]
    fn graphs_come_and_go_and_fall_silent() {
        let robot = || sample(vec![node("robot", "camera").view()]);
        let desktop = || sample(vec![node("desktop", "viewer").view()]);
        assert_eq!(events(&robot(), &desktop()), ["desktop runs", "robot is over"]);
        let silent = Sample { troubles: vec!["robot does not answer: x".into()], ..Sample::default() };
        assert_eq!(events(&robot(), &silent), ["robot does not answer: x"]);
        assert_eq!(events(&silent, &robot()), [""; 0]);
    }
}
