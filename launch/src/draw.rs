//! A graph as text, as Graphviz dot, as Mermaid, as JSON.
//! It never looks at a running one.

use std::fmt::Write;

use clap::ValueEnum;
use offboard::graph::{Graph, Input, NodeSpec, Output};
use serde_json::{Value, json};

/// How to draw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Drawing {
    /// For a terminal.
    #[default]
    Text,
    /// For Graphviz: `launch graph --format dot robot.toml | dot -Tsvg`.
    Dot,
    /// For Markdown.
    Mermaid,
    /// For programs: one JSON object a graph.
    Json,
}

/// Draws graphs, one drawing for all.
pub(crate) fn draw(graphs: &[&Graph], how: Drawing) -> String {
    match how {
        Drawing::Text => graphs.iter().map(|graph| text(graph)).collect::<Vec<_>>().join("\n"),
        Drawing::Dot => {
            let inner: String = graphs.iter().map(|graph| dot(graph)).collect();
            format!("digraph offboard {{\n  rankdir=LR; compound=true; node [shape=box, style=rounded];\n{inner}}}\n")
        }
        Drawing::Mermaid => format!("flowchart LR\n{}", graphs.iter().map(|graph| mermaid(graph)).collect::<String>()),
        Drawing::Json => graphs.iter().map(|graph| format!("{}\n", json(graph))).collect(),
    }
}

fn json(graph: &Graph) -> Value {
    let input = |input: &Input| json!({ "name": input.name, "topic": input.topic.to_string(), "type": input.kind });
    let output = |output: &Output| json!({ "name": output.name, "type": output.kind });
    let node = |spec: &NodeSpec| {
        json!({
            "name": spec.name,
            "run": spec.run,
            "inputs": spec.inputs.iter().map(input).collect::<Vec<_>>(),
            "outputs": spec.outputs.iter().map(output).collect::<Vec<_>>(),
        })
    };
    json!({
        "graph": graph.name,
        "listen": graph.listen,
        "nodes": graph.nodes.iter().map(node).collect::<Vec<_>>(),
        "peers": graph.peers.iter().map(|peer| json!({ "name": peer.name, "address": peer.address })).collect::<Vec<_>>(),
    })
}

/// `Drive` for `offboard.v1.Drive`: our own types are known.
pub(crate) fn short(kind: &str) -> &str {
    kind.strip_prefix(offboard::proto::PACKAGE).and_then(|rest| rest.strip_prefix('.')).unwrap_or(kind)
}

fn text(graph: &Graph) -> String {
    let mut out = graph.name.to_string();
    if let Some(listen) = &graph.listen {
        let _ = write!(out, " (peers dial in at {listen})");
    }
    out.push('\n');
    let width = graph.nodes.iter().map(|spec| spec.name.as_str().len()).max().unwrap_or_default();
    for spec in &graph.nodes {
        let inputs =
            spec.inputs.iter().map(|input| format!("← {}  {}{}", input.topic, short(&input.kind), own_name(input)));
        let outputs = spec.outputs.iter().map(|output| format!("→ {}  {}", output.name, short(&output.kind)));
        let mut lines = inputs.chain(outputs).peekable();
        if lines.peek().is_none() {
            let _ = writeln!(out, "  {}", spec.name);
        }
        for (index, line) in lines.enumerate() {
            let name = if index == 0 { spec.name.as_str() } else { "" };
            let _ = writeln!(out, "  {name:width$}  {line}");
        }
    }
    for peer in &graph.peers {
        let how = peer.address.as_ref().map_or_else(|| "dials in".to_owned(), |address| format!("at {address}"));
        let _ = writeln!(out, "  peer {} {how}", peer.name);
    }
    out
}

/// The input's own name, where it says more than the output's.
fn own_name(input: &Input) -> String {
    if input.name == input.topic.output { String::new() } else { format!("  as {}", input.name) }
}

fn edges(graph: &Graph) -> impl Iterator<Item = (&NodeSpec, &Input, String)> {
    graph.nodes.iter().flat_map(move |spec| {
        spec.inputs.iter().map(move |input| {
            let machine = input.topic.peer.as_ref().unwrap_or(&graph.name);
            (spec, input, format!("{machine}:{}", input.topic.node))
        })
    })
}

