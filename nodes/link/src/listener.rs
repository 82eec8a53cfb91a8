//! The open port: strangers in, peers through. Whatever a stranger does, it costs little and holds up nobody.
//!
//! A connection is a stranger's until TLS has proved a pinned key and its hello named the peer of that key; it has
//! [`MEET_MAX`] for that. It never reads a byte of a stranger beyond what the handshake needs.

use std::{
    collections::VecDeque,
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use tokio::{
    net::{TcpListener, TcpStream},
    task::AbortHandle,
    time::{sleep, timeout},
};
use tracing::warn;

use crate::{
    conn::{Conn, MEET_MAX, NotMet},
    frame::{Frame, Hello},
    link::Link,
    local::Local,
    pipe::Pipe,
    tls::{self, Pins},
};

/// The most strangers at once: a handshake takes milliseconds, so honest ones never wait for a place.
pub const STRANGERS_MAX: usize = 32;

/// How long to wait when the system has no connection to give (out of files, say): not at full speed, not noticeably long.
const ACCEPT_RETRY: Duration = Duration::from_millis(50);

/// Accepts connections, for ever.
pub async fn accept_always<L: Local>(link: Arc<Link<L>>, listener: TcpListener) {
    let mut strangers = Strangers::default();
    loop {
        match listener.accept().await {
            Ok((tcp, from)) => {
                strangers.make_room();
                let greeting = tokio::spawn(greet(link.clone(), tcp, from));
                strangers.0.push_back((from.ip(), greeting.abort_handle()));
            }
            Err(error) => {
                link.complaints.say(|| warn!("cannot accept a connection: {error}"));
                sleep(ACCEPT_RETRY).await;
            }
        }
    }
}

/// Those who have not proved who they are, the oldest first.
#[derive(Default)]
struct Strangers(VecDeque<(IpAddr, AbortHandle)>);

impl Strangers {
    /// Makes room for one more: when all places are taken, the oldest of the address that has most of them goes. So a crowd
    /// from one address keeps nobody else out, nor a newcomer of its own.
    fn make_room(&mut self) {
        self.0.retain(|(_, greeting)| !greeting.is_finished());
        if self.0.len() < STRANGERS_MAX {
            return;
        }
        let addresses = self.0.iter().map(|(from, _)| *from);
        let crowd = |ip: IpAddr| self.0.iter().filter(|(from, _)| *from == ip).count();
        let largest = addresses.max_by_key(|ip| crowd(*ip));
        let oldest = self.0.iter().position(|(from, _)| Some(*from) == largest).unwrap_or(0);
        if let Some((_, greeting)) = self.0.remove(oldest) {
            greeting.abort();
        }
    }
}

impl Drop for Strangers {
    fn drop(&mut self) {
        self.0.iter().for_each(|(_, greeting)| greeting.abort());
    }
}

async fn greet<L: Local>(link: Arc<Link<L>>, tcp: TcpStream, from: SocketAddr) {
    let pins = Pins::new(link.config.pinned());
    let met = timeout(MEET_MAX, meet(&link, tcp, pins.clone())).await;
    let problem = match met {
        Ok(Ok((hello, mut conn))) => match recognise(&link, &hello, &conn, from) {
            Ok(peer) => {
                if answer(&link, &hello, &mut conn).await.is_ok()
                    && let Some(met) = link.join(peer, hello, conn)
                {
                    drop(link.start(met)); // it runs on its own
                }
                return;
            }
            Err(reason) => {
                conn.refuse(reason.clone()).await;
                reason
            }
        },
        Ok(Err(problem)) => explain(problem, &pins),
        Err(_) => explain(NotMet::Silent, &pins),
    };
    let ip = from.ip().to_canonical();
    link.complaints.say(|| warn!("refused a connection from {ip}: {problem}"));
}

async fn meet<L: Local>(link: &Link<L>, tcp: TcpStream, pins: Arc<Pins>) -> Result<(Hello, Conn), NotMet> {
    let config = tls::accepting(&link.identity, pins).map_err(io::Error::other)?;
    let mut conn = Conn::new(Pipe::accept(tcp, config).await?);
    match conn.hello().await {
        Err(NotMet::Frame(error)) => {
            conn.refuse(error.to_string()).await; // another release, most likely
            Err(NotMet::Frame(error))
        }
        hello => Ok((hello?, conn)),
    }
}

/// The number of the peer that proved its key and says hello.
fn recognise<L: Local>(link: &Link<L>, hello: &Hello, conn: &Conn, from: SocketAddr) -> Result<usize, String> {
    let key = conn.pipe.peer_key().ok_or("it proved no key")?;
    let peer = link.config.recognise(key, &hello.name, from.ip())?;
    link.admits(peer)?;
    Ok(peer)
}

async fn answer<L: Local>(link: &Link<L>, hello: &Hello, conn: &mut Conn) -> io::Result<()> {
    let answer = Frame::Hello(Hello { name: link.config.graph.clone(), ..hello.clone() });
    timeout(MEET_MAX, conn.say(&answer)).await.map_err(|_| io::ErrorKind::TimedOut)?
}

/// What went wrong, so that the owner of both machines can pair them.
fn explain(problem: NotMet, pins: &Pins) -> String {
    match (problem, pins.shown()) {
        (NotMet::Io(error), Some(key)) if !pins.holds(key) && tls::error(&error).is_some() => {
            format!("a machine with key {key} wants in; if it is yours, add [peer.NAME] with key = \"{key}\"")
        }
        (NotMet::Io(error), _) => error.to_string(),
        (NotMet::Frame(error), _) => error.to_string(),
        (NotMet::Refused(reason), _) => format!("it says: {reason}"),
        (NotMet::Silent, _) => format!("it said nothing for {} s", MEET_MAX.as_secs()),
    }
}
