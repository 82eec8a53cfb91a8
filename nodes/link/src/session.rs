//! A session: two machines that met, until one is gone. One loop moves both connections, commands before pictures.
//!
//! What goes next is chosen when the kernel can take it and not before; a blocked bulk connection holds up nothing on the
//! control connection. All stamps on the network are on the timeline of the machine that was dialed; the one that dialed
//! converts. It never stores what could not be sent.

use std::{convert::Infallible, io, sync::Arc, time::Duration};

use bytes::Bytes;
use offboard::proto::Header;
use tokio::time::{Instant, sleep_until};
use tracing::{debug, warn};

use crate::{
    budget::Budget,
    config::{Config, Peer},
    conn::Conn,
    frame::{BULK_MAX, CONTROL_MAX, Frame, FrameError, WHOLE_SESSION, Want, data_head},
    interest::{match_offer, printable},
    local::{Hold, Hub, Local, Mailbox},
    offset::{Offset, Sample, shift},
    outbox::is_old,
    pipe::{Received, SEAL_MAX},
    report::{Gauges, Seldom, Stats},
};

/// How often each side asks whether the other is there.
const PING_EVERY: Duration = Duration::from_millis(100);

/// After so long without a byte on the control connection the peer is gone: five pings, or a retransmission or two.
pub const DEAD_AFTER: Duration = Duration::from_millis(500);

/// So many answers give the offset between the two timelines before any message flows.
const SYNC_PINGS: u32 = 4;

/// How long these answers may take.
const SYNC_MAX: Duration = Duration::from_secs(3);

/// How often the measurements are logged.
const STATS_EVERY: Duration = Duration::from_secs(10);

/// What the kernel may hold unsent on the control connection, in bytes: a few commands.
const CONTROL_UNSENT_MAX: u32 = 4 << 10;

/// The same on the bulk connection: enough to keep the network busy until we are asked for more.
const BULK_UNSENT_MAX: u32 = 32 << 10;

/// How much goes over the bulk connection before the control connection is looked at again.
const BULK_TURN: usize = SEAL_MAX;

/// The first piece of a message is copied behind its header, so it is small: one TLS record.
const FIRST_PIECE: usize = 8_000;

/// How many bytes of commands are encrypted together.
const COMMANDS_TOGETHER: usize = 16 << 10;

/// Two connections to a peer that proved who it is.
#[derive(Debug)]
pub struct Met {
    /// For small messages and the links' own words.
    pub control: Conn,
    /// For the rest.
    pub bulk: Conn,
    /// The number of the peer in the configuration.
    pub peer: usize,
    /// Whether we dialed: then our stamps are the converted ones.
    pub dialed: bool,
}

/// Why a session ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Ended {
    /// Nothing came for [`DEAD_AFTER`].
    #[error("silent for {} ms", DEAD_AFTER.as_millis())]
    Silent,
    /// The other end closed the connection, or the network did.
    #[error("{0}")]
    Broken(String),
    /// It said what it may not say.
    #[error("it broke the protocol: {0}")]
    Protocol(String),
}

impl From<io::Error> for Ended {
    fn from(error: io::Error) -> Ended {
        match error.kind() {
            io::ErrorKind::InvalidData => Ended::Protocol(error.to_string()),
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
                Ended::Broken("the connection was closed".to_owned())
            }
            _ => Ended::Broken(error.to_string()),
        }
    }
}

impl From<FrameError> for Ended {
    fn from(error: FrameError) -> Ended {
        Ended::Protocol(error.to_string())
    }
}

/// A message of which a part was sent.
#[derive(Debug)]
struct Sending {
    head: Vec<u8>,
    payload: Bytes,
    /// How much of the payload was sent.
    at: usize,
}

struct Session<L: Local> {
    hub: Arc<Hub<L>>,
    config: Arc<Config>,
    peer: usize,
    dialed: bool,
    control: Conn,
    bulk: Conn,
    /// Encoded frames for the control connection; see `say` for its limit.
    words: Vec<u8>,
    sending: Option<Sending>,
    budget: Budget,
    mailbox: Arc<Mailbox>,
    /// The topics that the peer wants, kept alive; some once it told what it wants.
    holds: Option<Vec<Hold<L>>>,
    offset: Offset,
    pongs: u32,
    /// While topics move from one connection to the other: when the ping was sent whose answer proves that all before it arrived.
    fence_ns: Option<i64>,
    /// Incarnation and seq of the last message of each topic that we want.
    seen: Vec<(u64, u64)>,
    stats: Stats,
    gauges: Gauges,
    complaints: Seldom,
    heard: Instant,
    began: Instant,
    ping_at: Instant,
    stats_at: Instant,
}

