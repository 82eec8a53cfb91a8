//! One encrypted connection: plain bytes in, plain bytes out, TLS records between, and nothing that waits in secret.
//!
//! It uses the unbuffered interface of rustls, so that what was accepted but not yet sent is exactly one small buffer, the
//! kernel is asked once per many records, and a received record is copied once. It never decides what to send.

use std::{fmt, io, net::SocketAddr, sync::Arc, time::Duration};

use rustls::{
    ClientConfig, ServerConfig,
    client::UnbufferedClientConnection,
    pki_types::{IpAddr, ServerName},
    server::UnbufferedServerConnection,
    unbuffered::{ConnectionState, UnbufferedStatus},
};
use socket2::SockRef;
use tokio::{io::Interest, net::TcpStream};
use tracing::debug;

use crate::{config::is_this_machine, key::PublicKey, tls};

/// The most plain bytes that [`Pipe::seal`] takes at once. A raw picture takes four: the other end decrypts one while we encrypt
/// the next, and is not woken for each little piece (over loopback it took 0.69 ms so, 1.14 ms with pieces of 16 KiB).
pub const SEAL_MAX: usize = 256 << 10;

/// The longest record that TLS allows, in plain bytes; the other end may use it.
const RECORD_MAX: usize = 16 << 10;

/// What a record adds: header, content type and authentication tag.
const RECORD_EXTRA: usize = 5 + 1 + 16;

/// Room for what was encrypted and not sent: one `seal`, and a word of TLS itself.
const UNSENT_MAX: usize = SEAL_MAX + (SEAL_MAX / tls::RECORD_MAX + 2) * RECORD_EXTRA + (4 << 10);

/// The same before the other end is known: handshake messages, which are short without certificates.
const STRANGER_UNSENT: usize = 4 << 10;

/// Room for what arrived and is not decrypted: a record before the other end is known, so that strangers cost little.
const STRANGER_WINDOW: usize = RECORD_MAX + 512;

/// The same once it is known: what a fast network delivers while we decrypt.
const WINDOW: usize = 256 << 10;

/// After so long without an acknowledgement the kernel gives a connection up: the bulk connection is stuck then, though
/// the control connection may live.
const STUCK_AFTER: Duration = Duration::from_secs(2);

enum Tls {
    Dialing(UnbufferedClientConnection),
    Accepting(UnbufferedServerConnection),
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Tls::Dialing(_) => "dialing",
            Tls::Accepting(_) => "accepting",
        })
    }
}

/// An encrypted connection over TCP.
#[derive(Debug)]
pub struct Pipe {
    tcp: TcpStream,
    tls: Tls,
    /// What arrived and is not decrypted: `window[start..end]`.
    window: Vec<u8>,
    start: usize,
    end: usize,
    /// What is encrypted and not sent: `unsent[sent..sealed]`.
    unsent: Vec<u8>,
    sent: usize,
    sealed: usize,
    /// Plain bytes that came together with the end of the handshake.
    early: Vec<u8>,
}

/// What a step with the TLS state machine led to.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// It went on; call again.
    Moved,
    /// It needs more bytes from the other end.
    Blocked,
    /// All that arrived is decrypted.
    Idle,
    /// The plain bytes are encrypted.
    Sealed,
    /// The other end said that it sends no more.
    Closed,
}

/// What [`Pipe::receive`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Received {
    /// So many bytes came from the network; more may be there.
    Bytes(usize),
    /// Nothing at the moment.
    Nothing,
    /// The other end is gone.
    Closed,
}

impl Pipe {
    /// Encrypts a connection that we dialed.
    ///
    /// # Errors
    /// When the handshake fails; the error's source is a [`rustls::Error`] when TLS says why.
    pub async fn dial(tcp: TcpStream, config: Arc<ClientConfig>) -> io::Result<Pipe> {
        // A name is required but means nothing: the key alone counts.
        let name = ServerName::IpAddress(IpAddr::from(tcp.peer_addr()?.ip()));
        let tls = UnbufferedClientConnection::new(config, name).map_err(broken)?;
        Pipe::shake(tcp, Tls::Dialing(tls)).await
    }

    /// Encrypts a connection that we accepted.
    ///
    /// # Errors
    /// As [`Pipe::dial`].
    pub async fn accept(tcp: TcpStream, config: Arc<ServerConfig>) -> io::Result<Pipe> {
        let tls = UnbufferedServerConnection::new(config).map_err(broken)?;
        Pipe::shake(tcp, Tls::Accepting(tls)).await
    }

