//! What the link is told: where to listen, who the peers are, which topics cross. Checked here, all mistakes at once.
//! It never opens a socket or a file.

use std::{
    collections::BTreeSet,
    net::{IpAddr, SocketAddr},
};

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    frame::{KEEP_MAX, WANTS_MAX, Want},
    interest::Offer,
    key::PublicKey,
};

/// The parameters, written by `launch` from the graph file.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Params {
    /// `address:port` where peers dial in; none: nobody does.
    pub listen: Option<String>,
    /// The other machines.
    pub peers: Vec<PeerParams>,
}

/// One other machine.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PeerParams {
    /// Its graph's name.
    pub name: String,
    /// `host:port` to dial; none: it dials us.
    #[serde(default)]
    pub address: Option<String>,
    /// `ed25519:…`, as `launch key` prints it there; none only on this very machine.
    #[serde(default)]
    pub key: Option<String>,
}

/// A topic that this graph hears from a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hearing {
    /// `peer:node/output`.
    pub topic: String,
    /// Full protobuf name of what its listeners expect, or `*`.
    pub kind: String,
    /// The longest queue that a listener asked for, in messages.
    pub keep: usize,
}

/// A peer, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Its graph's name.
    pub name: String,
    /// `host:port` to dial.
    pub address: Option<String>,
    /// The key it must prove.
    pub key: PublicKey,
    /// It has no key of its own in the file: it holds this user's key, and is on this machine.
    pub local: bool,
    /// What this graph wants from it.
    pub wants: Vec<Want>,
    /// The number of the hearing behind each want.
    pub outputs: Vec<usize>,
}

/// Everything the link needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// This graph's name.
    pub graph: String,
    /// Where to listen.
    pub listen: Option<String>,
    /// The other machines.
    pub peers: Vec<Peer>,
    /// What they may want.
    pub offers: Vec<Offer>,
}

impl Config {
    /// Checks the parameters against the wiring; `own` is this machine's key.
    ///
    /// # Errors
    /// All that is wrong, one sentence each.
    pub fn new(
        graph: &str,
        params: Params,
        own: PublicKey,
        offers: Vec<Offer>,
        hearings: &[Hearing],
    ) -> Result<Config, Vec<String>> {
        let mut mistakes = Vec::new();
        let mut peers = Vec::new();
        let mut names = BTreeSet::from([graph.to_owned()]);
        for peer in params.peers {
            if !names.insert(peer.name.clone()) {
                mistakes.push(format!("two graphs are named {}; each needs a name of its own", peer.name));
            }
            peers.push(check_peer(peer, own, params.listen.as_deref(), &mut mistakes));
        }
        for (output, hearing) in hearings.iter().enumerate() {
            if let Err(mistake) = assign(&mut peers, output, hearing) {
                mistakes.push(mistake);
            }
        }
        let too_many = peers.iter().filter(|peer| peer.wants.len() > WANTS_MAX);
        mistakes.extend(too_many.map(|peer| format!("more than {WANTS_MAX} topics from {}", peer.name)));
        if mistakes.is_empty() {
            Ok(Config { graph: graph.to_owned(), listen: params.listen, peers, offers })
        } else {
            Err(mistakes)
        }
    }

    /// The peer that proved `key` and says it is `name`, from that address.
    ///
    /// # Errors
    /// A sentence for both sides' logs.
    pub fn recognise(&self, key: PublicKey, name: &str, from: IpAddr) -> Result<usize, String> {
        let mut holders = self.peers.iter().enumerate().filter(|(_, peer)| peer.key == key).peekable();
        if holders.peek().is_none() {
            return Err(format!("{} has no peer with key {key}", self.graph));
        }
        let names: Vec<&str> = holders.clone().map(|(_, peer)| peer.name.as_str()).collect();
        let Some((number, peer)) = holders.find(|(_, peer)| peer.name == name) else {
            return Err(format!("in {} the key of graph {name} belongs to {}", self.graph, names.join(", ")));
        };
        if peer.local && !is_this_machine(from) {
            return Err(format!(
                "[peer.{name}] in {} has no key, so it may only be on that machine itself",
                self.graph
            ));
        }
        Ok(number)
    }

    /// All the keys that may dial in.
    #[must_use]
    pub fn pinned(&self) -> Vec<PublicKey> {
        self.peers.iter().map(|peer| peer.key).collect()
    }
}

fn check_peer(peer: PeerParams, own: PublicKey, listen: Option<&str>, mistakes: &mut Vec<String>) -> Peer {
    let PeerParams { name, address, key } = peer;
    let local = key.is_none();
    let key = key.map_or(Ok(own), |key| key.parse()).unwrap_or_else(|mistake| {
        mistakes.push(format!("[peer.{name}]: {mistake}"));
        own
    });
    let add_key = format!("[peer.{name}] needs a key: run `launch key` there and add key = \"ed25519:…\" here");
    match (&address, listen) {
        (Some(address), _) if !address.contains(':') => {
            mistakes.push(format!("[peer.{name}]: address = \"{address}\" lacks a port, for instance \"{address}:7400\""));
        }
        (Some(address), _) if local && !is_loopback(address) => mistakes.push(add_key),
        (None, Some(listen)) if local && !is_loopback(listen) => mistakes.push(add_key),
        (None, None) => mistakes.push(format!(
            "[peer.{name}] has no address, and this graph does not listen: add address = \"host:7400\" there or listen = \"0.0.0.0:7400\" to [graph]"
        )),
        _ => {}
    }
    Peer { name, address, key, local, wants: Vec::new(), outputs: Vec::new() }
}

