//! A network between two links: it limits each connection's rate, and it can be cut without closing anything.

use std::{
    net::SocketAddr,
    sync::{Arc, OnceLock},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpSocket, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    time::{Instant, sleep_until},
};

/// What a socket of the proxy may hold, in bytes: a network's queue, not a server's.
const BUFFER: u32 = 32 << 10;

pub(crate) struct Proxy {
    address: SocketAddr,
    behind: Arc<OnceLock<SocketAddr>>,
    open: watch::Sender<bool>,
}

impl Proxy {
    /// So many bytes a millisecond, each connection and direction.
    pub(crate) async fn new(rate: usize) -> Proxy {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(BUFFER).unwrap();
        socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
        let listener = socket.listen(64).unwrap();
        let address = listener.local_addr().unwrap();
        let (behind, open) = (Arc::new(OnceLock::new()), watch::Sender::new(true));
        tokio::spawn(accept(listener, behind.clone(), open.clone(), rate));
        Proxy { address, behind, open }
    }

    /// Where to dial instead.
    pub(crate) fn before(&self, address: SocketAddr) -> SocketAddr {
        self.behind.set(address).unwrap();
        self.address
    }

    /// Nothing gets through any more, and nobody is told.
    pub(crate) fn cut(&self) {
        self.open.send_replace(false);
    }

    /// What was in the network gets through, and all that comes.
    pub(crate) fn heal(&self) {
        self.open.send_replace(true);
    }
}

async fn accept(listener: TcpListener, behind: Arc<OnceLock<SocketAddr>>, open: watch::Sender<bool>, rate: usize) {
    while let Ok((near, _)) = listener.accept().await {
        let Some(behind) = behind.get().copied() else { continue };
        let open = open.subscribe();
        tokio::spawn(async move {
            let mut opened = open.clone();
            drop(opened.wait_for(|open| *open).await);
            let socket = TcpSocket::new_v4().unwrap();
            socket.set_recv_buffer_size(BUFFER).unwrap();
            let Ok(far) = socket.connect(behind).await else { return };
            for tcp in [&near, &far] {
                TcpStream::set_nodelay(tcp, true).unwrap();
            }
            let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
            tokio::spawn(carry(near_in, far_out, open.clone(), rate));
            carry(far_in, near_out, open, rate).await;
        });
    }
}

async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut open: watch::Receiver<bool>, rate: usize) {
    let mut buffer = vec![0; 8 << 10];
    let mut free = Instant::now();
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        free = free.max(Instant::now()) + Duration::from_nanos((count * 1_000_000 / rate) as u64);
        if free - Instant::now() > Duration::from_millis(1) {
            sleep_until(free).await;
        }
        drop(open.wait_for(|open| *open).await);
        if to.write_all(&buffer[..count]).await.is_err() {
            break;
        }
    }
}
