//! Measures a link: `cargo run --release -p offboard-link --example measure -- robot 127.0.0.1:7400 921600 30` in one terminal and
//! `… -- desktop 127.0.0.1:7400` in another; both on one machine (network namespaces do), so that they share the clock.
//!
//! The robot sends pictures of so many bytes at such a rate; the desktop answers each with a command and sends 100 more a second.
//! After 10 s the desktop prints the age of the pictures, the robot the age of the commands and the whole loop. Both use
//! the key of `$OFFBOARD_KEY_FILE`. It starts nothing and writes nothing.

use std::{
    process::ExitCode,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use offboard::{clock, proto::Header};
use offboard_link::{
    config::{Config, Hearing, Params, PeerParams},
    interest::Offer,
    key::{self, Identity},
    link::Link,
    local::{Local, Source},
    outbox::Outgoing,
};
use tokio::{
    net::TcpListener,
    sync::mpsc,
    time::{MissedTickBehavior, interval, sleep},
};

/// How long is measured, after a second to settle.
const SECONDS: u64 = 10;

/// Both ends' side: one topic said, one heard.
struct Side {
    listeners: Mutex<Vec<mpsc::UnboundedSender<Outgoing>>>,
    heard: mpsc::UnboundedSender<(Header, usize)>,
}

struct Ear(mpsc::UnboundedReceiver<Outgoing>);

impl Local for Side {
    type Source = Ear;

    async fn subscribe(&self, _offer: usize) -> Result<Ear, String> {
        let (say, messages) = mpsc::unbounded_channel();
        self.listeners.lock().map_err(|error| error.to_string())?.push(say);
        Ok(Ear(messages))
    }

    async fn publish(&self, _output: usize, header: Header, payload: Bytes) {
        drop(self.heard.send((header, payload.len())));
    }

    fn now_ns(&self) -> i64 {
        clock::now_ns()
    }
}

impl Source for Ear {
    async fn next(&mut self) -> Option<Outgoing> {
        self.0.recv().await
    }
}

impl Side {
    /// Says something whose cause has that stamp.
    fn say(&self, seq: u64, stamp_ns: i64, payload: Bytes) {
        let header = Header { seq, incarnation: 1, sent_ns: clock::now_ns(), stamp_ns, ..Header::default() };
        if let Ok(mut listeners) = self.listeners.lock() {
            listeners.retain(|listener| {
                listener.send(Outgoing { header: header.clone(), payload: payload.clone() }).is_ok()
            });
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let ended = match words[..] {
        ["robot", address, size, rate] => match (size.parse(), rate.parse()) {
            (Ok(size), Ok(rate)) => robot(address, size, rate).await,
            _ => Err("size and rate are numbers".into()),
        },
        ["desktop", address] => desktop(address).await,
        _ => Err("robot LISTEN SIZE RATE, or desktop ADDRESS".into()),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

type Outcome = Result<(), Box<dyn std::error::Error>>;
type Running = (Arc<Link<Side>>, mpsc::UnboundedReceiver<(Header, usize)>);

async fn start(
    name: &str,
    listen: Option<&str>,
    peer: PeerParams,
    says: &str,
    hears: &str,
) -> Result<Running, Box<dyn std::error::Error>> {
    let identity = Identity::load_or_create(&key::place(|name| std::env::var(name).ok())?)?;
    let params = Params {
        listen: listen.map(str::to_owned),
        peers: vec![PeerParams { key: Some(identity.public().to_string()), ..peer }],
    };
    let offers = vec![Offer { topic: says.to_owned(), kind: "*".to_owned() }];
    let hearings = [Hearing { topic: hears.to_owned(), kind: "*".to_owned(), keep: 1 }];
    let config = Config::new(name, params, identity.public(), offers, &hearings).map_err(|all| all.join("; "))?;
    let listener = match listen {
        Some(address) => Some(TcpListener::bind(address).await?),
        None => None,
    };
    let (say, heard) = mpsc::unbounded_channel();
    let link = Link::new(config, identity, Side { listeners: Mutex::default(), heard: say });
    tokio::spawn(link.clone().run(listener));
    while !link.is_linked(0) {
        sleep(Duration::from_millis(10)).await;
    }
    sleep(Duration::from_secs(1)).await;
    Ok((link, heard))
}

async fn robot(address: &str, size: usize, rate: u64) -> Outcome {
    let peer = PeerParams { name: "desktop".to_owned(), address: None, key: None };
    let (link, mut heard) = start("robot", Some(address), peer, "camera/frames", "desktop:pilot/drive").await?;
    let mut tick = interval(Duration::from_nanos(1_000_000_000 / rate));
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let picture = Bytes::from(vec![7; size]);
    let (mut commands, mut loops) = (Vec::new(), Vec::new());
    for seq in 1..=rate * SECONDS {
        loop {
            tokio::select! {
                _ = tick.tick() => break,
                got = heard.recv() => {
                    let Some((header, size)) = got else { return Err("the link ended".into()) };
                    // Commands of the clock and answers to pictures tell themselves apart by their size.
                    let ages = if size == 60 { &mut commands } else { &mut loops };
                    ages.push(clock::now_ns() - if size == 60 { header.sent_ns } else { header.stamp_ns });
                }
            }
        }
        link.local().say(seq, clock::now_ns(), picture.clone());
    }
    print("commands", &mut commands, 100 * SECONDS);
    print("loop", &mut loops, rate * SECONDS);
    Ok(())
}

async fn desktop(address: &str) -> Outcome {
    let peer = PeerParams { name: "robot".to_owned(), address: Some(address.to_owned()), key: None };
    let (link, mut heard) = start("desktop", None, peer, "pilot/drive", "robot:camera/frames").await?;
    let mut tick = interval(Duration::from_millis(10));
    let mut ages = Vec::new();
    let (mut seq, mut last) = (0, 0);
    let end = clock::now_ns() + (SECONDS * 1_000_000_000) as i64;
    while clock::now_ns() < end {
        tokio::select! {
            _ = tick.tick() => {
                seq += 1;
                link.local().say(seq, clock::now_ns(), Bytes::from_static(&[1; 60]));
            }
            got = heard.recv() => {
                let Some((header, _)) = got else { return Err("the link ended".into()) };
                ages.push(clock::now_ns() - header.sent_ns);
                seq += 1;
                last = header.seq;
                link.local().say(seq, header.stamp_ns, Bytes::from_static(&[1; 61]));
            }
        }
    }
    print("pictures", &mut ages, last);
    Ok(())
}

/// Count and delays, in milliseconds.
fn print(what: &str, ages_ns: &mut [i64], of: u64) {
    ages_ns.sort_unstable();
    let at = |percent: usize| {
        ages_ns.get((ages_ns.len().max(1) - 1) * percent / 100).map_or(f64::NAN, |ns| *ns as f64 / 1e6)
    };
    println!(
        "{what}: {} of {of}, p50 {:.2} p90 {:.2} p99 {:.2} max {:.2} ms",
        ages_ns.len(),
        at(50),
        at(90),
        at(99),
        at(100)
    );
}
