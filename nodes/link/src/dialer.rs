//! Calls a peer until it answers, and again whenever it is lost. It says what changed, not each attempt.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use rustls::{AlertDescription, ClientConfig, Error};
use tokio::{
    net::{TcpStream, lookup_host},
    time::{Instant, sleep_until, timeout},
};
use tracing::warn;

use crate::{
    config::{Peer, is_this_machine},
    conn::{Conn, MEET_MAX, NotMet},
    frame::{Frame, Hello, Role},
    key,
    link::Link,
    local::Local,
    pipe::Pipe,
    session::Met,
    tls::{self, Pins},
};

/// Two attempts begin at least this far apart: a peer that comes back is found within a quarter of a second.
const RETRY: Duration = Duration::from_millis(250);

/// How long looking up a name, or connecting to one of its addresses, may take.
const CONNECT_MAX: Duration = Duration::from_secs(1);

/// The most addresses of a name that are tried in one attempt.
const ADDRESSES_MAX: usize = 4;

/// Keeps a session with a peer, for ever.
pub async fn dial_always<L: Local>(link: Arc<Link<L>>, peer: usize) {
    let mut told = String::new();
    loop {
        let next = Instant::now() + RETRY;
        if !link.is_linked(peer) {
            match dial(&link, peer).await {
                Ok(_) if link.yields(peer) => {}
                Ok(met) => {
                    told.clear();
                    drop(link.start(met).await); // it said itself why it ended
                }
                Err(problem) if problem == told => {}
                Err(problem) => {
                    warn!("{problem}; trying on");
                    told = problem;
                }
            }
        }
        sleep_until(next).await;
    }
}

/// One attempt: both connections, both ends known to each other; or a sentence for the person who can mend it.
async fn dial<L: Local>(link: &Link<L>, number: usize) -> Result<Met, String> {
    let peer = link.peer(number);
    let Some(address) = &peer.address else {
        return Err(format!("{} has no address", peer.name));
    };
    let cannot = |error: &dyn std::fmt::Display| format!("cannot reach {} at {address}: {error}", peer.name);
    let tcp = connect(address, peer.local).await.map_err(|error| cannot(&error))?;
    let to = tcp.peer_addr().map_err(|error| cannot(&error))?;
    let pins = Pins::new(vec![peer.key]);
    let config = tls::dialing(&link.identity, pins.clone()).map_err(|error| cannot(&error))?;
    let session = key::random().ok_or("the system gives no random numbers")?;
    let hello = |role| Hello { role, session, name: link.config.graph.clone() };
    let meeting = async {
        tokio::try_join!(meet(tcp, config.clone(), hello(Role::Control)), async {
            meet(TcpStream::connect(to).await?, config.clone(), hello(Role::Bulk)).await
        })
    };
    let met = timeout(MEET_MAX, meeting).await.unwrap_or(Err(NotMet::Silent));
    let (control, bulk) = met.map_err(|problem| explain(link, peer, to, problem, &pins))?;
    Ok(Met { control: known(control, peer)?, bulk: known(bulk, peer)?, peer: number, dialed: true })
}

/// The machine that answered must be the one that was called.
fn known((hello, conn): (Hello, Conn), peer: &Peer) -> Result<Conn, String> {
    if hello.name == peer.name {
        return Ok(conn);
    }
    Err(format!("what answers as [peer.{}] is graph {}; rename the peer or correct its address", peer.name, hello.name))
}

async fn connect(address: &str, local: bool) -> io::Result<TcpStream> {
    let late = |_| io::Error::new(io::ErrorKind::TimedOut, "no answer within a second");
    let found = timeout(CONNECT_MAX, lookup_host(address)).await.map_err(late)??;
    let mut problem = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for to in found.take(ADDRESSES_MAX) {
        if local && !is_this_machine(to.ip()) {
            problem = io::Error::other("it has no key, and this address is another machine's");
            continue;
        }
        match timeout(CONNECT_MAX, TcpStream::connect(to)).await.map_err(late).flatten() {
            Ok(tcp) => return Ok(tcp),
            Err(error) => problem = error,
        }
    }
    Err(problem)
}

async fn meet(tcp: TcpStream, config: Arc<ClientConfig>, hello: Hello) -> Result<(Hello, Conn), NotMet> {
    let mut conn = Conn::new(Pipe::dial(tcp, config).await?);
    conn.say(&Frame::Hello(hello.clone())).await?;
    let answer = conn.hello().await?;
    if (answer.role, answer.session) != (hello.role, hello.session) {
        return Err(NotMet::Refused("it answers another hello".to_owned()));
    }
    Ok((answer, conn))
}

fn explain<L: Local>(link: &Link<L>, peer: &Peer, at: SocketAddr, problem: NotMet, pins: &Pins) -> String {
    let name = &peer.name;
    match problem {
        NotMet::Refused(reason) => format!("{name} at {at} refuses: {reason}"),
        NotMet::Silent => format!("{name} at {at} does not answer"),
        NotMet::Frame(error) => format!("{name} at {at} is not understood: {error}"),
        NotMet::Io(error) => match (tls::error(&error), pins.shown()) {
            (Some(_), Some(shown)) if !pins.holds(shown) => format!(
                "what answers at {at} has key {shown}, not the one of [peer.{name}]; if {name} was set up anew, put that key there"
            ),
            (Some(Error::AlertReceived(AlertDescription::AccessDenied)), _) => format!(
                "{name} at {at} does not know this machine; add there [peer.{}] with key = \"{}\"",
                link.config.graph,
                link.identity.public()
            ),
            (Some(_), None) => format!("what answers at {at} is no link of {name}: {error}"),
            _ => format!("{name} at {at}: {error}"),
        },
    }
}