/// Runs a session until it ends; meanwhile `gauges` say what it measures.
pub async fn run<L: Local>(hub: Arc<Hub<L>>, config: Arc<Config>, met: Met, gauges: Gauges) -> Ended {
    let mut session = Session::new(hub, config, met, gauges);
    match session.live().await {
        Ok(never) => match never {},
        Err(ended) => {
            session.log_stats();
            ended
        }
    }
}

impl<L: Local> Session<L> {
    fn new(hub: Arc<Hub<L>>, config: Arc<Config>, met: Met, gauges: Gauges) -> Session<L> {
        let Met { control, mut bulk, peer, dialed } = met;
        bulk.trust(BULK_MAX);
        let wants = &config.peers[peer].wants;
        let (seen, stats) = (vec![(0, 0); wants.len()], Stats::new(wants));
        let now = Instant::now();
        Session {
            hub,
            config,
            peer,
            dialed,
            control,
            bulk,
            words: Vec::new(),
            sending: None,
            budget: Budget::default(),
            mailbox: Arc::default(),
            holds: None,
            offset: Offset::default(),
            pongs: 0,
            fence_ns: None,
            seen,
            stats,
            gauges,
            complaints: Seldom::default(),
            heard: now,
            began: now,
            ping_at: now,
            stats_at: now + STATS_EVERY,
        }
    }

    fn peer(&self) -> &Peer {
        &self.config.peers[self.peer]
    }

    async fn live(&mut self) -> Result<Infallible, Ended> {
        self.control.pipe.prepare(CONTROL_UNSENT_MAX)?;
        self.bulk.pipe.prepare(BULK_UNSENT_MAX)?;
        self.bulk.pipe.bear_loss();
        self.bulk.pipe.set_send_buffer(self.budget.bytes())?;
        if !self.dialed {
            self.say_wants();
        }
        loop {
            self.mind_the_time()?;
            if self.turn().await? {
                // Others are due, and the runtime looks which connections are ready.
                tokio::task::yield_now().await;
            } else {
                self.wait().await?;
            }
        }
    }

    /// Does what can be done without waiting; whether more of that may be there.
    async fn turn(&mut self) -> Result<bool, Ended> {
        let commands = self.hear_control().await?;
        self.say_control()?;
        let pictures = self.hear_bulk().await?;
        let more = self.say_bulk()?;
        Ok(commands || pictures || more)
    }

    async fn wait(&mut self) -> Result<(), Ended> {
        let (control, bulk) = (&self.control.pipe, &self.bulk.pipe);
        let due = self.ping_at.min(self.heard + DEAD_AFTER);
        tokio::select! {
            biased;
            ready = control.ready(!control.is_clear()) => ready?,
            ready = bulk.ready(!bulk.is_clear()) => ready?,
            () = self.mailbox.filled() => {}
            () = sleep_until(due) => {}
        }
        Ok(())
    }

    fn mind_the_time(&mut self) -> Result<(), Ended> {
        let now = Instant::now();
        if now >= self.heard + DEAD_AFTER {
            return Err(Ended::Silent);
        }
        if !self.in_time() && now >= self.began + SYNC_MAX {
            return Err(Ended::Protocol("its answers give no time".to_owned()));
        }
        if now >= self.ping_at {
            self.say_ping();
        }
        if now >= self.stats_at {
            self.stats_at = now + STATS_EVERY;
            self.log_stats();
        }
        Ok(())
    }

    // What the peer says.

    async fn hear_control(&mut self) -> Result<bool, Ended> {
        let received = self.control.receive()?;
        while let Some(frame) = self.control.frame() {
            self.handle(Frame::decode(frame)?).await?;
        }
        match received {
            Received::Closed => Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
            Received::Nothing => Ok(false),
            Received::Bytes(_) => {
                self.heard = Instant::now();
                Ok(true)
            }
        }
    }

    async fn hear_bulk(&mut self) -> Result<bool, Ended> {
        let received = self.bulk.receive()?;
        while let Some(frame) = self.bulk.frame() {
            match Frame::decode(frame)? {
                Frame::Data { number, header, payload } => self.publish(number, header, payload).await,
                _ => return Err(Ended::Protocol("only messages belong on the bulk connection".to_owned())),
            }
        }
        match received {
            Received::Closed => Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
            Received::Nothing => Ok(false),
            Received::Bytes(_) => Ok(true),
        }
    }