fn assign(peers: &mut [Peer], output: usize, hearing: &Hearing) -> Result<(), String> {
    let (name, topic) =
        hearing.topic.split_once(':').ok_or_else(|| format!("{} is no topic of a peer", hearing.topic))?;
    let peer = peers.iter_mut().find(|peer| peer.name == name).ok_or_else(|| format!("there is no peer {name}"))?;
    let keep = u32::try_from(hearing.keep).unwrap_or(KEEP_MAX).clamp(1, KEEP_MAX);
    peer.wants.push(Want { topic: topic.to_owned(), kind: hearing.kind.clone(), keep });
    peer.outputs.push(output);
    Ok(())
}

/// Whether `host:port` can only mean this machine.
fn is_loopback(address: &str) -> bool {
    match address.parse::<SocketAddr>() {
        Ok(address) => is_this_machine(address.ip()),
        Err(_) => address.rsplit_once(':').is_some_and(|(host, _)| host == "localhost"),
    }
}

/// Whether an address is this machine's loopback.
#[must_use]
pub fn is_this_machine(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Identity;

    const ROBOT: &str = "ed25519:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

    fn peer(name: &str, address: Option<&str>, key: Option<&str>) -> PeerParams {
        PeerParams { name: name.into(), address: address.map(Into::into), key: key.map(Into::into) }
    }

    fn hearing(topic: &str, keep: usize) -> Hearing {
        Hearing { topic: topic.into(), kind: "*".into(), keep }
    }

    fn check(listen: Option<&str>, peers: Vec<PeerParams>, hearings: &[Hearing]) -> Result<Config, Vec<String>> {
        let own = Identity::generate().unwrap().public();
        Config::new("desktop", Params { listen: listen.map(Into::into), peers }, own, Vec::new(), hearings)
    }

    fn mistakes(listen: Option<&str>, peers: Vec<PeerParams>, hearings: &[Hearing]) -> String {
        check(listen, peers, hearings).unwrap_err().join("\n")
    }

    #[test]
    fn each_heard_topic_is_asked_of_its_peer() {
        let peers = vec![peer("robot", Some("robot.local:7400"), Some(ROBOT)), peer("arm", Some("arm:1"), Some(ROBOT))];
        let heard = [hearing("arm:joint/state", 1), hearing("robot:camera/frames", 100)];
        let config = check(None, peers, &heard).unwrap();
        assert_eq!(config.peers[0].wants, [Want { topic: "camera/frames".into(), kind: "*".into(), keep: 100 }]);
        assert_eq!((&config.peers[0].outputs, &config.peers[1].outputs), (&vec![1], &vec![0]));
    }

    #[test]
    fn without_a_key_only_this_machine_is_linked_with() {
        for address in ["127.0.0.1:7400", "127.1.2.3:7400", "[::1]:7400", "localhost:7400"] {
            assert!(check(None, vec![peer("robot", Some(address), None)], &[]).is_ok(), "{address}");
            assert!(check(Some(address), vec![peer("robot", None, None)], &[]).is_ok(), "{address}");
        }
        for address in ["10.0.0.7:7400", "0.0.0.0:7400", "[::]:7400", "robot.local:7400", "localhost.evil.org:7400"] {
            let dialing = mistakes(None, vec![peer("robot", Some(address), None)], &[]);
            let listening = mistakes(Some(address), vec![peer("robot", None, None)], &[]);
            assert!(dialing.contains("needs a key") && listening.contains("needs a key"), "{address}");
        }
    }

    #[test]
    fn all_mistakes_are_told_at_once() {
        let peers = vec![
            peer("robot", Some("10.0.0.7"), Some("rsa:x")),
            peer("robot", None, Some(ROBOT)),
            peer("desktop", Some("a:1"), Some(ROBOT)),
        ];
        let told = mistakes(None, peers, &[hearing("mars:rover/soil", 1)]);
        for part in [
            "is no key",
            "lacks a port",
            "two graphs are named robot",
            "has no address",
            "named desktop",
            "no peer mars",
        ] {
            assert!(told.contains(part), "{part} is missing in:\n{told}");
        }
    }

    #[test]
    fn a_peer_is_who_its_key_says() {
        let config = check(Some("0.0.0.0:1"), vec![peer("robot", None, Some(ROBOT))], &[]).unwrap();
        let far: IpAddr = "10.0.0.7".parse().unwrap();
        assert_eq!(config.recognise(ROBOT.parse().unwrap(), "robot", far), Ok(0));
        let other = config.recognise(ROBOT.parse().unwrap(), "motor", far).unwrap_err();
        assert!(other.contains("the key of graph motor belongs to robot"), "{other}");
        assert!(config.recognise(Identity::generate().unwrap().public(), "robot", far).is_err());
    }

    #[test]
    fn a_peer_without_a_key_is_not_believed_from_afar() {
        let config = check(Some("127.0.0.1:1"), vec![peer("robot", None, None)], &[]).unwrap();
        let own = config.peers[0].key;
        assert_eq!(config.recognise(own, "robot", "127.0.0.1".parse().unwrap()), Ok(0));
        assert_eq!(config.recognise(own, "robot", "::ffff:127.0.0.1".parse().unwrap()), Ok(0));
        assert!(config.recognise(own, "robot", "10.0.0.7".parse().unwrap()).is_err());
    }

    #[test]
    fn two_peers_on_this_machine_may_share_its_key() {
        let peers = vec![peer("left", None, None), peer("right", None, None)];
        let config = check(Some("127.0.0.1:1"), peers, &[]).unwrap();
        let ip = "127.0.0.1".parse().unwrap();
        assert_eq!(config.recognise(config.peers[0].key, "right", ip), Ok(1));
    }
}
