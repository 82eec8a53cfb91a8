//! The nodes' heartbeats: datagrams `NODE INCARNATION\n`, and optionally a `NodeStatus` behind it.
//! It never looks into the status and never believes that a node exists because a datagram says so.

use std::{io, path::Path};

use tokio::{net::UnixDatagram, sync::mpsc};

/// The longest heartbeat, in bytes; what is longer is cut and its status does not decode.
const BEAT_MAX: usize = 64 << 10;

/// A heartbeat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Beat {
    /// Who it says it is from.
    pub(crate) node: String,
    /// Which life of that node.
    pub(crate) incarnation: u64,
    /// A `NodeStatus`, or nothing.
    pub(crate) status: Vec<u8>,
}

/// Opens the socket of a graph.
///
/// # Errors
/// When the system refuses.
pub(crate) fn bind(path: &Path) -> io::Result<UnixDatagram> {
    UnixDatagram::bind(path)
}

/// Hands on the heartbeats of a graph for ever.
pub(crate) async fn receive(graph: usize, socket: UnixDatagram, beats: mpsc::Sender<(usize, Beat)>) {
    let mut buffer = vec![0; BEAT_MAX];
    loop {
        // An error here is about one datagram; the socket stays.
        let Ok(count) = socket.recv(&mut buffer).await else {
            tokio::task::yield_now().await;
            continue;
        };
        if let Some(beat) = parse(&buffer[..count])
            && beats.send((graph, beat)).await.is_err()
        {
            return;
        }
    }
}

fn parse(datagram: &[u8]) -> Option<Beat> {
    // A node written in a shell may leave the line end out.
    let end = datagram.iter().position(|byte| *byte == b'\n').unwrap_or(datagram.len());
    let (line, status) = datagram.split_at(end);
    let (node, incarnation) = std::str::from_utf8(line).ok()?.split_once(' ')?;
    let status = status.get(1..).unwrap_or_default().to_vec();
    Some(Beat { node: node.to_owned(), incarnation: incarnation.trim().parse().ok()?, status })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_first_line_is_enough() {
        let beat = |status: &[u8]| Some(Beat { node: "camera".into(), incarnation: 7, status: status.to_vec() });
        assert_eq!(parse(b"camera 7\n"), beat(b""));
        assert_eq!(parse(b"camera 7"), beat(b""));
        assert_eq!(parse(b"camera 7\n\x0a\x06camera"), beat(b"\x0a\x06camera"));
        for junk in ["", "\n", "camera", "camera x\n", "camera -1\n", "7 camera\n", "camera 99999999999999999999\n"] {
            assert_eq!(parse(junk.as_bytes()), None, "{junk:?}");
        }
    }

    proptest! {
        #[test]
        fn no_datagram_is_too_strange(datagram in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&datagram);
        }
    }
}
