//! Whether machines can reach each other and know whom they let in. It never connects.

use super::{
    draft::{Draft, RawPeer, Setting},
    mistakes::{Log, Mistake},
    show::tick,
};

/// Checks the peers of a draft, against their own drafts where those were given.
pub(crate) fn check(draft: &Draft, drafts: &[Draft], log: &mut Log) {
    let open = draft.listen.good().filter(|listen| !listen.value.loopback);
    if let Some(listen) = open.filter(|_| draft.peers.is_empty()) {
        let mistake = Mistake::new(&listen.at, "this graph listens to the network but knows no peer").absent("peer");
        log.push(mistake.help("say who may dial in, and with which key: [peer.desktop]"));
    }
    for peer in &draft.peers {
        known(draft, peer, log);
        reachable(draft, peer, log);
        keyed(draft, peer, log);
        if let Some(other) = drafts.iter().find(|other| other.name() == Some(peer.name.value.as_str())) {
            mutual(draft, peer, other, log);
        }
    }
}

fn known(draft: &Draft, peer: &RawPeer, log: &mut Log) {
    if let Some(own) = draft.name.as_ref().filter(|own| own.value == peer.name.value) {
        let mistake =
            Mistake::new(&peer.name.at, format!("the peer {} has the name of this graph", tick(own.value.as_str())));
        log.push(mistake.other(&own.at, "this graph"));
    }
}

/// One of the two must dial the other.
fn reachable(draft: &Draft, peer: &RawPeer, log: &mut Log) {
    if matches!((&peer.address, &draft.listen), (Setting::Absent, Setting::Absent)) {
        let name = tick(peer.name.value.as_str());
        let mistake =
            Mistake::new(&peer.name.at, format!("nobody dials: {name} has no address and this graph does not listen"));
        log.push(
            mistake.absent("listen").help("add address = \"host:7400\" here, or listen = \"0.0.0.0:7400\" to [graph]"),
        );
    }
}

/// Off loopback every peer has a key.
fn keyed(draft: &Draft, peer: &RawPeer, log: &mut Log) {
    if !matches!(peer.key, Setting::Absent) {
        return;
    }
    let dialed = peer.address.good().filter(|address| !address.value.loopback);
    let open = draft.listen.good().filter(|listen| !listen.value.loopback);
    let Some((where_from, label)) =
        dialed.map(|address| (address, "off this machine")).or(open.map(|listen| (listen, "listens to the network")))
    else {
        return;
    };
    let name = tick(peer.name.value.as_str());
    let mistake = Mistake::new(&peer.name.at, format!("the peer {name} has no key")).absent("key");
    let mistake = mistake.other(&where_from.at, label);
    log.push(
        mistake.help(format!("run `launch key` on {name}; it prints the line to write here: key = \"ed25519:…\"")),
    );
}

/// The peer's own file knows this graph too, and one of them can dial the other.
fn mutual(draft: &Draft, peer: &RawPeer, other: &Draft, log: &mut Log) {
    let (Some(own), Some(theirs)) = (&draft.name, &other.name) else { return };
    if own.value == theirs.value {
        return;
    }
    let peer_name = tick(theirs.value.as_str());
    let Some(back) = other.peers.iter().find(|back| back.name.value == own.value) else {
        let title = format!("{peer_name} does not know {} as a peer", tick(own.value.as_str()));
        let mistake = Mistake::new(&peer.name.at, title).absent(own.value.as_str()).other(&theirs.at, "this graph");
        log.push(mistake.help(format!("add [peer.{}] there", own.value)));
        return;
    };
    if peer.address.good().is_some() && matches!(other.listen, Setting::Absent) {
        let mistake =
            Mistake::new(&peer.name.at, format!("{peer_name} is dialed but does not listen")).absent("listen");
        let mistake = mistake.other(&back.name.at, "known here");
        log.push(mistake.help("add listen = \"0.0.0.0:7400\" to its [graph]"));
    }
}