    async fn shake(tcp: TcpStream, tls: Tls) -> io::Result<Pipe> {
        tcp.set_nodelay(true)?;
        let (window, unsent) = (vec![0; STRANGER_WINDOW], vec![0; STRANGER_UNSENT]);
        let mut pipe = Pipe { tcp, tls, window, start: 0, end: 0, unsent, sent: 0, sealed: 0, early: Vec::new() };
        let done = pipe.handshake().await;
        if done.is_err() {
            // The alert that tells the other end why; it may not arrive, and nobody waits for it.
            drop(pipe.step(&mut |_| {}, &[]));
            drop(pipe.flush());
        }
        done?;
        pipe.window.resize(WINDOW, 0);
        pipe.unsent.resize(UNSENT_MAX, 0);
        Ok(pipe)
    }

    async fn handshake(&mut self) -> io::Result<()> {
        loop {
            let mut early = std::mem::take(&mut self.early);
            let step = self.step(&mut |plain| early.extend_from_slice(plain), &[]);
            self.early = early;
            match step? {
                Step::Moved => continue,
                Step::Closed => return Err(io::ErrorKind::UnexpectedEof.into()),
                Step::Blocked | Step::Idle | Step::Sealed => self.flush_all().await?,
            }
            if !self.tls.is_handshaking() {
                return Ok(());
            }
            self.fill_all().await?;
        }
    }

    /// Sends all that is encrypted.
    ///
    /// # Errors
    /// When the connection broke.
    pub async fn flush_all(&mut self) -> io::Result<()> {
        while !self.flush()? {
            self.tcp.writable().await?;
        }
        Ok(())
    }

    /// Waits for bytes and takes what there is.
    async fn fill_all(&mut self) -> io::Result<()> {
        loop {
            match self.fill()? {
                Received::Bytes(_) => return Ok(()),
                Received::Closed => return Err(io::ErrorKind::UnexpectedEof.into()),
                Received::Nothing => self.tcp.readable().await?,
            }
        }
    }

    /// Waits for more to [`Pipe::receive`].
    ///
    /// # Errors
    /// When the connection broke.
    pub async fn readable(&self) -> io::Result<()> {
        self.tcp.readable().await
    }

    /// Waits until [`Pipe::receive`] or, when `sending`, [`Pipe::flush`] has something to do.
    ///
    /// # Errors
    /// When the connection broke.
    pub async fn ready(&self, sending: bool) -> io::Result<()> {
        let interest = if sending { Interest::READABLE | Interest::WRITABLE } else { Interest::READABLE };
        self.tcp.ready(interest).await.map(drop)
    }

    /// Takes what arrived, one system call's worth, and gives the plain bytes to `sink`.
    ///
    /// # Errors
    /// When the connection broke, or the other end sent what is no TLS.
    pub fn receive(&mut self, sink: &mut dyn FnMut(&[u8])) -> io::Result<Received> {
        if !self.early.is_empty() {
            sink(&std::mem::take(&mut self.early));
        }
        let received = self.fill()?;
        if let Received::Bytes(_) = received {
            loop {
                match self.step(sink, &[])? {
                    Step::Moved => {}
                    Step::Blocked | Step::Idle | Step::Sealed => break,
                    Step::Closed => return Ok(Received::Closed),
                }
            }
        }
        Ok(received)
    }

    /// Encrypts `plain`, at most [`SEAL_MAX`] bytes. What was sealed before must have been sent.
    ///
    /// # Errors
    /// When the connection is closed or its keys are worn out.
    pub fn seal(&mut self, plain: &[u8]) -> io::Result<()> {
        debug_assert!(plain.len() <= SEAL_MAX && self.is_clear());
        let mut unexpected = false;
        // A step or two go to what TLS itself has to say; `receive` left nothing to decrypt.
        for _ in 0..8 {
            match self.step(&mut |_| unexpected = true, plain)? {
                Step::Sealed if !unexpected => return Ok(()),
                Step::Moved => {}
                _ => break,
            }
        }
        Err(io::Error::other("TLS does not take data any more"))
    }

    /// Sends what is encrypted, as much as the kernel takes; whether that was all.
    ///
    /// # Errors
    /// When the connection broke.
    pub fn flush(&mut self) -> io::Result<bool> {
        while self.sent < self.sealed {
            match self.tcp.try_write(&self.unsent[self.sent..self.sealed]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        (self.sent, self.sealed) = (0, 0);
        Ok(true)
    }

    /// Whether all that was sealed is with the kernel.
    #[must_use]
    pub fn is_clear(&self) -> bool {
        self.sent == self.sealed
    }

    /// How many encrypted bytes wait for the kernel.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.sealed - self.sent
    }

    /// The key that the other end proved.
    #[must_use]
    pub fn peer_key(&self) -> Option<PublicKey> {
        let shown = match &self.tls {
            Tls::Dialing(tls) => tls.peer_certificates(),
            Tls::Accepting(tls) => tls.peer_certificates(),
        };
        PublicKey::from_spki(shown?.first()?)
    }

    /// The address of the other end.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn peer_address(&self) -> io::Result<SocketAddr> {
        self.tcp.peer_addr()
    }