    async fn handle(&mut self, frame: Frame) -> Result<(), Ended> {
        match frame {
            Frame::Data { number, header, payload } => self.publish(number, header, payload).await,
            Frame::Ping { sent_ns } => {
                let now_ns = self.now_ns();
                self.say(&Frame::Pong { sent_ns, received_ns: now_ns, replied_ns: now_ns });
            }
            Frame::Pong { sent_ns, received_ns, replied_ns } => self.pong(sent_ns, received_ns, replied_ns),
            Frame::Want(wants) if self.holds.is_none() => self.accept(&wants),
            Frame::Want(_) => return Err(Ended::Protocol("it wants twice".to_owned())),
            Frame::Refuse { number: WHOLE_SESSION, reason } => return Err(Ended::Broken(printable(&reason))),
            Frame::Refuse { reason, .. } => warn!("{} refuses: {}", self.peer().name, printable(&reason)),
            Frame::Hello(_) => return Err(Ended::Protocol("it says hello twice".to_owned())),
        }
        Ok(())
    }

    /// The peer's wants are known: listens to what is offered, refuses the rest.
    fn accept(&mut self, wants: &[Want]) {
        self.mailbox.outbox().open(wants.iter().map(|want| want.keep));
        let mut holds = Vec::new();
        for (number, want) in wants.iter().enumerate() {
            match match_offer(&self.config.graph, &self.config.offers, want) {
                Ok(offer) => holds.push(self.hub.attach(offer, self.mailbox.clone(), number)),
                Err(reason) => {
                    warn!("{} asks for what is not here: {reason}", self.peer().name);
                    self.say(&Frame::Refuse { number: number as u16, reason });
                }
            }
        }
        self.stats.wanted(wants);
        self.holds = Some(holds);
    }

    /// A message from the peer: passed on when it is wanted, as agreed, in order and not too old.
    async fn publish(&mut self, number: u16, mut header: Header, payload: Bytes) {
        let number = usize::from(number);
        let Some(want) = self.config.peers[self.peer].wants.get(number) else {
            self.stats.unwanted += 1;
            let name = &self.config.peers[self.peer].name;
            self.complaints.say(|| warn!("{name} writes a topic that nobody here wants from it; dropped"));
            return;
        };
        let heard = &mut self.stats.heard[number];
        if want.kind != "*" && want.kind != header.r#type {
            heard.wrong_type += 1;
            let kind = printable(&header.r#type);
            self.complaints.say(|| warn!("{} carries {kind}, not {}; dropped", want.topic, want.kind));
            return;
        }
        // Two connections, two publishers of one name: whatever the reason, no message is heard twice or after a newer one.
        let (incarnation, seq) = self.seen[number];
        if header.incarnation == incarnation && incarnation != 0 && header.seq <= seq && header.seq != 0 {
            heard.late += 1;
            return;
        }
        self.seen[number] = (header.incarnation, header.seq);
        if self.dialed {
            shift(&mut header, self.offset.ns().unwrap_or(0));
        }
        if is_old(&header, self.hub.local().now_ns()) {
            heard.expired += 1;
            return;
        }
        heard.messages += 1;
        heard.bytes += payload.len() as u64;
        let output = self.config.peers[self.peer].outputs[number];
        self.hub.local().publish(output, header, payload).await;
    }

    fn pong(&mut self, sent_ns: i64, received_ns: i64, replied_ns: i64) {
        if let Some(sample) = Sample::new(sent_ns, received_ns, replied_ns, self.now_ns()) {
            self.offset.add(sample);
        }
        if self.fence_ns.is_some_and(|fence_ns| sent_ns >= fence_ns) {
            self.fence_ns = None;
            self.mailbox.outbox().moved();
        }
        self.measure();
        self.pongs = self.pongs.saturating_add(1);
        if self.pongs < SYNC_PINGS {
            self.say_ping();
        } else if self.pongs == SYNC_PINGS && self.dialed {
            self.say_wants();
        }
    }

    // What we say.

    /// Whether the two timelines are known to each other, so that messages may flow.
    fn in_time(&self) -> bool {
        !self.dialed || (self.pongs >= SYNC_PINGS && self.offset.ns().is_some())
    }

