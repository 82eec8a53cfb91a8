//! What given graph files need of this machine: all that `check` checks, free ports, peers that are known, Python's modules.
//! It never dials a peer.

use std::{
    io,
    net::{TcpListener, ToSocketAddrs},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::mpsc::channel,
    thread,
    time::Duration,
};

use offboard::graph::{Graph, Peer};

use super::{Finding, State, named};
use crate::{
    child::Places,
    client,
    files::{Loaded, load},
};

/// How long a name may take to be found: name servers may be far.
const NAME_WITHIN: Duration = Duration::from_secs(3);

pub(super) fn findings(files: &[PathBuf]) -> Vec<Finding> {
    if files.is_empty() {
        return Vec::new();
    }
    let loaded = match load(files, &[], false) {
        Ok(loaded) => loaded,
        Err(failure) => {
            let names: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
            let finding = Finding::new("graph files", State::Bad, "not well");
            return vec![finding.mend(format!("launch check {}\n{}", names.join(" "), failure.text.trim_end()))];
        }
    };
    let mut findings = Vec::new();
    let runs: Vec<String> = client::running().unwrap_or_default().into_iter().map(|client| client.graph).collect();
    for Loaded { graph, said, .. } in &loaded {
        let running = runs.iter().any(|name| name == graph.name.as_str());
        findings.push(Finding::ok(&graph.name, "its file is well, its programs are there"));
        findings.extend(graph.listen.as_deref().map(|listen| port(graph, listen, running)));
        findings.extend(graph.peers.iter().map(|peer| self::peer(graph, peer)));
        for (spec, said) in graph.nodes.iter().zip(said) {
            findings.extend(named::findings(&format!("{} {}", graph.name, spec.name), spec, said.as_ref()));
        }
        findings.extend(python(graph));
    }
    findings
}

/// Whether the port is free on which the link will listen.
fn port(graph: &Graph, listen: &str, running: bool) -> Finding {
    let what = format!("{} port", graph.name);
    match TcpListener::bind(listen) {
        Ok(_) => Finding::ok(what, format!("{listen} is free")),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && running => {
            Finding::ok(what, format!("{listen} is held by the running graph"))
        }
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            Finding::new(what, State::Bad, format!("{listen} is taken by another program"))
                .mend(format!("who: ss -ltnp 'sport = :{}'; or choose another port in [graph] listen", port_of(listen)))
        }
        Err(error) => Finding::new(what, State::Bad, format!("{listen} cannot be listened on: {error}"))
            .mend("[graph] listen wants an address of this machine, or 0.0.0.0"),
    }
}

fn port_of(address: &str) -> &str {
    address.rsplit_once(':').map_or(address, |(_, port)| port)
}

fn peer(graph: &Graph, peer: &Peer) -> Finding {
    let what = format!("{} peer {}", graph.name, peer.name);
    let key = if peer.key.is_some() { "its key is known" } else { "no key: only on this machine" };
    let Some(address) = &peer.address else {
        return Finding::ok(what, format!("it dials here; {key}"));
    };
    match found(address.clone()) {
        Some(true) => Finding::ok(what, format!("{address} is known; {key}")),
        Some(false) => Finding::new(what, State::Bad, format!("nobody knows the address {address}"))
            .mend("is its name right, and is it on this network? try: getent hosts NAME; an IP address works too"),
        None => Finding::new(what, State::Warn, format!("nobody answered within {NAME_WITHIN:?} where {address} is"))
            .mend("is this machine on the network? an IP address needs no name server"),
    }
}

/// Whether a name leads to an address; none: nobody answered in time.
fn found(address: String) -> Option<bool> {
    let (tell, told) = channel();
    // It ends with the process: the system's resolver knows no deadline.
    thread::spawn(move || tell.send(address.to_socket_addrs().is_ok_and(|mut all| all.next().is_some())));
    told.recv_timeout(NAME_WITHIN).ok()
}

/// Python nodes want modules that a fresh machine lacks.
fn python(graph: &Graph) -> Option<Finding> {
    let words = graph.nodes.iter().map(|spec| &spec.run).find(|run| is_python(&run[0]))?;
    let what = format!("{} python", graph.name);
    let program = Places::here().find(&graph.dir, &words[0]).ok()?;
    let imports = Command::new(&program)
        .args(["-c", "import zmq, google.protobuf"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    Some(match imports {
        Ok(status) if status.success() => Finding::ok(what, format!("{} knows zmq and protobuf", program.display())),
        _ => Finding::new(what, State::Warn, format!("{} lacks zmq or protobuf", program.display()))
            .mend("sudo apt install python3-zmq python3-protobuf, or pip install pyzmq protobuf"),
    })
}

fn is_python(word: &str) -> bool {
    Path::new(word).file_name().is_some_and(|name| name.to_string_lossy().starts_with("python"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_looked_up_in_bounds() {
        assert_eq!(found("127.0.0.1:7400".to_owned()), Some(true));
        assert_eq!(found("no port".to_owned()), Some(false));
    }

    #[test]
    fn a_python_is_known_by_its_name() {
        assert!(is_python("python3") && is_python("/usr/bin/python3.11") && !is_python("sh"));
        assert_eq!(port_of("0.0.0.0:7400"), "7400");
    }
}