    /// Sets the socket up for a session: what is not sent when it ends is thrown away, a connection without acknowledgements
    /// ends, and the kernel holds at most `unsent_max` bytes that it did not send yet, so that what waits can still be
    /// replaced by something newer.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn prepare(&self, unsent_max: u32) -> io::Result<()> {
        let socket = SockRef::from(&self.tcp);
        socket.set_linger(Some(Duration::ZERO))?;
        socket.set_tcp_user_timeout(Some(STUCK_AFTER))?;
        socket.set_tcp_notsent_lowat(unsent_max)
    }

    /// Asks for the congestion control that takes a lost packet for what it is on Wi-Fi, an accident: at 1 % loss a network of
    /// 20 Mbit/s carried all pictures, not three of four (both measured). Where the kernel has it not, its own choice stays.
    pub fn bear_loss(&self) {
        let far = self.tcp.peer_addr().is_ok_and(|peer| !is_this_machine(peer.ip()));
        if far && let Err(error) = SockRef::from(&self.tcp).set_tcp_congestion(b"bbr") {
            debug!(
                "this kernel offers no BBR congestion control ({error}); pictures will suffer more from lost packets"
            );
        }
    }

    /// Limits what the kernel holds, sent and unsent, in bytes.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn set_send_buffer(&self, bytes: usize) -> io::Result<()> {
        SockRef::from(&self.tcp).set_send_buffer_size(bytes)
    }

    /// Reads into the window.
    fn fill(&mut self) -> io::Result<Received> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.window.len() - self.end < RECORD_MAX {
            self.window.copy_within(self.start..self.end, 0); // less than a record, as `receive` takes all whole ones
            (self.start, self.end) = (0, self.end - self.start);
        }
        if self.end == self.window.len() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a TLS record is too long"));
        }
        match self.tcp.try_read(&mut self.window[self.end..]) {
            Ok(0) => Ok(Received::Closed),
            Ok(count) => {
                self.end += count;
                Ok(Received::Bytes(count))
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                Ok(Received::Nothing)
            }
            Err(error) => Err(error),
        }
    }

    /// One step of the TLS state machine over what arrived; `plain` is encrypted as soon as that is possible.
    fn step(&mut self, sink: &mut dyn FnMut(&[u8]), plain: &[u8]) -> io::Result<Step> {
        let window = &mut self.window[self.start..self.end];
        let room = &mut self.unsent[self.sealed..];
        let (discard, sealed, step) = match &mut self.tls {
            Tls::Dialing(tls) => handle(tls.process_tls_records(window), sink, plain, room),
            Tls::Accepting(tls) => handle(tls.process_tls_records(window), sink, plain, room),
        };
        self.start += discard;
        self.sealed += sealed;
        step
    }
}

impl Tls {
    fn is_handshaking(&self) -> bool {
        match self {
            Tls::Dialing(tls) => tls.is_handshaking(),
            Tls::Accepting(tls) => tls.is_handshaking(),
        }
    }
}

/// Does what one status of the TLS state machine asks for: bytes to discard from the window, bytes put into `room`, the step.
fn handle<Data>(
    status: UnbufferedStatus<'_, '_, Data>,
    sink: &mut dyn FnMut(&[u8]),
    plain: &[u8],
    room: &mut [u8],
) -> (usize, usize, io::Result<Step>) {
    let UnbufferedStatus { mut discard, state } = status;
    let mut sealed = 0;
    let step = match state {
        Ok(ConnectionState::ReadTraffic(mut traffic)) => loop {
            match traffic.next_record() {
                None => break Ok(Step::Moved),
                Some(Err(error)) => break Err(broken(error)),
                Some(Ok(record)) => {
                    discard += record.discard;
                    sink(record.payload);
                }
            }
        },
        Ok(ConnectionState::EncodeTlsData(mut data)) => data.encode(room).map_err(broken).map(|count| {
            sealed = count;
            Step::Moved
        }),
        Ok(ConnectionState::TransmitTlsData(data)) => {
            data.done(); // it is in `unsent`, which goes before anything else
            Ok(Step::Moved)
        }
        Ok(ConnectionState::BlockedHandshake) => Ok(Step::Blocked),
        Ok(ConnectionState::WriteTraffic(_)) if plain.is_empty() => Ok(Step::Idle),
        Ok(ConnectionState::WriteTraffic(mut traffic)) => traffic.encrypt(plain, room).map_err(broken).map(|count| {
            sealed = count;
            Step::Sealed
        }),
        Ok(ConnectionState::PeerClosed | ConnectionState::Closed) => Ok(Step::Closed),
        Ok(_) => Err(io::Error::other("TLS is in a state that was never asked for")), // early data is off
        Err(error) => Err(broken(error)),
    };
    (discard, sealed, step)
}

fn broken(error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