    fn say_wants(&mut self) {
        let wants = Frame::Want(self.peer().wants.clone());
        self.say(&wants);
    }

    fn say_ping(&mut self) -> i64 {
        self.ping_at = Instant::now() + PING_EVERY;
        let sent_ns = self.now_ns();
        self.say(&Frame::Ping { sent_ns });
        sent_ns
    }

    /// Queues one of our own words. A peer that does not take them gets no more of them, and is silent before long.
    fn say(&mut self, frame: &Frame) {
        if self.words.len() < CONTROL_MAX {
            self.words.extend(frame.encode());
        }
    }

    fn say_control(&mut self) -> Result<(), Ended> {
        while self.control.pipe.flush()? {
            self.choose_commands();
            if self.words.is_empty() {
                break;
            }
            let count = self.words.len().min(SEAL_MAX);
            self.control.pipe.seal(&self.words[..count])?;
            self.words.drain(..count);
        }
        Ok(())
    }

    fn choose_commands(&mut self) {
        let moving = self.mailbox.outbox().is_moving();
        if moving && self.fence_ns.is_none() {
            self.fence_ns = Some(self.say_ping());
        }
        while self.in_time() && self.words.len() < COMMANDS_TOGETHER {
            let Some((head, payload)) = self.choose(false) else { return };
            self.words.extend(head);
            self.words.extend_from_slice(&payload);
        }
    }

    /// Sends pictures until the kernel takes no more, or a turn is over; whether there is more to do.
    fn say_bulk(&mut self) -> Result<bool, Ended> {
        let mut turn = BULK_TURN;
        loop {
            let waiting = self.bulk.pipe.waiting();
            let clear = self.bulk.pipe.flush()?;
            self.budget.took(waiting - self.bulk.pipe.waiting());
            if !clear {
                let rtt_ns = self.offset.rtt_min_ns().unwrap_or(0);
                if let Some(bytes) = self.budget.full(self.now_ns(), rtt_ns) {
                    self.bulk.pipe.set_send_buffer(bytes)?;
                }
                return Ok(false);
            }
            if turn == 0 {
                return Ok(true);
            }
            if !self.seal_piece()? {
                self.budget.starved();
                return Ok(false);
            }
            turn = turn.saturating_sub(SEAL_MAX);
        }
    }

    /// Encrypts the next piece of the message that is being sent, or of the one that is chosen now; whether there was one.
    fn seal_piece(&mut self) -> Result<bool, Ended> {
        let (mut sending, first) = match self.sending.take() {
            Some(sending) => (sending, false),
            None if !self.in_time() => return Ok(false),
            None => match self.choose(true) {
                Some((head, payload)) => (Sending { head, payload, at: 0 }, true),
                None => return Ok(false),
            },
        };
        let rest = &sending.payload[sending.at..];
        if first {
            let count = rest.len().min(FIRST_PIECE.saturating_sub(sending.head.len()));
            sending.head.extend_from_slice(&rest[..count]);
            self.bulk.pipe.seal(&sending.head)?;
            sending.at = count;
        } else {
            let count = rest.len().min(SEAL_MAX);
            self.bulk.pipe.seal(&rest[..count])?;
            sending.at += count;
        }
        if sending.at < sending.payload.len() {
            self.sending = Some(sending);
        }
        Ok(true)
    }

    /// Chooses the next message for one of the connections: what stands before its payload, and the payload.
    fn choose(&mut self, bulk: bool) -> Option<(Vec<u8>, Bytes)> {
        let (number, message) = self.mailbox.outbox().pop(bulk, self.now_ns())?;
        let payload = message.payload.clone();
        if !self.dialed {
            return Some((data_head(number, &message.header, payload.len()), payload));
        }
        let mut header = message.header.clone();
        shift(&mut header, self.offset.ns().unwrap_or(0).saturating_neg());
        Some((data_head(number, &header, payload.len()), payload))
    }

    fn now_ns(&self) -> i64 {
        self.hub.local().now_ns()
    }

    fn measure(&mut self) {
        let tallies = self.mailbox.outbox().tallies();
        self.stats.measured(&tallies, self.offset.rtt_min_ns(), self.offset.ns(), self.budget.rate());
        self.gauges.measure(&self.stats);
    }

    fn log_stats(&mut self) {
        self.measure();
        debug!("{}: {}", self.peer().name, self.stats);
    }
}
