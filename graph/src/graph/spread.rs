//! What a pattern in a graph file stands for: the topics, and the inputs that they get. It never looks into another file: a graph
//! means the same whichever files are checked beside it.

use std::collections::BTreeSet;

use super::{
    Description, Pattern, PortName, Topic,
    draft::{Draft, RawNode},
    model::NAME_MAX,
    own,
};

/// The topics that a pattern of a node means: of this machine those of the others, `own`; of its peers those that this file names
/// elsewhere; and what launch says, where its name is written.
pub(crate) fn spread(pattern: &Pattern, node: &RawNode, draft: &Draft, own: &[Topic]) -> BTreeSet<Topic> {
    let others = own.iter().filter(|topic| topic.node != node.name.value).cloned();
    let launch = own::topics().filter_map(|topic| topic.parse().ok());
    let is_peer = |topic: &&Topic| draft.peers.iter().any(|peer| Some(&peer.name.value) == topic.peer.as_ref());
    let named = draft.nodes.iter().flat_map(|node| &node.inputs).filter_map(|input| Some(&input.topic.as_ref()?.value));
    let of_peers = named.filter(is_peer).cloned();
    others.chain(launch).chain(of_peers).filter(|topic| pattern.matches(topic)).collect()
}

/// What a node listens to already, and by which names.
#[derive(Default)]
pub(crate) struct Taken {
    topics: BTreeSet<Topic>,
    names: BTreeSet<String>,
}

impl Taken {
    /// What the file writes out for a node, and the names that its program keeps for itself.
    pub(crate) fn by(node: &RawNode, description: Option<&Description>) -> Taken {
        let ports = description.iter().flat_map(|description| &description.inputs).map(|port| port.name.clone());
        let written = node.inputs.iter().filter(|input| input.topic.is_some());
        Taken {
            topics: written.clone().filter_map(|input| Some(input.topic.as_ref()?.value.clone())).collect(),
            names: written.map(|input| input.name.value.to_string()).chain(ports).collect(),
        }
    }

    /// The name of a topic's input, made from the topic: `camera_frames`, `robot_camera_frames`; none: it is listened to already.
    pub(crate) fn take(&mut self, topic: &Topic) -> Option<PortName> {
        if !self.topics.insert(topic.clone()) {
            return None;
        }
        let name: String = topic.to_string().replace([':', '/', '-'], "_").chars().take(NAME_MAX).collect();
        // Names of which only a dash or the end differs are numbered.
        let numbered = (2..).map(|number| {
            let number = format!("_{number}");
            format!("{}{number}", &name[..name.len().min(NAME_MAX - number.len())])
        });
        let free = std::iter::once(name.clone()).chain(numbered).find(|name| !self.names.contains(name))?;
        self.names.insert(free.clone());
        free.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_made_from_topics_and_told_apart() {
        let mut taken = Taken::default();
        let mut name = |topic: &str| taken.take(&topic.parse().unwrap()).map(|name| name.to_string());
        assert_eq!(name("camera/frames"), Some("camera_frames".into()));
        assert_eq!(name("robot:camera/frames"), Some("robot_camera_frames".into()));
        assert_eq!(name("camera/frames"), None);
        assert_eq!(name("a-b/c"), Some("a_b_c".into()));
        assert_eq!(name("a/b_c"), Some("a_b_c_2".into()));
        let long = format!("{}/{}", "n".repeat(60), "o".repeat(60));
        assert_eq!(name(&long).map(|name| name.len()), Some(NAME_MAX));
        assert_eq!(name(&format!("{long}x")).map(|name| name.ends_with("_2")), Some(true));
    }
}