fn dot(graph: &Graph) -> String {
    let mut out = format!("  subgraph \"cluster_{0}\" {{\n    label=\"{0}\";\n", graph.name);
    for spec in &graph.nodes {
        let _ = writeln!(out, "    \"{}:{}\" [label=\"{}\"];", graph.name, spec.name, spec.name);
    }
    out.push_str("  }\n");
    for (spec, input, from) in edges(graph) {
        let label = format!("{}\\n{}", input.topic.output, short(&input.kind));
        let _ = writeln!(out, "  \"{from}\" -> \"{}:{}\" [label=\"{label}\"];", graph.name, spec.name);
    }
    out
}

fn mermaid(graph: &Graph) -> String {
    // Mermaid's ids know no colon and no dash.
    let id = |name: &str| name.replace([':', '-'], "_");
    let mut out = format!("  subgraph {}\n", id(graph.name.as_str()));
    for spec in &graph.nodes {
        let _ = writeln!(out, "    {}[\"{}\"]", id(&format!("{}:{}", graph.name, spec.name)), spec.name);
    }
    out.push_str("  end\n");
    for (spec, input, from) in edges(graph) {
        let to = id(&format!("{}:{}", graph.name, spec.name));
        let _ =
            writeln!(out, "  {}[\"{from}\"] -->|\"{} {}\"| {to}", id(&from), input.topic.output, short(&input.kind));
    }
    out
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use offboard::graph::{Keep, Limits, LogSpec, Restart, Watchdog};

    use super::*;

    fn node(name: &str, outputs: &[(&str, &str)], inputs: &[(&str, &str, &str)]) -> NodeSpec {
        let input = |(name, topic, kind): &(&str, &str, &str)| Input {
            name: name.parse().unwrap(),
            topic: topic.parse().unwrap(),
            kind: (*kind).to_owned(),
            keep: Keep::Latest,
            timeout: None,
            budget: None,
        };
        let output = |(name, kind): &(&str, &str)| Output { name: name.parse().unwrap(), kind: (*kind).to_owned() };
        NodeSpec {
            name: name.parse().unwrap(),
            run: vec![name.to_owned()],
            outputs: outputs.iter().map(output).collect(),
            inputs: inputs.iter().map(input).collect(),
            params: serde_json::Map::new(),
            env: BTreeMap::new(),
            after: Vec::new(),
            required: false,
            restart: Restart::default(),
            ready: std::time::Duration::ZERO,
            watchdog: Watchdog::Default,
            stop: std::time::Duration::ZERO,
            limits: Limits::default(),
            log: LogSpec::default(),
        }
    }

    fn graph() -> Graph {
        Graph {
            name: "robot".parse().unwrap(),
            listen: Some("0.0.0.0:7400".into()),
            nodes: vec![
                node("camera", &[("frames", "offboard.v1.CompressedImage")], &[]),
                node(
                    "motor",
                    &[],
                    &[("command", "desk-top:pilot/drive", "offboard.v1.Drive"), ("frames", "camera/frames", "*")],
                ),
            ],
            peers: Vec::new(),
            dir: ".".into(),
        }
    }

    #[test]
    fn a_terminal_gets_who_listens_to_whom() {
        let expected = "\
robot (peers dial in at 0.0.0.0:7400)
  camera  → frames  CompressedImage
  motor   ← desk-top:pilot/drive  Drive  as command
          ← camera/frames  *
";
        assert_eq!(draw(&[&graph()], Drawing::Text), expected);
    }

    #[test]
    fn graphviz_gets_every_edge() {
        let dot = draw(&[&graph()], Drawing::Dot);
        assert!(dot.contains("\"robot:camera\" -> \"robot:motor\" [label=\"frames\\n*\"];"), "{dot}");
        assert!(dot.contains("\"desk-top:pilot\" -> \"robot:motor\" [label=\"drive\\nDrive\"];"), "{dot}");
        assert_eq!(dot.matches('{').count(), dot.matches('}').count());
    }

    #[test]
    fn mermaid_gets_names_it_can_read() {
        let text = draw(&[&graph()], Drawing::Mermaid);
        assert!(text.starts_with("flowchart LR\n  subgraph robot\n    robot_camera[\"camera\"]\n"), "{text}");
        assert!(text.contains("  desk_top_pilot[\"desk-top:pilot\"] -->|\"drive Drive\"| robot_motor\n"), "{text}");
    }
}
