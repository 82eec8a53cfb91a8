//! What each node says, and of which type: the file's word and the program's together. It never looks at who listens.

use super::{
    Description, NodeName, Port, PortName,
    check::{Known, Program},
    draft::{RawNode, RawOutput},
    edges::{Speaker, Speakers},
    mistakes::{Log, Mistake},
    near::suggest,
    params,
    show::tick,
    tree::Value,
    types::short,
};

/// The outputs of all nodes of a draft.
pub(crate) fn outputs(known: &Known<'_>, log: &mut Log) -> Speakers {
    let mut speakers = Speakers::default();
    for (node, program) in known.draft.nodes.iter().zip(&known.programs) {
        let name = &node.name.value;
        speakers.node(name, program.is_none() || node.outputs.iter().any(|output| output.kind.is_none()));
        let described = match program {
            Some(Program::Described(description)) => Some(description),
            _ => None,
        };
        for port in described.iter().flat_map(|description| &description.outputs) {
            if !node.outputs.iter().any(|output| output.name.value.as_str() == port.name) {
                unwritten(node, port, described, &mut speakers);
            }
        }
        for output in &node.outputs {
            if let Some(description) = described {
                written(node, output, description, log);
            }
            fits_wire(name, output, log);
            let at = output.kind.as_ref().map_or(&output.name.at, |kind| &kind.at).clone();
            let kind = output.kind.as_ref().map(|kind| kind.value.clone());
            speakers.add(name, &output.name.value, Speaker { kind, at });
        }
    }
    speakers
}

/// An output that the file does not write: it has the type that the program says. Of any type, it is only there when written.
fn unwritten(node: &RawNode, port: &Port, description: Option<&Description>, speakers: &mut Speakers) {
    let Ok(name) = port.name.parse::<PortName>() else { return };
    let by_param = description.and_then(|description| chosen(node, port, description)).map(|(_, kind)| kind);
    if let Some(kind) = by_param.or_else(|| port.types.first().cloned()) {
        let at = node.name.at.clone();
        speakers.add(&node.name.value, &name, Speaker { kind: Some(kind), at });
    }
}

/// The value of the parameter that decides an output's type, and the type.
fn chosen(node: &RawNode, port: &Port, description: &Description) -> Option<(String, String)> {
    let (param, kinds) = port.when.as_ref()?;
    let value = match node.params.get(param).map(|entry| &entry.item.value) {
        Some(Value::Text(text)) => text.clone(),
        Some(Value::Boolean(boolean)) => boolean.to_string(),
        Some(Value::Integer(integer)) => integer.to_string(),
        Some(_) => return None,
        None => match params::default(description.params.as_ref()?, param)? {
            serde_json::Value::String(text) => text.clone(),
            other => other.to_string(),
        },
    };
    kinds.get(&value).map(|kind| (value, kind.clone()))
}

/// Checks an output of the file against the program's.
fn written(node: &RawNode, output: &RawOutput, description: &Description, log: &mut Log) {
    let (name, wanted) = (node.name.value.as_str(), output.name.value.as_str());
    let Some(port) = description.outputs.iter().find(|port| port.name == wanted) else {
        if !description.any_outputs {
            let mistake = Mistake::new(&output.name.at, format!("{} has no output {}", tick(name), tick(wanted)));
            let names: Vec<&str> = description.outputs.iter().map(|port| port.name.as_str()).collect();
            let mistake = suggest(log, mistake, wanted, names.iter().copied(), "its outputs are");
            log.push(mistake);
        }
        return;
    };
    let Some(kind) = &output.kind else { return };
    let title = |is: &str| format!("{} is {is}, not {}", tick(&format!("{name}/{wanted}")), short(&kind.value));
    if let (Some((value, by_param)), Some((param, _))) = (chosen(node, port, description), &port.when) {
        if by_param != kind.value {
            let is = format!("{} while its {} is \"{}\"", short(&by_param), tick(param), super::show::show(&value));
            let mistake = Mistake::new(&kind.at, title(&is));
            log.push(match node.params.get(param) {
                Some(entry) => mistake.other(&entry.item.at, "this decides its type"),
                None => mistake.help(format!("the parameter {} decides its type", tick(param))),
            });
        }
    } else if !port.types.is_empty() && !port.types.contains(&kind.value) {
        let types: Vec<&str> = port.types.iter().map(|kind| short(kind)).collect();
        log.push(Mistake::new(&kind.at, title(&types.join(" or "))));
    }
}

fn fits_wire(node: &NodeName, output: &RawOutput, log: &mut Log) {
    if node.as_str().len() + 1 + output.name.value.as_str().len() > offboard_proto::TOPIC_MAX {
        let title = format!("a topic has at most {} bytes", offboard_proto::TOPIC_MAX);
        log.push(Mistake::new(&output.name.at, title));
    }
}
